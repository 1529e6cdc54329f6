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
//! Beside each block the cube keeps what revisions have replaced in it, [`MAX_REPLACED`] figures in
//! all. From these and the current figures it makes those of an earlier revision: it puts back what
//! was replaced since, and removes what was first recorded since ([`Cube::rewound`]). A block of an
//! earlier revision is only made when it is first read.
//!
//! | file | contents |
//! |---|---|
//! | `cube/block.rs` | the cells of 64 units |
//! | `cube/column.rs` | the figures of a measure, now and earlier |
//! | `cube/overlay.rs` | figures that are about to be recorded |

mod block;
mod column;
mod overlay;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use imbl::{OrdMap, Vector};

use self::block::{
    BLOCK_UNITS, EMPTY_CELL, FigureBlock, NOT_APPLICABLE_CELL, ReplacedFigure, block_of, cell_of,
    number_in, row_of, statement_in,
};
use self::column::FigureColumn;
use super::measure::Measure;
use super::number::{Decimal64, Statement};
use super::period::{FIRST_MONTH, LAST_MONTH, Month};
use super::unit::UnitPosition;

pub use overlay::{CubeView, Overlay};

/// Most replaced figures that are kept, in 64 MB, and most replaced rates, in 16 MB. Beyond it the
/// older half of the figures, or the oldest rate, is forgotten.
pub const MAX_REPLACED: usize = 2_000_000;
/// Most blocks that differ from those of an earlier revision for [`Cube::rewound`] to name the
/// figures that differ.
const MAX_SEARCHED_BLOCKS: usize = 2_000;
/// Most figures that [`Cube::rewound`] names.
const MAX_PLACES: usize = 5_000;
const MAX_REPLACED_RATES: usize = MAX_REPLACED / 8;
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

/// The rate stated for a kpi before a revision replaced it, if there was one.
#[derive(Clone, Copy, Debug)]
struct ReplacedRate {
    key: (UnitPosition, Month, MeasureId),
    before: Option<StampedFigure>,
    /// The revision that replaced it.
    revision: u32,
}

/// A place of a figure: measure, unit and month.
pub type FigurePlace = (MeasureId, UnitPosition, Month);

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

/// The number of figures of a cube.
#[derive(Clone, Copy, Debug)]
enum FigureCount {
    Known(usize),
    /// Those of an earlier revision are counted when their number is needed.
    Past,
}

impl Default for FigureCount {
    fn default() -> Self {
        Self::Known(0)
    }
}

impl FigureCount {
    /// Counts a figure that was there or is there now.
    fn change(&mut self, was_there: bool, is_there: bool) {
        if let Self::Known(count) = self {
            *count = *count + usize::from(is_there) - usize::from(was_there);
        }
    }
}

/// The figures as they were right after an earlier revision.
#[derive(Clone, Debug)]
pub struct RewoundCube {
    /// The figures.
    pub cube: Cube,
    /// The places where the current figures differ, if they are few.
    pub places: Option<Vec<FigurePlace>>,
}

/// All current figures.
#[derive(Clone, Debug, Default)]
pub struct Cube {
    columns: Vec<Arc<FigureColumn>>,
    stated: OrdMap<(UnitPosition, Month, MeasureId), StampedFigure>,
    figures: FigureCount,
    /// The number of replaced figures that the blocks keep.
    replaced: usize,
    replaced_rates: Vector<ReplacedRate>,
    /// The newest revision of which something replaced is no longer kept.
    forgotten: u32,
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
        let cells = || column.filled().flat_map(|(_, block)| block.values.iter());
        if cells().any(|value| rescale(*value).is_none()) {
            return false;
        }
        let column = Arc::make_mut(column);
        for block in column.blocks.iter_mut().filter(|block| block.get().is_some()) {
            block
                .make_mut()
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
        let Some(replaced) = self.write(entry, revision) else { return };
        let column = self.columns.get_mut(entry.measure.index()).map(Arc::make_mut);
        let Some(block) = column.and_then(|column| column.block_mut(entry.unit)) else { return };
        block.replaced.push_back(replaced);
        self.replaced += 1;
        if self.replaced > MAX_REPLACED {
            self.forget_older_half();
        }
    }

