//! Tables as Excel files for people: names first, few columns with headings in the language of the
//! reader, numbers as they are written, states in words with a colour, a chart where one belongs,
//! and a layout for print. Hidden columns of codes keep a table that can be sent back readable by
//! the service (`docs/workbooks.md#exported-tables`).

mod chart;
mod style;
mod words;

use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};

use super::sheet_plan::{
    CellKind, ChartKind, ColumnWords, SheetPlan, SheetSubject, column_words, sheet_name,
};
use super::table::{MAX_CELL, MAX_DIGITS, ResponseCell, ResponseTable};
use crate::intake::exported_table::{DATA, EXPORTED, NAME, NEXT, key_of};
use chart::{CellRange, ChartRanges, ChartSeriesRange};
use kpi::period::Period;
use style::{CellStyles, CellTone, number_format};
use words::MeasureLabel;
pub use words::SheetLanguage;

/// The number of the paper size A4 in Excel files.
const A4: u8 = 9;
/// The row of the hidden names of columns.
const NAME_ROW: u32 = 0;
/// The row of the title.
const TITLE_ROW: u32 = 1;
/// The row of the headings.
const HEADING_ROW: u32 = 4;
/// Height of the headings: two lines.
const HEADING_HEIGHT: u16 = 34;
/// The column of the hidden keys of rows.
const KEY_COLUMN: u16 = 0;
/// The first column that is shown.
const FIRST_COLUMN: u16 = 1;
/// Least and greatest width of a column, in characters.
const WIDTHS: (usize, usize) = (9, 44);
/// Rows of a table below which its chart is placed; of a longer one it is beside it.
const MAX_ABOVE_CHART: u32 = 40;

/// An Excel file for people.
///
/// # Errors
/// Those of the Excel writer.
pub fn readable_workbook(
    table: ResponseTable,
    next: Option<&str>,
    language: &mut SheetLanguage,
) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let ResponseTable { columns, rows, sheets, plan } = table;
    let first = ResponseTable { columns, rows, sheets: Vec::new(), plan };
    let others = sheets.into_iter().map(|(_, table)| (table, None));
    for (table, next) in std::iter::once((first, next)).chain(others) {
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        let plan = table.plan.unwrap_or_else(|| SheetPlan::new("", "").with_all_columns());
        let title = sheet_name(plan.sheet).map(|name| language.name(name, ""));
        if let Some(title) = &title {
            sheet.set_name(title)?;
        }
        let writer = SheetWriter::new(sheet, language, &table.columns, &plan);
        writer.write(&title.unwrap_or_default(), table.rows, next)?;
    }
    workbook.save_to_buffer()
}

/// A column of a file.
struct SheetColumn {
    /// Its place in the table; `None` for reasons, which come from several columns.
    place: Option<usize>,
    field: String,
    words: ColumnWords,
    width: usize,
}

/// What a cell shows.
enum ShownCell {
    Nothing,
    Text(String, CellTone),
    Number(f64, String),
}

/// A sheet while it is written, row by row.
struct SheetWriter<'w> {
    sheet: &'w mut Worksheet,
    language: &'w mut SheetLanguage,
    /// The names of the columns of the table.
    names: &'w [String],
    plan: &'w SheetPlan,
    columns: Vec<SheetColumn>,
    /// The columns of the table that are kept hidden, and those of them that are shown.
    kept: Vec<usize>,
    styles: CellStyles,
}

impl<'w> SheetWriter<'w> {
    fn new(
        sheet: &'w mut Worksheet,
        language: &'w mut SheetLanguage,
        names: &'w [String],
        plan: &'w SheetPlan,
    ) -> Self {
        let columns = columns(names, plan, language);
        let kept = plan.kept.split_whitespace();
        let kept = kept.filter_map(|field| names.iter().position(|name| name == field)).collect();
        Self { sheet, language, names, plan, columns, kept, styles: CellStyles::default() }
    }

