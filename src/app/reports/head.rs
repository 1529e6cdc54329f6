//! Whether the head of a report agrees with the unit and the period that the request gives.

use super::ReportQuery;
use super::stored_report::StoredNote;
use crate::app::state::ValidationContext;
use documents::Document;
use extract::report::lexicon::ReportLexicon;
use extract::report::title::{self, HeadUnit};
use kpi::period::Period;
use kpi::unit::UnitPosition;

/// The code of a note about the head of a report.
const CONTRADICTS: &str = "contradicts_head";

/// Where the head differs from the request. The request applies.
pub(super) fn notes(
    document: &Document,
    lexicon: &ReportLexicon,
    query: &ReportQuery,
    context: &ValidationContext,
    (unit, period): (UnitPosition, Period),
) -> Vec<StoredNote> {
    let note = |detail: String| StoredNote { code: CONTRADICTS.to_owned(), detail };
    let mut found = Vec::new();
    let said = query.period.and_then(|_| title::period(document)).filter(|said| *said != period);
    found.extend(said.map(|said| {
        note(format!(
            "the head of the report names the period {said}, but the request gives {period}; the \
             figures are read as those of {period}"
        ))
    }));
    let given = query
        .unit
        .as_ref()
        .and_then(|_| title::contradicting_unit(document, lexicon, &context.units, (unit, period)));
    let own = context.units.code(unit);
    found.extend(given.map(|named| {
        note(match named {
            HeadUnit::Known(other) => format!(
                "the head of the report names the unit {}, but the request gives {own}; the \
                 figures are read as those of {own}",
                context.units.code(other)
            ),
            HeadUnit::Silent | HeadUnit::Unknown => format!(
                "the head of the report names a unit that is not known, but the request gives \
                 {own}; the figures are read as those of {own}"
            ),
        })
    }));
    found
}
