//! Evaluating a submission against the current state: what it changes, which rules its figures
//! touch, and whether closed months permit it (`docs/specification.md#recording-figures`).

use crate::app::read::findings::FindingView;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::Severity;
use kpi::cube::{CubeView, Overlay};
use kpi::fault::Fault;
use kpi::observation::{NewFigure, Submission, SubmissionDiff};
use kpi::rules::{CheckAt, Finding, RuleBook};
use kpi::value::ValueSource;

/// The result of comparing a submission with the current figures.
pub(super) struct Evaluation {
    pub effect: SubmissionDiff,
    pub findings: Vec<FindingView>,
    pub outcomes: Vec<(CheckAt, Option<Finding>)>,
}

/// Compares a submission with the current figures and evaluates the rules that its figures touch.
/// Its changes stay applied to `overlay`; `book` is compiled again when the submission names
/// measures that the state does not know.
///
/// # Errors
/// [`Error::Invalid`] with the rules of severity `error` that the submission breaks; then `overlay`
/// is as before.
pub(super) fn evaluate(
    state: &State,
    submission: &Submission,
    overlay: &mut Overlay,
    book: &mut Option<RuleBook>,
) -> Result<Evaluation, Error> {
    let strict = state.catalogue.rules.iter().any(|rule| rule.severity == Severity::Error);
    let before = strict.then(|| overlay.clone());
    let known = overlay.new_measures().len();
    let effect = submission.apply_to(&state.view(), overlay);
    let grown = overlay.new_measures().len() > known;
    let view = CubeView { overlay: Some(overlay), ..state.view() };
    let fresh = grown.then(|| RuleBook::new(&state.catalogue, &view));
    let rules = fresh.as_ref().or(book.as_ref()).unwrap_or(&state.book);
    let source = ValueSource::new(&state.units, view);
    let mut checks = Vec::new();
    effect
        .named
        .iter()
        .for_each(|entry| rules.collect_affected_checks(&source, entry, &mut checks));
    checks.sort_unstable();
    checks.dedup();
    let outcomes: Vec<(CheckAt, Option<Finding>)> =
        checks.into_iter().map(|check| (check, rules.evaluate(&source, &check))).collect();
    let findings: Vec<FindingView> = outcomes
        .iter()
        .filter_map(|(_, found)| Some(FindingView::new(found.as_ref()?, &state.units)))
        .collect();
    if let Some(before) = before {
        let broken: Vec<Fault> = outcomes
            .iter()
            .filter_map(|(_, found)| {
                found.as_ref().filter(|finding| finding.severity == Severity::Error)
            })
            .map(|finding| {
                Fault::new(
                    "/observations",
                    "rule_broken",
                    format!(
                        "{} of {} in {}: {}",
                        finding.rule,
                        state.units.code(finding.unit),
                        finding.month,
                        finding.detail.1
                    ),
                )
            })
            .collect();
        if !broken.is_empty() {
            *overlay = before;
            return Err(Error::Invalid(broken));
        }
    }
    if effect.changed.is_empty() {
        // Nothing changed, so measures that only the withdrawals of this submission name get no
        // number: no row of the ledger will use it.
        overlay.truncate_measures(known);
    } else if fresh.is_some() {
        *book = fresh;
    }
    Ok(Evaluation { effect, findings, outcomes })
}

/// Refuses figures of closed months without a reason (`docs/specification.md#closed-months`).
pub(super) fn require_reason(in_closed: Vec<Fault>, reason: Option<&str>) -> Result<(), Error> {
    if in_closed.is_empty() || reason.is_some_and(|reason| !kpi::text::is_blank(reason)) {
        return Ok(());
    }
    Err(Error::Conflict {
        detail: "figures of closed months change only with a reason; nothing was recorded"
            .to_owned(),
        obstacles: in_closed,
    })
}

/// Refuses a withdrawal that takes back figures of closed months without a reason.
pub(super) fn check_closed_months(
    state: &State,
    submission: &Submission,
    reason: Option<&str>,
) -> Result<(), Error> {
    let closed =
        submission.figures.iter().filter(|figure| state.closed.contains_key(&figure.month));
    let fault = |figure: &NewFigure| {
        let detail = format!(
            "{} of {} is closed; a figure of it can be withdrawn only with a reason",
            figure.month,
            state.units.code(figure.unit)
        );
        Fault::new("/reason", "month_closed", detail)
    };
    require_reason(closed.map(fault).collect(), reason)
}

/// Keeps in a withdrawal only the figures of `revision` that are still current.
pub(super) fn retain_current_figures(state: &State, submission: &mut Submission, revision: i64) {
    let ids: Vec<_> = submission
        .measures
        .iter()
        .map(|named| (state.measures.id(&named.measure), named.decimals))
        .collect();
    submission.figures.retain(|figure| {
        let stamp = match ids.get(figure.measure) {
            Some((Some(id), Some(_))) => {
                state.cube.cell(*id, figure.unit, figure.month).map(|(_, stamp)| stamp)
            }
            Some((Some(id), None)) => {
                state.cube.stated(*id, figure.unit, figure.month).map(|stamped| stamped.revision)
            }
            _ => None,
        };
        stamp.is_some_and(|stamp| i64::from(stamp) == revision)
    });
}
