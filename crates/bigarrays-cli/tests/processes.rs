//! Commands whose work several processes share.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use bigarrays::OpenOptions;
use common::{Bench, as_bytes, npy, output, volume, wait};

fn bench() -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[18, 24, 20], &as_bytes(&volume([20, 24, 18])));
    bench
}

#[test]
fn layers_are_imported_copied_and_verified() {
    let bench = bench();
    for by in ["", " --processes 2"] {
        let name = if by.is_empty() { "one" } else { "two" };
        bench.ok(&format!("import in.npy {name} --origin -5,0,3 --chunk-shape 4,4,4 --mips 1{by}"));
        bench.ok(&format!("copy {name} {name}-cut --create --box -3:9,1:20,4:18 --chunk-shape 5,4,3{by}"));
        bench
            .ok(&format!("copy {name} {name}.zarr --create --format ome-zarr --all-scales --memory 64M{by}"));
        bench.ok(&format!("create {name}-there --shape 20,24,18 --dtype uint16 --chunk-shape 8,8,8"));
        bench.ok(&format!("copy {name} {name}-there --to 0,0,0{by}"));
    }
    for name in ["", "-cut", "-there"] {
        assert_eq!(bench.elements::<u16>(&format!("two{name}")), bench.elements(&format!("one{name}")));
    }
    bench.ok("verify two.zarr --against one.zarr");
    assert_eq!(bench.ok("verify two.zarr --processes 3"), bench.ok("verify two.zarr"));
    assert_eq!(bench.journals(), 0);
    let one = bench.run("verify two --against in.npy --json");
    let two = bench.run("verify two --against in.npy --json --processes 2");
    assert_eq!((two.status.code(), &two.stdout), (one.status.code(), &one.stdout));
    std::fs::write(bench.path("two/1_1_1/-1-3_4-8_7-11"), "short").unwrap();
    assert!(bench.fails("verify two --processes 2", 8).contains("1 problem was found"));
}

#[test]
fn expressions_and_plans_are_computed() {
    let bench = bench();
    bench.ok("import in.npy a --chunk-shape 4,4,4 --format zarr3");
    for (by, name) in [("", "one"), (" --processes 2", "two")] {
        let expressions = "m=mean(a,axis=0);s=sum(a,axis=2);a-m";
        bench.ok(&format!("compute {expressions} a=a -o {name} -o s={name}-sum --format zarr3{by}"));
    }
    bench.ok("compute max(a,axis=1) a=a -o three --plan-only plan.json --workers 8");
    bench.ok("run plan.json --processes 2");
    let read = |name: &str| {
        let array = OpenOptions::new().open(&bench.url(name)).unwrap();
        assert!(array.incomplete().is_none());
        array
    };
    for name in ["", "-sum"] {
        bench.ok(&format!("verify two{name} --against one{name}"));
    }
    let (a, three) = (read("a"), read("three"));
    let most = a.read::<u16>(a.domain()).unwrap().into_data();
    let most = most.map_axis(bigarrays::ndarray::Axis(1), |row| *row.iter().max().unwrap());
    assert_eq!(three.read::<u16>(three.domain()).unwrap().into_data(), most);
    let said = bench.fails("compute sum(a) a=a --processes 2", 2);
    assert!(said.contains("--processes goes with --output"), "{said}");
}

#[test]
fn what_a_process_cannot_do_ends_the_command() {
    let bench = bench();
    bench.ok("import in.npy layer --chunk-shape 4,4,4");
    std::fs::write(bench.path("layer/1_1_1/4-8_4-8_4-8"), "short").unwrap();
    let said = bench.fails("copy layer other --create --chunk-shape 8,8,8 --processes 2", 4);
    assert!(said.contains("4-8_4-8_4-8") && said.contains("could not do its share"), "{said}");
    bench.fails("export other out.npy", 1);
    let said = bench.fails("import in.npy third --processes 2 --memory 100", 7);
    assert!(said.contains("budget"), "{said}");
    assert!(!bench.path("third").exists());
}

/// The processes that do this share in the folder of a bench.
fn at_share(bench: &Bench, share: &str) -> Vec<String> {
    let place = bench.path("").canonicalize().unwrap();
    let is_at = |folder: &Path| {
        let line = std::fs::read(folder.join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let has_share = words.windows(2).any(|two| two[0] == "--share" && two[1].starts_with(share));
        has_share && std::fs::read_link(folder.join("cwd")).is_ok_and(|own| own == place)
    };
    let all = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    all.filter(|folder| is_at(folder))
        .map(|folder| folder.file_name().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-9", process]).status().unwrap().success());
}

#[test]
fn what_lost_processes_were_to_do_is_done_and_orphans_end() {
    let bench = bench();
    bench.ok("import in.npy layer --chunk-shape 4,4,4");
    bench.ok("create target --shape 20,24,18 --dtype uint16 --chunk-shape 4,4,4");
    let begin = || {
        let mut command = bench.command("copy layer target --to 0,0,0 --processes 2");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // Whoever is to write the first chunk waits.
    let copying = bench.while_held("target/1_1_1", "0-4_0-4_0-4", || {
        let copying = begin();
        wait(|| !at_share(&bench, "0:").is_empty());
        let lost = at_share(&bench, "0:");
        lost.iter().for_each(|process| kill(process));
        wait(|| at_share(&bench, "0:").iter().any(|process| !lost.contains(process)));
        copying
    });
    let ended = output(copying);
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(bench.elements::<u16>("target"), bench.elements("layer"));
    bench.while_held("target/1_1_1", "0-4_0-4_0-4", || {
        let mut copying = begin();
        wait(|| !at_share(&bench, "0:").is_empty());
        copying.kill().unwrap();
        copying.wait().unwrap();
        wait(|| at_share(&bench, "").is_empty());
    });
}
