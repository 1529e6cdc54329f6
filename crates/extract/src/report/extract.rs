//! What is found in a report: figures, and numbers that are not taken, each with the reason.

use std::ops::Range;

use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::period::Period;
use kpi::unit::UnitPosition;

/// How a figure that was found is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    pub unit: UnitPosition,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// The text takes the number back: `không phải 500 mà là 520`.
    Corrected,
    /// The number is a plan, a target or an estimate.
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

impl SkipReason {
    /// All reasons.
    pub const ALL: [Self; 12] = [
        Self::NoPattern,
        Self::MalformedNumber,
        Self::Range,
        Self::Comparison,
        Self::Corrected,
        Self::Plan,
        Self::WiderPeriod,
        Self::EarlierPeriod,
        Self::Ambiguous,
        Self::OtherUnit,
        Self::StatedTwice,
        Self::Repeated,
    ];

    /// The code in responses.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoPattern => "no_pattern",
            Self::MalformedNumber => "malformed_number",
            Self::Range => "range",
            Self::Comparison => "comparison",
            Self::Corrected => "corrected",
            Self::Plan => "plan",
            Self::WiderPeriod => "wider_period",
            Self::EarlierPeriod => "earlier_period",
            Self::Ambiguous => "ambiguous",
            Self::OtherUnit => "other_unit",
            Self::StatedTwice => "stated_twice",
            Self::Repeated => "repeated",
        }
    }

    /// The reason as a sentence, in English and in Vietnamese.
    #[must_use]
    pub fn sentences(self) -> (&'static str, &'static str) {
        match self {
            Self::NoPattern => (
                "No pattern of the catalogue matches the words around the number.",
                "Không có mẫu nhận dạng nào của danh mục khớp với các từ quanh số này.",
            ),
            Self::MalformedNumber => (
                "The digits are not a valid number, some of them are letters, or it is too large.",
                "Các chữ số không phải là số hợp lệ, có chữ cái thay chữ số, hoặc số quá lớn.",
            ),
            Self::Range => {
                ("The number is one end of a range.", "Số này là một đầu của một khoảng.")
            }
            Self::Comparison => (
                "The number is an increase, a decrease or a comparison.",
                "Số này là mức tăng, giảm hoặc so sánh.",
            ),
            Self::Corrected => (
                "The text takes the number back, or does not say which number is right.",
                "Văn bản đính chính số này, hoặc không nêu rõ số nào là đúng.",
            ),
            Self::Plan => (
                "The number is a plan, target, estimate, demand or request, or of a later month.",
                "Số này là kế hoạch, mục tiêu, ước tính, yêu cầu, đề nghị, hoặc thuộc tháng sau.",
            ),
            Self::WiderPeriod => (
                "The number belongs to the year so far, or to another period wider than the \
                 report's.",
                "Số này là lũy kế từ đầu năm, hoặc thuộc kỳ dài hơn kỳ báo cáo.",
            ),
            Self::EarlierPeriod => (
                "The number belongs to an earlier time that the text does not give exactly.",
                "Số này thuộc một thời gian trước đó mà văn bản không ghi rõ.",
            ),
            Self::Ambiguous => {
                ("The number may be read in two ways.", "Số này có thể hiểu theo hai cách.")
            }
            Self::OtherUnit => (
                "The number belongs to another unit, office, tier or body, or to the whole \
                 country.",
                "Số này của đơn vị, cơ quan hoặc cấp khác, hoặc của cả nước.",
            ),
            Self::StatedTwice => (
                "The text states the same figure with two values; neither is taken.",
                "Văn bản nêu cùng một số liệu với hai giá trị; không giá trị nào được nhận.",
            ),
            Self::Repeated => (
                "The same figure with the same value was found before, and counts once.",
                "Số liệu này đã có ở trên với cùng giá trị, chỉ tính một lần.",
            ),
        }
    }
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
