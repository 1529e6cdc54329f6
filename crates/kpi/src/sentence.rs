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
    use proptest::prelude::*;

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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_grammar_and_the_parser_by_hand_agree(text in texts()) {
            prop_assert_eq!(parse(&text), by_hand::parse(&text));
        }
    }

    /// Texts of the signs and words of the grammar, in any order.
    fn texts() -> impl Strategy<Value = String> {
        let signs = proptest::sample::select(vec![
            "(",
            ")",
            "[",
            "]",
            "|",
            "{",
            "}",
            "<",
            ">",
            ".",
            "..",
            "...",
            "\\",
            "\\(",
            "a",
            "hồ sơ",
            "HS",
            "{value}",
            "{ unit }",
            "{unit}",
            "{+a.b}",
            "{a.b{c=d}}",
            "{number}",
            "{end}",
            "{}",
            "<new>",
            "< >",
            " ",
            "\u{a0}",
            "\n",
            ":",
            ",",
            "%",
            "+",
            "_",
            "½",
            "¹",
            "e\u{301}",
            "\u{301}",
            "unit",
            "=",
            "[{a.b}]",
            "(a|b)",
        ]);
        prop_oneof![
            9 => proptest::collection::vec(signs, 0..30).prop_map(|signs| signs.concat()),
            1 => any::<String>(),
        ]
    }

    mod by_hand {
        use super::super::*;

        pub fn parse(text: &str) -> Result<Vec<SentencePart>, String> {
            if text.len() > MAX_TEXT {
                return Err(format!("a sentence has at most {MAX_TEXT} bytes"));
            }
            let mut reader = SentenceParser { rest: text, open: 0, each: false };
            let parts = reader.parts()?;
            match reader.rest.chars().next() {
                Some(close) => Err(format!("{close:?} does not close anything")),
                None if figures(&parts).is_empty() => {
                    Err("a sentence must name at least one figure".to_owned())
                }
                None => Ok(parts),
            }
        }

        struct SentenceParser<'a> {
            rest: &'a str,
            open: usize,
            each: bool,
        }

        impl SentenceParser<'_> {
            fn parts(&mut self) -> Result<Vec<SentencePart>, String> {
                let mut parts = Vec::new();
                loop {
                    let end =
                        self.rest.find(['{', '}', '[', ']', '<', '>']).unwrap_or(self.rest.len());
                    let (text, rest) = self.rest.split_at(end);
                    if !text.is_empty() {
                        parts.push(SentencePart::Text(text.to_owned()));
                    }
                    self.rest = rest;
                    match self.rest.chars().next() {
                        None | Some(']' | '>') => return Ok(parts),
                        Some('{') => parts.push(self.figure()?),
                        Some('[') => parts.push(SentencePart::Optional(self.inside(']')?)),
                        Some('<') if self.each => {
                            return Err("'<' cannot be used inside '<'".to_owned());
                        }
                        Some('<') => {
                            self.each = true;
                            let inside = self.inside('>')?;
                            self.each = false;
                            if figures(&inside).is_empty() {
                                return Err(
                                    "the part between '<' and '>' must name at least one figure"
                                        .to_owned(),
                                );
                            }
                            parts.push(SentencePart::Each(inside));
                        }
                        Some(other) => return Err(format!("{other:?} does not close anything")),
                    }
                }
            }

            fn inside(&mut self, close: char) -> Result<Vec<SentencePart>, String> {
                self.open += 1;
                if self.open > MAX_NESTING {
                    return Err(format!("more than {MAX_NESTING} brackets are open"));
                }
                self.rest = self.rest.get(1..).unwrap_or_default();
                let parts = self.parts()?;
                self.rest =
                    self.rest.strip_prefix(close).ok_or_else(|| format!("{close:?} is missing"))?;
                self.open -= 1;
                if parts.is_empty() {
                    return Err(format!("there is nothing before {close:?}"));
                }
                Ok(parts)
            }

            fn figure(&mut self) -> Result<SentencePart, String> {
                let mut depth = 0_usize;
                let end = self.rest.find(|c: char| {
                    depth = match c {
                        '{' => depth + 1,
                        '}' => depth.saturating_sub(1),
                        _ => depth,
                    };
                    depth == 0
                });
                let end = end.ok_or("'}' is missing")?;
                let inside = self.rest.get(1..end).unwrap_or_default().trim();
                self.rest = self.rest.get(end + 1..).unwrap_or_default();
                match inside.strip_prefix('+') {
                    Some(measure) => Measure::parse(measure).map(SentencePart::Change),
                    None if inside == "unit" && self.each => Ok(SentencePart::Unit),
                    None if inside == "unit" => {
                        Err("{unit} can be used only between '<' and '>'".to_owned())
                    }
                    None => Measure::parse(inside).map(SentencePart::Figure),
                }
            }
        }
    }
}
