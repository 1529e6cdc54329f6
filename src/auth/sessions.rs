//! Sessions of the web pages (`docs/pages.md`).
//!
//! A person signs in with a key, or with a token of the single sign-on; both are called key below.
//! The browser gets a cookie of 256 random bits. The database keeps the hash of the cookie, and the
//! key encrypted with the cookie, so that
//! - a session has exactly the permissions of its key, and ends when the key ends, because each
//!   request checks the key again;
//! - somebody who reads the table learns no key, and somebody who inserts a row is not signed in,
//!   because a row must contain a valid key.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::random::random;
use crate::error::Error;
use crate::sync::Mutex;
use ledger::{SessionRow, TimestampMicros, chain};

/// Time after which an unused session ends, in microseconds.
pub const IDLE_LIMIT: i64 = 8 * 3_600 * 1_000_000;
/// Time after which a session ends in any case, in microseconds.
pub const AGE_LIMIT: i64 = 7 * 24 * 3_600 * 1_000_000;
/// The use of a session is recorded at most once in this time, in microseconds.
const USE_INTERVAL: i64 = 60 * 1_000_000;
/// How long an instance relies on a session that it has read. Another instance
/// may have ended it.
const TRUSTED: Duration = Duration::from_secs(1);
/// Most sessions that an instance remembers between requests, and most bytes of their keys.
const MAX_REMEMBERED: usize = 20_000;
const MAX_REMEMBERED_BYTES: usize = 16 << 20;

/// The cookie of a session.
#[derive(Clone)]
pub struct SessionCookie([u8; 32]);

impl SessionCookie {
    /// A cookie of random bits, for a new session.
    ///
    /// # Errors
    /// [`Error::Environment`] when the operating system provides no random bytes.
    pub fn new() -> Result<Self, Error> {
        Ok(Self(random()?))
    }

    /// Reads a cookie; `None` for a text that no session has.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The text of the cookie.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The token that forms of this session carry. A page of another site cannot read it.
    #[must_use]
    pub fn form_token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.derived("form"))
    }

    /// Whether a form carries the token of this session. Compares in constant time.
    #[must_use]
    pub fn has_form_token(&self, token: &str) -> bool {
        self.form_token().as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// The hash by which the database knows the session.
    #[must_use]
    pub fn id(&self) -> String {
        chain::digits(&Sha256::digest(self.0))
    }

    /// 32 bytes for one purpose.
    fn derived(&self, purpose: &str) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&key, purpose.as_bytes()).as_ref());
        bytes
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&CHACHA20_POLY1305, &self.derived("seal")).ok().map(LessSafeKey::new)
    }

    /// The row of a session that begins at `now`, with the key of its holder.
    ///
    /// # Errors
    /// [`Error::Environment`] when the key cannot be encrypted.
    pub fn begin(&self, key: &str, now: TimestampMicros) -> Result<SessionRow, Error> {
        let sealed = self.seal(key)?;
        Ok(SessionRow { id: self.id(), sealed, created_at: now, last_used_at: now })
    }

    fn seal(&self, key: &str) -> Result<String, Error> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = key.as_bytes().to_vec();
        self.cipher()
            .and_then(|cipher| {
                let about = Aad::from(self.id());
                let nonce = Nonce::assume_unique_for_key(nonce);
                cipher.seal_in_place_append_tag(nonce, about, &mut sealed).ok()
            })
            .ok_or_else(|| {
                Error::environment("cannot begin a session")(std::io::Error::other(
                    "the key cannot be encrypted",
                ))
            })?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    fn unseal(&self, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut rest = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let key = self.cipher()?.open_in_place(nonce, Aad::from(self.id()), &mut rest).ok()?;
        String::from_utf8(key.to_vec()).ok()
    }
}

/// The sessions that this instance has seen last, by the identifiers of their cookies.
pub struct SessionCache(Mutex<RememberedSessions>);

#[derive(Default)]
struct RememberedSessions {
    by_id: HashMap<String, RememberedSession>,
    /// The length of all keys.
    bytes: usize,
}

impl RememberedSessions {
    fn insert(&mut self, id: String, session: RememberedSession) {
        self.remove(&id);
        let bytes = session.key.len();
        if self.by_id.len() >= MAX_REMEMBERED || self.bytes + bytes > MAX_REMEMBERED_BYTES {
            *self = Self::default();
        }
        self.bytes += bytes;
        self.by_id.insert(id, session);
    }

    fn remove(&mut self, id: &str) {
        self.bytes -= self.by_id.remove(id).map_or(0, |session| session.key.len());
    }
}

