//! The responses, byte for byte as the service writes them with
//! `fields=value,delta,delta_percent,year_delta`.

use std::borrow::Cow;

use crate::figures::{Figures, Measure, month_text};

/// A part of a response of a common length.
const POINT: usize = 220;

/// A year before, in months.
const YEAR: usize = 12;

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, value: i64) {
    push(out, itoa::Buffer::new().format(value));
}

/// A number with at most six decimals, halves away from zero.
fn number(out: &mut Vec<u8>, value: f64) {
    let millionths = (value * 1e6).round();
    let shown = millionths / 1e6;
    if shown.fract() == 0.0 {
        push(out, itoa::Buffer::new().format(shown as i64));
    } else {
        push(out, ryu::Buffer::new().format_finite(shown));
    }
}

fn head(out: &mut Vec<u8>, figures: &Figures) {
    push(out, "{\"revision\":");
    push(out, &figures.revision);
    push(out, ",\"revision_hash\":\"");
    push(out, &figures.hash);
}

/// A field and its reason.
fn field(out: &mut Vec<u8>, name: &str, value: Result<f64, &str>) {
    push(out, ",\"");
    push(out, name);
    push(out, "\":");
    match value {
        Ok(value) => number(out, value),
        Err(_) => push(out, "null"),
    }
    push(out, ",\"");
    push(out, name);
    push(out, "_reason\":");
    match value {
        Ok(_) => push(out, "null"),
        Err(reason) => {
            push(out, "\"");
            push(out, reason);
            push(out, "\"");
        }
    }
}

/// A change of a count from a month `back` months before, or the reason why it cannot be given.
fn change(
    values: &[i64],
    place: usize,
    back: usize,
    broken: bool,
) -> Result<(i64, i64), &'static str> {
    match place.checked_sub(back) {
        _ if broken => Err("definition_changed"),
        None => Err("no_prior"),
        Some(prior) => Ok((values[place] - values[prior], values[prior])),
    }
}

/// A whole change, and its reason.
fn whole(out: &mut Vec<u8>, name: &str, change: Result<(i64, i64), &str>) {
    match change {
        Ok((change, _)) => {
            push(out, ",\"");
            push(out, name);
            push(out, "\":");
            integer(out, change);
            push(out, ",\"");
            push(out, name);
            push(out, "_reason\":null");
        }
        Err(reason) => field(out, name, Err(reason)),
    }
}

/// The four fields of a count, after those that begin a point. `month` is the month at `place`.
fn count_fields(out: &mut Vec<u8>, values: &[i64], place: usize, month: usize, breaks: &[usize]) {
    let broken = |back: usize| breaks.iter().any(|one| month < one + back && *one <= month);
    let (before, year) =
        (change(values, place, 1, broken(1)), change(values, place, YEAR, broken(YEAR)));
    push(out, ",\"value\":");
    integer(out, values[place]);
    push(out, ",\"value_reason\":null");
    whole(out, "delta", before);
    let percent = before.and_then(|(change, before)| match before {
        0 => Err("prior_zero"),
        _ => Ok(change as f64 / (before as f64).abs() * 100.0),
    });
    field(out, "delta_percent", percent);
    whole(out, "year_delta", year);
}

/// The numerator and the denominator of a rate, as a percentage.
fn percentage((over, under): (i64, i64)) -> Option<f64> {
    (under != 0).then(|| over as f64 / under as f64 * 100.0)
}

/// The four fields of a percentage, after those that begin a point.
fn rate_fields(out: &mut Vec<u8>, now: Option<f64>, before: Option<f64>, year: Option<f64>) {
    let change = |prior: Option<f64>| match (now, prior) {
        (Some(now), Some(prior)) => Ok(now - prior),
        (None, _) => Err("missing"),
        (_, None) => Err("no_prior"),
    };
    field(out, "value", now.ok_or("undefined"));
    field(out, "delta", change(before));
    push(out, ",\"delta_percent\":null,\"delta_percent_reason\":\"not_applicable\"");
    field(out, "year_delta", change(year));
}

