//! Measures with colliding names in Prometheus.

use std::collections::HashMap;

use crate::catalogue::{Indicator, Kpi};
use crate::fault::Fault;
use crate::metric::{DerivedMetric, HEALTH, ServiceLevelMetric, label_name, name};

/// Errors of measures that Prometheus could not tell apart: two measures, or a measure and a number
/// derived from another, with the same name, or two dimensions with the same label.
pub(in crate::catalogue) fn find_conflicts(indicators: &[Indicator], kpis: &[Kpi]) -> Vec<Fault> {
    let of_indicators = indicators.iter().enumerate().flat_map(|(n, indicator)| {
        indicator
            .splits()
            .into_iter()
            .map(move |split| (format!("/indicators/{n}"), &indicator.code, split))
    });
    let of_kpis = kpis.iter().enumerate().flat_map(|(n, kpi)| {
        kpi.splits().into_iter().map(move |split| (format!("/kpis/{n}"), &kpi.code, split))
    });
    let mut known: HashMap<String, String> = ServiceLevelMetric::ALL
        .iter()
        .map(|beside| (beside.name().to_owned(), beside.name().to_owned()))
        .collect();
    let (mut faults, mut places) = (Vec::new(), HashMap::new());
    let clash = |place: &str, metric: &str, one: &str, other: &str| {
        Fault::new(
            format!("{place}/code"),
            "metric_clash",
            format!("{one} and {other} would both have the name {metric} in Prometheus"),
        )
    };
    for (place, code, split) in of_indicators.chain(of_kpis) {
        let (metric, measure) = (
            name(code, &split),
            if split.is_empty() { code.clone() } else { format!("{code}{{{}}}", split.join(",")) },
        );
        let labels: Vec<String> = split.iter().map(|dimension| label_name(dimension)).collect();
        if labels
            .iter()
            .enumerate()
            .any(|(n, label)| labels.iter().skip(n + 1).any(|other| other == label))
        {
            faults.push(Fault::new(
                format!("{place}/dimensions"),
                "label_taken",
                format!("two dimensions of {measure} would have the same label in Prometheus"),
            ));
        }
        if metric.starts_with(HEALTH) {
            faults.push(clash(&place, &metric, "a metric of the service itself", &measure));
        }
        if let Some(other) = known.insert(metric.clone(), measure.clone()) {
            faults.push(clash(&place, &metric, &other, &measure));
        }
        places.insert(metric, place);
    }
    for (metric, measure) in &known {
        let of = |companion: &DerivedMetric| known.get(metric.strip_suffix(companion.suffix())?);
        if let (Some(other), Some(place)) =
            (DerivedMetric::ALL.iter().find_map(of), places.get(metric))
        {
            faults.push(clash(place, metric, &format!("a number derived from {other}"), measure));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Catalogue, CatalogueDocument};

    fn catalogue(indicators: serde_json::Value) -> Catalogue {
        let members = serde_json::json!([{ "code": "x" }, { "code": "y" }]);
        let dimensions = serde_json::json!([
            { "code": "a", "members": members },
            { "code": "a-b", "members": members },
            { "code": "a.b", "members": members },
            { "code": "unit", "members": members }
        ]);
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
        find_conflicts(&catalogue.indicators, &catalogue.kpis)
            .iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.code))
            .collect()
    }

    fn indicator(code: &str, dimensions: &[&str]) -> serde_json::Value {
        let dimensions: Vec<_> =
            dimensions.iter().map(|code| serde_json::json!({ "code": code })).collect();
        serde_json::json!({
            "code": code,
            "kind": "flow",
            "unit_of_measure": "count",
            "dimensions": dimensions
        })
    }

    #[test]
    fn two_measures_with_the_same_metric_name_are_refused() {
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
    fn a_dimension_within_a_host_follows_its_host() {
        let mut catalogue = catalogue(serde_json::json!([indicator("x", &["a", "a-b"])]));
        let indicator = catalogue.indicators.first_mut().unwrap();
        assert_eq!(indicator.splits(), [vec![], vec!["a"], vec!["a-b"], vec!["a", "a-b"]]);
        indicator.dimensions.get_mut(1).unwrap().within = Some(("a".to_owned(), "x".to_owned()));
        assert_eq!(indicator.splits(), [vec![], vec!["a"], vec!["a", "a-b"]]);
    }
}
