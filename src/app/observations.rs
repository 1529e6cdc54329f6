//! Figures as they were recorded, read from the ledger in the order they came (contract section 3,
//! `GET /observations`).

use std::collections::HashMap;

use serde::Serialize;

use super::findings::position;
use super::moment::Moment;
use super::state::State;
use super::submissions::{find, unknown};
use super::time_text;
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Written;
use crate::domain::period::Month;
use crate::error::Error;
use crate::store::{ObservationKey, ObservationQuery, ObservationRow, SubmissionRecord};

/// Most figures on a page.
pub const MAX_PAGE: usize = 10_000;
/// How many ledger rows are read at a time while looking for figures that still stand.
const STRETCH: u32 = 10_000;

/// A figure as recorded.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ObservationView {
    /// The submission that brought it.
    pub submission: String,
    /// Its revision.
    pub revision: i64,
    /// When it was recorded.
    pub recorded_at: String,
    /// Who sent it.
    pub actor: String,
    /// Why, where the sender said so.
    #[schema(required)]
    pub reason: Option<String>,
    /// An indicator's or kpi's code.
    pub indicator: String,
    /// Dimension and member.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub dimensions: Members,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The figure with the digits written; null for a withdrawal.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Written>,
}

/// Which figures are asked for; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct FigureQuery {
    /// A measure; without members every split of it.
    pub measure: Option<Measure>,
    /// A unit.
    pub unit: Option<String>,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// Those of one submission.
    pub submission: Option<String>,
    /// Every revision instead of what stands.
    pub history: bool,
    /// The place behind which the page begins.
    pub after: Option<ObservationKey>,
    /// At most so many.
    pub limit: usize,
}

/// A page of figures.
#[derive(Clone, Debug)]
pub struct FigurePage {
    /// The revision that it is the state of.
    pub revision: i64,
    /// The figures.
    pub observations: Vec<ObservationView>,
    /// The place behind which the next page begins.
    pub next: Option<ObservationKey>,
}

