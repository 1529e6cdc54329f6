//! The clock of a ledger, and the calendar of the service.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, Offset, Utc};

use crate::sync::Mutex;
use kpi::period::Month;
pub use ledger::{ClockFault, TimestampMicros};

/// Offset of Vietnam from UTC in seconds; there is no summer time.
const VIETNAM: i32 = 7 * 3600;

/// The calendar: when the service's days begin and end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Calendar {
    offset: FixedOffset,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { offset: FixedOffset::east_opt(VIETNAM).unwrap_or_else(|| Utc.fix()) }
    }
}

impl Calendar {
    /// The zone, as its offset from UTC.
    #[must_use]
    pub fn offset(self) -> FixedOffset {
        self.offset
    }

    /// The day at a time.
    #[must_use]
    pub fn day_at(self, time: TimestampMicros) -> NaiveDate {
        DateTime::<Utc>::from_timestamp_micros(time.get())
            .unwrap_or_default()
            .with_timezone(&self.offset)
            .date_naive()
    }

    /// The end of a day, exclusive.
    #[must_use]
    pub fn end_of(self, day: NaiveDate) -> TimestampMicros {
        let next = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
        let start = next - chrono::Duration::seconds(i64::from(self.offset.local_minus_utc()));
        TimestampMicros::new(start.and_utc().timestamp_micros())
    }
}

/// How far the ledger's clock may deviate from the elapsed time, in microseconds: five minutes.
/// Beyond that nothing is recorded. Revisions dated further in the future than this are reported.
pub const MAX_JUMP: i64 = 5 * 60 * SECOND;
/// Plausible times of this program, in microseconds since 1970: from 2025 to 2054.
const EARLIEST: i64 = 1_735_689_600 * SECOND;
const LATEST: i64 = 2_682_374_400 * SECOND;
/// Small steps of the clock add up to the limit; one second of them is forgiven for every this many
/// seconds.
const FORGIVEN: i64 = 60;
/// A suspension of the machine of at least this many microseconds is logged.
const LONG_SUSPENSION: i64 = 60 * SECOND;
/// A first change after this long without one is a reason to check the clock: 400 days, in
/// microseconds.
const LONG_REST: i64 = 400 * 24 * 3_600 * SECOND;
const SECOND: i64 = 1_000_000;
/// Marks an unknown time.
const UNKNOWN: i64 = i64::MIN;

/// The clock of the first ledger that this process opened; it decides when keys and tokens expire.
static PROCESS: OnceLock<Clock> = OnceLock::new();

/// The clock of a ledger: that of the database server if there is one, otherwise the machine's; or
/// a fixed time. All clones share one clock.
///
/// The clock is compared with the elapsed time. When it jumps it is not followed, and no revision
/// is dated by it ([`Clock::date`]), until it is right again.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    calendar: Calendar,
    inner: Arc<ClockInner>,
}

/// The state that all clones share.
#[derive(Debug)]
struct ClockInner {
    /// The fixed time in microseconds since 1970; 0 when none is set.
    set: AtomicI64,
    /// Simulated error of the machine's clock in microseconds, for tests.
    shifted: AtomicI64,
    /// Start of counting the elapsed time, which excludes suspensions of the machine.
    started: Instant,
    /// Duration of suspensions since `started`, in microseconds.
    suspended: AtomicI64,
    /// The ledger's time at `started`, by the last accepted reading.
    base: AtomicI64,
    /// Whether the ledger's time comes from a database server.
    from_server: AtomicBool,
    /// The machine's clock minus the database server's at the last reading, in microseconds.
    offset: AtomicI64,
    /// The latest time for which an `as_of` has been answered.
    answered: AtomicI64,
    jumps: AtomicU64,
    course: Mutex<ClockCourse>,
}

impl Default for ClockInner {
    fn default() -> Self {
        Self {
            set: AtomicI64::new(0),
            shifted: AtomicI64::new(0),
            started: Instant::now(),
            suspended: AtomicI64::new(0),
            base: AtomicI64::new(UNKNOWN),
            from_server: AtomicBool::new(false),
            offset: AtomicI64::new(0),
            answered: AtomicI64::new(0),
            jumps: AtomicU64::new(0),
            course: Mutex::new("clock", ClockCourse::default()),
        }
    }
}

/// The course of the clock so far.
#[derive(Debug, Default)]
struct ClockCourse {
    /// The ledger's time when counting began, adjusted for forgiven steps.
    reference: Option<i64>,
    /// When the clock was last read, in microseconds since counting began.
    at: i64,
    fault: Option<ClockFault>,
    /// How far the machine's uptime was ahead of the counted time at the first reading, in
    /// microseconds.
    uptime_ahead: Option<i64>,
}

