//! Values of one month: own values, roll-up, coverage and kpis (docs/specification.md#own-value,
//! docs/specification.md#value, docs/specification.md#coverage, docs/specification.md#kpis).
//! [`super::change`] computes wider periods and changes from them.

use std::rc::Rc;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bit_set::BitSet;
use super::catalogue::IndicatorKind;
use super::cube::{CubeView, MeasureId, RevisionStamp};
use super::geography::{Geography, Predecessor, UnitAt};
use super::number::{Statement, float, power_of_ten, share};
use super::period::Month;
use super::program::{FigureOperand, Operand, OwnValuePlan, PriorMonths, Program, ProgramNode};
use super::roll_up::{MonthRollUp, RollUps};
use super::unit::{UnitForest, UnitPosition, UnitRange};

mod reports;

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

/// The value of one figure in one month, summed over a subtree.
#[derive(Clone, Debug, Default)]
struct RollUp {
    sum: i128,
    cover: LeafCover,
    coverage: f64,
    origin: Option<Origin>,
}

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

/// A contribution to an operand: an amount from one unit in one month.
#[derive(Clone, Debug)]
pub struct Contribution {
    amount: f64,
    unit: UnitPosition,
    month: Month,
    /// If the contribution is only a share of the unit's figure: the later unit that has the share.
    share_of: Option<UnitPosition>,
    /// The leaves to which the figure does not apply, if there are any. It does not belong to them,
    /// even where it is stated above them.
    left_out: Option<Rc<BitSet>>,
}

impl Contribution {
    fn new(amount: f64, unit: UnitPosition, month: Month) -> Self {
        Self { amount, unit, month, share_of: None, left_out: None }
    }

    /// The share of the contribution that belongs to the later unit `of`.
    fn scaled_to_share(self, share: f64, of: UnitPosition) -> Self {
        if share < 1.0 {
            Self { amount: self.amount * share, share_of: self.share_of.or(Some(of)), ..self }
        } else {
            self
        }
    }
}

/// The own value of a unit, or the reason why there is no such value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OwnState {
    /// The value in units of the last decimal, and whether it was summed from members.
    Value(i64, bool),
    /// Figures do not apply to the unit.
    NotApplicable,
    /// There is no value.
    Missing,
}

/// Whether something is available at a unit as a whole, not child by child.
enum Availability<T> {
    /// Available, with coverage 1.
    Whole(T),
    /// Available for no leaf.
    Missing,
    /// Available for some of the leaves.
    Partial,
    /// It applies to none of the leaves.
    Nowhere,
}

/// The operands of one unit and month as contributions of single units, so that they can be
/// restricted to some leaves.
#[derive(Clone, Debug)]
pub struct Contributions {
    operands: Vec<Vec<Contribution>>,
    covered: BitSet,
}

impl Contributions {
    /// The value of each operand.
    #[must_use]
    pub fn values(&self) -> OperandSums {
        self.operands.iter().map(|pieces| total(pieces)).collect()
    }

    fn scaled_to_share(self, share: f64, of: UnitPosition) -> Self {
        if share >= 1.0 {
            return self;
        }
        let scaled = |pieces: Vec<Contribution>| {
            pieces.into_iter().map(|piece| piece.scaled_to_share(share, of)).collect()
        };
        Self { operands: self.operands.into_iter().map(scaled).collect(), ..self }
    }
}

