//! `rules` and `alerts`: the rules of the catalogue and their findings.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use super::call::ApiCall;
use super::response::{ApiResult, success_with};
use crate::prometheus::alerts::{AlertingRule, FindingAlert, alerting_rules, finding_alerts};
use promql::{MemorySource, QueryError, first_second};

/// The name of the group of rules.
const GROUP: &str = "findings";
/// Bytes that an alert takes at most in memory, with its labels and sentences.
const ALERT_BYTES: usize = 4 << 10;
/// The warning when there are more alerts than a response shows.
const TRUNCATED: &str = "there are more alerts: only those of the newest months are listed";

/// `rules`: each rule of the catalogue as an alerting rule with its alerts.
pub(super) fn rules(mut call: ApiCall) -> ApiResult {
    match call.text("type") {
        None | Some("alert") => {}
        Some("record") => return success_with(call.memory, &json!({ "groups": [] }), &[]),
        Some(other) => {
            return Err(QueryError::bad(format!(
                "invalid parameter \"type\": not supported value {other:?}"
            )));
        }
    }
    let names: Vec<&str> = call
        .parameters
        .iter()
        .filter(|(key, _)| key == "rule_name[]")
        .map(|(_, value)| value.as_str())
        .collect();
    let is_asked = |rule: &AlertingRule| names.is_empty() || names.contains(&rule.code.as_str());
    let state = call.snapshot.state();
    let (alerts, is_cut) = finding_alerts(state, call.month());
    call.memory.take(alerts.len().saturating_mul(ALERT_BYTES))?;
    let evaluated = time_text(call.now() / 1000);
    let rules: Vec<Value> = alerting_rules(state)
        .iter()
        .filter(|rule| is_asked(rule))
        .map(|rule| rule_body(rule, &alerts, &evaluated))
        .collect();
    let group = json!({
        "name": GROUP,
        "file": "catalogue",
        "rules": rules,
        "interval": 60,
        "limit": 0,
        "evaluationTime": 0,
        "lastEvaluation": evaluated,
    });
    success_with(call.memory, &json!({ "groups": [group] }), warnings(is_cut))
}

/// `alerts`: the findings of each unit's last three months.
pub(super) fn alerts(mut call: ApiCall) -> ApiResult {
    let (alerts, is_cut) = finding_alerts(call.snapshot.state(), call.month());
    call.memory.take(alerts.len().saturating_mul(ALERT_BYTES))?;
    let alerts: Vec<Value> = alerts.iter().map(alert_body).collect();
    success_with(call.memory, &json!({ "alerts": alerts }), warnings(is_cut))
}

fn warnings(is_cut: bool) -> &'static [&'static str] {
    if is_cut { &[TRUNCATED] } else { &[] }
}

fn rule_body(rule: &AlertingRule, alerts: &[FindingAlert<'_>], evaluated: &str) -> Value {
    let of_rule = |alert: &&FindingAlert<'_>| alert.finding.rule == rule.code;
    let found: Vec<Value> = alerts.iter().filter(of_rule).map(alert_body).collect();
    json!({
        "type": "alerting",
        "name": rule.code,
        "query": rule.query(),
        "duration": 0,
        "labels": { "severity": rule.severity },
        "annotations": { "summary": rule.name.en, "summary_vi": rule.name.vi },
        "state": if found.is_empty() { "inactive" } else { "firing" },
        "alerts": found,
        "health": "ok",
        "evaluationTime": 0,
        "lastEvaluation": evaluated,
    })
}

/// An alert. It is active from the start of its month; its value is that of the query for this
/// finding alone.
fn alert_body(alert: &FindingAlert<'_>) -> Value {
    let (in_vietnamese, in_english) = &alert.finding.detail;
    json!({
        "labels": alert.labels(),
        "annotations": { "summary": in_english, "summary_vi": in_vietnamese },
        "state": "firing",
        "activeAt": time_text(first_second(alert.finding.month)),
        "value": "1e+00",
    })
}

/// A time in seconds since 1970 as RFC 3339.
fn time_text(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
