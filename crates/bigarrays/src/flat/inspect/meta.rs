//! The first two pages: what is known of the trees.

use super::bytes::{HEADER, Source, u16_at, u32_at, u64_at, unread, wrong};
use crate::base::error::Result;

pub(in crate::flat) const MAGIC: u32 = 0xBEEF_C0DE;
/// Where the first page says so.
pub(in crate::flat) const MAGIC_AT: usize = HEADER;
const VERSION: u32 = 1;
const META: usize = HEADER + 136;
const META_PAGE: u16 = 8;
pub(in crate::flat) const LARGEST_PAGE: usize = 1 << 15;
pub(in crate::flat) const NO_PAGE: u64 = u64::MAX;
/// LMDB's cursors are no deeper.
const DEEPEST: u16 = 32;
/// How often a file is looked at that others write.
pub(in crate::flat) const LOOKS: usize = 20;

/// What is known of a tree.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::flat) struct Tree {
    pub(in crate::flat) pad: u32,
    pub(in crate::flat) flags: u16,
    pub(in crate::flat) depth: u16,
    pub(in crate::flat) entries: u64,
    pub(in crate::flat) root: u64,
}

impl Tree {
    pub(in crate::flat) const LENGTH: usize = 48;

    pub(in crate::flat) fn parse(bytes: &[u8]) -> Self {
        Self {
            pad: u32_at(bytes, 0),
            flags: u16_at(bytes, 4),
            depth: u16_at(bytes, 6),
            entries: u64_at(bytes, 32),
            root: u64_at(bytes, 40),
        }
    }

    pub(in crate::flat) fn check(&self, pad: u32, flags: u16) -> Result<()> {
        let is_empty = self.root == NO_PAGE;
        let fits = if is_empty { self.depth == 0 && self.entries == 0 } else { self.depth > 0 };
        if self.pad == pad && self.flags == flags && fits && self.depth <= DEEPEST {
            return Ok(());
        }
        Err(wrong("what is said of a tree cannot be"))
    }
}

#[derive(Debug, PartialEq)]
pub(in crate::flat) struct Meta {
    pub(in crate::flat) page: usize,
    pub(in crate::flat) free: Tree,
    pub(in crate::flat) main: Tree,
    pub(in crate::flat) last: u64,
    pub(in crate::flat) transaction: u64,
}

impl Meta {
    /// The one that counts.
    pub(in crate::flat) fn newest(source: &dyn Source) -> Result<Self> {
        let mut both = Self::both(source)?;
        // Somebody may be writing one just now.
        for _ in 0..LOOKS {
            let again = Self::both(source)?;
            if again == both {
                break;
            }
            both = again;
        }
        let [first, second] = both;
        if first.page != second.page {
            return Err(wrong("its two first pages contradict each other"));
        }
        Ok(if first.transaction >= second.transaction { first } else { second })
    }

    fn both(source: &dyn Source) -> Result<[Self; 2]> {
        let first = Self::parse(source, 0, 0)?;
        let second = Self::parse(source, first.page as u64, 1)?;
        Ok([first, second])
    }

    pub(in crate::flat) fn parse(source: &dyn Source, at: u64, number: u64) -> Result<Self> {
        let mut bytes = [0; META];
        source.read_at(&mut bytes, at).map_err(unread)?;
        let meta = &bytes[HEADER..];
        let (free, main) = (Tree::parse(&meta[24..]), Tree::parse(&meta[24 + Tree::LENGTH..]));
        let page = free.pad as usize;
        let (last, transaction) = (u64_at(meta, 120), u64_at(meta, 128));
        let is_meta = u16_at(&bytes, 10) == META_PAGE && u64_at(&bytes, 0) == number;
        let is_lmdb = u32_at(meta, 0) == MAGIC && u32_at(meta, 4) == VERSION;
        let is_page = page.is_power_of_two() && (512..=LARGEST_PAGE).contains(&page);
        // The pages take turns; both are of transaction 0 in a new file.
        let is_turn = transaction == 0 || (transaction & 1 == number && transaction < u64::MAX - 1);
        if !(is_meta && is_lmdb && is_page && is_turn && (1..=i64::MAX as u64 / page as u64).contains(&last))
        {
            return Err(wrong(format!("page {number} is not the start of an index")));
        }
        Ok(Self { page, free, main, last, transaction })
    }
}
