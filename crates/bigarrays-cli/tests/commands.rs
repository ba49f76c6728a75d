//! Creating, looking, copying, removing; and how commands fail.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::process::Stdio;

use common::{Bench, as_bytes, npy, volume, voxel};

fn json(bench: &Bench, line: &str) -> serde_json::Value {
    serde_json::from_str(&bench.ok(line)).unwrap()
}

fn with_layer() -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[6, 8, 10], &as_bytes(&volume([10, 8, 6])));
    bench.ok("import in.npy layer --origin -5,0,0 --chunk-shape 4,4,4 --resolution 8,8,40");
    bench
}

#[test]
fn the_readme_lists_what_is_supported() {
    let known = json(&Bench::new(), "info --supported --json");
    let readme = include_str!("../../../README.md");
    for row in known["formats"].as_array().unwrap().iter().chain(known["codecs"].as_array().unwrap()) {
        let able = |ability: &str| if row[ability] == true { "yes" } else { "–" };
        let (name, about) = (row["name"].as_str().unwrap(), row["about"].as_str().unwrap());
        let expected = format!("| {name} | {} | {} | {about} |", able("reads"), able("writes"));
        assert!(readme.contains(&expected), "the README lacks {expected}");
    }
}

#[test]
fn info_for_people_and_programs() {
    let bench = with_layer();
    bench.ok("create layer --add-scale --domain -3:2,0:4,0:6 --resolution 16,16,40 --key half");
    let info = json(&bench, "info layer --json --scale half");
    assert_eq!(info["domain"], "-3:2,0:4,0:6");
    assert_eq!(info["dtype"], "uint16");
    assert_eq!(info["chunk_shape"], serde_json::json!([64, 64, 64]));
    assert_eq!(info["bytes"], 5 * 4 * 6 * 2);
    assert_eq!(info["scales"].as_array().unwrap().len(), 2);
    assert_eq!(json(&bench, "info layer --json --scale 16,16,40")["scale"], 1);
    let text = bench.ok("info layer");
    for part in ["-5:5,0:8,0:6", "8 × 8 × 40 nm", "960 bytes", "1      half", "uint16"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let known = json(&bench, "info --supported --json");
    assert_eq!(known["formats"][0]["name"], "precomputed");
    assert!(bench.ok("info --supported").contains("file://"));
}

#[test]
fn sharded_layers() {
    let bench = with_layer();
    bench.ok("copy layer auto --create --sharding");
    bench.ok(
        "copy auto few --create --sharding=preshift_bits=1,minishard_bits=1,shard_bits=2,data_encoding=gzip",
    );
    let info = json(&bench, "info few --json");
    assert_eq!(info["shard_shape"], serde_json::json!([8, 8, 4]));
    assert!(info["sharding"].as_str().unwrap().contains("shard_bits=2,"), "{info}");
    assert!(bench.ok("info auto").contains("neuroglancer_uint64_sharded_v1"));
    let zarr = "--format zarr3 --shape 9,9,9 --dtype uint8 --chunk-shape 2,2,2 --shard-order hilbert";
    bench.ok(&format!("create curved {zarr} --shard-shape 10,10,10"));
    assert!(bench.ok("info curved").contains("hilbert order"));
    bench.ok("copy curved curved-too --create");
    assert!(bench.ok("info curved-too").contains("hilbert order"));
    assert!(bench.fails(&format!("create straight {zarr}"), 2).contains("no shards"));
    assert!(bench.path("few/8_8_40/1.shard").exists());
    for layer in ["layer", "auto", "few"] {
        bench.ok(&format!("export {layer} {layer}.npy"));
    }
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert!(read("layer.npy") == read("auto.npy") && read("layer.npy") == read("few.npy"));
    bench.ok("rm few --yes");
    assert!(!bench.path("few").exists());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let bench = with_layer();
    for line in ["info layer", "info --supported", "completions bash"] {
        let mut child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn copies_from_box_to_box() {
    let bench = with_layer();
    bench.ok("create other --domain -20:0,-20:0,-20:0 --dtype uint16 --chunk-shape 7,7,7");
    bench.ok("copy layer other --box -2:4,1:5,0:6 --to -19,-10,-6 --memory 1G");
    let array = bigarrays::Array::open(&bench.url("other")).unwrap();
    let written = "-19:-13,-10:-6,-6:0".parse().unwrap();
    for x in -20..0 {
        for y in -20..0 {
            let expected =
                if array.domain().contains(&written) && (-19..-13).contains(&x) && (-10..-6).contains(&y) {
                    // Box coordinates plus what the layer's offset takes away.
                    voxel(x + 19 - 2 + 5, y + 10 + 1, 3)
                } else {
                    0
                };
            assert_eq!(array.get::<u16>(&[x, y, -3]).unwrap(), expected, "{x},{y}");
        }
    }
    bench.fails("copy layer other", 2);
    bench.fails("copy layer layer --box -5:0,0:8,0:6 --to -4,0,0", 2);
    bench.ok("copy layer layer --box -5:0,0:8,0:6 --to 0,0,0");
    bench.fails("copy layer nowhere", 3);
}

#[test]
fn copy_makes_a_layer_like_the_source() {
    let bench = with_layer();
    bench.ok("copy layer crop --create --box -3:3,2:8,1:6");
    let info = json(&bench, "info crop --json");
    assert_eq!(info["domain"], "-3:3,2:8,1:6");
    assert_eq!(info["chunk_shape"], serde_json::json!([4, 4, 4]));
    assert_eq!(info["resolution"]["size"], serde_json::json!([8.0, 8.0, 40.0]));
    bench.fails("copy layer crop --create", 1);
    bench.ok("create labels --shape 9,9,9 --dtype uint32 --labels");
    bench.ok("copy labels again --create");
    assert_eq!(json(&bench, "info again --json")["labels"], true);
    bench.ok(
        "copy labels packed --create --encoding compressed_segmentation --block-shape 4,4,4 --content-encoding gzip",
    );
    assert_eq!(bench.elements::<u32>("packed"), bench.elements("labels"));
    assert!(bench.ok("info packed").contains("uint32, labels"));
    bench.ok("copy layer all --create --chunk-shape 3,3,3");
    assert_eq!(bench.elements::<u16>("all"), bench.elements("layer"));
}

#[test]
fn copy_matches_axes_by_name() {
    let bench = with_layer();
    bench.ok("copy in.npy made --create --to -5,0,0");
    assert_eq!(bench.elements::<u16>("made"), bench.elements("layer"));
    // The same box, in each one's own order of axes.
    bench.ok("create a --shape 10,8,6 --dtype uint16");
    bench.ok("create b --shape 10,8,6 --dtype uint16");
    bench.ok("copy in.npy a --box 1:3,2:7,4:9");
    bench.ok("copy layer b --box -1:4,2:7,1:3 --to 4,2,1");
    assert_eq!(bench.elements::<u16>("a"), bench.elements("b"));
    npy(&bench.path("image.npy"), "<u2", false, &[8, 10], &as_bytes(&volume([10, 8, 1])));
    bench.ok("copy image.npy plane --create --to -5,0,-3");
    assert_eq!(bench.elements::<u16>("plane"), ("-5:5,0:8,-3:-2".into(), volume([10, 8, 1])));
}

#[test]
fn copy_of_channels() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "|u1", false, &[3, 1, 1, 2], &[1, 2, 3, 4, 5, 6]);
    bench.ok("import in.npy rgb");
    bench.ok("copy rgb two --create --box 0:2,0:1,0:1,1:3");
    assert_eq!(bench.elements::<u8>("two"), ("0:2,0:1,0:1,0:2".into(), vec![3, 4, 5, 6]));
    bench.ok("copy rgb green --create --box 0:2,0:1,0:1,1:2");
    assert_eq!(bench.elements::<u8>("green"), ("0:2,0:1,0:1".into(), vec![3, 4]));
    bench.ok("create other --domain 0:2,0:1,0:1,0:3 --dtype uint8");
    bench.ok("copy rgb other --box 0:2,0:1,0:1,1:2");
    assert_eq!(bench.elements::<u8>("other").1, [0, 0, 3, 4, 0, 0]);
    bench.fails("copy green other", 2);
    bench.fails("copy rgb green", 2);
}

#[test]
fn layers_are_not_called_like_files() {
    let bench = with_layer();
    for line in
        ["copy layer x.npy --create", "import in.npy x.TIF", "create x.png --shape 1,1,1 --dtype uint8"]
    {
        assert!(bench.fails(line, 2).contains("bigarrays export"), "{line}");
    }
}

#[test]
fn absurd_layers_are_told_of() {
    let bench = Bench::new();
    bench.ok("create vast --domain -1000:4611686018427387904,0:1000,0:1000 --dtype uint64");
    assert!(bench.ok("info vast").contains("more than 2^64 bytes"));
    assert_eq!(json(&bench, "info vast --json")["bytes"], serde_json::Value::Null);
    bench.ok("export vast corner.npy --box 0:3,0:3,0:3");
    bench.fails("create none --shape 3,0,3 --dtype uint8", 2);
    bench.fails("create none --domain 0:3,5:5,0:3 --dtype uint8", 2);
    bench.ok("create layer --shape 3,3,3 --dtype uint8");
    let info = std::fs::read_to_string(bench.path("layer/info")).unwrap();
    let info: String = info.split_whitespace().collect();
    assert!(info.contains("[64,64,64]"), "{info}");
    std::fs::write(bench.path("layer/info"), info.replace("[64,64,64]", "[1048576,1048576,1048576]"))
        .unwrap();
    let said = bench.fails("info layer", 4);
    assert!(said.contains("layer/info") && said.contains("scales[0]"), "{said}");
}

#[test]
fn a_damaged_page_is_named_with_its_file() {
    let bench = Bench::new();
    let tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 122), (277, 1), (278, 1), (279, 1)];
    let short = |value: u16| value.to_le_bytes();
    let entry = |(tag, value)| [short(tag), short(3), short(1), short(0), short(value), short(0)].concat();
    let directory: Vec<u8> = tags.into_iter().flat_map(entry).collect();
    // The page says that it is followed by itself.
    let file = [b"II*\0\x08\0\0\0\x09\0", &directory[..], b"\x08\0\0\0", b"\x07"].concat();
    std::fs::write(bench.path("loop.tif"), file).unwrap();
    let said = bench.fails("import loop.tif new", 4);
    assert!(said.contains("loop.tif page 1: corrupt data: the chain of pages runs in a circle"), "{said}");
}

