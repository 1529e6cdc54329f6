//! Turns a parsed query into a plan: all selectors in one list, all names resolved. Anything that
//! is not supported is refused with an error that names it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AtModifier, BinModifier, Expr, LabelModifier, Offset, VectorMatchCardinality, VectorSelector,
};

use super::aggregate::{Aggregation, check_label_list};
use super::binary::{BinaryOperator, MatchCardinality, VectorMatching};
use super::error::QueryError;
use super::instant_function::InstantFunction;
use super::label_replace::LabelReplacement;
use super::limits::MAX_DEPTH;
use super::query_text::check_query_text;
use super::range_function::RangeFunction;
use super::selector::{SelectorTime, SeriesSelector};

/// A planned expression. Selectors are given by their index in the plan's list.
#[derive(Clone, Debug)]
pub enum PlanNode {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// The series of a selector.
    Select(usize),
    /// A negation, with its number among those of the query.
    Negate(usize, Box<PlanNode>),
    /// A binary operator with its two sides.
    Binary(BinaryOperator, Box<PlanNode>, Box<PlanNode>, VectorMatching),
    /// An aggregation with its parameter.
    Aggregate(Aggregation, Option<Box<PlanNode>>, Box<PlanNode>),
    /// A function.
    Call(InstantFunction, Vec<PlanNode>),
    /// `label_replace`, its regular expression compiled once for all times of a range.
    LabelReplace(Arc<LabelReplacement>, Box<PlanNode>),
    /// A function of the samples of a range selector, with its parameter.
    OverTime(RangeFunction, Option<Box<PlanNode>>, usize),
}

/// A planned query.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    /// The expression.
    pub node: PlanNode,
    /// Its selectors.
    pub selectors: Vec<SeriesSelector>,
    /// The number of its negations.
    pub negations: usize,
    /// Whether the result depends on the time itself (`time()`) and not only on the selected
    /// months.
    pub tells_time: bool,
}

/// Plans a query.
///
/// # Errors
/// It cannot be parsed, is too long, or uses something that is not supported.
pub fn plan(query: &str) -> Result<QueryPlan, QueryError> {
    check_query_text(query)?;
    let expression = promql_parser::parser::parse(query)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"query\": {error}")))?;
    let mut plan = QueryPlan {
        node: PlanNode::Number(0.0),
        selectors: Vec::new(),
        negations: 0,
        tells_time: false,
    };
    plan.node = plan.node(&expression, 0)?;
    Ok(plan)
}

/// Plans a selector as given in `match[]`.
///
/// # Errors
/// As for [`plan`]; also when the text is not an instant selector.
pub fn selector(text: &str) -> Result<SeriesSelector, QueryError> {
    match plan(text)? {
        QueryPlan { node: PlanNode::Select(_), selectors, .. } => {
            selectors.into_iter().next().ok_or_else(|| QueryError::bad("a selector is expected"))
        }
        _ => {
            Err(QueryError::bad(format!("invalid parameter \"match[]\": {text} is not a selector")))
        }
    }
}

