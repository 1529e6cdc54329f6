//! The catalogue: indicators, kpis, rules, targets and expectations.
//!
//! The catalogue is data (docs/specification.md#catalogue). This module reads it, validates it as a
//! whole and holds it ready for use.

use std::collections::HashMap;

use super::expectation::{Expectation, NotApplicableSpan};
use super::fault::{Fault, quoted};
use super::formula::{Expression, FormulaOperator, RuleCheck};
use super::measure::{Measure, Members};
use super::number::Decimal64;
use super::period::Month;
use super::unit::LocalizedName;

mod check;
mod document;

pub use document::*;

/// Whether figures of an indicator add up over months and units (docs/specification.md#indicators).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IndicatorKind {
    /// An amount of the month; adds up over months and units.
    Flow,
    /// A level at the end of the month; adds up over units only.
    Stock,
    /// An intensive value, such as minutes a day; never adds up, so only own values exist.
    Average,
}

impl IndicatorKind {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Stock => "stock",
            Self::Average => "average",
        }
    }
}

/// Whether a higher or a lower value of a kpi is better.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A higher value is better.
    Higher,
    /// A lower value is better.
    Lower,
    /// Neither is better.
    Neutral,
}

impl Direction {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::Neutral => "neutral",
        }
    }
}

/// How serious a finding is (docs/specification.md#rules).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The finding is recorded and listed.
    Warning,
    /// The submission is refused.
    Error,
}

/// A dimension as an indicator uses it (docs/specification.md#dimensions).
#[derive(Clone, Debug)]
pub struct Dimension {
    /// Its code.
    pub code: String,
    /// The members that this indicator may name.
    pub members: Vec<String>,
    /// Whether the members add up to the total.
    pub complete: bool,
    /// The dimension and member that must be named for this dimension to be open.
    pub within: Option<(String, String)>,
    /// The months of the members that have dates.
    pub dates: HashMap<String, MemberDates>,
}

impl Dimension {
    /// The months in which the dimension is not summed without a member.
    #[must_use]
    pub fn dates_of(&self, member: &str) -> MemberDates {
        self.dates.get(member).copied().unwrap_or_default()
    }
}

/// The months in which a member is part of a complete dimension: outside them the dimension is
/// summed without the member, unless the member has an own value
/// (docs/specification.md#members-with-dates).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemberDates {
    /// First month; open when absent.
    pub from: Option<Month>,
    /// Last month; open when absent.
    pub to: Option<Month>,
}

impl MemberDates {
    /// Whether every month is included.
    #[must_use]
    pub fn is_always(self) -> bool {
        self == Self::default()
    }

    /// Whether a month is included.
    #[must_use]
    pub fn includes(self, month: Month) -> bool {
        self.from.is_none_or(|from| from <= month) && self.to.is_none_or(|to| month <= to)
    }
}

/// A valid indicator.
#[derive(Clone, Debug)]
pub struct Indicator {
    /// Its code.
    pub code: String,
    /// Whether it adds up over months and units.
    pub kind: IndicatorKind,
    /// How many decimals its figures have.
    pub decimals: u32,
    /// Whether it is a percentage, so that its changes are percentage points.
    pub percent: bool,
    /// Its dimensions in catalogue order.
    pub dimensions: Vec<Dimension>,
    /// Months from which its definition differs from before.
    pub breaks: Vec<Month>,
    /// For a stock: the codes of the flow that opens and, where one is reported, the flow that
    /// closes.
    pub movement: Option<(String, Option<String>)>,
    /// Whether figures below zero are valid.
    pub may_be_negative: bool,
    /// The units and months to which figures do not apply, in order of the units' codes.
    pub not_applicable: Vec<NotApplicableSpan>,
}

