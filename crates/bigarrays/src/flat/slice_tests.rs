use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::index::Metadata;
use super::record::{Record, SliceRows};
use super::*;
use crate::base::dtype::DataType;
use crate::base::error::{ErrorKind, Result};
use crate::chunk::codec::ContentEncoding;
use crate::store::{Change, FlatFile, Store, StoreOptions, Update};

fn new() -> (tempfile::TempDir, PathBuf, SliceArray) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let slices = SliceArray::create(&path, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
    (directory, path, slices)
}

/// Rows of two bytes, all `value`.
fn put(slices: &SliceArray, named: &[(&str, u8, u64)], replace: bool) -> Result<()> {
    let bytes: Vec<Vec<u8>> = named.iter().map(|(_, value, rows)| vec![*value; *rows as usize * 2]).collect();
    let named: Vec<_> = named
        .iter()
        .zip(&bytes)
        .map(|((name, _, rows), bytes)| NamedRows { name, rows: *rows, bytes })
        .collect();
    slices.write(&named, replace)
}

fn bytes(slices: &SliceArray, name: &str) -> Vec<u8> {
    let (slice, mapping) = slices.get_one(name).unwrap();
    // SAFETY: nobody else writes or cuts the file of a test.
    let all = unsafe { mapping.bytes() }.unwrap();
    all[slice.rows.start as usize * 2..slice.rows.end as usize * 2].to_vec()
}

