//! Values of units and months, with coverage and changes, as one table for analysts: a ZIP with
//! `figures.csv`, the names in `units.csv` and `measures.csv`, and the `datapackage.json` that
//! describes them (Frictionless Data Package). Also the table alone, as CSV or Parquet, and
//! SDMX-CSV.
//!
//! The numbers are those of `GET /series`, computed by the same code for a few units at a time, so
//! the whole table is never in memory.

mod figures;
mod metadata;
mod package;
mod parquet_file;
mod rows;
mod sdmx;

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use self::figures::TidyPiece;
use super::{BUFFER, ZipStream, begin, end, write_error};
use crate::app::read::fields::RequestedFields;
use crate::app::read::series::{self, PointView, PreparedSeries, SeriesView};
use crate::app::state::State;
use crate::clock::Calendar;
use crate::error::Error;
use kpi::catalogue::{Indicator, IndicatorKind};
use kpi::geography::Geography;
use kpi::measure::{Measure, Members};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::unit::{UnitPosition, UnitRange};
use ledger::{RevisionNumber, Store};

/// The file of the table.
const FIGURES: &str = "figures.csv";
/// The file of the units.
const UNITS: &str = "units.csv";
/// The file of the measures.
const MEASURES: &str = "measures.csv";
/// The file of the description.
const PACKAGE: &str = "datapackage.json";

/// The result of writing the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TidySummary {
    /// The revision that everything was computed from.
    pub revision: RevisionNumber,
    /// Number of rows of the table, without its header.
    pub rows: u64,
}

/// How values of a measure come about: reported, with the way they add up, or computed.
#[derive(Clone, Copy)]
enum MeasureKind {
    Flow,
    Stock,
    Average,
    Kpi,
}

impl MeasureKind {
    const ALL: [Self; 4] = [Self::Flow, Self::Stock, Self::Average, Self::Kpi];

    /// The word in the files.
    fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Stock => "stock",
            Self::Average => "average",
            Self::Kpi => "kpi",
        }
    }

    /// The kind of an indicator, or `Kpi` without one.
    fn of(indicator: Option<&Indicator>) -> Self {
        match indicator.map(|indicator| indicator.kind) {
            Some(IndicatorKind::Flow) => Self::Flow,
            Some(IndicatorKind::Stock) => Self::Stock,
            Some(IndicatorKind::Average) => Self::Average,
            None => Self::Kpi,
        }
    }
}

/// A measure prepared for computing.
struct PreparedMeasure {
    measure: Measure,
    kind: MeasureKind,
    /// The unit of the values, escaped for spreadsheets: the only free text of the table.
    unit_of_measure: String,
    program: Program,
}

impl PreparedMeasure {
    /// Prepares a measure, if the catalogue declares it.
    fn new(state: &State, measure: Measure) -> Option<Self> {
        Some(Self {
            kind: MeasureKind::of(state.catalogue.indicator(&measure.code)),
            unit_of_measure: escape_formula(state.catalogue.unit_of_measure(&measure.code)),
            program: Program::of_measure(&state.catalogue, &state.view(), &measure)?,
            measure,
        })
    }
}

/// Says whether nobody waits for a table any more, so that no more of it is computed.
pub type Abandoned = Box<dyn Fn() -> bool + Send + Sync>;

/// What of a ledger a table has; an absent field does not restrict.
#[derive(Default)]
pub struct TidySelection {
    /// A unit, with the units below it.
    pub unit: Option<UnitPosition>,
    /// The first month.
    pub from: Option<Month>,
    /// The last month.
    pub to: Option<Month>,
    /// The measures, in the order of the table.
    pub measures: Option<Vec<Measure>>,
    /// Asked for each unit and measure.
    pub abandoned: Option<Abandoned>,
}

