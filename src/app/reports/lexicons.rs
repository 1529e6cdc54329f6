//! The cache of compiled patterns, one entry for each version of the catalogue.

use std::sync::{Arc, OnceLock};

use crate::app::App;
use crate::error::Error;
use crate::sync::Mutex;
use extract::report::lexicon::ReportLexicon;
use kpi::catalogue::{Catalogue, CatalogueDocument};
use kpi::fault::Fault;

/// Catalogue versions with compiled patterns: the current one, and one that is being replaced or
/// tried.
const KEPT: usize = 2;

type LexiconSlot = Arc<OnceLock<Result<Arc<ReportLexicon>, String>>>;

/// Compiled patterns, the most recently used last.
#[derive(Default)]
pub struct LexiconCache(Mutex<Vec<(Arc<Catalogue>, LexiconSlot)>>);

impl LexiconCache {
    /// The compiled patterns of a catalogue. The first request compiles them, others wait for that.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the pattern that cannot be compiled; never for a catalogue that this
    /// version has recorded.
    pub fn of(&self, catalogue: &Arc<Catalogue>) -> Result<Arc<ReportLexicon>, Error> {
        let slot = {
            let mut kept = self.0.lock();
            // A change of units produces the same catalogue in a new object.
            let same = |(other, _): &(Arc<Catalogue>, LexiconSlot)| {
                Arc::ptr_eq(other, catalogue) || other.document == catalogue.document
            };
            let entry = match kept.iter().position(same) {
                Some(place) => (Arc::clone(catalogue), kept.remove(place).1),
                None => (Arc::clone(catalogue), LexiconSlot::default()),
            };
            let slot = Arc::clone(&entry.1);
            kept.push(entry);
            let too_many = kept.len().saturating_sub(KEPT);
            kept.drain(..too_many);
            slot
        };
        slot.get_or_init(|| ReportLexicon::new(catalogue).map(Arc::new)).clone().map_err(unusable)
    }
}

fn unusable(detail: String) -> Error {
    Error::Invalid(vec![Fault::new("/patterns", "unusable_pattern", detail)])
}

/// Checks that the patterns of a catalogue can be compiled.
///
/// # Errors
/// [`Error::Invalid`] with the pattern that cannot be compiled, or the errors of the catalogue.
pub fn usable(document: &CatalogueDocument) -> Result<(), Error> {
    ReportLexicon::new(&Catalogue::new(document.clone()).map_err(Error::Invalid)?)
        .map(drop)
        .map_err(unusable)
}

impl App {
    /// Checks that the patterns of a new catalogue can be compiled, unless they are the current
    /// ones.
    pub(in crate::app) fn check_patterns(&self, document: &CatalogueDocument) -> Result<(), Error> {
        let same = {
            let state = self.state();
            let known = &state.catalogue.document;
            known.patterns == document.patterns
                && known.vocabulary == document.vocabulary
                && known.dimensions == document.dimensions
        };
        // Other errors are reported when the catalogue is recorded.
        if same || document.patterns.is_empty() || Catalogue::new(document.clone()).is_err() {
            Ok(())
        } else {
            usable(document)
        }
    }
}
