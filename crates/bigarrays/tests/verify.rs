//! Verifying: damage of each kind is found and named in each format, and what is whole is said to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bigarrays::flat::{Descr, FlatSpec, NamedRows, SliceArray};
use bigarrays::format::{self, FormatOptions, NewSharding, Opened, StorageSpec};
use bigarrays::jobs::{Against, ProblemKind, Report, VerifyOptions, compare, verify, verify_at};
use bigarrays::ndarray::{Array3, ArrayD, IxDyn};
use bigarrays::store::Store;
use bigarrays::store::fault::{Access, Fault, FaultStore, Operation};
use bigarrays::{Array, ArrayOptions, CreateSpec, DataType, Domain, ErrorKind, Index, OpenOptions};
use serde_json::json;
use tempfile::TempDir;

/// Everything below a folder: contents, and when it was last changed.
type Snapshot = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

fn snapshot(folder: &Path, into: &mut Snapshot) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            snapshot(&path, into);
        } else if path.file_name().unwrap() != "lock.mdb" {
            let modified = path.metadata().unwrap().modified().unwrap();
            into.insert(path.clone(), (std::fs::read(&path).unwrap(), modified));
        }
    }
}

/// Verifies what is at `url` in a folder, and that nothing in the folder changes.
fn verified(folder: &TempDir, name: &str) -> Report {
    let (mut before, mut after) = (Snapshot::new(), Snapshot::new());
    snapshot(folder.path(), &mut before);
    let url = url(folder, name);
    let report = verify_at(&url, &OpenOptions::new(), None, None, &VerifyOptions::default()).unwrap();
    snapshot(folder.path(), &mut after);
    assert!(before == after, "verifying has changed something");
    report
}

fn url(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

/// A format, and how arrays of it are created.
struct Case {
    name: &'static str,
    format: &'static str,
    spec: CreateSpec,
    /// A file that is a chunk, or that has one.
    file: &'static str,
}

fn little() -> serde_json::Value {
    json!({"name": "bytes", "configuration": {"endian": "little"}})
}

fn cases() -> Vec<Case> {
    let spec = |chunk: [u64; 3]| {
        let mut spec = CreateSpec::new(DataType::U16, "0:20,0:9,0:7".parse().unwrap());
        spec.storage.chunk_shape = Some(chunk.to_vec());
        spec
    };
    let stored = |change: &dyn Fn(&mut StorageSpec)| {
        let mut spec = spec([8; 3]);
        change(&mut spec.storage);
        spec
    };
    let codecs = |codecs: serde_json::Value| stored(&|storage| storage.codecs = Some(codecs.clone()));
    let sharding = "preshift_bits=1,minishard_bits=1,shard_bits=1,data_encoding=gzip".parse().unwrap();
    vec![
        Case { name: "raw", format: "precomputed", spec: spec([8; 3]), file: "1_1_1/0-8_0-8_0-7" },
        Case {
            name: "png",
            format: "precomputed",
            spec: stored(&|storage| storage.encoding = Some("png".into())),
            file: "1_1_1/8-16_0-8_0-7",
        },
        Case {
            name: "sharded",
            format: "precomputed",
            spec: stored(&|storage| storage.sharding = NewSharding::Neuroglancer(sharding)),
            file: "1_1_1/0.shard",
        },
        Case { name: "zarr3", format: "zarr3", spec: codecs(json!([little(), "crc32c"])), file: "c/1/0/0" },
        Case { name: "zarr2", format: "zarr2", spec: codecs(json!([little(), "gzip"])), file: "1.0.0" },
        Case { name: "blosc", format: "zarr3", spec: codecs(json!([little(), "blosc"])), file: "c/1/0/0" },
        Case {
            name: "zarr-shards",
            format: "zarr3",
            spec: stored(&|storage| {
                (storage.shard_shape, storage.codecs) =
                    (Some(vec![16, 8, 8]), Some(json!([little(), "zstd"])));
            }),
            file: "c/0/0/0",
        },
        Case { name: "ome", format: "ome-zarr", spec: spec([8; 3]), file: "0/c/1/0/0" },
        Case { name: "n5", format: "n5", spec: spec([8; 3]), file: "1/0/0" },
    ]
}

fn volume() -> ArrayD<u16> {
    ArrayD::from_shape_fn(IxDyn(&[20, 9, 7]), |at| (at[0] * 100 + at[1] * 10 + at[2]) as u16)
}

fn create(folder: &TempDir, case: &Case) -> Array {
    let array = OpenOptions::new().format(case.format).create(&url(folder, case.name), &case.spec).unwrap();
    array.write(&[0; 3], volume().view()).unwrap();
    array
}

#[test]
fn arrays_of_all_formats_are_whole() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        create(&folder, &case);
        let report = verified(&folder, case.name);
        let text = report.to_string();
        assert!(report.is_whole() && report.arrays.len() == 1, "{}: {text}", case.name);
        let array = &report.arrays[0];
        assert_eq!((array.chunks, array.stored, array.missing, array.listed), (6, 6, 0, true), "{text}");
        assert!(array.bytes > 0 && array.strangers.count == 0 && array.leftovers.count == 0, "{text}");
    }
}

