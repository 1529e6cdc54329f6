//! Formulas of the catalogue as formulas of an Excel form, with the result for the figures that the
//! form has when it is written.

use rust_xlsxwriter::Formula;

use kpi::formula::{Comparison, Expression, FormulaOperator, IndicatorReference, RuleCondition};

/// The decimals to which the two sides of a check are compared.
const COMPARED_DECIMALS: u32 = 6;
/// Longest text in a formula of Excel.
const MAX_TEXT: usize = 250;
/// Longest formula that is written; Excel takes 8,192 characters.
const MAX_FORMULA: usize = 8_000;
/// Most cells that a part of a formula names; Excel takes 255 arguments and 64 levels of
/// parentheses.
const MAX_CELLS: usize = 60;

/// Where the figures of a form are.
pub(super) trait FigureCells {
    /// The name of the cell of an indicator.
    fn cell(&self, reference: &IndicatorReference) -> Option<String>;

    /// The figure in it, if there is one.
    fn figure(&self, reference: &IndicatorReference) -> Option<f64>;
}

/// The formula of a kpi: empty until its figures are filled in. `None` if a cell is missing.
pub(super) fn rate_formula(
    expression: &Expression,
    is_percent: bool,
    cells: &impl FigureCells,
) -> Option<Formula> {
    let factor = if is_percent { "*100" } else { "" };
    let value = excel(expression, cells)?;
    let filled = is_filled(&required(expression), cells)?;
    let formula = format!("=IF({filled},IFERROR(({value}){factor},\"\"),\"\")");
    (formula.len() <= MAX_FORMULA).then_some(())?;
    let result = evaluate(expression, cells).filter(|value| value.is_finite());
    let result = result.map(|value| if is_percent { value * 100.0 } else { value });
    Some(with_result(formula, result.map_or_else(String::new, |value| value.to_string())))
}

/// A check with what to say when it fails.
pub(super) struct CellCheck<'c> {
    pub(super) condition: &'c RuleCondition,
    pub(super) tolerance: f64,
    pub(super) text: &'c str,
}

