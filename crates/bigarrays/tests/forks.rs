//! Forks while other threads read and write: a child finds nothing locked, and keeps none of its parent's locks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bigarrays::{Array, CreateSpec, DataType, OpenOptions, ndarray};

const FORKS: usize = 200;

/// What hangs is killed after this long; nothing else depends on it.
const PATIENCE: Duration = Duration::from_secs(60);

fn create(url: &str) -> Array {
    let mut spec = CreateSpec::new(DataType::U8, "0:512".parse().unwrap());
    spec.storage.chunk_shape = Some(vec![16]);
    OpenOptions::new().format("zarr3").create(url, &spec).unwrap()
}

fn read_and_write(array: &Array) {
    array.write(&[3], ndarray::Array1::from_elem(5, 7u8).view()).unwrap();
    array.write(&[0], ndarray::Array1::from_elem(512, 3u8).view()).unwrap();
    array.read::<u8>(array.domain()).unwrap();
}

/// The exit status of a child that does `work`, or `None` if it had to be killed.
fn in_child(work: impl FnOnce()) -> Option<i32> {
    // SAFETY: the child only uses what is meant to work there, and ends without coming back.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // SAFETY: ends the process, which has nothing to clear up.
        unsafe { libc::_exit(i32::from(done.is_err())) };
    }
    let start = Instant::now();
    loop {
        let mut status = 0;
        // SAFETY: `child` is this process' child, and `status` a number to be written.
        if unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child {
            return Some(status);
        }
        if start.elapsed() > PATIENCE {
            // SAFETY: as above.
            unsafe {
                libc::kill(child, libc::SIGKILL);
                libc::waitpid(child, &mut status, 0);
            }
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_child_finds_nothing_locked() {
    let folder = tempfile::tempdir().unwrap();
    for url in [folder.path().join("a").to_str().unwrap(), "memory://forked"] {
        let array = create(url);
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        read_and_write(&array);
                    }
                });
            }
            let ended: Vec<_> = (0..FORKS).map(|_| in_child(|| read_and_write(&array))).collect();
            is_over.store(true, Ordering::Relaxed);
            assert!(ended.iter().all(|&status| status == Some(0)), "{url}: {ended:?}");
        });
    }
}

/// Does what `FORKS_DO` says on the array at `FORKS_AT`, in a process of its own.
#[test]
fn helper() {
    let Ok(url) = std::env::var("FORKS_AT") else { return };
    let store = std::env::var("FORKS_DO").unwrap();
    let array = OpenOptions::new().lock_timeout(Some(PATIENCE)).read_only(false).open(&url).unwrap();
    read_and_write(&array);
    if store == "write" {
        return;
    }
    // Holds a lock, of which the child is to have nothing, until this process is killed. Both end with the input,
    // which is the test's to close.
    let until_input_ends = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    let store = bigarrays::store::open(&url, &bigarrays::store::StoreOptions::default()).unwrap();
    let request = bigarrays::store::Update { key: "c/0".to_owned(), reads: true, max_len: u64::MAX };
    let hold = |_: usize, _: Option<bigarrays::store::Blob<'_>>, _: &mut Vec<u8>| {
        // SAFETY: the child waits and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let mut byte = 0u8;
            // SAFETY: as above; there is room for a byte.
            unsafe {
                libc::read(0, (&raw mut byte).cast(), 1);
                libc::_exit(0);
            }
        }
        println!("\nchild {child}");
        until_input_ends();
        Ok(bigarrays::store::Change::Keep)
    };
    store.update_many(&[request], &hold).unwrap();
}

fn helper_at(url: &str, what: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    let arguments = ["helper", "--exact", "--nocapture", "--test-threads=1"];
    let environment = [("FORKS_AT", url), ("FORKS_DO", what)];
    let mut command = Command::new(program);
    command.args(arguments).envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_child_keeps_no_lock_of_its_parent() {
    use std::io::BufRead;
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("a").to_str().unwrap().to_owned();
    create(&url);
    let mut parent = helper_at(&url, "hold");
    let _input = parent.stdin.take().unwrap();
    let lines = std::io::BufReader::new(parent.stdout.take().unwrap()).lines();
    let said = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("child ").map(str::to_owned));
    let child: i32 = said.unwrap().parse().unwrap();
    let waits = OpenOptions::new().read_only(false).lock_timeout(Some(Duration::from_millis(200)));
    let value = ndarray::Array1::from_elem(2, 1u8);
    let error = waits.open(&url).unwrap().write(&[3], value.view()).unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("process"), "{error}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    let outcome = helper_at(&url, "write").wait().unwrap();
    // SAFETY: the number is that of the child of the helper.
    let lives = unsafe { libc::kill(child, libc::SIGKILL) } == 0;
    assert!(outcome.success() && lives);
}

/// A shard that is overwritten in place, with its size and time of modification, is read anew.
#[test]
fn equal_times_and_sizes_are_no_equal_shards() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("a").to_str().unwrap().to_owned();
    let mut spec = CreateSpec::new(DataType::U8, "0:64".parse().unwrap());
    (spec.storage.chunk_shape, spec.storage.shard_shape) = (Some(vec![16]), Some(vec![64]));
    let array = OpenOptions::new().format("zarr3").create(&url, &spec).unwrap();
    let shard = folder.path().join("a/c/0");
    let contents: Vec<_> = [1u8, 2]
        .map(|value| {
            // Chunks in another order each time, so that the index of one leads astray in the other.
            let places: Vec<i64> = if value == 1 { vec![0, 16, 32, 48] } else { vec![48, 32, 16, 0] };
            let _ = std::fs::remove_file(&shard);
            for place in places {
                let chunk = ndarray::Array1::from_elem(16, value * 16 + (place / 16) as u8);
                array.write(&[place], chunk.view()).unwrap();
            }
            std::fs::read(&shard).unwrap()
        })
        .into();
    assert_eq!(contents[0].len(), contents[1].len());
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for round in 0..50 {
        let value = round % 2;
        std::fs::write(&shard, &contents[value]).unwrap();
        std::fs::File::options().write(true).open(&shard).unwrap().set_modified(time).unwrap();
        let read = array.read::<u8>(array.domain()).unwrap();
        let expected = |at: i64| (value as u8 + 1) * 16 + (at / 16) as u8;
        assert!((0..64).all(|at| read.get(&[at]) == Some(expected(at))), "round {round}");
    }
}
