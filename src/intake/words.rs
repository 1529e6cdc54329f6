//! Vietnamese text as words that can be compared: letter case, Unicode form, spaces and the place of the tone mark do not count,
//! `y` and `i` alone behind a consonant are one (`ký`, `kí`), and abbreviations that offices use are written out.

use unicode_normalization::UnicodeNormalization;

/// Most words of a text that is looked at.
pub const MAX_WORDS: usize = 60;

/// Abbreviations of Vietnamese offices, and what they stand for.
const ABBREVIATIONS: [(&str, &str); 17] = [
    ("ubnd", "ủy ban nhân dân"),
    ("hđnd", "hội đồng nhân dân"),
    ("tthc", "thủ tục hành chính"),
    ("dvc", "dịch vụ công"),
    ("dvctt", "dịch vụ công trực tuyến"),
    ("dvcqg", "dịch vụ công quốc gia"),
    ("hs", "hồ sơ"),
    ("vb", "văn bản"),
    ("cts", "chứng thư số"),
    ("tk", "tài khoản"),
    ("mđ", "mức độ"),
    ("cntt", "công nghệ thông tin"),
    ("attt", "an toàn thông tin"),
    ("ttđt", "trang thông tin điện tử"),
    ("vbqppl", "văn bản quy phạm pháp luật"),
    ("sl", "số lượng"),
    ("tp", "thành phố"),
];

/// How a text is taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spelling {
    /// Diacritics count.
    Marked,
    /// Diacritics are left out, for texts that were typed without them.
    Plain,
}

/// Whether a text was typed without diacritics: it has letters, and all of them are ASCII.
#[must_use]
pub fn is_plain(text: &str) -> bool {
    text.is_ascii() && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// The tone marks: grave, acute, tilde, hook above, dot below.
fn is_tone(c: char) -> bool {
    matches!(c, '\u{300}' | '\u{301}' | '\u{303}' | '\u{309}' | '\u{323}')
}

/// A letter without its marks; one letter stays one.
#[must_use]
pub fn bare(c: char) -> char {
    match c {
        'đ' => 'd',
        'Đ' => 'D',
        c => std::iter::once(c).nfd().next().unwrap_or(c),
    }
}

/// A text in lower case without diacritics, letter for letter: as many characters as the text has in NFC.
#[must_use]
pub fn folded(text: &str) -> String {
    text.nfc()
        .map(|c| bare(c).to_lowercase().next().unwrap_or(c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// The words of a text in order.
#[must_use]
pub fn words(text: &str, spelling: Spelling) -> Vec<String> {
    let text: String = text.nfc().collect::<String>().to_lowercase().nfc().collect();
    let mut found = Vec::new();
    let mut word = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        let joins = match word.chars().last() {
            None => true,
            Some(last) => last.is_numeric() == c.is_numeric(),
        };
        if c.is_alphanumeric() && joins {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            written_out(&word, spelling, &mut found);
            word.clear();
        }
        if c.is_alphanumeric() {
            word.push(c);
        }
    }
    found
}

fn written_out(word: &str, spelling: Spelling, found: &mut Vec<String>) {
    let known = ABBREVIATIONS.iter().find(|(short, _)| {
        *short == word || (spelling == Spelling::Plain && short.chars().map(bare).eq(word.chars()))
    });
    match known {
        Some((_, long)) => found.extend(long.split(' ').map(|word| compared(word, spelling))),
        None => found.push(compared(word, spelling)),
    }
}

/// A word in lower case as it is compared: `hoà` and `hòa`, `ký` and `kí` are the same.
fn compared(word: &str, spelling: Spelling) -> String {
    let (mut letters, mut tone) = (String::new(), None);
    for c in word.nfd() {
        if is_tone(c) { tone = Some(c) } else { letters.push(c) }
    }
    let mut letters: String = letters.nfc().collect();
    if spelling == Spelling::Plain {
        letters = letters.chars().map(bare).collect();
        tone = None;
    }
    let vowels = |c: char| matches!(bare(c), 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    if let Some(head) = letters.strip_suffix('y')
        && (1..=2).contains(&head.chars().count())
        && !head.chars().any(vowels)
    {
        letters = format!("{head}i");
    }
    letters.extend(tone);
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_form_spaces_and_the_place_of_the_tone_mark_do_not_count() {
        let marked = |text: &str| words(text, Spelling::Marked);
        let nfd: String = "Hồ sơ  tiếp\u{a0}NHẬN".nfd().collect();
        assert_eq!(marked(&nfd), marked("hồ sơ tiếp nhận"));
        assert_eq!(marked("hoà, thuỷ"), marked("Hòa thủy"));
        assert_eq!(marked("ký số, tỷ lệ"), marked("kí số tỉ lệ"));
        assert_ne!(marked("hồ"), marked("hô"));
        assert_eq!(marked("HS mức4"), marked("hồ sơ mức 4"));
        assert_eq!(
            words("ho so tiep nhan", Spelling::Plain),
            words("Hồ sơ tiếp nhận", Spelling::Plain)
        );
    }

    #[test]
    fn folding_keeps_the_number_of_letters() {
        let text: String = "Đơn vị: Sở Thông tin\u{a0}và Truyền thông".nfd().collect();
        assert_eq!(folded(&text), "don vi: so thong tin va truyen thong");
        assert_eq!(folded(&text).chars().count(), text.nfc().count());
    }
}
