//! Keys: who holds one, what it lets them do, until when. They are declarations of the ledger, so that every change of them is a
//! revision of the hash chain, is in archives, and is noticed by other instances.
//!
//! A key is `ek_`, its identifier, `_` and 256 random bits. Only its SHA-256 is kept; the key itself is shown once.
//!
//! | file | holds |
//! |---|---|
//! | `keys/ring.rs` | the keys in memory, looked up for every request |
//! | `keys/watch.rs` | the thread that notices other instances' changes and keeps when keys were used |

mod ring;
mod watch;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

pub use ring::{Ring, Unrecognised};
pub use watch::Watch;

use super::access::{Identity, Role};
use super::clock::Clock;
use super::state::State;
use super::writer::{Desk, empty_commit};
use super::{App, time_text};
use crate::domain::fault::{Fault, quoted};
use crate::error::Error;
use crate::store::{Commit, Declaration};

/// What the ledger calls a key among its declarations, and a revision that changes keys.
pub(super) const KIND: &str = "key";
pub(super) const REVISION: &str = "keys";
/// The identifier of the key that a file holds (`EGOV_KPI_ADMIN_KEY_FILE`).
pub const ADMIN_FILE: &str = "admin-file";
/// Shortest content of that file in characters.
const MIN_FILE: usize = 32;
/// What every key begins with.
const PREFIX: &str = "ek_";
/// Random bytes of a key, and characters of its identifier (5 random bits each).
const SECRET: usize = 32;
const ID: usize = 10;
/// Most keys that a ledger holds, revoked and expired ones among them.
pub const MAX_KEYS: usize = 10_000;
/// Longest name of a key in characters.
pub const MAX_NAME: usize = 100;
/// Longest validity and longest overlap in days.
pub const MAX_DAYS: i64 = 3_660;
/// How long a rotated key lives on unless somebody says otherwise, in days.
pub const OVERLAP_DAYS: i64 = 7;
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// A key as the ledger keeps it. Times are microseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyDocument {
    /// Whose it is, for people.
    pub name: String,
    /// What it lets its holder do.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// The identifier of the first key that it continues, or its own: the holder stays the same when a key is rotated.
    pub holder: String,
    /// When it was made.
    pub created_at: i64,
    /// When it ends; never when absent.
    pub expires_at: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// The key that it replaces.
    pub replaces: Option<String>,
    /// SHA-256 of the key, in hexadecimal digits.
    pub hash: String,
}

/// Whether a key can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It can.
    Active,
    /// It has ended.
    Expired,
    /// Somebody has revoked it.
    Revoked,
}

impl KeyDocument {
    /// Whether it can be used at a time.
    #[must_use]
    pub fn state(&self, now: i64) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }
}

/// A key as clients see it: never its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    /// Its identifier.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// What it lets its holder do.
    pub role: Role,
    /// The unit that a reporter reports for, and those below.
    #[schema(required)]
    pub unit: Option<String>,
    /// Whether it can be used.
    pub state: KeyState,
    /// When it was made.
    pub created_at: String,
    /// When it ends; never when null.
    #[schema(required)]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<String>,
    /// The key that it replaces.
    #[schema(required)]
    pub replaces: Option<String>,
    /// When it was last used, to the minute; null when never.
    #[schema(required)]
    pub last_used_at: Option<String>,
    /// From which address.
    #[schema(required)]
    pub last_used_from: Option<String>,
}

impl KeyView {
    fn new(id: &str, document: &KeyDocument, now: i64) -> Self {
        Self {
            id: id.to_owned(),
            name: document.name.clone(),
            role: document.role,
            unit: document.unit.clone(),
            state: document.state(now),
            created_at: time_text(document.created_at),
            expires_at: document.expires_at.map(time_text),
            revoked_at: document.revoked_at.map(time_text),
            replaces: document.replaces.clone(),
            last_used_at: None,
            last_used_from: None,
        }
    }
}

/// A key that was just made. There is no other time to see it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Issued {
    /// The revision that has it.
    pub revision: i64,
    /// The key itself; it is not kept and never shown again.
    pub key: String,
    /// What is known of it.
    #[serde(flatten)]
    pub view: KeyView,
}

