//! Phrases: the patterns by which figures are recognised in the sentences of a report. Their
//! grammar is `phrase.pest`; this module turns them into regular expressions.
//!
//! A phrase is a sequence of words, compared without regard to case and to the place of tone marks,
//! and of these elements:
//!
//! | written | matches |
//! |---|---|
//! | `(a\|b c)` | one of these |
//! | `[a\|b c]` | one of these, or no word |
//! | `..`, `...` | up to 3 or up to 8 words, without numbers and punctuation |
//! | `{value}` | the figure, or a word for zero (`không có`) |
//! | `{number}` | a number that is not the figure |
//! | `{channel}` | a member of that dimension, by one of its names |
//! | `{unit}` | a unit, by its name |
//! | `{end}` | the end of the clause |
//! | `<new>` | one of the words of that vocabulary entry of the catalogue |
//! | `:` `,` `/` `-` `;` `%` `+` `\(` `\)` | themselves |

use std::collections::BTreeMap;

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use super::vietnamese::folding::{folded, is_mark, spelled_out};

use grammar::{PhraseGrammar, Rule};

mod grammar {
    /// The parser that is generated from the grammar.
    #[derive(pest_derive::Parser)]
    #[grammar = "phrase.pest"]
    pub struct PhraseGrammar;
}

/// Longest phrase in bytes.
pub const MAX_PHRASE: usize = 500;
/// Most brackets that may be open at the same place.
const MAX_NESTING: usize = 8;

/// A phrase as a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PhrasePart {
    /// A word or punctuation mark, folded.
    Word(String),
    /// One of several sequences, or nothing when `optional`.
    Choice {
        /// The sequences.
        of: Vec<Vec<PhrasePart>>,
        /// Whether it may be absent.
        optional: bool,
    },
    /// Up to this number of further words.
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

/// Parses a phrase.
///
/// # Errors
/// A sentence that says what is wrong.
///
/// ```
/// use kpi::phrase::{PhrasePart, parse};
/// let word = |word: &str| PhrasePart::Word(word.into());
/// assert_eq!(parse("Tạo mới {value}").unwrap(), [word("tạo"), word("mới"), PhrasePart::Value]);
/// assert!(parse("tạo (mới").is_err());
/// ```
pub fn parse(text: &str) -> Result<Vec<PhrasePart>, String> {
    if text.len() > MAX_PHRASE {
        return Err(format!("a phrase has at most {MAX_PHRASE} bytes"));
    }
    let phrase = PhraseGrammar::parse(Rule::phrase, text).map_err(|_stack_is_full| too_deep())?;
    let parts = sequence(phrase)?;
    if parts.is_empty() {
        return Err("a phrase must have at least one word".to_owned());
    }
    Ok(parts)
}

/// The parts of a sequence, up to the first error.
fn sequence(pairs: Pairs<'_, Rule>) -> Result<Vec<PhrasePart>, String> {
    let mut parts = Vec::new();
    for pair in pairs {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other rules are errors, or no part of a sequence"
        )]
        match pair.as_rule() {
            Rule::word => {
                let word = folded(pair.as_str());
                let words = spelled_out(&word).split(' ');
                parts.extend(words.map(|word| PhrasePart::Word(word.to_owned())));
            }
            Rule::mark => parts.push(PhrasePart::Word(pair.as_str().to_owned())),
            Rule::escaped => parts.push(PhrasePart::Word(inside(pair).to_owned())),
            Rule::choice | Rule::option => parts.push(choice(pair)?),
            Rule::short_gap => parts.push(PhrasePart::Gap(3)),
            Rule::long_gap => parts.push(PhrasePart::Gap(8)),
            Rule::placeholder => parts.push(placeholder(inside(pair).trim())?),
            Rule::vocabulary => {
                parts.push(PhrasePart::Vocabulary(inside(pair).trim().to_owned()));
            }
            Rule::EOI => {}
            error => return Err(sentence_about(error, pair.as_str())),
        }
    }
    Ok(parts)
}

fn choice(pair: Pair<'_, Rule>) -> Result<PhrasePart, String> {
    let optional = pair.as_rule() == Rule::option;
    let mut of = Vec::new();
    for alternative in pair.into_inner() {
        if alternative.as_rule() == Rule::unclosed {
            let open = if optional { '[' } else { '(' };
            return Err(format!("{open:?} is not closed"));
        }
        let one = sequence(alternative.into_inner())?;
        if one.is_empty() {
            return Err("an alternative must have at least one word".to_owned());
        }
        of.push(one);
    }
    Ok(PhrasePart::Choice { of, optional })
}