fn names(slices: &SliceArray) -> Vec<String> {
    slices.names(0, 1000).unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn names_are_written_read_replaced_and_deleted() {
    let (_directory, path, slices) = new();
    put(&slices, &[("b", 1, 3), ("a", 2, 0), ("é", 3, 700_000)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    put(&slices, &[("d", 4, 1)], false).unwrap();
    assert!(names(&reader) == ["b", "a", "é"] && !reader.contains("d").unwrap());
    assert!(reader.refresh().unwrap() && !reader.refresh().unwrap());
    assert_eq!(names(&reader), ["b", "a", "é", "d"]);
    assert_eq!((bytes(&reader, "d"), bytes(&reader, "a")), (vec![4; 2], vec![]));
    assert_eq!(bytes(&reader, "é"), vec![3; 1_400_000]);
    for (named, kind) in [
        (&[("x", 1, 1), ("a", 9, 1)][..], ErrorKind::AlreadyExists),
        (&[("x", 1, 1), ("x", 1, 1)], ErrorKind::InvalidArgument),
        (&[("", 1, 1)], ErrorKind::InvalidArgument),
    ] {
        assert_eq!(put(&slices, named, false).unwrap_err().kind(), kind);
    }
    assert!(!slices.contains("x").unwrap() && reader.contains("a").unwrap());
    assert_eq!(put(&reader, &[("x", 1, 1)], false).unwrap_err().kind(), ErrorKind::ReadOnly);
    put(&slices, &[("a", 9, 2), ("x", 5, 1)], true).unwrap();
    assert_eq!((bytes(&reader, "a"), bytes(&reader, "b")), (vec![9; 4], vec![1; 6]));

    assert_eq!(slices.delete(&["d", "no"]).unwrap_err().kind(), ErrorKind::NotFound);
    slices.delete(&["b", "d", "x"]).unwrap();
    reader.refresh().unwrap();
    assert_eq!(names(&reader), ["é", "a"]);
    assert_eq!(reader.at(&[1, 0]).unwrap().0[0], reader.get_one("a").unwrap().0);
    assert_eq!(reader.at(&[2]).unwrap_err().kind(), ErrorKind::OutOfBounds);
    assert_eq!(reader.get(&["a", "b"]).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!((reader.len(), reader.names(1, 1).unwrap().len()), (2, 1));
}

#[test]
fn compacting_keeps_slices_and_readers() {
    let (_directory, path, slices) = new();
    let many: Vec<String> = (0..300).map(|k| format!("n{k}")).collect();
    for (k, name) in many.iter().enumerate() {
        put(&slices, &[(name, k as u8, k as u64 % 7)], false).unwrap();
    }
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(bytes(&reader, "n5"), [5; 10]);
    slices.delete(&many[..150].iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    reader.refresh().unwrap();
    let before = names(&slices);
    let other = SliceArray::open(&path, Mode::ReadWrite).unwrap();
    assert!(slices.compact().unwrap_err().is_retryable());
    drop(other);
    slices.compact().unwrap();
    assert_eq!(slices.array().rows(), (150..300).map(|k| k % 7).sum::<u64>());
    for slices in [&reader, &slices, &SliceArray::open(&path, Mode::Read).unwrap()] {
        assert_eq!(names(slices), before);
        for (k, name) in many.iter().enumerate().skip(150) {
            assert_eq!(bytes(slices, name), vec![k as u8; k % 7 * 2]);
        }
    }
    put(&slices, &[("new", 1, 1)], false).unwrap();
    assert!(reader.refresh().unwrap());
    assert_eq!(bytes(&reader, "new"), [1, 1]);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_interrupted_compaction_is_finished_by_whoever_comes() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2)], false).unwrap();
    slices.delete(&["a"]).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(bytes(&reader, "b"), [2; 4]);
    let new = path.with_file_name(".a.npy.new");
    replace::create(&new, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
    slices.move_to(std::slice::from_ref(&new), 1).unwrap();
    assert_eq!(bytes(&reader, "b"), [2; 4]);
    assert!(!new.exists());
    assert_eq!(bytes(&slices, "b"), [2; 4]);
    put(&slices, &[("c", 3, 1)], false).unwrap();
    reader.refresh().unwrap();
    assert_eq!((bytes(&reader, "c"), reader.array().rows()), (vec![3; 2], 3));
}

#[test]
fn a_new_array_has_no_old_names() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(bytes(&reader, "a"), [1; 6]);
    let spec = FlatSpec { overwrite: true, ..FlatSpec::new(Descr::of(DataType::U8), &[0, 2]) };
    let slices = SliceArray::create(&path, &spec).unwrap();
    assert!(slices.is_empty() && reader.refresh().unwrap() && reader.is_empty());
    put(&slices, &[("a", 2, 3)], false).unwrap();
    reader.refresh().unwrap();
    assert_eq!(bytes(&reader, "a"), [2; 6]);
    let missing = FlatArray::create(&path.with_file_name("plain.npy"), &spec).unwrap();
    assert_eq!(SliceArray::open(missing.path(), Mode::Read).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn damage_of_the_index_is_an_error() {
    let (directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    drop(slices);
    let index = directory.path().join("a.npy.index/data.mdb");
    let good = std::fs::read(&index).unwrap();
    std::fs::write(&index, &good[..good.len() - 4096]).unwrap();
    assert_eq!(SliceArray::open(&path, Mode::Read).unwrap_err().kind(), ErrorKind::CorruptData);
    std::fs::write(&index, vec![7; good.len()]).unwrap();
    assert_eq!(SliceArray::open(&path, Mode::Read).unwrap_err().kind(), ErrorKind::CorruptData);
    std::fs::write(&index, &good).unwrap();
    let flat = FlatArray::open(&path, Mode::ReadWrite).unwrap();
    let mut header = flat.header();
    header.shape[0] = 2;
    flat.writable().unwrap().put_header(&header).unwrap();
    let slices = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(slices.get_one("a").unwrap_err().kind(), ErrorKind::CorruptData);
}

#[test]
fn threads_write_and_read_at_once() {
    let (_directory, path, slices) = new();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let (slices, path) = (&slices, &path);
            scope.spawn(move || {
                let own = SliceArray::open(path, Mode::ReadWrite).unwrap();
                for k in 0..30 {
                    let name = format!("{thread}/{k}");
                    put(if k % 2 == 0 { slices } else { &own }, &[(&name, thread, k)], false).unwrap();
                    own.refresh().unwrap();
                    assert_eq!(bytes(&own, &name), vec![thread; k as usize * 2]);
                }
            });
        }
    });
    slices.refresh().unwrap();
    assert_eq!(slices.len(), 120);
    for thread in 0..4u8 {
        (0..30u64)
            .for_each(|k| assert_eq!(bytes(&slices, &format!("{thread}/{k}")), vec![thread; k as usize * 2]));
    }
}

#[test]
fn threads_that_write_while_another_compacts_lose_nothing() {
    let (_directory, _path, slices) = new();
    std::thread::scope(|scope| {
        for thread in 0..3u8 {
            let slices = &slices;
            scope.spawn(move || {
                for k in 0..40u64 {
                    let count = if k % 8 == 0 { 600_000 } else { k };
                    put(slices, &[(&format!("{thread}/{k}"), thread, count)], false).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..10 {
                if let Err(error) = slices.compact() {
                    assert!(error.is_retryable(), "{error}");
                }
            }
        });
    });
    for thread in 0..3u8 {
        for k in 0..40u64 {
            let count = if k % 8 == 0 { 600_000 } else { k };
            assert_eq!(bytes(&slices, &format!("{thread}/{k}")), vec![thread; count as usize * 2]);
        }
    }
}

#[test]
fn many_lookups_see_one_state_of_the_index() {
    let (_directory, path, slices) = new();
    let many: Vec<String> = (0..500).map(|k| format!("n{k}")).collect();
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    let write = |rows: u64| {
        let named: Vec<_> = all.iter().map(|&name| (name, rows as u8, rows)).collect();
        put(&slices, &named, true).unwrap();
    };
    write(1);
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    let positions: Vec<u64> = (0..500).rev().collect();
    std::thread::scope(|scope| {
        scope.spawn(|| (2..40).for_each(write));
        for _ in 0..200 {
            let found = reader.get(&all).unwrap().0;
            let rows = |slice: &Slice| slice.rows.end - slice.rows.start;
            assert!(found.iter().all(|slice| rows(slice) == rows(&found[0])));
            assert!(found.iter().map(|slice| slice.position).eq(0..500));
            let found = reader.at(&positions).unwrap().0;
            assert!(found.iter().all(|slice| rows(slice) == rows(&found[0])));
            assert!(found.iter().map(|slice| slice.position).eq((0..500).rev()));
        }
    });
    let missing: Vec<&str> = all.iter().copied().chain(["x", "y"]).collect();
    let error = reader.get(&missing).unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("\"x\""), "{error}");
    assert_eq!(reader.at(&[&positions[..], &[500]].concat()).unwrap_err().kind(), ErrorKind::OutOfBounds);
}

#[test]
fn a_single_value_has_no_slices() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let spec = FlatSpec::new(Descr::of(DataType::U8), &[]);
    assert_eq!(SliceArray::create(&path, &spec).unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(!path.exists());
    FlatArray::create(&path, &spec).unwrap();
    assert_eq!(SliceArray::open(&path, Mode::ReadWrite).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_link_leads_to_the_array_and_its_names() {
    let (directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    let link = directory.path().join("link.npy");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let through = SliceArray::open(&link, Mode::ReadWrite).unwrap();
    put(&through, &[("b", 2, 1)], false).unwrap();
    slices.refresh().unwrap();
    assert_eq!((names(&slices), bytes(&slices, "b")), (vec!["a".to_owned(), "b".to_owned()], vec![2; 2]));
    slices.delete(&["a"]).unwrap();
    drop(slices);
    through.compact().unwrap();
    assert_eq!(bytes(&through, "b"), [2; 2]);
    assert!(link.is_symlink() && path.is_file() && !directory.path().join("link.npy.index").exists());
    drop(through);
    let spec = FlatSpec { overwrite: true, ..FlatSpec::new(Descr::of(DataType::U8), &[0, 2]) };
    assert!(SliceArray::create(&link, &spec).unwrap().is_empty() && link.is_symlink());
}

#[test]
fn rows_of_a_file_that_was_cut_short_get_no_names() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 300)], false).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(300).unwrap();
    assert_eq!(put(&slices, &[("b", 1, 1)], false).unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(slices.name_rows(&[("b", 0..1)], false).unwrap_err().kind(), ErrorKind::CorruptData);
    assert_eq!(names(&slices), ["a"]);
}

#[test]
fn rows_with_names_are_not_truncated() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 3)], false).unwrap();
    let flat = FlatArray::open(&path, Mode::ReadWrite).unwrap();
    let error = flat.truncate(5).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("\"b\""), "{error}");
    assert_eq!((flat.rows(), bytes(&slices, "b")), (6, vec![2; 6]));
    slices.delete(&["b"]).unwrap();
    flat.truncate(3).unwrap();
    put(&slices, &[("c", 3, 9)], false).unwrap();
    assert_eq!((bytes(&slices, "a"), bytes(&slices, "c")), (vec![1; 6], vec![3; 18]));
}

