//! Numbers: exact decimals, doubles and the rounding of responses. All lossy conversions are in
//! this module (docs/specification.md#numbers).

use rust_decimal::Decimal;

/// Limit of a figure in units of its last decimal: figures stay below 2^53, so that every figure is
/// exact as a double too (docs/specification.md#numbers).
pub const FIGURE_BOUND: i64 = 1 << 53;

/// Most decimals of an indicator or a stated rate.
pub const MAX_DECIMALS: u32 = 9;

/// Limit below which the shortest digits of a double that was rounded to six decimals have at most
/// six decimals.
const EXACT_TO_SIX: f64 = 1e9;

/// An integer as a double; exact below 2^53, rounded once above.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "i64 has no From into f64; the rounding above 2^53 is documented"
)]
pub fn float(value: i64) -> f64 {
    value as f64
}

/// `part / whole` as a double; 0 when `whole` is 0.
#[must_use]
pub fn share(part: usize, whole: usize) -> f64 {
    let float_of = |count: usize| float(i64::try_from(count).unwrap_or(i64::MAX));
    if whole == 0 { 0.0 } else { float_of(part) / float_of(whole) }
}

/// The sum of two doubles; 0 if only a rounding error is left of them. So a difference that is 0 in
/// decimals is also 0 as a divisor and as an earlier value. Sums of whole numbers are exact and are
/// not changed.
#[must_use]
pub fn cancelling_sum(x: f64, y: f64) -> f64 {
    const ROUNDING: f64 = 4.0 * f64::EPSILON;
    let sum = x + y;
    let exact = x.fract() == 0.0 && y.fract() == 0.0;
    if !exact && sum.abs() <= ROUNDING * x.abs().max(y.abs()) { 0.0 } else { sum }
}

/// A computed number in a response: rounded to 6 decimals, and written without decimals when it is
/// whole.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rounded(f64);

impl Rounded {
    /// Rounds a number; `None` when it is not finite.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        rounded(value).map(Self)
    }

    /// The rounded number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// The number, if it is whole and below 2^53.
    #[must_use]
    pub fn whole(self) -> Option<i64> {
        whole(self.0).filter(|_| self.0.abs() < float(FIGURE_BOUND))
    }

    /// Appends its digits as JSON and CSV have them.
    pub fn write_to(self, text: &mut Vec<u8>) {
        if let Some(whole) = self.whole() {
            text.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        } else if self.is_short() {
            write_double(self.0, text);
        } else {
            text.extend_from_slice(self.to_string().as_bytes());
        }
    }

    /// Whether its shortest digits have at most six decimals.
    #[must_use]
    fn is_short(self) -> bool {
        self.0.abs() < EXACT_TO_SIX
    }
}

impl serde::Serialize for Rounded {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(whole) = self.whole() {
            serializer.serialize_i64(whole)
        } else if self.is_short() {
            serializer.serialize_f64(self.0)
        } else {
            // The shortest digits of such a large double may have more than six decimals.
            serde_json::value::RawValue::from_string(self.to_string())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer)
        }
    }
}

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_short() {
            return write!(f, "{}", self.0);
        }
        let digits = format!("{:.6}", self.0);
        f.write_str(digits.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Appends the shortest digits of a finite double, also of a whole one with a point: `1.0`.
pub fn write_double(number: f64, text: &mut Vec<u8>) {
    text.extend_from_slice(zmij::Buffer::new().format_finite(number).as_bytes());
}

/// 10 to the power of `decimals` (at most 18).
#[must_use]
pub fn power_of_ten(decimals: u32) -> i64 {
    10_i64.saturating_pow(decimals)
}

/// `mantissa / 10^decimals` as the nearest double.
#[must_use]
pub fn scaled(mantissa: i64, decimals: u32) -> f64 {
    float(mantissa) / float(power_of_ten(decimals))
}

/// A computed number as responses show it: rounded to 6 decimals, halves away from zero
/// (docs/specification.md#numbers). `None` when it is not finite.
#[must_use]
pub fn rounded(value: f64) -> Option<f64> {
    if let Some(whole) = whole(value) {
        return Some(float(whole));
    }
    let shown = if value.abs() < EXACT_TO_SIX { (value * 1e6).round() / 1e6 } else { value };
    shown.is_finite().then_some(if shown == 0.0 { 0.0 } else { shown })
}

/// The integer that a number is, if it is one of 64 bits. Without a call into the mathematical
/// library, as rounding is.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "the conversion back shows whether it was exact"
)]
fn whole(value: f64) -> Option<i64> {
    let whole = value as i64;
    (float(whole) == value).then_some(whole)
}