    fn write(
        mut self,
        title: &str,
        rows: impl Iterator<Item = Vec<ResponseCell>>,
        next: Option<&str>,
    ) -> Result<(), XlsxError> {
        let title = self.head(title)?;
        let mut chart = self.plan.chart.map(ChartRanges::new);
        let mut last = HEADING_ROW;
        for (line, row) in (HEADING_ROW + 1..).zip(rows) {
            let measure = self.measure_of(&row);
            self.row(line, &row, &measure)?;
            if let Some(chart) = &mut chart {
                self.add_to_chart(chart, line, &row, &measure);
            }
            last = line;
        }
        let mut print_to = last;
        if let Some(next) = next {
            let follows = self.language.say("Còn dữ liệu ở trang sau", "More rows follow");
            self.sheet.write_string(last + 1, KEY_COLUMN, NEXT)?;
            self.sheet.write_string(last + 1, FIRST_COLUMN, format!("{follows}: {next}"))?;
            print_to = last + 1;
        }
        if let Some(chart) = chart {
            print_to = self.place_chart(&chart, &title, (last, print_to))?;
        }
        self.layout(last, print_to)
    }

    /// Writes what is above the rows and returns the title.
    fn head(&mut self, title: &str) -> Result<String, XlsxError> {
        if !self.kept.is_empty() {
            self.hidden_names()?;
        }
        let (title, about) = self.titles(title);
        self.sheet.write_string_with_format(
            TITLE_ROW,
            FIRST_COLUMN,
            &title,
            &CellStyles::title(),
        )?;
        self.sheet.write_string_with_format(
            TITLE_ROW + 1,
            FIRST_COLUMN,
            about,
            &CellStyles::subtitle(),
        )?;
        // Rows are written in their order; what comes later for an earlier row would be lost.
        if !self.kept.is_empty() {
            self.sheet.write_string(HEADING_ROW, KEY_COLUMN, DATA)?;
        }
        for (place, column) in (FIRST_COLUMN..).zip(&self.columns) {
            let heading = self.language.say(&column.words.vi, &column.words.en);
            let style = CellStyles::heading();
            self.sheet.write_string_with_format(HEADING_ROW, place, heading, &style)?;
        }
        self.sheet.set_row_height(HEADING_ROW, HEADING_HEIGHT)?;
        Ok(title)
    }

    /// The title, and the line below it.
    fn titles(&mut self, title: &str) -> (String, String) {
        let (mut names, mut about) = (Vec::new(), Vec::new());
        for subject in &self.plan.subjects {
            match subject {
                SheetSubject::Measure(measure) => {
                    let MeasureLabel { name, unit_of_measure } = self.language.measure(measure);
                    names.push(name);
                    let unit = self.language.code("unit_of_measure", &unit_of_measure);
                    let measured = self.language.say("Đơn vị tính", "Unit of measure");
                    about.push(format!("{measured}: {unit}"));
                }
                SheetSubject::Unit(unit) => names.push(self.language.unit(unit)),
                SheetSubject::Period(period) => about.insert(0, self.language.long_period(period)),
            }
        }
        if let Some(words) = self.plan.field.and_then(column_words) {
            about.insert(0, self.language.say(&words.vi, &words.en).to_owned());
        }
        let revision = self.language.say("Số liệu tại lần sửa đổi", "Figures as of revision");
        about.push(format!("{revision} {}", self.language.revision()));
        let title = if names.is_empty() {
            title.to_owned()
        } else {
            format!("{title}: {}", names.join(", "))
        };
        (title, about.join(" · "))
    }

    /// Writes the row with the names of the fields, by which the service reads the table again.
    fn hidden_names(&mut self) -> Result<(), XlsxError> {
        self.sheet.write_string(NAME_ROW, KEY_COLUMN, EXPORTED)?;
        for (place, column) in (FIRST_COLUMN..).zip(&self.columns) {
            let field = column.place.and_then(|place| self.names.get(place));
            let name = match field {
                Some(field) if self.is_name(column) => format!("{NAME}{field}"),
                Some(field) if self.is_kept(column.place) => field.clone(),
                Some(_) | None => continue,
            };
            self.sheet.write_string(NAME_ROW, place, name)?;
        }
        for (place, field) in (self.end()..).zip(self.hidden()) {
            let name = self.names.get(field).cloned().unwrap_or_default();
            self.sheet.write_string(NAME_ROW, place, name)?;
        }
        self.sheet.set_row_hidden(NAME_ROW)?;
        Ok(())
    }

