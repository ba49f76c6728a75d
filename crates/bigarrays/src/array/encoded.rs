//! Chunks as they are stored, for who passes them on.

use std::sync::Mutex;

use crate::array::decode::decode_all;
use crate::array::transform::AxisMap;
use crate::array::view::Array;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::store::{Get, Part};

impl Array {
    /// Whether [`Array::encoded_chunk`] gives the bytes of chunks: axes are as they are stored, in one layout, and chunks at the end are
    /// stored as long as they are.
    pub fn has_encoded_chunks(&self) -> bool {
        let grid = &self.layout().grid;
        let is_as_stored = |(stored, map): (usize, &AxisMap)| matches!(*map, AxisMap::Along { axis, step: 1, .. } if axis == stored);
        let last: Dims<u64> = grid.shape().iter().map(|count| count.saturating_sub(1)).collect();
        let clipped = grid.chunk_domain(&last).shape().to_vec();
        self.transform().axes.iter().enumerate().all(is_as_stored)
            && self.layouts().count() == 1
            && grid.stored_shape(&last).iter().map(|&length| length as u64).eq(clipped)
    }

    /// The bytes of a chunk as they are stored, without the compression around them that is not part of the format, such as that of
    /// a file whose name ends in `.gz`; `None` if the chunk is not stored. `part` is the box of the chunk. They are decoded once, to
    /// see that they can be.
    ///
    /// ```
    /// use bigarrays::{Array, CreateSpec, DataType, OpenOptions};
    ///
    /// let mut spec = CreateSpec::new(DataType::U8, "0:8,0:4,0:4".parse()?);
    /// spec.storage.chunk_shape = Some(vec![4, 4, 4]);
    /// let array = OpenOptions::new().create("memory://encoded-chunk", &spec)?;
    /// array.write(&[0, 0, 0], bigarrays::ndarray::Array3::<u8>::from_elem((4, 4, 4), 7).view())?;
    /// assert_eq!(array.encoded_chunk(&"0:4,0:4,0:4".parse()?)?, Some(vec![7; 64]));
    /// assert_eq!(array.encoded_chunk(&"4:8,0:4,0:4".parse()?)?, None);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if `part` is not the box of one chunk; `Unsupported` if there [are none](Array::has_encoded_chunks); `CorruptData` if it cannot be decoded; a storage error.
    pub fn encoded_chunk(&self, part: &Domain) -> Result<Option<Vec<u8>>> {
        let during = |error: Error| error.during("reading the bytes of a chunk of").at(self.url());
        let layout = self.layout();
        if !self.has_encoded_chunks() {
            return Err(during(Error::unsupported(
                "a view whose axes or chunks are not those that are stored",
            )));
        }
        let none = || during(Error::invalid(format!("{part} is not the box of a chunk")));
        if part.is_empty() || !self.domain().contains(part) {
            return Err(none());
        }
        let projection = layout.grid.project_selection(&self.stored_inside(part)?);
        let chunk = projection.get(0);
        if projection.len() != 1 || !chunk.is_whole {
            return Err(none());
        }
        let key = layout.chunk_key(&chunk.index);
        let location = || self.store().location(&key);
        let request = Get::new(key.clone(), Part::Whole, layout.max_stored_len(&chunk.index));
        let found = Mutex::new(None);
        self.store().get_many(&[request], &|_, blob| {
            let Some(blob) = blob else { return Ok(()) };
            let reading = |error: Error| error.during("decoding").at(location());
            decode_all(layout, &chunk.index, blob).map_err(reading)?;
            let most = layout.codecs.max_encoded_len(&layout.chunk_spec(&chunk.index));
            let bytes = blob.encoding.with_decoded(blob.bytes, most, |bytes| Ok(bytes.to_vec()));
            *found.locked() = Some(bytes.map_err(reading)?);
            Ok(())
        })?;
        match found.into_value() {
            None if self.options().strict => Err(Error::corrupt("the chunk is missing").at(location())),
            found => Ok(found),
        }
    }
}
