//! A paragraph prepared for reading: its tokens, its sentences as sequences, and the systems that
//! it names.

use std::ops::Range;

use super::context::ReportContext;
use super::item_sequence::{ItemSequence, SequenceWriter};
use super::lexicon::NameIndex;
use super::time_scope::{TimeScope, time_of_heading};
use super::tokenizer::{Token, TokenKind, split_sentences, tokenize};
use super::words::words;
use crate::table::writes_for_province;
use kpi::unit::UnitPosition;
use kpi::vietnamese::numbers::{self, NumericToken, TextNumber};
use kpi::word_file::WordList;

/// Most words and marks of a sentence that is the heading of its paragraph.
const HEADING_WORDS: usize = 14;

/// A paragraph prepared for reading.
pub struct ReportParagraph<'a> {
    pub(super) text: &'a str,
    pub(super) setting: &'a ReportContext<'a>,
    pub(super) tokens: Vec<Token>,
    /// Where systems are named: token and index of the system.
    pub(super) topics: Vec<(usize, usize)>,
    /// The tokens and the sequences of each sentence.
    pub(super) sentences: Vec<(Range<usize>, Vec<ItemSequence>)>,
}

impl<'a> ReportParagraph<'a> {
    /// Splits a part of a text into sentences.
    #[must_use]
    pub fn new(
        text: &'a str,
        range: Range<usize>,
        setting: &'a ReportContext<'a>,
        names: &NameIndex<UnitPosition>,
    ) -> Self {
        Self::of_tokens(text, split_lines(text, tokenize(text, range)), setting, names)
    }

    /// A label and a cell of a table as one sentence.
    #[must_use]
    pub fn of_cells(
        text: &'a str,
        label: Range<usize>,
        cell: Range<usize>,
        setting: &'a ReportContext<'a>,
        names: &NameIndex<UnitPosition>,
    ) -> Self {
        let percent = text.get(label.clone()).is_some_and(|label| label.contains('%'));
        let mut all: Vec<Token> = tokenize(text, label.clone())
            .into_iter()
            .filter(|token| !percent || !is_bracket(token))
            .collect();
        all.push(Token { kind: TokenKind::Mark(':'), range: label.end..label.end });
        all.extend(tokenize(text, cell).into_iter().map(|token| in_percent(token, percent)));
        Self::of_tokens(text, all, setting, names)
    }

    /// A row of a table as one sentence, with the heading before each cell:
    /// `Mức độ 3: số dịch vụ: 540; hồ sơ: 5.216`.
    #[must_use]
    pub fn of_row(
        text: &'a str,
        label: Range<usize>,
        cells: &[(Range<usize>, Range<usize>)],
        setting: &'a ReportContext<'a>,
        names: &NameIndex<UnitPosition>,
    ) -> Self {
        let mark = |mark, at| Token { kind: TokenKind::Mark(mark), range: at..at };
        let mut all = tokenize(text, label.clone());
        all.push(mark(':', label.end));
        for (heading, cell) in cells {
            let said = tokenize(text, heading.clone());
            let percent = text.get(heading.clone()).is_some_and(|heading| heading.contains('%'));
            all.extend(
                said.into_iter()
                    .map(|token| Token { range: cell.start..cell.start, ..token })
                    .filter(|token| !is_bracket(token)),
            );
            all.push(mark(':', cell.start));
            all.extend(
                tokenize(text, cell.clone()).into_iter().map(|token| in_percent(token, percent)),
            );
            all.push(mark(';', cell.end));
        }
        Self::of_tokens(text, all, setting, names)
    }

    fn of_tokens(
        text: &'a str,
        tokens: Vec<Token>,
        setting: &'a ReportContext<'a>,
        names: &NameIndex<UnitPosition>,
    ) -> Self {
        let writer =
            SequenceWriter { lexicon: setting.lexicon, units: names, period: setting.period };
        let mut topics = Vec::new();
        for at in 0..tokens.len() {
            let words: Vec<&str> = tokens
                .get(at..tokens.len().min(at + 10))
                .unwrap_or_default()
                .iter()
                .filter_map(Token::word)
                .collect();
            if tokens.get(at).is_some_and(|token| token.word().is_some())
                && let Some((topic, _)) = setting.lexicon.topics.at(&words)
            {
                topics.push((at, topic));
            }
        }
        let sentences = split_sentences(&tokens)
            .into_iter()
            .map(|range| (range.clone(), writer.sequences(&tokens, range)))
            .collect();
        Self { text, setting, tokens, topics, sentences }
    }