    fn is_kept(&self, place: Option<usize>) -> bool {
        place.is_some_and(|place| self.kept.contains(&place))
    }

    /// Whether a column shows names of codes that are kept.
    fn is_name(&self, column: &SheetColumn) -> bool {
        self.is_kept(column.place) && !column.is_as_written()
    }

    /// The kept columns that are not shown as they are.
    fn hidden(&self) -> Vec<usize> {
        let is_shown = |place: &usize| {
            let mut own = self.columns.iter().filter(|column| column.place == Some(*place));
            own.any(SheetColumn::is_as_written)
        };
        self.kept.iter().copied().filter(|place| !is_shown(place)).collect()
    }

    /// The column behind those that are shown.
    fn end(&self) -> u16 {
        FIRST_COLUMN + u16::try_from(self.columns.len()).unwrap_or(0)
    }

    fn text<'r>(&self, row: &'r [ResponseCell], field: &str) -> &'r str {
        let place = self.names.iter().position(|name| name == field);
        place.and_then(|place| row.get(place)).map_or("", ResponseCell::as_str)
    }

    /// The measure of a row.
    fn measure_of(&mut self, row: &[ResponseCell]) -> MeasureLabel {
        let text = self.measure_text(row);
        if text.is_empty() { MeasureLabel::default() } else { self.language.measure(&text) }
    }

    fn measure_text(&self, row: &[ResponseCell]) -> String {
        let (measure, indicator) = (self.text(row, "measure"), self.text(row, "indicator"));
        if !indicator.is_empty() {
            let members = self.text(row, "dimensions");
            let open = !members.is_empty();
            return if open { format!("{indicator}{{{members}}}") } else { indicator.to_owned() };
        }
        if !measure.is_empty() {
            return measure.to_owned();
        }
        let mut subjects = self.plan.subjects.iter();
        let measure = subjects.find_map(|subject| match subject {
            SheetSubject::Measure(measure) => Some(measure.clone()),
            SheetSubject::Unit(_) | SheetSubject::Period(_) => None,
        });
        measure.unwrap_or_default()
    }

    fn row(
        &mut self,
        line: u32,
        row: &[ResponseCell],
        measure: &MeasureLabel,
    ) -> Result<(), XlsxError> {
        let mut names = Vec::new();
        let columns = std::mem::take(&mut self.columns);
        let mut written = Vec::with_capacity(columns.len());
        for (place, mut column) in (FIRST_COLUMN..).zip(columns) {
            let shown = self.shown(&column, row, measure);
            let style = match &shown {
                ShownCell::Nothing => self.styles.text(CellTone::Plain),
                ShownCell::Text(_, tone) => self.styles.text(*tone),
                ShownCell::Number(_, format) => self.styles.number(format.clone()),
            };
            let length = match &shown {
                ShownCell::Nothing => {
                    self.sheet.write_blank(line, place, style)?;
                    0
                }
                ShownCell::Text(text, _) => {
                    let text: String = text.chars().take(MAX_CELL).collect();
                    self.sheet.write_string_with_format(line, place, &text, style)?;
                    text.chars().count()
                }
                ShownCell::Number(number, format) => {
                    self.sheet.write_number_with_format(line, place, *number, style)?;
                    format!("{number:.0}").len() * 4 / 3 + format.split(';').count()
                }
            };
            column.width = column.width.max(length);
            if self.is_name(&column) {
                names.push(match shown {
                    ShownCell::Text(text, _) => text,
                    ShownCell::Nothing | ShownCell::Number(..) => String::new(),
                });
            }
            written.push(column);
        }
        self.columns = written;
        if self.kept.is_empty() {
            return Ok(());
        }
        for (place, field) in (self.end()..).zip(self.hidden()) {
            let text = row.get(field).map_or("", ResponseCell::as_str);
            if !text.is_empty() {
                let text: String = text.chars().take(MAX_CELL).collect();
                self.sheet.write_string(line, place, text)?;
            }
        }
        self.sheet.write_string(line, KEY_COLUMN, key_of(names.iter().map(String::as_str)))?;
        Ok(())
    }

    fn shown(
        &mut self,
        column: &SheetColumn,
        row: &[ResponseCell],
        measure: &MeasureLabel,
    ) -> ShownCell {
        let plain = |text: String| ShownCell::Text(text, CellTone::Plain);
        let Some(place) = column.place else { return self.reasons(row) };
        let cell = row.get(place).map_or("", ResponseCell::as_str);
        if cell.is_empty() {
            return ShownCell::Nothing;
        }
        let language = &mut *self.language;
        match column.words.kind {
            CellKind::Text => plain(match &column.words.names {
                Some(group) => language.code(group, cell),
                None => cell.to_owned(),
            }),
            CellKind::Unit => plain(language.unit(cell)),
            CellKind::Units => plain(each(cell, |code| language.unit(code))),
            CellKind::Measure => plain(measure.name.clone()),
            CellKind::Measures => plain(each(cell, |text| language.measure(text).name)),
            CellKind::System => plain(language.system(cell)),
            CellKind::Period => plain(language.period(cell)),
            CellKind::Day => plain(language.day(cell)),
            CellKind::Time => plain(language.time(cell)),
            CellKind::Status => self.status(column, cell, row),
            CellKind::Reasons => ShownCell::Nothing,
            kind @ (CellKind::Value
            | CellKind::Figure
            | CellKind::Change
            | CellKind::Percent
            | CellKind::PercentChange
            | CellKind::Share
            | CellKind::Count
            | CellKind::Number) => {
                let digits = cell.bytes().filter(u8::is_ascii_digit).count();
                let number = cell.parse::<f64>().ok().filter(|_| digits <= MAX_DIGITS);
                let vi = language.in_vietnamese();
                number.map_or_else(
                    || plain(cell.to_owned()),
                    |number| {
                        let format = number_format(kind, cell, measure.is_percent(), vi);
                        ShownCell::Number(number, format)
                    },
                )
            }
        }
    }

    /// A state in words, with what may still change it.
    fn status(&self, column: &SheetColumn, code: &str, row: &[ResponseCell]) -> ShownCell {
        let overdue = format!("{code}_overdue");
        let group = column.words.names.as_deref().unwrap_or_default();
        let is_overdue = self.text(row, "overdue") == "true";
        let code = match crate::app::words::find_name(group, &overdue).filter(|_| is_overdue) {
            Some(_) => &overdue,
            None => code,
        };
        let mut word = self.language.code(group, code);
        if self.text(row, "provisional") == "true" {
            let coverage = self.text(row, "coverage").parse::<f64>().unwrap_or_default() * 100.0;
            // A part is never shown as the whole.
            let coverage = if coverage < 100.0 { coverage.min(99.0) } else { coverage };
            let (so_far, units) =
                (self.language.say("tạm", "so far"), self.language.say("đơn vị", "of the units"));
            word += &format!(" ({so_far}, {coverage:.0} % {units})");
        }
        ShownCell::Text(word, CellTone::of_code(code))
    }

    /// Why numbers of a row are missing, in words. A missing value says enough.
    fn reasons(&self, row: &[ResponseCell]) -> ShownCell {
        let mut found: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, cell) in self.names.iter().zip(row) {
            let Some(field) = name.strip_suffix("_reason") else { continue };
            let shown = self.columns_named(field);
            let (Some(words), false) = (shown, cell.as_str().is_empty()) else { continue };
            let of_value = matches!(field, "value" | "previous" | "year_before");
            let group = if of_value { "value_reason" } else { "change_reason" };
            let reason = self.language.code(group, cell.as_str());
            if field == "value" {
                return ShownCell::Text(reason, CellTone::Plain);
            }
            let heading = self.language.say(&words.vi, &words.en);
            match found.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, headings)) => headings.push(heading),
                None => found.push((reason, vec![heading])),
            }
        }
        if found.is_empty() {
            return ShownCell::Nothing;
        }
        let texts = found.iter().map(|(reason, of)| format!("{}: {reason}", of.join(", ")));
        ShownCell::Text(texts.collect::<Vec<_>>().join("; "), CellTone::Plain)
    }

    /// The words of a field that is shown.
    fn columns_named(&self, field: &str) -> Option<&'static ColumnWords> {
        let shown = self.plan.shown.as_ref();
        let is_shown = shown.is_none_or(|shown| {
            shown.split_whitespace().any(|one| one.split(':').next() == Some(field))
        });
        column_words(field).filter(|_| is_shown)
    }

    fn add_to_chart(
        &self,
        chart: &mut ChartRanges,
        line: u32,
        row: &[ResponseCell],
        measure: &MeasureLabel,
    ) {
        let at = |wanted: &dyn Fn(&SheetColumn) -> bool| {
            let place = self.columns.iter().position(wanted)?;
            Some(FIRST_COLUMN + u16::try_from(place).ok()?)
        };
        let cell = |column: u16| -> CellRange { (line, column, line, column) };
        let of_period = |column: &SheetColumn| Period::of_display(&column.field).is_ok();
        let is_value = |column: &SheetColumn| column.words.kind == CellKind::Value;
        let is_bars = self.plan.chart == Some(ChartKind::Bars);
        let category: &dyn Fn(&SheetColumn) -> bool = if is_bars {
            &|column| column.words.kind == CellKind::Unit
        } else {
            &|column| column.field == "period"
        };
        let (categories, values) = match (at(category), at(&is_value), at(&of_period)) {
            // A column for each period
            (_, _, Some(first)) => {
                let last = first + self.count(of_period).saturating_sub(1);
                ((HEADING_ROW, first, HEADING_ROW, last), (line, first, line, last))
            }
            (Some(category), Some(value), None) => (cell(category), cell(value)),
            _ => return,
        };
        let unit = self.language.unit(self.text(row, "unit"));
        let is_of_one_measure =
            self.plan.subjects.iter().any(|subject| matches!(subject, SheetSubject::Measure(_)));
        let name = if is_of_one_measure { unit } else { format!("{unit}: {}", measure.name) };
        let key = format!("{} {}", self.text(row, "unit"), self.measure_text(row));
        let unit_of_measure = measure.unit_of_measure.clone();
        let value = self.text(row, "value").parse().ok();
        let range = ChartSeriesRange { name, unit_of_measure, categories, values };
        chart.add(&key, value, range);
    }

    fn count(&self, is_counted: impl Fn(&SheetColumn) -> bool) -> u16 {
        u16::try_from(self.columns.iter().filter(|column| is_counted(column)).count()).unwrap_or(0)
    }

    /// Places the chart below a short table, otherwise beside it, and returns the last row to
    /// print.
    fn place_chart(
        &mut self,
        chart: &ChartRanges,
        title: &str,
        (last, print_to): (u32, u32),
    ) -> Result<u32, XlsxError> {
        let Some(drawn) = chart.chart(&self.sheet.name(), title) else { return Ok(print_to) };
        if last > HEADING_ROW + MAX_ABOVE_CHART {
            self.sheet.insert_chart(HEADING_ROW, self.end() + 1, &drawn)?;
            return Ok(print_to);
        }
        self.sheet.insert_chart(print_to + 2, FIRST_COLUMN, &drawn)?;
        Ok(print_to + 2 + chart.rows())
    }

    fn layout(self, last: u32, print_to: u32) -> Result<(), XlsxError> {
        let (end, hidden) = (self.end(), self.hidden());
        let sheet = self.sheet;
        sheet.set_column_hidden(KEY_COLUMN)?;
        for (place, column) in (FIRST_COLUMN..).zip(&self.columns) {
            let width = column.width.clamp(WIDTHS.0, WIDTHS.1) + 2;
            sheet.set_column_width(place, f64::from(u16::try_from(width).unwrap_or(0)))?;
        }
        for (place, _) in (end..).zip(&hidden) {
            sheet.set_column_hidden(place)?;
        }
        sheet.set_freeze_panes(HEADING_ROW + 1, FIRST_COLUMN + 1)?;
        let to = end.saturating_sub(1).max(FIRST_COLUMN);
        sheet.autofilter(HEADING_ROW, FIRST_COLUMN, last, to)?;
        sheet.set_paper_size(A4);
        sheet.set_landscape();
        sheet.set_margins(0.4, 0.4, 0.5, 0.6, 0.3, 0.3);
        sheet.set_print_fit_to_pages(1, 0);
        sheet.set_repeat_rows(HEADING_ROW, HEADING_ROW)?;
        sheet.set_print_area(TITLE_ROW, FIRST_COLUMN, print_to, to)?;
        let page = self.language.say("Trang", "Page");
        sheet.set_footer(format!("&C{page} &P/&N"));
        Ok(())
    }
}

