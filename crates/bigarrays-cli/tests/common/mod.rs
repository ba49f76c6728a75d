//! Runs the program, and makes files for it.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use bigarrays::store::{self, Change, StoreOptions, Update};
use tempfile::TempDir;

/// What takes longer hangs; nothing else depends on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Waits until `is_so`.
pub(crate) fn wait(mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a process has ended that says little; one that hangs is killed.
pub(crate) fn output(mut child: Child) -> Output {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.wait_with_output().unwrap()
}

/// A folder in which the program is run.
pub(crate) struct Bench(TempDir);

impl Bench {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The program, to be run in the folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bigarrays"));
        command.current_dir(&self.0).args(line.split_whitespace());
        command.env("XDG_STATE_HOME", self.path(".state"));
        command
    }

    /// The number of copies that ended early.
    pub(crate) fn journals(&self) -> usize {
        self.all_journals().len()
    }

    /// The journal of the first of them.
    pub(crate) fn journal(&self) -> Option<PathBuf> {
        self.all_journals().into_iter().next()
    }

    fn all_journals(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path(".state/bigarrays/jobs")) else { return Vec::new() };
        // Each may have a folder beside it.
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
    }

    /// Does `work` while whoever is to write the chunk `key` of the scale in a folder has to wait.
    pub(crate) fn while_held<T>(&self, scale: &str, key: &str, work: impl FnOnce() -> T) -> T {
        let store = store::open(&self.url(scale), &StoreOptions::default()).unwrap();
        let update = Update { key: key.to_owned(), reads: false, max_len: u64::MAX };
        let (held, is_held) = mpsc::channel();
        let (done, is_done) = mpsc::channel::<()>();
        let (held, is_done) = (Mutex::new(held), Mutex::new(is_done));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                store.update_many(&[update], &|_, _, _| {
                    held.lock().unwrap().send(()).unwrap();
                    // Until `done` is dropped.
                    let _ = is_done.lock().unwrap().recv();
                    Ok(Change::Keep)
                })
            });
            let _done = done;
            is_held.recv_timeout(PATIENCE).unwrap();
            work()
        })
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs what must succeed, and gives what it prints.
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must succeed, and gives what it says.
    pub(crate) fn says(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{line}: {said}");
        said
    }

    /// Runs what must fail with `code`, and gives what it says.
    pub(crate) fn fails(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(
            said.lines().any(|line| line.starts_with("error: ")) && !said.contains("Error("),
            "{line}: {said}"
        );
        said
    }

    /// The decoded elements of a box, x fastest, and the domain, of the layer `name`.
    pub(crate) fn elements<T: bigarrays::Element>(&self, name: &str) -> (String, Vec<T>) {
        let array = bigarrays::Array::open(&self.url(name)).unwrap();
        let cutout = array.read::<T>(array.domain()).unwrap();
        let data = cutout.into_data().reversed_axes();
        (array.domain().to_string(), data.iter().copied().collect())
    }
}

/// A `.npy` file.
pub(crate) fn npy(path: &Path, descr: &str, fortran: bool, shape: &[usize], elements: &[u8]) {
    let fortran = if fortran { "True" } else { "False" };
    let shape: String = shape.iter().map(|length| format!("{length},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': ({shape}), }}\n");
    let length = (header.len() as u16).to_le_bytes();
    std::fs::write(path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), elements].concat()).unwrap();
}

/// The value at x, y, z of every test volume; never zero in small ones.
pub(crate) fn voxel(x: i64, y: i64, z: i64) -> u16 {
    (1 + x + 20 * y + 300 * z) as u16
}

/// The elements of a volume of the given shape, the first axis fastest.
pub(crate) fn volume(shape: [i64; 3]) -> Vec<u16> {
    let [nx, ny, nz] = shape;
    let points = (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| (x, y, z))));
    points.map(|(x, y, z)| voxel(x, y, z)).collect()
}

pub(crate) fn as_bytes(elements: &[u16]) -> Vec<u8> {
    elements.iter().flat_map(|element| element.to_le_bytes()).collect()
}
