#![no_main]

use bigarrays::format::zarr::check_metadata;

// The first byte chooses the version, the rest is the metadata of an array.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((&choice, document)) = input.split_first() {
        let _ = check_metadata(document, if choice & 1 == 0 { 3 } else { 2 });
    }
});
