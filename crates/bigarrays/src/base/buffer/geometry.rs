//! Where the elements of a view lie.

use crate::base::buffer::{Order, Region};
use crate::base::dims::Dims;

/// Shape and strides shared by both kinds of view.
///
/// Unless an axis is empty, every element lies in the view's memory: offsets of elements then fit an
/// `isize`. Where one is, strides are anything, and nothing may be computed from them.
#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub(super) shape: Dims<usize>,
    pub(super) strides: Dims<isize>,
    pub(super) item: usize,
}

impl Geometry {
    pub(super) fn dense(shape: &[usize], item: usize, order: Order) -> Self {
        Self { shape: shape.into(), strides: order.strides(shape, item), item }
    }

    /// The geometry of strides that the caller vouches for.
    pub(super) fn new(shape: &[usize], strides: &[isize], item: usize) -> Self {
        assert_eq!(shape.len(), strides.len(), "as many strides as axes");
        Self { shape: shape.into(), strides: strides.into(), item }
    }

    /// Narrows to `region` and returns the distance of its first element in bytes.
    pub(super) fn narrow(&mut self, region: &Region) -> isize {
        assert!(region.is_inside(&self.shape), "region {region:?} of {:?}", self.shape);
        let is_empty = region.count.contains(&0);
        let mut offset = 0isize;
        for axis in 0..self.shape.len() {
            self.shape[axis] = region.count[axis];
            if !is_empty {
                offset += region.start[axis] as isize * self.strides[axis];
            }
            // The step from an only element leads nowhere.
            if !is_empty && region.count[axis] > 1 {
                self.strides[axis] *= region.step[axis] as isize;
            }
        }
        offset
    }

    pub(super) fn is_dense(&self, order: Order) -> bool {
        let dense = order.strides(&self.shape, self.item);
        (0..self.shape.len()).all(|axis| self.shape[axis] == 1 || self.strides[axis] == dense[axis])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The number of bytes of elements that are dense.
    pub(super) fn dense_len(&self) -> usize {
        if self.is_empty() { 0 } else { self.shape.iter().product::<usize>() * self.item }
    }

    pub(super) fn arrange(&mut self, axes: &[Option<usize>]) {
        assert!((0..self.shape.len()).all(|axis| axes.iter().filter(|&&a| a == Some(axis)).count() == 1));
        let (shape, strides) = (&self.shape, &self.strides);
        let arranged = axes.iter().map(|axis| axis.map_or((1, 0), |axis| (shape[axis], strides[axis])));
        (self.shape, self.strides) = arranged.unzip();
    }

    /// Reverses the direction of `axis` and returns the distance of its last element in bytes.
    pub(super) fn reverse(&mut self, axis: usize) -> isize {
        if self.is_empty() || self.shape[axis] == 1 {
            return 0;
        }
        let last = (self.shape[axis] - 1) as isize * self.strides[axis];
        self.strides[axis] = -self.strides[axis];
        last
    }
}
