//! API keys: holders, roles and validity (`docs/access.md`). They are declarations of the ledger,
//! so every change of a key is a revision of the hash chain, is part of archives, and is noticed by
//! other instances. `src/app/api_keys.rs` creates, rotates and revokes them.
//!
//! A key is `ek_`, its identifier, `_` and 256 random bits. Only its SHA-256 is stored; the key
//! itself is shown once.

mod authentication;
pub mod cache;
pub mod document;
mod generated_key;
pub mod refresher;
mod setup_token;

pub use authentication::KeySecret;
pub use generated_key::GeneratedKey;
pub use setup_token::SetupToken;

use cache::ApiKeyCache;
use document::{KeyDocument, KeyState};

use crate::clock::process_time;
use crate::error::Error;

/// All keys of a ledger by their identifiers, checked against the secret of the instances if one is
/// given.
///
/// # Errors
/// Those of the store, and [`ledger::StoreError::Corrupt`] for a key that cannot be parsed.
pub fn stored_keys(
    store: &ledger::Store,
    secret: Option<KeySecret>,
) -> Result<Vec<(String, KeyDocument)>, Error> {
    let api_keys = ApiKeyCache::new(secret);
    api_keys.catch_up(store)?;
    Ok(api_keys.documents().into_iter().collect())
}

/// The identifiers of those keys of a ledger that are in force but not authenticated by a secret.
///
/// # Errors
/// Those of the store, and [`ledger::StoreError::Corrupt`] for a key that cannot be parsed.
pub fn unauthenticated_keys(
    store: &ledger::Store,
    secret: KeySecret,
) -> Result<Vec<String>, Error> {
    Ok(stored_keys(store, Some(secret))?
        .into_iter()
        .filter(|(_, document)| document.state(process_time()) == KeyState::Unauthenticated)
        .map(|(id, _)| id)
        .collect())
}
