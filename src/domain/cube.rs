//! Every current figure in memory, column by column.
//!
//! A column holds one indicator with one set of members: a 64-bit integer (scaled by the indicator's
//! decimals) for each unit and month, and beside it the revision that brought it. Units stand in tree
//! order, 64 of them to a block, each unit's months side by side: a trend is one short run, a roll-up
//! a walk over neighbouring runs, and an indicator that few units report costs only their blocks.
//! Figures stated for kpis keep the digits that were printed, so they stand apart in a map.

use std::collections::{BTreeMap, HashMap};

use ahash::AHashMap;

use super::measure::{Measure, Members};
use super::number::Written;
use super::period::Month;

/// Units in a block.
const BLOCK_UNITS: usize = 64;
/// A cell without a figure.
const NOTHING: i64 = i64::MIN;

/// Number of a measure in the ledger's dictionary.
pub type MeasureId = usize;

/// The dictionary of measures that figures were ever recorded for; a number is never used again.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    list: Vec<Measure>,
    ids: HashMap<Measure, MeasureId>,
}

impl Measures {
    /// The number of a measure, when figures were recorded for it.
    #[must_use]
    pub fn id(&self, measure: &Measure) -> Option<MeasureId> {
        self.ids.get(measure).copied()
    }

    /// The measure of a number.
    #[must_use]
    pub fn get(&self, id: MeasureId) -> Option<&Measure> {
        self.list.get(id)
    }

    /// Gives a measure the next number, or returns the one it has.
    pub fn intern(&mut self, measure: &Measure) -> MeasureId {
        if let Some(id) = self.ids.get(measure) {
            return *id;
        }
        let id = self.list.len();
        self.list.push(measure.clone());
        self.ids.insert(measure.clone(), id);
        id
    }

    /// How many there are; also the next number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (MeasureId, &Measure)> {
        self.list.iter().enumerate()
    }
}

/// Months of 64 neighbouring units.
#[derive(Clone, Debug, Default)]
struct Block {
    first: i32,
    months: usize,
    values: Vec<i64>,
    stamps: Vec<u32>,
    /// For figures that were revised: the revision since which there has been one. Empty until the first of the block is.
    firsts: Vec<u32>,
}

impl Block {
    fn place(&self, row: usize, month: i32) -> Option<usize> {
        let offset =
            usize::try_from(month - self.first).ok().filter(|offset| *offset < self.months)?;
        Some(row * self.months + offset)
    }

    /// Widens the block to whole years that take in a month.
    fn reach(&mut self, month: i32) {
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
            values: vec![NOTHING; months * BLOCK_UNITS],
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

    /// Keeps the revision since which there has been a figure, when one takes the place of another; forgets it when there is none
    /// any more.
    fn remember(&mut self, place: usize, revised: bool) {
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

/// The figures of one measure.
#[derive(Clone, Debug, Default)]
struct Column {
    decimals: u32,
    blocks: Vec<Option<Box<Block>>>,
}

/// One unit's months of one column.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row<'a> {
    first: i32,
    values: &'a [i64],
}

impl Row<'_> {
    /// The figure of a month.
    #[must_use]
    pub fn at(&self, month: Month) -> Option<i64> {
        let offset = usize::try_from(month.number() - self.first).ok()?;
        self.values.get(offset).copied().filter(|value| *value != NOTHING)
    }

    /// The last month that has a figure.
    #[must_use]
    pub fn last(&self) -> Option<Month> {
        let place = self.values.iter().rposition(|value| *value != NOTHING)?;
        Month::from_number(self.first + i32::try_from(place).ok()?)
    }

    /// The months that have a figure.
    pub fn iter(&self) -> impl Iterator<Item = (Month, i64)> + '_ {
        let months = (self.first..).zip(self.values);
        months
            .filter(|(_, value)| **value != NOTHING)
            .filter_map(|(month, value)| Some((Month::from_number(month)?, *value)))
    }
}

/// A figure with the revision that brought it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// The digits as written.
    pub written: Written,
    /// The revision.
    pub revision: u32,
}

/// One figure to put into the cube.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The measure's number.
    pub measure: MeasureId,
    /// The unit's position.
    pub unit: usize,
    /// The month.
    pub month: Month,
    /// The digits as written; none for a withdrawal.
    pub written: Option<Written>,
}

