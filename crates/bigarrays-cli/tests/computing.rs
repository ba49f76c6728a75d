//! Groups and order statistics in expressions of the command line.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::ndarray::{Array1, Array2, ArrayD};
use bigarrays::{CreateSpec, DataType, Element, OpenOptions};
use common::Bench;

fn make(bench: &Bench, name: &str, shape: &str, elements: ArrayD<f32>) {
    let spec = CreateSpec::new(DataType::F32, shape.parse().unwrap());
    let array = OpenOptions::new().format("zarr3").create(&*bench.url(name), &spec).unwrap();
    array.write(&vec![0; elements.ndim()], elements.view()).unwrap();
}

fn found<T: Element>(bench: &Bench, name: &str) -> Vec<T> {
    let array = OpenOptions::new().open(&*bench.url(name)).unwrap();
    array.read::<T>(array.domain()).unwrap().into_data().into_raw_vec_and_offset().0
}

#[test]
fn groups_and_medians_are_computed() {
    let bench = Bench::new();
    let t = Array2::from_shape_fn((6, 2), |(k, x)| (k * k + x) as f32);
    make(&bench, "t", "0:6,0:2", t.into_dyn());
    make(&bench, "zones", "0:2", Array1::from_vec(vec![1.0, 0.0]).into_dyn());
    bench.ok("compute mean(t,axis=0,by=coordinate(t,axis=0)%2,expected=2) t=t -o means --format zarr3");
    assert_eq!(found::<f32>(&bench, "means"), [20.0 / 3.0, 23.0 / 3.0, 35.0 / 3.0, 38.0 / 3.0]);
    bench.ok("compute g=max(t,axis=0,by=coordinate(t)%2,expected=2);t-back(g) t=t -o least --format zarr3");
    assert_eq!(found::<f32>(&bench, "least")[..4], [-16.0, -16.0, -24.0, -24.0]);
    bench.ok("compute median(t,axis=0) t=t -o medians --format zarr3");
    assert_eq!(found::<f32>(&bench, "medians"), [6.5, 7.5]);
    bench.ok("compute quantile(t,q=[0,1],axis=1,method=\"lower\") t=t -o quantiles --format zarr3");
    assert_eq!(found::<f32>(&bench, "quantiles")[4..8], [16.0, 25.0, 1.0, 2.0]);
    bench.ok("compute sum(t,axis=1,by=z,expected=3) t=t z=zones -o sums --format zarr3");
    assert_eq!(found::<f32>(&bench, "sums")[..6], [1.0, 0.0, 0.0, 2.0, 1.0, 0.0]);
    let said = bench.fails("compute sum(t,axis=1,by=z,expected=1) t=t z=zones -o other --format zarr3", 2);
    assert!(said.contains("the label 1 is none of the 1 groups"), "{said}");
    let said = bench.fails("compute sum(t,axis=1,by=z) t=t z=zones -o third --format zarr3", 2);
    assert!(said.contains("expected=12"), "{said}");
}

#[test]
fn names_of_python_are_known_and_numbers_are_no_arrays() {
    let bench = Bench::new();
    make(&bench, "t", "0:3", Array1::from_vec(vec![-1.5, 2.5, 3.25]).into_dyn());
    bench.ok("compute round(abs(t)) t=t -o rounded --format zarr3");
    assert_eq!(found::<f32>(&bench, "rounded"), [2.0, 2.0, 3.0]);
    for name in ["nan", "inf", "pi", "True"] {
        let said = bench.fails(&format!("compute sum({name}) {name}=t"), 2);
        assert!(said.contains(&format!("{name} is a number in expressions")), "{said}");
    }
    let said = bench.ok("compute --help");
    for name in ["median", "nanquantile", "back(", "coordinate(", "by=", "expected="] {
        assert!(said.contains(name), "{name}");
    }
}
