//! Reading of Excel files (XLSX) as grids. All sizes are limited before and during reading, because
//! the files are not trusted.

mod guard;
mod markup;

use std::collections::BTreeSet;
use std::io::Cursor;

use calamine::{
    DataRef, Dimensions, Reader, SheetType, SheetVisible, Xlsx, XlsxCellReader, XlsxError,
};

use crate::damage::find_damage;
use crate::table::{Grid, GridCell, MAX_COLUMNS, MAX_ROWS, MergedCells, NOT_COMPUTED};
use crate::text::clean;
use kpi::fault::Fault;
use kpi::number::Decimal64;
use kpi::period::Month;
use markup::{SheetMarkup, WorkbookMarkup};

pub use guard::{MAX_DEPTH, MAX_ENTRIES, MAX_PART, MAX_UNPACKED};

/// Most sheets of a file.
pub const MAX_SHEETS: usize = 100;
/// Most cells of a file, including empty ones before the last of each row, and most rows.
pub const MAX_CELLS: usize = 600_000;
/// Most bytes of text in the cells of a file. A shared text counts for each cell.
pub const MAX_TEXT: usize = 32 << 20;
/// Longest text of a cell that is kept, in characters.
const MAX_CELL: usize = 2_000;
/// Most merged ranges of a sheet that are read.
const MAX_MERGES: usize = 10_000;

/// A sheet.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkbookSheet {
    /// Its name.
    pub name: String,
    /// Whether it is hidden.
    pub hidden: bool,
    /// The rows that are not shown.
    pub hidden_rows: BTreeSet<usize>,
    /// The columns that are not shown.
    pub hidden_columns: BTreeSet<usize>,
    /// Its cells.
    pub grid: Grid,
}

/// Why a date or time that does not name a month is not a figure.
const NO_DATE: &str = "the cell has a date or a time, a figure is expected";
/// Why digits after a sign that reverses the direction of writing (U+202E) are not read.
const TURNED: &str = "the text is shown in another direction than it is written";
/// Why a number in thousands or millions is not read.
const SCALED: &str = "the cell shows thousands or millions, its number has more digits";

/// Reads an Excel file.
///
/// # Errors
/// One error: the file is not XLSX, is encrypted or has macros, its text is damaged, or it exceeds
/// a limit.
pub fn open(bytes: &[u8]) -> Result<Vec<WorkbookSheet>, Fault> {
    guard::check(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
    let listed: Vec<(String, bool)> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible != SheetVisible::Visible))
        .collect();
    if listed.len() > MAX_SHEETS {
        return Err(Fault::new(
            "",
            "too_many",
            format!("an Excel file must have at most {MAX_SHEETS} sheets"),
        ));
    }
    let mut markup = WorkbookMarkup::open(bytes)?;
    let mut left = WorkbookBudget { cells: MAX_CELLS, text: MAX_TEXT };
    let mut sheets = Vec::new();
    for (name, hidden) in listed {
        let formats = markup.sheet(&name)?;
        let grid = sheet(&mut book, &name, (&formats, markup.uncomputed), &mut left)?;
        let SheetMarkup { hidden_rows, hidden_columns, .. } = formats;
        sheets.push(WorkbookSheet { name, hidden, hidden_rows, hidden_columns, grid });
    }
    check_text(&sheets)?;
    Ok(sheets)
}

/// Refuses a file with texts that were decoded wrongly and saved again.
fn check_text(sheets: &[WorkbookSheet]) -> Result<(), Fault> {
    let mut text = String::new();
    let cells = sheets.iter().flat_map(|sheet| sheet.grid.rows.iter().flatten());
    for cell in cells.filter(|cell| !cell.text.is_ascii()) {
        text.push_str(&cell.text);
        text.push('\n');
    }
    match find_damage(&text) {
        Some(word) => Err(crate::damaged(&word).to_fault()),
        None => Ok(()),
    }
}

/// The name of a cell: `C7` for row 6 and column 2, both from 0.
#[must_use]
pub fn cell_name(row: usize, column: usize) -> String {
    let (mut letters, mut left) = (String::new(), column + 1);
    while left > 0 {
        let letter = u8::try_from((left - 1) % 26).unwrap_or(0) + b'A';
        letters.insert(0, char::from(letter));
        left = (left - 1) / 26;
    }
    format!("{letters}{}", row + 1)
}

/// The cells and bytes that may still be read.
struct WorkbookBudget {
    cells: usize,
    text: usize,
}

