//! Numbers as Vietnamese prose writes them: `23.441`, `2180`, `78,955%`, `03`, `15 triệu đồng`, `khoảng 27`, `Không có`; and what has digits and is
//! no figure: dates, months, numbers of documents, ordinals, names, telephone numbers.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::domain::number::Written;
use crate::domain::wording::folded;

/// What a number counts, as far as it says so itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Nothing said.
    Plain,
    /// `%` or `phần trăm` stands behind it.
    Percent,
    /// `đồng`, or a magnitude and `đồng`.
    Money,
    /// A word for nothing: `Không có`, `chưa phát sinh`.
    Zero,
}

/// Why digits are no number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// `7.40`, `1.23.456`: what stands between the digits parts neither thousands nor decimals.
    Malformed,
    /// `10-15`: two bounds, no figure.
    Range,
    /// `23 441`: one number or two.
    Spaces,
    /// More digits than a figure may have.
    TooLarge,
}

/// A number in a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Number {
    /// Its digits, with their magnitude (`15 triệu`): bytes of the text.
    pub range: Range<usize>,
    /// What it counts.
    pub sort: Sort,
    /// The number, in ones; or why it is none.
    pub value: Result<Written, Flaw>,
    /// Whether the text says that it is not exact: `khoảng`, `gần`, `hơn`.
    pub approximate: bool,
}

/// A stretch of a text that has digits, or says that there is nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// A number.
    Number(Number),
    /// A month: `tháng 10`, `tháng 10 năm 2021`, `10/2021`.
    Month(u32, Option<i32>),
    /// A year: `năm 2021`.
    Year(i32),
    /// A period of the year that is not a month: `quý III`, `9 tháng đầu năm 2021`; months it ends with and how many, and the year.
    Span {
        /// Last month.
        last: u32,
        /// How many months.
        months: u32,
        /// The year, where it is said.
        year: Option<i32>,
    },
    /// A day, the number of a document, a telephone number, an address: digits that are no figure.
    Reference,
    /// An ordinal or a name with digits (`mức 3`, `Covid-19`), which is part of the wording.
    Word,
}

/// A stretch with where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// What it is.
    pub piece: Piece,
}

const SPACE: &str = r"[\s\u{a0}\u{202f}\u{2007}]";