#[test]
fn a_chunk_that_is_cut_short_is_named() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let array = create(&folder, &case);
        let file = folder.path().join(case.name).join(case.file);
        let bytes = std::fs::read(&file).unwrap();
        for length in [0, 3, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&file, &bytes[..length]).unwrap();
            let report = verified(&folder, case.name);
            let text = format!("{} cut to {length}: {report}", case.name);
            assert!(!report.is_whole() && text.contains(case.file), "{text}");
            let problem = &report.arrays[0].problems.first[0];
            assert!(matches!(problem.kind, ProblemKind::Chunk | ProblemKind::Shard), "{text}");
            assert!(problem.key.as_ref().unwrap().contains(case.file), "{text}");
            assert_eq!(problem.domain.is_some(), problem.kind == ProblemKind::Chunk, "{text}");
            // The others are looked at all the same.
            if array.layout().sharding.is_none() {
                assert_eq!((report.arrays[0].stored, report.problem_count()), (6, 1), "{text}");
            }
        }
        std::fs::write(&file, &bytes).unwrap();
        assert!(verified(&folder, case.name).is_whole());
    }
}

/// Where there is a checksum, no changed bit goes unnoticed.
#[test]
fn changed_bits_are_found_by_checksums() {
    for case in cases().iter().filter(|case| ["png", "zarr3", "zarr2"].contains(&case.name)) {
        let folder = tempfile::tempdir().unwrap();
        create(&folder, case);
        let file = folder.path().join(case.name).join(case.file);
        let bytes = std::fs::read(&file).unwrap();
        // The header of gzip says when and where it was made, which nobody checks.
        for at in (10..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&file, damaged).unwrap();
            assert_eq!(verified(&folder, case.name).problem_count(), 1, "{} byte {at}", case.name);
        }
    }
}

#[test]
fn damaged_indexes_of_shards_are_found() {
    for case in cases().iter().filter(|case| ["sharded", "zarr-shards"].contains(&case.name)) {
        let folder = tempfile::tempdir().unwrap();
        create(&folder, case);
        let file = folder.path().join(case.name).join(case.file);
        let bytes = std::fs::read(&file).unwrap();
        let index = if case.name == "sharded" { 0..32 } else { bytes.len() - 36..bytes.len() };
        for at in index {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            std::fs::write(&file, damaged).unwrap();
            let report = verified(&folder, case.name);
            let shards = report.arrays[0].problems.first.iter().filter(|p| p.kind == ProblemKind::Shard);
            assert!(shards.count() > 0, "{} byte {at}: {report}", case.name);
        }
        // What is not a shard, though it lies among them.
        std::fs::write(&file, &bytes).unwrap();
        std::fs::write(file.with_file_name("7f.shard"), "?").unwrap();
        let report = verified(&folder, case.name);
        assert!(report.is_whole());
        assert!(report.arrays[0].strangers.first[0].key.ends_with("7f.shard"), "{report}");
    }
}

/// Indexes that are well formed and say what is not so.
#[test]
fn shards_of_other_chunks_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let case = cases().into_iter().find(|case| case.name == "sharded").unwrap();
    create(&folder, &case);
    let scale = folder.path().join("sharded/1_1_1");
    std::fs::copy(scale.join("0.shard"), scale.join("1.shard")).unwrap();
    let report = verified(&folder, "sharded");
    assert!(report.to_string().contains("does not belong"), "{report}");
}

#[test]
fn metadata_that_contradict_their_specification_are_problems() {
    for (case, file) in cases().iter().zip([
        "info",
        "info",
        "info",
        "zarr.json",
        ".zarray",
        "zarr.json",
        "zarr.json",
        "zarr.json",
        "attributes.json",
    ]) {
        let folder = tempfile::tempdir().unwrap();
        create(&folder, case);
        let file = folder.path().join(case.name).join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, &text[..text.len() / 2]).unwrap();
        let report = verified(&folder, case.name);
        let kinds: Vec<_> = report.arrays[0].problems.first.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::Metadata], "{}: {report}", case.name);
    }
    let missing = verify_at("/nowhere/at/all", &OpenOptions::new(), None, None, &VerifyOptions::default());
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

/// As CloudVolume leaves them: a chunk under one suffix, and an older one under another.
#[test]
fn chunks_that_are_there_twice_are_problems_if_they_differ() {
    let folder = tempfile::tempdir().unwrap();
    let layer = folder.path().join("layer");
    let array = OpenOptions::new()
        .create(layer.to_str().unwrap(), &CreateSpec::new(DataType::U8, "0:8,0:8,0:8".parse().unwrap()));
    let array = array.unwrap();
    array.write(&[0; 3], Array3::<u8>::ones((8, 8, 8)).view()).unwrap();
    let chunk = layer.join("1_1_1/0-8_0-8_0-8");
    let twin = layer.join("1_1_1/0-8_0-8_0-8.gz");
    let mut same = Vec::new();
    bigarrays::chunk::codec::ContentEncoding::Gzip.codec().unwrap().encode(&[1; 512], &mut same).unwrap();
    std::fs::write(&twin, &same).unwrap();
    let report = verified(&folder, "layer");
    assert!(report.is_whole(), "{report}");
    let notes = &report.arrays[0].notes;
    assert!(notes.count == 1 && notes.first[0].contains(twin.to_str().unwrap()), "{report}");
    std::fs::write(&chunk, [2; 512]).unwrap();
    let report = verified(&folder, "layer");
    let problem = &report.arrays[0].problems.first[0];
    assert_eq!(
        (report.problem_count(), problem.kind, &problem.domain),
        (1, ProblemKind::Chunk, &Some("0:8,0:8,0:8".parse().unwrap()))
    );
    assert!(
        [&chunk, &twin].iter().all(|file| problem.to_string().contains(file.to_str().unwrap())),
        "{problem}"
    );
    let prefer = OpenOptions::new().prefer(Some("gzip".parse().unwrap()));
    let preferred = prefer.open(layer.to_str().unwrap()).unwrap();
    assert_eq!(preferred.get::<u8>(&[3, 3, 3]).unwrap(), 1);
}

