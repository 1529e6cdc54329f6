//! Formulas of kpis and checks of rules: parsing and printing (docs/specification.md#formulas).

use std::fmt;

use pest::Parser;
use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::fault::quoted;
use super::measure::{Measure, Members};
use super::number::Decimal64;

/// Longest formula in bytes.
pub const MAX_FORMULA: usize = 4_000;
/// Most parentheses that may be open at the same place.
pub const MAX_NESTING: usize = 32;

use grammar::{FormulaGrammar, Rule};

mod grammar {
    /// The parser that is generated from the grammar.
    #[derive(pest_derive::Parser)]
    #[grammar = "formula.pest"]
    pub struct FormulaGrammar;
}

/// The four arithmetic operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FormulaOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

/// An indicator as a formula names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct IndicatorReference {
    /// Its code.
    pub indicator: String,
    /// The dimensions named. A dimension without a member takes the member that the query names, or
    /// the total.
    pub members: Vec<(String, Option<String>)>,
    /// Whether it is inside `prev()`.
    pub previous: bool,
}

/// A formula as a tree.
///
/// ```
/// use kpi::formula::Expression;
/// let rate: Expression = "a.signed/(a.total{channel=online, level} ?? 1)".parse().unwrap();
/// assert_eq!(rate.to_string(), "a.signed / (a.total{channel=online,level} ?? 1)");
/// ```
#[derive(Clone, PartialEq, Debug)]
pub enum Expression {
    /// A number.
    Number(Decimal64),
    /// The value of an indicator.
    Figure(IndicatorReference),
    /// `-x`
    Negate(Box<Self>),
    /// `x + y`, `x - y`, `x * y` or `x / y`
    Binary(FormulaOperator, Box<Self>, Box<Self>),
    /// `x ?? y`: `y` where `x` is missing.
    Coalesce(Box<Self>, Box<Self>),
    /// `min(x, ...)`
    Min(Vec<Self>),
    /// `max(x, ...)`
    Max(Vec<Self>),
    /// `abs(x)`
    Abs(Box<Self>),
    /// `sum(x)`: `x` at each leaf, added.
    Sum(Box<Self>),
}

/// How the two sides of a rule compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::AtMost => "<=",
            Self::AtLeast => ">=",
        })
    }
}

/// The check of a rule: two expressions and how they compare.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleCondition {
    /// The left side.
    pub left: Expression,
    /// How the sides compare.
    pub comparison: Comparison,
    /// The right side.
    pub right: Expression,
}

/// Why a formula cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FormulaError(String);

impl Expression {
    /// Whether the expression contains `sum()`.
    #[must_use]
    pub fn has_sum(&self) -> bool {
        match self {
            Self::Sum(_) => true,
            Self::Number(_) | Self::Figure(_) => false,
            Self::Negate(x) | Self::Abs(x) => x.has_sum(),
            Self::Binary(_, x, y) | Self::Coalesce(x, y) => x.has_sum() || y.has_sum(),
            Self::Min(list) | Self::Max(list) => list.iter().any(Self::has_sum),
        }
    }

    /// The indicators that the expression names, in order of appearance; an indicator may appear
    /// more than once.
    #[must_use]
    pub fn references(&self) -> Vec<&IndicatorReference> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Figure(reference) => vec![reference],
            Self::Negate(x) | Self::Abs(x) | Self::Sum(x) => x.references(),
            Self::Binary(_, x, y) | Self::Coalesce(x, y) => {
                [x.references(), y.references()].concat()
            }
            Self::Min(list) | Self::Max(list) => list.iter().flat_map(Self::references).collect(),
        }
    }

    /// The parts that are aggregated before the formula is applied, in order of appearance:
    /// indicators, and each `??` and `sum()` as a whole (docs/specification.md#kpis).
    #[must_use]
    pub fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Figure(_) | Self::Coalesce(..) | Self::Sum(_) => vec![self],
            Self::Negate(x) | Self::Abs(x) => x.operands(),
            Self::Binary(_, x, y) => [x.operands(), y.operands()].concat(),
            Self::Min(list) | Self::Max(list) => list.iter().flat_map(Self::operands).collect(),
        }
    }

    /// The same expression for the members that a query names: a dimension without a member takes
    /// the member of the query, or is left out for the total.
    #[must_use]
    pub fn resolve_members(&self, asked: &Members) -> Self {
        let of = |x: &Self| Box::new(x.resolve_members(asked));
        let all = |list: &[Self]| list.iter().map(|x| x.resolve_members(asked)).collect();
        match self {
            Self::Number(number) => Self::Number(*number),
            Self::Figure(reference) => Self::Figure(reference.resolve_members(asked)),
            Self::Negate(x) => Self::Negate(of(x)),
            Self::Abs(x) => Self::Abs(of(x)),
            Self::Sum(x) => Self::Sum(of(x)),
            Self::Binary(operator, x, y) => Self::Binary(*operator, of(x), of(y)),
            Self::Coalesce(x, y) => Self::Coalesce(of(x), of(y)),
            Self::Min(list) => Self::Min(all(list)),
            Self::Max(list) => Self::Max(all(list)),
        }
    }
}

