//! Variables and annotations, which the metrics about the catalogue, the months and the units fill.

use serde_json::{Value, json};

use super::DashboardOptions;
use super::panel::merged;

/// Filters [`LATEST_PERIODS`] to measures: the other metrics are about reporting.
const NO_MEASURES: &str = "egov_(completeness_percent|late_units|findings)_.+";
/// The names of the metrics with the month of the newest value.
const LATEST_PERIODS: &str = "egov_.+_latest_period_timestamp_seconds";

/// A variable that a query fills. Grafana applies the regular expression to the text of each
/// series; its named groups are the text and the value of an option.
pub(super) fn query_variable(
    source: &Value,
    (name, label): (&str, &str),
    query: &str,
    regex: &str,
) -> Value {
    json!({
        "type": "query",
        "name": name,
        "label": label,
        "datasource": source,
        "query": { "qryType": 3, "query": query, "refId": name },
        "regex": regex,
        "refresh": 2,
        "sort": 0,
        "hide": 0,
        "multi": false,
        "includeAll": false,
        "options": [],
    })
}

/// Lets a variable have several values, at first all.
pub(super) fn of_all(variable: Value) -> Value {
    let all = json!({ "text": ["All"], "value": ["$__all"] });
    merged(variable, json!({ "multi": true, "includeAll": true, "current": all }))
}

/// A query for options: the texts of one label and the values of another, in the order of a third.
/// The service sorts series by their labels, and `title` and `value` come after `level`
/// and `order`.
fn options_of(series: &str, order: &str, title: &str, value: &str) -> String {
    format!(
        "query_result(max by ({order}, title, value) (label_replace(label_replace({series}, \
        \"title\", \"$1\", \"{title}\", \"(.+)\"), \"value\", \"$1\", \"{value}\", \"(.+)\")))"
    )
}

/// The text and value of an option in a series of [`options_of`].
const OPTION: &str = r#"/title="(?<text>[^"]+)",value="(?<value>[^"]+)"/"#;

