//! The only reader of flags and environment.

use std::path::PathBuf;

use chrono::FixedOffset;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::period::Period;
use crate::generate::Size;

/// Turns a province's monthly e-government figures into trends people can trust.
#[derive(Parser, Debug)]
#[command(
    name = "egov-kpi",
    version,
    about,
    after_help = "Start here:\n  egov-kpi demo                                          the real figures of October 2021, served on this machine\n  egov-kpi serve --database sqlite://egov-kpi.db         a ledger of your own\n  egov-kpi check figures.csv                             every fault and contradiction, nothing recorded\n  egov-kpi import figures.csv --database sqlite://egov-kpi.db\n\nExit codes: 0 done, 1 the input or the figures have faults, 2 wrong usage, 3 the surroundings failed (database, disk, port, a newer schema)."
)]
pub struct Config {
    /// What to do.
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
    /// How to log on standard error.
    #[arg(long, global = true, env = "EGOV_KPI_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Where the service's days begin and end, as an offset from UTC: which day is today, when a month has begun, when a deadline has passed.
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
    /// Reads the command line and the environment; ends the program with exit code 2 when they are wrong.
    #[must_use]
    pub fn read() -> Self {
        Self::parse()
    }
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where the ledger is.
#[derive(Args, Clone, Debug)]
pub struct Database {
    /// Address of the ledger, with its scheme: sqlite://egov-kpi.db (beside you), sqlite:///var/lib/egov-kpi/ledger.db or postgres://user@host/database.
    #[arg(
        id = "ledger",
        long = "database",
        env = "EGOV_KPI_DATABASE",
        default_value = "sqlite://egov-kpi.db",
        value_name = "ADDRESS"
    )]
    pub address: String,
}

/// An address and port as far as it can be told without asking the network.
fn socket(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("an address and a port are expected, such as 127.0.0.1:8080".to_owned()),
    }
}

/// Where to listen.
#[derive(Args, Clone, Debug)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    #[arg(id = "socket", long = "listen", env = "EGOV_KPI_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR:PORT", value_parser = socket)]
    pub address: String,
}

/// Who may call what, and how others are kept from listening in.
#[derive(Args, Clone, Debug)]
pub struct Access {
    /// A file with an admin's key: one line of at least 32 characters, such as `openssl rand -hex 32` prints. Another content is another key from the next start on.
    #[arg(long, env = "EGOV_KPI_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,
    /// Figures are read by everybody, without a key: the API, Prometheus' view of them, the pages. Writing takes a key all the same.
    #[arg(long, env = "EGOV_KPI_PUBLIC_READS", value_parser = clap::builder::FalseyValueParser::new())]
    pub public_reads: bool,
    /// What is read without a key, though there are some: api, prometheus, pages, docs, metrics; or none, or all.
    #[arg(
        long,
        env = "EGOV_KPI_OPEN",
        default_value = "docs",
        value_name = "LIST",
        value_delimiter = ','
    )]
    pub open: Vec<Open>,
    /// Proxies in front of the service, as addresses or networks: the address that a request comes from is taken from their header.
    #[arg(long, env = "EGOV_KPI_TRUSTED_PROXIES", value_name = "LIST", value_delimiter = ',')]
    pub trusted_proxies: Vec<String>,
    /// The header by which they say it. Only this one is read.
    #[arg(
        long,
        env = "EGOV_KPI_FORWARDED_HEADER",
        default_value = "x-forwarded-for",
        value_name = "NAME"
    )]
    pub forwarded_header: ForwardedHeader,
    /// Single sign-on (OpenID Connect): the issuer, as it calls itself.
    #[arg(long, env = "EGOV_KPI_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// The audience that its tokens have to be for.
    #[arg(
        long,
        env = "EGOV_KPI_OIDC_AUDIENCE",
        default_value = "",
        value_name = "NAME",
        requires = "oidc_issuer",
        hide_default_value = true
    )]
    pub oidc_audience: String,
    /// The claim with a person's roles: its name, or a path with dots such as realm_access.roles.
    #[arg(long, env = "EGOV_KPI_OIDC_ROLE_CLAIM", default_value = "roles", value_name = "CLAIM")]
    pub oidc_role_claim: String,
    /// Which value of that claim is which role here, such as kpi-admins=admin,kpi-reporters=reporter.
    #[arg(long, env = "EGOV_KPI_OIDC_ROLES", value_name = "VALUE=ROLE,...", value_delimiter = ',')]
    pub oidc_roles: Vec<String>,
    /// The claim with the code of a reporter's unit.
    #[arg(long, env = "EGOV_KPI_OIDC_UNIT_CLAIM", default_value = "unit", value_name = "CLAIM")]
    pub oidc_unit_claim: String,
    /// Certificates of the authorities that the issuer's certificate is checked against (PEM); the system's when absent.
    #[arg(long, env = "EGOV_KPI_OIDC_CA", value_name = "FILE")]
    pub oidc_ca: Option<PathBuf>,
    /// TLS: the certificate and those between it and a trusted one (PEM). Both files may be replaced while the service runs.
    #[arg(long, env = "EGOV_KPI_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// TLS: the certificate's key (PEM).
    #[arg(long, env = "EGOV_KPI_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// What anybody may cost the service; docs/limits.md has the bounds that cannot be set, too.
