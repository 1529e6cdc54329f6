//! Reading a number that a person has typed into a field.

use crate::error::Error;
use crate::web::language::PageLanguage;
use kpi::fault::Fault;
use kpi::number::{Decimal64, Statement};
use kpi::observation::names_not_applicable;
use kpi::vietnamese::folding::unaccented;

/// A field of the form, as far as reading it needs to know.
#[derive(Clone, Copy, Debug)]
pub struct FieldKind {
    /// The most decimals; `None` for stated rates.
    pub decimals: Option<u32>,
    /// Whether it is a percentage, which never has thousands.
    pub is_percent: bool,
}

/// Why a text is not a number, in both languages.
pub type NumberProblem = (String, String);

/// Reads a field; `None` where it is empty.
///
/// In Vietnamese a point separates thousands and a comma decimals, in English the other way round.
/// A text that can be read in two ways is an error: `1,234` in a Vietnamese page is not taken for
/// either number.
///
/// # Errors
/// What is wrong with the text.
pub fn read(
    text: &str,
    kind: FieldKind,
    language: PageLanguage,
) -> Result<Option<Statement>, NumberProblem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let plain = unaccented(&text.to_lowercase());
    if matches!(plain.as_str(), "khong phat sinh" | "none") {
        return Ok(Some(Statement::Number(Decimal64 { mantissa: 0, scale: 0 })));
    }
    if names_not_applicable(text) || matches!(plain.as_str(), "khong ap dung" | "not applicable") {
        return Ok(Some(Statement::NotApplicable));
    }
    let digits = text.strip_suffix('%').filter(|_| kind.is_percent).unwrap_or(text).trim_end();
    number(digits, kind, language).map(|number| Some(Statement::Number(number)))
}

/// Reads a number that a form needs, such as a target.
///
/// # Errors
/// What is wrong with the field with this name.
pub fn needed(
    name: &str,
    text: &str,
    kind: FieldKind,
    language: PageLanguage,
) -> Result<Decimal64, Error> {
    let fault = |(vi, en): NumberProblem| {
        let fault = Fault::new(format!("/{name}"), "malformed_number", en).with_vi(vi);
        Error::Invalid(vec![fault])
    };
    match read(text, kind, language) {
        Ok(Some(Statement::Number(number))) => Ok(number),
        Ok(None | Some(Statement::NotApplicable)) => {
            Err(fault(("cần nhập một số".to_owned(), "a number is needed".to_owned())))
        }
        Err(problem) => Err(fault(problem)),
    }
}

