//! Which value counts: own values, roll-up and coverage of one month (contract section 2, *Own value*
//! to *Kpi*). Wider periods and changes are built on this in [`super::change`].

use std::rc::Rc;

use super::bits::Bits;
use super::catalogue::Kind;
use super::cube::View;
use super::geography::{Geography, Predecessor, Stead};
use super::number::{float, power_of_ten, share};
use super::period::Month;
use super::program::{Figure, Node, Operand, Own, Program};
use super::unit::Units;

/// Where a value comes from (contract section 3).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Stated for exactly this.
    Stated,
    /// From dimension members.
    Summed,
    /// From child units.
    RolledUp,
    /// A kpi.
    Computed,
}

/// Which leaves below a unit a value covers.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Cover {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// These.
    Some(Bits),
}

/// A roll-up of one figure in one month.
#[derive(Clone, Debug, Default)]
struct Rolled {
    sum: i128,
    cover: Cover,
    coverage: f64,
    origin: Option<Origin>,
}

/// The aggregated operands of one unit and month.
#[derive(Clone, Debug)]
pub struct MonthState {
    /// One number for each operand: of a figure its unscaled sum.
    pub values: Vec<f64>,
    /// The leaves covered.
    pub cover: Cover,
    /// Leaves covered / leaves.
    pub coverage: f64,
    /// Where the value comes from.
    pub origin: Origin,
    /// The operands in pieces, where they had to be gathered anyway.
    pub gathered: Option<Rc<Gathered>>,
}

/// A figure as a part of an aggregate: an amount for one unit in one month.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    amount: f64,
    unit: usize,
    month: Month,
    /// Where only a share of the unit's figure is meant: the later unit whose share it is.
    share_of: Option<usize>,
}

impl Piece {
    fn new(amount: f64, unit: usize, month: Month) -> Self {
        Self { amount, unit, month, share_of: None }
    }

    /// As much of it as is a later unit's.
    fn in_part(self, share: f64, of: usize) -> Self {
        if share < 1.0 {
            Self { amount: self.amount * share, share_of: self.share_of.or(Some(of)), ..self }
        } else {
            self
        }
    }
}

/// What there is of something at one unit, without looking at its children one by one.
enum There<T> {
    /// With coverage 1.
    Whole(T),
    /// Nothing anywhere below.
    Missing,
    /// For some leaves only.
    Partly,
}

/// The aggregated operands of one unit and month in pieces, so that they can be restricted to some leaves.
#[derive(Clone, Debug)]
pub struct Gathered {
    operands: Vec<Vec<Piece>>,
    covered: Bits,
}

impl Gathered {
    /// One number for each operand.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.operands.iter().map(|pieces| total(pieces)).collect()
    }

    fn in_part(mut self, share: f64, of: usize) -> Self {
        if share < 1.0 {
            self.operands.iter_mut().flatten().for_each(|piece| *piece = piece.in_part(share, of));
        }
        self
    }
}

/// The sum of an operand's pieces; of none it is not a number, so that no formula gives a result.
fn total(pieces: &[Piece]) -> f64 {
    if pieces.is_empty() { f64::NAN } else { pieces.iter().map(|piece| piece.amount).sum() }
}

/// A restriction met a figure that is stated above the leaves (contract section 2, *Like for like*).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatedAbove;

/// The units and the figures that values are computed from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The forest.
    pub units: &'a Units,
    /// The figures.
    pub view: View<'a>,
    /// In which units values are given.
    pub geography: Geography,
}

impl<'a> Source<'a> {
    /// Units and figures, as reported.
    #[must_use]
    pub fn new(units: &'a Units, view: View<'a>) -> Self {
        Self { units, view, geography: Geography::AsReported }
    }

    /// The same, with values given in other units.
    #[must_use]
    pub fn given_in(self, geography: Geography) -> Self {
        Self { geography, ..self }
    }

