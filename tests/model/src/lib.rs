//! An independent reference model of the arithmetic of docs/specification.md.
//!
//! It was written from the specification alone, without knowledge of the engine's code, and is
//! compared with the engine point by point. It uses sets, maps and recursion; nothing is cached
//! between calls and nothing is rounded. Figures stay exact (fractions of `i128`) until a point is
//! returned. It does not cover `as_of`, stated rates and findings.
//!
//! Where the specification can be read in two ways, a comment beginning with `Reading:` says which
//! one the model takes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "the model is written for its reader, and ends a test by panicking"
)]

mod worlds;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use worlds::{FIRST, LAST, random_world, random_world_of_merges, random_world_of_today};

/// A month as `year * 12 + (month - 1)`.
pub type Month = i32;

/// The members that a figure or a query names: dimension to member.
pub type Members = BTreeMap<String, String>;

/// Codes of units, mostly of leaves.
type Units = BTreeSet<String>;

/// The kind of an indicator (docs/specification.md#indicators).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An amount of the month; months add up.
    Flow,
    /// The level at the end of the month.
    Stock,
    /// An intensive value with own values only.
    Average,
}

/// A named split of an indicator (docs/specification.md#dimensions).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dimension {
    /// Its code.
    pub code: String,
    /// Its members' codes.
    pub members: Vec<String>,
    /// Whether the members add up to the total.
    pub complete: bool,
    /// The dimension and member that must be named for it to be open.
    pub within: Option<(String, String)>,
    /// The first and last month of the members that have dates
    /// (docs/specification.md#members-with-dates).
    pub dates: BTreeMap<String, (Option<Month>, Option<Month>)>,
}

impl Dimension {
    /// Whether the dates of a member include a month.
    fn has_member_in(&self, member: &str, month: Month) -> bool {
        self.dates.get(member).is_none_or(|(from, to)| {
            from.is_none_or(|from| month >= from) && to.is_none_or(|to| month <= to)
        })
    }
}

/// An indicator (docs/specification.md#indicators).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indicator {
    /// Its code.
    pub code: String,
    /// Its kind.
    pub kind: Kind,
    /// The number of decimals by which its figures are scaled.
    pub decimals: u32,
    /// Whether its unit of measure is `percent`.
    pub percent: bool,
    /// Its dimensions in catalogue order.
    pub dimensions: Vec<Dimension>,
    /// Months from which its definition differs from before.
    pub breaks: Vec<Month>,
}

/// A formula (docs/specification.md#formulas).
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// A number.
    Number(f64),
    /// An indicator, with members.
    Measure {
        /// The indicator's code.
        indicator: String,
        /// Dimensions with their members; `None` takes the member of the query, or the total.
        members: Vec<(String, Option<String>)>,
        /// Whether it is inside `prev()`.
        prev: bool,
    },
    /// `x + y`.
    Add(Box<Expr>, Box<Expr>),
    /// `x - y`.
    Sub(Box<Expr>, Box<Expr>),
    /// `x * y`.
    Mul(Box<Expr>, Box<Expr>),
    /// `x / y`.
    Div(Box<Expr>, Box<Expr>),
    /// `-x`.
    Neg(Box<Expr>),
    /// `min(x, ...)`.
    Min(Vec<Expr>),
    /// `max(x, ...)`.
    Max(Vec<Expr>),
    /// `abs(x)`.
    Abs(Box<Expr>),
    /// `x ?? y`.
    Coalesce(Box<Expr>, Box<Expr>),
    /// `sum(x)`: evaluated at each leaf and added.
    Sum(Box<Expr>),
}

/// A kpi (docs/specification.md#kpis).
#[derive(Clone, PartialEq, Debug)]
pub struct Kpi {
    /// Its code.
    pub code: String,
    /// Whether its unit of measure is `percent`, so that the result is multiplied by 100.
    pub percent: bool,
    /// Its formula.
    pub formula: Expr,
}

/// A unit (docs/specification.md#units).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unit {
    /// Its code.
    pub code: String,
    /// The unit above; it never changes.
    pub parent: Option<String>,
    /// The first month in which it is valid on the last day.
    pub exists_from: Option<Month>,
    /// The last month in which it is valid on the last day.
    pub exists_to: Option<Month>,
    /// The units that continue it.
    pub successors: Vec<String>,
    /// For a unit that was split: the share of each successor in hundredths, if declared.
    pub shares: BTreeMap<String, i64>,
}

/// Indicator, members, unit and month.
pub type FigureKey = (String, Members, String, Month);

/// Units, catalogue and figures.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    /// The units.
    pub units: Vec<Unit>,
    /// The indicators.
    pub indicators: Vec<Indicator>,
    /// The kpis.
    pub kpis: Vec<Kpi>,
    /// The stated figures by indicator, members, unit and month, scaled by the decimals.
    pub figures: BTreeMap<FigureKey, i64>,
    /// What is stated not to apply: the members by indicator, unit and month.
    pub not_applicable: BTreeMap<(String, String, Month), BTreeSet<Members>>,
    /// With `geography=current`: the month of the day; values are given for its units. `None`: as
    /// reported.
    pub today: Option<Month>,
}

/// The length of a period (docs/specification.md#periods).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// One month.
    Month,
    /// Three months.
    Quarter,
    /// Six months.
    Half,
    /// January to September.
    NineMonths,
    /// Twelve months.
    Year,
    /// A span of this number of months, from any month.
    Span(i32),
}

/// How a value came about (docs/specification.md#own-value, docs/specification.md#value), in order
/// of the distance from a stated figure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Origin {
    /// Stated for exactly this measure.
    Stated,
    /// Summed from members of a dimension.
    Summed,
    /// Summed from children.
    RolledUp,
    /// A kpi.
    Computed,
}

/// Why a field is null (docs/specification.md#changes, docs/specification.md#like-for-like).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Percent change of a percentage, year to date of stocks and averages, delta of `9M` and of
    /// spans.
    NotApplicable,
    /// This period has no value.
    Missing,
    /// The unit did not exist in the other period, or there is a break between the two.
    DefinitionChanged,
    /// The other period has no value.
    NoPrior,
    /// The periods do not cover the same leaves.
    CoverageChanged,
    /// The other period's value is zero (percent only).
    PriorZero,
    /// A figure stated above the leaves cannot be restricted (like for like only).
    StatedAbove,
}

/// One point of a series (docs/specification.md#series).
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The value, if there is one.
    pub value: Option<f64>,
    /// Whether the value is null because the measure applies to no leaf; otherwise, whether its
    /// formula has no result.
    pub not_applicable: bool,
    /// Whether the formula has no result.
    pub undefined: bool,
    /// Covered leaves / all leaves to which the measure applies, if there are any.
    pub coverage: Option<f64>,
    /// How the value came about.
    pub origin: Option<Origin>,
    /// In a wider period: the month from which a stock was taken.
    pub taken_from: Option<Month>,
    /// This period minus the calendar period before.
    pub delta: Result<f64, Reason>,
    /// The same as a percentage of the period before.
    pub delta_percent: Result<f64, Reason>,
    /// The change over the leaves covered in both periods.
    pub like_for_like_delta: Result<f64, Reason>,
    /// The same as a percentage of the period before over those leaves.
    pub like_for_like_percent: Result<f64, Reason>,
    /// The share of this period's leaves that like for like compares.
    pub like_for_like_coverage: Option<f64>,
    /// This period minus the same period one year before.
    pub year_delta: Result<f64, Reason>,
    /// The same as a percentage of the period one year before.
    pub year_delta_percent: Result<f64, Reason>,
    /// January up to this period's last month.
    pub year_to_date: Result<f64, Reason>,
    /// The value of the calendar period before.
    pub previous: Option<f64>,
    /// The value of the same period one year before.
    pub year_before: Option<f64>,
    /// The operands of a kpi after aggregation.
    pub operands: Option<Vec<f64>>,
    /// The year to date minus that of the year before.
    pub year_to_date_delta: Result<f64, Reason>,
    /// The same as a percentage of that of the year before.
    pub year_to_date_percent: Result<f64, Reason>,
    /// The value over the last months that are asked for, with its coverage.
    pub rolling: Result<(f64, f64), Reason>,
}

