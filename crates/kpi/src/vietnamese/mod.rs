//! Vietnamese text: words in a form for comparisons, numbers, and months.
//!
//! Everything that compares words uses the forms of [`folding`], so that a spelling which is known
//! in a sentence is known in a table too.

pub mod folding;
mod misread;
pub mod months;
pub mod numbers;
mod word_lists;
