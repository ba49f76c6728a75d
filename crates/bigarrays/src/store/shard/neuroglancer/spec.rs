//! Which shard and minishard a chunk belongs to.
//!
//! <https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md>

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::base::error::{Error, Result};
use crate::chunk::codec::ContentEncoding;

/// The name of the format in metadata.
pub(crate) const TYPE: &str = "neuroglancer_uint64_sharded_v1";

/// How chunk ids are spread over the shards of a `neuroglancer_uint64_sharded_v1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShardSpec {
    /// How many low bits of an id do not count: chunks that differ only in these are neighbours.
    pub preshift_bits: u32,
    /// What the other bits go through.
    pub hash: ShardHash,
    /// How many bits of the hash choose the minishard.
    pub minishard_bits: u32,
    /// How many further bits of the hash choose the shard.
    pub shard_bits: u32,
    /// The compression of each minishard's index; `Identity` or `Gzip`.
    pub minishard_index_encoding: ContentEncoding,
    /// The compression of each chunk; `Identity` or `Gzip`.
    pub data_encoding: ContentEncoding,
}

/// A function of 64-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ShardHash {
    /// The number itself.
    #[default]
    Identity,
    /// The low 8 bytes of MurmurHash3_x86_128 over its 8 little-endian bytes, with seed 0.
    Murmur,
}

impl ShardHash {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Murmur => "murmurhash3_x86_128",
        }
    }

    fn of(self, number: u64) -> u64 {
        match self {
            Self::Identity => number,
            Self::Murmur => murmur(number),
        }
    }
}

/// MurmurHash3_x86_128 with seed 0 of a key of 8 bytes, which is shorter than one of its blocks.
fn murmur(key: u64) -> u64 {
    const C: [u32; 3] = [0x239b_961b, 0xab0e_9789, 0x38b3_4ae5];
    let mix = |half: u32, first: u32, turn: u32, second: u32| {
        half.wrapping_mul(first).rotate_left(turn).wrapping_mul(second)
    };
    let avalanche = |mut word: u32| {
        word = (word ^ (word >> 16)).wrapping_mul(0x85eb_ca6b);
        word = (word ^ (word >> 13)).wrapping_mul(0xc2b2_ae35);
        word ^ (word >> 16)
    };
    let sum = |[a, b, c, d]: [u32; 4]| {
        let a = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
        [a, b.wrapping_add(a), c.wrapping_add(a), d.wrapping_add(a)]
    };
    let length = 8;
    let low = mix(key as u32, C[0], 15, C[1]) ^ length;
    let high = mix((key >> 32) as u32, C[1], 16, C[2]) ^ length;
    let [low, high, ..] = sum(sum([low, high, length, length]).map(avalanche));
    u64::from(low) | (u64::from(high) << 32)
}

/// The lowest `bits` bits of `number`, and the others.
fn split(number: u64, bits: u32) -> (u64, u64) {
    let above = number.checked_shr(bits).unwrap_or(0);
    (number ^ above.checked_shl(bits).unwrap_or(0), above)
}

impl ShardSpec {
    /// Refuses what is no specification.
    ///
    /// # Errors
    /// `InvalidArgument` naming the member.
    pub fn check(&self) -> Result<()> {
        self.violation().map_err(Error::invalid)
    }

    fn violation(&self) -> Result<(), String> {
        let refuse = |message: String| Err(message);
        if self.preshift_bits > 64 {
            return refuse(format!("preshift_bits is {}, but ids have 64 bits", self.preshift_bits));
        }
        if self.minishard_bits > 32 {
            return refuse(format!("minishard_bits is {}, of at most 32", self.minishard_bits));
        }
        if self.minishard_bits.saturating_add(self.shard_bits) > 64 {
            return refuse(format!(
                "minishard_bits + shard_bits is {} + {}, but hashes have 64 bits",
                self.minishard_bits, self.shard_bits
            ));
        }
        for (name, encoding) in [
            ("minishard_index_encoding", self.minishard_index_encoding),
            ("data_encoding", self.data_encoding),
        ] {
            if !matches!(encoding, ContentEncoding::Identity | ContentEncoding::Gzip) {
                return refuse(format!("{name} is {encoding:?}; there are only raw and gzip"));
            }
        }
        Ok(())
    }

