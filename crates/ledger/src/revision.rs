//! The names of a revision: its number alone, or number and hash
//! (`docs/specification.md#revisions`).
//!
//! A restored database, or a server that took over without the last revisions, assigns numbers a
//! second time. The hash covers everything recorded up to a revision, so number and hash together
//! name one revision of one history.

use std::fmt;
use std::str::FromStr;

use super::chain::{self, Hash};
use super::numbers::RevisionNumber;

/// Fewest digits that are accepted as the beginning of a hash.
const MIN_DIGITS: usize = 8;
/// Number of digits of a whole hash.
const MAX_DIGITS: usize = 2 * size_of::<Hash>();
/// Number of digits in the short form, which is used in entity tags, cursors and the log.
const SHORT_DIGITS: usize = 16;

/// One revision of one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevisionId {
    /// The number; 0 before the first revision.
    pub number: RevisionNumber,
    /// Its hash.
    pub hash: Hash,
}

impl RevisionId {
    /// The position before the first revision.
    #[must_use]
    pub fn beginning() -> Self {
        Self { number: RevisionNumber::BEGINNING, hash: chain::beginning() }
    }

    /// The hash as responses carry it: 64 hexadecimal digits.
    #[must_use]
    pub fn digits(&self) -> String {
        chain::digits(&self.hash)
    }

    /// `12-9f3a5b7c9d1e2f30`: the number and the first digits of the hash.
    #[must_use]
    pub fn short(&self) -> String {
        let digits = chain::digits(self.hash.get(..SHORT_DIGITS / 2).unwrap_or_default());
        format!("{}-{digits}", self.number)
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.number, self.digits())
    }
}

/// A revision as a client names it: `N`, or `N-HASH` with at least the first eight digits of the
/// hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RevisionRef {
    /// The number.
    pub number: RevisionNumber,
    hash: Option<HashPrefix>,
}

/// The first digits of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct HashPrefix {
    bytes: Hash,
    digits: usize,
}

/// A text that is not the name of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a revision is a whole number from 0, or its number and at least {MIN_DIGITS} digits of its \
     hash, such as 12-9f3a5b7c"
)]
pub struct MalformedRevision;

impl RevisionRef {
    /// Whether the client named the hash as well.
    #[must_use]
    pub fn names_hash(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether a revision is the one that is named. A bare number matches any revision with that
    /// number.
    #[must_use]
    pub fn is(&self, id: &RevisionId) -> bool {
        self.number == id.number && self.hash.is_none_or(|prefix| prefix.begins(&id.hash))
    }
}

impl HashPrefix {
    fn begins(&self, hash: &Hash) -> bool {
        let nibbles = |hash: &Hash| {
            hash.iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .take(self.digits)
                .collect::<Vec<u8>>()
        };
        nibbles(&self.bytes) == nibbles(hash)
    }
}

impl From<RevisionNumber> for RevisionRef {
    fn from(number: RevisionNumber) -> Self {
        Self { number, hash: None }
    }
}

impl From<RevisionId> for RevisionRef {
    fn from(id: RevisionId) -> Self {
        Self { number: id.number, hash: Some(HashPrefix { bytes: id.hash, digits: MAX_DIGITS }) }
    }
}

impl FromStr for RevisionRef {
    type Err = MalformedRevision;

    fn from_str(text: &str) -> Result<Self, MalformedRevision> {
        let (number, digits) =
            text.split_once('-').map_or((text, None), |(number, digits)| (number, Some(digits)));
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MalformedRevision);
        }
        let number =
            number.parse().map(RevisionNumber::new).map_err(|_too_large| MalformedRevision)?;
        let hash =
            digits.map(|digits| HashPrefix::read(digits).ok_or(MalformedRevision)).transpose()?;
        Ok(Self { number, hash })
    }
}

impl HashPrefix {
    fn read(text: &str) -> Option<Self> {
        let digits = text.len();
        if !(MIN_DIGITS..=MAX_DIGITS).contains(&digits)
            || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            return None;
        }
        let mut filled = String::with_capacity(MAX_DIGITS);
        filled.push_str(text);
        filled.extend(std::iter::repeat_n('0', MAX_DIGITS - digits));
        Some(Self { bytes: chain::read(&filled)?, digits })
    }
}

impl fmt::Display for RevisionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        match &self.hash {
            Some(prefix) => write!(
                f,
                "-{}",
                chain::digits(&prefix.bytes).chars().take(prefix.digits).collect::<String>()
            ),
            None => Ok(()),
        }
    }
}

/// The newest revision of the ledger as the caller of a write knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedHead {
    /// The newest revision's number.
    pub number: RevisionNumber,
    /// Its hash; `None` compares the number only.
    pub hash: Option<Hash>,
}

impl From<RevisionNumber> for ExpectedHead {
    fn from(number: RevisionNumber) -> Self {
        Self { number, hash: None }
    }
}

impl From<RevisionId> for ExpectedHead {
    fn from(id: RevisionId) -> Self {
        Self { number: id.number, hash: Some(id.hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(first: u8) -> Hash {
        let mut hash = Hash::default();
        hash[..4].copy_from_slice(&[first, 0x12, 0x34, 0xab]);
        hash
    }

    #[test]
    fn parses_a_revision_number_with_an_optional_hash_prefix() {
        let id = RevisionId { number: RevisionNumber::new(12), hash: hash(0x9f) };
        for named in ["12", "12-9f1234ab", "12-9F1234AB0", &id.to_string(), &id.short()] {
            let named: RevisionRef = named.parse().unwrap();
            assert!(named.is(&id), "{named}");
            assert!(!named.is(&RevisionId { number: id.number.next(), ..id }), "{named}");
            assert_eq!(
                named.is(&RevisionId { hash: hash(0x8f), ..id }),
                !named.names_hash(),
                "{named}"
            );
        }
        assert_eq!("12-9F1234AB0".parse::<RevisionRef>().unwrap().to_string(), "12-9f1234ab0");
        assert_eq!(RevisionRef::from(id).to_string(), id.to_string());
    }

    #[test]
    fn refuses_text_that_is_not_a_revision() {
        let long = format!("1-{}", "a".repeat(65));
        for wrong in [
            "",
            "-1",
            "-",
            "1-",
            "1-9f1234a",
            "1-9f1234ag",
            "1-9f1234ab-1",
            "+1",
            " 1",
            "1.0",
            "99999999999999999999",
            &long,
            "2021-11-05T00:00:00Z",
        ] {
            assert_eq!(wrong.parse::<RevisionRef>(), Err(MalformedRevision), "{wrong}");
        }
    }
}
