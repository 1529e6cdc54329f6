//! Grafana's dashboards, in Vietnamese and English: one description that names no measure. What a
//! page shows comes from the metrics `egov_measure_info`, `egov_month_info` and `egov_unit_info`,
//! so a page has whatever the catalogue has.
//!
//! Rules for all dashboards:
//!
//! - `unit` is one unit; its series are rolled up by the service. Children are selected by
//!   `parent`. Nothing is summed across levels.
//! - A value holds from the first instant of its month to that of the next, so lines are steps and
//!   missing months are gaps.
//! - Prometheus has no notion of months. The variable `month` lists the months with figures with
//!   their first instants as values, after "newest" with the value 0. The hidden variable `at` is
//!   an instant: that of the chosen month, or of the newest month in which the unit has a figure at
//!   the end of the dashboard's time range. Panels about one month query `@ $at` and so do not
//!   depend on the time range.
//! - A series has a percent sign as its label `sign` where its measure is a percentage; legends
//!   show it, and overrides find percentages by it.

mod figures;
mod panel;
mod service;
mod variable;

use serde_json::{Value, json};

/// The language of the texts, and the data source of the figures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DashboardOptions {
    /// English instead of Vietnamese.
    pub english: bool,
    /// Identifier in Grafana of the Prometheus data source with the address `/prometheus` of the
    /// service.
    pub prometheus_uid: String,
}

impl DashboardOptions {
    /// The text in the language of the dashboards.
    fn text(&self, vi: &str, en: &str) -> String {
        if self.english { en } else { vi }.to_owned()
    }

    /// The data source of the figures.
    fn source(&self) -> Value {
        json!({ "type": "prometheus", "uid": self.prometheus_uid })
    }
}

/// The dashboards with their identifiers, which are also their file names.
const TITLES: [(&str, &str, &str); 7] = [
    ("egov-overview", "Tổng quan tỉnh", "Province overview"),
    ("egov-system", "Hệ thống", "System"),
    ("egov-ranking", "Xếp hạng đơn vị", "Ranking of units"),
    ("egov-unit", "Xu hướng của đơn vị", "Trends of a unit"),
    ("egov-quality", "Chất lượng số liệu", "Quality of figures"),
    ("egov-health", "Tình trạng dịch vụ", "Health of the service"),
    (
        "egov-infinity",
        "Thẻ điểm và ghi chú (nguồn Infinity)",
        "Scorecard and notes (Infinity source)",
    ),
];

/// All dashboards in one language. `egov-infinity`, the last, needs the Infinity plugin.
#[must_use]
pub fn dashboards(options: &DashboardOptions) -> Vec<(&'static str, Value)> {
    let contents = [
        figures::overview(options),
        figures::system(options),
        figures::ranking(options),
        figures::unit(options),
        figures::quality(options),
        service::health(options),
        service::infinity(options),
    ];
    TITLES
        .iter()
        .zip(contents)
        .map(|((uid, vi, en), content)| (*uid, board(options, uid, (vi, en), content)))
        .collect()
}

/// What differs from dashboard to dashboard.
struct BoardContent {
    description: String,
    panels: Vec<Value>,
    variables: Vec<Value>,
    annotations: Vec<Value>,
    /// The beginning of the time range.
    from: &'static str,
}

fn board(
    options: &DashboardOptions,
    uid: &str,
    (vi, en): (&str, &str),
    content: BoardContent,
) -> Value {
    let built_in = json!({
        "builtIn": 1,
        "name": "Annotations & Alerts",
        "type": "dashboard",
        "datasource": { "type": "grafana", "uid": "-- Grafana --" },
        "enable": true,
        "hide": true,
        "iconColor": "rgba(0, 211, 255, 1)",
    });
    let annotations: Vec<Value> = [built_in].into_iter().chain(content.annotations).collect();
    json!({
        "uid": uid,
        "title": options.text(vi, en),
        "description": content.description,
        "tags": ["egov-kpi"],
        "schemaVersion": 41,
        "version": 1,
        "editable": true,
        "timezone": "utc",
        "weekStart": "monday",
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": false,
        "refresh": "",
        "time": { "from": content.from, "to": "now" },
        "timepicker": {},
        "templating": { "list": content.variables },
        "annotations": { "list": annotations },
        "links": links(options, uid),
        "panels": panel::placed(content.panels),
    })
}

/// The links to the other dashboards, with unit, month and time range. The dashboard of the
/// service's health has no unit, and the Infinity dashboard has months of another form.
fn links(options: &DashboardOptions, own: &str) -> Vec<Value> {
    let link = |(uid, vi, en): &(&str, &str, &str)| {
        let apart = own == "egov-health" || *uid == "egov-health";
        let only_unit = !apart && (own == "egov-infinity" || *uid == "egov-infinity");
        let unit = if only_unit { "?${unit:queryparam}" } else { "" };
        json!({
            "type": "link",
            "title": options.text(vi, en),
            "url": format!("/d/{uid}{unit}"),
            "icon": "dashboard",
            "tooltip": "",
            "tags": [],
            "asDropdown": false,
            "targetBlank": false,
            "includeVars": !apart && !only_unit,
            "keepTime": !apart,
        })
    };
    TITLES.iter().filter(|(uid, ..)| *uid != own).map(link).collect()
}
