//! The API key cache: every request looks its key up here, never in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::authentication::KeySecret;
use super::document::{ADMIN_FILE, API_KEY, KeyDocument, KeyState, PREFIX, REVISION};
use crate::auth::role::Role;
use crate::clock::process_time;
use crate::error::Error;
use crate::sync::{Mutex, RwLock};
use ledger::{
    ApiKeyUsageRow, DeclarationRow, RevisionId, Store, StoreError, TimestampMicros, chain,
};
use ledger::{RevisionNumber, verified::declarations_of};

/// The use of a key is recorded at most once in this time, in microseconds.
const USE_INTERVAL: i64 = 60 * 1_000_000;

/// Most invalid revisions that are remembered to log each only once.
const MAX_REJECTED: usize = 1_000;

/// API keys by identifier.
pub type KeyDocuments = BTreeMap<String, KeyDocument>;

/// Why a key is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyRejection {
    /// There is no such key.
    Unknown,
    /// It has expired.
    Expired,
    /// It was revoked.
    Revoked,
}

/// A key that was accepted.
#[derive(Debug)]
pub struct AcceptedKey {
    /// The key's identifier.
    pub id: String,
    /// The key as the ledger stores it.
    pub document: KeyDocument,
    /// The key's hash.
    pub hash: chain::Hash,
}

/// The API key cache, with the last use of each key.
#[derive(Default)]
pub struct ApiKeyCache {
    /// The key secret that authenticates key rows, if there is one.
    secret: Option<KeySecret>,
    known: RwLock<Arc<CachedKeys>>,
    /// Revisions that do not match their hash; each is logged once.
    refused: Mutex<BTreeSet<RevisionNumber>>,
    uses: Mutex<HashMap<String, LastUse>>,
}

/// The keys as of a revision.
#[derive(Default, Clone)]
struct CachedKeys {
    /// Counts how often the keys were taken from a state; results based on an older generation are
    /// discarded.
    generation: u64,
    /// The newest revision that changed keys.
    revision: RevisionNumber,
    /// The revision up to which all revisions have been checked.
    reached: RevisionNumber,
    keys: Arc<BTreeMap<String, (KeyDocument, chain::Hash)>>,
}

impl CachedKeys {
    /// Applies a version of a key.
    fn put(
        &mut self,
        secret: Option<&KeySecret>,
        revision: RevisionNumber,
        id: &str,
        text: &str,
    ) -> Result<(), Error> {
        let mut document: KeyDocument = serde_json::from_str(text).map_err(|error| {
            Error::Store(StoreError::Corrupt {
                sentence: format!("The key {id} of the ledger cannot be parsed."),
                source: Some(error.into()),
            })
        })?;
        document.is_unauthenticated =
            secret.is_some_and(|secret| !secret.authenticates(id, &document));
        // A hash that cannot be parsed becomes zeros, which match no key.
        let hash = chain::read(&document.hash).unwrap_or_default();
        Arc::make_mut(&mut self.keys).insert(id.to_owned(), (document, hash));
        self.revision = self.revision.max(revision);
        Ok(())
    }
}

/// The last use of a key, and the last use that was recorded.
struct LastUse {
    at: TimestampMicros,
    address: Option<String>,
    written: TimestampMicros,
}

impl ApiKeyCache {
    /// An empty cache; `secret` authenticates the key rows.
    #[must_use]
    pub fn new(secret: Option<KeySecret>) -> Self {
        Self { secret, ..Self::default() }
    }

    /// Whether key rows are authenticated.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The HMAC for a key row that is to be written; `None` without a key secret.
    #[must_use]
    pub fn authentication_code(&self, id: &str, document: &KeyDocument) -> Option<String> {
        self.secret.as_ref().map(|secret| secret.authentication_code(id, document))
    }

    /// SHA-256 of a key, 64 hexadecimal digits.
    #[must_use]
    pub fn hash(key: &str) -> String {
        chain::digits(&Sha256::digest(key))
    }

