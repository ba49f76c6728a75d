//! Other numbers for labels: by a table, or one after the other.

use crate::array::Array;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::{Digest, Entries, LabelTable, Lookup, Unlisted, identity_of};
use crate::jobs::blockwise::{Blockwise, Writing};
use crate::jobs::labels::options::{LabelOptions, Numbering};
use crate::jobs::labels::reading::{RUN, config};
use crate::jobs::labels::statistics::{collected, firsts};
use crate::jobs::labels::word::{Label, element, for_label, no_labels};
use crate::jobs::sharing::{Sharing, entries};
use crate::run::budget;

/// Set for numbers of blocks that are written.
const WRITTEN: u64 = 1 << 63;

/// Writes to `target` what the labels of `source` become by a table, and what those that are not in it become by `unlisted`. Label 0
/// stays 0 unless the table names it. Where nothing is stored, nothing is done, unless missing labels become others.
///
/// ```
/// use bigarrays::compute::{LabelTable, Unlisted};
/// use bigarrays::jobs::{LabelOptions, relabel};
/// use bigarrays::ndarray::array;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let create = |url: &str, dtype| {
///     OpenOptions::new().format("zarr3").create(url, &CreateSpec::new(dtype, "0:5".parse()?))
/// };
/// let (labels, target) = (create("memory://relabel/a", DataType::U8)?, create("memory://relabel/b", DataType::U64)?);
/// labels.write(&[0], array![0u8, 3, 9, 3, 4].view())?;
/// let table = LabelTable::new([(3, 1 << 60), (9, 2)])?;
/// relabel(&labels, &target, &table, Unlisted::Keep, &LabelOptions::default())?;
/// assert_eq!(target.read::<u64>(target.domain())?.into_data(), array![0, 1 << 60, 2, 1 << 60, 4].into_dyn());
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if shapes differ, elements are no whole numbers, or a label is or becomes what the target does not reach, or is not in
/// the table and is to be refused; `MemoryBudget` before anything is read; `Cancelled`; those of reading and writing.
pub fn relabel(
    source: &Array,
    target: &Array,
    table: &LabelTable,
    unlisted: Unlisted,
    options: &LabelOptions<'_>,
) -> Result<()> {
    let target_type = target.dtype();
    for_label!(source.dtype(), T => {
        let words = match options.sharing {
            Some(sharing) if sharing.own_pass().is_some() => Words::given(sharing, unlisted, target_type)?,
            _ => Words::of::<T>(table, unlisted, target_type)?,
        };
        let memory = budget::of_job(options.memory);
        let memory = options.sharing.map_or(memory, |sharing| sharing.memory(memory));
        // The table as it is given, and as it is looked up.
        let room = memory.saturating_sub(words.bytes()).saturating_sub(table.bytes());
        let blocks = blocks::<T>(source, target, room, words.of_fill::<T>(source, target), options)?;
        if options.dry_run {
            return Ok(());
        }
        let key = config("relabel", &blocks, options)
            .with("target", identity_of(target))
            .with("table", Digest::of_text(&format!("{unlisted:?} {:?}", words.digest().0)))
            .key();
        let entries = entries((options.journal, options.sharing), &key);
        options.sharing.map_or(Ok(()), |sharing| words.give(sharing))?;
        write::<T>(&blocks, &words, entries.as_ref(), (options, (0, 1)))?;
        end(&blocks, &key, options)
    })
}

