//! Units: the forest, their validity and their successors (docs/specification.md#units).
//!
//! Units are in tree order: parents come before children and a subtree is one contiguous range, so
//! that a roll-up reads a range. A [`UnitPosition`] is a place in this order. Positions change when
//! units are added, so they are only used in memory; the ledger stores a [`UnitNumber`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::bit_set::BitSet;
use super::fault::{CODE, Fault, is_code, quoted};
use super::labels::label_fault;
use super::number::Decimal64;
use super::period::{FIRST_MONTH, LAST_MONTH, Month};
pub use super::position::{UnitPosition, UnitPositions, UnitRange};

/// Most units a forest may have.
pub const MAX_UNITS: usize = 200_000;
/// Most levels of the forest.
pub const MAX_DEPTH: usize = 12;

/// A name in the two languages of the service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LocalizedName {
    /// Vietnamese.
    #[serde(default)]
    pub vi: String,
    /// English.
    #[serde(default)]
    pub en: String,
}

/// The kind of organisation that a unit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// A province or a city under the central government.
    Province,
    /// A department of a province.
    Department,
    /// A district, town or city of a province; Viet Nam has had none since 1 July 2025.
    District,
    /// A commune, ward or township.
    Commune,
    /// Any other body that reports.
    #[default]
    Agency,
}

impl UnitKind {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::Department => "department",
            Self::District => "district",
            Self::Commune => "commune",
            Self::Agency => "agency",
        }
    }
}

/// A number or identifier that the state assigns to a unit for a time. The state may later assign
/// it to another unit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OfficialCode {
    /// The code.
    pub code: String,
    /// The list that the code comes from, such as `gso` or `eid`.
    #[serde(default)]
    pub scheme: String,
    /// First day on which the unit has the code.
    #[serde(default)]
    pub valid_from: Option<NaiveDate>,
    /// Last day on which the unit has the code.
    #[serde(default)]
    pub valid_to: Option<NaiveDate>,
}

/// A unit as clients write and read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UnitDocument {
    /// Identifies the unit. A code is never reused for another unit.
    pub code: String,
    /// The kind of organisation.
    #[serde(default)]
    pub kind: UnitKind,
    /// Its name.
    #[serde(default)]
    pub name: LocalizedName,
    /// Code of the unit above; it never changes.
    #[serde(default)]
    pub parent: Option<String>,
    /// First day on which the unit exists; open when absent.
    #[serde(default)]
    pub valid_from: Option<NaiveDate>,
    /// Last day on which the unit exists; open when absent.
    #[serde(default)]
    pub valid_to: Option<NaiveDate>,
    /// Codes of the units that continue this one.
    #[serde(default)]
    pub successors: Vec<String>,
    /// For a unit that was split: the share of its figures that each successor continues, 0 to 1,
    /// together exactly 1. Without shares the past of the successors is null with
    /// `geography=current`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "schema", schema(value_type = BTreeMap<String, f64>))]
    pub shares: BTreeMap<String, Decimal64>,
    /// Numbers that the state assigns to the unit.
    #[serde(default)]
    pub official_codes: Vec<OfficialCode>,
    /// Further names in reports and tables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl UnitDocument {
    /// The one name to show: Vietnamese, otherwise English, otherwise the code.
    #[must_use]
    pub fn shown(&self) -> &str {
        [&self.name.vi, &self.name.en]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or(&self.code)
    }
}

/// The number by which the ledger names a unit; never given to another unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct UnitNumber(i64);

impl UnitNumber {
    /// The number of the first unit of a ledger.
    pub const FIRST: Self = Self(1);

    /// The number that the ledger stores as `value`.
    #[must_use]
    pub const fn new(value: i64) -> Self {
        Self(value)
    }

