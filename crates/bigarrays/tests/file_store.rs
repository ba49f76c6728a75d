//! The file store against crashes, other processes and a file system that refuses.
//!
//! What needs a process of its own runs this binary again, as the test [`helper`], with its role in
//! an environment variable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bigarrays::ErrorKind;
use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::store::{Blob, Change, FileStore, Prefer, Store, StoreOptions, Update};

const ROLE: &str = "BIGARRAYS_TEST_ROLE";
const ROOT: &str = "BIGARRAYS_TEST_ROOT";

fn open(root: &Path) -> FileStore {
    FileStore::open(root.to_owned(), StoreOptions::default()).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".bigarrays.lock");
    names.sort();
    names
}

#[test]
fn the_lock_file_goes_with_who_uses_it() {
    let root = tempfile::tempdir().unwrap();
    let lock = root.path().join(".bigarrays.lock");
    let (one, other) = (open(root.path()), open(root.path()));
    increment_all(&one, 2);
    increment_all(&other, 2);
    assert!(lock.exists());
    drop(one);
    increment_all(&other, 2);
    drop(other);
    assert!(!lock.exists());
    assert_eq!(names(root.path()), ["c"]);
}

fn increment_all(store: &dyn Store, keys: usize) {
    let requests: Vec<_> =
        (0..keys).map(|k| Update { key: format!("c/{k}"), reads: true, max_len: u64::MAX }).collect();
    store
        .update_many(&requests, &|_, old, new| {
            new.extend_from_slice(&(number(old) + 1).to_le_bytes());
            Ok(Change::Put(ContentEncoding::Identity))
        })
        .unwrap();
}

fn number(blob: Option<Blob<'_>>) -> u64 {
    blob.map_or(0, |blob| u64::from_le_bytes(blob.bytes.try_into().unwrap()))
}

fn counters(store: &dyn Store, keys: usize) -> Vec<u64> {
    let read = |k| store.read(&format!("c/{k}")).unwrap().unwrap();
    (0..keys).map(|k| u64::from_le_bytes(read(k).try_into().unwrap())).collect()
}

fn helper_command(role: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "helper", "--nocapture"]).env(ROLE, role).env(ROOT, root);
    command.stdout(Stdio::null());
    command
}

fn start(role: &str, root: &Path) -> Child {
    helper_command(role, root).spawn().unwrap()
}

#[test]
fn helper() {
    let (Ok(role), Some(root)) = (std::env::var(ROLE), std::env::var_os(ROOT)) else { return };
    let root = Path::new(&root);
    match role.as_str() {
        "count" => (0..200).for_each(|_| increment_all(&open(root), 1)),
        "write" => write_forever(&open(root)),
        "fork" => update_in_a_fork(&open(root)),
        "nobody" => nobody_is_refused(root),
        "full" => full_disk_is_reported(root),
        role => panic!("unknown role {role}"),
    }
}

