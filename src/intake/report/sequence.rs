//! The items of a sentence that stand on one level, written as one line for expressions to look through: what stands in parentheses is a
//! level of its own.

use std::ops::Range;

use super::lexicon::{Lexicon, Names, ends_in_kind};
use super::tokens::{Kind, Token};
use super::when::{sign_of_month, sign_of_span, sign_of_year};
use crate::domain::period::Period;
use crate::domain::phrase::sign;
use crate::intake::numbers::{ABOUT, Piece, Sort};

/// Signs of periods, as a report of a period sees them; [`sign`] has the others.
pub mod mark {
    /// The report's own period.
    pub const NOW: char = '\u{e010}';
    /// The month before.
    pub const MONTH_BEFORE: char = '\u{e011}';
    /// The same month a year before.
    pub const YEAR_BEFORE: char = '\u{e012}';
    /// Another time before.
    pub const EARLIER: char = '\u{e013}';
    /// A time to come.
    pub const LATER: char = '\u{e014}';
    /// A wider period of the same year.
    pub const WIDER: char = '\u{e015}';
    /// The last month of a report's wider period.
    pub const LAST_MONTH: char = '\u{e017}';
    /// The same year.
    pub const YEAR: char = '\u{e016}';
}

/// Most levels of parentheses that are told apart; deeper ones count as the deepest.
const MAX_LEVELS: usize = 8;
/// From how many words on the name of a system is one item.
const LONG_NAME: usize = 8;

/// An item of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its first token.
    pub token: usize,
    /// Where it begins in the line.
    pub start: usize,
    /// The unit that it names.
    pub unit: Option<usize>,
    /// The words for a member that begin here: which, and how many items.
    pub member: Option<(usize, usize)>,
}

/// A stretch of a sequence between commas and the like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Clause {
    /// Its items.
    pub range: Range<usize>,
    /// Whether a semicolon or full stop stands before it.
    pub new_part: bool,
    /// Whether it ends with a colon.
    pub colon: bool,
}

/// The items of one level.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sequence {
    /// The line: each item followed by a space, the first one preceded by one.
    pub text: String,
    /// The items.
    pub items: Vec<Item>,
    /// The level that it stands in, and the item behind which it opens.
    pub parent: Option<(usize, usize)>,
    /// Members named in parentheses without a number: the item before, and which.
    pub hidden: Vec<(usize, usize)>,
    /// Units named in parentheses without a number: the item before, and which.
    pub hidden_units: Vec<(usize, usize)>,
    /// For each item whether it is a number.
    numbers: Vec<bool>,
    /// For each item the mark that it is.
    marks: Vec<Option<char>>,
}

impl Sequence {
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

    /// Where an item begins in the line.
    #[must_use]
    pub fn start(&self, item: usize) -> usize {
        self.items.get(item).map_or(self.text.len(), |item| item.start)
    }

    /// The item that begins at a place of the line.
    #[must_use]
    pub fn item_at(&self, start: usize) -> Option<usize> {
        self.items.binary_search_by_key(&start, |item| item.start).ok()
    }

