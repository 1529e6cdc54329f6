//! Forms of Vietnamese words for comparisons.
//!
//! Letter case, Unicode form and spaces are ignored. So is the place of the tone mark (`hoà`,
//! `hòa`), and `i` is the same as `y` where both are written (`kí`, `ký`). Abbreviations of
//! official texts are spelled out.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::word_lists::vietnamese_words;

/// The abbreviations of official texts with `d` for `đ`, so that `TTDT` is found like `TTĐT`.
static SPELLED_OUT: LazyLock<HashMap<String, &str>> = LazyLock::new(|| {
    let abbreviations = &vietnamese_words().abbreviations;
    abbreviations.iter().map(|(short, long)| (short.replace('đ', "d"), long.as_str())).collect()
});

/// The spelling in which words are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spelling {
    /// Diacritics count.
    Marked,
    /// Diacritics are removed, for texts that were typed without them.
    Plain,
}

impl Spelling {
    /// The spelling in which a text was typed.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.is_ascii() && text.bytes().any(|b| b.is_ascii_alphabetic()) {
            Self::Plain
        } else {
            Self::Marked
        }
    }
}

/// The normal form of a word: NFC, lower case, the tone mark at its traditional place (`hoà`
/// becomes `hòa`), and `y` instead of `i` where both are written (`kí` becomes `ký`).
///
/// ```
/// use kpi::vietnamese::folding::folded;
/// assert_eq!(folded("Luỹ"), folded("lũy"));
/// assert_eq!(folded("HOÀ"), "hòa");
/// assert_eq!(folded("hoàn"), "hoàn");
/// assert_eq!(folded("Tỉ"), "tỷ");
/// assert_eq!(folded("Ði"), "đi");
/// ```
#[must_use]
pub fn folded(word: &str) -> String {
    if word.is_ascii() {
        return with_y(word.to_ascii_lowercase());
    }
    // Old fonts and converters write the letter eth for đ.
    let with_d = |c: char| if c == 'ð' { 'đ' } else { c };
    let lower: String = word.nfc().flat_map(char::to_lowercase).map(with_d).nfc().collect();
    let (mut letters, mut tones) = (String::new(), Vec::new());
    for c in lower.nfd() {
        if is_tone(c) { tones.push(c) } else { letters.push(c) }
    }
    let letters = with_y(letters.nfc().collect());
    match tones.as_slice() {
        [] => letters,
        [tone] => toned(&letters, *tone).unwrap_or(lower),
        _ => lower,
    }
}

/// The tone marks: grave, acute, tilde, hook above, dot below.
fn is_tone(c: char) -> bool {
    matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')
}

/// A word without tone mark, with `y` for a final `i` after one of the consonants that both letters
/// follow.
fn with_y(word: String) -> String {
    match word.as_bytes() {
        [b'h' | b'k' | b'l' | b'm' | b's' | b't', b'i'] => word.replace('i', "y"),
        _ => word,
    }
}

/// A word with a tone mark at its traditional place; `None` when it is not one
/// syllable.
fn toned(letters: &str, tone: char) -> Option<String> {
    let is_vowel = |c: char| matches!(strip_marks(c), 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let letters: Vec<char> = letters.chars().collect();
    let mut first = letters.iter().position(|c| is_vowel(*c))?;
    // In `qu` and `gi` before a vowel the second letter belongs to the consonant.
    if let [.., consonant, vowel] = letters.get(..=first)?
        && matches!((consonant, vowel), ('q', 'u') | ('g', 'i'))
        && letters.get(first + 1).is_some_and(|c| is_vowel(*c))
    {
        first += 1;
    }
    let vowels = letters.get(first..)?.iter().take_while(|c| is_vowel(**c)).count();
    if letters.iter().skip(first + vowels).any(|c| is_vowel(*c)) {
        return None;
    }
    let marked = letters.get(first..first + vowels)?.iter().rposition(|c| strip_marks(*c) != *c);
    let closed = first + vowels < letters.len();
    let place = first
        + marked.unwrap_or(match vowels {
            _ if closed => vowels - 1,
            3 => 1,
            _ => 0,
        });
    let (before, behind) = letters.split_at(place + 1);
    Some(before.iter().chain([&tone]).chain(behind).copied().nfc().collect())
}

/// The words of which a folded word is the abbreviation, or the word itself.
#[must_use]
pub fn spelled_out(word: &str) -> &str {
    let known = if word.contains('đ') {
        // "tcđ" is not "tcd", "tiếp công dân".
        let has_initials =
            |long: &str| long.split(' ').filter_map(|word| word.chars().next()).eq(word.chars());
        SPELLED_OUT.get(word.replace('đ', "d").as_str()).filter(|long| has_initials(long))
    } else {
        SPELLED_OUT.get(word)
    };
    known.copied().unwrap_or(word)
}

/// The words of a sentence, folded, without punctuation. An address such as `mail.travinh.gov.vn`
/// is one word.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut word, mut characters) = (String::new(), text.chars().peekable());
    while let Some(c) = characters.next() {
        let joins = matches!(c, '.' | '@')
            && !word.is_empty()
            && word.is_ascii()
            && characters.peek().is_some_and(char::is_ascii_alphanumeric);
        if (c.is_alphanumeric() && !is_note_mark(c)) || is_mark(c) || joins {
            word.push(c);
        } else if !word.is_empty() {
            push_words(&std::mem::take(&mut word), Spelling::Marked, &mut found);
        }
    }
    if !word.is_empty() {
        push_words(&word, Spelling::Marked, &mut found);
    }
    found
}

