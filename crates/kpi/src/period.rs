//! Months, wider periods and calendar arithmetic (docs/specification.md#periods).

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

/// A calendar month, kept as the number of months since year 0.
///
/// ```
/// use kpi::period::Month;
/// let october: Month = "2021-10".parse().unwrap();
/// assert_eq!(october.plus(3).to_string(), "2022-01");
/// assert_eq!(october.plus(-12).to_string(), "2020-10");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month(i32);

/// The first month that the service knows.
pub const FIRST_MONTH: Month = Month(1900 * 12);
/// The last month that the service knows.
pub const LAST_MONTH: Month = Month(2199 * 12 + 11);

impl Month {
    /// A month from a year (1900 to 2199) and the month of the year (1 to 12).
    #[must_use]
    pub fn new(year: i32, month: u32) -> Option<Self> {
        let month0 = i32::try_from(month.checked_sub(1)?).ok().filter(|m| *m < 12)?;
        let found = Self(year.checked_mul(12)?.checked_add(month0)?);
        (FIRST_MONTH..=LAST_MONTH).contains(&found).then_some(found)
    }

    /// The number under which the ledger keeps the month: months since year 0.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The month with a [`Month::number`], if it is a known month.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        (FIRST_MONTH..=LAST_MONTH).contains(&Self(number)).then_some(Self(number))
    }

    /// The month that a day lies in.
    #[must_use]
    pub fn of(day: NaiveDate) -> Self {
        Self(day.year() * 12 + i32::try_from(day.month0()).unwrap_or(0))
    }

    /// The month `months` later, or earlier when negative. The result may be outside the known
    /// months.
    #[must_use]
    pub fn plus(self, months: i32) -> Self {
        Self(self.0.saturating_add(months))
    }

    /// The number of months from `other` to this one.
    #[must_use]
    pub fn since(self, other: Self) -> i32 {
        self.0 - other.0
    }

    /// The year.
    #[must_use]
    pub fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// The month of the year, 1 to 12.
    #[must_use]
    pub fn month(self) -> u32 {
        u32::try_from(self.0.rem_euclid(12)).unwrap_or(0) + 1
    }

    /// The first day.
    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year(), self.month(), 1).unwrap_or(NaiveDate::MIN)
    }

    /// The last day; on it a unit must be valid to exist in the month
    /// (docs/specification.md#units).
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.plus(1).first_day().pred_opt().unwrap_or(NaiveDate::MIN)
    }

    /// The number of its days.
    #[must_use]
    pub fn days(self) -> u32 {
        self.last_day().day()
    }

    /// January of the same year.
    #[must_use]
    pub fn january(self) -> Self {
        Self(self.year() * 12)
    }
}

impl Month {
    /// The characters of the text: `2021-10`. They are made digit by digit, because `{:04}` takes
    /// most of the time of short responses.
    #[must_use]
    pub fn ascii(self) -> [u8; 7] {
        let (year, month) = (self.year(), i32::try_from(self.month()).unwrap_or(0));
        let [year, month] = [year, month].map(|n| move |unit: i32| digit(n / unit));
        [year(1000), year(100), year(10), year(1), b'-', month(10), month(1)]
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.ascii()).map_err(|_e| fmt::Error)?)
    }
}

/// The last decimal digit of a number.
fn digit(number: i32) -> u8 {
    u8::try_from(number.rem_euclid(10)).map_or(b'0', |digit| b'0' + digit)
}

