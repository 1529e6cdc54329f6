//! Formulas of kpis and checks of rules: parsing and printing (docs/specification.md#formulas).

use std::convert::Infallible;
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

/// Most periods that `prev(x, n)` goes back.
pub const MAX_PERIODS_BACK: u16 = 120;

/// The arithmetic operations.
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
    /// `^`
    Power,
}

impl FormulaOperator {
    /// The operator as it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Power => "^",
        }
    }
}

/// How much earlier an indicator is read (docs/specification.md#formulas).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum TimeShift {
    /// In the month itself.
    #[default]
    None,
    /// Inside `prev()`: this number of periods earlier.
    Periods(u16),
    /// Inside `year_before()`: in the same month one year earlier.
    Year,
}

impl TimeShift {
    /// Whether it is read in the month itself.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::None
    }

    /// The number of months, for a month by itself.
    #[must_use]
    pub fn months(self) -> i32 {
        match self {
            Self::None => 0,
            Self::Periods(periods) => i32::from(periods),
            Self::Year => 12,
        }
    }
}

/// An indicator as a formula names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct IndicatorReference {
    /// Its code.
    pub indicator: String,
    /// The dimensions named. A dimension without a member takes the member that the query names, or
    /// the total.
    pub members: Vec<(String, Option<String>)>,
    /// How much earlier it is read: inside `prev()` or `year_before()`.
    pub shift: TimeShift,
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
    /// `days()`: the number of days of the months.
    Days,
    /// `reported(e)` or `expected(e)`: a number of figures of the expectation with this code;
    /// without a code of all expectations.
    Reports(ReportFigures, Option<String>),
    /// The value of an indicator.
    Figure(IndicatorReference),
    /// `-x`
    Negate(Box<Self>),
    /// `x + y`, `x - y`, `x * y`, `x / y` or `x ^ y`
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
    /// `if(a < b, x, y)`: `x` where the condition holds, otherwise `y`.
    If(Box<RuleCondition>, Box<Self>, Box<Self>),
}

/// Which figures of reports a formula counts (docs/specification.md#completeness-as-a-kpi).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportFigures {
    /// `expected(e)`: those that units have to report.
    Expected,
    /// `reported(e)`: those of them that are there.
    Reported,
}

impl ReportFigures {
    /// The name of the function.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Reported => "reported",
        }
    }
}

/// How two sides compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<=`
    AtMost,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `>`
    Above,
}

impl Comparison {
    /// All comparisons, with their signs.
    const SIGNS: [(Self, &'static str); 6] = [
        (Self::Equal, "=="),
        (Self::Unequal, "!="),
        (Self::AtMost, "<="),
        (Self::AtLeast, ">="),
        (Self::Below, "<"),
        (Self::Above, ">"),
    ];

    /// Whether two numbers compare like this. They count as equal within the tolerance, and within
    /// 10^-9 of the larger one, which is more than the rounding of doubles.
    #[must_use]
    pub fn holds(self, left: f64, right: f64, tolerance: f64) -> bool {
        let slack = tolerance + 1e-9 * left.abs().max(right.abs()).max(1.0);
        let is_equal = (left - right).abs() <= slack;
        match self {
            Self::Equal => is_equal,
            Self::Unequal => !is_equal,
            Self::AtMost => left < right || is_equal,
            Self::AtLeast => left > right || is_equal,
            Self::Below => left < right && !is_equal,
            Self::Above => left > right && !is_equal,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = Self::SIGNS.into_iter().find(|(comparison, _)| comparison == self);
        f.write_str(sign.map_or("==", |(_, sign)| sign))
    }
}

/// Two expressions and how they compare.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleCondition {
    /// The left side.
    pub left: Expression,
    /// How the sides compare.
    pub comparison: Comparison,
    /// The right side.
    pub right: Expression,
}

/// The check of a rule (docs/specification.md#rules).
#[derive(Clone, PartialEq, Debug)]
pub enum RuleCheck {
    /// Two expressions compare like this.
    Condition(RuleCondition),
    /// `both_or_none(x, ...)`: all of the expressions have a value, or none.
    BothOrNone(Vec<Expression>),
    /// `one_of(x, ...)`: at most one of the expressions has a value.
    OneOf(Vec<Expression>),
}

impl RuleCheck {
    /// The expressions, in order of appearance.
    #[must_use]
    pub fn sides(&self) -> Vec<&Expression> {
        match self {
            Self::Condition(RuleCondition { left, right, .. }) => vec![left, right],
            Self::BothOrNone(list) | Self::OneOf(list) => list.iter().collect(),
        }
    }

