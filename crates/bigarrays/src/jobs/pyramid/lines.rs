//! Loops over lines of elements and cells, for the widest registers that the processor has.

use std::ops::AddAssign;

use bytemuck::Pod;

use super::windows::Along;
use crate::base::widest::widest;

/// What sums are of.
pub(super) trait Sum: Pod + Default + AddAssign + Send + Sync {}

impl<S: Pod + Default + AddAssign + Send + Sync> Sum for S {}

widest! {
    /// Sums of the lines of `all` that begin at `starts`, of which there is one at least, each element widened first.
    pub(super) fn sum_lines<E: Copy, S: Sum, F: Fn(E) -> S>(all: &[E], starts: &[usize], widen: &F, sums: &mut [S]) {
        let length = sums.len();
        let line = |start: usize| &all[start..start + length];
        let (first, others) = starts.split_at(starts.len().min(2));
        match first {
            [] => {}
            [one] => sums.iter_mut().zip(line(*one)).for_each(|(sum, &one)| {
                *sum = S::default();
                *sum += widen(one);
            }),
            [one, other, ..] => {
                for ((sum, &one), &other) in sums.iter_mut().zip(line(*one)).zip(line(*other)) {
                    *sum = S::default();
                    *sum += widen(one);
                    *sum += widen(other);
                }
            }
        }
        for &start in others {
            sums.iter_mut().zip(line(start)).for_each(|(sum, &one)| *sum += widen(one));
        }
    }
}

widest! {
    /// The same of those elements alone that are taken, and how many these are.
    pub(super) fn sum_taken<E: Copy, S: Sum, F: Fn(E) -> S, G: Fn(E) -> bool>(
        all: &[E], starts: &[usize], widen: &F, takes: &G, sums: &mut [S], taken: &mut [u32],
    ) {
        sums.fill(S::default());
        taken.fill(0);
        for &start in starts {
            let line = &all[start..start + sums.len()];
            for ((sum, taken), &one) in sums.iter_mut().zip(taken.iter_mut()).zip(line) {
                let is_taken = takes(one);
                *sum += if is_taken { widen(one) } else { S::default() };
                *taken += u32::from(is_taken);
            }
        }
    }
}

widest! {
    /// Puts or adds, for each run of a line, its sum to `sums`.
    pub(super) fn sum_runs<R: Copy, S: Sum, F: Fn(R) -> S>(
        line: &[R], runs: &Along, is_first: bool, widen: &F, sums: &mut [S],
    ) {
        if is_first {
            sums.fill(S::default());
        }
        let (paired, all) = (runs.paired(), sums.len());
        for (at, sum) in sums[..paired.start].iter_mut().enumerate() {
            line[runs.get(at)].iter().for_each(|&one| *sum += widen(one));
        }
        if !paired.is_empty() {
            let pairs = line[runs.get(paired.start).start..runs.get(paired.end - 1).end].chunks_exact(2);
            for (sum, pair) in sums[paired.clone()].iter_mut().zip(pairs) {
                *sum += widen(pair[0]);
                *sum += widen(pair[1]);
            }
        }
        for (at, sum) in (paired.end..all).zip(&mut sums[paired.end..]) {
            line[runs.get(at)].iter().for_each(|&one| *sum += widen(one));
        }
    }
}

widest! {
    /// Which bits differ between the first of the lines of `all` that begin at `starts` and any other.
    pub(super) fn differing<E: Copy, F: Fn(E) -> u64>(all: &[E], starts: &[usize], bits: &F, differ: &mut [u64]) {
        let length = differ.len();
        // Lines of cells of two along each of three axes, at once.
        if let &[first, second, third, fourth] = starts {
            let line = |start: usize| &all[start..start + length];
            let others = line(second).iter().zip(line(third)).zip(line(fourth));
            for ((differ, &one), ((&second, &third), &fourth)) in differ.iter_mut().zip(line(first)).zip(others) {
                let one = bits(one);
                *differ = (one ^ bits(second)) | (one ^ bits(third)) | (one ^ bits(fourth));
            }
            return;
        }
        differ.fill(0);
        let Some((&first, others)) = starts.split_first() else { return };
        for &start in others {
            let both = all[first..first + length].iter().zip(&all[start..start + length]);
            differ.iter_mut().zip(both).for_each(|(differ, (&one, &other))| *differ |= bits(one) ^ bits(other));
        }
    }
}

