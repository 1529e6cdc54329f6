//! Idempotency keys: the first response is stored in the transaction of the change, and repeated
//! for later requests with the key (`docs/specification.md#idempotency`).

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Error;
use ledger::{IdempotencyRow, KeyName, RevisionNumber, RevisionRow, Store, TimestampMicros, chain};

/// A response to a write. It is stored without the revision's hash, which covers the whole revision
/// and is known only after the commit.
pub trait WriteResponse {
    /// The revision that the response names.
    fn revision(&self) -> Option<RevisionNumber>;

    /// Sets the revision's hash, 64 hexadecimal digits.
    fn set_revision_hash(&mut self, hash: String);
}

/// The default of `recorded` for stored responses of older versions, which lack the field: most of
/// them made a revision.
pub(super) fn recorded_unless_told() -> bool {
    true
}

/// Retention of responses in microseconds: eight days, so that clients can rely on seven.
pub const RETENTION: i64 = 8 * 24 * 3_600 * 1_000_000;

/// The field of a revision's origin that holds the mark of its request.
const REQUEST_DIGEST_FIELD: &str = "request";
/// Longest target (method and path) in bytes that is stored as text; longer ones are stored as
/// their hash.
const MAX_TARGET: usize = 1_000;

/// An idempotency key with its scope (holder and target) and the hash of the request's body.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdempotencyKey {
    holder: String,
    target: String,
    key: String,
    body_hash: String,
}

/// A response, and whether it is a repeated one.
#[derive(Clone, PartialEq, Debug)]
pub struct Replayable<T> {
    /// The response.
    pub answer: T,
    /// Whether the response is the stored one, repeated; the request was not processed again.
    pub replayed: bool,
}

impl<T> Replayable<T> {
    /// A response to a request that was processed now.
    pub fn first(answer: T) -> Self {
        Self { answer, replayed: false }
    }
}

impl IdempotencyKey {
    /// The key of a request; `target` is its method and path with query.
    #[must_use]
    pub fn new(holder: &str, target: String, key: String, body: &[u8]) -> Self {
        // A reason in the query may be long, and an index row of PostgreSQL takes at most 2,704
        // bytes. No method begins with `sha256:`.
        let target = if target.len() > MAX_TARGET {
            format!("sha256:{}", chain::digits(&Sha256::digest(target)))
        } else {
            target
        };
        Self {
            holder: holder.to_owned(),
            target,
            key,
            body_hash: chain::digits(&Sha256::digest(body)),
        }
    }

    /// The key of a request that names none: requests with equal bodies are the same one.
    #[must_use]
    pub fn of_body(holder: &str, target: String, body: &[u8]) -> Self {
        Self::new(holder, target, chain::digits(&Sha256::digest(body)), body)
    }

