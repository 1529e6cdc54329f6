//! Headings of Vietnamese reports and their levels, by the numbering of Decree 30/2020/ND-CP, annex
//! I: parts, roman numbers, arabic numbers, letters.

use super::{BlockKind, DocumentBlock, limits};

/// Longest numbered line that can be a heading, in characters.
const NUMBERED_CHARS: usize = 150;
/// Longest line with a colon at its end that can be a heading, in characters.
const COLON_CHARS: usize = 100;
/// Highest roman or arabic number of a heading or list item.
const MAX_NUMBER: u32 = 39;

/// The kind of number before a heading or list item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HeadingNumber {
    /// `PHẦN I`, `Phụ lục`, `A.`
    Part,
    /// `II.`
    Roman,
    /// `1.`, `6.1.`, with the count of numbers.
    Arabic(u8),
    /// `a)`
    Small,
    /// `(1)`, which is always a list item.
    Bracketed,
}

impl HeadingNumber {
    /// The level of headings with this kind of number.
    fn level(self) -> u8 {
        match self {
            Self::Part => 1,
            Self::Roman => 2,
            Self::Arabic(depth) => depth.saturating_add(2).min(6),
            Self::Small | Self::Bracketed => 5,
        }
    }
}

/// The number at the beginning of a line, and its length in bytes with the space after it.
pub(super) fn number(line: &str) -> Option<(HeadingNumber, usize)> {
    if let Some(inner) = line.strip_prefix('(') {
        let (digits, rest) = inner.split_once(')')?;
        let small = digits.parse::<u32>().is_ok_and(|count| (1..=MAX_NUMBER).contains(&count))
            && rest.starts_with(char::is_whitespace);
        return small.then(|| (HeadingNumber::Bracketed, line.len() - rest.trim_start().len()));
    }
    let end = line
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .unwrap_or(line.len());
    let head = line.get(..end)?;
    // In `1.Lĩnh vực` the number ends where the letters begin.
    let head = match head.find(|letter: char| letter.is_ascii_alphabetic()) {
        Some(at) if at > 0 && head.starts_with(|letter: char| letter.is_ascii_digit()) => {
            head.get(..at)?
        }
        Some(_) => head.find('.').and_then(|at| head.get(..=at)).unwrap_or(head),
        None => head,
    };
    let behind = line.get(head.len()..)?;
    // Pandoc writes `1\.`.
    let (dotted, behind) = match (head.ends_with('.'), behind) {
        (true, behind) => (true, behind),
        (false, behind) if behind.starts_with("\\.") => (true, behind.get(2..)?),
        (false, behind) => (false, behind.strip_prefix([')', '/', '-'])?),
    };
    let spaced = behind.starts_with(char::is_whitespace);
    let glued = dotted && behind.starts_with(char::is_uppercase);
    if !(spaced || glued) {
        return None;
    }
    let kind = kind(head.trim_end_matches('.'), spaced)?;
    Some((kind, line.len() - behind.trim_start().len()))
}

fn kind(head: &str, spaced: bool) -> Option<HeadingNumber> {
    let mut letters = head.chars();
    match (letters.next()?, letters.next()) {
        (digit, _) if digit.is_ascii_digit() => {
            let parts: Vec<&str> = head.split('.').collect();
            let counts = |part: &&str| {
                !part.starts_with('0')
                    && part.len() <= 2
                    && part.parse::<u32>().is_ok_and(|count| count <= MAX_NUMBER)
            };
            (parts.iter().all(counts) && parts.len() <= 5)
                .then(|| HeadingNumber::Arabic(u8::try_from(parts.len()).unwrap_or(u8::MAX)))
        }
        _ if roman(head) => Some(HeadingNumber::Roman),
        (letter, None) if letter.is_ascii_uppercase() && letter <= 'H' && spaced => {
            Some(HeadingNumber::Part)
        }
        (letter, None) if letter.is_ascii_lowercase() && spaced => Some(HeadingNumber::Small),
        _ => None,
    }
}

/// Whether a text is a roman number from 1 to [`MAX_NUMBER`].
fn roman(head: &str) -> bool {
    let tens = head.trim_start_matches('X');
    let ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"];
    !head.is_empty() && head.len() - tens.len() <= 3 && ones.contains(&tens)
}

/// The markup of a line in the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum HeadingMarkup {
    /// No markup.
    #[default]
    Plain,
    /// The whole line is bold.
    Bold,
    /// A heading of this level.
    Heading(u8),
}

/// The appearance of a heading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HeadingStyle {
    markup: HeadingMarkup,
    number: Option<HeadingNumber>,
}

