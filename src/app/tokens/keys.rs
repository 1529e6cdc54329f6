//! The issuer's public keys. They are fetched by its discovery document when they are needed, fetched again when they are old or when a
//! token names one that is not known, and kept while the issuer cannot be reached.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::RwLock;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::sync::Mutex;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Refused, Settings};
use crate::error::Error;

/// How long keys are fresh; then they are fetched again, and taken meanwhile.
pub const FRESH: Duration = Duration::from_secs(600);
/// How long it takes at least from one attempt to fetch them to the next.
pub const RETRY: Duration = Duration::from_secs(10);
/// How long keys are taken while the issuer cannot be reached.
const KEPT: Duration = Duration::from_secs(24 * 3_600);
/// How long the issuer may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer of the issuer in bytes, and most keys that are taken from it.
const MAX_ANSWER: u64 = 1 << 20;
const MAX_KEYS: usize = 100;
/// Where Debian keeps the certificates of the authorities it trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The issuer's keys.
pub struct Keys {
    issuer: String,
    agent: Agent,
    fresh: Duration,
    retry: Duration,
    known: Arc<RwLock<Known>>,
    /// When fetching was last tried. Whoever holds it fetches; the others wait for what it brings.
    tried: Arc<Mutex<Option<Instant>>>,
}

/// The keys as they were last fetched.
#[derive(Default)]
struct Known {
    keys: Vec<PublicKey>,
    fetched: Option<Instant>,
}

struct PublicKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Known {
    /// The key that a token names; of one that names none the only one for its algorithm.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        if self.fetched.is_none_or(|fetched| fetched.elapsed() > KEPT) {
            return None;
        }
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id));
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then(|| first.key.clone())
    }
}

impl Keys {
    /// Keys of an issuer; nothing is fetched yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for an address or a file of certificates that cannot be.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        if !is_safe(&settings.issuer) {
            return Err(Error::Usage("--oidc-issuer is an https address, such as https://sso.example/realms/province; http only on this machine".to_owned()));
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
    /// [`Refused::Invalid`] when the issuer has no such key, [`Refused::Unreachable`] when it cannot be asked.
    pub async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, Refused> {
        if !matches!(algorithm, Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA) {
            return Err(Refused::Invalid("it is signed by an algorithm that is not taken here"));
        }
        let (found, stale) = {
            let known = self.known.read();
            (
                known.find(id, algorithm),
                known.fetched.is_none_or(|fetched| fetched.elapsed() > self.fresh),
            )
        };
        if let Some(key) = found {
            if stale {
                self.refresh();
            }
            return Ok(key);
        }
        let mut tried = self.tried.lock().await;
        // Somebody may have fetched it meanwhile.
        if let Some(key) = self.known.read().find(id, algorithm) {
            return Ok(key);
        }
        if tried.is_none_or(|tried| tried.elapsed() >= self.retry) {
            *tried = Some(Instant::now());
            let (agent, issuer, known) =
                (self.agent.clone(), self.issuer.clone(), Arc::clone(&self.known));
            let _stopping =
                tokio::task::spawn_blocking(move || renew(&agent, &issuer, &known)).await;
        }
        let known = self.known.read();
        let unknown = if known.fetched.is_some() {
            Refused::Invalid("the issuer has no key of that name")
        } else {
            Refused::Unreachable
        };
        known.find(id, algorithm).ok_or(unknown)
    }

    /// Fetches the keys while nobody waits for them, unless somebody just has.
    fn refresh(&self) {
        let Ok(mut tried) = Arc::clone(&self.tried).try_lock_owned() else { return };
        if tried.is_some_and(|tried| tried.elapsed() < self.retry) {
            return;
        }
        *tried = Some(Instant::now());
        let (agent, issuer, known) =
            (self.agent.clone(), self.issuer.clone(), Arc::clone(&self.known));
        drop(tokio::task::spawn_blocking(move || {
            let _held = tried; // until it is done
            renew(&agent, &issuer, &known);
        }));
    }
}

/// Fetches the keys and puts them in the place of those known; what cannot be fetched changes nothing.
fn renew(agent: &Agent, issuer: &str, known: &RwLock<Known>) {
    match fetch(agent, issuer) {
        Ok(keys) => {
            tracing::info!(issuer, keys = keys.len(), "the issuer's keys were fetched");
            *known.write() = Known { keys, fetched: Some(Instant::now()) };
        }
        Err(error) => tracing::warn!(
            issuer,
            error,
            "the issuer's keys cannot be fetched; those known are taken"
        ),
    }
}

fn fetch(agent: &Agent, issuer: &str) -> Result<Vec<PublicKey>, String> {
    let described =
        get(agent, &format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    if described.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err("the discovery document is of another issuer".to_owned());
    }
    let place = described
        .get("jwks_uri")
        .and_then(Value::as_str)
        .ok_or("the discovery document has no jwks_uri")?;
    if !is_safe(place) {
        return Err("jwks_uri is no https address".to_owned());
    }
    let set = get(agent, place)?;
    let listed =
        set.get("keys").and_then(Value::as_array).ok_or("the issuer's list of keys is none")?;
    // Keys of sorts that are not known here may stand among them.
    Ok(listed.iter().take(MAX_KEYS).filter_map(public_key).collect())
}

fn public_key(value: &Value) -> Option<PublicKey> {
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
    Some(PublicKey {
        id: jwk.common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

fn get(agent: &Agent, address: &str) -> Result<Value, String> {
    let mut answer = agent.get(address).call().map_err(|error| error.to_string())?;
    let mut text = String::new();
    answer
        .body_mut()
        .as_reader()
        .take(MAX_ANSWER)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Whether nobody on the way can put keys of his own in the place of an address's: by TLS, or on this machine.
fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<ureq::http::Uri>() else { return false };
    let Some(host) = uri.host() else { return false };
    let bare = host.trim_matches(['[', ']']);
    let here = bare == "localhost"
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.query().is_none()
        && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && here))
}

fn agent(settings: &Settings) -> Result<Agent, Error> {
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
        // A machine without any reaches an issuer on itself alone.
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
    fn an_issuer_is_reached_by_tls_or_on_this_machine() {
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
    fn keys_of_other_sorts_and_for_other_ends_are_passed_over() {
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
