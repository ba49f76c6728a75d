//! LMDB files whose values are `.npy` files.
//!
//! The file is read as bytes, as LMDB itself trusts what is in it: a damaged one is an error, whatever is damaged. Nothing is
//! locked: who writes meanwhile is found out by the number of his transaction.

use std::collections::VecDeque;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use super::source::{Entry, Source, at, version_of};
use crate::base::error::{Error, ErrorKind, Result};
use crate::flat::inspect::{
    BIG, HEADER, LEAF, Meta, NO_PAGE, SUBTREE, Tree, node_at, nodes, u16_at, u32_at, u64_at,
};
use crate::format::files::bytes::Bytes;
use crate::format::files::npy::Header;
use crate::store::{io_error, open_regular};

/// The deepest that a tree is.
const DEEPEST: usize = 32;
/// Bytes of a value that a header of `.npy` may have.
const START: u64 = 1 << 17;

/// The values of an LMDB file in the order of their keys, and those of its tables, below the names of these.
pub(super) struct Values<'a> {
    path: PathBuf,
    version: String,
    bytes: Box<dyn Bytes + 'a>,
    meta: Meta,
    /// Pages that are left, each with what comes before the names of its entries; the next one last.
    pages: Vec<(u64, usize, String)>,
    /// How many pages may still come: more than there are, and a tree leads back into itself.
    left: u64,
    /// What a leaf still has.
    found: VecDeque<Found>,
    /// Where the elements are that are read next, and where they end.
    at: u64,
    end: u64,
}

/// An entry of a leaf.
enum Found {
    Table { name: String, tree: Tree },
    Value { name: String, start: u64, length: u64 },
}

impl Values<'static> {
    /// Opens the file at `path`, or the one in the folder there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = if path.is_dir() { path.join("data.mdb") } else { path.to_owned() };
        let failed = |error| io_error(error, "opening", &path);
        let file = open_regular(&path, false).map_err(failed)?;
        let version = version_of(&file.metadata().map_err(failed)?);
        Self::new(Box::new(file), &path, version)
    }
}

impl<'a> Values<'a> {
    pub(super) fn new(bytes: Box<dyn Bytes + 'a>, path: &Path, version: String) -> Result<Self> {
        let meta = Meta::newest(&*bytes).map_err(at(path))?;
        let length = bytes.len().map_err(|error| io_error(error, "opening", path))?;
        let mut values = Self {
            path: path.into(),
            version: format!("{version} {:x}", meta.transaction),
            bytes,
            pages: Vec::new(),
            // What the file says of the last page may be wrong.
            left: (meta.last + 1).min(length / meta.page as u64),
            found: VecDeque::new(),
            at: 0,
            end: 0,
            meta,
        };
        let main = values.meta.main.clone();
        values.enter(&main, String::new()).map_err(at(path))?;
        Ok(values)
    }

    /// Goes on with a tree, whose entries' names begin with `before`.
    fn enter(&mut self, tree: &Tree, before: String) -> Result<()> {
        if tree.flags != 0 || tree.pad != 0 {
            let table = before.trim_end_matches('/');
            let reason = format!(
                "the table {table:?} has numbers as keys, or several values of one; known are single values of text"
            );
            return Err(Error::unsupported(reason));
        }
        if tree.root != NO_PAGE {
            self.pages.push((tree.root, 1, before));
        }
        Ok(())
    }

    /// Takes the next page: its entries if it is a leaf, or else the pages below it.
    fn turn(&mut self) -> Result<bool> {
        let Some((number, depth, before)) = self.pages.pop() else { return Ok(false) };
        let wrong = |reason: &str| Error::corrupt(format!("page {number}: {reason}"));
        let mut page = vec![0; self.meta.page];
        let start = number.checked_mul(page.len() as u64).filter(|_| number <= self.meta.last);
        let start = start.ok_or_else(|| wrong("it is not there"))?;
        self.bytes.read_at(&mut page, start).map_err(|_| wrong("the file was cut short"))?;
        self.left = self.left.checked_sub(1).ok_or_else(|| wrong("it is used twice"))?;
        if u64_at(&page, 0) != number || depth > DEEPEST {
            return Err(wrong("it is not what others say it is"));
        }
        let is_leaf = u16_at(&page, 10) & LEAF != 0;
        let offsets = nodes(&page, is_leaf).map_err(|error| wrong(&error.to_string()))?;
        for &offset in offsets.iter().rev() {
            let node = node_at(&page, usize::from(offset), is_leaf)?;
            if !is_leaf {
                self.pages.push((node.child, depth + 1, before.clone()));
                continue;
            }
            let key = std::str::from_utf8(node.key).map_err(|_| {
                let key = String::from_utf8_lossy(node.key).into_owned();
                Error::invalid(format!("the key {key:?} is not in UTF-8 and cannot name a slice"))
            })?;
            let (name, inner) =
                (format!("{before}{key}"), start + u64::from(offset) + 8 + node.key.len() as u64);
            self.found.push_front(match node.flags {
                0 => Found::Value { name, start: inner, length: node.length },
                BIG => Found::Value {
                    name,
                    start: self.overflow(u64_at(node.data, 0), node.length)?,
                    length: node.length,
                },
                SUBTREE if node.data.len() == Tree::LENGTH => {
                    Found::Table { name, tree: Tree::parse(node.data) }
                }
                _ => return Err(Error::unsupported(format!("the key {name:?} has several values"))),
            });
        }
        Ok(true)
    }

