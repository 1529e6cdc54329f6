//! The rules of a catalogue, prepared for the measures that have figures, and their evaluation.

use std::collections::HashMap;

use super::super::catalogue::{Catalogue, DeclaredRule, Indicator, IndicatorKind, Severity};
use super::super::cube::{CubeEntry, CubeView, MeasureId};
use super::super::formula::{Comparison, Expression, IndicatorReference, RuleCheck, RuleCondition};
use super::super::measure::{Measure, Members};
use super::super::number::{float, power_of_ten, scaled};
use super::super::number_format::{format_vietnamese, rounded_to};
use super::super::period::Month;
use super::super::program::{Operand, OwnValuePlan, PriorMonths, Program};
use super::super::unit::UnitPosition;
use super::super::value::ValueSource;
use super::finding::{CurrentFindings, Finding};

const PARTS_TOTAL: &str = "parts_total";
const PARTS_EXCEED_TOTAL: &str = "parts_exceed_total";
const CHILDREN_TOTAL: &str = "children_total";
const STOCK_MOVEMENT: &str = "stock_movement";
const STATED_RATE: &str = "stated_rate";

/// A rule that follows from every catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AutomaticRule {
    /// Its code.
    pub code: &'static str,
    /// What it finds, in Vietnamese.
    pub finds_vi: &'static str,
    /// The same in English.
    pub finds_en: &'static str,
}

/// The rules that follow from every catalogue.
pub const AUTOMATIC_RULES: [AutomaticRule; 5] = [
    AutomaticRule {
        code: PARTS_TOTAL,
        finds_vi: "Số đã nêu khác tổng các thành phần",
        finds_en: "A stated figure is not the sum of its parts",
    },
    AutomaticRule {
        code: PARTS_EXCEED_TOTAL,
        finds_vi: "Các thành phần cộng lại lớn hơn số tổng",
        finds_en: "The parts add up to more than the total",
    },
    AutomaticRule {
        code: CHILDREN_TOTAL,
        finds_vi: "Số của đơn vị khác tổng các đơn vị trực thuộc",
        finds_en: "The figure of a unit is not the sum of the units below it",
    },
    AutomaticRule {
        code: STOCK_MOVEMENT,
        finds_vi: "Số cuối kỳ không khớp số cuối kỳ trước cộng phát sinh",
        finds_en: "A stock differs from the one before and its movements",
    },
    AutomaticRule {
        code: STATED_RATE,
        finds_vi: "Tỷ lệ đã nêu khác tỷ lệ tính được",
        finds_en: "A stated rate differs from the computed one",
    },
];

/// Decimals of numbers in Vietnamese sentences, and those of responses for numbers that are smaller
/// (docs/specification.md#numbers).
const SHOWN_DECIMALS: [u32; 2] = [3, 6];

/// An indicator with members, and what the automatic rules need to check it.
#[derive(Debug)]
struct RuleSubject {
    measure: Measure,
    own: OwnValuePlan,
    decimals: u32,
    adds_up: bool,
    /// The code of each incomplete dimension, and how the own values of its members are found.
    incomplete: Vec<(String, Vec<OwnValuePlan>)>,
    /// Months from which its definition differs.
    breaks: Vec<Month>,
    /// For a stock: the opening flow and, where one is reported, the closing flow.
    movement: Option<(OwnValuePlan, Option<OwnValuePlan>)>,
}

/// A written rule prepared for evaluation.
#[derive(Debug)]
struct PreparedRule {
    rule: DeclaredRule,
    measure: Measure,
    check: PreparedCheck,
    /// Whether the rule reads figures of units below the one at which it is evaluated.
    looks_below: bool,
}

/// The check of a written rule.
#[derive(Debug)]
enum PreparedCheck {
    /// Two sides compare like this.
    Condition(Box<Program>, Comparison, Box<Program>),
    /// All or none of the sides have a value.
    BothOrNone(Vec<PreparedSide>),
    /// At most one of the sides has a value.
    OneOf(Vec<PreparedSide>),
}

/// One of the figures that belong together, or exclude each other.
#[derive(Debug)]
struct PreparedSide {
    /// As the rule names it.
    text: String,
    program: Program,
}

