//! Creating, rotating and revoking API keys (`docs/access.md`); [`crate::auth::api_keys`] defines a
//! key.

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

use super::App;
use super::state::State;
use super::write::idempotency::WriteResponse;
use super::write::writer::{PendingResponse, WriterContext, empty_commit};
use crate::auth::api_keys::cache::{ApiKeyCache, KeyDocuments};
use crate::auth::api_keys::document::{
    ADMIN_FILE, API_KEY, KeyDocument, KeyState, PREFIX, REVISION,
};
use crate::auth::api_keys::{GeneratedKey, refresher};
use crate::auth::identity::Identity;
use crate::auth::role::Role;
use crate::clock::{Calendar, process_time, time_text};
use crate::error::Error;
use crate::periodic::PeriodicThread;
use kpi::fault::{Fault, quoted};
use kpi::text;
use ledger::{Commit, DeclarationVersion, RevisionId, RevisionNumber, TimestampMicros, chain};

/// Shortest content of the admin key file, in characters.
const MIN_FILE: usize = 32;
/// Most keys in a ledger, including revoked and expired ones.
pub const MAX_KEYS: usize = 10_000;
/// Longest name of a key in characters.
pub const MAX_NAME: usize = 100;
/// Longest validity, and longest overlap of a rotation, in days.
pub const MAX_DAYS: i64 = 3_660;
/// Default overlap of a rotation: how long the old key stays valid, in days.
pub const OVERLAP_DAYS: i64 = 7;
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// An API key in responses, without its hash.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    /// The key's identifier.
    pub id: String,
    /// Name of the holder.
    pub name: String,
    /// The holder's role.
    pub role: Role,
    /// The unit that a reporter reports for, including the units below it.
    #[schema(required)]
    pub unit: Option<String>,
    /// Whether it can be used.
    pub state: KeyState,
    /// When the key was created.
    pub created_at: String,
    /// When the key expires; null if it does not expire.
    #[schema(required)]
    pub expires_at: Option<String>,
    /// When the key was revoked.
    #[schema(required)]
    pub revoked_at: Option<String>,
    /// The key that it replaces.
    #[schema(required)]
    pub replaces: Option<String>,
    /// When the key was last used, to the minute; null if never.
    #[schema(required)]
    pub last_used_at: Option<String>,
    /// The address from which the key was last used.
    #[schema(required)]
    pub last_used_from: Option<String>,
}

impl KeyView {
    fn new(id: &str, document: &KeyDocument, now: TimestampMicros) -> Self {
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

/// A new API key. The key itself is in this response only.
#[derive(Serialize, utoipa::ToSchema)]
pub struct IssuedKey {
    /// Whether this request made a revision.
    pub recorded: bool,
    /// The revision that contains the key.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// The key itself. It is not stored and never shown again.
    pub key: String,
    /// The key's properties.
    #[serde(flatten)]
    pub view: KeyView,
}

/// A revoked API key.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RevokedKey {
    /// Whether this request made a revision; false when the key was already revoked.
    pub recorded: bool,
    /// The revision that contains the revocation, or the current one.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// The key's properties.
    #[serde(flatten)]
    pub view: KeyView,
}

/// The expiry of a key: a day (its end), a time, or a number of days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyExpiry {
    /// At the end of this day, by the service's calendar.
    Day(NaiveDate),
    /// At this time.
    Time(TimestampMicros),
    /// This many days from now.
    Days(i64),
}

impl std::str::FromStr for KeyExpiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(days) = text.strip_suffix('d').unwrap_or(text).parse::<i64>() {
            return if (1..=MAX_DAYS).contains(&days) {
                Ok(Self::Days(days))
            } else {
                Err(format!("the number of days must be 1 to {MAX_DAYS}"))
            };
        }
        if let Ok(day) = text.parse::<NaiveDate>() {
            return Ok(Self::Day(day));
        }
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(Self::Time(TimestampMicros::new(time.timestamp_micros()))),
            Err(_malformed) => Err("the expiry must be a day such as 2027-06-30, a time such as \
                2027-06-30T17:00:00Z, or a number of days such as 90d"
                .to_owned()),
        }
    }
}