    /// The specification in the terms of metadata.
    ///
    /// # Errors
    /// `InvalidArgument` naming the member, what was found and what is expected.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self> {
        Self::parse(object).map_err(Error::invalid)
    }

    /// As [`ShardSpec::from_json`], but the error is what it says.
    pub(crate) fn parse(object: &Map<String, Value>) -> Result<Self, String> {
        let wrong = |name: &str, expected: &str| {
            let found = object.get(name).map_or_else(|| "nothing".to_owned(), Value::to_string);
            format!("{name}: expected {expected}, found {found:.60}")
        };
        let bits = |name: &str, most: u64| {
            let bits = object.get(name).and_then(Value::as_u64).filter(|&bits| bits <= most);
            bits.map(|bits| bits as u32)
                .ok_or_else(|| wrong(name, &format!("a whole number from 0 to {most}")))
        };
        // Readers take these words in any case.
        let word = |name: &str| object.get(name).map(|value| value.as_str().map(str::to_ascii_lowercase));
        let encoding = |name: &str| match word(name).as_ref().map(Option::as_deref) {
            None | Some(Some("raw")) => Ok(ContentEncoding::Identity),
            Some(Some("gzip")) => Ok(ContentEncoding::Gzip),
            _ => Err(wrong(name, "\"raw\" or \"gzip\"")),
        };
        if object.get("@type").and_then(Value::as_str) != Some(TYPE) {
            return Err(wrong("@type", &format!("{TYPE:?}")));
        }
        let known = [ShardHash::Identity, ShardHash::Murmur];
        let hash = word("hash").flatten();
        let hash = known.into_iter().find(|known| Some(known.name()) == hash.as_deref());
        let spec = Self {
            preshift_bits: bits("preshift_bits", 64)?,
            hash: hash.ok_or_else(|| wrong("hash", "\"identity\" or \"murmurhash3_x86_128\""))?,
            minishard_bits: bits("minishard_bits", 32)?,
            shard_bits: bits("shard_bits", 64)?,
            minishard_index_encoding: encoding("minishard_index_encoding")?,
            data_encoding: encoding("data_encoding")?,
        };
        spec.violation()?;
        Ok(spec)
    }

    /// The specification as metadata have it.
    pub fn to_json(&self) -> Value {
        json!({
            "@type": TYPE,
            "preshift_bits": self.preshift_bits,
            "hash": self.hash.name(),
            "minishard_bits": self.minishard_bits,
            "shard_bits": self.shard_bits,
            "minishard_index_encoding": encoding_name(self.minishard_index_encoding),
            "data_encoding": encoding_name(self.data_encoding),
        })
    }

    /// The shard and, in it, the minishard of the chunk `id`.
    pub fn place(&self, id: u64) -> (u64, u64) {
        let hash = self.hash.of(split(id, self.preshift_bits).1);
        let (minishard, rest) = split(hash, self.minishard_bits);
        (split(rest, self.shard_bits).0, minishard)
    }

    /// The name of a shard's file, without its extension.
    pub fn file_stem(&self, shard: u64) -> String {
        let digits = self.shard_bits.div_ceil(4).max(1) as usize;
        format!("{shard:0digits$x}")
    }

    /// The shard whose file has this name without extension.
    pub fn shard_of_stem(&self, stem: &str) -> Option<u64> {
        let shard = u64::from_str_radix(stem, 16).ok()?;
        (self.file_stem(shard) == stem && split(shard, self.shard_bits).1 == 0).then_some(shard)
    }

    /// Bytes of the index at the start of each shard.
    pub fn index_len(&self) -> u64 {
        16 << self.minishard_bits
    }
}

fn encoding_name(encoding: ContentEncoding) -> &'static str {
    if encoding == ContentEncoding::Identity { "raw" } else { "gzip" }
}

