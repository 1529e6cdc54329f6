//! All current figures in memory, column by column.
//!
//! A column holds one indicator with one set of members. For each unit and month it has a 64-bit
//! integer (the figure in units of its last decimal) and the revision that recorded it. Units are
//! in tree order, 64 to a block, and the months of a unit are adjacent. A trend therefore reads one
//! short run of memory, a roll-up reads neighbouring runs, and an indicator that few units report
//! takes memory only for their blocks. Figures stated for kpis keep their printed digits, so a map
//! holds them apart from the columns.
//!
//! A clone shares columns, blocks and the map with the original and costs one reference count per
//! column. A change copies only the blocks that it touches, and only while a clone holds them.
//!
//! The cube also keeps the newest [`MAX_REPLACED`] figures that revisions have replaced. From these
//! and the current figures it makes the figures of an earlier revision: it puts back the figures
//! that were replaced since, and removes those first recorded since ([`Cube::rewound`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use ahash::AHashMap;
use imbl::{OrdMap, Vector};

use super::measure::{Measure, Members};
use super::number::{Decimal64, Statement};
use super::period::Month;
use super::unit::UnitPosition;

/// Most replaced figures that are kept, in 64 MB, and most replaced rates, in 16 MB.
pub const MAX_REPLACED: usize = 2_000_000;
const MAX_REPLACED_RATES: usize = MAX_REPLACED / 8;
/// Units in one block.
const BLOCK_UNITS: usize = 64;
/// Content of a cell without a figure.
const EMPTY_CELL: i64 = i64::MIN;
/// Content of a cell with a figure that does not apply to its unit.
const NOT_APPLICABLE_CELL: i64 = i64::MIN + 1;

/// The place of a unit's block in a column.
fn block_of(unit: UnitPosition) -> usize {
    unit.index() / BLOCK_UNITS
}

/// The place of a unit in its block.
fn row_of(unit: UnitPosition) -> usize {
    unit.index() % BLOCK_UNITS
}

/// The content of a cell for a statement; an empty cell for none.
fn cell_of(written: Option<Statement>, decimals: u32) -> i64 {
    match written {
        None => EMPTY_CELL,
        Some(Statement::NotApplicable) => NOT_APPLICABLE_CELL,
        Some(Statement::Number(number)) => number.at_scale(decimals).unwrap_or(EMPTY_CELL),
    }
}

/// The number in a cell, in units of its last decimal.
fn number_in(cell: i64) -> Option<i64> {
    (cell > NOT_APPLICABLE_CELL).then_some(cell)
}

/// The statement in a cell.
fn statement_in(cell: i64, decimals: u32) -> Option<Statement> {
    match cell {
        EMPTY_CELL => None,
        NOT_APPLICABLE_CELL => Some(Statement::NotApplicable),
        mantissa => Some(Statement::Number(Decimal64 { mantissa, scale: decimals })),
    }
}

/// Number of a measure in the ledger's dictionary, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct MeasureId(usize);

impl MeasureId {
    /// The number of the first measure.
    pub const FIRST: Self = Self(0);
    /// A number after that of every measure.
    const END: Self = Self(usize::MAX);

    /// The number of the measure with `before` others before it in the dictionary.
    #[must_use]
    #[inline]
    pub const fn new(before: usize) -> Self {
        Self(before)
    }

    /// The place in the dictionary, for lists in its order.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// The number of the revision that recorded a figure, in the 32 bits that the cube has for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct RevisionStamp(u32);

impl RevisionStamp {
    /// The stamp of the revision with a number.
    #[must_use]
    #[inline]
    pub const fn new(revision: u32) -> Self {
        Self(revision)
    }

    /// The revision's number.
    #[must_use]
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The dictionary of all measures for which figures were ever recorded. A number is never given to
/// another measure.
#[derive(Clone, Debug, Default)]
pub struct MeasureDictionary {
    list: Vec<Measure>,
    ids: HashMap<Measure, MeasureId>,
}

impl MeasureDictionary {
    /// The number of a measure, if figures were ever recorded for it.
    #[must_use]
    pub fn id(&self, measure: &Measure) -> Option<MeasureId> {
        self.ids.get(measure).copied()
    }

    /// The measure with a number.
    #[must_use]
    pub fn get(&self, id: MeasureId) -> Option<&Measure> {
        self.list.get(id.index())
    }

    /// The number of a measure; a new measure gets the next number.
    pub fn intern(&mut self, measure: &Measure) -> MeasureId {
        if let Some(id) = self.ids.get(measure) {
            return *id;
        }
        let id = MeasureId(self.list.len());
        self.list.push(measure.clone());
        self.ids.insert(measure.clone(), id);
        id
    }

    /// The number of measures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether the dictionary is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The first measures, as many as there were at an earlier time.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        let mut found = Self::default();
        for measure in self.list.iter().take(count) {
            found.intern(measure);
        }
        found
    }

    /// All measures in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (MeasureId, &Measure)> {
        self.list.iter().enumerate().map(|(index, measure)| (MeasureId(index), measure))
    }
}

/// The months of 64 neighbouring units.
#[derive(Clone, Debug, Default)]
struct FigureBlock {
    first: i32,
    months: usize,
    values: Vec<i64>,
    stamps: Vec<u32>,
    /// For revised figures: the revision that first recorded the figure. Empty until a figure of
    /// the block is revised.
    firsts: Vec<u32>,
}

