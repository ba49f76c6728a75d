//! Bytes of the file, and what is said where they are wrong.

use std::io;

use crate::base::error::Error;
pub(in crate::flat) use crate::format::files::bytes::Bytes as Source;

pub(in crate::flat) const HEADER: usize = 16;

fn chunk_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

pub(in crate::flat) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(chunk_at(bytes, at))
}

pub(in crate::flat) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(chunk_at(bytes, at))
}

pub(in crate::flat) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(chunk_at(bytes, at))
}

#[cold]
pub(in crate::flat) fn wrong(reason: impl std::fmt::Display) -> Error {
    Error::corrupt(reason.to_string())
}

#[cold]
pub(in crate::flat) fn unread(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => wrong("it was cut short"),
        _ => Error::io(error, "reading", String::new()),
    }
}
