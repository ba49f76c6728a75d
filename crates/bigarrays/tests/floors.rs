//! The architecture's floors: a file imports only from lower floors, or from its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/sources.rs"]
mod code_files;

use std::path::{Path, PathBuf};

use code_files::sources;

/// The floor of each top-level module of the crate.
const FLOORS: &[(&str, u32)] = &[
    ("text", 0),
    ("error", 0),
    ("dtype", 0),
    ("domain", 0),
    ("buffer", 0),
    ("curve", 1),
    ("grid", 1),
    ("codec", 1),
    ("layout", 1),
    ("interrupt", 2),
    ("pool", 2),
    ("store", 2),
    ("format", 3),
    ("array", 4),
    ("flat", 4),
    ("engine", 5),
];

/// Names that `lib.rs` re-exports, and the module they come from.
const REEXPORTS: &[(&str, &str)] = &[
    ("Error", "error"),
    ("ErrorKind", "error"),
    ("Result", "error"),
    ("DataType", "dtype"),
    ("Element", "dtype"),
    ("FillValue", "dtype"),
    ("Domain", "domain"),
    ("Array", "array"),
    ("threads", "pool"),
    ("for_dtype", "dtype"),
    ("half", "dtype"),
];

fn floor(module: &str) -> Option<u32> {
    let module = REEXPORTS.iter().find(|(name, _)| *name == module).map_or(module, |(_, from)| from);
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// The code of a file: without comments, and without its unit tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The first part of every path that starts with `crate::`.
fn imports(code: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.split("crate::").skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_file_imports_from_lower_floors_or_its_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut checked = 0;
    // Unit tests may use what is above.
    let is_code = |file: &&PathBuf| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        name != "lib" && name != "tests" && !name.ends_with("_tests")
    };
    for file in files.iter().filter(is_code) {
        let relative = file.strip_prefix(&root).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let own = floor(module).unwrap_or_else(|| panic!("{module} has no floor; add it to FLOORS"));
        for import in imports(&code(file)) {
            let its = floor(&import)
                .unwrap_or_else(|| panic!("{}: unknown import crate::{import}", relative.display()));
            assert!(its <= own, "{} (floor {own}) imports crate::{import} (floor {its})", relative.display());
            checked += 1;
        }
    }
    assert!(checked > 40, "only {checked} imports found: is this test still looking in the right place?");
}

#[test]
fn the_lowest_floors_do_no_io_and_start_no_threads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module =
            relative.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if floor(module).is_some_and(|floor| floor < 2) || relative.ends_with("engine/plan.rs") {
            for forbidden in
                ["std::fs", "std::net", "std::thread", "rayon", "tokio", "rustix::fs", "async fn"]
            {
                assert!(!code(&file).contains(forbidden), "{} uses {forbidden}", relative.display());
            }
        }
    }
}
