//! The catalogue: the shipped one, the recorded one, changes and differences (contract sections 1 and 3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::App;
use super::access::Identity;
use super::keyed::{Given, Keyed};
use super::state::State;
use super::writer::{Desk, Pending, Writer, empty_commit};
use crate::domain::catalogue::{Catalogue, CatalogueDocument};
use crate::domain::fault::{Fault, quoted};
use crate::domain::measure::Measure;
use crate::error::Error;

/// The shipped files, in the order they are put together.
const SHIPPED: [(&str, &str); 23] = [
    ("vocabulary.toml", include_str!("../../catalogue/vocabulary.toml")),
    ("systems.toml", include_str!("../../catalogue/systems.toml")),
    ("dimensions.toml", include_str!("../../catalogue/dimensions.toml")),
    ("ioffice.toml", include_str!("../../catalogue/ioffice.toml")),
    ("pki.toml", include_str!("../../catalogue/pki.toml")),
    ("mail.toml", include_str!("../../catalogue/mail.toml")),
    ("igate.toml", include_str!("../../catalogue/igate.toml")),
    ("dvcqg.toml", include_str!("../../catalogue/dvcqg.toml")),
    ("conference.toml", include_str!("../../catalogue/conference.toml")),
    ("publishing.toml", include_str!("../../catalogue/publishing.toml")),
    ("radio.toml", include_str!("../../catalogue/radio.toml")),
    ("web.toml", include_str!("../../catalogue/web.toml")),
    ("citizen_reception.toml", include_str!("../../catalogue/citizen_reception.toml")),
    ("inspection.toml", include_str!("../../catalogue/inspection.toml")),
    ("complaints.toml", include_str!("../../catalogue/complaints.toml")),
    ("post.toml", include_str!("../../catalogue/post.toml")),
    ("telecom.toml", include_str!("../../catalogue/telecom.toml")),
    ("press.toml", include_str!("../../catalogue/press.toml")),
    ("infosec.toml", include_str!("../../catalogue/infosec.toml")),
    ("admin.toml", include_str!("../../catalogue/admin.toml")),
    ("projects.toml", include_str!("../../catalogue/projects.toml")),
    ("expectations.toml", include_str!("../../catalogue/expectations.toml")),
    ("sentences.toml", include_str!("../../catalogue/sentences.toml")),
];

