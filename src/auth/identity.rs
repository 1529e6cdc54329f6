//! Identities and permissions: roles, units, closed months (`docs/access.md`). The same rules apply
//! to every way in which figures arrive.
//!
//! | role | permissions |
//! |---|---|
//! | `reader` | reads |
//! | `reporter` | also records and withdraws figures in open months, of its unit and those below |
//! | `steward` | also records for every unit and in closed months, and changes declarations |
//! | `admin` | also reads and changes keys, and reads the audit log |
//!
//! A change of a closed month needs a reason. Declarations are units, catalogue, targets,
//! annotations and closed months.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::api_keys::cache::{AcceptedKey, ApiKeyCache, KeyRejection};
use super::role::Role;
use crate::clock::process_time;
use crate::error::Error;
use kpi::fault::Fault;
use kpi::observation::Submission;
use kpi::period::Month;
use kpi::unit::{UnitForest, UnitPosition, UnitRange};
use ledger::{TimestampMicros, chain::Hash};

/// The actor of a request that needs no key.
pub const ANONYMOUS: &str = "anonymous";
/// The actor of requests with the one-time token.
pub const SETUP: &str = "setup";
/// Most units and months that a refusal lists.
const MAX_NAMED: usize = 100;

/// How the sender of a request signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignInMethod {
    /// Not at all: on this machine before the first key exists, or where reading is open to
    /// everybody.
    Nobody,
    /// With an API key of the ledger.
    Key,
    /// With a token of the single sign-on (OIDC).
    Token,
    /// With the one-time token that `serve` prints while there is no key.
    Setup,
    /// With a command on a machine that reaches the database.
    Command,
}

/// Where a change comes from; stored with its revision, under the hash chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeOrigin {
    /// How the sender signed in.
    pub how: SignInMethod,
    /// Identifier of the sender's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The sender's network address, as far as it can be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The `User-Agent` of the sender's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The credential of a request, as far as it can expire or be revoked while the request is
/// processed.
#[derive(Clone, Default)]
pub enum SignInCredential {
    /// Cannot expire: a command, or a request that needs no key.
    #[default]
    Unlimited,
    /// An API key of the ledger.
    Key {
        /// The API keys of this instance.
        api_keys: Arc<ApiKeyCache>,
        /// The key's identifier.
        id: String,
        /// The key's hash: a different key with the same identifier is another key.
        hash: Hash,
    },
    /// A token of the single sign-on.
    Token {
        /// End of validity, leeway included.
        ends_at: TimestampMicros,
    },
    /// Valid only until the first key is created.
    BeforeFirstKey {
        /// The API keys of this instance.
        api_keys: Arc<ApiKeyCache>,
    },
}

impl SignInCredential {
    /// Checks that the credential is still valid.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] with the reason when it is not.
    pub fn still_valid(&self) -> Result<(), Error> {
        match self {
            Self::Unlimited => Ok(()),
            Self::Key { api_keys, id, hash } => {
                api_keys.still_valid(id, hash).map_err(|ended| match ended {
                    KeyRejection::Expired => Error::Unauthorized {
                        detail:
                            "this key expired while the request was being processed; nothing was \
                             recorded"
                                .to_owned(),
                        detail_vi:
                            "khóa này đã hết hạn trong khi yêu cầu đang được xử lý; chưa có gì \
                             được ghi"
                                .to_owned(),
                    },
                    KeyRejection::Unknown | KeyRejection::Revoked => Error::Unauthorized {
                        detail:
                            "this key was revoked while the request was being processed; nothing \
                             was recorded"
                                .to_owned(),
                        detail_vi:
                            "khóa này đã bị thu hồi trong khi yêu cầu đang được xử lý; chưa có gì \
                             được ghi"
                                .to_owned(),
                    },
                })
            }
            Self::Token { ends_at } if *ends_at > process_time() => Ok(()),
            Self::Token { .. } => Err(Error::Unauthorized {
                detail: "the token expired while the request was being processed; nothing was \
                    recorded"
                    .to_owned(),
                detail_vi: "mã đăng nhập đã hết hạn trong khi yêu cầu đang được xử lý; chưa có gì \
                    được ghi"
                    .to_owned(),
            }),
            Self::BeforeFirstKey { api_keys } if api_keys.is_empty() => Ok(()),
            Self::BeforeFirstKey { .. } => Err(Error::Unauthorized {
                detail:
                    "the first key was created while the request was being processed, so a key is \
                     now required; nothing was recorded"
                        .to_owned(),
                detail_vi: "khóa đầu tiên đã được tạo trong khi yêu cầu đang được xử lý, nên bây \
                    giờ cần có khóa; chưa có gì được ghi"
                    .to_owned(),
            }),
        }
    }
}

impl std::fmt::Debug for SignInCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unlimited => "Unlimited",
            Self::Key { .. } => "Key",
            Self::Token { .. } => "Token",
            Self::BeforeFirstKey { .. } => "BeforeFirstKey",
        })
    }
}

