//! `serve`: the service over a ledger.

use std::io::Write;
use std::path::Path;

use super::CommandOutcome;
use crate::api::access::{AccessSettings, IpNetwork, RouteArea, TrustedProxies};
use crate::api::is_origin;
use crate::api::limits::LimitSettings;
use crate::api::limits::rates::RateArg;
use crate::app::App;
use crate::auth::api_keys::KeySecret;
use crate::auth::oidc::{BrowserSignOn, ClientSettings, FRESH, OidcSettings, RETRY, TokenVerifier};
use crate::auth::role::Role;
use crate::clock::Clock;
use crate::config::{AccessArgs, ForwardedHeader, LimitArgs, PublicArea};
use crate::error::Error;
use crate::server::{self, ServerSettings, TlsFiles};
use ledger::Store;

/// Runs until a signal.
///
/// # Errors
/// When the address or the ledger is unavailable, or other machines could reach the service and
/// there is no key.
pub fn run(
    settings: &ServerSettings,
    database: &str,
    clock: Clock,
    key_secret: Option<&Path>,
) -> Result<CommandOutcome, Error> {
    let secret = key_secret.map(KeySecret::read).transpose()?;
    if let Some(path) = key_secret {
        server::warn_of_mode(path, "key secret file");
    }
    let (database, scheme) =
        (database.to_owned(), if settings.tls.is_some() { "https" } else { "http" });
    let running = server::start(
        settings,
        move || {
            let store = Store::open(&database, true)?;
            if let Some(file) = store.file() {
                server::warn_of_mode(file, "ledger");
            }
            server::warn_of_triggers(&store)?;
            App::open_with(store, clock, secret)
        },
        move |address| announced(scheme, address),
    )?;
    running.run_until_signal()?;
    Ok(CommandOutcome::Done)
}

/// Prints the line that scripts wait for.
pub fn announce(address: std::net::SocketAddr) {
    announced("http", address);
}

fn announced(scheme: &str, address: std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "listening on {scheme}://{address}").and_then(|()| out.flush());
}

/// The settings of the service, from the command line.
///
/// # Errors
/// [`Error::Usage`] for invalid values.
pub fn settings(
    listen: &str,
    access: AccessArgs,
    limits: &LimitArgs,
) -> Result<ServerSettings, Error> {
    let mut open: Vec<RouteArea> =
        access.open.iter().flat_map(|open| areas(*open)).copied().collect();
    if access.public_reads {
        open.extend(RouteArea::FIGURES);
    }
    let usage =
        |flag: &str, text: &str, error: String| Error::Usage(format!("{flag} {text}: {error}"));
    let proxies = access.trusted_proxies.iter().map(|text| {
        text.parse::<IpNetwork>().map_err(|error| usage("--trusted-proxies", text, error))
    });
    let forwarding = TrustedProxies {
        proxies: proxies.collect::<Result<_, _>>()?,
        by_forwarded: access.forwarded_header == ForwardedHeader::Forwarded,
    };
    let roles = access.oidc_roles.iter().map(|text| {
        let (value, role) = text
            .rsplit_once('=')
            .ok_or_else(|| usage("--oidc-roles", text, "expected VALUE=ROLE".to_owned()))?;
        Ok((
            value.to_owned(),
            role.parse::<Role>().map_err(|error| usage("--oidc-roles", text, error))?,
        ))
    });
    let roles = roles.collect::<Result<Vec<_>, Error>>()?;
    let tokens = access.oidc_issuer.map(|issuer| {
        TokenVerifier::new(OidcSettings {
            issuer,
            audience: access.oidc_audience,
            role_claim: access.oidc_role_claim,
            roles,
            unit_claim: access.oidc_unit_claim,
            authorities: access.oidc_ca,
            fresh: FRESH,
            retry: RETRY,
        })
    });
    let tokens = tokens.transpose()?;
    let client = access.oidc_client_id.map(|id| -> Result<ClientSettings, Error> {
        let file = access.oidc_client_secret_file.as_deref();
        Ok(ClientSettings {
            id,
            secret: file.map(ClientSettings::read_secret).transpose()?,
            public_address: access.public_address.unwrap_or_default(),
            scope: access.oidc_scope,
        })
    });
    let sign_on = tokens.clone().zip(client.transpose()?);
    let sign_on = sign_on.map(|(tokens, client)| BrowserSignOn::new(tokens, client));
    let tls =
        access.tls_cert.zip(access.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    if let Some(wrong) = access.cors.iter().find(|origin| !is_origin(origin)) {
        return Err(Error::Usage(format!(
            "--cors {wrong}: expected the origin of a web site, such as https://dashboard.example, \
             or *"
        )));
    }
    let opened = AccessSettings {
        open,
        cors: access.cors,
        forwarding,
        tokens,
        sign_on: sign_on.transpose()?,
        ..AccessSettings::default()
    };
    Ok(ServerSettings {
        access: opened,
        admin_key: access.admin_key_file,
        tls,
        limits: bounds(limits)?,
        setup_token: true,
        ..ServerSettings::at(listen)
    })
}

/// The limits, from the command line.
fn bounds(limits: &LimitArgs) -> Result<LimitSettings, Error> {
    let rate = |flag: &str, text: &str| {
        text.parse::<RateArg>().map_err(|error| Error::Usage(format!("{flag} {text}: {error}")))
    };
    let (RateArg(key), RateArg(address)) = (
        rate("--rate-limit", &limits.rate_limit)?,
        rate("--rate-limit-address", &limits.rate_limit_address)?,
    );
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let default = LimitSettings::default();
    Ok(LimitSettings {
        key,
        address: address.filter(|_| key.is_some()),
        sign_in: default.sign_in.filter(|_| key.is_some()),
        memory: limits.memory.unwrap_or(default.memory),
        connections: number(limits.connections),
        connections_of_one: number(limits.connections_address),
        ..default
    })
}

fn areas(open: PublicArea) -> &'static [RouteArea] {
    match open {
        PublicArea::Api => &[RouteArea::Api],
        PublicArea::Prometheus => &[RouteArea::Prometheus],
        PublicArea::Pages => &[RouteArea::Pages],
        PublicArea::Docs => &[RouteArea::Docs],
        PublicArea::Metrics => &[RouteArea::Metrics],
        PublicArea::None => &[],
        PublicArea::All => &RouteArea::ALL,
    }
}