fn unreadable(error: &XlsxError) -> Fault {
    // The library's message may quote long text of the file.
    let detail: String = error.to_string().chars().take(200).collect();
    Fault::new("", "unreadable", format!("the Excel file cannot be read: {detail}"))
}

/// An error of the cell at a row and column (from 0) of the sheet `name`.
pub fn fault_at(
    name: &str,
    row: usize,
    column: usize,
    code: &'static str,
    detail: impl Into<String>,
) -> Fault {
    Fault::new(format!("{name}!{}", cell_name(row, column)), code, detail)
}

fn unreadable_part() -> Fault {
    Fault::new("", "unreadable", "a part of the Excel file cannot be read")
        .with_vi("không đọc được một phần của tệp Excel")
}

fn sheet(
    book: &mut Xlsx<Cursor<&[u8]>>,
    name: &str,
    (formats, uncomputed): (&SheetMarkup, bool),
    left: &mut WorkbookBudget,
) -> Result<Grid, Fault> {
    let mut rows = cells(book, name, (formats, uncomputed), left)?;
    apply_cell_formats(
        book.worksheet_cells_reader(name).map_err(|error| unreadable(&error))?,
        formats,
        &mut rows,
    )?;
    let merges = book.merge_cells_by_sheet_name(name).map_err(|error| unreadable(&error))?;
    Ok(Grid {
        rows,
        merges: merges.iter().take(MAX_MERGES).filter_map(merge).collect(),
        of_sheet: true,
    })
}

/// The cells of a sheet, one by one; the size that the sheet states is not trusted.
fn cells(
    book: &mut Xlsx<Cursor<&[u8]>>,
    name: &str,
    (formats, uncomputed): (&SheetMarkup, bool),
    left: &mut WorkbookBudget,
) -> Result<Vec<Vec<GridCell>>, Fault> {
    let mut rows: Vec<Vec<GridCell>> = Vec::new();
    let mut reader = book.worksheet_cells_reader(name).map_err(|error| unreadable(&error))?;
    while let Some(found) =
        reader.next_cell_with_formula_metadata().map_err(|error| unreadable(&error))?
    {
        let cell = grid_cell(&found.value, (found.formula.is_some(), uncomputed));
        if cell == GridCell::default() {
            continue;
        }
        let (row, column) = place(name, found.pos)?;
        let cell = match formats.texts.get(&(row, column)) {
            Some(text) => GridCell { struck: text.struck, ..text_cell(&text.text) },
            None => cell,
        };
        let cell = GridCell { formula: found.formula.is_some(), ..cell };
        left.text = left.text.checked_sub(cell.text.len()).ok_or_else(|| {
            fault_at(
                name,
                row,
                column,
                "too_large",
                format!("the texts of an Excel file must have at most {MAX_TEXT} bytes"),
            )
        })?;
        place_cell(&mut rows, (row, column), cell, left).ok_or_else(|| {
            fault_at(
                name,
                row,
                column,
                "too_many",
                format!("an Excel file must have at most {MAX_CELLS} cells"),
            )
        })?;
    }
    Ok(rows)
}

/// A cell's row and column, if they are within the limits.
fn place(name: &str, (row, column): (u32, u32)) -> Result<(usize, usize), Fault> {
    let (row, column) =
        (usize::try_from(row).unwrap_or(usize::MAX), usize::try_from(column).unwrap_or(usize::MAX));
    if row >= MAX_ROWS || column >= MAX_COLUMNS {
        return Err(fault_at(
            name,
            row,
            column,
            "too_large",
            format!("a sheet must have at most {MAX_ROWS} rows and {MAX_COLUMNS} columns"),
        ));
    }
    Ok((row, column))
}

/// Puts a cell at its place; `None` when there would be too many cells.
fn place_cell(
    rows: &mut Vec<Vec<GridCell>>,
    (row, column): (usize, usize),
    cell: GridCell,
    left: &mut WorkbookBudget,
) -> Option<()> {
    if rows.len() <= row {
        left.cells = left.cells.checked_sub(row + 1 - rows.len())?;
        rows.resize(row + 1, Vec::new());
    }
    let cells = rows.get_mut(row)?;
    if cells.len() <= column {
        left.cells = left.cells.checked_sub(column + 1 - cells.len())?;
        cells.resize(column + 1, GridCell::default());
    }
    *cells.get_mut(column)? = cell;
    Some(())
}

fn merge(stretch: &Dimensions) -> Option<MergedCells> {
    let of = |number: u32| usize::try_from(number).ok();
    let (first, last) = (stretch.start, stretch.end);
    (first.0 <= last.0 && first.1 <= last.1).then_some(())?;
    Some(MergedCells {
        rows: of(first.0)?..of(last.0)?.checked_add(1)?,
        columns: of(first.1)?..of(last.1)?.checked_add(1)?,
    })
}

