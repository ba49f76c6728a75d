//! Connected components off the boundary, from runs of elements rather than single ones.

use std::ops::Range;

use crate::base::error::Result;

/// A longest run of elements off the boundary within one row.
struct Run {
    /// First element and the one after the last, within the row.
    start: u32,
    end: u32,
    /// An earlier run of the same component, or the run itself; later the component's number.
    parent: u32,
}

/// The components of consecutive slices, joined through faces, numbered in the order of their first
/// elements.
#[derive(Default)]
pub(crate) struct Components {
    runs: Vec<Run>,
    /// The first run of each row, and the number of all runs.
    rows: Vec<usize>,
    width: usize,
}

impl Components {
    /// Finds the components of the elements where `boundary` is zero, in rows of `nx` and slices of
    /// `ny` rows.
    pub(crate) fn find(&mut self, boundary: &[u8], nx: usize, ny: usize) {
        self.runs.clear();
        self.rows.clear();
        self.rows.push(0);
        self.width = nx;
        for (row, boundary) in boundary.chunks_exact(nx).enumerate() {
            self.add_runs(boundary);
            self.rows.push(self.runs.len());
            if row % ny > 0 {
                self.join(row - 1, row);
            }
            if row >= ny {
                self.join(row - ny, row);
            }
        }
    }

    fn add_runs(&mut self, boundary: &[u8]) {
        let mut x = 0;
        while let Some(skip) = boundary[x..].iter().position(|&on| on == 0) {
            let start = x + skip;
            let length = boundary[start..].iter().position(|&on| on != 0);
            x = length.map_or(boundary.len(), |length| start + length);
            let parent = self.runs.len() as u32;
            self.runs.push(Run { start: start as u32, end: x as u32, parent });
        }
    }

    /// Joins the components of runs of two rows that share an index.
    fn join(&mut self, above: usize, below: usize) {
        let (mut a, a_end) = (self.rows[above], self.rows[above + 1]);
        let (mut b, b_end) = (self.rows[below], self.rows[below + 1]);
        while a < a_end && b < b_end {
            let (upper, lower) = (&self.runs[a], &self.runs[b]);
            let upper_ends_first = upper.end <= lower.end;
            if upper.start < lower.end && lower.start < upper.end {
                self.unite(a, b);
            }
            if upper_ends_first {
                a += 1;
            } else {
                b += 1;
            }
        }
    }

    fn root(&mut self, mut run: usize) -> usize {
        while self.runs[run].parent as usize != run {
            let parent = self.runs[run].parent as usize;
            self.runs[run].parent = self.runs[parent].parent;
            run = parent;
        }
        run
    }

    /// The earlier root becomes that of both, so that a root is the first run of its component.
    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.runs[a.max(b)].parent = a.min(b) as u32;
    }

    /// Calls `visit` with the component of each run and the run's elements; returns the number of
    /// components. To be called once after [`Components::find`].
    pub(crate) fn each(&mut self, mut visit: impl FnMut(usize, Range<usize>) -> Result<()>) -> Result<usize> {
        let mut count = 0;
        for row in 0..self.rows.len() - 1 {
            for run in self.rows[row]..self.rows[row + 1] {
                // Parents come earlier, and hold numbers of components by now.
                let parent = self.runs[run].parent as usize;
                let component = if parent == run { count } else { self.runs[parent].parent };
                count += u32::from(parent == run);
                let run = &mut self.runs[run];
                run.parent = component;
                let start = row * self.width;
                visit(component as usize, start + run.start as usize..start + run.end as usize)?;
            }
        }
        Ok(count as usize)
    }
}
