//! The form of a unit and a month as an Excel file: the requested figures are locked cells, the
//! cells to fill in are not.

use std::collections::HashMap;

use rust_xlsxwriter::{
    Color, ConditionalFormatFormula, DataValidation, DataValidationErrorStyle, DataValidationRule,
    Format, FormatAlign, FormatBorder, Formula, Note, ProtectionOptions, Workbook, Worksheet,
    XlsxError, utility,
};

use super::form_formula::{CellCheck, FigureCells, check_formula, failure_text, rate_formula};
use crate::app::templates::{FormRate, FormRow, ReportingForm};
use crate::intake::workbook::form::{
    CHECKS, CODES, COMPUTED, FORM_SHEET, GUIDE_SHEET, HEADER_ROW, INPUT, LABELS, MARK, MEASURED,
    MONTH_ROW, NOTES, NUMBERS, PREVIOUS, UNIT_ROW, VERSION,
};
use kpi::formula::{IndicatorReference, TimeShift};
use kpi::measure::Measure;
use kpi::number::FIGURE_BOUND;

/// The number of the paper size A4 in Excel files.
const A4: u8 = 9;
/// The width of the guide, in characters: what a page in portrait holds at full size.
const GUIDE_WIDTH: u16 = 84;
/// Letters of a line in the column of labels.
const LABEL_LETTERS: usize = 50;
/// Letters of a line in the column of checks.
const CHECK_LETTERS: usize = 38;
/// Number of indentation steps for each level of members.
const INDENT: u8 = 1;

/// A column number, in the type of the Excel writer.
fn column(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(0)
}

/// A row number, in the type of the Excel writer.
fn line(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(0)
}

/// The name of a cell in formulas.
fn cell_name(row: usize, at: usize) -> String {
    utility::row_col_to_cell(line(row), column(at))
}

/// The cell formats of the form.
struct FormFormats {
    title: Format,
    head: Format,
    group: Format,
    locked: Format,
    centred: Format,
    number: Format,
    input: Format,
    note: Format,
    code: Format,
    computed: Format,
    check: Format,
}

impl FormFormats {
    fn new() -> Self {
        let cell =
            || Format::new().set_border(FormatBorder::Thin).set_align(FormatAlign::VerticalCenter);
        Self {
            title: Format::new().set_bold().set_font_size(14),
            head: cell()
                .set_bold()
                .set_background_color(Color::RGB(0x00DD_E7F3))
                .set_align(FormatAlign::Center)
                .set_text_wrap(),
            group: cell().set_bold().set_background_color(Color::RGB(0x00F2_F2F2)),
            locked: cell().set_text_wrap(),
            centred: cell().set_align(FormatAlign::Center),
            number: cell().set_align(FormatAlign::Right).set_font_color(Color::RGB(0x0060_6060)),
            input: cell()
                .set_align(FormatAlign::Right)
                .set_background_color(Color::RGB(0x00FF_FBE6))
                .set_unlocked(),
            note: cell().set_text_wrap().set_unlocked(),
            code: Format::new().set_font_color(Color::RGB(0x0080_8080)),
            computed: cell()
                .set_align(FormatAlign::Right)
                .set_italic()
                .set_background_color(Color::RGB(0x00F2_F2F2)),
            check: cell().set_text_wrap(),
        }
    }
}

/// The number format of figures with this many decimals.
fn shown(decimals: u32) -> String {
    let zeros = usize::try_from(decimals).unwrap_or(0);
    if zeros == 0 { "#,##0".to_owned() } else { format!("#,##0.{}", "0".repeat(zeros)) }
}

/// Renders the form as an Excel file.
///
/// # Errors
/// The errors of the Excel writer; none is expected for a form of declared measures.
pub fn write_form(form: &ReportingForm) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let looks = FormFormats::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(FORM_SHEET)?;
    // Programs that compute nothing show no 0 where figures are missing.
    sheet.set_formula_result_default("");
    head(sheet, form, &looks)?;
    let last = rows(sheet, form, &looks)?;
    let last = rates(sheet, form, last, &looks)?;
    colour_failed_checks(sheet, last)?;
    let last = signatures(sheet, last)?;
    layout(sheet, last)?;
    guide(workbook.add_worksheet(), form, &looks)?;
    workbook.save_to_buffer()
}

