//! Pictures of planes.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::OpenOptions;
use bigarrays::jobs::{PictureOptions, Planes, picture};
use common::Bench;

/// A layer of 30 × 20 × 10 elements in which each differs from its neighbours.
fn with_layer() -> Bench {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..6000u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(bench.path("in.raw"), elements).unwrap();
    bench.ok("import in.raw em --shape 10,20,30 --dtype uint8 --resolution 8,8,40");
    bench
}

#[test]
fn the_picture_is_that_of_the_library() {
    let bench = with_layer();
    let said = String::from_utf8(bench.run("slice em --z 4 -o out.png").stderr).unwrap();
    assert!(said.contains("drew 30 × 20 pixels"), "{said}");
    let array = OpenOptions::new().open(&bench.url("em")).unwrap();
    let plane = PictureOptions { at: vec![(2, Planes::At(4))], ..PictureOptions::default() };
    let png = picture(&array, &plane).unwrap().png().unwrap();
    assert_eq!(std::fs::read(bench.path("out.png")).unwrap(), png);
    // To standard output, by another name of the axis, and by its number.
    for line in ["slice em --at z=4 -o -", "slice em --at 2=4 -o -", "slice em --box 0:30,0:20,4:5 -o -"] {
        assert_eq!(bench.run(line).stdout, png, "{line}");
    }
    // What is there is replaced only if that is asked for.
    bench.fails("slice em --z 4 -o out.png", 1);
    bench.ok(
        "slice em --z 4:8 --captions --scale-bar --color-map viridis --pixels 300 -o out.png --overwrite",
    );
    assert!(std::fs::read(bench.path("out.png")).unwrap() != png);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = with_layer();
    for line in [
        "slice em --z 4 --at z=5=6 -o a.png",
        "slice em --at q=5 -o a.png",
        "slice em --at 5 -o a.png",
        "slice em --x 1 --y 2 -o a.png",
        "slice em --z 1 --transpose x -o a.png",
        "slice em --z 1 --pixels 0 -o a.png",
    ] {
        bench.fails(line, 2);
    }
    bench.fails("slice em --z 10 -o a.png", 2);
    assert!(!bench.path("a.png").exists());
}
