//! Arrays that are being made are marked as incomplete until all is written, in each format that has a place for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use bigarrays::compute::{ComputeOptions, Lazy};
use bigarrays::format::{self, BUILTIN, Format, FormatOptions};
use bigarrays::jobs::{ProblemKind, VerifyOptions, verify_at};
use bigarrays::ndarray::Array3;
use bigarrays::store::fault::{Access, Fault, FaultStore, Operation};
use bigarrays::store::{MemoryStore, Store};
use bigarrays::{Address, Array, CreateSpec, DataType, Domain, ErrorKind, Index, OpenOptions};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// The formats that have a place for the mark.
fn formats() -> impl Iterator<Item = &'static dyn Format> {
    let found: Vec<&'static dyn Format> =
        BUILTIN.iter().copied().filter(|format| format.completes().is_some()).collect();
    assert_eq!(found.len(), 6, "{found:?}");
    found.into_iter()
}

fn spec(incomplete: bool) -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[8; 3]).unwrap());
    spec.storage.chunk_shape = Some(vec![4; 3]);
    spec.array.incomplete = incomplete;
    spec
}

fn named(format: &str) -> OpenOptions {
    OpenOptions::new().format(format)
}

/// Eight chunks of ones, and of what is larger.
fn source(name: &str) -> Lazy {
    let array = named("zarr3").create(&format!("memory://incomplete-sources/{name}"), &spec(false)).unwrap();
    array.write(&[0; 3], Array3::<u8>::ones((8, 8, 8)).view()).unwrap();
    Lazy::of(&array).unwrap()
}

fn refused<'a>(address: impl Into<Address<'a>>) -> String {
    let error = OpenOptions::new().open(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Incomplete, "{error}");
    error.to_string()
}

/// All documents below a folder, in one text.
fn documents(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            all += &documents(&entry.path());
        } else if format::DOCUMENTS.contains(&entry.file_name().to_str().unwrap()) {
            all += &std::fs::read_to_string(entry.path()).unwrap();
        }
    }
    all
}

#[test]
fn what_is_saved_is_refused_until_all_is_written() {
    let folder = TempDir::new().unwrap();
    for format in formats().map(Format::name) {
        let path = folder.path().join(format);
        let url = path.to_str().unwrap();
        let made = named(format).create(url, &spec(true)).unwrap();
        assert!(made.notes().is_empty(), "{format}: {:?}", made.notes());
        let error = refused(url);
        for said in ["bigarrays ", "has not finished", "incomplete=True", "--incomplete", url] {
            assert!(error.contains(said), "{format}: {error}");
        }
        let known = made.incomplete().unwrap();
        assert!(known.since.as_ref().is_some_and(|since| error.contains(since)), "{format}: {known:?}");
        let opened = OpenOptions::new().incomplete(true).open(url).unwrap();
        assert_eq!(opened.incomplete(), Some(known), "{format}");
        assert_eq!(opened.get::<u8>(&[1, 2, 3]).unwrap(), 0);

        source(format).save(&made, &ComputeOptions::default()).unwrap();
        assert!(made.incomplete().is_none(), "{format}");
        let array = OpenOptions::new().open(url).unwrap();
        assert_eq!((array.get::<u8>(&[7, 0, 3]).unwrap(), array.incomplete()), (1, None), "{format}");
        assert!(!documents(&path).contains("incomplete"), "{format}");
        assert_eq!(
            verify_at(url, &OpenOptions::new(), None, None, &VerifyOptions::default())
                .unwrap()
                .problem_count(),
            0
        );
        // Of one that is not marked, nothing is taken.
        OpenOptions::new().read_only(true).open(url).unwrap().complete().unwrap();
    }
}

/// A store in memory in which nothing works any more from the `n`-th change on.
fn dying(n: u64) -> (Arc<dyn Store>, Arc<dyn Store>) {
    let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let dies = move |access: Access<'_>| {
        (access.operation == Operation::Update && access.ordinal >= n).then_some(Fault::Crash)
    };
    (Arc::clone(&whole), Arc::new(FaultStore::new(whole, dies)))
}

