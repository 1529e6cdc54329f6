//! Places of units in tree order.

/// The place of a unit in tree order, from 0. It changes when units are added, so it is only used
/// in memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct UnitPosition(usize);

impl UnitPosition {
    /// The position with `before` units before it.
    #[must_use]
    #[inline]
    pub const fn new(before: usize) -> Self {
        Self(before)
    }

    /// The index, for lists in tree order.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0
    }

    /// The position after this one.
    #[must_use]
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Positions from `start` up to but not including `end`, such as those of a subtree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnitRange {
    /// The first position.
    pub start: UnitPosition,
    /// The position after the last one.
    pub end: UnitPosition,
}

impl UnitRange {
    /// The range from `start` up to but not including `end`.
    #[must_use]
    #[inline]
    pub const fn new(start: UnitPosition, end: UnitPosition) -> Self {
        Self { start, end }
    }

    /// The first `count` positions.
    #[must_use]
    #[inline]
    pub const fn of_first(count: usize) -> Self {
        Self::new(UnitPosition(0), UnitPosition(count))
    }

    /// The number of positions.
    #[must_use]
    #[inline]
    pub const fn len(self) -> usize {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether the range has no position.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether a position is in the range.
    #[must_use]
    #[inline]
    pub fn contains(self, position: UnitPosition) -> bool {
        self.start <= position && position < self.end
    }

    /// The positions in order.
    #[must_use]
    #[inline]
    pub const fn iter(self) -> UnitPositions {
        UnitPositions(self.start.0..self.end.0)
    }
}

impl IntoIterator for UnitRange {
    type Item = UnitPosition;
    type IntoIter = UnitPositions;

    fn into_iter(self) -> UnitPositions {
        self.iter()
    }
}

/// The positions of a range in order.
#[derive(Clone, Debug)]
pub struct UnitPositions(std::ops::Range<usize>);

impl Iterator for UnitPositions {
    type Item = UnitPosition;

    #[inline]
    fn next(&mut self) -> Option<UnitPosition> {
        self.0.next().map(UnitPosition)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<UnitPosition> {
        self.0.nth(n).map(UnitPosition)
    }
}

impl DoubleEndedIterator for UnitPositions {
    #[inline]
    fn next_back(&mut self) -> Option<UnitPosition> {
        self.0.next_back().map(UnitPosition)
    }
}

impl ExactSizeIterator for UnitPositions {}
