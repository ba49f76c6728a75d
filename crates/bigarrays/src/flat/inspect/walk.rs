//! Walking through all trees.

use std::collections::HashSet;

use super::bytes::{HEADER, Source, u16_at, u32_at, u64_at, unread, wrong};
use super::meta::{LOOKS, Meta, NO_PAGE, Tree};
use super::page::{BIG, Node, node_at, nodes};
use crate::base::error::{Error, Result};
use crate::flat::record::{LONGEST_METADATA, LONGEST_NAME, MOST_ARRAYS};

const BRANCH: u16 = 1;
pub(in crate::flat) const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
pub(in crate::flat) const SUBTREE: u16 = 2;
const INTEGER_KEYS: u16 = 8;
/// Of larger files, the leaves of the tables are not looked at, which are nearly all.
const LARGEST_IN_FULL: u64 = 1 << 28;

/// Looks at the whole file, again while others change it: an error may be one of a state that was never whole, and
/// is final only if nobody writes.
///
/// # Errors
/// `CorruptData` says what is wrong, and those of reading.
pub(in crate::flat) fn inspect(source: &dyn Source) -> Result<()> {
    if !cfg!(all(target_pointer_width = "64", target_endian = "little")) {
        // Other machines have other files, which are not known here.
        return Ok(());
    }
    let mut looks = 0;
    loop {
        looks += 1;
        let mut transaction = None;
        let looked = Meta::newest(source).and_then(|meta| {
            transaction = Some(meta.transaction);
            Inspector::new(source, &meta)?.all(&meta)
        });
        let is_changed = || Meta::newest(source).map_or(true, |now| Some(now.transaction) != transaction);
        if looked.is_ok() || looks == LOOKS || !is_changed() {
            return looked;
        }
    }
}

/// What a tree is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    Free,
    Main,
    Facts,
    Meta,
    Names,
    Order,
}

/// The tables, in the order in which the main tree has them. That of metadata may be missing.
const TABLES: [(&[u8], Use); 4] =
    [(b"facts", Use::Facts), (b"meta", Use::Meta), (b"names", Use::Names), (b"order", Use::Order)];

struct Inspector<'a> {
    source: &'a dyn Source,
    page: usize,
    /// Pages that the file has, of those up to the last.
    pages: u64,
    last: u64,
    transaction: u64,
    in_full: bool,
    /// A bit for each page that was come upon.
    seen: Vec<u64>,
    /// Free pages that the file does not have.
    beyond: HashSet<u64>,
}

/// A walk through one tree.
struct Walk<'a> {
    what: Use,
    depth: u16,
    entries: u64,
    /// What comes next is larger than this, or as large.
    floor: Vec<u8>,
    or_equal: bool,
    found: &'a mut dyn FnMut(&mut Inspector<'_>, &Node<'_>) -> Result<()>,
}

impl<'a> Inspector<'a> {
    fn new(source: &'a dyn Source, meta: &Meta) -> Result<Self> {
        // After the first pages were read: what they know of is in the file.
        let length = source.len().map_err(unread)?;
        let pages = (length / meta.page as u64).min(meta.last + 1);
        Ok(Self {
            source,
            page: meta.page,
            pages,
            last: meta.last,
            transaction: meta.transaction,
            in_full: length <= LARGEST_IN_FULL,
            seen: vec![0; (pages as usize).div_ceil(64)],
            beyond: HashSet::new(),
        })
    }

    fn all(&mut self, meta: &Meta) -> Result<()> {
        (0..2).try_for_each(|number| self.mark(number))?;
        meta.free.check(self.page as u32, INTEGER_KEYS)?;
        meta.main.check(0, 0)?;
        let mut tables = Vec::new();
        self.walk(Use::Main, &meta.main, &mut |_, node| {
            tables.push((node.key.to_vec(), Tree::parse(node.data)));
            Ok(())
        })?;
        let has_meta = tables.len() == TABLES.len();
        let expected = || TABLES.into_iter().filter(|(_, what)| has_meta || *what != Use::Meta);
        if !tables.iter().map(|(name, _)| &name[..]).eq(expected().map(|(name, _)| name)) {
            return Err(wrong("it has other tables than an index of names"));
        }
        for ((_, tree), (_, what)) in tables.iter().zip(expected()) {
            tree.check(0, 0)?;
            self.walk(what, tree, &mut |this, node| match (what, node.flags) {
                (Use::Meta, BIG) => this.overflow(node).map(drop),
                _ => Ok(()),
            })?;
        }
        // Last: what is free must not have been come upon.
        self.walk(Use::Free, &meta.free, &mut |this, node| this.free(node))?;
        if self.beyond.len() as u64 != self.last + 1 - self.pages {
            return Err(wrong(format!(
                "it has {} pages where {} are expected; it was cut short",
                self.pages,
                self.last + 1
            )));
        }
        Ok(())
    }

    fn walk(
        &mut self,
        what: Use,
        tree: &Tree,
        found: &mut dyn FnMut(&mut Inspector<'_>, &Node<'_>) -> Result<()>,
    ) -> Result<()> {
        if tree.root == NO_PAGE {
            return Ok(());
        }
        let mut walk =
            Walk { what, depth: tree.depth, entries: 0, floor: Vec::new(), or_equal: false, found };
        self.visit(&mut walk, tree.root, 1)?;
        let is_counted = self.in_full || matches!(what, Use::Free | Use::Main);
        if is_counted && walk.entries != tree.entries {
            return Err(wrong(format!(
                "a tree has {} entries where {} are said",
                walk.entries, tree.entries
            )));
        }
        Ok(())
    }