impl Indicator {
    /// The dimension with a code, if this indicator uses it.
    #[must_use]
    pub fn dimension(&self, code: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.code == code)
    }

    /// The dimensions that could be named in addition to `members`: not yet named, and if `within`
    /// another, that member is named.
    pub fn open<'a>(&'a self, members: &'a Members) -> impl Iterator<Item = &'a Dimension> + 'a {
        self.dimensions.iter().filter(move |dimension| {
            members.get(&dimension.code).is_none()
                && dimension
                    .within
                    .as_ref()
                    .is_none_or(|(host, member)| members.get(host) == Some(member))
        })
    }

    /// The splits of the indicator: every combination of its dimensions in catalogue order, the
    /// total first. A dimension `within` another appears only together with it.
    #[must_use]
    pub fn splits(&self) -> Vec<Vec<&str>> {
        let hosted = |split: &Vec<&str>| {
            split.iter().all(|code| {
                self.dimension(code)
                    .and_then(|dimension| dimension.within.as_ref())
                    .is_none_or(|(host, _)| split.contains(&host.as_str()))
            })
        };
        combinations(self.dimensions.iter().map(|dimension| dimension.code.as_str()))
            .into_iter()
            .filter(hosted)
            .collect()
    }

    /// The errors of members named for this indicator: dimension, code and detail of each. Empty
    /// when the members are valid.
    #[must_use]
    pub fn check_members(&self, members: &Members) -> Vec<(String, &'static str, String)> {
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
                            "{} is not a member of {code}; its members are {}",
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

/// A valid kpi.
#[derive(Clone, Debug)]
pub struct Kpi {
    /// Its code.
    pub code: String,
    /// The formula (docs/specification.md#formulas), with the formulas of other kpis in place of
    /// their codes.
    pub formula: Expression,
    /// Whether it is a percentage: the engine multiplies the result by 100.
    pub percent: bool,
    /// Whether a higher or a lower value is better.
    pub direction: Direction,
    /// The dimensions that a query may name, each with the members that every operand has.
    pub dimensions: Vec<(String, Vec<String>)>,
    /// The points that it earns, if any.
    pub score: Option<KpiScore>,
}

impl Kpi {
    /// Whether it is the share of a member in its total. Without a member it is always 100 %, and
    /// says nothing.
    #[must_use]
    pub fn is_share_of_members(&self) -> bool {
        let Expression::Binary(FormulaOperator::Divide, part, whole) = &self.formula else {
            return false;
        };
        let (Expression::Figure(part), Expression::Figure(whole)) = (&**part, &**whole) else {
            return false;
        };
        let fixed = |members: &[(String, Option<String>)]| -> Vec<(String, Option<String>)> {
            members.iter().filter(|(_, member)| member.is_some()).cloned().collect()
        };
        part.indicator == whole.indicator && fixed(&part.members) == fixed(&whole.members)
    }
}

/// How points follow from a kpi's value (docs/specification.md#targets).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ScoreFunction {
    /// All points from the threshold on, below it in proportion, as Decision 766/QD-TTg (2022)
    /// scores rates.
    Proportional,
    /// All points from the threshold on, below it none.
    AllOrNothing,
}

/// The points that a kpi earns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KpiScore {
    /// How the points follow from the value.
    pub function: ScoreFunction,
    /// The highest number of points.
    pub points: Decimal64,
    /// The value that earns all points.
    pub threshold: Decimal64,
}

/// A valid written rule (docs/specification.md#rules).
#[derive(Clone, Debug)]
pub struct DeclaredRule {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: LocalizedName,
    /// The check.
    pub check: RuleCheck,
    /// The unit at which, and below which, the rule is evaluated; every unit when absent.
    pub unit: Option<String>,
    /// How far the two sides may differ.
    pub tolerance: f64,
    /// How serious a finding is.
    pub severity: Severity,
    /// Whether the rule uses rolled-up values instead of own values.
    pub rolled_up: bool,
}

/// A valid target (docs/specification.md#targets).
#[derive(Clone, Debug)]
pub struct Target {
    /// Its code.
    pub code: String,
    /// The measure.
    pub measure: Measure,
    /// The unit for which, and for all units below which, the target applies; every unit when
    /// absent.
    pub unit: Option<String>,
    /// First month; open when absent.
    pub from: Option<Month>,
    /// Last month; open when absent.
    pub to: Option<Month>,
    /// The value to be reached.
    pub value: Decimal64,
}

/// A valid catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The document that it was made from.
    pub document: CatalogueDocument,
    /// Indicators, in order of the document.
    pub indicators: Vec<Indicator>,
    /// Kpis, in order of the document.
    pub kpis: Vec<Kpi>,
    /// Written rules, in order of the document.
    pub rules: Vec<DeclaredRule>,
    /// Targets, in order of the document.
    pub targets: Vec<Target>,
    /// Expectations, in order of the document.
    pub expectations: Vec<Expectation>,
    indicator_index: HashMap<String, usize>,
    kpi_index: HashMap<String, usize>,
}

impl Catalogue {
    /// Validates a whole document.
    ///
    /// # Errors
    /// All errors of the document; pointers are `/section/N/field`.
    pub fn new(document: CatalogueDocument) -> Result<Self, Vec<Fault>> {
        check::check_catalogue(document)
    }

    /// Validates a document that is to replace the current one. It must pass one check more than
    /// [`Self::new`]: no two measures may have the same name in Prometheus.
    ///
    /// # Errors
    /// All errors of the document; pointers are `/section/N/field`.
    pub fn new_submitted(document: CatalogueDocument) -> Result<Self, Vec<Fault>> {
        let catalogue = Self::new(document)?;
        let faults = check::find_conflicts(&catalogue.indicators, &catalogue.kpis);
        if faults.is_empty() { Ok(catalogue) } else { Err(faults) }
    }

    /// Validates a target that is set beside the catalogue.
    ///
    /// # Errors
    /// All errors of the target; pointers begin with `place`.
    pub fn target(&self, place: &str, document: &TargetDocument) -> Result<Target, Vec<Fault>> {
        check::target(self, place, document)
    }

