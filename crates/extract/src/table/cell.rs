//! Numbers in cells, in Vietnamese notation (`23.441`, `78,955%`, `1,2 tỷ`), read according to what
//! the measure allows.

use crate::label::{RowMarker, split_marker};
use crate::words::table_words;
use kpi::number::Decimal64;
use kpi::vietnamese::folding::{is_note_mark, unaccented};

/// What the number of a measure may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllowedNumber {
    /// Most decimals; `None` for stated rates, which keep their printed digits.
    pub decimals: Option<u32>,
    /// Whether it is a percentage.
    pub percent: bool,
}

/// The content of a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CellContent {
    /// No value: the cell is empty, or has only dashes, dots or slashes, a cross, or a word that
    /// means this.
    Nothing,
    /// A number.
    Number {
        /// The decimal.
        written: Decimal64,
        /// Whether it is marked as approximate.
        approximate: bool,
    },
    /// Digits that are not a valid number for the measure, with the reason.
    Fault(String),
    /// Anything else without a digit: words, or letters that only look like digits (`l2O`, `O`).
    Words,
}

/// Why a cell without a digit is not taken.
pub const NO_NUMBER: &str = "the cell has no number, a figure is expected";
/// Why a cell that says "n/a" is not taken from a table: it is a statement about a unit, which only
/// the forms with codes make.
pub const DOES_NOT_APPLY: &str =
    "the cell says that the figure does not apply; say so in the form, CSV or JSON";
/// Why a struck-out cell is not taken.
pub const STRUCK: &str = "the cell is struck out";
/// Why a cell with numbers on several lines is not taken.
pub const SEVERAL_LINES: &str =
    "the cell has digits on both sides of a line end or tab; it may be one number or several";

/// Whether a line end (also `<br>`) or a tab separates digits of a text; these do not separate
/// thousands.
#[must_use]
pub fn parts_digits(text: &str) -> bool {
    let breaks = text.replace("<br", "\n");
    let parts =
        breaks.split(['\n', '\r', '\t', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']);
    parts.filter(|part| has_digit(part)).count() > 1
}

/// A text without the note marks at its ends. A raised number after 10 may be an exponent, so it
/// stays.
fn without_marks(text: &str) -> &str {
    let bare = text.trim().trim_start_matches(is_note_mark);
    let cut = bare.trim_end_matches(is_note_mark).trim_end();
    let base = cut.rsplit(|letter: char| !letter.is_ascii_digit()).next();
    if base == Some("10") { bare.trim() } else { cut.trim_start() }
}

/// Whether a text has a digit, also of another script (`１２`) or a fraction, but no note mark and no
/// Roman numeral.
#[must_use]
pub fn has_digit(text: &str) -> bool {
    let of_other_script =
        |c: char| c.is_numeric() && !is_note_mark(c) && !('\u{2160}'..='\u{2188}').contains(&c);
    text.chars().any(|c| c.is_ascii_digit() || of_other_script(c))
}

/// Whether a text looks like a figure: it begins with a number and little follows.
#[must_use]
pub fn looks_like_figure(text: &str) -> bool {
    let (marker, label) = split_marker(text);
    let text = unaccented(if matches!(marker, RowMarker::Number(_)) && !label.is_empty() {
        label
    } else {
        text.trim()
    });
    let text = without_about(without_marks(&text)).1;
    let body = text.trim_start_matches('-');
    let end = body
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ' ')))
        .unwrap_or(body.len());
    let (digits, behind) =
        (body.get(..end).unwrap_or_default(), body.get(end..).unwrap_or_default());
    let time = table_words().cell.times.iter().any(|word| behind.starts_with(word));
    has_digit(digits)
        && !time
        && !behind.starts_with(['/', '-', ')', ':'])
        && behind.split(' ').count() <= 4
}

/// Why a date is not a figure.
pub const DATE: &str = "the cell has a date, a figure is expected";

