//! Panels and their queries.

use serde_json::{Value, json};

use super::DashboardOptions;

/// Units of Grafana: percent, an amount with the separators of the browser's language, a month.
pub(super) const PERCENT: &str = "percent";
pub(super) const COUNT: &str = "locale";
const MONTH: &str = "time:MM/YYYY";

/// An expression with its legend.
pub(super) type LegendQuery = (String, String);

/// How the result of a query is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum QueryForm {
    /// Over the time range.
    Range,
    /// At one instant.
    Instant,
    /// At one instant, as rows of a table.
    Table,
}

/// Joins two values; objects are joined key by key.
pub(super) fn merged(base: Value, more: Value) -> Value {
    match (base, more) {
        (Value::Object(mut all), Value::Object(more)) => {
            for (key, value) in more {
                let place = all.entry(key).or_insert(Value::Null);
                *place = merged(place.take(), value);
            }
            Value::Object(all)
        }
        (_, more) => more,
    }
}

/// Queries of a Prometheus source, named A, B and so on.
pub(super) fn queries(
    source: &Value,
    interval: &str,
    form: QueryForm,
    pairs: Vec<LegendQuery>,
) -> Vec<Value> {
    let query = |(name, (expr, legend)): (char, LegendQuery)| {
        json!({
            "refId": name.to_string(),
            "datasource": source,
            "editorMode": "code",
            "expr": expr,
            "legendFormat": if legend.is_empty() { "__auto".to_owned() } else { legend },
            "instant": form != QueryForm::Range,
            "range": form == QueryForm::Range,
            "format": if form == QueryForm::Table { "table" } else { "time_series" },
            "interval": interval,
        })
    };
    ('A'..='Z').zip(pairs).map(query).collect()
}

/// Queries of the figures.
pub(super) fn asked(
    options: &DashboardOptions,
    form: QueryForm,
    pairs: Vec<LegendQuery>,
) -> Vec<Value> {
    queries(&options.source(), "1d", form, pairs)
}

/// Thresholds: from each number on, the colour beside it.
pub(super) fn thresholds(base: &str, steps: &[(f64, &str)]) -> Value {
    let first = json!({ "color": base, "value": null });
    let steps = steps.iter().map(|(value, color)| json!({ "color": color, "value": value }));
    let all: Vec<Value> = std::iter::once(first).chain(steps).collect();
    json!({ "mode": "absolute", "steps": all })
}

/// Colours of a percentage of a target or of completeness.
pub(super) fn attained() -> Value {
    thresholds("red", &[(95.0, "yellow"), (100.0, "green")])
}

/// Colours of a number that should be 0.
pub(super) fn few() -> Value {
    thresholds("green", &[(1.0, "orange")])
}

/// Default properties of all fields of a panel.
pub(super) fn defaults(properties: Value) -> Value {
    json!({ "fieldConfig": { "defaults": properties } })
}

/// Properties of the fields with a name that matches a regular expression.
pub(super) fn override_of(pattern: &str, properties: &[(&str, Value)]) -> Value {
    let list: Vec<Value> =
        properties.iter().map(|(id, value)| json!({ "id": id, "value": value })).collect();
    json!({ "matcher": { "id": "byRegexp", "options": pattern }, "properties": list })
}

/// The overrides of a panel.
pub(super) fn overrides(list: Vec<Value>) -> Value {
    json!({ "fieldConfig": { "overrides": list } })
}

pub(super) fn panel(
    kind: &str,
    title: &str,
    targets: Vec<Value>,
    (width, height): (u32, u32),
    options: Value,
) -> Value {
    let first = |key: &str| targets.first().and_then(|target| target.get(key)).cloned();
    json!({
        "type": kind,
        "title": title,
        "description": "",
        "datasource": first("datasource"),
        "interval": first("interval").unwrap_or_else(|| json!("1d")),
        "targets": targets,
        "fieldConfig": {
            "defaults": {
                "thresholds": thresholds("text", &[]),
                "mappings": [],
                "color": { "mode": "thresholds" },
            },
            "overrides": [],
        },
        "options": options,
        "gridPos": { "w": width, "h": height },
    })
}

/// A time series panel: steps, because a value holds all month, and gaps for missing months.
pub(super) fn series(title: &str, targets: Vec<Value>, size: (u32, u32)) -> Value {
    let options = json!({
        "legend": {
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": true,
            "calcs": [],
        },
        "tooltip": { "mode": "multi", "sort": "none" },
    });
    let lines = json!({
        "unit": COUNT,
        "color": { "mode": "palette-classic" },
        "custom": {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "lineWidth": 2,
            "fillOpacity": 0,
            "showPoints": "never",
            "spanNulls": false,
            "axisPlacement": "auto",
        },
    });
    merged(panel("timeseries", title, targets, size, options), defaults(lines))
}

