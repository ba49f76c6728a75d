#![no_main]

use bigarrays::chunk::codec::{Lzma, LzmaContainer, LzmaFilter, Xz};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    bigarrays_fuzz::bytes(&Xz::new(6).unwrap(), input);
    bigarrays_fuzz::bytes(&Lzma::new(LzmaContainer::Alone, 6, Vec::new()).unwrap(), input);
    for name in ["lzma1", "lzma2"] {
        let filter = LzmaFilter::new(name, &[("preset", 1)]).unwrap();
        bigarrays_fuzz::bytes(&Lzma::new(LzmaContainer::Raw, 6, vec![filter]).unwrap(), input);
    }
});