/// As in metadata, but on one line: `preshift_bits=9,hash=identity,…`.
impl fmt::Display for ShardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "preshift_bits={},hash={},minishard_bits={},shard_bits={},minishard_index_encoding={},data_encoding={}",
            self.preshift_bits,
            self.hash.name(),
            self.minishard_bits,
            self.shard_bits,
            encoding_name(self.minishard_index_encoding),
            encoding_name(self.data_encoding)
        )
    }
}

/// Reads what `Display` shows. Only the three numbers of bits are necessary.
impl FromStr for ShardSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut object = Map::new();
        object.insert("@type".to_owned(), json!(TYPE));
        object.insert("hash".to_owned(), json!(ShardHash::Identity.name()));
        for member in text.split(',').map(str::trim) {
            let (name, value) = member.split_once('=').ok_or_else(|| {
                Error::invalid(format!("{member:?}: expected NAME=VALUE, as in preshift_bits=9"))
            })?;
            if !MEMBERS.contains(&name) {
                let known = MEMBERS.join(", ");
                return Err(Error::invalid(format!(
                    "unknown member {name:?} of a sharding; known are {known}"
                )));
            }
            object.insert(name.to_owned(), value.parse::<u64>().map_or_else(|_| json!(value), |n| json!(n)));
        }
        Self::from_json(&object)
    }
}

const MEMBERS: [&str; 7] = [
    "@type",
    "preshift_bits",
    "hash",
    "minishard_bits",
    "shard_bits",
    "minishard_index_encoding",
    "data_encoding",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(preshift_bits: u32, minishard_bits: u32, shard_bits: u32) -> ShardSpec {
        format!("preshift_bits={preshift_bits},minishard_bits={minishard_bits},shard_bits={shard_bits}")
            .parse()
            .unwrap()
    }

    #[test]
    fn hashes_of_known_numbers() {
        assert_eq!(murmur(0), 0x4772_b084_e028_ae41);
        assert_eq!(spec(64, 3, 61).place(u64::MAX), (0, 0));
        assert_eq!(spec(0, 0, 64).place(u64::MAX), (u64::MAX, 0));
        assert_eq!(spec(4, 8, 8).place(0xabc_def1), (0xcd, 0xef));
    }

    #[test]
    fn files_are_named_by_the_bits_of_their_number() {
        for (bits, name) in [(0, "0"), (1, "0"), (4, "0"), (5, "00"), (64, "0000000000000000")] {
            assert_eq!(spec(0, 0, bits).file_stem(0), name);
        }
        let spec = spec(0, 0, 6);
        assert_eq!(spec.shard_of_stem("2a"), Some(0x2a));
        for bad in ["7f", "2A", "02a", "a", "+a", "", "x1"] {
            assert_eq!(spec.shard_of_stem(bad), None, "{bad}");
        }
    }

    #[test]
    fn text_and_metadata_say_the_same() {
        let text = "preshift_bits=9,hash=murmurhash3_x86_128,minishard_bits=6,shard_bits=11,\
            minishard_index_encoding=gzip,data_encoding=raw";
        let spec: ShardSpec = text.parse().unwrap();
        assert_eq!(spec.to_string(), text);
        assert_eq!(ShardSpec::from_json(spec.to_json().as_object().unwrap()).unwrap(), spec);
        for (name, value) in [
            ("@type", json!("zarr")),
            ("preshift_bits", json!(65)),
            ("hash", json!("md5")),
            ("minishard_bits", json!(33)),
            ("shard_bits", json!(59)),
            ("minishard_index_encoding", json!("zstd")),
            ("data_encoding", json!(3)),
        ] {
            let mut object = spec.to_json().as_object().unwrap().clone();
            object.insert(name.to_owned(), value);
            let error = ShardSpec::from_json(&object).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        for bad in ["", "preshift_bits", "preshift_bits=1", "bits=3"] {
            assert!(bad.parse::<ShardSpec>().is_err(), "{bad}");
        }
    }
}
