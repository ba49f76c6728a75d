//! Where values are wanted: memory that a store may read them to, instead of lending them.

use crate::base::error::Result;

/// Reads a value into memory of its length.
pub(crate) type ReadInto<'a> = dyn FnMut(&mut [u8]) -> Result<()> + 'a;

/// Lends the destination of a request to a reader, if it has one.
type Lend<'a> = dyn Fn(usize, &mut ReadInto<'_>) -> Result<()> + Sync + 'a;

/// The memory that the values of a batch are wanted in, by the positions of their requests. Stores outside of the crate
/// can pass it on, but not write there, as it may be uninitialised.
pub struct Destinations<'a>(Option<&'a Lend<'a>>);

impl<'a> Destinations<'a> {
    /// None: every value is lent.
    pub const NONE: Self = Self(None);

    /// Those that `lend` lends.
    pub(crate) fn new(lend: &'a Lend<'a>) -> Self {
        Self(Some(lend))
    }

    /// Has `read` fill the destination of the request at `position`, if it has one of `length` bytes. Returns whether it
    /// did; then the answer to the request is [`Extent::Placed`](super::Extent::Placed).
    ///
    /// # Errors
    /// Those of `read`, after which the contents of the destination are unspecified.
    pub(crate) fn fill(
        &self,
        position: usize,
        length: u64,
        read: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<bool> {
        let Some(lend) = self.0 else { return Ok(false) };
        let (mut read, mut is_filled) = (Some(read), false);
        lend(position, &mut |destination| match read.take() {
            Some(read) if destination.len() as u64 == length => {
                is_filled = true;
                read(destination)
            }
            _ => Ok(()),
        })?;
        Ok(is_filled)
    }
}
