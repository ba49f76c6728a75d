#![no_main]

use bigarrays::chunk::codec::Compresso;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::array(&Compresso, input));
