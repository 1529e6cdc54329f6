//! Numbers as Vietnamese texts print them: points between thousands, a comma before decimals.

use super::number::{Written, power_of_ten, scaled};

/// A number as a Vietnamese text prints it.
///
/// ```
/// use egov_kpi::domain::{notation::vietnamese, number::Written};
/// assert_eq!(vietnamese(Written::parse("23441").unwrap()), "23.441");
/// assert_eq!(vietnamese(Written::parse("-1234.50").unwrap()), "-1.234,50");
/// assert_eq!(vietnamese(Written::parse("7").unwrap()), "7");
/// ```
#[must_use]
pub fn vietnamese(number: Written) -> String {
    let text = number.to_string();
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, decimals) =
        text.split_once('.').map_or((text, None), |(whole, decimals)| (whole, Some(decimals)));
    let mut grouped = String::with_capacity(text.len() + text.len() / 3);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n) % 3 == 0 {
            grouped.push('.');
        }
        grouped.push(digit);
    }
    match decimals {
        Some(decimals) => format!("{sign}{grouped},{decimals}"),
        None => format!("{sign}{grouped}"),
    }
}

/// A computed number with at most so many decimals, zeros at the end left out; none when it is too large to be a figure.
///
/// ```
/// use egov_kpi::domain::notation::{rounded_to, vietnamese};
/// assert_eq!(vietnamese(rounded_to(16.036_487, 2).unwrap()), "16,04");
/// assert_eq!(vietnamese(rounded_to(50.0, 2).unwrap()), "50");
/// assert_eq!(rounded_to(f64::NAN, 2), None);
/// ```
#[must_use]
pub fn rounded_to(value: f64, decimals: u32) -> Option<Written> {
    let text = format!("{:.*}", usize::try_from(decimals).ok()?, nearest(value, decimals)?);
    let written = Written::parse(&text).ok()?;
    Some((0..written.scale).fold(written, |written, _| {
        if written.mantissa % 10 == 0 {
            Written { mantissa: written.mantissa / 10, scale: written.scale - 1 }
        } else {
            written
        }
    }))
}

/// Rounded with halves away from zero, as people round.
fn nearest(value: f64, decimals: u32) -> Option<f64> {
    let unit = scaled(1, decimals);
    let found = (value * super::number::float(power_of_ten(decimals))).round() * unit;
    found.is_finite().then_some(found)
}