    /// The number as the ledger stores it.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A unit at its place in the forest.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The number of the unit in the ledger.
    pub number: UnitNumber,
    /// The document that it was made from.
    pub document: UnitDocument,
    /// Position of its parent.
    pub parent: Option<UnitPosition>,
    /// End of the range of positions of the units below it, exclusive.
    pub end: UnitPosition,
    /// The number of units above it.
    pub depth: usize,
    /// First month in which the unit is valid on the last day.
    pub first: Month,
    /// Last month in which the unit is valid on the last day.
    pub last: Month,
    successors: Vec<UnitPosition>,
    predecessors: Vec<UnitPosition>,
    /// The months from which a unit begins or ceases to exist that is this unit, a unit below it,
    /// or one that became part of these; in order.
    changes: Box<[Month]>,
    /// Its place among the units that have units below them.
    inner: Option<u32>,
}

impl Unit {
    /// Whether the unit exists in a month, that is, is valid on the last day of the month.
    #[must_use]
    pub fn exists(&self, month: Month) -> bool {
        self.first <= month && month <= self.last
    }

    /// Whether the unit is valid on a day.
    #[must_use]
    pub fn exists_on(&self, day: NaiveDate) -> bool {
        self.document.valid_from.is_none_or(|from| from <= day)
            && self.document.valid_to.is_none_or(|to| day <= to)
    }

    /// Its place among the units that have units below them, in tree order; `None` when it has
    /// none.
    #[must_use]
    pub fn inner_place(&self) -> Option<usize> {
        self.inner.and_then(|place| usize::try_from(place).ok())
    }

    /// Whether the unit names no successors.
    #[must_use]
    pub fn has_no_successor(&self) -> bool {
        self.successors.is_empty()
    }
}

/// The first and the last month in which a unit is valid on the last day. If the first is after the
/// last, the unit is valid in no month.
fn months_of(from: Option<NaiveDate>, to: Option<NaiveDate>) -> (Month, Month) {
    let first = from.map_or(FIRST_MONTH, Month::of);
    let last = to.map_or(LAST_MONTH, |day| {
        let month = Month::of(day);
        if month.last_day() == day { month } else { month.plus(-1) }
    });
    (first, last)
}

/// A range of months in which the same units exist.
#[derive(Clone, Debug)]
struct UnitEpoch {
    first: Month,
    leaves: BitSet,
    /// Units that exist while their parent does not; they count for no unit above them.
    detached: Vec<UnitPosition>,
}

/// All units in tree order.
#[derive(Clone, Debug, Default)]
pub struct UnitForest {
    units: Vec<Unit>,
    positions: HashMap<String, UnitPosition>,
    numbers: HashMap<UnitNumber, UnitPosition>,
    official: HashMap<String, Vec<UnitPosition>>,
    with_successors: Vec<UnitPosition>,
    epochs: Vec<UnitEpoch>,
    inner_len: usize,
}

