//! Numbers in Vietnamese prose: `23.441`, `2180`, `78,955%`, `03`, `15 triệu đồng`, `khoảng 27`,
//! `Không có`. Other texts with digits are recognised too: dates, months, numbers of documents,
//! ordinals, names and telephone numbers.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::folding::folded;
use super::misread::find_misread;
use super::word_lists::vietnamese_words;
use crate::number::Decimal64;

/// The kind of a number, as far as the words at the number show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberKind {
    /// Nothing is shown.
    Plain,
    /// `%` or `phần trăm` comes after it.
    Percent,
    /// `đồng`, or a magnitude and `đồng`, comes after it.
    Money,
    /// A word for zero: `Không có`, `chưa phát sinh`.
    Zero,
}

/// Why digits are not a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberFlaw {
    /// `7.40`, `1.23.456`: the separators are neither for thousands nor for decimals. `5OO`: some
    /// digits are letters.
    Malformed,
    /// `10-15`: a range.
    Range,
    /// `23 441`: it may be one number or two.
    Spaces,
    /// It has more digits than a figure may have.
    TooLarge,
}

/// A number in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextNumber {
    /// The bytes of its digits and magnitude (`15 triệu`) in the text.
    pub range: Range<usize>,
    /// Its kind.
    pub sort: NumberKind,
    /// The number with its magnitude applied, or why it is not a number.
    pub value: Result<Decimal64, NumberFlaw>,
    /// Whether it is marked as approximate: `khoảng`, `gần`, `hơn`.
    pub approximate: bool,
}

/// A part of a text that has digits, or is a word for zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NumericToken {
    /// A number.
    Number(TextNumber),
    /// A month: `tháng 10`, `tháng 10 năm 2021`, `10/2021`.
    Month(u32, Option<i32>),
    /// A year: `năm 2021`.
    Year(i32),
    /// A period of the year other than a month: `quý III`, `9 tháng đầu năm 2021`.
    Span {
        /// Last month.
        last: u32,
        /// The number of months.
        months: u32,
        /// The year, if it is given.
        year: Option<i32>,
    },
    /// A day: `ngày 31/8/2024`, `ngày 06 tháng 10`.
    Day {
        /// Day of the month.
        day: u32,
        /// Month, 1 to 12.
        month: u32,
        /// The year, if it is given.
        year: Option<i32>,
    },
    /// Digits that are not a figure: the number of a document, a telephone number, an address, a
    /// day without a month.
    Reference,
    /// An ordinal or a name with digits (`mức 3`, `Covid-19`).
    Word,
}

impl NumericToken {
    /// The number, if it is one.
    #[must_use]
    pub fn number(self) -> Option<TextNumber> {
        match self {
            Self::Number(number) => Some(number),
            Self::Month(..)
            | Self::Year(_)
            | Self::Span { .. }
            | Self::Day { .. }
            | Self::Reference
            | Self::Word => None,
        }
    }
}

/// A part of a text with its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlacedToken {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// The part.
    pub piece: NumericToken,
}

const SPACE: &str = r"[\s\u{a0}\u{202f}\u{2007}]";

