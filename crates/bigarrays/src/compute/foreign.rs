//! Expressions of elements that something else has.

use std::sync::Arc;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::expr::{Kind, Lazy};
use crate::compute::source::{Foreign, Source};

/// A source whose elements a function gives.
struct Function<F> {
    dtype: DataType,
    domain: Domain,
    chunk_shape: Option<Dims<u64>>,
    read: F,
}

impl<F: Fn(&Domain, &mut [u8]) -> Result<()> + Send + Sync> Source for Function<F> {
    fn name(&self) -> &'static str {
        "function"
    }

    fn dtype(&self) -> DataType {
        self.dtype
    }

    fn domain(&self) -> &Domain {
        &self.domain
    }

    fn chunk_shape(&self) -> Option<&[u64]> {
        self.chunk_shape.as_deref()
    }

    fn read(&self, part: &Domain, out: &mut [u8]) -> Result<()> {
        (self.read)(part, out)
    }
}

impl Lazy {
    /// The elements of a source, which are read box by box when they are needed.
    ///
    /// # Errors
    /// `Unsupported` if they are no numbers; `InvalidArgument` if the source has chunks of another number of axes.
    pub fn of_source(source: Arc<dyn Source>) -> Result<Self> {
        let (dtype, domain) = (source.dtype(), source.domain().clone());
        let at = |error: Error| error.at(source.name());
        if !dtype.is_number() {
            return Err(at(Error::unsupported(format!("{dtype} elements are no numbers to compute with"))));
        }
        if let Some(chunk) = source.chunk_shape().filter(|chunk| chunk.len() != domain.ndim()) {
            let reason = format!("chunks of shape {chunk:?} of {} axes", domain.ndim());
            return Err(at(Error::invalid(reason)));
        }
        let names = Dims::from_elem(None, domain.ndim());
        Ok(Self::new(Kind::Foreign(Foreign(source)), dtype, domain, names))
    }

    /// The elements that `read` writes for a box within `domain`: dense in C order. Several threads call it at once. If there
    /// is a `chunk_shape`, boxes of these lengths from the origin on are read the fastest.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let domain = Domain::from_shape(&[1000])?;
    /// let squares = Lazy::of_function(&domain, DataType::U8, None, |part, out| {
    ///     part.range(0).zip(out).for_each(|(at, element)| *element = (at * at) as u8);
    ///     Ok(())
    /// })?;
    /// let most = squares.reduce(bigarrays::compute::Reduction::Max, &[0], false)?;
    /// let found = most.compute::<u8>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [249]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Lazy::of_source`].
    pub fn of_function(
        domain: &Domain,
        dtype: DataType,
        chunk_shape: Option<&[u64]>,
        read: impl Fn(&Domain, &mut [u8]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let chunk_shape = chunk_shape.map(Dims::from);
        Self::of_source(Arc::new(Function { dtype, domain: domain.clone(), chunk_shape, read }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Index;
    use crate::base::error::ErrorKind;
    use crate::compute::reduction::Reduction;
    use crate::compute::run::ComputeOptions;

    fn numbers(chunk: Option<&[u64]>) -> Lazy {
        let domain: Domain = "-3:61,10:110".parse().unwrap();
        let read = |part: &Domain, out: &mut [u8]| {
            let rows = part.range(0).flat_map(|y| part.range(1).map(move |x| (y * 1000 + x) as i32));
            for (number, element) in rows.zip(out.chunks_exact_mut(4)) {
                element.copy_from_slice(&number.to_ne_bytes());
            }
            Ok(())
        };
        Lazy::of_function(&domain, DataType::I32, chunk, read).unwrap()
    }

    #[test]
    fn views_and_sums_of_a_function() {
        for chunk in [None, Some(&[7, 9][..])] {
            let lazy = numbers(chunk);
            let options = ComputeOptions { memory: 400 << 10, ..ComputeOptions::default() };
            let step = Index::Slice { start: Some(60), stop: Some(0), step: -7 };
            let view = lazy.slice(&[step, Index::ALL]).unwrap().permute(&[1, 0]).unwrap();
            let found = view.compute::<i32>(&options).unwrap();
            let expected = (10..110).flat_map(|x| (1..61).rev().step_by(7).map(move |y| y * 1000 + x));
            let found: Vec<i32> = found.into_data().iter().copied().collect();
            assert_eq!(found, expected.collect::<Vec<i32>>());
            let sum = lazy.reduce(Reduction::Sum, &[], false).unwrap();
            let plan = sum.plan(None, &options).unwrap();
            assert!(plan.peak_memory <= 400 << 10);
            let sum = sum.compute::<i64>(&options).unwrap().into_data();
            let all = (-3..61).flat_map(|y| (10..110).map(move |x| y * 1000 + x)).sum::<i64>();
            assert_eq!(sum.into_raw_vec_and_offset().0, [all]);
        }
    }

    #[test]
    fn errors_of_reading_are_those_of_computing() {
        let domain = Domain::from_shape(&[5]).unwrap();
        let read = |_: &Domain, _: &mut [u8]| Err(Error::new(ErrorKind::StorageFull, "no room"));
        let lazy = Lazy::of_function(&domain, DataType::Bool, None, read).unwrap();
        let error = lazy.compute::<bool>(&ComputeOptions::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.to_string().contains("reading 0:5 of function"), "{error}");
        let read = |_: &Domain, out: &mut [u8]| {
            out.fill(7);
            Ok(())
        };
        let lazy = Lazy::of_function(&domain, DataType::Bool, None, read).unwrap();
        assert_eq!(lazy.compute::<bool>(&ComputeOptions::default()).unwrap().into_data().len(), 5);
        assert!(Lazy::of_function(&domain, DataType::U8, Some(&[1, 2]), read).is_err());
        assert!(Lazy::of_function(&domain, DataType::LongText, None, read).is_err());
    }
}
