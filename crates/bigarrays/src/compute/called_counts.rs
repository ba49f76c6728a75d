//! Functions of expressions that count or order elements, as they are called by name.

use crate::base::domain::Domain;
use crate::base::dtype::DataType;
use crate::base::error::{Error, Result};
use crate::compute::expr::Lazy;
use crate::compute::named::{Argument, Arguments};

pub(super) fn histogram(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axes, weights) = (arguments.axes(lazy, "axis")?.unwrap_or_default(), arguments.lazy("weights")?);
    let edges = match (arguments.take("edges"), arguments.count("bins")?) {
        (Some(Argument::Lazy(edges)), None) => edges,
        (Some(given), None) => {
            let edges = given.list().iter().map(|one| one.real("edges")).collect::<Result<Vec<f64>>>()?;
            let bytes: Vec<u8> = edges.iter().flat_map(|edge| edge.to_ne_bytes()).collect();
            Lazy::of_elements(&Domain::from_shape(&[edges.len() as u64])?, DataType::F64, &bytes)?
        }
        (None, bins) => lazy.equal_edges(bins.unwrap_or(10))?,
        (Some(_), Some(_)) => return Err(Error::invalid("edges= and bins= do not go together")),
    };
    lazy.histogram(&edges, &axes, weights.as_ref())
}

pub(super) fn bincount(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axes, weights) = (arguments.axes(lazy, "axis")?.unwrap_or_default(), arguments.lazy("weights")?);
    let missing = || Error::invalid("expected= is missing: how many numbers there may be");
    let expected = arguments.count("expected")?.ok_or_else(missing)?;
    lazy.bincount(&axes, expected, arguments.truth("drop")?, weights.as_ref())
}

pub(super) fn topk(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let (axis, missing) = (arguments.axis(lazy)?, || Error::invalid("k= is missing: how many elements"));
    lazy.top(arguments.count("k")?.ok_or_else(missing)?, axis, !arguments.truth("least")?)
}

pub(super) fn approx_quantile(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axes = arguments.axes(lazy, "axis")?.unwrap_or_default();
    let given = arguments.needed("q")?;
    let q = given.list().iter().map(|one| one.real("q")).collect::<Result<Vec<f64>>>()?;
    let found = lazy.approximate_quantile(&q, &axes, arguments.truth("skips")?)?;
    if matches!(given, Argument::List(_)) { Ok(found) } else { found.without_first() }
}