#[derive(Args, Clone, Debug)]
pub struct Limits {
    /// Requests a second of the holder of a key or token: N, N/s or off. Off is off for addresses and failed sign-ins, too.
    #[arg(long, env = "EGOV_KPI_RATE_LIMIT", default_value = "5000/s", value_name = "N/s|off")]
    pub rate_limit: String,
    /// Requests a second of an address without a key: N, N/s or off.
    #[arg(
        long,
        env = "EGOV_KPI_RATE_LIMIT_ADDRESS",
        default_value = "500/s",
        value_name = "N/s|off"
    )]
    pub rate_limit_address: String,
    /// Most connections at once; fewer when not so many files may be open.
    #[arg(long, env = "EGOV_KPI_CONNECTIONS", default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub connections: u32,
    /// Most connections of one address at once, trusted proxies aside.
    #[arg(long, env = "EGOV_KPI_CONNECTIONS_ADDRESS", default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    pub connections_address: u32,
}

/// What can be read without a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Open {
    /// Reading under /api/v1.
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

/// How proxies say where a request comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum ForwardedHeader {
    /// X-Forwarded-For.
    XForwardedFor,
    /// Forwarded (RFC 7239).
    Forwarded,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the API, pages and metrics over a ledger; an empty one is seeded with the shipped catalogue and units.
    Serve {
        /// Where to listen.
        #[command(flatten)]
        listen: Listen,
        /// The ledger.
        #[command(flatten)]
        database: Database,
        /// Threads that answer requests; as many as there are cores when absent.
        #[arg(long, env = "EGOV_KPI_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        workers: Option<u16>,
        /// Most series at /metrics/figures; with more it answers an error that says so.
        #[arg(long, env = "EGOV_KPI_SCRAPE_SERIES", default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        scrape_series: u32,
        /// Who may call what.
        #[command(flatten)]
        access: Box<Access>,
        /// What anybody may cost it.
        #[command(flatten)]
        limits: Limits,
    },
    /// Show what it does: the real figures of October 2021 and a sample province, in a temporary ledger.
    #[command(
        after_help = "The ledger is gone when the demo ends. Invented figures stand only under the unit `sample`."
    )]
    Demo {
        /// Where to listen.
        #[command(flatten)]
        listen: Listen,
        /// Print the table and end.
        #[arg(long)]
        no_serve: bool,
        /// Language of the table.
        #[arg(long, default_value = "vi")]
        lang: Language,
    },
    /// Record files: figures as CSV or JSON, units as JSON ({"units": [...]}), in the order given; or a whole ledger that `export` wrote.
    #[command(
        after_help = "A file of up to 50,000 figures is one submission: recorded whole or not at all. A larger one becomes consecutive submissions with one reference; if it breaks off, fix the file and run the same command again with the --from-line it names. Figures that stand already are counted as unchanged and record nothing.\n\nA ZIP that `export` wrote is imported alone, into an empty ledger of either database: revisions, times and hashes are the same then. If it breaks off, run the same command again."
    )]
    Import {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
        /// The sender's name for it; the file's name when absent.
        #[arg(long)]
        reference: Option<String>,
        /// Why; kept with every figure's history.
        #[arg(long)]
        reason: Option<String>,
        /// Pass over the lines of the (one) file before this one, the header aside.
        #[arg(long, value_name = "LINE")]
        from_line: Option<u64>,
        /// What a report is of.
        #[command(flatten)]
        of: ReportOf,
    },
    /// Write the whole ledger into a ZIP of CSV files and a JSON, the same from every database; `import` reads it.
    #[command(
        after_help = "egov-kpi export ledger.zip --database sqlite://egov-kpi.db\negov-kpi import ledger.zip --database postgres://user@host/database\n\nAlso while the ledger is being served. docs/archive.md describes both files."
    )]
    Export {
        /// The file, which must not exist yet; standard output when absent.
        file: Option<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
        /// Instead: every value of every unit and month with its coverage and changes, as one CSV for analysts with its description (Frictionless Data Package).
        #[arg(long)]
        tidy: bool,
        /// Instead: the history of every measure as OpenMetrics, for `promtool tsdb create-blocks-from openmetrics`.
        #[arg(long, conflicts_with = "tidy")]
        openmetrics: bool,
    },
    /// Read files and name every fault and contradiction; nothing is recorded. Exit code 1 when there are any.
    Check {
        /// The files: figures as CSV or JSON, units as JSON, reports as .txt, .md, .docx or .pdf.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Check against this ledger instead of the shipped catalogue and units alone.
        #[arg(long, value_name = "ADDRESS")]
        database: Option<String>,
        /// Language of the findings.
        #[arg(long, default_value = "vi")]
        lang: Language,
        /// What a report is of.
        #[command(flatten)]
        of: ReportOf,
        /// Of a report: print the pattern and the sentence of each number.
        #[arg(long)]
        explain: bool,
        /// Try the entries of these TOML or JSON files over the catalogue (or, if they declare systems and indicators, in its place).
        #[arg(long, value_name = "FILE", num_args = 1..)]
        catalogue: Vec<PathBuf>,
    },
    /// Write invented figures as CSV to standard output, for trials and benchmarks.
    #[command(
        after_help = "egov-kpi generate --size 2x10 --units units.json > figures.csv\negov-kpi import units.json figures.csv --database sqlite://trial.db"
    )]
    Generate {
        /// province (1x180), country (63x180) or PROVINCESxUNITS.
        #[arg(long, default_value = "province", value_parser = |text: &str| text.parse::<Size>().map_err(|error| error.to_string()))]
        size: Size,
        /// The same seed gives the same figures.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Write the units that the figures are of into this file, for `import`.
        #[arg(long, value_name = "FILE")]
        units: Option<PathBuf>,
    },
    /// Compare the shipped catalogue with the ledger's, or put one in its place.
    Catalogue {
        /// Which.
        #[command(subcommand)]
        action: CatalogueAction,
    },
    /// Write a whole copy of the ledger into a new file, also while it is being served.
    Backup {
        /// The file, which must not exist yet.
        file: PathBuf,
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
    /// Check a whole ledger: the hash chain over its revisions, each receipt's counts, and the cube rebuilt from it. Exit code 1 when a row is not as it was written.
    Verify {
        /// The ledger.
        #[command(flatten)]
        database: Database,
        /// A hash that this ledger once had (`GET /api/v1/ledger`), written down elsewhere: it has to be in the chain still.
        #[arg(long, value_name = "HASH")]
        hash: Option<String>,
    },
    /// Keys: who may read, report, keep and administer. Also while the ledger is being served, which notices within a second.
    Keys {
        /// Which.
        #[command(subcommand)]
        action: KeysAction,
    },
    /// Print the OpenAPI document of this build.
    Openapi,
}

