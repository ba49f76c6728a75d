#![no_main]

use bigarrays::chunk::codec::Png;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::array(&Png::new(6).unwrap(), input));
