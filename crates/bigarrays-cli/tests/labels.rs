//! Jobs on labels.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Instant;

use bigarrays::ndarray::{Array2, Array3, array};
use bigarrays::{CreateSpec, DataType, Element, OpenOptions};
use common::{Bench, PATIENCE, wait};

fn make(bench: &Bench, name: &str, elements: Array2<u32>) {
    let domain = format!("0:{},0:{}", elements.nrows(), elements.ncols());
    let spec = CreateSpec::new(DataType::U32, domain.parse().unwrap());
    let array = OpenOptions::new().format("zarr3").create(&*bench.url(name), &spec).unwrap();
    array.write(&[0, 0], elements.view()).unwrap();
}

fn found<T: Element>(bench: &Bench, name: &str) -> Vec<T> {
    let array = OpenOptions::new().open(&*bench.url(name)).unwrap();
    array.read::<T>(array.domain()).unwrap().into_data().into_raw_vec_and_offset().0
}

#[test]
fn components_are_found_and_listed() {
    let bench = Bench::new();
    make(&bench, "labels", array![[5, 5, 0, 5], [0, 0, 7, 5]]);
    bench.ok("components labels parts --statistics parts.csv --resume");
    assert_eq!(found::<u64>(&bench, "parts"), [1, 1, 0, 2, 0, 0, 3, 2]);
    let table = std::fs::read_to_string(bench.path("parts.csv")).unwrap();
    let due =
        "label,voxels,dim_0_start,dim_0_stop,dim_1_start,dim_1_stop\n1,2,0,1,0,2\n2,2,0,2,3,4\n3,1,1,2,2,3\n";
    assert_eq!(table, due);
    bench.ok("components labels mask --binary --connectivity 8 --dtype uint8");
    assert_eq!(found::<u8>(&bench, "mask"), [1, 1, 0, 1, 0, 0, 1, 1]);
    bench.ok("components labels above --above 5");
    assert_eq!(found::<u64>(&bench, "above"), [0, 0, 0, 0, 0, 0, 1, 0]);
    let said = bench.fails("components labels parts", 1);
    assert!(said.contains("parts"), "{said}");
    let said = bench.fails("components labels other --connectivity 6", 2);
    assert!(said.contains("4 or 8"), "{said}");
}

#[test]
fn what_is_done_is_not_done_again() {
    let bench = Bench::new();
    make(&bench, "labels", array![[5, 5, 0, 5], [0, 0, 7, 5]]);
    std::fs::write(bench.path("by.csv"), "old,new\n5,50\n").unwrap();
    let commands = [
        ("components labels parts --statistics parts.csv", "parts", "3 components"),
        ("remap labels by.csv -o kept", "kept", "by 1 labels"),
        ("renumber labels numbers --table names.csv", "numbers", "2 labels"),
        ("normalize labels bright", "bright", "wrote bright"),
        ("restack labels fewer --axis 1 --delete 1", "fewer", "wrote fewer"),
        ("labels labels -o table.csv", "table.csv", "wrote table.csv"),
        ("contacts labels -o pairs.csv", "pairs.csv", "wrote pairs.csv"),
    ];
    for (command, made, said) in commands {
        let resumed = format!("{command} --resume");
        bench.ok(&resumed);
        let changed = || bench.path(made).metadata().unwrap().modified().unwrap();
        let before = changed();
        let again = bench.says(&resumed);
        assert!(again.contains("an earlier run") && again.contains(said), "{again}");
        assert_eq!(before, changed(), "{command}");
        // Who does not ask for it, or for something else, is not told that it is done.
        bench.fails(command, 1);
        let path = bench.path(made);
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
        for table in ["parts.csv", "names.csv"] {
            let _ = std::fs::remove_file(bench.path(table));
        }
        let anew = bench.says(&resumed);
        assert!(!anew.contains("an earlier run"), "{anew}");
        assert!(bench.path(made).exists(), "{command}");
    }
}

#[test]
fn scales_that_are_made_are_not_made_again() {
    let bench = Bench::new();
    let spec = CreateSpec::new(DataType::U8, "3:40,5:40,7:40".parse().unwrap());
    let em = OpenOptions::new().create(&*bench.url("em"), &spec).unwrap();
    em.write(&[3, 5, 7], Array3::from_elem((9, 9, 9), 8u8).view()).unwrap();
    bench.ok("downsample em --levels 2 --resume");
    let again = bench.says("downsample em --levels 2 --resume");
    assert!(again.contains("an earlier run") && again.contains("scale 4_4_4"), "{again}");
    for other in ["", " --method max --resume", " --ignore 0 --resume", " --chunk-shape 16,16,16 --resume"] {
        let said = bench.fails(&format!("downsample em --levels 2{other}"), 1);
        assert!(said.contains("a coarser scale"), "{said}");
    }
    assert_eq!(bench.journals(), 0);
    let said = bench.says("copy em other --create --mips 0");
    assert!(said.contains("none was asked for"), "{said}");
}

