//! Requests that may be sent twice: the first answer is kept in the transaction of the change, and given again (contract section 3,
//! `Idempotency-Key`).

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::store::{KeyRow, Store, chain};

/// How long answers are kept in microseconds: eight days, so that seven are certain.
pub const KEPT: i64 = 8 * 24 * 3_600 * 1_000_000;

/// Longest target in bytes that is kept as it is; of a longer one the hash is kept.
const MAX_TARGET: usize = 1_000;

/// A request's key: whose, for what, and the hash of its body.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Keyed {
    holder: String,
    target: String,
    key: String,
    body_hash: String,
}

/// An answer, and whether it was given before.
#[derive(Clone, PartialEq, Debug)]
pub struct Given<T> {
    /// The answer.
    pub answer: T,
    /// Whether it is the first answer given again; nothing was done this time.
    pub again: bool,
}

impl<T> Given<T> {
    /// An answer that is given for the first time.
    pub fn first(answer: T) -> Self {
        Self { answer, again: false }
    }
}

impl Keyed {
    /// The key of a request to `target`, its method and path with query.
    #[must_use]
    pub fn new(holder: &str, target: String, key: String, body: &[u8]) -> Self {
        // A reason in the query may be long; PostgreSQL's index takes 2,704 bytes a row. No method is called like this.
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

    /// Whether another request has the same scope and key; its body may be another.
    #[must_use]
    pub fn clashes(&self, other: &Self) -> bool {
        (&self.holder, &self.target, &self.key) == (&other.holder, &other.target, &other.key)
    }

    /// Refuses a second request whose body is not the first one's.
    ///
    /// # Errors
    /// 422 when the bodies differ.
    pub fn same_body(&self, body_hash: &str) -> Result<(), Error> {
        if self.body_hash == body_hash {
            return Ok(());
        }
        Err(Error::fault(
            "/Idempotency-Key",
            "key_reused",
            "this Idempotency-Key was used for another body already; a new request takes a new key",
        ))
    }

    /// The hash of its body.
    #[must_use]
    pub fn body_hash(&self) -> &str {
        &self.body_hash
    }

    /// The first answer, when there was one.
    ///
    /// # Errors
    /// 422 when the key was used for another body, or the store's.
    pub fn answered<T: DeserializeOwned>(&self, store: &Store) -> Result<Option<Given<T>>, Error> {
        let Some(row) = store.key(&self.holder, &self.target, &self.key)? else { return Ok(None) };
        self.same_body(&row.body_hash)?;
        let unreadable = |_e| {
            Error::Malformed("the answer to this Idempotency-Key was given by another version of the service and cannot be read".to_owned())
        };
        Ok(Some(Given {
            answer: serde_json::from_str(&row.answer).map_err(unreadable)?,
            again: true,
        }))
    }

    /// What is kept of an answer.
    ///
    /// # Errors
    /// Never for answers made of plain types.
    pub fn keep(&self, answer: &impl Serialize, now: i64) -> Result<KeyRow, Error> {
        Ok(KeyRow {
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
