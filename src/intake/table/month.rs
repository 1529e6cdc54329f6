//! Months and other stretches of time in labels and titles: "Tháng 10 năm 2021", "T10/2021", "10/2021", "2021-10", "tháng trước".

use std::sync::LazyLock;

use regex::Regex;

use crate::domain::period::Month;
use crate::intake::words::folded;

/// What a label says of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// A month.
    Month(Month),
    /// A month of a year that is said elsewhere, 1 to 12.
    OfYear(u32),
    /// So many months after the one reported on.
    Relative(i32),
    /// A year, for months that stand below.
    Year(i32),
    /// Something else than one month.
    Other(&'static str),
}

/// A label's time, and what is left of it without.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timed {
    /// The times found; more than one make the label uncertain.
    pub when: Vec<When>,
    /// The rest.
    pub rest: String,
}

/// Longest label in characters.
const MAX_LABEL: usize = 300;

/// What a pattern's match says.
type Made = fn(&regex::Captures<'_>) -> When;

struct Pattern {
    regex: Regex,
    made: Made,
}

fn number(captures: &regex::Captures<'_>, name: &str) -> Option<u32> {
    captures.name(name)?.as_str().parse().ok()
}

fn month(captures: &regex::Captures<'_>) -> When {
    let year = number(captures, "year").and_then(|year| i32::try_from(year).ok());
    match (year, number(captures, "month")) {
        (Some(year), Some(month)) => {
            Month::new(year, month).map_or(When::Other("no month of the calendar"), When::Month)
        }
        (None, Some(month)) if (1..=12).contains(&month) => When::OfYear(month),
        _ => When::Other("no month of the calendar"),
    }
}

const TO_DATE: &str = "year to date, not this month's figure";
const PLAN: &str = "a plan or target, not a figure reported";
const COMPARED: &str = "a comparison, not a figure";
const WIDER: &str = "a period wider than a month";
const DAY: &str = "a day, or a stretch of days";

/// The patterns, longest first: what one has taken the next does not see.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let patterns: [(&str, Made); 19] = [
        (
            r"so (voi|sanh)\b.*|tang,? *(/|-|hoac|va)? *giam\b.*|chenh lech.*|\+/-|\bcompared\b.*",
            |_| When::Other(COMPARED),
        ),
        (
            r"\bluy ke\b|\bluy tien\b|\btu dau nam\b|\btinh tu dau\b|\bcong don\b|\byear to date\b|\bytd\b",
            |_| When::Other(TO_DATE),
        ),
        (
            r"\bke hoach (nam|thang|giao|duoc giao|quy)\b|^ke hoach$|\bchi tieu (giao|nam|ke hoach|duoc giao)\b|\bmuc tieu\b|\bduoc giao\b|\btarget\b",
            |_| When::Other(PLAN),
        ),
        (
            r"\b(\d{1,2}|ba|sau|chin) thang\b( dau nam| cuoi nam)?( nam \d{4}|/\d{4})?|\bquy (iv|iii|ii|i|\d)\b( nam \d{4}|/\d{4}|-\d{4})?",
            |_| When::Other(WIDER),
        ),
        (r"\bthang \d{1,2} ?(-|–|den|toi) ?(thang )?\d{1,2}( nam |/|-)\d{4}", |_| {
            When::Other(WIDER)
        }),
        (
            r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|\bngay \d{1,2}( thang \d{1,2}( nam \d{4})?|/\d{1,2})",
            |_| When::Other(DAY),
        ),
        (
            r"\b(trong )?(thang|th|t)\.? ?(?P<month>\d{1,2}) ?(/|-|\.|,? ?nam|,) ?(?P<year>\d{4})\b",
            month,
        ),
        (r"\b(?P<year>(19|20|21)\d\d)[-/](?P<month>\d{2})\b", month),
        (r"(^|[^\d.,/-])(?P<month>\d{1,2}) ?[/-] ?(?P<year>(19|20|21)\d\d)\b", month),
        (r"\b(trong )?(thang|th)\.? ?(?P<month>\d{1,2})\b", month),
        (
            r"\b(cung ky|thang) (nam )?(truoc|ngoai) (cua )?nam (truoc|ngoai)\b|\bcung ky( nam (truoc|ngoai)| thang nam truoc)?\b|\bsame month (of )?last year\b",
            |_| When::Relative(-12),
        ),
        (
            r"\b(thang|ky)( bao cao)? (truoc|lien ke|lien truoc)( do)?\b|\bprevious month\b|\blast month\b",
            |_| When::Relative(-1),
        ),
        (
            r"\b(trong )?(thang|ky) (nay|bao cao|hien tai)\b|\btrong (thang|ky)\b|\bthuc hien( (trong )?(thang|ky))?\b$|\bthis month\b",
            |_| When::Relative(0),
        ),
        (r"^t\.? ?(?P<month>\d{1,2})$", month),
        (r"\bnam (truoc|ngoai|nay|ke hoach)\b|\bca nam\b|\btrong nam\b", |_| When::Other(WIDER)),
        (r"\bnam (?P<year>(19|20|21)\d\d)\b", |captures| year(captures)),
        (r"^(?P<year>(19|20|21)\d\d)$", |captures| year(captures)),
        (r"\bluy ke\b", |_| When::Other(TO_DATE)),
        (r"\b(dau|cuoi) (ky|thang|nam)\b", |_| {
            When::Other("the level at another time than the month's end is not told apart")
        }),
    ];
    patterns
        .into_iter()
        .filter_map(|(pattern, made)| Some(Pattern { regex: Regex::new(pattern).ok()?, made }))
        .collect()
});

