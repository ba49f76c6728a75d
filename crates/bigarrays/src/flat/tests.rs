use std::path::PathBuf;

use super::grow::Unfinished;
use super::*;
use crate::base::buffer::Order;
use crate::base::dtype::DataType;
use crate::base::error::ErrorKind;

fn spec(shape: &[u64]) -> FlatSpec {
    FlatSpec::new(Descr::of(DataType::U16), shape)
}

fn new(shape: &[u64]) -> (tempfile::TempDir, PathBuf, FlatArray) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let array = FlatArray::create(&path, &spec(shape)).unwrap();
    (directory, path, array)
}

/// Rows of two elements, each row its number twice.
fn rows(range: std::ops::Range<u64>) -> Vec<u8> {
    range.flat_map(|row| [row as u16; 2]).flat_map(u16::to_le_bytes).collect()
}

fn all(array: &FlatArray) -> Vec<u8> {
    let mut out = vec![0; array.header().data_len().unwrap() as usize];
    array.read(0, &mut out).unwrap();
    let mapping = array.mapping().unwrap();
    // SAFETY: nobody else writes or cuts the file of a test.
    assert_eq!(unsafe { mapping.bytes() }.unwrap(), out);
    out
}

#[test]
fn appends_writes_grows_and_truncates_in_place() {
    let (_directory, path, array) = new(&[0, 2]);
    let reader = FlatArray::open(&path, Mode::Read).unwrap();
    assert_eq!(array.append(3, &rows(0..3)).unwrap(), 0..3);
    let early = array.mapping().unwrap();
    let other = FlatArray::open(&path, Mode::ReadWrite).unwrap();
    assert_eq!(other.append(400_000, &rows(3..400_003)).unwrap(), 3..400_003);
    assert_eq!(array.append(1, &rows(400_003..400_004)).unwrap(), 400_003..400_004);
    assert_eq!(all(&array), rows(0..400_004));
    assert_eq!(reader.rows(), 0);
    assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
    assert_eq!(all(&reader), rows(0..400_004));
    assert!(array.unfinished().unwrap().is_empty());

    array.truncate(3).unwrap();
    assert!(early.check().is_ok());
    assert_eq!(reader.read(5, &mut [0; 4]).unwrap_err().kind(), ErrorKind::CorruptData);
    array.grow(5).unwrap();
    array.write(1, 1, &rows(9..10)).unwrap();
    array.write(6, 1, &rows(6..7)).unwrap();
    reader.refresh().unwrap();
    let expected = [rows(0..1), rows(9..10), rows(2..3), vec![0; 12], rows(6..7)].concat();
    assert_eq!(all(&reader), expected);
    assert_eq!(std::fs::read(&path).unwrap()[early.header().data_offset as usize..], expected);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_directory, path, array) = new(&[0, 2]);
    let reader = FlatArray::open(&path, Mode::Read).unwrap();
    assert_eq!(reader.append(1, &rows(0..1)).unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(array.append(1, &[0; 5]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    for far in [u64::MAX, u64::MAX - 1, 1 << 62] {
        assert_eq!(array.write(far, 1, &rows(0..1)).unwrap_err().kind(), ErrorKind::InvalidArgument);
        assert!(array.grow(far).is_err());
    }
    assert_eq!(FlatArray::create(&path, &spec(&[3])).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let over = FlatSpec { overwrite: true, order: Order::Fortran, ..spec(&[3, 4]) };
    let fortran = FlatArray::create(&path, &over).unwrap();
    assert_eq!(fortran.append(1, &[0; 8]).unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(array.append(1, &rows(0..1)).unwrap_err().kind(), ErrorKind::Storage);
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.header().shape, [3, 4]);
}

#[test]
fn copies_on_write_stay_private() {
    let (_directory, path, array) = new(&[4, 2]);
    let copy = FlatArray::open(&path, Mode::CopyOnWrite).unwrap();
    let mapping = copy.mapping().unwrap();
    // SAFETY: the mapping is writable and nobody else uses it.
    unsafe { *mapping.as_ptr() = 7 };
    // SAFETY: as above.
    assert_eq!(unsafe { mapping.bytes() }.unwrap()[0], 7);
    assert_eq!(all(&array), [0; 16]);
}

#[test]
fn many_threads_append_without_losing_or_mixing() {
    let (_directory, path, array) = new(&[0, 2]);
    std::thread::scope(|scope| {
        for thread in 0..4u16 {
            let (array, path) = (&array, &path);
            scope.spawn(move || {
                let own = FlatArray::open(path, Mode::ReadWrite).unwrap();
                for turn in 0..20u64 {
                    // Some are written under the guard, some reserve their rows.
                    let count = if turn % 5 == 0 { 300_000 } else { 1 + turn };
                    let bytes = [thread, count as u16].map(u16::to_le_bytes).concat().repeat(count as usize);
                    let array = if turn % 2 == 0 { array } else { &own };
                    array.append(count, &bytes).unwrap();
                }
            });
        }
    });
    array.refresh().unwrap();
    let bytes = all(&array);
    let mut seen: Vec<[u8; 4]> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let row: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        let count = u16::from_le_bytes([row[2], row[3]]);
        let count = if count == 300_000u32 as u16 { 300_000 } else { usize::from(count) };
        assert_eq!(bytes[at..at + 4 * count], row.repeat(count));
        seen.push(row);
        at += 4 * count;
    }
    assert_eq!(seen.len(), 80);
    assert!(array.unfinished().unwrap().is_empty());
}

#[test]
fn rows_of_the_dead_are_taken_back_or_named() {
    let (_directory, path, array) = new(&[0, 2]);
    let file = array.writable().unwrap();
    let reserve = |rows| file.guarded(|| file.reserve(rows)).unwrap();
    drop(reserve(0..10));
    assert_eq!(array.append(2, &rows(0..2)).unwrap(), 0..2);
    let (dead, alive) = (reserve(2..5), reserve(5..8));
    drop(dead);
    assert_eq!(array.append(1, &rows(8..9)).unwrap(), 8..9);
    let reader = FlatArray::open(&path, Mode::Read).unwrap();
    let found = |rows, alive| Unfinished { rows, alive };
    assert_eq!(reader.unfinished().unwrap(), [found(2..5, false), found(5..8, true)]);
    assert!(array.truncate(1).is_err() && array.write(8, 3, &rows(8..11)).is_ok());
    drop(alive);
    assert_eq!(reader.unfinished().unwrap(), [found(2..5, false), found(5..8, false)]);
    array.write(2, 4, &rows(2..6)).unwrap();
    assert_eq!(reader.unfinished().unwrap(), [found(5..8, false)]);
    array.truncate(6).unwrap();
    assert_eq!(reader.unfinished().unwrap(), [found(5..6, false)]);
    array.write(5, 1, &rows(5..6)).unwrap();
    assert_eq!(all(&array), rows(0..6));
    assert!(!path.with_extension("npy.pending").exists());
}

#[test]
fn a_file_that_was_cut_short_is_left_alone() {
    let (_directory, path, array) = new(&[0, 2]);
    array.append(1000, &rows(0..1000)).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1000).unwrap();
    let large = 300_000;
    let refused = [
        array.append(1, &rows(0..1)).map(drop),
        array.append(large, &rows(0..large)).map(drop),
        array.write(0, 1, &rows(7..8)),
        array.write(2000, 1, &rows(7..8)),
        array.grow(2000),
        array.reserve(2000),
        array.truncate(900),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::CorruptData);
    }
    assert_eq!(file.metadata().unwrap().len(), 1000);
    assert!(!path.with_extension("npy.pending").exists());
}

