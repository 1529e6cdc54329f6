//! The state of the ledger in memory at one revision: loading it, and applying later revisions.

pub mod documents;

use std::sync::{Arc, OnceLock};

use self::documents::{ClosedMonths, DeclarationSet, LedgerConfig, LedgerDocuments, corrupt};
use imbl::Vector;

use crate::app::stored::{measure_of, month_of, stamp_of, stored_measure, unit_of};
use crate::clock::{Calendar, Clock};
use crate::error::Error;
use kpi::annotation::{AnnotationDocument, AnnotationIndex};
use kpi::catalogue::Catalogue;
use kpi::cube::{
    Cube, CubeEntry, CubeView, MeasureDictionary, MeasureId, RevisionStamp, RewoundCube,
};
use kpi::fault::{Fault, quoted};
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Statement};
use kpi::period::Month;
use kpi::roll_up::RollUps;
use kpi::rules::{CheckAt, CurrentFindings, Finding, RuleBook};
use kpi::target::TargetIndex;
use kpi::unit::{Unit, UnitForest, UnitPosition, UnitRange};
use kpi::value::ValueSource;
use ledger::chain::{self, Hash};
use ledger::{
    Commit, LedgerHead, MeasureRow, ObservationRow, RevisionId, RevisionNumber, Store, StoreError,
    TimestampMicros,
};

/// The number of months with figures that are compared to find the newest complete one, and the
/// number of months in which these are searched for.
const REPORTED_MONTHS: usize = 13;
const MONTHS_SEARCHED: i32 = 72;

/// At most this many external revisions are applied at once.
const STRETCH: u32 = 16;

/// The validation context of a submission: what it is parsed against. When one part has changed
/// since, the submission is parsed again.
#[derive(Clone)]
pub struct ValidationContext {
    /// The clock, for the current month.
    pub clock: Clock,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The units.
    pub units: Arc<UnitForest>,
    /// The closed months.
    pub closed: Arc<ClosedMonths>,
}

impl ValidationContext {
    /// Whether it is still the validation context of `state`.
    #[must_use]
    pub fn is_current_for(&self, state: &State) -> bool {
        Arc::ptr_eq(&self.catalogue, &state.catalogue)
            && Arc::ptr_eq(&self.units, &state.units)
            && Arc::ptr_eq(&self.closed, &state.closed)
    }
}

/// Everything that responses are computed from. Cloning is cheap: the parts are shared until one
/// changes.
#[derive(Clone)]
pub struct State {
    /// The calendar: where days and months begin.
    pub calendar: Calendar,
    /// The newest revision that it contains.
    pub revision: RevisionNumber,
    /// When that revision was recorded.
    pub recorded_at: TimestampMicros,
    /// The documents that revisions wrote besides figures, as of this revision.
    pub documents: Arc<LedgerDocuments>,
    /// The catalogue.
    pub catalogue: Arc<Catalogue>,
    /// The version number of the catalogue.
    pub catalogue_version: i64,
    /// The units.
    pub units: Arc<UnitForest>,
    /// The closed months.
    pub closed: Arc<ClosedMonths>,
    /// Targets and annotations that were recorded beside the catalogue.
    pub declared: Arc<DeclarationSet>,
    /// The targets of the catalogue and those recorded beside it.
    pub targets: Arc<TargetIndex>,
    /// The annotations beside figures.
    pub annotations: Arc<AnnotationIndex>,
    /// When each revision was recorded, beginning with revision 1.
    pub times: Vector<TimestampMicros>,
    /// The hash of each revision, verified against what the revision wrote, beginning with revision
    /// 1.
    pub hashes: Vector<Hash>,
    /// The dictionary of measures: number and measure.
    pub measures: Arc<MeasureDictionary>,
    /// The current figures.
    pub cube: Cube,
    /// The cached roll-ups of the figures over the units.
    roll_ups: RollUps,
    /// The first and last month with a figure, once they are needed.
    months_with_figures: OnceLock<Option<(Month, Month)>>,
    /// The rules, compiled for the dictionary of measures.
    pub book: Arc<RuleBook>,
    /// The findings of the figures, once they are needed.
    standing: OnceLock<CurrentFindings>,
    /// For each measure, the revision that first named it.
    numbered: Vector<RevisionNumber>,
}

