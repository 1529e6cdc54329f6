//! An issuer of the single sign-on: a real server with discovery, keys, and the endpoints that sign
//! in a browser. It can be down, slow or hostile.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use egov_kpi::api::access::AccessSettings;
use egov_kpi::api::limits::LimitSettings;
use egov_kpi::auth::oidc::{OidcSettings, TokenVerifier};
use egov_kpi::auth::role::Role;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Guarded, OWN};

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A signing key of an issuer.
#[derive(Clone)]
pub enum Signer {
    Rsa(Arc<RsaKeyPair>),
    Ec(Arc<EcdsaKeyPair>),
    Ed(Arc<Ed25519KeyPair>),
}

impl Signer {
    pub fn rsa() -> Self {
        let key = RsaKeyPair::from_pkcs8(include_bytes!("fixtures/issuer-rsa.pk8.der"));
        Self::Rsa(Arc::new(key.unwrap()))
    }

    pub fn ec() -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self::Ec(Arc::new(key.unwrap()))
    }

    pub fn ed() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Arc::new(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    pub fn public(&self, id: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                let public: PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({
                    "kty": "RSA", "kid": id, "use": "sig", "alg": "RS256", "n": b64(public.n),
                    "e": b64(public.e),
                })
            }
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({
                    "kty": "EC", "kid": id, "use": "sig", "crv": "P-256", "x": b64(&point[1..33]),
                    "y": b64(&point[33..]),
                })
            }
            Self::Ed(key) => {
                json!({
                    "kty": "OKP", "kid": id, "crv": "Ed25519", "x": b64(key.public_key().as_ref()),
                })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    pub fn token(&self, id: &str, claims: &Value) -> String {
        self.token_with(&json!({ "alg": self.algorithm(), "typ": "JWT", "kid": id }), claims)
    }

    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("{message}.{}", b64(self.sign(message.as_bytes())))
    }
}

/// What the token endpoint does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TokenEndpoint {
    /// It checks the request as the standards demand, and responds with tokens.
    #[default]
    Correct,
    /// It sends a byte now and then, and never ends.
    Slow,
    /// It sends bytes without end.
    Huge,
    /// It sends a page.
    Page,
    /// It fails.
    Broken,
    /// It leads to another address.
    Elsewhere,
    /// It closes the connection.
    Down,
}

/// Makes the response with the tokens of a person, for a nonce.
type TokensOf = Box<dyn Fn(&str) -> Value + Send>;

/// What an issuer knows about browsers that sign in.
#[derive(Default)]
pub struct SignOns {
    /// How the token endpoint behaves.
    pub endpoint: TokenEndpoint,
    /// Whether it does not name itself when it sends a browser back.
    pub is_silent: bool,
    /// Fields of its discovery document that are other ones than they should be.
    pub discovery: Vec<(&'static str, Value)>,
    /// The secret that the client must have.
    pub secret: Option<String>,
    /// The tokens of the next person.
    pub tokens: Option<TokensOf>,
    /// The parameters of authorization requests, by the code that was given out and not used.
    codes: HashMap<String, HashMap<String, String>>,
    /// Number of codes that were given out.
    given: usize,
    /// Number of requests for tokens.
    pub asked: usize,
    /// Requests to the token endpoint that are open now, and the most that were open at once.
    open: usize,
    pub most_open: usize,
}

/// A request to the token endpoint, until it ends.
struct OpenRequest<'i>(&'i Issuer);

impl Drop for OpenRequest<'_> {
    fn drop(&mut self) {
        self.0.sign_ons.lock().open -= 1;
    }
}

/// An issuer on this machine.
#[derive(Clone)]
pub struct Issuer {
    pub address: String,
    pub keys: Arc<Mutex<Vec<Value>>>,
    pub down: Arc<AtomicBool>,
    pub asked: Arc<AtomicUsize>,
    pub sign_ons: Arc<Mutex<SignOns>>,
}

