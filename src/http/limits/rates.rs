//! How many requests a second: of the holder of a key, of an address without one, and how many sign-ins of an address may fail.
//!
//! Each is a bucket (GCRA, by governor) that holds one second's worth, or one minute's; a request that finds it empty is answered 429 with
//! the seconds until it is not. Memory is bounded: buckets that are full again are forgotten, and when there are [`MOST`] that are not,
//! all that come new share one.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

/// Most buckets of a sort.
pub const MOST: usize = 100_000;
/// How often buckets that are full again are forgotten at most.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// How many bits of an IPv6 address tell who it is: a household or an office has at least this network, and every address in it.
const IPV6_BITS: u32 = 64;

/// So many in a period, which may all come at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many.
    pub count: NonZeroU32,
    /// In which time.
    pub period: Duration,
}

impl Rate {
    /// Of the holder of a key.
    pub const KEY: Self = Self::a_second(5_000);
    /// Of an address without one.
    pub const ADDRESS: Self = Self::a_second(500);
    /// Sign-ins that fail, of an address.
    pub const SIGN_IN: Self = Self { count: at_least_one(60), period: Duration::from_secs(60) };

    /// So many a second; one for none.
    #[must_use]
    pub const fn a_second(count: u32) -> Self {
        Self { count: at_least_one(count), period: Duration::from_secs(1) }
    }

    fn quota(self) -> Quota {
        let each = self.period / self.count.get();
        Quota::with_period(each.max(Duration::from_nanos(1)))
            .unwrap_or_else(|| Quota::per_second(self.count))
            .allow_burst(self.count)
    }
}

const fn at_least_one(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

/// A rate as the command line has it: `off`, or so many a second: `5000` or `5000/s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written(pub Option<Rate>);

impl FromStr for Written {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let count = text
            .strip_suffix("/s")
            .unwrap_or(text)
            .parse::<NonZeroU32>()
            .ok()
            .filter(|count| count.get() <= 1_000_000);
        let count = count.ok_or_else(|| {
            "a number of requests a second is expected, 1 to 1000000, or off".to_owned()
        })?;
        Ok(Self(Some(Rate { count, period: Duration::from_secs(1) })))
    }
}

/// Every bucket.
pub struct Rates {
    keys: Option<Buckets<String>>,
    addresses: Option<Buckets<IpAddr>>,
    sign_ins: Option<Buckets<IpAddr>>,
}

impl Rates {
    /// With full buckets; none where there is no bound.
    #[must_use]
    pub fn new(key: Option<Rate>, address: Option<Rate>, sign_in: Option<Rate>) -> Self {
        let addresses = |rate: Option<Rate>| rate.map(|rate| Buckets::new(rate, MOST));
        Self {
            keys: key.map(|rate| Buckets::new(rate, MOST)),
            addresses: addresses(address),
            sign_ins: addresses(sign_in),
        }
    }

    /// A request of the holder of a key.
    ///
    /// # Errors
    /// How long until the next.
    pub fn key(&self, holder: &str) -> Result<(), Duration> {
        self.keys.as_ref().map_or(Ok(()), |buckets| buckets.take(&holder.to_owned()))
    }

    /// A request without a key.
    ///
    /// # Errors
    /// How long until the next.
    pub fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.addresses.as_ref().map_or(Ok(()), |buckets| buckets.take(&network(address)))
    }

    /// Whether an address may try to sign in: whether not too many of its tries have failed.
    ///
    /// # Errors
    /// How long until it may.
    pub fn may_sign_in(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.sign_ins.as_ref().map_or(Ok(()), |buckets| buckets.look(&network(address)))
    }

    /// A sign-in has failed.
    pub fn failed(&self, address: Option<IpAddr>) {
        if let Some(buckets) = &self.sign_ins {
            let _empty_already = buckets.take(&network(address));
        }
    }
}

/// What an address counts as: itself, or its network where somebody has many. Who has none counts as one.
#[must_use]
pub fn network(address: Option<IpAddr>) -> IpAddr {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            Ipv6Addr::from(u128::from(address) >> (128 - IPV6_BITS) << (128 - IPV6_BITS)).into()
        }
        Some(found @ IpAddr::V4(_)) => found,
        None => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// What takes from buckets, or looks at them.
