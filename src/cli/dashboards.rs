//! `dashboards`: writes Grafana's dashboards into a folder, for its provisioning.

use std::path::Path;

use super::CommandOutcome;
use crate::config::Language;
use crate::dashboards::{DashboardOptions, dashboards};
use crate::error::Error;

/// The dashboard that needs a plugin of Grafana.
const OF_INFINITY: &str = "egov-infinity";

/// Writes a file for each dashboard; with `infinity`, also the one that needs the Infinity plugin.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn run(
    lang: Language,
    prometheus_uid: String,
    infinity: bool,
    folder: &Path,
) -> Result<CommandOutcome, Error> {
    let at = |path: &Path| {
        let what = path.display().to_string();
        move |source| Error::Environment { what, source }
    };
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let options = DashboardOptions { english: lang == Language::En, prometheus_uid };
    let wanted =
        dashboards(&options).into_iter().filter(|(uid, _)| infinity || *uid != OF_INFINITY);
    let mut written = 0;
    for (uid, board) in wanted {
        let path = folder.join(format!("{uid}.json"));
        std::fs::write(&path, format!("{board:#}\n")).map_err(at(&path))?;
        written += 1;
    }
    eprintln!("{written} dashboards written to {}", folder.display());
    Ok(CommandOutcome::Done)
}