    /// Whether a unit has a place in a month: whether it exists then, or others stand for it.
    #[must_use]
    pub fn stands(&self, unit: usize, month: Month) -> bool {
        self.stead(unit, month) != Stead::Nobody
    }

    /// The units that speak for one in a month: itself, or those that it goes back to.
    #[must_use]
    pub fn speakers(&self, unit: usize, month: Month) -> Vec<usize> {
        match self.stead(unit, month) {
            Stead::Itself => vec![unit],
            Stead::Predecessors(parts) => parts.iter().map(|part| part.unit).collect(),
            Stead::Nobody => Vec::new(),
        }
    }

    /// The leaves that stand for a unit in a month and of which only a share is its own.
    #[must_use]
    pub fn shared_leaves(&self, unit: usize, month: Month) -> Bits {
        let mut found = Bits::default();
        if let Stead::Predecessors(parts) = self.stead(unit, month) {
            parts
                .iter()
                .filter(|part| part.share < 1.0)
                .for_each(|part| found.extend(&self.units.leaves(part.unit, month)));
        }
        found
    }

    /// The leaves below a unit in a month, or below those that stand for it.
    #[must_use]
    pub fn leaves(&self, unit: usize, month: Month) -> Bits {
        let mut found = Bits::default();
        match self.stead(unit, month) {
            Stead::Itself => return self.units.leaves(unit, month),
            Stead::Predecessors(parts) => {
                parts.iter().for_each(|part| found.extend(&self.units.leaves(part.unit, month)))
            }
            Stead::Nobody => {}
        }
        found
    }

    fn stead(&self, unit: usize, month: Month) -> Stead {
        self.units.stead(unit, month, self.geography)
    }

    /// What a unit's value is summed from where it has none of its own: its children, or those that stand for it.
    fn below(&self, unit: usize, month: Month) -> Vec<Predecessor> {
        match self.stead(unit, month) {
            // Only children that exist: those that stand for one of later are counted where they stood.
            Stead::Itself => self
                .units
                .children(unit)
                .filter(|child| self.units.exists(*child, month))
                .map(|unit| Predecessor { unit, share: 1.0 })
                .collect(),
            Stead::Predecessors(parts) => parts,
            Stead::Nobody => Vec::new(),
        }
    }

    /// Pieces of a unit, or of those that stand for it.
    fn with_steads(
        &self,
        unit: usize,
        month: Month,
        pieces: impl Fn(usize) -> There<Vec<Piece>>,
    ) -> There<Vec<Piece>> {
        let parts = match self.stead(unit, month) {
            Stead::Itself => return pieces(unit),
            Stead::Predecessors(parts) => parts,
            Stead::Nobody => return There::Missing,
        };
        let (mut all, mut missing) = (Vec::new(), 0);
        for part in &parts {
            match pieces(part.unit) {
                There::Whole(found) => {
                    all.extend(found.into_iter().map(|piece| piece.in_part(part.share, unit)))
                }
                There::Missing => missing += 1,
                There::Partly => return There::Partly,
            }
        }
        match missing {
            0 => There::Whole(all),
            all if all == parts.len() => There::Missing,
            _ => There::Partly,
        }
    }

    /// A unit's own value, unscaled, and whether it was summed from members.
    #[must_use]
    pub fn own(&self, own: &Own, unit: usize, month: Month) -> Option<(i64, bool)> {
        if let Some(stated) = own.stated.and_then(|measure| self.view.figure(measure, unit, month))
        {
            return Some((stated, false));
        }
        own.splits.iter().find_map(|parts| {
            let sum = parts.iter().try_fold(0_i64, |sum, part| {
                Some(sum.saturating_add(self.own(part, unit, month)?.0))
            });
            sum.map(|sum| (sum, true))
        })
    }

