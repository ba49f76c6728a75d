#![no_main]

use bigarrays::codec::Zlib;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Zlib::new(1).unwrap(), input));
