//! Units, measures and months as the rows of the ledger name them, by number, and as the state in
//! memory knows them.

use kpi::cube::MeasureId;
use kpi::period::Month;
use kpi::unit::UnitNumber;

/// The unit of a row.
pub(in crate::app) fn unit_of(stored: i64) -> UnitNumber {
    UnitNumber::new(stored)
}

/// A unit for a row.
pub(in crate::app) fn stored_unit(number: UnitNumber) -> i64 {
    number.get()
}

/// The measure of a row; `None` when no dictionary has its number.
pub(in crate::app) fn measure_of(stored: i64) -> Option<MeasureId> {
    usize::try_from(stored).ok().map(MeasureId::new)
}

/// A measure for a row.
pub(in crate::app) fn stored_measure(id: MeasureId) -> i64 {
    i64::try_from(id.index()).unwrap_or(i64::MAX)
}

/// The month of a row; `None` when it is not one of the calendar.
pub(in crate::app) fn month_of(stored: i64) -> Option<Month> {
    Month::from_number(i32::try_from(stored).ok()?)
}

/// A month for a row.
pub(in crate::app) fn stored_month(month: Month) -> i64 {
    i64::from(month.number())
}
