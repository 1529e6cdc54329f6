//! Notes that people leave beside figures: "merged with", "system down".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::measure::Measure;
use super::period::{Month, Period};

/// An annotation as clients write and read it: a note beside figures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnotationDocument {
    /// Its code.
    pub code: String,
    /// What it is about: an indicator or kpi, with or without members; everything of the unit when absent. Without members it stands
    /// beside each member, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The unit.
    pub unit: String,
    /// First month.
    pub from: String,
    /// Last month; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What it says, 1 to 1,000 characters.
    pub text: String,
}

impl AnnotationDocument {
    /// The note ready for use.
    ///
    /// # Errors
    /// Malformed months, measure or text.
    pub fn checked(&self) -> Result<Annotation, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut month = |field: &str, text: &str| match text.parse::<Month>() {
            Ok(month) => Some(month),
            Err(error) => {
                faults.push(Fault::new(format!("/{field}"), "malformed_period", error.to_string()));
                None
            }
        };
        let from = month("from", &self.from);
        let to = self.to.as_ref().map_or(from, |to| month("to", to));
        if matches!((from, to), (Some(from), Some(to)) if to < from) {
            faults.push(Fault::new("/to", "dates_reversed", "to is before from"));
        }
        let measure = self.measure.as_deref().map(Measure::parse).transpose();
        if let Err(detail) = &measure {
            faults.push(Fault::new("/measure", "malformed_measure", detail.clone()));
        }
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if self.text.trim().is_empty()
            || self.text.chars().count() > 1_000
            || self.text.chars().any(control)
        {
            faults.push(Fault::new(
                "/text",
                "malformed_text",
                "1 to 1,000 characters, no control characters but line breaks and tabs",
            ));
        }
        match (from, to, measure) {
            (Some(from), Some(to), Ok(measure)) if faults.is_empty() => Ok(Annotation {
                code: self.code.clone(),
                measure,
                unit: self.unit.clone(),
                from,
                to,
                text: self.text.clone(),
            }),
            _ => Err(faults),
        }
    }
}

/// A note, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// Its code.
    pub code: String,
    /// What it is about; everything of the unit when absent.
    pub measure: Option<Measure>,
    /// The unit.
    pub unit: String,
    /// First month.
    pub from: Month,
    /// Last month.
    pub to: Month,
    /// What it says.
    pub text: String,
}

impl Annotation {
    /// Whether it belongs beside a measure: the same one, or one with more members named.
    #[must_use]
    pub fn is_beside(&self, measure: &Measure) -> bool {
        self.measure.as_ref().is_none_or(|about| {
            about.code == measure.code
                && about
                    .members
                    .iter()
                    .all(|(dimension, member)| measure.members.get(dimension) == Some(member))
        })
    }
}

/// Every note, by unit.
#[derive(Clone, Debug, Default)]
pub struct Annotations(BTreeMap<String, Vec<Annotation>>);

impl Annotations {
    /// Puts notes in order: of a unit by their first month and code.
    #[must_use]
    pub fn new(list: Vec<Annotation>) -> Self {
        let mut by_unit: BTreeMap<String, Vec<Annotation>> = BTreeMap::new();
        for annotation in list {
            by_unit.entry(annotation.unit.clone()).or_default().push(annotation);
        }
        by_unit.values_mut().for_each(|list| {
            list.sort_by(|one, other| (one.from, &one.code).cmp(&(other.from, &other.code)))
        });
        Self(by_unit)
    }

    /// The notes of a unit.
    #[must_use]
    pub fn of(&self, unit: &str) -> &[Annotation] {
        self.0.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The notes beside a measure of a unit in a period.
    pub fn beside<'a>(
        &'a self,
        measure: &'a Measure,
        unit: &str,
        period: Period,
    ) -> impl Iterator<Item = &'a Annotation> {
        let (first, last) = (period.first(), period.last());
        self.of(unit)
            .iter()
            .filter(move |note| note.from <= last && first <= note.to && note.is_beside(measure))
    }
}
