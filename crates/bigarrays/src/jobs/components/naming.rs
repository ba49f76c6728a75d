//! The numbers of the components of a block, where they are written: all are known here, or another process has left those of the block.

use crate::base::error::{Error, Result};
use crate::compute::{Digest, Entries};
use crate::jobs::blockwise::{keep_words, kept_words};
use crate::jobs::components::scan::Scan;
use crate::jobs::components::table::{Known, Numbers};
use crate::jobs::geometry::Geometry;

/// Set for numbers of blocks whose numbers of components are left for others.
const NAMES: u64 = 1 << 62;

/// Words of what is known of a block: how many components it has, how many of them reach an end, and what it was read from.
const KNOWN: usize = 4;

/// Where the numbers of components come from.
#[derive(Clone, Copy)]
pub(super) enum Naming<'n> {
    /// All of them are known here.
    Found(&'n Numbers),
    /// Another process has left them, block by block.
    Left(&'n Entries<'n>),
}

impl Naming<'_> {
    /// What is known of a block, and its numbers if another process has left them.
    ///
    /// # Errors
    /// `CorruptData` if nothing is known; any error of files.
    pub(super) fn block(&self, number: u64) -> Result<(Known, Option<Vec<u64>>)> {
        let none = || Error::corrupt("a block that was not looked through in the first pass; run it again");
        match self {
            Self::Found(numbers) => Ok((numbers.block(number).ok_or_else(none)?, None)),
            Self::Left(entries) => {
                let words = kept_words(entries, NAMES | number)?.filter(|words| words.len() > KNOWN);
                let words = words.ok_or_else(none)?;
                let from = Digest(u128::from(words[3]) << 64 | u128::from(words[2]));
                let from = Some(from).filter(|from| *from != Digest::default());
                Ok((Known::left(words[0] as u32, words[1] as u32, from), Some(words[KNOWN..].to_vec())))
            }
        }
    }

    /// The numbers of the components of a block of which so much is known; that of background comes first.
    ///
    /// # Errors
    /// `CorruptData` if its elements have changed.
    pub(super) fn names(
        &self,
        (known, left): (Known, Option<Vec<u64>>),
        scan: &Scan,
        geometry: &Geometry,
    ) -> Result<Vec<u64>> {
        match (self, left) {
            (Self::Found(numbers), None) => numbers.of_block(&known, &scan.firsts(geometry)),
            (_, left) => Ok(left.unwrap_or_default()),
        }
    }
}

/// Leaves the numbers of the components of a block, whose first elements are given, to another process.
///
/// # Errors
/// Any error of files.
pub(super) fn leave_names(
    entries: &Entries<'_>,
    number: u64,
    numbers: &Numbers,
    firsts: &[u64],
) -> Result<()> {
    let none = || Error::invalid("a block that was not read");
    let known = numbers.block(number).ok_or_else(none)?;
    let Digest(from) = known.from.unwrap_or_default();
    let mut words = vec![known.count.into(), known.touching.into(), from as u64, (from >> 64) as u64];
    words.extend(numbers.of_block(&known, firsts)?);
    keep_words(entries, NAMES | number, &words)
}
