//! What a query reads and uses: series with a value for each month, and memory.

use std::sync::Arc;

use super::error::QueryError;
use super::labels::LabelSet;
use kpi::period::Month;

/// One series, month by month.
pub trait SeriesSource {
    /// Its labels, with the name of the metric.
    fn labels(&self) -> &Arc<LabelSet>;

    /// The value of a month.
    fn at(&self, month: Month) -> Option<f64>;

    /// The values from `first` to `last` with their months, without missing ones.
    fn between(&self, first: Month, last: Month) -> impl Iterator<Item = (Month, f64)>;
}

/// The memory that a query may use. Bytes are taken before they are allocated.
pub trait MemorySource {
    /// Takes bytes for the query.
    ///
    /// # Errors
    /// They are not available.
    fn take(&mut self, bytes: usize) -> Result<(), QueryError>;

    /// Takes the bytes of a label value that is about to be created.
    ///
    /// # Errors
    /// The value, or all created values together, would be too long; or the bytes are not
    /// available.
    fn take_label(&mut self, bytes: usize) -> Result<(), QueryError>;
}
