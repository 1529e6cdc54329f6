//! From documents to figures: the prose of reports ([`report`]) and tables ([`table`]), by the
//! patterns of the catalogue and the names of measures and units ([`label`]). Like the core it does
//! no I/O.

pub mod label;
pub mod report;
pub mod table;
mod words;
