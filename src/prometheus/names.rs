//! Which metrics there are, and what each is of.

use std::collections::BTreeMap;

use crate::domain::catalogue::Catalogue;
use crate::domain::metric::{Beside, Companion, name, splits_of_indicator, splits_of_kpi};

/// What a metric is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Metric {
    /// A measure, split by dimensions, or a number that belongs to it.
    Measure {
        /// The code of the indicator or kpi.
        code: String,
        /// The dimensions that it is split by.
        split: Vec<String>,
        /// The number that belongs to it; none for its value.
        companion: Option<Companion>,
    },
    /// No measure; its newest month or when that began, where one of these is meant.
    Beside(Beside, Option<Companion>),
}

/// What belongs to a metric that is no measure.
pub const NEWEST: [Companion; 2] = [Companion::Latest, Companion::LatestPeriod];

/// The metrics that are no measures.
fn besides() -> impl Iterator<Item = String> {
    let suffixes = std::iter::once("").chain(NEWEST.map(Companion::suffix));
    Beside::ALL.into_iter().flat_map(move |beside| {
        suffixes.clone().map(move |suffix| format!("{}{suffix}", beside.name()))
    })
}

/// The metrics of a catalogue.
#[derive(Clone, Debug, Default)]
pub struct Names {
    measures: BTreeMap<String, (String, Vec<String>)>,
}

impl Names {
    /// Of a catalogue.
    #[must_use]
    pub fn of(catalogue: &Catalogue) -> Self {
        let of_indicators = catalogue.indicators.iter().flat_map(|indicator| {
            splits_of_indicator(indicator).into_iter().map(move |split| (&indicator.code, split))
        });
        let of_kpis = catalogue
            .kpis
            .iter()
            .flat_map(|kpi| splits_of_kpi(kpi).into_iter().map(move |split| (&kpi.code, split)));
        let measures = of_indicators.chain(of_kpis).map(|(code, split)| {
            let owned = split.iter().map(|&dimension| dimension.to_owned()).collect();
            (name(code, &split), (code.clone(), owned))
        });
        Self { measures: measures.collect() }
    }

    /// What a name stands for.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Metric> {
        let measure = |name: &str, companion| {
            let (code, split) = self.measures.get(name)?;
            Some(Metric::Measure { code: code.clone(), split: split.clone(), companion })
        };
        let of =
            |companion: Companion| measure(name.strip_suffix(companion.suffix())?, Some(companion));
        let beside = || {
            let of = |beside: Beside| {
                let suffix = name.strip_prefix(beside.name())?;
                let companion = NEWEST.into_iter().find(|companion| companion.suffix() == suffix);
                (suffix.is_empty() || companion.is_some())
                    .then_some(Metric::Beside(beside, companion))
            };
            Beside::ALL.into_iter().find_map(of)
        };
        measure(name, None).or_else(|| Companion::ALL.into_iter().find_map(of)).or_else(beside)
    }

    /// The measures with their splits, in order of their names.
    pub fn measures(&self) -> impl Iterator<Item = (&String, &Vec<String>)> {
        self.measures.values().map(|(code, split)| (code, split))
    }

    /// Every name, in order of the measures.
    pub fn all(&self) -> impl Iterator<Item = String> + '_ {
        let with_companions = |name: &String| {
            std::iter::once(name.clone())
                .chain(Companion::ALL.map(|companion| format!("{name}{}", companion.suffix())))
                .collect::<Vec<_>>()
        };
        self.measures.keys().flat_map(with_companions).chain(besides())
    }
}