impl Moment {
    /// Reads a page of figures. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit or submission, an undeclared indicator, or the store's.
    pub fn figures(&self, query: &FigureQuery) -> Result<FigurePage, Error> {
        let (revision, mut wanted) = {
            let state = self.look();
            (state.revision, self.rows_wanted(&state, query)?)
        };
        wanted.up_to_revision = Some(wanted.up_to_revision.unwrap_or(revision).min(revision));
        let limit = query.limit.clamp(1, MAX_PAGE);
        let mut rows: Vec<ObservationRow> = Vec::new();
        while rows.len() <= limit {
            wanted.limit =
                if query.history { u32::try_from(limit + 1).unwrap_or(STRETCH) } else { STRETCH };
            let stretch = self.store().observations(&wanted)?;
            let full = u32::try_from(stretch.len()).is_ok_and(|read| read >= wanted.limit);
            wanted.after = stretch.last().map(ObservationRow::key).or(wanted.after);
            for row in stretch {
                if query.history || self.stood(&row, revision)? {
                    rows.push(row);
                }
            }
            if !full {
                break;
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(ObservationRow::key);
        Ok(FigurePage { revision, observations: self.views(&rows)?, next })
    }

    fn rows_wanted(&self, state: &State, query: &FigureQuery) -> Result<ObservationQuery, Error> {
        let mut wanted = ObservationQuery { after: query.after, ..ObservationQuery::default() };
        wanted.from_month = query.from.map(|month| i64::from(month.number()));
        wanted.to_month = query.to.map(|month| i64::from(month.number()));
        if let Some(code) = &query.unit {
            wanted.units = Some(
                state
                    .units
                    .get(position(state, code)?)
                    .map(|unit| unit.number)
                    .into_iter()
                    .collect(),
            );
        }
        if let Some(asked) = &query.measure {
            let faults = state.catalogue.measure_faults(asked);
            if let Some((code, detail)) = faults.into_iter().next() {
                return Err(Error::fault("/indicator", code, detail));
            }
            let matches = |measure: &Measure| {
                measure.code == asked.code
                    && asked
                        .members
                        .iter()
                        .all(|(dimension, member)| measure.members.get(dimension) == Some(member))
            };
            wanted.measures = Some(
                state
                    .measures
                    .iter()
                    .filter(|(_, measure)| matches(measure))
                    .filter_map(|(id, _)| i64::try_from(id).ok())
                    .collect(),
            );
        }
        if let Some(id) = &query.submission {
            let record = find(self.store(), id)?;
            if self.is_past() && record.revision.revision > state.revision {
                return Err(unknown(id));
            }
            wanted = wanted.of_revision(record.revision.revision);
        }
        Ok(wanted)
    }

    fn views(&self, rows: &[ObservationRow]) -> Result<Vec<ObservationView>, Error> {
        let mut revisions: Vec<i64> = rows.iter().map(|row| row.revision).collect();
        revisions.dedup();
        let records: HashMap<i64, SubmissionRecord> = self
            .store()
            .submissions_of(&revisions)?
            .into_iter()
            .map(|record| (record.revision.revision, record))
            .collect();
        let state = self.look();
        Ok(rows.iter().filter_map(|row| view(&state, row, records.get(&row.revision)?)).collect())
    }
}

fn view(state: &State, row: &ObservationRow, record: &SubmissionRecord) -> Option<ObservationView> {
    let measure = state.measures.get(usize::try_from(row.measure).ok()?)?;
    Some(ObservationView {
        submission: record.submission.id.clone(),
        revision: row.revision,
        recorded_at: time_text(record.revision.recorded_at),
        actor: record.revision.actor.clone(),
        reason: record.revision.reason.clone(),
        indicator: measure.code.clone(),
        dimensions: measure.members.clone(),
        unit: state.units.code(state.units.position_of_number(row.unit)?).to_owned(),
        period: Month::from_number(i32::try_from(row.month).ok()?)?.to_string(),
        value: row
            .mantissa
            .map(|mantissa| Written { mantissa, scale: u32::try_from(row.scale).unwrap_or(0) }),
    })
}

/// What the cube says of a row of the ledger, at a revision that may be older than the cube.
enum Standing {
    /// It was the figure that stood.
    Stood,
    /// It had been replaced or withdrawn.
    Gone,
    /// Its place has changed since, so the ledger has to say.
    Changed,
}

fn standing(state: &State, row: &ObservationRow, revision: i64) -> Option<Standing> {
    let measure = usize::try_from(row.measure).ok()?;
    let (unit, month) = (
        state.units.position_of_number(row.unit)?,
        Month::from_number(i32::try_from(row.month).ok()?)?,
    );
    let stamp = match state.decimals(measure) {
        Some(_) => state.cube.stamp(measure, unit, month),
        None => state.cube.stated(measure, unit, month).map(|stamped| stamped.revision),
    };
    Some(match stamp.map(i64::from) {
        Some(stamp) if stamp == row.revision => Standing::Stood,
        Some(stamp) if stamp <= revision => Standing::Gone,
        _ => Standing::Changed,
    })
}

impl Moment {
    /// Whether a row of the ledger was the figure that stood at a revision.
    fn stood(&self, row: &ObservationRow, revision: i64) -> Result<bool, Error> {
        if row.mantissa.is_none() {
            return Ok(false);
        }
        match standing(&self.look(), row, revision) {
            Some(Standing::Stood) => return Ok(true),
            Some(Standing::Gone) => return Ok(false),
            Some(Standing::Changed) | None => {}
        }
        let later = ObservationQuery {
            units: Some(vec![row.unit]),
            measures: Some(vec![row.measure]),
            from_month: Some(row.month),
            to_month: Some(row.month),
            after_revision: Some(row.revision),
            up_to_revision: Some(revision),
            limit: 1,
            ..ObservationQuery::default()
        };
        Ok(self.store().observations(&later)?.is_empty())
    }
}
