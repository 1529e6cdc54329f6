//! A figure found in a sentence, to which later numbers may refer.

use super::context::ReportContext;
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::unit::UnitPosition;

/// A figure found in a sentence, as later figures refer to it.
#[derive(Clone, Debug)]
pub struct FigureClaim {
    /// The measure.
    pub measure: Measure,
    /// Position of its unit.
    pub unit: UnitPosition,
    /// The number.
    pub value: Decimal64,
    /// Code of the pattern that found it.
    pub pattern: String,
    /// Whether it has members taken from an earlier figure.
    pub anchored: bool,
    /// Whether the text does not name the system that it is assumed to belong to.
    pub assumed: bool,
    /// Whether it belongs to the report's period.
    pub now: bool,
    /// Its sequence and item. After the end of its sentence both are past all others.
    pub item: (usize, usize),
    /// The members of the figure that it is a part of, if there is one.
    pub(super) parent: Option<Members>,
    /// Whether it is in an earlier sentence.
    pub(super) outside: bool,
}

impl FigureClaim {
    /// Whether it is in the current sentence.
    #[must_use]
    pub fn is_here(&self) -> bool {
        !self.outside
    }

    /// Another figure to which the same statement applies.
    #[must_use]
    pub fn shared(self, measure: Measure, value: Decimal64, item: (usize, usize)) -> Self {
        Self { measure, value, item, anchored: true, ..self }
    }

    /// The same measure with another member of a dimension.
    #[must_use]
    pub fn of_member(
        &self,
        dimension: &str,
        member: &str,
        setting: &ReportContext<'_>,
    ) -> Option<Measure> {
        let measure = Measure {
            code: self.measure.code.clone(),
            members: self.measure.members.with(dimension, member),
        };
        setting.catalogue.measure_faults(&measure).is_empty().then_some(measure)
    }

    /// Marks the figure as belonging to an earlier sentence.
    pub fn leave_sentence(&mut self) {
        self.outside = true;
    }
}
