//! A measure or an expression made ready for evaluation: operands that are aggregated first, and a
//! formula that is applied once (contract section 2, *Kpi*; section 4).

use super::catalogue::{Catalogue, Indicator, Kind};
use super::cube::{MeasureId, View};
use super::formula::{Expression, Operator, Reference};
use super::measure::{Measure, Members};
use super::number::{float, power_of_ten};
use super::period::Month;

/// How an indicator's own value is found: stated, or as the sum over a complete dimension's members.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The column of exactly this.
    pub stated: Option<MeasureId>,
    /// For each complete open dimension that has figures, in catalogue order: its members.
    pub splits: Vec<Vec<Own>>,
}

impl Own {
    /// The plan for an indicator with members, over the columns there are.
    #[must_use]
    pub fn plan(indicator: &Indicator, members: &Members, view: &View<'_>) -> Self {
        let stated = view.id(&indicator.code, members);
        if indicator.kind == Kind::Average {
            return Self { stated, splits: Vec::new() }; // an average never adds up
        }
        let splits = indicator.open(members).filter(|dimension| dimension.complete).filter_map(
            |dimension| {
                let parts: Vec<Self> = dimension
                    .members
                    .iter()
                    .map(|member| {
                        Self::plan(indicator, &members.with(&dimension.code, member), view)
                    })
                    .take_while(|part| !part.is_empty())
                    .collect();
                (parts.len() == dimension.members.len()).then_some(parts)
            },
        );
        Self { stated, splits: splits.collect() }
    }

    fn is_empty(&self) -> bool {
        self.stated.is_none() && self.splits.is_empty()
    }
}

/// An indicator as an operand.
#[derive(Clone, Debug)]
pub struct Figure {
    /// How its own value is found.
    pub own: Own,
    pub(super) kind: Kind,
    pub(super) decimals: u32,
    pub(super) previous: bool,
    breaks: Vec<Month>,
}

impl Figure {
    fn of(indicator: &Indicator, members: &Members, previous: bool, view: &View<'_>) -> Self {
        let own = Own::plan(indicator, members, view);
        Self {
            own,
            kind: indicator.kind,
            decimals: indicator.decimals,
            previous,
            breaks: indicator.breaks.clone(),
        }
    }
}

/// The months that a period's figures come from.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Its first month.
    pub first: Month,
    /// Its last month.
    pub last: Month,
    /// The month stocks are taken from.
    pub taken: Month,
    /// The month that `prev()` looks at.
    pub before: Month,
}

/// What a formula is applied to.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// An indicator's value, unscaled.
    Figure(Figure),
    /// `x ?? y`, taken per unit before summing.
    Choice(Box<Program>, Box<Program>),
    /// `sum(x)`: x at each leaf, added.
    LeafSum(Box<Program>),
}

impl Operand {
    /// Whether it adds up over months.
    fn accumulates(&self) -> bool {
        match self {
            Self::Figure(figure) => figure.kind == Kind::Flow && !figure.previous,
            Self::Choice(x, _) | Self::LeafSum(x) => x.operands.iter().any(Self::accumulates),
        }
    }

    fn has_previous(&self) -> bool {
        match self {
            Self::Figure(figure) => figure.previous,
            Self::Choice(x, y) => x.has_previous() || y.has_previous(),
            Self::LeafSum(x) => x.has_previous(),
        }
    }

    /// Whether a break parts the months that its figures come from in two periods. `spread` says that
    /// it stands beside a flow, so that it counts in every month and not only in the one taken.
    fn is_broken(&self, then: &Window, now: &Window, spread: bool) -> bool {
        match self {
            Self::Figure(figure) => {
                let (after, until) = match figure.kind {
                    _ if figure.previous => (then.before, now.before),
                    Kind::Flow => (then.first, now.last),
                    Kind::Stock | Kind::Average if spread => (then.first, now.last),
                    Kind::Stock | Kind::Average => (then.taken, now.taken),
                };
                figure.breaks.iter().any(|from| after < *from && *from <= until)
            }
            Self::Choice(x, y) => [x, y].into_iter().any(|side| {
                side.operands.iter().any(|operand| operand.is_broken(then, now, self.accumulates()))
            }),
            Self::LeafSum(x) => {
                x.operands.iter().any(|operand| operand.is_broken(then, now, self.accumulates()))
            }
        }
    }
}

/// An expression over operands by their places.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Number(f64),
    Operand(usize),
    Negate(Box<Node>),
    Abs(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Min(Vec<Node>),
    Max(Vec<Node>),
}

/// A measure or an expression made ready for evaluation: operands that are aggregated first, and a
/// formula that is applied once (contract section 2, *Kpi*).
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) node: Node,
    pub(super) operands: Vec<Operand>,
    factor: f64,
    /// Whether its values are percentages.
    pub percent: bool,
    /// Whether it is a kpi.
    pub computed: bool,
}

impl Program {
    /// The program of a measure; none when the catalogue does not declare it.
    #[must_use]
    pub fn of_measure(catalogue: &Catalogue, view: &View<'_>, measure: &Measure) -> Option<Self> {
        if let Some(indicator) = catalogue.indicator(&measure.code) {
            let operand = Operand::Figure(Figure::of(indicator, &measure.members, false, view));
            return Some(Self {
                node: Node::Operand(0),
                operands: vec![operand],
                factor: 1.0,
                percent: indicator.percent,
                computed: false,
            });
        }
        let kpi = catalogue.kpi(&measure.code)?;
        let program = Self::of_expression(catalogue, view, &kpi.formula, &measure.members)?;
        Some(Self {
            factor: if kpi.percent { 100.0 } else { 1.0 },
            percent: kpi.percent,
            ..program
        })
    }

