//! What passes move from and to stores, and whether their blocks write apart.

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::error::Result;
use crate::compute::cuts::Cuts;
use crate::compute::inputs::Input;
use crate::compute::plan::Flow;

/// What is read of an input: so many chunks, of so many bytes in all.
pub(super) fn read(input: &Input, count: u64, bytes: u64) -> Flow {
    let arrays = input.arrays();
    let codecs = arrays.first().map(|array| array.layout().codecs.names().collect()).unwrap_or_default();
    let is_sharded = arrays.iter().any(|array| array.layout().sharding.is_some());
    Flow { codecs, is_sharded, count, bytes }
}

/// What is written of a result, all of it: of what is written at once, each once.
///
/// # Errors
/// Those of views that leave the range of coordinates.
pub(super) fn written(target: &Array) -> Result<Flow> {
    let grid = target.write_grid()?;
    let along = target.domain().ranges().zip(grid).map(|(range, place)| Cuts::over(range, place).len());
    let item = target.dtype().size() as u64;
    Ok(Flow {
        codecs: target.layout().codecs.names().collect(),
        is_sharded: target.layout().sharding.is_some(),
        count: along.fold(1, u64::saturating_mul),
        bytes: target.domain().shape().iter().fold(item, |bytes, &length| bytes.saturating_mul(length)),
    })
}

/// Whether some pieces of these axes write to the same box of a grid; if there is no grid, what is written is no boxes.
pub(super) fn is_shared(cuts: &[&Cuts], grid: Option<&Dims<(i64, u64)>>) -> bool {
    let Some(grid) = grid else { return cuts.iter().any(|cuts| cuts.len() > 1) };
    let agrees = |(cuts, &(origin, length)): (&&Cuts, &(i64, u64))| {
        let (own, step) = cuts.grid();
        cuts.len() <= 1 || (step % length == 0 && own.abs_diff(origin) % length == 0)
    };
    !cuts.iter().zip(grid).all(agrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_cut_boxes_share_them() {
        let (cut, whole) = (Cuts::over(-8..8, (-8, 4)), Cuts::over(0..9, (0, 16)));
        let cuts = [&cut, &whole];
        let grid = |all: [(i64, u64); 2]| Dims::from_slice(&all);
        assert!(!is_shared(&cuts, Some(&grid([(0, 4), (0, 5)]))));
        assert!(!is_shared(&cuts, Some(&grid([(2, 2), (1, 3)]))));
        assert!(is_shared(&cuts, Some(&grid([(1, 4), (0, 5)]))));
        assert!(is_shared(&cuts, Some(&grid([(0, 8), (0, 5)]))));
        assert!(is_shared(&cuts, None) && !is_shared(&cuts[1..], None));
    }
}
