//! Expectations: which units report which measures every month, and until when
//! (docs/specification.md#expectations).

use chrono::{Datelike, NaiveDate};

use super::measure::{Measure, Members};
use super::period::Month;
use super::unit::{UnitForest, UnitKind, UnitPosition};

/// A valid expectation: units of some kinds report some measures every month.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Its code.
    pub code: String,
    /// The kinds of units that report.
    pub kinds: Vec<UnitKind>,
    /// Code of a unit: the expectation applies to it and all units below it. Absent: every unit.
    pub unit: Option<String>,
    /// The measures that are reported.
    pub measures: Vec<Measure>,
    /// The last day of the next month on which a report is on time.
    pub due_day: u32,
    /// The day on which the reporting window begins. 1 is the calendar month; 15 is from the 15th
    /// of the month before to the 14th.
    pub window_from_day: u32,
    /// First month; open when absent.
    pub from: Option<Month>,
    /// Last month; open when absent.
    pub to: Option<Month>,
}

/// Months in which the figures of an indicator do not apply to a unit
/// (docs/specification.md#figures-that-do-not-apply).
#[derive(Clone, PartialEq, Debug)]
pub struct NotApplicableSpan {
    /// Code of the unit.
    pub unit: String,
    /// The figures with these members, and with more of them.
    pub members: Members,
    /// First month; open when absent.
    pub from: Option<Month>,
    /// Last month; open when absent.
    pub to: Option<Month>,
}

impl NotApplicableSpan {
    /// Whether the span includes a month.
    #[must_use]
    pub fn includes(&self, month: Month) -> bool {
        self.from.is_none_or(|from| from <= month) && self.to.is_none_or(|to| month <= to)
    }
}

impl Expectation {
    /// Whether the expectation applies to a unit in a month.
    #[must_use]
    pub fn applies_to(&self, units: &UnitForest, unit: UnitPosition, month: Month) -> bool {
        let Some(here) = units.get(unit) else { return false };
        let below = |top: &String| {
            std::iter::once(unit).chain(units.ancestors(unit)).any(|place| units.code(place) == top)
        };
        here.exists(month)
            && self.kinds.contains(&here.document.kind)
            && self.from.is_none_or(|from| from <= month)
            && self.to.is_none_or(|to| month <= to)
            && self.unit.as_ref().is_none_or(below)
    }

    /// First and last day of the reporting window of a month.
    #[must_use]
    pub fn window(&self, month: Month) -> (NaiveDate, NaiveDate) {
        if self.window_from_day <= 1 {
            return (month.first_day(), month.last_day());
        }
        let from = day_of(month.plus(-1), self.window_from_day);
        let to = day_of(month, self.window_from_day).pred_opt().unwrap_or_default();
        (from, to)
    }

    /// The last day on which a report for a month is on time.
    #[must_use]
    pub fn deadline(&self, month: Month) -> NaiveDate {
        day_of(month.plus(1), self.due_day)
    }
}

/// A day of a month; the last day when the month is shorter.
fn day_of(month: Month, day: u32) -> NaiveDate {
    let last = month.last_day();
    last.with_day(day.clamp(1, last.day())).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_deadlines_follow_the_calendar() {
        let of = |window_from_day, due_day| Expectation {
            code: "x".to_owned(),
            kinds: Vec::new(),
            unit: None,
            measures: Vec::new(),
            due_day,
            window_from_day,
            from: None,
            to: None,
        };
        let shown = |expectation: &Expectation, month: &str| {
            let month = month.parse().unwrap();
            let (from, to) = expectation.window(month);
            format!("{from} {to} {}", expectation.deadline(month))
        };
        assert_eq!(shown(&of(15, 5), "2021-10"), "2021-09-15 2021-10-14 2021-11-05");
        assert_eq!(shown(&of(15, 5), "2021-01"), "2020-12-15 2021-01-14 2021-02-05");
        assert_eq!(shown(&of(1, 31), "2021-01"), "2021-01-01 2021-01-31 2021-02-28");
        assert_eq!(shown(&of(28, 1), "2021-12"), "2021-11-28 2021-12-27 2022-01-01");
    }
}
