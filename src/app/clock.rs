//! What time it is, and where the service's days begin and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveTime, Offset, Utc};

use crate::domain::period::Month;

/// Vietnam's offset from UTC in seconds; it has no summer time.
const VIETNAM: i32 = 7 * 3600;

/// A clock, the machine's or one set by hand. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    offset: FixedOffset,
    /// The time it was set to, in microseconds since 1970; 0 while it goes by the machine's.
    set: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(FixedOffset::east_opt(VIETNAM).unwrap_or_else(|| Utc.fix()))
    }
}

impl Clock {
    /// The machine's clock, with days as they are at an offset from UTC.
    #[must_use]
    pub fn new(offset: FixedOffset) -> Self {
        Self { offset, set: Arc::default() }
    }

    /// Stops it at a time: what is recorded from then on is dated so, unless the ledger's newest revision is dated later.
    pub fn set(&self, time: DateTime<Utc>) {
        self.set.store(time.timestamp_micros(), Ordering::Relaxed);
    }

    /// Lets it go by the machine's clock again.
    pub fn release(&self) {
        self.set.store(0, Ordering::Relaxed);
    }

    /// The time, in microseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        Some(self.set.load(Ordering::Relaxed))
            .filter(|time| *time != 0)
            .unwrap_or_else(|| Utc::now().timestamp_micros())
    }

    /// The day it is.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.day_at(self.now())
    }

    /// The month that has begun.
    #[must_use]
    pub fn this_month(&self) -> Month {
        Month::of(self.today())
    }

    /// The day it was at a time (microseconds since 1970).
    #[must_use]
    pub fn day_at(&self, time: i64) -> NaiveDate {
        DateTime::<Utc>::from_timestamp_micros(time)
            .unwrap_or_default()
            .with_timezone(&self.offset)
            .date_naive()
    }

    /// The moment at which a day is over, in microseconds since 1970; what is dated before was on that day or earlier.
    #[must_use]
    pub fn end_of(&self, day: NaiveDate) -> i64 {
        let next = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
        (next - chrono::Duration::seconds(i64::from(self.offset.local_minus_utc())))
            .and_utc()
            .timestamp_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_and_end_where_they_do_at_the_offset() {
        let clock = Clock::default();
        clock.set("2021-11-04T17:00:00Z".parse().unwrap()); // midnight in Vietnam
        assert_eq!(clock.today().to_string(), "2021-11-05");
        assert_eq!(clock.end_of("2021-11-04".parse().unwrap()), clock.now());
        assert_eq!(clock.day_at(clock.now() - 1).to_string(), "2021-11-04");
        clock.set("2021-10-31T17:00:00Z".parse().unwrap());
        assert_eq!(clock.this_month().to_string(), "2021-11");
        let utc = Clock::new("+00:00".parse().unwrap());
        utc.set("2021-10-31T17:00:00Z".parse().unwrap());
        assert_eq!(utc.this_month().to_string(), "2021-10");
        utc.release();
        assert!(utc.now() > clock.now());
    }
}
