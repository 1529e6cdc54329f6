//! A call of the Prometheus HTTP API: its parameters, and the state that it reads.

use std::sync::Arc;
use std::time::Instant;

use crate::app::snapshot::Snapshot;
use crate::prometheus::info::MetricCatalogue;
use crate::prometheus::memory::QueryMemory;
use crate::prometheus::select::{MetricSeries, SeriesRequest, select};
use kpi::period::{FIRST_MONTH, LAST_MONTH, Month};
use promql::{QueryError, QueryPlan, SeriesSelector, month_of};

/// Maximum number of selectors in one query of labels or series.
const MAX_MATCHES: usize = 100;

/// What a handler receives.
pub(super) struct ApiCall {
    pub(super) snapshot: Snapshot,
    /// The time of an earlier state that was asked for, in milliseconds since 1970.
    pub(super) past: Option<i64>,
    /// The metrics of its catalogue and units.
    pub(super) catalogue: Arc<MetricCatalogue>,
    pub(super) path: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    /// The deadline of the response.
    pub(super) until: Instant,
    /// The memory reserved for the query.
    pub(super) memory: QueryMemory,
}

impl ApiCall {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<&str, QueryError> {
        self.text(name)
            .ok_or_else(|| QueryError::bad(format!("invalid parameter \"{name}\": it is missing")))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let fault =
            |error: String| QueryError::bad(format!("invalid parameter \"{name}\": {error}"));
        self.text(name).map(promql::parse_time).transpose().map_err(fault)
    }

    /// The present, or the time of the earlier state that was asked for, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        let now = self.snapshot.clock().now().get() / 1000;
        self.past.map_or(now, |past| past.min(now))
    }

    /// The month of [`Self::now`] in UTC, as in queries.
    pub(super) fn month(&self) -> Month {
        month_of(self.now())
    }

    /// The most entries of a list; 0 means no limit.
    pub(super) fn limit(&self) -> Result<usize, QueryError> {
        let Some(text) = self.text("limit") else { return Ok(usize::MAX) };
        match text.parse() {
            Ok(0) => Ok(usize::MAX),
            Ok(limit) => Ok(limit),
            Err(_malformed) => Err(QueryError::bad(format!(
                "invalid parameter \"limit\": {text} is not a number from 0 on"
            ))),
        }
    }

    /// The selectors of `match[]`.
    pub(super) fn matches(&self) -> Result<Vec<SeriesSelector>, QueryError> {
        let named = self.parameters.iter().filter(|(key, _)| key == "match[]");
        let found = named.map(|(_, text)| promql::selector(text)).collect::<Result<Vec<_>, _>>()?;
        if found.len() > MAX_MATCHES {
            Err(QueryError::bad(format!("more than {MAX_MATCHES} match[] parameters")))
        } else {
            Ok(found)
        }
    }

    /// The series that the selectors of `match[]` name between `start` and `end`.
    pub(super) fn select_matches(
        &mut self,
        selectors: &[SeriesSelector],
    ) -> Result<Vec<MetricSeries>, QueryError> {
        let (start, end) = (self.time("start")?, self.time("end")?);
        let first = start.map_or(FIRST_MONTH, month_of);
        let last = end.map_or(LAST_MONTH, month_of);
        let wanted: Vec<SeriesRequest<'_>> = selectors
            .iter()
            .map(|selector| SeriesRequest {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        Ok(select(&self.snapshot, &self.catalogue, &wanted, self.until, &mut self.memory)?
            .1
            .into_iter()
            .flatten()
            .collect())
    }

    /// Plans the query and selects its series, for evaluation times from `start` to `end`.
    pub(super) fn plan_query(
        &mut self,
        start: i64,
        end: i64,
        until: Instant,
    ) -> Result<(QueryPlan, Vec<Vec<MetricSeries>>), QueryError> {
        let plan = promql::plan(self.needed("query")?)?;
        let months: Vec<(Month, Month)> =
            plan.selectors.iter().map(|selector| selector.months(start, end)).collect();
        let wanted: Vec<SeriesRequest<'_>> = plan
            .selectors
            .iter()
            .zip(months)
            .map(|(selector, (first, last))| SeriesRequest {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        let series = select(&self.snapshot, &self.catalogue, &wanted, until, &mut self.memory)?.1;
        Ok((plan, series))
    }
}