/// External changes: revisions that another process wrote, read and verified against the hash
/// chain, but not yet applied.
pub struct ExternalChanges {
    /// The revision that they follow.
    after: RevisionId,
    commits: Vec<(Commit, Hash)>,
    documents: Arc<LedgerDocuments>,
    declared: Option<LedgerConfig>,
}

impl ExternalChanges {
    /// Reads at most `STRETCH` revisions that follow `after`; `None` when no revision follows. The
    /// result always leads to a state that the ledger once had.
    ///
    /// # Errors
    /// Those of the store, [`StoreError::Unsound`] for a revision that does not match its hash, and
    /// [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn behind(
        store: &Store,
        after: RevisionId,
        documents: &Arc<LedgerDocuments>,
    ) -> Result<Option<Self>, Error> {
        let commits = store.checked_commits_after(after, STRETCH)?;
        if commits.is_empty() {
            return Ok(None);
        }
        let mut documents = Arc::clone(documents);
        if commits.iter().any(|(commit, _)| {
            LedgerDocuments::changed_by(commit) || !commit.declarations.is_empty()
        }) {
            commits.iter().for_each(|(commit, _)| Arc::make_mut(&mut documents).apply(commit));
        }
        let declares = commits.iter().any(|(commit, _)| LedgerDocuments::changed_by(commit));
        let declared = declares.then(|| documents.read()).transpose()?;
        Ok(Some(Self { after, commits, documents, declared }))
    }
}

