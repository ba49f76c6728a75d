//! Copies: whatever the two arrays are, the target shows what the source shows, and what was done by a run
//! that ended early is found by the next.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bigarrays::format::{CreateSpec, NewSharding, Opened};
use bigarrays::jobs::{Copied, Journal};
use bigarrays::store::fault::{FaultStore, Operation};
use bigarrays::{Array, ArrayOptions, CopyOptions, DataType, Domain, ErrorKind, OpenOptions, ndarray};
use bigarrays::{Progress, interruptible};
use proptest::prelude::*;

fn spec(domain: &str, chunk: [u64; 3]) -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U16, domain.parse().unwrap());
    spec.storage.chunk_shape = Some(chunk.into());
    spec
}

fn create(name: &str, format: &str, spec: &CreateSpec) -> Array {
    let url = format!("memory://copies/{name}");
    drop(bigarrays::format::remove(&url, None, &Default::default()));
    OpenOptions::new().format(format).create(&url, spec).unwrap()
}

/// Fills `array` with numbers that tell their place.
fn fill(array: &Array) {
    let domain = array.domain().clone();
    let shape: Vec<usize> = domain.shape().iter().map(|&length| length as usize).collect();
    let values = ndarray::Array3::from_shape_fn((shape[0], shape[1], shape[2]), |(x, y, z)| {
        (1 + x + 40 * y + 1600 * z) as u16
    });
    array.write(domain.origin(), values.view()).unwrap();
}

/// Removes each chunk whose bit is zero.
fn thin(array: &Array, bits: u64) {
    let layout = array.layout();
    let chunks: Vec<Domain> = array.chunks(array.domain()).unwrap().collect();
    for (_, chunk) in chunks.iter().enumerate().filter(|(k, _)| bits >> (k % 64) & 1 == 0) {
        let key = layout.chunk_key(&layout.grid.project(chunk).get(0).index);
        array.store().delete(&key).unwrap();
    }
}

fn elements(array: &Array) -> Vec<u16> {
    array.read::<u16>(array.domain()).unwrap().into_data().iter().copied().collect()
}