/// All units, also those that no longer exist, level by level. Without [`options_of`], which would
/// take longest for this list of a whole country.
pub(super) fn units(options: &DashboardOptions) -> Value {
    let label = options.text("Đơn vị", "Unit");
    let query = |name: &str| format!("query_result(max by (level, unit, {name}) (egov_unit_info))");
    let (query, regex) = if options.english {
        (query("name_en"), r#"/name_en="(?<text>[^"]+)",unit="(?<value>[^"]+)"/"#)
    } else {
        (query("unit_name"), r#"/unit="(?<value>[^"]+)",unit_name="(?<text>[^"]+)"/"#)
    };
    query_variable(&options.source(), ("unit", &label), &query, regex)
}

/// The months with figures, the newest first, after the choice of the newest one.
pub(super) fn months(options: &DashboardOptions) -> Value {
    let newest = options.text("Mới nhất", "Newest");
    let query = format!(
        "query_result(egov_month_info or label_replace(label_replace(vector(1), \"month\", \
        \"{newest}\", \"\", \"\"), \"time\", \"0\", \"\", \"\"))"
    );
    let regex = r#"/month="(?<text>[^"]+)".*time="(?<value>\d+)"/"#;
    let label = options.text("Tháng", "Month");
    let description = options.text(
        "Mỗi tháng được biểu thị bằng thời điểm đầu tháng (UTC). “Mới nhất” là tháng gần nhất có \
        số liệu, tính đến cuối khoảng thời gian của trang.",
        "Each month is represented by its first instant (UTC). “Newest” is the newest month with \
        figures, up to the end of the time range.",
    );
    merged(
        query_variable(&options.source(), ("month", &label), &query, regex),
        // Words come after digits, so in descending order they are first.
        json!({
            "sort": 2,
            "description": description,
            "current": { "text": newest, "value": "0" },
        }),
    )
}

/// The instant of the chosen month. Without any figure it is the end of the time range: panels
/// then say "no data" instead of failing.
pub(super) fn at(options: &DashboardOptions) -> Value {
    let query = format!(
        "query_result(vector($month) > 0 or \
        max({{__name__=~\"{LATEST_PERIODS}\",__name__!~\"{NO_MEASURES}\",unit=\"$unit\"}}) or \
        vector(time()))"
    );
    let label = options.text("Thời điểm", "Instant");
    merged(
        query_variable(&options.source(), ("at", &label), &query, r"/ ([\d.]+) /"),
        json!({ "hide": 2, "skipUrlSync": true }),
    )
}

/// The measures that `matchers` selects, in the catalogue's order: those of which the unit has had
/// a value, or a value of a split, in the three years up to the month.
fn measures_of(matchers: &str) -> String {
    let periods = format!(
        "{{__name__=~\"{LATEST_PERIODS}\",__name__!~\"{NO_MEASURES}\",unit=\"$unit\"}}[1096d] @ $at"
    );
    let total = "(egov_.+?)(_by_.+)?_latest_period_timestamp_seconds";
    format!(
        "egov_measure_info{{{matchers}}} and on (metric) \
        label_replace(last_over_time({periods}), \"metric\", \"$1\", \"__name__\", \"{total}\")"
    )
}

/// The label with the names of measures.
pub(super) fn name_label(options: &DashboardOptions) -> &'static str {
    if options.english { "name_en" } else { "name" }
}

/// The systems of which the unit has figures.
pub(super) fn systems(options: &DashboardOptions) -> Value {
    let label = options.text("Hệ thống", "System");
    let name = options.text("system_name", "system_name_en");
    let query = options_of(&measures_of("system!=\"\""), "order", &name, "system");
    query_variable(&options.source(), ("system", &label), &query, OPTION)
}

fn measures(options: &DashboardOptions, (name, label): (&str, &str), series: &str) -> Value {
    let query = options_of(series, "order", name_label(options), "metric");
    query_variable(&options.source(), (name, label), &query, OPTION)
}

/// The measures of the chosen system.
pub(super) fn measures_of_system(options: &DashboardOptions) -> Value {
    let label = options.text("Chỉ số", "Measures");
    of_all(measures(options, ("measure", &label), &measures_of("system=\"$system\"")))
}

/// The headline indicators and kpis.
pub(super) fn headlines(options: &DashboardOptions) -> Value {
    let label = options.text("Chỉ số", "Measures");
    of_all(measures(options, ("headline", &label), &measures_of("headline=\"true\"")))
}

/// One of the headline indicators and kpis.
pub(super) fn one_headline(options: &DashboardOptions) -> Value {
    let label = options.text("Chỉ số", "Measure");
    measures(options, ("measure", &label), &measures_of("headline=\"true\""))
}

/// Marks on all time series.
struct AnnotationMark {
    expr: &'static str,
    color: &'static str,
    title: String,
    text: String,
    tags: &'static str,
}

fn annotation(options: &DashboardOptions, mark: &AnnotationMark) -> Value {
    json!({
        "name": mark.title,
        "datasource": options.source(),
        "enable": true,
        "hide": false,
        "iconColor": mark.color,
        "titleFormat": mark.title,
        "textFormat": mark.text,
        "tagKeys": mark.tags,
        "target": {
            "refId": "Anno",
            "expr": mark.expr,
            "interval": "1d",
            "legendFormat": "",
            "range": true,
            "instant": false,
        },
    })
}

/// Marks months with contradictions.
pub(super) fn found(options: &DashboardOptions) -> Value {
    let mark = AnnotationMark {
        expr: "sum by (unit_name, rule, severity) (egov_findings{unit=\"$unit\"}) > 0",
        color: "orange",
        title: options.text("Mâu thuẫn số liệu", "Contradictions"),
        text: "{{unit_name}}: {{rule}} ({{severity}})".to_owned(),
        tags: "rule,severity",
    };
    annotation(options, &mark)
}

/// Marks months with late or missing reports.
pub(super) fn late(options: &DashboardOptions) -> Value {
    let mark = AnnotationMark {
        expr: "egov_late_units{unit=\"$unit\"} > 0",
        color: "red",
        title: options.text("Báo cáo trễ hoặc thiếu", "Late or missing reports"),
        text: "{{unit_name}}".to_owned(),
        tags: "",
    };
    annotation(options, &mark)
}

/// Marks the first day of a month in which the number of children differs from the day before.
pub(super) fn merged_units(options: &DashboardOptions) -> Value {
    let mark = AnnotationMark {
        expr: "count(egov_late_units{parent=\"$unit\"}) != \
        count(egov_late_units{parent=\"$unit\"} offset 1d)",
        color: "purple",
        title: options.text("Sáp nhập, chia tách", "Units merged or split"),
        text: options.text(
            "Số đơn vị trực thuộc thay đổi",
            "The number of units directly below has changed",
        ),
        tags: "",
    };
    annotation(options, &mark)
}
