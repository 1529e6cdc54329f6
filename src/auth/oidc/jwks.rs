//! The issuer's public keys (JWKS) and its addresses for browsers. They are fetched through its
//! discovery document when needed, fetched again when they are old or when a token names an unknown
//! key, and kept while the issuer cannot be reached.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::sync::Mutex;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::{OidcSettings, TokenRejection};
use crate::error::Error;
use crate::sync::RwLock;

/// How long keys are fresh. Afterwards they are fetched again, and remain in use meanwhile.
pub const FRESH: Duration = Duration::from_secs(600);
/// Minimum time between two attempts to fetch keys.
pub const RETRY: Duration = Duration::from_secs(10);
/// How long keys remain in use while the issuer cannot be reached.
const MAX_STALENESS: Duration = Duration::from_secs(24 * 3_600);
/// Timeout of a request to the issuer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest response of the issuer in bytes, and most keys that are read from it.
const MAX_ANSWER: u64 = 1 << 20;
const MAX_KEYS: usize = 100;
/// Debian's file of trusted certificate authorities.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The JWKS keys of an issuer.
pub struct JwksCache {
    issuer: String,
    agent: Agent,
    fresh: Duration,
    retry: Duration,
    known: Arc<RwLock<FetchedJwks>>,
    /// When fetching was last tried. The holder of the lock fetches; other requests wait for the
    /// result.
    tried: Arc<Mutex<Option<Instant>>>,
}

/// The keys as they were last fetched.
#[derive(Default)]
struct FetchedJwks {
    keys: Vec<JwksKey>,
    endpoints: Option<SignOnEndpoints>,
    fetched: Option<Instant>,
    /// Whether the last attempt to fetch them failed.
    failed: bool,
}

/// The issuer's addresses for signing in with a browser.
#[derive(Clone, Debug)]
pub(super) struct SignOnEndpoints {
    pub authorization: String,
    pub token: String,
    pub end_session: Option<String>,
    /// Whether the issuer names itself when it sends a browser back (RFC 9207).
    pub names_issuer: bool,
}

struct JwksKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl FetchedJwks {
    /// The key that a token names. For a token without a name: the only key for its algorithm.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then(|| first.key.clone())
    }
}

impl JwksCache {
    /// The keys of an issuer; nothing is fetched yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for an invalid address or an unreadable file of certificates.
    pub fn new(settings: &OidcSettings) -> Result<Self, Error> {
        if !is_safe(&settings.issuer) {
            return Err(Error::Usage(
                "--oidc-issuer must be an https address, such as \
                 https://sso.example/realms/province; http only for this machine"
                    .to_owned(),
            ));
        }
        Ok(Self {
            issuer: settings.issuer.clone(),
            agent: agent(settings)?,
            fresh: settings.fresh,
            retry: settings.retry,
            known: Arc::default(),
            tried: Arc::default(),
        })
    }

    /// The key that a token names.
    ///
    /// # Errors
    /// [`TokenRejection::Invalid`] when the issuer has no such key, [`TokenRejection::Unreachable`]
    /// when it cannot be reached.
    pub async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenRejection> {
        if !matches!(algorithm, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
            return Err(TokenRejection::Invalid("its signature algorithm is not supported"));
        }
        let unknown = TokenRejection::Invalid("the issuer has no key with that identifier");
        self.look_up(unknown, |known| known.find(id, algorithm)).await
    }

    /// The issuer's addresses for browsers.
    ///
    /// # Errors
    /// [`TokenRejection::Unreachable`] when the issuer cannot be reached,
    /// [`TokenRejection::Invalid`] when it has none.
    pub async fn endpoints(&self) -> Result<SignOnEndpoints, TokenRejection> {
        let none = TokenRejection::Invalid("the issuer has no addresses for browsers");
        self.look_up(none, |known| known.endpoints.clone()).await
    }

    /// The issuer's addresses for browsers, if they have been fetched.
    pub fn known_endpoints(&self) -> Option<SignOnEndpoints> {
        self.known.read().endpoints.clone()
    }