impl IndicatorReference {
    /// The measure that it names; `None` with a dimension without a member, which depends on the
    /// query.
    #[must_use]
    pub fn measure(&self) -> Option<Measure> {
        let of = |(dimension, member): &(String, Option<String>)| {
            Some((dimension.clone(), member.clone()?))
        };
        let members = self.members.iter().map(of).collect::<Option<Vec<_>>>()?;
        Some(Measure { code: self.indicator.clone(), members: Members::new(members).ok()? })
    }

    fn resolve_members(&self, asked: &Members) -> Self {
        let resolve = |(dimension, member): &(String, Option<String>)| {
            let member = member.as_deref().or_else(|| asked.get(dimension))?;
            Some((dimension.clone(), Some(member.to_owned())))
        };
        Self { members: self.members.iter().filter_map(resolve).collect(), ..self.clone() }
    }
}

impl std::str::FromStr for Expression {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        bounded(text)?;
        let mut pairs =
            FormulaGrammar::parse(Rule::formula, text).map_err(|error| unreadable(text, &error))?;
        expression(pairs.next())
    }
}

impl std::str::FromStr for RuleCondition {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        bounded(text)?;
        let mut pairs =
            FormulaGrammar::parse(Rule::check, text).map_err(|error| unreadable(text, &error))?;
        let left = expression(pairs.next())?;
        let comparison = match pairs.next().map(|pair| pair.as_str()) {
            Some("<=") => Comparison::AtMost,
            Some(">=") => Comparison::AtLeast,
            _ => Comparison::Equal,
        };
        Ok(Self { left, comparison, right: expression(pairs.next())? })
    }
}

fn bounded(text: &str) -> Result<(), FormulaError> {
    if text.len() > MAX_FORMULA {
        return Err(FormulaError(format!("a formula has at most {MAX_FORMULA} bytes")));
    }
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_NESTING {
            return Err(FormulaError(format!(
                "at most {MAX_NESTING} parentheses may be open at once"
            )));
        }
    }
    Ok(())
}

fn unreadable(text: &str, error: &pest::error::Error<Rule>) -> FormulaError {
    let place = match error.location {
        pest::error::InputLocation::Pos(place) | pest::error::InputLocation::Span((place, _)) => {
            place
        }
    };
    FormulaError(format!("{} cannot be read from character {}", quoted(text), place + 1))
}

fn expression(pair: Option<Pair<'_, Rule>>) -> Result<Expression, FormulaError> {
    let pair = pair.ok_or_else(|| FormulaError("a formula is missing".to_owned()))?;
    let operators = PrattParser::new()
        .op(Op::infix(Rule::coalesce, Assoc::Right))
        .op(Op::infix(Rule::add, Assoc::Left) | Op::infix(Rule::subtract, Assoc::Left))
        .op(Op::infix(Rule::multiply, Assoc::Left) | Op::infix(Rule::divide, Assoc::Left))
        .op(Op::prefix(Rule::negate));
    operators
        .map_primary(primary)
        .map_prefix(|_, x| Ok(Expression::Negate(Box::new(x?))))
        .map_infix(|x, operator, y| {
            let (x, y) = (Box::new(x?), Box::new(y?));
            Ok(match operator.as_str() {
                "??" => Expression::Coalesce(x, y),
                "+" => Expression::Binary(FormulaOperator::Add, x, y),
                "-" => Expression::Binary(FormulaOperator::Subtract, x, y),
                "*" => Expression::Binary(FormulaOperator::Multiply, x, y),
                _ => Expression::Binary(FormulaOperator::Divide, x, y),
            })
        })
        .parse(pair.into_inner())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar's rules are many and only three are primaries besides parentheses"
)]
fn primary(pair: Pair<'_, Rule>) -> Result<Expression, FormulaError> {
    match pair.as_rule() {
        Rule::number => Decimal64::parse(pair.as_str())
            .map(Expression::Number)
            .map_err(|error| FormulaError(format!("{}: {error}", quoted(pair.as_str())))),
        Rule::measure => Ok(Expression::Figure(reference(pair))),
        Rule::call => call(pair.into_inner()),
        _ => expression(Some(pair)),
    }
}

