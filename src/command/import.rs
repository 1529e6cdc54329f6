//! `import`: files into a ledger.

use std::path::PathBuf;
use std::time::Instant;

use super::files::{Content, Taken, open, record_csv, record_json};
use super::{Outcome, print_faults};
use crate::app::App;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::Store;

/// Who imported figures are recorded as from.
pub const ACTOR: &str = "command line";

/// Records files in the order given.
///
/// # Errors
/// Files or the ledger cannot be had.
pub fn run(files: &[PathBuf], database: &str, reference: Option<String>, reason: Option<String>, from_line: Option<u64>) -> Result<Outcome, Error> {
    if from_line.is_some() && files.len() != 1 {
        eprintln!("egov-kpi: --from-line goes with one file");
        return Ok(Outcome::Usage);
    }
    let app = App::open(Store::open(database, true)?)?;
    let outcome = files.iter().try_fold(Outcome::Done, |_, file| {
        let started = Instant::now();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let envelope = Envelope { source_kind: Some("import".to_owned()), reference: reference.clone().or(name), reason: reason.clone() };
        let recorded = match open(file)? {
            Content::Units(units) => {
                let changed = app.put_units_now(units, ACTOR, false)?;
                println!("{}: {} units, revision {}", file.display(), changed.units.len(), changed.revision);
                return Ok(Outcome::Done);
            }
            Content::Json(bytes) => record_json(&app, &bytes, ACTOR),
            Content::Csv(csv) => record_csv(&app, csv, &envelope, ACTOR, from_line),
        };
        match recorded {
            Ok(taken) => {
                report(file, &taken, started);
                Ok(Outcome::Done)
            }
            Err(Error::Invalid(faults)) => {
                print_faults(file, &faults);
                Err(Error::Malformed(format!("{}: {} fault(s)", file.display(), faults.len())))
            }
            Err(error) => Err(error),
        }
    });
    app.stop();
    outcome
}

fn report(file: &std::path::Path, taken: &Taken, started: Instant) {
    let seconds = started.elapsed().as_secs_f64().max(1e-6);
    let figures = crate::domain::number::float(i64::try_from(taken.figures()).unwrap_or(i64::MAX));
    println!(
        "{}: {} figures in {} submission(s): {} created, {} revised, {} unchanged, {} withdrawn; {} finding(s); {:.0} figures a second",
        file.display(),
        taken.figures(),
        taken.submissions,
        taken.counts.created,
        taken.counts.revised,
        taken.counts.unchanged,
        taken.counts.withdrawn,
        taken.findings,
        figures / seconds
    );
}
