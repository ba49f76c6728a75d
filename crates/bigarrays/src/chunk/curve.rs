//! Orders of the places of a grid: row by row, or along a curve on which places that are near each
//! other in space are also near each other.

use std::fmt;
use std::str::FromStr;

use crate::base::dims::Dims;
use crate::base::error::{Error, Result};

/// The order in which the chunks of a shard lie in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChunkOrder {
    /// Row by row: the last axis changes fastest.
    #[default]
    C,
    /// Along a Z-shaped curve: the bits of the places along each axis by turns, compressed as
    /// Neuroglancer's chunk ids are.
    Morton,
    /// Along Hilbert's curve, each place next to the one before in a cube whose edge is a power of two.
    Hilbert,
}

impl ChunkOrder {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::C, Self::Morton, Self::Hilbert];

    /// The name that options and metadata use.
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Morton => "morton",
            Self::Hilbert => "hilbert",
        }
    }
}

impl fmt::Display for ChunkOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChunkOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|order| order.name().eq_ignore_ascii_case(text));
        known.ok_or_else(|| {
            Error::invalid(format!("unknown order {text:?} of chunks; known are c, morton and hilbert"))
        })
    }
}

/// The compressed Morton codes of a grid: the bits of the places along each axis by turns, those of the first
/// axis lowest, without those that are zero in all of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Morton {
    pub(crate) grid: Dims<u64>,
    /// How many bits there are along each axis.
    bits: Dims<u32>,
}

impl Morton {
    /// # Errors
    /// `Unsupported` if the codes have more than 64 bits.
    pub(crate) fn new(grid: &[u64]) -> Result<Self> {
        let bits: Dims<u32> = grid.iter().copied().map(bits_of).collect();
        match bits.iter().sum::<u32>() {
            0..=u64::BITS => Ok(Self { grid: grid.into(), bits }),
            sum => Err(Error::unsupported(format!(
                "chunk ids of {sum} bits, for a grid of {grid:?} chunks; sharded ids have at most 64"
            ))),
        }
    }

    /// Bits of a code.
    pub(crate) fn len(&self) -> u32 {
        self.bits.iter().sum()
    }

    /// The axis of each bit of a code and which bit of the place along the axis it is, from the lowest on.
    fn order(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let most = self.bits.iter().copied().max().unwrap_or(0);
        (0..most)
            .flat_map(|bit| (0..self.bits.len()).map(move |axis| (axis, bit)))
            .filter(|&(axis, bit)| bit < self.bits[axis])
    }

    pub(crate) fn code(&self, index: &[u64]) -> u64 {
        self.order().enumerate().fold(0, |code, (at, (axis, bit))| code | (((index[axis] >> bit) & 1) << at))
    }

    pub(crate) fn index(&self, code: u64) -> Dims<u64> {
        let mut index = Dims::from_elem(0, self.bits.len());
        self.order().enumerate().for_each(|(at, (axis, bit))| index[axis] |= ((code >> at) & 1) << bit);
        index
    }

    /// Shape of the boxes whose codes differ in the lowest `bits` bits only.
    pub(crate) fn block(&self, bits: u32) -> Dims<u64> {
        let mut shape: Dims<u64> = Dims::from_elem(1, self.bits.len());
        self.order().take(bits as usize).for_each(|(axis, _)| shape[axis] = shape[axis].saturating_mul(2));
        shape.iter().zip(&self.grid).map(|(&edge, &length)| edge.min(length)).collect()
    }
}

/// An order of the places of one grid, of any shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rows(Dims<u64>),
    /// Of the grid with its axes reversed: here as well, the last axis changes fastest.
    Morton(Morton),
    /// Axes with more than one place: the others do not bend the curve. And the bits along each of them, of
    /// the cube that is around the grid.
    Hilbert(Dims<usize>, u32),
}

impl Curve {
    /// The order of a grid of this shape.
    ///
    /// # Errors
    /// `Unsupported` if ranks have more than 128 bits, or 64 along Morton's curve.
    pub fn new(order: ChunkOrder, shape: &[u64]) -> Result<Self> {
        let bits = || shape.iter().copied().map(bits_of);
        let kind = match order {
            ChunkOrder::C => Kind::Rows(shape.into()),
            ChunkOrder::Morton => {
                let reversed: Dims<u64> = shape.iter().rev().copied().collect();
                Kind::Morton(Morton::new(&reversed)?)
            }
            ChunkOrder::Hilbert => {
                let axes = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
                Kind::Hilbert(axes, bits().max().unwrap_or(0))
            }
        };
        let sum = match &kind {
            Kind::Hilbert(axes, bits) => axes.len() as u32 * bits,
            Kind::Rows(_) | Kind::Morton(_) => bits().sum(),
        };
        if sum <= u128::BITS {
            return Ok(Self { kind });
        }
        Err(Error::unsupported(format!("the {order} order of a grid of {shape:?}: numbers of {sum} bits")))
    }

    /// Where the place `index` stands: of two places, that of the lower rank comes first. Ranks need not
    /// be without gaps.
    pub fn rank(&self, index: &[u64]) -> u128 {
        match &self.kind {
            Kind::Rows(shape) => {
                let next = |rank, (&at, &length): (&u64, &u64)| rank * u128::from(length) + u128::from(at);
                index.iter().zip(shape).fold(0, next)
            }
            Kind::Morton(morton) => {
                let reversed: Dims<u64> = index.iter().rev().copied().collect();
                morton.code(&reversed).into()
            }
            Kind::Hilbert(axes, bits) => hilbert(axes.iter().map(|&axis| index[axis]).collect(), *bits),
        }
    }
}