fn copy(source: &Array, target: &Array, options: CopyOptions<'_>) -> bigarrays::Result<Copied> {
    bigarrays::copy(source, target, options)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Boxes that need not be those of chunks, in one format each, with chunks that may or may not be alike.
    #[test]
    fn the_target_shows_what_the_source_shows(
        formats in (0usize..4, 0usize..4),
        chunks in (prop::array::uniform3(2u64..7), prop::option::of(prop::array::uniform3(2u64..7))),
        lengths in prop::array::uniform3(5u64..20),
        box_at in prop::array::uniform3(-6i64..12),
        size in prop::array::uniform3(1u64..14),
        place in prop::array::uniform3(0i64..3),
        more in prop::array::uniform3(0u64..9),
        sharded in any::<bool>(),
        stored in prop::option::of((any::<u64>(), any::<u64>())),
    ) {
        const FORMATS: [&str; 4] = ["precomputed", "zarr3", "n5", "zarr2"];
        let (from, to) = (FORMATS[formats.0], FORMATS[formats.1]);
        let domain = Domain::from_shape(&lengths).unwrap().to_string();
        let source = create("source", from, &spec(&domain, chunks.0));
        fill(&source);
        // Places that are multiples of chunks now and then.
        let chunk = chunks.1.unwrap_or(chunks.0);
        let at: Vec<i64> = (0..3).map(|k| if box_at[k] > 6 { chunk[k] as i64 } else { box_at[k] }).collect();
        let to_at: Vec<i64> = (0..3).map(|k| place[k] * chunk[k] as i64).collect();
        let whole: Vec<u64> = (0..3).map(|k| to_at[k] as u64 + size[k] + more[k]).collect();
        let mut wanted = spec(&Domain::from_shape(&whole).unwrap().to_string(), chunk);
        if sharded && to == "zarr3" {
            wanted.storage.shard_shape = Some(chunk.iter().map(|length| length * 2).collect());
        } else if sharded && to == "precomputed" {
            wanted.storage.sharding = NewSharding::Auto;
        }
        let target = create("target", to, &wanted);
        fill(&target);
        if let Some((of_source, of_target)) = stored {
            thin(&source, of_source);
            thin(&target, of_target);
        }
        let before = elements(&target);
        let stored_before: Vec<Domain> = target.stored_chunks(target.domain()).unwrap().iter().collect();
        let view = source.cut(&Domain::new(&at, &size).unwrap()).unwrap();
        let part = target.cut(&Domain::new(&to_at, &size).unwrap()).unwrap();
        let copied = copy(&view, &part, CopyOptions::default()).unwrap();
        prop_assert_eq!(elements(&view), elements(&part));
        // Nothing is made where there is nothing.
        let offset: Vec<i64> = (0..3).map(|k| to_at[k] - at[k]).collect();
        let shown: Vec<Domain> =
            view.stored_chunks(view.domain()).unwrap().iter().map(|part| part.translate(&offset).unwrap()).collect();
        for chunk in target.stored_chunks(target.domain()).unwrap().iter() {
            let has_reason = shown.iter().any(|part| !part.intersect(&chunk).is_empty());
            prop_assert!(has_reason || stored_before.contains(&chunk), "{chunk}");
        }
        // All are raw: whether chunks move, their shapes and places say, and the formats' own headers.
        let is_cut_alike = chunks.0 == chunk && (0..3).all(|k| (at[k] - to_at[k]) % chunk[k] as i64 == 0);
        prop_assert!(!copied.plan.moves || is_cut_alike);
        prop_assert!(copied.plan.moves || !is_cut_alike || from != to);
        // Around it, nothing has changed.
        part.write(&to_at, ndarray::Array3::<u16>::zeros((size[0] as usize, size[1] as usize, size[2] as usize)).view()).unwrap();
        let zeroed = before.iter().zip(elements(&target)).filter(|(before, now)| *before != now).count() as u64;
        prop_assert!(zeroed <= size.iter().product());
    }
}

/// A layer of 3 × 10⁹ places with a few hundred chunks on a curve.
#[test]
fn the_work_follows_what_is_stored() {
    let mut layer = CreateSpec::new(DataType::U8, "0:200000,0:200000,0:20000".parse().unwrap());
    layer.storage.chunk_shape = Some(vec![64, 64, 64]);
    let source = create("sparse", "precomputed", &layer);
    let ones = ndarray::Array3::<u8>::ones((5, 5, 5));
    let places = |k: i64| [k * k % 199_000, (k * 7919) % 199_000, k * 101 % 19_900];
    (0..150).for_each(|k| source.write(&places(k), ones.view()).unwrap());
    let count = source.stored_chunks(source.domain()).unwrap().len();
    for (name, format, shards, chunk) in [
        ("sparse-a", "precomputed", NewSharding::None, [64, 64, 64]),
        ("sparse-b", "precomputed", NewSharding::Auto, [64, 64, 64]),
        ("sparse-c", "zarr3", NewSharding::None, [32, 64, 128]),
        ("sparse-d", "n5", NewSharding::None, [100, 100, 10]),
    ] {
        let (mut spec, chunk_shape) = (layer.clone(), Some(chunk.to_vec()));
        (spec.storage.sharding, spec.storage.chunk_shape) = (shards, chunk_shape);
        spec.storage.shard_shape = (format == "zarr3").then(|| vec![128, 128, 128]);
        let target = create(name, format, &spec);
        // What is there and not in the source goes.
        target.write(&[199_990, 199_990, 7], ones.view()).unwrap();
        let copied = copy(&source, &target, CopyOptions::default()).unwrap();
        assert!(
            copied.plan.source_chunks >= count && copied.plan.requests < 100 * count,
            "{:?}",
            copied.plan
        );
        // Of a shard, what it has.
        assert!(copied.plan.peak_memory < 256 << 20, "{name}: {:?}", copied.plan);
        let read = |at: &[i64; 3]| target.read::<u8>(&Domain::new(at, &[5; 3]).unwrap()).unwrap();
        (0..150).for_each(|k| assert!(read(&places(k)).data().iter().all(|&one| one == 1), "{name} {k}"));
        assert!(read(&[199_990, 199_990, 7]).data().iter().all(|&zero| zero == 0));
        let options = bigarrays::jobs::VerifyOptions::default();
        assert!(bigarrays::jobs::compare(&source, &target, &options).unwrap().is_equal());
        let again = bigarrays::jobs::PlannedCopy::new(&source, &target, CopyOptions::default()).unwrap();
        assert!(again.plan().blocks() <= copied.plan.blocks());
    }
}

