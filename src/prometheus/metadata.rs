//! Descriptions of the metrics, which clients show when a metric is chosen.

use super::names::NEWEST;
use crate::app::state::State;
use kpi::metric::{DerivedMetric, InfoMetric, ServiceLevelMetric, name};
use kpi::unit::LocalizedName;

/// A metric's name and description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetricDescription {
    /// Name of the metric.
    pub metric: String,
    /// Description in Vietnamese and English.
    pub help: String,
}

/// Returns the descriptions of all metrics of a catalogue.
#[must_use]
pub fn metadata(state: &State) -> Vec<MetricDescription> {
    let catalogue = &state.catalogue;
    let named = |code: &str| catalogue.name(code).cloned().unwrap_or_default();
    let mut found = Vec::new();
    let mut add = |code: &str, split: &[&str]| {
        let (metric, unit) = (name(code, split), catalogue.unit_of_measure(code));
        let label = both_languages(&named(code));
        let by =
            if split.is_empty() { String::new() } else { format!(", by {}", split.join(", ")) };
        found.push(MetricDescription {
            metric: metric.clone(),
            help: format!("{label}{by} ({unit}, month)"),
        });
        for companion in DerivedMetric::ALL {
            found.push(MetricDescription {
                metric: format!("{metric}{}", companion.suffix()),
                help: format!("{label}{by}: {}", describe_derived(companion)),
            });
        }
    };
    catalogue.indicators.iter().for_each(|indicator| {
        indicator.splits().iter().for_each(|split| add(&indicator.code, split))
    });
    catalogue
        .kpis
        .iter()
        .for_each(|kpi| kpi.splits().iter().for_each(|split| add(&kpi.code, split)));
    for beside in ServiceLevelMetric::ALL {
        let help = match beside {
            ServiceLevelMetric::Completeness => {
                "Figures reported in percent of figures expected, of the unit and those below it"
            }
            ServiceLevelMetric::LateUnits => {
                "Units with a late or missing report, of the unit and those below it"
            }
            ServiceLevelMetric::Findings => {
                "Findings of the current figures, of the unit and those below it (latest: of \
                three months)"
            }
        };
        found.push(MetricDescription { metric: beside.name().to_owned(), help: help.to_owned() });
        found.extend(NEWEST.map(|companion| MetricDescription {
            metric: format!("{}{}", beside.name(), companion.suffix()),
            help: format!("{help}: {}", describe_derived(companion)),
        }));
    }
    found.extend(InfoMetric::ALL.map(|info| {
        MetricDescription {
            metric: info.name().to_owned(),
            help: match info {
                InfoMetric::Measure => {
                    "The indicators and kpis of the current catalogue, in its order"
                }
                InfoMetric::Split => {
                    "The combinations of members by which indicators and kpis are split"
                }
                InfoMetric::Month => "The months that have a figure, and their first instants",
                InfoMetric::Unit => "The units",
            }
            .to_owned(),
        }
    }));
    found
}

fn both_languages(name: &LocalizedName) -> String {
    if name.vi.is_empty() || name.en.is_empty() {
        format!("{}{}", name.vi, name.en)
    } else {
        format!("{} / {}", name.vi, name.en)
    }
}

fn describe_derived(companion: DerivedMetric) -> &'static str {
    match companion {
        DerivedMetric::MomDelta => "change from the month before",
        DerivedMetric::MomPercent => "change from the month before in percent",
        DerivedMetric::MomLikeForLikeDelta => {
            "change from the month before over the units that reported both months"
        }
        DerivedMetric::MomLikeForLikePercent => "the same in percent",
        DerivedMetric::YoyDelta => "change from the same month one year before",
        DerivedMetric::YoyPercent => "the same in percent",
        DerivedMetric::YearBefore => "value of the same month one year before",
        DerivedMetric::YearToDate => "from January up to the month",
        DerivedMetric::YearToDatePercent => {
            "change of January up to the month from the same months one year before in percent"
        }
        DerivedMetric::RollingYear => "over the last twelve months, up to the month",
        DerivedMetric::Target => "target in force",
        DerivedMetric::Attainment => {
            "how much of the target is reached in percent, whether higher or lower is better; \
            met from 100 on"
        }
        DerivedMetric::Stated => "rate that a report states",
        DerivedMetric::Coverage => "share of the lowest units that the value covers, 0 to 1",
        DerivedMetric::Latest => "newest value, at most three months old",
        DerivedMetric::LatestPeriod => {
            "first instant of the month of the newest value, in seconds since 1970"
        }
        DerivedMetric::AttainmentLatest => "attainment of the newest value in percent",
        DerivedMetric::DeclineLatest => {
            "how much worse the newest value is than that of the month before, in points for a \
            percentage, else in percent; below 0 where it is better"
        }
    }
}
