//! Numbers in Vietnamese notation: points between thousands, a comma before decimals.

use super::number::{Decimal64, power_of_ten, scaled};

/// A decimal in Vietnamese notation.
///
/// ```
/// use kpi::{number_format::format_vietnamese, number::Decimal64};
/// assert_eq!(format_vietnamese(Decimal64::parse("23441").unwrap()), "23.441");
/// assert_eq!(format_vietnamese(Decimal64::parse("-1234.50").unwrap()), "-1.234,50");
/// assert_eq!(format_vietnamese(Decimal64::parse("7").unwrap()), "7");
/// ```
#[must_use]
pub fn format_vietnamese(number: Decimal64) -> String {
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

/// A computed number rounded to at most `decimals` decimals, without trailing zeros. `None` when it
/// is not finite or too large for a figure.
///
/// ```
/// use kpi::number_format::{format_vietnamese, rounded_to};
/// assert_eq!(format_vietnamese(rounded_to(16.036_487, 2).unwrap()), "16,04");
/// assert_eq!(format_vietnamese(rounded_to(50.0, 2).unwrap()), "50");
/// assert_eq!(rounded_to(f64::NAN, 2), None);
/// ```
#[must_use]
pub fn rounded_to(value: f64, decimals: u32) -> Option<Decimal64> {
    let text = format!("{:.*}", usize::try_from(decimals).ok()?, nearest(value, decimals)?);
    let written = Decimal64::parse(&text).ok()?;
    Some((0..written.scale).fold(written, |written, _| {
        if written.mantissa % 10 == 0 {
            Decimal64 { mantissa: written.mantissa / 10, scale: written.scale - 1 }
        } else {
            written
        }
    }))
}

/// The nearest number with `decimals` decimals; halves are rounded away from zero.
fn nearest(value: f64, decimals: u32) -> Option<f64> {
    let unit = scaled(1, decimals);
    let found = (value * super::number::float(power_of_ten(decimals))).round() * unit;
    found.is_finite().then_some(found)
}
