//! PromQL over the figures: those parts of the language that dashboards and alerts on monthly
//! figures need.
//!
//! A value applies from the first instant of its month (00:00 UTC) to the first instant of the
//! next; a missing month is a gap. A range contains one sample for each month, at its first
//! instant; both edges are included as in Prometheus 2.42. `delta` is the last sample minus the
//! first, without extrapolation.
//!
//! A query passes these stages: its text is checked (`query_text`) and parsed, all names are
//! resolved (`plan`, to the nodes of `node`), and the plan is evaluated (`evaluate`) at one time
//! (`eval`) or at each step (`steps`). The operators are in `aggregate`, `binary`,
//! `instant_function` (with `math_function` and `date_function`), `label_replace` and `label_join`;
//! functions of ranges and subqueries in `range_call`, with `range_function`, `rate`, `regression`
//! and `statistics`. The series and the memory are those of the caller ([`SeriesSource`],
//! [`MemorySource`]).

mod aggregate;
mod binary;
mod date_function;
mod error;
mod eval;
mod evaluate;
mod instant_function;
mod label_join;
mod label_name;
mod label_replace;
pub mod labels;
mod limits;
mod math_function;
mod node;
mod plan;
mod query_text;
mod range_call;
mod range_function;
mod rate;
mod regression;
mod selector;
mod source;
mod statistics;
mod steps;
mod time;
mod value;
mod window;

pub use error::QueryError;
pub use evaluate::{QueryOutput, evaluate_instant, evaluate_range};
pub use limits::{
    MAX_ANSWER_BYTES, MAX_DEPTH, MAX_LABEL_BYTES, MAX_LABEL_VALUE, MAX_LISTED, MAX_OPERATORS,
    MAX_QUERY, MAX_REGEX_BYTES, MAX_REGEXES, MAX_SAMPLES, MAX_SECONDS, MAX_STEPS,
    MAX_SUBQUERY_STEPS, MAX_VALUES,
};
pub use plan::{QueryPlan, format_query, plan, selector};
pub use selector::SeriesSelector;
pub use source::{MemorySource, SeriesSource};
pub use time::{first_second, format_seconds, format_value, month_of, parse_duration, parse_time};
pub use value::{Sample, SampledSeries};
