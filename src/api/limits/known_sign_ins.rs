//! Remembers which keys and token subjects have signed in from which addresses, so that failed
//! sign-ins of other clients at the same address do not lock them out.

use std::collections::HashMap;
use std::net::IpAddr;

use super::rates::network;
use crate::sync::Mutex;

/// Maximum number of remembered pairs of an address and a key or subject.
pub const MOST: usize = 100_000;

/// SHA-256 of a key, or of the subject of a token.
pub type SignInFingerprint = [u8; 32];

/// Pairs of an address and a key or subject that has signed in from there; only the most recently
/// used ones.
pub struct KnownSignIns {
    pairs: Mutex<SignInPairs>,
    most: usize,
}

#[derive(Default)]
struct SignInPairs {
    /// The last use of each pair, as a number of uses.
    used: HashMap<(IpAddr, SignInFingerprint), u64>,
    uses: u64,
}

impl Default for KnownSignIns {
    fn default() -> Self {
        Self { pairs: Mutex::new("known sign-ins", SignInPairs::default()), most: MOST }
    }
}

impl KnownSignIns {
    /// Remembers that a key or subject has signed in from an address.
    pub fn insert(&self, address: Option<IpAddr>, fingerprint: SignInFingerprint) {
        let mut pairs = self.pairs.lock();
        pairs.uses += 1;
        let (now, pair) = (pairs.uses, (network(address), fingerprint));
        if pairs.used.len() >= self.most && !pairs.used.contains_key(&pair) {
            // Keep the half that was used most recently.
            let mut all: Vec<u64> = pairs.used.values().copied().collect();
            all.sort_unstable();
            let middle = all.get(all.len() / 2).copied().unwrap_or(now);
            pairs.used.retain(|_, used| *used > middle);
        }
        pairs.used.insert(pair, now);
    }

    /// Whether a key or subject has signed in from an address.
    pub fn contains(&self, address: Option<IpAddr>, fingerprint: &SignInFingerprint) -> bool {
        self.pairs.lock().used.contains_key(&(network(address), *fingerprint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_recently_used_sign_ins_are_remembered_within_the_limit() {
        let known = KnownSignIns { pairs: Mutex::default(), most: 10 };
        let address = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        known.insert(address(0), [1; 32]);
        for n in 1..=50 {
            known.insert(address(n), [1; 32]);
            known.insert(address(0), [1; 32]);
            assert!(known.pairs.lock().used.len() <= 10);
        }
        assert!(
            known.contains(address(0), &[1; 32])
                && known.contains(address(50), &[1; 32])
                && !known.contains(address(1), &[1; 32])
        );
        assert!(!known.contains(address(0), &[2; 32]));
        // All addresses of one IPv6 network count as one.
        known.insert(Some("2001:db8::1".parse().unwrap()), [3; 32]);
        assert!(known.contains(Some("2001:db8::ffff:1".parse().unwrap()), &[3; 32]));
        assert!(!known.contains(Some("2001:db8:0:1::1".parse().unwrap()), &[3; 32]));
    }
}
