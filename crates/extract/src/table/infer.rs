//! The measure of a table with rows and columns that name only members: levels of service in rows,
//! channels in columns, and above it "Hồ sơ theo mức độ và hình thức nộp".

use std::collections::BTreeSet;

use super::facets::LabelFacets;
use super::label_context::LabelContext;
use super::label_reader::LabelReader;
use crate::words::table_words;
use kpi::measure::{Measure, Members};

impl LabelReader<'_> {
    /// The only indicator that has all members named by rows and columns, of at least two
    /// dimensions. The text above must name what it counts, its system or one of its labels, and no
    /// other indicator.
    pub(super) fn infer_measure(
        &self,
        down: &[&LabelFacets],
        across: &[&LabelFacets],
        around: &LabelContext,
    ) -> Option<Measure> {
        let caption = around.hint.lines().next_back().unwrap_or_default();
        let lower = caption.to_lowercase();
        if table_words().title.parts.iter().any(|part| lower.contains(part)) {
            return None;
        }
        let (named, systems) = (self.labels.named_within(caption), self.labels.systems(caption));
        let document = &self.catalogue.document;
        let mut found = document.indicators.iter().filter(|indicator| {
            let measure = Measure { code: indicator.code.clone(), members: Members::none() };
            let Some(one) = self.dimensions_of(&measure, down) else { return false };
            let Some(other) = self.dimensions_of(&measure, across) else { return false };
            let spoken = if !named.is_empty() {
                named.contains(&indicator.code)
            } else {
                self.labels.counts(caption, &indicator.name.vi)
                    || indicator.system.as_ref().is_some_and(|system| systems.contains(system))
            };
            spoken && one.is_disjoint(&other)
        });
        let only = found.next()?;
        found
            .next()
            .is_none()
            .then(|| Measure { code: only.code.clone(), members: Members::none() })
    }

    /// The dimensions of a measure that the labels name members of. `None` when a label names a
    /// member that the measure does not have, or when none is named.
    fn dimensions_of(
        &self,
        measure: &Measure,
        labels: &[&LabelFacets],
    ) -> Option<BTreeSet<String>> {
        let mut dimensions = BTreeSet::new();
        for facets in labels.iter().filter(|facets| !facets.members.is_empty()) {
            let way = facets
                .members
                .iter()
                .find(|way| self.labels.with_members(measure, way).is_some())?;
            dimensions.extend(way.iter().map(|(dimension, _)| dimension.to_owned()));
        }
        (!dimensions.is_empty()).then_some(dimensions)
    }
}
