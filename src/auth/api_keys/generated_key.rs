//! The text of a new API key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::document::PREFIX;
use crate::auth::random::random;
use crate::error::Error;

/// Random bytes of a key, and characters of its identifier (5 random bits each).
const SECRET: usize = 32;
const ID: usize = 10;

/// A new key: its identifier, and the key itself.
pub struct GeneratedKey {
    /// The identifier.
    pub id: String,
    /// The text of the key, which contains the identifier.
    pub key: String,
}

impl GeneratedKey {
    /// A key of random bytes.
    ///
    /// # Errors
    /// [`Error::Environment`] when the operating system provides no random bytes.
    pub fn new() -> Result<Self, Error> {
        let id = random_id()?;
        let bytes: [u8; SECRET] = random()?;
        Ok(Self { key: format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(bytes)), id })
    }
}

/// Random characters of an identifier, from Crockford's alphabet in lower case, which has no
/// characters that look alike.
fn random_id() -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes: [u8; ID] = random()?;
    Ok(bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::api_keys::cache::ApiKeyCache;

    #[test]
    fn api_keys_are_random_and_contain_their_identifier() {
        let (one, other) = (GeneratedKey::new().unwrap(), GeneratedKey::new().unwrap());
        assert_ne!(one.id, other.id);
        assert_eq!(one.id.len(), ID);
        let secret = |of: &GeneratedKey| {
            of.key.strip_prefix(&format!("{PREFIX}{}_", of.id)).unwrap().to_owned()
        };
        assert_ne!(secret(&one), secret(&other));
        assert_eq!(one.key.len(), PREFIX.len() + ID + 1 + 43);
        assert_eq!(ApiKeyCache::default().named(&one.key), one.id);
    }
}