/// When a key ends: a day (its end), a time, or a number of days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// When this day is over, where the service's days end.
    Day(NaiveDate),
    /// At this time, in microseconds since 1970.
    Time(i64),
    /// So many days from now.
    Days(i64),
}

impl std::str::FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(days) = text.strip_suffix('d').unwrap_or(text).parse::<i64>() {
            return if (1..=MAX_DAYS).contains(&days) {
                Ok(Self::Days(days))
            } else {
                Err(format!("1 to {MAX_DAYS} days"))
            };
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::Day(day));
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self::Time(time.timestamp_micros())),
            Err(_malformed) => Err("a day such as 2027-06-30, a time such as 2027-06-30T17:00:00Z, or a number of days such as 90d".to_owned()),
        }
    }
}

impl Expiry {
    fn time(self, clock: &Clock, now: i64) -> i64 {
        match self {
            Self::Day(day) => clock.end_of(day),
            Self::Time(time) => time,
            Self::Days(days) => now.saturating_add(days.saturating_mul(DAY)),
        }
    }
}

/// A key to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Whose it is.
    pub name: String,
    /// What it lets its holder do.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// When it ends; never when absent.
    pub expires: Option<Expiry>,
}

/// What is to happen to the keys.
enum Change {
    Add(NewKey),
    Rotate {
        id: String,
        overlap_days: i64,
        expires: Option<Expiry>,
    },
    Revoke {
        id: String,
    },
    /// The content of the admin's key file.
    File(String),
}

/// What a change of keys came to.
struct Changed {
    id: String,
    document: KeyDocument,
}

/// The time by which keys end: the machine's, whatever the clock by which figures are dated.
fn now() -> i64 {
    Utc::now().timestamp_micros()
}

/// Random characters of an identifier: Crockford's alphabet in lower case, nothing that is taken for another.
fn random_id() -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let bytes: [u8; ID] = random()?;
    Ok(bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).map(|letter| char::from(*letter)))
        .collect())
}

/// Random bytes of the operating system.
fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::surroundings("random bytes cannot be had")(std::io::Error::other(error))
    })?;
    Ok(bytes)
}