#[test]
fn leftovers_and_strangers_are_noted() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        create(&folder, &case);
        let file = folder.path().join(case.name).join(case.file);
        // No process has this number.
        std::fs::write(file.with_file_name(".bigarrays-tmp-1-7fffffff-0"), "part of a chunk").unwrap();
        let own = format!(".bigarrays-tmp-1-{:x}-0", std::process::id());
        std::fs::write(file.with_file_name(own), "a chunk to be").unwrap();
        std::fs::write(file.with_file_name("notes.txt"), "ours").unwrap();
        let report = verified(&folder, case.name);
        let array = &report.arrays[0];
        assert!(report.is_whole(), "{report}");
        assert_eq!((array.leftovers.count, array.strangers.count), (1, 1), "{}: {report}", case.name);
        assert_eq!(array.leftovers.first[0].bytes, 15);
        assert!(array.strangers.first[0].key.ends_with("notes.txt"), "{report}");
    }
}

#[test]
fn missing_chunks_are_counted_and_are_problems_if_asked() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let array =
            OpenOptions::new().format(case.format).create(&url(&folder, case.name), &case.spec).unwrap();
        array.write(&[8, 0, 0], Array3::<u16>::ones((8, 8, 7)).view()).unwrap();
        let part: Domain = "10:12,0:9,2:3".parse().unwrap();
        let whole = VerifyOptions::default();
        let strict = VerifyOptions { missing: true, ..whole };
        let boxed = VerifyOptions { part: Some(&part), ..strict };
        for (options, chunks, problems) in [(whole, 6, 0), (strict, 6, 5), (boxed, 2, 1)] {
            let report = verify(&array, &options).unwrap();
            let found = (report.chunks, report.stored, report.missing, report.problems.count);
            assert_eq!(found, (chunks, 1, chunks - 1, problems), "{}", case.name);
        }
        let report = verify(&array, &boxed).unwrap();
        assert_eq!(report.problems.first[0].domain, Some("8:16,8:9,0:7".parse().unwrap()));
    }
}

/// A grid of 10^12 chunks, of which two are stored, takes no longer than two chunks.
#[test]
fn huge_sparse_grids_are_walked_by_their_listing() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["precomputed", "zarr3", "n5"] {
        let mut spec = CreateSpec::new(DataType::U8, "0:40000,0:40000,0:40000".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![4; 3]);
        let array = OpenOptions::new().format(format).create(&url(&folder, format), &spec).unwrap();
        array.write(&[39_998, 20_000, 4], Array3::<u8>::ones((2, 4, 8)).view()).unwrap();
        let report = verified(&folder, format);
        assert_eq!((report.arrays[0].chunks, report.arrays[0].stored), (1_000_000_000_000, 2), "{report}");
    }
}

#[test]
fn layers_with_scales_and_groups_are_verified_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = cases().remove(0).spec;
    spec.storage.key = Some("fine".into());
    create(&folder, &Case { name: "layer", format: "precomputed", spec: spec.clone(), file: "" });
    (spec.storage.key, spec.array.resolution) = (Some("fine/coarse".into()), Some(vec![2.0; 3]));
    spec.array.domain = "0:10,0:5,0:4".parse().unwrap();
    let coarse = OpenOptions::new().add_scale(&url(&folder, "layer"), &spec).unwrap();
    coarse.write(&[0; 3], Array3::<u16>::ones((10, 5, 4)).view()).unwrap();
    let report = verified(&folder, "layer");
    assert!(report.is_whole() && report.arrays.len() == 2, "{report}");
    assert!(report.arrays.iter().all(|array| array.strangers.count == 0), "{report}");
    assert_eq!(report.arrays[1].scale.as_deref(), Some("fine/coarse"));

    for format in ["zarr3", "zarr2", "n5"] {
        let options = FormatOptions { format: Some(format.into()), ..FormatOptions::default() };
        let group = url(&folder, &format!("group-{format}"));
        format::create_group(&group, &serde_json::Map::new(), &options).unwrap();
        for name in ["a", "deep/b"] {
            let spec = CreateSpec::new(DataType::U8, "0:4,0:4".parse().unwrap());
            let array = OpenOptions::new().format(format).create(&format!("{group}/{name}"), &spec).unwrap();
            array.write(&[0, 0], ArrayD::<u8>::ones(IxDyn(&[4, 4])).view()).unwrap();
        }
        let report = verified(&folder, &format!("group-{format}"));
        let stored: Vec<u64> = report.arrays.iter().map(|array| array.stored).collect();
        assert!(report.is_whole() && stored == [1, 1], "{format}: {report}");
    }
}

