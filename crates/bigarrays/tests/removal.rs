//! What is removed, and what is not: files that are no array's, what links lead to, and what lies outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bigarrays::format::{self, Below, CreateSpec, FormatOptions, ScaleSelector};
use bigarrays::ndarray::{ArrayD, IxDyn};
use bigarrays::{Array, DataType, Domain, ErrorKind, OpenOptions, Result};

const FORMATS: [&str; 6] = ["precomputed", "zarr3", "zarr2", "n5", "ome-zarr", "ome-zarr-0.4"];

fn spec(key: Option<&str>) -> CreateSpec {
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[8; 3]).unwrap());
    (spec.storage.chunk_shape, spec.storage.key) = (Some(vec![4; 3]), key.map(str::to_owned));
    spec
}

fn filled(array: &Array, value: u8) {
    array.write(&[0; 3], ArrayD::from_elem(IxDyn(&[8; 3]), value).view()).unwrap();
}

fn create(path: &Path, format: &str) -> Result<Array> {
    OpenOptions::new().format(format).create(path.to_str().unwrap(), &spec(None))
}

fn remove(path: &Path) -> Result<()> {
    format::remove(path.to_str().unwrap(), None, &FormatOptions::default())
}

fn remove_below(path: &Path) -> Result<()> {
    let options = FormatOptions::default();
    Below::list(path.to_str().unwrap(), &options)?.remove(&mut |_| {})
}

/// Every file, folder and link below a folder, without following links.
fn all(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn links_are_unlinked_and_what_they_lead_to_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("precious/sub")).unwrap();
    fs::write(path("precious/thesis"), "important").unwrap();
    fs::write(path("precious/sub/1"), "x").unwrap();
    filled(&create(&path("precious/array"), "zarr3").unwrap(), 3);
    let before = all(&path("precious"));
    filled(&create(&path("project/a"), "zarr3").unwrap(), 1);
    symlink("../precious", path("project/link")).unwrap();
    symlink("nowhere", path("project/dangling")).unwrap();
    symlink("../precious/thesis", path("project/a/file")).unwrap();
    remove_below(&path("project")).unwrap();
    assert!(!path("project").exists());
    symlink("precious", path("itself")).unwrap();
    remove_below(&path("itself")).unwrap();
    assert!(!path("itself").is_symlink());
    assert_eq!(all(&path("precious")), before);
}

#[test]
fn an_array_that_is_a_link_is_unlinked() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        filled(&create(&path("real"), format).unwrap(), 5);
        symlink("real", path("link")).unwrap();
        remove(&path("link")).unwrap();
        assert!(!path("link").is_symlink(), "{format}");
        let array = Array::open(path("real").to_str().unwrap()).unwrap();
        assert!(array.read::<u8>(array.domain()).unwrap().data().iter().all(|&x| x == 5), "{format}");
        remove(&path("real")).unwrap();
        assert_eq!(all(folder.path()), [""; 0], "{format}");
    }
}

#[test]
fn a_scale_that_is_a_link_is_unlinked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let url = path("layer").to_str().unwrap().to_owned();
    filled(&OpenOptions::new().create(&url, &spec(Some("k"))).unwrap(), 5);
    fs::rename(path("layer/k"), path("elsewhere")).unwrap();
    symlink("../elsewhere", path("layer/k")).unwrap();
    let array = Array::open(&url).unwrap();
    assert_eq!(array.read::<u8>(array.domain()).unwrap().data()[[7, 7, 7]], 5, "reading goes through links");
    remove(&path("layer")).unwrap();
    assert_eq!(all(folder.path()).iter().filter(|name| name.starts_with("elsewhere/0-4")).count(), 4);
    assert!(!path("layer").exists());
}

#[test]
fn circles_of_links_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    filled(&create(&path("loop/a"), "zarr3").unwrap(), 1);
    fs::create_dir(path("loop/x")).unwrap();
    fs::write(path("loop/x/f"), "1").unwrap();
    for name in ["up", "up again", "to itself"] {
        symlink(if name == "to itself" { "../x" } else { ".." }, path("loop/x").join(name)).unwrap();
    }
    let store = bigarrays::store::open(path("loop").to_str().unwrap(), &Default::default()).unwrap();
    let mut keys = Vec::new();
    store
        .list("x", &mut |key, _| {
            keys.push(key.to_owned());
            Ok(())
        })
        .unwrap();
    assert_eq!(keys, ["x/f"]);
    let error = remove_below(&path("loop")).unwrap_err();
    assert!(error.to_string().contains("\"x/f\""), "{error}");
    assert_eq!(all(folder.path()), ["loop", "loop/x", "loop/x/f"]);
}