/// Identities are equal regardless of how long their credentials are valid.
impl PartialEq for SignInCredential {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for SignInCredential {}

/// The identity of a request's sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name, for people.
    pub name: String,
    /// The name in the ledger: `name`, and in parentheses what distinguishes it from others of the
    /// same name.
    pub actor: String,
    /// Owner of submissions and of idempotency keys; the same before and after a rotation of the
    /// API key.
    pub holder: String,
    /// The role.
    pub role: Role,
    /// The unit that a reporter reports for.
    pub unit: Option<String>,
    /// End of validity; without end when absent.
    pub expires_at: Option<TimestampMicros>,
    /// The credential; checked again before anything is recorded.
    pub credential: SignInCredential,
    /// Where the request comes from.
    pub origin: ChangeOrigin,
}

impl Identity {
    /// A command of this program on a machine that reaches the database. It may do everything,
    /// because whoever can start it can also change the database directly.
    #[must_use]
    pub fn command(actor: &str) -> Self {
        let origin =
            ChangeOrigin { how: SignInMethod::Command, key: None, address: None, agent: None };
        Self {
            name: actor.to_owned(),
            actor: actor.to_owned(),
            holder: actor.to_owned(),
            role: Role::Admin,
            unit: None,
            expires_at: None,
            credential: SignInCredential::Unlimited,
            origin,
        }
    }

    /// The holder of a key of the ledger.
    ///
    /// # Errors
    /// Why the key is refused, see [`ApiKeyCache::accept`].
    pub fn of_key(api_keys: &Arc<ApiKeyCache>, key: &str) -> Result<Self, KeyRejection> {
        let AcceptedKey { id, document, hash } = api_keys.accept(key)?;
        Ok(Self {
            actor: format!("{} ({id})", document.name),
            name: document.name,
            holder: format!("key:{}", document.holder),
            role: document.role,
            unit: document.unit,
            expires_at: document.expires_at,
            credential: SignInCredential::Key {
                api_keys: Arc::clone(api_keys),
                id: id.clone(),
                hash,
            },
            origin: ChangeOrigin {
                how: SignInMethod::Key,
                key: Some(id),
                address: None,
                agent: None,
            },
        })
    }

    /// The holder of the one-time token before the first key exists.
    #[must_use]
    pub fn setup(api_keys: &Arc<ApiKeyCache>) -> Self {
        let command = Self::command(SETUP);
        Self {
            credential: SignInCredential::BeforeFirstKey { api_keys: Arc::clone(api_keys) },
            origin: ChangeOrigin { how: SignInMethod::Setup, ..command.origin },
            ..command
        }
    }

    /// A sender without credentials, before the first key exists.
    #[must_use]
    pub fn before_first_key(role: Role, api_keys: &Arc<ApiKeyCache>) -> Self {
        Self {
            credential: SignInCredential::BeforeFirstKey { api_keys: Arc::clone(api_keys) },
            ..Self::anonymous(role)
        }
    }

    /// Checks that the credential is still valid.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] with the reason when it is not.
    pub fn still_valid(&self) -> Result<(), Error> {
        self.credential.still_valid()
    }

    /// A sender without credentials, with the role that is open to everybody.
    #[must_use]
    pub fn anonymous(role: Role) -> Self {
        let command = Self::command(ANONYMOUS);
        Self {
            role,
            origin: ChangeOrigin { how: SignInMethod::Nobody, ..command.origin },
            ..command
        }
    }

    /// The identity with the address and program that the request came from.
    #[must_use]
    pub fn from(self, address: Option<String>, agent: Option<String>) -> Self {
        Self { origin: ChangeOrigin { address, agent, ..self.origin }, ..self }
    }

    /// Whether it may write figures of the unit at a position.
    #[must_use]
    pub fn may_write(&self, units: &UnitForest, position: UnitPosition) -> bool {
        match self.role {
            Role::Reader => false,
            Role::Reporter => self.own(units).is_some_and(|own| own.contains(position)),
            Role::Steward | Role::Admin => true,
        }
    }

    /// Whether it may change figures of closed months, with a reason.
    #[must_use]
    pub fn may_change_closed(&self) -> bool {
        self.role >= Role::Steward
    }

    /// The positions of its unit and the units below it, in tree order.
    #[must_use]
    pub fn own(&self, units: &UnitForest) -> Option<UnitRange> {
        Some(units.subtree(units.position(self.unit.as_deref()?)?))
    }

    /// Checks that it may write all units of a submission. Figures of closed months that stay as
    /// they are, are no change; the writer checks the others with [`Identity::may_change`].
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the units that are not its own and the closed months, at most 100
    /// of each.
    pub fn may_record(
        &self,
        units: &UnitForest,
        is_closed: impl Fn(Month) -> bool,
        submission: &Submission,
    ) -> Result<(), Error> {
        let figures = || submission.figures.iter().map(|figure| (figure.unit, figure.month));
        self.may_change(units, |_month| false, figures())
            .or_else(|_foreign| self.may_change(units, is_closed, figures()))
    }