#[test]
fn what_lies_beyond_the_end_of_an_array_stays_there() {
    let source = create("beyond", "zarr3", &spec("0:12,0:4,0:4", [4; 3]));
    fill(&source);
    // As other tools resize, who leave what is outside.
    let document = source.store().read("zarr.json").unwrap().unwrap();
    let mut document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    document["shape"] = serde_json::json!([10, 4, 4]);
    source.store().write("zarr.json", document.to_string().as_bytes()).unwrap();
    let source = Array::open("memory://copies/beyond").unwrap();
    let target = create("longer", "zarr3", &spec("0:12,0:4,0:4", [4; 3]));
    let copied = copy(&source.cut(target.domain()).unwrap(), &target, CopyOptions::default()).unwrap();
    assert!(copied.plan.moves);
    let rows = target.read::<u16>(&"9:12,0:1,0:1".parse().unwrap()).unwrap();
    assert_eq!(rows.data().iter().copied().collect::<Vec<_>>(), [10, 0, 0]);
}

#[test]
fn what_was_cropped_away_does_not_come_up_when_the_target_grows() {
    let source = create("uncropped", "zarr3", &spec("0:8,0:4,0:4", [8, 4, 4]));
    fill(&source);
    let target = create("cropped", "zarr3", &spec("0:5,0:4,0:4", [8, 4, 4]));
    copy(&source.cut(target.domain()).unwrap(), &target, CopyOptions::default()).unwrap();
    OpenOptions::new().resize("memory://copies/cropped", &[8, 4, 4]).unwrap();
    let grown = Array::open("memory://copies/cropped").unwrap();
    let row = grown.read::<u16>(&"4:8,0:1,0:1".parse().unwrap()).unwrap();
    assert_eq!(row.data().iter().copied().collect::<Vec<_>>(), [5, 0, 0, 0]);
}

#[test]
fn chunks_move_between_content_encodings_and_damaged_ones_if_nobody_checks() {
    use bigarrays::chunk::codec::ContentEncoding;
    let source = create("moving", "precomputed", &spec("-3:17,0:10,0:9", [8, 8, 8]));
    fill(&source);
    for encoding in ContentEncoding::ALL {
        let url = format!("memory://copies/moved-{encoding:?}");
        let wanted = spec("-3:17,0:10,0:9", [8, 8, 8]);
        let target = OpenOptions::new().content_encoding(encoding).create(&url, &wanted).unwrap();
        let copied = copy(&source, &target, CopyOptions::default()).unwrap();
        assert!(copied.plan.moves);
        assert_eq!(elements(&Array::open(&url).unwrap()), elements(&source), "{encoding:?}");
    }
    let mut wanted = spec("0:16,0:8,0:8", [8, 8, 8]);
    wanted.storage.encoding = Some("zstd".to_owned());
    let source = create("damaged", "zarr3", &wanted);
    fill(&source);
    source.store().write("c/1/0/0", b"(no zstd)").unwrap();
    let target = create("moved-damaged", "zarr3", &wanted);
    let checked = copy(&source, &target, CopyOptions { check: true, ..CopyOptions::default() });
    let error = checked.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptData);
    assert!(error.to_string().contains("c/1/0/0"), "{error}");
    copy(&source, &target, CopyOptions::default()).unwrap();
    assert_eq!(target.store().read("c/1/0/0").unwrap().unwrap(), b"(no zstd)");
}

