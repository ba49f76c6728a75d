//! `verify`: reports for people and programs, and exit codes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Output;

use common::{Bench, as_bytes, npy, volume};

fn bench() -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[6, 8, 10], &as_bytes(&volume([10, 8, 6])));
    bench.ok("import in.npy layer --origin -5,0,0 --chunk-shape 4,4,4");
    bench
}

fn told(output: &Output) -> (Option<i32>, serde_json::Value, String) {
    let report = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_is_whole_exits_with_zero() {
    let bench = bench();
    let text = bench.ok("verify layer");
    assert!(text.contains("12 of 12 chunks stored") && text.ends_with("whole\n"), "{text}");
    let (code, report, said) = told(&bench.run("verify in.npy --json"));
    assert_eq!((code, &report["whole"]), (Some(0), &true.into()), "{said}");
    bench.fails("verify nothing", 3);
    bench.fails("verify layer --memory 100", 7);
}

#[test]
fn problems_have_an_exit_code_of_their_own() {
    let bench = bench();
    std::fs::write(bench.path("layer/1_1_1/-1-3_4-8_0-4"), "short").unwrap();
    std::fs::remove_file(bench.path("layer/1_1_1/3-5_4-8_4-6")).unwrap();
    let (code, report, said) = told(&bench.run("verify layer --json"));
    assert_eq!((code, &report["problem_count"]), (Some(8), &1.into()));
    assert_eq!(report["arrays"][0]["problems"][0]["domain"], "-1:3,4:8,0:4");
    assert_eq!(said, "error: 1 problem was found\n");
    let output = bench.run("verify layer --missing --scale 0");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(8) && text.ends_with("2 problems\n"), "{text}");
    assert!(text.contains("chunk: [-1:3,4:8,0:4] ") && text.contains("missing: [3:5,4:8,4:6] "), "{text}");
    bench.ok("verify layer --box -5:-1,0:8,0:6");
    std::fs::write(bench.path("layer/info"), "{}").unwrap();
    let (code, report, _) = told(&bench.run("verify layer --json"));
    assert_eq!((code, &report["arrays"][0]["problems"][0]["kind"]), (Some(8), &"metadata".into()));
}

#[test]
fn which_of_two_files_of_a_chunk_counts_is_said() {
    let bench = bench();
    bench.ok("export layer out.npy");
    let mut folder = std::fs::read_dir(bench.path("layer")).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.find(|path| path.is_dir()).unwrap();
    let mut chunks: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    chunks.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    let chunk = &chunks[0];
    let twin = chunk.with_extension("xz");
    std::fs::write(&twin, b"something else").unwrap();
    let said = bench.fails("export layer other.npy", 4);
    assert!([chunk, &twin].iter().all(|path| said.contains(path.to_str().unwrap())), "{said}");
    let output = bench.run("verify layer");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(8) && text.contains(twin.to_str().unwrap()), "{text}");
    bench.ok("export layer other.npy --prefer none");
    assert_eq!(
        std::fs::read(bench.path("out.npy")).unwrap(),
        std::fs::read(bench.path("other.npy")).unwrap()
    );
    bench.fails("export layer third.npy --prefer xz", 4);
    let said = bench.fails("export layer third.npy --prefer oldest", 2);
    assert!(said.contains("newest"), "{said}");
}

#[test]
fn arrays_are_compared() {
    let bench = bench();
    assert!(bench.ok("verify layer --against in.npy").contains("all 480 elements are equal"));
    let mut other = volume([10, 8, 6]);
    *other.last_mut().unwrap() += 3;
    npy(&bench.path("other.npy"), "<u2", false, &[6, 8, 10], &as_bytes(&other));
    let (code, report, _) = told(&bench.run("verify layer --against other.npy --json"));
    let comparison = &report["arrays"][0]["comparison"];
    assert_eq!((code, &comparison["different"], &comparison["max_abs"]), (Some(8), &1.into(), &3.0.into()));
    assert_eq!(comparison["first"][0]["at"], serde_json::json!([4, 7, 5]));
    bench.ok("verify layer --against other.npy --box -5:4,0:8,0:6");
}
