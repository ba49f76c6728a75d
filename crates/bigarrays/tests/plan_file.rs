//! Plans in files, whose parts are run by whoever opens them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::os::unix::fs::PermissionsExt;

use bigarrays::compute::{ComputeOptions, Function, Lazy, Operand, PlanFile, Reduction, Target, compute};
use bigarrays::{Array, CreateSpec, DataType, Domain, ErrorKind, OpenOptions};
use proptest::prelude::*;

mod computations;
mod kernels;
use computations::{Bench, SHAPE, Saved, elements, targets};
use kernels::kernels;

const SMALL: u64 = 1 << 20;
const MORE: u64 = 16 << 20;

fn options(memory: u64) -> ComputeOptions<'static> {
    ComputeOptions { memory, ..ComputeOptions::default() }
}

/// Makes the targets of a job as incomplete arrays, and plans it.
fn planned(bench: &Bench, name: &str, job: &[Saved], memory: u64) -> PlanFile {
    let arrays: Vec<Array> = job
        .iter()
        .enumerate()
        .map(|(at, (lazy, chunk))| {
            let mut spec = CreateSpec::new(DataType::F32, Domain::from_shape(lazy.domain().shape()).unwrap());
            spec.storage.chunk_shape = Some(chunk.clone());
            spec.array.incomplete = true;
            let path = bench.path(&format!("{name}-{at}"));
            OpenOptions::new().format("zarr3").create(path.to_str().unwrap(), &spec).unwrap()
        })
        .collect();
    let results: Vec<(&Lazy, &Array)> = job.iter().map(|one| &one.0).zip(&arrays).collect();
    // Parts for as many processes.
    let options = ComputeOptions { workers: 8, ..options(memory) };
    PlanFile::write(bench.path(&format!("{name}.json")), &results, &options, &OpenOptions::new()).unwrap()
}

fn opened(bench: &Bench, name: &str) -> PlanFile {
    PlanFile::open(bench.path(&format!("{name}.json")), &OpenOptions::new()).unwrap()
}

fn is_incomplete(bench: &Bench, name: &str) -> bool {
    let path = bench.path(name);
    let opened = OpenOptions::new().incomplete(true).open(path.to_str().unwrap()).unwrap();
    opened.incomplete().is_some()
}

/// Reduces more elements than are folded one after the other, so that what tasks have folded is merged.
fn large(bench: &Bench) -> (&'static str, Vec<Saved>) {
    let mut spec = CreateSpec::new(DataType::U8, Domain::from_shape(&[32, 512, 512]).unwrap());
    spec.storage.chunk_shape = Some(vec![8, 512, 512]);
    let array =
        OpenOptions::new().format("zarr3").create(bench.path("large").to_str().unwrap(), &spec).unwrap();
    let values = ndarray::Array3::from_shape_fn((32, 512, 512), |(z, y, x)| (z * 7 + y * 3 + x) as u8);
    array.write(&[0, 0, 0], values.view()).unwrap();
    let mean = Lazy::of(&array).unwrap().mean(&[0, 1, 2]).unwrap();
    let small = Lazy::of(&bench.open("input")).unwrap();
    let both = [Operand::from(&small), Operand::from(&mean)];
    let apart = Lazy::apply(Function::Subtract, &both).unwrap();
    ("one number", vec![(apart.cast(DataType::F32, Default::default()).unwrap(), vec![4, 8, 9])])
}

