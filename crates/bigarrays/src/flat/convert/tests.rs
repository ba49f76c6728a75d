use std::path::{Path, PathBuf};

use super::*;
use crate::flat::{Descr, FlatArray, FlatSpec, Mode, SliceArray};

fn open(path: &Path) -> SliceArray {
    SliceArray::open(path, Mode::Read).unwrap()
}

/// Names, rows and elements of an array of bytes.
fn all(path: &Path) -> (Vec<(String, std::ops::Range<u64>)>, Vec<u8>) {
    let slices = open(path);
    let names =
        slices.names(0, usize::MAX).unwrap().into_iter().map(|(name, slice)| (name, slice.rows.first));
    let mut elements = vec![0; slices.array().header().data_len().unwrap() as usize];
    slices.array().read(0, &mut elements).unwrap();
    (names.collect(), elements)
}

fn left_in(folder: &Path) -> Vec<String> {
    let mut left: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    left
}

/// A folder of files, of as many rows of two bytes as it says.
fn folder_of_files(folder: &Path, files: &[(&str, u64)]) -> PathBuf {
    let source = folder.join("source");
    for (name, rows) in files {
        let path = source.join(format!("{name}.npy"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let spec = FlatSpec::new(Descr::of(crate::DataType::U8), &[0, 2]);
        let array = FlatArray::create(&path, &spec).unwrap();
        let elements: Vec<u8> = (0..2 * rows).map(|k| (k * 31 + rows) as u8).collect();
        array.append(*rows, &elements).unwrap();
    }
    source
}

#[test]
fn elements_and_names_of_bigarray_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (directory.path().join("old"), directory.path().join("new.npy"));
    let marshal = b"[\x02\x00\x00\x00z\x05uint8)\x02i\x03\x00\x00\x00i\x02\x00\x00\x00";
    let mut bytes = [&b"mmapdata"[..], format!("{:8}", marshal.len()).as_bytes(), marshal].concat();
    bytes.resize(502, 0);
    bytes.extend(0..6);
    std::fs::write(&old, &bytes).unwrap();
    let options = ConvertOptions::default();
    assert_eq!(convert(&old, &new, &options).unwrap().plan.names, 0);
    assert_eq!(left_in(directory.path()), ["new.npy", "old"]);
    let pickle = b"\x80\x04}(\x8c\x01bK\x01K\x03\x86\x8c\x01aK\x00K\x01\x86u.";
    bytes.extend_from_slice(pickle);
    bytes.extend((pickle.len() as u64).to_be_bytes());
    std::fs::write(&old, &bytes).unwrap();
    assert_eq!(convert(&old, &new, &options).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let options = ConvertOptions { overwrite: true, ..options };
    assert_eq!(convert(&old, &new, &options).unwrap().plan.names, 2);
    assert_eq!(all(&new), (vec![("b".to_owned(), 1..3), ("a".to_owned(), 0..1)], vec![0, 1, 2, 3, 4, 5]));
    bytes.pop();
    std::fs::write(&old, &bytes).unwrap();
    assert!(convert(&old, &directory.path().join("other.npy"), &options).is_err());
    assert_eq!(left_in(directory.path()), ["new.npy", "new.npy.index", "old"]);
}

#[test]
fn a_folder_becomes_slices_named_by_paths() {
    let directory = tempfile::tempdir().unwrap();
    let large = 5 << 20;
    let source = folder_of_files(
        directory.path(),
        &[("b/two", 3), ("a", 1), ("b/large", large), ("b/none", 0), ("c", 2)],
    );
    std::fs::write(source.join("notes.txt"), "x").unwrap();
    let plan = plan_conversion(&source, None).unwrap();
    assert_eq!((plan.names, plan.shape), (5, vec![large + 6, 2]));
    assert!(plan.note.unwrap().starts_with("1 of"));
    let new = directory.path().join("new.npy");
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress: Progress| told.lock().unwrap().push((progress.done, progress.total));
    let options = ConvertOptions { progress: Some(&tell), ..ConvertOptions::default() };
    let converted = convert(&source, &new, &options).unwrap();
    assert_eq!((converted.found, converted.plan.bytes), (0, 2 * (large + 6)));
    assert_eq!(told.lock().unwrap().last(), Some(&(2 * (large + 6), 2 * (large + 6))));
    let (names, elements) = all(&new);
    let expected = [
        ("a", 0..1),
        ("b/large", 1..large + 1),
        ("b/none", large + 1..large + 1),
        ("b/two", large + 1..large + 4),
        ("c", large + 4..large + 6),
    ];
    assert_eq!(names, expected.clone().map(|(name, rows)| (name.to_owned(), rows)));
    for (k, (name, rows)) in expected.iter().enumerate() {
        let own = &elements[2 * rows.start as usize..2 * rows.end as usize];
        let count = rows.end - rows.start;
        assert!(
            own.iter().zip(0u64..).all(|(&element, at)| element == (at * 31 + count) as u8),
            "{k} {name}"
        );
    }
    assert_eq!(left_in(directory.path()), ["new.npy", "new.npy.index", "source"]);
}

#[test]
fn a_key_chooses_an_array_or_those_below() {
    let directory = tempfile::tempdir().unwrap();
    let source = folder_of_files(directory.path(), &[("b/two", 3), ("a", 1), ("b/c/d", 2), ("bc", 1)]);
    let new = directory.path().join("new.npy");
    let with_key = |key| ConvertOptions { overwrite: true, key: Some(key), ..ConvertOptions::default() };
    convert(&source, &new, &with_key("b")).unwrap();
    assert_eq!(all(&new).0, [("c/d".to_owned(), 0..2), ("two".to_owned(), 2..5)]);
    convert(&source, &new, &with_key("b/two")).unwrap();
    assert_eq!(left_in(directory.path()), ["new.npy", "source"]);
    assert_eq!(FlatArray::open(&new, Mode::Read).unwrap().rows(), 3);
    let error = convert(&source, &new, &with_key("x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("\"x\""), "{error}");
}

#[test]
fn what_cannot_be_slices_of_one_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let source = folder_of_files(directory.path(), &[("a", 1), ("b", 1)]);
    let create = |name: &str, dtype, shape: &[u64]| {
        FlatArray::create(
            &source.join(name),
            &FlatSpec { overwrite: true, ..FlatSpec::new(Descr::of(dtype), shape) },
        )
        .unwrap();
    };
    let refused = |part: &str| {
        let new = directory.path().join("new.npy");
        let error = convert(&source, &new, &ConvertOptions::default()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(left_in(directory.path()), ["source"]);
    };
    create("c.npy", crate::DataType::U8, &[5, 3]);
    refused("\"c\" has elements of '|u1' in rows of shape [3], and the array \"a\"");
    create("c.npy", crate::DataType::I16, &[5, 2]);
    refused("\"c\" has elements of '<i2'");
    create("c.npy", crate::DataType::U8, &[]);
    refused("\"c\" is a single value");
    std::fs::write(source.join("c.npy"), b"\x93NUMPY\x01\x00").unwrap();
    refused("c.npy: invalid metadata");
    std::fs::remove_file(source.join("c.npy")).unwrap();
    let cut = std::fs::OpenOptions::new().write(true).open(source.join("b.npy")).unwrap();
    cut.set_len(cut.metadata().unwrap().len() - 1).unwrap();
    refused("b.npy: corrupt data");
}

/// What a conversion ends with that was asked to stop after so many pieces, at the first of them and so on.
fn stopped_after(pieces: usize, old: &Path, new: &Path) -> Result<Converted> {
    let told = std::sync::atomic::AtomicUsize::new(0);
    let tell = |_: Progress| {
        told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let is_asked = || told.load(std::sync::atomic::Ordering::Relaxed) >= pieces;
    let options = ConvertOptions { progress: Some(&tell), ..ConvertOptions::default() };
    crate::interruptible(&is_asked, || convert(old, new, &options))
}

#[test]
fn a_stopped_conversion_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let large = 20 << 20;
    let source = folder_of_files(directory.path(), &[("a", 3), ("b", large), ("c", 4)]);
    let (whole, new) = (directory.path().join("whole.npy"), directory.path().join("new.npy"));
    convert(&source, &whole, &ConvertOptions::default()).unwrap();
    let error = stopped_after(3, &source, &new).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().contains("rows are in"), "{error}");
    assert!(!new.exists());
    // Rows of which nothing is noted go.
    let draft = FlatArray::open(&new.with_file_name("new.npy.unfinished"), Mode::ReadWrite).unwrap();
    let had = draft.rows();
    draft.append(1, &[7, 7]).unwrap();
    drop(draft);
    // What those have left that were killed while they began.
    let left = |name: &str| directory.path().join(format!(".new.npy.unfinished{name}.2147483647-0.tmp"));
    std::fs::create_dir(left(".index")).unwrap();
    std::fs::write(left(".index").join("lock.mdb"), [0; 8192]).unwrap();
    std::fs::write(left(""), "rows").unwrap();
    let converted = convert(&source, &new, &ConvertOptions::default()).unwrap();
    assert_eq!(converted.found, had);
    assert!(had > 3 && had < large);
    assert_eq!(all(&new), all(&whole));
    assert_eq!(
        left_in(directory.path()),
        ["new.npy", "new.npy.index", "source", "whole.npy", "whole.npy.index"]
    );
}

#[test]
fn a_draft_of_another_source_is_not_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    let source = folder_of_files(directory.path(), &[("a", 3), ("b", 9 << 20)]);
    let new = directory.path().join("new.npy");
    stopped_after(2, &source, &new).unwrap_err();
    folder_of_files(directory.path(), &[("c", 3)]);
    let error = convert(&source, &new, &ConvertOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("new.npy.unfinished"), "{error}");
    let options = ConvertOptions { overwrite: true, ..ConvertOptions::default() };
    assert_eq!(convert(&source, &new, &options).unwrap().found, 0);
    assert_eq!(open(&new).len(), 3);
}

