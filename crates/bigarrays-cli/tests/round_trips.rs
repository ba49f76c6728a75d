//! What is imported is what is stored, and what is exported comes back.

mod common;

use common::{Bench, as_bytes, npy, volume, voxel};

const SHAPE: [i64; 3] = [13, 7, 5];

/// A layer of odd size below zero, made from a `.npy` with axes z, y, x.
fn imported() -> Bench {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[5, 7, 13], &as_bytes(&volume(SHAPE)));
    bench.ok("import in.npy layer --origin -3,0,-2 --chunk-shape 4,4,2 --resolution 8,8,40");
    bench
}

#[test]
fn npy_is_taken_as_zyx() {
    let bench = imported();
    assert_eq!(bench.elements::<u16>("layer"), ("-3:10,0:7,-2:3".into(), volume(SHAPE)));
}

#[test]
fn a_box_below_zero_and_beyond_the_layer() {
    let bench = imported();
    bench.ok("export layer out.npy --box -5:4,-1:3,-2:1");
    let said = bench.run("export layer out.tif --box -5:4,-1:3,-2:1").stderr;
    assert!(
        String::from_utf8_lossy(&said).contains("wrote box -5:4,-1:3,-2:1: axes z,y,x"),
        "x first, as in --box"
    );
    let mut expected = Vec::new();
    for z in -2..1 {
        for y in -1..3 {
            for x in -5..4 {
                let is_inside = x >= -3 && y >= 0;
                expected.push(if is_inside { voxel(x + 3, y, z + 2) } else { 0 });
            }
        }
    }
    let bytes = std::fs::read(bench.path("out.npy")).unwrap();
    assert!(bytes.ends_with(&as_bytes(&expected)));
    let header = String::from_utf8_lossy(&bytes[..128]);
    assert!(header.contains("'fortran_order': True") && header.contains("(9, 4, 3)"), "{header}");
}

#[test]
fn every_kind_of_file_comes_back() {
    let bench = imported();
    let options = "--origin -3,0,-2 --chunk-shape 5,64,3";
    for (file, how) in [
        ("out.npy", ""),
        ("out.tif", ""),
        ("slices", ""),
        ("out.raw", "--shape 13,7,5 --dtype uint16 --order F"),
        ("same.bin", "--shape 5,7,13 --dtype uint16"),
    ] {
        bench.ok(&format!("export layer {file} -q"));
        bench.ok(&format!("import {file} {file}-layer {how} {options}"));
        assert_eq!(
            bench.elements::<u16>(&format!("{file}-layer")),
            ("-3:10,0:7,-2:3".into(), volume(SHAPE)),
            "{file}"
        );
    }
    bench.ok("import slices/z*.png pattern --origin -3,0,-2");
    assert_eq!(bench.elements::<u16>("pattern"), bench.elements("layer"));
    let info: serde_json::Value = serde_json::from_str(&bench.ok("info out.tif-layer --json")).unwrap();
    assert_eq!(info["resolution"]["size"], serde_json::json!([8.0, 8.0, 40.0]), "kept in the TIFF file");
}

#[test]
fn axes_are_said() {
    let bench = Bench::new();
    npy(&bench.path("in.npy"), "<u2", false, &[5, 7, 13], &as_bytes(&volume(SHAPE)));
    let output = bench.run("import in.npy layer --dimension-names xzy --chunk-shape 4,4,4");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("axes x,z,y, 5 × 7 × 13 of uint16"), "{said}");
    assert!(said.contains("mapped to x,y,z: 5 × 13 × 7"), "{said}");
    let array = bigarrays::Array::open(&bench.url("layer")).unwrap();
    assert_eq!(array.get::<u16>(&[4, 12, 6]).unwrap(), voxel(12, 6, 4));
    bench.ok("export layer out.npy --transpose xzy");
    let (before, after) = (std::fs::read(bench.path("in.npy")), std::fs::read(bench.path("out.npy")));
    assert!(after.unwrap().ends_with(&before.unwrap()[100..]));
    bench.fails("import in.npy other --dimension-names xy", 2);
    bench.fails("import in.npy other --dimension-names xyt", 2);
}