/// A key from its identifier.
fn secret(id: &str) -> Result<String, Error> {
    use base64::Engine;
    let bytes: [u8; SECRET] = random()?;
    Ok(format!("{PREFIX}{id}_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}

impl App {
    /// The keys in memory.
    #[must_use]
    pub fn ring(&self) -> &Ring {
        &self.inner.ring
    }

    /// Follows other instances' changes of keys, and keeps when keys were used, until it is dropped.
    ///
    /// # Errors
    /// The thread cannot start.
    pub fn watch_keys(&self) -> Result<Watch, Error> {
        Watch::start(std::sync::Arc::clone(&self.inner.ring), self.store().clone())
    }

    /// Every key, the newest last, with its last use. Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub fn keys(&self) -> Result<(i64, Vec<KeyView>), Error> {
        self.inner.ring.reload(self.store())?;
        let (revision, now) = (self.inner.ring.revision(), now());
        let mut found = self.inner.ring.each(|id, document| KeyView::new(id, document, now));
        for known in self.inner.ring.uses(self.store())? {
            if let Some(view) = found.iter_mut().find(|view| view.id == known.key) {
                view.last_used_at = Some(time_text(known.last_used_at));
                view.last_used_from = known.address;
            }
        }
        found.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
        Ok((revision, found))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// Every fault of it, or that the store could not record it.
    pub async fn add_key(&self, new: NewKey, by: impl Into<Identity>) -> Result<Issued, Error> {
        self.issue(Change::Add(new), by.into())?.answer().await
    }

    /// The same without an async thread.
    ///
    /// # Errors
    /// As for [`App::add_key`].
    pub fn add_key_now(&self, new: NewKey, by: impl Into<Identity>) -> Result<Issued, Error> {
        self.issue(Change::Add(new), by.into())?.wait()
    }

    /// Makes a key that takes another's place, which lives on for some days.
    ///
    /// # Errors
    /// [`Error::NotFound`], a key that has ended, or that the store could not record it.
    pub async fn rotate_key(
        &self,
        id: &str,
        overlap_days: i64,
        expires: Option<Expiry>,
        by: impl Into<Identity>,
    ) -> Result<Issued, Error> {
        self.issue(Change::Rotate { id: id.to_owned(), overlap_days, expires }, by.into())?
            .answer()
            .await
    }

    /// The same without an async thread.
    ///
    /// # Errors
    /// As for [`App::rotate_key`].
    pub fn rotate_key_now(
        &self,
        id: &str,
        overlap_days: i64,
        expires: Option<Expiry>,
        by: impl Into<Identity>,
    ) -> Result<Issued, Error> {
        self.issue(Change::Rotate { id: id.to_owned(), overlap_days, expires }, by.into())?.wait()
    }

    /// Revokes a key; it is of no use from then on, within a second on every instance.
    ///
    /// # Errors
    /// [`Error::NotFound`], or that the store could not record it.
    pub async fn revoke_key(&self, id: &str, by: impl Into<Identity>) -> Result<KeyView, Error> {
        self.issue_at(Change::Revoke { id: id.to_owned() }, None, by.into())
            .answer()
            .await
            .map(|issued| issued.view)
    }

    /// The same without an async thread.
    ///
    /// # Errors
    /// As for [`App::revoke_key`].
    pub fn revoke_key_now(&self, id: &str, by: impl Into<Identity>) -> Result<KeyView, Error> {
        self.issue_at(Change::Revoke { id: id.to_owned() }, None, by.into())
            .wait()
            .map(|issued| issued.view)
    }

    /// Takes the content of the admin's key file for an admin's key; a content that was revoked stays so.
    ///
    /// # Errors
    /// A fault of the content, or that the store could not record it.
    pub fn take_admin_file(&self, content: &str) -> Result<KeyView, Error> {
        let content = content.trim();
        let sound =
            content.chars().count() >= MIN_FILE && content.bytes().all(|b| b.is_ascii_graphic());
        if !sound || self.inner.ring.named(content) != ADMIN_FILE {
            let sentence = format!(
                "the admin's key file holds one line of at least {MIN_FILE} printable characters without spaces that does not begin with {PREFIX}, such as `openssl rand -hex 32` prints"
            );
            return Err(Error::Usage(sentence));
        }
        self.issue_at(Change::File(content.to_owned()), None, Identity::command("serve"))
            .wait()
            .map(|issued| issued.view)
    }

    fn issue(&self, change: Change, by: Identity) -> Result<super::writer::Pending<Issued>, Error> {
        let id = random_id()?;
        let key = secret(&id)?;
        Ok(self.issue_at(change, Some((id, key)), by))
    }

    fn issue_at(
        &self,
        change: Change,
        new: Option<(String, String)>,
        by: Identity,
    ) -> super::writer::Pending<Issued> {
        let ring = std::sync::Arc::clone(&self.inner.ring);
        self.inner.writer.exclusive(move |desk| carry_out(desk, &ring, &change, new, &by))
    }
}

fn carry_out(
    desk: &Desk,
    ring: &Ring,
    change: &Change,
    new: Option<(String, String)>,
    by: &Identity,
) -> Result<Issued, Error> {
    let (id, key) = new.unwrap_or_default();
    let prepare = |state: &State| {
        // The ledger's own, not what this instance has heard of: the write is refused when somebody was faster.
        let (_, rows) = desk.store.declarations_of(KIND)?;
        let known = Ring::read(rows)?;
        let (changed, documents) = plan(state, &known, change, &id, &key)?;
        let mut commit = empty_commit(state, REVISION, by);
        commit.reason = Some(told(change, &changed));
        for (id, document) in documents {
            let text = serde_json::to_string(&document)
                .map_err(|error| Error::Malformed(error.to_string()))?;
            commit.declarations.push(Declaration {
                kind: KIND.to_owned(),
                code: id,
                document: Some(text),
            });
        }
        let commit: Option<Commit> = (!commit.declarations.is_empty()).then_some(commit);
        Ok((changed, commit))
    };
    let written = desk.change(None, prepare, |revision, changed: &Changed| {
        let view = KeyView::new(&changed.id, &changed.document, now());
        (revision, view.id)
    })?;
    if let Some(commit) = &written.commit {
        desk.reached(&mut desk.state.write(), commit);
    }
    ring.reload(&desk.store)?;
    let Some(changed) = written.found else {
        return Err(Error::NotFound("there is no such key".to_owned()));
    };
    Ok(Issued {
        revision: written.given.answer.0,
        key,
        view: KeyView::new(&changed.id, &changed.document, now()),
    })
}

/// The keys to write when one takes another's place.
fn rotated(
    state: &State,
    known: &ring::Documents,
    (old, overlap_days, expires): (&String, i64, Option<Expiry>),
    (id, key): (&str, &str),
) -> Result<Planned, Error> {
    let now = now();
    let mut before = known
        .get(old)
        .cloned()
        .ok_or_else(|| Error::NotFound(format!("there is no key {}", quoted(old))))?;
    if old == ADMIN_FILE {
        return Err(Error::fault(
            "/id",
            "admin_file",
            "this key is the content of a file: put another into the file and start the service again",
        ));
    }
    if before.state(now) != KeyState::Active {
        return Err(conflict(format!("the key {old} has ended; make a new one")));
    }
    let replaced = |document: &&KeyDocument| document.replaces.as_ref() == Some(old);
    if let Some((successor, _)) = known.iter().find(|(_, document)| replaced(document)) {
        return Err(conflict(format!(
            "the key {old} was rotated already: {successor} takes its place; rotate that one, or make a new key"
        )));
    }
    if known.len() >= MAX_KEYS || known.contains_key(id) {
        return Err(full());
    }
    // As long as the one before it, counted from now, unless somebody says otherwise.
    let lived = before.expires_at.map(|end| now.saturating_add(end - before.created_at));
    let expires_at = expires.map(|expires| in_future(expires, state, now)).transpose()?.or(lived);
    let document = KeyDocument {
        created_at: now,
        expires_at,
        replaces: Some(old.clone()),
        hash: Ring::hash(key),
        ..before.clone()
    };
    let end = now.saturating_add(overlap_days.clamp(0, MAX_DAYS).saturating_mul(DAY));
    before.expires_at = Some(before.expires_at.map_or(end, |known| known.min(end)));
    Ok((
        Changed { id: id.to_owned(), document: document.clone() },
        vec![(old.clone(), before), (id.to_owned(), document)],
    ))
}

fn full() -> Error {
    Error::TooLarge(format!("at most {MAX_KEYS} keys, revoked and expired ones among them"))
}

/// What a change does, for the history and the audit.
fn told(change: &Change, changed: &Changed) -> String {
    let Changed { id, document } = changed;
    match change {
        Change::Add(_) => {
            let unit = document.unit.as_ref().map(|unit| format!(" of {unit}")).unwrap_or_default();
            format!("issued {id}: {}{unit}", document.role)
        }
        Change::Rotate { id: old, .. } => format!("rotated {old}: {id} takes its place"),
        Change::Revoke { .. } => format!("revoked {id}"),
        Change::File(_) => "the admin's key file".to_owned(),
    }
}

/// The keys to write, and the one that the answer is about.
type Planned = (Changed, Vec<(String, KeyDocument)>);

fn plan(
    state: &State,
    known: &ring::Documents,
    change: &Change,
    id: &str,
    key: &str,
) -> Result<Planned, Error> {
    let now = now();
    let find = |id: &str| {
        known
            .get(id)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("there is no key {}", quoted(id))))
    };
    let answer = |id: &str, document: KeyDocument| Changed { id: id.to_owned(), document };
    match change {
        Change::Add(new) => {
            let expires_at = checked(state, new, now)?;
            if known.len() >= MAX_KEYS || known.contains_key(id) {
                return Err(full());
            }
            let NewKey { name, role, unit, .. } = new.clone();
            let document = KeyDocument {
                name: name.trim().to_owned(),
                role,
                unit,
                holder: id.to_owned(),
                created_at: now,
                expires_at,
                revoked_at: None,
                replaces: None,
                hash: Ring::hash(key),
            };
            Ok((answer(id, document.clone()), vec![(id.to_owned(), document)]))
        }
        Change::Rotate { id: old, overlap_days, expires } => {
            rotated(state, known, (old, *overlap_days, *expires), (id, key))
        }
        Change::Revoke { id } => {
            let mut document = find(id)?;
            if document.revoked_at.is_some() {
                return Ok((answer(id, document), Vec::new()));
            }
            document.revoked_at = Some(now);
            Ok((answer(id, document.clone()), vec![(id.clone(), document)]))
        }
        Change::File(content) => {
            let hash = Ring::hash(content);
            if let Some(document) = known.get(ADMIN_FILE).filter(|document| document.hash == hash) {
                return Ok((answer(ADMIN_FILE, document.clone()), Vec::new()));
            }
            let document = KeyDocument {
                name: "admin key file".to_owned(),
                role: Role::Admin,
                unit: None,
                holder: ADMIN_FILE.to_owned(),
                created_at: now,
                expires_at: None,
                revoked_at: None,
                replaces: None,
                hash,
            };
            Ok((answer(ADMIN_FILE, document.clone()), vec![(ADMIN_FILE.to_owned(), document)]))
        }
    }
}

fn conflict(detail: String) -> Error {
    Error::Conflict { detail, obstacles: Vec::new() }
}

fn in_future(expires: Expiry, state: &State, now: i64) -> Result<i64, Error> {
    let end = expires.time(&state.clock, now);
    if end <= now || end > now.saturating_add(MAX_DAYS.saturating_mul(DAY)) {
        return Err(Error::fault(
            "/expires_at",
            "out_of_range",
            format!("a key ends in the future, within {MAX_DAYS} days"),
        ));
    }
    Ok(end)
}

/// Every fault of a key to be made; when it ends.
fn checked(state: &State, new: &NewKey, now: i64) -> Result<Option<i64>, Error> {
    let mut faults = Vec::new();
    let length = new.name.trim().chars().count();
    if !(1..=MAX_NAME).contains(&length) || new.name.chars().any(char::is_control) {
        faults.push(Fault::new(
            "/name",
            "malformed",
            format!("a name has 1 to {MAX_NAME} characters, no control characters"),
        ));
    }
    match (&new.unit, new.role) {
        (None, Role::Reporter) => {
            faults.push(Fault::new("/unit", "missing", "a reporter reports for a unit"))
        }
        (Some(unit), Role::Reporter) if state.units.position(unit).is_none() => {
            faults.push(Fault::new(
                "/unit",
                "unknown_unit",
                format!("there is no unit {}", quoted(unit)),
            ));
        }
        (Some(_), Role::Reader | Role::Steward | Role::Admin) => {
            faults.push(Fault::new(
                "/unit",
                "not_applicable",
                "only a reporter has a unit; the other roles are not bound to one",
            ));
        }
        (None | Some(_), _) => {}
    }
    let end = new.expires.map(|expires| in_future(expires, state, now)).transpose();
    match end {
        Ok(end) if faults.is_empty() => Ok(end),
        Err(Error::Invalid(more)) => Err(Error::Invalid(faults.into_iter().chain(more).collect())),
        Ok(_) | Err(_) => Err(Error::Invalid(faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_day_a_time_or_a_number_of_days() {
        assert_eq!(
            "2027-06-30".parse(),
            Ok(Expiry::Day(NaiveDate::from_ymd_opt(2027, 6, 30).unwrap()))
        );
        assert_eq!("90d".parse(), Ok(Expiry::Days(90)));
        assert_eq!("1".parse(), Ok(Expiry::Days(1)));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Expiry::Time(1_000_000)));
        for wrong in ["0", "-1d", "3661d", "", "tomorrow", "2027-02-30"] {
            assert!(wrong.parse::<Expiry>().is_err(), "{wrong}");
        }
        // A day ends where the service's days end: 24:00 in Vietnam.
        let end =
            Expiry::Day(NaiveDate::from_ymd_opt(2027, 6, 30).unwrap()).time(&Clock::default(), 0);
        assert_eq!(time_text(end), "2027-06-30T17:00:00.000000Z");
    }

    #[test]
    fn keys_are_random_and_name_their_identifier() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), ID);
        let (first, second) = (secret(&one).unwrap(), secret(&one).unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), PREFIX.len() + ID + 1 + 43);
        assert_eq!(Ring::default().named(&first), one);
    }
}
