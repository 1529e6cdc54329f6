//! `periods`: lists, closes and reopens months.

use super::actor::ACTOR;
use super::{CommandOutcome, localised, print_note, wait};
use crate::app::App;
use crate::app::write::periods::ClosingChange;
use crate::clock::Clock;
use crate::config::PeriodsAction;
use crate::error::Error;
use ledger::Store;

/// Runs an action.
///
/// # Errors
/// A month that cannot be closed, or an unavailable ledger.
pub fn run(action: PeriodsAction, clock: Clock) -> Result<CommandOutcome, Error> {
    let (address, closing) = match action {
        PeriodsAction::List { history, database } => {
            return with(&database.address, clock, |app| list(app, history));
        }
        PeriodsAction::Close { period, reason, force, database } => {
            (database.address, ClosingChange { period, close: true, reason, force })
        }
        PeriodsAction::Reopen { period, reason, database } => {
            (database.address, ClosingChange { period, close: false, reason, force: false })
        }
    };
    with(&address, clock, |app| {
        let changed = wait(app.close(closing, ACTOR, None))?.answer;
        let state = if changed.closed { "closed" } else { "reopened" };
        if changed.changed.is_empty() {
            print_note(format!(
                "nothing changed: {} is {state} already",
                changed.periods.join(", ")
            ));
        } else {
            let months = changed.changed.join(", ");
            print_note(format!("{months} {state}, revision {}", changed.revision));
        }
        Ok(())
    })
}

/// Prints the closed months, or every closing and reopening.
fn list(app: &App, history: bool) -> Result<(), Error> {
    for row in app.now().closings(history)?.1 {
        let state = if row.closed { "closed" } else { "reopened" };
        let reason = row.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let line = format!("{} {state}, revision {}", row.period, row.revision);
        say!("{}, {}, {}{reason}", localised(line), row.recorded_at, row.actor);
    }
    Ok(())
}

fn with(
    address: &str,
    clock: Clock,
    act: impl FnOnce(&App) -> Result<(), Error>,
) -> Result<CommandOutcome, Error> {
    let app = App::open_by(Store::open(address, false)?, clock)?;
    let outcome = act(&app);
    app.stop();
    outcome.map(|()| CommandOutcome::Done)
}