/// One alternative for each kind of stretch; the first that fits at a place counts.
static LEXER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = r"(?:0?[1-9]|1[0-2])";
    let alternatives = [
        r"(?P<address>[\w.+-]+@[\w.-]+|(?:https?://|www\.)\S+)".to_owned(),
        r"(?P<document>\b\d+(?:[/:]\d{4})?[/-]\p{Lu}[\p{L}&.]*\d*(?:[-–/]\p{Lu}[\p{L}&.0-9]*)*)".to_owned(),
        r"(?P<phone>(?:\+84|\b0)\d{1,3}[ .)]?\d{2,4}[ .]?\d{3,4}(?:[ .]\d{3})?\b)".to_owned(),
        format!(r"(?P<day>(?:(?i:ngày|từ ngày|đến ngày|đến|trước|sau|từ)_*)?\b\d{{1,2}}_?[/.-]_?{month}_?[/.-]_?(?:19|20)\d{{2}}\b)"),
        format!(r"(?P<dayword>(?i:ngày)_*\d{{1,2}}\b(?:_*(?i:tháng)_*{month}\b(?:_*(?i:năm)_*\d{{4}}\b)?|_?/_?{month}\b)?)"),
        format!(r"(?P<dayslash>(?i:đến|trước|sau|từ|hôm)_+\d{{1,2}}/{month}\b)"),
        r"(?P<nmonths>\b\d{1,2}_+(?i:tháng)\b(?:_+(?i:đầu_+năm|cuối_+năm|năm|đầu)\b)?(?:_*(?:(?i:năm)_*)?(?P<nyear>(?:19|20)\d{2})\b)?)".to_owned(),
        r"(?P<halfyear>\b(?i:6_+tháng|nửa_+đầu_+năm)\b)".to_owned(),
        format!(r"(?P<month>\b(?i:tháng)_+(?P<m>{month})\b(?:_*[/-]_*(?P<my>(?:19|20)\d{{2}})\b|_*,?_*(?i:năm)_*(?P<my2>(?:19|20)\d{{2}})\b)?)"),
        r"(?P<quarter>\b(?i:quý|quí)_+(?P<q>IV|I{1,3}|[1-4])\b(?:_*[/-]_*(?P<qy>\d{4})\b|_*,?_*(?i:năm)_*(?P<qy2>\d{4})\b)?)".to_owned(),
        r"(?P<years>(?:(?i:năm|giai_+đoạn|nhiệm_+kỳ|thời_+kỳ|năm_+học)_+)?\b(?:19|20)\d{2}_*[-–]_*(?:19|20)\d{2}\b)".to_owned(),
        r"(?P<year>\b(?i:năm)_+(?P<y>(?:19|20)\d{2})\b)".to_owned(),
        format!(r"(?P<monthslash>\b(?:[Tt])?(?P<sm>{month})_?/_?(?P<sy>(?:19|20)\d{{2}})\b)"),
        r"(?P<clock>\b\d{1,2}(?:h|:)\d{2}\b|\b\d{1,2}h\b)".to_owned(),
        r"(?P<clockword>(?i:lúc|vào)_+\d{1,2}_+(?i:giờ)(?:_+\d{1,2}(?:_+(?i:phút))?)?|\b\d{1,2}_+(?i:giờ)_+\d{1,2}(?:_+(?i:phút))?)".to_owned(),
        // "tài khoản 63" is no clause 63.
        format!(r"(?i:tài_+khoản)_+(?P<counted>{NUMBER})"),
        r"(?P<numbered>\b(?i:công_+văn|quyết_+định|kế_+hoạch|chỉ_+thị|nghị_+định|thông_+tư|nghị_+quyết|luật|tiêu_+chí|gói_+thầu|mẫu|công_+điện|báo_+cáo|tờ_+trình|thông_+báo|giấy_+phép|quy_+chuẩn|phụ_+lục|biểu_+mẫu|biểu|văn_+bản|đường_+dây_+nóng|hướng_+dẫn|chương_+trình|đề_+án)(?:_+(?i:số))_*:?_*\d+(?:[/:]\d{4})?(?:[-–/]\p{Lu}[\p{L}&.0-9]*)*\b|\b(?i:tổng_+đài|tiêu_+chí|phụ_+lục|biểu|bảng|điều|khoản|mục|chương|đợt|giai_+đoạn|lần_+thứ|thứ|phiên_+bản|tầng|khu_+vực|nhóm)_+\d+(?:\.\d+)*\b)".to_owned(),
        r"(?P<level>\b(?i:mức(?:_+độ)?|cấp_+độ)_+[1-5]\b)".to_owned(),
        r"(?P<name>\b(?i:covid)[ -]*\d+|\b\p{L}[\p{L}_]*[-.]?\d[\p{L}\d._-]*\d?|\b\d+[\p{Lu}&&[^Đ]]\p{L}*\d*\b)".to_owned(),
        format!(r"(?P<range>{NUMBER}_?%?_*(?:[-–—]|(?i:đến|tới))_*{NUMBER})"),
        r"(?P<spaced>\b\d{1,3}(?:[ ]\d{3})+\b)".to_owned(),
        format!(r"(?P<number>\b\d{{1,3}}(?:[\u{{a0}}\u{{202f}}\u{{2007}}]\d{{3}})+\b|{NUMBER})"),
        r"(?P<zero>\b(?i:không_+(?:có|phát_+sinh|tiếp_+nhận|nhận_+được|ghi_+nhận)|chưa_+(?:có|phát_+sinh|tiếp_+nhận|nhận_+được|ghi_+nhận)(?:_+phát_+sinh)?)\b(?:_+(?i:phát_+sinh))?|:_*(?P<no>(?i:không))_*(?:[.,;)\n]|$))".to_owned(),
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

/// What may stand behind a number and belongs to it.
static BEHIND: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let text = r"^_*(?P<times>nghìn|ngàn|triệu|trđ|tr|tỷ|tỉ)?\b(?:_*(?P<more>\d+(?:[.,]\d+)?)_*(?P<moretimes>nghìn|ngàn|triệu)\b)?(?P<end>)_*(?P<money>đồng|vnđ|vnd|đ)?\b";
    Regex::new(&format!("(?i){}", text.replace("_*", &format!("{SPACE}*")))).ok()
});

static PERCENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"^{SPACE}*(?:%|(?i:phần{SPACE}+trăm))")).ok());

/// Words before a number that say that it is not exact.
pub const ABOUT: [&str; 9] = ["khoảng", "gần", "hơn", "trên", "dưới", "ước", "chừng", "tầm", "xỉ"];

/// The stretches of a text that have digits or say that there is nothing, in order.
#[must_use]
pub fn pieces(text: &str) -> Vec<Placed> {
    let Some(lexer) = LEXER.as_ref() else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(captures) = lexer.captures_at(text, at) {
        let Some(whole) = captures.get(0) else { break };
        let placed = placed(text, &captures, whole.range());
        at = placed.range.end.max(whole.start() + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        found.push(placed);
    }
    found
}

fn placed(text: &str, captures: &Captures<'_>, range: Range<usize>) -> Placed {
    let named = |name: &str| captures.name(name);
    let number = |names: &[&str]| {
        names.iter().find_map(|name| captures.name(name)?.as_str().parse::<i32>().ok())
    };
    let small = |name: &str| captures.name(name).and_then(|m| m.as_str().parse::<u32>().ok());
    // "Đề án 06 tháng 5 năm 2025": the number before is no count of months.
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
    let piece = if named("month").is_some() {
        small("m").map(|month| Piece::Month(month, number(&["my", "my2"])))
    } else if named("monthslash").is_some() {
        small("sm").map(|month| Piece::Month(month, number(&["sy"])))
    } else if named("year").is_some() {
        number(&["y"]).map(Piece::Year)
    } else if named("quarter").is_some() {
        let quarter = named("q").and_then(|q| {
            ["", "I", "II", "III", "IV"]
                .iter()
                .position(|roman| *roman == q.as_str())
                .or_else(|| q.as_str().parse().ok())
        });
        quarter.and_then(|quarter| u32::try_from(quarter * 3).ok()).map(|last| Piece::Span {
            last,
            months: 3,
            year: number(&["qy", "qy2"]),
        })
    } else if named("nmonths").is_some() {
        let months = text
            .get(range.clone())
            .and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
        // "3 tháng cuối năm" are the last ones of the year.
        let ends_year = text.get(range.clone()).is_some_and(|text| folded(text).contains("cuối"));
        months.map(|months| Piece::Span {
            last: if ends_year { 12 } else { months },
            months,
            year: number(&["nyear"]),
        })
    } else if named("halfyear").is_some() {
        Some(Piece::Span { last: 6, months: 6, year: None })
    } else if named("level").is_some() || named("name").is_some() {
        Some(Piece::Word)
    } else if let Some(digits) = named("number").or_else(|| named("counted")) {
        return number_at(text, digits.range());
    } else if named("range").is_some() {
        Some(flawed(text, range.clone(), Flaw::Range))
    } else if named("spaced").is_some() {
        Some(flawed(text, range.clone(), Flaw::Spaces))
    } else if named("zero").is_some() {
        let range = named("no").map_or(range.clone(), |no| no.range());
        let zero = Number {
            range: range.clone(),
            sort: Sort::Zero,
            value: Ok(Written { mantissa: 0, scale: 0 }),
            approximate: false,
        };
        return Placed { range, piece: Piece::Number(zero) };
    } else {
        Some(Piece::Reference)
    };
    Placed { range, piece: piece.unwrap_or(Piece::Reference) }
}

fn flawed(text: &str, range: Range<usize>, flaw: Flaw) -> Piece {
    let behind = text.get(range.end..).unwrap_or_default();
    let sort = if PERCENT.as_ref().is_some_and(|percent| percent.is_match(behind)) {
        Sort::Percent
    } else {
        Sort::Plain
    };
    Piece::Number(Number { range, sort, value: Err(flaw), approximate: false })
}

/// A number whose digits stand at a range, with what belongs to it behind and before.
fn number_at(text: &str, digits: Range<usize>) -> Placed {
    let printed = text.get(digits.clone()).unwrap_or_default();
    let behind = text.get(digits.end..).unwrap_or_default();
    let approximate = about(text.get(..digits.start).unwrap_or_default());
    if let Some(percent) = PERCENT.as_ref().and_then(|percent| percent.find(behind)) {
        let number = Number {
            range: digits.clone(),
            sort: Sort::Percent,
            value: percentage(printed),
            approximate,
        };
        return Placed {
            range: digits.start..digits.end + percent.end(),
            piece: Piece::Number(number),
        };
    }
    let captures = BEHIND.as_ref().and_then(|expected| expected.captures(behind));
    let named = |name: &str| captures.as_ref().and_then(|captures| captures.name(name));
    let (times, money) = (named("times"), named("money"));
    let mut value = plain(printed);
    let mut end = digits.end;
    if let Some(times) = times {
        value = value.and_then(|value| multiplied(value, magnitude(times.as_str())));
        end = digits.end + times.end();
        if let (Some(more), Some(more_times)) = (named("more"), named("moretimes")) {
            let added = plain(more.as_str())
                .and_then(|more| multiplied(more, magnitude(more_times.as_str())));
            value = value.and_then(|value| added.and_then(|added| sum(value, added)));
            end = digits.end + more_times.end();
        }
    }
    let whole = digits.end + money.map_or(end - digits.end, |money| money.end());
    let in_money = money.is_some() || times.is_some_and(|times| folded(times.as_str()) == "trđ");
    let sort = if in_money { Sort::Money } else { Sort::Plain };
    let number = Number { range: digits.start..end, sort, value, approximate };
    Placed { range: digits.start..whole.max(end), piece: Piece::Number(number) }
}

fn magnitude(word: &str) -> u32 {
    match folded(word).as_str() {
        "nghìn" | "ngàn" => 3,
        "triệu" | "tr" | "trđ" => 6,
        _ => 9,
    }
}

fn multiplied(value: Written, power: u32) -> Result<Written, Flaw> {
    let shared = value.scale.min(power);
    let mantissa = 10_i64
        .checked_pow(power - shared)
        .and_then(|by| value.mantissa.checked_mul(by))
        .ok_or(Flaw::TooLarge)?;
    Ok(Written { mantissa, scale: value.scale - shared })
}

fn sum(one: Written, other: Written) -> Result<Written, Flaw> {
    let scale = one.scale.max(other.scale);
    let total = one
        .at_scale(scale)
        .zip(other.at_scale(scale))
        .and_then(|(one, other)| one.checked_add(other));
    total.map(|mantissa| Written { mantissa, scale }).ok_or(Flaw::TooLarge)
}

/// A number in Vietnamese notation: points between thousands, a comma before decimals, or neither.
///
/// # Errors
/// [`Flaw::Malformed`] for anything else, such as `7.40` or `1,234,567`.
///
/// ```
/// use egov_kpi::intake::numbers::{Flaw, plain};
/// assert_eq!(plain("23.441").unwrap().to_string(), "23441");
/// assert_eq!(plain("78,950").unwrap().to_string(), "78.950");
/// assert_eq!(plain("7.40"), Err(Flaw::Malformed));
/// ```
pub fn plain(printed: &str) -> Result<Written, Flaw> {
    let (whole, decimals) = printed
        .split_once(',')
        .map_or((printed, None), |(whole, decimals)| (whole, Some(decimals)));
    let whole = without_groups(whole).ok_or(Flaw::Malformed)?;
    if decimals.is_some_and(|decimals| {
        decimals.is_empty() || !decimals.bytes().all(|b| b.is_ascii_digit())
    }) {
        return Err(Flaw::Malformed);
    }
    written(&decimals.map_or(whole.clone(), |decimals| format!("{whole}.{decimals}")))
}

/// A percentage: also with a decimal point, as machines write it; nobody writes thousands of per cent.
fn percentage(printed: &str) -> Result<Written, Flaw> {
    match printed.split_once('.') {
        Some((whole, decimals))
            if whole.len() <= 3
                && [whole, decimals]
                    .iter()
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())) =>
        {
            written(printed)
        }
        _ => plain(printed),
    }
}

