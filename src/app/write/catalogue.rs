//! Changes of the recorded catalogue, and differences (`docs/specification.md#catalogue`).
//! `catalogue/files.rs` reads the shipped catalogue and files.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ledger::RevisionNumber;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use files::{CatalogueFile, add, from_files, from_files_over, shipped, shipped_files};

use super::idempotency::{IdempotencyKey, Replayable, WriteResponse, recorded_unless_told};
use super::writer::{PendingResponse, WriterContext, WriterHandle, empty_commit};
use crate::app::App;
use crate::app::state::State;
use crate::auth::identity::Identity;
use crate::error::Error;
use kpi::catalogue::{Catalogue, CatalogueDocument, NotApplicableDocument};
use kpi::fault::{Fault, quoted};
use kpi::measure::Measure;
use kpi::number::Statement;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// The result of a change of the catalogue.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CatalogueChanged {
    /// Whether this request, or the one that it repeats, made a revision.
    #[serde(default = "recorded_unless_told")]
    pub recorded: bool,
    /// The revision that contains the change, or the current one when nothing changed.
    pub revision: RevisionNumber,
    /// That revision's hash.
    #[serde(default)]
    pub revision_hash: String,
    /// The version of the catalogue.
    pub version: i64,
    /// The catalogue's document.
    pub document: CatalogueDocument,
}

impl WriteResponse for CatalogueChanged {
    fn revision(&self) -> Option<RevisionNumber> {
        Some(self.revision)
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = hash;
    }
}

/// Parses a catalogue from a client: the document, and the version from which it was made, if
/// given.
///
/// # Errors
/// All malformed entries at once.
pub fn parse(value: Value) -> Result<(CatalogueDocument, Option<i64>), Error> {
    let version = value.get("version").and_then(Value::as_i64);
    Ok((
        CatalogueDocument::from_value(files::without_header(value)).map_err(Error::Invalid)?,
        version,
    ))
}

