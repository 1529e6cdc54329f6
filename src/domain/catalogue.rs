//! The catalogue: what is reported, what is computed from it, which rules hold, which targets are set
//! (contract sections 1 and 4). It is data; this module reads it, checks it whole and keeps it ready for use.

use std::collections::HashMap;

use super::expectation::Expectation;
use super::fault::{Fault, quoted};
use super::formula::{Check, Expression};
use super::measure::{Measure, Members};
use super::metric;
use super::number::Written;
use super::period::Month;
use super::unit::Name;

mod check;
mod document;

pub(in crate::domain) use check::label_fault;
pub use document::*;

/// Whether figures of an indicator add up over months and units (contract section 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Happened during the month; months add up.
    Flow,
    /// Level at month end.
    Stock,
    /// An intensive value, such as minutes a day; own values only, never adds up.
    Average,
}

/// Which way of a kpi is the good one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither.
    Neutral,
}

/// How grave a finding is.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Recorded and reported.
    Warning,
    /// Refuses the submission.
    Error,
}

/// A dimension as an indicator uses it.
#[derive(Clone, Debug)]
pub struct Dimension {
    /// Its code.
    pub code: String,
    /// The members this indicator may name.
    pub members: Vec<String>,
    /// Whether the members add up to the total.
    pub complete: bool,
    /// Host dimension and member it is open in.
    pub within: Option<(String, String)>,
}

/// An indicator, checked.
#[derive(Clone, Debug)]
pub struct Indicator {
    /// Its code.
    pub code: String,
    /// How it adds up.
    pub kind: Kind,
    /// How many decimals its figures have.
    pub decimals: u32,
    /// Whether it is a percentage, whose changes are percentage points.
    pub percent: bool,
    /// Its dimensions in catalogue order.
    pub dimensions: Vec<Dimension>,
    /// Months from which its definition differs.
    pub breaks: Vec<Month>,
    /// For a stock: the flows that move it, what was created and what was closed.
    pub movement: Option<(String, Option<String>)>,
    /// Whether figures below zero make sense.
    pub may_be_negative: bool,
}

impl Indicator {
    /// A dimension of its own.
    #[must_use]
    pub fn dimension(&self, code: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.code == code)
    }

    /// The dimensions left open by members: not named, and where they are `within` a host, the host is named.
    pub fn open<'a>(&'a self, members: &'a Members) -> impl Iterator<Item = &'a Dimension> + 'a {
        self.dimensions.iter().filter(move |dimension| {
            members.get(&dimension.code).is_none()
                && dimension
                    .within
                    .as_ref()
                    .is_none_or(|(host, member)| members.get(host) == Some(member))
        })
    }

    /// What is wrong with members named for this indicator: dimension, code and sentence of each fault.
    #[must_use]
    pub fn member_faults(&self, members: &Members) -> Vec<(String, &'static str, String)> {
        let mut faults = Vec::new();
        for (code, member) in members.iter() {
            match self.dimension(code) {
                None => faults.push((
                    code.to_owned(),
                    "unknown_dimension",
                    format!("{} has no dimension {}", self.code, quoted(code)),
                )),
                Some(dimension) if !dimension.members.iter().any(|known| known == member) => {
                    faults.push((
                        code.to_owned(),
                        "unknown_member",
                        format!(
                            "{} is no member of {code}: {}",
                            quoted(member),
                            dimension.members.join(", ")
                        ),
                    ));
                }
                Some(dimension) => {
                    if let Some((host, needed)) = dimension
                        .within
                        .as_ref()
                        .filter(|(host, needed)| members.get(host) != Some(needed))
                    {
                        faults.push((
                            code.to_owned(),
                            "dimension_not_open",
                            format!("{code} is open only with {host}={needed}"),
                        ));
                    }
                }
            }
        }
        faults
    }
}

/// A kpi, checked.
#[derive(Clone, Debug)]
pub struct Kpi {
    /// Its code.
    pub code: String,
    /// How it is computed.
    pub formula: Expression,
    /// Whether it is a percentage: the engine multiplies by 100.
    pub percent: bool,
    /// Which way is the good one.
    pub direction: Direction,
    /// The dimensions it can be asked for, with the members that every operand knows.
    pub dimensions: Vec<(String, Vec<String>)>,
    /// The points it earns.
    pub score: Option<Score>,
}

/// How points follow from a kpi's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreFunction {
    /// All points from the threshold on, below it in proportion: how Decision 766/QD-TTg (2022) scores rates.
    Proportional,
    /// All points from the threshold on, none below it.
    AllOrNothing,
}

/// The points that a kpi earns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Score {
    /// How they follow from the value.
    pub function: ScoreFunction,
    /// All of them.
    pub points: Written,
    /// The value that earns all of them.
    pub threshold: Written,
}

/// A written rule, checked.
#[derive(Clone, Debug)]
pub struct WrittenRule {
    /// Its code.
    pub code: String,
    /// What it is called.
    pub name: Name,
    /// What it compares.
    pub check: Check,
    /// How far the sides may differ.
    pub tolerance: f64,
    /// How grave it is.
    pub severity: Severity,
    /// Whether it looks at rolled-up values instead of own ones.
    pub rolled_up: bool,
}

/// A target, checked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its code.
    pub code: String,
    /// What it is set for.
    pub measure: Measure,
    /// The unit it holds for, and those below; everywhere when absent.
    pub unit: Option<String>,
    /// First month.
    pub from: Option<Month>,
    /// Last month.
    pub to: Option<Month>,
    /// What is to be reached.
    pub value: Written,
}