/// The number of a place on Hilbert's curve through a cube of so many bits.
///
/// As Skilling, Programming the Hilbert curve (2004): from the highest bit on, each bit of a place says how the
/// smaller cube that it is in is turned; what is then left is a Gray code.
fn hilbert(mut place: Dims<u64>, bits: u32) -> u128 {
    let Some(last) = place.len().checked_sub(1) else { return 0 };
    for bit in (1..bits).rev() {
        let lower = (1 << bit) - 1;
        for axis in 0..place.len() {
            if place[axis] >> bit & 1 == 1 {
                place[0] ^= lower;
            } else {
                let exchanged = (place[0] ^ place[axis]) & lower;
                place[0] ^= exchanged;
                place[axis] ^= exchanged;
            }
        }
    }
    for axis in 1..place.len() {
        place[axis] ^= place[axis - 1];
    }
    let turns = (1..bits).filter(|bit| place[last] >> bit & 1 == 1);
    let turned: u64 = turns.fold(0, |turned, bit| turned ^ ((1 << bit) - 1));
    let digits = (0..bits).rev().flat_map(|bit| place.iter().map(move |at| (at ^ turned) >> bit & 1));
    digits.fold(0, |rank, digit| rank << 1 | u128::from(digit))
}

/// How many bits the places of an axis of this length have.
fn bits_of(length: u64) -> u32 {
    u64::BITS - length.saturating_sub(1).leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The places of a grid, in this order.
    fn places(order: ChunkOrder, shape: &[u64]) -> Vec<Vec<u64>> {
        let mut places = vec![Vec::new()];
        for &length in shape {
            let longer = |place: Vec<u64>| (0..length).map(move |at| [&place[..], &[at]].concat());
            places = places.into_iter().flat_map(longer).collect();
        }
        let curve = Curve::new(order, shape).unwrap();
        places.sort_by_key(|place| curve.rank(place));
        places
    }

    #[test]
    fn small_grids() {
        let of = |order, shape: &[u64]| -> Vec<u64> {
            places(order, shape).iter().map(|place| place.iter().fold(0, |text, at| text * 10 + at)).collect()
        };
        assert_eq!(of(ChunkOrder::C, &[2, 3]), [0, 1, 2, 10, 11, 12]);
        assert_eq!(of(ChunkOrder::Morton, &[2, 3]), [0, 1, 10, 11, 2, 12]);
        assert_eq!(of(ChunkOrder::Hilbert, &[2, 2]), [0, 1, 11, 10]);
        assert_eq!(of(ChunkOrder::Hilbert, &[1, 5, 1]), [0, 10, 20, 30, 40]);
        assert_eq!(of(ChunkOrder::Hilbert, &[]), [0]);
        assert!(Curve::new(ChunkOrder::Hilbert, &[1 << 50, 1, 9, 9]).is_err());
        assert_eq!("Hilbert".parse::<ChunkOrder>().unwrap(), ChunkOrder::Hilbert);
        assert!("z".parse::<ChunkOrder>().unwrap_err().to_string().contains("morton"));
    }

    #[test]
    fn codes_leave_out_bits_that_are_always_zero() {
        let morton = Morton::new(&[5, 1, 2]).unwrap();
        assert_eq!((&morton.bits[..], morton.len()), (&[3, 0, 1][..], 4));
        assert_eq!(morton.code(&[4, 0, 1]), 0b1010);
        assert_eq!(Morton::new(&[(1 << 49) + 1, 1, 1]).unwrap().len(), 50);
        let most = (1 << 32) - 1;
        assert_eq!(Morton::new(&[1 << 32, 1 << 32, 1]).unwrap().code(&[most, most, 0]), u64::MAX);
        assert!(Morton::new(&[1 << 32, 1 << 32, 2]).unwrap_err().to_string().contains("65 bits"));
    }

    proptest! {
        #[test]
        fn places_have_ranks_of_their_own(shape in proptest::collection::vec(1u64..7, 1..5)) {
            for order in ChunkOrder::ALL {
                let curve = Curve::new(order, &shape).unwrap();
                let ranks: Vec<u128> = places(order, &shape).iter().map(|place| curve.rank(place)).collect();
                prop_assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", order);
            }
        }

        #[test]
        fn curves_visit_cubes_one_after_the_other(axes in 1usize..5, bits in 1u32..4, inner in 0u32..3) {
            let bits = bits.min(10 / axes as u32);
            let shape = vec![1u64 << bits; axes];
            for order in [ChunkOrder::Morton, ChunkOrder::Hilbert] {
                let places = places(order, &shape);
                let cube = |place: &[u64]| place.iter().map(|at| at >> inner.min(bits)).collect::<Vec<_>>();
                for part in places.chunks(1 << (inner.min(bits) as usize * axes)) {
                    prop_assert!(part.iter().all(|place| cube(place) == cube(&part[0])));
                }
                if order == ChunkOrder::Hilbert {
                    let apart = |pair: &[Vec<u64>]| pair[0].iter().zip(&pair[1]).map(|(a, b)| a.abs_diff(*b)).sum::<u64>();
                    prop_assert!(places.windows(2).all(|pair| apart(pair) == 1));
                }
            }
        }
    }
}
