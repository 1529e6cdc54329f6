//! Matching of patterns in a sentence, and the reasons to reject a match.

use std::ops::Range;

use regex::{Captures, Match, Regex};

use super::heading_context::HeadingContext;
use super::item_sequence::ItemSequence;
use super::lexicon::PatternRecognizer;
use super::paragraph::ReportParagraph;
use super::words::words;
use kpi::catalogue::IndicatorKind;
use kpi::unit::UnitPosition;
use kpi::word_file::WordList;

/// A match of a pattern at a number.
pub struct PatternMatch<'a> {
    pub recognizer: &'a PatternRecognizer,
    pub sequence: usize,
    pub item: usize,
    pub unit: Option<UnitPosition>,
    pub members: Vec<(String, String)>,
    /// The items that the phrase matches.
    pub span: Range<usize>,
    /// The number of these items without those in gaps.
    pub weight: usize,
    /// The number of items in gaps.
    pub gap: usize,
    /// The name of a member is the end of a longer name, as "tin" in "thông tin".
    pub ends_longer_name: bool,
}

/// A number in its sentence.
pub struct NumberContext<'a> {
    /// The sequences of the sentence.
    pub sequences: &'a [ItemSequence],
    /// Index of the sequence that has the number.
    pub sequence: usize,
    /// Index of the number's item.
    pub item: usize,
    /// The items around the number that belong to this number only.
    pub segment: Range<usize>,
    /// The items of its clause.
    pub clause: Range<usize>,
}

/// Why a matching pattern is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// None of the phrases required in the clause matches.
    With,
    /// A phrase excluded from the clause matches.
    Unless,
    /// None of the phrases required in the paragraph or above matches.
    Near,
    /// The text is about another system.
    Topic,
    /// A gap of the phrase has a word that connects two figures.
    Joint,
    /// The number counts something else.
    Counted,
    /// The statement is negated: `chưa cấp`, `không đạt`.
    Negated,
    /// The number is an average.
    Average,
    /// The name of a member is the end of a longer name.
    LongerName,
}

/// Whether the phrase itself has the word before a place, so that a name that begins there is not
/// the end of a longer one. Words in gaps are not the phrase's.
fn is_before_in_phrase(phrase: &Regex, captures: &Captures<'_>, place: usize) -> bool {
    let in_gap = phrase
        .capture_names()
        .flatten()
        .filter(|name| is_gap(name))
        .filter_map(|name| captures.name(name))
        .any(|gap| gap.start() < place && place <= gap.end());
    let before =
        captures.get(0).and_then(|whole| whole.as_str().get(..place.checked_sub(whole.start())?));
    before.is_some_and(|before| !before.trim().is_empty()) && !in_gap
}

/// Whether a capture of a phrase is a gap: `g0`, `g1`, ...
fn is_gap(name: &str) -> bool {
    name.strip_prefix('g').is_some_and(|number| number.parse::<usize>().is_ok())
}

impl ItemSequence {
    /// Whether the name of a member is the end of a longer name: "tin" in "thông tin". A word of
    /// the phrase before it, `in_phrase`, belongs to no other name.
    fn ends_longer_name(&self, member: &Match<'_>, in_phrase: bool) -> bool {
        let before = self.item_at(member.start()).and_then(|item| item.checked_sub(1));
        let word = before.map(|item| self.slice(&(item..item + 1)).1.trim()).unwrap_or_default();
        let name = member.as_str().trim();
        if name == "trực tuyến" && word == "công" {
            return true; // "dịch vụ công trực tuyến" is the name of the services
        }
        !in_phrase
            && !name.contains(' ')
            && word.chars().all(char::is_alphabetic)
            && !word.is_empty()
            && !words().pattern.before_member.contains(word)
    }
}

