//! Targets and annotations that are recorded one by one beside the catalogue
//! (`docs/specification.md#changing-the-catalogue`). Both are read, added, replaced and removed in
//! the same way. A new one replaces the whole entry with its code, and every version is kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::idempotency::{IdempotencyKey, Replayable, WriteResponse, recorded_unless_told};
use super::writer::{WriterContext, empty_commit};
use crate::app::App;
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::state::documents::{ANNOTATION, DeclarationSet, REMARK, TARGET};
use crate::auth::identity::Identity;
use crate::error::Error;
use kpi::annotation::AnnotationDocument;
use kpi::catalogue::TargetDocument;
use kpi::fault::{CODE, Fault, is_code, quoted};
use kpi::measure::Measure;
use kpi::period::Month;
use kpi::remark::RemarkDocument;
use kpi::unit::UnitRange;
use ledger::{DeclarationVersion, RevisionNumber};

/// Most declarations in one request.
pub const MAX_A_REQUEST: usize = 10_000;
/// Most declarations of a kind in all.
pub const MAX_DECLARATIONS: usize = 200_000;

/// A kind of declaration.
pub trait DeclarationKind:
    Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static
{
    /// The name of the kind in the ledger.
    const KIND: &'static str;
    /// The name of the list in JSON.
    const LIST: &'static str;
    /// The field that is null in a request that removes an entry.
    const EMPTIED: &'static str;

    /// The entry's code.
    fn code(&self) -> &str;

    /// The measure and the unit that the entry applies to; all when absent.
    fn about(&self) -> (Option<&str>, Option<&str>);

    /// First and last month; open when absent.
    fn span(&self) -> (Option<&str>, Option<&str>);

    /// The entries that the catalogue itself declares; most kinds have none there.
    fn of_catalogue(_state: &State) -> &[Self] {
        &[]
    }

    /// The errors of the entry; their pointers begin with `place`.
    fn faults(&self, state: &State, place: &str) -> Vec<Fault>;

    /// The current entries by code.
    fn of(state: &State) -> &BTreeMap<String, Self>;

    /// Replaces the current entries.
    fn put(state: &mut State, all: BTreeMap<String, Self>);
}

impl DeclarationKind for TargetDocument {
    const KIND: &'static str = TARGET;
    const LIST: &'static str = "targets";
    const EMPTIED: &'static str = "value";

    fn code(&self) -> &str {
        &self.code
    }

    fn about(&self) -> (Option<&str>, Option<&str>) {
        (Some(&self.measure), self.unit.as_deref())
    }

    fn span(&self) -> (Option<&str>, Option<&str>) {
        (self.from.as_deref(), self.to.as_deref())
    }

    fn of_catalogue(state: &State) -> &[Self] {
        &state.catalogue.document.targets
    }

    fn faults(&self, state: &State, place: &str) -> Vec<Fault> {
        let mut faults = state.catalogue.target(place, self).err().unwrap_or_default();
        faults.extend(self.unit.as_ref().and_then(|unit| unknown_unit(state, place, unit)));
        faults
    }

    fn of(state: &State) -> &BTreeMap<String, Self> {
        &state.declared.targets
    }

    fn put(state: &mut State, all: BTreeMap<String, Self>) {
        let others = DeclarationSet::clone(&state.declared);
        state.set_declarations(DeclarationSet { targets: all, ..others });
    }
}

impl DeclarationKind for AnnotationDocument {
    const KIND: &'static str = ANNOTATION;
    const LIST: &'static str = "annotations";
    const EMPTIED: &'static str = "text";

    fn code(&self) -> &str {
        &self.code
    }

    fn about(&self) -> (Option<&str>, Option<&str>) {
        (self.measure.as_deref(), Some(&self.unit))
    }

    fn span(&self) -> (Option<&str>, Option<&str>) {
        (Some(&self.from), Some(self.to.as_ref().unwrap_or(&self.from)))
    }

