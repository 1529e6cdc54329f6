//! Measures and expressions prepared for evaluation: operands that are aggregated first, and a
//! formula that is applied once to the results (docs/specification.md#kpis,
//! docs/specification.md#formulas).

use smallvec::SmallVec;

use super::catalogue::{Catalogue, Indicator, IndicatorKind, MemberDates};
use super::cube::{CubeView, MeasureId};
use super::expectation::{Expectation, NotApplicableSpan};
use super::formula::{
    Comparison, Expression, FormulaOperator, IndicatorReference, ReportFigures, RuleCondition,
    TimeShift,
};
use super::measure::{Measure, Members};
use super::number::{cancelling_sum, float, power_of_ten};
use super::period::{Month, MonthSpan};

/// How the own value of an indicator is found: stated, or summed over the members of a complete
/// dimension (docs/specification.md#own-value).
#[derive(Clone, Debug, Default)]
pub struct OwnValuePlan {
    /// The measure for which a stated figure would be found.
    pub stated: Option<MeasureId>,
    /// For each complete open dimension that has figures, in catalogue order: how the own values of
    /// its members are found.
    pub splits: Vec<Vec<OwnValuePlan>>,
    /// The units and months to which the figures do not apply, in order of the units' codes.
    pub not_applicable: Vec<NotApplicableSpan>,
    /// For a member of a dimension: the months in which the others are not summed without it.
    pub dates: MemberDates,
}

impl OwnValuePlan {
    /// How the own value of an indicator with `members` is found among the measures that have
    /// figures.
    #[must_use]
    pub fn plan(indicator: &Indicator, members: &Members, view: &CubeView<'_>) -> Self {
        let stated = view.id(&indicator.code, members);
        let not_applicable = indicator
            .not_applicable
            .iter()
            .filter(|span| span.members.iter().all(|(of, member)| members.get(of) == Some(member)))
            .cloned()
            .collect();
        if indicator.kind == IndicatorKind::Average {
            return Self { stated, not_applicable, ..Self::default() }; // an average never adds up
        }
        let splits = indicator.open(members).filter(|dimension| dimension.complete).filter_map(
            |dimension| {
                let parts: Vec<Self> = dimension
                    .members
                    .iter()
                    .map(|member| Self {
                        dates: dimension.dates_of(member),
                        ..Self::plan(indicator, &members.with(&dimension.code, member), view)
                    })
                    .take_while(|part| !part.is_empty() || !part.dates.is_always())
                    .collect();
                let is_whole = parts.len() == dimension.members.len();
                (is_whole && !parts.iter().all(Self::is_empty)).then_some(parts)
            },
        );
        Self { stated, splits: splits.collect(), not_applicable, ..Self::default() }
    }

    /// Adds the measures of the figures from which the own value comes.
    fn collect_stated(&self, found: &mut Vec<MeasureId>) {
        found.extend(self.stated);
        self.splits.iter().flatten().for_each(|part| part.collect_stated(found));
    }

    fn is_empty(&self) -> bool {
        self.stated.is_none() && self.splits.is_empty() && self.not_applicable.is_empty()
    }

    /// The months in which figures do not apply to a unit.
    pub(super) fn not_applicable_to(&self, unit: &str) -> &[NotApplicableSpan] {
        let from = self.not_applicable.partition_point(|span| span.unit.as_str() < unit);
        let to = self.not_applicable.partition_point(|span| span.unit.as_str() <= unit);
        self.not_applicable.get(from..to).unwrap_or_default()
    }

    /// Whether there may be units to which the figures do not apply.
    pub(super) fn may_not_apply(&self, view: &CubeView<'_>) -> bool {
        !self.not_applicable.is_empty()
            || self.stated.is_some_and(|measure| view.has_not_applicable(measure))
            || self.splits.iter().flatten().any(|part| part.may_not_apply(view))
    }
}

/// An indicator as an operand of a formula.
#[derive(Clone, Debug)]
pub struct FigureOperand {
    /// How its own value is found.
    pub own: OwnValuePlan,
    pub(super) kind: IndicatorKind,
    pub(super) decimals: u32,
    pub(super) shift: TimeShift,
    breaks: Vec<Month>,
}