impl<'a> ReportParagraph<'a> {
    /// All matches of all patterns.
    pub(super) fn find_matches(&self, sequences: &[ItemSequence]) -> Vec<PatternMatch<'a>> {
        let mut found = Vec::new();
        for (s, sequence) in sequences.iter().enumerate() {
            if !(0..sequence.items.len()).any(|item| sequence.is_number(item)) {
                continue;
            }
            for recognizer in &self.setting.lexicon.recognizers {
                for phrase in &recognizer.phrases {
                    let mut from = 0;
                    while let Some(captures) = phrase.captures_at(&sequence.text, from) {
                        let Some(whole) = captures.get(0) else { break };
                        from = whole.start() + 1;
                        while !sequence.text.is_char_boundary(from) {
                            from += 1;
                        }
                        let Some(item) = captures
                            .name("value")
                            .and_then(|value| sequence.item_at(value.start()))
                        else {
                            continue;
                        };
                        let gap: usize = phrase
                            .capture_names()
                            .flatten()
                            .filter(|name| is_gap(name))
                            .filter_map(|name| captures.name(name))
                            .map(|gap| gap.as_str().matches(' ').count())
                            .sum();
                        let words = whole.as_str().trim().split(' ').count();
                        let begin = sequence.item_at(whole.start() + 1).unwrap_or(item);
                        let span = begin..begin + words;
                        let members = recognizer.dimensions.iter().filter_map(|open| {
                            let words = captures
                                .name(&open.code)?
                                .as_str()
                                .replace(", ", "")
                                .replace("- ", "");
                            Some((
                                open.code.clone(),
                                self.setting
                                    .lexicon
                                    .worded
                                    .get(&open.code)?
                                    .get(words.trim())?
                                    .clone(),
                            ))
                        });
                        let ends_longer_name = recognizer
                            .dimensions
                            .iter()
                            .filter_map(|open| captures.name(&open.code))
                            .any(|member| {
                                let in_phrase =
                                    is_before_in_phrase(phrase, &captures, member.start());
                                sequence.ends_longer_name(&member, in_phrase)
                            });
                        let unit = captures
                            .name("unit")
                            .and_then(|unit| sequence.item_at(unit.start()))
                            .and_then(|item| sequence.items.get(item)?.unit);
                        found.push(PatternMatch {
                            recognizer,
                            sequence: s,
                            item,
                            unit,
                            members: members.collect(),
                            span,
                            weight: words.saturating_sub(gap),
                            gap,
                            ends_longer_name,
                        });
                    }
                }
            }
        }
        found
    }

    /// The reason to reject a match, if there is one.
    pub(super) fn find_rejection(
        &self,
        found: &PatternMatch<'_>,
        seen: &NumberContext<'_>,
        token: usize,
        above: &HeadingContext,
        context: &str,
    ) -> Option<Rejection> {
        let sequence = seen.sequences.get(seen.sequence)?;
        if found.ends_longer_name {
            return Some(Rejection::LongerName);
        }
        if let Some(rejection) = self.rejection_by_words(found, seen, sequence) {
            return Some(rejection);
        }
        if found.recognizer.near.as_ref().is_some_and(|near| !near.is_match(context)) {
            return Some(Rejection::Near);
        }
        if let Some(rejection) = rejection_beside_number(found, seen, sequence) {
            return Some(rejection);
        }
        let topic = found.recognizer.topic.as_ref()?;
        let is_topic = |system: usize| self.setting.lexicon.systems.get(system) == Some(topic);
        let token_of = |item: usize| sequence.items.get(item).map(|item| item.token);
        let named = token_of(found.span.start)
            ..token_of(found.span.end.saturating_sub(1)).map(|last| last + 1);
        let names = |range: Range<Option<usize>>, accepts: &dyn Fn(usize) -> bool| {
            self.topics.iter().any(|(at, topic)| range.contains(&Some(*at)) && accepts(*topic))
        };
        // "Chứng thư số: tiếp nhận 12 hồ sơ qua dịch vụ công"
        let label = sequence.label_before(seen.clause.start);
        let labelled = token_of(label.start)..token_of(label.end);
        // "cấp mới 13 chứng thư số; tạo mới 70 tài khoản iOffice"
        let last = token_of(seen.segment.end.saturating_sub(1)).map(|last| last + 1);
        let beside = !names(token_of(seen.clause.start)..Some(token), &|_| true)
            && !names(labelled, &|_| true)
            && names(Some(token)..last, &is_topic);
        let inside = beside || names(named, &is_topic);
        let fits = above.topic_at(self, token).is_some_and(is_topic)
            || self.topic_of(token, above).is_none() && is_untitled(found.recognizer, context);
        (!inside && !fits).then_some(Rejection::Topic)
    }

    /// The system that the text at a token is about, where the lines before a label and a number do
    /// not count.
    fn topic_of(&self, token: usize, above: &HeadingContext) -> Option<usize> {
        if !self.is_key_value(token) {
            return above.topic_at(self, token);
        }
        self.topic_of_title(token).or_else(|| above.topic_of_frame())
    }

    /// Whether a figure is assumed to belong to the system of its pattern.
    pub(super) fn is_assumed(
        &self,
        recognizer: &PatternRecognizer,
        seen: &NumberContext<'_>,
        above: &HeadingContext,
    ) -> bool {
        let item = seen.sequences.get(seen.sequence).and_then(|list| list.items.get(seen.item));
        recognizer.topic_optional
            && item.is_some_and(|item| self.topic_of(item.token, above).is_none())
    }

    /// The reason to reject a match by the words around its number.
    fn rejection_by_words(
        &self,
        found: &PatternMatch<'_>,
        seen: &NumberContext<'_>,
        sequence: &ItemSequence,
    ) -> Option<Rejection> {
        let around = seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
        let (_, line) = sequence.slice(&around);
        let recognizer = found.recognizer;
        if recognizer.with.as_ref().is_some_and(|with| !with.is_match(line)) {
            return Some(Rejection::With);
        }
        if recognizer.unless.as_ref().is_some_and(|unless| unless.is_match(line)) {
            return Some(Rejection::Unless);
        }
        // "Tạo mới 110 tài khoản và 56 hộp thư" is not about all mailboxes.
        if self.is_level(recognizer)
            && recognizer
                .unless
                .as_ref()
                .is_some_and(|unless| unless.is_match(&with_shared_verb(sequence, seen, &around)))
        {
            return Some(Rejection::Unless);
        }
        let says = |phrase: &str| {
            line.contains(phrase)
                && !phrase
                    .split_whitespace()
                    .next()
                    .is_some_and(|word| recognizer.words.contains(word))
        };
        if words().pattern.negations.iter().any(says) {
            return Some(Rejection::Negated);
        }
        let counts = self
            .setting
            .catalogue
            .indicator(&recognizer.measure.code)
            .is_some_and(|indicator| indicator.kind != IndicatorKind::Average);
        (counts && words().pattern.averages.iter().any(says)).then_some(Rejection::Average)
    }
}

