//! The measure of a table whose rows and columns name members alone: levels of service down, channels across, and above it "Hồ sơ theo mức độ
//! và hình thức nộp".

use std::collections::BTreeSet;

use super::facets::Facets;
use super::read::{Surroundings, Tables};
use crate::domain::measure::{Measure, Members};

/// Words in a caption with which its figures are a part of what the catalogue has.
const PARTS: [&str; 12] = [
    "quá hạn",
    "trễ hạn",
    "trước hạn",
    "đúng hạn",
    "trả lại",
    "từ chối",
    "hủy",
    "thu hồi",
    "hết hạn",
    "bưu chính công ích",
    "liên thông",
    "chưa",
];

impl Tables<'_> {
    /// The only indicator that has all the members named down and across, of two dimensions at least; what stands above names what it counts,
    /// its system or one of its labels, and no other indicator.
    pub(super) fn inferred(
        &self,
        down: &[&Facets],
        across: &[&Facets],
        around: &Surroundings,
    ) -> Option<Measure> {
        let caption = around.hint.lines().next_back().unwrap_or_default();
        let lower = caption.to_lowercase();
        if PARTS.iter().any(|part| lower.contains(part)) {
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

    /// The dimensions that labels name of a measure; nothing when one names members that it has not, or none of them names any.
    fn dimensions_of(&self, measure: &Measure, labels: &[&Facets]) -> Option<BTreeSet<String>> {
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