#[test]
fn processes_lose_no_update() {
    let root = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..8).map(|_| start("count", root.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(counters(&open(root.path()), 1), [1600]);
}

#[test]
fn a_forked_child_and_its_parent_lose_no_update() {
    let root = tempfile::tempdir().unwrap();
    assert!(start("fork", root.path()).wait().unwrap().success());
    assert_eq!(counters(&open(root.path()), 16), [201; 16]);
}

fn update_in_a_fork(store: &FileStore) {
    // Threads, locks and an open lock file for the child to inherit.
    increment_all(store, 16);
    // SAFETY: the child uses nothing that other threads of this process could have been changing
    // but the allocator, which the C library makes safe.
    let child = unsafe { libc::fork() };
    (0..100).for_each(|_| increment_all(store, 16));
    if child == 0 {
        // SAFETY: ends the process and runs nothing else.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: `status` is where the result goes.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
}

fn write_forever(store: &dyn Store) {
    for byte in (1..8).cycle() {
        store.write("v", &value_of(byte)).unwrap();
    }
}

fn value_of(byte: u8) -> Vec<u8> {
    vec![byte; 300_000 + usize::from(byte) * 100_000]
}

#[test]
fn a_killed_writer_leaves_a_whole_value() {
    let root = tempfile::tempdir().unwrap();
    let store: &dyn Store = &open(root.path());
    store.write("v", &value_of(0)).unwrap();
    for round in 0..50u64 {
        let mut child = start("write", root.path());
        while store.read("v").unwrap().unwrap()[0] == 0 {
            assert!(child.try_wait().unwrap().is_none(), "the writer failed");
        }
        std::thread::sleep(Duration::from_micros(round * 7919 % 5000));
        child.kill().unwrap();
        child.wait().unwrap();
        let value = store.read("v").unwrap().unwrap();
        assert!(value == value_of(value[0]));
        store.write("v", &value_of(0)).unwrap();
    }
    let mut listed = Vec::new();
    store
        .list("", &mut |key, _| {
            listed.push(key.to_owned());
            Ok(())
        })
        .unwrap();
    assert_eq!(listed, ["v"]);
    println!("{} leftovers", names(root.path()).len() - 1);
}

/// Two files of one key that another program has left.
fn twins(root: &Path, first: (&str, &[u8]), second: (&str, &[u8])) {
    std::fs::create_dir_all(root.join("c")).unwrap();
    std::fs::write(root.join("c").join(first.0), first.1).unwrap();
    std::fs::write(root.join("c").join(second.0), second.1).unwrap();
}

fn gzipped(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ContentEncoding::Gzip.codec().unwrap().encode(value, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_value_that_is_there_twice_is_one_of_them_only_if_that_is_said() {
    let root = tempfile::tempdir().unwrap();
    twins(root.path(), ("k.gz", &gzipped(b"older")), ("k", b"newer"));
    let past = std::time::SystemTime::now() - Duration::from_secs(60);
    std::fs::File::open(root.path().join("c/k.gz")).unwrap().set_modified(past).unwrap();
    let error = (&open(root.path()) as &dyn Store).read("c/k").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptData);
    let (text, folder) = (error.to_string(), root.path().join("c"));
    assert!(["k", "k.gz"].iter().all(|name| text.contains(folder.join(name).to_str().unwrap())), "{text}");
    // Changing a part of it is none the less an error, and changes nothing.
    let update = Update { key: "c/k".into(), reads: true, max_len: u64::MAX };
    let change = |_: usize, _: Option<Blob<'_>>, _: &mut Vec<u8>| Ok(Change::Delete);
    assert!((&open(root.path()) as &dyn Store).update_many(&[update], &change).is_err());
    let read = |prefer: &str| {
        let options = StoreOptions { prefer: Some(prefer.parse().unwrap()), ..StoreOptions::default() };
        (&FileStore::open(root.path().to_owned(), options).unwrap() as &dyn Store).read("c/k")
    };
    assert_eq!(read("newest").unwrap().unwrap(), b"newer");
    assert_eq!(read("none").unwrap().unwrap(), b"newer");
    assert_eq!(read("gzip").unwrap().unwrap(), gzipped(b"older"));
    assert!(read("xz").is_err(), "there is none of xz");
    assert!("oldest".parse::<Prefer>().is_err());
    // A write of all of it replaces both.
    (&open(root.path()) as &dyn Store).write("c/k", b"third").unwrap();
    assert_eq!(names(&folder), ["k"]);
}

#[test]
fn two_files_that_say_the_same_are_no_contradiction() {
    let root = tempfile::tempdir().unwrap();
    twins(root.path(), ("k", b"same"), ("k.gz", &gzipped(b"same")));
    assert_eq!((&open(root.path()) as &dyn Store).read("c/k").unwrap().unwrap(), b"same");
    let mut found = Vec::new();
    let survey = |found: &mut Vec<String>| {
        open(root.path()).survey(&mut |finding| {
            found.push(format!("{finding:?}"));
            Ok(())
        })
    };
    survey(&mut found).unwrap();
    assert!(found.iter().any(|finding| finding.contains("Twin") && finding.contains("c/k.gz")), "{found:?}");
}

/// Whoever reads while a writer changes the encoding, or comes after one that was killed then, finds one value.
#[test]
fn a_change_of_the_encoding_never_shows_two_values() {
    let root = tempfile::tempdir().unwrap();
    let store: &dyn Store = &open(root.path());
    let put = |value: &[u8], encoding: ContentEncoding| {
        let change = |_: usize, _: Option<Blob<'_>>, new: &mut Vec<u8>| {
            new.extend_from_slice(value);
            if let Some(codec) = encoding.codec() {
                new.clear();
                codec.encode(value, new)?;
            }
            Ok(Change::Put(encoding))
        };
        store.update_many(&[Update::blind("c/k")], &change).unwrap();
    };
    put(b"first", ContentEncoding::Gzip);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..300u32 {
                put(
                    &round.to_le_bytes(),
                    [ContentEncoding::Identity, ContentEncoding::Gzip][round as usize % 2],
                );
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            assert!(store.read("c/k").unwrap().is_some());
        }
    });
    assert_eq!(names(&root.path().join("c")), ["k.gz"]);
}

