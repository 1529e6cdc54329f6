//! Why a query has no result.

/// The error of a query, in Prometheus' terms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryError {
    /// `bad_data`, `execution`, `timeout` or `unavailable`.
    pub kind: &'static str,
    /// Message for the client.
    pub message: String,
    /// Whether a limit was exceeded.
    pub bounded: bool,
}

impl QueryError {
    /// The query is invalid or uses something that is not supported.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { kind: "bad_data", message: message.into(), bounded: false }
    }

    /// The evaluation failed.
    pub fn execution(message: impl Into<String>) -> Self {
        Self { kind: "execution", message: message.into(), bounded: false }
    }

    /// Two series of a vector have the same labels.
    pub fn same_labels() -> Self {
        Self::execution("vector cannot contain metrics with the same labelset")
    }

    /// The query is longer or deeper than a limit allows.
    pub fn long(message: impl Into<String>) -> Self {
        Self { bounded: true, ..Self::bad(message) }
    }

    /// The evaluation would exceed a limit.
    pub fn too_much(message: impl Into<String>) -> Self {
        Self { bounded: true, ..Self::execution(message) }
    }

    /// Too little memory is free at present.
    #[must_use]
    pub fn memory() -> Self {
        let message = "query processing would load too many samples into memory: too much memory \
            is in use; retry later";
        Self { kind: "unavailable", message: message.to_owned(), bounded: true }
    }

    /// The service cannot respond at present.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: "unavailable", message: message.into(), bounded: false }
    }

    /// The time limit is exceeded.
    #[must_use]
    pub fn timeout() -> Self {
        Self {
            kind: "timeout",
            message: "query timed out in expression evaluation".to_owned(),
            bounded: true,
        }
    }
}
