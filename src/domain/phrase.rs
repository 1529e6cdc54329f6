//! The phrases by which a report's sentences are recognised: their grammar, and how they become an expression over words.
//!
//! A phrase is words in the order in which they stand, compared without regard to case or tone placement, and
//!
//! | written | stands for |
//! |---|---|
//! | `(a\|b c)` | one of these |
//! | `[a\|b c]` | one of these, or nothing |
//! | `..`, `...` | up to 3, up to 8 further words, no number and no punctuation among them |
//! | `{value}` | the figure, or a word for nothing (`không có`) |
//! | `{number}` | a number that is not the figure |
//! | `{channel}` | a member of that dimension, by one of its words |
//! | `{unit}` | a unit, by its name |
//! | `{end}` | the end of the clause |
//! | `<new>` | one of the words of that entry of the catalogue's vocabulary |
//! | `:` `,` `/` `-` `\(` `\)` | themselves |

use std::collections::BTreeMap;

use super::wording::{folded, spelled_out};

/// Longest phrase in bytes.
pub const MAX_PHRASE: usize = 500;
/// Most brackets open at once.
const MAX_NESTING: usize = 8;

/// A phrase as a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// A word or a punctuation mark, folded.
    Word(String),
    /// One of several, or nothing when `optional`.
    Choice {
        /// Each a sequence.
        of: Vec<Vec<Part>>,
        /// Whether it may be absent.
        optional: bool,
    },
    /// Up to so many further words.
    Gap(usize),
    /// The figure.
    Value,
    /// A number that is not the figure.
    Number,
    /// A member of a dimension.
    Member(String),
    /// A unit.
    Unit,
    /// The end of the clause.
    End,
    /// A word of the vocabulary.
    Vocabulary(String),
}

/// Reads a phrase.
///
/// # Errors
/// A sentence that says what is wrong.
///
/// ```
/// use egov_kpi::domain::phrase::{Part, parse};
/// assert_eq!(parse("Tạo mới {value}").unwrap(), [Part::Word("tạo".into()), Part::Word("mới".into()), Part::Value]);
/// assert!(parse("tạo (mới").is_err());
/// ```
pub fn parse(text: &str) -> Result<Vec<Part>, String> {
    if text.len() > MAX_PHRASE {
        return Err(format!("a phrase has at most {MAX_PHRASE} bytes"));
    }
    let mut reader = Reader { rest: text, open: 0 };
    let parts = reader.sequence()?;
    if !reader.rest.is_empty() {
        return Err(format!("{:?} closes nothing", reader.rest.chars().next().unwrap_or_default()));
    }
    if parts.is_empty() {
        return Err("a phrase has at least one word".to_owned());
    }
    Ok(parts)
}

struct Reader<'a> {
    rest: &'a str,
    open: usize,
}

