//! The part of a report that is stored in the ledger.

use serde::{Deserialize, Serialize};

use super::places::CharacterPlaces;
use super::views::{MAX_SENTENCE, ReportFigure, ReportNote, ReportUnclaimed, ReportView};
use crate::app::state::ValidationContext;
use crate::messages::vietnamese;
use extract::report::{ExtractedFigure, SkipReason, UnclaimedNumber};
use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::observation::SubmissionCounts;

/// The stored part of a report, as JSON; places count characters of `text`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StoredReport {
    pub(super) unit: String,
    pub(super) period: String,
    pub(super) media_type: String,
    pub(super) file_name: Option<String>,
    pub(super) sha256: String,
    pub(super) figures: Vec<StoredFigure>,
    pub(super) unclaimed: Vec<StoredUnclaimed>,
    /// Where the head differs from the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<StoredNote>,
    pub(super) text: String,
}

/// A remark about a report as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct StoredNote {
    pub(super) code: String,
    /// In English.
    pub(super) detail: String,
}

/// A figure with its places: first of its digits, then of its sentence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StoredFigure {
    pub(super) measure: String,
    pub(super) target: Option<String>,
    pub(super) unit: String,
    pub(super) period: String,
    /// Text, so that its digits stay as they were printed.
    pub(super) value: String,
    pub(super) approximate: bool,
    pub(super) role: String,
    pub(super) place: (usize, usize),
    pub(super) sentence: (usize, usize),
    pub(super) pattern: String,
    pub(super) confidence: f64,
    /// Whether it was not recorded because it is not certain and the request did not accept it.
    #[serde(default)]
    pub(super) needs_acceptance: bool,
}

/// A number that was not taken as a figure, with its places.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct StoredUnclaimed {
    pub(super) reason: String,
    pub(super) measure: Option<String>,
    pub(super) place: (usize, usize),
    pub(super) sentence: (usize, usize),
}

impl StoredReport {
    /// The response for a stored report. The fields of the submission are empty.
    pub(super) fn view(&self) -> ReportView {
        let places = CharacterPlaces::new(&self.text);
        ReportView {
            recorded: false,
            unit: self.unit.clone(),
            period: self.period.clone(),
            dry_run: false,
            submission: None,
            revision: None,
            revision_hash: None,
            recorded_at: None,
            counts: SubmissionCounts::default(),
            closed: false,
            media_type: self.media_type.clone(),
            file_name: self.file_name.clone(),
            sha256: self.sha256.clone(),
            text_length: places.chars(),
            figures: self.figures.iter().map(|figure| figure.view(&places)).collect(),
            unclaimed: self.unclaimed.iter().map(|number| number.view(&places)).collect(),
            notes: self.notes.iter().map(StoredNote::view).collect(),
            findings: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl StoredNote {
    /// The note in a response.
    fn view(&self) -> ReportNote {
        ReportNote {
            code: self.code.clone(),
            detail: self.detail.clone(),
            detail_vi: vietnamese(&self.detail),
        }
    }
}

impl StoredFigure {
    /// Stores a figure with its places counted in characters.
    pub(super) fn new(
        found: &ExtractedFigure,
        needs_acceptance: bool,
        places: &CharacterPlaces<'_>,
        context: &ValidationContext,
    ) -> Self {
        Self {
            measure: found.measure.to_string(),
            target: found.target.clone(),
            unit: context.units.code(found.unit).to_owned(),
            period: found.period.to_string(),
            value: found.value.to_string(),
            approximate: found.approximate,
            role: word(&found.role),
            place: places.characters(&found.place),
            sentence: places.characters(&found.sentence),
            pattern: found.pattern.clone(),
            confidence: found.confidence,
            needs_acceptance,
        }
    }

    /// The figure in a response, with the text of its places.
    pub(super) fn view(&self, places: &CharacterPlaces<'_>) -> ReportFigure {
        let measure = Measure::parse(&self.measure).ok();
        let (code, members) = measure.map_or_else(
            || (self.measure.clone(), None),
            |measure| (measure.code, Some(measure.members)),
        );
        ReportFigure {
            indicator: self.target.clone().unwrap_or(code),
            dimensions: members
                .iter()
                .flat_map(|members| members.iter())
                .map(|(d, m)| (d.to_owned(), m.to_owned()))
                .collect(),
            measure: self.measure.clone(),
            target: self.target.clone(),
            unit: self.unit.clone(),
            period: self.period.clone(),
            value: Decimal64::parse(&self.value).unwrap_or(Decimal64 { mantissa: 0, scale: 0 }),
            printed: places.text(self.place).to_owned(),
            approximate: self.approximate,
            role: self.role.clone(),
            sentence: places.around(self.sentence, self.place, MAX_SENTENCE),
            sentence_start: self.sentence.0,
            sentence_end: self.sentence.1,
            start: self.place.0,
            end: self.place.1,
            pattern: self.pattern.clone(),
            confidence: self.confidence,
            needs_acceptance: self.needs_acceptance,
        }
    }
}

impl StoredUnclaimed {
    /// Stores a number that was not taken, with its places counted in characters.
    pub(super) fn new(number: &UnclaimedNumber, places: &CharacterPlaces<'_>) -> Self {
        Self {
            reason: word(&number.reason),
            measure: number.measure.as_ref().map(ToString::to_string),
            place: places.characters(&number.place),
            sentence: places.characters(&number.sentence),
        }
    }

    /// The number in a response, with the text of its places.
    pub(super) fn view(&self, places: &CharacterPlaces<'_>) -> ReportUnclaimed {
        let (reason_detail, reason_detail_vi) = SkipReason::ALL
            .into_iter()
            .find(|reason| reason.code() == self.reason)
            .map_or(("", ""), SkipReason::sentences);
        ReportUnclaimed {
            reason_detail: reason_detail.to_owned(),
            reason_detail_vi: reason_detail_vi.to_owned(),
            printed: places.text(self.place).to_owned(),
            reason: self.reason.clone(),
            measure: self.measure.clone(),
            sentence: places.around(self.sentence, self.place, MAX_SENTENCE),
            sentence_start: self.sentence.0,
            sentence_end: self.sentence.1,
            start: self.place.0,
            end: self.place.1,
        }
    }
}

/// The word that a value is serialised as.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