    /// Whether it begins with the name of another unit than the report's.
    #[must_use]
    pub fn begins_with_unit_of_another(&self) -> bool {
        let first = self
            .sentences
            .first()
            .and_then(|(_, sequences)| sequences.first()?.items.first().copied());
        first.is_some_and(|item| self.begins_with_another(item.token, item.unit, false))
    }

    /// Whether it begins with a field of work that is not the report's own.
    #[must_use]
    pub fn begins_with_other_field(&self) -> bool {
        let first = self.sentences.first().and_then(|(_, sequences)| sequences.first());
        first.is_some_and(|list| {
            let word = (0..list.items.len())
                .find(|at| list.slice(&(*at..at + 1)).1.trim().starts_with(char::is_alphabetic));
            word.is_some_and(|at| self.names_other_field(list, &(at..at + 1), true))
        })
    }

    /// Whether its first words name another tier or its office, and no second one beside it.
    #[must_use]
    pub fn begins_with_tier(&self) -> bool {
        let owner = &words().owner;
        let Some(first) = self.tokens.iter().position(|token| token.word().is_some()) else {
            return false;
        };
        let line = self.line();
        let whole = owner.tiers.iter().any(|tier| line.contains(&format!(" {tier} ")));
        !whole && owner.of_tiers.iter().any(|tier| self.phrase_at(first, tier).is_some())
    }

    /// The time that its first sentence names, if that is a heading: `**Phương hướng tháng 6.**
    /// Tiến hành ...`.
    pub(super) fn time_of_first_words(&self) -> Option<TimeScope> {
        let [(range, sequences), _, ..] = self.sentences.as_slice() else { return None };
        let is_heading = range.len() <= HEADING_WORDS
            && !range.clone().any(|at| self.tokens.get(at).is_some_and(|t| t.number().is_some()));
        time_of_heading(&sequences.first()?.text).filter(|_| is_heading)
    }

    /// Its words as one line, without parentheses.
    pub(super) fn line(&self) -> String {
        let mut line = " ".to_owned();
        for (_, sequences) in &self.sentences {
            sequences.iter().for_each(|sequence| line.push_str(sequence.text.trim_start()));
        }
        line
    }

    /// Whether the text at a token begins with the name of another unit than the report's. The
    /// department that writes the report counts only as a `subset`: "Riêng Sở ...".
    pub(super) fn begins_with_another(
        &self,
        token: usize,
        named: Option<UnitPosition>,
        subset: bool,
    ) -> bool {
        if let Some(unit) = named {
            let own = unit == self.setting.unit
                || self.setting.units.ancestors(self.setting.unit).any(|above| above == unit);
            let unit = self.setting.units.get(unit);
            let writer = unit.is_some_and(|unit| writes_for_province(&unit.document));
            return !own && (subset || !writer);
        }
        let committee = self.phrase_at(token, "ủy ban nhân dân").unwrap_or(0);
        let at = token.saturating_add(committee);
        let Some(kind) = self.longest_at(at, &words().owner.before_name) else { return false };
        self.begins_name(at + kind) && (subset || !self.is_writer(at + kind))
    }

    /// Whether a token is in a line that is a label, a colon and a number, and names no system: "Số
    /// hồ sơ tiếp nhận: 24.380". The lines before say nothing about such a one.
    pub(super) fn is_key_value(&self, token: usize) -> bool {
        let place = |token: usize| self.tokens.get(token).map_or(0, |token| token.range.start);
        let line = line_at(self.text, place(token));
        self.text.get(line.clone()).is_some_and(is_key_value)
            && !self.topics.iter().any(|(at, _)| line.contains(&place(*at)))
    }

    /// The system that a line before names that is no label with a number: the title of these
    /// lines.
    pub(super) fn topic_of_title(&self, token: usize) -> Option<usize> {
        let is_title = |at: usize| {
            let place = self.tokens.get(at).map_or(0, |token| token.range.start);
            self.text.get(line_at(self.text, place)).is_some_and(|line| !is_key_value(line))
        };
        let named = self.topics.iter().rev().find(|(at, _)| *at < token && is_title(*at));
        named.map(|(_, topic)| *topic)
    }

