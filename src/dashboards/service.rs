//! The dashboard of the service's health, from a Prometheus that scrapes `/metrics`; and the one of
//! the Infinity source, which reads the API.

use serde_json::{Value, json};

use super::panel::{
    COUNT, PERCENT, QueryForm, defaults, few, merged, override_of, overrides, queries, series,
    stat, table, thresholds,
};
use super::variable::{of_all, query_variable};
use super::{BoardContent, DashboardOptions};

/// The series of the chosen instances.
const OURS: &str = "{instance=~\"$instance\"}";

fn health_source() -> Value {
    json!({ "type": "prometheus", "uid": "egov-kpi-health" })
}

fn infinity_source() -> Value {
    json!({ "type": "yesoreyeram-infinity-datasource", "uid": "egov-kpi-infinity" })
}

fn ask(form: QueryForm, pairs: &[(String, &str)]) -> Vec<Value> {
    let pairs = pairs.iter().map(|(expr, legend)| (expr.clone(), (*legend).to_owned()));
    queries(&health_source(), "15s", form, pairs.collect())
}

/// The rate of a counter of the chosen instances, by a label.
fn per_second(metric: &str, label: &str) -> String {
    format!("sum by ({label}) (rate(egov_kpi_{metric}{OURS}[$__rate_interval]))")
}

/// A time series of the service: its values change at any time, so lines connect them.
fn line(title: &str, unit: &str, pairs: &[(String, &str)]) -> Value {
    let shape = json!({ "unit": unit, "custom": { "lineInterpolation": "linear" } });
    merged(series(title, ask(QueryForm::Range, pairs), (12, 8)), defaults(shape))
}

fn tile(title: &str, expr: String, unit: &str) -> Value {
    let targets = ask(QueryForm::Instant, &[(expr, "{{instance}}")]);
    merged(stat(title, targets, (6, 4)), defaults(json!({ "unit": unit })))
}