fn reference(pair: Pair<'_, Rule>) -> IndicatorReference {
    let mut inner = pair.into_inner();
    let indicator = inner.next().map(|code| code.as_str().to_owned()).unwrap_or_default();
    let mut members: Vec<(String, Option<String>)> = inner
        .map(|member| {
            let mut names = member.into_inner().map(|name| name.as_str().to_owned());
            (names.next().unwrap_or_default(), names.next())
        })
        .collect();
    members.sort();
    IndicatorReference { indicator, members, previous: false }
}

fn call(mut pairs: Pairs<'_, Rule>) -> Result<Expression, FormulaError> {
    let function = pairs.next().map(|pair| pair.as_str()).unwrap_or_default();
    let mut arguments = pairs.map(|pair| expression(Some(pair))).collect::<Result<Vec<_>, _>>()?;
    if matches!(function, "min" | "max") {
        return Ok(if function == "min" {
            Expression::Min(arguments)
        } else {
            Expression::Max(arguments)
        });
    }
    let (Some(argument), true) = (arguments.pop(), arguments.is_empty()) else {
        return Err(FormulaError(format!("{function}() takes one argument")));
    };
    match function {
        "abs" => Ok(Expression::Abs(Box::new(argument))),
        "sum" => Ok(Expression::Sum(Box::new(argument))),
        _ => previous(argument),
    }
}

/// `prev(x)` is the same expression with every indicator read one month before.
fn previous(expression: Expression) -> Result<Expression, FormulaError> {
    let inside = |x: Box<Expression>| previous(*x).map(Box::new);
    let all = |list: Vec<Expression>| list.into_iter().map(previous).collect::<Result<Vec<_>, _>>();
    Ok(match expression {
        Expression::Figure(IndicatorReference { previous: true, .. }) => {
            return Err(FormulaError("prev() cannot be used inside prev()".to_owned()));
        }
        Expression::Sum(_) => {
            return Err(FormulaError(
                "sum() cannot be used inside prev(); write sum(prev(x))".to_owned(),
            ));
        }
        Expression::Figure(reference) => {
            Expression::Figure(IndicatorReference { previous: true, ..reference })
        }
        Expression::Number(number) => Expression::Number(number),
        Expression::Negate(x) => Expression::Negate(inside(x)?),
        Expression::Abs(x) => Expression::Abs(inside(x)?),
        Expression::Binary(operator, x, y) => Expression::Binary(operator, inside(x)?, inside(y)?),
        Expression::Coalesce(x, y) => Expression::Coalesce(inside(x)?, inside(y)?),
        Expression::Min(list) => Expression::Min(all(list)?),
        Expression::Max(list) => Expression::Max(all(list)?),
    })
}

impl fmt::Display for IndicatorReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members: Vec<String> = self
            .members
            .iter()
            .map(|(dimension, member)| {
                member
                    .as_ref()
                    .map_or_else(|| dimension.clone(), |member| format!("{dimension}={member}"))
            })
            .collect();
        let named = if members.is_empty() {
            self.indicator.clone()
        } else {
            format!("{}{{{}}}", self.indicator, members.join(","))
        };
        if self.previous { write!(f, "prev({named})") } else { f.write_str(&named) }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |list: &[Self]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Figure(reference) => write!(f, "{reference}"),
            Self::Negate(x) => write!(f, "-{}", ParenthesizedOperand(x)),
            Self::Abs(x) => write!(f, "abs({x})"),
            Self::Sum(x) => write!(f, "sum({x})"),
            Self::Min(x) => write!(f, "min({})", list(x)),
            Self::Max(x) => write!(f, "max({})", list(x)),
            Self::Coalesce(x, y) => {
                write!(f, "{} ?? {}", ParenthesizedOperand(x), ParenthesizedOperand(y))
            }
            Self::Binary(operator, x, y) => {
                let sign = match operator {
                    FormulaOperator::Add => "+",
                    FormulaOperator::Subtract => "-",
                    FormulaOperator::Multiply => "*",
                    FormulaOperator::Divide => "/",
                };
                write!(f, "{} {sign} {}", ParenthesizedOperand(x), ParenthesizedOperand(y))
            }
        }
    }
}

/// An operand, printed in parentheses when it is itself an operation.
struct ParenthesizedOperand<'a>(&'a Expression);