impl FigureBlock {
    fn place(&self, row: usize, month: i32) -> Option<usize> {
        let offset =
            usize::try_from(month - self.first).ok().filter(|offset| *offset < self.months)?;
        Some(row * self.months + offset)
    }

    /// Widens the block to the whole years that include `month`.
    fn widen_to(&mut self, month: i32) {
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

    /// The content of a place that a revision is about to replace; `None` where nothing was ever
    /// recorded.
    fn replaced_at(
        &self,
        place: usize,
        entry: &CubeEntry,
        revision: u32,
    ) -> Option<ReplacedFigure> {
        let stamp = self.stamps.get(place).copied().filter(|stamp| *stamp > 0)?;
        Some(ReplacedFigure {
            value: *self.values.get(place)?,
            measure: u32::try_from(entry.measure.index()).ok()?,
            unit: u32::try_from(entry.unit.index()).ok()?,
            month: entry.month,
            revision,
            stamp,
            first: self.firsts.get(place).copied().unwrap_or(0),
        })
    }

    /// Sets the content of a place. Returns the value that was there.
    fn restore(&mut self, place: usize, (value, stamp, first): (i64, u32, u32)) -> i64 {
        if first > 0 && self.firsts.is_empty() {
            self.firsts = vec![0; self.stamps.len()];
        }
        for (list, content) in [(&mut self.stamps, stamp), (&mut self.firsts, first)] {
            list.get_mut(place).into_iter().for_each(|slot| *slot = content);
        }
        self.values.get_mut(place).map_or(EMPTY_CELL, |cell| std::mem::replace(cell, value))
    }

    /// The places that were recorded or withdrawn after a revision.
    fn places_after(&self, revision: u32) -> Vec<usize> {
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
    fn record_since(&mut self, place: usize, revised: bool) {
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
struct FigureColumn {
    decimals: u32,
    /// The number of figures that do not apply.
    not_applicable: usize,
    blocks: Vec<Option<Arc<FigureBlock>>>,
    /// For each block: the newest revision that recorded or withdrew a figure of it.
    newest: Vec<u32>,
}

/// The content of a cell before a revision replaced it.
#[derive(Clone, Copy, Debug)]
struct ReplacedFigure {
    value: i64,
    measure: u32,
    unit: u32,
    month: Month,
    /// The revision that replaced it.
    revision: u32,
    stamp: u32,
    /// As in [`FigureBlock::firsts`].
    first: u32,
}

/// The rate stated for a kpi before a revision replaced it, if there was one.
#[derive(Clone, Copy, Debug)]
struct ReplacedRate {
    key: (UnitPosition, Month, MeasureId),
    before: Option<StampedFigure>,
    /// The revision that replaced it.
    revision: u32,
}

/// What revisions replaced, in their order.
#[derive(Clone, Debug, Default)]
struct ReplacedFigures {
    figures: Vector<ReplacedFigure>,
    rates: Vector<ReplacedRate>,
    /// The newest revision of which a replaced figure is no longer kept.
    forgotten: u32,
}

impl ReplacedFigures {
    fn push_figure(&mut self, replaced: ReplacedFigure) {
        if self.figures.len() >= MAX_REPLACED
            && let Some(oldest) = self.figures.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.revision);
        }
        self.figures.push_back(replaced);
    }

    fn push_rate(&mut self, replaced: ReplacedRate) {
        if self.rates.len() >= MAX_REPLACED_RATES
            && let Some(oldest) = self.rates.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.revision);
        }
        self.rates.push_back(replaced);
    }

    /// The same after units moved.
    fn rearranged(&self, places: &[UnitPosition]) -> Self {
        let moved = |unit: UnitPosition| places.get(unit.index()).copied();
        let figure = |figure: &ReplacedFigure| {
            let unit = moved(UnitPosition::new(usize::try_from(figure.unit).ok()?))?;
            let unit = u32::try_from(unit.index()).ok()?;
            Some(ReplacedFigure { unit, ..*figure })
        };
        let rate = |rate: &ReplacedRate| {
            let (unit, month, measure) = rate.key;
            Some(ReplacedRate { key: (moved(unit)?, month, measure), ..*rate })
        };
        Self {
            figures: self.figures.iter().filter_map(figure).collect(),
            rates: self.rates.iter().filter_map(rate).collect(),
            forgotten: self.forgotten,
        }
    }

    fn bytes(&self) -> usize {
        self.figures.len() * size_of::<ReplacedFigure>()
            + self.rates.len() * size_of::<ReplacedRate>()
    }
}

/// A place of a figure: measure, unit and month.
pub type FigurePlace = (MeasureId, UnitPosition, Month);

impl FigureColumn {
    /// Removes what was first recorded after a revision, and adds its places. Returns the number of
    /// figures removed.
    fn remove_after(
        &mut self,
        measure: MeasureId,
        revision: u32,
        places: &mut Vec<FigurePlace>,
    ) -> usize {
        let mut removed = 0;
        let blocks = self.blocks.iter_mut().zip(&mut self.newest).enumerate();
        for (number, (slot, newest)) in blocks.filter(|(_, (_, newest))| **newest > revision) {
            let Some(shared) = slot.take() else { continue };
            let mut block = Arc::unwrap_or_clone(shared);
            for place in block.places_after(revision) {
                let before = block.restore(place, (EMPTY_CELL, 0, 0));
                removed += usize::from(before != EMPTY_CELL);
                self.not_applicable -= usize::from(before == NOT_APPLICABLE_CELL);
                let month = i32::try_from(place % block.months).unwrap_or(0);
                if let Some(month) = Month::from_number(block.first + month) {
                    let unit = UnitPosition::new(number * BLOCK_UNITS + place / block.months);
                    places.push((measure, unit, month));
                }
            }
            *newest = block.stamps.iter().copied().max().unwrap_or(0);
            *slot = block.without_empty_years().map(Arc::new);
        }
        removed
    }
}

