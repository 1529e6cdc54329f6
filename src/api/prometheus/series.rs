//! `labels`, `label/{name}/values` and `series`.

use std::collections::{BTreeMap, BTreeSet};

use super::call::ApiCall;
use super::response::{ApiResult, limited};
use crate::prometheus::info::INFO_LABELS;
use crate::prometheus::names::MetricSubject;
use kpi::metric::{InfoMetric, LABELS, label_name};
use promql::QueryError;
use promql::labels::{LabelSet, NAME};

/// `labels`: the names of labels.
pub(super) fn labels(mut call: ApiCall) -> ApiResult {
    let (selectors, limit) = (call.matches()?, call.limit()?);
    if selectors.is_empty() {
        let state = call.snapshot.state();
        let dimensions =
            state.catalogue.document.dimensions.iter().map(|dimension| label_name(&dimension.code));
        let all: BTreeSet<String> = LABELS
            .iter()
            .chain(&INFO_LABELS)
            .map(|&label| label.to_owned())
            .chain([NAME.to_owned()])
            .chain(dimensions)
            .collect();
        return limited(call.memory, limit, &all);
    }
    let found: BTreeSet<String> = call
        .select_matches(&selectors)?
        .iter()
        .flat_map(|series| {
            series.labels.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    limited(call.memory, limit, &found)
}

/// `label/{name}/values`.
pub(super) fn label_values(mut call: ApiCall) -> ApiResult {
    let name = call.path.first().cloned().unwrap_or_default();
    let (selectors, limit) = (call.matches()?, call.limit()?);
    let found: BTreeSet<String> = if selectors.is_empty() {
        all_values(&call, &name)
    } else {
        call.select_matches(&selectors)?
            .iter()
            .map(|series| series.labels.get(&name).to_owned())
            .collect()
    };
    limited(call.memory, limit, found.iter().filter(|value| !value.is_empty()))
}

/// `series`: the label sets of the selected series.
pub(super) fn series(mut call: ApiCall) -> ApiResult {
    let (selectors, limit) = (call.matches()?, call.limit()?);
    if selectors.is_empty() {
        return Err(QueryError::bad("no match[] parameter provided"));
    }
    let found: BTreeSet<LabelSet> =
        call.select_matches(&selectors)?.iter().map(|series| (*series.labels).clone()).collect();
    limited(call.memory, limit, &found)
}

/// All possible values of a label.
fn all_values(call: &ApiCall, name: &str) -> BTreeSet<String> {
    let state = call.snapshot.state();
    let of_units = |value: fn(&kpi::unit::Unit) -> String| state.units.iter().map(value).collect();
    match name {
        NAME => recorded(call),
        "unit" => of_units(|unit| unit.document.code.clone()),
        "unit_name" => of_units(|unit| unit.document.shown().to_owned()),
        "unit_kind" => of_units(|unit| unit.document.kind.name().to_owned()),
        "parent" => of_units(|unit| unit.document.parent.clone().unwrap_or_default()),
        "level" => of_units(|unit| unit.depth.to_string()),
        "rule" => {
            state.standing().within(state.units.all()).map(|finding| finding.rule.clone()).collect()
        }
        "severity" => ["warning", "error"].map(ToOwned::to_owned).into(),
        _ => {
            let named = state
                .catalogue
                .document
                .dimensions
                .iter()
                .filter(|dimension| label_name(&dimension.code) == name);
            let infos = InfoMetric::ALL
                .into_iter()
                .filter(|_| INFO_LABELS.contains(&name))
                .flat_map(|info| call.catalogue.info_series(state, info));
            named
                .flat_map(|dimension| dimension.members.iter().map(|member| member.code.clone()))
                .chain(infos.map(|labels| labels.get(name).to_owned()))
                .collect()
        }
    }
}

/// The metrics with recorded figures; a kpi counts if all its operands have any.
fn recorded(call: &ApiCall) -> BTreeSet<String> {
    let state = call.snapshot.state();
    let there = |code: &str| {
        state
            .measures
            .iter()
            .any(|(id, measure)| measure.code == code && state.cube.has_figures(id))
    };
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut all_there = |code: &str| {
        *known.entry(code.to_owned()).or_insert_with(|| match state.catalogue.kpi(code) {
            Some(kpi) => {
                let mut counted = state.catalogue.counted_measures(kpi).peekable();
                kpi.formula.references().iter().all(|reference| there(&reference.indicator))
                    && (counted.peek().is_none() || counted.any(|measure| there(&measure.code)))
            }
            None => there(code),
        })
    };
    call.catalogue
        .all_names()
        .iter()
        .filter(|(_, subject)| match subject {
            MetricSubject::Measure { code, .. } => all_there(code),
            MetricSubject::Beside(..) | MetricSubject::Info(_) => true,
        })
        .map(|(name, _)| name.clone())
        .collect()
}