/// One alternative for each kind of part; the first that matches at a place is taken.
static LEXER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = r"(?:0?[1-9]|1[0-2])";
    let alternatives = [
        r"(?P<address>[\w.+-]+@[\w.-]+|(?:https?://|www\.)\S+)".to_owned(),
        concat!(
            r"(?P<document>\b\d+(?:[/:]\d{4})?[/-]\p{Lu}[\p{L}&.]*\d*",
            r"(?:[-–/]\p{Lu}[\p{L}&.0-9]*)*)",
        )
        .to_owned(),
        r"(?P<phone>(?:\+84|\b0)\d{1,3}[ .)]?\d{2,4}[ .]?\d{3,4}(?:[ .]\d{3})?\b)".to_owned(),
        r"(?P<always>\b24/(?:7|24)\b)".to_owned(),
        format!(
            concat!(
                r"(?P<day>(?:(?i:ngày|từ ngày|đến ngày|đến|trước|sau|từ)_*)?\b",
                r"(?P<d1>\d{{1,2}})_?[/.-]_?(?P<dm1>{month})_?[/.-]_?(?P<dy1>(?:19|20)\d{{2}})\b)",
            ),
            month = month
        ),
        format!(
            concat!(
                r"(?P<dayword>(?i:ngày)_*(?P<d2>\d{{1,2}})\b(?:_*(?i:tháng)_*(?P<dm2>{month})\b(?:",
                r"_*(?i:năm)_*(?P<dy2>\d{{4}})\b)?|_?[/.-]_?(?P<dm3>{month})\b)?)",
            ),
            month = month
        ),
        format!(r"(?P<dayslash>(?i:đến|trước|sau|từ|hôm)_+(?P<d4>\d{{1,2}})/(?P<dm4>{month})\b)"),
        concat!(
            r"(?P<nmonths>\b\d{1,2}_+(?i:tháng)\b(?:_+(?i:đầu_+năm|cuối_+năm|năm|đầu)\b)?(?:_*",
            r"(?:(?i:năm)_*)?(?P<nyear>(?:19|20)\d{2})\b)?)",
        )
        .to_owned(),
        r"(?P<halfyear>\b(?i:6_+tháng|nửa_+đầu_+năm)\b)".to_owned(),
        format!(
            concat!(
                r"(?P<month>\b(?i:tháng)_+(?P<m>{month})\b(?:_*[/-]_*(?P<my>(?:19|20)\d{{2}})\b|",
                r"_*,?_*(?i:năm)_*(?P<my2>(?:19|20)\d{{2}})\b)?)",
            ),
            month = month
        ),
        concat!(
            r"(?P<quarter>\b(?i:quý|quí)_+(?P<q>IV|I{1,3}|[1-4])\b(?:_*[/-]_*(?P<qy>\d{4})\b|",
            r"_*,?_*(?i:năm)_*(?P<qy2>\d{4})\b)?)",
        )
        .to_owned(),
        concat!(
            r"(?P<years>(?:(?i:năm|giai_+đoạn|nhiệm_+kỳ|thời_+kỳ|năm_+học)_+)?\b(?:19|20)\d{2}",
            r"_*[-–]_*(?:19|20)\d{2}\b)",
        )
        .to_owned(),
        r"(?P<year>\b(?i:năm)_+(?P<y>(?:19|20)\d{2})\b)".to_owned(),
        format!(r"(?P<monthslash>\b(?:[Tt])?(?P<sm>{month})_?/_?(?P<sy>(?:19|20)\d{{2}})\b)"),
        r"(?P<clock>\b\d{1,2}(?:h|:)\d{2}\b|\b\d{1,2}h\b)".to_owned(),
        concat!(
            r"(?P<clockword>(?i:lúc|vào)_+\d{1,2}_+(?i:giờ)(?:_+\d{1,2}(?:_+(?i:phút))?)?",
            r"|\b\d{1,2}_+(?i:giờ)_+\d{1,2}(?:_+(?i:phút))?)",
        )
        .to_owned(),
        // In "tài khoản 63" the number is not that of a clause ("khoản").
        format!(r"(?i:tài_+khoản)_+(?P<counted>{NUMBER})"),
        concat!(
            r"(?P<numbered>\b(?i:công_+văn|quyết_+định|kế_+hoạch|chỉ_+thị|nghị_+định|thông_+tư",
            r"|nghị_+quyết|luật|tiêu_+chí|gói_+thầu|mẫu|công_+điện|báo_+cáo|tờ_+trình|thông",
            r"_+báo|giấy_+phép|quy_+chuẩn|phụ_+lục|biểu_+mẫu|biểu|văn_+bản|đường_+dây_+nóng",
            r"|hướng_+dẫn|chương_+trình|đề_+án)(?:_+(?i:số))_*:?_*\d+(?:[/:]\d{4})?",
            r"(?:[-–/]\p{Lu}[\p{L}&.0-9]*)*\b|\b(?i:tổng_+đài|tiêu_+chí|phụ_+lục|biểu|bảng",
            r"|điều|khoản|mục|chương|đợt|giai_+đoạn|lần_+thứ|thứ|phiên_+bản|tầng|khu_+vực",
            r"|nhóm)_+\d+(?:\.\d+)*\b)",
        )
        .to_owned(),
        r"(?P<level>\b(?i:mức(?:_+độ)?|cấp_+độ)_+[1-5]\b)".to_owned(),
        concat!(
            r"(?P<name>\b(?i:covid)[ -]*\d+|\b\p{L}[\p{L}_]*[-.]?\d[\p{L}\d._-]*\d?",
            r"|\b\d+[\p{Lu}&&[^Đ]]\p{L}*\d*\b)",
        )
        .to_owned(),
        format!(r"(?P<range>{NUMBER}_?%?_*(?:[-–—]|(?i:đến|tới))_*{NUMBER})"),
        r"(?P<tiers>\b[1-4]_+(?i:cấp)\b)".to_owned(),
        r"(?P<spaced>\b\d{1,3}(?:[ ]\d{3})+\b)".to_owned(),
        // "27 .316", "27. 316", "27·316": one number or two, or foreign separators.
        format!(
            concat!(
                r"(?P<broken>\b\d{{1,3}}(?:(?:{BLANK}*[·•‧∙٫٬'’]{BLANK}*|{BLANK}+[.,]{BLANK}*",
                r"|\.{BLANK}+)\d{{3}})+\b(?:,\d+)?)",
            ),
            BLANK = BLANK
        ),
        // "10⁶": a power of ten, or 10 with a note mark.
        format!(r"(?P<power>\b(?:{NUMBER}{BLANK}*[x×*·.]{BLANK}*)?10[⁰¹²³⁴-⁹]+)"),
        format!(r"(?P<number>\b\d{{1,3}}(?:[\u{{a0}}\u{{202f}}\u{{2007}}]\d{{3}})+\b|{NUMBER})"),
        concat!(
            r"(?P<zero>\b(?i:không_+(?:có|phát_+sinh|tiếp_+nhận|nhận_+được|ghi_+nhận)|chưa_+",
            r"(?:có|phát_+sinh|tiếp_+nhận|nhận_+được|ghi_+nhận)(?:_+phát_+sinh)?)\b(?:_+",
            r"(?i:phát_+sinh))?|:_*(?P<no>(?i:không))_*(?:[.,;)\n]|$))",
        )
        .to_owned(),
    ];
    Regex::new(
        &alternatives
            .join("|")
            .replace("_*", &format!("{SPACE}*"))
            .replace("_+", &format!("{SPACE}+"))
            .replace("_?", &format!("{SPACE}?")),
    )
    .ok()
});

