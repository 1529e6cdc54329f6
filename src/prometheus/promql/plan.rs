//! A parsed query made ready: every selector in one list, every name known, everything that is not supported refused by its name.

use std::time::{Duration, SystemTime};

use promql_parser::label::Matchers;
use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AtModifier, BinModifier, Expr, LabelModifier, Offset, VectorMatchCardinality, VectorSelector,
};

use super::aggregate::Aggregation;
use super::binary::{Card, Matching, Operator};
use super::functions::{Function, OverTime};
use super::time::month_of;
use super::{MAX_DEPTH, MAX_OPERATORS, MAX_QUERY, Refusal};
use crate::domain::period::Month;

/// Which series are meant, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector {
    /// The metric, where it is named outside the braces.
    pub name: Option<String>,
    /// What the labels have to be.
    pub matchers: Matchers,
    /// How far back, in milliseconds.
    pub offset: i64,
    /// A time of its own.
    pub at: Option<At>,
    /// How far a range reaches, in milliseconds; 0 for an instant.
    pub range: i64,
}

impl Selector {
    /// The months that it looks at in a query from one time to another.
    #[must_use]
    pub fn months(&self, start: i64, end: i64) -> (Month, Month) {
        let (from, to) = match self.at {
            None => (start, end),
            Some(At::Start) => (start, start),
            Some(At::End) => (end, end),
            Some(At::Time(time)) => (time, time),
        };
        (month_of(from - self.offset - self.range), month_of(to - self.offset))
    }
}

/// A time of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Where the query begins.
    Start,
    /// Where it ends.
    End,
    /// Milliseconds since 1970.
    Time(i64),
}

/// An expression ready for evaluation; a selector is a number in the plan's list.
#[derive(Clone, Debug)]
pub enum Node {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// The series of a selector.
    Select(usize),
    /// The same with the other sign.
    Negate(Box<Node>),
    /// Two sides and what is between them.
    Binary(Operator, Box<Node>, Box<Node>, Matching),
    /// Many to few.
    Aggregate(Aggregation, Option<Box<Node>>, Box<Node>),
    /// A function.
    Call(Function, Vec<Node>),
    /// A function of a selector's samples in a range.
    OverTime(OverTime, Option<Box<Node>>, usize),
}

/// A query made ready.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is computed.
    pub node: Node,
    /// What it is computed from.
    pub selectors: Vec<Selector>,
    /// Whether the time itself is computed with, and not only what it selects.
    pub tells_time: bool,
}

/// Makes a query ready.
///
/// # Errors
/// It cannot be parsed, is too long, or asks for something that is not supported.
pub fn plan(query: &str) -> Result<Plan, Refusal> {
    bounded(query)?;
    let expression = promql_parser::parser::parse(query)
        .map_err(|error| Refusal::bad(format!("invalid parameter \"query\": {error}")))?;
    let mut plan = Plan { node: Node::Number(0.0), selectors: Vec::new(), tells_time: false };
    plan.node = plan.node(&expression, 0)?;
    Ok(plan)
}

/// Makes a selector such as `match[]` names ready.
///
/// # Errors
/// As for [`plan`], and when it is anything but a selector of an instant.
pub fn selector(text: &str) -> Result<Selector, Refusal> {
    match plan(text)? {
        Plan { node: Node::Select(_), selectors, .. } => {
            selectors.into_iter().next().ok_or_else(|| Refusal::bad("a selector is expected"))
        }
        _ => Err(Refusal::bad(format!("invalid parameter \"match[]\": {text} is no selector"))),
    }
}

