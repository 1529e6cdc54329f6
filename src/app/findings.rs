//! Findings as clients see them.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::state::State;
use crate::domain::catalogue::Severity;
use crate::domain::period::Month;
use crate::domain::rules::Finding;
use crate::domain::unit::Units;
use crate::error::Error;

/// A place where figures contradict a rule (contract section 3).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FindingView {
    /// `parts_total`, `parts_exceed_total`, `children_total`, `stock_movement`, `stated_rate`, or a written rule's code.
    pub rule: String,
    /// `warning` or `error`.
    pub severity: String,
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The figure stated, or a written rule's left side.
    pub stated: f64,
    /// What the other figures give, or a written rule's right side.
    pub computed: f64,
    /// In English.
    pub detail: String,
    /// In Vietnamese.
    pub detail_vi: String,
}

impl FindingView {
    /// A finding in words.
    #[must_use]
    pub fn new(finding: &Finding, units: &Units) -> Self {
        Self {
            rule: finding.rule.clone(),
            severity: severity_name(finding.severity).to_owned(),
            measure: finding.measure.to_string(),
            unit: units.code(finding.unit).to_owned(),
            period: finding.month.to_string(),
            stated: finding.stated,
            computed: finding.computed,
            detail: finding.detail.1.clone(),
            detail_vi: finding.detail.0.clone(),
        }
    }
}

/// A severity as clients read it.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Which findings are asked for; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct FindingQuery {
    /// A unit and those below it.
    pub unit: Option<String>,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// `warning` or `error`.
    pub severity: Option<String>,
    /// A rule's code.
    pub rule: Option<String>,
    /// How many to pass over.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

impl Moment {
    /// The findings that stand: revision, the page, and whether more follow.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn findings(&self, query: &FindingQuery) -> Result<(i64, Vec<FindingView>, bool), Error> {
        let state = self.look();
        let range = match &query.unit {
            None => 0..state.units.len(),
            Some(code) => state.units.subtree(position(&state, code)?),
        };
        let wanted = |finding: &&Finding| {
            query.from.is_none_or(|from| from <= finding.month)
                && query.to.is_none_or(|to| finding.month <= to)
                && query.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
                && query
                    .severity
                    .as_ref()
                    .is_none_or(|severity| severity == severity_name(finding.severity))
        };
        let mut found = state.standing.within(range).filter(wanted).skip(query.offset);
        let page = found
            .by_ref()
            .take(query.limit)
            .map(|finding| FindingView::new(finding, &state.units))
            .collect();
        let more = found.next().is_some();
        Ok((state.revision, page, more))
    }
}

/// Where a unit stands, or that there is none.
pub(super) fn position(state: &State, code: &str) -> Result<usize, Error> {
    state.units.position(code).ok_or_else(|| {
        Error::NotFound(format!("there is no unit {}", crate::domain::fault::quoted(code)))
    })
}
