//! What is found in a report: figures, and numbers that are not taken, each with the reason.

use std::ops::Range;

use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::period::Period;

/// How a figure that was found is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigureRole {
    /// A figure of the report's unit and period, which is recorded.
    Figure,
    /// An approximate rate (`gần 80%`). It is shown but not recorded, because stated rates are
    /// compared with computed ones.
    Rounded,
    /// A figure of an earlier month, which is compared with the ledger.
    Earlier,
    /// A target, which is compared with the declared one.
    Target,
}

/// A figure found in a text.
#[derive(Clone, PartialEq, Debug)]
pub struct ExtractedFigure {
    /// The measure.
    pub measure: Measure,
    /// The target that it states.
    pub target: Option<String>,
    /// Position of its unit.
    pub unit: usize,
    /// Its period.
    pub period: Period,
    /// The number.
    pub value: Decimal64,
    /// Whether it is marked as approximate.
    pub approximate: bool,
    /// How the figure is used.
    pub role: FigureRole,
    /// The bytes of its digits in the text.
    pub place: Range<usize>,
    /// The bytes of its sentence in the text.
    pub sentence: Range<usize>,
    /// Code of the pattern that found it.
    pub pattern: String,
    /// Whether its clause begins with a number of something else, of which it may be a part.
    pub partial: bool,
    /// How certain the figure is, 0 to 1: 1 for a phrase without a gap, less for words in gaps and
    /// for members taken from an earlier figure.
    pub confidence: f64,
}

/// Why a number is not taken as a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// No pattern matches.
    NoPattern,
    /// The digits are not a valid number: `7.40`.
    MalformedNumber,
    /// The number is one end of a range.
    Range,
    /// The number is an increase, a decrease or a comparison.
    Comparison,
    /// The number is a plan or a target.
    Plan,
    /// The number belongs to the year so far, or to another period wider than the report's.
    WiderPeriod,
    /// The number belongs to an earlier time that is not given exactly.
    EarlierPeriod,
    /// Two patterns find different figures in the number, or the words around it name two members.
    Ambiguous,
    /// The number belongs to another unit.
    OtherUnit,
    /// The same figure is stated elsewhere with another value.
    StatedTwice,
    /// The same figure with the same value was found before.
    Repeated,
}

/// A number that is not taken as a figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnclaimedNumber {
    /// The bytes of its digits in the text.
    pub place: Range<usize>,
    /// The bytes of its sentence in the text.
    pub sentence: Range<usize>,
    /// The reason.
    pub reason: SkipReason,
    /// The measure, if a pattern matched.
    pub measure: Option<Measure>,
}

/// The result of reading a report.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReportExtract {
    /// The figures in the order of the text.
    pub figures: Vec<ExtractedFigure>,
    /// All other numbers, each with the reason.
    pub unclaimed: Vec<UnclaimedNumber>,
}

/// A pattern that matches at a number, and the result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsideredPattern {
    /// The bytes of the number in the text.
    pub place: Range<usize>,
    /// The bytes of its sentence in the text.
    pub sentence: Range<usize>,
    /// Code of the pattern.
    pub pattern: String,
    /// Why the match was rejected, or the figure that it gives.
    pub verdict: String,
}