#[test]
fn channels_and_single_images() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..3 * 4 * 5 * 6).map(|k| k as u8).collect();
    npy(&bench.path("in.npy"), "|u1", false, &[3, 4, 5, 6], &bytes);
    bench.ok("import in.npy layer --chunk-shape 4,4,4");
    assert_eq!(bench.elements::<u8>("layer"), ("0:6,0:5,0:4,0:3".into(), bytes));
    for (file, how) in [
        ("out.npy", ""),
        ("out.tif", ""),
        ("slices", ""),
        ("out.raw", "--shape 6,5,4,3 --dtype u8 --order F"),
    ] {
        bench.ok(&format!("export layer {file}"));
        bench.ok(&format!("import {file} {file}-layer {how}"));
        assert_eq!(bench.elements::<u8>(&format!("{file}-layer")), bench.elements("layer"), "{file}");
    }
    npy(&bench.path("image.npy"), "|u1", false, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    bench.ok("import image.npy image --origin 0,0,-7");
    assert_eq!(bench.elements::<u8>("image"), ("0:3,0:2,-7:-6".into(), vec![1, 2, 3, 4, 5, 6]));
}

#[test]
fn raw_headers_and_endianness() {
    let bench = Bench::new();
    let swapped: Vec<u8> = volume(SHAPE).iter().flat_map(|element| element.to_be_bytes()).collect();
    std::fs::write(bench.path("in.dat"), [&[7; 11][..], &swapped].concat()).unwrap();
    bench.ok("import in.dat layer --shape 5,7,13 --dtype uint16 --endian big --header-bytes 11");
    assert_eq!(bench.elements::<u16>("layer"), ("0:13,0:7,0:5".into(), volume(SHAPE)));
    bench.fails("import in.dat other --shape 50,7,13 --dtype uint16", 4);
    // Without a word on the header it would be taken for voxels.
    let said = bench.fails("import in.dat other --shape 5,7,13 --dtype uint16", 2);
    assert!(said.contains("in.dat") && said.contains("--header-bytes 11"), "{said}");
    assert!(!bench.path("other").exists());
    bench.ok("import in.dat other --shape 5,7,13 --dtype uint16 --header-bytes 0");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let bench = imported();
    let said = bench.fails("import in.npy layer", 1);
    assert!(said.contains("--overwrite"), "{said}");
    for out in ["out.npy", "slices"] {
        bench.ok(&format!("export layer {out}"));
        assert!(bench.fails(&format!("export layer {out}"), 1).contains("--overwrite"));
        bench.ok(&format!("export layer {out} --overwrite --box 0:3,0:3,0:3"));
    }
    assert_eq!(std::fs::read_dir(bench.path("slices")).unwrap().count(), 3);
    bench.fails("import in.npy layer --overwrite --encoding nonsense", 1);
    assert_eq!(bench.elements::<u16>("layer").1, volume(SHAPE), "what cannot be made removes nothing");
    bench.fails("import layer layer --overwrite", 2);
    bench.ok("import layer same --overwrite --chunk-shape 9,9,9");
    assert_eq!(bench.elements::<u16>("same").1, volume(SHAPE), "a layer is a source too");
    bench.ok("import in.npy layer --overwrite --origin 1,1,1");
    assert_eq!(bench.elements::<u16>("layer").0, "1:14,1:8,1:6");
}

#[test]
fn encodings_and_compressions() {
    let bench = imported();
    for how in [
        "--content-encoding gzip",
        "--content-encoding br",
        "--content-encoding zstd",
        "--encoding zstd",
        "--encoding png --level 9",
    ] {
        bench.ok(&format!("import in.npy other --overwrite --chunk-shape 4,4,2 --origin -3,0,-2 {how}"));
        assert_eq!(bench.elements::<u16>("other"), bench.elements("layer"), "{how}");
    }
    bench.ok("import in.npy other --overwrite --drop-fill --content-encoding gzip");
    let chunks = std::fs::read_dir(bench.path("other/1_1_1")).unwrap();
    let names: Vec<String> = chunks.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.contains(&"0-13_0-7_0-5.gz".to_owned()), "{names:?}");
}

#[test]
fn slices_of_every_kind() {
    let bench = Bench::new();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../bigarrays/tests/data/stacks");
    for folder in ["jpeg", "png-gray", "tiff-slices"] {
        bench.ok(&format!("import {data}/{folder} {folder}"));
        let list = ["slice10", "slice2", "slice9"].map(|name| {
            let extension =
                ["jpg", "png", "tif"].into_iter().find(|kind| folder.starts_with(&kind[..1])).unwrap();
            format!("{data}/{folder}/{name}.{extension}")
        });
        // As a shell expands `slice*`: in the order of the alphabet, but numbers count.
        bench.ok(&format!("import {} {folder}-list", list.join(" ")));
        let array = bigarrays::Array::open(&bench.url(folder)).unwrap();
        let list = bigarrays::Array::open(&bench.url(&format!("{folder}-list"))).unwrap();
        assert_eq!((array.shape()[2], array.dtype()), (3, list.dtype()));
        let bytes = |array: &bigarrays::Array| match array.dtype() {
            bigarrays::DataType::U8 => array.read::<u8>(array.domain()).unwrap().into_data().mapv(u16::from),
            _ => array.read::<u16>(array.domain()).unwrap().into_data(),
        };
        assert_eq!(bytes(&array), bytes(&list), "{folder}");
    }
}

