//! Boxes of an array that several processes write at the same time.

use crate::array::{Array, WriteGrid};
use crate::base::buffer::Order;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;
use crate::compute::{Blocks, Cuts, common_grid};

/// About so many boxes of an array, of which no two have a chunk or shard in common, in any copy that is stored of it. It is one box where shards
/// are no boxes, or where the copies have no such boxes in common.
///
/// # Errors
/// `InvalidArgument` for a view that leaves the range of coordinates.
///
/// ```
/// use bigarrays::jobs::boxes_apart;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let mut spec = CreateSpec::new(DataType::U8, "-2:20,0:9,0:4".parse()?);
/// spec.storage.chunk_shape = Some(vec![8, 4, 4]);
/// let array = OpenOptions::new().format("precomputed").create("memory://apart", &spec)?;
/// let boxes: Vec<String> = boxes_apart(&array, 2)?.iter().map(ToString::to_string).collect();
/// assert_eq!(boxes, ["-2:14,0:9,0:4", "14:20,0:9,0:4"]);
/// # Ok::<(), bigarrays::Error>(())
/// ```
pub fn boxes_apart(target: &Array, count: u64) -> Result<Vec<Domain>> {
    let Some(grid) = common(target.write_grids()?) else { return Ok(vec![target.domain().clone()]) };
    let (mut wanted, mut cuts) = (count.max(1), Dims::new());
    for (range, (origin, length)) in target.domain().ranges().zip(grid) {
        let all = Cuts::over(range.clone(), (origin, length));
        let each = all.len().div_ceil(wanted).max(1);
        wanted = wanted.div_ceil(all.len().div_ceil(each).max(1));
        // Boxes are counted from the first one that is touched.
        let first = i128::from(range.start) - i128::from(origin);
        let first = i128::from(range.start) - first.rem_euclid(i128::from(length));
        let first = i64::try_from(first).unwrap_or(range.start);
        cuts.push(Cuts::over(range, (first, length.saturating_mul(each))));
    }
    let boxes = Blocks::new(cuts, Order::C);
    (0..boxes.len()).map(|number| boxes.get(number)).collect()
}

/// Boxes of whole boxes of each grid.
fn common(grids: Vec<WriteGrid>) -> WriteGrid {
    let mut grids = grids.into_iter();
    let first = grids.next()??;
    grids.try_fold(first, |known, grid| {
        known.into_iter().zip(grid?).map(|(one, other)| common_grid(one, other)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::OpenOptions;
    use crate::base::dtype::DataType;
    use crate::format::CreateSpec;

    #[test]
    fn boxes_have_all_elements_once_and_no_chunk_in_common() {
        let mut spec = CreateSpec::new(DataType::U8, "-5:40,3:30,0:7".parse().unwrap());
        spec.storage.chunk_shape = Some(vec![8, 4, 16]);
        let array = OpenOptions::new().format("precomputed").create("memory://all-once", &spec).unwrap();
        for (view, count) in
            [(array.clone(), 5), (array.cut(&"-3:30,5:17,2:3".parse().unwrap()).unwrap(), 64)]
        {
            let boxes = boxes_apart(&view, count).unwrap();
            assert!(boxes.len() as u64 <= 2 * count && boxes.len() > 3, "{boxes:?}");
            let elements = |part: &Domain| part.shape().iter().product::<u64>();
            assert_eq!(boxes.iter().map(elements).sum::<u64>(), elements(view.domain()));
            let chunks = boxes.iter().flat_map(|part| {
                let grid = &array.layout().grid;
                let chunks = grid.project(part);
                (0..chunks.len()).map(move |k| chunks.get(k).index.to_vec()).collect::<Vec<_>>()
            });
            let mut chunks: Vec<_> = chunks.collect();
            let all = chunks.len();
            chunks.sort_unstable();
            chunks.dedup();
            assert_eq!(chunks.len(), all);
        }
        let nothing = array.cut(&"0:0,3:30,0:7".parse().unwrap()).unwrap();
        assert!(boxes_apart(&nothing, 4).unwrap().is_empty());
    }

    #[test]
    fn copies_in_other_chunks_have_boxes_in_common_or_none() {
        let grid = |along: &[(i64, u64)]| Some(along.iter().copied().collect::<Dims<_>>());
        assert_eq!(common(vec![grid(&[(0, 4)]), grid(&[(4, 6)])]), grid(&[(4, 12)]));
        assert_eq!(common(vec![grid(&[(0, 4)]), grid(&[(1, 6)])]), None);
        assert_eq!(common(vec![grid(&[(0, 4)]), None]), None);
    }
}
