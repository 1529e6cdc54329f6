//! A stretch of text as tokens: words folded, marks, and what has digits; and its sentences.

use std::ops::Range;

use crate::domain::wording::{folded, is_mark, spelled_out};
use crate::intake::numbers::{Number, Piece, pieces};

/// Most tokens of a sentence; a longer one is cut, so that what is looked at together stays bounded.
pub const MAX_SENTENCE: usize = 2_000;

/// What a token is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A word, folded.
    Word(String),
    /// A punctuation mark.
    Mark(char),
    /// A number.
    Number(Number),
    /// A month, a year, a period, a reference.
    Other(Piece),
}

/// A token and where it stands: bytes of the document's text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it stands.
    pub range: Range<usize>,
}

impl Token {
    /// The word, if it is one.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            Kind::Mark(_) | Kind::Number(_) | Kind::Other(_) => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<&Number> {
        match &self.kind {
            Kind::Number(number) => Some(number),
            Kind::Mark(_) | Kind::Word(_) | Kind::Other(_) => None,
        }
    }

    /// Whether it is this mark.
    #[must_use]
    pub fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

/// Marks that are markup or quotation, which say nothing here.
const SILENT: [char; 14] = ['*', '#', '_', '`', '"', '“', '”', '„', '‘', '’', '\'', '|', '•', '…'];

/// The tokens of a stretch of a text.
#[must_use]
pub fn tokens(text: &str, range: Range<usize>) -> Vec<Token> {
    let (start, stretch) = (range.start, text.get(range).unwrap_or_default());
    let mut found = Vec::new();
    let mut at = 0;
    for placed in pieces(stretch) {
        words(stretch, at..placed.range.start, start, &mut found);
        let whole = start + placed.range.start..start + placed.range.end;
        match placed.piece {
            Piece::Word => words(stretch, placed.range.clone(), start, &mut found),
            Piece::Number(mut number) => {
                number.range = start + number.range.start..start + number.range.end;
                // A word for nothing may begin with the mark before it.
                found.push(Token { range: whole, kind: Kind::Number(number) });
            }
            Piece::Reference => {
                // The words of "Quyết định số 88/QĐ-STTTT" count, its number does not.
                let digits = stretch
                    .get(placed.range.clone())
                    .and_then(|text| text.find(|c: char| c.is_ascii_digit()))
                    .unwrap_or(0);
                words(stretch, placed.range.start..placed.range.start + digits, start, &mut found);
                found.push(Token {
                    kind: Kind::Other(Piece::Reference),
                    range: whole.start + digits..whole.end,
                });
            }
            other @ (Piece::Month(..) | Piece::Year(_) | Piece::Span { .. }) => {
                found.push(Token { range: whole, kind: Kind::Other(other) })
            }
        }
        at = placed.range.end;
    }
    words(stretch, at..stretch.len(), start, &mut found);
    found
}

/// Words and marks of a stretch without numbers.
fn words(stretch: &str, range: Range<usize>, offset: usize, found: &mut Vec<Token>) {
    let Some(part) = stretch.get(range.clone()) else { return };
    let place = offset + range.start;
    let mut word: Option<usize> = None;
    let mut characters = part.char_indices().peekable();
    let mut close = |from: &mut Option<usize>, to: usize| {
        if let Some(from) = from.take()
            && let Some(text) = part.get(from..to)
        {
            let range = place + from..place + to;
            found.extend(
                spelled_out(&folded(text))
                    .split(' ')
                    .map(|word| Token { kind: Kind::Word(word.to_owned()), range: range.clone() }),
            );
        }
    };
    let mut marks = Vec::new();
    while let Some((at, c)) = characters.next() {
        let joins = matches!(c, '.' | '@')
            && word.is_some_and(|from| part.get(from..at).is_some_and(|text| text.is_ascii()))
            && characters.peek().is_some_and(|(_, next)| next.is_ascii_alphanumeric());
        if c.is_alphanumeric() || is_mark(c) || joins {
            word.get_or_insert(at);
            continue;
        }
        close(&mut word, at);
        let mark = match c {
            // A dash between spaces parts clauses, one between letters joins words.
            '–' | '—' | '−' | '-' => Some(
                if part.get(..at).is_some_and(|before| before.ends_with(' '))
                    && part.get(at + c.len_utf8()..).is_some_and(|behind| behind.starts_with(' '))
                {
                    ','
                } else {
                    '-'
                },
            ),
            // A tab parts columns, unless the sentence goes on behind it.
            '\t' => {
                (!characters.peek().is_some_and(|(_, next)| next.is_lowercase())).then_some(';')
            }
            c if c.is_whitespace() || c == '\u{a0}' || SILENT.contains(&c) => None,
            '[' | '{' => Some('('),
            ']' | '}' => Some(')'),
            '?' | '!' => Some('.'),
            c => Some(c),
        };
        marks.extend(mark.map(|mark| Token {
            kind: Kind::Mark(mark),
            range: place + at..place + at + c.len_utf8(),
        }));
    }
    close(&mut word, part.len());
    found.extend(marks);
    found.sort_by_key(|token| token.range.start);
}

/// The sentences of a stretch: positions of its tokens. A full stop ends one where something else than a word follows directly; what
/// stands in parentheses is never parted.
#[must_use]
pub fn sentences(tokens: &[Token]) -> Vec<Range<usize>> {
    let (mut found, mut from, mut open) = (Vec::new(), 0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(') => open += 1,
            Kind::Mark(')') => open = open.saturating_sub(1),
            Kind::Mark('.') if open == 0 || at - from > MAX_SENTENCE / 2 => {
                let glued = tokens.get(at + 1).is_some_and(|next| {
                    next.range.start == token.range.end
                        && next.word().is_some_and(|word| word.chars().count() < 3)
                });
                if !glued {
                    found.push(from..at + 1);
                    (from, open) = (at + 1, 0);
                }
            }
            Kind::Mark(_) | Kind::Word(_) | Kind::Number(_) | Kind::Other(_) => {}
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
    fn sentences_end_at_full_stops_and_numbers_keep_theirs() {
        let text = "Tổng số là **7.401**. Văn bản đi: 23.441 (ký số 18.506; tỷ lệ 78,955%). Tên miền mail.travinh.gov.vn.";
        let tokens = tokens(text, 0..text.len());
        let shown: Vec<&str> = sentences(&tokens)
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