/// The rules that a figure of a measure may affect.
#[derive(Debug, Default)]
struct AffectedChecks {
    subjects: Vec<usize>,
    moves: Vec<usize>,
    /// Written rules, each with the numbers of months after which it reads the figure.
    written: Vec<(usize, Vec<i32>)>,
    /// Kpis with stated rates, likewise.
    kpis: Vec<(MeasureId, Vec<i32>)>,
}

/// What a check evaluates: an automatic rule for a subject, a written rule, or a stated rate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum CheckKind {
    Parts(usize),
    Exceed(usize),
    Children(usize),
    Movement(usize),
    Written(usize),
    StatedRate(MeasureId),
}

/// One check at a unit and month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CheckAt {
    unit: UnitPosition,
    month: Month,
    what: CheckKind,
}

/// All rules of a catalogue, prepared for the measures that have figures. It must be rebuilt when
/// the catalogue changes or the dictionary of measures grows.
#[derive(Debug)]
pub struct RuleBook {
    subjects: Vec<RuleSubject>,
    written: Vec<PreparedRule>,
    rates: HashMap<MeasureId, (Measure, Program)>,
    touches: Vec<AffectedChecks>,
}

impl RuleBook {
    /// Prepares the rules for the measures of the view's dictionary.
    #[must_use]
    pub fn new(catalogue: &Catalogue, view: &CubeView<'_>) -> Self {
        let known: Vec<(MeasureId, Measure)> = (0..)
            .map(MeasureId::new)
            .map_while(|id| Some((id, view.measure(id)?.clone())))
            .collect();
        let mut book = Self {
            subjects: Vec::new(),
            written: Vec::new(),
            rates: HashMap::new(),
            touches: Vec::new(),
        };
        let mut places: HashMap<Measure, usize> = HashMap::new();
        for (_, measure) in &known {
            let Some(indicator) = catalogue.indicator(&measure.code) else { continue };
            for members in measure.members.subsets() {
                // A dimension within another cannot be named without it.
                if !indicator.check_members(&members).is_empty() {
                    continue;
                }
                let subject = Measure { code: measure.code.clone(), members };
                if !places.contains_key(&subject) {
                    places.insert(subject.clone(), book.subjects.len());
                    book.subjects.push(prepare_subject(catalogue, view, indicator, subject));
                }
            }
        }
        book.written =
            catalogue.rules.iter().filter_map(|rule| prepare_rule(catalogue, view, rule)).collect();
        for (id, measure) in &known {
            if catalogue.kpi(&measure.code).is_some()
                && !catalogue.counts_reports(measure)
                && let Some(program) = Program::of_measure(catalogue, view, measure)
            {
                book.rates.insert(*id, (measure.clone(), program));
            }
        }
        book.touches = known
            .iter()
            .map(|(_, measure)| book.affected_checks_of(catalogue, measure, &places))
            .collect();
        book
    }

    fn affected_checks_of(
        &self,
        catalogue: &Catalogue,
        measure: &Measure,
        places: &HashMap<Measure, usize>,
    ) -> AffectedChecks {
        let mut touches = AffectedChecks::default();
        for members in measure.members.subsets() {
            touches.subjects.extend(
                places.get(&Measure { code: measure.code.clone(), members: members.clone() }),
            );
            for indicator in catalogue
                .indicators
                .iter()
                .filter(|indicator| is_moved_by(indicator, &measure.code))
            {
                touches.moves.extend(
                    places.get(&Measure { code: indicator.code.clone(), members: members.clone() }),
                );
            }
        }
        let names = |references: &[&IndicatorReference]| {
            let mut of_it: Vec<i32> = references
                .iter()
                .filter(|reference| reference.indicator == measure.code)
                .map(|reference| reference.shift.months())
                .collect();
            of_it.sort_unstable();
            of_it.dedup();
            (!of_it.is_empty()).then_some(of_it)
        };
        for (place, ready) in self.written.iter().enumerate() {
            touches.written.extend(names(&references(&ready.rule)).map(|after| (place, after)));
        }
        for (id, (kpi, _)) in &self.rates {
            let references =
                catalogue.kpi(&kpi.code).map(|kpi| kpi.formula.references()).unwrap_or_default();
            touches.kpis.extend(names(&references).map(|after| (*id, after)));
        }
        touches
    }

