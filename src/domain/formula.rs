//! The expression of a kpi or a rule: grammar, printing and evaluation (contract section 4).

use std::fmt;

use pest::Parser;
use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::fault::quoted;
use super::number::Written;

/// Longest formula in bytes.
pub const MAX_FORMULA: usize = 4_000;
/// Most parentheses open at once.
pub const MAX_NESTING: usize = 32;

use grammar::{Grammar, Rule};

mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "domain/formula.pest"]
    pub struct Grammar;
}

/// The four operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
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
pub struct Reference {
    /// Its code.
    pub indicator: String,
    /// Dimensions named; without a member the dimension takes the member that the kpi is asked for, or the total.
    pub members: Vec<(String, Option<String>)>,
    /// Whether it stands inside `prev()`.
    pub previous: bool,
}

/// A formula as a tree.
///
/// ```
/// use egov_kpi::domain::formula::Expression;
/// let rate: Expression = "a.signed/(a.total{channel=online, level} ?? 1)".parse().unwrap();
/// assert_eq!(rate.to_string(), "a.signed / (a.total{channel=online,level} ?? 1)");
/// ```
#[derive(Clone, PartialEq, Debug)]
pub enum Expression {
    /// A number.
    Number(Written),
    /// An indicator's value.
    Figure(Reference),
    /// `-x`
    Negate(Box<Self>),
    /// `x + y` and the like.
    Binary(Operator, Box<Self>, Box<Self>),
    /// `x ?? y`: y where x is missing.
    Coalesce(Box<Self>, Box<Self>),
    /// `min(x, ...)`
    Min(Vec<Self>),
    /// `max(x, ...)`
    Max(Vec<Self>),
    /// `abs(x)`
    Abs(Box<Self>),
    /// `sum(x)`: x at each leaf, added.
    Sum(Box<Self>),
}

/// How a rule compares.
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

/// What a rule checks.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    /// The left side.
    pub left: Expression,
    /// How the sides compare.
    pub comparison: Comparison,
    /// The right side.
    pub right: Expression,
}

/// Why a formula could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct FormulaError(String);

impl Expression {
    /// Whether `sum()` stands anywhere in it.
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

    /// Every indicator named, in order of appearance.
    #[must_use]
    pub fn references(&self) -> Vec<&Reference> {
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
}

impl std::str::FromStr for Expression {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        bounded(text)?;
        let mut pairs =
            Grammar::parse(Rule::formula, text).map_err(|error| unreadable(text, &error))?;
        expression(pairs.next())
    }
}

impl std::str::FromStr for Check {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        bounded(text)?;
        let mut pairs =
            Grammar::parse(Rule::check, text).map_err(|error| unreadable(text, &error))?;
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
    FormulaError(format!("{} cannot be read from character {} on", quoted(text), place + 1))
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
                "+" => Expression::Binary(Operator::Add, x, y),
                "-" => Expression::Binary(Operator::Subtract, x, y),
                "*" => Expression::Binary(Operator::Multiply, x, y),
                _ => Expression::Binary(Operator::Divide, x, y),
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
        Rule::number => Written::parse(pair.as_str())
            .map(Expression::Number)
            .map_err(|error| FormulaError(format!("{}: {error}", quoted(pair.as_str())))),
        Rule::measure => Ok(Expression::Figure(reference(pair))),
        Rule::call => call(pair.into_inner()),
        _ => expression(Some(pair)),
    }
}

fn reference(pair: Pair<'_, Rule>) -> Reference {
    let mut inner = pair.into_inner();
    let indicator = inner.next().map(|code| code.as_str().to_owned()).unwrap_or_default();
    let mut members: Vec<(String, Option<String>)> = inner
        .map(|member| {
            let mut names = member.into_inner().map(|name| name.as_str().to_owned());
            (names.next().unwrap_or_default(), names.next())
        })
        .collect();
    members.sort();
    Reference { indicator, members, previous: false }
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

/// `prev()` of an expression is the expression of its figures a month before.
fn previous(expression: Expression) -> Result<Expression, FormulaError> {
    let inside = |x: Box<Expression>| previous(*x).map(Box::new);
    let all = |list: Vec<Expression>| list.into_iter().map(previous).collect::<Result<Vec<_>, _>>();
    Ok(match expression {
        Expression::Figure(Reference { previous: true, .. }) => {
            return Err(FormulaError("prev() does not stand inside prev()".to_owned()));
        }
        Expression::Sum(_) => {
            return Err(FormulaError(
                "sum() does not stand inside prev(): write sum(prev(x))".to_owned(),
            ));
        }
        Expression::Figure(reference) => {
            Expression::Figure(Reference { previous: true, ..reference })
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

impl fmt::Display for Reference {
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
            Self::Negate(x) => write!(f, "-{}", Nested(x)),
            Self::Abs(x) => write!(f, "abs({x})"),
            Self::Sum(x) => write!(f, "sum({x})"),
            Self::Min(x) => write!(f, "min({})", list(x)),
            Self::Max(x) => write!(f, "max({})", list(x)),
            Self::Coalesce(x, y) => write!(f, "{} ?? {}", Nested(x), Nested(y)),
            Self::Binary(operator, x, y) => {
                let sign = match operator {
                    Operator::Add => "+",
                    Operator::Subtract => "-",
                    Operator::Multiply => "*",
                    Operator::Divide => "/",
                };
                write!(f, "{} {sign} {}", Nested(x), Nested(y))
            }
        }
    }
}

/// An operand, in parentheses where it is an operation itself.
struct Nested<'a>(&'a Expression);

impl fmt::Display for Nested<'_> {
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

impl fmt::Display for Check {
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
    fn prev_reaches_every_figure_inside_it() {
        assert_eq!(printed("prev(a + b{x=1})"), "prev(a) + prev(b{x=1})");
        assert!("prev(prev(a))".parse::<Expression>().is_err());
    }

    #[test]
    fn what_is_no_formula_says_where() {
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
        let check: Check = "a <= b + 1".parse().unwrap();
        assert_eq!(check.to_string(), "a <= b + 1");
        assert!("a < b".parse::<Check>().is_err());
        assert!("a <= b <= c".parse::<Check>().is_err());
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
                .prop_map(|(mantissa, scale)| Expression::Number(Written { mantissa, scale })),
            figure.prop_map(|(indicator, members, previous)| Expression::Figure(Reference {
                indicator,
                members: members.into_iter().collect(),
                previous
            })),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            let operator = prop_oneof![
                Just(Operator::Add),
                Just(Operator::Subtract),
                Just(Operator::Multiply),
                Just(Operator::Divide)
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
