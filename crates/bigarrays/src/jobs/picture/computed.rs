//! Pictures of expressions: of what they show, the elements are computed first.

use std::ops::Range;

use crate::array::Array;
use crate::base::buffer::{Order, ViewMut};
use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, ErrorKind, Result};
use crate::compute::{ComputeOptions, Lazy, held, named_placeholder};
use crate::jobs::picture::options::PictureOptions;
use crate::jobs::picture::shown::Shown;

/// The array of the elements of which a picture of `lazy` is made, computed, and what is drawn of it.
///
/// # Errors
/// `MemoryBudget` if these are more bytes than the picture may take; those of computing.
pub(super) fn computed<'a>(
    lazy: &Lazy,
    options: &PictureOptions<'a>,
    compute: &ComputeOptions<'_>,
) -> Result<(Array, PictureOptions<'a>)> {
    let named = named_placeholder(lazy.domain(), lazy.dtype(), lazy.names())?;
    let shown = Shown::new(&named, options, options.labels.unwrap_or(false))?;
    let along = |axis: usize| -> Range<i64> {
        if shown.axes.contains(&axis) {
            return shown.part.range(axis);
        }
        let listed = [&shown.channels, &shown.planes].into_iter().flatten().find(|(known, _)| *known == axis);
        match listed.map(|(_, all)| &all[..]) {
            Some([first, .., last]) => *first..last + 1,
            Some([only]) => *only..only + 1,
            _ => shown.fixed[axis]..shown.fixed[axis] + 1,
        }
    };
    let part = Domain::from_ranges(&(0..lazy.ndim()).map(along).collect::<Dims<_>>())?;
    let needed = part.intersect(lazy.domain());
    let bytes = needed.checked_len()?.saturating_mul(lazy.dtype().size() as u64);
    if bytes > options.read_limit {
        let reason = format!(
            "{bytes} bytes of the expression would be computed, the limit is {}; take a smaller box",
            options.read_limit
        );
        return Err(Error::new(ErrorKind::MemoryBudget, reason).during("drawing"));
    }
    let cut: Vec<_> = needed.ranges().map(Into::into).collect();
    let shape: Dims<usize> = needed.shape().iter().map(|&length| length as usize).collect();
    let mut elements = vec![0; bytes as usize];
    let out = ViewMut::dense(&mut elements, &shape, lazy.dtype().size(), Order::C)?;
    lazy.slice(&cut)?.compute_into(out, compute)?;
    let array = held(&needed, lazy.dtype(), lazy.names(), &elements)?;
    Ok((array, PictureOptions { part: Some(part), axes: Some(shown.axes), ..options.clone() }))
}
