#![no_main]

use bigarrays::chunk::codec::Gzip;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bigarrays_fuzz::bytes(&Gzip::new(6).unwrap(), input));
