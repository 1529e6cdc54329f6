//! Findings: places where figures contradict a rule (contract section 4).
//!
//! Some rules follow from the catalogue and need no writing: complete members add up; incomplete ones
//! do not exceed the total; a stated rate agrees with the computed one; a parent's stated figure equals
//! the sum of its children when all have reported; a stock equals the stock before plus what was
//! created less what was closed. One cause is one finding: where a total disagrees only because a
//! member disagrees with its own parts, the member is named and the total is not.

mod book;
mod finding;

pub use book::{CheckAt, RuleBook};
pub use finding::{Finding, Standing};
