//! Rates and differences of the samples in a range: `rate`, `increase`, `irate`, `idelta`.

use super::statistics::count;
use super::window::SampleWindow;
use kpi::number::float;

/// A number of milliseconds in seconds.
fn seconds(milliseconds: i64) -> f64 {
    float(milliseconds) / 1e3
}

/// The growth of a counter in a range, as Prometheus extrapolates it to the edges of the range. A
/// fall counts as a restart from 0. None for fewer than two samples.
#[must_use]
pub fn increase(window: &SampleWindow<'_>) -> Option<f64> {
    growth(window).map(|(grown, factor)| grown * factor)
}

/// The growth per second.
#[must_use]
pub fn rate(window: &SampleWindow<'_>) -> Option<f64> {
    growth(window).map(|(grown, factor)| grown * (factor / seconds(window.end - window.start)))
}

/// The growth between the first and the last sample, and the factor that extrapolates it.
fn growth(window: &SampleWindow<'_>) -> Option<(f64, f64)> {
    let ((from, first), (to, last)) = window.ends()?;
    let mut before = first;
    let mut grown = last - first;
    for (_, value) in window.points.iter().skip(1) {
        if *value < before {
            grown += before;
        }
        before = *value;
    }
    let sampled = seconds(to - from);
    let between = sampled / count(window.points.len() - 1);
    let mut to_start = seconds(from - window.start);
    if grown > 0.0 && first >= 0.0 {
        // A counter cannot have been below 0 before its first sample.
        to_start = to_start.min(sampled * (first / grown));
    }
    // An edge that is far from the nearest sample is not reached: the series began or ended there.
    let reached = |distance: f64| if distance < between * 1.1 { distance } else { between / 2.0 };
    let extrapolated = sampled + reached(to_start) + reached(seconds(window.end - to));
    Some((grown, extrapolated / sampled))
}

/// The last sample minus the one before it. None for fewer than two samples.
#[must_use]
pub fn last_difference(window: &SampleWindow<'_>) -> Option<f64> {
    let [.., (_, before), (_, last)] = window.points else { return None };
    Some(last - before)
}

/// The growth per second between the last two samples; after a fall from 0 on.
#[must_use]
pub fn last_rate(window: &SampleWindow<'_>) -> Option<f64> {
    let [.., (from, before), (to, last)] = window.points else { return None };
    let grown = if last < before { *last } else { last - before };
    (to > from).then(|| grown / seconds(to - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn window(points: &[(i64, f64)], start: i64, end: i64) -> SampleWindow<'_> {
        SampleWindow { points, start, end, time: end }
    }

    #[test]
    fn an_increase_is_extrapolated_to_near_edges_only() {
        let points = [(10 * DAY, 100.0), (20 * DAY, 130.0), (30 * DAY, 160.0)];
        // 60 in 20 days; both edges are nearer than 11 days: 28 days.
        assert_eq!(increase(&window(&points, 5 * DAY, 33 * DAY)), Some(84.0));
        // The start is 15 days away, so half the distance of two samples is added: 5 days.
        assert_eq!(increase(&window(&points, -5 * DAY, 30 * DAY)), Some(75.0));
        // A value of 15 would have been 0 after 5 days at this pace.
        let low = [(10 * DAY, 15.0), (20 * DAY, 45.0)];
        assert_eq!(increase(&window(&low, 0, 20 * DAY)), Some(45.0));
        let rates = rate(&window(&points, 5 * DAY, 33 * DAY)).unwrap();
        assert!((rates - 84.0 / (28.0 * 86_400.0)).abs() < 1e-15);
        assert_eq!(increase(&window(&points[..1], 0, DAY)), None);
    }

    #[test]
    fn a_fall_is_a_restart_from_zero() {
        let points = [(0, 5.0), (DAY, 9.0), (2 * DAY, 3.0), (3 * DAY, 4.0)];
        // 4 + 3 + 1 = 8; the first sample is at the edge.
        assert_eq!(increase(&window(&points, 0, 3 * DAY)), Some(8.0));
        assert_eq!(last_difference(&window(&points[..3], 0, 0)), Some(-6.0));
        assert_eq!(last_rate(&window(&points[..3], 0, 0)), Some(3.0 / 86_400.0));
        assert_eq!(last_rate(&window(&points, 0, 0)), Some(1.0 / 86_400.0));
        assert_eq!(
            (last_rate(&window(&[], 0, 0)), last_difference(&window(&[], 0, 0))),
            (None, None)
        );
    }
}
