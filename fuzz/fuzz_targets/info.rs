#![no_main]

use bigarrays::format::precomputed::info::Info;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Ok(mut info) = Info::parse(input) {
        let again = Info::parse(&info.to_bytes()).expect("what was written is read");
        // A byte order mark is noted where it is read, and not written.
        info.tolerated.retain(|note| again.tolerated.contains(note));
        assert_eq!(again, info);
        let _ = info.describe();
    }
});