    /// Looks at a page of a tree and all below it.
    fn visit(&mut self, walk: &mut Walk<'_>, number: u64, level: u16) -> Result<()> {
        self.mark(number)?;
        let is_leaf = level == walk.depth;
        if is_leaf && !self.in_full && matches!(walk.what, Use::Meta | Use::Names | Use::Order) {
            return Ok(());
        }
        let page = self.read(number, if is_leaf { LEAF } else { BRANCH }, self.page)?;
        let at = |error: Error| wrong(format!("page {number}: {error}"));
        let nodes = nodes(&page, is_leaf).map_err(at)?;
        // Only the free tree may have a branch with one child.
        if nodes.len() < if is_leaf || walk.what == Use::Free { 1 } else { 2 } {
            return Err(at(wrong("too few nodes")));
        }
        for (k, &offset) in nodes.iter().enumerate() {
            let node = node_at(&page, usize::from(offset), is_leaf).map_err(at)?;
            if is_leaf {
                walk.entry(&node).map_err(at)?;
                (walk.found)(self, &node).map_err(at)?;
            } else {
                if k > 0 {
                    walk.rise(node.key, true).map_err(at)?;
                }
                self.visit(walk, node.child, level + 1)?;
            }
        }
        Ok(())
    }

    /// Looks at a list of free pages: how many, then their numbers, the greatest first.
    fn free(&mut self, node: &Node<'_>) -> Result<()> {
        let transaction = u64_at(node.key, 0);
        if transaction == 0 || transaction > self.transaction {
            return Err(wrong("pages were freed by a transaction that has not been"));
        }
        let words = if node.flags == BIG { self.overflow(node)? } else { node.data.to_vec() };
        let count = u64_at(&words, 0);
        if words.len() % 8 != 0 || words.is_empty() || count > words.len() as u64 / 8 - 1 {
            return Err(wrong("a list of free pages is longer than its room"));
        }
        let mut before = u64::MAX;
        for word in words.chunks_exact(8).skip(1).take(count as usize) {
            let number = u64_at(word, 0);
            if number >= before || number > self.last {
                return Err(wrong("a list of free pages is out of order"));
            }
            before = number;
            if number < self.pages {
                self.mark(number)?;
            } else if !self.beyond.insert(number) {
                return Err(wrong(format!("page {number} is free twice")));
            }
        }
        Ok(())
    }

    /// The data of a node that lie in pages of their own.
    fn overflow(&mut self, node: &Node<'_>) -> Result<Vec<u8>> {
        let first = u64_at(node.data, 0);
        let count = (HEADER as u64 - 1 + node.length) / self.page as u64 + 1;
        let end = first.checked_add(count).filter(|&end| end <= self.pages);
        let end = end.ok_or_else(|| wrong("data reach beyond the last page"))?;
        (first..end).try_for_each(|number| self.mark(number))?;
        let page = self.read(first, OVERFLOW, HEADER + node.length as usize)?;
        if u64::from(u32_at(&page, 12)) != count {
            return Err(wrong(format!("page {first} says another number of pages")));
        }
        Ok(page[HEADER..].to_vec())
    }

    /// Notes that a page is in use, or free.
    fn mark(&mut self, number: u64) -> Result<()> {
        let slot = self.seen.get_mut((number / 64) as usize).filter(|_| number < self.pages);
        let slot = slot.ok_or_else(|| wrong(format!("page {number} is not there")))?;
        let bit = 1 << (number % 64);
        if *slot & bit != 0 {
            return Err(wrong(format!("page {number} is used twice")));
        }
        *slot |= bit;
        Ok(())
    }

    fn read(&self, number: u64, flags: u16, length: usize) -> Result<Vec<u8>> {
        let mut page = vec![0; length];
        self.source.read_at(&mut page, number * self.page as u64).map_err(unread)?;
        if u64_at(&page, 0) != number || u16_at(&page, 10) != flags {
            return Err(wrong(format!("page {number} is not what others say it is")));
        }
        Ok(page)
    }
}

impl Walk<'_> {
    /// An error if `key` does not come after what came before.
    fn rise(&mut self, key: &[u8], or_equal: bool) -> Result<()> {
        let swapped;
        let key = match self.what {
            Use::Free => {
                swapped = u64_at(key, 0).to_be_bytes();
                &swapped[..]
            }
            _ => key,
        };
        if key < &self.floor[..] || (key == &self.floor[..] && !self.or_equal) {
            return Err(wrong("keys are out of order"));
        }
        self.floor.clear();
        self.floor.extend_from_slice(key);
        self.or_equal = or_equal;
        Ok(())
    }

    /// Looks at a node of a leaf.
    fn entry(&mut self, node: &Node<'_>) -> Result<()> {
        let key_fits = match self.what {
            Use::Free | Use::Order => node.key.len() == 8,
            _ => (1..=LONGEST_NAME).contains(&node.key.len()),
        };
        let flags_fit = match self.what {
            Use::Free | Use::Meta => node.flags & !BIG == 0,
            Use::Main => node.flags == SUBTREE,
            _ => node.flags == 0,
        };
        let data_fit = match self.what {
            Use::Free => node.length >= 8,
            Use::Main => node.data.len() == Tree::LENGTH,
            Use::Facts => true,
            Use::Meta => (1..=LONGEST_METADATA as u64).contains(&node.length),
            Use::Names => {
                (32..=16 + 16 * MOST_ARRAYS).contains(&node.data.len()) && node.data.len().is_multiple_of(16)
            }
            Use::Order => (25..=8 + 16 * MOST_ARRAYS + LONGEST_NAME).contains(&node.data.len()),
        };
        if !(key_fits && flags_fit && data_fit) {
            return Err(wrong("an entry that no index has"));
        }
        self.entries += 1;
        self.rise(node.key, false)
    }
}
