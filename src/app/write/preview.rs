//! A preview of entered figures: what recording them would change, and the kpis that follow.

use std::collections::BTreeSet;

use super::evaluate::{Sender, evaluate};
use super::receipt::Receipt;
use super::submission::SubmissionInput;
use crate::app::App;
use crate::app::state::State;
use crate::auth::identity::Identity;
use crate::error::Error;
use kpi::change::MeasureSeries;
use kpi::cube::{CubeView, Overlay};
use kpi::measure::{Measure, Members};
use kpi::number::Rounded;
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::unit::UnitPosition;
use kpi::value::ValueSource;

/// The preview of a submission of one unit and month.
#[derive(Clone, PartialEq, Debug)]
pub struct SubmissionPreview {
    /// The receipt that recording would give, without a revision.
    pub receipt: Receipt,
    /// The kpis of the unit, with the figures of the submission.
    pub kpis: Vec<PreviewedKpi>,
}

/// A kpi of a preview.
#[derive(Clone, PartialEq, Debug)]
pub struct PreviewedKpi {
    /// Its code.
    pub code: String,
    /// Its value with the figures of the submission.
    pub value: Option<Rounded>,
    /// Its value in the month before.
    pub previous: Option<Rounded>,
}

impl App {
    /// Previews a submission for one of its units and months; `asked` are the indicators that the
    /// form asks for. Nothing is recorded.
    ///
    /// # Errors
    /// As for [`App::dry_run`], and [`Error::NotFound`] for an unknown unit.
    pub fn preview(
        &self,
        body: &SubmissionInput,
        by: &Identity,
        (unit, month): (&str, Month),
        asked: &BTreeSet<String>,
    ) -> Result<SubmissionPreview, Error> {
        loop {
            let context = self.validation_context();
            let (submission, envelope) = body.parse(&context, by)?;
            let state = self.state();
            if !context.is_current_for(&state) {
                continue;
            }
            let sender = Sender { by, reason: envelope.reason.as_deref() };
            let mut overlay = Overlay::over(&state.measures);
            let evaluation = evaluate(&state, &submission, sender, &mut overlay, &mut None)?;
            let receipt = Receipt::found(&evaluation);
            let kpis = kpis(&state, Some(&overlay), (state.find_unit(unit)?, month), asked);
            return Ok(SubmissionPreview { receipt, kpis });
        }
    }

    /// The kpis of a unit and month as they are recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn current_kpis(
        &self,
        (unit, month): (&str, Month),
        asked: &BTreeSet<String>,
    ) -> Result<Vec<PreviewedKpi>, Error> {
        let state = self.state();
        Ok(kpis(&state, None, (state.find_unit(unit)?, month), asked))
    }
}

/// The kpis that follow from the requested indicators, and those of which the unit has a value in
/// the month or in the month before.
fn kpis(
    state: &State,
    overlay: Option<&Overlay>,
    (unit, month): (UnitPosition, Month),
    asked: &BTreeSet<String>,
) -> Vec<PreviewedKpi> {
    let view = CubeView { measures: &state.measures, cube: &state.cube, overlay };
    let period = Period::containing(Step::Month, month);
    let previous = Period::containing(Step::Month, month.plus(-1));
    let mut found = Vec::new();
    for kpi in state.catalogue.kpis.iter().filter(|kpi| !kpi.is_share_of_members()) {
        let measure = Measure { code: kpi.code.clone(), members: Members::none() };
        let Some(program) = Program::of_measure(&state.catalogue, &view, &measure) else {
            continue;
        };
        let source = ValueSource::new(&state.units, view);
        let series = MeasureSeries::new(source, &program, unit, previous, period);
        let value = |period| series.value(period).and_then(Rounded::new);
        let (value, previous) = (value(period), value(previous));
        let references = kpi.formula.references();
        let follows =
            !references.is_empty() && references.iter().all(|one| asked.contains(&one.indicator));
        if follows || value.is_some() || previous.is_some() {
            found.push(PreviewedKpi { code: kpi.code.clone(), value, previous });
        }
    }
    found
}
