//! Turns a parsed query into a plan: all selectors in one list, all names resolved. Anything that
//! is not supported is refused with an error that names it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use promql_parser::parser::token::{self, TokenType};
use promql_parser::parser::{
    AtModifier, BinModifier, Expr, LabelModifier, Offset, SubqueryExpr, VectorMatchCardinality,
    VectorSelector,
};

use super::aggregate::{Aggregation, check_label_list};
use super::binary::{BinaryOperator, MatchCardinality, VectorMatching};
use super::error::QueryError;
use super::instant_function::InstantFunction;
use super::label_join::LabelJoin;
use super::label_replace::LabelReplacement;
use super::limits::{MAX_DEPTH, SUBQUERY_STEP};
use super::node::{
    NameRemoval, PlanNode, RangeArgument, RangeCall, SteppedExpression, Subquery, SubqueryIndex,
};
use super::query_text::checked_query_text;
use super::range_function::RangeFunction;
use super::selector::{ReadRange, SelectorTime, SeriesSelector};

/// A planned query.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    /// The whole expression.
    pub whole: SteppedExpression,
    /// Its selectors, also those in subqueries.
    pub selectors: Vec<SeriesSelector>,
    /// Its subqueries; one inside another comes before it.
    pub subqueries: Vec<Subquery>,
    /// The number of nodes that remove the names of series.
    pub unnamed: usize,
}

/// Plans a query.
///
/// # Errors
/// It cannot be parsed, is too long, or uses something that is not supported.
pub fn plan(query: &str) -> Result<QueryPlan, QueryError> {
    let mut planner = QueryPlanner::default();
    let node = planner.node(&parsed(query)?, 0)?;
    let QueryPlanner { selectors, subqueries, unnamed, tells_time, around: _ } = planner;
    let whole = SteppedExpression { node, selectors: 0..selectors.len(), tells_time };
    Ok(QueryPlan { whole, selectors, subqueries, unnamed })
}

/// Formats a query as Prometheus' `format_query` does.
///
/// # Errors
/// It cannot be parsed or is too long.
pub fn format_query(query: &str) -> Result<String, QueryError> {
    Ok(parsed(query)?.prettify())
}

fn parsed(query: &str) -> Result<Expr, QueryError> {
    promql_parser::parser::parse(&checked_query_text(query)?)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"query\": {error}")))
}

/// Plans a selector as given in `match[]`.
///
/// # Errors
/// As for [`plan`]; also when the text is not an instant selector.
pub fn selector(text: &str) -> Result<SeriesSelector, QueryError> {
    let QueryPlan { whole, selectors, .. } = plan(text)?;
    match (whole.node, selectors.into_iter().next()) {
        (PlanNode::Select(_), Some(selector)) => Ok(selector),
        _ => {
            Err(QueryError::bad(format!("invalid parameter \"match[]\": {text} is not a selector")))
        }
    }
}

/// What is planned so far.
#[derive(Default)]
struct QueryPlanner {
    selectors: Vec<SeriesSelector>,
    subqueries: Vec<Subquery>,
    unnamed: usize,
    /// Whether what is planned at present depends on the time of its evaluation.
    tells_time: bool,
    /// The ranges of the subqueries around it.
    around: Vec<ReadRange>,
}

