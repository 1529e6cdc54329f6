//! Times in labels and titles: "Tháng 10 năm 2021", "T10/2021", "10/2021", "2021-10", "tháng
//! trước".

use std::sync::LazyLock;

use regex::Regex;

use super::folding::unaccented;
use crate::period::Month;

/// The time that a label gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MonthMention {
    /// A month.
    Month(Month),
    /// A month, 1 to 12, if its year is given elsewhere.
    OfYear(u32),
    /// A month relative to the reporting month, by the number of months after it.
    Relative(i32),
    /// A year, for months given elsewhere.
    Year(i32),
    /// Another time than one month, described for the reason.
    Other(&'static str),
}

/// The times of a label, and the rest of the label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DatedLabel {
    /// The times found; more than one make the label uncertain.
    pub when: Vec<MonthMention>,
    /// The rest.
    pub rest: String,
}

/// Longest label in characters.
const MAX_LABEL: usize = 300;

/// Makes the time of a pattern's match.
type MentionBuilder = fn(&regex::Captures<'_>) -> MonthMention;

struct MonthPattern {
    regex: Regex,
    made: MentionBuilder,
}

fn number(captures: &regex::Captures<'_>, name: &str) -> Option<u32> {
    captures.name(name)?.as_str().parse().ok()
}

fn month(captures: &regex::Captures<'_>) -> MonthMention {
    let year = number(captures, "year").and_then(|year| i32::try_from(year).ok());
    match (year, number(captures, "month")) {
        (Some(year), Some(month)) => Month::new(year, month)
            .map_or(MonthMention::Other("not a month of the calendar"), MonthMention::Month),
        (None, Some(month)) if (1..=12).contains(&month) => MonthMention::OfYear(month),
        _ => MonthMention::Other("not a month of the calendar"),
    }
}

/// Why a figure up to the month is not that of the month.
pub const TO_DATE: &str = "year to date, not the figure of this month";
/// Why a plan or an estimate is not a figure.
pub const PLAN: &str = "a plan or target, not a reported figure";
/// Why a comparison is not a figure.
pub const COMPARED: &str = "a comparison, not a figure";
/// Why a figure of a quarter or year is not that of a month.
pub const WIDER: &str = "a period wider than a month";
const DAY: &str = "a day or a range of days";

/// The patterns, the longest first. What one has matched is not seen by the next.
static PATTERNS: LazyLock<Vec<MonthPattern>> = LazyLock::new(|| {
    let patterns: [(&str, MentionBuilder); 19] = [
        (
            r"so (voi|sanh)\b.*|tang,? *(/|-|hoac|va)? *giam\b.*|chenh lech.*|\+/-|\bcompared\b.*",
            |_| MonthMention::Other(COMPARED),
        ),
        (
            concat!(
                r"\bluy ke\b|\bluy tien\b|\btu dau nam\b|\btinh tu dau\b|\bcong don\b",
                r"|\byear to date\b|\bytd\b",
            ),
            |_| MonthMention::Other(TO_DATE),
        ),
        (
            concat!(
                r"\bke hoach (nam|thang|giao|duoc giao|qu[yi])\b|^ke hoach$|\bchi tieu (giao|nam",
                r"|ke hoach|duoc giao)\b|\bmuc tieu\b|\bduoc giao\b|\bdu kien\b|\buoc (tinh|thang",
                r"|thuc hien)\b|\btarget\b",
            ),
            |_| MonthMention::Other(PLAN),
        ),
        (
            concat!(
                r"\b(\d{1,2}|ba|sau|chin) thang\b( dau nam| cuoi nam)?( nam \d{4}|/\d{4})?",
                r"|\bqu[yi] (iv|iii|ii|i|\d)\b( nam \d{4}|/\d{4}|-\d{4})?",
            ),
            |_| MonthMention::Other(WIDER),
        ),
        (r"\bthang \d{1,2} ?(-|–|den|toi) ?(thang )?\d{1,2}( nam |/|-)\d{4}", |_| {
            MonthMention::Other(WIDER)
        }),
        (
            r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\bngay \d{1,2}( thang \d{1,2}( nam \d{4})?|/\d{1,2})",
            |_| MonthMention::Other(DAY),
        ),
        (
            concat!(
                r"\b(trong )?(thang|th|t)\.? ?(?P<month>\d{1,2}) ?(/|-|\.|,? ?nam|,) ?",
                r"(?P<year>\d{4})\b",
            ),
            month,
        ),
        (r"\b(?P<year>(19|20|21)\d\d)[-/](?P<month>\d{2})\b", month),
        (r"(^|[^\d.,/-])(?P<month>\d{1,2}) ?[/-] ?(?P<year>(19|20|21)\d\d)\b", month),
        (r"\b(trong )?(thang|th)\.? ?(?P<month>\d{1,2})\b", month),
        (
            concat!(
                r"\b(cung k[yi]|thang) (nam )?(truoc|ngoai) (cua )?nam (truoc|ngoai)\b",
                r"|\bcung k[yi]( nam (truoc|ngoai)| thang nam truoc)?\b",
                r"|\bsame month (of )?last year\b",
            ),
            |_| MonthMention::Relative(-12),
        ),
        (
            concat!(
                r"\b(thang|k[yi])( bao cao)? (truoc|lien ke|lien truoc)( do)?\b|\bprevious month\b",
                r"|\blast month\b",
            ),
            |_| MonthMention::Relative(-1),
        ),
        (
            concat!(
                r"\b(trong )?(thang|k[yi]) (nay|bao cao|hien tai)\b|\btrong (thang|k[yi])\b",
                r"|\bthuc hien( (trong )?(thang|k[yi]))?\b$|\bthis month\b",
            ),
            |_| MonthMention::Relative(0),
        ),
        (r"^t\.? ?(?P<month>\d{1,2})$", month),
        (r"\bnam (truoc|ngoai|nay|ke hoach)\b|\bca nam\b|\btrong nam\b", |_| {
            MonthMention::Other(WIDER)
        }),
        (r"\bnam (?P<year>(19|20|21)\d\d)\b", |captures| year(captures)),
        (r"^(?P<year>(19|20|21)\d\d)$", |captures| year(captures)),
        (r"\bluy ke\b", |_| MonthMention::Other(TO_DATE)),
        (r"\b(dau|cuoi) (k[yi]|thang|nam)\b", |_| {
            MonthMention::Other("the value may be of another time than the end of the month")
        }),
    ];
    patterns
        .into_iter()
        .filter_map(|(pattern, made)| Some(MonthPattern { regex: Regex::new(pattern).ok()?, made }))
        .collect()
});

fn year(captures: &regex::Captures<'_>) -> MonthMention {
    number(captures, "year")
        .and_then(|year| i32::try_from(year).ok())
        .map_or(MonthMention::Other(WIDER), MonthMention::Year)
}

/// Finds the times in a label. A label of more than 300 characters is not searched.
#[must_use]
pub fn extract_months(text: &str) -> DatedLabel {
    if text.chars().count() > MAX_LABEL {
        return DatedLabel { when: Vec::new(), rest: text.to_owned() };
    }
    let text: String = unicode_normalization::UnicodeNormalization::nfc(text).collect();
    let (mut left, mut shown): (Vec<char>, Vec<char>) =
        (unaccented(&text).chars().collect(), text.chars().collect());
    let mut when = Vec::new();
    for pattern in PATTERNS.iter() {
        loop {
            let line: String = left.iter().collect();
            let Some(captures) = pattern.regex.captures(&line) else { break };
            let (Some(whole), first) =
                (captures.get(0), captures.name("month").or_else(|| captures.name("year")))
            else {
                break;
            };
            // The mark before a month alone belongs to the text before it.
            let start = first.map_or(whole.start(), |first| {
                if line.get(whole.start()..first.start()).is_some_and(|head| {
                    head.chars().count() == 1 && !head.starts_with(char::is_alphabetic)
                }) {
                    first.start()
                } else {
                    whole.start()
                }
            });
            when.push((pattern.made)(&captures));
            let before = line.get(..start).unwrap_or_default().chars().count();
            let length = line.get(start..whole.end()).unwrap_or_default().chars().count().max(1);
            for letters in [&mut left, &mut shown] {
                letters.iter_mut().skip(before).take(length).for_each(|c| *c = ' ');
            }
        }
    }
    DatedLabel {
        when,
        rest: shown
            .into_iter()
            .collect::<String>()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<MonthMention> {
        match extract_months(text).when.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    #[test]
    fn months_are_read_in_every_way_they_are_written() {
        let october = MonthMention::Month("2021-10".parse().unwrap());
        for text in [
            "Tháng 10/2021",
            "T10/2021",
            "10/2021",
            "2021-10",
            "THÁNG 10 NĂM 2021",
            "tháng 10-2021",
            "Th10/2021",
            "Số liệu tháng 10 năm 2021",
            "(10/2021)",
        ] {
            assert_eq!(one(text), Some(october), "{text}");
        }
        for text in ["Tháng 10", "T10", "Th 10"] {
            assert_eq!(one(text), Some(MonthMention::OfYear(10)), "{text}");
        }
        assert_eq!(one("Tháng trước"), Some(MonthMention::Relative(-1)));
        assert_eq!(one("Tháng này"), Some(MonthMention::Relative(0)));
        assert_eq!(one("Cùng kỳ năm trước"), Some(MonthMention::Relative(-12)));
        // Both spellings are in use: kỳ and kì, quý and quí.
        assert_eq!(one("Cùng kì năm trước"), Some(MonthMention::Relative(-12)));
        assert_eq!(one("Kì trước"), Some(MonthMention::Relative(-1)));
        assert_eq!(one("Quí III năm 2021"), one("Quý III năm 2021"));
        assert_eq!(one("Năm 2021"), Some(MonthMention::Year(2021)));
    }

    #[test]
    fn times_other_than_a_single_month_are_rejected_with_a_reason() {
        for text in [
            "Lũy kế",
            "Luỹ kế từ đầu năm",
            "Kế hoạch năm 2021",
            "9 tháng năm 2021",
            "Quý III/2021",
            "So với tháng trước",
            "Tăng/giảm",
            "Tăng, giảm",
            "31/10/2021",
        ] {
            assert!(
                extract_months(text).when.iter().any(|when| matches!(when, MonthMention::Other(_))),
                "{text}: {:?}",
                extract_months(text)
            );
        }
        assert_eq!(
            extract_months("Tháng 13/2021").when,
            [MonthMention::Other("not a month of the calendar")]
        );
    }

    #[test]
    fn the_rest_of_a_label_is_kept() {
        assert_eq!(extract_months("Hồ sơ tiếp nhận tháng 10/2021").rest, "Hồ sơ tiếp nhận");
        assert_eq!(extract_months("Hồ sơ tiếp nhận").when, []);
        assert_eq!(extract_months("Văn bản đi trong tháng").rest, "Văn bản đi");
        assert_eq!(extract_months("Mức độ 3").when, []);
        assert_eq!(extract_months("Hồ sơ tiếp nhận trong tháng 10").rest, "Hồ sơ tiếp nhận");
        assert_eq!(PATTERNS.len(), 19, "each pattern is well-formed");
    }
}