/// As text: `2021-10`.
impl serde::Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a period, month or step cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is not {1}")]
pub struct PeriodError(String, &'static str);

impl FromStr for Month {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let fault = || {
            PeriodError(
                truncate_text(text),
                "a month written YYYY-MM, such as 2021-10, from 1900-01 to 2199-12",
            )
        };
        let (year, month) = text.split_once('-').ok_or_else(fault)?;
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(fault());
        }
        let (year, month) =
            (year.parse().map_err(|_e| fault())?, month.parse().map_err(|_e| fault())?);
        Self::new(year, month).ok_or_else(fault)
    }
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn truncate_text(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The width of a period.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Step {
    /// One month.
    #[default]
    Month,
    /// Three months: `2021-Q3`.
    Quarter,
    /// Six months: `2021-H1`.
    Half,
    /// January to September: `2021-9M`. Vietnamese reports have nine-month figures.
    NineMonths,
    /// Twelve months: `2021`.
    Year,
    /// This number of months, from any month: `2020-10..2021-03`. Only a query makes such a span;
    /// it belongs to no sequence of periods.
    Span(u16),
}

impl Step {
    /// Every step of the calendar, narrowest first.
    pub const ALL: [Self; 5] =
        [Self::Month, Self::Quarter, Self::Half, Self::NineMonths, Self::Year];

    /// The number of months in a period of this step.
    #[must_use]
    pub fn months(self) -> i32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Half => 6,
            Self::NineMonths => 9,
            Self::Year => 12,
            Self::Span(months) => i32::from(months),
        }
    }

    /// The name in queries: `month`, `quarter`, `half`, `9m` or `year`; `span` in responses to a
    /// query for a span.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Half => "half",
            Self::NineMonths => "9m",
            Self::Year => "year",
            Self::Span(_) => "span",
        }
    }

    /// The number of months between the beginnings of two neighbouring periods.
    fn stride(self) -> i32 {
        if self == Self::NineMonths { 12 } else { self.months() }
    }
}

impl FromStr for Step {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        Self::ALL.into_iter().find(|step| step.name() == text).ok_or_else(|| {
            PeriodError(truncate_text(text), "one of month, quarter, half, 9m, year")
        })
    }
}

/// What a span looks like.
const SPAN: &str = "a span of months, such as 2020-10..2021-03";

/// A month or a wider period.
///
/// ```
/// use kpi::period::Period;
/// let quarter: Period = "2021-Q1".parse().unwrap();
/// assert_eq!(quarter.previous().unwrap().to_string(), "2020-Q4");
/// let nine: Period = "2021-9M".parse().unwrap();
/// assert_eq!(nine.previous(), None); // no nine-month period comes directly before
/// assert_eq!(nine.year_before().to_string(), "2020-9M");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Period {
    step: Step,
    first: Month,
}

impl Period {
    /// The period of a step that a month lies in. October to December belong to the `9M` of their
    /// year too. A span begins with the month.
    #[must_use]
    pub fn containing(step: Step, month: Month) -> Self {
        if let Step::Span(_) = step {
            return Self { step, first: month };
        }
        let into = month.since(month.january());
        Self { step, first: month.january().plus(into - into % step.stride()) }
    }

    /// Appends its text, as it is displayed.
    pub fn write_to(self, text: &mut Vec<u8>) {
        if self.step == Step::Month {
            text.extend_from_slice(&self.first.ascii());
        } else {
            text.extend_from_slice(self.to_string().as_bytes());
        }
    }

    /// A span of months. `None` if it ends before it begins.
    #[must_use]
    pub fn span(first: Month, last: Month) -> Option<Self> {
        let months = u16::try_from(last.since(first).checked_add(1)?).ok()?;
        (months > 0).then_some(Self { step: Step::Span(months), first })
    }

    /// A period as it is displayed: one of the calendar, or a span.
    ///
    /// # Errors
    /// For any other text.
    pub fn of_display(text: &str) -> Result<Self, PeriodError> {
        text.parse().or_else(|error| {
            let (first, last) = text.split_once("..").ok_or(error)?;
            let fault = || PeriodError(truncate_text(text), SPAN);
            let (first, last): (Month, Month) =
                (first.parse().map_err(|_e| fault())?, last.parse().map_err(|_e| fault())?);
            Self::span(first, last).ok_or_else(fault)
        })
    }

    /// The width of the period.
    #[must_use]
    pub fn step(self) -> Step {
        self.step
    }

    /// The first month.
    #[must_use]
    pub fn first(self) -> Month {
        self.first
    }

    /// The last month.
    #[must_use]
    pub fn last(self) -> Month {
        self.first.plus(self.step.months() - 1)
    }

    /// The months in order.
    pub fn months(self) -> impl DoubleEndedIterator<Item = Month> + ExactSizeIterator {
        (0..self.step.months()).map(move |n| self.first.plus(n))
    }