#[test]
fn arrays_are_compared_across_formats_orders_and_types() {
    let folder = tempfile::tempdir().unwrap();
    let arrays: Vec<Array> = cases().iter().map(|case| create(&folder, case)).collect();
    // An image whose axes are z,y,x.
    for other in arrays.iter().filter(|array| array.axis_names()[0] != "z") {
        let comparison = compare(&arrays[0], other, &VerifyOptions::default()).unwrap();
        assert!(comparison.is_equal() && comparison.elements == 20 * 9 * 7, "{comparison}");
    }
    // The same in z,y,x, of another type, and starting elsewhere.
    let mut spec = CreateSpec::new(DataType::F32, "0:7,0:9,0:20".parse().unwrap());
    spec.array.dimension_names = Some(["z", "y", "x"].map(|name| Some(name.to_owned())).to_vec());
    spec.storage.chunk_shape = Some(vec![3, 4, 20]);
    let reversed = OpenOptions::new().format("zarr3").create(&url(&folder, "zyx"), &spec).unwrap();
    let values = volume().mapv(f32::from).reversed_axes();
    reversed.write(&[0; 3], values.view()).unwrap();
    let small = VerifyOptions { memory: 1 << 16, ..VerifyOptions::default() };
    let comparison = compare(&arrays[0], &reversed, &small).unwrap();
    assert!(comparison.is_equal(), "{comparison}");
    let patch = ArrayD::from_elem(IxDyn(&[1, 2, 1]), f32::NAN);
    reversed.write(&[6, 3, 19], patch.view()).unwrap();
    reversed.write(&[0, 0, 2], ArrayD::from_elem(IxDyn(&[1, 1, 1]), 205.5f32).view()).unwrap();
    let comparison = compare(&arrays[0], &reversed, &small).unwrap();
    let places: Vec<_> = comparison.first.iter().map(|difference| difference.at.to_vec()).collect();
    assert_eq!(places, [[2, 0, 0], [19, 3, 6], [19, 4, 6]], "{comparison}");
    assert!(comparison.different == 3 && comparison.max_abs.is_nan());

    let part: Domain = "0:10,0:9,0:7".parse().unwrap();
    let boxed = compare(&arrays[0], &reversed, &VerifyOptions { part: Some(&part), ..small }).unwrap();
    assert_eq!((boxed.elements, boxed.different, boxed.max_abs), (630, 1, 5.5));
    let shifted = arrays[1].translate(&[-100, 7, 0]).unwrap();
    assert!(compare(&arrays[0], &shifted, &small).unwrap().is_equal());
    let cut =
        arrays[1].slice(&[Index::ALL, Index::ALL, Index::Slice { start: Some(0), stop: Some(3), step: 1 }]);
    assert!(compare(&arrays[0], &cut.unwrap(), &small).unwrap().mismatch.is_some());

    let (open, other) = (OpenOptions::new(), url(&folder, "zyx"));
    let against = Against { url: &other, open: &open, scale: None };
    let report = verify_at(&url(&folder, "raw"), &open, None, Some(against), &small).unwrap();
    assert_eq!(report.arrays[0].problems.first[0].kind, ProblemKind::Different, "{report}");
}

/// The array at `url` through a store with faults.
fn faulty(array: &Array, rule: impl Fn(Access<'_>) -> Option<Fault> + Send + Sync + 'static) -> Array {
    let store: Arc<dyn Store> = Arc::new(FaultStore::new(Arc::clone(array.store()), rule));
    let opened = Opened::new("test", array.layout().clone(), store);
    Array::from_opened(opened, array.url(), ArrayOptions::default())
}

/// Web servers list nothing: every place of the grid is asked for.
#[test]
fn where_nothing_is_listed_the_grid_is_walked() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let array = create(&folder, &case);
        let unlisted = |kind| {
            faulty(&array, move |access| (access.operation == Operation::List).then_some(Fault::Error(kind)))
        };
        let report = verify(&unlisted(ErrorKind::Unsupported), &VerifyOptions::default()).unwrap();
        assert!(report.is_whole() && !report.listed && report.stored == 6, "{report}");
        let file = folder.path().join(case.name).join(case.file);
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let report = verify(&unlisted(ErrorKind::PermissionDenied), &VerifyOptions::default()).unwrap();
        assert!(report.to_string().contains(case.file) && !report.is_whole(), "{report}");
        let failed = verify(&unlisted(ErrorKind::Storage), &VerifyOptions::default());
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Storage);
    }
}

#[test]
fn what_cannot_be_read_is_a_problem_and_a_storage_that_is_down_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = CreateSpec::new(DataType::U8, "0:16,0:16,0:16".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![4; 3]);
    let array = OpenOptions::new().create(&url(&folder, "a"), &spec).unwrap();
    array.write(&[0; 3], Array3::<u8>::ones((16, 16, 16)).view()).unwrap();
    let one =
        |access: Access<'_>| access.operation == Operation::Get && access.key.starts_with("4-8_0-4_0-4");
    let refused =
        faulty(&array, move |access| one(access).then_some(Fault::Error(ErrorKind::PermissionDenied)));
    let report = verify(&refused, &VerifyOptions::default()).unwrap();
    assert_eq!((report.stored, report.problems.count), (64, 1), "{report}");
    let problem = &report.problems.first[0];
    assert_eq!((problem.kind, &problem.domain), (ProblemKind::Unreadable, &"4:8,0:4,0:4".parse().ok()));
    let down = |access: Access<'_>| {
        (access.operation == Operation::Get).then_some(Fault::Passing(ErrorKind::Storage))
    };
    assert!(verify(&faulty(&array, down), &VerifyOptions::default()).unwrap_err().is_retryable());
    let stopped = bigarrays::interruptible(&|| true, || verify(&array, &VerifyOptions::default()));
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    let options = VerifyOptions { memory: 100, ..VerifyOptions::default() };
    assert_eq!(verify(&array, &options).unwrap_err().kind(), ErrorKind::MemoryBudget);
}