    /// The program of an expression; `asked` fills the dimensions that are named without a member.
    #[must_use]
    pub fn of_expression(
        catalogue: &Catalogue,
        view: &View<'_>,
        expression: &Expression,
        asked: &Members,
    ) -> Option<Self> {
        let mut program = Self {
            node: Node::Number(0.0),
            operands: Vec::new(),
            factor: 1.0,
            percent: false,
            computed: true,
        };
        program.node = program.compile(catalogue, view, expression, asked)?;
        Some(program)
    }

    fn compile(
        &mut self,
        catalogue: &Catalogue,
        view: &View<'_>,
        expression: &Expression,
        asked: &Members,
    ) -> Option<Node> {
        let operand = match expression {
            Expression::Number(number) => return Some(Node::Number(number.to_f64())),
            Expression::Negate(x) => {
                return Some(Node::Negate(Box::new(self.compile(catalogue, view, x, asked)?)));
            }
            Expression::Abs(x) => {
                return Some(Node::Abs(Box::new(self.compile(catalogue, view, x, asked)?)));
            }
            Expression::Binary(operator, x, y) => {
                let (x, y) = (
                    self.compile(catalogue, view, x, asked)?,
                    self.compile(catalogue, view, y, asked)?,
                );
                return Some(Node::Binary(*operator, Box::new(x), Box::new(y)));
            }
            Expression::Min(list) => {
                return Some(Node::Min(
                    list.iter()
                        .map(|x| self.compile(catalogue, view, x, asked))
                        .collect::<Option<_>>()?,
                ));
            }
            Expression::Max(list) => {
                return Some(Node::Max(
                    list.iter()
                        .map(|x| self.compile(catalogue, view, x, asked))
                        .collect::<Option<_>>()?,
                ));
            }
            Expression::Figure(reference) => {
                Operand::Figure(figure(catalogue, view, reference, asked)?)
            }
            Expression::Coalesce(x, y) => Operand::Choice(
                Box::new(Self::of_expression(catalogue, view, x, asked)?),
                Box::new(Self::of_expression(catalogue, view, y, asked)?),
            ),
            Expression::Sum(x) => {
                Operand::LeafSum(Box::new(Self::of_expression(catalogue, view, x, asked)?))
            }
        };
        self.operands.push(operand);
        Some(Node::Operand(self.operands.len() - 1))
    }

    /// Whether it is an average, which has own values only.
    #[must_use]
    pub fn is_average(&self) -> bool {
        !self.computed
            && matches!(
                self.operands.as_slice(),
                [Operand::Figure(Figure { kind: Kind::Average, .. })]
            )
    }

    /// For each operand, whether it adds up over months; the others are taken from one month.
    #[must_use]
    pub fn accumulating(&self) -> Vec<bool> {
        self.operands.iter().map(Operand::accumulates).collect()
    }

    /// Whether `prev()` stands anywhere in it.
    #[must_use]
    pub fn has_previous(&self) -> bool {
        self.operands.iter().any(Operand::has_previous)
    }

    /// Whether an operand declares a break in between two periods.
    #[must_use]
    pub fn is_broken(&self, then: &Window, now: &Window) -> bool {
        self.operands.iter().any(|operand| operand.is_broken(then, now, false))
    }

    /// Applies the formula to aggregated operands. Division by zero gives nothing.
    #[must_use]
    pub fn apply(&self, values: &[f64]) -> Option<f64> {
        let result = self.run(&self.node, values)? * self.factor;
        result.is_finite().then_some(result)
    }

    /// The change between two aggregates; of a plain figure it is taken before scaling, so that it is exact.
    #[must_use]
    pub fn difference(&self, now: &[f64], then: &[f64]) -> Option<f64> {
        if let (Node::Operand(0), Some(Operand::Figure(figure)), false) =
            (&self.node, self.operands.first(), self.computed)
        {
            return Some((now.first()? - then.first()?) / float(power_of_ten(figure.decimals)));
        }
        Some(self.apply(now)? - self.apply(then)?)
    }

    fn run(&self, node: &Node, values: &[f64]) -> Option<f64> {
        let all =
            |list: &[Node]| list.iter().map(|x| self.run(x, values)).collect::<Option<Vec<f64>>>();
        Some(match node {
            Node::Number(number) => *number,
            Node::Operand(place) => match (self.operands.get(*place)?, values.get(*place)?) {
                (Operand::Figure(figure), value) if figure.decimals > 0 => {
                    value / float(power_of_ten(figure.decimals))
                }
                (_, value) => *value,
            },
            Node::Negate(x) => -self.run(x, values)?,
            Node::Abs(x) => self.run(x, values)?.abs(),
            Node::Min(list) => all(list)?.into_iter().fold(f64::INFINITY, f64::min),
            Node::Max(list) => all(list)?.into_iter().fold(f64::NEG_INFINITY, f64::max),
            Node::Binary(operator, x, y) => {
                let (x, y) = (self.run(x, values)?, self.run(y, values)?);
                match operator {
                    Operator::Add => x + y,
                    Operator::Subtract => x - y,
                    Operator::Multiply => x * y,
                    Operator::Divide if y == 0.0 => return None,
                    Operator::Divide => x / y,
                }
            }
        })
    }
}

fn figure(
    catalogue: &Catalogue,
    view: &View<'_>,
    reference: &Reference,
    asked: &Members,
) -> Option<Figure> {
    let indicator = catalogue.indicator(&reference.indicator)?;
    let named = reference.members.iter().filter_map(|(dimension, member)| {
        let member = member.as_deref().or_else(|| asked.get(dimension))?;
        Some((dimension.clone(), member.to_owned()))
    });
    let members = Members::new(named.collect()).ok()?;
    Some(Figure::of(indicator, &members, reference.previous, view))
}
