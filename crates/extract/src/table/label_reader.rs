//! Reads the labels of rows and columns.

use super::facets::{LabelColumnKind, LabelFacets};
use super::label_context::LabelContext;
use super::mapping::LabelMeaning;
use super::unit_names::{UnitMatch, UnitNames};
use crate::label::{LabelIndex, LabelResolution, MeasureUnitText, split_marker};
use crate::report::names_whole_of_another;
use crate::words::table_words;
use kpi::catalogue::Catalogue;
use kpi::unit::{UnitForest, UnitPosition};
use kpi::vietnamese::folding::unaccented;
use kpi::vietnamese::months::extract_months;

/// Why the figures of "Toàn tỉnh" are not those of a department.
pub(crate) const OTHER_WHOLE: &str = "the label names the whole of another unit";

/// What a heading of one known word gives.
fn header_word(text: &str) -> Option<LabelFacets> {
    let words = &table_words().heading;
    let aside = |what| LabelFacets { aside: Some(what), ..LabelFacets::default() };
    let stub = |stub| LabelFacets { stub: Some(stub), ..LabelFacets::default() };
    match () {
        () if words.row_numbers.contains(text) => Some(aside("row numbers")),
        () if words.units_of_measure.contains(text) => Some(aside("units of measure")),
        () if words.notes.contains(text) => Some(aside("notes")),
        () if words.labels.contains(text) => Some(stub(LabelColumnKind::Any)),
        () if words.units.contains(text) => Some(stub(LabelColumnKind::Units)),
        () if words.months.contains(text) => Some(stub(LabelColumnKind::Months)),
        () if words.years.contains(text) => Some(stub(LabelColumnKind::Years)),
        () if words.figures.contains(text) => {
            Some(LabelFacets { plain: true, ..LabelFacets::default() })
        }
        () => None,
    }
}

/// Reads labels for a catalogue and units.
#[derive(Debug)]
pub(super) struct LabelReader<'a> {
    pub catalogue: &'a Catalogue,
    pub units: &'a UnitForest,
    pub labels: LabelIndex<'a>,
    pub places: UnitNames<'a>,
}

impl<'a> LabelReader<'a> {
    /// Indexes labels and names.
    pub(super) fn new(catalogue: &'a Catalogue, units: &'a UnitForest) -> Self {
        Self { catalogue, units, labels: LabelIndex::new(catalogue), places: UnitNames::new(units) }
    }

    /// Reads a label of a header.
    pub(super) fn header_label(&self, text: &str, around: &LabelContext) -> LabelFacets {
        let bare = unaccented(split_marker(text).1);
        let bare = bare.trim().trim_end_matches(':');
        if let Some(found) = header_word(bare) {
            // The heading "Kết quả tháng" beside "Tháng trước".
            let of_month = found.plain && (bare.contains("thang") || bare.contains("ky nay"));
            return LabelFacets {
                month: around.month.filter(|_| of_month).or(found.month),
                ..found
            };
        }
        let dimension = self
            .catalogue
            .document
            .dimensions
            .iter()
            .find(|dimension| dimension.code == bare || unaccented(&dimension.name.vi) == bare);
        if let Some(dimension) = dimension {
            return LabelFacets {
                stub: Some(LabelColumnKind::Members(dimension.code.clone())),
                ..LabelFacets::default()
            };
        }
        if bare == "ke hoach" {
            return LabelFacets {
                refused: Some("a plan or target, not a reported figure".to_owned()),
                ..LabelFacets::default()
            };
        }
        if table_words().heading.rates.contains(bare) {
            return LabelFacets {
                refused: Some("the label does not say which rate it is".to_owned()),
                measured: Some(MeasureUnitText { percent: true, power: 0 }),
                ..LabelFacets::default()
            };
        }
        self.label(text, around)
    }

    /// Why a total is not the reporting unit's.
    fn refused_total(&self, text: &str, around: &LabelContext) -> Option<String> {
        self.names_whole_of_another(text, around.unit).then(|| OTHER_WHOLE.to_owned())
    }