    /// Takes over the keys of the ledger as of a revision: the newest versions of their rows, which
    /// the hash chain covers.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a key that cannot be parsed, because an incomplete list must let
    /// nobody in.
    pub fn begin(
        &self,
        head: RevisionId,
        rows: impl Iterator<Item = DeclarationRow>,
    ) -> Result<(), Error> {
        let mut fresh = CachedKeys { reached: head.number, ..CachedKeys::default() };
        for row in rows {
            fresh.put(
                self.secret.as_ref(),
                row.revision,
                &row.code,
                row.document.as_deref().unwrap_or_default(),
            )?;
        }
        self.refused.lock().clear();
        let mut known = self.known.write();
        fresh.generation = known.generation + 1;
        *known = Arc::new(fresh);
        Ok(())
    }

    /// Applies changes of keys since the last call. A revision counts only when its hash covers
    /// everything that it wrote, so an inserted row gives nobody access. A revision that does not
    /// match its hash does not delay those after it.
    ///
    /// # Errors
    /// Those of the store, and [`StoreError::Corrupt`] for a key that cannot be parsed.
    pub fn catch_up(&self, store: &Store) -> Result<(), Error> {
        let before = Arc::clone(&self.known.read());
        let mut fresh = CachedKeys::clone(&before);
        let (reached, changed) = store.revisions_of_kind(before.reached, REVISION)?;
        for revision in changed.into_iter().filter(|revision| *revision > before.revision) {
            match store.checked_commit(revision) {
                Ok(Some(commit)) => {
                    for declaration in declarations_of(&commit, API_KEY) {
                        match &declaration.document {
                            Some(document) => fresh.put(
                                self.secret.as_ref(),
                                revision,
                                &declaration.code,
                                document,
                            )?,
                            None => drop(Arc::make_mut(&mut fresh.keys).remove(&declaration.code)),
                        }
                    }
                    fresh.revision = revision;
                }
                Ok(None) => {}
                Err(StoreError::Unsound(sentence)) => self.log_rejected(revision, &sentence),
                Err(error) => return Err(error.into()),
            }
        }
        fresh.reached = reached;
        if (fresh.reached, fresh.revision) == (before.reached, before.revision) {
            return Ok(());
        }
        let mut known = self.known.write();
        // A slow reader must not replace a newer list by an older one.
        if known.generation == fresh.generation
            && (known.revision, known.reached) <= (fresh.revision, fresh.reached)
        {
            *known = Arc::new(fresh);
        }
        Ok(())
    }

    fn log_rejected(&self, revision: RevisionNumber, sentence: &str) {
        let mut refused = self.refused.lock();
        let new = refused.len() < MAX_REJECTED && refused.insert(revision);
        drop(refused);
        if new {
            tracing::error!(
                revision = revision.get(),
                sentence,
                "the hash chain does not cover a change of keys, which is ignored"
            );
        }
    }

    /// All known keys.
    #[must_use]
    pub fn documents(&self) -> KeyDocuments {
        self.known
            .read()
            .keys
            .iter()
            .map(|(id, (document, _))| (id.clone(), document.clone()))
            .collect()
    }

    /// The newest revision that changed keys; 0 if no revision did.
    #[must_use]
    pub fn revision(&self) -> RevisionNumber {
        self.known.read().revision
    }

