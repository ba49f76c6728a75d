//! Single codecs: JSON ↔ what the library has.

use std::sync::Arc;

use serde_json::Value;

use super::codec_spec::CodecSpec;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::base::member::{integer, positive, up_to};
use crate::chunk::codec::{
    ArrayCodec, Blosc, BloscCompressor, BloscShuffle, BytesCodec, Bz2, Checksum, ChecksumKind, Gzip,
    PackBits, PackBitsPadding, Pcodec, PcodecDelta, PcodecMode, Shuffle, Zlib, Zstd,
};

/// The codec from bytes to bytes that `spec` names, of elements of `dtype`; `None` if there is none of
/// that name.
pub(super) fn bytes_codec(spec: &CodecSpec, dtype: DataType) -> Result<Option<Arc<dyn BytesCodec>>> {
    let members = spec.members();
    let level = |most: u32, default: u8| -> Result<u8> {
        let read = |value: &Value| match integer(value) {
            Some(-1) => Some(default),
            _ => up_to(most)(value).map(|level| level as u8),
        };
        Ok(members.optional("level", read, &format!("a level from 0 to {most}"))?.unwrap_or(default))
    };
    let only = |known: &[&str]| members.expect_only(known);
    Ok(Some(match spec.plain_name() {
        "gzip" => {
            only(&["level"])?;
            Arc::new(Gzip::new(level(9, Gzip::DEFAULT_LEVEL)?)?)
        }
        "zlib" => {
            only(&["level"])?;
            Arc::new(Zlib::new(level(9, Zlib::DEFAULT_LEVEL)?)?)
        }
        "bz2" => {
            only(&["level"])?;
            Arc::new(Bz2::new(level(9, Bz2::DEFAULT_LEVEL)?)?)
        }
        "zstd" => {
            only(&["level", "checksum"])?;
            let read = |value: &Value| integer(value).and_then(|level| i32::try_from(level).ok());
            let level = members.optional("level", read, "a level")?.unwrap_or(0);
            let checksum = members.optional("checksum", Value::as_bool, "true or false")?;
            Arc::new(Zstd::new(level)?.with_checksum(checksum.unwrap_or(false)))
        }
        "blosc" => Arc::new(blosc(spec, dtype)?),
        "shuffle" => {
            only(&["elementsize"])?;
            let size = members.optional("elementsize", up_to(1 << 16), "a number of bytes")?;
            Arc::new(Shuffle::new(size.unwrap_or(4) as usize)?)
        }
        "crc32c" => Arc::new(checksum(spec, ChecksumKind::Crc32c, false)?),
        "adler32" => Arc::new(checksum(spec, ChecksumKind::Adler32, true)?),
        "fletcher32" => {
            only(&[])?;
            Arc::new(Checksum::new(ChecksumKind::Fletcher32, false))
        }
        _ => return Ok(None),
    }))
}

fn checksum(spec: &CodecSpec, kind: ChecksumKind, at_start: bool) -> Result<Checksum> {
    let members = spec.members();
    members.expect_only(&["location"])?;
    let place = |value: &Value| ["end", "start"].iter().position(|&known| value == known);
    let place = members.optional("location", place, "\"start\" or \"end\"")?;
    Ok(Checksum::new(kind, place.map_or(at_start, |place| place == 1)))
}

fn blosc(spec: &CodecSpec, dtype: DataType) -> Result<Blosc> {
    let members = spec.members();
    members.expect_only(&["cname", "clevel", "shuffle", "typesize", "blocksize"])?;
    let known = |value: &Value| BloscCompressor::ALL.into_iter().find(|known| value == known.name());
    let compressor = members.optional("cname", known, "a compressor of Blosc")?;
    let level = members.optional("clevel", up_to(9), "a level from 0 to 9")?.map_or(5, |level| level as u8);
    let size = members.optional("typesize", positive, "a number of bytes")?.unwrap_or(dtype.size() as u64);
    // Blosc takes elements that are longer for bytes.
    let size = if size <= 255 { size as usize } else { 1 };
    let automatic = if size == 1 { BloscShuffle::Bits } else { BloscShuffle::Bytes };
    let read = |value: &Value| match (value.as_str(), value.as_i64()) {
        (Some("noshuffle"), _) | (_, Some(0)) => Some(BloscShuffle::None),
        (Some("shuffle"), _) | (_, Some(1)) => Some(BloscShuffle::Bytes),
        (Some("bitshuffle"), _) | (_, Some(2)) => Some(BloscShuffle::Bits),
        (_, Some(-1)) => Some(automatic),
        _ => None,
    };
    let shuffle = members.optional("shuffle", read, "\"noshuffle\", \"shuffle\" or \"bitshuffle\"")?;
    let block = members.optional("blocksize", up_to(1 << 30), "a number of bytes")?.unwrap_or(0);
    Ok(Blosc::new(size, level)?.with(
        compressor.unwrap_or(BloscCompressor::Lz4),
        shuffle.unwrap_or(automatic),
        block as usize,
    ))
}

