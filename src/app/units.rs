//! Units: read, added and replaced (contract section 3, `PUT /units`).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::App;
use super::access::Identity;
use super::keyed::{Given, Keyed};
use super::state::State;
use super::writer::{Desk, Pending, Writer, empty_commit};
use crate::domain::catalogue::read;
use crate::domain::fault::{Fault, quoted};
use crate::domain::unit::{Unit, UnitDocument, Units};
use crate::error::Error;
use crate::store::Commit;

/// Most units in one request.
pub const MAX_UNITS_A_REQUEST: usize = 50_000;

/// The units that ship with the program.
///
/// # Errors
/// Never with the files as shipped; a test reads them.
pub fn shipped() -> Result<Vec<UnitDocument>, Error> {
    let value: Value = toml::from_str(include_str!("../../catalogue/units.toml"))
        .map_err(|error| Error::Malformed(error.to_string()))?;
    parse(value)
}

/// Reads `{"units": [...]}`, every malformed unit at once.
///
/// # Errors
/// A fault for each unit of the wrong shape.
pub fn parse(value: Value) -> Result<Vec<UnitDocument>, Error> {
    let mut faults = Vec::new();
    let Value::Object(fields) = value else {
        return Err(Error::fault("", "wrong_type", "an object with a list \"units\" is expected"));
    };
    let mut units = None;
    for (field, value) in fields {
        match field.as_str() {
            "units" => units = Some(read("units", value, &mut faults)),
            "revision" | "next_cursor" => {} // GET answers them, so that its answer can be sent back
            other => faults.push(Fault::new(
                format!("/{other}"),
                "unknown_field",
                format!("there is no field {}", quoted(other)),
            )),
        }
    }
    let Some(units) = units else {
        faults.push(Fault::new("/units", "missing", "units is missing"));
        return Err(Error::Invalid(faults));
    };
    if units.len() > MAX_UNITS_A_REQUEST {
        return Err(Error::TooLarge(format!("at most {MAX_UNITS_A_REQUEST} units in one request")));
    }
    if faults.is_empty() { Ok(units) } else { Err(Error::Invalid(faults)) }
}

/// What a change of units came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnitsChanged {
    /// The revision that has it.
    pub revision: i64,
    /// The units named, as they are now.
    pub units: Vec<UnitDocument>,
}

impl App {
    /// Adds or replaces units whole.
    ///
    /// # Errors
    /// Every fault of the units, or a conflict with the list of what stands against it.
    pub async fn put_units(
        &self,
        documents: Vec<UnitDocument>,
        by: impl Into<Identity>,
        dry_run: bool,
        keyed: Option<Keyed>,
    ) -> Result<Given<UnitsChanged>, Error> {
        self.inner.writer.put_units(documents, by.into(), dry_run, keyed).answer().await
    }

    /// The same without an async thread.
    pub(crate) fn put_units_now(
        &self,
        documents: Vec<UnitDocument>,
        by: impl Into<Identity>,
        dry_run: bool,
    ) -> Result<UnitsChanged, Error> {
        Ok(self.inner.writer.put_units(documents, by.into(), dry_run, None).wait()?.answer)
    }
}

impl Writer {
    /// Has units added or replaced.
    pub(super) fn put_units(
        &self,
        documents: Vec<UnitDocument>,
        by: Identity,
        dry_run: bool,
        keyed: Option<Keyed>,
    ) -> Pending<Given<UnitsChanged>> {
        self.exclusive(move |desk| {
            change(desk, &documents, &by, dry_run, keyed.filter(|_| !dry_run).as_ref())
        })
    }
}

fn change(
    desk: &Desk,
    documents: &[UnitDocument],
    by: &Identity,
    dry_run: bool,
    keyed: Option<&Keyed>,
) -> Result<Given<UnitsChanged>, Error> {
    let prepare = |state: &State| {
        let merged = merge(state, documents)?;
        let obstacles = obstacles(state, &merged, documents);
        if !obstacles.is_empty() {
            return Err(Error::Conflict {
                detail: "recorded units or figures stand against this change".to_owned(),
                obstacles,
            });
        }
        let commit = commit(state, &merged, documents, by)?;
        Ok((merged, commit.filter(|_| !dry_run)))
    };
    let answer = |revision: i64, merged: &Units| {
        let now =
            documents.iter().filter_map(|document| merged.get(merged.position(&document.code)?));
        UnitsChanged { revision, units: now.map(|unit| unit.document.clone()).collect() }
    };
    let changed = desk.change(keyed, prepare, answer)?;
    if let (Some(commit), Some(units)) = (changed.commit, changed.found) {
        let mut state = desk.state.write();
        let (catalogue, version) = ((*state.catalogue).clone(), state.catalogue_version);
        state.reframe(catalogue, version, units)?;
        state.judge_anew();
        desk.reached(&mut state, &commit);
    }
    Ok(changed.given)
}

