//! Tokens of a single sign-on (OpenID Connect, `docs/access.md`): verifies a token and derives an
//! identity from its claims.
//!
//! | file | holds |
//! |---|---|
//! | `oidc/jwks.rs` | the issuer's public keys (JWKS) and addresses: fetching and refreshing |
//! | `oidc/sign_on.rs` | signing in with a browser (code flow with PKCE) |
//! | `oidc/signature.rs` | the accepted signature algorithms, by ring |

mod jwks;
mod sign_on;
mod signature;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Validation, decode, decode_header};
use ledger::TimestampMicros;
use serde_json::{Map, Value};

use super::identity::{ChangeOrigin, Identity, SignInCredential, SignInMethod};
use super::role::Role;
use crate::clock::process_time;
use crate::error::Error;

pub use jwks::{FRESH, RETRY};
pub use sign_on::{
    AuthorizationAnswer, BrowserSignOn, CALLBACK, ClientSettings, MAX_AGE, SignOnAttempt,
    SignOnError,
};

/// Accepted difference between the clocks of issuer and service, in microseconds.
const LEEWAY_MICROS: i64 = 60_000_000;
/// The last second that can be formatted as a time: the end of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;
/// Longest token in bytes.
const MAX_TOKEN: usize = 16_384;
/// Longest subject and longest name in characters.
const MAX_SUBJECT: usize = 255;
const MAX_NAME: usize = 100;
/// The claims that may contain a name for people, in order of preference.
const NAMES: [&str; 4] = ["name", "preferred_username", "email", "sub"];

/// Which tokens are accepted, and how claims map to roles.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OidcSettings {
    /// The issuer as it names itself: an https address, or http on this machine.
    pub issuer: String,
    /// The audience that a token must have.
    pub audience: String,
    /// The claim with the roles: its name, or a path with dots into nested claims.
    pub role_claim: String,
    /// Maps values of that claim to roles; the highest role counts.
    pub roles: Vec<(String, Role)>,
    /// The claim with a reporter's unit.
    pub unit_claim: String,
    /// File of the certificate authorities for the issuer's certificate (PEM); those of the system
    /// when absent.
    pub authorities: Option<PathBuf>,
    /// How long fetched JWKS keys are fresh; afterwards they are fetched again.
    pub fresh: Duration,
    /// Minimum time between two attempts to fetch keys.
    pub retry: Duration,
}

/// Why a token is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenRejection {
    /// It is malformed, or not signed by the issuer: it may be a guess.
    #[error("the token is not accepted: {0}")]
    Invalid(&'static str),
    /// The issuer has signed it, but it is not valid for this service, or not at this time. Such a
    /// token cannot be a guess.
    #[error("the token is not accepted: {0}")]
    NotValid(&'static str),
    /// The issuer's keys are not available.
    #[error(
        "the token cannot be checked: the issuer's keys are not available at the moment; try again"
    )]
    Unreachable,
    /// It is valid, but none of its roles maps to a role of this service.
    #[error("the token is valid, but none of its roles has a role in this service")]
    Unmapped,
}

/// The verifier of tokens. All clones share the issuer's keys.
#[derive(Clone)]
pub struct TokenVerifier {
    inner: Arc<VerifierInner>,
}

struct VerifierInner {
    settings: OidcSettings,
    keys: jwks::JwksCache,
}

