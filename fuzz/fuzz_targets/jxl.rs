#![no_main]

use bigarrays::chunk::codec::Jxl;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::array(&Jxl, input));
