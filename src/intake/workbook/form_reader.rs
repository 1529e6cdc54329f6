//! The form of the service: its figures are those of the hidden codes, unless the labels that are
//! shown contradict them.

use std::collections::HashMap;

use super::form::{MARK, VERSION};
use super::form_layout::{FormLayout, another_size, multiple, names_another_time};
use super::form_order::FormOrder;
use super::reading::{SheetFigure, WorkbookReading, refuse_uncomputed, unclaimed_cell};
use documents::table::{GridCell, NOT_COMPUTED};
use documents::workbook::{WorkbookSheet, cell_name, fault_at};
use extract::label::LabelResolution;
use extract::table::cell::{
    AllowedNumber, CellContent, DATE, STRUCK, has_digit, has_other_unit, other_unit, read,
};
use extract::table::{TableDefaults, TableReader};
use kpi::catalogue::Catalogue;
use kpi::fault::{Fault, quoted};
use kpi::measure::Measure;
use kpi::number::Statement;
use kpi::observation::names_not_applicable;
use kpi::period::Month;
use kpi::unit::UnitPosition;
use kpi::vietnamese::folding::{Spelling, label_words};

/// The value of an input cell: what it says, or `None` for a withdrawal, and whether it is marked
/// as approximate.
type FormValue = (Option<Statement>, bool);

/// Why a number in a row that the form computes is not read.
const TYPED_OVER: &str = "the form computes this row; a number typed over its formula is not read";

/// The labels of a form in words.
#[derive(Default)]
struct FormLabels {
    /// The order of the rows by their numbers.
    order: FormOrder,
    /// The measure of each whole name.
    whole: HashMap<String, Measure>,
    /// The measures that the names of members may mean, below the row of their total.
    of_members: HashMap<String, Vec<Measure>>,
}

/// A sheet with the form of the service.
pub(super) struct FormReader<'a> {
    pub(super) tables: &'a TableReader<'a>,
    pub(super) catalogue: &'a Catalogue,
    pub(super) sheet: &'a WorkbookSheet,
}