    /// The calendar period before. `None` for nine months and for spans
    /// (docs/specification.md#not-applicable).
    #[must_use]
    pub fn previous(self) -> Option<Self> {
        match self.step {
            Step::NineMonths | Step::Span(_) => None,
            Step::Month | Step::Quarter | Step::Half | Step::Year => {
                Some(Self { first: self.first.plus(-self.step.months()), ..self })
            }
        }
    }

    /// The next period of the same step.
    #[must_use]
    pub fn next(self) -> Self {
        Self { first: self.first.plus(self.step.stride()), ..self }
    }

    /// The period `periods` steps earlier.
    #[must_use]
    pub fn back(self, periods: i32) -> Self {
        let months = self.step.stride().saturating_mul(periods).saturating_neg();
        Self { first: self.first.plus(months), ..self }
    }

    /// The same period a year before.
    #[must_use]
    pub fn year_before(self) -> Self {
        Self { first: self.first.plus(-12), ..self }
    }

    /// The timestamp of the period's point: 00:00 UTC on its first day, in RFC 3339.
    #[must_use]
    pub fn time(self) -> String {
        format!("{}-01T00:00:00Z", self.first)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year = self.first.year();
        let nth = self.first.since(self.first.january()) / self.step.stride() + 1;
        match self.step {
            Step::Month => write!(f, "{}", self.first),
            Step::Quarter => write!(f, "{year:04}-Q{nth}"),
            Step::Half => write!(f, "{year:04}-H{nth}"),
            Step::NineMonths => write!(f, "{year:04}-9M"),
            Step::Year => write!(f, "{year:04}"),
            Step::Span(_) => write!(f, "{}..{}", self.first, self.last()),
        }
    }
}

/// As text, as it is displayed.
impl serde::Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let fault = || {
            PeriodError(truncate_text(text), "a period: 2021-10, 2021-Q3, 2021-H1, 2021-9M or 2021")
        };
        let (year, rest) =
            text.split_once('-').map_or((text, None), |(year, rest)| (year, Some(rest)));
        if year.len() != 4 || !digits(year) {
            return Err(fault());
        }
        let year: i32 = year.parse().map_err(|_e| fault())?;
        let (step, month) = match rest {
            None => (Step::Year, 1),
            Some("9M") => (Step::NineMonths, 1),
            Some("Q1") => (Step::Quarter, 1),
            Some("Q2") => (Step::Quarter, 4),
            Some("Q3") => (Step::Quarter, 7),
            Some("Q4") => (Step::Quarter, 10),
            Some("H1") => (Step::Half, 1),
            Some("H2") => (Step::Half, 7),
            Some(month) if month.len() == 2 && digits(month) => {
                (Step::Month, month.parse().map_err(|_e| fault())?)
            }
            Some(_) => return Err(fault()),
        };
        let first = Month::new(year, month).ok_or_else(fault)?;
        Ok(Self { step, first })
    }
}

/// Periods of one step that are named relative to the current month: `this_year`, `last_quarter`,
/// `last_12_months`. What begins with `last` is complete: it ends before the current period.
///
/// ```
/// use kpi::period::{Month, PeriodName};
/// let may: Month = "2021-05".parse().unwrap();
/// let (from, to) = "last_12_months".parse::<PeriodName>().unwrap().at(may);
/// assert_eq!((from.to_string(), to.to_string()), ("2020-05".to_owned(), "2021-04".to_owned()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RelativePeriods {
    step: Step,
    /// The number of periods before the current one; `None` is the current one itself.
    before: Option<i32>,
}

/// The largest number of periods that [`RelativePeriods`] names.
const MAX_RELATIVE: i32 = 600;

impl RelativePeriods {
    /// The steps with the names of one and of several of their periods.
    const NAMES: [(Step, &str, &str); 4] = [
        (Step::Month, "month", "months"),
        (Step::Quarter, "quarter", "quarters"),
        (Step::Half, "half", "halves"),
        (Step::Year, "year", "years"),
    ];

    /// The step of the periods.
    #[must_use]
    pub fn step(self) -> Step {
        self.step
    }

