//! Names of labels in the arguments of functions.

use super::error::QueryError;

/// Whether a text is a valid name of a label.
fn is_label_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .enumerate()
            .all(|(n, b)| b == b'_' || b.is_ascii_alphabetic() || (n > 0 && b.is_ascii_digit()))
}

/// Refuses an invalid name of a label; `what` says which argument of which function it is.
pub(super) fn check_label_name(text: &str, what: &str) -> Result<(), QueryError> {
    if is_label_name(text) {
        Ok(())
    } else {
        Err(QueryError::bad(format!("invalid {what}: {text}")))
    }
}
