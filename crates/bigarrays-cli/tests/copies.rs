//! Copies between formats: what they keep, what they change, and how they go on after they were stopped.

mod common;

use std::process::Stdio;

use bigarrays::ndarray;
use common::{Bench, as_bytes, npy, volume, wait};
use serde_json::{Value, json};

/// A layer of odd size below zero.
fn with_layer(options: &str) -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[5, 7, 13], &as_bytes(&volume([13, 7, 5])));
    bench.ok(&format!(
        "import in.npy layer --origin -3,0,-2 --chunk-shape 4,4,2 --resolution 8,8,40 {options}"
    ));
    bench
}

/// The box of the array, and its elements as bytes, the first axis fastest.
fn elements(bench: &Bench, array: &str) -> (String, Vec<u16>) {
    bench.elements::<u16>(array)
}

#[test]
fn there_and_back_through_every_format() {
    let bench = with_layer("");
    let whole = ("-3:10,0:7,-2:3".to_owned(), volume([13, 7, 5]));
    for format in ["precomputed", "ome-zarr", "ome-zarr-0.4", "zarr3", "zarr2", "n5"] {
        bench.ok(&format!("copy layer {format} --create --format {format}"));
        // Arrays of these formats start at zero.
        let is_at_zero = ["zarr3", "zarr2", "n5"].contains(&format);
        let to = if is_at_zero { "--to=-3,0,-2" } else { "" };
        bench.ok(&format!("copy {format} {format}-back --create --format precomputed {to}"));
        assert_eq!(elements(&bench, &format!("{format}-back")), whole, "{format}");
        let said = bench.ok(&format!("info {format}"));
        let axes = if ["precomputed", "n5"].contains(&format) { "x,y,z" } else { "z,y,x" };
        assert!(said.contains(axes), "{format}: {said}");
    }
    let said = bench.ok("info ome-zarr-back");
    assert!(said.contains("8 × 8 × 40"), "{said}");
}

#[test]
fn chunks_move_as_they_are_stored() {
    let bench = Bench::new();
    let bytes: Vec<u8> = volume([70, 50, 40]).iter().map(|&voxel| (voxel % 251) as u8).collect();
    npy(&bench.path("in.npy"), "|u1", false, &[40, 50, 70], &bytes);
    bench.ok("import in.npy jpeg --encoding jpeg --level 60 --chunk-shape 16,16,16 --origin -16,0,5");
    let said = bench.ok("copy jpeg other --create --dry-run");
    assert!(said.contains("moved as they are stored") && said.contains("60 chunks"), "{said}");
    assert!(!bench.path("other").exists(), "nothing was made");
    bench.ok("copy jpeg other --create");
    bench.ok("copy jpeg sharded --create --sharding");
    bench.ok("copy sharded again --create --sharding=none");
    // A part: what is whole moves, the ends are encoded again.
    bench.ok("copy jpeg part --create --box 0:30,16:50,5:30");
    let mut moved = 0;
    for entry in std::fs::read_dir(bench.path("jpeg").join("1_1_1")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with('.') {
            continue;
        }
        let own = std::fs::read(&path).unwrap();
        for copy in ["other", "again"] {
            assert_eq!(
                std::fs::read(bench.path(copy).join("1_1_1").join(&name)).unwrap(),
                own,
                "{copy} {name}"
            );
        }
        moved += usize::from(
            std::fs::read(bench.path("part").join("1_1_1").join(&name)).is_ok_and(|part| part == own),
        );
    }
    assert_eq!(moved, 3, "x 0-16; y 16-32, 32-48 and 48-50; z 5-21, of which one row ends with the layer");
    let said = bench.ok("copy jpeg recoded --create --level 30 --dry-run");
    assert!(said.contains("decoded and encoded"), "{said}");
}

