#![no_main]

use bigarrays::chunk::codec::Jpeg;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::array(&Jpeg::new(75).unwrap(), input));
