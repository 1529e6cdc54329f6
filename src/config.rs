//! The command line and the environment variables. No other module reads them.

use std::path::PathBuf;

use chrono::FixedOffset;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::generate::DatasetSize;
use crate::memory::{SMALLEST_LIMIT, system};
use kpi::period::Period;

/// Records monthly e-government figures of provinces and computes trends, rankings and scorecards
/// from them.
#[derive(Parser, Debug)]
#[command(
    name = "egov-kpi",
    version,
    about,
    after_help = "Start here:\n  egov-kpi demo                                          serve the \
        real figures of October 2021 on this machine\
        \n  egov-kpi serve --database sqlite://egov-kpi.db         serve your own ledger\
        \n  egov-kpi check figures.csv                             report all errors and \
        contradictions, record nothing\n  egov-kpi import figures.csv --database \
        sqlite://egov-kpi.db\n\nExit codes: 0 done, 1 errors in the input or findings, 2 wrong \
        usage, 3 environment error (database, disk, port, newer ledger)."
)]
pub struct Config {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
    /// What to log: error, warn, info, debug, or a filter such as info,egov_kpi=debug.
    #[arg(
        long,
        global = true,
        env = "EGOV_KPI_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// Language of messages, tables and findings. Default: vi for check, demo and dashboards,
    /// otherwise en.
    #[arg(long, global = true)]
    pub lang: Option<Language>,
    /// Format of the log on standard error.
    #[arg(long, global = true, env = "EGOV_KPI_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Time zone of the service, as an offset from UTC. It determines today's date, when a month
    /// begins and when a deadline has passed.
    #[arg(
        long,
        global = true,
        env = "EGOV_KPI_UTC_OFFSET",
        default_value = "+07:00",
        value_name = "+HH:MM",
        allow_hyphen_values = true
    )]
    pub utc_offset: FixedOffset,
}

impl Config {
    /// Reads the command line and the environment; exits with code 2 when they are invalid.
    #[must_use]
    pub fn read() -> Self {
        Self::parse()
    }
}

/// The format of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// The address of the ledger.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Address of the ledger, with its scheme: sqlite://egov-kpi.db (in the current directory),
    /// sqlite:///var/lib/egov-kpi/ledger.db or postgres://user@host/database.
    #[arg(
        id = "ledger",
        long = "database",
        env = "EGOV_KPI_DATABASE",
        default_value = "sqlite://egov-kpi.db",
        value_name = "ADDRESS"
    )]
    pub address: String,
}

/// Checks the form of an address and port, without resolving the name.
fn socket(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("expected an address and a port, such as 127.0.0.1:8080".to_owned()),
    }
}

/// Parses a memory limit, in bytes, and checks that it is large enough.
fn memory(text: &str) -> Result<usize, String> {
    let bytes = system::parse_size(text)?;
    if bytes < SMALLEST_LIMIT {
        Err(format!("must be at least {}MiB", SMALLEST_LIMIT >> 20))
    } else {
        Ok(bytes)
    }
}

/// Where to listen.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// Address and port; port 0 takes a free port.
    #[arg(
        id = "socket",
        long = "listen",
        env = "EGOV_KPI_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR:PORT",
        value_parser = socket
    )]
    pub address: String,
}