fn head(sheet: &mut Worksheet, form: &ReportingForm, looks: &FormFormats) -> Result<(), XlsxError> {
    let codes = column(CODES);
    sheet.write_string_with_format(0, codes, format!("{MARK}{VERSION}"), &looks.code)?;
    sheet.write_string_with_format(line(UNIT_ROW), codes, &form.unit, &looks.code)?;
    sheet.write_string_with_format(line(MONTH_ROW), codes, form.month.to_string(), &looks.code)?;
    let place = column(NUMBERS);
    sheet.write_string_with_format(
        0,
        place,
        "BIỂU SỐ LIỆU ỨNG DỤNG CÔNG NGHỆ THÔNG TIN HẰNG THÁNG",
        &looks.title,
    )?;
    sheet.write_string_with_format(
        line(UNIT_ROW),
        place,
        format!("Đơn vị báo cáo: {} ({})", form.name, form.unit),
        &Format::new().set_bold(),
    )?;
    sheet.write_string_with_format(
        line(MONTH_ROW),
        place,
        format!("Tháng {} năm {}", form.month.month(), form.month.year()),
        &Format::new().set_bold(),
    )?;
    let quiet = Format::new().set_italic();
    let send = "Gửi: trang “Gửi báo cáo” của hệ thống";
    sheet.write_string_with_format(line(UNIT_ROW), column(NOTES), send, &quiet)?;
    if let Some(deadline) = form.deadline {
        let until = format!("Hạn nộp: {}. Dòng in đậm phải báo cáo.", deadline.format("%d/%m/%Y"));
        sheet.write_string_with_format(line(MONTH_ROW), column(NOTES), until, &quiet)?;
    }
    let before = form.month.plus(-1);
    let names = [
        (NUMBERS, "STT".to_owned()),
        (LABELS, "Chỉ tiêu".to_owned()),
        (MEASURED, "Đơn vị tính".to_owned()),
        (PREVIOUS, format!("Tháng trước ({:02}/{})", before.month(), before.year())),
        (INPUT, format!("Tháng này ({:02}/{})", form.month.month(), form.month.year())),
        (NOTES, "Ghi chú".to_owned()),
        (CHECKS, "Kiểm tra".to_owned()),
    ];
    for (place, name) in names {
        sheet.write_string_with_format(line(HEADER_ROW), column(place), name, &looks.head)?;
    }
    Ok(())
}

/// Writes the rows and returns the number of the last one.
fn rows(
    sheet: &mut Worksheet,
    form: &ReportingForm,
    looks: &FormFormats,
) -> Result<u32, XlsxError> {
    let cells = FormCells::of(form);
    let has_due = form.groups.iter().flat_map(|group| &group.rows).any(|row| row.is_due);
    let mut place = line(HEADER_ROW);
    let mut number = 0;
    for group in &form.groups {
        place += 1;
        heading(sheet, place, &group.title, looks)?;
        if has_due {
            let due: Vec<bool> = group.rows.iter().map(|row| row.is_due).collect();
            fold(sheet, place, &due)?;
        }
        for row in &group.rows {
            place += 1;
            number += 1;
            figure(sheet, place, number, row, looks)?;
            check(sheet, place, (row, &cells), looks)?;
            let checks = row.checks.iter().filter(|check| check.condition.is_some());
            let longest = checks.map(|check| failure_text(&check.text).chars().count()).max();
            fit(sheet, place, (row.shown_label(), longest.unwrap_or(0)))?;
        }
    }
    Ok(place)
}

fn heading(
    sheet: &mut Worksheet,
    place: u32,
    title: &str,
    looks: &FormFormats,
) -> Result<(), XlsxError> {
    for at in NUMBERS..=CHECKS {
        sheet.write_blank(place, column(at), &looks.group)?;
    }
    sheet.write_string_with_format(place, column(LABELS), title, &looks.group)?;
    Ok(())
}

