//! Catalogues from files: the shipped one, files that make a whole catalogue, and files with
//! entries to add to one. An error names the file, the entry and the reason.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::error::Error;
use kpi::catalogue::{Catalogue, CatalogueDocument};
use kpi::fault::{Fault, quoted};

/// The shipped files, in the order in which they are joined.
const SHIPPED_FILES: [(&str, &str); 25] = [
    ("vocabulary.toml", include_str!("../../../../catalogue/vocabulary.toml")),
    ("systems.toml", include_str!("../../../../catalogue/systems.toml")),
    ("dimensions.toml", include_str!("../../../../catalogue/dimensions.toml")),
    ("ioffice.toml", include_str!("../../../../catalogue/ioffice.toml")),
    ("pki.toml", include_str!("../../../../catalogue/pki.toml")),
    ("mail.toml", include_str!("../../../../catalogue/mail.toml")),
    ("igate.toml", include_str!("../../../../catalogue/igate.toml")),
    ("dvcqg.toml", include_str!("../../../../catalogue/dvcqg.toml")),
    ("vneid.toml", include_str!("../../../../catalogue/vneid.toml")),
    ("community.toml", include_str!("../../../../catalogue/community.toml")),
    ("conference.toml", include_str!("../../../../catalogue/conference.toml")),
    ("publishing.toml", include_str!("../../../../catalogue/publishing.toml")),
    ("radio.toml", include_str!("../../../../catalogue/radio.toml")),
    ("web.toml", include_str!("../../../../catalogue/web.toml")),
    ("citizen_reception.toml", include_str!("../../../../catalogue/citizen_reception.toml")),
    ("inspection.toml", include_str!("../../../../catalogue/inspection.toml")),
    ("complaints.toml", include_str!("../../../../catalogue/complaints.toml")),
    ("post.toml", include_str!("../../../../catalogue/post.toml")),
    ("telecom.toml", include_str!("../../../../catalogue/telecom.toml")),
    ("press.toml", include_str!("../../../../catalogue/press.toml")),
    ("infosec.toml", include_str!("../../../../catalogue/infosec.toml")),
    ("admin.toml", include_str!("../../../../catalogue/admin.toml")),
    ("projects.toml", include_str!("../../../../catalogue/projects.toml")),
    ("expectations.toml", include_str!("../../../../catalogue/expectations.toml")),
    ("sentences.toml", include_str!("../../../../catalogue/sentences.toml")),
];

/// The catalogue that is shipped with the program, read once.
static SHIPPED: OnceLock<Catalogue> = OnceLock::new();

/// The catalogue that is shipped with the program.
///
/// # Errors
/// Never for the shipped files; a test reads them.
pub fn shipped() -> Result<CatalogueDocument, Error> {
    if let Some(shipped) = SHIPPED.get() {
        return Ok(shipped.document.clone());
    }
    let shipped = joined(&shipped_files()).checked()?;
    Ok(SHIPPED.get_or_init(|| shipped).document.clone())
}

/// Validates a document that is to replace the current one. The shipped one is not validated again.
///
/// # Errors
/// Those of [`Catalogue::new_submitted`].
pub(super) fn checked(document: CatalogueDocument) -> Result<Catalogue, Vec<Fault>> {
    match SHIPPED.get() {
        Some(shipped) if shipped.document == document => Ok(shipped.clone()),
        _ => Catalogue::new_submitted(document),
    }
}

