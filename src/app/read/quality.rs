//! Quality: figures that are unusual in a unit's own history, never change, or are not explained by
//! a stock's flows. They contradict no rule, so they are not findings (`docs/questions.md`).

use ledger::RevisionNumber;
use serde::Serialize;

use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::{Indicator, IndicatorKind};
use kpi::cube::MeasureId;
use kpi::measure::{Measure, Members};
use kpi::number::{Rounded, float, power_of_ten, scaled};
use kpi::number_format::{format_vietnamese, rounded_to};
use kpi::outlier::{ComparedWith, FigureHistory, OutlierMethod, OutlierScore, THRESHOLD};
use kpi::period::Month;
use kpi::program::OwnValuePlan;
use kpi::quality::{LEAST_SAME, SAME, StockMovement};
use kpi::unit::UnitPosition;

/// Longest span of a query in months.
pub const MAX_MONTHS: i32 = 600;
/// Most figures examined for one response.
pub const MAX_FIGURES: usize = 3_000_000;

/// A query for unusual figures; an absent field does not restrict the response.
#[derive(Clone, Debug, Default)]
pub struct QualityQuery {
    /// A unit, including those below it.
    pub unit: Option<String>,
    /// First month; eleven months before the last one when absent.
    pub from: Option<Month>,
    /// Last month; the newest one with a figure there when absent.
    pub to: Option<Month>,
    /// One of [`RULES`].
    pub rule: Option<&'static str>,
    /// What makes an outlier.
    pub outliers: OutlierSettings,
    /// How many results to skip.
    pub offset: usize,
    /// At most this many results.
    pub limit: usize,
}

/// What makes an outlier (`docs/specification.md#outliers`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct OutlierSettings {
    /// How a figure is compared.
    pub method: OutlierMethod,
    /// The score, of either sign, from which it is an outlier.
    pub threshold: f64,
}

impl Default for OutlierSettings {
    fn default() -> Self {
        Self { method: OutlierMethod::default(), threshold: THRESHOLD }
    }
}

/// The rule of figures far from the history of their unit.
const OUTLIER: &str = "outlier";

/// The kinds of checks.
pub const RULES: [&str; 4] = [OUTLIER, "unchanged", "unexplained_jump", "implied_opening"];

/// A figure that deserves a check.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct QualityView {
    /// `outlier`: far from the unit's own history. `unchanged`: the same for months.
    /// `unexplained_jump`: a stock that does not follow from its flows. `implied_opening`: the
    /// level of the month before, which was not reported, computed from the stock and its flows.
    pub rule: &'static str,
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// The month; for `unchanged` the last one.
    pub period: String,
    /// The reported figure.
    #[schema(value_type = f64)]
    pub value: Rounded,
    /// The number that the figure was compared with. For `outlier` of a flow or average: the median
    /// (with `method=z_score` the mean) of the other months. For `outlier` of a stock: the level of
    /// the month before, plus the median (or mean) of its other changes. For `unexplained_jump`:
    /// the level of the month before, plus and minus the flows. For `implied_opening`: the opening
    /// level. Null for `unchanged`.
    #[schema(required, value_type = Option<f64>)]
    pub expected: Option<Rounded>,
    /// For `outlier`: the modified z-score, or with `method=z_score` the z-score.
    #[schema(required, value_type = Option<f64>)]
    pub score: Option<Rounded>,
    /// For `outlier`: the number of months (for a stock, of changes) that it was compared with. For
    /// `unchanged`: the number of months with the same figure.
    #[schema(required)]
    pub months: Option<usize>,
    /// The method of the check.
    pub method: &'static str,
    /// The result as an English sentence.
    pub detail: String,
    /// The result as a Vietnamese sentence.
    pub detail_vi: String,
}

/// An examined figure, as a whole number in units of its last decimal.
struct CheckedFigure {
    unit: UnitPosition,
    month: Month,
    value: i64,
}

