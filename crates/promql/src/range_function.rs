//! Functions of the samples in a range, such as `max_over_time`.

use kpi::number::float;

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
}

impl RangeFunction {
    /// Finds a function by its PromQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "avg_over_time" => Self::Average,
            "min_over_time" => Self::Least,
            "max_over_time" => Self::Most,
            "sum_over_time" => Self::Sum,
            "count_over_time" => Self::Count,
            "last_over_time" => Self::Last,
            "present_over_time" => Self::Present,
            "absent_over_time" => Self::Absent,
            "stddev_over_time" => Self::Deviation,
            "stdvar_over_time" => Self::Variance,
            "quantile_over_time" => Self::Quantile,
            "delta" => Self::Delta,
            "changes" => Self::Changes,
            _ => return None,
        })
    }

    /// Whether the result keeps the name of the metric.
    #[must_use]
    pub fn keeps_name(self) -> bool {
        self == Self::Last
    }

    /// Returns the result for the samples of one series, of which there is at least one.
    #[must_use]
    pub fn number(self, samples: &[f64], param: f64) -> Option<f64> {
        let (first, last) = (*samples.first()?, *samples.last()?);
        let count = float(i64::try_from(samples.len()).unwrap_or(i64::MAX));
        let sum = || samples.iter().sum::<f64>();
        let best = |better: fn(f64, f64) -> bool| {
            samples.iter().copied().fold(first, |best, value| {
                if best.is_nan() || better(value, best) { value } else { best }
            })
        };
        Some(match self {
            Self::Average => sum() / count,
            Self::Least => best(|value, best| value < best),
            Self::Most => best(|value, best| value > best),
            Self::Sum => sum(),
            Self::Count => count,
            Self::Last => last,
            Self::Present => 1.0,
            Self::Absent => return None,
            Self::Deviation => variance(samples).sqrt(),
            Self::Variance => variance(samples),
            Self::Quantile => quantile(param, samples),
            Self::Delta if samples.len() < 2 => return None,
            Self::Delta => last - first,
            Self::Changes => changes(samples),
        })
    }
}

/// The variance computed as in Prometheus, so that every digit agrees: in one pass (Welford 1962)
/// with compensated sums (Neumaier 1974).
fn variance(samples: &[f64]) -> f64 {
    let add = |(sum, error): (f64, f64), value: f64| {
        let new = sum + value;
        let lost = if sum.abs() >= value.abs() { (sum - new) + value } else { (value - new) + sum };
        (new, error + lost)
    };
    let (mut count, mut mean, mut squares) = (0.0, (0.0, 0.0), (0.0, 0.0));
    for value in samples {
        count += 1.0;
        let apart = value - (mean.0 + mean.1);
        mean = add(mean, apart / count);
        squares = add(squares, apart * (value - (mean.0 + mean.1)));
    }
    (squares.0 + squares.1) / count
}

/// Counts how often a value differs from the one before.
#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn changes(samples: &[f64]) -> f64 {
    let changed = samples
        .iter()
        .zip(samples.iter().skip(1))
        .filter(|(one, other)| one != other && !(one.is_nan() && other.is_nan()))
        .count();
    float(i64::try_from(changed).unwrap_or(i64::MAX))
}

fn quantile(q: f64, samples: &[f64]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let mut sorted = samples.to_vec();
    // As in Prometheus, NaN is the smallest value.
    sorted.sort_by(|one, other| other.is_nan().cmp(&one.is_nan()).then(one.total_cmp(other)));
    let rank = q * float(i64::try_from(sorted.len().saturating_sub(1)).unwrap_or(0));
    let weight = rank - rank.floor();
    let (mut below, mut above) = (f64::NAN, f64::NAN);
    for (n, value) in (0_i64..).zip(&sorted) {
        let place = float(n);
        if place <= rank.floor() {
            below = *value;
        }
        if place <= rank.floor() + 1.0 {
            above = *value;
        }
    }
    below * (1.0 - weight) + above * weight
}
