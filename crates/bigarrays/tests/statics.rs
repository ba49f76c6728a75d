//! What threads share and lock is of one process: a child forked meanwhile would find it locked for ever.
#![allow(clippy::unwrap_used)]

#[path = "common/sources.rs"]
mod code_files;

use std::path::Path;

use code_files::sources;

/// Statics with a lock, and why a fork does no harm.
const HARMLESS: &[(&str, &str)] = &[
    ("compute/boxed.rs: LAST", "used within `whole_across_forks`"),
    ("flat/index.rs: OPEN", "used within `whole_across_forks`"),
    ("flat/mapped.rs: MAPPED", "used within `whole_across_forks`"),
    ("format/zarr/v3.rs: NONE", "made in an instant, of nothing"),
    ("store/memory.rs: NAMED", "used within `whole_across_forks`"),
    ("store/waiting.rs: TELL", "set once, when the program starts"),
];

const LOCKS: [&str; 4] = ["Mutex<", "RwLock<", "OnceLock<", "LazyLock<"];

/// The name of the static that the line declares, if it has a lock that a fork would copy.
fn locked(line: &str) -> Option<&str> {
    let (_, declared) = line.trim_start().split_once("static ")?;
    let (name, rest) = declared.split_once(':')?;
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let has_lock = LOCKS.iter().any(|lock| rest.contains(lock));
    (is_name && has_lock && !rest.trim_start().starts_with("PerProcess<")).then_some(name)
}

#[test]
fn no_static_stays_locked_across_a_fork() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 150, "only {} files: is this test still looking in the right place?", files.len());
    let mut found = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        found.extend(text.lines().filter_map(locked).map(|lock| format!("{name}: {lock}")));
    }
    found.sort();
    let harmless: Vec<_> = HARMLESS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, harmless, "make it a `PerProcess`, or say here why a fork does no harm");
}

#[test]
fn locks_are_told_from_other_statics() {
    assert_eq!(locked("static A_B: std::sync::Mutex<()> = x;"), Some("A_B"));
    assert_eq!(locked("    pub(crate) static A: LazyLock<u8> = x;"), Some("A"));
    assert_eq!(locked("static A: PerProcess<Mutex<()>> = x;"), None);
    assert_eq!(locked("fn f(x: &'static Mutex<()>) {}"), None);
}

#[test]
fn one_file_alone_opens_poisoned_locks() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for member in std::fs::read_dir(crates).unwrap() {
        sources(&member.unwrap().path().join("src"), &mut files);
    }
    let opens = |file: &&std::path::PathBuf| std::fs::read_to_string(file).unwrap().contains("PoisonError");
    let found: Vec<_> = files.iter().filter(opens).map(|file| file.strip_prefix(crates).unwrap()).collect();
    assert_eq!(found, [Path::new("bigarrays/src/base/sync.rs")], "use base::sync there");
}
