//! Passes over arrays of which little is stored: only blocks that have something are computed.

use std::ops::Range;

use roaring::RoaringTreemap;

use crate::array::Listed;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};
use crate::compute::cuts::Cuts;
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
    /// Numbers of blocks; the last axis varies fastest.
    pub(super) blocks: RoaringTreemap,
    /// For each result, an element where nothing is stored.
    pub(super) elsewhere: Vec<Vec<u8>>,
}

impl Sparse {
    /// What of a pass that is cut so has something; `None` if all of it may have, or if that is not found out.
    ///
    /// # Errors
    /// `Cancelled`.
    pub(super) fn of(compiled: &Compiled, stage: &Stage, cuts: &[Cuts]) -> Result<Option<Self>> {
        let all = cuts.iter().try_fold(1u64, |all, cuts| all.checked_mul(cuts.len()));
        let Some(all) = all.filter(|&all| all > FEW) else { return Ok(None) };
        let Ok(elsewhere) = compiled.of_fills() else { return Ok(None) };
        // Before anything is listed.
        let mut methods = stage.outputs.iter().filter_map(Output::method).zip(&elsewhere);
        if !methods.all(|(method, element)| is_neutral(method, element)) {
            return Ok(None);
        }
        let mut blocks = RoaringTreemap::new();
        for input in &compiled.inputs {
            let Some((array, axes)) = input.stored(&compiled.domain) else { return Ok(None) };
            let Listed::All(set) = array.listed_chunks()? else { return Ok(None) };
            if set.len() > set.shown() / THIN {
                return Ok(None);
            }
            for chunk in set.iter() {
                let touched: Dims<Range<u64>> = cuts
                    .iter()
                    .zip(&axes)
                    .map(|(cuts, own)| match own {
                        Some(own) => cuts.touched(&chunk.range(*own)),
                        None => 0..cuts.len(),
                    })
                    .collect();
                let count =
                    touched.iter().fold(1u64, |all, range| all.saturating_mul(range.end - range.start));
                if count.saturating_add(blocks.len()) > all / THIN {
                    return Ok(None);
                }
                insert(&mut blocks, &touched, cuts);
            }
        }
        Ok(Some(Self { blocks, elsewhere }))
    }

    /// Has results be these elements, one each, wherever nothing is put. Returns whether they can be: arrays are their fill
    /// values.
    pub(super) fn begin(&self, sinks: &[Vec<Sink<'_>>], elements: &[Vec<u8>]) -> Result<bool> {
        let all =
            || sinks.iter().zip(elements).flat_map(|(sinks, one)| sinks.iter().map(move |sink| (sink, one)));
        let begin =
            all().try_fold(true, |all, (sink, element)| Ok::<_, Error>(all && sink.begins_as(element)?))?;
        if !begin {
            return Ok(false);
        }
        all().try_for_each(|(sink, element)| sink.fill(element))?;
        Ok(true)
    }

    /// Whether the block that begins where `part` does has anything.
    pub(super) fn has(&self, part: &Domain, cuts: &[Cuts]) -> bool {
        let at = |(cuts, range): (&Cuts, Range<i64>)| (cuts.touched(&range).start, cuts.len());
        let number =
            cuts.iter().zip(part.ranges()).map(at).fold(0, |number, (at, length)| number * length + at);
        self.blocks.contains(number)
    }
}

/// Adds the numbers of a box of blocks.
fn insert(blocks: &mut RoaringTreemap, touched: &[Range<u64>], cuts: &[Cuts]) {
    let Some((last, outer)) = touched.split_last() else {
        blocks.insert(0);
        return;
    };
    if touched.iter().any(Range::is_empty) {
        return;
    }
    let mut at: Dims<u64> = outer.iter().map(|range| range.start).collect();
    loop {
        let first = at.iter().zip(cuts).fold(0, |number, (at, cuts)| number * cuts.len() + at);
        let row = first * cuts[outer.len()].len();
        blocks.insert_range(row + last.start..row + last.end);
        let Some(axis) = (0..outer.len()).rev().find(|&axis| at[axis] + 1 < outer[axis].end) else { return };
        at[axis] += 1;
        (axis + 1..outer.len()).for_each(|behind| at[behind] = outer[behind].start);
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
