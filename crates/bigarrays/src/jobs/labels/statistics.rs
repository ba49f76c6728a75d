//! Which labels there are, how many voxels each has, and where they are.

use crate::array::Array;
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::compute::{Digest, Entries};
use crate::jobs::blockwise::Blockwise;
use crate::jobs::geometry::{Geometry, each, in_order};
use crate::jobs::labels::options::LabelOptions;
use crate::jobs::labels::reading::Reading;
use crate::jobs::labels::tally::{MANY, Tally, Total};
use crate::jobs::labels::word::{Label, for_label, label_of};
use crate::jobs::runs::Runs;

/// The labels of an array, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelStatistics {
    /// The labels.
    pub labels: Vec<i128>,
    /// How many voxels each has.
    pub voxels: Vec<u64>,
    /// The box around each, in coordinates of the array.
    pub boxes: Vec<Domain>,
    /// The mean coordinate of the voxels of each, along each axis.
    pub centroids: Vec<Dims<f64>>,
    /// The first voxel of each in coordinate order, the last axis fastest: how many come before it.
    pub firsts: Vec<u64>,
}

/// The labels that there are, how many voxels each has, and where these are, in one pass. Background is none. Only labels that are met
/// take memory; where nothing is stored, nothing is done.
///
/// ```
/// use bigarrays::jobs::{LabelOptions, label_table};
/// use bigarrays::ndarray::array;
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let options = OpenOptions::new().format("zarr3");
/// let labels = options.create("memory://label-table", &CreateSpec::new(DataType::U64, "0:2,0:4".parse()?))?;
/// labels.write(&[0, 0], array![[7u64, 7, 0, 3], [0, 7, 0, 3]].view())?;
/// let found = label_table(&labels, &LabelOptions::default())?;
/// assert_eq!((found.labels, found.voxels), (vec![3, 7], vec![2, 3]));
/// assert_eq!((found.boxes[1].to_string(), found.centroids[0].to_vec()), ("0:2,0:2".to_owned(), vec![0.5, 3.0]));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if elements are no whole numbers; `MemoryBudget` before anything is read, or once there are more labels than the
/// budget has room for; `Cancelled`; those of reading.
pub fn label_table(labels: &Array, options: &LabelOptions<'_>) -> Result<LabelStatistics> {
    for_label!(labels.dtype(), T => {
        let Some(reading) = Reading::<T>::new("label table", labels, options)? else {
            return Ok(LabelStatistics::default());
        };
        let Reading { blocks, ground, entries, room } = &reading;
        // The other half is for what is made of it.
        let tally = collected(blocks, *ground, room / 2, entries.as_ref(), (options, (0, 1)))?;
        if blocks.does_share() {
            return Ok(LabelStatistics::default());
        }
        labels.expect_as_opened()?;
        statistics(&tally, labels)
    })
}

/// Words of a label: its voxels and its first one; and along each axis its least and its largest place and the sum of places.
fn width(ndim: usize) -> usize {
    2 + 4 * ndim
}

fn join(own: &mut [u64], other: &[u64]) {
    own[0] += other[0];
    own[1] = own[1].min(other[1]);
    for (own, other) in own[2..].chunks_exact_mut(4).zip(other[2..].chunks_exact(4)) {
        own[0] = own[0].min(other[0]);
        own[1] = own[1].max(other[1]);
        let sum = u128_of(own[2], own[3]) + u128_of(other[2], other[3]);
        (own[2], own[3]) = (sum as u64, (sum >> 64) as u64);
    }
}