    fn faults(&self, state: &State, place: &str) -> Vec<Fault> {
        let mut faults: Vec<Fault> = unknown_unit(state, place, &self.unit).into_iter().collect();
        if !is_code(&self.code) {
            faults.push(Fault::new(
                format!("{place}/code"),
                "malformed_code",
                format!("{} is not a code: {CODE}", quoted(&self.code)),
            ));
        }
        if let Err(found) = self.validate() {
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| Fault { pointer: format!("{place}{}", fault.pointer), ..fault }),
            );
        }
        // A malformed measure was reported above.
        if let Some(Ok(measure)) = self.measure.as_deref().map(Measure::parse) {
            let undeclared = state.catalogue.measure_faults(&measure).into_iter();
            faults.extend(
                undeclared
                    .map(|(code, detail)| Fault::new(format!("{place}/measure"), code, detail)),
            );
        }
        faults
    }

    fn of(state: &State) -> &BTreeMap<String, Self> {
        &state.declared.annotations
    }

    fn put(state: &mut State, all: BTreeMap<String, Self>) {
        let others = DeclarationSet::clone(&state.declared);
        state.set_declarations(DeclarationSet { annotations: all, ..others });
    }
}

impl DeclarationKind for RemarkDocument {
    const KIND: &'static str = REMARK;
    const LIST: &'static str = "remarks";
    const EMPTIED: &'static str = "text";

    fn code(&self) -> &str {
        &self.code
    }

    fn about(&self) -> (Option<&str>, Option<&str>) {
        (self.measure.as_deref(), Some(&self.unit))
    }

    fn span(&self) -> (Option<&str>, Option<&str>) {
        (Some(&self.period), Some(&self.period))
    }

    fn faults(&self, state: &State, place: &str) -> Vec<Fault> {
        let own = RemarkDocument::faults(self).into_iter();
        own.map(|fault| Fault { pointer: format!("{place}{}", fault.pointer), ..fault })
            .chain(unknown_unit(state, place, &self.unit))
            .collect()
    }

    fn of(state: &State) -> &BTreeMap<String, Self> {
        &state.declared.remarks
    }

    fn put(state: &mut State, all: BTreeMap<String, Self>) {
        let others = DeclarationSet::clone(&state.declared);
        state.set_declarations(DeclarationSet { remarks: all, ..others });
    }
}

fn unknown_unit(state: &State, place: &str, unit: &str) -> Option<Fault> {
    state.units.position(unit).is_none().then(|| {
        Fault::new(
            format!("{place}/unit"),
            "unknown_unit",
            format!("there is no unit {}", quoted(unit)),
        )
    })
}

/// The entries of a request by code, each with its index: `None` removes the entry.
pub type DeclarationChanges<D> = BTreeMap<String, (usize, Option<D>)>;

/// Parses `{"targets": [...]}` or `{"annotations": [...]}`: the entries, and an error for each
/// malformed entry and each duplicate code.
///
/// # Errors
/// [`Error::Invalid`] when there is no list, [`Error::TooLarge`] when it is too long.
pub fn parse<D: DeclarationKind>(
    value: Value,
) -> Result<(DeclarationChanges<D>, Vec<Fault>), Error> {
    let Value::Object(mut fields) = value else {
        return Err(Error::fault(
            "",
            "wrong_type",
            format!("an object with a list \"{}\" is expected", D::LIST),
        ));
    };
    let Some(Value::Array(entries)) = fields.remove(D::LIST) else {
        return Err(Error::fault(format!("/{}", D::LIST), "missing", "a list is expected"));
    };
    if entries.len() > MAX_A_REQUEST {
        return Err(Error::TooLarge(format!("at most {MAX_A_REQUEST} {} in one request", D::LIST)));
    }
    // The response of `GET` has these fields and can be sent back as it is.
    let unknown = fields.into_iter().filter(|(field, _)| {
        !matches!(field.as_str(), "recorded" | "revision" | "revision_hash" | "next_cursor")
    });
    let mut faults: Vec<Fault> = unknown
        .map(|(field, _)| {
            Fault::new(
                format!("/{field}"),
                "unknown_field",
                format!("there is no field {}", quoted(&field)),
            )
        })
        .collect();
    let mut changes = DeclarationChanges::<D>::new();
    for (n, mut entry) in entries.into_iter().enumerate() {
        let place = format!("/{}/{n}", D::LIST);
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("set_in"); // a field of `GET`
        }
        let code = entry.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = if entry.get(D::EMPTIED).is_some_and(Value::is_null) && !code.is_empty() {
            Some(None)
        } else {
            kpi::catalogue::read(D::LIST, Value::Array(vec![entry]), &mut faults).pop().map(Some)
        };
        // Each entry is parsed alone, so its errors point to index 0.
        let first = format!("/{}/0", D::LIST);
        if let Some(fault) = faults.last_mut().filter(|_| found.is_none()) {
            fault.pointer = fault.pointer.replacen(&first, &place, 1);
        }
        let Some(document) = found else { continue };
        match changes.entry(code) {
            Entry::Vacant(slot) => drop(slot.insert((n, document))),
            Entry::Occupied(first) => faults.push(Fault::new(
                format!("{place}/code"),
                "duplicate",
                format!("duplicate code {}", quoted(first.key())),
            )),
        }
    }
    Ok((changes, faults))
}

