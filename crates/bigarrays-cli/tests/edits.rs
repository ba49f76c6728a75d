//! Contrast, regions of interest, slices that are moved, and boxes that are blanked.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::OpenOptions;
use common::Bench;

/// A layer of 30 × 20 × 10 elements, each between 50 and 149 and other than its neighbours, and those.
fn with_layer() -> (Bench, Vec<u8>) {
    let bench = Bench::new();
    let elements: Vec<u8> = (0..6000u32).map(|k| 50 + (k * 37 % 100) as u8).collect();
    std::fs::write(bench.path("in.raw"), &elements).unwrap();
    bench.ok("import in.raw em --shape 10,20,30 --dtype uint8 --chunk-shape 8,8,4");
    (bench, elements)
}

fn elements(bench: &Bench, name: &str) -> Vec<u8> {
    let array = OpenOptions::new().open(&bench.url(name)).unwrap();
    let found = array.read::<u8>(array.domain()).unwrap().into_data();
    // As the raw file has them: x is the fastest.
    found.reversed_axes().iter().copied().collect()
}

#[test]
fn contrast_is_stretched() {
    let (bench, before) = with_layer();
    bench.ok("normalize em bright --contrast 50,149");
    let stretched = |element: u8| (f64::from(element - 50) / 99.0 * 255.0).round_ties_even() as u8;
    assert_eq!(
        elements(&bench, "bright"),
        before.iter().map(|&element| stretched(element)).collect::<Vec<_>>()
    );
    bench.ok("normalize em by-slice --by z --resume");
    let info = bench.ok("info by-slice");
    assert!(info.contains("8 × 8 × 4") && info.contains("uint8"), "{info}");
    assert_eq!(bench.journals(), 0);
    let plan = bench.ok("normalize em wide --dtype uint16 --dry-run");
    assert!(plan.contains("pass 1") && !bench.path("wide").exists(), "{plan}");
    bench.fails("normalize em em", 2);
    bench.fails("normalize em wide --contrast 3", 2);
    bench.fails("normalize em wide --by q", 2);
}

#[test]
fn slices_are_restacked() {
    let (bench, before) = with_layer();
    let plane = |z: usize| before[z * 600..(z + 1) * 600].to_vec();
    bench.ok("restack em fewer --axis z --delete 2:4,7");
    let kept = [0, 1, 4, 5, 6, 8, 9].map(plane).concat();
    assert_eq!(elements(&bench, "fewer"), kept);
    bench.ok("restack em turned --axis 2 --keep 9,0:2,0");
    assert_eq!(elements(&bench, "turned"), [9, 0, 1, 0].map(plane).concat());
    bench.ok("restack em mended --axis z --delete 5 --insert 5=turned --format zarr3");
    assert_eq!(elements(&bench, "mended"), [0, 1, 2, 3, 4, 9, 0, 1, 0, 6, 7, 8, 9].map(plane).concat());
    bench.fails("restack em x --axis z --keep 10", 2);
    bench.fails("restack em x --axis z --delete a", 2);
    assert!(!bench.path("x").exists());
}

#[test]
fn boxes_are_blanked_and_what_is_left_is_found() {
    let (bench, mut before) = with_layer();
    assert_eq!(bench.ok("roi em"), "0:30,0:20,0:10\n");
    let said = String::from_utf8(bench.run("blank em --box 0:12,0:20,0:10 --dry-run").stderr).unwrap();
    assert!(said.contains("9 chunks would be removed, 9 would change"), "{said}");
    assert_eq!(elements(&bench, "em"), before);
    let said = String::from_utf8(bench.run("blank em --box 0:12,0:20,0:10").stderr).unwrap();
    assert!(said.contains("9 chunks removed, 9 changed"), "{said}");
    before.iter_mut().enumerate().filter(|(k, _)| k % 30 < 12).for_each(|(_, element)| *element = 0);
    assert_eq!(elements(&bench, "em"), before);
    assert_eq!(bench.ok("roi em"), "12:30,0:20,0:10\n");
    bench.ok("compute em>100 em=em -o mask");
    bench.ok("blank em --mask mask --box 0:30,0:20,0:5");
    let is_masked = |k: usize, element: u8| k < 3000 && element > 100;
    before.iter_mut().enumerate().filter(|(k, e)| is_masked(*k, **e)).for_each(|(_, element)| *element = 0);
    assert_eq!(elements(&bench, "em"), before);
    bench.ok("blank em --box -100:100,-100:100,-100:100");
    assert_eq!(bench.ok("roi em --json"), "null\n");
    bench.fails("blank em", 2);
}
