//! Recorded figures, read from the ledger in the order in which they were recorded
//! (`docs/specification.md#recorded-figures`).

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::past_submissions::{find, unknown};
use crate::app::snapshot::Snapshot;
use crate::app::state::{State, statement};
use crate::app::stored::{
    measure_of, month_of, revision_of, stored_measure, stored_month, stored_unit, unit_of,
};
use crate::clock::time_text;
use crate::error::Error;
use kpi::measure::{Measure, Members};
use kpi::number::{Statement, scaled};
use kpi::period::Month;
use kpi::unit::UnitRange;
use ledger::{
    ObservationKey, ObservationQuery, ObservationRow, RevisionNumber, StoredMeasure, StoredUnit,
    SubmissionRecord,
};

/// Most figures on a page.
pub const MAX_PAGE: usize = 10_000;
/// Ledger rows that are read at a time while looking for current figures.
const STRETCH: u32 = 10_000;
/// Most stretches that are read for a page. A page may therefore have fewer figures than its limit,
/// or none, and still a next one.
const MAX_STRETCHES: usize = 50;
/// Most stretches that are read for the ends of validity of a page. Ends that lie further away are
/// looked up one by one.
const STRETCHES_OF_ENDS: usize = 5;
/// Most units of a page with ends of validity that are read together; otherwise the ledger would be
/// searched whole.
const MAX_UNITS_TOGETHER: usize = 200;

/// A recorded value: a number, or the text `n/a`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum RecordedValue {
    /// A number.
    Number(f64),
    /// `n/a`: the figure does not apply to the unit.
    NotApplicable(String),
}

/// A recorded figure.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ObservationView {
    /// The submission that contains it.
    pub submission: String,
    /// The revision of the submission.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// With `history=true`: the last revision at which this was the current figure. Null if it
    /// still is.
    #[schema(required, value_type = Option<i64>)]
    pub valid_to_revision: Option<RevisionNumber>,
    /// When it was recorded.
    pub recorded_at: String,
    /// Name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    #[schema(required)]
    pub reason: Option<String>,
    /// Code of an indicator or kpi.
    pub indicator: String,
    /// The member of each dimension that the measure names.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub dimensions: Members,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The figure with its digits as recorded; `"n/a"` where it does not apply to the unit; null
    /// for a withdrawal.
    #[schema(required, value_type = Option<RecordedValue>)]
    pub value: Option<Statement>,
}

/// A query for recorded figures; an absent field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct FigureQuery {
    /// A measure; without members all its splits.
    pub measure: Option<Measure>,
    /// A unit.
    pub unit: Option<String>,
    /// Whether the units below the unit are included.
    pub with_units_below: bool,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// Figures of this submission only.
    pub submission: Option<String>,
    /// Every revision of a figure instead of the current figures.
    pub history: bool,
    /// Whether each revision is given the end of its validity.
    pub with_validity: bool,
    /// Only what was recorded after this revision; withdrawals are included.
    pub changed_since: Option<RevisionNumber>,
    /// Only numbers of at least this value.
    pub value_min: Option<f64>,
    /// Only numbers of at most this value.
    pub value_max: Option<f64>,
    /// The page begins after this key.
    pub after: Option<ObservationKey>,
    /// At most this many figures.
    pub limit: usize,
}

impl FigureQuery {
    /// Whether a figure is in the range of values, if there is one.
    pub(super) fn has_value(&self, written: Option<Statement>) -> bool {
        if self.value_min.is_none() && self.value_max.is_none() {
            return true;
        }
        let Some(Statement::Number(number)) = written else { return false };
        let value = scaled(number.mantissa, number.scale);
        self.value_min.is_none_or(|least| least <= value)
            && self.value_max.is_none_or(|most| value <= most)
    }
}

/// A page of figures.
#[derive(Clone, Debug)]
pub struct FigurePage {
    /// The revision of the snapshot.
    pub revision: RevisionNumber,
    /// The figures.
    pub observations: Vec<ObservationView>,
    /// The key after which the next page begins; `None` on the last page.
    pub next: Option<ObservationKey>,
}

impl Snapshot {
    /// Reads a page of figures. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit or submission, [`Error::Invalid`] for an indicator
    /// that is not declared, or those of the store.
    pub fn figures(&self, query: &FigureQuery) -> Result<FigurePage, Error> {
        let (revision, mut wanted) = {
            let state = self.state();
            (state.revision, self.rows_wanted(state, query)?)
        };
        wanted.up_to_revision = Some(wanted.up_to_revision.unwrap_or(revision).min(revision));
        let limit = query.limit.clamp(1, MAX_PAGE);
        let (mut rows, unread) = match self.current_figures(query, &wanted, limit)? {
            Some(rows) => (rows, None),
            None => self.search_ledger(query, wanted, limit, revision)?,
        };
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(ObservationRow::key).or(unread);
        let observations = self.views(&rows, query.with_validity.then_some(revision))?;
        self.confirm()?;
        Ok(FigurePage { revision, observations, next })
    }

