//! The keys in memory: every request looks its key up here, never in the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};

use super::{ADMIN_FILE, KIND, KeyDocument, KeyState, PREFIX, now};
use crate::app::access::{Identity, Origin, Role, SignedIn};
use crate::error::Error;
use crate::store::{DeclarationRow, KeyUseRow, Store, StoreError, chain};

/// How often a key's use is written down at most, in microseconds.
const USE_EVERY: i64 = 60 * 1_000_000;

/// Keys by identifier.
pub type Documents = BTreeMap<String, KeyDocument>;

/// Why a key is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unrecognised {
    /// It is none of ours.
    Unknown,
    /// It has ended.
    Expired,
    /// Somebody has revoked it.
    Revoked,
}

/// The keys, and who has used them.
#[derive(Default)]
pub struct Ring {
    known: RwLock<Arc<Known>>,
    uses: Mutex<HashMap<String, Use>>,
}

/// The keys of a revision.
#[derive(Default)]
struct Known {
    revision: i64,
    keys: BTreeMap<String, (KeyDocument, chain::Hash)>,
}

/// A key's last use, and which of its uses was last written down.
struct Use {
    at: i64,
    address: Option<String>,
    written: i64,
}

impl Ring {
    /// SHA-256 of a key in hexadecimal digits.
    #[must_use]
    pub fn hash(key: &str) -> String {
        chain::digits(&Sha256::digest(key))
    }

    /// Keys from the ledger's rows.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for one that cannot be read: nobody is let in by half a list.
    pub fn read(rows: Vec<DeclarationRow>) -> Result<Documents, Error> {
        let mut found = Documents::new();
        for row in rows {
            let document: KeyDocument = serde_json::from_str(&row.document.unwrap_or_default())
                .map_err(|error| {
                    Error::Store(StoreError::Corrupt {
                        sentence: format!("The key {} of the ledger cannot be read.", row.code),
                        source: Some(error.into()),
                    })
                })?;
            found.insert(row.code, document);
        }
        Ok(found)
    }

    /// Reads the keys anew.
    ///
    /// # Errors
    /// The store's, and as for [`Ring::read`].
    pub fn reload(&self, store: &Store) -> Result<(), Error> {
        let (revision, rows) = store.declarations_of(KIND)?;
        let keys = Self::read(rows)?.into_iter();
        // A hash that is none fits no key.
        let keys = keys.map(|(id, document)| {
            let hash = chain::read(&document.hash).unwrap_or_default();
            (id, (document, hash))
        });
        let fresh = Arc::new(Known { revision, keys: keys.collect() });
        let mut known = self.known.write();
        // A slower reader does not put an older list in the place of a newer one.
        if known.revision <= revision {
            *known = fresh;
        }
        Ok(())
    }

    /// Reads the keys anew when some were changed.
    ///
    /// # Errors
    /// As for [`Ring::reload`].
    pub fn catch_up(&self, store: &Store) -> Result<(), Error> {
        if store.declared_last(KIND)? != self.revision() { self.reload(store) } else { Ok(()) }
    }