impl QueryPlanner {
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
                PlanNode::Negate(self.unname(), Box::new(self.node(&inner.expr, depth)?))
            }
            Expr::VectorSelector(selector) => PlanNode::Select(self.select(selector, 0)?),
            Expr::MatrixSelector(matrix) => {
                let number = self.select(&matrix.vs, length(matrix.range)?)?;
                PlanNode::Range(RangeArgument::Selector(number))
            }
            Expr::Subquery(subquery) => {
                PlanNode::Range(RangeArgument::Subquery(self.subquery(subquery, depth)?))
            }
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

    /// The place of one more node that removes the names of series.
    fn unname(&mut self) -> NameRemoval {
        self.unnamed += 1;
        NameRemoval(self.unnamed - 1)
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &[Box<Expr>],
        depth: usize,
    ) -> Result<PlanNode, QueryError> {
        let mut nodes = Vec::with_capacity(arguments.len());
        for argument in arguments {
            nodes.push(self.node(argument, depth)?);
        }
        if let Some(function) = RangeFunction::named(name) {
            return self.range_call(name, function, nodes);
        }
        if name == "label_replace" || name == "label_join" {
            return label_call(name, nodes);
        }
        if let ("timestamp", [PlanNode::Select(number)]) = (name, nodes.as_slice()) {
            return Ok(PlanNode::Timestamps(*number));
        }
        let function = InstantFunction::named(name)
            .ok_or_else(|| unsupported(&format!("the function {name}()")))?;
        self.tells_time |= function.tells_time(nodes.len());
        Ok(PlanNode::Call(function, nodes))
    }

    fn range_call(
        &mut self,
        name: &str,
        function: RangeFunction,
        arguments: Vec<PlanNode>,
    ) -> Result<PlanNode, QueryError> {
        let (mut params, mut range) = (Vec::new(), None);
        for argument in arguments {
            if let PlanNode::Range(argument) = argument {
                range = Some(argument);
            } else {
                params.push(argument);
            }
        }
        let range = range.ok_or_else(|| {
            QueryError::bad(format!("{name}() takes a range of samples, such as [1y]"))
        })?;
        // A subquery tells the time by itself.
        let is_fixed = match range {
            RangeArgument::Selector(number) => {
                self.selectors.get(number).is_some_and(|selector| selector.range.at.is_some())
            }
            RangeArgument::Subquery(_) => true,
        };
        self.tells_time |= function.tells_time() || (function.tells_edges() && !is_fixed);
        Ok(PlanNode::OverTime(RangeCall { function, params, range, removal: self.unname() }))
    }

    fn subquery(
        &mut self,
        subquery: &SubqueryExpr,
        depth: usize,
    ) -> Result<SubqueryIndex, QueryError> {
        let range = read_range(subquery.range, subquery.offset.as_ref(), subquery.at.as_ref())?;
        let step = subquery.step.map(length).transpose()?.unwrap_or(SUBQUERY_STEP);
        if step <= 0 {
            return Err(QueryError::bad("the step of a subquery must be positive"));
        }
        self.around.push(range);
        let outside = std::mem::replace(&mut self.tells_time, false);
        let first = self.selectors.len();
        let node = self.node(&subquery.expr, depth)?;
        // Its steps move with the time of the evaluation.
        let tells_time = std::mem::replace(&mut self.tells_time, outside || range.at.is_none());
        self.around.pop();
        let selectors = first..self.selectors.len();
        let expression = SteppedExpression { node, selectors, tells_time };
        self.subqueries.push(Subquery { expression, range, step });
        Ok(SubqueryIndex(self.subqueries.len() - 1))
    }

    fn select(&mut self, selector: &VectorSelector, range: i64) -> Result<usize, QueryError> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(unsupported("\"or\" between matchers"));
        }
        self.selectors.push(SeriesSelector {
            name: selector.name.clone(),
            matchers: selector.matchers.clone(),
            range: ReadRange {
                length: range,
                ..read_range(Duration::ZERO, selector.offset.as_ref(), selector.at.as_ref())?
            },
            around: self.around.clone(),
        });
        Ok(self.selectors.len() - 1)
    }
}

/// Plans `label_replace` or `label_join` with its arguments.
fn label_call(name: &str, arguments: Vec<PlanNode>) -> Result<PlanNode, QueryError> {
    let mut arguments = arguments.into_iter();
    let vector = arguments
        .next()
        .map(Box::new)
        .ok_or_else(|| QueryError::bad(format!("{name}() takes a vector")))?;
    let texts: Vec<String> = arguments.map(|node| text(&node)).collect();
    Ok(if name == "label_join" {
        PlanNode::LabelJoin(Arc::new(LabelJoin::new(&texts)?), vector)
    } else {
        PlanNode::LabelReplace(Arc::new(LabelReplacement::new(&texts)?), vector)
    })
}

