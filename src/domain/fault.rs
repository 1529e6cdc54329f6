//! A fault of the input: where it is, a stable code, and a plain sentence.

use std::fmt;

/// One fault, placed by a JSON pointer (contract section 3); a CSV fault has line and column as well.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Fault {
    /// JSON pointer into the body, or `file#entry` for catalogue files.
    pub pointer: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// Line in a CSV body, the header being line 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column name in a CSV body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), line: None, column: None }
    }
}

/// Most faults of one input that are kept; of more only that there are more is told.
pub const MAX_FAULTS: usize = 100_000;

/// The faults of an input, in the order in which they were found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one; the one behind the last that is kept says that there are more.
    pub fn push(&mut self, fault: Fault) {
        match self.0.len() {
            kept if kept < MAX_FAULTS => self.0.push(fault),
            MAX_FAULTS => self.0.push(Fault::new(
                "",
                "too_many_faults",
                format!("there are more than these {MAX_FAULTS} faults"),
            )),
            _ => {}
        }
    }

    /// Adds one that has to be seen, in the place of the last one if there is no room.
    pub fn insist(&mut self, fault: Fault) {
        self.0.truncate(MAX_FAULTS);
        self.0.push(fault);
    }

    /// Adds several.
    pub fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that were kept.
    #[must_use]
    pub fn into_list(self) -> Vec<Fault> {
        self.0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.column) {
            (Some(line), Some(column)) => {
                write!(f, "line {line}, column {column}: {} ({})", self.detail, self.code)
            }
            (Some(line), None) => write!(f, "line {line}: {} ({})", self.detail, self.code),
            _ => write!(f, "{}: {} ({})", self.pointer, self.detail, self.code),
        }
    }
}

/// Text from a client, cut for an error message.
#[must_use]
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("\"{cut}{}\"", if cut.len() < text.len() { "…" } else { "" })
}

/// What a code of ours is.
pub const CODE: &str = "1 to 120 of a-z 0-9 . _ -, first a letter or digit";

/// Whether a text can be a code of ours: 1 to 120 characters of `a-z 0-9 . _ -`, first a letter or digit.
#[must_use]
pub fn is_code(text: &str) -> bool {
    text.len() <= 120
        && text.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.bytes().all(|b| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_faults_are_kept_and_then_that_there_are_more() {
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        faults.extend((0..MAX_FAULTS + 10).map(|n| Fault::new(format!("/{n}"), "x", "x")));
        let list = faults.into_list();
        assert_eq!(list.len(), MAX_FAULTS + 1);
        let mut faults = Faults(list.clone());
        faults.insist(Fault::new("", "y", "y"));
        assert_eq!((faults.0.len(), faults.0[MAX_FAULTS].code), (MAX_FAULTS + 1, "y"));
        assert_eq!((list[MAX_FAULTS - 1].code, list[MAX_FAULTS].code), ("x", "too_many_faults"));
    }
}
