//! Units: reading, adding and replacing them (`docs/specification.md#changing-units`).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::idempotency::{IdempotencyKey, Replayable, WriteResponse, recorded_unless_told};
use super::writer::{PendingResponse, WriterContext, WriterHandle, empty_commit};
use crate::app::App;
use crate::app::state::State;
use crate::app::stored::stored_unit;
use crate::auth::identity::Identity;
use crate::error::Error;
use kpi::catalogue::read;
use kpi::fault::{Fault, quoted};
use kpi::unit::{Unit, UnitDocument, UnitForest, UnitNumber, UnitPosition};
use ledger::{Commit, RevisionNumber};

/// Most units in one request.
pub const MAX_UNITS_A_REQUEST: usize = 50_000;

/// The units that are shipped with the program.
///
/// # Errors
/// Never for the shipped files; a test reads them.
pub fn shipped() -> Result<Vec<UnitDocument>, Error> {
    let value: Value = toml::from_str(include_str!("../../../catalogue/units.toml"))
        .map_err(|error| Error::Malformed(error.to_string()))?;
    parse(value)
}

/// Parses `{"units": [...]}`, as a client sends it.
///
/// # Errors
/// [`Error::Invalid`] with all malformed units, or [`Error::TooLarge`].
pub fn parse(value: Value) -> Result<Vec<UnitDocument>, Error> {
    let mut faults = Vec::new();
    let Value::Object(fields) = value else {
        return Err(Error::fault("", "wrong_type", "an object with a list \"units\" is expected"));
    };
    let mut units = None;
    for (field, value) in fields {
        match field.as_str() {
            "units" => units = Some(read("units", value, &mut faults)),
            // The response of `GET /units` has these fields and can be sent back as it is.
            "recorded" | "revision" | "revision_hash" | "next_cursor" => {}
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
    let units = limited(units)?;
    if faults.is_empty() { Ok(units) } else { Err(Error::Invalid(faults)) }
}

/// The units of a request, if they are not too many.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn limited(units: Vec<UnitDocument>) -> Result<Vec<UnitDocument>, Error> {
    if units.len() > MAX_UNITS_A_REQUEST {
        return Err(Error::TooLarge(format!("at most {MAX_UNITS_A_REQUEST} units in one request")));
    }
    Ok(units)
}

/// The result of a change of units.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UnitsChanged {
    /// Whether this request, or the one that it repeats, made a revision.
    #[serde(default = "recorded_unless_told")]
    pub recorded: bool,
    /// The revision that contains the change, or the current one when nothing changed.
    pub revision: RevisionNumber,
    /// That revision's hash.
    #[serde(default)]
    pub revision_hash: String,
    /// The listed units, as they are now.
    pub units: Vec<UnitDocument>,
}

impl WriteResponse for UnitsChanged {
    fn revision(&self) -> Option<RevisionNumber> {
        Some(self.revision)
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = hash;
    }
}

