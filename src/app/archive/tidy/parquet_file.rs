//! The table as Parquet (`docs/archive.md#parquet`): the columns of the CSV, with numbers as
//! doubles, months as the date of their first day, and everything else as text.

use std::io::{self, Write};
use std::sync::Arc;

use chrono::{Datelike, NaiveDate};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use super::package::{CellType, columns};
use super::rows::{PointCells, cells};
use super::{TidySeries, TidyTable};
use crate::app::archive::write_error;
use crate::app::read::fields::RequestedFields;
use crate::app::state::State;
use crate::error::Error;
use kpi::number::{Decimal64, Rounded};

/// Rows that are written together, in a row group.
const GROUP_ROWS: usize = 32 << 10;
/// Bytes of memory for a row group: its cells and their encoding.
pub const GROUP_BYTES: usize = 40 << 20;
/// The days from 1 January of the year 1, which chrono counts as day 1, to 1 January 1970.
const EPOCH: i32 = 719_163;

/// Writes the table, and returns its number of rows.
///
/// # Errors
/// Those of writing.
pub(super) fn write(table: &TidyTable<'_>, out: &mut (impl Write + Send)) -> Result<u64, Error> {
    let revision = KeyValue::new("revision".to_owned(), table.state.revision.to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(vec![revision]))
        .build();
    let mut file =
        SerializedFileWriter::new(out, schema()?, Arc::new(properties)).map_err(failed)?;
    let mut group = RowGroup::new();
    let rows = table.write_rows(table.whole(), RequestedFields::of_point(), |series| {
        let rows = group.add(table.state, series);
        if group.rows >= GROUP_ROWS {
            group.write(&mut file).map_err(failed)?;
        }
        Ok(rows)
    })?;
    group.write(&mut file).map_err(failed)?;
    file.close().map_err(failed)?;
    Ok(rows)
}

fn failed(error: ParquetError) -> Error {
    write_error(io::Error::other(error))
}

/// The columns of the table.
fn schema() -> Result<TypePtr, Error> {
    let field = |(name, kind, required): (&str, CellType, bool)| {
        let (physical, logical) = match kind {
            CellType::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            CellType::Number => (PhysicalType::DOUBLE, None),
            CellType::Month => (PhysicalType::INT32, Some(LogicalType::Date)),
        };
        let repetition = if required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        Type::primitive_type_builder(name, physical)
            .with_logical_type(logical)
            .with_repetition(repetition)
            .build()
            .map(Arc::new)
    };
    let fields = columns().map(field).collect::<Result<_, _>>().map_err(failed)?;
    Type::group_type_builder("figures").with_fields(fields).build().map(Arc::new).map_err(failed)
}

/// The cells of a column that are not written yet.
enum ColumnCells {
    Texts(Vec<ByteArray>),
    Numbers(Vec<f64>),
    Days(Vec<i32>),
}

/// A column of a row group.
struct GroupColumn {
    cells: ColumnCells,
    /// For each row, whether it has a cell: 1 or 0. `None` where each row must have one.
    present: Option<Vec<i16>>,
}

impl GroupColumn {
    fn new((_, kind, required): (&str, CellType, bool)) -> Self {
        let cells = match kind {
            CellType::Text => ColumnCells::Texts(Vec::with_capacity(GROUP_ROWS)),
            CellType::Number => ColumnCells::Numbers(Vec::with_capacity(GROUP_ROWS)),
            CellType::Month => ColumnCells::Days(Vec::with_capacity(GROUP_ROWS)),
        };
        Self { cells, present: (!required).then(|| Vec::with_capacity(GROUP_ROWS)) }
    }

    fn note(&mut self, is_present: bool) {
        if let Some(present) = &mut self.present {
            present.push(i16::from(is_present));
        }
    }

    fn text(&mut self, text: Option<ByteArray>) {
        self.note(text.is_some());
        if let ColumnCells::Texts(texts) = &mut self.cells {
            texts.extend(text);
        }
    }

    fn number(&mut self, number: Option<f64>) {
        self.note(number.is_some());
        if let ColumnCells::Numbers(numbers) = &mut self.cells {
            numbers.extend(number);
        }
    }

    fn day(&mut self, day: NaiveDate) {
        self.note(true);
        if let ColumnCells::Days(days) = &mut self.cells {
            days.push(day.num_days_from_ce() - EPOCH);
        }
    }

    /// Writes the cells and removes them.
    fn write(&mut self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = self.present.as_deref();
        match &mut self.cells {
            ColumnCells::Texts(texts) => {
                writer.typed::<ByteArrayType>().write_batch(texts, present, None)?;
                texts.clear();
            }
            ColumnCells::Numbers(numbers) => {
                writer.typed::<DoubleType>().write_batch(numbers, present, None)?;
                numbers.clear();
            }
            ColumnCells::Days(days) => {
                writer.typed::<Int32Type>().write_batch(days, present, None)?;
                days.clear();
            }
        }
        if let Some(present) = &mut self.present {
            present.clear();
        }
        writer.close()
    }
}

/// The rows that are not written yet, by column.
struct RowGroup {
    columns: Vec<GroupColumn>,
    rows: usize,
    /// The place of the next cell from a point.
    next: usize,
}

impl RowGroup {
    fn new() -> Self {
        Self { columns: columns().map(GroupColumn::new).collect(), rows: 0, next: 0 }
    }

    /// Adds the rows of a series, and returns their number.
    fn add(&mut self, state: &State, of: &TidySeries<'_>) -> u64 {
        let document = state.units.get(of.unit).map(|unit| &unit.document);
        let text = |text: &str| ByteArray::from(text.as_bytes().to_vec());
        let before = [
            Some(text(&of.series.measure)),
            Some(of.measure.kind.name().into()),
            Some(text(&of.series.unit)),
            Some(document.map(|document| document.kind).unwrap_or_default().name().into()),
            document.and_then(|document| document.parent.as_deref()).map(text),
        ];
        let unit_of_measure = text(&of.measure.unit_of_measure);
        let mut rows = 0;
        for point in of.points() {
            self.next = 0;
            for cell in &before {
                self.cell(|column| column.text(cell.clone()));
            }
            self.cell(|column| column.day(point.period.first().first_day()));
            self.cell(|column| column.text(Some(unit_of_measure.clone())));
            cells(point, self);
            self.rows += 1;
            rows += 1;
        }
        rows
    }

    /// Adds the next cell of a row.
    fn cell(&mut self, add: impl FnOnce(&mut GroupColumn)) {
        if let Some(column) = self.columns.get_mut(self.next) {
            add(column);
        }
        self.next += 1;
    }

    /// Writes the rows as a group and removes them.
    fn write<W: Write + Send>(
        &mut self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        for column in &mut self.columns {
            if let Some(writer) = group.next_column()? {
                column.write(writer)?;
            }
        }
        self.rows = 0;
        group.close().map(drop)
    }
}

impl PointCells for RowGroup {
    fn number(&mut self, number: Option<Rounded>) {
        self.cell(|column| column.number(number.map(Rounded::get)));
    }

    fn share(&mut self, share: Option<f64>) {
        self.cell(|column| column.number(share));
    }

    fn stated(&mut self, stated: Option<Decimal64>) {
        self.cell(|column| column.number(stated.map(Decimal64::to_f64)));
    }

    fn word(&mut self, word: Option<&'static str>) {
        self.cell(|column| column.text(word.map(ByteArray::from)));
    }
}