    /// The same check with each expression replaced.
    ///
    /// # Errors
    /// That of a replacement.
    pub fn try_map<E>(
        self,
        mut of: impl FnMut(Expression) -> Result<Expression, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::Condition(RuleCondition { left, comparison, right }) => {
                Self::Condition(RuleCondition { left: of(left)?, comparison, right: of(right)? })
            }
            Self::BothOrNone(list) => {
                Self::BothOrNone(list.into_iter().map(of).collect::<Result<_, _>>()?)
            }
            Self::OneOf(list) => Self::OneOf(list.into_iter().map(of).collect::<Result<_, _>>()?),
        })
    }
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
            Self::Number(_) | Self::Days | Self::Reports(..) | Self::Figure(_) => false,
            Self::Negate(x) | Self::Abs(x) => x.has_sum(),
            Self::Binary(_, x, y) | Self::Coalesce(x, y) => x.has_sum() || y.has_sum(),
            Self::Min(list) | Self::Max(list) => list.iter().any(Self::has_sum),
            Self::If(condition, x, y) => {
                let RuleCondition { left, right, .. } = &**condition;
                [left, right, x, y].into_iter().any(Self::has_sum)
            }
        }
    }

    /// Whether the expression contains `days()`.
    #[must_use]
    pub fn has_days(&self) -> bool {
        match self {
            Self::Days => true,
            Self::Number(_) | Self::Reports(..) | Self::Figure(_) => false,
            Self::Negate(x) | Self::Abs(x) | Self::Sum(x) => x.has_days(),
            Self::Binary(_, x, y) | Self::Coalesce(x, y) => x.has_days() || y.has_days(),
            Self::Min(list) | Self::Max(list) => list.iter().any(Self::has_days),
            Self::If(condition, x, y) => {
                let RuleCondition { left, right, .. } = &**condition;
                [left, right, x, y].into_iter().any(Self::has_days)
            }
        }
    }

    /// The expectation that each `reported()` and `expected()` names, if it names one.
    #[must_use]
    pub fn counted_reports(&self) -> Vec<Option<&str>> {
        let mut codes = Vec::new();
        for (_, part) in self.parts() {
            if let Self::Reports(_, code) = part {
                codes.push(code.as_deref());
            }
        }
        codes
    }

    /// The indicators that the expression names, in order of appearance; an indicator may appear
    /// more than once.
    #[must_use]
    pub fn references(&self) -> Vec<&IndicatorReference> {
        match self {
            Self::Number(_) | Self::Days | Self::Reports(..) => Vec::new(),
            Self::Figure(reference) => vec![reference],
            Self::Negate(x) | Self::Abs(x) | Self::Sum(x) => x.references(),
            Self::Binary(_, x, y) | Self::Coalesce(x, y) => {
                [x.references(), y.references()].concat()
            }
            Self::Min(list) | Self::Max(list) => list.iter().flat_map(Self::references).collect(),
            Self::If(condition, x, y) => {
                let RuleCondition { left, right, .. } = &**condition;
                [left, right, x, y].into_iter().flat_map(Self::references).collect()
            }
        }
    }

    /// All operations, numbers and indicators, each with the number of operations around it.
    #[must_use]
    pub fn parts(&self) -> Vec<(usize, &Self)> {
        let (mut found, mut waiting) = (Vec::new(), vec![(0, self)]);
        while let Some((depth, part)) = waiting.pop() {
            let mut inside = |x| waiting.push((depth + 1, x));
            match part {
                Self::Number(_) | Self::Days | Self::Reports(..) | Self::Figure(_) => {}
                Self::Negate(x) | Self::Abs(x) | Self::Sum(x) => inside(x),
                Self::Binary(_, x, y) | Self::Coalesce(x, y) => {
                    inside(x);
                    inside(y);
                }
                Self::Min(list) | Self::Max(list) => list.iter().for_each(inside),
                Self::If(condition, x, y) => {
                    let RuleCondition { left, right, .. } = &**condition;
                    [left, right, x, y].into_iter().for_each(inside);
                }
            }
            found.push((depth, part));
        }
        found
    }

    /// The parts that are aggregated before the formula is applied, in order of appearance:
    /// indicators, counts of reported figures, and each `??` and `sum()` as a whole
    /// (docs/specification.md#kpis).
    #[must_use]
    pub fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Days => Vec::new(),
            Self::Figure(_) | Self::Reports(..) | Self::Coalesce(..) | Self::Sum(_) => vec![self],
            Self::Negate(x) | Self::Abs(x) => x.operands(),
            Self::Binary(_, x, y) => [x.operands(), y.operands()].concat(),
            Self::Min(list) | Self::Max(list) => list.iter().flat_map(Self::operands).collect(),
            Self::If(condition, x, y) => {
                let RuleCondition { left, right, .. } = &**condition;
                [left, right, x, y].into_iter().flat_map(Self::operands).collect()
            }
        }
    }

    /// The same expression for the members that a query names: a dimension without a member takes
    /// the member of the query, or is left out for the total.
    #[must_use]
    pub fn resolve_members(&self, asked: &Members) -> Self {
        self.map_figures(&|reference| Self::Figure(reference.resolve_members(asked)))
    }

    /// The same expression with each indicator replaced.
    #[must_use]
    pub fn map_figures(&self, replace: &impl Fn(&IndicatorReference) -> Self) -> Self {
        let replaced =
            self.try_map_figures(&|reference| Ok::<Self, Infallible>(replace(reference)));
        match replaced {
            Ok(expression) => expression,
            Err(never) => match never {},
        }
    }

    /// The same expression with each indicator replaced.
    ///
    /// # Errors
    /// That of a replacement.
    pub fn try_map_figures<E>(
        &self,
        replace: &impl Fn(&IndicatorReference) -> Result<Self, E>,
    ) -> Result<Self, E> {
        let of = |x: &Self| x.try_map_figures(replace).map(Box::new);
        let all = |list: &[Self]| -> Result<Vec<Self>, E> {
            list.iter().map(|x| x.try_map_figures(replace)).collect()
        };
        Ok(match self {
            Self::Number(number) => Self::Number(*number),
            Self::Days => Self::Days,
            Self::Reports(which, code) => Self::Reports(*which, code.clone()),
            Self::Figure(reference) => replace(reference)?,
            Self::Negate(x) => Self::Negate(of(x)?),
            Self::Abs(x) => Self::Abs(of(x)?),
            Self::Sum(x) => Self::Sum(of(x)?),
            Self::Binary(operator, x, y) => Self::Binary(*operator, of(x)?, of(y)?),
            Self::Coalesce(x, y) => Self::Coalesce(of(x)?, of(y)?),
            Self::Min(list) => Self::Min(all(list)?),
            Self::Max(list) => Self::Max(all(list)?),
            Self::If(condition, x, y) => {
                let RuleCondition { left, comparison, right } = &**condition;
                let condition =
                    RuleCondition { left: *of(left)?, comparison: *comparison, right: *of(right)? };
                Self::If(Box::new(condition), of(x)?, of(y)?)
            }
        })
    }

    /// The same expression read earlier.
    ///
    /// # Errors
    /// When a part of it is read earlier already, or contains `sum()` or `days()`.
    pub fn shifted(&self, shift: TimeShift) -> Result<Self, FormulaError> {
        let name = if shift == TimeShift::Year { "year_before()" } else { "prev()" };
        if self.has_sum() {
            let function = name.trim_end_matches("()");
            return Err(FormulaError(format!(
                "sum() cannot be used inside {name}; write sum({function}(x))"
            )));
        }
        if self.has_days() {
            return Err(FormulaError(format!("days() cannot be used inside {name}")));
        }
        if !self.counted_reports().is_empty() {
            return Err(FormulaError(format!(
                "reported() and expected() cannot be used inside {name}"
            )));
        }
        self.try_map_figures(&|reference| match reference.shift {
            TimeShift::None => Ok(Self::Figure(IndicatorReference { shift, ..reference.clone() })),
            TimeShift::Periods(_) => {
                Err(FormulaError(format!("prev() cannot be used inside {name}")))
            }
            TimeShift::Year => {
                Err(FormulaError(format!("year_before() cannot be used inside {name}")))
            }
        })
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

impl std::str::FromStr for RuleCheck {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        bounded(text)?;
        let mut pairs =
            FormulaGrammar::parse(Rule::check, text).map_err(|error| unreadable(text, &error))?;
        let pair = pairs.next().ok_or_else(missing)?;
        if pair.as_rule() != Rule::presence {
            return condition(pair).map(Self::Condition);
        }
        let mut inner = pair.into_inner();
        let is_one_of = inner.next().is_some_and(|rule| rule.as_str() == "one_of");
        let list = inner.map(|pair| expression(Some(pair))).collect::<Result<_, _>>()?;
        Ok(if is_one_of { Self::OneOf(list) } else { Self::BothOrNone(list) })
    }
}

