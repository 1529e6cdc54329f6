//! What is declared one by one beside the catalogue: targets and annotations. They are read, added, replaced and taken away in the same
//! way; a new one replaces the whole of the one with its code, and every version is kept.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::App;
use super::access::Identity;
use super::findings::position;
use super::keyed::{Given, Keyed};
use super::moment::Moment;
use super::series::measure_faults;
use super::state::State;
use super::writer::{Desk, empty_commit};
use crate::domain::annotation::AnnotationDocument;
use crate::domain::catalogue::TargetDocument;
use crate::domain::fault::{CODE, Fault, is_code, quoted};
use crate::domain::measure::Measure;
use crate::domain::period::Month;
use crate::error::Error;
use crate::store::{Declaration, DeclarationRow};

/// Most declarations in one request.
pub const MAX_A_REQUEST: usize = 10_000;
/// Most declarations of a kind in all.
pub const MAX_DECLARATIONS: usize = 200_000;

/// A kind of declaration.
pub trait Declared:
    Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static
{
    /// What the ledger calls one.
    const KIND: &'static str;
    /// What a list of them is called.
    const LIST: &'static str;
    /// The field that is null in a request which takes one away.
    const EMPTIED: &'static str;

    /// Its code.
    fn code(&self) -> &str;

    /// The measure and the unit that it is about; everything, everywhere when absent.
    fn about(&self) -> (Option<&str>, Option<&str>);

    /// First and last month; open when absent.
    fn span(&self) -> (Option<&str>, Option<&str>);

    /// What the catalogue itself declares.
    fn of_catalogue(state: &State) -> &[Self];

    /// What is wrong with it; pointers begin with `place`.
    fn faults(&self, state: &State, place: &str) -> Vec<Fault>;

    /// Those that stand.
    fn of(state: &State) -> &BTreeMap<String, Self>;

    /// Puts others in their place.
    fn put(state: &mut State, all: BTreeMap<String, Self>);
}

impl Declared for TargetDocument {
    const KIND: &'static str = "target";
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
        let annotations = state.declared.annotations.clone();
        state.declare(Declarations { targets: all, annotations });
    }
}

impl Declared for AnnotationDocument {
    const KIND: &'static str = "annotation";
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

    fn of_catalogue(_state: &State) -> &[Self] {
        &[]
    }

    fn faults(&self, state: &State, place: &str) -> Vec<Fault> {
        let mut faults: Vec<Fault> = unknown_unit(state, place, &self.unit).into_iter().collect();
        if !is_code(&self.code) {
            faults.push(Fault::new(
                format!("{place}/code"),
                "malformed_code",
                format!("{} is no code: {CODE}", quoted(&self.code)),
            ));
        }
        if let Err(found) = self.checked() {
            faults.extend(
                found
                    .into_iter()
                    .map(|fault| Fault { pointer: format!("{place}{}", fault.pointer), ..fault }),
            );
        }
        // A malformed measure has been named already.
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
        let targets = state.declared.targets.clone();
        state.declare(Declarations { targets, annotations: all });
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

/// What is declared beside the catalogue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Declarations {
    /// Targets by code.
    pub targets: BTreeMap<String, TargetDocument>,
    /// Annotations by code.
    pub annotations: BTreeMap<String, AnnotationDocument>,
}

impl Declarations {
    /// From the ledger's rows; none when one cannot be read.
    #[must_use]
    pub fn of(rows: Vec<DeclarationRow>) -> Option<Self> {
        let mut found = Self::default();
        for row in rows {
            let text = row.document.unwrap_or_default();
            match row.kind.as_str() {
                TargetDocument::KIND => {
                    drop(found.targets.insert(row.code, serde_json::from_str(&text).ok()?))
                }
                AnnotationDocument::KIND => {
                    drop(found.annotations.insert(row.code, serde_json::from_str(&text).ok()?))
                }
                // Kept by themselves (`keys.rs`).
                super::keys::KIND => {}
                _ => return None,
            }
        }
        Some(found)
    }
}

/// A request's declarations: each replaces the one with its code, or takes it away.
pub type Changes<D> = BTreeMap<String, (usize, Option<D>)>;

/// Reads `{"targets": [...]}` or `{"annotations": [...]}`: the entries, and a fault for each of the wrong shape and for a code that stands
/// twice.
///
/// # Errors
/// There is no list, or too long a one.
pub fn parse<D: Declared>(value: Value) -> Result<(Changes<D>, Vec<Fault>), Error> {
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
    // GET answers these, so that its answer can be sent back.
    let unknown = fields
        .into_iter()
        .filter(|(field, _)| !matches!(field.as_str(), "revision" | "next_cursor"));
    let mut faults: Vec<Fault> = unknown
        .map(|(field, _)| {
            Fault::new(
                format!("/{field}"),
                "unknown_field",
                format!("there is no field {}", quoted(&field)),
            )
        })
        .collect();
    let mut changes = Changes::<D>::new();
    for (n, mut entry) in entries.into_iter().enumerate() {
        let place = format!("/{}/{n}", D::LIST);
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("set_in"); // GET answers it
        }
        let code = entry.get("code").and_then(Value::as_str).unwrap_or_default().to_owned();
        let found = if entry.get(D::EMPTIED).is_some_and(Value::is_null) && !code.is_empty() {
            Some(None)
        } else {
            crate::domain::catalogue::read(D::LIST, Value::Array(vec![entry]), &mut faults)
                .pop()
                .map(Some)
        };
        // The reader counts from the one entry it was given.
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
                format!("{} stands twice", quoted(first.key())),
            )),
        }
    }
    Ok((changes, faults))
}