#[test]
fn elements_at_points() {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..60u16).flat_map(|value| (value * 1000).to_le_bytes()).collect();
    npy(&bench.path("a.npy"), "<u2", false, &[3, 4, 5], &elements);
    bench.ok("import a.npy em --origin 10,-2,0 --resolution 8,8,40");
    let at = |x: i64, y: i64, z: i64| (z * 20 + (y + 2) * 5 + x - 10) * 1000;
    let points = [[10, -2, 0], [14, 1, 2], [12, 0, 1], [12, 0, 1]];

    let table = "id,Z,y,x,note\n1,0,-2,10,\n2,2,1,14,\"a, b\"\n3,1,0,12,\n4,1.9,0.5,12,\n";
    std::fs::write(bench.path("p.csv"), table).unwrap();
    let values = points.map(|[x, y, z]| at(x, y, z));
    let expected = format!(
        "id,Z,y,x,note,value\n1,0,-2,10,,{}\n2,2,1,14,\"a, b\",{}\n3,1,0,12,,{}\n4,1.9,0.5,12,,{}\n",
        values[0], values[1], values[2], values[3]
    );
    assert_eq!(bench.ok("sample em p.csv"), expected);
    bench.ok("sample em p.csv -o out.csv");
    assert_eq!(std::fs::read_to_string(bench.path("out.csv")).unwrap(), expected);
    assert!(bench.fails("sample em p.csv -o out.csv", 1).contains("out.csv"));
    bench.ok("sample em p.csv -o out.csv --overwrite --columns x,y,z");
    bench.fails("sample em p.csv --columns x,y", 2);
    assert!(bench.fails("sample em p.csv --columns x,y,w", 2).contains("\"w\""));

    // In nanometres, without a heading.
    std::fs::write(bench.path("nm.csv"), "80.5,-16,0\n112,8,119.9\n0,0,0\n").unwrap();
    assert!(bench.fails("sample em nm.csv --resolution 1,1,1", 2).contains("0"));
    let found = bench.ok("sample em nm.csv --resolution 1,1,1 --outside fill");
    assert_eq!(found, format!("80.5,-16,0,{}\n112,8,119.9,{}\n0,0,0,0\n", values[0], values[1]));
    std::fs::write(bench.path("bad.csv"), "x,y,z\n1,2,\n").unwrap();
    assert!(bench.fails("sample em bad.csv", 2).contains("line 2: \"\" is no coordinate"));
    // A first line of which a coordinate is missing is no heading.
    std::fs::write(bench.path("bad.csv"), "12,,1\n10,0,0\n").unwrap();
    assert!(bench.fails("sample em bad.csv", 2).contains("line 1: \"\" is no coordinate"));

    let coordinates: Vec<u8> = points.iter().flatten().flat_map(|at| at.to_le_bytes()).collect();
    npy(&bench.path("p.npy"), "<i8", false, &[4, 3], &coordinates);
    bench.ok("sample em p.npy -o values.npy");
    let (shape, found) = bench.elements::<u16>("values.npy");
    assert_eq!((&shape[..], found), ("0:4", values.map(|value| value as u16).to_vec()));
    assert!(bench.fails("sample em p.npy", 2).contains("--output"));
    assert!(bench.fails("sample em a.npy -o more.npy", 2).contains("rows of coordinates along x,y,z"));
}

