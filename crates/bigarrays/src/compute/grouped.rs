//! Rows of elements that are folded by the numbers of their groups.

use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::kernels::NONE;

/// Where the cells of groups are.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByGroup {
    /// How many groups there are.
    pub(super) count: u64,
    /// How far cells of neighbours are apart.
    pub(super) stride: usize,
    /// Whether a number that there is not is none.
    pub(super) drops: bool,
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
        // Those of one cell along the axes that are not reduced are all that there are.
        let counted = if at > 0 {
            0
        } else if step == 0 {
            count
        } else {
            count.min(1)
        };
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
