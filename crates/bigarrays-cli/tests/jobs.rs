//! Jobs larger than their budget, and jobs that are interrupted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::Bench;

const SHAPE: &str = "--shape 300,1000,1000 --dtype uint8";

/// A folder with a raw file of 300 MB.
fn with_large_file() -> Bench {
    let bench = Bench::new();
    std::fs::File::create(bench.path("in.raw")).unwrap().set_len(300_000_000).unwrap();
    bench
}

/// Waits for a process of ours; also gives its largest resident memory in bytes.
fn wait(process: u32) -> (ExitStatus, u64) {
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
    let (status, peak) = wait(child.id());
    assert!(status.success());
    assert!(peak < (128 + 64) << 20, "peak of {} MiB", peak >> 20);
    let array = bigarrays::Array::open(&bench.url("layer")).unwrap();
    assert!(array.missing(array.domain()).unwrap().is_empty());
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
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while std::fs::read_dir(bench.path("layer/1_1_1")).map_or(0, Iterator::count) < 2 {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    // Twice, as `timeout` and others signal the process and its group: that is no second wish.
    for _ in 0..2 {
        // SAFETY: the process is a child that nobody has waited for.
        assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("stopping") && said.contains("cancelled"), "{said}");
    let array = bigarrays::Array::open(&bench.url("layer")).unwrap();
    let missing = array.missing(array.domain()).unwrap().len();
    assert!(missing > 0 && missing < 5 * 16 * 16, "{missing} chunks are missing");
    assert!(array.read::<u8>(array.domain()).is_ok());
}
