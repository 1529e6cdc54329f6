//! Forms: the rows that a unit is asked to fill in for a month (`docs/workbooks.md`).

mod computed;

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use ledger::RevisionNumber;

use super::snapshot::Snapshot;
use super::state::State;
use super::words::find_name;
use crate::error::Error;
use kpi::catalogue::Catalogue;
use kpi::cube::MeasureId;
use kpi::fault::quoted;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Statement};
use kpi::period::Month;
use kpi::unit::UnitPosition;

use computed::FormMeasures;
pub use computed::{FormCheck, FormRate};

/// Most rows of a form.
pub const MAX_ROWS: usize = 2_000;

/// A form for one unit and month.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportingForm {
    /// The unit's code.
    pub unit: String,
    /// The unit's name.
    pub name: String,
    /// The month.
    pub month: Month,
    /// The revision that the figures in the form come from.
    pub revision: RevisionNumber,
    /// The last day on which the figures are on time, if any is due.
    pub deadline: Option<NaiveDate>,
    /// The groups of rows: one for each system, stated rates last.
    pub groups: Vec<FormGroup>,
    /// The kpis for which the rows suffice.
    pub rates: Vec<FormRate>,
}

/// The rows of one system.
#[derive(Clone, PartialEq, Debug)]
pub struct FormGroup {
    /// The heading of the group.
    pub title: String,
    /// The rows.
    pub rows: Vec<FormRow>,
}

/// A figure to fill in.
#[derive(Clone, PartialEq, Debug)]
pub struct FormRow {
    /// The measure.
    pub measure: Measure,
    /// The measure's name in the form.
    pub label: String,
    /// Below the row of its total: the names of the members that the total does not have.
    pub short_label: Option<String>,
    /// Indentation: the number of members that the measure names.
    pub depth: usize,
    /// The unit of the value.
    pub unit_of_measure: String,
    /// Most decimals; `None` for stated rates.
    pub decimals: Option<u32>,
    /// Whether the figure may be below zero.
    pub may_be_negative: bool,
    /// The figure of the month before.
    pub previous: Option<Decimal64>,
    /// The current figure, if there is one.
    pub current: Option<Decimal64>,
    /// The recorded content: the current figure, or that it does not apply.
    pub recorded: Option<Statement>,
    /// Whether the unit is expected to report it for the month.
    pub is_due: bool,
    /// The checks that the figure is part of.
    pub checks: Vec<FormCheck>,
}

impl FormRow {
    /// The name below the row of its total, otherwise the whole name.
    #[must_use]
    pub fn shown_label(&self) -> &str {
        self.short_label.as_ref().unwrap_or(&self.label)
    }
}

impl Snapshot {
    /// The form of a unit for a month.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit, [`Error::Invalid`] for a month in which it does not
    /// exist or that has not begun.
    pub fn form(&self, unit: &str, month: Month) -> Result<ReportingForm, Error> {
        let state = self.state();
        let place = state.find_unit(unit)?;
        if month > self.month() {
            return Err(Error::fault("/period", "future_month", format!("{month} has not begun")));
        }
        if !state.units.exists(place, month) {
            return Err(Error::fault(
                "/unit",
                "unit_not_valid",
                format!("{} did not exist at the end of {month}", quoted(unit)),
            ));
        }
        let measures = measures(state, place, month);
        let is_leaf = state.units.children(place).next().is_none();
        let expectations = &state.catalogue.expectations;
        let expected = expectations.iter().filter(|one| one.applies_to(&state.units, place, month));
        let deadline = expected.map(|one| one.deadline(month)).max();
        let name = state
            .units
            .get(place)
            .map_or_else(String::new, |unit| unit.document.shown().to_owned());
        Ok(ReportingForm {
            unit: unit.to_owned(),
            name,
            month,
            revision: state.revision,
            deadline,
            groups: groups(state, place, month, &measures),
            rates: computed::rates(&state.catalogue, is_leaf, &measures),
        })
    }
}