/// The appearance of a line, if it is a heading.
pub(super) fn heading_style(line: &str, markup: HeadingMarkup) -> Option<HeadingStyle> {
    let length = line.chars().count();
    if length == 0 || length > limits::HEADING_CHARS {
        return None;
    }
    let numbered = number(line);
    let found = HeadingStyle {
        markup,
        number: numbered
            .map(|(number, _)| number)
            .or_else(|| is_part(line).then_some(HeadingNumber::Part)),
    };
    let name = line.get(numbered.map_or(0, |(_, end)| end)..).unwrap_or_default();
    let sentence = name.ends_with([';', ',', '!', '?', '…'])
        || (name.ends_with('.') && !capitals(name))
        || (name.ends_with(':') && length > COLON_CHARS);
    let figures = says_figures(name);
    if matches!(markup, HeadingMarkup::Heading(_)) {
        // A sentence with figures is read as a sentence even when it has the style of a heading.
        return (!(sentence && figures)).then_some(found);
    }
    if sentence || figures {
        return None;
    }
    let bold = markup == HeadingMarkup::Bold && name.chars().any(char::is_alphabetic);
    let heading = match found.number {
        Some(HeadingNumber::Bracketed) => false,
        Some(_) => {
            length <= NUMBERED_CHARS
                && (name.trim_start_matches(['“', '"', '(']).starts_with(char::is_uppercase)
                    || counts_months(name))
        }
        None => capitals(name) || bold,
    };
    heading.then_some(found)
}

/// The appearance of a list item as a heading, where the number is shown by the program and is not
/// in the text. Only bold items and items in capitals are headings, because most are not.
pub(super) fn numbered_heading_style(
    line: &str,
    markup: HeadingMarkup,
    shown: Option<HeadingNumber>,
) -> Option<HeadingStyle> {
    let found = heading_style(line, markup)?;
    let name = line.get(number(line).map_or(0, |(_, end)| end)..).unwrap_or_default();
    let raised = markup == HeadingMarkup::Bold || capitals(name);
    raised.then_some(HeadingStyle { number: shown.or(found.number), ..found })
}

/// Whether a line names a part of the document: `PHẦN I`, `Phần thứ nhất`, `Phụ lục 2`.
fn is_part(line: &str) -> bool {
    let lower = line.to_lowercase();
    let behind = |word: &str| lower.strip_prefix(word).map(str::trim_start);
    let counted = |rest: &str| {
        let first = rest.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        first == "thứ" || first.parse::<u32>().is_ok() || roman(&first.to_uppercase())
    };
    behind("phụ lục").is_some()
        || behind("phần ").is_some_and(counted)
        || behind("chương ").is_some_and(counted)
}

/// Whether a line has only capital letters.
pub(super) fn capitals(line: &str) -> bool {
    let letters = line.chars().filter(|letter| letter.is_alphabetic()).count();
    letters >= 4
        && !line.chars().any(char::is_lowercase)
        && (letters >= 6 || line.split_whitespace().count() >= 2)
}

/// Whether a name begins with a count of months: `3 THÁNG CUỐI NĂM`.
fn counts_months(name: &str) -> bool {
    let mut words = name.split_whitespace();
    words.next().is_some_and(|word| word.parse::<u8>().is_ok())
        && words.next().is_some_and(|word| word.to_lowercase() == "tháng")
}

/// Words after which a number is a name and not a figure: `tháng 10`, `mức 4`.
const ORDINALS: [&str; 22] = [
    "tháng", "năm", "quý", "ngày", "kỳ", "số", "mức", "phần", "lục", "mẫu", "biểu", "đợt", "lần",
    "thứ", "khóa", "khoá", "đoạn", "tuần", "điều", "khoản", "độ", "bảng",
];

/// Whether a line states figures; years and months of a heading are not figures.
pub(super) fn says_figures(line: &str) -> bool {
    let bare = |word: &str| {
        word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '%').to_lowercase()
    };
    let words: Vec<String> = line.split_whitespace().map(bare).collect();
    let at = |at: Option<usize>| at.and_then(|at| words.get(at)).map_or("", String::as_str);
    words.iter().enumerate().any(|(place, word)| {
        let (before, behind) = (at(place.checked_sub(1)), at(Some(place + 1)));
        let figure = word.starts_with(|letter: char| letter.is_ascii_digit())
            && word
                .chars()
                .all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | ',' | '%'));
        let year =
            word.len() == 4 && word.parse::<u32>().is_ok_and(|year| (1_900..2_100).contains(&year));
        let ordinal =
            ORDINALS.contains(&before) && !(before == "số" && at(place.checked_sub(2)) == "tổng");
        let months = behind == "tháng" && !word.contains(['.', ',', '%']);
        figure && !(year || ordinal || months)
    })
}

