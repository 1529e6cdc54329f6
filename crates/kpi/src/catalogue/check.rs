//! Validation of a catalogue document; all errors are reported at once.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::fault::{CODE, is_code};
use crate::formula::{FormulaError, IndicatorReference, RuleCondition, TimeShift};
use crate::labels::{MAX_LABEL, MAX_LABELS};
use crate::number::MAX_DECIMALS;

mod metrics;
mod reports;

pub(super) use metrics::find_conflicts;

/// Limits of a catalogue. A national one has a few hundred indicators.
const MAX_ENTRIES: usize = 5_000;
const MAX_DIMENSIONS_OF_AN_INDICATOR: usize = 6;
const MAX_MEMBERS: usize = 200;
const MAX_EXPECTED: usize = 500;
/// Most indicators that a formula names together with the kpis in it.
const MAX_REFERENCES: usize = 500;
/// Most times that a formula, with the kpis in it, counts reported or expected figures.
const MAX_REPORT_COUNTS: usize = 8;
/// Most operations, numbers and indicators of all formulas that have kpis in them.
const MAX_EXPANDED_NODES: usize = 250_000;
/// Most units to which the figures of an expectation do not apply.
const MAX_NOT_APPLICABLE: usize = 2_000;

pub(super) fn check_catalogue(document: CatalogueDocument) -> Result<Catalogue, Vec<Fault>> {
    let indicators: HashSet<&str> = document.indicators.iter().map(|i| i.code.as_str()).collect();
    let kpis = document.kpis.iter().filter(|kpi| !indicators.contains(kpi.code.as_str()));
    let kpis = kpis.map(|kpi| (kpi.code.clone(), kpi.formula.parse().ok())).collect();
    let expectations = document.expectations.iter().map(|one| one.code.clone()).collect();
    let mut checker = CatalogueChecker { kpis, expectations, ..CatalogueChecker::default() };
    let mut catalogue = Catalogue::default();
    checker.check_sizes(&document);
    checker.check_codes("systems", document.systems.iter().map(|s| s.code.as_str()), is_code);
    checker.check_codes(
        "dimensions",
        document.dimensions.iter().map(|d| d.code.as_str()),
        is_member,
    );
    checker.check_codes(
        "indicators",
        document.indicators.iter().map(|i| i.code.as_str()),
        is_measure_code,
    );
    checker.check_codes("kpis", document.kpis.iter().map(|k| k.code.as_str()), is_measure_code);
    checker.check_codes("rules", document.rules.iter().map(|r| r.code.as_str()), is_code);
    checker.check_codes("targets", document.targets.iter().map(|t| t.code.as_str()), is_code);
    checker.check_codes(
        "expectations",
        document.expectations.iter().map(|e| e.code.as_str()),
        is_code,
    );
    checker.check_dimensions(&document);
    checker.check_labels(&document);
    let systems: HashSet<&str> = document.systems.iter().map(|s| s.code.as_str()).collect();
    for (n, indicator) in document.indicators.iter().enumerate() {
        let place = format!("/indicators/{n}");
        checker.check_system(&place, indicator.system.as_deref(), &systems);
        let found = checker.check_indicator(&place, indicator, &document);
        catalogue.indicator_index.insert(indicator.code.clone(), n);
        catalogue.indicators.push(found);
    }
    for (n, indicator) in document.indicators.iter().enumerate() {
        checker.check_movement(&format!("/indicators/{n}/movement"), indicator, &catalogue);
    }
    for (n, kpi) in document.kpis.iter().enumerate() {
        let place = format!("/kpis/{n}");
        checker.check_system(&place, kpi.system.as_deref(), &systems);
        if catalogue.indicator_index.contains_key(&kpi.code) {
            checker.fault(
                format!("{place}/code"),
                "duplicate",
                format!("{} is already the code of an indicator", quoted(&kpi.code)),
            );
        }
        if let Some(found) = checker.check_kpi(&place, kpi, &catalogue) {
            catalogue.kpi_index.insert(kpi.code.clone(), catalogue.kpis.len());
            catalogue.kpis.push(found);
        }
    }
    for (n, rule) in document.rules.iter().enumerate() {
        catalogue.rules.extend(checker.check_rule(&format!("/rules/{n}"), rule, &catalogue));
    }
    for (n, target) in document.targets.iter().enumerate() {
        catalogue.targets.extend(checker.target(&format!("/targets/{n}"), target, &catalogue));
    }
    for (n, expectation) in document.expectations.iter().enumerate() {
        let found =
            checker.check_expectation(&format!("/expectations/{n}"), expectation, &catalogue);
        checker.check_not_applicable(n, expectation, &found.measures, &mut catalogue);
        catalogue.expectations.push(found);
    }
    for indicator in &mut catalogue.indicators {
        indicator.not_applicable.sort_by(|one, other| one.unit.cmp(&other.unit));
    }
    checker.check_reports(&document, &catalogue);
    catalogue.document = document;
    if checker.faults.is_empty() { Ok(catalogue) } else { Err(checker.faults) }
}

