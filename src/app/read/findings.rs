//! Findings as responses show them (`docs/specification.md#findings`).

use ledger::RevisionNumber;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::{Catalogue, Severity};
use kpi::period::Month;
use kpi::remark::RemarkDocument;
use kpi::rules::{AUTOMATIC_RULES, Finding};
use kpi::unit::UnitForest;

/// A place where figures contradict a rule (`docs/specification.md#rules`).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FindingView {
    /// `parts_total`, `parts_exceed_total`, `children_total`, `stock_movement`, `stated_rate`, or
    /// the code of a written rule.
    pub rule: String,
    /// `warning` or `error`.
    pub severity: String,
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The stated figure, or the left side of a written rule.
    pub stated: f64,
    /// The number computed from other figures, or the right side of a written rule.
    pub computed: f64,
    /// The finding as an English sentence.
    pub detail: String,
    /// The finding as a Vietnamese sentence.
    pub detail_vi: String,
}

impl FindingView {
    /// Describes a finding for a response.
    #[must_use]
    pub fn new(finding: &Finding, units: &UnitForest) -> Self {
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

/// The code of the remark that answers a finding or an unusual figure.
#[must_use]
pub fn remark_code(rule: &str, measure: &str, unit: &str, period: &str) -> String {
    let digest = Sha256::digest(format!("{rule}\n{measure}\n{unit}\n{period}"));
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("finding.{short}")
}

/// The answer to a finding or an unusual figure, as long as its two numbers are the same.
#[must_use]
pub fn answer_to<'s>(
    state: &'s State,
    code: &str,
    numbers: (f64, f64),
) -> Option<&'s RemarkDocument> {
    let remark = state.declared.remarks.get(code)?;
    (remark.numbers == Some(numbers)).then_some(remark)
}

impl FindingView {
    /// Whether nobody has answered it yet.
    #[must_use]
    pub fn is_open(&self, state: &State) -> bool {
        let code = remark_code(&self.rule, &self.measure, &self.unit, &self.period);
        answer_to(state, &code, (self.stated, self.computed)).is_none()
    }
}

/// The name of a severity in responses: `warning` or `error`.
#[must_use]
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A query for findings; an absent field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct FindingQuery {
    /// A unit, including those below it.
    pub unit: Option<String>,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// `warning` or `error`.
    pub severity: Option<String>,
    /// A rule's code.
    pub rule: Option<String>,
    /// How many findings to skip.
    pub offset: usize,
    /// At most this many findings.
    pub limit: usize,
}

impl Snapshot {
    /// The current findings: revision, the page, and whether more follow.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit, [`Error::Invalid`] for an unknown rule.
    pub fn findings(
        &self,
        query: &FindingQuery,
    ) -> Result<(RevisionNumber, Vec<FindingView>, bool), Error> {
        let state = self.state();
        if let Some(rule) = &query.rule {
            check_rule(rule, &state.catalogue)?;
        }
        let range = match &query.unit {
            None => state.units.all(),
            Some(code) => state.units.subtree(state.find_unit(code)?),
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
        let mut found = state.standing().within(range).filter(wanted).skip(query.offset);
        let page = found
            .by_ref()
            .take(query.limit)
            .map(|finding| FindingView::new(finding, &state.units))
            .collect();
        let more = found.next().is_some();
        Ok((state.revision, page, more))
    }
}

/// Checks that a rule exists: one that follows from every catalogue, or one that this one declares.
fn check_rule(code: &str, catalogue: &Catalogue) -> Result<(), Error> {
    let declared = catalogue.rules.iter().map(|rule| rule.code.as_str());
    let codes: Vec<&str> = AUTOMATIC_RULES.iter().map(|rule| rule.code).chain(declared).collect();
    if codes.contains(&code) {
        return Ok(());
    }
    Err(Error::fault("/rule", "malformed", format!("rule must be one of {}", codes.join(", "))))
}