impl State {
    /// Loads the whole ledger.
    ///
    /// # Errors
    /// Those of the store, [`StoreError::Unsound`] for rows that the hash chain does not cover, and
    /// [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn load(store: &Store, calendar: Calendar) -> Result<Self, Error> {
        let state = Self::at(store, store.head()?, calendar)?;
        state.evaluate_findings();
        Ok(state)
    }

    /// Loads the ledger as of the revision `head`.
    ///
    /// # Errors
    /// As for [`State::load`].
    pub fn at(store: &Store, head: LedgerHead, calendar: Calendar) -> Result<Self, Error> {
        let foundation = store.foundation(head.revision)?;
        let mut documents = LedgerDocuments::default();
        foundation.iter().for_each(|commit| documents.apply(commit));
        let declared = documents.read()?;
        let book = Arc::new(RuleBook::new(
            &declared.catalogue,
            &CubeView {
                measures: &MeasureDictionary::default(),
                cube: &Cube::default(),
                overlay: None,
            },
        ));
        let mut state = Self {
            calendar,
            revision: head.revision,
            recorded_at: head.recorded_at,
            documents: Arc::new(documents),
            catalogue: Arc::new(declared.catalogue),
            catalogue_version: declared.version,
            units: Arc::new(declared.units),
            closed: Arc::new(declared.closed),
            declared: Arc::default(),
            targets: Arc::default(),
            annotations: Arc::default(),
            times: store.times(head.revision)?.into(),
            hashes: store.hashes(head.revision)?.into(),
            measures: Arc::default(),
            cube: Cube::default(),
            roll_ups: RollUps::default(),
            months_with_figures: OnceLock::new(),
            book,
            standing: OnceLock::new(),
            numbered: Vector::new(),
        };
        state.set_declarations(declared.declarations);
        let mut measures: Vec<(RevisionNumber, MeasureRow)> = foundation
            .iter()
            .flat_map(|commit| commit.new_measures.iter().map(|row| (commit.revision, row.clone())))
            .collect();
        measures.sort_unstable_by_key(|(_, row)| row.id);
        let (revisions, measures): (Vec<RevisionNumber>, Vec<MeasureRow>) =
            measures.into_iter().unzip();
        state.numbered.extend(revisions);
        state.number(measures)?;
        // The hashes were read in another transaction than the figures.
        if state.read_figures(store, foundation)? != state.id() {
            return Err(StoreError::Unsound(
                "The hashes of the ledger changed while it was being read: table revisions."
                    .to_owned(),
            )
            .into());
        }
        state.compile_rules();
        Ok(state)
    }

    /// The state at an earlier revision, made from this one: figures that were replaced since are
    /// put back, and figures first recorded since are removed. It equals the state that
    /// [`State::at`] reads from the ledger.
    ///
    /// `None` for a revision of another history, for one before the last change of the catalogue,
    /// the units, the closed months or other declarations, and when too many figures were replaced
    /// since.
    #[must_use]
    pub fn rewound(&self, id: RevisionId, recorded_at: TimestampMicros) -> Option<Self> {
        if id.number < self.documents.changed_at() || self.id_of(id.number) != Some(id) {
            return None;
        }
        let known = self.numbered.iter().take_while(|revision| **revision <= id.number).count();
        let RewoundCube { cube, places } = self.cube.rewound(stamp_of(id.number)?, known)?;
        let length = usize::try_from(id.number.get()).ok()?;
        let mut state = Self {
            revision: id.number,
            recorded_at,
            times: self.times.take(length),
            hashes: self.hashes.take(length),
            numbered: self.numbered.take(known),
            cube,
            roll_ups: RollUps::default(),
            months_with_figures: OnceLock::new(),
            ..self.clone()
        };
        state.roll_ups.extend_to(known);
        if known < self.measures.len() {
            state.measures = Arc::new(self.measures.first(known));
            state.compile_rules();
        } else if let Some(places) = places {
            let entry = |(measure, unit, month)| CubeEntry { measure, unit, month, written: None };
            let entries: Vec<CubeEntry> = places.into_iter().map(entry).collect();
            state.evaluate_rules(&entries);
        } else {
            state.standing = OnceLock::new();
        }
        Some(state)
    }

    /// Bytes of memory that the figures of an earlier revision will take at most: nothing is
    /// deleted, so that there are no more of them than now.
    #[must_use]
    pub fn bytes_rewound(&self, revision: RevisionNumber) -> usize {
        let stamp = stamp_of(revision).unwrap_or(RevisionStamp::new(0));
        self.cube.bytes_rewound(stamp)
    }

    /// Applies external changes.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for rows that contradict each other.
    pub fn apply(&mut self, news: ExternalChanges) -> Result<(), Error> {
        if news.after != self.id() {
            return Err(corrupt("the revisions read do not follow the state"));
        }
        let anew = news.declared.is_some();
        if let Some(declared) = news.declared {
            self.replace_catalogue_and_units(declared.catalogue, declared.version, declared.units)?;
            self.closed = Arc::new(declared.closed);
            self.set_declarations(declared.declarations);
        }
        self.documents = news.documents;
        let known = self.measures.len();
        let mut entries = Vec::new();
        for (commit, hash) in news.commits {
            self.numbered.extend(commit.new_measures.iter().map(|_| commit.revision));
            self.number(commit.new_measures)?;
            for row in &commit.observations {
                let entry = entry(row, &self.units)
                    .ok_or_else(|| corrupt("a figure names a unit or month that does not exist"))?;
                self.put(&entry, self.decimals(entry.measure), row.revision);
                entries.push(entry);
            }
            self.times.push_back(commit.recorded_at);
            self.hashes.push_back(hash);
            (self.revision, self.recorded_at) = (commit.revision, commit.recorded_at);
        }
        if anew {
            self.reevaluate_rules();
            return Ok(());
        }
        if self.measures.len() > known {
            self.book = Arc::new(RuleBook::new(&self.catalogue, &self.view()));
        }
        self.evaluate_rules(&entries);
        Ok(())
    }

    /// Moves to a revision that this process has written; `hash` is its hash.
    pub fn advance(&mut self, commit: &Commit, hash: Hash) {
        self.times.push_back(commit.recorded_at);
        self.hashes.push_back(hash);
        self.numbered.extend(commit.new_measures.iter().map(|_| commit.revision));
        (self.revision, self.recorded_at) = (commit.revision, commit.recorded_at);
        if LedgerDocuments::changed_by(commit) || !commit.declarations.is_empty() {
            Arc::make_mut(&mut self.documents).apply(commit);
        }
    }

    /// The revision of the state, number and hash.
    #[must_use]
    pub fn id(&self) -> RevisionId {
        RevisionId {
            number: self.revision,
            hash: self.hashes.last().copied().unwrap_or_else(chain::beginning),
        }
    }

    /// The hash of the state's revision, as responses carry it: 64 hexadecimal digits.
    #[must_use]
    pub fn revision_hash(&self) -> String {
        self.id().digits()
    }

    /// Number and hash of a revision up to the state's own; `None` for others.
    #[must_use]
    pub fn id_of(&self, revision: RevisionNumber) -> Option<RevisionId> {
        if revision == RevisionNumber::BEGINNING {
            return Some(RevisionId::beginning());
        }
        Some(RevisionId { number: revision, hash: *self.hashes.get(revision.place()?)? })
    }

    /// When a revision was recorded.
    #[must_use]
    pub fn time_of(&self, revision: RevisionNumber) -> Option<TimestampMicros> {
        self.times.get(revision.place()?).copied()
    }

    /// The position of a unit.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no unit has the code.
    pub fn find_unit(&self, code: &str) -> Result<UnitPosition, Error> {
        self.units
            .position(code)
            .ok_or_else(|| Error::NotFound(format!("there is no unit {}", quoted(code))))
    }

    /// The errors of a measure that a request names.
    pub fn measure_faults(&self, measure: &Measure) -> impl Iterator<Item = Fault> {
        self.catalogue
            .measure_faults(measure)
            .into_iter()
            .map(|(code, detail)| Fault::new("/measure", code, detail))
    }

    /// Replaces targets and annotations. Those of measures that the catalogue does not declare are
    /// kept, but have no effect.
    pub fn set_declarations(&mut self, declarations: DeclarationSet) {
        let given = declarations
            .targets
            .values()
            .filter_map(|target| self.catalogue.target("", target).ok())
            .collect();
        self.targets = Arc::new(TargetIndex::new(&self.catalogue.targets, given));
        self.annotations = Arc::new(AnnotationIndex::new(
            declarations
                .annotations
                .values()
                .filter_map(|note| AnnotationDocument::validate(note).ok())
                .collect(),
        ));
        self.declared = Arc::new(declarations);
    }

    /// The first and last month in which any unit has a figure of an indicator.
    #[must_use]
    pub fn months_with_figures(&self) -> Option<(Month, Month)> {
        let find = || {
            let measures: Vec<MeasureId> = self.measures.iter().map(|(id, _)| id).collect();
            self.view().months_with_figures(&measures)
        };
        *self.months_with_figures.get_or_init(find)
    }

    /// The newest month in which one of the units in this range has a figure.
    #[must_use]
    pub fn newest(&self, units: UnitRange) -> Option<Month> {
        self.last_months(units).max()
    }

    /// Whether one of the units in this range has a figure.
    #[must_use]
    pub fn has_figures(&self, units: UnitRange) -> bool {
        self.last_months(units).next().is_some()
    }

    /// The last month with a figure of each measure at each of these units that has any.
    fn last_months(&self, units: UnitRange) -> impl Iterator<Item = Month> + '_ {
        let rows =
            self.measures.iter().flat_map(move |(id, _)| units.iter().map(move |unit| (id, unit)));
        rows.filter_map(|(id, unit)| self.cube.row(id, unit).last())
    }

    /// The newest month that at least half as many units of this range have reported as the month,
    /// among the last [`REPORTED_MONTHS`], that the most units have reported. So a month of which
    /// only the first reports have arrived, or that one unit alone has reported, does not count.
    #[must_use]
    pub fn newest_whole(&self, units: UnitRange) -> Option<Month> {
        let newest = self.newest(units)?;
        let reported = |month: Month| {
            units
                .iter()
                .filter(|unit| {
                    self.measures.iter().any(|(id, _)| self.cube.row(id, *unit).at(month).is_some())
                })
                .count()
        };
        let counts: Vec<(Month, usize)> = (0..MONTHS_SEARCHED)
            .map(|back| newest.plus(-back))
            .map(|month| (month, reported(month)))
            .filter(|(_, count)| *count > 0)
            .take(REPORTED_MONTHS)
            .collect();
        let most = counts.iter().map(|(_, count)| *count).max()?;
        counts.iter().find(|(_, count)| count * 2 >= most).map(|(month, _)| *month)
    }

    /// Evaluates the findings again that depend on the given figures.
    fn evaluate_rules(&mut self, entries: &[CubeEntry]) {
        let book = Arc::clone(&self.book);
        let mut checks = Vec::new();
        entries
            .iter()
            .for_each(|entry| book.collect_affected_checks(&self.source(), entry, &mut checks));
        checks.sort_unstable();
        checks.dedup();
        for check in checks {
            let found = book.evaluate(&self.source(), &check);
            self.record_finding(&book, &check, found);
        }
    }

    /// Replaces the finding of a check.
    pub fn record_finding(&mut self, book: &RuleBook, check: &CheckAt, found: Option<Finding>) {
        self.evaluate_findings();
        if let Some(standing) = self.standing.get_mut() {
            book.record(check, found, standing);
        }
    }

    /// The findings of the figures; a past state evaluates them when they are first needed.
    #[must_use]
    pub fn standing(&self) -> &CurrentFindings {
        self.standing.get_or_init(|| self.book.all(&self.source()))
    }

    /// Evaluates the findings now, if they are not yet.
    pub fn evaluate_findings(&self) {
        self.standing.get_or_init(|| self.book.all(&self.source()));
    }

    /// The validation context for a submission to this state.
    #[must_use]
    pub fn validation_context(&self, clock: &Clock) -> ValidationContext {
        ValidationContext {
            clock: clock.clone(),
            catalogue: Arc::clone(&self.catalogue),
            units: Arc::clone(&self.units),
            closed: Arc::clone(&self.closed),
        }
    }

    /// The current figures as the rules read them, without changes applied to them.
    #[must_use]
    pub fn view(&self) -> CubeView<'_> {
        CubeView { measures: &self.measures, cube: &self.cube, overlay: None }
    }

    /// The units and the figures, from which values are computed.
    #[must_use]
    pub fn source(&self) -> ValueSource<'_> {
        ValueSource::new(&self.units, self.view()).with_roll_ups(&self.roll_ups)
    }

    /// Replaces catalogue and units, and arranges the figures by the new units.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when figures do not fit the new catalogue or units; callers check
    /// that before.
    pub fn replace_catalogue_and_units(
        &mut self,
        catalogue: Catalogue,
        version: i64,
        units: UnitForest,
    ) -> Result<(), Error> {
        let now_at = |unit: &Unit| {
            units
                .position_of_number(unit.number)
                .ok_or_else(|| corrupt("a unit is missing from the ledger"))
        };
        let places = self.units.iter().map(now_at).collect::<Result<Vec<UnitPosition>, Error>>()?;
        let moved = self.units.all().iter().zip(&places).any(|(old, new)| old != *new);
        if moved {
            self.cube = self.cube.rearranged(&places);
        }
        self.roll_ups = RollUps::default();
        self.roll_ups.extend_to(self.measures.len());
        for (id, measure) in self.measures.iter() {
            if let Some(indicator) = catalogue.indicator(&measure.code)
                && !self.cube.set_decimals(id, indicator.decimals)
            {
                return Err(corrupt("a figure has more decimals than its indicator"));
            }
        }
        (self.catalogue, self.catalogue_version, self.units) =
            (Arc::new(catalogue), version, Arc::new(units));
        self.set_declarations((*self.declared).clone());
        Ok(())
    }

    /// Compiles the rules and evaluates all findings again.
    pub fn reevaluate_rules(&mut self) {
        self.compile_rules();
        self.evaluate_findings();
    }

    /// Compiles the rules, so that the findings are evaluated again when they are next needed.
    fn compile_rules(&mut self) {
        self.book = Arc::new(RuleBook::new(&self.catalogue, &self.view()));
        self.standing = OnceLock::new();
    }

    /// Puts one figure into the cube; `decimals` is `None` for a stated rate.
    pub fn put(&mut self, entry: &CubeEntry, decimals: Option<u32>, revision: RevisionNumber) {
        let stamp = stamp_of(revision).unwrap_or(RevisionStamp::new(u32::MAX));
        match decimals {
            Some(_) => {
                self.roll_ups.forget(&self.units, (entry.measure, entry.unit, entry.month));
                self.cube.set(entry, stamp);
                self.months_with_figures = OnceLock::new();
            }
            None => self.cube.set_stated(entry, stamp),
        }
    }

    /// Sets the decimals of an indicator's measure, which rescales the figures that it has.
    pub fn set_decimals(&mut self, measure: MeasureId, decimals: u32) {
        if self.cube.decimals(measure) != Some(decimals) {
            self.roll_ups.forget_measure(measure);
            self.cube.set_decimals(measure, decimals);
        }
    }

    /// The decimals of a measure's indicator; `None` for a kpi.
    #[must_use]
    pub fn decimals(&self, measure: MeasureId) -> Option<u32> {
        let measure = self.measures.get(measure)?;
        self.catalogue.indicator(&measure.code).map(|indicator| indicator.decimals)
    }

    /// Numbers new measures, in the given order.
    pub fn add_measures(&mut self, measures: &[Measure]) {
        if !measures.is_empty() {
            let known = Arc::make_mut(&mut self.measures);
            for measure in measures {
                known.intern(measure);
            }
            self.roll_ups.extend_to(known.len());
        }
    }

    /// Adds measures with their numbers to the dictionary; the numbers must have no gap.
    fn number(&mut self, rows: Vec<MeasureRow>) -> Result<(), Error> {
        let known = self.measures.len();
        for row in rows {
            let members = Members::parse(&row.members)
                .map_err(|_e| corrupt("a measure's members cannot be read"))?;
            let id = Arc::make_mut(&mut self.measures).intern(&Measure { code: row.code, members });
            if stored_measure(id) != row.id {
                return Err(corrupt("the dictionary of measures has a gap"));
            }
        }
        self.roll_ups.extend_to(self.measures.len());
        for measure in (known..self.measures.len()).map(MeasureId::new) {
            if let Some(decimals) = self.decimals(measure) {
                self.set_decimals(measure, decimals);
            }
        }
        Ok(())
    }

    /// Reads all figures into the cube. Returns the revision, number and hash, at which the
    /// verified chain ends.
    fn read_figures(
        &mut self,
        store: &Store,
        foundation: Vec<Commit>,
    ) -> Result<RevisionId, Error> {
        let decimals: Vec<Option<u32>> =
            self.measures.iter().map(|(measure, _)| self.decimals(measure)).collect();
        let units = Arc::clone(&self.units);
        let mut broken = false;
        let last =
            store.load(foundation, self.revision, &mut |row: ObservationRow| match entry(
                &row, &units,
            ) {
                Some(entry) => self.put(
                    &entry,
                    decimals.get(entry.measure.index()).copied().flatten(),
                    row.revision,
                ),
                None => broken = true,
            })?;
        if broken {
            return Err(corrupt("a figure names a unit or month that does not exist"));
        }
        Ok(last)
    }
}

/// The content of a row of the ledger; `None` for a withdrawal.
pub(in crate::app) fn statement(row: &ObservationRow) -> Option<Statement> {
    match row.mantissa {
        Some(mantissa) => {
            Some(Decimal64 { mantissa, scale: u32::try_from(row.scale).unwrap_or(0) }.into())
        }
        None => row.is_not_applicable().then_some(Statement::NotApplicable),
    }
}

/// The mantissa and the scale of a row of the ledger with this content.
pub(in crate::app) fn row_number(written: Option<Statement>) -> (Option<i64>, i64) {
    match written {
        Some(Statement::Number(number)) => (Some(number.mantissa), i64::from(number.scale)),
        Some(Statement::NotApplicable) => ObservationRow::NOT_APPLICABLE,
        None => (None, 0),
    }
}

fn entry(row: &ObservationRow, units: &UnitForest) -> Option<CubeEntry> {
    Some(CubeEntry {
        measure: measure_of(row.measure)?,
        unit: units.position_of_number(unit_of(row.unit))?,
        month: month_of(row.month)?,
        written: statement(row),
    })
}
