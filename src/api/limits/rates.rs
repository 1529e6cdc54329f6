//! Rate limits: requests of the holder of a key, requests of an address without a key, failed
//! sign-ins of an address.
//!
//! Each limit is a bucket (GCRA, by governor) with the amount of one second or one minute. A
//! request that finds it empty gets 429 with the seconds to wait. Memory is limited: full buckets
//! are dropped, and when [`MOST`] buckets are in use, all new clients share one.

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

use crate::sync::Mutex;

/// Maximum number of buckets of a kind.
pub const MOST: usize = 100_000;
/// Minimum interval between removals of full buckets.
const PRUNE_EVERY: Duration = Duration::from_secs(1);
/// Number of bits of an IPv6 address that identify a client: a household or an office usually has a
/// whole network of this size.
const IPV6_BITS: u32 = 64;

/// The allowed number of events in a period; all of them may occur at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// The number of events.
    pub count: NonZeroU32,
    /// The period.
    pub period: Duration,
}

impl RateLimit {
    /// The default for the holder of a key.
    pub const KEY: Self = Self::a_second(5_000);
    /// The default for an address without a key.
    pub const ADDRESS: Self = Self::a_second(500);
    /// The default for failed sign-ins of an address.
    pub const SIGN_IN: Self = Self { count: at_least_one(60), period: Duration::from_secs(60) };

    /// This many events per second; at least one.
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

/// A rate on the command line: `off`, or a number per second: `5000` or `5000/s`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateArg(pub Option<RateLimit>);

impl FromStr for RateArg {
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
            "expected a number of requests per second, 1 to 1000000, or off".to_owned()
        })?;
        Ok(Self(Some(RateLimit { count, period: Duration::from_secs(1) })))
    }
}

/// All buckets.
pub struct RateLimiters {
    keys: Option<RateBuckets<String>>,
    addresses: Option<RateBuckets<IpAddr>>,
    sign_ins: Option<RateBuckets<IpAddr>>,
}

impl RateLimiters {
    /// Rate limits with full buckets; no limit where the rate is `None`.
    #[must_use]
    pub fn new(
        key: Option<RateLimit>,
        address: Option<RateLimit>,
        sign_in: Option<RateLimit>,
    ) -> Self {
        let addresses = |rate: Option<RateLimit>| rate.map(|rate| RateBuckets::new(rate, MOST));
        Self {
            keys: key.map(|rate| RateBuckets::new(rate, MOST)),
            addresses: addresses(address),
            sign_ins: addresses(sign_in),
        }
    }

    /// Counts a request of the holder of a key.
    ///
    /// # Errors
    /// The time until the next request is allowed.
    pub fn key(&self, holder: &str) -> Result<(), Duration> {
        self.keys.as_ref().map_or(Ok(()), |buckets| buckets.take(&holder.to_owned()))
    }

    /// Counts a request without a key.
    ///
    /// # Errors
    /// The time until the next request is allowed.
    pub fn address(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.addresses.as_ref().map_or(Ok(()), |buckets| buckets.take(&network(address)))
    }

    /// Whether an address may try to sign in; it may not after too many failed tries.
    ///
    /// # Errors
    /// The time until it may try again.
    pub fn may_sign_in(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.sign_ins.as_ref().map_or(Ok(()), |buckets| buckets.peek(&network(address)))
    }

    /// Counts a failed sign-in.
    pub fn failed(&self, address: Option<IpAddr>) {
        if let Some(buckets) = &self.sign_ins {
            let _empty_already = buckets.take(&network(address));
        }
    }
}

/// The address under which a client is counted: itself, or its IPv6 network. Clients without an
/// address count as one.
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

/// A governor limiter over the shared buckets.
type BucketLimiter<K, C> = RateLimiter<K, BucketStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Buckets by key, up to a maximum number.
struct RateBuckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    taking: BucketLimiter<K, C>,
    /// The same buckets, for checks that take nothing.
    looking: BucketLimiter<K, C>,
    shared: Arc<Mutex<BucketLevels<K>>>,
    clock: C,
}