/// The content of a figure: a number, or the statement that the figure makes no sense for its unit
/// (docs/specification.md#figures-that-do-not-apply).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statement {
    /// A number.
    Number(Decimal64),
    /// The figure does not apply to the unit.
    NotApplicable,
}

/// A figure that does not apply, as it is written and read.
pub const NOT_APPLICABLE: &str = "n/a";

impl Statement {
    /// The number, if it is one.
    #[must_use]
    pub fn number(self) -> Option<Decimal64> {
        match self {
            Self::Number(number) => Some(number),
            Self::NotApplicable => None,
        }
    }
}

impl From<Decimal64> for Statement {
    fn from(number: Decimal64) -> Self {
        Self::Number(number)
    }
}

impl std::fmt::Display for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::NotApplicable => f.write_str(NOT_APPLICABLE),
        }
    }
}

impl serde::Serialize for Statement {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::NotApplicable => serializer.serialize_str(NOT_APPLICABLE),
        }
    }
}

/// A decimal with its digits as written: `mantissa / 10^scale`.
///
/// ```
/// use kpi::number::Decimal64;
/// let rate = Decimal64::parse("78.950").unwrap();
/// assert_eq!((rate.mantissa, rate.scale), (78950, 3)); // the three decimals are kept
/// assert_eq!(rate.to_string(), "78.950");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Decimal64 {
    /// The digits without the decimal point.
    pub mantissa: i64,
    /// The number of digits after the decimal point.
    pub scale: u32,
}

impl Decimal64 {
    /// Parses a decimal with a point, with or without an exponent.
    ///
    /// # Errors
    /// [`NumberError`] when the text is not a decimal number or has more digits than can be kept.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        if let Some(written) = Self::parse_plain(text.as_bytes()) {
            return Ok(written);
        }
        let exponent =
            exponent_of(text.strip_prefix('-').unwrap_or(text)).ok_or(NumberError::NotANumber)?;
        let parsed =
            if exponent { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
        // The shape is valid, so the number must be too large
        let decimal = parsed.map_err(|_e| NumberError::TooLarge)?;
        let mantissa = i64::try_from(decimal.mantissa()).map_err(|_e| NumberError::TooLarge)?;
        Ok(Self { mantissa, scale: decimal.scale() })
    }

    /// Parses the common case without allocation: an optional sign, up to 17 digits, at most one
    /// point between digits.
    fn parse_plain(text: &[u8]) -> Option<Self> {
        let (negative, body) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        if body.is_empty() || body.len() > 17 {
            return None;
        }
        let (mut mantissa, mut scale, mut point) = (0_i64, 0_u32, false);
        for (place, byte) in body.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa * 10 + i64::from(byte - b'0');
                    scale += u32::from(point);
                }
                b'.' if !point && place > 0 && place + 1 < body.len() => point = true,
                _ => return None,
            }
        }
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    /// The mantissa of the same number with exactly `decimals` decimals. `None` when a digit would
    /// be lost or the mantissa reaches [`FIGURE_BOUND`].
    #[must_use]
    pub fn at_scale(self, decimals: u32) -> Option<i64> {
        let mantissa = if decimals >= self.scale {
            self.mantissa.checked_mul(power_of_ten(decimals - self.scale))?
        } else {
            let divisor = power_of_ten(self.scale - decimals);
            (self.mantissa % divisor == 0).then(|| self.mantissa / divisor)?
        };
        (mantissa.abs() < FIGURE_BOUND).then_some(mantissa)
    }

    /// The exact product of the number and a power of ten; `None` when it is too large.
    #[must_use]
    pub fn multiplied(self, power: u32) -> Option<Self> {
        let down = power.min(self.scale);
        let mantissa = self.mantissa.checked_mul(power_of_ten(power - down))?;
        Some(Self { mantissa, scale: self.scale - down })
    }

    /// The number rounded to at most `decimals` decimals, halves away from zero.
    #[must_use]
    pub fn rounded(self, decimals: u32) -> Self {
        if self.scale <= decimals {
            return self;
        }
        let unit = power_of_ten(self.scale - decimals);
        let half = if self.mantissa < 0 { -(unit / 2) } else { unit / 2 };
        Self { mantissa: self.mantissa.saturating_add(half) / unit, scale: decimals }
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        scaled(self.mantissa, self.scale)
    }
}

