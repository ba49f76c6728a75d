//! Numbers of groups by a list of labels: where each label stands in it.

use std::sync::Arc;

use serde_json::Value;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{damaged, expect};
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::types::is_whole;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

impl Lazy {
    /// The numbers of groups by these whole numbers as labels, such as ids of segments: the place of each in `expected`, −1 of negative
    /// labels, and the largest number of those that are not in it, which is an error once they are grouped, unless they are
    /// dropped.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, Lazy};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let ids: Vec<u8> = [1 << 60, 7u64, 1 << 60].iter().flat_map(|one| one.to_ne_bytes()).collect();
    /// let ids = Lazy::of_elements(&Domain::from_shape(&[3])?, DataType::U64, &ids)?;
    /// let numbers = ids.numbered(&[7, 1 << 60])?.compute::<i64>(&ComputeOptions::default())?;
    /// assert_eq!(numbers.into_data().into_raw_vec_and_offset().0, [1, 0, 1]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if labels are no whole numbers, or one stands twice in the list.
    pub fn numbered(&self, expected: &[i128]) -> Result<Self> {
        let during = |error: Error| error.during("numbering labels");
        if !is_whole(self.dtype()) {
            return Err(during(Error::invalid(format!("{} elements are no whole numbers", self.dtype()))));
        }
        let kind = if self.dtype() == DataType::U64 { DataType::U64 } else { DataType::I64 };
        // Numbers that labels cannot be are not found.
        let fits = |label: &i128| match kind {
            DataType::U64 => u64::try_from(*label).is_ok(),
            _ => i64::try_from(*label).is_ok(),
        };
        let mut sorted: Vec<(i128, i64)> = expected.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(during(Error::invalid(format!("the label {} is expected twice", pair[0].0))));
        }
        sorted.retain(|(label, _)| fits(label));
        let names: Vec<u8> = sorted.iter().flat_map(|one| (one.0 as i64).to_ne_bytes()).collect();
        let places: Vec<u8> = sorted.iter().flat_map(|one| one.1.to_ne_bytes()).collect();
        let domain = Domain::from_shape(&[sorted.len() as u64])?;
        let (names, places) =
            (Self::of_elements(&domain, kind, &names)?, Self::of_elements(&domain, DataType::I64, &places)?);
        if self.ndim() == 0 {
            return self.new_axis(0, 0..1)?.numbered(expected)?.first_along_first();
        }
        let loops: Vec<_> = self.domain().ranges().collect();
        let each: Vec<Bound> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let whole: [Bound; 1] = [(0, Windows::Whole)];
        Operation::over(&loops)
            .input(&self.converted(kind)?, &each)
            .input(&names, &whole)
            .input(&places, &whole)
            .output(DataType::I64, &each)
            .kernel("numbered", Arc::new(Lookup { kind }))
            .map_err(during)
    }
}

/// Where labels stand in a list, which is given as it is sorted, with the places of its entries.
struct Lookup {
    kind: DataType,
}

/// The kernel of places in a list, of its configuration.
///
/// # Errors
/// `InvalidArgument` if it does not fit.
pub(super) fn read(_: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of, names, places] = site.inputs else { return Err(damaged()) };
    site.expect_each(0)?;
    site.expect(1, &[(0, Windows::Whole)])?;
    site.expect(2, &[(0, Windows::Whole)])?;
    let kind = of.dtype();
    expect(matches!(kind, DataType::I64 | DataType::U64) && names.dtype() == kind)?;
    expect(places.dtype() == DataType::I64 && site.dtype == DataType::I64)?;
    expect(names.domain().shape() == places.domain().shape())?;
    Ok(Arc::new(Lookup { kind }))
}

impl Kernel for Lookup {
    fn config(&self) -> Config {
        Config::new("lookup")
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let (out, places) = (bytemuck::cast_slice_mut(out), inputs[2].elements::<i64>());
        match self.kind {
            DataType::U64 => {
                look_up(inputs[0].elements::<u64>(), inputs[1].elements(), places, |_| false, out);
            }
            _ => look_up(inputs[0].elements::<i64>(), inputs[1].elements(), places, |label| label < 0, out),
        }
        Ok(())
    }
}

fn look_up<T: Ord + Copy>(
    labels: &[T],
    names: &[T],
    places: &[i64],
    is_none: impl Fn(T) -> bool,
    out: &mut [i64],
) {
    // Neighbours often have the same label.
    let mut last: Option<(T, i64)> = None;
    for (found, &label) in out.iter_mut().zip(labels) {
        *found = match last {
            Some((known, place)) if known == label => place,
            _ => {
                let place = match names.binary_search(&label) {
                    _ if is_none(label) => -1,
                    Ok(at) => places[at],
                    Err(_) => i64::MAX,
                };
                last = Some((label, place));
                place
            }
        };
    }
}
