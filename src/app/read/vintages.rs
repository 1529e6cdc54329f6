//! How much each figure was revised after its first release, the largest revision first
//! (`docs/specification.md#revised-figures`).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::app::snapshot::Snapshot;
use crate::app::state::{State, statement};
use crate::app::stored::{
    measure_of, month_of, revision_of, stored_measure, stored_month, stored_unit, unit_of,
};
use crate::clock::time_text;
use crate::error::Error;
use kpi::cube::{CubeEntry, MeasureId};
use kpi::measure::Measure;
use kpi::number::{Rounded, Statement, scaled};
use kpi::period::Month;
use kpi::unit::UnitPosition;
use ledger::{ObservationQuery, RevisionNumber, TimestampMicros};

/// Most revised figures that a query may concern.
pub const MAX_REVISED: usize = 20_000;
/// Most rows of a revision that are read at once.
const ROWS: u32 = 100_000;

/// A query for revised figures; an absent field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct VintageQuery {
    /// A measure; without members all its splits.
    pub measure: Option<Measure>,
    /// A unit, with the units below it.
    pub unit: Option<String>,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// How many figures to skip.
    pub offset: usize,
    /// At most this many figures.
    pub limit: usize,
}

/// A figure that was revised after its first release.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct VintageView {
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The value of the first release; `"n/a"` where the figure did not apply.
    #[schema(required, value_type = Option<crate::app::read::observations::RecordedValue>)]
    pub first_value: Option<Statement>,
    /// The revision of the first release.
    #[schema(value_type = i64)]
    pub first_revision: RevisionNumber,
    /// When it was released.
    #[schema(required)]
    pub first_recorded_at: Option<String>,
    /// The current value.
    #[schema(required, value_type = Option<crate::app::read::observations::RecordedValue>)]
    pub value: Option<Statement>,
    /// The revision of the current value.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// When it was recorded.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// The current value minus that of the first release.
    #[schema(required, value_type = Option<f64>)]
    pub revised_by: Option<Rounded>,
    /// The same in percent of the first release; null if that is 0.
    #[schema(required, value_type = Option<f64>)]
    pub revised_percent: Option<Rounded>,
}

/// A page of revised figures.
#[derive(Clone, Debug)]
pub struct VintagePage {
    /// The figures.
    pub figures: Vec<VintageView>,
    /// Whether more follow.
    pub more: bool,
}

/// The key of a figure.
type FigureKey = (MeasureId, UnitPosition, Month);

/// A figure with its first and its current revision.
struct RevisedFigure {
    entry: CubeEntry,
    first: RevisionNumber,
    last: RevisionNumber,
}

impl Snapshot {
    /// A page of revised figures, the largest revision first. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit, [`Error::Invalid`] for an indicator that is not
    /// declared and for too many figures, or those of the store.
    pub fn vintages(&self, query: &VintageQuery) -> Result<VintagePage, Error> {
        let state = self.state();
        let revised = revised_figures(state, query)?;
        let firsts = self.first_values(&revised)?;
        let mut figures: Vec<VintageView> =
            revised.iter().filter_map(|figure| view(state, figure, &firsts)).collect();
        self.confirm()?;
        figures.sort_by(|one, other| size(other).total_cmp(&size(one)));
        let more = figures.len() > query.offset.saturating_add(query.limit);
        let figures = figures.into_iter().skip(query.offset).take(query.limit).collect();
        Ok(VintagePage { figures, more })
    }

    /// The values of the first releases, read from the ledger revision by revision.
    fn first_values(
        &self,
        revised: &[RevisedFigure],
    ) -> Result<HashMap<FigureKey, Option<Statement>>, Error> {
        let state = self.state();
        let mut by_revision: BTreeMap<RevisionNumber, Vec<&CubeEntry>> = BTreeMap::new();
        for figure in revised {
            by_revision.entry(figure.first).or_default().push(&figure.entry);
        }
        let mut found = HashMap::new();
        for (revision, entries) in by_revision {
            let unit = |entry: &&CubeEntry| {
                state.units.get(entry.unit).map(|unit| stored_unit(unit.number))
            };
            let units: BTreeSet<_> = entries.iter().filter_map(unit).collect();
            let measures: BTreeSet<_> =
                entries.iter().map(|entry| stored_measure(entry.measure)).collect();
            let months = || entries.iter().map(|entry| entry.month);
            let wanted = ObservationQuery {
                units: Some(units.into_iter().collect()),
                measures: Some(measures.into_iter().collect()),
                from_month: months().min().map(stored_month),
                to_month: months().max().map(stored_month),
                limit: ROWS,
                ..ObservationQuery::default()
            };
            for row in self.store().observations(&wanted.of_revision(revision))? {
                let key = measure_of(row.measure)
                    .zip(state.units.position_of_number(unit_of(row.unit)))
                    .zip(month_of(row.month));
                if let Some(((measure, unit), month)) = key {
                    found.insert((measure, unit, month), statement(&row));
                }
            }
        }
        Ok(found)
    }
}