    /// The HTTP client for requests to the issuer.
    pub fn agent(&self) -> Agent {
        self.agent.clone()
    }

    /// Looks something up in what was fetched; without it, fetches once more.
    async fn look_up<T>(
        &self,
        unknown: TokenRejection,
        look: impl Fn(&FetchedJwks) -> Option<T>,
    ) -> Result<T, TokenRejection> {
        let usable = |known: &FetchedJwks| {
            known.fetched.filter(|fetched| fetched.elapsed() <= MAX_STALENESS)?;
            look(known)
        };
        let (found, stale) = {
            let known = self.known.read();
            (usable(&known), known.fetched.is_none_or(|fetched| fetched.elapsed() > self.fresh))
        };
        if let Some(found) = found {
            if stale {
                self.refresh();
            }
            return Ok(found);
        }
        let mut tried = self.tried.lock().await;
        // Another request may have fetched it meanwhile.
        if let Some(found) = usable(&self.known.read()) {
            return Ok(found);
        }
        if tried.is_none_or(|tried| tried.elapsed() >= self.retry) {
            *tried = Some(Instant::now());
            let (agent, issuer, known) =
                (self.agent.clone(), self.issuer.clone(), Arc::clone(&self.known));
            let _stopping =
                tokio::task::spawn_blocking(move || refresh_now(&agent, &issuer, &known)).await;
        }
        let known = self.known.read();
        // The issuer may have something new that could not be fetched.
        let unreachable = known.failed || known.fetched.is_none();
        usable(&known).ok_or(if unreachable { TokenRejection::Unreachable } else { unknown })
    }

    /// Fetches the keys in the background, unless another request is doing so or just did.
    fn refresh(&self) {
        let Ok(mut tried) = Arc::clone(&self.tried).try_lock_owned() else { return };
        if tried.is_some_and(|tried| tried.elapsed() < self.retry) {
            return;
        }
        *tried = Some(Instant::now());
        let (agent, issuer, known) =
            (self.agent.clone(), self.issuer.clone(), Arc::clone(&self.known));
        drop(tokio::task::spawn_blocking(move || {
            let _held = tried; // held until fetching is done
            refresh_now(&agent, &issuer, &known);
        }));
    }
}

/// Fetches the keys and replaces the known ones; a failure changes nothing.
fn refresh_now(agent: &Agent, issuer: &str, known: &RwLock<FetchedJwks>) {
    match fetch(agent, issuer) {
        Ok(fetched) => {
            tracing::info!(issuer, keys = fetched.keys.len(), "the issuer's keys were fetched");
            *known.write() = fetched;
        }
        Err(error) => {
            known.write().failed = true;
            tracing::warn!(
                issuer,
                error,
                "the issuer's keys cannot be fetched; the known ones remain in use"
            );
        }
    }
}

fn fetch(agent: &Agent, issuer: &str) -> Result<FetchedJwks, String> {
    let described =
        get(agent, &format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    if described.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("the discovery document belongs to another issuer".to_owned());
    }
    let place = described
        .get("jwks_uri")
        .and_then(Value::as_str)
        .ok_or("the discovery document has no jwks_uri")?;
    if !is_as_safe(place, issuer) {
        return Err("jwks_uri is not an https address".to_owned());
    }
    let set = get(agent, place)?;
    let listed = set
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("the issuer's document has no list of keys")?;
    // The list may contain keys of unsupported kinds.
    let keys = listed.iter().take(MAX_KEYS).filter_map(public_key).collect();
    let endpoints = endpoints(&described, issuer);
    Ok(FetchedJwks { keys, endpoints, fetched: Some(Instant::now()), failed: false })
}

/// The addresses for browsers in a discovery document.
fn endpoints(described: &Value, issuer: &str) -> Option<SignOnEndpoints> {
    let address = |name: &str| {
        let text = described.get(name)?.as_str()?;
        // An address may have parameters of its own, which remain.
        is_as_safe(text.split('?').next()?, issuer).then(|| text.to_owned())
    };
    let names_issuer = described.get("authorization_response_iss_parameter_supported");
    Some(SignOnEndpoints {
        authorization: address("authorization_endpoint")?,
        token: address("token_endpoint")?,
        end_session: address("end_session_endpoint"),
        names_issuer: names_issuer == Some(&Value::Bool(true)),
    })
}

