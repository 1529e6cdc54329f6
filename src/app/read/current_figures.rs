//! Current figures of a few units, found in the cube instead of in the ledger, where they lie
//! between all figures that were ever replaced.

use ledger::{ObservationKey, ObservationQuery, ObservationRow, StoredUnit};

use super::observations::FigureQuery;
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::stored::{
    measure_of, revision_of, stored_measure, stored_month, stored_unit, unit_of,
};
use crate::error::Error;
use kpi::cube::{CubeEntry, MeasureId, RevisionStamp};

/// Most rows of the cube (a measure of a unit) that are looked through for a page.
const MAX_ROWS: usize = 20_000;

impl Snapshot {
    /// The first figures of a query after its key, in the order of the ledger; one more than its
    /// limit if there are more. `None` where the ledger has to be searched: for a history, for
    /// changes, for a submission, for many units, and for measures that are not declared any more.
    /// `wanted` has the units and measures of the query.
    pub(super) fn current_figures(
        &self,
        query: &FigureQuery,
        wanted: &ObservationQuery,
        limit: usize,
    ) -> Result<Option<Vec<ObservationRow>>, Error> {
        let state = self.state();
        let is_current =
            !query.history && query.changed_since.is_none() && query.submission.is_none();
        let Some(units) = wanted.units.as_deref().filter(|_| is_current) else { return Ok(None) };
        let measures: Vec<MeasureId> = match &wanted.measures {
            Some(asked) => asked.iter().filter_map(|stored| measure_of(*stored)).collect(),
            None => state.measures.iter().map(|(id, _)| id).collect(),
        };
        let is_declared = |id: &MeasureId| {
            let measure = state.measures.get(*id);
            measure.is_some_and(|measure| state.catalogue.measure_faults(measure).is_empty())
        };
        if units.len().saturating_mul(measures.len()) > MAX_ROWS
            || !measures.iter().all(is_declared)
        {
            return Ok(None);
        }
        let mut keys = Vec::new();
        let position = |unit: &StoredUnit| state.units.position_of_number(unit_of(*unit));
        for unit in units.iter().filter_map(position) {
            let figures = measures.iter().flat_map(|id| state.cube.figures_at(*id, unit));
            let rates = state.cube.all_stated_at(unit);
            let rates = rates.filter(|(entry, _)| measures.contains(&entry.measure));
            let asked = figures.chain(rates).filter(|(entry, _)| {
                query.from.is_none_or(|from| from <= entry.month)
                    && query.to.is_none_or(|to| entry.month <= to)
                    && query.has_value(entry.written)
            });
            keys.extend(asked.filter_map(|(entry, stamp)| key(state, &entry, stamp)));
        }
        keys.retain(|key| query.after.is_none_or(|after| after < *key));
        keys.sort_unstable();
        keys.truncate(limit + 1);
        Ok(Some(self.store().observations_at(&keys)?))
    }
}

fn key(state: &State, entry: &CubeEntry, stamp: RevisionStamp) -> Option<ObservationKey> {
    Some(ObservationKey {
        revision: revision_of(stamp),
        unit: stored_unit(state.units.get(entry.unit)?.number),
        measure: stored_measure(entry.measure),
        month: stored_month(entry.month),
    })
}