/// `GET /series`.
pub fn series(
    figures: &Figures,
    measure: &str,
    units: &[Cow<'_, str>],
    from: usize,
    to: usize,
) -> Option<Vec<u8>> {
    let mut out =
        Vec::with_capacity(300 + units.len() * (120 + (to + 1).checked_sub(from)? * POINT));
    head(&mut out, figures);
    push(&mut out, "\",\"next_cursor\":null,\"series\":[");
    let (asked, start) = (figures.measure(measure)?, from.saturating_sub(YEAR));
    for (nth, unit) in units.iter().enumerate() {
        if nth > 0 {
            push(&mut out, ",");
        }
        push(&mut out, "{\"measure\":\"");
        push(&mut out, measure);
        push(&mut out, "\",\"unit\":\"");
        push(&mut out, unit);
        push(&mut out, "\",\"unit_of_measure\":\"");
        push(
            &mut out,
            match asked {
                Measure::Indicator(kept) => &kept.unit_of_measure,
                Measure::Rate(..) => "percent",
            },
        );
        push(&mut out, "\",\"step\":\"month\",\"points\":[");
        let point = |out: &mut Vec<u8>, month: usize| {
            push(out, if month > from { ",{\"period\":\"" } else { "{\"period\":\"" });
            out.extend_from_slice(&month_text(month));
            push(out, "\"");
        };
        match asked {
            Measure::Indicator(kept) => {
                let sums = figures.sums(unit, kept.place, start, to)?;
                for month in from..=to {
                    point(&mut out, month);
                    count_fields(&mut out, &sums, month - start, month, &kept.breaks);
                    push(&mut out, "}");
                }
            }
            Measure::Rate(over, under) => {
                let over = figures.sums(unit, over, start, to)?;
                let under = figures.sums(unit, under, start, to)?;
                let rates: Vec<Option<f64>> = over.into_iter().zip(under).map(percentage).collect();
                for month in from..=to {
                    let place = month - start;
                    let at = |back: usize| place.checked_sub(back).and_then(|place| rates[place]);
                    point(&mut out, month);
                    rate_fields(&mut out, rates[place], at(1), at(YEAR));
                    push(&mut out, "}");
                }
            }
        }
        push(&mut out, "]}");
    }
    push(&mut out, "]}");
    Some(out)
}

/// `GET /ranking` by the rate, the highest first.
pub fn ranking(figures: &Figures, measure: &str, parent: &str, month: usize) -> Option<Vec<u8>> {
    let Measure::Rate(over, under) = figures.measure(measure)? else {
        return None;
    };
    let rate = |unit: usize, month: usize| {
        percentage((figures.of(unit, over)[month].into(), figures.of(unit, under)[month].into()))
    };
    let units = figures.below(parent)?;
    let mut rows: Vec<(usize, Option<f64>)> =
        units.iter().map(|unit| (*unit, rate(*unit, month))).collect();
    let key = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
    rows.sort_by(|one, other| key(other.1).total_cmp(&key(one.1)));

    let mut out = Vec::with_capacity(400 + rows.len() * POINT);
    head(&mut out, figures);
    push(&mut out, "\",\"measure\":\"");
    push(&mut out, measure);
    push(&mut out, "\",\"parent\":\"");
    push(&mut out, parent);
    push(&mut out, "\",\"period\":\"");
    out.extend_from_slice(&month_text(month));
    push(&mut out, "\",\"direction\":\"higher\",\"unit_of_measure\":\"percent\",\"rows\":[");
    for (nth, (unit, now)) in rows.iter().enumerate() {
        push(&mut out, if nth > 0 { ",{\"unit\":\"" } else { "{\"unit\":\"" });
        push(&mut out, figures.name(*unit));
        push(&mut out, "\"");
        let before = month.checked_sub(1).and_then(|month| rate(*unit, month));
        let year_before = month.checked_sub(YEAR).and_then(|month| rate(*unit, month));
        rate_fields(&mut out, *now, before, year_before);
        push(&mut out, "}");
    }
    push(&mut out, "]}");
    Some(out)
}
