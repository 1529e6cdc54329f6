//! The time of a number: the report's period, an earlier one, the year so far, a plan or a
//! comparison. It follows from the words around the number, from an earlier clause, or from the
//! report itself.

use std::sync::LazyLock;

use regex::Regex;

use super::item_sequence::{Clause, ItemSequence};
use super::period_sign::mark;
use super::words::words;
use kpi::phrase::sign;
use kpi::word_file::WordList;

/// The time that a number belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeScope {
    /// The report's own period.
    Now,
    /// Everything up to now; for a stock this is its level.
    UntilNow,
    /// The year so far, or another period wider than the report's.
    Wider,
    /// The same, given by an earlier sentence or heading; a level in it is the current one.
    WiderFrame,
    /// An earlier month, by the number of months before the report's.
    Before(i32),
    /// An earlier time that is not given exactly.
    Earlier,
    /// A plan, a target or a forecast.
    Plan,
    /// An increase, a decrease or a comparison.
    Change,
}

/// A word or phrase that shows the time.
struct TimeCue {
    when: TimeScope,
    at: usize,
}

/// The expressions for each time. They match text in which named periods were replaced by signs
/// (see [`mark`]).
static CUES: LazyLock<Vec<(Option<Regex>, TimeScope)>> = LazyLock::new(|| {
    let times = &words().time;
    let expression = |cues: &[String]| cue_expression(cues, "");
    vec![
        (expression(&times.comparison), TimeScope::Change),
        (expression(&times.until_now), TimeScope::UntilNow),
        (expression(&times.wider), TimeScope::Wider),
        (expression(&times.month_before), TimeScope::Before(1)),
        (expression(&times.year_before), TimeScope::Before(12)),
        (expression(&times.earlier), TimeScope::Earlier),
        (expression(&times.plan), TimeScope::Plan),
        (expression(&times.now), TimeScope::Now),
    ]
});

/// Expressions for the time of the sentences before.
static SAME: LazyLock<Option<Regex>> = LazyLock::new(|| cue_expression(&words().time.same, ""));

/// Replaces the names of periods and numbers in a cue by their signs.
fn with_signs(cue: &str) -> String {
    let signs = [
        ("NOW", mark::NOW),
        ("LASTMONTH", mark::LAST_MONTH),
        ("YEARBEFORE", mark::YEAR_BEFORE),
        ("MONTHBEFORE", mark::MONTH_BEFORE),
        ("WIDER", mark::WIDER),
        ("YEAR", mark::YEAR),
        ("LATER", mark::LATER),
        ("EARLIER", mark::EARLIER),
        ("PLAIN", sign::PLAIN),
        ("PERCENT", sign::PERCENT),
    ];
    signs.iter().fold(cue.to_owned(), |text, (name, sign)| text.replace(name, &sign.to_string()))
}

/// The expression for any of some cues in a sequence, followed by `behind`.
pub(super) fn cue_expression(cues: &[String], behind: &str) -> Option<Regex> {
    let text = with_signs(&cues.join("|"))
        .replace("DATE", &format!("[{}{}{}]", sign::REFERENCE, mark::DAY, mark::PART))
        .replace("NUMBER", &format!("[{}-{}]", sign::PLAIN, sign::ZERO));
    Regex::new(&format!(" (?:{text}) {behind}")).ok()
}

