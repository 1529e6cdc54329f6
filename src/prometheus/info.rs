//! The catalogue, the months and the units as metrics, by Prometheus' convention for information:
//! every series has the value 1, and the information is in its labels. Dashboards and alert rules
//! find their measures by them and so name none.
//!
//! All of them are of the current catalogue and units, and hold at every instant. The series of one
//! catalogue with its units are built once and shared by all queries.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use kpi::catalogue::Catalogue;
use kpi::measure::Members;
use kpi::metric::{InfoMetric, label_name, name};
use kpi::period::Month;
use kpi::unit::{LocalizedName, Unit, UnitForest, UnitPosition};
use promql::first_second;
use promql::labels::{LabelSet, NAME};

use super::names::{MetricNames, MetricSubject, combinations};
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

/// The metrics of one catalogue with its units in a month of the service's clock: their names, and
/// the series of the information metrics, each list built when it is first asked for.
pub struct MetricCatalogue {
    catalogue: Arc<Catalogue>,
    forest: Arc<UnitForest>,
    this_month: Month,
    /// The names of the metrics.
    pub names: MetricNames,
    all_names: OnceLock<Vec<(String, MetricSubject)>>,
    measures: OnceLock<Vec<Arc<LabelSet>>>,
    splits: OnceLock<Vec<Arc<LabelSet>>>,
    units: OnceLock<Vec<Arc<LabelSet>>>,
}

impl MetricCatalogue {
    /// The metrics of a state.
    #[must_use]
    pub fn new(state: &State, this_month: Month) -> Self {
        Self {
            catalogue: Arc::clone(&state.catalogue),
            forest: Arc::clone(&state.units),
            this_month,
            names: MetricNames::of(&state.catalogue),
            all_names: OnceLock::new(),
            measures: OnceLock::new(),
            splits: OnceLock::new(),
            units: OnceLock::new(),
        }
    }

    /// Whether a state has the same catalogue and units.
    #[must_use]
    pub fn is_of(&self, state: &State, this_month: Month) -> bool {
        Arc::ptr_eq(&self.catalogue, &state.catalogue)
            && Arc::ptr_eq(&self.forest, &state.units)
            && self.this_month == this_month
    }

    /// All metric names with their meaning.
    pub fn all_names(&self) -> &[(String, MetricSubject)] {
        self.all_names.get_or_init(|| {
            let meaning = |name: String| Some((name.clone(), self.names.find(&name)?));
            self.names.all().filter_map(meaning).collect()
        })
    }

    /// The series of an information metric of this catalogue. Measures and their splits are in the
    /// catalogue's order, months and units in their own.
    #[must_use]
    pub fn info_series(&self, state: &State, metric: InfoMetric) -> Vec<Arc<LabelSet>> {
        let shared = |list: Vec<LabelSet>| list.into_iter().map(Arc::new).collect();
        match metric {
            InfoMetric::Measure => {
                self.measures.get_or_init(|| shared(measures(&self.catalogue))).clone()
            }
            InfoMetric::Split => {
                self.splits.get_or_init(|| shared(splits(&self.catalogue))).clone()
            }
            InfoMetric::Month => shared(state.cube.months().into_iter().map(month).collect()),
            InfoMetric::Unit => self
                .units
                .get_or_init(|| {
                    let of_unit =
                        |place| unit(&self.catalogue, &self.forest, place, self.this_month);
                    shared(self.forest.iter_placed().map(of_unit).collect())
                })
                .clone(),
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

fn measures(catalogue: &Catalogue) -> Vec<LabelSet> {
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

/// One series for each combination of members that a split metric has: the name of the metric, the
/// labels of its members, and their names. Where two combinations of a measure have the same name,
/// the names of the dimensions follow in parentheses.
fn splits(catalogue: &Catalogue) -> Vec<LabelSet> {
    let of_indicators =
        catalogue.indicators.iter().map(|indicator| (indicator.code.as_str(), indicator.splits()));
    let of_kpis = catalogue.kpis.iter().map(|kpi| (kpi.code.as_str(), kpi.splits()));
    let mut found = Vec::new();
    for (code, splits) in of_indicators.chain(of_kpis) {
        let mut combined = Vec::new();
        for split in splits.iter().filter(|split| !split.is_empty()) {
            let split: Vec<String> = split.iter().map(|&dimension| dimension.to_owned()).collect();
            for members in combinations(catalogue, code, &split) {
                let names = names_of_members(catalogue, &split, &members);
                combined.push((split.clone(), members, names));
            }
        }
        let (mut seen, mut repeated) = (HashSet::new(), HashSet::new());
        for (_, _, (vi, en)) in &combined {
            for (lang, text) in [("vi", vi), ("en", en)] {
                if !seen.insert((lang, text)) {
                    repeated.insert((lang, text));
                }
            }
        }
        found.extend(combined.iter().map(|(split, members, (vi, en))| {
            let (dimensions_vi, dimensions_en) = names_of_dimensions(catalogue, split);
            let full = |lang: &'static str, text: &String, dimensions: String| {
                if repeated.contains(&(lang, text)) {
                    format!("{text} ({dimensions})")
                } else {
                    text.clone()
                }
            };
            let dimensions: Vec<&str> = split.iter().map(String::as_str).collect();
            let labels: Vec<(String, String)> = split
                .iter()
                .map(|dimension| {
                    let member = members.get(dimension).unwrap_or_default();
                    (label_name(dimension), member.to_owned())
                })
                .collect();
            let own = [
                ("measure", code.to_owned()),
                ("metric", name(code, &dimensions)),
                ("name", full("vi", vi, dimensions_vi)),
                ("name_en", full("en", en, dimensions_en)),
            ];
            let of_members = labels.iter().map(|(label, member)| (label.as_str(), member.clone()));
            series(InfoMetric::Split, own.into_iter().chain(of_members))
        }));
    }
    found
}

/// The names of members in Vietnamese and English, with commas.
fn names_of_members(
    catalogue: &Catalogue,
    split: &[String],
    members: &Members,
) -> (String, String) {
    let names = split.iter().map(|dimension| {
        let code = members.get(dimension).unwrap_or_default();
        let known = catalogue.document.dimensions.iter().find(|known| known.code == *dimension);
        let member = known.and_then(|known| known.members.iter().find(|each| each.code == code));
        both_names(member.map(|member| &member.name), code)
    });
    joined(names)
}

/// The names of dimensions in Vietnamese and English, with commas.
fn names_of_dimensions(catalogue: &Catalogue, split: &[String]) -> (String, String) {
    let names = split.iter().map(|dimension| {
        let known = catalogue.document.dimensions.iter().find(|known| known.code == *dimension);
        both_names(known.map(|known| &known.name), dimension)
    });
    joined(names)
}

fn joined(names: impl Iterator<Item = (String, String)>) -> (String, String) {
    let (vi, en): (Vec<String>, Vec<String>) = names.unzip();
    (vi.join(", "), en.join(", "))
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

fn unit(
    catalogue: &Catalogue,
    forest: &UnitForest,
    (position, unit): (UnitPosition, &Unit),
    this_month: Month,
) -> LabelSet {
    let document = &unit.document;
    let (_, name_en) = both_names(Some(&document.name), &document.code);
    let above = document
        .parent
        .as_deref()
        .and_then(|parent| forest.get(forest.position(parent)?))
        .map_or_else(String::new, |parent| parent.document.shown().to_owned());
    // The report that is due next is about the month that has ended.
    let ended = this_month.plus(-1);
    let expected = catalogue
        .expectations
        .iter()
        .any(|expectation| expectation.applies_to(forest, position, ended));
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