pub(super) fn stat(title: &str, targets: Vec<Value>, size: (u32, u32)) -> Value {
    let options = json!({
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "auto",
        "wideLayout": true,
        "showPercentChange": false,
        "percentChangeColorMode": "standard",
    });
    merged(panel("stat", title, targets, size, options), defaults(json!({ "unit": COUNT })))
}

/// A table. `columns` are fields with the titles shown, in order; fields without a title are
/// hidden. Rows are sorted by the fields of `sort` before columns are hidden.
pub(super) fn table(
    title: &str,
    targets: Vec<Value>,
    size: (u32, u32),
    columns: &[(&str, String)],
    sort: &[(&str, bool)],
) -> Value {
    let shown = || columns.iter().filter(|(_, title)| !title.is_empty());
    let hidden = columns.iter().filter(|(_, title)| title.is_empty());
    let object = |pairs: Vec<(&str, Value)>| -> Value {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let merge = (targets.len() > 1).then(|| json!({ "id": "merge", "options": {} }));
    let sorted = (!sort.is_empty()).then(|| {
        let fields: Vec<Value> =
            sort.iter().map(|(field, desc)| json!({ "field": field, "desc": desc })).collect();
        json!({ "id": "sortBy", "options": { "fields": {}, "sort": fields } })
    });
    let organize = json!({
        "id": "organize",
        "options": {
            "excludeByName": object(hidden.map(|(field, _)| (*field, json!(true))).collect()),
            "indexByName": object(
                (0_u32..).zip(shown()).map(|(place, (field, _))| (*field, json!(place))).collect(),
            ),
            "renameByName": object(shown().map(|(field, title)| (*field, json!(title))).collect()),
        },
    });
    let steps: Vec<Value> = merge.into_iter().chain(sorted).chain([organize]).collect();
    let options = json!({ "frameIndex": 0, "showHeader": true, "cellHeight": "sm", "sortBy": [] });
    let cells = json!({
        "unit": COUNT,
        "custom": { "align": "auto", "cellOptions": { "type": "auto" }, "filterable": false },
    });
    merged(
        merged(panel("table", title, targets, size, options), defaults(cells)),
        json!({ "transformations": steps }),
    )
}

/// A row; with `repeat`, a row for each value of that variable.
pub(super) fn row(title: &str, repeat: Option<&str>) -> Value {
    let row = json!({
        "type": "row",
        "title": title,
        "collapsed": false,
        "panels": [],
        "gridPos": { "w": 24, "h": 1 },
    });
    match repeat {
        Some(variable) => merged(row, json!({ "repeat": variable })),
        None => row,
    }
}

/// The panel with the month that the panels about one month show.
pub(super) fn chosen(options: &DashboardOptions, size: (u32, u32)) -> Value {
    let month = vec![("vector($at) * 1000".to_owned(), String::new())];
    let title = options.text("Tháng đang xem", "Month shown");
    let description = options.text(
        "Tháng đã chọn. Nếu chọn “Mới nhất”: tháng gần nhất mà đơn vị có số liệu, tính đến cuối \
        khoảng thời gian của trang.",
        "The chosen month. With “Newest”: the newest month in which the unit has figures, up to \
        the end of the time range.",
    );
    let shown = stat(&title, asked(options, QueryForm::Instant, month), size);
    merged(merged(shown, defaults(json!({ "unit": MONTH }))), json!({ "description": description }))
}

/// Gives panels their numbers and positions, from left to right.
pub(super) fn placed(panels: Vec<Value>) -> Vec<Value> {
    let (mut x, mut y, mut highest) = (0, 0, 0);
    let mut place = |(number, panel): (u32, Value)| {
        let of = |key: &str| {
            panel.pointer(&format!("/gridPos/{key}")).and_then(Value::as_u64).unwrap_or(0)
        };
        let (width, height) = (of("w"), of("h"));
        if x + width > 24 {
            (x, y, highest) = (0, y + highest, 0);
        }
        let (here, line) = (x, y);
        x += width;
        highest = highest.max(height);
        merged(panel, json!({ "id": number, "gridPos": { "x": here, "y": line } }))
    };
    (1..).zip(panels).map(&mut place).collect()
}
