//! Splitting of text into tokens (folded words, marks and numbers) and sentences.

use std::ops::Range;

use super::words::words;
use kpi::vietnamese::folding::{folded, is_mark, is_note_mark, spelled_out};
use kpi::vietnamese::numbers::{NumericToken, TextNumber, find_tokens};

/// Most tokens of a sentence. A longer one is cut, so that the work for a sentence is limited.
pub const MAX_SENTENCE: usize = 2_000;

/// The kind of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A word, folded.
    Word(String),
    /// A punctuation mark.
    Mark(char),
    /// A number.
    Number(TextNumber),
    /// A month, a year, another period or a reference.
    Other(NumericToken),
}

/// A token with its place in the document's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// The kind.
    pub kind: TokenKind,
    /// The bytes in the document's text.
    pub range: Range<usize>,
}

impl Token {
    /// The word, if the token is one.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            TokenKind::Word(word) => Some(word),
            TokenKind::Mark(_) | TokenKind::Number(_) | TokenKind::Other(_) => None,
        }
    }

    /// The number, if the token is one.
    #[must_use]
    pub fn number(&self) -> Option<&TextNumber> {
        match &self.kind {
            TokenKind::Number(number) => Some(number),
            TokenKind::Mark(_) | TokenKind::Word(_) | TokenKind::Other(_) => None,
        }
    }

    /// Whether the token is this mark.
    #[must_use]
    pub fn is(&self, mark: char) -> bool {
        self.kind == TokenKind::Mark(mark)
    }
}

/// Marks of markup and quotation, which are ignored.
const IGNORED_MARKS: [char; 14] =
    ['*', '#', '_', '`', '"', '“', '”', '„', '‘', '’', '\'', '|', '•', '…'];

/// The tokens of a part of a text.
#[must_use]
pub fn tokenize(text: &str, range: Range<usize>) -> Vec<Token> {
    let (start, stretch) = (range.start, text.get(range).unwrap_or_default());
    let mut found = Vec::new();
    let mut at = 0;
    for placed in find_tokens(stretch) {
        push_words(stretch, at..placed.range.start, start, &mut found);
        let whole = start + placed.range.start..start + placed.range.end;
        match placed.piece {
            NumericToken::Word => push_words(stretch, placed.range.clone(), start, &mut found),
            NumericToken::Number(number) if is_name(stretch, &number.range, &found) => {
                found.push(Token { range: whole, kind: TokenKind::Other(NumericToken::Reference) });
            }
            NumericToken::Number(mut number) => {
                number.range = start + number.range.start..start + number.range.end;
                // A word for zero may begin with the mark before it.
                found.push(Token { range: whole, kind: TokenKind::Number(number) });
            }
            piece @ (NumericToken::Reference | NumericToken::Day { .. }) => {
                // In "Quyết định số 88/QĐ-STTTT" the words are kept and the number is not.
                let digits = stretch
                    .get(placed.range.clone())
                    .and_then(|text| text.find(|c: char| c.is_ascii_digit()))
                    .unwrap_or(0);
                push_words(
                    stretch,
                    placed.range.start..placed.range.start + digits,
                    start,
                    &mut found,
                );
                found.push(Token {
                    kind: TokenKind::Other(piece),
                    range: whole.start + digits..whole.end,
                });
            }
            other @ (NumericToken::Month(..)
            | NumericToken::Year(_)
            | NumericToken::Span { .. }) => {
                found.push(Token { range: whole, kind: TokenKind::Other(other) })
            }
        }
        at = placed.range.end;
    }
    push_words(stretch, at..stretch.len(), start, &mut found);
    found
}

/// Most digits of a number that is a name.
const LONGEST_NAME: usize = 3;

/// Whether the number at a range is a name, as in "phường 7", and counts nothing, as in "các phường
/// 350 hồ sơ". The tokens before it are given.
fn is_name(stretch: &str, range: &Range<usize>, before: &[Token]) -> bool {
    let digits = stretch.get(range.clone()).unwrap_or_default();
    if digits.len() > LONGEST_NAME || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let numbered = &words().numbered;
    let last = |kind: &&String| {
        let mut own = before.iter().rev().map(Token::word);
        kind.rsplit(' ').all(|word| own.next() == Some(Some(word)))
    };
    let longest = numbered.kinds.iter().filter(last).map(|kind| kind.split(' ').count()).max();
    let Some(kind) = longest else { return false };
    let mut first = before.len().checked_sub(kind + 1).and_then(|at| before.get(at));
    // "các xã, phường 125 chứng thư số"
    if first.is_some_and(|token| token.is(',')) {
        let kinds = &words().unit_name.kinds;
        let goes_on =
            |token: &&Token| token.is(',') || token.word().is_some_and(|word| kinds.contains(word));
        first = before.iter().rev().skip(kind).find(|token| !goes_on(token));
    }
    let counts = first.is_some_and(|token| {
        token.number().is_some() || token.word().is_some_and(|word| numbered.plurals.contains(word))
    });
    let behind = stretch.get(range.end..).unwrap_or_default().trim_start_matches([' ', '\u{a0}']);
    let next = folded(behind.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default());
    !counts && !behind.starts_with('%') && !words().pattern.counted.contains(&next)
}

