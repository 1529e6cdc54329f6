//! Signing in on the web pages at the single sign-on: the code flow with PKCE, and what others may
//! try with it.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use egov_kpi::api::access::{AccessSettings, RouteArea};
use egov_kpi::api::limits::LimitSettings;
use egov_kpi::api::limits::rates::RateLimit;
use egov_kpi::auth::oidc::{BrowserSignOn, ClientSettings};
use serde_json::{Value, json};

use crate::harness::{Api, Reply, encoded, eventually, has};
use crate::issuer::{Issuer, LONG, SHORT, Signer, TokenEndpoint, b64, parameters, with, without};
use crate::support::{Guarded, OUTGOING, OWN};

const HTML: (&str, &str) = ("accept", "text/html");
const ENGLISH: (&str, &str) = ("cookie", "egov_kpi_lang=en");
const CALLBACK: &str = "/sign-in/oidc/callback";
/// The address of the service for browsers. They reach it by another one, as behind a proxy.
const PUBLIC: &str = "http://localhost:8080";

/// An issuer, its key, and a service that uses it.
struct Province {
    issuer: Issuer,
    signer: Signer,
    server: Guarded,
}

impl Province {
    fn new() -> Self {
        Self::with("egov-kpi", None, &[])
    }

    fn with(audience: &str, secret: Option<&str>, open: &[RouteArea]) -> Self {
        Self::at(PUBLIC, audience, secret, open)
    }

    /// One in which an address may fail to sign in five times.
    fn of_few_failures() -> Self {
        let few = RateLimit { count: NonZeroU32::new(5).unwrap(), period: LONG };
        let limits = LimitSettings { sign_in: Some(few), ..LimitSettings::default() };
        Self::bounded(PUBLIC, "egov-kpi", None, &[], limits)
    }

    fn at(public: &str, audience: &str, secret: Option<&str>, open: &[RouteArea]) -> Self {
        Self::bounded(public, audience, secret, open, LimitSettings::default())
    }

    fn bounded(
        public: &str,
        audience: &str,
        secret: Option<&str>,
        open: &[RouteArea],
        limits: LimitSettings,
    ) -> Self {
        let (issuer, signer) = (Issuer::start(), Signer::ec());
        issuer.publish(&[signer.public("1")]);
        issuer.sign_ons.lock().secret = secret.map(ToOwned::to_owned);
        let tokens = issuer.verifier(audience, LONG, SHORT);
        let client = ClientSettings {
            id: "web".to_owned(),
            secret: secret.map(ToOwned::to_owned),
            public_address: public.to_owned(),
            scope: "openid profile".to_owned(),
        };
        let sign_on = BrowserSignOn::new(tokens.clone(), client).unwrap();
        let access = AccessSettings {
            tokens: Some(tokens),
            sign_on: Some(sign_on),
            open: open.to_vec(),
            ..AccessSettings::default()
        };
        let province = Self { server: Guarded::bounded(access, limits), issuer, signer };
        province.person(&["kpi-reporter"]);
        province
    }

    /// Claims of an ID token, but for the nonce.
    fn id_claims(&self) -> Value {
        without(&with(&self.issuer.claims(&[]), "aud", "web"), "realm_access")
    }

    /// Makes the next person to sign in have roles in the access token.
    fn person(&self, roles: &[&str]) {
        self.gives(self.id_claims(), &self.issuer.claims(roles));
    }

    /// Makes the token endpoint give these tokens; the ID token gets the nonce.
    fn gives(&self, id: Value, access: &Value) {
        let access = self.signer.token("1", access);
        self.gives_access(id, access);
    }

    fn gives_access(&self, id: Value, access: String) {
        let signer = self.signer.clone();
        let tokens = move |nonce: &str| {
            let id = signer.token("1", &with(&id, "nonce", nonce));
            json!({ "access_token": access, "id_token": id, "token_type": "Bearer" })
        };
        self.issuer.sign_ons.lock().tokens = Some(Box::new(tokens));
    }

    /// Makes the token endpoint give an ID token, made for a nonce, beside a good access token.
    fn gives_id_token(&self, id: impl Fn(&str) -> Value + Send + 'static) {
        let access = self.signer.token("1", &self.issuer.claims(&["kpi-reporter"]));
        let tokens = move |nonce: &str| json!({ "access_token": access, "id_token": id(nonce) });
        self.issuer.sign_ons.lock().tokens = Some(Box::new(tokens));
    }

