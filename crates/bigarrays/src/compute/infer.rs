//! Where the elements of a result are, and what its axes are called.

use std::ops::Range;

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::{Error, Result};

/// Names of axes, as far as they have any.
pub(crate) type Names = Dims<Option<String>>;

/// The axis of the result that axis `axis` of an operand of `of` axes is.
pub(crate) fn axis_of(axis: usize, of: usize, result: usize) -> usize {
    axis + result - of
}

/// Whether an operand's axis of this length is repeated along an axis of the result.
pub(crate) fn is_repeated(length: u64, result: u64) -> bool {
    length == 1 && result != 1
}

/// The domain of what is made of elements that share their coordinates. Axes count from the last; an axis of length 1 is
/// repeated along a longer one.
///
/// # Errors
/// `InvalidArgument` if operands lie at different places, or have different lengths.
pub(crate) fn broadcast(domains: &[&Domain]) -> Result<Domain> {
    let ndim = domains.iter().map(|domain| domain.ndim()).max().unwrap_or(0);
    let mut ranges: Dims<Range<i64>> = Dims::new();
    for axis in 0..ndim {
        let mut found: Option<Range<i64>> = None;
        let of = |domain: &&&Domain| Some(domain.range((axis + domain.ndim()).checked_sub(ndim)?));
        for range in domains.iter().filter_map(|domain| of(&domain)) {
            let length = |range: &Range<i64>| range.end.abs_diff(range.start);
            match &found {
                None => found = Some(range),
                Some(known) if *known == range || is_repeated(length(&range), length(known)) => {}
                Some(known) if is_repeated(length(known), length(&range)) => found = Some(range),
                Some(known) => return Err(apart(domains, known, &range)),
            }
        }
        ranges.extend(found);
    }
    Domain::from_ranges(&ranges)
}

fn apart(domains: &[&Domain], one: &Range<i64>, other: &Range<i64>) -> Error {
    let all: Vec<String> = domains.iter().map(ToString::to_string).collect();
    let what = match one.end.abs_diff(one.start) == other.end.abs_diff(other.start) {
        true => "lie at different places; move one with `translate`, or take both as `positional`",
        false => "have different lengths",
    };
    Error::invalid(format!(
        "operands over {}: {}:{} and {}:{} {what}",
        all.join(" and "),
        one.start,
        one.end,
        other.start,
        other.end
    ))
}

/// The names of the axes of a result.
///
/// # Errors
/// `InvalidArgument` if two operands call one axis by different names.
pub(crate) fn names(operands: &[&Names]) -> Result<Names> {
    let ndim = operands.iter().map(|names| names.len()).max().unwrap_or(0);
    let mut found: Names = Dims::from_elem(None, ndim);
    for names in operands {
        for (axis, name) in names.iter().enumerate() {
            let Some(name) = name else { continue };
            match &mut found[axis_of(axis, names.len(), ndim)] {
                Some(known) if known != name => {
                    return Err(Error::invalid(format!(
                        "one axis is called {known} by one operand and {name} by another; permute one of them"
                    )));
                }
                place => *place = Some(name.clone()),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(domains: &[&str]) -> Result<String> {
        let domains: Vec<Domain> = domains.iter().map(|domain| domain.parse().unwrap()).collect();
        super::broadcast(&domains.iter().collect::<Vec<_>>()).map(|domain| domain.to_string())
    }

    #[test]
    fn coordinates_agree_or_are_repeated() {
        assert_eq!(broadcast(&["2:5,-1:3", "-1:3"]).unwrap(), "2:5,-1:3");
        assert_eq!(broadcast(&["2:5,7:8", "-1:3"]).unwrap(), "2:5,-1:3");
        assert_eq!(broadcast(&["2:5", "2:5", "9:10"]).unwrap(), "2:5");
        assert_eq!(broadcast(&["4:4", "9:10"]).unwrap(), "4:4");
        assert!(broadcast(&["2:5", "3:6"]).unwrap_err().to_string().contains("translate"));
        assert!(broadcast(&["2:3", "3:4"]).unwrap_err().to_string().contains("translate"));
        assert!(broadcast(&["2:5", "2:6"]).unwrap_err().to_string().contains("lengths"));
    }

    #[test]
    fn names_agree() {
        let of = |names: &[&str]| -> Names {
            names.iter().map(|name| Some((*name).to_owned()).filter(|name| !name.is_empty())).collect()
        };
        assert_eq!(names(&[&of(&["t", "", "x"]), &of(&["y", ""])]).unwrap(), of(&["t", "y", "x"]));
        assert!(names(&[&of(&["t", "x"]), &of(&["y"])]).unwrap_err().to_string().contains("permute"));
    }
}
