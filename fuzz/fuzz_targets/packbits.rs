#![no_main]

use bigarrays::chunk::codec::{PackBits, PackBitsPadding};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    bigarrays_fuzz::array(&PackBits::new(PackBitsPadding::FirstByte, None, Some(5)), input);
    bigarrays_fuzz::array(&PackBits::numcodecs(), input);
});
