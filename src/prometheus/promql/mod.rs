//! PromQL over the figures: the parts of the language that dashboards and alerts over monthly figures use.
//!
//! A month's value holds from its first instant (00:00 UTC) to the next month's; a missing month is a gap. A range sees one sample a
//! month at its first instant, both edges included as in Prometheus 2.42. `delta` is the last sample less the first: it does not
//! extrapolate.

mod aggregate;
mod binary;
mod eval;
mod functions;
mod plan;
mod time;

pub use eval::{Answer, OverTimes, Sample, evaluate_instant, evaluate_range};
pub use plan::{Plan, Selector, plan, selector};
pub use time::{first_second, format_seconds, format_value, month_of, parse_duration, parse_time};

/// Longest query in bytes.
pub const MAX_QUERY: usize = 64 << 10;
/// Most operators and parentheses in a query.
pub const MAX_OPERATORS: usize = 250;
/// How deep what is computed may nest: it is computed on a thread's stack.
pub const MAX_DEPTH: usize = 64;
/// Most values in an answer.
pub const MAX_VALUES: usize = 1_000_000;
/// Most steps of a range query, as in Prometheus.
pub const MAX_STEPS: i64 = 11_000;
/// Most samples that a query may compute with.
pub const MAX_SAMPLES: usize = 20_000_000;
/// Longest time a query may take, in seconds; `timeout` asks for less.
pub const MAX_SECONDS: u64 = 10;

/// Why a query has no answer, in Prometheus' words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// `bad_data`, `execution`, `timeout` or `unavailable`.
    pub kind: &'static str,
    /// What is wrong.
    pub message: String,
    /// Whether it is more than a bound allows.
    pub bounded: bool,
}

impl Refusal {
    /// The query cannot be understood, or asks for something that is not supported.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { kind: "bad_data", message: message.into(), bounded: false }
    }

    /// The query cannot be carried out.
    pub fn execution(message: impl Into<String>) -> Self {
        Self { kind: "execution", message: message.into(), bounded: false }
    }

    /// The query is longer or deeper than a bound allows.
    pub fn long(message: impl Into<String>) -> Self {
        Self { bounded: true, ..Self::bad(message) }
    }

    /// It asks for more than a bound allows.
    pub fn too_much(message: impl Into<String>) -> Self {
        Self { bounded: true, ..Self::execution(message) }
    }

    /// The service cannot answer at the moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: "unavailable", message: message.into(), bounded: false }
    }

    /// It would take too long.
    #[must_use]
    pub fn timeout() -> Self {
        Self {
            kind: "timeout",
            message: "query timed out in expression evaluation".to_owned(),
            bounded: true,
        }
    }
}
