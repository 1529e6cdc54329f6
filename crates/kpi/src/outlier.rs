//! Outliers: figures far from the history of their unit (docs/specification.md#outliers). Such a
//! figure may be right; it deserves a check.

use crate::catalogue::IndicatorKind;
use crate::number::float;
use crate::period::Month;

/// Score, of either sign, from which a figure is an outlier: Iglewicz and Hoaglin, How to Detect
/// and Handle Outliers (1993).
pub const THRESHOLD: f64 = 3.5;
/// The fewest figures with which a comparison is made.
const LEAST_HISTORY: usize = 6;
/// The fewest other years with which a month is compared by season.
const LEAST_YEARS: usize = 2;
/// The fewest other years for which one wrong figure does not move the median far.
const FIRM_YEARS: usize = 3;
/// The number of months that [`OutlierMethod::Before`] looks back.
const MONTHS_BEFORE: i32 = 36;
/// Median absolute deviation of a normal distribution with the standard deviation 1.
const NORMAL_MAD: f64 = 0.6745;
/// Standard deviation of a normal distribution with the mean absolute deviation 1.
const NORMAL_MEAN_DEVIATION: f64 = 1.253_314;

/// How outliers are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OutlierMethod {
    /// [`OutlierMethod::Seasonal`] with three other years; with two the smaller score of that and
    /// [`OutlierMethod::History`]; otherwise the latter.
    #[default]
    Auto,
    /// Modified z-score against all other months.
    History,
    /// Flows only: modified z-score against the same month of other years.
    Seasonal,
    /// Modified z-score against the 36 months before: what was known then.
    Before,
    /// Z-score against all other months: mean and standard deviation.
    ZScore,
}

impl OutlierMethod {
    /// The methods with their names in queries.
    const NAMES: [(Self, &str); 5] = [
        (Self::Auto, "auto"),
        (Self::History, "history"),
        (Self::Seasonal, "seasonal"),
        (Self::Before, "before"),
        (Self::ZScore, "z_score"),
    ];

    /// The names in queries.
    #[must_use]
    pub fn names() -> [&'static str; 5] {
        Self::NAMES.map(|(_, name)| name)
    }

    /// The method with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(method, _)| *method)
    }
}

/// What a figure was compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ComparedWith {
    /// All other months.
    OtherMonths,
    /// The same month of other years.
    SameMonth,
    /// The months before.
    MonthsBefore,
    /// All other months, by their mean and standard deviation.
    Mean,
}

impl ComparedWith {
    /// The description of the method, for responses.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::OtherMonths => {
                "modified z-score (Iglewicz and Hoaglin 1993) against all other months; \
                 spread at least what chance makes of counts"
            }
            Self::SameMonth => {
                "modified z-score (Iglewicz and Hoaglin 1993) against the same month of other \
                 years; spread at least what chance makes of counts"
            }
            Self::MonthsBefore => {
                "modified z-score (Iglewicz and Hoaglin 1993) against up to 36 months before; \
                 spread at least what chance makes of counts"
            }
            Self::Mean => {
                "z-score against all other months; spread at least what chance makes of counts"
            }
        }
    }
}

/// The distance of a figure from those that it was compared with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OutlierScore {
    /// What it was compared with.
    pub with: ComparedWith,
    /// The figure to expect: the centre of the others; for a stock the level of the month before
    /// plus the centre of the other changes.
    pub expected: f64,
    /// The distance from the expected figure, as a multiple of the spread; negative below it.
    pub score: f64,
    /// The number of figures (for a stock, changes) that it was compared with.
    pub months: usize,
}

/// The figures of a measure at a unit, as whole numbers in units of their last decimal, prepared
/// for the search for outliers. Nothing is compared across a break.
pub struct FigureHistory<'a> {
    kind: IndicatorKind,
    /// A count of one, in units of the last decimal.
    count_of_one: i64,
    /// The recorded figures in order.
    figures: &'a [(Month, i64)],
    /// What is compared, without gaps across breaks: figures, for a stock their changes.
    compared: Vec<ComparedFigure>,
    /// Of each compared figure the distance from its season, where it has one; empty until needed.
    residuals: Vec<Option<f64>>,
}

/// A figure, or a change of a stock, that is compared with others of the same definition.
struct ComparedFigure {
    month: Month,
    value: i64,
    /// The number of breaks up to the month.
    definition: usize,
}

