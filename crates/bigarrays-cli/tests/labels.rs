//! Jobs on labels.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::ndarray::{Array2, array};
use bigarrays::{CreateSpec, DataType, Element, OpenOptions};
use common::Bench;

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
