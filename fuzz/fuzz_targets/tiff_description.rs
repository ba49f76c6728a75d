//! What descriptions of TIFF files say of axes: OME-XML above all.
#![no_main]

use bigarrays::format::files::tiff;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&[pages, samples], text)) = input.split_first_chunk() else { return };
    if let Ok(axes) = tiff::described_axes(text, pages.into(), samples.into()) {
        let product = axes.iter().try_fold(1u64, |product, axis| product.checked_mul(axis.1));
        assert_eq!(product, Some(pages.into()));
    }
});
