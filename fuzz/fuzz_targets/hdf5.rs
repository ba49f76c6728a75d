#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use bigarrays::flat::plan_conversion;
use bigarrays::format::files::hdf5::File;

static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("bigarrays-fuzz-{}.h5", std::process::id())));

/// Bytes that are read of a dataset at a time.
const MOST: u64 = 1 << 20;

// Whatever a file holds, its datasets are found, and their first and last rows read, or are an error.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    std::fs::write(&*PATH, input).unwrap();
    let _ = plan_conversion(&PATH, None);
    let Ok(file) = File::open(&PATH) else { return };
    for name in file.datasets().unwrap_or_default() {
        let Ok(dataset) = file.dataset(&name) else { continue };
        let Some((&rows, lengths)) = dataset.shape().split_first() else { continue };
        let row = lengths.iter().try_fold(dataset.dtype.size() as u64, |row, &length| row.checked_mul(length));
        let Some(row) = row.filter(|row| (1..=MOST).contains(row)) else { continue };
        let count = rows.min(MOST / row);
        let mut out = vec![0; (count * row) as usize];
        let _ = dataset.read(0..count, &mut out);
        let _ = dataset.read(rows - count..rows, &mut out);
    }
});
