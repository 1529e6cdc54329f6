//! Remarks: what people say about a finding, and requests to reopen a closed month.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::measure::Measure;
use super::period::Month;

/// Longest remark, in characters.
pub const MAX_REMARK: usize = 1_000;

/// Longest code of a rule, in bytes.
const MAX_RULE: usize = 200;

/// What a remark is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkSubject {
    /// A finding: its figures were checked; the text says why they are right.
    Finding,
    /// A closed month: why it should be reopened for the unit.
    Reopening,
}

/// A remark as the ledger stores it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemarkDocument {
    /// Its code.
    pub code: String,
    /// What it is about.
    pub subject: RemarkSubject,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The measure of the finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The rule of the finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The two numbers of the finding. After either has changed, the remark is no longer about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<(f64, f64)>,
    /// The text, 1 to 1,000 characters.
    pub text: String,
}

impl RemarkDocument {
    /// The errors of the document; pointers are `/field`.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Err(error) = self.period.parse::<Month>() {
            faults.push(Fault::new("/period", "malformed_period", error.to_string()));
        }
        if let Some(Err(detail)) = self.measure.as_deref().map(Measure::parse) {
            faults.push(Fault::new("/measure", "malformed_measure", detail));
        }
        if self.numbers.is_some_and(|(one, other)| !one.is_finite() || !other.is_finite()) {
            faults.push(Fault::new("/numbers", "malformed", "both numbers must be finite"));
        }
        if self.rule.as_ref().is_some_and(|rule| rule.len() > MAX_RULE) {
            let detail = format!("the code of a rule has at most {MAX_RULE} characters");
            faults.push(Fault::new("/rule", "malformed", detail));
        }
        if self.text.trim().is_empty() || self.text.chars().count() > MAX_REMARK {
            faults.push(Fault::new(
                "/text",
                "malformed_text",
                format!("a remark has 1 to {MAX_REMARK} characters"),
            ));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON has no notation for such numbers: a ledger with one could not be read again.
    #[test]
    fn the_numbers_of_a_remark_are_finite() {
        let remark = |numbers| RemarkDocument {
            code: "a".to_owned(),
            subject: RemarkSubject::Finding,
            unit: "u".to_owned(),
            period: "2021-10".to_owned(),
            measure: None,
            rule: None,
            numbers,
            text: "checked".to_owned(),
        };
        assert!(remark(Some((1.0, 2.5))).faults().is_empty());
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(remark(Some((1.0, wrong))).faults().len(), 1);
            assert_eq!(remark(Some((wrong, 1.0))).faults().len(), 1);
        }
    }
}