impl std::str::FromStr for RuleCondition {
    type Err = FormulaError;

    fn from_str(text: &str) -> Result<Self, FormulaError> {
        match text.parse()? {
            RuleCheck::Condition(condition) => Ok(condition),
            RuleCheck::BothOrNone(_) | RuleCheck::OneOf(_) => {
                Err(FormulaError(format!("{} compares nothing", quoted(text))))
            }
        }
    }
}

fn missing() -> FormulaError {
    FormulaError("a formula is missing".to_owned())
}

fn condition(pair: Pair<'_, Rule>) -> Result<RuleCondition, FormulaError> {
    let mut inner = pair.into_inner();
    let left = expression(inner.next())?;
    let sign = inner.next().map(|pair| pair.as_str()).unwrap_or_default();
    let comparison = Comparison::SIGNS.into_iter().find(|(_, known)| *known == sign);
    let comparison = comparison.map_or(Comparison::Equal, |(comparison, _)| comparison);
    Ok(RuleCondition { left, comparison, right: expression(inner.next())? })
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
    let pair = pair.ok_or_else(missing)?;
    let operators = PrattParser::new()
        .op(Op::infix(Rule::coalesce, Assoc::Right))
        .op(Op::infix(Rule::add, Assoc::Left) | Op::infix(Rule::subtract, Assoc::Left))
        .op(Op::infix(Rule::multiply, Assoc::Left) | Op::infix(Rule::divide, Assoc::Left))
        .op(Op::prefix(Rule::negate))
        .op(Op::infix(Rule::power, Assoc::Right));
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
                "^" => Expression::Binary(FormulaOperator::Power, x, y),
                _ => Expression::Binary(FormulaOperator::Divide, x, y),
            })
        })
        .parse(pair.into_inner())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the grammar's rules are many and only five are primaries besides parentheses"
)]
fn primary(pair: Pair<'_, Rule>) -> Result<Expression, FormulaError> {
    match pair.as_rule() {
        Rule::number => Decimal64::parse(pair.as_str())
            .map(Expression::Number)
            .map_err(|error| FormulaError(format!("{}: {error}", quoted(pair.as_str())))),
        Rule::measure => Ok(Expression::Figure(reference(pair))),
        Rule::call => call(pair.into_inner()),
        Rule::days => Ok(Expression::Days),
        Rule::reports => {
            let mut inner = pair.into_inner();
            let which = match inner.next().ok_or_else(missing)?.as_str() {
                "reported" => ReportFigures::Reported,
                _ => ReportFigures::Expected,
            };
            let code = inner.next().map(|code| code.as_str().to_owned());
            Ok(Expression::Reports(which, code))
        }
        Rule::choice => {
            let mut inner = pair.into_inner();
            let condition = condition(inner.next().ok_or_else(missing)?)?;
            let (x, y) = (expression(inner.next())?, expression(inner.next())?);
            Ok(Expression::If(Box::new(condition), Box::new(x), Box::new(y)))
        }
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
    IndicatorReference { indicator, members, shift: TimeShift::None }
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
    let periods = if function == "prev" && arguments.len() == 2 {
        arguments.pop().map(|number| periods_back(&number)).transpose()?
    } else {
        None
    };
    let (Some(argument), true) = (arguments.pop(), arguments.is_empty()) else {
        return Err(FormulaError(format!("{function}() takes one argument")));
    };
    match function {
        "abs" => Ok(Expression::Abs(Box::new(argument))),
        "sum" => Ok(Expression::Sum(Box::new(argument))),
        "year_before" => argument.shifted(TimeShift::Year),
        _ => argument.shifted(TimeShift::Periods(periods.unwrap_or(1))),
    }
}

/// The second argument of `prev(x, n)`.
fn periods_back(number: &Expression) -> Result<u16, FormulaError> {
    let whole = if let Expression::Number(Decimal64 { mantissa, scale: 0 }) = number {
        u16::try_from(*mantissa).ok()
    } else {
        None
    };
    whole.filter(|periods| (1..=MAX_PERIODS_BACK).contains(periods)).ok_or_else(|| {
        FormulaError(format!(
            "prev(x, n) goes back a whole number of periods from 1 to {MAX_PERIODS_BACK}"
        ))
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
        match self.shift {
            TimeShift::None => f.write_str(&named),
            TimeShift::Periods(1) => write!(f, "prev({named})"),
            TimeShift::Periods(periods) => write!(f, "prev({named}, {periods})"),
            TimeShift::Year => write!(f, "year_before({named})"),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |list: &[Self]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Days => f.write_str("days()"),
            Self::Reports(which, code) => {
                write!(f, "{}({})", which.function(), code.as_deref().unwrap_or_default())
            }
            Self::Figure(reference) => write!(f, "{reference}"),
            Self::If(condition, x, y) => write!(f, "if({condition}, {x}, {y})"),
            Self::Negate(x) => write!(f, "-{}", ParenthesizedOperand(x)),
            Self::Abs(x) => write!(f, "abs({x})"),
            Self::Sum(x) => write!(f, "sum({x})"),
            Self::Min(x) => write!(f, "min({})", list(x)),
            Self::Max(x) => write!(f, "max({})", list(x)),
            Self::Coalesce(x, y) => {
                write!(f, "{} ?? {}", ParenthesizedOperand(x), ParenthesizedOperand(y))
            }
            Self::Binary(operator, x, y) => {
                let sign = operator.sign();
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
            | Expression::Days
            | Expression::Reports(..)
            | Expression::If(..)
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

impl fmt::Display for RuleCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &[Expression]| {
            list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Condition(condition) => write!(f, "{condition}"),
            Self::BothOrNone(all) => write!(f, "both_or_none({})", list(all)),
            Self::OneOf(all) => write!(f, "one_of({})", list(all)),
        }
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
        for text in ["a < b", "a > b", "a != b", "a >= b", "a == b"] {
            assert_eq!(text.parse::<RuleCondition>().unwrap().to_string(), text);
        }
        assert!("a <= b <= c".parse::<RuleCondition>().is_err());
        assert!("a".parse::<RuleCondition>().is_err());
    }

    #[test]
    fn a_check_may_say_which_figures_belong_together() {
        for text in ["both_or_none(a, b{x=1})", "one_of(a, b, c + d)", "one_of <= 2"] {
            assert_eq!(text.parse::<RuleCheck>().unwrap().to_string(), text);
        }
        for text in ["both_or_none(a)", "one_of()", "one_of(a, b) <= 2", "neither(a, b)"] {
            assert!(text.parse::<RuleCheck>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_differ_by_less_than_their_rounding_are_equal() {
        use Comparison::*;
        let sum = 0.1 + 0.2;
        for (comparison, expected) in [
            (Equal, true),
            (Unequal, false),
            (AtMost, true),
            (AtLeast, true),
            (Below, false),
            (Above, false),
        ] {
            assert_eq!(comparison.holds(sum, 0.3, 0.0), expected, "{comparison}");
        }
        assert!(Below.holds(1.0, 2.0, 0.5) && !Below.holds(1.0, 1.5, 0.5));
        assert!(Above.holds(2.0, 1.0, 0.0) && Unequal.holds(2.0, 1.0, 0.0));
    }

    #[test]
    fn powers_bind_more_tightly_than_a_sign_and_group_to_the_right() {
        assert_eq!(printed("-a ^ 2"), "-(a ^ 2)");
        assert_eq!(printed("a ^ b ^ c"), "a ^ (b ^ c)");
        assert_eq!(printed("2 * a ^ -1 + 1"), "(2 * (a ^ (-1))) + 1");
    }

    #[test]
    fn a_choice_has_a_condition_and_two_values() {
        assert_eq!(
            printed("if(a<b+1, a, if(a != 0, 1, days()))"),
            "if(a < b + 1, a, if(a != 0, 1, days()))"
        );
        assert_eq!(printed("iffy + if"), "iffy + if");
        for text in ["if(a, b, c)", "if(a < b, c)", "if(a < b)", "days(1)", "if()"] {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
    }

    #[test]
    fn figures_may_be_read_some_periods_or_a_year_earlier() {
        assert_eq!(printed("prev(a, 1) + prev(a + b, 3)"), "prev(a) + (prev(a, 3) + prev(b, 3))");
        assert_eq!(printed("year_before(a / b)"), "year_before(a) / year_before(b)");
        for text in [
            "prev(a, 0)",
            "prev(a, 121)",
            "prev(a, 1.5)",
            "prev(a, b)",
            "prev(a, 2, 3)",
            "year_before(a, 2)",
            "year_before(prev(a))",
            "prev(year_before(a))",
            "year_before(sum(a))",
            "prev(a / days())",
        ] {
            assert!(text.parse::<Expression>().is_err(), "{text}");
        }
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        (0..Comparison::SIGNS.len()).prop_map(|place| Comparison::SIGNS[place].0)
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
            prop_oneof![
                Just(TimeShift::None),
                (1..=MAX_PERIODS_BACK).prop_map(TimeShift::Periods),
                Just(TimeShift::Year),
            ],
        );
        let leaf = prop_oneof![
            (0_i64..1_000_000, 0_u32..4)
                .prop_map(|(mantissa, scale)| Expression::Number(Decimal64 { mantissa, scale })),
            figure.prop_map(|(indicator, members, shift)| Expression::Figure(IndicatorReference {
                indicator,
                members: members.into_iter().collect(),
                shift
            })),
            Just(Expression::Days),
            proptest::option::of("[a-z]{1,3}\\.[a-z]{1,3}")
                .prop_map(|code| Expression::Reports(ReportFigures::Reported, code)),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            let operator = prop_oneof![
                Just(FormulaOperator::Add),
                Just(FormulaOperator::Subtract),
                Just(FormulaOperator::Multiply),
                Just(FormulaOperator::Divide),
                Just(FormulaOperator::Power)
            ];
            prop_oneof![
                boxed.clone().prop_map(Expression::Negate),
                boxed.clone().prop_map(Expression::Abs),
                boxed.clone().prop_map(Expression::Sum),
                (operator, boxed.clone(), boxed.clone())
                    .prop_map(|(o, x, y)| Expression::Binary(o, x, y)),
                (boxed.clone(), boxed).prop_map(|(x, y)| Expression::Coalesce(x, y)),
                proptest::collection::vec(inner.clone(), 1..3).prop_map(Expression::Min),
                proptest::collection::vec(inner.clone(), 1..3).prop_map(Expression::Max),
                (comparison(), inner.clone(), inner.clone(), inner.clone(), inner).prop_map(
                    |(comparison, left, right, x, y)| {
                        let condition = RuleCondition { left, comparison, right };
                        Expression::If(Box::new(condition), Box::new(x), Box::new(y))
                    }
                ),
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