/// Every current figure.
#[derive(Clone, Debug, Default)]
pub struct Cube {
    columns: Vec<Column>,
    stated: BTreeMap<(usize, Month, MeasureId), Stamped>,
    figures: usize,
}

impl Cube {
    /// Says that a measure is an indicator's, with so many decimals; figures already there are rescaled.
    /// Returns false, and changes nothing, when a figure would lose a digit.
    pub fn declare(&mut self, measure: MeasureId, decimals: u32) -> bool {
        if measure >= self.columns.len() {
            self.columns.resize_with(measure + 1, Column::default);
        }
        let Some(column) = self.columns.get_mut(measure) else { return false };
        if column.decimals == decimals {
            return true;
        }
        let from = column.decimals;
        let rescale = |value: i64| {
            if value == NOTHING {
                Some(NOTHING)
            } else {
                Written { mantissa: value, scale: from }.at_scale(decimals)
            }
        };
        let cells = || column.blocks.iter().flatten().flat_map(|block| block.values.iter());
        if cells().any(|value| rescale(*value).is_none()) {
            return false;
        }
        for block in column.blocks.iter_mut().flatten() {
            block.values.iter_mut().for_each(|value| *value = rescale(*value).unwrap_or(NOTHING));
        }
        column.decimals = decimals;
        true
    }

    /// Puts a figure of an indicator in, or takes it out. The measure has to be declared.
    pub fn set(&mut self, entry: &Entry, revision: u32) {
        let Some(column) = self.columns.get_mut(entry.measure) else { return };
        let value =
            entry.written.and_then(|written| written.at_scale(column.decimals)).unwrap_or(NOTHING);
        let number = entry.unit / BLOCK_UNITS;
        if number >= column.blocks.len() {
            column.blocks.resize_with(number + 1, || None);
        }
        let Some(slot) = column.blocks.get_mut(number) else { return };
        let block = slot.get_or_insert_default();
        let month = entry.month.number();
        block.reach(month);
        let Some(place) = block.place(entry.unit % BLOCK_UNITS, month) else { return };
        let there = block.values.get(place).is_some_and(|cell| *cell != NOTHING);
        block.remember(place, there && value != NOTHING);
        if let (Some(cell), Some(stamp)) =
            (block.values.get_mut(place), block.stamps.get_mut(place))
        {
            self.figures =
                self.figures + usize::from(value != NOTHING) - usize::from(*cell != NOTHING);
            *cell = value;
            *stamp = revision;
        }
    }

    /// Puts a figure stated for a kpi in, or takes it out.
    pub fn set_stated(&mut self, entry: &Entry, revision: u32) {
        let key = (entry.unit, entry.month, entry.measure);
        let before = match entry.written {
            Some(written) => self.stated.insert(key, Stamped { written, revision }),
            None => self.stated.remove(&key),
        };
        self.figures =
            self.figures + usize::from(entry.written.is_some()) - usize::from(before.is_some());
    }

