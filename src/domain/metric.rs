//! What measures are called in Prometheus, where a name is `a-z A-Z 0-9 _` and some endings belong to other kinds of metrics.

use std::collections::HashMap;

use super::catalogue::{Indicator, Kpi};
use super::fault::Fault;

/// What every metric's name begins with.
pub const PREFIX: &str = "egov_";

/// What the names of the service's own metrics begin with.
const HEALTH: &str = "egov_kpi_";

/// Endings that Prometheus and OpenMetrics keep for counters, histograms, summaries and the like; tools refuse or misread a gauge
/// that has one.
const KEPT: [&str; 6] = ["_total", "_count", "_sum", "_bucket", "_info", "_created"];

/// What stands behind a measure's name for the numbers that belong to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Companion {
    /// Change against the month before.
    MomDelta,
    /// The same in percent.
    MomPercent,
    /// Change against the month before over the leaves covered in both.
    MomLikeForLikeDelta,
    /// The same in percent.
    MomLikeForLikePercent,
    /// Change against the same month a year before.
    YoyDelta,
    /// The same in percent.
    YoyPercent,
    /// January to the month.
    YearToDate,
    /// The target in force.
    Target,
    /// Leaves covered, 0 to 1.
    Coverage,
    /// The newest value, at most three months old.
    Latest,
    /// When the month of the newest value began.
    LatestPeriod,
}

impl Companion {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::MomDelta,
        Self::MomPercent,
        Self::MomLikeForLikeDelta,
        Self::MomLikeForLikePercent,
        Self::YoyDelta,
        Self::YoyPercent,
        Self::YearToDate,
        Self::Target,
        Self::Coverage,
        Self::Latest,
        Self::LatestPeriod,
    ];

    /// What a name ends with.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::MomDelta => "_mom_delta",
            Self::MomPercent => "_mom_percent",
            Self::MomLikeForLikeDelta => "_mom_like_for_like_delta",
            Self::MomLikeForLikePercent => "_mom_like_for_like_percent",
            Self::YoyDelta => "_yoy_delta",
            Self::YoyPercent => "_yoy_percent",
            Self::YearToDate => "_ytd",
            Self::Target => "_target",
            Self::Coverage => "_coverage",
            Self::Latest => "_latest",
            Self::LatestPeriod => "_latest_period_timestamp_seconds",
        }
    }
}

/// Metrics that are no measures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Beside {
    /// Figures reported in percent of those expected.
    Completeness,
    /// Units whose report is late or owed.
    LateUnits,
    /// Findings that stand.
    Findings,
}

impl Beside {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Completeness, Self::LateUnits, Self::Findings];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Completeness => "egov_completeness_percent",
            Self::LateUnits => "egov_late_units",
            Self::Findings => "egov_findings",
        }
    }
}

/// Labels that every series may have; a dimension of such a code gets another one.
pub const LABELS: [&str; 7] =
    ["unit", "unit_name", "unit_kind", "parent", "level", "rule", "severity"];

fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// The label of a dimension.
///
/// ```
/// use egov_kpi::domain::metric::label;
/// assert_eq!(["service_level", "a-b", "2021", "level"].map(label), ["service_level", "a_b", "_2021", "dimension_level"]);
/// ```
#[must_use]
pub fn label(dimension: &str) -> String {
    let label = plain(dimension);
    match label.as_str() {
        taken if LABELS.contains(&taken) => format!("dimension_{label}"),
        digit if digit.starts_with(|c: char| c.is_ascii_digit()) => format!("_{label}"),
        _ => label,
    }
}