#[test]
fn expressions_are_computed_into_arrays_and_numbers() {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..60u16).flat_map(|value| (value * 1000).to_le_bytes()).collect();
    npy(&bench.path("a.npy"), "<u2", false, &[3, 4, 5], &elements);
    bench.ok("import a.npy em --origin 10,-2,0 --chunk-shape 2,2,2");
    bench.ok("compute a//1000+b a=em b=em -o sum --format precomputed --chunk-shape 3,3,3");
    let (shape, found) = bench.elements::<u16>("sum");
    assert_eq!(shape, "10:15,-2:2,0:3");
    let sorted: std::collections::BTreeSet<u16> = found.into_iter().collect();
    assert_eq!(sorted, (0..60u16).map(|value| value * 1001).collect());
    assert_eq!(bench.ok("compute max(a) a=em").trim(), "59000");
    assert_eq!(bench.ok("compute mean(a)/1000 a=em").trim(), "29.5");
    bench.ok("compute mean(a,axis='z') a=em -o mean.zarr --dtype float32");
    let info: serde_json::Value = serde_json::from_str(&bench.ok("info mean.zarr --json")).unwrap();
    assert_eq!(
        (&info["dtype"], &info["dimension_names"]),
        (&"float32".into(), &serde_json::json!(["x", "y"]))
    );

    let plan = bench.ok("compute mean(a+1) a=em --explain --memory 100M");
    assert!(plan.contains("pass 1: mean((em + 1), axis=[0, 1, 2])") && plan.contains("budget of"), "{plan}");
    assert!(bench.fails("compute a+(b a=em", 2).contains("at character 4"));
    assert!(bench.fails("compute a+ a=em", 2).contains("at character 3"));
    assert!(bench.fails("compute a+1 a=em", 2).contains("--output"));
    assert!(bench.fails("compute a+1 a=em -o new --memory 1k", 7).contains("budget"));
    assert!(!bench.path("new").exists());
    assert!(
        bench.fails("compute a+1 a=em -o new --scratch nowhere", 3).contains("no folder for scratch files")
    );
    assert!(!bench.path("new").exists());
    assert!(bench.fails("compute a+1 a=em -o em --format precomputed", 2).contains("made of"));
    assert!(bench.fails("compute a+70000 a=em -o new", 2).contains("70000"));
    assert!(bench.fails("compute cast(a,'uint8') a=em -o new8", 2).contains("does not fit"));

    // What ended early goes on, and is refused if it is somebody else's.
    assert!(bench.fails("compute cast(a,'uint8') a=em -o taken --resume", 2).contains("does not fit"));
    assert!(bench.fails("compute cast(a,'uint8') a=em -o taken", 1).contains("already"));
    assert!(bench.fails("compute a+1 a=em -o taken --resume", 1).contains("already"));
    assert!(bench.fails("compute cast(a,'uint8') a=em -o taken --resume", 2).contains("does not fit"));
    let text = bench.ok("jobs --json");
    let jobs: serde_json::Value = serde_json::from_str(&text).unwrap();
    let listed: Vec<_> = jobs.as_array().unwrap().iter().collect();
    let said = listed.iter().find(|job| job["job"].as_str().unwrap().contains("uint8")).unwrap();
    assert_eq!((&said["done"], &said["running"]), (&0.into(), &false.into()), "{text}");
    assert!(said["total"].as_u64().unwrap() > 0, "{text}");
    let number = said["number"].as_str().unwrap().to_owned();
    assert!(bench.ok("jobs").contains(&number[..8]));
    assert!(bench.fails("jobs --forget nothing", 2).contains("0 jobs"));
    for job in listed {
        bench.ok(&format!("jobs --forget {}", job["number"].as_str().unwrap()));
    }
    assert_eq!(bench.ok("jobs --json").trim(), "[]");
    bench.ok("rm taken --yes");
    bench.ok("compute cast(a/1000,'uint8') a=em -o taken --resume");
    assert_eq!(bench.ok("compute max(a) a=taken").trim(), "59");
    let again = bench.says("compute cast(a/1000,'uint8') a=em -o taken --resume");
    assert!(again.contains("an earlier run of this command has done it"), "{again}");
    assert!(bench.fails("compute cast(a/1000,'uint8') a=em -o taken", 1).contains("already"));
    assert_eq!(std::fs::read_dir(bench.path(".state/bigarrays/jobs")).unwrap().count(), 0);
}

