//! The keys of chunks.

use crate::base::dims::Dims;
use crate::chunk::grid::ChunkGrid;
use crate::chunk::keys::KeyEncoding;
use crate::store::shard::zarr::GridKeys;

/// How the key of a chunk is made of its place in the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Whether keys begin with `c`, as the `default` of Zarr 3.
    pub(super) prefixed: bool,
    pub(super) separator: char,
}

impl GridKeys for Keys {
    fn key_of(&self, index: &[u64]) -> String {
        let (mut key, mut number) = (String::with_capacity(24), itoa::Buffer::new());
        if self.prefixed {
            key.push('c');
        } else if index.is_empty() {
            key.push('0');
        }
        for (axis, &at) in index.iter().enumerate() {
            if axis > 0 || self.prefixed {
                key.push(self.separator);
            }
            key.push_str(number.format(at));
        }
        key
    }

    fn parse(&self, key: &str, ndim: usize) -> Option<Dims<u64>> {
        let index: Dims<u64> = match (self.prefixed, ndim) {
            (true, 0) | (false, 0) => Dims::new(),
            (true, _) => numbers(key.strip_prefix('c')?.strip_prefix(self.separator)?, self.separator)?,
            (false, _) => numbers(key, self.separator)?,
        };
        (index.len() == ndim && self.key_of(&index) == key).then_some(index)
    }
}

fn numbers(text: &str, separator: char) -> Option<Dims<u64>> {
    text.split(separator).map(|number| number.parse().ok()).collect()
}

impl KeyEncoding for Keys {
    fn key(&self, _: &ChunkGrid, index: &[u64]) -> String {
        self.key_of(index)
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        self.parse(key, grid.domain().ndim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_back() {
        for (prefixed, separator, index, key) in [
            (true, '/', &[1, 0, 23][..], "c/1/0/23"),
            (true, '.', &[1, 0], "c.1.0"),
            (true, '/', &[], "c"),
            (false, '.', &[1, 0], "1.0"),
            (false, '/', &[7], "7"),
            (false, '.', &[], "0"),
        ] {
            let keys = Keys { prefixed, separator };
            assert_eq!(keys.key_of(index), key);
            assert_eq!(keys.parse(key, index.len()).as_deref(), Some(index));
            assert_eq!(keys.parse(key, index.len() + 2), None);
        }
        let keys = Keys { prefixed: true, separator: '/' };
        for key in ["c/01", "c/+1", "c1", "1", "zarr.json", "c/", "c/1/"] {
            assert_eq!(keys.parse(key, 1), None, "{key}");
        }
    }
}
