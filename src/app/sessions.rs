//! Sessions of the web pages, and the drafts that people keep there (`docs/pages.md`).
//!
//! A person signs in with a key. The browser gets a cookie of 256 random bits. The database keeps
//! the hash of the cookie, and the key encrypted with the cookie, so that
//! - a session may do exactly what its key may, and ends when the key ends: every request presents
//!   the key again;
//! - who reads the table learns no key, and who inserts a row is not signed in: without a valid key
//!   there is nothing to put into it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::App;
use super::clock::process_time;
use super::lookup::ask;
use crate::error::Error;
use crate::sync::Mutex;
use ledger::{DraftRow, PageChange, SessionRow, chain};

/// Time after which an unused session ends, in microseconds.
const IDLE_LIMIT: i64 = 8 * 3_600 * 1_000_000;
/// Time after which a session ends in any case, in microseconds.
const AGE_LIMIT: i64 = 7 * 24 * 3_600 * 1_000_000;
/// Time for which a draft is kept, in microseconds.
const DRAFT_LIMIT: i64 = 30 * 24 * 3_600 * 1_000_000;
/// The use of a session is recorded at most once in this time, in microseconds.
const USE_INTERVAL: i64 = 60 * 1_000_000;
/// How long an instance relies on a session that it has read. Another instance
/// may have ended it.
const TRUSTED: Duration = Duration::from_secs(1);
/// Most sessions that an instance remembers between requests.
const MAX_REMEMBERED: usize = 20_000;
/// Longest draft, in bytes.
pub const MAX_DRAFT: usize = 24 << 20;

/// The cookie of a session.
#[derive(Clone)]
pub struct SessionCookie([u8; 32]);

impl SessionCookie {
    fn new() -> Result<Self, Error> {
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
    fn id(&self) -> String {
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

    fn seal(&self, key: &str) -> Result<String, Error> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = key.as_bytes().to_vec();
        self.cipher()
            .and_then(|cipher| {
                let about = Aad::from(self.id());
                let nonce = Nonce::assume_unique_for_key(nonce);
                cipher.seal_in_place_append_tag(nonce, about, &mut sealed).ok()
            })
            .ok_or_else(|| Error::environment("cannot begin a session")(failed()))?;
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

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], Error> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::environment("no random numbers")(std::io::Error::other(error)))?;
    Ok(bytes)
}

fn failed() -> std::io::Error {
    std::io::Error::other("the key cannot be encrypted")
}

/// The sessions that this instance has seen last.
pub(super) type SessionCache = Mutex<HashMap<String, RememberedSession>>;

/// A session as it was read last.
pub(super) struct RememberedSession {
    key: String,
    row: SessionRow,
    read_at: Instant,
}

impl App {
    /// Begins a session for the holder of a key, which the caller has accepted. Sessions and drafts
    /// that are too old are deleted.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn begin_session(&self, key: &str) -> Result<SessionCookie, Error> {
        let (cookie, now) = (SessionCookie::new()?, process_time());
        let row = SessionRow {
            id: cookie.id(),
            sealed: cookie.seal(key)?,
            created_at: now,
            last_used_at: now,
        };
        let purge = PageChange::Purge {
            unused_since: now - IDLE_LIMIT,
            begun_before: now - AGE_LIMIT,
            saved_before: now - DRAFT_LIMIT,
        };
        ask(self.store(), move |store| {
            store.change_pages(&purge)?;
            store.change_pages(&PageChange::BeginSession(row)).map_err(Error::from)
        })
        .await?;
        Ok(cookie)
    }

    /// The key of a session; `None` when it has ended or never began.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn session_key(&self, cookie: &SessionCookie) -> Result<Option<String>, Error> {
        let (id, now) = (cookie.id(), process_time());
        let remembered = self.inner.sessions.lock().get(&id).and_then(|known| {
            let lasts = has_not_ended(&known.row, now) && known.read_at.elapsed() < TRUSTED;
            lasts.then(|| (known.key.clone(), known.row.last_used_at))
        });
        if let Some((key, last_used_at)) = remembered
            && now - last_used_at < USE_INTERVAL
        {
            return Ok(Some(key));
        }
        let asked = id.clone();
        let row = ask(self.store(), move |store| {
            let row = store.session(&asked).map_err(Error::from)?;
            Ok(row.filter(|row| has_not_ended(row, now)))
        });
        let mut row = row.await?;
        if let Some(row) = row.as_mut().filter(|row| now - row.last_used_at >= USE_INTERVAL) {
            row.last_used_at = now;
            // Recorded while the request continues: the database may be busy with a long change.
            let (store, change) =
                (self.store().clone(), PageChange::UseSession { id: id.clone(), at: now });
            tokio::spawn(crate::sync::blocking(move || store.change_pages(&change)));
        }
        let found = row.and_then(|row| Some((cookie.unseal(&row.sealed)?, row)));
        let mut sessions = self.inner.sessions.lock();
        let Some((key, row)) = found else {
            sessions.remove(&id);
            return Ok(None);
        };
        if sessions.len() >= MAX_REMEMBERED {
            sessions.clear();
        }
        let read_at = Instant::now();
        sessions.insert(id, RememberedSession { key: key.clone(), row, read_at });
        Ok(Some(key))
    }

    /// Whether this instance has seen a session lately, so that nobody has to look it up.
    #[must_use]
    pub fn remembers_session(&self, cookie: &SessionCookie) -> bool {
        self.inner.sessions.lock().contains_key(&cookie.id())
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn end_session(&self, cookie: &SessionCookie) -> Result<(), Error> {
        let id = cookie.id();
        self.inner.sessions.lock().remove(&id);
        let change = PageChange::EndSession(id);
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await
    }

    /// A draft of somebody, and when it was saved, in microseconds since 1970.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn draft(&self, holder: &str, code: &str) -> Result<Option<(String, i64)>, Error> {
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let found =
            ask(self.store(), move |store| store.draft(&holder, &code).map_err(Error::from));
        let lasts = |row: &DraftRow| process_time() - row.saved_at < DRAFT_LIMIT;
        Ok(found.await?.filter(lasts).map(|row| (row.document, row.saved_at)))
    }

    /// Saves a draft, which replaces the one with its code. The 20 newest of a person are kept, for
    /// 30 days. Returns when it was saved, in microseconds since 1970.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above [`MAX_DRAFT`], and those of the store.
    pub async fn save_draft(
        &self,
        holder: &str,
        code: &str,
        document: String,
    ) -> Result<i64, Error> {
        if document.len() > MAX_DRAFT {
            return Err(Error::TooLarge(format!("a draft has at most {MAX_DRAFT} bytes")));
        }
        let saved_at = process_time();
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let change = PageChange::SaveDraft(DraftRow { holder, code, saved_at, document });
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await?;
        Ok(saved_at)
    }

    /// Deletes a draft, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete_draft(&self, holder: &str, code: &str) -> Result<(), Error> {
        let (holder, code) = (holder.to_owned(), code.to_owned());
        let change = PageChange::DeleteDraft { holder, code };
        ask(self.store(), move |store| store.change_pages(&change).map_err(Error::from)).await
    }
}

/// Whether a session has not ended.
fn has_not_ended(row: &SessionRow, now: i64) -> bool {
    now - row.last_used_at < IDLE_LIMIT && now - row.created_at < AGE_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

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
