#![no_main]
//! Names of slices in an index that is damaged: an index of a few names and metadata, in which the input changes bytes.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use bigarrays::DataType;
use bigarrays::flat::{Descr, FlatSpec, Mode, NamedRows, SliceArray};

/// The array, the file of its index, and what that holds when it is whole.
static GOOD: LazyLock<(PathBuf, PathBuf, Vec<u8>)> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("bigarrays-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.npy");
    let slices = SliceArray::create(&path, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
    let names: Vec<String> = (0..80).map(|k| format!("{k}").repeat(1 + k % 3)).collect();
    let rows: Vec<NamedRows<'_>> =
        names.iter().map(|name| NamedRows { name, rows: 2, bytes: b"abcd" }).collect();
    slices.write(&rows, false).unwrap();
    slices.set_metadata(&[("0", Some("{\"k\": [1, 2.5, null]}")), ("11", Some("7"))]).unwrap();
    slices.delete(&["202020", "21"]).unwrap();
    drop(slices);
    let index = folder.join("a.npy.index/data.mdb");
    let good = fs::read(&index).unwrap();
    (path, index, good)
});

// An input is a list of changes: an offset of two bytes, how many bytes change, and these. Whatever they are, the index
// is refused, or what it says can be looked at.
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (path, index, good) = &*GOOD;
    let mut bytes = good.clone();
    let mut input = input;
    while let Some((&[low, high, count], rest)) = input.split_first_chunk() {
        let (new, rest) = rest.split_at(rest.len().min(1 + usize::from(count) % 8));
        let start = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        bytes[start..].iter_mut().zip(new).for_each(|(old, &new)| *old = new);
        input = rest;
    }
    // Not in the file that is there: others may have that mapped.
    let folder = index.parent().unwrap();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).unwrap();
    fs::write(index, &bytes).unwrap();
    let Ok(slices) = SliceArray::open(path, Mode::Read) else { return };
    let named = slices.names(0, 1000).unwrap_or_default();
    for (name, slice) in &named {
        let _ = (slices.lookup(name), slices.metadata(name), slices.at(&[slice.rows.start]));
    }
    let _ = (slices.get_one("33"), slices.described(0, 1000), slices.count_metadata());
    if let Ok(snapshot) = slices.snapshot(Mode::Read) {
        let _ = (snapshot.names(0, 1000), snapshot.with_prefix("3"), snapshot.metadata(0));
        let _ = snapshot.find("11").map(|_| snapshot.get(&["11"]));
    }
});