    /// The line of some items, with the space before them; and where it begins.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> (usize, &str) {
        let from = self.start(range.start).saturating_sub(1);
        (from, self.text.get(from..self.start(range.end)).unwrap_or_default())
    }

    /// Its clauses.
    #[must_use]
    pub fn clauses(&self) -> Vec<Clause> {
        let (mut found, mut from, mut new_part) = (Vec::new(), 0, true);
        for item in 0..self.items.len() {
            let Some(separator) =
                self.mark(item).filter(|mark| matches!(mark, ',' | ';' | '.' | ':'))
            else {
                continue;
            };
            // A colon before the first number introduces what follows; one between a name and its number does not part them.
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

/// What is needed to write a sentence as sequences.
pub struct Writer<'a> {
    /// The words to look for.
    pub lexicon: &'a Lexicon,
    /// The units' names.
    pub units: &'a Names,
    /// The report's period.
    pub period: Period,
}

impl Writer<'_> {
    /// The sequences of a sentence; the first is the outermost. Parentheses without a number are passed over.
    #[must_use]
    pub fn sequences(&self, tokens: &[Token], sentence: Range<usize>) -> Vec<Sequence> {
        let mut all = vec![Sequence::default()];
        all.iter_mut().for_each(|sequence| sequence.text.push(' '));
        let mut open: Vec<Option<usize>> = vec![Some(0)];
        let mut at = sentence.start;
        while at < sentence.end {
            let Some(token) = tokens.get(at) else { break };
            if token.is('(') {
                let silent = !has_number(tokens, at + 1..sentence.end);
                let current = open.last().copied().flatten();
                if silent && let Some(sequence) = current.and_then(|level| all.get_mut(level)) {
                    self.hide(sequence, tokens, at + 1..sentence.end);
                }
                let next = match current {
                    Some(level) if !silent && open.len() < MAX_LEVELS => {
                        let behind = all.get(level).map_or(0, |sequence| sequence.items.len());
                        all.push(Sequence {
                            text: " ".to_owned(),
                            parent: Some((level, behind)),
                            ..Sequence::default()
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

    /// Notes the members that are named in parentheses without a number.
    fn hide(&self, sequence: &mut Sequence, tokens: &[Token], range: Range<usize>) {
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

    /// Writes the item that begins at a token; how many tokens it takes.
    fn push(&self, sequence: &mut Sequence, tokens: &[Token], at: usize, end: usize) -> usize {
        let Some(token) = tokens.get(at) else { return 1 };
        if token.word().is_some_and(|word| ABOUT.contains(&word))
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
                Item { token: at, start: 0, unit: Some(unit), member: None },
                false,
                None,
            );
            return taken;
        }
        if let Some((_, count)) =
            self.lexicon.topics.at(&words).filter(|(_, count)| *count >= LONG_NAME)
            && let Some(last) = count.checked_sub(1).and_then(|last| places.get(last))
        {
            // The words of a long name say nothing of their own: "Hệ thống thông tin giải quyết thủ tục hành chính".
            sequence.write(
                "@",
                Item { token: at, start: 0, unit: None, member: None },
                false,
                None,
            );
            return last + 1;
        }
        // "Dịch vụ công trực tuyến" is what such services are called, not how a dossier was handed in.
        let official = words.first() == Some(&"trực") && before.last() == Some(&"công");
        let member = self
            .lexicon
            .member_names
            .at(&words)
            .filter(|(_, count)| !official || *count > 2)
            .and_then(|(names, count)| Some((names, places.get(count.checked_sub(1)?)? + 1)));
        let item = Item { token: at, start: 0, unit: None, member };
        match &token.kind {
            Kind::Word(word) => sequence.write(word, item, false, None),
            Kind::Mark(mark) => sequence.write(&mark.to_string(), item, false, Some(*mark)),
            Kind::Number(number) => {
                let sign = match (number.sort, number.value.is_ok()) {
                    (Sort::Plain, _) => sign::PLAIN,
                    (Sort::Percent, _) => sign::PERCENT,
                    (Sort::Money, _) => sign::MONEY,
                    (Sort::Zero, _) => sign::ZERO,
                };
                sequence.write(&sign.to_string(), item, true, None);
            }
            Kind::Other(piece) => sequence.write(&self.sign(piece).to_string(), item, false, None),
        }
        1
    }

    /// A unit named from a token on, its words possibly parted by commas or dashes; and how many tokens name it.
    fn named_unit(&self, tokens: &[Token], at: usize, end: usize) -> Option<(usize, usize)> {
        let (words, places) = name_words(tokens, at, end);
        let (unit, count) = self.units.at(&words)?;
        Some((unit, places.get(count.checked_sub(1)?)? + 1))
    }

    fn sign(&self, piece: &Piece) -> char {
        match piece {
            Piece::Month(month, year) => sign_of_month(self.period, *month, *year),
            Piece::Year(year) => sign_of_year(self.period, *year),
            Piece::Span { last, months, year } => sign_of_span(self.period, *last, *months, *year),
            Piece::Number(_) | Piece::Reference | Piece::Word => sign::REFERENCE,
        }
    }
}

impl Sequence {
    fn write(&mut self, text: &str, item: Item, number: bool, mark: Option<char>) {
        let start = self.text.len();
        self.text.push_str(text);
        self.text.push(' ');
        self.items.push(Item { start, ..item });
        self.numbers.push(number);
        self.marks.push(mark);
    }
}

/// The words from a token on that may be a name, commas and dashes between them passed over; and where each stands, counted from there.
fn name_words(tokens: &[Token], at: usize, end: usize) -> (Vec<&str>, Vec<usize>) {
    let (mut words, mut places) = (Vec::new(), Vec::new());
    for (n, token) in tokens.get(at..end.min(at + 24)).unwrap_or_default().iter().enumerate() {
        match &token.kind {
            Kind::Word(word) => {
                words.push(word.as_str());
                places.push(n);
            }
            Kind::Mark(',' | '-') if n > 0 => {}
            Kind::Mark(_) | Kind::Number(_) | Kind::Other(_) => break,
        }
    }
    (words, places)
}

/// Whether a number that is one stands before the parenthesis closes.
fn has_number(tokens: &[Token], range: Range<usize>) -> bool {
    let mut open = 1_usize;
    for token in tokens.get(range).unwrap_or_default() {
        match &token.kind {
            Kind::Mark('(') => open += 1,
            Kind::Mark(')') => {
                open -= 1;
                if open == 0 {
                    return false;
                }
            }
            Kind::Number(_) => return true,
            Kind::Mark(_) | Kind::Word(_) | Kind::Other(_) => {}
        }
    }
    false
}
