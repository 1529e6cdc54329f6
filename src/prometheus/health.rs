//! The service's own health at `/metrics`.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::app::App;

/// Upper bounds of the latency histogram in seconds.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Methods that have a label of their own.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];

/// The reasons of `egov_kpi_refused_total`; `docs/limits.md` says which bound each is of.
pub const BOUNDS: [&str; 24] = [
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
    "bodies",
    "body_turn",
    "values",
    "batch",
    "entries",
    "span",
    "page",
    "turn",
    "past",
    "writer",
    "promql_turn",
    "promql_time",
    "promql_size",
    "scrape",
];

/// The service's own health.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    recorded: IntCounterVec,
    refused: IntCounterVec,
    bounded: IntCounterVec,
    connections: IntGauge,
    figures: IntGauge,
    units: IntGauge,
    findings: IntGauge,
    revision: IntGauge,
    cube_bytes: IntGauge,
    last_write: prometheus::Gauge,
    ready: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two have one name, which a test would have shown.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let figures = gauge("egov_kpi_figures", "Figures that stand.")?;
        let units = gauge("egov_kpi_units", "Units known.")?;
        let findings = gauge("egov_kpi_findings", "Findings that stand.")?;
        let revision = gauge("egov_kpi_ledger_revision", "Newest revision of the ledger.")?;
        let cube_bytes = gauge("egov_kpi_cube_bytes", "Bytes that the figures take in memory.")?;
        let ready = gauge("egov_kpi_ready", "Whether the ledger is loaded.")?;
        let last_write = prometheus::Gauge::new(
            "egov_kpi_last_write_timestamp_seconds",
            "When the ledger was last written; 0 before the first write of this process.",
        )?;
        let requests = IntCounterVec::new(
            Opts::new("egov_kpi_http_requests_total", "Requests answered."),
            &["route", "method", "status"],
        )?;
        let latency = HistogramVec::new(
            HistogramOpts::new(
                "egov_kpi_http_request_seconds",
                "Time until a request was answered.",
            )
            .buckets(BUCKETS.to_vec()),
            &["route", "method"],
        )?;
        let recorded = IntCounterVec::new(
            Opts::new(
                "egov_kpi_recorded_total",
                "What this process has written: submissions, figures, transactions.",
            ),
            &["what"],
        )?;
        let refused = IntCounterVec::new(
            Opts::new(
                "egov_kpi_auth_failures_total",
                "Requests refused: not signed in (missing, malformed, unknown, expired, revoked, token, basic_write) or not allowed (role, scope, unmapped, cross_site).",
            ),
            &["reason"],
        )?;
        let bounded = IntCounterVec::new(
            Opts::new(
                "egov_kpi_refused_total",
                "Requests and connections refused because of a bound.",
            ),
            &["reason"],
        )?;
        // All are there from the beginning: the first refusal is an increase.
        BOUNDS.iter().for_each(|reason| bounded.with_label_values(&[reason]).reset());
        let connections = gauge("egov_kpi_connections", "Connections that are open.")?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(bounded.clone()))?;
        registry.register(Box::new(last_write.clone()))?;
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
            figures,
            units,
            findings,
            revision,
            cube_bytes,
            last_write,
            ready,
        })
    }

    /// Counts a request by its route's template.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        // A client may send any word as its method; a label must not follow it.
        let method = if METHODS.contains(&method) { method } else { "OTHER" };
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.latency.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// Counts a request that was refused, for one of a few reasons.
    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// Counts what a bound has refused.
    pub fn bounded(&self, reason: &str) {
        self.bounded.with_label_values(&[reason]).inc();
    }

    /// How many connections are open.
    pub fn connected(&self, open: usize) {
        self.connections.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn text(&self, app: Option<&App>) -> Result<Vec<u8>, prometheus::Error> {
        self.ready.set(i64::from(app.is_some()));
        if let Some(app) = app {
            self.look(app);
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn look(&self, app: &App) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        {
            let state = app.state();
            self.figures.set(number(state.cube.len()));
            self.units.set(number(state.units.len()));
            self.findings.set(number(state.standing.len()));
            self.revision.set(state.revision);
            self.cube_bytes.set(number(state.cube.bytes()));
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
        self.last_write
            .set(crate::domain::number::float(statistics.last_write.load(Ordering::Relaxed)) / 1e6);
    }
}