/// The measures of the form: those expected of the unit, with their members, and those that it has
/// reported before; otherwise those that sibling units report; otherwise all.
fn measures(state: &State, unit: UnitPosition, month: Month) -> FormMeasures {
    let catalogue = &state.catalogue;
    let expected = catalogue
        .expectations
        .iter()
        .filter(|expectation| expectation.applies_to(&state.units, unit, month))
        .flat_map(|expectation| &expectation.measures);
    let mut found: FormMeasures =
        expected.flat_map(|measure| with_members(catalogue, measure)).collect();
    found.extend(reported(state, &[unit]));
    if found.is_empty() {
        let here = state.units.get(unit);
        let beside = |other: &UnitPosition| {
            state
                .units
                .get(*other)
                .zip(here)
                .is_some_and(|(other, here)| other.document.kind == here.document.kind)
        };
        let around: Vec<UnitPosition> = match here.and_then(|here| here.parent) {
            Some(parent) => state.units.children(parent).filter(beside).collect(),
            None => state.units.roots().filter(beside).collect(),
        };
        found.extend(reported(state, &around));
    }
    if found.is_empty() {
        let all = catalogue
            .indicators
            .iter()
            .map(|indicator| Measure { code: indicator.code.clone(), members: Members::none() });
        found.extend(all.flat_map(|measure| with_members(catalogue, &measure)));
    }
    found
}

/// A measure, alone and with each member of each dimension that it leaves open.
fn with_members(catalogue: &Catalogue, measure: &Measure) -> Vec<Measure> {
    let mut found = vec![measure.clone()];
    let Some(indicator) = catalogue.indicator(&measure.code) else { return found };
    for dimension in &indicator.dimensions {
        for member in &dimension.members {
            let host =
                dimension.within.iter().fold(measure.members.clone(), |members, (host, needed)| {
                    members.with(host, needed)
                });
            let members = host.with(&dimension.code, member);
            let more = Measure { code: measure.code.clone(), members };
            if measure.members.get(&dimension.code).is_none()
                && indicator.check_members(&more.members).is_empty()
            {
                found.push(more);
            }
        }
    }
    found
}

/// The measures that the units have ever reported.
fn reported(state: &State, units: &[UnitPosition]) -> Vec<Measure> {
    let has = |id: MeasureId| units.iter().any(|unit| state.cube.row(id, *unit).last().is_some());
    let declared = |measure: &Measure| state.catalogue.measure_faults(measure).is_empty();
    let mut found: Vec<Measure> = state
        .measures
        .iter()
        .filter(|(id, measure)| declared(measure) && has(*id))
        .map(|(_, measure)| measure.clone())
        .collect();
    let stated: BTreeSet<MeasureId> = state
        .cube
        .all_stated()
        .filter(|(entry, _)| units.contains(&entry.unit))
        .map(|(entry, _)| entry.measure)
        .collect();
    found.extend(
        stated
            .into_iter()
            .filter_map(|id| state.measures.get(id))
            .filter(|measure| declared(measure))
            .cloned(),
    );
    found
}

fn groups(
    state: &State,
    unit: UnitPosition,
    month: Month,
    measures: &FormMeasures,
) -> Vec<FormGroup> {
    let document = &state.catalogue.document;
    let mut groups: BTreeMap<usize, FormGroup> = BTreeMap::new();
    let rates = document.systems.len() + 1;
    let system = |code: Option<&String>| {
        code.and_then(|code| document.systems.iter().position(|system| system.code == *code))
            .unwrap_or(document.systems.len())
    };
    let mut left = MAX_ROWS;
    let ordered = document
        .indicators
        .iter()
        .map(|indicator| (system(indicator.system.as_ref()), &indicator.code))
        .chain(document.kpis.iter().map(|kpi| (rates, &kpi.code)));
    for (place, code) in ordered {
        let mut named: Vec<&Measure> =
            measures.iter().filter(|measure| measure.code == *code).collect();
        named.sort_by_key(|measure| order(&state.catalogue, measure));
        for measure in named {
            let Some(less) = left.checked_sub(1) else { break };
            left = less;
            let title = match document.systems.get(place) {
                Some(system) => system.name.vi.clone(),
                None if place == rates => "Tỷ lệ do đơn vị tự tính (nếu có)".to_owned(),
                None => "Chỉ tiêu khác".to_owned(),
            };
            groups
                .entry(place)
                .or_insert_with(|| FormGroup { title, rows: Vec::new() })
                .rows
                .push(row(state, (unit, month), measure, measures));
        }
    }
    for group in groups.values_mut() {
        shorten_labels(&state.catalogue, &mut group.rows);
    }
    groups.into_values().collect()
}

