//! Where the parts of a form are in a sheet, and whether its head agrees with the hidden codes.
//! Columns and rows may have been inserted, so they are found by what is shown.

use super::form::{COMPUTED, HEADER_ROW, MARK};
use super::form_words::form_words;
use documents::workbook::{WorkbookSheet, cell_name, fault_at};
use extract::table::{UnitMatch, UnitNames};
use kpi::fault::{Fault, quoted};
use kpi::period::Month;
use kpi::unit::{UnitForest, UnitPosition};
use kpi::vietnamese::folding::{Spelling, label_words, unaccented};
use kpi::vietnamese::months::{MonthMention, extract_months};
use kpi::word_file::WordList;

/// Rows and columns in which the mark of a form is searched.
const MARK_WITHIN: (usize, usize) = (20, 30);
/// Rows below the month in which the headings are searched.
const HEADINGS_WITHIN: usize = 20;

/// A heading of the form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FormHeading {
    Numbers,
    Labels,
    Measured,
    Previous,
    Input,
    Notes,
    Checks,
}

/// Where the parts of a form are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FormLayout {
    /// The hidden column of codes.
    pub(super) codes: usize,
    /// The row of the mark, which has the title too.
    pub(super) title_row: usize,
    /// The rows of the codes of unit and month.
    pub(super) head: (usize, usize),
    pub(super) header_row: usize,
    /// The column of row numbers.
    pub(super) numbers: Option<usize>,
    pub(super) labels: Option<usize>,
    /// The column of units of measure.
    pub(super) measured: Option<usize>,
    pub(super) input: usize,
    pub(super) notes: Option<usize>,
    /// The column that the form itself fills in.
    checks: Option<usize>,
    /// The other columns of the form, which are not read.
    pub(super) asides: Vec<usize>,
}

fn text(sheet: &WorkbookSheet, row: usize, column: usize) -> &str {
    let cell = sheet.grid.rows.get(row).and_then(|cells| cells.get(column));
    cell.filter(|cell| !cell.struck).map_or("", |cell| cell.text.trim())
}

/// The cell with the mark of a form.
pub(super) fn find_mark(sheet: &WorkbookSheet) -> Option<(usize, usize)> {
    sheet.grid.rows.iter().take(MARK_WITHIN.0).enumerate().find_map(|(row, cells)| {
        let column =
            cells.iter().take(MARK_WITHIN.1).position(|cell| cell.text.trim().starts_with(MARK))?;
        Some((row, column))
    })
}