/// The metric of an indicator's or kpi's code, split by dimensions in catalogue order. The total and its splits have names of their own,
/// so that no `sum()` counts twice.
///
/// ```
/// use egov_kpi::domain::metric::name;
/// assert_eq!(name("ioffice.documents.outgoing", &[]), "egov_ioffice_documents_outgoing");
/// assert_eq!(name("ioffice.users.total", &[]), "egov_ioffice_users_total_figure"); // a gauge may not end in _total
/// assert_eq!(name("igate.dossiers.received", &["channel", "service_level"]), "egov_igate_dossiers_received_by_channel_service_level");
/// ```
#[must_use]
pub fn name(code: &str, dimensions: &[&str]) -> String {
    let kept = |name: String| {
        if KEPT.iter().any(|end| name.ends_with(end)) { name + "_figure" } else { name }
    };
    let total = kept(format!("{PREFIX}{}", plain(code)));
    if dimensions.is_empty() {
        return total;
    }
    let split: Vec<String> = dimensions.iter().map(|dimension| plain(dimension)).collect();
    kept(format!("{total}_by_{}", split.join("_")))
}

/// The splits of an indicator: every choice of its dimensions in catalogue order, the total first. A dimension within a host stands only
/// where its host does.
#[must_use]
pub fn splits_of_indicator(indicator: &Indicator) -> Vec<Vec<&str>> {
    let hosted = |split: &Vec<&str>| {
        split.iter().all(|code| {
            indicator
                .dimension(code)
                .and_then(|dimension| dimension.within.as_ref())
                .is_none_or(|(host, _)| split.contains(&host.as_str()))
        })
    };
    choices(indicator.dimensions.iter().map(|dimension| dimension.code.as_str()))
        .into_iter()
        .filter(hosted)
        .collect()
}

/// The splits of a kpi: every choice of the dimensions that it can be asked for, the total first.
#[must_use]
pub fn splits_of_kpi(kpi: &Kpi) -> Vec<Vec<&str>> {
    choices(kpi.dimensions.iter().map(|(code, _)| code.as_str()))
}

fn choices<'a>(codes: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    for code in codes {
        let with: Vec<Vec<&str>> =
            found.iter().map(|split| split.iter().copied().chain([code]).collect()).collect();
        found.extend(with);
    }
    found
}