#[test]
fn an_index_that_shrinks_under_a_reader_is_an_error() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    let data = path.with_extension("npy.index").join("data.mdb");
    for length in [8192, 0] {
        std::fs::OpenOptions::new().write(true).open(&data).unwrap().set_len(length).unwrap();
        assert_eq!(slices.get_one("a").unwrap_err().kind(), ErrorKind::CorruptData);
        assert_eq!(put(&slices, &[("b", 1, 3)], false).unwrap_err().kind(), ErrorKind::CorruptData);
    }
}

#[test]
fn an_index_without_its_file_is_an_error_until_the_array_is_made_anew() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    drop(slices);
    let data = path.with_extension("npy.index").join("data.mdb");
    std::fs::write(&data, []).unwrap();
    for missing in [false, true] {
        if missing {
            std::fs::remove_file(&data).unwrap();
        }
        for mode in [Mode::Read, Mode::ReadWrite] {
            assert_eq!(SliceArray::open(&path, mode).unwrap_err().kind(), ErrorKind::CorruptData);
        }
        let mut flaws = 0;
        check(&path, &mut |flaw| flaws += u32::from(matches!(flaw, Flaw::Names(_)))).unwrap();
        assert!(flaws == 1 && data.exists() != missing);
    }
    let spec = FlatSpec { overwrite: true, ..FlatSpec::new(Descr::of(DataType::U8), &[0, 2]) };
    put(&SliceArray::create(&path, &spec).unwrap(), &[("a", 2, 1)], false).unwrap();
}

#[test]
fn changes_that_give_pages_back_leave_a_whole_index() {
    let (_directory, path, slices) = new();
    let many: Vec<String> = (0..20_000).map(|k| format!("{k:0>100}")).collect();
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    let named: Vec<_> = all.iter().map(|&name| (name, 0..0)).collect();
    for part in [1, 3, 7, 50] {
        slices.name_rows(&named, false).unwrap();
        all.chunks(all.len() / part).for_each(|names| slices.delete(names).unwrap());
    }
    drop(slices);
    SliceArray::open(&path, Mode::Read).unwrap();
}