    /// Whether it is one period.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.before.is_none_or(|count| count == 1)
    }

    /// The first and the last period, seen from the current month.
    #[must_use]
    pub fn at(self, current: Month) -> (Period, Period) {
        let this = Period::containing(self.step, current);
        self.before.map_or((this, this), |count| (this.back(count), this.back(1)))
    }

    fn parse(text: &str) -> Option<Self> {
        let one = |name: &str| Self::NAMES.iter().find(|(_, one, _)| *one == name);
        let several = |name: &str| Self::NAMES.iter().find(|(_, _, several)| *several == name);
        if let Some((step, ..)) = text.strip_prefix("this_").and_then(one) {
            return Some(Self { step: *step, before: None });
        }
        let last = text.strip_prefix("last_")?;
        if let Some((step, ..)) = one(last) {
            return Some(Self { step: *step, before: Some(1) });
        }
        let (count, name) = last.split_once('_')?;
        let number = count.parse().ok().filter(|number| (1..=MAX_RELATIVE).contains(number))?;
        let is_plain = !count.starts_with(['0', '+']);
        several(name)
            .filter(|_| is_plain)
            .map(|(step, ..)| Self { step: *step, before: Some(number) })
    }
}

/// Periods as a query names them: one of the calendar, or relative to the current month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeriodName {
    /// A period of the calendar.
    Calendar(Period),
    /// Periods relative to the current month.
    Relative(RelativePeriods),
}

impl PeriodName {
    /// The step of the periods.
    #[must_use]
    pub fn step(self) -> Step {
        match self {
            Self::Calendar(period) => period.step(),
            Self::Relative(periods) => periods.step(),
        }
    }

    /// Whether it is one period.
    #[must_use]
    pub fn is_single(self) -> bool {
        match self {
            Self::Calendar(_) => true,
            Self::Relative(periods) => periods.is_single(),
        }
    }

    /// The first and the last period, seen from the current month.
    #[must_use]
    pub fn at(self, current: Month) -> (Period, Period) {
        match self {
            Self::Calendar(period) => (period, period),
            Self::Relative(periods) => periods.at(current),
        }
    }
}

impl FromStr for PeriodName {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        if let Some(periods) = RelativePeriods::parse(text) {
            return Ok(Self::Relative(periods));
        }
        let fault = |_calendar| {
            PeriodError(
                truncate_text(text),
                "a period: 2021-10, 2021-Q3, 2021-H1, 2021-9M, 2021, or a name such as \
                 this_year, last_month or last_12_months",
            )
        };
        text.parse().map(Self::Calendar).map_err(fault)
    }
}

/// Consecutive months over which figures are aggregated: those of a period, or months that are no
/// calendar period, such as January up to a month or the last twelve months.
///
/// ```
/// use kpi::period::{Month, MonthSpan};
/// let may: Month = "2021-05".parse().unwrap();
/// assert_eq!(MonthSpan::year_to(may).months().len(), 5);
/// assert_eq!(MonthSpan::ending(may, 12).first().to_string(), "2020-06");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MonthSpan {
    first: Month,
    last: Month,
    has_prior: bool,
}

impl MonthSpan {
    /// January of the year up to a month.
    #[must_use]
    pub fn year_to(last: Month) -> Self {
        Self { first: last.january(), last, has_prior: false }
    }

    /// This number of months, up to a month.
    #[must_use]
    pub fn ending(last: Month, count: i32) -> Self {
        Self { first: last.plus(1 - count), last, has_prior: false }
    }

    /// The same months of the year before.
    #[must_use]
    pub fn year_before(self) -> Self {
        Self { first: self.first.plus(-12), last: self.last.plus(-12), ..self }
    }

    /// The first month.
    #[must_use]
    pub fn first(self) -> Month {
        self.first
    }

    /// The last month.
    #[must_use]
    pub fn last(self) -> Month {
        self.last
    }

    /// Whether a calendar period comes before, so that `prev()` reads it
    /// (docs/specification.md#wider-periods).
    #[must_use]
    pub fn has_prior(self) -> bool {
        self.has_prior
    }

    /// Whether it has one month.
    #[must_use]
    pub fn is_month(self) -> bool {
        self.first == self.last
    }

    /// The months in order.
    pub fn months(self) -> impl DoubleEndedIterator<Item = Month> + ExactSizeIterator {
        (0..self.last.since(self.first) + 1).map(move |n| self.first.plus(n))
    }
}