impl fmt::Display for ParenthesizedOperand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::Binary(..) | Expression::Coalesce(..) | Expression::Negate(_) => {
                write!(f, "({})", self.0)
            }
            Expression::Number(_)
            | Expression::Figure(_)
            | Expression::Abs(_)
            | Expression::Sum(_)
            | Expression::Min(_)
            | Expression::Max(_) => {
                write!(f, "{}", self.0)
            }
        }
    }
}

impl fmt::Display for RuleCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.left, self.comparison, self.right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(text: &str) -> String {
        text.parse::<Expression>().unwrap().to_string()
    }

    #[test]
    fn multiplication_binds_tighter_than_addition_and_both_tighter_than_coalesce() {
        assert_eq!(printed("a + b * c ?? 0"), "(a + (b * c)) ?? 0");
        assert_eq!(printed("a - b - c"), "(a - b) - c");
        assert_eq!(printed("-a * b"), "(-a) * b");
    }

    #[test]
    fn operands_are_the_parts_that_are_aggregated_first() {
        let formula: Expression =
            "-(a{x,y=1} - prev(b{x})) / (max(a, 2, sum(c * d)) + (e{z} ?? 0) * 3)".parse().unwrap();
        let asked = Members::none().with("x", "7");
        let operands: Vec<String> =
            formula.operands().iter().map(|x| x.resolve_members(&asked).to_string()).collect();
        assert_eq!(operands, ["a{x=7,y=1}", "prev(b{x=7})", "a", "sum(c * d)", "e ?? 0"]);
    }

    #[test]
    fn prev_applies_to_every_figure_inside_it() {
        assert_eq!(printed("prev(a + b{x=1})"), "prev(a) + prev(b{x=1})");
        assert!("prev(prev(a))".parse::<Expression>().is_err());
    }

    #[test]
    fn an_invalid_formula_reports_the_position() {
        let error = "a + * b".parse::<Expression>().unwrap_err().to_string();
        assert!(error.contains("character 5"), "{error}");
        for text in
            ["", "a b", "min()", "abs(a, b)", "1.", "a{", "a{x=}", "A", "sum", &"(".repeat(5000)]
        {
            let outcome = text.parse::<Expression>();
            assert!(outcome.is_err() || text == "sum", "{text}");
        }
    }

    #[test]
    fn a_check_compares_two_expressions() {
        let check: RuleCondition = "a <= b + 1".parse().unwrap();
        assert_eq!(check.to_string(), "a <= b + 1");
        assert!("a < b".parse::<RuleCondition>().is_err());
        assert!("a <= b <= c".parse::<RuleCondition>().is_err());
    }

    fn any_expression() -> impl Strategy<Value = Expression> {
        let figure = (
            "[a-z][a-z0-9_]{0,5}(\\.[a-z0-9_]{1,5})?",
            proptest::collection::btree_map(
                "[a-z]{1,3}",
                proptest::option::of(
                    "[a-z0-9.]{1,3}".prop_filter("starts well", |s| !s.starts_with('.')),
                ),
                0..3,
            ),
            any::<bool>(),
        );
        let leaf = prop_oneof![
            (0_i64..1_000_000, 0_u32..4)
                .prop_map(|(mantissa, scale)| Expression::Number(Decimal64 { mantissa, scale })),
            figure.prop_map(|(indicator, members, previous)| Expression::Figure(
                IndicatorReference { indicator, members: members.into_iter().collect(), previous }
            )),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            let operator = prop_oneof![
                Just(FormulaOperator::Add),
                Just(FormulaOperator::Subtract),
                Just(FormulaOperator::Multiply),
                Just(FormulaOperator::Divide)
            ];
            prop_oneof![
                boxed.clone().prop_map(Expression::Negate),
                boxed.clone().prop_map(Expression::Abs),
                boxed.clone().prop_map(Expression::Sum),
                (operator, boxed.clone(), boxed.clone())
                    .prop_map(|(o, x, y)| Expression::Binary(o, x, y)),
                (boxed.clone(), boxed).prop_map(|(x, y)| Expression::Coalesce(x, y)),
                proptest::collection::vec(inner.clone(), 1..3).prop_map(Expression::Min),
                proptest::collection::vec(inner, 1..3).prop_map(Expression::Max),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_formula_prints_and_parses_back(expression in any_expression()) {
            prop_assert_eq!(expression.to_string().parse::<Expression>().unwrap(), expression);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _outcome = text.parse::<Expression>();
        }
    }
}
