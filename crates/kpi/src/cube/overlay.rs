//! Figures that are about to be recorded, and the view of a cube with them.

use std::collections::BTreeMap;

use ahash::AHashMap;

use super::block::{NOT_APPLICABLE_CELL, cell_of, number_in, statement_in};
use super::{Cube, CubeEntry, MeasureDictionary, MeasureId};
use crate::measure::{Measure, Members};
use crate::number::{Decimal64, Statement};
use crate::period::Month;
use crate::unit::UnitPosition;

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

    /// The first and last month in which any unit has a figure of one of the measures.
    #[must_use]
    pub fn months_with_figures(&self, measures: &[MeasureId]) -> Option<(Month, Month)> {
        let is_filled = |month: Month| {
            let figures = |measure: &MeasureId| {
                let mut units = self.cube.units_with_figures(*measure, month);
                units.any(|unit| self.figure(*measure, unit, month).is_some())
            };
            measures.iter().any(figures)
        };
        let spans = measures.iter().filter_map(|measure| self.cube.span_of(*measure));
        let wide = spans.reduce(|(first, last), (from, to)| (first.min(from), last.max(to)));
        let filled = wide.and_then(|(first, last)| {
            let months = || (0..=last.since(first)).map(|months| first.plus(months));
            Some((months().find(|month| is_filled(*month))?, months().rfind(|m| is_filled(*m))?))
        });
        let cells = self.overlay.into_iter().flat_map(|overlay| &overlay.cells);
        let laid = cells.filter(|((measure, ..), cell)| {
            measures.contains(measure) && number_in(**cell).is_some()
        });
        let laid = laid.map(|((_, _, month), _)| (*month, *month));
        filled
            .into_iter()
            .chain(laid)
            .reduce(|(first, last), (from, to)| (first.min(from), last.max(to)))
    }

    /// Whether there is no overlay with figures, so that rows of the cube can be read directly.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.overlay.is_none_or(|overlay| overlay.cells.is_empty())
    }
}
