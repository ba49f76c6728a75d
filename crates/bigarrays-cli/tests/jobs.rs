//! Jobs larger than their budget, and jobs that are interrupted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, output, wait};

const SHAPE: &str = "--shape 300,1000,1000 --dtype uint8";

/// A folder with a raw file of 300 MB.
fn with_large_file() -> Bench {
    let bench = Bench::new();
    std::fs::File::create(bench.path("in.raw")).unwrap().set_len(300_000_000).unwrap();
    bench
}

/// A signal that comes so soon after another is the same one.
const SAME: Duration = Duration::from_millis(200);

/// Waits for a process of ours; also gives its largest resident memory in bytes.
fn waited(process: u32) -> (ExitStatus, u64) {
    // SAFETY: zero is a valid value of all members.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    // SAFETY: both pointers are to live variables of their types.
    let waited = unsafe { libc::wait4(process as i32, &mut status, 0, &mut usage) };
    assert_eq!(waited, process as i32);
    (ExitStatus::from_raw(status), usage.ru_maxrss as u64 * 1024)
}

#[test]
#[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
fn the_memory_budget_is_kept() {
    let bench = with_large_file();
    let child = bench.command(&format!("import in.raw layer {SHAPE} --memory 128M")).spawn().unwrap();
    let (status, peak) = waited(child.id());
    assert!(status.success());
    assert!(peak < (128 + 64) << 20, "peak of {} MiB", peak >> 20);
    let array = bigarrays::Array::open(&bench.url("layer")).unwrap();
    assert!(array.stored_chunks(array.domain()).unwrap().missing().next().is_none());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_changes() {
    let bench = with_large_file();
    let said = bench.fails(&format!("import in.raw layer {SHAPE} --memory 1M"), 7);
    assert!(said.contains("MiB") && said.contains("--memory"), "{said}");
    assert!(!bench.path("layer/info").exists());
    bench.ok("create layer --shape 3,3,3 --dtype uint8");
    bench.fails(&format!("import in.raw layer {SHAPE} --memory 1M --overwrite"), 7);
    assert_eq!(bench.elements::<u8>("layer").1.len(), 27);
}

#[test]
fn an_interrupted_import_leaves_a_valid_layer() {
    let bench = with_large_file();
    let mut command = bench.command(&format!("import in.raw layer {SHAPE} --memory 32M --threads 1"));
    let chunks = || {
        let names =
            std::fs::read_dir(bench.path("layer/1_1_1")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| !name.to_string_lossy().starts_with('.')).count()
    };
    // It cannot be done before it is interrupted.
    let (output, took) = bench.while_held("layer/1_1_1", "960-1000_960-1000_256-300", || {
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        wait(|| chunks() >= 2);
        let asked = Instant::now();
        // Twice, as `timeout` and others signal the process and its group: that is no second wish.
        for _ in 0..2 {
            // SAFETY: the process is a child that nobody has waited for.
            assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
            std::thread::sleep(Duration::from_millis(5));
        }
        (output(child), asked.elapsed())
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping"), "{said}");
    // Where so much goes on that the second came much later, it was another.
    assert!(said.contains("cancelled") || took >= SAME, "{said}");
    // It is marked, and all that there is can be read.
    let error = bigarrays::Array::open(&bench.url("layer")).unwrap_err();
    assert_eq!(error.kind(), bigarrays::ErrorKind::Incomplete, "{error}");
    let array = bigarrays::OpenOptions::new().incomplete(true).open(&bench.url("layer")).unwrap();
    let missing = array.stored_chunks(array.domain()).unwrap().missing().count();
    assert!(missing > 0 && missing < 5 * 16 * 16, "{missing} chunks are missing");
    assert!(array.read::<u8>(array.domain()).is_ok());
}
