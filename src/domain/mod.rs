//! What a figure means. No I/O, no clock, no web, no database: only words, arithmetic and rules.

pub mod annotation;
pub mod bits;
pub mod catalogue;
pub mod change;
pub mod cube;
pub mod expectation;
pub mod fault;
pub mod formula;
pub mod geography;
pub mod measure;
pub mod metric;
pub mod notation;
pub mod number;
pub mod observation;
pub mod period;
pub mod phrase;
pub mod program;
pub mod quality;
pub mod ranking;
pub mod rules;
pub mod sentence;
pub mod target;
pub mod unit;
pub mod value;
pub mod wording;