/// Writes to `target` the labels of `source` as 1, 2, 3 and so on, in the order that `by` says, and background as 0. Returns which
/// label became which.
///
/// ```
/// use bigarrays::jobs::{LabelOptions, Numbering, renumber};
/// use bigarrays::ndarray::array;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let create = |url: &str, dtype| {
///     OpenOptions::new().format("zarr3").create(url, &CreateSpec::new(dtype, "0:5".parse()?))
/// };
/// let (labels, target) = (create("memory://renumber/a", DataType::U64)?, create("memory://renumber/b", DataType::U8)?);
/// labels.write(&[0], array![0u64, 1 << 60, 9, 1 << 60, 4].view())?;
/// let table = renumber(&labels, &target, Numbering::First, &LabelOptions::default())?;
/// assert_eq!(target.read::<u8>(target.domain())?.into_data(), array![0u8, 1, 2, 1, 3].into_dyn());
/// assert_eq!(table.iter().collect::<Vec<_>>(), [(4, 3), (9, 2), (1 << 60, 1)]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// As [`relabel`]; `InvalidArgument` if the target has fewer numbers than there are labels; `MemoryBudget` before anything is written if
/// there are too many labels.
pub fn renumber(
    source: &Array,
    target: &Array,
    by: Numbering,
    options: &LabelOptions<'_>,
) -> Result<LabelTable> {
    for_label!(source.dtype(), T => {
        let ground = element::<T>(options.ground())?;
        let memory = budget::of_job(options.memory);
        let stays = T::of_bytes(source.layout().fill.as_bytes()) == ground && target.layout().fill.is_zero();
        // The rest is for labels.
        let blocks = blocks::<T>(source, target, memory - memory / 4, stays, options)?;
        if options.dry_run {
            return Ok(LabelTable::default());
        }
        let key = config("renumber", &blocks, options)
            .with("target", identity_of(target))
            .with("by", by.name())
            .key();
        let entries = entries((options.journal, options.sharing), &key);
        let room = blocks.room(memory);
        if let Some((sharing, 1)) = options.sharing.and_then(|sharing| Some((sharing, sharing.own_pass()?))) {
            let words = Words::given(sharing, Unlisted::Refuse, target.dtype())?;
            write::<T>(&blocks, &words, entries.as_ref(), (options, (1, 2)))?;
            return Ok(LabelTable::default());
        }
        let tally = collected(&blocks, ground, room / 2, entries.as_ref(), (options, (0, 2)))?;
        if blocks.does_share() {
            return Ok(LabelTable::default());
        }
        let found = firsts(&tally, source.dtype());
        drop(tally);
        let table = numbered(found, by)?;
        let all = table.iter().chain([(ground.wide().into(), 0)]);
        let words = Words::of::<T>(&LabelTable::new(all)?, Unlisted::Refuse, target.dtype())?;
        options.sharing.map_or(Ok(()), |sharing| words.give(sharing))?;
        write::<T>(&blocks, &words, entries.as_ref(), (options, (1, 2)))?;
        end(&blocks, &key, options)?;
        Ok(table)
    })
}

/// The labels, given with their first voxels, and the number of each.
fn numbered(mut found: Vec<(i128, u64)>, by: Numbering) -> Result<LabelTable> {
    match by {
        Numbering::First => found.sort_unstable_by_key(|one| one.1),
        Numbering::Value => found.sort_unstable(),
    }
    LabelTable::new(found.into_iter().map(|one| one.0).zip(1..))
}

/// The blocks of labels that become others.
fn blocks<'a, T: Label>(
    source: &Array,
    target: &'a Array,
    room: u64,
    stays: bool,
    options: &LabelOptions<'a>,
) -> Result<Blockwise<'a>> {
    let held = (size_of::<T>() + target.dtype().size()) as u64 + RUN;
    Blockwise::new(source, target, (room, held), stays, options.sharing)
}

/// Notes that all is done, if it is.
fn end(blocks: &Blockwise<'_>, key: &str, options: &LabelOptions<'_>) -> Result<()> {
    if blocks.does_share() {
        return Ok(());
    }
    blocks.source.expect_as_opened()?;
    options.journal.map_or(Ok(()), |journal| journal.note_done(key))?;
    blocks.target.complete_if_whole()
}

/// The name under which a table is given to others.
const TABLE: &str = "table";

/// A table as words of 64 bits.
struct Words {
    names: Vec<u64>,
    values: Vec<u64>,
    unlisted: Unlisted,
    to: DataType,
}

impl Words {
    fn of<T: Label>(table: &LabelTable, unlisted: Unlisted, to: DataType) -> Result<Self> {
        use DataType::{I8, I16, I32, I64, U8, U16, U32, U64};
        if !matches!(to, U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64) {
            return Err(no_labels(to));
        }
        unlisted.expect_in(to)?;
        let (names, values) = table.words(T::DTYPE, to)?;
        Ok(Self { names, values, unlisted, to })
    }

    /// Gives them to the processes that share the work, if this one leads.
    fn give(&self, sharing: &Sharing) -> Result<()> {
        if sharing.own_pass().is_some() {
            return Ok(());
        }
        sharing.give(TABLE, bytemuck::cast_slice(&[&self.names[..], &self.values[..]].concat()))
    }

