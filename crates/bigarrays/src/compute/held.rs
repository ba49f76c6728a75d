//! Elements in memory, as an array like those that are stored.

use std::sync::Arc;

use crate::array::{Array, ArrayOptions};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::chunk::grid::{ChunkGrid, EdgeChunks};
use crate::chunk::layout::Layout;
use crate::format::Opened;
use crate::format::files::NewArray;
use crate::format::files::plain::numbered_layout;
use crate::store::{MemoryStore, Store};

/// What arrays in memory call their format.
pub(crate) const NAME: &str = "memory";

/// What arrays that are not there yet call theirs.
pub(crate) const PLACEHOLDER: &str = "scratch";

/// Whether an array is in the memory of this computation alone.
pub(crate) fn is_in_memory(array: &Array) -> bool {
    [NAME, PLACEHOLDER].contains(&array.format())
}

/// An array in chunks of which nothing is stored, by which passes are planned that read a file which an earlier one makes.
///
/// # Errors
/// `InvalidArgument` for chunks that do not fit.
pub(crate) fn placeholder(domain: &Domain, dtype: DataType, chunk: &[u64]) -> Result<Array> {
    placeholder_in(MemoryStore::new(), domain, dtype, chunk)
}

/// The same, whose chunks are put into a store.
///
/// # Errors
/// As [`placeholder`].
pub(crate) fn placeholder_in(
    store: MemoryStore,
    domain: &Domain,
    dtype: DataType,
    chunk: &[u64],
) -> Result<Array> {
    let axis_names = (0..domain.ndim()).map(|axis| format!("dim_{axis}")).collect();
    let new = NewArray { dtype, domain: domain.clone(), axis_names, resolution: None };
    let layout = numbered_layout(new, chunk, Order::C, cfg!(target_endian = "big"))?;
    let opened = Opened::new(PLACEHOLDER, layout, Arc::new(store));
    Ok(Array::from_opened(opened, PLACEHOLDER, ArrayOptions::default()))
}

/// An array of one chunk, of which nothing is stored, with the names of an expression.
///
/// # Errors
/// `InvalidArgument` for a domain of more elements than there can be.
pub(crate) fn named_placeholder(domain: &Domain, dtype: DataType, names: &[Option<String>]) -> Result<Array> {
    let (layout, _) = named_layout(domain, dtype, names)?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    Ok(Array::from_opened(Opened::new(PLACEHOLDER, layout, store), PLACEHOLDER, ArrayOptions::default()))
}

/// The layout of one chunk, and the shape of that.
fn named_layout(domain: &Domain, dtype: DataType, names: &[Option<String>]) -> Result<(Layout, Dims<u64>)> {
    let chunk: Dims<u64> = domain.shape().iter().map(|&length| length.max(1)).collect();
    let axis_names = (0..domain.ndim()).map(|axis| names.get(axis).cloned().flatten());
    let axis_names = axis_names.enumerate().map(|(axis, name)| name.unwrap_or_else(|| format!("dim_{axis}")));
    let new = NewArray { dtype, domain: domain.clone(), axis_names: axis_names.collect(), resolution: None };
    let mut layout = numbered_layout(new, &chunk, Order::C, cfg!(target_endian = "big"))?;
    layout.dimension_names = names.into();
    Ok((layout, chunk))
}

/// The array of these elements, dense in C order, with at least one axis.
///
/// # Errors
/// `InvalidArgument` if there are not as many as the domain has.
pub(crate) fn held(
    domain: &Domain,
    dtype: DataType,
    names: &[Option<String>],
    elements: &[u8],
) -> Result<Array> {
    let (layout, chunk) = named_layout(domain, dtype, names)?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    if !domain.is_empty() {
        let grid = ChunkGrid::new(domain.clone(), &chunk, EdgeChunks::Clipped)?;
        store.write(&layout.keys.key(&grid, &Dims::from_elem(0, domain.ndim())), elements)?;
    }
    Ok(Array::from_opened(Opened::new(NAME, layout, store), NAME, ArrayOptions::default()))
}
