//! Order statistics of elements that have few values: by how often there is each.

use std::sync::Arc;

use serde_json::Value;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::Result;
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{count, damaged, expect, inner, position, whole};
use crate::compute::operation::Operation;
use crate::compute::pencils::Asked;
use crate::compute::site::Site;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// The least value that elements of a type may have, and how many there are; `None` if there are too many.
fn values(dtype: DataType) -> Option<(i64, u64)> {
    Some(match dtype {
        DataType::Bool => (0, 2),
        DataType::U8 => (0, 1 << 8),
        DataType::I8 => (i64::from(i8::MIN), 1 << 8),
        DataType::U16 => (0, 1 << 16),
        DataType::I16 => (i64::from(i16::MIN), 1 << 16),
        _ => return None,
    })
}

impl Lazy {
    /// What is asked for of the elements along some axes, ascending, along a new first axis; `None` if elements have too many values.
    ///
    /// # Errors
    /// Those of making expressions.
    pub(super) fn by_counting(&self, asked: &Asked, axes: &[usize]) -> Result<Option<Self>> {
        let (Some((least, bins)), [at, ..]) = (values(self.dtype()), axes) else { return Ok(None) };
        let numbers = self.converted(DataType::I64)?;
        let numbers = if least < 0 { (&numbers - least)? } else { numbers };
        let counts = numbers.counted(axes, &[bins], false, None)?;
        let mut loops = vec![0..asked.len() as i64];
        loops.extend(counts.domain().ranges().enumerate().filter(|own| own.0 != *at).map(|own| own.1));
        let each: Vec<Bound> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let result = asked.result(self.dtype());
        let kernel = Ranks { asked: asked.clone(), at: *at, least, bins, dtype: result };
        Operation::over(&loops)
            .input(&counts, &all_but(*at, counts.ndim()))
            .output(result, &each)
            .kernel("quantile", Arc::new(kernel))
            .map(Some)
    }
}

/// Windows that have the axis of values whole, and one index a step of all others.
pub(super) fn all_but(at: usize, ndim: usize) -> Vec<Bound> {
    let one = |axis: usize| match axis == at {
        true => (0, Windows::Whole),
        false => (axis + usize::from(axis < at), Windows::Each),
    };
    (0..ndim).map(one).collect()
}

/// Elements of some ranks, by how often there is each value.
struct Ranks {
    asked: Asked,
    /// The axis of values, the least of these, and how many there are.
    at: usize,
    least: i64,
    bins: u64,
    /// The type of results.
    dtype: DataType,
}

/// The kernel of ranks by counts, of its configuration.
///
/// # Errors
/// `InvalidArgument` if it does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of] = site.inputs else { return Err(damaged()) };
    let (asked, at) = (Asked::read(inner(config, "asked")?)?, position(config, "at")?);
    let (least, bins) = (whole(config, "least")?, count(config, "bins")?);
    site.expect(0, &all_but(at, of.ndim()))?;
    expect(of.dtype() == DataType::I64 && of.domain().shape().get(at) == Some(&bins))?;
    expect(site.loops.ndim() == of.ndim() && site.steps(0)? == (0..asked.len() as i64))?;
    expect(i64::try_from(bins).is_ok_and(|bins| least.checked_add(bins).is_some()))?;
    expect(site.dtype == DataType::F64 || values(site.dtype) == Some((least, bins)))?;
    Ok(Arc::new(Ranks { asked, at, least, bins, dtype: site.dtype }))
}

impl Kernel for Ranks {
    fn config(&self) -> Config {
        Config::new("ranks")
            .with("asked", self.asked.config())
            .with("at", self.at)
            .with("least", self.least)
            .with("bins", self.bins)
    }

    fn scratch(&self, _steps: &[u64]) -> u64 {
        self.bins.saturating_mul(8)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let (counts, shape) = (inputs[0].elements::<i64>(), inputs[0].domain.shape());
        let length = |axes: &[u64]| axes.iter().map(|&length| length as usize).product::<usize>();
        let (outer, behind) = (length(&shape[..self.at]), length(&shape[self.at + 1..]));
        let bins = self.bins as usize;
        let range = steps.range(0);
        let asked = self.asked.part(range.start as usize..range.end as usize);
        // How many elements are not above each value.
        let mut up_to = vec![0usize; bins];
        for place in 0..outer * behind {
            let mut all = 0;
            for (bin, up_to) in up_to.iter_mut().enumerate() {
                all += counts[(place / behind * bins + bin) * behind + place % behind] as usize;
                *up_to = all;
            }
            let value =
                |rank: usize| (self.least + up_to.partition_point(|&up_to| up_to <= rank) as i64) as f64;
            for (k, between) in asked.between(all).into_iter().enumerate() {
                // Nothing is counted where versions are looked up, and what was counted is not read.
                let found =
                    between.map_or(0.0, |between| between.of(value(between.low), value(between.high)));
                self.put(found, out, k * outer * behind + place);
            }
        }
        Ok(())
    }
}

impl Ranks {
    fn put(&self, found: f64, out: &mut [u8], at: usize) {
        match self.dtype {
            DataType::Bool | DataType::U8 => out[at] = found as u8,
            DataType::I8 => bytemuck::cast_slice_mut(out)[at] = found as i8,
            DataType::U16 => bytemuck::cast_slice_mut(out)[at] = found as u16,
            DataType::I16 => bytemuck::cast_slice_mut(out)[at] = found as i16,
            _ => bytemuck::cast_slice_mut(out)[at] = found,
        }
    }
}
