//! What is computed from the figures of a form: its checks, and the kpis for which its rows
//! suffice.

use std::collections::BTreeSet;

use kpi::catalogue::{Catalogue, Dimension, Indicator, IndicatorKind, Kpi};
use kpi::formula::{
    Comparison, Expression, FormulaOperator, IndicatorReference, RuleCheck, RuleCondition,
    TimeShift,
};
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;

/// A check that a figure is part of.
#[derive(Clone, PartialEq, Debug)]
pub struct FormCheck {
    /// The condition, in words.
    pub text: String,
    /// The condition, where the rows of the form are enough for it.
    pub condition: Option<RuleCondition>,
    /// How far its sides may differ.
    pub tolerance: f64,
}

/// A kpi that the rows of the form are enough for.
#[derive(Clone, PartialEq, Debug)]
pub struct FormRate {
    /// The kpi, with members if it is the share of a member.
    pub measure: Measure,
    /// Its name.
    pub label: String,
    /// The unit of its value.
    pub unit_of_measure: String,
    /// Its formula; every indicator in it is a row of the form.
    pub formula: Expression,
    /// Whether the result is multiplied by 100.
    pub is_percent: bool,
}

/// The measures that a form asks for.
pub(super) type FormMeasures = BTreeSet<Measure>;

/// The kpis that the rows are enough for. In a unit without units below it (`is_leaf`) a sum over
/// units is one over the unit itself.
pub(super) fn rates(
    catalogue: &Catalogue,
    is_leaf: bool,
    measures: &FormMeasures,
) -> Vec<FormRate> {
    let asked = catalogue.kpis.iter().flat_map(|kpi| {
        let members = asked_members(kpi);
        members.into_iter().map(move |members| (kpi, members))
    });
    let rate = |(kpi, members): (&Kpi, Members)| {
        let formula = kpi.formula.resolve_members(&members);
        let formula = if is_leaf { without_sums(&formula) } else { formula };
        let measure = Measure { code: kpi.code.clone(), members };
        (!formula.has_sum() && has_rows(&[&formula], measures)).then(|| FormRate {
            label: catalogue.label(&measure).vi,
            unit_of_measure: super::vietnamese_unit(catalogue.unit_of_measure(&kpi.code)),
            is_percent: kpi.percent,
            measure,
            formula,
        })
    };
    asked.filter_map(rate).collect()
}

/// The members with which a kpi gives information: for a share of members, each member alone.
fn asked_members(kpi: &Kpi) -> Vec<Members> {
    if !kpi.is_share_of_members() {
        return vec![Members::none()];
    }
    let of = |(dimension, members): &(String, Vec<String>)| -> Vec<Members> {
        members.iter().map(|member| Members::none().with(dimension, member)).collect()
    };
    kpi.dimensions.iter().flat_map(of).collect()
}

/// Whether everything that the expressions name is a row, and there is one.
fn has_rows(sides: &[&Expression], measures: &FormMeasures) -> bool {
    let references: Vec<_> = sides.iter().flat_map(|side| side.references()).collect();
    let is_row = |reference: &&IndicatorReference| {
        reference.measure().is_some_and(|measure| measures.contains(&measure))
    };
    let has_others = |side: &&Expression| side.has_days() || !side.counted_reports().is_empty();
    !references.is_empty() && references.iter().all(is_row) && !sides.iter().any(has_others)
}

/// The expression for a unit without units below it, where `sum(x)` is `x`.
fn without_sums(expression: &Expression) -> Expression {
    let of = |x: &Expression| Box::new(without_sums(x));
    let all = |list: &[Expression]| list.iter().map(without_sums).collect();
    match expression {
        Expression::Sum(x) => without_sums(x),
        Expression::Number(_)
        | Expression::Days
        | Expression::Reports(..)
        | Expression::Figure(_) => expression.clone(),
        Expression::If(condition, x, y) => {
            let RuleCondition { left, comparison, right } = &**condition;
            let (left, right) = (without_sums(left), without_sums(right));
            let condition = RuleCondition { left, comparison: *comparison, right };
            Expression::If(Box::new(condition), of(x), of(y))
        }
        Expression::Negate(x) => Expression::Negate(of(x)),
        Expression::Abs(x) => Expression::Abs(of(x)),
        Expression::Binary(operator, x, y) => Expression::Binary(*operator, of(x), of(y)),
        Expression::Coalesce(x, y) => Expression::Coalesce(of(x), of(y)),
        Expression::Min(list) => Expression::Min(all(list)),
        Expression::Max(list) => Expression::Max(all(list)),
    }
}