impl<'a> FigureHistory<'a> {
    /// Prepares the figures for a method.
    #[must_use]
    pub fn new(
        figures: &'a [(Month, i64)],
        kind: IndicatorKind,
        count_of_one: i64,
        breaks: &[Month],
        method: OutlierMethod,
    ) -> Self {
        let definition = |month: Month| breaks.iter().filter(|from| **from <= month).count();
        let compared: Vec<ComparedFigure> = if kind == IndicatorKind::Stock {
            let pairs = figures.iter().zip(figures.iter().skip(1));
            let adjacent = pairs.filter(|((one, _), (next, _))| {
                next.since(*one) == 1 && definition(*one) == definition(*next)
            });
            adjacent
                .map(|((_, one), (month, next))| ComparedFigure {
                    month: *month,
                    value: next - one,
                    definition: definition(*month),
                })
                .collect()
        } else {
            figures
                .iter()
                .map(|(month, value)| ComparedFigure {
                    month: *month,
                    value: *value,
                    definition: definition(*month),
                })
                .collect()
        };
        let mut history = Self { kind, count_of_one, figures, compared, residuals: Vec::new() };
        let is_seasonal = matches!(method, OutlierMethod::Auto | OutlierMethod::Seasonal);
        if is_seasonal && kind == IndicatorKind::Flow {
            history.residuals = history.compared.iter().map(|one| history.residual(one)).collect();
        }
        history
    }

    /// The distance of a month's figure from the others; `None` when there are too few of them, or
    /// no spread at all.
    #[must_use]
    pub fn score(&self, month: Month, method: OutlierMethod) -> Option<OutlierScore> {
        let place = self.compared.binary_search_by_key(&month, |one| one.month).ok()?;
        let figure = self.compared.get(place)?;
        match method {
            OutlierMethod::Auto => self.either(place, figure),
            OutlierMethod::History => self.whole(figure),
            OutlierMethod::Seasonal => self.seasonal(place, figure),
            OutlierMethod::Before => {
                let others = self.others(figure, |other| {
                    (1..=MONTHS_BEFORE).contains(&month.since(other.month))
                });
                self.compare(figure, ComparedWith::MonthsBefore, &others)
            }
            OutlierMethod::ZScore => {
                let others = self.others(figure, |_| true);
                self.compare(figure, ComparedWith::Mean, &others)
            }
        }
    }

    /// By season or by the whole history. Where only two other years are known, one wrong figure
    /// makes the other figures of its month look unusual; so these must also be far from the whole
    /// history.
    fn either(&self, place: usize, figure: &ComparedFigure) -> Option<OutlierScore> {
        let seasonal = self.seasonal(place, figure);
        if seasonal.is_some_and(|seasonal| seasonal.months >= FIRM_YEARS) {
            return seasonal;
        }
        match (seasonal, self.whole(figure)) {
            (Some(seasonal), Some(whole)) if whole.score.abs() < seasonal.score.abs() => {
                Some(whole)
            }
            (seasonal, whole) => seasonal.or(whole),
        }
    }

    fn whole(&self, figure: &ComparedFigure) -> Option<OutlierScore> {
        self.compare(figure, ComparedWith::OtherMonths, &self.others(figure, |_| true))
    }

    /// The other figures of the same definition.
    fn others(
        &self,
        figure: &ComparedFigure,
        wanted: impl Fn(&ComparedFigure) -> bool,
    ) -> Vec<f64> {
        let same = |other: &&ComparedFigure| {
            other.month != figure.month && other.definition == figure.definition
        };
        let others = self.compared.iter().filter(same).filter(|other| wanted(other));
        others.map(|other| float(other.value)).collect()
    }

    /// A figure against others.
    fn compare(
        &self,
        figure: &ComparedFigure,
        with: ComparedWith,
        others: &[f64],
    ) -> Option<OutlierScore> {
        if others.len() < LEAST_HISTORY {
            return None;
        }
        let (centre, spread) = if with == ComparedWith::Mean {
            (mean(others)?, standard_deviation(others)?)
        } else {
            let centre = median(others.to_vec())?;
            let deviations = others.iter().map(|other| (other - centre).abs()).collect();
            (centre, robust_spread(deviations)?)
        };
        self.distance(figure, with, centre, spread, others.len())
    }

    /// A flow against the same month of other years. The spread is that of all other figures around
    /// the same month of other years.
    fn seasonal(&self, place: usize, figure: &ComparedFigure) -> Option<OutlierScore> {
        let residual = self.residuals.get(place).copied().flatten()?;
        let residuals =
            self.compared.iter().zip(&self.residuals).filter_map(|(other, residual)| {
                let wanted = other.month != figure.month && other.definition == figure.definition;
                residual.filter(|_| wanted).map(f64::abs)
            });
        let residuals: Vec<f64> = residuals.collect();
        if residuals.len() < LEAST_HISTORY {
            return None;
        }
        let spread = robust_spread(residuals)?;
        let years = self.same_month(figure).len();
        let centre = float(figure.value) - residual;
        self.distance(figure, ComparedWith::SameMonth, centre, spread, years)
    }

