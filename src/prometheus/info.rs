//! The catalogue, the months and the units as metrics, by Prometheus' convention for information:
//! every series has the value 1, and the information is in its labels. Dashboards and alert rules
//! find their measures by them and so name none.
//!
//! All of them are of the current catalogue and units, and hold at every instant.

use std::collections::HashMap;

use kpi::metric::{InfoMetric, name};
use kpi::period::Month;
use kpi::unit::{LocalizedName, Unit};
use promql::first_second;
use promql::labels::{LabelSet, NAME};

use crate::app::state::State;

/// Labels of these metrics that other series do not have.
pub const INFO_LABELS: [&str; 19] = [
    "decimals",
    "dimensions",
    "direction",
    "expected",
    "headline",
    "kind",
    "measure",
    "metric",
    "month",
    "name",
    "name_en",
    "order",
    "parent_name",
    "splits",
    "system",
    "system_name",
    "system_name_en",
    "time",
    "unit_of_measure",
];

/// The series of an information metric in a month of the service's clock. Measures are in the
/// catalogue's order, months and units in their own.
#[must_use]
pub fn info_series(state: &State, metric: InfoMetric, this_month: Month) -> Vec<LabelSet> {
    match metric {
        InfoMetric::Measure => measures(state),
        InfoMetric::Month => state.cube.months().into_iter().map(month).collect(),
        InfoMetric::Unit => {
            (0..).zip(state.units.iter()).map(|place| unit(state, place, this_month)).collect()
        }
    }
}

/// Builds a series; labels without a value are left out.
fn series<'a>(metric: InfoMetric, labels: impl IntoIterator<Item = (&'a str, String)>) -> LabelSet {
    let named = [(NAME, metric.name().to_owned())];
    let pairs = named.into_iter().chain(labels);
    LabelSet::new(pairs.map(|(label, value)| (label.into(), value.as_str().into())).collect())
}

/// The names in Vietnamese and English, each replaced by the other, or by the code, where it is
/// missing.
fn both_names(name: Option<&LocalizedName>, code: &str) -> (String, String) {
    let (vi, en) = name.map_or(("", ""), |name| (name.vi.as_str(), name.en.as_str()));
    let first = |names: [&str; 3]| {
        names.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    };
    (first([vi, en, code]), first([en, vi, code]))
}

/// What the catalogue says about a measure, of an indicator or a kpi alike.
struct MeasureFacts<'a> {
    code: &'a str,
    name: &'a LocalizedName,
    system: Option<&'a str>,
    kind: &'static str,
    unit_of_measure: &'a str,
    decimals: String,
    headline: bool,
    splits: Vec<Vec<&'a str>>,
}

fn measures(state: &State) -> Vec<LabelSet> {
    let catalogue = &state.catalogue;
    let indicators =
        catalogue.indicators.iter().zip(&catalogue.document.indicators).map(|(known, document)| {
            MeasureFacts {
                code: &document.code,
                name: &document.name,
                system: document.system.as_deref(),
                kind: known.kind.name(),
                unit_of_measure: &document.unit_of_measure,
                decimals: known.decimals.to_string(),
                headline: document.headline,
                splits: known.splits(),
            }
        });
    let kpis = catalogue.kpis.iter().zip(&catalogue.document.kpis).map(|(known, document)| {
        MeasureFacts {
            code: &document.code,
            name: &document.name,
            system: document.system.as_deref(),
            kind: "kpi",
            unit_of_measure: &document.unit_of_measure,
            decimals: String::new(),
            headline: true, // as on the scorecard
            splits: known.splits(),
        }
    });
    let systems: HashMap<&str, (usize, &LocalizedName)> = (0..)
        .zip(&catalogue.document.systems)
        .map(|(place, system)| (system.code.as_str(), (place, &system.name)))
        .collect();
    let place = |facts: &MeasureFacts<'_>| {
        facts.system.and_then(|code| systems.get(code)).map_or(usize::MAX, |(place, _)| *place)
    };
    let mut all: Vec<MeasureFacts<'_>> = indicators.chain(kpis).collect();
    all.sort_by_key(place); // stable: within a system the order of the document
    let width = all.len().to_string().len();
    let labelled = |(order, facts): (usize, &MeasureFacts<'_>)| {
        let (vi, en) = both_names(Some(facts.name), facts.code);
        let system = facts.system.unwrap_or_default();
        let (system_vi, system_en) = both_names(systems.get(system).map(|(_, name)| *name), system);
        let whole = facts.splits.iter().filter(|split| !split.is_empty());
        let splits: Vec<String> = whole.map(|split| name(facts.code, split)).collect();
        // The last split names every dimension.
        let dimensions = facts.splits.last().map(|split| split.join(",")).unwrap_or_default();
        series(
            InfoMetric::Measure,
            [
                ("measure", facts.code.to_owned()),
                ("metric", name(facts.code, &[])),
                ("system", system.to_owned()),
                ("system_name", system_vi),
                ("system_name_en", system_en),
                ("name", vi),
                ("name_en", en),
                ("kind", facts.kind.to_owned()),
                ("unit_of_measure", facts.unit_of_measure.to_owned()),
                ("direction", catalogue.direction(facts.code).name().to_owned()),
                ("decimals", facts.decimals.clone()),
                ("order", format!("{order:0width$}")),
                ("dimensions", dimensions),
                ("splits", splits.join("|")),
                ("headline", facts.headline.to_string()),
            ],
        )
    };
    (1..).zip(&all).map(labelled).collect()
}

fn month(month: Month) -> LabelSet {
    let labels = [("month", month.to_string()), ("time", first_second(month).to_string())];
    series(InfoMetric::Month, labels)
}

/// The labels by which every series names its unit.
pub(super) fn labels_of_unit(unit: &Unit) -> Vec<(&'static str, String)> {
    let document = &unit.document;
    vec![
        ("unit", document.code.clone()),
        ("unit_name", document.shown().to_owned()),
        ("unit_kind", document.kind.name().to_owned()),
        ("parent", document.parent.clone().unwrap_or_default()),
        ("level", unit.depth.to_string()),
    ]
}

fn unit(state: &State, (position, unit): (usize, &Unit), this_month: Month) -> LabelSet {
    let document = &unit.document;
    let (_, name_en) = both_names(Some(&document.name), &document.code);
    let above = document
        .parent
        .as_deref()
        .and_then(|parent| state.units.get(state.units.position(parent)?))
        .map_or_else(String::new, |parent| parent.document.shown().to_owned());
    // The report that is due next is about the month that has ended.
    let ended = this_month.plus(-1);
    let expected = state
        .catalogue
        .expectations
        .iter()
        .any(|expectation| expectation.applies_to(&state.units, position, ended));
    let more = [("name_en", name_en), ("parent_name", above), ("expected", expected.to_string())];
    series(InfoMetric::Unit, labels_of_unit(unit).into_iter().chain(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_back_to_the_other_language_and_to_the_code() {
        let name = |vi: &str, en: &str| LocalizedName { vi: vi.to_owned(), en: en.to_owned() };
        let both = |vi: &str, en: &str| both_names(Some(&name(vi, en)), "x");
        assert_eq!(both("một", "one"), ("một".to_owned(), "one".to_owned()));
        assert_eq!(both("", "one"), ("one".to_owned(), "one".to_owned()));
        assert_eq!(both("một", ""), ("một".to_owned(), "một".to_owned()));
        assert_eq!(both_names(None, "x"), ("x".to_owned(), "x".to_owned()));
    }
}