    /// Where a value is that has pages of its own.
    fn overflow(&self, number: u64, length: u64) -> Result<u64> {
        let wrong = || Error::corrupt(format!("page {number} is not what others say it is"));
        let (page, mut header) = (self.meta.page as u64, [0; HEADER]);
        let start = number.checked_mul(page).filter(|_| number <= self.meta.last).ok_or_else(wrong)?;
        self.bytes.read_at(&mut header, start).map_err(|_| wrong())?;
        let count = (HEADER as u64 - 1 + length) / page + 1;
        if u64_at(&header, 0) != number || u64::from(u32_at(&header, 12)) != count {
            return Err(wrong());
        }
        Ok(start + HEADER as u64)
    }

    /// The header of the `.npy` file that a value is.
    fn header(&mut self, name: &str, start: u64, length: u64) -> Result<Header> {
        let named =
            |error: &Error| Error::new(error.kind(), format!("the value of {name:?}: {}", error.reason()));
        let mut bytes = vec![0; length.min(START) as usize];
        let cut = |_| named(&Error::corrupt("the file was cut short"));
        self.bytes.read_at(&mut bytes, start).map_err(cut)?;
        let parsed = Header::read(&mut Cursor::new(bytes)).map_err(cut)?;
        let header = parsed.map_err(|error| named(&error))?;
        let wanted = header.data_len().map_err(|error| named(&error))? + header.data_offset;
        if wanted > length {
            let reason = format!("it has {length} bytes where {wanted} are expected");
            return Err(named(&Error::corrupt(reason)));
        }
        (self.at, self.end) = (start + header.data_offset, start + wanted);
        Ok(header)
    }

    fn next_value(&mut self) -> Result<Option<Entry>> {
        loop {
            match self.found.pop_front() {
                Some(Found::Value { name, start, length }) => {
                    let header = self.header(&name, start, length)?;
                    return Ok(Some(Entry { name: Some(name), header }));
                }
                Some(Found::Table { name, tree }) => self.enter(&tree, format!("{name}/"))?,
                None if self.turn()? => {}
                None => return self.expect_unchanged().map(|()| None),
            }
        }
    }

    /// An error if somebody has written meanwhile: pages may have been used again.
    fn expect_unchanged(&self) -> Result<()> {
        let now = Meta::newest(&*self.bytes)?;
        if now.transaction == self.meta.transaction {
            return Ok(());
        }
        let reason = "others have written into the file meanwhile; convert while nobody does, or a copy";
        Err(Error::new(ErrorKind::Storage, reason).retryable())
    }
}

impl Source for Values<'_> {
    fn format(&self) -> &'static str {
        "LMDB file of .npy files"
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        self.next_value().map_err(at(&self.path))
    }

    fn read(&mut self, out: &mut [u8]) -> Result<()> {
        if out.len() as u64 > self.end - self.at {
            return Err(Error::invalid("the value has no more elements"));
        }
        let read = self.bytes.read_at(out, self.at).map_err(|error| io_error(error, "reading", &self.path));
        self.at += out.len() as u64;
        read.and_then(|()| self.expect_unchanged().map_err(at(&self.path)))
    }
}

/// Reads all values of an LMDB file; for fuzzing.
///
/// # Errors
/// Those of the values.
pub fn read_values(bytes: &[u8]) -> Result<u64> {
    let mut values = Values::new(Box::new(bytes), Path::new("data.mdb"), String::new())?;
    let mut count = 0;
    while let Some(entry) = values.next()? {
        values.read(&mut vec![0; entry.bytes()?.min(1 << 20) as usize])?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flat::inspect::MAGIC;

    const PAGE: usize = 512;

    /// A file of one leaf, whose only entry is a table, which is that leaf again; it says that it has many pages.
    fn table_in_itself() -> Vec<u8> {
        let mut tree = [0; Tree::LENGTH];
        (tree[6], tree[32], tree[40]) = (1, 1, 2);
        let mut file = vec![0; 3 * PAGE];
        for number in 0..2 {
            let page = &mut file[PAGE * number..][..PAGE];
            (page[0], page[10], page[20], page[144]) = (number as u8, 8, 1, number as u8);
            page[16..20].copy_from_slice(&MAGIC.to_le_bytes());
            page[40..44].copy_from_slice(&(PAGE as u32).to_le_bytes());
            page[88..136].copy_from_slice(&tree);
            page[136..144].copy_from_slice(&(1u64 << 40).to_le_bytes());
        }
        let (leaf, node) = (&mut file[2 * PAGE..], PAGE - 58);
        (leaf[0], leaf[10], leaf[12]) = (2, LEAF as u8, HEADER as u8 + 2);
        leaf[14..16].copy_from_slice(&(node as u16).to_le_bytes());
        leaf[16..18].copy_from_slice(&(node as u16).to_le_bytes());
        (leaf[node], leaf[node + 4], leaf[node + 6], leaf[node + 8]) = (48, SUBTREE as u8, 1, b't');
        leaf[node + 9..node + 57].copy_from_slice(&tree);
        file
    }

    #[test]
    fn a_table_that_is_in_itself_is_an_error() {
        let error = read_values(&table_in_itself()).unwrap_err();
        assert!(error.kind() == ErrorKind::CorruptData && error.to_string().contains("used twice"));
    }
}
