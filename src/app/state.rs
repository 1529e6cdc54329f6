//! The latest state of the ledger in memory, and how it is loaded and kept up.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::catalogue::{Catalogue, CatalogueDocument};
use crate::domain::cube::{Cube, Entry, MeasureId, Measures, View};
use crate::domain::fault::Fault;
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Written;
use crate::domain::period::Month;
use crate::domain::rules::{RuleBook, Standing};
use crate::domain::unit::{UnitDocument, Units};
use crate::domain::value::Source;
use crate::error::Error;
use crate::store::{ObservationRow, Store, StoreError};

/// Everything that answers are computed from.
pub struct State {
    /// The revision it is the state of.
    pub revision: i64,
    /// When that was recorded, in microseconds since 1970.
    pub recorded_at: i64,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// Its version.
    pub catalogue_version: i64,
    /// The units.
    pub units: Arc<Units>,
    /// The dictionary of measures.
    pub measures: Measures,
    /// The figures.
    pub cube: Cube,
    /// The rules, ready for the dictionary.
    pub book: Arc<RuleBook>,
    /// The findings that stand.
    pub standing: Standing,
}

/// What the ledger holds besides figures.
struct Frame {
    catalogue: Catalogue,
    version: i64,
    units: Units,
}

impl State {
    /// Loads the whole ledger.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn load(store: &Store) -> Result<Self, Error> {
        let frame = frame(store)?;
        let (catalogue, units) = (Arc::new(frame.catalogue), Arc::new(frame.units));
        let book = Arc::new(RuleBook::new(&catalogue, &View { measures: &Measures::default(), cube: &Cube::default(), overlay: None }));
        let mut state = Self {
            revision: 0,
            recorded_at: 0,
            catalogue,
            catalogue_version: frame.version,
            units,
            measures: Measures::default(),
            cube: Cube::default(),
            book,
            standing: Standing::default(),
        };
        state.read_figures(store)?;
        state.judge_anew();
        Ok(state)
    }

    /// Takes in revisions that somebody else has written.
    ///
    /// # Errors
    /// As for [`State::load`].
    pub fn catch_up(&mut self, store: &Store) -> Result<(), Error> {
        if store.head()?.revision == self.revision {
            return Ok(());
        }
        let frame = frame(store)?;
        self.reframe(frame.catalogue, frame.version, frame.units)?;
        self.read_figures(store)?;
        self.judge_anew();
        Ok(())
    }

    /// The figures, with nothing laid over them.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { measures: &self.measures, cube: &self.cube, overlay: None }
    }

    /// The units and the figures.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source { units: &self.units, view: self.view() }
    }

    /// Puts a new catalogue and units in place, and the figures where the units now stand.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when figures no longer fit; callers check that before.
    pub fn reframe(&mut self, catalogue: Catalogue, version: i64, units: Units) -> Result<(), Error> {
        let places: Vec<usize> = self.units.iter().map(|unit| units.position_of_number(unit.number).unwrap_or(usize::MAX)).collect();
        let moved = places.iter().enumerate().any(|(old, new)| old != *new);
        if places.contains(&usize::MAX) {
            return Err(corrupt("a unit has gone from the ledger"));
        }
        if moved {
            self.cube = self.cube.rearranged(&places);
        }
        for (id, measure) in self.measures.iter() {
            if let Some(indicator) = catalogue.indicator(&measure.code)
                && !self.cube.declare(id, indicator.decimals)
            {
                return Err(corrupt("a figure has more decimals than its indicator"));
            }
        }
        (self.catalogue, self.catalogue_version, self.units) = (Arc::new(catalogue), version, Arc::new(units));
        Ok(())
    }

    /// Makes the rules ready anew and finds every finding anew.
    pub fn judge_anew(&mut self) {
        self.book = Arc::new(RuleBook::new(&self.catalogue, &self.view()));
        let standing = self.book.all(&self.source());
        self.standing = standing;
    }

    /// Puts one figure in its place.
    pub fn put(&mut self, entry: &Entry, decimals: Option<u32>, revision: i64) {
        let stamp = u32::try_from(revision).unwrap_or(u32::MAX);
        match decimals {
            Some(_) => self.cube.set(entry, stamp),
            None => self.cube.set_stated(entry, stamp),
        }
    }

    /// The decimals of a measure's indicator; none for a kpi.
    #[must_use]
    pub fn decimals(&self, measure: MeasureId) -> Option<u32> {
        let measure = self.measures.get(measure)?;
        self.catalogue.indicator(&measure.code).map(|indicator| indicator.decimals)
    }

    fn read_figures(&mut self, store: &Store) -> Result<(), Error> {
        let head = store.head()?;
        for row in store.measures()? {
            let members = Members::parse(&row.members).map_err(|_e| corrupt("a measure's members cannot be read"))?;
            let id = self.measures.intern(&Measure { code: row.code, members });
            if i64::try_from(id).ok() != Some(row.id) {
                return Err(corrupt("the dictionary of measures has a gap"));
            }
        }
        let decimals: Vec<Option<u32>> = (0..self.measures.len()).map(|measure| self.decimals(measure)).collect();
        for (measure, decimals) in decimals.iter().enumerate() {
            if let Some(decimals) = decimals {
                self.cube.declare(measure, *decimals);
            }
        }
        let units = Arc::clone(&self.units);
        let mut broken = false;
        store.replay(self.revision, head.revision, &mut |row: ObservationRow| match entry(&row, &units) {
            Some(entry) => self.put(&entry, decimals.get(entry.measure).copied().flatten(), row.revision),
            None => broken = true,
        })?;
        if broken {
            return Err(corrupt("a figure names a unit or month that does not exist"));
        }
        (self.revision, self.recorded_at) = (head.revision, head.recorded_at);
        Ok(())
    }
}

fn entry(row: &ObservationRow, units: &Units) -> Option<Entry> {
    let written = match row.mantissa {
        Some(mantissa) => Some(Written { mantissa, scale: u32::try_from(row.scale).ok()? }),
        None => None,
    };
    Some(Entry {
        measure: usize::try_from(row.measure).ok()?,
        unit: units.position_of_number(row.unit)?,
        month: Month::from_number(i32::try_from(row.month).ok()?)?,
        written,
    })
}

fn frame(store: &Store) -> Result<Frame, Error> {
    let (catalogue, version) = match store.catalogue()? {
        None => (Catalogue::default(), 0),
        Some(row) => {
            let value = serde_json::from_str(&row.document).map_err(|_e| corrupt("the catalogue cannot be read"))?;
            let checked = CatalogueDocument::from_value(value).and_then(Catalogue::new);
            (checked.map_err(|faults| inconsistent("the catalogue", &faults))?, row.version)
        }
    };
    let rows: HashMap<i64, String> = store.units()?.into_iter().map(|row| (row.number, row.document)).collect();
    let mut documents: Vec<(i64, UnitDocument)> = Vec::with_capacity(rows.len());
    for (number, document) in rows {
        documents.push((number, serde_json::from_str(&document).map_err(|_e| corrupt("a unit cannot be read"))?));
    }
    documents.sort_by_key(|(number, _)| *number);
    let units = Units::new(documents).map_err(|faults| inconsistent("the units", &faults))?;
    Ok(Frame { catalogue, version, units })
}

fn corrupt(sentence: &str) -> Error {
    Error::Store(StoreError::Corrupt { sentence: format!("The ledger contradicts itself: {sentence}."), source: None })
}

fn inconsistent(what: &str, faults: &[Fault]) -> Error {
    corrupt(&format!("{what} has faults, the first: {}", faults.first().map(ToString::to_string).unwrap_or_default()))
}
