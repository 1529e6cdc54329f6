//! Numbers that a sentence takes back: `không phải 500 mà là 520`, `thay vì 500 là 520`, `đính
//! chính từ 500 thành 520`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::item_sequence::ItemSequence;
use super::time_scope::cue_expression;
use super::words::words;

/// The expressions of the word list.
struct CorrectionCues {
    cue: Option<Regex>,
    /// Words directly before a number.
    right: Option<Regex>,
    wrong: Option<Regex>,
    /// Words behind a number.
    after: Option<Regex>,
    /// Words between a number and the right one for it.
    instead: Option<Regex>,
}

static CUES: LazyLock<CorrectionCues> = LazyLock::new(|| {
    let list = &words().correction;
    CorrectionCues {
        cue: cue_expression(&list.cues, ""),
        right: cue_expression(&list.right, "$"),
        wrong: cue_expression(&list.wrong, "$"),
        after: cue_expression(&list.after, ""),
        instead: cue_expression(&list.instead, ""),
    }
});

fn matches(expression: Option<&Regex>, text: &str) -> bool {
    expression.is_some_and(|expression| expression.is_match(text))
}

/// Whether a sentence takes a number back, or corrects a number without saying which one is right.
pub(super) fn is_taken_back(sequences: &[ItemSequence], sequence: usize, item: usize) -> bool {
    let Some(list) = sequences.get(sequence) else { return false };
    let part = part_of(list, item);
    let inner = |around: &Range<usize>| {
        let around = around.clone();
        sequences.iter().filter(move |inner| {
            inner.parent.is_some_and(|(outer, behind)| {
                outer == sequence && around.start <= behind && behind <= around.end
            })
        })
    };
    let outer = list.parent.and_then(|(outer, behind)| {
        let outer = sequences.get(outer)?;
        Some(outer.slice(&part_of(outer, behind.saturating_sub(1))).1)
    });
    let cue = CUES.cue.as_ref();
    let corrects = matches(cue, list.slice(&part).1)
        || outer.is_some_and(|text| matches(cue, text))
        || inner(&part).any(|inner| matches(cue, &inner.text));
    if !corrects {
        return false;
    }
    let is_number = |at: &usize| list.is_number(*at);
    let from = (part.start..item).rev().find(is_number).map_or(part.start, |number| number + 1);
    let next = (item + 1..part.end).find(is_number).unwrap_or(part.end);
    let before = list.slice(&(from..item)).1;
    let behind = list.slice(&(item + 1..next)).1;
    let is_right = matches(CUES.right.as_ref(), before) && !matches(CUES.wrong.as_ref(), before);
    let first_words = |inner: &ItemSequence| {
        let number = (0..inner.items.len()).find(|at| inner.is_number(*at));
        inner.slice(&(0..number.unwrap_or(inner.items.len()))).1.to_owned()
    };
    let after = CUES.after.as_ref();
    !is_right
        || matches(after, behind)
        || inner(&(item + 1..next)).any(|inner| matches(after, &first_words(inner)))
}

/// Whether a number is given as the right one for a number before it, of the same kind and with the
/// same noun behind it, or none.
pub(super) fn replaces(list: &ItemSequence, wrong: usize, right: usize) -> bool {
    let is_next = !(wrong + 1..right).any(|at| list.is_number(at));
    let between = list.slice(&(wrong + 1..right)).1;
    let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
    let noun = word(right + 1);
    let same = noun == word(wrong + 1) || !noun.starts_with(char::is_alphabetic);
    wrong < right
        && is_next
        && part_of(list, wrong).contains(&right)
        && word(wrong) == word(right)
        && same
        && matches(CUES.instead.as_ref(), between)
        && matches(CUES.right.as_ref(), between)
        && !matches(CUES.wrong.as_ref(), between)
}

/// The items around an item up to semicolons and full stops.
fn part_of(list: &ItemSequence, item: usize) -> Range<usize> {
    let ends = |at: &usize| matches!(list.mark(*at), Some(';' | '.'));
    let start = (0..item).rev().find(ends).map_or(0, |at| at + 1);
    start..(item..list.items.len()).find(ends).unwrap_or(list.items.len())
}