    /// Adds to `checks` all checks that may change their result with a figure.
    pub fn collect_affected_checks(
        &self,
        source: &ValueSource<'_>,
        figure: &CubeEntry,
        checks: &mut Vec<CheckAt>,
    ) {
        let Some(touches) = self.touches.get(figure.measure.index()) else { return };
        let (unit, month, next) = (figure.unit, figure.month, figure.month.plus(1));
        self.collect_checks_at_unit(source, figure, checks);
        let mut add = |unit, month, what| checks.push(CheckAt { unit, month, what });
        for place in &touches.subjects {
            let Some(subject) = self.subjects.get(*place) else { continue };
            if subject.movement.is_some() {
                add(unit, next, CheckKind::Movement(*place));
            }
            if let Some(stated) = subject.own.stated.filter(|_| subject.adds_up) {
                for above in source
                    .units
                    .ancestors(unit)
                    .filter(|above| source.view.figure(stated, *above, month).is_some())
                {
                    add(above, month, CheckKind::Children(*place));
                    if !subject.own.splits.is_empty() {
                        add(above, month, CheckKind::Parts(*place));
                    }
                    if subject.movement.is_some() {
                        add(above, month, CheckKind::Movement(*place));
                    }
                }
            }
        }
        for (kpi, after) in &touches.kpis {
            for unit in std::iter::once(unit).chain(source.units.ancestors(unit)) {
                for month in after.iter().map(|months| month.plus(*months)) {
                    if source.view.stated(*kpi, unit, month).is_some() {
                        add(unit, month, CheckKind::StatedRate(*kpi));
                    }
                }
            }
        }
    }

    /// The checks at the unit of a figure, and those above it that read figures below.
    fn collect_checks_at_unit(
        &self,
        source: &ValueSource<'_>,
        figure: &CubeEntry,
        checks: &mut Vec<CheckAt>,
    ) {
        let Some(touches) = self.touches.get(figure.measure.index()) else { return };
        let mut add = |what| checks.push(CheckAt { unit: figure.unit, month: figure.month, what });
        if self.rates.contains_key(&figure.measure) {
            add(CheckKind::StatedRate(figure.measure));
        }
        let has_children =
            source.units.get(figure.unit).is_some_and(|unit| unit.end > figure.unit.next());
        for place in &touches.subjects {
            let Some(subject) = self.subjects.get(*place) else { continue };
            if subject.own.stated.is_some() && !subject.own.splits.is_empty() {
                add(CheckKind::Parts(*place));
            }
            if !subject.incomplete.is_empty() {
                add(CheckKind::Exceed(*place));
            }
            if has_children && subject.adds_up && subject.own.stated.is_some() {
                add(CheckKind::Children(*place));
            }
            if subject.movement.is_some() {
                add(CheckKind::Movement(*place));
            }
        }
        touches.moves.iter().for_each(|place| add(CheckKind::Movement(*place)));
        for (place, after) in &touches.written {
            let looks_below = self.written.get(*place).is_some_and(|ready| ready.looks_below);
            for unit in std::iter::once(figure.unit)
                .chain(source.units.ancestors(figure.unit).filter(|_| looks_below))
            {
                checks.extend(after.iter().map(|months| CheckAt {
                    unit,
                    month: figure.month.plus(*months),
                    what: CheckKind::Written(*place),
                }));
            }
        }
    }

    /// Evaluates a check; `None` when there is no contradiction or an operand is missing.
    #[must_use]
    pub fn evaluate(&self, source: &ValueSource<'_>, check: &CheckAt) -> Option<Finding> {
        let subject = |place: usize| self.subjects.get(place);
        match check.what {
            CheckKind::Parts(place) => self.parts(source, check, subject(place)?),
            CheckKind::Exceed(place) => self.exceed(source, check, subject(place)?),
            CheckKind::Children(place) => self.children(source, check, subject(place)?),
            CheckKind::Movement(place) => self.movement(source, check, subject(place)?),
            CheckKind::Written(place) => self.written_rule(source, check, self.written.get(place)?),
            CheckKind::StatedRate(kpi) => self.stated_rate(source, check, kpi),
        }
    }