fn read_range(
    range: Duration,
    offset: Option<&Offset>,
    at: Option<&AtModifier>,
) -> Result<ReadRange, QueryError> {
    let offset = match offset {
        None => 0,
        Some(Offset::Pos(duration)) => length(*duration)?,
        Some(Offset::Neg(duration)) => -length(*duration)?,
    };
    let at = match at {
        None => None,
        Some(AtModifier::Start) => Some(SelectorTime::Start),
        Some(AtModifier::End) => Some(SelectorTime::End),
        Some(AtModifier::At(time)) => Some(SelectorTime::Time(since_1970(*time)?)),
    };
    Ok(ReadRange { length: length(range)?, offset, at })
}

/// The text of a constant; empty for anything else.
fn text(node: &PlanNode) -> String {
    if let PlanNode::Text(text) = node { text.clone() } else { String::new() }
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
        token::T_ATAN2 => BinaryOperator::Arctangent,
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
            ("mad_over_time(egov_x[1y])", "mad_over_time()"),
            ("limit_ratio(0.5, egov_x)", "limit_ratio"),
            ("histogram_quantile(0.5, egov_x)", "histogram_quantile()"),
            ("egov_x{a=\"b\" or c=\"d\"}", "\"or\" between matchers"),
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
    fn a_query_tells_the_time_only_where_its_result_depends_on_it() {
        for (query, expected) in [
            ("egov_x + pi()", false),
            ("month(egov_x)", false),
            ("month()", true),
            ("timestamp(egov_x)", false),
            ("timestamp(-egov_x)", true),
            ("increase(egov_x[1y])", true),
            ("increase(egov_x[1y] @ 0)", false),
            ("deriv(egov_x[1y])", false),
            ("predict_linear(egov_x[1y] @ 0, 1)", true),
            ("sum_over_time(egov_x[1y:1d])", true),
            ("sum_over_time((time() + egov_x)[1y:1d] @ 0)", false),
        ] {
            assert_eq!(plan(query).unwrap().whole.tells_time, expected, "{query}");
        }
    }

    #[test]
    fn subqueries_are_planned_from_the_inside() {
        let found = plan(
            "max_over_time(rate(egov_x[1y] offset 1d)[2y:30d] @ 5) \
             - sum_over_time((egov_y)[1d:] offset 3d)",
        )
        .unwrap();
        let day = SUBQUERY_STEP;
        let [first, second] = found.subqueries.as_slice() else { panic!("{found:?}") };
        let range =
            |days: i64, offset: i64, at| ReadRange { length: days * day, offset: offset * day, at };
        let at = Some(SelectorTime::Time(5_000));
        assert_eq!((first.range, first.step), (range(730, 0, at), 30 * day));
        assert_eq!((second.range, second.step), (range(1, 3, None), day));
        assert_eq!((&first.expression.selectors, &second.expression.selectors), (&(0..1), &(1..2)));
        assert_eq!(found.selectors[0].around, [first.range]);
        assert_eq!(found.selectors[0].range, range(365, 1, None));
    }

    #[test]
    fn queries_are_formatted() {
        assert_eq!(format_query("foo/bar").unwrap(), "foo / bar");
        assert_eq!(format_query("sum(foo").unwrap_err().kind, "bad_data");
    }

    #[test]
    fn too_deep_or_too_long_queries_are_refused_before_parsing() {
        for query in [
            "(".repeat(100_000),
            "-".repeat(10_000) + "1",
            vec!["1"; 5_000].join("+"),
            vec!["a"; 5_000].join(" or "),
            "a{b=\"".to_owned() + &"x".repeat(70_000) + "\"}",
            // A quote in a comment begins no text, and a backslash in a raw text no escape
            format!("#'\n{}a{}", "(".repeat(30_000), ")".repeat(30_000)),
            format!("#'\r{}a", "-".repeat(30_000)),
            format!("a{{b=`\\`}} + {}a{}", "(".repeat(30_000), ")".repeat(30_000)),
            format!("a{{b='\\'`'}} + {}a", "-".repeat(30_000)),
        ] {
            assert_eq!(plan(&query).unwrap_err().kind, "bad_data");
            assert_eq!(format_query(&query).unwrap_err().kind, "bad_data");
        }
        assert_eq!(format_query("a #'(\n + b # c").unwrap(), "a + b");
        assert_eq!(format_query(r"{a=~`x\.`}").unwrap(), r#"{a=~"x\\."}"#);
        assert_eq!(plan("{a=`x}").unwrap_err().kind, "bad_data");
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
