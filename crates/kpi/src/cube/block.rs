//! The cells of 64 neighbouring units, and what they were before revisions replaced them.

use imbl::Vector;

use crate::number::{Decimal64, Statement};
use crate::period::Month;
use crate::unit::UnitPosition;

/// Units in one block.
pub(super) const BLOCK_UNITS: usize = 64;
/// Content of a cell without a figure.
pub(super) const EMPTY_CELL: i64 = i64::MIN;
/// Content of a cell with a figure that does not apply to its unit.
pub(super) const NOT_APPLICABLE_CELL: i64 = i64::MIN + 1;

/// The place of a unit's block in a column.
pub(super) fn block_of(unit: UnitPosition) -> usize {
    unit.index() / BLOCK_UNITS
}

/// The place of a unit in its block.
pub(super) fn row_of(unit: UnitPosition) -> usize {
    unit.index() % BLOCK_UNITS
}

/// The content of a cell for a statement; an empty cell for none.
pub(super) fn cell_of(written: Option<Statement>, decimals: u32) -> i64 {
    match written {
        None => EMPTY_CELL,
        Some(Statement::NotApplicable) => NOT_APPLICABLE_CELL,
        Some(Statement::Number(number)) => number.at_scale(decimals).unwrap_or(EMPTY_CELL),
    }
}

/// The number in a cell, in units of its last decimal.
pub(super) fn number_in(cell: i64) -> Option<i64> {
    (cell > NOT_APPLICABLE_CELL).then_some(cell)
}

/// The statement in a cell.
pub(super) fn statement_in(cell: i64, decimals: u32) -> Option<Statement> {
    match cell {
        EMPTY_CELL => None,
        NOT_APPLICABLE_CELL => Some(Statement::NotApplicable),
        mantissa => Some(Statement::Number(Decimal64 { mantissa, scale: decimals })),
    }
}

/// The content of a cell before a revision replaced it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplacedFigure {
    value: i64,
    month: Month,
    /// The revision that replaced it.
    pub(super) revision: u32,
    stamp: u32,
    /// As in [`FigureBlock::firsts`].
    first: u32,
    /// The place of the unit in its block.
    row: u8,
}

/// The months of 64 neighbouring units.
#[derive(Clone, Debug, Default)]
pub(super) struct FigureBlock {
    /// The first month, as [`Month::number`].
    pub(super) first: i32,
    pub(super) months: usize,
    pub(super) values: Vec<i64>,
    pub(super) stamps: Vec<u32>,
    /// For revised figures: the revision that first recorded the figure. Empty until a figure of
    /// the block is revised.
    pub(super) firsts: Vec<u32>,
}

impl FigureBlock {
    pub(super) fn place(&self, row: usize, month: i32) -> Option<usize> {
        let offset =
            usize::try_from(month - self.first).ok().filter(|offset| *offset < self.months)?;
        Some(row * self.months + offset)
    }

    /// Widens the block to the whole years that include `month`.
    pub(super) fn widen_to(&mut self, month: i32) {
        let start = month.div_euclid(12) * 12;
        if self.months == 0 {
            self.first = start;
        }
        let first = self.first.min(start);
        let held = i32::try_from(self.months).unwrap_or(0);
        let end = (self.first + held).max(start + 12);
        let months = usize::try_from(end - first).unwrap_or(0);
        if months == self.months && first == self.first {
            return;
        }
        let shift = usize::try_from(self.first - first).unwrap_or(0);
        let mut wider = Self {
            first,
            months,
            values: vec![EMPTY_CELL; months * BLOCK_UNITS],
            stamps: vec![0; months * BLOCK_UNITS],
            firsts: Vec::new(),
        };
        if !self.firsts.is_empty() {
            wider.firsts = vec![0; months * BLOCK_UNITS];
        }
        for row in 0..BLOCK_UNITS {
            let (from, to) = (row * self.months, row * months + shift);
            if let (Some(target), Some(source)) = (
                wider.values.get_mut(to..to + self.months),
                self.values.get(from..from + self.months),
            ) {
                target.copy_from_slice(source);
            }
            for (target, source) in
                [(&mut wider.stamps, &self.stamps), (&mut wider.firsts, &self.firsts)]
            {
                if let (Some(target), Some(source)) =
                    (target.get_mut(to..to + self.months), source.get(from..from + self.months))
                {
                    target.copy_from_slice(source);
                }
            }
        }
        *self = wider;
    }

