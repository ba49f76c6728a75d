//! Networks of comparisons, which sort many columns side by side or find an element of a rank in each.

use crate::compute::kernels::monoid::Ordered;

/// Two rows whose smaller elements go to the first, and the larger ones to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exchange {
    low: u16,
    high: u16,
    /// Which of the two is of use later.
    needs_low: bool,
    needs_high: bool,
}

/// A network over rows.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    exchanges: Vec<Exchange>,
    /// The rows in ascending order of what is in them at the end.
    order: Vec<u16>,
}

impl Network {
    /// Sorts so many rows.
    pub(crate) fn sorting(rows: usize) -> Self {
        let mut exchanges = Vec::new();
        let order = sorted(&(0..rows as u16).collect::<Vec<_>>(), &mut exchanges);
        Self { exchanges, order }
    }

    /// Finds the element of a rank, from 0, of `lists` that are sorted, each of so many rows.
    pub(crate) fn of_rank(lists: usize, rows: usize, rank: usize) -> Self {
        let mut exchanges = Vec::new();
        let list = |number: usize| ((number * rows) as u16..((number + 1) * rows) as u16).collect::<Vec<_>>();
        let mut all: Vec<Vec<u16>> = (0..lists).map(list).collect();
        while all.len() > 1 {
            let pairs = all.chunks(2).map(|pair| match pair {
                [one, other] => merged(one, other, &mut exchanges),
                rest => rest.concat(),
            });
            all = pairs.collect();
        }
        let order = all.concat();
        let wanted = order.get(rank).copied().unwrap_or(0);
        Self { exchanges: pruned(exchanges, wanted), order: vec![wanted] }
    }

    /// The rows in the order of what is in them.
    pub(crate) fn order(&self) -> &[u16] {
        &self.order
    }

    /// Compares rows of `length` elements, which follow each other.
    pub(crate) fn run<T: Ordered>(&self, rows: &mut [T], length: usize) {
        for exchange in &self.exchanges {
            let (low, high) = (usize::from(exchange.low), usize::from(exchange.high));
            let (first, second) = (low.min(high), low.max(high));
            let (head, tail) = rows.split_at_mut(second * length);
            let (one, other) = (&mut head[first * length..][..length], &mut tail[..length]);
            let (low, high) = if low < high { (one, other) } else { (other, one) };
            match (exchange.needs_low, exchange.needs_high) {
                (true, true) => both(low, high),
                (true, false) => low.iter_mut().zip(high).for_each(|(low, high)| *low = lesser(*low, *high)),
                _ => high.iter_mut().zip(low).for_each(|(high, low)| *high = greater(*low, *high)),
            }
        }
    }
}

fn lesser<T: Ordered>(one: T, other: T) -> T {
    if other.is_less(one) { other } else { one }
}

fn greater<T: Ordered>(one: T, other: T) -> T {
    if other.is_less(one) { one } else { other }
}

fn both<T: Ordered>(low: &mut [T], high: &mut [T]) {
    for (low, high) in low.iter_mut().zip(high) {
        (*low, *high) = (lesser(*low, *high), greater(*low, *high));
    }
}

/// Batcher's sort by merging.
fn sorted(rows: &[u16], exchanges: &mut Vec<Exchange>) -> Vec<u16> {
    if rows.len() < 2 {
        return rows.to_vec();
    }
    let (one, other) = rows.split_at(rows.len() / 2);
    let (one, other) = (sorted(one, exchanges), sorted(other, exchanges));
    merged(&one, &other, exchanges)
}

/// Batcher's merge of two lists of any lengths.
fn merged(one: &[u16], other: &[u16], exchanges: &mut Vec<Exchange>) -> Vec<u16> {
    match (one, other) {
        ([], rest) | (rest, []) => return rest.to_vec(),
        ([low], [high]) => {
            exchanges.push(Exchange { low: *low, high: *high, needs_low: true, needs_high: true });
            return vec![*low, *high];
        }
        _ => {}
    }
    let every_other =
        |list: &[u16], first: usize| list.iter().skip(first).step_by(2).copied().collect::<Vec<_>>();
    let evens = merged(&every_other(one, 0), &every_other(other, 0), exchanges);
    let odds = merged(&every_other(one, 1), &every_other(other, 1), exchanges);
    let mut all = vec![evens[0]];
    for at in 0..odds.len().max(evens.len() - 1) {
        match (odds.get(at), evens.get(at + 1)) {
            (Some(&low), Some(&high)) => {
                exchanges.push(Exchange { low, high, needs_low: true, needs_high: true });
                all.extend([low, high]);
            }
            (Some(&rest), None) | (None, Some(&rest)) => all.push(rest),
            (None, None) => {}
        }
    }
    all
}

/// The comparisons that one row needs.
fn pruned(exchanges: Vec<Exchange>, wanted: u16) -> Vec<Exchange> {
    let mut needed = std::collections::HashSet::from([wanted]);
    let mut kept: Vec<Exchange> = Vec::new();
    for exchange in exchanges.into_iter().rev() {
        let (needs_low, needs_high) = (needed.contains(&exchange.low), needed.contains(&exchange.high));
        if needs_low || needs_high {
            needed.extend([exchange.low, exchange.high]);
            kept.push(Exchange { needs_low, needs_high, ..exchange });
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sorts all sequences of zeros and ones sorts everything.
    #[test]
    fn networks_sort_and_find_ranks() {
        for rows in 1..=9usize {
            let columns = 1 << rows;
            let mut all: Vec<u8> =
                (0..rows).flat_map(|row| (0..columns).map(move |at| (at >> row & 1) as u8)).collect();
            let network = Network::sorting(rows);
            network.run(&mut all, columns);
            for at in 0..columns {
                let column: Vec<u8> =
                    network.order().iter().map(|&row| all[usize::from(row) * columns + at]).collect();
                assert!(column.is_sorted(), "{rows} rows: {column:?}");
            }
        }
        for (lists, rows) in [(1, 5), (2, 3), (3, 3), (4, 3), (5, 2), (7, 1)] {
            for rank in 0..lists * rows {
                // Each list has some ones at its end.
                let columns = (rows + 1usize).pow(lists as u32);
                let ones = |list: usize, at: usize| at / (rows + 1usize).pow(list as u32) % (rows + 1);
                let mut all: Vec<u8> = (0..lists * rows)
                    .flat_map(|row| {
                        (0..columns).map(move |at| u8::from(rows - row % rows <= ones(row / rows, at)))
                    })
                    .collect();
                let network = Network::of_rank(lists, rows, rank);
                network.run(&mut all, columns);
                for at in 0..columns {
                    let count: usize = (0..lists).map(|list| ones(list, at)).sum();
                    let expected = u8::from(rank >= lists * rows - count);
                    assert_eq!(
                        all[usize::from(network.order()[0]) * columns + at],
                        expected,
                        "{lists} × {rows}, {rank}"
                    );
                }
            }
        }
    }
}