/// The codec from elements to bytes that `spec` names; `None` if there is none of that name.
pub(super) fn array_codec(spec: &CodecSpec) -> Result<Option<Arc<dyn ArrayCodec>>> {
    let members = spec.members();
    Ok(Some(match spec.name.as_str() {
        // That of numcodecs fills bytes from the other end.
        "numcodecs.packbits" => {
            members.expect_only(&[])?;
            Arc::new(PackBits::numcodecs())
        }
        "packbits" => {
            members.expect_only(&["padding_encoding", "first_bit", "last_bit"])?;
            let padding = |value: &Value| match value.as_str()? {
                "none" => Some(PackBitsPadding::None),
                // The second is what drafts called it.
                "first_byte" | "start_byte" => Some(PackBitsPadding::FirstByte),
                "last_byte" | "end_byte" => Some(PackBitsPadding::LastByte),
                _ => None,
            };
            let padding = members.optional("padding_encoding", padding, "none, first_byte or last_byte")?;
            let bit = |name| members.optional(name, up_to(63), "the number of a bit");
            Arc::new(PackBits::new(
                padding.unwrap_or(PackBitsPadding::None),
                bit("first_bit")?,
                bit("last_bit")?,
            ))
        }
        "pcodec" | "numcodecs.pcodec" => Arc::new(pcodec(spec)?),
        _ => return Ok(None),
    }))
}

fn pcodec(spec: &CodecSpec) -> Result<Pcodec> {
    let members = spec.members();
    members.expect_only(&[
        "level",
        "mode_spec",
        "delta_spec",
        "paging_spec",
        "delta_encoding_order",
        "equal_pages_up_to",
    ])?;
    let level = members.optional("level", up_to(12), "a level from 0 to 12")?;
    let mode = |value: &Value| match value.as_str()? {
        "auto" => Some(PcodecMode::Auto),
        "classic" => Some(PcodecMode::Classic),
        _ => None,
    };
    let mode = members.optional("mode_spec", mode, "\"auto\" or \"classic\"")?.unwrap_or(PcodecMode::Auto);
    let order = members.optional("delta_encoding_order", up_to(7), "a number from 0 to 7")?;
    let delta = |value: &Value| match (value.as_str()?, order) {
        ("auto", None) => Some(PcodecDelta::Auto),
        ("auto", Some(order)) => Some(PcodecDelta::Consecutive(order as usize)),
        ("none", None) => Some(PcodecDelta::None),
        ("try_consecutive", order) => Some(PcodecDelta::Consecutive(order.unwrap_or(0) as usize)),
        ("try_lookback", None) => Some(PcodecDelta::Lookback),
        _ => None,
    };
    let default = order.map_or(PcodecDelta::Auto, |order| PcodecDelta::Consecutive(order as usize));
    let delta = members.optional("delta_spec", delta, "a way to take differences")?.unwrap_or(default);
    let paging = |value: &Value| (value == "equal_pages_up_to").then_some(());
    members.optional("paging_spec", paging, "\"equal_pages_up_to\"")?;
    let page = members.optional("equal_pages_up_to", up_to(1 << 24), "a number of elements")?;
    Pcodec::new(
        level.map_or(Pcodec::DEFAULT_LEVEL, |level| level as u8),
        mode,
        delta,
        page.map_or(Pcodec::DEFAULT_PAGE, |page| page as usize),
    )
}