    /// Reads a label.
    pub(super) fn label(&self, text: &str, around: &LabelContext) -> LabelFacets {
        let text = text.trim();
        if text.is_empty() {
            return LabelFacets::default();
        }
        let reading = self.labels.read(text, &around.hint);
        let mut facets = LabelFacets { measured: reading.unit, ..LabelFacets::default() };
        match reading.resolution {
            LabelResolution::One(measure) => {
                return LabelFacets { measure: Some(measure), ..facets };
            }
            LabelResolution::Members(ways) => return LabelFacets { members: ways, ..facets },
            LabelResolution::Empty if !around.systems_only(&self.labels, text) => {
                facets.total = is_total(text);
                facets.refused = self.refused_total(text, around);
                return facets;
            }
            LabelResolution::Empty => return facets,
            LabelResolution::Several(measures) => {
                let names: Vec<String> = measures.iter().map(ToString::to_string).collect();
                facets.refused = Some(format!("the label may mean {}", names.join(" or ")));
                return facets;
            }
            LabelResolution::Nothing => {}
        }
        match self.places.resolve(split_marker(text).1, around.month, around.unit) {
            UnitMatch::One(unit) => return LabelFacets { unit: Some(unit), ..facets },
            UnitMatch::Several(units) => {
                let names: Vec<&str> = units.iter().map(|unit| self.units.code(*unit)).collect();
                facets.refused =
                    Some(format!("the label may mean the unit {}", names.join(" or ")));
                return facets;
            }
            UnitMatch::Unknown => {}
        }
        if is_total(text) {
            let refused = self.refused_total(text, around);
            return LabelFacets { total: true, refused, ..facets };
        }
        let timed = extract_months(text);
        if timed.when.is_empty() {
            return LabelFacets { unknown: true, ..facets };
        }
        let rest = timed.rest.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != ')');
        let mut found = if rest.is_empty() || unaccented(rest) == "thang" {
            LabelFacets::default()
        } else {
            self.header_label(rest, around)
        };
        found.stub = None;
        found.time(&timed.when, around);
        found
    }

    /// Whether a text names the whole of a unit of another kind than the reporting one: "Toàn tỉnh"
    /// in a table of a department.
    pub(super) fn names_whole_of_another(&self, text: &str, own: Option<UnitPosition>) -> bool {
        let unit = own.and_then(|own| self.units.get(own));
        unit.is_some_and(|unit| names_whole_of_another(&unit.document, text))
    }

    /// What labels above or beside each other give together.
    pub(super) fn read_labels(
        &self,
        texts: &[String],
        around: &LabelContext,
        header: bool,
    ) -> LabelFacets {
        let read = |text: &str, around: &LabelContext| {
            if header { self.header_label(text, around) } else { self.label(text, around) }
        };
        if let [one] = texts {
            return read(one, around);
        }
        let mut around = around.clone();
        let joined = read(
            &texts.iter().map(|text| split_marker(text).1).collect::<Vec<_>>().join(" "),
            &around,
        );
        if joined.measure.is_some() && joined.refused.is_none() && !joined.unknown {
            return joined;
        }
        let mut found = LabelFacets::default();
        for text in texts {
            let systems = around.systems_only(&self.labels, text);
            let one = read(text, &around);
            if systems {
                around.hint = text.clone();
                if one.says_nothing() {
                    continue;
                }
            }
            found = found.and(one, self.catalogue);
        }
        found
    }

    /// The meaning of facets, for the preview.
    pub(super) fn meaning(&self, facets: &LabelFacets) -> LabelMeaning {
        if let Some(why) = &facets.refused {
            return LabelMeaning::Unclaimed(why.clone());
        }
        let members = match facets.members.as_slice() {
            [one] => Some(format!("{{{one}}}")),
            _ => None,
        };
        LabelMeaning::Figures {
            measure: facets.measure.as_ref().map(ToString::to_string).or(members),
            unit: facets.unit,
            month: facets.month,
        }
    }
}

/// Whether a label is that of a total.
fn is_total(text: &str) -> bool {
    let text = unaccented(split_marker(text).1);
    let text = text.trim().trim_end_matches(':').trim();
    let words = &table_words().total;
    let whole = words.wholes.iter().find_map(|whole| text.strip_suffix(whole)?.strip_suffix(' '));
    let noun = |head: &str| whole.unwrap_or(text).strip_prefix(head)?.strip_prefix(' ');
    words.labels.contains(text)
        || words.heads.iter().filter_map(noun).any(|noun| words.nouns.contains(noun))
}