impl FigureOperand {
    /// The month in which the figure is read. `None` where `prev()` reads none.
    pub(super) fn month(&self, month: Month, prior: Option<PriorMonths>) -> Option<Month> {
        match (self.shift, self.kind) {
            (TimeShift::None, _) => Some(month),
            (TimeShift::Year, _) => Some(month.plus(-TimeShift::Year.months())),
            (TimeShift::Periods(periods), IndicatorKind::Flow) => {
                prior.map(|prior| prior.of_flow(periods))
            }
            (TimeShift::Periods(periods), IndicatorKind::Stock | IndicatorKind::Average) => {
                prior.map(|prior| prior.of_stock(periods))
            }
        }
    }

    /// The first and last month of a period in which the figure is read. With `spread` it is read
    /// in every month, not only in the one taken.
    fn months(&self, source: &SourceMonths, spread: bool) -> Option<(Month, Month)> {
        let SourceMonths { span, taken } = *source;
        let every_month = spread || self.reads_prior() || self.kind == IndicatorKind::Flow;
        let (first, last) = if every_month { (span.first(), span.last()) } else { (taken, taken) };
        let read = |month| self.month(month, PriorMonths::in_span(month, span));
        Some((read(first)?, read(last)?))
    }

    /// Whether it reads the months of an earlier period, which depend on the period.
    fn reads_prior(&self) -> bool {
        matches!(self.shift, TimeShift::Periods(_))
    }

    fn of(indicator: &Indicator, members: &Members, shift: TimeShift, view: &CubeView<'_>) -> Self {
        let own = OwnValuePlan::plan(indicator, members, view);
        Self {
            own,
            kind: indicator.kind,
            decimals: indicator.decimals,
            shift,
            breaks: indicator.breaks.clone(),
        }
    }
}

/// The months that aggregated figures come from.
#[derive(Clone, Copy, Debug)]
pub struct SourceMonths {
    /// All months.
    pub span: MonthSpan,
    /// The month from which stocks are taken.
    pub taken: Month,
}

/// The months that `prev()` reads for one month of a period
/// (docs/specification.md#wider-periods).
#[derive(Clone, Copy, Debug)]
pub struct PriorMonths {
    /// The month of the period.
    month: Month,
    /// The first month of the period.
    first: Month,
    /// The number of months of the period.
    length: i32,
}

impl PriorMonths {
    /// For a month by itself: the month before.
    #[must_use]
    pub fn of_month(month: Month) -> Option<Self> {
        Some(Self { month, first: month, length: 1 })
    }

    /// For a month of a span. `None` for nine months, a year to date and the last months, which
    /// have no calendar period before.
    #[must_use]
    pub fn in_span(month: Month, span: MonthSpan) -> Option<Self> {
        let length = span.last().since(span.first()) + 1;
        span.has_prior().then_some(Self { month, first: span.first(), length })
    }

    /// For a flow: the month in the same place, this number of periods earlier.
    fn of_flow(self, periods: u16) -> Month {
        self.month.plus(-self.length * i32::from(periods))
    }

    /// For a stock or an average: the last month of the period this number of periods earlier.
    fn of_stock(self, periods: u16) -> Month {
        self.first.plus(-1 - self.length * (i32::from(periods) - 1))
    }
}

/// An operand of a formula.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// The value of an indicator, in units of its last decimal.
    Figure(FigureOperand),
    /// `x ?? y`, decided at each unit before the operand is summed.
    Coalesce(Box<Program>, Box<Program>),
    /// `sum(x)`: `x` at each leaf, added.
    LeafSum(Box<Program>),
    /// `reported(e)` or `expected(e)`, counted at each unit that has to report.
    Reports(Box<ReportCount>),
}

/// A number of figures that units have to report, or of those of them that are there
/// (docs/specification.md#completeness-as-a-kpi).
#[derive(Clone, Debug)]
pub(super) struct ReportCount {
    pub(super) which: ReportFigures,
    /// The expectations, each with how the own values of its figures are found.
    pub(super) expectations: Vec<(Expectation, Vec<OwnValuePlan>)>,
    /// The first and last month in which any unit has one of the figures.
    months: Option<(Month, Month)>,
}

