//! The latest state of the ledger in memory, and how it is loaded and kept up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::clock::Clock;
use super::declarations::Declarations;
use crate::domain::annotation::{AnnotationDocument, Annotations};
use crate::domain::catalogue::{Catalogue, CatalogueDocument};
use crate::domain::cube::{Cube, Entry, MeasureId, Measures, View};
use crate::domain::fault::Fault;
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Written;
use crate::domain::period::Month;
use crate::domain::rules::{RuleBook, Standing};
use crate::domain::target::Targets;
use crate::domain::unit::{UnitDocument, Units};
use crate::domain::value::Source;
use crate::error::Error;
use crate::store::{Head, MeasureRow, ObservationRow, Store, StoreError};

/// Most revisions taken in at once.
const STRETCH: u32 = 64;

/// Months that are closed, and the revision that closed each.
pub type Closed = BTreeMap<Month, i64>;

/// What a submission is parsed against; when one of them has changed since, it is parsed again.
#[derive(Clone)]
pub struct Frame {
    /// What time it is.
    pub clock: Clock,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The units.
    pub units: Arc<Units>,
    /// The months that are closed.
    pub closed: Arc<Closed>,
}

impl Frame {
    /// Whether it still is what a state has.
    #[must_use]
    pub fn is_of(&self, state: &State) -> bool {
        Arc::ptr_eq(&self.catalogue, &state.catalogue)
            && Arc::ptr_eq(&self.units, &state.units)
            && Arc::ptr_eq(&self.closed, &state.closed)
    }
}

/// Everything that answers are computed from.
#[derive(Clone)]
pub struct State {
    /// What time it is, and where days begin.
    pub clock: Clock,
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
    /// The months that are closed.
    pub closed: Arc<Closed>,
    /// What is declared beside the catalogue.
    pub declared: Arc<Declarations>,
    /// The targets of the catalogue and those declared beside it.
    pub targets: Arc<Targets>,
    /// Notes beside figures.
    pub annotations: Arc<Annotations>,
    /// When each revision was recorded, in microseconds since 1970; revision 1 first.
    pub times: Vec<i64>,
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
struct Declared {
    catalogue: Catalogue,
    version: i64,
    units: Units,
    closed: Closed,
    declarations: Declarations,
}

/// Revisions that somebody else has written, read and not yet taken in.
pub struct News {
    head: Head,
    times: Vec<i64>,
    declared: Option<Declared>,
    measures: Vec<MeasureRow>,
    figures: Vec<ObservationRow>,
}

impl News {
    /// Reads what was written behind a revision, a stretch of it at most; none when nothing was. The state it ends in is one that the
    /// ledger has had.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn behind(store: &Store, revision: i64) -> Result<Option<Self>, Error> {
        let rows = store.revisions(revision, STRETCH)?;
        let Some(last) = rows.last() else { return Ok(None) };
        let head = Head { revision: last.revision, recorded_at: last.recorded_at };
        // Keys are no part of the state.
        let declares = rows.iter().any(|row| {
            !matches!(row.kind.as_str(), "submission" | "withdrawal" | super::keys::REVISION)
        });
        let mut figures = Vec::new();
        store.replay(revision, head.revision, &mut |row| figures.push(row))?;
        let declared = if declares { Some(Declared::at(store, head.revision)?) } else { None };
        let times = rows.iter().map(|row| row.recorded_at).collect();
        Ok(Some(Self { head, times, declared, measures: store.measures()?, figures }))
    }
}