impl Snapshot {
    /// Figures that deserve a check, by measure, unit and month: revision, the page, and whether
    /// more follow.
    ///
    /// # Errors
    /// [`Error::Invalid`] for too long a span or too many figures; [`Error::NotFound`] for an
    /// unknown unit.
    pub fn quality(
        &self,
        query: &QualityQuery,
    ) -> Result<(RevisionNumber, Vec<QualityView>, bool), Error> {
        let state = self.state();
        let units = match &query.unit {
            None => state.units.all(),
            Some(code) => state.units.subtree(state.find_unit(code)?),
        };
        let to = query.to.or_else(|| state.newest(units)).unwrap_or_else(|| self.month());
        let from = query.from.unwrap_or_else(|| to.plus(-11));
        if to < from {
            return Err(Error::fault("/to", "dates_reversed", "to is before from"));
        }
        let months = to.since(from) + 1;
        if months > MAX_MONTHS {
            return Err(Error::fault(
                "/from",
                "span_too_long",
                format!("the query spans {months} months; at most {MAX_MONTHS} are possible"),
            ));
        }
        let mut looked = 0;
        let mut found = Vec::new();
        let outliers = query.rule.is_none_or(|rule| rule == OUTLIER).then_some(query.outliers);
        let enough = query.offset.saturating_add(query.limit).saturating_add(1);
        let columns = state
            .measures
            .iter()
            .filter_map(|(id, measure)| QualityCheck::column(state, id, measure, outliers));
        let stocks = state
            .catalogue
            .indicators
            .iter()
            .filter_map(|indicator| QualityCheck::stock(state, indicator, outliers));
        'all: for look in columns.chain(stocks) {
            for unit in units {
                looked += look.at(unit, from, to, &mut |view: QualityView| {
                    if query.rule.is_none_or(|rule| rule == view.rule) {
                        found.push(view);
                    }
                });
                if looked > MAX_FIGURES {
                    return Err(Error::fault(
                        "/unit",
                        "too_many",
                        format!("more than {MAX_FIGURES} figures: name a unit, or fewer months"),
                    ));
                }
                if found.len() >= enough {
                    break 'all;
                }
            }
        }
        let more = found.len() > query.offset.saturating_add(query.limit);
        Ok((state.revision, found.into_iter().skip(query.offset).take(query.limit).collect(), more))
    }
}

/// The examination of one measure.
struct QualityCheck<'a> {
    state: &'a State,
    measure: Measure,
    kind: IndicatorKind,
    decimals: u32,
    /// Months from which the definition differs from before.
    breaks: &'a [Month],
    outliers: Option<OutlierSettings>,
    what: OutlierInput,
}

/// The kind of figures that are examined.
enum OutlierInput {
    /// Figures as recorded.
    Column(MeasureId),
    /// The own values of a stock and of its flows.
    Stock(Box<StockPlans>),
}

/// The own values of a stock, of its opening flow, and of its closing flow if that is reported.
struct StockPlans {
    stock: OwnValuePlan,
    opened: OwnValuePlan,
    closed: Option<OwnValuePlan>,
}

impl<'a> QualityCheck<'a> {
    fn column(
        state: &'a State,
        id: MeasureId,
        measure: &Measure,
        outliers: Option<OutlierSettings>,
    ) -> Option<Self> {
        let indicator = state.catalogue.indicator(&measure.code)?;
        Some(Self {
            state,
            measure: measure.clone(),
            kind: indicator.kind,
            decimals: indicator.decimals,
            breaks: &indicator.breaks,
            outliers,
            what: OutlierInput::Column(id),
        })
    }

    fn stock(
        state: &'a State,
        indicator: &'a Indicator,
        outliers: Option<OutlierSettings>,
    ) -> Option<Self> {
        let own = |code: &str| {
            Some(OwnValuePlan::plan(
                state.catalogue.indicator(code)?,
                &Members::none(),
                &state.view(),
            ))
        };
        let (opened, closed) = indicator.movement.as_ref()?;
        let what = OutlierInput::Stock(Box::new(StockPlans {
            stock: own(&indicator.code)?,
            opened: own(opened)?,
            closed: closed.as_ref().and_then(|closed| own(closed)),
        }));
        let measure = Measure { code: indicator.code.clone(), members: Members::none() };
        Some(Self {
            state,
            measure,
            kind: indicator.kind,
            decimals: indicator.decimals,
            breaks: &indicator.breaks,
            outliers,
            what,
        })
    }