/// The order of splits below their total: by dimension, then by member, as declared.
pub(crate) fn order(catalogue: &Catalogue, measure: &Measure) -> Vec<(usize, usize)> {
    let dimensions = catalogue
        .indicator(&measure.code)
        .map_or(&[][..], |indicator| indicator.dimensions.as_slice());
    let place = |(code, member): (&str, &str)| {
        let dimension =
            dimensions.iter().position(|dimension| dimension.code == code).unwrap_or(usize::MAX);
        let member = dimensions
            .get(dimension)
            .and_then(|dimension| dimension.members.iter().position(|known| known == member))
            .unwrap_or(usize::MAX);
        (dimension, member)
    };
    let mut places: Vec<(usize, usize)> = measure.members.iter().map(place).collect();
    places.sort_unstable();
    places
}

/// Gives each row below the row of its total a label without what both have in common.
fn shorten_labels(catalogue: &Catalogue, rows: &mut [FormRow]) {
    for place in 1..rows.len() {
        let (above, rest) = rows.split_at_mut(place);
        let Some(row) = rest.first_mut() else { break };
        let own = above.iter().rev().take_while(|other| other.measure.code == row.measure.code);
        let total = own.max_by_key(|other| {
            let is_total = is_total_of(&other.measure, &row.measure);
            is_total.then(|| other.measure.members.len())
        });
        let total = total.filter(|total| is_total_of(&total.measure, &row.measure));
        row.short_label = total.map(|total| {
            let members = row.measure.members.iter();
            let own = members.filter(|(of, _)| total.measure.members.get(of).is_none());
            let names = own.map(|(of, member)| catalogue.member_name(of, member).vi);
            names.collect::<Vec<_>>().join(": ")
        });
    }
}

/// Whether a measure is a total that the other is a part of.
fn is_total_of(total: &Measure, part: &Measure) -> bool {
    total.code == part.code
        && total.members.len() < part.members.len()
        && total.members.iter().all(|(of, member)| part.members.get(of) == Some(member))
}

fn row(
    state: &State,
    (unit, month): (UnitPosition, Month),
    measure: &Measure,
    measures: &FormMeasures,
) -> FormRow {
    let indicator = state.catalogue.indicator(&measure.code);
    let id = state.measures.id(measure);
    let view = state.view();
    let figure = |month: Month| match indicator {
        Some(indicator) => id
            .and_then(|id| view.figure(id, unit, month))
            .map(|mantissa| Decimal64 { mantissa, scale: indicator.decimals }),
        None => id.and_then(|id| view.stated(id, unit, month)),
    };
    let names = &state.catalogue.label(measure);
    FormRow {
        measure: measure.clone(),
        label: if names.vi.is_empty() { measure.to_string() } else { names.vi.clone() },
        short_label: None,
        depth: measure.members.len(),
        unit_of_measure: vietnamese_unit(state.catalogue.unit_of_measure(&measure.code)),
        decimals: indicator.map(|indicator| indicator.decimals),
        may_be_negative: indicator.is_none_or(|indicator| indicator.may_be_negative),
        previous: figure(month.plus(-1)),
        current: figure(month),
        recorded: match indicator {
            Some(_) => id.and_then(|id| state.cube.cell(id, unit, month)).map(|(said, _)| said),
            None => figure(month).map(Statement::Number),
        },
        is_due: is_due(state, unit, month, measure),
        checks: computed::checks(&state.catalogue, measure, measures),
    }
}

/// Whether a unit is expected to report a measure for a month.
fn is_due(state: &State, unit: UnitPosition, month: Month, measure: &Measure) -> bool {
    let expectations = state.catalogue.expectations.iter();
    let mut asking = expectations.filter(|one| one.measures.contains(measure));
    asking.any(|one| one.applies_to(&state.units, unit, month))
}

/// The Vietnamese name of a unit of measure, if known.
fn vietnamese_unit(unit: &str) -> String {
    find_name("unit_of_measure", unit).map_or(unit, |name| name.vi.as_str()).to_owned()
}
