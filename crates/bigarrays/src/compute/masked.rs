//! Reductions of the elements where a mask is true, and from a value on.

use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::expr::{Lazy, Operand};
use crate::compute::function::Function;
use crate::compute::reduction::Reduction;
use crate::compute::types::Literal;

impl Lazy {
    /// As [`Lazy::reduce`], of the elements where `mask`, of booleans, is true; it is repeated where it has fewer. The least and
    /// the largest are also of `initial`, which they need where there is a mask: no other number is that of no elements.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Function, Lazy, Literal, Reduction};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let t = Lazy::of_elements(&Domain::from_shape(&[4])?, DataType::U8, &[3, 9, 4, 250])?;
    /// let is_small = Lazy::apply(Function::Less, &[(&t).into(), Literal::Whole(100).into()])?;
    /// let sum = t.reduce_where(Reduction::Sum, &[], false, Some(&is_small), None)?;
    /// let found = sum.compute::<u64>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [16]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Lazy::reduce`]; `InvalidArgument` if the mask is none of booleans, or if there is no `initial` where one is needed, or
    /// one where none is of use.
    pub fn reduce_where(
        &self,
        reduction: Reduction,
        axes: &[usize],
        keeps: bool,
        mask: Option<&Self>,
        initial: Option<Literal>,
    ) -> Result<Self> {
        let wrong = |reason: &'static str| Error::invalid(reason).during(reduction.name());
        let joined = match reduction {
            Reduction::Min => Some(Function::Minimum),
            Reduction::Max => Some(Function::Maximum),
            Reduction::NanMin => Some(Function::Fmin),
            Reduction::NanMax => Some(Function::Fmax),
            _ if initial.is_some() => return Err(wrong("initial= is of the least and the largest alone")),
            _ => None,
        };
        let mask = mask.map(|mask| self.mask_of(mask)).transpose()?;
        let of = match (&mask, initial) {
            (None, _) => self.clone(),
            (Some(mask), Some(initial)) => self.same_type(self.chosen(mask, initial.into())?)?,
            (Some(_), None) if joined.is_some() => {
                return Err(wrong("it has no identity: where= needs initial=, the value to begin with"));
            }
            (Some(mask), None) => return self.masked_sum(reduction, axes, keeps, mask),
        };
        let found = of.reduce(reduction, axes, keeps)?;
        match joined.zip(initial) {
            Some((function, initial)) => {
                self.same_type(Self::apply(function, &[(&found).into(), initial.into()])?)
            }
            None => Ok(found),
        }
    }

    /// The variance as [`Lazy::variance`] has it, of the elements where `mask` is true; NaN where one of these is, unless it
    /// `skips` them.
    ///
    /// # Errors
    /// As [`Lazy::reduce_where`].
    pub fn variance_where(
        &self,
        axes: &[usize],
        correction: f64,
        keeps: bool,
        mask: &Self,
        skips: bool,
    ) -> Result<Self> {
        let mask = self.mask_of(mask)?;
        let is_float = self.dtype().is_float();
        if skips && is_float {
            return self.chosen(&mask, f64::NAN.into())?.nan_variance(axes, correction, keeps);
        }
        let wide = self.converted(DataType::F64)?;
        let of_mask = wide.chosen(&mask, f64::NAN.into())?;
        let sums = of_mask.reduce(Reduction::NanSquaredDistances, axes, keeps)?;
        let count = mask.reduce(Reduction::CountNonzero, axes, keeps)?.converted(DataType::F64)?;
        let left = Self::apply(Function::Maximum, &[(&(&count - correction)?).into(), 0.0.into()])?;
        let found = (&sums / &left)?;
        if !is_float {
            return Ok(found);
        }
        let is_nan = Self::apply(Function::IsNan, &[self.into()])?;
        let counts = Self::apply(Function::LogicalAnd, &[(&mask).into(), (&is_nan).into()])?;
        let has_nan = counts.reduce(Reduction::Any, axes, keeps)?;
        Self::apply(Function::Where, &[(&has_nan).into(), f64::NAN.into(), (&found).into()])?
            .converted(self.dtype())
    }

    /// The mask over the domain of this.
    fn mask_of(&self, mask: &Self) -> Result<Self> {
        if mask.dtype() != DataType::Bool {
            return Err(Error::invalid(format!("where= is a mask of booleans, not of {}", mask.dtype())));
        }
        if mask.domain() == self.domain() { Ok(mask.clone()) } else { mask.broadcast_to(self.domain()) }
    }

    /// The elements where `mask` is true, and elsewhere `other`.
    fn chosen(&self, mask: &Self, other: Operand) -> Result<Self> {
        Self::apply(Function::Where, &[mask.into(), self.into(), other])
    }

