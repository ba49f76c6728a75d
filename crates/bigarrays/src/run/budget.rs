//! How much memory and how many threads this process may use.
//!
//! Of memory, the least counts of
//! - what the machine has (`MemTotal` of `/proc/meminfo`);
//! - the limits of the process's control groups and of those above: `memory.max` and `memory.high` of version 2,
//!   `memory.limit_in_bytes` of version 1;
//! - what Slurm has granted: `SLURM_MEM_PER_NODE`, or `SLURM_MEM_PER_CPU` for each of `SLURM_CPUS_ON_NODE`, in
//!   mebibytes; 0 stands for all that the machine has.
//!
//! Of processors, the least counts of those that the system lets the process run on, of the quota of its control
//! groups, and of `SLURM_CPUS_PER_TASK`, or without that `SLURM_CPUS_ON_NODE`.
//!
//! All this is asked for at most once a second.

use std::ffi::OsString;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// What is taken for the memory where nothing says how much there is.
const UNKNOWN: u64 = 4 << 30;

/// The share of a job, such as a copy, unless another budget is asked for.
const JOB_SHARE: u64 = 4;

/// What a cache, or values on their way to and from a network, may take, and the share that this is at most.
const STANDING: u64 = 256 << 20;
const STANDING_SHARE: u64 = 16;

/// The value of an environment variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The budget of a job in bytes: `asked`, or a quarter of the memory if zero.
pub(crate) fn of_job(asked: u64) -> u64 {
    if asked > 0 { asked } else { memory() / JOB_SHARE }
}

/// The bytes that a job may use that is given no budget: a quarter of the memory that this process may use, of which the limits of control groups
/// and of Slurm count.
pub fn job_memory() -> u64 {
    of_job(0)
}

/// The budget in bytes of what is there for all jobs: 256 MiB, or a 16th of the memory where that is less.
pub(crate) fn standing() -> u64 {
    STANDING.min(memory() / STANDING_SHARE)
}

/// How many processors this process may use.
pub(crate) fn processors() -> usize {
    static KNOWN: Known = Known::new();
    let ask = || {
        // Control groups and the set of processors count in this.
        let available = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        available.min(processors_of_slurm(&|name| std::env::var_os(name)).unwrap_or(usize::MAX)) as u64
    };
    KNOWN.get(now(), ask) as usize
}

/// Bytes of memory that this process may use.
fn memory() -> u64 {
    static KNOWN: Known = Known::new();
    KNOWN.get(now(), || memory_in(Path::new("/"), &|name| std::env::var_os(name)).unwrap_or(UNKNOWN))
}

/// Milliseconds for which what the machine says is taken to hold: asking takes longer than computing a few elements.
const HOLDS: u64 = 1000;

/// What the machine says, and when it was asked, in milliseconds since 1970. Without a lock, which a fork could leave taken.
struct Known {
    value: AtomicU64,
    asked: AtomicU64,
}

impl Known {
    const fn new() -> Self {
        Self { value: AtomicU64::new(0), asked: AtomicU64::new(0) }
    }

    /// The value at a time, which `ask` gives if it is not known.
    fn get(&self, now: u64, ask: impl FnOnce() -> u64) -> u64 {
        // Of a time to come, the clock was set back.
        let age = now.checked_sub(self.asked.load(Ordering::Acquire));
        if age.is_some_and(|age| age < HOLDS) {
            return self.value.load(Ordering::Relaxed);
        }
        let value = ask();
        // Whoever sees the time sees a value that is no older.
        self.value.store(value, Ordering::Relaxed);
        self.asked.store(now, Ordering::Release);
        value
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// As [`memory`], of the files below `root` and of this environment.
fn memory_in(root: &Path, environment: Environment<'_>) -> Option<u64> {
    let machine = std::fs::read_to_string(root.join("proc/meminfo")).ok();
    let machine = machine.as_deref().and_then(memory_of_machine);
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| memory_of_group(&root.join("sys/fs/cgroup"), line));
    machine.into_iter().chain(limits).chain(memory_of_slurm(environment)).min()
}

/// What `/proc/meminfo` says of the whole machine.
fn memory_of_machine(text: &str) -> Option<u64> {
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of a control group, a line of `/proc/self/cgroup`, and of those above it.
fn memory_of_group(mount: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, Path::new(fields.next()?));
    let (mounts, files): (&[&str], &[&str]) = match controllers {
        // Beside version 1, version 2 has a folder of its own.
        "" => (&["", "unified"], &["memory.max", "memory.high"]),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (&["memory"], &["memory.limit_in_bytes"])
        }
        _ => return None,
    };
    // A path that leads out of what is mounted, or is not there, is one of outside a container: the group
    // of the container is where it is mounted.
    let is_inside = !path.components().any(|component| component == Component::ParentDir);
    let below = path.strip_prefix("/").unwrap_or(path);
    let is_read = |group: &&Path| is_inside || group.as_os_str().is_empty();
    let limit = |folder: &Path, file: &str| -> Option<u64> {
        std::fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok()
    };
    let mut least = None;
    for folder in mounts {
        for group in below.ancestors().filter(is_read) {
            let group = mount.join(folder).join(group);
            least = files.iter().filter_map(|file| limit(&group, file)).chain(least).min();
        }
    }
    least
}

