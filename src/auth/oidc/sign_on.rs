//! Signing in at the issuer with a browser: the authorization code flow with PKCE (OpenID Connect
//! Core 3.1, RFC 7636, RFC 9207).
//!
//! The browser keeps each attempt in a cookie of 256 random bits. `state`, `nonce` and the verifier
//! of PKCE are derived from it, so that the service keeps nothing, only the browser that has begun
//! can be signed in, and nobody else has the verifier of its code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use form_urlencoded::{Serializer, byte_serialize};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use ureq::Agent;

use super::jwks::{SignOnEndpoints, TIMEOUT, is_safe, read_json};
use super::{TokenRejection, TokenVerifier, text};
use crate::auth::random::random;
use crate::clock::process_time;
use crate::error::Error;
use ledger::TimestampMicros;

/// How long a browser has to sign in at the issuer.
pub const MAX_AGE: Duration = Duration::from_secs(600);
/// Most exchanges of codes for tokens at once; others wait.
const MAX_EXCHANGES: usize = 8;
/// Longest path, in bytes, to which a browser returns: a cookie has at most 4,096.
const MAX_TARGET: usize = 300;
/// Characters of `state` in the name of the cookie of an attempt.
const NAME_LENGTH: usize = 16;
/// Most characters that are shown of an error code of the issuer.
const MAX_ERROR: usize = 60;
/// The path to which the issuer sends browsers back.
pub const CALLBACK: &str = "/sign-in/oidc/callback";

/// The client that this service is at its issuer.
#[derive(Clone)]
pub struct ClientSettings {
    /// The identifier.
    pub id: String,
    /// The secret of a confidential client.
    pub secret: Option<String>,
    /// The address of this service for browsers, without a path.
    pub public_address: String,
    /// The scopes that are asked for; `openid` is one of them.
    pub scope: String,
}

impl ClientSettings {
    /// Reads the secret from its file: one line.
    ///
    /// # Errors
    /// [`Error::Usage`] when the file cannot be read or has another content.
    pub fn read_secret(path: &Path) -> Result<String, Error> {
        let content = std::fs::read_to_string(path).map_err(|error| {
            let shown = path.display();
            Error::Usage(format!("the client secret file {shown} cannot be read: {error}"))
        })?;
        let secret = content.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Usage(
                "the client secret file must contain one line of printable characters".to_owned(),
            ));
        }
        Ok(secret.to_owned())
    }

    fn checked(self) -> Result<Self, Error> {
        let usage = |sentence: &str| Err(Error::Usage(sentence.to_owned()));
        if self.id.is_empty() || !self.id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return usage("--oidc-client-id must be printable characters without spaces");
        }
        let public_address = self.public_address.trim_end_matches('/').to_owned();
        // Without a path and a user: only the part before the first slash behind the scheme.
        let rest = public_address.split_once("://").map_or("/", |(_, rest)| rest);
        if !is_safe(&public_address) || rest.contains(['/', '@', '#']) {
            return usage(
                "--public-address must be the https address of this service without a path, such \
                 as https://kpi.example; http only for this machine",
            );
        }
        if !self.scope.split(' ').any(|scope| scope == "openid") {
            return usage("--oidc-scope must contain openid");
        }
        Ok(Self { public_address, ..self })
    }
}

/// A sign-in that a browser has begun.
pub struct SignOnAttempt {
    secret: [u8; 32],
    begun_at: TimestampMicros,
    target: String,
}

impl SignOnAttempt {
    /// A new attempt; afterwards the browser continues with `target`.
    ///
    /// # Errors
    /// [`Error::Environment`] when the operating system provides no random bytes.
    pub fn begin(target: &str) -> Result<Self, Error> {
        let target = if target.len() > MAX_TARGET { "/" } else { target }.to_owned();
        Ok(Self { secret: random()?, begun_at: process_time(), target })
    }

    /// The attempt in a cookie, if the `state` of a callback belongs to it and it is not too old.
    #[must_use]
    pub fn answered(cookie: &str, state: &str) -> Option<Self> {
        let mut parts = cookie.split('.');
        let mut bytes = || URL_SAFE_NO_PAD.decode(parts.next()?).ok();
        let (secret, begun_at, target) = (bytes()?, bytes()?, bytes()?);
        let attempt = Self {
            secret: secret.try_into().ok()?,
            begun_at: TimestampMicros::new(i64::from_be_bytes(begun_at.try_into().ok()?)),
            target: String::from_utf8(target).ok()?,
        };
        // The clock of the instance at which it began may differ.
        let age = process_time().since(attempt.begun_at).unsigned_abs();
        let is_own: bool = attempt.derived("state").as_bytes().ct_eq(state.as_bytes()).into();
        (is_own && Duration::from_micros(age) < MAX_AGE).then_some(attempt)
    }