impl Point {
    /// The point of a unit that no longer exists: null, `definition_changed`
    /// (docs/specification.md#merged-units).
    fn of_no_unit_of_today(mut self) -> Self {
        let fields = [
            &mut self.delta,
            &mut self.delta_percent,
            &mut self.like_for_like_delta,
            &mut self.like_for_like_percent,
            &mut self.year_delta,
            &mut self.year_delta_percent,
            &mut self.year_to_date,
            &mut self.year_to_date_delta,
            &mut self.year_to_date_percent,
        ];
        for field in fields.into_iter().filter(|field| **field == Err(Reason::Missing)) {
            *field = Err(Reason::DefinitionChanged);
        }
        if self.rolling == Err(Reason::Missing) {
            self.rolling = Err(Reason::DefinitionChanged);
        }
        self
    }
}

/// An exact fraction in lowest terms with a positive denominator (docs/specification.md#numbers).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Exact {
    num: i128,
    den: i128,
}

impl Exact {
    /// The number 1.
    const ONE: Self = Self { num: 1, den: 1 };
    /// The number 0.
    const ZERO: Self = Self { num: 0, den: 1 };

    /// A fraction, reduced to lowest terms.
    fn new(num: i128, den: i128) -> Self {
        let (mut a, mut b) = (num.abs(), den.abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { num: num / a * den.signum(), den: den.abs() / a }
    }

    /// A number of a formula, with up to nine decimals.
    fn from_number(number: f64) -> Self {
        Self::new((number * 1e9).round() as i128, 1_000_000_000)
    }

    /// The sum.
    fn plus(self, other: Self) -> Self {
        let num = times(self.num, other.den).checked_add(times(other.num, self.den));
        Self::new(num.expect("the model's numbers fit 128 bits"), times(self.den, other.den))
    }

    /// The number with the other sign.
    fn negative(self) -> Self {
        Self { num: -self.num, den: self.den }
    }

    /// The difference.
    fn minus(self, other: Self) -> Self {
        self.plus(other.negative())
    }

    /// The product.
    fn times(self, other: Self) -> Self {
        Self::new(times(self.num, other.num), times(self.den, other.den))
    }

    /// The quotient; `None` when the divisor is zero (docs/specification.md#kpis).
    fn divided_by(self, other: Self) -> Option<Self> {
        (other.num != 0).then(|| Self::new(times(self.num, other.den), times(self.den, other.num)))
    }

    /// The value as a double, the last step of a computation.
    fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

/// A product, which must fit: the model stops rather than give a wrong result.
fn times(a: i128, b: i128) -> i128 {
    a.checked_mul(b).expect("the model's numbers fit 128 bits")
}

/// The months of a period.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: Month,
    length: i32,
    /// Whether a calendar period comes before it, which `prev()` reads.
    has_before: bool,
}

impl Span {
    /// Its months, in order.
    fn months(self) -> impl Iterator<Item = Month> {
        self.start..self.start + self.length
    }

    /// Its last month.
    fn end(self) -> Month {
        self.start + self.length - 1
    }

    /// The period of the same length that begins `months` earlier.
    fn earlier(self, months: i32) -> Self {
        Self { start: self.start - months, ..self }
    }
}

/// A contribution to a sum that cannot be divided: an own value with the leaves that it covers.
#[derive(Clone, Debug)]
struct Piece {
    amount: Exact,
    /// The leaves that it covers, in the month of the figure.
    leaves: Units,
    month: Month,
    /// If it is only a declared share: the later unit that has the share.
    share_of: Option<String>,
}

impl Piece {
    /// The whole of a figure.
    fn new(amount: Exact, leaves: Units, month: Month) -> Self {
        Self { amount, leaves, month, share_of: None }
    }

    /// The share of a figure that belongs to a later unit (docs/specification.md#merged-units).
    fn in_part(self, part: Exact, of: &Unit) -> Self {
        let share_of = if part == Exact::ONE {
            self.share_of
        } else {
            self.share_of.or_else(|| Some(of.code.clone()))
        };
        Self { amount: self.amount.times(part), share_of, ..self }
    }
}

/// A measure at one unit in one month, before its formula is applied.
#[derive(Clone, Debug)]
struct Figures {
    /// The contributions to each operand; an indicator has itself as the only operand.
    operands: Vec<Vec<Piece>>,
    covered: Units,
    leaves: Units,
    origin: Origin,
}

impl Figures {
    /// docs/specification.md#coverage
    fn coverage(&self) -> f64 {
        share(&self.covered, &self.leaves)
    }

    /// The share of a predecessor's figures that belongs to a later unit
    /// (docs/specification.md#merged-units).
    // Reading: coverage counts leaves, and a leaf of which the unit has only a share counts as one
    // leaf.
    fn in_part(mut self, part: Exact, of: &Unit) -> Self {
        for pieces in &mut self.operands {
            *pieces = pieces.drain(..).map(|piece| piece.in_part(part, of)).collect();
        }
        self
    }
}

/// A measure at one unit over one period.
#[derive(Clone, Debug)]
struct Found {
    /// The figures of each month; `None` where they are missing.
    places: Vec<Option<Figures>>,
    /// The months in which the measure applies to no leaf.
    gone: Vec<bool>,
    /// The place of the last month with figures.
    last: Option<usize>,
    value: Option<Exact>,
}

impl Found {
    /// The mean over the months in which the measure applies to a leaf.
    fn mean(&self, months: impl Iterator<Item = f64>) -> f64 {
        let months = months.zip(&self.gone).filter(|(_, gone)| !**gone);
        mean(&months.map(|(coverage, _)| coverage).collect::<Vec<f64>>())
    }

    fn applies_nowhere(&self) -> bool {
        self.gone.iter().all(|gone| *gone)
    }