#[test]
fn all_scales_or_some() {
    let bench = with_layer("--key fine");
    bench.ok("create layer --add-scale --domain -2:5,0:4,-2:3 --resolution 16,16,40 --key coarse --chunk-shape 3,3,3");
    npy(&bench.path("coarse.npy"), "<u2", false, &[5, 4, 7], &as_bytes(&volume([7, 4, 5])));
    bench.ok("copy coarse.npy layer --to=-2,0,-2 --to-scale coarse");
    bench.ok("copy layer image --create --format ome-zarr --all-scales");
    bench.ok("copy image back --create --format precomputed --all-scales");
    assert_eq!(elements(&bench, "back"), elements(&bench, "layer"));
    bench.ok("export back back.npy --scale 16,16,40");
    bench.ok("export layer layer.npy --scale coarse");
    assert_eq!(
        std::fs::read(bench.path("back.npy")).unwrap(),
        std::fs::read(bench.path("layer.npy")).unwrap()
    );
    // A box of the first scale, on each of them.
    bench.ok("copy layer crop --create --all-scales --box 2:7,2:6,0:3");
    let said = bench.ok("info crop");
    assert!(said.contains("2:7,2:6,0:3") && said.contains("1:4,1:3,0:3"), "{said}");
    bench.ok("copy layer only --create --scale coarse");
    assert_eq!(elements(&bench, "only").0, "-2:5,0:4,-2:3");
}

#[test]
fn other_types_and_axes() {
    let bench = with_layer("");
    bench.fails("copy layer bytes --create --dtype uint8", 2);
    assert!(bench.path("bytes").exists(), "its first part may have been written");
    bench.ok("copy layer clipped --create --dtype uint8 --out-of-range clip");
    let expected: Vec<u8> = volume([13, 7, 5]).iter().map(|&voxel| voxel.min(255) as u8).collect();
    assert_eq!(bench.elements::<u8>("clipped").1, expected);
    bench.ok("copy layer swapped.zarr --create --format zarr3 --transpose y,z,x");
    let said = bench.ok("info swapped.zarr");
    assert!(said.contains("y,z,x") && said.contains("7 × 5 × 13"), "{said}");
    bench.ok("copy swapped.zarr back --create --format precomputed --to=-3,0,-2");
    assert_eq!(elements(&bench, "back"), elements(&bench, "layer"));
    bench.fails("copy layer x.zarr --create --format zarr3 --transpose y,x", 2);
    bench.fails("copy layer x --create --format npy", 2);
}

#[test]
fn a_copy_that_was_killed_is_taken_up_by_the_same_command() {
    let bench = Bench::new();
    let voxels: Vec<u16> = volume([256, 256, 128]);
    npy(&bench.path("in.npy"), "<u2", false, &[128, 256, 256], &as_bytes(&voxels));
    bench.ok("import in.npy layer --chunk-shape 32,32,32");
    let line = "copy layer again --create --chunk-shape 16,16,16 --encoding gzip --memory 4M";
    let blocks = |bench: &Bench| {
        let records = bench.journal()?.with_extension("parts").join("blocks");
        Some(records.metadata().ok()?.len() / 64)
    };
    // It cannot be done before it is killed.
    bench.while_held("again/1_1_1", "240-256_240-256_112-128", || {
        for kills in 1..=2 {
            let mut child = bench.command(line).stderr(Stdio::null()).spawn().unwrap();
            wait(|| {
                assert!(child.try_wait().unwrap().is_none(), "it has failed");
                blocks(&bench).is_some_and(|blocks| blocks >= 3 * kills)
            });
            child.kill().unwrap();
            child.wait().unwrap();
        }
    });
    // What was done and then damaged is done again.
    let scale = bench.path("again").join("1_1_1");
    let done = std::fs::read_dir(&scale).unwrap().map(|entry| entry.unwrap().path());
    let done = done.filter(|path| !path.to_string_lossy().contains("bigarrays")).min().unwrap();
    std::fs::write(done, b"torn").unwrap();
    let output = bench.run(line);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("blocks were done already"), "{said}");
    assert_eq!(bench.elements::<u16>("again").1, voxels);
    assert_eq!(bench.journals(), 0);
    assert!(bench.fails(line, 1).contains("layer here"), "what is done is not done again unasked");
}

#[test]
fn what_an_earlier_run_made_is_not_mistaken() {
    let bench = with_layer("");
    // It ends early, as an element does not fit.
    let line = "copy layer bytes --create --dtype uint8 --chunk-shape 4,4,1 --memory 4M";
    bench.fails(line, 2);
    assert_eq!(bench.journals(), 1);
    // What it made is gone: it begins anew.
    std::fs::remove_dir_all(bench.path("bytes")).unwrap();
    bench.fails(line, 2);
    // There is another of the same kind: it is somebody's.
    std::fs::remove_dir_all(bench.path("bytes")).unwrap();
    bench.ok("create bytes --domain -3:10,0:7,-2:3 --dtype uint8 --chunk-shape 4,4,1 --resolution 8,8,40");
    assert!(bench.fails(line, 1).contains("not what an earlier run"));
    assert!(bench.fails(&format!("{line} --no-resume"), 1).contains("layer here"));
    assert_eq!(bench.journals(), 0);
}