    /// A unit's months of an indicator.
    #[must_use]
    pub fn row(&self, measure: MeasureId, unit: usize) -> Row<'_> {
        self.block(measure, unit).map_or_else(Row::default, |block| {
            let from = unit % BLOCK_UNITS * block.months;
            Row {
                first: block.first,
                values: block.values.get(from..from + block.months).unwrap_or_default(),
            }
        })
    }

    /// A figure of an indicator, scaled by its decimals, and the revision that brought it.
    #[must_use]
    pub fn cell(&self, measure: MeasureId, unit: usize, month: Month) -> Option<(i64, u32)> {
        let block = self.block(measure, unit)?;
        let place = block.place(unit % BLOCK_UNITS, month.number())?;
        Some((
            *block.values.get(place).filter(|value| **value != NOTHING)?,
            *block.stamps.get(place)?,
        ))
    }

    /// The revision since which there has been a figure of an indicator without a break: revisions of it do not count.
    #[must_use]
    pub fn since(&self, measure: MeasureId, unit: usize, month: Month) -> Option<u32> {
        let (_, stamp) = self.cell(measure, unit, month)?;
        let block = self.block(measure, unit)?;
        let place = block.place(unit % BLOCK_UNITS, month.number())?;
        Some(block.firsts.get(place).copied().filter(|first| *first > 0).unwrap_or(stamp))
    }

    /// The revision that last recorded or withdrew a figure of an indicator.
    #[must_use]
    pub fn stamp(&self, measure: MeasureId, unit: usize, month: Month) -> Option<u32> {
        let block = self.block(measure, unit)?;
        block
            .stamps
            .get(block.place(unit % BLOCK_UNITS, month.number())?)
            .copied()
            .filter(|stamp| *stamp > 0)
    }

    /// The figure stated for a kpi.
    #[must_use]
    pub fn stated(&self, measure: MeasureId, unit: usize, month: Month) -> Option<Stamped> {
        self.stated.get(&(unit, month, measure)).copied()
    }

    /// The kpi figures stated for a unit and month.
    pub fn stated_at(
        &self,
        unit: usize,
        month: Month,
    ) -> impl Iterator<Item = (MeasureId, Stamped)> + '_ {
        self.stated
            .range((unit, month, 0)..=(unit, month, MeasureId::MAX))
            .map(|((_, _, measure), stamped)| (*measure, *stamped))
    }

    /// Every kpi figure stated.
    pub fn all_stated(&self) -> impl Iterator<Item = (Entry, u32)> + '_ {
        self.stated.iter().map(|((unit, month, measure), stamped)| {
            (
                Entry {
                    measure: *measure,
                    unit: *unit,
                    month: *month,
                    written: Some(stamped.written),
                },
                stamped.revision,
            )
        })
    }

    /// Every figure of an indicator's measure, in tree order, with the revision that brought it.
    pub fn figures_of(&self, measure: MeasureId) -> impl Iterator<Item = (Entry, u32)> + '_ {
        let column = self.columns.get(measure);
        let decimals = column.map_or(0, |column| column.decimals);
        column
            .into_iter()
            .flat_map(|column| column.blocks.iter().enumerate())
            .filter_map(|(number, block)| Some((number, block.as_deref()?)))
            .flat_map(move |(number, block)| {
                let cells = block.values.iter().zip(&block.stamps).enumerate();
                cells.filter(|(_, (value, _))| **value != NOTHING).filter_map(
                    move |(place, (value, stamp))| {
                        let month = Month::from_number(
                            block.first + i32::try_from(place % block.months).ok()?,
                        )?;
                        let unit = number * BLOCK_UNITS + place / block.months;
                        Some((
                            Entry {
                                measure,
                                unit,
                                month,
                                written: Some(Written { mantissa: *value, scale: decimals }),
                            },
                            *stamp,
                        ))
                    },
                )
            })
    }

    /// Whether an indicator's measure has any figure.
    #[must_use]
    pub fn has_figures(&self, measure: MeasureId) -> bool {
        self.columns.get(measure).is_some_and(|column| column.blocks.iter().any(Option::is_some))
    }

    /// The months between which figures of indicators lie, both included; a few more where figures were withdrawn.
    #[must_use]
    pub fn span(&self) -> Option<(Month, Month)> {
        let blocks = || {
            self.columns
                .iter()
                .flat_map(|column| column.blocks.iter().flatten())
                .filter(|block| block.months > 0)
        };
        let last = |block: &Block| block.first + i32::try_from(block.months).unwrap_or(0) - 1;
        let first = blocks().map(|block| block.first).min()?;
        Some((
            Month::from_number(first)?,
            Month::from_number(blocks().map(|block| last(block)).max()?)?,
        ))
    }

    /// How many figures stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.figures
    }

    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.figures == 0
    }

    /// Bytes held by figures.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks = self.columns.iter().flat_map(|column| column.blocks.iter().flatten());
        blocks
            .map(|block| {
                block.values.capacity() * size_of::<i64>()
                    + (block.stamps.capacity() + block.firsts.capacity()) * size_of::<u32>()
            })
            .sum::<usize>()
            + self.stated.len() * size_of::<((usize, Month, MeasureId), Stamped)>()
    }

    /// The same figures with the units in other places: `places` gives the new position of each old one.
    #[must_use]
    pub fn rearranged(&self, places: &[usize]) -> Self {
        let mut cube = Self { columns: Vec::with_capacity(self.columns.len()), ..Self::default() };
        for (measure, column) in self.columns.iter().enumerate() {
            cube.columns.push(Column { decimals: column.decimals, blocks: Vec::new() });
            for (entry, revision) in self.figures_of(measure) {
                if let Some(unit) = places.get(entry.unit) {
                    if let Some(since) = self
                        .since(measure, entry.unit, entry.month)
                        .filter(|since| *since != revision)
                    {
                        cube.set(&Entry { unit: *unit, ..entry }, since);
                    }
                    cube.set(&Entry { unit: *unit, ..entry }, revision);
                }
            }
        }
        for (entry, revision) in self.all_stated() {
            if let Some(unit) = places.get(entry.unit) {
                cube.set_stated(&Entry { unit: *unit, ..entry }, revision);
            }
        }
        cube
    }

    fn block(&self, measure: MeasureId, unit: usize) -> Option<&Block> {
        self.columns.get(measure)?.blocks.get(unit / BLOCK_UNITS)?.as_deref()
    }
}

