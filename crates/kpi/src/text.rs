//! Checks of free text that is recorded and shown to people, such as reasons, references, names and
//! notes. Invisible characters are refused.

use serde_json::Value;

use super::fault::Fault;

/// Whether a character is invisible or changes how its neighbours are shown: control characters,
/// zero-width characters, marks and overrides of the writing direction, fillers, tags, variation
/// selectors, line and paragraph separators, private use and noncharacters. (Unicode: `Cc`, `Cf`,
/// `Zl`, `Zp`, `Co`, `Default_Ignorable_Code_Point`, and the blank of Braille.)
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{0600}'..='\u{0605}' | '\u{061C}' | '\u{06DD}' | '\u{070F}'
            | '\u{0890}' | '\u{0891}' | '\u{08E2}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
            | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
        || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Whether a text has no visible character: it is empty or has only blanks and invisible
/// characters.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_hidden(c))
}

/// The text, or `None` when it has no visible character.
#[must_use]
pub fn none_if_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !is_blank(text))
}

/// The visible characters of a text from another system, such as a name in a token, without blanks
/// around them.
#[must_use]
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_hidden(*c)).collect::<String>().trim().to_owned()
}

/// Which invisible characters a text may contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineBreaks {
    /// None: the text is one line, such as a name.
    One,
    /// Line breaks and tabs, as in notes.
    Many,
}

/// The first invisible character of a text that is not allowed: code, and sentences in English and
/// in Vietnamese.
#[must_use]
pub fn find_hidden(text: &str, lines: LineBreaks) -> Option<(&'static str, String, String)> {
    let (place, found) = text.chars().enumerate().find(|(_, c)| {
        is_hidden(*c) && (lines == LineBreaks::One || !matches!(c, '\n' | '\r' | '\t'))
    })?;
    let (code, number) = (
        if found.is_control() { "control_character" } else { "invisible_character" },
        format!("U+{:04X}", u32::from(found)),
    );
    let place = place + 1;
    let (besides, besides_vi) = match lines {
        LineBreaks::One => ("", ""),
        LineBreaks::Many => (" except line breaks and tabs", " ngoài dấu xuống dòng và dấu tab"),
    };
    let detail = format!(
        "character {place} is {number}, which is invisible; invisible characters are not \
         allowed{besides}"
    );
    Some((
        code,
        detail,
        format!(
            "ký tự thứ {place} là {number}, không nhìn thấy được; không được dùng ký tự không nhìn \
             thấy{besides_vi}"
        ),
    ))
}

/// The error of a text that contains an invisible character.
#[must_use]
pub fn hidden_fault(pointer: impl Into<String>, text: &str, lines: LineBreaks) -> Option<Fault> {
    find_hidden(text, lines).map(|(code, detail, vi)| Fault::new(pointer, code, detail).with_vi(vi))
}

/// The errors of all texts in a JSON value that contain invisible characters; pointers begin with
/// `place`. Texts may have several lines.
#[must_use]
pub fn hidden_faults(place: &str, value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(place, value, &mut faults);
    faults
}

fn visit(place: &str, value: &Value, faults: &mut Vec<Fault>) {
    match value {
        Value::String(text) => faults.extend(hidden_fault(place, text, LineBreaks::Many)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(n, value)| visit(&format!("{place}/{n}"), value, faults)),
        Value::Object(fields) => {
            for (name, value) in fields {
                faults.extend(hidden_fault(place, name, LineBreaks::One));
                visit(
                    &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")),
                    value,
                    faults,
                );
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_reported_by_position_and_code_point() {
        for (text, code) in [
            ("a\u{0}", "control_character"),
            ("a\u{1b}[2J", "control_character"),
            ("a\u{200b}b", "invisible_character"),
            ("\u{202e}abc", "invisible_character"),
            ("a\u{2066}b\u{2069}", "invisible_character"),
            ("\u{feff}a", "invisible_character"),
            ("a\u{ad}b", "invisible_character"),
            ("a\u{3164}", "invisible_character"),
            ("a\u{e0041}", "invisible_character"),
            ("a\u{fe0f}", "invisible_character"),
            ("a\u{2028}b", "invisible_character"),
            ("a\u{1fffe}", "invisible_character"),
        ] {
            let (found, detail, vi) =
                find_hidden(text, LineBreaks::Many).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(found, code, "{text:?}");
            assert!(detail.contains("U+") && vi.contains("U+"), "{detail} {vi}");
        }
        let fault = hidden_fault("/reason", "ab\u{200b}", LineBreaks::One).unwrap();
        assert!(fault.detail.starts_with("character 3 is U+200B"), "{fault:?}");
        assert!(fault.detail_vi.unwrap().starts_with("ký tự thứ 3 là U+200B"));
    }

    #[test]
    fn letters_marks_and_symbols_are_visible() {
        for text in [
            "Nguyễn Thị Ánh",
            "Nguye\u{302}\u{303}n",
            "Điều chỉnh số liệu (lần 2) – 12,5 %",
            "日本語 한국어 العربية 😀",
            "a\u{a0}b",
            "₫ • “x” …",
        ] {
            assert_eq!(find_hidden(text, LineBreaks::One), None, "{text}");
        }
        assert_eq!(find_hidden("a\nb\r\n\tc", LineBreaks::Many), None);
        assert!(find_hidden("a\nb", LineBreaks::One).is_some());
    }

    #[test]
    fn every_text_of_a_document_is_checked() {
        let document = serde_json::json!({
            "name": { "vi": "a\u{200b}", "en": "b" },
            "labels": ["x", "\u{202e}y"],
            "a/b": "\u{feff}",
            "note": "1\n2",
            "n": 1
        });
        let mut places: Vec<String> =
            hidden_faults("/units/0", &document).into_iter().map(|fault| fault.pointer).collect();
        places.sort();
        assert_eq!(places, ["/units/0/a~1b", "/units/0/labels/1", "/units/0/name/vi"]);
    }

    #[test]
    fn a_text_without_visible_characters_is_blank() {
        for blank in
            ["", " ", "\u{200b}", "\u{a0}\u{3000}", "\n\t", "\u{2800}\u{3164}", "\u{feff} \u{202e}"]
        {
            assert_eq!(none_if_blank(Some(blank.to_owned())), None, "{blank:?}");
        }
        assert_eq!(none_if_blank(Some(" a ".to_owned())).as_deref(), Some(" a "));
        assert_eq!(visible(" A\u{7}n\u{200b}h "), "Anh");
    }
}
