//! `keys add`, `list`, `revoke`, `rotate` and `authenticate`.

use std::path::Path;

use super::{CommandOutcome, language, print_note, wait};
use crate::app::App;
use crate::app::api_keys::{IssuedKey, KeyExpiry, KeyView, NewKey};
use crate::auth::api_keys::KeySecret;
use crate::auth::api_keys::document::KeyState;
use crate::clock::Clock;
use crate::config::{KeysAction, Language};
use crate::error::Error;
use ledger::Store;

/// The actor of these changes.
const ACTOR: &str = "keys";

/// Changes or lists API keys.
///
/// # Errors
/// Invalid arguments, an unknown key, or an unavailable ledger.
pub fn run(
    action: KeysAction,
    clock: Clock,
    secret: Option<&Path>,
) -> Result<CommandOutcome, Error> {
    let with = |address: &str, create: bool, work: &dyn Fn(&App) -> Result<(), Error>| {
        with_app(address, create, clock.clone(), secret, work)
    };
    match action {
        KeysAction::Add { name, role, unit, expires, database } => {
            let new = NewKey {
                name,
                role: role.parse().map_err(Error::Usage)?,
                unit,
                expires: expiry(expires.as_deref(), "--expires")?,
            };
            with(&database.address, true, &|app| {
                wait(app.add_key(new.clone(), ACTOR)).map(|issued| print_key(&issued))
            })
        }
        KeysAction::List { database } => with(&database.address, false, &|app| {
            let (_, keys) = app.keys()?;
            say!("{}", listed(&keys).trim_end());
            Ok(())
        }),
        KeysAction::Authenticate { database } => with(&database.address, false, &|app| {
            let count = wait(app.authenticate_keys(ACTOR))?;
            print_note(format!("{count} key(s) authenticated"));
            Ok(())
        }),
        KeysAction::Revoke { id, database } => with(&database.address, false, &|app| {
            let view = wait(app.revoke_key(&id, ACTOR))?.view;
            print_note(format!("key {} of {} revoked", view.id, view.name));
            Ok(())
        }),
        KeysAction::Rotate { id, overlap, expires, database } => {
            let wrong = || {
                Error::Usage(format!(
                    "--overlap {overlap}: expected a number of days such as 7d, or 0"
                ))
            };
            let days = overlap
                .strip_suffix('d')
                .unwrap_or(&overlap)
                .parse()
                .ok()
                .filter(|days| (0..=crate::app::api_keys::MAX_DAYS).contains(days))
                .ok_or_else(wrong)?;
            let expires = expiry(expires.as_deref(), "--expires")?;
            with(&database.address, false, &|app| {
                wait(app.rotate_key(&id, days, expires, ACTOR)).map(|issued| print_key(&issued))
            })
        }
    }
}

fn with_app(
    address: &str,
    create: bool,
    clock: Clock,
    secret: Option<&Path>,
    work: &dyn Fn(&App) -> Result<(), Error>,
) -> Result<CommandOutcome, Error> {
    let secret = secret.map(KeySecret::read).transpose()?;
    let app = App::open_with(Store::open(address, create)?, clock, secret)?;
    let done = work(&app);
    app.stop();
    done.map(|()| CommandOutcome::Done)
}

fn expiry(text: Option<&str>, flag: &str) -> Result<Option<KeyExpiry>, Error> {
    text.map(|text| {
        text.parse().map_err(|error: String| Error::Usage(format!("{flag} {text}: {error}")))
    })
    .transpose()
}

/// Prints the key alone on standard output, and its properties on standard error.
fn print_key(issued: &IssuedKey) {
    say!("{}", issued.key);
    let KeyView { id, name, role, unit, expires_at, .. } = &issued.view;
    let of = unit.as_ref().map(|unit| format!(" for {unit}")).unwrap_or_default();
    let until = expires_at
        .as_ref()
        .map_or_else(|| "it does not expire".to_owned(), |end| format!("it expires at {end}"));
    print_note(format!("key {id} of {name}, {role}{of}; {until}. The key is not shown again."));
}

/// A table of keys.
fn listed(keys: &[KeyView]) -> String {
    let header = match language() {
        Language::Vi => {
            ["MÃ", "TRẠNG THÁI", "VAI TRÒ", "ĐƠN VỊ", "HẾT HẠN", "DÙNG LẦN CUỐI", "TỪ", "TÊN"]
        }
        Language::En => ["ID", "STATE", "ROLE", "UNIT", "EXPIRES", "LAST USED", "FROM", "NAME"],
    }
    .map(ToOwned::to_owned);
    let second = |time: &str| time.split('.').next().unwrap_or_default().to_owned();
    let maybe = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let row = |key: &KeyView| {
        let state = match (key.state, language()) {
            (KeyState::Active, Language::En) => "active",
            (KeyState::Expired, Language::En) => "expired",
            (KeyState::Revoked, Language::En) => "revoked",
            (KeyState::Unauthenticated, Language::En) => "unauthenticated",
            (KeyState::Active, Language::Vi) => "còn hiệu lực",
            (KeyState::Expired, Language::Vi) => "hết hạn",
            (KeyState::Revoked, Language::Vi) => "đã thu hồi",
            (KeyState::Unauthenticated, Language::Vi) => "chưa xác thực",
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
