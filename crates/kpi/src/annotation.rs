//! Annotations: notes beside the figures of a unit, such as "merged with" or "system down".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::measure::Measure;
use super::period::{Month, Period};

/// An annotation as clients write and read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnnotationDocument {
    /// Its code.
    pub code: String,
    /// The measure that the note is about: an indicator or kpi, with or without members. Absent:
    /// all figures of the unit. A note on a measure without members also applies to each of its
    /// members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The unit.
    pub unit: String,
    /// First month.
    pub from: String,
    /// Last month; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The text, 1 to 1,000 characters.
    pub text: String,
}

impl AnnotationDocument {
    /// Validates the document.
    ///
    /// # Errors
    /// One error for each malformed month, measure or text; pointers are `/field`.
    pub fn validate(&self) -> Result<Annotation, Vec<Fault>> {
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
                "1 to 1,000 characters, no control characters except line breaks and tabs",
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

/// A valid annotation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// Its code.
    pub code: String,
    /// The measure that it is about; all figures of the unit when absent.
    pub measure: Option<Measure>,
    /// The unit.
    pub unit: String,
    /// First month.
    pub from: Month,
    /// Last month.
    pub to: Month,
    /// The text.
    pub text: String,
}

impl Annotation {
    /// Whether the note applies to a measure: the same measure, or one that names further members.
    #[must_use]
    pub fn applies_to(&self, measure: &Measure) -> bool {
        self.measure.as_ref().is_none_or(|about| {
            about.code == measure.code
                && about
                    .members
                    .iter()
                    .all(|(dimension, member)| measure.members.get(dimension) == Some(member))
        })
    }
}

/// All annotations, by unit.
#[derive(Clone, Debug, Default)]
pub struct AnnotationIndex(BTreeMap<String, Vec<Annotation>>);

impl AnnotationIndex {
    /// Groups annotations by unit, in order of first month and code.
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

    /// Whether no unit has an annotation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The annotations of a unit.
    #[must_use]
    pub fn of(&self, unit: &str) -> &[Annotation] {
        self.0.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The annotations of a unit that apply to a measure in a period.
    pub fn for_measure<'a>(
        &'a self,
        measure: &'a Measure,
        unit: &str,
        period: Period,
    ) -> impl Iterator<Item = &'a Annotation> {
        let (first, last) = (period.first(), period.last());
        self.of(unit)
            .iter()
            .filter(move |note| note.from <= last && first <= note.to && note.applies_to(measure))
    }
}
