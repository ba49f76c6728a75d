//! What codecs do, where it matters how much memory that takes.

/// A direction of a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// From what is stored.
    Decoding,
    /// To what is stored.
    Encoding,
}