impl App {
    /// Adds or replaces the listed units whole.
    ///
    /// # Errors
    /// All errors of the units, or [`Error::Conflict`] with the obstacles.
    pub async fn put_units(
        &self,
        documents: Vec<UnitDocument>,
        by: impl Into<Identity>,
        dry_run: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Replayable<UnitsChanged>, Error> {
        self.inner.writer.put_units(documents, by.into(), dry_run, idempotency).result().await
    }
}

impl WriterHandle {
    /// Queues a change of units.
    pub(in crate::app) fn put_units(
        &self,
        documents: Vec<UnitDocument>,
        by: Identity,
        dry_run: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> PendingResponse<Replayable<UnitsChanged>> {
        self.exclusive(move |writer| {
            change(writer, &documents, &by, dry_run, idempotency.filter(|_| !dry_run).as_ref())
        })
    }
}

fn change(
    writer: &WriterContext,
    documents: &[UnitDocument],
    by: &Identity,
    dry_run: bool,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Replayable<UnitsChanged>, Error> {
    let hidden = hidden(documents);
    let prepare = |state: &State| {
        let merged = match merge(state, documents) {
            Ok(merged) if hidden.is_empty() => merged,
            Ok(_) => return Err(Error::Invalid(hidden.clone())),
            Err(faults) => {
                return Err(Error::Invalid(
                    faults.into_iter().chain(hidden.iter().cloned()).collect(),
                ));
            }
        };
        let obstacles = obstacles(state, &merged, documents);
        if !obstacles.is_empty() {
            return Err(Error::Conflict {
                detail: "this change contradicts recorded units or figures".to_owned(),
                obstacles,
            });
        }
        let commit = commit(state, &merged, documents, by)?;
        Ok((merged, commit.filter(|_| !dry_run)))
    };
    let answer = |revision: RevisionNumber, recorded: bool, merged: &UnitForest| {
        let now =
            documents.iter().filter_map(|document| merged.get(merged.position(&document.code)?));
        UnitsChanged {
            recorded,
            revision,
            revision_hash: String::new(),
            units: now.map(|unit| unit.document.clone()).collect(),
        }
    };
    let changed = writer.change(by, idempotency, prepare, answer)?;
    if let (Some(commit), Some(units)) = (changed.commit, changed.found) {
        writer.publish_commit(&commit, |state| {
            let (catalogue, version) = ((*state.catalogue).clone(), state.catalogue_version);
            state.replace_catalogue_and_units(catalogue, version, units)?;
            state.reevaluate_rules();
            Ok(())
        })?;
    }
    Ok(changed.given)
}

/// Errors for texts of units with invisible characters.
fn hidden(documents: &[UnitDocument]) -> Vec<Fault> {
    let values = documents
        .iter()
        .enumerate()
        .filter_map(|(n, document)| Some((n, serde_json::to_value(document).ok()?)));
    values.flat_map(|(n, value)| kpi::text::hidden_faults(&format!("/units/{n}"), &value)).collect()
}

/// All units, with the given ones added or in place of their earlier versions. The given ones come
/// first, so that errors point to them.
fn merge(state: &State, documents: &[UnitDocument]) -> Result<UnitForest, Vec<Fault>> {
    let newest = state.units.iter().map(|unit| unit.number).max();
    let mut next = newest.map_or(UnitNumber::FIRST, UnitNumber::next);
    let given: HashMap<&str, ()> =
        documents.iter().map(|document| (document.code.as_str(), ())).collect();
    let mut all: Vec<(UnitNumber, UnitDocument)> =
        Vec::with_capacity(state.units.len() + documents.len());
    for document in documents {
        let number = state
            .units
            .position(&document.code)
            .and_then(|position| state.units.get(position))
            .map(|unit| unit.number);
        all.push((number.unwrap_or(next), document.clone()));
        if number.is_none() {
            next = next.next();
        }
    }
    all.extend(
        state
            .units
            .iter()
            .filter(|unit| !given.contains_key(unit.document.code.as_str()))
            .map(|unit| (unit.number, unit.document.clone())),
    );
    UnitForest::new(all)
}

/// The recorded units and figures that the change contradicts.
fn obstacles(state: &State, merged: &UnitForest, documents: &[UnitDocument]) -> Vec<Fault> {
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
                "the parent of {} is {parent} and cannot change: end the unit and continue it as a \
                 new unit",
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

fn figures_outside(state: &State, position: UnitPosition, after: &Unit, n: usize) -> Option<Fault> {
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
    merged: &UnitForest,
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
            commit.new_units.push((stored_unit(unit.number), document.code.clone()));
        }
        let text =
            serde_json::to_string(document).map_err(|error| Error::Malformed(error.to_string()))?;
        commit.unit_versions.push((stored_unit(unit.number), text));
    }
    Ok((!commit.unit_versions.is_empty()).then_some(commit))
}