/// All units with the given ones added or in the place of their former selves. The given ones come
/// first, so that faults point at them.
fn merge(state: &State, documents: &[UnitDocument]) -> Result<Units, Error> {
    let mut next = state.units.iter().map(|unit| unit.number).max().unwrap_or(0) + 1;
    let given: HashMap<&str, ()> =
        documents.iter().map(|document| (document.code.as_str(), ())).collect();
    let mut all: Vec<(i64, UnitDocument)> = Vec::with_capacity(state.units.len() + documents.len());
    for document in documents {
        let number = state
            .units
            .position(&document.code)
            .and_then(|position| state.units.get(position))
            .map(|unit| unit.number);
        all.push((number.unwrap_or(next), document.clone()));
        next += i64::from(number.is_none());
    }
    all.extend(
        state
            .units
            .iter()
            .filter(|unit| !given.contains_key(unit.document.code.as_str()))
            .map(|unit| (unit.number, unit.document.clone())),
    );
    Units::new(all).map_err(Error::Invalid)
}

/// What is recorded and stands against the change.
fn obstacles(state: &State, merged: &Units, documents: &[UnitDocument]) -> Vec<Fault> {
    let mut found = Vec::new();
    for (n, document) in documents.iter().enumerate() {
        let Some(position) = state.units.position(&document.code) else { continue };
        let (Some(before), Some(after)) = (
            state.units.get(position),
            merged.position(&document.code).and_then(|now| merged.get(now)),
        ) else {
            continue;
        };
        if before.document.parent != document.parent {
            let parent = before.document.parent.as_deref().unwrap_or("none");
            let detail = format!(
                "the parent of {} is {parent} and never changes: end the unit and let it go on as a new one",
                document.code
            );
            found.push(Fault::new(format!("/units/{n}/parent"), "parent_changed", detail));
        }
        if after.first > before.first || after.last < before.last {
            found.extend(figures_outside(state, position, after, n));
        }
    }
    found
}

fn figures_outside(state: &State, position: usize, after: &Unit, n: usize) -> Option<Fault> {
    let mut outside: Vec<String> = Vec::new();
    for (id, measure) in state.measures.iter() {
        let months = state.cube.row(id, position);
        outside.extend(
            months
                .iter()
                .filter(|(month, _)| !after.exists(*month))
                .map(|(month, _)| format!("{measure} of {month}")),
        );
    }
    outside.extend(
        state
            .cube
            .all_stated()
            .filter(|(entry, _)| entry.unit == position && !after.exists(entry.month))
            .map(|(entry, _)| {
                format!(
                    "{} of {}",
                    state.measures.get(entry.measure).map(ToString::to_string).unwrap_or_default(),
                    entry.month
                )
            }),
    );
    let first = outside.first()?;
    let detail = format!(
        "{} recorded figure(s) of {} would fall outside its validity, such as {first}",
        outside.len(),
        after.document.code
    );
    Some(Fault::new(format!("/units/{n}"), "figures_outside", detail))
}

fn commit(
    state: &State,
    merged: &Units,
    documents: &[UnitDocument],
    by: &Identity,
) -> Result<Option<Commit>, Error> {
    let mut commit = empty_commit(state, "units", by);
    for document in documents {
        let before =
            state.units.position(&document.code).and_then(|position| state.units.get(position));
        if before.is_some_and(|before| before.document == *document) {
            continue;
        }
        let Some(unit) = merged.position(&document.code).and_then(|position| merged.get(position))
        else {
            continue;
        };
        if before.is_none() {
            commit.new_units.push((unit.number, document.code.clone()));
        }
        let text =
            serde_json::to_string(document).map_err(|error| Error::Malformed(error.to_string()))?;
        commit.unit_versions.push((unit.number, text));
    }
    Ok((!commit.unit_versions.is_empty()).then_some(commit))
}