type Limiter<K, C> = RateLimiter<K, Store<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Buckets by key, at most so many.
struct Buckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    taking: Limiter<K, C>,
    /// The same buckets, left as they are.
    looking: Limiter<K, C>,
    shared: Arc<Mutex<Shared<K>>>,
    clock: C,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate, most: usize) -> Self {
        Self::by(rate, most, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    fn by(rate: Rate, most: usize, clock: C) -> Self {
        let shared =
            Arc::new(Mutex::new(Shared { levels: HashMap::new(), rest: None, most, pruned: None }));
        let of = |keeps: bool| {
            RateLimiter::new(
                rate.quota(),
                Store { shared: Arc::clone(&shared), keeps },
                clock.clone(),
            )
        };
        Self { taking: of(true), looking: of(false), shared: Arc::clone(&shared), clock }
    }

    fn take(&self, key: &K) -> Result<(), Duration> {
        let due = self.shared.lock().is_due();
        if due {
            self.taking.retain_recent();
        }
        self.taking.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }

    fn look(&self, key: &K) -> Result<(), Duration> {
        self.looking.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// How far each bucket is used up: governor's theoretical arrival times.
struct Shared<K> {
    levels: HashMap<K, Nanos>,
    /// The one bucket of all for which there is no room.
    rest: Option<Nanos>,
    most: usize,
    /// When those that are full again were last forgotten.
    pruned: Option<Instant>,
}

impl<K> Shared<K> {
    /// Whether it is time to forget some: there is no room, and it was not done just now, as it looks at each of them.
    fn is_due(&mut self) -> bool {
        let due = self.levels.len() >= self.most
            && self.pruned.is_none_or(|last| last.elapsed() >= PRUNE_EVERY);
        if due {
            self.pruned = Some(Instant::now());
        }
        due
    }
}

/// Where governor keeps its buckets.
struct Store<K> {
    shared: Arc<Mutex<Shared<K>>>,
    /// Whether what is taken stays taken.
    keeps: bool,
}

impl<K: Hash + Eq + Clone> StateStore for Store<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shared = self.shared.lock();
        let known = shared.levels.get(key).copied();
        let crowded = known.is_none() && shared.levels.len() >= shared.most;
        let (outcome, level) = f(if crowded { shared.rest } else { known })?;
        match (self.keeps, crowded) {
            (false, _) => {}
            (true, true) => shared.rest = Some(level),
            (true, false) => {
                shared.levels.insert(key.clone(), level);
            }
        }
        Ok(outcome)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Store<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.shared.lock().levels.retain(|_, level| *level > drop_below);
    }

    fn len(&self) -> usize {
        self.shared.lock().levels.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn buckets(
        count: u32,
        period: u64,
        most: usize,
    ) -> (Buckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (
            Buckets::by(
                Rate {
                    count: NonZeroU32::new(count).unwrap(),
                    period: Duration::from_secs(period),
                },
                most,
                clock.clone(),
            ),
            clock,
        )
    }

    #[test]
    fn a_bucket_holds_what_a_period_brings_and_fills_again_evenly() {
        let (buckets, clock) = buckets(4, 1, 10);
        assert!((0..4).all(|_| buckets.take(&1).is_ok()));
        assert_eq!(buckets.take(&1), Err(Duration::from_millis(250)));
        // Another's is another bucket.
        assert!(buckets.take(&2).is_ok());
        clock.advance(Duration::from_millis(250));
        assert!(buckets.take(&1).is_ok() && buckets.take(&1).is_err());
        clock.advance(Duration::from_secs(1));
        assert!((0..4).all(|_| buckets.take(&1).is_ok()) && buckets.take(&1).is_err());
    }

    #[test]
    fn looking_takes_nothing_and_sees_what_was_taken() {
        let (buckets, clock) = buckets(2, 60, 10);
        assert!((0..10).all(|_| buckets.look(&1).is_ok()));
        assert!(buckets.take(&1).is_ok() && buckets.look(&1).is_ok() && buckets.take(&1).is_ok());
        assert_eq!(buckets.look(&1), Err(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        assert!(buckets.look(&1).is_ok());
    }

    #[test]
    fn there_are_never_more_buckets_than_the_bound_and_what_comes_new_then_shares_one() {
        let (buckets, clock) = buckets(2, 1, 100);
        assert!((0..100).all(|key| buckets.take(&key).is_ok()));
        // 100 more find two places in all; those that were there before still have their own.
        assert_eq!((100..200).filter(|key| buckets.take(key).is_ok()).count(), 2);
        assert_eq!(buckets.shared.lock().levels.len(), 100);
        assert!((0..100).all(|key| buckets.take(&key).is_ok()));
        // Once they are full again they are forgotten, and others have room.
        clock.advance(Duration::from_secs(5));
        buckets.shared.lock().pruned = None;
        assert!((200..300).all(|key| buckets.take(&key).is_ok()));
        assert_eq!(buckets.shared.lock().levels.len(), 100);
        assert!(
            (200..300).all(|key| buckets.take(&key).is_ok())
                && (200..300).all(|key| buckets.take(&key).is_err())
        );
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let of = |text: &str| network(Some(text.parse().unwrap())).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2::9"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:3::9"), of("2001:db8:1:2::9"));
        assert_eq!(
            (of("10.1.2.3"), of("::ffff:10.1.2.3")),
            ("10.1.2.3".to_owned(), "10.1.2.3".to_owned())
        );
        assert_eq!(network(None).to_string(), "::");
    }

    #[test]
    fn a_rate_is_written_as_off_or_so_many_a_second() {
        let read = |text: &str| {
            text.parse::<Written>()
                .map(|Written(rate)| rate.map(|rate| (rate.count.get(), rate.period.as_secs())))
        };
        assert_eq!(read("off"), Ok(None));
        assert_eq!((read("5000"), read("1/s")), (Ok(Some((5_000, 1))), Ok(Some((1, 1)))));
        for wrong in ["", "0", "-1", "1/m", "1000001", "on", "5000/s/s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(Rate::KEY.count.get() >= 5_000);
    }
}