fn number(text: &str, kind: FieldKind, language: PageLanguage) -> Result<Decimal64, NumberProblem> {
    let (thousands, point) = language.say(('.', ','), (',', '.'));
    let (sign, rest) = match text.strip_prefix(['-', '−']) {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let blanks = ['\u{a0}', '\u{202f}', ' '];
    let malformed = || {
        (
            format!("“{text}” không phải là số; nhập số, “không phát sinh” hoặc “không áp dụng”"),
            format!("“{text}” is not a number; enter a number, “none” or “n/a”"),
        )
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !rest.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',' || blanks.contains(&c))
        || !rest.starts_with(|c: char| c.is_ascii_digit())
        || !rest.ends_with(|c: char| c.is_ascii_digit())
    {
        return Err(malformed());
    }
    let parse = |digits: String| {
        Decimal64::parse(&format!("{sign}{digits}")).map_err(|_too_large| malformed())
    };
    // A percentage has no thousands: either sign separates decimals.
    if kind.is_percent && rest.chars().filter(|c| !c.is_ascii_digit()).count() <= 1 {
        let plain: String = rest.chars().map(|c| if c == ',' { '.' } else { c }).collect();
        return if plain.contains(blanks) { Err(malformed()) } else { parse(plain) };
    }
    let (whole, decimals) = match rest.split_once(point) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (rest, None),
    };
    let separators: Vec<char> = whole.chars().filter(|c| !c.is_ascii_digit()).collect();
    let one_kind = separators.windows(2).all(|pair| pair.first() == pair.last());
    let groups: Vec<&str> = whole.split(|c: char| c == thousands || blanks.contains(&c)).collect();
    let grouped = groups.iter().skip(1).all(|group| group.len() == 3 && is_number(group))
        && groups
            .first()
            .is_some_and(|first| is_number(first) && first.len() <= 3 || groups.len() == 1)
        && groups.iter().all(|group| is_number(group))
        && one_kind;
    if !grouped || decimals.is_some_and(|decimals| !is_number(decimals)) {
        return Err(malformed());
    }
    let whole: String = groups.concat();
    let Some(decimals) = decimals else { return parse(whole) };
    if kind.decimals == Some(0) && decimals.len() == 3 && groups.len() == 1 {
        let other = format!("{whole}{thousands}{decimals}");
        return Err((
            format!("{text}: nghìn hay thập phân? Nhập {whole}{decimals} hoặc {other}."),
            format!("{text}: thousands or decimals? Enter {whole}{decimals} or {other}."),
        ));
    }
    parse(format!("{whole}.{decimals}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: FieldKind = FieldKind { decimals: Some(0), is_percent: false };
    const AVERAGE: FieldKind = FieldKind { decimals: Some(2), is_percent: false };
    const RATE: FieldKind = FieldKind { decimals: None, is_percent: true };

    fn vi(text: &str, kind: FieldKind) -> Option<String> {
        shown(read(text, kind, PageLanguage::Vi))
    }

    fn en(text: &str, kind: FieldKind) -> Option<String> {
        shown(read(text, kind, PageLanguage::En))
    }

    fn shown(read: Result<Option<Statement>, NumberProblem>) -> Option<String> {
        match read {
            Ok(None) => Some(String::new()),
            Ok(Some(Statement::Number(number))) => Some(number.to_string()),
            Ok(Some(Statement::NotApplicable)) => Some("n/a".to_owned()),
            Err(_) => None,
        }
    }

    #[test]
    fn numbers_are_read_in_the_notation_of_the_page() {
        for (text, number) in [
            ("512", "512"),
            (" 1.234 ", "1234"),
            ("1 234 567", "1234567"),
            ("12.345.678", "12345678"),
            ("-5", "-5"),
            ("không phát sinh", "0"),
            ("Khong phat sinh", "0"),
            ("KHÔNG ÁP DỤNG", "n/a"),
            ("n/a", "n/a"),
            ("", ""),
            ("  ", ""),
        ] {
            assert_eq!(vi(text, COUNT).as_deref(), Some(number), "{text}");
        }
        assert_eq!(en("1,234", COUNT).as_deref(), Some("1234"));
        assert_eq!(en("none", COUNT).as_deref(), Some("0"));
        assert_eq!(vi("12,5", AVERAGE).as_deref(), Some("12.5"));
        assert_eq!(vi("1.234,5", AVERAGE).as_deref(), Some("1234.5"));
        assert_eq!(en("1,234.5", AVERAGE).as_deref(), Some("1234.5"));
        for text in ["78,955", "78.955", "78,955%", "78,955 %"] {
            assert_eq!(vi(text, RATE).as_deref(), Some("78.955"), "{text}");
        }
    }

    #[test]
    fn a_text_with_two_meanings_is_an_error() {
        let (told, _) = read("1,234", COUNT, PageLanguage::Vi).unwrap_err();
        assert_eq!(told, "1,234: nghìn hay thập phân? Nhập 1234 hoặc 1.234.");
        let (_, told) = read("1.234", COUNT, PageLanguage::En).unwrap_err();
        assert_eq!(told, "1.234: thousands or decimals? Enter 1234 or 1,234.");
    }

    #[test]
    fn other_texts_are_errors() {
        for text in [
            "khoảng 5",
            "5+",
            "1.23",
            "12.34.567",
            "1.2345",
            "1..234",
            "1.234 567",
            "12 34",
            "1,2,3",
            "٣",
            "5.",
            ".5",
            "5,",
            "--5",
            "1e3",
            "½",
            "5 000 00",
        ] {
            assert_eq!(vi(text, COUNT), None, "{text}");
        }
        assert_eq!(vi("1.234.5", RATE), None);
    }
}
