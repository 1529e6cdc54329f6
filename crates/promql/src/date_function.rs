//! Functions of the date of a time, such as `month`. Times are in UTC.

use chrono::{DateTime, Datelike, Timelike};

/// A function of the date of a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateFunction {
    /// `year`
    Year,
    /// `month`: 1 to 12
    Month,
    /// `day_of_month`: 1 to 31
    DayOfMonth,
    /// `day_of_week`: 0 (Sunday) to 6
    DayOfWeek,
    /// `day_of_year`: 1 to 366
    DayOfYear,
    /// `days_in_month`: 28 to 31
    DaysInMonth,
    /// `hour`: 0 to 23
    Hour,
    /// `minute`: 0 to 59
    Minute,
}

impl DateFunction {
    /// Finds a function by its PromQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "year" => Self::Year,
            "month" => Self::Month,
            "day_of_month" => Self::DayOfMonth,
            "day_of_week" => Self::DayOfWeek,
            "day_of_year" => Self::DayOfYear,
            "days_in_month" => Self::DaysInMonth,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            _ => return None,
        })
    }

    /// The result for a number of seconds since 1970; NaN when it is no time of the calendar.
    #[must_use]
    pub fn number(self, seconds: f64) -> f64 {
        let Some(time) = whole(seconds).and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        else {
            return f64::NAN;
        };
        match self {
            Self::Year => f64::from(time.year()),
            Self::Month => f64::from(time.month()),
            Self::DayOfMonth => f64::from(time.day()),
            Self::DayOfWeek => f64::from(time.weekday().num_days_from_sunday()),
            Self::DayOfYear => f64::from(time.ordinal()),
            Self::DaysInMonth => f64::from(time.num_days_in_month()),
            Self::Hour => f64::from(time.hour()),
            Self::Minute => f64::from(time.minute()),
        }
    }
}

/// The whole seconds; none when the number is too large for any calendar.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "it is within a small range"
)]
fn whole(seconds: f64) -> Option<i64> {
    (seconds.abs() < 1e15).then_some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_utc() {
        let of = |name: &str, seconds: f64| DateFunction::named(name).unwrap().number(seconds);
        // Thursday, 29 February 2024, 23:59:30.
        let leap = 1_709_251_170.0;
        for (name, expected) in [
            ("year", 2024.0),
            ("month", 2.0),
            ("day_of_month", 29.0),
            ("day_of_week", 4.0),
            ("day_of_year", 60.0),
            ("days_in_month", 29.0),
            ("hour", 23.0),
            ("minute", 59.0),
        ] {
            assert_eq!(of(name, leap), expected, "{name}");
        }
        assert_eq!(of("day_of_week", 1_709_424_000.0), 0.0, "Sunday, 3 March 2024");
        assert_eq!(of("year", -1.0), 1969.0);
        assert!([f64::NAN, f64::INFINITY, 1e300].iter().all(|no| of("year", *no).is_nan()));
    }
}
