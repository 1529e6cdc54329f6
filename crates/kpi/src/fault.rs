//! Errors of an input: where the error is, a stable code and a sentence.

use std::fmt;

/// One error of an input, located by a JSON pointer; an error in CSV has line and column as well
/// (docs/specification.md#errors).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Fault {
    /// JSON pointer into the body, or `file#entry` for catalogue files.
    pub pointer: String,
    /// A stable code for programs.
    pub code: &'static str,
    /// A sentence for people, in English.
    pub detail: String,
    /// The same sentence in Vietnamese, if it has been translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail_vi: Option<Box<str>>,
    /// Line in a CSV body, the header being line 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column name in a CSV body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Fault {
    /// An error at a JSON pointer.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.into(),
            detail_vi: None,
            line: None,
            column: None,
        }
    }

    /// A JSON value of another shape than expected; the place in the error is below `pointer`.
    #[must_use]
    pub fn of_shape(pointer: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let place = error.path().to_string().replace(['.', '['], "/").replace(']', "");
        let place = place.trim_start_matches('/');
        let separator = if place.is_empty() { "" } else { "/" };
        let detail = error.inner().to_string();
        // serde names a type of the program: "expected struct DimensionUse".
        let detail = match detail.split_once("expected struct ") {
            Some((before, name)) => {
                let after = name.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric());
                format!("{before}expected an object{after}")
            }
            None => detail,
        };
        Self::new(format!("{pointer}{separator}{place}"), "malformed", detail)
    }

    /// The same error with a sentence in Vietnamese.
    #[must_use]
    pub fn with_vi(self, detail: impl Into<String>) -> Self {
        Self { detail_vi: Some(detail.into().into_boxed_str()), ..self }
    }
}

/// Most errors of one input that are kept. One more error says that there are others.
pub const MAX_FAULTS: usize = 100_000;

/// The errors of an input, in the order in which they were found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FaultList(Vec<Fault>);

impl FaultList {
    /// Adds an error. When [`MAX_FAULTS`] are kept, the first further error is replaced by one that
    /// says so, and the rest are dropped.
    pub fn push(&mut self, fault: Fault) {
        match self.0.len() {
            kept if kept < MAX_FAULTS => self.0.push(fault),
            MAX_FAULTS => self.0.push(Fault::new(
                "",
                "too_many_faults",
                format!("there are more than these {MAX_FAULTS} errors"),
            )),
            _ => {}
        }
    }

    /// Adds an error that must be reported. It replaces the last one when there is no room.
    pub fn push_required(&mut self, fault: Fault) {
        self.0.truncate(MAX_FAULTS);
        self.0.push(fault);
    }

    /// Adds several errors.
    pub fn extend(&mut self, faults: impl IntoIterator<Item = Fault>) {
        faults.into_iter().for_each(|fault| self.push(fault));
    }

    /// Whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All errors that were kept.
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
            _ if self.pointer.is_empty() => write!(f, "{} ({})", self.detail, self.code),
            _ => write!(f, "{}: {} ({})", self.pointer, self.detail, self.code),
        }
    }
}

/// Text from a client, quoted and shortened for an error message.
#[must_use]
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("\"{cut}{}\"", if cut.len() < text.len() { "…" } else { "" })
}

/// The characters of a code, for error messages.
pub const CODE: &str = "1 to 120 characters of a-z 0-9 . _ -, the first a letter or digit";

/// Whether a text can be a code: 1 to 120 characters of `a-z 0-9 . _ -`, the first a letter or
/// digit.
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
    fn a_wrong_shape_is_named_without_types_of_the_program() {
        #[derive(serde::Deserialize, Debug)]
        struct DimensionUse {
            #[expect(dead_code, reason = "only its shape is read")]
            code: String,
        }
        let of = |value: serde_json::Value| {
            let read: Result<Vec<DimensionUse>, _> = serde_path_to_error::deserialize(value);
            let fault = Fault::of_shape("/indicators/3/dimensions", &read.unwrap_err());
            (fault.pointer, fault.detail)
        };
        assert_eq!(
            of(serde_json::json!([{ "code": "a" }, "delivery"])),
            (
                "/indicators/3/dimensions/1".to_owned(),
                "invalid type: string \"delivery\", expected an object".to_owned()
            )
        );
        let (pointer, _) = of(serde_json::json!([{ "code": 1 }]));
        assert_eq!(pointer, "/indicators/3/dimensions/0/code");
    }

    #[test]
    fn faults_beyond_the_limit_are_replaced_by_one_fault_that_says_so() {
        let mut faults = FaultList::default();
        assert!(faults.is_empty());
        faults.extend((0..MAX_FAULTS + 10).map(|n| Fault::new(format!("/{n}"), "x", "x")));
        let list = faults.into_list();
        assert_eq!(list.len(), MAX_FAULTS + 1);
        let mut faults = FaultList(list.clone());
        faults.push_required(Fault::new("", "y", "y"));
        assert_eq!((faults.0.len(), faults.0[MAX_FAULTS].code), (MAX_FAULTS + 1, "y"));
        assert_eq!((list[MAX_FAULTS - 1].code, list[MAX_FAULTS].code), ("x", "too_many_faults"));
    }
}