    /// A figure minus the median of the same month in other years.
    fn residual(&self, figure: &ComparedFigure) -> Option<f64> {
        let others = self.same_month(figure);
        (others.len() >= LEAST_YEARS).then_some(())?;
        Some(float(figure.value) - median(others)?)
    }

    /// The figures of the same month in other years.
    fn same_month(&self, figure: &ComparedFigure) -> Vec<f64> {
        let (Some(first), Some(last)) = (self.compared.first(), self.compared.last()) else {
            return Vec::new();
        };
        let earlier = figure.month.since(first.month) / 12;
        let years = -earlier..=last.month.since(figure.month) / 12;
        let others = years.filter(|year| *year != 0).filter_map(|year| {
            let month = figure.month.plus(12 * year);
            let place = self.compared.binary_search_by_key(&month, |one| one.month).ok()?;
            self.compared.get(place)
        });
        let same = others.filter(|other| other.definition == figure.definition);
        same.map(|other| float(other.value)).collect()
    }

    fn distance(
        &self,
        figure: &ComparedFigure,
        with: ComparedWith,
        centre: f64,
        spread: f64,
        months: usize,
    ) -> Option<OutlierScore> {
        let before = self.level_before(figure.month);
        let least = match self.kind {
            IndicatorKind::Flow => chance_deviation(centre, self.count_of_one),
            IndicatorKind::Stock => chance_deviation(before, self.count_of_one),
            IndicatorKind::Average => 1.0,
        };
        let spread = spread.max(least);
        let score = (float(figure.value) - centre) / spread;
        (spread > 0.0).then_some(OutlierScore { with, expected: before + centre, score, months })
    }

    /// For a stock the level of the month before, to which the change is added; otherwise 0.
    fn level_before(&self, month: Month) -> f64 {
        if self.kind != IndicatorKind::Stock {
            return 0.0;
        }
        let place = self.figures.binary_search_by_key(&month.plus(-1), |(month, _)| *month);
        let before = place.ok().and_then(|place| self.figures.get(place));
        before.map_or(0.0, |(_, level)| float(*level))
    }
}

/// The spread of counts by chance alone: the square root of the expected count (Poisson), and at
/// least one; all in units of the last decimal of the figures.
fn chance_deviation(expected: f64, count_of_one: i64) -> f64 {
    let one = float(count_of_one);
    (expected.abs().max(one) * one).sqrt()
}

/// The standard deviation that absolute deviations suggest: by their median, or by their mean where
/// the median is 0.
fn robust_spread(deviations: Vec<f64>) -> Option<f64> {
    let mean = mean(&deviations)?;
    let median = median(deviations)?;
    Some(if median > 0.0 { median / NORMAL_MAD } else { mean * NORMAL_MEAN_DEVIATION })
}

fn mean(numbers: &[f64]) -> Option<f64> {
    Some(numbers.iter().sum::<f64>() / count(numbers)?)
}

/// The standard deviation of a sample.
fn standard_deviation(numbers: &[f64]) -> Option<f64> {
    let mean = mean(numbers)?;
    let squares = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>();
    let freedom = count(numbers)? - 1.0;
    (freedom > 0.0).then(|| (squares / freedom).sqrt())
}

