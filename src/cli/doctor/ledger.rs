//! The ledger: whether it can be read, its clock and triggers; keys, units and months.

use std::path::Path;

use chrono::{Days, NaiveDate};

use super::Diagnosis;
use crate::app::state::State;
use crate::app::write::catalogue::{difference, shipped};
use crate::auth::api_keys::document::{KeyDocument, KeyState};
use crate::auth::api_keys::{KeySecret, stored_keys};
use crate::auth::role::Role;
use crate::clock::{Clock, MAX_JUMP, process_time, time_text};
use crate::error::Error;
use ::ledger::{Store, StoreError};
use kpi::unit::{UnitKind, UnitPosition};

/// Keys that end within this many days are reported.
const KEY_DAYS: i64 = 30;
/// A month that is complete and still open this many days after its end is reported.
const OPEN_DAYS: u64 = 90;
/// Codes that one line lists.
const LISTED: usize = 5;
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// Examines the ledger at an address.
pub fn examine(
    database: &str,
    secret: Option<&Path>,
    signs_on: bool,
    clock: &Clock,
) -> Vec<Diagnosis> {
    let store = match Store::open_to_read(database) {
        Ok(store) => store,
        Err(error) => return vec![unavailable(database, &error)],
    };
    let mut found = Vec::new();
    let examined = times(&store, clock, &mut found)
        .and_then(|()| triggers(&store, &mut found))
        .and_then(|()| keys(&store, secret, signs_on, &mut found))
        .and_then(|()| {
            let state = State::load(&store, clock.calendar())?;
            found.push(Diagnosis::fine(
                "ledger",
                format!("revision {}, {} figures", state.revision, state.cube.len()),
            ));
            catalogue(&state, &mut found)?;
            units(&state, clock.today(), &mut found);
            months(&state, clock.today(), &mut found);
            Ok(())
        });
    if let Err(error) = examined {
        found.push(Diagnosis::error(
            "ledger",
            error.to_string(),
            "run `egov-kpi verify`; if it finds errors, restore a backup that passes `verify`",
        ));
    }
    found
}

/// Why a ledger cannot be opened.
fn unavailable(database: &str, error: &StoreError) -> Diagnosis {
    let is_new = database.starts_with("sqlite:") && matches!(error, StoreError::Address(_));
    if is_new {
        return Diagnosis::warning(
            "ledger",
            error.to_string(),
            "the first `serve` creates it; or correct --database (EGOV_KPI_DATABASE)",
        );
    }
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Diagnosis::error(
        "ledger",
        format!("{error}{}", cause.unwrap_or_default()),
        "check that the database runs, and its address, user and password in EGOV_KPI_DATABASE",
    )
}

/// The clock beside the database's, and the time of the newest revision.
fn times(store: &Store, clock: &Clock, found: &mut Vec<Diagnosis>) -> Result<(), Error> {
    let machine = clock.machine_time();
    let now = store.server_time()?.unwrap_or(machine);
    let seconds = now.since(machine).unsigned_abs() / 1_000_000;
    let newest = store.head()?.recorded_at;
    found.push(if newest.since(now) > MAX_JUMP {
        Diagnosis::error(
            "clock",
            format!("the newest revision is dated {}, in the future", time_text(newest)),
            "set the clock of the database server or this machine (NTP); docs/operations.md, \
             Clocks",
        )
    } else if seconds > 5 {
        Diagnosis::warning(
            "clock",
            format!("this machine and the database server differ by {seconds} seconds"),
            "synchronise both with NTP",
        )
    } else {
        Diagnosis::fine("clock", format!("the ledger's time is {}", time_text(now)))
    });
    Ok(())
}

fn triggers(store: &Store, found: &mut Vec<Diagnosis>) -> Result<(), Error> {
    let differences = store.trigger_differences()?;
    found.extend(differences.iter().map(|difference| {
        Diagnosis::error(
            "triggers",
            difference.clone(),
            "find out who changed the database; restore a backup that passes `verify`",
        )
    }));
    if differences.is_empty() {
        found.push(Diagnosis::fine("triggers", "as this program makes them"));
    }
    Ok(())
}

