//! Labels by a table: which label becomes which.

use std::sync::Arc;

use serde_json::Value;

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::chunk::config::Config;
use crate::compute::cast::{Cast, OutOfRange};
use crate::compute::dense::{Given, Kernel};
use crate::compute::expr::Lazy;
use crate::compute::fields::{damaged, expect, text, whole};
use crate::compute::operation::Operation;
use crate::compute::site::Site;
use crate::compute::types::is_whole;
use crate::compute::windowed::Bound;
use crate::compute::windows::Windows;

/// What becomes of labels that are not in a table. Label 0 stays 0 in any case, unless the table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// They stay as they are.
    Keep,
    /// They become this.
    Value(i128),
    /// They are an error.
    Refuse,
}

impl Unlisted {
    fn config(self) -> Config {
        let config = Config::new("remap");
        match self {
            Self::Keep => config.with("unlisted", "keep").with("value", 0i64),
            // The word that is written: of 64 bits, with a sign or without.
            Self::Value(value) => config.with("unlisted", "value").with("value", value as i64),
            Self::Refuse => config.with("unlisted", "refuse").with("value", 0i64),
        }
    }

    /// An error unless what labels become is of the type.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn expect_in(self, dtype: DataType) -> Result<()> {
        match self {
            Self::Value(value) if !range(dtype).contains(&value) => {
                Err(Error::invalid(format!("unlisted={value}, which {dtype} does not reach")))
            }
            _ => Ok(()),
        }
    }

    fn read(config: &Value) -> Result<Self> {
        match text(config, "unlisted")? {
            "keep" => Ok(Self::Keep),
            "value" => Ok(Self::Value(i128::from(whole(config, "value")?))),
            "refuse" => Ok(Self::Refuse),
            _ => Err(damaged()),
        }
    }
}

/// Which labels become which: sorted, each label once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelTable {
    from: Vec<i128>,
    to: Vec<i128>,
}

impl LabelTable {
    /// The table of these labels and what each becomes.
    ///
    /// # Errors
    /// `InvalidArgument` if one is to become two different ones, or numbers have more than 64 bits.
    pub fn new(pairs: impl IntoIterator<Item = (i128, i128)>) -> Result<Self> {
        let mut pairs: Vec<(i128, i128)> = pairs.into_iter().collect();
        let is_wide = |one: i128| !(i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&one);
        if let Some((one, _)) = pairs.iter().find(|(from, to)| is_wide(*from) || is_wide(*to)) {
            return Err(Error::invalid(format!("label {one}: it or what it becomes has more than 64 bits")));
        }
        pairs.sort_unstable();
        pairs.dedup();
        if let Some(two) = pairs.windows(2).find(|two| two[0].0 == two[1].0) {
            let reason = format!("label {} is to become {} and {}", two[0].0, two[0].1, two[1].1);
            return Err(Error::invalid(reason));
        }
        let (from, to) = pairs.into_iter().unzip();
        Ok(Self { from, to })
    }