fn year(captures: &regex::Captures<'_>) -> When {
    number(captures, "year")
        .and_then(|year| i32::try_from(year).ok())
        .map_or(When::Other(WIDER), When::Year)
}

/// Finds the times in a label; in one of more than 300 characters none is looked for.
#[must_use]
pub fn timed(text: &str) -> Timed {
    if text.chars().count() > MAX_LABEL {
        return Timed { when: Vec::new(), rest: text.to_owned() };
    }
    let text: String = unicode_normalization::UnicodeNormalization::nfc(text).collect();
    let (mut left, mut shown): (Vec<char>, Vec<char>) =
        (folded(&text).chars().collect(), text.chars().collect());
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
            // The sign before a month alone belongs to what stands before it.
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
    Timed {
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

    fn one(text: &str) -> Option<When> {
        match timed(text).when.as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    #[test]
    fn months_are_read_in_every_way_they_are_written() {
        let october = When::Month("2021-10".parse().unwrap());
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
            assert_eq!(one(text), Some(When::OfYear(10)), "{text}");
        }
        assert_eq!(one("Tháng trước"), Some(When::Relative(-1)));
        assert_eq!(one("Tháng này"), Some(When::Relative(0)));
        assert_eq!(one("Cùng kỳ năm trước"), Some(When::Relative(-12)));
        assert_eq!(one("Năm 2021"), Some(When::Year(2021)));
    }

    #[test]
    fn what_is_no_single_month_is_told() {
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
                timed(text).when.iter().any(|when| matches!(when, When::Other(_))),
                "{text}: {:?}",
                timed(text)
            );
        }
        assert_eq!(timed("Tháng 13/2021").when, [When::Other("no month of the calendar")]);
    }

    #[test]
    fn the_rest_of_a_label_stays() {
        assert_eq!(timed("Hồ sơ tiếp nhận tháng 10/2021").rest, "Hồ sơ tiếp nhận");
        assert_eq!(timed("Hồ sơ tiếp nhận").when, []);
        assert_eq!(timed("Văn bản đi trong tháng").rest, "Văn bản đi");
        assert_eq!(timed("Mức độ 3").when, []);
        assert_eq!(timed("Hồ sơ tiếp nhận trong tháng 10").rest, "Hồ sơ tiếp nhận");
        assert_eq!(PATTERNS.len(), 19, "each pattern is well-formed");
    }
}