/// What stands in the way of telling measures from one another in Prometheus: two of them, or a measure and another's companion, with
/// one name; two dimensions with one label.
#[must_use]
pub fn faults(indicators: &[Indicator], kpis: &[Kpi]) -> Vec<Fault> {
    let of_indicators = indicators.iter().enumerate().flat_map(|(n, indicator)| {
        splits_of_indicator(indicator)
            .into_iter()
            .map(move |split| (format!("/indicators/{n}"), &indicator.code, split))
    });
    let of_kpis = kpis.iter().enumerate().flat_map(|(n, kpi)| {
        splits_of_kpi(kpi).into_iter().map(move |split| (format!("/kpis/{n}"), &kpi.code, split))
    });
    let mut known: HashMap<String, String> = Beside::ALL
        .iter()
        .map(|beside| (beside.name().to_owned(), beside.name().to_owned()))
        .collect();
    let (mut faults, mut places) = (Vec::new(), HashMap::new());
    let clash = |place: &str, metric: &str, one: &str, other: &str| {
        Fault::new(
            format!("{place}/code"),
            "metric_clash",
            format!("{one} and {other} would both be {metric} in Prometheus"),
        )
    };
    for (place, code, split) in of_indicators.chain(of_kpis) {
        let (metric, measure) = (
            name(code, &split),
            if split.is_empty() { code.clone() } else { format!("{code}{{{}}}", split.join(",")) },
        );
        let labels: Vec<String> = split.iter().map(|dimension| label(dimension)).collect();
        if labels
            .iter()
            .enumerate()
            .any(|(n, label)| labels.iter().skip(n + 1).any(|other| other == label))
        {
            faults.push(Fault::new(
                format!("{place}/dimensions"),
                "label_taken",
                format!("two dimensions of {measure} would be one label in Prometheus"),
            ));
        }
        if metric.starts_with(HEALTH) {
            faults.push(clash(&place, &metric, "the service's own health", &measure));
        }
        if let Some(other) = known.insert(metric.clone(), measure.clone()) {
            faults.push(clash(&place, &metric, &other, &measure));
        }
        places.insert(metric, place);
    }
    for (metric, measure) in &known {
        let of = |companion: &Companion| known.get(metric.strip_suffix(companion.suffix())?);
        if let (Some(other), Some(place)) = (Companion::ALL.iter().find_map(of), places.get(metric))
        {
            faults.push(clash(
                place,
                metric,
                &format!("a number that belongs to {other}"),
                measure,
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::{Catalogue, CatalogueDocument};

    fn catalogue(indicators: serde_json::Value) -> Catalogue {
        let members = serde_json::json!([{ "code": "x" }, { "code": "y" }]);
        let dimensions = serde_json::json!([{ "code": "a", "members": members }, { "code": "a-b", "members": members }, { "code": "a.b", "members": members }, { "code": "unit", "members": members }]);
        Catalogue::new(
            CatalogueDocument::from_value(
                serde_json::json!({ "dimensions": dimensions, "indicators": indicators }),
            )
            .unwrap(),
        )
        .unwrap()
    }

    fn found(indicators: serde_json::Value) -> Vec<String> {
        let catalogue = catalogue(indicators);
        faults(&catalogue.indicators, &catalogue.kpis)
            .iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.code))
            .collect()
    }

    fn indicator(code: &str, dimensions: &[&str]) -> serde_json::Value {
        let dimensions: Vec<_> =
            dimensions.iter().map(|code| serde_json::json!({ "code": code })).collect();
        serde_json::json!({ "code": code, "kind": "flow", "unit_of_measure": "count", "dimensions": dimensions })
    }

    #[test]
    fn no_two_measures_have_one_name() {
        assert_eq!(
            found(serde_json::json!([indicator("x.y", &["a"]), indicator("x.z", &["a"])])),
            Vec::<String>::new()
        );
        assert_eq!(
            found(serde_json::json!([indicator("x.y", &[]), indicator("x_y", &[])])),
            ["/indicators/1/code metric_clash"]
        );
        assert_eq!(
            found(serde_json::json!([indicator("x", &["a"]), indicator("x.by.a", &[])])),
            ["/indicators/1/code metric_clash"]
        );
        assert_eq!(
            found(serde_json::json!([indicator("x", &[]), indicator("x.ytd", &[])])),
            ["/indicators/1/code metric_clash"]
        );
        assert_eq!(
            found(serde_json::json!([indicator("late.units", &[])])),
            ["/indicators/0/code metric_clash"]
        );
        assert_eq!(
            found(serde_json::json!([indicator("kpi.ready", &[])])),
            ["/indicators/0/code metric_clash"]
        );
        assert_eq!(
            found(serde_json::json!([indicator("x", &["unit"])])),
            Vec::<String>::new(),
            "its label is dimension_unit"
        );
        assert_eq!(
            found(serde_json::json!([indicator("x", &["a-b", "a.b"])])),
            ["/indicators/0/code metric_clash", "/indicators/0/dimensions label_taken"]
        );
    }

    #[test]
    fn endings_of_other_kinds_of_metrics_are_hidden() {
        for code in
            ["x.total", "x.count", "x.sum", "x.bucket", "x.info", "x.created", "x.grand_total"]
        {
            assert!(name(code, &[]).ends_with("_figure"), "{code}");
        }
        assert_eq!(name("x.total", &["a"]), "egov_x_total_figure_by_a");
        assert_eq!(name("x.totals", &[]), "egov_x_totals");
    }

    #[test]
    fn a_dimension_within_a_host_stands_where_its_host_does() {
        let mut catalogue = catalogue(serde_json::json!([indicator("x", &["a", "a-b"])]));
        let indicator = catalogue.indicators.first_mut().unwrap();
        assert_eq!(
            splits_of_indicator(indicator),
            [vec![], vec!["a"], vec!["a-b"], vec!["a", "a-b"]]
        );
        indicator.dimensions.get_mut(1).unwrap().within = Some(("a".to_owned(), "x".to_owned()));
        assert_eq!(splits_of_indicator(indicator), [vec![], vec!["a"], vec!["a", "a-b"]]);
    }
}
