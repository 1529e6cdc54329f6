//! The sender of changes that are made on the command line.

/// The name of the sender in the ledger.
pub const ACTOR: &str = "command line";
