#![no_main]

use bigarrays::format::files::bigarray;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(names) = bigarray::parse_pickle(input) {
        // A name takes bytes of its own in the input but for those that are remembered.
        assert!(names.len() <= input.len());
    }
});
