//! What a step of a general operation reads of its inputs, and elements of any type of numbers.

use std::any::Any;

use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

use crate::base::buffer::{Order, View};
use crate::base::domain::Domain;
use crate::base::dtype::{DataType, Element};
use crate::base::error::{Error, Result};
use crate::compute::number::{Number, Numeric};
use crate::for_dtype;

/// Elements of any type of numbers.
#[derive(Debug)]
pub struct Elements {
    pub(crate) dtype: DataType,
    pub(crate) shape: Vec<usize>,
    data: Box<dyn Any + Send + Sync>,
}

impl<T: Element> From<ArrayD<T>> for Elements {
    fn from(data: ArrayD<T>) -> Self {
        Self { dtype: T::DTYPE, shape: data.shape().to_vec(), data: Box::new(data) }
    }
}

impl Elements {
    /// Elements of a type of numbers, given as bytes in C order.
    ///
    /// # Errors
    /// `InvalidArgument` if there are not as many; `Unsupported` if they are no numbers.
    pub fn of_bytes(dtype: DataType, shape: &[usize], bytes: &[u8]) -> Result<Self> {
        let none = || Err(Error::unsupported(format!("{dtype} elements")));
        for_dtype!(dtype, T => {
            let elements: Vec<T> = bytes.chunks_exact(size_of::<T>()).map(T::load).collect();
            let wrong = |_| Error::invalid(format!("{} bytes are no {dtype} elements of shape {shape:?}", bytes.len()));
            Ok(Self::from(ArrayD::from_shape_vec(shape, elements).map_err(wrong)?))
        }, _other => none())
    }

    /// The elements, if they are of this type.
    pub(crate) fn array<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        let wrong = || Error::invalid(format!("elements are {}, not {}", self.dtype, T::DTYPE));
        Ok(self.data.downcast_ref::<ArrayD<T>>().ok_or_else(wrong)?.view())
    }
}

/// What a step reads of an input.
#[derive(Debug)]
pub struct Window<'a> {
    pub(crate) elements: &'a Elements,
    /// Where the elements are that were read.
    pub(crate) whole: &'a Domain,
    /// Where those of the window are.
    pub(crate) domain: Domain,
}

impl Window<'_> {
    /// Where its elements are in the input.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Type of its elements.
    pub fn dtype(&self) -> DataType {
        self.elements.dtype
    }

    /// The bytes of its elements, in C order.
    ///
    /// # Errors
    /// `Unsupported` if they are no numbers.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for_dtype!(self.elements.dtype, T => {
            View::of_array(&self.array::<T>()?).append_to(Order::C, &mut bytes)?;
            Ok(bytes)
        }, other => Err(Error::unsupported(format!("{other} elements"))))
    }

    /// Its elements.
    ///
    /// # Errors
    /// `InvalidArgument` if `T` is not their type.
    pub fn array<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        let mut array = self.elements.array::<T>()?;
        for axis in 0..self.domain.ndim() {
            // One that is empty may be anywhere.
            let length = self.domain.shape()[axis].min(self.whole.shape()[axis]);
            let first = self.domain.origin()[axis].saturating_sub(self.whole.origin()[axis]).max(0) as u64;
            let first = first.min(self.whole.shape()[axis] - length) as isize;
            let end = first + length as isize;
            array.slice_axis_inplace(Axis(axis), Slice::from(first..end));
        }
        Ok(array)
    }

    /// The values of its elements, the last axis fastest.
    pub fn numbers(&self) -> impl Iterator<Item = Number> + '_ {
        let none: Box<dyn Iterator<Item = Number> + '_> = Box::new(std::iter::empty());
        for_dtype!(self.elements.dtype, T => match self.array::<T>() {
            Ok(array) => {
                let all: Vec<Number> = array.iter().map(|one| Number::of(*one)).collect();
                Box::new(all.into_iter())
            }
            Err(_) => none,
        }, _other => none)
    }
}