const NUMBER: &str = r"\d+(?:[.,]\d+)*";

/// A blank within a line.
const BLANK: &str = r"[ \t\u{a0}\u{202f}\u{2007}\u{2009}]";

/// What may follow a number and belongs to it.
static BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = concat!(
        r"^_*(?P<times>nghìn|ngàn|triệu|trđ|tr|tỷ|tỉ)?\b(?:_*(?P<more>\d+(?:[.,]\d+)?)_*",
        r"(?P<moretimes>nghìn|ngàn|triệu)\b)?(?P<end>)_*(?P<money>đồng|vnđ|vnd|đ)?\b",
    );
    Regex::new(&format!("(?i){}", text.replace("_*", &format!("{SPACE}*")))).ok()
});

static PERCENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{SPACE}*(?:%|(?i:phần{SPACE}+trăm))")).ok());

/// Marks after a number that also make it approximate: `2.400±50`, `2.400+`, `2.400 văn bản (ước)`,
/// `(số ước)`, `(số liệu ước tính)`.
static APPROXIMATE_BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r"^(?:_*±|\+(?:[^\d+]|$)|[^\d.,;:()\n]{0,60}\(_*(?:số_+(?:liệu_+)?)?ước\b)";
    Regex::new(&format!("(?i){}", text.replace('_', SPACE))).ok()
});

