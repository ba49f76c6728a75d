//! Flat arrays, their names, and files of Python's bigarray.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use bigarrays::flat::{Descr, FlatSpec, Mode, NamedRows, NewSlice, RowBytes, SliceArray};
use common::Bench;

/// A PointerArray of 4 rows of 3 bytes, as bigarray writes it.
fn old_file(path: &Path) {
    let marshal = b"[\x02\x00\x00\x00z\x05uint8)\x02i\x04\x00\x00\x00i\x03\x00\x00\x00";
    let pickle = b"\x80\x04}(\x8c\x03oneK\x00K\x01\x86\x8c\x05threeK\x01K\x04\x86u.";
    let mut bytes = [&b"mmapdata"[..], format!("{:8}", marshal.len()).as_bytes(), marshal].concat();
    bytes.resize(502, 0);
    bytes.extend(0..12);
    bytes.extend_from_slice(pickle);
    bytes.extend((pickle.len() as u64).to_be_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn names_are_listed_and_counted() {
    let bench = Bench::new();
    let spec = FlatSpec::new(Descr::of(bigarrays::DataType::U8), &[0, 2]);
    let slices = SliceArray::create(&bench.path("s.npy"), &spec).unwrap();
    let names: Vec<String> = (0..2500).map(|k| format!("n{k}")).collect();
    let ones = [1; 4];
    let rows = names.iter().zip(0..).map(|(name, k)| {
        let rows = k % 3;
        NamedRows { name, rows, bytes: &ones[..2 * rows as usize] }
    });
    slices.write(&rows.collect::<Vec<_>>(), false).unwrap();
    assert_eq!(bench.ok("names s.npy").lines().count(), 2500);
    assert_eq!(bench.ok("names s.npy --grep n249").lines().count(), 11);
    assert_eq!(bench.ok("names s.npy --grep n2499 --rows"), "n2499\t2499\t2499\n");
    assert!(bench.ok("info s.npy").contains("names       2500"));
    let info: serde_json::Value = serde_json::from_str(&bench.ok("info s.npy --json")).unwrap();
    assert_eq!(info["names"], 2500);
    bench.ok("export s.npy out.npy --box 0:2,5:9 --transpose yx");
    bench.fails("names out.npy", 3);
}

#[test]
fn several_arrays_are_shown_listed_and_verified() {
    let bench = Bench::new();
    let spec = |shape: &[u64]| FlatSpec::new(Descr::of(bigarrays::DataType::U8), shape);
    let arrays = [("features", spec(&[0, 2])), ("labels", spec(&[0]))];
    let slices = SliceArray::create_set(&bench.path("set"), &arrays).unwrap();
    let rows = [RowBytes { rows: 3, bytes: &[1; 6] }, RowBytes { rows: 1, bytes: &[2] }];
    let named = |name, metadata| NewSlice { name, arrays: &rows, metadata };
    slices.write_slices(&[named("a", Some("{\"k\": 1}")), named("b", None)], false).unwrap();
    let text = bench.ok("info set");
    for part in ["names       2, 1 with metadata", "features  uint8  6 × 2", "labels    uint8  2"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let info: serde_json::Value = serde_json::from_str(&bench.ok("info set --json")).unwrap();
    assert_eq!((&info["names"], &info["metadata"]), (&2.into(), &1.into()));
    assert_eq!(info["arrays"][1], serde_json::json!({"name": "labels", "dtype": "uint8", "shape": [2]}));
    assert!(!bench.ok("info set/labels.npy").contains("names"));
    assert_eq!(bench.ok("names set --rows"), "a\t0\t3\t0\t1\nb\t3\t6\t1\t2\n");
    let report: serde_json::Value = serde_json::from_str(&bench.ok("verify set --json")).unwrap();
    assert_eq!(report["arrays"].as_array().unwrap().len(), 3, "{report}");
    bench.fails("export set/labels.npy set/features.npy --overwrite", 2);
    bench.ok("export set/labels.npy out.npy");
    std::fs::write(bench.path("set/labels.npy"), b"nonsense").unwrap();
    bench.fails("verify set", 8);
}

#[test]
fn old_files_are_shown_exported_and_converted() {
    let bench = Bench::new();
    old_file(&bench.path("old"));
    let text = bench.ok("info old");
    for part in ["bigarray", "4 × 3", "uint8", "names       2"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(bench.ok("names old --rows"), "one\t0\t1\nthree\t1\t4\n");
    bench.ok("export old out.npy");
    bench.fails("convert old new.bin", 2);
    bench.ok("convert old new.npy");
    bench.fails("convert old new.npy", 1);
    bench.ok("convert old new.npy --overwrite");
    assert_eq!(bench.ok("names new.npy"), "one\nthree\n");
    let slices = SliceArray::open(&bench.path("new.npy"), Mode::Read).unwrap();
    let mut rows = [0; 9];
    slices.array().read(slices.get_one("three").unwrap().0.rows.start, &mut rows).unwrap();
    assert_eq!(rows, [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    bench.fails("convert out.npy other.npy", 4);
    bench.ok("copy old layer --create");
    assert!(bench.ok("info layer").contains("precomputed"));
}

#[test]
fn names_cannot_change_the_terminal() {
    let bench = Bench::new();
    let spec = FlatSpec::new(Descr::of(bigarrays::DataType::U8), &[0]);
    let slices = SliceArray::create(&bench.path("s.npy"), &spec).unwrap();
    slices.write(&[NamedRows { name: "é\u{1b}[2J\n", rows: 1, bytes: &[1] }], false).unwrap();
    assert_eq!(bench.ok("names s.npy"), "é\\u{1b}[2J\\n\n");
}

#[test]
fn an_export_in_place_of_an_array_leaves_no_names() {
    let bench = Bench::new();
    let spec = FlatSpec::new(Descr::of(bigarrays::DataType::U8), &[0]);
    let create = |name| SliceArray::create(&bench.path(name), &spec).unwrap();
    create("from.npy").write(&[NamedRows { name: "a", rows: 2, bytes: &[1, 2] }], false).unwrap();
    create("s.npy").write(&[NamedRows { name: "old", rows: 1, bytes: &[1] }], false).unwrap();
    bench.ok("export from.npy s.npy --overwrite");
    assert_eq!(bench.ok("names s.npy"), "");
}