#[test]
fn what_is_not_ours_stays_and_is_named() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let others =
            ["thesis.txt", "p/1", "p/a/notes", "p/a/c/draft", "p/a/7_7", "p/photos/2024/11", "p/info"];
        filled(&create(&path("p/a"), format).unwrap(), 1);
        for other in others {
            fs::create_dir_all(path(other).parent().unwrap()).unwrap();
            fs::write(path(other), "mine").unwrap();
        }
        fs::write(path("p/a/.bigarrays-tmp-1-7fffffff-0"), "of a dead writer").unwrap();
        let error = remove_below(folder.path()).unwrap_err();
        assert!(error.to_string().contains("\"p/1\"") && error.to_string().contains("7 files"), "{error}");
        let left: Vec<String> = all(folder.path()).into_iter().filter(|name| path(name).is_file()).collect();
        let mut expected = others.map(str::to_owned).to_vec();
        expected.push("p/a/.bigarrays-tmp-1-7fffffff-0".to_owned());
        expected.sort();
        assert_eq!(left, expected, "{format}");
        let error = remove_below(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{format}: {error}");
    }
}

#[test]
fn keys_that_lead_out_are_neither_made_nor_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let new = |url: &str, key: &str| OpenOptions::new().create(url, &spec(Some(key)));
    filled(&new(&path("dst/victim"), "k").unwrap(), 7);
    filled(&new(&path("src/victim"), "k").unwrap(), 66);
    new(&path("src/layer"), "k").unwrap();
    let info = fs::read_to_string(path("src/layer/info")).unwrap();
    fs::write(path("src/layer/info"), info.replace("\"k\"", "\"../victim/k\"")).unwrap();

    let array = Array::open(&path("src/layer")).unwrap();
    assert_eq!(array.read::<u8>(array.domain()).unwrap().data()[[0, 0, 0]], 66, "it can be read");
    let error = array.write(&[0; 3], ArrayD::<u8>::zeros(IxDyn(&[8; 3])).view()).unwrap_err();
    assert!(error.kind() == ErrorKind::ReadOnly && error.to_string().contains("leads out"), "{error}");
    let like = OpenOptions::new().like(&path("src/layer")).unwrap();
    assert_eq!(like.storage.key, None);
    let copy = OpenOptions::new().create(&path("dst/new"), &like).unwrap();
    assert_eq!(copy.scales()[0].key, "1_1_1");
    filled(&copy, 1);
    format::remove(&path("src/layer"), None, &FormatOptions::default()).unwrap();
    for victim in ["src/victim", "dst/victim"] {
        let array = Array::open(&path(victim)).unwrap();
        assert!(array.read::<u8>(array.domain()).unwrap().data().iter().all(|&x| x == 7 || x == 66));
    }
    for format in ["precomputed", "ome-zarr", "ome-zarr-0.4", "n5"] {
        for key in ["../victim/k", "a/../../k", "/tmp/k", "..", r"..\k", ""] {
            let made = OpenOptions::new().format(format).create(&path("bad"), &spec(Some(key)));
            assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidArgument, "{format}: {key:?}");
        }
        if format != "n5" {
            create(&folder.path().join(format), format).unwrap();
            let added = OpenOptions::new().add_scale(&path(format), &spec(Some("../k")));
            assert_eq!(added.unwrap_err().kind(), ErrorKind::InvalidArgument, "{format}");
        }
    }
}

