//! Labels: further ways in which reports and tables write a name.

/// Most labels of a name.
pub const MAX_LABELS: usize = 20;
/// Longest label, in characters.
pub const MAX_LABEL: usize = 200;

/// The error of a list of labels, if there is one.
#[must_use]
pub fn label_fault(labels: &[String]) -> Option<String> {
    let sound = |label: &String| {
        !label.trim().is_empty()
            && label.chars().count() <= MAX_LABEL
            && !label.chars().any(char::is_control)
    };
    let fault = || format!("at most {MAX_LABELS} labels, each of 1 to {MAX_LABEL} characters");
    (labels.len() > MAX_LABELS || !labels.iter().all(sound)).then(fault)
}
