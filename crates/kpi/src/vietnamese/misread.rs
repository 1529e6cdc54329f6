//! Letters where digits are meant, as text recognition and old typing habits produce them: `5OO`,
//! `l23`, `1O.000`, `O,5%`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// Letters that are typed for 0 or 1, Latin and Cyrillic.
const ZERO_OR_ONE: &str = "OoIlОоІі";
/// Letters that are typed for another digit; alone they more often belong to a name (`5S`, `B52`).
const OTHERS: &str = "SsBbZzGQD";

/// A run of digits and letters that look like digits, with separators between them.
static CANDIDATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let sign = format!("[0-9{ZERO_OR_ONE}{OTHERS}]");
    Regex::new(&format!(r"{sign}+(?:[.,]{sign}+)*")).ok()
});

/// The places of numbers in which letters were typed for digits.
#[must_use]
pub(super) fn find_misread(text: &str) -> Vec<Range<usize>> {
    let Some(candidate) = CANDIDATE.as_ref() else { return Vec::new() };
    let found = candidate.find_iter(text).map(|found| found.range());
    found.filter(|range| is_bounded(text, range) && is_misread(text, range)).collect()
}

/// Whether a place is not part of a longer word, name, address or number of a document.
fn is_bounded(text: &str, range: &Range<usize>) -> bool {
    let before = text.get(..range.start).and_then(|text| text.chars().next_back());
    let mut behind = text.get(range.end..).unwrap_or_default().chars();
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '@' | '-' | '\\');
    let next = behind.next();
    let continues = next.is_some_and(joins)
        || next == Some('.') && behind.next().is_some_and(char::is_lowercase);
    !continues && !before.is_some_and(|c| joins(c) || c == '.')
}

/// Whether a run is a number with letters in it and not a name, an abbreviation or the number of a
/// heading.
fn is_misread(text: &str, range: &Range<usize>) -> bool {
    let run = text.get(range.clone()).unwrap_or_default();
    let groups: Vec<&str> = run.split(['.', ',']).collect();
    let is_digit = |c: char| c.is_ascii_digit();
    let is_letter = |c: char| c.is_alphabetic();
    if !run.contains(is_letter) {
        return false;
    }
    // "lOO": no word has a capital O behind a small l.
    if !run.contains(is_digit) {
        return run.starts_with('l') && run.contains('O');
    }
    let in_threes = groups.len() > 1
        && groups.iter().skip(1).all(|group| group.chars().count() == 3)
        && groups.first().is_some_and(|first| first.chars().count() <= 3);
    if in_threes {
        return true;
    }
    let is_percent = text.get(range.end..).unwrap_or_default().trim_start().starts_with('%');
    if let [_, _] = groups.as_slice() {
        // "O,5" is 0.5; "I.2" is the number of a heading, and "O.5%" is not.
        let letters = |group: &str| group.chars().all(|c| !is_letter(c) || ZERO_OR_ONE.contains(c));
        return groups.iter().all(|group| letters(group)) && (run.contains(',') || is_percent);
    }
    let [only] = groups.as_slice() else { return false };
    let others = only.chars().filter(|c| OTHERS.contains(*c)).count();
    let signs: Vec<char> = only.chars().collect();
    let between = signs.windows(3).any(|three| {
        matches!(three, [one, two, three] if is_digit(*one) && is_letter(*two) && is_digit(*three))
    });
    // "5OO" and "l23", but of the other letters only those between digits: "1S0".
    match others {
        0 => is_percent || signs.len() > 1,
        1 => between && signs.len() > 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_the_place_of_digits_are_found() {
        for (text, expected) in [
            ("5OO văn bản", "5OO"),
            ("Văn bản đi: l23.", "l23"),
            ("1O.000 hồ sơ", "1O.000"),
            ("23.44l", "23.44l"),
            ("12o văn bản", "12o"),
            ("1l5 cuộc", "1l5"),
            ("l.234 hồ sơ", "l.234"),
            ("lOO hồ sơ", "lOO"),
            ("5О0 (Cyrillic)", "5О0"),
            ("tỷ lệ O,5%", "O,5"),
            ("đạt 9O%", "9O"),
            ("1S0 hồ sơ", "1S0"),
            ("B7.316 văn bản", "B7.316"),
            ("(2.4OO)", "2.4OO"),
        ] {
            let found: Vec<&str> = find_misread(text).into_iter().map(|at| &text[at]).collect();
            assert_eq!(found, [expected], "{text}");
        }
    }

    #[test]
    fn names_and_headings_are_not_numbers_with_letters() {
        for text in [
            "mạng 5G, 4G và WiFi",
            "I.2. Kết quả",
            "II.1. Văn bản",
            "giấy A4, B52, S5",
            "khí CO2",
            "12/QĐ-UBND",
            "Số 1O/QĐ-UBND",
            "15l.vn",
            "OO và Il",
            "lo, loi, lol",
            "5S trong quản lý",
            "Covid-19",
            "27 văn bản",
            "23.441",
            "3D",
        ] {
            assert_eq!(find_misread(text), Vec::<Range<usize>>::new(), "{text}");
        }
    }
}
