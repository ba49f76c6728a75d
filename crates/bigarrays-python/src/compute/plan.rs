//! Plans in files: what `bigarrays.plan` and `Plan` of Python call.

use std::collections::HashMap;
use std::path::PathBuf;

use bigarrays::OpenOptions;
use bigarrays::compute::{ComputeOptions, Lazy, Opening, PlanFile, PlannedStage};
use bigarrays::store::Settings;
use pyo3::prelude::*;

use crate::array::PyArray;
use crate::compute::expression::{PyLazy, budget};
use crate::compute::mapped;
use crate::interrupt::detached;
use crate::jobs::reported_until;

/// A plan in a file. `bigarrays.Plan` has what users see.
#[pyclass(name = "_PlanFile", module = "bigarrays._bigarrays", frozen)]
pub(crate) struct PyPlanFile(PlanFile);

fn opening(storage_options: HashMap<String, String>) -> OpenOptions {
    let mut settings = Settings::new();
    storage_options.into_iter().for_each(|(key, value)| settings.set(&key, value));
    OpenOptions::new().settings(settings)
}

fn with_functions(options: &OpenOptions) -> Opening<'_> {
    Opening { options, functions: Some(&mapped::found) }
}

#[pymethods]
impl PyPlanFile {
    /// Plans expressions, each into an array, for so many processors, as many of which as are said make up a process.
    #[staticmethod]
    fn write(
        py: Python<'_>,
        file: PathBuf,
        results: Vec<(PyRef<'_, PyLazy>, Bound<'_, PyArray>)>,
        memory: Option<u64>,
        workers: (Option<u64>, Option<u64>),
        scratch: Option<PathBuf>,
        storage_options: HashMap<String, String>,
    ) -> PyResult<Self> {
        let one = |(lazy, target): &(PyRef<'_, PyLazy>, Bound<'_, PyArray>)| {
            (lazy.inner().clone(), target.get().array.clone())
        };
        let results: Vec<(Lazy, bigarrays::Array)> = results.iter().map(one).collect();
        let written = detached(py, || {
            let options = ComputeOptions {
                memory: budget(memory),
                workers: workers.0.unwrap_or(0),
                threads: workers.1.unwrap_or(0),
                scratch: scratch.as_deref(),
                ..ComputeOptions::default()
            };
            let results: Vec<_> = results.iter().map(|(lazy, target)| (lazy, target)).collect();
            let storage = opening(storage_options);
            PlanFile::write(file, &results, &options, with_functions(&storage))
        })?;
        Ok(Self(written))
    }

    #[staticmethod]
    fn open(py: Python<'_>, file: PathBuf, storage_options: HashMap<String, String>) -> PyResult<Self> {
        detached(py, || PlanFile::open(file, with_functions(&opening(storage_options)))).map(Self)
    }

    /// Of each stage what is computed, what a task does, how many there are, the bytes of the elements that they are of, and
    /// whether one process is to run all.
    #[getter]
    fn stages(&self) -> Vec<(String, &'static str, u64, u64, bool)> {
        let one = |stage: &PlannedStage| {
            (stage.text.clone(), stage.work, stage.tasks, stage.bytes, stage.is_shared)
        };
        self.0.stages().iter().map(one).collect()
    }

    #[getter]
    fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// Ends the job, of which all tasks have been run, without looking up what they have done.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.0.finish())
    }

    /// Runs these tasks of a stage, or all that is left, and returns how much was done again.
    #[pyo3(name = "_run", signature = (stage = None, tasks = None, memory = None, progress = None, stop = None))]
    fn run(
        &self,
        py: Python<'_>,
        stage: Option<usize>,
        tasks: Option<(u64, u64)>,
        memory: Option<u64>,
        progress: Option<Py<PyAny>>,
        stop: Option<Py<PyAny>>,
    ) -> PyResult<u64> {
        reported_until(py, progress.as_ref(), stop.as_ref(), |report| {
            let options = ComputeOptions {
                memory: budget(memory),
                progress: Some(report),
                ..ComputeOptions::default()
            };
            let (first, end) = tasks.unwrap_or((0, u64::MAX));
            match stage {
                Some(stage) => self.0.run_tasks(stage, first..end, &options).map(|()| 0),
                None => self.0.run(&options),
            }
        })
    }
}