fn u128_of(low: u64, high: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

/// What there is of each label in all blocks.
pub(super) fn collected<T: Label>(
    blocks: &Blockwise<'_>,
    ground: T,
    room: u64,
    entries: Option<&Entries<'_>>,
    (options, pass): (&LabelOptions<'_>, (u64, u64)),
) -> Result<Tally<u64>> {
    let ndim = blocks.source.ndim();
    let total = Total::new(width(ndim), join, room, "labels");
    blocks.each(Some(pass.0), &|progress| options.tell(pass, progress), &|number, block| {
        let make = |put: &mut dyn FnMut(Vec<u64>) -> Result<()>| -> Result<Option<Digest>> {
            let (elements, from) = blocks.read::<T>(block)?;
            let geometry = blocks.geometry(number, block);
            collect(&elements, &geometry, ground, put)?;
            Ok(from)
        };
        blocks.left(number, block, entries, &make, &|words| total.add(words))
    })?;
    Ok(total.into_tally())
}

/// Passes on what there is of each label in a block.
fn collect<T: Label>(
    elements: &[T],
    geometry: &Geometry,
    ground: T,
    put: &mut dyn FnMut(Vec<u64>) -> Result<()>,
) -> Result<()> {
    let (ndim, outer) = (geometry.shape.len(), geometry.outer());
    let mut tally = Tally::new(width(ndim), join);
    let runs = Runs::of(elements, geometry.inner(), |one, other| one == other);
    let (mut row, mut words, mut failed) = (0, vec![0; width(ndim)], Ok(()));
    each(outer, |at| {
        if failed.is_err() {
            return;
        }
        let of_row = runs.of_row(row);
        let number = geometry.number(at);
        for run in of_row.clone() {
            let (start, end) = (runs.start(run), runs.end(run, of_row.end));
            let label = elements[row * runs.length + start];
            if label == ground {
                continue;
            }
            let count = (end - start) as u64;
            (words[0], words[1]) = (count, number + start as u64 * geometry.step());
            for (axis, words) in words[2..].chunks_exact_mut(4).enumerate() {
                let (low, high) = match at.get(axis) {
                    Some(&at) => (at as u64, at as u64),
                    None => (start as u64, end as u64 - 1),
                };
                let (low, high) = (geometry.first[axis] + low, geometry.first[axis] + high);
                // As many below the middle as above it.
                let sum = (u128::from(low) + u128::from(high)) * u128::from(count) / 2;
                words.copy_from_slice(&[low, high, sum as u64, (sum >> 64) as u64]);
            }
            tally.add(label.word(), &words);
        }
        row += 1;
        if tally.len() > MANY {
            failed = put(tally.take());
        }
    });
    failed?;
    put(tally.take())
}

/// The labels, ascending, of what was counted in the order of memory.
fn statistics(tally: &Tally<u64>, array: &Array) -> Result<LabelStatistics> {
    let (dtype, domain, order) = (array.dtype(), array.domain(), array.order());
    let mut all: Vec<(i128, &[u64])> =
        tally.iter().map(|(word, words)| (label_of(word, dtype), words)).collect();
    all.sort_unstable_by_key(|one| one.0);
    let axes = |words: &[u64]| in_order(order, words[2..].chunks_exact(4).map(<[u64]>::to_vec));
    let part = |words: &[u64]| -> Result<Domain> {
        let along = |(axis, &first): (Vec<u64>, &i64)| {
            first.saturating_add_unsigned(axis[0])..first.saturating_add_unsigned(axis[1] + 1)
        };
        Domain::from_ranges(&axes(words).into_iter().zip(domain.origin()).map(along).collect::<Dims<_>>())
    };
    let centre = |words: &[u64]| -> Dims<f64> {
        let along = |(axis, &first): (&Vec<u64>, &i64)| {
            let (sum, count) = (u128_of(axis[2], axis[3]), u128::from(words[0]));
            // Whole places apart, so that no digits are lost far from zero.
            first as f64 + (sum / count) as f64 + (sum % count) as f64 / count as f64
        };
        axes(words).iter().zip(domain.origin()).map(along).collect()
    };
    Ok(LabelStatistics {
        labels: all.iter().map(|one| one.0).collect(),
        voxels: all.iter().map(|one| one.1[0]).collect(),
        boxes: all.iter().map(|one| part(one.1)).collect::<Result<_>>()?,
        centroids: all.iter().map(|one| centre(one.1)).collect(),
        firsts: all.iter().map(|one| one.1[1]).collect(),
    })
}

/// The labels, and the number of the first voxel of each.
pub(super) fn firsts(tally: &Tally<u64>, dtype: DataType) -> Vec<(i128, u64)> {
    tally.iter().map(|(word, words)| (label_of(word, dtype), words[1])).collect()
}