/// Whether a folded text is a date: `31/10/2021`, `10-2021`, `2021-10-01`.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['/', '-']).map(str::trim).collect();
    let number = |part: &&str| part.parse::<u32>().ok().filter(|_| (1..=4).contains(&part.len()));
    let Some(numbers) = parts.iter().map(number).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let is_year = |number: u32| (1900..=2100).contains(&number);
    match numbers.as_slice() {
        [day, month, year] if is_year(*year) => *day <= 31 && *month <= 12,
        [year, month, day] if is_year(*year) => *day <= 31 && *month <= 12,
        [month, year] if is_year(*year) => *month <= 12,
        [year, month] if is_year(*year) => *month <= 12,
        _ => false,
    }
}

/// Whether a text has a unit of measure of another kind than that of a measure: `500 đồng/người`
/// for a count of documents, `%` for an amount.
#[must_use]
pub fn has_other_unit(text: &str, unit_of_measure: &str) -> bool {
    let folded = unaccented(text);
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_alphabetic() && c != '%')
        .filter(|word| !word.is_empty())
        .collect();
    let units = &table_words().cell;
    // In "hợp đồng", an agreement, the word is no money.
    let compound = |at: usize| {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        before.is_some_and(|word| units.before_money.contains(word))
    };
    let is_money = words.iter().enumerate().any(|(at, word)| {
        units.money.contains(word) && !compound(at)
            || *word == "d" && folded.trim_start().starts_with(|c: char| c.is_ascii_digit())
    });
    let is_time = words.iter().any(|word| units.durations.contains(word))
        && !units.no_durations.iter().any(|other| folded.contains(other));
    let is_percent = folded.contains('%') || folded.contains("phan tram");
    match unit_of_measure {
        "VND" => is_time || is_percent || is_money && folded.contains('/'),
        "percent" => is_money || is_time,
        other if other.contains("minutes") => is_money || is_percent,
        _ => is_money || is_time || is_percent,
    }
}

/// Why a figure with a unit of measure of another kind is not taken.
#[must_use]
pub fn other_unit(text: &str) -> String {
    format!("the unit of measure in {} is not that of the measure", kpi::fault::quoted(text.trim()))
}

/// Whether a folded text means that there is no figure.
fn is_nothing(folded: &str) -> bool {
    let is_mark =
        |c: char| matches!(c, '.' | '…' | '·' | '_' | '/' | '*' | '+' | ' ') || is_dash(c);
    folded.chars().all(is_mark) || table_words().cell.no_figure.contains(folded)
}

/// Whether a character is a dash or a minus sign.
fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}')
}

/// Whether a cell has neither a number nor a text that a reader may take for one.
#[must_use]
pub fn says_nothing(text: &str) -> bool {
    let folded = unaccented(text.trim());
    is_nothing(without_marks(folded.trim_matches(['\'', ' '])))
}

/// Reads a cell.
#[must_use]
pub fn read(text: &str, allowed: AllowedNumber) -> CellContent {
    let folded = unaccented(text.trim());
    let folded = without_marks(folded.trim_matches(['\'', ' ']));
    if table_words().cell.zero.contains(folded) {
        return CellContent::Number {
            written: Decimal64 { mantissa: 0, scale: 0 },
            approximate: false,
        };
    }
    if !has_digit(folded) {
        return if is_nothing(folded) { CellContent::Nothing } else { CellContent::Words };
    }
    if parts_digits(text) {
        return CellContent::Fault(SEVERAL_LINES.to_owned());
    }
    if is_date(folded) {
        return CellContent::Fault(DATE.to_owned());
    }
    let (approximate, body) = without_about(folded);
    let (negative, body) =
        body.strip_prefix('-').map_or((false, body), |rest| (true, rest.trim_start()));
    let end = body
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ' ')))
        .unwrap_or(body.len());
    let digits = body.get(..end).unwrap_or_default().trim_end_matches([' ', '.', ',']);
    let mut behind = body.get(digits.len()..).unwrap_or_default().trim();
    let fault = |why: &str| CellContent::Fault(why.to_owned());
    if digits.is_empty() {
        return fault("the text is not a number");
    }
    let percent = behind.starts_with('%');
    if percent {
        behind = behind.trim_start_matches('%').trim();
    }
    if percent && !allowed.percent {
        return fault("the figure is a percentage, a count is expected");
    }
    let (power, behind) = without_multiplier(behind);
    if !behind.is_empty() && !table_words().cell.units_of_measure.contains(behind) {
        return fault("the cell has more than a number");
    }
    let plain = if power > 0 { AllowedNumber { decimals: None, percent: true } } else { allowed };
    match number(digits, plain, power > 0).map(|written| written.multiplied(power)) {
        Ok(Some(written)) => CellContent::Number {
            written: if negative {
                Decimal64 { mantissa: -written.mantissa, ..written }
            } else {
                written
            },
            approximate,
        },
        Ok(None) => fault("the number is too large"),
        Err(why) => fault(why),
    }
}

