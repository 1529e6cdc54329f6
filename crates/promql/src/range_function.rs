//! Functions of the samples in a range, such as `max_over_time`.

use super::rate::{increase, last_difference, last_rate, rate};
use super::regression::least_squares;
use super::statistics::{
    best, compensated_mean, compensated_variance, count as counted, quantile, sum,
};
use super::window::SampleWindow;

/// A function of the samples in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeFunction {
    /// `avg_over_time`
    Average,
    /// `min_over_time`
    Least,
    /// `max_over_time`
    Most,
    /// `sum_over_time`
    Sum,
    /// `count_over_time`
    Count,
    /// `last_over_time`
    Last,
    /// `present_over_time`
    Present,
    /// `absent_over_time`
    Absent,
    /// `stddev_over_time`
    Deviation,
    /// `stdvar_over_time`
    Variance,
    /// `quantile_over_time`
    Quantile,
    /// `delta`
    Delta,
    /// `changes`
    Changes,
    /// `resets`
    Resets,
    /// `increase`
    Increase,
    /// `rate`
    Rate,
    /// `irate`
    InstantRate,
    /// `idelta`
    InstantDelta,
    /// `deriv`
    Derivative,
    /// `predict_linear`
    Prediction,
}

/// The functions by their PromQL names.
const NAMED: [(&str, RangeFunction); 20] = [
    ("avg_over_time", RangeFunction::Average),
    ("min_over_time", RangeFunction::Least),
    ("max_over_time", RangeFunction::Most),
    ("sum_over_time", RangeFunction::Sum),
    ("count_over_time", RangeFunction::Count),
    ("last_over_time", RangeFunction::Last),
    ("present_over_time", RangeFunction::Present),
    ("absent_over_time", RangeFunction::Absent),
    ("stddev_over_time", RangeFunction::Deviation),
    ("stdvar_over_time", RangeFunction::Variance),
    ("quantile_over_time", RangeFunction::Quantile),
    ("delta", RangeFunction::Delta),
    ("changes", RangeFunction::Changes),
    ("resets", RangeFunction::Resets),
    ("increase", RangeFunction::Increase),
    ("rate", RangeFunction::Rate),
    ("irate", RangeFunction::InstantRate),
    ("idelta", RangeFunction::InstantDelta),
    ("deriv", RangeFunction::Derivative),
    ("predict_linear", RangeFunction::Prediction),
];

impl RangeFunction {
    /// Finds a function by its PromQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
    }

    /// Whether the result keeps the name of the metric.
    #[must_use]
    pub fn keeps_name(self) -> bool {
        self == Self::Last
    }

    /// Whether the result depends on the edges of the range, and not only on the samples in it.
    #[must_use]
    pub fn tells_edges(self) -> bool {
        matches!(self, Self::Increase | Self::Rate)
    }

    /// Whether the result depends on the time of the evaluation, even if the range is fixed.
    #[must_use]
    pub fn tells_time(self) -> bool {
        self == Self::Prediction
    }

    /// The result for one series; `param` is that of `quantile_over_time` and `predict_linear`.
    /// None when the series has too few samples for a result.
    #[must_use]
    pub fn number(self, window: &SampleWindow<'_>, param: f64) -> Option<f64> {
        let values = || window.points.iter().map(|(_, value)| *value);
        let last = values().next_back()?;
        Some(match self {
            Self::Average => compensated_mean(values()),
            Self::Least => best(values(), |value, best| value < best),
            Self::Most => best(values(), |value, best| value > best),
            Self::Sum => sum(values()),
            Self::Count => counted(window.points.len()),
            Self::Last => last,
            Self::Present => 1.0,
            Self::Absent => return None,
            Self::Deviation => compensated_variance(values()).sqrt(),
            Self::Variance => compensated_variance(values()),
            Self::Quantile => quantile(param, values()),
            Self::Delta => window.ends().map(|((_, first), _)| last - first)?,
            Self::Changes => steps(window, is_changed),
            Self::Resets => steps(window, |before, value| value < before),
            Self::Increase => increase(window)?,
            Self::Rate => rate(window)?,
            Self::InstantRate => last_rate(window)?,
            Self::InstantDelta => last_difference(window)?,
            Self::Derivative => least_squares(window, window.points.first()?.0)?.slope,
            Self::Prediction => {
                let line = least_squares(window, window.time)?;
                line.slope * param + line.intercept
            }
        })
    }
}

#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn is_changed(before: f64, value: f64) -> bool {
    before != value && !(before.is_nan() && value.is_nan())
}

/// The number of samples for which the condition holds with the sample before.
fn steps(window: &SampleWindow<'_>, holds: fn(f64, f64) -> bool) -> f64 {
    let pairs = window.points.iter().zip(window.points.iter().skip(1));
    counted(pairs.filter(|((_, before), (_, value))| holds(*before, *value)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(name: &str, points: &[(i64, f64)], param: f64) -> Option<f64> {
        let window = SampleWindow { points, start: 0, end: 5_000, time: 10_000 };
        RangeFunction::named(name).unwrap().number(&window, param)
    }

    #[test]
    fn functions_of_a_range_give_the_numbers_computed_by_hand() {
        let points = [(1_000, 4.0), (2_000, 4.0), (3_000, 1.0), (4_000, 7.0)];
        for (name, expected) in [
            ("avg_over_time", 4.0),
            ("min_over_time", 1.0),
            ("max_over_time", 7.0),
            ("sum_over_time", 16.0),
            ("count_over_time", 4.0),
            ("last_over_time", 7.0),
            ("present_over_time", 1.0),
            ("stdvar_over_time", 4.5),
            ("stddev_over_time", 4.5_f64.sqrt()),
            ("delta", 3.0),
            ("changes", 2.0),
            ("resets", 1.0),
            ("irate", 6.0),
            ("idelta", 6.0),
            // (-1.5 * 4 - 0.5 * 4 + 0.5 * 1 + 1.5 * 7) / 5
            ("deriv", 0.6),
        ] {
            assert_eq!(number(name, &points, f64::NAN), Some(expected), "{name}");
        }
        assert_eq!(number("quantile_over_time", &points, 0.5), Some(4.0));
        // Mean 4 at 2.5 s, 7.5 s before the evaluation; 10 s after it: 4 + 0.6 * 17.5.
        let predicted = number("predict_linear", &points, 10.0).unwrap();
        assert!((predicted - 14.5).abs() < 1e-12, "{predicted}");
        assert_eq!(number("absent_over_time", &points, f64::NAN), None);
    }

    #[test]
    fn one_sample_is_too_few_for_a_difference() {
        for name in ["delta", "increase", "rate", "irate", "idelta", "deriv", "predict_linear"] {
            assert_eq!(number(name, &[(1_000, 4.0)], 1.0), None, "{name}");
            assert_eq!(number(name, &[], 1.0), None, "{name}");
        }
        assert_eq!(number("changes", &[(1_000, 4.0)], 1.0), Some(0.0));
    }
}
