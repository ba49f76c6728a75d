#![no_main]

use bigarrays::chunk::codec::Xz;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Xz::new(6).unwrap(), input));
