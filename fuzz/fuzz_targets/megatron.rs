#![no_main]

use bigarrays::format::files::megatron::Index;

// The first bytes choose how long the data are; documents lie within them, or are an error.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((length, input)) = input.split_first_chunk::<4>() else { return };
    let length = u64::from(u32::from_le_bytes(*length));
    let Ok(mut index) = Index::new(Box::new(input), length) else { return };
    for number in 0..index.documents.min(1000) {
        if let Ok(runs) = index.document(number) {
            assert!(runs.iter().all(|run| run.start < run.end && run.end <= length));
        }
    }
});
