//! What a report is read with.

use super::lexicon::ReportLexicon;
use kpi::catalogue::Catalogue;
use kpi::period::Period;
use kpi::unit::{UnitForest, UnitPosition};

/// The catalogue, the units, and the unit and period of the report.
#[derive(Clone, Copy)]
pub struct ReportContext<'a> {
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// Its patterns, prepared for matching.
    pub lexicon: &'a ReportLexicon,
    /// The units.
    pub units: &'a UnitForest,
    /// Position of the unit of the report.
    pub unit: UnitPosition,
    /// The period of the report.
    pub period: Period,
}
