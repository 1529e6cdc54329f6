//! The points of `/series`, `/ranking` and `/scorecard` as JSON text.

use super::json_text::JsonBuffer;
use crate::app::read::fields::{Field, FieldChoice, FieldSet};
use crate::app::read::series::PointView;
use kpi::change::{UnavailableReason, ValueReason};
use kpi::value::Origin;

/// Writes those fields that belong to the point, in the order of [`Field::ALL`].
pub fn write_fields(point: &PointView, to: &mut JsonBuffer) {
    let fields = point.fields.intersection(FieldChoice::POINT);
    write_members(point, fields, to, |field, to| write_value(point, field, to));
}

/// Writes fields of a point, or of a row with this point, in the order of [`Field::ALL`]; `write`
/// writes the values.
pub fn write_members(
    point: &PointView,
    fields: FieldSet,
    to: &mut JsonBuffer,
    write: impl Fn(Field, &mut JsonBuffer),
) {
    let mut fields = fields.iter();
    if let Some(first) = fields.next() {
        to.comma();
        to.ready(first.json_key());
        write(first, to);
    }
    for field in fields {
        if is_null(point, field) {
            to.ready(field.json_null());
        } else {
            to.ready(field.further_json_key());
            write(field, to);
        }
    }
}

/// Whether a field that a point has without `fields=`, and that is null in most points, is null. Of
/// others the answer is `false`: [`write_value`] writes their null.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are written one by one")]
fn is_null(point: &PointView, field: Field) -> bool {
    match field {
        Field::ValueReason => point.value_reason.is_none(),
        Field::TakenFrom => point.taken_from.is_none(),
        Field::Stated => point.stated.is_none(),
        Field::DeltaReason => point.delta_reason.is_none(),
        Field::DeltaPercentReason => point.delta_percent_reason.is_none(),
        Field::LikeForLikeDeltaReason => point.like_for_like_delta_reason.is_none(),
        Field::LikeForLikePercentReason => point.like_for_like_percent_reason.is_none(),
        Field::YearDeltaReason => point.year_delta_reason.is_none(),
        Field::YearDeltaPercentReason => point.year_delta_percent_reason.is_none(),
        Field::YearToDateReason => point.year_to_date_reason.is_none(),
        _ => false,
    }
}

/// Writes the value of a field; null for one that points do not have.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are fields of rows")]
pub fn write_value(point: &PointView, field: Field, to: &mut JsonBuffer) {
    match field {
        Field::Period => to.period(point.period),
        Field::Time => to.text(&point.period.time()),
        Field::Value => to.rounded(point.value),
        Field::ValueReason => to.word(point.value_reason.map(ValueReason::name)),
        Field::Origin => to.word(point.origin.map(Origin::name)),
        Field::Coverage => to.double(point.coverage),
        Field::TakenFrom => match point.taken_from {
            Some(month) => to.quoted(&month),
            None => to.ready("null"),
        },
        Field::Stated => to.decimal(point.stated),
        Field::Previous => to.rounded(point.previous),
        Field::PreviousReason => to.word(point.previous_reason.map(ValueReason::name)),
        Field::YearBefore => to.rounded(point.year_before),
        Field::YearBeforeReason => to.word(point.year_before_reason.map(ValueReason::name)),
        Field::Share => to.rounded(point.share),
        Field::ShareReason => to.word(point.share_reason.map(ValueReason::name)),
        Field::Operands => to.serialize(&point.operands),
        Field::Delta => to.rounded(point.delta),
        Field::DeltaReason => reason(to, point.delta_reason),
        Field::DeltaPercent => to.rounded(point.delta_percent),
        Field::DeltaPercentReason => reason(to, point.delta_percent_reason),
        Field::LikeForLikeDelta => to.rounded(point.like_for_like_delta),
        Field::LikeForLikeDeltaReason => reason(to, point.like_for_like_delta_reason),
        Field::LikeForLikePercent => to.rounded(point.like_for_like_percent),
        Field::LikeForLikePercentReason => reason(to, point.like_for_like_percent_reason),
        Field::LikeForLikeCoverage => to.double(point.like_for_like_coverage),
        Field::YearDelta => to.rounded(point.year_delta),
        Field::YearDeltaReason => reason(to, point.year_delta_reason),
        Field::YearDeltaPercent => to.rounded(point.year_delta_percent),
        Field::YearDeltaPercentReason => reason(to, point.year_delta_percent_reason),
        Field::YearToDate => to.rounded(point.year_to_date),
        Field::YearToDateReason => reason(to, point.year_to_date_reason),
        Field::YearToDateDelta => to.rounded(point.year_to_date_delta),
        Field::YearToDateDeltaReason => reason(to, point.year_to_date_delta_reason),
        Field::YearToDatePercent => to.rounded(point.year_to_date_percent),
        Field::YearToDatePercentReason => reason(to, point.year_to_date_percent_reason),
        Field::Rolling => to.rounded(point.rolling),
        Field::RollingReason => reason(to, point.rolling_reason),
        Field::RollingCoverage => to.double(point.rolling_coverage),
        Field::Annotations if point.annotations.is_empty() => to.ready("[]"),
        Field::Annotations => to.serialize(&point.annotations),
        _ => to.ready("null"),
    }
}