    /// The indicator with a code.
    #[must_use]
    pub fn indicator(&self, code: &str) -> Option<&Indicator> {
        self.indicator_index.get(code).and_then(|n| self.indicators.get(*n))
    }

    /// The expectation with a code; without a code all expectations.
    pub fn expectations_of(&self, code: Option<&str>) -> impl Iterator<Item = &Expectation> {
        self.expectations.iter().filter(move |one| code.is_none_or(|code| one.code == code))
    }

    /// The measures with figures that the formula of a kpi counts.
    pub fn counted_measures<'a>(&'a self, kpi: &'a Kpi) -> impl Iterator<Item = &'a Measure> {
        let counted = kpi.formula.counted_reports().into_iter();
        counted.flat_map(|code| self.expectations_of(code)).flat_map(|one| &one.measures)
    }

    /// Whether a measure is a kpi that counts figures of reports, which takes longer than others.
    #[must_use]
    pub fn counts_reports(&self, measure: &Measure) -> bool {
        self.kpi(&measure.code).is_some_and(|kpi| !kpi.formula.counted_reports().is_empty())
    }

    /// The kpi with a code.
    #[must_use]
    pub fn kpi(&self, code: &str) -> Option<&Kpi> {
        self.kpi_index.get(code).and_then(|n| self.kpis.get(*n))
    }

    /// The unit of measure of an indicator or kpi; empty when the code is unknown.
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

    /// The name of an indicator or kpi.
    #[must_use]
    pub fn name(&self, code: &str) -> Option<&LocalizedName> {
        let of_indicator = self
            .indicator_index
            .get(code)
            .and_then(|n| self.document.indicators.get(*n))
            .map(|i| &i.name);
        of_indicator.or_else(|| {
            self.kpi_index.get(code).and_then(|n| self.document.kpis.get(*n)).map(|k| &k.name)
        })
    }

    /// The name of a measure: the indicator's or kpi's name, then the names of its members.
    #[must_use]
    pub fn label(&self, measure: &Measure) -> LocalizedName {
        let mut label = self.name(&measure.code).cloned().unwrap_or_default();
        for (dimension, member) in measure.members.iter() {
            let name = self.member_name(dimension, member);
            for (text, name) in [(&mut label.vi, name.vi), (&mut label.en, name.en)] {
                text.push_str(": ");
                text.push_str(&name);
            }
        }
        label
    }

    /// The name of a member of a dimension; its code where it has none.
    #[must_use]
    pub fn member_name(&self, dimension: &str, member: &str) -> LocalizedName {
        let mut declared = self.document.dimensions.iter();
        let known = declared
            .find(|declared| declared.code == dimension)
            .and_then(|declared| declared.members.iter().find(|known| known.code == member));
        let mut name = known.map(|known| known.name.clone()).unwrap_or_default();
        for text in [&mut name.vi, &mut name.en] {
            if text.is_empty() {
                member.clone_into(text);
            }
        }
        name
    }

    /// Whether a higher or a lower value of a measure is better; indicators are neutral.
    #[must_use]
    pub fn direction(&self, code: &str) -> Direction {
        self.kpi(code).map_or(Direction::Neutral, |kpi| kpi.direction)
    }

    /// The errors of a measure: code and detail of each. Empty when the catalogue declares the
    /// measure.
    #[must_use]
    pub fn measure_faults(&self, measure: &Measure) -> Vec<(&'static str, String)> {
        if let Some(indicator) = self.indicator(&measure.code) {
            return indicator
                .check_members(&measure.members)
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
        kpi.check_members(&measure.members)
            .into_iter()
            .map(|(_, code, detail)| (code, detail))
            .collect()
    }
}

impl Kpi {
    /// The splits of the kpi: every combination of the dimensions that a query may name, the total
    /// first.
    #[must_use]
    pub fn splits(&self) -> Vec<Vec<&str>> {
        combinations(self.dimensions.iter().map(|(code, _)| code.as_str()))
    }

    /// The errors of members named for this kpi: dimension, code and detail of each.
    #[must_use]
    pub fn check_members(&self, members: &Members) -> Vec<(String, &'static str, String)> {
        let fault = |(dimension, member): (&str, &str)| match self
            .dimensions
            .iter()
            .find(|(code, _)| code == dimension)
        {
            None => Some((
                dimension.to_owned(),
                "unknown_dimension",
                format!("{} has no dimension {}", self.code, quoted(dimension)),
            )),
            Some((_, members)) if !members.iter().any(|known| known == member) => Some((
                dimension.to_owned(),
                "unknown_member",
                format!(
                    "{} is not a member of {dimension}; its members are {}",
                    quoted(member),
                    members.join(", ")
                ),
            )),
            Some(_) => None,
        };
        members.iter().filter_map(fault).collect()
    }
}

/// Every combination of some codes in their order, the empty one first.
fn combinations<'a>(codes: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    for code in codes {
        let with: Vec<Vec<&str>> =
            found.iter().map(|split| split.iter().copied().chain([code]).collect()).collect();
        found.extend(with);
    }
    found
}