impl ReportCount {
    fn of(
        catalogue: &Catalogue,
        view: &CubeView<'_>,
        which: ReportFigures,
        code: Option<&str>,
    ) -> Self {
        let plan = |measure: &Measure| {
            let indicator = catalogue.indicator(&measure.code)?;
            Some(OwnValuePlan::plan(indicator, &measure.members, view))
        };
        let planned = |expectation: &Expectation| {
            let figures = expectation.measures.iter().filter_map(plan).collect();
            (expectation.clone(), figures)
        };
        let expectations: Vec<(Expectation, Vec<OwnValuePlan>)> =
            catalogue.expectations_of(code).map(planned).collect();
        let mut stated = Vec::new();
        let figures = expectations.iter().flat_map(|(_, figures)| figures);
        figures.for_each(|figure| figure.collect_stated(&mut stated));
        let months = view.months_with_figures(&stated);
        Self { which, expectations, months }
    }

    /// Whether figures are counted in a month: before the first and after the last report of any
    /// unit there is nothing to count.
    pub(super) fn includes(&self, month: Month) -> bool {
        self.months.is_some_and(|(first, last)| (first..=last).contains(&month))
    }
}

impl Operand {
    /// Its value as it enters the formula, from the value in units of the last decimal.
    fn scale(&self, value: f64) -> f64 {
        match self {
            Self::Figure(figure) if figure.decimals > 0 => {
                value / float(power_of_ten(figure.decimals))
            }
            Self::Figure(_) | Self::Coalesce(..) | Self::LeafSum(_) | Self::Reports(_) => value,
        }
    }

    /// Whether the operand is summed over months (docs/specification.md#wider-periods).
    fn accumulates(&self) -> bool {
        match self {
            Self::Figure(figure) => figure.kind == IndicatorKind::Flow,
            Self::Reports(_) => true,
            Self::Coalesce(x, _) | Self::LeafSum(x) => x.operands.iter().any(Self::accumulates),
        }
    }

    /// The figures without which the operand is not available: those that have no alternative.
    fn required(&self) -> Vec<&FigureOperand> {
        match self {
            Self::Figure(figure) => vec![figure],
            Self::Coalesce(..) | Self::Reports(_) => Vec::new(),
            Self::LeafSum(x) => x.required(),
        }
    }

    /// The counts of reports without which the operand is not available.
    fn required_counts(&self) -> Vec<&ReportCount> {
        match self {
            Self::Reports(count) => vec![count],
            Self::Figure(_) | Self::Coalesce(..) => Vec::new(),
            Self::LeafSum(x) => x.required_counts(),
        }
    }

    /// Whether the operand is only available where a measure has a value. A number needs none.
    fn requires_a_measure(&self) -> bool {
        match self {
            Self::Figure(_) | Self::Reports(_) => true,
            Self::Coalesce(x, y) => x.requires_a_measure() && y.requires_a_measure(),
            Self::LeafSum(x) => x.requires_a_measure(),
        }
    }

    fn has_previous(&self) -> bool {
        match self {
            Self::Figure(figure) => !figure.shift.is_none(),
            Self::Reports(_) => false,
            Self::Coalesce(x, y) => x.has_previous() || y.has_previous(),
            Self::LeafSum(x) => x.has_previous(),
        }
    }

    fn reads_prior(&self) -> bool {
        match self {
            Self::Figure(figure) => figure.reads_prior(),
            Self::Reports(_) => false,
            Self::Coalesce(x, y) => x.reads_prior() || y.reads_prior(),
            Self::LeafSum(x) => x.reads_prior(),
        }
    }

    /// Whether the operand has a break between the months that its figures come from in two
    /// periods. With `spread` every month of a period counts, not only the one taken, because the
    /// operand is beside a flow (docs/specification.md#changes).
    fn is_broken(&self, then: &SourceMonths, now: &SourceMonths, spread: bool) -> bool {
        match self {
            Self::Figure(figure) if figure.breaks.is_empty() => false,
            Self::Figure(figure) => {
                let months = figure.months(then, spread).zip(figure.months(now, spread));
                months.is_some_and(|((after, _), (_, until))| {
                    figure.breaks.iter().any(|from| after < *from && *from <= until)
                })
            }
            Self::Reports(_) => false,
            Self::Coalesce(x, y) => {
                let spread = spread || self.accumulates();
                [x, y]
                    .into_iter()
                    .flat_map(|side| &side.operands)
                    .any(|operand| operand.is_broken(then, now, spread))
            }
            Self::LeafSum(x) => {
                let spread = spread || self.accumulates();
                x.operands.iter().any(|operand| operand.is_broken(then, now, spread))
            }
        }
    }
}

