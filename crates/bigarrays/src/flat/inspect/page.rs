//! One page of a tree: its nodes.

use super::bytes::{HEADER, u16_at, u32_at, wrong};
use super::meta::LARGEST_PAGE;
use crate::base::error::Result;

/// Says of a node that its data lie in pages of their own.
pub(in crate::flat) const BIG: u16 = 1;

pub(in crate::flat) struct Node<'a> {
    pub(in crate::flat) key: &'a [u8],
    pub(in crate::flat) flags: u16,
    pub(in crate::flat) data: &'a [u8],
    pub(in crate::flat) length: u64,
    pub(in crate::flat) child: u64,
}

/// The offsets of a page's nodes, which lie side by side up to its end.
pub(in crate::flat) fn nodes(page: &[u8], is_leaf: bool) -> Result<Vec<u16>> {
    let (lower, upper) = (usize::from(u16_at(page, 12)), usize::from(u16_at(page, 14)));
    if lower < HEADER || lower % 2 != 0 || upper < lower || upper > page.len() {
        return Err(wrong("bounds that cannot be"));
    }
    let offsets: Vec<u16> = page[HEADER..lower].chunks_exact(2).map(|two| u16_at(two, 0)).collect();
    let mut starts = [0u64; LARGEST_PAGE / 64];
    for &offset in &offsets {
        if let Some(word) = starts.get_mut(usize::from(offset) / 64) {
            *word |= 1 << (offset % 64);
        }
    }
    let mut end = upper;
    for _ in &offsets {
        if starts.get(end / 64).is_none_or(|word| word >> (end % 64) & 1 == 0) {
            return Err(wrong("nodes that overlap, or gaps between them"));
        }
        let node = node_at(page, end, is_leaf)?;
        end += (8 + node.key.len() + node.data.len()).next_multiple_of(2);
    }
    if end == page.len() { Ok(offsets) } else { Err(wrong("nodes that end elsewhere than the page")) }
}

pub(in crate::flat) fn node_at(page: &[u8], offset: usize, is_leaf: bool) -> Result<Node<'_>> {
    let reaches_beyond = || wrong("a node that reaches beyond the page");
    let header = page.get(offset..offset + 8).ok_or_else(reaches_beyond)?;
    let low = u64::from(u32_at(header, 0));
    let (flags, key) = (u16_at(header, 4), usize::from(u16_at(header, 6)));
    let length = match (is_leaf, flags & BIG) {
        (false, _) => 0,
        (true, 0) => usize::try_from(low).map_err(|_| reaches_beyond())?,
        (true, _) => 8,
    };
    let start = offset + 8;
    let end = (start + key).checked_add(length).ok_or_else(reaches_beyond)?;
    let content = page.get(start..end).ok_or_else(reaches_beyond)?;
    let (key, data) = content.split_at(key);
    Ok(Node { key, flags, data, length: low, child: low | u64::from(flags) << 32 })
}