const ROLE: &str = "BIGARRAYS_TEST_VERIFY";

/// Played by a process of its own: the system kills it in the middle of a file, as it may not write as much.
#[test]
fn write_until_killed() {
    let Ok(url) = std::env::var(ROLE) else { return };
    let array = OpenOptions::new().open(&url).unwrap();
    // SAFETY: gives a signal its usual effect, as whoever started the tests may have had it ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    for (what, bytes) in [(libc::RLIMIT_FSIZE, 1 << 20), (libc::RLIMIT_CORE, 0)] {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: `limit` is what is read.
        assert_eq!(unsafe { libc::setrlimit(what, &limit) }, 0);
    }
    let _ = array.write(&[0; 3], Array3::<u8>::ones((256, 256, 256)).view());
}

#[test]
fn what_a_killed_writer_left_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = CreateSpec::new(DataType::U8, "0:256,0:256,0:256".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![256; 3]);
    let array = OpenOptions::new().create(&url(&folder, "a"), &spec).unwrap();
    array.write(&[0; 3], Array3::<u8>::ones((256, 256, 256)).view()).unwrap();
    let ended = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "write_until_killed"])
        .env(ROLE, array.url())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(libc::SIGXFSZ));
    let report = verified(&folder, "a");
    assert!(report.is_whole() && report.arrays[0].leftovers.count == 1, "{report}");
}

#[test]
fn flat_arrays_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let writer = SliceArray::create(&path, &FlatSpec::new(Descr::of(DataType::U16), &[0, 3])).unwrap();
    for name in ["one", "two", "three"] {
        writer.write(&[NamedRows { name, rows: 2, bytes: &[7; 12] }], false).unwrap();
    }
    let report = verified(&folder, "x.npy");
    assert!(report.is_whole() && report.arrays[0].names == Some(3), "{report}");

    // Rows of an append that died, behind the last.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], b"junk"].concat()).unwrap();
    std::fs::write(folder.path().join(".x.npy.2147483647-0.tmp"), "draft").unwrap();
    let report = verified(&folder, "x.npy");
    assert!(report.is_whole() && report.arrays[0].leftovers.count == 2, "{report}");

    // A file that is shorter than its header says.
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(verified(&folder, "x.npy").arrays[0].problems.first[0].kind, ProblemKind::Metadata);

    // An index of rows that are not there.
    std::fs::write(&path, &whole).unwrap();
    let mut shorter = whole[..whole.len() - 6].to_vec();
    let at = shorter.windows(6).position(|text| text == b"(6, 3)").unwrap();
    shorter[at + 1] = b'5';
    std::fs::write(&path, &shorter).unwrap();
    let report = verified(&folder, "x.npy");
    let problem = &report.arrays[0].problems.first[0];
    assert!(problem.kind == ProblemKind::Names && problem.message.contains("\"three\""), "{report}");

    // What is noted of appends is damaged.
    std::fs::write(folder.path().join("x.npy.pending"), [1; 32]).unwrap();
    let report = verified(&folder, "x.npy");
    let kinds: Vec<_> = report.arrays[0].problems.first.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Unfinished, ProblemKind::Names], "{report}");
    drop(writer);
}

#[test]
fn writers_at_work_are_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let array = create(&folder, &case);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut round = 0u16;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    round = round.wrapping_add(1);
                    array.write(&[4, 0, 0], Array3::from_elem((8, 8, 7), round).view()).unwrap();
                }
            });
            for _ in 0..20 {
                let report =
                    verify_at(array.url(), &OpenOptions::new(), None, None, &VerifyOptions::default())
                        .unwrap();
                assert!(
                    report.is_whole() && report.arrays[0].leftovers.count == 0,
                    "{}: {report}",
                    case.name
                );
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            writing.join().unwrap();
        });
    }
}

/// Plain files of other programs, read as arrays of pages or slabs.
#[test]
fn plain_files_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stacks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_plain = Path::new(&name).extension().is_some_and(|end| end == "npy" || end == "tif");
        if is_plain && Array::open(data.join(&name).to_str().unwrap()).is_ok() {
            names.push(name);
        }
    }
    assert!(names.len() > 5);
    for name in names {
        std::fs::copy(data.join(&name), folder.path().join(&name)).unwrap();
        let report = verified(&folder, &name);
        assert!(report.is_whole() && report.arrays[0].missing == 0, "{name}: {report}");
        let bytes = std::fs::read(folder.path().join(&name)).unwrap();
        std::fs::write(folder.path().join(&name), &bytes[..bytes.len() / 2]).unwrap();
        // What is left of this one is a whole image of one page.
        if name != "imagej-one-directory.tif" {
            let report = verified(&folder, &name);
            assert!(!report.is_whole(), "{name}: {report}");
        }
    }
}