    /// The text of the cookie.
    #[must_use]
    pub fn cookie(&self) -> String {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let begun_at = self.begun_at.get().to_be_bytes();
        [encode(&self.secret), encode(&begun_at), encode(self.target.as_bytes())].join(".")
    }

    /// The name of the attempt, which the name of its cookie contains: a browser may have begun
    /// several, one in each of its tabs.
    #[must_use]
    pub fn name(&self) -> String {
        Self::name_of(&self.derived("state")).unwrap_or_default().to_owned()
    }

    /// The name of the attempt with a `state`; none for a text that is no state.
    #[must_use]
    pub fn name_of(state: &str) -> Option<&str> {
        let is_plain = state.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        state.get(..NAME_LENGTH).filter(|_| is_plain)
    }

    /// When the attempt of a cookie was begun, according to it.
    #[must_use]
    pub fn begun_at(cookie: &str) -> Option<TimestampMicros> {
        let bytes = URL_SAFE_NO_PAD.decode(cookie.split('.').nth(1)?).ok()?;
        Some(TimestampMicros::new(i64::from_be_bytes(bytes.try_into().ok()?)))
    }

    /// Where the browser continues.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// 256 bits for one purpose. They cover the whole attempt.
    fn derived(&self, purpose: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let about = format!("{purpose}\n{}\n{}", self.begun_at.get(), self.target);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, about.as_bytes()))
    }
}

/// What the issuer sends with the browser that it sends back. A parameter that is there twice is an
/// error.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct AuthorizationAnswer {
    /// The attempt to which it belongs.
    pub state: String,
    /// The code, if somebody has signed in.
    pub code: Option<String>,
    /// Otherwise the reason.
    pub error: Option<String>,
    /// The issuer.
    pub iss: Option<String>,
}

/// Why a browser is not signed in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SignOnError {
    /// The issuer does not respond, or not as it should; the text is for the log.
    #[error("the single sign-on does not respond as expected at the moment; try again")]
    Unreachable(String),
    /// The issuer refuses, with its error code.
    #[error("the single sign-on has not signed you in ({0}); try again")]
    Refused(String),
    /// A token of the issuer is refused.
    #[error(transparent)]
    Token(#[from] TokenRejection),
}

/// Signing in with a browser. All clones share the limit of exchanges.
#[derive(Clone)]
pub struct BrowserSignOn {
    tokens: TokenVerifier,
    client: Arc<ClientSettings>,
    exchanges: Arc<Semaphore>,
}

impl std::fmt::Debug for BrowserSignOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserSignOn").field("client", &self.client.id).finish_non_exhaustive()
    }
}

impl BrowserSignOn {
    /// For a client of the issuer of `tokens`. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that are incomplete or wrong.
    pub fn new(tokens: TokenVerifier, client: ClientSettings) -> Result<Self, Error> {
        let exchanges = Arc::new(Semaphore::new(MAX_EXCHANGES));
        Ok(Self { tokens, client: Arc::new(client.checked()?), exchanges })
    }

    /// The address of a path of this service for browsers.
    #[must_use]
    pub fn public_address(&self, path: &str) -> String {
        format!("{}{path}", self.client.public_address)
    }

    /// Whether browsers reach a host, as a request names it, by TLS.
    #[must_use]
    pub fn is_host_with_tls(&self, host: &str) -> bool {
        let own = self.client.public_address.strip_prefix("https://");
        own.is_some_and(|own| own.eq_ignore_ascii_case(host))
    }

