//! Evaluates a planned query: at one time, or at each step of a range.

use std::time::Instant;

use super::error::QueryError;
use super::eval::QueryEvaluation;
use super::instant_function::InstantFunction;
use super::limits::MAX_VALUES;
use super::node::PlanNode;
use super::plan::QueryPlan;
use super::source::{MemorySource, SeriesSource};
use super::steps::{StepTimes, too_many_values};
use super::value::{ExpressionValue, Sample, SampledSeries};

/// The result of a query.
#[derive(Clone, PartialEq, Debug)]
pub enum QueryOutput {
    /// A number without labels, at a time.
    Scalar(i64, f64),
    /// A text, at a time.
    Text(i64, String),
    /// A number for each series, at a time.
    Vector(i64, Vec<Sample>),
    /// Numbers over time for each series, in order of the labels.
    Matrix(Vec<SampledSeries>),
}

/// Evaluates a query at one time. A range of samples (`m[1y]`, `m[1y:30d]`) gives a matrix.
///
/// # Errors
/// Series cannot be matched, or a limit or the time limit is exceeded.
pub fn evaluate_instant<S: SeriesSource>(
    plan: &QueryPlan,
    series: &[Vec<S>],
    time: i64,
    until: Instant,
    memory: &mut dyn MemorySource,
) -> Result<QueryOutput, QueryError> {
    let mut run = QueryEvaluation::new(plan, series, (time, time), until, memory);
    let node = &plan.whole.node;
    if let PlanNode::Range(range) = node {
        let matrix = run.samples_of(*range, time)?;
        if matrix.iter().map(|(_, points)| points.len()).sum::<usize>() > MAX_VALUES {
            return Err(too_many_values());
        }
        return Ok(QueryOutput::Matrix(matrix));
    }
    Ok(match run.value(node, time)? {
        ExpressionValue::Scalar(value) => QueryOutput::Scalar(time, value),
        ExpressionValue::Text(text) => QueryOutput::Text(time, text),
        ExpressionValue::Vector(mut vector) => {
            if !is_ordered(node) {
                vector.sort_by(|one, other| one.labels.cmp(&other.labels));
            }
            QueryOutput::Vector(time, vector)
        }
    })
}

/// Whether a query orders its result itself (`sort`, `topk`).
fn is_ordered(node: &PlanNode) -> bool {
    match node {
        PlanNode::Call(InstantFunction::Sort | InstantFunction::SortDescending, _) => true,
        PlanNode::Aggregate(aggregation, ..) => aggregation.is_ranking(),
        PlanNode::Number(_)
        | PlanNode::Text(_)
        | PlanNode::Select(_)
        | PlanNode::Timestamps(_)
        | PlanNode::Range(_)
        | PlanNode::Negate(..)
        | PlanNode::Binary(..)
        | PlanNode::Call(..)
        | PlanNode::LabelReplace(..)
        | PlanNode::LabelJoin(..)
        | PlanNode::OverTime(..) => false,
    }
}

