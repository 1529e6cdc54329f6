//! The catalogue document as clients and TOML files write it (docs/catalogue.md describes every
//! key).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::fault::{Fault, quoted};
use super::super::unit::{LocalizedName, UnitKind};

/// An information system that figures come from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SystemDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Further names in reports and tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// A member of a dimension.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Further names in reports and tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The first month in which a complete dimension is not summed without this member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last such month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A dimension: a named split into members, shared by the indicators that use it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DimensionDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Its members.
    #[serde(default)]
    pub members: Vec<MemberDocument>,
}

/// A dimension as one indicator uses it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DimensionUse {
    /// The dimension's code.
    pub code: String,
    /// Whether the members add up to the total.
    #[serde(default)]
    pub complete: bool,
    /// The members that this indicator may name; all members when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// The member of another dimension without which this dimension cannot be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<std::collections::BTreeMap<String, String>>,
}

/// A month from which the definition of an indicator differs from before.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BreakDocument {
    /// The first month of the new definition.
    pub from: String,
    /// The reason.
    #[serde(default)]
    pub reason: LocalizedName,
}

/// The flows that change a stock.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MovementDocument {
    /// Code of the flow that adds to the stock.
    pub opened: String,
    /// Code of the flow that takes from the stock, where one is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
}

/// An indicator: a figure that units report (docs/specification.md#indicators).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IndicatorDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Further names in tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// `flow`, `stock` or `average`.
    pub kind: String,
    /// What is counted: `count`, `VND`, `minutes/day`, `percent`.
    pub unit_of_measure: String,
    /// The number of decimals of its figures.
    #[serde(default)]
    pub decimals: u32,
    /// Code of the system that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Whether it appears on the scorecard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
    /// Whether figures below zero are valid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_negative: bool,
    /// Its dimensions in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionUse>,
    /// Months from which its definition differs from before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<BreakDocument>,
    /// For a stock: the flows that change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movement: Option<MovementDocument>,
    /// A note for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LocalizedName>,
}

/// A kpi: a figure computed from indicators (docs/specification.md#kpis).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KpiDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Further names in tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The formula (docs/specification.md#formulas).
    pub formula: String,
    /// The unit of its values. With `percent` the engine multiplies the result of the formula by
    /// 100.
    pub unit_of_measure: String,
    /// Whether a `higher` or a `lower` value is better, or `neutral`.
    #[serde(default = "neutral")]
    pub direction: String,
    /// Code of the system that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The points that it earns, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreDocument>,
    /// A note for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LocalizedName>,
}

/// How points follow from a kpi's value (docs/specification.md#targets).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ScoreDocument {
    /// `proportional`: all points from the threshold on, below it in proportion, as Decision
    /// 766/QD-TTg (2022) scores rates. `all_or_nothing`: no points below the threshold.
    pub function: String,
    /// The highest number of points, above 0: a number, or a decimal as a string, which keeps its
    /// digits.
    #[serde(deserialize_with = "decimal")]
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub points: String,
    /// The value that earns all points, above 0: a number, or a decimal as a string.
    #[serde(deserialize_with = "decimal")]
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub threshold: String,
    /// The legal document that sets the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LocalizedName>,
}

/// Reads a decimal from a string or a number.
fn decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom("a decimal number is expected"))
        }
    }
}

fn neutral() -> String {
    "neutral".to_owned()
}

/// A written rule (docs/specification.md#rules).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Two expressions with `==`, `!=`, `<=`, `>=`, `<` or `>` between them; or
    /// `both_or_none(a, b)` or `one_of(a, b)`.
    pub check: String,
    /// The unit at which, and below which, the rule is evaluated; every unit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// How far the two sides may differ.
    #[serde(default)]
    pub tolerance: f64,
    /// `warning`: a finding is recorded and listed. `error`: the submission is refused.
    #[serde(default = "warning")]
    pub severity: String,
    /// Whether the rule uses rolled-up values instead of own values.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_up: bool,
}

fn warning() -> String {
    "warning".to_owned()
}

