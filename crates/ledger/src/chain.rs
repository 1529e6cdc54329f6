//! The hash chain of the ledger: each revision's hash covers everything that the revision wrote and
//! the hash before it, so that a row changed outside of the program no longer matches.
//!
//! `hash(r) = SHA-256(hash(r - 1) || revision r)`, `hash(0) = SHA-256("egov-kpi ledger 1")`. Fields
//! follow each other in the order of [`Commit`]. A whole number is 8 bytes, big-endian. A text is
//! its length in bytes as a number, followed by its UTF-8. A missing text is the number -1, a
//! missing mantissa -2^63. A list is its length as a number, followed by its entries in order of
//! their numbers. `docs/archive.md` describes the same, and `tests/chain.py` computes it in a page
//! of Python.
//!
//! Declarations are newer than the chain. A revision with declarations has their list between the
//! closings and the figures, ordered by kind and code as bytes; a revision without declarations has
//! nothing there, not even a length, so that older hashes remain valid. The origin is newer, too: a
//! revision with an origin has the number -2, which cannot be a length, and the origin as a text
//! before the figures.

use sha2::{Digest, Sha256};

use super::rows::{Commit, ObservationRow};

/// The hash of this text precedes revision 1.
const GENESIS: &str = "egov-kpi ledger 1";

/// The number that precedes the origin of a revision.
const BEFORE_ORIGIN: i64 = -2;

/// A hash of the chain.
pub type Hash = [u8; 32];

/// Bytes as lower-case hexadecimal digits, as the ledger stores a hash.
#[must_use]
pub fn digits(hash: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
    // `{:02x}` takes a part of the time of short responses, which contain a hash three times.
    let mut found = String::with_capacity(2 * hash.len());
    for byte in hash {
        found.push(digit(byte >> 4));
        found.push(digit(byte & 15));
    }
    found
}

/// Parses a hash from its 64 hexadecimal digits.
#[must_use]
pub fn read(digits: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (n, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// The hash before the first revision.
#[must_use]
pub fn beginning() -> Hash {
    Sha256::digest(GENESIS).into()
}

/// The hash of a revision that follows the hash `before`.
#[must_use]
pub fn hash(before: &Hash, commit: &Commit) -> Hash {
    let mut link = ChainHasher(Sha256::new());
    link.0.update(before);
    link.number(commit.revision.get());
    link.number(commit.recorded_at.get());
    link.text(&commit.kind);
    link.text(&commit.actor);
    link.optional_text(commit.reason.as_deref());
    link.length(usize::from(commit.submission.is_some()));
    if let Some(submission) = &commit.submission {
        link.text(&submission.id);
        link.text(&submission.source_kind);
        link.optional_text(submission.reference.as_deref());
        [submission.created, submission.revised, submission.unchanged, submission.withdrawn]
            .into_iter()
            .for_each(|count| link.number(count));
        link.text(&submission.findings);
        link.optional_text(submission.withdraws.as_deref());
    }
    link.list(
        &commit.new_measures,
        |measure| measure.id,
        |link, measure| {
            link.number(measure.id.get());
            link.text(&measure.code);
            link.text(&measure.members);
        },
    );
    link.list(
        &commit.new_units,
        |unit| unit.0,
        |link, (number, code)| {
            link.number(number.get());
            link.text(code);
        },
    );
    link.list(
        &commit.unit_versions,
        |version| version.0,
        |link, (unit, document)| {
            link.number(unit.get());
            link.text(document);
        },
    );
    link.length(usize::from(commit.catalogue.is_some()));
    if let Some((version, document)) = &commit.catalogue {
        link.number(*version);
        link.text(document);
    }
    link.list(
        &commit.closings,
        |closing| closing.0,
        |link, (month, closed)| {
            link.number(month.get());
            link.number(i64::from(*closed));
        },
    );
    if !commit.declarations.is_empty() {
        link.list(
            &commit.declarations,
            |declaration| (&declaration.kind, &declaration.code),
            |link, declaration| {
                link.text(&declaration.kind);
                link.text(&declaration.code);
                link.optional_text(declaration.document.as_deref());
            },
        );
    }
    link.origin(commit.origin.as_deref());
    link.figures(&commit.observations);
    link.0.finalize().into()
}

/// A hash being computed.
struct ChainHasher(Sha256);

impl ChainHasher {
    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(i64::try_from(length).unwrap_or(i64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text);
    }

    /// Adds the origin; nothing when the revision has none.
    fn origin(&mut self, origin: Option<&str>) {
        if let Some(origin) = origin {
            self.number(BEFORE_ORIGIN);
            self.text(origin);
        }
    }

    fn optional_text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.number(-1),
        }
    }

    fn list<'e, T, K: Ord>(
        &mut self,
        entries: &'e [T],
        order: impl Fn(&'e T) -> K,
        add: impl Fn(&mut Self, &'e T),
    ) {
        let mut entries: Vec<&'e T> = entries.iter().collect();
        entries.sort_by_key(|entry| order(entry));
        self.length(entries.len());
        entries.into_iter().for_each(|entry| add(self, entry));
    }

    /// Adds the figures in order of unit, measure and month.
    fn figures(&mut self, rows: &[ObservationRow]) {
        self.length(rows.len());
        let sorted: Vec<ObservationRow>;
        let rows = if rows.is_sorted_by_key(ObservationRow::key) {
            rows
        } else {
            let mut copy = rows.to_vec();
            copy.sort_unstable_by_key(ObservationRow::key);
            sorted = copy;
            &sorted
        };
        // One call of the hash function for some hundred figures, because it works on blocks of 64
        // bytes.
        let mut bytes = Vec::with_capacity(rows.len().min(512) * 40);
        for part in rows.chunks(512) {
            bytes.clear();
            for row in part {
                for number in [
                    row.unit.get(),
                    row.measure.get(),
                    row.month.get(),
                    row.mantissa.unwrap_or(i64::MIN),
                    row.scale,
                ] {
                    bytes.extend_from_slice(&number.to_be_bytes());
                }
            }
            self.0.update(&bytes);
        }
    }
}
