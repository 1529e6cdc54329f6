//! The values that a catalogue would give that is not recorded yet.

use crate::app::snapshot::Snapshot;
use crate::error::Error;
use kpi::catalogue::Catalogue;
use kpi::change::{MeasureSeries, ValueReason};
use kpi::measure::Measure;
use kpi::number::Rounded;
use kpi::period::{Month, Period, Step};
use kpi::program::Program;

/// The value of a unit by a catalogue that is tried.
#[derive(Clone, PartialEq, Debug)]
pub struct TriedValue {
    /// The unit.
    pub unit: String,
    /// Its value.
    pub value: Option<Rounded>,
    /// Why it is missing.
    pub value_reason: Option<ValueReason>,
    /// Its value in the month before.
    pub previous: Option<Rounded>,
}

impl Snapshot {
    /// The values of a measure of a catalogue that is tried, from the recorded figures: of a unit
    /// and of at most `limit` of the units directly below it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit or measure.
    pub fn tried_values(
        &self,
        catalogue: &Catalogue,
        measure: &Measure,
        (unit, month): (&str, Month),
        limit: usize,
    ) -> Result<Vec<TriedValue>, Error> {
        let state = self.state();
        let unit = state.find_unit(unit)?;
        let program = Program::of_measure(catalogue, &state.view(), measure)
            .ok_or_else(|| Error::NotFound(format!("there is no measure {measure}")))?;
        let period = Period::containing(Step::Month, month);
        let before = Period::containing(Step::Month, month.plus(-1));
        let exists = |unit: &_| state.units.exists(*unit, month);
        let below = state.units.children(unit).filter(exists).take(limit);
        let found = std::iter::once(unit).chain(below).map(|unit| {
            let series = MeasureSeries::new(state.source(), &program, unit, before, period);
            let point = series.compute(period);
            TriedValue {
                unit: state.units.code(unit).to_owned(),
                value: point.value().and_then(Rounded::new),
                value_reason: point.value_reason(),
                previous: series.value(before).and_then(Rounded::new),
            }
        });
        Ok(found.collect())
    }
}
