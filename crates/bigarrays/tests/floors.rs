//! The architecture's floors: a file imports only from lower floors or from its own folder, and no two
//! files import each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/sources.rs"]
mod code_files;
#[path = "common/imports.rs"]
mod imports;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imports::{Import, Sources, circles};

/// The folders of the crate, and the floor of each. Folders of one floor do not import each other.
const FLOORS: &[(&str, u32)] = &[
    ("base", 0),
    ("chunk", 1),
    ("run", 2),
    ("store", 3),
    ("format", 4),
    ("array", 5),
    ("flat", 5),
    ("compute", 6),
    ("jobs", 7),
];

/// What code of the lowest floors, or that plans, does not name.
const IO: [&str; 6] = ["std::fs", "std::net", "std::thread", "rayon", "tokio", "rustix::fs"];

/// The crate's front page, which passes on what the folders have.
const FRONT: &str = "lib.rs";

/// The files of a crate of the workspace, but for those of tests alone.
fn files(of: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(of).join("src");
    let mut found: Vec<PathBuf> = Vec::new();
    code_files::sources(&root, &mut found);
    let file = |path: &PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    };
    let is_code = |(name, _): &(String, String)| !name.ends_with("tests.rs");
    found.iter().map(file).filter(is_code).collect()
}

fn parse(files: &[(String, String)]) -> Sources {
    Sources::parse(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
}

/// The first folder or file of a path.
fn top(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(path: &str) -> u32 {
    let found = FLOORS.iter().find(|(name, _)| *name == top(path));
    found.unwrap_or_else(|| panic!("{path} has no floor; add its folder to FLOORS")).1
}

/// Imports from higher floors, from another folder of the same floor, or from the crate's front page.
fn upward(imports: &BTreeSet<Import>) -> Vec<String> {
    let is_wrong = |import: &&Import| {
        let Import { from, to, name } = import;
        if from == FRONT {
            return false;
        }
        let is_of_front = to != FRONT
            && name.split_once("crate::").is_some_and(|(_, rest)| {
                let first = rest.split("::").next().unwrap();
                !FLOORS.iter().any(|(folder, _)| *folder == first)
            });
        to == FRONT
            || is_of_front
            || floor(to) > floor(from)
            || floor(to) == floor(from) && top(to) != top(from)
    };
    let show = |import: &Import| format!("{} imports {} from {}", import.from, import.name, import.to);
    imports.iter().filter(is_wrong).map(show).collect()
}

#[test]
fn every_file_imports_from_lower_floors_or_its_own_folder() {
    let sources = parse(&files("bigarrays"));
    let imports = sources.imports();
    assert!(imports.len() > 1000, "only {} imports: does this test still see them?", imports.len());
    assert_eq!(upward(&imports), Vec::<String>::new());
    assert_eq!(upward(&sources.passed()), Vec::<String>::new());
}

#[test]
fn no_two_files_import_each_other() {
    for name in ["bigarrays", "bigarrays-cli", "bigarrays-python", "bigarrays-serve", "testbed"] {
        let files = files(name);
        assert_eq!(circles(&parse(&files).imports()), Vec::<Vec<String>>::new(), "in {name}");
    }
}

#[test]
fn the_lowest_floors_and_plans_do_no_io_and_start_no_threads() {
    let files = files("bigarrays");
    for (path, text) in &files {
        if path != FRONT && (floor(path) < 2 || path.ends_with("plan.rs")) {
            assert_eq!(io(text), Vec::<String>::new(), "{path}");
        }
    }
}

/// What code names that does I/O or starts threads.
fn io(text: &str) -> Vec<String> {
    let (names, is_async) = imports::named(text);
    let is_io = |path: &&Vec<String>| {
        let full = format!("{}::", path.join("::"));
        IO.iter().any(|name| full.starts_with(&format!("{name}::")))
    };
    let io = names.iter().filter(is_io).map(|path| path.join("::"));
    io.chain(is_async.then(|| "async".to_owned())).collect()
}

/// Names of formats that are of chunks, and of families of them, and documents that mark them.
const FORMATS: [&str; 15] = [
    "precomputed",
    "neuroglancer-precomputed",
    "zarr",
    "zarr2",
    "zarr3",
    "ome-zarr",
    "ome-zarr-0.4",
    "n5",
    "info",
    "zarr.json",
    ".zarray",
    ".zgroup",
    ".zattrs",
    ".zmetadata",
    "attributes.json",
];

#[test]
fn formats_are_named_in_their_folder_alone() {
    let mut checked = 0;
    for name in ["bigarrays", "bigarrays-cli", "bigarrays-python"] {
        let files = files(name);
        for (path, texts) in parse(&files).texts() {
            let is_free = name == "bigarrays" && path.starts_with("format/");
            let is_name = |text: &&String| {
                let plain = text.trim_end_matches("://");
                FORMATS.contains(&plain)
            };
            let found: Vec<&String> = texts.iter().filter(is_name).collect();
            assert!(is_free || found.is_empty(), "{name}: {path} names {found:?}");
            checked += found.len();
        }
    }
    assert!(checked > 15, "only {checked} names in format/: does this test still find them?");
}

#[test]
fn faces_ask_for_no_format() {
    for name in ["bigarrays-cli", "bigarrays-python"] {
        assert_eq!(parse(&files(name)).that_ask_for_formats(), [""; 0], "in {name}");
    }
    for planted in [
        "fn f() { if *format != source.format() {} }",
        "fn f() { matches(one.format() == other.name()) }",
        "fn f() { match array.format() { _ => 1 } }",
        "use bigarrays::format::{self, fit}; fn f() { format::ome::cut() }",
        "use bigarrays::format::zarr::V3;",
    ] {
        assert_eq!(Sources::parse([("a.rs", planted)]).that_ask_for_formats(), ["a.rs"], "{planted}");
    }
}

#[test]
fn python_files_ask_for_no_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bigarrays-python/python/bigarrays");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "py")).collect();
    assert!(files.len() > 3, "only {files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        // Examples in docstrings may.
        let is_example = |line: &str| [">>>", "..."].iter().any(|start| line.trim_start().starts_with(start));
        for line in text.lines().filter(|line| !is_example(line)) {
            let named = FORMATS.iter().find(|name| line.contains(&format!("\"{name}\"")));
            let asks = line.contains("array.format");
            assert!(named.is_none() && !asks, "{} asks for a format: {line}", path.display());
        }
    }
}

/// What the architecture's description calls a file or a folder of the crate.
fn is_path(text: &str) -> bool {
    FLOORS.iter().any(|(folder, _)| text.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        && !text.contains(' ')
}

#[test]
fn the_architecture_names_files_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../../ARCHITECTURE.md")).unwrap();
    let named: Vec<&str> = text.split('`').skip(1).step_by(2).filter(|text| is_path(text)).collect();
    assert!(named.len() > 50, "only {} paths: does this test still find them?", named.len());
    let gone: Vec<&&str> = named.iter().filter(|path| !root.join("src").join(path).exists()).collect();
    assert_eq!(gone, Vec::<&&str>::new());
}

/// The imports of a small crate of two floors.
fn planted(lower: &str) -> BTreeSet<Import> {
    let files = [
        ("lib.rs", "pub use base::low::Low;"),
        ("base/mod.rs", "pub mod low;"),
        ("base/low.rs", lower),
        ("store/mod.rs", "pub(crate) use high::High; mod high; pub mod other;"),
        ("store/high.rs", "use super::other::Other; pub(crate) struct High(Other);"),
        ("store/other.rs", "use crate::base::low; pub struct Other(low::Low);"),
    ];
    let sources = Sources::parse(files);
    sources.imports().into_iter().chain(sources.passed()).collect()
}

#[test]
fn a_planted_fault_is_found() {
    let sound = planted("pub struct Low;");
    assert_eq!((upward(&sound), circles(&sound)), (vec![], vec![]));

    let through_super = planted("pub struct Low; fn f(_: super::super::store::other::Other) {}");
    assert_eq!(
        upward(&through_super),
        ["base/low.rs imports super::super::store::other::Other from store/other.rs"]
    );
    let expected = [["base/low.rs".to_owned(), "store/other.rs".to_owned()]];
    assert_eq!(circles(&through_super), expected);

    let behind_a_test = planted("#[cfg(test)] use std::fs; use crate::store::High; pub struct Low(High);");
    assert_eq!(upward(&behind_a_test)[0], "base/low.rs imports High from store/high.rs");

    let in_a_macro = planted("pub struct Low; fn f() { assert!(crate::store::High::is_one()) }");
    assert_eq!(upward(&in_a_macro).len(), 1);

    let of_the_front = planted("pub struct Low; mod inner { fn f(_: crate::Low) {} }");
    assert_eq!(upward(&of_the_front), Vec::<String>::new(), "its own name leads nowhere else");

    let in_tests = planted("pub struct Low; #[cfg(test)] mod tests { use crate::store::High; }");
    assert_eq!(upward(&in_tests), Vec::<String>::new());
}

#[test]
fn imports_that_are_passed_on_or_in_inner_modules_are_found() {
    for passed in ["pub(crate) use", "pub use", "pub(super) use"] {
        let upward_use = planted(&format!("{passed} crate::store::High; pub struct Low;"));
        assert_eq!(
            upward(&upward_use),
            ["base/low.rs imports crate::store::High from store/high.rs"],
            "{passed}"
        );
    }
    for inner in [
        "fn f(_: super::super::super::store::other::Other) {}",
        "use super::super::super::store::other::Other;",
        "pub(crate) use super::super::super::store::other::Other;",
        "mod deeper { fn f(_: super::super::super::super::store::other::Other) {} }",
        "fn f() { assert!(super::super::super::store::other::Other::is_one()) }",
    ] {
        let found = upward(&planted(&format!("pub struct Low; mod inner {{ {inner} }}")));
        assert!(found.len() == 1 && found[0].ends_with("from store/other.rs"), "{inner}: {found:?}");
    }
    let own = planted(
        "pub struct Low; mod inner { use super::Low; mod deeper { use super::super::Low; use self::Low; } }",
    );
    assert_eq!((upward(&own), circles(&own)), (vec![], vec![]));
}

#[test]
fn io_behind_a_test_module_is_found() {
    let start = "#[cfg(test)]\nmod tests;\n";
    for code in [
        "use std::fs;",
        "use std::{fs, io};",
        "pub(crate) use std::thread;",
        "use std::thread::*;",
        "use std as s; fn f() { s::fs::read(0) }",
        "fn f() { std::net::f() }",
        "fn f() { assert!(std::fs::exists(0)) }",
        "async fn f() {}",
        "struct A; impl A { async fn f() {} }",
        "mod inner { fn f() { rayon::join(a, b) } }",
        "fn f() { let a = async { 1 }; }",
    ] {
        assert!(!io(&format!("{start}{code}")).is_empty(), "{code}");
    }
    for code in [
        "use std::io;",
        "#[cfg(test)] use std::fs;",
        "struct A; impl A { #[cfg(test)] fn f() { std::fs::f() } }",
    ] {
        assert_eq!(io(code), Vec::<String>::new(), "{code}");
    }
}
