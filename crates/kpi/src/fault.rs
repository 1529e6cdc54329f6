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

    /// The error of a JSON value that does not have the expected shape; its place is below
    /// `pointer`.
    #[must_use]
    pub fn of_shape(pointer: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let place = error.path().to_string().replace(['.', '['], "/").replace(']', "");
        let place = place.trim_start_matches('/');
        let separator = if place.is_empty() { "" } else { "/" };
        let detail = plain_shape(&error.inner().to_string());
        Self::new(format!("{pointer}{separator}{place}"), "malformed", detail)
    }

    /// The same error with a sentence in Vietnamese.
    #[must_use]
    pub fn with_vi(self, detail: impl Into<String>) -> Self {
        Self { detail_vi: Some(detail.into().into_boxed_str()), ..self }
    }
}

/// The message of serde about a JSON value, in plain words and without types of the program.
fn plain_shape(detail: &str) -> String {
    // A value with its own reader says itself what is wrong, with a place that the pointer has too.
    let detail = detail.split(" at line ").next().unwrap_or(detail);
    let of = |start: &str| detail.strip_prefix(start);
    if let Some((found, expected)) = of("invalid type: ")
        .or_else(|| of("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        return format!("{} is expected, not {}", expected_shape(expected), found_shape(found));
    }
    if let Some(field) = of("missing field ") {
        return format!("{} is missing", field.trim_matches('`'));
    }
    if let Some((field, others)) =
        of("unknown field ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("there is no field {}; the fields are {}", unticked(field), names(others));
    }
    if let Some((word, others)) =
        of("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("{} is not one of {}", unticked(word), names(others));
    }
    if let Some(field) = of("duplicate field ") {
        return format!("{} is a duplicate", field.trim_matches('`'));
    }
    if detail.starts_with("data did not match any variant") {
        return "a value of another form is expected".to_owned();
    }
    let of_day = [
        "premature end of input",
        "input contains invalid characters",
        "input is out of range",
        "trailing input",
    ];
    if of_day.contains(&detail) {
        return "a day such as 2021-10-31 is expected".to_owned();
    }
    detail.to_owned()
}

fn unticked(text: &str) -> String {
    quoted(text.trim_matches('`'))
}

/// The names in `one of `a`, `b`` or `` `a` or `b` ``.
fn names(text: &str) -> String {
    let named = text.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ");
    if named.is_empty() { "none".to_owned() } else { named }
}

fn expected_shape(text: &str) -> &str {
    match text {
        "a string" | "string" | "a borrowed string" | "an identifier" => "a text",
        "a sequence" | "a list" => "a list",
        "a map" | "an object" => "an object",
        "a boolean" => "true or false",
        "unit" | "null" => "null",
        "a formatted date string" | "a date" => "a day such as 2021-10-31",
        "f32" | "f64" => "a number",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
            "a whole number"
        }
        _ if text.starts_with("struct ") || text.starts_with("internally tagged") => "an object",
        _ if text.starts_with("tuple") || text.contains(" elements") => "a list",
        _ if text.contains("enum ") => "a text",
        _ => text,
    }
}

fn found_shape(text: &str) -> String {
    match text {
        "map" => return "an object".to_owned(),
        "sequence" => return "a list".to_owned(),
        "null" | "unit value" | "Option value" => return "null".to_owned(),
        "boolean `true`" | "boolean `false`" => return "true or false".to_owned(),
        _ => {}
    }
    if let Some(shown) = text.strip_prefix("string ") {
        return format!("the text {}", quoted(shown.trim_matches('"')));
    }
    let number = text.strip_prefix("integer ").or_else(|| text.strip_prefix("floating point "));
    number.map_or_else(
        || text.to_owned(),
        |number| format!("the number {}", number.trim_matches('`')),
    )
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
                "an object is expected, not the text \"delivery\"".to_owned()
            )
        );
        let said = |value| of(serde_json::json!([value]));
        for (value, place, detail) in [
            (serde_json::json!({ "code": 1 }), "/0/code", "a text is expected, not the number 1"),
            (serde_json::json!({ "code": null }), "/0/code", "a text is expected, not null"),
            (serde_json::json!({ "code": ["a"] }), "/0/code", "a text is expected, not a list"),
            (
                serde_json::json!({ "code": { "a": 1 } }),
                "/0/code",
                "a text is expected, not an object",
            ),
            (
                serde_json::json!({ "code": true }),
                "/0/code",
                "a text is expected, not true or false",
            ),
            (serde_json::json!({}), "/0", "code is missing"),
            (serde_json::json!(2.5), "/0", "an object is expected, not the number 2.5"),
        ] {
            let (pointer, found) = said(value);
            assert_eq!(pointer, format!("/indicators/3/dimensions{place}"));
            assert_eq!(found, detail);
        }
        for (from, to) in [
            (
                "unknown field `x`, expected one of `a`, `b`",
                "there is no field \"x\"; the fields are a, b",
            ),
            (
                "unknown field `x`, expected `a` or `b`",
                "there is no field \"x\"; the fields are a, b",
            ),
            ("unknown variant `x`, expected one of `a`, `b`", "\"x\" is not one of a, b"),
            (
                "invalid value: integer `-1`, expected u32",
                "a whole number is expected, not the number -1",
            ),
            ("premature end of input", "a day such as 2021-10-31 is expected"),
            (
                "invalid type: string \"x\", expected struct LocalizedName",
                "an object is expected, not the text \"x\"",
            ),
        ] {
            assert_eq!(plain_shape(from), to);
        }
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
