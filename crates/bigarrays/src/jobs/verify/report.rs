//! What verifying has found.

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind};
use crate::jobs::verify::comparison::Comparison;

/// The most findings of a kind that are kept; the others are counted.
const MOST: usize = 1000;

/// Findings of one kind: the first of them, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings<T> {
    /// A thousand at most, in no particular order.
    pub first: Vec<T>,
    /// How many there are in all.
    pub count: u64,
}

impl<T> Default for Findings<T> {
    fn default() -> Self {
        Self { first: Vec::new(), count: 0 }
    }
}

impl<T> Findings<T> {
    /// Adds one.
    pub(crate) fn push(&mut self, found: T) {
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(found);
        }
    }
}

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Metadata contradict their specification, or ask for what this version cannot do.
    Metadata,
    /// A chunk is damaged: its length, a checksum, its encoding.
    Chunk,
    /// A shard is damaged: its length, or an index.
    Shard,
    /// A chunk or a listing cannot be read.
    Unreadable,
    /// A chunk is not stored, where all should be.
    Missing,
    /// The index of names contradicts itself or the array.
    Names,
    /// Rows of an array that were reserved and never written.
    Unfinished,
    /// The array is marked as one that is not written to its end.
    Incomplete,
    /// Two arrays that should be the same differ.
    Different,
}

impl ProblemKind {
    /// The kind of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Metadata,
            Self::Chunk,
            Self::Shard,
            Self::Unreadable,
            Self::Missing,
            Self::Names,
            Self::Unfinished,
            Self::Incomplete,
            Self::Different,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }

    /// Its name, as in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Chunk => "chunk",
            Self::Shard => "shard",
            Self::Unreadable => "unreadable",
            Self::Missing => "missing",
            Self::Names => "names",
            Self::Unfinished => "unfinished",
            Self::Incomplete => "incomplete",
            Self::Different => "different",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: ProblemKind,
    /// The path or URL of the file or object, where one is at fault.
    pub key: Option<String>,
    /// The box of the chunk, if it is one.
    pub domain: Option<Domain>,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem of `kind` that an error tells of.
    pub(crate) fn of(kind: ProblemKind, error: &Error, key: Option<String>, domain: Option<Domain>) -> Self {
        Self { kind, key: key.or_else(|| error.key().map(str::to_owned)), domain, message: error.to_string() }
    }
}

/// A file or object that is no chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its path or URL.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What was found of one array, or one scale of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayReport {
    /// Its path or URL.
    pub url: String,
    /// The name of its format; empty if it could not be opened.
    pub format: &'static str,
    /// The key of the scale, if it is one.
    pub scale: Option<String>,
    /// The box that it covers, if it could be opened.
    pub domain: Option<Domain>,
    /// Chunks that there can be, where more data are stored than once of all copies.
    pub chunks: u64,
    /// Chunks that are stored, damaged ones included.
    pub stored: u64,
    /// Chunks that are not stored, which read as fill value.
    pub missing: u64,
    /// Bytes of the chunks that are stored.
    pub bytes: u64,
    /// Slices that have names, if the array is one of slices.
    pub names: Option<u64>,
    /// What is wrong.
    pub problems: Findings<Problem>,
    /// What dead writers left. It harms nobody but the disk.
    pub leftovers: Findings<Stray>,
    /// What lies among the chunks and is neither a chunk nor metadata. It harms nobody.
    pub strangers: Findings<Stray>,
    /// What is not as the specification has it, or seems odd, and is read nevertheless, in words.
    pub notes: Findings<String>,
    /// Whether the store could be listed. If not, leftovers and strangers were not looked for.
    pub listed: bool,
    /// How it compares with another array, if it was compared.
    pub comparison: Option<Comparison>,
}

impl ArrayReport {
    /// An empty report of `array`.
    pub(crate) fn of(array: &Array) -> Self {
        let scale = array.scales().get(array.scale());
        let mut notes = Findings::default();
        array.notes().iter().for_each(|note| notes.push(note.clone()));
        let mut problems = Findings::default();
        if let Some(known) = array.incomplete() {
            let message = format!("{known}; what is not written reads as fill value");
            let key = Some(array.store().location(""));
            problems.push(Problem { kind: ProblemKind::Incomplete, key, domain: None, message });
        }
        Self {
            notes,
            problems,
            format: array.format(),
            scale: scale.map(|scale| scale.key.clone()).filter(|key| !key.is_empty()),
            domain: Some(array.layout().domain().clone()),
            ..Self::unopened(array.url())
        }
    }

    /// The report of what could not be opened.
    pub(crate) fn unopened(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            format: "",
            scale: None,
            domain: None,
            chunks: 0,
            stored: 0,
            missing: 0,
            bytes: 0,
            names: None,
            problems: Findings::default(),
            leftovers: Findings::default(),
            strangers: Findings::default(),
            notes: Findings::default(),
            listed: false,
            comparison: None,
        }
    }

    /// Adds the problem that the comparison has found, if it has found one.
    pub(crate) fn note_comparison(&mut self) {
        let Some(comparison) = self.comparison.as_ref().filter(|found| !found.is_equal()) else { return };
        let message = match &comparison.mismatch {
            Some(mismatch) => format!("not of one shape: {mismatch}"),
            None => format!("{} of {} elements differ", comparison.different, comparison.elements),
        };
        let (kind, key) = (ProblemKind::Different, Some(comparison.url.clone()));
        self.problems.push(Problem { kind, key, domain: None, message });
    }

    /// Whether nothing is wrong. Leftovers and strangers are not, and missing chunks only if they were
    /// said to be.
    pub fn is_whole(&self) -> bool {
        self.problems.count == 0
    }

    /// Adds a problem that an error tells of.
    pub(crate) fn problem(&mut self, kind: ProblemKind, error: &Error, key: Option<String>) {
        self.problems.push(Problem::of(kind, error, key, None));
    }
}

/// What was found at a place: one report for each array, or scale of a layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The reports, in the order in which the arrays were met.
    pub arrays: Vec<ArrayReport>,
}

impl Report {
    /// Whether nothing is wrong with any array.
    pub fn is_whole(&self) -> bool {
        self.arrays.iter().all(ArrayReport::is_whole)
    }

    /// How many problems there are in all.
    pub fn problem_count(&self) -> u64 {
        self.arrays.iter().map(|array| array.problems.count).sum()
    }
}

/// The kind of problem of a chunk that an error tells of; the error itself if it tells of none.
///
/// # Errors
/// What says nothing of what is stored.
pub(crate) fn kind_of(error: Error) -> Result<(ProblemKind, Error), Error> {
    match error.kind() {
        ErrorKind::Cancelled | ErrorKind::MemoryBudget => Err(error),
        ErrorKind::CorruptData | ErrorKind::Unsupported | ErrorKind::InvalidArgument => {
            Ok((ProblemKind::Chunk, error))
        }
        _ => Ok((ProblemKind::Unreadable, error)),
    }
}
