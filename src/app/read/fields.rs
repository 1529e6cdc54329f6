//! The fields of the points and rows of `/series`, `/ranking` and `/scorecard`, and which of them a
//! query names (`docs/specification.md#fields`).

use kpi::fault::{Fault, quoted};
use kpi::period::Step;

/// Defines the fields, in the order in which they are written, with their names.
macro_rules! fields {
    ($($(#[$about:meta])* $field:ident $name:literal,)*) => {
        /// A field of a point or row.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Field {
            $($(#[$about])* $field,)*
        }

        impl Field {
            /// All fields, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$field),*];

            /// The name in `fields=` and in responses.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$field => $name,)*
                }
            }

            /// The member of a JSON object with this name and the value null, after another member:
            /// `,"value":null`.
            #[must_use]
            pub fn json_null(self) -> &'static str {
                match self {
                    $(Self::$field => concat!(",\"", $name, "\":null"),)*
                }
            }

            /// The name as the first key of a JSON object: `"value":`.
            #[must_use]
            pub fn json_key(self) -> &'static str {
                match self {
                    $(Self::$field => concat!("\"", $name, "\":"),)*
                }
            }

            /// The same after another member: `,"value":`.
            #[must_use]
            pub fn further_json_key(self) -> &'static str {
                match self {
                    $(Self::$field => concat!(",\"", $name, "\":"),)*
                }
            }
        }
    };
}

fields! {
    /// The code of the measure.
    Measure "measure",
    /// The code of the unit.
    Unit "unit",
    /// The name of the measure or unit that the row is about, in both languages.
    Name "name",
    /// The name of the unit, in the language of the response.
    UnitName "unit_name",
    /// The name of the measure, in the language of the response.
    MeasureName "measure_name",
    /// Whether the measure is a kpi or an indicator.
    Group "group",
    /// The system that the figures come from.
    System "system",
    /// The unit of the values.
    UnitOfMeasure "unit_of_measure",
    /// The width of the periods.
    Step "step",
    /// Whether a higher or a lower value is better.
    Direction "direction",
    /// The period.
    Period "period",
    /// The first instant of the period.
    Time "time",
    /// The value.
    Value "value",
    /// Why it is null.
    ValueReason "value_reason",
    /// How it came about.
    Origin "origin",
    /// Its coverage.
    Coverage "coverage",
    /// The month from which a stock was taken.
    TakenFrom "taken_from",
    /// The stated rate.
    Stated "stated",
    /// The value of the period before.
    Previous "previous",
    /// Why it is null.
    PreviousReason "previous_reason",
    /// The value of the same period one year before.
    YearBefore "year_before",
    /// Why it is null.
    YearBeforeReason "year_before_reason",
    /// The value in percent of the total over all members.
    Share "share",
    /// Why it is null.
    ShareReason "share_reason",
    /// The operands of a kpi.
    Operands "operands",
    /// The change from the period before.
    Delta "delta",
    /// Why it is null.
    DeltaReason "delta_reason",
    /// The same in percent.
    DeltaPercent "delta_percent",
    /// Why it is null.
    DeltaPercentReason "delta_percent_reason",
    /// The change over the leaves covered in both periods.
    LikeForLikeDelta "like_for_like_delta",
    /// Why it is null.
    LikeForLikeDeltaReason "like_for_like_delta_reason",
    /// The same in percent.
    LikeForLikePercent "like_for_like_percent",
    /// Why it is null.
    LikeForLikePercentReason "like_for_like_percent_reason",
    /// Share of the leaves that it compares.
    LikeForLikeCoverage "like_for_like_coverage",
    /// The change from the same period one year before.
    YearDelta "year_delta",
    /// Why it is null.
    YearDeltaReason "year_delta_reason",
    /// The same in percent.
    YearDeltaPercent "year_delta_percent",
    /// Why it is null.
    YearDeltaPercentReason "year_delta_percent_reason",
    /// The year to date.
    YearToDate "year_to_date",
    /// Why it is null.
    YearToDateReason "year_to_date_reason",
    /// The change of the year to date from that of the year before.
    YearToDateDelta "year_to_date_delta",
    /// Why it is null.
    YearToDateDeltaReason "year_to_date_delta_reason",
    /// The same in percent.
    YearToDatePercent "year_to_date_percent",
    /// Why it is null.
    YearToDatePercentReason "year_to_date_percent_reason",
    /// The value over the last months.
    Rolling "rolling",
    /// Why it is null.
    RollingReason "rolling_reason",
    /// Its coverage.
    RollingCoverage "rolling_coverage",
    /// The texts of the notes.
    Annotations "annotations",
    /// The rank.
    Rank "rank",
    /// The rank in the period before.
    PreviousRank "previous_rank",
    /// The target in force.
    Target "target",
    /// Its code.
    TargetCode "target_code",
    /// How much of it is reached.
    Attainment "attainment",
    /// How the value compares with the target.
    Status "status",
    /// Whether that may still change.
    Provisional "provisional",
    /// The points.
    Score "score",
    /// The last values.
    History "history",
}