fn heading(text: &str) -> Option<FormHeading> {
    let folded = unaccented(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let words = &form_words().heading;
    let begins = |heads: &WordList| heads.iter().any(|head| folded.starts_with(head));
    match () {
        () if words.numbers.contains(&folded) => Some(FormHeading::Numbers),
        () if words.labels.contains(&folded) => Some(FormHeading::Labels),
        () if words.units_of_measure.contains(&folded) => Some(FormHeading::Measured),
        () if words.notes.contains(&folded) => Some(FormHeading::Notes),
        () if words.checks.contains(&folded) => Some(FormHeading::Checks),
        () if begins(&words.previous) => Some(FormHeading::Previous),
        () if begins(&words.input) => Some(FormHeading::Input),
        () => None,
    }
}

/// Whether a label, in parentheses or at its end, says that its figure is that of another time, a
/// plan or a comparison.
pub(super) fn names_another_time(label: &str, month: Month) -> bool {
    label.split(['(', ')', ',', '-', '–', ':']).any(|part| names_another(part.trim(), month))
        || names_another(label, month)
}

/// Whether a text names another month than this one, or a period that is no month ("Quý I",
/// "9 tháng đầu năm"), or another year. Words such as "tháng này" name none.
fn names_another(text: &str, month: Month) -> bool {
    extract_months(text).when.iter().any(|mention| match mention {
        MonthMention::Month(named) => *named != month,
        MonthMention::OfYear(number) => *number != month.month(),
        MonthMention::Year(year) => *year != month.year(),
        MonthMention::Other(_) => true,
        MonthMention::Relative(months) => *months != 0,
    })
}

impl FormLayout {
    /// Finds the parts of a form.
    ///
    /// # Errors
    /// The headings are missing, or a column is there twice.
    pub(super) fn find(
        sheet: &WorkbookSheet,
        (mark_row, codes): (usize, usize),
    ) -> Result<Self, Fault> {
        let mut coded = (mark_row + 1..sheet.grid.rows.len())
            .filter(|row| !text(sheet, *row, codes).is_empty());
        let unit_row = coded.next().unwrap_or(mark_row + 1);
        let month_row = coded.next().unwrap_or(unit_row + 1);
        let headings = |row: usize| -> Vec<(FormHeading, usize)> {
            let cells = sheet.grid.rows.get(row).map_or(0, Vec::len);
            (0..cells)
                .filter(|column| *column != codes)
                .filter_map(|column| Some((heading(text(sheet, row, column))?, column)))
                .collect()
        };
        let header_row = (month_row + 1..month_row + 1 + HEADINGS_WITHIN)
            .find(|row| headings(*row).len() >= 2)
            .ok_or_else(|| {
                fault_at(
                    &sheet.name,
                    HEADER_ROW,
                    codes,
                    "missing_heading",
                    "the row with the headings \"Chỉ tiêu\" and \"Tháng này\" is missing; \
                     download the form again",
                )
                .with_vi("thiếu dòng tiêu đề có “Chỉ tiêu” và “Tháng này”; hãy tải lại biểu")
            })?;
        let found = headings(header_row);
        let columns = |wanted: FormHeading| {
            found.iter().filter(move |(heading, _)| *heading == wanted).map(|(_, column)| *column)
        };
        let one = |wanted: FormHeading, name: &str| {
            let all: Vec<usize> = columns(wanted).collect();
            match all.as_slice() {
                [] => Ok(None),
                [one] => Ok(Some(*one)),
                [first, second, ..] => Err(fault_at(
                    &sheet.name,
                    header_row,
                    *second,
                    "repeated_heading",
                    format!(
                        "the heading \"{name}\" is also in {}; which column is meant is not \
                         certain",
                        cell_name(header_row, *first)
                    ),
                )
                .with_vi(format!(
                    "tiêu đề “{name}” cũng có ở ô {}; không rõ cột nào là đúng",
                    cell_name(header_row, *first)
                ))),
            }
        };
        let labels = one(FormHeading::Labels, "Chỉ tiêu")?;
        let notes = one(FormHeading::Notes, "Ghi chú")?;
        let input = one(FormHeading::Input, "Tháng này")?.ok_or_else(|| {
            let month = text(sheet, month_row, codes);
            let cells = sheet.grid.rows.get(header_row).map_or(0, Vec::len);
            let shown: Vec<String> = (0..cells)
                .filter(|column| *column != codes)
                .map(|column| text(sheet, header_row, column))
                .filter(|shown| !shown.is_empty())
                .map(quoted)
                .collect();
            let shown = shown.join(", ");
            fault_at(
                &sheet.name,
                header_row,
                codes,
                "missing_heading",
                format!(
                    "the form is for {month} by its hidden code, but no column has the heading \
                     \"Tháng này\", only {shown}; download the form again"
                ),
            )
            .with_vi(format!(
                "theo mã ẩn, biểu này dành cho {month}, nhưng không có cột nào mang tiêu đề “Tháng \
                 này”, chỉ có {shown}; hãy tải lại biểu"
            ))
        })?;
        let asides = [
            FormHeading::Numbers,
            FormHeading::Measured,
            FormHeading::Previous,
            FormHeading::Checks,
        ];
        let asides = asides.into_iter().flat_map(columns).collect();
        let (checks, numbers, measured) = (
            columns(FormHeading::Checks).next(),
            columns(FormHeading::Numbers).next(),
            columns(FormHeading::Measured).next(),
        );
        let head = (unit_row, month_row);
        let title_row = mark_row;
        Ok(Self {
            codes,
            title_row,
            head,
            header_row,
            numbers,
            labels,
            measured,
            input,
            notes,
            checks,
            asides,
        })
    }

    /// Whether a cell is computed by the form, so that it is not read.
    pub(super) fn is_computed(&self, sheet: &WorkbookSheet, row: usize, column: usize) -> bool {
        row > self.header_row && (Some(column) == self.checks || self.is_computed_row(sheet, row))
    }

    /// Whether a row is computed by the form.
    pub(super) fn is_computed_row(&self, sheet: &WorkbookSheet, row: usize) -> bool {
        text(sheet, row, self.codes).starts_with(COMPUTED)
    }

    /// The contradictions between the head that is shown and the hidden codes.
    pub(super) fn contradictions(
        &self,
        sheet: &WorkbookSheet,
        (unit, month): (UnitPosition, Month),
        (units, places): (&UnitForest, &UnitNames<'_>),
    ) -> Vec<Fault> {
        let shown = |row: usize| {
            let cells = sheet.grid.rows.get(row).map_or(0, Vec::len);
            (0..cells)
                .filter(|column| *column != self.codes)
                .find(|column| !text(sheet, row, *column).is_empty())
        };
        let mut found = Vec::new();
        let mut of_month = |row: usize, column: usize| {
            let said = text(sheet, row, column);
            if names_another(said, month) {
                found.push(
                    fault_at(
                        &sheet.name,
                        row,
                        column,
                        "contradicts_code",
                        format!(
                            "the form is for {month} by its hidden code, but it says {}; \
                         download the form of the month that you report",
                            quoted(said)
                        ),
                    )
                    .with_vi(format!(
                        "theo mã ẩn, biểu này dành cho {month}, nhưng trên biểu ghi \
                     {}; hãy tải biểu của đúng tháng báo cáo",
                        quoted(said)
                    )),
                );
            }
        };
        for row in [self.title_row, self.head.1] {
            if let Some(column) = shown(row) {
                of_month(row, column);
            }
        }
        of_month(self.header_row, self.input);
        for (row, column) in
            [(self.title_row, shown(self.title_row)), (self.header_row, Some(self.input))]
        {
            let Some(column) = column else { continue };
            let said = text(sheet, row, column);
            if let Some(word) = multiple(said) {
                found.push(another_size(sheet, (row, column), said, word));
            }
        }
        for row in [self.title_row, self.head.0] {
            let Some(column) = shown(row) else { continue };
            let said = text(sheet, row, column);
            let is_other = if row == self.title_row {
                title_names_another_unit(said, unit, month, (units, places))
            } else {
                names_another_unit(said, unit, month, (units, places))
            };
            if is_other {
                let name = units.get(unit).map_or("", |unit| unit.document.shown());
                found.push(
                    fault_at(
                        &sheet.name,
                        row,
                        column,
                        "contradicts_code",
                        format!(
                            "the form is for {name} ({}) by its hidden code, but it says {}; \
                             download the form of the unit that reports",
                            units.code(unit),
                            quoted(said)
                        ),
                    )
                    .with_vi(format!(
                        "theo mã ẩn, biểu này dành cho {name} ({}), nhưng trên biểu ghi {}; hãy \
                         tải biểu của đúng đơn vị báo cáo",
                        units.code(unit),
                        quoted(said)
                    )),
                );
            }
        }
        found
    }
}

/// Whether the title of a form names another unit than the form's or those above it.
fn title_names_another_unit(
    said: &str,
    unit: UnitPosition,
    month: Month,
    (units, places): (&UnitForest, &UnitNames<'_>),
) -> bool {
    let own =
        |named: &UnitPosition| *named == unit || units.ancestors(unit).any(|above| above == *named);
    places.find_units_in(said, Some(month), None).iter().any(|found| match found {
        UnitMatch::One(named) => !own(named),
        UnitMatch::Several(named) => !named.iter().any(own),
        UnitMatch::Unknown => true,
    })
}

/// The word by which a text says that figures are in thousands or more.
pub(super) fn multiple(text: &str) -> Option<&'static str> {
    let folded = unaccented(text);
    let mut words = folded.split(|letter: char| !letter.is_alphanumeric());
    words.find_map(|word| form_words().multiples.iter().find(|known| *known == word))
}

/// The error for a text of a form by which figures are in another size.
pub(super) fn another_size(
    sheet: &WorkbookSheet,
    (row, column): (usize, usize),
    said: &str,
    word: &str,
) -> Fault {
    let shown = quoted(said);
    fault_at(
        &sheet.name,
        row,
        column,
        "contradicts_code",
        format!("it says {shown} ({word}), but a form has figures as they are, not in thousands"),
    )
    .with_vi(format!("ô ghi {shown}; biểu nhận số đầy đủ, không tính theo nghìn, triệu hay tỷ"))
}

/// Whether the head of a form names another unit than the form's.
fn names_another_unit(
    said: &str,
    unit: UnitPosition,
    month: Month,
    (units, places): (&UnitForest, &UnitNames<'_>),
) -> bool {
    let said = match said.split_once(':') {
        Some((lead, name)) if unaccented(lead).starts_with("don vi") => name.trim(),
        Some(_) | None => said,
    };
    let coded = said.strip_suffix(')').and_then(|said| said.rsplit_once('('));
    let code = coded.and_then(|(_, code)| units.position(code.trim()));
    if code.is_some_and(|code| code != unit) {
        return true;
    }
    let name = coded.filter(|_| code.is_some()).map_or(said, |(name, _)| name).trim();
    let words = |text: &str| label_words(text, Spelling::of(text)).join(" ");
    let own = units.get(unit).is_some_and(|unit| {
        let names = &unit.document.name;
        [unit.document.shown(), &names.vi, &names.en].iter().any(|own| words(own) == words(name))
    });
    if name.is_empty() || own {
        return false;
    }
    match places.resolve(name, Some(month), None) {
        UnitMatch::One(named) => named != unit,
        UnitMatch::Several(named) => !named.contains(&unit),
        UnitMatch::Unknown => true,
    }
}
