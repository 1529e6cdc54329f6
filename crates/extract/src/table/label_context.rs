//! What is known before a label is read.

use crate::label::LabelIndex;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// What is known before a label is read.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct LabelContext {
    /// The text above.
    pub hint: String,
    /// Position of the reporting unit.
    pub unit: Option<UnitPosition>,
    /// The reporting month.
    pub month: Option<Month>,
}

impl LabelContext {
    /// Whether a text names systems and nothing else.
    pub(super) fn systems_only(&self, labels: &LabelIndex<'_>, text: &str) -> bool {
        !labels.systems(text).is_empty()
    }
}