/// An expression over operands, which it names by their place.
#[derive(Clone, Debug)]
pub(super) enum ProgramNode {
    Number(f64),
    /// The number of days, which is behind the operands.
    Days,
    Operand(usize),
    If(Comparison, Box<[ProgramNode; 4]>),
    Negate(Box<ProgramNode>),
    Abs(Box<ProgramNode>),
    Binary(FormulaOperator, Box<ProgramNode>, Box<ProgramNode>),
    Min(Vec<ProgramNode>),
    Max(Vec<ProgramNode>),
}

/// A measure or expression prepared for evaluation: its operands are aggregated first, then its
/// formula is applied once (docs/specification.md#kpis).
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) node: ProgramNode,
    pub(super) operands: Vec<Operand>,
    factor: f64,
    /// Whether its values are percentages.
    pub percent: bool,
    /// Whether it is a kpi.
    pub computed: bool,
    /// Whether the formula has `days()`: the number of days is behind the values of the operands.
    has_days: bool,
}

impl Program {
    /// The program of a measure. `None` when the catalogue does not declare the measure.
    #[must_use]
    pub fn of_measure(
        catalogue: &Catalogue,
        view: &CubeView<'_>,
        measure: &Measure,
    ) -> Option<Self> {
        if let Some(indicator) = catalogue.indicator(&measure.code) {
            let operand = Operand::Figure(FigureOperand::of(
                indicator,
                &measure.members,
                TimeShift::None,
                view,
            ));
            return Some(Self {
                node: ProgramNode::Operand(0),
                operands: vec![operand],
                factor: 1.0,
                percent: indicator.percent,
                computed: false,
                has_days: false,
            });
        }
        let kpi = catalogue.kpi(&measure.code)?;
        let program = Self::of_expression(catalogue, view, &kpi.formula, &measure.members)?;
        Some(Self {
            factor: if kpi.percent { 100.0 } else { 1.0 },
            percent: kpi.percent,
            ..program
        })
    }

    /// The share of a measure with members in its total over all of them, in percent. `None` for
    /// a measure without members, an average and a kpi, which have no share.
    #[must_use]
    pub fn of_share(catalogue: &Catalogue, view: &CubeView<'_>, measure: &Measure) -> Option<Self> {
        let indicator = catalogue.indicator(&measure.code)?;
        if measure.members.is_empty() || indicator.kind == IndicatorKind::Average {
            return None;
        }
        let operand = |members: &Members| {
            Operand::Figure(FigureOperand::of(indicator, members, TimeShift::None, view))
        };
        let side = |place| Box::new(ProgramNode::Operand(place));
        Some(Self {
            node: ProgramNode::Binary(FormulaOperator::Divide, side(0), side(1)),
            operands: vec![operand(&measure.members), operand(&Members::none())],
            factor: 100.0,
            percent: true,
            computed: true,
            has_days: false,
        })
    }

    /// The program of an expression. `asked` gives the members of dimensions that the expression
    /// names without a member. `None` when an indicator is not declared.
    #[must_use]
    pub fn of_expression(
        catalogue: &Catalogue,
        view: &CubeView<'_>,
        expression: &Expression,
        asked: &Members,
    ) -> Option<Self> {
        let mut program = Self {
            node: ProgramNode::Number(0.0),
            operands: Vec::new(),
            factor: 1.0,
            percent: false,
            computed: true,
            has_days: false,
        };
        program.node = program.compile(catalogue, view, expression, asked)?;
        Some(program)
    }

