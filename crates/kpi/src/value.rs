//! Values of one month: own values, roll-up, coverage and kpis (docs/specification.md#own-value,
//! docs/specification.md#value, docs/specification.md#coverage, docs/specification.md#kpis).
//! [`super::change`] computes wider periods and changes from them.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bit_set::BitSet;
use super::catalogue::IndicatorKind;
use super::cube::CubeView;
use super::geography::{Geography, Predecessor, UnitAt};
use super::number::{float, share};
use super::period::Month;
use super::program::{FigureOperand, Operand, OwnValuePlan, PriorMonths, Program};
use super::roll_up::RollUps;
use super::unit::{UnitForest, UnitPosition};

mod contributions;
mod own;
mod reports;
mod sums;

use self::contributions::{Availability, total};
pub use self::contributions::{Contribution, Contributions};
use self::sums::{RollUp, wide_float};

/// How a value came about (docs/specification.md#own-value, docs/specification.md#value).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The figure was stated for exactly this measure.
    Stated,
    /// Summed from members of a dimension.
    Summed,
    /// Summed from the children of the unit.
    RolledUp,
    /// Computed by the formula of a kpi.
    Computed,
}

impl Origin {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stated => "stated",
            Self::Summed => "summed",
            Self::RolledUp => "rolled_up",
            Self::Computed => "computed",
        }
    }
}

/// The leaves below a unit that a value covers (docs/specification.md#coverage).
#[derive(Clone, PartialEq, Debug, Default)]
pub enum LeafCover {
    /// No leaf.
    #[default]
    Nothing,
    /// All leaves.
    All,
    /// These leaves.
    Some(Arc<BitSet>),
}

/// The value of each operand of a program; without memory of its own for the few that most have.
pub type OperandSums = SmallVec<[f64; 4]>;

/// The aggregated operands of a program at one unit and month.
#[derive(Clone, Debug)]
pub struct MonthState {
    /// The value of each operand; of an indicator the sum in units of its last decimal.
    pub values: OperandSums,
    /// The leaves covered.
    pub cover: LeafCover,
    /// Covered leaves / all leaves, 0 to 1.
    pub coverage: f64,
    /// How the value came about.
    pub origin: Origin,
    /// The operands as contributions of single units, if they were computed that way.
    pub gathered: Option<Rc<Contributions>>,
}

/// A figure is stated above the leaves and cannot be restricted to some of them
/// (docs/specification.md#like-for-like).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatedAbove;

/// The units and figures from which values are computed.
#[derive(Clone, Copy)]
pub struct ValueSource<'a> {
    /// The units.
    pub units: &'a UnitForest,
    /// The figures.
    pub view: CubeView<'a>,
    /// In which units values are given.
    pub geography: Geography,
    /// The cached roll-ups of these figures over these units, if there are any.
    kept: Option<&'a RollUps>,
}

impl<'a> ValueSource<'a> {
    /// Units and figures, with values as reported.
    #[must_use]
    pub fn new(units: &'a UnitForest, view: CubeView<'a>) -> Self {
        Self { units, view, geography: Geography::AsReported, kept: None }
    }