/// The months of one unit in one column.
#[derive(Clone, Copy, Debug, Default)]
pub struct FigureRow<'a> {
    first: i32,
    values: &'a [i64],
}

impl FigureRow<'_> {
    /// The figure of a month, in units of its last decimal.
    #[must_use]
    pub fn at(&self, month: Month) -> Option<i64> {
        let offset = usize::try_from(month.number() - self.first).ok()?;
        self.values.get(offset).copied().and_then(number_in)
    }

    /// The last month with a figure.
    #[must_use]
    pub fn last(&self) -> Option<Month> {
        let place = self.values.iter().rposition(|value| number_in(*value).is_some())?;
        Month::from_number(self.first + i32::try_from(place).ok()?)
    }

    /// The months with a figure, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Month, i64)> + '_ {
        let months = (self.first..).zip(self.values);
        months.filter_map(|(month, value)| Some((Month::from_number(month)?, number_in(*value)?)))
    }
}

/// A stated rate with the revision that recorded it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StampedFigure {
    /// The decimal, with its digits as written.
    pub written: Decimal64,
    /// The revision.
    pub revision: RevisionStamp,
}

/// One figure to put into the cube.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CubeEntry {
    /// The measure's number.
    pub measure: MeasureId,
    /// The unit's position.
    pub unit: UnitPosition,
    /// The month.
    pub month: Month,
    /// The number or `n/a`, with its digits as written; `None` for a withdrawal.
    pub written: Option<Statement>,
}

/// All current figures.
#[derive(Clone, Debug, Default)]
pub struct Cube {
    columns: Vec<Arc<FigureColumn>>,
    stated: OrdMap<(UnitPosition, Month, MeasureId), StampedFigure>,
    figures: usize,
    replaced: ReplacedFigures,
}

impl Cube {
    /// Sets the decimals of an indicator's measure and rescales the figures it has. Returns false,
    /// and changes nothing, if a figure would lose a digit.
    pub fn set_decimals(&mut self, measure: MeasureId, decimals: u32) -> bool {
        if measure.index() >= self.columns.len() {
            self.columns.resize_with(measure.index() + 1, Arc::default);
        }
        let Some(column) = self.columns.get_mut(measure.index()) else { return false };
        if column.decimals == decimals {
            return true;
        }
        let from = column.decimals;
        let rescale = |value: i64| match number_in(value) {
            None => Some(value),
            Some(mantissa) => Decimal64 { mantissa, scale: from }.at_scale(decimals),
        };
        let cells = || column.blocks.iter().flatten().flat_map(|block| block.values.iter());
        if cells().any(|value| rescale(*value).is_none()) {
            return false;
        }
        let column = Arc::make_mut(column);
        for block in column.blocks.iter_mut().flatten().map(Arc::make_mut) {
            block
                .values
                .iter_mut()
                .for_each(|value| *value = rescale(*value).unwrap_or(EMPTY_CELL));
        }
        column.decimals = decimals;
        true
    }

    /// The decimals of an indicator's measure.
    #[must_use]
    pub fn decimals(&self, measure: MeasureId) -> Option<u32> {
        self.columns.get(measure.index()).map(|column| column.decimals)
    }

    /// Sets or clears a figure of an indicator. [`Self::set_decimals`] must have set the measure's
    /// decimals before.
    pub fn set(&mut self, entry: &CubeEntry, revision: RevisionStamp) {
        let revision = revision.get();
        let Some(column) = self.columns.get_mut(entry.measure.index()).map(Arc::make_mut) else {
            return;
        };
        let value = cell_of(entry.written, column.decimals);
        let number = block_of(entry.unit);
        if number >= column.blocks.len() {
            column.blocks.resize_with(number + 1, || None);
            column.newest.resize(number + 1, 0);
        }
        let Some(slot) = column.blocks.get_mut(number) else { return };
        let block = Arc::make_mut(slot.get_or_insert_default());
        column
            .newest
            .get_mut(number)
            .into_iter()
            .for_each(|newest| *newest = (*newest).max(revision));
        let month = entry.month.number();
        block.widen_to(month);
        let Some(place) = block.place(row_of(entry.unit), month) else { return };
        if let Some(replaced) = block.replaced_at(place, entry, revision) {
            self.replaced.push_figure(replaced);
        }
        let there = block.values.get(place).is_some_and(|cell| *cell != EMPTY_CELL);
        block.record_since(place, there && value != EMPTY_CELL);
        if let (Some(cell), Some(stamp)) =
            (block.values.get_mut(place), block.stamps.get_mut(place))
        {
            self.figures =
                self.figures + usize::from(value != EMPTY_CELL) - usize::from(*cell != EMPTY_CELL);
            column.not_applicable = column.not_applicable
                + usize::from(value == NOT_APPLICABLE_CELL)
                - usize::from(*cell == NOT_APPLICABLE_CELL);
            *cell = value;
            *stamp = revision;
        }
    }

