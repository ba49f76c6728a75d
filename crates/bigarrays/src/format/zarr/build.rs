//! Lists of codecs → pipelines.

use std::sync::Arc;

use super::chain::Chain;
use super::shards;
use crate::base::buffer::Order;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::codec::{ChunkSpec, CodecList, CodecPipeline, Listed, Raw};
use crate::format::compression::SHARDING;

/// The chain of `list`, for chunks of `dtype` and `shape`.
///
/// # Errors
/// `Unsupported` naming a codec that is not known; `InvalidMetadata` naming the member that is wrong.
pub(super) fn build(list: &[Listed], dtype: DataType, shape: &[u64]) -> Result<Chain> {
    if let Some(at) = list.iter().position(|listed| listed.name == SHARDING) {
        return shards::pack(list, at, dtype, shape, build);
    }
    let CodecList { mut steps, mut array, bytes, .. } = CodecList::read(list, dtype, shape.len())?;
    steps.retain(|step| step.axes().is_none_or(|axes| !axes.iter().copied().eq(0..shape.len())));
    let mut order = Order::C;
    // Axes all reversed are elements in Fortran order, which needs no steps between.
    let is_reversal = |axes: &[usize]| axes.iter().copied().eq((0..shape.len()).rev());
    if steps.last().and_then(|last| last.axes()).is_some_and(is_reversal)
        && let Some(turned) = Raw::turned(&array.config())
    {
        (array, order) = (Arc::new(turned), Order::Fortran);
        steps.pop();
    }
    for step in steps.into_iter().rev() {
        array = step.around(array)?;
    }
    let codecs = CodecPipeline::new(array, bytes);
    let length = |&length: &u64| usize::try_from(length);
    let lengths = shape.iter().map(length).collect::<std::result::Result<_, _>>();
    let shape_of = lengths.map_err(|_| Error::invalid(format!("chunks of shape {shape:?}")))?;
    codecs.check(&ChunkSpec { dtype, shape: shape_of })?;
    Ok(Chain { codecs, order, chunk: shape.into(), levels: Vec::new() })
}
