//! `doctor`: what is wrong with this installation, and how to mend it. It changes nothing.

mod files;
mod ledger;
mod machine;

use std::path::PathBuf;

use super::{CommandOutcome, language, localised, serve};
use crate::app::words::find_name;
use crate::clock::Clock;
use crate::config::{AccessArgs, Language, LimitArgs};
use crate::error::Error;
use crate::server::ServerSettings;

/// The installation to examine: the settings that `serve` would get, and the folder of the backups.
pub struct Installation {
    /// Address and port of the service.
    pub listen: String,
    /// Address of the ledger.
    pub database: String,
    /// Authentication, authorization and TLS.
    pub access: Box<AccessArgs>,
    /// Limits.
    pub limits: LimitArgs,
    /// The folder of `backup --keep`.
    pub backups: Option<PathBuf>,
}

/// How serious an observation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grade {
    /// As it should be.
    Fine,
    /// It should be corrected.
    Warning,
    /// The service does not work, or is not safe.
    Error,
}

/// One observation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    grade: Grade,
    /// What was examined: a code of the group `doctor` in `catalogue/words/names.toml`.
    subject: &'static str,
    finding: String,
    /// How to mend it.
    remedy: Option<String>,
}

impl Diagnosis {
    fn fine(subject: &'static str, finding: impl Into<String>) -> Self {
        Self { grade: Grade::Fine, subject, finding: finding.into(), remedy: None }
    }

    fn warning(
        subject: &'static str,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (finding, remedy) = (finding.into(), Some(remedy.into()));
        Self { grade: Grade::Warning, subject, finding, remedy }
    }

    fn error(subject: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { grade: Grade::Error, ..Self::warning(subject, finding, remedy) }
    }

    fn print(&self) {
        let named = |group: &str, code: &'static str| {
            let name = find_name(group, code);
            name.map_or(code, |name| if language() == Language::Vi { &name.vi } else { &name.en })
        };
        let grade = match self.grade {
            Grade::Fine => "fine",
            Grade::Warning => "warning",
            Grade::Error => "error",
        };
        let (grade, subject) = (named("grade", grade), named("doctor", self.subject));
        say!("{grade:<8} {subject}: {}", localised(self.finding.clone()));
        if let Some(remedy) = &self.remedy {
            say!("         -> {}", localised(remedy.clone()));
        }
    }
}

/// Examines everything, and prints one line for each observation. Exit code 1 when there are
/// errors.
///
/// # Errors
/// None at present: what cannot be examined is an observation.
pub fn run(installation: Installation, clock: &Clock) -> Result<CommandOutcome, Error> {
    let Installation { listen, database, access, limits, backups } = installation;
    let mut found = files::secrets(&access);
    let secret = access.key_secret_file.clone();
    let signs_on = access.oidc_issuer.is_some();
    let behind_proxy = !access.trusted_proxies.is_empty();
    match serve::settings(&listen, *access, &limits) {
        Ok(settings) => {
            found.push(Diagnosis::fine("settings", "the settings are valid"));
            found.extend(machine::examine(&settings, behind_proxy));
            found.extend(certificate(&settings));
        }
        Err(error) => found.push(Diagnosis::error(
            "settings",
            error.to_string(),
            "correct the flag or the environment variable; docs/settings.md lists them",
        )),
    }
    found.extend(files::ledger(&database));
    found.extend(ledger::examine(&database, secret.as_deref(), signs_on, clock));
    found.extend(files::backups(backups.as_deref()));

    found.iter().for_each(Diagnosis::print);
    let count = |grade: Grade| found.iter().filter(|diagnosis| diagnosis.grade == grade).count();
    let (errors, warnings) = (count(Grade::Error), count(Grade::Warning));
    say!("{}", localised(format!("{errors} error(s), {warnings} warning(s)")));
    Ok(if errors == 0 { CommandOutcome::Done } else { CommandOutcome::Faults })
}

/// Whether certificate and key can be used.
fn certificate(settings: &ServerSettings) -> Option<Diagnosis> {
    let files = settings.tls.as_ref()?;
    Some(match crate::server::check_certificate(files) {
        Ok(()) => Diagnosis::fine("tls", "certificate and key match"),
        Err(error) => Diagnosis::error(
            "tls",
            error.to_string(),
            "give --tls-cert the certificate with its intermediate certificates, and --tls-key \
             its private key, both as PEM",
        ),
    })
}
