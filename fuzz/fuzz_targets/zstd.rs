#![no_main]

use bigarrays::chunk::codec::Zstd;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Zstd::new(3).unwrap(), input));
