//! Every value of every unit and month, with its coverage and its changes, as one table for analysts: a ZIP with `figures.csv` and
//! the `datapackage.json` that describes it (Frictionless Data Package).
//!
//! The numbers are those of `GET /series`, computed by the same code, a unit at a time: the table is never in memory.

mod package;

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::Serialize;

use super::{BUFFER, Zip, begin, end, unwritten};
use crate::app::series::{self, PointView, SeriesView};
use crate::app::state::State;
use crate::domain::catalogue::{Indicator, Kind};
use crate::domain::change::Reason;
use crate::domain::geography::Geography;
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Shown;
use crate::domain::period::{Month, Period, Step};
use crate::domain::program::Program;
use crate::domain::unit::UnitKind;
use crate::domain::value::Origin;
use crate::error::Error;
use crate::store::Store;

/// The table.
const FIGURES: &str = "figures.csv";
/// Its description.
const PACKAGE: &str = "datapackage.json";
/// Units of a piece that a thread computes at a time, and pieces that may wait: some megabytes.
const UNITS_AT_ONCE: usize = 8;
const PIECES_AHEAD: usize = 2;

/// What was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tidied {
    /// The revision that everything was computed from.
    pub revision: i64,
    /// How many rows the table has, its header aside.
    pub rows: u64,
}

/// A row: a measure at a unit in a month. What cannot be given is empty, and `<field>_reason` says why.
#[derive(Serialize)]
struct Row<'a> {
    measure: &'a str,
    measure_kind: MeasureKind,
    unit: &'a str,
    unit_kind: UnitKind,
    parent: Option<&'a str>,
    period: &'a str,
    unit_of_measure: &'a str,
    value: Option<Shown>,
    origin: Option<Origin>,
    coverage: f64,
    stated: Option<String>,
    delta: Option<Shown>,
    delta_reason: Option<Reason>,
    delta_percent: Option<Shown>,
    delta_percent_reason: Option<Reason>,
    like_for_like_delta: Option<Shown>,
    like_for_like_delta_reason: Option<Reason>,
    like_for_like_percent: Option<Shown>,
    like_for_like_percent_reason: Option<Reason>,
    like_for_like_coverage: Option<f64>,
    year_delta: Option<Shown>,
    year_delta_reason: Option<Reason>,
    year_delta_percent: Option<Shown>,
    year_delta_percent_reason: Option<Reason>,
    year_to_date: Option<Shown>,
    year_to_date_reason: Option<Reason>,
}

/// How a measure's values come about: reported, and how they add up, or computed.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum MeasureKind {
    Flow,
    Stock,
    Average,
    Kpi,
}

impl MeasureKind {
    /// Of an indicator; what is none is a kpi.
    fn of(indicator: Option<&Indicator>) -> Self {
        match indicator.map(|indicator| indicator.kind) {
            Some(Kind::Flow) => Self::Flow,
            Some(Kind::Stock) => Self::Stock,
            Some(Kind::Average) => Self::Average,
            None => Self::Kpi,
        }
    }
}

/// A measure made ready.
struct Asked {
    measure: Measure,
    kind: MeasureKind,
    /// What it is given in, safe in a spreadsheet: of all the table's texts only this one is free.
    unit_of_measure: String,
    program: Program,
}

/// Writes the table and its description; `progress` hears how many units are done, and of how many.
///
/// # Errors
/// The store's, or those of writing.
pub fn write<W: Write>(
    store: &Store,
    out: W,
    mut progress: impl FnMut(usize, usize),
) -> Result<Tidied, Error> {
    let state = State::load(store)?;
    let (asked, periods) = (asked(&state), periods(&state));
    let mut zip = Zip::new_stream(out);
    begin(&mut zip, FIGURES)?;
    zip.write_all(package::header().as_bytes()).map_err(unwritten)?;
    let mut written = Tidied { revision: state.revision, rows: 0 };
    let pieces = pieces(state.units.len());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
    thread::scope(|scope| {
        let mut computing: Vec<Receiver<Result<Piece, Error>>> = Vec::with_capacity(threads);
        for first in 0..threads {
            let (sender, receiver) = sync_channel(PIECES_AHEAD);
            let mine = pieces.iter().skip(first).step_by(threads).cloned();
            let (state, asked, periods) = (&state, &asked, &periods);
            scope.spawn(move || compute(state, asked, periods, mine, &sender));
            computing.push(receiver);
        }
        for (piece, receiver) in pieces.iter().zip(computing.iter().cycle()) {
            // A thread that is gone has panicked, which leaving the scope passes on.
            let Ok(done) = receiver.recv() else { break };
            let done = done?;
            zip.write_all(&done.text).map_err(unwritten)?;
            written.rows += done.rows;
            progress(piece.end, state.units.len());
        }
        Ok::<(), Error>(())
    })?;
    begin(&mut zip, PACKAGE)?;
    serde_json::to_writer_pretty(&mut zip, &package::describe(&written)).map_err(unwritten)?;
    zip.write_all(b"\n").map_err(unwritten)?;
    end(zip)?;
    Ok(written)
}

