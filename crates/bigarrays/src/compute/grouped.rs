//! Rows of elements that are folded by the numbers of their groups.

use crate::base::dtype::DataType;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::kernels::NONE;
use crate::compute::slots::Slots;

/// Where the cells of groups are.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByGroup {
    /// How many groups there are.
    pub(super) count: u64,
    /// How far cells of neighbours are apart.
    pub(super) stride: usize,
    /// Whether a number that there is not is none.
    pub(super) drops: bool,
    /// Whether only groups that are met have cells, one after the other in the order of their slots.
    pub(super) is_sparse: bool,
    /// Whether numbers are labels, each of which is a group, negative ones as well if labels have no sign.
    pub(super) labels: Option<DataType>,
    /// Whether it counts how many elements each has. Groups that are met are counted in any case.
    pub(super) is_sized: bool,
}

/// The numbers of the groups of a row's elements.
#[derive(Clone, Copy)]
pub(super) enum Numbers<'a> {
    /// All elements are in one group.
    One(i64),
    Each(&'a [i64]),
}

/// Where the elements of a row go.
pub(super) enum Cells<'a> {
    /// None of them goes anywhere.
    Nowhere,
    /// So many cells behind those of the first group.
    Behind(usize),
    /// Each into its own cell.
    Each(&'a [usize]),
}

impl ByGroup {
    /// Groups that are numbered, each of one cell.
    pub(super) fn numbered(count: u64, drops: bool) -> Self {
        Self { count, stride: 1, drops, is_sparse: false, labels: None, is_sized: false }
    }

    /// The group of a number, if it is one.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such group.
    pub(super) fn group(&self, number: i64) -> Result<Option<usize>> {
        match u64::try_from(number) {
            Err(_) => Ok(None),
            Ok(group) if group < self.count => Ok(Some(group as usize)),
            Ok(_) if self.drops => Ok(None),
            Ok(_) => {
                let label =
                    if number == i64::MAX { "a label".to_owned() } else { format!("the label {number}") };
                let reason = format!(
                    "{label} is none of the {} groups that are expected; with `drop`, such elements belong to none",
                    self.count
                );
                Err(Error::new(ErrorKind::InvalidArgument, reason).during("groupby"))
            }
        }
    }

    /// The label by which the cells of a number are found, if it is of a group.
    ///
    /// # Errors
    /// As [`ByGroup::group`].
    fn label(&self, number: i64) -> Result<Option<i64>> {
        match self.labels {
            Some(DataType::U64) => Ok(Some(number)),
            Some(_) => Ok((number >= 0).then_some(number)),
            None => Ok(self.group(number)?.map(|group| group as i64)),
        }
    }

    /// As [`ByGroup::cells`], of cells of those labels that were met and are met now; `sizes` has as many then.
    ///
    /// # Errors
    /// As [`ByGroup::group`].
    pub(super) fn cells_of_slots<'a>(
        &self,
        numbers: Numbers<'_>,
        (at, step, count): (usize, usize, usize),
        (slots, sizes): (&mut Slots, &mut Vec<u64>),
        found: &'a mut Vec<usize>,
    ) -> Result<Cells<'a>> {
        let counted = counted(at, step, count);
        let numbers = match numbers {
            Numbers::One(number) => {
                let Some(label) = self.label(number)? else { return Ok(Cells::Nowhere) };
                let slot = slots.slot(label);
                sizes.resize(slots.len(), 0);
                sizes[slot] += counted as u64;
                return Ok(Cells::Behind(slot * self.stride));
            }
            Numbers::Each(numbers) => numbers,
        };
        found.resize(numbers.len(), NONE);
        for (k, (found, &number)) in found.iter_mut().zip(numbers).enumerate() {
            *found = NONE;
            if let Some(label) = self.label(number)? {
                let slot = slots.slot(label);
                if slot == sizes.len() {
                    sizes.push(0);
                }
                sizes[slot] += u64::from(k < counted);
                *found = at + k * step + slot * self.stride;
            }
        }
        Ok(Cells::Each(found))
    }

    /// Where the elements of a row go, the first of which is of the cell at `at` of the first group, and the others `step`
    /// apart. Counts the elements of each group, once for all cells.
    ///
    /// # Errors
    /// As [`ByGroup::group`].
    pub(super) fn cells<'a>(
        &self,
        numbers: Numbers<'_>,
        (at, step, count): (usize, usize, usize),
        sizes: &mut [u64],
        found: &'a mut Vec<usize>,
    ) -> Result<Cells<'a>> {
        let counted = if self.is_sized { counted(at, step, count) } else { 0 };
        let numbers = match numbers {
            Numbers::One(number) => {
                let Some(group) = self.group(number)? else { return Ok(Cells::Nowhere) };
                sizes[group] += counted as u64;
                return Ok(Cells::Behind(group * self.stride));
            }
            Numbers::Each(numbers) => numbers,
        };
        found.resize(numbers.len(), NONE);
        for (k, (found, &number)) in found.iter_mut().zip(numbers).enumerate() {
            // Negative numbers are large ones.
            let group = number.cast_unsigned();
            *found = match group < self.count {
                true => at + k * step + group as usize * self.stride,
                false => self.group(number).map(|_| NONE)?,
            };
        }
        for number in &numbers[..counted] {
            if let Some(group) = self.group(*number)? {
                sizes[group] += 1;
            }
        }
        Ok(Cells::Each(found))
    }
}

/// How many elements of a row are those of one cell along the axes that are not reduced, which are all that there are of a group.
fn counted(at: usize, step: usize, count: usize) -> usize {
    match (at, step) {
        (0, 0) => count,
        (0, _) => count.min(1),
        _ => 0,
    }
}