#[test]
fn what_is_computed_is_not_computed_again_unless_its_inputs_changed() {
    let bench = Bench::new();
    let spec = CreateSpec::new(DataType::U8, "0:20,0:20".parse().unwrap());
    let array = OpenOptions::new().format("zarr3").create(&*bench.url("a"), &spec).unwrap();
    array.write(&[3, 5], Array2::from_elem((9, 9), 8u8).view()).unwrap();
    let line = "compute m=mean(a);a-m a=a -o d -o m=mean --resume";
    bench.ok(line);
    let again = bench.says(&format!("{line} --memory 64M"));
    assert!(again.contains("an earlier run") && again.contains("computed d: "), "{again}");
    for other in
        ["compute m=max(a);a-m a=a -o d -o m=mean --resume", "compute m=mean(a);a-m a=a -o d -o m=mean"]
    {
        assert!(bench.fails(other, 1).contains("already exists"));
    }
    array.write(&[0, 0], Array2::from_elem((1, 1), 9u8).view()).unwrap();
    assert!(bench.fails(line, 1).contains("already exists"));
    assert_eq!(bench.journals(), 0);
}

/// Who does not say --resume is told of it, where an earlier run has begun.
#[test]
fn what_was_stopped_is_said() {
    let bench = Bench::new();
    let elements = Array2::from_shape_fn((2000, 2000), |(row, column)| (row * column) as u32 % 7);
    make(&bench, "labels", elements);
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE);
        let mut child =
            bench.command("components labels parts --resume --chunk-shape 50,50").spawn().unwrap();
        wait(|| bench.path("parts/c").exists() || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        if bench.journals() == 1 {
            break;
        }
        std::fs::remove_dir_all(bench.path("parts")).unwrap();
        std::fs::remove_dir_all(bench.path(".state")).unwrap();
    }
    let said = bench.fails("components labels parts --chunk-shape 50,50", 1);
    assert!(said.contains("the same command with --resume goes on"), "{said}");
    bench.ok("components labels parts --chunk-shape 50,50 --resume");
}

#[test]
fn labels_are_listed_remapped_and_renumbered() {
    let bench = Bench::new();
    make(&bench, "labels", array![[5, 5, 0, 3], [0, 9, 9, 3]]);
    let table = "label,voxels,dim_0_start,dim_0_stop,dim_1_start,dim_1_stop,dim_0_centroid,dim_1_centroid\n\
                 3,2,0,2,3,4,0.5,3\n5,2,0,1,0,2,0,0.5\n9,2,1,2,1,3,1,1.5\n";
    assert_eq!(bench.ok("labels labels"), table);
    make(&bench, "image", array![[1, 2, 3, 4], [5, 6, 7, 8]]);
    bench.ok("labels labels --image image -o table.csv --resume");
    let listed = std::fs::read_to_string(bench.path("table.csv")).unwrap();
    let row = listed.lines().nth(1).unwrap();
    assert!(row.starts_with("3,2,0,2,3,4,0.5,3,6,4,8"), "{listed}");
    let pairs = "label_1,label_2,dim_0_faces,dim_1_faces,area\n3,9,0,1,1\n5,9,1,0,1\n";
    assert_eq!(bench.ok("contacts labels"), pairs);
    bench.ok("contacts labels -o contacts.npy");
    let records = std::fs::read(bench.path("contacts.npy")).unwrap();
    assert!(records.starts_with(b"\x93NUMPY") && records.len() % 64 == 80 % 64, "{}", records.len());

    std::fs::write(bench.path("by.csv"), "old,new\n5,50\n3,4\n").unwrap();
    bench.ok("remap labels by.csv -o kept --resume");
    assert_eq!(found_of(&bench, "kept"), [50, 50, 0, 4, 0, 9, 9, 4]);
    bench.ok("remap labels by.csv -o others --unlisted 1 --dtype uint64");
    assert_eq!(found::<u64>(&bench, "others"), [50, 50, 0, 4, 0, 1, 1, 4]);
    let said = bench.fails("remap labels by.csv -o refused --unlisted error", 2);
    assert!(said.contains("label 9"), "{said}");
    std::fs::write(bench.path("wrong.csv"), "5,50\n3;4\n").unwrap();
    let said = bench.fails("remap labels wrong.csv -o wrong", 2);
    assert!(said.contains("line 2"), "{said}");

    bench.ok("renumber labels numbers --table names.csv --resume");
    assert_eq!(found_of(&bench, "numbers"), [1, 1, 0, 2, 0, 3, 3, 2]);
    assert_eq!(std::fs::read_to_string(bench.path("names.csv")).unwrap(), "label,number\n3,2\n5,1\n9,3\n");
    bench.ok("renumber labels by-value --numbering value --dtype uint8");
    assert_eq!(found::<u8>(&bench, "by-value"), [2, 2, 0, 1, 0, 3, 3, 1]);
    bench.fails("renumber labels third --numbering size", 2);
}