/// The health of the instances.
pub(super) fn health(options: &DashboardOptions) -> BoardContent {
    let text = |vi: &str, en: &str| options.text(vi, en);
    let own = |metric: &str| format!("egov_kpi_{metric}{OURS}");
    let errors = "sum(rate(egov_kpi_http_requests_total\
        {instance=~\"$instance\",status=~\"5..\"}[$__rate_interval])) or vector(0)";
    let errors = stat(
        &text("Lỗi 5xx mỗi giây", "5xx errors a second"),
        ask(QueryForm::Instant, &[(errors.to_owned(), "5xx")]),
        (6, 4),
    );
    let errors = merged(
        errors,
        defaults(json!({
            "unit": "reqps", "decimals": 2, "thresholds": thresholds("green", &[(0.01, "red")]),
        })),
    );
    let ready = merged(
        tile(&text("Sẵn sàng", "Ready"), own("ready"), "none"),
        defaults(json!({
            "thresholds": thresholds("red", &[(1.0, "green")]),
            "mappings": [{ "type": "value", "options": {
                "0": { "text": text("Không", "No"), "color": "red", "index": 0 },
                "1": { "text": text("Sẵn sàng", "Ready"), "color": "green", "index": 1 },
            } }],
        })),
    );
    let quantile = |q: &str| {
        format!("histogram_quantile({q}, {})", per_second("http_request_seconds_bucket", "le"))
    };
    let quantiles =
        [("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99")].map(|(q, legend)| (quantile(q), legend));
    let mean = format!(
        "{} / {}",
        per_second("http_request_seconds_sum", "route"),
        per_second("http_request_seconds_count", "route")
    );
    let (figures, revision) = (
        text("Số liệu {{instance}}", "Figures {{instance}}"),
        text("Lần sửa đổi {{instance}}", "Revision {{instance}}"),
    );
    let right = override_of(
        &text("Lần sửa đổi .*", "Revision .*"),
        &[("custom.axisPlacement", json!("right"))],
    );
    let recorded = line(
        &text("Số liệu và lần sửa đổi", "Figures and revisions"),
        COUNT,
        &[(own("figures"), &figures), (own("ledger_revision"), &revision)],
    );
    let findings = tile(&text("Mâu thuẫn hiện có", "Findings"), own("findings"), COUNT);
    let written = format!("egov_kpi_last_write_timestamp_seconds{OURS} * 1000");
    let label = text("Tiến trình", "Instance");
    let instances = json!({ "query": {
        "qryType": 1,
        "metric": "egov_kpi_ready",
        "label": "instance",
        "query": "label_values(egov_kpi_ready, instance)",
        "refId": "instance",
    } });
    let variable = of_all(query_variable(&health_source(), ("instance", &label), "", ""));
    BoardContent {
        description: text(
            "Tình trạng của dịch vụ, do Prometheus thu thập từ /metrics.",
            "Health of the service, which Prometheus scrapes from /metrics.",
        ),
        panels: vec![
            ready,
            tile(&text("Số liệu hiện hành", "Current figures"), own("figures"), COUNT),
            tile(&text("Đơn vị", "Units"), own("units"), COUNT),
            merged(findings, defaults(json!({ "thresholds": few() }))),
            tile(&text("Lần sửa đổi mới nhất", "Newest revision"), own("ledger_revision"), COUNT),
            tile(
                &text("Bộ nhớ dùng cho số liệu", "Memory for figures"),
                own("cube_bytes"),
                "bytes",
            ),
            tile(&text("Lần ghi gần nhất", "Last write"), written, "dateTimeAsIso"),
            errors,
            line(
                &text("Yêu cầu theo mã trạng thái", "Requests by status"),
                "reqps",
                &[(per_second("http_requests_total", "status"), "{{status}}")],
            ),
            line(
                &text("Yêu cầu theo đường dẫn", "Requests by route"),
                "reqps",
                &[(per_second("http_requests_total", "route"), "{{route}}")],
            ),
            line(&text("Thời gian phản hồi", "Response time"), "s", &quantiles),
            line(
                &text(
                    "Thời gian phản hồi trung bình theo đường dẫn",
                    "Mean response time by route",
                ),
                "s",
                &[(mean, "{{route}}")],
            ),
            line(
                &text("Số lượng ghi mỗi giây", "Records a second"),
                "cps",
                &[(per_second("recorded_total", "what"), "{{what}}")],
            ),
            merged(recorded, overrides(vec![right])),
        ],
        variables: vec![merged(variable, instances)],
        annotations: Vec::new(),
        from: "now-6h",
    }
}

/// A column of a response: its path, its title, its type.
type ResponseColumn<'a> = (&'a str, String, &'a str);

/// A query of the Infinity source.
fn infinity_query(name: &str, form: &str, url: &str, root: &str, list: &[ResponseColumn]) -> Value {
    let column = |(selector, title, kind): &ResponseColumn| {
        let column = json!({ "selector": selector, "text": title, "type": kind });
        // Timestamps other than `time` are months.
        if *kind == "timestamp" && *selector != "time" {
            merged(column, json!({ "timestampFormat": "2006-01" }))
        } else {
            column
        }
    };
    json!({
        "refId": name,
        "datasource": infinity_source(),
        "type": "json",
        "source": "url",
        "parser": "backend",
        "format": form,
        "url": url,
        "url_options": { "method": "GET", "data": "" },
        "root_selector": root,
        "filters": [],
        "columns": list.iter().map(column).collect::<Vec<_>>(),
    })
}

/// A table of a response.
fn listing(
    (title, url, root): (&str, &str, &str),
    columns: &[ResponseColumn],
    size: (u32, u32),
) -> Value {
    let shown: Vec<(&str, String)> =
        columns.iter().map(|(_, title, _)| (title.as_str(), title.clone())).collect();
    table(title, vec![infinity_query("A", "table", url, root, columns)], size, &shown, &[])
}

/// Parts of the paths: the months of the time range, the chosen unit and measure.
const SPAN: &str = "from=${__from:date:YYYY-MM}&to=${__to:date:YYYY-MM}";
const UNIT: &str = "unit=${unit:percentencode}";
const MEASURE: &str = "measure=${measure:percentencode}";

/// The column with a name in the language of the dashboards.
fn named<'a>(options: &DashboardOptions, vi: &str, en: &str) -> ResponseColumn<'a> {
    let path = if options.english { "name.en" } else { "name.vi" };
    (path, options.text(vi, en), "string")
}

