//! What elements are folded into, and rows that are folded side by side.

/// So many elements of a row are folded side by side.
const LANES: usize = 16;

/// Cells: what is folded and, if a fold has it, what stands beside it: a place or a number of elements; and the first element,
/// and by how much the mean is larger.
pub(crate) struct Cells<'a> {
    pub(crate) values: &'a mut [u64],
    pub(crate) beside: &'a mut [u64],
    pub(crate) firsts: &'a mut [u64],
    pub(crate) means: &'a mut [u64],
}

impl<'a> Cells<'a> {
    /// Cells that nothing stands beside.
    pub(super) fn alone(values: &'a mut [u64]) -> Self {
        Self { values, beside: &mut [], firsts: &mut [], means: &mut [] }
    }
}

/// Cells that are folded into others.
pub(crate) struct Others<'a> {
    pub(crate) values: &'a [u64],
    pub(crate) beside: &'a [u64],
    pub(crate) firsts: &'a [u64],
    pub(crate) means: &'a [u64],
}

/// Folds a row side by side, and then what has become of each lane.
#[inline(always)]
pub(super) fn in_lanes<T: Copy>(identity: T, row: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [identity; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, &one) in lanes.iter_mut().zip(chunk) {
            *lane = f(*lane, one);
        }
    }
    for (lane, &one) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, one);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}