#[test]
fn removing_asks_or_wants_to_be_sure() {
    let bench = with_layer();
    std::fs::write(bench.path("layer/notes.txt"), "ours").unwrap();
    bench.ok("create layer --add-scale --shape 5,4,6 --resolution 16,16,40");
    let said = bench.fails("rm layer", 2);
    assert!(said.contains("--yes"), "{said}");
    bench.ok("rm layer --scale 16_16_40 --yes");
    assert_eq!(json(&bench, "info layer --json")["scales"].as_array().unwrap().len(), 1);
    bench.ok("rm layer --yes");
    bench.fails("info layer", 3);
    bench.fails("rm layer --yes", 3);
    assert!(bench.path("layer/notes.txt").exists());
}

#[test]
fn exit_codes() {
    let bench = with_layer();
    bench.fails("info layer --nonsense", 2);
    assert!(bench.fails("info nowhere", 3).contains("no such file or folder"));
    bench.fails("info layer --scale 7", 3);
    bench.fails("create layer --shape 3,3,3 --dtype uint8", 1);
    bench.fails("create new --shape 3,3,3 --dtype uint8 --encoding nonsense", 1);
    bench.fails("create new --shape 3,3,3 --dtype uint8 --encoding jpeg --level 200", 2);
    bench.fails("create new --shape 3,3,3 --dtype uint8 --level 3", 2);
    bench.fails("create new --domain 3:0,0:1,0:1 --dtype uint8", 2);
    bench.fails("export layer out.xyz", 2);
    bench.fails("export layer out.npy --box 0:3,0:3", 2);
    bench.fails("import in.npy", 2);
    bench.fails("import nothing.npy new", 3);
    bench.fails("import layer/info new", 1);
    std::fs::create_dir(bench.path("bad")).unwrap();
    std::fs::write(bench.path("bad/info"), "{}").unwrap();
    bench.fails("info bad", 4);
    let chunk = std::fs::read_dir(bench.path("layer/8_8_40")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&chunk, "short").unwrap();
    let said = bench.fails("export layer out.npy", 4);
    assert!(said.contains(chunk.file_name().unwrap().to_str().unwrap()), "{said}");
    assert!(!bench.path("out.npy").exists());
    let leftovers = std::fs::read_dir(bench.path("")).unwrap().count();
    assert_eq!(leftovers, 3, "in.npy, layer and bad; nothing of what failed");
}

