//! Plans in files: what is computed, of what, into what, and how it is cut, so that any process can run a part.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::array::{Array, OpenOptions};
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::boxed::{Boxed, Slots};
use crate::compute::chosen;
use crate::compute::digest::Digest;
use crate::compute::expr::Lazy;
use crate::compute::ledger::{Ledger, folder_of, write_whole};
use crate::compute::parts::{Execution, Step, steps};
use crate::compute::pass_planner::Limits;
use crate::compute::plan::{Plan, Recorded};
use crate::compute::planned_arrays::{Inputs, absolute, described, no_plan, not_utf8, opened, read_roots};
use crate::compute::restored::FindFunction;
use crate::compute::resume::Resumed;
use crate::compute::run::{ComputeOptions, expect_targets, of_box};
use crate::compute::sink::Place;
use crate::compute::stage::Stage;
use crate::compute::steady::Versions;
use crate::compute::taken::Scratch;
use crate::compute::tasks::Work;
use crate::compute::written::written;

/// What the files call themselves.
const FORMAT: &str = "bigarrays plan 1";

/// The version of the library, which decides how a plan is cut and what bits results have.
const LIBRARY: &str = env!("CARGO_PKG_VERSION");

/// A plan in a file. What its parts leave for each other is in a folder beside it, of the same name with `.parts` behind it;
/// operands in memory that are large are in files beside it, with `.operand-0.npy` behind the name.
///
/// ```
/// use bigarrays::compute::{ComputeOptions, Lazy, PlanFile};
/// use bigarrays::{CreateSpec, DataType, OpenOptions};
///
/// let folder = tempfile::tempdir()?;
/// let url = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
/// let options = OpenOptions::new().format("zarr3");
/// let input = options.create(&*url("a"), &CreateSpec::new(DataType::F32, "0:100".parse()?))?;
/// let output = options.create(&*url("b"), &CreateSpec::new(DataType::F32, "0:100".parse()?))?;
/// let result = (&Lazy::of(&input)? + 1)?;
///
/// let path = folder.path().join("plan.json");
/// PlanFile::write(&path, &[(&result, &output)], &ComputeOptions::default(), &options)?;
///
/// // In other processes, each of some tasks:
/// let plan = PlanFile::open(&path, &OpenOptions::new())?;
/// for (stage, known) in plan.stages().iter().enumerate() {
///     plan.run_tasks(stage, 0..known.tasks, &ComputeOptions::default())?;
/// }
/// // Does what is left, and ends the job.
/// plan.run(&ComputeOptions::default())?;
/// assert_eq!(output.read::<f32>(output.domain())?.into_data()[[99]], 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PlanFile {
    path: PathBuf,
    /// What tells the computation from all others.
    key: String,
    roots: Vec<Lazy>,
    targets: Vec<Array>,
    /// When each was made, if it was marked as incomplete when this was planned.
    made: Vec<Option<String>>,
    recorded: Recorded,
    scratch: PathBuf,
    stages: Vec<PlannedStage>,
    /// What parts that were run here leave for the next one.
    slots: Arc<Slots>,
}

/// How the arrays and the functions that a plan is of are found.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The settings of stores, of which secrets are not written: whoever runs a part gives them again.
    pub options: &'a OpenOptions,
    /// Finds functions of blocks; without, a plan that has some is refused.
    pub functions: Option<&'a FindFunction<'a>>,
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a> From<&'a OpenOptions> for Opening<'a> {
    fn from(options: &'a OpenOptions) -> Self {
        Self { options, functions: None }
    }
}

/// Tasks of a plan that do not depend on each other, once those of earlier stages are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStage {
    /// What is computed.
    pub text: String,
    /// What a task does: it makes a block of results, folds some of the elements that become one, gathers what many others have
    /// folded, or merges that.
    pub work: &'static str,
    /// How many tasks there are.
    pub tasks: u64,
    /// Bytes of the elements that all tasks together read or compute; none of those that merge.
    pub bytes: u64,
    /// Whether some tasks write to the same chunk or shard of a result. Then one process is to run all of them: what several have
    /// written is right as well, but is written again in the end, since it has changed since each noted its own.
    pub is_shared: bool,
}

