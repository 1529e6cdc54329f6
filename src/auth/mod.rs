//! Authentication and permissions of the senders of requests (`docs/access.md`): identities and
//! roles, and the API keys, tokens and sessions by which people and programs sign in.
//!
//! Nothing here changes the ledger or knows HTTP. `src/app` records changes of keys and sessions,
//! `src/api/access.rs` identifies the senders of requests.
//!
//! | file | holds |
//! |---|---|
//! | `role.rs`, `identity.rs` | the roles; who somebody is, and what they may write |
//! | `api_keys/document.rs` | an API key as the ledger stores it |
//! | `api_keys/generated_key.rs` | the text of a new key |
//! | `api_keys/authentication.rs` | the secret of the instances; authenticates the rows of keys |
//! | `api_keys/cache.rs` | the API key cache in memory, used for every request |
//! | `api_keys/refresher.rs` | the thread that applies changes of other instances |
//! | `api_keys/setup_token.rs` | the one-time token before the first key exists |
//! | `oidc.rs` | tokens of a single sign-on |
//! | `sessions.rs` | the cookies of the web pages |
//!
//! The thread of `refresher.rs` also records when keys were used.

pub mod api_keys;
pub mod identity;
pub mod oidc;
mod random;
pub mod role;
pub mod sessions;