/// Authentication, authorization and TLS.
#[derive(Args, Clone, Debug)]
pub struct AccessArgs {
    /// File with the key of an admin: one line of at least 32 characters, such as the output of
    /// `openssl rand -hex 32`. If the content has changed at a start, the new key replaces the old
    /// one.
    #[arg(long, env = "EGOV_KPI_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// File with a secret of at least 32 characters that only the instances have. Keys in the
    /// database are authenticated with it; a key that somebody else wrote into the database is
    /// rejected.
    #[arg(long, env = "EGOV_KPI_KEY_SECRET_FILE", value_name = "FILE")]
    pub key_secret_file: Option<PathBuf>,
    /// Everybody can read figures without a key: API, Prometheus API and pages. Changes still need
    /// a key.
    #[arg(
        long,
        env = "EGOV_KPI_PUBLIC_READS",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    pub public_reads: bool,
    /// Areas that everybody can read without a key: api, prometheus, pages, docs, metrics; or none,
    /// or all.
    #[arg(
        long,
        env = "EGOV_KPI_OPEN",
        default_value = "docs",
        value_name = "LIST",
        value_delimiter = ','
    )]
    pub open: Vec<PublicArea>,
    /// Web sites of other origins that may read in their scripts what is open (CORS), such as
    /// https://dashboard.example; * for all.
    #[arg(long, env = "EGOV_KPI_CORS", value_name = "LIST", value_delimiter = ',')]
    pub cors: Vec<String>,
    /// Addresses or networks of the proxies that are trusted to forward the client's address.
    #[arg(long, env = "EGOV_KPI_TRUSTED_PROXIES", value_name = "LIST", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    /// Header in which these proxies send the address of the client. Other headers are ignored.
    #[arg(
        long,
        env = "EGOV_KPI_FORWARDED_HEADER",
        default_value = "x-forwarded-for",
        value_name = "NAME"
    )]
    pub forwarded_header: ForwardedHeader,
    /// Single sign-on (OpenID Connect): the issuer, exactly as in its tokens.
    #[arg(long, env = "EGOV_KPI_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// Required audience of its tokens.
    #[arg(
        long,
        env = "EGOV_KPI_OIDC_AUDIENCE",
        default_value = "",
        value_name = "NAME",
        requires = "oidc_issuer",
        hide_default_value = true
    )]
    pub oidc_audience: String,
    /// Claim with the roles of a person: its name, or a path with dots such as realm_access.roles.
    #[arg(long, env = "EGOV_KPI_OIDC_ROLE_CLAIM", default_value = "roles", value_name = "CLAIM")]
    pub oidc_role_claim: String,
    /// Mapping from values of that claim to roles, such as kpi-admins=admin,kpi-reporters=reporter.
    #[arg(long, env = "EGOV_KPI_OIDC_ROLES", value_name = "VALUE=ROLE,...", value_delimiter = ',')]
    pub oidc_roles: Vec<String>,
    /// Claim with the code of the unit of a reporter.
    #[arg(long, env = "EGOV_KPI_OIDC_UNIT_CLAIM", default_value = "unit", value_name = "CLAIM")]
    pub oidc_unit_claim: String,
    /// Certificates of the authorities that are trusted for the issuer (PEM). Default: those of the
    /// system.
    #[arg(long, env = "EGOV_KPI_OIDC_CA", value_name = "FILE")]
    pub oidc_ca: Option<PathBuf>,
    /// Single sign-on on the web pages: the identifier of this service as a client of the issuer.
    /// Needs --public-address.
    #[arg(
        long,
        env = "EGOV_KPI_OIDC_CLIENT_ID",
        value_name = "ID",
        requires = "oidc_issuer",
        requires = "public_address"
    )]
    pub oidc_client_id: Option<String>,
    /// File with the secret of a confidential client: one line. A public client has none.
    #[arg(
        long,
        env = "EGOV_KPI_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE",
        requires = "oidc_client_id"
    )]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// Scopes that are asked for when a person signs in on the web pages.
    #[arg(
        long,
        env = "EGOV_KPI_OIDC_SCOPE",
        default_value = "openid profile",
        value_name = "SCOPES"
    )]
    pub oidc_scope: String,
    /// Address of this service for browsers, such as https://kpi.example. The issuer sends browsers
    /// back to this address and /sign-in/oidc/callback.
    #[arg(long, env = "EGOV_KPI_PUBLIC_ADDRESS", value_name = "URL")]
    pub public_address: Option<String>,
    /// TLS: the certificate with its intermediate certificates (PEM). Both TLS files may be
    /// replaced while the service runs.
    #[arg(long, env = "EGOV_KPI_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// TLS: the private key of the certificate (PEM).
    #[arg(long, env = "EGOV_KPI_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// Limits that can be set; docs/limits.md lists all limits.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Requests per second of the holder of a key or token: N, N/s or off. With off, the limits by
    /// address and of failed sign-ins are off too.
    #[arg(long, env = "EGOV_KPI_RATE_LIMIT", default_value = "5000/s", value_name = "N/s|off")]
    pub rate_limit: String,
    /// Requests per second of an address without a key: N, N/s or off.
    #[arg(
        long,
        env = "EGOV_KPI_RATE_LIMIT_ADDRESS",
        default_value = "500/s",
        value_name = "N/s|off"
    )]
    pub rate_limit_address: String,
    /// Maximum memory of the service, such as 512MiB or 2GiB; at least 192MiB. Default: half of the
    /// memory of the machine, or of the limit of its container or systemd unit.
    #[arg(long, env = "EGOV_KPI_MEMORY", value_name = "SIZE", value_parser = memory)]
    pub memory: Option<usize>,
    /// Maximum number of open connections; lower if the process may not open as many files.
    #[arg(
        long,
        env = "EGOV_KPI_CONNECTIONS",
        default_value_t = 20_000,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(10..=1_000_000)
    )]
    pub connections: u32,
    /// Maximum number of open connections of one address, except trusted proxies.
    #[arg(
        long,
        env = "EGOV_KPI_CONNECTIONS_ADDRESS",
        default_value_t = 2_000,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(10..=1_000_000)
    )]
    pub connections_address: u32,
}

