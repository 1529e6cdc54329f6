//! What an Excel file for people shows of a table, and the words for it
//! (`catalogue/words/columns.toml`).

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use kpi::unit::LocalizedName;
use kpi::word_file;

static BOOK: LazyLock<SheetWords> =
    LazyLock::new(|| word_file::read(include_str!("../../catalogue/words/columns.toml")));

/// The words of sheets and columns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SheetWords {
    sheets: HashMap<String, LocalizedName>,
    columns: HashMap<String, ColumnWords>,
}

/// The words of a column.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnWords {
    pub(super) vi: String,
    pub(super) en: String,
    #[serde(default)]
    pub(super) kind: CellKind,
    /// The group of `names.toml` that names the codes of the column.
    pub(super) names: Option<String>,
}

/// How the cells of a column are shown.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, Default)]
#[serde(rename_all = "snake_case")]
pub(super) enum CellKind {
    /// A text, or a code with a name.
    #[default]
    Text,
    /// The code of a unit, as its name.
    Unit,
    /// The codes of units.
    Units,
    /// A measure, as its name.
    Measure,
    /// Measures.
    Measures,
    /// The code of a system, as its name.
    System,
    /// A period.
    Period,
    /// A day.
    Day,
    /// A time.
    Time,
    /// A value of the measure of the row.
    Value,
    /// A figure of the measure of the row with all its digits.
    Figure,
    /// A change of such a value.
    Change,
    /// A number in percent.
    Percent,
    /// A change in percent.
    PercentChange,
    /// A share, 0 to 1.
    Share,
    /// A whole number.
    Count,
    /// Any other number.
    Number,
    /// A word with a colour.
    Status,
    /// Why numbers of the row are missing.
    Reasons,
}

/// The words of the column for a field.
pub(super) fn column_words(field: &str) -> Option<&'static ColumnWords> {
    BOOK.columns.get(field)
}

/// The name of a sheet.
pub(super) fn sheet_name(key: &str) -> Option<&'static LocalizedName> {
    BOOK.sheets.get(key)
}

/// The chart beside a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChartKind {
    /// A line for each series over the periods.
    Lines,
    /// A bar for each row.
    Bars,
}

/// What all rows of a table are about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SheetSubject {
    /// A measure.
    Measure(String),
    /// A unit.
    Unit(String),
    /// A period.
    Period(String),
}

/// What an Excel file for people shows of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SheetPlan {
    /// The key of the sheet's name in `columns.toml`.
    pub(super) sheet: &'static str,
    /// The columns that are shown, in order; `None` for all.
    pub(super) shown: Option<String>,
    /// The columns that are kept hidden, so that the table can be sent back.
    pub(super) kept: &'static str,
    pub(super) subjects: Vec<SheetSubject>,
    pub(super) chart: Option<ChartKind>,
    /// The field that columns named by periods have, if it is not the value.
    pub(super) field: Option<&'static str>,
}

impl SheetPlan {
    /// A sheet with these columns, separated by spaces. `status:report_status` is the column
    /// `status` with the words of `report_status`; of `note_vi` and `note_en`, `note` is the one in
    /// the language of the file.
    #[must_use]
    pub fn new(sheet: &'static str, shown: &str) -> Self {
        let shown = Some(shown.to_owned());
        Self { sheet, shown, kept: "", subjects: Vec::new(), chart: None, field: None }
    }

    /// The same with all columns of the table.
    #[must_use]
    pub fn with_all_columns(self) -> Self {
        Self { shown: None, ..self }
    }

    /// The same with hidden columns, by which the file can be sent back.
    #[must_use]
    pub fn keeping(self, kept: &'static str) -> Self {
        Self { kept, ..self }
    }

    /// The same with another field than the value in columns named by periods.
    #[must_use]
    pub fn of_field(self, field: &'static str) -> Self {
        Self { field: Some(field).filter(|field| *field != "value"), ..self }
    }

    /// The same about something.
    #[must_use]
    pub fn about(mut self, subject: SheetSubject) -> Self {
        self.subjects.push(subject);
        self
    }

    /// The same with a chart.
    #[must_use]
    pub fn with_chart(self, chart: ChartKind) -> Self {
        Self { chart: Some(chart), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_heading_in_both_languages() {
        let book = &*BOOK;
        let columns = book.columns.iter().map(|(field, words)| (field, &words.vi, &words.en));
        let sheets = book.sheets.iter().map(|(key, name)| (key, &name.vi, &name.en));
        for (key, vi, en) in columns.chain(sheets) {
            assert!(!vi.is_empty() && !en.is_empty(), "{key}");
            // Excel cuts longer names of sheets.
            assert!(vi.chars().count() <= 31 && en.chars().count() <= 31, "{key}");
        }
    }
}
