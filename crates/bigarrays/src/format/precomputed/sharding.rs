//! Ids of chunks for shards, and the choice of parameters.

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;
use crate::chunk::curve::Morton;
use crate::chunk::grid::ChunkGrid;
use crate::chunk::keys::KeyEncoding;
use crate::format::{CreateSpec, NewSharding};
use crate::store::shard::neuroglancer::{Members, ShardHash, ShardSpec};

/// Chunk ids as keys, in decimal digits.
#[derive(Clone, Debug)]
pub(super) struct MortonKeys {
    morton: Morton,
    spec: ShardSpec,
}

impl MortonKeys {
    /// The keys of a grid along x, y, z and maybe channels.
    ///
    /// # Errors
    /// `Unsupported` if ids have more than 64 bits.
    pub(super) fn new(grid: &ChunkGrid, spec: ShardSpec) -> Result<Self> {
        let shape: Dims<u64> = grid.shape();
        Ok(Self { morton: Morton::new(&shape[..3])?, spec })
    }

    pub(super) fn spec(&self) -> &ShardSpec {
        &self.spec
    }

    /// How many of the lowest bits of an id differ within a shard, if shards are boxes.
    fn bits_of_shard(&self) -> Option<u32> {
        let within = self.spec.preshift_bits + self.spec.minishard_bits;
        let ShardSpec { hash, shard_bits, .. } = self.spec;
        if shard_bits == 0 || self.spec.preshift_bits >= self.morton.len() {
            return Some(self.morton.len());
        }
        (hash == ShardHash::Identity && within + shard_bits >= self.morton.len()).then_some(within)
    }

    /// Number of chunks along each axis of the box that a shard is, if it is one.
    pub(super) fn shard_shape(&self) -> Option<[u64; 3]> {
        let shape = self.morton.block(self.bits_of_shard()?);
        Some([shape[0], shape[1], shape[2]])
    }
}

impl KeyEncoding for MortonKeys {
    fn key(&self, _: &ChunkGrid, index: &[u64]) -> String {
        self.morton.code(index).to_string()
    }

    fn place(&self, grid: &ChunkGrid, key: &str) -> Option<Dims<u64>> {
        let mut index: Dims<u64> = self.morton.index(key.parse().ok()?).as_slice().into();
        index.resize(grid.domain().ndim(), 0);
        Some(index)
    }
}

impl Members for MortonKeys {
    fn total(&self) -> u64 {
        self.morton.grid.iter().fold(1, |product, &length| product.saturating_mul(length))
    }

    fn of_shard(&self, shard: u64) -> Option<u64> {
        let bits = self.bits_of_shard()?;
        if bits >= self.morton.len() {
            // Of several shards, the one that the hash of zero chooses has all chunks.
            return Some(if shard == self.spec.place(0).0 { self.total() } else { 0 });
        }
        let code = shard.checked_shl(bits).filter(|code| code >> bits == shard);
        let (Some(code), shape) = (code, self.morton.block(bits)) else { return Some(0) };
        if self.morton.len() < u64::BITS && code >> self.morton.len() != 0 {
            return Some(0);
        }
        let start = self.morton.index(code);
        let count = |axis: usize| self.morton.grid[axis].saturating_sub(start[axis]).min(shape[axis]);
        Some((0..3).map(count).product())
    }
}

/// Whether `key` is a file of a shard.
pub(super) fn is_shard_key(spec: &ShardSpec, key: &str) -> bool {
    let stem = [".shard", ".index", ".data"].iter().find_map(|extension| key.strip_suffix(extension));
    stem.is_some_and(|stem| spec.shard_of_stem(stem).is_some())
}

/// The sharding of a new scale of chunks of shape `chunk`.
///
/// # Errors
/// `InvalidArgument` if it is none, or another compression is asked for than there is.
pub(super) fn new_sharding(
    spec: &CreateSpec,
    chunk: &[u64; 3],
    encoding: &str,
    compression: ContentEncoding,
) -> Result<Option<ShardSpec>> {
    match spec.storage.sharding {
        NewSharding::None => Ok(None),
        NewSharding::Neuroglancer(sharding) => sharding.check().map(|()| Some(sharding)),
        NewSharding::Auto | NewSharding::Within(_) => {
            let compression = match compression {
                // What leaves much to a second compression.
                ContentEncoding::Identity if encoding == "compressed_segmentation" => ContentEncoding::Gzip,
                ContentEncoding::Identity | ContentEncoding::Gzip => compression,
                _ => return Err(Error::invalid("chunks in shards are compressed with gzip, or not at all")),
            };
            let shape = spec.array.domain.shape();
            let grid = [0, 1, 2].map(|axis| shape[axis].div_ceil(chunk[axis].max(1)));
            let channels = shape.get(3).copied().unwrap_or(1);
            let elements = chunk.iter().zip(shape).map(|(&chunk, &length)| chunk.min(length));
            let bytes =
                elements.fold(channels, u64::saturating_mul).saturating_mul(spec.array.dtype.size() as u64);
            let wanted = spec.storage.sharding.shard_bytes();
            Ok(Some(choose(&Morton::new(&grid)?, (bytes, wanted), compression)))
        }
    }
}

