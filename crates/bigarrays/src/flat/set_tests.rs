use std::path::{Path, PathBuf};

use super::*;
use crate::base::dtype::DataType;
use crate::base::error::{ErrorKind, Result};

fn spec(shape: &[u64]) -> FlatSpec {
    FlatSpec::new(Descr::of(DataType::U8), shape)
}

fn arrays() -> [(&'static str, FlatSpec); 2] {
    [("features", spec(&[0, 2])), ("labels", spec(&[0]))]
}

fn new() -> (tempfile::TempDir, PathBuf, SliceArray) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("speech");
    let slices = SliceArray::create_set(&path, &arrays()).unwrap();
    (directory, path, slices)
}

/// `rows` rows of features and one row fewer of labels, all `value`.
fn put(slices: &SliceArray, named: &[(&str, u8, u64)], metadata: Option<&str>, replace: bool) -> Result<()> {
    let bytes: Vec<Vec<u8>> = named.iter().map(|(_, value, rows)| vec![*value; *rows as usize * 2]).collect();
    let rows: Vec<[RowBytes<'_>; 2]> = named
        .iter()
        .zip(&bytes)
        .map(|((_, _, rows), bytes)| {
            let fewer = rows.saturating_sub(1);
            [RowBytes { rows: *rows, bytes }, RowBytes { rows: fewer, bytes: &bytes[..fewer as usize] }]
        })
        .collect();
    let new = named.iter().zip(&rows).map(|((name, ..), arrays)| NewSlice { name, arrays, metadata });
    slices.write_slices(&new.collect::<Vec<_>>(), replace)
}

fn taken(slice: &Slice, mappings: &Mappings) -> Vec<Vec<u8>> {
    let each = slice.rows.all().zip(mappings.all()).map(|(rows, mapping)| {
        let row: u64 = mapping.header().shape[1..].iter().product();
        // SAFETY: nobody else writes or cuts the file of a test.
        let all = unsafe { mapping.bytes() }.unwrap();
        all[(rows.start * row) as usize..(rows.end * row) as usize].to_vec()
    });
    each.collect()
}

fn bytes(slices: &SliceArray, name: &str) -> Vec<Vec<u8>> {
    let (slice, mappings) = slices.get_one(name).unwrap();
    taken(&slice, &mappings)
}

/// What a slice of that value and so many rows is.
fn expected(value: u8, rows: usize) -> Vec<Vec<u8>> {
    vec![vec![value; rows * 2], vec![value; rows.saturating_sub(1)]]
}

fn names(slices: &SliceArray) -> Vec<String> {
    slices.names(0, 1000).unwrap().into_iter().map(|(name, _)| name).collect()
}

fn files(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn slices_of_several_arrays_come_and_go_together() {
    let (_directory, path, slices) = new();
    assert_eq!(files(&path), ["features.npy", "labels.npy", "slices.index"]);
    put(&slices, &[("b", 1, 3), ("a", 2, 0), ("c", 3, 700_000)], None, false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    put(&slices, &[("d", 4, 5)], None, false).unwrap();
    assert!(names(&reader) == ["b", "a", "c"] && reader.refresh().unwrap());
    for (name, value, rows) in [("b", 1, 3), ("a", 2, 0), ("c", 3, 700_000), ("d", 4, 5)] {
        assert_eq!(bytes(&reader, name), expected(value, rows), "{name}");
    }
    let (found, mappings) = reader.at(&[3, 0]).unwrap();
    assert_eq!((taken(&found[0], &mappings), taken(&found[1], &mappings)), (expected(4, 5), expected(1, 3)));
    assert_eq!(found[0].rows.others[..], [700_001..700_005]);
    assert_eq!(
        put(&slices, &[("x", 1, 1), ("a", 9, 1)], None, false).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    assert!(!slices.contains("x").unwrap());
    put(&slices, &[("a", 9, 2)], None, true).unwrap();
    slices.rename("d", "e").unwrap();
    slices.delete(&["b"]).unwrap();
    reader.refresh().unwrap();
    assert_eq!(names(&reader), ["e", "a", "c"]);
    assert_eq!((bytes(&reader, "a"), bytes(&reader, "e")), (expected(9, 2), expected(4, 5)));
    slices.compact().unwrap();
    for slices in [&slices, &reader, &SliceArray::open(&path, Mode::Read).unwrap()] {
        assert_eq!(names(slices), ["e", "a", "c"]);
        assert_eq!((bytes(slices, "a"), bytes(slices, "c")), (expected(9, 2), expected(3, 700_000)));
    }
    let rows: Vec<u64> = slices.arrays().map(|(_, array)| array.rows()).collect();
    assert_eq!((rows, files(&path).len()), (vec![700_007, 700_004], 3));
}

#[test]
fn rows_are_for_all_arrays() {
    let (_directory, _path, slices) = new();
    let rows = [RowBytes { rows: 1, bytes: &[1, 2] }, RowBytes { rows: 1, bytes: &[3] }];
    let write = |arrays: &[RowBytes<'_>]| {
        slices.write_slices(&[NewSlice { name: "a", arrays, metadata: None }], false)
    };
    for wrong in [&rows[..1], &[rows[0], rows[1], rows[1]], &[rows[1], rows[0]]] {
        assert_eq!(write(wrong).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(slices.arrays().map(|(_, array)| array.rows()).sum::<u64>(), 0);
    let one = NamedRows { name: "a", rows: 1, bytes: &[1, 2] };
    assert!(slices.write(&[one], false).unwrap_err().to_string().contains("there are 2"));
    write(&rows).unwrap();
    slices.name_rows_of_all(&[("again", &[0..1, 0..0])], false).unwrap();
    assert_eq!(bytes(&slices, "again"), [vec![1, 2], vec![]]);
    let beyond = slices.name_rows_of_all(&[("more", &[0..1, 0..2])], false).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::OutOfBounds);
    assert!(slices.name_rows(&[("more", 0..1)], false).is_err());
}

#[test]
fn an_array_of_several_is_not_taken_for_one_alone() {
    let (directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 3)], None, false).unwrap();
    let labels = path.join("labels.npy");
    for mode in [Mode::Read, Mode::ReadWrite] {
        assert!(SliceArray::open(&labels, mode).unwrap_err().to_string().contains("speech"));
    }
    let overwrite = FlatSpec { overwrite: true, ..spec(&[0]) };
    for error in [FlatArray::create(&labels, &overwrite).unwrap_err(), forget_names(&labels).unwrap_err()] {
        assert!(
            error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("speech"),
            "{error}"
        );
    }
    assert!(expect_ours(&labels).is_err());
    let flat = FlatArray::open(&labels, Mode::ReadWrite).unwrap();
    let error = flat.truncate(3).unwrap_err();
    assert!(error.to_string().contains("\"b\"") && error.to_string().contains("2:4"), "{error}");
    slices.delete(&["b"]).unwrap();
    flat.truncate(2).unwrap();
    assert_eq!(flat.append(1, &[7]).unwrap(), 2..3);
    put(&slices, &[("c", 3, 2)], None, false).unwrap();
    assert_eq!((bytes(&slices, "a"), bytes(&slices, "c")), (expected(1, 3), expected(3, 2)));
    // What lies beside them in the same folder is none of theirs.
    let other = SliceArray::create(&path.join("other.npy"), &spec(&[0])).unwrap();
    other.write(&[NamedRows { name: "own", rows: 1, bytes: &[1] }], false).unwrap();
    assert_eq!(
        (names(&other), names(&slices)),
        (vec!["own".to_owned()], vec!["a".to_owned(), "c".to_owned()])
    );
    assert_eq!(files(directory.path()), ["speech"]);
}

#[test]
fn several_arrays_are_created_whole_or_not_at_all() {
    let (directory, path, slices) = new();
    put(&slices, &[("a", 1, 3)], Some("1"), false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!(SliceArray::create_set(&path, &arrays()).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let file = directory.path().join("file.npy");
    std::fs::write(&file, "mine").unwrap();
    let anew =
        |names: [&'static str; 2]| names.map(|name| (name, FlatSpec { overwrite: true, ..spec(&[0]) }));
    assert_eq!(
        SliceArray::create_set(&file, &anew(["x", "y"])).unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    let scalar = [("x", spec(&[0])), ("y", spec(&[]))];
    assert_eq!(
        SliceArray::create_set(&directory.path().join("no"), &scalar).unwrap_err().kind(),
        ErrorKind::Unsupported
    );
    assert_eq!(files(directory.path()), ["file.npy", "speech"]);

    let created = SliceArray::create_set(&path, &anew(["labels", "weights"])).unwrap();
    assert!(created.is_empty() && created.count_metadata().unwrap() == 0);
    assert_eq!(files(&path), ["labels.npy", "slices.index", "weights.npy"]);
    let rows = [RowBytes { rows: 1, bytes: &[5] }; 2];
    created.write_slices(&[NewSlice { name: "a", arrays: &rows, metadata: None }], false).unwrap();
    assert_eq!((bytes(&created, "a"), created.metadata("a").unwrap()), (vec![vec![5]; 2], None));
    for error in [reader.refresh().unwrap_err(), slices.get_one("a").unwrap_err()] {
        assert!(error.to_string().contains("labels, weights"), "{error}");
    }
}

#[test]
fn an_interrupted_compaction_of_several_is_finished_by_whoever_comes() {
    for already in 0..3 {
        let (_directory, path, slices) = new();
        put(&slices, &[("a", 1, 3), ("b", 2, 2)], None, false).unwrap();
        slices.delete(&["a"]).unwrap();
        let reader = SliceArray::open(&path, Mode::Read).unwrap();
        let new = drafts(&path);
        slices.move_to(&new, 1).unwrap();
        for (new, (name, _)) in new.iter().zip(arrays()).take(already) {
            std::fs::rename(new, path.join(format!("{name}.npy"))).unwrap();
        }
        let opened = SliceArray::open(&path, Mode::Read).unwrap();
        for slices in [&opened, &reader, &slices] {
            assert_eq!(bytes(slices, "b"), expected(2, 2));
        }
        assert_eq!(slices.array().rows(), 2);
        put(&slices, &[("c", 3, 1)], None, false).unwrap();
        assert_eq!((bytes(&slices, "c"), files(&path).len()), (expected(3, 1), 3));
    }
}

#[test]
fn a_snapshot_keeps_all_arrays_and_metadata() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2)], Some("{\"k\": 1}"), false).unwrap();
    put(&slices, &[("c", 3, 4)], None, false).unwrap();
    let kept = SliceArray::open(&path, Mode::Read).unwrap().snapshot(Mode::Read).unwrap();
    let again = Snapshot::open(&path, &kept.handle().unwrap(), Mode::Read).unwrap();
    slices.set_metadata(&[("b", Some("2"))]).unwrap();
    slices.delete(&["a"]).unwrap();
    slices.compact().unwrap();
    let wanted = |name: &str, metadata: Option<&str>| {
        Ok::<_, crate::base::error::Error>(name == "c" || metadata.is_some())
    };
    for kept in [&kept, &again, &kept.select(&[0, 1, 2]).unwrap()] {
        for (name, value, rows, metadata) in
            [("a", 1, 3, Some("{\"k\": 1}")), ("b", 2, 2, Some("{\"k\": 1}")), ("c", 3, 4, None)]
        {
            let slice = kept.find(name).unwrap();
            assert_eq!(taken(&slice, kept.mappings()), expected(value, rows));
            assert_eq!(kept.metadata(slice.position).unwrap(), metadata);
        }
        assert_eq!(kept.filter(wanted).unwrap(), [0, 1, 2]);
    }
    let part = kept.select(&[2, 0]).unwrap();
    assert_eq!((part.metadata(0).unwrap(), part.metadata(1).unwrap()), (None, Some("{\"k\": 1}")));
    assert_eq!(taken(&part.at(&[0]).unwrap()[0], part.mappings()), expected(3, 4));
    assert_eq!(part.metadata(2).unwrap_err().kind(), ErrorKind::OutOfBounds);
}

#[test]
fn metadata_stand_beside_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let slices = SliceArray::create(&path, &spec(&[0])).unwrap();
    let write = |name, metadata, replace| {
        let arrays = &[RowBytes { rows: 1, bytes: &[1] }];
        slices.write_slices(&[NewSlice { name, arrays, metadata }], replace)
    };
    write("plain", None, false).unwrap();
    // Opened before there is a table of metadata.
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    assert_eq!((reader.metadata("plain").unwrap(), reader.count_metadata().unwrap()), (None, 0));
    let long = format!("\"{}\"", "x".repeat(60_000));
    write("a", Some("{\"k\": 1}"), false).unwrap();
    slices.set_metadata(&[("plain", Some(&long))]).unwrap();
    assert_eq!(reader.metadata("plain").unwrap().as_deref(), Some(&*long));
    assert_eq!(reader.metadata("a").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.metadata("a").unwrap().as_deref(), Some("{\"k\": 1}"));
    write("a", None, true).unwrap();
    assert_eq!(slices.metadata("a").unwrap().as_deref(), Some("{\"k\": 1}"));
    write("a", Some("[]"), true).unwrap();
    for (values, kind) in [
        (&[("a", Some("7")), ("no", Some("7"))][..], ErrorKind::NotFound),
        (&[("a", Some("{"))], ErrorKind::InvalidArgument),
        (&[("a", Some(&*"7".repeat(70_000)))], ErrorKind::InvalidArgument),
    ] {
        assert_eq!(slices.set_metadata(values).unwrap_err().kind(), kind);
    }
    assert_eq!(write("b", Some("nope"), false).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert!(!slices.contains("b").unwrap());
    slices.rename("a", "z").unwrap();
    let described = slices.described(0, 9).unwrap();
    let described: Vec<_> =
        described.iter().map(|(name, _, json)| (name.as_str(), json.as_deref())).collect();
    assert_eq!(described, [("plain", Some(&*long)), ("z", Some("[]"))]);
    slices.set_metadata(&[("plain", None)]).unwrap();
    slices.compact().unwrap();
    assert_eq!(
        (slices.metadata("plain").unwrap(), slices.metadata("z").unwrap().as_deref()),
        (None, Some("[]"))
    );
    slices.delete(&["z"]).unwrap();
    write("z", None, false).unwrap();
    assert_eq!((slices.metadata("z").unwrap(), slices.count_metadata().unwrap()), (None, 0));
    drop((slices, reader));
    assert_eq!(SliceArray::open(&path, Mode::Read).unwrap().metadata("z").unwrap(), None);
}

#[test]
fn verifying_finds_what_is_wrong_with_several() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2)], Some("1"), false).unwrap();
    let look = || {
        let mut found = Vec::new();
        let count = check_names_of_set(&path, &mut |flaw| found.push(format!("{flaw:?}"))).unwrap();
        (count, found)
    };
    assert_eq!(look(), (Some(2), vec![]));
    let labels = FlatArray::open(&path.join("labels.npy"), Mode::ReadWrite).unwrap();
    let mut header = labels.header();
    header.shape[0] = 2;
    labels.writable().unwrap().put_header(&header).unwrap();
    let (count, found) = look();
    assert!(count == Some(2) && found.len() == 1 && found[0].contains("2:3"), "{found:?}");
    let error = SliceArray::open(&path, Mode::Read).unwrap().get_one("b").unwrap_err();
    assert!(error.kind() == ErrorKind::CorruptData && error.to_string().contains("labels"), "{error}");
    std::fs::remove_file(path.join("features.npy")).unwrap();
    assert!(look().0.is_none());
    assert_eq!(SliceArray::open(&path, Mode::Read).unwrap_err().kind(), ErrorKind::NotFound);
}

