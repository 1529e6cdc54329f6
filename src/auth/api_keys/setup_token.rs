//! The one-time token that replaces a key until the first key exists.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::auth::random::random;
use crate::error::Error;

/// The prefix of every one-time token.
const PREFIX: &str = "setup_";

/// A one-time token, of which only the hash is kept.
#[derive(Clone)]
pub struct SetupToken {
    hash: [u8; 32],
}

impl SetupToken {
    /// A new token of 256 random bits, and its text, which is shown once.
    ///
    /// # Errors
    /// [`Error::Environment`] when the operating system provides no random bytes.
    pub fn new() -> Result<(Self, String), Error> {
        use base64::Engine;
        let bytes: [u8; 32] = random()?;
        let text =
            format!("{PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes));
        Ok((Self { hash: Sha256::digest(&text).into() }, text))
    }

    /// Whether a text is this token. Compares in constant time.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(text).into();
        hash.ct_eq(&self.hash).into()
    }
}

impl std::fmt::Debug for SetupToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupToken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_token_matches_only_its_own_text() {
        let ((one, text), (other, _)) = (SetupToken::new().unwrap(), SetupToken::new().unwrap());
        assert!(
            one.is(&text) && !other.is(&text) && !one.is("") && !one.is(&text[..text.len() - 1])
        );
        assert!(text.starts_with(PREFIX) && text.len() >= 48);
        assert!(!format!("{one:?}").contains(&text[6..]));
    }
}
