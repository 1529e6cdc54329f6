//! The triggers that protect a ledger from changes. The triggers of a database are compared with
//! those that its migrations create. A trigger that was dropped lets rows through that no revision
//! covers; one that was added can change what is written.

use std::collections::BTreeMap;

/// Triggers by table and name, `revisions.append_only`, each with all that it does.
pub type Triggers = BTreeMap<String, String>;

/// A description without differences of layout.
pub fn plain(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is wrong with the triggers of a database, one clause each.
pub fn differences(expected: &Triggers, found: &Triggers) -> Vec<String> {
    let missing = expected.iter().filter_map(|(place, description)| match found.get(place) {
        None => Some(format!("{place} is missing")),
        Some(other) if other != description => Some(format!("{place} was changed or disabled")),
        Some(_) => None,
    });
    let foreign = found.keys().filter(|place| !expected.contains_key(*place));
    missing.chain(foreign.map(|place| format!("{place} was not created by this program"))).collect()
}
