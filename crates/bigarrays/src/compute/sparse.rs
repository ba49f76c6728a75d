//! Passes over arrays of which little is stored: only blocks that have something are computed.

use std::ops::Range;

use roaring::RoaringTreemap;

use crate::array::Listed;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::blocks::Blocks;
use crate::compute::inputs::Compiled;
use crate::compute::kernels::{Cell, Fold};
use crate::compute::reduction::Method;
use crate::compute::sink::Sink;
use crate::compute::stage::{Output, Stage};

/// Fewer blocks are all computed: to ask what is stored would cost as much.
const FEW: u64 = 64;

/// If more than one in so many blocks has something, all are computed.
const THIN: u64 = 2;

/// The blocks of a pass that have anything to compute, and what the others are.
pub(super) struct Sparse {
    /// Numbers of blocks.
    pub(super) blocks: RoaringTreemap,
    /// For each result, an element where nothing is stored.
    pub(super) elsewhere: Vec<Vec<u8>>,
}

impl Sparse {
    /// What of a pass of these blocks has something; `None` if all of it may have, or if that is not found out.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) fn of(compiled: &Compiled, stage: &Stage, all: &Blocks) -> Result<Option<Self>> {
        // So many blocks have no numbers.
        if all.len() <= FEW || all.len() == u64::MAX {
            return Ok(None);
        }
        let Ok(elsewhere) = compiled.of_fills() else { return Ok(None) };
        // Before anything is listed.
        let mut methods = stage.outputs.iter().filter_map(Output::method).zip(&elsewhere);
        if !methods.all(|(method, element)| is_neutral(method, element)) {
            return Ok(None);
        }
        let mut blocks = RoaringTreemap::new();
        for input in &compiled.inputs {
            let Some((array, axes)) = input.stored(&compiled.domain) else { return Ok(None) };
            match array.seems_full() {
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Ok(true) => return Ok(None),
                _ => {}
            }
            let Listed::All(set) = array.listed_chunks()? else { return Ok(None) };
            if set.len() > set.shown() / THIN {
                return Ok(None);
            }
            for chunk in set.iter() {
                let touched: Dims<Range<u64>> = all
                    .cuts
                    .iter()
                    .zip(&axes)
                    .map(|(cuts, own)| match own {
                        Some(own) => cuts.touched(&chunk.range(*own)),
                        None => 0..cuts.len(),
                    })
                    .collect();
                let count =
                    touched.iter().fold(1u64, |all, range| all.saturating_mul(range.end - range.start));
                if count.saturating_add(blocks.len()) > all.len() / THIN {
                    return Ok(None);
                }
                all.each_touched(&touched, &mut |numbers| {
                    blocks.insert_range(numbers);
                });
            }
        }
        Ok(Some(Self { blocks, elsewhere }))
    }

    /// Has results be these elements, one each, wherever nothing is put. Returns whether they can be: arrays are their fill
    /// values.
    pub(super) fn begin(
        &self,
        sinks: &[Vec<Sink<'_>>],
        elements: &[Vec<u8>],
        is_resumed: bool,
    ) -> Result<bool> {
        let all =
            || sinks.iter().zip(elements).flat_map(|(sinks, one)| sinks.iter().map(move |sink| (sink, one)));
        let begin = all().try_fold(true, |all, (sink, element)| {
            Ok::<_, Error>(all && sink.begins_as(element, is_resumed)?)
        })?;
        if !begin {
            return Ok(false);
        }
        all().try_for_each(|(sink, element)| sink.fill(element))?;
        Ok(true)
    }

    /// Whether the block that begins where `part` does has anything.
    pub(super) fn has(&self, part: &Domain, all: &Blocks) -> bool {
        let places: Dims<u64> = all.touched(part).iter().map(|range| range.start).collect();
        self.blocks.contains(all.number(&places))
    }
}

/// Whether to fold any number of these elements is to fold one, or none.
fn is_neutral(method: Method, element: &[u8]) -> bool {
    let cell = element.try_into().map(u64::from_ne_bytes).ok();
    match method.fold {
        Fold::Sum | Fold::SumOfNumbers => cell == Some(0),
        Fold::Product | Fold::ProductOfNumbers => match method.cell {
            Cell::F64 => cell == Some(1f64.to_bits()),
            _ => cell == Some(1),
        },
        Fold::Least | Fold::Most | Fold::LeastNumber | Fold::MostNumber => cell.is_some(),
        _ => false,
    }
}
