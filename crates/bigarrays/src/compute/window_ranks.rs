//! Quantiles of windows along an axis: the elements of a window are kept in their order while it moves.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::dense::{Given, Kernel};
use crate::compute::kernels::Ranked;
use crate::compute::lines::{Lines, Shape, along};
use crate::compute::ranks::QuantileMethod;
use crate::compute::windows::Windows;

/// Lines side by side.
const MOST: usize = 64;

/// A quantile of windows along an axis.
pub(super) struct WindowQuantile {
    pub(super) q: f64,
    pub(super) axis: usize,
    pub(super) windows: Windows,
    /// The coordinate of the first step of the loop.
    pub(super) first: i64,
    /// How many elements a window has to have.
    pub(super) least: u64,
    /// Whether NaNs are none of them.
    pub(super) skips: bool,
}

impl WindowQuantile {
    /// The kernel of floating-point elements.
    ///
    /// # Errors
    /// `InvalidArgument` for a quantile that is not from 0 to 1; `Unsupported` for other elements.
    pub(super) fn kernel(self, dtype: DataType) -> Result<Arc<dyn Kernel>> {
        if !(0.0..=1.0).contains(&self.q) {
            return Err(Error::invalid(format!("{} is not from 0 to 1", self.q)));
        }
        match dtype {
            DataType::F32 => Ok(Arc::new(Ranking { at: self, of: PhantomData::<f32> })),
            DataType::F64 => Ok(Arc::new(Ranking { at: self, of: PhantomData::<f64> })),
            other => Err(Error::unsupported(format!("quantiles of {other} in windows"))),
        }
    }
}

struct Ranking<R> {
    at: WindowQuantile,
    of: PhantomData<R>,
}

impl<R: Ranked + Send + Sync> Kernel for Ranking<R> {
    fn config(&self) -> Config {
        Config::new("windows")
            .with("of", "quantile")
            .with("axis", self.at.axis)
            .with("least", self.at.least)
            .with("skips", self.at.skips)
            .with("correction", self.at.q)
    }

    fn scratch(&self, steps: &[u64]) -> u64 {
        let widest = match self.at.windows {
            Windows::Moving { width, .. } | Windows::Reaching { width, .. } => width,
            Windows::Ranges(ref all) => {
                all.iter().map(|range| range.end.abs_diff(range.start)).max().unwrap_or(0)
            }
            _ => 1,
        };
        (widest + 3 * 32 * steps[self.at.axis].saturating_add(widest)).saturating_mul(8)
    }

    fn run(&self, steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [input] = inputs else { return Ok(()) };
        let axis = self.at.axis;
        let (whole, first) = (input.whole.range(axis), input.domain.origin()[axis]);
        let first_step = steps.origin()[axis].abs_diff(self.at.first);
        let reaches = self.at.windows.boundary().is_some();
        let rows: Vec<Range<usize>> = (0..steps.shape()[axis])
            .map(|step| {
                let window = self.at.windows.get(first_step + step, &whole);
                let inside = match reaches {
                    true => window,
                    false => window.start.max(whole.start)..window.end.min(whole.end),
                };
                let start = inside.start.saturating_sub(first).max(0) as usize;
                start..start + inside.end.saturating_sub(inside.start).max(0) as usize
            })
            .collect();
        let given = [(input.elements::<R>(), input.domain.shape()[axis] as usize)];
        let out: &mut [R] = bytemuck::cast_slice_mut(out);
        let mut sorted = Sorted { keys: Vec::new(), missing: 0, rows: 0..0 };
        along(&given, out, Shape::along(steps.shape(), axis), MOST, &mut |lines, out| {
            let Some(lines) = lines.first() else { return };
            for line in 0..lines.count {
                sorted.clear();
                for (index, rows) in rows.iter().enumerate() {
                    sorted.move_to::<R>(lines, line, rows);
                    out.row(index)[line] = self.of(&sorted, rows.len());
                }
            }
        })
    }
}

impl<R: Ranked> Ranking<R> {
    /// The quantile of a window.
    fn of(&self, sorted: &Sorted<R::Key>, count: usize) -> R {
        let numbers = sorted.keys.len();
        let is_nan = sorted.missing > 0 && !self.at.skips;
        let counted = if self.at.skips { numbers } else { count };
        if is_nan || numbers == 0 || (counted as u64) < self.at.least {
            return R::from_f64(f64::NAN);
        }
        let between = QuantileMethod::Linear.between(self.at.q, numbers);
        let value = |rank: usize| R::of(sorted.keys[rank]).as_f64();
        R::from_f64(between.of(value(between.low), value(between.high)))
    }
}

/// The numbers of a window, ascending, and how many elements are none.
struct Sorted<K> {
    keys: Vec<K>,
    missing: usize,
    rows: Range<usize>,
}

impl<K: Ord + Copy> Sorted<K> {
    fn clear(&mut self) {
        self.keys.clear();
        (self.missing, self.rows) = (0, 0..0);
    }

    /// Takes the elements of another window of a line, which is one column of rows, in place of these.
    fn move_to<R: Ranked<Key = K>>(&mut self, lines: &Lines<'_, R>, line: usize, rows: &Range<usize>) {
        let key = |row: usize| lines.row(row)[line].key();
        let old = self.rows.clone();
        // What both have in common is longer than what is to be changed.
        let common = rows.end.min(old.end).saturating_sub(rows.start.max(old.start));
        if 2 * common < rows.len() {
            self.clear();
            self.keys.extend(rows.clone().map(key).filter(|key| Some(*key) != R::MISSING));
            self.missing = rows.len() - self.keys.len();
            self.keys.sort_unstable();
        } else {
            for row in old.start..rows.start.min(old.end) {
                self.remove(key(row), R::MISSING);
            }
            for row in rows.end.max(old.start)..old.end {
                self.remove(key(row), R::MISSING);
            }
            for row in (rows.start..old.start.min(rows.end)).chain(old.end.max(rows.start)..rows.end) {
                self.insert(key(row), R::MISSING);
            }
        }
        self.rows = rows.clone();
    }

    fn remove(&mut self, key: K, missing: Option<K>) {
        if Some(key) == missing {
            self.missing -= 1;
        } else if let Ok(at) = self.keys.binary_search(&key) {
            self.keys.remove(at);
        }
    }

    fn insert(&mut self, key: K, missing: Option<K>) {
        if Some(key) == missing {
            self.missing += 1;
        } else {
            let at = self.keys.partition_point(|known| *known < key);
            self.keys.insert(at, key);
        }
    }
}