/// The parts of a text that have digits or are words for zero, in order.
#[must_use]
pub fn find_tokens(text: &str) -> Vec<PlacedToken> {
    let Some(lexer) = LEXER.as_ref() else { return Vec::new() };
    let mut misread = find_misread(text).into_iter().peekable();
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let captures = lexer.captures_at(text, at);
        let whole = captures.as_ref().and_then(|captures| captures.get(0));
        let next = whole.map_or(text.len(), |whole| whole.start());
        while misread.next_if(|range| range.start < at).is_some() {}
        let first = misread.next_if(|range| range.start <= next || range.contains(&next));
        let placed = match (captures.as_ref().zip(whole), first) {
            (Some((captures, whole)), None) => placed(text, captures, whole.range()),
            (Some((captures, whole)), Some(range)) if whole.start() < range.end => {
                let placed = placed(text, captures, whole.range());
                // A date or an address keeps its letters.
                match placed.piece {
                    NumericToken::Number(_) | NumericToken::Word => misread_number(text, range),
                    NumericToken::Month(..)
                    | NumericToken::Year(_)
                    | NumericToken::Span { .. }
                    | NumericToken::Day { .. }
                    | NumericToken::Reference => placed,
                }
            }
            (_, Some(range)) => misread_number(text, range),
            (None, None) => break,
        };
        at = placed.range.end.max(at + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        found.push(placed);
    }
    found
}

/// A number with letters instead of digits.
fn misread_number(text: &str, range: Range<usize>) -> PlacedToken {
    PlacedToken { range: range.clone(), piece: flawed(text, range, NumberFlaw::Malformed) }
}