fn drafts(path: &Path) -> Vec<PathBuf> {
    let drafts: Vec<PathBuf> =
        ["features", "labels"].map(|name| path.join(format!(".{name}.npy.1-0.tmp"))).into();
    for (draft, (_, spec)) in drafts.iter().zip(arrays()) {
        replace::write_new(draft, &spec).unwrap();
    }
    drafts
}

#[test]
fn compacting_makes_the_index_of_several_small_and_keeps_what_is_beside_names() {
    let (_directory, path, slices) = new();
    let many: Vec<String> = (0..5000).map(|k| format!("{k:0>100}")).collect();
    let named: Vec<_> = many.iter().map(|name| (name.as_str(), [0..0, 0..0])).collect();
    let named: Vec<_> = named.iter().map(|(name, rows)| (*name, &rows[..])).collect();
    slices.name_rows_of_all(&named, false).unwrap();
    let long = format!("\"{}\"", "x".repeat(60_000));
    put(&slices, &[("b", 1, 3)], Some("{\"k\": 1}"), false).unwrap();
    put(&slices, &[("a", 2, 2)], Some(&long), false).unwrap();
    put(&slices, &[("c", 3, 4)], None, false).unwrap();
    let reader = SliceArray::open(&path, Mode::Read).unwrap();
    slices.delete(&many.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let size = || path.join("slices.index/data.mdb").metadata().unwrap().len();
    let before = size();
    for round in 0..3 {
        slices.compact().unwrap();
        assert!(before > 1 << 20 && size() < 200 << 10, "{before} before, {} after", size());
        for slices in [&slices, &reader, &SliceArray::open(&path, Mode::Read).unwrap()] {
            slices.refresh().unwrap();
            assert_eq!(names(slices).len(), 3);
            assert_eq!((bytes(slices, "a"), bytes(slices, "b")), (expected(2, 2), expected(1, 3)));
            assert_eq!(bytes(slices, "c"), expected(3, 4));
            let kept = ["a", "b", "c"].map(|name| slices.metadata(name).unwrap());
            let b = if round == 0 { "{\"k\": 1}".to_owned() } else { (round - 1).to_string() };
            assert_eq!(kept, [Some(long.clone()), Some(b), None]);
        }
        slices.set_metadata(&[("b", Some(&round.to_string()))]).unwrap();
        let mut flaws = Vec::new();
        assert_eq!(check_names_of_set(&path, &mut |flaw| flaws.push(flaw)).unwrap(), Some(3));
        assert!(flaws.is_empty(), "{flaws:?}");
    }
    assert_eq!(files(&path), ["features.npy", "labels.npy", "slices.index"]);
    inspect_index(&std::fs::read(path.join("slices.index/data.mdb")).unwrap()).unwrap();
}

#[test]
fn several_are_compacted_where_folders_cannot_be_exchanged() {
    let (_directory, path, slices) = new();
    put(&slices, &[("a", 1, 3), ("b", 2, 2)], Some("7"), false).unwrap();
    slices.delete(&["a"]).unwrap();
    slices.move_in_place(&drafts(&path), 1).unwrap();
    assert_eq!((bytes(&slices, "b"), slices.metadata("b").unwrap().as_deref()), (expected(2, 2), Some("7")));
    assert_eq!(slices.arrays().map(|(_, array)| array.rows()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn several_made_anew_leave_nothing_of_a_compaction_that_was_killed() {
    for already in 0..3 {
        let (_directory, path, slices) = new();
        put(&slices, &[("a", 1, 3), ("b", 2, 2)], None, false).unwrap();
        let new = drafts(&path);
        slices.move_to(&new, 1).unwrap();
        for (new, (name, _)) in new.iter().zip(arrays()).take(already) {
            std::fs::rename(new, path.join(format!("{name}.npy"))).unwrap();
        }
        drop(slices);
        let anew = arrays().map(|(name, spec)| (name, FlatSpec { overwrite: true, ..spec }));
        let created = SliceArray::create_set(&path, &anew).unwrap();
        assert!(created.is_empty() && created.arrays().all(|(_, array)| array.rows() == 0));
        assert_eq!(files(&path), ["features.npy", "labels.npy", "slices.index"]);
        put(&created, &[("b", 5, 2)], None, false).unwrap();
        assert_eq!(bytes(&created, "b"), expected(5, 2));
    }
}

#[test]
fn holes_are_punched_in_every_array() {
    use std::os::unix::fs::MetadataExt;
    let (_directory, path, slices) = new();
    put(&slices, &[("gone", 9, 4 << 20)], None, false).unwrap();
    put(&slices, &[("a", 1, 3)], Some("1"), false).unwrap();
    put(&slices, &[("kept", 7, 1 << 20)], None, false).unwrap();
    slices.delete(&["gone"]).unwrap();
    let reader = FlatArray::open(&path.join("labels.npy"), Mode::Read).unwrap();
    assert!(slices.punch_holes().unwrap_err().is_retryable());
    drop(reader);
    let used = || {
        let file = |name: &str| path.join(name).metadata().unwrap().blocks() * 512;
        [file("features.npy"), file("labels.npy")]
    };
    let before = used();
    let freed = match slices.punch_holes() {
        Err(error) if error.kind() == ErrorKind::Unsupported => return,
        freed => freed.unwrap(),
    };
    assert_eq!(freed, (12 << 20) - 1);
    let after = used();
    assert!(after[0] + (7 << 20) < before[0] && after[1] + (3 << 20) < before[1], "{before:?}, {after:?}");
    for _ in 0..2 {
        assert_eq!((bytes(&slices, "a"), bytes(&slices, "kept")), (expected(1, 3), expected(7, 1 << 20)));
        slices.compact().unwrap();
    }
}

#[test]
fn several_are_added_to_several_with_what_is_beside_names() {
    let (directory, _path, slices) = new();
    let other = |name: &str, arrays: &[(&str, FlatSpec)]| {
        SliceArray::create_set(&directory.path().join(name), arrays).unwrap()
    };
    let (one, two) = (other("one", &arrays()), other("two", &arrays()));
    put(&slices, &[("own", 1, 1), ("both", 2, 2)], Some("\"own\""), false).unwrap();
    let many: Vec<String> = (0..600).map(|k| format!("n{k}")).collect();
    let named: Vec<_> = many.iter().zip(0u64..).map(|(name, k)| (name.as_str(), k as u8, k % 4)).collect();
    put(&one, &named, Some("{\"k\": 1}"), false).unwrap();
    put(&one, &[("plain", 4, 2)], None, false).unwrap();
    put(&two, &[("both", 9, 3)], None, false).unwrap();
    // Of large slices, some arrays are larger than what is written at once.
    put(&two, &[("large", 7, 5 << 20)], Some("\"large\""), false).unwrap();
    let error = slices.merge(&[&one, &two], false).unwrap_err();
    assert!(error.kind() == ErrorKind::AlreadyExists && slices.len() == 2, "{error}");
    slices.merge(&[&one, &two], true).unwrap();
    assert_eq!(slices.len(), 604);
    for (name, value, rows) in named {
        assert_eq!(bytes(&slices, name), expected(value, rows as usize), "{name}");
        assert_eq!(slices.metadata(name).unwrap().as_deref(), Some("{\"k\": 1}"));
    }
    assert_eq!((bytes(&slices, "both"), bytes(&slices, "own")), (expected(9, 3), expected(1, 1)));
    assert_eq!(bytes(&slices, "large"), expected(7, 5 << 20));
    let kept = ["plain", "large", "own", "both"].map(|name| slices.metadata(name).unwrap());
    assert_eq!(
        kept.each_ref().map(Option::as_deref),
        [None, Some("\"large\""), Some("\"own\""), Some("\"own\"")]
    );

    let others = [
        other("x", &[("features", spec(&[0, 2]))]),
        other("y", &[("labels", spec(&[0])), ("features", spec(&[0, 2]))]),
        other("z", &[("features", spec(&[0, 2])), ("labels", spec(&[0, 1]))]),
        SliceArray::create(&directory.path().join("alone.npy"), &spec(&[0, 2])).unwrap(),
    ];
    for other in &others {
        let error = slices.merge(&[other], true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(other.merge(&[&slices], true).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(slices.merge(&[&slices], true).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn folders_of_slices_say_what_opens_them() {
    use crate::format::{Below, FormatOptions, attributes, list, remove, update_attributes};
    let (directory, path, _slices) = new();
    let one = directory.path().join("one.npy");
    drop(SliceArray::create(&one, &spec(&[0])).unwrap());
    let options = FormatOptions::default();
    for (folder, hint) in [
        (path.clone(), path.join("features.npy")),
        (path.join("slices.index"), path.clone()),
        (directory.path().join("one.npy.index"), one),
    ] {
        let url = folder.to_str().unwrap();
        let errors = [
            crate::Array::open(url).unwrap_err(),
            crate::OpenOptions::new().resize(url, &[1]).unwrap_err(),
            list(url, &options).unwrap_err(),
            attributes(url, &options).unwrap_err(),
            update_attributes(url, &serde_json::Map::new(), &options).unwrap_err(),
            remove(url, None, &options).unwrap_err(),
            Below::list(url, &options).unwrap_err(),
            FlatArray::open(&folder, Mode::Read).unwrap_err(),
        ];
        for error in errors {
            let said = error.to_string();
            assert!(said.contains(hint.to_str().unwrap()), "{said}");
            assert_eq!(said.contains("`SliceArray`"), folder == path, "{said}");
        }
    }
    assert_eq!(files(&path).len(), 3);
    let error = SliceArray::open(&path.join("slices.index"), Mode::Read).unwrap_err();
    assert!(error.to_string().contains("whose names they are"), "{error}");
}