impl UnitForest {
    /// Puts units into tree order. Each document comes with the unit's number in the ledger.
    ///
    /// # Errors
    /// All errors at once: unknown parents and successors, circles, duplicate or malformed codes,
    /// reversed dates, missing names, too many units or levels. Pointers are `/units/N/field`.
    pub fn new(documents: Vec<(UnitNumber, UnitDocument)>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(documents.len());
        if documents.len() > MAX_UNITS {
            faults.push(Fault::new("/units", "too_many", format!("at most {MAX_UNITS} units")));
            return Err(faults);
        }
        for (n, (_, document)) in documents.iter().enumerate() {
            check_document(n, document, &mut faults);
            if index.insert(&document.code, n).is_some() {
                faults.push(Fault::new(
                    format!("/units/{n}/code"),
                    "duplicate",
                    format!("{} is a duplicate", quoted(&document.code)),
                ));
            }
        }
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); documents.len()];
        let mut roots = Vec::new();
        for (n, (_, document)) in documents.iter().enumerate() {
            match document.parent.as_deref().map(|parent| index.get(parent)) {
                None => roots.push(n),
                Some(Some(&parent)) => {
                    children.get_mut(parent).into_iter().for_each(|list| list.push(n))
                }
                Some(None) => faults.push(Fault::new(
                    format!("/units/{n}/parent"),
                    "unknown_unit",
                    "no unit has this code",
                )),
            }
            for (s, successor) in document.successors.iter().enumerate() {
                if !index.contains_key(successor.as_str()) {
                    faults.push(Fault::new(
                        format!("/units/{n}/successors/{s}"),
                        "unknown_unit",
                        format!("no unit has the code {}", quoted(successor)),
                    ));
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let by_code = |a: &usize, b: &usize| {
            documents.get(*a).map(|d| &d.1.code).cmp(&documents.get(*b).map(|d| &d.1.code))
        };
        roots.sort_by(by_code);
        children.iter_mut().for_each(|list| list.sort_by(by_code));
        let order = tree_order(&roots, &children);
        if order.len() < documents.len() {
            let placed: std::collections::HashSet<usize> = order.iter().map(|(n, ..)| *n).collect();
            for n in (0..documents.len()).filter(|n| !placed.contains(n)) {
                faults.push(Fault::new(
                    format!("/units/{n}/parent"),
                    "circle",
                    "the unit is its own ancestor",
                ));
            }
            return Err(faults);
        }
        for (n, depth, _) in order.iter().filter(|(_, depth, _)| *depth >= MAX_DEPTH) {
            faults.push(Fault::new(
                format!("/units/{n}/parent"),
                "too_deep",
                format!("{depth} units are above it; at most {MAX_DEPTH} levels are allowed"),
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self::placed(documents, &order))
    }

    /// Puts units into tree order that have no numbers in a ledger yet: they are numbered from 1.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn numbered(documents: impl IntoIterator<Item = UnitDocument>) -> Result<Self, Vec<Fault>> {
        Self::new((1..).map(UnitNumber).zip(documents).collect())
    }

    fn placed(documents: Vec<(UnitNumber, UnitDocument)>, order: &[(usize, usize, usize)]) -> Self {
        let mut documents: Vec<Option<(UnitNumber, UnitDocument)>> =
            documents.into_iter().map(Some).collect();
        let mut units = Vec::with_capacity(order.len());
        let mut positions = HashMap::with_capacity(order.len());
        let mut inner_places = 0_u32..;
        for (n, depth, size) in order {
            let Some((number, document)) = documents.get_mut(*n).and_then(Option::take) else {
                continue;
            };
            let (first, last) = months_of(document.valid_from, document.valid_to);
            let parent = document.parent.as_deref().and_then(|code| positions.get(code).copied());
            positions.insert(document.code.clone(), UnitPosition::new(units.len()));
            let end = UnitPosition::new(units.len() + size);
            units.push(Unit {
                number,
                document,
                parent,
                end,
                depth: *depth,
                first,
                last,
                successors: Vec::new(),
                predecessors: Vec::new(),
                changes: Box::default(),
                inner: if *size > 1 { inner_places.next() } else { None },
            });
        }
        let (mut with_successors, mut official) =
            (Vec::new(), HashMap::<String, Vec<UnitPosition>>::new());
        for (position, unit) in placed(units.iter_mut()) {
            unit.successors = unit
                .document
                .successors
                .iter()
                .filter_map(|code| positions.get(code).copied())
                .collect();
            if !unit.successors.is_empty() {
                with_successors.push(position);
            }
            for code in &unit.document.official_codes {
                official.entry(code.code.clone()).or_default().push(position);
            }
        }
        for before in &with_successors {
            for successor in
                units.get(before.index()).map(|unit| unit.successors.clone()).unwrap_or_default()
            {
                units
                    .get_mut(successor.index())
                    .into_iter()
                    .for_each(|unit| unit.predecessors.push(*before));
            }
        }
        let changes = changes_of(&units);
        for (unit, changes) in units.iter_mut().zip(changes) {
            unit.changes = changes.into_iter().collect();
        }
        let numbers = placed(&units).map(|(position, unit)| (unit.number, position)).collect();
        let epochs = epochs_of(&units);
        let inner_len = units.iter().filter(|unit| unit.inner.is_some()).count();
        Self { units, positions, numbers, official, with_successors, epochs, inner_len }
    }

    /// The number of units.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there are no units.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// All units in tree order.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }

    /// The positions of all units.
    #[must_use]
    pub fn all(&self) -> UnitRange {
        UnitRange::of_first(self.units.len())
    }

    /// All units in tree order, each with its position.
    pub fn iter_placed(&self) -> impl Iterator<Item = (UnitPosition, &Unit)> {
        placed(&self.units)
    }

    /// The unit at a position.
    #[must_use]
    pub fn get(&self, position: UnitPosition) -> Option<&Unit> {
        self.units.get(position.index())
    }

    /// The code of the unit at a position.
    #[must_use]
    pub fn code(&self, position: UnitPosition) -> &str {
        self.get(position).map_or("", |unit| unit.document.code.as_str())
    }

    /// The position of the unit with a code.
    #[must_use]
    pub fn position(&self, code: &str) -> Option<UnitPosition> {
        self.positions.get(code).copied()
    }

    /// The position of the unit with a number of the ledger.
    #[must_use]
    pub fn position_of_number(&self, number: UnitNumber) -> Option<UnitPosition> {
        self.numbers.get(&number).copied()
    }

    /// The units that have an official code on the last day of a month.
    #[must_use]
    pub fn with_official_code(&self, code: &str, month: Month) -> Vec<UnitPosition> {
        let day = month.last_day();
        let bears = |position: &UnitPosition| {
            self.get(*position).is_some_and(|unit| {
                unit.exists(month)
                    && unit.document.official_codes.iter().any(|official| {
                        official.code == code
                            && official.valid_from.is_none_or(|from| from <= day)
                            && official.valid_to.is_none_or(|to| day <= to)
                    })
            })
        };
        self.official
            .get(code)
            .map(|list| list.iter().copied().filter(bears).collect())
            .unwrap_or_default()
    }

    /// Whether the unit at a position exists in a month.
    #[must_use]
    pub fn exists(&self, position: UnitPosition, month: Month) -> bool {
        self.get(position).is_some_and(|unit| unit.exists(month))
    }

    /// The children of a unit in any month, in order of their codes.
    pub fn children(&self, position: UnitPosition) -> impl Iterator<Item = UnitPosition> + '_ {
        let end = self.get(position).map_or(UnitPosition::default(), |unit| unit.end);
        self.outermost_units(UnitRange::new(position.next(), end))
    }

    /// The units without a parent in any month, in order of their codes.
    pub fn roots(&self) -> impl Iterator<Item = UnitPosition> + '_ {
        self.outermost_units(self.all())
    }

    /// The topmost units of a range that consists of whole subtrees.
    fn outermost_units(&self, stretch: UnitRange) -> impl Iterator<Item = UnitPosition> + '_ {
        let (mut next, end) = (stretch.start, stretch.end);
        std::iter::from_fn(move || {
            let unit = next;
            (unit < end).then(|| {
                next = self.get(unit).map_or(end, |unit| unit.end);
                unit
            })
        })
    }

    /// The unit and all units below it, in any month.
    #[must_use]
    pub fn subtree(&self, position: UnitPosition) -> UnitRange {
        UnitRange::new(position, self.get(position).map_or(position, |unit| unit.end))
    }

    /// The units above a unit, nearest first.
    pub fn ancestors(&self, position: UnitPosition) -> impl Iterator<Item = UnitPosition> + '_ {
        std::iter::successors(self.get(position).and_then(|unit| unit.parent), |above| {
            self.get(*above).and_then(|unit| unit.parent)
        })
    }

    /// Whether a unit is a leaf in a month: it exists and none of its children does.
    #[must_use]
    pub fn is_leaf(&self, position: UnitPosition, month: Month) -> bool {
        self.epoch(month).is_some_and(|epoch| epoch.leaves.contains(position))
    }

    /// Whether the same units exist in two months.
    #[must_use]
    pub fn same_epoch(&self, one: Month, other: Month) -> bool {
        self.epoch_index(one) == self.epoch_index(other)
    }

    /// Whether the units that exist below a unit, or are to become part of it, are the same in two
    /// months and all months between them.
    #[must_use]
    pub fn is_unchanged(&self, position: UnitPosition, one: Month, other: Month) -> bool {
        let (first, last) = (one.min(other), one.max(other));
        let within = |change: &Month| first < *change && *change <= last;
        self.get(position).is_some_and(|unit| !unit.changes.iter().any(within))
    }

    /// The leaves below a unit in a month, or the unit itself when it is a leaf.
    #[must_use]
    pub fn leaves(&self, position: UnitPosition, month: Month) -> BitSet {
        let mut found = BitSet::default();
        let (Some(epoch), Some(unit)) = (self.epoch(month), self.get(position)) else {
            return found;
        };
        if !unit.exists(month) {
            return found;
        }
        found.copy_range(&epoch.leaves, UnitRange::new(position, unit.end));
        let start = epoch.detached.partition_point(|p| *p <= position);
        for detached in epoch.detached.iter().skip(start).take_while(|p| **p < unit.end) {
            found.clear_range(self.subtree(*detached));
        }
        if found.is_empty() {
            found.insert(position); // no child exists, so the unit is a leaf
        }
        found
    }

    /// The number of leaves in the [subtree](Self::subtree) of a unit in a month; 1 when the unit
    /// is a leaf itself, 0 when it does not exist.
    #[must_use]
    pub fn leaf_count(&self, subtree: UnitRange, month: Month) -> usize {
        let Some(epoch) = self.epoch(month).filter(|_| self.exists(subtree.start, month)) else {
            return 0;
        };
        if subtree.len() == 1 {
            return 1;
        }
        let first = epoch.detached.partition_point(|detached| *detached <= subtree.start);
        if epoch.detached.get(first).is_some_and(|detached| *detached < subtree.end) {
            return self.leaves(subtree.start, month).len();
        }
        epoch.leaves.count_range(subtree).max(1)
    }

    /// The number of units that have units below them.
    #[must_use]
    pub fn inner_len(&self) -> usize {
        self.inner_len
    }

    /// What a unit became by a month: itself when it exists then, otherwise the existing units to
    /// which its successors lead, followed transitively. Empty when it ended without successors.
    #[must_use]
    pub fn successors_at(&self, position: UnitPosition, month: Month) -> Vec<UnitPosition> {
        self.follow_successors(position, |_, unit| unit.exists(month))
    }

    /// Follows the successors of a unit and returns, on each way, the first unit for which `ends`
    /// is true.
    pub(super) fn follow_successors(
        &self,
        position: UnitPosition,
        ends: impl Fn(UnitPosition, &Unit) -> bool,
    ) -> Vec<UnitPosition> {
        let (mut found, mut seen, mut waiting) = (Vec::new(), vec![position], vec![position]);
        while let Some(next) = waiting.pop() {
            let Some(unit) = self.get(next) else { continue };
            if ends(next, unit) {
                found.push(next);
                continue;
            }
            for successor in &unit.successors {
                if !seen.contains(successor) {
                    seen.push(*successor);
                    waiting.push(*successor);
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// The units that name this unit as a successor.
    pub(super) fn named_predecessors(&self, position: UnitPosition) -> &[UnitPosition] {
        self.get(position).map_or(&[], |unit| &unit.predecessors)
    }

    /// The successors of a unit, each with its share. A single successor has all. `None` when the
    /// unit was split without declared shares.
    pub(super) fn shares(&self, position: UnitPosition) -> Option<Vec<(UnitPosition, f64)>> {
        let unit = self.get(position)?;
        if let [only] = unit.successors.as_slice() {
            return Some(vec![(*only, 1.0)]);
        }
        let shares = &unit.document.shares;
        (!shares.is_empty()).then(|| {
            shares
                .iter()
                .filter_map(|(code, share)| Some((self.position(code)?, share.to_f64())))
                .collect()
        })
    }

    /// The leaves of month `then` that no longer exist in month `now` and have successors.
    pub fn ended_leaves(&self, then: Month, now: Month) -> impl Iterator<Item = UnitPosition> + '_ {
        self.with_successors
            .iter()
            .copied()
            .filter(move |position| self.is_leaf(*position, then) && !self.exists(*position, now))
    }

    fn epoch_index(&self, month: Month) -> usize {
        self.epochs.partition_point(|epoch| epoch.first <= month)
    }

    fn epoch(&self, month: Month) -> Option<&UnitEpoch> {
        self.epochs.get(self.epoch_index(month).checked_sub(1)?)
    }
}

/// The changes of each unit ([`UnitForest::is_unchanged`]).
fn changes_of(units: &[Unit]) -> Vec<BTreeSet<Month>> {
    let mut changes = vec![BTreeSet::new(); units.len()];
    for (position, unit) in placed(units) {
        let begins = Some(unit.first).filter(|first| *first > FIRST_MONTH);
        let ends = Some(unit.last).filter(|last| *last < LAST_MONTH).map(|last| last.plus(1));
        if begins.is_none() && ends.is_none() {
            continue;
        }
        // What it became part of, and everything above that.
        let (mut became, mut waiting) = (BTreeSet::from([position]), vec![position]);
        while let Some(next) = waiting.pop() {
            let successors = units.get(next.index()).map_or(&[][..], |unit| &unit.successors);
            waiting.extend(successors.iter().filter(|successor| became.insert(**successor)));
        }
        for part in became {
            let mut above = Some(part);
            while let Some(unit) = above {
                let changed: Option<&mut BTreeSet<Month>> = changes.get_mut(unit.index());
                changed.into_iter().for_each(|months| months.extend(begins.iter().chain(&ends)));
                above = units.get(unit.index()).and_then(|unit| unit.parent);
            }
        }
    }
    changes
}

/// Index of the document, depth and size of the subtree of each unit, in tree order. Units in a
/// circle are left out.
fn tree_order(roots: &[usize], children: &[Vec<usize>]) -> Vec<(usize, usize, usize)> {
    let mut order: Vec<(usize, usize, usize)> = Vec::with_capacity(children.len());
    let mut waiting: Vec<(usize, usize)> = roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((n, depth)) = waiting.pop() {
        order.push((n, depth, 1));
        if let Some(list) = children.get(n) {
            waiting.extend(list.iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    // A subtree ends before the next unit of the same or a smaller depth.
    let mut open: Vec<usize> = Vec::new();
    let depths: Vec<usize> = order.iter().map(|entry| entry.1).collect();
    for (place, depth) in depths.iter().enumerate() {
        while let Some(last) = open.pop_if(|last| depths.get(*last).is_some_and(|d| d >= depth)) {
            order.get_mut(last).into_iter().for_each(|entry| entry.2 = place - last);
        }
        open.push(place);
    }
    let total = order.len();
    for last in open {
        order.get_mut(last).into_iter().for_each(|entry| entry.2 = total - last);
    }
    order
}

/// Units in tree order, each with its position.
fn placed<U>(units: impl IntoIterator<Item = U>) -> impl Iterator<Item = (UnitPosition, U)> {
    units.into_iter().enumerate().map(|(index, unit)| (UnitPosition::new(index), unit))
}

fn epochs_of(units: &[Unit]) -> Vec<UnitEpoch> {
    let mut starts: Vec<Month> =
        units.iter().flat_map(|unit| [unit.first, unit.last.plus(1)]).collect();
    starts.push(FIRST_MONTH);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|month| *month <= LAST_MONTH);
    starts
        .into_iter()
        .map(|first| {
            let mut leaves = BitSet::default();
            let mut detached = Vec::new();
            for (position, unit) in placed(units).filter(|(_, unit)| unit.exists(first)) {
                leaves.insert(position);
                let above = |parent: UnitPosition| Some((parent, units.get(parent.index())?));
                match unit.parent.and_then(above) {
                    Some((parent, above)) if above.exists(first) => leaves.remove(parent),
                    Some(_) => detached.push(position),
                    None => {}
                }
            }
            UnitEpoch { first, leaves, detached }
        })
        .collect()
}

fn check_document(n: usize, document: &UnitDocument, faults: &mut Vec<Fault>) {
    let mut fault = |field: &str, code, detail: String| {
        faults.push(Fault::new(format!("/units/{n}/{field}"), code, detail))
    };
    if !is_code(&document.code) {
        fault(
            "code",
            "malformed_code",
            format!("{} is not a code: {CODE}", quoted(&document.code)),
        );
    }
    if [&document.name.vi, &document.name.en].iter().any(|name| name.chars().count() > 300) {
        fault("name", "too_long", "at most 300 characters".to_owned());
    }
    if let Some(detail) = label_fault(&document.labels) {
        fault("labels", "malformed_labels", detail);
    }
    if matches!((document.valid_from, document.valid_to), (Some(from), Some(to)) if to < from) {
        fault("valid_to", "dates_reversed", "valid_to is before valid_from".to_owned());
    }
    if !document.successors.is_empty() && document.valid_to.is_none() {
        fault("successors", "not_ended", "only a unit with valid_to has successors".to_owned());
    }
    if document.successors.contains(&document.code) {
        fault("successors", "circle", "a unit cannot be its own successor".to_owned());
    }
    if document.successors.len() > 1000 || document.official_codes.len() > 100 {
        fault(
            "successors",
            "too_many",
            "at most 1,000 successors and 100 official codes".to_owned(),
        );
    }
    if !document.shares.is_empty() {
        share_fault(document)
            .into_iter()
            .for_each(|detail| fault("shares", "malformed_shares", detail));
    }
    for (c, code) in document.official_codes.iter().enumerate() {
        if code.code.is_empty() || code.code.chars().count() > 60 {
            fault(
                &format!("official_codes/{c}/code"),
                "malformed_code",
                "1 to 60 characters".to_owned(),
            );
        }
        if matches!((code.valid_from, code.valid_to), (Some(from), Some(to)) if to < from) {
            fault(
                &format!("official_codes/{c}/valid_to"),
                "dates_reversed",
                "valid_to is before valid_from".to_owned(),
            );
        }
    }
}

/// The error in the shares of a unit that was split, if there is one.
fn share_fault(document: &UnitDocument) -> Option<String> {
    const DECIMALS: u32 = 9;
    if !document.successors.iter().all(|code| document.shares.contains_key(code))
        || document.shares.len() != document.successors.len()
    {
        return Some("shares must name each successor once and no other unit".to_owned());
    }
    let whole = super::number::power_of_ten(DECIMALS);
    let Some(parts) = document
        .shares
        .values()
        .map(|share| share.at_scale(DECIMALS).filter(|part| (0..=whole).contains(part)))
        .collect::<Option<Vec<i64>>>()
    else {
        return Some(format!(
            "a share must be a number from 0 to 1 with at most {DECIMALS} decimals"
        ));
    };
    let sum: i64 = parts.iter().sum();
    (sum != whole)
        .then(|| format!("the shares add up to {}, not to 1", super::number::scaled(sum, DECIMALS)))
}
