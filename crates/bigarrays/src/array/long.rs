//! Reading elements that have lengths of their own: texts and bytes.

use std::sync::Mutex;

use crate::array::Array;
use crate::array::cutout::lengths;
use crate::array::decode::decode_long;
use crate::array::read::Elements;
use crate::base::buffer::{Order, View, ViewMut, byte_len};
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::base::sync::MutexExt;
use crate::chunk::grid::ChunkProjection;
use crate::store::Blob;

/// A box of elements that have lengths of their own, in C order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongElements {
    domain: Domain,
    /// The number of each element among those that are there.
    numbers: Vec<u32>,
    /// Those that are there; the first is the fill value.
    elements: Vec<Box<[u8]>>,
}

impl LongElements {
    /// The coordinates that the elements cover.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The bytes of each element, of texts in UTF-8, in C order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.numbers.iter().map(|&number| &*self.elements[number as usize])
    }
}

impl Array {
    /// Reads the box `part` of an array whose elements have lengths of their own (`DataType::is_long`).
    ///
    /// ```no_run
    /// let array = bigarrays::OpenOptions::new().open("stations.zarr/name")?;
    /// let names = array.read_long(array.domain())?;
    /// let names: Vec<_> = names.iter().map(String::from_utf8_lossy).collect();
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if elements are of one size, or the box has another number of axes; `CorruptData` or a storage
    /// error naming the chunk that could not be read.
    pub fn read_long(&self, part: &Domain) -> Result<LongElements> {
        part.expect_ndim(self.ndim())?;
        let layout = self.layout();
        if !layout.dtype.is_long() {
            return Err(
                Error::invalid(format!("elements are {}, all of one size", layout.dtype)).at(self.url())
            );
        }
        let shape = lengths(part)?;
        let elements = Mutex::new(vec![Box::from(layout.fill.as_bytes())]);
        let decode = |part: &ChunkProjection, blob: Blob<'_>, out: &mut ViewMut<'_>| {
            let mut own: Vec<Box<[u8]>> = Vec::new();
            decode_long(layout, part, blob, &mut |element| own.push(element.into()))?;
            let numbers = added(&mut elements.locked(), own)?;
            out.copy_from(&View::dense(&numbers, &part.in_chunk.count, NUMBER, Order::C)?);
            Ok(())
        };
        let mut numbers = vec![0; byte_len(&shape, NUMBER)?];
        let out = ViewMut::dense(&mut numbers, &shape, NUMBER, Order::C)?;
        self.read_as(part, out, &Elements { fill: &[0; NUMBER], plain: None, decode: &decode })?;
        let numbers = numbers.as_chunks().0.iter().map(|number| u32::from_ne_bytes(*number)).collect();
        Ok(LongElements { domain: part.clone(), numbers, elements: elements.into_value() })
    }
}

/// Bytes of a number of an element.
const NUMBER: usize = size_of::<u32>();

/// Adds `own` to `elements`, and says the bytes of their numbers.
fn added(elements: &mut Vec<Box<[u8]>>, own: Vec<Box<[u8]>>) -> Result<Vec<u8>> {
    let first = elements.len();
    let end = u32::try_from(first + own.len());
    let end = end.map_err(|_| Error::invalid("more than 2^32 elements in one read"))?;
    elements.extend(own);
    Ok((first as u32..end).flat_map(u32::to_ne_bytes).collect())
}