/// The checked catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// As it was written.
    pub document: CatalogueDocument,
    /// Its indicators in order.
    pub indicators: Vec<Indicator>,
    /// Its kpis in order.
    pub kpis: Vec<Kpi>,
    /// Its written rules in order.
    pub rules: Vec<WrittenRule>,
    /// Its targets in order.
    pub targets: Vec<Target>,
    /// What units are expected to report, in order.
    pub expectations: Vec<Expectation>,
    indicator_index: HashMap<String, usize>,
    kpi_index: HashMap<String, usize>,
}

impl Catalogue {
    /// Checks a document whole and makes it ready for use.
    ///
    /// # Errors
    /// Every fault at once; pointers are `/section/N/field`.
    pub fn new(document: CatalogueDocument) -> Result<Self, Vec<Fault>> {
        check::checked(document)
    }

    /// The same for a document that is about to be put in place, which has to pass one check more than one that is there already: no two
    /// measures have one name in Prometheus.
    ///
    /// # Errors
    /// Every fault at once; pointers are `/section/N/field`.
    pub fn offered(document: CatalogueDocument) -> Result<Self, Vec<Fault>> {
        let catalogue = Self::new(document)?;
        let faults = metric::faults(&catalogue.indicators, &catalogue.kpis);
        if faults.is_empty() { Ok(catalogue) } else { Err(faults) }
    }

    /// Checks a target that is set beside the catalogue.
    ///
    /// # Errors
    /// Every fault at once; pointers begin with `place`.
    pub fn target(&self, place: &str, document: &TargetDocument) -> Result<Target, Vec<Fault>> {
        check::target(self, place, document)
    }

    /// The indicator of a code.
    #[must_use]
    pub fn indicator(&self, code: &str) -> Option<&Indicator> {
        self.indicator_index.get(code).and_then(|n| self.indicators.get(*n))
    }

    /// The kpi of a code.
    #[must_use]
    pub fn kpi(&self, code: &str) -> Option<&Kpi> {
        self.kpi_index.get(code).and_then(|n| self.kpis.get(*n))
    }

    /// The unit of measure of an indicator or kpi.
    #[must_use]
    pub fn unit_of_measure(&self, code: &str) -> &str {
        let of_indicator = self
            .indicator_index
            .get(code)
            .and_then(|n| self.document.indicators.get(*n))
            .map(|i| i.unit_of_measure.as_str());
        of_indicator
            .or_else(|| {
                self.kpi_index
                    .get(code)
                    .and_then(|n| self.document.kpis.get(*n))
                    .map(|k| k.unit_of_measure.as_str())
            })
            .unwrap_or_default()
    }

    /// The names of an indicator or kpi.
    #[must_use]
    pub fn name(&self, code: &str) -> Option<&Name> {
        let of_indicator = self
            .indicator_index
            .get(code)
            .and_then(|n| self.document.indicators.get(*n))
            .map(|i| &i.name);
        of_indicator.or_else(|| {
            self.kpi_index.get(code).and_then(|n| self.document.kpis.get(*n)).map(|k| &k.name)
        })
    }

    /// What a measure is called: its indicator's or kpi's name, then those of the members named.
    #[must_use]
    pub fn label(&self, measure: &Measure) -> Name {
        let mut label = self.name(&measure.code).cloned().unwrap_or_default();
        for (dimension, member) in measure.members.iter() {
            let declared =
                self.document.dimensions.iter().find(|declared| declared.code == dimension);
            let known = declared
                .and_then(|declared| declared.members.iter().find(|known| known.code == member));
            for (text, name) in [
                (&mut label.vi, known.map(|known| &known.name.vi)),
                (&mut label.en, known.map(|known| &known.name.en)),
            ] {
                let name = name.filter(|name| !name.is_empty()).map_or(member, String::as_str);
                text.push_str(": ");
                text.push_str(name);
            }
        }
        label
    }

    /// Which way of a measure is the good one; of an indicator neither is.
    #[must_use]
    pub fn direction(&self, code: &str) -> Direction {
        self.kpi(code).map_or(Direction::Neutral, |kpi| kpi.direction)
    }

    /// What is wrong with a measure: code and sentence of each fault; empty when it is declared.
    #[must_use]
    pub fn measure_faults(&self, measure: &Measure) -> Vec<(&'static str, String)> {
        if let Some(indicator) = self.indicator(&measure.code) {
            return indicator
                .member_faults(&measure.members)
                .into_iter()
                .map(|(_, code, detail)| (code, detail))
                .collect();
        }
        let Some(kpi) = self.kpi(&measure.code) else {
            return vec![(
                "unknown_measure",
                format!("the catalogue declares no indicator or kpi {}", quoted(&measure.code)),
            )];
        };
        kpi.member_faults(&measure.members)
            .into_iter()
            .map(|(_, code, detail)| (code, detail))
            .collect()
    }
}

impl Kpi {
    /// What is wrong with members named for this kpi: dimension, code and sentence of each fault.
    #[must_use]
    pub fn member_faults(&self, members: &Members) -> Vec<(String, &'static str, String)> {
        let fault = |(dimension, member): (&str, &str)| match self
            .dimensions
            .iter()
            .find(|(code, _)| code == dimension)
        {
            None => Some((
                dimension.to_owned(),
                "unknown_dimension",
                format!("{} cannot be asked for by {}", self.code, quoted(dimension)),
            )),
            Some((_, members)) if !members.iter().any(|known| known == member) => Some((
                dimension.to_owned(),
                "unknown_member",
                format!("{} is no member of {dimension}: {}", quoted(member), members.join(", ")),
            )),
            Some(_) => None,
        };
        members.iter().filter_map(fault).collect()
    }
}
