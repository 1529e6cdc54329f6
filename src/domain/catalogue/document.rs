//! The catalogue as it is written and read: one document, in TOML files or as JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::fault::{Fault, quoted};
use super::super::unit::{Name, UnitKind};

/// A system that figures come from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Further ways in which reports and tables name it, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// A member of a dimension.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Further ways in which reports and tables name it, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// A named split, shared by the indicators that use it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DimensionDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Its members.
    #[serde(default)]
    pub members: Vec<MemberDocument>,
}

/// A dimension as one indicator uses it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DimensionUse {
    /// The dimension's code.
    pub code: String,
    /// Whether the members add up to the total.
    #[serde(default)]
    pub complete: bool,
    /// The members this indicator may name; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<String>>,
    /// The one host dimension and member it is open in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<std::collections::BTreeMap<String, String>>,
}

/// A month from which a definition differs from before.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakDocument {
    /// The first month of the new definition.
    pub from: String,
    /// Why.
    #[serde(default)]
    pub reason: Name,
}

/// What moves a stock.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MovementDocument {
    /// The flow of what was created.
    pub opened: String,
    /// The flow of what was closed, where one is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
}

/// An indicator: a figure that is reported.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IndicatorDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Further ways in which it is written in tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// `flow`, `stock` or `average`.
    pub kind: String,
    /// What is counted: `count`, `VND`, `minutes/day`, `percent`.
    pub unit_of_measure: String,
    /// How many decimals its figures have.
    #[serde(default)]
    pub decimals: u32,
    /// The system it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Whether it stands on a leader's scorecard.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headline: bool,
    /// Whether figures below zero make sense.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_negative: bool,
    /// Its dimensions in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionUse>,
    /// Months from which its definition differs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<BreakDocument>,
    /// For a stock: what moves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub movement: Option<MovementDocument>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
}

/// A kpi: a figure computed from indicators.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KpiDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Further ways in which it is written in tables, at most 20 of at most 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// How it is computed (contract section 4).
    pub formula: String,
    /// What it is given in; of `percent` the engine makes percentages.
    pub unit_of_measure: String,
    /// `higher`, `lower` or `neutral`.
    #[serde(default = "neutral")]
    pub direction: String,
    /// The system it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The points it earns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreDocument>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
}

/// How points follow from a kpi's value.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreDocument {
    /// `proportional`: all points from the threshold on, below it in proportion, as Decision 766/QD-TTg (2022) scores rates;
    /// `all_or_nothing`: none below it.
    pub function: String,
    /// All of the points, above 0: a decimal as a text, whose digits are kept, or as a number.
    #[serde(deserialize_with = "decimal")]
    #[schema(value_type = Value)]
    pub points: String,
    /// The value that earns all of them, above 0: a decimal as a text or as a number.
    #[serde(deserialize_with = "decimal")]
    #[schema(value_type = Value)]
    pub threshold: String,
    /// The document that sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
}

/// A decimal, written as a text or as a number.
fn decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom("a decimal is expected"))
        }
    }
}

fn neutral() -> String {
    "neutral".to_owned()
}

/// A written rule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// Two expressions with `==`, `<=` or `>=` between them.
    pub check: String,
    /// How far the sides may differ.
    #[serde(default)]
    pub tolerance: f64,
    /// `warning` records and reports, `error` refuses the submission.
    #[serde(default = "warning")]
    pub severity: String,
    /// Whether it looks at rolled-up values instead of own ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rolled_up: bool,
}

fn warning() -> String {
    "warning".to_owned()
}

/// A target.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetDocument {
    /// Its code.
    pub code: String,
    /// The measure it is set for.
    pub measure: String,
    /// The unit it holds for, and those below; everywhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// First month it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last month it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What is to be reached: a decimal as a text, whose digits are kept, or as a number.
    #[serde(deserialize_with = "decimal")]
    #[schema(value_type = Value)]
    pub value: String,
    /// The document that sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
}

/// What units of some kinds are expected to report every month, and until when.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectationDocument {
    /// Its code.
    pub code: String,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// The kinds of units that report.
    pub unit_kinds: Vec<UnitKind>,
    /// Only this unit and those below it; every unit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What they report: indicators, with or without members.
    pub measures: Vec<String>,
    /// The day of the next month that is the last to report on, 1 to 31; in a shorter month its last day.
    pub due_day: u32,
    /// The day of the month before on which the reporting window begins, 2 to 28; it ends on the day before that day. 1 (the
    /// default) is the calendar month itself.
    #[serde(default = "first_day", skip_serializing_if = "is_first_day")]
    pub window_from_day: u32,
    /// First month it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Last month it holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The document that sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Name>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Name>,
}