impl Field {
    /// The field that follows a number: the reason why it is null.
    #[expect(clippy::as_conversions, reason = "the discriminants of a plain enum are its places")]
    fn reason(self) -> Option<Self> {
        let next = *Self::ALL.get(self as usize + 1)?;
        next.name().strip_suffix("_reason").filter(|number| *number == self.name()).map(|_| next)
    }
}

/// Fields, as bits in the order of [`Field::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FieldSet(u64);

impl FieldSet {
    /// No field.
    pub const NONE: Self = Self(0);

    /// These fields.
    #[must_use]
    pub const fn of(fields: &[Field]) -> Self {
        let mut found = Self::NONE;
        let mut rest = fields;
        while let [field, others @ ..] = rest {
            found = found.with(*field);
            rest = others;
        }
        found
    }

    /// These fields and one more.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the discriminants of a plain enum are its places")]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | (1 << field as u64))
    }

    /// The fields of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The fields that both have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has a field.
    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        Self::NONE.with(field).0 & self.0 != 0
    }

    /// Whether it has one of these fields.
    #[must_use]
    pub const fn intersects(self, fields: &[Field]) -> bool {
        Self::of(fields).0 & self.0 != 0
    }

    /// The fields, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Field> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = usize::try_from(left.trailing_zeros()).ok()?;
            left &= left.wrapping_sub(1);
            Field::ALL.get(place).copied()
        })
    }
}

/// The fields of a point without `fields=`.
const POINT: FieldSet = FieldSet::of(&[
    Field::Period,
    Field::Time,
    Field::Value,
    Field::ValueReason,
    Field::Origin,
    Field::Coverage,
    Field::TakenFrom,
    Field::Stated,
    Field::Delta,
    Field::DeltaReason,
    Field::DeltaPercent,
    Field::DeltaPercentReason,
    Field::LikeForLikeDelta,
    Field::LikeForLikeDeltaReason,
    Field::LikeForLikePercent,
    Field::LikeForLikePercentReason,
    Field::LikeForLikeCoverage,
    Field::YearDelta,
    Field::YearDeltaReason,
    Field::YearDeltaPercent,
    Field::YearDeltaPercentReason,
    Field::YearToDate,
    Field::YearToDateReason,
    Field::Annotations,
]);

/// The fields that `rolling=` adds.
const ROLLING: FieldSet =
    FieldSet::of(&[Field::Rolling, Field::RollingReason, Field::RollingCoverage]);

/// The comparisons of a point, which it has only when the query names them.
const COMPARISONS: FieldSet = FieldSet::of(&[
    Field::Previous,
    Field::PreviousReason,
    Field::YearBefore,
    Field::YearBeforeReason,
    Field::Share,
    Field::ShareReason,
    Field::Operands,
    Field::YearToDateDelta,
    Field::YearToDateDeltaReason,
    Field::YearToDatePercent,
    Field::YearToDatePercentReason,
])
.union(ROLLING);

/// The fields that a row has only when the query names them.
const ON_REQUEST: FieldSet = COMPARISONS.union(FieldChoice::NAMES);

/// The target of a row and how far it is reached.
pub const TARGET_FIELDS: &[Field] =
    &[Field::Target, Field::TargetCode, Field::Attainment, Field::Status, Field::Provisional];

/// The fields of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldChoice {
    /// The fields that can be named.
    pub known: FieldSet,
    /// The fields without `fields=`.
    pub default: FieldSet,
    /// The fields that are always present.
    pub always: FieldSet,
}