#[test]
fn completions_and_help() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(bench.ok(&format!("completions {shell}")).contains("bigarrays"));
    }
    let help = bench.ok("--help");
    assert!(help.contains("Exit codes:") && help.contains("130  interrupted"), "{help}");
    for command in ["create", "import", "export", "copy", "rm", "info", "completions"] {
        assert!(bench.ok(&format!("{command} --help")).contains("bigarrays "), "{command}");
    }
}

#[test]
fn quiet_says_nothing() {
    let bench = with_layer();
    let output = bench.run("copy layer all --create -q --threads 1");
    assert!(output.status.success() && output.stderr.is_empty());
    let output = bench.run("export layer out.npy -v --threads 3");
    assert!(String::from_utf8_lossy(&output.stderr).contains("block"));
}

/// A FIFO without a writer is refused rather than waited for.
#[test]
fn fifos_are_not_waited_for() {
    let bench = with_layer();
    std::fs::create_dir_all(bench.path("q")).unwrap();
    std::fs::create_dir_all(bench.path("r")).unwrap();
    for name in ["q/a.png", "r/f.tif", "f.old", "f.npy", "f.jpg", "f.bin"] {
        assert!(std::process::Command::new("mkfifo").arg(bench.path(name)).status().unwrap().success());
    }
    for line in [
        "ls q",
        "info q",
        "import q new",
        "import q/a.png new",
        "import f.jpg new",
        "ls r",
        "info r",
        "info r/f.tif",
        "import r/f.tif new",
        "convert f.old new.npy",
        "import f.bin new --shape 4,4,4 --dtype uint8",
    ] {
        let child = bench.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = common::output(child);
        assert!(matches!(output.status.code(), Some(1..)), "{line}: {output:?}");
    }
}