/// A cell as the library read it. The value of a formula is its stored result.
fn grid_cell(value: &DataRef<'_>, (formula, uncomputed): (bool, bool)) -> GridCell {
    match value {
        DataRef::Empty if formula => GridCell {
            text: "=".to_owned(),
            fault: Some(NOT_COMPUTED.to_owned()),
            ..GridCell::default()
        },
        // A program that does not compute writes 0 as the result.
        value if formula && uncomputed && is_zero(value) => GridCell {
            text: format!("={}", grid_cell(value, (false, false)).text),
            fault: Some(NOT_COMPUTED.to_owned()),
            ..GridCell::default()
        },
        DataRef::Empty => GridCell::default(),
        DataRef::Int(number) => number_cell(number.to_string()),
        DataRef::Float(number) => number_cell(format_15_digits(*number)),
        DataRef::String(text) => text_cell(text),
        DataRef::SharedString(text) => text_cell(text),
        DataRef::Bool(flag) => GridCell::text(if *flag { "TRUE" } else { "FALSE" }),
        DataRef::DateTime(time) if time.is_datetime() => {
            let (year, month, ..) = time.to_ymd_hms_milli();
            month_cell(Month::new(i32::from(year), u32::from(month)), time.as_f64())
        }
        DataRef::DateTime(time) => no_figure(time.as_f64(), NO_DATE),
        DataRef::DateTimeIso(text) => {
            let month = text.get(..7).and_then(|text| text.parse().ok());
            month.map_or_else(|| text_cell(text), |month: Month| month_cell(Some(month), 0.0))
        }
        DataRef::DurationIso(text) => text_cell(text),
        DataRef::Error(error) => GridCell {
            text: error.to_string(),
            fault: Some(format!("the cell has the error {error}")),
            ..GridCell::default()
        },
    }
}

fn is_zero(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Int(number) => *number == 0,
        DataRef::Float(number) => number.abs() < f64::MIN_POSITIVE,
        DataRef::DateTime(time) => time.as_f64().abs() < f64::MIN_POSITIVE,
        DataRef::String(text) => matches!(text.as_str(), "" | "0"),
        DataRef::Empty
        | DataRef::SharedString(_)
        | DataRef::Bool(_)
        | DataRef::DateTimeIso(_)
        | DataRef::DurationIso(_)
        | DataRef::Error(_) => false,
    }
}

fn text_cell(text: &str) -> GridCell {
    let turned = text.contains('\u{202e}') && text.contains(|c: char| c.is_ascii_digit());
    GridCell {
        fault: turned.then(|| TURNED.to_owned()),
        ..GridCell::text(clean(&text.chars().take(MAX_CELL).collect::<String>()))
    }
}

fn month_cell(month: Option<Month>, number: f64) -> GridCell {
    month.map_or_else(
        || no_figure(number, NO_DATE),
        |month| GridCell { text: month.to_string(), month: Some(month), ..GridCell::default() },
    )
}

/// A cell with a number that is not a figure, because the cell does not show this number.
fn no_figure(number: f64, why: &str) -> GridCell {
    let text = format_15_digits(number);
    GridCell { text, fault: Some(why.to_owned()), ..GridCell::default() }
}

/// A number format without the texts that it shows as they are.
fn without_literals(format: &str) -> String {
    let mut bare = String::new();
    let (mut quoted, mut letters) = (false, format.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '\\' | '_' | '*' => drop(letters.next()),
            _ if !quoted => bare.push(letter),
            _ => {}
        }
    }
    bare
}

/// Whether a number format shows thousands or millions: commas follow its last digit before the
/// point, as in `#,##0,`.
fn is_scaled(bare: &str) -> bool {
    let whole = bare.split('.').next().unwrap_or_default();
    let is_digit = |c: char| matches!(c, '0' | '#' | '?');
    [whole, bare].iter().any(|part| {
        part.rfind(is_digit)
            .is_some_and(|at| part.get(at + 1..).is_some_and(|behind| behind.starts_with(',')))
    })
}

/// A number with 15 significant digits, as spreadsheets keep it.
fn format_15_digits(number: f64) -> String {
    let digits = format!("{number:.14e}");
    digits.parse::<f64>().map_or(digits, |number| number.to_string())
}

fn number_cell(digits: String) -> GridCell {
    match Decimal64::parse(&digits) {
        Ok(written) => {
            GridCell { text: format_number(written), number: Some(written), ..GridCell::default() }
        }
        Err(_too_large) => GridCell {
            text: digits,
            fault: Some("the number is too large".to_owned()),
            ..GridCell::default()
        },
    }
}