/// The time of each item of a sequence, and the time that applies after it.
///
/// The time that a sentence begins with, before its first number, applies to all of it and to the
/// sentences after it, until another time is named. A level up to now does not apply to the flows
/// after the next semicolon.
#[must_use]
pub fn time_scopes(sequence: &ItemSequence, before: TimeScope) -> (Vec<TimeScope>, TimeScope) {
    let mut times = vec![before; sequence.items.len()];
    let mut carried = before;
    // A time after a colon applies until another one; any other time applies until the next
    // semicolon.
    let (mut lasting, mut base) = (before, before);
    let (mut lead, mut begun) = (None, false);
    for clause in sequence.clauses() {
        if clause.new_part {
            carried = base;
        }
        let cues = find_cues(sequence, &clause.range, base);
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
            let found = time_at(&cues, at, (number_before, next_number), carried);
            if let Some(slot) = times.get_mut(item) {
                *slot = found.unwrap_or(carried);
            }
        }
        let leading = match first_number {
            Some(number) => cues
                .iter()
                .rfind(|cue| cue.at < sequence.start(number) && cue.when != TimeScope::Change),
            None => cues.last(),
        };
        let first = first_number.map_or(usize::MAX, |number| sequence.start(number));
        if !begun && let Some(when) = frame(sequence, &clause, &cues, first) {
            lead = Some(when);
            if when == TimeScope::UntilNow {
                base = TimeScope::Now;
            } else if when != TimeScope::Plan {
                base = when;
            }
        }
        begun |= first_number.is_some();
        carried = match leading {
            Some(cue) => cue.when,
            None if carried == TimeScope::Change => base,
            None => carried,
        };
        if clause.colon && first_number.is_none() && leading.is_some() {
            lasting = carried;
            base = carried;
        }
    }
    let after = if lasting == before { lead.unwrap_or(before) } else { lasting };
    (times, after)
}

/// The time of the item that starts `at`, by the last cue before it and the first one behind it.
/// The numbers beside it are given by their starts. `None` without a cue: then the `carried` time
/// applies.
fn time_at(
    cues: &[TimeCue],
    at: usize,
    (number_before, next_number): (Option<usize>, usize),
    carried: TimeScope,
) -> Option<TimeScope> {
    let last_before = cues.iter().rfind(|cue| cue.at < at);
    let first_behind = cues.iter().find(|cue| cue.at > at && cue.at < next_number);
    // A comparison applies to the number after it; "tăng 5 so với tháng trước" as a whole is one
    // comparison.
    match (last_before, first_behind) {
        (Some(cue), Some(behind))
            if cue.when == TimeScope::Now
                && behind.when != TimeScope::UntilNow
                && number_before
                    .is_none_or(|number| cue.at > number || behind.when == TimeScope::Change) =>
        {
            Some(behind.when)
        }
        (Some(cue), behind)
            if cue.when == TimeScope::Change
                && number_before.is_some_and(|number| cue.at < number) =>
        {
            behind.map(|behind| behind.when).or(Some(carried))
        }
        (Some(cue), _) => Some(cue.when),
        // A level of another time: "Tính đến ngày 31/3, ... 4.014 ... đang sử dụng".
        (None, Some(behind)) if behind.when == TimeScope::UntilNow && !is_own(carried) => {
            Some(carried)
        }
        (None, Some(behind)) => Some(behind.when),
        (None, None) => None,
    }
}

/// Whether a time is that of the report, or does not exclude the time of the report.
fn is_own(when: TimeScope) -> bool {
    matches!(when, TimeScope::Now | TimeScope::UntilNow | TimeScope::Change)
}

/// The time of the whole sentence: the clause begins with it (`Từ đầu năm đến nay, ...`), or says
/// before its first number that what follows is planned.
fn frame(
    sequence: &ItemSequence,
    clause: &Clause,
    cues: &[TimeCue],
    first_number: usize,
) -> Option<TimeScope> {
    let mut before =
        cues.iter().filter(|cue| cue.at < first_number && cue.when != TimeScope::Change).peekable();
    let (start, text) = sequence.slice(&clause.range);
    let leading = text.get(..before.peek()?.at.saturating_sub(start)).unwrap_or_default();
    let at_start = leading
        .split_whitespace()
        .all(|word| words().time.framing.iter().any(|known| known == word));
    let mut named = before.map(|cue| cue.when);
    if named.clone().any(|when| when == TimeScope::Plan) {
        return Some(TimeScope::Plan);
    }
    named.next_back().filter(|_| at_start)
}