    /// Examines the months of a unit; returns how many figures these were.
    fn at(
        &self,
        unit: UnitPosition,
        from: Month,
        to: Month,
        found: &mut impl FnMut(QualityView),
    ) -> usize {
        let mut looked = 0;
        match &self.what {
            OutlierInput::Column(id) => looked = self.column_at(*id, unit, from, to, found),
            OutlierInput::Stock(plans) => {
                let StockPlans { stock, opened, closed } = &**plans;
                let own = |own: &OwnValuePlan, month| {
                    self.state.source().own(own, unit, month).map(|(value, _)| value)
                };
                for month in (0..=to.since(from)).map(|n| from.plus(n)) {
                    let (Some(now), Some(created)) = (own(stock, month), own(opened, month)) else {
                        continue;
                    };
                    looked += 1;
                    let closed = closed.as_ref().and_then(|closed| own(closed, month));
                    let movement = StockMovement {
                        before: own(stock, month.plus(-1)),
                        opened: created,
                        closed,
                        now,
                    };
                    self.moved(&CheckedFigure { unit, month, value: now }, &movement)
                        .into_iter()
                        .for_each(&mut *found);
                }
            }
        }
        looked
    }

    fn column_at(
        &self,
        id: MeasureId,
        unit: UnitPosition,
        from: Month,
        to: Month,
        found: &mut impl FnMut(QualityView),
    ) -> usize {
        let figures: Vec<(Month, i64)> = self.state.cube.row(id, unit).iter().collect();
        let until = figures.partition_point(|(month, _)| *month <= to);
        let months = figures.get(..until).unwrap_or_default();
        if months.last().is_none_or(|(newest, _)| *newest < from) {
            return 0;
        }
        let unit_size = power_of_ten(self.decimals);
        let history = self.outliers.map(|OutlierSettings { method, .. }| {
            FigureHistory::new(&figures, self.kind, unit_size, self.breaks, method)
        });
        let (mut run, mut looked) = (0, 0);
        for (n, (month, value)) in months.iter().enumerate() {
            let same = |other: Option<&(Month, i64)>, apart: i32| {
                other.is_some_and(|(next, same)| same == value && next.since(*month) == apart)
            };
            run = if same(n.checked_sub(1).and_then(|before| months.get(before)), -1) {
                run + 1
            } else {
                1
            };
            if !(from..=to).contains(month) {
                continue;
            }
            looked += 1;
            let place = CheckedFigure { unit, month: *month, value: *value };
            let outlier = history.as_ref().zip(self.outliers).and_then(|(history, settings)| {
                self.outlier(&place, &history.score(*month, settings.method)?, settings.threshold)
            });
            outlier.into_iter().for_each(&mut *found);
            let long = if self.kind == IndicatorKind::Stock { SAME.1 } else { SAME.0 };
            let few = LEAST_SAME.saturating_mul(unit_size);
            if run >= long && value.saturating_abs() >= few && !same(months.get(n + 1), 1) {
                self.unchanged(&place, run).into_iter().for_each(&mut *found);
            }
        }
        looked
    }

    /// A figure with a score that reaches the threshold.
    fn outlier(
        &self,
        place: &CheckedFigure,
        found: &OutlierScore,
        threshold: f64,
    ) -> Option<QualityView> {
        let score =
            Some(found.score).filter(|score| score.abs() >= threshold).and_then(Rounded::new)?;
        let expected = Rounded::new(found.expected / float(power_of_ten(self.decimals)))?;
        let value = scaled(place.value, self.decimals);
        let (z, [en, vi]) = (format!("{:.1}", score.get()), self.compared_with(found));
        let [name, name_vi] = if found.with == ComparedWith::Mean {
            ["z-score", "điểm z"]
        } else {
            ["modified z-score", "điểm z hiệu chỉnh"]
        };
        Some(QualityView {
            expected: Some(expected),
            score: Some(score),
            months: Some(found.months),
            ..self.view(
                place,
                OUTLIER,
                found.with.method(),
                format!("{value} stands out: {en} {expected}, {name} {z}."),
                format!(
                    "{} khác thường: {vi} {}, {name_vi} {}.",
                    vietnamese(value),
                    vietnamese(expected.get()),
                    z.replace('.', ",")
                ),
            )?
        })
    }

