//! Cached roll-ups: the sums over the leaves below each unit that has units below it. They are
//! computed at the first query and dropped when a figure below changes, so that a query for a
//! province takes as long as one for a single unit.
//!
//! They belong to one forest and one cube. The writer drops the sums that a figure changes
//! ([`RollUps::forget`]) before readers see the figure, and begins with an empty cache when units
//! or decimals change. A clone shares everything with the original: sums that a reader of an
//! earlier state computes are kept for later states too, as long as no figure below has changed.
//! Readers never wait for each other; two readers that compute the same sums at the same time get
//! equal results.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use imbl::Vector;

use super::bit_set::BitSet;
use super::cube::{Cube, MeasureId};
use super::period::Month;
use super::unit::{Unit, UnitForest, UnitPosition};

/// Most bytes of cached roll-ups; sums beyond this limit are computed for each query.
const MAX_BYTES: usize = 16 << 20;
/// Months of a year.
const MONTHS: usize = 12;

/// The sum of one figure over the leaves below a unit in one month.
#[derive(Clone, Debug, Default)]
pub struct MonthRollUp {
    /// The sum, in units of the figure's last decimal.
    pub sum: i128,
    /// The number of leaves that it covers.
    pub covered: usize,
    /// The number of leaves below the unit.
    pub leaves: usize,
    /// The leaves that it covers, where they are some but not all.
    pub cover: Option<Arc<BitSet>>,
}

/// The sums of one figure at one unit in the months of a year.
#[derive(Debug)]
struct YearRollUp {
    months: [MonthRollUp; MONTHS],
    _taken: TakenBytes,
}

/// The years of one unit, each filled by the first reader that needs it.
type UnitYears = Vec<OnceLock<Arc<YearRollUp>>>;

/// The sums of one figure: for each unit that has units below it, in tree order, its years.
#[derive(Clone, Debug)]
struct RollUpColumn {
    first_year: i32,
    years: usize,
    units: Vector<Arc<UnitYears>>,
    _taken: Arc<TakenBytes>,
}

/// Roll-ups of the figures of each measure, by the measure's number.
#[derive(Clone, Debug, Default)]
pub struct RollUps {
    columns: Vec<OnceLock<RollUpColumn>>,
    bytes: Arc<AtomicUsize>,
}

/// Bytes taken from [`MAX_BYTES`]; dropping this gives them back.
#[derive(Debug)]
struct TakenBytes {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl TakenBytes {
    /// Takes bytes; `None` when they are not left.
    fn take(all: &Arc<AtomicUsize>, bytes: usize) -> Option<Self> {
        let within = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= MAX_BYTES);
        all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(Self { bytes, all: Arc::clone(all) })
    }
}

impl Drop for TakenBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl RollUps {
    /// Makes room for the roll-ups of measures with numbers below `measures`.
    pub fn extend_to(&mut self, measures: usize) {
        if self.columns.len() < measures {
            self.columns.resize_with(measures, OnceLock::new);
        }
    }

    /// Forgets all sums of a measure.
    pub fn forget_measure(&mut self, measure: MeasureId) {
        self.columns.get_mut(measure.index()).into_iter().for_each(|slot| drop(slot.take()));
    }

    /// Forgets the sums of which a figure of a unit and month is part.
    pub fn forget(
        &mut self,
        units: &UnitForest,
        (measure, unit, month): (MeasureId, UnitPosition, Month),
    ) {
        let Some(slot) = self.columns.get_mut(measure.index()) else { return };
        let Some(column) = slot.get_mut() else { return };
        let Some(year) = column.place_of(month) else {
            slot.take(); // its years are those with figures
            return;
        };
        for above in std::iter::once(unit).chain(units.ancestors(unit)) {
            let Some(place) = units.get(above).and_then(Unit::inner_place) else { continue };
            // Also a year that is not filled yet: a reader of an earlier state could fill it for
            // both.
            if let Some(years) = column.units.get_mut(place)
                && let Some(filled) = Arc::make_mut(years).get_mut(year)
            {
                filled.take();
            }
        }
    }