fn placeholder(name: &str) -> Result<PhrasePart, String> {
    Ok(match name {
        "value" => PhrasePart::Value,
        "number" => PhrasePart::Number,
        "unit" => PhrasePart::Unit,
        "end" => PhrasePart::End,
        "" => return Err("{} is empty".to_owned()),
        dimension => PhrasePart::Member(dimension.to_owned()),
    })
}

/// The text of the only rule inside a rule.
fn inside(pair: Pair<'_, Rule>) -> &str {
    pair.into_inner().next().map_or("", |inner| inner.as_str())
}

/// The sentence about an error of the grammar, which begins at `text`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other rules are no errors")]
fn sentence_about(error: Rule, text: &str) -> String {
    let first = text.chars().next().unwrap_or_default();
    match error {
        Rule::unopened => format!("{first:?} does not close anything"),
        Rule::too_deep => too_deep(),
        Rule::missing_brace => "'}' is missing".to_owned(),
        Rule::missing_angle => "'>' is missing".to_owned(),
        Rule::wrong_gap => "a gap must be .. or ...".to_owned(),
        Rule::wrong_escape => "a backslash must be followed by ( or )".to_owned(),
        _ => format!("{first:?} has no meaning in a phrase"),
    }
}

fn too_deep() -> String {
    format!("more than {MAX_NESTING} brackets are open")
}

/// What [`expression`] needs to turn a phrase into a regular expression.
pub struct PhraseWords<'a> {
    /// The catalogue's vocabulary: the words of each entry, as phrases without placeholders.
    pub vocabulary: &'a BTreeMap<String, Vec<Vec<PhrasePart>>>,
    /// The folded names of the members of each dimension.
    pub members: &'a BTreeMap<String, Vec<String>>,
    /// The signs of the kinds of numbers that `{value}` matches.
    pub value: &'a str,
    /// The number of gaps so far. Each gap is a group of its own (`g0`, `g1`).
    pub gaps: std::cell::Cell<usize>,
}

/// Signs for the numbers and units in the text that [`expression`] matches. In this text every word
/// and sign is followed by a space.
pub mod sign {
    /// A number.
    pub const PLAIN: char = '\u{e000}';
    /// A percentage.
    pub const PERCENT: char = '\u{e001}';
    /// An amount of money.
    pub const MONEY: char = '\u{e002}';
    /// A word for zero.
    pub const ZERO: char = '\u{e003}';
    /// A date, the number of a document or a similar number.
    pub const REFERENCE: char = '\u{e004}';
    /// A unit.
    pub const UNIT: char = '\u{e005}';
    /// The last of the signs that a gap matches. The signs between [`UNIT`] and this one are
    /// periods.
    pub const LAST: char = '\u{e01f}';
}

/// Characters of a word that a gap matches: Latin letters with all their marks, digits, and those
/// of addresses. A class of all letters would make thousands of phrases a hundred times as large.
const WORD: &str = r"0-9A-Za-z.@_\u{c0}-\u{24f}\u{300}-\u{36f}\u{1e00}-\u{1eff}";