    /// The issuer's address to which an attempt sends the browser.
    ///
    /// # Errors
    /// [`SignOnError::Unreachable`] when the issuer's addresses cannot be fetched.
    pub async fn authorization_address(
        &self,
        attempt: &SignOnAttempt,
    ) -> Result<String, SignOnError> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(attempt.derived("verifier")));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", &self.public_address(CALLBACK)),
            ("scope", &self.client.scope),
            ("state", &attempt.derived("state")),
            ("nonce", &attempt.derived("nonce")),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        Ok(with_parameters(&self.endpoints().await?.authorization, &parameters))
    }

    /// The issuer's address at which people sign out there too, if it has one that is known.
    #[must_use]
    pub fn sign_out_address(&self) -> Option<String> {
        let place = self.tokens.inner.keys.known_endpoints()?.end_session?;
        let back = self.public_address("/sign-in");
        let parameters =
            [("client_id", self.client.id.as_str()), ("post_logout_redirect_uri", &back)];
        Some(with_parameters(&place, &parameters))
    }

    /// The token that the session of the browser presents with every request: the access token, or
    /// else the ID token, if this service accepts it from a program as well.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub async fn token(
        &self,
        attempt: &SignOnAttempt,
        answer: &AuthorizationAnswer,
    ) -> Result<String, SignOnError> {
        let endpoints = self.endpoints().await?;
        let issuer = self.tokens.inner.settings.issuer.as_str();
        let is_named = answer.iss.as_deref().map_or(!endpoints.names_issuer, |iss| iss == issuer);
        if !is_named {
            return Err(TokenRejection::NotValid("it has another issuer").into());
        }
        let code = match (&answer.error, &answer.code) {
            (None, Some(code)) => code.clone(),
            (Some(error), _) => return Err(SignOnError::Refused(shown_error(error))),
            (None, None) => return Err(SignOnError::Refused("no code".to_owned())),
        };
        let tokens = self.exchange(endpoints.token, code, attempt).await?;
        let id_token = text(&tokens, "id_token")
            .ok_or_else(|| SignOnError::Unreachable("it has sent no ID token".to_owned()))?;
        let holder = self.holder_of(id_token, &attempt.derived("nonce")).await?;
        let mut refused = None;
        let access_token = text(&tokens, "access_token");
        for token in access_token.into_iter().chain([id_token]) {
            match self.tokens.identify(token).await {
                Ok(identity) if identity.holder == holder => return Ok(token.to_owned()),
                Ok(_) => return Err(TokenRejection::NotValid("it is of another person").into()),
                Err(TokenRejection::Unmapped) => refused = Some(TokenRejection::Unmapped),
                // An opaque access token says nothing; what is wrong with the ID token does.
                Err(_) if !TokenVerifier::looks_like_token(token) => {}
                Err(other) => refused = refused.or(Some(other)),
            }
        }
        Err(refused.unwrap_or(TokenRejection::Unmapped).into())
    }

    /// Verifies an ID token (OpenID Connect Core 3.1.3.7), and returns its holder.
    async fn holder_of(&self, id_token: &str, nonce: &str) -> Result<String, TokenRejection> {
        let claims = self.tokens.claims(id_token, &self.client.id).await?;
        self.tokens.end(&claims)?;
        if claims.get("azp").is_some_and(|azp| azp.as_str() != Some(&self.client.id)) {
            return Err(TokenRejection::NotValid("it is for another client"));
        }
        let found = text(&claims, "nonce").unwrap_or_default();
        if !bool::from(found.as_bytes().ct_eq(nonce.as_bytes())) {
            return Err(TokenRejection::NotValid("it belongs to another sign-in"));
        }
        Ok(super::holder(text(&claims, "sub").unwrap_or_default()))
    }

    async fn endpoints(&self) -> Result<SignOnEndpoints, SignOnError> {
        let unreachable = |error: TokenRejection| SignOnError::Unreachable(error.to_string());
        self.tokens.inner.keys.endpoints().await.map_err(unreachable)
    }

    /// Exchanges a code for tokens.
    async fn exchange(
        &self,
        endpoint: String,
        code: String,
        attempt: &SignOnAttempt,
    ) -> Result<Map<String, Value>, SignOnError> {
        let turn = tokio::time::timeout(TIMEOUT, Arc::clone(&self.exchanges).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(SignOnError::Unreachable(
                "too many sign-ins are waiting for it".to_owned(),
            ));
        };
        let form = [
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", self.public_address(CALLBACK)),
            ("code_verifier", attempt.derived("verifier")),
        ];
        let (agent, client) = (self.tokens.inner.keys.agent(), Arc::clone(&self.client));
        let exchanged = tokio::task::spawn_blocking(move || {
            let _held = turn;
            post(&agent, &endpoint, &client, &form)
        });
        exchanged.await.map_err(|stopping| SignOnError::Unreachable(stopping.to_string()))?
    }
}

