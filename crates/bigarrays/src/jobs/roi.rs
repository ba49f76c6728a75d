//! Regions of interest: the smallest box that has all elements other than the fill value.

use std::ops::Range;
use std::sync::Mutex;

use crate::array::{Array, ChunkSet};
use crate::base::buffer::{Region, View, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;
use crate::run::budget;
use crate::run::pool::threads;
use crate::run::runner::{FAR, Runner};

/// How many times the elements of a chunk are in memory while it is read.
const COPIES: u64 = 3;

/// Where it is looked, and what that may use.
#[derive(Clone, Debug, Default)]
pub struct RoiOptions {
    /// Looks only in this box; without, in all of the array.
    pub part: Option<Domain>,
    /// Memory budget in bytes; if zero, a quarter of the memory that this process may use.
    pub memory: u64,
}

/// The end of an axis from which it is looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Low,
    High,
}

/// Makes negative zeros positive, which they are equal to.
fn without_signs_of_zeros(bytes: &mut [u8], dtype: DataType) {
    let size = match dtype {
        DataType::F16 => 2,
        DataType::F32 | DataType::Complex64 => 4,
        DataType::F64 | DataType::Complex128 => 8,
        _ => return,
    };
    let sign = if cfg!(target_endian = "little") { size - 1 } else { 0 };
    for number in bytes.chunks_exact_mut(size) {
        let is_zero = number[sign] == 0x80 && number.iter().filter(|&&byte| byte != 0).count() == 1;
        if is_zero {
            number[sign] = 0;
        }
    }
}

/// The smallest box that has all elements of an array or view other than the fill value; `None` if there are none. The store is
/// asked what there is; of that, layers of chunks are read from each end of each axis, until one has such elements.
///
/// ```
/// use bigarrays::jobs::{RoiOptions, roi};
/// use bigarrays::{CreateSpec, DataType, OpenOptions, ndarray::Array3};
///
/// let spec = CreateSpec::new(DataType::U8, "-1000000:1000000,0:1000000,0:1000000".parse()?);
/// let array = OpenOptions::new().create("memory://roi", &spec)?;
/// assert_eq!(roi(&array, &RoiOptions::default())?, None);
/// array.write(&[-70, 5, 9], Array3::<u8>::ones((100, 1, 2)).view())?;
/// assert_eq!(roi(&array, &RoiOptions::default())?, Some("-70:30,5:6,9:11".parse()?));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if the box has another number of axes; `Unsupported` for more than 2^64 chunks; `MemoryBudget` if a chunk does
/// not fit; those of reading.
pub fn roi(array: &Array, options: &RoiOptions) -> Result<Option<Domain>> {
    let during = |error: Error| error.during("looking for the region of interest of");
    let part = options.part.clone().unwrap_or_else(|| array.domain().clone());
    part.expect_ndim(array.ndim()).map_err(during)?;
    let search = Search::new(array, &part, budget::of_job(options.memory)).map_err(during)?;
    search.run().map_err(during)
}

struct Search<'a> {
    array: &'a Array,
    stored: ChunkSet,
    part: Domain,
    /// Chunks that are read at once.
    in_flight: usize,
}

impl<'a> Search<'a> {
    fn new(array: &'a Array, part: &Domain, memory: u64) -> Result<Self> {
        let chunk = array.layout().chunk_bytes().saturating_mul(COPIES).max(1);
        let most = if array.is_near() { threads() as u64 } else { FAR.max(threads() as u64) };
        let in_flight = (memory / chunk).min(most) as usize;
        if in_flight == 0 {
            let reason =
                format!("a chunk takes {} MiB, the budget is {memory} bytes", chunk.div_ceil(1 << 20));
            return Err(Error::new(ErrorKind::MemoryBudget, reason).at(array.url()));
        }
        let part = part.intersect(array.domain());
        Ok(Self { array, stored: array.stored_chunks(&part)?, part, in_flight })
    }

    fn run(&self) -> Result<Option<Domain>> {
        let mut bounds: Dims<Range<i64>> = self.part.ranges().collect();
        for axis in 0..self.array.ndim() {
            for end in [End::Low, End::High] {
                let within = Domain::from_ranges(&bounds)?;
                let Some(found) = self.first(axis, end, &within)? else { return Ok(None) };
                match end {
                    End::Low => bounds[axis].start = found,
                    End::High => bounds[axis].end = found + 1,
                }
            }
        }
        Domain::from_ranges(&bounds).map(Some)
    }

    /// The first coordinate from an end of an axis at which there is something.
    fn first(&self, axis: usize, end: End, within: &Domain) -> Result<Option<i64>> {
        let place = |chunk: &Domain| match end {
            End::Low => chunk.range(axis).start,
            End::High => -chunk.range(axis).end,
        };
        let mut layers: Vec<(i64, u64)> = Vec::new();
        for (k, chunk) in self.stored.iter().enumerate() {
            let chunk = chunk.intersect(within);
            if !chunk.is_empty() {
                layers.push((place(&chunk), k as u64));
            }
        }
        layers.sort_unstable();
        for layer in layers.chunk_by(|one, next| one.0 == next.0) {
            let best: Mutex<Option<i64>> = Mutex::new(None);
            let edge = if end == End::Low { layer[0].0 } else { -layer[0].0 - 1 };
            let runner = Runner {
                in_flight: self.in_flight,
                total: layer.len() as u64,
                is_near: self.array.is_near(),
                progress: None,
            };
            runner.run(layer.len(), &|at| {
                let before = *best.locked();
                let Some(chunk) = self.stored.nth(layer[at].1).filter(|_| before != Some(edge)) else {
                    return Ok(1);
                };
                if let Some(found) = self.first_in(&chunk.intersect(within), axis, end)? {
                    let mut best = best.locked();
                    *best = Some(match (*best, end) {
                        (Some(known), End::Low) => known.min(found),
                        (Some(known), End::High) => known.max(found),
                        (None, _) => found,
                    });
                }
                Ok(1)
            })?;
            if let Some(found) = best.into_value() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The same in one chunk.
    fn first_in(&self, chunk: &Domain, axis: usize, end: End) -> Result<Option<i64>> {
        let (order, item) = (self.array.order(), self.array.dtype().size());
        let shape: Dims<usize> = chunk.shape().iter().map(|&length| length as usize).collect();
        let mut bytes = vec![0; shape.iter().product::<usize>() * item];
        self.array.read_into(chunk, ViewMut::dense(&mut bytes, &shape, item, order)?)?;
        let mut fill = self.array.layout().fill.as_bytes().to_vec();
        for zeros in [&mut bytes, &mut fill] {
            without_signs_of_zeros(zeros, self.array.dtype());
        }
        let elements = View::dense(&bytes, &shape, item, order)?;
        let is_there = |at: &usize| {
            let mut slab = Region::whole(&shape);
            (slab.start[axis], slab.count[axis]) = (*at, 1);
            !elements.clone().region(&slab).is_filled_with(&fill)
        };
        let mut all = 0..shape[axis];
        let found = if end == End::Low { all.find(is_there) } else { all.rfind(is_there) };
        Ok(found.map(|at| chunk.origin()[axis] + at as i64))
    }
}
