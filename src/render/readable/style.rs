//! Formats of the cells of an Excel file for people.

use std::collections::HashMap;

use rust_xlsxwriter::{Color, Format, FormatAlign, FormatBorder};

use crate::render::sheet_plan::CellKind;

/// Most decimals of a value that is computed.
const MAX_SHOWN: usize = 2;

/// The colour of a word. It never says more than the word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) enum CellTone {
    /// No colour.
    #[default]
    Plain,
    /// Green.
    Good,
    /// Amber.
    Fair,
    /// Red.
    Bad,
    /// Grey.
    Faint,
}

impl CellTone {
    /// The colour of the code of a state.
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "met" | "on_time" => Self::Good,
            "close" | "late" | "partial" | "warning" => Self::Fair,
            "behind" | "partial_overdue" | "missing_overdue" | "error" => Self::Bad,
            "no_data" | "missing" => Self::Faint,
            _ => Self::Plain,
        }
    }

    /// The colours of ground and letters.
    fn colours(self) -> Option<(u32, u32)> {
        match self {
            Self::Plain => None,
            Self::Good => Some((0x00DD_F2E3, 0x0012_5C2E)),
            Self::Fair => Some((0x00FF_F0CC, 0x006B_4700)),
            Self::Bad => Some((0x00FB_DDDD, 0x008F_1414)),
            Self::Faint => Some((0x00EE_EEEE, 0x0055_5555)),
        }
    }
}

/// The number format of a cell.
pub(super) fn number_format(kind: CellKind, number: &str, is_percent: bool, vi: bool) -> String {
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let value = format!("#,##0{}", zeros(decimals.min(MAX_SHOWN)));
    match kind {
        CellKind::Value if is_percent => "#,##0.0\" %\"".to_owned(),
        CellKind::Figure => format!("#,##0{}", zeros(decimals)),
        CellKind::Change if is_percent => {
            signed(if vi { "0.0\" điểm\"" } else { "0.0\" points\"" })
        }
        CellKind::Change => signed(&value),
        CellKind::Percent => "#,##0.0\" %\"".to_owned(),
        CellKind::PercentChange => signed("#,##0.0\" %\""),
        // A part is never shown as the whole.
        CellKind::Share if number.starts_with("0.99") => "0.0##%".to_owned(),
        CellKind::Share => "0%".to_owned(),
        CellKind::Count => "#,##0".to_owned(),
        CellKind::Value
        | CellKind::Number
        | CellKind::Text
        | CellKind::Unit
        | CellKind::Units
        | CellKind::Measure
        | CellKind::Measures
        | CellKind::System
        | CellKind::Period
        | CellKind::Day
        | CellKind::Time
        | CellKind::Status
        | CellKind::Reasons => value,
    }
}

fn zeros(decimals: usize) -> String {
    if decimals == 0 { String::new() } else { format!(".{}", "0".repeat(decimals)) }
}

/// A format with the sign of the number.
fn signed(format: &str) -> String {
    format!("+{format};-{format};{format}")
}

/// The formats of a file, each made once.
#[derive(Default)]
pub(super) struct CellStyles {
    texts: HashMap<CellTone, Format>,
    numbers: HashMap<String, Format>,
}

impl CellStyles {
    fn cell() -> Format {
        Format::new()
            .set_border(FormatBorder::Thin)
            .set_border_color(Color::RGB(0x00CF_D6DE))
            .set_align(FormatAlign::Top)
    }

    /// The title of a sheet.
    pub(super) fn title() -> Format {
        Format::new().set_bold().set_font_size(14)
    }

    /// The line below the title.
    pub(super) fn subtitle() -> Format {
        Format::new().set_font_color(Color::RGB(0x0055_5555))
    }

    /// The headings of columns.
    pub(super) fn heading() -> Format {
        Self::cell()
            .set_bold()
            .set_text_wrap()
            .set_align(FormatAlign::Center)
            .set_align(FormatAlign::VerticalCenter)
            .set_background_color(Color::RGB(0x00DD_E7F3))
    }

    pub(super) fn text(&mut self, tone: CellTone) -> &Format {
        self.texts.entry(tone).or_insert_with(|| {
            let plain = Self::cell().set_text_wrap();
            match tone.colours() {
                None => plain,
                Some((ground, letters)) => plain
                    .set_background_color(Color::RGB(ground))
                    .set_font_color(Color::RGB(letters)),
            }
        })
    }

    pub(super) fn number(&mut self, format: String) -> &Format {
        self.numbers.entry(format).or_insert_with_key(|format| {
            let cell = Self::cell().set_align(FormatAlign::Right).set_indent(1);
            cell.set_num_format(format.as_str())
        })
    }
}
