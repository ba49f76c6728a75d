#![no_main]

use bigarrays::chunk::codec::CompressedSegmentation;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((block, input)) = input.split_first_chunk::<3>() else { return };
    let block = block.map(|length| 1 + usize::from(length % 16));
    bigarrays_fuzz::array(&CompressedSegmentation::new(block).unwrap(), input);
});