    /// Begins a sign-in: the cookie, and the address of the issuer.
    fn begin(&self, target: &str) -> (String, String) {
        let path = format!("/sign-in/oidc?target={}", encoded(target));
        let reply = self.server.get(&path);
        assert_eq!(reply.status, 303, "{}", reply.text());
        (cookies(&reply)[0].clone(), reply.header("location").to_owned())
    }

    /// The path to which the issuer sends a browser back.
    fn sign_in_there(&self, place: &str) -> String {
        let host = self.issuer.address.strip_prefix("http://").unwrap();
        let path = place.strip_prefix(&self.issuer.address).unwrap();
        let back = Api::of(host).get(path);
        back.header("location").strip_prefix(PUBLIC).unwrap().to_owned()
    }

    fn come_back(&self, path: &str, cookie: &str) -> Reply {
        let pair = cookie.split(';').next().unwrap();
        let headers = [("cookie", pair), HTML, ("sec-fetch-site", "cross-site")];
        self.server.send("GET", path, &headers, None)
    }

    /// The whole way of a browser.
    fn sign_in(&self, target: &str) -> Reply {
        let (cookie, place) = self.begin(target);
        self.come_back(&self.sign_in_there(&place), &cookie)
    }

    fn page(&self, path: &str, session: &str) -> Reply {
        self.server.send("GET", path, &[("cookie", session), HTML], None)
    }
}

fn cookies(reply: &Reply) -> Vec<String> {
    let values = reply.headers.get_all("set-cookie").iter();
    values.map(|value| value.to_str().unwrap().to_owned()).collect()
}

/// The cookie of the session that a reply begins.
fn session(reply: &Reply) -> Option<String> {
    let cookies = cookies(reply);
    let set = cookies.iter().find(|set| set.starts_with("egov_kpi_session="))?;
    Some(set.split(';').next().unwrap().to_owned())
}

/// A refusal as a page in both languages, and no session.
#[track_caller]
fn refused(reply: &Reply, status: u16, sentence: &str) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert_eq!(session(reply), None);
    assert!(reply.text().starts_with("<!DOCTYPE html><html lang=\"vi\""), "{}", reply.text());
    assert!(reply.text().contains(sentence), "{sentence} is not in {}", reply.text());
}