/// A number in Vietnamese notation, without thousands separators.
fn format_number(written: Decimal64) -> String {
    written.to_string().replace('.', ",")
}

/// Applies the formats of cells: percentages, decimals, and whether they are struck out.
fn apply_cell_formats(
    mut reader: XlsxCellReader<'_, Cursor<&[u8]>>,
    markup: &SheetMarkup,
    rows: &mut [Vec<GridCell>],
) -> Result<(), Fault> {
    let formats: Vec<Option<String>> = reader
        .styles()
        .iter()
        .map(|style| style.number_format.as_ref().map(|format| format.format_code.clone()))
        .collect();
    let struck: Vec<bool> = reader
        .styles()
        .iter()
        .map(|style| style.font.as_ref().is_some_and(|font| font.strikethrough))
        .collect();
    while let Some((row, column, style)) =
        reader.next_style_id().map_err(|error| unreadable(&error))?
    {
        let (row, column) = (
            usize::try_from(row).unwrap_or(usize::MAX),
            usize::try_from(column).unwrap_or(usize::MAX),
        );
        let Some(cell) = rows.get_mut(row).and_then(|cells| cells.get_mut(column)) else {
            continue;
        };
        if struck.get(style) == Some(&true) && !markup.texts.contains_key(&(row, column)) {
            cell.struck = !cell.is_empty();
        }
        let (Some(code), Some(written)) =
            (formats.get(style).and_then(Option::as_ref), cell.number)
        else {
            continue;
        };
        let shown = code.split(';').next().unwrap_or_default();
        let first = without_literals(shown);
        if is_scaled(&first) {
            let text = std::mem::take(&mut cell.text);
            *cell = GridCell { text, fault: Some(SCALED.to_owned()), ..GridCell::default() };
            continue;
        }
        let decimals = first.split_once('.').map_or(0, |(_, behind)| {
            behind.chars().take_while(|c| matches!(c, '0' | '#' | '?')).count()
        });
        let decimals = u32::try_from(decimals).unwrap_or(0);
        if shown.contains('%') {
            // A quoted sign multiplies nothing.
            let factor = if first.contains('%') { 2 } else { 0 };
            let percent = written.multiplied(factor).map(|number| number.rounded(decimals));
            let Some(percent) = percent else { continue };
            *cell = GridCell {
                text: format!("{}%", format_number(percent)),
                number: Some(percent),
                percent: true,
                decimals: Some(decimals),
                struck: cell.struck,
                ..GridCell::default()
            };
        } else if first.contains('0') {
            cell.decimals = Some(decimals);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn book() -> Vec<u8> {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        let format = |code: &str| rust_xlsxwriter::Format::new().set_num_format(code);
        sheet.write_string(0, 0, "Chỉ tiêu").unwrap();
        sheet.merge_range(1, 0, 2, 1, "Gộp", &rust_xlsxwriter::Format::new()).unwrap();
        sheet.write_number(3, 0, 0.78955).unwrap();
        sheet.write_number_with_format(3, 1, 0.78955, &format("0.00%")).unwrap();
        sheet.write_number_with_format(3, 2, 44_470.0, &format("mm/yyyy")).unwrap();
        sheet.write_number_with_format(3, 3, 0.1 + 0.2, &format("#,##0.0")).unwrap();
        sheet.write_boolean(3, 4, true).unwrap();
        sheet.write_number(3, 5, 1e30).unwrap();
        book.save_to_buffer().unwrap()
    }

    #[test]
    fn digits_that_are_shown_from_right_to_left_are_a_fault() {
        for (text, fault) in [
            ("\u{202e}28", true),
            ("\u{202e}163\u{202c}", true),
            ("khoảng \u{202e}1.234", true),
            ("\u{202a}28\u{202c}", false),
            ("\u{202e}văn bản", false),
        ] {
            assert_eq!(text_cell(text).fault.is_some(), fault, "{text:?}");
        }
    }

    #[test]
    fn a_number_that_the_cell_does_not_show_is_a_fault() {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        let cases = [
            (4_436.0, "#,##0,", true),
            (2_837_653.0, "0.0,,", true),
            (4_436.0, "#,##0,\" nghìn\"", true),
            (9_000_000.0, "dd/mm/yyyy", true),
            (12.0, "[h]:mm", true),
            (4_436.0, "#,##0", false),
            (4_436.0, "#,##0.00", false),
            (4_436.0, "0\", \"", false),
        ];
        for (row, (number, format, _)) in (0..).zip(cases) {
            let format = rust_xlsxwriter::Format::new().set_num_format(format);
            sheet.write_number_with_format(row, 0, number, &format).unwrap();
        }
        let sheets = open(&book.save_to_buffer().unwrap()).unwrap();
        for (cells, (_, format, fault)) in sheets[0].grid.rows.iter().zip(cases) {
            assert_eq!(cells[0].fault.is_some(), fault, "{format}");
            assert_eq!(cells[0].number.is_none(), fault, "{format}");
        }
    }

    #[test]
    fn a_quoted_percent_sign_multiplies_nothing() {
        for (format, number, text) in
            [("0.0\" %\"", 62.5, "62,5%"), ("0.0\\%", 62.5, "62,5%"), ("0.0%", 0.625, "62,5%")]
        {
            let mut book = rust_xlsxwriter::Workbook::new();
            let look = rust_xlsxwriter::Format::new().set_num_format(format);
            book.add_worksheet().write_number_with_format(0, 0, number, &look).unwrap();
            let sheets = open(&book.save_to_buffer().unwrap()).unwrap();
            let cell = &sheets[0].grid.rows[0][0];
            assert_eq!((cell.text.as_str(), cell.percent), (text, true), "{format}");
        }
    }

    #[test]
    fn cells_are_read_as_they_are_shown() {
        let sheets = open(&book()).unwrap();
        let row = &sheets[0].grid.rows[3];
        let texts: Vec<&str> = row.iter().map(|cell| cell.text.as_str()).collect();
        assert_eq!(texts[..5], ["0,78955", "78,96%", "2021-10", "0,3", "TRUE"]);
        assert!(
            row[1].percent
                && row[1].decimals == Some(2)
                && row[1].number == Some(Decimal64 { mantissa: 7896, scale: 2 })
        );
        assert_eq!(row[2].month, Some("2021-10".parse().unwrap()));
        assert!(row[5].fault.is_some() && row[5].number.is_none());
        assert_eq!(sheets[0].grid.merges, [MergedCells { rows: 1..3, columns: 0..2 }]);
    }

    #[test]
    fn cells_have_the_names_that_spreadsheets_give_them() {
        for (row, column, name) in [
            (0, 0, "A1"),
            (6, 2, "C7"),
            (0, 25, "Z1"),
            (0, 26, "AA1"),
            (0, 701, "ZZ1"),
            (0, 702, "AAA1"),
            (1_048_575, 16_383, "XFD1048576"),
        ] {
            assert_eq!(cell_name(row, column), name);
        }
    }

    #[test]
    fn too_many_cells_and_too_much_text_are_refused() {
        let sheet = |rows: &str, strings: &str| {
            let mut zip = zip::ZipArchive::new(Cursor::new(book())).unwrap();
            let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
            for place in 0..zip.len() {
                let mut file = zip.by_index(place).unwrap();
                let (name, mut text) = (file.name().unwrap().into_owned(), String::new());
                file.read_to_string(&mut text).unwrap();
                if name == "xl/worksheets/sheet1.xml" {
                    text = format!(
                        "<worksheet \
                         xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
                         <sheetData>{rows}</sheetData></worksheet>"
                    );
                }
                if name == "xl/sharedStrings.xml" {
                    text = format!(
                        "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
                         <si><t>{strings}</t></si></sst>"
                    );
                }
                out.start_file(
                    name.as_str(),
                    zip::write::SimpleFileOptions::default()
                        .compression_method(zip::CompressionMethod::Stored),
                )
                .unwrap();
                out.write_all(text.as_bytes()).unwrap();
            }
            out.finish().unwrap().into_inner()
        };
        let wide: String = (1..=700)
            .map(|row| format!("<row r=\"{row}\"><c r=\"ALL{row}\"><v>1</v></c></row>"))
            .collect();
        assert_eq!(open(&sheet(&wide, "x")).unwrap_err().code, "too_many");
        let rows: String = (1..=17_000)
            .map(|row| format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"s\"><v>0</v></c></row>"))
            .collect();
        assert_eq!(open(&sheet(&rows, &"x".repeat(30_000))).unwrap_err().code, "too_large");
        assert!(open(&sheet(&rows, "x")).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_with_a_fault(
            place in 0_usize..10_000,
            byte: u8,
            cut in 0_usize..10_000,
        ) {
            let mut bytes = book();
            let length = bytes.len();
            bytes[place % length] = byte;
            drop(open(&bytes));
            drop(open(&bytes[..cut % length]));
        }
    }
}