impl State {
    /// Loads the whole ledger.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn load(store: &Store) -> Result<Self, Error> {
        Self::at(store, store.head()?)
    }

    /// Loads the ledger as it was when a revision was its newest.
    ///
    /// # Errors
    /// As for [`State::load`].
    pub fn at(store: &Store, head: Head) -> Result<Self, Error> {
        let declared = Declared::at(store, head.revision)?;
        let book = Arc::new(RuleBook::new(
            &declared.catalogue,
            &View { measures: &Measures::default(), cube: &Cube::default(), overlay: None },
        ));
        let mut state = Self {
            clock: Clock::default(),
            revision: head.revision,
            recorded_at: head.recorded_at,
            catalogue: Arc::new(declared.catalogue),
            catalogue_version: declared.version,
            units: Arc::new(declared.units),
            closed: Arc::new(declared.closed),
            declared: Arc::default(),
            targets: Arc::default(),
            annotations: Arc::default(),
            times: store.times(head.revision)?,
            measures: Measures::default(),
            cube: Cube::default(),
            book,
            standing: Standing::default(),
        };
        state.declare(declared.declarations);
        state.number(store.measures_at(head.revision)?)?;
        state.read_figures(store)?;
        state.judge_anew();
        Ok(state)
    }

    /// Takes in revisions that somebody else has written.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn take_in(&mut self, news: News) -> Result<(), Error> {
        let anew = news.declared.is_some();
        if let Some(declared) = news.declared {
            self.reframe(declared.catalogue, declared.version, declared.units)?;
            self.closed = Arc::new(declared.closed);
            self.declare(declared.declarations);
        }
        let known = self.measures.len();
        self.number(news.measures)?;
        let mut entries = Vec::with_capacity(news.figures.len());
        for row in &news.figures {
            let entry = entry(row, &self.units)
                .ok_or_else(|| corrupt("a figure names a unit or month that does not exist"))?;
            self.put(&entry, self.decimals(entry.measure), row.revision);
            entries.push(entry);
        }
        self.times.extend(news.times);
        (self.revision, self.recorded_at) = (news.head.revision, news.head.recorded_at);
        if anew {
            self.judge_anew();
            return Ok(());
        }
        if self.measures.len() > known {
            self.book = Arc::new(RuleBook::new(&self.catalogue, &self.view()));
        }
        self.judge(&entries);
        Ok(())
    }

    /// Moves on to a revision that this process has written.
    pub fn advance(&mut self, revision: i64, recorded_at: i64) {
        self.times.push(recorded_at);
        (self.revision, self.recorded_at) = (revision, recorded_at);
    }

    /// When a revision was recorded, in microseconds since 1970.
    #[must_use]
    pub fn time_of(&self, revision: u32) -> Option<i64> {
        self.times.get(usize::try_from(revision.checked_sub(1)?).ok()?).copied()
    }

    /// Puts declarations in place. What the catalogue no longer knows lies still until it does again.
    pub fn declare(&mut self, declarations: Declarations) {
        let given = declarations
            .targets
            .values()
            .filter_map(|target| self.catalogue.target("", target).ok())
            .collect();
        self.targets = Arc::new(Targets::new(&self.catalogue.targets, given));
        self.annotations = Arc::new(Annotations::new(
            declarations
                .annotations
                .values()
                .filter_map(|note| AnnotationDocument::checked(note).ok())
                .collect(),
        ));
        self.declared = Arc::new(declarations);
    }

    /// The newest month in which units of a stretch have a figure of an indicator.
    #[must_use]
    pub fn newest(&self, units: Range<usize>) -> Option<Month> {
        let rows =
            self.measures.iter().flat_map(|(id, _)| units.clone().map(move |unit| (id, unit)));
        rows.filter_map(|(id, unit)| self.cube.row(id, unit).last()).max()
    }

    /// The newest month that units of a stretch have reported as a rule: not one that has only begun to come in, of which less than half as
    /// many units have figures as of the month before.
    #[must_use]
    pub fn newest_whole(&self, units: Range<usize>) -> Option<Month> {
        let newest = self.newest(units.clone())?;
        let reported = |month: Month| {
            units
                .clone()
                .filter(|unit| {
                    self.measures.iter().any(|(id, _)| self.cube.row(id, *unit).at(month).is_some())
                })
                .count()
        };
        Some(if reported(newest) * 2 < reported(newest.plus(-1)) {
            newest.plus(-1)
        } else {
            newest
        })
    }

    /// Finds the findings anew that figures have to do with.
    fn judge(&mut self, entries: &[Entry]) {
        let book = Arc::clone(&self.book);
        let mut checks = Vec::new();
        entries.iter().for_each(|entry| book.touched_by(&self.source(), entry, &mut checks));
        checks.sort_unstable();
        checks.dedup();
        for check in checks {
            let found = book.evaluate(&self.source(), &check);
            book.record(&check, found, &mut self.standing);
        }
    }

    /// What a submission is parsed against.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame {
            clock: self.clock.clone(),
            catalogue: Arc::clone(&self.catalogue),
            units: Arc::clone(&self.units),
            closed: Arc::clone(&self.closed),
        }
    }

    /// The figures, with nothing laid over them.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { measures: &self.measures, cube: &self.cube, overlay: None }
    }

    /// The units and the figures.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source::new(&self.units, self.view())
    }

    /// Puts a new catalogue and units in place, and the figures where the units now stand.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when figures no longer fit; callers check that before.
    pub fn reframe(
        &mut self,
        catalogue: Catalogue,
        version: i64,
        units: Units,
    ) -> Result<(), Error> {
        let places: Vec<usize> = self
            .units
            .iter()
            .map(|unit| units.position_of_number(unit.number).unwrap_or(usize::MAX))
            .collect();
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
        (self.catalogue, self.catalogue_version, self.units) =
            (Arc::new(catalogue), version, Arc::new(units));
        self.declare((*self.declared).clone());
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

    /// Takes in the numbers of measures, in their order.
    fn number(&mut self, rows: Vec<MeasureRow>) -> Result<(), Error> {
        let known = self.measures.len();
        for row in rows {
            let members = Members::parse(&row.members)
                .map_err(|_e| corrupt("a measure's members cannot be read"))?;
            let id = self.measures.intern(&Measure { code: row.code, members });
            if i64::try_from(id).ok() != Some(row.id) {
                return Err(corrupt("the dictionary of measures has a gap"));
            }
        }
        for measure in known..self.measures.len() {
            if let Some(decimals) = self.decimals(measure) {
                self.cube.declare(measure, decimals);
            }
        }
        Ok(())
    }

    fn read_figures(&mut self, store: &Store) -> Result<(), Error> {
        let decimals: Vec<Option<u32>> =
            (0..self.measures.len()).map(|measure| self.decimals(measure)).collect();
        let units = Arc::clone(&self.units);
        let mut broken = false;
        store.replay(0, self.revision, &mut |row: ObservationRow| match entry(&row, &units) {
            Some(entry) => {
                self.put(&entry, decimals.get(entry.measure).copied().flatten(), row.revision)
            }
            None => broken = true,
        })?;
        if broken {
            return Err(corrupt("a figure names a unit or month that does not exist"));
        }
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

impl Declared {
    /// As it was when a revision was the newest.
    fn at(store: &Store, revision: i64) -> Result<Self, Error> {
        let (catalogue, version) = match store.catalogue_at(revision)? {
            None => (Catalogue::default(), 0),
            Some(row) => {
                let value = serde_json::from_str(&row.document)
                    .map_err(|_e| corrupt("the catalogue cannot be read"))?;
                let checked = CatalogueDocument::from_value(value).and_then(Catalogue::new);
                (checked.map_err(|faults| inconsistent("the catalogue", &faults))?, row.version)
            }
        };
        let mut documents: Vec<(i64, UnitDocument)> = Vec::new();
        for row in store.units_at(revision)? {
            documents.push((
                row.number,
                serde_json::from_str(&row.document)
                    .map_err(|_e| corrupt("a unit cannot be read"))?,
            ));
        }
        documents.sort_by_key(|(number, _)| *number);
        let units = Units::new(documents).map_err(|faults| inconsistent("the units", &faults))?;
        let mut closed = Closed::new();
        for row in store.closings_at(revision)? {
            let month = i32::try_from(row.month)
                .ok()
                .and_then(Month::from_number)
                .ok_or_else(|| corrupt("a month was closed that does not exist"))?;
            if row.closed {
                closed.insert(month, row.revision)
            } else {
                closed.remove(&month)
            };
        }
        let unreadable = || corrupt("a target or an annotation cannot be read");
        let declarations =
            Declarations::of(store.declarations_at(revision)?).ok_or_else(unreadable)?;
        Ok(Self { catalogue, version, units, closed, declarations })
    }
}

fn corrupt(sentence: &str) -> Error {
    Error::Store(StoreError::Corrupt {
        sentence: format!("The ledger contradicts itself: {sentence}."),
        source: None,
    })
}

fn inconsistent(what: &str, faults: &[Fault]) -> Error {
    corrupt(&format!(
        "{what} has faults, the first: {}",
        faults.first().map(ToString::to_string).unwrap_or_default()
    ))
}
