//! The rules of the catalogue as alerting rules, and their findings as alerts.

use std::collections::BTreeMap;

use crate::app::read::findings::severity_name;
use crate::app::state::State;
use kpi::catalogue::Severity;
use kpi::period::Month;
use kpi::rules::{AUTOMATIC_RULES, Finding};
use kpi::unit::{LocalizedName, UnitPosition};

use super::select::{LATEST, STANDING};

/// Most alerts of a response; the newest months come first.
pub const MAX_ALERTS: usize = 10_000;

/// A rule of the catalogue as an alerting rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertingRule {
    /// Its code.
    pub code: String,
    /// Its name, or for an automatic rule what it finds.
    pub name: LocalizedName,
    /// `warning` or `error`.
    pub severity: &'static str,
}

impl AlertingRule {
    /// The query that counts the findings of which the rule alerts.
    #[must_use]
    pub fn query(&self) -> String {
        format!("egov_findings_latest{{rule={:?},severity={:?}}} > 0", self.code, self.severity)
    }
}

/// All rules: those that follow from every catalogue, then the written ones in their order.
#[must_use]
pub fn alerting_rules(state: &State) -> Vec<AlertingRule> {
    let automatic = AUTOMATIC_RULES.map(|rule| AlertingRule {
        code: rule.code.to_owned(),
        name: LocalizedName { vi: rule.finds_vi.to_owned(), en: rule.finds_en.to_owned() },
        severity: severity_name(Severity::Warning),
    });
    let written = state.catalogue.rules.iter().map(|rule| AlertingRule {
        code: rule.code.clone(),
        name: rule.name.clone(),
        severity: severity_name(rule.severity),
    });
    automatic.into_iter().chain(written).collect()
}

/// A finding as an alert.
#[derive(Clone, Debug)]
pub struct FindingAlert<'s> {
    /// The finding.
    pub finding: &'s Finding,
    /// The code and the name of its unit.
    pub unit: (&'s str, &'s str),
}

impl FindingAlert<'_> {
    /// The labels: rule, severity, measure, unit and month.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<&'static str, String> {
        let Finding { rule, severity, measure, month, .. } = self.finding;
        BTreeMap::from([
            ("alertname", rule.clone()),
            ("rule", rule.clone()),
            ("severity", severity_name(*severity).to_owned()),
            ("measure", measure.to_string()),
            ("unit", self.unit.0.to_owned()),
            ("unit_name", self.unit.1.to_owned()),
            ("month", month.to_string()),
        ])
    }
}

/// The findings that `egov_findings_latest` counts in the month `now`: of each unit those of the
/// last three months up to its newest with a figure, if that is at most three months old. At most
/// [`MAX_ALERTS`], the newest first; and whether there are more.
#[must_use]
pub fn finding_alerts(state: &State, now: Month) -> (Vec<FindingAlert<'_>>, bool) {
    let mut newest: BTreeMap<UnitPosition, Option<Month>> = BTreeMap::new();
    let mut is_recent = |finding: &Finding| {
        let newest = newest
            .entry(finding.unit)
            .or_insert_with(|| state.newest(state.units.subtree(finding.unit)));
        newest.is_some_and(|newest| {
            let newest = newest.min(now);
            now.since(newest) <= LATEST && (0..STANDING).contains(&newest.since(finding.month))
        })
    };
    let recent = state.standing().within(state.units.all()).filter(|finding| is_recent(finding));
    let (found, is_cut) = newest_of(recent.collect(), |finding| finding.month, MAX_ALERTS);
    let alerts = found.into_iter().map(|finding| FindingAlert {
        finding,
        unit: (state.units.code(finding.unit), unit_name(state, finding)),
    });
    (alerts.collect(), is_cut)
}

/// At most `most` of a list, the newest months first; and whether there were more.
fn newest_of<T>(mut list: Vec<T>, month: impl Fn(&T) -> Month, most: usize) -> (Vec<T>, bool) {
    let is_cut = list.len() > most;
    list.sort_by_key(|one| std::cmp::Reverse(month(one)));
    list.truncate(most);
    (list, is_cut)
}

fn unit_name<'s>(state: &'s State, finding: &Finding) -> &'s str {
    state.units.get(finding.unit).map_or("", |unit| unit.document.shown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_keeps_the_newest_months() {
        let months: Vec<Month> =
            ["2021-02", "2021-04", "2021-03"].map(|month| month.parse().unwrap()).into();
        let newest = |most| {
            let (found, is_cut) = newest_of(months.clone(), |month| *month, most);
            (found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), is_cut)
        };
        assert_eq!(newest(2), ("2021-04 2021-03".to_owned(), true));
        assert_eq!(newest(3), ("2021-04 2021-03 2021-02".to_owned(), false));
    }
}