/// Words that mean the same in the phrases of [`PatternDocument`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VocabularyDocument {
    /// Its code, as `<code>` names it.
    pub code: String,
    /// The words: phrases without figures.
    pub words: Vec<String>,
}

/// How a figure is recognised in the sentences of a report. The grammar of phrases is that of [`crate::domain::phrase`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternDocument {
    /// Its code.
    pub code: String,
    /// The measure it finds, with the members that are always the same; others are taken from the words around the figure.
    pub measure: String,
    /// Phrases with one `{value}`, one of which stands around the figure.
    pub phrases: Vec<String>,
    /// Phrases one of which stands in the same clause, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// Phrases none of which stands in the same clause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// The system that has to be spoken of: its labels are the nearest of any system's, in the paragraph or the headings above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Phrases one of which stands in the same paragraph or in the headings above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// The measure of the figure right before, which this one belongs to: a part of it, or its rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The target that the figure states, in plans; it is compared with the one declared and never recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Dimensions of which the figure has to have a member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Whether the figure is a whole, so that members named beside it are not its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Whether its phrases say themselves which time the figure is of, so that other words of time do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub timeless: bool,
    /// Whether its figure is always a word for nothing, which may stand for several measures at once: it is found beside what other patterns find.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nothing: bool,
}

/// A sentence of the report that is written from the ledger.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentenceDocument {
    /// Its code.
    pub code: String,
    /// The heading it stands under; sentences with one heading follow each other.
    pub heading: String,
    /// Its text with figures in braces, `{ioffice.users.created}`; what stands in square brackets is left out when a figure in it is missing, the
    /// whole sentence when one outside is. [`crate::domain::sentence`] has the grammar.
    pub text: String,
}

fn first_day() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_first_day(day: &u32) -> bool {
    *day == 1
}

/// The whole catalogue as one document.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CatalogueDocument {
    /// Systems that figures come from.
    pub systems: Vec<SystemDocument>,
    /// Named splits.
    pub dimensions: Vec<DimensionDocument>,
    /// Figures that are reported.
    pub indicators: Vec<IndicatorDocument>,
    /// Figures that are computed.
    pub kpis: Vec<KpiDocument>,
    /// Written rules.
    pub rules: Vec<RuleDocument>,
    /// Targets.
    pub targets: Vec<TargetDocument>,
    /// What units are expected to report.
    pub expectations: Vec<ExpectationDocument>,
    /// Words that mean the same in patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vocabulary: Vec<VocabularyDocument>,
    /// How figures are recognised in reports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<PatternDocument>,
    /// The sentences of the report that is written from the ledger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sentences: Vec<SentenceDocument>,
}

impl CatalogueDocument {
    /// Reads a document entry by entry, so that every malformed entry is named at once.
    ///
    /// # Errors
    /// One fault for each entry that has the wrong shape, and for each unknown section.
    pub fn from_value(value: Value) -> Result<Self, Vec<Fault>> {
        let Value::Object(sections) = value else {
            return Err(vec![Fault::new(
                "",
                "wrong_type",
                "the catalogue is an object with the sections systems, dimensions, indicators, kpis, rules, targets, expectations, vocabulary, patterns, sentences",
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

    /// How many entries each section has.
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

/// Reads a list entry by entry: what can be read, and a fault with its pointer for each that cannot.
pub fn read<T: DeserializeOwned>(section: &str, entries: Value, faults: &mut Vec<Fault>) -> Vec<T> {
    let Value::Array(entries) = entries else {
        faults.push(Fault::new(format!("/{section}"), "wrong_type", "a list is expected"));
        return Vec::new();
    };
    let mut found = Vec::with_capacity(entries.len());
    for (n, entry) in entries.into_iter().enumerate() {
        match serde_path_to_error::deserialize(entry) {
            Ok(entry) => found.push(entry),
            Err(error) => {
                let path = error.path().to_string().replace(['.', '['], "/").replace(']', "");
                let path = if path == "/" || path.is_empty() {
                    String::new()
                } else {
                    format!("/{path}").replace("//", "/")
                };
                faults.push(Fault::new(
                    format!("/{section}/{n}{path}"),
                    "malformed",
                    error.into_inner().to_string(),
                ));
            }
        }
    }
    found
}