    /// Bytes of memory that the roll-ups take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What `take` makes of the sums of a figure at a unit with units below it, in `count` months
    /// from `first`. `None` for any other unit. Figures that do not apply to their units must not
    /// be among those of the measure.
    #[must_use]
    pub fn months<T>(
        &self,
        (units, cube): (&UnitForest, &Cube),
        (measure, unit): (MeasureId, UnitPosition),
        (first, count): (Month, usize),
        take: impl Fn(Month, &MonthRollUp) -> T,
    ) -> Option<Vec<T>> {
        units.get(unit)?.inner_place()?;
        let asked = RollUpQuestion { kept: self, units, cube, measure };
        let mut found = Vec::with_capacity(count);
        let mut month = first;
        while found.len() < count {
            let place = usize::try_from(month.number().rem_euclid(12)).unwrap_or(0);
            let taken = (MONTHS - place).min(count - found.len());
            let year = asked.year(unit, month.year());
            let months = (0..).map(|n| month.plus(n)).zip(year.months.get(place..place + taken)?);
            found.extend(months.map(|(month, sums)| take(month, sums)));
            month = month.plus(i32::try_from(taken).ok()?);
        }
        Some(found)
    }

    /// The column of a measure; `None` when there is no room for it, or no figure.
    fn column(&self, units: &UnitForest, cube: &Cube, measure: MeasureId) -> Option<&RollUpColumn> {
        let slot = self.columns.get(measure.index())?;
        if let Some(column) = slot.get() {
            return Some(column);
        }
        let (first, last) = cube.span_of(measure)?;
        let years = usize::try_from(last.year() - first.year() + 1).ok()?;
        let count = units.inner_len();
        let bytes = count * (years * size_of::<OnceLock<Arc<YearRollUp>>>() + 64);
        let taken = Arc::new(TakenBytes::take(&self.bytes, bytes)?);
        let empty = || Arc::new((0..years).map(|_| OnceLock::new()).collect::<UnitYears>());
        let units = (0..count).map(|_| empty()).collect();
        Some(slot.get_or_init(|| RollUpColumn {
            first_year: first.year(),
            years,
            units,
            _taken: taken,
        }))
    }
}

impl RollUpColumn {
    /// The place of the year of a month.
    fn place_of(&self, month: Month) -> Option<usize> {
        self.place_of_year(month.year())
    }

    fn place_of_year(&self, year: i32) -> Option<usize> {
        usize::try_from(year - self.first_year).ok().filter(|place| *place < self.years)
    }
}

/// The figure of which sums are computed.
struct RollUpQuestion<'a> {
    kept: &'a RollUps,
    units: &'a UnitForest,
    cube: &'a Cube,
    measure: MeasureId,
}

