//! Figures that units have to report, counted at each of them
//! (docs/specification.md#completeness-as-a-kpi).

use super::ValueSource;
use super::contributions::{Availability, Contribution};
use super::own::OwnState;
use crate::bit_set::BitSet;
use crate::formula::ReportFigures;
use crate::number::float;
use crate::period::Month;
use crate::program::ReportCount;
use crate::unit::UnitPosition;

/// The figures that a unit has to report in a month.
struct UnitReport {
    unit: UnitPosition,
    /// How many apply to it. It may be 0.
    expected: i64,
    /// How many of these are there.
    reported: i64,
}

impl ValueSource<'_> {
    /// The contributions of the units at and below one that have to report in a month.
    pub(super) fn report_contributions(
        &self,
        count: &ReportCount,
        unit: UnitPosition,
        month: Month,
    ) -> Availability<Vec<Contribution>> {
        if !count.includes(month) {
            return Availability::Missing;
        }
        self.collect_at_representatives(unit, month, |part| {
            let reports = self.unit_reports(count, part, month).into_iter();
            let piece = |report: UnitReport| {
                let counted = match count.which {
                    ReportFigures::Expected => report.expected,
                    ReportFigures::Reported => report.reported,
                };
                Contribution::new(float(counted), report.unit, month)
            };
            let pieces: Vec<_> = reports.filter(|one| one.expected > 0).map(piece).collect();
            if pieces.is_empty() { Availability::Nowhere } else { Availability::Whole(pieces) }
        })
    }

    /// The leaves for which somebody has to report figures of any of the counts: the leaves below
    /// each unit that reports, without those that report themselves and to which no figure applies.
    pub(super) fn reporting_leaves(
        &self,
        counts: &[&ReportCount],
        unit: UnitPosition,
        month: Month,
    ) -> BitSet {
        let (mut found, mut silent, mut own) =
            (BitSet::default(), BitSet::default(), BitSet::default());
        let mut seen: Vec<Vec<&str>> = Vec::new();
        for count in counts {
            let codes = count.expectations.iter().map(|(one, _)| one.code.as_str()).collect();
            if seen.contains(&codes) {
                continue; // as `reported(e)` and `expected(e)`
            }
            seen.push(codes);
            for part in self.representatives(unit, month) {
                for report in self.unit_reports(count, part, month) {
                    let is_leaf = self.units.is_leaf(report.unit, month);
                    match (is_leaf, report.expected) {
                        (true, 0) => silent.insert(report.unit),
                        (true, _) => own.insert(report.unit),
                        (false, 0) => {}
                        (false, _) => found.extend(&self.units.leaves(report.unit, month)),
                    }
                }
            }
        }
        let mut found = found.without(&silent);
        found.extend(&own);
        found
    }

    /// The units at and below one that have to report in a month. A unit that does not exist, and
    /// what is below it, contributes to no unit above.
    fn unit_reports(
        &self,
        count: &ReportCount,
        top: UnitPosition,
        month: Month,
    ) -> Vec<UnitReport> {
        let (mut found, mut passed) = (Vec::new(), top);
        for unit in self.units.subtree(top) {
            let Some(here) = self.units.get(unit).filter(|_| unit >= passed) else { continue };
            if !here.exists(month) {
                passed = here.end;
                continue;
            }
            let mut report = UnitReport { unit, expected: 0, reported: 0 };
            let expectations = count.expectations.iter();
            let mut asked =
                expectations.filter(|(one, _)| one.applies_to(self.units, unit, month)).peekable();
            if asked.peek().is_none() {
                continue;
            }
            for figure in asked.flat_map(|(_, figures)| figures) {
                let (expected, reported) = match self.own_state(figure, unit, month) {
                    OwnState::Value(..) => (1, 1),
                    OwnState::Missing => (1, 0),
                    OwnState::NotApplicable => (0, 0),
                };
                report.expected += expected;
                report.reported += reported;
            }
            found.push(report);
        }
        found
    }
}