fn placed(text: &str, captures: &Captures<'_>, range: Range<usize>) -> PlacedToken {
    let named = |name: &str| captures.name(name);
    let number = |names: &[&str]| {
        names.iter().find_map(|name| captures.name(name)?.as_str().parse::<i32>().ok())
    };
    let small = |name: &str| captures.name(name).and_then(|m| m.as_str().parse::<u32>().ok());
    // In "Đề án 06 tháng 5 năm 2025" the first number is not a count of months.
    if named("nmonths").is_some()
        && text
            .get(range.end..)
            .is_some_and(|behind| behind.trim_start().starts_with(|c: char| c.is_ascii_digit()))
    {
        let digits = text
            .get(range.clone())
            .map_or(0, |text| text.bytes().take_while(u8::is_ascii_digit).count());
        return number_at(text, range.start..range.start + digits);
    }
    // "3 cấp" are the tiers of government, but "06 cấp mới" is a number.
    if named("tiers").is_some() {
        let next = text.get(range.end..).unwrap_or_default().split_whitespace().next();
        let next = folded(next.unwrap_or_default().trim_matches(|c: char| !c.is_alphanumeric()));
        if vietnamese_words().number.no_tier.contains(&next) {
            return number_at(text, range.start..range.start + 1);
        }
    }
    let day = ["d1", "d2", "d4"].iter().find_map(|name| small(name));
    let month_of_day = ["dm1", "dm2", "dm3", "dm4"].iter().find_map(|name| small(name));
    let piece = if let (Some(day), Some(month)) = (day, month_of_day) {
        Some(NumericToken::Day { day, month, year: number(&["dy1", "dy2"]) })
    } else if named("month").is_some() {
        small("m").map(|month| NumericToken::Month(month, number(&["my", "my2"])))
    } else if named("monthslash").is_some() {
        small("sm").map(|month| NumericToken::Month(month, number(&["sy"])))
    } else if named("year").is_some() {
        number(&["y"]).map(NumericToken::Year)
    } else if named("quarter").is_some() {
        let quarter = named("q").and_then(|q| {
            ["", "I", "II", "III", "IV"]
                .iter()
                .position(|roman| *roman == q.as_str())
                .or_else(|| q.as_str().parse().ok())
        });
        quarter.and_then(|quarter| u32::try_from(quarter * 3).ok()).map(|last| NumericToken::Span {
            last,
            months: 3,
            year: number(&["qy", "qy2"]),
        })
    } else if named("nmonths").is_some() {
        let months = text
            .get(range.clone())
            .and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
        // "3 tháng cuối năm" are the last months of the year.
        let ends_year = text.get(range.clone()).is_some_and(|text| folded(text).contains("cuối"));
        months.map(|months| NumericToken::Span {
            last: if ends_year { 12 } else { months },
            months,
            year: number(&["nyear"]),
        })
    } else if named("halfyear").is_some() {
        Some(NumericToken::Span { last: 6, months: 6, year: None })
    } else if named("level").is_some() || named("name").is_some() || named("tiers").is_some() {
        Some(NumericToken::Word)
    } else if let Some(digits) = named("number").or_else(|| named("counted")) {
        return number_at(text, digits.range());
    } else if named("range").is_some() {
        Some(flawed(text, range.clone(), NumberFlaw::Range))
    } else if named("spaced").is_some() || named("broken").is_some() {
        Some(flawed(text, range.clone(), NumberFlaw::Spaces))
    } else if named("power").is_some() {
        Some(flawed(text, range.clone(), NumberFlaw::Malformed))
    } else if named("zero").is_some() {
        let range = named("no").map_or(range.clone(), |no| no.range());
        let zero = TextNumber {
            range: range.clone(),
            sort: NumberKind::Zero,
            value: Ok(Decimal64 { mantissa: 0, scale: 0 }),
            approximate: false,
        };
        return PlacedToken { range, piece: NumericToken::Number(zero) };
    } else {
        Some(NumericToken::Reference)
    };
    PlacedToken { range, piece: piece.unwrap_or(NumericToken::Reference) }
}

fn flawed(text: &str, range: Range<usize>, flaw: NumberFlaw) -> NumericToken {
    let behind = text.get(range.end..).unwrap_or_default();
    let sort = if PERCENT.as_ref().is_some_and(|percent| percent.is_match(behind)) {
        NumberKind::Percent
    } else {
        NumberKind::Plain
    };
    NumericToken::Number(TextNumber { range, sort, value: Err(flaw), approximate: false })
}

/// The number with its digits at a range, and the words before and after that belong to it.
fn number_at(text: &str, digits: Range<usize>) -> PlacedToken {
    let printed = text.get(digits.clone()).unwrap_or_default();
    let behind = text.get(digits.end..).unwrap_or_default();
    let approximate = is_approximate(text.get(..digits.start).unwrap_or_default())
        || APPROXIMATE_BEHIND.as_ref().is_some_and(|marks| marks.is_match(behind));
    if let Some(percent) = PERCENT.as_ref().and_then(|percent| percent.find(behind)) {
        let number = TextNumber {
            range: digits.clone(),
            sort: NumberKind::Percent,
            value: parse_percentage(printed),
            approximate,
        };
        return PlacedToken {
            range: digits.start..digits.end + percent.end(),
            piece: NumericToken::Number(number),
        };
    }
    let captures = BEHIND.as_ref().and_then(|expected| expected.captures(behind));
    let named = |name: &str| captures.as_ref().and_then(|captures| captures.name(name));
    let (times, money) = (named("times"), named("money"));
    let mut value = parse_vietnamese(printed);
    let mut end = digits.end;
    if let Some(times) = times {
        value = value.and_then(|value| multiplied(value, magnitude(times.as_str())));
        end = digits.end + times.end();
        if let (Some(more), Some(more_times)) = (named("more"), named("moretimes")) {
            let added = parse_vietnamese(more.as_str())
                .and_then(|more| multiplied(more, magnitude(more_times.as_str())));
            value = value.and_then(|value| added.and_then(|added| add_exact(value, added)));
            end = digits.end + more_times.end();
        }
    }
    let whole = digits.end + money.map_or(end - digits.end, |money| money.end());
    let in_money = money.is_some() || times.is_some_and(|times| folded(times.as_str()) == "trđ");
    let sort = if in_money { NumberKind::Money } else { NumberKind::Plain };
    let number = TextNumber { range: digits.start..end, sort, value, approximate };
    PlacedToken { range: digits.start..whole.max(end), piece: NumericToken::Number(number) }
}