#[test]
fn what_was_made_and_not_noted_is_taken_up_while_it_is_empty() {
    let bench = with_layer("");
    let line = "copy layer bytes --create --dtype uint8 --chunk-shape 4,4,1 --memory 4M";
    let make = || {
        std::fs::remove_dir_all(bench.path("bytes")).unwrap();
        bench
            .ok("create bytes --domain -3:10,0:7,-2:3 --dtype uint8 --chunk-shape 4,4,1 --resolution 8,8,40");
        // As a kill between making and noting leaves it.
        let journal = bench.journal().unwrap();
        let text = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, text.split_inclusive('\n').next().unwrap()).unwrap();
    };
    bench.fails(line, 2);
    make();
    assert!(bench.fails(line, 2).contains("does not fit"));
    make();
    std::fs::create_dir_all(bench.path("bytes/8_8_40")).unwrap();
    std::fs::write(bench.path("bytes/8_8_40/-3-1_0-4_-2--1"), b"data").unwrap();
    assert!(bench.fails(line, 1).contains("layer here"));
}

#[test]
fn several_scales_are_taken_up_each_in_its_place() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&volume([4, 4, 4])));
    bench.ok("import in.npy image --format ome-zarr --resolution 8,8,8");
    // Of the same box, and with an element that does not fit.
    bench.ok("create image --add-scale --domain 0:4,0:4,0:4 --resolution 16,16,16");
    let other: Vec<u16> = volume([4, 4, 4]).iter().map(|voxel| voxel % 200).collect();
    npy(&bench.path("other.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&other));
    bench.ok("copy other.npy image --to-scale 1");
    let dry = bench.ok("copy image layer --create --format precomputed --all-scales --dry-run");
    assert_eq!(dry.lines().count(), 2, "{dry}");
    let line = "copy image layer --create --format precomputed --all-scales --dtype uint8";
    bench.fails(line, 2);
    let line = format!("{line} --out-of-range clip");
    assert!(bench.fails(&line, 1).contains("not written to its end"), "another command, another copy");
    bench.ok("rm layer --yes");
    bench.ok(&line);
    let voxels = |scale: usize| {
        let array = bigarrays::OpenOptions::new().scale(scale).open(&bench.url("layer")).unwrap();
        let read = array.read::<u8>(array.domain()).unwrap();
        read.data().iter().map(|&voxel| u64::from(voxel)).sum::<u64>()
    };
    let clipped = |of: &[u16]| of.iter().map(|&voxel| u64::from(voxel.min(255))).sum::<u64>();
    assert_eq!((voxels(0), voxels(1)), (clipped(&volume([4, 4, 4])), clipped(&other)));
}

#[test]
fn options_that_would_do_nothing_are_refused_and_compression_is_kept() {
    let bench = with_layer("");
    bench.ok("copy layer other --create");
    for option in
        ["--encoding gzip", "--chunk-shape 4,4,4", "--format zarr3", "--sharding", "--resolution 1,1,1"]
    {
        assert!(bench.fails(&format!("copy layer other {option}"), 2).contains("--create"), "{option}");
    }
    assert!(bench.fails("copy layer other --dtype uint8", 2).contains("uint16"));
    bench.fails("copy layer x --create --all-scales --key foo", 2);
    assert!(bench.fails("copy layer other --create --dry-run", 1).contains("here"));
    bench.ok("copy layer z.zarr --create --format zarr3 --encoding zstd --level 3");
    for (line, copy) in [
        ("copy z.zarr z2.zarr --create --format zarr2", "z2.zarr"),
        ("copy z.zarr z.n5 --create --format n5", "z.n5"),
        ("copy z.zarr turned.zarr --create --transpose xyz", "turned.zarr"),
        ("copy z.zarr narrow.zarr --create --dtype int16", "narrow.zarr"),
    ] {
        bench.ok(line);
        let said = bench.ok(&format!("info {copy}"));
        assert!(said.contains("zstd") || said.contains("n5"), "{said}");
    }
    let attributes = std::fs::read_to_string(bench.path("z.n5").join("attributes.json")).unwrap();
    assert!(attributes.contains("zstd"), "{attributes}");
}

#[test]
fn compression_around_chunks_is_that_of_the_source_unless_something_else_is_asked_for() {
    let bench = with_layer("--content-encoding gzip");
    bench.ok("copy layer other --create --chunk-shape 5,5,5 --dry-run");
    for (options, suffix) in [
        ("", ".gz"),
        ("--chunk-shape 5,5,5", ".gz"),
        ("--box -2:9,1:6,0:2", ".gz"),
        ("--content-encoding none", ""),
        ("--content-encoding br", ".br"),
        ("--encoding png", ""),
        ("--sharding", ".shard"),
    ] {
        bench.ok(&format!("copy layer copy --create {options}"));
        for file in std::fs::read_dir(bench.path("copy/8_8_40")).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let is_so = name.starts_with('.') || name.find('.').map_or("", |dot| &name[dot..]) == suffix;
            assert!(is_so, "{options}: {name}");
        }
        bench.ok("verify copy");
        bench.ok("rm --yes copy");
    }
}