#[test]
fn fill_is_dropped_as_asked_and_arrays_are_not_copied_over_themselves() {
    let source = create("filled", "zarr3", &spec("0:16,0:4,0:4", [4; 3]));
    source.write(&[0; 3], ndarray::Array3::<u16>::zeros((16, 4, 4)).view()).unwrap();
    source.write(&[5, 0, 0], ndarray::Array3::<u16>::ones((1, 1, 1)).view()).unwrap();
    create("dropping", "zarr3", &spec("0:16,0:4,0:4", [4; 3]));
    let target = OpenOptions::new().drop_fill(true).open("memory://copies/dropping").unwrap();
    assert!(!copy(&source, &target, CopyOptions::default()).unwrap().plan.moves);
    assert_eq!(target.stored_chunks(target.domain()).unwrap().missing().count(), 3);
    let part = |text: &str| source.cut(&text.parse().unwrap()).unwrap();
    let error = copy(&part("0:8,0:4,0:4"), &part("7:15,0:4,0:4"), CopyOptions::default()).unwrap_err();
    assert!(error.to_string().contains("overlap"), "{error}");
    copy(&part("0:8,0:4,0:4"), &part("8:16,0:4,0:4"), CopyOptions::default()).unwrap();
    assert_eq!(source.get::<u16>(&[13, 0, 0]).unwrap(), 1);
}

#[test]
fn blocks_of_what_has_changed_or_is_damaged_are_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let mut wanted = spec("0:32,0:32,0:32", [8; 3]);
    let source = OpenOptions::new().format("zarr3").create(&place("source"), &wanted).unwrap();
    fill(&source);
    wanted.storage.shard_shape = Some(vec![16; 3]);
    let target = OpenOptions::new().format("zarr3").create(&place("target"), &wanted).unwrap();
    let run = || {
        let journal = Journal::open(folder.path().join("journal")).unwrap();
        let options = CopyOptions { memory: 3 << 16, journal: Some(&journal), ..CopyOptions::default() };
        let copied = copy(&source, &target, options).unwrap();
        assert_eq!(elements(&target), elements(&source));
        (copied.found, copied.plan.blocks() as u64)
    };
    let (found, blocks) = run();
    assert!(found == 0 && blocks == 8, "{found} of {blocks}");
    assert_eq!(run(), (8, 8));
    source.write(&[20, 0, 0], ndarray::Array3::<u16>::zeros((1, 1, 1)).view()).unwrap();
    assert_eq!(run(), (7, 8), "the source has changed in one block");
    let shard = folder.path().join("target/c/0/1/1");
    std::fs::write(&shard, b"torn").unwrap();
    assert_eq!(run(), (7, 8), "a shard is torn");
    std::fs::remove_file(&shard).unwrap();
    assert_eq!(run(), (7, 8), "a shard is gone");
}

/// Blocks of which some chunks are stored and others are not, as many and as few.
#[test]
fn blocks_with_holes_are_found_by_the_next_run() {
    for (k, bits) in [0x7777_7777_7777_7777, 0x0001_0000_0000_0001].into_iter().enumerate() {
        for (format, sharded) in
            [("precomputed", false), ("precomputed", true), ("zarr3", false), ("zarr3", true)]
        {
            let folder = tempfile::tempdir().unwrap();
            let name = |of: &str| format!("holes-{of}-{format}-{sharded}-{k}");
            let source = create(&name("source"), "n5", &spec("0:64,0:64,0:32", [8; 3]));
            fill(&source);
            thin(&source, bits);
            let mut wanted = spec("0:64,0:64,0:32", [4; 3]);
            match (format, sharded) {
                ("precomputed", true) => wanted.storage.sharding = NewSharding::Auto,
                ("zarr3", true) => wanted.storage.shard_shape = Some(vec![32, 32, 16]),
                _ => {}
            }
            let target = create(&name("target"), format, &wanted);
            let run = || {
                let journal = Journal::open(folder.path().join("journal")).unwrap();
                let options =
                    CopyOptions { memory: 8 << 20, journal: Some(&journal), ..CopyOptions::default() };
                let copied = copy(&source, &target, options).unwrap();
                assert_eq!(elements(&target), elements(&source), "{}", name(""));
                (copied.found, copied.plan.blocks() as u64)
            };
            let (found, blocks) = run();
            assert!(found == 0 && blocks > 0);
            assert_eq!(run(), (blocks, blocks), "{}", name(""));
        }
    }
}