/// Refuses what is too long or nests too deep to be parsed and computed on a thread's stack.
fn bounded(query: &str) -> Result<(), Refusal> {
    if query.len() > MAX_QUERY {
        return Err(Refusal::long(format!(
            "the query has {} bytes, {MAX_QUERY} are the bound",
            query.len()
        )));
    }
    let (mut quote, mut escaped, mut operators) = (None, false, 0);
    for c in query.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if c == '\\' => escaped = true,
            Some(open) => quote = Some(open).filter(|open| *open != c),
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None => {
                operators += usize::from(matches!(
                    c,
                    '(' | '+' | '-' | '*' | '/' | '%' | '^' | '=' | '<' | '>' | '!' | '['
                ))
            }
        }
    }
    let words = query.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| {
        ["and", "or", "unless", "atan2"].iter().any(|set| word.eq_ignore_ascii_case(set))
    });
    if operators + words.count() > MAX_OPERATORS {
        return Err(Refusal::long(format!("more than {MAX_OPERATORS} operators and parentheses")));
    }
    Ok(())
}

impl Plan {
    fn node(&mut self, expression: &Expr, depth: usize) -> Result<Node, Refusal> {
        if depth > MAX_DEPTH {
            return Err(Refusal::long(format!("the query nests deeper than {MAX_DEPTH} levels")));
        }
        let depth = depth + 1;
        Ok(match expression {
            Expr::NumberLiteral(number) => Node::Number(number.val),
            Expr::StringLiteral(text) => Node::Text(text.val.clone()),
            Expr::Paren(inner) => self.node(&inner.expr, depth)?,
            Expr::Unary(inner) => Node::Negate(Box::new(self.node(&inner.expr, depth)?)),
            Expr::VectorSelector(selector) => Node::Select(self.select(selector, 0)?),
            Expr::MatrixSelector(_) => {
                return Err(Refusal::bad(
                    "a range of samples stands only inside a function over time",
                ));
            }
            Expr::Subquery(_) => return Err(unsupported("subqueries")),
            Expr::Extension(_) => return Err(unsupported("extensions")),
            Expr::Aggregate(aggregate) => {
                let param =
                    aggregate.param.as_ref().map(|param| self.node(param, depth)).transpose()?;
                let aggregation = Aggregation::new(&aggregate.op, aggregate.modifier.as_ref())?;
                Node::Aggregate(
                    aggregation,
                    param.map(Box::new),
                    Box::new(self.node(&aggregate.expr, depth)?),
                )
            }
            Expr::Binary(binary) => {
                let operator = operator(binary.op)?;
                let matching = matching(binary.modifier.as_ref())?;
                Node::Binary(
                    operator,
                    Box::new(self.node(&binary.lhs, depth)?),
                    Box::new(self.node(&binary.rhs, depth)?),
                    matching,
                )
            }
            Expr::Call(call) => self.call(call.func.name, &call.args.args, depth)?,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Box<Expr>], depth: usize) -> Result<Node, Refusal> {
        if let Some(over) = OverTime::named(name) {
            let mut number = None;
            let mut range = None;
            for argument in arguments {
                if let Expr::MatrixSelector(matrix) = unwrapped(argument) {
                    range = Some(self.select(&matrix.vs, length(matrix.range)?)?);
                } else {
                    number = Some(Box::new(self.node(argument, depth)?));
                }
            }
            let range = range.ok_or_else(|| {
                Refusal::bad(format!("{name}() takes a range of samples, such as [1y]"))
            })?;
            return Ok(Node::OverTime(over, number, range));
        }
        let function =
            Function::named(name).ok_or_else(|| unsupported(&format!("the function {name}()")))?;
        let arguments = arguments
            .iter()
            .map(|argument| self.node(argument, depth))
            .collect::<Result<Vec<_>, _>>()?;
        function.check(&arguments)?;
        self.tells_time |= function == Function::Time;
        Ok(Node::Call(function, arguments))
    }

    fn select(&mut self, selector: &VectorSelector, range: i64) -> Result<usize, Refusal> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(unsupported("\"or\" between matchers"));
        }
        let offset = match &selector.offset {
            None => 0,
            Some(Offset::Pos(duration)) => length(*duration)?,
            Some(Offset::Neg(duration)) => -length(*duration)?,
        };
        let at = match &selector.at {
            None => None,
            Some(AtModifier::Start) => Some(At::Start),
            Some(AtModifier::End) => Some(At::End),
            Some(AtModifier::At(time)) => Some(At::Time(since_1970(*time)?)),
        };
        self.selectors.push(Selector {
            name: selector.name.clone(),
            matchers: selector.matchers.clone(),
            offset,
            at,
            range,
        });
        Ok(self.selectors.len() - 1)
    }
}