impl FieldChoice {
    /// The fields that a point itself can have.
    pub const POINT: FieldSet = POINT.union(COMPARISONS);

    /// The names in the language of the response.
    pub const NAMES: FieldSet = FieldSet::of(&[Field::UnitName, Field::MeasureName]);

    /// The fields of `/series`.
    pub const SERIES: Self = Self {
        known: Self::SERIES_HEAD.union(POINT).union(ON_REQUEST),
        default: POINT,
        always: FieldSet::of(&[Field::Period]),
    };

    /// The fields of `/ranking`.
    pub const RANKING: Self = Self {
        known: Self::RANKING_DEFAULT.union(POINT).union(ON_REQUEST),
        default: Self::RANKING_DEFAULT,
        always: FieldSet::of(&[Field::Unit]),
    };

    /// The fields of `/scorecard`.
    pub const SCORECARD: Self = Self {
        known: Self::SCORECARD_DEFAULT.union(ON_REQUEST),
        default: Self::SCORECARD_DEFAULT,
        always: FieldSet::of(&[Field::Measure]),
    };

    /// The fields that every series has; naming them has no effect.
    const SERIES_HEAD: FieldSet =
        FieldSet::of(&[Field::Measure, Field::Unit, Field::UnitOfMeasure, Field::Step]);

    const RANKING_DEFAULT: FieldSet = FieldSet::of(&[
        Field::Unit,
        Field::Name,
        Field::Value,
        Field::ValueReason,
        Field::Coverage,
        Field::Delta,
        Field::DeltaReason,
        Field::Rank,
        Field::PreviousRank,
    ])
    .union(FieldSet::of(TARGET_FIELDS));

    const SCORECARD_DEFAULT: FieldSet = FieldSet::of(&[
        Field::Measure,
        Field::Name,
        Field::Group,
        Field::System,
        Field::UnitOfMeasure,
        Field::Direction,
        Field::Score,
        Field::History,
    ])
    .union(POINT)
    .union(FieldSet::of(TARGET_FIELDS));

    /// The fields that a list of names, separated by commas, names.
    ///
    /// # Errors
    /// One for each name that is not known or repeated.
    pub fn parse(&self, text: &str) -> Result<FieldSet, Vec<Fault>> {
        let (mut named, mut faults) = (FieldSet::NONE, Vec::new());
        for name in text.split(',').map(str::trim) {
            let Some(field) = self.known.iter().find(|field| field.name() == name) else {
                let detail = format!("unknown field {}", quoted(name));
                faults.push(Fault::new("/fields", "unknown_field", detail));
                continue;
            };
            if named.contains(field) {
                let detail = format!("{} is repeated", field.name());
                faults.push(Fault::new("/fields", "duplicate", detail));
            }
            named = named.with(field);
        }
        if faults.is_empty() { Ok(named) } else { Err(faults) }
    }

    /// The fields of a response to a query that names these: each number is followed by its reason.
    #[must_use]
    pub fn complete(&self, named: FieldSet) -> FieldSet {
        named.iter().filter_map(Field::reason).fold(named.union(self.always), FieldSet::with)
    }
}

/// A number of months over which `rolling` is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RollingMonths {
    /// Three months.
    Three,
    /// Six months.
    Six,
    /// Twelve months.
    Twelve,
}

impl RollingMonths {
    /// All numbers of months.
    pub const ALL: [Self; 3] = [Self::Three, Self::Six, Self::Twelve];

    /// The number of months.
    #[must_use]
    pub fn months(self) -> i32 {
        match self {
            Self::Three => 3,
            Self::Six => 6,
            Self::Twelve => 12,
        }
    }
}

/// The months from which the fields of a series are computed, besides those of its periods and of
/// the period before the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::app) enum NeededMonths {
    /// No others.
    WithoutYearBefore,
    /// Those of the same periods a year before.
    ComparedPeriods,
    /// All from the first period of the year before.
    YearBefore,
    /// All from January of the year before.
    YearsToDate,
}

/// The fields that a query wants, and how they are computed and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestedFields {
    /// The fields.
    pub set: FieldSet,
    /// Over how many months `rolling` is computed.
    pub rolling: Option<RollingMonths>,
    /// Whether `unit_name` and `measure_name` are in Vietnamese; otherwise in English.
    pub in_vietnamese: bool,
}