#[test]
fn what_fits_the_memory_with_all_chunks_stored_fits_it_with_few() {
    let source = create("fits-source", "zarr3", &spec("0:256,0:256,0:64", [16; 3]));
    source.write(&[100, 100, 10], ndarray::Array3::<u16>::ones((3, 3, 3)).view()).unwrap();
    let mut wanted = spec("0:256,0:256,0:64", [16; 3]);
    wanted.storage.shard_shape = Some(vec![64; 3]);
    let target = create("fits-target", "zarr3", &wanted);
    let options = |memory| CopyOptions { memory, ..CopyOptions::default() };
    let fits = |memory: &u64| bigarrays::jobs::plan_copy(&source, &target, &options(*memory)).is_ok();
    let least = (1..1 << 10).map(|k| k << 14).find(fits).unwrap();
    for memory in [least, least * 3 / 2, least * 3] {
        copy(&source, &target, options(memory)).unwrap();
    }
    assert_eq!(target.get::<u16>(&[102, 102, 12]).unwrap(), 1);
}

#[test]
fn blocks_of_files_that_have_changed_are_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stacks");
    let rows = ndarray::Array2::<u16>::from_shape_fn((14, 33), |(y, x)| (100 * y + x) as u16);
    let npy = folder.path().join("rows.npy");
    let made = CreateSpec::new(DataType::U16, "0:14,0:33".parse().unwrap());
    let array = OpenOptions::new().format("npy").create(&npy.display().to_string(), &made).unwrap();
    array.write(&[0, 0], rows.view()).unwrap();
    for file in [npy, data.join("big-endian-lzw.tif")] {
        let path = folder.path().join("source").with_extension(file.extension().unwrap());
        std::fs::copy(&file, &path).unwrap();
        let source = Array::open(&path.display().to_string()).unwrap();
        let mut wanted = CreateSpec::new(source.dtype(), source.domain().clone());
        wanted.storage.chunk_shape = Some(source.shape().iter().map(|&length| length.min(5)).collect());
        let name = file.file_name().unwrap().display();
        let url = format!("memory://copies/of-{name}");
        let target = OpenOptions::new().format("zarr3").create(&url, &wanted).unwrap();
        let journal = folder.path().join(format!("journal-{name}"));
        let run = || {
            let source = Array::open(&path.display().to_string()).unwrap();
            let journal = Journal::open(journal.clone()).unwrap();
            let options = CopyOptions { journal: Some(&journal), ..CopyOptions::default() };
            let copied = copy(&source, &target, options).unwrap();
            (copied.found, copied.plan.blocks() as u64)
        };
        let (found, blocks) = run();
        assert!(found == 0 && blocks > 0, "{file:?}");
        assert_eq!(run(), (blocks, blocks), "{file:?}");
        // A clock of files may stand still for some milliseconds, and a change in these is none.
        let changed = || path.metadata().map(|of| (of.ctime(), of.ctime_nsec())).unwrap();
        let before = changed();
        while changed() == before {
            let now = std::time::SystemTime::now();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(now).unwrap();
        }
        assert_eq!(run(), (0, blocks), "{file:?}");
    }
}