widest! {
    /// Whether a run has elements that differ, of which bits of lines differ, and the elements of the first line.
    pub(super) fn mixed_runs<E: Copy, F: Fn(E) -> u64>(
        line: &[E], differ: &[u64], runs: &Along, bits: &F, mixed: &mut [u64],
    ) {
        let (paired, all) = (runs.paired(), mixed.len());
        let of = |at: usize| {
            let run = runs.get(at);
            let first = bits(line[run.start]);
            let unequal = line[run.clone()].iter().fold(0, |all, &one| all | (bits(one) ^ first));
            differ[run].iter().fold(unequal, |all, one| all | one)
        };
        for at in (0..paired.start).chain(paired.end..all) {
            mixed[at] = of(at);
        }
        if paired.is_empty() {
            return;
        }
        let range = runs.get(paired.start).start..runs.get(paired.end - 1).end;
        let pairs = line[range.clone()].chunks_exact(2).zip(differ[range].chunks_exact(2));
        for (mixed, (line, differ)) in mixed[paired].iter_mut().zip(pairs) {
            *mixed = differ[0] | differ[1] | (bits(line[0]) ^ bits(line[1]));
        }
    }
}

widest! {
    /// What is made of the first element of each run of a line.
    pub(super) fn heads<E: Copy, F: Fn(E) -> u64>(line: &[E], runs: &Along, key: &F, out: &mut [u64]) {
        let (paired, all) = (runs.paired(), out.len());
        for at in (0..paired.start).chain(paired.end..all) {
            out[at] = key(line[runs.get(at).start]);
        }
        if paired.is_empty() {
            return;
        }
        let pairs = line[runs.get(paired.start).start..runs.get(paired.end - 1).end].chunks_exact(2);
        out[paired].iter_mut().zip(pairs).for_each(|(out, pair)| *out = key(pair[0]));
    }
}

widest! {
    /// Which of 64 values each are other than zero, as bits from the lowest on.
    fn flags(values: &[u64], flags: &mut [u64]) {
        for (flags, values) in flags.iter_mut().zip(values.chunks(64)) {
            *flags = values.iter().zip(0u64..).fold(0, |all, (&one, k)| all | (u64::from(one != 0) << k));
        }
    }
}

/// Notes where `mixed` says something other than zero, and that. Returns how often.
pub(super) fn noted(mixed: &[u64], some: &mut [(usize, u64, u64)]) -> usize {
    let mut count = 0;
    // Cells of both kinds are so mixed up that a branch for each would cost more.
    for (part, first) in mixed.chunks(64).zip((0..).step_by(64)) {
        let mut left = [0];
        flags(part, &mut left);
        while left[0] != 0 {
            let at = left[0].trailing_zeros() as usize;
            some[count] = (first + at, part[at], 0);
            count += 1;
            left[0] &= left[0] - 1;
        }
    }
    count
}

widest! {
    /// Of cells, for each of which `some` has its place and what [`mixed_runs`] says of it: if it has two values, the other than that
    /// of its first element, and how often the latter occurs; zero of others.
    pub(super) fn count_firsts<E: Copy, F: Fn(E) -> u64>(
        all: &[E], starts: &[usize], runs: &Along, key: &F, some: &mut [(usize, u64, u64)],
    ) {
        let Some(&first) = starts.first() else { return };
        for (at, other, firsts) in some {
            let run = runs.get(*at);
            // Of two values, the bits that differ anywhere are those between the two.
            let one = key(all[first + run.start]);
            *other ^= one;
            let (mut ones, mut others, count) = (0, 0, (starts.len() * run.len()) as u64);
            let mut add = |element: E| {
                ones += u64::from(key(element) == one);
                others += u64::from(key(element) == *other);
            };
            // Cells of eight, whose loop is unrolled.
            if let (&[first, second, third, fourth], 2) = (starts, run.len()) {
                for start in [first, second, third, fourth] {
                    let pair = &all[start + run.start..start + run.start + 2];
                    add(pair[0]);
                    add(pair[1]);
                }
            } else {
                let all = starts.iter().flat_map(|start| &all[start + run.start..start + run.end]);
                all.for_each(|&one| add(one));
            }
            *firsts = if ones + others == count { ones } else { 0 };
        }
    }
}