#[test]
fn the_order_of_chunks_in_shards_is_kept_where_there_are_shards() {
    let bench = Bench::new();
    bench.ok("create z.zarr --format zarr3 --shape 9,9,9 --dtype uint8 --chunk-shape 2,2,2 --shard-shape 4,4,4 --shard-order hilbert");
    for (line, made, is_kept) in [
        ("copy z.zarr image --create --format ome-zarr", "image", true),
        ("copy image again.zarr --create --format zarr3", "again.zarr", true),
        ("copy image coarse --create --chunk-shape 3,3,3", "coarse", true),
        ("copy image plain.zarr --create --format zarr3 --sharding=none", "plain.zarr", false),
        ("copy image two.zarr --create --format zarr2", "two.zarr", false),
        ("copy image layer --create --format precomputed --dimension-names zyx", "layer", false),
        ("copy image data.n5 --create --format n5", "data.n5", false),
    ] {
        bench.ok(line);
        assert_eq!(bench.ok(&format!("info {made}")).contains("hilbert order"), is_kept, "{line}");
    }
}

/// The JSON at `path` of a file.
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
fn json_of(bench: &Bench, file: &str, path: &str) -> serde_json::Value {
    let text = std::fs::read(bench.path(file)).unwrap();
    serde_json::from_slice::<serde_json::Value>(&text).unwrap().pointer(path).cloned().unwrap_or_default()
}

#[test]
fn images_keep_what_is_said_of_them() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "|u1", false, &[2, 6, 8], &[7; 96]);
    bench.ok("copy in.npy image --create --format ome-zarr-0.4 --dimension-names tyx");
    let axis = |name, kind, unit| serde_json::json!({"name": name, "type": kind, "unit": unit});
    let image = serde_json::json!({
        "name": "cells", "type": "mean", "version": "0.4", "metadata": {"method": "m"},
        "axes": [axis("t", "time", "second"), axis("y", "space", "micrometer"), axis("x", "space", "micrometer")],
        "datasets": [{"path": "0", "coordinateTransformations": [
            {"type": "scale", "scale": [0.5, 2.0, 2.0]}, {"type": "translation", "translation": [0.0, 1.0, 4.0]},
        ]}],
    });
    let attributes = serde_json::json!({"multiscales": [image], "omero": {"id": 1}, "mine": 2});
    std::fs::write(bench.path("image/.zattrs"), attributes.to_string()).unwrap();
    bench.ok("copy image new --create --format ome-zarr");
    bench.ok("copy new old --create --format ome-zarr-0.4 --box 1:2,1:5,3:9");
    let of = |file: &str, path: &str| json_of(&bench, file, path);
    for (file, user, ome, start) in [
        ("new/zarr.json", "/attributes", "/attributes/ome", [0.0, 1e3, 4e3]),
        ("old/.zattrs", "", "", [0.5, 3e3, 6e3]),
    ] {
        assert_eq!(of(file, &format!("{user}/mine")), 2);
        assert_eq!(of(file, &format!("{ome}/omero/id")), 1);
        let image = of(file, &format!("{ome}/multiscales/0"));
        assert_eq!((&image["name"], &image["type"]), (&"cells".into(), &"mean".into()));
        assert_eq!(image["metadata"]["method"], "m");
        assert_eq!(image["axes"][0], axis("t", "time", "second"));
        let steps = &image["datasets"][0]["coordinateTransformations"];
        assert_eq!(steps[0]["scale"], serde_json::json!([0.5, 2e3, 2e3]));
        assert_eq!(steps[1]["translation"], serde_json::json!(start), "{file}");
    }
    let said = bench.run("copy image plain --create --format zarr3");
    assert!(String::from_utf8_lossy(&said.stderr).contains("at fractions of their size"));
    let mut attributes = of("plain/zarr.json", "/attributes");
    let own = attributes.as_object_mut().unwrap().remove("bigarrays").unwrap();
    assert_eq!(attributes, serde_json::json!({"mine": 2}));
    assert_eq!((&own["resolution"], &own["unit"]), (&serde_json::json!([1, 2000, 2000]), &"nm".into()));
    bench.ok("copy plain n5 --create --format n5");
    assert_eq!(of("n5/attributes.json", "/mine"), 2);
}

