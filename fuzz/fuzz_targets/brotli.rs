#![no_main]

use bigarrays::chunk::codec::Brotli;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Brotli::new(5).unwrap(), input));