    /// Sets or clears a figure stated for a kpi.
    pub fn set_stated(&mut self, entry: &CubeEntry, revision: RevisionStamp) {
        let key = (entry.unit, entry.month, entry.measure);
        let before = match entry.written.and_then(Statement::number) {
            Some(written) => self.stated.insert(key, StampedFigure { written, revision }),
            None => self.stated.remove(&key),
        };
        self.replaced.push_rate(ReplacedRate { key, before, revision: revision.get() });
        self.figures =
            self.figures + usize::from(entry.written.is_some()) - usize::from(before.is_some());
    }

    /// The months of a unit for an indicator's measure.
    #[must_use]
    pub fn row(&self, measure: MeasureId, unit: UnitPosition) -> FigureRow<'_> {
        self.block(measure, unit).map_or_else(FigureRow::default, |block| {
            let from = row_of(unit) * block.months;
            FigureRow {
                first: block.first,
                values: block.values.get(from..from + block.months).unwrap_or_default(),
            }
        })
    }

    /// A figure of an indicator, and the revision that recorded it.
    #[must_use]
    pub fn cell(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        month: Month,
    ) -> Option<(Statement, RevisionStamp)> {
        let decimals = self.columns.get(measure.index())?.decimals;
        let block = self.block(measure, unit)?;
        let place = block.place(row_of(unit), month.number())?;
        let statement = statement_in(*block.values.get(place)?, decimals)?;
        Some((statement, RevisionStamp(*block.stamps.get(place)?)))
    }

    /// Whether any figure of an indicator's measure does not apply to its unit.
    #[must_use]
    pub fn has_not_applicable(&self, measure: MeasureId) -> bool {
        self.columns.get(measure.index()).is_some_and(|column| column.not_applicable > 0)
    }

    /// The revision from which there has been a figure without interruption. A revision that
    /// changed the value does not count.
    #[must_use]
    pub fn since(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        month: Month,
    ) -> Option<RevisionStamp> {
        let (_, stamp) = self.cell(measure, unit, month)?;
        let block = self.block(measure, unit)?;
        let place = block.place(row_of(unit), month.number())?;
        let first = block.firsts.get(place).copied().filter(|first| *first > 0);
        Some(first.map_or(stamp, RevisionStamp))
    }

    /// The revision that last recorded or withdrew a figure of an indicator.
    #[must_use]
    pub fn last_revision(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        month: Month,
    ) -> Option<RevisionStamp> {
        let block = self.block(measure, unit)?;
        block
            .stamps
            .get(block.place(row_of(unit), month.number())?)
            .copied()
            .filter(|stamp| *stamp > 0)
            .map(RevisionStamp)
    }

    /// The figure stated for a kpi.
    #[must_use]
    pub fn stated(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        month: Month,
    ) -> Option<StampedFigure> {
        self.stated.get(&(unit, month, measure)).copied()
    }

    /// The figures stated for kpis at a unit and month.
    pub fn stated_at(
        &self,
        unit: UnitPosition,
        month: Month,
    ) -> impl Iterator<Item = (MeasureId, StampedFigure)> + '_ {
        self.stated
            .range((unit, month, MeasureId::FIRST)..(unit, month, MeasureId::END))
            .map(|((_, _, measure), stamped)| (*measure, *stamped))
    }

    /// All figures stated for kpis.
    pub fn all_stated(&self) -> impl Iterator<Item = (CubeEntry, RevisionStamp)> + '_ {
        self.stated.iter().map(|((unit, month, measure), stamped)| {
            (
                CubeEntry {
                    measure: *measure,
                    unit: *unit,
                    month: *month,
                    written: Some(stamped.written.into()),
                },
                stamped.revision,
            )
        })
    }

    /// All figures of an indicator's measure in tree order, each with the revision that recorded
    /// it.
    pub fn figures_of(
        &self,
        measure: MeasureId,
    ) -> impl Iterator<Item = (CubeEntry, RevisionStamp)> + '_ {
        let column = self.columns.get(measure.index());
        let decimals = column.map_or(0, |column| column.decimals);
        column
            .into_iter()
            .flat_map(|column| column.blocks.iter().enumerate())
            .filter_map(|(number, block)| Some((number, block.as_deref()?)))
            .flat_map(move |(number, block)| {
                let cells = block.values.iter().zip(&block.stamps).enumerate();
                cells.filter(|(_, (value, _))| **value != EMPTY_CELL).filter_map(
                    move |(place, (value, stamp))| {
                        let month = Month::from_number(
                            block.first + i32::try_from(place % block.months).ok()?,
                        )?;
                        let unit = UnitPosition::new(number * BLOCK_UNITS + place / block.months);
                        Some((
                            CubeEntry {
                                measure,
                                unit,
                                month,
                                written: statement_in(*value, decimals),
                            },
                            RevisionStamp(*stamp),
                        ))
                    },
                )
            })
    }

    /// Whether an indicator's measure has any figure.
    #[must_use]
    pub fn has_figures(&self, measure: MeasureId) -> bool {
        self.columns
            .get(measure.index())
            .is_some_and(|column| column.blocks.iter().any(Option::is_some))
    }

    /// The months in which any unit has a figure, also a stated rate.
    #[must_use]
    pub fn months(&self) -> BTreeSet<Month> {
        let blocks = || self.columns.iter().flat_map(|column| column.blocks.iter().flatten());
        let filled = |month: &Month| {
            blocks().any(|block| {
                (0..BLOCK_UNITS)
                    .filter_map(|row| block.values.get(block.place(row, month.number())?))
                    .any(|value| *value != EMPTY_CELL)
            })
        };
        let (first, last) = self.span().unzip();
        let spanned = first.zip(last).into_iter().flat_map(|(first, last)| {
            (0..=last.since(first)).map(move |months| first.plus(months))
        });
        spanned.filter(filled).chain(self.stated.keys().map(|(_, month, _)| *month)).collect()
    }

    /// The first and last month that may have figures of indicators. The range is wider than the
    /// figures: blocks hold whole years and keep their months after a withdrawal.
    #[must_use]
    pub fn span(&self) -> Option<(Month, Month)> {
        let blocks = || {
            self.columns
                .iter()
                .flat_map(|column| column.blocks.iter().flatten())
                .filter(|block| block.months > 0)
        };
        let last = |block: &FigureBlock| block.first + i32::try_from(block.months).unwrap_or(0) - 1;
        let first = blocks().map(|block| block.first).min()?;
        Some((
            Month::from_number(first)?,
            Month::from_number(blocks().map(|block| last(block)).max()?)?,
        ))
    }

    /// As [`Cube::span`], of one indicator's measure.
    #[must_use]
    pub fn span_of(&self, measure: MeasureId) -> Option<(Month, Month)> {
        let column = self.columns.get(measure.index())?;
        let blocks = || column.blocks.iter().flatten().filter(|block| block.months > 0);
        let end = |block: &FigureBlock| block.first + i32::try_from(block.months).unwrap_or(0);
        let first = blocks().map(|block| block.first).min()?;
        let end = blocks().map(|block| end(block)).max()?;
        Some((Month::from_number(first)?, Month::from_number(end - 1)?))
    }

    /// The number of current figures.
    #[must_use]
    pub fn len(&self) -> usize {
        self.figures
    }

    /// Whether there are no current figures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.figures == 0
    }

    /// Bytes of memory that the figures take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let blocks = self.columns.iter().flat_map(|column| column.blocks.iter().flatten());
        blocks
            .map(|block| {
                block.values.capacity() * size_of::<i64>()
                    + (block.stamps.capacity() + block.firsts.capacity()) * size_of::<u32>()
            })
            .sum::<usize>()
            + self.stated.len() * size_of::<((UnitPosition, Month, MeasureId), StampedFigure)>()
            + self.replaced.bytes()
    }

    /// The figures as they were right after an earlier revision, when there were `measures`
    /// measures, and the places that differ. `None` when too many figures were replaced since.
    ///
    /// Decimals and positions are those of this cube.
    #[must_use]
    pub fn rewound(
        &self,
        revision: RevisionStamp,
        measures: usize,
    ) -> Option<(Self, Vec<FigurePlace>)> {
        let revision = revision.get();
        if revision < self.replaced.forgotten {
            return None;
        }
        let (mut cube, mut places) = (self.clone(), Vec::new());
        let is_later = |figure: &&ReplacedFigure| figure.revision > revision;
        while let Some(figure) = cube.replaced.figures.last().filter(is_later).copied() {
            cube.replaced.figures.pop_back();
            places.push(cube.put_back(&figure)?);
        }
        while let Some(rate) = cube.replaced.rates.last().copied() {
            if rate.revision <= revision {
                break;
            }
            cube.replaced.rates.pop_back();
            let (unit, month, measure) = rate.key;
            let there = match rate.before {
                Some(before) => cube.stated.insert(rate.key, before),
                None => cube.stated.remove(&rate.key),
            };
            cube.figures =
                cube.figures + usize::from(rate.before.is_some()) - usize::from(there.is_some());
            places.push((measure, unit, month));
        }
        for (measure, shared) in (0..).map(MeasureId).zip(&mut cube.columns) {
            if shared.newest.iter().any(|newest| *newest > revision) {
                let removed = Arc::make_mut(shared).remove_after(measure, revision, &mut places);
                cube.figures -= removed;
            }
        }
        cube.columns.truncate(measures);
        Some((cube, places))
    }

    /// Puts a replaced figure back, and returns its place.
    fn put_back(&mut self, figure: &ReplacedFigure) -> Option<FigurePlace> {
        let measure = MeasureId::new(usize::try_from(figure.measure).ok()?);
        let unit = UnitPosition::new(usize::try_from(figure.unit).ok()?);
        let column = Arc::make_mut(self.columns.get_mut(measure.index())?);
        let block = Arc::make_mut(column.blocks.get_mut(block_of(unit))?.as_mut()?);
        let place = block.place(row_of(unit), figure.month.number())?;
        let after = block.restore(place, (figure.value, figure.stamp, figure.first));
        let count = |value: i64| usize::from(value != EMPTY_CELL);
        self.figures = self.figures + count(figure.value) - count(after);
        column.not_applicable = column.not_applicable
            + usize::from(figure.value == NOT_APPLICABLE_CELL)
            - usize::from(after == NOT_APPLICABLE_CELL);
        Some((measure, unit, figure.month))
    }

    /// The same figures after units moved: `places` maps each old position to the new one.
    #[must_use]
    pub fn rearranged(&self, places: &[UnitPosition]) -> Self {
        let mut cube = Self { columns: Vec::with_capacity(self.columns.len()), ..Self::default() };
        for (measure, column) in (0..).map(MeasureId).zip(&self.columns) {
            cube.columns.push(Arc::new(FigureColumn {
                decimals: column.decimals,
                ..FigureColumn::default()
            }));
            for (entry, revision) in self.figures_of(measure) {
                if let Some(unit) = places.get(entry.unit.index()) {
                    if let Some(since) = self
                        .since(measure, entry.unit, entry.month)
                        .filter(|since| *since != revision)
                    {
                        cube.set(&CubeEntry { unit: *unit, ..entry }, since);
                    }
                    cube.set(&CubeEntry { unit: *unit, ..entry }, revision);
                }
            }
        }
        for (entry, revision) in self.all_stated() {
            if let Some(unit) = places.get(entry.unit.index()) {
                cube.set_stated(&CubeEntry { unit: *unit, ..entry }, revision);
            }
        }
        cube.replaced = self.replaced.rearranged(places);
        cube
    }

    fn block(&self, measure: MeasureId, unit: UnitPosition) -> Option<&FigureBlock> {
        self.columns.get(measure.index())?.blocks.get(block_of(unit))?.as_deref()
    }
}

