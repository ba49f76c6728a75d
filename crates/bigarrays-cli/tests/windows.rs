//! Windows, filters and products in expressions of the command line.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::ndarray::Array2;
use bigarrays::{CreateSpec, DataType, OpenOptions};
use common::Bench;

fn found(bench: &Bench, name: &str) -> Vec<f64> {
    let array = OpenOptions::new().open(&*bench.url(name)).unwrap();
    array.read::<f64>(array.domain()).unwrap().into_data().into_raw_vec_and_offset().0
}

#[test]
fn functions_with_named_arguments_are_computed() {
    let bench = Bench::new();
    let mut spec = CreateSpec::new(DataType::F64, "0:4,0:2".parse().unwrap());
    spec.array.dimension_names = Some(vec![Some("t".to_owned()), Some("x".to_owned())]);
    let array = OpenOptions::new().format("zarr3").create(&*bench.url("t"), &spec).unwrap();
    array.write(&[0, 0], Array2::from_shape_fn((4, 2), |(t, x)| (t * t + 10 * x) as f64).view()).unwrap();
    for (number, (expression, expected)) in [
        ("rolling(t,how=\"mean\",axis=\"t\",width=2,min_count=1)[:,0]", &[0.0, 0.5, 2.5, 6.5][..]),
        ("coarsen(t,how=\"max\",axis=[0,1],width=[2,2])", &[11.0, 19.0]),
        ("cumsum(t,axis=0)[:,0]", &[0.0, 1.0, 5.0, 14.0]),
        ("median_filter(t,size=3,axes=\"t\",boundary=\"nearest\")[:,0]", &[0.0, 1.0, 4.0, 9.0]),
        // An axis that is called t is none of space.
        ("uniform_filter(t,size=3)[0,:]", &[10.0 / 3.0, 20.0 / 3.0]),
        (
            "correlate(t,weights=[[0,1],[0,0]],axes=[0,1],boundary=\"constant\",fill_value=-1)[:,0]",
            &[-1.0, 0.0, 1.0, 4.0],
        ),
        ("interpolate(t,axis=0,places=[0.5,2.0])[:,0]", &[0.5, 4.0]),
        ("tensordot(t,t,axes=0,of=0)", &[98.0, 238.0, 238.0, 778.0]),
        ("shift(t,axis=0,count=-1,fill_value=7)[:,0]+1", &[2.0, 5.0, 10.0, 8.0]),
    ]
    .into_iter()
    .enumerate()
    {
        bench.ok(&format!("compute {expression} t=t -o result{number} --format zarr3"));
        assert_eq!(found(&bench, &format!("result{number}")), expected, "{expression}");
    }
    for (expression, said) in [
        ("rolling(t,how=\"mean\",axis=0)", "width= is missing"),
        ("rolling(t,how=\"mode\",axis=0,width=2)", "known are sum, prod, mean"),
        ("rolling(t,how=\"mean\",axis=0,width=2,middle=True)", "no argument middle"),
        ("rolling(t,axis=0,t)", "an argument with a name"),
        ("diff(t,axis=0,axis=1)", "at character 15"),
        ("diff(t,t,axis=0)", "fewer expressions"),
    ] {
        let found = bench.fails(&format!("compute {expression} t=t -o wrong --format zarr3"), 2);
        assert!(found.contains(said), "{expression}: {found}");
    }
}