fn magnitude(word: &str) -> u32 {
    match folded(word).as_str() {
        "nghìn" | "ngàn" => 3,
        "triệu" | "tr" | "trđ" => 6,
        _ => 9,
    }
}

fn multiplied(value: Decimal64, power: u32) -> Result<Decimal64, NumberFlaw> {
    let shared = value.scale.min(power);
    let mantissa = 10_i64
        .checked_pow(power - shared)
        .and_then(|by| value.mantissa.checked_mul(by))
        .ok_or(NumberFlaw::TooLarge)?;
    Ok(Decimal64 { mantissa, scale: value.scale - shared })
}

fn add_exact(one: Decimal64, other: Decimal64) -> Result<Decimal64, NumberFlaw> {
    let scale = one.scale.max(other.scale);
    let total = one
        .at_scale(scale)
        .zip(other.at_scale(scale))
        .and_then(|(one, other)| one.checked_add(other));
    total.map(|mantissa| Decimal64 { mantissa, scale }).ok_or(NumberFlaw::TooLarge)
}

/// Parses a number in Vietnamese notation: points between thousands, a comma before decimals, or
/// neither.
///
/// # Errors
/// [`NumberFlaw::Malformed`] for any other notation, such as `7.40` or `1,234,567`.
///
/// ```
/// use kpi::vietnamese::numbers::{NumberFlaw, parse_vietnamese};
/// assert_eq!(parse_vietnamese("23.441").unwrap().to_string(), "23441");
/// assert_eq!(parse_vietnamese("78,950").unwrap().to_string(), "78.950");
/// assert_eq!(parse_vietnamese("7.40"), Err(NumberFlaw::Malformed));
/// ```
pub fn parse_vietnamese(printed: &str) -> Result<Decimal64, NumberFlaw> {
    let (whole, decimals) = printed
        .split_once(',')
        .map_or((printed, None), |(whole, decimals)| (whole, Some(decimals)));
    let whole = without_groups(whole).ok_or(NumberFlaw::Malformed)?;
    if decimals.is_some_and(|decimals| {
        decimals.is_empty() || !decimals.bytes().all(|b| b.is_ascii_digit())
    }) {
        return Err(NumberFlaw::Malformed);
    }
    parse_decimal(&decimals.map_or(whole.clone(), |decimals| format!("{whole}.{decimals}")))
}

/// Parses a percentage. A decimal point is accepted, because percentages never have thousands.
fn parse_percentage(printed: &str) -> Result<Decimal64, NumberFlaw> {
    match printed.split_once('.') {
        Some((whole, decimals))
            if whole.len() <= 3
                && [whole, decimals]
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) =>
        {
            parse_decimal(printed)
        }
        _ => parse_vietnamese(printed),
    }
}

