//! Decoding of text: UTF-8 or UTF-16 becomes Unicode NFC with `\n` as line end and without
//! invisible characters.

use unicode_normalization::UnicodeNormalization;

use super::{DocumentError, limits};

/// The text of a file.
///
/// # Errors
/// `not_utf8` when it is neither UTF-8 nor UTF-16 with a byte-order mark, `not_text` when it has
/// NUL characters, `damaged_text` when it was decoded wrongly, `too_large` when it is too long.
pub(super) fn decode(bytes: &[u8]) -> Result<String, DocumentError> {
    let text = unicode(bytes)?;
    if text.contains('\0') {
        return Err(DocumentError::new(
            "not_text",
            "the file has NUL characters, so it is not text, or UTF-16 without a byte-order mark; \
             save it as UTF-8",
        ));
    }
    // Cleaning removes control characters, which some of the damaged letters have.
    if let Some(word) = super::damage::find_damage(&text) {
        return Err(super::damaged(&word));
    }
    bounded(clean(&text))
}

/// The characters of a file, unchanged.
///
/// # Errors
/// `not_utf8` when it is neither UTF-8 nor UTF-16 with a byte-order mark.
pub(super) fn unicode(bytes: &[u8]) -> Result<String, DocumentError> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

/// The text, unless it is longer than [`limits::TEXT_CHARS`].
pub(super) fn bounded(text: String) -> Result<String, DocumentError> {
    if text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS {
        return Err(DocumentError::new(
            "too_large",
            format!("the text has more than {} characters", limits::TEXT_CHARS),
        ));
    }
    Ok(text)
}

fn utf8(bytes: &[u8]) -> Result<String, DocumentError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let detail = format!(
            "line {line} is not UTF-8; save the file as UTF-8 (TCVN3, VNI, windows-1258 and UTF-16 \
             without a byte-order mark are not detected)"
        );
        DocumentError::new("not_utf8", detail)
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DocumentError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let decoded: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match decoded {
        Ok(text) if rest.is_empty() => Ok(text),
        Ok(_) | Err(_) => Err(DocumentError::new(
            "not_utf8",
            "the file begins like UTF-16 but is broken; save it as UTF-8",
        )),
    }
}

/// The form of text that all readers return: NFC, whatever the order in which the marks of a letter
/// were typed; `\n` as line end; no zero-width characters, soft hyphens and control characters
/// except tab. The Icelandic `Ð` and `ð`, often typed by mistake, become the Vietnamese `Đ` and
/// `đ`. Spaces are unchanged.
pub(super) fn clean(text: &str) -> String {
    if text.is_ascii()
        && !text.bytes().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t'))
    {
        return text.to_owned();
    }
    let text = &without_overlaid(text);
    let mut last_return = false;
    let lines = text.chars().filter_map(move |letter| {
        let after_return = std::mem::replace(&mut last_return, letter == '\r');
        match letter {
            '\n' if after_return => None,
            '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            '\t' => Some('\t'),
            'Ð' | '\u{189}' => Some('Đ'),
            'ð' | '\u{256}' => Some('đ'),
            letter if is_invisible(letter) || letter.is_control() => None,
            letter => Some(letter),
        }
    });
    let mut tones = String::new();
    let mut turned = String::with_capacity(text.len());
    for letter in lines.nfd() {
        match letter {
            // A tone mark typed before the mark of the vowel, which NFC would keep apart.
            '\u{302}' | '\u{306}' => turned.push(letter),
            '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' => tones.push(letter),
            letter => {
                turned.push_str(&tones);
                tones.clear();
                turned.push(letter);
            }
        }
    }
    turned.push_str(&tones);
    turned.nfc().collect()
}

/// The vertical position of a letter in its line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum TextLevel {
    /// On the line.
    #[default]
    Line,
    /// Above it: a superscript, or a raised text.
    Raised,
    /// Below it: a subscript, or a lowered text.
    Lowered,
}

/// A text at its vertical position in the line. Digits and brackets of note marks (`316` with a
/// raised `1`) become the characters that Unicode has for them, so that they are not read as digits
/// of the number beside them. Other letters are unchanged.
pub(super) fn at_level(text: &str, level: TextLevel) -> String {
    let signs = match level {
        TextLevel::Line => return text.to_owned(),
        TextLevel::Raised => "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾",
        TextLevel::Lowered => "₀₁₂₃₄₅₆₇₈₉₊₋₍₎",
    };
    let sign = |letter: char| {
        "0123456789+-()".chars().zip(signs.chars()).find(|(plain, _)| *plain == letter)
    };
    text.chars().map(|letter| sign(letter).map_or(letter, |(_, sign)| sign)).collect()
}

/// Whether a letter may be part of a number.
fn is_numeric(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '.' | ',')
}

/// Joins two texts between which a struck-out text was left out. Parts of numbers on both sides
/// stay apart: without the text between them they are not certainly one number.
pub(super) fn push_after_gap(text: &mut String, next: &str) {
    let apart = text.ends_with(is_numeric) && next.starts_with(is_numeric);
    text.extend(apart.then_some(' '));
    text.push_str(next);
}