/// The API keys: an admin exists, none ends soon, each is authenticated.
fn keys(
    store: &Store,
    secret: Option<&Path>,
    signs_on: bool,
    found: &mut Vec<Diagnosis>,
) -> Result<(), Error> {
    let secret = secret.map(KeySecret::read).transpose()?;
    let (now, keys) = (process_time(), stored_keys(store, secret)?);
    let state = |document: &KeyDocument| document.state(now);
    let active = || keys.iter().filter(|(_, document)| state(document) == KeyState::Active);
    let admins = active().filter(|(_, document)| document.role == Role::Admin).count();
    found.push(if admins > 0 {
        Diagnosis::fine("keys", format!("{} active, {admins} of admins", active().count()))
    } else if signs_on {
        Diagnosis::fine("keys", "no admin has a key; single sign-on is configured")
    } else {
        Diagnosis::warning(
            "keys",
            "no admin has a key",
            "egov-kpi keys add --name NAME --role admin > admin.key",
        )
    });
    let ends =
        |document: &KeyDocument| document.expires_at.filter(|end| *end < now.plus(KEY_DAYS * DAY));
    for (id, document) in active() {
        if let Some(end) = ends(document) {
            found.push(Diagnosis::warning(
                "keys",
                format!("the key {id} of {} expires at {}", document.name, time_text(end)),
                format!("egov-kpi keys rotate {id} --expires 365d"),
            ));
        }
    }
    let strangers =
        keys.iter().filter(|(_, document)| state(document) == KeyState::Unauthenticated);
    found.extend(strangers.map(|(id, document)| {
        Diagnosis::error(
            "keys",
            format!("the key {id} of {} was not written with the key secret", document.name),
            "check `egov-kpi keys list`; `egov-kpi keys authenticate` accepts all keys, `keys \
             revoke` ends one",
        )
    }));
    Ok(())
}

/// How the catalogue differs from the shipped one.
fn catalogue(state: &State, found: &mut Vec<Diagnosis>) -> Result<(), Error> {
    let differences = difference(&state.catalogue.document, &shipped()?).len();
    let version = state.catalogue_version;
    found.push(Diagnosis::fine(
        "catalogue",
        format!("version {version}, {differences} differences from the shipped one"),
    ));
    Ok(())
}

/// Units that stand alone although they are no province, and units below one that has ended.
fn units(state: &State, today: NaiveDate, found: &mut Vec<Diagnosis>) {
    let units = &state.units;
    let current =
        |position: &UnitPosition| units.get(*position).is_some_and(|unit| unit.exists_on(today));
    let alone: Vec<&str> = units
        .roots()
        .filter(current)
        .filter(|root| units.get(*root).is_some_and(|unit| is_below_a_province(unit.document.kind)))
        .map(|root| units.code(root))
        .collect();
    if !alone.is_empty() {
        found.push(Diagnosis::warning(
            "units",
            format!("{} have no unit above them, so no sum contains their figures", listed(&alone)),
            "send them again with their parent as new units (a unit never gets another parent)",
        ));
    }
    let orphaned: Vec<&str> = units
        .all()
        .iter()
        .filter(current)
        .filter(|position| units.ancestors(*position).next().is_some_and(|above| !current(&above)))
        .map(|position| units.code(position))
        .collect();
    if !orphaned.is_empty() {
        found.push(Diagnosis::warning(
            "units",
            format!("{} exist below a unit that has ended", listed(&orphaned)),
            "give them valid_to and successors, or correct the unit above",
        ));
    }
    if alone.is_empty() && orphaned.is_empty() {
        found.push(Diagnosis::fine("units", format!("{} units", units.len())));
    }
}

fn is_below_a_province(kind: UnitKind) -> bool {
    matches!(kind, UnitKind::Department | UnitKind::District | UnitKind::Commune)
}

/// At most [`LISTED`] codes.
fn listed(codes: &[&str]) -> String {
    let first = codes.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    match codes.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Months with figures that have been open for long.
fn months(state: &State, today: NaiveDate, found: &mut Vec<Diagnosis>) {
    let Some(limit) = today.checked_sub_days(Days::new(OPEN_DAYS)) else { return };
    let open: Vec<_> = state
        .cube
        .months()
        .into_iter()
        .filter(|month| month.last_day() < limit && !state.closed.contains_key(month))
        .collect();
    found.push(match (open.first(), open.last()) {
        (Some(first), Some(last)) => Diagnosis::warning(
            "months",
            format!("{} months with figures are still open, {first} to {last}", open.len()),
            "close them on the page /admin/closing or with `egov-kpi periods close PERIOD \
             --reason TEXT`, so that later changes need a reason",
        ),
        _ => Diagnosis::fine("months", "no old month is open"),
    });
}
