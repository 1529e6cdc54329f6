//! What the name of a metric means (`kpi::metric` makes the names), and the members of metrics that
//! are split.

use std::collections::BTreeMap;

use kpi::catalogue::Catalogue;
use kpi::measure::Members;
use kpi::metric::{DerivedMetric, InfoMetric, ServiceLevelMetric, name};

/// What a metric name means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetricSubject {
    /// A measure, split by dimensions, or a number derived from it.
    Measure {
        /// The code of the indicator or kpi.
        code: String,
        /// The dimensions that it is split by.
        split: Vec<String>,
        /// The derived number; none for the value itself.
        companion: Option<DerivedMetric>,
    },
    /// A number about reporting instead of a measure; optionally its newest value, or the time of
    /// it.
    Beside(ServiceLevelMetric, Option<DerivedMetric>),
    /// The catalogue, the months or the units.
    Info(InfoMetric),
}

/// The numbers derived from metrics that are not measures.
pub const NEWEST: [DerivedMetric; 2] = [DerivedMetric::Latest, DerivedMetric::LatestPeriod];

/// Names of the metrics that are not measures.
fn service_level_names() -> impl Iterator<Item = String> {
    let suffixes = std::iter::once("").chain(NEWEST.map(DerivedMetric::suffix));
    ServiceLevelMetric::ALL.into_iter().flat_map(move |beside| {
        suffixes.clone().map(move |suffix| format!("{}{suffix}", beside.name()))
    })
}

/// The metrics of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct MetricNames {
    measures: BTreeMap<String, (String, Vec<String>)>,
}

impl MetricNames {
    /// Collects the names of a catalogue's measures.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        let of_indicators = catalogue.indicators.iter().flat_map(|indicator| {
            indicator.splits().into_iter().map(move |split| (&indicator.code, split))
        });
        let of_kpis = catalogue
            .kpis
            .iter()
            .flat_map(|kpi| kpi.splits().into_iter().map(move |split| (&kpi.code, split)));
        let measures = of_indicators.chain(of_kpis).map(|(code, split)| {
            let owned = split.iter().map(|&dimension| dimension.to_owned()).collect();
            (name(code, &split), (code.clone(), owned))
        });
        Self { measures: measures.collect() }
    }

    /// Finds what a metric name means.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<MetricSubject> {
        let measure = |name: &str, companion| {
            let (code, split) = self.measures.get(name)?;
            Some(MetricSubject::Measure { code: code.clone(), split: split.clone(), companion })
        };
        let of = |companion: DerivedMetric| {
            measure(name.strip_suffix(companion.suffix())?, Some(companion))
        };
        let beside = || {
            let of = |beside: ServiceLevelMetric| {
                let suffix = name.strip_prefix(beside.name())?;
                let companion = NEWEST.into_iter().find(|companion| companion.suffix() == suffix);
                (suffix.is_empty() || companion.is_some())
                    .then_some(MetricSubject::Beside(beside, companion))
            };
            ServiceLevelMetric::ALL.into_iter().find_map(of)
        };
        let info = || {
            let found = InfoMetric::ALL.into_iter().find(|info| info.name() == name)?;
            Some(MetricSubject::Info(found))
        };
        measure(name, None)
            .or_else(|| DerivedMetric::ALL.into_iter().find_map(of))
            .or_else(beside)
            .or_else(info)
    }

    /// The measures with their splits, in order of the metric names.
    pub fn measures(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.measures.values().map(|(code, split)| (code, split))
    }

    /// All metric names: those of measures first, in order.
    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        let with_companions = |name: &String| {
            std::iter::once(name.clone())
                .chain(DerivedMetric::ALL.map(|companion| format!("{name}{}", companion.suffix())))
                .collect::<Vec<_>>()
        };
        let infos = InfoMetric::ALL.map(|info| info.name().to_owned());
        self.measures.keys().flat_map(with_companions).chain(service_level_names()).chain(infos)
    }
}

/// All combinations of members for a split. A dimension that is open only within a member of
/// another appears only with that member.
pub(super) fn combinations(catalogue: &Catalogue, code: &str, split: &[String]) -> Vec<Members> {
    let indicator = catalogue.indicator(code);
    let of_kpi = |dimension: &str| {
        catalogue
            .kpi(code)
            .and_then(|kpi| kpi.dimensions.iter().find(|(known, _)| known == dimension))
            .map(|(_, members)| members.as_slice())
    };
    let mut found = vec![Members::none()];
    for dimension in split {
        let members = indicator
            .and_then(|indicator| indicator.dimension(dimension))
            .map(|dimension| dimension.members.as_slice())
            .or_else(|| of_kpi(dimension))
            .unwrap_or_default();
        found = found
            .iter()
            .flat_map(|chosen| members.iter().map(|member| chosen.with(dimension, member)))
            .collect();
    }
    found.retain(|members| {
        indicator.is_none_or(|indicator| indicator.check_members(members).is_empty())
    });
    found
}
