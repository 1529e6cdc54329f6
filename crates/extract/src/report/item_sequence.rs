//! Sequences: the items of a sentence, written as one line that regular expressions match. The
//! items in parentheses form a separate sequence, one level deeper.

use std::ops::Range;

use super::lexicon::{NameIndex, ReportLexicon, ends_in_kind};
use super::period_sign::{
    MentionedDay, mark, sign_of_days, sign_of_end, sign_of_month, sign_of_own_quarter,
    sign_of_span, sign_of_year,
};
use super::tokenizer::{Token, TokenKind};
use super::words::words;
use kpi::period::Period;
use kpi::phrase::sign;
use kpi::unit::UnitPosition;
use kpi::vietnamese::numbers::{NumberKind, NumericToken, is_approximation};

/// Most levels of parentheses that are distinguished; deeper ones belong to the deepest.
const MAX_LEVELS: usize = 8;
/// Number of words from which the name of a system is one item.
const LONG_NAME: usize = 8;

/// An item of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SequenceItem {
    /// Its first token.
    pub token: usize,
    /// Its first byte in the line.
    pub start: usize,
    /// The unit that it names.
    pub unit: Option<UnitPosition>,
    /// The name of a member that begins at this item: index of the name and number of items.
    pub member: Option<(usize, usize)>,
}

/// A clause: a part of a sequence between commas and similar marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clause {
    /// Its items.
    pub range: Range<usize>,
    /// Whether a semicolon or full stop comes before it.
    pub new_part: bool,
    /// Whether it ends with a colon.
    pub colon: bool,
}

/// The items of a sentence at one level of parentheses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ItemSequence {
    /// The line: a space, then each item followed by a space.
    pub text: String,
    /// The items.
    pub items: Vec<SequenceItem>,
    /// The sequence around this one, and the item after which the parenthesis opens.
    pub parent: Option<(usize, usize)>,
    /// Members named in parentheses without a number: the item before, and the index of the name.
    pub hidden: Vec<(usize, usize)>,
    /// Units named in parentheses without a number: the item before, and the position of the unit.
    pub hidden_units: Vec<(usize, UnitPosition)>,
    /// For each item, whether it is a number.
    numbers: Vec<bool>,
    /// For each item, the mark that it is.
    marks: Vec<Option<char>>,
}

impl ItemSequence {
    /// Whether an item is a number.
    #[must_use]
    pub fn is_number(&self, item: usize) -> bool {
        self.numbers.get(item).copied().unwrap_or(false)
    }

    /// The mark that an item is.
    #[must_use]
    pub fn mark(&self, item: usize) -> Option<char> {
        self.marks.get(item).copied().flatten()
    }

    /// The first byte of an item in the line.
    #[must_use]
    pub fn start(&self, item: usize) -> usize {
        self.items.get(item).map_or(self.text.len(), |item| item.start)
    }

    /// The item that begins at a byte of the line.
    #[must_use]
    pub fn item_at(&self, start: usize) -> Option<usize> {
        self.items.binary_search_by_key(&start, |item| item.start).ok()
    }

    /// The first byte and the text of some items in the line, with the space before them.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> (usize, &str) {
        let from = self.start(range.start).saturating_sub(1);
        (from, self.text.get(from..self.start(range.end)).unwrap_or_default())
    }

    /// The clause with a colon at its end that comes before an item, in the same part of the
    /// sentence. Without such a clause the range is empty.
    #[must_use]
    pub fn label_before(&self, item: usize) -> Range<usize> {
        let mut label = 0..0;
        for clause in self.clauses().into_iter().take_while(|clause| clause.range.end <= item) {
            if clause.colon {
                label = clause.range;
            } else if clause.new_part {
                label = 0..0;
            }
        }
        label
    }

    /// The clauses.
    #[must_use]
    pub fn clauses(&self) -> Vec<Clause> {
        let (mut found, mut from, mut new_part) = (Vec::new(), 0, true);
        for item in 0..self.items.len() {
            let Some(separator) =
                self.mark(item).filter(|mark| matches!(mark, ',' | ';' | '.' | ':'))
            else {
                continue;
            };
            // A colon before the first number introduces the rest; a colon between a name and its
            // number does not.
            let followed = self.is_number(item + 1);
            if separator == ':' && followed {
                continue;
            }
            if from < item {
                found.push(Clause { range: from..item, new_part, colon: separator == ':' });
                new_part = false;
            }
            from = item + 1;
            new_part |= matches!(separator, ';' | '.');
        }
        if from < self.items.len() {
            found.push(Clause { range: from..self.items.len(), new_part, colon: false });
        }
        found
    }
}