impl Issuer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            keys: Arc::default(),
            down: Arc::default(),
            asked: Arc::default(),
            sign_ons: Arc::default(),
        };
        let server = issuer.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (server.clone(), stream.unwrap());
                if !server.down.load(Ordering::Relaxed) {
                    std::thread::spawn(move || server.serve(stream));
                }
            }
        });
        issuer
    }

    /// Responds to one request; a client that has gone ends it.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let header = |wanted: &str| {
            let pairs = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
            let mut values = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            values.next().map(|(_, value)| value.to_owned())
        };
        let mut body =
            vec![0; header("content-length").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).ok()?;
        let path = lines.first()?.split(' ').nth(1)?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let address = &self.address;
        let (status, text) = match path {
            "/.well-known/openid-configuration" => {
                let mut described = json!({
                    "issuer": address, "jwks_uri": format!("{address}/keys"),
                    "authorization_endpoint": format!("{address}/authorize?theme=a"),
                    "token_endpoint": format!("{address}/token"),
                    "end_session_endpoint": format!("{address}/end"),
                    "authorization_response_iss_parameter_supported": true,
                    "id_token_signing_alg_values_supported": ["RS256"],
                });
                let sign_ons = self.sign_ons.lock();
                if sign_ons.is_silent {
                    described =
                        without(&described, "authorization_response_iss_parameter_supported");
                }
                for (name, value) in &sign_ons.discovery {
                    described[*name] = value.clone();
                }
                ("200 OK".to_owned(), described.to_string())
            }
            "/authorize" => {
                (format!("303 See Other\r\nlocation: {}", self.authorize(query)), String::new())
            }
            "/token" => {
                let endpoint = {
                    let mut sign_ons = self.sign_ons.lock();
                    sign_ons.open += 1;
                    sign_ons.most_open = sign_ons.most_open.max(sign_ons.open);
                    sign_ons.endpoint
                };
                let _open = OpenRequest(self);
                match endpoint {
                    TokenEndpoint::Correct => {
                        match self.exchange(&body, header("authorization").as_deref()) {
                            Ok(tokens) => ("200 OK".to_owned(), tokens.to_string()),
                            Err(error) => {
                                let told = json!({ "error": error, "error_description": "no" });
                                ("400 Bad Request".to_owned(), told.to_string())
                            }
                        }
                    }
                    TokenEndpoint::Down => return None,
                    TokenEndpoint::Page => ("200 OK".to_owned(), "<html>hello</html>".to_owned()),
                    TokenEndpoint::Broken => ("500 Sorry".to_owned(), "{}".to_owned()),
                    TokenEndpoint::Elsewhere => {
                        (format!("307 There\r\nlocation: {address}/keys"), String::new())
                    }
                    TokenEndpoint::Slow | TokenEndpoint::Huge => {
                        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").ok()?;
                        loop {
                            if endpoint == TokenEndpoint::Slow {
                                stream.write_all(b" ").ok()?;
                                std::thread::sleep(Duration::from_millis(200));
                            } else {
                                stream.write_all(&[b' '; 65_536]).ok()?;
                            }
                        }
                    }
                }
            }
            _ => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                ("200 OK".to_owned(), json!({ "keys": *self.keys.lock() }).to_string())
            }
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\n\
             content-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        )
        .ok()
    }

    /// Where the page to sign in sends the browser of somebody who has signed in there.
    fn authorize(&self, query: &str) -> String {
        let asked = parameters(query.as_bytes());
        let mut sign_ons = self.sign_ons.lock();
        sign_ons.given += 1;
        let code = format!("c0de-{}", sign_ons.given);
        let (back, state) = (asked["redirect_uri"].clone(), asked["state"].clone());
        sign_ons.codes.insert(code.clone(), asked);
        if sign_ons.is_silent {
            return format!("{back}?code={code}&state={state}");
        }
        let iss = crate::harness::encoded(&self.address);
        format!("{back}?code={code}&state={state}&iss={iss}")
    }

    /// The tokens for a code, or the error code of RFC 6749.
    fn exchange(&self, body: &[u8], authorization: Option<&str>) -> Result<Value, &'static str> {
        let form = parameters(body);
        let mut sign_ons = self.sign_ons.lock();
        sign_ons.asked += 1;
        let named = form.get("client_id").map(String::as_str);
        let is_client = match &sign_ons.secret {
            Some(secret) => {
                authorization.and_then(credentials) == Some(("web".to_owned(), secret.clone()))
            }
            None => authorization.is_none() && named == Some("web"),
        };
        if !is_client {
            return Err("invalid_client");
        }
        if form["grant_type"] != "authorization_code" {
            return Err("unsupported_grant_type");
        }
        let asked = sign_ons.codes.remove(&form["code"]).ok_or("invalid_grant")?;
        let challenge = b64(Sha256::digest(&form["code_verifier"]));
        if asked["code_challenge"] != challenge || asked["redirect_uri"] != form["redirect_uri"] {
            return Err("invalid_grant");
        }
        Ok(sign_ons.tokens.as_ref().unwrap()(&asked["nonce"]))
    }

    pub fn publish(&self, keys: &[Value]) {
        *self.keys.lock() = keys.to_vec();
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Valid claims.
    pub fn claims(&self, roles: &[&str]) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.address, "aud": "egov-kpi", "sub": "u-7", "name": "Trần Bình", "iat": now,
            "exp": now + 300, "realm_access": { "roles": roles }, "unit": OWN,
        })
    }

    pub fn server(&self, fresh: Duration, retry: Duration) -> Guarded {
        self.server_within(fresh, retry, LimitSettings::default())
    }

    pub fn server_within(
        &self,
        fresh: Duration,
        retry: Duration,
        limits: LimitSettings,
    ) -> Guarded {
        let tokens = Some(self.verifier("egov-kpi", fresh, retry));
        Guarded::bounded(AccessSettings { tokens, ..AccessSettings::default() }, limits)
    }

    /// The verifier of its tokens for an audience.
    pub fn verifier(&self, audience: &str, fresh: Duration, retry: Duration) -> TokenVerifier {
        let roles = [
            ("kpi-reader", Role::Reader),
            ("kpi-reporter", Role::Reporter),
            ("kpi-steward", Role::Steward),
            ("kpi-admin", Role::Admin),
        ];
        let settings = OidcSettings {
            issuer: self.address.clone(),
            audience: audience.to_owned(),
            role_claim: "realm_access.roles".to_owned(),
            roles: roles.map(|(value, role)| (value.to_owned(), role)).into(),
            unit_claim: "unit".to_owned(),
            authorities: None,
            fresh,
            retry,
        };
        TokenVerifier::new(settings).unwrap()
    }
}

pub const LONG: Duration = Duration::from_secs(600);
pub const SHORT: Duration = Duration::from_millis(200);

pub fn with(claims: &Value, field: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[field] = value.into();
    claims
}

pub fn without(claims: &Value, field: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(field);
    claims
}

/// The name and secret of a client. Both are form-encoded before they are joined (RFC 6749, 2.3.1).
fn credentials(authorization: &str) -> Option<(String, String)> {
    let pair = STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (name, secret) = pair.split_once(':')?;
    let decoded = |text: &str| parameters(format!("x={text}").as_bytes()).remove("x");
    Some((decoded(name)?, decoded(secret)?))
}

/// The fields of a query or a form.
pub fn parameters(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}