/// A session as it was read last.
struct RememberedSession {
    key: String,
    /// Without the encrypted key.
    row: SessionRow,
    read_at: Instant,
}

impl Default for SessionCache {
    fn default() -> Self {
        Self(Mutex::new("sessions", RememberedSessions::default()))
    }
}

impl SessionCache {
    /// The key of a session, if the session was read so recently that this instance relies on it,
    /// and its use need not be recorded again.
    #[must_use]
    pub fn trusted_key(&self, cookie: &SessionCookie, now: TimestampMicros) -> Option<String> {
        let sessions = self.0.lock();
        let known = sessions.by_id.get(&cookie.id())?;
        let is_trusted = has_not_ended(&known.row, now)
            && known.read_at.elapsed() < TRUSTED
            && !has_use_to_record(&known.row, now);
        is_trusted.then(|| known.key.clone())
    }

    /// Whether this instance has read a session so recently that it need not read it again.
    #[must_use]
    pub fn contains(&self, cookie: &SessionCookie) -> bool {
        self.0.lock().by_id.contains_key(&cookie.id())
    }

    /// Remembers a session as it was read now, and returns its key; `None` when the cookie belongs
    /// to no session.
    pub fn remember(&self, cookie: &SessionCookie, row: Option<SessionRow>) -> Option<String> {
        let id = cookie.id();
        let found = row.and_then(|row| Some((cookie.unseal(&row.sealed)?, row)));
        let mut sessions = self.0.lock();
        let Some((key, row)) = found else {
            sessions.remove(&id);
            return None;
        };
        let (read_at, row) = (Instant::now(), SessionRow { sealed: String::new(), ..row });
        sessions.insert(id, RememberedSession { key: key.clone(), row, read_at });
        Some(key)
    }

    /// Forgets a session that ends.
    pub fn forget(&self, cookie: &SessionCookie) {
        self.0.lock().remove(&cookie.id());
    }
}

/// Whether a session has not ended.
#[must_use]
pub fn has_not_ended(row: &SessionRow, now: TimestampMicros) -> bool {
    now.since(row.last_used_at) < IDLE_LIMIT && now.since(row.created_at) < AGE_LIMIT
}

/// Whether the use of a session has to be recorded again.
#[must_use]
pub fn has_use_to_record(row: &SessionRow, now: TimestampMicros) -> bool {
    now.since(row.last_used_at) >= USE_INTERVAL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_remembered_sessions_have_a_limit_of_bytes() {
        let cache = SessionCache::default();
        let long = "x".repeat(16_384);
        for _ in 0..=MAX_REMEMBERED_BYTES / long.len() {
            let cookie = SessionCookie::new().unwrap();
            let row = cookie.begin(&long, TimestampMicros::new(0)).unwrap();
            assert_eq!(cache.remember(&cookie, Some(row)).as_deref(), Some(long.as_str()));
            assert!(cache.contains(&cookie));
            let bytes = cache.0.lock().bytes;
            assert!(bytes <= MAX_REMEMBERED_BYTES);
            assert_eq!(bytes, cache.0.lock().by_id.len() * long.len());
            cache.remember(&cookie, Some(cookie.begin(&long, TimestampMicros::new(0)).unwrap()));
            assert_eq!(cache.0.lock().bytes, bytes, "the same session twice");
        }
        assert!(cache.0.lock().by_id.len() < 3, "all are forgotten at the limit");
    }

    #[test]
    fn a_sealed_key_can_be_read_with_its_cookie_alone() {
        let (cookie, other) = (SessionCookie::new().unwrap(), SessionCookie::new().unwrap());
        let sealed = cookie.seal("ek_a_b").unwrap();
        assert_eq!(cookie.unseal(&sealed).as_deref(), Some("ek_a_b"));
        assert_eq!(other.unseal(&sealed), None);
        assert!(!sealed.contains("ek_a_b"));
        let mut bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(cookie.unseal(&URL_SAFE_NO_PAD.encode(bytes)), None);
        assert_eq!(cookie.unseal(""), None);
        assert_ne!(sealed, cookie.seal("ek_a_b").unwrap(), "each sealing has its own nonce");
    }

    #[test]
    fn form_tokens_belong_to_one_session() {
        let (cookie, other) = (SessionCookie::new().unwrap(), SessionCookie::new().unwrap());
        assert!(cookie.has_form_token(&cookie.form_token()));
        assert!(!cookie.has_form_token(&other.form_token()));
        assert!(!cookie.has_form_token(""));
        assert_eq!(SessionCookie::read(&cookie.text()).unwrap().id(), cookie.id());
        assert!(SessionCookie::read("short").is_none());
    }
}