#[test]
fn whenever_it_is_killed_nothing_opens_that_is_not_written() {
    for (format, lazy) in
        formats().map(Format::name).map(|format| (format, source(&format!("{format}-killed"))))
    {
        let (mut marked, mut n) = (0, 0);
        loop {
            let (whole, store) = dying(n);
            let made = named(format).create((&store, "a"), &spec(true));
            let saved = made.and_then(|array| lazy.save(&array, &ComputeOptions::default()));
            let after = named(format).open((&whole, "a"));
            match (&saved, after) {
                (Ok(()), after) => {
                    assert_eq!(after.unwrap().get::<u8>(&[7; 3]).unwrap(), 1, "{format}");
                    break;
                }
                (Err(_), Err(error)) => marked += u64::from(error.kind() == ErrorKind::Incomplete),
                // Killed when the mark was gone.
                (Err(_), Ok(array)) => {
                    let all = array.read::<u8>(array.domain()).unwrap();
                    assert!(all.data().iter().all(|&one| one == 1), "{format}: opens half written, at {n}");
                }
            }
            n += 1;
        }
        assert!(marked >= 8, "{format}: marked at {marked} of {n}");
    }
}

#[test]
fn what_cannot_be_completed_stays_marked() {
    for format in formats().map(Format::name) {
        let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let made = named(format).create((&whole, "a"), &spec(true)).unwrap();
        let lazy = source(&format!("{format}-failing"));
        let fails = |access: Access<'_>| {
            let is_document = format::DOCUMENTS.iter().any(|name| access.key.ends_with(name));
            (access.operation == Operation::Update && is_document)
                .then_some(Fault::Error(ErrorKind::StorageFull))
        };
        let failing: Arc<dyn Store> = Arc::new(FaultStore::new(Arc::clone(&whole), fails));
        let target = named(format).incomplete(true).open((&failing, "a")).unwrap();
        let error = lazy.save(&target, &ComputeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{format}: {error}");
        assert!(target.incomplete().is_some(), "{format}");
        refused((&whole, "a"));
        // All is there but for that.
        made.complete().unwrap();
        assert_eq!(OpenOptions::new().open((&whole, "a")).unwrap().get::<u8>(&[7; 3]).unwrap(), 1);
    }
}

#[test]
fn a_part_does_not_complete_the_whole() {
    let url = "memory://incomplete/part";
    let array = named("zarr3").create(url, &spec(true)).unwrap();
    let half = |from| {
        let along = Index::Slice { start: Some(from), stop: Some(from + 4), step: 1 };
        array.slice(&[along, Index::ALL, Index::ALL]).unwrap()
    };
    let other = CreateSpec::new(DataType::U8, half(4).domain().translate(&[-4, 0, 0]).unwrap());
    let other = named("zarr3").create("memory://incomplete/other", &other).unwrap();
    Lazy::of(&other).unwrap().save(&half(4), &ComputeOptions::default()).unwrap();
    refused(url);
    // All of it, in another order.
    let backwards = Index::Slice { start: None, stop: None, step: -1 };
    let turned = array.slice(&[backwards, Index::ALL, Index::ALL]).unwrap().permute(&[2, 1, 0]).unwrap();
    source("part").save(&turned, &ComputeOptions::default()).unwrap();
    assert_eq!(OpenOptions::new().open(url).unwrap().get::<u8>(&[0, 5, 7]).unwrap(), 1);
}