/// The sum of the contributions to an operand. Without any it is NaN, so that no formula gives a
/// result.
fn total(pieces: &[Contribution]) -> f64 {
    if pieces.is_empty() { f64::NAN } else { pieces.iter().map(|piece| piece.amount).sum() }
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

    /// The contributions of a unit, or of the predecessors that represent it.
    fn collect_at_representatives(
        &self,
        unit: UnitPosition,
        month: Month,
        pieces: impl Fn(UnitPosition) -> Availability<Vec<Contribution>>,
    ) -> Availability<Vec<Contribution>> {
        let parts = match self.resolve_at(unit, month) {
            UnitAt::Itself => return pieces(unit),
            UnitAt::Predecessors(parts) => parts,
            UnitAt::Unrepresented => return Availability::Missing,
        };
        let (mut all, mut missing, mut whole) = (Vec::new(), 0, 0);
        for part in &parts {
            match pieces(part.unit) {
                Availability::Whole(found) => {
                    whole += 1;
                    all.extend(
                        found.into_iter().map(|piece| piece.scaled_to_share(part.share, unit)),
                    );
                }
                Availability::Missing => missing += 1,
                Availability::Nowhere => {}
                Availability::Partial => return Availability::Partial,
            }
        }
        match (missing, whole) {
            (0, 0) => Availability::Nowhere,
            (0, _) => Availability::Whole(all),
            (_, 0) => Availability::Missing,
            _ => Availability::Partial,
        }
    }

    /// The own value of a unit in units of the last decimal, and whether it was summed from members
    /// (docs/specification.md#own-value).
    #[must_use]
    pub fn own(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> Option<(i64, bool)> {
        match self.own_state(own, unit, month) {
            OwnState::Value(value, summed) => Some((value, summed)),
            OwnState::NotApplicable | OwnState::Missing => None,
        }
    }

    /// Whether figures do not apply to a unit in a month
    /// (docs/specification.md#figures-that-do-not-apply).
    #[must_use]
    pub fn is_not_applicable(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> bool {
        self.own_state(own, unit, month) == OwnState::NotApplicable
    }

    fn own_state(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> OwnState {
        if let Some(measure) = own.stated {
            if let Some(value) = self.view.figure(measure, unit, month) {
                return OwnState::Value(value, false);
            }
            if self.view.has_not_applicable(measure)
                && self.view.statement((measure, unit, month), 0) == Some(Statement::NotApplicable)
                && self.units.is_leaf(unit, month)
            {
                return OwnState::NotApplicable;
            }
        }
        let mut no_member_applies = false;
        for parts in &own.splits {
            match self.sum_of_members(parts, unit, month) {
                OwnState::Missing => {}
                OwnState::NotApplicable => no_member_applies = true,
                sum @ OwnState::Value(..) => return sum,
            }
        }
        let in_span = || {
            let spans = own.not_applicable_to(self.units.code(unit));
            spans.iter().any(|span| span.includes(month)) && self.units.is_leaf(unit, month)
        };
        if no_member_applies || in_span() { OwnState::NotApplicable } else { OwnState::Missing }
    }

    /// The sum of the members of a dimension, without those that do not apply and those that are
    /// missing outside their dates.
    fn sum_of_members(&self, parts: &[OwnValuePlan], unit: UnitPosition, month: Month) -> OwnState {
        let (mut sum, mut otherwise) = (None, OwnState::Missing);
        for part in parts {
            match self.own_state(part, unit, month) {
                OwnState::Missing if part.dates.includes(month) => return OwnState::Missing,
                OwnState::Missing => {}
                OwnState::NotApplicable => otherwise = OwnState::NotApplicable,
                OwnState::Value(value, _) => {
                    sum = Some(sum.unwrap_or(0_i64).saturating_add(value));
                }
            }
        }
        sum.map_or(otherwise, |sum| OwnState::Value(sum, true))
    }

    /// Whether a dimension is not summed without a member: the figures of the member apply to the
    /// unit and, where they are missing, its dates include the month.
    #[must_use]
    pub fn is_summand(&self, part: &OwnValuePlan, unit: UnitPosition, month: Month) -> bool {
        match self.own_state(part, unit, month) {
            OwnState::Value(..) => true,
            OwnState::NotApplicable => false,
            OwnState::Missing => part.dates.includes(month),
        }
    }

    /// The leaves below a unit in a month to which figures do not apply.
    fn not_applicable_leaves(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> BitSet {
        if !own.may_not_apply(&self.view) {
            return BitSet::default();
        }
        let leaves = self.leaves(unit, month);
        leaves.iter().filter(|leaf| self.is_not_applicable(own, *leaf, month)).collect()
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

    /// The revision from which a unit has had an own value: from which it was stated, or from which
    /// all of its members were there, whichever is earlier.
    #[must_use]
    pub fn own_since(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<RevisionStamp> {
        let stated = own.stated.and_then(|measure| self.view.cube.since(measure, unit, month));
        let summed = |parts: &Vec<OwnValuePlan>| {
            parts
                .iter()
                .filter(|part| self.is_summand(part, unit, month))
                .map(|part| self.own_since(part, unit, month))
                .collect::<Option<Vec<RevisionStamp>>>()?
                .into_iter()
                .max()
        };
        stated.into_iter().chain(own.splits.iter().filter_map(summed)).min()
    }

    /// Whether figures apply to no leaf below a unit.
    fn applies_nowhere(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> bool {
        let left_out = self.not_applicable_leaves(own, unit, month);
        !left_out.is_empty() && self.leaves(unit, month).is_subset(&left_out)
    }

    /// The sum over the children of a unit if all leaves below them are covered. The unit's own
    /// value is ignored.
    #[must_use]
    pub fn children_total(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            match self.nearest_contributions(own, false, child, month) {
                Availability::Nowhere => continue,
                Availability::Whole(pieces) => {
                    sum += pieces.iter().map(|(_, amount)| i128::from(*amount)).sum::<i128>()
                }
                Availability::Missing | Availability::Partial => return None,
            }
            any = true;
        }
        any.then_some(sum)
    }

    /// The same sum, where each child's value is computed from the units below it if these are all
    /// there.
    #[must_use]
    pub fn sum_from_below(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            if self.applies_nowhere(own, child, month) {
                continue;
            }
            let stated = || self.own(own, child, month).map(|(value, _)| i128::from(value));
            sum += self.sum_from_below(own, child, month).or_else(stated)?;
            any = true;
        }
        any.then_some(sum)
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

    /// The operands as contributions: those of the unit if they cover every leaf, otherwise those
    /// of the children at which all operands are available by the same rule
    /// (docs/specification.md#kpis).
    #[must_use]
    pub fn gather(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Option<Contributions> {
        if !self.is_represented(unit, month) {
            return None;
        }
        let mut operands = self.collect_operands(program, unit, month, prior);
        if !program.requires_a_measure() && matches!(operands, Availability::Whole(_)) {
            let leaves = self.leaves(unit, month);
            let measured = self.measured_leaves(program, unit, month, prior, false);
            let measured = measured.intersection(&leaves);
            if measured.is_empty() {
                operands = Availability::Missing;
            } else if measured != leaves {
                operands = Availability::Partial;
            }
        }
        match operands {
            Availability::Whole(operands) => {
                let covered = self.applying_leaves(program, unit, month, prior);
                (!covered.is_empty()).then_some(Contributions { operands, covered })
            }
            // With prev() the past of the units below may be known where that of the unit itself is
            // not.
            Availability::Missing
                if self.geography == Geography::AsReported || !program.has_previous() =>
            {
                None
            }
            Availability::Missing | Availability::Partial | Availability::Nowhere => {
                let mut sum: Option<Contributions> = None;
                for part in self.below(unit, month) {
                    let Some(found) = self.gather(program, part.unit, month, prior) else {
                        continue;
                    };
                    let found = found.scaled_to_share(part.share, unit);
                    match &mut sum {
                        None => sum = Some(found),
                        Some(sum) => {
                            sum.operands
                                .iter_mut()
                                .zip(found.operands)
                                .for_each(|(all, more)| all.extend(more));
                            sum.covered.extend(&found.covered);
                        }
                    }
                }
                sum
            }
        }
    }

    /// Restricts contributions to the leaves `kept` of `month`. For a contribution from an earlier
    /// month, what its leaves became by then counts. Operands that are not `needed` are left empty.
    ///
    /// # Errors
    /// [`StatedAbove`] when a contribution covers some leaves that are kept and some that are not.
    pub fn restrict(
        &self,
        gathered: &Contributions,
        month: Month,
        kept: &BitSet,
        needed: &[bool],
    ) -> Result<Contributions, StatedAbove> {
        let restrict = |(pieces, needed): (&Vec<Contribution>, &bool)| {
            let mut inside = Vec::new();
            for piece in pieces.iter().filter(|_| *needed) {
                // Most contributions come from leaves of the month itself, which are either kept or
                // not.
                if piece.month == month
                    && self.units.subtree(piece.unit).len() == 1
                    && self.units.exists(piece.unit, month)
                {
                    inside.extend(kept.contains(piece.unit).then(|| piece.clone()));
                    continue;
                }
                let mut leaves = self.leaves(piece.unit, piece.month);
                if let Some(left_out) = &piece.left_out {
                    leaves = leaves.without(left_out);
                }
                let became: Vec<Option<BitSet>> = if piece.month == month {
                    let covered = leaves.intersection(&gathered.covered);
                    if covered.is_empty() {
                        continue; // of leaves that are left out
                    }
                    vec![Some(covered)]
                } else {
                    leaves.iter().map(|leaf| self.successors_at(piece, leaf, month)).collect()
                };
                if became
                    .iter()
                    .all(|leaves| leaves.as_ref().is_some_and(|leaves| leaves.is_subset(kept)))
                {
                    inside.push(piece.clone());
                } else if !became
                    .iter()
                    .all(|leaves| leaves.as_ref().is_none_or(|leaves| leaves.is_disjoint(kept)))
                {
                    return Err(StatedAbove);
                }
            }
            Ok(inside)
        };
        let operands =
            gathered.operands.iter().zip(needed).map(restrict).collect::<Result<_, _>>()?;
        Ok(Contributions { operands, covered: kept.clone() })
    }

    /// What a leaf of a contribution from an earlier month became; `None` when it ended without a
    /// successor. Of a share only leaves of the unit that has the share are returned.
    fn successors_at(
        &self,
        piece: &Contribution,
        leaf: UnitPosition,
        month: Month,
    ) -> Option<BitSet> {
        let became: BitSet = self.units.successors_at(leaf, month).into_iter().collect();
        match piece.share_of {
            _ if became.is_empty() => None,
            Some(heir) => Some(became.intersection(&self.leaves(heir, month))),
            None => Some(became),
        }
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

    /// The leaves at which any measure of a program has a value, also one that no choice takes.
    /// With `at_leaves`, inside `sum()`, a figure above a leaf does not count for it.
    fn measured_leaves(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
        at_leaves: bool,
    ) -> BitSet {
        let mut found = BitSet::default();
        for operand in &program.operands {
            match operand {
                Operand::Figure(figure) => {
                    let Some(read) = figure.month(month, prior) else { continue };
                    for part in self.representatives(unit, read) {
                        let leaves = if at_leaves {
                            let leaves = self.units.leaves(part, read);
                            let own =
                                |leaf: &UnitPosition| self.own(&figure.own, *leaf, read).is_some();
                            leaves.iter().filter(own).collect()
                        } else {
                            self.covered_leaves(figure, part, read)
                        };
                        for leaf in leaves.iter() {
                            found.extend(
                                &self.units.successors_at(leaf, month).into_iter().collect(),
                            );
                        }
                    }
                }
                Operand::Coalesce(x, y) => {
                    found.extend(&self.measured_leaves(x, unit, month, prior, at_leaves));
                    found.extend(&self.measured_leaves(y, unit, month, prior, at_leaves));
                }
                Operand::LeafSum(x) => {
                    found.extend(&self.measured_leaves(x, unit, month, prior, true));
                }
                Operand::Reports(count) if count.includes(month) => {
                    found.extend(&self.reporting_leaves(&[count], unit, month));
                }
                Operand::Reports(_) => {}
            }
        }
        found
    }

    fn collect_operands(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Availability<Vec<Vec<Contribution>>> {
        let (mut found, mut partly) = (Vec::with_capacity(program.operands.len()), false);
        for operand in &program.operands {
            let there = match operand {
                Operand::Figure(figure) => match figure.month(month, prior) {
                    Some(month) => self.figure_contributions(figure, unit, month),
                    None => Availability::Missing,
                },
                Operand::LeafSum(x) => self.evaluate_at_leaves(x, unit, month, prior),
                Operand::Reports(count) => self.report_contributions(count, unit, month),
                Operand::Coalesce(x, y) => match self.evaluate_coalesce(x, unit, month, prior) {
                    Availability::Missing | Availability::Nowhere => {
                        self.evaluate_coalesce(y, unit, month, prior)
                    }
                    there @ (Availability::Whole(_) | Availability::Partial) => there,
                },
            };
            match there {
                Availability::Whole(pieces) => found.push(pieces),
                Availability::Missing | Availability::Nowhere => return Availability::Missing,
                Availability::Partial => partly = true,
            }
        }
        if partly { Availability::Partial } else { Availability::Whole(found) }
    }

    /// One side of a `??`. An indicator keeps its single contributions. A number counts once for
    /// each leaf, because the choice is made for each child before summing.
    fn evaluate_coalesce(
        &self,
        side: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Availability<Vec<Contribution>> {
        if let ProgramNode::Number(number) = side.node {
            let at_leaves = |part: UnitPosition| {
                self.units
                    .leaves(part, month)
                    .iter()
                    .map(|leaf| Contribution::new(number, leaf, month))
                    .collect()
            };
            return self.collect_at_representatives(unit, month, |part| {
                Availability::Whole(at_leaves(part))
            });
        }
        match self.collect_operands(side, unit, month, prior) {
            Availability::Missing | Availability::Nowhere => Availability::Missing,
            Availability::Partial => Availability::Partial,
            Availability::Whole(operands) => {
                match (&side.node, side.operands.as_slice(), operands.as_slice()) {
                    (ProgramNode::Operand(0), [Operand::Figure(figure)], [pieces]) => {
                        Availability::Whole(
                            pieces
                                .iter()
                                .map(|piece| Contribution {
                                    amount: piece.amount / float(power_of_ten(figure.decimals)),
                                    ..piece.clone()
                                })
                                .collect(),
                        )
                    }
                    (ProgramNode::Operand(0), _, [pieces]) => Availability::Whole(pieces.clone()),
                    _ => match side
                        .apply(&operands.iter().map(|pieces| total(pieces)).collect::<Vec<_>>())
                    {
                        Some(amount) => {
                            Availability::Whole(vec![Contribution::new(amount, unit, month)])
                        }
                        None => Availability::Missing,
                    },
                }
            }
        }
    }

    /// `sum(x)`: the expression at each leaf at which all its operands are available.
    fn evaluate_at_leaves(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Availability<Vec<Contribution>> {
        self.collect_at_representatives(unit, month, |part| {
            self.evaluate_at_own_leaves(program, part, month, prior)
        })
    }

    /// The operands of a program if all are figures of the month itself that apply to every unit:
    /// at a leaf they are its own values.
    fn plain_figures<'p>(&self, program: &'p Program) -> Option<SmallVec<[&'p FigureOperand; 4]>> {
        let plain = |operand: &'p Operand| match operand {
            Operand::Figure(figure) => {
                (figure.shift.is_none() && !figure.own.may_not_apply(&self.view)).then_some(figure)
            }
            Operand::Coalesce(..) | Operand::LeafSum(_) | Operand::Reports(_) => None,
        };
        program.operands.iter().map(plain).collect()
    }

    fn evaluate_at_own_leaves(
        &self,
        program: &Program,
        unit: UnitPosition,
        month: Month,
        prior: Option<PriorMonths>,
    ) -> Availability<Vec<Contribution>> {
        let leaves = self.applying_leaves(program, unit, month, prior);
        let figures = self.plain_figures(program);
        let operands = |leaf: UnitPosition| -> Option<OperandSums> {
            if let Some(figures) = &figures {
                let own = |figure: &&FigureOperand| self.own(&figure.own, leaf, month);
                return figures.iter().map(|figure| Some(float(own(figure)?.0))).collect();
            }
            match self.collect_operands(program, leaf, month, prior) {
                Availability::Whole(operands) => {
                    Some(operands.iter().map(|pieces| total(pieces)).collect())
                }
                Availability::Missing | Availability::Partial | Availability::Nowhere => None,
            }
        };
        let at = |leaf: UnitPosition| {
            let mut values = operands(leaf)?;
            values.extend(program.days_of(month));
            Some(Contribution::new(program.apply(&values)?, leaf, month))
        };
        let pieces: Vec<Contribution> = leaves.iter().filter_map(at).collect();
        match pieces.len() {
            0 if leaves.is_empty() => Availability::Nowhere,
            0 => Availability::Missing,
            all if all == leaves.len() => Availability::Whole(pieces),
            _ => Availability::Partial,
        }
    }

    fn figure_contributions(
        &self,
        figure: &FigureOperand,
        unit: UnitPosition,
        month: Month,
    ) -> Availability<Vec<Contribution>> {
        if figure.kind == IndicatorKind::Average && !self.units.exists(unit, month) {
            // An average has only own values and does not add up over predecessors
            return Availability::Missing;
        }
        self.collect_at_representatives(unit, month, |part| {
            self.own_contributions(figure, part, month)
        })
    }

    fn own_contributions(
        &self,
        figure: &FigureOperand,
        unit: UnitPosition,
        month: Month,
    ) -> Availability<Vec<Contribution>> {
        match self.nearest_contributions(
            &figure.own,
            figure.kind == IndicatorKind::Average,
            unit,
            month,
        ) {
            Availability::Whole(found) => {
                let left_out = self.not_applicable_leaves(&figure.own, unit, month);
                let left_out = (!left_out.is_empty()).then(|| Rc::new(left_out));
                let piece = |(unit, amount)| Contribution {
                    left_out: left_out.clone(),
                    ..Contribution::new(float(amount), unit, month)
                };
                Availability::Whole(found.into_iter().map(piece).collect())
            }
            Availability::Missing => Availability::Missing,
            Availability::Partial => Availability::Partial,
            Availability::Nowhere => Availability::Nowhere,
        }
    }

    /// The contributions to an indicator's value in one month: the unit's own value or the nearest
    /// own values below it. With `itself` (averages) only the unit itself counts.
    fn nearest_contributions(
        &self,
        own: &OwnValuePlan,
        itself: bool,
        unit: UnitPosition,
        month: Month,
    ) -> Availability<Vec<(UnitPosition, i64)>> {
        let pieces = self.nearest_values(own, itself, unit, month);
        let left_out = self.not_applicable_leaves(own, unit, month);
        let applying = |position: UnitPosition| {
            if left_out.is_empty() {
                self.units.leaf_count(self.units.subtree(position), month)
            } else {
                self.units.leaves(position, month).without(&left_out).len()
            }
        };
        let covered: usize = pieces.iter().map(|(position, _)| applying(*position)).sum();
        match covered {
            0 if !left_out.is_empty() && applying(unit) == 0 => Availability::Nowhere,
            0 => Availability::Missing,
            all if all == applying(unit) => Availability::Whole(pieces),
            _ => Availability::Partial,
        }
    }

    /// The value of a figure in `count` months from `first`: the unit's own value, or the sum of
    /// the nearest own values below it.
    ///
    /// Units are in tree order, so one pass is enough: where a unit has an own value or does not
    /// exist, all units below it are skipped for that month.
    fn roll_up(
        &self,
        figure: &FigureOperand,
        unit: UnitPosition,
        first: Month,
        count: usize,
    ) -> Vec<RollUp> {
        let Some(top) = self.units.get(unit) else { return vec![RollUp::default(); count] };
        if figure.own.may_not_apply(&self.view) {
            let months = (0..).map(|n| first.plus(n)).take(count);
            return months.map(|month| self.roll_up_applying(figure, unit, month)).collect();
        }
        let end = if figure.kind == IndicatorKind::Average { unit.next() } else { top.end };
        let plain = figure.own.splits.is_empty() && self.view.is_plain();
        if let Some(measure) = figure.own.stated.filter(|_| plain) {
            if end == unit.next() && top.end == end {
                return self.roll_up_leaf(measure, unit, first, count);
            }
            if let Some(kept) = self.kept.filter(|_| end > unit.next())
                && let Some(found) = self.roll_up_kept(kept, (measure, unit), first, count)
            {
                return found;
            }
        }
        let mut months: Vec<RollUpWalk> = (0..)
            .map(|n| RollUpWalk {
                month: first.plus(n),
                passed: unit,
                sum: 0,
                parts: 0,
                origin: None,
            })
            .take(count)
            .collect();
        for position in UnitRange::new(unit, end) {
            let Some(here) = self.units.get(position) else { break };
            let row = figure
                .own
                .stated
                .filter(|_| plain)
                .map(|measure| self.view.cube.row(measure, position))
                .unwrap_or_default();
            for walk in months.iter_mut().filter(|walk| walk.passed <= position) {
                if !here.exists(walk.month) {
                    walk.passed = here.end;
                    continue;
                }
                let own = if plain {
                    row.at(walk.month).map(|value| (value, false))
                } else {
                    self.own(&figure.own, position, walk.month)
                };
                let Some((value, summed)) = own else { continue };
                walk.passed = here.end;
                walk.sum += i128::from(value);
                walk.parts += self.units.leaf_count(self.units.subtree(position), walk.month);
                if position == unit {
                    walk.origin = Some(if summed { Origin::Summed } else { Origin::Stated });
                }
            }
        }
        let mut known: Option<(Month, usize)> = None;
        months
            .into_iter()
            .map(|walk| {
                let leaves = match known {
                    Some((month, leaves)) if self.units.same_epoch(month, walk.month) => leaves,
                    _ => self.units.leaf_count(self.units.subtree(unit), walk.month),
                };
                known = Some((walk.month, leaves));
                let cover = match walk.parts {
                    0 => LeafCover::Nothing,
                    all if all == leaves => LeafCover::All,
                    _ => LeafCover::Some(Arc::new(self.covered_leaves(figure, unit, walk.month))),
                };
                RollUp {
                    sum: walk.sum,
                    cover,
                    coverage: share(walk.parts, leaves),
                    origin: walk.origin,
                }
            })
            .collect()
    }

    /// The value of a figure at a unit that has no units below it: for programs of which other
    /// operands keep [`Self::leaf_states`] from answering, and for units of today.
    fn roll_up_leaf(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        first: Month,
        count: usize,
    ) -> Vec<RollUp> {
        let row = self.view.cube.row(measure, unit);
        let value = |month: Month| row.at(month).filter(|_| self.units.exists(unit, month));
        let state = |month: Month| {
            value(month).map_or_else(RollUp::default, |value| RollUp {
                sum: i128::from(value),
                cover: LeafCover::All,
                coverage: 1.0,
                origin: Some(Origin::Stated),
            })
        };
        (0..).map(|n| state(first.plus(n))).take(count).collect()
    }

    /// The value of a figure at a unit with units below it, from cached sums.
    fn roll_up_kept(
        &self,
        kept: &RollUps,
        (measure, unit): (MeasureId, UnitPosition),
        first: Month,
        count: usize,
    ) -> Option<Vec<RollUp>> {
        let own = self.view.cube.row(measure, unit);
        let state = |month: Month, sums: &MonthRollUp| RollUp {
            sum: sums.sum,
            coverage: share(sums.covered, sums.leaves),
            cover: match (sums.covered, &sums.cover) {
                (0, _) => LeafCover::Nothing,
                (_, Some(some)) => LeafCover::Some(Arc::clone(some)),
                (_, None) => LeafCover::All,
            },
            origin: (sums.covered > 0 && own.at(month).is_some()).then_some(Origin::Stated),
        };
        kept.months((self.units, self.view.cube), (measure, unit), (first, count), state)
    }

    /// The value of a figure in a month, where it may not apply to some leaves.
    fn roll_up_applying(&self, figure: &FigureOperand, unit: UnitPosition, month: Month) -> RollUp {
        let left_out = self.not_applicable_leaves(&figure.own, unit, month);
        let leaves = self.units.leaves(unit, month).without(&left_out);
        let covered = self.covered_leaves(figure, unit, month);
        if covered.is_empty() {
            return RollUp::default();
        }
        let average = figure.kind == IndicatorKind::Average;
        let nearest = self.nearest_values(&figure.own, average, unit, month);
        RollUp {
            sum: nearest.iter().map(|(_, value)| i128::from(*value)).sum(),
            coverage: share(covered.len(), leaves.len()),
            cover: if left_out.is_empty() && covered == leaves {
                LeafCover::All
            } else {
                LeafCover::Some(Arc::new(covered))
            },
            origin: self
                .own(&figure.own, unit, month)
                .map(|(_, summed)| if summed { Origin::Summed } else { Origin::Stated }),
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

/// The state of one month while a roll-up walks through a subtree.
struct RollUpWalk {
    month: Month,
    /// The first position that is not skipped.
    passed: UnitPosition,
    sum: i128,
    parts: usize,
    origin: Option<Origin>,
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "i128 has no From into f64; sums are exact below 2^53 and rounded once above"
)]
fn wide_float(sum: i128) -> f64 {
    // The conversion from 64 bits is one instruction.
    i64::try_from(sum).map_or_else(|_wide| sum as f64, float)
}