/// A target (docs/specification.md#targets).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TargetDocument {
    /// Its code.
    pub code: String,
    /// The measure it is set for.
    pub measure: String,
    /// Code of a unit: the target applies to it and all units below it. Absent: every unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// First month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The value to be reached: a number, or a decimal as a string, which keeps its digits.
    #[serde(deserialize_with = "decimal")]
    #[cfg_attr(feature = "schema", schema(value_type = Value))]
    pub value: String,
    /// The legal document that sets the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LocalizedName>,
    /// A note for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LocalizedName>,
}

/// An expectation: which kinds of units report which measures every month, and until when
/// (docs/specification.md#expectations).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectationDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// The kinds of units that report.
    pub unit_kinds: Vec<UnitKind>,
    /// Code of a unit: the expectation applies to it and all units below it. Absent: every unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The indicators that are reported, with or without members.
    pub measures: Vec<String>,
    /// Units to which the figures do not apply; they have no units below them. The figures are not
    /// expected of them, and do not lower any coverage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applicable: Vec<NotApplicableDocument>,
    /// The deadline: a day of the next month, 1 to 31. In a shorter month it is the last day.
    pub due_day: u32,
    /// The first day of the reporting window. With 2 to 28, the window of a month begins on this
    /// day of the previous month, and ends one day before this day of the month itself. With 1 (the
    /// default), the window is the calendar month.
    #[serde(default = "first_day", skip_serializing_if = "is_first_day")]
    pub window_from_day: u32,
    /// First month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The legal document that sets the expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<LocalizedName>,
    /// A note for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LocalizedName>,
}

/// A unit to which the figures of an expectation do not apply, from a month to a month
/// (docs/specification.md#figures-that-do-not-apply).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NotApplicableDocument {
    /// Code of the unit.
    pub unit: String,
    /// First month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last month; open when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// A note for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<LocalizedName>,
}

/// Words that mean the same in the phrases of [`PatternDocument`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VocabularyDocument {
    /// The code, which phrases name as `<code>`.
    pub code: String,
    /// The words: phrases without placeholders.
    pub words: Vec<String>,
}

/// A pattern: how a figure is recognised in the sentences of a report. `docs/catalogue.md` has the
/// grammar of phrases.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatternDocument {
    /// Its code.
    pub code: String,
    /// The measure that the pattern finds, with the members that never vary. Other members are
    /// taken from the words around the figure.
    pub measure: String,
    /// Phrases with one `{value}`. The figure is found where one of them matches.
    pub phrases: Vec<String>,
    /// At least one of these phrases must match in the same clause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// None of these phrases may match in the same clause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// Code of a system. The nearest system that the paragraph or the headings above it name must
    /// be this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// At least one of these phrases must match in the same paragraph or in the headings above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// The measure of which this figure is a part or a rate. The figure directly before must be of
    /// this measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Code of the target that the figure states, in plans. The figure is compared with the
    /// declared target and never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Dimensions for which the text must name a member of the figure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Whether the figure is a total, so that members named beside it do not belong to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Whether the phrases themselves state the time of the figure. Other words about time are then
    /// ignored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timeless: bool,
    /// Whether the phrases match words for zero instead of a number. Such words may state zero for
    /// several measures, so other patterns can match them too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nothing: bool,
    /// Whether the figure is also taken where the text names no system at all. `topic` then
    /// excludes texts about other systems only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub topic_optional: bool,
}

/// A sentence of the report that the service writes from the ledger.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SentenceDocument {
    /// Its code.
    pub code: String,
    /// The heading above it. Sentences with the same heading follow each other.
    pub heading: String,
    /// The text, with figures in braces such as `{ioffice.users.created}`. A part in square
    /// brackets is left out when one of its figures is missing; the whole sentence is left out when
    /// a figure outside brackets is missing. `docs/catalogue.md` has the grammar.
    pub text: String,
}

fn first_day() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_first_day(day: &u32) -> bool {
    *day == 1
}