/// The result of a change of declarations.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeclarationsChanged<D> {
    /// Whether this request, or the one that it repeats, made a revision.
    #[serde(default = "recorded_unless_told")]
    pub recorded: bool,
    /// The revision that contains the change, or the current one when nothing changed.
    pub revision: RevisionNumber,
    /// That revision's hash.
    #[serde(default)]
    pub revision_hash: String,
    /// The named entries that now exist.
    pub declarations: Vec<D>,
}

impl<D> WriteResponse for DeclarationsChanged<D> {
    fn revision(&self) -> Option<RevisionNumber> {
        Some(self.revision)
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = hash;
    }
}

/// A query for declarations; an absent field does not restrict.
#[derive(Clone, Debug, Default)]
pub struct DeclarationQuery {
    /// Only entries for this measure, as written there.
    pub measure: Option<String>,
    /// Only entries for this unit or a unit below it.
    pub unit: Option<String>,
    /// Only entries in force in this month or later.
    pub from: Option<Month>,
    /// Only entries in force in this month or earlier.
    pub to: Option<Month>,
    /// How many entries to skip.
    pub offset: usize,
    /// At most this many entries.
    pub limit: usize,
}

/// An entry, and whether the catalogue declares it.
pub type ListedDeclaration<D> = (D, bool);

impl Snapshot {
    /// The entries of a kind, those beside the catalogue first, each group by code: revision, the
    /// page, and whether more follow.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a measure that is not declared; [`Error::NotFound`] for an unknown
    /// unit.
    pub fn declarations<D: DeclarationKind>(
        &self,
        query: &DeclarationQuery,
    ) -> Result<(RevisionNumber, Vec<ListedDeclaration<D>>, bool), Error> {
        let state = self.state();
        let units = query
            .unit
            .as_ref()
            .map(|code| Ok::<_, Error>(state.units.subtree(state.find_unit(code)?)))
            .transpose()?;
        let measure = |text: &str| {
            Measure::parse(text)
                .map_or_else(|_malformed| text.to_owned(), |measure| measure.to_string())
        };
        let about = query
            .measure
            .as_deref()
            .map(|text| {
                Measure::parse(text).map_err(|detail| Error::fault("/measure", "malformed", detail))
            })
            .transpose()?;
        let faults: Vec<Fault> =
            about.iter().flat_map(|about| state.measure_faults(about)).collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let about = about.map(|about| about.to_string());
        let month = |text: Option<&str>| text.and_then(|text| text.parse::<Month>().ok());
        let wanted = |declaration: &D| {
            let ((of, unit), (from, to)) = (declaration.about(), declaration.span());
            let inside = |units: &UnitRange| {
                unit.and_then(|unit| state.units.position(unit))
                    .is_some_and(|unit| units.contains(unit))
            };
            units.as_ref().is_none_or(inside)
                && about.as_ref().is_none_or(|about| of.map(measure).as_ref() == Some(about))
                && query.to.zip(month(from)).is_none_or(|(asked, from)| from <= asked)
                && query.from.zip(month(to)).is_none_or(|(asked, to)| asked <= to)
        };
        let beside = D::of(state);
        let of_catalogue = D::of_catalogue(state)
            .iter()
            .filter(|declaration| !beside.contains_key(declaration.code()));
        let all = beside
            .values()
            .map(|declaration| (declaration, false))
            .chain(of_catalogue.map(|declaration| (declaration, true)));
        let mut found = all.filter(|(declaration, _)| wanted(declaration)).skip(query.offset);
        let page = found
            .by_ref()
            .take(query.limit)
            .map(|(declaration, shipped)| (declaration.clone(), shipped))
            .collect();
        let more = found.next().is_some();
        drop(found);
        Ok((state.revision, page, more))
    }
}

