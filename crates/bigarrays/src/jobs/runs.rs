//! Runs: elements one behind the other along rows that nothing tells apart.

use std::ops::Range;

/// Elements that are compared at once.
const LANES: usize = 16;

/// The runs of the rows of a block, whose elements lie in the order of memory.
#[derive(Debug)]
pub(super) struct Runs {
    /// Where the runs of each row begin, and where the last one's end.
    rows: Vec<u32>,
    /// Where each run begins in its row.
    starts: Vec<u32>,
    /// How many elements a row has.
    pub(super) length: usize,
}

impl Runs {
    /// Those of rows of `length` elements, of which two beside each other may be of one run.
    pub(super) fn of<T: Copy>(elements: &[T], length: usize, is_run: impl Fn(T, T) -> bool) -> Self {
        let length = length.max(1);
        let count_of =
            |row: &[T]| 1 + row.windows(2).map(|two| usize::from(!is_run(two[0], two[1]))).sum::<usize>();
        // As much memory as it takes, and no more.
        let count = elements.chunks_exact(length).map(count_of).sum();
        let mut rows = Vec::with_capacity(elements.len() / length + 1);
        let mut starts: Vec<u32> = Vec::with_capacity(count);
        for row in elements.chunks_exact(length) {
            rows.push(starts.len() as u32);
            starts.push(0);
            let mut at = 1;
            while at < row.len() {
                let end = (at + LANES).min(row.len());
                let (own, before) = (&row[at..end], &row[at - 1..end - 1]);
                let pairs = || own.iter().zip(before);
                if pairs().fold(false, |some, (&one, &other)| some | !is_run(other, one)) {
                    let begins = pairs().enumerate().filter(|(_, (one, other))| !is_run(**other, **one));
                    starts.extend(begins.map(|(k, _)| (at + k) as u32));
                }
                at = end;
            }
        }
        rows.push(starts.len() as u32);
        Self { rows, starts, length }
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn rows(&self) -> usize {
        self.rows.len() - 1
    }

    /// The numbers of the runs of a row.
    pub(super) fn of_row(&self, row: usize) -> Range<usize> {
        self.rows[row] as usize..self.rows[row + 1] as usize
    }

    /// Where a run begins in its row.
    pub(super) fn start(&self, run: usize) -> usize {
        self.starts[run] as usize
    }

    /// Where a run ends in its row, whose runs end at `last`.
    pub(super) fn end(&self, run: usize, last: usize) -> usize {
        if run + 1 < last { self.starts[run + 1] as usize } else { self.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_elements_differ_and_with_rows() {
        for length in 1..40usize {
            let elements: Vec<u8> = (0..3 * length).map(|k| (k * k / 7 % 3) as u8).collect();
            let runs = Runs::of(&elements, length, |one, other| one == other);
            let mut again = Vec::new();
            for row in 0..runs.rows() {
                let of_row = runs.of_row(row);
                for run in of_row.clone() {
                    let own = row * length + runs.start(run)..row * length + runs.end(run, of_row.end);
                    assert!(own.start == row * length || elements[own.start - 1] != elements[own.start]);
                    again.extend(vec![elements[own.start]; own.len()]);
                }
            }
            assert_eq!(again, elements);
        }
        assert_eq!(Runs::of(&[1u8; 6], 3, |_, _| false).len(), 6);
    }
}