/// The formula that says which checks fail; empty while figures are missing. `None` without checks.
pub(super) fn check_formula(checks: &[CellCheck<'_>], cells: &impl FigureCells) -> Option<Formula> {
    let (formula, result) = joined_checks(checks, cells);
    (!formula.is_empty()).then(|| with_result(format!("=TRIM({formula})"), result))
}

/// The checks in one formula, and its result.
fn joined_checks(checks: &[CellCheck<'_>], cells: &impl FigureCells) -> (String, String) {
    let (mut formula, mut failed) = (String::new(), Vec::new());
    for check in checks {
        let Some((part, fails)) = check_part(check, cells) else { continue };
        if formula.len() + part.len() > MAX_FORMULA {
            continue; // the note of the cell still names it
        }
        if !formula.is_empty() {
            formula.push_str("&\" \"&");
        }
        formula.push_str(&part);
        failed.extend(fails.then(|| failure_text(check.text)));
    }
    (formula, failed.join(" "))
}

/// A formula that results in what to say, and whether the check fails now.
fn check_part(check: &CellCheck<'_>, cells: &impl FigureCells) -> Option<(String, bool)> {
    let RuleCondition { left, comparison, right } = check.condition;
    let (x, y) = (excel(left, cells)?, excel(right, cells)?);
    let filled = is_filled(&[required(left), required(right)].concat(), cells)?;
    let difference = format!("ROUND(({x})-({y}),{COMPARED_DECIMALS})");
    let tolerance = check.tolerance;
    let holds = excel_comparison(&difference, *comparison, tolerance);
    let text = failure_text(check.text).replace('"', "\"\"");
    // An alternative without a value, or a division by zero, breaks no rule.
    let formula = format!("IFERROR(IF({filled},IF({holds},\"\",\"{text}\"),\"\"),\"\")");
    let sides = evaluate(left, cells).zip(evaluate(right, cells));
    let fails = sides.is_some_and(|(x, y)| {
        let scale = 10_f64.powf(f64::from(COMPARED_DECIMALS));
        let difference = ((x - y) * scale).round() / scale;
        !comparison.holds(difference, 0.0, tolerance)
    });
    Some((formula, fails))
}

/// Whether a difference of two sides is that of a comparison.
fn excel_comparison(difference: &str, comparison: Comparison, tolerance: f64) -> String {
    match comparison {
        Comparison::Equal => format!("ABS({difference})<={tolerance}"),
        Comparison::Unequal => format!("ABS({difference})>{tolerance}"),
        Comparison::AtMost => format!("{difference}<={tolerance}"),
        Comparison::AtLeast => format!("{difference}>=-{tolerance}"),
        Comparison::Below => format!("{difference}<-{tolerance}"),
        Comparison::Above => format!("{difference}>{tolerance}"),
    }
}

/// What a failed check says.
pub(super) fn failure_text(text: &str) -> String {
    let text: String = text.chars().take(MAX_TEXT / 2).collect();
    format!("Chưa khớp: {text}.")
}

/// A formula with its result, so that programs that do not compute show it too.
fn with_result(formula: String, result: String) -> Formula {
    Formula::new(formula).set_result(result)
}

/// Whether the cells have numbers.
fn is_filled(references: &[&IndicatorReference], cells: &impl FigureCells) -> Option<String> {
    let mut names =
        references.iter().map(|reference| cells.cell(reference)).collect::<Option<Vec<_>>>()?;
    names.sort();
    names.dedup();
    (names.len() <= MAX_CELLS).then_some(())?;
    Some(if names.is_empty() {
        "TRUE".to_owned()
    } else {
        format!("COUNT({})={}", names.join(","), names.len())
    })
}

/// The indicators without which there is no result: those that have no alternative.
fn required(expression: &Expression) -> Vec<&IndicatorReference> {
    match expression {
        Expression::Number(_)
        | Expression::Days
        | Expression::Reports(..)
        | Expression::Coalesce(..) => Vec::new(),
        Expression::If(condition, x, y) => {
            [&condition.left, &condition.right, x, y].into_iter().flat_map(required).collect()
        }
        Expression::Figure(reference) => vec![reference],
        Expression::Negate(x) | Expression::Abs(x) | Expression::Sum(x) => required(x),
        Expression::Binary(_, x, y) => [required(x), required(y)].concat(),
        Expression::Min(list) | Expression::Max(list) => list.iter().flat_map(required).collect(),
    }
}

/// The expression over cells. `sum()`, `days()`, `reported()` and `expected()` have no cells.
fn excel(expression: &Expression, cells: &impl FigureCells) -> Option<String> {
    let list = |list: &[Expression]| {
        let all = list.iter().map(|x| excel(x, cells)).collect::<Option<Vec<_>>>();
        all.map(|all| all.join(","))
    };
    Some(match expression {
        Expression::Number(number) => number.to_string(),
        Expression::Figure(reference) => cells.cell(reference)?,
        Expression::Negate(x) => format!("(-{})", excel(x, cells)?),
        Expression::Abs(x) => format!("ABS({})", excel(x, cells)?),
        Expression::Min(all) => format!("MIN({})", list(all)?),
        Expression::Max(all) => format!("MAX({})", list(all)?),
        Expression::Coalesce(x, y) => {
            let (first, second) =
                (is_filled(&required(x), cells)?, is_filled(&required(y), cells)?);
            let (x, y) = (excel(x, cells)?, excel(y, cells)?);
            format!("IF({first},{x},IF({second},{y},NA()))")
        }
        Expression::Binary(operator, x, y) => {
            format!("({}{}{})", excel(x, cells)?, operator.sign(), excel(y, cells)?)
        }
        Expression::If(condition, x, y) => {
            let RuleCondition { left, comparison, right } = &**condition;
            let (left, right) = (excel(left, cells)?, excel(right, cells)?);
            let difference = format!("ROUND(({left})-({right}),{COMPARED_DECIMALS})");
            let holds = excel_comparison(&difference, *comparison, 0.0);
            format!("IF({holds},{},{})", excel(x, cells)?, excel(y, cells)?)
        }
        Expression::Sum(_) | Expression::Days | Expression::Reports(..) => return None,
    })
}

/// The value of the expression for the figures of the form.
fn evaluate(expression: &Expression, cells: &impl FigureCells) -> Option<f64> {
    let all =
        |list: &[Expression]| list.iter().map(|x| evaluate(x, cells)).collect::<Option<Vec<f64>>>();
    Some(match expression {
        Expression::Number(number) => number.to_f64(),
        Expression::Figure(reference) => cells.figure(reference)?,
        Expression::Negate(x) => -evaluate(x, cells)?,
        Expression::Abs(x) => evaluate(x, cells)?.abs(),
        Expression::Min(list) => all(list)?.into_iter().reduce(f64::min)?,
        Expression::Max(list) => all(list)?.into_iter().reduce(f64::max)?,
        Expression::Coalesce(x, y) => evaluate(x, cells).or_else(|| evaluate(y, cells))?,
        Expression::Binary(operator, x, y) => {
            let (x, y) = (evaluate(x, cells)?, evaluate(y, cells)?);
            match operator {
                FormulaOperator::Add => x + y,
                FormulaOperator::Subtract => x - y,
                FormulaOperator::Multiply => x * y,
                FormulaOperator::Divide => x / y,
                FormulaOperator::Power => x.powf(y),
            }
        }
        Expression::If(condition, x, y) => {
            let RuleCondition { left, comparison, right } = &**condition;
            let (left, right) = (evaluate(left, cells)?, evaluate(right, cells)?);
            evaluate(if comparison.holds(left, right, 0.0) { x } else { y }, cells)?
        }
        Expression::Sum(_) | Expression::Days | Expression::Reports(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells `F1` for `a.x`, `F2` for `a.y`, and `E` for the month before.
    struct TestCells(Option<f64>, Option<f64>);

    impl FigureCells for TestCells {
        fn cell(&self, reference: &IndicatorReference) -> Option<String> {
            let column = if reference.shift.is_none() { 'F' } else { 'E' };
            let row = ["a.x", "a.y"].iter().position(|code| *code == reference.indicator)?;
            Some(format!("{column}{}", row + 1))
        }

        fn figure(&self, reference: &IndicatorReference) -> Option<f64> {
            if reference.indicator == "a.x" { self.0 } else { self.1 }
        }
    }

    fn formula(text: &str, cells: &TestCells) -> Option<String> {
        excel(&text.parse().unwrap(), cells)
    }

    #[test]
    fn formulas_refer_to_cells() {
        let cells = TestCells(Some(6.0), None);
        let of = |text| formula(text, &cells).unwrap_or_default();
        assert_eq!(of("a.x / (a.y - 2)"), "(F1/(F2-2))");
        assert_eq!(of("a.x - prev(a.x)"), "(F1-E1)");
        assert_eq!(of("max(a.x, a.y)"), "MAX(F1,F2)");
        assert_eq!(of("a.x ?? a.y"), "IF(COUNT(F1)=1,F1,IF(COUNT(F2)=1,F2,NA()))");
        assert_eq!(of("-a.x ^ 2"), "(-(F1^2))");
        assert_eq!(of("if(a.x < a.y, a.x, 0)"), "IF(ROUND((F1)-(F2),6)<-0,F1,0)");
        assert_eq!(of("a.x / days()"), "");
        assert_eq!(of("a.other"), "");
        assert_eq!(of("sum(a.x)"), "");
    }

    #[test]
    fn results_are_those_of_the_figures() {
        let of = |text: &str, x, y| evaluate(&text.parse().unwrap(), &TestCells(x, y));
        assert_eq!(of("a.x / a.y", Some(6.0), Some(4.0)), Some(1.5));
        assert_eq!(of("a.x / a.y", Some(6.0), None), None);
        assert_eq!(of("a.y ?? a.x", Some(6.0), None), Some(6.0));
        assert_eq!(of("min(a.x, a.y) - 1", Some(6.0), Some(4.0)), Some(3.0));
        assert_eq!(of("if(a.x > a.y, a.x ^ 2, 0)", Some(6.0), Some(4.0)), Some(36.0));
        assert_eq!(of("if(a.x > a.y, a.x ^ 2, 0)", Some(4.0), Some(4.0)), Some(0.0));
    }

    #[test]
    fn a_check_without_a_result_shows_nothing_and_a_long_one_is_left_out() {
        let cells = TestCells(None, Some(5.0));
        let condition: RuleCondition = "(a.x ?? a.x) <= a.y".parse().unwrap();
        let check = || CellCheck { condition: &condition, tolerance: 0.0, text: "x" };
        let (part, fails) = check_part(&check(), &cells).unwrap();
        assert!(part.starts_with("IFERROR(") && !fails, "{part}");
        let many: Vec<CellCheck<'_>> = (0..200).map(|_| check()).collect();
        let (all, one) = (joined_checks(&many, &cells).0, joined_checks(&[check()], &cells).0);
        assert!(all.len() > 10 * one.len() && all.len() < MAX_FORMULA + 10, "{}", all.len());
    }

    #[test]
    fn a_check_fails_when_its_sides_do_not_agree() {
        let fails = |text: &str, x, y| {
            let condition: RuleCondition = text.parse().unwrap();
            let check = CellCheck { condition: &condition, tolerance: 0.0, text: "x" };
            check_part(&check, &TestCells(x, y)).unwrap().1
        };
        assert!(fails("a.x <= a.y", Some(5.0), Some(4.0)));
        assert!(!fails("a.x <= a.y", Some(4.0), Some(4.0)));
        assert!(!fails("a.x <= a.y", Some(5.0), None), "a missing figure breaks nothing");
        assert!(fails("a.x == a.y", Some(0.3), Some(0.2)));
        assert!(!fails("a.x == a.y + 0.1", Some(0.3), Some(0.2)), "rounding is no difference");
    }
}