impl KeyExpiry {
    fn time(self, calendar: Calendar, now: TimestampMicros) -> TimestampMicros {
        match self {
            Self::Day(day) => calendar.end_of(day),
            Self::Time(time) => time,
            Self::Days(days) => now.plus(days.saturating_mul(DAY)),
        }
    }
}

/// An API key to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Name of the holder.
    pub name: String,
    /// The holder's role.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// When the key expires; never when absent.
    pub expires: Option<KeyExpiry>,
}

/// A change of API keys.
enum KeyChange {
    Add(NewKey),
    Rotate {
        id: String,
        overlap_days: i64,
        expires: Option<KeyExpiry>,
    },
    Revoke {
        id: String,
    },
    /// The content of the admin key file.
    File(String),
    /// Gives every key the HMAC of the instances' key secret.
    Authenticate,
}

/// The result of a change of API keys.
struct ChangedKey {
    id: String,
    document: KeyDocument,
}

impl App {
    /// The API key cache.
    #[must_use]
    pub fn api_keys(&self) -> &std::sync::Arc<ApiKeyCache> {
        &self.inner.api_keys
    }

    /// Starts the thread that applies other instances' changes of keys and records when keys were
    /// used, until the handle is dropped.
    ///
    /// # Errors
    /// [`Error::Environment`] when the thread cannot be started.
    pub fn start_api_key_refresher(&self) -> Result<PeriodicThread, Error> {
        refresher::start(std::sync::Arc::clone(&self.inner.api_keys), self.store().clone())
    }

    /// The addresses from which keys were last used, as recorded, each with the key's hash. Blocks
    /// on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn last_addresses(&self) -> Result<Vec<(std::net::IpAddr, ledger::chain::Hash)>, Error> {
        let uses = self.inner.api_keys.last_uses(self.store())?.into_iter();
        let of = |used: ledger::ApiKeyUsageRow| {
            Some((used.address?.parse().ok()?, self.inner.api_keys.key_hash(&used.key)?))
        };
        Ok(uses.filter_map(of).collect())
    }

    /// All keys, the newest last, with their last use. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn keys(&self) -> Result<(RevisionId, Vec<KeyView>), Error> {
        self.inner.api_keys.catch_up(self.store())?;
        let (revision, now) = (self.inner.api_keys.revision(), process_time());
        let mut found = self.inner.api_keys.each(|id, document| KeyView::new(id, document, now));
        for known in self.inner.api_keys.last_uses(self.store())? {
            if let Some(view) = found.iter_mut().find(|view| view.id == known.key) {
                view.last_used_at = Some(time_text(known.last_used_at));
                view.last_used_from = known.address;
            }
        }
        found.sort_by(|one, other| (&one.created_at, &one.id).cmp(&(&other.created_at, &other.id)));
        let hash = self.store().revision(revision)?.and_then(|row| chain::read(&row.hash?));
        Ok((
            hash.map_or_else(RevisionId::beginning, |hash| RevisionId { number: revision, hash }),
            found,
        ))
    }

    /// Creates a key.
    ///
    /// # Errors
    /// All errors of the new key, or those of the store.
    pub async fn add_key(&self, new: NewKey, by: impl Into<Identity>) -> Result<IssuedKey, Error> {
        self.issue(KeyChange::Add(new), by.into())?.result().await
    }

    /// Creates a key that replaces another one; the other stays valid for `overlap_days`.
    ///
    /// # Errors
    /// [`Error::NotFound`], a key that has expired or was already rotated, or those of the store.
    pub async fn rotate_key(
        &self,
        id: &str,
        overlap_days: i64,
        expires: Option<KeyExpiry>,
        by: impl Into<Identity>,
    ) -> Result<IssuedKey, Error> {
        self.issue(KeyChange::Rotate { id: id.to_owned(), overlap_days, expires }, by.into())?
            .result()
            .await
    }

    /// Revokes a key. All instances refuse it within a second.
    ///
    /// # Errors
    /// [`Error::NotFound`], or those of the store.
    pub async fn revoke_key(&self, id: &str, by: impl Into<Identity>) -> Result<RevokedKey, Error> {
        let IssuedKey { recorded, revision, revision_hash, view, .. } = self
            .issue_at(KeyChange::Revoke { id: id.to_owned() }, None, by.into())
            .result()
            .await?;
        Ok(RevokedKey { recorded, revision, revision_hash, view })
    }

    /// Writes every key again with the HMAC of the instances' key secret, and so trusts what the
    /// ledger now contains. Returns the number of keys.
    ///
    /// # Errors
    /// [`Error::Usage`] without a key secret, [`Error::NotFound`] without keys, or those of the
    /// store.
    pub async fn authenticate_keys(&self, by: impl Into<Identity>) -> Result<usize, Error> {
        if !self.inner.api_keys.has_secret() {
            return Err(Error::Usage(
                "the file with the secret is missing: --key-secret-file FILE".to_owned(),
            ));
        }
        self.issue_at(KeyChange::Authenticate, None, by.into()).result().await?;
        Ok(self.inner.api_keys.documents().len())
    }

    /// Makes the content of the admin key file the key of an admin. If the key with this content
    /// was revoked, it stays revoked.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unsuitable content, or those of the store.
    pub fn import_admin_key_file(&self, content: &str) -> Result<KeyView, Error> {
        let content = content.trim();
        let sound =
            content.chars().count() >= MIN_FILE && content.bytes().all(|b| b.is_ascii_graphic());
        if !sound || self.inner.api_keys.named(content) != ADMIN_FILE {
            let sentence = format!(
                "the admin key file must contain one line of at least {MIN_FILE} printable \
                 characters without spaces that does not begin with {PREFIX}, such as the output \
                 of `openssl rand -hex 32`"
            );
            return Err(Error::Usage(sentence));
        }
        self.issue_at(KeyChange::File(content.to_owned()), None, Identity::command("serve"))
            .wait()
            .map(|issued| issued.view)
    }

    fn issue(&self, change: KeyChange, by: Identity) -> Result<PendingResponse<IssuedKey>, Error> {
        Ok(self.issue_at(change, Some(GeneratedKey::new()?), by))
    }

    fn issue_at(
        &self,
        change: KeyChange,
        new: Option<GeneratedKey>,
        by: Identity,
    ) -> PendingResponse<IssuedKey> {
        let api_keys = std::sync::Arc::clone(&self.inner.api_keys);
        self.inner
            .writer
            .exclusive(move |writer| apply_change(writer, &api_keys, &change, new, &by))
    }
}