fn post(
    agent: &Agent,
    endpoint: &str,
    client: &ClientSettings,
    form: &[(&str, String)],
) -> Result<Map<String, Value>, SignOnError> {
    let mut request = agent.post(endpoint).config().http_status_as_error(false).build();
    // A client without a secret names itself in the form (RFC 6749, 2.3.1 and 3.2.1).
    let mut public_id = None;
    if let Some(secret) = &client.secret {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encoded(&client.id), encoded(secret)));
        request = request.header("authorization", format!("Basic {pair}"));
    } else {
        public_id = Some(("client_id", client.id.as_str()));
    }
    let fields = form.iter().map(|(name, value)| (*name, value.as_str()));
    let answer = request
        .send_form(fields.chain(public_id))
        .map_err(|error| SignOnError::Unreachable(error.to_string()))?;
    let status = answer.status();
    let read = read_json(answer);
    if status.is_client_error() {
        let error = read.ok().and_then(|body| Some(shown_error(body.get("error")?.as_str()?)));
        return Err(SignOnError::Refused(error.unwrap_or_else(|| format!("HTTP {status}"))));
    }
    match read {
        Ok(Value::Object(tokens)) if status.is_success() => Ok(tokens),
        Ok(_) => Err(SignOnError::Unreachable(format!("it has sent no tokens: HTTP {status}"))),
        Err(error) => Err(SignOnError::Unreachable(format!("HTTP {status}: {error}"))),
    }
}

/// An error code of the issuer as it is shown and logged.
fn shown_error(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(MAX_ERROR).collect()
}

/// An address with parameters, behind those that it may have.
fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    let query = Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("{address}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_belongs_to_its_cookie_its_target_and_its_time() {
        let attempt = SignOnAttempt::begin("/entry?unit=a").unwrap();
        let (cookie, state) = (attempt.cookie(), attempt.derived("state"));
        assert_eq!(SignOnAttempt::answered(&cookie, &state).unwrap().target(), "/entry?unit=a");
        let other = SignOnAttempt::begin("/entry?unit=a").unwrap();
        let moved = SignOnAttempt { target: "/x".to_owned(), ..attempt };
        let is_old = |age: Duration| {
            let begun_at = process_time().plus(-i64::try_from(age.as_micros()).unwrap());
            let old = SignOnAttempt { begun_at, target: String::new(), secret: [7; 32] };
            SignOnAttempt::answered(&old.cookie(), &old.derived("state")).is_none()
        };
        assert!(!is_old(MAX_AGE - Duration::from_secs(5)) && is_old(MAX_AGE));
        for (cookie, state) in [
            (cookie.as_str(), ""),
            (&cookie, &other.derived("state")),
            (&cookie, &other.derived("nonce")),
            (&moved.cookie(), &state),
            (&other.cookie(), &state),
            ("", &state),
            ("a.b.c", &state),
        ] {
            assert!(SignOnAttempt::answered(cookie, state).is_none(), "{cookie} {state}");
        }
        assert_eq!(SignOnAttempt::begin(&"/x".repeat(600)).unwrap().target(), "/");
    }

    #[test]
    fn what_is_derived_is_different_for_each_purpose() {
        let attempt = SignOnAttempt::begin("/").unwrap();
        let derived = ["state", "nonce", "verifier"].map(|purpose| attempt.derived(purpose));
        assert!(derived[0] != derived[1] && derived[1] != derived[2] && derived[0] != derived[2]);
        // RFC 7636 asks for 43 to 128 unreserved characters.
        assert!(derived.iter().all(|text| text.len() == 43));
        assert!(derived.iter().all(|text| !attempt.cookie().contains(text.as_str())));
    }

    #[test]
    fn the_address_of_the_service_is_an_origin_with_tls() {
        let checked = |address: &str| {
            let client = ClientSettings {
                id: "kpi".to_owned(),
                secret: None,
                public_address: address.to_owned(),
                scope: "openid".to_owned(),
            };
            client.checked().map(|client| client.public_address)
        };
        assert_eq!(checked("https://kpi.example/").unwrap(), "https://kpi.example");
        assert_eq!(checked("http://localhost:8080").unwrap(), "http://localhost:8080");
        for wrong in [
            "",
            "kpi.example",
            "http://kpi.example",
            "https://kpi.example/kpi",
            "https://kpi.example?x",
            "https://a@kpi.example",
            "https://kpi.example#x",
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_follow_those_of_the_address() {
        assert_eq!(with_parameters("https://a/b", &[("c", "d e&f")]), "https://a/b?c=d+e%26f");
        assert_eq!(with_parameters("https://a/b?p=1", &[("c", "d")]), "https://a/b?p=1&c=d");
    }
}