/// The files of a selection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TidyFormat {
    /// A ZIP with the table, the units, the measures and their description.
    Package,
    /// The table alone, as CSV.
    Table,
    /// The table alone, as Parquet.
    Parquet,
    /// The values alone, as SDMX-CSV 2.0.
    Sdmx,
}

impl TidyFormat {
    /// Bytes of memory that a file takes while it is written, beside what is sent of it.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Package | Self::Table => figures::FIGURES_BYTES,
            Self::Parquet => parquet_file::GROUP_BYTES,
            Self::Sdmx => 0,
        }
    }
}

/// What is computed: units, measures and months of a state.
struct TidyTable<'a> {
    state: &'a State,
    abandoned: Option<&'a Abandoned>,
    units: UnitRange,
    measures: Vec<PreparedMeasure>,
    periods: Vec<Period>,
}

impl<'a> TidyTable<'a> {
    fn new(state: &'a State, selection: &'a TidySelection) -> Self {
        let all = UnitRange::new(UnitPosition::new(0), UnitPosition::new(state.units.len()));
        let mut measures = match &selection.measures {
            Some(measures) => measures.clone(),
            None => all_measures(state),
        };
        // A measure that is named twice would break the key of the table.
        let mut known = HashSet::new();
        measures.retain(|measure| known.insert(measure.clone()));
        let is_chosen = |period: &Period| {
            selection.from.is_none_or(|from| from <= period.first())
                && selection.to.is_none_or(|to| period.last() <= to)
        };
        Self {
            state,
            abandoned: selection.abandoned.as_ref(),
            units: selection.unit.map_or(all, |unit| state.units.subtree(unit)),
            measures: measures
                .into_iter()
                .filter_map(|of| PreparedMeasure::new(state, of))
                .collect(),
            periods: periods(state).into_iter().filter(is_chosen).collect(),
        }
    }

    /// All units and measures.
    fn whole(&self) -> TidyPiece<'_> {
        TidyPiece { units: self.units, measures: &self.measures }
    }

    /// Writes the rows of a piece, and returns their number; `write` writes those of a measure at a
    /// unit.
    fn write_rows(
        &self,
        piece: TidyPiece<'_>,
        fields: RequestedFields,
        mut write: impl FnMut(&TidySeries<'_>) -> Result<u64, Error>,
    ) -> Result<u64, Error> {
        let mut rows = 0;
        for unit in piece.units {
            for measure in piece.measures {
                if self.abandoned.is_some_and(|abandoned| abandoned()) {
                    return Err(nobody_waits());
                }
                let prepared =
                    PreparedSeries::new(self.state, &measure.measure, &measure.program, fields);
                let series =
                    series::one(self.state, Geography::AsReported, &prepared, unit, &self.periods);
                rows += write(&TidySeries { measure, unit, series })?;
            }
        }
        Ok(rows)
    }
}

/// The rows of a measure at a unit before they are written.
struct TidySeries<'a> {
    measure: &'a PreparedMeasure,
    unit: UnitPosition,
    series: SeriesView,
}

impl TidySeries<'_> {
    /// The months that have a value or a stated rate; others have no row.
    fn points(&self) -> impl Iterator<Item = &PointView> {
        self.series.points.iter().filter(|point| point.value.is_some() || point.stated.is_some())
    }
}

fn nobody_waits() -> Error {
    let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    Error::environment("nobody waits for the table")(gone)
}

/// Writes the package of a whole ledger; `progress` receives the number of units done, and the
/// total.
///
/// # Errors
/// Those of the store, or of writing.
pub fn write<W: Write>(
    store: &Store,
    out: W,
    mut progress: impl FnMut(usize, usize),
) -> Result<TidySummary, Error> {
    let state = State::load(store, Calendar::default())?;
    let selection = TidySelection::default();
    let table = TidyTable::new(&state, &selection);
    write_package(&table, out, |done| progress(done, state.units.len()))
}