/// The table of the scorecard and that of the ranking, with the status in colours.
fn judged_tables(options: &DashboardOptions) -> [Value; 2] {
    let text = |vi: &str, en: &str| options.text(vi, en);
    let number = |path: &'static str, vi: &str, en: &str| (path, text(vi, en), "number");
    let words = [
        ("met", text("Đạt", "Met"), "green"),
        ("close", text("Gần đạt", "Close"), "yellow"),
        ("behind", text("Chưa đạt", "Behind"), "red"),
        ("no_data", text("Không có số liệu", "No data"), "text"),
    ];
    let mapped: Value = (0_u32..)
        .zip(words)
        .map(|(place, (key, text, color))| {
            (key.to_owned(), json!({ "text": text, "color": color, "index": place }))
        })
        .collect();
    let title = text("Tình trạng", "Status");
    let status = overrides(vec![override_of(
        &title,
        &[
            ("mappings", json!([{ "type": "value", "options": mapped }])),
            ("custom.cellOptions", json!({ "type": "color-text" })),
        ],
    )]);
    let value = number("value", "Giá trị", "Value");
    let before = number("delta", "So với tháng trước", "Change on month");
    let target = number("target", "Mục tiêu", "Target");
    let attained = number("attainment", "Mức đạt mục tiêu (%)", "Attainment (%)");
    let reached = ("status", title.clone(), "string");
    let card = listing(
        (
            &text("Thẻ điểm của tháng ${month}", "Scorecard of ${month}"),
            &format!("/scorecard?{UNIT}&period=${{month}}"),
            "rows",
        ),
        &[
            named(options, "Chỉ số", "Measure"),
            value.clone(),
            before.clone(),
            number("year_delta", "So với cùng kỳ", "Change on year"),
            target.clone(),
            attained.clone(),
            reached.clone(),
        ],
        (24, 10),
    );
    let ranks = listing(
        (
            &text(
                "Xếp hạng đơn vị trực thuộc, tháng ${month}",
                "Ranking of the units below, ${month}",
            ),
            &format!("/ranking?{MEASURE}&parent=${{unit:percentencode}}&period=${{month}}"),
            "rows",
        ),
        &[
            number("rank", "Hạng", "Rank"),
            number("previous_rank", "Hạng kỳ trước", "Rank before"),
            named(options, "Đơn vị", "Unit"),
            value,
            before,
            target,
            attained,
            reached,
        ],
        (12, 10),
    );
    [merged(card, status.clone()), merged(ranks, status)]
}

/// The tables of notes, of reports and of contradictions.
fn report_tables(options: &DashboardOptions) -> [Value; 3] {
    let text = |vi: &str, en: &str| options.text(vi, en);
    let string = |path: &'static str, vi: &str, en: &str| (path, text(vi, en), "string");
    let number = |path: &'static str, vi: &str, en: &str| (path, text(vi, en), "number");
    let size = (12, 10);
    let notes = listing(
        (&text("Ghi chú", "Notes"), &format!("/annotations?{UNIT}&{SPAN}"), "annotations"),
        &[
            string("from", "Từ tháng", "From"),
            string("to", "Đến tháng", "To"),
            string("unit", "Đơn vị", "Unit"),
            string("text", "Ghi chú", "Note"),
        ],
        size,
    );
    let rates = listing(
        (
            &text(
                "Báo cáo trễ hoặc thiếu theo đơn vị, tháng ${month}",
                "Late or missing reports by unit, ${month}",
            ),
            "/completeness?period=${month}&parent=${unit:percentencode}",
            "rates",
        ),
        &[
            named(options, "Đơn vị", "Unit"),
            number("expected", "Phải báo cáo", "Expected"),
            number("on_time", "Đúng hạn", "On time"),
            number("late", "Trễ", "Late"),
            number("missing", "Thiếu", "Missing"),
            number("completeness", "Mức đầy đủ (%)", "Completeness (%)"),
            number("timeliness", "Đúng hạn (%)", "On time (%)"),
        ],
        size,
    );
    let detail = if options.english { "detail" } else { "detail_vi" };
    let findings = listing(
        (
            &text("Mâu thuẫn số liệu", "Contradictions"),
            &format!("/findings?{UNIT}&{SPAN}"),
            "findings",
        ),
        &[
            string("period", "Tháng", "Month"),
            string("unit", "Đơn vị", "Unit"),
            string("rule", "Quy tắc", "Rule"),
            string(detail, "Nội dung", "Detail"),
        ],
        size,
    );
    [notes, rates, findings]
}