fn written(text: &str) -> Result<Written, Flaw> {
    match text.len() > 20 {
        true => Err(Flaw::TooLarge),
        false => Written::parse(text).map_err(|_too_large| Flaw::TooLarge),
    }
}

/// Digits without what parts their thousands.
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

fn about(before: &str) -> bool {
    let last = before
        .trim_end()
        .rsplit(|c: char| c.is_whitespace() || c == '\u{a0}' || c == '(')
        .next()
        .unwrap_or_default();
    let last = folded(last);
    ABOUT.iter().any(|word| *word == last)
        && before.ends_with(|c: char| c.is_whitespace() || c == '\u{a0}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let one = |placed: Placed| match placed.piece {
            Piece::Number(number) => {
                let value =
                    number.value.map_or_else(|flaw| format!("{flaw:?}"), |value| value.to_string());
                format!(
                    "{:?} {value}{}",
                    number.sort,
                    if number.approximate { " about" } else { "" }
                )
            }
            other @ (Piece::Month(..)
            | Piece::Year(_)
            | Piece::Span { .. }
            | Piece::Reference
            | Piece::Word) => format!("{other:?}"),
        };
        pieces(text).into_iter().map(one).collect()
    }

    #[test]
    fn numbers_are_read_as_vietnamese_writes_them() {
        for (text, expected) in [
            ("23.441 văn bản", "Plain 23441"),
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
            ("đạt gần 80%", "Percent 80 about"),
            ("Không có.", "Zero 0"),
            ("chưa phát sinh", "Zero 0"),
            ("đơn tố cáo: không;", "Zero 0"),
            ("7.40 tài khoản", "Plain Malformed"),
            ("1.23.456 hồ sơ", "Plain Malformed"),
            ("1,234,567 hồ sơ", "Plain Malformed"),
            ("23 441 văn bản", "Plain Spaces"),
            ("23\u{a0}441 văn bản", "Plain 23441"),
            ("10-15 cuộc", "Plain Range"),
            ("từ 10 đến 15 cuộc", "Plain Range"),
            ("99999999999999999999999 hồ sơ", "Plain TooLarge"),
        ] {
            assert_eq!(shown(text), [expected], "{text}");
        }
    }

    #[test]
    fn what_has_digits_and_is_no_figure_is_told_apart() {
        for (text, expected) in [
            ("Công văn số 4595/UBND-CNXD ngày 29/9/2021", vec!["Reference", "Reference"]),
            ("Quyết định số 28/2021/QĐ-TTg", vec!["Reference"]),
            ("Kế hoạch số 24-KH/TU", vec!["Reference"]),
            ("ngày 06 tháng 10 năm 2021", vec!["Reference"]),
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
