//! Use cases that record something: a request is validated, waits for the one writer, and is
//! answered when its change is durable.

pub mod catalogue;
pub mod declarations;
mod evaluate;
pub mod idempotency;
pub mod periods;
pub mod preview;
pub mod receipt;
pub mod submission;
pub mod units;
pub(in crate::app) mod writer;