#[test]
fn a_conversion_killed_while_it_takes_its_name_is_ended_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let source = folder_of_files(directory.path(), &[("a", 3), ("b", 2)]);
    let (new, index) = (directory.path().join("new.npy"), directory.path().join("new.npy.index"));
    let unfinished = directory.path().join("new.npy.unfinished");
    let options = ConvertOptions { overwrite: true, ..ConvertOptions::default() };
    for steps in 0..4 {
        let (plan, version) = plan_of(&source, None).unwrap();
        let draft = Draft::of(&new, &version, true).unwrap();
        let target = draft.open(&Header::new(plan.descr.clone(), Order::C, &plan.shape).unwrap()).unwrap();
        fill::fill(&mut *detect::open(&source, None).unwrap(), &target, plan.bytes, None).unwrap();
        drop(target);
        let left: [&dyn Fn(); 3] = [
            &|| drop(std::fs::remove_file(&new)),
            &|| {
                drop(std::fs::remove_dir_all(&index));
                std::fs::rename(directory.path().join("new.npy.unfinished.index"), &index).unwrap();
            },
            &|| std::fs::hard_link(&unfinished, &new).unwrap(),
        ];
        left[..steps].iter().for_each(|step| step());
        assert_eq!(convert(&source, &new, &options).unwrap().found, 5, "after {steps} steps");
        assert_eq!(all(&new).0, [("a".to_owned(), 0..3), ("b".to_owned(), 3..5)]);
        assert_eq!(left_in(directory.path()), ["new.npy", "new.npy.index", "source"]);
    }
}

#[cfg(feature = "hdf5")]
#[test]
fn rows_that_are_larger_than_memory_are_refused_before_anything_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hdf5/row.h5");
    let error = plan_conversion(&path, None).unwrap_err();
    assert!(error.kind() == ErrorKind::MemoryBudget && error.to_string().contains("\"x\""), "{error}");
}
