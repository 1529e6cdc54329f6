//! The numbers by which rows of the ledger name revisions, units, measures, months and points in
//! time. Each is a whole number in the database and has its own type here, so that none is taken
//! for another.

use std::fmt;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use serde::{Deserialize, Serialize};

/// Declares the type of a number that is a `BigInt` in the database.
macro_rules! stored_number {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            AsExpression,
            FromSqlRow,
            Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        #[diesel(sql_type = BigInt)]
        #[repr(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number that the ledger stores as `value`.
            #[must_use]
            #[inline]
            pub const fn new(value: i64) -> Self {
                Self(value)
            }

            /// The number as the ledger stores it.
            #[must_use]
            #[inline]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<B: Backend> FromSql<BigInt, B> for $name
        where
            i64: FromSql<BigInt, B>,
        {
            #[inline]
            fn from_sql(bytes: B::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(bytes).map(Self)
            }
        }

        impl<B: Backend> ToSql<BigInt, B> for $name
        where
            i64: ToSql<BigInt, B>,
        {
            #[inline]
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, B>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }
    };
}

stored_number! {
    /// The number of a revision: 1, 2, 3 ... without gaps; 0 before the first one.
    RevisionNumber
}

stored_number! {
    /// The number of a unit.
    StoredUnit
}

stored_number! {
    /// The number of a measure, from 0.
    StoredMeasure
}

stored_number! {
    /// The number of a month: months since year 0.
    StoredMonth
}

stored_number! {
    /// A point in time: microseconds since 1970.
    TimestampMicros
}

impl TimestampMicros {
    /// The time this many microseconds later, or earlier when they are negative.
    #[must_use]
    #[inline]
    pub const fn plus(self, span: i64) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How many microseconds later than another time it is; negative when it is earlier.
    #[must_use]
    #[inline]
    pub const fn since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

impl RevisionNumber {
    /// The position before the first revision.
    pub const BEGINNING: Self = Self(0);
    /// The first revision.
    pub const FIRST: Self = Self(1);
    /// A number after that of every revision, for reads of the newest state.
    pub const END: Self = Self(i64::MAX);

    /// The number after this one.
    #[must_use]
    #[inline]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number before this one.
    #[must_use]
    #[inline]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The number `count` revisions later.
    #[must_use]
    #[inline]
    pub const fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many revisions later than `earlier` it is.
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Its place in a list that begins with the first revision.
    #[must_use]
    pub fn place(self) -> Option<usize> {
        usize::try_from(self.0.checked_sub(1)?).ok()
    }
}

/// The revisions after one, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionSpan {
    /// The revision before the first one of the span.
    pub after: RevisionNumber,
    /// The last one.
    pub up_to: RevisionNumber,
}

impl RevisionSpan {
    /// All revisions.
    pub const ALL: Self = Self::first(RevisionNumber::END);

    /// The revisions after one, up to another.
    #[must_use]
    pub const fn new(after: RevisionNumber, up_to: RevisionNumber) -> Self {
        Self { after, up_to }
    }

    /// The revisions from the first one up to another.
    #[must_use]
    pub const fn first(up_to: RevisionNumber) -> Self {
        Self::new(RevisionNumber::BEGINNING, up_to)
    }

    /// One revision.
    #[must_use]
    pub const fn only(revision: RevisionNumber) -> Self {
        Self::new(revision.previous(), revision)
    }

    /// Its beginning, at most `count` revisions.
    #[must_use]
    pub fn beginning(self, count: i64) -> Self {
        Self::new(self.after, self.up_to.min(self.after.plus(count)))
    }

    /// Whether it has no revision.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.after >= self.up_to
    }
}