#[test]
fn images_have_the_axes_of_the_specification() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "|u1", false, &[2, 6, 8], &[7; 96]);
    bench.ok("copy in.npy unnamed --create --format zarr3 --dimension-names dim_0,dim_1,dim_2");
    bench.ok("copy unnamed image --create --format ome-zarr");
    let axes = json_of(&bench, "image/zarr.json", "/attributes/ome/multiscales/0/axes");
    let names: Vec<_> = (0..3).map(|axis| axes[axis]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["z", "y", "x"]);
    for bad in ["ytx", "a,b,x", "yxc"] {
        let refused =
            bench.run(&format!("copy in.npy bad --create --format ome-zarr --dimension-names {bad}"));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("--transpose"), "{bad}");
        assert!(!refused.status.success() && !bench.path("bad").exists(), "{bad}");
    }
}

#[test]
fn compressions_keep_their_parameters() {
    let bench = with_layer("");
    bench.ok("copy layer n5 --create --format n5 --encoding blosc");
    let text = std::fs::read_to_string(bench.path("n5/attributes.json")).unwrap();
    let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
    // What is stored says itself how it was compressed.
    document["compression"]["cname"] = "zstd".into();
    document["compression"]["shuffle"] = 2.into();
    std::fs::write(bench.path("n5/attributes.json"), document.to_string()).unwrap();
    bench.ok("copy n5 n5-copy --create");
    bench.ok("copy n5 three --create --format zarr3");
    bench.ok("copy three two --create --format zarr2");
    bench.ok("copy two n5-back --create --format n5");
    for (file, path, shuffle) in [
        ("n5-copy/attributes.json", "/compression", serde_json::json!(2)),
        ("three/zarr.json", "/codecs/1/configuration", "bitshuffle".into()),
        ("two/.zarray", "/compressor", serde_json::json!(2)),
        ("n5-back/attributes.json", "/compression", serde_json::json!(2)),
    ] {
        let found = json_of(&bench, file, path);
        assert_eq!((&found["cname"], &found["shuffle"]), (&"zstd".into(), &shuffle), "{file}");
    }
    assert_eq!(elements(&bench, "n5-back").1, elements(&bench, "n5").1);
}

#[test]
fn a_target_that_is_not_there_can_be_made() {
    let bench = Bench::new();
    bench.ok("create layer --shape 4,4,4 --dtype uint8");
    let said = bench.fails("copy layer nowhere", 3);
    assert!(
        said.contains("nowhere") && said.contains("does not exist") && said.contains("--create makes it"),
        "{said}"
    );
    bench.ok("copy layer nowhere --create");
    let said = bench.fails("copy layer nowhere --to-scale 3", 3);
    assert!(!said.contains("--create"), "{said}");
}

#[test]
fn counts_are_singular_and_plural() {
    let bench = Bench::new();
    bench.ok("create layer --shape 4,4,4 --dtype uint8");
    let said = bench.ok("copy layer one --create --dry-run");
    assert!(said.contains("0 B read") && said.contains("; 0 blocks,"), "nothing is stored yet: {said}");
    let layer = bigarrays::Array::open(&bench.url("layer")).unwrap();
    layer.write(&[0; 3], bigarrays::ndarray::Array3::<u8>::ones((4, 4, 4)).view()).unwrap();
    let said = bench.ok("copy layer one --create --dry-run");
    assert!(said.contains("1 chunk of the source into 1 chunk,") && said.contains("; 1 block,"), "{said}");
}