#[test]
fn a_scale_that_is_lost_is_named_and_the_others_open() {
    let damages: [&dyn Fn(&Path); 2] = [&|document| std::fs::remove_file(document).unwrap(), &|document| {
        std::fs::write(document, b"{").unwrap();
    }];
    for (format, path, file) in
        [("ome-zarr", "1", "zarr.json"), ("ome-zarr-0.4", "1", ".zarray"), ("n5", "s1", "attributes.json")]
    {
        for damage in damages {
            let folder = TempDir::new().unwrap();
            let url = url(&folder, "image");
            let options = OpenOptions::new().format(format);
            let new = |shape: &[u64]| CreateSpec::new(DataType::U8, Domain::from_shape(shape).unwrap());
            let (mut fine, mut coarse) = (new(&[8, 8]), new(&[4, 4]));
            fine.storage.key = format::creator(format).unwrap().holds().first_key.map(str::to_owned);
            coarse.array.resolution = Some(vec![2.0, 2.0]);
            options.create(&url, &fine).unwrap();
            options.add_scale(&url, &coarse).unwrap();
            assert!(verified(&folder, "image").is_whole());
            damage(&folder.path().join("image").join(path).join(file));
            assert_eq!(OpenOptions::new().open(&url).unwrap().shape(), [8, 8], "{format}");
            assert!(OpenOptions::new().scale(path).open(&url).is_err());
            let report = verified(&folder, "image");
            let problems = report.arrays.iter().flat_map(|array| &array.problems.first);
            let is_named = |problem: &bigarrays::jobs::Problem| {
                problem.kind == ProblemKind::Metadata && problem.message.contains(path)
            };
            assert!(!report.is_whole() && problems.clone().any(is_named), "{format}: {report:?}");
        }
    }
}

/// What may have been a chunk and cannot be read is not missing.
#[test]
fn what_lies_in_the_place_of_a_chunk_is_a_problem() {
    let fifo = |path: &Path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let folder = |path: &Path| std::fs::create_dir(path).unwrap();
    let link = |path: &Path| std::os::unix::fs::symlink(path.file_name().unwrap(), path).unwrap();
    type Make<'a> = &'a dyn Fn(&Path);
    let kinds: [(&str, Make); 3] = [("folder", &folder), ("FIFO", &fifo), ("link", &link)];
    for case in cases() {
        let bench = tempfile::tempdir().unwrap();
        create(&bench, &case);
        let file = bench.path().join(case.name).join(case.file);
        std::fs::remove_file(&file).unwrap();
        for (kind, make) in kinds {
            make(&file);
            let url = url(&bench, case.name);
            let report = verify_at(&url, &OpenOptions::new(), None, None, &VerifyOptions::default());
            let report = report.unwrap_or_else(|error| panic!("{} {kind}: {error}", case.name));
            let text = format!("{} {kind}: {report}", case.name);
            assert!(!report.is_whole() && text.contains(case.file), "{text}");
            std::fs::remove_file(&file).or_else(|_| std::fs::remove_dir(&file)).unwrap();
        }
    }
}

/// All that a report says, in one text; nothing may change meanwhile.
fn said(folder: &TempDir, name: &str) -> String {
    let report = verified(folder, name);
    let all = report.arrays.iter().flat_map(|array| array.problems.first.iter());
    all.map(|problem| format!("{problem}\n")).collect()
}

/// The JSON document at a path, changed.
fn changed(path: &Path, change: impl Fn(&mut serde_json::Value)) {
    let mut document = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(path, document.to_string()).unwrap();
}

#[test]
fn copies_of_metadata_that_contradict_what_is_stored_are_problems() {
    for (format, own) in [("zarr3", "zarr.json"), ("zarr2", ".zarray")] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("g");
        let options = FormatOptions { format: Some(format.to_owned()), ..FormatOptions::default() };
        format::create_group(&url(&folder, "g"), &serde_json::Map::new(), &options).unwrap();
        match format {
            "zarr3" => changed(&root.join("zarr.json"), |group| {
                group["consolidated_metadata"] =
                    json!({"kind": "inline", "must_understand": false, "metadata": {}});
            }),
            _ => {
                let copies =
                    json!({"zarr_consolidated_format": 1, "metadata": {".zgroup": {"zarr_format": 2}}});
                std::fs::write(root.join(".zmetadata"), copies.to_string()).unwrap();
            }
        }
        let spec = CreateSpec::new(DataType::U8, "0:4,0:5".parse().unwrap());
        let create = |name: &str| {
            let array = OpenOptions::new().format(format).create(&url(&folder, name), &spec).unwrap();
            array.write(&[0; 2], ArrayD::from_elem(IxDyn(&[4, 5]), 1u8).view()).unwrap();
        };
        ["g/a", "g/sub/b", "g/gone"].into_iter().for_each(create);
        assert_eq!(said(&folder, "g"), "", "{format}");
        changed(&root.join("a").join(own), |array| array["shape"][0] = json!(6));
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        create("new");
        let chunk = if format == "zarr3" { "c/0/0" } else { "0.0" };
        std::fs::write(folder.path().join("new").join(chunk), "garbage").unwrap();
        std::fs::rename(folder.path().join("new"), root.join("new")).unwrap();
        let text = said(&folder, "g");
        for part in ["\"a\" are not what is stored", "\"gone\", which is not stored", "lack \"new\"", "g/new"]
        {
            assert!(text.contains(part), "{format}: {part}: {text}");
        }
        assert!(!text.contains("sub"), "{format}: {text}");
    }
}