/// The revision of a change of API keys.
#[derive(Serialize, Deserialize)]
struct KeysChanged {
    recorded: bool,
    revision: RevisionNumber,
    revision_hash: String,
}

impl WriteResponse for KeysChanged {
    fn revision(&self) -> Option<RevisionNumber> {
        Some(self.revision)
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = hash;
    }
}

fn apply_change(
    writer: &WriterContext,
    api_keys: &ApiKeyCache,
    change: &KeyChange,
    new: Option<GeneratedKey>,
    by: &Identity,
) -> Result<IssuedKey, Error> {
    let (id, key) = new.map(|new| (new.id, new.key)).unwrap_or_default();
    let prepare = |state: &State| {
        // The ledger's keys, not those that this instance knows: another process may have changed
        // them.
        api_keys.catch_up(&writer.store)?;
        let known = api_keys.documents();
        let (changed, documents) = plan(state, &known, change, &id, &key)?;
        let mut commit = empty_commit(state, REVISION, by);
        commit.reason = Some(describe_change(change, &changed));
        for (id, mut document) in documents {
            document.code = api_keys.authentication_code(&id, &document);
            let text = serde_json::to_string(&document)
                .map_err(|error| Error::Malformed(error.to_string()))?;
            commit.declarations.push(DeclarationVersion {
                kind: API_KEY.to_owned(),
                code: id,
                document: Some(text),
            });
        }
        let commit: Option<Commit> = (!commit.declarations.is_empty()).then_some(commit);
        Ok((changed, commit))
    };
    let answer = |revision, recorded, _: &ChangedKey| KeysChanged {
        recorded,
        revision,
        revision_hash: String::new(),
    };
    let written = writer.change(by, None, prepare, answer)?;
    if let Some(commit) = &written.commit {
        writer.publish_commit(commit, |_state| Ok(()))?;
    }
    api_keys.catch_up(&writer.store)?;
    let Some(changed) = written.found else {
        return Err(Error::NotFound("there is no such key".to_owned()));
    };
    let KeysChanged { recorded, revision, revision_hash } = written.given.answer;
    Ok(IssuedKey {
        recorded,
        revision,
        revision_hash,
        key,
        view: KeyView::new(&changed.id, &changed.document, process_time()),
    })
}