impl QueryPlan {
    fn node(&mut self, expression: &Expr, depth: usize) -> Result<PlanNode, QueryError> {
        if depth > MAX_DEPTH {
            return Err(QueryError::long(format!(
                "the query nests deeper than {MAX_DEPTH} levels"
            )));
        }
        let depth = depth + 1;
        Ok(match expression {
            Expr::NumberLiteral(number) => PlanNode::Number(number.val),
            Expr::StringLiteral(text) => PlanNode::Text(text.val.clone()),
            Expr::Paren(inner) => self.node(&inner.expr, depth)?,
            Expr::Unary(inner) => {
                let number = self.negations;
                self.negations += 1;
                PlanNode::Negate(number, Box::new(self.node(&inner.expr, depth)?))
            }
            Expr::VectorSelector(selector) => PlanNode::Select(self.select(selector, 0)?),
            Expr::MatrixSelector(_) => {
                return Err(QueryError::bad(
                    "a range of samples is allowed only inside a function over time",
                ));
            }
            Expr::Subquery(_) => return Err(unsupported("subqueries")),
            Expr::Extension(_) => return Err(unsupported("extensions")),
            Expr::Aggregate(aggregate) => {
                let param =
                    aggregate.param.as_ref().map(|param| self.node(param, depth)).transpose()?;
                let aggregation = Aggregation::new(&aggregate.op, aggregate.modifier.as_ref())?;
                PlanNode::Aggregate(
                    aggregation,
                    param.map(Box::new),
                    Box::new(self.node(&aggregate.expr, depth)?),
                )
            }
            Expr::Binary(binary) => {
                let operator = operator(binary.op)?;
                let matching = matching(binary.modifier.as_ref())?;
                PlanNode::Binary(
                    operator,
                    Box::new(self.node(&binary.lhs, depth)?),
                    Box::new(self.node(&binary.rhs, depth)?),
                    matching,
                )
            }
            Expr::Call(call) => self.call(call.func.name, &call.args.args, depth)?,
        })
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Box<Expr>],
        depth: usize,
    ) -> Result<PlanNode, QueryError> {
        if let Some(over) = RangeFunction::named(name) {
            let mut number = None;
            let mut range = None;
            for argument in arguments {
                if let Expr::MatrixSelector(matrix) = unwrap_parens(argument) {
                    range = Some(self.select(&matrix.vs, length(matrix.range)?)?);
                } else {
                    number = Some(Box::new(self.node(argument, depth)?));
                }
            }
            let range = range.ok_or_else(|| {
                QueryError::bad(format!("{name}() takes a range of samples, such as [1y]"))
            })?;
            return Ok(PlanNode::OverTime(over, number, range));
        }
        if name == "label_replace" {
            let mut arguments = arguments.iter().map(|argument| self.node(argument, depth));
            let vector = arguments
                .next()
                .unwrap_or_else(|| Err(QueryError::bad("label_replace() takes a vector")))?;
            let texts =
                arguments.map(|node| Ok(text(&node?))).collect::<Result<Vec<_>, QueryError>>()?;
            let replacement = LabelReplacement::new(&texts)?;
            return Ok(PlanNode::LabelReplace(Arc::new(replacement), Box::new(vector)));
        }
        let function = InstantFunction::named(name)
            .ok_or_else(|| unsupported(&format!("the function {name}()")))?;
        let arguments = arguments
            .iter()
            .map(|argument| self.node(argument, depth))
            .collect::<Result<Vec<_>, _>>()?;
        self.tells_time |= function == InstantFunction::Time;
        Ok(PlanNode::Call(function, arguments))
    }

    fn select(&mut self, selector: &VectorSelector, range: i64) -> Result<usize, QueryError> {
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
            Some(AtModifier::Start) => Some(SelectorTime::Start),
            Some(AtModifier::End) => Some(SelectorTime::End),
            Some(AtModifier::At(time)) => Some(SelectorTime::Time(since_1970(*time)?)),
        };
        self.selectors.push(SeriesSelector {
            name: selector.name.clone(),
            matchers: selector.matchers.clone(),
            offset,
            at,
            range,
        });
        Ok(self.selectors.len() - 1)
    }
}

/// The text of a constant; empty for anything else.
fn text(node: &PlanNode) -> String {
    if let PlanNode::Text(text) = node { text.clone() } else { String::new() }
}

fn unwrap_parens(expression: &Expr) -> &Expr {
    if let Expr::Paren(inner) = expression { unwrap_parens(&inner.expr) } else { expression }
}

fn unsupported(what: &str) -> QueryError {
    QueryError::bad(format!(
        "{what}: not supported by this service; docs/prometheus.md lists what is supported"
    ))
}

/// Longest duration in milliseconds: 300 years.
const LONGEST: i64 = 300 * 366 * 86_400_000;

fn length(duration: Duration) -> Result<i64, QueryError> {
    i64::try_from(duration.as_millis())
        .ok()
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| QueryError::bad("a duration of more than 300 years"))
}

