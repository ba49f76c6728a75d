#![no_main]

use std::sync::Arc;

use bigarrays::format::files::npz::Npz;

// Whatever an archive says, its arrays are read in pieces, or are an error.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Ok(mut archive) = Npz::new(Arc::new(input)) else { return };
    let mut piece = vec![0; 1 << 16];
    for _ in 0..1000 {
        let Ok(Some(entry)) = archive.next_entry() else { return };
        let Ok((header, mut elements)) = archive.array(&entry) else { continue };
        let mut left = header.data_len().unwrap();
        while left > 0 {
            let count = left.min(piece.len() as u64);
            if elements.fill(&mut piece[..count as usize]).is_err() {
                break;
            }
            left -= count;
        }
    }
});
