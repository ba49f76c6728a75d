#![no_main]

use bigarrays::format::files::bigarray;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = bigarray::parse_header(input);
    let _ = bigarray::parse_marshal(input);
});