/// Whether a figure of a pattern is taken in a text that names no system, and nothing else that has
/// such figures.
fn is_untitled(recognizer: &PatternRecognizer, context: &str) -> bool {
    recognizer.topic_optional && !words().pattern.other_topics.iter().any(|w| context.contains(w))
}

/// The reason to reject a match by the place of its number.
fn rejection_beside_number(
    found: &PatternMatch<'_>,
    seen: &NumberContext<'_>,
    sequence: &ItemSequence,
) -> Option<Rejection> {
    // A gap may not contain words that lead to the next number of the clause.
    let same_clause = |item: usize| seen.clause.contains(&item);
    if (found.span.start < seen.segment.start && same_clause(found.span.start))
        || (found.span.end > seen.segment.end && same_clause(found.span.end.saturating_sub(1)))
    {
        return Some(Rejection::Joint);
    }
    // In "25.108/26.000" the second number is the total; in "từ 7.541 lên 7.602" the first is the
    // earlier value.
    let before = found
        .item
        .checked_sub(1)
        .map(|item| sequence.slice(&(item..item + 1)).1.trim())
        .unwrap_or_default();
    if (before == "/" && found.span.start >= found.item) || before == "từ" {
        return Some(Rejection::Joint);
    }
    // What is counted follows the number. Another noun than the pattern's own means another figure.
    let behind = sequence.slice(&(found.item + 1..found.item + 2)).1.trim();
    let is_counted = found.span.end <= found.item + 1
        && words().pattern.counted.contains(behind)
        && !found.recognizer.words.contains(behind);
    is_counted.then_some(Rejection::Counted)
}

/// The words around a number. In "Tạo mới 110 tài khoản và 56 hộp thư" the words before the first
/// number belong to the second one too.
fn with_shared_verb(
    sequence: &ItemSequence,
    seen: &NumberContext<'_>,
    around: &Range<usize>,
) -> String {
    let own = sequence.slice(around).1;
    let first = seen.clause.clone().find(|item| sequence.is_number(*item));
    let joint = sequence.slice(&(around.start..around.start + 1)).1.trim();
    let joined = around.start > seen.clause.start && words().pattern.sharing_verb.contains(joint);
    match first.filter(|first| joined && *first < around.start) {
        Some(first) => {
            format!("{}{}", sequence.slice(&(seen.clause.start..first)).1, own.trim_start())
        }
        None => own.to_owned(),
    }
}

/// The clause of a number, and the items in it that belong to this number only: up to the words
/// that lead to the next number.
pub(super) fn clause_of_number(
    sequence: &ItemSequence,
    item: usize,
) -> (Range<usize>, Range<usize>) {
    let clause = sequence
        .clauses()
        .into_iter()
        .map(|clause| clause.range)
        .find(|range| range.contains(&item))
        .unwrap_or(item..item + 1);
    let is_one_of =
        |list: &WordList, at: usize| list.contains(sequence.slice(&(at..at + 1)).1.trim());
    // The words that lead to the next number begin at the last joint between the two.
    let joint = |between: Range<usize>| {
        let strong = between.clone().rev().find(|at| is_one_of(&words().pattern.joints, *at));
        strong.or_else(|| between.clone().find(|at| is_one_of(&words().pattern.weak_joints, *at)))
    };
    let mut start = clause.start;
    if let Some(previous) =
        clause.clone().rev().find(|other| *other < item && sequence.is_number(*other))
    {
        start = joint(previous + 1..item).unwrap_or(if sequence.mark(previous + 1) == Some('/') {
            clause.start
        } else {
            (previous + 2).min(item)
        });
    }
    let mut end = clause.end;
    if let Some(next) = clause.clone().find(|other| *other > item && sequence.is_number(*other)) {
        let whole = sequence.mark(item + 1) == Some('/');
        end = joint(item + 1..next).unwrap_or(if whole { clause.end } else { next });
    }
    (clause, start.min(item)..end.max(item + 1))
}