fn unwrapped(expression: &Expr) -> &Expr {
    if let Expr::Paren(inner) = expression { unwrapped(&inner.expr) } else { expression }
}

fn unsupported(what: &str) -> Refusal {
    Refusal::bad(format!("{what}: not supported by this service; docs/prometheus.md lists what is"))
}

/// Longest duration, in milliseconds: three hundred years.
const LONGEST: i64 = 300 * 366 * 86_400_000;

fn length(duration: Duration) -> Result<i64, Refusal> {
    i64::try_from(duration.as_millis())
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| Refusal::bad("a duration of more than 300 years"))
}

fn since_1970(time: SystemTime) -> Result<i64, Refusal> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => length(after),
        Err(before) => length(before.duration()).map(|length| -length),
    }
}

fn operator(op: TokenType) -> Result<Operator, Refusal> {
    Ok(match op.id() {
        token::T_ADD => Operator::Add,
        token::T_SUB => Operator::Subtract,
        token::T_MUL => Operator::Multiply,
        token::T_DIV => Operator::Divide,
        token::T_MOD => Operator::Modulo,
        token::T_POW => Operator::Power,
        token::T_EQLC => Operator::Equal,
        token::T_NEQ => Operator::NotEqual,
        token::T_GTR => Operator::Greater,
        token::T_LSS => Operator::Less,
        token::T_GTE => Operator::GreaterOrEqual,
        token::T_LTE => Operator::LessOrEqual,
        token::T_LAND => Operator::And,
        token::T_LOR => Operator::Or,
        token::T_LUNLESS => Operator::Unless,
        _ => return Err(unsupported(&format!("the operator {op}"))),
    })
}

fn matching(modifier: Option<&BinModifier>) -> Result<Matching, Refusal> {
    let Some(modifier) = modifier else { return Ok(Matching::default()) };
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(unsupported("fill values"));
    }
    let (on, labels) = match &modifier.matching {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
    };
    let card = match &modifier.card {
        VectorMatchCardinality::OneToOne => Card::OneToOne,
        VectorMatchCardinality::ManyToMany => Card::ManyToMany,
        VectorMatchCardinality::ManyToOne(include) => Card::ManyToOne(include.labels.clone()),
        VectorMatchCardinality::OneToMany(include) => Card::OneToMany(include.labels.clone()),
    };
    Ok(Matching { card, on, labels, returns_bool: modifier.return_bool })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_supported_says_so_by_name() {
        for (query, name) in [
            ("rate(egov_x[1y])", "rate()"),
            ("max_over_time(egov_x[1y:1d])", "subqueries"),
            ("quantile(0.5, egov_x)", "quantile"),
            ("histogram_quantile(0.5, egov_x)", "histogram_quantile()"),
            ("egov_x atan2 egov_y", "atan2"),
        ] {
            let refusal = plan(query).unwrap_err();
            assert!(
                refusal.kind == "bad_data"
                    && refusal.message.contains(name)
                    && refusal.message.contains("not supported"),
                "{query}: {refusal:?}"
            );
        }
    }

    #[test]
    fn what_is_too_deep_or_too_long_is_refused_before_it_is_parsed() {
        for query in [
            "(".repeat(100_000),
            "-".repeat(10_000) + "1",
            vec!["1"; 5_000].join("+"),
            vec!["a"; 5_000].join(" or "),
            "a{b=\"".to_owned() + &"x".repeat(70_000) + "\"}",
        ] {
            assert_eq!(plan(&query).unwrap_err().kind, "bad_data");
        }
        let regex = format!("egov_x{{unit=~\"{}\"}}", vec!["sample.(a+b)*"; 1_000].join("|"));
        assert!(plan(&regex).is_ok(), "what stands in quotes nests nothing");
    }
}
