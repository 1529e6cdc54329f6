//! The core: terms, arithmetic and rules of figures (docs/specification.md#terms). It does no I/O
//! and knows no clock, HTTP or database.

pub mod annotation;
pub mod bit_set;
pub mod catalogue;
pub mod change;
pub mod cube;
pub mod expectation;
pub mod fault;
pub mod formula;
pub mod geography;
pub mod labels;
pub mod measure;
pub mod metric;
pub mod number;
pub mod number_format;
pub mod observation;
pub mod outlier;
pub mod period;
pub mod phrase;
mod position;
pub mod program;
pub mod quality;
pub mod ranking;
pub mod remark;
pub mod roll_up;
pub mod rules;
pub mod sentence;
pub mod target;
pub mod text;
pub mod unit;
pub mod value;
pub mod vietnamese;
pub mod word_file;
