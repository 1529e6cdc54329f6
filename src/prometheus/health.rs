//! The service's own metrics at `/metrics`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::app::App;
use crate::app::RevisionNumber;
use crate::app::upkeep::UpkeepStatus;
use crate::clock::{Clock, TimestampMicros};
use crate::logging::dropped_lines;
use crate::memory::MemoryUsage;
use kpi::number::float;

/// Upper limits of the buckets of the latency histogram, in seconds.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// HTTP methods that appear as a label; all others are counted as `OTHER`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// The reasons of `egov_kpi_refused_total`; `docs/limits.md` names the limit of each.
pub const BOUNDS: [&str; 23] = [
    "rate_key",
    "rate_address",
    "rate_sign_in",
    "connections",
    "url",
    "headers",
    "header_bytes",
    "parameters",
    "body",
    "body_time",
    "values",
    "batch",
    "entries",
    "span",
    "page",
    "turn",
    "past",
    "memory",
    "writer",
    "promql_turn",
    "promql_time",
    "promql_size",
    "scrape",
];

/// State of the clocks.
struct ClockMetrics {
    offset: prometheus::Gauge,
    ahead: prometheus::Gauge,
    jumps: IntCounter,
}

impl ClockMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let offset = prometheus::Gauge::new(
            "egov_kpi_clock_offset_seconds",
            "This machine's clock minus the database server's, which dates the changes; 0 with \
             SQLite, where this machine's clock dates them.",
        )?;
        let ahead = prometheus::Gauge::new(
            "egov_kpi_ledger_ahead_seconds",
            "How far in the future the newest revision is dated; 0 when it is not.",
        )?;
        let jumps = IntCounter::new(
            "egov_kpi_clock_jumps_total",
            "Jumps of the clock that dates the changes; after a jump its time is not used.",
        )?;
        registry.register(Box::new(offset.clone()))?;
        registry.register(Box::new(ahead.clone()))?;
        registry.register(Box::new(jumps.clone()))?;
        Ok(Self { offset, ahead, jumps })
    }

    fn update(&self, clock: &Clock, newest: TimestampMicros) {
        self.offset.set(float(clock.offset()) / 1e6);
        self.ahead.set(float(clock.ahead(newest)) / 1e6);
        self.jumps.inc_by(clock.jumps().saturating_sub(self.jumps.get()));
    }
}

/// What an admin keeps up. A metric without a value is absent.
struct UpkeepMetrics {
    disk_free: IntGaugeVec,
    backup_at: IntGaugeVec,
    witnessed: IntGaugeVec,
    key_ends_at: IntGaugeVec,
}

impl UpkeepMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &[])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            disk_free: gauge(
                "egov_kpi_disk_free_bytes",
                "Free bytes on the disk of a SQLite ledger; looked at once a minute.",
            )?,
            backup_at: gauge(
                "egov_kpi_backup_timestamp_seconds",
                "When the newest backup in the folder --backups was begun; 0 for an empty folder.",
            )?,
            witnessed: gauge(
                "egov_kpi_witness_revision",
                "Revision of the last line in the witness file; 0 for an empty file.",
            )?,
            key_ends_at: gauge(
                "egov_kpi_key_expiry_timestamp_seconds",
                "When the next of the active keys ends.",
            )?,
        })
    }

    fn set(&self, found: UpkeepStatus) {
        let free = found.disk_free.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        for (metric, value) in [
            (&self.disk_free, free),
            (&self.backup_at, found.backup_at),
            (&self.witnessed, found.witnessed.map(RevisionNumber::get)),
            (&self.key_ends_at, found.key_ends_at),
        ] {
            match value {
                Some(value) => metric.with_label_values::<&str>(&[]).set(value),
                None => metric.reset(),
            }
        }
    }
}

