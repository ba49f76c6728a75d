//! Interpolation, regridding and products, as functions that are called by name.

use crate::base::error::{Error, Result};
use crate::compute::expr::Lazy;
use crate::compute::interpolation::Interpolation;
use crate::compute::named::Arguments;

pub(crate) fn interpolate(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let axis = arguments.axis(lazy)?;
    let places = arguments.reals("places")?.ok_or_else(|| Error::invalid("places= is missing"))?;
    let of = arguments.reals("of")?.unwrap_or_else(|| lazy.places(axis));
    let method =
        arguments.text("method")?.map_or(Ok(Interpolation::Linear), |name| Interpolation::named(&name))?;
    let is_flat = match arguments.text("outside")?.as_deref() {
        None | Some("missing") => false,
        Some("nearest") => true,
        Some(other) => {
            return Err(Error::invalid(format!("no outside={other:?}; known are missing and nearest")));
        }
    };
    lazy.interpolate(axis, &places, &of, method, is_flat)
}

pub(crate) fn regrid(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let missing = || Error::invalid("rows=, columns= and weights= are lists of as many numbers");
    let axes = arguments.axes(lazy, "axes")?.ok_or_else(|| Error::invalid("axes= is missing"))?;
    let shape = arguments.counts("shape")?.ok_or_else(|| Error::invalid("shape= is missing"))?;
    let (rows, columns) = (arguments.counts("rows")?, arguments.counts("columns")?);
    let (rows, columns) = (rows.ok_or_else(missing)?, columns.ok_or_else(missing)?);
    let weights = arguments.reals("weights")?.ok_or_else(missing)?;
    if rows.len() != columns.len() || rows.len() != weights.len() {
        return Err(missing());
    }
    let entries: Vec<(u64, u64, f64)> = rows
        .into_iter()
        .zip(columns)
        .zip(weights)
        .map(|((row, column), weight)| (row, column, weight))
        .collect();
    lazy.regrid(&axes, &shape, &entries)
}

pub(crate) fn tensordot(lazy: &Lazy, arguments: &mut Arguments) -> Result<Lazy> {
    let other = arguments.other().ok_or_else(|| Error::invalid("a product of two expressions"))?;
    let own = arguments.axes(lazy, "axes")?.ok_or_else(|| Error::invalid("axes= is missing"))?;
    let theirs = arguments
        .axes(&other, "of")?
        .ok_or_else(|| Error::invalid("of= is missing, the axes of the other"))?;
    if own.len() != theirs.len() {
        return Err(Error::invalid(format!("{} axes and {} axes", own.len(), theirs.len())));
    }
    lazy.tensordot(&other, &own.iter().copied().zip(theirs.iter().copied()).collect::<Vec<_>>())
}