#[test]
fn what_is_no_file_is_never_missing() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("c");
    std::fs::create_dir(&folder).unwrap();
    let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    link("dead", "nowhere/at/all");
    link("dead-gz.gz", "nowhere");
    link("loop", "loop");
    link("good", "target");
    std::fs::write(folder.join("target"), b"1").unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();
    std::fs::create_dir(folder.join("folder-gz.gz")).unwrap();
    let fifo = std::ffi::CString::new(folder.join("fifo").to_str().unwrap()).unwrap();
    // SAFETY: the path is a string that ends.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    std::os::unix::fs::symlink("unmounted", root.path().join("d")).unwrap();
    std::fs::write(root.path().join("file"), b"1").unwrap();
    let store: &dyn Store = &open(root.path());
    for key in ["file/none", "file/at/all", "c/fifo/none"] {
        let error = store.read(key).unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
    }
    assert!(store.list("file/", &mut |_, _| Ok(())).unwrap_err().to_string().contains("not a folder"));
    assert_eq!(store.read("c/good").unwrap().unwrap(), b"1");
    assert_eq!(store.read("c/none").unwrap(), None);
    assert_eq!(store.read("e/none").unwrap(), None);
    for key in ["dead", "dead-gz", "loop", "folder", "folder-gz", "fifo", "socket"] {
        let error = store.read(&format!("c/{key}")).unwrap_err();
        assert!(error.to_string().contains(&format!("c/{key}")), "{error}");
    }
    let error = store.read("d/chunk").unwrap_err();
    assert!(error.to_string().contains("/d`") || error.to_string().contains("/d:"), "{error}");
    let mut listed = Vec::new();
    store
        .list("c/", &mut |key, _| {
            listed.push(key.to_owned());
            Ok(())
        })
        .unwrap();
    listed.sort();
    assert_eq!(listed, ["c/dead", "c/dead-gz", "c/fifo", "c/good", "c/loop", "c/socket", "c/target"]);
}

/// Files that others compressed in ways that nobody reads here may be values.
#[test]
fn values_under_unknown_suffixes_are_never_missing() {
    for suffix in [".lz4", ".zst", ".GZ", ".gz.gz", ".lzma", ".Zip"] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("c")).unwrap();
        let file = root.path().join(format!("c/k{suffix}"));
        std::fs::write(&file, b"1").unwrap();
        let store: &dyn Store = &open(root.path());
        let error = store.read("c/k").unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        let update = Update { reads: true, ..Update::blind("c/k") };
        assert!(store.update_many(&[update], &|_, _, _| Ok(Change::Keep)).is_err());
        assert_eq!(store.read("c/other").unwrap(), None);
        std::fs::write(root.path().join("c/k"), b"2").unwrap();
        assert_eq!(store.read("c/k").unwrap().unwrap(), b"2");
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("k.tmp"), b"1").unwrap();
    assert_eq!((&open(root.path()) as &dyn Store).read("k").unwrap(), None);
}