/// The power of ten of the word that a text begins with, if it multiplies, and the text behind it.
fn without_multiplier(text: &str) -> (u32, &str) {
    let rest = |word: &str| {
        text.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let mut multipliers = table_words().cell.multipliers.iter();
    multipliers.find_map(|(word, power)| Some((*power, rest(word)?.trim()))).unwrap_or((0, text))
}

/// Whether a text begins with a word for "about", and the rest of it.
fn without_about(text: &str) -> (bool, &str) {
    for word in table_words().cell.approximate.iter() {
        if let Some(rest) =
            text.strip_prefix(word).filter(|rest| rest.starts_with(|c: char| !c.is_alphabetic()))
        {
            return (true, rest.trim_start());
        }
    }
    (false, text)
}

/// Parses digits with separators. A `free` number comes before a multiplier: a comma or point
/// before one or two digits is then a decimal separator.
fn number(text: &str, allowed: AllowedNumber, free: bool) -> Result<Decimal64, &'static str> {
    let text = text.trim();
    let parts: Vec<&str> = text.split(['.', ',', ' ']).collect();
    let separators: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    if parts.iter().any(|part| part.is_empty()) {
        return Err("separators are misplaced");
    }
    let parse = |digits: String| Decimal64::parse(&digits).map_err(|_e| "the number is too large");
    let in_threes = |parts: &[&str]| {
        parts.first().is_some_and(|first| (1..=3).contains(&first.len()) && *first != "0")
            && parts.iter().skip(1).all(|part| part.len() == 3)
    };
    let takes_decimals = free || allowed.decimals.is_none_or(|decimals| decimals > 0);
    let decimal = |whole: String, fraction: &str| {
        if !takes_decimals && fraction.bytes().any(|b| b != b'0') {
            return Err("the number has decimals, a whole number is expected");
        }
        if !takes_decimals {
            return Err("the separator may be for decimals, a whole number is expected");
        }
        parse(format!("{whole}.{fraction}"))
    };
    match (separators.as_slice(), parts.as_slice()) {
        ([], [digits]) => parse((*digits).to_owned()),
        ([','], [whole, fraction]) => {
            if in_threes(&parts) && allowed.decimals.is_some_and(|decimals| decimals < 3) && !free {
                return Err(
                    "the comma may separate thousands or decimals; use a point between thousands",
                );
            }
            decimal((*whole).to_owned(), fraction)
        }
        (['.'], [whole, fraction]) => {
            let threes = in_threes(&parts);
            if threes && (allowed.decimals.is_some_and(|decimals| decimals < 3) && !free) {
                return parse(parts.concat());
            }
            if threes {
                return Err("the point may separate thousands or decimals");
            }
            decimal((*whole).to_owned(), fraction)
        }
        ([' '], _) if in_threes(&parts) => parse(parts.concat()),
        ([first, rest @ ..], _) if rest.iter().all(|other| other == first) => {
            if in_threes(&parts) {
                parse(parts.concat())
            } else {
                Err("the digits are not in groups of three")
            }
        }
        ([rest @ .., ','], [whole @ .., fraction])
            if rest.iter().all(|c| *c != ',') && in_threes(whole) =>
        {
            decimal(whole.concat(), fraction)
        }
        _ => Err("separators are misplaced"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, decimals: Option<u32>, percent: bool) -> String {
        match read(text, AllowedNumber { decimals, percent }) {
            CellContent::Number { written, approximate } => {
                format!("{}{written}", if approximate { "~" } else { "" })
            }
            CellContent::Nothing => "nothing".to_owned(),
            CellContent::Words => "words".to_owned(),
            CellContent::Fault(_) => "fault".to_owned(),
        }
    }

    #[test]
    fn counts_are_read_as_vietnamese_tables_write_them() {
        for (text, expected) in [
            ("23.441", "23441"),
            ("2180", "2180"),
            ("03", "3"),
            ("1.234.567", "1234567"),
            ("1,234,567", "1234567"),
            ("13 594", "13594"),
            ("7.40", "fault"),
            ("7,4", "fault"),
            ("7,0", "fault"),
            ("12,000", "fault"),
            ("1.23.456", "fault"),
            ("78%", "fault"),
            ("khoảng 27", "~27"),
            ("92 tài khoản", "92"),
            ("15 triệu đồng", "15000000"),
            ("1,2 tỷ", "1200000000"),
            ("1.415 thủ tục", "1415"),
            ("5/7", "fault"),
            ("10/2021", "fault"),
            ("", "nothing"),
            ("-", "nothing"),
            ("–", "nothing"),
            ("…", "nothing"),
            ("...", "nothing"),
            ("Không có", "0"),
            ("Không", "0"),
            ("đang rà soát", "words"),
            ("l", "words"),
            ("O", "words"),
            ("lOO", "words"),
            ("|", "words"),
            ("?", "words"),
            ("x", "nothing"),
            ("n/a", "words"),
            ("Không áp dụng", "words"),
            ("null", "nothing"),
            ("—", "nothing"),
            ("− −", "nothing"),
            ("/", "nothing"),
            ("'-'", "nothing"),
            ("-5", "-5"),
            ("99999999999999999999", "fault"),
            ("300\n316", "fault"),
            ("5\t100\n200", "fault"),
            ("1.\r\n234", "fault"),
            ("13\n594 văn bản", "fault"),
            ("316\nvăn bản", "316"),
            ("316¹", "316"),
            ("¹ 1.316", "1316"),
            ("23.441⁽²⁾", "23441"),
            ("10⁶", "fault"),
            ("5.10⁶", "fault"),
            ("１２３", "fault"),
            ("1２", "fault"),
            ("٣١٦", "fault"),
            ("12½", "fault"),
        ] {
            assert_eq!(said(text, Some(0), false), expected, "{text}");
        }
    }

    #[test]
    fn dates_are_named_as_such() {
        for text in ["31/10/2021", "10/2021", "2021-10-01", "10-2021", "01-10-2021"] {
            let said = read(text, AllowedNumber { decimals: Some(0), percent: false });
            assert_eq!(said, CellContent::Fault(DATE.to_owned()), "{text}");
        }
        let other = read("5/7", AllowedNumber { decimals: Some(0), percent: false });
        assert_ne!(other, CellContent::Fault(DATE.to_owned()));
    }

    #[test]
    fn a_unit_of_measure_of_another_kind_is_noticed() {
        for (text, of, expected) in [
            ("500 đồng/người", "count", true),
            ("500 đồng", "count", true),
            ("VNĐ/lượt", "count", true),
            ("phút/ngày", "count", true),
            ("%", "count", true),
            ("văn bản", "count", false),
            ("12 hợp đồng", "count", false),
            ("giấy phép", "count", false),
            ("người", "count", false),
            ("triệu đồng", "VND", false),
            ("đồng/người", "VND", true),
            ("%", "VND", true),
            ("đồng", "percent", true),
            ("%", "percent", false),
            ("phút/ngày", "minutes/day", false),
            ("đồng", "minutes/day", true),
            ("%", "minutes/day", true),
        ] {
            assert_eq!(has_other_unit(text, of), expected, "{text} of {of}");
        }
    }

    #[test]
    fn rates_keep_the_digits_printed() {
        for (text, expected) in [
            ("78,955%", "78.955"),
            ("33,32", "33.32"),
            ("50.81 %", "50.81"),
            ("100%", "100"),
            ("78,950", "78.950"),
            ("33.320%", "fault"),
        ] {
            assert_eq!(said(text, None, true), expected, "{text}");
        }
        assert_eq!(said("khoảng 27,5 phút/ngày", Some(1), false), "~27.5");
        assert_eq!(said("1.415", Some(1), false), "1415");
    }
}
