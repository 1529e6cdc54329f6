//! The sentences from which the service writes reports. Their grammar is `sentence.pest`.
//!
//! | written | becomes |
//! |---|---|
//! | `{ioffice.users.created}` | the figure of the month |
//! | `{igate.dossiers.received{channel=online}}` | the figure of a member, in further braces |
//! | `{+ioffice.users.created}` | its change from the month before, in words |
//! | `[...]` | the content, left out when a figure in it is missing |
//! | `<...>` | the content, repeated for some units below and separated by commas |
//! | `{unit}` | only between `<` and `>`: the name of that unit |
//!
//! `<...>` is repeated for each unit below that has reported the first figure in it. A sentence is
//! left out when a figure outside square brackets is missing, when `<...>` is repeated for no unit,
//! or when no figure remains.

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use super::measure::Measure;

use grammar::{Rule, SentenceGrammar};

mod grammar {
    /// The parser that is generated from the grammar.
    #[derive(pest_derive::Parser)]
    #[grammar = "sentence.pest"]
    pub struct SentenceGrammar;
}

/// Longest text of a sentence in bytes.
pub const MAX_TEXT: usize = 4_000;
/// Most brackets that may be open at the same place.
const MAX_NESTING: usize = 4;

/// A part of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SentencePart {
    /// Plain text.
    Text(String),
    /// A figure.
    Figure(Measure),
    /// The change of a figure from the month before, in words.
    Change(Measure),
    /// The name of the unit for which the part is repeated.
    Unit,
    /// Parts that are left out when a figure in them is missing.
    Optional(Vec<SentencePart>),
    /// Parts that are repeated for each unit below.
    Each(Vec<SentencePart>),
}

/// Parses a sentence.
///
/// ```
/// use kpi::sentence::{SentencePart, parse};
/// let parts = parse("Tạo mới {a.b{c=d}} tài khoản[, {+a.b}].").unwrap();
/// use SentencePart::{Figure, Optional, Text};
/// assert!(matches!(&parts[..], [Text(_), Figure(_), Text(_), Optional(_), Text(_)]));
/// assert!(parse("Tạo mới [{a.b} tài khoản").is_err());
/// ```
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(text: &str) -> Result<Vec<SentencePart>, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("a sentence has at most {MAX_TEXT} bytes"));
    }
    let sentence =
        SentenceGrammar::parse(Rule::sentence, text).map_err(|_stack_is_full| too_deep())?;
    let parts = parts(sentence)?;
    if figures(&parts).is_empty() {
        return Err("a sentence must name at least one figure".to_owned());
    }
    Ok(parts)
}

/// The figures of a sentence, in order.
#[must_use]
pub fn figures(parts: &[SentencePart]) -> Vec<&Measure> {
    parts
        .iter()
        .flat_map(|part| match part {
            SentencePart::Figure(measure) | SentencePart::Change(measure) => vec![measure],
            SentencePart::Optional(inside) | SentencePart::Each(inside) => figures(inside),
            SentencePart::Text(_) | SentencePart::Unit => Vec::new(),
        })
        .collect()
}

/// The parts of a sentence or of brackets, up to the first error.
fn parts(pairs: Pairs<'_, Rule>) -> Result<Vec<SentencePart>, String> {
    let mut parts = Vec::new();
    for pair in pairs {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the other rules are errors, or no part of a sentence"
        )]
        match pair.as_rule() {
            Rule::text => parts.push(SentencePart::Text(pair.as_str().to_owned())),
            Rule::figure => parts.push(SentencePart::Figure(measure(pair)?)),
            Rule::change => parts.push(SentencePart::Change(measure(pair)?)),
            Rule::unit => parts.push(SentencePart::Unit),
            Rule::optional | Rule::each_optional => {
                parts.push(SentencePart::Optional(inside(pair, ']')?));
            }
            Rule::each => {
                let inside = inside(pair, '>')?;
                if figures(&inside).is_empty() {
                    return Err(
                        "the part between '<' and '>' must name at least one figure".to_owned()
                    );
                }
                parts.push(SentencePart::Each(inside));
            }
            Rule::EOI => {}
            error => return Err(sentence_about(error, pair.as_str())),
        }
    }
    Ok(parts)
}

