//! Which time a number is about: this period, an earlier one, the year so far, a plan, or a comparison. A report says it in words around
//! the number, in the clause before it, or not at all.

use std::sync::LazyLock;

use regex::Regex;

use super::sequence::{Sequence, mark};
use crate::domain::period::{Month, Period};

/// The time that a number is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The report's own period.
    Now,
    /// Everything until now; of a stock that is its level.
    UntilNow,
    /// The year so far, or another period wider than the report's.
    Wider,
    /// An earlier month, by how many months before the report's.
    Before(i32),
    /// An earlier time that is not said exactly.
    Earlier,
    /// A plan, a target, a forecast.
    Plan,
    /// An increase, a decrease, a comparison.
    Change,
}

/// A word that says the time.
struct Cue {
    when: When,
    at: usize,
}

/// Expressions for each time; the periods that a sentence names are signs by then (see [`mark`]).
static CUES: LazyLock<Vec<(Option<Regex>, When)>> = LazyLock::new(|| {
    let marks = |text: &str| {
        let marks = [
            ("NOW", mark::NOW),
            ("LASTMONTH", mark::LAST_MONTH),
            ("YEARBEFORE", mark::YEAR_BEFORE),
            ("MONTHBEFORE", mark::MONTH_BEFORE),
            ("WIDER", mark::WIDER),
            ("YEAR", mark::YEAR),
            ("LATER", mark::LATER),
            ("EARLIER", mark::EARLIER),
            ("REF", crate::domain::phrase::sign::REFERENCE),
        ];
        let text = marks
            .iter()
            .fold(text.to_owned(), |text, (name, sign)| text.replace(name, &sign.to_string()));
        Regex::new(&format!(" (?:{text}) ")).ok()
    };
    vec![
        (
            marks(
                "(?:so với|so|bằng) (?:cùng kỳ|tháng|kỳ|quý|năm|đầu năm|trước|MONTHBEFORE|YEARBEFORE|EARLIER)|so với \u{e000}|tăng thêm|tăng|giảm|vượt|cao hơn|thấp hơn|nhiều hơn|ít hơn",
            ),
            When::Change,
        ),
        (
            marks(
                "(?:tính )?(?:đến|hết|tới|cuối|đến hết|đến cuối|đến ngày|đến thời điểm)(?: ngày| cuối| hết)? (?:nay|NOW|LASTMONTH|REF|tháng|kỳ|hiện tại|hiện nay|thời điểm)|(?:tính )?đến nay|lũy kế",
            ),
            When::UntilNow,
        ),
        (
            marks(
                "từ đầu năm(?: đến nay)?|tính từ đầu năm|cộng dồn|cả năm|trong năm|toàn năm|cả YEAR|trong YEAR|YEAR (?:là|đạt|có|:|[\u{e000}-\u{e003}])|WIDER|(?:từ|kể từ) (?:YEAR|EARLIER|REF|khi thành lập|ngày REF) (?:đến nay|tới nay)|từ đầu (?:YEAR|EARLIER|nhiệm kỳ)|lũy kế (?:từ|WIDER|YEAR|cả)(?: đầu năm)?",
            ),
            When::Wider,
        ),
        (marks("tháng trước|kỳ trước|tháng liền trước|tháng liền kề|MONTHBEFORE"), When::Before(1)),
        (
            marks("cùng kỳ(?: năm trước| năm ngoái| YEARBEFORE| EARLIER)?|YEARBEFORE"),
            When::Before(12),
        ),
        (
            marks(
                "trong tuần|mỗi tuần|trong ngày|mỗi ngày|bình quân ngày|trước đó|trước đây|trước kia|EARLIER|LASTMONTH|năm trước|năm ngoái|quý trước|đầu năm|cuối EARLIER|đầu YEAR|đầu kỳ",
            ),
            When::Earlier,
        ),
        (
            marks(
                "nếu (?:hết|được|không|có)|(?:đưa|nâng) tỷ lệ|dự kiến|vào cuối (?:YEAR|năm)|phấn đấu|mục tiêu|chỉ tiêu|kế hoạch năm|kế hoạch giao|kế hoạch YEAR|theo kế hoạch(?: năm| YEAR| giao| đề ra)|so với kế hoạch|kế hoạch là|kế hoạch đề ra|sẽ|LATER|\u{e001} kế hoạch",
            ),
            When::Plan,
        ),
        (
            marks(
                "(?:kỳ|tháng|quý|năm) trước chuyển (?:sang|qua)|tăng lên|tăng lên thành|tăng lên đến|giảm xuống|giảm còn|trong tháng|tháng này|trong kỳ|kỳ này|trong quý|quý này|kỳ báo cáo|(?:trong )?NOW",
            ),
            When::Now,
        ),
    ]
});

