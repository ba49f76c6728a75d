//! Which axis of an array is which of the viewer: three that are shown, one of channels, and others that have one coordinate.

use bigarrays::base::buffer::Order;

/// The most channels of a layer: each tile has those of all.
const MOST_CHANNELS: u64 = 16;

/// Which axis of an array is which of the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Axes {
    /// Those along x, y and z; `None` where the array has fewer.
    pub(crate) shown: [Option<usize>; 3],
    /// That of channels.
    pub(crate) channel: Option<usize>,
    /// All others, each of which is looked at where it has one coordinate.
    pub(crate) others: Vec<usize>,
}

impl Axes {
    /// By names where they say it, and of the others the fastest first.
    pub(crate) fn of(names: &[String], shape: &[u64], order: Order) -> Self {
        let named = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let mut shown = ["x", "y", "z"].map(named);
        let channel = ["c", "channel"].iter().find_map(|name| named(name));
        let channel = channel.filter(|&axis| shape[axis] <= MOST_CHANNELS);
        let mut rest: Vec<usize> = (0..names.len()).collect();
        if order == Order::C {
            rest.reverse();
        }
        rest.retain(|axis| !shown.contains(&Some(*axis)) && channel != Some(*axis));
        let mut rest = rest.into_iter();
        for place in shown.iter_mut().filter(|place| place.is_none()) {
            *place = rest.next();
        }
        let mut others: Vec<usize> = rest.collect();
        others.sort_unstable();
        Self { shown, channel, others }
    }

    /// The axes that a tile has, the fastest first.
    pub(crate) fn of_tile(&self) -> Vec<usize> {
        self.shown.iter().flatten().copied().chain(self.channel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(names: &str, shape: &[u64]) -> ([Option<usize>; 3], Option<usize>, Vec<usize>) {
        let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
        let Axes { shown, channel, others } = Axes::of(&names, shape, Order::C);
        (shown, channel, others)
    }

    #[test]
    fn names_count_and_then_the_order() {
        let all = [Some(2), Some(1), Some(0)];
        assert_eq!(axes("z y x", &[9; 3]), (all, None, vec![]));
        assert_eq!(axes("t y x", &[9; 3]), (all, None, vec![]));
        assert_eq!(axes("y x", &[9; 2]), ([Some(1), Some(0), None], None, vec![]));
        assert_eq!(axes("t c z y x", &[9; 5]), ([Some(4), Some(3), Some(2)], Some(1), vec![0]));
        assert_eq!(axes("x y z channel", &[9; 4]), ([Some(0), Some(1), Some(2)], Some(3), vec![]));
        assert_eq!(axes("c y x", &[99; 3]), (all, None, vec![]));
        assert_eq!(axes("a b c d e", &[99; 5]), ([Some(4), Some(3), Some(2)], None, vec![0, 1]));
    }
}