    /// Those that the one who leads has given.
    fn given(sharing: &Sharing, unlisted: Unlisted, to: DataType) -> Result<Self> {
        let bytes = sharing.given(TABLE)?;
        let word = |word: &[u8]| u64::from_ne_bytes(word.try_into().unwrap_or_default());
        let mut names: Vec<u64> = bytes.chunks_exact(8).map(word).collect();
        let values = names.split_off(names.len() / 2);
        Ok(Self { names, values, unlisted, to })
    }

    fn bytes(&self) -> u64 {
        8 * (self.names.len() + self.values.len()) as u64
    }

    fn digest(&self) -> Digest {
        let mut sum = Digest::of_bytes(bytemuck::cast_slice(&self.names));
        sum.add("values", Some(Digest::of_bytes(bytemuck::cast_slice(&self.values)).0));
        sum
    }

    /// The word that a label becomes.
    fn one<T: Label>(&self, label: T) -> Result<u64> {
        if T::DTYPE == DataType::U64 {
            let names: &[u64] = &self.names;
            Lookup { names, values: &self.values, unlisted: self.unlisted, to: self.to }.one(label.word())
        } else {
            let names: &[i64] = bytemuck::cast_slice(&self.names);
            Lookup { names, values: &self.values, unlisted: self.unlisted, to: self.to }
                .one(label.word() as i64)
        }
    }

    /// Whether missing labels become missing ones.
    fn of_fill<T: Label>(&self, source: &Array, target: &Array) -> bool {
        let size = target.dtype().size();
        let becomes = self.one(T::of_bytes(source.layout().fill.as_bytes()));
        becomes.is_ok_and(|word| &bytes_of(word, size)[..size] == target.layout().fill.as_bytes())
    }
}

/// The bytes of an element of this size, in the order of the machine.
fn bytes_of(word: u64, size: usize) -> [u8; 8] {
    let mut bytes = [0; 8];
    match size {
        1 => bytes[0] = word as u8,
        2 => bytes[..2].copy_from_slice(&(word as u16).to_ne_bytes()),
        4 => bytes[..4].copy_from_slice(&(word as u32).to_ne_bytes()),
        _ => bytes = word.to_ne_bytes(),
    }
    bytes
}

/// Writes all blocks.
fn write<T: Label>(
    blocks: &Blockwise<'_>,
    words: &Words,
    entries: Option<&Entries<'_>>,
    (options, pass): (&LabelOptions<'_>, (u64, u64)),
) -> Result<()> {
    let table = words.digest();
    let with_table = |from: Option<Digest>| {
        from.map(|mut from| {
            from.add("table", Some(table.0));
            from
        })
    };
    let writing = Writing {
        pass: pass.0,
        entries,
        mark: WRITTEN,
        from: &|_, block| Ok(with_table(Some(blocks.versions(block)?))),
        make: &|_, block, target| {
            let (elements, from) = blocks.read::<T>(block)?;
            let bytes = match target.dtype().size() {
                1 => becoming::<T, 1>(&elements, words),
                2 => becoming::<T, 2>(&elements, words),
                4 => becoming::<T, 4>(&elements, words),
                _ => becoming::<T, 8>(&elements, words),
            }?;
            drop(elements);
            blocks.put(block, target, &bytes)?;
            Ok(with_table(from))
        },
        found: &|_, _: &Domain| Ok(()),
    };
    blocks.write(&|progress| options.tell(pass, progress), &writing).map(drop)
}

/// The bytes of what labels become, elements of `N` bytes.
fn becoming<T: Label, const N: usize>(labels: &[T], words: &Words) -> Result<Vec<u8>> {
    let mut out: Vec<[u8; N]> = Vec::with_capacity(labels.len());
    let mut last: Option<(T, [u8; N])> = None;
    for &label in labels {
        // Neighbours often have the same label.
        let bytes = match last {
            Some((known, bytes)) if known == label => bytes,
            _ => {
                let all = bytes_of(words.one(label)?, N);
                let mut bytes = [0; N];
                bytes.copy_from_slice(&all[..N]);
                bytes
            }
        };
        last = Some((label, bytes));
        out.push(bytes);
    }
    if out.len() != labels.len() {
        return Err(Error::invalid("labels that became nothing"));
    }
    Ok(out.into_flattened())
}
