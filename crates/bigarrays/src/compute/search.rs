//! The search for blocks: of all ways to cut a domain where it may be cut, the one that costs least. Pure.

use std::collections::HashSet;
use std::ops::Range;

use crate::base::dims::Dims;
use crate::compute::cuts::Cuts;

/// How many combinations are tried at most; beyond it, of those much alike one.
const MOST_CHOICES: usize = 1 << 14;

/// Of blocks whose costs differ by less than one part in so many, the smallest are taken.
const NEAR: f64 = 50.0;

/// Of how many pieces along an axis the chunks are counted that they need beside them.
const MOST_COUNTED: u64 = 4096;

/// Fewer blocks than keep all threads busy to the end are worth it if they read less than so many tenths of what others do.
const TENTHS: f64 = 9.0;

/// What blocks that do not stay in the cache cost more, as a part of all costs, each time that they are doubled.
const BEYOND: f64 = 0.08;

/// An axis of what is cut into blocks.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) range: Range<i64>,
    /// First coordinate and distance of the places where blocks may be cut.
    pub(crate) grid: (i64, u64),
    /// Whether blocks may be cut between these, if no others fit.
    pub(crate) is_fine: bool,
    /// Whether blocks that follow each other along it are done on their own.
    pub(crate) is_apart: bool,
    /// First coordinate and length of the chunks of each input; `None` if each block reads it anew.
    pub(crate) chunks: Dims<Option<(i64, u64)>>,
    /// How many elements before and behind a block each input is read as well; none if there is no entry.
    pub(crate) halos: Dims<(u64, u64)>,
}

/// What blocks cost.
pub(crate) struct Search<'a> {
    pub(crate) axes: Dims<Axis>,
    /// Bytes of a decoded chunk of each input.
    pub(crate) chunk_bytes: Dims<u64>,
    /// What beginning a block costs, in bytes read.
    pub(crate) overhead: u64,
    /// The most bytes of a block that stays in the cache.
    pub(crate) cached: u64,
    /// Blocks that are done on their own, as many as keep all threads busy to the end.
    pub(crate) tasks: u64,
    /// By how many threads blocks are done, where fewer blocks may cost less than reading more for as many; `None` if they may not.
    pub(crate) threads: Option<f64>,
    /// Bytes that a block of these lengths holds; more for one that is longer.
    pub(crate) held: &'a dyn Fn(&[u64]) -> u64,
}

/// Cuts, how often they have chunks of each input read, and the bytes that a block holds.
pub(crate) struct Found {
    pub(crate) cuts: Dims<Cuts>,
    pub(crate) loads: Dims<u64>,
    pub(crate) held: u64,
}

/// One axis cut in one way.
struct Candidate {
    cuts: Cuts,
    /// Chunks of each input that are read along it, counting each reading.
    loads: Dims<u64>,
    longest: u64,
}

/// One candidate on each of the first axes, and what that means.
#[derive(Clone)]
struct Choice {
    index: Dims<usize>,
    loads: Dims<u64>,
    blocks: u64,
    tasks: u64,
    /// Lengths of blocks, with the least along the other axes.
    lengths: Dims<u64>,
    held: u64,
}

impl Axis {
    /// An axis of a copy: blocks end where the grid has places, and there is one input, with these chunks.
    pub(crate) fn of_copy(range: Range<i64>, grid: (i64, u64), chunks: (i64, u64)) -> Self {
        let chunks = Dims::from_elem(Some(chunks), 1);
        Self { range, grid, is_fine: false, is_apart: true, chunks, halos: Dims::new() }
    }

    fn candidate(&self, cuts: Cuts) -> Candidate {
        let loads = |(input, chunks): (usize, &Option<(i64, u64)>)| match (chunks, self.halos.get(input)) {
            (Some(chunks), Some(halo)) if *halo != (0, 0) => self.loads_beside(&cuts, *chunks, *halo),
            (Some(chunks), _) => {
                Cuts::over(self.range.clone(), *chunks).len().saturating_add(cuts.cuts_beside(*chunks))
            }
            (None, _) => cuts.len(),
        };
        let loads = self.chunks.iter().enumerate().map(loads).collect();
        Candidate { loads, longest: cuts.longest(), cuts }
    }