#[test]
fn missing_chunks_stay_missing_or_are_an_error() {
    let source = create("sparse", "zarr3", &spec("0:12,0:4,0:4", [4; 3]));
    fill(&source.cut(&"4:8,0:4,0:4".parse().unwrap()).unwrap());
    let target = create("sparse-too", "zarr3", &spec("0:12,0:4,0:4", [4; 3]));
    fill(&target);
    copy(&source, &target, CopyOptions::default()).unwrap();
    assert_eq!(target.stored_chunks(target.domain()).unwrap().missing().count(), 2);
    assert_eq!(elements(&target), elements(&source));
    let strict = OpenOptions::new().strict(true).open("memory://copies/sparse").unwrap();
    let error = copy(&strict, &target, CopyOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// An array over a store that counts what is put there.
fn counting(array: &Array, puts: &Arc<AtomicUsize>) -> Array {
    let puts = Arc::clone(puts);
    let store = FaultStore::new(Arc::clone(array.store()), move |access| {
        puts.fetch_add(usize::from(access.operation == Operation::Update), Ordering::Relaxed);
        None
    });
    let opened = Opened::new("test", array.layout().clone(), Arc::new(store));
    Array::from_opened(opened, array.url(), ArrayOptions::default())
}

#[test]
fn what_was_done_is_found_and_what_was_damaged_is_done_again() {
    for (format, sharded) in [("precomputed", false), ("precomputed", true), ("zarr3", true), ("n5", false)] {
        let folder = tempfile::tempdir().unwrap();
        let source = create("done-source", "zarr3", &spec("0:64,0:64,0:64", [16; 3]));
        fill(&source);
        let mut wanted = spec("0:64,0:64,0:64", [8; 3]);
        match (format, sharded) {
            ("precomputed", true) => {
                wanted.storage.sharding = "preshift_bits=2,minishard_bits=1,shard_bits=6,data_encoding=gzip"
                    .parse()
                    .map(NewSharding::Neuroglancer)
                    .unwrap();
            }
            (_, true) => wanted.storage.shard_shape = Some(vec![16; 3]),
            _ => {}
        }
        let puts = Arc::new(AtomicUsize::new(0));
        let target = counting(&create("done-target", format, &wanted), &puts);
        let path = folder.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let (asks, is_heard) = (AtomicBool::new(false), AtomicBool::new(false));
        let caller = std::thread::current().id();
        let stop = |progress: Progress| {
            if progress.done > progress.total / 8 {
                asks.store(true, Ordering::SeqCst);
                // The caller's thread alone looks whether it is asked; others must not do all the work meanwhile.
                while std::thread::current().id() != caller && !is_heard.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
        };
        let asked = || {
            is_heard.fetch_or(asks.load(Ordering::SeqCst), Ordering::SeqCst);
            asks.load(Ordering::SeqCst)
        };
        let memory = 3 << 16;
        let options =
            CopyOptions { memory, journal: Some(&journal), progress: Some(&stop), ..CopyOptions::default() };
        let stopped = interruptible(&asked, || copy(&source, &target, options));
        assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Cancelled);
        drop(journal);
        let done = puts.swap(0, Ordering::Relaxed);
        // One chunk of what is done is changed by somebody else.
        target.write(&[0, 0, 0], ndarray::Array3::<u16>::zeros((1, 1, 1)).view()).unwrap();
        let journal = Journal::open(&path).unwrap();
        let options = CopyOptions { memory, journal: Some(&journal), ..CopyOptions::default() };
        let copied = copy(&source, &target, options).unwrap();
        let blocks = copied.plan.blocks() as u64;
        assert!(
            copied.found > 0 && copied.found < blocks,
            "{format} {sharded}: {} of {blocks}",
            copied.found
        );
        assert!(done > 0 && puts.load(Ordering::Relaxed) < 64 * 8);
        assert_eq!(elements(&target), elements(&source), "{format} {sharded}");
        // All of it is found, and nothing done.
        drop(journal);
        puts.store(0, Ordering::Relaxed);
        let journal = Journal::open(&path).unwrap();
        let options = CopyOptions { memory, journal: Some(&journal), ..CopyOptions::default() };
        assert_eq!(copy(&source, &target, options).unwrap().found, blocks, "{format} {sharded}");
        assert_eq!(puts.load(Ordering::Relaxed), 0);
        journal.remove().unwrap();
    }
}