    /// The first rows of the ledger that a query lists; more than its limit if there are more. Also
    /// the key up to which the ledger was read, if it was not read to the end of the page.
    fn search_ledger(
        &self,
        query: &FigureQuery,
        mut wanted: ObservationQuery,
        limit: usize,
        revision: RevisionNumber,
    ) -> Result<(Vec<ObservationRow>, Option<ObservationKey>), Error> {
        let mut rows: Vec<ObservationRow> = Vec::new();
        let (mut stretches, mut unread) = (0, None);
        // Where few figures were revised, the first rows are the whole page.
        wanted.limit = u32::try_from(limit + 1).unwrap_or(STRETCH);
        while rows.len() <= limit {
            if stretches == MAX_STRETCHES {
                unread = wanted.after;
                break;
            }
            stretches += 1;
            let stretch = self.store().observations(&wanted)?;
            let full = u32::try_from(stretch.len()).is_ok_and(|read| read >= wanted.limit);
            wanted.after = stretch.last().map(ObservationRow::key).or(wanted.after);
            for row in stretch.into_iter().filter(|row| query.has_value(statement(row))) {
                if query.history || self.is_listed(&row, query, revision)? {
                    rows.push(row);
                }
            }
            if !full {
                break;
            }
            wanted.limit = STRETCH;
        }
        Ok((rows, unread))
    }

    fn rows_wanted(&self, state: &State, query: &FigureQuery) -> Result<ObservationQuery, Error> {
        let mut wanted = ObservationQuery { after: query.after, ..ObservationQuery::default() };
        wanted.from_month = query.from.map(stored_month);
        wanted.to_month = query.to.map(stored_month);
        wanted.after_revision = query.changed_since;
        if let Some(code) = &query.unit {
            let unit = state.find_unit(code)?;
            let end =
                if query.with_units_below { state.units.subtree(unit).end } else { unit.next() };
            let stored = |unit| state.units.get(unit).map(|unit| stored_unit(unit.number));
            wanted.units = Some(UnitRange::new(unit, end).iter().filter_map(stored).collect());
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
                    .map(|(id, _)| stored_measure(id))
                    .collect(),
            );
        }
        if let Some(id) = &query.submission {
            let record = find(self.store(), id)?;
            if self.is_past() && record.revision.revision > state.revision {
                return Err(unknown(id));
            }
            let since = wanted.after_revision;
            wanted = wanted.of_revision(record.revision.revision);
            wanted.after_revision = wanted.after_revision.max(since);
        }
        Ok(wanted)
    }

    /// The figures of rows; those of a history up to a revision with the end of their validity.
    fn views(
        &self,
        rows: &[ObservationRow],
        history_to: Option<RevisionNumber>,
    ) -> Result<Vec<ObservationView>, Error> {
        let mut revisions: Vec<RevisionNumber> = rows.iter().map(|row| row.revision).collect();
        revisions.dedup();
        let records: HashMap<RevisionNumber, SubmissionRecord> = self
            .store()
            .submissions_of(&revisions)?
            .into_iter()
            .map(|record| (record.revision.revision, record))
            .collect();
        let ends = match history_to {
            Some(revision) => self.ends_of_validity(rows, revision)?,
            None => HashMap::new(),
        };
        let state = self.state();
        let view = |row: &ObservationRow| {
            let mut view = view(state, row, records.get(&row.revision)?)?;
            view.valid_to_revision = ends.get(&row.key()).copied();
            Some(view)
        };
        Ok(rows.iter().filter_map(view).collect())
    }
}

fn view(state: &State, row: &ObservationRow, record: &SubmissionRecord) -> Option<ObservationView> {
    let measure = state.measures.get(measure_of(row.measure)?)?;
    Some(ObservationView {
        submission: record.submission.id.clone(),
        revision: row.revision,
        valid_to_revision: None,
        recorded_at: time_text(record.revision.recorded_at),
        actor: record.revision.actor.clone(),
        reason: record.revision.reason.clone(),
        indicator: measure.code.clone(),
        dimensions: measure.members.clone(),
        unit: state.units.code(state.units.position_of_number(unit_of(row.unit))?).to_owned(),
        period: month_of(row.month)?.to_string(),
        value: statement(row),
    })
}

/// What the cube knows of a ledger row, as of a revision that may be older than the cube.
enum RowStatus {
    /// The row was the current figure.
    Stood,
    /// The row had been replaced or withdrawn.
    Gone,
    /// The figure has changed since that revision, so the ledger has to be queried.
    Changed,
}