impl PlanFile {
    /// Plans these results, each into an array, and writes that to `path`. Operands in memory of more than 1 MiB are written to
    /// files beside it. What later passes read is kept in `options.scratch`, or beside it.
    ///
    /// # Errors
    /// `AlreadyExists` if there is a file; `InvalidArgument` for what other processes cannot read: arrays of `memory://`,
    /// URLs with secrets, elements that another library reads, functions of blocks; those of planning.
    pub fn write<'a>(
        path: impl Into<PathBuf>,
        results: &[(&Lazy, &Array)],
        options: &ComputeOptions<'_>,
        opening: impl Into<Opening<'a>>,
    ) -> Result<Self> {
        let (path, Opening { options: opening, functions }) = (path.into(), opening.into());
        if path.exists() {
            let reason = "there is a file already";
            return Err(Error::new(ErrorKind::AlreadyExists, reason).at(path.display().to_string()));
        }
        let roots: Vec<Lazy> = results.iter().map(|result| result.0.clone()).collect();
        let targets: Vec<Option<&Array>> = results.iter().map(|result| Some(result.1)).collect();
        let targets: Vec<Array> = expect_targets(&roots, &targets)?.into_iter().flatten().collect();
        let mut inputs = Inputs { arrays: Vec::new(), plan: absolute(&path)? };
        let expressions = written(&roots, &mut |lazy| inputs.leaf(lazy))?.to_json();
        let scratch = match options.scratch {
            Some(folder) => absolute(folder)?,
            None => folder_of(&inputs.plan),
        };
        let outputs = targets.iter().map(described).collect::<Result<Vec<_>>>()?;
        let made: Vec<Option<String>> =
            targets.iter().map(|target| target.incomplete().and_then(|mark| mark.since)).collect();
        let settings = opening.format_options().store.settings.without_secrets();
        let mut whole = json!({
            "format": FORMAT,
            "library": LIBRARY,
            "settings": settings.iter().collect::<std::collections::BTreeMap<_, _>>(),
            "inputs": inputs.arrays,
            "outputs": outputs,
            "made": made,
            "expressions": expressions,
            "scratch": options.scratch.map(|_| scratch.to_str().ok_or_else(|| not_utf8(&scratch))).transpose()?,
        });
        // What is planned is what others read.
        let roots = read_roots(&whole, opening, functions)?;
        let (stages, plan) = planned(&roots, &targets, options, None)?;
        whole["plan"] = plan.recorded().to_json();
        let listed = listed(&stages, &plan);
        let stage = |stage: &PlannedStage| json!({ "text": stage.text, "work": stage.work, "tasks": stage.tasks, "in_one_process": stage.is_shared });
        whole["stages"] = listed.iter().map(stage).collect();
        write_whole(&path, pretty(&whole)?.as_bytes())
            .map_err(|error| Error::io(error, "writing a plan", path.display().to_string()))?;
        let (key, recorded) = (key_of(&whole), plan.recorded());
        Ok(Self { path, key, roots, targets, made, recorded, scratch, stages: listed, slots: Arc::default() })
    }

    /// Opens a plan, and the arrays that it is of.
    ///
    /// # Errors
    /// `InvalidArgument` if it is no plan, or one of another version of the library, or if an array is not as it was when the
    /// plan was written; those of opening arrays.
    pub fn open<'a>(path: impl Into<PathBuf>, opening: impl Into<Opening<'a>>) -> Result<Self> {
        let (path, Opening { options: opening, functions }) = (path.into(), opening.into());
        let read = || {
            let text = std::fs::read(&path)
                .map_err(|error| Error::io(error, "reading a plan", path.display().to_string()))?;
            let whole: Value = serde_json::from_slice(&text).map_err(|_| no_plan())?;
            expect_ours(&whole)?;
            let opening = with_settings(&whole, opening)?;
            let roots = read_roots(&whole, &opening, functions)?;
            let outputs = whole.get("outputs").and_then(Value::as_array).ok_or_else(no_plan)?;
            let target = |output: &Value| opened(output, &opening.clone().incomplete(true), false);
            let targets = outputs.iter().map(target).collect::<Result<Vec<_>>>()?;
            let known: Vec<Option<&Array>> = targets.iter().map(Some).collect();
            let targets = expect_targets(&roots, &known)?.into_iter().flatten().collect();
            let recorded = whole.get("plan").and_then(Recorded::of_json).ok_or_else(no_plan)?;
            let scratch = match whole.get("scratch").and_then(Value::as_str) {
                Some(folder) => PathBuf::from(folder),
                None => folder_of(&absolute(&path)?),
            };
            let made = whole.get("made").and_then(Value::as_array).ok_or_else(no_plan)?;
            let made: Vec<Option<String>> = made.iter().map(|one| one.as_str().map(str::to_owned)).collect();
            Ok((key_of(&whole), roots, targets, made, recorded, scratch))
        };
        let at = |error: Error| error.during("opening the plan").at(path.display().to_string());
        let (key, roots, targets, made, recorded, scratch) = read().map_err(at)?;
        let (stages, slots) = (Vec::new(), Arc::default());
        let mut plan =
            Self { path: path.clone(), key, roots, targets, made, recorded, scratch, stages, slots };
        let (stages, planned) =
            plan.planned(&ComputeOptions { memory: u64::MAX, ..Default::default() }).map_err(at)?;
        plan.stages = listed(&stages, &planned);
        Ok(plan)
    }

    /// What is done in which order: tasks of one stage may run at the same time, anywhere.
    pub fn stages(&self) -> &[PlannedStage] {
        &self.stages
    }

    /// What is computed.
    pub fn results(&self) -> impl Iterator<Item = (&Lazy, &Array)> {
        self.roots.iter().zip(&self.targets)
    }

    /// Runs some tasks of a stage; numbers that there are not are left out. Tasks may be run again, at the same time too. What boxes of
    /// results have held, up to half of the memory of a task, stays for the next ones until this plan is dropped, or a task of another one
    /// is run.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such stage, or tasks of an earlier one have not been run; as
    /// [`compute`](super::compute).
    pub fn run_tasks(&self, stage: usize, tasks: Range<u64>, options: &ComputeOptions<'_>) -> Result<()> {
        if stage >= self.stages.len() {
            let reason = format!("there is no stage {stage}; there are {}, from 0", self.stages.len());
            return Err(Error::invalid(reason).at(self.path.display().to_string()));
        }
        if self.is_done() {
            // A task that comes late changes nothing.
            return Ok(());
        }
        self.expect_own(false)?;
        let ledger = Ledger::shared(self.folder()?, Some((stage, tasks.clone())));
        let done = self
            .with(&ledger, options, |execution, steps, place| execution.run_part(steps, stage, tasks, place));
        self.unless_done(done)
    }

    /// What was done, unless another process has ended the job meanwhile, which removes what parts leave for each other.
    fn unless_done(&self, done: Result<()>) -> Result<()> {
        if self.is_done() { Ok(()) } else { done }
    }

    /// Ends the job, of which other processes have run all tasks: what they have noted is believed, and no version looked up. To look
    /// these up in many processes, run all tasks again before.
    ///
    /// # Errors
    /// `InvalidArgument` if tasks have not been run.
    pub fn finish(&self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.expect_own(true)?;
        let ledger = Ledger::shared(self.folder()?, None);
        let options = ComputeOptions { memory: u64::MAX, ..ComputeOptions::default() };
        self.with(&ledger, &options, |execution, steps, place| {
            execution.expect_all_done(steps, steps.len(), place).map(drop)
        })?;
        self.end(ledger).map(drop)
    }

    /// The folder of what parts leave for each other.
    fn folder(&self) -> Result<PathBuf> {
        Ok(folder_of(&absolute(&self.path)?))
    }

    /// Does all that is left: what is done is looked up, and made again if it, or what it was made of, has changed since. Then
    /// results are complete, and the folder of parts is removed. Returns how much was made again.
    ///
    /// # Errors
    /// As [`compute`](super::compute).
    pub fn run(&self, options: &ComputeOptions<'_>) -> Result<u64> {
        if self.is_done() {
            return Ok(0);
        }
        self.expect_own(true)?;
        let ledger = Ledger::shared(self.folder()?, None);
        self.unless_done(self.with(&ledger, options, |execution, _, place| execution.run(place)))?;
        if self.is_done() {
            return Ok(ledger.redone());
        }
        self.end(ledger)
    }

    /// Marks results as complete, now that all is done, and removes what parts have left. Returns how much was made again.
    fn end(&self, mut ledger: Ledger) -> Result<u64> {
        self.targets.iter().try_for_each(Array::complete_if_whole)?;
        self.note_done()?;
        self.scratch_folder()?.map_or(Ok(()), |scratch| scratch.remove())?;
        ledger.remove()?;
        Ok(ledger.redone())
    }

    /// Whether all is done, and results are complete.
    pub fn is_done(&self) -> bool {
        // Another process may have done it since.
        let text = std::fs::read_to_string(&self.path).ok();
        let whole = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        whole.is_some_and(|whole| whole.get("done").and_then(Value::as_bool) == Some(true))
    }

    fn note_done(&self) -> Result<()> {
        let failed = |error| Error::io(error, "noting that a plan is done", self.path.display().to_string());
        let text = std::fs::read_to_string(&self.path).map_err(failed)?;
        let mut whole: Value = serde_json::from_str(&text).map_err(|_| no_plan())?;
        whole["done"] = true.into();
        write_whole(&self.path, pretty(&whole)?.as_bytes()).map_err(failed)
    }

    /// An error if there are other arrays in the places of the results. A run that was killed as it ended may have completed
    /// some.
    fn expect_own(&self, may_be_complete: bool) -> Result<()> {
        let has_parts = || absolute(&self.path).is_ok_and(|path| folder_of(&path).exists());
        for (target, made) in self.targets.iter().zip(&self.made) {
            let is_own = match target.incomplete() {
                Some(mark) => mark.since == *made,
                None => made.is_none() || (may_be_complete && has_parts()),
            };
            if !is_own {
                let reason = "what is there is not what this plan has made";
                return Err(Error::new(ErrorKind::AlreadyExists, reason)
                    .during("computing into")
                    .at(target.url()));
            }
        }
        Ok(())
    }

    fn planned(&self, options: &ComputeOptions<'_>) -> Result<(Vec<Stage>, Plan)> {
        planned(&self.roots, &self.targets, options, Some(&self.recorded))
    }

    fn scratch_folder(&self) -> Result<Option<Scratch>> {
        if !self.recorded.has_scratch {
            return Ok(None);
        }
        std::fs::create_dir_all(&self.scratch).map_err(|error| {
            Error::io(error, "making the scratch folder", self.scratch.display().to_string())
        })?;
        Scratch::new(&self.scratch, Some(&self.key)).map(Some)
    }

    fn with(
        &self,
        ledger: &Ledger,
        options: &ComputeOptions<'_>,
        run: impl for<'p> FnOnce(&Execution<'_>, &[Step], &'p dyn Fn(usize) -> Option<Place<'p>>) -> Result<()>,
    ) -> Result<()> {
        let (stages, plan) = self.planned(options)?;
        let compute =
            plan.boxes.as_ref().map(|boxes| of_box(boxes, &ComputeOptions { scratch: None, ..*options }));
        let all = Ledger::shared(self.folder()?, None);
        let resumed = Resumed::of_plan(ledger, self.key.clone(), self.recorded.clone());
        let whole = Resumed::of_plan(&all, self.key.clone(), self.recorded.clone());
        let scratch = self.scratch_folder()?;
        let places: Vec<Place<'_>> = self.targets.iter().map(Place::Array).collect();
        if plan.boxes.is_some() {
            self.slots.begin_part();
        }
        let boxed = plan.boxes.as_ref().zip(compute.as_ref()).map(|(boxes, compute)| Boxed {
            roots: &self.roots,
            places: &places,
            boxes,
            carried: &[],
            compute,
            noting: Some(resumed.boxes()),
            slots: &self.slots,
        });
        let execution = Execution {
            stages: &stages,
            boxed,
            plan: &plan,
            resumed: Some(&resumed),
            whole: Some(&whole),
            scratch: scratch.as_ref(),
            progress: options.progress,
            versions: Versions::default(),
        };
        let place = |number: usize| self.targets.get(number).map(Place::Array);
        run(&execution, &steps(&stages, &plan), &place)
    }
}

