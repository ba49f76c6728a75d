//! What many tasks have folded of a box of results, gathered in few files: who merges a box of tens of thousands of tasks would open as many
//! files, one after the other. Segments are merged in the same order as without.

use std::ops::Range;

use crate::base::error::{Error, Result};
use crate::compute::boxes::Groups;
use crate::compute::merging::Waiting;
use crate::compute::partials::Partial;
use crate::compute::reducing::{OfBoxes, Reducing};
use crate::compute::resume::Record;
use crate::compute::sink::Sink;
use crate::compute::tasks::{Numbers, Part, Work};
use crate::run::runner::Runner;

impl Reducing<'_> {
    /// Runs all tasks, or a part of them.
    ///
    /// # Errors
    /// Those of reading and writing; `InvalidArgument` if tasks that were not run would be gathered or merged.
    pub(super) fn run_part(
        &self,
        runner: &Runner<'_>,
        sinks: &[Vec<Sink<'_>>],
        part: Option<&Part>,
    ) -> Result<()> {
        let selected = || self.selected(part);
        match (part.map(|part| part.work), self.boxes.groups()) {
            (Some(Work::Gather), Some(groups)) => self.gather(runner, &selected().0, groups),
            (Some(Work::Merge), Some(groups)) => {
                let (tasks, of_kept) = selected();
                self.merge_gathered(runner, sinks, (&tasks, of_kept.as_ref()), groups)
            }
            _ => self.run(runner, sinks, part),
        }
    }

    /// The tasks of these groups.
    pub(super) fn gathered_tasks(&self, numbers: &Range<u64>) -> Range<u64> {
        let Some(groups) = self.boxes.groups() else { return 0..0 };
        let end = numbers.end.min(groups.count.saturating_mul(self.boxes.kept.len()));
        if numbers.start >= end {
            return 0..0;
        }
        let place = |(kept, task): (u64, u64)| kept * self.boxes.tasks + task;
        let ((first, from), (last, to)) = (groups.tasks(numbers.start), groups.tasks(end - 1));
        place((first, from.start))..place((last, to.end))
    }

    /// Gathers what these tasks, those of whole groups, have folded.
    ///
    /// # Errors
    /// `InvalidArgument` if a task has not been run; any error of files.
    fn gather(&self, runner: &Runner<'_>, tasks: &Numbers, groups: Groups) -> Result<()> {
        let Some(record) = self.record else { return Ok(()) };
        let numbers = tasks.groups(groups);
        runner.run(numbers.len(), &|at| {
            let (kept, range) = groups.tasks(numbers.get(at));
            let nothing = self.nothing(self.boxes.kept.get(kept)?.checked_len()? as usize);
            let mut gathered = Waiting::default();
            for task in range {
                let number = kept * self.boxes.tasks + task;
                if tasks.has(number) {
                    let found = record.partials.find(number, &self.methods, &nothing)?;
                    gathered.add(task, found.ok_or_else(|| not_run("task", number))?);
                }
            }
            let Waiting { from, segments, .. } = gathered;
            record.gathered.keep(numbers.get(at), &Partial { from, segments })?;
            Ok(0)
        })
    }

    /// Merges the boxes of these tasks of which all has been gathered, and puts them, unless an earlier run has.
    ///
    /// # Errors
    /// `InvalidArgument` if a group has not been gathered; those of reading and writing.
    fn merge_gathered(
        &self,
        runner: &Runner<'_>,
        sinks: &[Vec<Sink<'_>>],
        (tasks, of_kept): (&Numbers, Option<&OfBoxes>),
        groups: Groups,
    ) -> Result<()> {
        let Some(record) = self.record else { return Ok(()) };
        let (boxes, all) = (tasks.boxes(self.boxes.tasks), tasks.groups(groups));
        runner.run(boxes.len(), &|at| {
            let kept = boxes.get(at);
            let has_missing = of_kept.is_some_and(|of_kept| {
                of_kept.get(&kept).is_some_and(|(_, blocks)| *blocks < self.boxes.blocks)
            });
            let of_box = (kept * groups.count..(kept + 1) * groups.count).filter(|group| all.has(*group));
            let mut gathered = Waiting::default();
            for group in of_box {
                gathered.join_from(self.gathered(record, kept, group)?);
            }
            let (from, placed) = (gathered.from, self.stage.placed(&self.boxes.kept.get(kept)?)?);
            if record.is_resumed && record.is_done(kept, || Ok(from), (sinks, &placed))? {
                return Ok(0);
            }
            self.put(kept, gathered, has_missing, sinks)?;
            Ok(0)
        })
    }

    fn gathered(&self, record: &Record<'_>, kept: u64, group: u64) -> Result<Partial> {
        let nothing = self.nothing(self.boxes.kept.get(kept)?.checked_len()? as usize);
        let found = record.gathered.find(group, &self.methods, &nothing)?;
        found.ok_or_else(|| not_run("group", group))
    }
}

fn not_run(what: &str, number: u64) -> Error {
    Error::invalid(format!("{what} {number} of what is merged has not been run"))
        .during("merging partial results")
}

#[cfg(test)]
mod tests {
    use crate::array::{Array, OpenOptions};
    use crate::base::dtype::DataType;
    use crate::compute::{ComputeOptions, Lazy, PlanFile};
    use crate::format::CreateSpec;

    const LENGTH: usize = 600_000;

    #[test]
    fn what_is_gathered_has_the_bits_of_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str, dtype: DataType, domain: &str| -> Array {
            let mut spec = CreateSpec::new(dtype, domain.parse().unwrap());
            spec.storage.chunk_shape = (name == "a").then(|| vec![40_000, 2]);
            let url = folder.path().join(name).to_str().unwrap().to_owned();
            OpenOptions::new().format("zarr3").create(&url, &spec).unwrap()
        };
        let array = create("a", DataType::F32, &format!("0:{LENGTH},0:2"));
        let value = |(at, k): (usize, usize)| ((at * 7919 + k) % 10_007) as f32 * 1.1;
        array.write(&[0, 0], ndarray::Array2::from_shape_fn((LENGTH, 2), value).view()).unwrap();
        let mean = Lazy::of(&array).unwrap().mean(&[0]).unwrap();
        let expected = mean.compute::<f32>(&ComputeOptions::default()).unwrap().into_data();

        let target = create("b", DataType::F32, "0:2");
        let options = ComputeOptions { workers: 64, memory: 16 << 20, ..ComputeOptions::default() };
        let path = folder.path().join("plan.json");
        PlanFile::write(&path, &[(&mean, &target)], &options, &OpenOptions::new()).unwrap();
        let plan = PlanFile::open(&path, &OpenOptions::new()).unwrap();
        let stages: Vec<_> = plan.stages().iter().map(|stage| (stage.work, stage.tasks)).collect();
        assert_eq!(stages, [("fold", 10), ("gather", 4), ("merge", 1)]);
        for (number, (_, tasks)) in stages.iter().enumerate() {
            if number + 1 < stages.len() {
                let error = plan.run_tasks(number + 1, 0..1, &options).unwrap_err();
                assert!(error.to_string().contains("have not been run yet"), "{error}");
            }
            for task in (0..*tasks).rev().chain([0]) {
                plan.run_tasks(number, task..task + 1, &options).unwrap();
            }
        }
        assert_eq!(plan.run(&options).unwrap(), 0);
        assert_eq!(target.read::<f32>(target.domain()).unwrap().into_data(), expected);
        assert!(!folder.path().join("plan.json.parts").exists());
    }
}