/// Figures that are about to be recorded, laid over the cube: what a dry run and the check before a commit see.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    cells: AHashMap<(MeasureId, usize, Month), Option<i64>>,
    stated: BTreeMap<(usize, Month, MeasureId), Option<Written>>,
    extra: Vec<Measure>,
    base: usize,
}

impl Overlay {
    /// An empty one over a dictionary of so many measures.
    #[must_use]
    pub fn over(measures: &Measures) -> Self {
        Self { base: measures.len(), ..Self::default() }
    }

    /// The number of a measure: the dictionary's, or the one it will get.
    pub fn intern(&mut self, measures: &Measures, measure: &Measure) -> MeasureId {
        if let Some(id) = measures.id(measure).or_else(|| self.id(measure)) {
            return id;
        }
        self.extra.push(measure.clone());
        self.base + self.extra.len() - 1
    }

    /// Lays a figure of an indicator over the cube, already scaled.
    pub fn set(&mut self, measure: MeasureId, unit: usize, month: Month, value: Option<i64>) {
        self.cells.insert((measure, unit, month), value);
    }

    /// Lays a figure stated for a kpi over the cube.
    pub fn set_stated(
        &mut self,
        measure: MeasureId,
        unit: usize,
        month: Month,
        written: Option<Written>,
    ) {
        self.stated.insert((unit, month, measure), written);
    }

    /// Takes back the numbers of all new measures but the first so many; nothing of theirs may be laid over.
    pub fn forget_measures(&mut self, kept: usize) {
        self.extra.truncate(kept);
    }

    /// Measures that will get the next numbers, in order.
    #[must_use]
    pub fn new_measures(&self) -> &[Measure] {
        &self.extra
    }

    fn id(&self, measure: &Measure) -> Option<MeasureId> {
        self.extra.iter().position(|known| known == measure).map(|place| self.base + place)
    }
}

/// A consistent look at the figures: the cube, and what is laid over it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The dictionary.
    pub measures: &'a Measures,
    /// The figures.
    pub cube: &'a Cube,
    /// What is laid over them.
    pub overlay: Option<&'a Overlay>,
}

impl<'a> View<'a> {
    /// The number of a measure, when there may be figures for it.
    #[must_use]
    pub fn id(&self, code: &str, members: &Members) -> Option<MeasureId> {
        let measure = Measure { code: code.to_owned(), members: members.clone() };
        self.measures.id(&measure).or_else(|| self.overlay?.id(&measure))
    }

