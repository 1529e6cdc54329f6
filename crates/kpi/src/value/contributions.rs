//! Operands as contributions of single units, so that they can be restricted to some leaves
//! (docs/specification.md#kpis, docs/specification.md#like-for-like).

use std::rc::Rc;

use smallvec::SmallVec;

use super::{OperandSums, StatedAbove, ValueSource};
use crate::bit_set::BitSet;
use crate::catalogue::IndicatorKind;
use crate::geography::{Geography, UnitAt};
use crate::number::{float, power_of_ten};
use crate::period::Month;
use crate::program::{FigureOperand, Operand, OwnValuePlan, PriorMonths, Program, ProgramNode};
use crate::unit::UnitPosition;

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
    pub(super) fn new(amount: f64, unit: UnitPosition, month: Month) -> Self {
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

/// Whether something is available at a unit as a whole, not child by child.
pub(super) enum Availability<T> {
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
    pub(super) covered: BitSet,
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
pub(super) fn total(pieces: &[Contribution]) -> f64 {
    if pieces.is_empty() { f64::NAN } else { pieces.iter().map(|piece| piece.amount).sum() }
}

impl ValueSource<'_> {
    /// The contributions of a unit, or of the predecessors that represent it.
    pub(super) fn collect_at_representatives(
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
    pub(super) fn evaluate_at_leaves(
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

    /// The operands of a program if all are figures of the month itself, and nothing says that one
    /// of them does not apply to a unit: at a leaf they are its own values.
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
    pub(super) fn nearest_contributions(
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
}
