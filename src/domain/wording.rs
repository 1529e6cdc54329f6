//! Vietnamese text brought into the one form in which it is compared: Unicode NFC, lower case, one placement of tone marks.

use unicode_normalization::UnicodeNormalization;

/// A word in the form in which words are compared: NFC, lower case, the tone on the first of two vowels (`hoà` becomes `hòa`), `tỉ` as `tỷ`.
///
/// ```
/// use egov_kpi::domain::wording::folded;
/// assert_eq!(folded("Luỹ"), folded("lũy"));
/// assert_eq!(folded("HOÀ"), "hòa");
/// assert_eq!(folded("hoàn"), "hoàn");
/// ```
#[must_use]
pub fn folded(word: &str) -> String {
    let lower: String = word.nfc().flat_map(char::to_lowercase).nfc().collect();
    if lower == "tỉ" {
        return "tỷ".to_owned();
    }
    let mut letters: Vec<char> = lower.chars().collect();
    let count = letters.len();
    if let [.., first, second] = letters.as_mut_slice()
        && !(count >= 3 && lower.starts_with('q'))
        && let Some((plain, toned)) = moved(*first, *second)
    {
        (*first, *second) = (toned, plain);
    }
    letters.into_iter().collect()
}

/// Abbreviations of offices, folded, and what they stand for.
const ABBREVIATIONS: [(&str, &str); 27] = [
    ("attt", "an toàn thông tin"),
    ("bcvt", "bưu chính viễn thông"),
    ("cntt", "công nghệ thông tin"),
    ("cts", "chứng thư số"),
    ("cv", "công văn"),
    ("cđđh", "chỉ đạo điều hành"),
    ("dvc", "dịch vụ công"),
    ("dvcqg", "dịch vụ công quốc gia"),
    ("dvctt", "dịch vụ công trực tuyến"),
    ("gpxb", "giấy phép xuất bản"),
    ("hs", "hồ sơ"),
    ("hđnd", "hội đồng nhân dân"),
    ("kh", "kế hoạch"),
    ("mđ", "mức độ"),
    ("ntm", "nông thôn mới"),
    ("pakn", "phản ánh kiến nghị"),
    ("qppl", "quy phạm pháp luật"),
    ("qđ", "quyết định"),
    ("tcd", "tiếp công dân"),
    ("tk", "tài khoản"),
    ("tthc", "thủ tục hành chính"),
    ("ttđt", "thông tin điện tử"),
    ("ubnd", "ủy ban nhân dân"),
    ("vb", "văn bản"),
    ("vbqppl", "văn bản quy phạm pháp luật"),
    ("vphc", "vi phạm hành chính"),
    ("xbp", "xuất bản phẩm"),
];

/// A folded word, or the words that it is the abbreviation of.
#[must_use]
pub fn spelled_out(word: &str) -> &str {
    ABBREVIATIONS.iter().find(|(short, _)| *short == word).map_or(word, |(_, long)| long)
}

/// The two vowels with the tone moved from the second to the first: the second without it, the first with it.
fn moved(first: char, second: char) -> Option<(char, char)> {
    const PLACES: [(char, &str, char, &str); 3] =
        [('o', "àáảãạ", 'a', "òóỏõọ"), ('o', "èéẻẽẹ", 'e', "òóỏõọ"), ('u', "ỳýỷỹỵ", 'y', "ùúủũụ")];
    PLACES.iter().filter(|(vowel, ..)| *vowel == first).find_map(|(_, toned, plain, moved)| {
        let tone = toned.chars().position(|c| c == second)?;
        Some((*plain, moved.chars().nth(tone)?))
    })
}

/// Words of a text, folded, without what stands between them. Parts of an address such as `mail.travinh.gov.vn` are one word.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut word, mut characters) = (String::new(), text.chars().peekable());
    while let Some(c) = characters.next() {
        let joins = matches!(c, '.' | '@')
            && !word.is_empty()
            && word.is_ascii()
            && characters.peek().is_some_and(char::is_ascii_alphanumeric);
        if c.is_alphanumeric() || is_mark(c) || joins {
            word.push(c);
        } else if !word.is_empty() {
            spell(&std::mem::take(&mut word), &mut found);
        }
    }
    if !word.is_empty() {
        spell(&word, &mut found);
    }
    found
}

fn spell(word: &str, found: &mut Vec<String>) {
    found.extend(spelled_out(&folded(word)).split(' ').map(ToOwned::to_owned));
}

/// Whether a character is a mark that is put on the letter before it.
#[must_use]
pub fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}