#[test]
fn a_person_signs_in_at_the_single_sign_on_and_works_on_the_pages() {
    let province = Province::new();
    // The page to sign in offers both ways, also where a page needs a sign-in.
    let target = format!("/entry?unit={OWN}&period=2021-10");
    let link = format!("{PUBLIC}/sign-in/oidc?target={}", encoded(&target));
    let asked = province.page(&target, "");
    assert_eq!(asked.status, 401);
    let offered = format!("href=\"{}\"", link.replace("%3A", ":"));
    assert!(asked.text().contains(&offered), "{offered} is not in {}", asked.text());
    assert!(asked.text().contains("Đăng nhập một lần của tỉnh"));
    let english = province.server.send("GET", "/sign-in", &[ENGLISH], None).text();
    assert!(english.contains("Single sign-on") && english.contains("id=\"key\""), "{english}");

    let (cookie, place) = province.begin(&target);
    for part in ["HttpOnly", "SameSite=Lax", "Path=/sign-in/oidc;", "Max-Age=600"] {
        assert!(format!("{cookie};").contains(part), "{cookie}");
    }
    assert!(place.starts_with(&format!("{}/authorize?theme=a&", province.issuer.address)));
    let asked = parameters_of(&place);
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", "http://localhost:8080/sign-in/oidc/callback"),
        ("scope", "openid profile"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value, "{name}");
    }
    let (_, other) = province.begin(&target);
    let other = parameters_of(&other);
    for name in ["state", "nonce", "code_challenge"] {
        assert!(asked[name].len() == 43 && asked[name] != other[name], "{name}");
    }

    let back = province.sign_in_there(&place);
    let signed_in = province.come_back(&back, &cookie);
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    // A redirect would not carry the strict cookie: the page itself continues, or its link.
    let escaped = target.replace('&', "&amp;");
    for part in [
        format!("<meta http-equiv=\"refresh\" content=\"0;url={escaped}\">"),
        format!("<a href=\"{escaped}\">"),
    ] {
        assert!(signed_in.text().contains(&part), "{part} is not in {}", signed_in.text());
    }
    assert_eq!(signed_in.header("referrer-policy"), "no-referrer");
    assert_eq!(signed_in.header("cache-control"), "private, no-store");
    let set = cookies(&signed_in);
    let strict = set.iter().find(|set| set.starts_with("egov_kpi_session=")).unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(strict.contains(part), "{strict}");
    }
    let ended = format!("{}=;", cookie.split('=').next().unwrap());
    assert!(set.iter().any(|set| set.starts_with(&ended) && set.contains("Max-Age=0")), "{set:?}");

    let session = session(&signed_in).unwrap();
    let entry = province.page(&target, &session);
    assert_eq!(entry.status, 200);
    assert!(entry.text().contains("Trần Bình"), "{}", entry.text());
    let token = entry.text().split("name=\"form_token\" value=\"").nth(1).unwrap().to_owned();
    let token = token.split('"').next().unwrap();
    let form = format!("form_token={token}&unit={OWN}&period=2021-10&figure:{OUTGOING}=7");
    let headers =
        [("cookie", session.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let sent = province.server.send("POST", "/entry/send", &headers, Some(form.as_bytes()));
    assert_eq!(sent.status, 303, "{}", sent.text());
    let foreign = form.replace(&format!("unit={OWN}"), "unit=tv.dic");
    let foreign = province.server.send("POST", "/entry/send", &headers, Some(foreign.as_bytes()));
    assert_eq!(foreign.status, 403);
    let admin = province.signer.token("1", &province.issuer.claims(&["kpi-admin"]));
    let audit = province.server.by(&admin).get("audit").expect(200);
    let change = audit["changes"].as_array().unwrap().last().unwrap();
    has(change, &json!({ "actor": "Trần Bình (oidc:u-7)", "signed_in": "token", "key": null }));
}

#[test]
fn cookies_are_secure_where_browsers_use_tls() {
    let province = Province::at("https://kpi.example", "egov-kpi", None, &[]);
    for (headers, is_secure) in [
        (&[("host", "kpi.example")][..], true),
        (&[("host", "localhost:1")], false),
        (&[("host", "localhost:1"), ("x-forwarded-proto", "https")], true),
    ] {
        let begun = province.server.send("GET", "/sign-in/oidc", headers, None);
        let (cookie, place) = (cookies(&begun)[0].clone(), begun.header("location"));
        assert_eq!(cookie.contains("; Secure"), is_secure, "{headers:?}: {cookie}");
        let back = Api::of(province.issuer.address.strip_prefix("http://").unwrap())
            .get(place.strip_prefix(&province.issuer.address).unwrap());
        let back = back.header("location").strip_prefix("https://kpi.example").unwrap().to_owned();
        let pair = cookie.split(';').next().unwrap();
        let reply =
            province.server.send("GET", &back, &[headers, &[("cookie", pair)]].concat(), None);
        let set = cookies(&reply);
        let session = set.iter().find(|set| set.contains("egov_kpi_session=")).unwrap();
        assert_eq!(session.contains("; Secure"), is_secure, "{headers:?}: {session}");
        // A browser takes a cookie of this name from the host itself alone, and by TLS alone.
        for cookie in [&cookie, session] {
            assert_eq!(cookie.starts_with("__Host-"), is_secure, "{headers:?}: {cookie}");
            assert!(!is_secure || format!("{cookie};").contains("; Path=/;"), "{cookie}");
        }
        let pair = session.split(';').next().unwrap();
        let other = match pair.strip_prefix("__Host-") {
            Some(plain) => plain.to_owned(),
            None => format!("__Host-{pair}"),
        };
        for (pair, status) in [(pair, 200), (other.as_str(), 401)] {
            let headers = [headers, &[("cookie", pair)]].concat();
            let reply = province.server.send("GET", "/overview?unit=tv.dof", &headers, None);
            assert_eq!(reply.status, status, "{headers:?}");
        }
    }
}

#[test]
fn two_tabs_of_a_browser_can_sign_in_at_once() {
    let province = Province::new();
    let pair = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    let (first, first_place) = province.begin("/overview");
    let (second, second_place) = province.begin("/ranking");
    let both = format!("{}; {}", pair(&first), pair(&second));
    for (place, target) in [(second_place, "/ranking"), (first_place, "/overview")] {
        let back = province.sign_in_there(&place);
        let headers = [("cookie", both.as_str()), HTML];
        let reply = province.server.send("GET", &back, &headers, None);
        assert!(session(&reply).is_some(), "{}", reply.text());
        assert!(reply.text().contains(&format!("content=\"0;url={target}\"")));
    }
    // A browser keeps four; a further one replaces the oldest.
    let mut kept: Vec<String> = Vec::new();
    for n in 0..6 {
        let cookies_before = kept.join("; ");
        let headers = [("cookie", cookies_before.as_str())];
        let reply = province.server.send("GET", "/sign-in/oidc?target=%2F", &headers, None);
        let set = cookies(&reply);
        let (own, ended) = set.split_last().unwrap();
        assert_eq!(ended.len(), usize::from(n >= 4), "{set:?}");
        if let Some(ended) = ended.first() {
            let oldest = kept.remove(0);
            let name = oldest.split('=').next().unwrap();
            assert!(ended.starts_with(&format!("{name}=;")) && ended.contains("Max-Age=0"));
        }
        kept.push(pair(own));
    }
}

#[test]
fn an_issuer_that_does_not_name_itself_signs_in_and_another_one_is_not_believed() {
    let province = Province::new();
    province.issuer.sign_ons.lock().is_silent = true;
    assert!(session(&province.sign_in("/overview")).is_some());
    let (cookie, place) = province.begin("/overview");
    let back = province.sign_in_there(&place);
    let other = format!("{back}&iss=https%3A%2F%2Fevil.example");
    refused(&province.come_back(&other, &cookie), 401, "mã do hệ thống khác cấp");
}

#[test]
fn a_wrong_discovery_document_sends_no_browser_anywhere() {
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(null)),
        ("jwks_uri", json!("ftp://127.0.0.1/keys")),
        ("jwks_uri", json!(null)),
        ("authorization_endpoint", json!("http://evil.example/authorize")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!(null)),
        ("authorization_endpoint", json!(7)),
        ("token_endpoint", json!("http://evil.example/token")),
        ("token_endpoint", json!(null)),
    ] {
        let province = Province::new();
        province.issuer.sign_ons.lock().discovery = vec![(name, value.clone())];
        let begun = province.server.send("GET", "/sign-in/oidc?target=%2F", &[HTML], None);
        refused(&begun, 503, "hãy thử lại");
        assert_eq!(cookies(&begun), Vec::<String>::new(), "{name}: {value}");
        // As soon as it is right, people can sign in.
        province.issuer.sign_ons.lock().discovery = Vec::new();
        std::thread::sleep(SHORT);
        assert!(session(&province.sign_in("/overview")).is_some(), "{name}: {value}");
    }
    // Without a safe address to sign out at, nobody is led there.
    let province = Province::new();
    let wrong = ("end_session_endpoint", json!("http://evil.example/end"));
    province.issuer.sign_ons.lock().discovery = vec![wrong];
    assert!(session(&province.sign_in("/overview")).is_some());
    assert!(!province.page("/sign-in?signed_out=oidc", "").text().contains("evil"));
}