#[test]
fn the_index_is_as_open_to_others_as_the_array() {
    use std::os::unix::fs::PermissionsExt;
    let (_directory, path, slices) = new();
    drop(slices);
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o666;
    let files = ["data.mdb", "lock.mdb"].map(|name| path.with_extension("npy.index").join(name));
    assert!(files.iter().all(|file| mode(file.clone()) == mode(path.clone())));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660)).unwrap();
    let slices = SliceArray::open(&path, Mode::ReadWrite).unwrap();
    assert!(files.iter().all(|file| mode(file.clone()) == 0o660));
    slices.compact().unwrap();
    assert!(files.iter().all(|file| mode(file.clone()) == 0o660));
}

#[test]
fn a_lookup_takes_the_file_that_its_names_are_of() {
    let (_directory, path, slices) = new();
    put(&slices, &[("gone", 1, 3), ("a", 2, 2), ("b", 3, 2)], false).unwrap();
    slices.delete(&["gone"]).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    let looks = std::sync::atomic::AtomicU64::new(0);
    let (found, mapping) = reader
        .locate(1, |txn, tables, _| {
            let found = reader.find(txn, tables, "a");
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                // Between the look into the index and that at the file, the file is replaced.
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let new = path.with_file_name(".a.npy.new");
                        replace::create(&new, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
                        slices.move_in_place(std::slice::from_ref(&new), 1).unwrap();
                        facts::finish(&path, ".a.npy.new").unwrap();
                        reader.array().refresh().unwrap();
                    });
                });
            }
            found
        })
        .unwrap();
    assert_eq!((found[0].as_ref().unwrap().rows.first.clone(), looks.into_inner()), (2..4, 2));
    // SAFETY: nobody else writes or cuts the file of a test.
    assert_eq!(unsafe { mapping.bytes() }.unwrap(), [3, 3, 3, 3, 2, 2, 2, 2]);
    assert_eq!(reader.lookup("a").unwrap().unwrap().0, *found[0].as_ref().unwrap());
    assert!(reader.lookup("gone").unwrap().is_none() && reader.lookup("").unwrap().is_none());
}

#[test]
fn a_lookup_meets_rows_that_are_cut_off_with_their_name() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    let looks = std::sync::atomic::AtomicU64::new(0);
    let (found, _) = reader
        .locate(1, |txn, tables, _| {
            let found = reader.find(txn, tables, "b");
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        slices.delete(&["b"]).unwrap();
                        slices.array().truncate(3).unwrap();
                    });
                });
            }
            found
        })
        .unwrap();
    assert!(found[0].is_none());
}

#[test]
fn a_reader_of_a_replaced_array_sees_no_old_rows_under_new_names() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(bytes(&reader, "a"), [1; 6]);
    // As who puts another file in place by other means: first the names go, later the file.
    forget_names(&path).unwrap();
    assert!(reader.lookup("a").unwrap().is_none());
    let new = path.with_file_name("new.npy");
    let spec = FlatSpec::new(Descr::of(DataType::U8), &[0, 2]);
    drop(FlatArray::create(&new, &spec).unwrap());
    std::fs::rename(&new, &path).unwrap();
    put(&slices, &[("b", 2, 2)], false).unwrap();
    assert_eq!(bytes(&reader, "b"), [2; 4]);
}

#[test]
fn a_file_is_not_replaced_under_those_who_write_into_it() {
    let (_directory, path, slices) = new();
    put(&slices, &[("gone", 1, 3), ("a", 2, 2)], false).unwrap();
    slices.delete(&["gone"]).unwrap();
    let (_, mapping) = slices.get_one("a").unwrap();
    let error = slices.compact().unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("views"), "{error}");
    drop(mapping);

    let start = slices.array().header().data_offset;
    let store = FlatFile::open(&path, start, 10, 10, &StoreOptions::default()).unwrap();
    let update = Update::blind("0");
    store
        .update_many(std::slice::from_ref(&update), &|_, _, new| {
            let error = slices.compact().unwrap_err();
            assert!(error.is_retryable() && error.to_string().contains("open for writing"), "{error}");
            new.resize(10, 9);
            Ok(Change::Put(ContentEncoding::Identity))
        })
        .unwrap();
    assert_eq!(bytes(&slices, "a"), [9; 4]);
    slices.compact().unwrap();
    let late = store.update_many(&[update], &|_, _, new| {
        new.resize(10, 7);
        Ok(Change::Put(ContentEncoding::Identity))
    });
    let error = late.unwrap_err();
    assert!(error.to_string().contains("another has been put in place"), "{error}");
    assert_eq!(bytes(&slices, "a"), [9; 4]);
}