/// One reading of the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClockReading {
    /// The time of the clock.
    pub time: TimestampMicros,
    /// The time for dating revisions: after the clock was set back a little, it advances evenly
    /// until the clock has caught up.
    pub even: TimestampMicros,
}

impl ClockCourse {
    /// Applies a reading: the clock showed `time` when `at` microseconds had been counted.
    fn follow(&mut self, time: i64, at: i64) -> Result<ClockReading, ClockFault> {
        let base = time.saturating_sub(at);
        let reference = self.reference.unwrap_or(base);
        if !(EARLIEST..LATEST).contains(&time) {
            let year = DateTime::<Utc>::from_timestamp_micros(time).unwrap_or_default().year();
            return Err(ClockFault::Implausible(year));
        }
        let jump = base.saturating_sub(reference);
        if jump.saturating_abs() > MAX_JUMP {
            return Err(ClockFault::Jumped(jump / SECOND));
        }

        let forgiven = at.saturating_sub(self.at).max(0) / FORGIVEN;
        let reference = reference.saturating_add(jump.clamp(-forgiven, forgiven));
        (self.reference, self.at) = (Some(reference), at);
        let even = time.max(reference.saturating_add(at));
        Ok(ClockReading { time: TimestampMicros::new(time), even: TimestampMicros::new(even) })
    }
}

impl Clock {
    /// A clock with the days of an offset from UTC.
    #[must_use]
    pub fn new(offset: FixedOffset) -> Self {
        Self { calendar: Calendar { offset }, inner: Arc::default() }
    }

    /// Stops the clock at a time. New revisions get this date, unless the newest revision has a
    /// later one.
    pub fn set(&self, time: DateTime<Utc>) {
        self.inner.set.store(time.timestamp_micros(), Ordering::Relaxed);
    }

    /// Ends [`Clock::set`]: the ledger's clock applies again.
    pub fn release(&self) {
        self.inner.set.store(0, Ordering::Relaxed);
    }

    /// Simulates an error of the machine's clock of `by` microseconds, for tests.
    pub fn shift(&self, by: i64) {
        self.inner.shifted.store(by, Ordering::Relaxed);
    }

    /// The current time: of the ledger, or the fixed time.
    #[must_use]
    pub fn now(&self) -> TimestampMicros {
        self.by_hand().unwrap_or_else(|| self.ledger_time())
    }

    /// The ledger's time, ignoring a fixed time: the last accepted reading plus the elapsed time.
    #[must_use]
    pub fn ledger_time(&self) -> TimestampMicros {
        let machine = self.machine_time();
        let base = self.inner.base.load(Ordering::Relaxed);
        if base == UNKNOWN {
            return machine;
        }
        let counted = TimestampMicros::new(base).plus(self.counted());
        let is_trusted = machine.since(counted).saturating_abs() <= MAX_JUMP;
        if is_trusted && !self.inner.from_server.load(Ordering::Relaxed) {
            machine
        } else {
            counted
        }
    }