/// The catalogue that ships with the program.
///
/// # Errors
/// Never with the files as shipped; a test reads them.
pub fn shipped() -> Result<CatalogueDocument, Error> {
    from_files(SHIPPED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
}

/// Puts TOML (or JSON) files together into one document and checks it whole. A fault names file, entry and reason.
///
/// # Errors
/// Every fault at once.
pub fn from_files(
    files: impl Iterator<Item = (String, String)>,
) -> Result<CatalogueDocument, Error> {
    let (mut whole, mut faults) = (CatalogueDocument::default(), Vec::new());
    let mut origins: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (name, text) in files {
        match read(&name, &text) {
            Ok(document) => {
                for (section, count) in document.sizes() {
                    origins
                        .entry(section)
                        .or_default()
                        .extend(std::iter::repeat_n(name.clone(), count));
                }
                whole.append(document);
            }
            Err(found) => faults.extend(found),
        }
    }
    match Catalogue::offered(whole) {
        Ok(catalogue) if faults.is_empty() => Ok(catalogue.document),
        Ok(_) => Err(Error::Invalid(faults)),
        Err(found) => {
            faults.extend(found.into_iter().map(|fault| placed(fault, &origins)));
            Err(Error::Invalid(faults))
        }
    }
}

/// Entries of files laid over a catalogue, each in the place of the one with its code; or the files alone, if they declare systems and
/// indicators.
///
/// # Errors
/// Every fault at once.
pub fn over(
    base: &CatalogueDocument,
    files: &[(String, String)],
) -> Result<CatalogueDocument, Error> {
    let mut laid = CatalogueDocument::default();
    for (name, text) in files {
        laid.append(read(name, text).map_err(Error::Invalid)?);
    }
    if !laid.systems.is_empty() && !laid.indicators.is_empty() {
        return from_files(files.iter().cloned());
    }
    let malformed = |error: serde_json::Error| Error::Malformed(error.to_string());
    let (mut whole, laid) = (
        serde_json::to_value(base).map_err(malformed)?,
        serde_json::to_value(&laid).map_err(malformed)?,
    );
    for (section, entries) in laid.as_object().into_iter().flatten() {
        let list = whole
            .as_object_mut()
            .map(|sections| sections.entry(section).or_insert_with(|| Value::Array(Vec::new())));
        let Some(list) = list.and_then(Value::as_array_mut) else { continue };
        for entry in entries.as_array().into_iter().flatten() {
            match list.iter_mut().find(|known| known.get("code") == entry.get("code")) {
                Some(known) => known.clone_from(entry),
                None => list.push(entry.clone()),
            }
        }
    }
    let document = CatalogueDocument::from_value(whole).map_err(Error::Invalid)?;
    Catalogue::offered(document).map(|catalogue| catalogue.document).map_err(Error::Invalid)
}

/// Reads one file, whose faults are placed in it.
fn read(name: &str, text: &str) -> Result<CatalogueDocument, Vec<Fault>> {
    let value: Result<Value, String> = if name.ends_with(".json") {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        toml::from_str(text).map_err(|error: toml::de::Error| {
            error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ")
        })
    };
    let document = value
        .map_err(|error| vec![Fault::new("", "malformed", error)])
        .and_then(|value| CatalogueDocument::from_value(without_header(value)));
    document.map_err(|found| {
        found
            .into_iter()
            .map(|fault| Fault { pointer: format!("{name}#{}", fault.pointer), ..fault })
            .collect()
    })
}

/// A fault of the whole document, placed in its file: `ioffice.toml#/indicators/3/kind`, counted within the file.
fn placed(fault: Fault, origins: &BTreeMap<&'static str, Vec<String>>) -> Fault {
    let mut parts = fault.pointer.splitn(4, '/').skip(1);
    let (section, number, rest) = (
        parts.next().unwrap_or_default(),
        parts.next().and_then(|n| n.parse::<usize>().ok()),
        parts.next(),
    );
    let files = origins.get(section);
    let Some((file, before)) = number.and_then(|n| {
        let file = files?.get(n)?;
        Some((file, files?.iter().take(n).filter(|other| *other == file).count()))
    }) else {
        return fault;
    };
    let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
    Fault { pointer: format!("{file}#/{section}/{before}{rest}"), ..fault }
}

/// The sections alone: `GET /catalogue` answers revision and version beside them.
fn without_header(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.remove("revision");
        fields.remove("version");
    }
    value
}

/// What a change of the catalogue came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CatalogueChanged {
    /// The revision that has it.
    pub revision: i64,
    /// Its version.
    pub version: i64,
    /// The document.
    pub document: CatalogueDocument,
}

/// Reads a catalogue sent by a client: the document, and the version it was made from, when it says so.
///
/// # Errors
/// Every malformed entry.
pub fn parse(value: Value) -> Result<(CatalogueDocument, Option<i64>), Error> {
    let version = value.get("version").and_then(Value::as_i64);
    Ok((CatalogueDocument::from_value(without_header(value)).map_err(Error::Invalid)?, version))
}

impl App {
    /// Replaces the catalogue. With `made_from` only while that is still the version.
    ///
    /// # Errors
    /// Every fault of it, or a conflict with the list of recorded measures it would orphan.
    pub async fn put_catalogue(
        &self,
        new: NewCatalogue,
        by: impl Into<Identity>,
        keyed: Option<Keyed>,
    ) -> Result<Given<CatalogueChanged>, Error> {
        let new = self.taking_along(new);
        let (app, document, by) = (self.clone(), new.document.clone(), by.into());
        tokio::task::spawn_blocking(move || app.patterns_usable(&document))
            .await
            .map_err(|_e| Error::Busy(super::writer::stopping()))??;
        self.inner.writer.put_catalogue(new, by, keyed).answer().await
    }

    /// The same without an async thread.
    pub(crate) fn put_catalogue_now(
        &self,
        new: NewCatalogue,
        by: impl Into<Identity>,
    ) -> Result<CatalogueChanged, Error> {
        let new = self.taking_along(new);
        self.patterns_usable(&new.document)?;
        Ok(self.inner.writer.put_catalogue(new, by.into(), None).wait()?.answer)
    }