    fn compile(
        &mut self,
        catalogue: &Catalogue,
        view: &CubeView<'_>,
        expression: &Expression,
        asked: &Members,
    ) -> Option<ProgramNode> {
        let operand = match expression {
            Expression::Number(number) => return Some(ProgramNode::Number(number.to_f64())),
            Expression::Days => {
                self.has_days = true;
                return Some(ProgramNode::Days);
            }
            Expression::If(condition, x, y) => {
                let RuleCondition { left, comparison, right } = &**condition;
                let mut of = |part| self.compile(catalogue, view, part, asked);
                let parts = [of(left)?, of(right)?, of(x)?, of(y)?];
                return Some(ProgramNode::If(*comparison, Box::new(parts)));
            }
            Expression::Negate(x) => {
                return Some(ProgramNode::Negate(Box::new(
                    self.compile(catalogue, view, x, asked)?,
                )));
            }
            Expression::Abs(x) => {
                return Some(ProgramNode::Abs(Box::new(self.compile(catalogue, view, x, asked)?)));
            }
            Expression::Binary(operator, x, y) => {
                let (x, y) = (
                    self.compile(catalogue, view, x, asked)?,
                    self.compile(catalogue, view, y, asked)?,
                );
                return Some(ProgramNode::Binary(*operator, Box::new(x), Box::new(y)));
            }
            Expression::Min(list) => {
                return Some(ProgramNode::Min(
                    list.iter()
                        .map(|x| self.compile(catalogue, view, x, asked))
                        .collect::<Option<_>>()?,
                ));
            }
            Expression::Max(list) => {
                return Some(ProgramNode::Max(
                    list.iter()
                        .map(|x| self.compile(catalogue, view, x, asked))
                        .collect::<Option<_>>()?,
                ));
            }
            Expression::Figure(reference) => {
                Operand::Figure(figure(catalogue, view, reference, asked)?)
            }
            Expression::Coalesce(x, y) => Operand::Coalesce(
                Box::new(Self::of_expression(catalogue, view, x, asked)?),
                Box::new(Self::of_expression(catalogue, view, y, asked)?),
            ),
            Expression::Reports(which, code) => {
                let code = code.as_deref();
                Operand::Reports(Box::new(ReportCount::of(catalogue, view, *which, code)))
            }
            Expression::Sum(x) => {
                Operand::LeafSum(Box::new(Self::of_expression(catalogue, view, x, asked)?))
            }
        };
        self.operands.push(operand);
        Some(ProgramNode::Operand(self.operands.len() - 1))
    }

    /// Whether it is an average, which has only own values.
    #[must_use]
    pub fn is_average(&self) -> bool {
        !self.computed
            && matches!(
                self.operands.as_slice(),
                [Operand::Figure(FigureOperand { kind: IndicatorKind::Average, .. })]
            )
    }

    /// For each operand, whether it is summed over months. The others are taken from one month. The
    /// number of days is behind the operands; it is summed if one of them is.
    #[must_use]
    pub fn accumulating_operands(&self) -> SmallVec<[bool; 4]> {
        let mut found: SmallVec<[bool; 4]> =
            self.operands.iter().map(Operand::accumulates).collect();
        if self.has_days {
            found.push(found.contains(&true));
        }
        found
    }

    /// The number of days of a month, which belongs behind the operands, if the formula has
    /// `days()`.
    pub(super) fn days_of(&self, month: Month) -> Option<f64> {
        self.has_days.then(|| float(i64::from(month.days())))
    }

    /// Whether it is only available where a measure has a value: numbers alone are no value
    /// (docs/specification.md#kpis).
    pub(super) fn requires_a_measure(&self) -> bool {
        self.operands.iter().any(Operand::requires_a_measure)
    }

    /// The figures that it requires: those that have no alternative.
    pub(super) fn required(&self) -> Vec<&FigureOperand> {
        self.operands.iter().flat_map(Operand::required).collect()
    }

    /// The counts of reports that it requires.
    pub(super) fn required_counts(&self) -> Vec<&ReportCount> {
        self.operands.iter().flat_map(Operand::required_counts).collect()
    }

    /// Whether there may be units to which something that it requires does not apply.
    pub(super) fn may_not_apply(&self, view: &CubeView<'_>) -> bool {
        self.required().iter().any(|figure| figure.own.may_not_apply(view))
            || !self.required_counts().is_empty()
    }

    /// Whether it contains `prev()` or `year_before()`.
    #[must_use]
    pub fn has_previous(&self) -> bool {
        self.operands.iter().any(Operand::has_previous)
    }

    /// Whether it contains `prev()`, so that the months that it reads depend on the period.
    #[must_use]
    pub fn reads_prior(&self) -> bool {
        self.operands.iter().any(Operand::reads_prior)
    }

    /// Whether an operand has a break between two periods.
    #[must_use]
    pub fn is_broken(&self, then: &SourceMonths, now: &SourceMonths) -> bool {
        self.operands.iter().any(|operand| operand.is_broken(then, now, false))
    }

    /// Applies the formula to aggregated operands. `None` when the result is not finite, as after a
    /// division by zero.
    #[must_use]
    pub fn apply(&self, values: &[f64]) -> Option<f64> {
        let result = self.evaluate_node(&self.node, values)? * self.factor;
        result.is_finite().then_some(result)
    }