/// Areas that can be read without a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PublicArea {
    /// Reads below /api/v1.
    Api,
    /// /prometheus and /metrics/figures.
    Prometheus,
    /// The web pages.
    Pages,
    /// /docs and /openapi.json.
    Docs,
    /// /metrics.
    Metrics,
    /// Nothing.
    None,
    /// All of these.
    All,
}

/// The header of trusted proxies with the address of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ForwardedHeader {
    /// X-Forwarded-For.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve API, pages and metrics over a ledger. An empty ledger gets the shipped catalogue and
    /// units.
    Serve {
        /// Where to listen.
        #[command(flatten)]
        listen: ListenArgs,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Number of threads for requests. Default: the number of cores.
        #[arg(
            long,
            env = "EGOV_KPI_WORKERS",
            value_name = "N",
            value_parser = clap::value_parser!(u16).range(1..=256)
        )]
        workers: Option<u16>,
        /// Maximum number of series of /metrics/figures; with more it responds with an error.
        #[arg(
            long,
            env = "EGOV_KPI_SCRAPE_SERIES",
            default_value_t = 20_000,
            value_name = "N",
            value_parser = clap::value_parser!(u32).range(1..=1_000_000)
        )]
        scrape_series: u32,
        /// Append a line with revision, hash and time to this file after each revision, in the
        /// format of `witness`. Copy the file to another machine.
        #[arg(long, env = "EGOV_KPI_WITNESS_FILE", value_name = "FILE")]
        witness_file: Option<PathBuf>,
        /// The folder of `backup --keep`; /metrics tells when the newest backup there was written.
        #[arg(long, env = "EGOV_KPI_BACKUPS", value_name = "FOLDER")]
        backups: Option<PathBuf>,
        /// Authentication, authorization and TLS.
        #[command(flatten)]
        access: Box<AccessArgs>,
        /// Limits.
        #[command(flatten)]
        limits: LimitArgs,
    },
    /// Show the service with the real figures of October 2021 and a sample province, in a temporary
    /// ledger.
    #[command(
        after_help = "The ledger is deleted when the demo ends. Invented figures only belong to \
            the unit `sample` and the units below it."
    )]
    Demo {
        /// Where to listen.
        #[command(flatten)]
        listen: ListenArgs,
        /// Print the table and exit.
        #[arg(long)]
        no_serve: bool,
    },
    /// Record files in the given order: figures as CSV or JSON, reports, Excel files, units as JSON
    /// ({"units": [...]}); or a whole ledger written by `export`.
    #[command(
        after_help = "A file of up to 50,000 figures is one submission: recorded whole or not at \
            all. A larger one becomes consecutive submissions with one reference; if it stops at \
            an error, correct the file and run the same command again with the --from-line that it \
            prints. Figures that are recorded already count as unchanged and record nothing.\n\n\
            A ZIP written by `export` is imported alone, into an empty ledger of either database; \
            revisions, times and hashes stay the same. If the import is interrupted, run the same \
            command again."
    )]
    Import {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// The sender's name for the submission. Default: the name of the file.
        #[arg(long)]
        reference: Option<String>,
        /// Reason of the change; kept in the history of each figure.
        #[arg(long)]
        reason: Option<String>,
        /// Skip the lines of the file before this one, except the header. For a single file.
        #[arg(long, value_name = "LINE")]
        from_line: Option<u64>,
        /// Unit and period of a report.
        #[command(flatten)]
        of: ReportTarget,
    },
    /// Write the whole ledger into a ZIP of CSV files and JSON, in the same form from every
    /// database; `import` reads it.
    #[command(after_help = "egov-kpi export ledger.zip --database sqlite://egov-kpi.db\n\
        egov-kpi import ledger.zip --database postgres://user@host/database\n\n\
        This also works while the ledger is served. docs/archive.md describes both files.")]
    Export {
        /// The file, which must not exist yet. Default: standard output.
        file: Option<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Instead: all values of all units and months with coverage and changes, as one CSV for
        /// analysts with a description (Frictionless Data Package).
        #[arg(long)]
        tidy: bool,
        /// Instead: the history of every measure as OpenMetrics, for
        /// `promtool tsdb create-blocks-from openmetrics`.
        #[arg(long, conflicts_with = "tidy")]
        openmetrics: bool,
    },
    /// Report all errors and findings of files and record nothing. Exit code 1 when there are any.
    Check {
        /// The files: figures as CSV or JSON, units as JSON, Excel files, reports as .txt, .md,
        /// .docx or .pdf.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Check against this ledger. Default: the shipped catalogue and units, without figures.
        #[arg(long, value_name = "ADDRESS")]
        database: Option<String>,
        /// Unit and period of a report.
        #[command(flatten)]
        of: ReportTarget,
        /// For reports: print the pattern and the sentence of each number.
        #[arg(long)]
        explain: bool,
        /// Test changes of the catalogue: the entries of these TOML or JSON files replace or extend
        /// it, as `catalogue add` does.
        #[arg(long, value_name = "FILE", num_args = 1..)]
        catalogue: Vec<PathBuf>,
    },
    /// Write invented figures as CSV to standard output, for tests and benchmarks.
    #[command(after_help = "egov-kpi generate --size 2x10 --units units.json > figures.csv\n\
        egov-kpi import units.json figures.csv --database sqlite://trial.db")]
    Generate {
        /// province (1x180), country (63x180) or PROVINCESxUNITS.
        #[arg(
            long,
            default_value = "province",
            value_parser = |text: &str| {
                text.parse::<DatasetSize>().map_err(|error| error.to_string())
            }
        )]
        size: DatasetSize,
        /// Seed of the figures; the same seed gives the same figures.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Write the units of the figures into this file, for `import`.
        #[arg(long, value_name = "FILE")]
        units: Option<PathBuf>,
    },
    /// Compare the ledger's catalogue with files or the shipped one, or replace it.
    Catalogue {
        /// The action.
        #[command(subcommand)]
        action: CatalogueAction,
    },
    /// Read units from files, or write them into one.
    Units {
        /// The action.
        #[command(subcommand)]
        action: UnitsAction,
    },
    /// List, close and reopen months.
    Periods {
        /// The action.
        #[command(subcommand)]
        action: PeriodsAction,
    },
    /// Write a copy of the whole ledger into a new file; this also works while the ledger is
    /// served.
    #[command(
        after_help = "egov-kpi backup ledger-2026-11-30.db --database sqlite://egov-kpi.db\n\
                      egov-kpi backup /srv/backups --keep 30 --database sqlite://egov-kpi.db"
    )]
    Backup {
        /// The file, which must not exist yet; with --keep a folder.
        file: PathBuf,
        /// Write a file with the time in its name into the folder, and delete all but the newest N
        /// such files there. With PostgreSQL the backup is an archive as `export` writes it.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        keep: Option<u32>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Check the whole ledger to detect tampering and corruption: hash chain, counts of receipts,
    /// and figures. Exit code 1 when anything differs from what was recorded.
    Verify {
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// An earlier hash of this ledger (from `GET /api/v1/ledger`), stored elsewhere; it must
        /// still be in the hash chain.
        #[arg(long, value_name = "HASH")]
        hash: Option<String>,
        /// File with the secret that authenticates keys; keys that do not match it are reported.
        #[arg(long, env = "EGOV_KPI_KEY_SECRET_FILE", value_name = "FILE")]
        key_secret_file: Option<PathBuf>,
    },
    /// Restore a backup into a temporary ledger and check it. Exit code 1 when the backup is
    /// damaged, too old or of another ledger.
    #[command(
        after_help = "egov-kpi drill /srv/backups --max-age 26 --database sqlite://egov-kpi.db"
    )]
    Drill {
        /// The file of `backup` or `export`, or a folder of `backup --keep`, of which the newest is
        /// taken.
        backup: PathBuf,
        /// Compare the backup with this ledger: it must have the backup's newest revision.
        #[arg(long, env = "EGOV_KPI_DATABASE", value_name = "ADDRESS")]
        database: Option<String>,
        /// Fail when the backup is older than this number of hours.
        #[arg(long, value_name = "HOURS")]
        max_age: Option<u32>,
    },
    /// Examine this installation and say how to mend what is wrong: settings, files, port, disk,
    /// clock, ledger, keys, units, months, backups. Takes the settings of `serve` and changes
    /// nothing.
    Doctor {
        /// Where the service listens.
        #[command(flatten)]
        listen: ListenArgs,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Authentication, authorization and TLS.
        #[command(flatten)]
        access: Box<AccessArgs>,
        /// Limits.
        #[command(flatten)]
        limits: LimitArgs,
        /// The folder of `backup --keep`.
        #[arg(long, env = "EGOV_KPI_BACKUPS", value_name = "FOLDER")]
        backups: Option<PathBuf>,
    },
    /// Print revision, hash and time of the newest revision in one line, to store elsewhere; or
    /// check the ledger against such a line. Exit code 1 when they differ.
    #[command(after_help = "egov-kpi witness --database sqlite://egov-kpi.db >> witness.txt\n\
        egov-kpi witness --database sqlite://egov-kpi.db --check \"$(tail -1 witness.txt)\"")]
    Witness {
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// A line printed earlier; `-` reads it from standard input.
        #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
        check: Option<String>,
    },
    /// Manage API keys. This also works while the ledger is served; the service applies changes
    /// within a second.
    Keys {
        /// File with the secret that authenticates keys; the same as for `serve`.
        #[arg(long, env = "EGOV_KPI_KEY_SECRET_FILE", value_name = "FILE", global = true)]
        key_secret_file: Option<PathBuf>,
        /// The action.
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Write Grafana's dashboards into a folder, for its provisioning.
    #[command(after_help = "egov-kpi dashboards --lang en --prometheus-uid egov-kpi --folder \
        /var/lib/grafana/dashboards/egov-kpi")]
    Dashboards {
        /// Identifier (uid) in Grafana of the Prometheus data source with the address
        /// http://HOST:8080/prometheus.
        #[arg(long, default_value = "egov-kpi", value_name = "UID")]
        prometheus_uid: String,
        /// Also write egov-infinity, which needs the Infinity plugin.
        #[arg(long)]
        infinity: bool,
        /// The folder; files with the names of dashboards are replaced.
        #[arg(long, value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Print the OpenAPI document of this build.
    Openapi,
    /// Print completions of commands and options for a shell.
    #[command(after_help = "egov-kpi completions bash > /etc/bash_completion.d/egov-kpi\n\
            egov-kpi completions zsh > /usr/local/share/zsh/site-functions/_egov-kpi\n\
            egov-kpi completions fish > /etc/fish/completions/egov-kpi.fish\n\n\
            The Debian package and the archive of a release contain them.")]
    Completions {
        /// The shell.
        shell: CompletionShell,
    },
    /// Write a man page for each command into a folder.
    #[command(after_help = "egov-kpi man /usr/local/share/man/man1\n\nThe Debian package and the \
            archive of a release contain them.")]
    Man {
        /// The folder; files with the names of the pages are replaced.
        folder: PathBuf,
    },
}

/// The shells with completions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum CompletionShell {
    /// Bash, with the package bash-completion.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
}