/// Nothing but a regular file is replaced by one.
#[test]
fn special_files_are_not_overwritten() {
    let bench = with_layer();
    let out = bench.path("out.npy");
    assert!(std::process::Command::new("mkfifo").arg(&out).status().unwrap().success());
    for line in ["export layer out.npy --overwrite", "export layer out.npy --format raw --overwrite"] {
        let child = bench.command(line).stderr(Stdio::piped()).spawn().unwrap();
        let output = common::output(child);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains("not a regular file"), "{line}: {text}");
        assert!(!std::fs::metadata(&out).unwrap().is_file(), "{line}");
    }
}

/// The largest size of files is an error of the storage like a full disk, and not the end of the program.
#[test]
fn a_limit_of_file_sizes_is_an_error() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[40, 40, 40], &as_bytes(&volume([40, 40, 40])));
    bench.ok("import in.npy layer --chunk-shape 20,20,20");
    for line in ["export layer out.npy", "import in.npy new --chunk-shape 40,40,40"] {
        let program = env!("CARGO_BIN_EXE_bigarrays");
        let mut shell = std::process::Command::new("sh");
        shell.current_dir(bench.path(".")).args(["-c", &format!("ulimit -f 40; exec {program} {line}")]);
        let output = common::output(shell.stderr(Stdio::piped()).spawn().unwrap());
        assert!(output.status.code().is_some_and(|code| code > 0 && code < 128), "{line}: {output:?}");
        let left = std::fs::read_dir(bench.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".tmp")).collect();
        assert!(left.is_empty(), "{line}: {left:?}");
    }
}

