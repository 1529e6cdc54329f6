//! Tables as CSV and as Excel files. Rows are made while they are written, and no text becomes a
//! formula.

use std::io::Write;

use rust_xlsxwriter::{Workbook, XlsxError};
use serde::Serialize;
use serde_json::Value;

use super::sheet_plan::SheetPlan;

/// Maximum number of characters in a cell of an Excel file; longer texts are cut.
pub(super) const MAX_CELL: usize = 32_767;
/// The name of the first sheet of an Excel file with several sheets.
const FIRST_SHEET: &str = "1";
/// Number of digits that a spreadsheet keeps of a number.
pub(super) const MAX_DIGITS: usize = 15;
/// Maximum width of a column, in characters, as measured by the Excel writer.
const WIDEST: usize = 60;

/// A cell of a table.
pub enum ResponseCell {
    /// A number, written as it is.
    Number(String),
    /// A text, which must not become a formula.
    Text(String),
}

/// The rows of a table; they are made while they are written.
type TableRows = Box<dyn Iterator<Item = Vec<ResponseCell>> + Send>;

/// A response as a table: CSV, or an Excel file.
pub struct ResponseTable {
    pub(super) columns: Vec<String>,
    pub(super) rows: TableRows,
    /// Further sheets of an Excel file with their names, which have at most 31 characters.
    pub(super) sheets: Vec<(&'static str, ResponseTable)>,
    /// What an Excel file for people shows of it.
    pub(super) plan: Option<SheetPlan>,
}

impl ResponseTable {
    /// A table with the names of its columns, separated by spaces, and its rows.
    #[must_use]
    pub fn new(
        columns: &str,
        rows: impl Iterator<Item = Vec<ResponseCell>> + Send + 'static,
    ) -> Self {
        let columns = columns.split_whitespace().map(ToOwned::to_owned).collect();
        Self { columns, rows: Box::new(rows), sheets: Vec::new(), plan: None }
    }

    /// Adds a further sheet to an Excel file.
    #[must_use]
    pub fn with_sheet(mut self, name: &'static str, sheet: Self) -> Self {
        self.sheets.push((name, sheet));
        self
    }

    /// Sets what an Excel file for people shows of the table.
    #[must_use]
    pub fn planned(mut self, plan: SheetPlan) -> Self {
        self.plan = Some(plan);
        self
    }
}

/// Writes a table as CSV.
///
/// # Errors
/// Those of the writer.
pub fn csv(table: ResponseTable, out: impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(&table.columns)?;
    for row in table.rows {
        writer.write_record(row.into_iter().map(|cell| match cell {
            ResponseCell::Number(number) => number,
            ResponseCell::Text(text) => escape_formula(text),
        }))?;
    }
    writer.flush()
}

/// An Excel file with all columns: sheets with fixed headers and filters; the address of the next
/// page is below the rows of the first. Texts are written as text cells, so that none is evaluated
/// as a formula. The writer keeps rows in a temporary file, so only one row at a time is in memory.
///
/// # Errors
/// Those of the Excel writer.
pub fn workbook(table: ResponseTable, next: Option<String>) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let first = workbook.add_worksheet_with_constant_memory()?;
    if !table.sheets.is_empty() {
        first.set_name(FIRST_SHEET)?;
    }
    let last = sheet(first, &table.columns, table.rows)?;
    if let Some(next) = next {
        let follows = format!("Còn dữ liệu ở trang sau · More rows follow: {next}");
        first.write_string(last + 1, 0, follows)?;
    }
    for (name, table) in table.sheets {
        let further = workbook.add_worksheet_with_constant_memory()?;
        further.set_name(name)?;
        sheet(further, &table.columns, table.rows)?;
    }
    workbook.save_to_buffer()
}