#[test]
fn plans_are_run_in_parts_by_other_processes() {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..6000u16).flat_map(|value| (value.wrapping_mul(977)).to_le_bytes()).collect();
    npy(&bench.path("a.npy"), "<u2", false, &[30, 20, 10], &elements);
    bench.ok("import a.npy em --origin 10,-2,0 --chunk-shape 4,4,4");
    let line = "compute m=mean(a,axis=2,keepdims=True);d=a-m;s=max(a)-a a=em";
    let outputs = |name: &str| format!("-o d={name}-d.zarr -o m={name}-m.zarr -o s={name}-s.zarr");
    let (one, three) = (outputs("one"), outputs("three"));
    bench.ok(&format!("{line} {one}"));
    let secret = "--storage-option secret_access_key=VERYSECRET --storage-option region=mars --storage-option endpoint=http://me:PASSWORD@localhost:9";
    bench.ok(&format!("{line} {three} --memory 2M --plan-only plan.json {secret}"));
    let text = std::fs::read_to_string(bench.path("plan.json")).unwrap();
    assert!(!text.contains("VERYSECRET") && !text.contains("PASSWORD") && text.contains("mars"), "{text}");
    assert!(bench.fails(&format!("{line} {three} --plan-only plan.json"), 1).contains("already"));
    assert!(bench.ok("info three-d.zarr").contains("incomplete"));
    let stages: serde_json::Value =
        serde_json::from_str(&bench.ok("run plan.json --explain --json")).unwrap();
    let stages = stages.as_array().unwrap();
    assert!(stages.len() > 2 && bench.ok("run plan.json --explain").contains("merge"), "{stages:?}");
    for stage in stages {
        let (number, tasks) = (&stage["stage"], stage["tasks"].as_u64().unwrap());
        let part = |tasks: String| bench.ok(&format!("run plan.json --stage {number} --tasks {tasks}"));
        part(format!("{}:", tasks / 2));
        if tasks > 1 && *number != stages.len() - 1 {
            let next = number.as_u64().unwrap() + 1;
            let said = bench.fails(&format!("run plan.json --stage {next}"), 2);
            assert!(said.contains("have not been run yet"), "{said}");
        }
        part(format!(":{}", tasks / 2));
        part("0:1 --threads 1".to_owned());
    }
    bench.ok("run plan.json --threads 1");
    for name in ["d", "m"] {
        let of = |which: &str| bench.elements::<f64>(&format!("{which}-{name}.zarr"));
        assert!(of("one") == of("three"), "{name}");
    }
    assert!(bench.elements::<u16>("one-s.zarr") == bench.elements::<u16>("three-s.zarr"));
    assert!(!bench.path("plan.json.parts").exists());
    bench.ok("run plan.json");
    for (line, said) in [
        ("run plan.json --stage 9", "there is no stage 9"),
        ("run plan.json --tasks 0:1", "--stage"),
        ("run plan.json --stage 0 --tasks 3:1", "behind the end"),
        ("run em/info", "no plan"),
    ] {
        assert!(bench.fails(line, 2).contains(said), "{line}");
    }
}

#[test]
fn several_expressions_are_computed_together() {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..60u16).flat_map(|value| (value * 10).to_le_bytes()).collect();
    npy(&bench.path("a.npy"), "<u2", false, &[3, 4, 5], &elements);
    bench.ok("import a.npy em --origin 10,-2,0 --chunk-shape 2,2,2");
    let line = "compute m=mean(a,axis='z',keepdims=True);s=a[11:13,...,0:2];s-m[11:13] a=em";
    let outputs = "-o rest.zarr -o m=m.zarr -o s=s.zarr";
    let said = bench.ok(&format!("{line} {outputs} --explain"));
    assert!(!bench.path("m.zarr").exists(), "{said}");
    bench.ok(&format!("{line} {outputs}"));
    for (name, expected) in [("m.zarr", "0:5,0:4,0:1"), ("s.zarr", "0:2,0:4,0:2")] {
        let info: serde_json::Value =
            serde_json::from_str(&bench.ok(&format!("info {name} --json"))).unwrap();
        assert_eq!(info["domain"], serde_json::Value::from(expected), "{info}");
    }
    let (_, rest) = bench.elements::<f64>("rest.zarr");
    // Layers are 200 apart, and the mean is that of the middle one.
    let count = |value: f64| rest.iter().filter(|&&one| one == value).count();
    assert_eq!((rest.len(), count(-200.0), count(0.0)), (16, 8, 8));
    assert_eq!(bench.ok("compute low=min(a);k=3;high=max(a)*k a=em"), "low = 0\nk = 3\nhigh = 1770\n");
    assert_eq!(bench.ok("compute m=max(a);m-a[14,1,2] a=em").trim(), "0");
    for (options, said) in [
        ("-o n=new", "names no result; there are m, s"),
        ("-o m=new -o s=new", "a place of its own"),
        ("-o m=new -o m=other", "a place of its own"),
        ("-o m=em", "made of"),
    ] {
        let line = "compute m=mean(a,axis=0);s=sum(a,axis=0) a=em";
        assert!(bench.fails(&format!("{line} {options}"), 2).contains(said), "{options}");
    }
    assert!(!bench.path("new").exists());
    assert!(bench.fails("compute a[99] a=em", 2).contains("at character 2"));
}