#[test]
fn a_file_that_was_removed_is_not_written() {
    let (_directory, path, array) = new(&[0, 2]);
    array.append(1, &rows(0..1)).unwrap();
    std::fs::remove_file(&path).unwrap();
    for refused in [array.append(1, &rows(0..1)).map(drop), array.write(0, 1, &rows(0..1)), array.grow(9)] {
        let error = refused.unwrap_err();
        assert!(error.kind() == ErrorKind::Storage && error.to_string().contains("removed"), "{error}");
    }
}

#[test]
fn a_single_value_has_no_rows() {
    let (_directory, _path, array) = new(&[]);
    let refused = [
        array.append(1, &[0; 2]).map(drop),
        array.write(0, 1, &[0; 2]),
        array.grow(2),
        array.truncate(0),
        array.reserve(1),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(array.mapping().unwrap().len(), 2);
}

#[test]
fn what_is_published_is_there() {
    let (_directory, path, array) = new(&[0, 2]);
    array.append(2, &rows(0..2)).unwrap();
    let published = || FlatArray::open(&path, Mode::Read).unwrap().rows();
    let other = FlatArray::open(&path, Mode::ReadWrite).unwrap();
    let file = other.writable().unwrap();
    // A large append is under way, and has written nothing yet.
    let reservation = other.reserve_behind(&file, 1_000_000).unwrap();
    assert_eq!(array.append(0, &[]).unwrap(), 2..2);
    array.write(500, 0, &[]).unwrap();
    assert_eq!((published(), std::fs::metadata(&path).unwrap().len() >= 4_000_000), (2, true));
    array.grow(10).unwrap();
    assert_eq!(published(), 10);
    // It dies.
    drop(reservation);
    assert_eq!(array.unfinished().unwrap(), [Unfinished { rows: 2..10, alive: false }]);
    assert_eq!(array.append(1, &rows(10..11)).unwrap(), 10..11);
    assert_eq!(published(), 11);
    // Of one that has not even made the file longer, nothing is published.
    let reservation = file.guarded(|| file.reserve(11..3_000_000)).unwrap();
    assert_eq!(array.grow(2_000_000).unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(published(), 11);
    drop(reservation);
    array.grow(2_000_000).unwrap();
    assert_eq!(published(), 2_000_000);
}

#[test]
fn what_lies_beside_and_is_not_ours_is_left_alone() {
    let (_directory, path, array) = new(&[3, 2]);
    let folder = path.with_file_name("a.npy.index");
    let pending = path.with_file_name("a.npy.pending");
    let over = FlatSpec { overwrite: true, ..spec(&[4, 2]) };
    let refused = |what: &str| {
        let error = FlatArray::create(&path, &over).unwrap_err();
        assert!(error.kind() == ErrorKind::Storage && error.to_string().contains(what), "{error}");
        assert!(forget_names(&path).is_err() && expect_ours(&path).is_err());
        assert_eq!(FlatArray::open(&path, Mode::Read).unwrap().rows(), 3);
    };
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(folder.join("deep/mine"), "mine").unwrap();
    refused("deep");
    assert!(SliceArray::open(&path, Mode::ReadWrite).is_err());
    std::fs::write(folder.join("data.mdb"), "mine").unwrap();
    refused("not LMDB");
    std::fs::remove_file(folder.join("data.mdb")).unwrap();
    // Of a file that is not there any more, it is no more ours.
    std::fs::rename(&path, path.with_file_name("b.npy")).unwrap();
    assert_eq!(FlatArray::create(&path, &spec(&[1, 2])).unwrap_err().kind(), ErrorKind::Storage);
    assert!(!path.exists() && forget_names(&path).is_err());
    std::fs::rename(path.with_file_name("b.npy"), &path).unwrap();
    assert_eq!(std::fs::read(folder.join("deep/mine")).unwrap(), b"mine");
    // Nor is what a link leads to.
    let elsewhere = path.with_file_name("elsewhere");
    std::fs::rename(&folder, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
    refused("symbolic link");
    std::fs::remove_file(&folder).unwrap();
    std::fs::write(&pending, [7; 32]).unwrap();
    refused("records of appends");
    std::fs::remove_file(&pending).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("new"), &pending).unwrap();
    refused("records of appends");
    assert!(array.append(1_000_000, &rows(0..1_000_000)).is_err() && !elsewhere.join("new").exists());
    assert!(std::fs::symlink_metadata(&pending).unwrap().is_symlink());
    assert_eq!(std::fs::read(elsewhere.join("deep/mine")).unwrap(), b"mine");
    std::fs::remove_file(&pending).unwrap();
    assert_eq!(FlatArray::create(&path, &over).unwrap().rows(), 4);
}

/// In pieces of whatever size, in both directions, through this array's mapping and another's.
#[test]
fn rows_of_a_mapping_are_written_as_if_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let array = FlatArray::create(&path, &FlatSpec::new(Descr::of(DataType::U8), &[0])).unwrap();
    let mut expected: Vec<u8> =
        (0..3_000_000u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    array.append(expected.len() as u64, &expected).unwrap();
    let other = FlatArray::open(&path, Mode::Read).unwrap();
    for mapping in [array.mapping().unwrap(), other.mapping().unwrap()] {
        for (from, to, count) in
            [(10, 15, 2_900_000), (15, 10, 2_900_000), (0, 7, 100), (7, 0, 100), (0, 1_400_000, 1_500_000)]
        {
            // SAFETY: nothing but the write that is tested changes them.
            let bytes = unsafe { mapping.bytes() }.unwrap();
            array.write(to as u64, count as u64, &bytes[from..from + count]).unwrap();
            expected.copy_within(from..from + count, to);
            let mut read = vec![0; expected.len()];
            array.read(0, &mut read).unwrap();
            assert!(read == expected, "{count} rows from {from} to {to}");
        }
    }
    let elsewhere = array.mapping().unwrap();
    let addresses = elsewhere.as_ptr() as usize..elsewhere.as_ptr() as usize + 9;
    assert!(is_mapped(&addresses, &path) && !elsewhere.is_also_at(&addresses));
    assert!(other.mapping().unwrap().is_also_at(&addresses) && !is_mapped(&(0..9), &path));
}