impl App {
    /// Replaces the catalogue. With `made_from` only if that is still its version
    /// (`docs/specification.md#changing-the-catalogue`).
    ///
    /// # Errors
    /// All errors of the document, or [`Error::Conflict`] with the recorded measures that would
    /// lose their declaration.
    pub async fn put_catalogue(
        &self,
        new: NewCatalogue,
        by: impl Into<Identity>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Replayable<CatalogueChanged>, Error> {
        let new = self.drop_orphaned_patterns(new);
        let (app, document, by) = (self.clone(), new.document.clone(), by.into());
        crate::sync::blocking(move || app.check_patterns(&document))
            .await
            .map_err(|_e| Error::Busy(crate::app::lookup::stopping()))??;
        self.inner.writer.put_catalogue(new, by, idempotency).result().await
    }

    /// Removes unchanged patterns and sentences of measures that a new catalogue no longer
    /// declares; they have no other use.
    fn drop_orphaned_patterns(&self, new: NewCatalogue) -> NewCatalogue {
        let standing = Arc::clone(&self.state().catalogue);
        let codes = |document: &CatalogueDocument| -> BTreeSet<String> {
            document
                .indicators
                .iter()
                .map(|indicator| indicator.code.clone())
                .chain(document.kpis.iter().map(|kpi| kpi.code.clone()))
                .collect()
        };
        let gone: BTreeSet<String> =
            codes(&standing.document).difference(&codes(&new.document)).cloned().collect();
        let of_gone =
            |measure: &str| gone.contains(measure.split('{').next().unwrap_or_default().trim());
        let mut document = new.document;
        document.patterns.retain(|pattern| {
            let orphaned = of_gone(&pattern.measure) || pattern.of.as_deref().is_some_and(of_gone);
            !(orphaned && standing.document.patterns.contains(pattern))
        });
        document.sentences.retain(|sentence| {
            let orphaned = sentence
                .text
                .split('{')
                .skip(1)
                .any(|named| of_gone(named.split('}').next().unwrap_or_default()));
            !(orphaned && standing.document.sentences.contains(sentence))
        });
        NewCatalogue { document, ..new }
    }
}

impl WriterHandle {
    /// Queues a replacement of the catalogue.
    pub(in crate::app) fn put_catalogue(
        &self,
        new: NewCatalogue,
        by: Identity,
        idempotency: Option<IdempotencyKey>,
    ) -> PendingResponse<Replayable<CatalogueChanged>> {
        self.exclusive(move |writer| change(writer, new, &by, idempotency.as_ref()))
    }
}

/// A catalogue that is to replace the recorded one.
#[derive(Clone, Debug)]
pub struct NewCatalogue {
    /// The document.
    pub document: CatalogueDocument,
    /// The version from which it was made, if known.
    pub made_from: Option<i64>,
    /// Check only; record nothing.
    pub dry_run: bool,
}

fn change(
    writer: &WriterContext,
    new: NewCatalogue,
    by: &Identity,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Replayable<CatalogueChanged>, Error> {
    let NewCatalogue { document, made_from, dry_run } = new;
    // A stored response is repeated even if the document would be invalid by now. An outdated
    // version is reported before the document's errors.
    let checked = files::checked(document.clone());
    let hidden = serde_json::to_value(&document)
        .map(|value| kpi::text::hidden_faults("", &value))
        .unwrap_or_default();
    let prepare = |state: &State| {
        if let Some(made_from) = made_from.filter(|made_from| *made_from != state.catalogue_version)
        {
            let detail = format!(
                "the catalogue now has version {}; this document was made from version {made_from}",
                state.catalogue_version
            );
            return Err(Error::Conflict {
                detail: detail.clone(),
                obstacles: vec![Fault::new("/version", "version_changed", detail)],
            });
        }
        let checked = match &checked {
            Ok(checked) => checked,
            Err(faults) => {
                check_orphans(state, &document, faults)?;
                return Err(Error::Invalid(
                    faults
                        .iter()
                        .cloned()
                        .chain(misplaced_units(state, &document))
                        .chain(hidden.iter().cloned())
                        .collect(),
                ));
            }
        };
        let unknown: Vec<Fault> =
            misplaced_units(state, &document).into_iter().chain(hidden.iter().cloned()).collect();
        if !unknown.is_empty() {
            return Err(Error::Invalid(unknown));
        }
        let obstacles = find_orphans(state, checked);
        if !obstacles.is_empty() {
            return Err(orphan_conflict(obstacles));
        }
        if state.catalogue.document == document {
            return Ok((state.catalogue_version, None));
        }
        let version = state.catalogue_version + 1;
        let mut commit = empty_commit(state, "catalogue", by);
        commit.catalogue = Some((
            version,
            serde_json::to_string(&document)
                .map_err(|error| Error::Malformed(error.to_string()))?,
        ));
        Ok((version, (!dry_run).then_some(commit)))
    };
    let answer = |revision: RevisionNumber, recorded: bool, version: &i64| CatalogueChanged {
        recorded,
        revision,
        revision_hash: String::new(),
        version: *version,
        document: document.clone(),
    };
    let changed = writer.change(by, idempotency.filter(|_| !dry_run), prepare, answer)?;
    if let (Some(commit), Ok(checked)) = (changed.commit, checked) {
        let version = changed.given.answer.version;
        writer.publish_commit(&commit, |state| {
            let units = (*state.units).clone();
            state.replace_catalogue_and_units(checked, version, units)?;
            state.reevaluate_rules();
            Ok(())
        })?;
    }
    Ok(changed.given)
}

/// Reports the figures that would lose their declaration when the only other errors are patterns
/// and sentences of those measures.
fn check_orphans(
    state: &State,
    document: &CatalogueDocument,
    faults: &[Fault],
) -> Result<(), Error> {
    if !faults.iter().all(|fault| {
        fault.pointer.starts_with("/patterns/") || fault.pointer.starts_with("/sentences/")
    }) {
        return Ok(());
    }
    let rest =
        CatalogueDocument { patterns: Vec::new(), sentences: Vec::new(), ..document.clone() };
    let obstacles = Catalogue::new(rest).map(|rest| find_orphans(state, &rest)).unwrap_or_default();
    if obstacles.is_empty() { Ok(()) } else { Err(orphan_conflict(obstacles)) }
}

fn orphan_conflict(obstacles: Vec<Fault>) -> Error {
    Error::Conflict {
        detail: "recorded figures would lose their declaration".to_owned(),
        obstacles,
    }
}

/// Units to which, according to the catalogue, figures do not apply, but which do not exist or have
/// units below them.
fn misplaced_not_applicable(state: &State, catalogue: &CatalogueDocument) -> Vec<Fault> {
    if state.units.is_empty() {
        // While an empty ledger is being filled, the units come after the catalogue
        return Vec::new();
    }
    let entries = catalogue.expectations.iter().enumerate().flat_map(|(n, expectation)| {
        let entries = expectation.not_applicable.iter().enumerate();
        entries.map(move |(m, one)| (format!("/expectations/{n}/not_applicable/{m}/unit"), one))
    });
    let fault = |(pointer, one): (String, &NotApplicableDocument)| {
        let named = quoted(&one.unit);
        let Some(position) = state.units.position(&one.unit) else {
            return Some(Fault::new(pointer, "unknown_unit", format!("there is no unit {named}")));
        };
        let month = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        let (from, to): (Option<Month>, Option<Month>) = (month(&one.from), month(&one.to));
        let overlaps = |child: UnitPosition| {
            state.units.get(child).is_some_and(|child| {
                from.is_none_or(|from| from <= child.last) && to.is_none_or(|to| child.first <= to)
            })
        };
        state.units.children(position).any(overlaps).then(|| {
            let detail = format!(
                "{named} has units below it; only a unit without others below it may be left out"
            );
            Fault::new(pointer, "not_applicable_above", detail)
        })
    };
    entries.filter_map(fault).collect()
}

/// Units that a catalogue names but that do not exist, or that are unsuitable.
fn misplaced_units(state: &State, catalogue: &CatalogueDocument) -> Vec<Fault> {
    let of_targets = catalogue
        .targets
        .iter()
        .enumerate()
        .map(|(n, target)| (format!("/targets/{n}/unit"), &target.unit));
    let of_expectations = catalogue
        .expectations
        .iter()
        .enumerate()
        .map(|(n, expectation)| (format!("/expectations/{n}/unit"), &expectation.unit));
    let of_rules = catalogue
        .rules
        .iter()
        .enumerate()
        .map(|(n, rule)| (format!("/rules/{n}/unit"), &rule.unit));
    let units = of_targets
        .chain(of_expectations)
        .chain(of_rules)
        .filter_map(|(pointer, unit)| Some((pointer, unit.as_ref()?)));
    // While an empty ledger is being filled, the units come after the catalogue.
    let unknown =
        units.filter(|(_, unit)| !state.units.is_empty() && state.units.position(unit).is_none());
    unknown
        .map(|(pointer, unit)| {
            Fault::new(pointer, "unknown_unit", format!("there is no unit {}", quoted(unit)))
        })
        .chain(misplaced_not_applicable(state, catalogue))
        .collect()
}

/// Measures with recorded figures that a catalogue would no longer declare, or would declare with
/// too few decimals.
fn find_orphans(state: &State, catalogue: &Catalogue) -> Vec<Fault> {
    let mut found = Vec::new();
    for (id, measure) in state.measures.iter() {
        let faults = catalogue.measure_faults(measure);
        let was_indicator = state.catalogue.indicator(&measure.code).is_some();
        if !faults.is_empty() || was_indicator != catalogue.indicator(&measure.code).is_some() {
            let detail = format!(
                "there are recorded figures of {measure}, which would no longer be declared"
            );
            found.push(Fault::new("", "orphaned_figures", detail));
        } else if let (Some(before), Some(after)) =
            (state.catalogue.indicator(&measure.code), catalogue.indicator(&measure.code))
        {
            let loses = |value: i64| {
                kpi::number::Decimal64 { mantissa: value, scale: before.decimals }
                    .at_scale(after.decimals)
                    .is_none()
            };
            if before.decimals != after.decimals
                && state.cube.figures_of(id).any(|(entry, _)| {
                    entry
                        .written
                        .and_then(Statement::number)
                        .is_some_and(|number| loses(number.mantissa))
                })
            {
                found.push(Fault::new(
                    "",
                    "decimals_lost",
                    format!("figures of {measure} do not fit {} decimals", after.decimals),
                ));
            }
        }
    }
    let declared = &state.declared;
    let of_targets =
        declared.targets.values().map(|target| ("target", &target.code, Some(&target.measure)));
    let of_notes =
        declared.annotations.values().map(|note| ("annotation", &note.code, note.measure.as_ref()));
    for (kind, code, measure) in of_targets.chain(of_notes) {
        let Some(Ok(measure)) = measure.map(|text| Measure::parse(text)) else { continue };
        if !catalogue.measure_faults(&measure).is_empty() {
            found.push(Fault::new(
                "",
                "orphaned_declaration",
                format!("the {kind} {code} is about {measure}, which would no longer be declared"),
            ));
        }
    }
    found
}

/// The differences between two catalogues, one line for each entry: `+` added, `-` removed, `~`
/// changed keys, or another order.
#[must_use]
pub fn difference(from: &CatalogueDocument, to: &CatalogueDocument) -> Vec<String> {
    let entries = |document: &CatalogueDocument| -> BTreeMap<(String, String), Value> {
        let Ok(Value::Object(sections)) = serde_json::to_value(document) else {
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for (section, list) in sections {
            for entry in list.as_array().cloned().unwrap_or_default() {
                let code = entry.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
                found.insert((section.clone(), code), entry);
            }
        }
        found
    };
    let (before, after) = (entries(from), entries(to));
    let mut lines = Vec::new();
    for ((section, code), entry) in &before {
        match after.get(&(section.clone(), code.clone())) {
            None => lines.push(format!("- {section} {code}")),
            Some(other) if other != entry => {
                let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
                let (old, new) = (fields(entry), fields(other));
                let mut keys: Vec<&String> = old
                    .keys()
                    .chain(new.keys())
                    .filter(|key| old.get(*key) != new.get(*key))
                    .collect();
                keys.sort();
                keys.dedup();
                lines.push(format!(
                    "~ {section} {code}: {}",
                    keys.into_iter().cloned().collect::<Vec<_>>().join(", ")
                ));
            }
            Some(_) => {}
        }
    }
    lines.extend(
        after
            .keys()
            .filter(|key| !before.contains_key(*key))
            .map(|(section, code)| format!("+ {section} {code}")),
    );
    lines.extend(order_difference(from, to));
    lines
}

/// The sections with common entries in another order, each with the first entry that moved.
fn order_difference(from: &CatalogueDocument, to: &CatalogueDocument) -> Vec<String> {
    let sections = |document: &CatalogueDocument| match serde_json::to_value(document) {
        Ok(Value::Object(sections)) => sections,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let codes = |list: &Value| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let code = |entry: &Value| entry.get("code").and_then(Value::as_str).map(ToOwned::to_owned);
        list.iter().filter_map(code).collect()
    };
    let after = sections(to);
    let mut lines = Vec::new();
    for (section, list) in sections(from) {
        let (mut old, mut new) = (codes(&list), after.get(&section).map(codes).unwrap_or_default());
        let (in_old, in_new): (BTreeSet<_>, BTreeSet<_>) =
            (old.iter().cloned().collect(), new.iter().cloned().collect());
        old.retain(|code| in_new.contains(code));
        new.retain(|code| in_old.contains(code));
        if let Some((old, new)) = old.iter().zip(&new).find(|(old, new)| old != new) {
            lines.push(format!("~ {section} order: {new} comes before {old}"));
        }
    }
    lines
}