/// The parts between brackets, of which the last is `close`.
fn inside(pair: Pair<'_, Rule>, close: char) -> Result<Vec<SentencePart>, String> {
    let parts = parts(pair.into_inner())?;
    if parts.is_empty() {
        return Err(format!("there is nothing before {close:?}"));
    }
    Ok(parts)
}

fn measure(pair: Pair<'_, Rule>) -> Result<Measure, String> {
    Measure::parse(pair.into_inner().next().map_or("", |measure| measure.as_str()))
}

/// The sentence about an error of the grammar, which begins at `text`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other rules are no errors")]
fn sentence_about(error: Rule, text: &str) -> String {
    match error {
        Rule::too_deep => too_deep(),
        Rule::missing_brace => "'}' is missing".to_owned(),
        Rule::missing_square => "']' is missing".to_owned(),
        Rule::missing_angle => "'>' is missing".to_owned(),
        Rule::each_in_each => "'<' cannot be used inside '<'".to_owned(),
        Rule::misplaced_unit => "{unit} can be used only between '<' and '>'".to_owned(),
        _ => format!("{:?} does not close anything", text.chars().next().unwrap_or_default()),
    }
}

fn too_deep() -> String {
    format!("more than {MAX_NESTING} brackets are open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_balanced_and_not_too_deep() {
        for (text, part) in [
            ("a {x.y", "missing"),
            ("a {x.y} ]", "does not close anything"),
            ("a {x.y} }", "does not close anything"),
            ("a {x.y} >", "does not close anything"),
            ("[{x.y}>", "missing"),
            ("<{unit} {x.y} <{x.y}>>", "inside"),
            ("{unit} {x.y}", "between"),
            ("<{unit}>", "at least one figure"),
            ("nothing", "at least one figure"),
            ("[] {x.y}", "there is nothing"),
            ("[[[[[{x.y}]]]]]", "brackets are open"),
            ("{}", "must have a code"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse("[[[[{x.y}]]]]").is_ok());
        assert!(
            parse(&format!("{{x.y}}{}", "a".repeat(MAX_TEXT))).unwrap_err().contains("at most")
        );
    }

    #[test]
    fn figures_are_found_wherever_they_stand() {
        let parts = parse("{a.b{c=d}}[ {+e.f}]: <{unit} {g.h}[ {i.j}]>").unwrap();
        assert_eq!(
            figures(&parts).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a.b{c=d}", "e.f", "g.h", "i.j"]
        );
    }

    #[test]
    fn the_first_error_of_a_sentence_is_described() {
        let braces = |count: usize| format!("{}{}", "{".repeat(count), "}".repeat(count));
        let error = |text: &str| parse(text).unwrap_err();
        assert_eq!(error("[a <{x.y}] }"), "'>' is missing");
        assert_eq!(error("[a {x.y}> }"), "']' is missing");
        assert_eq!(error("{x.y} } ]"), "'}' does not close anything");
        assert_eq!(error("<[<{x.y}>]>"), "'<' cannot be used inside '<'");
        assert_eq!(error("[ { unit } {x.y}"), "{unit} can be used only between '<' and '>'");
        assert_eq!(error("[[[[<{x.y}>]]]]"), "more than 4 brackets are open");
        assert_eq!(error("<[[[[{x.y}]]]]>"), "more than 4 brackets are open");
        assert_eq!(error(&braces(20)), "a measure must have a code");
        // However many braces there are, the stack does not overflow.
        assert!(parse(&braces(MAX_TEXT / 2)).is_err());
    }
}
