//! The versions of Zarr, which say the same in documents of their own.

/// A version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) enum Version {
    Two,
    Three,
}
