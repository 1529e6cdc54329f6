//! The series and times that a selector of a query reads.

use promql_parser::label::Matchers;

use super::time::{first_instant, month_of};
use kpi::period::Month;

/// The series and times that a selector reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeriesSelector {
    /// The metric when it is named outside the braces.
    pub name: Option<String>,
    /// Conditions on the labels.
    pub matchers: Matchers,
    /// `offset` in milliseconds.
    pub offset: i64,
    /// Fixed time (`@`).
    pub at: Option<SelectorTime>,
    /// Length of the range in milliseconds; 0 for an instant.
    pub range: i64,
}

impl SeriesSelector {
    /// The months that it reads in a query from `start` to `end`.
    #[must_use]
    pub fn months(&self, start: i64, end: i64) -> (Month, Month) {
        let (from, to) = match self.at {
            None => (start, end),
            Some(SelectorTime::Start) => (start, start),
            Some(SelectorTime::End) => (end, end),
            Some(SelectorTime::Time(time)) => (time, time),
        };
        (month_of(from - self.offset - self.range), month_of(to - self.offset))
    }

    /// The months that it reads when a query of the time span `start` to `end` is evaluated at
    /// `time`: the month of that time, or with a range those of which the first instant lies in it.
    #[must_use]
    pub fn window(&self, time: i64, (start, end): (i64, i64)) -> (Month, Month) {
        let until = match self.at {
            None => time,
            Some(SelectorTime::Start) => start,
            Some(SelectorTime::End) => end,
            Some(SelectorTime::Time(time)) => time,
        } - self.offset;
        let last = month_of(until);
        if self.range == 0 {
            return (last, last);
        }
        let since = until - self.range;
        let month = month_of(since);
        (if first_instant(month) < since { month.plus(1) } else { month }, last)
    }
}

/// Fixed time (`@`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelectorTime {
    /// `start()` of the query.
    Start,
    /// `end()` of the query.
    End,
    /// A time in milliseconds since 1970.
    Time(i64),
}