#[test]
fn two_who_create_lose_no_names() {
    let (_directory, path, slices) = new();
    put(&slices, &[("old", 1, 3)], false).unwrap();
    drop(slices);
    std::fs::remove_file(&path).unwrap();
    // One has looked, and found no file; the other makes it and names its rows.
    let spec = FlatSpec::new(Descr::of(DataType::U8), &[0, 2]);
    let slices = SliceArray::create(&path, &spec).unwrap();
    assert!(slices.is_empty());
    put(&slices, &[("a", 2, 2)], false).unwrap();
    assert_eq!(clearing::forget_names_of_none(&path, None).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(bytes(&slices, "a"), [2; 4]);
}

#[test]
fn an_index_in_use_is_found_whole() {
    let (directory, _path, slices) = new();
    let data = directory.path().join("a.npy.index/data.mdb");
    let mut number = 1u64;
    let mut random = |below: u64| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % below
    };
    for turn in 0..300 {
        let many: Vec<String> =
            (0..1 + random(60)).map(|k| format!("{}{k}", "n".repeat(random(300) as usize))).collect();
        let unique: HashSet<&str> = many.iter().map(String::as_str).collect();
        let named: Vec<_> = unique.iter().map(|name| (*name, 0..0)).collect();
        slices.name_rows(&named, true).unwrap();
        if turn % 3 == 0 {
            let count = slices.len();
            let some = slices.names(random(count), random(200) as usize).unwrap();
            slices.delete(&some.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>()).unwrap();
        }
        if turn % 50 == 0 {
            slices.compact().unwrap();
        }
        inspect_index(&std::fs::read(&data).unwrap()).unwrap();
    }
}