fn find_cues(
    sequence: &ItemSequence,
    range: &std::ops::Range<usize>,
    before: TimeScope,
) -> Vec<TimeCue> {
    let (start, text) = sequence.slice(range);
    let mut found: Vec<(usize, usize, TimeScope)> = Vec::new();
    // In a monthly report "Năm 2021, toàn tỉnh ..." is about the year, and "Ngày 15/8, ..." about a
    // day.
    if text.trim_start().starts_with(mark::YEAR) {
        found.push((start, start + 2, TimeScope::Wider));
    }
    let day = |start: &String| {
        let rest = text.trim_start().strip_prefix(&start.replace("DATE", &mark::DAY.to_string()));
        rest.is_some_and(|rest| rest.starts_with(' '))
    };
    if words().time.one_day.iter().any(day) {
        found.push((start, start + 2, TimeScope::Earlier));
    }
    // After "Quý II/2022, ..." the words "trong kỳ" mean the quarter.
    let spans = matches!(before, TimeScope::Wider | TimeScope::WiderFrame | TimeScope::Earlier);
    let same = if spans { before } else { TimeScope::Now };
    for (expression, when) in CUES.iter().chain(std::iter::once(&(SAME.clone(), same))) {
        let Some(expression) = expression else { continue };
        let mut from = 0;
        while let Some(one) = expression.find_at(text, from) {
            // "tăng cường" is not a comparison, and "ngày tiếp công dân" is a day of the calendar.
            let behind = text.get(one.end().saturating_sub(1)..).unwrap_or_default();
            if !(one.as_str() == " tăng " && behind.starts_with(" cường ")
                || one.as_str().ends_with(" ngày ") && behind.starts_with(" tiếp "))
            {
                found.push((start + one.start(), start + one.end(), *when));
            }
            // The space after one match may be the space before the next.
            from = one.end().saturating_sub(1).max(one.start() + 1);
        }
    }
    found.sort_by_key(|(at, end, _)| (*at, std::cmp::Reverse(*end)));
    let mut cues: Vec<TimeCue> = Vec::new();
    let mut covered = 0;
    for (at, end, when) in found {
        // "Tính đến ngày 15/8, trong tháng đã ...": the flows are those of a part of the month.
        let is_part = sequence.text.get(..at).is_some_and(|before| before.contains(mark::PART));
        let when = if is_part && when == TimeScope::Now { TimeScope::UntilNow } else { when };
        // Of overlapping matches the longest is taken.
        if at + 1 >= covered {
            cues.push(TimeCue { when, at });
            covered = end;
        }
    }
    cues
}

/// The ends of lines by which a number in the following parentheses is of an earlier month.
static COMPARED: LazyLock<[(Vec<String>, TimeScope); 2]> = LazyLock::new(|| {
    let times = &words().time;
    let ends = |cues: &WordList| cues.iter().map(with_signs).collect();
    [
        (ends(&times.compared_month), TimeScope::Before(1)),
        (ends(&times.compared_year), TimeScope::Before(12)),
    ]
});

/// The time at the end of a line, to which a number in the following parentheses belongs.
#[must_use]
pub fn compared_with(line: &str) -> Option<TimeScope> {
    let line = line.trim_end();
    let named = COMPARED.iter().find(|(ends, _)| ends.iter().any(|end| line.ends_with(end)));
    let earlier = line.ends_with(mark::EARLIER).then_some(TimeScope::Earlier);
    named.map(|(_, when)| *when).or(earlier)
}

/// Whether a line has one of the words.
pub(super) fn names_any(line: &str, list: &[String]) -> bool {
    list.iter().any(|words| line.contains(&format!(" {words} ")))
}

/// Titles of estimates for the period itself.
static ESTIMATED: LazyLock<Option<Regex>> =
    LazyLock::new(|| cue_expression(&words().heading.estimated, ""));

/// The time that a heading names: a plan, a month, or a wider or earlier period. A title may name
/// both completed and planned work; the completed work of the period comes first.
pub(super) fn time_of_heading(line: &str) -> Option<TimeScope> {
    let heading = &words().heading;
    let now = line.contains(mark::NOW);
    let planned = line.contains(mark::LATER) || names_any(line, &heading.planned);
    match () {
        () if line.trim_start().starts_with("kế hoạch ") => Some(TimeScope::Plan),
        () if ESTIMATED.as_ref().is_some_and(|cue| cue.is_match(line)) => Some(TimeScope::Plan),
        () if !now && planned && !names_any(line, &heading.done) => Some(TimeScope::Plan),
        () if now || line.contains(" trong tháng ") => Some(TimeScope::Now),
        () if line.contains(mark::WIDER) || names_any(line, &heading.wider) => {
            Some(TimeScope::WiderFrame)
        }
        () if line.contains(mark::EARLIER) => Some(TimeScope::Earlier),
        () => None,
    }
}
