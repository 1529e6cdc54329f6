//! The rules made ready for the measures that have figures, and their evaluation.

use std::collections::HashMap;

use super::super::catalogue::{Catalogue, Indicator, Kind, Severity, WrittenRule};
use super::super::cube::{Entry, MeasureId, View};
use super::super::formula::{Comparison, Reference};
use super::super::measure::{Measure, Members};
use super::super::number::{float, power_of_ten, scaled};
use super::super::period::Month;
use super::super::program::{Own, Program};
use super::super::value::Source;
use super::finding::{Finding, Standing};

/// An indicator with members, and what follows for it from the catalogue.
#[derive(Debug)]
struct Subject {
    measure: Measure,
    own: Own,
    decimals: u32,
    adds_up: bool,
    /// Dimensions that are not complete: their code and the members' plans.
    incomplete: Vec<(String, Vec<Own>)>,
    /// Months from which its definition differs.
    breaks: Vec<Month>,
    /// For a stock: what was created and what was closed.
    movement: Option<(Own, Option<Own>)>,
}

/// A written rule made ready.
#[derive(Debug)]
struct Ready {
    rule: WrittenRule,
    measure: Measure,
    left: Program,
    right: Program,
    /// Whether it looks at units below the one it is judged at.
    looks_below: bool,
}

/// What a figure of a measure may touch.
#[derive(Debug, Default)]
struct Touches {
    subjects: Vec<usize>,
    moves: Vec<usize>,
    written: Vec<(usize, bool)>,
    kpis: Vec<(MeasureId, bool)>,
}

/// What is checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum What {
    Parts(usize),
    Exceed(usize),
    Children(usize),
    Movement(usize),
    Written(usize),
    StatedRate(MeasureId),
}

/// A check at a unit and month.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CheckAt {
    unit: usize,
    month: Month,
    what: What,
}

/// Every rule of a catalogue, made ready for the measures that have figures. It has to be made anew
/// when the catalogue changes or the dictionary of measures has grown.
#[derive(Debug)]
pub struct RuleBook {
    subjects: Vec<Subject>,
    written: Vec<Ready>,
    rates: HashMap<MeasureId, (Measure, Program)>,
    touches: Vec<Touches>,
}