/// The checks that a figure is part of: written rules, and automatic ones.
pub(super) fn checks(
    catalogue: &Catalogue,
    measure: &Measure,
    measures: &FormMeasures,
) -> Vec<FormCheck> {
    let mut found: Vec<FormCheck> = Vec::new();
    // The service checks those of single units.
    for rule in catalogue.rules.iter().filter(|rule| rule.unit.is_none()) {
        let sides = rule.check.sides();
        let is_touched = sides.iter().flat_map(|side| side.references()).any(|reference| {
            reference.shift.is_none() && reference.measure().as_ref() == Some(measure)
        });
        if is_touched && !rule.name.vi.is_empty() {
            let is_simple = !sides.iter().any(|side| side.has_sum()) && has_rows(&sides, measures);
            let condition = match &rule.check {
                RuleCheck::Condition(condition) if is_simple => Some(condition.clone()),
                RuleCheck::Condition(_) | RuleCheck::BothOrNone(_) | RuleCheck::OneOf(_) => None,
            };
            found.push(FormCheck {
                text: rule.name.vi.clone(),
                condition,
                tolerance: rule.tolerance,
            });
        }
    }
    if let Some(indicator) = catalogue.indicator(&measure.code) {
        let open = indicator.open(&measure.members);
        found.extend(
            open.map(|dimension| {
                check_of_parts(catalogue, (indicator, measure), dimension, measures)
            }),
        );
        found.extend(check_of_movement(catalogue, (indicator, measure), measures));
    }
    found
}

/// The check of a total against its members.
fn check_of_parts(
    catalogue: &Catalogue,
    (indicator, measure): (&Indicator, &Measure),
    dimension: &Dimension,
    measures: &FormMeasures,
) -> FormCheck {
    let mut declared = catalogue.document.dimensions.iter();
    let name = declared
        .find(|declared| declared.code == dimension.code)
        .map_or_else(|| dimension.code.clone(), |declared| declared.name.vi.to_lowercase());
    let text = if dimension.complete {
        format!("Tổng các thành phần theo {name} phải bằng số này")
    } else {
        format!("Tổng các thành phần không vượt quá số này, theo {name}")
    };
    let part = |member: &String| Measure {
        code: measure.code.clone(),
        members: measure.members.with(&dimension.code, member),
    };
    let parts: Vec<Measure> =
        dimension.members.iter().map(part).filter(|part| measures.contains(part)).collect();
    let adds_up = indicator.kind != IndicatorKind::Average && !indicator.may_be_negative;
    let is_whole = parts.len() == dimension.members.len();
    // A part that is not filled in takes nothing from the total. Nor does a member with dates,
    // which the form of an earlier month leaves empty.
    let summand = |part: &Measure| {
        let member = part.members.get(&dimension.code).unwrap_or_default();
        let figure = figure(part, false);
        let nothing = Expression::Number(Decimal64 { mantissa: 0, scale: 0 });
        if dimension.complete && dimension.dates_of(member).is_always() {
            figure
        } else {
            Expression::Coalesce(Box::new(figure), Box::new(nothing))
        }
    };
    let sum = parts.iter().map(summand).reduce(|sum, part| binary(FormulaOperator::Add, sum, part));
    let sum = sum.filter(|_| adds_up && (is_whole || !dimension.complete));
    let condition = sum.map(|left| RuleCondition {
        left,
        comparison: if dimension.complete { Comparison::Equal } else { Comparison::AtMost },
        right: figure(measure, false),
    });
    FormCheck { text, condition, tolerance: 0.0 }
}

/// The check of a stock against the month before and its flows.
fn check_of_movement(
    catalogue: &Catalogue,
    (indicator, measure): (&Indicator, &Measure),
    measures: &FormMeasures,
) -> Option<FormCheck> {
    let (opened, closed) = indicator.movement.as_ref().filter(|_| measure.members.is_empty())?;
    let name = catalogue.name(opened).map_or(opened.as_str(), |name| name.vi.as_str());
    let text = format!("Bằng số tháng trước cộng “{name}”, trừ số đã đóng");
    let whole = |code: &String| Measure { code: code.clone(), members: Members::none() };
    let condition = closed.as_ref().map(|closed| {
        let before = figure(measure, true);
        let more = binary(FormulaOperator::Add, before, figure(&whole(opened), false));
        RuleCondition {
            left: figure(measure, false),
            comparison: Comparison::Equal,
            right: binary(FormulaOperator::Subtract, more, figure(&whole(closed), false)),
        }
    });
    let condition =
        condition.filter(|condition| has_rows(&[&condition.left, &condition.right], measures));
    Some(FormCheck { text, condition, tolerance: 0.0 })
}

fn figure(measure: &Measure, previous: bool) -> Expression {
    let members = measure.members.iter();
    Expression::Figure(IndicatorReference {
        indicator: measure.code.clone(),
        members: members.map(|(of, member)| (of.to_owned(), Some(member.to_owned()))).collect(),
        shift: if previous { TimeShift::Periods(1) } else { TimeShift::None },
    })
}

fn binary(operator: FormulaOperator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}
