//! Rules and findings: places where figures contradict a rule (docs/specification.md#rules).
//!
//! Some rules follow from the catalogue. The members of a complete dimension add up to the total;
//! those of an incomplete one do not exceed it. A stated rate agrees with the computed one. A
//! stated figure of a parent equals the sum of its children when all have reported. A stock equals
//! the stock of the month before plus opened less closed. One cause gives one finding: where a
//! total disagrees only because a member disagrees with its own parts, the finding is at the
//! member.

mod book;
mod finding;

pub use book::{AUTOMATIC_RULES, AutomaticRule, CheckAt, RuleBook};
pub use finding::{CurrentFindings, Finding};