impl FormReader<'_> {
    fn fault(
        &self,
        row: usize,
        column: usize,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Fault {
        fault_at(&self.sheet.name, row, column, code, detail)
    }

    fn text(&self, row: usize, column: usize) -> &str {
        let cell = self.sheet.grid.rows.get(row).and_then(|cells| cells.get(column));
        cell.map_or("", |cell| cell.text.trim())
    }

    /// Reads the form with its mark at a row and a column.
    pub(super) fn read(
        &self,
        mark: (usize, usize),
        defaults: &TableDefaults,
        reading: &mut WorkbookReading,
    ) {
        let version = self.text(mark.0, mark.1).trim_start_matches(MARK);
        if version != VERSION {
            reading.faults.push(
                self.fault(
                    mark.0,
                    mark.1,
                    "unknown_version",
                    format!(
                        "the form has layout {}; the service knows layout {VERSION}; \
                     download a new form",
                        quoted(version)
                    ),
                )
                .with_vi(format!(
                    "biểu có bố cục {}; hệ thống chỉ nhận bố cục {VERSION}; hãy tải \
                 biểu mới",
                    quoted(version)
                )),
            );
            return;
        }
        let layout = match FormLayout::find(self.sheet, mark) {
            Ok(layout) => layout,
            Err(fault) => {
                reading.faults.push(fault);
                return;
            }
        };
        let is_unread = |row, column| layout.is_computed(self.sheet, row, column);
        refuse_uncomputed(self.sheet, &is_unread, reading);
        let Some((unit, month)) = self.head(&layout, defaults, reading) else { return };
        (reading.unit, reading.month) = (Some(unit), Some(month));
        let names = (self.tables.units(), self.tables.places());
        reading.faults.extend(layout.contradictions(self.sheet, (unit, month), names));
        let rows = layout.header_row + 1..self.sheet.grid.rows.len();
        let own = self.labels_of(&layout, rows.clone());
        for row in rows {
            if layout.is_computed_row(self.sheet, row) {
                self.computed_row(row, &layout, reading);
            } else {
                self.row(row, (&layout, &own), (unit, month), reading);
            }
        }
    }

    /// Lists numbers that were typed over the formulas of a row that the form computes.
    fn computed_row(&self, row: usize, layout: &FormLayout, reading: &mut WorkbookReading) {
        for (column, cell) in self.sheet.grid.rows.get(row).into_iter().flatten().enumerate() {
            let of_form = column == layout.codes
                || Some(column) == layout.labels
                || Some(column) == layout.notes
                || column != layout.input && layout.asides.contains(&column)
                || cell.formula;
            if !of_form && (cell.number.is_some() || has_digit(&cell.text)) {
                let reason = if column == layout.input { TYPED_OVER } else { "outside the form" };
                reading.unclaimed.push(unclaimed_cell(self.sheet, row, column, cell, reason));
            }
        }
    }

    /// The unit and the month of the hidden codes.
    fn head(
        &self,
        layout: &FormLayout,
        defaults: &TableDefaults,
        reading: &mut WorkbookReading,
    ) -> Option<(UnitPosition, Month)> {
        let code = self.text(layout.head.0, layout.codes);
        let unit = self.tables.units().position(code);
        if unit.is_none() {
            reading.faults.push(
                self.fault(
                    layout.head.0,
                    layout.codes,
                    "unknown_unit",
                    format!("no unit has the code {}", quoted(code)),
                )
                .with_vi(format!("không có đơn vị nào mang mã {}", quoted(code))),
            );
        }
        let month = self
            .text(layout.head.1, layout.codes)
            .parse::<Month>()
            .map_err(|error| {
                reading.faults.push(self.fault(
                    layout.head.1,
                    layout.codes,
                    "malformed_period",
                    error.to_string(),
                ))
            })
            .ok();
        for (row, contradicts) in [
            (layout.head.0, defaults.unit.is_some() && defaults.unit != unit),
            (layout.head.1, defaults.month.is_some() && defaults.month != month),
        ] {
            reading.faults.extend(contradicts.then(|| {
                self.fault(
                    row,
                    layout.codes,
                    "contradicts_request",
                    "the form has another unit or month than the request",
                )
                .with_vi("biểu dành cho đơn vị hoặc tháng khác với yêu cầu")
            }));
        }
        unit.zip(month)
    }

    /// The names of the form's measures in words, each with its measure.
    fn labels_of(&self, layout: &FormLayout, rows: std::ops::Range<usize>) -> FormLabels {
        let rows = rows.filter(|row| !layout.is_computed_row(self.sheet, *row));
        let measures: Vec<(Option<u32>, Measure)> = rows
            .filter_map(|row| {
                let measure = Measure::parse(self.text(row, layout.codes)).ok()?;
                Some((self.number_of(row, layout), measure))
            })
            .collect();
        let order = FormOrder::new(measures.clone());
        let mut labels = FormLabels { order, ..FormLabels::default() };
        for (_, measure) in measures {
            let name = self.catalogue.label(&measure);
            for key in [label_key(&name.vi), label_key(&name.en)] {
                if !key.is_empty() {
                    labels.whole.insert(key, measure.clone());
                }
            }
            for key in self.member_keys(&measure) {
                labels.of_members.entry(key).or_default().push(measure.clone());
            }
        }
        labels
    }

    /// The number that a row shows.
    fn number_of(&self, row: usize, layout: &FormLayout) -> Option<u32> {
        self.text(row, layout.numbers?).trim_end_matches('.').parse().ok()
    }

    /// The names of the members of a measure in words: of each one, and of those behind each.
    fn member_keys(&self, measure: &Measure) -> Vec<String> {
        let members = measure.members.iter();
        let names: Vec<String> =
            members.map(|(of, member)| self.catalogue.member_name(of, member).vi).collect();
        let from = (0..names.len()).filter_map(|place| names.get(place..));
        let each = names.iter().map(|name| label_key(name));
        from.map(|names| label_key(&names.join(": "))).chain(each).collect()
    }

    /// The measure that the label of a row names, if it is another one than that of its code.
    fn contradicts_label(
        &self,
        label: &str,
        (number, measure): (Option<u32>, &Measure),
        own: &FormLabels,
    ) -> Option<Measure> {
        let key = label_key(label);
        let name = self.catalogue.label(measure);
        if key.is_empty() || key == label_key(&name.vi) || key == label_key(&name.en) {
            return None;
        }
        let of_members = own.of_members.get(&key);
        if let Some(measures) = of_members.filter(|measures| measures.contains(measure)) {
            // Of rows with equal labels each is below its own total.
            if measures.len() < 2 || own.order.is_below_its_total(number, measure) {
                return None;
            }
            let mut others = measures.iter().filter(|other| *other != measure);
            let below = |other: &&Measure| own.order.is_below_its_total(number, other);
            return others.clone().find(below).or_else(|| others.next()).cloned();
        }
        let other = of_members.and_then(|measures| measures.first());
        let named = own.whole.get(&key).or(other).cloned().or_else(|| {
            // A label that was reworded, in the words of another measure.
            match self.tables.labels().resolve(label, "") {
                LabelResolution::One(named) => Some(named),
                LabelResolution::Several(_)
                | LabelResolution::Members(_)
                | LabelResolution::Empty
                | LabelResolution::Nothing => None,
            }
        });
        named.filter(|named| named != measure)
    }

    /// The error of a label that was typed over with another time or a plan, or of a unit of
    /// measure of another kind.
    fn contradicts_code(
        &self,
        row: usize,
        layout: &FormLayout,
        (measure, month): (&Measure, Month),
        own: &FormLabels,
    ) -> Option<Fault> {
        let label = layout.labels.map_or("", |column| self.text(row, column));
        let (key, name) = (label_key(label), self.catalogue.label(measure));
        let is_ours = key == label_key(&name.vi)
            || key == label_key(&name.en)
            || own.of_members.get(&key).is_some_and(|measures| measures.contains(measure));
        let unit = layout.measured.map_or("", |column| self.text(row, column));
        let percent = self.catalogue.unit_of_measure(&measure.code) == "percent";
        let counts = || {
            let found = self.tables.labels().unit_of_measure(unit);
            percent && found.is_some_and(|found| !found.percent)
        };
        let (column, said) = if !is_ours && names_another_time(label, month) {
            (layout.labels?, label)
        } else if has_other_unit(unit, self.catalogue.unit_of_measure(&measure.code)) || counts() {
            (layout.measured?, unit)
        } else {
            return None;
        };
        let shown = quoted(said);
        let detail = format!("the row says {shown}, but its hidden code is {measure} of {month}");
        let vi = format!("dòng này ghi {shown}, nhưng mã ẩn của dòng là {measure} của {month}");
        Some(self.fault(row, column, "contradicts_code", detail).with_vi(vi))
    }

    fn row(
        &self,
        row: usize,
        (layout, own): (&FormLayout, &FormLabels),
        (unit, month): (UnitPosition, Month),
        reading: &mut WorkbookReading,
    ) {
        let code = self.text(row, layout.codes);
        for (column, cell) in self.sheet.grid.rows.get(row).into_iter().flatten().enumerate() {
            let known = column == layout.codes
                || Some(column) == layout.labels
                || Some(column) == layout.notes
                || layout.asides.contains(&column)
                || (column == layout.input && !code.is_empty());
            if !known && (cell.number.is_some() || has_digit(&cell.text)) {
                reading.unclaimed.push(unclaimed_cell(
                    self.sheet,
                    row,
                    column,
                    cell,
                    "outside the form",
                ));
            }
        }
        if code.is_empty() {
            return;
        }
        let measure = match Measure::parse(code) {
            Ok(measure) if self.catalogue.measure_faults(&measure).is_empty() => measure,
            _ => {
                reading.faults.push(
                    self.fault(
                        row,
                        layout.codes,
                        "unknown_measure",
                        format!("the catalogue declares no measure {}", quoted(code)),
                    )
                    .with_vi(format!("danh mục không có chỉ tiêu {}", quoted(code))),
                );
                return;
            }
        };
        let label = layout.labels.map_or("", |column| self.text(row, column)).to_owned();
        let number = self.number_of(row, layout);
        if let Some(other) = self.contradicts_label(&label, (number, &measure), own) {
            let (shown, codes) = (quoted(&label), column_name(layout.codes));
            reading.faults.push(
                self.fault(
                    row,
                    layout.labels.unwrap_or(layout.codes),
                    "contradicts_code",
                    format!(
                        "the row says {shown} ({other}), but its hidden code is {measure}; were \
                         the rows sorted or moved without column {codes}? Download the form again"
                    ),
                )
                .with_vi(format!(
                    "dòng này ghi {shown} ({other}), nhưng mã ẩn của dòng là {measure}; có thể các \
                     dòng đã bị sắp xếp hoặc di chuyển mà không kèm cột {codes}; hãy tải lại biểu"
                )),
            );
            return;
        }
        let named = [&self.catalogue.label(&measure).vi, self.catalogue.unit_of_measure(code)]
            .iter()
            .any(|name| multiple(name).is_some());
        let beside = layout.asides.iter().copied().chain(layout.labels);
        let resized = beside.filter(|_| !named).find_map(|column| {
            let said = self.text(row, column);
            Some(another_size(self.sheet, (row, column), said, multiple(said)?))
        });
        if let Some(fault) = resized {
            reading.faults.push(fault);
            return;
        }
        if let Some(fault) = self.contradicts_code(row, layout, (&measure, month), own) {
            reading.faults.push(fault);
            return;
        }
        let label = if own.of_members.contains_key(&label_key(&label)) {
            self.catalogue.label(&measure).vi
        } else {
            label
        };
        let note = layout.notes.map_or("", |column| self.text(row, column));
        if !note.is_empty() {
            reading.notes.push(format!("{label}: {note}"));
        }
        let cell = self.sheet.grid.rows.get(row).and_then(|cells| cells.get(layout.input));
        let Some(cell) = cell.filter(|cell| **cell != GridCell::default()) else { return };
        if cell.struck {
            reading.unclaimed.push(unclaimed_cell(self.sheet, row, layout.input, cell, STRUCK));
            return;
        }
        if cell.fault.as_deref() == Some(NOT_COMPUTED) {
            return; // An error of its own.
        }
        match self.value(cell, &measure) {
            Ok(None) => {}
            Ok(Some((written, approximate))) => reading.figures.push(SheetFigure {
                measure,
                unit,
                month,
                written,
                printed: cell.text.trim().to_owned(),
                approximate,
                sheet: self.sheet.name.clone(),
                cell: cell_name(row, layout.input),
                label,
                confidence: 1.0,
            }),
            Err((code, why)) => {
                let detail = format!("{}: {why}", quoted(cell.text.trim()));
                reading.faults.push(self.fault(row, layout.input, code, detail));
            }
        }
    }

    /// The value in an input cell: empty, a withdrawal, or a number and whether it is marked as
    /// approximate.
    fn value(
        &self,
        cell: &GridCell,
        measure: &Measure,
    ) -> Result<Option<FormValue>, (&'static str, String)> {
        if let Some(fault) = &cell.fault {
            return Err(("cell_error", fault.clone()));
        }
        if cell.text.trim().eq_ignore_ascii_case("null") {
            return Ok(Some((None, false)));
        }
        if names_not_applicable(&cell.text) {
            return Ok(Some((Some(Statement::NotApplicable), false)));
        }
        if cell.month.is_some() && cell.number.is_none() {
            return Err(("not_a_number", DATE.to_owned()));
        }
        let decimals = self.catalogue.indicator(&measure.code).map(|indicator| indicator.decimals);
        let unit_of_measure = self.catalogue.unit_of_measure(&measure.code);
        let percent = unit_of_measure == "percent";
        if cell.number.is_none()
            && has_other_unit(&cell.text, unit_of_measure)
            && has_digit(&cell.text)
        {
            return Err(("not_a_number", other_unit(&cell.text)));
        }
        if cell.percent && !percent {
            return Err((
                "not_a_number",
                "the cell has a percentage, a count is expected".to_owned(),
            ));
        }
        let said = match cell.number {
            Some(written) => CellContent::Number {
                written: if decimals.is_none() { written.rounded(6) } else { written },
                approximate: false,
            },
            None => read(&cell.text, AllowedNumber { decimals, percent }),
        };
        match said {
            CellContent::Nothing => Ok(None),
            CellContent::Words => Err((
                "not_a_number",
                "the cell has words, a figure is expected; write notes in the column for notes"
                    .to_owned(),
            )),
            CellContent::Fault(why) => Err(("not_a_number", why)),
            CellContent::Number { written, approximate } => {
                Ok(Some((Some(written.into()), approximate)))
            }
        }
    }
}

/// The words by which labels are compared.
fn label_key(label: &str) -> String {
    label_words(label, Spelling::of(label)).join(" ")
}

/// The letters of a column.
fn column_name(column: usize) -> String {
    cell_name(0, column).trim_end_matches('1').to_owned()
}
