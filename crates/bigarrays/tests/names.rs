//! One word for one thing: the table in `docs/names.md` has every option of the library, of the Python package and
//! of the command line, and nothing that is not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/sources.rs"]
mod code_files;
#[path = "common/option_names.rs"]
mod option_names;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use option_names::{long_options, module_parameters, of_rust, parameters};

/// The faces, in the order of the table's columns.
const FACES: [&str; 3] = ["Rust", "Python", "command line"];

/// A row of the table: the names of one thing in each face.
#[derive(Debug)]
struct Row {
    what: String,
    names: [Vec<String>; 3],
    /// Why the faces have other words, if they do.
    reason: Option<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The rows of all tables of `text`: four columns, and a fifth for a reason.
fn rows(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let names =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let lines = text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|--"));
    let is_row = |cells: &Vec<String>| cells.len() >= 4 && cells[1] != FACES[0];
    let row = |cells: Vec<String>| Row {
        what: cells[0].clone(),
        names: [names(&cells[1]), names(&cells[2]), names(&cells[3])],
        reason: cells.get(4).cloned(),
    };
    lines.map(cells).filter(is_row).map(row).collect()
}

/// What is wrong with a table, given the names that each face has.
fn faults(rows: &[Row], actual: &[BTreeSet<String>; 3]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (at, face) in FACES.iter().enumerate() {
        let listed: BTreeSet<String> = rows.iter().flat_map(|row| row.names[at].iter().cloned()).collect();
        faults
            .extend(actual[at].difference(&listed).map(|name| format!("{face}: {name} is not in the table")));
        faults.extend(listed.difference(&actual[at]).map(|name| format!("{face}: there is no {name}")));
    }
    for row in rows {
        let words: BTreeSet<String> = row.names.iter().flatten().map(|name| word(name)).collect();
        if words.len() > 1 && row.reason.as_ref().is_none_or(String::is_empty) {
            faults.push(format!("{}: {words:?} for one thing", row.what));
        }
        for word in words {
            if let Some(other) = seen.insert(word.clone(), &row.what) {
                faults.push(format!("{word}: for {other} and for {}", row.what));
            }
        }
    }
    faults
}

/// A name without what faces put around it: `--no-lock` is `lock`.
fn word(name: &str) -> String {
    let name = name.trim_start_matches("--");
    name.strip_prefix("no-").unwrap_or(name).replace('-', "_")
}

/// The names that each face has.
fn actual() -> [BTreeSet<String>; 3] {
    let read = |folder: &str| -> Vec<String> {
        let mut files = Vec::new();
        code_files::sources(&repository().join("crates").join(folder), &mut files);
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    };
    let python = repository().join("crates/bigarrays-python/python/bigarrays");
    let is_stub = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pyi");
    let stubs = std::fs::read_dir(&python).unwrap().map(|entry| entry.unwrap().path()).filter(is_stub);
    let of_stubs = stubs.flat_map(|stub| parameters(&std::fs::read_to_string(stub).unwrap()));
    // Modules that users call; `bigarray.py` has the names of another package.
    let modules = [
        "_batches.py",
        "_components.py",
        "_contrast.py",
        "_editing.py",
        "_label_jobs.py",
        "_pictures.py",
        "_plan.py",
        "_remap.py",
        "_viewing.py",
        "torch.py",
        "xarray.py",
    ];
    let of_modules = modules
        .iter()
        .flat_map(|name| module_parameters(&std::fs::read_to_string(python.join(name)).unwrap()));
    [
        of_rust(&[read("bigarrays/src"), read("bigarrays-serve/src")].concat()),
        of_stubs.chain(of_modules).collect(),
        long_options(&read("bigarrays-cli/src")),
    ]
}

#[test]
fn the_table_is_complete_and_true() {
    let table = std::fs::read_to_string(repository().join("docs/names.md")).unwrap();
    let (rows, actual) = (rows(&table), actual());
    for (names, face) in actual.iter().zip(FACES) {
        assert!(names.len() > 20, "only {names:?} in {face}: does this test still see them?");
    }
    assert_eq!(faults(&rows, &actual), Vec::<String>::new());
}

#[test]
fn planted_faults_are_found() {
    let rust = "pub struct CopyOptions { pub check: bool, hidden: u8 } pub struct Other { pub other: u8 }
        impl OpenOptions { pub fn strict(mut self, on: bool) -> Self { self } pub fn open(&self) {} }";
    let python = "def copy(source: Array, *, check: bool = False, when: Callable[[int, int], None]) -> None:
        \"\"\"Not (these: ones).\"\"\"\nclass A:\n    def __len__(self, n: int) -> int: ...\n    def f(self, *axes: int) -> None: ...";
    let cli = "#[derive(Args)] struct A { #[arg(long, value_name = \"N\")] check_all: bool, #[arg(long = \"box\")] part: u8,
        #[arg(short)] quiet: bool, url: String }";
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(of_rust(&[rust.to_owned()]), set(&["check", "strict"]));
    assert_eq!(
        parameters(python).into_iter().collect::<BTreeSet<_>>(),
        set(&["source", "check", "when", "axes"])
    );
    assert_eq!(long_options(&[cli.to_owned()]), set(&["--check-all", "--box"]));
    let module = "\nclass Data(Base):\n    \"\"\"Some.\n\n    Args:\n        made: One.\n    \"\"\"\n
    def __init__(self, made: int, **more: Any) -> None:\n        def inner(hidden: int): ...\n
    def method(\n        self,\n        *,\n        asked: bool = False,\n    ) -> None: ...\n
class Given:\n    def __init__(self, read: int) -> None: ...\n
class _Own:\n    def method(self, own: int) -> None: ...\n
def _own(own: int) -> None: ...\ndef function(given: int) -> None:\n    def inner(hidden: int): ...\n";
    let of_module: BTreeSet<_> = module_parameters(module).into_iter().collect();
    assert_eq!(of_module, set(&["made", "asked", "given"]));

    let table =
        |lines: &str| rows(&format!("| what | Rust | Python | command line |\n|--|--|--|--|\n{lines}"));
    let actual = [set(&["check"]), set(&["check"]), set(&["--no-check"])];
    assert_eq!(faults(&table("| a | `check` | `check` | `--no-check` |"), &actual), Vec::<String>::new());
    let missing = faults(&table("| a | `check` | – | `--no-check` |\n| b | – | `chek` | – |"), &actual);
    assert_eq!(missing, ["Python: check is not in the table", "Python: there is no chek"]);
    let actual = [set(&["check"]), set(&["verify"]), set(&["--check"])];
    let faulty = table("| a | `check` | `verify` | – |\n| b | – | – | `--check` |");
    assert_eq!(
        faults(&faulty, &actual),
        ["a: {\"check\", \"verify\"} for one thing", "check: for a and for b"]
    );
    let reasoned = table("| a | `check` | `verify` | `--check` | Python has it |");
    assert_eq!(faults(&reasoned, &actual), Vec::<String>::new());
}
