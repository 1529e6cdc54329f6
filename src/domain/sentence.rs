//! The sentences of the report that is written from the ledger: their grammar.
//!
//! | written | stands for |
//! |---|---|
//! | `{ioffice.users.created}` | the figure of the month, members in braces of their own: `{igate.dossiers.received{channel=online}}` |
//! | `{+ioffice.users.created}` | its change against the month before, in words |
//! | `[...]` | what is left out when a figure in it is missing |
//! | `<...>` | what is repeated for each unit below that has reported the first figure in it, commas between |
//! | `{unit}` | between `<` and `>`: the unit's name |
//!
//! A sentence is left out when a figure outside square brackets is missing, when nothing is repeated, or when no figure is left in it.

use super::measure::Measure;

/// Longest text of a sentence in bytes.
pub const MAX_TEXT: usize = 4_000;
/// Most brackets open at once.
const MAX_NESTING: usize = 4;

/// A piece of a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// As it is.
    Text(String),
    /// A figure.
    Figure(Measure),
    /// The change of a figure against the month before, in words.
    Change(Measure),
    /// The name of the unit that is being told of.
    Unit,
    /// Left out when a figure in it is missing.
    Optional(Vec<Part>),
    /// Repeated for each unit below.
    Each(Vec<Part>),
}

/// Reads a sentence.
///
/// ```
/// use egov_kpi::domain::sentence::{Part, parse};
/// let parts = parse("Tạo mới {a.b{c=d}} tài khoản[, {+a.b}].").unwrap();
/// assert!(matches!(&parts[..], [Part::Text(_), Part::Figure(_), Part::Text(_), Part::Optional(_), Part::Text(_)]));
/// assert!(parse("Tạo mới [{a.b} tài khoản").is_err());
/// ```
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(text: &str) -> Result<Vec<Part>, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("a sentence has at most {MAX_TEXT} bytes"));
    }
    let mut reader = Reader { rest: text, open: 0, each: false };
    let parts = reader.parts()?;
    match reader.rest.chars().next() {
        Some(close) => Err(format!("{close:?} closes nothing")),
        None if figures(&parts).is_empty() => {
            Err("a sentence names at least one figure".to_owned())
        }
        None => Ok(parts),
    }
}

/// The figures of a sentence, in order.
#[must_use]
pub fn figures(parts: &[Part]) -> Vec<&Measure> {
    parts
        .iter()
        .flat_map(|part| match part {
            Part::Figure(measure) | Part::Change(measure) => vec![measure],
            Part::Optional(inside) | Part::Each(inside) => figures(inside),
            Part::Text(_) | Part::Unit => Vec::new(),
        })
        .collect()
}

struct Reader<'a> {
    rest: &'a str,
    open: usize,
    each: bool,
}

impl Reader<'_> {
    fn parts(&mut self) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        loop {
            let end = self.rest.find(['{', '}', '[', ']', '<', '>']).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(end);
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            self.rest = rest;
            match self.rest.chars().next() {
                None | Some(']' | '>') => return Ok(parts),
                Some('{') => parts.push(self.figure()?),
                Some('[') => parts.push(Part::Optional(self.inside(']')?)),
                Some('<') if self.each => return Err("'<' does not stand inside '<'".to_owned()),
                Some('<') => {
                    self.each = true;
                    let inside = self.inside('>')?;
                    self.each = false;
                    if figures(&inside).is_empty() {
                        return Err("what is repeated names at least one figure".to_owned());
                    }
                    parts.push(Part::Each(inside));
                }
                Some(other) => return Err(format!("{other:?} closes nothing")),
            }
        }
    }

    fn inside(&mut self, close: char) -> Result<Vec<Part>, String> {
        self.open += 1;
        if self.open > MAX_NESTING {
            return Err(format!("more than {MAX_NESTING} brackets are open"));
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
        let parts = self.parts()?;
        self.rest = self.rest.strip_prefix(close).ok_or_else(|| format!("{close:?} is missing"))?;
        self.open -= 1;
        if parts.is_empty() {
            return Err(format!("nothing stands before {close:?}"));
        }
        Ok(parts)
    }

    fn figure(&mut self) -> Result<Part, String> {
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
            Some(measure) => Measure::parse(measure).map(Part::Change),
            None if inside == "unit" && self.each => Ok(Part::Unit),
            None if inside == "unit" => Err("{unit} stands between '<' and '>'".to_owned()),
            None => Measure::parse(inside).map(Part::Figure),
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
            ("a {x.y} ]", "closes nothing"),
            ("a {x.y} }", "closes nothing"),
            ("a {x.y} >", "closes nothing"),
            ("[{x.y}>", "missing"),
            ("<{unit} {x.y} <{x.y}>>", "inside"),
            ("{unit} {x.y}", "between"),
            ("<{unit}>", "at least one figure"),
            ("nothing", "at least one figure"),
            ("[] {x.y}", "nothing stands"),
            ("[[[[[{x.y}]]]]]", "brackets are open"),
            ("{}", "needs a code"),
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
