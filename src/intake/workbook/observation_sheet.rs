//! An Excel file with the columns of observations, such as the one that `GET /observations`
//! returns.

use super::reading::{SheetFigure, WorkbookReading};
use crate::intake::csv::{CsvRows, RowOutcome};
use crate::intake::sheet_csv::{first_sheet, header, is_of_observations};
use documents::workbook::cell_name;
use kpi::catalogue::Catalogue;
use kpi::fault::Fault;
use kpi::observation::{ObservationIndex, ObservationParser};

/// The name of the sheet in the places of figures: a table has one.
const SHEET: &str = "1";

/// Reads the figures of an Excel file with the columns of observations in its first row; `None` for
/// any other file.
#[must_use]
pub fn read(
    bytes: &[u8],
    catalogue: &Catalogue,
    mut parser: ObservationParser<'_>,
) -> Option<Result<WorkbookReading, Vec<Fault>>> {
    let sheet = first_sheet(bytes).ok()?;
    let names = header(&sheet.csv);
    if !is_of_observations(&names) {
        return None;
    }
    let value = names.iter().position(|name| name == "value").unwrap_or(0);
    let value = sheet.column(value);
    let mut faults = sheet.faults;
    let mut rows = match CsvRows::open(sheet.csv.as_slice(), catalogue) {
        Ok(rows) => rows,
        Err(found) => {
            faults.extend(found);
            return Some(Err(faults));
        }
    };
    let mut lines = Vec::new();
    loop {
        match rows.next(ObservationIndex::new(lines.len()), &mut parser) {
            RowOutcome::Taken => lines.push(rows.line()),
            RowOutcome::Silent => {}
            RowOutcome::End => break,
        }
    }
    let submission = match parser.finish() {
        Ok(submission) if faults.is_empty() => submission,
        Ok(_) => return Some(Err(faults)),
        Err(found) => {
            // Where every row has an error, the missing figures are not another one.
            let known = faults.is_empty();
            faults.extend(found.into_iter().filter(|fault| known || fault.code != "empty"));
            return Some(Err(faults));
        }
    };
    let figures = submission.figures.iter().zip(lines).filter_map(|(figure, line)| {
        let measure = submission.measure(figure.measure)?.measure.clone();
        Some(SheetFigure {
            label: measure.to_string(),
            measure,
            unit: figure.unit,
            month: figure.month,
            written: figure.written,
            printed: figure.written.map_or_else(|| "null".to_owned(), |value| value.to_string()),
            approximate: false,
            sheet: SHEET.to_owned(),
            cell: cell_name(usize::try_from(line.saturating_sub(1)).unwrap_or(0), value),
            confidence: 1.0,
        })
    });
    Some(Ok(WorkbookReading { figures: figures.collect(), ..WorkbookReading::default() }))
}