/// Figures that are about to be recorded, applied to the cube without changing it. A dry run and
/// the check before a commit read through it.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// The content of cells, as in a column.
    cells: AHashMap<(MeasureId, UnitPosition, Month), i64>,
    not_applicable: bool,
    stated: BTreeMap<(UnitPosition, Month, MeasureId), Option<Decimal64>>,
    extra: Vec<Measure>,
    base: usize,
}

impl Overlay {
    /// An empty overlay over a dictionary of measures.
    #[must_use]
    pub fn over(measures: &MeasureDictionary) -> Self {
        Self { base: measures.len(), ..Self::default() }
    }

    /// The number of a measure in the dictionary, or the number that it will get.
    pub fn intern(&mut self, measures: &MeasureDictionary, measure: &Measure) -> MeasureId {
        if let Some(id) = measures.id(measure).or_else(|| self.id(measure)) {
            return id;
        }
        self.extra.push(measure.clone());
        MeasureId(self.base + self.extra.len() - 1)
    }

    /// Sets or clears a figure of an indicator with `decimals`.
    pub fn set(&mut self, entry: &CubeEntry, decimals: u32) {
        let cell = cell_of(entry.written, decimals);
        self.not_applicable |= cell == NOT_APPLICABLE_CELL;
        self.cells.insert((entry.measure, entry.unit, entry.month), cell);
    }