#[test]
fn what_is_said_of_new_arrays_is_so() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[3, 4, 5], &as_bytes(&volume([5, 4, 3])));
    for format in ["precomputed", "ome-zarr", "zarr3", "zarr2", "n5"] {
        let output = bench.run(&format!("import in.npy {format} --format {format}"));
        let said = String::from_utf8(output.stderr).unwrap();
        let info = json(&bench, &format!("info {format} --json"));
        assert_eq!(said.contains("taken as 1 nm"), !info["resolution"].is_null(), "{format}: {said}");
        assert!(bench.ok(&format!("info {format}")).contains("1 × 1 × 1, 1 chunk\n"));
    }
    assert!(!bench.ok("create --help").contains("SRC"));
}

#[test]
fn axes_without_names_go_to_pages_in_their_order() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[3, 4, 5], &as_bytes(&volume([5, 4, 3])));
    bench.ok("create plain --format zarr3 --shape 3,4,5 --dtype uint16");
    bench.ok("copy in.npy plain");
    bench.ok("export plain plain.tif");
    bench.ok("export in.npy named.tif");
    assert_eq!(
        std::fs::read(bench.path("plain.tif")).unwrap(),
        std::fs::read(bench.path("named.tif")).unwrap()
    );
    bench.ok("export plain slices --format png");
    assert_eq!(std::fs::read_dir(bench.path("slices")).unwrap().count(), 3);
}

#[test]
fn what_a_computation_has_not_finished_is_refused_and_shown() {
    let bench = Bench::new();
    std::fs::write(bench.path("points.csv"), "0,0,0\n").unwrap();
    // An element does not fit, and the rest is not written.
    npy(&bench.path("in.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&volume([4, 4, 4])));
    for format in ["zarr3", "zarr2", "n5", "precomputed", "ome-zarr", "ome-zarr-0.4"] {
        bench.ok(&format!("import in.npy a.{format} --format zarr3"));
        let line = format!("compute a a=a.{format} -o {format} --format {format} --chunk-shape 2,2,2");
        assert!(bench.fails(&format!("{line} --dtype uint8"), 2).contains("does not fit"));
        for command in
            ["export {} x.npy", "sample {} points.csv", "copy {} other --create", "compute a+1 a={} -o b"]
        {
            let said = bench.fails(&command.replace("{}", format), 1);
            assert!(said.contains("has not finished") && said.contains("--incomplete"), "{command}: {said}");
        }
        assert!(!bench.path("other").exists() && !bench.path("b").exists());
        let said = bench.ok(&format!("info {format}"));
        assert!(said.contains("incomplete  bigarrays ") && said.contains("has not finished"), "{said}");
        let shown: serde_json::Value =
            serde_json::from_str(&bench.ok(&format!("info {format} --json"))).unwrap();
        assert!(shown["incomplete"]["since"].is_string(), "{shown}");
        for command in ["ls", "du"] {
            let said = bench.ok(&format!("{command} {format}"));
            assert!(said.contains(format), "{command}: {said}");
        }
        assert!(!String::from_utf8_lossy(&bench.run("ls .").stderr).contains("left out"));
        let said = bench.run(&format!("verify {format} --json"));
        assert_eq!(said.status.code(), Some(8));
        assert!(String::from_utf8_lossy(&said.stdout).contains("\"incomplete\""));
        bench.ok(&format!("export {format} {format}.npy --incomplete"));
        bench.fails(&line, 1);
        bench.ok(&format!("rm {format} --yes"));
        bench.ok(&line);
        assert!(!bench.ok(&format!("info {format}")).contains("incomplete"));
        bench.ok(&format!("verify {format}"));
        assert_eq!(bench.elements::<u16>(format).1.len(), 64);
    }
}