/// The passes and their plan, where what later passes read is in files.
fn planned(
    roots: &[Lazy],
    targets: &[Array],
    options: &ComputeOptions<'_>,
    recorded: Option<&Recorded>,
) -> Result<(Vec<Stage>, Plan)> {
    let limits = Limits {
        has_scratch: true,
        is_resumable: true,
        ..ComputeOptions { scratch: None, ..*options }.limits()?
    };
    chosen::plan(roots, &targets.iter().map(Some).collect::<Vec<_>>(), limits, recorded)
}

fn listed(stages: &[Stage], plan: &Plan) -> Vec<PlannedStage> {
    let text = |pass: usize| {
        let all = || plan.passes.iter().map(|pass| &pass.text[..]).collect::<Vec<_>>().join("; ");
        if plan.boxes.is_some() { all() } else { plan.passes[pass].text.clone() }
    };
    let one = |step: Step| PlannedStage {
        text: text(step.pass),
        work: step.work.name(),
        tasks: step.tasks,
        bytes: match &plan.boxes {
            Some(boxes) => plan.bytes().saturating_mul(boxes.boxes.len() as u64),
            None if matches!(step.work, Work::Gather | Work::Merge) => 0,
            None => plan.passes[step.pass].bytes,
        },
        is_shared: step.work.makes() && plan.passes[step.pass].is_shared,
    };
    steps(stages, plan).into_iter().map(one).collect()
}