    fn same_type(&self, found: Self) -> Result<Self> {
        if found.dtype() == self.dtype() {
            return Ok(found);
        }
        Err(Error::invalid(format!("initial= is not of the type {}", self.dtype())))
    }

    /// A reduction that some value changes nothing of, or a mean.
    fn masked_sum(&self, reduction: Reduction, axes: &[usize], keeps: bool, mask: &Self) -> Result<Self> {
        let of = |literal: Literal| self.chosen(mask, literal.into())?.reduce(reduction, axes, keeps);
        match reduction {
            Reduction::Sum | Reduction::NanSum => of(Literal::Whole(0)),
            Reduction::Product | Reduction::NanProduct => of(Literal::Whole(1)),
            Reduction::Any | Reduction::CountNonzero => of(Literal::Bool(false)),
            Reduction::All => of(Literal::Bool(true)),
            Reduction::NanMean if self.dtype().is_float() => of(Literal::Real(f64::NAN)),
            Reduction::Mean | Reduction::NanMean => {
                let wide = self.converted(DataType::F64)?.chosen(mask, 0.0.into())?;
                let count = mask.reduce(Reduction::CountNonzero, axes, keeps)?;
                let mean = (&wide.reduce(Reduction::Sum, axes, keeps)? / &count)?;
                if self.dtype().is_float() { mean.converted(self.dtype()) } else { Ok(mean) }
            }
            _ => Err(Error::unsupported("where= of a place or of distances").during(reduction.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::domain::Domain;
    use crate::compute::run::ComputeOptions;

    fn numbers(elements: &[f64]) -> Lazy {
        Lazy::of_elements(
            &Domain::from_shape(&[elements.len() as u64]).unwrap(),
            DataType::F64,
            bytemuck::cast_slice(elements),
        )
        .unwrap()
    }

    fn computed(lazy: &Lazy) -> f64 {
        let wide = lazy.converted(DataType::F64).unwrap();
        wide.compute::<f64>(&ComputeOptions::default()).unwrap().into_data()[[]]
    }

    #[test]
    fn masked_elements_do_not_count() {
        let x = numbers(&[3.0, f64::NAN, 5.0, 10.0, 7.0]);
        let is_below = |most: f64| Lazy::apply(Function::Less, &[(&x).into(), most.into()]).unwrap();
        let mask = is_below(9.0);
        let of = |reduction, initial| {
            computed(&x.reduce_where(reduction, &[], false, Some(&mask), initial).unwrap())
        };
        assert_eq!(of(Reduction::Sum, None), 15.0);
        assert_eq!(of(Reduction::Product, None), 105.0);
        assert_eq!(of(Reduction::Mean, None), 5.0);
        assert_eq!(of(Reduction::NanMean, None), 5.0);
        assert_eq!(of(Reduction::CountNonzero, None), 3.0);
        assert_eq!((of(Reduction::Any, None), of(Reduction::All, None)), (1.0, 1.0));
        assert_eq!(of(Reduction::Max, Some(Literal::Real(-1.0))), 7.0);
        assert_eq!(of(Reduction::Min, Some(Literal::Real(4.0))), 3.0);
        for skips in [false, true] {
            let variance = x.variance_where(&[], 0.0, false, &mask, skips).unwrap();
            assert!((computed(&variance) - 8.0 / 3.0).abs() < 1e-15);
        }
        // Where a NaN counts, it decides.
        let all = Lazy::apply(Function::NotEqual, &[(&x).into(), 3.0.into()]).unwrap();
        assert!(computed(&x.reduce_where(Reduction::Sum, &[], false, Some(&all), None).unwrap()).is_nan());
        assert!(computed(&x.variance_where(&[], 0.0, false, &all, false).unwrap()).is_nan());
        assert!(
            (computed(&x.variance_where(&[], 1.0, false, &all, true).unwrap()) - 19.0 / 3.0).abs() < 1e-14
        );
        let largest = x.reduce_where(Reduction::NanMax, &[], false, None, Some(Literal::Real(20.0)));
        assert_eq!(computed(&largest.unwrap()), 20.0);
    }

    #[test]
    fn masks_that_mean_nothing_are_refused() {
        let x = numbers(&[3.0, 5.0]);
        let mask = Lazy::apply(Function::Less, &[(&x).into(), 4.0.into()]).unwrap();
        let of = |reduction, mask: &Lazy, initial| {
            x.reduce_where(reduction, &[], false, Some(mask), initial).unwrap_err().to_string()
        };
        assert!(of(Reduction::Sum, &x, None).contains("not of float64"));
        assert!(of(Reduction::Max, &mask, None).contains("needs initial="));
        assert!(of(Reduction::Sum, &mask, Some(Literal::Whole(1))).contains("alone"));
        assert!(of(Reduction::ArgMax, &mask, None).contains("argmax"));
    }
}