    /// Sets or clears a figure, and returns what it replaced.
    fn write(&mut self, entry: &CubeEntry, revision: RevisionStamp) -> Option<ReplacedFigure> {
        let revision = revision.get();
        let column = self.columns.get_mut(entry.measure.index()).map(Arc::make_mut)?;
        let value = cell_of(entry.written, column.decimals);
        let slot = column.block_mut(entry.unit)?;
        slot.newest = slot.newest.max(revision);
        let (row, month) = (row_of(entry.unit), entry.month);
        let block = slot.make_mut();
        block.widen_to(month.number());
        let replaced = block.replaced_at(row, month, revision);
        let place = block.place(row, month.number())?;
        let there = block.values.get(place).copied().unwrap_or(EMPTY_CELL);
        block.record_since(place, there != EMPTY_CELL && value != EMPTY_CELL);
        block.values.get_mut(place).into_iter().for_each(|cell| *cell = value);
        block.stamps.get_mut(place).into_iter().for_each(|stamp| *stamp = revision);
        self.figures.change(there != EMPTY_CELL, value != EMPTY_CELL);
        column.ever_not_applicable |= value == NOT_APPLICABLE_CELL;
        column.not_applicable = column.not_applicable + usize::from(value == NOT_APPLICABLE_CELL)
            - usize::from(there == NOT_APPLICABLE_CELL);
        replaced
    }

    /// Forgets the older half of the replaced figures.
    fn forget_older_half(&mut self) {
        let kept = self.columns.iter().flat_map(|column| &column.blocks);
        let mut revisions: Vec<u32> =
            kept.flat_map(|block| block.replaced.iter().map(|figure| figure.revision)).collect();
        let middle = revisions.len() / 2;
        if revisions.is_empty() {
            return;
        }
        let (_, newest, _) = revisions.select_nth_unstable(middle);
        let newest = *newest;
        for column in &mut self.columns {
            for block in &mut Arc::make_mut(column).blocks {
                self.replaced -= block.forget(newest);
            }
        }
        self.forgotten = self.forgotten.max(newest);
    }