    /// What names the key in the ledger.
    #[must_use]
    pub fn name(&self) -> KeyName<'_> {
        KeyName { holder: &self.holder, target: &self.target, key: &self.key }
    }

    /// Whether another request has the same scope and key, whatever its body is.
    #[must_use]
    pub fn has_same_key(&self, other: &Self) -> bool {
        self.name() == other.name()
    }

    /// Checks that the body of a repeated request equals the first one.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the code `key_reused` when the bodies differ.
    pub fn check_same_body(&self, body_hash: &str) -> Result<(), Error> {
        if self.body_hash == body_hash {
            return Ok(());
        }
        Err(Error::fault(
            "/Idempotency-Key",
            "key_reused",
            "this Idempotency-Key was already used with another body; use a new key for a new \
             request",
        ))
    }

    /// The hash of the request's body.
    #[must_use]
    pub fn body_hash(&self) -> &str {
        &self.body_hash
    }

    /// The mark that the revision of this request keeps under the hash chain. It confirms that a
    /// stored response, which the chain does not cover, belongs to this request.
    fn request_digest(&self) -> String {
        let mut digest = Sha256::new();
        for part in [&self.holder, &self.target, &self.key, &self.body_hash] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        chain::digits(&digest.finalize())
    }

    /// The origin of a revision that this request makes: `origin` with the request's mark.
    #[must_use]
    pub fn mark_origin(&self, origin: Option<String>) -> Option<String> {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(origin.as_deref()?) else {
            return origin;
        };
        fields.insert(REQUEST_DIGEST_FIELD.to_owned(), Value::String(self.request_digest()));
        Some(Value::Object(fields).to_string())
    }

    /// Whether the ledger confirms a stored response: the revision that the response names must
    /// have been made by this request. A response that names no revision of its own cannot be
    /// checked.
    fn is_confirmed(&self, answer: &str, named: Option<&RevisionRow>) -> bool {
        let recorded = serde_json::from_str::<Value>(answer)
            .ok()
            .and_then(|answer| answer.get("recorded")?.as_bool());
        let origin =
            named.and_then(|row| serde_json::from_str::<Value>(row.origin.as_deref()?).ok());
        recorded == Some(false)
            || origin.is_some_and(|origin| {
                origin.get(REQUEST_DIGEST_FIELD).and_then(Value::as_str)
                    == Some(self.request_digest().as_str())
            })
    }

    /// The first response to this key, if there is one, with the hash of the revision that it
    /// names.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key was used with another body, [`Error::Conflict`] when the
    /// ledger does not confirm the response, or those of the store.
    pub fn load_replay<T: DeserializeOwned + WriteResponse>(
        &self,
        store: &Store,
    ) -> Result<Option<Replayable<T>>, Error> {
        let found = store.idempotent_response(self.name())?;
        found.map(|row| self.read_replay(&row, store)).transpose()
    }

    /// As [`IdempotencyKey::load_replay`], from the row of this key.
    ///
    /// # Errors
    /// As for [`IdempotencyKey::load_replay`].
    pub fn read_replay<T: DeserializeOwned + WriteResponse>(
        &self,
        row: &IdempotencyRow,
        store: &Store,
    ) -> Result<Replayable<T>, Error> {
        self.check_same_body(&row.body_hash)?;
        let unreadable = |_e| {
            Error::Malformed(
                "the stored response to this Idempotency-Key was written by another version of the \
                 service and cannot be read"
                    .to_owned(),
            )
        };
        let mut answer: T = serde_json::from_str(&row.answer).map_err(unreadable)?;
        let named = answer
            .revision()
            .filter(|revision| *revision > RevisionNumber::BEGINNING)
            .map(|revision| store.revision(revision))
            .transpose()?
            .flatten();
        if !self.is_confirmed(&row.answer, named.as_ref()) {
            tracing::error!(
                revision = answer.revision().map(RevisionNumber::get),
                "a stored response to an Idempotency-Key names a revision that its request did not \
                 make"
            );
            let detail = "the ledger does not confirm the stored response to this Idempotency-Key; \
                nothing was recorded: check which figures are there, then send the missing ones \
                with a new key";
            return Err(Error::Conflict { detail: detail.to_owned(), obstacles: Vec::new() });
        }
        answer.set_revision_hash(
            named.and_then(|row| row.hash).unwrap_or_else(|| chain::digits(&chain::beginning())),
        );
        Ok(Replayable { answer, replayed: true })
    }

    /// The row that stores a response to this key.
    ///
    /// # Errors
    /// Never for responses of plain types.
    pub fn to_row(
        &self,
        answer: &impl Serialize,
        now: TimestampMicros,
    ) -> Result<IdempotencyRow, Error> {
        Ok(IdempotencyRow {
            holder: self.holder.clone(),
            target: self.target.clone(),
            key: self.key.clone(),
            body_hash: self.body_hash.clone(),
            recorded_at: now,
            answer: serde_json::to_string(answer)
                .map_err(|error| Error::Malformed(error.to_string()))?,
        })
    }
}
