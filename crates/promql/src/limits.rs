//! The limits of queries and of their responses.

/// Longest query in bytes.
pub const MAX_QUERY: usize = 64 << 10;
/// Most operators and parentheses of a query.
pub const MAX_OPERATORS: usize = 250;
/// Deepest nesting of a query; the evaluation is recursive and needs stack.
pub const MAX_DEPTH: usize = 64;
/// Most values in a response.
pub const MAX_VALUES: usize = 1_000_000;
/// Most steps of a range query, as in Prometheus.
pub const MAX_STEPS: i64 = 11_000;
/// Most steps of all subqueries of a query.
pub const MAX_SUBQUERY_STEPS: i64 = 100_000;
/// Distance of the steps of a subquery that names none, in milliseconds: a day. In Prometheus it is
/// its `evaluation_interval`.
pub const SUBQUERY_STEP: i64 = 86_400_000;
/// Most samples that a query may process.
pub const MAX_SAMPLES: usize = 20_000_000;
/// Most bytes of label values that a query may create (`label_replace`,
/// `label_join`, `count_values`).
pub const MAX_LABEL_BYTES: usize = 64 << 20;
/// Longest label value that a query may create, in bytes.
pub const MAX_LABEL_VALUE: usize = 16 << 10;
/// Most bytes of a response.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Most regular expressions of a query.
pub const MAX_REGEXES: usize = 50;
/// Most bytes of a compiled regular expression.
pub const MAX_REGEX_BYTES: usize = 2 << 20;
/// Most labels in `by`, `without`, `on`, `ignoring`, `group_left` or `group_right`.
pub const MAX_LISTED: usize = 100;
/// Time limit of a query in seconds; its parameter `timeout` can only shorten it.
pub const MAX_SECONDS: u64 = 10;