impl RuleBook {
    /// Makes the rules ready for the first `measures` measures of the view's dictionary.
    #[must_use]
    pub fn new(catalogue: &Catalogue, view: &View<'_>) -> Self {
        let known: Vec<(MeasureId, Measure)> =
            (0..).map_while(|id| Some((id, view.measure(id)?.clone()))).collect();
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
                // A dimension within a host cannot be named without it.
                if !indicator.member_faults(&members).is_empty() {
                    continue;
                }
                let subject = Measure { code: measure.code.clone(), members };
                if !places.contains_key(&subject) {
                    places.insert(subject.clone(), book.subjects.len());
                    book.subjects.push(ready_subject(catalogue, view, indicator, subject));
                }
            }
        }
        book.written =
            catalogue.rules.iter().filter_map(|rule| ready_rule(catalogue, view, rule)).collect();
        for (id, measure) in &known {
            if catalogue.kpi(&measure.code).is_some()
                && let Some(program) = Program::of_measure(catalogue, view, measure)
            {
                book.rates.insert(*id, (measure.clone(), program));
            }
        }
        book.touches =
            known.iter().map(|(_, measure)| book.touches_of(catalogue, measure, &places)).collect();
        book
    }

    fn touches_of(
        &self,
        catalogue: &Catalogue,
        measure: &Measure,
        places: &HashMap<Measure, usize>,
    ) -> Touches {
        let mut touches = Touches::default();
        for members in measure.members.subsets() {
            touches.subjects.extend(
                places.get(&Measure { code: measure.code.clone(), members: members.clone() }),
            );
            for indicator in
                catalogue.indicators.iter().filter(|indicator| moved_by(indicator, &measure.code))
            {
                touches.moves.extend(
                    places.get(&Measure { code: indicator.code.clone(), members: members.clone() }),
                );
            }
        }
        let names = |references: &[&Reference]| {
            let of_it: Vec<bool> = references
                .iter()
                .filter(|reference| reference.indicator == measure.code)
                .map(|reference| reference.previous)
                .collect();
            (!of_it.is_empty()).then(|| of_it.contains(&true))
        };
        for (place, ready) in self.written.iter().enumerate() {
            let references =
                [ready.rule.check.left.references(), ready.rule.check.right.references()].concat();
            touches.written.extend(names(&references).map(|previous| (place, previous)));
        }
        for (id, (kpi, _)) in &self.rates {
            let references =
                catalogue.kpi(&kpi.code).map(|kpi| kpi.formula.references()).unwrap_or_default();
            touches.kpis.extend(names(&references).map(|previous| (*id, previous)));
        }
        touches
    }

    /// The checks that a figure may change the outcome of, added to a list.
    pub fn touched_by(&self, source: &Source<'_>, figure: &Entry, checks: &mut Vec<CheckAt>) {
        let Some(touches) = self.touches.get(figure.measure) else { return };
        let (unit, month, next) = (figure.unit, figure.month, figure.month.plus(1));
        self.at_unit(source, figure, checks);
        let mut add = |unit, month, what| checks.push(CheckAt { unit, month, what });
        for place in &touches.subjects {
            let Some(subject) = self.subjects.get(*place) else { continue };
            if subject.movement.is_some() {
                add(unit, next, What::Movement(*place));
            }
            if let Some(stated) = subject.own.stated.filter(|_| subject.adds_up) {
                for above in source
                    .units
                    .ancestors(unit)
                    .filter(|above| source.view.figure(stated, *above, month).is_some())
                {
                    add(above, month, What::Children(*place));
                    if !subject.own.splits.is_empty() {
                        add(above, month, What::Parts(*place));
                    }
                    if subject.movement.is_some() {
                        add(above, month, What::Movement(*place));
                    }
                }
            }
        }
        for (kpi, previous) in &touches.kpis {
            for unit in std::iter::once(unit).chain(source.units.ancestors(unit)) {
                for month in std::iter::once(month).chain(previous.then_some(next)) {
                    if source.view.stated(*kpi, unit, month).is_some() {
                        add(unit, month, What::StatedRate(*kpi));
                    }
                }
            }
        }
    }

    /// The checks that look at a figure from its own unit and month.
    fn at_unit(&self, source: &Source<'_>, figure: &Entry, checks: &mut Vec<CheckAt>) {
        let Some(touches) = self.touches.get(figure.measure) else { return };
        let mut add = |what| checks.push(CheckAt { unit: figure.unit, month: figure.month, what });
        if self.rates.contains_key(&figure.measure) {
            add(What::StatedRate(figure.measure));
        }
        let has_children =
            source.units.get(figure.unit).is_some_and(|unit| unit.end > figure.unit + 1);
        for place in &touches.subjects {
            let Some(subject) = self.subjects.get(*place) else { continue };
            if subject.own.stated.is_some() && !subject.own.splits.is_empty() {
                add(What::Parts(*place));
            }
            if !subject.incomplete.is_empty() {
                add(What::Exceed(*place));
            }
            if has_children && subject.adds_up && subject.own.stated.is_some() {
                add(What::Children(*place));
            }
            if subject.movement.is_some() {
                add(What::Movement(*place));
            }
        }
        touches.moves.iter().for_each(|place| add(What::Movement(*place)));
        for (place, previous) in &touches.written {
            let looks_below = self.written.get(*place).is_some_and(|ready| ready.looks_below);
            for unit in std::iter::once(figure.unit)
                .chain(source.units.ancestors(figure.unit).filter(|_| looks_below))
            {
                checks.push(CheckAt { unit, month: figure.month, what: What::Written(*place) });
                if *previous {
                    checks.push(CheckAt {
                        unit,
                        month: figure.month.plus(1),
                        what: What::Written(*place),
                    });
                }
            }
        }
    }

    /// Evaluates a check.
    #[must_use]
    pub fn evaluate(&self, source: &Source<'_>, check: &CheckAt) -> Option<Finding> {
        let subject = |place: usize| self.subjects.get(place);
        match check.what {
            What::Parts(place) => self.parts(source, check, subject(place)?),
            What::Exceed(place) => self.exceed(source, check, subject(place)?),
            What::Children(place) => self.children(source, check, subject(place)?),
            What::Movement(place) => self.movement(source, check, subject(place)?),
            What::Written(place) => self.written_rule(source, check, self.written.get(place)?),
            What::StatedRate(kpi) => self.stated_rate(source, check, kpi),
        }
    }

    /// Puts a check's outcome in the place of what it found before.
    pub fn record(&self, check: &CheckAt, found: Option<Finding>, standing: &mut Standing) {
        if found.is_none() && !standing.any_at(check.unit, check.month) {
            return;
        }
        let Some((rule, measure)) = self.identity(check) else { return };
        standing.settle(check.unit, check.month, &rule, &measure, found);
    }

    /// Every finding over all figures, from nothing.
    #[must_use]
    pub fn all(&self, source: &Source<'_>) -> Standing {
        let (mut standing, mut checks) = (Standing::default(), Vec::new());
        let stated = source.view.cube.all_stated();
        let figures = (0..self.touches.len()).flat_map(|measure| {
            let busy = self.is_busy(measure);
            let has_children =
                move |unit: usize| source.units.get(unit).is_some_and(|here| here.end > unit + 1);
            source
                .view
                .cube
                .figures_of(measure)
                .filter(move |(entry, _)| busy || has_children(entry.unit))
        });
        for (entry, _) in figures.chain(stated) {
            checks.clear();
            self.at_unit(source, &entry, &mut checks);
            checks
                .iter()
                .for_each(|check| self.record(check, self.evaluate(source, check), &mut standing));
        }
        standing
    }

    /// Whether a measure's figures are checked at units without children as well.
    fn is_busy(&self, measure: MeasureId) -> bool {
        self.touches.get(measure).is_some_and(|touches| {
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
            What::Parts(place) => ("parts_total".to_owned(), subject(place)?),
            What::Exceed(place) => ("parts_exceed_total".to_owned(), subject(place)?),
            What::Children(place) => ("children_total".to_owned(), subject(place)?),
            What::Movement(place) => ("stock_movement".to_owned(), subject(place)?),
            What::Written(place) => self
                .written
                .get(place)
                .map(|ready| (ready.rule.code.clone(), ready.measure.clone()))?,
            What::StatedRate(kpi) => ("stated_rate".to_owned(), self.rates.get(&kpi)?.0.clone()),
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

    fn parts(&self, source: &Source<'_>, check: &CheckAt, subject: &Subject) -> Option<Finding> {
        let (stated, sum, by_parts) = contradicted(source, check, &subject.own)?;
        if by_parts == stated {
            return None; // a member disagrees with its own parts: that is the cause, and it is named there
        }
        let (stated, computed) = (scaled(stated, subject.decimals), scaled(sum, subject.decimals));
        let detail = (
            format!("Các thành phần cộng lại là {computed}, số tổng đã nêu là {stated}."),
            format!("The parts add up to {computed}, the total stated is {stated}."),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn exceed(&self, source: &Source<'_>, check: &CheckAt, subject: &Subject) -> Option<Finding> {
        let (total, _) = source.own(&subject.own, check.unit, check.month)?;
        let added = |parts: &[Own], value: &dyn Fn(&Own) -> Option<i64>| {
            parts.iter().filter_map(value).sum::<i64>()
        };
        let exceeding = subject.incomplete.iter().find_map(|(code, parts)| {
            let sum = added(parts, &|part| own_value(source, check, part));
            // A member that is too large for its own parts is the cause, and it is named there.
            let by_parts = added(parts, &|part| {
                from_parts(source, check, part).or_else(|| own_value(source, check, part))
            });
            (sum > total && by_parts > total).then_some((code, sum))
        });
        let (code, sum) = exceeding?;
        let (stated, computed) = (scaled(total, subject.decimals), scaled(sum, subject.decimals));
        let detail = (
            format!(
                "Các thành phần theo {code} cộng lại là {computed}, vượt quá tổng số {stated}."
            ),
            format!("The members of {code} add up to {computed}, more than the total {stated}."),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn children(&self, source: &Source<'_>, check: &CheckAt, subject: &Subject) -> Option<Finding> {
        let stated = source.view.figure(subject.own.stated?, check.unit, check.month)?;
        let sum = source.children_total(&subject.own, check.unit, check.month)?;
        // A child that disagrees with the units below it is the cause, and it is named there.
        if i128::from(stated) == sum
            || source.from_below(&subject.own, check.unit, check.month) == Some(i128::from(stated))
        {
            return None;
        }
        // The total disagrees with its own parts in the same way: one cause, and it is named there.
        if contradicted(source, check, &subject.own)
            .is_some_and(|(_, parts, _)| i128::from(parts) == sum)
        {
            return None;
        }
        // The members disagree by as much as the total: they are named, the total is not.
        let by_members = |parts: &Vec<Own>| {
            parts.iter().try_fold(0_i128, |gap, part| {
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
            format!("Các đơn vị trực thuộc cộng lại là {computed}, đơn vị nêu {stated}."),
            format!("The units below add up to {computed}, the unit states {stated}."),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn movement(&self, source: &Source<'_>, check: &CheckAt, subject: &Subject) -> Option<Finding> {
        let (opened, closed) = subject.movement.as_ref()?;
        let own = |own: &Own, month| source.own(own, check.unit, month).map(|(value, _)| value);
        let (now, before) =
            (own(&subject.own, check.month)?, own(&subject.own, check.month.plus(-1))?);
        let opened = own(opened, check.month)?;
        let closed = closed.as_ref().and_then(|closed| own(closed, check.month));
        let expected = before + opened - closed.unwrap_or(0);
        // Where nothing closed is reported, closures are what is left over, and they cannot be negative.
        if now == expected
            || (closed.is_none() && now < expected)
            || subject.breaks.contains(&check.month)
        {
            return None;
        }
        // The members, too, say what the movement says: the total is the cause, and it is named there.
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
                "Tháng trước {before}, tăng {opened}, giảm {closed}: phải là {computed}, số đã nêu là {stated}."
            ),
            format!(
                "{before} the month before, {opened} created, {closed} closed: {computed} is expected, {stated} is stated."
            ),
        );
        self.finding(check, Severity::Warning, stated, computed, detail)
    }

    fn written_rule(&self, source: &Source<'_>, check: &CheckAt, ready: &Ready) -> Option<Finding> {
        let side = |program: &Program| {
            if ready.rule.rolled_up {
                let state = source.state(program, check.unit, check.month, check.month.plus(-1))?;
                program.apply(&state.values)
            } else {
                source.on_own_values(program, check.unit, check.month)
            }
        };
        let (left, right) = (side(&ready.left)?, side(&ready.right)?);
        let slack = ready.rule.tolerance + 1e-9 * left.abs().max(right.abs()).max(1.0);
        let holds = match ready.rule.check.comparison {
            Comparison::Equal => (left - right).abs() <= slack,
            Comparison::AtMost => left <= right + slack,
            Comparison::AtLeast => left >= right - slack,
        };
        if holds {
            return None;
        }
        let shown = |value: f64| super::super::number::rounded(value).unwrap_or(value);
        let detail = (
            format!("{}: {} so với {}.", ready.rule.name.vi, shown(left), shown(right)),
            format!("{}: {} against {}.", ready.rule.name.en, shown(left), shown(right)),
        );
        self.finding(check, ready.rule.severity, shown(left), shown(right), detail)
    }

    fn stated_rate(&self, source: &Source<'_>, check: &CheckAt, kpi: MeasureId) -> Option<Finding> {
        let stated = source.view.stated(kpi, check.unit, check.month)?;
        let (_, program) = self.rates.get(&kpi)?;
        let state = source.state(program, check.unit, check.month, check.month.plus(-1))?;
        let computed = program.apply(&state.values)?;
        let half_a_digit = 0.5 / float(power_of_ten(stated.scale));
        if (stated.to_f64() - computed).abs() <= half_a_digit + 1e-9 {
            return None;
        }
        let shown = super::super::number::rounded(computed)?;
        let detail = (
            format!("Tỷ lệ đã nêu là {stated}, tính từ số liệu là {shown}."),
            format!("{stated} is stated, the figures give {shown}."),
        );
        self.finding(check, Severity::Warning, stated.to_f64(), shown, detail)
    }
}

fn own_value(source: &Source<'_>, check: &CheckAt, own: &Own) -> Option<i64> {
    source.own(own, check.unit, check.month).map(|(value, _)| value)
}

/// A figure as its own parts give it, whatever is stated.
fn from_parts(source: &Source<'_>, check: &CheckAt, own: &Own) -> Option<i64> {
    own_value(source, check, &Own { stated: None, splits: own.splits.clone() })
}

/// Where a stated figure is not the sum of a complete dimension's members: what is stated, their sum,
/// and their sum with each member as its own parts, or else the units below, give it.
fn contradicted(source: &Source<'_>, check: &CheckAt, own: &Own) -> Option<(i64, i64, i64)> {
    let stated = source.view.figure(own.stated?, check.unit, check.month)?;
    let added = |parts: &[Own], value: &dyn Fn(&Own) -> Option<i64>| {
        parts.iter().try_fold(0_i64, |sum, part| Some(sum + value(part)?))
    };
    own.splits.iter().find_map(|parts| {
        let sum = added(parts, &|part| own_value(source, check, part))?;
        if sum == stated {
            return None;
        }
        let from_below = |part: &Own| {
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

fn moved_by(indicator: &Indicator, code: &str) -> bool {
    indicator
        .movement
        .as_ref()
        .is_some_and(|(opened, closed)| opened == code || closed.as_deref() == Some(code))
}

fn ready_subject(
    catalogue: &Catalogue,
    view: &View<'_>,
    indicator: &Indicator,
    measure: Measure,
) -> Subject {
    let plan = |members: &Members| Own::plan(indicator, members, view);
    let incomplete = indicator
        .open(&measure.members)
        .filter(|dimension| !dimension.complete && indicator.kind != Kind::Average)
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
        flow.member_faults(&measure.members)
            .is_empty()
            .then(|| Own::plan(flow, &measure.members, view))
    };
    let movement = indicator
        .movement
        .as_ref()
        .and_then(|(opened, closed)| Some((flow(opened)?, closed.as_ref().and_then(flow))));
    let own = plan(&measure.members);
    Subject {
        own,
        decimals: indicator.decimals,
        adds_up: indicator.kind != Kind::Average,
        breaks: indicator.breaks.clone(),
        incomplete,
        movement,
        measure,
    }
}

fn ready_rule(catalogue: &Catalogue, view: &View<'_>, rule: &WrittenRule) -> Option<Ready> {
    let side = |side| Program::of_expression(catalogue, view, side, &Members::none());
    let references = [rule.check.left.references(), rule.check.right.references()].concat();
    let first = references.first()?;
    let members = first
        .members
        .iter()
        .filter_map(|(dimension, member)| Some((dimension.clone(), member.clone()?)))
        .collect();
    let measure = Measure { code: first.indicator.clone(), members: Members::new(members).ok()? };
    let looks_below = rule.rolled_up || rule.check.left.has_sum() || rule.check.right.has_sum();
    Some(Ready {
        looks_below,
        rule: rule.clone(),
        measure,
        left: side(&rule.check.left)?,
        right: side(&rule.check.right)?,
    })
}