/// Adds the words and marks of a part without numbers.
fn push_words(stretch: &str, range: Range<usize>, offset: usize, found: &mut Vec<Token>) {
    let Some(part) = stretch.get(range.clone()) else { return };
    let place = offset + range.start;
    let mut word: Option<usize> = None;
    let mut characters = part.char_indices().peekable();
    let mut close = |from: &mut Option<usize>, to: usize| {
        if let Some(from) = from.take()
            && let Some(text) = part.get(from..to)
        {
            let range = place + from..place + to;
            found.extend(spelled_out(&folded(text)).split(' ').map(|word| Token {
                kind: TokenKind::Word(word.to_owned()),
                range: range.clone(),
            }));
        }
    };
    let mut marks = Vec::new();
    while let Some((at, c)) = characters.next() {
        let joins = matches!(c, '.' | '@')
            && word.is_some_and(|from| part.get(from..at).is_some_and(|text| text.is_ascii()))
            && characters.peek().is_some_and(|(_, next)| next.is_ascii_alphanumeric());
        if (c.is_alphanumeric() && !is_note_mark(c)) || is_mark(c) || joins {
            word.get_or_insert(at);
            continue;
        }
        close(&mut word, at);
        let mark = match c {
            // A dash between spaces separates clauses; a dash between letters joins words.
            '–' | '—' | '−' | '-' => Some(
                if part.get(..at).is_some_and(|before| before.ends_with(' '))
                    && part.get(at + c.len_utf8()..).is_some_and(|behind| behind.starts_with(' '))
                {
                    ','
                } else {
                    '-'
                },
            ),
            // A tab separates columns, unless the sentence continues after it.
            '\t' => {
                (!characters.peek().is_some_and(|(_, next)| next.is_lowercase())).then_some(';')
            }
            c if c.is_whitespace()
                || c == '\u{a0}'
                || is_note_mark(c)
                || IGNORED_MARKS.contains(&c) =>
            {
                None
            }
            '[' | '{' => Some('('),
            ']' | '}' => Some(')'),
            '?' | '!' => Some('.'),
            c => Some(c),
        };
        marks.extend(mark.map(|mark| Token {
            kind: TokenKind::Mark(mark),
            range: place + at..place + at + c.len_utf8(),
        }));
    }
    close(&mut word, part.len());
    found.extend(marks);
    found.sort_by_key(|token| token.range.start);
}

/// The sentences of a part, as ranges of its tokens. A full stop ends a sentence unless a word
/// follows it without a space. Parentheses are never split.
#[must_use]
pub fn split_sentences(tokens: &[Token]) -> Vec<Range<usize>> {
    let (mut found, mut from, mut open) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Mark('(') => open += 1,
            TokenKind::Mark(')') => open = open.saturating_sub(1),
            TokenKind::Mark('.') if open == 0 || at - from > MAX_SENTENCE / 2 => {
                let glued = tokens.get(at + 1).is_some_and(|next| {
                    next.range.start == token.range.end
                        && next.word().is_some_and(|word| word.chars().count() < 3)
                });
                if !glued {
                    found.push(from..at + 1);
                    (from, open) = (at + 1, 0);
                }
            }
            TokenKind::Mark(_)
            | TokenKind::Word(_)
            | TokenKind::Number(_)
            | TokenKind::Other(_) => {}
        }
        if at >= from + MAX_SENTENCE {
            found.push(from..at + 1);
            (from, open) = (at + 1, 0);
        }
    }
    if from < tokens.len() {
        found.push(from..tokens.len());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_stops_end_sentences_but_not_numbers() {
        let text = "Tổng số là **7.401**. Văn bản đi: 23.441 (ký số 18.506; tỷ lệ 78,955%). Tên \
            miền mail.travinh.gov.vn.";
        let tokens = tokenize(text, 0..text.len());
        let shown: Vec<&str> = split_sentences(&tokens)
            .into_iter()
            .map(|range| &text[tokens[range.start].range.start..tokens[range.end - 1].range.end])
            .collect();
        assert_eq!(
            shown,
            [
                "Tổng số là **7.401**.",
                "Văn bản đi: 23.441 (ký số 18.506; tỷ lệ 78,955%).",
                "Tên miền mail.travinh.gov.vn."
            ]
        );
        let words: Vec<&str> = tokens.iter().filter_map(Token::word).collect();
        assert!(words.contains(&"mail.travinh.gov.vn"));
    }
}