/// Evaluates a query at each step from one time to another.
///
/// # Errors
/// As for [`evaluate_instant`]; also a query that has a text or a range as its value.
pub fn evaluate_range<S: SeriesSource>(
    plan: &QueryPlan,
    series: &[Vec<S>],
    (start, end, step): (i64, i64, i64),
    until: Instant,
    memory: &mut dyn MemorySource,
) -> Result<QueryOutput, QueryError> {
    let refused = |found: &str| {
        Err(QueryError::bad(format!(
            "invalid expression type \"{found}\" for range query, must be Scalar or instant Vector"
        )))
    };
    if matches!(plan.whole.node, PlanNode::Text(_)) {
        return refused("string");
    }
    if matches!(plan.whole.node, PlanNode::Range(_)) {
        return refused("range vector");
    }
    let mut run = QueryEvaluation::new(plan, series, (start, end), until, memory);
    let times = StepTimes { start, end, step: step.max(1) };
    run.values_at(&plan.whole, times, Some(MAX_VALUES)).map(QueryOutput::Matrix)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::labels::{LabelSet, NAME};
    use crate::plan::plan;
    use crate::time::parse_time;
    use kpi::period::Month;

    /// A series from January 2021 on.
    struct Monthly {
        labels: Arc<LabelSet>,
        values: Vec<Option<f64>>,
    }

    impl SeriesSource for Monthly {
        fn labels(&self) -> &Arc<LabelSet> {
            &self.labels
        }

        fn at(&self, month: Month) -> Option<f64> {
            let first: Month = "2021-01".parse().unwrap();
            self.values.get(usize::try_from(month.since(first)).ok()?).copied().flatten()
        }

        fn between(&self, first: Month, last: Month) -> impl Iterator<Item = (Month, f64)> {
            let months = (0..=last.since(first)).map(move |n| first.plus(n));
            months.filter_map(|month| Some((month, self.at(month)?)))
        }
    }

    /// Memory that counts nothing.
    struct Unlimited;

    impl MemorySource for Unlimited {
        fn take(&mut self, _bytes: usize) -> Result<(), QueryError> {
            Ok(())
        }

        fn take_label(&mut self, _bytes: usize) -> Result<(), QueryError> {
            Ok(())
        }
    }

    fn series(name: &str, unit: &str, values: &[Option<f64>]) -> Monthly {
        let labels =
            [(NAME, name), ("unit", unit)].map(|(name, value)| (name.into(), value.into()));
        Monthly { labels: Arc::new(LabelSet::new(labels.into())), values: values.to_vec() }
    }

    /// Two units: one with 10, 20, 40 and a fall to 16, the other without March.
    fn province() -> Vec<Monthly> {
        vec![
            series("m", "a", &[10.0, 20.0, 40.0, 16.0].map(Some)),
            series("m", "b", &[Some(1.0), Some(2.0), None, Some(4.0)]),
        ]
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    fn instant_of(query: &str, time: i64) -> Result<QueryOutput, QueryError> {
        let plan = plan(query).unwrap();
        let series: Vec<Vec<Monthly>> = plan.selectors.iter().map(|_| province()).collect();
        evaluate_instant(&plan, &series, time, soon(), &mut Unlimited)
    }

    fn range_of(query: &str, times: (i64, i64, i64)) -> Result<QueryOutput, QueryError> {
        let plan = plan(query).unwrap();
        let series: Vec<Vec<Monthly>> = plan.selectors.iter().map(|_| province()).collect();
        evaluate_range(&plan, &series, times, soon(), &mut Unlimited)
    }

    fn at(day: &str) -> i64 {
        parse_time(&format!("{day}T00:00:00Z")).unwrap()
    }

    /// The values of the units on a day, as `a 1 b 2`.
    fn values(query: &str, day: &str) -> String {
        let QueryOutput::Vector(_, samples) = instant_of(query, at(day)).unwrap() else {
            panic!("{query} is no vector");
        };
        let text = |sample: &Sample| format!("{} {}", sample.labels.get("unit"), sample.value);
        samples.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn functions_of_ranges_read_one_sample_for_each_month() {
        for (query, expected) in [
            ("idelta(m[1y])", "a -24 b 2"),
            ("resets(m[1y])", "a 1 b 0"),
            ("count_over_time(m[1y])", "a 4 b 3"),
            // The range begins on 15 March: one sample is too few.
            ("idelta(m[31d])", ""),
            ("irate(m[1y]) * 86400 * 31", "a 16 b 1.0508474576271187"),
            // From 10 to 40, then from 0 to 16: 46 in 90 days. At this pace 10 takes 90 * 10 / 46
            // days from 0 on, and the end is 14 days away: 46 * (90 + 19.565 + 14) / 90. Of the
            // other unit: 3 * (90 + 30 + 14) / 90.
            ("round(increase(m[1y]), 0.001)", "a 63.156 b 4.467"),
            ("timestamp(m) - 1617235200", "a 0 b 0"),
            ("month(timestamp(m))", "a 4 b 4"),
            ("predict_linear(m[1y] @ 1617235200, 0) > bool 0", "a 1 b 1"),
        ] {
            assert_eq!(values(query, "2021-04-15"), expected, "{query}");
        }
    }

    #[test]
    fn a_range_as_an_instant_query_is_a_matrix() {
        let found = instant_of("m{unit=\"b\"}[92d]", at("2021-04-15")).unwrap();
        let QueryOutput::Matrix(series) = found else { panic!("{found:?}") };
        let points: Vec<_> = series.iter().map(|(_, points)| points.clone()).collect();
        let (second, third, fourth) = (at("2021-02-01"), at("2021-03-01"), at("2021-04-01"));
        assert_eq!(
            points,
            [
                vec![(second, 20.0), (third, 40.0), (fourth, 16.0)],
                vec![(second, 2.0), (fourth, 4.0)]
            ]
        );
        let found = instant_of("m[40d:20d]", at("2021-04-15")).unwrap();
        let QueryOutput::Matrix(series) = found else { panic!("{found:?}") };
        // Multiples of 20 days since 1970: 14 March (day 18,700) and 3 April.
        let days = [at("2021-03-14"), at("2021-04-03")];
        assert_eq!(series[0].1, [(days[0], 40.0), (days[1], 16.0)]);
        assert_eq!(series[1].1, [(days[1], 4.0)]);
        for query in ["m[1y]", "m[1y:]", "\"text\""] {
            let refusal = range_of(query, (0, 1, 1)).unwrap_err();
            assert!(refusal.message.contains("for range query"), "{query}: {refusal:?}");
        }
    }

    #[test]
    fn a_subquery_evaluates_its_expression_at_each_step() {
        for (query, expected) in [
            ("max_over_time(m[60d:1d])", "a 40 b 4"),
            // 14 April days with 16 and 15 March days with 40, up to midnight of 15 April.
            ("sum_over_time(m{unit=\"a\"}[29d:])", "a 840 b 60"),
            ("count_over_time(m[29d:])", "a 30 b 15"),
            ("max_over_time(idelta(m[70d])[90d:1d])", "a 20 b 2"),
            ("max_over_time(m[60d:1d] offset 60d)", "a 20 b 2"),
            ("max_over_time(m[60d:1d] @ 1612137600)", "a 20 b 2"),
            ("sum_over_time(max_over_time(m[31d:1d])[2d:1d])", "a 120 b 12"),
        ] {
            assert_eq!(values(query, "2021-04-15"), expected, "{query}");
        }
    }

    #[test]
    fn a_range_query_has_the_values_of_instant_queries_at_its_steps() {
        let times = (at("2020-12-25"), at("2021-06-20"), 5 * 86_400_000);
        for query in [
            "m",
            "increase(m[92d])",
            "rate(m[1y] @ 1617235200)",
            "predict_linear(m[1y] @ 1617235200, 86400)",
            "max_over_time(m[31d:1d])",
            "sum_over_time(rate(m[62d])[40d:3d] offset 9d)",
            "avg_over_time(max_over_time(m[31d:1d])[20d:7d])",
            "avg_over_time(max_over_time(m[31d:1d] @ 1617235200)[20d:7d])",
            "count_values(\"v\", m)",
            "absent_over_time(m[1w:1d])",
            "absent_over_time(m[1w])",
            "day_of_month() + on() group_right month(timestamp(m))",
        ] {
            let QueryOutput::Matrix(series) = range_of(query, times).unwrap() else {
                panic!("{query}");
            };
            let mut expected = std::collections::BTreeMap::<_, Vec<(i64, f64)>>::new();
            for step in 0.. {
                let time = times.0 + step * times.2;
                if time > times.1 {
                    break;
                }
                let QueryOutput::Vector(_, samples) = instant_of(query, time).unwrap() else {
                    panic!("{query}");
                };
                for Sample { labels, value } in samples {
                    expected.entry(labels).or_default().push((time, value));
                }
            }
            assert!(!series.is_empty(), "{query}");
            assert_eq!(series, expected.into_iter().collect::<Vec<_>>(), "{query}");
        }
    }

    #[test]
    fn the_steps_of_subqueries_are_limited() {
        let refusal = instant_of("max_over_time(m[1y:1m])", at("2021-04-15")).unwrap_err();
        assert!(refusal.bounded && refusal.message.contains("subqueries"), "{refusal:?}");
        // 365 days and the 90 days of the query, once for both levels.
        let query = "max_over_time(max_over_time(m[1y:10m])[90d:12h])";
        assert!(instant_of(query, at("2021-04-15")).is_ok());
        let query = "max_over_time(max_over_time(m[1y:10m])[1y:12h])";
        assert!(instant_of(query, at("2021-04-15")).is_err());
    }

    #[test]
    fn series_that_differ_only_in_their_name_are_an_error_also_at_different_times() {
        let query = "count_over_time({__name__=~\"m|n\"}[31d])";
        let plan = plan(query).unwrap();
        let series = || {
            vec![vec![series("m", "a", &[Some(1.0)]), series("n", "a", &[None, None, Some(1.0)])]]
        };
        let run = |times| evaluate_range(&plan, &series(), times, soon(), &mut Unlimited);
        let day = 86_400_000;
        assert!(run((at("2021-01-05"), at("2021-01-20"), day)).is_ok());
        assert_eq!(run((at("2021-01-05"), at("2021-03-20"), day)), Err(QueryError::same_labels()));
    }
}