/// What Slurm has granted on this machine.
fn memory_of_slurm(environment: Environment<'_>) -> Option<u64> {
    let number = |name: &str| environment(name)?.to_str()?.trim().parse::<u64>().ok();
    let each = || number("SLURM_MEM_PER_CPU")?.checked_mul(number("SLURM_CPUS_ON_NODE")?);
    number("SLURM_MEM_PER_NODE").or_else(each).filter(|&mebibytes| mebibytes > 0)?.checked_mul(1 << 20)
}

fn processors_of_slurm(environment: Environment<'_>) -> Option<usize> {
    let number = |name: &str| environment(name)?.to_str()?.trim().parse::<usize>().ok();
    number("SLURM_CPUS_PER_TASK")
        .or_else(|| number("SLURM_CPUS_ON_NODE"))
        .filter(|&processors| processors > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What [`memory_in`] says of these files and variables, in mebibytes.
    fn memory(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        memory_in(root.path(), &environment(variables)).map(|bytes| bytes / MIB)
    }

    fn environment<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |wanted| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.into())
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       8388608 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_machine_is_asked_once_a_second() {
        let known = Known::new();
        assert_eq!(known.get(5000, || 1), 1);
        assert_eq!(known.get(5999, || 2), 1);
        assert_eq!(known.get(6000, || 3), 3);
        assert_eq!(known.get(5000, || 4), 4, "the clock was set back");
    }

    #[test]
    fn the_least_limit_of_all_groups_above_counts() {
        assert_eq!(memory(&[], &[]), None);
        assert_eq!(memory(&[MACHINE], &[]), Some(8192));
        let group = ("proc/self/cgroup", "0::/slice/job/step\n");
        let limit = |path: &'static str, text: &'static str| memory(&[MACHINE, group, (path, text)], &[]);
        assert_eq!(limit("sys/fs/cgroup/slice/job/step/memory.max", "1073741824\n"), Some(1024));
        assert_eq!(limit("sys/fs/cgroup/slice/job/memory.max", "2147483648\n"), Some(2048));
        assert_eq!(limit("sys/fs/cgroup/slice/memory.high", "536870912\n"), Some(512));
        assert_eq!(limit("sys/fs/cgroup/memory.max", "536870912\n"), Some(512), "that of a container");
        assert_eq!(limit("sys/fs/cgroup/unified/slice/memory.max", "536870912\n"), Some(512));
        assert_eq!(limit("sys/fs/cgroup/slice/job/step/memory.max", "max\n"), Some(8192));
        assert_eq!(limit("sys/fs/cgroup/slice/other/memory.max", "1\n"), Some(8192));
        assert_eq!(limit("sys/fs/cgroup/slice/memory.max", "17179869184\n"), Some(8192));
    }

    #[test]
    fn groups_of_version_1_count_those_of_memory_alone() {
        let groups = ("proc/self/cgroup", "5:devices:/d\n4:cpu,memory:/docker/abc\n0::/\n");
        let limit = |path: &'static str| memory(&[MACHINE, groups, (path, "1073741824\n")], &[]);
        assert_eq!(limit("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes"), Some(1024));
        assert_eq!(limit("sys/fs/cgroup/memory/memory.limit_in_bytes"), Some(1024));
        assert_eq!(limit("sys/fs/cgroup/memory/d/memory.limit_in_bytes"), Some(8192));
        let outside = ("proc/self/cgroup", "0::/../../host\n");
        let files = [MACHINE, outside, ("sys/host/memory.max", "1\n"), ("sys/fs/cgroup/cgroup.procs", "")];
        assert_eq!(memory(&files, &[]), Some(8192));
    }

    #[test]
    fn what_slurm_grants_counts() {
        let slurm = |variables: &[(&str, &str)]| memory(&[MACHINE], variables);
        assert_eq!(slurm(&[("SLURM_MEM_PER_NODE", "4000")]), Some(4000));
        assert_eq!(slurm(&[("SLURM_MEM_PER_CPU", "500"), ("SLURM_CPUS_ON_NODE", "4")]), Some(2000));
        assert_eq!(slurm(&[("SLURM_MEM_PER_CPU", "500")]), Some(8192));
        assert_eq!(slurm(&[("SLURM_MEM_PER_NODE", "0")]), Some(8192));
        assert_eq!(slurm(&[("SLURM_MEM_PER_NODE", "much")]), Some(8192));
        let processors = |variables: &[(&str, &str)]| processors_of_slurm(&environment(variables));
        let both = [("SLURM_CPUS_PER_TASK", "3"), ("SLURM_CPUS_ON_NODE", "12")];
        assert_eq!((processors(&both), processors(&both[1..]), processors(&[])), (Some(3), Some(12), None));
    }

    #[test]
    fn a_budget_that_is_asked_for_is_kept() {
        assert_eq!(of_job(7), 7);
        assert!(of_job(0) >= standing() && standing() > 0);
    }
}