/// What a report is of, where its head does not say so.
#[derive(Args, Clone, Debug)]
pub struct ReportOf {
    /// Of a report: the unit that reports.
    #[arg(long, value_name = "CODE")]
    pub unit: Option<String>,
    /// Of a report: the period that is reported on, such as 2021-10 or 2021-Q3.
    #[arg(long, value_name = "PERIOD")]
    pub period: Option<Period>,
}

/// What to do with the catalogue.
#[derive(Subcommand, Debug)]
pub enum CatalogueAction {
    /// List what files (or the shipped catalogue) would add (+), drop (-) and change (~).
    Diff {
        /// TOML or JSON files that make up a catalogue; the shipped one when absent.
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
    /// Put files (or the shipped catalogue) in the place of the ledger's catalogue, which is kept as an earlier version.
    Apply {
        /// TOML or JSON files that make up a catalogue; the shipped one when absent.
        files: Vec<PathBuf>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
        /// Check only.
        #[arg(long)]
        dry_run: bool,
    },
}

/// What to do with keys.
#[derive(Subcommand, Debug)]
pub enum KeysAction {
    /// Make a key, and print it alone on standard output. It is not kept and never shown again.
    #[command(
        after_help = "umask 077; egov-kpi keys add --name 'Nguyen An' --role admin > admin.key\negov-kpi keys add --name 'Finance system' --role reporter --unit tv.dof --expires 365d"
    )]
    Add {
        /// Whose it is, for people; the ledger names it with everything that is done by the key.
        #[arg(long)]
        name: String,
        /// reader, reporter (figures of a unit and those below), steward (figures of every unit, units, catalogue, closing) or admin (keys, audit).
        #[arg(long, value_parser = ["reader", "reporter", "steward", "admin"])]
        role: String,
        /// The unit that a reporter reports for.
        #[arg(long, value_name = "CODE")]
        unit: Option<String>,
        /// When it ends: a day (its end), a time, or a number of days such as 90d; never when absent.
        #[arg(long, value_name = "DAY|DAYS")]
        expires: Option<String>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
    /// List every key with its state and last use; never the keys themselves.
    List {
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
    /// Revoke a key: within a second it is of no use on any instance.
    Revoke {
        /// Its identifier: what stands between the first and the second underscore of the key.
        id: String,
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
    /// Make a key in the place of another, and print it alone on standard output; the old one lives on for a while.
    Rotate {
        /// Its identifier.
        id: String,
        /// For how many days the old key lives on.
        #[arg(long, default_value = "7d", value_name = "DAYS")]
        overlap: String,
        /// When the new key ends; when absent, it lives as long as the old one was to live.
        #[arg(long, value_name = "DAY|DAYS")]
        expires: Option<String>,
        /// The ledger.
        #[command(flatten)]
        database: Database,
    },
}

/// The two languages of the service.
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
    fn the_command_line_is_sound() {
        super::Config::command().debug_assert();
    }
}