/// Turns a phrase into a regular expression over text in which each word is followed by a space.
/// The figure is the group `value`, a member the group of its dimension, a unit the group `unit`.
///
/// # Errors
/// A sentence that names an unknown vocabulary entry or dimension.
pub fn expression(parts: &[PhrasePart], wordings: &PhraseWords<'_>) -> Result<String, String> {
    let mut text = String::new();
    for part in parts {
        match part {
            PhrasePart::Word(word) => text.push_str(&format!("{} ", escaped(word))),
            PhrasePart::Choice { of, optional } => {
                let of: Result<Vec<String>, String> =
                    of.iter().map(|one| expression(one, wordings)).collect();
                text.push_str(&format!(
                    "(?:{}){}",
                    of?.join("|"),
                    if *optional { "?" } else { "" }
                ));
            }
            PhrasePart::Gap(words) => {
                let gap = wordings.gaps.replace(wordings.gaps.get() + 1);
                text.push_str(&format!(
                    "(?P<g{gap}>(?:(?:[{WORD}]+|-|[{}-{}]) ){{0,{words}}}?)",
                    sign::REFERENCE,
                    sign::LAST
                ));
            }
            PhrasePart::Value => text.push_str(&format!("(?P<value>[{}]) ", wordings.value)),
            PhrasePart::Number => {
                text.push_str(&format!("[{}{}{}] ", sign::PLAIN, sign::PERCENT, sign::MONEY))
            }
            PhrasePart::Member(dimension) => {
                let words = wordings.members.get(dimension).ok_or_else(|| {
                    format!("the measure has no dimension {dimension} with names")
                })?;
                // A comma or a dash may be between the words of a name.
                let mut words: Vec<String> =
                    words.iter().map(|words| escaped(words).replace(' ', " (?:[,-] )?")).collect();
                words.sort_by_key(|words| std::cmp::Reverse(words.len()));
                text.push_str(&format!("(?P<{dimension}>{}) ", words.join("|")));
            }
            PhrasePart::Unit => text.push_str(&format!("(?P<unit>{}) ", sign::UNIT)),
            PhrasePart::End => text.push_str("(?:[,;.] |$)"),
            PhrasePart::Vocabulary(entry) => {
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

/// A text with all special characters of regular expressions escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_alphanumeric() && c != ' ' && !is_mark(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The placeholders of a phrase: the number of `{value}`, the dimensions named (repeated ones
/// included), and whether `{unit}` occurs.
#[must_use]
pub fn placeholders(parts: &[PhrasePart]) -> (usize, Vec<String>, bool) {
    let (mut values, mut dimensions, mut unit) = (0, Vec::new(), false);
    for part in parts {
        match part {
            PhrasePart::Value => values += 1,
            PhrasePart::Member(dimension) => dimensions.push(dimension.clone()),
            PhrasePart::Unit => unit = true,
            PhrasePart::Choice { of, .. } => {
                let all: Vec<_> = of.iter().map(|one| placeholders(one)).collect();
                values += all.iter().map(|one| one.0).sum::<usize>();
                unit |= all.iter().any(|one| one.2);
                dimensions.extend(all.into_iter().flat_map(|one| one.1));
            }
            PhrasePart::Word(_)
            | PhrasePart::Gap(_)
            | PhrasePart::Number
            | PhrasePart::End
            | PhrasePart::Vocabulary(_) => {}
        }
    }
    (values, dimensions, unit)
}

/// Collects the words of a phrase, including those of its vocabulary entries.
pub fn collect_words<S: std::hash::BuildHasher>(
    parts: &[PhrasePart],
    vocabulary: &BTreeMap<String, Vec<Vec<PhrasePart>>>,
    words: &mut std::collections::HashSet<String, S>,
) {
    for part in parts {
        match part {
            PhrasePart::Word(word) => {
                words.insert(word.clone());
            }
            PhrasePart::Choice { of, .. } => {
                of.iter().for_each(|one| collect_words(one, vocabulary, words))
            }
            PhrasePart::Vocabulary(entry) => vocabulary
                .get(entry)
                .into_iter()
                .flatten()
                .for_each(|one| collect_words(one, vocabulary, words)),
            PhrasePart::Gap(_)
            | PhrasePart::Value
            | PhrasePart::Number
            | PhrasePart::Member(_)
            | PhrasePart::Unit
            | PhrasePart::End => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_a_phrase_is_described() {
        for (text, expected) in [
            ("", "a phrase must have at least one word"),
            ("tạo) (", "')' does not close anything"),
            ("a | b", "'|' does not close anything"),
            ("(a] b", "'(' is not closed"),
            ("[a", "'[' is not closed"),
            ("(a|)", "an alternative must have at least one word"),
            ("( ", "an alternative must have at least one word"),
            ("{value", "'}' is missing"),
            ("<new {value}", "'>' is missing"),
            ("{ } a", "{} is empty"),
            ("a . b", "a gap must be .. or ..."),
            ("a .... b", "a gap must be .. or ..."),
            ("a \\[", "a backslash must be followed by ( or )"),
            ("(a ! b", "'!' has no meaning in a phrase"),
            ("((((((((a", "'(' is not closed"),
            ("(((((((([!", "more than 8 brackets are open"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
        assert!(parse("((((((((a))))))))").is_ok());
    }

    #[test]
    fn words_have_letters_digits_and_combining_marks() {
        let part = |c: char| parse(&format!("a{c}b")).is_ok_and(|parts| parts.len() == 1);
        // Latin letters with all their marks. Newer signs of other scripts may be known to one of
        // the two only.
        for c in (0..0x370).chain(0x1e00..0x1f00).filter_map(char::from_u32) {
            assert_eq!(part(c), c.is_alphanumeric() || is_mark(c), "{c:?}");
        }
    }
}
