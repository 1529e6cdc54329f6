//! Figures that differ much from the history of their unit. Such a figure may be right; it deserves
//! a check.

use super::number::float;

/// Modified z-score, of either sign, from which a figure is an outlier: Iglewicz and Hoaglin, How
/// to Detect and Handle Outliers (1993).
pub const OUTLIER: f64 = 3.5;
/// Description of the method, for responses.
pub const METHOD: &str = "modified z-score (Iglewicz and Hoaglin 1993) of 3.5 or more, against up to 36 months before; spread at least what chance makes of counts";
/// The number of earlier months that a figure is compared with.
pub const HISTORY: i32 = 36;
/// The fewest figures among them with which a comparison is made.
pub const LEAST_HISTORY: usize = 6;
/// The number of months for which a flow or average, and for which a stock, must have the same
/// value to be listed. Stocks often stay the same.
pub const SAME: (usize, usize) = (6, 12);
/// The smallest repeated figure that is listed, because smaller ones repeat by chance.
pub const LEAST_SAME: i64 = 10;
/// Where the closing flow is not reported: a stock that lost more than one tenth (1 / `LOST`) is
/// listed.
const LOST: i64 = 10;

/// A stock and the flows that changed it in a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StockMovement {
    /// The stock of the month before, if it is known.
    pub before: Option<i64>,
    /// The opening flow of the month.
    pub opened: i64,
    /// The closing flow of the month, if it is reported.
    pub closed: Option<i64>,
    /// The stock of the month.
    pub now: i64,
}

impl StockMovement {
    /// The stock of the month before that follows from this month:
    /// `total[t-1] = total[t] - created + closed`. Where the closing flow is not reported, this is
    /// the least possible stock. `None` when it is below zero.
    #[must_use]
    pub fn opening(&self) -> Option<i64> {
        Some(self.now - self.opened + self.closed.unwrap_or(0)).filter(|opening| *opening >= 0)
    }

    /// The stock that the flows lead to, if the reported stock differs. Where the closing flow is
    /// not reported, a loss of up to a tenth of the stock is taken as closed and not listed.
    #[must_use]
    pub fn unexplained(&self) -> Option<i64> {
        let before = self.before?;
        let expected = before + self.opened - self.closed.unwrap_or(0);
        let lost = expected - self.now;
        let explained = if self.closed.is_none() {
            lost >= 0 && lost.saturating_mul(LOST) <= before
        } else {
            lost == 0
        };
        (!explained).then_some(expected)
    }
}

/// The distance of a figure from its history.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OutlierScore {
    /// The median of the history.
    pub median: f64,
    /// The modified z-score 0.6745 (x - median) / MAD, where MAD is the median absolute deviation.
    /// If MAD is 0: (x - median) / (1.253314 x mean absolute deviation). If this spread is below
    /// the least spread: (x - median) / least spread.
    pub score: f64,
    /// The number of months in the history.
    pub months: usize,
}

/// The modified z-score of a figure against earlier figures.
///
/// `least` maps the median to the least spread to assume, so that one more of a few is not an
/// outlier. `None` with fewer than [`LEAST_HISTORY`] earlier figures, and when there is no spread
/// at all.
#[must_use]
pub fn distance(value: i64, history: &[i64], least: impl Fn(f64) -> f64) -> Option<OutlierScore> {
    if history.len() < LEAST_HISTORY {
        return None;
    }
    let median = median(history.iter().map(|figure| float(*figure)).collect())?;
    let deviations: Vec<f64> =
        history.iter().map(|figure| (float(*figure) - median).abs()).collect();
    let mean =
        deviations.iter().sum::<f64>() / float(i64::try_from(deviations.len()).unwrap_or(i64::MAX));
    let mad = self::median(deviations)?;
    let scale = if mad > 0.0 { mad / 0.6745 } else { mean * 1.253_314 };
    let scale = scale.max(least(median));
    (scale > 0.0).then(|| OutlierScore {
        median,
        score: (float(value) - median) / scale,
        months: history.len(),
    })
}

