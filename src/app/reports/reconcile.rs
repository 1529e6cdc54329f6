//! What a report says held against what the ledger has: earlier figures, targets, the figures of a wider period; and against itself.

use std::collections::BTreeMap;

use crate::app::App;
use crate::app::findings::{FindingView, severity_name};
use crate::app::state::{Frame, State};
use crate::domain::catalogue::Severity;
use crate::domain::change::Series;
use crate::domain::measure::Measure;
use crate::domain::notation::{rounded_to, vietnamese};
use crate::domain::number::{Written, rounded, scaled};
use crate::domain::period::{Period, Step};
use crate::domain::program::Program;
use crate::intake::numbers::{Piece, pieces};
use crate::intake::report::{Found, Reading, Reason, Role};

/// Decimals of a computed number in a sentence.
const DECIMALS: u32 = 6;

/// A contradiction: the numbers and the two sentences.
struct Contradiction<'a> {
    rule: &'static str,
    measure: &'a Measure,
    unit: &'a str,
    period: String,
    stated: f64,
    computed: f64,
    detail: String,
    detail_vi: String,
}

impl From<Contradiction<'_>> for FindingView {
    fn from(found: Contradiction<'_>) -> Self {
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
    /// Every contradiction of a reading that the rules do not find: `stated_earlier`, `stated_period`, `stated_target`, `stated_twice`.
    pub(super) fn reconciled(
        &self,
        reading: &Reading,
        text: &str,
        frame: &Frame,
        (unit, period): (usize, Period),
    ) -> Vec<FindingView> {
        let state = self.state();
        let against = |found: &Found| {
            let code = frame.units.code(found.unit);
            match found.role {
                Role::Earlier => against_ledger(&state, "stated_earlier", found, code),
                Role::Figure if found.period.step() != Step::Month => {
                    against_ledger(&state, "stated_period", found, code)
                }
                Role::Target => against_target(&state, found, code, period),
                Role::Figure | Role::Rounded => None,
            }
        };
        let mut findings: Vec<FindingView> = reading.figures.iter().filter_map(against).collect();
        findings.extend(stated_twice(reading, text, frame.units.code(unit), period));
        findings
    }
}

/// A number in the two notations.
fn shown(value: f64) -> (String, String) {
    rounded_to(value, DECIMALS).map_or_else(
        || (value.to_string(), value.to_string()),
        |written| (written.to_string(), vietnamese(written)),
    )
}

/// A figure of another period against what the ledger has for it, when it has all of it.
fn against_ledger(
    state: &State,
    rule: &'static str,
    found: &Found,
    code: &str,
) -> Option<FindingView> {
    let unit = state.units.position(code).filter(|_| !found.approximate)?;
    let program = Program::of_measure(&state.catalogue, &state.view(), &found.measure)?;
    let point =
        Series::new(state.source(), &program, unit, found.period, found.period).point(found.period);
    let computed = point.value.filter(|_| point.coverage >= 1.0)?;
    // A rate is right when it agrees to its last printed digit, a number when it is the same.
    let tolerance = if program.computed { scaled(1, found.value.scale) / 2.0 } else { 0.0 };
    let stated = found.value.to_f64();
    ((stated - computed).abs() > tolerance + 1e-9).then_some(())?;
    let ((computed_en, computed_vi), period) = (shown(computed), found.period);
    Some(
        Contradiction {
            rule,
            measure: &found.measure,
            unit: code,
            period: period.to_string(),
            stated,
            computed,
            detail: format!(
                "the report gives {} for {period}, the ledger has {computed_en}",
                found.value
            ),
            detail_vi: format!(
                "Báo cáo nêu số liệu kỳ {period} là {}, số liệu đã ghi nhận là {computed_vi}.",
                vietnamese(found.value)
            ),
        }
        .into(),
    )
}

/// A target that the report states against the one in force in the report's period.
fn against_target(state: &State, found: &Found, code: &str, period: Period) -> Option<FindingView> {
    let unit = state.units.position(code)?;
    let declared = state.targets.in_force(&state.units, &found.measure, unit, period.last())?;
    let scale = declared.value.scale.max(found.value.scale);
    (declared.value.at_scale(scale) != found.value.at_scale(scale)).then_some(())?;
    Some(
        Contradiction {
            rule: "stated_target",
            measure: &found.measure,
            unit: code,
            period: period.to_string(),
            stated: found.value.to_f64(),
            computed: declared.value.to_f64(),
            detail: format!(
                "the report gives the target {}, the target {} in force is {}",
                found.value, declared.code, declared.value
            ),
            detail_vi: format!(
                "Báo cáo nêu chỉ tiêu {}, chỉ tiêu {} đang áp dụng là {}.",
                vietnamese(found.value),
                declared.code,
                vietnamese(declared.value)
            ),
        }
        .into(),
    )
}

/// Figures that the text gives two values for; neither is taken.
fn stated_twice(reading: &Reading, text: &str, unit: &str, period: Period) -> Vec<FindingView> {
    let mut values: BTreeMap<&Measure, Vec<(&str, f64)>> = BTreeMap::new();
    for number in reading.unclaimed.iter().filter(|number| number.reason == Reason::StatedTwice) {
        let (Some(measure), Some(printed)) = (&number.measure, text.get(number.place.clone()))
        else {
            continue;
        };
        let Some(value) = value_of(printed) else { continue };
        let known = values.entry(measure).or_default();
        if known.iter().all(|(_, other)| (other - value.to_f64()).abs() > 1e-9) {
            known.push((printed, value.to_f64()));
        }
    }
    let two = |(measure, values): (&Measure, Vec<(&str, f64)>)| {
        let (first, second) = (values.first()?.1, values.get(1)?.1);
        let printed: Vec<&str> = values.iter().map(|(printed, _)| *printed).collect();
        let found = Contradiction {
            rule: "stated_twice",
            measure,
            unit,
            period: period.to_string(),
            stated: first,
            computed: second,
            detail: format!(
                "the report gives the same figure as {}; none is taken",
                printed.join(" and as ")
            ),
            detail_vi: format!(
                "Báo cáo nêu cùng một số liệu với các giá trị khác nhau: {}; không giá trị nào được ghi nhận.",
                printed.join("; ")
            ),
        };
        Some(found.into())
    };
    values.into_iter().filter_map(two).collect()
}

/// The number that digits of a text stand for.
fn value_of(printed: &str) -> Option<Written> {
    let number = |piece| match piece {
        Piece::Number(number) => number.value.ok(),
        Piece::Month(..) | Piece::Year(_) | Piece::Span { .. } | Piece::Reference | Piece::Word => {
            None
        }
    };
    pieces(printed)
        .into_iter()
        .find_map(|placed| number(placed.piece))
        .or_else(|| Written::parse(printed).ok())
}
