//! The choice that a person makes among the numbers of a report before it is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::ReadReport;
use super::places::CharacterPlaces;
use super::stored_report::{StoredFigure, StoredUnclaimed};
use crate::error::Error;
use kpi::fault::Fault;
use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::observation::FoundObservation;
use kpi::period::Month;
use kpi::vietnamese::numbers::find_tokens;

/// The name of the pattern of figures that a person has chosen by hand.
pub const BY_HAND: &str = "by_hand";

/// The choice. Places count characters of the text, up to the first digit of the number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportChoice {
    /// The figures to record; all others are left out.
    pub taken: BTreeSet<usize>,
    /// Numbers that no pattern took, with the measure that the person gives them.
    pub given: BTreeMap<usize, Measure>,
}

impl ReadReport {
    /// The report with the figures that a person has chosen. Figures that are left out stay in the
    /// stored report as not accepted; figures given by hand are stored with the pattern
    /// [`BY_HAND`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a place at which no number begins, or a number that cannot be read.
    pub fn choose(mut self, choice: &ReportChoice) -> Result<Self, Error> {
        let is_figure = |figure: &StoredFigure| figure.role == "figure";
        for figure in self.stored.figures.iter_mut().filter(|figure| is_figure(figure)) {
            figure.needs_acceptance = !choice.taken.contains(&figure.place.0);
        }
        let mut faults = Vec::new();
        for (start, measure) in &choice.given {
            let number = self.stored.unclaimed.iter().position(|one| one.place.0 == *start);
            let Some(number) = number else {
                let detail = format!("no skipped number begins at character {start}");
                faults.push(Fault::new("/given", "unknown_figure", detail));
                continue;
            };
            let number = self.stored.unclaimed.remove(number);
            match self.given_figure(&number, measure) {
                Some(figure) => self.stored.figures.push(figure),
                None => {
                    let detail = format!("the number at character {start} cannot be read");
                    faults.push(Fault::new("/given", "malformed_number", detail));
                }
            }
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        self.stored.figures.sort_by_key(|figure| figure.place);
        self.unknown_acceptance = None;
        let month = self.stored.period.parse::<Month>().ok();
        let chosen = self.stored.figures.iter().enumerate();
        let chosen = chosen.filter(|(_, figure)| is_figure(figure) && !figure.needs_acceptance);
        self.found = chosen
            .filter_map(|(n, figure)| {
                Some(FoundObservation {
                    measure: Measure::parse(&figure.measure).ok()?,
                    unit: figure.unit.clone(),
                    month: month?,
                    value: Some(Decimal64::parse(&figure.value).ok()?.into()),
                    place: format!("/figures/{n}"),
                })
            })
            .collect();
        Ok(self)
    }

    /// The figure that a person makes of a number.
    fn given_figure(&self, number: &StoredUnclaimed, measure: &Measure) -> Option<StoredFigure> {
        let printed = CharacterPlaces::new(&self.stored.text).text(number.place).to_owned();
        let token = find_tokens(&printed).into_iter().find_map(|token| token.piece.number())?;
        Some(StoredFigure {
            measure: measure.to_string(),
            target: None,
            unit: self.stored.unit.clone(),
            period: self.stored.period.clone(),
            value: token.value.ok()?.to_string(),
            approximate: false,
            role: "figure".to_owned(),
            place: number.place,
            sentence: number.sentence,
            pattern: BY_HAND.to_owned(),
            confidence: 1.0,
            needs_acceptance: false,
        })
    }

    /// The text of the report.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.stored.text
    }
}