/// Validates one target against a catalogue.
pub(super) fn target(
    catalogue: &Catalogue,
    place: &str,
    document: &TargetDocument,
) -> Result<Target, Vec<Fault>> {
    let mut checker = CatalogueChecker::default();
    if !is_code(&document.code) {
        checker.fault(
            format!("{place}/code"),
            "malformed_code",
            format!("{} is not a code: {CODE}", quoted(&document.code)),
        );
    }
    match checker.target(place, document, catalogue) {
        Some(target) if checker.faults.is_empty() => Ok(target),
        _ => Err(checker.faults),
    }
}

/// Whether a text is a code that formulas can name: `a-z 0-9 _` in parts between dots, the first
/// character a letter.
fn is_measure_code(text: &str) -> bool {
    is_code(text)
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
}

/// A member with its dates, if it has any. `check_dimensions` reports those that are no months.
fn dates_of(member: &MemberDocument) -> Option<(String, MemberDates)> {
    let month = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    let dates = MemberDates { from: month(&member.from), to: month(&member.to) };
    (!dates.is_always()).then(|| (member.code.clone(), dates))
}

/// Whether a text is a code of a dimension or member: `A-Z a-z 0-9 _ . -`, the first character a
/// letter, digit or underscore.
fn is_member(text: &str) -> bool {
    (1..=120).contains(&text.len())
        && text.as_bytes().first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[derive(Default)]
struct CatalogueChecker {
    faults: Vec<Fault>,
    /// The codes of all expectations.
    expectations: HashSet<String>,
    /// The formulas of all kpis as they are written; `None` where one cannot be read.
    kpis: HashMap<String, Option<Expression>>,
    /// The sizes of those kpis that are within the limits and have been looked at.
    sizes: HashMap<String, FormulaSize>,
    /// The size of all formulas that have kpis in them.
    expanded_nodes: usize,
}

/// Why the kpis in a formula cannot be replaced by their formulas: the code and the detail.
type ExpansionFault = (&'static str, String);

/// The size of a formula in which kpis are replaced by their formulas.
#[derive(Clone, Copy, Default)]
struct FormulaSize {
    /// Operations, numbers and indicators.
    nodes: usize,
    /// Levels of operations.
    depth: usize,
    /// Levels of kpis.
    levels: usize,
}

impl FormulaSize {
    /// The limits, of which each keeps a small catalogue from taking much memory or stack.
    const MOST: Self = Self { nodes: 2_500, depth: 2_500, levels: 16 };

    fn check(self) -> Result<Self, ExpansionFault> {
        let Self { nodes, depth, levels } = Self::MOST;
        if self.levels > levels {
            let detail = format!("kpis are nested in more than {levels} levels");
            return Err(("too_many", detail));
        }
        if self.nodes > nodes || self.depth > depth {
            let detail = format!(
                "with the kpis in it the formula has more than {nodes} operations, numbers and \
                 indicators"
            );
            return Err(("too_many", detail));
        }
        Ok(self)
    }
}

impl CatalogueChecker {
    fn fault(&mut self, pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) {
        self.faults.push(Fault::new(pointer, code, detail));
    }

    fn check_sizes(&mut self, document: &CatalogueDocument) {
        for (section, size) in document.sizes().into_iter().filter(|(_, size)| *size > MAX_ENTRIES)
        {
            self.fault(
                format!("/{section}"),
                "too_many",
                format!("{size} entries; at most {MAX_ENTRIES} are allowed"),
            );
        }
    }

    fn check_codes<'a>(
        &mut self,
        section: &str,
        codes: impl Iterator<Item = &'a str>,
        good: fn(&str) -> bool,
    ) {
        let mut seen = HashSet::new();
        for (n, code) in codes.enumerate() {
            if !good(code) {
                self.fault(
                    format!("/{section}/{n}/code"),
                    "malformed_code",
                    format!("{} is not a code", quoted(code)),
                );
            }
            if !seen.insert(code) {
                self.fault(
                    format!("/{section}/{n}/code"),
                    "duplicate",
                    format!("{} is a duplicate", quoted(code)),
                );
            }
        }
    }

    fn check_system(&mut self, place: &str, system: Option<&str>, known: &HashSet<&str>) {
        if let Some(system) = system.filter(|system| !known.contains(system)) {
            self.fault(
                format!("{place}/system"),
                "unknown_system",
                format!("no system has the code {}", quoted(system)),
            );
        }
    }

    fn check_dimensions(&mut self, document: &CatalogueDocument) {
        for (n, dimension) in document.dimensions.iter().enumerate() {
            let place = format!("/dimensions/{n}/members");
            if dimension.members.is_empty() || dimension.members.len() > MAX_MEMBERS {
                self.fault(
                    &place,
                    "too_many",
                    format!("a dimension has 1 to {MAX_MEMBERS} members"),
                );
            }
            let mut seen = HashSet::new();
            for (m, member) in dimension.members.iter().enumerate() {
                if !is_member(&member.code) || !seen.insert(&member.code) {
                    self.fault(
                        format!("{place}/{m}/code"),
                        "malformed_code",
                        format!("{} is malformed or a duplicate", quoted(&member.code)),
                    );
                }
                let here = format!("{place}/{m}");
                self.parse_months(&here, member.from.as_ref(), member.to.as_ref());
            }
        }
    }

    /// Checks the limits of labels, and that two measures of one system do not share a label.
    /// Measures of different systems may share one: the heading of the report or table shows the
    /// system.
    fn check_labels(&mut self, document: &CatalogueDocument) {
        for (n, system) in document.systems.iter().enumerate() {
            self.check_label_limits(&format!("/systems/{n}"), &system.labels);
        }
        for (n, dimension) in document.dimensions.iter().enumerate() {
            for (m, member) in dimension.members.iter().enumerate() {
                self.check_label_limits(&format!("/dimensions/{n}/members/{m}"), &member.labels);
            }
        }
        let indicators = document
            .indicators
            .iter()
            .enumerate()
            .map(|(n, i)| (format!("/indicators/{n}"), &i.code, &i.system, &i.labels));
        let kpis = document
            .kpis
            .iter()
            .enumerate()
            .map(|(n, k)| (format!("/kpis/{n}"), &k.code, &k.system, &k.labels));
        let mut seen: HashMap<(Option<&str>, String), &str> = HashMap::new();
        for (place, code, system, labels) in indicators.chain(kpis) {
            self.check_label_limits(&place, labels);
            for (l, label) in labels.iter().enumerate() {
                let written = label.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
                match seen.insert((system.as_deref(), written), code) {
                    Some(other) if other == code => self.fault(
                        format!("{place}/labels/{l}"),
                        "duplicate_label",
                        format!("{} is a duplicate", quoted(label)),
                    ),
                    Some(other) => self.fault(
                        format!("{place}/labels/{l}"),
                        "duplicate_label",
                        format!("{} is already a label of {other}", quoted(label)),
                    ),
                    None => {}
                }
            }
        }
    }

    fn check_label_limits(&mut self, place: &str, labels: &[String]) {
        if labels.len() > MAX_LABELS {
            self.fault(
                format!("{place}/labels"),
                "too_many",
                format!("at most {MAX_LABELS} labels"),
            );
        }
        for (l, label) in labels
            .iter()
            .enumerate()
            .filter(|(_, label)| label.trim().is_empty() || label.chars().count() > MAX_LABEL)
        {
            self.fault(
                format!("{place}/labels/{l}"),
                "malformed",
                format!("{} is empty or longer than {MAX_LABEL} characters", quoted(label)),
            );
        }
    }

    fn parse_month(&mut self, place: String, text: &str) -> Option<Month> {
        text.parse()
            .map_err(|error: crate::period::PeriodError| {
                self.fault(place, "malformed_period", error.to_string())
            })
            .ok()
    }

    fn check_indicator(
        &mut self,
        place: &str,
        written: &IndicatorDocument,
        document: &CatalogueDocument,
    ) -> Indicator {
        let kind = match written.kind.as_str() {
            "flow" => IndicatorKind::Flow,
            "stock" => IndicatorKind::Stock,
            "average" => IndicatorKind::Average,
            other => {
                self.fault(
                    format!("{place}/kind"),
                    "unknown_kind",
                    format!("{} is not flow, stock or average", quoted(other)),
                );
                IndicatorKind::Flow
            }
        };
        if written.decimals > MAX_DECIMALS {
            self.fault(
                format!("{place}/decimals"),
                "too_many",
                format!("at most {MAX_DECIMALS} decimals"),
            );
        }
        if written.unit_of_measure.is_empty() || written.unit_of_measure.len() > 60 {
            self.fault(format!("{place}/unit_of_measure"), "malformed", "1 to 60 characters");
        }
        let breaks = written
            .breaks
            .iter()
            .enumerate()
            .filter_map(|(b, from)| {
                self.parse_month(format!("{place}/breaks/{b}/from"), &from.from)
            })
            .collect();
        let dimensions = self.check_dimension_uses(place, written, document);
        Indicator {
            code: written.code.clone(),
            kind,
            decimals: written.decimals.min(MAX_DECIMALS),
            percent: written.unit_of_measure == "percent",
            dimensions,
            breaks,
            movement: written.movement.as_ref().map(|m| (m.opened.clone(), m.closed.clone())),
            may_be_negative: written.may_be_negative,
            not_applicable: Vec::new(),
        }
    }

    fn check_dimension_uses(
        &mut self,
        place: &str,
        written: &IndicatorDocument,
        document: &CatalogueDocument,
    ) -> Vec<Dimension> {
        let mut found: Vec<Dimension> = Vec::new();
        if written.dimensions.len() > MAX_DIMENSIONS_OF_AN_INDICATOR {
            self.fault(
                format!("{place}/dimensions"),
                "too_many",
                format!("at most {MAX_DIMENSIONS_OF_AN_INDICATOR} dimensions"),
            );
        }
        for (d, used) in written.dimensions.iter().enumerate().take(MAX_DIMENSIONS_OF_AN_INDICATOR)
        {
            let here = format!("{place}/dimensions/{d}");
            let Some(declared) =
                document.dimensions.iter().find(|declared| declared.code == used.code)
            else {
                self.fault(
                    format!("{here}/code"),
                    "unknown_dimension",
                    format!("no dimension has the code {}", quoted(&used.code)),
                );
                continue;
            };
            if found.iter().any(|earlier| earlier.code == used.code) {
                self.fault(
                    format!("{here}/code"),
                    "duplicate",
                    format!("{} is a duplicate", quoted(&used.code)),
                );
                continue;
            }
            let all: Vec<String> =
                declared.members.iter().map(|member| member.code.clone()).collect();
            let members = used.members.clone().unwrap_or_else(|| all.clone());
            let mut seen = HashSet::new();
            for (m, member) in members.iter().enumerate() {
                if !all.contains(member) || !seen.insert(member) {
                    self.fault(
                        format!("{here}/members/{m}"),
                        "unknown_member",
                        format!(
                            "{} is not a member of {}, or a duplicate",
                            quoted(member),
                            used.code
                        ),
                    );
                }
            }
            if members.is_empty() {
                self.fault(
                    format!("{here}/members"),
                    "missing",
                    "a dimension needs at least one member",
                );
            }
            let within =
                used.within.as_ref().and_then(|hosts| self.check_within(&here, hosts, &found));
            found.push(Dimension {
                code: used.code.clone(),
                members,
                complete: used.complete,
                within,
                dates: declared.members.iter().filter_map(dates_of).collect(),
            });
        }
        found
    }

    fn check_within(
        &mut self,
        here: &str,
        hosts: &std::collections::BTreeMap<String, String>,
        earlier: &[Dimension],
    ) -> Option<(String, String)> {
        let (Some((host, member)), 1) = (hosts.iter().next(), hosts.len()) else {
            self.fault(
                format!("{here}/within"),
                "malformed",
                "within names exactly one other dimension and one of its members",
            );
            return None;
        };
        if !earlier
            .iter()
            .any(|dimension| dimension.code == *host && dimension.members.contains(member))
        {
            self.fault(
                format!("{here}/within"),
                "unknown_member",
                format!("{host}={member} is not a member of a dimension listed before this one"),
            );
        }
        Some((host.clone(), member.clone()))
    }

    fn check_movement(&mut self, place: &str, written: &IndicatorDocument, catalogue: &Catalogue) {
        let Some(movement) = &written.movement else { return };
        if written.kind != "stock" {
            self.fault(place, "not_a_stock", "only a stock can have a movement");
        }
        for (field, code) in
            [("opened", Some(&movement.opened)), ("closed", movement.closed.as_ref())]
        {
            let Some(code) = code else { continue };
            match catalogue.indicator(code) {
                Some(flow)
                    if flow.kind == IndicatorKind::Flow && flow.decimals == written.decimals => {}
                Some(_) => self.fault(
                    format!("{place}/{field}"),
                    "not_a_flow",
                    format!("{code} is not a flow with the same number of decimals"),
                ),
                None => self.fault(
                    format!("{place}/{field}"),
                    "unknown_indicator",
                    format!("no indicator has the code {}", quoted(code)),
                ),
            }
        }
    }

    fn check_kpi(
        &mut self,
        place: &str,
        written: &KpiDocument,
        catalogue: &Catalogue,
    ) -> Option<Kpi> {
        let direction = match written.direction.as_str() {
            "higher" => Direction::Higher,
            "lower" => Direction::Lower,
            "neutral" => Direction::Neutral,
            other => {
                self.fault(
                    format!("{place}/direction"),
                    "unknown_direction",
                    format!("{} is not higher, lower or neutral", quoted(other)),
                );
                Direction::Neutral
            }
        };
        if written.unit_of_measure.is_empty() || written.unit_of_measure.len() > 60 {
            self.fault(format!("{place}/unit_of_measure"), "malformed", "1 to 60 characters");
        }
        let here = format!("{place}/formula");
        let formula: Expression = written
            .formula
            .parse()
            .map_err(|error: FormulaError| {
                self.fault(&here, "malformed_formula", error.to_string())
            })
            .ok()?;
        let formula = self.expanded(&here, &formula, &written.code)?;
        self.check_expression(&here, &formula, catalogue, false);
        let counts = formula.counted_reports().len();
        if formula.references().is_empty() && counts == 0 {
            self.fault(
                &here,
                "no_operand",
                "a kpi is computed from at least one indicator or expectation",
            );
        }
        if counts > MAX_REPORT_COUNTS {
            let detail =
                format!("at most {MAX_REPORT_COUNTS} times reported() or expected() in a formula");
            self.fault(&here, "too_many", detail);
        }
        Some(Kpi {
            code: written.code.clone(),
            dimensions: open_dimensions(&formula, catalogue),
            formula,
            percent: written.unit_of_measure == "percent",
            score: written
                .score
                .as_ref()
                .and_then(|score| self.check_score(&format!("{place}/score"), score, direction)),
            direction,
        })
    }

    fn check_score(
        &mut self,
        place: &str,
        written: &ScoreDocument,
        direction: Direction,
    ) -> Option<KpiScore> {
        if direction == Direction::Neutral {
            self.fault(
                place,
                "no_direction",
                "a kpi with points needs the direction higher or lower",
            );
        }
        let function = match written.function.as_str() {
            "proportional" => Some(ScoreFunction::Proportional),
            "all_or_nothing" => Some(ScoreFunction::AllOrNothing),
            other => {
                self.fault(
                    format!("{place}/function"),
                    "unknown_function",
                    format!("{} is not proportional or all_or_nothing", quoted(other)),
                );
                None
            }
        };
        let mut positive = |field: &str, text: &str| match Decimal64::parse(text) {
            Ok(number) if number.mantissa > 0 => Some(number),
            _ => {
                self.fault(
                    format!("{place}/{field}"),
                    "malformed_number",
                    "a decimal number above 0 is expected",
                );
                None
            }
        };
        let (points, threshold) =
            (positive("points", &written.points), positive("threshold", &written.threshold));
        Some(KpiScore { function: function?, points: points?, threshold: threshold? })
    }

    /// A formula with the formulas of other kpis in place of their codes.
    fn expanded(&mut self, here: &str, formula: &Expression, code: &str) -> Option<Expression> {
        let expanded = self.check_size(formula, code).and_then(|()| self.expand(formula));
        expanded.map_err(|(code, detail)| self.fault(here, code, detail)).ok()
    }

    /// Checks how large a formula becomes, before it is made.
    fn check_size(&mut self, formula: &Expression, code: &str) -> Result<(), ExpansionFault> {
        let is_kpi = |reference: &IndicatorReference| self.kpis.contains_key(&reference.indicator);
        if !formula.references().into_iter().any(is_kpi) {
            return Ok(());
        }
        let kpis = std::mem::take(&mut self.kpis);
        let size = self.size_of(&kpis, formula, &mut vec![code]);
        self.kpis = kpis;
        self.expanded_nodes += size?.nodes;
        if self.expanded_nodes > MAX_EXPANDED_NODES {
            let detail = format!(
                "the formulas of kpis with other kpis in them have together more than \
                 {MAX_EXPANDED_NODES} operations, numbers and indicators"
            );
            return Err(("too_many", detail));
        }
        Ok(())
    }

    /// The size of a formula in the kpis `above`.
    fn size_of<'k>(
        &mut self,
        kpis: &'k HashMap<String, Option<Expression>>,
        formula: &'k Expression,
        above: &mut Vec<&'k str>,
    ) -> Result<FormulaSize, ExpansionFault> {
        let mut size = FormulaSize { levels: 1, ..FormulaSize::default() };
        for (depth, node) in formula.parts() {
            let reference =
                if let Expression::Figure(reference) = node { Some(reference) } else { None };
            let mut part = FormulaSize { nodes: 1, depth: 1, levels: 0 };
            if let Some((code, Some(inner))) =
                reference.and_then(|reference| kpis.get_key_value(&reference.indicator))
            {
                if above.contains(&code.as_str()) {
                    let circle = above.iter().copied().chain([code.as_str()]);
                    let circle = circle.collect::<Vec<_>>().join(" - ");
                    let detail = format!("the formula contains itself: {circle}");
                    return Err(("circular_formula", detail));
                }
                part = match self.sizes.get(code) {
                    Some(known) => *known,
                    None => {
                        above.push(code);
                        FormulaSize { levels: above.len(), ..part }.check()?;
                        let inner = self.size_of(kpis, inner, above)?;
                        above.pop();
                        self.sizes.insert(code.clone(), inner);
                        inner
                    }
                };
            }
            size.nodes += part.nodes;
            size.depth = size.depth.max(depth + part.depth);
            size.levels = size.levels.max(1 + part.levels);
            size = size.check()?;
        }
        Ok(size)
    }

    /// The same; the size of the formula has been checked.
    fn expand(&self, formula: &Expression) -> Result<Expression, ExpansionFault> {
        let expanded = formula.try_map_figures(&|reference| {
            let Some(inner) = self.kpis.get(&reference.indicator) else {
                return Ok(Expression::Figure(reference.clone()));
            };
            let code = reference.indicator.as_str();
            let inner = inner.as_ref().ok_or_else(|| {
                ("malformed_formula", format!("the formula of {code} cannot be read"))
            })?;
            of_members(&self.expand(inner)?, reference)
        })?;
        if expanded.references().len() > MAX_REFERENCES {
            let detail = format!(
                "with the kpis in it the formula names more than {MAX_REFERENCES} indicators"
            );
            return Err(("too_many", detail));
        }
        Ok(expanded)
    }

    /// Checks codes and members in an expression, and that averages and `sum()` are used where they
    /// may be.
    fn check_expression(
        &mut self,
        here: &str,
        expression: &Expression,
        catalogue: &Catalogue,
        in_sum: bool,
    ) {
        match expression {
            Expression::Number(_) | Expression::Days => {}
            Expression::Reports(_, code) => {
                let detail = match code {
                    Some(code) if !self.expectations.contains(code) => {
                        format!("no expectation has the code {}", quoted(code))
                    }
                    None if self.expectations.is_empty() => {
                        "the catalogue has no expectation".to_owned()
                    }
                    Some(_) | None => return,
                };
                self.fault(here, "unknown_expectation", detail);
            }
            Expression::Figure(reference) => {
                self.check_reference(here, reference, catalogue, in_sum)
            }
            Expression::If(condition, x, y) => {
                let RuleCondition { left, right, .. } = &**condition;
                for part in [left, right, x, y] {
                    self.check_expression(here, part, catalogue, in_sum);
                }
            }
            Expression::Negate(x) | Expression::Abs(x) => {
                self.check_expression(here, x, catalogue, in_sum)
            }
            Expression::Sum(x) => {
                if in_sum {
                    self.fault(here, "nested_sum", "sum() cannot be used inside sum()");
                }
                self.check_expression(here, x, catalogue, true);
            }
            Expression::Binary(_, x, y) | Expression::Coalesce(x, y) => {
                if matches!(expression, Expression::Coalesce(..)) && expression.has_days() {
                    let detail = "days() cannot be used in an alternative (??)";
                    self.fault(here, "days_in_alternative", detail);
                }
                self.check_expression(here, x, catalogue, in_sum);
                self.check_expression(here, y, catalogue, in_sum);
            }
            Expression::Min(list) | Expression::Max(list) => {
                list.iter().for_each(|x| self.check_expression(here, x, catalogue, in_sum))
            }
        }
    }

    fn check_reference(
        &mut self,
        here: &str,
        reference: &IndicatorReference,
        catalogue: &Catalogue,
        in_sum: bool,
    ) {
        let Some(indicator) = catalogue.indicator(&reference.indicator) else {
            let code = quoted(&reference.indicator);
            self.fault(here, "unknown_indicator", format!("no indicator has the code {code}"));
            return;
        };
        if indicator.kind == IndicatorKind::Average && !in_sum {
            self.fault(
                here,
                "average_outside_sum",
                format!("{} is an average, which can be used only inside sum()", indicator.code),
            );
        }
        for (dimension, _) in reference.members.iter().filter(|(_, member)| member.is_none()) {
            if indicator.dimension(dimension).is_none() {
                self.fault(
                    here,
                    "unknown_dimension",
                    format!("{} has no dimension {}", indicator.code, quoted(dimension)),
                );
            }
        }
        let named = reference
            .members
            .iter()
            .filter_map(|(dimension, member)| Some((dimension.clone(), member.clone()?)))
            .collect();
        match Members::new(named) {
            Ok(members) => indicator
                .check_members(&members)
                .into_iter()
                .for_each(|(_, code, detail)| self.fault(here, code, detail)),
            Err(twice) => self.fault(
                here,
                "duplicate",
                format!("dimension {} is named twice", quoted(&twice)),
            ),
        }
    }

    fn check_rule(
        &mut self,
        place: &str,
        written: &RuleDocument,
        catalogue: &Catalogue,
    ) -> Option<DeclaredRule> {
        let severity = match written.severity.as_str() {
            "warning" => Severity::Warning,
            "error" => Severity::Error,
            other => {
                self.fault(
                    format!("{place}/severity"),
                    "unknown_severity",
                    format!("{} is not warning or error", quoted(other)),
                );
                Severity::Warning
            }
        };
        if !written.tolerance.is_finite() || written.tolerance < 0.0 {
            self.fault(format!("{place}/tolerance"), "malformed", "a tolerance cannot be negative");
        }
        let here = format!("{place}/check");
        let check: RuleCheck = written
            .check
            .parse()
            .map_err(|error: FormulaError| {
                self.fault(&here, "malformed_formula", error.to_string())
            })
            .ok()?;
        let check = check.try_map(|side| self.expanded(&here, &side, "").ok_or(())).ok()?;
        let sides = check.sides();
        for side in &sides {
            // On own values an average is an operand like any other; rolled up it does not add up.
            self.check_expression(&here, side, catalogue, !written.rolled_up && !side.has_sum());
            if side
                .references()
                .iter()
                .any(|reference| reference.members.iter().any(|(_, member)| member.is_none()))
            {
                self.fault(&here, "open_dimension", "a rule must name a member of each dimension");
            }
        }
        if sides.iter().any(|side| !side.counted_reports().is_empty()) {
            let detail = "reported() and expected() cannot be used in a rule";
            self.fault(&here, "reports_in_rule", detail);
        }
        let is_without =
            |side: &&Expression| side.references().is_empty() && side.counted_reports().is_empty();
        let is_empty = match &check {
            RuleCheck::Condition(_) => sides.iter().all(is_without),
            RuleCheck::BothOrNone(_) | RuleCheck::OneOf(_) => sides.iter().any(is_without),
        };
        if is_empty {
            self.fault(&here, "no_operand", "a rule must name at least one indicator");
        }
        Some(DeclaredRule {
            code: written.code.clone(),
            name: written.name.clone(),
            check,
            unit: written.unit.clone(),
            tolerance: written.tolerance,
            severity,
            rolled_up: written.rolled_up,
        })
    }

    fn parse_months(
        &mut self,
        place: &str,
        from: Option<&String>,
        to: Option<&String>,
    ) -> (Option<Month>, Option<Month>) {
        let from = from.and_then(|from| self.parse_month(format!("{place}/from"), from));
        let to = to.and_then(|to| self.parse_month(format!("{place}/to"), to));
        if matches!((from, to), (Some(from), Some(to)) if to < from) {
            self.fault(format!("{place}/to"), "dates_reversed", "to is before from");
        }
        (from, to)
    }

    fn check_expectation(
        &mut self,
        place: &str,
        written: &ExpectationDocument,
        catalogue: &Catalogue,
    ) -> Expectation {
        let (from, to) = self.parse_months(place, written.from.as_ref(), written.to.as_ref());
        for (field, day, most) in
            [("due_day", written.due_day, 31), ("window_from_day", written.window_from_day, 28)]
        {
            if !(1..=most).contains(&day) {
                self.fault(
                    format!("{place}/{field}"),
                    "out_of_range",
                    format!("a day from 1 to {most}"),
                );
            }
        }
        if written.unit_kinds.is_empty() {
            self.fault(format!("{place}/unit_kinds"), "missing", "name at least one kind of unit");
        }
        if written.measures.is_empty() || written.measures.len() > MAX_EXPECTED {
            self.fault(
                format!("{place}/measures"),
                "too_many",
                format!("name 1 to {MAX_EXPECTED} measures"),
            );
        }
        let mut measures: Vec<Measure> = Vec::new();
        for (n, text) in written.measures.iter().enumerate().take(MAX_EXPECTED) {
            let here = format!("{place}/measures/{n}");
            match Measure::parse(text) {
                Err(detail) => self.fault(here, "malformed_measure", detail),
                Ok(measure) if measures.contains(&measure) => {
                    self.fault(here, "duplicate", format!("{measure} is a duplicate"))
                }
                Ok(measure) if catalogue.kpi(&measure.code).is_some() => self.fault(
                    here,
                    "not_an_indicator",
                    format!("{} is computed, not reported", measure.code),
                ),
                Ok(measure) => {
                    catalogue
                        .measure_faults(&measure)
                        .into_iter()
                        .for_each(|(code, detail)| self.fault(&here, code, detail));
                    measures.push(measure);
                }
            }
        }
        Expectation {
            code: written.code.clone(),
            kinds: written.unit_kinds.clone(),
            unit: written.unit.clone(),
            measures,
            due_day: written.due_day,
            window_from_day: written.window_from_day,
            from,
            to,
        }
    }

    /// Adds the units to which an expectation's figures do not apply to its indicators.
    fn check_not_applicable(
        &mut self,
        number: usize,
        written: &ExpectationDocument,
        measures: &[Measure],
        catalogue: &mut Catalogue,
    ) {
        let place = format!("/expectations/{number}/not_applicable");
        if written.not_applicable.len() > MAX_NOT_APPLICABLE {
            self.fault(&place, "too_many", format!("at most {MAX_NOT_APPLICABLE} entries"));
        }
        for (n, one) in written.not_applicable.iter().enumerate().take(MAX_NOT_APPLICABLE) {
            let here = format!("{place}/{n}");
            let (from, to) = self.parse_months(&here, one.from.as_ref(), one.to.as_ref());
            for measure in measures {
                let index = catalogue.indicator_index.get(&measure.code);
                let Some(indicator) = index.and_then(|index| catalogue.indicators.get_mut(*index))
                else {
                    continue;
                };
                indicator.not_applicable.push(NotApplicableSpan {
                    unit: one.unit.clone(),
                    members: measure.members.clone(),
                    from,
                    to,
                });
            }
        }
    }

    fn target(
        &mut self,
        place: &str,
        written: &TargetDocument,
        catalogue: &Catalogue,
    ) -> Option<Target> {
        let (from, to) = self.parse_months(place, written.from.as_ref(), written.to.as_ref());
        let value = Decimal64::parse(&written.value)
            .map_err(|error| {
                self.fault(format!("{place}/value"), "malformed_number", error.to_string())
            })
            .ok();
        let measure = Measure::parse(&written.measure)
            .map_err(|detail| self.fault(format!("{place}/measure"), "malformed_measure", detail))
            .ok()?;
        for (code, detail) in catalogue.measure_faults(&measure) {
            self.fault(format!("{place}/measure"), code, detail);
        }
        Some(Target {
            code: written.code.clone(),
            measure,
            unit: written.unit.clone(),
            from,
            to,
            value: value?,
        })
    }
}