/// How many numbers there are, if there are any.
fn count(numbers: &[f64]) -> Option<f64> {
    i64::try_from(numbers.len()).ok().filter(|count| *count > 0).map(float)
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

    /// Figures from January 2020, month by month.
    fn monthly(values: &[i64]) -> Vec<(Month, i64)> {
        let january = Month::new(2020, 1).unwrap();
        let months = (0..).map(|n| january.plus(n));
        months.zip(values.iter().copied()).collect()
    }

    fn score_of(
        figures: &[(Month, i64)],
        kind: IndicatorKind,
        unit: i64,
        method: OutlierMethod,
        (year, month): (i32, u32),
    ) -> Option<OutlierScore> {
        let history = FigureHistory::new(figures, kind, unit, &[], method);
        history.score(Month::new(year, month).unwrap(), method)
    }

    #[test]
    fn the_score_matches_the_published_formula() {
        // median 1250, deviations 250 150 50 50 150 250: MAD 150;
        // 0.6745 x (2000 - 1250) / 150 = 3.3725
        let figures = monthly(&[1_000, 1_100, 1_200, 1_300, 1_400, 1_500, 2_000]);
        let of = |method| score_of(&figures, IndicatorKind::Flow, 1, method, (2020, 7)).unwrap();
        let found = of(OutlierMethod::History);
        assert_eq!((found.expected, found.months), (1_250.0, 6));
        assert!((found.score - 3.3725).abs() < 1e-9);
        assert_eq!(of(OutlierMethod::Before).score, found.score);
        // mean 1250; squares 62,500 + 22,500 + 2,500 twice: 175,000 / 5 = 35,000
        let found = of(OutlierMethod::ZScore);
        assert!((found.score - 750.0 / 35_000_f64.sqrt()).abs() < 1e-9);
        // MAD 0, mean absolute deviation 1200 / 7: (1600 - 400) / (1.253314 x 1200 / 7)
        let figures = monthly(&[400, 400, 400, 400, 400, 400, 1_600, 1_600]);
        let found =
            score_of(&figures, IndicatorKind::Flow, 1, OutlierMethod::History, (2020, 8)).unwrap();
        assert!((found.score - 1_200.0 / (1.253_314 * 1_200.0 / 7.0)).abs() < 1e-9);
    }

    #[test]
    fn the_first_month_is_compared_with_those_after_it() {
        let figures = monthly(&[2_000, 1_000, 1_100, 1_200, 1_300, 1_400, 1_500]);
        let of = |method| score_of(&figures, IndicatorKind::Flow, 1, method, (2020, 1));
        assert!((of(OutlierMethod::History).unwrap().score - 3.3725).abs() < 1e-9);
        assert_eq!(of(OutlierMethod::Before), None);
        // Six figures have five others each
        let few = &figures[..6];
        assert_eq!(score_of(few, IndicatorKind::Flow, 1, OutlierMethod::History, (2020, 1)), None);
    }

    #[test]
    fn one_more_in_a_small_count_is_not_an_outlier() {
        let of = |values: &[i64], unit| {
            let figures = monthly(values);
            let last = figures.last().unwrap().0;
            let history =
                FigureHistory::new(&figures, IndicatorKind::Flow, unit, &[], OutlierMethod::Auto);
            history.score(last, OutlierMethod::Auto).unwrap().score
        };
        assert_eq!(of(&[100, 100, 100, 100, 100, 100, 112], 1), 1.2); // (112 - 100) / 10
        // The same with a decimal
        assert_eq!(of(&[1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_120], 10), 1.2);
        assert_eq!(of(&[0, 0, 0, 0, 0, 0, 2], 1), 2.0); // (2 - 0) / 1
    }

    /// Four years in which each month has one level, December another one, and one figure is given.
    fn four_years(december: i64, at: usize, value: i64) -> Vec<(Month, i64)> {
        let levels = |n: usize| if n % 12 == 11 { december } else { 1_000 };
        let noise = |n: usize| i64::try_from(n / 12).unwrap() * 100; // 0, 100, 200, 300
        let mut figures = monthly(&(0..48).map(|n| levels(n) + noise(n)).collect::<Vec<_>>());
        figures[at].1 = value;
        figures
    }

    #[test]
    fn a_flow_is_compared_with_the_same_month_of_three_other_years() {
        let of = |figures: &[(Month, i64)], kind, method, at| {
            score_of(figures, kind, 1, method, at).unwrap()
        };
        // December 2022 has 5,200; the others 5,000, 5,100, 5,300: their median 5,100
        let figures = four_years(5_000, 35, 5_200);
        let found = of(&figures, IndicatorKind::Flow, OutlierMethod::Auto, (2022, 12));
        assert_eq!(
            (found.with, found.expected, found.months),
            (ComparedWith::SameMonth, 5_100.0, 3)
        );
        // The four years of a month are 200, 100, 100 and 200 from the median of the other three.
        // So 24 are 200 and, without the figure itself, 23 are 100: their median is 200
        assert!((found.score - 0.6745 * 100.0 / 200.0).abs() < 1e-9);
        // Against all other months the same figure is far off
        let found = of(&figures, IndicatorKind::Flow, OutlierMethod::History, (2022, 12));
        assert!(found.score > THRESHOLD, "{found:?}");
        // 1,200 is usual in other months, but not in December
        let figures = four_years(5_000, 35, 1_200);
        let found = of(&figures, IndicatorKind::Flow, OutlierMethod::Auto, (2022, 12));
        assert_eq!(found.expected, 5_100.0);
        assert!(found.score < -THRESHOLD, "{found:?}");
        let found = of(&figures, IndicatorKind::Flow, OutlierMethod::History, (2022, 12));
        assert!(found.score.abs() < THRESHOLD, "{found:?}");
        // An average has no seasons
        let found = of(&figures, IndicatorKind::Average, OutlierMethod::Auto, (2022, 12));
        assert_eq!(found.with, ComparedWith::OtherMonths);
    }

    #[test]
    fn one_wrong_figure_of_three_years_does_not_put_the_others_into_doubt() {
        // January 2020 is ten times too high, December a season
        let figures = &four_years(5_000, 0, 10_000)[..36];
        let of = |method, at| score_of(figures, IndicatorKind::Flow, 1, method, at).unwrap();
        let is_outlier = |method, at| of(method, at).score.abs() >= THRESHOLD;
        assert!(is_outlier(OutlierMethod::Auto, (2020, 1)));
        assert!(is_outlier(OutlierMethod::Seasonal, (2021, 1)), "1,100 against 5,600");
        assert!(!is_outlier(OutlierMethod::Auto, (2021, 1)));
        assert!(is_outlier(OutlierMethod::History, (2022, 12)));
        assert!(!is_outlier(OutlierMethod::Auto, (2022, 12)));
        // 5,200 against 5,050; the distances of a month are 150, 0, 150, of January more
        let found = of(OutlierMethod::Auto, (2022, 12));
        assert_eq!(
            (found.with, found.expected, found.months),
            (ComparedWith::SameMonth, 5_050.0, 2)
        );
        assert!((found.score - 0.6745).abs() < 1e-9);
    }

    #[test]
    fn the_same_month_of_other_years_is_found_over_gaps_and_not_across_a_break() {
        let january = Month::new(2020, 1).unwrap();
        let gaps = |n: &i32| n % 7 != 3 && !(20..30).contains(n);
        let figures: Vec<(Month, i64)> =
            (5..77).filter(gaps).map(|n| (january.plus(n), i64::from(n))).collect();
        for breaks in [vec![], vec![january.plus(40)]] {
            let kind = IndicatorKind::Flow;
            let history = FigureHistory::new(&figures, kind, 1, &breaks, OutlierMethod::Auto);
            for figure in &history.compared {
                let slow = |other: &ComparedFigure| other.month.month() == figure.month.month();
                assert_eq!(history.same_month(figure), history.others(figure, slow));
            }
        }
    }

    #[test]
    fn two_years_are_too_few_for_a_season() {
        let figures = &four_years(5_000, 0, 1_000)[..24];
        let of = |method| score_of(figures, IndicatorKind::Flow, 1, method, (2021, 6));
        assert_eq!(of(OutlierMethod::Seasonal), None);
        assert_eq!(of(OutlierMethod::Auto).unwrap().with, ComparedWith::OtherMonths);
    }

    #[test]
    fn nothing_is_compared_across_a_break() {
        let figures = monthly(&[100, 110, 120, 130, 140, 150, 900, 910, 920, 930, 940, 950, 960]);
        let july = Month::new(2020, 7).unwrap();
        let of = |breaks: &[Month], month| {
            let method = OutlierMethod::History;
            let history = FigureHistory::new(&figures, IndicatorKind::Flow, 1, breaks, method);
            history.score(Month::new(2020, month).unwrap(), method).map(|found| found.months)
        };
        assert_eq!(of(&[], 7), Some(12));
        assert_eq!(of(&[july], 7), Some(6));
        assert_eq!(of(&[july], 6), None, "only five others before the break");
    }

    #[test]
    fn a_stock_is_judged_by_its_change() {
        // Changes 100 to 600, then + 1,500 to 4,600; 0.6745 x (1,500 - 350) / 150
        let figures = monthly(&[1_000, 1_100, 1_300, 1_600, 2_000, 2_500, 3_100, 4_600]);
        let of =
            |month| score_of(&figures, IndicatorKind::Stock, 1, OutlierMethod::Auto, (2020, month));
        let found = of(8).unwrap();
        assert_eq!((found.expected, found.months), (3_450.0, 6));
        assert!((found.score - 0.6745 * 1_150.0 / 150.0).abs() < 1e-9);
        assert_eq!(of(1), None, "the first level is no change");
    }

    #[test]
    fn without_any_spread_nothing_is_an_outlier() {
        let figures = monthly(&[5, 5, 5, 5, 5, 5, 99]);
        let of = |kind| score_of(&figures, kind, 0, OutlierMethod::History, (2020, 7));
        assert_eq!(of(IndicatorKind::Flow), None);
    }

    #[test]
    fn every_method_has_a_name() {
        for name in OutlierMethod::names() {
            assert!(OutlierMethod::named(name).is_some(), "{name}");
        }
        assert_eq!(OutlierMethod::named("median"), None);
    }
}
