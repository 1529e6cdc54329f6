//! Signs for periods in sequences: how a month, span or year relates to the period of the
//! report.

use chrono::{Datelike, Days, NaiveDate};
use kpi::period::{Month, Period, Step};
use kpi::phrase::sign;

/// Signs for periods relative to the report's period. [`sign`] has the other signs.
pub mod mark {
    /// The report's own period.
    pub const NOW: char = '\u{e010}';
    /// The month before.
    pub const MONTH_BEFORE: char = '\u{e011}';
    /// The same month a year before.
    pub const YEAR_BEFORE: char = '\u{e012}';
    /// Another earlier time.
    pub const EARLIER: char = '\u{e013}';
    /// A later time.
    pub const LATER: char = '\u{e014}';
    /// A wider period of the same year.
    pub const WIDER: char = '\u{e015}';
    /// The last month of a report's wider period.
    pub const LAST_MONTH: char = '\u{e017}';
    /// A day, by itself.
    pub const DAY: char = '\u{e018}';
    /// A day of the report's last month on which the month is not over.
    pub const PART: char = '\u{e019}';
    /// The same year.
    pub const YEAR: char = '\u{e016}';
}

/// The sign for a month, relative to a report's period.
#[must_use]
pub fn sign_of_month(period: Period, month: u32, year: Option<i32>) -> char {
    let own = period.last();
    let year = year.unwrap_or_else(|| {
        if month <= own.month() || month == own.month() + 1 { own.year() } else { own.year() - 1 }
    });
    let Some(named) = Month::new(year, month) else {
        return sign::REFERENCE;
    };
    match named.since(own) {
        0 if period.first() == own => mark::NOW,
        0 => mark::LAST_MONTH,
        -1 if period.first() == own => mark::MONTH_BEFORE,
        -12 if period.first() == own => mark::YEAR_BEFORE,
        months if months > 0 => mark::LATER,
        _ => mark::EARLIER,
    }
}

/// A day of a text; without a year it is in the year of the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MentionedDay {
    /// Day of the month.
    pub day: u32,
    /// Month, 1 to 12.
    pub month: u32,
    /// The year, if it is given.
    pub year: Option<i32>,
}

impl MentionedDay {
    fn date(self, period: Period) -> Option<NaiveDate> {
        let year = self.year.unwrap_or_else(|| period.last().year());
        NaiveDate::from_ymd_opt(year, self.month, self.day)
    }
}

/// The sign for the days from one to another, relative to a report's period. The reporting month of
/// Decree 09/2019/ND-CP, from the 15th of the month before to the 14th, is the month.
#[must_use]
pub fn sign_of_days(period: Period, first: MentionedDay, last: MentionedDay) -> char {
    let (Some(mut from), Some(to)) = (first.date(period), last.date(period)) else {
        return sign::REFERENCE;
    };
    if first.year.is_none() {
        // "từ 15/12 đến 14/01/2025" begins in the year before.
        from = from.with_year(to.year()).unwrap_or(from);
        if from > to {
            from = from.with_year(to.year() - 1).unwrap_or(from);
        }
    }
    let (own, end) = (period.first().first_day(), period.last().last_day());
    let half_a_month = 14;
    let by_decree = from == period.first().plus(-1).first_day() + Days::new(half_a_month)
        && to == period.last().first_day() + Days::new(half_a_month - 1);
    match () {
        () if (from, to) == (own, end) || by_decree => mark::NOW,
        () if to < own => mark::EARLIER,
        () if from > end => mark::LATER,
        () => mark::WIDER,
    }
}

/// The first day of a month on which reports count it as over.
const MONTH_OVER: u32 = 25;

/// The sign for the day up to which something is counted: that of an earlier time if the day is
/// before the last month of the report's period, and of a part of the month if it is not over.
#[must_use]
pub fn sign_of_end(period: Period, day: MentionedDay) -> char {
    match day.date(period) {
        Some(day) if day < period.last().first_day() => mark::EARLIER,
        Some(day) if day <= period.last().last_day() && day.day() < MONTH_OVER => mark::PART,
        _ => mark::DAY,
    }
}

/// The sign for a year or several months of it, relative to a report's period.
#[must_use]
pub fn sign_of_span(period: Period, last: u32, months: u32, year: Option<i32>) -> char {
    let own = period.last();
    let same_year = year.is_none_or(|year| year == own.year());
    let same = same_year
        && last == own.month()
        && i32::try_from(months).is_ok_and(|months| months == own.since(period.first()) + 1);
    match (same, same_year) {
        (true, _) => mark::NOW,
        (false, true) if last > own.month() => mark::LATER,
        (false, true) => mark::WIDER,
        (false, false) => mark::EARLIER,
    }
}

/// The sign for the quarter without a number, which is that of the report or of its month.
#[must_use]
pub fn sign_of_own_quarter(period: Period) -> char {
    match period.step() {
        Step::Quarter => mark::NOW,
        Step::Month => mark::WIDER,
        Step::Half | Step::NineMonths | Step::Year | Step::Span(_) => mark::EARLIER,
    }
}

/// The sign for a year, relative to a report's period.
#[must_use]
pub fn sign_of_year(period: Period, year: i32) -> char {
    let own = period.last().year();
    match year {
        _ if year == own
            && period.first() == period.last().january()
            && period.last().month() == 12 =>
        {
            mark::NOW
        }
        _ if year == own => mark::YEAR,
        _ if year > own => mark::LATER,
        _ => mark::EARLIER,
    }
}
