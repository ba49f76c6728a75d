//! Elements that something else has, which are read box by box.

use std::fmt;
use std::sync::Arc;

use crate::base::buffer::{Order, View, ViewMut, byte_len};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::memory::Memory;

/// Elements that are neither in an array of ours nor in memory: those of a file that another library reads, or of a function.
///
/// Boxes of them are read by several threads at once; what can not take that waits within `read`. Nobody knows where they
/// are stored: a result that is saved over them is not refused.
pub trait Source: Send + Sync {
    /// What expressions call it.
    fn name(&self) -> &str;

    /// Type of the elements.
    fn dtype(&self) -> DataType;

    /// Where the elements are.
    fn domain(&self) -> &Domain;

    /// Lengths of the boxes from the origin on that are read the fastest, if there are any. There is one for each axis.
    fn chunk_shape(&self) -> Option<&[u64]> {
        None
    }

    /// Whether reading is copying from memory, and takes no further memory. Otherwise as much as a box takes is
    /// counted for what the source makes, and again for what it makes that of.
    fn is_in_memory(&self) -> bool {
        false
    }

    /// Bytes that it keeps of what it has read, at most, such as a library's cache of decoded chunks.
    fn kept_bytes(&self) -> u64 {
        0
    }

    /// Writes the elements of `part`, a box within the domain, to `out`: dense in C order, in the order of bytes of this
    /// machine, as many as `part` has.
    ///
    /// # Errors
    /// Any; the computation ends with it.
    fn read(&self, part: &Domain, out: &mut [u8]) -> Result<()>;
}

/// A source within an expression.
#[derive(Clone)]
pub(crate) struct Foreign(pub(super) Arc<dyn Source>);

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Foreign {
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.0.is_in_memory()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What tells it from all other sources and arrays.
    pub(super) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }

    /// Writes the elements of `part` to `out`, of its shape.
    pub(super) fn read(&self, part: &Domain, mut out: ViewMut<'_>) -> Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let during = |error: Error| error.during(format!("reading {part} of {}", self.name()));
        let is_boolean = self.0.dtype() == DataType::Bool;
        if let Some(elements) = out.as_dense_mut(Order::C) {
            self.0.read(part, elements).map_err(during)?;
        } else {
            let (shape, item): (Dims<usize>, usize) = (out.shape().into(), out.item());
            let mut elements = Memory::new(byte_len(&shape, item)?)?;
            self.0.read(part, elements.bytes_mut()).map_err(during)?;
            out.copy_from(&View::dense(elements.bytes(), &shape, item, Order::C)?);
        }
        if is_boolean {
            out.make_boolean();
        }
        Ok(())
    }

    /// How many times a box is held while it is read, but for its elements themselves.
    pub(super) fn copies(&self) -> u64 {
        // Those that are put in another order, what the source makes, and what it makes that of.
        if self.0.is_in_memory() { 1 } else { 3 }
    }

    /// Bytes that the source keeps between readings.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.0.kept_bytes()
    }

    /// The first coordinate and length of chunks along each axis.
    pub(super) fn grid(&self) -> Option<Dims<(i64, u64)>> {
        let chunk = self.0.chunk_shape()?;
        let origin = self.0.domain().origin();
        Some(origin.iter().zip(chunk).map(|(&first, &length)| (first, length.max(1))).collect())
    }

    /// Bytes of a chunk, none if there are no chunks.
    pub(super) fn chunk_bytes(&self) -> u64 {
        let item = self.0.dtype().size() as u64;
        let chunk = self.0.chunk_shape().map(|chunk| chunk.iter().zip(self.0.domain().shape()));
        chunk.map_or(0, |chunk| chunk.fold(item, |all, (&one, &axis)| all.saturating_mul(one.min(axis))))
    }
}