/// Folds the rows of a group that are not due, below the row of its heading.
fn fold(sheet: &mut Worksheet, heading: u32, due: &[bool]) -> Result<(), XlsxError> {
    let mut begin = None;
    let rows = due.iter().copied().chain(std::iter::once(true));
    for (place, is_due) in (heading + 1..).zip(rows) {
        match (begin, is_due) {
            (None, false) => begin = Some(place),
            (Some(first), true) => {
                sheet.group_rows_collapsed(first, place - 1)?;
                begin = None;
            }
            (None, true) | (Some(_), false) => {}
        }
    }
    let folded = due.iter().filter(|is_due| !**is_due).count();
    if folded > 0 {
        let text = format!("Đã thu gọn {folded} dòng");
        let look = Format::new().set_italic().set_background_color(Color::RGB(0x00F2_F2F2));
        sheet.write_string_with_format(heading, column(NOTES), text, &look)?;
    }
    Ok(())
}

/// Where the figures of a form are, and those that it has when it is written.
struct FormCells<'f> {
    rows: HashMap<&'f Measure, (usize, &'f FormRow)>,
    /// Whether the month before is computed.
    of_previous: bool,
}

impl<'f> FormCells<'f> {
    fn of(form: &'f ReportingForm) -> Self {
        let mut place = HEADER_ROW;
        let mut rows = HashMap::new();
        for group in &form.groups {
            place += 1;
            for row in &group.rows {
                place += 1;
                rows.insert(&row.measure, (place, row));
            }
        }
        Self { rows, of_previous: false }
    }

    /// Whether all figures of a kpi are due.
    fn are_due(&self, rate: &FormRate) -> bool {
        let references = rate.formula.references();
        references.iter().all(|reference| self.find(reference).is_some_and(|(_, row)| row.is_due))
    }

    fn find(&self, reference: &IndicatorReference) -> Option<(usize, &'f FormRow)> {
        self.rows.get(&reference.measure()?).copied()
    }
}

impl FigureCells for FormCells<'_> {
    fn cell(&self, reference: &IndicatorReference) -> Option<String> {
        let (row, _) = self.find(reference)?;
        match (self.of_previous, reference.shift) {
            (true, TimeShift::None) | (false, TimeShift::Periods(1)) => {
                Some(cell_name(row, PREVIOUS))
            }
            (false, TimeShift::None) => Some(cell_name(row, INPUT)),
            (_, TimeShift::Periods(_) | TimeShift::Year) => None,
        }
    }

    fn figure(&self, reference: &IndicatorReference) -> Option<f64> {
        let (_, row) = self.find(reference)?;
        let is_before = self.of_previous || !reference.shift.is_none();
        if is_before { row.previous } else { row.current }.map(|figure| figure.to_f64())
    }
}

/// Sets the height of a row for its label and the longest text of its check, because a spreadsheet
/// does not do so when a formula changes.
fn fit(sheet: &mut Worksheet, place: u32, (label, check): (&str, usize)) -> Result<(), XlsxError> {
    let lines = label.chars().count().div_ceil(LABEL_LETTERS).max(check.div_ceil(CHECK_LETTERS));
    if lines > 1 {
        sheet.set_row_height(place, 15 * u32::try_from(lines).unwrap_or(1))?;
    }
    Ok(())
}

