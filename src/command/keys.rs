//! `keys add`, `list`, `revoke` and `rotate`.

use super::Outcome;
use crate::app::App;
use crate::app::clock::Clock;
use crate::app::keys::{Expiry, Issued, KeyState, KeyView, NewKey};
use crate::config::KeysAction;
use crate::error::Error;
use crate::store::Store;

/// Who does it.
const ACTOR: &str = "keys";

/// Changes or lists keys.
///
/// # Errors
/// Faults of what was asked for, an unknown key, or the ledger cannot be had.
pub fn run(action: KeysAction, clock: Clock) -> Result<Outcome, Error> {
    match action {
        KeysAction::Add { name, role, unit, expires, database } => {
            let new = NewKey {
                name,
                role: role.parse().map_err(Error::Usage)?,
                unit,
                expires: expiry(expires.as_deref(), "--expires")?,
            };
            with(&database.address, true, clock, |app| {
                app.add_key_now(new, ACTOR).map(|issued| show(&issued))
            })
        }
        KeysAction::List { database } => with(&database.address, false, clock, |app| {
            let (_, keys) = app.keys()?;
            say!("{}", listed(&keys).trim_end());
            Ok(())
        }),
        KeysAction::Revoke { id, database } => with(&database.address, false, clock, |app| {
            let view = app.revoke_key_now(&id, ACTOR)?;
            eprintln!("key {} of {} is revoked", view.id, view.name);
            Ok(())
        }),
        KeysAction::Rotate { id, overlap, expires, database } => {
            let wrong =
                || Error::Usage(format!("--overlap {overlap}: a number of days such as 7d, or 0"));
            let days = overlap
                .strip_suffix('d')
                .unwrap_or(&overlap)
                .parse()
                .ok()
                .filter(|days| (0..=crate::app::keys::MAX_DAYS).contains(days))
                .ok_or_else(wrong)?;
            let expires = expiry(expires.as_deref(), "--expires")?;
            with(&database.address, false, clock, |app| {
                app.rotate_key_now(&id, days, expires, ACTOR).map(|issued| show(&issued))
            })
        }
    }
}

fn with(
    address: &str,
    create: bool,
    clock: Clock,
    work: impl FnOnce(&App) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    let app = App::open_by(Store::open(address, create)?, clock)?;
    let done = work(&app);
    app.stop();
    done.map(|()| Outcome::Done)
}

fn expiry(text: Option<&str>, flag: &str) -> Result<Option<Expiry>, Error> {
    text.map(|text| {
        text.parse().map_err(|error: String| Error::Usage(format!("{flag} {text}: {error}")))
    })
    .transpose()
}

/// The key alone on standard output, what is to be known of it on standard error.
fn show(issued: &Issued) {
    say!("{}", issued.key);
    let KeyView { id, name, role, unit, expires_at, .. } = &issued.view;
    let of = unit.as_ref().map(|unit| format!(" for {unit}")).unwrap_or_default();
    let until = expires_at
        .as_ref()
        .map_or_else(|| "it does not end".to_owned(), |end| format!("it ends at {end}"));
    eprintln!("key {id} of {name}, {role}{of}; {until}. The key is shown this once.");
}

/// A table of keys.
fn listed(keys: &[KeyView]) -> String {
    let header =
        ["ID", "STATE", "ROLE", "UNIT", "ENDS", "LAST USED", "FROM", "NAME"].map(ToOwned::to_owned);
    let second = |time: &str| time.split('.').next().unwrap_or_default().to_owned();
    let maybe = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |key: &KeyView| {
        let state = match key.state {
            KeyState::Active => "active",
            KeyState::Expired => "expired",
            KeyState::Revoked => "revoked",
        };
        let time = |time: &Option<String>| time.as_deref().map_or_else(|| "-".to_owned(), second);
        [
            key.id.clone(),
            state.to_owned(),
            key.role.to_string(),
            maybe(&key.unit),
            time(&key.expires_at),
            time(&key.last_used_at),
            maybe(&key.last_used_from),
            key.name.clone(),
        ]
    };
    let rows: Vec<[String; 8]> = std::iter::once(header).chain(keys.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..8).map(width).collect();
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            format!("{cell}{}", " ".repeat(width.saturating_sub(cell.chars().count())))
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
