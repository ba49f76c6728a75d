//! Arrays that are not written to their end, and say so.

use crate::array::Array;
use crate::array::transform::bounds;
use crate::base::error::Result;
use crate::base::sync::MutexExt;
use crate::format::{self, Incomplete};

impl Array {
    /// What is known of the making of an array that is marked as incomplete; `None` of one that is not. As it was when the
    /// array was opened or made, or after [`Array::complete`].
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.stored.incomplete.locked().clone()
    }

    /// Takes the mark away that says that the array is incomplete, whatever this view shows of it: all of it is written.
    ///
    /// ```
    /// use bigarrays::{CreateSpec, DataType, ErrorKind, OpenOptions};
    ///
    /// let mut spec = CreateSpec::new(DataType::U8, "0:4,0:5,0:6".parse()?);
    /// spec.array.incomplete = true;
    /// let array = OpenOptions::new().create("memory://complete", &spec)?;
    /// assert_eq!(OpenOptions::new().open("memory://complete").unwrap_err().kind(), ErrorKind::Incomplete);
    /// array.complete()?;
    /// assert!(OpenOptions::new().open("memory://complete").is_ok());
    /// # Ok::<(), bigarrays::Error>(())
    /// ```
    ///
    /// # Errors
    /// `ReadOnly`; `NotFound` if it was removed; a storage error, after which it is marked as before.
    pub fn complete(&self) -> Result<()> {
        if self.incomplete().is_none() {
            return Ok(());
        }
        self.expect_writable()?;
        let stored = &self.stored;
        let scale = stored.scales.get(stored.scale).map(|scale| scale.key.as_str());
        let completed = format::complete(stored.format, &stored.root, scale);
        completed.map_err(|error| error.during("marking as complete").at(self.url()))?;
        *stored.incomplete.locked() = None;
        Ok(())
    }

    /// As [`Array::complete`], if this view shows all that is stored: who has written it has written all.
    pub(crate) fn complete_if_whole(&self) -> Result<()> {
        let axes = self.view.stored_axes(self.domain())?;
        let is_dense = axes.iter().all(|axis| axis.step.unsigned_abs() == 1 || axis.count <= 1);
        match is_dense && bounds(&axes)?.contains(self.stored.layout.domain()) {
            true => self.complete(),
            false => Ok(()),
        }
    }
}
