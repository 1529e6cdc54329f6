//! Sets of units: one bit for each position in tree order.
//!
//! A set takes memory only for the range that it covers, because most sets are the leaves of one
//! unit among thousands. With sets that always begin at position 0, such as those of the crate
//! `fixedbitset`, copying and merging the leaves of one of 63 provinces takes three times as long.

use super::position::{UnitPosition, UnitRange};

/// A set of positions. Only the range from the first to the last position takes memory.
#[derive(Clone, Debug, Default)]
pub struct BitSet {
    /// Number of the first word; a word holds 64 positions.
    offset: usize,
    words: Vec<u64>,
}

impl BitSet {
    /// Adds a position.
    pub fn insert(&mut self, position: UnitPosition) {
        let (word, bit) = (position.index() / 64, position.index() % 64);
        if self.words.is_empty() {
            self.offset = word;
        } else if word < self.offset {
            let missing = self.offset - word;
            self.words.splice(0..0, std::iter::repeat_n(0, missing));
            self.offset = word;
        }
        let place = word - self.offset;
        if place >= self.words.len() {
            self.words.resize(place + 1, 0);
        }
        self.words.get_mut(place).into_iter().for_each(|w| *w |= 1 << bit);
    }

    /// Removes a position.
    pub fn remove(&mut self, position: UnitPosition) {
        let (word, bit) = (position.index() / 64, position.index() % 64);
        if let Some(word) =
            word.checked_sub(self.offset).and_then(|place| self.words.get_mut(place))
        {
            *word &= !(1 << bit);
        }
    }

    /// Whether a position is in the set.
    #[must_use]
    pub fn contains(&self, position: UnitPosition) -> bool {
        self.word(position.index() / 64) & (1 << (position.index() % 64)) != 0
    }

    /// The number of positions in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The positions in order.
    pub fn iter(&self) -> impl Iterator<Item = UnitPosition> + '_ {
        self.words.iter().enumerate().flat_map(move |(place, word)| {
            let base = (self.offset + place) * 64;
            (0..64)
                .filter(move |bit| word & (1 << bit) != 0)
                .map(move |bit| UnitPosition::new(base + bit))
        })
    }

    /// Adds all positions of another set.
    pub fn extend(&mut self, other: &Self) {
        if self.words.is_empty() {
            self.clone_from(other);
            return;
        }
        for (place, word) in other.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            let number = other.offset + place;
            if number < self.offset || number >= self.offset + self.words.len() {
                self.insert(UnitPosition::new(number * 64));
                if word & 1 == 0 {
                    self.remove(UnitPosition::new(number * 64));
                }
            }
            self.words.get_mut(number - self.offset).into_iter().for_each(|w| *w |= word);
        }
    }

    /// The positions that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let words = self
            .words
            .iter()
            .enumerate()
            .map(|(place, word)| word & other.word(self.offset + place))
            .collect();
        Self { offset: self.offset, words }
    }

    /// The positions of this set that are not in the other.
    #[must_use]
    pub fn without(mut self, other: &Self) -> Self {
        for (place, word) in self.words.iter_mut().enumerate() {
            *word &= !other.word(self.offset + place);
        }
        self
    }

    /// Whether every position of this set is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words
            .iter()
            .enumerate()
            .all(|(place, word)| word & !other.word(self.offset + place) == 0)
    }

    /// Whether the two sets have no position in common.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.words
            .iter()
            .enumerate()
            .all(|(place, word)| word & other.word(self.offset + place) == 0)
    }

    fn word(&self, number: usize) -> u64 {
        number
            .checked_sub(self.offset)
            .and_then(|place| self.words.get(place))
            .copied()
            .unwrap_or(0)
    }

    /// Replaces this set with the positions of another that lie in a range.
    pub fn copy_range(&mut self, from: &Self, range: UnitRange) {
        let (start, end) = (range.start.index(), range.end.index());
        let (first, last) = (start / 64, end.saturating_sub(1) / 64);
        self.offset = first;
        self.words = (first..=last)
            .map(|number| {
                let mut word = from.word(number);
                if number == first {
                    word &= u64::MAX << (start % 64);
                }
                if number == last && !end.is_multiple_of(64) {
                    word &= (1 << (end % 64)) - 1;
                }
                word
            })
            .collect();
    }

    /// The number of positions of the set that lie in a range.
    #[must_use]
    pub fn count_range(&self, range: UnitRange) -> usize {
        let (start, end) = (range.start.index(), range.end.index());
        let (first, last) = (start / 64, end.saturating_sub(1) / 64);
        let in_word = |number: usize| {
            let mut word = self.word(number);
            if number == first {
                word &= u64::MAX << (start % 64);
            }
            if number == last && !end.is_multiple_of(64) {
                word &= (1 << (end % 64)) - 1;
            }
            usize::try_from(word.count_ones()).unwrap_or(0)
        };
        (first..=last).map(in_word).sum()
    }

    /// Bytes of memory that the set takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.words.capacity() * size_of::<u64>()
    }

    /// Removes the positions of a range.
    pub fn clear_range(&mut self, range: UnitRange) {
        range.iter().for_each(|position| self.remove(position));
    }
}

impl PartialEq for BitSet {
    fn eq(&self, other: &Self) -> bool {
        self.is_subset(other) && other.is_subset(self)
    }
}

impl FromIterator<UnitPosition> for BitSet {
    fn from_iter<I: IntoIterator<Item = UnitPosition>>(positions: I) -> Self {
        let mut bits = Self::default();
        positions.into_iter().for_each(|position| bits.insert(position));
        bits
    }
}