    /// The measure of a number.
    #[must_use]
    pub fn measure(&self, id: MeasureId) -> Option<&'a Measure> {
        self.measures.get(id).or_else(|| {
            self.overlay.and_then(|overlay| overlay.extra.get(id.checked_sub(overlay.base)?))
        })
    }

    /// A figure of an indicator, scaled by its decimals.
    #[must_use]
    pub fn figure(&self, measure: MeasureId, unit: usize, month: Month) -> Option<i64> {
        match self.overlay.and_then(|overlay| overlay.cells.get(&(measure, unit, month))) {
            Some(laid) => *laid,
            None => self.cube.row(measure, unit).at(month),
        }
    }

    /// The figure stated for a kpi.
    #[must_use]
    pub fn stated(&self, measure: MeasureId, unit: usize, month: Month) -> Option<Written> {
        match self.overlay.and_then(|overlay| overlay.stated.get(&(unit, month, measure))) {
            Some(laid) => *laid,
            None => self.cube.stated(measure, unit, month).map(|stamped| stamped.written),
        }
    }

    /// The measures that a kpi figure is stated for at a unit and month.
    #[must_use]
    pub fn stated_at(&self, unit: usize, month: Month) -> Vec<(MeasureId, Written)> {
        let mut found: BTreeMap<MeasureId, Option<Written>> = self
            .cube
            .stated_at(unit, month)
            .map(|(measure, stamped)| (measure, Some(stamped.written)))
            .collect();
        if let Some(overlay) = self.overlay {
            let laid = overlay.stated.range((unit, month, 0)..=(unit, month, MeasureId::MAX));
            found.extend(laid.map(|((_, _, measure), written)| (*measure, *written)));
        }
        found.into_iter().filter_map(|(measure, written)| Some((measure, written?))).collect()
    }

    /// Whether nothing is laid over the cube, so that its rows can be read as they stand.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.overlay.is_none_or(|overlay| overlay.cells.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(unit: usize, month: i32, value: Option<i64>) -> Entry {
        Entry {
            measure: 0,
            unit,
            month: Month::from_number(2021 * 12 + month).unwrap(),
            written: value.map(|mantissa| Written { mantissa, scale: 0 }),
        }
    }

    #[test]
    fn a_figure_is_found_again_after_the_block_has_grown_both_ways() {
        let mut cube = Cube::default();
        assert!(cube.declare(0, 0));
        for (unit, month) in [(3, 5), (3, 40), (70, -30), (3, -13), (63, 5)] {
            cube.set(&entry(unit, month, Some(i64::from(month))), 7);
        }
        for (unit, month) in [(3, 5), (3, 40), (70, -30), (3, -13), (63, 5)] {
            assert_eq!(
                cube.cell(0, unit, entry(unit, month, None).month),
                Some((i64::from(month), 7))
            );
        }
        assert_eq!(cube.len(), 5);
        cube.set(&entry(3, 5, None), 8);
        assert_eq!((cube.cell(0, 3, entry(3, 5, None).month), cube.len()), (None, 4));
    }

    #[test]
    fn more_decimals_keep_the_figures_and_fewer_are_refused_when_a_digit_would_go() {
        let mut cube = Cube::default();
        cube.declare(0, 0);
        cube.set(&entry(1, 0, Some(15)), 1);
        assert!(cube.declare(0, 2));
        assert_eq!(cube.cell(0, 1, entry(1, 0, None).month), Some((1500, 1)));
        assert!(cube.declare(0, 1));
        cube.set(
            &Entry { written: Some(Written { mantissa: 5, scale: 1 }), ..entry(1, 0, None) },
            2,
        );
        assert!(!cube.declare(0, 0));
    }

    #[test]
    fn a_revised_figure_has_been_there_since_the_first_and_a_withdrawn_one_begins_anew() {
        let mut cube = Cube::default();
        cube.declare(0, 0);
        let since = |cube: &Cube, unit| cube.since(0, unit, entry(unit, 0, None).month);
        cube.set(&entry(1, 0, Some(10)), 3);
        assert_eq!(since(&cube, 1), Some(3));
        cube.set(&entry(1, 0, Some(11)), 5);
        cube.set(&entry(1, 0, Some(12)), 6);
        cube.set(&entry(1, 40, Some(1)), 7); // the block grows
        assert_eq!((since(&cube, 1), since(&cube.rearranged(&[1, 0]), 0)), (Some(3), Some(3)));
        cube.set(&entry(1, 0, None), 8);
        assert_eq!(since(&cube, 1), None);
        cube.set(&entry(1, 0, Some(12)), 9);
        assert_eq!(since(&cube, 1), Some(9));
    }

    #[test]
    fn rearranged_figures_stand_at_their_units_new_places() {
        let mut cube = Cube::default();
        cube.declare(0, 0);
        cube.set(&entry(0, 0, Some(10)), 1);
        cube.set(&entry(1, 1, Some(11)), 2);
        let moved = cube.rearranged(&[200, 0]);
        assert_eq!(moved.cell(0, 200, entry(0, 0, None).month), Some((10, 1)));
        assert_eq!(moved.cell(0, 0, entry(0, 1, None).month), Some((11, 2)));
        assert_eq!(moved.len(), 2);
    }
}