/// The key of every value that a removal has taken, in order, over a store that notes them.
mod noted {
    use super::*;
    use bigarrays::store::{ChangeFn, Get, GetSink, MemoryStore, Store, Update};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Debug)]
    pub(super) struct Noted {
        pub(super) inner: Arc<dyn Store>,
        pub(super) gone: Arc<Mutex<Vec<String>>>,
        prefix: String,
        changes: Arc<AtomicUsize>,
        /// After so many changes, there are none any more, as if the process were killed.
        pub(super) most: usize,
    }

    impl Noted {
        pub(super) fn over(inner: Arc<dyn Store>, most: usize) -> Self {
            Self { inner, gone: Arc::default(), prefix: String::new(), changes: Arc::default(), most }
        }

        pub(super) fn memory() -> Arc<dyn Store> {
            Arc::new(MemoryStore::new())
        }
    }

    impl Store for Noted {
        fn location(&self, key: &str) -> String {
            self.inner.location(key)
        }

        fn child(&self, path: &str) -> Result<Arc<dyn Store>> {
            let inner = self.inner.child(path)?;
            let prefix = match path {
                ".." => self.prefix.rsplit_once('/').map_or("", |(above, _)| above).to_owned(),
                path => format!("{}/{path}", self.prefix),
            };
            Ok(Arc::new(Self { inner, prefix, ..self.clone() }))
        }

        fn get_many(&self, requests: &[Get], sink: &GetSink<'_>) -> Result<()> {
            self.inner.get_many(requests, sink)
        }

        fn update_many(&self, requests: &[Update], change: &ChangeFn<'_>) -> Result<()> {
            for request in requests {
                let was_there = self.inner.exists(&request.key)?;
                let killed = || bigarrays::Error::new(ErrorKind::Storage, "killed");
                if self.changes.fetch_add(1, Ordering::Relaxed) >= self.most {
                    return Err(killed());
                }
                self.inner.update_many(std::slice::from_ref(request), change)?;
                if was_there && !self.inner.exists(&request.key)? {
                    self.gone.lock().unwrap().push(format!("{}/{}", self.prefix, request.key));
                }
            }
            Ok(())
        }

        fn list(&self, prefix: &str, found: &mut dyn FnMut(&str, u64) -> Result<()>) -> Result<()> {
            self.inner.list(prefix, found)
        }
    }
}

/// A removal that is killed at any moment leaves what is recognised, or nothing, and the next one finishes it.
#[test]
fn a_killed_removal_leaves_an_array_that_is_recognised() {
    let two_scales = |format: &str, store: &std::sync::Arc<dyn bigarrays::store::Store>| {
        let open = OpenOptions::new().format(format);
        let key = if format == "n5" { Some("s0") } else { None };
        filled(&open.create((store, "a"), &spec(key)).unwrap(), 1);
        if !format.starts_with("zarr") {
            let mut coarse = spec(None);
            coarse.array.resolution = Some(vec![2.0; 3]);
            filled(&open.add_scale((store, "a"), &coarse).unwrap(), 2);
        }
    };
    for format in FORMATS {
        for most in 0.. {
            let store = noted::Noted::memory();
            two_scales(format, &store);
            let killed = noted::Noted::over(store.clone(), most);
            let gone = killed.gone.clone();
            let killed: std::sync::Arc<dyn bigarrays::store::Store> = std::sync::Arc::new(killed);
            let outcome = format::remove((&killed, "a"), None, &FormatOptions::default());
            let opened = OpenOptions::new().open((&store, "a"));
            if outcome.is_ok() {
                assert_eq!(opened.unwrap_err().kind(), ErrorKind::NotFound, "{format}");
                let gone = gone.lock().unwrap();
                let is_chunk = |key: &String| !format::DOCUMENTS.contains(&key.rsplit('/').next().unwrap());
                let chunks = gone.iter().filter(|key| is_chunk(key)).count();
                assert!(chunks >= 8 && gone.iter().take(chunks).all(is_chunk), "{format}: {gone:?}");
                break;
            }
            if let Err(error) = opened {
                // An image without scales, or a group without: recognised, and not "not found".
                let is_known =
                    matches!(error.kind(), ErrorKind::InvalidMetadata | ErrorKind::InvalidArgument);
                assert!(is_known, "{format} after {most}: {error}");
            }
            format::remove((&store, "a"), None, &FormatOptions::default())
                .unwrap_or_else(|error| panic!("{format} after {most}: {error}"));
            let mut left = Vec::new();
            store
                .list("", &mut |key, _| {
                    left.push(key.to_owned());
                    Ok(())
                })
                .unwrap();
            assert_eq!(left, [""; 0], "{format} after {most}");
        }
    }
}