#[test]
fn options_of_long_commands_have_headings() {
    let bench = Bench::new();
    let commands: [(&str, &[&str]); 5] = [
        ("copy", &["What", "New array", "Conversion of values", "Cache", "Run"]),
        ("create", &["New array"]),
        ("export", &["What", "File", "Cache", "Run"]),
        ("import", &["What", "New array", "Cache", "Run"]),
        ("verify", &["What", "Run"]),
    ];
    for (command, headings) in commands {
        let help = bench.ok(&format!("{command} -h"));
        for heading in headings.iter().chain(&["Global options"]) {
            assert!(help.contains(&format!("\n{heading}:\n")), "{command}: {heading} in\n{help}");
        }
        let rest = help.split("\nOptions:\n").nth(1).unwrap().split("\n\n").next().unwrap();
        assert_eq!(rest.lines().count(), 1, "{command}: only the help itself has no heading, but\n{rest}");
    }
}

#[test]
fn resolution_and_place_survive_formats_that_have_none() {
    let bench = Bench::new();
    bench.ok("create layer --domain -5:15,0:20,7:27 --dtype uint8 --resolution 8,8,40");
    for format in ["zarr3", "zarr2"] {
        bench.ok(&format!("copy layer {format} --create --format {format}"));
        let said = bench.ok(&format!("copy {format} {format}-back --create --format precomputed"));
        let info = bench.ok(&format!("info {format}-back"));
        assert!(info.contains("-5:15,0:20,7:27") && info.contains("8 × 8 × 40 nm"), "{said} {info}");
        // Of a box, the place of the box.
        bench.ok(&format!("copy {format} {format}-part --create --format precomputed --box 10:20,0:20,0:5"));
        assert!(bench.ok(&format!("info {format}-part")).contains("-5:0,0:20,17:27"));
    }
    let said = bench.run("copy layer data.n5 --create --format n5");
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("n5 does not keep where the first element lies, at [-5, 0, 7]"), "{said}");
}

#[test]
fn places_of_scales_and_sizes_in_pixels_that_are_lost_are_said() {
    let bench = with_layer("--key fine");
    bench.ok("create layer --add-scale --domain -2:5,0:4,-2:3 --resolution 16,16,40 --key coarse --chunk-shape 3,3,3");
    let said = bench.run("copy layer data.n5 --create --format n5 --all-scales");
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("n5 does not keep where the first element lies, at [-3, 0, -2]"), "{said}");
    assert!(
        said.contains("scale 1: n5 does not keep where the first element lies, at [-2, 0, -2]"),
        "{said}"
    );
    bench.ok("create pixels --shape 4,4 --dtype uint8 --format n5");
    let file = bench.path("pixels/attributes.json");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    document["pixelResolution"] = json!([2, 3]);
    std::fs::write(&file, document.to_string()).unwrap();
    let said = bench.run("copy pixels other.zarr --create --format zarr3");
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(!said.contains("does not keep"), "{said}");
    // Axes are turned for Zarr, whose last is the fastest.
    let size = |array: &str| -> Value {
        serde_json::from_str::<Value>(&bench.ok(&format!("info {array} --json"))).unwrap()["resolution"]
            .clone()
    };
    assert_eq!(size("other.zarr"), json!({"size": [3.0, 2.0], "unit": ""}));
    let said = bench.run("copy pixels other.layer --create --format precomputed");
    let said = String::from_utf8_lossy(&said.stderr);
    assert!(said.contains("precomputed does not keep the resolution, [2.0, 3.0, 1.0] in no unit"), "{said}");
    assert!(said.contains("the numbers are taken for nm"), "{said}");
    assert_eq!(size("other.layer"), json!({"size": [2.0, 3.0, 1.0], "unit": "nm"}));
    // Scales stay as much coarser as they are.
    bench.ok("create scales --format ome-zarr --shape 4,4,4 --dtype uint8 --dimension-names z,y,x");
    bench.ok("create scales --add-scale --shape 2,2,2 --resolution 2,2,2");
    let file = bench.path("scales/zarr.json");
    let unitless =
        std::fs::read_to_string(&file).unwrap().replace("\"unit\": \"nanometer\"", "\"long_name\": \"\"");
    std::fs::write(&file, unitless).unwrap();
    bench.ok("copy scales scales.layer --create --format precomputed --all-scales");
    let layer: Value = serde_json::from_str(&bench.ok("info scales.layer --json")).unwrap();
    assert_eq!(layer["scales"].as_array().unwrap().len(), 2, "{layer}");
    bench.ok("copy pixels other.n5 --create");
    let copied: Value =
        serde_json::from_slice(&std::fs::read(bench.path("other.n5/attributes.json")).unwrap()).unwrap();
    assert_eq!(copied["pixelResolution"], json!([2.0, 3.0]));
}

