//! Running a computation whose passes are planned: all of it, or tasks of one of its stages.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::boxed::Boxed;
use crate::compute::boxes::Boxes;
use crate::compute::expr::Lazy;
use crate::compute::ledger::write_whole;
use crate::compute::memory::give_up_large;
use crate::compute::pass::Running;
use crate::compute::plan::{Pass, Plan};
use crate::compute::resume::Resumed;
use crate::compute::sink::Place;
use crate::compute::stage::Stage;
use crate::compute::steady::Versions;
use crate::compute::taken::{Scratch, known_result};
use crate::compute::tasks::{Part, Work};
use crate::run::runner::Progress;

/// The passes of a computation and what they work with.
pub(super) struct Execution<'a> {
    pub(super) stages: &'a [Stage],
    pub(super) plan: &'a Plan,
    /// How the result is made, if in boxes.
    pub(super) boxed: Option<Boxed<'a>>,
    pub(super) resumed: Option<&'a Resumed<'a>>,
    /// The same with all that was noted, where that has only what a part looks up.
    pub(super) whole: Option<&'a Resumed<'a>>,
    pub(super) scratch: Option<&'a Scratch>,
    pub(super) progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    pub(super) versions: Versions,
}

/// Tasks of a pass that do not depend on each other, once those of earlier steps are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) pass: usize,
    pub(super) work: Work,
    pub(super) tasks: u64,
}

/// The steps of a plan that several processes run, in their order.
pub(super) fn steps(stages: &[Stage], plan: &Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(boxes) = &plan.boxes {
        return vec![Step { pass: 0, work: Work::Make, tasks: boxes.boxes.len() as u64 }];
    }
    for (number, (stage, pass)) in stages.iter().zip(&plan.passes).enumerate() {
        let step = |work, tasks| Step { pass: number, work, tasks };
        let Some(boxes) = pass.folding.as_ref().map(|folding| Boxes::of(pass, folding)) else {
            steps.push(step(Work::Make, pass.blocks.len()));
            continue;
        };
        let kept = boxes.kept.len();
        // What is held in memory is kept as what was folded.
        if boxes.tasks > 1 || is_held(stage) {
            steps.push(step(Work::Fold, kept.saturating_mul(boxes.tasks)));
            steps.extend(boxes.groups().map(|groups| step(Work::Gather, kept.saturating_mul(groups.count))));
            steps.push(step(Work::Merge, kept));
        } else {
            steps.push(step(Work::Make, kept));
        }
    }
    steps
}

/// Whether a pass has results that are in memory, although others are in files.
fn is_held(stage: &Stage) -> bool {
    stage.held().next().is_some()
}