impl RollUpQuestion<'_> {
    /// The sums at a unit in the months of a year, kept or computed.
    fn year(&self, unit: UnitPosition, year: i32) -> Arc<YearRollUp> {
        let column = self.kept.column(self.units, self.cube, self.measure);
        let place = self.units.get(unit).and_then(Unit::inner_place);
        let slot = column
            .zip(place)
            .and_then(|(column, place)| column.units.get(place)?.get(column.place_of_year(year)?));
        if let Some(kept) = slot.and_then(OnceLock::get) {
            return Arc::clone(kept);
        }
        let is_inside =
            |(first, last): (Month, Month)| (first.year()..=last.year()).contains(&year);
        let months = if self.cube.span_of(self.measure).is_some_and(is_inside) {
            self.compute(unit, year)
        } else {
            self.without_figures(unit, year)
        };
        let covers = months.iter().filter_map(|month| month.cover.as_ref()).map(|set| set.bytes());
        let bytes = size_of::<YearRollUp>() + 2 * size_of::<usize>() + covers.sum::<usize>();
        match (slot, TakenBytes::take(&self.kept.bytes, bytes)) {
            (Some(slot), Some(taken)) => {
                Arc::clone(slot.get_or_init(|| Arc::new(YearRollUp { months, _taken: taken })))
            }
            (_, taken) => {
                let none = || TakenBytes { bytes: 0, all: Arc::clone(&self.kept.bytes) };
                Arc::new(YearRollUp { months, _taken: taken.unwrap_or_else(none) })
            }
        }
    }

    /// The months of a year in which nothing is summed: only the leaves are counted.
    fn without_figures(&self, unit: UnitPosition, year: i32) -> [MonthRollUp; MONTHS] {
        std::array::from_fn(|place| {
            let month = month_of_year(year, place);
            let leaves = |month| self.units.leaf_count(self.units.subtree(unit), month);
            MonthRollUp { leaves: month.map_or(0, leaves), ..MonthRollUp::default() }
        })
    }

    /// Sums the own values below a unit: a unit with an own value represents everything below it,
    /// and a unit that does not exist has nothing below it.
    fn compute(&self, unit: UnitPosition, year: i32) -> [MonthRollUp; MONTHS] {
        let mut months = self.without_figures(unit, year);
        let Some(here) = self.units.get(unit) else { return months };
        let own = self.cube.row(self.measure, unit);
        // The months in which the sum comes from below.
        let mut below: [Option<Month>; MONTHS] = [None; MONTHS];
        for (place, sums) in months.iter_mut().enumerate() {
            let month = month_of_year(year, place).filter(|month| here.exists(*month));
            let Some(month) = month else { continue };
            match own.at(month) {
                Some(value) => (sums.sum, sums.covered) = (i128::from(value), sums.leaves),
                None => below.get_mut(place).into_iter().for_each(|slot| *slot = Some(month)),
            }
        }
        let children: Vec<ChildSums> =
            self.units.children(unit).map(|child| self.child(child, year)).collect();
        for child in &children {
            for (place, month) in below.iter().enumerate() {
                let Some(month) = month.filter(|month| self.units.exists(child.place, *month))
                else {
                    continue;
                };
                let (sum, covered) = child.at(self, place, month);
                if let Some(sums) = months.get_mut(place) {
                    sums.sum += sum;
                    sums.covered += covered;
                }
            }
        }
        self.note_covers(&children, &below, &mut months);
        months
    }

    /// Records the covered leaves of the months in which some, but not all, are covered.
    /// Neighbouring months with the same leaves share them.
    fn note_covers(
        &self,
        children: &[ChildSums],
        below: &[Option<Month>; MONTHS],
        months: &mut [MonthRollUp; MONTHS],
    ) {
        let mut before: Option<Arc<BitSet>> = None;
        for (place, (sums, month)) in months.iter_mut().zip(below).enumerate() {
            let Some(month) = month.filter(|_| sums.covered > 0 && sums.covered < sums.leaves)
            else {
                continue;
            };
            let mut cover = BitSet::default();
            for child in children.iter().filter(|child| self.units.exists(child.place, month)) {
                child.extend_cover(self, place, month, &mut cover);
            }
            let same = before.filter(|before| **before == cover);
            let cover = same.unwrap_or_else(|| Arc::new(cover));
            sums.cover = Some(Arc::clone(&cover));
            before = Some(cover);
        }
    }

    fn child(&self, unit: UnitPosition, year: i32) -> ChildSums {
        let year =
            self.units.get(unit).and_then(Unit::inner_place).map(|_inner| self.year(unit, year));
        ChildSums { place: unit, year }
    }
}

/// The month at a place of a year, from 0, if it is a known month.
fn month_of_year(year: i32, place: usize) -> Option<Month> {
    Month::from_number(year * 12 + i32::try_from(place).unwrap_or(0))
}

/// A child of a unit while the sums of the unit are computed; with its own sums if units are below
/// it.
struct ChildSums {
    /// Its position.
    place: UnitPosition,
    year: Option<Arc<YearRollUp>>,
}

impl ChildSums {
    /// The sum and the number of covered leaves of a month in which the child exists.
    fn at(&self, asked: &RollUpQuestion<'_>, place: usize, month: Month) -> (i128, usize) {
        match &self.year {
            Some(year) => year.months.get(place).map_or((0, 0), |sums| (sums.sum, sums.covered)),
            None => asked
                .cube
                .row(asked.measure, self.place)
                .at(month)
                .map_or((0, 0), |value| (i128::from(value), 1)),
        }
    }

    /// Adds the covered leaves of a month in which the child exists.
    fn extend_cover(
        &self,
        asked: &RollUpQuestion<'_>,
        place: usize,
        month: Month,
        cover: &mut BitSet,
    ) {
        match self.year.as_ref().map(|year| year.months.get(place)) {
            None if asked.cube.row(asked.measure, self.place).at(month).is_some() => {
                cover.insert(self.place);
            }
            Some(Some(MonthRollUp { cover: Some(some), .. })) => cover.extend(some),
            Some(Some(all)) if all.covered > 0 => {
                cover.extend(&asked.units.leaves(self.place, month));
            }
            None | Some(_) => {}
        }
    }
}
