//! The documents that revisions wrote besides figures: catalogue, units, closed months, targets and
//! annotations. They are kept in the text that the hash chain covers, so that a revision of another
//! process can be applied without reading the tables again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::stored::{month_of, unit_of};
use crate::auth::api_keys::document::API_KEY;
use crate::error::Error;
use kpi::annotation::AnnotationDocument;
use kpi::catalogue::{Catalogue, CatalogueDocument, TargetDocument};
use kpi::fault::Fault;
use kpi::period::Month;
use kpi::remark::RemarkDocument;
use kpi::unit::{UnitDocument, UnitForest, UnitNumber};
use ledger::{Commit, DeclarationRow, REPORT, RevisionNumber, StoreError, StoredMonth, StoredUnit};

/// The kind of a target among the ledger's declarations.
pub const TARGET: &str = "target";
/// The kind of an annotation among the ledger's declarations.
pub const ANNOTATION: &str = "annotation";
/// The kind of a remark among the ledger's declarations.
pub const REMARK: &str = "remark";

/// The closed months, each with the revision that closed it.
pub type ClosedMonths = BTreeMap<Month, RevisionNumber>;

/// The entries that are recorded beside the catalogue.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DeclarationSet {
    /// Targets by code.
    pub targets: BTreeMap<String, TargetDocument>,
    /// Annotations by code.
    pub annotations: BTreeMap<String, AnnotationDocument>,
    /// Remarks by code.
    pub remarks: BTreeMap<String, RemarkDocument>,
}

impl DeclarationSet {
    /// Parses rows of the ledger; `None` when one cannot be parsed.
    #[must_use]
    pub fn of(rows: Vec<DeclarationRow>) -> Option<Self> {
        let mut found = Self::default();
        for row in rows {
            let text = row.document.unwrap_or_default();
            match row.kind.as_str() {
                TARGET => drop(found.targets.insert(row.code, serde_json::from_str(&text).ok()?)),
                ANNOTATION => {
                    drop(found.annotations.insert(row.code, serde_json::from_str(&text).ok()?))
                }
                // What is said about figures must not keep the figures from being read.
                REMARK => {
                    if let Ok(remark) = serde_json::from_str(&text) {
                        found.remarks.insert(row.code, remark);
                    }
                }
                // The API key cache reads these.
                API_KEY => {}
                _ => return None,
            }
        }
        Some(found)
    }
}

/// The newest version of each document, as text.
#[derive(Clone, Default)]
pub struct LedgerDocuments {
    catalogue: Option<(i64, Arc<str>)>,
    units: BTreeMap<StoredUnit, Arc<str>>,
    closings: BTreeMap<StoredMonth, RevisionNumber>,
    /// By kind and code.
    declarations: BTreeMap<(String, String), (RevisionNumber, Arc<str>)>,
    /// The last revision that changed any of them but API keys.
    changed: RevisionNumber,
}

/// The parsed documents.
pub(super) struct LedgerConfig {
    pub catalogue: Catalogue,
    pub version: i64,
    pub units: UnitForest,
    pub closed: ClosedMonths,
    pub declarations: DeclarationSet,
}

impl LedgerDocuments {
    /// Applies what a revision has written.
    pub fn apply(&mut self, commit: &Commit) {
        if Self::changed_by(commit) {
            self.changed = commit.revision;
        }
        if let Some((version, document)) = &commit.catalogue {
            self.catalogue = Some((*version, document.as_str().into()));
        }
        for (unit, document) in &commit.unit_versions {
            self.units.insert(*unit, document.as_str().into());
        }
        for (month, closed) in &commit.closings {
            if *closed {
                self.closings.insert(*month, commit.revision);
            } else {
                self.closings.remove(month);
            }
        }
        for declaration in
            commit.declarations.iter().filter(|declaration| declaration.kind != REPORT)
        {
            let key = (declaration.kind.clone(), declaration.code.clone());
            match &declaration.document {
                Some(document) => {
                    drop(self.declarations.insert(key, (commit.revision, document.as_str().into())))
                }
                None => drop(self.declarations.remove(&key)),
            }
        }
    }

    /// The last revision that changed any of the documents, 0 for none. API keys do not count.
    #[must_use]
    pub fn changed_at(&self) -> RevisionNumber {
        self.changed
    }

    /// Whether a revision changes any of the documents. API keys are not part of the state and do
    /// not count.
    #[must_use]
    pub fn changed_by(commit: &Commit) -> bool {
        let declares = |kind: &str| kind != REPORT && kind != API_KEY;
        !commit.unit_versions.is_empty()
            || commit.catalogue.is_some()
            || !commit.closings.is_empty()
            || commit.declarations.iter().any(|declaration| declares(&declaration.kind))
    }

    /// The declarations of one kind, as rows of the ledger.
    pub fn declarations_of<'d>(
        &'d self,
        kind: &'d str,
    ) -> impl Iterator<Item = DeclarationRow> + 'd {
        self.rows(move |of| of == kind)
    }

    fn rows<'d>(
        &'d self,
        wanted: impl Fn(&str) -> bool + 'd,
    ) -> impl Iterator<Item = DeclarationRow> + 'd {
        let rows = self.declarations.iter().filter(move |((kind, _), _)| wanted(kind));
        rows.map(|((kind, code), (revision, document))| DeclarationRow {
            revision: *revision,
            kind: kind.clone(),
            code: code.clone(),
            document: Some(document.to_string()),
        })
    }

    /// Parses the documents.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for documents that cannot be parsed or contradict each
    /// other.
    pub(super) fn read(&self) -> Result<LedgerConfig, Error> {
        let (catalogue, version) = match &self.catalogue {
            None => (Catalogue::default(), 0),
            Some((version, document)) => {
                let value = serde_json::from_str(document)
                    .map_err(|_e| corrupt("the catalogue cannot be parsed"))?;
                let checked = CatalogueDocument::from_value(value).and_then(Catalogue::new);
                (checked.map_err(|faults| inconsistent("the catalogue", &faults))?, *version)
            }
        };
        let mut documents: Vec<(UnitNumber, UnitDocument)> = Vec::with_capacity(self.units.len());
        for (number, document) in &self.units {
            documents.push((
                unit_of(*number),
                serde_json::from_str(document).map_err(|_e| corrupt("a unit cannot be parsed"))?,
            ));
        }
        let units =
            UnitForest::new(documents).map_err(|faults| inconsistent("the units", &faults))?;
        let mut closed = ClosedMonths::new();
        for (month, revision) in &self.closings {
            let month = month_of(*month).ok_or_else(|| corrupt("a closed month does not exist"))?;
            closed.insert(month, *revision);
        }
        let declarations = DeclarationSet::of(self.rows(|kind| kind != API_KEY).collect())
            .ok_or_else(|| corrupt("a target or an annotation cannot be parsed"))?;
        Ok(LedgerConfig { catalogue, version, units, closed, declarations })
    }
}

/// The error for rows of the ledger that contradict each other.
pub(super) fn corrupt(sentence: &str) -> Error {
    Error::Store(StoreError::Corrupt {
        sentence: format!("The ledger is inconsistent: {sentence}."),
        source: None,
    })
}

fn inconsistent(what: &str, faults: &[Fault]) -> Error {
    corrupt(&format!(
        "{what} has errors; the first is {}",
        faults.first().map(ToString::to_string).unwrap_or_default()
    ))
}