    /// The newest revision that changed keys; 0 when there are none.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.known.read().revision
    }

    /// Whether there has never been a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.read().keys.is_empty()
    }

    /// Whether there is an admin's key that can be used.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        let now = now();
        self.known.read().keys.values().any(|(document, _)| {
            document.role == Role::Admin && document.state(now) == KeyState::Active
        })
    }

    /// What `view` makes of each key, by identifier.
    pub fn each<T>(&self, view: impl Fn(&str, &KeyDocument) -> T) -> Vec<T> {
        self.known.read().keys.iter().map(|(id, (document, _))| view(id, document)).collect()
    }

    /// The holder of a key: the first of the line that it continues.
    #[must_use]
    pub fn holder(&self, id: &str) -> Option<String> {
        self.known.read().keys.get(id).map(|(document, _)| document.holder.clone())
    }

    /// The identifier that a key names; of one that names none the file's.
    #[must_use]
    pub fn named<'k>(&self, key: &'k str) -> &'k str {
        key.strip_prefix(PREFIX)
            .map_or(ADMIN_FILE, |rest| rest.split_once('_').map_or("", |(id, _)| id))
    }

    /// Who holds a key. Takes as long for a key that nobody holds: its hash is compared all the same, and in constant time.
    ///
    /// # Errors
    /// Why it is of no use; that it has ended only to one who has all of it.
    pub fn recognise(&self, key: &str) -> Result<Identity, Unrecognised> {
        let (id, digest) = (self.named(key), work::digest(key));
        let known = Arc::clone(&self.known.read());
        let nobody = (None, chain::Hash::default());
        let (document, hash) =
            known.keys.get(id).map_or(nobody, |(document, hash)| (Some(document), *hash));
        let same = work::same(&digest, &hash);
        let Some(document) = document.filter(|_| same) else { return Err(Unrecognised::Unknown) };
        match document.state(now()) {
            KeyState::Active => Ok(identity(id, document)),
            KeyState::Expired => Err(Unrecognised::Expired),
            KeyState::Revoked => Err(Unrecognised::Revoked),
        }
    }

    /// Remembers that a key was used; [`super::Watch`] writes it down later.
    pub fn used(&self, id: &str, address: Option<&str>) {
        let now = now();
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
                Use { at: now, address: address.map(ToOwned::to_owned), written: 0 },
            )),
        }
    }

    /// Whether a key was last used from an address, since the start of this process.
    #[must_use]
    pub fn was_used_from(&self, id: &str, address: &str) -> bool {
        self.uses.lock().get(id).is_some_and(|used| used.address.as_deref() == Some(address))
    }

    /// The uses to be written down now, or with `all` every one that was not yet: each key's at most once a minute.
    pub(super) fn due(&self, all: bool) -> Vec<KeyUseRow> {
        let now = now();
        let mut uses = self.uses.lock();
        let due = uses
            .iter_mut()
            .filter(|(_, used)| used.at > used.written && (all || used.written + USE_EVERY <= now));
        let row = |(key, used): (&String, &mut Use)| {
            used.written = now.max(used.at);
            KeyUseRow { key: key.clone(), last_used_at: used.at, address: used.address.clone() }
        };
        due.map(row).collect()
    }

    /// When each key was last used, here or elsewhere.
    ///
    /// # Errors
    /// The store's.
    pub fn uses(&self, store: &Store) -> Result<Vec<KeyUseRow>, Error> {
        let mut found: BTreeMap<String, KeyUseRow> =
            store.key_uses()?.into_iter().map(|row| (row.key.clone(), row)).collect();
        for (key, used) in self.uses.lock().iter() {
            if found.get(key).is_none_or(|known| known.last_used_at < used.at) {
                found.insert(
                    key.clone(),
                    KeyUseRow {
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

/// What looking at a key costs: its digest and a comparison that takes as long wherever the two differ. A test counts both.
mod work {
    use sha2::{Digest, Sha256};
    use subtle::ConstantTimeEq;

    use crate::store::chain::Hash;

    #[cfg(test)]
    thread_local! {
        /// Digests and comparisons of this thread.
        pub static DONE: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((0, 0)) };
    }

    pub fn digest(key: &str) -> Hash {
        #[cfg(test)]
        DONE.set((DONE.get().0 + 1, DONE.get().1));
        Sha256::digest(key).into()
    }

    pub fn same(one: &Hash, other: &Hash) -> bool {
        #[cfg(test)]
        DONE.set((DONE.get().0, DONE.get().1 + 1));
        one.as_slice().ct_eq(other.as_slice()).into()
    }
}

fn identity(id: &str, document: &KeyDocument) -> Identity {
    Identity {
        name: document.name.clone(),
        actor: format!("{} ({id})", document.name),
        holder: format!("key:{}", document.holder),
        role: document.role,
        unit: document.unit.clone(),
        expires_at: document.expires_at,
        origin: Origin { how: SignedIn::Key, key: Some(id.to_owned()), address: None, agent: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::keys::NewKey;
    use crate::store::Store;

    #[test]
    fn a_key_that_nobody_holds_costs_as_much_as_a_wrong_and_a_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            Store::open(&format!("sqlite://{}", folder.path().join("ring.db").display()), true)
                .unwrap();
        let app = crate::app::App::open(store).unwrap();
        let new = |name: &str| NewKey {
            name: name.to_owned(),
            role: Role::Reader,
            unit: None,
            expires: None,
        };
        let right = app.add_key_now(new("right"), "test").unwrap();
        let revoked = app.add_key_now(new("revoked"), "test").unwrap();
        let id = app.ring().named(&revoked.key).to_owned();
        app.revoke_key_now(&id, "test").unwrap();
        let wrong = format!("ek_{}_{}", app.ring().named(&right.key), "0".repeat(52));
        for (key, expected) in [
            (right.key.as_str(), None),
            (wrong.as_str(), Some(Unrecognised::Unknown)),
            (revoked.key.as_str(), Some(Unrecognised::Revoked)),
            (
                "ek_0123456789_0000000000000000000000000000000000000000000000000000",
                Some(Unrecognised::Unknown),
            ),
            ("no key at all", Some(Unrecognised::Unknown)),
            ("", Some(Unrecognised::Unknown)),
        ] {
            work::DONE.set((0, 0));
            assert_eq!(app.ring().recognise(key).err(), expected, "{key}");
            assert_eq!(work::DONE.get(), (1, 1), "{key}");
        }
        app.stop();
    }
}
