//! Figures that stand out against the unit's own history. Nothing here says that a figure is wrong: it says where to look.

use super::number::float;

/// From this modified z-score on (either way) a figure stands out: Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993).
pub const OUTLIER: f64 = 3.5;
/// How outliers are told.
pub const METHOD: &str = "modified z-score (Iglewicz and Hoaglin 1993) of 3.5 or more, against up to 36 months before; spread at least what chance makes of counts";
/// How many months before it a figure is compared with.
pub const HISTORY: i32 = 36;
/// With fewer figures in them nothing is said.
pub const LEAST_HISTORY: usize = 6;
/// For so many months a flow or an average has to be the same to be worth a look, and a stock, which may well rest.
pub const SAME: (usize, usize) = (6, 12);
/// Smaller figures than this repeat by chance.
pub const LEAST_SAME: i64 = 10;
/// Where nothing closed is reported, a stock that has lost more than one in so many is worth a look.
const LOST: i64 = 10;

/// A stock and what moved it in a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Movement {
    /// The level of the month before, where it is known.
    pub before: Option<i64>,
    /// What was created.
    pub opened: i64,
    /// What was closed, where that is reported.
    pub closed: Option<i64>,
    /// The level.
    pub now: i64,
}

impl Movement {
    /// The level of the month before that follows: `total[t-1] = total[t] - created + closed`. Where nothing closed is reported it is
    /// the least that it can have been. None when that is below zero.
    #[must_use]
    pub fn opening(&self) -> Option<i64> {
        Some(self.now - self.opened + self.closed.unwrap_or(0)).filter(|opening| *opening >= 0)
    }

    /// The level that the movement leads to, where the reported one is another. Where nothing closed is reported, what is missing may
    /// have been closed: then it is told from a tenth of the stock on.
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

/// How far a figure is from its history.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Distance {
    /// The history's median.
    pub median: f64,
    /// 0.6745 (x - median) / MAD, MAD being the median absolute deviation; where that is 0, (x - median) / (1.253314 mean absolute
    /// deviation); where the spread is less than chance makes it, (x - median) / that.
    pub score: f64,
    /// How many months of history there were.
    pub months: usize,
}

/// The modified z-score of a figure against the figures before it. None with less than six of them.
///
/// `least` gives, for their median, the spread that they have at the least, so that one more of a few does not stand out. None when
/// there is no spread at all.
#[must_use]
pub fn distance(value: i64, history: &[i64], least: impl Fn(f64) -> f64) -> Option<Distance> {
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
    (scale > 0.0).then(|| Distance {
        median,
        score: (float(value) - median) / scale,
        months: history.len(),
    })
}

/// What chance alone makes of counts: the square root of how many are expected (Poisson), of one at the least. `unit` is one of them
/// in the figures' last decimal.
#[must_use]
pub fn chance(expected: f64, unit: i64) -> f64 {
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
    fn the_score_is_the_published_one() {
        // median 12.5, deviations 2.5 1.5 0.5 0.5 1.5 2.5: MAD 1.5; 0.6745 x (20 - 12.5) / 1.5 = 3.3725
        let found = distance(20, &[10, 11, 12, 13, 14, 15], |_| 0.0).unwrap();
        assert_eq!((found.median, found.months), (12.5, 6));
        assert!((found.score - 3.3725).abs() < 1e-9);
        // MAD 0, mean absolute deviation 12 / 7: (16 - 4) / (1.253314 x 12 / 7)
        let found = distance(16, &[4, 4, 4, 4, 4, 4, 16], |_| 0.0).unwrap();
        assert!((found.score - 12.0 / (1.253_314 * 12.0 / 7.0)).abs() < 1e-9);
    }

    #[test]
    fn one_more_of_a_few_does_not_stand_out() {
        let score = |value, history: &[i64], unit| {
            distance(value, history, |median| chance(median, unit)).unwrap().score
        };
        assert_eq!(score(112, &[100; 6], 1), 1.2); // (112 - 100) / 10
        assert_eq!(score(1_120, &[1_000; 6], 10), 1.2); // the same with a decimal
        assert_eq!(score(2, &[0; 6], 1), 2.0); // (2 - 0) / 1
    }

    #[test]
    fn the_opening_level_follows_from_a_stock_and_its_flows() {
        let movement = |opened, closed, now| Movement { before: None, opened, closed, now };
        // October 2021: 92 accounts created, 7,401 in all; 9 mailboxes created, 7,729 in all.
        assert_eq!(movement(92, None, 7_401).opening(), Some(7_309));
        assert_eq!(movement(9, None, 7_729).opening(), Some(7_720));
        assert_eq!(movement(92, Some(10), 7_401).opening(), Some(7_319));
        assert_eq!(movement(92, None, 50).opening(), None);
    }

    #[test]
    fn a_jump_is_what_the_flows_do_not_lead_to() {
        let movement = |before, opened, closed, now| {
            Movement { before: Some(before), opened, closed, now }.unexplained()
        };
        assert_eq!(movement(100, 5, Some(2), 103), None);
        assert_eq!(movement(100, 5, Some(2), 104), Some(103));
        assert_eq!(movement(100, 5, None, 106), Some(105), "more than were created");
        assert_eq!(movement(100, 5, None, 95), None, "ten may have been closed");
        assert_eq!(movement(100, 5, None, 94), Some(105), "eleven are more than a tenth");
        assert_eq!(Movement { before: None, opened: 5, closed: None, now: 7 }.unexplained(), None);
    }

    #[test]
    fn without_enough_history_or_any_spread_nothing_is_said() {
        assert_eq!(distance(99, &[1, 2, 3, 4, 5], |_| 1.0), None);
        assert_eq!(distance(99, &[5, 5, 5, 5, 5, 5], |_| 0.0), None);
    }
}
