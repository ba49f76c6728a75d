//! Affine transformations: where elements are that do not lie along the axes of what is shown.

use bigarrays::{Error, Result};

/// A transformation of positions along x, y and z, in the unit of the array: a linear part, and what is added.
///
/// ```
/// use bigarrays_serve::Affine;
///
/// let turned = Affine::parse("0, -1, 0, 100\n1, 0, 0, 0\n0, 0, 1, 0")?;
/// assert_eq!(turned, Affine::parse("[[0, -1, 0, 100], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]")?);
/// # Ok::<(), bigarrays::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    rows: [[f64; 4]; 3],
}

impl Affine {
    /// That of a matrix of three rows, or four of which the last is 0, 0, 0, 1.
    ///
    /// # Errors
    /// `InvalidArgument` for another number of rows or columns, for numbers that are not finite, and for a linear part that has no
    /// inverse.
    pub fn new(rows: &[Vec<f64>]) -> Result<Self> {
        let wrong = |reason: &str| Err(Error::invalid(format!("an affine matrix {reason}")));
        let (rows, last) = rows.split_at_checked(3).unwrap_or((rows, &[]));
        if rows.len() < 3 || last.len() > 1 || rows.iter().chain(last).any(|row| row.len() != 4) {
            return wrong("has three or four rows of four numbers");
        }
        if last.first().is_some_and(|last| last[..] != [0.0, 0.0, 0.0, 1.0]) {
            return wrong("has 0, 0, 0, 1 for its fourth row");
        }
        if rows.iter().flatten().any(|number| !number.is_finite()) {
            return wrong("has finite numbers");
        }
        let mut own = [[0.0; 4]; 3];
        own.iter_mut().zip(rows).for_each(|(own, row)| own.copy_from_slice(row));
        let made = Self { rows: own };
        if made.inverse().is_none() {
            return wrong("has an inverse");
        }
        Ok(made)
    }

    /// That of a text: a list of lists of JSON, or lines of numbers between which there are commas or blanks.
    ///
    /// # Errors
    /// `InvalidArgument` for other text, and as [`Affine::new`].
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("an affine matrix is a list of lists of JSON, or lines of numbers");
        if text.trim_start().starts_with('[') {
            return Self::new(&serde_json::from_str::<Vec<Vec<f64>>>(text).map_err(|_| wrong())?);
        }
        let number = |word: &str| word.parse::<f64>().map_err(|_| wrong());
        let words = |line: &str| -> Result<Vec<f64>> {
            let is_between = |c: char| c == ',' || c == ';' || c.is_whitespace();
            line.split(is_between).filter(|word| !word.is_empty()).map(number).collect()
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        Self::new(&lines.map(words).collect::<Result<Vec<_>>>()?)
    }

    /// The one that takes coordinates of elements to coordinates of elements of the same lengths, whose axes are those of what is
    /// shown; coordinates of the array are less by `offsets`.
    pub(crate) fn of_elements(self, lengths: [f64; 3], offsets: [f64; 3]) -> Self {
        let mut rows = [[0.0; 4]; 3];
        for (axis, row) in rows.iter_mut().enumerate() {
            for other in 0..3 {
                row[other] = self.rows[axis][other] * lengths[other] / lengths[axis];
                row[3] += row[other] * offsets[other];
            }
            row[3] += self.rows[axis][3] / lengths[axis];
        }
        Self { rows }
    }

    pub(crate) fn apply(self, place: [f64; 3]) -> [f64; 3] {
        self.rows.map(|row| row[3] + (0..3).map(|axis| row[axis] * place[axis]).sum::<f64>())
    }

    /// The one that undoes it.
    pub(crate) fn inverse(self) -> Option<Self> {
        let [a, b, c] = self.rows;
        let cross = |u: [f64; 4], v: [f64; 4]| {
            [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
        };
        let columns = [cross(b, c), cross(c, a), cross(a, b)];
        let determinant: f64 = (0..3).map(|axis| a[axis] * columns[0][axis]).sum();
        if !determinant.is_normal() {
            return None;
        }
        let mut rows = [[0.0; 4]; 3];
        for (axis, row) in rows.iter_mut().enumerate() {
            for other in 0..3 {
                row[other] = columns[other][axis] / determinant;
                row[3] -= row[other] * self.rows[other][3];
            }
        }
        Some(Self { rows })
    }

    pub(crate) fn rows(self) -> [[f64; 4]; 3] {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_does_is_undone() {
        let affine = Affine::parse("2 0.5 0 -7\n0 1 3 4\n1 0 1 0").unwrap();
        let place = affine.apply([3.0, -5.0, 11.0]);
        assert_eq!(place, [-3.5, 32.0, 14.0]);
        let back = affine.inverse().unwrap().apply(place);
        assert!(back.iter().zip([3.0, -5.0, 11.0]).all(|(x, y)| (x - y).abs() < 1e-12), "{back:?}");
    }

    #[test]
    fn what_is_no_affine_matrix_is_refused() {
        for bad in [
            "",
            "1 0 0 0\n0 1 0 0",
            "1 0 0\n0 1 0\n0 0 1",
            "1 0 0 0\n0 1 0 0\n1 1 0 0",
            "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 2",
            "1 0 0 nan\n0 1 0 0\n0 0 1 0",
            "1 0 0 x\n0 1 0 0\n0 0 1 0",
            "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1]]",
            "[1, 2]",
        ] {
            assert!(Affine::parse(bad).is_err(), "{bad}");
        }
    }
}