/// The figures of a query that have been revised.
fn revised_figures(state: &State, query: &VintageQuery) -> Result<Vec<RevisedFigure>, Error> {
    let units = match &query.unit {
        None => state.units.all(),
        Some(code) => state.units.subtree(state.find_unit(code)?),
    };
    if let Some(asked) = &query.measure {
        if state.catalogue.kpi(&asked.code).is_some() {
            let detail = format!("{} is computed, not reported", asked.code);
            return Err(Error::fault("/measure", "not_an_indicator", detail));
        }
        let faults = state.catalogue.measure_faults(asked);
        if let Some((code, detail)) = faults.into_iter().next() {
            return Err(Error::fault("/measure", code, detail));
        }
    }
    let is_asked = |measure: &Measure| {
        query.measure.as_ref().is_none_or(|asked| {
            let mut members = asked.members.iter();
            asked.code == measure.code
                && members.all(|(of, member)| measure.members.get(of) == Some(member))
        })
    };
    let mut found = Vec::new();
    for (id, _) in state.measures.iter().filter(|(_, measure)| is_asked(measure)) {
        for (entry, stamp) in state.cube.figures_of(id) {
            let is_inside = units.start <= entry.unit
                && entry.unit < units.end
                && query.from.is_none_or(|from| from <= entry.month)
                && query.to.is_none_or(|to| entry.month <= to);
            if !is_inside {
                continue;
            }
            let first = state.cube.since(id, entry.unit, entry.month);
            if let Some(first) = first.filter(|first| *first != stamp) {
                let (first, last) = (revision_of(first), revision_of(stamp));
                found.push(RevisedFigure { entry, first, last });
            }
            if found.len() > MAX_REVISED {
                let detail = format!(
                    "more than {MAX_REVISED} figures were revised: name a unit, a measure or \
                     fewer months"
                );
                return Err(Error::fault("/unit", "too_many", detail));
            }
        }
    }
    Ok(found)
}

fn view(
    state: &State,
    figure: &RevisedFigure,
    firsts: &HashMap<FigureKey, Option<Statement>>,
) -> Option<VintageView> {
    let CubeEntry { measure, unit, month, written } = figure.entry;
    let asked = state.measures.get(measure)?;
    let first = *firsts.get(&(measure, unit, month))?;
    let number = |value: Option<Statement>| match value {
        Some(Statement::Number(number)) => Some(scaled(number.mantissa, number.scale)),
        Some(Statement::NotApplicable) | None => None,
    };
    let change = number(written).zip(number(first)).map(|(now, then)| (now - then, then));
    let percent = change.filter(|(_, then)| *then != 0.0);
    let time = |revision| state.time_of(revision).map(|time: TimestampMicros| time_text(time));
    Some(VintageView {
        measure: asked.to_string(),
        unit: state.units.code(unit).to_owned(),
        period: month.to_string(),
        first_value: first,
        first_revision: figure.first,
        first_recorded_at: time(figure.first),
        value: written,
        revision: figure.last,
        recorded_at: time(figure.last),
        revised_by: change.and_then(|(change, _)| Rounded::new(change)),
        revised_percent: percent.and_then(|(by, then)| Rounded::new(by / then.abs() * 100.0)),
    })
}

/// The size of a revision: its percentage; more than any percentage where there is no percentage.
fn size(figure: &VintageView) -> f64 {
    figure.revised_percent.map_or(f64::INFINITY, |percent| percent.get().abs())
}