    /// The value, if no month is missing; one in which the measure applies to no leaf is not.
    fn whole_value(&self) -> Option<Exact> {
        let mut months = self.places.iter().zip(&self.gone);
        self.value.filter(|_| months.all(|(place, gone)| place.is_some() || *gone))
    }
}

/// Whether an operand is available at a unit (docs/specification.md#kpis).
enum There {
    /// Available, with coverage 1.
    Whole(Vec<Piece>),
    /// Available, with a coverage between 0 and 1.
    Partly,
    /// Not available.
    Missing,
}

/// Which units represent a unit in a month (docs/specification.md#merged-units).
enum Stead<'a> {
    /// The unit itself: it exists in the month.
    Itself,
    /// Its predecessors, each with the share that the unit continues.
    Predecessors(Vec<(&'a Unit, Exact)>),
    /// No unit: the unit is not represented in that month.
    Nobody,
}

/// A measure of a query, with its members resolved.
struct Asked {
    formula: Expr,
    members: Members,
    is_kpi: bool,
    /// Whether the result is multiplied by 100 (kpis in percent).
    hundredfold: bool,
    /// Whether it is a percentage, so that it has no percent change.
    percentage: bool,
    /// Whether it is an average.
    average: bool,
    /// The operands of the formula, which are aggregated before the formula is applied.
    operands: Vec<Expr>,
    /// For each operand, whether it is summed over months; otherwise it is taken from one month.
    adds_up: Vec<bool>,
}

/// The months that `prev()` reads for one month of a period; `None` where it is missing
/// (docs/specification.md#wider-periods).
#[derive(Clone, Copy)]
struct Prior {
    /// For a flow: the month in the same place of the period before.
    flow: Option<Month>,
    /// For a stock or an average: the last month of the period before.
    level: Option<Month>,
}

impl Prior {
    /// For an indicator of a kind.
    fn of(self, kind: Kind) -> Option<Month> {
        if kind == Kind::Flow { self.flow } else { self.level }
    }
}

/// A change: the difference, the earlier value, and the coverage that they apply to.
struct Change {
    delta: Exact,
    previous: Exact,
    coverage: f64,
}

/// The number of some leaves divided by that of others.
fn share(some: &Units, all: &Units) -> f64 {
    if all.is_empty() { 0.0 } else { some.len() as f64 / all.len() as f64 }
}

/// The mean over the months of a period.
fn mean(parts: &[f64]) -> f64 {
    parts.iter().sum::<f64>() / parts.len() as f64
}

/// The operands of a formula, which are aggregated before it is applied: its measures, and each
/// `??` and `sum()` as a whole, because both are evaluated at each unit before summing.
fn operands(formula: &Expr) -> Vec<Expr> {
    match formula {
        Expr::Measure { .. } | Expr::Sum(_) | Expr::Coalesce(..) => vec![formula.clone()],
        other => inside(other).into_iter().flat_map(operands).collect(),
    }
}

/// The expressions directly inside an expression.
fn inside(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Number(_) | Expr::Measure { .. } => vec![],
        Expr::Add(x, y)
        | Expr::Sub(x, y)
        | Expr::Mul(x, y)
        | Expr::Div(x, y)
        | Expr::Coalesce(x, y) => vec![x, y],
        Expr::Neg(x) | Expr::Abs(x) | Expr::Sum(x) => vec![x],
        Expr::Min(list) | Expr::Max(list) => list.iter().collect(),
    }
}

/// All measures in an expression: the indicator, and whether it is inside `prev()`.
fn measures(expr: &Expr) -> Vec<(&str, bool)> {
    match expr {
        Expr::Measure { indicator, prev, .. } => vec![(indicator.as_str(), *prev)],
        other => inside(other).into_iter().flat_map(measures).collect(),
    }
}

/// Applies a formula; `known` gives the values of its operands. Division by zero gives a missing
/// value.
fn apply(formula: &Expr, known: &dyn Fn(&Expr) -> Option<Exact>) -> Option<Exact> {
    let of = |x: &Expr| apply(x, known);
    let all = |list: &[Expr]| list.iter().map(of).collect::<Option<Vec<Exact>>>();
    let size = |x: &Exact, y: &Exact| x.minus(*y).num.cmp(&0);
    match formula {
        Expr::Number(number) => Some(Exact::from_number(*number)),
        Expr::Measure { .. } | Expr::Sum(_) | Expr::Coalesce(..) => known(formula),
        Expr::Add(x, y) => Some(of(x)?.plus(of(y)?)),
        Expr::Sub(x, y) => Some(of(x)?.minus(of(y)?)),
        Expr::Mul(x, y) => Some(of(x)?.times(of(y)?)),
        Expr::Div(x, y) => of(x)?.divided_by(of(y)?),
        Expr::Neg(x) => Some(of(x)?.negative()),
        Expr::Min(list) => all(list)?.into_iter().min_by(size),
        Expr::Max(list) => all(list)?.into_iter().max_by(size),
        Expr::Abs(x) => of(x).map(|x| if x.num < 0 { x.negative() } else { x }),
    }
}

/// The sum of contributions; `None` without any, because missing is not zero.
fn total<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Option<Exact> {
    pieces.into_iter().map(|piece| piece.amount).reduce(Exact::plus)
}

impl Expr {
    /// The formula in the language of docs/specification.md#formulas, with all parentheses.
    pub fn text(&self) -> String {
        let list = |all: &[Expr]| all.iter().map(Expr::text).collect::<Vec<String>>().join(", ");
        match self {
            Expr::Number(number) => number.to_string(),
            Expr::Measure { indicator, members, prev } => {
                let member = |(dimension, member): &(String, Option<String>)| match member {
                    Some(member) => format!("{dimension}={member}"),
                    None => dimension.clone(),
                };
                let members = members.iter().map(member).collect::<Vec<String>>().join(", ");
                let measure = if members.is_empty() {
                    indicator.clone()
                } else {
                    format!("{indicator}{{{members}}}")
                };
                if *prev { format!("prev({measure})") } else { measure }
            }
            Expr::Add(x, y) => format!("({} + {})", x.text(), y.text()),
            Expr::Sub(x, y) => format!("({} - {})", x.text(), y.text()),
            Expr::Mul(x, y) => format!("({} * {})", x.text(), y.text()),
            Expr::Div(x, y) => format!("({} / {})", x.text(), y.text()),
            Expr::Neg(x) => format!("(-{})", x.text()),
            Expr::Min(all) => format!("min({})", list(all)),
            Expr::Max(all) => format!("max({})", list(all)),
            Expr::Abs(x) => format!("abs({})", x.text()),
            Expr::Coalesce(x, y) => format!("({} ?? {})", x.text(), y.text()),
            Expr::Sum(x) => format!("sum({})", x.text()),
        }
    }
}

impl Asked {
    /// Operands that are summed over months are added over the months with figures, the others are
    /// taken from the last of them; then the formula is applied once
    /// (docs/specification.md#wider-periods).
    fn value(&self, places: &[Option<Figures>]) -> Option<Exact> {
        let totals = self.totals(places)?;
        let known =
            |expr: &Expr| totals[self.operands.iter().position(|operand| operand == expr)?];
        let value = apply(&self.formula, &known)?;
        Some(if self.hundredfold { value.times(Exact::new(100, 1)) } else { value })
    }

    /// The operands before the formula is applied; `None` where they are not there.
    fn totals(&self, places: &[Option<Figures>]) -> Option<Vec<Option<Exact>>> {
        let there: Vec<&Figures> = places.iter().flatten().collect();
        let last = *there.last()?;
        let totals = (0..self.operands.len()).map(|i| match self.adds_up[i] {
            true => total(there.iter().flat_map(|figures| &figures.operands[i])),
            false => total(&last.operands[i]),
        });
        Some(totals.collect())
    }

    /// Whether no operand is summed over months, so that the value is that of one month.
    fn only_levels(&self) -> bool {
        !self.adds_up.contains(&true)
    }

    /// The change in percent of the earlier value (docs/specification.md#changes).
    fn percent(&self, change: &Result<Change, Reason>) -> Result<f64, Reason> {
        match change {
            _ if self.percentage => Err(Reason::NotApplicable),
            Err(reason) => Err(*reason),
            Ok(change) if change.previous.num == 0 => Err(Reason::PriorZero),
            Ok(change) => Ok(change.delta.to_f64() / change.previous.to_f64().abs() * 100.0),
        }
    }
}

impl World {
    /// States that a figure does not apply.
    fn put_not_applicable(&mut self, (indicator, members, unit, month): FigureKey) {
        self.not_applicable.entry((indicator, unit, month)).or_default().insert(members);
    }

    /// All figures: their numbers, or `None` for those that do not apply.
    pub fn stated(&self) -> impl Iterator<Item = (FigureKey, Option<i64>)> + '_ {
        let numbers = self.figures.iter().map(|(key, value)| (key.clone(), Some(*value)));
        let others = self.not_applicable.iter().flat_map(|((indicator, unit, month), all)| {
            let key = |members: &Members| {
                ((indicator.clone(), members.clone(), unit.clone(), *month), None)
            };
            all.iter().map(key)
        });
        numbers.chain(others)
    }

    /// One point of a series (docs/specification.md#series). `start` is the first month of the
    /// period. With the number of months of `rolling` the comparisons on request are computed, too;
    /// without it these fields mean nothing.
    pub fn point(
        &self,
        measure: &str,
        members: &Members,
        unit: &str,
        step: Step,
        start: Month,
        on_request: Option<i32>,
    ) -> Point {
        let asked = self.asked(measure, members);
        let unit = self.unit(unit).expect("a known unit");
        let length = match step {
            Step::Month => 1,
            Step::Quarter => 3,
            Step::Half => 6,
            Step::NineMonths => 9,
            Step::Year => 12,
            Step::Span(months) => months,
        };
        // Reading: a span of one's own has no calendar period before, like nine months.
        let has_before = !matches!(step, Step::NineMonths | Step::Span(_));
        let now = Span { start, length, has_before };
        let found = self.found(&asked, unit, now);
        let year_before = self.change(&asked, unit, now, &found, now.earlier(12));
        // Reading: with the delta of `9M` its percent and the like-for-like change are not
        // applicable either, because there is no calendar period before.
        let (before, like_for_like) = match has_before {
            false => (Err(Reason::NotApplicable), Err(Reason::NotApplicable)),
            true => (
                self.change(&asked, unit, now, &found, now.earlier(length)),
                self.like_for_like(&asked, unit, now, &found, now.earlier(length)),
            ),
        };
        let delta = |change: &Result<Change, Reason>| {
            change.as_ref().map(|c| c.delta.to_f64()).map_err(|r| *r)
        };
        let levels = (0..asked.operands.len()).any(|i| !asked.adds_up[i]);
        let to_date = match on_request {
            Some(_) => self.year_to_date_change(&asked, unit, now),
            None => Err(Reason::NotApplicable),
        };
        let point = Point {
            value: found.value.map(Exact::to_f64),
            not_applicable: found.applies_nowhere(),
            undefined: found.value.is_none() && found.last.is_some(),
            coverage: self.coverage(&asked, &found),
            origin: found.value.and_then(|_| self.origin(&asked, &found)),
            // Reading: it is given only for wider periods, also for a kpi in which only some
            // operand is a stock.
            taken_from: match found.last {
                Some(last) if length > 1 && levels && found.value.is_some() => {
                    Some(start + place(last))
                }
                _ => None,
            },
            delta: delta(&before),
            delta_percent: asked.percent(&before),
            like_for_like_delta: delta(&like_for_like),
            like_for_like_percent: asked.percent(&like_for_like),
            like_for_like_coverage: like_for_like.ok().map(|change| change.coverage),
            year_delta: delta(&year_before),
            year_delta_percent: asked.percent(&year_before),
            year_to_date: self.year_to_date(&asked, unit, now),
            previous: match has_before {
                false => None,
                true => {
                    on_request.and_then(|_| self.found(&asked, unit, now.earlier(length)).value)
                }
            }
            .map(Exact::to_f64),
            year_before: on_request
                .and_then(|_| self.found(&asked, unit, now.earlier(12)).value)
                .map(Exact::to_f64),
            operands: match asked.is_kpi {
                true => asked
                    .totals(&found.places)
                    .and_then(|totals| totals.into_iter().map(|x| Some(x?.to_f64())).collect()),
                false => None,
            },
            year_to_date_delta: delta(&to_date),
            year_to_date_percent: asked.percent(&to_date),
            rolling: match (step, on_request) {
                (Step::Month, Some(months)) => self.rolling(&asked, unit, start, months),
                _ => Err(Reason::NotApplicable),
            },
        };
        if self.is_of_today(unit) { point } else { point.of_no_unit_of_today() }
    }