#[test]
fn parts_that_are_run_apart_have_the_same_bits() {
    let bench = Bench::new();
    let large = large(&bench);
    let jobs = bench.jobs().into_iter().map(|job| (job, SMALL)).chain([(large, MORE)]);
    for ((name, job), memory) in jobs {
        let whole = format!("{name} whole");
        let arrays = targets(&bench, &whole, &job);
        let results =
            job.iter().zip(&arrays).map(|((lazy, _), array)| (lazy, Target::Array(array))).collect();
        compute(results, &options(64 << 20)).unwrap();
        let stages = planned(&bench, name, &job, memory).stages().to_vec();
        assert!(stages.iter().map(|stage| stage.tasks).sum::<u64>() > 4, "{stages:?}");
        for (number, stage) in stages.iter().enumerate() {
            if number + 1 < stages.len() {
                // Too early.
                let error = opened(&bench, name).run_tasks(number + 1, 0..1, &options(memory)).unwrap_err();
                assert!(error.to_string().contains("have not been run yet"), "{error}");
            }
            let half = stage.tasks / 2;
            // The second half first, and some twice; with other budgets.
            for (tasks, memory) in
                [(half..stage.tasks + 10, memory), (0..half, 64 << 20), (half..half + 1, memory)]
            {
                opened(&bench, name).run_tasks(number, tasks, &options(memory)).unwrap();
            }
            assert!(is_incomplete(&bench, &format!("{name}-0")));
        }
        let plan = opened(&bench, name);
        plan.run(&options(64 << 20)).unwrap();
        assert!(plan.is_done() && !bench.path(&format!("{name}.json.parts")).exists());
        for at in 0..job.len() {
            let of = |name: &str| elements(&bench, &format!("{name}-{at}"));
            assert!(of(name) == of(&whole), "{name}");
        }
        // Nothing is left to do.
        opened(&bench, name).run(&options(memory)).unwrap();
    }
}

#[test]
fn what_others_cannot_run_is_refused_with_its_reason() {
    let bench = Bench::new();
    let job = bench.jobs().remove(0).1;
    let plan = planned(&bench, "a", &job, SMALL);
    // Others may read it as any file that this user makes.
    std::fs::write(bench.path("any"), "").unwrap();
    let mode = |name: &str| bench.path(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("a.json"), mode("any"));
    let error = plan.run_tasks(1, 0..1, &options(SMALL)).unwrap_err();
    assert!(error.to_string().contains("there is no stage 1; there are 1, from 0"), "{error}");
    let target = bench.open("input");
    let write = |name: &str, lazy: &Lazy, target: &Array| {
        let path = bench.path(name);
        let written = PlanFile::write(&path, &[(lazy, target)], &options(SMALL), &OpenOptions::new());
        written.map(drop).map_err(|error| error.to_string())
    };
    let error = write("a.json", &job[0].0, &target).unwrap_err();
    assert!(error.contains("there is a file already"), "{error}");
    assert!(write("b.json", &job[0].0, &target).unwrap_err().contains("would overwrite"));
    let spec = CreateSpec::new(DataType::F32, target.domain().clone());
    let own = OpenOptions::new().format("zarr3").create("memory://plan-file", &spec).unwrap();
    assert!(write("b.json", &job[0].0, &own).unwrap_err().contains("in this process alone"));
    let (out, chunk) = (bench.path("out"), vec![4, 8, 9]);
    assert!(!out.exists());
    let out = bench.create("out", target.shape(), &chunk);
    assert!(write("b.json", &Lazy::of(&own).unwrap(), &out).unwrap_err().contains("in this process alone"));
    let function = Lazy::of_function(target.domain(), DataType::F32, None, |_, _| Ok(())).unwrap();
    assert!(write("b.json", &function, &out).unwrap_err().contains("other processes cannot read it"));
    assert!(!bench.path("b.json").exists() && !bench.path("b.json.parts").exists());
}