    /// Reads the ledger's clock: `server_time` where there is a database server, otherwise the
    /// machine's clock.
    ///
    /// # Errors
    /// The reason why revisions cannot be dated by it; logged once with the times of both clocks.
    pub fn read(&self, server_time: Option<TimestampMicros>) -> Result<ClockReading, ClockFault> {
        if let Some(time) = self.by_hand() {
            return Ok(ClockReading { time, even: time });
        }
        let machine = self.machine_time();
        let time = server_time.unwrap_or(machine);
        self.inner.from_server.store(server_time.is_some(), Ordering::Relaxed);

        let mut course = self.inner.course.lock();
        self.count_suspension(&mut course);
        let at = self.counted();
        let found = course.follow(time.get(), at);
        if found.is_ok() {
            self.inner.base.store(time.plus(-at).get(), Ordering::Relaxed);
        }
        let fault = found.err();
        let before = std::mem::replace(&mut course.fault, fault);
        drop(course);

        if fault.map(|fault| std::mem::discriminant(&fault))
            != before.map(|fault| std::mem::discriminant(&fault))
        {
            let expected = self.inner.base.load(Ordering::Relaxed);
            let expected =
                (expected != UNKNOWN).then(|| time_text(TimestampMicros::new(expected).plus(at)));
            let source = if server_time.is_some() { "the database server" } else { "this machine" };
            match fault {
                Some(fault) => {
                    self.inner.jumps.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        clock = source,
                        says = %time_text(time),
                        expected,
                        machine = %time_text(machine),
                        "{fault}"
                    );
                }
                None => {
                    tracing::warn!(clock = source, says = %time_text(time),
                        "the clock is right again; changes can be recorded")
                }
            }
        }
        found
    }

    /// Records the difference between the machine's clock and the database server's clock, and
    /// reads the ledger's clock. The server's time was requested when the machine's clock showed
    /// `asked`.
    ///
    /// # Errors
    /// As for [`Clock::read`].
    pub fn compare(
        &self,
        asked: TimestampMicros,
        server_time: Option<TimestampMicros>,
    ) -> Result<ClockReading, ClockFault> {
        let middle = TimestampMicros::new(asked.get().midpoint(self.machine_time().get()));
        let offset = server_time.map_or(0, |server_time| middle.since(server_time));
        let before = self.inner.offset.swap(offset, Ordering::Relaxed);
        let is_far = |offset: i64| offset.saturating_abs() > MAX_JUMP;
        if is_far(offset) && !is_far(before) {
            let ahead = offset / SECOND;
            tracing::warn!(
                ahead_seconds = ahead,
                "the clock of this machine differs from the database server's, which dates changes \
                 and decides when days begin"
            );
        }
        self.read(server_time)
    }

    /// The date of revisions that are written now, after one that is dated `newest`. It is never
    /// earlier than `newest`, than any date that this process has given, or than a time for which
    /// it has answered `as_of`.
    ///
    /// # Errors
    /// As for [`Clock::read`].
    pub fn date(
        &self,
        server_time: Option<TimestampMicros>,
        newest: TimestampMicros,
    ) -> Result<TimestampMicros, ClockFault> {
        let ClockReading { even, .. } = self.read(server_time)?;
        let latest = even.max(newest);
        Ok(if self.by_hand().is_some() { latest } else { latest.max(self.answered()) })
    }

    /// Records that `as_of` is answered for times before `before`; no revision gets an earlier date
    /// from now on.
    pub fn note_answered(&self, before: TimestampMicros) {
        if self.by_hand().is_none() {
            self.inner.answered.fetch_max(before.get(), Ordering::Relaxed);
        }
    }

    /// The time before which `as_of` has been answered.
    #[must_use]
    pub fn answered(&self) -> TimestampMicros {
        TimestampMicros::new(self.inner.answered.load(Ordering::Relaxed))
    }

    /// The reason why revisions cannot be dated, by the last reading.
    #[must_use]
    pub fn fault(&self) -> Option<ClockFault> {
        self.inner.course.lock().fault
    }

    /// How many microseconds a time lies in the future; negative in the past.
    #[must_use]
    pub fn ahead(&self, time: TimestampMicros) -> i64 {
        time.since(self.now()).max(0)
    }

    /// The machine's clock minus the database server's, in microseconds; 0 without one.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.inner.offset.load(Ordering::Relaxed)
    }

    /// How often the ledger's clock has jumped or shown an implausible time.
    #[must_use]
    pub fn jumps(&self) -> u64 {
        self.inner.jumps.load(Ordering::Relaxed)
    }

    /// Logs a suspicious date of the newest revision. As long as the clock has not been right since
    /// the start, that date is the best known time.
    pub fn compare_with_ledger(&self, newest: TimestampMicros) {
        let is_empty = newest == TimestampMicros::default();
        if !is_empty && self.fault().is_some() {
            let _known = self.inner.base.compare_exchange(
                UNKNOWN,
                newest.plus(-self.counted()).get(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        let rest = self.now().since(newest);
        if !is_empty && rest > LONG_REST {
            let days = rest / SECOND / 86_400;
            tracing::warn!(days, newest = %time_text(newest),
                "nothing was recorded for a long time; check the clock");
        }
        if self.ahead(newest) > MAX_JUMP {
            tracing::warn!(
                newest = %time_text(newest),
                now = %time_text(self.now()),
                "the newest revision is dated in the future; new revisions get the same date until \
                 the clock has passed it"
            );
        }
    }

    /// Makes it the clock by which keys expire, unless there is one already.
    pub(super) fn set_for_process(&self) {
        let _first = PROCESS.set(self.clone());
    }

    /// The machine's clock.
    #[must_use]
    pub fn machine_time(&self) -> TimestampMicros {
        machine_now().plus(self.inner.shifted.load(Ordering::Relaxed))
    }

    /// Whether the clock is stopped at a fixed time.
    #[must_use]
    pub fn is_set_by_hand(&self) -> bool {
        self.by_hand().is_some()
    }

    fn by_hand(&self) -> Option<TimestampMicros> {
        let set = Some(self.inner.set.load(Ordering::Relaxed));
        set.filter(|time| *time != 0).map(TimestampMicros::new)
    }

    /// Microseconds elapsed since the start, without suspensions.
    fn counted(&self) -> i64 {
        micros(self.inner.started.elapsed())
            .saturating_add(self.inner.suspended.load(Ordering::Relaxed))
    }

    /// Counts the time of a suspension as elapsed, so that it is not taken for a jump.
    fn count_suspension(&self, course: &mut ClockCourse) {
        let Some(ahead) =
            uptime().map(|uptime| uptime.saturating_sub(micros(self.inner.started.elapsed())))
        else {
            return;
        };
        let suspended = ahead.saturating_sub(*course.uptime_ahead.get_or_insert(ahead));
        let before = self.inner.suspended.load(Ordering::Relaxed);
        // The uptime has a resolution of a hundredth of a second.
        if suspended.saturating_sub(before) > SECOND {
            self.inner.suspended.store(suspended, Ordering::Relaxed);
            if suspended.saturating_sub(before) > LONG_SUSPENSION {
                tracing::warn!(
                    seconds = suspended.saturating_sub(before) / SECOND,
                    "the machine was suspended"
                );
            }
        }
    }

    /// The current day.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.day_at(self.now())
    }

    /// The current month.
    #[must_use]
    pub fn this_month(&self) -> Month {
        Month::of(self.today())
    }

    /// Where its days begin and end.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// The day at a time.
    #[must_use]
    pub fn day_at(&self, time: TimestampMicros) -> NaiveDate {
        self.calendar.day_at(time)
    }

    /// The end of a day, exclusive.
    #[must_use]
    pub fn end_of(&self, day: NaiveDate) -> TimestampMicros {
        self.calendar.end_of(day)
    }
}

/// The time by which keys and tokens expire: the ledger's, ignoring a fixed time.
#[must_use]
pub fn process_time() -> TimestampMicros {
    PROCESS.get().map_or_else(machine_now, Clock::ledger_time)
}

/// What the machine's clock shows.
fn machine_now() -> TimestampMicros {
    TimestampMicros::new(Utc::now().timestamp_micros())
}

/// A timestamp of the ledger as RFC 3339 text.
#[must_use]
pub fn time_text(time: TimestampMicros) -> String {
    DateTime::<Utc>::from_timestamp_micros(time.get())
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// Uptime of the machine in microseconds, suspensions included; `None` where the system does not
/// report it.
fn uptime() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let (seconds, hundredths): (i64, i64) = (seconds.parse().ok()?, hundredths.parse().ok()?);
    Some(seconds.saturating_mul(SECOND).saturating_add(hundredths.saturating_mul(SECOND / 100)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plausible time, in microseconds since 1970.
    const T: i64 = EARLIEST + 1_000 * SECOND;

    fn at(time: i64) -> TimestampMicros {
        TimestampMicros::new(time)
    }

    fn reading(time: i64) -> ClockReading {
        ClockReading { time: at(time), even: at(time) }
    }

    #[test]
    fn a_jump_is_refused_until_the_clock_is_right_again() {
        let mut course = ClockCourse::default();
        assert_eq!(course.follow(T, 0), Ok(reading(T)));
        let later = T + 10 * SECOND;
        assert_eq!(
            course.follow(later + MAX_JUMP + SECOND, 10 * SECOND),
            Err(ClockFault::Jumped(301))
        );
        assert_eq!(
            course.follow(later - MAX_JUMP - SECOND, 10 * SECOND),
            Err(ClockFault::Jumped(-301))
        );
        assert_eq!(
            course.follow(4_102_444_800 * SECOND, 10 * SECOND),
            Err(ClockFault::Implausible(2100))
        );
        // An error that lasts is not forgiven.
        let day = 86_400 * SECOND;
        assert_eq!(course.follow(T + day + MAX_JUMP + SECOND, day), Err(ClockFault::Jumped(301)));
        assert_eq!(course.follow(T + day, day), Ok(reading(T + day)));
    }

    #[test]
    fn many_small_steps_count_as_a_jump_unless_time_passes_between_them() {
        let mut quick = ClockCourse::default();
        let steps = |course: &mut ClockCourse, every: i64| {
            (0..20)
                .map(|step| course.follow(T + step * (60 * SECOND + every), step * every))
                .take_while(Result::is_ok)
                .count()
        };
        assert_eq!(steps(&mut quick, SECOND), 6);
        assert_eq!(steps(&mut ClockCourse::default(), 3_600 * SECOND), 20);
    }

    #[test]
    fn revision_dates_never_decrease_when_the_clock_is_set_back_slightly() {
        let mut course = ClockCourse::default();
        course.follow(T, 0).unwrap();
        let mut last = course.follow(T + 60 * SECOND, 60 * SECOND).unwrap().even;
        for second in 61..3_000 {
            let at = second * SECOND;
            let reading = course.follow(T + at - 30 * SECOND, at).unwrap();
            assert!(reading.even > last && reading.time <= reading.even);
            last = reading.even;
        }
        // The clock has caught up.
        assert_eq!(last, at(T + 2_999 * SECOND - 30 * SECOND));
    }

    #[test]
    fn a_clock_that_jumps_is_rejected() {
        let clock = Clock::default();
        clock.read(None).unwrap();
        clock.shift(80 * 365 * 86_400 * SECOND);
        let real = machine_now();
        assert!(clock.now().since(real).abs() < 10 * SECOND, "before the first reading");
        assert!(matches!(clock.read(None), Err(ClockFault::Implausible(_))));
        assert!(clock.now().since(real).abs() < 10 * SECOND);
        assert!(clock.date(None, at(0)).is_err() && clock.fault().is_some());
        clock.shift(86_400 * SECOND);
        assert!(matches!(clock.read(None), Err(ClockFault::Jumped(_))));
        clock.shift(0);
        assert!(clock.date(None, at(0)).is_ok() && clock.fault().is_none());
        assert_eq!(clock.jumps(), 2, "a jump and an implausible time");
        // A small difference is followed.
        clock.shift(30 * SECOND);
        clock.read(None).unwrap();
        assert!(clock.now().since(real) > 29 * SECOND);
    }

    #[test]
    fn the_database_servers_time_takes_precedence_over_the_machines() {
        let clock = Clock::default();
        let real = machine_now();
        clock.shift(-3_600 * SECOND);
        let asked = clock.machine_time();
        let reading = clock.compare(asked, Some(real)).unwrap();
        assert_eq!(reading.time, real);
        assert!((clock.offset() + 3_600 * SECOND).abs() < 5 * SECOND, "{}", clock.offset());
        assert!(clock.now().since(real).abs() < 5 * SECOND);
        // The machine's clock no longer matters.
        clock.shift(50 * 365 * 86_400 * SECOND);
        assert!(clock.now().since(real).abs() < 5 * SECOND);
        assert!(clock.date(Some(real.plus(SECOND)), at(0)).unwrap() >= real.plus(SECOND));
    }

    #[test]
    fn a_clock_that_is_wrong_at_the_start_is_rejected() {
        let (clock, real) = (Clock::default(), machine_now());
        clock.shift(-50 * 365 * 86_400 * SECOND);
        assert!(clock.read(None).is_err());
        clock.compare_with_ledger(real.plus(-3_600 * SECOND));
        assert!(
            clock.now().since(real.plus(-3_600 * SECOND)).abs() < 10 * SECOND,
            "the newest revision's date is the best known time"
        );
        clock.shift(0);
        assert!(clock.read(None).is_ok());
        assert!(clock.now().since(real).abs() < 10 * SECOND);
    }

    #[test]
    fn new_revisions_are_dated_after_served_times_and_recorded_revisions() {
        let clock = Clock::default();
        let real = machine_now();
        assert_eq!(clock.date(None, real.plus(3_600 * SECOND)), Ok(real.plus(3_600 * SECOND)));
        clock.note_answered(real.plus(60 * SECOND));
        assert_eq!(clock.date(None, at(0)), Ok(real.plus(60 * SECOND)));
        clock.set("2021-10-31T17:00:00Z".parse().unwrap());
        assert_eq!(clock.date(Some(real), at(0)), Ok(clock.now()), "a fixed time comes first");
    }

    #[test]
    fn days_begin_and_end_at_midnight_of_the_offset() {
        let clock = Clock::default();
        clock.set("2021-11-04T17:00:00Z".parse().unwrap()); // midnight in Vietnam
        assert_eq!(clock.today().to_string(), "2021-11-05");
        assert_eq!(clock.end_of("2021-11-04".parse().unwrap()), clock.now());
        assert_eq!(clock.day_at(clock.now().plus(-1)).to_string(), "2021-11-04");
        clock.set("2021-10-31T17:00:00Z".parse().unwrap());
        assert_eq!(clock.this_month().to_string(), "2021-11");
        let utc = Clock::new("+00:00".parse().unwrap());
        utc.set("2021-10-31T17:00:00Z".parse().unwrap());
        assert_eq!(utc.this_month().to_string(), "2021-10");
        utc.release();
        assert!(utc.now() > clock.now());
    }
}