    /// Finds an indicator or kpi by its code, with the members of the query.
    fn asked(&self, measure: &str, members: &Members) -> Asked {
        let kpi = self.kpis.iter().find(|kpi| kpi.code == measure);
        let formula = match kpi {
            Some(kpi) => kpi.formula.clone(),
            None => Expr::Measure {
                indicator: measure.to_owned(),
                members: members
                    .iter()
                    .map(|(dimension, member)| (dimension.clone(), Some(member.clone())))
                    .collect(),
                prev: false,
            },
        };
        let operands = operands(&formula);
        // Reading: a sum() or a ?? is summed over months when it contains a flow. Averages are
        // weights there and do not decide.
        let flow = |code: &str| self.indicator(code).kind == Kind::Flow;
        let adds_up =
            operands.iter().map(|x| measures(x).into_iter().any(|(code, _)| flow(code))).collect();
        let percent = kpi.map_or_else(|| self.indicator(measure).percent, |kpi| kpi.percent);
        Asked {
            formula,
            members: members.clone(),
            is_kpi: kpi.is_some(),
            hundredfold: kpi.is_some() && percent,
            percentage: percent,
            average: kpi.is_none() && self.indicator(measure).kind == Kind::Average,
            operands,
            adds_up,
        }
    }

    /// An indicator of the catalogue.
    fn indicator(&self, code: &str) -> &Indicator {
        self.indicators.iter().find(|indicator| indicator.code == code).expect("a known measure")
    }

    /// A unit by its code.
    fn unit(&self, code: &str) -> Option<&Unit> {
        self.units.iter().find(|unit| unit.code == code)
    }

    /// The children that exist in a month (docs/specification.md#units). Reading: a unit counts for
    /// no unit above it, neither for its parent nor for its grandparent, if its parent does not
    /// exist in the month.
    fn children(&self, unit: &Unit, month: Month) -> Vec<&Unit> {
        let child =
            |other: &&Unit| other.parent.as_ref() == Some(&unit.code) && exists(other, month);
        self.units.iter().filter(child).collect()
    }

    /// The leaves below a unit, or the unit itself; before the unit began, those of its
    /// predecessors (docs/specification.md#coverage).
    fn leaves(&self, unit: &Unit, month: Month) -> Units {
        self.parts_of_leaves(unit, month).into_keys().collect()
    }

    /// The same leaves, each with the share that belongs to the unit.
    fn parts_of_leaves(&self, unit: &Unit, month: Month) -> BTreeMap<String, Exact> {
        if let Stead::Predecessors(predecessors) = self.stead(unit, month) {
            let of_one = |(predecessor, part): (&Unit, Exact)| {
                self.leaves(predecessor, month).into_iter().map(move |leaf| (leaf, part))
            };
            return predecessors.into_iter().flat_map(of_one).collect();
        }
        let children = self.children(unit, month);
        match children.is_empty() {
            true => BTreeMap::from([(unit.code.clone(), Exact::ONE)]),
            false => {
                children.into_iter().flat_map(|child| self.parts_of_leaves(child, month)).collect()
            }
        }
    }

    /// Whether values are given in this unit (docs/specification.md#merged-units). Reading: a unit
    /// must be valid on the day itself; one that begins later is left out too.
    fn is_of_today(&self, unit: &Unit) -> bool {
        self.today.is_none_or(|today| exists(unit, today))
    }