fn reason(to: &mut JsonBuffer, reason: Option<UnavailableReason>) {
    to.word(reason.map(UnavailableReason::name));
}

/// Random points for tests.
#[cfg(test)]
pub mod choices {
    use super::*;
    use crate::app::read::series::OperandValues;
    use kpi::number::{Decimal64, Rounded};
    use kpi::period::Period;

    /// Reads choices from a list of random numbers; zero without any left.
    pub struct Choices(pub Vec<u64>);

    impl Choices {
        /// The next number.
        pub fn next(&mut self) -> u64 {
            self.0.pop().unwrap_or(0)
        }

        /// Something, or nothing.
        pub fn some<T>(&mut self, value: impl FnOnce(u64) -> T) -> Option<T> {
            let chosen = self.next();
            (!chosen.is_multiple_of(3)).then(|| value(chosen / 3))
        }

        /// A computed number.
        pub fn number(&mut self) -> Option<Rounded> {
            self.some(|chosen| match chosen % 4 {
                0 => f64::from_bits(chosen),
                1 => f64::from(i32::try_from(chosen % 2_000_000).unwrap()) - 1e6,
                2 => f64::from(i32::try_from(chosen % 2_000_000_000).unwrap()) / 1e6,
                _ => -f64::from(u32::try_from(chosen % 4_000_000_000).unwrap()) * 1.1,
            })
            .and_then(Rounded::new)
        }

        /// A share.
        pub fn share(&mut self) -> Option<f64> {
            self.some(|chosen| f64::from(u32::try_from(chosen % 101).unwrap()) / 100.0)
        }

        /// A reason.
        pub fn reason(&mut self) -> Option<UnavailableReason> {
            use UnavailableReason as Reason;
            self.some(|chosen| match chosen % 7 {
                0 => Reason::NotApplicable,
                1 => Reason::Missing,
                2 => Reason::DefinitionChanged,
                3 => Reason::NoPrior,
                4 => Reason::CoverageChanged,
                5 => Reason::StatedAbove,
                _ => Reason::PriorZero,
            })
        }

        /// A reason.
        pub fn value_reason(&mut self) -> Option<ValueReason> {
            self.some(|chosen| match chosen % 3 {
                0 => ValueReason::Missing,
                1 => ValueReason::NotApplicable,
                _ => ValueReason::Undefined,
            })
        }

        /// A text, some with escapes.
        pub fn text(&mut self) -> String {
            let texts = ["", "p.a", "Xã \"A\"\n", "\u{1}\\/", "x[b=c]"];
            texts[usize::try_from(self.next() % 5).unwrap()].to_owned()
        }

        /// A point with any fields.
        pub fn point(&mut self, period: Period, fields: FieldSet) -> PointView {
            let origins = [Origin::Stated, Origin::Summed, Origin::RolledUp, Origin::Computed];
            PointView {
                value: self.number(),
                value_reason: self.value_reason(),
                origin: self.some(|chosen| origins[usize::try_from(chosen % 4).unwrap()]),
                coverage: self.share(),
                taken_from: self.some(|_| period.last()),
                stated: self.some(|chosen| Decimal64 {
                    mantissa: i64::try_from(chosen >> 20).unwrap() - 1_000_000,
                    scale: u32::try_from(chosen % 10).unwrap(),
                }),
                previous: self.number(),
                previous_reason: self.value_reason(),
                year_before: self.number(),
                year_before_reason: self.value_reason(),
                share: self.number(),
                share_reason: self.value_reason(),
                operands: self.number().map(|number| {
                    OperandValues(vec![("a".into(), number), (self.text().into(), number)])
                }),
                delta: self.number(),
                delta_reason: self.reason(),
                delta_percent: self.number(),
                delta_percent_reason: self.reason(),
                like_for_like_delta: self.number(),
                like_for_like_delta_reason: self.reason(),
                like_for_like_percent: self.number(),
                like_for_like_percent_reason: self.reason(),
                like_for_like_coverage: self.share(),
                year_delta: self.number(),
                year_delta_reason: self.reason(),
                year_delta_percent: self.number(),
                year_delta_percent_reason: self.reason(),
                year_to_date: self.number(),
                year_to_date_reason: self.reason(),
                year_to_date_delta: self.number(),
                year_to_date_delta_reason: self.reason(),
                year_to_date_percent: self.number(),
                year_to_date_percent_reason: self.reason(),
                rolling: self.number(),
                rolling_reason: self.reason(),
                rolling_coverage: self.share(),
                annotations: self.some(|_| ()).map(|()| self.text()).into_iter().collect(),
                ..PointView::empty(period, fields)
            }
        }
    }
}
