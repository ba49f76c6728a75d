#![no_main]

use bigarrays::format::npy;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = npy::parse_header(input);
});