/// Writes a sheet and returns the number of its last row.
fn sheet(
    sheet: &mut rust_xlsxwriter::Worksheet,
    header: &[String],
    rows: impl Iterator<Item = Vec<ResponseCell>>,
) -> Result<u32, XlsxError> {
    let bold = rust_xlsxwriter::Format::new().set_bold();
    // Room for the filter button beside the name.
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count() + 3).collect();
    for (column, name) in (0..).zip(header) {
        sheet.write_string_with_format(0, column, name, &bold)?;
    }
    let mut last = 0;
    for (line, row) in (1..).zip(rows) {
        for ((column, cell), width) in (0..).zip(&row).zip(&mut widths) {
            write(sheet, line, column, cell)?;
            *width = cell.as_str().chars().count().max(*width);
        }
        last = line;
    }
    sheet.set_freeze_panes(1, 0)?;
    if let Some(columns) =
        u16::try_from(header.len()).ok().and_then(|columns| columns.checked_sub(1))
    {
        sheet.autofilter(0, 0, last, columns)?;
    }
    for (column, width) in (0..).zip(widths) {
        let width = u16::try_from(width.min(WIDEST)).unwrap_or(0);
        sheet.set_column_width(column, f64::from(width) + 1.0)?;
    }
    Ok(last)
}

fn write(
    sheet: &mut rust_xlsxwriter::Worksheet,
    line: u32,
    column: u16,
    cell: &ResponseCell,
) -> Result<(), XlsxError> {
    match cell {
        ResponseCell::Text(text) if text.is_empty() => {}
        ResponseCell::Text(text) => drop(sheet.write_string(
            line,
            column,
            text.chars().take(MAX_CELL).collect::<String>(),
        )?),
        ResponseCell::Number(text) => match text.parse::<f64>() {
            Ok(number) if text.ends_with('0') && text.contains('.') => {
                // A spreadsheet shows the zeros at the end only with a format.
                let decimals = text.split('.').next_back().unwrap_or_default();
                let zeros = "0".repeat(decimals.len());
                let format = rust_xlsxwriter::Format::new().set_num_format(format!("0.{zeros}"));
                sheet.write_number_with_format(line, column, number, &format)?;
            }
            // A spreadsheet keeps 15 digits.
            Ok(number) if text.bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS => {
                sheet.write_number(line, column, number)?;
            }
            Ok(_) | Err(_) => {
                sheet.write_string(line, column, text)?;
            }
        },
    }
    Ok(())
}

impl ResponseCell {
    /// The content of the cell.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
        }
    }

    /// A number; an empty cell for `None`.
    pub fn number(number: Option<impl std::fmt::Display>) -> Self {
        number.map_or_else(|| Self::Text(String::new()), |number| Self::Number(number.to_string()))
    }
}

/// The cell of a value that serializes to a string or boolean; otherwise an empty cell.
#[must_use]
pub fn text(value: &impl Serialize) -> ResponseCell {
    let word = match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(Value::Bool(flag)) => flag.to_string(),
        Ok(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | Err(_) => {
            String::new()
        }
    };
    ResponseCell::Text(word)
}

/// A text that no spreadsheet evaluates as a formula.
fn escape_formula(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// The cell of a JSON value: a number as a number, a list joined by semicolons.
#[must_use]
pub fn cell(value: &Value) -> ResponseCell {
    match value {
        Value::Null => ResponseCell::Text(String::new()),
        Value::Number(number) => ResponseCell::Number(number.to_string()),
        Value::String(text) => ResponseCell::Text(text.clone()),
        Value::Bool(flag) => ResponseCell::Text(flag.to_string()),
        Value::Array(list) => ResponseCell::Text(
            list.iter()
                .map(|entry| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Value::Object(_) => ResponseCell::Text(value.to_string()),
    }
}

/// The cells of a flat record, in the order of its fields.
#[must_use]
pub fn cells(record: &impl Serialize) -> Vec<ResponseCell> {
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields.values().map(cell).collect(),
        _ => Vec::new(),
    }
}