    /// Replaces the finding of a check by its new result.
    pub fn record(&self, check: &CheckAt, found: Option<Finding>, standing: &mut CurrentFindings) {
        if found.is_none() && !standing.has_any_at(check.unit, check.month) {
            return;
        }
        let Some((rule, measure)) = self.identity(check) else { return };
        standing.replace(check.unit, check.month, &rule, &measure, found);
    }

    /// Evaluates all rules over all figures.
    #[must_use]
    pub fn all(&self, source: &ValueSource<'_>) -> CurrentFindings {
        let (mut standing, mut checks) = (CurrentFindings::default(), Vec::new());
        let stated = source.view.cube.all_stated();
        let figures = (0..self.touches.len()).map(MeasureId::new).flat_map(|measure| {
            let busy = self.checks_leaves(measure);
            let has_children = move |unit: UnitPosition| {
                source.units.get(unit).is_some_and(|here| here.end > unit.next())
            };
            source
                .view
                .cube
                .figures_of(measure)
                .filter(move |(entry, _)| busy || has_children(entry.unit))
        });
        for (entry, _) in figures.chain(stated) {
            checks.clear();
            self.collect_checks_at_unit(source, &entry, &mut checks);
            checks
                .iter()
                .for_each(|check| self.record(check, self.evaluate(source, check), &mut standing));
        }
        standing
    }

    /// Whether figures of a measure must be checked at units without children too.
    fn checks_leaves(&self, measure: MeasureId) -> bool {
        self.touches.get(measure.index()).is_some_and(|touches| {
            let of_subject = |place: &usize| {
                self.subjects.get(*place).is_some_and(|subject| {
                    !subject.own.splits.is_empty()
                        || !subject.incomplete.is_empty()
                        || subject.movement.is_some()
                })
            };
            !touches.written.is_empty()
                || !touches.moves.is_empty()
                || touches.subjects.iter().any(of_subject)
        })
    }

    fn identity(&self, check: &CheckAt) -> Option<(String, Measure)> {
        let subject =
            |place: usize| self.subjects.get(place).map(|subject| subject.measure.clone());
        Some(match check.what {
            CheckKind::Parts(place) => (PARTS_TOTAL.to_owned(), subject(place)?),
            CheckKind::Exceed(place) => (PARTS_EXCEED_TOTAL.to_owned(), subject(place)?),
            CheckKind::Children(place) => (CHILDREN_TOTAL.to_owned(), subject(place)?),
            CheckKind::Movement(place) => (STOCK_MOVEMENT.to_owned(), subject(place)?),
            CheckKind::Written(place) => self
                .written
                .get(place)
                .map(|ready| (ready.rule.code.clone(), ready.measure.clone()))?,
            CheckKind::StatedRate(kpi) => (STATED_RATE.to_owned(), self.rates.get(&kpi)?.0.clone()),
        })
    }

    fn finding(
        &self,
        check: &CheckAt,
        severity: Severity,
        stated: f64,
        computed: f64,
        detail: (String, String),
    ) -> Option<Finding> {
        let (rule, measure) = self.identity(check)?;
        Some(Finding {
            rule,
            severity,
            measure,
            unit: check.unit,
            month: check.month,
            stated,
            computed,
            detail,
        })
    }