#[test]
fn copies_of_some_channels_say_those_alone() {
    let bench = Bench::new();
    for (format, document) in [("ome-zarr", "zarr.json"), ("ome-zarr-0.4", ".zattrs")] {
        bench.ok(&format!(
            "create {format} --format {format} --shape 4,2,3 --dimension-names c,y,x --dtype uint8"
        ));
        let file = bench.path(format).join(document);
        let mut said: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let channel = |label: &str| json!({"label": label, "color": "00ff00", "window": {"min": 0, "max": 255, "start": 0, "end": 255}});
        let members = |said: &mut Value| match format {
            "ome-zarr" => said["attributes"]["ome"]["omero"].take(),
            _ => said["omero"].take(),
        };
        let channels = ["a", "b", "c", "d"].map(channel);
        let omero = json!({"channels": channels, "rdefs": {"model": "color"}});
        match format {
            "ome-zarr" => said["attributes"]["ome"]["omero"] = omero,
            _ => said["omero"] = omero,
        }
        std::fs::write(&file, said.to_string()).unwrap();
        bench.ok(&format!("copy {format} {format}-part --create --box 1:3,0:2,0:3"));
        let part = bench.path(&format!("{format}-part")).join(document);
        let omero = members(&mut serde_json::from_slice(&std::fs::read(part).unwrap()).unwrap());
        let labels: Vec<_> =
            omero["channels"].as_array().unwrap().iter().map(|channel| &channel["label"]).collect();
        assert_eq!(
            (labels, &omero["rdefs"]),
            (vec![&json!("b"), &json!("c")], &json!({"model": "color"})),
            "{format}"
        );
        bench.ok(&format!("verify {format}-part"));
    }
}

#[test]
fn a_scale_that_was_added_and_not_noted_is_taken_up_while_it_is_empty() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&[7u16; 64]));
    bench.ok("import in.npy image --format ome-zarr --resolution 8,8,8");
    bench.ok("create image --add-scale --domain 0:4,0:4,0:4 --resolution 16,16,16");
    npy(&bench.path("large.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&[700u16; 64]));
    bench.ok("copy large.npy image --to-scale 1");
    for format in ["precomputed", "n5", "ome-zarr", "ome-zarr-0.4"] {
        let line = format!("copy image {format} --create --format {format} --all-scales --dtype uint8");
        // An element of the second scale does not fit.
        assert!(bench.fails(&line, 2).contains("does not fit"));
        let options = bigarrays::OpenOptions::new().incomplete(true);
        let scales = || options.open(&bench.url(format)).unwrap().scales().len();
        assert_eq!(scales(), 2);
        // As a kill between adding and noting leaves it.
        let journal = bench.journal().unwrap();
        let text = std::fs::read_to_string(&journal).unwrap();
        let end = text.find("adding scale 1").unwrap();
        std::fs::write(&journal, &text[..=end + text[end..].find('\n').unwrap()]).unwrap();
        assert!(bench.fails(&line, 2).contains("does not fit"), "{format}");
        assert_eq!(scales(), 2, "{format}");
        // Somebody has written to it: it is theirs.
        std::fs::write(&journal, &text[..=end + text[end..].find('\n').unwrap()]).unwrap();
        let array = options.clone().scale(1).open(&bench.url(format)).unwrap();
        let ones = ndarray::ArrayD::<u8>::ones(
            array.shape().iter().map(|&length| length as usize).collect::<Vec<_>>(),
        );
        array.write(array.domain().origin(), ones.view()).unwrap();
        assert!(bench.fails(&line, 1).contains("none that an earlier run"), "{format}");
        bench.fails(&format!("{line} --no-resume"), 1);
    }
}

#[test]
fn what_a_copy_makes_is_incomplete_until_all_is_there() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&[700u16; 64]));
    for format in ["precomputed", "n5", "ome-zarr", "zarr2", "zarr3"] {
        let line = format!("copy in.npy {format} --create --format {format}");
        bench.fails(&format!("{line} --dtype uint8"), 2);
        assert!(bench.ok(&format!("info {format}")).contains("incomplete"), "{format}");
        assert!(bench.fails(&format!("compute max(a) a={format}"), 1).contains("incomplete"), "{format}");
        bench.ok(&format!("rm {format} --yes"));
        bench.ok(&line);
        assert!(!bench.ok(&format!("info {format}")).contains("incomplete"), "{format}");
        let text = bench.ok(&format!("info {format} --json"));
        let attributes = &serde_json::from_str::<Value>(&text).unwrap()["attributes"];
        assert!(!attributes.to_string().contains("incomplete"), "{format}");
        bench.ok(&format!("verify {format}"));
    }
}