/// The words of a label, folded, without punctuation. Letters and digits are different words:
/// `mức4` is `mức 4`.
#[must_use]
pub fn label_words(text: &str, spelling: Spelling) -> Vec<String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for c in text.nfc().chain(std::iter::once(' ')) {
        let joins = word.chars().last().is_none_or(|last| last.is_numeric() == c.is_numeric());
        let letter = c.is_alphanumeric() && !is_note_mark(c);
        if letter && joins {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            push_words(&std::mem::take(&mut word), spelling, &mut found);
        }
        if letter {
            word.push(c);
        }
    }
    found
}

fn push_words(word: &str, spelling: Spelling, found: &mut Vec<String>) {
    let word = folded(word);
    found.extend(spelled_out(&word).split(' ').map(|word| match spelling {
        Spelling::Marked => word.to_owned(),
        Spelling::Plain => word.chars().map(strip_marks).collect(),
    }));
}

/// A text in lower case without diacritics, with one character for each character of the text in
/// NFC.
#[must_use]
pub fn unaccented(text: &str) -> String {
    text.nfc()
        .map(|c| strip_marks(c).to_lowercase().next().unwrap_or(c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// A letter without its diacritics.
#[must_use]
pub fn strip_marks(c: char) -> char {
    match c {
        'đ' | 'ð' => 'd',
        'Đ' | 'Ð' => 'D',
        c => std::iter::once(c).nfd().next().unwrap_or(c),
    }
}

/// Whether a character is a raised or lowered sign, as of a note mark (`316¹`). Such signs are
/// not part of a number or a word.
#[must_use]
pub fn is_note_mark(c: char) -> bool {
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾₀₁₂₃₄₅₆₇₈₉₊₋₍₎".contains(c)
}

/// Whether a character is a mark that combines with the letter before it.
#[must_use]
pub fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_marks_are_no_part_of_words() {
        assert_eq!(label_words("Văn bản đi¹", Spelling::Marked), ["văn", "bản", "đi"]);
        assert_eq!(words("Văn bản đi⁽²⁾: 316¹"), ["văn", "bản", "đi", "316"]);
        assert_eq!(label_words("H₂O", Spelling::Marked), ["h", "o"]);
    }

    #[test]
    fn an_abbreviation_with_another_d_is_not_spelled_out() {
        assert_eq!(spelled_out("ttđt"), "thông tin điện tử");
        assert_eq!(spelled_out("ttdt"), "thông tin điện tử");
        assert_eq!(spelled_out("tcd"), "tiếp công dân");
        assert_eq!(spelled_out("tcđ"), "tcđ");
        assert_eq!(spelled_out("đvc"), "đvc");
    }

    #[test]
    fn case_normal_form_spaces_and_tone_placement_are_ignored() {
        let marked = |text: &str| label_words(text, Spelling::Marked);
        let nfd: String = "Hồ sơ  tiếp\u{a0}NHẬN".nfd().collect();
        assert_eq!(marked(&nfd), marked("hồ sơ tiếp nhận"));
        assert_eq!(marked("hoà, thuỷ"), marked("Hòa thủy"));
        assert_eq!(marked("ký số, tỷ lệ"), marked("kí số tỉ lệ"));
        assert_ne!(marked("hồ"), marked("hô"));
        assert_eq!(marked("HS mức4"), marked("hồ sơ mức 4"));
        assert_eq!(
            label_words("ho so tiep nhan", Spelling::Plain),
            label_words("Hồ sơ tiếp nhận", Spelling::Plain)
        );
    }

    #[test]
    fn the_tone_mark_is_at_its_traditional_place() {
        let written = "của được giấy giữa gìn giếng giỏi hoàn hòa khuỷu khuyến kỳ lý loại nghĩa \
                       nghị người nước ngoài quốc quý quỹ quyết quá rượu thị thuế thủy ủy xoáy ý";
        for word in written.split_whitespace() {
            assert_eq!(folded(word), word);
        }
        for (written, folded_form) in
            [("hoà", "hòa"), ("uỷ", "ủy"), ("khoẻ", "khỏe"), ("qúy", "quý"), ("hòan", "hoàn")]
        {
            assert_eq!(folded(written), folded_form);
        }
    }

    #[test]
    fn abbreviations_are_the_same_with_and_without_the_stroke_of_the_d_in_sentences_and_labels() {
        for (short, long) in [
            ("Trang TTĐT", "trang thông tin điện tử"),
            ("trang ttdt", "trang thông tin điện tử"),
            ("QĐ của UBND", "quyết định của ủy ban nhân dân"),
            ("VB CDDH", "văn bản chỉ đạo điều hành"),
        ] {
            let words_of = |text: &str| {
                [
                    words(text),
                    label_words(text, Spelling::Marked),
                    label_words(text, Spelling::Plain),
                ]
            };
            assert_eq!(words_of(short), words_of(long), "{short}");
        }
    }

    #[test]
    fn text_without_diacritics_keeps_the_number_of_letters() {
        let text: String = "Đơn vị: Sở Thông tin\u{a0}và Truyền thông".nfd().collect();
        assert_eq!(unaccented(&text), "don vi: so thong tin va truyen thong");
        assert_eq!(unaccented(&text).chars().count(), text.nfc().count());
    }
}