    /// The number of words of a phrase, if it begins at a token.
    pub(super) fn phrase_at(&self, token: usize, phrase: &str) -> Option<usize> {
        let word = |at: usize| self.tokens.get(at).and_then(Token::word);
        let begins = phrase.split(' ').zip(token..).all(|(own, at)| word(at) == Some(own));
        begins.then(|| phrase.split(' ').count())
    }

    /// The number of words of the longest phrase of a list that begins at a token.
    pub(super) fn longest_at(&self, token: usize, phrases: &WordList) -> Option<usize> {
        phrases.iter().filter_map(|phrase| self.phrase_at(token, phrase)).max()
    }

    /// Whether the name of a unit may begin at a token: a word with a capital letter, or the number
    /// of a ward.
    pub(super) fn begins_name(&self, token: usize) -> bool {
        let is_number = self
            .tokens
            .get(token)
            .is_some_and(|token| matches!(token.kind, TokenKind::Other(NumericToken::Reference)));
        is_number || self.has_capital(token)
    }

    /// Whether a token is a word with a capital letter.
    pub(super) fn has_capital(&self, token: usize) -> bool {
        self.tokens
            .get(token)
            .filter(|token| token.word().is_some())
            .and_then(|token| self.text.get(token.range.clone()))
            .is_some_and(|name| name.starts_with(char::is_uppercase))
    }

    /// Whether a token behind "Sở" begins the name of the department that writes the report.
    pub(super) fn is_writer(&self, token: usize) -> bool {
        let word = self.tokens.get(token).and_then(Token::word);
        word.is_some_and(|word| words().owner.writer.contains(word))
    }

    /// Whether a word is among words in capitals, so that a capital first letter means nothing.
    pub(super) fn is_in_capitals(&self, token: usize) -> bool {
        self.tokens
            .get(token)
            .and_then(|token| self.text.get(token.range.clone()))
            .is_some_and(|word| word.chars().count() > 1 && !word.contains(char::is_lowercase))
    }
}

/// Adds a comma between two lines that are each a label, a colon and a number. The time of a line
/// applies to the next one too.
fn split_lines(text: &str, tokens: Vec<Token>) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for token in tokens {
        let end = found.last().map_or(token.range.start, |token| token.range.end);
        let between = text.get(end..token.range.start).unwrap_or_default();
        let mut lines = [end, token.range.start].into_iter();
        let is_labelled = |place| text.get(line_at(text, place)).is_some_and(is_key_value);
        if between.contains('\n') && lines.all(is_labelled) {
            found.push(Token { kind: TokenKind::Mark(','), range: end..end });
        }
        found.push(token);
    }
    found
}

/// The bytes of the line at a place.
fn line_at(text: &str, place: usize) -> Range<usize> {
    let (before, behind) = text.split_at_checked(place).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    start..behind.find('\n').map_or(text.len(), |at| place + at)
}

/// Most words behind the number of a line with a label.
const UNIT_WORDS: usize = 3;

/// Whether a line is a label, a colon and a number, perhaps with its unit of measure.
fn is_key_value(line: &str) -> bool {
    let Some((label, value)) = line.split_once(':') else { return false };
    let mut words = value.split_whitespace();
    !label.contains(|c: char| c.is_ascii_digit())
        && words.next().is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        && words.clone().count() <= UNIT_WORDS
        && !words.any(|word| word.contains(|c: char| c.is_ascii_digit()))
}

/// Whether a token is a bracket or percent sign: "(%)" and other units of measure in brackets show
/// how to read the number.
fn is_bracket(token: &Token) -> bool {
    token.is('(') || token.is(')') || token.is('%')
}

/// The token, with its number as a percentage if the heading says so.
fn in_percent(token: Token, percent: bool) -> Token {
    match token.kind {
        TokenKind::Number(number) if percent => Token {
            kind: TokenKind::Number(TextNumber { sort: numbers::NumberKind::Percent, ..number }),
            range: token.range,
        },
        TokenKind::Number(_) | TokenKind::Word(_) | TokenKind::Mark(_) | TokenKind::Other(_) => {
            token
        }
    }
}