    /// The labels, ascending, and what each becomes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i128, i128)> + '_ {
        self.from.iter().copied().zip(self.to.iter().copied())
    }

    /// How many labels it has.
    pub fn len(&self) -> usize {
        self.from.len()
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> u64 {
        ((size_of_val(&*self.from)).saturating_add(size_of_val(&*self.to))) as u64
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Those of labels that elements of a type can be, as words of the kind of the type, and the words of what they become.
    ///
    /// # Errors
    /// `InvalidArgument` if one becomes what elements of `to` cannot be.
    pub(crate) fn words(&self, from: DataType, to: DataType) -> Result<(Vec<u64>, Vec<u64>)> {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let (own, new) = (range(from), range(to));
        for (label, value) in self.iter().filter(|(label, _)| own.contains(label)) {
            if !new.contains(&value) {
                let reason = format!(
                    "label {label} is to become {value}, which {to} does not reach; say another dtype"
                );
                return Err(Error::invalid(reason));
            }
            names.push(label as u64);
            values.push(value as u64);
        }
        Ok((names, values))
    }
}

/// The numbers that elements of a type can be.
fn range(dtype: DataType) -> std::ops::RangeInclusive<i128> {
    let bits = 8 * dtype.size();
    match dtype {
        DataType::Bool => 0..=1,
        DataType::U8 | DataType::U16 | DataType::U32 | DataType::U64 => 0..=(1i128 << bits) - 1,
        _ => -(1i128 << (bits - 1))..=(1i128 << (bits - 1)) - 1,
    }
}

/// The type of 64 bits in which labels are looked up.
fn kind(dtype: DataType) -> DataType {
    if dtype == DataType::U64 { DataType::U64 } else { DataType::I64 }
}

impl Lazy {
    /// These whole numbers, each of which becomes what a table says. Those that are not in it become what `unlisted` says, but 0
    /// stays 0. The result has the type of the labels, or `dtype`.
    ///
    /// ```
    /// use bigarrays::compute::{ComputeOptions, LabelTable, Lazy, Unlisted};
    /// use bigarrays::{DataType, Domain};
    ///
    /// let labels = Lazy::of_elements(&Domain::from_shape(&[5])?, DataType::U8, &[0, 3, 9, 3, 4])?;
    /// let table = LabelTable::new([(3, 1000), (9, 2)])?;
    /// let found = labels.remap(&table, Unlisted::Value(7), Some(DataType::U16))?;
    /// let found = found.compute::<u16>(&ComputeOptions::default())?;
    /// assert_eq!(found.into_data().into_raw_vec_and_offset().0, [0, 1000, 2, 1000, 7]);
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidArgument` if labels are no whole numbers, or become what the type does not reach; when it is computed, if labels are
    /// not in the table and are to be refused, or stay and are not of the type.
    pub fn remap(&self, table: &LabelTable, unlisted: Unlisted, dtype: Option<DataType>) -> Result<Self> {
        let during = |error: Error| error.during("remapping labels");
        let dtype = dtype.unwrap_or(self.dtype());
        if let Some(other) = [self.dtype(), dtype].into_iter().find(|&dtype| !is_whole(dtype)) {
            return Err(during(Error::invalid(format!("{other} elements are no whole numbers"))));
        }
        unlisted.expect_in(dtype).map_err(during)?;
        let (names, values) = table.words(self.dtype(), dtype).map_err(during)?;
        if self.ndim() == 0 {
            return self.new_axis(0, 0..1)?.remap(table, unlisted, Some(dtype))?.first_along_first();
        }
        let (from, to) = (kind(self.dtype()), kind(dtype));
        let held = |dtype, words: &[u64]| {
            Self::of_elements(&Domain::from_shape(&[words.len() as u64])?, dtype, bytemuck::cast_slice(words))
        };
        let loops: Vec<_> = self.domain().ranges().collect();
        let each: Vec<Bound> = (0..loops.len()).map(|axis| (axis, Windows::Each)).collect();
        let whole: [Bound; 1] = [(0, Windows::Whole)];
        let made = Operation::over(&loops)
            .input(&self.converted(from)?, &each)
            .input(&held(from, &names)?, &whole)
            .input(&held(to, &values)?, &whole)
            .output(to, &each)
            .kernel("remap", Arc::new(Remap { from, to, unlisted }))
            .map_err(during)?;
        made.cast(dtype, Cast { out_of_range: OutOfRange::Refuse, ..Cast::default() })
    }
}

/// What labels become by a table, which is given as its sorted labels and what each becomes.
struct Remap {
    from: DataType,
    to: DataType,
    unlisted: Unlisted,
}

/// The kernel of labels by a table, of its configuration.
///
/// # Errors
/// `InvalidArgument` if it does not fit.
pub(super) fn read(config: &Value, site: &Site<'_>) -> Result<Arc<dyn Kernel>> {
    let [of, names, values] = site.inputs else { return Err(damaged()) };
    site.expect_each(0)?;
    site.expect(1, &[(0, Windows::Whole)])?;
    site.expect(2, &[(0, Windows::Whole)])?;
    let (from, to) = (of.dtype(), site.dtype);
    let is_wide = |dtype| matches!(dtype, DataType::I64 | DataType::U64);
    expect(is_wide(from) && is_wide(to) && names.dtype() == from && values.dtype() == to)?;
    expect(names.domain().shape() == values.domain().shape())?;
    Ok(Arc::new(Remap { from, to, unlisted: Unlisted::read(config)? }))
}

impl Kernel for Remap {
    fn config(&self) -> Config {
        self.unlisted.config()
    }

    fn run(&self, _steps: &Domain, inputs: &[Given<'_>], out: &mut [u8]) -> Result<()> {
        let [of, names, values] = inputs else { return Err(damaged()) };
        let out: &mut [u64] = bytemuck::cast_slice_mut(out);
        let to = self.to;
        match self.from {
            DataType::U64 => {
                let table = Table {
                    names: names.elements::<u64>(),
                    values: values.elements(),
                    unlisted: self.unlisted,
                    to,
                };
                table.all(of.elements(), out)
            }
            _ => {
                let table = Table {
                    names: names.elements::<i64>(),
                    values: values.elements(),
                    unlisted: self.unlisted,
                    to,
                };
                table.all(of.elements(), out)
            }
        }
    }
}

/// Sorted labels of one type of 64 bits, and the words of what they become.
pub(crate) struct Table<'a, L> {
    pub(crate) names: &'a [L],
    pub(crate) values: &'a [u64],
    pub(crate) unlisted: Unlisted,
    pub(crate) to: DataType,
}

impl<L: Copy + Ord + Into<i128>> Table<'_, L> {
    /// Writes what labels become.
    ///
    /// # Errors
    /// `InvalidArgument` if one is not in the table and is refused, or stays and is not of the type.
    pub(crate) fn all(&self, labels: &[L], out: &mut [u64]) -> Result<()> {
        // Neighbours often have the same label.
        let mut last: Option<(L, u64)> = None;
        for (found, &label) in out.iter_mut().zip(labels) {
            *found = match last {
                Some((known, value)) if known == label => value,
                _ => {
                    let value = self.one(label)?;
                    last = Some((label, value));
                    value
                }
            };
        }
        Ok(())
    }

    fn place(&self, label: L) -> Option<usize> {
        let (first, end) = (*self.names.first()?, *self.names.last()?);
        if label < first || label > end {
            return None;
        }
        // Labels one after the other, as renumbered ones are, are not searched.
        let distance = (label.into() - first.into()) as usize;
        if (end.into() - first.into()) as usize + 1 == self.names.len() {
            return Some(distance);
        }
        self.names.binary_search(&label).ok()
    }

    /// What a label becomes.
    ///
    /// # Errors
    /// As those of all labels.
    pub(crate) fn one(&self, label: L) -> Result<u64> {
        if let Some(place) = self.place(label) {
            return Ok(self.values[place]);
        }
        let own: i128 = label.into();
        match self.unlisted {
            _ if own == 0 => Ok(0),
            Unlisted::Value(value) => Ok(value as u64),
            Unlisted::Keep if range(self.to).contains(&own) => Ok(own as u64),
            Unlisted::Keep => {
                let reason = format!("label {own} stays as it is, and is none of {}", self.to);
                Err(Error::invalid(reason).during("remapping labels"))
            }
            Unlisted::Refuse => {
                let reason =
                    format!("label {own} is not in the table; unlisted= says what becomes of such labels");
                Err(Error::invalid(reason).during("remapping labels"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_of_each_label_once() {
        let table = LabelTable::new([(5, 1), (-3, 2), (5, 1)]).unwrap();
        assert_eq!(table.iter().collect::<Vec<_>>(), [(-3, 2), (5, 1)]);
        assert!(LabelTable::new([(5, 1), (5, 2)]).unwrap_err().to_string().contains("1 and 2"));
        assert!(LabelTable::new([(1 << 64, 0)]).is_err());
        // No element of 8 bits without sign is −3.
        assert_eq!(table.words(DataType::U8, DataType::U8).unwrap(), (vec![5], vec![1]));
        let wide = LabelTable::new([(5, 256)]).unwrap();
        assert!(wide.words(DataType::U8, DataType::U8).is_err());
    }

    #[test]
    fn labels_become_what_the_table_says() {
        let of = |names: &[i64], unlisted| {
            let values: Vec<u64> = (100..).take(names.len()).collect();
            let mut out = [0; 5];
            let table = Table { names, values: &values, unlisted, to: DataType::U8 };
            table.all(&[0, 7, 8, 9, 9], &mut out).map(|()| out)
        };
        assert_eq!(of(&[7, 8, 9], Unlisted::Refuse).unwrap(), [0, 100, 101, 102, 102]);
        assert_eq!(of(&[0, 7, 9], Unlisted::Keep).unwrap(), [100, 101, 8, 102, 102]);
        assert_eq!(of(&[-1], Unlisted::Value(3)).unwrap(), [0, 3, 3, 3, 3]);
        assert!(of(&[7, 9], Unlisted::Refuse).unwrap_err().to_string().contains("label 8"));
    }
}