    /// Sets or clears a figure stated for a kpi.
    pub fn set_stated(&mut self, entry: &CubeEntry) {
        let written = entry.written.and_then(Statement::number);
        self.stated.insert((entry.unit, entry.month, entry.measure), written);
    }

    /// Removes all new measures except the first `kept`. The overlay must have no figures of the
    /// removed ones.
    pub fn truncate_measures(&mut self, kept: usize) {
        self.extra.truncate(kept);
    }

    /// The measures that will get the next numbers, in order.
    #[must_use]
    pub fn new_measures(&self) -> &[Measure] {
        &self.extra
    }

    fn id(&self, measure: &Measure) -> Option<MeasureId> {
        self.extra
            .iter()
            .position(|known| known == measure)
            .map(|place| MeasureId(self.base + place))
    }
}

/// A consistent view of the figures: the cube, and an overlay if there is one.
#[derive(Clone, Copy)]
pub struct CubeView<'a> {
    /// The dictionary.
    pub measures: &'a MeasureDictionary,
    /// The figures.
    pub cube: &'a Cube,
    /// Figures that replace those of the cube.
    pub overlay: Option<&'a Overlay>,
}

impl<'a> CubeView<'a> {
    /// The number of a measure, if it may have figures.
    #[must_use]
    pub fn id(&self, code: &str, members: &Members) -> Option<MeasureId> {
        let measure = Measure { code: code.to_owned(), members: members.clone() };
        self.measures.id(&measure).or_else(|| self.overlay?.id(&measure))
    }

