//! The keys of chunks, and which of the keys in a layer are its own.

use super::info::Info;
use super::scale_info::ScaleInfo;
use super::sharding;
use super::stored::INFO;
use crate::base::dims::Dims;
use crate::chunk::grid::ChunkGrid;
use crate::chunk::keys::KeyEncoding;
use crate::format::place::{Documents, OwnKeys};

/// `x0-x1_y0-y1_z0-z1`: the chunk's clipped box in absolute coordinates; or each range in the folder of the one before,
/// as neuroglancer-scripts stores chunks locally, for web servers to put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxKeys {
    separator: char,
}

impl BoxKeys {
    pub(super) const FLAT: Self = Self { separator: '_' };
    pub(super) const NESTED: Self = Self { separator: '/' };

    fn place_of(self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let mut index: Dims<u64> = Dims::from_elem(0, grid.domain().ndim());
        for (axis, range) in key.split(self.separator).enumerate() {
            let origin = *grid.domain().origin().get(axis).filter(|_| axis < 3)?;
            let start = parse_range(range)?.start;
            index[axis] = (start >= origin).then(|| start.abs_diff(origin) / grid.chunk_shape()[axis])?;
        }
        Some(index)
    }
}

impl KeyEncoding for BoxKeys {
    fn key(&self, grid: &ChunkGrid, index: &[u64]) -> String {
        let (mut key, mut number) = (String::with_capacity(48), itoa::Buffer::new());
        for (axis, &at) in index.iter().take(3).enumerate() {
            if axis > 0 {
                key.push(self.separator);
            }
            let range = grid.chunk_range(axis, at);
            key.push_str(number.format(range.start));
            key.push('-');
            key.push_str(number.format(range.end));
        }
        key
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        self.place_of(grid, key)
    }

    fn place_elsewhere(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let other = if self.separator == '_' { Self::NESTED } else { Self::FLAT };
        other.place_of(grid, key).filter(|index| {
            index.iter().zip(grid.shape()).all(|(&at, count)| at < count) && other.key(grid, index) == key
        })
    }
}

/// Which keys beside `info` are a layer's own; `None` if there is no `info`.
pub(in crate::format) fn own_keys(documents: &Documents) -> Option<OwnKeys> {
    let document = documents.get(INFO)?.as_ref()?;
    let info = serde_json::to_vec(document).ok().and_then(|bytes| Info::parse(&bytes).ok());
    let Some(info) = info else {
        // Of what cannot be read, whatever looks like a chunk, if it looks like a layer.
        let is_layer = document.contains_key("scales");
        let is_chunk = |key: &str| is_chunk_key(last(key)) || is_nested_key(key);
        return is_layer.then(|| Box::new(is_chunk) as OwnKeys);
    };
    Some(Box::new(move |key| {
        let of_scale = |scale: &ScaleInfo| {
            let own = key.strip_prefix(scale.key.trim_matches('/')).and_then(|rest| rest.strip_prefix('/'));
            own.is_some_and(|own| scale.has_key(own))
        };
        info.valid_scales().any(of_scale)
    }))
}

fn last(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

impl ScaleInfo {
    /// Whether `key`, relative to the scale, is that of a chunk or shard.
    pub(super) fn has_key(&self, key: &str) -> bool {
        match &self.sharding {
            Some(spec) => sharding::is_shard_key(spec, key),
            None => is_chunk_key(key) || (key.split('/').count() == 3 && is_nested_key(key)),
        }
    }
}

/// Whether `key` has the form of a chunk's: three ranges of signed numbers.
pub(in crate::format) fn is_chunk_key(key: &str) -> bool {
    key.split('_').count() == 3 && key.split('_').all(|part| parse_range(part).is_some())
}

/// Whether the end of `key` has the form of a chunk's that is nested in folders.
pub(in crate::format) fn is_nested_key(key: &str) -> bool {
    let mut parts = key.rsplit('/');
    (0..3).all(|_| parts.next().is_some_and(is_range))
}

/// Whether a name is that of a range of coordinates.
pub(super) fn is_range(name: &str) -> bool {
    parse_range(name).is_some()
}

/// Reads `start-end`, both maybe negative.
fn parse_range(text: &str) -> Option<std::ops::Range<i64>> {
    // The separator is the first `-` after the first character, which may be a sign.
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '-').map(|(at, _)| at)?;
    Some(text[..at].parse().ok()?..text[at + 1..].parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::grid::EdgeChunks;

    #[test]
    fn chunk_names_carry_signs() {
        let grid =
            ChunkGrid::new("-100:0,-6:0,-33:-1".parse().unwrap(), &[64, 6, 32], EdgeChunks::Clipped).unwrap();
        assert_eq!(BoxKeys::FLAT.key(&grid, &[0, 0, 0]), "-100--36_-6-0_-33--1");
        assert_eq!(BoxKeys::FLAT.place(&grid, "-36-0_-6-0_-33--1").as_deref(), Some(&[1, 0, 0][..]));
        assert_eq!(BoxKeys::FLAT.place(&grid, "-136-0_-6-0_-33--1"), None);
        let nested = BoxKeys::NESTED;
        assert_eq!(nested.key(&grid, &[0, 0, 0]), "-100--36/-6-0/-33--1");
        assert_eq!(nested.place(&grid, "-36-0/-6-0/-33--1").as_deref(), Some(&[1, 0, 0][..]));
        assert_eq!(nested.place_elsewhere(&grid, "-36-0_-6-0_-33--1").as_deref(), Some(&[1, 0, 0][..]));
        assert_eq!(
            BoxKeys::FLAT.place_elsewhere(&grid, "-36-0/-6-0/-33--1").as_deref(),
            Some(&[1, 0, 0][..])
        );
        assert_eq!(BoxKeys::FLAT.place_elsewhere(&grid, "-36-1/-6-0/-33--1"), None);
        assert!(
            is_nested_key("8_8_8/0-8/0-8/0-8") && !is_nested_key("0-8/0-8") && !is_nested_key("0-8/a/0-8")
        );
        assert!(is_chunk_key("-100--36_-6-0_-33--1") && is_chunk_key("0-64_0-64_0-64"));
        assert!(
            !is_chunk_key("0-64_0-64")
                && !is_chunk_key("notes_on-this_layer")
                && !is_chunk_key("a-b_c-d_e-f")
        );
    }
}