/// The key rows to write for a rotation.
fn plan_rotation(
    state: &State,
    known: &KeyDocuments,
    (old, overlap_days, expires): (&String, i64, Option<KeyExpiry>),
    (id, key): (&str, &str),
) -> Result<KeyChangePlan, Error> {
    let now = process_time();
    let mut before = known
        .get(old)
        .cloned()
        .ok_or_else(|| Error::NotFound(format!("there is no key {}", quoted(old))))?;
    if old == ADMIN_FILE {
        return Err(Error::fault(
            "/id",
            "admin_file",
            "this key comes from a file: put a new key into the file and restart the service",
        ));
    }
    if before.state(now) != KeyState::Active {
        return Err(conflict(format!("the key {old} is no longer valid; create a new one")));
    }
    let replaced = |document: &&KeyDocument| document.replaces.as_ref() == Some(old);
    if let Some((successor, _)) = known.iter().find(|(_, document)| replaced(document)) {
        return Err(conflict(format!(
            "the key {old} was already replaced by {successor}; rotate that one, or create a new \
             key"
        )));
    }
    if known.len() >= MAX_KEYS || known.contains_key(id) {
        return Err(too_many_keys());
    }
    // By default the new key is valid as long as the old one was, counted from now.
    let lived = before.expires_at.map(|end| now.plus(end.since(before.created_at)));
    let expires_at =
        expires.map(|expires| check_expiry(expires, state, now)).transpose()?.or(lived);
    let document = KeyDocument {
        created_at: now,
        expires_at,
        replaces: Some(old.clone()),
        hash: ApiKeyCache::hash(key),
        ..before.clone()
    };
    let end = now.plus(overlap_days.clamp(0, MAX_DAYS).saturating_mul(DAY));
    before.expires_at = Some(before.expires_at.map_or(end, |known| known.min(end)));
    Ok((
        ChangedKey { id: id.to_owned(), document: document.clone() },
        vec![(old.clone(), before), (id.to_owned(), document)],
    ))
}

fn too_many_keys() -> Error {
    Error::TooLarge(format!("at most {MAX_KEYS} keys, including revoked and expired ones"))
}

/// Describes a change, for the list of revisions and the audit log.
fn describe_change(change: &KeyChange, changed: &ChangedKey) -> String {
    let ChangedKey { id, document } = changed;
    match change {
        KeyChange::Add(_) => {
            let unit = document.unit.as_ref().map(|unit| format!(" of {unit}")).unwrap_or_default();
            format!("issued {id}: {}{unit}", document.role)
        }
        KeyChange::Rotate { id: old, .. } => format!("rotated {old}: {id} takes its place"),
        KeyChange::Revoke { .. } => format!("revoked {id}"),
        KeyChange::File(_) => "the admin's key file".to_owned(),
        KeyChange::Authenticate => "authenticated every key with the instances' secret".to_owned(),
    }
}

/// The key rows to write, and the key that the response describes.
type KeyChangePlan = (ChangedKey, Vec<(String, KeyDocument)>);