#[test]
fn tables_are_read_as_they_are_written() {
    let bench = Bench::new();
    make(&bench, "labels", array![[5, 5, 0, 3], [0, 9, 9, 3]]);
    for (number, first) in
        ["5,50", "\u{feff}5,50", "+5,50", "\"5\",\"50\"", "old,new\r\n5,50"].iter().enumerate()
    {
        std::fs::write(bench.path("by.csv"), format!("{first}\n3,4\n")).unwrap();
        bench.ok(&format!("remap labels by.csv -o kept-{number}"));
        assert_eq!(found_of(&bench, &format!("kept-{number}")), [50, 50, 0, 4, 0, 9, 9, 4], "{first:?}");
    }
    for first in ["5.0,50", "5;50", "5\t50", "5,5e1", "5,50,1"] {
        std::fs::write(bench.path("by.csv"), format!("{first}\n3,4\n")).unwrap();
        let said = bench.fails("remap labels by.csv -o refused", 2);
        assert!(said.contains("line 1") && said.contains("two columns"), "{said}");
    }
    std::fs::write(bench.path("by.csv"), "9,18446744073709551615\n").unwrap();
    bench.ok("remap labels by.csv -o wide --dtype uint64 --unlisted 9223372036854775808");
    let (large, other) = (u64::MAX, 1 << 63);
    assert_eq!(found::<u64>(&bench, "wide"), [other, other, 0, other, 0, large, large, other]);
    std::fs::write(bench.path("points.csv"), "1px,2px\n0,1\n").unwrap();
    let said = bench.fails("sample labels points.csv", 2);
    assert!(said.contains("1px"), "{said}");
}

#[test]
fn images_of_two_axes_have_labels() {
    let bench = Bench::new();
    let image = OpenOptions::new().format("npy");
    let create = |name: &str, domain: &str| {
        let spec = CreateSpec::new(DataType::U8, domain.parse().unwrap());
        image.create(&*bench.url(name), &spec).unwrap()
    };
    let labels = create("labels.npy", "0:2,0:3");
    labels.write(&[0, 0], array![[7u8, 7, 0], [0, 7, 3]].view()).unwrap();
    std::fs::write(bench.path("by.csv"), "7,9\n").unwrap();
    bench.ok("components labels.npy parts --dtype uint8");
    bench.ok("renumber labels.npy numbers");
    bench.ok("remap labels.npy by.csv -o others");
    bench.ok("normalize labels.npy bright --contrast 0,7");
    bench.ok("restack labels.npy less --axis 0 --delete 0");
    assert_eq!(found::<u8>(&bench, "parts"), [1, 1, 0, 0, 1, 2]);
    assert_eq!(found::<u8>(&bench, "numbers"), [1, 1, 0, 0, 1, 2]);
    assert_eq!(found::<u8>(&bench, "others"), [9, 9, 0, 0, 9, 3]);
    assert_eq!(found::<u8>(&bench, "bright"), [255, 255, 0, 0, 255, 109]);
    assert_eq!(found::<u8>(&bench, "less"), [0, 7, 3]);
    for name in ["parts", "numbers", "others", "bright", "less"] {
        assert_eq!(OpenOptions::new().open(&*bench.url(name)).unwrap().format(), "zarr3", "{name}");
    }
    // A layer has them in one plane, if it is asked for.
    bench.ok("components labels.npy layer --dtype uint8 --format precomputed");
    let layer = OpenOptions::new().open(&*bench.url("layer")).unwrap();
    assert_eq!((layer.format(), layer.shape().to_vec()), ("precomputed", vec![3, 2, 1]));
    let whole = layer.read::<u8>(layer.domain()).unwrap().into_data();
    assert_eq!(whole.reversed_axes().iter().copied().collect::<Vec<_>>(), [1, 1, 0, 0, 1, 2]);
    create("volume.npy", "0:2,0:3,0:4");
    bench.ok("components volume.npy volume-parts --dtype uint8");
    bench.ok("normalize volume.npy volume-bright");
    let format = |name: &str| OpenOptions::new().open(&*bench.url(name)).unwrap().format();
    assert_eq!((format("volume-parts"), format("volume-bright")), ("precomputed", "zarr3"));
}

#[test]
fn targets_within_the_source_are_refused() {
    let bench = Bench::new();
    let spec = CreateSpec::new(DataType::U32, "0:4,0:4,0:4".parse().unwrap());
    let key = OpenOptions::new().create(&*bench.url("layer"), &spec).unwrap().scales()[0].key.clone();
    std::fs::write(bench.path("by.csv"), "7,9\n").unwrap();
    for target in [format!("layer/{key}"), "layer".to_owned(), ".".to_owned()] {
        for line in ["components layer", "renumber layer", "remap layer by.csv -o"] {
            let said = bench.fails(&format!("{line} {target}"), 2);
            assert!(said.contains("overwrite"), "{said}");
        }
    }
}

fn found_of(bench: &Bench, name: &str) -> Vec<u32> {
    found(bench, name)
}