    fn parts(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        subject: &RuleSubject,
    ) -> Option<Finding> {
        let (stated, sum, by_parts) = contradicted(source, check, &subject.own)?;
        if by_parts == stated {
            return None; // a member disagrees with its own parts; the finding is at the member
        }
        let (stated, computed) = (scaled(stated, subject.decimals), scaled(sum, subject.decimals));
        let detail = (
            format!(
                "Các thành phần cộng lại là {}, số tổng đã nêu là {}.",
                vietnamese(computed),
                vietnamese(stated)
            ),
            format!("The parts add up to {computed}, the total stated is {stated}."),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn exceed(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        subject: &RuleSubject,
    ) -> Option<Finding> {
        let (total, _) = source.own(&subject.own, check.unit, check.month)?;
        let added = |parts: &[OwnValuePlan], value: &dyn Fn(&OwnValuePlan) -> Option<i64>| {
            parts.iter().filter_map(value).sum::<i64>()
        };
        let exceeding = subject.incomplete.iter().find_map(|(code, parts)| {
            let sum = added(parts, &|part| own_value(source, check, part));
            // Where a member is too large for its own parts, the finding is at the member.
            let by_parts = added(parts, &|part| {
                from_parts(source, check, part).or_else(|| own_value(source, check, part))
            });
            (sum > total && by_parts > total).then_some((code, sum))
        });
        let (code, sum) = exceeding?;
        let (stated, computed) = (scaled(total, subject.decimals), scaled(sum, subject.decimals));
        let detail = (
            format!(
                "Các thành phần theo {code} cộng lại là {}, vượt quá tổng số {}.",
                vietnamese(computed),
                vietnamese(stated)
            ),
            format!("The members of {code} add up to {computed}, more than the total {stated}."),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn children(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        subject: &RuleSubject,
    ) -> Option<Finding> {
        let stated = source.view.figure(subject.own.stated?, check.unit, check.month)?;
        let sum = source.children_total(&subject.own, check.unit, check.month)?;
        // Where a child disagrees with the units below it, the finding is at the child.
        if i128::from(stated) == sum
            || source.sum_from_below(&subject.own, check.unit, check.month)
                == Some(i128::from(stated))
        {
            return None;
        }
        // Where the total disagrees with its own parts by the same amount, only that finding is
        // given.
        if contradicted(source, check, &subject.own)
            .is_some_and(|(_, parts, _)| i128::from(parts) == sum)
        {
            return None;
        }
        // Where the members together disagree with their children by the same amount as the total,
        // the findings are at the members.
        let by_members = |parts: &Vec<OwnValuePlan>| {
            summands(source, check, parts).into_iter().try_fold(0_i128, |gap, part| {
                let (own, _) = source.own(part, check.unit, check.month)?;
                Some(gap + i128::from(own) - source.children_total(part, check.unit, check.month)?)
            })
        };
        if subject
            .own
            .splits
            .iter()
            .any(|parts| by_members(parts) == Some(i128::from(stated) - sum))
        {
            return None;
        }
        let stated = scaled(stated, subject.decimals);
        let computed = i64::try_from(sum).map_or(f64::MAX, |sum| scaled(sum, subject.decimals));
        let detail = (
            format!(
                "Các đơn vị trực thuộc cộng lại là {}, số đơn vị đã nêu là {}.",
                vietnamese(computed),
                vietnamese(stated)
            ),
            format!(
                "The units below add up to {computed}, the figure stated by the unit is {stated}."
            ),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn movement(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        subject: &RuleSubject,
    ) -> Option<Finding> {
        let (opened, closed) = subject.movement.as_ref()?;
        let own =
            |own: &OwnValuePlan, month| source.own(own, check.unit, month).map(|(value, _)| value);
        let (now, before) =
            (own(&subject.own, check.month)?, own(&subject.own, check.month.plus(-1))?);
        let opened = own(opened, check.month)?;
        let closed = closed.as_ref().and_then(|closed| own(closed, check.month));
        let expected = before + opened - closed.unwrap_or(0);
        // Where the closing flow is not reported, the missing part counts as closed, which cannot
        // be negative.
        if now == expected
            || (closed.is_none() && now < expected)
            || subject.breaks.contains(&check.month)
        {
            return None;
        }
        // Where the members confirm the movement, the total is wrong and only `parts_total` is
        // given.
        if contradicted(source, check, &subject.own).is_some_and(|(_, sum, _)| sum == expected) {
            return None;
        }
        let number = |value| scaled(value, subject.decimals);
        let (stated, computed, before, opened, closed) = (
            number(now),
            number(expected),
            number(before),
            number(opened),
            number(closed.unwrap_or(0)),
        );
        let detail = (
            format!(
                "Tháng trước {}, tăng {}, giảm {}: tính ra {}, số đã nêu là {}.",
                vietnamese(before),
                vietnamese(opened),
                vietnamese(closed),
                vietnamese(computed),
                vietnamese(stated)
            ),
            format!(
                "{before} in the month before, {opened} created, {closed} closed: {computed} is \
                 expected, {stated} is stated."
            ),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn written_rule(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        ready: &PreparedRule,
    ) -> Option<Finding> {
        if let Some(code) = &ready.rule.unit {
            let named = source.units.position(code)?;
            source.units.subtree(named).contains(check.unit).then_some(())?;
        }
        let side = |program: &Program| {
            if ready.rule.rolled_up {
                let state = source.state(
                    program,
                    check.unit,
                    check.month,
                    PriorMonths::of_month(check.month),
                )?;
                program.apply(&state.values)
            } else {
                source.evaluate_on_own_values(program, check.unit, check.month)
            }
        };
        let measured = |program| is_measured(source, program, check.unit, check.month);
        let (left, comparison, right) = match &ready.check {
            PreparedCheck::Condition(left, comparison, right) => (left, *comparison, right),
            PreparedCheck::BothOrNone(sides) => {
                let (there, missing) = split_sides(source, check, (ready, sides), side)?;
                return self.presence(check, ready, (&there, &missing), true);
            }
            PreparedCheck::OneOf(sides) => {
                let (there, missing) = split_sides(source, check, (ready, sides), side)?;
                return self.presence(check, ready, (&there, &missing), false);
            }
        };
        if !(ready.rule.rolled_up || measured(left) || measured(right)) {
            return None; // numbers alone: no measure of the rule has a value
        }
        let (left, right) = (side(left)?, side(right)?);
        if comparison.holds(left, right, ready.rule.tolerance) {
            return None;
        }
        let shown = |value: f64| super::super::number::rounded(value).unwrap_or(value);
        let detail = (
            format!(
                "Trái quy tắc “{}”: {} so với {}.",
                ready.rule.name.vi,
                vietnamese(left),
                vietnamese(right)
            ),
            format!(
                "Against the rule “{}”: {} compared with {}.",
                ready.rule.name.en,
                shown(left),
                shown(right)
            ),
        );
        self.finding(check, ready.rule.severity, shown(left), shown(right), detail)
    }

    /// A rule about figures of which all or none are reported (`is_pair`), or at most one.
    fn presence(
        &self,
        check: &CheckAt,
        ready: &PreparedRule,
        (there, missing): (&[&str], &[&str]),
        is_pair: bool,
    ) -> Option<Finding> {
        let rule = &ready.rule;
        let (expected, detail) = if is_pair {
            (!there.is_empty() && !missing.is_empty()).then_some(())?;
            let names = missing.join(", ");
            let detail = (
                format!("Trái quy tắc “{}”: thiếu {names}.", rule.name.vi),
                format!("Against the rule “{}”: {names} is missing.", rule.name.en),
            );
            (there.len() + missing.len(), detail)
        } else {
            (there.len() > 1).then_some(())?;
            let names = there.join(", ");
            let detail = (
                format!("Trái quy tắc “{}”: chỉ được có một trong {names}.", rule.name.vi),
                format!("Against the rule “{}”: only one of {names} is possible.", rule.name.en),
            );
            (1, detail)
        };
        let count = |number: usize| i64::try_from(number).map_or(f64::MAX, float);
        self.finding(check, rule.severity, count(there.len()), count(expected), detail)
    }

    fn stated_rate(
        &self,
        source: &ValueSource<'_>,
        check: &CheckAt,
        kpi: MeasureId,
    ) -> Option<Finding> {
        let stated = source.view.stated(kpi, check.unit, check.month)?;
        let (_, program) = self.rates.get(&kpi)?;
        let state =
            source.state(program, check.unit, check.month, PriorMonths::of_month(check.month))?;
        let computed = program.apply(&state.values)?;
        let half_a_digit = 0.5 / float(power_of_ten(stated.scale));
        if (stated.to_f64() - computed).abs() <= half_a_digit + 1e-9 {
            return None;
        }
        let shown = super::super::number::rounded(computed)?;
        let detail = (
            format!(
                "Tỷ lệ đã nêu là {}, tính từ số liệu là {}.",
                format_vietnamese(stated),
                vietnamese(shown)
            ),
            format!("{stated} is stated, the figures give {shown}."),
        );
        self.finding(check, Severity::Warning, stated.to_f64(), shown, detail)
    }
}

/// A number for a sentence in Vietnamese.
fn vietnamese(value: f64) -> String {
    let shown = SHOWN_DECIMALS.into_iter().filter_map(|decimals| rounded_to(value, decimals));
    let mut shown = shown.skip_while(|rounded| rounded.mantissa == 0 && value != 0.0);
    shown.next().map_or_else(|| value.to_string(), format_vietnamese)
}

fn own_value(source: &ValueSource<'_>, check: &CheckAt, own: &OwnValuePlan) -> Option<i64> {
    source.own(own, check.unit, check.month).map(|(value, _)| value)
}

/// The texts of the sides that have a value, and of those that lack one. A side with a figure that
/// does not apply to the unit is neither. `None` where there is nothing to judge: the unit does not
/// exist, or only figures of other months are there, as before the month has come.
fn split_sides<'s>(
    source: &ValueSource<'_>,
    check: &CheckAt,
    (ready, sides): (&PreparedRule, &'s [PreparedSide]),
    value: impl Fn(&Program) -> Option<f64>,
) -> Option<(Vec<&'s str>, Vec<&'s str>)> {
    source.units.exists(check.unit, check.month).then_some(())?;
    let (mut there, mut missing, mut is_of_month) = (Vec::new(), Vec::new(), false);
    for PreparedSide { text, program } in sides {
        let applies = program.required().iter().all(|figure| {
            let month = figure.month(check.month, PriorMonths::of_month(check.month));
            month.is_none_or(|month| !source.is_not_applicable(&figure.own, check.unit, month))
        });
        let is_there = value(program).is_some()
            && (ready.rule.rolled_up || is_measured(source, program, check.unit, check.month));
        match (is_there, applies) {
            (true, _) => {
                there.push(text.as_str());
                is_of_month |= !program.has_previous()
                    || program.required().iter().any(|figure| figure.shift.is_none());
            }
            (false, true) => missing.push(text.as_str()),
            (false, false) => {}
        }
    }
    is_of_month.then_some((there, missing))
}

/// The indicators that a rule names.
fn references(rule: &DeclaredRule) -> Vec<&IndicatorReference> {
    rule.check.sides().into_iter().flat_map(|side| side.references()).collect()
}

/// Whether any measure of a program, also one that no choice takes, has a value at the unit itself
/// or, inside `sum()`, at a leaf below it.
fn is_measured(
    source: &ValueSource<'_>,
    program: &Program,
    unit: UnitPosition,
    month: Month,
) -> bool {
    let prior = PriorMonths::of_month(month);
    program.operands.iter().any(|operand| match operand {
        Operand::Figure(figure) => figure
            .month(month, prior)
            .is_some_and(|month| source.own(&figure.own, unit, month).is_some()),
        Operand::Coalesce(x, y) => [x, y].iter().any(|side| is_measured(source, side, unit, month)),
        Operand::LeafSum(x) => {
            let leaves = source.units.leaves(unit, month);
            leaves.iter().any(|leaf| is_measured(source, x, leaf, month))
        }
        Operand::Reports(_) => false, // neither in rules nor compared with stated rates
    })
}

/// The members of a dimension without which it is not summed at the unit.
fn summands<'p>(
    source: &ValueSource<'_>,
    check: &CheckAt,
    parts: &'p [OwnValuePlan],
) -> Vec<&'p OwnValuePlan> {
    let is_summand = |part: &&OwnValuePlan| source.is_summand(part, check.unit, check.month);
    parts.iter().filter(is_summand).collect()
}

/// The value of a figure computed from its members, whatever is stated.
fn from_parts(source: &ValueSource<'_>, check: &CheckAt, own: &OwnValuePlan) -> Option<i64> {
    own_value(
        source,
        check,
        &OwnValuePlan { splits: own.splits.clone(), ..OwnValuePlan::default() },
    )
}

/// Where a stated figure is not the sum of the members of a complete dimension: the stated figure,
/// the sum, and the sum with each member computed from its own parts or, if it has none, from the
/// units below.
fn contradicted(
    source: &ValueSource<'_>,
    check: &CheckAt,
    own: &OwnValuePlan,
) -> Option<(i64, i64, i64)> {
    let stated = source.view.figure(own.stated?, check.unit, check.month)?;
    let added = |parts: &[&OwnValuePlan], value: &dyn Fn(&OwnValuePlan) -> Option<i64>| {
        parts.iter().try_fold(0_i64, |sum, part| Some(sum + value(part)?))
    };
    own.splits.iter().find_map(|parts| {
        let parts = &summands(source, check, parts);
        if parts.is_empty() {
            return None;
        }
        let sum = added(parts, &|part| own_value(source, check, part))?;
        if sum == stated {
            return None;
        }
        let from_below = |part: &OwnValuePlan| {
            source
                .children_total(part, check.unit, check.month)
                .and_then(|total| i64::try_from(total).ok())
        };
        let otherwise = added(parts, &|part| {
            from_parts(source, check, part)
                .or_else(|| from_below(part))
                .or_else(|| own_value(source, check, part))
        })?;
        Some((stated, sum, otherwise))
    })
}

fn is_moved_by(indicator: &Indicator, code: &str) -> bool {
    indicator
        .movement
        .as_ref()
        .is_some_and(|(opened, closed)| opened == code || closed.as_deref() == Some(code))
}

fn prepare_subject(
    catalogue: &Catalogue,
    view: &CubeView<'_>,
    indicator: &Indicator,
    measure: Measure,
) -> RuleSubject {
    let plan = |members: &Members| OwnValuePlan::plan(indicator, members, view);
    let incomplete = indicator
        .open(&measure.members)
        .filter(|dimension| !dimension.complete && indicator.kind != IndicatorKind::Average)
        .map(|dimension| {
            let parts = dimension
                .members
                .iter()
                .map(|member| plan(&measure.members.with(&dimension.code, member)));
            (
                dimension.code.clone(),
                parts
                    .filter(|part| part.stated.is_some() || !part.splits.is_empty())
                    .collect::<Vec<_>>(),
            )
        });
    let incomplete: Vec<_> = incomplete.filter(|(_, parts)| !parts.is_empty()).collect();
    let flow = |code: &String| {
        let flow = catalogue.indicator(code)?;
        flow.check_members(&measure.members)
            .is_empty()
            .then(|| OwnValuePlan::plan(flow, &measure.members, view))
    };
    let movement = indicator
        .movement
        .as_ref()
        .and_then(|(opened, closed)| Some((flow(opened)?, closed.as_ref().and_then(flow))));
    let own = plan(&measure.members);
    RuleSubject {
        own,
        decimals: indicator.decimals,
        adds_up: indicator.kind != IndicatorKind::Average,
        breaks: indicator.breaks.clone(),
        incomplete,
        movement,
        measure,
    }
}

fn prepare_rule(
    catalogue: &Catalogue,
    view: &CubeView<'_>,
    rule: &DeclaredRule,
) -> Option<PreparedRule> {
    let side = |side: &Expression| Program::of_expression(catalogue, view, side, &Members::none());
    let sides = |list: &[Expression]| {
        let prepared =
            |of: &Expression| Some(PreparedSide { text: of.to_string(), program: side(of)? });
        list.iter().map(prepared).collect::<Option<Vec<_>>>()
    };
    let check = match &rule.check {
        RuleCheck::Condition(RuleCondition { left, comparison, right }) => {
            PreparedCheck::Condition(Box::new(side(left)?), *comparison, Box::new(side(right)?))
        }
        RuleCheck::BothOrNone(list) => PreparedCheck::BothOrNone(sides(list)?),
        RuleCheck::OneOf(list) => PreparedCheck::OneOf(sides(list)?),
    };
    let references = references(rule);
    let first = references.first()?;
    let members = first
        .members
        .iter()
        .filter_map(|(dimension, member)| Some((dimension.clone(), member.clone()?)))
        .collect();
    let measure = Measure { code: first.indicator.clone(), members: Members::new(members).ok()? };
    let looks_below = rule.rolled_up || rule.check.sides().iter().any(|side| side.has_sum());
    Some(PreparedRule { looks_below, rule: rule.clone(), measure, check })
}