    /// Takes away the patterns and sentences, as they stand, of what a new catalogue no longer declares: they were made for that alone.
    fn taking_along(&self, new: NewCatalogue) -> NewCatalogue {
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

impl Writer {
    /// Has the catalogue replaced.
    pub(super) fn put_catalogue(
        &self,
        new: NewCatalogue,
        by: Identity,
        keyed: Option<Keyed>,
    ) -> Pending<Given<CatalogueChanged>> {
        self.exclusive(move |desk| change(desk, new, &by, keyed.as_ref()))
    }
}

/// A catalogue to put in the place of the one that is there.
#[derive(Clone, Debug)]
pub struct NewCatalogue {
    /// The document.
    pub document: CatalogueDocument,
    /// The version it was made from, where that is known.
    pub made_from: Option<i64>,
    /// Check it, change nothing.
    pub dry_run: bool,
}

fn change(
    desk: &Desk,
    new: NewCatalogue,
    by: &Identity,
    keyed: Option<&Keyed>,
) -> Result<Given<CatalogueChanged>, Error> {
    let NewCatalogue { document, made_from, dry_run } = new;
    // A request that was answered before is answered so again, whatever would be wrong with it by now; an old version is told before its faults.
    let checked = Catalogue::offered(document.clone());
    let prepare = |state: &State| {
        if let Some(made_from) = made_from.filter(|made_from| *made_from != state.catalogue_version)
        {
            let detail = format!(
                "the catalogue has version {} by now, this one was made from {made_from}",
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
                orphaned_besides(state, &document, faults)?;
                return Err(Error::Invalid(
                    faults.iter().cloned().chain(unknown_units(state, &document)).collect(),
                ));
            }
        };
        let unknown: Vec<Fault> = unknown_units(state, &document);
        if !unknown.is_empty() {
            return Err(Error::Invalid(unknown));
        }
        let obstacles = orphans(state, checked);
        if !obstacles.is_empty() {
            return Err(orphaning(obstacles));
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
    let answer = |revision: i64, version: &i64| CatalogueChanged {
        revision,
        version: *version,
        document: document.clone(),
    };
    let changed = desk.change(keyed.filter(|_| !dry_run), prepare, answer)?;
    if let (Some(commit), Ok(checked)) = (changed.commit, checked) {
        let mut state = desk.state.write();
        let units = (*state.units).clone();
        state.reframe(checked, changed.given.answer.version, units)?;
        state.judge_anew();
        desk.reached(&mut state, &commit);
    }
    Ok(changed.given)
}

/// Where nothing but patterns and sentences name what is no longer declared: the figures that would be orphaned say more than these.
fn orphaned_besides(
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
    let obstacles = Catalogue::new(rest).map(|rest| orphans(state, &rest)).unwrap_or_default();
    if obstacles.is_empty() { Ok(()) } else { Err(orphaning(obstacles)) }
}

fn orphaning(obstacles: Vec<Fault>) -> Error {
    Error::Conflict {
        detail: "recorded figures would lose their declaration".to_owned(),
        obstacles,
    }
}

fn unknown_units(state: &State, catalogue: &CatalogueDocument) -> Vec<Fault> {
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
    let units = of_targets
        .chain(of_expectations)
        .filter_map(|(pointer, unit)| Some((pointer, unit.as_ref()?)));
    // While the ledger is being seeded the units come after the catalogue.
    let unknown =
        units.filter(|(_, unit)| !state.units.is_empty() && state.units.position(unit).is_none());
    unknown
        .map(|(pointer, unit)| {
            Fault::new(pointer, "unknown_unit", format!("there is no unit {}", quoted(unit)))
        })
        .collect()
}

/// Measures that figures were recorded for and that a catalogue would no longer declare, or declare
/// with too few decimals for them.
fn orphans(state: &State, catalogue: &Catalogue) -> Vec<Fault> {
    let mut found = Vec::new();
    for (id, measure) in state.measures.iter() {
        let faults = catalogue.measure_faults(measure);
        let was_indicator = state.catalogue.indicator(&measure.code).is_some();
        if !faults.is_empty() || was_indicator != catalogue.indicator(&measure.code).is_some() {
            let detail =
                format!("figures are recorded for {measure}, which would no longer be declared");
            found.push(Fault::new("", "orphaned_figures", detail));
        } else if let (Some(before), Some(after)) =
            (state.catalogue.indicator(&measure.code), catalogue.indicator(&measure.code))
        {
            let loses = |value: i64| {
                crate::domain::number::Written { mantissa: value, scale: before.decimals }
                    .at_scale(after.decimals)
                    .is_none()
            };
            if before.decimals != after.decimals
                && state
                    .cube
                    .figures_of(id)
                    .any(|(entry, _)| entry.written.is_some_and(|written| loses(written.mantissa)))
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

/// The difference between two catalogues, entry by entry.
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
    lines
}