/// A variable that a response fills.
fn infinity_variable(
    (name, label): (&str, String),
    (url, root): (&str, &str),
    columns: &[ResponseColumn],
) -> Value {
    let query = infinity_query(name, "table", url, root, columns);
    let query = json!({ "queryType": "infinity", "query": "", "infinityQuery": query });
    let base = query_variable(&infinity_source(), (name, &label), "", "");
    merged(merged(base, json!({ "query": null })), json!({ "query": query }))
}

/// The scorecard, the ranking and the written notes, from the API.
pub(super) fn infinity(options: &DashboardOptions) -> BoardContent {
    let text = |vi: &str, en: &str| options.text(vi, en);
    let rows = format!("/series?{MEASURE}&{UNIT}&{SPAN}&layout=rows");
    let line = |name: &str, column: &str, title: String| {
        let columns = [("time", "time".to_owned(), "timestamp"), (column, title, "number")];
        infinity_query(name, "timeseries", &rows, "rows", &columns)
    };
    let changes = vec![
        line("A", "delta", text("Tất cả", "All")),
        line("B", "like_for_like_delta", text("Cùng đơn vị báo cáo", "Same units")),
    ];
    let title = text("Thay đổi so với tháng trước", "Change on the month before");
    let changes = series(&title, changes, (12, 8));
    let trend = vec![line("A", "value", text("Giá trị", "Value"))];
    let trend = series("${measure:text}", trend, (12, 8));
    let points = text("suffix: điểm", "suffix: points");
    let mut panels = vec![
        merged(trend, defaults(json!({ "unit": PERCENT }))),
        merged(changes, defaults(json!({ "unit": points }))),
    ];
    panels.extend(judged_tables(options));
    panels.extend(report_tables(options));
    let (name, _, _) = named(options, "", "");
    let choice = [(name, "__text".to_owned(), "string"), ("code", "__value".to_owned(), "string")];
    let months = infinity_variable(
        ("month", text("Tháng", "Month")),
        (&format!("/series?{MEASURE}&{UNIT}&last=36&layout=rows"), "rows"),
        &[("period", "period".to_owned(), "string")],
    );
    let mark = [
        ("from", "time".to_owned(), "timestamp"),
        ("text", "text".to_owned(), "string"),
        ("unit", "title".to_owned(), "string"),
    ];
    let notes = format!("/annotations?{UNIT}&{SPAN}");
    BoardContent {
        description: text(
            "Trang này cần nguồn dữ liệu Infinity (không có sẵn trong Grafana) và đọc trực tiếp \
            API của dịch vụ. Ghi chú bằng chữ (thay đổi tổ chức, sự cố) hiện trên biểu đồ và \
            trong bảng; nguồn Prometheus chỉ có số nên không có ghi chú.",
            "This dashboard needs the Infinity data source (not part of Grafana) and reads the \
            API of the service. Written notes (reorganisations, incidents) are on the charts and \
            in the table; the Prometheus source has only numbers.",
        ),
        panels,
        variables: vec![
            infinity_variable(
                ("unit", text("Đơn vị", "Unit")),
                ("/units?limit=10000", "units"),
                &choice,
            ),
            infinity_variable(("measure", text("Chỉ số", "Kpi")), ("/kpis", "kpis"), &choice),
            // Here the service lists the months: the last ones up to the newest with a figure,
            // newest first.
            merged(months, json!({ "sort": 2 })),
        ],
        annotations: vec![json!({
            "name": text("Ghi chú", "Notes"),
            "datasource": infinity_source(),
            "enable": true,
            "hide": false,
            "iconColor": "purple",
            "target": infinity_query("Anno", "table", &notes, "annotations", &mark),
        })],
        from: "now-3y/M",
    }
}