/// What turns a sentence into sequences.
pub struct SequenceWriter<'a> {
    /// The names and patterns of the catalogue.
    pub lexicon: &'a ReportLexicon,
    /// The names of the units.
    pub units: &'a NameIndex<UnitPosition>,
    /// The report's period.
    pub period: Period,
}

impl SequenceWriter<'_> {
    /// The sequences of a sentence, the outermost first. Parentheses without a number are left out.
    #[must_use]
    pub fn sequences(&self, tokens: &[Token], sentence: Range<usize>) -> Vec<ItemSequence> {
        let mut all = vec![ItemSequence::default()];
        all.iter_mut().for_each(|sequence| sequence.text.push(' '));
        let mut open: Vec<Option<usize>> = vec![Some(0)];
        let mut at = sentence.start;
        while at < sentence.end {
            let Some(token) = tokens.get(at) else { break };
            if token.is('(') {
                let silent = !has_number(tokens, at + 1..sentence.end);
                let inside = at + 1..sentence.end;
                if silent && (gives_time(tokens, inside.clone()) || self.ends_early(tokens, inside))
                {
                    // "Văn bản đi (lũy kế): 5.000": the words count as if not in parentheses.
                    let current = open.last().copied().flatten();
                    open.push(current);
                    at += 1;
                    continue;
                }
                let current = open.last().copied().flatten();
                if silent && let Some(sequence) = current.and_then(|level| all.get_mut(level)) {
                    self.note_hidden_members(sequence, tokens, at + 1..sentence.end);
                }
                let next = match current {
                    Some(level) if !silent && open.len() < MAX_LEVELS => {
                        let behind = all.get(level).map_or(0, |sequence| sequence.items.len());
                        all.push(ItemSequence {
                            text: " ".to_owned(),
                            parent: Some((level, behind)),
                            ..ItemSequence::default()
                        });
                        Some(all.len() - 1)
                    }
                    Some(level) if !silent => Some(level),
                    _ => None,
                };
                open.push(next);
                at += 1;
                continue;
            }
            if token.is(')') {
                if open.len() > 1 {
                    open.pop();
                }
                at += 1;
                continue;
            }
            let taken = match open.last().copied().flatten().and_then(|level| all.get_mut(level)) {
                Some(sequence) => self.push(sequence, tokens, at, sentence.end),
                None => 1,
            };
            at += taken;
        }
        all
    }

    /// Records the members named in parentheses without a number.
    fn note_hidden_members(
        &self,
        sequence: &mut ItemSequence,
        tokens: &[Token],
        range: Range<usize>,
    ) {
        let behind = sequence.items.len().saturating_sub(1);
        for at in range {
            let Some(token) = tokens.get(at).filter(|token| !token.is(')')) else { break };
            if token.word().is_none() {
                continue;
            }
            let words: Vec<&str> = tokens
                .get(at..tokens.len().min(at + 16))
                .unwrap_or_default()
                .iter()
                .map_while(Token::word)
                .collect();
            if let Some((unit, _)) = self.named_unit(tokens, at, tokens.len()) {
                sequence.hidden_units.push((behind, unit));
            }
            if let Some((member, _)) = self.lexicon.member_names.at(&words) {
                sequence.hidden.push((behind, member));
            }
        }
    }

    /// Adds the item that begins at a token. Returns the number of its tokens.
    fn push(&self, sequence: &mut ItemSequence, tokens: &[Token], at: usize, end: usize) -> usize {
        let Some(token) = tokens.get(at) else { return 1 };
        if token.word().is_some_and(is_approximation)
            && tokens.get(at + 1).and_then(Token::number).is_some_and(|number| number.approximate)
        {
            return 1;
        }
        let (words, places) = name_words(tokens, at, end);
        let before: Vec<&str> = tokens
            .get(at.saturating_sub(2)..at)
            .unwrap_or_default()
            .iter()
            .filter_map(Token::word)
            .collect();
        if let Some((unit, taken)) = self.named_unit(tokens, at, end)
            && !ends_in_kind(&before)
        {
            sequence.write(
                &sign::UNIT.to_string(),
                SequenceItem { token: at, start: 0, unit: Some(unit), member: None },
                false,
                None,
            );
            return taken;
        }
        if let Some((_, count)) =
            self.lexicon.topics.at(&words).filter(|(_, count)| *count >= LONG_NAME)
            && let Some(last) = count.checked_sub(1).and_then(|last| places.get(last))
        {
            // The words of a long name have no meaning of their own: "Hệ thống thông tin giải quyết
            // thủ tục hành chính".
            sequence.write(
                "@",
                SequenceItem { token: at, start: 0, unit: None, member: None },
                false,
                None,
            );
            return last + 1;
        }
        // In "Dịch vụ công trực tuyến" the last words are part of the name and not a channel.
        let official = words.first() == Some(&"trực") && before.last() == Some(&"công");
        let member = self
            .lexicon
            .member_names
            .at(&words)
            .filter(|(_, count)| !official || *count > 2)
            .and_then(|(names, count)| Some((names, places.get(count.checked_sub(1)?)? + 1)));
        let item = SequenceItem { token: at, start: 0, unit: None, member };
        match &token.kind {
            TokenKind::Word(_) if is_own_quarter(tokens, at) => {
                let quarter = sign_of_own_quarter(self.period);
                sequence.write(&quarter.to_string(), item, false, None);
            }
            TokenKind::Word(word) => sequence.write(word, item, false, None),
            TokenKind::Mark(mark) => sequence.write(&mark.to_string(), item, false, Some(*mark)),
            TokenKind::Number(number) => {
                let sign = match (number.sort, number.value.is_ok()) {
                    (NumberKind::Plain, _) => sign::PLAIN,
                    (NumberKind::Percent, _) => sign::PERCENT,
                    (NumberKind::Money, _) => sign::MONEY,
                    (NumberKind::Zero, _) => sign::ZERO,
                };
                sequence.write(&sign.to_string(), item, true, None);
            }
            TokenKind::Other(piece) => {
                let (sign, taken) = self.days(tokens, at).unwrap_or((self.sign(piece), 1));
                sequence.write(&sign.to_string(), item, false, None);
                return taken;
            }
        }
        1
    }

    /// The sign for the days that begin at a token, and the number of tokens: several days
    /// (`từ ngày 15/7 đến ngày 14/8`), or the last of those that are counted (`đến ngày 31/8`).
    fn days(&self, tokens: &[Token], at: usize) -> Option<(char, usize)> {
        let first = day_at(tokens, at)?;
        let word = |at: usize| tokens.get(at).and_then(Token::word);
        let before = at.checked_sub(1).and_then(word);
        // "đến ngày 15/8", "đến 17 giờ ngày 15/8"
        let mut start = if before == Some("ngày") { at.checked_sub(2) } else { at.checked_sub(1) };
        if start.and_then(word) == Some("giờ") {
            start = start.and_then(|hours| hours.checked_sub(2));
        }
        let introduced = start.and_then(word);
        let is_until =
            |word: Option<&str>| word.is_some_and(|word| words().time.until.contains(word));
        let joins = |at: usize| {
            is_until(word(at)) || tokens.get(at).is_some_and(|token| token.is('-') || token.is(','))
        };
        let skipped = |at: usize| matches!(word(at), Some("ngày" | "hết"));
        let mut next = at + 1;
        if introduced == Some("từ") && joins(next) {
            while joins(next) || skipped(next) {
                next += 1;
            }
            if let Some(last) = day_at(tokens, next) {
                return Some((sign_of_days(self.period, first, last), next + 1 - at));
            }
        }
        is_until(introduced).then(|| (sign_of_end(self.period, first), 1))
    }

    /// Whether a parenthesis says that the numbers beside it are of a part of the month: "tính đến
    /// ngày 15/10".
    fn ends_early(&self, tokens: &[Token], range: Range<usize>) -> bool {
        range
            .take_while(|at| tokens.get(*at).is_some_and(|token| !token.is(')')))
            .any(|at| self.days(tokens, at).is_some_and(|(sign, _)| sign == mark::PART))
    }

    /// The unit named at a token, with commas or dashes allowed between its words, and the number
    /// of tokens.
    fn named_unit(&self, tokens: &[Token], at: usize, end: usize) -> Option<(UnitPosition, usize)> {
        let (words, places) = name_words(tokens, at, end);
        let (unit, count) = self.units.at(&words)?;
        Some((unit, places.get(count.checked_sub(1)?)? + 1))
    }

    fn sign(&self, piece: &NumericToken) -> char {
        match piece {
            NumericToken::Month(month, year) => sign_of_month(self.period, *month, *year),
            NumericToken::Year(year) => sign_of_year(self.period, *year),
            NumericToken::Span { last, months, year } => {
                sign_of_span(self.period, *last, *months, *year)
            }
            NumericToken::Day { .. } => mark::DAY,
            NumericToken::Number(_) | NumericToken::Reference | NumericToken::Word => {
                sign::REFERENCE
            }
        }
    }
}

