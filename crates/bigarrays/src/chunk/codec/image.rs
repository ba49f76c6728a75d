//! What the image codecs share: a chunk as one image, x fastest, channels interleaved per pixel.

use std::ops::Range;

use crate::base::buffer::{Order, Region, View, ViewMut, byte_len, first_bytes, with_scratch};
use crate::base::dims::Dims;
use crate::base::error::{Error, Result};
use crate::chunk::codec::ChunkSpec;

/// The pixels of a chunk, in the order in which they follow each other in an image of any width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    shape: [usize; 3],
    pub(crate) channels: usize,
    /// Number of pixels, not zero.
    pub(crate) count: usize,
    /// Bytes of one sample.
    pub(crate) item: usize,
}

impl Pixels {
    /// The pixels of a chunk with axes x, y, z and perhaps channel.
    ///
    /// # Errors
    /// `Unsupported` for chunks with other axes or without elements.
    pub(crate) fn of(spec: &ChunkSpec) -> Result<Self> {
        let (shape, channels) = match spec.shape[..] {
            [x, y, z] => ([x, y, z], 1),
            [x, y, z, channels] => ([x, y, z], channels),
            _ => return Err(Error::unsupported("images hold chunks with axes x, y, z and perhaps channel")),
        };
        let item = spec.dtype.size();
        if spec.byte_len()? == 0 {
            return Err(Error::unsupported("images hold no empty chunks"));
        }
        Ok(Self { shape, channels, count: shape.iter().product(), item })
    }

    /// Bytes of one pixel.
    pub(crate) fn size(&self) -> usize {
        self.channels * self.item
    }

    /// Bytes that no sane encoding exceeds, metadata included.
    pub(crate) fn max_encoded_len(spec: &ChunkSpec) -> usize {
        spec.byte_len().map_or(usize::MAX, |length| length.saturating_mul(2).saturating_add(1 << 20))
    }

    /// The widths and heights that a writer may choose from, the best for compression first.
    pub(crate) fn image_sizes(&self) -> [(usize, usize); 2] {
        let [x, y, z] = self.shape;
        [(x, y * z), (x * y, z)]
    }

    /// An error unless an image of this size and with these channels holds just these pixels.
    pub(crate) fn expect_image(&self, width: usize, height: usize, channels: usize) -> Result<()> {
        if channels != self.channels {
            return Err(Error::corrupt(format!(
                "image of {channels} channels for a chunk of {}",
                self.channels
            )));
        }
        if width == 0 || width.checked_mul(height) != Some(self.count) {
            return Err(Error::corrupt(format!(
                "image of {width} × {height} pixels instead of the {} of shape {:?}",
                self.count, self.shape
            )));
        }
        Ok(())
    }

    /// The number of the pixel that has the element at a place in the chunk.
    pub(crate) fn pixel(&self, at: &[usize]) -> usize {
        let [x, y, _] = self.shape;
        at[0] + x * (at[1] + y * at[2])
    }

    /// The rows of an image of the given width that hold `region`, which must not be empty.
    pub(crate) fn rows(&self, region: &Region, width: usize) -> Range<usize> {
        let first = self.pixel(&region.start);
        let last = self.pixel(&[region.end(0) - 1, region.end(1) - 1, region.end(2) - 1]);
        first / width..last / width + 1
    }

    /// Has `decode` fill the given rows of an image of the given width, and copies out `region`, which
    /// they must hold; without a copy where `out` is just those rows.
    pub(crate) fn decode_rows(
        &self,
        rows: &Range<usize>,
        width: usize,
        region: &Region,
        out: &mut ViewMut<'_>,
        decode: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let shape = &self.shape[..];
        let length = byte_len(&[rows.len(), width], self.size())?;
        let all = self.channels == 1 && length == self.count * self.item && region.is_whole_image(shape);
        if all && let Some(bytes) = out.as_dense_mut(Order::Fortran) {
            return decode(bytes);
        }
        with_scratch(|scratch| {
            let bytes = first_bytes(scratch, length);
            decode(bytes)?;
            let strides = self.strides(region.count.len());
            let mut offset = 0;
            let mut steps = Dims::new();
            for (axis, &stride) in strides.iter().enumerate() {
                offset += region.start[axis] * stride;
                steps.push((region.step[axis] * stride) as isize);
            }
            offset -= rows.start * width * self.size();
            out.copy_from(&View::strided(bytes, offset, &region.count, &steps, self.item));
            Ok(())
        })
    }

    /// Distances in bytes between neighbours along each axis of the chunk, within the image.
    fn strides(&self, ndim: usize) -> Dims<usize> {
        let [x, y, _] = self.shape;
        let pixel = self.size();
        let mut strides: Dims<usize> = Dims::from_slice(&[pixel, pixel * x, pixel * x * y, self.item]);
        strides.truncate(ndim);
        strides
    }

    /// Lends `encode` the samples of `chunk` in the order of the image, big-endian.
    pub(crate) fn with_samples(
        &self,
        chunk: &View<'_>,
        encode: impl FnOnce(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let swaps = self.item > 1 && cfg!(target_endian = "little");
        let count = chunk.shape().iter().product::<usize>();
        if (count, chunk.item()) != (self.count * self.channels, self.item) {
            return Err(Error::invalid(format!("elements of shape {:?} for another chunk", chunk.shape())));
        }
        if let (Some(bytes), 1, false) = (chunk.as_dense(Order::Fortran), self.channels, swaps) {
            return encode(bytes);
        }
        let [x, y, z] = self.shape;
        with_scratch(|scratch| {
            let bytes = first_bytes(scratch, self.count * self.size());
            let image = ViewMut::dense(bytes, &[self.channels, x, y, z], self.item, Order::Fortran)?;
            let mut image = if chunk.shape().len() == 4 {
                image.arranged(&[Some(1), Some(2), Some(3), Some(0)])
            } else {
                ViewMut::dense(bytes, &self.shape, self.item, Order::Fortran)?
            };
            image.copy_from(chunk);
            if swaps {
                image.swap_bytes(self.item);
            }
            encode(bytes)
        })
    }
}

impl Region {
    /// Whether the region is all of the first three axes, of which `shape` is the shape.
    fn is_whole_image(&self, shape: &[usize]) -> bool {
        let space = |dims: &Dims<usize>| Dims::from_slice(&dims[..3]);
        Region { start: space(&self.start), count: space(&self.count), step: space(&self.step) }
            .is_whole(shape)
    }
}
