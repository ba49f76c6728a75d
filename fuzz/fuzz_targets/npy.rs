#![no_main]

use bigarrays::format::files::npy::{self, Header};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(header) = npy::parse_header(input) else { return };
    let _ = header.descr.element();
    let _ = header.data_len();
    let new = Header::new(header.descr.clone(), header.order, &header.shape).expect("what was read can be written");
    let again = npy::parse_header(&new.to_bytes().expect("a new header has room")).expect("what was written is read");
    assert_eq!(again, new);
});