    /// A sign that the key secret is wrong, if there is one: the keys have HMACs but this instance
    /// has no secret, or none of the HMACs matches its secret.
    #[must_use]
    pub fn secret_warning(&self) -> Option<&'static str> {
        let known = self.known.read();
        let mut documents = known.keys.values().map(|(document, _)| document);
        match &self.secret {
            None => documents.any(|document| document.code.is_some()).then_some(
                "the keys of this ledger carry codes of a key secret, but --key-secret-file is not \
                 set: the codes are not checked",
            ),
            Some(_) if known.keys.is_empty() => None,
            Some(_) => documents.all(|document| document.is_unauthenticated).then_some(
                "no key of this ledger matches the key secret file: nobody can sign in; `egov-kpi \
                 keys authenticate` accepts the existing keys",
            ),
        }
    }

    /// Whether no key has ever been created.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().keys.is_empty()
    }

    /// Whether there is a valid key with the role admin.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        let now = process_time();
        self.known.read().keys.values().any(|(document, _)| {
            document.role == Role::Admin && document.state(now) == KeyState::Active
        })
    }

    /// Applies `view` to each key, in order of the identifiers.
    pub fn each<T>(&self, view: impl Fn(&str, &KeyDocument) -> T) -> Vec<T> {
        self.known.read().keys.iter().map(|(id, (document, _))| view(id, document)).collect()
    }

    /// The holder of a key: the identifier of the first key in its line of rotations.
    #[must_use]
    pub fn holder(&self, id: &str) -> Option<String> {
        self.known.read().keys.get(id).map(|(document, _)| document.holder.clone())
    }

    /// The hash of a key, by its identifier.
    #[must_use]
    pub fn key_hash(&self, id: &str) -> Option<chain::Hash> {
        self.known.read().keys.get(id).map(|(_, hash)| *hash)
    }

    /// The identifier in the text of a key; for a key without one, that of the admin key file.
    #[must_use]
    pub fn named<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(PREFIX)
            .map_or(ADMIN_FILE, |rest| rest.split_once('_').map_or("", |(id, _)| id))
    }

    /// Accepts a key of the ledger. Takes the same time for unknown keys: their hash is compared as
    /// well, in constant time.
    ///
    /// # Errors
    /// Why the key is refused. Only the complete key reveals that it has expired or was revoked.
    pub fn accept(&self, key: &str) -> Result<AcceptedKey, KeyRejection> {
        let (id, digest) = (self.named(key), work::digest(key));
        let known = Arc::clone(&self.known.read());
        let nobody = (None, chain::Hash::default());
        let (document, hash) =
            known.keys.get(id).map_or(nobody, |(document, hash)| (Some(document), *hash));
        let same = work::same(&digest, &hash);
        let Some(document) = document.filter(|_| same) else { return Err(KeyRejection::Unknown) };
        match document.state(process_time()) {
            KeyState::Active => {
                Ok(AcceptedKey { id: id.to_owned(), document: document.clone(), hash })
            }
            KeyState::Expired => Err(KeyRejection::Expired),
            KeyState::Revoked => Err(KeyRejection::Revoked),
            KeyState::Unauthenticated => Err(KeyRejection::Unknown),
        }
    }

    /// Whether a key that was accepted earlier, by its identifier and hash, is still valid.
    ///
    /// # Errors
    /// Why it is no longer valid.
    pub fn still_valid(&self, id: &str, hash: &chain::Hash) -> Result<(), KeyRejection> {
        let known = Arc::clone(&self.known.read());
        match known
            .keys
            .get(id)
            .filter(|(_, current)| current == hash)
            .map(|(document, _)| document.state(process_time()))
        {
            Some(KeyState::Active) => Ok(()),
            Some(KeyState::Expired) => Err(KeyRejection::Expired),
            Some(KeyState::Revoked | KeyState::Unauthenticated) | None => {
                Err(KeyRejection::Revoked)
            }
        }
    }

    /// Remembers the use of a key; the thread of `refresher.rs` records it later.
    pub fn record_use(&self, id: &str, address: Option<&str>) {
        let now = process_time();
        let mut uses = self.uses.lock();
        match uses.get_mut(id) {
            Some(known) => {
                known.at = now;
                if known.address.as_deref() != address {
                    known.address = address.map(ToOwned::to_owned);
                }
            }
            None => drop(uses.insert(
                id.to_owned(),
                LastUse {
                    at: now,
                    address: address.map(ToOwned::to_owned),
                    written: TimestampMicros::default(),
                },
            )),
        }
    }

    /// The uses to record now: at most one a minute for each key, or with `all` every one that is
    /// not recorded.
    pub(super) fn uses_to_write(&self, all: bool) -> Vec<ApiKeyUsageRow> {
        let now = process_time();
        let mut uses = self.uses.lock();
        let due = uses.iter_mut().filter(|(_, used)| {
            used.at > used.written && (all || used.written.plus(USE_INTERVAL) <= now)
        });
        let row = |(key, used): (&String, &mut LastUse)| {
            used.written = now.max(used.at);
            ApiKeyUsageRow {
                key: key.clone(),
                last_used_at: used.at,
                address: used.address.clone(),
            }
        };
        due.map(row).collect()
    }

    /// When each key was last used, here or on another instance.
    ///
    /// # Errors
    /// Those of the store.
    pub fn last_uses(&self, store: &Store) -> Result<Vec<ApiKeyUsageRow>, Error> {
        let mut found: BTreeMap<String, ApiKeyUsageRow> =
            store.api_key_usage()?.into_iter().map(|row| (row.key.clone(), row)).collect();
        for (key, used) in self.uses.lock().iter() {
            if found.get(key).is_none_or(|known| known.last_used_at < used.at) {
                found.insert(
                    key.clone(),
                    ApiKeyUsageRow {
                        key: key.clone(),
                        last_used_at: used.at,
                        address: used.address.clone(),
                    },
                );
            }
        }
        Ok(found.into_values().collect())
    }
}

