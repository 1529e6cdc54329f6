//! Units, their forest, validity and successors (contract section 1, *unit*).
//!
//! Units stand in tree order (parents before children, a subtree in one contiguous stretch), so that
//! a roll-up is a walk over a range. A position in that order is a `usize`; it changes when units are
//! added, so nothing outside memory ever keeps one: the ledger keeps a unit's number.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::bits::Bits;
use super::fault::{CODE, Fault, is_code, quoted};
use super::number::Written;
use super::period::{FIRST_MONTH, LAST_MONTH, Month};

/// Most units a forest may have.
pub const MAX_UNITS: usize = 200_000;
/// Deepest a forest may be.
pub const MAX_DEPTH: usize = 12;

/// A name in the two languages of the service.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// Vietnamese.
    #[serde(default)]
    pub vi: String,
    /// English.
    #[serde(default)]
    pub en: String,
}

/// What sort of organisation a unit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// A province or a city under the central government.
    Province,
    /// A department of a province.
    Department,
    /// A district, town or city of a province; the state has had none since 1 July 2025.
    District,
    /// A commune, ward or township.
    Commune,
    /// Any other body that reports.
    #[default]
    Agency,
}

impl UnitKind {
    /// As it is written.
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

/// A number or identifier the state gives a unit, for a time; the state uses them again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OfficialCode {
    /// The code itself.
    pub code: String,
    /// Which list it is from, such as `gso` or `eid`.
    #[serde(default)]
    pub scheme: String,
    /// First day it is the unit's.
    #[serde(default)]
    pub valid_from: Option<NaiveDate>,
    /// Last day it is the unit's.
    #[serde(default)]
    pub valid_to: Option<NaiveDate>,
}

/// A unit as clients write and read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitDocument {
    /// Our code, never used again for another unit.
    pub code: String,
    /// What sort of organisation it is.
    #[serde(default)]
    pub kind: UnitKind,
    /// Its name.
    #[serde(default)]
    pub name: Name,
    /// The code of the unit it belongs to; it never changes.
    #[serde(default)]
    pub parent: Option<String>,
    /// First day it exists; open when absent.
    #[serde(default)]
    pub valid_from: Option<NaiveDate>,
    /// Last day it exists; open when absent.
    #[serde(default)]
    pub valid_to: Option<NaiveDate>,
    /// Codes of the units it goes on as.
    #[serde(default)]
    pub successors: Vec<String>,
    /// Of a unit that was split: the share of its figures that each successor goes on with, 0 to 1, together exactly 1. Without them
    /// its successors have no past in the units of today.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, f64>)]
    pub shares: BTreeMap<String, Written>,
    /// Numbers the state gives it.
    #[serde(default)]
    pub official_codes: Vec<OfficialCode>,
    /// Further names by which reports and tables know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl UnitDocument {
    /// What it is called where one name is shown: in Vietnamese, else in English, else by its code.
    #[must_use]
    pub fn shown(&self) -> &str {
        [&self.name.vi, &self.name.en]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or(&self.code)
    }
}

/// A unit in its place.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The ledger's number for it; never used again.
    pub number: i64,
    /// As written.
    pub document: UnitDocument,
    /// Where its parent stands.
    pub parent: Option<usize>,
    /// Where the stretch of the units below it ends (exclusive).
    pub end: usize,
    /// How many units are above it.
    pub depth: usize,
    /// First month at whose last day it is valid.
    pub first: Month,
    /// Last month at whose last day it is valid.
    pub last: Month,
    successors: Vec<usize>,
    predecessors: Vec<usize>,
}

impl Unit {
    /// Whether it exists in a month: whether it is valid on the month's last day.
    #[must_use]
    pub fn exists(&self, month: Month) -> bool {
        self.first <= month && month <= self.last
    }

    /// Whether it is valid on a day.
    #[must_use]
    pub fn exists_on(&self, day: NaiveDate) -> bool {
        self.document.valid_from.is_none_or(|from| from <= day)
            && self.document.valid_to.is_none_or(|to| day <= to)
    }

    /// Whether it names no unit that it goes on as.
    #[must_use]
    pub fn has_no_successor(&self) -> bool {
        self.successors.is_empty()
    }
}