impl ItemSequence {
    fn write(&mut self, text: &str, item: SequenceItem, number: bool, mark: Option<char>) {
        let start = self.text.len();
        self.text.push_str(text);
        self.text.push(' ');
        self.items.push(SequenceItem { start, ..item });
        self.numbers.push(number);
        self.marks.push(mark);
    }
}

/// The words from a token on that may be a name, without commas and dashes between them, and the
/// offset of each in tokens.
fn name_words(tokens: &[Token], at: usize, end: usize) -> (Vec<&str>, Vec<usize>) {
    let (mut words, mut places) = (Vec::new(), Vec::new());
    for (n, token) in tokens.get(at..end.min(at + 24)).unwrap_or_default().iter().enumerate() {
        match &token.kind {
            TokenKind::Word(word) => {
                words.push(word.as_str());
                places.push(n);
            }
            TokenKind::Mark(',' | '-') if n > 0 => {}
            TokenKind::Mark(_) | TokenKind::Number(_) | TokenKind::Other(_) => break,
        }
    }
    (words, places)
}

/// Whether a token is "quý" for the quarter that the text is about.
fn is_own_quarter(tokens: &[Token], at: usize) -> bool {
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let times = &words().time;
    word(at) == Some("quý")
        && (at
            .checked_sub(1)
            .and_then(word)
            .is_some_and(|word| times.before_quarter.contains(word))
            || word(at + 1).is_some_and(|word| times.behind_quarter.contains(word)))
}

