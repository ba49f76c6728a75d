//! A box of elements in memory, made coarser at once.

use std::marker::PhantomData;

use ndarray::ArrayView1;

use super::kernel::Kernel;
use super::levels::domain_of;
use super::mean::Mean;
use super::options::Downsampling;
use super::pick::{Extreme, Stride};
use super::tally::{Take, Tally};
use super::voxel::{Voxel, Wide};
use super::windows::{Along, Counts, Windows};
use crate::base::buffer::{Order, View, fresh};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::for_dtype;

/// Makes a box of elements coarser, as [`pyramid`](super::pyramid) does with an array of this domain: `factor[k]` elements along
/// each axis `k` become one, counted from coordinate 0 on; at the ends it may be fewer. Both are dense in `order`.
///
/// ```
/// use bigarrays::base::buffer::Order;
/// use bigarrays::jobs::{Downsampling, coarsen};
/// use bigarrays::{DataType, Domain};
///
/// let fine: Domain = "-1:3".parse()?;
/// let (coarse, means) = coarsen(&[9, 1, 3, 5], DataType::U8, &fine, &[2], Downsampling::Mean, Order::C)?;
/// assert_eq!((coarse.to_string(), means), ("-1:2".to_owned(), vec![9, 2, 5]));
/// # Ok::<(), bigarrays::Error>(())
/// ```
///
/// # Errors
/// `InvalidArgument` if there are not as many elements as the box has, or a factor is zero or for another number of axes;
/// `Unsupported` for elements that are no numbers.
pub fn coarsen(
    elements: &[u8],
    dtype: DataType,
    fine: &Domain,
    factor: &[u64],
    method: Downsampling,
    order: Order,
) -> Result<(Domain, Vec<u8>)> {
    if factor.len() != fine.ndim() || factor.contains(&0) || fine.ndim() == 0 {
        return Err(Error::invalid(format!("factors {factor:?} of a box {fine}")));
    }
    let coarse = domain_of(fine, factor, method)?;
    let shape: Dims<usize> = fine.shape().iter().map(|&length| length as usize).collect();
    let view = View::dense(elements, &shape, dtype.size(), order).map_err(|_| {
        Error::invalid(format!("{} bytes are not those of {dtype} elements of {fine}", elements.len()))
    })?;
    let space = Space { fine, coarse: &coarse, factor, order };
    let mut out = Vec::new();
    for_dtype!(dtype, T => {
        let elements = fresh::<T>(&shape, order, |mut own| {
            own.copy_from(&view);
            Ok(())
        })?;
        let made = space.made(&elements, method);
        View::of_array(&ArrayView1::from(&made[..])).append_to(Order::C, &mut out)?;
        Ok((coarse, out))
    }, other => Err(Error::unsupported(format!("downsampling {other} elements"))))
}

/// Two boxes, of which one is made of the other.
struct Space<'a> {
    fine: &'a Domain,
    coarse: &'a Domain,
    factor: &'a [u64],
    order: Order,
}

impl Space<'_> {
    fn made<T: Voxel + PartialOrd>(&self, elements: &[T], method: Downsampling) -> Vec<T> {
        match method {
            Downsampling::Mean => self.by(elements, &Mean { ignore: None, width: PhantomData::<Wide> }),
            Downsampling::Mode => self.by(elements, &Tally { take: Take::Mode, ignore: None }),
            Downsampling::Median => self.by(elements, &Tally { take: Take::Median, ignore: None }),
            Downsampling::Min => self.by(elements, &Extreme { is_largest: false, ignore: None }),
            Downsampling::Max => self.by(elements, &Extreme { is_largest: true, ignore: None }),
            Downsampling::Stride => self.by(elements, &Stride),
        }
    }

    fn by<T: Voxel, K: Kernel<T>>(&self, elements: &[T], kernel: &K) -> Vec<T> {
        let axes = self.fine.ranges().zip(self.coarse.ranges()).zip(self.factor);
        let along = axes.map(|((fine, coarse), &factor)| Along::of(&fine, &coarse, factor));
        let along: Dims<Along> = self.c_order(along);
        let counts = Counts(along.iter().map(Along::lengths).collect());
        let shape = self.c_order(self.fine.shape().iter().map(|&length| length as usize));
        let windows = Windows { shape, along };
        // Every element of it is written.
        let mut made = elements.get(..1).map_or_else(Vec::new, |first| vec![first[0]; windows.count()]);
        if !made.is_empty() {
            kernel.finish(&kernel.read_new(elements, &windows), &counts, &mut made);
        }
        made
    }

    fn c_order<V>(&self, axes: impl Iterator<Item = V>) -> Dims<V> {
        let mut axes: Dims<V> = axes.collect();
        if self.order == Order::Fortran {
            axes.reverse();
        }
        axes
    }
}