#[test]
fn a_confidential_client_proves_itself_with_its_secret() {
    let province = Province::with("egov-kpi", Some("client-secret"), &[]);
    assert!(session(&province.sign_in("/overview")).is_some());
    province.issuer.sign_ons.lock().secret = Some("another".to_owned());
    refused(&province.sign_in("/overview"), 401, "invalid_client");
    // Secrets are form-encoded before they are sent.
    for secret in [":+%", "a:b+c%2Bd", "%25&=x", "/?#[]@!$'()*,;~"] {
        let province = Province::with("egov-kpi", Some(secret), &[]);
        assert!(session(&province.sign_in("/overview")).is_some(), "{secret}");
    }
}

#[test]
fn a_session_ends_with_its_token_and_open_pages_remain_open() {
    for (open, after) in [(&[][..], 401), (&[RouteArea::Pages][..], 200)] {
        let province = Province::with("egov-kpi", None, open);
        // The clocks may differ by 60 seconds: this token has 3 seconds left.
        let now = chrono::Utc::now().timestamp();
        let access = with(&province.issuer.claims(&["kpi-reporter"]), "exp", now - 57);
        province.gives(province.id_claims(), &access);
        let session = session(&province.sign_in("/overview")).unwrap();
        let page = || province.page("/overview?unit=tv.dof", &session);
        assert!(page().status == 200 && page().text().contains("Trần Bình"));
        eventually("ended", Duration::from_secs(10), || !page().text().contains("Trần Bình"));
        assert_eq!(page().status, after);
        // It may not write either.
        let form = format!("unit={OWN}&period=2021-10&figure:{OUTGOING}=7");
        let headers =
            [("cookie", session.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        let sent = province.server.send("POST", "/entry/send", &headers, Some(form.as_bytes()));
        assert_eq!(sent.status, 401);
    }
}

#[test]
fn a_callback_signs_in_only_the_browser_that_has_begun() {
    let province = Province::new();
    let sentence = "Lần đăng nhập này không bắt đầu từ trình duyệt này";
    let (own, place) = province.begin("/overview");
    let (other, _) = province.begin("/overview");
    let back = province.sign_in_there(&place);
    let changed = |from: &str, to: &str| back.replace(from, to);
    let tampered = {
        // Another path to return to, with the same secret.
        let mut parts: Vec<String> =
            own.split(';').next().unwrap().split('.').map(ToOwned::to_owned).collect();
        parts[3] = b64("/admin");
        parts.join(".")
    };
    let name = own.split('=').next().unwrap();
    let made_up = format!("{name}=a.b.c");
    let exchanged = format!("{name}={}", other.split('=').nth(1).unwrap());
    for (what, path, cookie) in [
        ("without a cookie", back.clone(), ""),
        ("with the sign-in of another browser", back.clone(), other.as_str()),
        ("with a changed cookie", back.clone(), tampered.as_str()),
        ("with a made up cookie", back.clone(), made_up.as_str()),
        ("with the content of another sign-in", back.clone(), exchanged.as_str()),
        ("without state", changed("state=", "stat="), &own),
        ("with another state", changed("state=", "state=x"), &own),
        ("with the state twice", format!("{back}&state=x"), &own),
        ("with the code twice", format!("{back}&code=x"), &own),
        ("with an error in the name of the issuer", format!("{CALLBACK}?error=Call+0123"), &own),
    ] {
        let reply = province.come_back(&path, cookie);
        refused(&reply, 401, sentence);
        assert!(!reply.text().contains("Call") && reply.text().contains("id=\"key\""), "{what}");
        assert_eq!(cookies(&reply), Vec::<String>::new(), "{what}");
    }
    province.server.get(&back).problem(401);
    assert_eq!(province.issuer.sign_ons.lock().asked, 0, "no code was exchanged");
    // None of that has ended the sign-in of the browser that has begun.
    assert!(session(&province.come_back(&back, &own)).is_some());
}

#[test]
fn a_code_is_of_use_once_and_only_with_the_verifier_of_its_sign_in() {
    let province = Province::new();
    let (cookie, place) = province.begin("/overview");
    let back = province.sign_in_there(&place);
    let (mine, my_place) = province.begin("/overview");
    // Somebody has got hold of the code of another person, and puts it into a sign-in of his own.
    let state = &parameters_of(&my_place)["state"];
    let code = parameters_of(&back)["code"].clone();
    let iss = encoded(&province.issuer.address);
    let injected = format!("{CALLBACK}?code={code}&state={state}&iss={iss}");
    refused(&province.come_back(&injected, &mine), 401, "invalid_grant");
    // The issuer has taken it back now, as it should.
    refused(&province.come_back(&back, &cookie), 401, "invalid_grant");
    let (cookie, place) = province.begin("/overview");
    let back = province.sign_in_there(&place);
    assert!(session(&province.come_back(&back, &cookie)).is_some());
    refused(&province.come_back(&back, &cookie), 401, "invalid_grant");
}

#[test]
fn made_up_codes_count_as_failed_sign_ins_and_stop_to_occupy_exchanges() {
    let province = Province::of_few_failures();
    let (cookie, place) = province.begin("/");
    let own = province.sign_in_there(&place);
    let state = own.split(['?', '&']).find(|part| part.starts_with("state=")).unwrap();
    let made_up = format!("{CALLBACK}?{state}&code=x&iss={}", encoded(&province.issuer.address));
    let statuses: Vec<u16> = (0..7).map(|_| province.come_back(&made_up, &cookie).status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    // Nor does a good code of this address occupy one meanwhile.
    assert_eq!(province.come_back(&own, &cookie).status, 429);
}

#[test]
fn sessions_with_a_token_that_the_issuer_no_longer_knows_are_no_failed_sign_ins() {
    let province = Province::of_few_failures();
    let session = session(&province.sign_in("/")).unwrap();
    let other = Signer::ec();
    province.issuer.publish(&[other.public("2")]);
    // A token with the new key makes the service fetch the keys again.
    let token = other.token("2", &province.issuer.claims(&["kpi-reporter"]));
    let status = |bearer: &str| {
        let authorization = format!("Bearer {bearer}");
        let headers = [("authorization", authorization.as_str())];
        province.server.send("GET", "/api/v1/me", &headers, None).status
    };
    std::thread::sleep(SHORT);
    assert_eq!(status(&token), 200);
    for _ in 0..7 {
        assert_eq!(province.page("/overview", &session).status, 401);
    }
    let guesses: Vec<u16> = (0..6).map(|_| status("x")).collect();
    assert_eq!(guesses, [401, 401, 401, 401, 401, 429], "the sessions used none of the five");
}

#[test]
fn an_id_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    let province = Province::new();
    let (good, signer) = (province.id_claims(), province.signer.clone());
    let now = chrono::Utc::now().timestamp();
    let of_nonce = |change: fn(Value) -> Value| {
        let (good, signer) = (good.clone(), signer.clone());
        move |nonce: &str| Value::String(signer.token("1", &change(with(&good, "nonce", nonce))))
    };
    province.gives_id_token(of_nonce(|claims| claims));
    assert!(session(&province.sign_in("/overview")).is_some());
    province.gives_id_token(of_nonce(|claims| with(&claims, "azp", "web")));
    assert!(session(&province.sign_in("/overview")).is_some());
    for (sentence, change) in [
        (
            "mã thuộc về một lần đăng nhập khác",
            (|claims| with(&claims, "nonce", "x")) as fn(Value) -> Value,
        ),
        ("mã thuộc về một lần đăng nhập khác", |claims| without(&claims, "nonce")),
        ("mã thuộc về một lần đăng nhập khác", |claims| with(&claims, "nonce", 7)),
        ("không được chấp nhận", |claims| with(&claims, "aud", "egov-kpi")),
        ("không được chấp nhận", |claims| without(&claims, "aud")),
        ("mã do hệ thống khác cấp", |claims| with(&claims, "iss", "https://evil.example")),
        ("mã dành cho ứng dụng khác", |claims| with(&claims, "azp", "other")),
        ("không được chấp nhận", |claims| without(&claims, "exp")),
        ("mã thuộc về người khác", |claims| with(&claims, "sub", "u-8")),
    ] {
        province.gives_id_token(of_nonce(change));
        refused(&province.sign_in("/overview"), 401, sentence);
    }
    let old = with(&good, "exp", now - 61);
    let key = signer.clone();
    province.gives_id_token(move |nonce| json!(key.token("1", &with(&old, "nonce", nonce))));
    refused(&province.sign_in("/overview"), 401, "không được chấp nhận");
    let unsigned = good.clone();
    province.gives_id_token(move |nonce| {
        let claims = with(&unsigned, "nonce", nonce).to_string();
        json!(format!("{}.{}.", b64(r#"{"alg":"none","kid":"1"}"#), b64(claims)))
    });
    refused(&province.sign_in("/overview"), 401, "không được chấp nhận");
    let forged = good.clone();
    province.gives_id_token(move |nonce| {
        json!(Signer::ec().token("1", &with(&forged, "nonce", nonce)))
    });
    refused(&province.sign_in("/overview"), 401, "không được chấp nhận");
    for none in [json!(null), json!(7), json!("")] {
        province.gives_id_token(move |_nonce| none.clone());
        refused(&province.sign_in("/overview"), 503, "hãy thử lại");
    }
}

#[test]
fn the_session_has_the_token_that_programs_may_use_as_well() {
    // An access token that says nothing to this service, beside an ID token with the roles.
    let opaque = || "opaque-7".to_owned();
    let with_roles =
        |province: &Province| with(&province.issuer.claims(&["kpi-reporter"]), "aud", "web");
    let province = Province::with("web", None, &[]);
    province.gives_access(with_roles(&province), opaque());
    let session_of_id = session(&province.sign_in("/overview")).unwrap();
    assert_eq!(province.page("/overview?unit=tv.dof", &session_of_id).status, 200);
    // Where programs need a token for another audience, an ID token is not enough.
    let province = Province::new();
    province.gives_access(with_roles(&province), opaque());
    refused(&province.sign_in("/overview"), 401, "không được chấp nhận");
    // An access token is never taken for a key.
    let key = province.server.issue(egov_kpi::auth::role::Role::Admin, None).key;
    province.gives_access(with_roles(&province), key);
    refused(&province.sign_in("/overview"), 401, "không được chấp nhận");
    for roles in [&[][..], &["other"]] {
        province.person(roles);
        let reply = province.sign_in("/overview");
        refused(&reply, 403, "chưa cấp cho bạn vai trò nào trong dịch vụ này");
    }
    let headers = [ENGLISH, HTML];
    let (cookie, place) = province.begin("/overview");
    let both = format!("{}; {}", cookie.split(';').next().unwrap(), ENGLISH.1);
    let back = province.sign_in_there(&place);
    let reply = province.server.send("GET", &back, &[("cookie", &both), headers[1]], None);
    assert!(reply.text().contains("but gives you no role in this service"), "{}", reply.text());
}

#[test]
fn a_token_endpoint_that_fails_is_a_page_and_not_a_hang() {
    let province = Province::new();
    let sentence = "ăng nhập một lần hiện không phản hồi đúng";
    for endpoint in [
        TokenEndpoint::Slow,
        TokenEndpoint::Huge,
        TokenEndpoint::Page,
        TokenEndpoint::Broken,
        TokenEndpoint::Elsewhere,
        TokenEndpoint::Down,
    ] {
        province.issuer.sign_ons.lock().endpoint = endpoint;
        let begun = Instant::now();
        let reply = province.sign_in("/overview");
        let took = begun.elapsed();
        refused(&reply, 503, sentence);
        assert_ne!(reply.header("retry-after"), "", "{endpoint:?}");
        assert!(took < Duration::from_secs(20), "{endpoint:?} took {took:?}");
    }
    province.issuer.sign_ons.lock().endpoint = TokenEndpoint::Correct;
    assert!(session(&province.sign_in("/overview")).is_some());
}

#[test]
fn few_codes_are_exchanged_at_once_and_the_other_sign_ins_do_not_wait_long() {
    let province = Province::new();
    let begun: Vec<(String, String)> = (0..20).map(|_| province.begin("/")).collect();
    province.issuer.sign_ons.lock().endpoint = TokenEndpoint::Slow;
    let started = Instant::now();
    std::thread::scope(|threads| {
        for (cookie, place) in &begun {
            threads.spawn(|| {
                let reply = province.come_back(&province.sign_in_there(place), cookie);
                refused(&reply, 503, "không phản hồi");
            });
        }
        // Before the first of them is given up after 5 seconds.
        while started.elapsed() < Duration::from_secs(4) {
            assert!(province.issuer.sign_ons.lock().most_open <= 8);
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let took = started.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}");
    assert!(province.issuer.sign_ons.lock().most_open >= 8);
}

#[test]
fn an_issuer_that_is_down_at_the_start_is_a_page_and_works_later() {
    let province = Province::new();
    province.issuer.down.store(true, Ordering::Relaxed);
    let begin = || province.server.send("GET", "/sign-in/oidc?target=%2F", &[HTML], None);
    refused(&begin(), 503, "hãy thử lại");
    // A key works meanwhile, and the page to sign in is there.
    assert_eq!(province.page("/sign-in", "").status, 200);
    province.issuer.down.store(false, Ordering::Relaxed);
    eventually("back", Duration::from_secs(15), || begin().status == 303);
    assert!(session(&province.sign_in("/overview")).is_some());
}

#[test]
fn what_the_issuer_refuses_is_said_and_another_issuer_is_not_believed() {
    let province = Province::new();
    let answer = |parameters: &str| {
        let (cookie, place) = province.begin("/overview");
        let state = parameters_of(&place)["state"].clone();
        province.come_back(&format!("{CALLBACK}?state={state}&{parameters}"), &cookie)
    };
    let iss = encoded(&province.issuer.address);
    refused(&answer(&format!("error=access_denied&iss={iss}")), 401, "(access_denied)");
    let hostile = format!("error={}&iss={iss}", encoded("<b>x</b> y\u{202e}"));
    refused(&answer(&hostile), 401, "(&lt;b&gt;x&lt;/b&gt;y)");
    refused(&answer(&format!("iss={iss}")), 401, "không cho đăng nhập");
    // This issuer names itself (RFC 9207), and its code is not sent anywhere for another one.
    for other in ["", "&iss=https%3A%2F%2Fevil.example"] {
        refused(&answer(&format!("code=c0de{other}")), 401, "mã do hệ thống khác cấp");
    }
    assert_eq!(province.issuer.sign_ons.lock().asked, 0);
}

fn parameters_of(place: &str) -> std::collections::HashMap<String, String> {
    parameters(place.split_once('?').unwrap().1.as_bytes())
}

#[test]
fn after_the_sign_in_a_browser_stays_on_this_service() {
    let province = Province::new();
    for target in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/sign-out",
        &format!("/{}", "x".repeat(3_000)),
    ] {
        let text = province.sign_in(target).text();
        assert!(text.contains("content=\"0;url=/\""), "{target}: {text}");
        assert!(!text.contains("evil"), "{target}: {text}");
    }
    let text = province.sign_in("/overview?unit=\"><script>'ầ").text();
    let escaped = "content=\"0;url=/overview?unit=&quot;&gt;&lt;script&gt;'ầ\"";
    assert!(text.contains(escaped), "{text}");
}

#[test]
fn each_sign_in_has_a_session_of_its_own() {
    let province = Province::new();
    let planted = format!("egov_kpi_session={}", "A".repeat(43));
    let (cookie, place) = province.begin("/overview");
    let both = format!("{planted}; {}", cookie.split(';').next().unwrap());
    let reply = province.server.send(
        "GET",
        &province.sign_in_there(&place),
        &[("cookie", &both), HTML],
        None,
    );
    let (first, second) = (session(&reply).unwrap(), session(&province.sign_in("/")).unwrap());
    assert!(first != planted && first != second);
    let open = |session: &str| province.page("/overview?unit=tv.dof", session).status;
    assert_eq!((open(&planted), open(&first), open(&second)), (401, 200, 200));
}

#[test]
fn signing_out_ends_the_session_and_leads_to_the_end_of_the_single_sign_on() {
    let province = Province::new();
    let session = session(&province.sign_in("/overview")).unwrap();
    let page = province.page("/overview?unit=tv.dof", &session).text();
    let token = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
    let form = format!("form_token={}", token.split('"').next().unwrap());
    let headers =
        [("cookie", session.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let out = province.server.send("POST", "/sign-out", &headers, Some(form.as_bytes()));
    assert_eq!((out.status, out.header("location")), (303, "/sign-in?signed_out=oidc"));
    assert_eq!(province.page("/overview?unit=tv.dof", &session).status, 401);
    let page = province.page("/sign-in?signed_out=oidc", "").text();
    let link = format!(
        "href=\"{}/end?client_id=web&amp;post_logout_redirect_uri={}\"",
        province.issuer.address,
        encoded(&format!("{PUBLIC}/sign-in"))
    );
    assert!(page.contains(&link), "{link} is not in {page}");
    assert!(!province.page("/sign-in", "").text().contains("/end?"));
}

#[test]
fn a_service_without_it_offers_no_single_sign_on() {
    // Neither without an issuer nor with one that only programs use.
    let issuer = Issuer::start();
    for server in [Guarded::new(), issuer.server(LONG, LONG)] {
        assert!(!server.get("/sign-in").text().contains("/sign-in/oidc"));
        for path in ["/sign-in/oidc", CALLBACK] {
            let reply = server.send("GET", path, &[HTML], None);
            refused(&reply, 401, "không dùng đăng nhập một lần");
        }
        assert!(!server.get("/sign-in?signed_out=oidc").text().contains("/end?"));
    }
}
