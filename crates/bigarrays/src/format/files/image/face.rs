//! What an image is, by the header of its file.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};

/// Size and type of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Face {
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) channels: u16,
    pub(crate) dtype: DataType,
    /// Bits of a stored sample.
    pub(crate) bits: u8,
}

impl Face {
    pub(crate) fn describe(&self) -> String {
        let Self { height, width, channels, dtype, bits } = self;
        format!("{width} × {height} with {channels} channels of {dtype} in {bits} bits")
    }

    pub(crate) fn byte_len(&self) -> Result<u64> {
        let pixels = u64::from(self.height) * u64::from(self.width);
        let length = pixels.checked_mul(u64::from(self.channels) * self.dtype.size() as u64);
        length
            .filter(|&length| length < 1 << 47)
            .ok_or_else(|| Error::corrupt("the image is impossibly large"))
    }

    #[cfg(any(feature = "jpeg", feature = "png", feature = "tiff"))]
    pub(super) fn expect(&self, found: Self) -> Result<()> {
        if *self == found {
            return Ok(());
        }
        Err(Error::corrupt(format!("the image is {}, it was {}", found.describe(), self.describe())))
    }
}