/// The lines of a cell in one text. They are joined with a blank, but a line end between two digits
/// is kept: `300` above `316` is not 300316.
pub(super) fn cell_text(text: &str) -> String {
    let mut joined = String::new();
    for line in text.split(['\n', '\t']).map(str::trim).filter(|line| !line.is_empty()) {
        let apart = joined.ends_with(is_numeric) && line.starts_with(is_numeric);
        joined.extend((!joined.is_empty()).then_some(if apart { '\n' } else { ' ' }));
        joined.push_str(line);
    }
    joined
}

/// A text without the letters that are struck out with the combining long stroke, and the digits
/// with any combining stroke.
fn without_overlaid(text: &str) -> std::borrow::Cow<'_, str> {
    let strokes = |letter: char| matches!(letter, '\u{335}'..='\u{338}');
    if !text.contains(strokes) {
        return text.into();
    }
    let (mut found, mut gap) = (String::with_capacity(text.len()), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let struck = letters
            .peek()
            .is_some_and(|next| *next == '\u{336}' || (letter.is_ascii_digit() && strokes(*next)));
        if struck {
            letters.next();
            gap = true;
        } else if std::mem::take(&mut gap) {
            push_after_gap(&mut found, letter.encode_utf8(&mut [0; 4]));
        } else {
            found.push(letter);
        }
    }
    found.into()
}

/// Whether a character is invisible: zero-width characters, marks of writing direction, the soft
/// hyphen.
pub(super) fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diacritics_and_line_ends_are_normalized() {
        for text in [
            "tỷ lệ ế",
            "ty\u{309} le\u{302}\u{323} e\u{302}\u{301}",
            "tỷ le\u{323}\u{302} é\u{302}",
            "tỷ lệ \u{FEFF}ế\u{AD}",
        ] {
            assert_eq!(clean(text), "tỷ lệ ế", "{text:?}");
        }
        // Cleaning a text again does not change it, however many marks it has.
        let marks = clean("e\u{303}\u{303}\u{302}\u{303}\u{302}");
        assert_eq!(clean(&marks), marks);
        assert_eq!(clean("a\r\nb\rc\u{2028}d\u{7}\te\r\r\n"), "a\nb\nc\nd\te\n\n");
        assert_eq!(clean("7.401\u{a0}tài\u{2009}khoản Ðiện"), "7.401\u{a0}tài\u{2009}khoản Điện");
        assert_eq!(
            clean("Đi 3\u{336}0\u{336}0\u{336}316, 2\u{338}7, 2 1\u{335}3"),
            "Đi 316, 7, 2 3"
        );
        assert_eq!(clean("2 7\u{336}"), "2 ");
        assert_eq!(clean("Văn bản ði, \u{189}ơn, \u{256}ạt"), "Văn bản đi, Đơn, đạt");
    }

    #[test]
    fn only_line_ends_between_digits_are_kept_in_a_cell() {
        for (text, expected) in [
            ("300\n316", "300\n316"),
            ("5\t100\n200", "5\n100\n200"),
            ("1.\n234", "1.\n234"),
            ("Văn bản\n đi", "Văn bản đi"),
            ("316\nvăn bản", "316 văn bản"),
            ("\n\t", ""),
        ] {
            assert_eq!(cell_text(text), expected, "{text:?}");
        }
    }

    #[test]
    fn utf8_and_marked_utf16_are_read_and_anything_else_is_refused() {
        let text = "Tổng số: 7.401 🙂";
        let wide: Vec<u16> = text.encode_utf16().collect();
        let little =
            [vec![0xFF, 0xFE], wide.iter().flat_map(|unit| unit.to_le_bytes()).collect()].concat();
        let big =
            [vec![0xFE, 0xFF], wide.iter().flat_map(|unit| unit.to_be_bytes()).collect()].concat();
        for bytes in [text.as_bytes(), format!("\u{FEFF}{text}").as_bytes(), &little, &big] {
            assert_eq!(decode(bytes).unwrap(), text);
        }
        assert_eq!(decode(b"a\nT\xF2ng").unwrap_err().code, "not_utf8");
        assert!(decode(b"a\nT\xF2ng").unwrap_err().detail.starts_with("line 2 "));
        assert_eq!(decode(&little[..little.len() - 1]).unwrap_err().code, "not_utf8");
        assert_eq!(decode(&little[2..]).unwrap_err().code, "not_utf8");
        assert_eq!(decode(b"a\0b\0").unwrap_err().code, "not_text");
    }

    #[test]
    fn a_text_at_the_limit_is_read_and_a_longer_one_is_refused() {
        assert!(decode("ế".repeat(limits::TEXT_CHARS).as_bytes()).is_ok());
        assert_eq!(
            decode("ế".repeat(limits::TEXT_CHARS + 1).as_bytes()).unwrap_err().code,
            "too_large"
        );
    }

    #[test]
    fn a_letter_with_many_combining_marks_is_read_in_linear_time() {
        let began = std::time::Instant::now();
        let marks: String = std::iter::once('e')
            .chain("\u{301}\u{323}\u{302}".chars().cycle().take(3_000_000))
            .collect();
        assert!(decode(marks.as_bytes()).is_ok());
        assert!(began.elapsed() < limits::TIME);
    }
}
