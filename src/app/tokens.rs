//! Tokens of a single sign-on (OpenID Connect): who sends one, by the issuer's signature and the claims in it.
//!
//! | file | holds |
//! |---|---|
//! | `tokens/keys.rs` | the issuer's public keys: fetched, kept, fetched again |
//! | `tokens/signature.rs` | the signatures that are known, by ring |

mod keys;
mod signature;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::access::{Identity, Origin, Role, SignedIn};
use crate::error::Error;

pub use keys::{FRESH, RETRY};

/// How far the clocks of issuer and service may differ, in seconds.
const LEEWAY: u64 = 60;
/// Longest token in bytes.
const MAX_TOKEN: usize = 16_384;
/// Longest subject and longest name in characters.
const MAX_SUBJECT: usize = 255;
const MAX_NAME: usize = 100;
/// The claims that may hold a name for people, the best first.
const NAMES: [&str; 4] = ["name", "preferred_username", "email", "sub"];

/// Which tokens are taken, and what they let their holders do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The issuer, as it calls itself: an https address, or http on this machine.
    pub issuer: String,
    /// The audience that a token has to be for.
    pub audience: String,
    /// The claim that holds roles: its name, or a path with dots into claims in claims.
    pub role_claim: String,
    /// Of which value of it follows which role; the highest counts.
    pub roles: Vec<(String, Role)>,
    /// The claim that holds a reporter's unit.
    pub unit_claim: String,
    /// The certificates of authorities that the issuer's certificate is checked against (PEM); the system's when absent.
    pub authorities: Option<PathBuf>,
    /// How long the issuer's keys are fresh; then they are fetched again.
    pub fresh: Duration,
    /// How long it takes at least from one attempt to fetch keys to the next.
    pub retry: Duration,
}

/// Why a token is of no use.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// It is malformed, not the issuer's, not for this service, or has ended.
    #[error("the token is not accepted: {0}")]
    Invalid(&'static str),
    /// The issuer's keys cannot be had.
    #[error("the token cannot be checked: the issuer's keys cannot be had at the moment")]
    Unreachable,
    /// It is sound, and has no role here.
    #[error("the token is accepted, and none of its roles is one here")]
    Unmapped,
}

/// The single sign-on. Clones share the issuer's keys.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    keys: keys::Keys,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.inner.settings.issuer)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens of an issuer. Its keys are fetched when the first token comes.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that cannot be.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        if settings.audience.is_empty() {
            return Err(Error::Usage("--oidc-issuer goes with --oidc-audience: the name by which the issuer's tokens mean this service".to_owned()));
        }
        if settings.roles.is_empty() {
            return Err(Error::Usage("--oidc-issuer goes with --oidc-roles VALUE=ROLE: which value of the claim is which role here".to_owned()));
        }
        signature::install();
        let keys = keys::Keys::new(&settings)?;
        Ok(Self { inner: Arc::new(Inner { settings, keys }) })
    }

    /// Whether a text is a token rather than a key: three parts with dots between.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        text.split('.').count() == 3
    }

    /// Who sends a token.
    ///
    /// # Errors
    /// Why it is of no use.
    pub async fn recognise(&self, token: &str) -> Result<Identity, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Invalid("it is too long"));
        }
        let header = decode_header(token).map_err(|error| said(&error))?;
        if header.crit.is_some() {
            return Err(Refused::Invalid("its header asks for what is not understood here"));
        }
        let key = self.inner.keys.find(header.kid.as_deref(), header.alg).await?;
        let settings = &self.inner.settings;
        let mut validation = Validation::new(header.alg);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| said(&error))?
            .claims;
        self.identity(&claims)
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, Refused> {
        let settings = &self.inner.settings;
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subject = text("sub").filter(|text| {
            text.chars().count() <= MAX_SUBJECT
                && !text.chars().any(|c| c.is_control() || matches!(c, '(' | ')'))
        });
        let subject = subject.ok_or(Refused::Invalid("its subject is none"))?;
        let named: String = NAMES
            .iter()
            .find_map(|name| text(name))
            .unwrap_or(subject)
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME)
            .collect();
        let held = found(claims, &settings.role_claim).map(texts).unwrap_or_default();
        let role = settings
            .roles
            .iter()
            .filter(|(value, _)| held.contains(&value.as_str()))
            .map(|(_, role)| *role)
            .max()
            .ok_or(Refused::Unmapped)?;
        let unit = if role == Role::Reporter {
            found(claims, &settings.unit_claim).and_then(Value::as_str).map(ToOwned::to_owned)
        } else {
            None
        };
        let seconds = claims.get("exp").and_then(Value::as_i64);
        Ok(Identity {
            actor: format!("{named} (oidc:{subject})"),
            name: named,
            holder: format!("oidc:{subject}"),
            role,
            unit,
            expires_at: seconds.map(|seconds| seconds.saturating_mul(1_000_000)),
            origin: Origin { how: SignedIn::Token, key: None, address: None, agent: None },
        })
    }
}