/// The whole catalogue as one document (docs/specification.md#catalogue).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct CatalogueDocument {
    /// Information systems that figures come from.
    pub systems: Vec<SystemDocument>,
    /// Dimensions.
    pub dimensions: Vec<DimensionDocument>,
    /// Indicators: figures that units report.
    pub indicators: Vec<IndicatorDocument>,
    /// Kpis: figures that are computed.
    pub kpis: Vec<KpiDocument>,
    /// Written rules.
    pub rules: Vec<RuleDocument>,
    /// Targets.
    pub targets: Vec<TargetDocument>,
    /// Which units are expected to report what.
    pub expectations: Vec<ExpectationDocument>,
    /// Words that mean the same in patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vocabulary: Vec<VocabularyDocument>,
    /// How figures are recognised in reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<PatternDocument>,
    /// The sentences of the report that the service writes from the ledger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<SentenceDocument>,
}

impl CatalogueDocument {
    /// Reads a document entry by entry, so that all malformed entries are reported at once.
    ///
    /// # Errors
    /// One error for each entry of the wrong shape and for each unknown section.
    pub fn from_value(value: Value) -> Result<Self, Vec<Fault>> {
        let Value::Object(sections) = value else {
            return Err(vec![Fault::new(
                "",
                "wrong_type",
                "the catalogue is an object with the sections systems, dimensions, indicators, \
                 kpis, rules, targets, expectations, vocabulary, patterns, sentences",
            )]);
        };
        let (mut document, mut faults) = (Self::default(), Vec::new());
        for (section, entries) in sections {
            match section.as_str() {
                "systems" => document.systems = read(&section, entries, &mut faults),
                "dimensions" => document.dimensions = read(&section, entries, &mut faults),
                "indicators" => document.indicators = read(&section, entries, &mut faults),
                "kpis" => document.kpis = read(&section, entries, &mut faults),
                "rules" => document.rules = read(&section, entries, &mut faults),
                "targets" => document.targets = read(&section, entries, &mut faults),
                "expectations" => document.expectations = read(&section, entries, &mut faults),
                "vocabulary" => document.vocabulary = read(&section, entries, &mut faults),
                "patterns" => document.patterns = read(&section, entries, &mut faults),
                "sentences" => document.sentences = read(&section, entries, &mut faults),
                other => faults.push(Fault::new(
                    format!("/{other}"),
                    "unknown_field",
                    format!("the catalogue has no section {}", quoted(other)),
                )),
            }
        }
        if faults.is_empty() { Ok(document) } else { Err(faults) }
    }

    /// The number of entries of each section.
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 10] {
        [
            ("systems", self.systems.len()),
            ("dimensions", self.dimensions.len()),
            ("indicators", self.indicators.len()),
            ("kpis", self.kpis.len()),
            ("rules", self.rules.len()),
            ("targets", self.targets.len()),
            ("expectations", self.expectations.len()),
            ("vocabulary", self.vocabulary.len()),
            ("patterns", self.patterns.len()),
            ("sentences", self.sentences.len()),
        ]
    }

    /// Appends another document's entries, section by section.
    pub fn append(&mut self, other: Self) {
        self.systems.extend(other.systems);
        self.dimensions.extend(other.dimensions);
        self.indicators.extend(other.indicators);
        self.kpis.extend(other.kpis);
        self.rules.extend(other.rules);
        self.targets.extend(other.targets);
        self.expectations.extend(other.expectations);
        self.vocabulary.extend(other.vocabulary);
        self.patterns.extend(other.patterns);
        self.sentences.extend(other.sentences);
    }
}

/// Reads a list entry by entry. Returns the readable entries and adds an error with its pointer for
/// each of the others.
pub fn read<T: DeserializeOwned>(section: &str, entries: Value, faults: &mut Vec<Fault>) -> Vec<T> {
    let Value::Array(entries) = entries else {
        faults.push(Fault::new(format!("/{section}"), "wrong_type", "a list is expected"));
        return Vec::new();
    };
    let mut found = Vec::with_capacity(entries.len());
    for (n, entry) in entries.into_iter().enumerate() {
        match serde_path_to_error::deserialize(entry) {
            Ok(entry) => found.push(entry),
            Err(error) => faults.push(Fault::of_shape(&format!("/{section}/{n}"), &error)),
        }
    }
    found
}