fn since_1970(time: SystemTime) -> Result<i64, QueryError> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => length(after),
        Err(before) => length(before.duration()).map(|length| -length),
    }
}

fn operator(op: TokenType) -> Result<BinaryOperator, QueryError> {
    Ok(match op.id() {
        token::T_ADD => BinaryOperator::Add,
        token::T_SUB => BinaryOperator::Subtract,
        token::T_MUL => BinaryOperator::Multiply,
        token::T_DIV => BinaryOperator::Divide,
        token::T_MOD => BinaryOperator::Modulo,
        token::T_POW => BinaryOperator::Power,
        token::T_EQLC => BinaryOperator::Equal,
        token::T_NEQ => BinaryOperator::NotEqual,
        token::T_GTR => BinaryOperator::Greater,
        token::T_LSS => BinaryOperator::Less,
        token::T_GTE => BinaryOperator::GreaterOrEqual,
        token::T_LTE => BinaryOperator::LessOrEqual,
        token::T_LAND => BinaryOperator::And,
        token::T_LOR => BinaryOperator::Or,
        token::T_LUNLESS => BinaryOperator::Unless,
        _ => return Err(unsupported(&format!("the operator {op}"))),
    })
}

fn matching(modifier: Option<&BinModifier>) -> Result<VectorMatching, QueryError> {
    let Some(modifier) = modifier else { return Ok(VectorMatching::default()) };
    if modifier.fill_values.lhs.is_some() || modifier.fill_values.rhs.is_some() {
        return Err(unsupported("fill values"));
    }
    let (on, labels) = match &modifier.matching {
        None => (false, Vec::new()),
        Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
        Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
    };
    let card = match &modifier.card {
        VectorMatchCardinality::OneToOne => MatchCardinality::OneToOne,
        VectorMatchCardinality::ManyToMany => MatchCardinality::ManyToMany,
        VectorMatchCardinality::ManyToOne(include) => {
            MatchCardinality::ManyToOne(include.labels.clone())
        }
        VectorMatchCardinality::OneToMany(include) => {
            MatchCardinality::OneToMany(include.labels.clone())
        }
    };
    if let MatchCardinality::ManyToOne(include) | MatchCardinality::OneToMany(include) = &card {
        check_label_list(include)?;
    }
    check_label_list(&labels)?;
    Ok(VectorMatching { card, on, labels, returns_bool: modifier.return_bool })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_syntax_is_refused_by_name() {
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
    fn too_deep_or_too_long_queries_are_refused_before_parsing() {
        for query in [
            "(".repeat(100_000),
            "-".repeat(10_000) + "1",
            vec!["1"; 5_000].join("+"),
            vec!["a"; 5_000].join(" or "),
            "a{b=\"".to_owned() + &"x".repeat(70_000) + "\"}",
        ] {
            assert_eq!(plan(&query).unwrap_err().kind, "bad_data");
        }
        for query in [
            r#"{a=~"(x{100}){10000}"}"#.to_owned(),
            r"{a!~'(\\p{L}{100}){100}'}".to_owned(),
            "{a=~`(x{100}){10000}`}".to_owned(),
            format!("{{{}}}", vec!["a=~\"b\""; 51].join(",")),
            format!("sum by ({}) (x)", vec!["a"; 101].join(",")),
            format!("x + on({}) group_left({}) y", "a", vec!["b"; 101].join(",")),
            format!("label_replace(x, \"a\", \"b\", \"c\", \"{}\")", "(x{100}){10000}"),
        ] {
            let refusal = plan(&query).unwrap_err();
            assert!(refusal.kind == "bad_data" && refusal.bounded, "{query}: {refusal:?}");
        }
        assert_eq!(plan(r#"{a=~"x\x7b1000}"}"#).unwrap_err().kind, "bad_data");
        assert!(plan(r#"{a=~"x\\.y|\"z", b="=~"}"#).is_ok());
        let regex = format!("egov_x{{unit=~\"{}\"}}", vec!["sample.(a+b)*"; 1_000].join("|"));
        assert!(plan(&regex).is_ok(), "quoted text does not count as nesting");
    }
}