fn plan(
    state: &State,
    known: &KeyDocuments,
    change: &KeyChange,
    id: &str,
    key: &str,
) -> Result<KeyChangePlan, Error> {
    let now = process_time();
    let find = |id: &str| {
        known
            .get(id)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("there is no key {}", quoted(id))))
    };
    let answer = |id: &str, document: KeyDocument| ChangedKey { id: id.to_owned(), document };
    match change {
        KeyChange::Add(new) => {
            let expires_at = validate_new_key(state, new, now)?;
            if known.len() >= MAX_KEYS || known.contains_key(id) {
                return Err(too_many_keys());
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
                hash: ApiKeyCache::hash(key),
                code: None,
                is_unauthenticated: false,
            };
            Ok((answer(id, document.clone()), vec![(id.to_owned(), document)]))
        }
        KeyChange::Rotate { id: old, overlap_days, expires } => {
            plan_rotation(state, known, (old, *overlap_days, *expires), (id, key))
        }
        KeyChange::Revoke { id } => {
            let mut document = find(id)?;
            if document.revoked_at.is_some() {
                return Ok((answer(id, document), Vec::new()));
            }
            document.revoked_at = Some(now);
            Ok((answer(id, document.clone()), vec![(id.clone(), document)]))
        }
        KeyChange::Authenticate => {
            let all: Vec<(String, KeyDocument)> =
                known.iter().map(|(id, document)| (id.clone(), document.clone())).collect();
            let (id, document) = all
                .first()
                .cloned()
                .ok_or_else(|| Error::NotFound("there is no key yet".to_owned()))?;
            Ok((answer(&id, document), all))
        }
        KeyChange::File(content) => {
            let hash = ApiKeyCache::hash(content);
            if let Some(document) = known
                .get(ADMIN_FILE)
                .filter(|document| document.hash == hash && !document.is_unauthenticated)
            {
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
                code: None,
                is_unauthenticated: false,
            };
            Ok((answer(ADMIN_FILE, document.clone()), vec![(ADMIN_FILE.to_owned(), document)]))
        }
    }
}

fn conflict(detail: String) -> Error {
    Error::Conflict { detail, obstacles: Vec::new() }
}

fn check_expiry(
    expires: KeyExpiry,
    state: &State,
    now: TimestampMicros,
) -> Result<TimestampMicros, Error> {
    let end = expires.time(state.calendar, now);
    if end <= now || end > now.plus(MAX_DAYS.saturating_mul(DAY)) {
        return Err(Error::fault(
            "/expires_at",
            "out_of_range",
            format!("the expiry must be in the future, within {MAX_DAYS} days"),
        ));
    }
    Ok(end)
}

/// Validates a new key: all errors, or the time at which it expires.
fn validate_new_key(
    state: &State,
    new: &NewKey,
    now: TimestampMicros,
) -> Result<Option<TimestampMicros>, Error> {
    let mut faults = Vec::new();
    let length = new.name.trim().chars().count();
    if !(1..=MAX_NAME).contains(&length) || text::is_blank(&new.name) {
        let fault = Fault::new(
            "/name",
            "malformed",
            format!("the name must have 1 to {MAX_NAME} characters"),
        );
        faults.push(fault.with_vi(format!("tên phải có từ 1 đến {MAX_NAME} ký tự")));
    }
    // Clients rely on this code for control characters in names.
    let hidden = text::hidden_fault("/name", &new.name, text::LineBreaks::One);
    faults.extend(hidden.map(|fault| {
        if fault.code == "control_character" { Fault { code: "malformed", ..fault } } else { fault }
    }));
    match (&new.unit, new.role) {
        (None, Role::Reporter) => {
            faults.push(Fault::new("/unit", "missing", "a reporter needs a unit"))
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
                "only a reporter has a unit; the other roles have none",
            ));
        }
        (None | Some(_), _) => {}
    }
    let end = new.expires.map(|expires| check_expiry(expires, state, now)).transpose();
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
    fn parses_an_expiry_as_a_day_a_timestamp_or_a_number_of_days() {
        assert_eq!(
            "2027-06-30".parse(),
            Ok(KeyExpiry::Day(NaiveDate::from_ymd_opt(2027, 6, 30).unwrap()))
        );
        assert_eq!("90d".parse(), Ok(KeyExpiry::Days(90)));
        assert_eq!("1".parse(), Ok(KeyExpiry::Days(1)));
        assert_eq!(
            "1970-01-01T00:00:01Z".parse(),
            Ok(KeyExpiry::Time(TimestampMicros::new(1_000_000)))
        );
        for wrong in ["0", "-1d", "3661d", "", "tomorrow", "2027-02-30"] {
            assert!(wrong.parse::<KeyExpiry>().is_err(), "{wrong}");
        }
        // A day ends by the service's calendar: 24:00 in Vietnam.
        let end = KeyExpiry::Day(NaiveDate::from_ymd_opt(2027, 6, 30).unwrap())
            .time(Calendar::default(), TimestampMicros::default());
        assert_eq!(time_text(end), "2027-06-30T17:00:00.000000Z");
    }
}
