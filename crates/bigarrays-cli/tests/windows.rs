//! Windows, filters and products in expressions of the command line.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bigarrays::format::{self, FormatOptions};
use bigarrays::ndarray::{Array1, Array2};
use bigarrays::{CreateSpec, DataType, OpenOptions};
use common::Bench;
use serde_json::json;

fn found(bench: &Bench, name: &str) -> Vec<f64> {
    let array = OpenOptions::new().open(&*bench.url(name)).unwrap();
    array.read::<f64>(array.domain()).unwrap().into_data().into_raw_vec_and_offset().0
}

/// An array `t` of the axes t and x, of t² + 10x.
fn with_array() -> Bench {
    let bench = Bench::new();
    let mut spec = CreateSpec::new(DataType::F64, "0:4,0:2".parse().unwrap());
    spec.array.dimension_names = Some(vec![Some("t".to_owned()), Some("x".to_owned())]);
    let array = OpenOptions::new().format("zarr3").create(&*bench.url("t"), &spec).unwrap();
    array.write(&[0, 0], Array2::from_shape_fn((4, 2), |(t, x)| (t * t + 10 * x) as f64).view()).unwrap();
    bench
}

#[test]
fn functions_with_named_arguments_are_computed() {
    let bench = with_array();
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

#[test]
fn periods_are_those_of_a_calendar() {
    let bench = with_array();
    let spec = CreateSpec::new(DataType::I32, "0:4".parse().unwrap());
    let times = OpenOptions::new().format("zarr3").create(&*bench.url("time"), &spec).unwrap();
    times.write(&[0], Array1::from_vec(vec![0, 29, 59, 90]).view()).unwrap();
    let computed = |given: &str, output: &str| {
        let expression = format!("resample(t, how=\"sum\", axis=\"t\", {given})[:, 0]");
        let words = [expression.as_str(), "t=t", "time=time", "-o", output];
        let output = bench.command("compute").args(words).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (is_done, said) = computed("period=\"month\", times=time", "none");
    assert!(!is_done && said.contains("units= is missing"), "{said}");
    let attributes = json!({"units": "days since 2001-01-01", "calendar": "360_day"});
    let attributes = attributes.as_object().unwrap();
    format::update_attributes(&*bench.url("time"), attributes, &FormatOptions::default()).unwrap();
    // What is computed of times has no attributes.
    let (is_done, said) = computed("period=\"month\", times=time+1", "none");
    assert!(!is_done && said.contains("units= is missing"), "{said}");
    for (number, (given, expected)) in [
        ("period=\"month\",times=time", &[1.0, 4.0, 0.0, 9.0][..]),
        ("period=\"month\",times=time[0:4]", &[1.0, 4.0, 0.0, 9.0]),
        ("period=\"month\",times=time,calendar=\"noleap\"", &[1.0, 0.0, 4.0, 9.0]),
        ("period=\"season\",times=time,min_count=3", &[5.0, f64::NAN]),
        ("period=\"year\",times=[0,1,400,400.5],units=\"days since 2001-01-01\"", &[1.0, 13.0]),
    ]
    .into_iter()
    .enumerate()
    {
        let result = format!("result{number}");
        let (is_done, said) = computed(given, &result);
        assert!(is_done, "{said}");
        let found = found(&bench, &result);
        let is_same = |(one, other): (&f64, &f64)| one == other || one.is_nan() && other.is_nan();
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(is_same),
            "{given}: {found:?}"
        );
    }
}

#[test]
fn groups_by_several_labels_lie_along_axes_of_their_own() {
    let bench = with_array();
    for (number, (expression, expected)) in [
        (
            "sum(t,axis=[[\"t\"],[\"x\"]],by=[coordinate(t,axis=0)%2,coordinate(t,axis=1)],expected=[2,2])",
            &[4.0, 24.0, 10.0, 30.0][..],
        ),
        ("std(t,axis=0,by=coordinate(t,axis=0)*0,expected=2,fill=-1)[1,:]", &[-1.0, -1.0]),
        ("quantile(t,axis=0,q=[0.5])[0,:]", &[2.5, 12.5]),
        ("quantile(t,axis=0,q=0.5)", &[2.5, 12.5]),
    ]
    .into_iter()
    .enumerate()
    {
        bench.ok(&format!("compute {expression} t=t -o result{number}"));
        assert_eq!(found(&bench, &format!("result{number}")), expected, "{expression}");
    }
    let said = bench.fails("compute sum(t,axis=[[0],[1]]) t=t", 2);
    assert!(said.contains("a list for each of several labels"), "{said}");
}