    /// The revision since which a unit has had an own value: since it was stated, or since the last of its members was there, whichever
    /// came first.
    #[must_use]
    pub fn own_since(&self, own: &Own, unit: usize, month: Month) -> Option<u32> {
        let stated = own.stated.and_then(|measure| self.view.cube.since(measure, unit, month));
        let summed = |parts: &Vec<Own>| {
            parts
                .iter()
                .map(|part| self.own_since(part, unit, month))
                .collect::<Option<Vec<u32>>>()?
                .into_iter()
                .max()
        };
        stated.into_iter().chain(own.splits.iter().filter_map(summed)).min()
    }

    /// The sum over a unit's children, when every leaf below them is covered; the unit's own value does not count.
    #[must_use]
    pub fn children_total(&self, own: &Own, unit: usize, month: Month) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            match self.pieces(own, false, child, month) {
                There::Whole(pieces) => {
                    sum += pieces.iter().map(|(_, amount)| i128::from(*amount)).sum::<i128>()
                }
                There::Missing | There::Partly => return None,
            }
            any = true;
        }
        any.then_some(sum)
    }

    /// The same sum with each child, too, taken from the units below it wherever these are all there.
    #[must_use]
    pub fn from_below(&self, own: &Own, unit: usize, month: Month) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            let stated = || self.own(own, child, month).map(|(value, _)| i128::from(value));
            sum += self.from_below(own, child, month).or_else(stated)?;
            any = true;
        }
        any.then_some(sum)
    }

    /// A program on a unit's own values, as rules are evaluated (contract section 4).
    #[must_use]
    pub fn on_own_values(&self, program: &Program, unit: usize, month: Month) -> Option<f64> {
        let value = |operand: &Operand| match operand {
            Operand::Figure(figure) => {
                let at = if figure.previous { month.plus(-1) } else { month };
                self.own(&figure.own, unit, at).map(|(value, _)| float(value))
            }
            Operand::Choice(x, y) => {
                self.on_own_values(x, unit, month).or_else(|| self.on_own_values(y, unit, month))
            }
            Operand::LeafSum(x) => match self.at_leaves(x, unit, month, month.plus(-1)) {
                There::Whole(pieces) => Some(total(&pieces)),
                There::Missing | There::Partly => None,
            },
        };
        program.apply(&program.operands.iter().map(value).collect::<Option<Vec<f64>>>()?)
    }

    /// The states of a run of months, `prev()` being the month before each.
    #[must_use]
    pub fn states(
        &self,
        program: &Program,
        unit: usize,
        first: Month,
        count: usize,
    ) -> Vec<Option<MonthState>> {
        let figures: Option<Vec<&Figure>> = program
            .operands
            .iter()
            .map(|operand| match operand {
                Operand::Figure(figure) => Some(figure),
                Operand::Choice(..) | Operand::LeafSum(_) => None,
            })
            .collect();
        let months = || (0..).map(|n| first.plus(n)).take(count);
        let Some(figures) = figures else {
            return months()
                .map(|month| self.state(program, unit, month, month.plus(-1)))
                .collect();
        };
        let mut rolled: Vec<std::vec::IntoIter<Rolled>> = figures
            .iter()
            .map(|figure| {
                self.roll(figure, unit, if figure.previous { first.plus(-1) } else { first }, count)
                    .into_iter()
            })
            .collect();
        let single = matches!(figures.as_slice(), [figure] if !figure.previous);
        months()
            .map(|month| {
                let row: Vec<Rolled> = rolled.iter_mut().filter_map(Iterator::next).collect();
                if self.geography != Geography::AsReported
                    && (!self.units.exists(unit, month) || program.has_previous())
                {
                    return self.state(program, unit, month, month.plus(-1));
                }
                if !self.units.exists(unit, month)
                    || row.iter().any(|operand| operand.cover == Cover::Nothing)
                {
                    return None;
                }
                if single || row.iter().all(|operand| operand.cover == Cover::All) {
                    let values = row.iter().map(|operand| wide_float(operand.sum)).collect();
                    let last = row.into_iter().next()?;
                    let origin = if program.computed {
                        Origin::Computed
                    } else {
                        last.origin.unwrap_or(Origin::RolledUp)
                    };
                    return Some(MonthState {
                        values,
                        cover: last.cover,
                        coverage: last.coverage,
                        origin,
                        gathered: None,
                    });
                }
                self.state(program, unit, month, month.plus(-1))
            })
            .collect()
    }

    /// The state of one month; `before` is the month that `prev()` looks at.
    #[must_use]
    pub fn state(
        &self,
        program: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> Option<MonthState> {
        let gathered = self.gathered(program, unit, month, before)?;
        let coverage = share(gathered.covered.len(), self.leaves(unit, month).len());
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
        let values = gathered.values();
        Some(MonthState {
            values,
            cover: if coverage >= 1.0 { Cover::All } else { Cover::Some(gathered.covered.clone()) },
            coverage,
            origin,
            gathered: Some(Rc::new(gathered)),
        })
    }

    /// The aggregated operands in pieces: where each covers every leaf, those; else what the children
    /// give for which all are there, by the same rule (contract section 2, *Kpi*).
    #[must_use]
    pub fn gathered(
        &self,
        program: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> Option<Gathered> {
        if !self.stands(unit, month) {
            return None;
        }
        match self.operands(program, unit, month, before) {
            There::Whole(operands) => {
                Some(Gathered { operands, covered: self.leaves(unit, month) })
            }
            // With prev() the units below may go back to others than the unit itself does.
            There::Missing
                if self.geography == Geography::AsReported || !program.has_previous() =>
            {
                None
            }
            There::Missing | There::Partly => {
                let mut sum: Option<Gathered> = None;
                for part in self.below(unit, month) {
                    let Some(found) = self.gathered(program, part.unit, month, before) else {
                        continue;
                    };
                    let found = found.in_part(part.share, unit);
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

    /// The same over some leaves of `month` only; pieces of an earlier month count for what their leaves became.
    /// Operands that are not needed are left empty.
    ///
    /// # Errors
    /// [`StatedAbove`] when a piece covers some leaves that are kept and some that are not.
    pub fn restricted(
        &self,
        gathered: &Gathered,
        month: Month,
        kept: &Bits,
        needed: &[bool],
    ) -> Result<Gathered, StatedAbove> {
        let restrict = |(pieces, needed): (&Vec<Piece>, &bool)| {
            let mut inside = Vec::new();
            for piece in pieces.iter().filter(|_| *needed) {
                // Most pieces are figures of leaves in the month itself: in or out, nothing between.
                if piece.month == month
                    && self.units.subtree(piece.unit).len() == 1
                    && self.units.exists(piece.unit, month)
                {
                    inside.extend(kept.contains(piece.unit).then_some(*piece));
                    continue;
                }
                let leaves = self.leaves(piece.unit, piece.month);
                let became: Vec<Option<Bits>> = if piece.month == month {
                    vec![Some(leaves)]
                } else {
                    leaves.iter().map(|leaf| self.became(piece, leaf, month)).collect()
                };
                if became
                    .iter()
                    .all(|leaves| leaves.as_ref().is_some_and(|leaves| leaves.is_subset(kept)))
                {
                    inside.push(*piece);
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
        Ok(Gathered { operands, covered: kept.clone() })
    }

    /// What a leaf of a piece of an earlier month became, none when it ended without a successor: of a share only what is in the
    /// unit whose share it is.
    fn became(&self, piece: &Piece, leaf: usize, month: Month) -> Option<Bits> {
        let became: Bits = self.units.became(leaf, month).into_iter().collect();
        match piece.share_of {
            _ if became.is_empty() => None,
            Some(heir) => Some(became.intersection(&self.leaves(heir, month))),
            None => Some(became),
        }
    }

    /// The leaves below a unit that a cover stands for.
    #[must_use]
    pub fn leaves_covered(&self, cover: &Cover, unit: usize, month: Month) -> Bits {
        match cover {
            Cover::Nothing => Bits::default(),
            Cover::All => self.leaves(unit, month),
            Cover::Some(bits) => bits.clone(),
        }
    }

    fn operands(
        &self,
        program: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> There<Vec<Vec<Piece>>> {
        let (mut found, mut partly) = (Vec::with_capacity(program.operands.len()), false);
        for operand in &program.operands {
            let there = match operand {
                Operand::Figure(figure) => {
                    self.figure_pieces(figure, unit, if figure.previous { before } else { month })
                }
                Operand::LeafSum(x) => self.at_leaves(x, unit, month, before),
                Operand::Choice(x, y) => match self.choice(x, unit, month, before) {
                    There::Missing => self.choice(y, unit, month, before),
                    there @ (There::Whole(_) | There::Partly) => there,
                },
            };
            match there {
                There::Whole(pieces) => found.push(pieces),
                There::Missing => return There::Missing,
                There::Partly => partly = true,
            }
        }
        if partly { There::Partly } else { There::Whole(found) }
    }

    /// One side of a `??`. A plain figure keeps its pieces; a number counts once for each leaf, since
    /// the alternative is taken per unit before summing.
    fn choice(
        &self,
        side: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> There<Vec<Piece>> {
        if let Node::Number(number) = side.node {
            let at_leaves = |part: usize| {
                self.units
                    .leaves(part, month)
                    .iter()
                    .map(|leaf| Piece::new(number, leaf, month))
                    .collect()
            };
            return self.with_steads(unit, month, |part| There::Whole(at_leaves(part)));
        }
        match self.operands(side, unit, month, before) {
            There::Missing => There::Missing,
            There::Partly => There::Partly,
            There::Whole(operands) => {
                match (&side.node, side.operands.as_slice(), operands.as_slice()) {
                    (Node::Operand(0), [Operand::Figure(figure)], [pieces]) => There::Whole(
                        pieces
                            .iter()
                            .map(|piece| Piece {
                                amount: piece.amount / float(power_of_ten(figure.decimals)),
                                ..*piece
                            })
                            .collect(),
                    ),
                    (Node::Operand(0), _, [pieces]) => There::Whole(pieces.clone()),
                    _ => match side
                        .apply(&operands.iter().map(|pieces| total(pieces)).collect::<Vec<_>>())
                    {
                        Some(amount) => There::Whole(vec![Piece::new(amount, unit, month)]),
                        None => There::Missing,
                    },
                }
            }
        }
    }

    /// `sum(x)`: the expression at each leaf where its operands are all there.
    fn at_leaves(
        &self,
        program: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> There<Vec<Piece>> {
        self.with_steads(unit, month, |part| self.at_own_leaves(program, part, month, before))
    }

    fn at_own_leaves(
        &self,
        program: &Program,
        unit: usize,
        month: Month,
        before: Month,
    ) -> There<Vec<Piece>> {
        let leaves = self.units.leaves(unit, month);
        let at = |leaf: usize| match self.operands(program, leaf, month, before) {
            There::Whole(operands) => {
                let amount = program
                    .apply(&operands.iter().map(|pieces| total(pieces)).collect::<Vec<_>>())?;
                Some(Piece::new(amount, leaf, month))
            }
            There::Missing | There::Partly => None,
        };
        let pieces: Vec<Piece> = leaves.iter().filter_map(at).collect();
        match pieces.len() {
            0 => There::Missing,
            all if all == leaves.len() => There::Whole(pieces),
            _ => There::Partly,
        }
    }

    fn figure_pieces(&self, figure: &Figure, unit: usize, month: Month) -> There<Vec<Piece>> {
        if figure.kind == Kind::Average && !self.units.exists(unit, month) {
            return There::Missing; // an average has own values only: it does not add up over predecessors either
        }
        self.with_steads(unit, month, |part| self.own_pieces(figure, part, month))
    }

    fn own_pieces(&self, figure: &Figure, unit: usize, month: Month) -> There<Vec<Piece>> {
        match self.pieces(&figure.own, figure.kind == Kind::Average, unit, month) {
            There::Whole(found) => There::Whole(
                found
                    .into_iter()
                    .map(|(unit, amount)| Piece::new(float(amount), unit, month))
                    .collect(),
            ),
            There::Missing => There::Missing,
            There::Partly => There::Partly,
        }
    }

    /// An indicator's value in one month, in pieces: own, or what is nearest below and has one. Of an average only the unit itself counts.
    fn pieces(
        &self,
        own: &Own,
        itself: bool,
        unit: usize,
        month: Month,
    ) -> There<Vec<(usize, i64)>> {
        let pieces = self.nearest(own, itself, unit, month);
        let covered: usize =
            pieces.iter().map(|(position, _)| self.leaf_count(*position, month)).sum();
        match covered {
            0 => There::Missing,
            all if all == self.units.leaves(unit, month).len() => There::Whole(pieces),
            _ => There::Partly,
        }
    }

    /// A figure's value over a run of months: own, or the sum over what is nearest below and has one.
    ///
    /// Units stand in tree order, so one pass does it: where a unit has an own value or does not exist,
    /// everything below it is passed over (for that month).
    fn roll(&self, figure: &Figure, unit: usize, first: Month, count: usize) -> Vec<Rolled> {
        let Some(top) = self.units.get(unit) else { return vec![Rolled::default(); count] };
        let end = if figure.kind == Kind::Average { unit + 1 } else { top.end };
        let plain = figure.own.splits.is_empty() && self.view.is_plain();
        let mut months: Vec<Walk> = (0..)
            .map(|n| Walk { month: first.plus(n), passed: unit, sum: 0, parts: 0, origin: None })
            .take(count)
            .collect();
        for position in unit..end {
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
                walk.parts += self.leaf_count(position, walk.month);
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
                    _ => self.units.leaves(unit, walk.month).len(),
                };
                known = Some((walk.month, leaves));
                let cover = match walk.parts {
                    0 => Cover::Nothing,
                    all if all == leaves => Cover::All,
                    _ => Cover::Some(self.covered(figure, unit, walk.month)),
                };
                Rolled {
                    sum: walk.sum,
                    cover,
                    coverage: share(walk.parts, leaves),
                    origin: walk.origin,
                }
            })
            .collect()
    }

    /// The leaves that a roll-up covers.
    fn covered(&self, figure: &Figure, unit: usize, month: Month) -> Bits {
        let mut covered = Bits::default();
        for (position, _) in self.nearest(&figure.own, figure.kind == Kind::Average, unit, month) {
            covered.extend(&self.units.leaves(position, month));
        }
        covered
    }

    /// The unit's own value, or those nearest below it, with where they stand. Of an average only the unit itself counts.
    fn nearest(&self, own: &Own, itself: bool, unit: usize, month: Month) -> Vec<(usize, i64)> {
        let mut found = Vec::new();
        let end = if itself { unit + 1 } else { self.units.subtree(unit).end };
        let mut position = unit;
        while let Some(here) = self.units.get(position).filter(|_| position < end) {
            position = match self.own(own, position, month).filter(|_| here.exists(month)) {
                Some((value, _)) => {
                    found.push((position, value));
                    here.end
                }
                None if here.exists(month) => position + 1,
                None => here.end,
            };
        }
        found
    }

    /// How many leaves a unit that exists stands for.
    fn leaf_count(&self, unit: usize, month: Month) -> usize {
        if self.units.subtree(unit).len() == 1 { 1 } else { self.units.leaves(unit, month).len() }
    }
}

/// One month of a roll-up on its way through the subtree.
struct Walk {
    month: Month,
    /// The first position that has not been passed over.
    passed: usize,
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
    sum as f64
}