#[test]
fn a_read_only_store_refuses_every_change() {
    let root = tempfile::tempdir().unwrap();
    let options = StoreOptions { read_only: true, ..StoreOptions::default() };
    let store = FileStore::open(root.path().into(), options).unwrap();
    let stores = [store.child("sub").unwrap(), store.child("").unwrap()];
    for store in stores {
        assert_eq!(store.write("k", b"1").unwrap_err().kind(), ErrorKind::ReadOnly);
        assert_eq!(store.delete("k").unwrap_err().kind(), ErrorKind::ReadOnly);
        assert_eq!(store.read("k").unwrap(), None);
    }
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_file_is_an_error_and_not_missing() {
    let root = tempfile::tempdir().unwrap();
    let store: &dyn Store = &open(root.path());
    store.write("dir/k", b"1").unwrap();
    let fifo = std::ffi::CString::new(root.path().join("fifo").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
    std::os::unix::fs::symlink("loop", root.path().join("loop")).unwrap();
    for key in ["dir", "fifo", "loop"] {
        let error = store.read(key).unwrap_err();
        assert!(error.key().unwrap().ends_with(key), "{error}");
    }
    let error = store.write("dir", b"1").unwrap_err();
    assert!(error.to_string().contains("/dir: "), "{error}");
    let error = store.write("dir/k/below", b"1").unwrap_err();
    assert!(error.to_string().contains("/dir/k"), "{error}");
    assert_eq!(names(root.path()), ["dir", "fifo", "loop"]);
    assert_eq!(names(&root.path().join("dir")), ["k"]);
}

#[test]
fn a_removed_directory_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("array");
    let store: &dyn Store = &open(&path);
    for _ in 0..2 {
        store.write("a/b", b"1").unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        assert!(!store.exists("a/b").unwrap());
    }
    increment_all(store, 3);
    assert_eq!(counters(store, 3), [1; 3]);
}

#[test]
fn missing_permissions_are_reported() {
    let root = tempfile::tempdir().unwrap();
    // SAFETY: has no preconditions.
    if unsafe { libc::getuid() } != 0 {
        return nobody_is_refused(root.path());
    }
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(root.path(), mode).unwrap();
    assert!(start("nobody", root.path()).wait().unwrap().success());
}

fn nobody_is_refused(root: &Path) {
    // SAFETY: only changes who this process is; fails harmlessly if it is nobody special already.
    unsafe {
        libc::setgroups(0, std::ptr::null());
        libc::setgid(65534);
        libc::setuid(65534);
    }
    let chmod = |name: &str, mode| {
        std::fs::set_permissions(root.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let store: &dyn Store = &open(root);
    store.write("shut/k", b"1").unwrap();
    store.write("closed/k", b"1").unwrap();
    chmod("shut", 0o555);
    chmod("closed", 0);
    for (error, key) in [
        (store.write("shut/k", b"2"), "shut/k"),
        (store.delete("shut/k"), "shut/k"),
        (store.write("shut/new/k", b"2"), "shut/new"),
        (store.read("closed/k").map(drop), "closed/k"),
        (store.list("closed/", &mut |_, _| Ok(())), "closed"),
    ] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.key().unwrap().trim_end_matches('/').ends_with(key), "{error}");
    }
    assert_eq!(store.read("shut/k").unwrap().unwrap(), b"1");
    assert_eq!(names(&root.join("shut")), ["k"]);
    let child = store.child("shut").unwrap();
    assert_eq!(child.write("k", b"2").unwrap_err().kind(), ErrorKind::PermissionDenied);
    chmod("shut", 0o755);
    chmod("closed", 0o755);
}

/// In a name space of its own, on a file system of 64 KiB.
#[test]
fn a_full_disk_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=64k tmpfs \"$0\" || exit 77; exec \"$@\"";
    let helper = helper_command("full", root.path());
    let user = ["--user", "--map-root-user", "--mount"];
    // SAFETY: has no preconditions.
    let flags = if unsafe { libc::getuid() } == 0 { &user[2..] } else { &user[..] };
    let status = Command::new("unshare")
        .args(flags)
        .args(["sh", "-c", script])
        .arg(root.path())
        .arg(helper.get_program())
        .args(helper.get_args())
        .envs(helper.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(1 | 77)) | Err(_) => println!("skipped: no file system can be mounted here"),
        Ok(code) => assert_eq!(code, Some(0)),
    }
}

fn full_disk_is_reported(root: &Path) {
    let store: &dyn Store = &open(root);
    store.write("a/k", &[1; 30_000]).unwrap();
    for _ in 0..20 {
        let error = store.write("a/k", &[2; 60_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        assert!(error.to_string().contains("a/k"), "{error}");
        assert_eq!(names(&root.join("a")), ["k"]);
    }
    assert_eq!(store.read("a/k").unwrap().unwrap(), [1; 30_000]);
    store.write("a/k", &[3; 20_000]).unwrap();
}
