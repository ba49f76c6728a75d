#![no_main]

use bigarrays::format::precomputed::info::Info;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(info) = Info::parse(input) {
        let again = Info::parse(&info.to_bytes()).expect("what was written is read");
        assert_eq!(again, info);
        let _ = info.describe();
    }
});