/// A change of the shape that is killed at any moment leaves the old shape or the new one, and all that both have; the
/// next one finishes it, and what was cut off does not come back.
#[test]
fn a_killed_resize_leaves_the_old_shape_or_the_new_one() {
    let options = OpenOptions::new();
    for format in ["zarr3", "zarr2", "n5"] {
        for most in 0.. {
            let store = noted::Noted::memory();
            filled(&options.clone().format(format).create((&store, "a"), &spec(None)).unwrap(), 1);
            let killed: std::sync::Arc<dyn bigarrays::store::Store> =
                std::sync::Arc::new(noted::Noted::over(store.clone(), most));
            let outcome = options.resize((&killed, "a"), &[6, 8, 3]);
            let array = options.open((&store, "a")).unwrap();
            let is_new = array.shape() == [6, 8, 3];
            assert!(is_new || array.shape() == [8, 8, 8], "{format} after {most}: {:?}", array.shape());
            let kept = Domain::from_shape(&[6, 8, 3]).unwrap();
            assert!(
                array.read::<u8>(&kept).unwrap().data().iter().all(|&value| value == 1),
                "{format} after {most}"
            );
            options.resize((&store, "a"), &[6, 8, 3]).unwrap();
            options.resize((&store, "a"), &[8, 8, 8]).unwrap();
            let whole = options.open((&store, "a")).unwrap();
            let read = whole.read::<u8>(whole.domain()).unwrap();
            let expected = |(x, z): (usize, usize)| u8::from(x < 6 && z < 3);
            assert!(
                read.data().indexed_iter().all(|(at, &value)| value == expected((at[0], at[2]))),
                "{format} after {most}"
            );
            if outcome.is_ok() {
                assert!(is_new && most > 2, "{format} after {most}");
                break;
            }
        }
    }
}

/// Removes the documents alone, as removals did first once.
fn cut_short(path: &Path) {
    for name in all(path) {
        if format::DOCUMENTS.contains(&name.rsplit('/').next().unwrap()) {
            fs::remove_file(path.join(name)).unwrap();
        }
    }
}

#[test]
fn chunks_of_a_removal_that_was_cut_short_do_not_come_back() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for finish in [remove, remove_below] {
            filled(&create(&path, format).unwrap(), 9);
            let error = create(&path, format).unwrap_err();
            assert!(!error.to_string().contains("cut short"), "{format}: {error}");
            cut_short(&path);
            let error = create(&path, format).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{format}");
            assert!(error.to_string().contains("rm -r"), "{format}: {error}");
            finish(&path).unwrap_or_else(|error| panic!("{format}: {error}"));
            assert!(!path.exists(), "{format}");
            assert_eq!(finish(&path).unwrap_err().kind(), ErrorKind::NotFound, "{format}");
            let array = create(&path, format).unwrap();
            assert_eq!(array.read::<u8>(array.domain()).unwrap().data().iter().max(), Some(&0), "{format}");
            remove(&path).unwrap();
        }
    }
}

#[test]
fn scales_whose_removal_was_cut_short_do_not_come_back() {
    for format in ["precomputed", "ome-zarr", "ome-zarr-0.4"] {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("a").to_str().unwrap().to_owned();
        create(Path::new(&url), format).unwrap();
        let mut coarse = spec(Some("coarse"));
        coarse.array.resolution = Some(vec![2.0; 3]);
        let add = || OpenOptions::new().add_scale(&url, &coarse);
        filled(&add().unwrap(), 9);
        let chunks = folder.path().join("kept");
        fs::rename(folder.path().join("a/coarse"), &chunks).unwrap();
        let _ =
            format::remove(&url, Some(&ScaleSelector::Key("coarse".to_owned())), &FormatOptions::default());
        cut_short(&chunks);
        fs::rename(&chunks, folder.path().join("a/coarse")).unwrap();
        let error = add().unwrap_err();
        assert!(error.to_string().contains("cut short"), "{format}: {error}");
        remove_below(&folder.path().join("a/coarse")).unwrap();
        assert_eq!(
            add().unwrap().read::<u8>(&Domain::from_shape(&[8; 3]).unwrap()).unwrap().data().iter().max(),
            Some(&0)
        );
    }
}

#[test]
fn an_image_whose_making_was_cut_short_is_made() {
    for (format, key) in [("ome-zarr", "0"), ("ome-zarr-0.4", "0"), ("n5", "s0")] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let make = || OpenOptions::new().format(format).create(path.to_str().unwrap(), &spec(Some(key)));
        make().unwrap();
        for name in ["zarr.json", ".zgroup", ".zattrs", "attributes.json"] {
            let _ = fs::remove_file(path.join(name));
        }
        filled(&make().unwrap(), 1);
        assert_eq!(make().unwrap_err().kind(), ErrorKind::AlreadyExists, "{format}");
    }
}

