//! Functions of a single number, such as `ln`.

use std::f64::consts::PI;

/// A function of a single number.
#[derive(Clone, Copy, Debug)]
pub struct MathFunction {
    name: &'static str,
    number: fn(f64) -> f64,
}

impl PartialEq for MathFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MathFunction {}

/// A function with its PromQL name.
type NamedFunction = (&'static str, fn(f64) -> f64);

/// The functions by their PromQL names.
const FUNCTIONS: [NamedFunction; 23] = [
    ("abs", f64::abs),
    ("ceil", f64::ceil),
    ("floor", f64::floor),
    ("sqrt", f64::sqrt),
    ("exp", f64::exp),
    ("ln", f64::ln),
    ("log2", f64::log2),
    ("log10", f64::log10),
    ("sgn", sign),
    ("deg", |value| value * 180.0 / PI),
    ("rad", |value| value * PI / 180.0),
    ("sin", f64::sin),
    ("cos", f64::cos),
    ("tan", f64::tan),
    ("asin", f64::asin),
    ("acos", f64::acos),
    ("atan", f64::atan),
    ("sinh", f64::sinh),
    ("cosh", f64::cosh),
    ("tanh", f64::tanh),
    ("asinh", f64::asinh),
    ("acosh", f64::acosh),
    ("atanh", f64::atanh),
];

impl MathFunction {
    /// Finds a function by its PromQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (name, number) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
        Some(Self { name, number: *number })
    }

    /// The result for a number.
    #[must_use]
    pub fn number(self, value: f64) -> f64 {
        (self.number)(value)
    }
}

/// -1, 0 or 1; NaN for NaN.
fn sign(value: f64) -> f64 {
    if value == 0.0 || value.is_nan() { value } else { value.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_give_the_numbers_computed_by_hand() {
        let of = |name: &str, value: f64| MathFunction::named(name).unwrap().number(value);
        for (name, value, expected) in [
            ("abs", -2.5, 2.5),
            ("ceil", 1.2, 2.0),
            ("floor", -1.2, -2.0),
            ("sqrt", 6.25, 2.5),
            ("exp", 0.0, 1.0),
            ("ln", 1.0, 0.0),
            ("log2", 8.0, 3.0),
            ("log10", 100.0, 2.0),
            ("sgn", -7.0, -1.0),
            ("sgn", 0.0, 0.0),
            ("deg", PI, 180.0),
            ("rad", 180.0, PI),
            ("cos", 0.0, 1.0),
            ("acos", 1.0, 0.0),
            ("cosh", 0.0, 1.0),
            ("acosh", 1.0, 0.0),
            ("asin", 1.0, std::f64::consts::FRAC_PI_2),
            ("atan", 1.0, std::f64::consts::FRAC_PI_4),
        ] {
            assert_eq!(of(name, value), expected, "{name}");
        }
        for name in ["sin", "tan", "sinh", "tanh", "asinh", "atanh"] {
            assert_eq!(of(name, 0.0), 0.0, "{name}");
            assert!(of(name, 0.5) > 0.0 && of(name, 0.5) == -of(name, -0.5), "{name}");
        }
        assert!(of("sqrt", -1.0).is_nan() && of("sgn", f64::NAN).is_nan());
        assert_eq!(of("ln", 0.0), f64::NEG_INFINITY);
        assert!(MathFunction::named("histogram_quantile").is_none());
    }
}
