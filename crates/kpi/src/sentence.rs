//! The grammar of the sentences from which the service writes reports.
//!
//! | written | becomes |
//! |---|---|
//! | `{ioffice.users.created}` | the figure of the month; members are in further braces: `{igate.dossiers.received{channel=online}}` |
//! | `{+ioffice.users.created}` | its change from the month before, in words |
//! | `[...]` | the content, left out when a figure in it is missing |
//! | `<...>` | the content, repeated with commas for each unit below that has reported the first figure in it |
//! | `{unit}` | only between `<` and `>`: the name of that unit |
//!
//! A sentence is left out when a figure outside square brackets is missing, when `<...>` is
//! repeated for no unit, or when no figure remains.

use super::measure::Measure;

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
/// assert!(matches!(&parts[..], [SentencePart::Text(_), SentencePart::Figure(_), SentencePart::Text(_), SentencePart::Optional(_), SentencePart::Text(_)]));
/// assert!(parse("Tạo mới [{a.b} tài khoản").is_err());
/// ```
///
/// # Errors
/// A sentence that says what is wrong.
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

struct SentenceParser<'a> {
    rest: &'a str,
    open: usize,
    each: bool,
}

impl SentenceParser<'_> {
    fn parts(&mut self) -> Result<Vec<SentencePart>, String> {
        let mut parts = Vec::new();
        loop {
            let end = self.rest.find(['{', '}', '[', ']', '<', '>']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            if !text.is_empty() {
                parts.push(SentencePart::Text(text.to_owned()));
            }
            self.rest = rest;
            match self.rest.chars().next() {
                None | Some(']' | '>') => return Ok(parts),
                Some('{') => parts.push(self.figure()?),
                Some('[') => parts.push(SentencePart::Optional(self.inside(']')?)),
                Some('<') if self.each => return Err("'<' cannot be used inside '<'".to_owned()),
                Some('<') => {
                    self.each = true;
                    let inside = self.inside('>')?;
                    self.each = false;
                    if figures(&inside).is_empty() {
                        return Err(
                            "the part between '<' and '>' must name at least one figure".to_owned()
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
        self.rest = self.rest.strip_prefix(close).ok_or_else(|| format!("{close:?} is missing"))?;
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
}