    /// Sets or clears a figure stated for a kpi.
    pub fn set_stated(&mut self, entry: &CubeEntry, revision: RevisionStamp) {
        let key = (entry.unit, entry.month, entry.measure);
        let written = entry.written.and_then(Statement::number);
        let before = match written {
            Some(written) => self.stated.insert(key, StampedFigure { written, revision }),
            None => self.stated.remove(&key),
        };
        if self.replaced_rates.len() >= MAX_REPLACED_RATES
            && let Some(oldest) = self.replaced_rates.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest.revision);
        }
        self.replaced_rates.push_back(ReplacedRate { key, before, revision: revision.get() });
        self.figures.change(before.is_some(), written.is_some());
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

    /// Whether any figure of an indicator's measure does not apply to its unit; of an earlier
    /// revision whether there may be one.
    #[must_use]
    pub fn has_not_applicable(&self, measure: MeasureId) -> bool {
        self.columns.get(measure.index()).is_some_and(|column| match column.is_past {
            true => column.ever_not_applicable,
            false => column.not_applicable > 0,
        })
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

    /// The figures of a unit for an indicator's measure, in order of months, each with the revision
    /// that recorded it.
    pub fn figures_at(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
    ) -> impl Iterator<Item = (CubeEntry, RevisionStamp)> + '_ {
        let decimals = self.columns.get(measure.index()).map_or(0, |column| column.decimals);
        let cells = self.block(measure, unit).map(|block| {
            let row = row_of(unit) * block.months..(row_of(unit) + 1) * block.months;
            let values = block.values.get(row.clone()).unwrap_or_default();
            let stamps = block.stamps.get(row).unwrap_or_default();
            (block.first..).zip(values.iter().zip(stamps))
        });
        cells.into_iter().flatten().filter_map(move |(month, (value, stamp))| {
            let written = Some(statement_in(*value, decimals)?);
            let month = Month::from_number(month)?;
            Some((CubeEntry { measure, unit, month, written }, RevisionStamp(*stamp)))
        })
    }

    /// The figures stated for kpis at a unit, in order of months, each with the revision that
    /// recorded it.
    pub fn all_stated_at(
        &self,
        unit: UnitPosition,
    ) -> impl Iterator<Item = (CubeEntry, RevisionStamp)> + '_ {
        let span = (unit, FIRST_MONTH, MeasureId::FIRST)..=(unit, LAST_MONTH, MeasureId::END);
        self.stated.range(span).map(|((unit, month, measure), stamped)| {
            let written = Some(stamped.written.into());
            let entry = CubeEntry { measure: *measure, unit: *unit, month: *month, written };
            (entry, stamped.revision)
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
        let blocks = column.into_iter().flat_map(|column| column.filled());
        blocks.flat_map(move |(first, block)| {
            let cells = block.values.iter().zip(&block.stamps).enumerate();
            cells.filter_map(move |(place, (value, stamp))| {
                let written = Some(statement_in(*value, decimals)?);
                let (row, month) = block.row_and_month(place)?;
                let unit = UnitPosition::new(first.index() + row);
                Some((CubeEntry { measure, unit, month, written }, RevisionStamp(*stamp)))
            })
        })
    }

    /// Whether an indicator's measure has any figure.
    #[must_use]
    pub fn has_figures(&self, measure: MeasureId) -> bool {
        self.columns.get(measure.index()).is_some_and(|column| column.filled().next().is_some())
    }

    /// The months in which any unit has a figure, also a stated rate.
    #[must_use]
    pub fn months(&self) -> BTreeSet<Month> {
        let blocks = || self.columns.iter().flat_map(|column| column.filled());
        let filled = |month: &Month| {
            blocks().any(|(_, block)| {
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
    /// figures: blocks hold whole years and keep their months after a withdrawal, and a block of an
    /// earlier revision has at least its later months.
    #[must_use]
    pub fn span(&self) -> Option<(Month, Month)> {
        let spans = self.columns.iter().filter_map(|column| column.span());
        spans.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// The units that have a figure of an indicator's measure in a month.
    pub(super) fn units_with_figures(
        &self,
        measure: MeasureId,
        month: Month,
    ) -> impl Iterator<Item = UnitPosition> + '_ {
        let columns = self.columns.get(measure.index()).into_iter();
        let has_month = move |block: &FigureBlock| block.place(0, month.number()).is_some();
        let blocks = columns.flat_map(|column| column.filled());
        blocks.filter(move |(_, block)| has_month(block)).flat_map(move |(first, block)| {
            let rows = (0..BLOCK_UNITS).filter(move |row| {
                let place = block.place(*row, month.number());
                let cell = place.and_then(|place| block.values.get(place));
                cell.is_some_and(|cell| number_in(*cell).is_some())
            });
            rows.map(move |row| UnitPosition::new(first.index() + row))
        })
    }

    /// As [`Cube::span`], of one indicator's measure.
    #[must_use]
    pub fn span_of(&self, measure: MeasureId) -> Option<(Month, Month)> {
        self.columns.get(measure.index())?.span()
    }

    /// The number of figures.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.figures {
            FigureCount::Known(count) => count,
            FigureCount::Past => {
                let blocks = self.columns.iter().flat_map(|column| column.filled());
                let cells = blocks.flat_map(|(_, block)| &block.values);
                self.stated.len() + cells.filter(|value| **value != EMPTY_CELL).count()
            }
        }
    }

    /// Whether there are no figures.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the figures take, and those of an earlier revision at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.bytes()).sum::<usize>() + self.bytes_beside_blocks()
    }

    /// Bytes of memory that the figures of an earlier revision will take at most.
    #[must_use]
    pub fn bytes_rewound(&self, revision: RevisionStamp) -> usize {
        let columns = self.columns.iter().map(|column| column.bytes_before(revision.get()));
        columns.sum::<usize>() + self.bytes_beside_blocks()
    }

    fn bytes_beside_blocks(&self) -> usize {
        self.stated.len() * size_of::<((UnitPosition, Month, MeasureId), StampedFigure)>()
            + self.replaced * size_of::<ReplacedFigure>()
            + self.replaced_rates.len() * size_of::<ReplacedRate>()
    }

    /// The figures as they were right after an earlier revision, when there were `measures`
    /// measures. `None` when too many figures were replaced since.
    ///
    /// Decimals and positions are those of this cube. The result cannot be rewound.
    #[must_use]
    pub fn rewound(&self, revision: RevisionStamp, measures: usize) -> Option<RewoundCube> {
        let revision = revision.get();
        if revision < self.forgotten {
            return None;
        }
        let mut cube = Self {
            figures: FigureCount::Past,
            replaced: 0,
            replaced_rates: Vector::new(),
            forgotten: u32::MAX,
            ..self.clone()
        };
        let mut places: Vec<FigurePlace> = Vec::new();
        let rates = self.replaced_rates.iter().rev();
        for rate in rates.take_while(|rate| rate.revision > revision) {
            let (unit, month, measure) = rate.key;
            match rate.before {
                Some(before) => drop(cube.stated.insert(rate.key, before)),
                None => drop(cube.stated.remove(&rate.key)),
            }
            places.push((measure, unit, month));
        }
        let changed: usize =
            self.columns.iter().map(|column| column.changed_blocks(revision)).sum();
        for (measure, column) in (0..).map(MeasureId).zip(&mut cube.columns) {
            if column.changed_blocks(revision) == 0 {
                continue;
            }
            if changed <= MAX_SEARCHED_BLOCKS {
                let changes = column.changed_after(revision);
                let changes = changes.map(|(unit, month)| (measure, unit, month));
                places.extend(changes.take((MAX_PLACES + 1).saturating_sub(places.len())));
            }
            *column = Arc::new(column.before(revision));
        }
        cube.columns.truncate(measures);
        let are_few = changed <= MAX_SEARCHED_BLOCKS && places.len() <= MAX_PLACES;
        Some(RewoundCube { cube, places: are_few.then_some(places) })
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
                        cube.write(&CubeEntry { unit: *unit, ..entry }, since);
                    }
                    // An earlier revision has its units elsewhere, so nobody asks this cube for it.
                    cube.write(&CubeEntry { unit: *unit, ..entry }, revision);
                }
            }
        }
        for (entry, revision) in self.all_stated() {
            if let Some(unit) = places.get(entry.unit.index()) {
                cube.set_stated(&CubeEntry { unit: *unit, ..entry }, revision);
            }
        }
        cube.replaced_rates = Vector::new();
        cube.forgotten = self.newest();
        cube
    }

    /// The newest revision with a figure that was recorded, withdrawn or replaced.
    fn newest(&self) -> u32 {
        let blocks = self.columns.iter().flat_map(|column| &column.blocks);
        let rates = self.replaced_rates.last().map(|rate| rate.revision);
        blocks.map(|block| block.newest).chain(rates).fold(self.forgotten, u32::max)
    }

    fn block(&self, measure: MeasureId, unit: UnitPosition) -> Option<&FigureBlock> {
        self.columns.get(measure.index())?.blocks.get(block_of(unit))?.get()
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

    /// Everything that can be read of a cube, but for what is only a bound of an earlier revision.
    fn content(cube: &Cube, measures: usize) -> String {
        let mut found = format!("{} {:?}\n", cube.len(), cube.months());
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
        let all = (0..=measures).map(MeasureId::new).map(|measure| cube.has_figures(measure));
        found + &format!("{:?}", all.collect::<Vec<_>>())
    }

    /// Whether the spans of a cube include the months of another with the same content.
    fn spans_include(cube: &Cube, content: &Cube, measures: usize) -> bool {
        let covers = |wide: Option<(Month, Month)>, span: Option<(Month, Month)>| {
            let spans = wide.zip(span);
            span.is_none() || spans.is_some_and(|(wide, span)| wide.0 <= span.0 && span.1 <= wide.1)
        };
        let of_measure = |measure: MeasureId| {
            covers(cube.span_of(measure), content.span_of(measure))
                && cube.has_not_applicable(measure) >= content.has_not_applicable(measure)
        };
        covers(cube.span(), content.span()) && (0..measures).map(MeasureId::new).all(of_measure)
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
                let RewoundCube { cube: rewound, places } =
                    last.rewound(stamp(revision), measures).unwrap();
                let places = places.unwrap();
                prop_assert!(spans_include(&rewound, cube, measures));
                prop_assert_eq!(content(&rewound, measures), content(cube, measures));
                // A cube of an earlier revision may be changed too.
                if measures > 0 && revision % 16 == 3 {
                    let (mut changed, mut expected) = (rewound, cube.clone());
                    for cube in [&mut changed, &mut expected] {
                        cube.set(&entry(64, 2, Some(77)), stamp(1_000));
                    }
                    prop_assert_eq!(content(&changed, measures), content(&expected, measures));
                }
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
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        // Two figures in two blocks, revised in turn.
        let place = |revision: u32| if revision.is_multiple_of(2) { (0, 0) } else { (100, 30) };
        for revision in 1..=1_002 {
            let (unit, month) = place(revision);
            cube.set(&entry(unit, month, Some(revision.into())), stamp(revision));
        }
        assert_eq!((cube.replaced, cube.forgotten), (1_000, 0));
        assert!(cube.rewound(stamp(0), 1).unwrap().cube.is_empty());
        // As if there were more in other blocks
        cube.replaced = MAX_REPLACED;
        cube.set(&entry(0, 0, Some(0)), stamp(1_003));
        let forgotten = cube.forgotten;
        assert!((500..505).contains(&forgotten), "{forgotten}");
        assert!((MAX_REPLACED - 505..MAX_REPLACED - 495).contains(&cube.replaced));
        assert!(cube.rewound(stamp(forgotten - 1), 1).is_none());
        let past = cube.rewound(stamp(forgotten), 1).unwrap().cube;
        for revision in [forgotten, forgotten - 1] {
            let (unit, month) = place(revision);
            let value = past.row(MEASURE, at(unit)).at(entry(0, month, None).month);
            assert_eq!(value, Some(revision.into()));
        }
    }

    #[test]
    fn what_too_many_rates_replaced_is_not_kept() {
        let mut cube = Cube::default();
        let rates = u32::try_from(MAX_REPLACED_RATES).unwrap();
        for revision in 1..=rates + 4 {
            cube.set_stated(&entry(0, 0, Some(revision.into())), stamp(revision));
        }
        assert_eq!((cube.replaced_rates.len(), cube.forgotten), (MAX_REPLACED_RATES, 4));
        assert!(cube.rewound(stamp(3), 0).is_none());
        let month = entry(0, 0, None).month;
        let past = cube.rewound(stamp(4), 0).unwrap().cube;
        assert_eq!(past.stated(MEASURE, at(0), month).unwrap().revision, stamp(4));
    }

    #[test]
    fn places_are_named_where_few_blocks_differ() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        for unit in 0..=MAX_SEARCHED_BLOCKS {
            cube.set(&entry(unit * BLOCK_UNITS, 0, Some(1)), stamp(unit.try_into().unwrap()));
        }
        let places = |cube: &Cube| cube.rewound(stamp(0), 1).unwrap().places;
        assert_eq!(places(&cube).unwrap().len(), MAX_SEARCHED_BLOCKS);
        cube.set(&entry(0, 0, Some(2)), stamp(10_000));
        assert_eq!(places(&cube), None);

        let mut one_block = Cube::default();
        one_block.set_decimals(MEASURE, 0);
        for place in 0..=MAX_PLACES {
            let month = i32::try_from(place / BLOCK_UNITS).unwrap();
            one_block.set(&entry(place % BLOCK_UNITS, month, Some(1)), stamp(1));
            if place + 1 == MAX_PLACES {
                assert_eq!(places(&one_block).unwrap().len(), MAX_PLACES);
            }
        }
        assert_eq!(places(&one_block), None);
    }

    #[test]
    fn units_that_move_keep_first_revisions_without_a_past() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        for revision in 1..=3 {
            cube.set(&entry(0, 0, Some(revision.into())), stamp(revision));
        }
        let moved = cube.rearranged(&[at(5)]);
        assert_eq!(moved.since(MEASURE, at(5), entry(0, 0, None).month), Some(stamp(1)));
        assert_eq!((moved.replaced, moved.forgotten), (0, 3));
        assert!(
            moved
                .columns
                .iter()
                .flat_map(|column| &column.blocks)
                .all(|block| { block.replaced.is_empty() })
        );
    }

    #[test]
    fn a_past_counts_the_cells_of_now_that_it_holds_as_well() {
        let mut cube = Cube::default();
        cube.set_decimals(MEASURE, 0);
        cube.set(&entry(0, 0, Some(1)), stamp(1));
        cube.set(&entry(BLOCK_UNITS, 0, Some(1)), stamp(2));
        let one_block = cube.rewound(stamp(2), 1).unwrap().cube.bytes() / 2;
        let past = cube.rewound(stamp(1), 1).unwrap().cube.bytes();
        assert_eq!(past, 3 * one_block);
        assert!(cube.bytes_rewound(stamp(1)) >= past);
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
