#![no_main]

use bigarrays::flat::inspect_index;

// Whatever the file of an index holds, looking at it is an answer and never a panic.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = inspect_index(input);
});