/// The formula of a kpi as another formula names it: with the named members, and earlier inside
/// `prev()` or `year_before()`.
fn of_members(
    inner: &Expression,
    reference: &IndicatorReference,
) -> Result<Expression, ExpansionFault> {
    let code = &reference.indicator;
    for (dimension, _) in &reference.members {
        let is_open = inner.references().iter().any(|figure| {
            figure.members.iter().any(|(of, member)| of == dimension && member.is_none())
        });
        if !is_open {
            let detail = format!("{code} has no dimension {}", quoted(dimension));
            return Err(("unknown_dimension", detail));
        }
    }
    let named = |figure: &IndicatorReference| {
        let member = |(of, member): &(String, Option<String>)| match member {
            Some(_) => Some((of.clone(), member.clone())),
            None => reference.members.iter().find(|(named, _)| named == of).cloned(),
        };
        let members = figure.members.iter().filter_map(member).collect();
        Expression::Figure(IndicatorReference { members, ..figure.clone() })
    };
    let inner = inner.map_figures(&named);
    if reference.shift == TimeShift::None {
        return Ok(inner);
    }
    let shifted = inner.shifted(reference.shift);
    shifted.map_err(|error: FormulaError| ("malformed_formula", error.to_string()))
}

/// The dimensions that a formula names without a member, each with the members that all operands
/// naming it have.
fn open_dimensions(formula: &Expression, catalogue: &Catalogue) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for reference in formula.references() {
        for (code, _) in reference.members.iter().filter(|(_, member)| member.is_none()) {
            let known = catalogue
                .indicator(&reference.indicator)
                .and_then(|indicator| indicator.dimension(code));
            let Some(known) = known else { continue };
            match places.get(code).and_then(|place| found.get_mut(*place)) {
                Some((_, members)) => members.retain(|member| known.members.contains(member)),
                None => {
                    places.insert(code.clone(), found.len());
                    found.push((code.clone(), known.members.clone()));
                }
            }
        }
    }
    found
}