#[test]
fn the_mark_is_of_one_scale_and_of_no_copy() {
    let folder = TempDir::new().unwrap();
    for format in formats().filter(|format| format.scales().is_some()).map(Format::name) {
        let url = folder.path().join(format).to_str().unwrap().to_owned();
        let (mut first, mut second) = (spec(false), spec(true));
        first.storage.key = Some("s0".to_owned());
        (first.array.resolution, second.array.resolution) = (Some(vec![1.0; 3]), Some(vec![2.0; 3]));
        named(format).create(&url, &first).unwrap();
        let added = named(format).add_scale(&url, &second).unwrap();
        assert_eq!((added.scale(), added.incomplete().is_some()), (1, true), "{format}");
        assert_eq!(OpenOptions::new().open(&url).unwrap().scale(), 0, "{format}");
        let next = OpenOptions::new().scale(1);
        assert_eq!(next.open(&url).unwrap_err().kind(), ErrorKind::Incomplete, "{format}");

        let like = next.like(&url).unwrap();
        assert!(!like.array.incomplete, "{format}");
        let copy = format!("{url}-copy");
        named(format).create(&copy, &CreateSpec { storage: Default::default(), ..like }).unwrap();
        OpenOptions::new().open(&copy).unwrap();

        added.complete().unwrap();
        assert!(next.open(&url).is_ok(), "{format}");
    }
}

#[test]
fn the_mark_is_no_attribute_and_survives_changes_of_them() {
    for format in ["zarr3", "zarr2", "n5", "ome-zarr", "ome-zarr-0.4"] {
        let url = format!("memory://incomplete-attributes/{format}");
        let mut spec = spec(true);
        spec.array.attributes = Some(Map::from_iter([("mine".to_owned(), json!(1))]));
        let array = named(format).create(&url, &spec).unwrap();
        let options = FormatOptions { format: Some(format.to_owned()), ..FormatOptions::default() };
        let read = || format::attributes(&url, &options).unwrap();
        assert!(!Value::Object(read()).to_string().contains("incomplete"), "{format}");
        assert_eq!(read()["mine"], json!(1), "{format}");
        format::update_attributes(&url, &Map::from_iter([("mine".to_owned(), Value::Null)]), &options)
            .unwrap();
        refused(&*url);
        let like = named(format).like(&url).unwrap();
        named(format).create(&format!("{url}-like"), &like).unwrap();
        assert!(named(format).open(&format!("{url}-like")).is_ok(), "{format}");
        // Attributes that somebody has of elsewhere mark nothing.
        let mark = json!({"incomplete": {"since": "yesterday"}});
        let given = Map::from_iter([("bigarrays".to_owned(), mark)]);
        let mut other = self::spec(false);
        other.array.attributes = Some(given);
        named(format).create(&format!("{url}-given"), &other).unwrap();
        assert!(named(format).open(&format!("{url}-given")).is_ok(), "{format}");
        array.complete().unwrap();
        assert!(named(format).open(&url).is_ok(), "{format}");
    }
}