impl From<Period> for MonthSpan {
    fn from(period: Period) -> Self {
        Self { first: period.first(), last: period.last(), has_prior: period.previous().is_some() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_print_as_they_are_parsed() {
        for text in ["2021-10", "2021-Q3", "2021-H1", "2021-H2", "2021-9M", "2021", "2021-Q4"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn invalid_periods_are_refused() {
        for text in [
            "2021-13",
            "2021-00",
            "21-10",
            "2021-Q5",
            "2021-H3",
            "2021-1",
            "",
            "2021-10-01",
            "x",
            "1899-12",
            "2021-9m",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_displayed_as_its_months_and_has_no_period_before() {
        let month = |text: &str| text.parse::<Month>().unwrap();
        let span = Period::span(month("2020-10"), month("2021-03")).unwrap();
        assert_eq!(span.to_string(), "2020-10..2021-03");
        assert_eq!(span.year_before().to_string(), "2019-10..2020-03");
        assert_eq!((span.previous(), span.months().len()), (None, 6));
        assert_eq!(Period::of_display("2020-10..2021-03"), Ok(span));
        assert_eq!(Period::of_display("2021-Q1"), "2021-Q1".parse());
        assert_eq!(Period::span(month("2021-01"), month("2020-12")), None);
        for text in ["2021-01..2020-12", "2021-Q1..2021-Q2", "2021-01..", "2021-01", ""] {
            assert_eq!(Period::of_display(text).is_ok(), text == "2021-01", "{text}");
        }
        assert!("2020-10..2021-03".parse::<Period>().is_err(), "only a query for a span has one");
    }

    #[test]
    fn a_february_ends_on_its_leap_day() {
        let february: Month = "2024-02".parse().unwrap();
        assert_eq!(february.last_day().to_string(), "2024-02-29");
    }

    #[test]
    fn the_period_before_january_is_december() {
        let before = |text: &str| text.parse::<Period>().unwrap().previous().unwrap().to_string();
        assert_eq!(before("2021-01"), "2020-12");
        assert_eq!(before("2021-H1"), "2020-H2");
        assert_eq!(before("2021"), "2020");
    }

    #[test]
    fn a_month_lies_in_its_quarter_and_half() {
        let august: Month = "2021-08".parse().unwrap();
        let text = |step| Period::containing(step, august).to_string();
        assert_eq!(text(Step::Quarter), "2021-Q3");
        assert_eq!(text(Step::Half), "2021-H2");
        assert_eq!(text(Step::NineMonths), "2021-9M");
    }

    #[test]
    fn relative_periods_are_seen_from_the_current_month() {
        let seen = |name: &str, current: &str| {
            let (from, to) = name.parse::<PeriodName>().unwrap().at(current.parse().unwrap());
            format!("{from} {to}")
        };
        for (name, expected) in [
            ("this_month", "2021-02 2021-02"),
            ("last_month", "2021-01 2021-01"),
            ("this_quarter", "2021-Q1 2021-Q1"),
            ("last_quarter", "2020-Q4 2020-Q4"),
            ("this_half", "2021-H1 2021-H1"),
            ("last_half", "2020-H2 2020-H2"),
            ("this_year", "2021 2021"),
            ("last_year", "2020 2020"),
            ("last_12_months", "2020-02 2021-01"),
            ("last_1_months", "2021-01 2021-01"),
            ("last_4_quarters", "2020-Q1 2020-Q4"),
            ("last_3_halves", "2019-H2 2020-H2"),
            ("last_5_years", "2016 2020"),
            ("2021-9M", "2021-9M 2021-9M"),
        ] {
            assert_eq!(seen(name, "2021-02"), expected, "{name}");
        }
        assert_eq!(seen("last_month", "2021-01"), "2020-12 2020-12");
    }

    #[test]
    fn other_names_are_no_periods() {
        for name in [
            "this_9m",
            "last_12_month",
            "last_0_months",
            "last_601_months",
            "last_012_months",
            "last_+3_months",
            "last_months",
            "this_2_years",
            "next_year",
            "THIS_YEAR",
            "today",
            "",
        ] {
            assert!(name.parse::<PeriodName>().is_err(), "{name}");
        }
    }
}