impl Execution<'_> {
    /// Runs all passes.
    ///
    /// # Errors
    /// Those of reading, computing and writing.
    pub(super) fn run<'p>(&self, place: &dyn Fn(usize) -> Option<Place<'p>>) -> Result<()> {
        if let Some(boxed) = &self.boxed {
            return boxed.run(0..boxed.len(), &|progress| self.report(progress));
        }
        let mut known: HashMap<usize, Lazy> = HashMap::new();
        let mut before = 0u64;
        for (number, pass) in self.plan.passes.iter().enumerate() {
            let total = self.plan.bytes();
            let of_all = |progress: Progress| {
                if let Some(report) = self.progress {
                    report(Progress { done: before.saturating_add(progress.done), total });
                }
            };
            let done = self.running(number, None, &of_all).run(&mut known, place);
            give_up_large();
            done?;
            before = before.saturating_add(pass.bytes);
        }
        self.versions.expect_as_opened()
    }

    /// Runs some tasks of a step, of which all earlier ones are done.
    ///
    /// # Errors
    /// `InvalidArgument` if they are not; those of reading, computing and writing.
    pub(super) fn run_part<'p>(
        &self,
        steps: &[Step],
        number: usize,
        tasks: Range<u64>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<()> {
        let (Some(step), Some(resumed)) = (steps.get(number), self.resumed) else {
            return Err(Error::invalid(format!("stage {number} of {}", steps.len())));
        };
        if let Some(boxed) = &self.boxed {
            return boxed.run(tasks, &|progress| self.report(progress));
        }
        let known = self.expect_all_done(steps, number, place)?;
        let report = |progress: Progress| self.report(progress);
        let makes_held = step.work.makes() && is_held(&self.stages[step.pass]) && tasks.contains(&0);
        let part = Part { work: step.work, tasks };
        let (stage, mut made) = (&self.stages[step.pass], known);
        let done = self.running(step.pass, Some(part), &report).run(&mut made, place);
        give_up_large();
        done?;
        self.versions.expect_as_opened()?;
        if makes_held {
            // The first task, the only one, makes all of it.
            for output in stage.held() {
                let bytes = made.get(&output.number).map(Lazy::constant_bytes).unwrap_or_default();
                let path = resumed.result_path(output.number);
                write_whole(&path, &bytes)
                    .map_err(|error| Error::io(error, "keeping a result", path.display().to_string()))?;
            }
        }
        Ok(())
    }

    /// An error unless all tasks of the first so many steps have been run. Returns their results that later ones take.
    ///
    /// # Errors
    /// `InvalidArgument` if they have not; those of reading.
    pub(super) fn expect_all_done<'p>(
        &self,
        steps: &[Step],
        count: usize,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<HashMap<usize, Lazy>> {
        let mut known = HashMap::new();
        for (number, step) in steps.iter().enumerate().take(count) {
            self.expect_done(number, step, &known, place)?;
            if self.boxed.is_none()
                && let Some(resumed) = self.resumed
                && steps.get(number + 1).is_none_or(|next| next.pass != step.pass)
            {
                self.add_known(step.pass, resumed, &mut known)?;
            }
        }
        Ok(known)
    }

    fn report(&self, progress: Progress) {
        if let Some(report) = self.progress {
            report(progress);
        }
    }

    fn running<'r>(
        &'r self,
        number: usize,
        part: Option<Part>,
        progress: &'r (dyn Fn(Progress) + Sync),
    ) -> Running<'r> {
        let record = self.resumed.map(|resumed| resumed.pass(number));
        let (stage, pass): (&Stage, &Pass) = (&self.stages[number], &self.plan.passes[number]);
        Running { stage, pass, scratch: self.scratch, record, part, versions: &self.versions, progress }
    }

    /// An error unless all tasks of a step have been run.
    fn expect_done<'p>(
        &self,
        number: usize,
        step: &Step,
        known: &HashMap<usize, Lazy>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<()> {
        let Some(resumed) = self.resumed else { return Ok(()) };
        let mark = resumed.folder().join(format!("stage-{number}-done"));
        if mark.exists() {
            return Ok(());
        }
        let failed = |error| Error::io(error, "noting that a stage is done", mark.display().to_string());
        let missing = match &self.boxed {
            Some(boxed) => self.whole.map_or(Ok(0), |whole| Boxed::missing(&whole.boxes(), boxed.len()))?,
            None => self.missing(step, resumed, known, place)?,
        };
        if missing > 0 {
            let reason = format!("{missing} tasks of stage {number} have not been run yet; run them first");
            return Err(Error::invalid(reason).during("running a part of a plan"));
        }
        write_whole(&mark, b"").map_err(failed)
    }

    /// How many tasks of a step have not been run.
    fn missing<'p>(
        &self,
        step: &Step,
        resumed: &Resumed<'_>,
        known: &HashMap<usize, Lazy>,
        place: &dyn Fn(usize) -> Option<Place<'p>>,
    ) -> Result<u64> {
        let stage = &self.stages[step.pass];
        Ok(if step.work.makes() && is_held(stage) {
            u64::from(!stage.held().all(|output| resumed.result_path(output.number).is_file()))
        } else {
            let record = self.whole.map(|whole| whole.pass(step.pass));
            let running = Running { record, ..self.running(step.pass, None, &|_| {}) };
            match running.missing(step.work, known, place) {
                Err(error) if error.kind() == ErrorKind::NotFound => step.tasks,
                missing => missing?,
            }
        })
    }

    /// Adds the results that other processes have made.
    fn add_known(&self, pass: usize, resumed: &Resumed<'_>, known: &mut HashMap<usize, Lazy>) -> Result<()> {
        for output in self.stages[pass].outputs.iter().filter(|output| output.is_taken) {
            let path: &Path = &resumed.result_path(output.number);
            known.insert(output.number, known_result(output, self.scratch, path)?);
        }
        Ok(())
    }
}