impl<K: Hash + Eq + Clone> RateBuckets<K> {
    fn new(rate: RateLimit, most: usize) -> Self {
        Self::by(rate, most, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> RateBuckets<K, C> {
    fn by(rate: RateLimit, most: usize, clock: C) -> Self {
        let shared = Arc::new(Mutex::new(
            "rates",
            BucketLevels { levels: HashMap::new(), rest: None, most, pruned: None },
        ));
        let of = |keeps: bool| {
            RateLimiter::new(
                rate.quota(),
                BucketStore { shared: Arc::clone(&shared), keeps },
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

    fn peek(&self, key: &K) -> Result<(), Duration> {
        self.looking.check_key(key).map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// The level of each bucket, as the theoretical arrival time of governor.
struct BucketLevels<K> {
    levels: HashMap<K, Nanos>,
    /// The one bucket shared by all keys beyond the maximum.
    rest: Option<Nanos>,
    most: usize,
    /// When full buckets were last removed.
    pruned: Option<Instant>,
}

impl<K> BucketLevels<K> {
    /// Whether to remove full buckets: the map is full, and the last removal, which visits every
    /// bucket, was not just now.
    fn is_due(&mut self) -> bool {
        let due = self.levels.len() >= self.most
            && self.pruned.is_none_or(|last| last.elapsed() >= PRUNE_EVERY);
        if due {
            self.pruned = Some(Instant::now());
        }
        due
    }
}

/// The store through which governor uses the shared buckets.
struct BucketStore<K> {
    shared: Arc<Mutex<BucketLevels<K>>>,
    /// Whether changes are stored; false for checks that take nothing.
    keeps: bool,
}

impl<K: Hash + Eq + Clone> StateStore for BucketStore<K> {
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

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for BucketStore<K> {
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
    ) -> (RateBuckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (
            RateBuckets::by(
                RateLimit {
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
    fn a_bucket_holds_one_period_and_refills_evenly() {
        let (buckets, clock) = buckets(4, 1, 10);
        assert!((0..4).all(|_| buckets.take(&1).is_ok()));
        assert_eq!(buckets.take(&1), Err(Duration::from_millis(250)));
        // Another key has another bucket.
        assert!(buckets.take(&2).is_ok());
        clock.advance(Duration::from_millis(250));
        assert!(buckets.take(&1).is_ok() && buckets.take(&1).is_err());
        clock.advance(Duration::from_secs(1));
        assert!((0..4).all(|_| buckets.take(&1).is_ok()) && buckets.take(&1).is_err());
    }

    #[test]
    fn peeking_takes_nothing_and_sees_earlier_takes() {
        let (buckets, clock) = buckets(2, 60, 10);
        assert!((0..10).all(|_| buckets.peek(&1).is_ok()));
        assert!(buckets.take(&1).is_ok() && buckets.peek(&1).is_ok() && buckets.take(&1).is_ok());
        assert_eq!(buckets.peek(&1), Err(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        assert!(buckets.peek(&1).is_ok());
    }

    #[test]
    fn at_the_bucket_limit_new_clients_share_one_bucket() {
        let (buckets, clock) = buckets(2, 1, 100);
        assert!((0..100).all(|key| buckets.take(&key).is_ok()));
        // 100 new keys share the 2 events of one bucket; the keys known before still have their
        // own.
        assert_eq!((100..200).filter(|key| buckets.take(key).is_ok()).count(), 2);
        assert_eq!(buckets.shared.lock().levels.len(), 100);
        assert!((0..100).all(|key| buckets.take(&key).is_ok()));
        // Full buckets are removed, which makes room for others.
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
    fn parses_a_rate_as_off_or_requests_per_second() {
        let read = |text: &str| {
            text.parse::<RateArg>()
                .map(|RateArg(rate)| rate.map(|rate| (rate.count.get(), rate.period.as_secs())))
        };
        assert_eq!(read("off"), Ok(None));
        assert_eq!((read("5000"), read("1/s")), (Ok(Some((5_000, 1))), Ok(Some((1, 1)))));
        for wrong in ["", "0", "-1", "1/m", "1000001", "on", "5000/s/s"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(RateLimit::KEY.count.get() >= 5_000);
    }
}
