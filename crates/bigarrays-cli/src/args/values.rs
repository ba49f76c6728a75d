//! Values of options that several commands take.

use std::str::FromStr;
use std::time::Duration;

use bigarrays::chunk::codec::ContentEncoding;
use bigarrays::chunk::curve::ChunkOrder;
use bigarrays::compute::Number;
use bigarrays::format::{NewSharding, ScaleSelector, text};
use bigarrays::store::Prefer;
use clap::ValueEnum;

/// Numbers with commas between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: FromStr> FromStr for List<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<_, _> = text.split(',').map(|part| part.trim().parse()).collect();
        numbers.map(Self).map_err(|_| "expected numbers with commas between them, as in 64,64,64".to_owned())
    }
}

/// One number for each of x, y and z.
fn three<T: FromStr>(text: &str) -> Result<[T; 3], String> {
    let List(numbers) = text.parse()?;
    <[T; 3]>::try_from(numbers).map_err(|found| format!("expected x,y,z: three numbers, not {}", found.len()))
}

/// Lengths along x, y and z, each at least 1.
pub(crate) fn lengths(text: &str) -> Result<[u64; 3], String> {
    let numbers = three(text)?;
    if numbers.contains(&0) { Err("a length is at least 1".to_owned()) } else { Ok(numbers) }
}

/// Lengths along any number of axes, each at least 1.
pub(crate) fn shape(text: &str) -> Result<Shape, String> {
    let numbers = text.split(',').map(|number| number.trim().parse().ok().filter(|&length| length > 0));
    numbers
        .collect::<Option<Vec<u64>>>()
        .map(Shape)
        .ok_or_else(|| format!("{text:?} are no lengths such as 64,64,64, each at least 1"))
}

/// Lengths along the axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape(pub(crate) Vec<u64>);

/// Size of a voxel along the axes.
pub(crate) fn resolution(text: &str) -> Result<Sizes, String> {
    let List(sizes) = text.parse::<List<f64>>()?;
    let is_size = |size: &f64| size.is_finite() && *size > 0.0;
    if sizes.iter().all(is_size) {
        Ok(Sizes(sizes))
    } else {
        Err("the size of a voxel is above 0".to_owned())
    }
}

/// Size of a voxel along the axes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sizes(pub(crate) Vec<f64>);

/// A number of seconds, which may be a fraction.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds such as 2.5"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A JSON document.
pub(crate) fn json(text: &str) -> Result<serde_json::Value, String> {
    text::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// A number: a whole one where it is written so.
pub(crate) fn number(text: &str) -> Result<Number, String> {
    let whole = text.parse().map(Number::Whole);
    whole.or_else(|_| text.parse().map(Number::Real)).map_err(|_| format!("{text:?} is no number"))
}

/// A number of bytes such as `512M` or `4GiB`; K, M, G and T are powers of 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let shift = match unit.trim().trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err("expected a number of bytes such as 512M or 4G".to_owned()),
    };
    let bytes = number.parse::<f64>().ok().map(|number| number * (1u64 << shift) as f64);
    bytes
        .filter(|bytes| (1.0..9e18).contains(bytes))
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "expected a number of bytes such as 512M or 4G".to_owned())
}

/// An attribute and its value from `KEY=VALUE`.
pub(crate) fn attribute(text: &str) -> Result<(String, serde_json::Value), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    let value = text::parse(value.as_bytes()).unwrap_or_else(|_| serde_json::Value::String(value.to_owned()));
    match value {
        serde_json::Value::Null => Err(format!("null is no value; --unset {key} removes it")),
        value => Ok((key.to_owned(), value)),
    }
}

/// A scale by position, by key, or by resolution.
pub(crate) fn scale(text: &str) -> Result<ScaleSelector, String> {
    if let Some(key) = text.strip_prefix("key:") {
        return Ok(ScaleSelector::Key(key.to_owned()));
    }
    Ok(match text.parse() {
        Ok(position) => ScaleSelector::Index(position),
        Err(_) if text.contains(',') => ScaleSelector::Resolution(resolution(text)?.0),
        Err(_) => ScaleSelector::Key(text.to_owned()),
    })
}

/// How chunks are sharded: `auto`, `none`, or parameters as `preshift_bits=9,minishard_bits=6,shard_bits=11`.
pub(crate) fn sharding(text: &str) -> Result<NewSharding, String> {
    match text {
        "auto" => return Ok(NewSharding::Auto),
        "none" => return Ok(NewSharding::None),
        _ => {}
    }
    text.parse().map(NewSharding::Neuroglancer).map_err(|error: bigarrays::Error| error.to_string())
}

/// Which of several files of a chunk counts.
pub(crate) fn prefer(text: &str) -> Result<Prefer, String> {
    text.parse().map_err(|error: bigarrays::Error| error.to_string())
}

/// The order in which chunks lie in shards.
pub(crate) fn chunk_order(text: &str) -> Result<ChunkOrder, String> {
    text.parse().map_err(|error: bigarrays::Error| error.to_string())
}

/// What is put around every chunk.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Around {
    None,
    Gzip,
    Br,
    Zstd,
    Bz2,
    Xz,
}

impl From<Around> for ContentEncoding {
    fn from(around: Around) -> Self {
        match around {
            Around::None => Self::Identity,
            Around::Gzip => Self::Gzip,
            Around::Br => Self::Brotli,
            Around::Zstd => Self::Zstd,
            Around::Bz2 => Self::Bz2,
            Around::Xz => Self::Xz,
        }
    }
}

/// A scale as it is typed; nothing for the first.
pub(crate) fn scale_text(scale: &ScaleSelector) -> Option<String> {
    match scale {
        ScaleSelector::Index(0) => None,
        ScaleSelector::Index(number) => Some(number.to_string()),
        ScaleSelector::Key(key) => Some(key.clone()),
        ScaleSelector::Resolution(sizes) => {
            Some(sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_in_bytes() {
        for (text, expected) in
            [("1", 1), ("512M", 512 << 20), ("4GiB", 4 << 30), ("1.5k", 1536), ("2 tb", 2 << 40)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for bad in ["", "M", "-1", "4X", "1e3", "0", "99999999T"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shardings() {
        assert_eq!(sharding("auto"), Ok(NewSharding::Auto));
        assert!(matches!(
            sharding("preshift_bits=1,minishard_bits=2,shard_bits=3"),
            Ok(NewSharding::Neuroglancer(_))
        ));
        assert!(
            sharding("preshift_bits=1,minishard_bits=2,shard_bits=70").unwrap_err().contains("shard_bits")
        );
    }

    #[test]
    fn scales_and_triples() {
        assert_eq!(scale("2"), Ok(ScaleSelector::Index(2)));
        assert_eq!(scale("key:2"), Ok(ScaleSelector::Key("2".into())));
        assert_eq!(scale("8_8_40"), Ok(ScaleSelector::Key("8_8_40".into())));
        assert_eq!(scale("8,8,40"), Ok(ScaleSelector::Resolution(vec![8.0, 8.0, 40.0])));
        assert_eq!("-1, 2,-3".parse(), Ok(List(vec![-1, 2, -3])));
        assert_eq!(shape("1, 2,3,4"), Ok(Shape(vec![1, 2, 3, 4])));
        assert_eq!(chunk_order("hilbert"), Ok(ChunkOrder::Hilbert));
        assert!(chunk_order("z").is_err());
        assert!(shape("1,0").is_err() && shape("").is_err() && shape("-1").is_err());
        assert!(
            lengths("1,0,2").is_err()
                && lengths("1,2").is_err()
                && resolution("1,nan,2").is_err()
                && resolution("").is_err()
        );
    }
}
