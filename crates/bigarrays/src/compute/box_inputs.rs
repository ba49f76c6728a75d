//! What boxes of results read and hold: the stored inputs of expressions, and these in memory in their places.

use std::ops::Range;

use crate::array::{Array, Index};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::expr::{Kind, Lazy};
use crate::compute::frame::Frame;
use crate::compute::held::{is_in_memory, placeholder_in};
use crate::compute::plan::Flow;
use crate::compute::same::is_same;
use crate::store::MemoryStore;

/// A stored array that an expression is.
pub(super) fn array_of(lazy: &Lazy) -> Option<&Array> {
    match lazy.kind() {
        Kind::Source(array) if !is_in_memory(array) => Some(array),
        _ => None,
    }
}

/// Whether all that is read is of stored arrays and of elements in memory.
pub(super) fn is_of_arrays(root: &Lazy) -> bool {
    root.nodes().into_iter().all(|node| !matches!(node.kind(), Kind::Foreign(_) | Kind::Pending(_)))
}

/// What expressions read of stored arrays, each once.
pub(super) fn inputs(roots: &[Lazy]) -> Vec<Lazy> {
    let mut found: Vec<Lazy> = Vec::new();
    for node in roots.iter().flat_map(Lazy::nodes).filter(|node| array_of(node).is_some()) {
        if !found.iter().any(|known| is_same(known, node)) {
            found.push(node.clone());
        }
    }
    found
}

/// Bytes of all elements.
pub(super) fn bytes(lazy: &Lazy) -> u64 {
    let item = lazy.dtype().size() as u64;
    lazy.domain().shape().iter().fold(item, |all, &length| all.saturating_mul(length))
}

/// Bytes of what expressions read of stored arrays.
pub(super) fn bytes_of(roots: &[Lazy]) -> u64 {
    inputs(roots).iter().map(bytes).fold(0, u64::saturating_add)
}

/// What so many boxes read, where this is the first: all chunks that their inputs touch.
///
/// # Errors
/// Those of views of arrays.
pub(super) fn reads(roots: &[Lazy], boxes: u64) -> Result<Vec<Flow>> {
    let mut all = Vec::new();
    for input in inputs(roots) {
        let Some(array) = array_of(&input) else { continue };
        let (mut count, mut bytes) = (boxes, input.dtype().size() as u64);
        for ((origin, length), range) in array.chunk_grid()?.into_iter().zip(array.domain().ranges()) {
            let at = |coordinate: i64| coordinate.wrapping_sub(origin).div_euclid(length as i64);
            let chunks = if range.is_empty() { 0 } else { at(range.end - 1).abs_diff(at(range.start)) + 1 };
            (count, bytes) = (count.saturating_mul(chunks), bytes.saturating_mul(length));
        }
        let codecs = array.layout().codecs.names().collect();
        let is_sharded = array.layout().sharding.is_some();
        all.push(Flow { codecs, is_sharded, count, bytes: bytes.saturating_mul(count) });
    }
    Ok(all)
}

/// A box of an expression.
///
/// # Errors
/// Those of making expressions.
pub(super) fn cut(root: &Lazy, part: &Domain) -> Result<Lazy> {
    let index = |range: Range<i64>| Index::Slice { start: Some(range.start), stop: Some(range.end), step: 1 };
    root.slice(&part.ranges().map(index).collect::<Vec<Index>>())
}

/// What a box of their frame has of expressions.
///
/// # Errors
/// Those of making expressions.
pub(super) fn cut_all(frame: &Frame, roots: &[Lazy], part: &Domain) -> Result<Vec<Lazy>> {
    let one = |(number, root): (usize, &Lazy)| cut(root, &frame.part(number, root.domain(), part)?);
    roots.iter().enumerate().map(one).collect()
}

/// An array in memory for the elements of an input, in the same chunks, which are put into a store.
pub(super) fn empty_in(store: MemoryStore, input: &Lazy, array: &Array) -> Result<Array> {
    let chunk = array
        .chunk_grid()?
        .into_iter()
        .zip(input.domain().shape())
        .map(|(axis, &all)| axis.1.min(all).max(1));
    placeholder_in(store, input.domain(), input.dtype(), &chunk.collect::<Dims<_>>())
}

/// An array in memory as an expression with the names of an input.
pub(super) fn named(input: &Lazy, array: &Array) -> Result<Lazy> {
    Lazy::of(array)?.renamed(input.names())
}

/// A walk that puts what is held in the place of inputs.
pub(super) struct Replacing<'a> {
    pub(super) inputs: &'a [Lazy],
    pub(super) held: &'a [Lazy],
}

impl Replacing<'_> {
    pub(super) fn lazy(&self, lazy: &Lazy) -> Result<Lazy> {
        if array_of(lazy).is_some() {
            let at = self.inputs.iter().position(|input| is_same(input, lazy));
            return Ok(at.map_or_else(|| lazy.clone(), |at| self.held[at].clone()));
        }
        let kind = match lazy.kind() {
            Kind::View(mapping, of) => return self.lazy(of)?.view(mapping),
            kind => kind.with(&mut |of| self.lazy(of))?,
        };
        Ok(Lazy::new(kind, lazy.dtype(), lazy.domain().clone(), lazy.names().into()))
    }
}