/// The day that a token is.
fn day_at(tokens: &[Token], at: usize) -> Option<MentionedDay> {
    let TokenKind::Other(NumericToken::Day { day, month, year }) = tokens.get(at)?.kind else {
        return None;
    };
    Some(MentionedDay { day, month, year })
}

/// Whether a parenthesis names the time of the number beside it.
fn gives_time(tokens: &[Token], range: Range<usize>) -> bool {
    let inside = tokens.get(range).unwrap_or_default().iter().take_while(|token| !token.is(')'));
    let line = inside.filter_map(Token::word).fold(" ".to_owned(), |line, word| line + word + " ");
    words().time.bracketed.iter().any(|time| line.contains(&format!(" {time} ")))
}

/// Whether a valid number comes before the end of the parenthesis.
fn has_number(tokens: &[Token], range: Range<usize>) -> bool {
    let mut open = 1_usize;
    for token in tokens.get(range).unwrap_or_default() {
        match &token.kind {
            TokenKind::Mark('(') => open += 1,
            TokenKind::Mark(')') => {
                open -= 1;
                if open == 0 {
                    return false;
                }
            }
            TokenKind::Number(_) => return true,
            TokenKind::Mark(_) | TokenKind::Word(_) | TokenKind::Other(_) => {}
        }
    }
    false
}