/// Unit and period of a report or Excel file that does not name them.
#[derive(Args, Clone, Debug)]
pub struct ReportTarget {
    /// For reports and Excel files: the reporting unit.
    #[arg(long, value_name = "CODE")]
    pub unit: Option<String>,
    /// For reports and Excel files: the reported period, such as 2021-10 or, for reports, 2021-Q3.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<Period>,
    /// For reports: the start of each figure to record although it is not certain, as `check` shows
    /// it, separated by commas.
    #[arg(long, value_name = "START", value_delimiter = ',')]
    pub accept: Vec<usize>,
}

/// Actions on the catalogue.
#[derive(Subcommand, Debug)]
pub enum CatalogueAction {
    /// List what files (or the shipped catalogue) would add (+), remove (-) and change (~).
    Diff {
        /// TOML or JSON files of a catalogue. Default: the shipped catalogue.
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Add the entries of files (or of the shipped catalogue) to the ledger's catalogue, each at
    /// the end of its section or in place of the entry with its code. Other entries remain.
    Add {
        /// TOML or JSON files with entries of a catalogue. Default: the shipped catalogue.
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Check the catalogue and record nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Replace the ledger's catalogue by files (or the shipped catalogue); the ledger keeps every
    /// earlier version. Lists what changes; entries that the files lack are removed only with
    /// --replace.
    Apply {
        /// TOML or JSON files of a whole catalogue. Default: the shipped catalogue.
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Check the catalogue and record nothing.
        #[arg(long)]
        dry_run: bool,
        /// Remove the entries that the files lack.
        #[arg(long)]
        replace: bool,
    },
    /// List the versions of the ledger's catalogue: revision, time, sender and reason.
    History {
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Make an earlier version of the catalogue the current one again, as a new version.
    Restore {
        /// The earlier version.
        version: i64,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Check the catalogue and record nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Actions on units.
#[derive(Subcommand, Debug)]
pub enum UnitsAction {
    /// Add or replace the units of files (CSV, XLSX or JSON, as `GET /units` and `units export`
    /// write them); other units stay as they are.
    Import {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
        /// Check the units and record nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write all units into a file, by its name as .csv, .xlsx or .json.
    Export {
        /// The file, which is replaced. Default: CSV on standard output.
        file: Option<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Actions on months.
#[derive(Subcommand, Debug)]
pub enum PeriodsAction {
    /// List the closed months.
    List {
        /// List every closing and reopening.
        #[arg(long)]
        history: bool,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Close a month, or all months of a wider period: their figures then change only with a
    /// reason.
    Close {
        /// The period, such as 2021-10 or 2021-Q3.
        period: Period,
        /// Reason of the closing; needed unless --force is given.
        #[arg(long)]
        reason: Option<String>,
        /// Close without a reason, the current month, and while reports are missing.
        #[arg(long)]
        force: bool,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Reopen a month, or all months of a wider period.
    Reopen {
        /// The period, such as 2021-10 or 2021-Q3.
        period: Period,
        /// Reason of the reopening.
        #[arg(long)]
        reason: Option<String>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Actions on API keys.
#[derive(Subcommand, Debug)]
pub enum KeysAction {
    /// Create a key and print it alone on standard output. It is not stored and cannot be shown
    /// again.
    #[command(
        after_help = "umask 077; egov-kpi keys add --name 'Quản trị' --role admin > admin.key\n\
            egov-kpi keys add --name 'Finance system' --role reporter --unit tv.dof --expires 365d"
    )]
    Add {
        /// Name of the holder, for people; the ledger records it with every change made with the
        /// key.
        #[arg(long)]
        name: String,
        /// reader; reporter (records figures of a unit and those below it); steward (also figures
        /// of every unit, units, catalogue, closed months); admin (also keys and audit log).
        #[arg(long, value_parser = ["reader", "reporter", "steward", "admin"])]
        role: String,
        /// The unit of a reporter.
        #[arg(long, value_name = "CODE")]
        unit: Option<String>,
        /// When the key expires: a day (at its end), a time, or a number of days such as 90d.
        /// Default: never.
        #[arg(long, value_name = "DAY|DAYS")]
        expires: Option<String>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// List all keys with state and last use, without their secrets.
    List {
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Authenticate all keys in the ledger with the secret of the instances. Run it once, when the
    /// secret is introduced, after checking `keys list`.
    Authenticate {
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Revoke a key; within a second every instance rejects it.
    Revoke {
        /// Identifier of the key: its part between the first and the second underscore.
        id: String,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Replace a key: create a new one and print it alone on standard output; the old key stays
    /// valid for some days.
    Rotate {
        /// Identifier of the old key.
        id: String,
        /// Number of days for which the old key stays valid.
        #[arg(long, default_value = "7d", value_name = "DAYS")]
        overlap: String,
        /// When the new key expires. Default: the expiry of the old key.
        #[arg(long, value_name = "DAY|DAYS")]
        expires: Option<String>,
        /// The ledger.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// The languages of the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Language {
    /// Vietnamese.
    Vi,
    /// English.
    En,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_definition_is_valid() {
        super::Config::command().debug_assert();
    }
}
