//! Authentication of key rows with a secret that only the instances have (`--key-secret-file`).
//!
//! The hash chain has no secret: whoever can write to the database can append a revision with a
//! correct hash and a forged key. With the secret each key row carries an HMAC-SHA-256 over its
//! identifier and its document; a key without the correct HMAC is refused.

use std::path::Path;

use ring::hmac;

use super::document::KeyDocument;
use crate::error::Error;
use ledger::chain;

/// Fewest characters of a key secret.
const MIN_SECRET: usize = 32;

/// The key secret that all instances of one ledger share.
pub struct KeySecret(hmac::Key);

impl KeySecret {
    /// Reads the secret from a file that contains one line of at least 32 printable characters.
    ///
    /// # Errors
    /// [`Error::Usage`] when the file cannot be read or has another content.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: std::io::Error| {
            Error::Usage(format!("the key secret file {} cannot be read: {error}", path.display()))
        };
        Self::new(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    fn new(content: &str) -> Result<Self, Error> {
        let content = content.trim();
        if content.len() < MIN_SECRET || !content.bytes().all(|byte| byte.is_ascii_graphic()) {
            let sentence = format!(
                "the key secret file must contain one line of at least {MIN_SECRET} printable \
                 characters, such as the output of `openssl rand -hex 32`"
            );
            return Err(Error::Usage(sentence));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, content.as_bytes())))
    }

    /// The HMAC of a key row, 64 hexadecimal digits.
    pub(super) fn authentication_code(&self, id: &str, document: &KeyDocument) -> String {
        chain::digits(hmac::sign(&self.0, &message(id, document)).as_ref())
    }

    /// Whether a key row has the correct HMAC. Compares in constant time.
    pub(super) fn authenticates(&self, id: &str, document: &KeyDocument) -> bool {
        let code = document.code.as_deref().and_then(chain::read);
        code.is_some_and(|code| hmac::verify(&self.0, &message(id, document), &code).is_ok())
    }
}

/// The bytes that the HMAC covers: the identifier, and the document without its HMAC.
fn message(id: &str, document: &KeyDocument) -> Vec<u8> {
    let document = KeyDocument { code: None, ..document.clone() };
    let text = serde_json::to_string(&document).unwrap_or_default();
    format!("{id}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::role::Role;
    use ledger::TimestampMicros;

    fn document(role: Role) -> KeyDocument {
        KeyDocument {
            name: "n".to_owned(),
            role,
            unit: None,
            holder: "a".to_owned(),
            created_at: TimestampMicros::new(1),
            expires_at: None,
            revoked_at: None,
            replaces: None,
            hash: "00".repeat(32),
            code: None,
            is_unauthenticated: false,
        }
    }

    #[test]
    fn an_authentication_code_is_valid_only_for_its_row_and_secret() {
        let (secret, other) =
            (KeySecret::new(&"s".repeat(32)).unwrap(), KeySecret::new(&"t".repeat(32)).unwrap());
        let mut reader = document(Role::Reader);
        assert!(!secret.authenticates("a", &reader));
        reader.code = Some(secret.authentication_code("a", &reader));
        assert!(
            secret.authenticates("a", &reader)
                && !secret.authenticates("b", &reader)
                && !other.authenticates("a", &reader)
        );
        let admin = KeyDocument { role: Role::Admin, ..reader.clone() };
        assert!(!secret.authenticates("a", &admin));
        let unended = KeyDocument { revoked_at: Some(TimestampMicros::new(5)), ..reader };
        assert!(!secret.authenticates("a", &unended));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(KeySecret::new("short").is_err() && KeySecret::new(&" x".repeat(40)).is_err());
    }
}
