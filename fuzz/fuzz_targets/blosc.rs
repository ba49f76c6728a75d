#![no_main]

use bigarrays::chunk::codec::Blosc;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Blosc::new(4, 5).unwrap(), input));