#[test]
fn rules_of_images_are_checked_from_wherever_they_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["ome-zarr", "ome-zarr-0.4"] {
        let (zarr, document) =
            if format == "ome-zarr" { ("zarr3", "zarr.json") } else { ("zarr2", ".zattrs") };
        let options = FormatOptions { format: Some(zarr.to_owned()), ..FormatOptions::default() };
        let name = |path: &str| format!("{format}/{path}");
        format::create_group(&url(&folder, &name("root")), &serde_json::Map::new(), &options).unwrap();
        for image in ["root/0", "root/deep/1"] {
            let mut spec = CreateSpec::new(DataType::U8, "0:1,0:2,0:8,0:8".parse().unwrap());
            spec.storage.chunk_shape = Some(vec![1, 1, 8, 8]);
            spec.array.dimension_names = Some(["t", "c", "y", "x"].map(|name| Some(name.to_owned())).into());
            let open = OpenOptions::new().format(format);
            let array = open.create(&url(&folder, &name(image)), &spec).unwrap();
            array.write(&[0; 4], ArrayD::from_elem(IxDyn(&[1, 2, 8, 8]), 1u8).view()).unwrap();
        }
        let report = verified(&folder, &name("root"));
        assert!(report.is_whole() && report.arrays.len() == 2, "{format}: {report}");
        assert!(report.arrays.iter().all(|array| array.stored == 2), "{report}");
        let path = folder.path().join(name("root/deep/1")).join(document);
        changed(&path, |document| {
            let members = match zarr {
                "zarr3" => &mut document["attributes"]["ome"],
                _ => document,
            };
            members["omero"] = json!({"channels": [{"color": "00FF00", "label": "only",
                "window": {"min": 0, "max": 1, "start": 0, "end": 1}}]});
            members["multiscales"][0]["axes"][0]["type"] = json!("space");
        });
        for place in ["root/deep/1", "root/deep", "root", "."] {
            let text = said(&folder, &name(place));
            assert!(text.contains("not in the order time, channel, space"), "{format} {place}: {text}");
            assert!(text.contains("1 are described, but scale 0 has 2"), "{format} {place}: {text}");
            assert_eq!(text.matches("not in the order").count(), 1, "{format} {place}: {text}");
        }
    }
}

#[test]
fn layers_in_folders_and_behind_unknown_encodings_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [("lab/em", "precomputed"), ("lab/deep/er/z", "zarr3"), ("lab/n", "n5")] {
        let mut spec = CreateSpec::new(DataType::U16, "0:8,0:8,0:8".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![8; 3]);
        let array = OpenOptions::new().format(format).create(&url(&folder, name), &spec).unwrap();
        array.write(&[0; 3], ArrayD::from_elem(IxDyn(&[8; 3]), 1u16).view()).unwrap();
    }
    std::fs::create_dir(folder.path().join("lab/mesh")).unwrap();
    std::fs::write(folder.path().join("lab/mesh/info"), "{\"@type\": \"neuroglancer_legacy_mesh\"}").unwrap();
    let report = verified(&folder, "lab");
    assert!(report.is_whole() && report.arrays.len() == 3, "{report}");
    let mut coarse = CreateSpec::new(DataType::U16, "0:4,0:4,0:4".parse().unwrap());
    coarse.array.resolution = Some(vec![2.0; 3]);
    let coarse = OpenOptions::new().add_scale(&url(&folder, "lab/em"), &coarse).unwrap();
    coarse.write(&[0; 3], ArrayD::from_elem(IxDyn(&[4; 3]), 1u16).view()).unwrap();
    changed(&folder.path().join("lab/em/info"), |info| info["scales"][0]["encoding"] = json!("hevc"));
    let error = Array::open(&*url(&folder, "lab/em")).unwrap_err();
    assert!(error.to_string().contains("other scales: 2_2_2"), "{error}");
    assert_eq!(OpenOptions::new().open_any_scale(&*url(&folder, "lab/em")).unwrap().scale(), 1);
    std::fs::write(folder.path().join("lab/em/2_2_2/0-4_0-4_0-4"), "short").unwrap();
    for place in ["lab/em", "lab", "."] {
        let text = said(&folder, place);
        assert!(text.contains("hevc") && text.contains("2_2_2/0-4_0-4_0-4"), "{place}: {text}");
    }
}

/// Plates, wells, roots of several images and groups of labels that list what is not there.
#[test]
fn collections_that_list_what_is_not_there_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let group = |path: &str, members: serde_json::Value| {
        let folder = folder.path().join(path);
        std::fs::create_dir_all(&folder).unwrap();
        let document =
            json!({"zarr_format": 3, "node_type": "group", "attributes": {"ome": members}}).to_string();
        std::fs::write(folder.join("zarr.json"), document).unwrap();
    };
    let wells = json!([{"path": "A/1", "rowIndex": 0, "columnIndex": 0}, {"path": "A/2", "rowIndex": 0, "columnIndex": 1}]);
    group("plate", json!({"version": "0.5", "plate": {"wells": wells}}));
    group("plate/A/1", json!({"version": "0.5", "well": {"images": [{"path": "0"}, {"path": "1"}]}}));
    group("root", json!({"version": "0.5", "bioformats2raw.layout": 3}));
    group("root/OME", json!({"version": "0.5", "series": ["0", "1"]}));
    group("labels", json!({"version": "0.5", "labels": ["0", "cells"]}));
    for image in ["plate/A/1/0", "root/0", "labels/0"] {
        let spec = CreateSpec::new(DataType::U8, "0:4,0:4".parse().unwrap());
        OpenOptions::new().format("ome-zarr").create(&*url(&folder, image), &spec).unwrap();
    }
    for (place, absent, present) in [
        ("plate", "plate: A/2 is listed", "A/1 is listed"),
        ("plate/A/1", "well: 1 is listed", "0 is listed"),
        ("root", "series: 1 is listed", "0 is listed"),
        ("labels", "labels: cells is listed", "0 is listed"),
    ] {
        let text = said(&folder, place);
        assert!(text.contains(absent) && !text.contains(present), "{place}: {text}");
        assert!(!verified(&folder, place).is_whole(), "{place}");
    }
}

