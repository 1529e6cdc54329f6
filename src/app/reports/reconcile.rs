//! Comparison of a report with the ledger (earlier figures, targets, figures of wider periods) and
//! with itself.

use std::collections::BTreeMap;

use crate::app::App;
use crate::app::read::findings::{FindingView, severity_name};
use crate::app::state::{State, ValidationContext};
use extract::report::{ExtractedFigure, FigureRole, ReportExtract, SkipReason};
use kpi::catalogue::Severity;
use kpi::change::MeasureSeries;
use kpi::measure::Measure;
use kpi::number::{Decimal64, rounded, scaled};
use kpi::number_format::{format_vietnamese, rounded_to};
use kpi::period::{Period, Step};
use kpi::program::Program;
use kpi::unit::UnitPosition;
use kpi::vietnamese::numbers::find_tokens;

/// Decimals of a computed number in a sentence.
const DECIMALS: u32 = 6;

/// A contradiction: the two numbers and the two sentences.
struct ReportContradiction<'a> {
    rule: &'static str,
    measure: &'a Measure,
    unit: &'a str,
    period: String,
    stated: f64,
    computed: f64,
    detail: String,
    detail_vi: String,
}

impl From<ReportContradiction<'_>> for FindingView {
    fn from(found: ReportContradiction<'_>) -> Self {
        Self {
            rule: found.rule.to_owned(),
            severity: severity_name(Severity::Warning).to_owned(),
            measure: found.measure.to_string(),
            unit: found.unit.to_owned(),
            period: found.period,
            stated: rounded(found.stated).unwrap_or(found.stated),
            computed: rounded(found.computed).unwrap_or(found.computed),
            detail: found.detail,
            detail_vi: found.detail_vi,
        }
    }
}

impl App {
    /// All contradictions of a report that the rules do not find: `stated_earlier`,
    /// `stated_period`, `stated_target`, `stated_twice`.
    pub(super) fn reconcile(
        &self,
        reading: &ReportExtract,
        text: &str,
        context: &ValidationContext,
        (unit, period): (UnitPosition, Period),
    ) -> Vec<FindingView> {
        let state = self.state();
        let against = |found: &ExtractedFigure| {
            let code = context.units.code(found.unit);
            match found.role {
                FigureRole::Earlier => compare_with_ledger(&state, "stated_earlier", found, code),
                FigureRole::Figure if found.period.step() != Step::Month => {
                    compare_with_ledger(&state, "stated_period", found, code)
                }
                FigureRole::Target => compare_with_target(&state, found, code, period),
                FigureRole::Figure | FigureRole::Rounded => None,
            }
        };
        let mut findings: Vec<FindingView> = reading.figures.iter().filter_map(against).collect();
        findings.extend(find_conflicting_values(reading, text, context.units.code(unit), period));
        findings
    }
}

/// A number in English and in Vietnamese notation.
fn shown(value: f64) -> (String, String) {
    rounded_to(value, DECIMALS).map_or_else(
        || (value.to_string(), value.to_string()),
        |written| (written.to_string(), format_vietnamese(written)),
    )
}

/// Compares a figure of another period with the ledger's, if the ledger has all of it.
fn compare_with_ledger(
    state: &State,
    rule: &'static str,
    found: &ExtractedFigure,
    code: &str,
) -> Option<FindingView> {
    let is_compared = !found.approximate && !state.catalogue.counts_reports(&found.measure);
    let unit = state.units.position(code).filter(|_| is_compared)?;
    let program = Program::of_measure(&state.catalogue, &state.view(), &found.measure)?;
    let point = MeasureSeries::new(state.source(), &program, unit, found.period, found.period)
        .point(found.period);
    let computed = point.value.filter(|_| point.is_whole())?;
    // A rate agrees when it is equal to its last printed digit; another number must be equal.
    let tolerance = if program.computed { scaled(1, found.value.scale) / 2.0 } else { 0.0 };
    let stated = found.value.to_f64();
    ((stated - computed).abs() > tolerance + 1e-9).then_some(())?;
    let ((computed_en, computed_vi), period) = (shown(computed), found.period);
    Some(
        ReportContradiction {
            rule,
            measure: &found.measure,
            unit: code,
            period: period.to_string(),
            stated,
            computed,
            detail: format!(
                "the report states {} for {period}, but the ledger has {computed_en}",
                found.value
            ),
            detail_vi: format!(
                "Báo cáo nêu số liệu kỳ {period} là {}, số liệu đã ghi nhận là {computed_vi}.",
                format_vietnamese(found.value)
            ),
        }
        .into(),
    )
}

/// Compares a stated target with the one in force in the report's period.
fn compare_with_target(
    state: &State,
    found: &ExtractedFigure,
    code: &str,
    period: Period,
) -> Option<FindingView> {
    let unit = state.units.position(code)?;
    let declared = state.targets.in_force(&state.units, &found.measure, unit, period.last())?;
    let scale = declared.value.scale.max(found.value.scale);
    (declared.value.at_scale(scale) != found.value.at_scale(scale)).then_some(())?;
    Some(
        ReportContradiction {
            rule: "stated_target",
            measure: &found.measure,
            unit: code,
            period: period.to_string(),
            stated: found.value.to_f64(),
            computed: declared.value.to_f64(),
            detail: format!(
                "the report states the target {}, but the target {} in force is {}",
                found.value, declared.code, declared.value
            ),
            detail_vi: format!(
                "Báo cáo nêu chỉ tiêu {}, chỉ tiêu {} đang áp dụng là {}.",
                format_vietnamese(found.value),
                declared.code,
                format_vietnamese(declared.value)
            ),
        }
        .into(),
    )
}

/// Figures for which the text gives two values; neither is taken.
fn find_conflicting_values(
    reading: &ReportExtract,
    text: &str,
    unit: &str,
    period: Period,
) -> Vec<FindingView> {
    let mut values: BTreeMap<&Measure, Vec<(&str, f64)>> = BTreeMap::new();
    for number in reading.unclaimed.iter().filter(|number| number.reason == SkipReason::StatedTwice)
    {
        let (Some(measure), Some(printed)) = (&number.measure, text.get(number.place.clone()))
        else {
            continue;
        };
        let Some(value) = parse_printed(printed) else { continue };
        let known = values.entry(measure).or_default();
        if known.iter().all(|(_, other)| (other - value.to_f64()).abs() > 1e-9) {
            known.push((printed, value.to_f64()));
        }
    }
    let two = |(measure, values): (&Measure, Vec<(&str, f64)>)| {
        let (first, second) = (values.first()?.1, values.get(1)?.1);
        let printed: Vec<&str> = values.iter().map(|(printed, _)| *printed).collect();
        let found = ReportContradiction {
            rule: "stated_twice",
            measure,
            unit,
            period: period.to_string(),
            stated: first,
            computed: second,
            detail: format!(
                "the report states different values for the same figure: {}; none is recorded",
                printed.join("; ")
            ),
            detail_vi: format!(
                "Báo cáo nêu cùng một số liệu với các giá trị khác nhau: {}; không giá trị nào \
                 được ghi nhận.",
                printed.join("; ")
            ),
        };
        Some(found.into())
    };
    values.into_iter().filter_map(two).collect()
}

/// The number that the digits of a text represent.
fn parse_printed(printed: &str) -> Option<Decimal64> {
    find_tokens(printed)
        .into_iter()
        .find_map(|placed| placed.piece.number()?.value.ok())
        .or_else(|| Decimal64::parse(printed).ok())
}
