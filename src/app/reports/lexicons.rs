//! The patterns of catalogues, made ready once for each version and shared.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::app::App;
use crate::domain::catalogue::{Catalogue, CatalogueDocument};
use crate::domain::fault::Fault;
use crate::error::Error;
use crate::intake::report::lexicon::Lexicon;

/// Versions of which the patterns are kept ready: the latest, and one that is being replaced or tried.
const KEPT: usize = 2;

type Slot = Arc<OnceLock<Result<Arc<Lexicon>, String>>>;

/// Patterns that are ready, those used last at the end.
#[derive(Default)]
pub struct Lexicons(Mutex<Vec<(Arc<Catalogue>, Slot)>>);

impl Lexicons {
    /// The patterns of a catalogue; whoever asks first makes them ready, others wait for it.
    ///
    /// # Errors
    /// The pattern that cannot be made ready; never of a catalogue that was put in place by this version.
    pub fn of(&self, catalogue: &Arc<Catalogue>) -> Result<Arc<Lexicon>, Error> {
        let slot = {
            let mut kept = self.0.lock();
            // Units that change make the same catalogue anew.
            let same = |(other, _): &(Arc<Catalogue>, Slot)| {
                Arc::ptr_eq(other, catalogue) || other.document == catalogue.document
            };
            let entry = match kept.iter().position(same) {
                Some(place) => (Arc::clone(catalogue), kept.remove(place).1),
                None => (Arc::clone(catalogue), Slot::default()),
            };
            let slot = Arc::clone(&entry.1);
            kept.push(entry);
            let too_many = kept.len().saturating_sub(KEPT);
            kept.drain(..too_many);
            slot
        };
        slot.get_or_init(|| Lexicon::new(catalogue).map(Arc::new)).clone().map_err(unusable)
    }
}

fn unusable(detail: String) -> Error {
    Error::Invalid(vec![Fault::new("/patterns", "unusable_pattern", detail)])
}

/// Whether the patterns of a catalogue can be made ready.
///
/// # Errors
/// The pattern that cannot, or the catalogue's faults.
pub fn usable(document: &CatalogueDocument) -> Result<(), Error> {
    Lexicon::new(&Catalogue::new(document.clone()).map_err(Error::Invalid)?)
        .map(drop)
        .map_err(unusable)
}

impl App {
    /// Whether the patterns of a catalogue that is to be put in place can be made ready, where they are others than those that are.
    pub(in crate::app) fn patterns_usable(
        &self,
        document: &CatalogueDocument,
    ) -> Result<(), Error> {
        let same = {
            let state = self.state();
            let known = &state.catalogue.document;
            known.patterns == document.patterns
                && known.vocabulary == document.vocabulary
                && known.dimensions == document.dimensions
        };
        // Other faults are named by whoever puts it in place.
        if same || document.patterns.is_empty() || Catalogue::new(document.clone()).is_err() {
            Ok(())
        } else {
            usable(document)
        }
    }
}
