//! Boxes of several results over domains of their own: a box of one of them, and where each of the others lies beside it.

use crate::base::dims::Dims;
use crate::base::domain::Domain;
use crate::base::error::Result;

/// So many ways to lie along a frame are gone on with.
const MOST: usize = 1 << 8;

/// For each axis of a result, the axis of the frame that it lies along; a result is whole in each box along the others.
pub(crate) type Along = Dims<Option<usize>>;

/// The domain whose boxes are those of all results, and where each of these lies in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) domain: Domain,
    along: Vec<Along>,
}

impl Frame {
    pub(crate) fn new(domain: Domain, along: Vec<Along>) -> Self {
        Self { domain, along }
    }

    /// Whether all results lie along an axis, so that it may be cut: each of their elements is in one box.
    pub(crate) fn is_shared(&self, axis: usize) -> bool {
        self.along.iter().all(|along| along.contains(&Some(axis)))
    }

    /// The axis of the frame that each axis of a result lies along.
    pub(crate) fn along(&self, result: usize) -> &[Option<usize>] {
        &self.along[result]
    }

    /// What a box of the frame has of a result over `whole`.
    ///
    /// # Errors
    /// Those of boxes.
    pub(crate) fn part(&self, result: usize, whole: &Domain, part: &Domain) -> Result<Domain> {
        within(&self.along[result], whole, part)
    }
}

/// What a box has of what lies along its axes so.
///
/// # Errors
/// Those of boxes.
pub(crate) fn within(along: &[Option<usize>], whole: &Domain, part: &Domain) -> Result<Domain> {
    let range = |(own, range)| match along[own] {
        Some(axis) => part.range(axis),
        None => range,
    };
    Domain::from_ranges(&whole.ranges().enumerate().map(range).collect::<Dims<_>>())
}

/// How axes may lie along those of a frame: in their order, each along one with the same coordinates. Of all ways those in which the most axes do.
pub(crate) fn alongs(own: &Domain, frame: &Domain) -> Vec<Along> {
    // Along an axis of one element, nothing is cut.
    let many = |along: &Along| {
        let all = || along.iter().flatten();
        (all().filter(|&&at| frame.shape()[at] > 1).count(), all().count())
    };
    let mut found: Vec<Along> = vec![Along::new()];
    for axis in (0..own.ndim()).rev() {
        let longer = |known: &Along| {
            let behind = known.iter().flatten().next().copied().unwrap_or(frame.ndim());
            let fits = (0..behind).rev().filter(|&at| frame.range(at) == own.range(axis)).map(Some);
            let with =
                |at: Option<usize>| std::iter::once(at).chain(known.iter().copied()).collect::<Along>();
            fits.chain([None]).map(with).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(longer).collect();
        if found.len() > MOST {
            found.sort_by_key(|along| std::cmp::Reverse(many(along)));
            found.truncate(MOST);
        }
    }
    let most = found.iter().map(many).max().unwrap_or_default();
    found.retain(|along| many(along) == most);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn axes_lie_along_those_with_the_same_coordinates() {
        let frame = domain("0:9,5:25,5:25");
        let of =
            |text: &str| alongs(&domain(text), &frame).iter().map(|along| along.to_vec()).collect::<Vec<_>>();
        assert_eq!(of("0:9,5:25,5:25"), [[Some(0), Some(1), Some(2)]]);
        // Of equal axes, either may be the one that is left.
        assert_eq!(of("0:9,5:25"), [[Some(0), Some(2)], [Some(0), Some(1)]]);
        assert_eq!(of("0:12,5:25,5:25"), [[None, Some(1), Some(2)]]);
        assert_eq!(of("0:1,5:25,5:25"), [[None, Some(1), Some(2)]]);
        // In their order.
        assert_eq!(of("5:25,0:9"), [[None, Some(0)], [Some(2), None], [Some(1), None]]);
        assert_eq!(of("6:25"), [[None]]);
        assert_eq!(alongs(&Domain::from_shape(&[]).unwrap(), &frame), [Along::new()]);
    }

    #[test]
    fn only_axes_that_all_results_have_are_cut() {
        let (whole, mean) = (domain("0:9,0:20,0:30"), domain("0:20,0:30"));
        let identity = alongs(&whole, &whole).remove(0);
        let frame = Frame::new(whole.clone(), vec![identity, alongs(&mean, &whole).remove(0)]);
        assert_eq!([0, 1, 2].map(|axis| frame.is_shared(axis)), [false, true, true]);
        let part = domain("0:9,5:10,0:15");
        assert_eq!(frame.part(0, &whole, &part).unwrap(), part);
        assert_eq!(frame.part(1, &mean, &part).unwrap(), domain("5:10,0:15"));
    }
}
