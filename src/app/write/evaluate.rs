//! Evaluating a submission against the current state: what it changes, which rules its figures
//! touch, and whether closed months permit it (`docs/specification.md#recording-figures`).

use crate::app::read::findings::FindingView;
use crate::app::state::State;
use crate::app::stored::revision_of;
use crate::auth::identity::Identity;
use crate::error::Error;
use kpi::catalogue::Severity;
use kpi::cube::{CubeView, Overlay};
use kpi::fault::Fault;
use kpi::observation::{NewFigure, Submission, SubmissionDiff};
use kpi::rules::{CheckAt, Finding, RuleBook};
use kpi::value::ValueSource;
use ledger::RevisionNumber;

/// The result of comparing a submission with the current figures.
pub(super) struct Evaluation {
    pub effect: SubmissionDiff,
    pub findings: Vec<FindingView>,
    pub outcomes: Vec<(CheckAt, Option<Finding>)>,
}

/// Who sends a submission, and the reason that is given.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub by: &'a Identity,
    pub reason: Option<&'a str>,
}

/// Compares a submission with the current figures and evaluates the rules that its figures touch.
/// Its changes stay applied to `overlay`; `book` is compiled again when the submission names
/// measures that the state does not know.
///
/// # Errors
/// [`Error::Invalid`] with the rules of severity `error` that the submission breaks,
/// [`Error::Conflict`] or [`Error::Forbidden`] with the figures of closed months that it changes;
/// then `overlay` is as before.
pub(super) fn evaluate(
    state: &State,
    submission: &Submission,
    sender: Sender<'_>,
    overlay: &mut Overlay,
    book: &mut Option<RuleBook>,
) -> Result<Evaluation, Error> {
    let strict = state.catalogue.rules.iter().any(|rule| rule.severity == Severity::Error);
    let before = (strict || !submission.in_closed.is_empty()).then(|| overlay.clone());
    let known = overlay.new_measures().len();
    let effect = submission.apply_to(&state.view(), overlay);
    if let Err(error) = check_closed(state, submission, &effect, sender) {
        *overlay = before.unwrap_or_else(|| Overlay::over(&state.measures));
        return Err(error);
    }
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
                let place = |of: &str, sentence: &str| {
                    let unit = state.units.code(finding.unit);
                    format!("{} {of} {unit}, {}: {sentence}", finding.rule, finding.month)
                };
                let (vietnamese, english) = &finding.detail;
                Fault::new("/observations", "rule_broken", place("of", english))
                    .with_vi(place("của", vietnamese))
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

/// Refuses figures of closed months that a submission changes without a reason, or that its sender
/// may not change (`docs/specification.md#closed-months`). Figures that stay as they are need none.
fn check_closed(
    state: &State,
    submission: &Submission,
    effect: &SubmissionDiff,
    sender: Sender<'_>,
) -> Result<(), Error> {
    let changed =
        submission.in_closed.iter().filter(|(at, _)| effect.changed_at.binary_search(at).is_ok());
    let figures = changed.clone().filter_map(|(at, _)| submission.figures.get(*at));
    sender.by.may_change(
        &state.units,
        |month| state.closed.contains_key(&month),
        figures.map(|figure| (figure.unit, figure.month)),
    )?;
    require_reason(changed.map(|(_, fault)| fault.clone()), sender.reason)
}

fn require_reason(
    in_closed: impl Iterator<Item = Fault>,
    reason: Option<&str>,
) -> Result<(), Error> {
    if reason.is_some_and(|reason| !kpi::text::is_blank(reason)) {
        return Ok(());
    }
    let obstacles: Vec<Fault> = in_closed.collect();
    if obstacles.is_empty() {
        return Ok(());
    }
    Err(Error::Conflict {
        detail: "figures of closed months change only with a reason; nothing was recorded"
            .to_owned(),
        obstacles,
    })
}

/// Refuses a withdrawal that takes back figures of closed months without a reason, or of a sender
/// who may not change them.
pub(super) fn check_closed_withdrawal(
    state: &State,
    submission: &Submission,
    sender: Sender<'_>,
) -> Result<(), Error> {
    let closed =
        submission.figures.iter().filter(|figure| state.closed.contains_key(&figure.month));
    let figures = closed.clone().map(|figure| (figure.unit, figure.month));
    let is_closed = |month| state.closed.contains_key(&month);
    sender.by.may_change(&state.units, is_closed, figures)?;
    let fault = |figure: &NewFigure| {
        let detail = format!(
            "{} of {} is closed; a figure of it can be withdrawn only with a reason",
            figure.month,
            state.units.code(figure.unit)
        );
        Fault::new("/reason", "month_closed", detail)
    };
    require_reason(closed.map(fault), sender.reason)
}

/// Keeps in a withdrawal only the figures of `revision` that are still current.
pub(super) fn retain_current_figures(
    state: &State,
    submission: &mut Submission,
    revision: RevisionNumber,
) {
    let ids: Vec<_> = submission
        .measures
        .iter()
        .map(|named| (state.measures.id(&named.measure), named.decimals))
        .collect();
    submission.figures.retain(|figure| {
        let stamp = match ids.get(figure.measure.index()) {
            Some((Some(id), Some(_))) => {
                state.cube.cell(*id, figure.unit, figure.month).map(|(_, stamp)| stamp)
            }
            Some((Some(id), None)) => {
                state.cube.stated(*id, figure.unit, figure.month).map(|stamped| stamped.revision)
            }
            _ => None,
        };
        stamp.is_some_and(|stamp| revision_of(stamp) == revision)
    });
}
