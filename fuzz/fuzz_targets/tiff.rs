#![no_main]

use bigarrays::format::files::tiff;
use bigarrays::{Array, ArrayOptions};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(opened) = tiff::open_bytes(input.to_vec(), "input") else { return };
    let array = Array::from_opened(opened, "input", ArrayOptions::default());
    let bytes = array.domain().checked_len().unwrap_or(u64::MAX).saturating_mul(array.dtype().size() as u64);
    if bytes <= 8 << 20 {
        bigarrays::for_dtype!(array.dtype(), T => drop(array.read::<T>(array.domain())), _other => ());
    }
});