/// Writes the formula that says which checks of a row fail.
fn check(
    sheet: &mut Worksheet,
    place: u32,
    (row, cells): (&FormRow, &FormCells<'_>),
    looks: &FormFormats,
) -> Result<(), XlsxError> {
    let checks = row.checks.iter().filter_map(|check| {
        let condition = check.condition.as_ref()?;
        Some(CellCheck { condition, tolerance: check.tolerance, text: &check.text })
    });
    match check_formula(&checks.collect::<Vec<_>>(), cells) {
        Some(formula) => {
            sheet.write_formula_with_format(place, column(CHECKS), formula, &looks.check)?
        }
        None => sheet.write_blank(place, column(CHECKS), &looks.check)?,
    };
    Ok(())
}

/// Colours figures with a failed check; the words are in the column of checks.
fn colour_failed_checks(sheet: &mut Worksheet, last: u32) -> Result<(), XlsxError> {
    let first = line(HEADER_ROW) + 1;
    if last < first {
        return Ok(());
    }
    let checked = cell_name(HEADER_ROW + 1, CHECKS);
    let look = Format::new()
        .set_background_color(Color::RGB(0x00FB_DDDD))
        .set_font_color(Color::RGB(0x008F_1414));
    for at in [INPUT, CHECKS] {
        let rule = ConditionalFormatFormula::new()
            .set_rule(Formula::new(format!("=LEN(${checked})>0")))
            .set_format(&look);
        sheet.add_conditional_format(first, column(at), last, column(at), &rule)?;
    }
    Ok(())
}

/// Writes the kpis that the rows are enough for, and returns the last row.
fn rates(
    sheet: &mut Worksheet,
    form: &ReportingForm,
    last: u32,
    looks: &FormFormats,
) -> Result<u32, XlsxError> {
    if form.rates.is_empty() {
        return Ok(last);
    }
    heading(sheet, last + 1, "Chỉ số tính từ số liệu trên (tự động, không nhập)", looks)?;
    let mut cells = FormCells::of(form);
    let due: Vec<bool> = form.rates.iter().map(|rate| cells.are_due(rate)).collect();
    if due.contains(&true) {
        fold(sheet, last + 1, &due)?;
    }
    for (place, rate) in (last + 2..).zip(&form.rates) {
        let code = format!("{COMPUTED}{}", rate.measure);
        sheet.write_string_with_format(place, column(CODES), code, &looks.code)?;
        sheet.write_blank(place, column(NUMBERS), &looks.centred)?;
        sheet.write_string_with_format(place, column(LABELS), &rate.label, &looks.locked)?;
        fit(sheet, place, (&rate.label, 0))?;
        let unit_of_measure = &rate.unit_of_measure;
        sheet.write_string_with_format(place, column(MEASURED), unit_of_measure, &looks.centred)?;
        for (at, of_previous) in [(PREVIOUS, true), (INPUT, false)] {
            cells.of_previous = of_previous;
            rate_cell(sheet, (place, column(at)), (rate, &cells), looks)?;
        }
        sheet.write_blank(place, column(NOTES), &looks.locked)?;
        sheet.write_blank(place, column(CHECKS), &looks.check)?;
    }
    Ok(last + 1 + line(form.rates.len()))
}

fn rate_cell(
    sheet: &mut Worksheet,
    (place, at): (u32, u16),
    (rate, cells): (&FormRate, &FormCells<'_>),
    looks: &FormFormats,
) -> Result<(), XlsxError> {
    let is_quotient = rate.formula.to_string().contains('/');
    let format = if is_quotient { "#,##0.0" } else { "#,##0" };
    let look = looks.computed.clone().set_num_format(format);
    match rate_formula(&rate.formula, rate.is_percent, cells) {
        Some(formula) => sheet.write_formula_with_format(place, at, formula, &look)?,
        None => sheet.write_blank(place, at, &look)?,
    };
    Ok(())
}

/// Writes the places for signatures below the rows, and returns the last row.
fn signatures(sheet: &mut Worksheet, last: u32) -> Result<u32, XlsxError> {
    let look = Format::new().set_bold().set_align(FormatAlign::Center);
    for (at, name) in [(LABELS, "NGƯỜI LẬP BIỂU"), (CHECKS, "THỦ TRƯỞNG ĐƠN VỊ")] {
        sheet.write_string_with_format(last + 2, column(at), name, &look)?;
        let hint = Format::new().set_italic().set_align(FormatAlign::Center);
        sheet.write_string_with_format(last + 3, column(at), "(ký, ghi rõ họ tên)", &hint)?;
    }
    Ok(last + 7)
}

fn figure(
    sheet: &mut Worksheet,
    place: u32,
    number: u32,
    row: &FormRow,
    looks: &FormFormats,
) -> Result<(), XlsxError> {
    sheet.write_string_with_format(place, column(CODES), row.measure.to_string(), &looks.code)?;
    sheet.write_number_with_format(place, column(NUMBERS), number, &looks.centred)?;
    let indent = INDENT.saturating_mul(u8::try_from(row.depth).unwrap_or(0));
    let label = looks.locked.clone().set_indent(indent);
    let label = if row.is_due { label.set_bold() } else { label };
    sheet.write_string_with_format(place, column(LABELS), row.shown_label(), &label)?;
    sheet.write_string_with_format(
        place,
        column(MEASURED),
        &row.unit_of_measure,
        &looks.centred,
    )?;
    for (at, value, look) in
        [(PREVIOUS, row.previous, &looks.number), (INPUT, row.current, &looks.input)]
    {
        let decimals = row.decimals.unwrap_or_else(|| value.map_or(2, |value| value.scale));
        let look = look.clone().set_num_format(shown(decimals));
        match value {
            Some(value) => {
                sheet.write_number_with_format(place, column(at), value.to_f64(), &look)?
            }
            None => sheet.write_blank(place, column(at), &look)?,
        };
    }
    sheet.write_blank(place, column(NOTES), &looks.note)?;
    sheet.add_data_validation(place, column(INPUT), place, column(INPUT), &validation(row)?)?;
    if !row.checks.is_empty() {
        let texts: Vec<&str> = row.checks.iter().map(|check| check.text.as_str()).collect();
        let text = format!("Kiểm tra:\n- {}", texts.join("\n- "));
        let height = 30 + 32 * u32::try_from(row.checks.len()).unwrap_or(1);
        sheet.insert_note(
            place,
            column(INPUT),
            &Note::new(text)
                .set_author("egov-kpi")
                .add_author_prefix(false)
                .set_width(300)
                .set_height(height),
        )?;
    }
    Ok(())
}

/// The validation of an input cell. It only warns, because the word `null`, which withdraws a
/// figure, has to be accepted.
fn validation(row: &FormRow) -> Result<DataValidation, XlsxError> {
    let whole = row.decimals == Some(0);
    // The limit of figures in units of the last decimal. With decimals the real limit is smaller;
    // the service checks that.
    let (least, most) = (if row.may_be_negative { 1 - FIGURE_BOUND } else { 0 }, FIGURE_BOUND - 1);
    let rule_of = DataValidationRule::Between(
        Formula::new(least.to_string()),
        Formula::new(most.to_string()),
    );
    let (message, rule) = match (whole, row.may_be_negative) {
        (true, false) => (
            "Nhập số nguyên không âm, ví dụ 23441. Để trống nếu không có số liệu.",
            "số nguyên không âm",
        ),
        (true, true) => ("Nhập số nguyên, ví dụ -12. Để trống nếu không có số liệu.", "số nguyên"),
        (false, false) => (
            "Nhập số không âm, có thể có phần thập phân. Để trống nếu không có số liệu.",
            "số không âm",
        ),
        (false, true) => {
            ("Nhập một số, ví dụ 78,95 (không kèm dấu %). Để trống nếu không có số liệu.", "số")
        }
    };
    let validation = if whole {
        DataValidation::new().allow_whole_number_formula(rule_of)
    } else {
        DataValidation::new().allow_decimal_number_formula(rule_of)
    };
    validation
        .set_error_style(DataValidationErrorStyle::Warning)
        .set_error_title("Số liệu chưa đúng")?
        .set_error_message(format!("Ô này nhận {rule}. Chữ null dùng để rút lại số liệu đã gửi."))?
        .set_input_title("Tháng này")?
        .set_input_message(message)
}

fn layout(sheet: &mut Worksheet, last: u32) -> Result<(), XlsxError> {
    for (place, width) in [
        (NUMBERS, 6.0),
        (LABELS, 56.0),
        (MEASURED, 13.0),
        (PREVIOUS, 17.0),
        (INPUT, 17.0),
        (NOTES, 26.0),
        (CHECKS, 38.0),
    ] {
        sheet.set_column_width(column(place), width)?;
    }
    sheet.set_column_hidden(column(CODES))?;
    sheet.set_row_height(line(HEADER_ROW), 32)?;
    sheet.set_freeze_panes(line(HEADER_ROW) + 1, column(MEASURED))?;
    sheet.set_paper_size(A4);
    sheet.set_landscape();
    sheet.set_margins(0.5, 0.5, 0.6, 0.6, 0.3, 0.3);
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_repeat_rows(line(HEADER_ROW), line(HEADER_ROW))?;
    sheet.set_print_area(0, column(NUMBERS), last, column(CHECKS))?;
    sheet.group_symbols_above(true);
    sheet.set_footer("&CTrang &P/&N");
    sheet.protect_with_options(&ProtectionOptions {
        format_columns: true,
        format_rows: true,
        ..ProtectionOptions::default()
    });
    Ok(())
}

fn guide(
    sheet: &mut Worksheet,
    form: &ReportingForm,
    looks: &FormFormats,
) -> Result<(), XlsxError> {
    sheet.set_name(GUIDE_SHEET)?;
    sheet.set_column_width(0, GUIDE_WIDTH)?;
    sheet.write_string_with_format(0, 0, "HƯỚNG DẪN ĐIỀN BIỂU", &looks.title)?;
    let wrapped = Format::new().set_text_wrap();
    let lines = [
        format!(
            "Chỉ điền vào cột “Tháng này” (nền vàng) và cột “Ghi chú” của trang “{FORM_SHEET}”. \
             Các ô khác đã khóa, không có mật khẩu."
        ),
        "Ô để trống nghĩa là không báo cáo chỉ tiêu đó: số đã gửi trước đây (nếu có) được giữ \
         nguyên."
            .to_owned(),
        "Nhập 0 nếu trong tháng không phát sinh.".to_owned(),
        "Nhập chữ null để rút lại một số liệu đã gửi nhầm.".to_owned(),
        "Nhập số trực tiếp, không thêm đơn vị tính. Tỷ lệ nhập theo phần trăm, không kèm dấu %: \
         78,95."
            .to_owned(),
        "Dòng tổng và các dòng thành phần được nhập riêng; hệ thống không tự cộng thay cho số đã \
         nhập."
            .to_owned(),
        "Di chuột vào ô có dấu tam giác đỏ để xem các phép kiểm tra liên quan. Ô chuyển sang nền \
         đỏ khi số liệu chưa khớp; cột “Kiểm tra” ghi rõ chỗ chưa khớp. Số liệu mâu thuẫn vẫn \
         được ghi nhận, kèm cảnh báo."
            .to_owned(),
        "Các chỉ số ở cuối biểu (nền xám, chữ nghiêng) được tính tự động từ số liệu đã nhập; \
         không nhập và không gửi các dòng này."
            .to_owned(),
        "Dòng thụt vào là thành phần của dòng phía trên. Khi đơn vị có dòng phải báo cáo, các \
         dòng khác được thu gọn. Để mở: chọn các dòng ở hai bên chỗ thu gọn, bấm chuột phải, \
         chọn Bỏ ẩn (Unhide); hoặc bỏ khóa trang (không mật khẩu) rồi bấm dấu +. Dòng thu gọn \
         vẫn được đọc."
            .to_owned(),
        "Khi sửa số liệu của tháng đã khóa sổ, ghi lý do vào cột “Ghi chú”.".to_owned(),
        "Không xóa, không chèn dòng hoặc cột, không đổi tên trang: tệp được đọc theo mã ẩn ở cột \
         đầu tiên."
            .to_owned(),
        format!(
            "Biểu này dành cho {} ({}), tháng {} năm {}; mỗi đơn vị và mỗi tháng dùng một biểu \
             riêng.",
            form.name,
            form.unit,
            form.month.month(),
            form.month.year()
        ),
    ];
    for (place, text) in lines.iter().enumerate() {
        // Not every program fits the height of a row when it opens a file. Words at the ends of
        // lines leave some room.
        let letters = usize::from(GUIDE_WIDTH) - 8;
        let lines = text.chars().count().div_ceil(letters);
        let height = 16 * u32::try_from(lines).unwrap_or(1);
        sheet.set_row_height(line(place + 2), height)?;
        sheet.write_string_with_format(
            line(place + 2),
            0,
            format!("{}. {text}", place + 1),
            &wrapped,
        )?;
    }
    sheet.set_paper_size(A4);
    sheet.set_portrait();
    sheet.set_margins(0.6, 0.6, 0.7, 0.7, 0.3, 0.3);
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_print_area(0, 0, line(lines.len() + 1), 0)?;
    sheet.protect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::app::RevisionNumber;
    use crate::app::templates::{FormCheck, FormGroup};
    use crate::app::write::{catalogue, units};
    use crate::intake::workbook::figures;
    use extract::table::{TableDefaults, TableReader};
    use kpi::catalogue::Catalogue;
    use kpi::measure::{Measure, Members};
    use kpi::number::{Decimal64, Statement};
    use kpi::unit::UnitForest;

    static CATALOGUE: LazyLock<Catalogue> =
        LazyLock::new(|| Catalogue::new(catalogue::shipped().unwrap()).unwrap());
    static UNITS: LazyLock<UnitForest> =
        LazyLock::new(|| UnitForest::numbered(units::shipped().unwrap()).unwrap());
    static READER: LazyLock<TableReader<'static>> =
        LazyLock::new(|| TableReader::new(&CATALOGUE, &UNITS));

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_filled_in_form_reads_back_the_same_figures(
            values in prop::collection::vec(prop::option::of(0_i64..=9_007_199_254_740), 200),
        ) {
            let (catalogue, reader) = (&*CATALOGUE, &*READER);
            let of = |code: &str| Measure { code: code.to_owned(), members: Members::none() };
            let row = |(indicator, value): (&kpi::catalogue::Indicator, &Option<i64>)| FormRow {
                measure: of(&indicator.code),
                label: format!("={}", catalogue.label(&of(&indicator.code)).vi),
                short_label: None,
                depth: 1,
                unit_of_measure: "số lượng".to_owned(),
                decimals: Some(indicator.decimals),
                may_be_negative: false,
                previous: Some(Decimal64 { mantissa: 7, scale: 0 }),
                current: value.map(|mantissa| Decimal64 { mantissa, scale: indicator.decimals }),
                recorded: None,
                is_due: false,
                checks: vec![FormCheck {
                    text: "Không vượt quá tổng".to_owned(),
                    condition: None,
                    tolerance: 0.0
                }],
            };
            let rows: Vec<FormRow> = catalogue.indicators.iter().zip(&values).map(row).collect();
            let groups = vec![FormGroup { title: "Hệ thống".to_owned(), rows: rows.clone() }];
            let form = ReportingForm {
                unit: "travinh".to_owned(),
                name: "Trà Vinh".to_owned(),
                month: "2021-10".parse().unwrap(),
                revision: RevisionNumber::FIRST,
                deadline: None,
                groups,
                rates: Vec::new()
            };
            let reading = figures(
                &write_form(&form).unwrap(),
                reader,
                catalogue,
                &TableDefaults::default()
            ).unwrap();
            prop_assert_eq!(&reading.faults, &Vec::new());
            prop_assert!(reading.is_form && reading.unclaimed.is_empty());
            let number =
                |written: Decimal64, decimals: Option<u32>| written.at_scale(decimals.unwrap());
            let expected: Vec<_> = rows
                .iter()
                .filter_map(|row| {
                    Some((row.measure.to_string(), number(row.current?, row.decimals)))
                })
                .collect();
            let decimals = |measure: &Measure| {
                catalogue.indicator(&measure.code).map(|indicator| indicator.decimals)
            };
            let found: Vec<_> = reading
                .figures
                .iter()
                .map(|figure| {
                    let written = figure.written.and_then(Statement::number).unwrap();
                    (figure.measure.to_string(), number(written, decimals(&figure.measure)))
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