/// The times of the numbers of a sequence: for each item, and the one that goes on behind its end.
#[must_use]
pub fn times(sequence: &Sequence, before: When) -> (Vec<When>, When) {
    let mut times = vec![before; sequence.items.len()];
    let mut carried = before;
    // Behind a colon a time holds until another one; otherwise until the next semicolon.
    let (mut lasting, mut base) = (before, before);
    for clause in sequence.clauses() {
        if clause.new_part {
            carried = base;
        }
        let cues = cues(sequence, &clause.range);
        let first_number = clause.range.clone().find(|item| sequence.is_number(*item));
        for item in clause.range.clone() {
            let at = sequence.start(item);
            let number_before = clause
                .range
                .clone()
                .rev()
                .find(|other| *other < item && sequence.is_number(*other))
                .map(|item| sequence.start(item));
            let next_number = clause
                .range
                .clone()
                .find(|other| *other > item && sequence.is_number(*other))
                .map_or(usize::MAX, |item| sequence.start(item));
            let last_before = cues.iter().rfind(|cue| cue.at < at);
            let first_behind = cues.iter().find(|cue| cue.at > at && cue.at < next_number);
            // A comparison concerns the number behind it; "tăng 5 so với tháng trước" is one as a whole.
            let found = match (last_before, first_behind) {
                (Some(cue), Some(behind))
                    if cue.when == When::Now
                        && behind.when != When::UntilNow
                        && number_before.is_none_or(|number| {
                            cue.at > number || behind.when == When::Change
                        }) =>
                {
                    Some(behind.when)
                }
                (Some(cue), behind)
                    if cue.when == When::Change
                        && number_before.is_some_and(|number| cue.at < number) =>
                {
                    behind.map(|behind| behind.when).or(Some(carried))
                }
                (Some(cue), _) => Some(cue.when),
                (None, Some(behind)) => Some(behind.when),
                (None, None) => None,
            };
            if let Some(slot) = times.get_mut(item) {
                *slot = found.unwrap_or(carried);
            }
        }
        let leading = match first_number {
            Some(number) => {
                cues.iter().rfind(|cue| cue.at < sequence.start(number) && cue.when != When::Change)
            }
            None => cues.last(),
        };
        carried = match leading {
            Some(cue) => cue.when,
            None if carried == When::Change => base,
            None => carried,
        };
        if clause.colon && first_number.is_none() && leading.is_some() {
            lasting = carried;
            base = carried;
        }
    }
    (times, if lasting == before { base } else { lasting })
}

fn cues(sequence: &Sequence, range: &std::ops::Range<usize>) -> Vec<Cue> {
    let (start, text) = sequence.slice(range);
    let mut found: Vec<(usize, usize, When)> = Vec::new();
    // "Năm 2021, toàn tỉnh ..." in a month's report is of the year.
    if text.trim_start().starts_with(mark::YEAR) {
        found.push((start, start + 2, When::Wider));
    }
    for (expression, when) in CUES.iter() {
        let Some(expression) = expression else { continue };
        let mut from = 0;
        while let Some(one) = expression.find_at(text, from) {
            // "tăng cường" compares nothing, "ngày tiếp công dân" is a day in the calendar.
            let behind = text.get(one.end().saturating_sub(1)..).unwrap_or_default();
            if !(one.as_str() == " tăng " && behind.starts_with(" cường ")
                || one.as_str().ends_with(" ngày ") && behind.starts_with(" tiếp "))
            {
                found.push((start + one.start(), start + one.end(), *when));
            }
            // The space behind may be the one before the next.
            from = one.end().saturating_sub(1).max(one.start() + 1);
        }
    }
    found.sort_by_key(|(at, end, _)| (*at, std::cmp::Reverse(*end)));
    let mut cues: Vec<Cue> = Vec::new();
    let mut covered = 0;
    for (at, end, when) in found {
        // The longest of those that overlap counts.
        if at + 1 >= covered {
            cues.push(Cue { when, at });
            covered = end;
        }
    }
    cues
}

/// The sign of a month as a report of a period sees it.
#[must_use]
pub fn sign_of_month(period: Period, month: u32, year: Option<i32>) -> char {
    let own = period.last();
    let year = year.unwrap_or_else(|| {
        if month <= own.month() || month == own.month() + 1 { own.year() } else { own.year() - 1 }
    });
    let Some(named) = Month::new(year, month) else {
        return crate::domain::phrase::sign::REFERENCE;
    };
    match named.since(own) {
        0 if period.first() == own => mark::NOW,
        0 => mark::LAST_MONTH,
        -1 if period.first() == own => mark::MONTH_BEFORE,
        -12 if period.first() == own => mark::YEAR_BEFORE,
        months if months > 0 => mark::LATER,
        _ => mark::EARLIER,
    }
}

/// The sign of a year, or of several months of one.
#[must_use]
pub fn sign_of_span(period: Period, last: u32, months: u32, year: Option<i32>) -> char {
    let own = period.last();
    let same_year = year.is_none_or(|year| year == own.year());
    let same = same_year
        && last == own.month()
        && i32::try_from(months).is_ok_and(|months| months == own.since(period.first()) + 1);
    match (same, same_year) {
        (true, _) => mark::NOW,
        (false, true) if last > own.month() => mark::LATER,
        (false, true) => mark::WIDER,
        (false, false) => mark::EARLIER,
    }
}

/// The sign of a year.
#[must_use]
pub fn sign_of_year(period: Period, year: i32) -> char {
    let own = period.last().year();
    match year {
        _ if year == own
            && period.first() == period.last().january()
            && period.last().month() == 12 =>
        {
            mark::NOW
        }
        _ if year == own => mark::YEAR,
        _ if year > own => mark::LATER,
        _ => mark::EARLIER,
    }
}

/// The time that a line ends with, of which a number in the parentheses behind it is.
#[must_use]
pub fn compared_with(line: &str) -> Option<When> {
    let ends = |words: &str| line.trim_end().ends_with(words);
    let month = ["tháng trước", "kỳ trước", "tháng liền kề"].iter().any(|words| ends(words))
        || ends(&mark::MONTH_BEFORE.to_string());
    let year =
        ["cùng kỳ", "cùng kỳ năm trước", "cùng kỳ năm ngoái"].iter().any(|words| ends(words))
            || ends(&mark::YEAR_BEFORE.to_string());
    let same_time = ends(&format!("cùng kỳ {}", mark::EARLIER));
    match (month, year || same_time) {
        (true, _) => Some(When::Before(1)),
        (_, true) => Some(When::Before(12)),
        _ if ends(&mark::EARLIER.to_string()) => Some(When::Earlier),
        _ => None,
    }
}
