//! The rows of the table as CSV. Each thread computes a piece at a time; the rows are written in
//! the order of the pieces, which is that of the table.

use std::io::Write;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::rows::RowText;
use super::{PreparedMeasure, TidyTable, nobody_waits, package};
use crate::app::archive::{BUFFER, write_error};
use crate::app::read::fields::RequestedFields;
use crate::error::Error;
use kpi::unit::{UnitPosition, UnitRange};

/// Points of a piece, unless a measure at one unit has more.
const PIECE_POINTS: usize = 8 << 10;
/// Most threads that compute one table.
const THREADS: usize = 4;
/// Texts of a thread that may wait to be written. A piece rarely has more, so that no thread waits
/// while the piece of another is written.
const TEXTS_AHEAD: usize = 24;
/// Bytes of memory for the rows that wait to be written: of each thread the texts that wait, and
/// one with room to grow; and the text that is being written.
pub(super) const FIGURES_BYTES: usize = (THREADS * (TEXTS_AHEAD + 2) + 1) * BUFFER;

/// Units, and measures at each of them.
#[derive(Clone, Copy)]
pub(super) struct TidyPiece<'a> {
    pub(super) units: UnitRange,
    pub(super) measures: &'a [PreparedMeasure],
}

/// How a table is divided into pieces: several units with all measures, or some measures of one
/// unit.
struct Division {
    units: UnitRange,
    measures: usize,
    units_at_once: usize,
    measures_at_once: usize,
}

impl Division {
    /// A division with this number of series in a piece.
    fn new(units: UnitRange, measures: usize, series: usize) -> Self {
        Self {
            units,
            measures,
            units_at_once: (series / measures.max(1)).max(1),
            measures_at_once: series.clamp(1, measures.max(1)),
        }
    }

    /// The number of pieces with the same units.
    fn of_units(&self) -> usize {
        self.measures.div_ceil(self.measures_at_once)
    }

    /// The number of pieces.
    fn len(&self) -> usize {
        self.units.len().div_ceil(self.units_at_once) * self.of_units()
    }

    /// The units and measures of a piece.
    fn get(&self, number: usize) -> (UnitRange, Range<usize>) {
        let (place, part) = (number / self.of_units().max(1), number % self.of_units().max(1));
        let unit = |place: usize| {
            let position = self.units.start.index() + place * self.units_at_once;
            UnitPosition::new(position.min(self.units.end.index()))
        };
        let measure = |part: usize| self.measures.min(part * self.measures_at_once);
        (UnitRange::new(unit(place), unit(place + 1)), measure(part)..measure(part + 1))
    }
}

/// What a thread passes on.
enum Computed {
    /// The next rows of its piece.
    Text(Vec<u8>),
    /// The number of rows of its piece, of which all were passed on.
    End(u64),
}

/// Writes the table with its header, and returns its number of rows; `progress` receives the number
/// of units done.
///
/// # Errors
/// Those of writing.
pub(super) fn write(
    table: &TidyTable<'_>,
    out: &mut impl Write,
    mut progress: impl FnMut(usize),
) -> Result<u64, Error> {
    out.write_all(package::header().as_bytes()).map_err(write_error)?;
    let series = PIECE_POINTS / table.periods.len().max(1);
    let division = &Division::new(table.units, table.measures.len(), series);
    let piece = |number| {
        let (units, measures) = division.get(number);
        TidyPiece { units, measures: table.measures.get(measures).unwrap_or_default() }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    thread::scope(|scope| {
        let mut computing: Vec<Receiver<Result<Computed, Error>>> = Vec::with_capacity(threads);
        for first in 0..threads.min(division.len()) {
            let (sender, receiver) = sync_channel(TEXTS_AHEAD);
            let mine = (first..division.len()).step_by(threads).map(piece);
            thread::Builder::new()
                .name("export".to_owned())
                .spawn_scoped(scope, move || compute(table, mine, &sender))
                .map_err(Error::environment("no thread for an export can be started"))?;
            computing.push(receiver);
        }
        let mut rows = 0;
        for (number, receiver) in (0..division.len()).zip(computing.iter().cycle()) {
            loop {
                // A thread that has ended has panicked; the end of the scope passes the panic on.
                let Ok(computed) = receiver.recv() else { return Ok(rows) };
                match computed? {
                    Computed::Text(text) => out.write_all(&text).map_err(write_error)?,
                    Computed::End(of_piece) => {
                        rows += of_piece;
                        break;
                    }
                }
            }
            progress(division.get(number).0.end.index());
        }
        Ok(rows)
    })
}

/// Computes pieces one after another, until all are done or nobody receives them any more.
fn compute<'a>(
    table: &TidyTable<'_>,
    pieces: impl Iterator<Item = TidyPiece<'a>>,
    sender: &SyncSender<Result<Computed, Error>>,
) {
    for piece in pieces {
        let computed = compute_piece(table, piece, sender).map(Computed::End);
        let is_last = computed.is_err();
        if sender.send(computed).is_err() || is_last {
            break;
        }
    }
}

fn compute_piece(
    table: &TidyTable<'_>,
    piece: TidyPiece<'_>,
    sender: &SyncSender<Result<Computed, Error>>,
) -> Result<u64, Error> {
    let pass = |text| sender.send(Ok(Computed::Text(text))).map_err(|_gone| nobody_waits());
    let mut text = RowText::default();
    let rows = table.write_rows(piece, RequestedFields::of_point(), |series| {
        let rows = text.add(table.state, series);
        while let Some(full) = text.take_full() {
            pass(full)?;
        }
        Ok(rows)
    })?;
    pass(text.into_bytes())?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_division_has_each_measure_of_each_unit_once_and_in_order() {
        for (first, end, measures, series) in
            [(0, 7, 3, 100), (2, 9, 3, 7), (0, 5, 4, 4), (1, 4, 10, 3), (0, 3, 10, 1), (0, 2, 5, 0)]
        {
            let units = UnitRange::new(UnitPosition::new(first), UnitPosition::new(end));
            let division = Division::new(units, measures, series);
            let found: Vec<(usize, usize)> = (0..division.len())
                .flat_map(|number| {
                    let (units, measures) = division.get(number);
                    assert!(
                        units.len() * measures.len() <= series.max(1),
                        "{units:?} {measures:?}"
                    );
                    units.iter().flat_map(move |unit| {
                        measures.clone().map(move |measure| (unit.index(), measure))
                    })
                })
                .collect();
            let all: Vec<(usize, usize)> =
                (first..end).flat_map(|unit| (0..measures).map(move |one| (unit, one))).collect();
            assert_eq!(found, all, "{series} series at once");
        }
    }

    #[test]
    fn nothing_is_divided_into_no_pieces() {
        assert_eq!(Division::new(UnitRange::of_first(0), 3, 5).len(), 0);
        assert_eq!(Division::new(UnitRange::of_first(3), 0, 5).len(), 0);
    }
}