    /// Which units represent a unit in a month (docs/specification.md#merged-units). Reading: a
    /// merger is no break either for the units below a unit of today, or for those that represent
    /// it; when the rule for kpis reaches them, their prev(x) is taken from their past too.
    fn stead(&self, unit: &Unit, month: Month) -> Stead<'_> {
        match self.today {
            _ if exists(unit, month) => Stead::Itself,
            Some(_) if unit.exists_from.is_some_and(|from| month < from) => match self
                .predecessors(unit, month)
            {
                Some(predecessors) if !predecessors.is_empty() => Stead::Predecessors(predecessors),
                _ => Stead::Nobody,
            },
            _ => Stead::Nobody,
        }
    }

    /// The units of a month that lead to a later one; `None` when a share that is needed is not
    /// declared. Reading: a predecessor below another one, with all units between existing, is
    /// counted with it.
    fn predecessors(&self, unit: &Unit, month: Month) -> Option<Vec<(&Unit, Exact)>> {
        let leading =
            |other: &Unit| exists(other, month) && !self.stays(other) && self.leads(other, unit);
        let below = |other: &Unit| self.above(other, month).into_iter().any(leading);
        let counted = self.units.iter().filter(|other| leading(other) && !below(other));
        counted.map(|other| Some((other, self.part(other, unit)?))).collect()
    }

    /// Whether ways along successors end at a unit because it exists today.
    fn stays(&self, unit: &Unit) -> bool {
        self.today.is_some_and(|today| exists(unit, today))
    }

    /// The existing units above one in a month.
    fn above(&self, unit: &Unit, month: Month) -> Vec<&Unit> {
        match unit
            .parent
            .as_ref()
            .and_then(|parent| self.unit(parent))
            .filter(|parent| exists(parent, month))
        {
            None => vec![],
            Some(parent) => [vec![parent], self.above(parent, month)].concat(),
        }
    }

    /// The direct successors of a unit.
    fn next(&self, unit: &Unit) -> Vec<&Unit> {
        unit.successors.iter().filter_map(|code| self.unit(code)).collect()
    }

    /// Whether a way along successors leads from one unit to another, through no unit of today.
    fn leads(&self, from: &Unit, to: &Unit) -> bool {
        self.next(from)
            .into_iter()
            .any(|next| next.code == to.code || (!self.stays(next) && self.leads(next, to)))
    }

    /// Whether all ways from a unit end at another one. Reading: a unit that ended without a
    /// successor ends a way; its share belongs to no unit.
    fn goes_wholly(&self, from: &Unit, to: &Unit) -> bool {
        let next = self.next(from);
        !next.is_empty()
            && next.into_iter().all(|next| {
                next.code == to.code || (!self.stays(next) && self.goes_wholly(next, to))
            })
    }

    /// The share of a unit that another one continues: all when every way ends there, otherwise the
    /// product of the shares along each way, summed over the ways. Reading: a share is not needed
    /// where all ways from a unit lead together again.
    fn part(&self, from: &Unit, to: &Unit) -> Option<Exact> {
        if from.code == to.code || self.goes_wholly(from, to) {
            return Some(Exact::ONE);
        }
        let mut sum = Exact::ZERO;
        for next in self.next(from) {
            if next.code == to.code || (!self.stays(next) && self.leads(next, to)) {
                let share = if from.successors.len() == 1 {
                    Exact::ONE
                } else {
                    Exact::new(i128::from(*from.shares.get(&next.code)?), 100)
                };
                sum = sum.plus(share.times(self.part(next, to)?));
            }
        }
        Some(sum)
    }

    /// The leaves of a month of which a unit has only a declared share.
    fn shared(&self, unit: &Unit, month: Month) -> Units {
        self.parts_of_leaves(unit, month)
            .into_iter()
            .filter(|(_, part)| *part != Exact::ONE)
            .map(|(leaf, _)| leaf)
            .collect()
    }

    /// All leaves of all units in a month.
    fn all_leaves(&self, month: Month) -> Units {
        let leaf = |unit: &&Unit| exists(unit, month) && self.children(unit, month).is_empty();
        self.units.iter().filter(leaf).map(|unit| unit.code.clone()).collect()
    }

    /// The own value (docs/specification.md#own-value).
    fn own(
        &self,
        indicator: &Indicator,
        members: &Members,
        unit: &Unit,
        month: Month,
    ) -> Option<(Exact, Origin)> {
        let key = (indicator.code.clone(), members.clone(), unit.code.clone(), month);
        if let Some(figure) = self.figures.get(&key) {
            let scale = 10_i128.pow(indicator.decimals);
            return Some((Exact::new(i128::from(*figure), scale), Origin::Stated));
        }
        // Reading: an average never adds up, so its members do not either.
        if indicator.kind == Kind::Average {
            return None;
        }
        // A dimension is open if it is not named and, if it is `within` a member of another, this
        // member is.
        let open = |dimension: &&Dimension| {
            !members.contains_key(&dimension.code)
                && dimension
                    .within
                    .as_ref()
                    .is_none_or(|(host, member)| members.get(host) == Some(member))
        };
        for dimension in
            indicator.dimensions.iter().filter(open).filter(|dimension| dimension.complete)
        {
            let part = |member: &String| {
                let mut named = members.clone();
                named.insert(dimension.code.clone(), member.clone());
                self.own(indicator, &named, unit, month).map(|(amount, _)| amount)
            };
            let applying = dimension.members.iter().filter(|member| {
                let mut named = members.clone();
                named.insert(dimension.code.clone(), (*member).clone());
                !self.applies_not(indicator, &named, unit, month)
                    && (dimension.has_member_in(member, month)
                        || self.own(indicator, &named, unit, month).is_some())
            });
            let parts: Option<Vec<Exact>> = applying.map(part).collect();
            if let Some(sum) = parts.and_then(|parts| parts.into_iter().reduce(Exact::plus)) {
                return Some((sum, Origin::Summed));
            }
        }
        None
    }

    /// Whether a figure does not apply to a unit (docs/specification.md#figures-that-do-not-apply):
    /// stated, or so for every member of a complete dimension.
    fn applies_not(
        &self,
        indicator: &Indicator,
        members: &Members,
        unit: &Unit,
        month: Month,
    ) -> bool {
        let key = (indicator.code.clone(), unit.code.clone(), month);
        let Some(stated) = self.not_applicable.get(&key) else { return false };
        if self.own(indicator, members, unit, month).is_some_and(|own| own.1 == Origin::Stated) {
            return false;
        }
        if stated.contains(members) && self.children(unit, month).is_empty() {
            return true;
        }
        let open = indicator.dimensions.iter().filter(|dimension| {
            let host = dimension.within.as_ref();
            dimension.complete
                && !members.contains_key(&dimension.code)
                && host.is_none_or(|(host, member)| members.get(host) == Some(member))
        });
        // A member that is missing outside its dates decides nothing. Where the others apply, they
        // have own values, so that there is a sum, or are missing.
        let of_no_member = |dimension: &Dimension| {
            let applies_not = |member: &&String| {
                let mut named = members.clone();
                named.insert(dimension.code.clone(), (*member).clone());
                self.applies_not(indicator, &named, unit, month)
            };
            let (gone, others): (Vec<_>, Vec<_>) = dimension.members.iter().partition(applies_not);
            let is_outside = |member: &&String| !dimension.has_member_in(member, month);
            !gone.is_empty() && others.iter().all(is_outside)
        };
        indicator.kind != Kind::Average
            && self.own(indicator, members, unit, month).is_none()
            && open.into_iter().any(of_no_member)
    }

    /// The leaves below a unit to which a figure does not apply.
    fn gone(&self, indicator: &Indicator, members: &Members, unit: &Unit, month: Month) -> Units {
        if self.not_applicable.is_empty() {
            return Units::new();
        }
        let leaves = self.leaves(unit, month).into_iter();
        let gone = |leaf: &String| {
            let leaf = self.unit(leaf).expect("a leaf");
            self.applies_not(indicator, members, leaf, month)
        };
        leaves.filter(gone).collect()
    }

    /// The leaves that a formula leaves out: to which a measure that it requires does not apply.
    fn left_out(
        &self,
        formula: &Expr,
        asked: &Members,
        unit: &Unit,
        month: Month,
        prior: Prior,
    ) -> Units {
        match formula {
            Expr::Measure { indicator, members, prev } => {
                let indicator = self.indicator(indicator);
                let read = if *prev { prior.of(indicator.kind) } else { Some(month) };
                let members = resolve(members, asked);
                read.map(|read| self.gone(indicator, &members, unit, read)).unwrap_or_default()
            }
            Expr::Coalesce(..) => Units::new(),
            other => inside(other)
                .into_iter()
                .flat_map(|x| self.left_out(x, asked, unit, month, prior))
                .collect(),
        }
    }

    /// The own value, otherwise the sum over the children with a value
    /// (docs/specification.md#value).
    fn value(
        &self,
        indicator: &Indicator,
        members: &Members,
        unit: &Unit,
        month: Month,
    ) -> Option<Figures> {
        let leaves = match self.stead(unit, month) {
            Stead::Nobody => return None,
            Stead::Predecessors(_) if indicator.kind == Kind::Average => return None,
            Stead::Predecessors(predecessors) => {
                let of_one = |(predecessor, part): (&Unit, Exact)| {
                    Some(self.value(indicator, members, predecessor, month)?.in_part(part, unit))
                };
                let gone = self.gone(indicator, members, unit, month);
                return join(
                    predecessors.into_iter().filter_map(of_one),
                    &self.leaves(unit, month) - &gone,
                    Origin::RolledUp,
                );
            }
            Stead::Itself => {
                &self.leaves(unit, month) - &self.gone(indicator, members, unit, month)
            }
        };
        if leaves.is_empty() {
            return None;
        }
        if let Some((amount, origin)) = self.own(indicator, members, unit, month) {
            let pieces = vec![Piece::new(amount, leaves.clone(), month)];
            return Some(Figures {
                operands: vec![pieces],
                covered: leaves.clone(),
                leaves,
                origin,
            });
        }
        if indicator.kind == Kind::Average {
            return None;
        }
        let children = self.children(unit, month);
        let parts =
            children.into_iter().filter_map(|child| self.value(indicator, members, child, month));
        join(parts, leaves, Origin::RolledUp)
    }

    /// The operands when each has coverage 1; otherwise the sums over the children at which all are
    /// available, or before the unit began over its predecessors, by the same rule
    /// (docs/specification.md#kpis).
    fn kpi(&self, asked: &Asked, unit: &Unit, month: Month, prior: Prior) -> Option<Figures> {
        let below = match self.stead(unit, month) {
            Stead::Nobody => return None,
            Stead::Itself => {
                self.children(unit, month).into_iter().map(|child| (child, Exact::ONE)).collect()
            }
            Stead::Predecessors(predecessors) => predecessors,
        };
        let left_out = self.left_out(&asked.formula, &asked.members, unit, month, prior);
        let leaves = &self.leaves(unit, month) - &left_out;
        if leaves.is_empty() {
            return None;
        }
        let whole = |operand| match self.there(operand, &asked.members, unit, month, prior) {
            There::Whole(pieces) => Some(pieces),
            There::Partly | There::Missing => None,
        };
        // Reading: also at a leaf the rule that every operand has coverage 1 comes first, because
        // prev(x) may be rolled up if the leaf had children in the month before. prev(x) is the
        // value of the unit in that month: as reported, a unit that did not exist then has no
        // prev(x).
        // Reading: where numbers alone would make the value at some leaves, the rule continues
        // below, so that these leaves are left out.
        let measured = self.measured(&asked.formula, &asked.members, unit, month, prior);
        if leaves.iter().all(|leaf| measured.contains(leaf))
            && let Some(operands) = asked.operands.iter().map(whole).collect()
        {
            return Some(Figures {
                operands,
                covered: leaves.clone(),
                leaves,
                origin: Origin::Computed,
            });
        }
        let parts = below.into_iter().filter_map(|(one, part)| {
            Some(self.kpi(asked, one, month, prior)?.in_part(part, unit))
        });
        join(parts, leaves, Origin::Computed)
    }

    /// The leaves at which a measure of a formula has a value, whether or not a choice takes it
    /// (docs/specification.md#kpis). Inside `sum()` only figures of the leaf itself are its own.
    fn measured(
        &self,
        formula: &Expr,
        asked: &Members,
        unit: &Unit,
        month: Month,
        prior: Prior,
    ) -> Units {
        match formula {
            Expr::Measure { indicator, members, prev } => {
                let indicator = self.indicator(indicator);
                let read = if *prev { prior.of(indicator.kind) } else { Some(month) };
                let value = read
                    .and_then(|read| self.value(indicator, &resolve(members, asked), unit, read));
                let covered = value.map(|figures| figures.covered).unwrap_or_default();
                covered.iter().flat_map(|leaf| self.heirs(leaf, month)).collect()
            }
            Expr::Sum(inner) => {
                let parts = self.parts_of_leaves(unit, month).into_iter();
                let leaves = parts.filter_map(|(leaf, _)| self.unit(&leaf));
                leaves.flat_map(|leaf| self.measured(inner, asked, leaf, month, prior)).collect()
            }
            other => inside(other)
                .into_iter()
                .flat_map(|x| self.measured(x, asked, unit, month, prior))
                .collect(),
        }
    }

    /// Whether an operand is available at a unit (docs/specification.md#kpis,
    /// docs/specification.md#formulas).
    fn there(
        &self,
        operand: &Expr,
        asked: &Members,
        unit: &Unit,
        month: Month,
        prior: Prior,
    ) -> There {
        let of = |expr: &Expr| self.there(expr, asked, unit, month, prior);
        match operand {
            Expr::Measure { indicator, members, prev } => {
                let members = resolve(members, asked);
                let indicator = self.indicator(indicator);
                let read = if *prev { prior.of(indicator.kind) } else { Some(month) };
                match read.and_then(|read| self.value(indicator, &members, unit, read)) {
                    None => There::Missing,
                    Some(figures) if figures.covered == figures.leaves => {
                        There::Whole(figures.operands.concat())
                    }
                    Some(_) => There::Partly,
                }
            }
            Expr::Sum(expr) => {
                let at_leaf = |(leaf, part): (String, Exact)| {
                    let amount = self.at_leaf(expr, asked, self.unit(&leaf)?, month, prior)?;
                    Some(Piece::new(amount, Units::from([leaf]), month).in_part(part, unit))
                };
                let left_out = self.left_out(expr, asked, unit, month, prior);
                let mut all = self.parts_of_leaves(unit, month);
                all.retain(|leaf, _| !left_out.contains(leaf));
                let pieces: Vec<Piece> = all.clone().into_iter().filter_map(at_leaf).collect();
                match pieces.len() {
                    0 => There::Missing,
                    found if found == all.len() => There::Whole(pieces),
                    _ => There::Partly,
                }
            }
            // Reading: x ?? y is one operand, decided at each unit that the rule reaches. Where x
            // is missing, y is taken at this unit, where it may be stated. Where x is available for
            // some leaves only, the rule continues below and decides at each unit.
            Expr::Coalesce(x, y) => match of(x) {
                There::Missing => of(y),
                known => known,
            },
            // Reading: a number as an alternative counts once for each leaf, so that the sum does
            // not jump when a first leaf reports.
            Expr::Number(number) => {
                let amount = Exact::from_number(*number);
                let piece = |(leaf, part): (String, Exact)| {
                    Piece::new(amount, Units::from([leaf]), month).in_part(part, unit)
                };
                There::Whole(self.parts_of_leaves(unit, month).into_iter().map(piece).collect())
            }
            // A computed side of a `??` is missing as soon as one of its own operands is missing.
            computed => {
                let mut sums = vec![];
                for operand in operands(computed) {
                    match of(&operand) {
                        There::Missing => return There::Missing,
                        There::Partly => sums.push((operand, None)),
                        There::Whole(pieces) => sums.push((operand, total(&pieces))),
                    }
                }
                if sums.iter().any(|(_, sum)| sum.is_none()) {
                    return There::Partly;
                }
                let known = |expr: &Expr| sums.iter().find(|(operand, _)| operand == expr)?.1;
                match apply(computed, &known) {
                    None => There::Missing,
                    Some(amount) => {
                        There::Whole(vec![Piece::new(amount, self.leaves(unit, month), month)])
                    }
                }
            }
        }
    }

    /// The value of an expression inside `sum()` at one leaf (docs/specification.md#kpis). Reading:
    /// a leaf at which the expression divides by zero is left out of the sum.
    fn at_leaf(
        &self,
        expr: &Expr,
        asked: &Members,
        leaf: &Unit,
        month: Month,
        prior: Prior,
    ) -> Option<Exact> {
        let of = |x: &Expr| self.at_leaf(x, asked, leaf, month, prior);
        match expr {
            Expr::Measure { .. } => match self.there(expr, asked, leaf, month, prior) {
                There::Whole(pieces) => total(&pieces),
                There::Partly | There::Missing => None,
            },
            Expr::Coalesce(x, y) => of(x).or_else(|| of(y)),
            Expr::Sum(x) => of(x),
            other => apply(other, &of),
        }
    }

    /// A measure over a period, month by month (docs/specification.md#wider-periods). Reading: a
    /// month of a kpi counts when its operands are available, even if it divides by zero.
    fn found(&self, asked: &Asked, unit: &Unit, span: Span) -> Found {
        let none = Prior { flow: None, level: None };
        self.found_with(asked, unit, span, |month| match span.has_before {
            false => none, // no period stands before nine months or a span of one's own
            true => Prior { flow: Some(month - span.length), level: Some(span.start - 1) },
        })
    }

    /// The same, where `prior` gives the months that `prev()` reads.
    fn found_with(
        &self,
        asked: &Asked,
        unit: &Unit,
        span: Span,
        prior: impl Fn(Month) -> Prior,
    ) -> Found {
        let places: Vec<Option<Figures>> = span
            .months()
            .map(|month| match &asked.formula {
                _ if !self.is_of_today(unit) => None,
                _ if asked.is_kpi => self.kpi(asked, unit, month, prior(month)),
                Expr::Measure { indicator, .. } if !asked.average || span.length == 1 => {
                    self.value(self.indicator(indicator), &asked.members, unit, month)
                }
                _ => None,
            })
            .collect();
        let gone = span.months().zip(&places).map(|(month, place)| {
            let all = self.leaves(unit, month);
            let left_out =
                || self.left_out(&asked.formula, &asked.members, unit, month, prior(month));
            let represented = !matches!(self.stead(unit, month), Stead::Nobody);
            let counts = place.is_none() && represented && self.is_of_today(unit);
            counts && !all.is_empty() && all.is_subset(&left_out())
        });
        Found {
            gone: gone.collect(),
            last: places.iter().rposition(Option::is_some),
            value: asked.value(&places),
            places,
        }
    }

    /// The mean over the months, or the coverage of the month taken
    /// (docs/specification.md#wider-periods). Reading: a value that is missing only because of a
    /// division by zero keeps the coverage of its operands.
    fn coverage(&self, asked: &Asked, found: &Found) -> Option<f64> {
        let of = |place: &Option<Figures>| place.as_ref().map_or(0.0, Figures::coverage);
        match found.last {
            _ if found.applies_nowhere() => None,
            None => Some(0.0),
            Some(last) if asked.only_levels() => Some(of(&found.places[last])),
            Some(_) => Some(found.mean(found.places.iter().map(of))),
        }
    }

    /// `origin` (docs/specification.md#wider-periods). Reading: where the months of a flow differ,
    /// the origin farthest from a stated figure.
    fn origin(&self, asked: &Asked, found: &Found) -> Option<Origin> {
        match found.last {
            Some(last) if asked.only_levels() => {
                found.places[last].as_ref().map(|figures| figures.origin)
            }
            _ => found.places.iter().flatten().map(|figures| figures.origin).max(),
        }
    }

    /// `year_to_date` (docs/specification.md#changes). Reading: wider periods count up to their
    /// last month. A month is missing when its figures are, not when a kpi divides by zero in it.
    /// Partly covered months count, and breaks do not matter. A sum() of flows weighted by averages
    /// is a kpi of flows.
    fn year_to_date(&self, asked: &Asked, unit: &Unit, now: Span) -> Result<f64, Reason> {
        if !self.has_year_to_date(asked) {
            return Err(Reason::NotApplicable);
        }
        let start = now.end() - now.end().rem_euclid(12);
        let span = Span { start, length: now.end() - start + 1, has_before: false };
        let none = Prior { flow: None, level: None };
        let found = self.found_with(asked, unit, span, |_| none);
        let mut months = found.places.iter().zip(&found.gone);
        match found.value {
            _ if found.applies_nowhere() => Err(Reason::NotApplicable),
            Some(value) if months.all(|(place, gone)| place.is_some() || *gone) => {
                Ok(value.to_f64())
            }
            _ => Err(Reason::Missing),
        }
    }

    /// Whether a measure is a flow, or a kpi of flows.
    fn has_year_to_date(&self, asked: &Asked) -> bool {
        let of_flows = |x: &Expr| {
            let kinds: Vec<Kind> =
                measures(x).into_iter().map(|(code, _)| self.indicator(code).kind).collect();
            kinds.contains(&Kind::Flow) && !kinds.contains(&Kind::Stock)
        };
        asked.operands.iter().all(of_flows)
    }

    /// `year_to_date_delta` with the year to date of the year before
    /// (docs/specification.md#changes). Reading: a year to date in which a month is missing has no
    /// value, whatever the other months have; `prev()` reads no month in it, so a break of what is
    /// inside `prev()` lies between no two months.
    fn year_to_date_change(&self, asked: &Asked, unit: &Unit, now: Span) -> Result<Change, Reason> {
        if !self.has_year_to_date(asked) {
            return Err(Reason::NotApplicable);
        }
        let start = now.end() - now.end().rem_euclid(12);
        let span = Span { start, length: now.end() - start + 1, has_before: false };
        let other = span.earlier(12);
        let (this, that) = (self.together(asked, unit, span), self.together(asked, unit, other));
        if this.applies_nowhere() || that.applies_nowhere() {
            return Err(Reason::NotApplicable);
        }
        let value = this.whole_value().ok_or(Reason::Missing)?;
        let existed = other.months().any(|month| !matches!(self.stead(unit, month), Stead::Nobody));
        if !existed || self.broken(asked, &[(span, &this), (other, &that)], false) {
            return Err(Reason::DefinitionChanged);
        }
        let previous = that.whole_value().ok_or(Reason::NoPrior)?;
        if !self.comparable_periods(asked, unit, span, &this, other, &that) {
            return Err(Reason::CoverageChanged);
        }
        let coverage = self.coverage(asked, &this).unwrap_or_default();
        Ok(Change { delta: value.minus(previous), previous, coverage })
    }

    /// `rolling` and its coverage (docs/specification.md#comparisons-on-request). Reading: a month
    /// counts as missing when its figures are, as in a year to date.
    fn rolling(
        &self,
        asked: &Asked,
        unit: &Unit,
        last: Month,
        months: i32,
    ) -> Result<(f64, f64), Reason> {
        if asked.average {
            return Err(Reason::NotApplicable);
        }
        let span = Span { start: last - months + 1, length: months, has_before: false };
        let found = self.together(asked, unit, span);
        if found.applies_nowhere() {
            return Err(Reason::NotApplicable);
        }
        let value = found.whole_value().ok_or(Reason::Missing)?;
        Ok((value.to_f64(), self.coverage(asked, &found).unwrap_or_default()))
    }

    /// Months that are no calendar period, so that `prev()` reads no month.
    fn together(&self, asked: &Asked, unit: &Unit, span: Span) -> Found {
        self.found_with(asked, unit, span, |_| Prior { flow: None, level: None })
    }

    /// The other period, or the first reason against a comparison that does not depend on coverage
    /// (docs/specification.md#changes).
    fn prior(
        &self,
        asked: &Asked,
        unit: &Unit,
        now: Span,
        this: &Found,
        other: Span,
    ) -> Result<Found, Reason> {
        let that = self.found(asked, unit, other);
        if this.applies_nowhere() || that.applies_nowhere() {
            return Err(Reason::NotApplicable);
        }
        if this.value.is_none() {
            return Err(Reason::Missing);
        }
        // Reading: the unit did not exist in a wider period if it existed in no month of it.
        if other.months().all(|month| matches!(self.stead(unit, month), Stead::Nobody)) {
            return Err(Reason::DefinitionChanged);
        }
        if self.broken(asked, &[(now, this), (other, &that)], now.has_before) {
            return Err(Reason::DefinitionChanged);
        }
        if that.value.is_none() {
            return Err(Reason::NoPrior);
        }
        Ok(that)
    }

    /// Whether an operand has a break between the two periods (docs/specification.md#changes).
    /// Reading: the months between are those that the operand's figures come from: all months of
    /// both periods for what is summed over months, the months taken (the last one if none was) for
    /// stocks; for prev() of a flow the months of the period before, of a stock its last month;
    /// none for nine months. A break lies between when it separates these months.
    /// `reads_prior` is whether `prev()` reads any month.
    fn broken(&self, asked: &Asked, periods: &[(Span, &Found)], reads_prior: bool) -> bool {
        let mut months: BTreeMap<&str, BTreeSet<Month>> = BTreeMap::new();
        for (operand, adds_up) in asked.operands.iter().zip(&asked.adds_up) {
            for (indicator, prev) in measures(operand) {
                let used = months.entry(indicator).or_default();
                for (span, found) in periods {
                    match found.last {
                        _ if prev && !reads_prior => {}
                        _ if prev && self.indicator(indicator).kind == Kind::Flow => {
                            used.extend(span.earlier(span.length).months());
                        }
                        _ if prev => used.extend([span.start - 1]),
                        _ if *adds_up => used.extend(span.months()),
                        Some(last) => used.extend([span.start + place(last)]),
                        None => used.extend([span.end()]),
                    }
                }
            }
        }
        let parts = |used: &BTreeSet<Month>, at: Month| {
            used.iter().any(|m| *m < at) && used.iter().any(|m| *m >= at)
        };
        months
            .into_iter()
            .any(|(code, used)| self.indicator(code).breaks.iter().any(|at| parts(&used, *at)))
    }

    /// This period minus another (docs/specification.md#changes).
    fn change(
        &self,
        asked: &Asked,
        unit: &Unit,
        now: Span,
        this: &Found,
        other: Span,
    ) -> Result<Change, Reason> {
        let that = self.prior(asked, unit, now, this, other)?;
        if !self.comparable_periods(asked, unit, now, this, other, &that) {
            return Err(Reason::CoverageChanged);
        }
        let (value, previous) =
            (this.value.ok_or(Reason::Missing)?, that.value.ok_or(Reason::NoPrior)?);
        let coverage = self.coverage(asked, this).unwrap_or_default();
        Ok(Change { delta: value.minus(previous), previous, coverage })
    }

    /// What a unit became by a later month: itself while it exists, otherwise its successors,
    /// followed transitively (docs/specification.md#comparable). Reading: a unit that was split
    /// ended without a successor only if all its ways did.
    fn heirs(&self, code: &str, month: Month) -> Units {
        match self.unit(code) {
            Some(unit) if exists(unit, month) => Units::from([unit.code.clone()]),
            Some(unit) if unit.exists_to.is_some_and(|to| to < month) => {
                unit.successors.iter().flat_map(|successor| self.heirs(successor, month)).collect()
            }
            _ => Units::new(),
        }
    }

    /// The same for the leaves that a unit had in an earlier month. For a leaf of which the unit
    /// has a declared share, only what became of this share.
    fn onward(&self, unit: &Unit, then: Month, now: Month) -> impl Fn(&String) -> Units {
        let (shared, here) = (self.shared(unit, then), self.leaves(unit, now));
        move |leaf| match self.heirs(leaf, now) {
            heirs if shared.contains(leaf) => heirs.intersection(&here).cloned().collect(),
            heirs => heirs,
        }
    }

    /// Whether two months are comparable, the earlier one first (docs/specification.md#comparable).
    /// Reading: no leaf that was not covered then means any leaf, also of another parent, because
    /// what it adds to a merged unit was not in the earlier figure.
    fn comparable(
        &self,
        unit: &Unit,
        then: Month,
        covered_then: &Units,
        now: Month,
        covered_now: &Units,
    ) -> bool {
        let onward = self.onward(unit, then, now);
        let gone_on: Units = covered_then.iter().flat_map(onward).collect();
        let uncovered: Units = self.all_leaves(then).difference(covered_then).cloned().collect();
        gone_on == *covered_now
            && covered_then.iter().all(|leaf| !self.heirs(leaf, now).is_empty())
            && uncovered.iter().all(|leaf| self.heirs(leaf, now).is_disjoint(covered_now))
    }

    /// Whether wider periods are comparable (docs/specification.md#comparable).
    fn comparable_periods(
        &self,
        asked: &Asked,
        unit: &Unit,
        now: Span,
        this: &Found,
        other: Span,
        that: &Found,
    ) -> bool {
        let same = |i: usize| match (&this.places[i], &that.places[i]) {
            (None, None) => true,
            (Some(a), Some(b)) => self.comparable(
                unit,
                other.start + place(i),
                &b.covered,
                now.start + place(i),
                &a.covered,
            ),
            _ => false,
        };
        match (asked.only_levels(), this.last, that.last) {
            (true, Some(a), Some(b)) => a == b && same(a),
            _ => (0..this.places.len()).all(same),
        }
    }

    /// The largest sets of leaves covered then and covered now that are comparable with each other
    /// (docs/specification.md#like-for-like). Reading: leaves that merge are kept or dropped
    /// together. Where one of them was not covered or belongs to another parent, the merged unit is
    /// dropped, and with it its other predecessors.
    fn common(
        &self,
        unit: &Unit,
        then: Month,
        covered_then: &Units,
        now: Month,
        covered_now: &Units,
    ) -> (Units, Units) {
        let (mut kept_then, mut kept_now) = (covered_then.clone(), covered_now.clone());
        let (all_then, onward) = (self.all_leaves(then), self.onward(unit, then, now));
        loop {
            let before = (kept_then.clone(), kept_now.clone());
            kept_then.retain(|leaf| {
                !self.heirs(leaf, now).is_empty() && onward(leaf).is_subset(&kept_now)
            });
            kept_now.retain(|leaf| {
                let origins =
                    || all_then.iter().filter(|origin| self.heirs(origin, now).contains(leaf));
                origins().count() > 0 && origins().all(|origin| kept_then.contains(origin))
            });
            if before == (kept_then.clone(), kept_now.clone()) {
                return before;
            }
        }
    }

    /// Figures restricted to some leaves of `month` (docs/specification.md#like-for-like). Reading:
    /// a figure stated above the leaves is an obstacle only where some of its leaves are kept and
    /// some are not. Contributions of prev() are located by the successors of their leaves in the
    /// month itself; a leaf that ended without a successor is dropped.
    /// Reading: of a contribution of the month itself, leaves that the measure leaves out are
    /// passed over; one of such leaves alone is dropped.
    fn restrict(
        &self,
        pieces: &[Piece],
        covered: &Units,
        kept: &Units,
        month: Month,
    ) -> Result<Vec<Piece>, Reason> {
        let mut restricted = vec![];
        for piece in pieces {
            let mut piece = piece.clone();
            if piece.month == month {
                piece.leaves = &piece.leaves & covered;
                if piece.leaves.is_empty() {
                    continue;
                }
            }
            let piece = &piece;
            let here = piece
                .share_of
                .as_ref()
                .and_then(|code| self.unit(code))
                .map(|unit| self.leaves(unit, month));
            let outside = |leaf: &String| here.as_ref().is_some_and(|here| !here.contains(leaf));
            let is_in = |leaf: &String| {
                let heirs = self.heirs(leaf, month);
                !heirs.is_empty() && heirs.iter().all(|heir| kept.contains(heir) || outside(heir))
            };
            let is_out = |leaf: &String| {
                self.heirs(leaf, month).iter().all(|heir| !kept.contains(heir) || outside(heir))
            };
            if piece.leaves.iter().all(is_in) {
                restricted.push(piece.clone());
            } else if !piece.leaves.iter().all(is_out) {
                return Err(Reason::StatedAbove);
            }
        }
        Ok(restricted)
    }

    /// The like-for-like change (docs/specification.md#like-for-like).
    /// Reading: over wider periods the months in the same place are paired, and a pair counts when
    /// both have a value and common leaves. Flows are summed over the pairs, each restricted to its
    /// own leaves; stocks are taken from the last pair. For kpis the operands are restricted and
    /// the formula is applied once. The coverage is the share of this period's leaves: the mean
    /// over its months (0 where there is no pair), or that of the month taken for stocks.
    /// Reading: without any common leaf the reason is `coverage_changed`. A kpi that divides by
    /// zero over the common leaves is `missing` now and `no_prior` then. Averages are
    /// `not_applicable`; kpis with an average inside sum() have a like-for-like change.
    fn like_for_like(
        &self,
        asked: &Asked,
        unit: &Unit,
        now: Span,
        this: &Found,
        other: Span,
    ) -> Result<Change, Reason> {
        if asked.average {
            return Err(Reason::NotApplicable);
        }
        let mut that = self.prior(asked, unit, now, this, other)?;
        if self.comparable_periods(asked, unit, now, this, other, &that) {
            return self.change(asked, unit, now, this, other);
        }
        // Reading: the period of a stock takes its value from one month, so stocks taken from
        // months in different places of their periods are not comparable.
        if asked.only_levels() && this.last != that.last {
            return Err(Reason::CoverageChanged);
        }
        let mut this = this.clone();
        // From the last month to the first, because stocks need only the last pair.
        let mut shares = vec![0.0; this.places.len()];
        let mut taken = None;
        for i in (0..this.places.len()).rev() {
            let (a, b) = (this.places[i].take(), that.places[i].take());
            let (Some(mut a), Some(mut b)) = (a, b) else {
                continue;
            };
            if asked.only_levels() && this.last != Some(i) {
                continue;
            }
            let (month, before) = (now.start + place(i), other.start + place(i));
            if !self.comparable(unit, before, &b.covered, month, &a.covered) {
                let (kept_then, kept_now) =
                    self.common(unit, before, &b.covered, month, &a.covered);
                if kept_now.is_empty() {
                    continue;
                }
                for (operand, adds_up) in asked.adds_up.iter().enumerate() {
                    if *adds_up || taken.is_none() {
                        a.operands[operand] =
                            self.restrict(&a.operands[operand], &a.covered, &kept_now, month)?;
                        b.operands[operand] =
                            self.restrict(&b.operands[operand], &b.covered, &kept_then, before)?;
                    }
                }
                (a.covered, b.covered) = (kept_now, kept_then);
            }
            taken = taken.or(Some(i));
            shares[i] = a.coverage();
            (this.places[i], that.places[i]) = (Some(a), Some(b));
        }
        let taken = taken.ok_or(Reason::CoverageChanged)?;
        (this.last, that.last) = (Some(taken), Some(taken));
        if self.broken(asked, &[(now, &this), (other, &that)], now.has_before) {
            return Err(Reason::DefinitionChanged); // a break between the two months of a pair
        }
        let value = asked.value(&this.places).ok_or(Reason::Missing)?;
        let previous = asked.value(&that.places).ok_or(Reason::NoPrior)?;
        let coverage =
            if asked.only_levels() { shares[taken] } else { this.mean(shares.into_iter()) };
        Ok(Change { delta: value.minus(previous), previous, coverage })
    }
}