impl<'a> Reader<'a> {
    fn sequence(&mut self) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(first) = self.rest.chars().next() else { return Ok(parts) };
            match first {
                ')' | ']' | '|' => return Ok(parts),
                '(' | '[' => parts.push(self.choice(first)?),
                '{' => parts.push(match self.until('}')? {
                    "value" => Part::Value,
                    "number" => Part::Number,
                    "unit" => Part::Unit,
                    "end" => Part::End,
                    "" => return Err("{} names nothing".to_owned()),
                    dimension => Part::Member(dimension.to_owned()),
                }),
                '<' => parts.push(Part::Vocabulary(self.until('>')?.to_owned())),
                '.' => parts.push(self.gap()?),
                '\\' => {
                    let mut characters = self.rest.chars();
                    characters.next();
                    let Some(mark @ ('(' | ')')) = characters.next() else {
                        return Err("a backslash stands before ( or )".to_owned());
                    };
                    self.rest = characters.as_str();
                    parts.push(Part::Word(mark.to_string()));
                }
                ':' | ',' | '/' | '-' | ';' | '%' | '+' => {
                    parts.push(Part::Word(first.to_string()));
                    self.rest = self.rest.get(first.len_utf8()..).unwrap_or_default();
                }
                c if c.is_alphanumeric() => {
                    let end = self
                        .rest
                        .find(|c: char| !c.is_alphanumeric() && !super::wording::is_mark(c))
                        .unwrap_or(self.rest.len());
                    let (word, rest) = self.rest.split_at(end);
                    parts.extend(
                        spelled_out(&folded(word))
                            .split(' ')
                            .map(|word| Part::Word(word.to_owned())),
                    );
                    self.rest = rest;
                }
                other => return Err(format!("{other:?} has no meaning in a phrase")),
            }
        }
    }

    fn choice(&mut self, open: char) -> Result<Part, String> {
        let close = if open == '(' { ')' } else { ']' };
        self.open += 1;
        if self.open > MAX_NESTING {
            return Err(format!("more than {MAX_NESTING} brackets are open"));
        }
        let mut of = Vec::new();
        loop {
            self.rest = self.rest.get(1..).unwrap_or_default();
            let one = self.sequence()?;
            if one.is_empty() {
                return Err("an alternative has at least one word".to_owned());
            }
            of.push(one);
            match self.rest.chars().next() {
                Some('|') => {}
                Some(c) if c == close => break,
                _ => return Err(format!("{open:?} is not closed")),
            }
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.open -= 1;
        Ok(Part::Choice { of, optional: open == '[' })
    }

    fn until(&mut self, close: char) -> Result<&'a str, String> {
        let inside = self.rest.get(1..).unwrap_or_default();
        let Some((name, rest)) = inside.split_once(close) else {
            return Err(format!("{close:?} is missing"));
        };
        self.rest = rest;
        Ok(name.trim())
    }

    fn gap(&mut self) -> Result<Part, String> {
        let dots = self.rest.bytes().take_while(|b| *b == b'.').count();
        self.rest = self.rest.get(dots..).unwrap_or_default();
        match dots {
            2 => Ok(Part::Gap(3)),
            3 => Ok(Part::Gap(8)),
            _ => Err("a gap is .. or ...".to_owned()),
        }
    }
}

/// What a phrase needs to know to become an expression.
pub struct Wordings<'a> {
    /// The catalogue's vocabulary: the words of each entry, which are phrases without placeholders.
    pub vocabulary: &'a BTreeMap<String, Vec<Vec<Part>>>,
    /// The words of a dimension's members, folded, by dimension.
    pub members: &'a BTreeMap<String, Vec<String>>,
    /// What `{value}` may be: signs of kinds of numbers.
    pub value: &'a str,
    /// How many gaps there have been: each is a group of its own (`g0`, `g1`).
    pub gaps: std::cell::Cell<usize>,
}

/// Words of a sentence for [`expression`]: a number is one of these signs, each word is followed by a space.
pub mod sign {
    /// A number.
    pub const PLAIN: char = '\u{e000}';
    /// A percentage.
    pub const PERCENT: char = '\u{e001}';
    /// An amount of money.
    pub const MONEY: char = '\u{e002}';
    /// A word for nothing.
    pub const ZERO: char = '\u{e003}';
    /// A date, a document's number and the like.
    pub const REFERENCE: char = '\u{e004}';
    /// A unit.
    pub const UNIT: char = '\u{e005}';
    /// The last of the signs that a gap passes over: periods are between.
    pub const LAST: char = '\u{e01f}';
}

/// What a word that a gap passes over is written with: Latin letters with all their marks, digits, addresses. All letters there are would make
/// thousands of phrases a hundred times as large.
const WORD: &str = r"0-9A-Za-z.@_\u{c0}-\u{24f}\u{300}-\u{36f}\u{1e00}-\u{1eff}";