fn parse_decimal(text: &str) -> Result<Decimal64, NumberFlaw> {
    match text.len() > 20 {
        true => Err(NumberFlaw::TooLarge),
        false => Decimal64::parse(text).map_err(|_too_large| NumberFlaw::TooLarge),
    }
}

/// Digits without their thousands separators; `None` when the separators are misplaced.
fn without_groups(whole: &str) -> Option<String> {
    let mut groups = whole.split(['.', '\u{a0}', '\u{202f}', '\u{2007}']);
    let first = groups.next()?;
    let digits = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    let rest: Vec<&str> = groups.collect();
    let sound = digits(first)
        && rest.iter().all(|group| group.len() == 3 && digits(group))
        && (rest.is_empty() || (first.len() <= 3 && !first.starts_with('0')));
    sound.then(|| rest.into_iter().fold(first.to_owned(), |whole, group| whole + group))
}

/// Whether a word before a number marks it as approximate.
#[must_use]
pub fn is_approximation(word: &str) -> bool {
    vietnamese_words().number.approximate.contains(word)
}

fn is_approximate(before: &str) -> bool {
    let last = before
        .trim_end()
        .rsplit(|c: char| c.is_whitespace() || c == '\u{a0}' || c == '(')
        .next()
        .unwrap_or_default();
    let last = folded(last);
    is_approximation(&last) && before.ends_with(|c: char| c.is_whitespace() || c == '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |placed: PlacedToken| match placed.piece {
            NumericToken::Number(number) => {
                let value =
                    number.value.map_or_else(|flaw| format!("{flaw:?}"), |value| value.to_string());
                format!(
                    "{:?} {value}{}",
                    number.sort,
                    if number.approximate { " about" } else { "" }
                )
            }
            other @ (NumericToken::Month(..)
            | NumericToken::Year(_)
            | NumericToken::Span { .. }
            | NumericToken::Day { .. }
            | NumericToken::Reference
            | NumericToken::Word) => {
                format!("{other:?}")
            }
        };
        find_tokens(text).into_iter().map(one).collect()
    }

    #[test]
    fn numbers_in_vietnamese_notation_are_parsed() {
        for (text, expected) in [
            ("23.441 văn bản", "Plain 23441"),
            ("316¹ văn bản", "Plain 316"),
            ("¹1.316 văn bản", "Plain 1316"),
            ("25⁽²⁾ hồ sơ", "Plain 25"),
            ("10⁶ đồng", "Plain Malformed"),
            ("5×10⁶ đồng", "Plain Malformed"),
            ("2180 trực tuyến", "Plain 2180"),
            ("tỷ lệ 78,955%", "Percent 78.955"),
            ("78,95 %", "Percent 78.95"),
            ("78.95%", "Percent 78.95"),
            ("03 cuộc", "Plain 3"),
            ("tạo mới tài khoản 63", "Plain 63"),
            ("15 triệu đồng", "Money 15000000"),
            ("18 trđ", "Money 18000000"),
            ("1,2 tỷ", "Plain 1200000000"),
            ("1,2 tỷ đồng", "Money 1200000000"),
            ("1 tỷ 250 triệu đồng", "Money 1250000000"),
            ("7.500.000 đồng", "Money 7500000"),
            ("7.500.000đ", "Money 7500000"),
            ("khoảng 27 phút/ngày", "Plain 27 about"),
            ("2.400 văn bản (ước).", "Plain 2400 about"),
            ("12 chứng thư số (số ước)", "Plain 12 about"),
            ("2.400 (số liệu ước tính)", "Plain 2400 about"),
            ("2.400+ văn bản", "Plain 2400 about"),
            ("2.400 văn bản, (ước)", "Plain 2400"),
            ("2.400 văn bản (được ký số)", "Plain 2400"),
            ("đạt gần 80%", "Percent 80 about"),
            ("Không có.", "Zero 0"),
            ("chưa phát sinh", "Zero 0"),
            ("đơn tố cáo: không;", "Zero 0"),
            ("7.40 tài khoản", "Plain Malformed"),
            ("1.23.456 hồ sơ", "Plain Malformed"),
            ("1,234,567 hồ sơ", "Plain Malformed"),
            ("23 441 văn bản", "Plain Spaces"),
            ("27 .316 văn bản", "Plain Spaces"),
            ("27. 316 văn bản", "Plain Spaces"),
            ("27·316 văn bản", "Plain Spaces"),
            ("27’316 văn bản", "Plain Spaces"),
            ("1 .000 .000 văn bản", "Plain Spaces"),
            ("5OO văn bản", "Plain Malformed"),
            ("l23 hồ sơ", "Plain Malformed"),
            ("1O.000 hồ sơ", "Plain Malformed"),
            ("12o văn bản", "Plain Malformed"),
            ("tỷ lệ 9O%", "Percent Malformed"),
            ("gần O,5%", "Percent Malformed"),
            ("3 cấp mới", "Plain 3"),
            ("23\u{a0}441 văn bản", "Plain 23441"),
            ("10-15 cuộc", "Plain Range"),
            ("từ 10 đến 15 cuộc", "Plain Range"),
            ("99999999999999999999999 hồ sơ", "Plain TooLarge"),
        ] {
            assert_eq!(shown(text), [expected], "{text}");
        }
    }

    #[test]
    fn digits_that_are_not_figures_are_classified() {
        for (text, expected) in [
            (
                "Công văn số 4595/UBND-CNXD ngày 29/9/2021",
                vec!["Reference", "Day { day: 29, month: 9, year: Some(2021) }"],
            ),
            ("trước ngày 30-7", vec!["Day { day: 30, month: 7, year: None }"]),
            (
                "từ 1/7 đến 26/8/2024",
                vec![
                    "Day { day: 1, month: 7, year: None }",
                    "Day { day: 26, month: 8, year: Some(2024) }",
                ],
            ),
            ("phục vụ 24/7", vec!["Reference"]),
            ("dịch vụ công trực tuyến 3 cấp", vec!["Word"]),
            ("của 3 cấp.", vec!["Word"]),
            ("trong ngày 15", vec!["Reference"]),
            ("Quyết định số 28/2021/QĐ-TTg", vec!["Reference"]),
            ("Kế hoạch số 24-KH/TU", vec!["Reference"]),
            ("ngày 06 tháng 10 năm 2021", vec!["Day { day: 6, month: 10, year: Some(2021) }"]),
            ("tháng 10 năm 2021", vec!["Month(10, Some(2021))"]),
            ("tháng 10/2021", vec!["Month(10, Some(2021))"]),
            ("Tháng 9,", vec!["Month(9, None)"]),
            ("quý III/2021", vec!["Span { last: 9, months: 3, year: Some(2021) }"]),
            ("9 tháng đầu năm 2021", vec!["Span { last: 9, months: 9, year: Some(2021) }"]),
            ("năm 2021", vec!["Year(2021)"]),
            ("nhiệm kỳ 2021 – 2025", vec!["Reference"]),
            ("Covid-19", vec!["Word"]),
            ("CVE-2021-40444", vec!["Word"]),
            ("mạng 5G", vec!["Word"]),
            ("mức độ 4", vec!["Word"]),
            ("Gói thầu số 15", vec!["Reference"]),
            ("điện thoại 0294.3855.123", vec!["Reference"]),
            ("lúc 8 giờ 30 phút", vec!["Reference"]),
            ("tổng số 2.312 chứng thư số", vec!["Plain 2312"]),
            ("cấp 21 giấy phép", vec!["Plain 21"]),
            ("2.067/8.117 hồ sơ", vec!["Plain 2067", "Plain 8117"]),
            ("mức 3: 619, mức 4: 944", vec!["Word", "Plain 619", "Word", "Plain 944"]),
            ("12 tỉnh/thành phố", vec!["Plain 12"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
