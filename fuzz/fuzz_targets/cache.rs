#![no_main]
//! Files of a cache directory: what parses is what would be written.

use bigarrays::store::cache::entry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((header, start)) = entry::parse(input) else { return };
    let value = &input[start..];
    assert_eq!(header.length, value.len() as u64);
    let again = entry::Header::new(&header.name, header.version.as_deref(), header.encoding, value);
    assert_eq!(again.as_ref(), Some(&header));
    assert_eq!(header.to_bytes(), &input[..start]);
});