/// Sets the levels of headings. The document's own levels are kept when they agree with its
/// numbers: each kind of number has one level, and a lower kind is never above a higher one.
/// Otherwise a numbered heading gets the level of its number (reports of 2021 have `3.` at the
/// second level and `4.` at the fourth). A heading without number and level is put below the
/// heading before it, or at the top.
pub(super) fn assign_levels(blocks: &mut [DocumentBlock], looks: &[(usize, HeadingStyle)]) {
    let mut levels: Vec<(u8, u8)> = Vec::new(); // level by number, level by markup
    for (_, look) in looks {
        if let (Some(number), HeadingMarkup::Heading(level)) = (look.number, look.markup) {
            levels.push((number.level(), level));
        }
    }
    levels.sort_unstable();
    levels.dedup();
    let everywhere = looks
        .iter()
        .all(|(_, look)| look.number.is_none() || matches!(look.markup, HeadingMarkup::Heading(_)));
    let agree = everywhere
        && levels
            .iter()
            .zip(levels.iter().skip(1))
            .all(|(upper, lower)| upper.0 < lower.0 && upper.1 < lower.1);
    let mut last_level = 0;
    for (place, look) in looks {
        let level = match (look.number, look.markup) {
            (Some(number), HeadingMarkup::Heading(level)) => {
                if agree {
                    level
                } else {
                    number.level()
                }
            }
            (None, HeadingMarkup::Heading(level)) => level,
            (Some(number), HeadingMarkup::Plain | HeadingMarkup::Bold) => number.level(),
            (None, HeadingMarkup::Plain) => 1,
            (None, HeadingMarkup::Bold) => (last_level + 1).min(6),
        };
        // Consecutive bold headings have the same level.
        if !(look.number.is_none() && look.markup == HeadingMarkup::Bold) {
            last_level = level;
        }
        if let Some(block) = blocks.get_mut(*place) {
            block.kind = BlockKind::Heading(level.clamp(1, 6));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heading_numbers_are_distinguished_from_figures() {
        let cases = [
            ("II. CÔNG TÁC", Some((HeadingNumber::Roman, 4))),
            ("1. Lĩnh vực", Some((HeadingNumber::Arabic(1), 3))),
            ("1.Lĩnh vực", Some((HeadingNumber::Arabic(1), 2))),
            ("1\\. Lĩnh vực", Some((HeadingNumber::Arabic(1), 4))),
            ("6.1. Báo chí", Some((HeadingNumber::Arabic(2), 5))),
            ("3/ Công tác", Some((HeadingNumber::Arabic(1), 3))),
            ("a) Trang tin", Some((HeadingNumber::Small, 3))),
            ("A. PHẦN CHUNG", Some((HeadingNumber::Part, 3))),
            ("(2) Trang tin", Some((HeadingNumber::Bracketed, 4))),
            ("7.401. Tổng văn bản", None),
            ("03. Trong tháng", None),
            ("78,955%", None),
            ("2021. Sở", None),
            ("5 - 7 cuộc", None),
            ("5-7 cuộc", None),
            ("IIII. Sai", None),
            ("CDC. Sai", None),
        ];
        for (line, expected) in cases {
            assert_eq!(number(line), expected, "{line}");
        }
    }

    #[test]
    fn a_heading_is_distinguished_from_a_sentence_by_its_style() {
        for line in [
            "I. CÔNG TÁC QUẢN LÝ NHÀ NƯỚC",
            "2. Lĩnh vực bưu chính",
            "6.1. Báo chí, xuất bản",
            "Phụ lục",
            "PHẦN I",
            "ĐÁNH GIÁ CHUNG",
            "B. Kết quả 9 tháng năm 2021",
            "IV. Kế hoạch tháng 11 năm 2021:",
            "II. 3 THÁNG CUỐI NĂM",
            "II. 3 tháng cuối năm",
        ] {
            assert!(heading_style(line, HeadingMarkup::Plain).is_some(), "{line}");
        }
        for line in [
            "1. Tiếp tục tăng cường công tác tuyên truyền;",
            "2. Duy trì các hệ thống.",
            "Trong tháng",
            "1. Tạo mới 92 tài khoản",
            "TỔNG SỐ: 7.401",
            "3. tiếp tục",
            "UB",
        ] {
            assert_eq!(heading_style(line, HeadingMarkup::Plain), None, "{line}");
        }
        assert!(
            heading_style(&format!("1. {}", "Á".repeat(NUMBERED_CHARS - 3)), HeadingMarkup::Plain)
                .is_some()
        );
        assert!(
            heading_style(&format!("1. {}", "Á".repeat(NUMBERED_CHARS - 2)), HeadingMarkup::Plain)
                .is_none()
        );
        assert!(
            heading_style("Dịch vụ công", HeadingMarkup::Bold).is_some()
                && heading_style("Tiếp nhận 12 hồ sơ", HeadingMarkup::Bold).is_none()
        );
    }
}