impl std::fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.inner.settings.issuer)
            .finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// A verifier for an issuer. The issuer's keys are fetched when the first token arrives.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that are incomplete or wrong.
    pub fn new(settings: OidcSettings) -> Result<Self, Error> {
        if settings.audience.is_empty() {
            return Err(Error::Usage(
                "--oidc-issuer needs --oidc-audience: the name of this service in the issuer's \
                 tokens"
                    .to_owned(),
            ));
        }
        if settings.roles.is_empty() {
            return Err(Error::Usage(
                "--oidc-issuer needs --oidc-roles VALUE=ROLE: which value of the claim gives which \
                 role"
                    .to_owned(),
            ));
        }
        signature::install();
        let keys = jwks::JwksCache::new(&settings)?;
        Ok(Self { inner: Arc::new(VerifierInner { settings, keys }) })
    }

    /// Whether a text has the form of a token rather than of a key: three parts with dots between
    /// them.
    #[must_use]
    pub fn looks_like_token(text: &str) -> bool {
        text.split('.').count() == 3
    }

    /// The identity of a token's sender.
    ///
    /// # Errors
    /// Why the token is refused.
    pub async fn identify(&self, token: &str) -> Result<Identity, TokenRejection> {
        self.identity(&self.claims(token, &self.inner.settings.audience).await?)
    }

    /// The claims of a token that the issuer has signed for an audience. Its times are not checked
    /// yet, see [`TokenVerifier::end`].
    async fn claims(
        &self,
        token: &str,
        audience: &str,
    ) -> Result<Map<String, Value>, TokenRejection> {
        if token.len() > MAX_TOKEN {
            return Err(TokenRejection::Invalid("it is too long"));
        }
        let header = decode_header(token).map_err(|error| rejection_of(&error))?;
        if header.crit.is_some() {
            return Err(TokenRejection::Invalid("its header has an unsupported field"));
        }
        let key = self.inner.keys.find(header.kid.as_deref(), header.alg).await?;
        let settings = &self.inner.settings;
        let mut validation = Validation::new(header.alg);
        // Begin and end are compared with the ledger's clock below; the library would use the
        // machine's.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[audience]);
        decode::<Map<String, Value>>(token, &key, &validation)
            .map(|decoded| decoded.claims)
            .map_err(|error| rejection_of(&error))
    }

    /// The holder that a token claims. Nothing is verified, not even the signature.
    #[must_use]
    pub fn claimed_holder(token: &str) -> Option<String> {
        use base64::Engine;
        if token.len() > MAX_TOKEN {
            return None;
        }
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1)?)
            .ok()?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
        claims.get("sub").and_then(Value::as_str).map(holder)
    }

    /// The end of a token that is valid now.
    fn end(&self, claims: &Map<String, Value>) -> Result<TimestampMicros, TokenRejection> {
        // The library also accepts a list of issuers; a token has exactly one (RFC 7519).
        if text(claims, "iss").is_none_or(|issuer| issuer != self.inner.settings.issuer) {
            return Err(TokenRejection::NotValid("it has another issuer"));
        }
        let end = claims
            .get("exp")
            .and_then(token_time)
            .ok_or(TokenRejection::NotValid("its expiry is not a time"))?;
        let now = process_time();
        if end.plus(LEEWAY_MICROS) <= now {
            return Err(TokenRejection::NotValid("it has expired"));
        }
        if let Some(begin) = claims.get("nbf") {
            let begin = token_time(begin)
                .ok_or(TokenRejection::NotValid("its start of validity is not a time"))?;
            if begin > now.plus(LEEWAY_MICROS) {
                return Err(TokenRejection::NotValid("it is not valid yet"));
            }
        }
        Ok(end)
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, TokenRejection> {
        let settings = &self.inner.settings;
        let end = self.end(claims)?;
        let text = |name: &str| text(claims, name);
        let subject = text("sub").filter(|text| {
            text.chars().count() <= MAX_SUBJECT
                && !text.chars().any(|c| kpi::text::is_hidden(c) || matches!(c, '(' | ')'))
        });
        let subject = subject.ok_or(TokenRejection::NotValid("its subject is invalid"))?;
        let names = NAMES
            .iter()
            .filter_map(|name| text(name))
            .map(kpi::text::visible)
            .find(|name| !name.is_empty());
        let named: String =
            names.unwrap_or_else(|| subject.to_owned()).chars().take(MAX_NAME).collect();
        let held = find_claim(claims, &settings.role_claim).map(claim_texts).unwrap_or_default();
        let role = settings
            .roles
            .iter()
            .filter(|(value, _)| held.contains(&value.as_str()))
            .map(|(_, role)| *role)
            .max()
            .ok_or(TokenRejection::Unmapped)?;
        let unit = if role == Role::Reporter {
            find_claim(claims, &settings.unit_claim).and_then(Value::as_str).map(ToOwned::to_owned)
        } else {
            None
        };
        Ok(Identity {
            actor: format!("{named} (oidc:{subject})"),
            name: named,
            holder: holder(subject),
            role,
            unit,
            expires_at: Some(end),
            credential: SignInCredential::Token { ends_at: end.plus(LEEWAY_MICROS) },
            origin: ChangeOrigin {
                how: SignInMethod::Token,
                key: None,
                address: None,
                agent: None,
            },
        })
    }
}

/// A claim that is a text; none where it is empty.
fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The holder for a subject: owner of idempotency keys, rate limits and sign-ins.
fn holder(subject: &str) -> String {
    format!("oidc:{subject}")
}

/// Converts a time of a token (seconds since 1970, possibly with a fraction); `None` when it cannot
/// be formatted as a time.
fn token_time(value: &Value) -> Option<TimestampMicros> {
    if let Some(whole) = value.as_i64() {
        let whole = Some(whole).filter(|whole| (0..=253_402_300_799).contains(whole))?;
        return Some(TimestampMicros::new(whole.saturating_mul(1_000_000)));
    }
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds))?;
    let micros = Duration::try_from_secs_f64(seconds).ok()?.as_micros();
    i64::try_from(micros).ok().map(TimestampMicros::new)
}

/// A claim by its name, or by a path with dots.
fn find_claim<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
}