    /// How often chunks are read for pieces and what is beside them; where there are very many, as if all were like the first.
    fn loads_beside(&self, cuts: &Cuts, chunks: (i64, u64), (before, behind): (u64, u64)) -> u64 {
        let (count, all) = (cuts.len(), Cuts::over(self.range.clone(), chunks));
        let counted = count.min(MOST_COUNTED);
        let loads = |k: u64| {
            let piece = cuts.get(k);
            let (start, end) =
                (piece.start.saturating_sub_unsigned(before), piece.end.saturating_add_unsigned(behind));
            let touched = all.touched(&(start..end));
            touched.end - touched.start
        };
        let sum = (0..counted).map(loads).fold(0, u64::saturating_add);
        (u128::from(sum) * u128::from(count) / u128::from(counted.max(1))).try_into().unwrap_or(u64::MAX)
    }

    /// Ways to cut it, the one with the smallest pieces first: lengths are multiples of the distance of the grid, those that
    /// chunks of inputs have in common with it among them, up to the whole; and fractions if it may be cut finer.
    fn candidates(&self, is_fine: bool) -> Vec<Candidate> {
        let (origin, step) = self.grid;
        let whole = self.range.end.abs_diff(self.range.start).div_ceil(step).saturating_add(1);
        let common = |chunks: &(i64, u64)| least_common_multiple(step, chunks.1);
        let bases = self.chunks.iter().flatten().filter_map(common).chain([step]);
        let mut steps: Vec<u64> = bases
            .flat_map(|base| simple().map(move |multiple| base.saturating_mul(multiple)))
            .filter(|&length| length / step < whole)
            .chain([step.saturating_mul(whole)])
            .collect();
        if is_fine && self.is_fine {
            steps.extend(simple().filter(|&parts| parts < step).map(|parts| step.div_ceil(parts)));
            steps.push(1);
        }
        steps.sort_unstable();
        steps.dedup();
        let cuts = |step| Cuts::over(self.range.clone(), (origin, step));
        let mut all: Vec<_> = steps.into_iter().map(|step| self.candidate(cuts(step))).collect();
        // Of as many pieces, those that have less read.
        all.sort_by(|one, other| {
            let key = |candidate: &Candidate| (candidate.cuts.len(), candidate.loads.iter().sum::<u64>());
            key(one).cmp(&key(other)).then(one.longest.cmp(&other.longest))
        });
        all.dedup_by_key(|candidate| candidate.cuts.len());
        all.sort_by_key(|candidate| candidate.longest);
        all
    }
}

/// Small multiples: powers of two, and three times them.
fn simple() -> impl Iterator<Item = u64> {
    (0..63).flat_map(|power| [1 << power, 3 << power])
}

pub(crate) fn least_common_multiple(one: u64, other: u64) -> Option<u64> {
    one.checked_mul(other / greatest_common_divisor(one, other))
}

/// Where an axis may be cut, so that all of these grids agree with it; `None` if they have nothing in common.
pub(crate) fn common_grid(one: (i64, u64), other: (i64, u64)) -> Option<(i64, u64)> {
    let distance = i128::from(one.0) - i128::from(other.0);
    let both = least_common_multiple(one.1, other.1)?;
    if distance % i128::from(other.1) == 0 {
        return Some((one.0, both));
    }
    (distance % i128::from(one.1) == 0).then_some((other.0, both))
}

fn greatest_common_divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