    /// The measure with a number.
    #[must_use]
    pub fn measure(&self, id: MeasureId) -> Option<&'a Measure> {
        self.measures.get(id).or_else(|| {
            self.overlay
                .and_then(|overlay| overlay.extra.get(id.index().checked_sub(overlay.base)?))
        })
    }

    /// A figure of an indicator, in units of its last decimal.
    #[must_use]
    pub fn figure(&self, measure: MeasureId, unit: UnitPosition, month: Month) -> Option<i64> {
        match self.overlay.and_then(|overlay| overlay.cells.get(&(measure, unit, month))) {
            Some(cell) => number_in(*cell),
            None => self.cube.row(measure, unit).at(month),
        }
    }

    /// What is stated for a measure of an indicator with `decimals`, at a unit and month.
    #[must_use]
    pub fn statement(
        &self,
        place: (MeasureId, UnitPosition, Month),
        decimals: u32,
    ) -> Option<Statement> {
        let (measure, unit, month) = place;
        match self.overlay.and_then(|overlay| overlay.cells.get(&place)) {
            Some(cell) => statement_in(*cell, decimals),
            None => Some(self.cube.cell(measure, unit, month)?.0),
        }
    }

    /// Whether there may be a figure of an indicator's measure that does not apply to its unit.
    #[must_use]
    pub fn has_not_applicable(&self, measure: MeasureId) -> bool {
        self.cube.has_not_applicable(measure)
            || self.overlay.is_some_and(|overlay| overlay.not_applicable)
    }

    /// The figure stated for a kpi.
    #[must_use]
    pub fn stated(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        month: Month,
    ) -> Option<Decimal64> {
        match self.overlay.and_then(|overlay| overlay.stated.get(&(unit, month, measure))) {
            Some(laid) => *laid,
            None => self.cube.stated(measure, unit, month).map(|stamped| stamped.written),
        }
    }

    /// The figures stated for kpis at a unit and month, by the number of the measure.
    #[must_use]
    pub fn stated_at(&self, unit: UnitPosition, month: Month) -> Vec<(MeasureId, Decimal64)> {
        let mut found: BTreeMap<MeasureId, Option<Decimal64>> = self
            .cube
            .stated_at(unit, month)
            .map(|(measure, stamped)| (measure, Some(stamped.written)))
            .collect();
        if let Some(overlay) = self.overlay {
            let laid = overlay
                .stated
                .range((unit, month, MeasureId::FIRST)..(unit, month, MeasureId::END));
            found.extend(laid.map(|((_, _, measure), written)| (*measure, *written)));
        }
        found.into_iter().filter_map(|(measure, written)| Some((measure, written?))).collect()
    }

    /// Whether there is no overlay with figures, so that rows of the cube can be read directly.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.overlay.is_none_or(|overlay| overlay.cells.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEASURE: MeasureId = MeasureId::FIRST;

    fn at(unit: usize) -> UnitPosition {
        UnitPosition::new(unit)
    }

    fn entry(unit: usize, month: i32, value: Option<i64>) -> CubeEntry {
        CubeEntry {
            measure: MEASURE,
            unit: at(unit),
            month: Month::from_number(2021 * 12 + month).unwrap(),
            written: value.map(|mantissa| stated(mantissa, 0)),
        }
    }

    fn stated(mantissa: i64, scale: u32) -> Statement {
        Decimal64 { mantissa, scale }.into()
    }

    fn stamp(revision: u32) -> RevisionStamp {
        RevisionStamp::new(revision)
    }

    #[test]
    fn a_figure_is_found_again_after_the_block_has_grown_both_ways() {
        let mut cube = Cube::default();
        assert!(cube.set_decimals(MEASURE, 0));
        for (unit, month) in [(3, 5), (3, 40), (70, -30), (3, -13), (63, 5)] {
            cube.set(&entry(unit, month, Some(i64::from(month))), stamp(7));
        }
        for (unit, month) in [(3, 5), (3, 40), (70, -30), (3, -13), (63, 5)] {
            assert_eq!(
                cube.cell(MEASURE, at(unit), entry(unit, month, None).month),
                Some((stated(i64::from(month), 0), stamp(7)))
            );
        }
        assert_eq!(cube.len(), 5);
        cube.set(&entry(3, 5, None), stamp(8));
        assert_eq!((cube.cell(MEASURE, at(3), entry(3, 5, None).month), cube.len()), (None, 4));
    }

    #[test]
    fn more_decimals_keep_the_figures_and_fewer_are_refused_when_a_digit_would_go() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        cube.set(&entry(1, 0, Some(15)), stamp(1));
        assert!(cube.set_decimals(MEASURE, 2));
        assert_eq!(
            cube.cell(MEASURE, at(1), entry(1, 0, None).month),
            Some((stated(1500, 2), stamp(1)))
        );
        assert!(cube.set_decimals(MEASURE, 1));
        cube.set(&CubeEntry { written: Some(stated(5, 1)), ..entry(1, 0, None) }, stamp(2));
        assert!(!cube.set_decimals(MEASURE, 0));
    }

    #[test]
    fn a_revised_figure_keeps_its_first_revision_and_a_withdrawn_one_starts_again() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        let since = |cube: &Cube, unit| cube.since(MEASURE, at(unit), entry(unit, 0, None).month);
        cube.set(&entry(1, 0, Some(10)), stamp(3));
        assert_eq!(since(&cube, 1), Some(stamp(3)));
        cube.set(&entry(1, 0, Some(11)), stamp(5));
        cube.set(&entry(1, 0, Some(12)), stamp(6));
        cube.set(&entry(1, 40, Some(1)), stamp(7)); // the block grows
        assert_eq!(
            (since(&cube, 1), since(&cube.rearranged(&[at(1), at(0)]), 0)),
            (Some(stamp(3)), Some(stamp(3)))
        );
        cube.set(&entry(1, 0, None), stamp(8));
        assert_eq!(since(&cube, 1), None);
        cube.set(&entry(1, 0, Some(12)), stamp(9));
        assert_eq!(since(&cube, 1), Some(stamp(9)));
    }

    #[test]
    fn rearranged_figures_follow_their_units() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        cube.set(&entry(0, 0, Some(10)), stamp(1));
        cube.set(&entry(1, 1, Some(11)), stamp(2));
        let moved = cube.rearranged(&[at(200), at(0)]);
        assert_eq!(
            moved.cell(MEASURE, at(200), entry(0, 0, None).month),
            Some((stated(10, 0), stamp(1)))
        );
        assert_eq!(
            moved.cell(MEASURE, at(0), entry(0, 1, None).month),
            Some((stated(11, 0), stamp(2)))
        );
        assert_eq!(moved.len(), 2);
    }

    /// Everything that can be read of a cube.
    fn content(cube: &Cube, measures: usize) -> String {
        let mut found = format!("{} {:?} {:?}\n", cube.len(), cube.span(), cube.months());
        let places = (0..measures).flat_map(|measure| {
            (0..140).flat_map(move |unit| (0..40).map(move |month| (measure, unit, month)))
        });
        for (measure, unit, month) in places {
            let month = entry(unit, month, None).month;
            let (measure, unit) = (MeasureId::new(measure), at(unit));
            let of_figure = (
                cube.cell(measure, unit, month),
                cube.since(measure, unit, month),
                cube.last_revision(measure, unit, month),
                cube.stated(measure, unit, month),
            );
            if of_figure != (None, None, None, None) {
                found += &format!("{measure:?} {unit:?} {month} {of_figure:?}\n");
            }
        }
        let of_measure = |measure| (cube.has_figures(measure), cube.has_not_applicable(measure));
        let all = (0..=measures).map(MeasureId::new).map(of_measure);
        found + &format!("{:?}", all.collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_rewound_cube_has_the_content_of_one_that_never_went_further(
            changes in prop::collection::vec(
                (
                    0_usize..3,
                    prop_oneof![Just(1_usize), Just(63), Just(64), 0_usize..140],
                    0..40_i32,
                    0..6_i64,
                ),
                1..120,
            ),
        ) {
            let mut cubes = vec![Cube::default()];
            for (revision, (measure, unit, month, value)) in (1..).zip(&changes) {
                let mut cube = cubes.last().unwrap().clone();
                // The cube is built anew for every revision, as a replay of the ledger does.
                if cube.columns.len() <= *measure {
                    let all = (0..=*measure).map(MeasureId::new);
                    all.for_each(|measure| assert!(cube.set_decimals(measure, 0)));
                }
                let written = match value {
                    0 => None,
                    1 if *measure < 2 => Some(Statement::NotApplicable),
                    value => Some(stated(*value, 0)),
                };
                let measure = MeasureId::new(*measure);
                let change = CubeEntry { measure, written, ..entry(*unit, *month, None) };
                if measure.index() == 2 {
                    cube.set_stated(&change, stamp(revision));
                } else {
                    cube.set(&change, stamp(revision));
                }
                cubes.push(cube);
            }
            let last = cubes.last().unwrap();
            for (revision, cube) in (0_u32..).zip(&cubes) {
                let measures = cube.columns.len();
                let (rewound, places) = last.rewound(stamp(revision), measures).unwrap();
                prop_assert_eq!(content(&rewound, measures), content(cube, measures));
                let later = changes.iter().skip(usize::try_from(revision).unwrap());
                for (measure, unit, month, _) in later {
                    let month = entry(*unit, *month, None).month;
                    let place = (MeasureId::new(*measure), at(*unit), month);
                    prop_assert!(places.contains(&place));
                }
            }
        }
    }

    #[test]
    fn what_too_many_figures_replaced_is_not_kept() {
        let mut replaced = ReplacedFigures::default();
        let month = entry(0, 0, None).month;
        let figure = ReplacedFigure {
            value: 1,
            measure: 0,
            unit: 0,
            month,
            revision: 0,
            stamp: 1,
            first: 0,
        };
        for revision in 2..MAX_REPLACED_RATES {
            let revision = u32::try_from(revision).unwrap();
            replaced.push_rate(ReplacedRate {
                key: (at(0), month, MEASURE),
                before: None,
                revision,
            });
        }
        replaced.push_figure(ReplacedFigure { revision: 300_000, ..figure });
        assert_eq!(replaced.forgotten, 0);
        for revision in 300_000..300_005 {
            replaced.push_rate(ReplacedRate {
                key: (at(0), month, MEASURE),
                before: None,
                revision,
            });
        }
        assert_eq!((replaced.rates.len(), replaced.forgotten), (MAX_REPLACED_RATES, 4));
        let cube = Cube { replaced, ..Cube::default() };
        assert!(cube.rewound(stamp(3), 0).is_none());
    }

    #[test]
    fn a_figure_that_does_not_apply_is_no_number_and_moves_with_its_unit() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        let not_applicable =
            CubeEntry { written: Some(Statement::NotApplicable), ..entry(1, 0, None) };
        assert!(!cube.has_not_applicable(MEASURE));
        cube.set(&not_applicable, stamp(1));
        assert!(cube.has_not_applicable(MEASURE) && cube.set_decimals(MEASURE, 2));
        assert_eq!(
            cube.cell(MEASURE, at(1), not_applicable.month),
            Some((Statement::NotApplicable, stamp(1)))
        );
        let row = cube.row(MEASURE, at(1));
        assert_eq!((row.at(not_applicable.month), row.last(), cube.len()), (None, None, 1));
        assert!(
            cube.rearranged(&[at(0), at(9)]).cell(MEASURE, at(9), not_applicable.month).is_some()
        );
        cube.set(&entry(1, 0, Some(4)), stamp(2));
        assert!(!cube.has_not_applicable(MEASURE));
    }
}