/// A phrase as a regular expression over words that are each followed by a space; the figure is the group `value`, a member the group
/// of its dimension, a unit the group `unit`.
///
/// # Errors
/// A sentence that names an unknown vocabulary entry or dimension.
pub fn expression(parts: &[Part], wordings: &Wordings<'_>) -> Result<String, String> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Word(word) => text.push_str(&format!("{} ", escaped(word))),
            Part::Choice { of, optional } => {
                let of: Result<Vec<String>, String> =
                    of.iter().map(|one| expression(one, wordings)).collect();
                text.push_str(&format!(
                    "(?:{}){}",
                    of?.join("|"),
                    if *optional { "?" } else { "" }
                ));
            }
            Part::Gap(words) => {
                let gap = wordings.gaps.replace(wordings.gaps.get() + 1);
                text.push_str(&format!(
                    "(?P<g{gap}>(?:(?:[{WORD}]+|-|[{}-{}]) ){{0,{words}}}?)",
                    sign::REFERENCE,
                    sign::LAST
                ));
            }
            Part::Value => text.push_str(&format!("(?P<value>[{}]) ", wordings.value)),
            Part::Number => {
                text.push_str(&format!("[{}{}{}] ", sign::PLAIN, sign::PERCENT, sign::MONEY))
            }
            Part::Member(dimension) => {
                let words = wordings.members.get(dimension).ok_or_else(|| {
                    format!("the measure has no dimension {dimension} with words")
                })?;
                // A comma or a dash between its words does not part them.
                let mut words: Vec<String> =
                    words.iter().map(|words| escaped(words).replace(' ', " (?:[,-] )?")).collect();
                words.sort_by_key(|words| std::cmp::Reverse(words.len()));
                text.push_str(&format!("(?P<{dimension}>{}) ", words.join("|")));
            }
            Part::Unit => text.push_str(&format!("(?P<unit>{}) ", sign::UNIT)),
            Part::End => text.push_str("(?:[,;.] |$)"),
            Part::Vocabulary(entry) => {
                let words = wordings
                    .vocabulary
                    .get(entry)
                    .ok_or_else(|| format!("the vocabulary has no entry {entry}"))?;
                let mut of: Vec<String> = words
                    .iter()
                    .map(|words| expression(words, wordings))
                    .collect::<Result<_, _>>()?;
                of.sort_by_key(|words| std::cmp::Reverse(words.len()));
                text.push_str(&format!("(?:{})", of.join("|")));
            }
        }
    }
    Ok(text)
}

/// A text in which no character has a meaning of its own in a regular expression.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_alphanumeric() && c != ' ' && !super::wording::is_mark(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The placeholders of a phrase: how often the figure, the dimensions named (each as often as it is), and whether a unit is.
#[must_use]
pub fn placeholders(parts: &[Part]) -> (usize, Vec<String>, bool) {
    let (mut values, mut dimensions, mut unit) = (0, Vec::new(), false);
    for part in parts {
        match part {
            Part::Value => values += 1,
            Part::Member(dimension) => dimensions.push(dimension.clone()),
            Part::Unit => unit = true,
            Part::Choice { of, .. } => {
                let all: Vec<_> = of.iter().map(|one| placeholders(one)).collect();
                values += all.iter().map(|one| one.0).sum::<usize>();
                unit |= all.iter().any(|one| one.2);
                dimensions.extend(all.into_iter().flat_map(|one| one.1));
            }
            Part::Word(_) | Part::Gap(_) | Part::Number | Part::End | Part::Vocabulary(_) => {}
        }
    }
    (values, dimensions, unit)
}

/// The words that a phrase says, those of its vocabulary among them.
pub fn said<S: std::hash::BuildHasher>(
    parts: &[Part],
    vocabulary: &BTreeMap<String, Vec<Vec<Part>>>,
    words: &mut std::collections::HashSet<String, S>,
) {
    for part in parts {
        match part {
            Part::Word(word) => {
                words.insert(word.clone());
            }
            Part::Choice { of, .. } => of.iter().for_each(|one| said(one, vocabulary, words)),
            Part::Vocabulary(entry) => vocabulary
                .get(entry)
                .into_iter()
                .flatten()
                .for_each(|one| said(one, vocabulary, words)),
            Part::Gap(_)
            | Part::Value
            | Part::Number
            | Part::Member(_)
            | Part::Unit
            | Part::End => {}
        }
    }
}