/// Whether a unit is valid on the last day of a month (docs/specification.md#units).
fn exists(unit: &Unit, month: Month) -> bool {
    unit.exists_from.is_none_or(|from| from <= month) && unit.exists_to.is_none_or(|to| month <= to)
}

/// A place in a period as a number of months.
fn place(index: usize) -> Month {
    Month::try_from(index).expect("a short period")
}

/// The members of an operand, filled in from the query (docs/specification.md#formulas).
fn resolve(named: &[(String, Option<String>)], asked: &Members) -> Members {
    let member = |(dimension, member): &(String, Option<String>)| {
        let member = member.as_ref().or_else(|| asked.get(dimension))?;
        Some((dimension.clone(), member.clone()))
    };
    named.iter().filter_map(member).collect()
}

/// The sum of some parts, which covers what the parts cover (docs/specification.md#coverage).
fn join(parts: impl Iterator<Item = Figures>, leaves: Units, origin: Origin) -> Option<Figures> {
    let mut sum: Option<Figures> = None;
    for part in parts {
        match &mut sum {
            None => sum = Some(Figures { leaves: leaves.clone(), origin, ..part }),
            Some(sum) => {
                sum.covered.extend(part.covered);
                sum.operands.iter_mut().zip(part.operands).for_each(|(all, more)| all.extend(more));
            }
        }
    }
    sum
}
