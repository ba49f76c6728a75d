//! Expressions that reduce others.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::expr::{Along, Kind, Lazy};
use crate::compute::fields::damaged;
use crate::compute::function::Function;
use crate::compute::mapping::{Mapping, Placed};
use crate::compute::reduction::Reduction;

impl Lazy {
    /// What the elements along `axes` become; along all of them, if there are none. The axes are gone from the result, or are
    /// of length 1 if it `keeps` them.
    ///
    /// # Errors
    /// `InvalidArgument` for an axis that there is not, one named twice, or no elements where the result is not defined.
    pub fn reduce(&self, reduction: Reduction, axes: &[usize], keeps: bool) -> Result<Self> {
        let ndim = self.ndim();
        let mut axes: Dims<usize> = if axes.is_empty() { (0..ndim).collect() } else { axes.into() };
        axes.sort_unstable();
        let is_twice = axes.windows(2).any(|pair| pair[0] == pair[1]);
        if is_twice || axes.iter().any(|&axis| axis >= ndim) {
            return Err(Error::invalid(format!("axes {axes:?} of {ndim}")).during(reduction.name()));
        }
        let shape = self.domain().shape();
        reduction.expect_elements(axes.iter().map(|&axis| shape[axis]).fold(1, u64::saturating_mul))?;
        if reduction.places() && axes.len() > 1 && axes.len() < ndim {
            let reason = "it is along one axis, or among all elements";
            return Err(Error::invalid(reason).during(reduction.name()));
        }
        if axes.is_empty() {
            // Of one element each.
            return self.new_axis(0, 0..1)?.reduce(reduction, &[0], false);
        }
        self.expect_shallow().map_err(|error| error.during(reduction.name()))?;
        let reduction = reduction.of(self.dtype());
        let kept = || (0..ndim).filter(|axis| !axes.contains(axis));
        let ranges: Dims<_> = kept().map(|axis| self.domain().range(axis)).collect();
        let names = kept().map(|axis| self.names()[axis].clone()).collect();
        let kind = Kind::Reduce(Along { reduction, axes: axes.clone(), is_across: false }, self.clone());
        let reduced = Self::new(kind, reduction.result(self.dtype()), Domain::from_ranges(&ranges)?, names);
        if keeps { reduced.with_axes_of(self, &axes) } else { Ok(reduced) }
    }

    /// The same reduction, along last axes whose elements become one after the other.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub(super) fn across(&self) -> Result<Self> {
        match self.kind() {
            Kind::Reduce(along, of) if along.axes.last().is_some_and(|&axis| axis + 1 == of.ndim()) => {
                let kind = Kind::Reduce(Along { is_across: true, ..along.clone() }, of.clone());
                Ok(Self::new(kind, self.dtype(), self.domain().clone(), self.names().into()))
            }
            _ => Err(damaged()),
        }
    }

    /// The result of reducing `of` along `axes`, which the result has as well, each of length 1.
    fn with_axes_of(&self, of: &Self, axes: &[usize]) -> Result<Self> {
        let first = |axis: usize| of.domain().origin()[axis];
        let mut old = 0..self.ndim();
        let place = |axis: usize| match axes.contains(&axis) {
            true => Placed::New(first(axis)..first(axis) + 1),
            false => Placed::Old(old.next().unwrap_or(0)),
        };
        let all: Dims<Placed> = (0..of.ndim()).map(place).collect();
        let mapping = Mapping::arranged(self.domain(), &all)?;
        // The axes are called as they were.
        self.view(&mapping)?.renamed(of.names())
    }

    /// The sum along `axes`, or of all elements if there are none.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn sum(&self, axes: &[usize]) -> Result<Self> {
        self.reduce(Reduction::Sum, axes, false)
    }

    /// The mean along `axes`, or of all elements if there are none.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn mean(&self, axes: &[usize]) -> Result<Self> {
        self.reduce(Reduction::Mean, axes, false)
    }

    /// The variance along `axes`, or of all elements if there are none: the sum of squared distances from the mean, divided by
    /// the number of elements less `correction`. It is computed in `float64`, in one pass.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn variance(&self, axes: &[usize], correction: f64, keeps: bool) -> Result<Self> {
        let dtype = if self.dtype().is_float() { self.dtype() } else { DataType::F64 };
        let all: Dims<usize> = (0..self.ndim()).collect();
        let reduced = if axes.is_empty() { &all } else { axes };
        let shape = self.domain().shape();
        let count = reduced.iter().filter_map(|&axis| shape.get(axis)).map(|&n| n as f64).product::<f64>();
        let sum = self.reduce(Reduction::SquaredDistances, axes, keeps)?;
        (&sum / (count - correction).max(0.0))?.converted(dtype)
    }

    /// As [`Lazy::variance`], of the elements that are not NaN; NaN where there are no more of them than `correction`.
    ///
    /// # Errors
    /// As [`Lazy::reduce`].
    pub fn nan_variance(&self, axes: &[usize], correction: f64, keeps: bool) -> Result<Self> {
        let dtype = if self.dtype().is_float() { self.dtype() } else { DataType::F64 };
        let is_nan = Self::apply(Function::IsNan, &[self.into()])?;
        let is_number = Self::apply(Function::LogicalNot, &[(&is_nan).into()])?;
        let count = is_number.reduce(Reduction::CountNonzero, axes, keeps)?;
        let less = (&count.converted(DataType::F64)? - correction)?;
        let is_enough = Self::apply(Function::Greater, &[(&less).into(), 0.0.into()])?;
        let divisor = Self::apply(Function::Where, &[(&is_enough).into(), (&less).into(), f64::NAN.into()])?;
        (&self.reduce(Reduction::NanSquaredDistances, axes, keeps)? / &divisor)?.converted(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::OpenOptions;
    use crate::compute::cast::Cast;
    use crate::compute::run::ComputeOptions;
    use crate::format::CreateSpec;

    type Step = dyn Fn(&Lazy) -> Result<Lazy>;

    #[test]
    fn no_step_puts_more_within_each_other_than_walks_can_take() {
        let steps: [&Step; 4] = [
            &|lazy| Lazy::apply(Function::Negative, &[lazy.into()]),
            &|lazy| {
                let dtype = if lazy.dtype() == DataType::U8 { DataType::U16 } else { DataType::U8 };
                lazy.cast(dtype, Cast::default())
            },
            &|lazy| lazy.reduce(Reduction::Max, &[0], true),
            &|lazy| lazy.mean(&[])?.reduce(Reduction::CountNonzero, &[], false),
        ];
        for (number, step) in steps.iter().enumerate() {
            let mut lazy =
                Lazy::of_elements(&Domain::from_shape(&[2]).unwrap(), DataType::U8, &[1, 2]).unwrap();
            let error = (0..10_000).find_map(|_| step(&lazy).map(|next| lazy = next).err());
            assert!(error.is_some_and(|error| error.to_string().contains("within each other")), "{number}");
        }
    }

    #[test]
    fn more_elements_than_can_be_counted_are_some() {
        let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[1 << 32, 1 << 32]).unwrap());
        spec.storage.chunk_shape = Some(vec![64, 64]);
        let array = OpenOptions::new().format("zarr3").create("memory://uncountable", &spec).unwrap();
        let least = Lazy::of(&array).unwrap().reduce(Reduction::Min, &[], false).unwrap();
        assert!(least.plan(None, &ComputeOptions::default()).unwrap().blocks() > 1);
    }
}