#[test]
fn consolidated_metadata_have_no_mark() {
    let folder = TempDir::new().unwrap();
    for (format, document, text) in [
        (
            "zarr3",
            "zarr.json",
            json!({"zarr_format": 3, "node_type": "group", "attributes": {},
                "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": {}}}),
        ),
        (
            "zarr2",
            ".zmetadata",
            json!({"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}}}),
        ),
    ] {
        let root = folder.path().join(format);
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join(".zgroup"), r#"{"zarr_format": 2}"#).unwrap();
        if format == "zarr3" {
            std::fs::remove_file(root.join(".zgroup")).unwrap();
        }
        std::fs::write(root.join(document), text.to_string()).unwrap();
        let (url, of_group) = (root.join("a"), root.to_str().unwrap());
        let url = url.to_str().unwrap();
        let copies = || std::fs::read_to_string(root.join(document)).unwrap();
        let array = named(format).create(url, &spec(true)).unwrap();
        assert!(copies().contains("\"shape\"") && !copies().contains("incomplete"), "{}", copies());
        let report =
            || verify_at(of_group, &OpenOptions::new(), None, None, &VerifyOptions::default()).unwrap();
        let kinds: Vec<ProblemKind> = report()
            .arrays
            .iter()
            .flat_map(|array| &array.problems.first)
            .map(|problem| problem.kind)
            .collect();
        assert_eq!(kinds, [ProblemKind::Incomplete], "{format}");

        // As others consolidate them: word for word.
        let own = std::fs::read_to_string(root.join("a").join(if format == "zarr3" {
            "zarr.json"
        } else {
            ".zarray"
        }));
        let own: Value = serde_json::from_str(&own.unwrap()).unwrap();
        let mut all: Value = serde_json::from_str(&copies()).unwrap();
        match format {
            "zarr3" => all["consolidated_metadata"]["metadata"]["a"] = own,
            _ => all["metadata"]["a/.zarray"] = own,
        }
        std::fs::write(root.join(document), all.to_string()).unwrap();
        assert_eq!(report().problem_count(), 1);
        array.complete().unwrap();
        assert!(!copies().contains("incomplete"), "{}", copies());
        assert_eq!(report().problem_count(), 0, "{format}");
    }
}

#[test]
fn what_is_incomplete_is_found_verified_resized_and_removed() {
    let folder = TempDir::new().unwrap();
    for format in formats() {
        let url = folder.path().join(format.name()).to_str().unwrap().to_owned();
        named(format.name()).create(&url, &spec(true)).unwrap();
        assert!(OpenOptions::new().open_any_scale(&url).unwrap().incomplete().is_some());
        let report = verify_at(&url, &OpenOptions::new(), None, None, &VerifyOptions::default()).unwrap();
        let problems: Vec<_> = report.arrays.iter().flat_map(|array| &array.problems.first).collect();
        assert_eq!(problems.len(), 1, "{}: {problems:?}", format.name());
        assert_eq!((problems[0].kind, problems[0].kind.name()), (ProblemKind::Incomplete, "incomplete"));
        assert!(problems[0].message.contains("has not finished"), "{:?}", problems[0]);
        if format.resizes().is_some() {
            OpenOptions::new().resize(&url, &[8, 8, 12]).unwrap();
            refused(&*url);
        }
        let again = named(format.name()).create(&url, &spec(true)).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists, "{}", format.name());
        format::remove(&url, None, &FormatOptions::default()).unwrap();
        named(format.name()).create(&url, &spec(false)).unwrap();
        OpenOptions::new().open(&url).unwrap();
    }
}

/// As a run leaves it that was killed between the array and what is around it: the next takes the array over.
#[test]
fn what_was_begun_is_taken_over_whatever_its_mark_says() {
    for format in ["ome-zarr", "ome-zarr-0.4", "n5"] {
        let whole: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let first = |incomplete| CreateSpec {
            storage: bigarrays::StorageSpec { key: Some("s0".to_owned()), ..spec(incomplete).storage },
            ..spec(incomplete)
        };
        named(format).create((&whole, "a"), &first(true)).unwrap();
        for document in ["zarr.json", ".zattrs", ".zgroup", "attributes.json"] {
            whole.delete(&format!("a/{document}")).unwrap();
        }
        assert_eq!(named(format).open((&whole, "a")).unwrap_err().kind(), ErrorKind::NotFound, "{format}");
        named(format).create((&whole, "a"), &first(false)).unwrap();
        assert!(named(format).open((&whole, "a")).is_ok(), "{format}");
    }
}

#[test]
fn a_format_without_a_place_says_so() {
    let folder = TempDir::new().unwrap();
    let url = folder.path().join("a.npy").to_str().unwrap().to_owned();
    let array: Array = named("npy").create(&url, &spec_of_file()).unwrap();
    assert!(
        array.notes().iter().any(|note| note.starts_with("npy has no place for a mark")),
        "{:?}",
        array.notes()
    );
    array.complete().unwrap();
    assert!(OpenOptions::new().open(&url).unwrap().notes().is_empty());
}

fn spec_of_file() -> CreateSpec {
    CreateSpec { storage: Default::default(), ..spec(true) }
}
