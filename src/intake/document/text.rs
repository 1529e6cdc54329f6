//! Bytes to text: UTF-8 and UTF-16, Unicode NFC, line ends as `\n`, nothing invisible.

use unicode_normalization::UnicodeNormalization;

use super::{Refusal, limits};

/// The text of a file.
///
/// # Errors
/// `not_utf8` where it is neither UTF-8 nor UTF-16 with a byte-order mark, `not_text` where it holds NUL characters, `too_large` where it is too long.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Refusal> {
    let text = unicode(bytes)?;
    if text.contains('\0') {
        return Err(Refusal::new(
            "not_text",
            "the file holds NUL characters, so it is no text (or UTF-16 without a byte-order mark): save it as UTF-8",
        ));
    }
    bounded(clean(&text))
}

/// The characters of a file as they are.
///
/// # Errors
/// `not_utf8` where it is neither UTF-8 nor UTF-16 with a byte-order mark.
pub(super) fn unicode(bytes: &[u8]) -> Result<String, Refusal> {
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

/// The text itself, unless it is longer than [`limits::TEXT_CHARS`].
pub(super) fn bounded(text: String) -> Result<String, Refusal> {
    if text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS {
        return Err(Refusal::new(
            "too_large",
            format!("the text has more than {} characters", limits::TEXT_CHARS),
        ));
    }
    Ok(text)
}

fn utf8(bytes: &[u8]) -> Result<String, Refusal> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        let detail =
            format!("line {line} is not UTF-8: save the file as UTF-8 (TCVN3, VNI, windows-1258 and UTF-16 without a byte-order mark are not guessed)");
        Refusal::new("not_utf8", detail)
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refusal> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let decoded: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match decoded {
        Ok(text) if rest.is_empty() => Ok(text),
        Ok(_) | Err(_) => Err(Refusal::new(
            "not_utf8",
            "the file begins like UTF-16 but is broken: save it as UTF-8",
        )),
    }
}

/// Text as all readers give it: NFC, whatever order the marks of a letter were typed in; line ends as `\n`; without zero-width characters,
/// soft hyphens and control characters other than tab. The Icelandic `Ð`, a usual slip for the Vietnamese `Đ`, is the latter.
/// Spaces stay as they are.
pub(super) fn clean(text: &str) -> String {
    if text.is_ascii()
        && !text.bytes().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t'))
    {
        return text.to_owned();
    }
    let mut last_return = false;
    let lines = text.chars().filter_map(move |letter| {
        let after_return = std::mem::replace(&mut last_return, letter == '\r');
        match letter {
            '\n' if after_return => None,
            '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
            '\t' => Some('\t'),
            'Ð' | '\u{189}' => Some('Đ'),
            letter if invisible(letter) || letter.is_control() => None,
            letter => Some(letter),
        }
    });
    let mut tones = String::new();
    let mut turned = String::with_capacity(text.len());
    for letter in lines.nfd() {
        match letter {
            // Tones typed before the vowel's own mark: NFC would keep them apart.
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

/// Characters that nobody sees: zero-width ones, marks of direction, the soft hyphen.
pub(super) fn invisible(letter: char) -> bool {
    matches!(letter, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_line_ends_come_out_alike_however_they_were_typed() {
        for text in [
            "tỷ lệ ế",
            "ty\u{309} le\u{302}\u{323} e\u{302}\u{301}",
            "tỷ le\u{323}\u{302} é\u{302}",
            "tỷ lệ \u{FEFF}ế\u{AD}",
        ] {
            assert_eq!(clean(text), "tỷ lệ ế", "{text:?}");
        }
        // Cleaned once is cleaned for good, however many marks there are.
        let marks = clean("e\u{303}\u{303}\u{302}\u{303}\u{302}");
        assert_eq!(clean(&marks), marks);
        assert_eq!(clean("a\r\nb\rc\u{2028}d\u{7}\te\r\r\n"), "a\nb\nc\nd\te\n\n");
        assert_eq!(clean("7.401\u{a0}tài\u{2009}khoản Ðiện"), "7.401\u{a0}tài\u{2009}khoản Điện");
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
    fn a_text_at_the_bound_is_read_and_one_beyond_is_not() {
        assert!(decode("ế".repeat(limits::TEXT_CHARS).as_bytes()).is_ok());
        assert_eq!(
            decode("ế".repeat(limits::TEXT_CHARS + 1).as_bytes()).unwrap_err().code,
            "too_large"
        );
    }

    #[test]
    fn a_letter_with_endless_marks_takes_no_endless_time() {
        let began = std::time::Instant::now();
        let marks: String = std::iter::once('e')
            .chain("\u{301}\u{323}\u{302}".chars().cycle().take(3_000_000))
            .collect();
        assert!(decode(marks.as_bytes()).is_ok());
        assert!(began.elapsed() < limits::TIME);
    }
}
