//! What is counted of labels, or of pairs of them: a few words of 64 bits each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::sync::MutexExt;

/// What is counted of a label or a pair, as words.
pub(super) trait Key: Copy + Eq + Hash {
    /// How many words it has.
    const WORDS: usize;

    fn of_words(words: &[u64]) -> Self;
    fn put(self, words: &mut Vec<u64>);
}

impl Key for u64 {
    const WORDS: usize = 1;

    fn of_words(words: &[u64]) -> Self {
        words[0]
    }

    fn put(self, words: &mut Vec<u64>) {
        words.push(self);
    }
}

impl Key for (u64, u64) {
    const WORDS: usize = 2;

    fn of_words(words: &[u64]) -> Self {
        (words[0], words[1])
    }

    fn put(self, words: &mut Vec<u64>) {
        words.extend([self.0, self.1]);
    }
}

/// Adds words that were counted elsewhere to those that are known.
pub(super) type Join = fn(&mut [u64], &[u64]);

/// Words by key.
#[derive(Debug)]
pub(super) struct Tally<K> {
    places: HashMap<K, u32>,
    words: Vec<u64>,
    width: usize,
    join: Join,
}

/// So many keys are counted in a block before they are added to all.
pub(super) const MANY: usize = 1 << 15;

impl<K: Key> Tally<K> {
    /// Of so many words for each key.
    pub(super) fn new(width: usize, join: Join) -> Self {
        Self { places: HashMap::new(), words: Vec::new(), width, join }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that it takes, with the room that lists and tables have.
    pub(super) fn bytes(&self) -> u64 {
        (self.places.len() * (2 * (size_of::<(K, u32)>() + 1) + 16 * self.width)) as u64
    }

    /// Adds words of a key.
    pub(super) fn add(&mut self, key: K, words: &[u64]) {
        let next = self.places.len() as u32;
        let place = *self.places.entry(key).or_insert(next);
        let at = place as usize * self.width;
        if place == next && at == self.words.len() {
            self.words.extend_from_slice(words);
        } else {
            (self.join)(&mut self.words[at..at + self.width], words);
        }
    }

    /// Each key and its words.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &[u64])> {
        let words = |&place: &u32| &self.words[place as usize * self.width..][..self.width];
        self.places.iter().map(move |(&key, place)| (key, words(place)))
    }

    /// All of it as words, which is empty afterwards.
    pub(super) fn take(&mut self) -> Vec<u64> {
        let mut all = Vec::with_capacity(self.len() * (K::WORDS + self.width));
        for (key, words) in self.iter() {
            key.put(&mut all);
            all.extend_from_slice(words);
        }
        self.places.clear();
        self.words.clear();
        all
    }
}

/// What is counted in all blocks.
#[derive(Debug)]
pub(super) struct Total<K> {
    tally: Mutex<Tally<K>>,
    width: usize,
    most: u64,
    what: &'static str,
}

impl<K: Key> Total<K> {
    /// Within so many bytes.
    pub(super) fn new(width: usize, join: Join, most: u64, what: &'static str) -> Self {
        Self { tally: Mutex::new(Tally::new(width, join)), width, most, what }
    }

    /// Adds what [`Tally::take`] gave.
    ///
    /// # Errors
    /// `MemoryBudget` if there are too many keys; `CorruptData` if there are no such words.
    pub(super) fn add(&self, words: &[u64]) -> Result<()> {
        let each = K::WORDS + self.width;
        if !words.len().is_multiple_of(each) {
            return Err(Error::corrupt("what a block has left for others is damaged"));
        }
        let mut tally = self.tally.locked();
        words.chunks_exact(each).for_each(|words| tally.add(K::of_words(words), &words[K::WORDS..]));
        let bytes = tally.bytes();
        if bytes <= self.most && tally.len() < u32::MAX as usize {
            return Ok(());
        }
        let (count, what, most) = (tally.len(), self.what, self.most);
        let reason =
            format!("{count} {what} and more take {bytes} bytes, and the budget leaves {most}; raise it");
        Err(Error::new(ErrorKind::MemoryBudget, reason))
    }

    pub(super) fn into_tally(self) -> Tally<K> {
        self.tally.into_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined_by_key() {
        let join: Join = |own, other| own[0] += other[0];
        let mut tally = Tally::new(1, join);
        [7u64, 3, 7].iter().for_each(|&key| tally.add(key, &[key]));
        let words = tally.take();
        assert_eq!((words.len(), tally.len()), (4, 0));
        let total = Total::new(1, join, 400, "labels");
        total.add(&words).unwrap();
        total.add(&words).unwrap();
        assert!(total.add(&[1]).is_err());
        let all: Vec<u64> = (0..200).collect();
        assert_eq!(total.add(&all).unwrap_err().kind(), ErrorKind::MemoryBudget);
        let tally = total.into_tally();
        let mut found: Vec<_> = tally
            .iter()
            .filter(|(key, _)| [3, 7].contains(key))
            .map(|(key, words)| (key, words[0]))
            .collect();
        found.sort_unstable();
        assert!(found.contains(&(3, 6)) || found.contains(&(7, 28)), "{found:?}");
    }
}
