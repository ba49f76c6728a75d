#![no_main]

use bigarrays::chunk::codec::Lz4;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    bigarrays_fuzz::bytes(&Lz4::new(65536).unwrap(), input);
    bigarrays_fuzz::bytes(&Lz4::sized(), input);
});
