//! Revisions, units, measures and months as the rows of the ledger name them, by number, and as the
//! state in memory knows them.

use kpi::cube::{MeasureId, RevisionStamp};
use kpi::period::Month;
use kpi::unit::UnitNumber;
use ledger::{RevisionNumber, StoredMeasure, StoredMonth, StoredUnit};

/// The unit of a row.
pub(in crate::app) fn unit_of(stored: StoredUnit) -> UnitNumber {
    UnitNumber::new(stored.get())
}

/// A unit for a row.
pub(in crate::app) fn stored_unit(number: UnitNumber) -> StoredUnit {
    StoredUnit::new(number.get())
}

/// The measure of a row; `None` when no dictionary has its number.
pub(in crate::app) fn measure_of(stored: StoredMeasure) -> Option<MeasureId> {
    usize::try_from(stored.get()).ok().map(MeasureId::new)
}

/// A measure for a row.
pub(in crate::app) fn stored_measure(id: MeasureId) -> StoredMeasure {
    StoredMeasure::new(i64::try_from(id.index()).unwrap_or(i64::MAX))
}

/// The month of a row; `None` when it is not one of the calendar.
pub(in crate::app) fn month_of(stored: StoredMonth) -> Option<Month> {
    Month::from_number(i32::try_from(stored.get()).ok()?)
}

/// A month for a row.
pub(in crate::app) fn stored_month(month: Month) -> StoredMonth {
    StoredMonth::new(i64::from(month.number()))
}

/// The revision that the cube names by a stamp.
pub(in crate::app) fn revision_of(stamp: RevisionStamp) -> RevisionNumber {
    RevisionNumber::new(i64::from(stamp.get()))
}

/// The stamp of a revision in the cube; `None` when its number has more than 32 bits.
pub(in crate::app) fn stamp_of(revision: RevisionNumber) -> Option<RevisionStamp> {
    u32::try_from(revision.get()).ok().map(RevisionStamp::new)
}
