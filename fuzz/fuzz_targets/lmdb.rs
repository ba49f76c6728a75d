#![no_main]

use bigarrays::flat::read_values;

// Whatever an LMDB file holds, its values are read or an error, and no page is read for ever.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = read_values(input);
});