#[test]
fn what_has_changed_since_it_was_planned_is_noticed() {
    let bench = Bench::new();
    let jobs = bench.jobs();
    let two = &jobs.iter().find(|job| job.0 == "two stages").unwrap().1;
    let plan = planned(&bench, "a", two, SMALL);
    let stages = plan.stages().to_vec();
    for (number, stage) in stages.iter().enumerate() {
        plan.run_tasks(number, 0..stage.tasks, &options(SMALL)).unwrap();
    }
    // Elements: what was made of them is made again.
    bench.fill(&bench.open("input"), 3.0);
    opened(&bench, "a").run(&options(SMALL)).unwrap();
    let arrays = targets(&bench, "whole", two);
    compute(vec![(&two[0].0, Target::Array(&arrays[0]))], &options(SMALL)).unwrap();
    assert!(elements(&bench, "a-0") == elements(&bench, "whole-0"));
    // Metadata.
    planned(&bench, "b", two, SMALL);
    let open = |name: &str| PlanFile::open(bench.path(&format!("{name}.json")), &OpenOptions::new());
    std::fs::remove_dir_all(bench.path("input")).unwrap();
    let error = open("b").unwrap_err();
    assert!(error.to_string().contains("input"), "{error}");
    bench.create("input", &[12, 40, 36], &[4, 8, 12]);
    let error = open("b").unwrap_err();
    assert!(error.to_string().contains("not as it was when this was planned"), "{error}");
    // The version of the library.
    let path = bench.path("b.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"library\": \"", "\"library\": \"9");
    std::fs::write(&path, text).unwrap();
    let error = open("b").unwrap_err().to_string();
    assert!(error.contains("has written this plan, and this is"), "{error}");
    std::fs::write(&path, "{}").unwrap();
    assert_eq!(open("b").unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn results_that_are_not_its_own_are_refused_and_late_tasks_change_nothing() {
    let bench = Bench::new();
    let job = bench.jobs().remove(0).1;
    let plan = planned(&bench, "a", &job, SMALL);
    std::fs::remove_dir_all(bench.path("a-0")).unwrap();
    let other = bench.create("a-0", &SHAPE, &[4, 8, 9]);
    bench.fill(&other, 5.0);
    let before = elements(&bench, "a-0");
    drop(plan);
    let plan = opened(&bench, "a");
    assert_eq!(plan.run(&options(SMALL)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(plan.run_tasks(0, 0..1, &options(SMALL)).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(elements(&bench, "a-0") == before);
    let plan = planned(&bench, "b", &job, SMALL);
    plan.run(&options(SMALL)).unwrap();
    let before = elements(&bench, "b-0");
    bench.fill(&bench.open("input"), 9.0);
    opened(&bench, "b").run_tasks(0, 0..1, &options(SMALL)).unwrap();
    assert!(plan.is_done() && elements(&bench, "b-0") == before);
    assert!(!bench.path("b.json.parts").exists());
}

#[test]
fn damaged_scratch_files_are_made_again_and_plans_may_be_moved() {
    let bench = Bench::new();
    let job = bench.jobs().into_iter().find(|job| job.0 == "two stages").unwrap().1;
    let arrays = targets(&bench, "whole", &job);
    compute(vec![(&job[0].0, Target::Array(&arrays[0]))], &options(SMALL)).unwrap();
    let scratch = |name: &str| {
        let mut parts = std::fs::read_dir(bench.path(name)).unwrap().map(|entry| entry.unwrap().path());
        let folder = parts.find(|path| path.to_str().unwrap().contains("bigarrays-scratch-")).unwrap();
        folder.join("0.npy")
    };
    for cut in [None, Some(100), Some(0)] {
        let name = format!("cut-{cut:?}");
        let plan = planned(&bench, &name, &job, SMALL);
        plan.run_tasks(0, 0..u64::MAX, &options(SMALL)).unwrap();
        let file = scratch(&format!("{name}.json.parts"));
        match cut {
            Some(length) => {
                std::fs::File::options().write(true).open(&file).unwrap().set_len(length).unwrap();
            }
            None => std::fs::remove_file(&file).unwrap(),
        }
        // Nothing is computed of what is not there.
        plan.run_tasks(1, 0..1, &options(SMALL)).unwrap_err();
        opened(&bench, &name).run(&options(SMALL)).unwrap();
        assert!(elements(&bench, &format!("{name}-0")) == elements(&bench, "whole-0"), "{name}");
    }
    let plan = planned(&bench, "here", &job, SMALL);
    plan.run_tasks(0, 0..u64::MAX, &options(SMALL)).unwrap();
    for end in ["json", "json.parts"] {
        std::fs::rename(bench.path(&format!("here.{end}")), bench.path(&format!("there.{end}"))).unwrap();
    }
    assert_eq!(opened(&bench, "there").run(&options(SMALL)).unwrap(), 0, "blocks were made again");
    assert!(elements(&bench, "here-0") == elements(&bench, "whole-0"));
    assert!(!bench.path("there.json.parts").exists() && !bench.path("here.json.parts").exists());
}

#[test]
fn tasks_of_what_is_not_stored_count_where_they_make_something() {
    let bench = Bench::new();
    let thin = bench.create("thin", &[4, 4096, 2048], &[4, 64, 64]);
    thin.write(&[0, 0, 0], ndarray::Array3::<f32>::ones((4, 64, 64)).view()).unwrap();
    let thin = Lazy::of(&thin).unwrap();
    // One where nothing is stored, which no file begins as.
    let most = (&thin + 1).unwrap().reduce(Reduction::Max, &[0], false).unwrap();
    let apart = Lazy::apply(Function::Subtract, &[Operand::from(&thin), Operand::from(&most)]).unwrap();
    let job = vec![(apart.reduce(Reduction::Max, &[1, 2], false).unwrap(), vec![4])];
    let plan = planned(&bench, "thin-plan", &job, 6 << 20);
    let tasks = plan.stages()[0].tasks;
    assert!(tasks > 64, "{:?}", plan.stages());
    // All but those that read nothing that is stored.
    plan.run_tasks(0, 0..2, &options(6 << 20)).unwrap();
    let error = plan.run_tasks(1, 0..1, &options(6 << 20)).unwrap_err().to_string();
    assert!(error.contains(&format!("{} tasks of stage 0 have not been run", tasks - 2)), "{error}");
}

#[test]
fn operands_in_memory_go_with_the_plan() {
    let bench = Bench::new();
    let input = Lazy::of(&bench.open("input")).unwrap();
    let domain = input.domain().clone();
    let values: Vec<f32> = (0..12 * 40 * 36).map(|at| (at % 11) as f32).collect();
    let small = Lazy::of_elements(&domain, DataType::F32, bytemuck::cast_slice(&values)).unwrap();
    let large: Vec<f32> = (0..12 * 40 * 36 * 20).map(|at| (at % 13) as f32).collect();
    let wide: Domain = "0:20,0:12,0:40,0:36".parse().unwrap();
    let large = Lazy::of_elements(&wide, DataType::F32, bytemuck::cast_slice(&large)).unwrap();
    let most = large.reduce(Reduction::Sum, &[0], false).unwrap();
    let one = |function, a: &Lazy, b: &Lazy| Lazy::apply(function, &[a.into(), b.into()]).unwrap();
    let sum = one(Function::Add, &one(Function::Multiply, &input, &small), &most);
    let job = vec![(sum, vec![4, 8, 9])];
    planned(&bench, "a", &job, MORE);
    opened(&bench, "a").run(&options(64 << 20)).unwrap();
    let arrays = targets(&bench, "whole", &job);
    compute(vec![(&job[0].0, Target::Array(&arrays[0]))], &options(64 << 20)).unwrap();
    assert!(elements(&bench, "a-0") == elements(&bench, "whole-0"));
    assert!(!bench.path("a.json.parts").exists());
}

/// The expressions of a plan.
fn expressions(bench: &Bench, name: &str) -> serde_json::Value {
    let text = std::fs::read(bench.path(&format!("{name}.json"))).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap()["expressions"].take()
}

#[test]
fn kernels_and_groups_are_read_as_they_were_written_and_have_the_same_bits_in_parts() {
    let bench = Bench::new();
    let mut found = std::collections::BTreeSet::new();
    for (number, (text, saved)) in kernels(&bench, &bench.open("input")).into_iter().enumerate() {
        let (name, again, whole) = (format!("a{number}"), format!("again{number}"), format!("whole{number}"));
        let job = [saved];
        let arrays = targets(&bench, &whole, &job);
        compute(vec![(&job[0].0, Target::Array(&arrays[0]))], &options(64 << 20)).unwrap();
        planned(&bench, &name, &job, MORE);
        let written = expressions(&bench, &name);
        written.to_string().match_indices("\"kernel\":{\"name\":\"").for_each(|(at, found_at)| {
            let rest = written.to_string()[at + found_at.len()..].to_owned();
            found.insert(rest.split('"').next().unwrap_or_default().to_owned());
        });
        let plan = opened(&bench, &name);
        let results: Vec<_> = plan.results().collect();
        let path = bench.path(&format!("{again}.json"));
        PlanFile::write(path, &results, &options(MORE), &OpenOptions::new()).unwrap();
        assert_eq!(expressions(&bench, &again), written, "{text}");
        for (stage, known) in plan.stages().iter().enumerate() {
            let half = known.tasks / 2;
            plan.run_tasks(stage, half..known.tasks, &options(MORE)).unwrap();
            opened(&bench, &name).run_tasks(stage, 0..half, &options(MORE)).unwrap();
        }
        plan.run(&options(MORE)).unwrap();
        let bits = |name: &str| -> Vec<u32> {
            elements(&bench, &format!("{name}-0")).into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(&name), bits(&whole), "{text}");
    }
    let known = [
        "approx_quantile",
        "back",
        "bins",
        "copy",
        "differences",
        "filter",
        "products",
        "quantiles",
        "running",
        "sketch",
        "sparse",
        "weighed",
        "windows",
    ];
    assert!(found.iter().eq(known), "{found:?}");
}

/// Changes the number that has so many others before it; whether there is one.
fn changed(value: &mut serde_json::Value, left: &mut usize, change: usize) -> bool {
    match value {
        serde_json::Value::Number(number) if *left == 0 => {
            let old = number.as_i64().unwrap_or(7);
            *value = [
                old.wrapping_add(1),
                old.wrapping_sub(1),
                0,
                old.wrapping_mul(3),
                old.wrapping_neg(),
                1 << 40,
            ][change % 6]
                .into();
            true
        }
        serde_json::Value::Number(_) => {
            *left -= 1;
            false
        }
        serde_json::Value::Array(all) => all.iter_mut().any(|one| changed(one, left, change)),
        serde_json::Value::Object(all) => all.values_mut().any(|one| changed(one, left, change)),
        _ => false,
    }
}

#[test]
fn numbers_of_kernels_that_have_changed_are_errors_or_give_other_results() {
    let bench = Bench::new();
    let small = bench.create("small", &[6, 7, 9], &[3, 4, 9]);
    bench.fill(&small, 0.0);
    let (mut refused, mut read) = (0, 0);
    for (number, (_, saved)) in kernels(&bench, &small).into_iter().enumerate() {
        let name = format!("a{number}");
        planned(&bench, &name, &[saved], MORE);
        let text = std::fs::read(bench.path(&format!("{name}.json"))).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for at in 0.. {
            let (mut damaged, mut left) = (whole.clone(), at);
            if !changed(&mut damaged["expressions"], &mut left, at + number) {
                break;
            }
            std::fs::write(bench.path("b.json"), damaged.to_string()).unwrap();
            match PlanFile::open(bench.path("b.json"), &OpenOptions::new()) {
                Err(_) => refused += 1,
                Ok(plan) => {
                    let (lazy, _) = plan.results().next().unwrap();
                    // It may be an error, such as of too much memory.
                    lazy.compute::<f32>(&options(64 << 20)).ok();
                    read += 1;
                }
            }
        }
    }
    assert!(refused > 100 && read > 100, "{refused} {read}");
}

proptest! {
    /// Damaged plans are errors.
    #[test]
    fn what_is_no_plan_is_refused(
        at in any::<prop::sample::Index>(),
        other in any::<u8>(),
        cut in any::<bool>(),
        has_kernels in any::<bool>(),
    ) {
        thread_local! {
            static BENCH: (Bench, [Vec<u8>; 2]) = {
                let bench = Bench::new();
                let job = bench.jobs().remove(3).1;
                planned(&bench, "a", &job, SMALL);
                let all = kernels(&bench, &bench.open("input")).into_iter().map(|one| one.1);
                planned(&bench, "kernels", &all.step_by(3).collect::<Vec<_>>(), 64 << 20);
                let text = ["a.json", "kernels.json"].map(|name| std::fs::read(bench.path(name)).unwrap());
                (bench, text)
            };
        }
        BENCH.with(|(bench, texts)| {
            let mut text = texts[usize::from(has_kernels)].clone();
            let at = at.index(text.len());
            if cut { text.truncate(at) } else { text[at] = other };
            let path = bench.path("b.json");
            std::fs::write(&path, text).unwrap();
            if let Ok(plan) = PlanFile::open(&path, &OpenOptions::new()) {
                assert!(!plan.stages().is_empty());
            }
        });
    }
}