/// A folder that turns into a link while its values are being removed leads to what is not to be removed.
#[test]
fn a_link_that_appears_during_a_removal_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut many = CreateSpec::new(DataType::U8, Domain::from_shape(&[15, 10, 10]).unwrap());
    many.storage.chunk_shape = Some(vec![1; 3]);
    for name in ["mine", "other"] {
        let url = path(name).to_str().unwrap().to_owned();
        let array = OpenOptions::new().format("zarr3").create(&url, &many).unwrap();
        array.write(&[0; 3], ArrayD::from_elem(IxDyn(&[15, 10, 10]), 1u8).view()).unwrap();
    }
    let before = all(&path("other"));
    for swapped in ["mine/c", "mine"] {
        let found = Below::list(path("mine").to_str().unwrap(), &FormatOptions::default()).unwrap();
        let mut is_first = true;
        let error = found.remove(&mut |_| {
            if std::mem::take(&mut is_first) {
                fs::rename(path(swapped), path("moved")).unwrap();
                symlink(path(&swapped.replace("mine", "other")), path(swapped)).unwrap();
            }
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(all(&path("other")), before, "{swapped}");
        fs::remove_file(path(swapped)).unwrap();
        fs::remove_dir_all(path("moved")).unwrap();
        fs::remove_dir_all(path("mine")).ok();
        let url = path("mine").to_str().unwrap().to_owned();
        let array = OpenOptions::new().format("zarr3").create(&url, &many).unwrap();
        array.write(&[0; 3], ArrayD::from_elem(IxDyn(&[15, 10, 10]), 1u8).view()).unwrap();
    }
}

/// Each listing finds a value once, and its removal takes one of its files: the others are found by the next listing.
#[test]
fn values_that_are_there_in_every_spelling_are_removed() {
    for format in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        filled(&create(&path, format).unwrap(), 1);
        let is_chunk = |name: &String| {
            let last = name.rsplit('/').next().unwrap();
            path.join(name).is_file() && !format::DOCUMENTS.contains(&last) && !last.starts_with('.')
        };
        let chunks: Vec<String> = all(&path).into_iter().filter(is_chunk).collect();
        assert_eq!(chunks.len(), 8, "{format}");
        for (k, name) in chunks.iter().enumerate() {
            let plain = name.strip_suffix(".gz").unwrap_or(name);
            for suffix in ["", ".gz", ".br", ".zstd", ".bz2", ".xz"].iter().skip(k % 6) {
                fs::write(path.join(format!("{plain}{suffix}")), "x").unwrap();
            }
            if k % 2 == 0 {
                fs::remove_file(path.join(name)).ok();
            }
        }
        remove_below(&path).unwrap();
        assert_eq!(all(folder.path()), [""; 0], "{format}");
    }
}

/// A folder where another spelling of a chunk could be, or where a chunk was listed, is not taken for one.
#[test]
fn folders_called_as_chunks_stay_with_what_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    filled(&create(&path("a"), "precomputed").unwrap(), 1);
    let chunk = all(&path("a")).into_iter().find(|name| name.contains("0-4_0-4_0-4")).unwrap();
    let plain = chunk.strip_suffix(".gz").unwrap_or(&chunk).to_owned();
    fs::rename(path("a").join(&chunk), path("a").join(format!("{plain}.br"))).unwrap();
    for name in [plain.clone(), format!("{plain}.gz")] {
        fs::create_dir(path("a").join(&name)).unwrap();
        fs::write(path("a").join(&name).join("thesis"), "mine").unwrap();
    }
    let _ = remove_below(&path("a")).unwrap_err();
    for name in [plain.clone(), format!("{plain}.gz")] {
        assert_eq!(fs::read(path("a").join(&name).join("thesis")).unwrap(), b"mine");
    }
}

/// Writers that go on while their array is being removed lose no value but by the removal, and the next one takes what
/// they have written since.
#[test]
fn writers_at_work_keep_no_removal_from_ending() {
    use bigarrays::chunk::codec::ContentEncoding;
    use bigarrays::store::{Change, Update};
    use std::sync::atomic::{AtomicBool, Ordering};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    filled(&create(&path, "precomputed").unwrap(), 1);
    let listed = all(&path);
    let chunk = listed.iter().find(|name| name.contains("0-4_0-4_0-4")).unwrap();
    let chunk = chunk.strip_suffix(".gz").unwrap_or(chunk);
    let store = bigarrays::store::open(path.to_str().unwrap(), &Default::default()).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for first in 0..2 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                for k in first.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let encoding = ContentEncoding::ALL[k % ContentEncoding::ALL.len()];
                    // Its folder may be removed while it is being made.
                    let _ = store.update_many(&[Update::blind(chunk)], &|_, _, new| {
                        new.extend_from_slice(b"value");
                        Ok(Change::Put(encoding))
                    });
                }
            });
        }
        for _ in 0..20 {
            match remove_below(&path) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    match remove_below(&path) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
    }
    let left = all(folder.path());
    assert!(left.iter().all(|name| !name.contains("0-4")), "{left:?}");
}