/// A claim by its name, or by a path with dots.
fn found<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
}

/// The texts of a claim: one, or a list. Also a list in one text, as OAuth's `scope` has it.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => std::iter::once(text.as_str()).chain(text.split(' ')).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// What is wrong with a token, in words that repeat nothing of it.
fn said(error: &jsonwebtoken::errors::Error) -> Refused {
    use jsonwebtoken::errors::ErrorKind;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's list of faults may grow; each is a refusal"
    )]
    Refused::Invalid(match error.kind() {
        ErrorKind::ExpiredSignature => "it has ended",
        ErrorKind::ImmatureSignature => "it has not begun",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::InvalidSignature => "its signature is not the issuer's",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of exp, iss, aud, sub",
        ErrorKind::InvalidAlgorithm => "it is signed by an algorithm that is not taken here",
        _ => "it cannot be read",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokens(role_claim: &str) -> Tokens {
        let roles = [
            ("kpi-readers", Role::Reader),
            ("kpi-reporters", Role::Reporter),
            ("kpi-admins", Role::Admin),
        ];
        Tokens::new(Settings {
            issuer: "https://sso.example".to_owned(),
            audience: "egov-kpi".to_owned(),
            role_claim: role_claim.to_owned(),
            roles: roles.map(|(value, role)| (value.to_owned(), role)).into(),
            unit_claim: "unit".to_owned(),
            authorities: None,
            fresh: FRESH,
            retry: RETRY,
        })
        .unwrap()
    }

    fn identity(role_claim: &str, claims: &Value) -> Result<Identity, Refused> {
        tokens(role_claim).identity(claims.as_object().unwrap())
    }

    #[test]
    fn roles_are_found_by_name_or_by_path_and_the_highest_counts() {
        let held = json!({ "sub": "7", "realm_access": { "roles": ["other", "kpi-readers", "kpi-admins"] }, "exp": 10 });
        let found = identity("realm_access.roles", &held).unwrap();
        assert_eq!(
            (found.role, found.actor.as_str(), found.expires_at),
            (Role::Admin, "7 (oidc:7)", Some(10_000_000))
        );
        let by_address = json!({ "sub": "7", "https://example.org/roles": "kpi-readers" });
        assert_eq!(identity("https://example.org/roles", &by_address).unwrap().role, Role::Reader);
        assert_eq!(
            identity("scope", &json!({ "sub": "7", "scope": "openid kpi-readers" })).unwrap().role,
            Role::Reader
        );
        for none in [
            json!({ "sub": "7" }),
            json!({ "sub": "7", "roles": ["admin"] }),
            json!({ "sub": "7", "roles": { "kpi-admins": true } }),
        ] {
            assert_eq!(identity("roles", &none), Err(Refused::Unmapped), "{none}");
        }
    }

    #[test]
    fn a_reporter_has_the_unit_of_its_claim_and_the_others_have_none() {
        let held = |role: &str| json!({ "sub": "7", "name": "An\u{7}h", "roles": [role], "unit": "travinh" });
        let reporter = identity("roles", &held("kpi-reporters")).unwrap();
        assert_eq!(
            (reporter.unit.as_deref(), reporter.actor.as_str(), reporter.holder.as_str()),
            (Some("travinh"), "Anh (oidc:7)", "oidc:7")
        );
        assert_eq!(identity("roles", &held("kpi-admins")).unwrap().unit, None);
        assert_eq!(
            identity("roles", &json!({ "sub": "7", "roles": ["kpi-reporters"] })).unwrap().unit,
            None
        );
        assert!(identity("roles", &json!({ "sub": "a\nb", "roles": ["kpi-reporters"] })).is_err());
    }

    #[test]
    fn a_token_is_told_from_a_key() {
        assert!(Tokens::looks_like_one("a.b.c"));
        assert!(!Tokens::looks_like_one("ek_0123456789_abc-DEF"));
    }
}