/// The most bytes of chunks that a shard may hold: Neuroglancer wants less than 2 GB.
const MOST_SHARD_BYTES: u64 = 1_900_000_000;

/// Chunks of a minishard, as a number of bits: an index of 24 kB, of the 40 kB that are good.
const MINISHARD_BITS: u32 = 10;

/// Minishards of a shard, as a number of bits: an index of 8 KiB.
const SHARD_INDEX_BITS: u32 = 9;

/// How many shards there are before they become larger, as a number of bits.
const SHARDS_BITS: u32 = 16;

/// Parameters for chunks of `bytes` bytes, of which a shard is to have `wanted`: shards are boxes, as large as is good.
fn choose(morton: &Morton, (bytes, wanted): (u64, u64), data_encoding: ContentEncoding) -> ShardSpec {
    let most = morton.len().min(MINISHARD_BITS + SHARD_INDEX_BITS);
    let fits = |bits: u32, limit: u64| bits <= most && bytes.max(1).saturating_mul(1 << bits) <= limit;
    let mut within = (1..=most).take_while(|&bits| fits(bits, wanted)).last().unwrap_or(0);
    while morton.len() - within > SHARDS_BITS && fits(within + 1, MOST_SHARD_BYTES) {
        within += 1;
    }
    let preshift_bits = within.min(MINISHARD_BITS);
    ShardSpec {
        preshift_bits,
        hash: ShardHash::Identity,
        minishard_bits: within - preshift_bits,
        shard_bits: morton.len() - within,
        minishard_index_encoding: ContentEncoding::Gzip,
        data_encoding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn members_are_counted(
            grid in [1u64..9, 1u64..7, 1u64..5], preshift in 0u32..5, minishard in 0u32..4, shard in 0u32..8, murmur: bool,
        ) {
            let hash = if murmur { ShardHash::Murmur } else { ShardHash::Identity };
            let spec = ShardSpec { preshift_bits: preshift, hash, minishard_bits: minishard, shard_bits: shard,
                minishard_index_encoding: ContentEncoding::Identity, data_encoding: ContentEncoding::Identity };
            let keys = MortonKeys { morton: Morton::new(&grid).unwrap(), spec };
            let mut counts = std::collections::HashMap::new();
            let mut boxes = std::collections::HashMap::new();
            for (x, y, z) in (0..grid[0]).flat_map(|x| (0..grid[1]).flat_map(move |y| (0..grid[2]).map(move |z| (x, y, z)))) {
                let code = keys.morton.code(&[x, y, z]);
                prop_assert_eq!(&keys.morton.index(code)[..], [x, y, z]);
                let at = spec.place(code).0;
                *counts.entry(at).or_insert(0) += 1;
                if let Some(shape) = keys.shard_shape() {
                    let place = (x / shape[0], y / shape[1], z / shape[2]);
                    prop_assert_eq!(*boxes.entry(at).or_insert(place), place);
                }
            }
            for at in 0..1 << shard {
                if let Some(count) = keys.of_shard(at) {
                    prop_assert_eq!(count, counts.get(&at).copied().unwrap_or(0), "shard {}", at);
                }
            }
            prop_assert_eq!(keys.of_shard(0).is_some(), keys.shard_shape().is_some());
        }

        #[test]
        fn choices_keep_within_the_limits(grid in [1u64..1 << 21, 1u64..1 << 21, 1u64..1 << 20], bytes in 1u64..1 << 28) {
            let morton = Morton::new(&grid).unwrap();
            let spec = choose(&morton, (bytes, 64 << 20), ContentEncoding::Gzip);
            spec.check().unwrap();
            let within = spec.preshift_bits + spec.minishard_bits;
            prop_assert_eq!(within + spec.shard_bits, morton.len());
            prop_assert!(spec.index_len() <= 8 << 10 && 24 << spec.preshift_bits <= 40_000);
            prop_assert!(within == 0 || bytes << within < 2_000_000_000);
        }
    }
}