/// The service's own metrics.
pub struct ServiceMetrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    recorded: IntCounterVec,
    refused: IntCounterVec,
    bounded: IntCounterVec,
    connections: IntGauge,
    memory: MemoryMetrics,
    upkeep: UpkeepMetrics,
    figures: IntGauge,
    units: IntGauge,
    findings: IntGauge,
    revision: IntGauge,
    cube_bytes: IntGauge,
    last_write: prometheus::Gauge,
    clocks: ClockMetrics,
    ready: IntGauge,
    history_changes: IntCounter,
    lost_revisions: IntCounter,
}

/// Metrics of the memory budget and the log.
struct MemoryMetrics {
    bytes: IntGaugeVec,
    limit: IntGauge,
    pool: IntGauge,
    highest: IntGauge,
    waiting: IntGauge,
    refused: IntCounter,
    dropped_lines: IntCounter,
}

impl MemoryMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let found = Self {
            bytes: IntGaugeVec::new(
                Opts::new("egov_kpi_memory_bytes", "Bytes of the memory pool in use, by purpose."),
                &["kind"],
            )?,
            limit: IntGauge::new("egov_kpi_memory_limit_bytes", "The memory limit (--memory).")?,
            pool: IntGauge::new(
                "egov_kpi_memory_pool_bytes",
                "Bytes that all requests together can take: the limit minus the program and the \
                 current figures.",
            )?,
            highest: IntGauge::new(
                "egov_kpi_memory_highest_bytes",
                "The most bytes of the memory pool that were in use at one time.",
            )?,
            waiting: IntGauge::new("egov_kpi_memory_waiting", "Requests that wait for memory.")?,
            refused: IntCounter::new(
                "egov_kpi_memory_refused_total",
                "Requests for memory that was not available in time.",
            )?,
            dropped_lines: IntCounter::new(
                "egov_kpi_log_lines_dropped_total",
                "Log lines dropped because there were too many or they could not be written.",
            )?,
        };
        registry.register(Box::new(found.bytes.clone()))?;
        for gauge in [&found.limit, &found.pool, &found.highest, &found.waiting] {
            registry.register(Box::new(gauge.clone()))?;
        }
        for counter in [&found.refused, &found.dropped_lines] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(found)
    }

    fn set(&self, usage: &MemoryUsage) {
        let number = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        usage.by_kind.iter().for_each(|(kind, bytes)| {
            self.bytes.with_label_values(&[kind.name()]).set(number(*bytes))
        });
        self.limit.set(number(usage.limit));
        self.pool.set(number(usage.capacity));
        self.highest.set(number(usage.highest));
        self.waiting.set(number(usage.waiting));
        self.refused.inc_by(usage.refused.saturating_sub(self.refused.get()));
        self.dropped_lines.inc_by(dropped_lines().saturating_sub(self.dropped_lines.get()));
    }
}