/// What a change of declarations came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DeclarationsChanged<D> {
    /// The revision that has it.
    pub revision: i64,
    /// Those named that are there now.
    pub declarations: Vec<D>,
}

/// Which declarations are asked for; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct DeclarationQuery {
    /// About this measure, as it is written there.
    pub measure: Option<String>,
    /// About a unit or one below it.
    pub unit: Option<String>,
    /// Holding in a month from this one on.
    pub from: Option<Month>,
    /// Holding in a month up to this one.
    pub to: Option<Month>,
    /// How many to pass over.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

/// A declaration, and whether the catalogue declares it.
pub type Listed<D> = (D, bool);

impl Moment {
    /// The declarations of a kind, those beside the catalogue first, each by code: revision, the page, and whether more follow.
    ///
    /// # Errors
    /// An undeclared measure; [`Error::NotFound`] for an unknown unit.
    pub fn declarations<D: Declared>(
        &self,
        query: &DeclarationQuery,
    ) -> Result<(i64, Vec<Listed<D>>, bool), Error> {
        let state = self.look();
        let units = query
            .unit
            .as_ref()
            .map(|code| Ok::<_, Error>(state.units.subtree(position(&state, code)?)))
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
            about.iter().flat_map(|about| measure_faults(&state, about)).collect();
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let about = about.map(|about| about.to_string());
        let month = |text: Option<&str>| text.and_then(|text| text.parse::<Month>().ok());
        let wanted = |declaration: &D| {
            let ((of, unit), (from, to)) = (declaration.about(), declaration.span());
            let inside = |units: &std::ops::Range<usize>| {
                unit.and_then(|unit| state.units.position(unit))
                    .is_some_and(|unit| units.contains(&unit))
            };
            units.as_ref().is_none_or(inside)
                && about.as_ref().is_none_or(|about| of.map(measure).as_ref() == Some(about))
                && query.to.zip(month(from)).is_none_or(|(asked, from)| from <= asked)
                && query.from.zip(month(to)).is_none_or(|(asked, to)| asked <= to)
        };
        let beside = D::of(&state);
        let of_catalogue = D::of_catalogue(&state)
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
    /// Adds, replaces and takes away declarations of a kind.
    ///
    /// # Errors
    /// Every fault of them, or that one of the catalogue's was to be taken away.
    pub async fn put_declarations<D: Declared>(
        &self,
        (changes, malformed): (Changes<D>, Vec<Fault>),
        by: impl Into<Identity>,
        dry_run: bool,
        keyed: Option<Keyed>,
    ) -> Result<Given<DeclarationsChanged<D>>, Error> {
        let by = by.into();
        let keyed = keyed.filter(|_| !dry_run);
        self.inner
            .writer
            .exclusive(move |desk| change(desk, &changes, &malformed, &by, dry_run, keyed.as_ref()))
            .answer()
            .await
    }
}

fn change<D: Declared>(
    desk: &Desk,
    changes: &Changes<D>,
    malformed: &[Fault],
    by: &Identity,
    dry_run: bool,
    keyed: Option<&Keyed>,
) -> Result<Given<DeclarationsChanged<D>>, Error> {
    let prepare = |state: &State| {
        let mut entries: Vec<_> = changes.iter().collect();
        entries.sort_by_key(|(_, (n, _))| *n);
        let of_entries = entries
            .into_iter()
            .flat_map(|(code, (n, document))| faults_of(state, code, *n, document.as_ref()));
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
                continue; // as it is already, here or in the catalogue
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
            commit.declarations.push(Declaration {
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
    let answer = |revision: i64, (_, named): &(BTreeMap<String, D>, Vec<D>)| DeclarationsChanged {
        revision,
        declarations: named.clone(),
    };
    let changed = desk.change(keyed, prepare, answer)?;
    if let (Some(commit), Some((all, _))) = (changed.commit, changed.found) {
        let mut state = desk.state.write();
        D::put(&mut state, all);
        desk.reached(&mut state, &commit);
    }
    Ok(changed.given)
}

fn faults_of<D: Declared>(state: &State, code: &str, n: usize, document: Option<&D>) -> Vec<Fault> {
    let place = format!("/{}/{n}", D::LIST);
    match document {
        Some(document) => document.faults(state, &place),
        None if D::of(state).contains_key(code) => Vec::new(),
        None => vec![Fault::new(
            format!("{place}/code"),
            "unknown_code",
            format!(
                "nothing that was put here has the code {}; what the catalogue declares is changed there",
                quoted(code)
            ),
        )],
    }
}
