//! What the metrics are, for people who choose one.

use super::names::NEWEST;
use crate::app::state::State;
use crate::domain::metric::{Beside, Companion, name, splits_of_indicator, splits_of_kpi};
use crate::domain::unit::Name;

/// A metric's name and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its name.
    pub metric: String,
    /// What it is, in Vietnamese and English.
    pub help: String,
}

/// Every metric of a catalogue.
#[must_use]
pub fn metadata(state: &State) -> Vec<Described> {
    let catalogue = &state.catalogue;
    let named = |code: &str| catalogue.name(code).cloned().unwrap_or_default();
    let mut found = Vec::new();
    let mut add = |code: &str, split: &[&str]| {
        let (metric, unit) = (name(code, split), catalogue.unit_of_measure(code));
        let label = both(&named(code));
        let by =
            if split.is_empty() { String::new() } else { format!(", by {}", split.join(", ")) };
        found.push(Described {
            metric: metric.clone(),
            help: format!("{label}{by} ({unit}, month)"),
        });
        for companion in Companion::ALL {
            found.push(Described {
                metric: format!("{metric}{}", companion.suffix()),
                help: format!("{label}{by}: {}", told(companion)),
            });
        }
    };
    catalogue.indicators.iter().for_each(|indicator| {
        splits_of_indicator(indicator).iter().for_each(|split| add(&indicator.code, split))
    });
    catalogue
        .kpis
        .iter()
        .for_each(|kpi| splits_of_kpi(kpi).iter().for_each(|split| add(&kpi.code, split)));
    for beside in Beside::ALL {
        let help = match beside {
            Beside::Completeness => {
                "Figures reported in percent of those expected, at the unit and below"
            }
            Beside::LateUnits => "Units, the unit and below, whose report was late or is owed",
            Beside::Findings => {
                "Findings that stand, at the unit and below (the latest: of three months)"
            }
        };
        found.push(Described { metric: beside.name().to_owned(), help: help.to_owned() });
        found.extend(NEWEST.map(|companion| Described {
            metric: format!("{}{}", beside.name(), companion.suffix()),
            help: format!("{help}: {}", told(companion)),
        }));
    }
    found
}

fn both(name: &Name) -> String {
    if name.vi.is_empty() || name.en.is_empty() {
        format!("{}{}", name.vi, name.en)
    } else {
        format!("{} / {}", name.vi, name.en)
    }
}

fn told(companion: Companion) -> &'static str {
    match companion {
        Companion::MomDelta => "change against the month before",
        Companion::MomPercent => "change against the month before in percent",
        Companion::MomLikeForLikeDelta => {
            "change against the month before over the units that reported both"
        }
        Companion::MomLikeForLikePercent => "the same in percent",
        Companion::YoyDelta => "change against the same month a year before",
        Companion::YoyPercent => "the same in percent",
        Companion::YearToDate => "January to the month",
        Companion::Target => "target in force",
        Companion::Coverage => "share of the units that have reported, 0 to 1",
        Companion::Latest => "newest value, at most three months old",
        Companion::LatestPeriod => "when the month of the newest value began",
    }
}