impl SheetColumn {
    /// Whether its cells can be read as they are shown.
    fn is_as_written(&self) -> bool {
        let is_text = self.words.kind == CellKind::Text && self.words.names.is_none();
        is_text || self.words.kind == CellKind::Figure
    }
}

/// The codes of a list, each by its name.
fn each(list: &str, name: impl FnMut(&str) -> String) -> String {
    list.split("; ").map(name).collect::<Vec<_>>().join("; ")
}

/// The columns of a sheet.
fn columns(names: &[String], plan: &SheetPlan, language: &SheetLanguage) -> Vec<SheetColumn> {
    let suffix = language.say("_vi", "_en");
    let place = |field: &str| names.iter().position(|name| name == field);
    let shown: Vec<(Option<usize>, String)> = match &plan.shown {
        Some(shown) => shown
            .split_whitespace()
            .map(|one| {
                let (field, words) = one.split_once(':').unwrap_or((one, one));
                (place(&format!("{field}{suffix}")).or_else(|| place(field)), words.to_owned())
            })
            .filter(|(place, words)| place.is_some() || words == "reasons")
            .collect(),
        None => all_columns(names),
    };
    let column = |(place, field): (Option<usize>, String)| {
        let words = column_words(&field).cloned();
        let words = words.unwrap_or_else(|| of_period(&field, plan.field, language));
        // Room for the filter button below the heading, which may take two lines.
        let heading = language.say(&words.vi, &words.en).chars().count();
        SheetColumn { place, width: heading / 2 + 4, field, words }
    };
    shown.into_iter().map(column).collect()
}

/// All columns of a table, the reasons as one at the end.
fn all_columns(names: &[String]) -> Vec<(Option<usize>, String)> {
    let is_own = |name: &str| !name.ends_with("_reason") && name != "provisional";
    let own = names.iter().enumerate().filter(|(_, name)| is_own(name));
    let mut found: Vec<_> = own.map(|(place, name)| (Some(place), name.clone())).collect();
    if names.iter().any(|name| name.ends_with("_reason")) {
        found.push((None, "reasons".to_owned()));
    }
    found
}

/// The words of a column that has a period as its name, or another name without words.
fn of_period(name: &str, field: Option<&str>, language: &SheetLanguage) -> ColumnWords {
    let heading = language.period(name);
    let of_field = field.and_then(column_words).map_or(CellKind::Value, |words| words.kind);
    let kind = if Period::of_display(name).is_ok() { of_field } else { CellKind::Text };
    ColumnWords { vi: heading.clone(), en: heading, kind, names: None }
}
