//! Straight lines through the samples in a range: `deriv` and `predict_linear`.

use super::statistics::CompensatedSum;
use super::window::SampleWindow;
use kpi::number::float;

/// A straight line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StraightLine {
    /// Change per second.
    pub slope: f64,
    /// Value at the time from which seconds are counted.
    pub intercept: f64,
}

/// The straight line with the least squares of distances to the samples; seconds are counted from
/// `origin` (milliseconds since 1970). None for fewer than two samples. Equal values give a
/// horizontal line of exactly this value.
#[must_use]
#[expect(clippy::float_cmp, reason = "Prometheus compares exactly")]
pub fn least_squares(window: &SampleWindow<'_>, origin: i64) -> Option<StraightLine> {
    let ((_, first), _) = window.ends()?;
    if window.points.iter().all(|(_, value)| *value == first) {
        return Some(if first.is_infinite() {
            StraightLine { slope: f64::NAN, intercept: f64::NAN }
        } else {
            StraightLine { slope: 0.0, intercept: first }
        });
    }
    let mut sums = [CompensatedSum::default(); 4];
    let mut count = 0.0;
    for (time, y) in window.points {
        let x = float(time - origin) / 1e3;
        count += 1.0;
        let terms = [x, *y, x * y, x * x];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| sum.add(term));
    }
    let [x, y, xy, xx] = sums.map(CompensatedSum::total);
    let slope = (xy - x * y / count) / (xx - x * x / count);
    Some(StraightLine { slope, intercept: y / count - slope * x / count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(points: &[(i64, f64)], origin: i64) -> Option<StraightLine> {
        least_squares(&SampleWindow { points, start: 0, end: 0, time: 0 }, origin)
    }

    #[test]
    fn the_line_has_the_least_squares() {
        // 1, 2 and 6 at 0, 1 and 2 seconds: slope (6 - 1) / 2, mean 3 at 1 second.
        let points = [(0, 1.0), (1_000, 2.0), (2_000, 6.0)];
        assert_eq!(line(&points, 0), Some(StraightLine { slope: 2.5, intercept: 0.5 }));
        assert_eq!(line(&points, 2_000), Some(StraightLine { slope: 2.5, intercept: 5.5 }));
        assert_eq!(line(&points[..1], 0), None);
    }

    #[test]
    fn equal_values_give_a_horizontal_line() {
        let flat = [(0, 0.1), (1_000, 0.1), (3_000, 0.1)];
        assert_eq!(line(&flat, 7), Some(StraightLine { slope: 0.0, intercept: 0.1 }));
        let endless = [(0, f64::INFINITY), (1_000, f64::INFINITY)];
        assert!(line(&endless, 0).unwrap().slope.is_nan());
    }
}