/// Writes the package; `progress` receives the number of units done.
fn write_package<W: Write>(
    table: &TidyTable<'_>,
    out: W,
    progress: impl FnMut(usize),
) -> Result<TidySummary, Error> {
    let mut zip = ZipStream::new_stream(out);
    begin(&mut zip, FIGURES)?;
    let rows = figures::write(table, &mut zip, progress)?;
    let written = TidySummary { revision: table.state.revision, rows };
    write_description(table, &mut zip, &written)?;
    end(zip)?;
    Ok(written)
}

/// Writes a selection in a format, piece by piece: whatever its size, it needs the memory of
/// [`TidyFormat::bytes`] and of a single series.
///
/// # Errors
/// Those of writing.
pub fn write_selection<W: Write + Send>(
    state: &State,
    selection: &TidySelection,
    format: TidyFormat,
    mut out: W,
) -> Result<TidySummary, Error> {
    let table = TidyTable::new(state, selection);
    let rows = match format {
        TidyFormat::Package => return write_package(&table, out, |_| ()),
        TidyFormat::Table => figures::write(&table, &mut out, |_| ())?,
        TidyFormat::Parquet => parquet_file::write(&table, &mut out)?,
        TidyFormat::Sdmx => sdmx::write(&table, &mut out)?,
    };
    out.flush().map_err(write_error)?;
    Ok(TidySummary { revision: state.revision, rows })
}

/// A writer of rows without a header.
fn csv_rows<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_writer(out)
}

/// Writes the units, the measures and the description of all files.
fn write_description<W: Write>(
    table: &TidyTable<'_>,
    zip: &mut ZipStream<W>,
    written: &TidySummary,
) -> Result<(), Error> {
    begin(zip, UNITS)?;
    metadata::write_units(table, zip)?;
    begin(zip, MEASURES)?;
    metadata::write_measures(table, zip)?;
    begin(zip, PACKAGE)?;
    serde_json::to_writer_pretty(&mut *zip, &package::describe(written)).map_err(write_error)?;
    zip.write_all(b"\n").map_err(write_error)
}

/// The measures of the table in order of their codes: every declared measure with recorded figures,
/// the totals over its members, every kpi, and each member with which a kpi can be queried.
fn all_measures(state: &State) -> Vec<Measure> {
    let mut measures = BTreeSet::new();
    for (_, measure) in state.measures.iter() {
        measures.extend(
            measure
                .members
                .subsets()
                .into_iter()
                .map(|members| Measure { code: measure.code.clone(), members }),
        );
    }
    for kpi in &state.catalogue.kpis {
        let named = kpi.dimensions.iter().flat_map(|(dimension, members)| {
            members.iter().map(move |member| Members::none().with(dimension, member))
        });
        measures.extend(
            named
                .chain([Members::none()])
                .map(|members| Measure { code: kpi.code.clone(), members }),
        );
    }
    measures.retain(|measure| state.catalogue.measure_faults(measure).is_empty());
    measures.into_iter().collect()
}

/// Escapes a text so that no spreadsheet takes it for a formula, as in CSV responses
/// (`docs/specification.md#tables`).
fn escape_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The months from the first to the last one with any figure.
fn periods(state: &State) -> Vec<Period> {
    let recorded = state
        .measures
        .iter()
        .flat_map(|(id, _)| state.cube.figures_of(id))
        .chain(state.cube.all_stated());
    let span =
        recorded.map(|(entry, _)| entry.month).fold(None, |span: Option<(Month, Month)>, month| {
            let (first, last) = span.unwrap_or((month, month));
            Some((first.min(month), last.max(month)))
        });
    let Some((first, last)) = span else { return Vec::new() };
    (0..=last.since(first))
        .map(|month| Period::containing(Step::Month, first.plus(month)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_is_never_written_as_a_formula() {
        assert_eq!(escape_formula("=1+1"), "'=1+1");
        assert_eq!(escape_formula("count"), "count");
    }
}
