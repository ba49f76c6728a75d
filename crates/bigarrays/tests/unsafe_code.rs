//! Unsafe code is where it is looked for: in the files below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/sources.rs"]
mod code_files;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use code_files::sources;

/// The files of `crates/*/src` that may hold unsafe code, and why.
const FILES: &[(&str, &str)] = &[
    ("bigarrays/src/array/outer.rs", "chunks that go to disjoint elements of one output"),
    ("bigarrays/src/array/points.rs", "chunks that go to disjoint elements of one output"),
    ("bigarrays/src/array/read.rs", "chunks that go to disjoint parts of one output"),
    ("bigarrays/src/base/widest.rs", "instructions of the processor"),
    ("bigarrays/src/compute/sink.rs", "blocks that go to disjoint parts of one output"),
    ("bigarrays/src/base/buffer/copy.rs", "views"),
    ("bigarrays/src/base/buffer/fresh.rs", "memory that reads fill"),
    ("bigarrays/src/base/buffer/pairs.rs", "views"),
    ("bigarrays/src/base/buffer/rows.rs", "views"),
    ("bigarrays/src/base/buffer/stream.rs", "instructions of the processor"),
    ("bigarrays/src/base/buffer/tests.rs", "lines of memory as bytes"),
    ("bigarrays/src/base/buffer/view.rs", "views"),
    ("bigarrays/src/base/buffer/view_mut.rs", "views"),
    ("bigarrays/src/chunk/codec/blosc.rs", "a C library"),
    ("bigarrays/src/chunk/codec/gzip.rs", "a C library"),
    ("bigarrays/src/chunk/codec/jpeg.rs", "a C library"),
    ("bigarrays/src/base/dtype.rs", "the promise of element types"),
    ("bigarrays/src/flat/environment.rs", "LMDB"),
    ("bigarrays/src/flat/index.rs", "LMDB after a fork"),
    ("bigarrays/src/flat/kept.rs", "mapped files"),
    ("bigarrays/src/flat/mapping.rs", "mapped files"),
    ("bigarrays/src/flat/set_tests.rs", "the bytes of a mapping"),
    ("bigarrays/src/flat/slice_tests.rs", "a fork"),
    ("bigarrays/src/flat/tests.rs", "the bytes of a mapping"),
    ("bigarrays/src/run/interrupt.rs", "a check that outlives no call"),
    ("bigarrays/src/run/pool.rs", "what is done at a fork"),
    ("bigarrays/src/store/ofd.rs", "locks of open files"),
    ("bigarrays/src/store/temporary.rs", "system calls"),
    ("bigarrays-cli/src/interrupt.rs", "a signal that is ignored"),
    ("bigarrays-python/src/flat/joined.rs", "memory of numpy"),
    ("bigarrays-python/src/flat/view.rs", "the buffer protocol"),
    ("bigarrays-python/src/transfer.rs", "memory of numpy"),
    ("testbed/src/server/process.rs", "system calls"),
];

/// Whether `unsafe` is a word of the code, outside of comments and text.
fn is_unsafe(source: &str) -> bool {
    let mut rest = source;
    let mut before = ' ';
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(hashes) = raw_text(rest).filter(|_| !is_word(before)) {
            let start = rest.find('"').unwrap() + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if first == '"' {
            text(rest)
        } else if let Some(length) = character(rest) {
            length
        } else if is_word(first) {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            if &rest[..word] == "unsafe" {
                return true;
            }
            // A prefix of text is no word before it.
            if matches!(&rest[..word], "b" | "c") && rest[word..].starts_with('"') {
                word + text(&rest[word..])
            } else {
                word
            }
        } else {
            first.len_utf8()
        };
        before = rest[..length].chars().next_back().unwrap();
        rest = &rest[length..];
    }
    false
}

/// The length of a comment, which may hold others.
fn comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        at += match (here.starts_with("/*"), here.starts_with("*/")) {
            (true, _) => {
                depth += 1;
                2
            }
            (_, true) => {
                depth -= 1;
                2
            }
            _ => here.chars().next().unwrap().len_utf8(),
        };
        if depth == 0 {
            break;
        }
    }
    at
}

/// The number of hashes before raw text.
fn raw_text(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// The length of text in quotes.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character in quotes; `None` of a lifetime, or anything else.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escaped) = inner.strip_prefix('\\') {
        let code = escaped.chars().next()?.len_utf8();
        return escaped[code..].find('\'').map(|end| 1 + 1 + code + end + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(1 + length + 1)
}

#[test]
fn unsafe_code_is_where_it_is_looked_for() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    for member in std::fs::read_dir(crates).unwrap() {
        sources(&member.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 200, "only {} files: is this test still looking in the right place?", files.len());
    let has_unsafe = |file: &&PathBuf| is_unsafe(&std::fs::read_to_string(file).unwrap());
    let name = |file: &PathBuf| file.strip_prefix(crates).unwrap().to_str().unwrap().replace('\\', "/");
    let found: BTreeSet<String> = files.iter().filter(has_unsafe).map(name).collect();
    let listed: BTreeSet<String> = FILES.iter().map(|(file, _)| (*file).to_owned()).collect();
    let unlisted: Vec<_> = found.difference(&listed).collect();
    assert!(unlisted.is_empty(), "unsafe code in {unlisted:?}; move it to where there is some, or list it");
    let without: Vec<_> = listed.difference(&found).collect();
    assert!(without.is_empty(), "no unsafe code in {without:?}; take them off the list");
}

#[test]
fn words_of_code_are_told_from_others() {
    for code in [
        "unsafe { f() }",
        "fn f() {} unsafe fn g() {}",
        "'a: loop { unsafe {} }",
        "f('\"'); unsafe {}",
        "\"\\\"\"; unsafe {}",
    ] {
        assert!(is_unsafe(code), "{code}");
    }
    for code in [
        "// unsafe\n",
        "/* /* */ unsafe */",
        "\"unsafe\"",
        "r#\"\" unsafe \"#",
        "b\"unsafe\"",
        "unsafe_code()",
        "an_unsafe",
        "'\\''; \"unsafe\"",
    ] {
        assert!(!is_unsafe(code), "{code}");
    }
}