/// The spread of counts by chance alone: the square root of the expected count (Poisson), and at
/// least one. `unit` is a count of one in units of the last decimal of the figures.
#[must_use]
pub fn chance_deviation(expected: f64, unit: i64) -> f64 {
    (expected.abs().max(float(unit)) * float(unit)).sqrt()
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    if numbers.is_empty() {
        return None;
    }
    let (middle, odd) = (numbers.len() / 2, numbers.len() % 2 == 1);
    let (below, upper, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if odd {
        Some(upper)
    } else {
        Some(f64::midpoint(below.iter().copied().max_by(f64::total_cmp)?, upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outlier_score_matches_the_published_formula() {
        // median 12.5, deviations 2.5 1.5 0.5 0.5 1.5 2.5: MAD 1.5; 0.6745 x (20 - 12.5) / 1.5 =
        // 3.3725
        let found = distance(20, &[10, 11, 12, 13, 14, 15], |_| 0.0).unwrap();
        assert_eq!((found.median, found.months), (12.5, 6));
        assert!((found.score - 3.3725).abs() < 1e-9);
        // MAD 0, mean absolute deviation 12 / 7: (16 - 4) / (1.253314 x 12 / 7)
        let found = distance(16, &[4, 4, 4, 4, 4, 4, 16], |_| 0.0).unwrap();
        assert!((found.score - 12.0 / (1.253_314 * 12.0 / 7.0)).abs() < 1e-9);
    }

    #[test]
    fn one_more_in_a_small_count_is_not_an_outlier() {
        let score = |value, history: &[i64], unit| {
            distance(value, history, |median| chance_deviation(median, unit)).unwrap().score
        };
        assert_eq!(score(112, &[100; 6], 1), 1.2); // (112 - 100) / 10
        assert_eq!(score(1_120, &[1_000; 6], 10), 1.2); // the same with a decimal
        assert_eq!(score(2, &[0; 6], 1), 2.0); // (2 - 0) / 1
    }

    #[test]
    fn the_opening_level_follows_from_a_stock_and_its_flows() {
        let movement = |opened, closed, now| StockMovement { before: None, opened, closed, now };
        // October 2021: 92 accounts created, 7,401 in all; 9 mailboxes created, 7,729 in all.
        assert_eq!(movement(92, None, 7_401).opening(), Some(7_309));
        assert_eq!(movement(9, None, 7_729).opening(), Some(7_720));
        assert_eq!(movement(92, Some(10), 7_401).opening(), Some(7_319));
        assert_eq!(movement(92, None, 50).opening(), None);
    }

    #[test]
    fn a_jump_is_a_level_that_the_flows_do_not_explain() {
        let movement = |before, opened, closed, now| {
            StockMovement { before: Some(before), opened, closed, now }.unexplained()
        };
        assert_eq!(movement(100, 5, Some(2), 103), None);
        assert_eq!(movement(100, 5, Some(2), 104), Some(103));
        assert_eq!(
            movement(100, 5, None, 106),
            Some(105),
            "the stock grew by more than were created"
        );
        assert_eq!(
            movement(100, 5, None, 95),
            None,
            "a loss of ten, a tenth, may have been closed"
        );
        assert_eq!(movement(100, 5, None, 94), Some(105), "a loss of eleven is more than a tenth");
        assert_eq!(
            StockMovement { before: None, opened: 5, closed: None, now: 7 }.unexplained(),
            None
        );
    }

    #[test]
    fn no_outlier_is_reported_without_history_or_spread() {
        assert_eq!(distance(99, &[1, 2, 3, 4, 5], |_| 1.0), None);
        assert_eq!(distance(99, &[5, 5, 5, 5, 5, 5], |_| 0.0), None);
    }
}