    /// The beginning of the sentence about what a figure was compared with, in English and
    /// Vietnamese.
    fn compared_with(&self, found: &OutlierScore) -> [String; 2] {
        let n = found.months;
        let [centre, centre_vi] = if found.with == ComparedWith::Mean {
            ["mean", "trung bình"]
        } else {
            ["median", "trung vị"]
        };
        if self.kind == IndicatorKind::Stock {
            return [
                format!("the month before and the {centre} change of {n} months lead to"),
                format!("tháng trước và mức thay đổi {centre_vi} của {n} tháng cho ra"),
            ];
        }
        let [others, others_vi] = match found.with {
            ComparedWith::SameMonth => {
                [format!("same month in {n} other years"), format!("cùng tháng trong {n} năm khác")]
            }
            ComparedWith::MonthsBefore => [
                format!("{n} months with a figure before"),
                format!("{n} tháng có số liệu trước đó"),
            ],
            ComparedWith::OtherMonths | ComparedWith::Mean => {
                [format!("{n} other months with a figure"), format!("{n} tháng khác có số liệu")]
            }
        };
        [format!("the {centre} of the {others} is"), format!("{centre_vi} của {others_vi} là")]
    }

    fn unchanged(&self, place: &CheckedFigure, run: usize) -> Option<QualityView> {
        let value = scaled(place.value, self.decimals);
        Some(QualityView {
            months: Some(run),
            ..self.view(
                place,
                "unchanged",
                "the same figure in months without a gap",
                format!("{value} has been reported for {run} months."),
                format!("{} được báo cáo suốt {run} tháng.", vietnamese(value)),
            )?
        })
    }

    fn moved(&self, place: &CheckedFigure, movement: &StockMovement) -> Option<QualityView> {
        let number = |value| scaled(value, self.decimals);
        let (now, opened, closed) =
            (number(movement.now), number(movement.opened), number(movement.closed.unwrap_or(0)));
        let (rule, expected, detail, detail_vi) = match movement.before {
            None => {
                // A unit that begins in this month has no month before.
                self.state.units.exists(place.unit, place.month.plus(-1)).then_some(())?;
                let opening = number(movement.opening()?);
                let (en, vi) = (
                    format!(
                        "{opening} the month before follows from {now}, {opened} created and \
                         {closed} closed."
                    ),
                    format!(
                        "Tháng trước là {}, suy ra từ {}, tăng {}, giảm {}.",
                        vietnamese(opening),
                        vietnamese(now),
                        vietnamese(opened),
                        vietnamese(closed)
                    ),
                );
                ("implied_opening", opening, en, vi)
            }
            Some(before) => {
                let expected = number(movement.unexplained()?);
                let before = number(before);
                let (en, vi) = (
                    format!(
                        "{before} the month before, {opened} created, {closed} closed lead to \
                         {expected}; {now} is reported."
                    ),
                    format!(
                        "Tháng trước {}, tăng {}, giảm {}: thành {}; số báo cáo là {}.",
                        vietnamese(before),
                        vietnamese(opened),
                        vietnamese(closed),
                        vietnamese(expected),
                        vietnamese(now)
                    ),
                );
                ("unexplained_jump", expected, en, vi)
            }
        };
        Some(QualityView {
            expected: Rounded::new(expected),
            ..self.view(
                place,
                rule,
                "total[t] = total[t-1] + created - closed",
                detail,
                detail_vi,
            )?
        })
    }

    fn view(
        &self,
        place: &CheckedFigure,
        rule: &'static str,
        method: &'static str,
        detail: String,
        detail_vi: String,
    ) -> Option<QualityView> {
        Some(QualityView {
            rule,
            measure: self.measure.to_string(),
            unit: self.state.units.code(place.unit).to_owned(),
            period: place.month.to_string(),
            value: Rounded::new(scaled(place.value, self.decimals))?,
            expected: None,
            score: None,
            months: None,
            method,
            detail,
            detail_vi,
        })
    }
}

/// A number in Vietnamese notation.
fn vietnamese(number: f64) -> String {
    rounded_to(number, 6).map_or_else(|| number.to_string(), format_vietnamese)
}