#[test]
fn a_record_that_no_writer_leaves_is_damage_at_the_first_look() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 2), ("b", 2, 1)], false).unwrap();
    let generation = slices.facts().unwrap().generation;
    for (generation, rows, reason) in
        [(generation + 7, 2..3, "damaged record"), (generation, 2..4, "names rows up to 4")]
    {
        let record = Record { position: 1, rows: SliceRows::new([rows]), generation };
        let put = slices.change(Metadata::Unused, |txn, tables| {
            tables.names.put(txn, b"b", &record.by_name()).unwrap();
            tables.order.put(txn, &1u64.to_be_bytes(), &record.by_position(b"b")).unwrap();
            Ok(())
        });
        put.unwrap();
        let reader = SliceArray::open(&path, Mode::Read).unwrap();
        assert_eq!(bytes(&reader, "a"), [1; 4]);
        let errors =
            [reader.lookup("b").map(drop), reader.at(&[1]).map(drop), reader.snapshot(Mode::Read).map(drop)];
        for error in errors.map(Result::unwrap_err) {
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}

#[test]
fn a_damaged_index_is_refused_before_it_is_used() {
    let (directory, _path, slices) = new();
    let many: Vec<String> = (0..500).map(|k| format!("n{k}")).collect();
    slices.name_rows(&many.iter().map(|name| (&name[..], 0..0)).collect::<Vec<_>>(), false).unwrap();
    slices.delete(&many[..300].iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let good = std::fs::read(directory.path().join("a.npy.index/data.mdb")).unwrap();
    inspect_index(&good).unwrap();
    for page in 0..good.len() / 4096 {
        // The number and the kind of a page, or that it is there at all.
        let mut bad = good.clone();
        bad[page * 4096] ^= 0xff;
        bad[page * 4096 + 10] ^= 0xff;
        if inspect_index(&bad).is_ok() {
            // Then nothing is in it: it is free.
            bad[page * 4096..][..4096].fill(0xff);
            inspect_index(&bad).unwrap();
        }
    }
    for length in (0..good.len()).step_by(1000) {
        let _ = inspect_index(&good[..length]);
    }
    assert_eq!(inspect_index(&good[..8192]).unwrap_err().kind(), ErrorKind::CorruptData);
}

/// A file of which a reader sees a bad page until it has read that, and then what a writer has made of it.
struct Changing {
    states: [Vec<u8>; 2],
    bad_page: u64,
    is_changed: std::cell::Cell<bool>,
}

impl inspect::Source for Changing {
    fn len(&self) -> std::io::Result<u64> {
        Ok(self.states[usize::from(self.is_changed.get())].len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
        (&self.states[usize::from(self.is_changed.get())][..]).read_at(bytes, offset)?;
        self.is_changed.set(self.is_changed.get() || offset == self.bad_page * 4096);
        Ok(())
    }
}

#[test]
fn what_is_wrong_while_others_write_is_looked_at_again() {
    let (directory, _path, slices) = new();
    let data = directory.path().join("a.npy.index/data.mdb");
    slices.name_rows(&[("a", 0..0)], false).unwrap();
    let mut before = std::fs::read(&data).unwrap();
    slices.name_rows(&[("b", 0..0)], false).unwrap();
    let after = std::fs::read(&data).unwrap();
    let bad_page = (2..before.len() as u64 / 4096)
        .find(|&page| {
            let mut bad = before.clone();
            bad[page as usize * 4096 + 10] ^= 0xff;
            inspect_index(&bad).is_err()
        })
        .unwrap();
    before[bad_page as usize * 4096 + 10] ^= 0xff;
    let states = [before, after];
    inspect::inspect(&Changing { states, bad_page, is_changed: false.into() }).unwrap();
}

#[test]
fn an_index_is_damaged_only_if_it_is_so_while_nobody_writes() {
    let (directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    drop(slices);
    let folder = directory.path().join("a.npy.index");
    let data = folder.join("data.mdb");
    let good = std::fs::read(&data).unwrap();
    let opener = writers::Writers::open(&data)
        .unwrap()
        .alone(&folder, None, || {
            std::fs::write(&data, &good[..good.len() - 4096]).unwrap();
            let opener = std::thread::spawn(move || {
                SliceArray::open(&path, Mode::Read).map(|slices| bytes(&slices, "a"))
            });
            // Long enough for it to look; if it has not, it finds the index whole.
            std::thread::sleep(std::time::Duration::from_millis(100));
            std::fs::write(&data, &good).unwrap();
            Ok(opener)
        })
        .unwrap();
    assert_eq!(opener.join().unwrap().unwrap(), [1; 6]);
}

#[test]
fn length_names_and_positions_stand_still_until_a_refresh() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 1), ("b", 2, 1)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    let as_of = reader.as_of();
    put(&slices, &[("c", 3, 1)], false).unwrap();
    let later = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(later.len(), 3);
    later.show(as_of);
    for reader in [&reader, &later] {
        assert_eq!((reader.len(), names(reader)), (2, vec!["a".to_owned(), "b".to_owned()]));
        assert!(reader.lookup("c").unwrap().is_none() && !reader.contains("c").unwrap());
        assert_eq!(reader.at(&[2]).unwrap_err().kind(), ErrorKind::OutOfBounds);
        assert_eq!(reader.get(&["b", "c"]).unwrap_err().kind(), ErrorKind::NotFound);
    }
    // New rows of a name are not a new name, and compacting moves rows alone.
    put(&slices, &[("b", 4, 2)], true).unwrap();
    slices.compact().unwrap();
    assert_eq!((bytes(&reader, "b"), bytes(&reader, "a"), reader.len()), (vec![4; 4], vec![1; 2], 2));
    slices.delete(&["a"]).unwrap();
    assert_eq!((slices.len(), names(&slices)), (2, vec!["c".to_owned(), "b".to_owned()]));
    let error = reader.at(&[0]).unwrap_err();
    assert!(reader.len() == 2 && error.to_string().contains("refresh"), "{error}");
    assert!(reader.names(0, 9).is_err() && bytes(&reader, "b") == [4; 4]);
    assert!(reader.refresh().unwrap());
    assert_eq!((names(&reader), reader.at(&[0]).unwrap().0[0].position), (names(&slices), 0));
    // So do those of an array that was made anew under the same path.
    let spec = FlatSpec { overwrite: true, ..FlatSpec::new(Descr::of(DataType::U8), &[0, 2]) };
    drop(SliceArray::create(&path, &spec).unwrap());
    assert!(reader.at(&[0]).is_err() && reader.refresh().unwrap() && reader.is_empty());
}

#[test]
fn a_snapshot_stays_whatever_becomes_of_the_array() {
    let (_directory, path, slices) = new();
    put(&slices, &[("b/1", 1, 2), ("a/1", 2, 3), ("b/2", 3, 0), ("b", 4, 1)], false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    put(&slices, &[("late", 9, 1)], false).unwrap();
    let kept = reader.snapshot(Mode::Read).unwrap();
    let other = Snapshot::open(&path, &kept.handle().unwrap(), Mode::Read).unwrap();
    let part = kept.select(&[3, 0]).unwrap();
    slices.delete(&["b/1", "late"]).unwrap();
    slices.rename("a/1", "c").unwrap();
    slices.compact().unwrap();
    put(&slices, &[("b/1", 7, 4)], false).unwrap();
    assert_eq!(names(&slices), ["b", "c", "b/2", "b/1"]);
    let rows = |kept: &Snapshot, name: &str| {
        let slice = kept.find(name)?;
        // SAFETY: nobody else writes or cuts the file of a test.
        let all = unsafe { kept.mappings().bytes() }.unwrap();
        Some((slice.position, all[slice.rows.start as usize * 2..slice.rows.end as usize * 2].to_vec()))
    };
    for kept in [&kept, &other] {
        let found: Vec<_> = ["b/1", "a/1", "b/2", "b"].iter().map(|name| rows(kept, name).unwrap()).collect();
        assert_eq!(found, [(0, vec![1; 4]), (1, vec![2; 6]), (2, vec![]), (3, vec![4; 2])]);
        assert!(rows(kept, "late").is_none() && rows(kept, "c").is_none() && rows(kept, "").is_none());
        assert_eq!(
            (kept.with_prefix("b"), kept.with_prefix("b/"), kept.len()),
            (vec![0, 2, 3], vec![0, 2], 4)
        );
        assert_eq!(kept.at(&[4]).unwrap_err().kind(), ErrorKind::OutOfBounds);
        assert!(!kept.array().refresh().unwrap() && kept.array().rows() == 7);
    }
    assert_eq!((rows(&part, "b"), rows(&part, "b/1")), (Some((0, vec![4; 2])), Some((1, vec![1; 4]))));
    assert!(rows(&part, "a/1").is_none() && part.names(1, 9).unwrap()[0].0 == "b/1");
    assert_eq!(kept.select(&[1, 1]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let handle = kept.handle().unwrap();
    drop((kept, other, part));
    assert_eq!(Snapshot::open(&path, &handle, Mode::Read).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(reader.snapshot(Mode::Read).is_err() && reader.refresh().unwrap());
    assert_eq!(reader.snapshot(Mode::Read).unwrap().len(), 4);
    slices.delete(&["b", "c", "b/2", "b/1"]).unwrap();
    assert!(slices.snapshot(Mode::Read).unwrap().is_empty());
}

#[test]
fn many_slices_in_any_order_are_compacted() {
    let (_directory, path, slices) = new();
    let many: Vec<String> =
        (0..10_000u64).map(|k| format!("{:x}", k.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let rows = |k: usize| vec![k as u8; k % 3 * 2];
    let bytes_of: Vec<Vec<u8>> = (0..many.len()).map(rows).collect();
    let named = |k: usize| NamedRows { name: &many[k], rows: k as u64 % 3, bytes: &bytes_of[k] };
    slices.write(&(0..many.len()).map(named).collect::<Vec<_>>(), false).unwrap();
    let large = vec![7; 9 << 20];
    slices.write(&[NamedRows { name: "large", rows: large.len() as u64 / 2, bytes: &large }], false).unwrap();
    slices.name_rows(&[("shared", 1..4)], false).unwrap();
    let shared = bytes(&slices, "shared");
    let gone: Vec<&str> = many.iter().step_by(2).map(String::as_str).collect();
    slices.delete(&gone).unwrap();
    let before = names(&slices);
    slices.compact().unwrap();
    assert_eq!(names(&slices), before);
    for (k, name) in many.iter().enumerate().skip(1).step_by(2) {
        assert!(bytes(&slices, name) == rows(k), "{name}");
    }
    assert!(bytes(&slices, "large") == large && bytes(&slices, "shared") == shared);
    let kept = (1..10_000).step_by(2).map(|k| k % 3).sum::<u64>() + large.len() as u64 / 2 + 3;
    assert_eq!(slices.array().rows(), kept);
    let mut flaws = 0;
    assert_eq!(check(&path, &mut |_| flaws += 1).unwrap(), Some(5002));
    assert_eq!(flaws, 0);
}

#[test]
fn compacting_makes_the_index_small_for_all_who_have_it_open() {
    let (_directory, path, slices) = new();
    let many: Vec<String> = (0..20_000).map(|k| format!("{k:0>100}")).collect();
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    slices.name_rows(&all.iter().map(|&name| (name, 0..0)).collect::<Vec<_>>(), false).unwrap();
    put(&slices, &[("kept", 7, 3)], false).unwrap();
    // Of all names, it takes more than LMDB's own size of a map.
    slices.compact().unwrap();
    assert_eq!(slices.len(), 20_001);
    let (reader, snapshot) =
        (SliceArray::open(&path, Mode::Read).unwrap(), slices.snapshot(Mode::Read).unwrap());
    slices.delete(&all[1..]).unwrap();
    let size = || path.with_extension("npy.index").join("data.mdb").metadata().unwrap().len();
    let before = size();
    for round in 0..3u64 {
        slices.compact().unwrap();
        assert!(before > 4 << 20 && size() < 64 << 10, "{before} before, {} after", size());
        assert_eq!((slices.len(), bytes(&slices, "kept")), (2, vec![7; 6]));
        let name = format!("new {round}");
        put(&slices, &[(&name, 8, 1)], false).unwrap();
        assert!(reader.refresh().unwrap());
        assert_eq!((reader.len(), bytes(&reader, &name)), (3, vec![8; 2]));
        assert_eq!(names(&reader), names(&SliceArray::open(&path, Mode::Read).unwrap()));
        slices.delete(&[&name]).unwrap();
        reader.refresh().unwrap();
        assert_eq!(reader.len(), 2);
    }
    assert_eq!(snapshot.len(), 20_001);
    let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    slices.flush().unwrap();
    let mut flaws = 0;
    assert_eq!(check(&path, &mut |_| flaws += 1).unwrap(), Some(2));
    assert_eq!(flaws, 0);
}

#[test]
fn compacting_works_where_folders_cannot_be_exchanged() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2), ("c", 3, 4)], false).unwrap();
    slices.delete(&["a"]).unwrap();
    let new = path.with_file_name(".a.npy.new");
    replace::create(&new, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
    slices.move_in_place(std::slice::from_ref(&new), 1).unwrap();
    assert_eq!((bytes(&slices, "b"), bytes(&slices, "c")), (vec![2; 4], vec![3; 8]));
    assert_eq!(slices.array().rows(), 6);
}

#[test]
fn an_array_made_anew_leaves_nothing_of_a_compaction_that_was_killed() {
    for is_gone in [false, true] {
        let (_directory, path, slices) = new();
        put(&slices, &[("a", 1, 3), ("b", 2, 2)], false).unwrap();
        let new = path.with_file_name(".a.npy.1-0.tmp");
        replace::create(&new, &FlatSpec::new(Descr::of(DataType::U8), &[0, 2])).unwrap();
        slices.move_to(std::slice::from_ref(&new), 1).unwrap();
        drop(slices);
        if is_gone {
            std::fs::remove_file(&path).unwrap();
        }
        let spec = FlatSpec { overwrite: !is_gone, ..FlatSpec::new(Descr::of(DataType::U8), &[0, 2]) };
        let slices = SliceArray::create(&path, &spec).unwrap();
        assert!(slices.is_empty() && slices.array().rows() == 0 && !new.exists());
        put(&slices, &[("b", 5, 2)], false).unwrap();
        assert_eq!(bytes(&slices, "b"), [5; 4]);
    }
}

#[test]
fn another_array_in_the_place_of_one_is_not_taken_for_it() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], false).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_dir_all(path.with_extension("npy.index")).unwrap();
    assert_eq!(slices.get_one("a").unwrap_err().kind(), ErrorKind::CorruptData);
    // As another process would make it, which does not know of this one.
    environment::make(&path.with_extension("npy.index"), &[]).unwrap();
    assert_eq!(slices.get_one("a").unwrap_err().kind(), ErrorKind::CorruptData);
}

#[test]
fn holes_give_back_room_and_change_no_slice() {
    use std::os::unix::fs::MetadataExt;
    let (_directory, path, slices) = new();
    let large = vec![7; 8 << 20];
    let write = |name: &str| {
        let rows = NamedRows { name, rows: large.len() as u64 / 2, bytes: &large };
        slices.write(&[rows], false).unwrap();
    };
    write("gone");
    put(&slices, &[("a", 1, 3)], false).unwrap();
    write("kept");
    write("gone too");
    slices.delete(&["gone", "gone too"]).unwrap();
    let snapshot = slices.snapshot(Mode::Read).unwrap();
    assert!(slices.punch_holes().unwrap_err().is_retryable());
    drop(snapshot);
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert!(slices.punch_holes().unwrap_err().is_retryable());
    drop(reader);
    let used = || path.metadata().unwrap().blocks() * 512;
    let before = used();
    let freed = match slices.punch_holes() {
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        freed => freed.unwrap(),
    };
    assert_eq!(freed, 16 << 20);
    assert!(used() + (15 << 20) < before, "{before} before, {} after", used());
    assert!(bytes(&slices, "a") == [1; 6] && bytes(&slices, "kept") == large);
    slices.compact().unwrap();
    assert!(bytes(&slices, "a") == [1; 6] && bytes(&slices, "kept") == large);
}

#[test]
fn slices_of_others_are_added() {
    let (directory, _, slices) = new();
    let create = |name: &str| {
        let spec = FlatSpec::new(Descr::of(DataType::U8), &[0, 2]);
        SliceArray::create(&directory.path().join(name), &spec).unwrap()
    };
    let (one, two) = (create("one.npy"), create("two.npy"));
    let many: Vec<String> = (0..5000).map(|k| format!("n{k}")).collect();
    let elements = |k: usize| vec![k as u8; k % 4 * 2];
    let of: Vec<Vec<u8>> = (0..many.len()).map(elements).collect();
    let named = |k: usize| NamedRows { name: &many[k], rows: k as u64 % 4, bytes: &of[k] };
    one.write(&(0..many.len()).map(named).collect::<Vec<_>>(), false).unwrap();
    one.delete(&["n17"]).unwrap();
    let large: Vec<u8> = (0..20 << 20).map(|k| (k * 7 % 251) as u8).collect();
    two.write(&[NamedRows { name: "large", rows: large.len() as u64 / 2, bytes: &large }], false).unwrap();
    put(&two, &[("n3", 9, 5)], false).unwrap();
    put(&slices, &[("own", 1, 1)], false).unwrap();
    let error = slices.merge(&[&one, &two], false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("\"n3\"") && slices.len() == 1, "{error}");
    slices.merge(&[&one, &two], true).unwrap();
    assert_eq!(slices.len(), 5001);
    let all = |slices: &SliceArray| {
        slices.names(0, usize::MAX).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(all(&slices)[1..5000], all(&one)[..]);
    for (k, name) in many.iter().enumerate().filter(|(k, _)| ![3, 17].contains(k)) {
        assert!(bytes(&slices, name) == elements(k), "{name}");
    }
    assert!(
        bytes(&slices, "large") == large
            && bytes(&slices, "n3") == [9; 10]
            && bytes(&slices, "own") == [1; 2]
    );
    assert_eq!(slices.merge(&[&slices], true).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let other = FlatSpec::new(Descr::of(DataType::U8), &[0, 3]);
    let other = SliceArray::create(&directory.path().join("other.npy"), &other).unwrap();
    assert_eq!(slices.merge(&[&other], true).unwrap_err().kind(), ErrorKind::InvalidArgument);
}