    /// Checks that it may change the given figures, each by position of its unit and month.
    ///
    /// # Errors
    /// [`Error::Forbidden`], as for [`Identity::may_record`].
    pub fn may_change(
        &self,
        units: &UnitForest,
        is_closed: impl Fn(Month) -> bool,
        figures: impl Iterator<Item = (UnitPosition, Month)>,
    ) -> Result<(), Error> {
        if self.role >= Role::Steward {
            return Ok(());
        }
        let (mut foreign, mut shut) = (BTreeSet::new(), BTreeSet::new());
        let mut known = BTreeMap::new();
        for (unit, month) in figures {
            if !*known.entry(unit).or_insert_with(|| self.may_write(units, unit)) {
                foreign.insert(unit);
            }
            if is_closed(month) {
                shut.insert(month);
            }
        }
        if foreign.is_empty() && shut.is_empty() {
            return Ok(());
        }
        let own = self
            .unit
            .as_deref()
            .map_or_else(|| "no unit".to_owned(), |unit| format!("{unit} and the units below it"));
        let of_units = foreign.iter().map(|unit| {
            let code = units.code(*unit);
            Fault::new(
                "/observations",
                "foreign_unit",
                format!("{code} is not among the units that {} reports for: {own}", self.name),
            )
        });
        let of_months = shut.iter().map(|month| {
            Fault::new(
                "/observations",
                "month_closed",
                format!("{month} is closed; only a steward can change its figures"),
            )
        });
        let obstacles: Vec<Fault> = of_units.chain(of_months).take(MAX_NAMED).collect();
        let detail = match obstacles.as_slice() {
            [one] => one.detail.clone(),
            many => format!(
                "{} of the units and months of these figures may not be changed by {}; nothing was \
                 recorded",
                many.len(),
                self.name
            ),
        };
        Err(Error::Forbidden { detail, obstacles })
    }
}

impl From<&str> for Identity {
    /// A command by its name, see [`Identity::command`].
    fn from(actor: &str) -> Self {
        Self::command(actor)
    }
}

impl From<&Self> for Identity {
    fn from(identity: &Self) -> Self {
        identity.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::unit::UnitDocument;

    fn units() -> UnitForest {
        let document = |text: &str| serde_json::from_str::<UnitDocument>(text).unwrap();
        let all = [
            r#"{"code":"p"}"#,
            r#"{"code":"p.a","parent":"p"}"#,
            r#"{"code":"p.a.x","parent":"p.a"}"#,
            r#"{"code":"q"}"#,
        ];
        UnitForest::numbered(all.map(document)).unwrap()
    }

    fn reporter(unit: &str) -> Identity {
        Identity { role: Role::Reporter, unit: Some(unit.to_owned()), ..Identity::command("r") }
    }

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn each_role_includes_the_permissions_of_the_roles_before_it() {
        assert!(Role::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert!("Admin".parse::<Role>().is_err());
    }

    #[test]
    fn a_reporter_may_write_its_own_unit_and_the_units_below_only() {
        let units = units();
        let may = |identity: &Identity| -> Vec<String> {
            units
                .all()
                .iter()
                .filter(|unit| identity.may_write(&units, *unit))
                .map(|unit| units.code(unit).to_owned())
                .collect()
        };
        assert_eq!(may(&reporter("p.a")), ["p.a", "p.a.x"]);
        assert_eq!(may(&reporter("p.a.x")), ["p.a.x"]);
        assert_eq!(may(&reporter("gone")), Vec::<String>::new());
        assert_eq!(may(&Identity { unit: None, ..reporter("p") }), Vec::<String>::new());
        assert_eq!(may(&Identity { role: Role::Reader, ..reporter("p") }), Vec::<String>::new());
        assert_eq!(may(&Identity { role: Role::Steward, ..reporter("q") }).len(), 4);
    }

    #[test]
    fn a_refusal_lists_each_foreign_unit_and_each_closed_month_once() {
        let units = units();
        let at = |code: &str| units.position(code).unwrap();
        let closed = |asked: Month| asked == month("2021-09");
        let figures = [
            ("p.a", "2021-09"),
            ("q", "2021-10"),
            ("q", "2021-09"),
            ("p", "2021-10"),
            ("p.a.x", "2021-10"),
        ];
        let figures = || figures.iter().map(|(unit, text)| (at(unit), month(text)));
        let Err(Error::Forbidden { detail, obstacles }) =
            reporter("p.a").may_change(&units, closed, figures())
        else {
            panic!()
        };
        assert_eq!(
            obstacles.iter().map(|fault| fault.code).collect::<Vec<_>>(),
            ["foreign_unit", "foreign_unit", "month_closed"]
        );
        assert!(
            obstacles[0].detail.starts_with("p is not")
                && obstacles[1].detail.starts_with("q is not"),
            "{obstacles:?}"
        );
        assert!(detail.starts_with("3 of"), "{detail}");
        assert!(
            Identity { role: Role::Steward, ..reporter("p") }
                .may_change(&units, closed, figures())
                .is_ok()
        );
        assert!(
            reporter("p")
                .may_change(&units, closed, [(at("p.a.x"), month("2021-10"))].into_iter())
                .is_ok()
        );
        assert!(
            Identity { role: Role::Reader, ..reporter("p") }
                .may_change(&units, closed, [(at("p"), month("2021-10"))].into_iter())
                .is_err()
        );
    }
}