fn pretty(whole: &Value) -> Result<String> {
    serde_json::to_string_pretty(whole)
        .map_err(|error| Error::invalid(format!("a plan that is no JSON: {error}")))
}

/// What tells a computation from all others: all of it but where stores are told to be.
fn key_of(whole: &Value) -> String {
    let of = ["inputs", "outputs", "expressions", "plan"].map(|name| &whole[name]);
    Digest::of_text(&json!([FORMAT, LIBRARY, of]).to_string())
}

/// An error if another version of the library has written the plan.
fn expect_ours(whole: &Value) -> Result<()> {
    match (whole.get("format").and_then(Value::as_str), whole.get("library").and_then(Value::as_str)) {
        (Some(FORMAT), Some(LIBRARY)) => Ok(()),
        (Some(format), Some(library)) if format.starts_with("bigarrays plan ") => {
            Err(Error::invalid(format!(
                "bigarrays {library} has written this plan, and this is {LIBRARY}: plan anew, or run it with that version"
            )))
        }
        _ => Err(no_plan()),
    }
}

fn with_settings(whole: &Value, opening: &OpenOptions) -> Result<OpenOptions> {
    let mut settings = crate::store::Settings::new();
    for (key, value) in whole.get("settings").and_then(Value::as_object).ok_or_else(no_plan)? {
        settings.set(key, value.as_str().ok_or_else(no_plan)?);
    }
    opening.format_options().store.settings.iter().for_each(|(key, value)| settings.set(key, value));
    Ok(opening.clone().settings(settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::dtype::DataType;
    use crate::format::CreateSpec;

    #[test]
    fn parts_go_on_with_the_memory_of_the_last_plan_alone() {
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let create = |name: &str| {
            let mut spec = CreateSpec::new(DataType::F32, "0:32,0:64,0:64".parse().unwrap());
            spec.storage.chunk_shape = Some(vec![8, 16, 16]);
            OpenOptions::new().format("zarr3").create(&url(name), &spec).unwrap()
        };
        let array = create("a");
        array.write(&[0, 0, 0], ndarray::Array3::<f32>::ones((32, 64, 64)).view()).unwrap();
        let x = Lazy::of(&array).unwrap();
        let sum = x.sum(&[0]).unwrap();
        let result = (&x - &sum).unwrap();
        let options = ComputeOptions { workers: 4, threads: 1, memory: 1 << 20, ..Default::default() };
        let plan = |name: &str| {
            let target = create(name);
            let path = format!("{}.json", url(name));
            PlanFile::write(path, &[(&result, &target)], &options, &OpenOptions::new()).unwrap()
        };
        let (one, other) = (plan("b"), plan("c"));
        assert!(one.stages().len() == 1 && one.stages()[0].tasks >= 4, "{:?}", one.stages());
        let kept = || (one.slots.kept(), other.slots.kept());
        one.run_tasks(0, 0..1, &options).unwrap();
        let of_box = one.slots.kept();
        assert!(of_box >= 32 * 16 * 16 * 4);
        one.run_tasks(0, 1..3, &options).unwrap();
        assert_eq!(kept(), (of_box, 0));
        other.run_tasks(0, 0..1, &options).unwrap();
        assert_eq!(kept(), (0, of_box));
        assert_eq!((one.run(&options).unwrap(), other.run(&options).unwrap()), (0, 0));
        let target = OpenOptions::new().open(&url("b")).unwrap();
        assert_eq!(target.read::<f32>(target.domain()).unwrap().into_data()[[31, 63, 63]], -31.0);
    }
}