impl App {
    /// Adds, replaces and removes entries of a kind.
    ///
    /// # Errors
    /// All errors of the entries, among them the removal of an entry of the catalogue.
    pub async fn put_declarations<D: DeclarationKind>(
        &self,
        (changes, malformed): (DeclarationChanges<D>, Vec<Fault>),
        by: impl Into<Identity>,
        dry_run: bool,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Replayable<DeclarationsChanged<D>>, Error> {
        let by = by.into();
        let idempotency = idempotency.filter(|_| !dry_run);
        self.inner
            .writer
            .exclusive(move |writer| {
                change(writer, &changes, &malformed, &by, dry_run, idempotency.as_ref())
            })
            .result()
            .await
    }
}

fn change<D: DeclarationKind>(
    writer: &WriterContext,
    changes: &DeclarationChanges<D>,
    malformed: &[Fault],
    by: &Identity,
    dry_run: bool,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Replayable<DeclarationsChanged<D>>, Error> {
    let prepare = |state: &State| {
        let mut entries: Vec<_> = changes.iter().collect();
        entries.sort_by_key(|(_, (n, _))| *n);
        let of_entries = entries.into_iter().flat_map(|(code, (n, document))| {
            check_declaration(state, code, *n, document.as_ref())
        });
        let faults: Vec<Fault> = malformed.iter().cloned().chain(of_entries).collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let mut all = D::of(state).clone();
        let mut commit = empty_commit(state, D::LIST, by);
        let of_catalogue =
            |code: &String| D::of_catalogue(state).iter().find(|known| known.code() == code);
        for (code, (_, document)) in changes {
            if all.get(code).or_else(|| of_catalogue(code)) == document.as_ref() {
                continue; // unchanged, here or in the catalogue
            }
            match document {
                Some(document) => all.insert(code.clone(), document.clone()),
                None => all.remove(code),
            };
            let text = document
                .as_ref()
                .map(serde_json::to_string)
                .transpose()
                .map_err(|error| Error::Malformed(error.to_string()))?;
            commit.declarations.push(DeclarationVersion {
                kind: D::KIND.to_owned(),
                code: code.clone(),
                document: text,
            });
        }
        if all.len() > MAX_DECLARATIONS {
            return Err(Error::TooLarge(format!("at most {MAX_DECLARATIONS} {} in all", D::LIST)));
        }
        let commit = (!commit.declarations.is_empty() && !dry_run).then_some(commit);
        let named = changes
            .keys()
            .filter_map(|code| all.get(code).or_else(|| of_catalogue(code)).cloned())
            .collect();
        Ok(((all, named), commit))
    };
    let answer =
        |revision: RevisionNumber, recorded: bool, (_, named): &(BTreeMap<String, D>, Vec<D>)| {
            DeclarationsChanged {
                recorded,
                revision,
                revision_hash: String::new(),
                declarations: named.clone(),
            }
        };
    let changed = writer.change(by, idempotency, prepare, answer)?;
    if let (Some(commit), Some((all, _))) = (changed.commit, changed.found) {
        writer.publish_commit(&commit, |state| {
            D::put(state, all);
            Ok(())
        })?;
    }
    Ok(changed.given)
}

fn check_declaration<D: DeclarationKind>(
    state: &State,
    code: &str,
    n: usize,
    document: Option<&D>,
) -> Vec<Fault> {
    let place = format!("/{}/{n}", D::LIST);
    match document {
        Some(document) => {
            let hidden = serde_json::to_value(document)
                .map(|value| kpi::text::hidden_faults(&place, &value))
                .unwrap_or_default();
            document.faults(state, &place).into_iter().chain(hidden).collect()
        }
        None if D::of(state).contains_key(code) => Vec::new(),
        None => vec![Fault::new(
            format!("{place}/code"),
            "unknown_code",
            format!(
                "no entry recorded here has the code {}; an entry of the catalogue can only be \
                 changed in the catalogue",
                quoted(code)
            ),
        )],
    }
}