/// First and last month at whose last day a validity holds; empty when the first is after the last.
fn months_of(from: Option<NaiveDate>, to: Option<NaiveDate>) -> (Month, Month) {
    let first = from.map_or(FIRST_MONTH, Month::of);
    let last = to.map_or(LAST_MONTH, |day| {
        let month = Month::of(day);
        if month.last_day() == day { month } else { month.plus(-1) }
    });
    (first, last)
}

/// A stretch of months in which the same units exist.
#[derive(Clone, Debug)]
struct Epoch {
    first: Month,
    leaves: Bits,
    /// Units that exist while their parent does not: they belong to nobody's subtree.
    detached: Vec<usize>,
}

/// The forest of units in tree order.
#[derive(Clone, Debug, Default)]
pub struct Units {
    units: Vec<Unit>,
    positions: HashMap<String, usize>,
    numbers: HashMap<i64, usize>,
    official: HashMap<String, Vec<usize>>,
    with_successors: Vec<usize>,
    epochs: Vec<Epoch>,
}

impl Units {
    /// Puts documents into tree order, with all faults at once; `numbers` are the ledger's.
    ///
    /// # Errors
    /// Unknown parents and successors, circles, codes that stand twice or are malformed, dates the
    /// wrong way round, names missing, too many units or too deep a forest. Pointers are `/units/N/field`.
    pub fn new(documents: Vec<(i64, UnitDocument)>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut index: HashMap<&str, usize> = HashMap::with_capacity(documents.len());
        if documents.len() > MAX_UNITS {
            faults.push(Fault::new("/units", "too_many", format!("at most {MAX_UNITS} units")));
            return Err(faults);
        }
        for (n, (_, document)) in documents.iter().enumerate() {
            check_alone(n, document, &mut faults);
            if index.insert(&document.code, n).is_some() {
                faults.push(Fault::new(
                    format!("/units/{n}/code"),
                    "duplicate",
                    format!("{} stands twice", quoted(&document.code)),
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
                format!("{depth} units stand above it, {MAX_DEPTH} levels are the bound"),
            ));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self::placed(documents, &order))
    }

    fn placed(documents: Vec<(i64, UnitDocument)>, order: &[(usize, usize, usize)]) -> Self {
        let mut documents: Vec<Option<(i64, UnitDocument)>> =
            documents.into_iter().map(Some).collect();
        let mut units = Vec::with_capacity(order.len());
        let mut positions = HashMap::with_capacity(order.len());
        for (n, depth, size) in order {
            let Some((number, document)) = documents.get_mut(*n).and_then(Option::take) else {
                continue;
            };
            let (first, last) = months_of(document.valid_from, document.valid_to);
            let parent = document.parent.as_deref().and_then(|code| positions.get(code).copied());
            positions.insert(document.code.clone(), units.len());
            let end = units.len() + size;
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
            });
        }
        let (mut with_successors, mut official) =
            (Vec::new(), HashMap::<String, Vec<usize>>::new());
        for (position, unit) in units.iter_mut().enumerate() {
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
                units.get(*before).map(|unit| unit.successors.clone()).unwrap_or_default()
            {
                units
                    .get_mut(successor)
                    .into_iter()
                    .for_each(|unit| unit.predecessors.push(*before));
            }
        }
        let numbers =
            units.iter().enumerate().map(|(position, unit)| (unit.number, position)).collect();
        let epochs = epochs_of(&units);
        Self { units, positions, numbers, official, with_successors, epochs }
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Every unit in tree order.
    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.units.iter()
    }

    /// The unit at a position.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Unit> {
        self.units.get(position)
    }

    /// The code of the unit at a position.
    #[must_use]
    pub fn code(&self, position: usize) -> &str {
        self.units.get(position).map_or("", |unit| unit.document.code.as_str())
    }

    /// Where the unit of a code stands.
    #[must_use]
    pub fn position(&self, code: &str) -> Option<usize> {
        self.positions.get(code).copied()
    }

    /// Where the unit of a ledger number stands.
    #[must_use]
    pub fn position_of_number(&self, number: i64) -> Option<usize> {
        self.numbers.get(&number).copied()
    }

    /// The units that bear an official code in a month (on its last day).
    #[must_use]
    pub fn with_official_code(&self, code: &str, month: Month) -> Vec<usize> {
        let day = month.last_day();
        let bears = |position: &usize| {
            self.units.get(*position).is_some_and(|unit| {
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
    pub fn exists(&self, position: usize, month: Month) -> bool {
        self.units.get(position).is_some_and(|unit| unit.exists(month))
    }

    /// The children of a unit, whether they exist or not, in order of their codes.
    pub fn children(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        self.side_by_side(position + 1..self.units.get(position).map_or(0, |unit| unit.end))
    }

    /// The units without a parent, whether they exist or not, in order of their codes.
    pub fn roots(&self) -> impl Iterator<Item = usize> + '_ {
        self.side_by_side(0..self.units.len())
    }

    /// The outermost units of a stretch that is made of whole subtrees.
    fn side_by_side(&self, stretch: Range<usize>) -> impl Iterator<Item = usize> + '_ {
        let (mut next, end) = (stretch.start, stretch.end);
        std::iter::from_fn(move || {
            let unit = next;
            (unit < end).then(|| {
                next = self.units.get(unit).map_or(end, |unit| unit.end);
                unit
            })
        })
    }

    /// The unit and everything below it, whether they exist or not.
    #[must_use]
    pub fn subtree(&self, position: usize) -> Range<usize> {
        position..self.units.get(position).map_or(position, |unit| unit.end)
    }

    /// The unit's ancestors, nearest first.
    pub fn ancestors(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.units.get(position).and_then(|unit| unit.parent), |above| {
            self.units.get(*above).and_then(|unit| unit.parent)
        })
    }

    /// Whether a unit is a leaf in a month: it exists and no child of it does.
    #[must_use]
    pub fn is_leaf(&self, position: usize, month: Month) -> bool {
        self.epoch(month).is_some_and(|epoch| epoch.leaves.contains(position))
    }

    /// Whether the same units exist in two months.
    #[must_use]
    pub fn same_epoch(&self, one: Month, other: Month) -> bool {
        self.epoch_index(one) == self.epoch_index(other)
    }

    /// The leaves below a unit in a month, or the unit itself when it is one.
    #[must_use]
    pub fn leaves(&self, position: usize, month: Month) -> Bits {
        let mut found = Bits::default();
        let (Some(epoch), Some(unit)) = (self.epoch(month), self.units.get(position)) else {
            return found;
        };
        if !unit.exists(month) {
            return found;
        }
        found.copy_range(&epoch.leaves, position..unit.end);
        let start = epoch.detached.partition_point(|p| *p <= position);
        for detached in epoch.detached.iter().skip(start).take_while(|p| **p < unit.end) {
            found.clear_range(self.subtree(*detached));
        }
        if found.is_empty() {
            found.insert(position); // every child is missing, so it stands for itself
        }
        found
    }

    /// What became of a unit by a month: itself when it exists then, else the existing units its
    /// successors lead to, transitively; none when it ended without one.
    #[must_use]
    pub fn became(&self, position: usize, month: Month) -> Vec<usize> {
        self.followed(position, |_, unit| unit.exists(month))
    }

    /// Where the ways from a unit along successors end: at the first unit of each that `ends` is true of.
    pub(super) fn followed(
        &self,
        position: usize,
        ends: impl Fn(usize, &Unit) -> bool,
    ) -> Vec<usize> {
        let (mut found, mut seen, mut waiting) = (Vec::new(), vec![position], vec![position]);
        while let Some(next) = waiting.pop() {
            let Some(unit) = self.units.get(next) else { continue };
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

    /// The units that name one as their successor.
    pub(super) fn goes_back_to(&self, position: usize) -> &[usize] {
        self.units.get(position).map_or(&[], |unit| &unit.predecessors)
    }

    /// Of a unit that was split: its successors with the share of each, where these are declared. A single successor has everything.
    pub(super) fn shares(&self, position: usize) -> Option<Vec<(usize, f64)>> {
        let unit = self.units.get(position)?;
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

    /// The leaves of an earlier month that had ended by a later one and have successors.
    pub fn ended_leaves(&self, then: Month, now: Month) -> impl Iterator<Item = usize> + '_ {
        self.with_successors
            .iter()
            .copied()
            .filter(move |position| self.is_leaf(*position, then) && !self.exists(*position, now))
    }

    fn epoch_index(&self, month: Month) -> usize {
        self.epochs.partition_point(|epoch| epoch.first <= month)
    }

    fn epoch(&self, month: Month) -> Option<&Epoch> {
        self.epochs.get(self.epoch_index(month).checked_sub(1)?)
    }
}

/// Document number, depth and size of subtree, in tree order. Units in a circle are not reached.
fn tree_order(roots: &[usize], children: &[Vec<usize>]) -> Vec<(usize, usize, usize)> {
    let mut order: Vec<(usize, usize, usize)> = Vec::with_capacity(children.len());
    let mut waiting: Vec<(usize, usize)> = roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((n, depth)) = waiting.pop() {
        order.push((n, depth, 1));
        if let Some(list) = children.get(n) {
            waiting.extend(list.iter().rev().map(|child| (*child, depth + 1)));
        }
    }
    // A subtree ends where the next unit of the same or a smaller depth stands.
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

fn epochs_of(units: &[Unit]) -> Vec<Epoch> {
    let mut starts: Vec<Month> =
        units.iter().flat_map(|unit| [unit.first, unit.last.plus(1)]).collect();
    starts.push(FIRST_MONTH);
    starts.sort_unstable();
    starts.dedup();
    starts.retain(|month| *month <= LAST_MONTH);
    starts
        .into_iter()
        .map(|first| {
            let mut leaves = Bits::default();
            let mut detached = Vec::new();
            for (position, unit) in units.iter().enumerate().filter(|(_, unit)| unit.exists(first))
            {
                leaves.insert(position);
                match unit.parent.and_then(|parent| units.get(parent).map(|above| (parent, above)))
                {
                    Some((parent, above)) if above.exists(first) => leaves.remove(parent),
                    Some(_) => detached.push(position),
                    None => {}
                }
            }
            Epoch { first, leaves, detached }
        })
        .collect()
}

fn check_alone(n: usize, document: &UnitDocument, faults: &mut Vec<Fault>) {
    let mut fault = |field: &str, code, detail: String| {
        faults.push(Fault::new(format!("/units/{n}/{field}"), code, detail))
    };
    if !is_code(&document.code) {
        fault("code", "malformed_code", format!("{} is no code: {CODE}", quoted(&document.code)));
    }
    if [&document.name.vi, &document.name.en].iter().any(|name| name.chars().count() > 300) {
        fault("name", "too_long", "at most 300 characters".to_owned());
    }
    if let Some(detail) = super::catalogue::label_fault(&document.labels) {
        fault("labels", "malformed_labels", detail);
    }
    if matches!((document.valid_from, document.valid_to), (Some(from), Some(to)) if to < from) {
        fault("valid_to", "dates_reversed", "valid_to is before valid_from".to_owned());
    }
    if !document.successors.is_empty() && document.valid_to.is_none() {
        fault("successors", "not_ended", "only a unit with valid_to has successors".to_owned());
    }
    if document.successors.contains(&document.code) {
        fault("successors", "circle", "a unit is not its own successor".to_owned());
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

/// What is wrong with the shares of a unit that was split.
fn share_fault(document: &UnitDocument) -> Option<String> {
    const DECIMALS: u32 = 9;
    if !document.successors.iter().all(|code| document.shares.contains_key(code))
        || document.shares.len() != document.successors.len()
    {
        return Some("shares name every successor once and nobody else".to_owned());
    }
    let whole = super::number::power_of_ten(DECIMALS);
    let Some(parts) = document
        .shares
        .values()
        .map(|share| share.at_scale(DECIMALS).filter(|part| (0..=whole).contains(part)))
        .collect::<Option<Vec<i64>>>()
    else {
        return Some(format!("a share is a number from 0 to 1 with at most {DECIMALS} decimals"));
    };
    let sum: i64 = parts.iter().sum();
    (sum != whole)
        .then(|| format!("the shares add up to {}, not to 1", super::number::scaled(sum, DECIMALS)))
}
