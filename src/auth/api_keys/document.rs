//! An API key as the ledger stores it.

use ledger::TimestampMicros;
use serde::{Deserialize, Serialize};

use crate::auth::role::Role;

/// The kind of an API key among the ledger's declarations.
pub const API_KEY: &str = "key";
/// The kind of a revision that changes API keys.
pub const REVISION: &str = "keys";
/// Identifier of the key with its secret in a file (`EGOV_KPI_ADMIN_KEY_FILE`).
pub const ADMIN_FILE: &str = "admin-file";
/// The prefix of every key.
pub const PREFIX: &str = "ek_";

/// An API key as it is stored in the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyDocument {
    /// Name of the holder, for people.
    pub name: String,
    /// The holder's role.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// Identifier of the first key in the line of rotations, which may be its own; it stays the
    /// same when a key is rotated.
    pub holder: String,
    /// When the key was created.
    pub created_at: TimestampMicros,
    /// When the key expires; never when absent.
    pub expires_at: Option<TimestampMicros>,
    /// When the key was revoked; absent for other keys.
    pub revoked_at: Option<TimestampMicros>,
    /// The key that it replaces.
    pub replaces: Option<String>,
    /// SHA-256 of the key, in hexadecimal digits.
    pub hash: String,
    /// The HMAC that proves that an instance with the key secret wrote the row; absent without a
    /// key secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The instances have a key secret, and `code` does not match it.
    #[serde(skip)]
    pub is_unauthenticated: bool,
}

/// Whether a key can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It can be used.
    Active,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its row is not authenticated by the instances' key secret.
    Unauthenticated,
}

impl KeyDocument {
    /// The state of the key at a time.
    #[must_use]
    pub fn state(&self, now: TimestampMicros) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.is_unauthenticated {
            KeyState::Unauthenticated
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}
