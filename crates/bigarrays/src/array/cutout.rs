//! Cutouts: what a typed read returns.

use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::base::buffer::{Order, ViewMut, fresh};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::Element;
use crate::base::error::{Error, Result};

/// A box of elements in memory that knows its coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Cutout<T> {
    domain: Domain,
    data: ArrayD<T>,
}

impl<T: Element> Cutout<T> {
    /// A cutout whose memory `fill` writes; it must write every element or fail.
    pub(crate) fn filled_by(
        domain: &Domain,
        order: Order,
        fill: impl FnOnce(ViewMut<'_>) -> Result<()>,
    ) -> Result<Self> {
        let shape = lengths(domain)?;
        let elements = fresh(&shape, order, fill)?;
        let shape = IxDyn(&shape).set_f(order == Order::Fortran);
        let data =
            ArrayD::from_shape_vec(shape, elements).map_err(|error| Error::invalid(error.to_string()))?;
        Ok(Self { domain: domain.clone(), data })
    }

    /// The coordinates that the cutout covers.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// First coordinate on each axis.
    pub fn origin(&self) -> &[i64] {
        self.domain.origin()
    }

    /// The elements; index zero is the cutout's origin.
    pub fn data(&self) -> &ArrayD<T> {
        &self.data
    }

    /// The elements, without the coordinates.
    pub fn into_data(self) -> ArrayD<T> {
        self.data
    }

    /// The element at an absolute coordinate, if the cutout holds it.
    pub fn get(&self, point: &[i64]) -> Option<T> {
        let inside = self.domain.contains_point(point);
        let index: Dims<usize> =
            point.iter().zip(self.origin()).map(|(at, start)| at.wrapping_sub(*start) as usize).collect();
        if inside { self.data.get(&index[..]).copied() } else { None }
    }
}

/// The shape of a box in memory.
///
/// # Errors
/// `InvalidArgument` if no memory can be so long.
pub(super) fn lengths(domain: &Domain) -> Result<Dims<usize>> {
    let lengths: Option<_> = domain.shape().iter().map(|&length| usize::try_from(length).ok()).collect();
    lengths.ok_or_else(|| Error::invalid(format!("box {domain} exceeds the address space")))
}
