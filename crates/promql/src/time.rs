//! Times and durations in Prometheus' notation, and the first instants of months. All times are in
//! milliseconds since 1970.

use chrono::{DateTime, NaiveTime};

use kpi::period::{FIRST_MONTH, LAST_MONTH, Month};

/// Seconds between 1970 and the end of 2199. Times farther away, before or after, are refused.
const FURTHEST: f64 = 7_258_118_400.0;

/// The month of a time; the first or last supported month when the time lies outside.
#[must_use]
pub fn month_of(time: i64) -> Month {
    let earliest = first_instant(FIRST_MONTH);
    let date = DateTime::from_timestamp_millis(time.max(earliest)).map(|time| time.date_naive());
    date.map_or(LAST_MONTH, Month::of).clamp(FIRST_MONTH, LAST_MONTH)
}

/// The first instant of a month.
#[must_use]
pub fn first_instant(month: Month) -> i64 {
    month.first_day().and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

/// The first instant of a month in seconds.
#[must_use]
pub fn first_second(month: Month) -> i64 {
    first_instant(month) / 1000
}

/// Parses a time: seconds since 1970, or RFC 3339.
///
/// # Errors
/// Prometheus' message for an invalid value.
pub fn parse_time(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds)
            .ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp"));
    }
    // URL decoding has turned an unescaped plus sign into a space.
    let time = DateTime::parse_from_rfc3339(&text.replace(' ', "+"))
        .map_err(|_malformed| format!("cannot parse {text:?} to a valid timestamp"))?;
    Ok(time.timestamp_millis())
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the value was checked to be within the range of i64"
)]
fn milliseconds(seconds: f64) -> Option<i64> {
    (seconds.abs() <= FURTHEST).then(|| (seconds * 1e3).round() as i64)
}

/// Parses a duration: seconds, or units such as `1d`, `1h30m`, `500ms`. There is no unit for
/// months.
///
/// # Errors
/// Prometheus' message for an invalid value.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let fault = || format!("cannot parse {text:?} to a valid duration");
    if let Ok(seconds) = text.parse::<f64>() {
        return milliseconds(seconds).ok_or_else(fault);
    }
    let duration = promql_parser::util::parse_duration(text).map_err(|_malformed| fault())?;
    i64::try_from(duration.as_millis())
        .ok()
        .filter(|duration| milliseconds(kpi::number::float(*duration) / 1e3).is_some())
        .ok_or_else(fault)
}

/// Formats a time in seconds, with milliseconds if it has any.
#[must_use]
pub fn format_seconds(time: i64) -> String {
    let (seconds, rest) = (time.div_euclid(1000), time.rem_euclid(1000));
    if rest == 0 { seconds.to_string() } else { format!("{:.3}", kpi::number::float(time) / 1e3) }
}

/// Formats a value as Prometheus does.
#[must_use]
pub fn format_value(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        _ if value == f64::INFINITY => "+Inf".to_owned(),
        _ if value == f64::NEG_INFINITY => "-Inf".to_owned(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_as_prometheus_parses_them() {
        assert_eq!(parse_time("4"), Ok(4_000));
        assert_eq!(parse_time("1435781430.781"), Ok(1_435_781_430_781));
        assert_eq!(parse_time("2021-10-01T07:00:00+07:00"), parse_time("2021-10-01T00:00:00Z"));
        assert!(
            parse_time("1e300").is_err()
                && parse_time("yesterday").is_err()
                && parse_time("NaN").is_err()
        );
        assert_eq!(
            (parse_duration("15"), parse_duration("1h30m"), parse_duration("0.5")),
            (Ok(15_000), Ok(5_400_000), Ok(500))
        );
        assert_eq!(
            (format_seconds(4_000).as_str(), format_seconds(1_435_781_430_781).as_str()),
            ("4", "1435781430.781")
        );
        assert_eq!(
            [1.5, f64::INFINITY, f64::NAN, 1e21].map(format_value),
            ["1.5", "+Inf", "NaN", "1000000000000000000000"]
        );
    }

    #[test]
    fn a_monthly_value_holds_until_the_next_month_begins() {
        let of = |text: &str| month_of(parse_time(text).unwrap()).to_string();
        assert_eq!(
            (
                of("2021-10-01T00:00:00Z").as_str(),
                of("2021-10-31T23:59:59.999Z").as_str(),
                of("2021-11-01T00:00:00Z").as_str()
            ),
            ("2021-10", "2021-10", "2021-11")
        );
        assert_eq!((of("-7258118400").as_str(), of("7258118400").as_str()), ("1900-01", "2199-12"));
        assert_eq!(
            first_instant("2021-10".parse().unwrap()),
            parse_time("2021-10-01T00:00:00Z").unwrap()
        );
    }
}