/// A folder of chunks that is a link to what is not mounted.
#[test]
fn links_to_nothing_on_the_way_to_chunks_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let spec = CreateSpec {
        storage: StorageSpec { chunk_shape: Some(vec![4, 4]), ..StorageSpec::default() },
        ..CreateSpec::new(DataType::U8, "0:8,0:8".parse().unwrap())
    };
    let place = url(&folder, "array");
    let array = OpenOptions::new().format("zarr3").create(&*place, &spec).unwrap();
    array.write(&[4, 0], bigarrays::ndarray::Array2::<u8>::ones((4, 8)).view()).unwrap();
    assert!(verified(&folder, "array").is_whole());
    std::os::unix::fs::symlink("unmounted", folder.path().join("array/c/0")).unwrap();
    let error = array.read::<u8>(array.domain()).unwrap_err();
    assert!(error.to_string().contains("array/c/0"), "{error}");
    let verify = |name: &str| {
        verify_at(&url(&folder, name), &OpenOptions::new(), None, None, &VerifyOptions::default())
    };
    let report = verify("array").unwrap();
    let problem = report.arrays[0].problems.first.first().unwrap_or_else(|| panic!("{report}"));
    assert_eq!((report.problem_count(), problem.kind), (1, ProblemKind::Unreadable), "{report}");
    assert!(problem.key.as_ref().unwrap().ends_with("array/c/0"), "{report}");
    std::fs::remove_file(folder.path().join("array/c/0")).unwrap();
    std::fs::rename(folder.path().join("array/c"), folder.path().join("c")).unwrap();
    std::os::unix::fs::symlink("unmounted", folder.path().join("array/c")).unwrap();
    assert!(!verify("array").unwrap().is_whole());
    // The folder of a scale.
    let layer = OpenOptions::new()
        .create(&*url(&folder, "layer"), &CreateSpec::new(DataType::U8, "0:4,0:4,0:4".parse().unwrap()));
    drop(layer.unwrap());
    std::os::unix::fs::symlink("unmounted", folder.path().join("layer/1_1_1")).unwrap();
    let error = verify("layer");
    assert!(error.unwrap_err().to_string().contains("layer/1_1_1"));
}

/// What holds chunks and cannot be read is found by reading, by copying what is stored, and by verifying.
#[test]
fn chunks_that_nobody_looks_for_are_errors_everywhere() {
    type Hide<'a> = &'a dyn Fn(&Path);
    let compress = |file: &Path| std::fs::rename(file, file.with_extension("lz4")).unwrap();
    let block = |file: &Path| {
        let above = file.parent().unwrap();
        std::fs::remove_dir_all(above).unwrap();
        std::fs::write(above, "1").unwrap();
    };
    let hides: [Hide; 2] = [&compress, &block];
    for (format, file) in
        [("zarr3", "c/0/0/0"), ("zarr2", "0/0/0"), ("n5", "0/0/0"), ("precomputed", "1_1_1/0-2_0-2_0-2")]
    {
        for hide in hides {
            let folder = tempfile::tempdir().unwrap();
            let mut spec = CreateSpec::new(DataType::U8, "0:6,0:4,0:4".parse().unwrap());
            spec.storage.chunk_shape = Some(vec![2; 3]);
            spec.storage.chunk_keys = (format == "zarr2").then(|| "v2/".to_owned());
            let array = OpenOptions::new().format(format).create(&*url(&folder, "array"), &spec).unwrap();
            array.write(&[0; 3], bigarrays::ndarray::Array3::<u8>::ones((2, 2, 2)).view()).unwrap();
            hide(&folder.path().join("array").join(file));
            assert!(array.read::<u8>(array.domain()).is_err(), "{format}");
            let report =
                verify_at(&url(&folder, "array"), &OpenOptions::new(), None, None, &VerifyOptions::default());
            assert!(report.is_err() || !report.unwrap().is_whole(), "{format}");
            let stored = array.stored_chunks(array.domain());
            assert!(stored.is_err() || !stored.unwrap().is_empty(), "{format}");
        }
    }
}

/// Bytes of no chunk in a shard, as writers that change shards in place leave them, are noted.
#[test]
fn bytes_of_no_chunk_in_shards_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    let case = cases().into_iter().find(|case| case.name == "zarr-shards").unwrap();
    create(&folder, &case);
    let file = folder.path().join(case.name).join(case.file);
    let bytes = std::fs::read(&file).unwrap();
    // The index is at the end, and places count from the start.
    let index = 2 * 16 + 4;
    let (chunks, index) = bytes.split_at(bytes.len() - index);
    std::fs::write(&file, [chunks, b"seventeen of none", index].concat()).unwrap();
    let report = verified(&folder, case.name);
    let strangers = &report.arrays[0].strangers;
    assert!(report.is_whole(), "{report}");
    assert_eq!(
        (strangers.count, strangers.first.first().map(|stray| stray.bytes)),
        (1, Some(17)),
        "{report}"
    );
}
