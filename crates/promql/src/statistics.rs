//! Sums, means and quantiles, computed as Prometheus computes them, so that every digit agrees.

use std::cmp::Ordering;

use kpi::number::float;

/// A number of values as a number to compute with.
pub(super) fn count(values: usize) -> f64 {
    float(i64::try_from(values).unwrap_or(i64::MAX))
}

/// A sum with the error that rounding has lost (Neumaier 1974).
#[derive(Clone, Copy, Default, Debug)]
pub struct CompensatedSum {
    sum: f64,
    lost: f64,
}

impl CompensatedSum {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        let new = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - new) + value
        } else {
            (value - new) + self.sum
        };
        self.sum = new;
    }

    /// The sum with what was lost.
    #[must_use]
    pub fn total(self) -> f64 {
        self.sum + self.lost
    }

    /// The sum; an infinite one without what was lost, which is not a number then.
    #[must_use]
    pub fn finite_total(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.total() }
    }
}

/// The sum of values.
#[must_use]
pub fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = CompensatedSum::default();
    values.for_each(|value| sum.add(value));
    sum.finite_total()
}

/// Whether a mean that is infinite already stays as it is when a value is added: the value is
/// finite, or infinite with the same sign.
fn is_settled(mean: f64, value: f64) -> bool {
    mean.is_infinite()
        && (value.is_finite() || (value.is_infinite() && (mean > 0.0) == (value > 0.0)))
}

/// The mean of the samples of a range.
#[must_use]
pub fn compensated_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut count) = (CompensatedSum::default(), 0.0);
    for value in values {
        count += 1.0;
        if !is_settled(mean.sum, value) {
            mean.add(value / count - mean.sum / count);
        }
    }
    mean.finite_total()
}

/// The mean of the samples of a group of series.
#[must_use]
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut mean, mut count) = (0.0, 0.0);
    for value in values {
        count += 1.0;
        if count <= 1.0 {
            mean = value;
        } else if !is_settled(mean, value) {
            mean += value / count - mean / count;
        }
    }
    mean
}

/// The variance of the samples of a range, in one pass (Welford 1962) with compensated sums.
#[must_use]
pub fn compensated_variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean) = (0.0, CompensatedSum::default());
    let mut squares = CompensatedSum::default();
    for value in values {
        count += 1.0;
        let apart = value - mean.total();
        mean.add(apart / count);
        squares.add(apart * (value - mean.total()));
    }
    squares.total() / count
}

/// The variance of the samples of a group of series, in one pass (Welford 1962).
#[must_use]
pub fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        if count <= 1.0 {
            mean = value;
        } else {
            let apart = value - mean;
            mean += apart / count;
            squares += apart * (value - mean);
        }
    }
    squares / count
}

/// The order of values in a quantile: NaN is the smallest.
fn ascending(one: &f64, other: &f64) -> Ordering {
    other.is_nan().cmp(&one.is_nan()).then(one.total_cmp(other))
}

/// The quantile of values, with a weighted average between two of them. Infinite when `q` is not
/// between 0 and 1, NaN when it is NaN or there are no values.
#[must_use]
pub fn quantile(q: f64, values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    if q.is_nan() || sorted.is_empty() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    sorted.sort_by(ascending);
    let rank = q * count(sorted.len().saturating_sub(1));
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

/// The least value, or the greatest; any number is better than NaN. NaN without values.
#[must_use]
pub fn best(values: impl Iterator<Item = f64>, better: fn(f64, f64) -> bool) -> f64 {
    values
        .reduce(|best, value| if best.is_nan() || better(value, best) { value } else { best })
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_means_lose_no_small_values_beside_great_ones() {
        let values = [1e16, 1.0, 1.0, -1e16];
        assert_eq!(sum(values.into_iter()), 2.0);
        assert_eq!(compensated_mean([1.0, 2.0, 6.0].into_iter()), 3.0);
        assert_eq!(mean([1.0, 2.0, 6.0].into_iter()), 3.0);
    }

    #[test]
    fn an_infinite_value_makes_the_mean_infinite_and_two_of_both_signs_no_number() {
        for mean in
            [|v: &[f64]| mean(v.iter().copied()), |v: &[f64]| compensated_mean(v.iter().copied())]
        {
            assert_eq!(mean(&[1.0, f64::INFINITY, 2.0, f64::INFINITY]), f64::INFINITY);
            assert_eq!(mean(&[f64::NEG_INFINITY, 1.0]), f64::NEG_INFINITY);
            assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        }
        assert_eq!(sum([f64::INFINITY, 1.0].into_iter()), f64::INFINITY);
    }

    #[test]
    fn the_variance_is_that_of_the_population() {
        // Mean 5; squares 9, 1, 1, 1, 0, 0, 4, 16: sum 32 of 8.
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(variance(values.into_iter()), 4.0);
        assert_eq!(compensated_variance(values.into_iter()), 4.0);
        assert_eq!(variance([7.0].into_iter()), 0.0);
    }

    #[test]
    fn quantiles_lie_between_values() {
        let of = |q: f64| quantile(q, [4.0, 1.0, 3.0, 2.0].into_iter());
        assert_eq!([of(0.0), of(0.5), of(0.75), of(1.0)], [1.0, 2.5, 3.25, 4.0]);
        assert_eq!([of(-0.1), of(1.1)], [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(of(f64::NAN).is_nan() && quantile(0.5, [].into_iter()).is_nan());
        assert!(quantile(0.0, [1.0, f64::NAN].into_iter()).is_nan(), "NaN is the smallest");
    }

    #[test]
    fn any_number_is_better_than_none() {
        let greatest = |values: &[f64]| best(values.iter().copied(), |value, best| value > best);
        assert_eq!(greatest(&[f64::NAN, 1.0, 3.0, 2.0]), 3.0);
        assert!(greatest(&[f64::NAN, f64::NAN]).is_nan());
    }
}