fn public_key(value: &Value) -> Option<JwksKey> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            Algorithm::ES256
        }
        AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::Other(_)
        | _ => {
            return None;
        }
    };
    let says = |key: KeyAlgorithm| {
        matches!(
            (algorithm, key),
            (Algorithm::RS256, KeyAlgorithm::RS256)
                | (Algorithm::ES256, KeyAlgorithm::ES256)
                | (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        )
    };
    let signs = jwk
        .common
        .public_key_use
        .as_ref()
        .is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    if !signs || !jwk.common.key_algorithm.is_none_or(says) {
        return None;
    }
    Some(JwksKey {
        id: jwk.common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

fn get(agent: &Agent, address: &str) -> Result<Value, String> {
    read_json(agent.get(address).call().map_err(|error| error.to_string())?)
}

/// Reads an answer of the issuer, within the limit.
pub(super) fn read_json(mut answer: Response<Body>) -> Result<Value, String> {
    let mut text = String::new();
    answer
        .body_mut()
        .as_reader()
        .take(MAX_ANSWER)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Whether an address in the discovery document of an issuer is safe: an issuer elsewhere has no
/// address on this machine.
fn is_as_safe(address: &str, issuer: &str) -> bool {
    is_safe(address) && (address.starts_with("https:") || issuer.starts_with("http:"))
}

/// Whether nobody on the network can replace what an address returns: it uses TLS, or is on this
/// machine.
pub(super) fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_matches(['[', ']']);
    let here = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.query().is_none()
        && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && here))
}

fn agent(settings: &OidcSettings) -> Result<Agent, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let path = settings.authorities.clone().unwrap_or_else(|| SYSTEM_ROOTS.into());
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::Usage(format!("the certificates of --oidc-ca cannot be read: {error}"))
    };
    let mut roots = Vec::new();
    match CertificateDer::pem_file_iter(&path) {
        Ok(found) => {
            for certificate in found {
                roots.push(
                    Certificate::from_der(&certificate.map_err(|error| unreadable(&error))?)
                        .to_owned(),
                );
            }
        }
        // A machine without certificate authorities can only use an issuer on itself.
        Err(_none) if settings.authorities.is_none() => {}
        Err(error) => return Err(unreadable(&error)),
    }
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let config = Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .timeout_global(Some(TIMEOUT))
        .tls_config(tls);
    Ok(config.build().new_agent())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_issuer_must_use_tls_unless_it_is_on_loopback() {
        for safe in [
            "https://sso.example/realms/a",
            "http://127.0.0.1:8000",
            "http://localhost/x",
            "http://[::1]:80/",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_one in [
            "http://sso.example",
            "ftp://127.0.0.1",
            "sso.example",
            "",
            "https://",
            "http://127.0.0.1.evil.example/",
            "https://a?b=c",
        ] {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
    }

    #[test]
    fn jwks_keys_of_other_types_and_uses_are_ignored() {
        let rsa = json!({ "kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB" });
        let with = |field: &str, value: &str| {
            let mut key = rsa.clone();
            key[field] = json!(value);
            public_key(&key).is_some()
        };
        assert!(public_key(&rsa).is_some() && with("use", "sig") && with("alg", "RS256"));
        assert!(!with("use", "enc") && !with("alg", "RS512") && !with("alg", "RSA-OAEP"));
        assert!(
            public_key(&json!({ "kty": "oct", "kid": "a", "k": "AQAB", "alg": "HS256" })).is_none()
        );
        assert!(
            public_key(&json!({ "kty": "EC", "crv": "P-384", "x": "AQAB", "y": "AQAB" })).is_none()
        );
        assert!(public_key(&json!({ "kty": "new", "kid": "a" })).is_none());
        assert!(public_key(&json!("x")).is_none());
    }
}