/// Writes a JSON number with exactly the digits as written.
impl serde::Serialize for Decimal64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.scale {
            0 => serializer.serialize_i64(self.mantissa),
            _ => serde_json::value::RawValue::from_string(self.to_string())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

/// Reads a JSON number or a decimal string.
impl<'de> serde::Deserialize<'de> for Decimal64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::String(text) => text,
            other @ (serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_)) => {
                return Err(serde::de::Error::custom(format!(
                    "a number or a decimal string is expected, not {other}"
                )));
            }
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for Decimal64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.mantissa);
        }
        let unit = power_of_ten(self.scale).unsigned_abs();
        let magnitude = self.mantissa.unsigned_abs();
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let width = usize::try_from(self.scale).unwrap_or(0);
        write!(f, "{sign}{}.{:0width$}", magnitude / unit, magnitude % unit)
    }
}

/// Whether an unsigned number has an exponent. `None` when it does not have the form `1`, `1.5`,
/// `1e3` or `1.5e-3`.
fn exponent_of(text: &str) -> Option<bool> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(number, exponent)| (number, Some(exponent)));
    let (whole, fraction) =
        number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let sound = digits(whole)
        && fraction.is_none_or(digits)
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    sound.then_some(exponent.is_some())
}

/// Why a number cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NumberError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// More digits than an exact figure can have.
    #[error("a figure must be below 2^53 in units of its last decimal")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_kept_as_written() {
        for text in ["0", "-3", "78.950", "0.001", "-0.50", "23441", "9007199254740991"] {
            assert_eq!(Decimal64::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn invalid_numbers_are_refused() {
        for text in ["", "-", ".5", "5.", "1,5", "NaN", "inf", "1e", "--1", "1.2.3", "0x10", "١"] {
            assert_eq!(Decimal64::parse(text), Err(NumberError::NotANumber), "{text}");
        }
        assert_eq!(Decimal64::parse("99999999999999999999999"), Err(NumberError::TooLarge));
    }

    #[test]
    fn exponents_are_parsed() {
        assert_eq!(Decimal64::parse("1.5e3").unwrap().at_scale(0), Some(1500));
        assert_eq!(Decimal64::parse("25e-1").unwrap().at_scale(1), Some(25));
    }

    #[test]
    fn only_what_rounding_left_is_dropped_from_a_sum() {
        assert_eq!(cancelling_sum(0.1 + 0.2, -0.3), 0.0);
        assert_eq!(cancelling_sum(1.0, -(0.1 * 3.0 + 0.7)), 0.0);
        assert_eq!(cancelling_sum(9_007_199_254_740_991.0, -9_007_199_254_740_990.0), 1.0);
        let (more, less) = (90_071_992.01, 90_071_992.00);
        assert_eq!(Rounded::new(cancelling_sum(more, -less)).unwrap().get(), 0.01);
    }

    #[test]
    fn a_scale_never_drops_a_digit() {
        assert_eq!(Decimal64::parse("7.40").unwrap().at_scale(1), Some(74));
        assert_eq!(Decimal64::parse("7.45").unwrap().at_scale(1), None);
        assert_eq!(Decimal64::parse("9007199254740992").unwrap().at_scale(0), None);
    }
}
