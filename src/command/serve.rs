//! `serve`: the service over a ledger.

use std::io::Write;

use super::Outcome;
use crate::app::access::Role;
use crate::app::clock::Clock;
use crate::app::tokens::{self, FRESH, RETRY, Tokens};
use crate::config::{Access, ForwardedHeader, Limits, Open};
use crate::error::Error;
use crate::http::access::{Area, Forwarding, Network, Settings as Opened};
use crate::http::limits::Settings as Bounds;
use crate::http::limits::rates::Written;
use crate::server::{self, Settings, TlsFiles};

/// Runs until a signal.
///
/// # Errors
/// The address or the ledger cannot be had, or others could reach it and nobody has a key.
pub fn run(settings: &Settings, database: &str, clock: Clock) -> Result<Outcome, Error> {
    let (database, scheme) =
        (database.to_owned(), if settings.tls.is_some() { "https" } else { "http" });
    let running = server::start(
        settings,
        move || server::open(&database, clock),
        move |address| announced(scheme, address),
    )?;
    running.until_signal()?;
    Ok(Outcome::Done)
}

/// The line that scripts wait for.
pub fn announce(address: std::net::SocketAddr) {
    announced("http", address);
}

fn announced(scheme: &str, address: std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "listening on {scheme}://{address}").and_then(|()| out.flush());
}

/// How to run, from the command line.
///
/// # Errors
/// [`Error::Usage`] for what cannot be.
pub fn settings(listen: &str, access: Access, limits: &Limits) -> Result<Settings, Error> {
    let mut open: Vec<Area> = access.open.iter().flat_map(|open| areas(*open)).copied().collect();
    if access.public_reads {
        open.extend(Area::FIGURES);
    }
    let usage =
        |flag: &str, text: &str, error: String| Error::Usage(format!("{flag} {text}: {error}"));
    let proxies = access.trusted_proxies.iter().map(|text| {
        text.parse::<Network>().map_err(|error| usage("--trusted-proxies", text, error))
    });
    let forwarding = Forwarding {
        proxies: proxies.collect::<Result<_, _>>()?,
        by_forwarded: access.forwarded_header == ForwardedHeader::Forwarded,
    };
    let roles = access.oidc_roles.iter().map(|text| {
        let (value, role) = text
            .rsplit_once('=')
            .ok_or_else(|| usage("--oidc-roles", text, "VALUE=ROLE is expected".to_owned()))?;
        Ok((
            value.to_owned(),
            role.parse::<Role>().map_err(|error| usage("--oidc-roles", text, error))?,
        ))
    });
    let roles = roles.collect::<Result<Vec<_>, Error>>()?;
    let tokens = access.oidc_issuer.map(|issuer| {
        Tokens::new(tokens::Settings {
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
    let tls =
        access.tls_cert.zip(access.tls_key).map(|(certificate, key)| TlsFiles { certificate, key });
    let opened = Opened { open, forwarding, tokens: tokens.transpose()?, ..Opened::default() };
    Ok(Settings {
        access: opened,
        admin_key: access.admin_key_file,
        tls,
        limits: bounds(limits)?,
        ..Settings::at(listen)
    })
}

/// What anybody may cost, from the command line.
fn bounds(limits: &Limits) -> Result<Bounds, Error> {
    let rate = |flag: &str, text: &str| {
        text.parse::<Written>().map_err(|error| Error::Usage(format!("{flag} {text}: {error}")))
    };
    let (Written(key), Written(address)) = (
        rate("--rate-limit", &limits.rate_limit)?,
        rate("--rate-limit-address", &limits.rate_limit_address)?,
    );
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let default = Bounds::default();
    Ok(Bounds {
        key,
        address: address.filter(|_| key.is_some()),
        sign_in: default.sign_in.filter(|_| key.is_some()),
        connections: number(limits.connections),
        connections_of_one: number(limits.connections_address),
        ..default
    })
}

fn areas(open: Open) -> &'static [Area] {
    match open {
        Open::Api => &[Area::Api],
        Open::Prometheus => &[Area::Prometheus],
        Open::Pages => &[Area::Pages],
        Open::Docs => &[Area::Docs],
        Open::Metrics => &[Area::Metrics],
        Open::None => &[],
        Open::All => &Area::ALL,
    }
}