    /// The content of a unit's month that a revision is about to replace; `None` where nothing was
    /// ever recorded.
    pub(super) fn replaced_at(
        &self,
        row: usize,
        month: Month,
        revision: u32,
    ) -> Option<ReplacedFigure> {
        let place = self.place(row, month.number())?;
        let stamp = self.stamps.get(place).copied().filter(|stamp| *stamp > 0)?;
        Some(ReplacedFigure {
            value: *self.values.get(place)?,
            row: u8::try_from(row).ok()?,
            month,
            revision,
            stamp,
            first: self.firsts.get(place).copied().unwrap_or(0),
        })
    }

    /// The block as it was right after an earlier revision: `replaced` has at least all that was
    /// replaced since, in the order of revisions. `None` where nothing had been recorded.
    pub(super) fn before(&self, replaced: &Vector<ReplacedFigure>, revision: u32) -> Option<Self> {
        let mut block = self.clone();
        let since = replaced.iter().rev().take_while(|figure| figure.revision > revision);
        for figure in since {
            let place = block.place(figure.row.into(), figure.month.number())?;
            block.restore(place, (figure.value, figure.stamp, figure.first));
        }
        for place in block.places_after(revision) {
            block.restore(place, (EMPTY_CELL, 0, 0));
        }
        block.without_empty_years()
    }

    /// The bytes of memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<i64>()
            + (self.stamps.capacity() + self.firsts.capacity()) * size_of::<u32>()
    }

    /// The month after the last one.
    pub(super) fn end(&self) -> i32 {
        self.first + i32::try_from(self.months).unwrap_or(0)
    }

    /// The unit's place in the block and the month of a place.
    pub(super) fn row_and_month(&self, place: usize) -> Option<(usize, Month)> {
        let month = self.first + i32::try_from(place % self.months).ok()?;
        Some((place / self.months, Month::from_number(month)?))
    }

    /// Sets the content of a place.
    fn restore(&mut self, place: usize, (value, stamp, first): (i64, u32, u32)) {
        if first > 0 && self.firsts.is_empty() {
            self.firsts = vec![0; self.stamps.len()];
        }
        for (list, content) in [(&mut self.stamps, stamp), (&mut self.firsts, first)] {
            list.get_mut(place).into_iter().for_each(|slot| *slot = content);
        }
        self.values.get_mut(place).into_iter().for_each(|cell| *cell = value);
    }

    /// The places that were recorded or withdrawn after a revision.
    pub(super) fn places_after(&self, revision: u32) -> Vec<usize> {
        let stamps = self.stamps.iter().enumerate();
        stamps.filter(|(_, stamp)| **stamp > revision).map(|(place, _)| place).collect()
    }

    /// The block with only the years in which figures were recorded or withdrawn, as if it had
    /// never had other years; `None` without such a year.
    fn without_empty_years(self) -> Option<Self> {
        let months = || (0..self.months).filter(|month| self.is_used(*month));
        let (first, last) = (months().next()?, months().next_back()?);
        if first < 12 && last + 12 >= self.months {
            return Some(self);
        }
        let mut found = Self::default();
        for month in [first, last] {
            found.widen_to(self.first + i32::try_from(month).ok()?);
        }
        for row in 0..BLOCK_UNITS {
            for month in first..=last {
                let from = row * self.months + month;
                let place = found.place(row, self.first + i32::try_from(month).ok()?)?;
                let first = self.firsts.get(from).copied().unwrap_or(0);
                found.restore(place, (*self.values.get(from)?, *self.stamps.get(from)?, first));
            }
        }
        Some(found)
    }

    /// Whether a figure of any unit was recorded or withdrawn in the month at this offset.
    fn is_used(&self, month: usize) -> bool {
        let stamps = self.stamps.iter().skip(month).step_by(self.months.max(1));
        stamps.into_iter().any(|stamp| *stamp > 0)
    }

    /// Keeps the revision that first recorded a figure when the figure is revised, and clears it
    /// when the figure is withdrawn.
    pub(super) fn record_since(&mut self, place: usize, revised: bool) {
        if revised && self.firsts.is_empty() {
            self.firsts = vec![0; self.stamps.len()];
        }
        if let (Some(first), Some(stamp)) = (self.firsts.get_mut(place), self.stamps.get(place)) {
            *first = match (revised, *first) {
                (false, _) => 0,
                (true, 0) => *stamp,
                (true, first) => first,
            };
        }
    }
}
