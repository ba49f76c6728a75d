#![no_main]

use bigarrays::chunk::codec::Bz2;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Bz2::new(1).unwrap(), input));