/// Whatever axes are called, and if they have no names: sizes go with the axes.
#[test]
fn sizes_of_axes_of_any_name_are_kept() {
    let bench = Bench::new();
    let resolution = |array: &str| -> Value {
        let info: Value = serde_json::from_str(&bench.ok(&format!("info {array} --json"))).unwrap();
        json!([info["resolution"]["size"], info["resolution"]["unit"]])
    };
    for (source, names, turned) in [
        ("plain", "", "dim_2,dim_0,dim_1"),
        ("odd", "--dimension-names a,b,c", "c,a,b"),
        ("named", "--dimension-names z,y,x", "xzy"),
    ] {
        bench.ok(&format!(
            "create {source} --format zarr3 --shape 6,5,4 --dtype uint16 --resolution 40,8,4 {names}"
        ));
        bench.ok(&format!("copy {source} {source}-same --create"));
        assert_eq!(resolution(&format!("{source}-same")), json!([[40.0, 8.0, 4.0], "nm"]));
        let said = if source == "named" { "" } else { "--dimension-names zyx" };
        for (format, size) in [
            ("zarr2", [40.0, 8.0, 4.0]),
            ("n5", [4.0, 8.0, 40.0]),
            ("ome-zarr", [40.0, 8.0, 4.0]),
            ("precomputed", [4.0, 8.0, 40.0]),
        ] {
            let output =
                bench.run(&format!("copy {source} {source}-{format} --create --format {format} {said}"));
            let told = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && !told.contains("not keep"), "{source} to {format}: {told}");
            assert_eq!(resolution(&format!("{source}-{format}"))[0], json!(size), "{source} to {format}");
        }
        bench.ok(&format!("copy {source} {source}-turned --create --transpose {turned}"));
        assert_eq!(resolution(&format!("{source}-turned"))[0], json!([4.0, 40.0, 8.0]));
    }
    bench.ok("create time --format zarr3 --shape 6 --dtype uint16");
    bench.ok(r#"attributes time --set bigarrays={"resolution":[0.5],"unit":"s"}"#);
    for format in ["zarr3", "zarr2", "n5"] {
        let told =
            String::from_utf8(bench.run(&format!("copy time {format} --create --format {format}")).stderr)
                .unwrap();
        assert!(!told.contains("not keep"), "{told}");
        assert_eq!(resolution(format), json!([[0.5], "s"]), "{format}");
    }
}

#[test]
fn axes_without_names_are_turned_as_asked() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[4, 4, 4], &as_bytes(&volume([4, 4, 4])));
    for (format, turned) in [("zarr3", "dim_2,dim_0,dim_1"), ("zarr2", "dim_2,dim_0,dim_1"), ("n5", "zxy")] {
        bench.ok(&format!("create {format} --format {format} --shape 4,4,4 --dtype uint16"));
        bench.ok(&format!("copy in.npy {format}"));
        bench.ok(&format!("copy {format} {format}-turned --create --transpose {turned}"));
        let open = |name: &str| bigarrays::Array::open(&bench.url(name)).unwrap();
        let (array, copied) = (open(format), open(&format!("{format}-turned")));
        let at = |array: &bigarrays::Array, at: [i64; 3]| array.get::<u16>(&at).unwrap();
        assert_eq!(at(&copied, [1, 2, 3]), at(&array, [2, 3, 1]), "{format}");
    }
}
