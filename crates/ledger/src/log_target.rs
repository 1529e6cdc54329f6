//! The target of the crate's log lines.

/// A target below the program's own, so that a log filter such as `egov_kpi=debug` and the limits
/// of the log count these lines as the program's.
pub(crate) const LOG_TARGET: &str = "egov_kpi::ledger";