impl Search<'_> {
    /// The cuts into blocks that hold `most` bytes at most: of those that cost about the least, the ones with the smallest
    /// blocks; cut finer than the grid where `is_fine`. `None` if there are none.
    pub(crate) fn within(&self, most: u64, is_fine: bool) -> Option<Found> {
        let mut candidates: Vec<_> = self.axes.iter().map(|axis| axis.candidates(is_fine)).collect();
        let choices = self.choices(&candidates, most);
        // No more than there can be.
        let tasks = choices.first()?.tasks.min(self.tasks);
        let choices: Vec<(f64, Choice)> =
            choices.into_iter().map(|choice| (self.cost(&choice), choice)).collect();
        let enough = cheapest(choices.iter().filter(|one| one.1.tasks >= tasks).cloned())?;
        let (_, best) = self.fewer(choices, tasks, &enough).unwrap_or(enough);
        let cuts = best.index.iter().zip(&mut candidates).map(|(&at, axis)| axis.swap_remove(at).cuts);
        Some(Found { cuts: cuts.collect(), loads: best.loads, held: best.held })
    }

    /// Cuts that are given.
    pub(crate) fn given(&self, cuts: &[(i64, u64)]) -> Option<Found> {
        let axes = || self.axes.iter().zip(cuts);
        let candidates: Vec<Candidate> =
            axes().map(|(axis, &at)| axis.candidate(Cuts::over(axis.range.clone(), at))).collect();
        let lengths: Dims<u64> = candidates.iter().map(|candidate| candidate.longest).collect();
        let loads =
            |input: usize| candidates.iter().fold(1, |all: u64, one| all.saturating_mul(one.loads[input]));
        let loads = (0..self.chunk_bytes.len()).map(loads).collect();
        let held = (self.held)(&lengths);
        let cuts = candidates.into_iter().map(|candidate| candidate.cuts).collect();
        (axes().len() == self.axes.len() && axes().len() == lengths.len()).then_some(Found {
            cuts,
            loads,
            held,
        })
    }

    /// What the smallest blocks hold.
    pub(crate) fn least(&self) -> u64 {
        let shortest = |axis: &Axis| axis.candidates(true).first().map_or(0, |candidate| candidate.longest);
        (self.held)(&self.axes.iter().map(shortest).collect::<Dims<_>>())
    }

    /// The choice that takes the least time where blocks may be fewer than tasks that keep all threads busy to the end, if it reads clearly
    /// less than the best of `enough` blocks, and takes less time.
    fn fewer(
        &self,
        mut choices: Vec<(f64, Choice)>,
        tasks: u64,
        enough: &(f64, Choice),
    ) -> Option<(f64, Choice)> {
        let threads = self.threads?;
        // Those that end last do so half a block after the others, and no thread does more than one at a time.
        let lasts = |count: u64| {
            let count = count.clamp(1, tasks.max(1)) as f64;
            (1.0 + (threads - 1.0) / (2.0 * count)).max(threads / count)
        };
        choices.iter_mut().for_each(|(cost, choice)| *cost *= lasts(choice.tasks));
        let best = cheapest(choices)?;
        let is_less = self.read(&best.1) < self.read(&enough.1) / 10.0 * TENTHS;
        (is_less && best.0 < enough.0 * lasts(enough.1.tasks)).then_some(best)
    }

    /// Bytes that are read.
    fn read(&self, choice: &Choice) -> f64 {
        let read =
            choice.loads.iter().zip(&self.chunk_bytes).map(|(&loads, &bytes)| loads as f64 * bytes as f64);
        read.sum()
    }

    fn cost(&self, choice: &Choice) -> f64 {
        let all = self.read(choice) + choice.blocks as f64 * self.overhead as f64;
        let doublings = (choice.held as f64 / self.cached.max(1) as f64).log2().max(0.0);
        all * (1.0 + BEYOND * doublings)
    }

    /// Combinations of one candidate on each axis with blocks that hold at most `most` bytes: all of them, or where they
    /// are too many a selection. The first has the smallest blocks.
    fn choices(&self, candidates: &[Vec<Candidate>], most: u64) -> Vec<Choice> {
        let lengths: Dims<u64> =
            candidates.iter().map(|axis| axis.first().map_or(0, |candidate| candidate.longest)).collect();
        let held = (self.held)(&lengths);
        let loads = Dims::from_elem(1, self.chunk_bytes.len());
        let mut choices = vec![Choice { index: Dims::new(), loads, blocks: 1, tasks: 1, lengths, held }];
        choices.retain(|choice| choice.held <= most);
        for (number, (axis, candidates)) in self.axes.iter().zip(candidates).enumerate() {
            let longer = |choice: &Choice, at: usize| {
                let (candidate, mut choice) = (&candidates[at], choice.clone());
                choice.index.push(at);
                let pieces = candidate.cuts.len();
                choice.blocks = choice.blocks.saturating_mul(pieces);
                choice.tasks = choice.tasks.saturating_mul(if axis.is_apart { pieces } else { 1 });
                let loads = choice.loads.iter_mut().zip(&candidate.loads);
                loads.for_each(|(all, along)| *all = all.saturating_mul(*along));
                choice.lengths[number] = candidate.longest;
                choice.held = if at == 0 { choice.held } else { (self.held)(&choice.lengths) };
                choice
            };
            let all = |choice| (0..candidates.len()).map(move |at| longer(choice, at));
            choices = choices.iter().flat_map(all).filter(|choice| choice.held <= most).collect();
            self.thin(&mut choices);
        }
        choices
    }

    /// Keeps the first choice, and of the others that are much alike those that cost the least.
    fn thin(&self, choices: &mut Vec<Choice>) {
        if choices.len() <= MOST_CHOICES {
            return;
        }
        choices[1..].sort_by(|one, other| self.cost(one).total_cmp(&self.cost(other)));
        let mut seen = HashSet::new();
        let size = |number: u64| number.checked_ilog2();
        choices.retain(|choice| seen.insert((size(choice.held), size(choice.tasks), size(choice.blocks))));
        choices.truncate(MOST_CHOICES);
    }
}