impl RequestedFields {
    /// These fields of an endpoint, all of them computed by default.
    #[must_use]
    pub const fn new(set: FieldSet) -> Self {
        Self { set, rolling: None, in_vietnamese: false }
    }

    /// The fields of a point of `/series` without `fields=`.
    #[must_use]
    pub const fn of_point() -> Self {
        Self::new(POINT)
    }

    /// The same with `rolling` over this number of months.
    #[must_use]
    pub fn with_rolling(self, months: RollingMonths) -> Self {
        Self { set: self.set.union(ROLLING), rolling: Some(months), ..self }
    }

    /// The same with further fields.
    #[must_use]
    pub fn with(self, fields: &[Field]) -> Self {
        Self { set: self.set.union(FieldSet::of(fields)), ..self }
    }

    /// What is wrong with the fields for periods of a step.
    #[must_use]
    pub fn fault(&self, step: Step) -> Option<Fault> {
        (self.rolling.is_some() && step != Step::Month)
            .then(|| Fault::new("/rolling", "steps_differ", "rolling is given for months only"))
    }

    /// The months that are needed besides those of the periods and of the period before the first.
    pub(in crate::app) fn needed_months(&self) -> NeededMonths {
        if self.needs_years_to_date() {
            return NeededMonths::YearsToDate;
        }
        if self.rolling.is_some()
            || self.set.intersects(&[Field::YearToDate, Field::YearToDateReason])
        {
            return NeededMonths::YearBefore;
        }
        let is_compared = self.set.intersects(&[
            Field::YearBefore,
            Field::YearBeforeReason,
            Field::YearDelta,
            Field::YearDeltaReason,
            Field::YearDeltaPercent,
            Field::YearDeltaPercentReason,
        ]);
        if is_compared { NeededMonths::ComparedPeriods } else { NeededMonths::WithoutYearBefore }
    }

    /// Whether a point is computed from more months than those that it is compared with.
    #[must_use]
    pub fn needs_many_months(&self) -> bool {
        matches!(self.needed_months(), NeededMonths::YearBefore | NeededMonths::YearsToDate)
    }

    /// Whether the years to date of the year before are needed.
    pub(super) fn needs_years_to_date(&self) -> bool {
        self.set.intersects(&[
            Field::YearToDateDelta,
            Field::YearToDateDeltaReason,
            Field::YearToDatePercent,
            Field::YearToDatePercentReason,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_a_bit_for_every_field() {
        assert!(Field::ALL.len() <= 64);
        for (place, field) in Field::ALL.iter().enumerate() {
            let alone = FieldSet::of(&[*field]);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [*field]);
            assert_eq!(alone.0, 1 << place);
        }
    }

    #[test]
    fn every_reason_belongs_to_a_number() {
        for reason in Field::ALL.iter().filter(|field| field.name().ends_with("_reason")) {
            let numbers = Field::ALL.iter().filter(|field| field.reason() == Some(*reason));
            assert_eq!(numbers.count(), 1, "{reason:?}");
        }
    }

    #[test]
    fn a_named_number_brings_its_reason_and_the_period_is_always_there() {
        let names = |text| -> Vec<&str> {
            let choice = FieldChoice::SERIES;
            choice.complete(choice.parse(text).unwrap()).iter().map(Field::name).collect()
        };
        assert_eq!(
            names("delta, value"),
            ["period", "value", "value_reason", "delta", "delta_reason"]
        );
        assert_eq!(names("delta_reason"), ["period", "delta_reason"]);
        assert_eq!(names("coverage"), ["period", "coverage"]);
    }

    #[test]
    fn all_wrong_names_are_reported() {
        let faults = FieldChoice::SERIES.parse("value,x,value,rank,").unwrap_err();
        let codes: Vec<(&str, &str)> =
            faults.iter().map(|fault| (fault.code, fault.detail.as_str())).collect();
        assert_eq!(
            codes,
            [
                ("unknown_field", "unknown field \"x\""),
                ("duplicate", "value is repeated"),
                ("unknown_field", "unknown field \"rank\""),
                ("unknown_field", "unknown field \"\""),
            ]
        );
    }
}