/// The work of checking a key: a digest, and a comparison in constant time. A test counts both.
mod work {
    use sha2::{Digest, Sha256};
    use subtle::ConstantTimeEq;

    use ledger::chain::Hash;

    #[cfg(test)]
    thread_local! {
        /// Digests and comparisons on this thread.
        pub static DONE: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((0, 0)) };
    }

    /// The hash of a key.
    pub fn digest(key: &str) -> Hash {
        #[cfg(test)]
        DONE.set((DONE.get().0 + 1, DONE.get().1));
        Sha256::digest(key).into()
    }

    /// Compares two hashes in constant time.
    pub fn same(one: &Hash, other: &Hash) -> bool {
        #[cfg(test)]
        DONE.set((DONE.get().0, DONE.get().1 + 1));
        one.as_slice().ct_eq(other.as_slice()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::api_keys::GeneratedKey;

    /// A row of the ledger with a key.
    fn row(new: &GeneratedKey, revoked_at: Option<TimestampMicros>) -> DeclarationRow {
        let document = KeyDocument {
            name: "n".to_owned(),
            role: Role::Reader,
            unit: None,
            holder: new.id.clone(),
            created_at: TimestampMicros::new(1),
            expires_at: None,
            revoked_at,
            replaces: None,
            hash: ApiKeyCache::hash(&new.key),
            code: None,
            is_unauthenticated: false,
        };
        DeclarationRow {
            revision: RevisionNumber::new(3),
            kind: API_KEY.to_owned(),
            code: new.id.clone(),
            document: Some(serde_json::to_string(&document).unwrap()),
        }
    }

    #[test]
    fn unknown_wrong_and_valid_keys_take_the_same_time_to_check() {
        let (right, revoked) = (GeneratedKey::new().unwrap(), GeneratedKey::new().unwrap());
        let api_keys = ApiKeyCache::default();
        let rows = [row(&right, None), row(&revoked, Some(TimestampMicros::new(2)))];
        api_keys.begin(RevisionId::beginning(), rows.into_iter()).unwrap();
        let wrong = format!("ek_{}_{}", right.id, "0".repeat(52));
        for (key, expected) in [
            (right.key.as_str(), None),
            (wrong.as_str(), Some(KeyRejection::Unknown)),
            (revoked.key.as_str(), Some(KeyRejection::Revoked)),
            (
                "ek_0123456789_0000000000000000000000000000000000000000000000000000",
                Some(KeyRejection::Unknown),
            ),
            ("no key at all", Some(KeyRejection::Unknown)),
            ("", Some(KeyRejection::Unknown)),
        ] {
            work::DONE.set((0, 0));
            assert_eq!(api_keys.accept(key).err(), expected, "{key}");
            assert_eq!(work::DONE.get(), (1, 1), "{key}");
        }
    }
}