/// The texts of a claim: one text, a list of texts, or a list in one text as in OAuth's `scope`.
fn claim_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => std::iter::once(text.as_str()).chain(text.split(' ')).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// Describes an error of a token in words that repeat nothing of the token.
fn rejection_of(error: &jsonwebtoken::errors::Error) -> TokenRejection {
    use jsonwebtoken::errors::ErrorKind;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's list of errors may grow; each is a refusal"
    )]
    match error.kind() {
        // The library checks claims only after it has verified the signature.
        ErrorKind::InvalidAudience => TokenRejection::NotValid("it has another audience"),
        ErrorKind::InvalidIssuer => TokenRejection::NotValid("it has another issuer"),
        ErrorKind::MissingRequiredClaim(_) => {
            TokenRejection::NotValid("it lacks one of exp, iss, aud, sub")
        }
        ErrorKind::InvalidClaimFormat(_) => TokenRejection::NotValid("one of its times is invalid"),
        ErrorKind::InvalidSignature => TokenRejection::Invalid("its signature is not the issuer's"),
        ErrorKind::InvalidAlgorithm => {
            TokenRejection::Invalid("its signature algorithm is not supported")
        }
        _ => TokenRejection::Invalid("it cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokens(role_claim: &str) -> TokenVerifier {
        let roles = [
            ("kpi-readers", Role::Reader),
            ("kpi-reporters", Role::Reporter),
            ("kpi-admins", Role::Admin),
        ];
        TokenVerifier::new(OidcSettings {
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

    /// An identity from claims; issuer and expiry are added when missing.
    fn identity(role_claim: &str, claims: &Value) -> Result<Identity, TokenRejection> {
        let mut all = json!({ "iss": "https://sso.example", "exp": 4_000_000_000_u64 })
            .as_object()
            .unwrap()
            .clone();
        all.extend(claims.as_object().unwrap().clone());
        tokens(role_claim).identity(&all)
    }

    #[test]
    fn an_expiry_claim_is_a_displayable_time_and_may_have_a_fraction() {
        let end = |exp: Value| {
            identity("roles", &json!({ "sub": "7", "roles": ["kpi-readers"], "exp": exp }))
                .map(|identity| identity.expires_at.unwrap().get())
        };
        assert_eq!(end(json!(4_000_000_000_u64)), Ok(4_000_000_000_000_000));
        assert_eq!(end(json!(4_000_000_000.25)), Ok(4_000_000_000_250_000));
        assert_eq!(end(json!(4e9)), Ok(4_000_000_000_000_000));
        let none = [
            json!(9_223_372_036_854_775_808_u64),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
            json!(253_402_300_800_u64),
            json!(-1),
            json!(-0.5),
        ];
        for exp in none.into_iter().chain([
            json!("4000000000"),
            json!(null),
            json!([4_000_000_000_u64]),
            json!(1),
            json!(1.5),
        ]) {
            assert!(matches!(end(exp.clone()), Err(TokenRejection::NotValid(_))), "{exp}");
        }
    }

    #[test]
    fn the_issuer_claim_is_a_single_string() {
        let by = |issuer: Value| {
            identity("roles", &json!({ "sub": "7", "roles": ["kpi-readers"], "iss": issuer }))
                .is_ok()
        };
        assert!(by(json!("https://sso.example")));
        for other in [
            json!(["https://sso.example"]),
            json!(["https://sso.example", "x"]),
            json!("https://sso.example/"),
            json!(null),
            json!(7),
        ] {
            assert!(!by(other.clone()), "{other}");
        }
    }

    #[test]
    fn the_claimed_holder_of_a_token_is_its_subject() {
        use base64::Engine;
        let token = |claims: &Value| {
            format!(
                "a.{}.b",
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims.to_string())
            )
        };
        assert_eq!(
            TokenVerifier::claimed_holder(&token(&json!({ "sub": "7" }))).as_deref(),
            Some("oidc:7")
        );
        for none in [
            token(&json!({ "sub": 7 })),
            token(&json!([])),
            "a.!.b".to_owned(),
            "a".to_owned(),
            token(&json!({ "sub": "x".repeat(20_000) })),
        ] {
            assert_eq!(TokenVerifier::claimed_holder(&none), None);
        }
    }

    #[test]
    fn roles_are_found_by_name_or_by_path_and_the_highest_counts() {
        let held = json!({
            "sub": "7",
            "realm_access": { "roles": ["other", "kpi-readers", "kpi-admins"] },
            "exp": 4_000_000_010_u64
        });
        let found = identity("realm_access.roles", &held).unwrap();
        assert_eq!(
            (found.role, found.actor.as_str(), found.expires_at),
            (Role::Admin, "7 (oidc:7)", Some(TimestampMicros::new(4_000_000_010_000_000)))
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
            assert_eq!(identity("roles", &none), Err(TokenRejection::Unmapped), "{none}");
        }
    }

    #[test]
    fn only_a_reporter_gets_the_unit_of_its_claim() {
        let held = |role: &str| {
            json!({
                "sub": "7",
                "name": "An\u{7}h",
                "roles": [role],
                "unit": "travinh"
            })
        };
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
        assert!(
            identity("roles", &json!({ "sub": "a\u{202e}b", "roles": ["kpi-reporters"] })).is_err()
        );
        let hidden = json!({
            "sub": "7",
            "name": "\u{200b}",
            "email": "an\u{200b}h@example",
            "roles": ["kpi-readers"]
        });
        assert_eq!(identity("roles", &hidden).unwrap().name, "anh@example");
    }

    #[test]
    fn a_token_is_distinguished_from_an_api_key() {
        assert!(TokenVerifier::looks_like_token("a.b.c"));
        assert!(!TokenVerifier::looks_like_token("ek_0123456789_abc-DEF"));
    }
}