    /// The same with cached roll-ups, which must be those of exactly these units and of the cube of
    /// this view.
    #[must_use]
    pub fn with_roll_ups(self, kept: &'a RollUps) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// The same units and figures, with values in the units of another geography.
    #[must_use]
    pub fn with_geography(self, geography: Geography) -> Self {
        Self { geography, ..self }
    }

    /// Whether a unit is represented in a month: it exists, or predecessors take its place
    /// (docs/specification.md#merged-units).
    #[must_use]
    pub fn is_represented(&self, unit: UnitPosition, month: Month) -> bool {
        self.resolve_at(unit, month) != UnitAt::Unrepresented
    }

    /// The units that represent a unit in a month: itself, or its predecessors.
    #[must_use]
    pub fn representatives(&self, unit: UnitPosition, month: Month) -> Vec<UnitPosition> {
        match self.resolve_at(unit, month) {
            UnitAt::Itself => vec![unit],
            UnitAt::Predecessors(parts) => parts.iter().map(|part| part.unit).collect(),
            UnitAt::Unrepresented => Vec::new(),
        }
    }

    /// The leaves of predecessors of which only a share belongs to the unit.
    #[must_use]
    pub fn shared_leaves(&self, unit: UnitPosition, month: Month) -> BitSet {
        let mut found = BitSet::default();
        if let UnitAt::Predecessors(parts) = self.resolve_at(unit, month) {
            parts
                .iter()
                .filter(|part| part.share < 1.0)
                .for_each(|part| found.extend(&self.units.leaves(part.unit, month)));
        }
        found
    }

    /// The leaves below a unit in a month, or below the predecessors that represent it.
    #[must_use]
    pub fn leaves(&self, unit: UnitPosition, month: Month) -> BitSet {
        let mut found = BitSet::default();
        match self.resolve_at(unit, month) {
            UnitAt::Itself => return self.units.leaves(unit, month),
            UnitAt::Predecessors(parts) => {
                parts.iter().for_each(|part| found.extend(&self.units.leaves(part.unit, month)))
            }
            UnitAt::Unrepresented => {}
        }
        found
    }

    fn resolve_at(&self, unit: UnitPosition, month: Month) -> UnitAt {
        self.units.resolve_at(unit, month, self.geography)
    }

    /// The units from which the value of a unit without an own value is summed: its children, or
    /// the predecessors that represent it.
    fn below(&self, unit: UnitPosition, month: Month) -> Vec<Predecessor> {
        match self.resolve_at(unit, month) {
            // Only existing children. Predecessors that represent a later child are counted under
            // their own parents.
            UnitAt::Itself => self
                .units
                .children(unit)
                .filter(|child| self.units.exists(*child, month))
                .map(|unit| Predecessor { unit, share: 1.0 })
                .collect(),
            UnitAt::Predecessors(parts) => parts,
            UnitAt::Unrepresented => Vec::new(),
        }
    }

    /// The leaves below a unit that a program leaves out: those to which a figure that it requires
    /// does not apply, and those for which nobody has to report what it counts.
    fn left_out(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> BitSet {
        let mut found = BitSet::default();
        for figure in program.required() {
            if let Some(read) = figure.month(month, prior) {
                found.extend(&self.not_applicable_leaves(&figure.own, unit, read));
            }
        }
        let counts = program.required_counts();
        if !counts.is_empty() {
            let reporting = self.reporting_leaves(&counts, unit, month);
            found.extend(&self.leaves(unit, month).without(&reporting));
        }
        found
    }

    /// The leaves below a unit that a program does not leave out.
    pub(super) fn applying_leaves(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> BitSet {
        self.leaves(unit, month).without(&self.left_out(program, unit, month, prior))
    }

    /// Applies a program to the own values of a unit, as rules need it
    /// (docs/specification.md#rules).
    #[must_use]
    pub fn evaluate_on_own_values(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
    ) -> Option<f64> {
        let prior = PriorMonths::of_month(month);
        let value = |operand: &Operand| match operand {
            Operand::Figure(figure) => {
                let (value, _) = self.own(&figure.own, unit, figure.month(month, prior)?)?;
                Some(float(value))
            }
            Operand::Coalesce(x, y) => self
                .evaluate_on_own_values(x, unit, month)
                .or_else(|| self.evaluate_on_own_values(y, unit, month)),
            Operand::LeafSum(x) => match self.evaluate_at_leaves(x, unit, month, prior) {
                Availability::Whole(pieces) => Some(total(&pieces)),
                Availability::Missing | Availability::Partial | Availability::Nowhere => None,
            },
            Operand::Reports(_) => None, // neither in rules nor compared with stated rates
        };
        let mut values = program.operands.iter().map(value).collect::<Option<Vec<f64>>>()?;
        values.extend(program.days_of(month));
        program.apply(&values)
    }

    /// The states of `count` months from `first`. `prev()` reads the month before each.
    #[must_use]
    pub fn states(
        &self,
        program: &Program,
        unit: UnitPosition,
        first: Month,
        count: usize,
    ) -> Vec<Option<MonthState>> {
        let figures: Option<SmallVec<[&FigureOperand; 4]>> = program
            .operands
            .iter()
            .map(|operand| match operand {
                Operand::Figure(figure) => Some(figure),
                Operand::Coalesce(..) | Operand::LeafSum(_) | Operand::Reports(_) => None,
            })
            .collect();
        let months = || (0..).map(|n| first.plus(n)).take(count);
        let Some(figures) = figures else {
            return months()
                .map(|month| self.state(program, unit, month, PriorMonths::of_month(month)))
                .collect();
        };
        if let Some(found) = self.leaf_states(program, (&figures, unit), first, count) {
            return found;
        }
        let rolled: SmallVec<[Vec<RollUp>; 2]> = figures
            .iter()
            .map(|figure| self.roll_up(figure, unit, first.plus(-figure.shift.months()), count))
            .collect();
        let single = matches!(figures.as_slice(), [figure] if figure.shift.is_none());
        let is_reported = self.geography == Geography::AsReported;
        let plain = is_reported && !program.has_previous() && !program.may_not_apply(&self.view);
        let state = |(place, month): (usize, Month)| {
            let row = || rolled.iter().filter_map(|operand| operand.get(place));
            let exists = self.units.exists(unit, month);
            if !is_reported && (!exists || program.has_previous()) {
                return self.state(program, unit, month, PriorMonths::of_month(month));
            }
            if !exists || row().any(|operand| operand.cover == LeafCover::Nothing) {
                return None;
            }
            // Where all operands cover the same leaves, all are available at each of these leaves
            // and at each unit that has no others below it.
            let is_same = |operand: &RollUp| {
                rolled.first().and_then(|first| first.get(place)).is_some_and(|first| {
                    operand.cover == first.cover && (plain || first.cover == LeafCover::All)
                })
            };
            if single || row().all(is_same) {
                let values = row().map(|operand| wide_float(operand.sum));
                let values = values.chain(program.days_of(month)).collect();
                let first = row().next()?;
                let origin = if program.computed {
                    Origin::Computed
                } else {
                    first.origin.unwrap_or(Origin::RolledUp)
                };
                return Some(MonthState {
                    values,
                    cover: first.cover.clone(),
                    coverage: first.coverage,
                    origin,
                    gathered: None,
                });
            }
            self.state(program, unit, month, PriorMonths::of_month(month))
        };
        months().enumerate().map(state).collect()
    }

    /// The states of a unit without units below it, straight from its figures. `None` for any other
    /// unit, and where an operand is summed over the members of a dimension or may not apply.
    fn leaf_states(
        &self,
        program: &Program,
        (figures, unit): (&[&FigureOperand], UnitPosition),
        first: Month,
        count: usize,
    ) -> Option<Vec<Option<MonthState>>> {
        let is_leaf = self.units.get(unit)?.end == unit.next();
        if !is_leaf || self.geography != Geography::AsReported || !self.view.is_plain() {
            return None;
        }
        let row = |figure: &&FigureOperand| {
            let is_plain = figure.own.splits.is_empty() && !figure.own.may_not_apply(&self.view);
            let measure = figure.own.stated.filter(|_| is_plain)?;
            Some((self.view.cube.row(measure, unit), -figure.shift.months()))
        };
        let rows: SmallVec<[_; 4]> = figures.iter().map(row).collect::<Option<_>>()?;
        let origin = if program.computed { Origin::Computed } else { Origin::Stated };
        let state = |month: Month| {
            let exists = |month: &Month| self.units.exists(unit, *month);
            let mut values = OperandSums::new();
            for (row, shift) in &rows {
                let read = Some(month.plus(*shift)).filter(exists)?;
                values.push(float(row.at(read)?));
            }
            values.extend(program.days_of(month));
            exists(&month).then_some(MonthState {
                values,
                cover: LeafCover::All,
                coverage: 1.0,
                origin,
                gathered: None,
            })
        };
        Some((0..).map(|n| state(first.plus(n))).take(count).collect())
    }

    /// The state of one month. `None` when the value is missing.
    #[must_use]
    pub fn state(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Option<MonthState> {
        let gathered = self.gather(program, unit, month, prior)?;
        let leaves = self.leaves(unit, month);
        let left_out = self.left_out(program, unit, month, prior);
        // What `prev()` leaves out may be no leaf of the month any more, so that all are covered.
        let covers_all = gathered.covered == leaves;
        let coverage = share(gathered.covered.len(), leaves.without(&left_out).len());
        let origin = match program.operands.as_slice() {
            [Operand::Figure(figure)] if !program.computed => {
                match self.own(&figure.own, unit, month) {
                    Some((_, false)) => Origin::Stated,
                    Some((_, true)) => Origin::Summed,
                    None => Origin::RolledUp,
                }
            }
            _ => Origin::Computed,
        };
        let mut values = gathered.values();
        values.extend(program.days_of(month));
        Some(MonthState {
            values,
            cover: if covers_all {
                LeafCover::All
            } else {
                LeafCover::Some(Arc::new(gathered.covered.clone()))
            },
            coverage,
            origin,
            gathered: Some(Rc::new(gathered)),
        })
    }

    /// How many of the leaves to which the figures of a program apply its value covers in a month,
    /// and how many there are. `None` where the value is missing.
    #[must_use]
    pub fn leaf_counts(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
    ) -> Option<(usize, usize)> {
        let prior = PriorMonths::of_month(month);
        let covered = self.gather(program, unit, month, prior)?.covered.len();
        Some((covered, self.applying_leaves(program, unit, month, prior).len()))
    }

    /// The leaves below a unit that a cover includes.
    #[must_use]
    pub fn leaves_covered(&self, cover: &LeafCover, unit: UnitPosition, month: Month) -> BitSet {
        match cover {
            LeafCover::Nothing => BitSet::default(),
            LeafCover::All => self.leaves(unit, month),
            LeafCover::Some(bits) => BitSet::clone(bits),
        }
    }

    /// The leaves that a roll-up covers. A figure does not cover leaves to which it does not apply,
    /// even where it is stated above them.
    fn covered_leaves(&self, figure: &FigureOperand, unit: UnitPosition, month: Month) -> BitSet {
        let mut covered = BitSet::default();
        for (position, _) in
            self.nearest_values(&figure.own, figure.kind == IndicatorKind::Average, unit, month)
        {
            covered.extend(&self.units.leaves(position, month));
        }
        covered.without(&self.not_applicable_leaves(&figure.own, unit, month))
    }

    /// The own value of the unit, or the nearest own values below it, with their positions. With
    /// `itself` (averages) only the unit itself counts.
    fn nearest_values(
        &self,
        own: &OwnValuePlan,
        itself: bool,
        unit: UnitPosition,
        month: Month,
    ) -> Vec<(UnitPosition, i64)> {
        let mut found = Vec::new();
        let end = if itself { unit.next() } else { self.units.subtree(unit).end };
        let may_not_apply = own.may_not_apply(&self.view);
        let mut position = unit;
        while let Some(here) = self.units.get(position).filter(|_| position < end) {
            position = match self.own(own, position, month).filter(|_| here.exists(month)) {
                Some((value, _)) => {
                    // A figure stated above leaves to which none applies is no value.
                    if !(may_not_apply && self.applies_nowhere(own, position, month)) {
                        found.push((position, value));
                    }
                    here.end
                }
                None if here.exists(month) => position.next(),
                None => here.end,
            };
        }
        found
    }
}