fn row_status(state: &State, row: &ObservationRow, revision: RevisionNumber) -> Option<RowStatus> {
    let measure = measure_of(row.measure)?;
    let (unit, month) = (state.units.position_of_number(unit_of(row.unit))?, month_of(row.month)?);
    let stamp = match state.decimals(measure) {
        Some(_) => state.cube.last_revision(measure, unit, month),
        None => state.cube.stated(measure, unit, month).map(|stamped| stamped.revision),
    };
    Some(match stamp.map(revision_of) {
        Some(stamp) if stamp == row.revision => RowStatus::Stood,
        Some(stamp) if stamp <= revision => RowStatus::Gone,
        _ => RowStatus::Changed,
    })
}

impl Snapshot {
    /// Whether a ledger row is listed without `history=true`: it was the newest of its figure at a
    /// revision. A withdrawal is listed among changes only.
    fn is_listed(
        &self,
        row: &ObservationRow,
        query: &FigureQuery,
        revision: RevisionNumber,
    ) -> Result<bool, Error> {
        if row.is_withdrawal() && query.changed_since.is_none() {
            return Ok(false);
        }
        match row_status(self.state(), row, revision) {
            Some(RowStatus::Stood) => Ok(true),
            Some(RowStatus::Gone) => Ok(false),
            Some(RowStatus::Changed) | None => Ok(self.replaced_by(row, revision)?.is_none()),
        }
    }

    /// For each of these ledger rows, which are in order, the last revision at which it was the
    /// newest of its figure. Rows that still were at `revision` are left out.
    fn ends_of_validity(
        &self,
        rows: &[ObservationRow],
        revision: RevisionNumber,
    ) -> Result<HashMap<ObservationKey, RevisionNumber>, Error> {
        let stood = |row: &ObservationRow| {
            matches!(row_status(self.state(), row, revision), Some(RowStatus::Stood))
        };
        let mut open: Vec<ObservationRow> =
            rows.iter().filter(|row| !stood(row)).copied().collect();
        let mut ends = self.ends_near(&open, revision)?;
        open.retain(|row| !ends.contains_key(&row.key()));
        for row in open {
            let end = self.replaced_by(&row, revision)?.map(RevisionNumber::previous);
            ends.extend(end.map(|end| (row.key(), end)));
        }
        Ok(ends)
    }

    /// The ends of validity of ledger rows that lie in the next stretches of the ledger: the later
    /// rows of all these figures are read together.
    fn ends_near(
        &self,
        open: &[ObservationRow],
        revision: RevisionNumber,
    ) -> Result<HashMap<ObservationKey, RevisionNumber>, Error> {
        let figure = |row: &ObservationRow| (row.unit, row.measure, row.month);
        let units: HashSet<StoredUnit> = open.iter().map(|row| row.unit).collect();
        let measures: HashSet<StoredMeasure> = open.iter().map(|row| row.measure).collect();
        let mut ends = HashMap::new();
        let Some(first) = open.first().filter(|_| units.len() <= MAX_UNITS_TOGETHER) else {
            return Ok(ends);
        };
        let mut later = ObservationQuery {
            units: Some(units.into_iter().collect()),
            measures: Some(measures.into_iter().collect()),
            from_month: open.iter().map(|row| row.month).min(),
            to_month: open.iter().map(|row| row.month).max(),
            up_to_revision: Some(revision),
            after: Some(first.key()),
            limit: STRETCH,
            ..ObservationQuery::default()
        };
        let mut waiting: HashSet<ObservationKey> = open.iter().map(ObservationRow::key).collect();
        let mut newest = HashMap::from([(figure(first), first.key())]);
        for _ in 0..STRETCHES_OF_ENDS {
            let stretch = self.store().observations(&later)?;
            for row in &stretch {
                if let Some(before) = newest.remove(&figure(row)) {
                    waiting.remove(&before);
                    ends.insert(before, row.revision.previous());
                }
                if waiting.contains(&row.key()) {
                    newest.insert(figure(row), row.key());
                }
            }
            let is_last = u32::try_from(stretch.len()).is_ok_and(|read| read < STRETCH);
            if waiting.is_empty() || is_last {
                break;
            }
            later.after = stretch.last().map(ObservationRow::key);
        }
        Ok(ends)
    }

    /// The revision, up to this one, that recorded the figure of a ledger row next.
    fn replaced_by(
        &self,
        row: &ObservationRow,
        revision: RevisionNumber,
    ) -> Result<Option<RevisionNumber>, Error> {
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
        Ok(self.store().observations(&later)?.first().map(|next| next.revision))
    }
}