/// The units in pieces.
fn pieces(units: usize) -> Vec<Range<usize>> {
    (0..units).step_by(UNITS_AT_ONCE).map(|first| first..units.min(first + UNITS_AT_ONCE)).collect()
}

/// The rows of some units.
#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    rows: u64,
}

/// Computes some pieces one after another, until all are done or nobody receives them any more.
fn compute(
    state: &State,
    asked: &[Asked],
    periods: &[Period],
    pieces: impl Iterator<Item = Range<usize>>,
    sender: &SyncSender<Result<Piece, Error>>,
) {
    for units in pieces {
        if sender.send(piece(state, asked, periods, units)).is_err() {
            break;
        }
    }
}

fn piece(
    state: &State,
    asked: &[Asked],
    periods: &[Period],
    units: Range<usize>,
) -> Result<Piece, Error> {
    let mut out = csv::WriterBuilder::new()
        .has_headers(false)
        .buffer_capacity(BUFFER)
        .from_writer(Vec::new());
    let mut rows = 0;
    for unit in units {
        for asked in asked {
            let found = series::one(
                state,
                Geography::AsReported,
                (&asked.measure, &asked.program),
                unit,
                periods,
            );
            for point in
                found.points.iter().filter(|point| point.value.is_some() || point.stated.is_some())
            {
                out.serialize(row(state, asked, unit, &found, point)).map_err(unwritten)?;
                rows += 1;
            }
        }
    }
    let text = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
    Ok(Piece { text, rows })
}

fn row<'a>(
    state: &'a State,
    asked: &'a Asked,
    unit: usize,
    series: &'a SeriesView,
    point: &'a PointView,
) -> Row<'a> {
    let document = state.units.get(unit).map(|unit| &unit.document);
    Row {
        measure: &series.measure,
        measure_kind: asked.kind,
        unit: &series.unit,
        unit_kind: document.map(|document| document.kind).unwrap_or_default(),
        parent: document.and_then(|document| document.parent.as_deref()),
        period: &point.period,
        unit_of_measure: &asked.unit_of_measure,
        value: point.value,
        origin: point.origin,
        coverage: point.coverage,
        stated: point.stated.map(|stated| stated.to_string()),
        delta: point.delta,
        delta_reason: point.delta_reason,
        delta_percent: point.delta_percent,
        delta_percent_reason: point.delta_percent_reason,
        like_for_like_delta: point.like_for_like_delta,
        like_for_like_delta_reason: point.like_for_like_delta_reason,
        like_for_like_percent: point.like_for_like_percent,
        like_for_like_percent_reason: point.like_for_like_percent_reason,
        like_for_like_coverage: point.like_for_like_coverage,
        year_delta: point.year_delta,
        year_delta_reason: point.year_delta_reason,
        year_delta_percent: point.year_delta_percent,
        year_delta_percent_reason: point.year_delta_percent_reason,
        year_to_date: point.year_to_date,
        year_to_date_reason: point.year_to_date_reason,
    }
}

/// Every declared measure that figures were recorded for, the totals over its members, every kpi, and each member that a kpi can be
/// asked for. In the order of their codes.
fn asked(state: &State) -> Vec<Asked> {
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
    let ready = |measure: Measure| {
        Some(Asked {
            kind: MeasureKind::of(state.catalogue.indicator(&measure.code)),
            unit_of_measure: no_formula(state.catalogue.unit_of_measure(&measure.code)),
            program: Program::of_measure(&state.catalogue, &state.view(), &measure)?,
            measure,
        })
    };
    measures.into_iter().filter_map(ready).collect()
}

/// A text that no spreadsheet takes for a formula, as in the answers of the API.
fn no_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The months from the first to the last that has a figure of anything.
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
    fn the_columns_are_the_ones_described() {
        let row = Row {
            measure: "m",
            measure_kind: MeasureKind::Kpi,
            unit: "u",
            unit_kind: UnitKind::Agency,
            parent: None,
            period: "2021-10",
            unit_of_measure: "",
            value: Shown::new(12_345_678_901.25),
            origin: Some(Origin::RolledUp),
            coverage: 1.0,
            stated: Some("78.950".to_owned()),
            delta: Shown::new(-2.0),
            delta_reason: None,
            delta_percent: None,
            delta_percent_reason: Some(Reason::NotApplicable),
            like_for_like_delta: None,
            like_for_like_delta_reason: None,
            like_for_like_percent: None,
            like_for_like_percent_reason: None,
            like_for_like_coverage: None,
            year_delta: None,
            year_delta_reason: None,
            year_delta_percent: None,
            year_delta_percent_reason: None,
            year_to_date: None,
            year_to_date_reason: None,
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(row).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let (header, cells) = text.split_once('\n').unwrap();
        assert_eq!(format!("{header}\n"), package::header());
        assert_eq!(
            cells,
            "m,kpi,u,agency,,2021-10,,12345678901.25,rolled_up,1.0,78.950,-2,,,not_applicable,,,,,,,,,,,\n"
        );
    }

    #[test]
    fn a_free_text_is_no_formula() {
        assert_eq!(no_formula("=1+1"), "'=1+1");
        assert_eq!(no_formula("count"), "count");
    }
}