/// Of the choices that cost about the least, the one with the smallest blocks.
fn cheapest(choices: impl IntoIterator<Item = (f64, Choice)>) -> Option<(f64, Choice)> {
    let choices: Vec<_> = choices.into_iter().collect();
    let least = choices.iter().map(|choice| choice.0).min_by(f64::total_cmp)?;
    let near = choices.into_iter().filter(|choice| choice.0 <= least + least / NEAR);
    near.min_by(|one, other| (one.1.held.cmp(&other.1.held)).then(one.0.total_cmp(&other.0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(cuts: &Cuts) -> Vec<Range<i64>> {
        (0..cuts.len()).map(|k| cuts.get(k)).collect()
    }

    /// The longest blocks of at most `most` elements along an axis of a thousand chunks, or finer.
    fn longest(chunk: u64, inputs: &[u64], most: u64, is_fine: bool) -> u64 {
        let range = 0..1000 * chunk as i64;
        let chunks = inputs.iter().map(|&length| Some((0, length))).collect();
        let axis = Axis { range, grid: (0, chunk), is_fine, is_apart: true, chunks, halos: Dims::new() };
        let fit = axis.candidates(true).into_iter().filter(|candidate| candidate.longest <= most);
        fit.map(|candidate| candidate.longest).max().unwrap()
    }

    /// Lengths that `DiskArrayEngine.jl` finds.
    #[test]
    fn lengths_are_common_multiples_and_simple_fractions() {
        assert_eq!(longest(365, &[365], 124, true), 365u64.div_ceil(3));
        assert_eq!(longest(40, &[40, 50], 205, false), 200);
        assert_eq!(longest(37, &[37, 43], 10, true), 37u64.div_ceil(4));
        // One and a half chunks would have half of them read twice.
        assert_eq!(longest(90, &[90], 156, true), 90);
        // Without an input whose chunks have it in common, a multiple.
        assert_eq!(longest(30, &[], 205, false), 180);
        assert_eq!(longest(64, &[96], 600, false), 576);
        assert_eq!(longest(64, &[96], 190, false), 128);
    }

    /// Elements in chunks of 90 that go to chunks of 24: the blocks of each piece along two axes.
    fn pieces_of(threads: Option<f64>, tasks: u64, most: u64, inputs: (u64, u64)) -> (u64, u64) {
        let axis = |length: u64, chunk: u64| Axis::of_copy(0..length as i64, (0, 24), (0, chunk));
        let held = |lengths: &[u64]| lengths.iter().product::<u64>() << 12;
        let axes = [axis(360, inputs.0), axis(720, inputs.1)].into_iter().collect();
        let chunk_bytes = [(inputs.0 * inputs.1) << 12].into_iter().collect();
        let search =
            Search { axes, chunk_bytes, overhead: 1 << 18, cached: 4 << 20, tasks, threads, held: &held };
        let found = search.within(most, false).unwrap();
        (found.cuts.iter().map(Cuts::len).product(), found.loads[0])
    }

    #[test]
    fn few_blocks_are_taken_where_many_would_read_more() {
        let all = 1 << 30;
        // 16 chunks, each of them in several blocks or in one.
        let (blocks, loads) = pieces_of(None, 8, all, (90, 180));
        assert!(blocks >= 8 && loads > 20, "{blocks} {loads}");
        let (few, once) = pieces_of(Some(2.0), 8, all, (90, 180));
        assert!((2..8).contains(&few) && once < loads, "{few} {once}");
        // Not so few that most of many threads have none.
        assert!(pieces_of(Some(64.0), 256, all, (90, 180)).0 >= 32);
        // Nor where as many read as little.
        assert_eq!(pieces_of(Some(2.0), 8, all, (24, 24)), pieces_of(None, 8, all, (24, 24)));
        assert!(pieces_of(Some(1.0), 8, 200 << 20, (90, 180)).1 < pieces_of(None, 8, 100 << 20, (90, 180)).1);
    }

    #[test]
    fn blocks_end_where_the_grid_has_places() {
        let candidates = Axis::of_copy(-10..25, (-3, 8), (0, 5)).candidates(true);
        assert_eq!(pieces(&candidates[0].cuts), [-10..-3, -3..5, 5..13, 13..21, 21..25]);
        let fine = Axis { is_fine: true, ..Axis::of_copy(1..10, (0, 8), (0, 8)) };
        let lengths: Vec<u64> = fine.candidates(true).iter().map(|candidate| candidate.longest).collect();
        assert_eq!(lengths, [1, 2, 3, 4, 7, 9]);
        assert_eq!(fine.candidates(false)[0].longest, 7);
    }

    proptest! {
        /// The sums in closed form are those over the pieces.
        #[test]
        fn loads_are_counted_per_block(
            start in -50i64..50, length in 1i64..200, origin in -50i64..50, chunk in 1u64..20,
            source in (-50i64..50, 1u64..20), is_fine: bool,
        ) {
            let axis = Axis { is_fine, ..Axis::of_copy(start..start + length, (origin, chunk), source) };
            for Candidate { cuts, loads, longest } in axis.candidates(true) {
                let pieces = pieces(&cuts);
                let place = |at: i64| (at - source.0).div_euclid(source.1 as i64);
                let sum: i64 = pieces.iter().map(|cut| place(cut.end - 1) - place(cut.start) + 1).sum();
                prop_assert_eq!(loads[0], sum as u64);
                prop_assert_eq!(longest, pieces.iter().map(|cut| cut.end.abs_diff(cut.start)).max().unwrap());
                prop_assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start && !pair[1].is_empty()));
                prop_assert_eq!((pieces[0].start, pieces[pieces.len() - 1].end), (start, start + length));
            }
        }

        /// What is found is no dearer than any other way to cut, but for what counts as the same.
        #[test]
        fn no_cuts_cost_less(
            lengths in proptest::collection::vec((1i64..300, 1u64..40, 1u64..40), 1..4),
            overhead in 0u64..500, most in 1u64..100_000,
        ) {
            let axes: Dims<Axis> =
                lengths.iter().map(|&(length, step, chunk)| Axis::of_copy(0..length, (0, step), (0, chunk))).collect();
            let held = |lengths: &[u64]| lengths.iter().product();
            let bytes = lengths.iter().map(|at| at.2).product();
            let search = Search {
                axes, chunk_bytes: [bytes].into_iter().collect(), overhead, cached: u64::MAX, tasks: 0, threads: None,
                held: &held,
            };
            let candidates: Vec<_> = search.axes.iter().map(|axis| axis.candidates(false)).collect();
            let mut least = f64::INFINITY;
            let all: usize = candidates.iter().map(Vec::len).product();
            for mut number in 0..all {
                let (mut loads, mut blocks, mut held) = (1, 1, 1);
                for axis in &candidates {
                    let one = &axis[number % axis.len()];
                    number /= axis.len();
                    (loads, blocks, held) = (loads * one.loads[0], blocks * one.cuts.len(), held * one.longest);
                }
                if held <= most {
                    least = least.min((loads * bytes + blocks * overhead) as f64);
                }
            }
            match search.within(most, false) {
                Some(found) => {
                    let blocks: u64 = found.cuts.iter().map(Cuts::len).product();
                    prop_assert!(found.held <= most);
                    prop_assert!((found.loads[0] * bytes + blocks * overhead) as f64 <= least * (1.0 + 1.0 / NEAR));
                }
                None => prop_assert!(least.is_infinite()),
            }
        }
    }
}
