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
    /// When it reads them.
    pub range: ReadRange,
    /// The ranges of the subqueries around it, the outermost first.
    pub around: Vec<ReadRange>,
}

/// The range that a selector or subquery reads, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadRange {
    /// Its length; 0 for an instant.
    pub length: i64,
    /// `offset`.
    pub offset: i64,
    /// Fixed time (`@`).
    pub at: Option<SelectorTime>,
}

impl ReadRange {
    /// Its beginning and end when it is evaluated at `time` in a query of the time span `span`.
    #[must_use]
    pub fn window(&self, time: i64, span: (i64, i64)) -> (i64, i64) {
        let end = self.at.map_or(time, |at| at.resolve(span)) - self.offset;
        (end - self.length, end)
    }
}

impl SeriesSelector {
    /// The months that it reads in a query from `start` to `end`.
    #[must_use]
    pub fn months(&self, start: i64, end: i64) -> (Month, Month) {
        let ranges = self.around.iter().chain([&self.range]);
        let (from, to) = ranges.fold((start, end), |(from, to), range| {
            (range.window(from, (start, end)).0, range.window(to, (start, end)).1)
        });
        (month_of(from), month_of(to))
    }

    /// The months that it reads when a query of the time span `span` is evaluated at `time`: the
    /// month of that time, or with a range those of which the first instant lies in it.
    #[must_use]
    pub fn window(&self, time: i64, span: (i64, i64)) -> (Month, Month) {
        let (since, until) = self.range.window(time, span);
        let last = month_of(until);
        if self.range.length == 0 {
            return (last, last);
        }
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

impl SelectorTime {
    /// The time in a query from `start` to `end`.
    #[must_use]
    pub fn resolve(self, (start, end): (i64, i64)) -> i64 {
        match self {
            Self::Start => start,
            Self::End => end,
            Self::Time(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_time;

    #[test]
    fn a_selector_reads_the_months_of_all_subqueries_around_it() {
        let day = 86_400_000;
        let range = |days: i64, offset: i64, at| ReadRange { length: days * day, offset, at };
        let at = |text: &str| parse_time(text).unwrap();
        let mut selector = SeriesSelector {
            name: None,
            matchers: Matchers::empty(),
            range: range(31, 0, None),
            around: vec![range(365, 0, None), range(60, 30 * day, None)],
        };
        let months = |selector: &SeriesSelector| {
            let found = selector.months(at("2021-06-15T00:00:00Z"), at("2021-12-15T00:00:00Z"));
            format!("{} {}", found.0, found.1)
        };
        // 365 + 60 + 30 + 31 days before the start, and 30 days before the end.
        assert_eq!(months(&selector), "2020-02 2021-11");
        selector.range.at = Some(SelectorTime::Time(at("2019-03-01T00:00:00Z")));
        assert_eq!(months(&selector), "2019-01 2019-03");
    }
}