impl ServiceMetrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two metrics have the same name; a test would have found that.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let figures = gauge("egov_kpi_figures", "Current figures.")?;
        let units = gauge("egov_kpi_units", "Units.")?;
        let findings = gauge("egov_kpi_findings", "Findings of the current figures.")?;
        let revision = gauge("egov_kpi_ledger_revision", "Newest revision of the ledger.")?;
        let cube_bytes = gauge("egov_kpi_cube_bytes", "Bytes of memory that the figures take.")?;
        let ready = gauge("egov_kpi_ready", "1 when the ledger is loaded, otherwise 0.")?;
        let last_write = prometheus::Gauge::new(
            "egov_kpi_last_write_timestamp_seconds",
            "When the ledger was last written; 0 before the first write of this process.",
        )?;
        let requests = IntCounterVec::new(
            Opts::new("egov_kpi_http_requests_total", "Responses sent."),
            &["route", "method", "status"],
        )?;
        let latency = HistogramVec::new(
            HistogramOpts::new(
                "egov_kpi_http_request_seconds",
                "Seconds until the response was ready.",
            )
            .buckets(BUCKETS.to_vec()),
            &["route", "method"],
        )?;
        let recorded = IntCounterVec::new(
            Opts::new(
                "egov_kpi_recorded_total",
                "Submissions, figures and transactions that this process has written.",
            ),
            &["what"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new(
                "egov_kpi_auth_failures_total",
                "Requests refused: not signed in (missing, malformed, unknown, expired, revoked, \
                 ended, token, issuer, setup, basic_write) or not allowed (role, scope, unmapped, \
                 cross_site).",
            ),
            &["reason"],
        )?;
        let bounded = IntCounterVec::new(
            Opts::new(
                "egov_kpi_refused_total",
                "Requests and connections refused because of a limit.",
            ),
            &["reason"],
        )?;
        // All reasons start at 0, so that the first refusal counts as an increase.
        BOUNDS.iter().for_each(|reason| bounded.with_label_values(&[reason]).reset());
        let history_changes = IntCounter::new(
            "egov_kpi_history_changes_total",
            "Times the ledger was found with another history: restored, or without its last \
             revisions.",
        )?;
        let lost_revisions = IntCounter::new(
            "egov_kpi_lost_revisions_total",
            "Revisions that this process had used in responses and that the ledger no longer has.",
        )?;
        registry.register(Box::new(history_changes.clone()))?;
        registry.register(Box::new(lost_revisions.clone()))?;
        let connections = gauge("egov_kpi_connections", "Open connections.")?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(bounded.clone()))?;
        registry.register(Box::new(last_write.clone()))?;
        let (clocks, memory) = (ClockMetrics::new(&registry)?, MemoryMetrics::new(&registry)?);
        let upkeep = UpkeepMetrics::new(&registry)?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(latency.clone()))?;
        registry.register(Box::new(recorded.clone()))?;
        Ok(Self {
            registry,
            requests,
            latency,
            recorded,
            refused,
            bounded,
            connections,
            memory,
            upkeep,
            figures,
            units,
            findings,
            revision,
            cube_bytes,
            last_write,
            clocks,
            ready,
            history_changes,
            lost_revisions,
        })
    }

    /// Counts a response by the template of its route.
    pub fn count_response(&self, route: &str, method: &str, status: u16, took: Duration) {
        // A client may send any word as its method; it must not create a new time series.
        let method = if METHODS.contains(&method) { method } else { "OTHER" };
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.latency.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// Counts a request that was refused because of missing authentication or permission.
    pub fn count_refusal(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Counts what was refused because of a limit.
    pub fn count_limit(&self, reason: &str) {
        self.bounded.with_label_values(&[reason]).inc();
    }

    /// Sets the number of open connections.
    pub fn set_connections(&self, open: usize) {
        self.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Sets the metrics of the memory budget.
    pub fn set_memory_usage(&self, usage: &MemoryUsage) {
        self.memory.set(usage);
    }

    /// Writes all metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn text(&self, app: Option<&App>) -> Result<Vec<u8>, prometheus::Error> {
        self.ready.set(i64::from(app.is_some_and(|app| !app.is_replaced())));
        if let Some(app) = app {
            self.update_state(app);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn update_state(&self, app: &App) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        {
            let state = app.state();
            self.figures.set(number(state.cube.len()));
            self.units.set(number(state.units.len()));
            self.findings.set(number(state.standing().len()));
            self.revision.set(state.revision.get());
            self.cube_bytes.set(number(state.cube.bytes()));
            self.clocks.update(app.clock(), state.recorded_at);
        }
        self.upkeep.set(app.upkeep());
        let changes = app.history_changes();
        for (counter, count) in [
            (&self.history_changes, changes.changes),
            (&self.lost_revisions, changes.lost_revisions),
        ] {
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        let statistics = app.statistics();
        for (what, count) in [
            ("submissions", &statistics.submissions),
            ("figures", &statistics.figures),
            ("transactions", &statistics.transactions),
        ] {
            let counter = self.recorded.with_label_values(&[what]);
            counter.inc_by(count.load(Ordering::Relaxed).saturating_sub(counter.get()));
        }
        self.last_write.set(float(statistics.last_write.load(Ordering::Relaxed)) / 1e6);
    }
}
