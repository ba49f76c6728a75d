#![no_main]

use bigarrays::chunk::codec::Zlib;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Zlib::new(1).unwrap(), input));