    /// The aggregated operands as they enter the formula, from their values in units of the last
    /// decimal.
    #[must_use]
    pub fn scale_operands(&self, values: &[f64]) -> Vec<f64> {
        let scale = |(operand, value): (&Operand, &f64)| operand.scale(*value);
        self.operands.iter().zip(values).map(scale).collect()
    }

    /// The change between two aggregates. For a plain figure the difference is taken before
    /// scaling, so that it is exact.
    #[must_use]
    pub fn difference(&self, now: &[f64], then: &[f64]) -> Option<f64> {
        if let (ProgramNode::Operand(0), Some(Operand::Figure(figure)), false) =
            (&self.node, self.operands.first(), self.computed)
        {
            return Some((now.first()? - then.first()?) / float(power_of_ten(figure.decimals)));
        }
        Some(self.apply(now)? - self.apply(then)?)
    }

    /// The sum or difference of two figures with the same decimals, taken before scaling, so that
    /// it is exact.
    fn figure_sum(
        &self,
        operator: FormulaOperator,
        x: &ProgramNode,
        y: &ProgramNode,
        values: &[f64],
    ) -> Option<f64> {
        let sign = match operator {
            FormulaOperator::Add => 1.0,
            FormulaOperator::Subtract => -1.0,
            FormulaOperator::Multiply | FormulaOperator::Divide | FormulaOperator::Power => {
                return None;
            }
        };
        let figure = |node: &ProgramNode| {
            let ProgramNode::Operand(place) = node else { return None };
            let Operand::Figure(figure) = self.operands.get(*place)? else { return None };
            Some((*values.get(*place)?, figure.decimals))
        };
        let ((x, decimals), (y, same)) = (figure(x)?, figure(y)?);
        let sum = cancelling_sum(x, sign * y);
        (decimals == same).then(|| sum / float(power_of_ten(decimals)))
    }

    fn evaluate_node(&self, node: &ProgramNode, values: &[f64]) -> Option<f64> {
        let all = |list: &[ProgramNode]| {
            list.iter().map(|x| self.evaluate_node(x, values)).collect::<Option<Vec<f64>>>()
        };
        Some(match node {
            ProgramNode::Number(number) => *number,
            ProgramNode::Days => *values.get(self.operands.len())?,
            ProgramNode::If(comparison, parts) => {
                let [left, right, x, y] = &**parts;
                let left = self.evaluate_node(left, values)?;
                let right = self.evaluate_node(right, values)?;
                let chosen = if comparison.holds(left, right, 0.0) { x } else { y };
                self.evaluate_node(chosen, values)?
            }
            ProgramNode::Operand(place) => self.operands.get(*place)?.scale(*values.get(*place)?),
            ProgramNode::Negate(x) => -self.evaluate_node(x, values)?,
            ProgramNode::Abs(x) => self.evaluate_node(x, values)?.abs(),
            ProgramNode::Min(list) => all(list)?.into_iter().fold(f64::INFINITY, f64::min),
            ProgramNode::Max(list) => all(list)?.into_iter().fold(f64::NEG_INFINITY, f64::max),
            ProgramNode::Binary(operator, x, y) => {
                if let Some(sum) = self.figure_sum(*operator, x, y, values) {
                    return Some(sum);
                }
                let (x, y) = (self.evaluate_node(x, values)?, self.evaluate_node(y, values)?);
                match operator {
                    FormulaOperator::Add => cancelling_sum(x, y),
                    FormulaOperator::Subtract => cancelling_sum(x, -y),
                    FormulaOperator::Multiply => x * y,
                    FormulaOperator::Divide if y == 0.0 => return None,
                    FormulaOperator::Divide => x / y,
                    FormulaOperator::Power => Some(x.powf(y)).filter(|power| power.is_finite())?,
                }
            }
        })
    }
}

fn figure(
    catalogue: &Catalogue,
    view: &CubeView<'_>,
    reference: &IndicatorReference,
    asked: &Members,
) -> Option<FigureOperand> {
    let indicator = catalogue.indicator(&reference.indicator)?;
    let named = reference.members.iter().filter_map(|(dimension, member)| {
        let member = member.as_deref().or_else(|| asked.get(dimension))?;
        Some((dimension.clone(), member.to_owned()))
    });
    let members = Members::new(named.collect()).ok()?;
    Some(FigureOperand::of(indicator, &members, reference.shift, view))
}