/// The files of the catalogue that is shipped with the program.
#[must_use]
pub fn shipped_files() -> Vec<CatalogueFile> {
    let file = |(name, text): &(&str, &str)| CatalogueFile {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    SHIPPED_FILES.iter().map(file).collect()
}

/// A TOML or JSON file of a catalogue.
#[derive(Clone, Debug)]
pub struct CatalogueFile {
    /// Its name, for errors.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl CatalogueFile {
    /// The version of the catalogue that the file was made from, if it is a response of
    /// `GET /catalogue`.
    #[must_use]
    pub fn version(&self) -> Option<i64> {
        let value: Value = serde_json::from_str(&self.text).ok()?;
        value.get("version")?.as_i64()
    }
}

/// Joins files to a whole catalogue and checks it.
///
/// # Errors
/// All errors at once.
pub fn from_files(files: &[CatalogueFile]) -> Result<CatalogueDocument, Error> {
    Ok(joined(files).checked()?.document)
}

/// Joins files to a whole catalogue that is to replace another one, and checks it. The order of the
/// files does not matter: in each section they follow the order that their entries have in the
/// other catalogue. Entries keep their order within a file.
///
/// # Errors
/// All errors at once.
pub fn from_files_over(
    current: &CatalogueDocument,
    files: &[CatalogueFile],
) -> Result<CatalogueDocument, Error> {
    let mut joined = joined(files);
    joined.arrange(&sections(current)?);
    Ok(joined.checked()?.document)
}

fn joined(files: &[CatalogueFile]) -> JoinedCatalogue {
    let mut joined = JoinedCatalogue::default();
    for file in files {
        joined.append(file);
    }
    joined
}

/// Adds the entries of files to a catalogue: each at the end of its section, or in place of the
/// entry with its code.
///
/// # Errors
/// All errors at once, such as a code that the files declare twice.
pub fn add(base: &CatalogueDocument, files: &[CatalogueFile]) -> Result<CatalogueDocument, Error> {
    let mut joined = JoinedCatalogue::over(base)?;
    for file in files {
        joined.append(file);
    }
    Ok(joined.checked()?.document)
}

/// A catalogue that is joined from files, with the origin of each entry.
#[derive(Default)]
struct JoinedCatalogue {
    /// The entries by section.
    sections: serde_json::Map<String, Value>,
    /// The origins of the entries by section, in the same order; `None` for those of the catalogue
    /// to which the files are added.
    origins: BTreeMap<String, Vec<Option<EntryOrigin>>>,
    faults: Vec<Fault>,
}

/// The file that declares an entry, and the entry's place in its section there.
#[derive(Clone)]
struct EntryOrigin {
    file: String,
    nth: usize,
}

impl JoinedCatalogue {
    fn over(base: &CatalogueDocument) -> Result<Self, Error> {
        let sections = sections(base)?;
        let origins = sections
            .iter()
            .map(|(section, entries)| {
                (section.clone(), vec![None; entries.as_array().map_or(0, Vec::len)])
            })
            .collect();
        Ok(Self { sections, origins, faults: Vec::new() })
    }

    fn append(&mut self, file: &CatalogueFile) {
        let sections = match read(&file.name, &file.text) {
            Ok(document) => match sections(&document) {
                Ok(sections) => sections,
                Err(error) => {
                    self.faults.push(Fault::new(&file.name, "malformed", error.to_string()));
                    return;
                }
            },
            Err(faults) => return self.faults.extend(faults),
        };
        for (section, entries) in sections {
            let Value::Array(entries) = entries else { continue };
            for (nth, entry) in entries.into_iter().enumerate() {
                let origin = EntryOrigin { file: file.name.clone(), nth };
                self.put(&section, entry, origin);
            }
        }
    }

    /// Puts an entry in place of the one with its code, or at the end of its section.
    fn put(&mut self, section: &str, entry: Value, origin: EntryOrigin) {
        let list = self.sections.entry(section).or_insert_with(|| Value::Array(Vec::new()));
        let (Value::Array(list), origins) =
            (list, self.origins.entry(section.to_owned()).or_default())
        else {
            return;
        };
        let known = list.iter().position(|known| known.get("code") == entry.get("code"));
        match known.and_then(|place| Some((list.get_mut(place)?, origins.get_mut(place)?))) {
            Some((_, Some(first))) => {
                let code = entry.get("code").and_then(Value::as_str).unwrap_or_default();
                self.faults.push(Fault::new(
                    format!("{}#/{section}/{}/code", origin.file, origin.nth),
                    "duplicate",
                    format!(
                        "{} is declared in {}#/{section}/{} as well",
                        quoted(code),
                        first.file,
                        first.nth
                    ),
                ));
            }
            Some((known, place)) => {
                *known = entry;
                *place = Some(origin);
            }
            None => {
                list.push(entry);
                origins.push(Some(origin));
            }
        }
    }

    /// Puts the files of each section into the order that their entries have in another catalogue.
    fn arrange(&mut self, current: &serde_json::Map<String, Value>) {
        for (section, entries) in &mut self.sections {
            let (Value::Array(entries), Some(origins)) = (entries, self.origins.get_mut(section))
            else {
                continue;
            };
            let known = current.get(section).and_then(Value::as_array);
            let place_of = |entry: &Value| {
                let found = known?.iter().position(|known| known.get("code") == entry.get("code"));
                found.filter(|_| entry.get("code").is_some())
            };
            let file_of = |origin: &Option<EntryOrigin>| {
                origin.as_ref().map(|origin| origin.file.clone()).unwrap_or_default()
            };
            let mut first: BTreeMap<String, usize> = BTreeMap::new();
            for (entry, origin) in entries.iter().zip(origins.iter()) {
                let place = place_of(entry).unwrap_or(usize::MAX);
                let least = first.entry(file_of(origin)).or_insert(usize::MAX);
                *least = place.min(*least);
            }
            let mut all: Vec<(Value, Option<EntryOrigin>)> =
                std::mem::take(entries).into_iter().zip(std::mem::take(origins)).collect();
            all.sort_by_key(|(_, origin)| first.get(&file_of(origin)).copied());
            (*entries, *origins) = all.into_iter().unzip();
        }
    }

    /// The catalogue, if all its entries are right.
    fn checked(self) -> Result<Catalogue, Error> {
        let Self { sections, origins, mut faults } = self;
        let checked = CatalogueDocument::from_value(Value::Object(sections))
            .and_then(Catalogue::new_submitted);
        match checked {
            Ok(catalogue) if faults.is_empty() => Ok(catalogue),
            Ok(_) => Err(Error::Invalid(faults)),
            Err(found) => {
                faults.extend(found.into_iter().map(|fault| placed(fault, &origins)));
                Err(Error::Invalid(faults))
            }
        }
    }
}

fn sections(document: &CatalogueDocument) -> Result<serde_json::Map<String, Value>, Error> {
    match serde_json::to_value(document) {
        Ok(Value::Object(sections)) => Ok(sections),
        Ok(_) => Ok(serde_json::Map::new()),
        Err(error) => Err(Error::Malformed(error.to_string())),
    }
}

/// Parses one file; the pointers of errors begin with its name.
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

/// Locates an error of the joined document in its file: `ioffice.toml#/indicators/3/kind`, counted
/// within the file. Without a file the entry is one of the catalogue to which files were added.
fn placed(fault: Fault, origins: &BTreeMap<String, Vec<Option<EntryOrigin>>>) -> Fault {
    let mut parts = fault.pointer.splitn(4, '/').skip(1);
    let (section, number, rest) = (
        parts.next().unwrap_or_default(),
        parts.next().and_then(|number| number.parse::<usize>().ok()),
        parts.next(),
    );
    let Some(origin) = number.and_then(|number| origins.get(section)?.get(number)) else {
        return fault;
    };
    let rest = rest.map(|rest| format!("/{rest}")).unwrap_or_default();
    let pointer = match origin {
        Some(EntryOrigin { file, nth }) => format!("{file}#/{section}/{nth}{rest}"),
        None => format!("the catalogue so far#{}", fault.pointer),
    };
    Fault { pointer, ..fault }
}

/// The document without the fields that `GET /catalogue` adds, such as revision and version.
pub(super) fn without_header(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.remove("recorded");
        fields.remove("revision");
        fields.remove("revision_hash");
        fields.remove("version");
    }
    value
}
