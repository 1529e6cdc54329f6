//! The dashboards of the figures: province, system, ranking, unit, quality.

use serde_json::{Value, json};

use super::panel::{
    COUNT, LegendQuery, PERCENT, QueryForm, asked, attained, chosen, defaults, few, merged,
    override_of, overrides, panel, row, series, stat, table,
};
use super::variable::{
    at, found, headlines, late, measures_of_system, merged_units, months, name_label, one_headline,
    systems, units,
};
use super::{BoardContent, DashboardOptions};

/// Endings of the metrics that are derived from a measure.
const DERIVED: &str =
    ".+_(mom_.+|yoy_.+|year_before|ytd|target|attainment|stated|coverage|latest.*)";
/// Labels of every series that say which unit it is of.
const UNIT_LABELS: &str = "unit, unit_name, unit_kind, parent, level";

/// Texts that several dashboards have.
struct BoardTexts {
    value: String,
    before: String,
    year_before: String,
    target: String,
    attainment: String,
    stated: String,
    points: String,
    targets: String,
    note: String,
    unit: String,
    unit_code: String,
}

impl BoardTexts {
    fn new(options: &DashboardOptions) -> Self {
        let text = |vi: &str, en: &str| options.text(vi, en);
        Self {
            value: text("Giá trị", "Value"),
            before: text("So với tháng trước", "Change on month"),
            year_before: text("So với cùng kỳ", "Change on year"),
            target: text("Mục tiêu", "Target"),
            attainment: text("Mức đạt mục tiêu", "Attainment"),
            stated: text("Nêu trong báo cáo", "Stated in the report"),
            points: text("suffix: điểm", "suffix: points"),
            targets: text(
                "Đạt: từ 100 % mục tiêu; gần đạt: từ 95 %; dưới mức đó: chưa đạt.",
                "Met from 100 % of the target, close from 95 %, below that behind.",
            ),
            note: text(
                "Giá trị của tháng có hiệu lực từ 00:00 UTC ngày đầu tháng đến đầu tháng sau; \
                tháng thiếu số liệu để trống. Mỗi cấp có chuỗi số liệu riêng, không cộng giữa các \
                cấp. Ghi chú bằng chữ (thay đổi tổ chức, sự cố) có ở trang dùng nguồn Infinity.",
                "A month's value holds from 00:00 UTC on its first day to the first day of the \
                next; missing months are gaps. Every level has its own series, which are not \
                summed across levels. Written notes (reorganisations, incidents) are on the \
                dashboard of the Infinity source.",
            ),
            unit: text("Đơn vị", "Unit"),
            unit_code: text("Mã đơn vị", "Unit code"),
        }
    }

    /// Percentages in percent, and their changes in points.
    fn percentages(&self) -> Vec<Value> {
        vec![
            override_of(".* %", &[("unit", json!(PERCENT)), ("decimals", json!(2))]),
            override_of(
                &format!("({}|{}) %", self.before, self.year_before),
                &[("unit", json!(self.points)), ("decimals", json!(2))],
            ),
            self.reached(),
        ]
    }

    /// The attainment of targets, coloured.
    fn reached(&self) -> Value {
        override_of(
            &self.attainment,
            &[
                ("unit", json!(PERCENT)),
                ("decimals", json!(1)),
                ("thresholds", attained()),
                ("custom.cellOptions", json!({ "type": "color-text" })),
            ],
        )
    }

    /// A dashed red line for targets.
    fn dashed(&self) -> Value {
        override_of(
            &format!("{}.*", self.target),
            &[
                ("custom.lineStyle", json!({ "fill": "dash", "dash": [10, 10] })),
                ("color", json!({ "mode": "fixed", "fixedColor": "red" })),
            ],
        )
    }
}

/// Selects a metric of the chosen unit, where the variable `variable` holds the measure.
fn own(variable: &str, suffix: &str) -> String {
    format!("{{__name__=\"${{{variable}}}{suffix}\",unit=\"$unit\"}}")
}

/// Selects a metric of each unit directly below.
fn children(variable: &str, suffix: &str) -> String {
    format!("{{__name__=\"${{{variable}}}{suffix}\",parent=\"$unit\"}}")
}

/// Selects metrics of several measures of the chosen unit.
fn own_of_all(variable: &str, suffix: &str) -> String {
    format!("{{__name__=~\"(${{{variable}:pipe}}){suffix}\",unit=\"$unit\"}}")
}

/// Gives series the label `sign`: a percent sign where the measure is a percentage. `at` is the
/// modifier of the instant.
fn signed(expr: &str, variable: &str, at: &str) -> String {
    format!(
        "{expr} * on () group_left (sign) \
        label_replace(egov_measure_info{{metric=\"${variable}\"}}{at}, \"sign\", \"%\", \
        \"unit_of_measure\", \"percent\")"
    )
}

/// Gives series that have a label `metric` the facts of the measure.
fn described(expr: &str, name: &str) -> String {
    format!(
        "{expr} * on (metric) group_left ({name}, order, system, unit_of_measure) \
        egov_measure_info @ $at"
    )
}

fn instant(options: &DashboardOptions, expr: String, legend: &str) -> Vec<Value> {
    asked(options, QueryForm::Instant, vec![(expr, legend.to_owned())])
}

fn describe(panel: Value, description: &str) -> Value {
    merged(panel, json!({ "description": description }))
}

/// How complete and how late the reports of the month are.
fn completeness(options: &DashboardOptions) -> [Value; 2] {
    let complete = stat(
        &options.text("Mức đầy đủ", "Completeness"),
        instant(
            options,
            "egov_completeness_percent{unit=\"$unit\"} @ $at".to_owned(),
            "{{unit_name}}",
        ),
        (6, 4),
    );
    let late = stat(
        &options.text("Đơn vị báo cáo trễ hoặc thiếu", "Units with late or missing reports"),
        instant(options, "egov_late_units{unit=\"$unit\"} @ $at".to_owned(), "{{unit_name}}"),
        (6, 4),
    );
    let percent = json!({ "unit": PERCENT, "decimals": 1, "thresholds": attained() });
    [merged(complete, defaults(percent)), merged(late, defaults(json!({ "thresholds": few() })))]
}

/// The contradictions of the month, of all measures or those that `which` selects.
fn contradictions(options: &DashboardOptions, which: &str, size: (u32, u32)) -> Value {
    let expr = format!("sum by (rule) (egov_findings{{unit=\"$unit\"}} @ $at{which})");
    let title = options.text("Mâu thuẫn số liệu", "Contradictions");
    let shown = stat(&title, instant(options, expr, "{{rule}}"), size);
    merged(shown, defaults(json!({ "thresholds": few(), "noValue": "0" })))
}

/// The table of measures: value, changes, target. Each query has the same labels, so that their
/// results merge into one row for each measure.
fn card(options: &DashboardOptions, variable: &str, title: &str, size: (u32, u32)) -> Value {
    let (texts, name) = (BoardTexts::new(options), name_label(options));
    let of = |suffix: &str| {
        let values = format!(
            "max by (metric) (label_replace({} @ $at, \"metric\", \"$1\", \"__name__\", \
            \"(.+){suffix}\"))",
            own_of_all(variable, suffix)
        );
        (described(&values, name), String::new())
    };
    let suffixes = ["", "_mom_delta", "_yoy_delta", "_target", "_attainment"];
    let columns = [
        ("Time", String::new()),
        ("metric", String::new()),
        ("order", String::new()),
        (name, options.text("Chỉ số", "Measure")),
        ("unit_of_measure", options.text("Đơn vị tính", "Unit of measure")),
        ("Value #A", texts.value.clone()),
        ("Value #B", texts.before.clone()),
        ("Value #C", texts.year_before.clone()),
        ("Value #D", texts.target.clone()),
        ("Value #E", texts.attainment.clone()),
        ("system", options.text("Hệ thống", "System")),
    ];
    let queries = asked(options, QueryForm::Table, suffixes.map(of).to_vec());
    let system = options.text("Hệ thống", "System");
    let link = json!([{
        "title": options.text("Mở hệ thống", "Open the system"),
        "url": format!(
            "/d/egov-system?var-system=${{__data.fields[\"{system}\"]}}&${{unit:queryparam}}&\
            ${{month:queryparam}}&${{__url_time_range}}"
        ),
    }]);
    let name = override_of(
        &options.text("Chỉ số", "Measure"),
        &[("custom.width", json!(420)), ("links", link)],
    );
    let shown = table(title, queries, size, &columns, &[("order", false)]);
    let shown = merged(shown, defaults(json!({ "decimals": 2 })));
    let description = options.text(
        "Tỷ lệ: thay đổi tính bằng điểm phần trăm. ",
        "Changes of percentages are percentage points. ",
    );
    describe(merged(shown, overrides(vec![name, texts.reached()])), &(description + &texts.targets))
}

/// The value of a measure and of the year before, its target and the rate that reports state. One
/// query reads all four, so that the service computes the months of the measure once; the label
/// `line` says which is which, and keeps colours the same where a measure lacks one of them.
fn trend(options: &DashboardOptions, variable: &str, title: &str, size: (u32, u32)) -> Value {
    let texts = BoardTexts::new(options);
    let past = options.text("Năm trước", "Year before");
    let lines = [
        ("", &texts.value),
        ("_year_before", &past),
        ("_target", &texts.target),
        ("_stated", &texts.stated),
    ];
    let suffixes = lines.map(|(suffix, _)| suffix).join("|");
    let all = format!("{{__name__=~\"${{{variable}}}({suffixes})\",unit=\"$unit\"}}");
    let named = lines.iter().fold(all, |expr, (suffix, legend)| {
        format!(
            "label_replace({expr}, \"line\", \"{legend}\", \"__name__\", \
            \"${{{variable}}}{suffix}\")"
        )
    });
    let pairs = vec![(signed(&named, variable, ""), "{{line}} {{sign}}".to_owned())];
    let own_color = override_of(
        &format!("{}.*", texts.value),
        &[("color", json!({ "mode": "fixed", "fixedColor": "blue" }))],
    );
    let faint = override_of(
        &format!("{past}.*"),
        &[
            ("custom.lineWidth", json!(1)),
            ("color", json!({ "mode": "fixed", "fixedColor": "#8e8e8e" })),
        ],
    );
    let marks = override_of(
        &format!("{}.*", texts.stated),
        &[
            ("custom.lineStyle", json!({ "fill": "dot", "dash": [2, 6] })),
            ("color", json!({ "mode": "fixed", "fixedColor": "purple" })),
        ],
    );
    let lines = vec![own_color, texts.dashed(), faint, marks];
    let shown: Vec<Value> = texts.percentages().into_iter().take(1).chain(lines).collect();
    merged(series(title, asked(options, QueryForm::Range, pairs), size), overrides(shown))
}

/// The value of the month with its changes, its target and the rate that a report states.
fn value_of_month(options: &DashboardOptions, variable: &str, size: (u32, u32)) -> Value {
    let texts = BoardTexts::new(options);
    let of = |suffix: &str, legend: &str| {
        let expr = format!("{} @ $at", own(variable, suffix));
        (signed(&expr, variable, " @ $at"), format!("{legend} {{{{sign}}}}"))
    };
    let attainment = (format!("{} @ $at", own(variable, "_attainment")), texts.attainment.clone());
    let pairs = vec![
        of("", &texts.value),
        of("_stated", &texts.stated),
        of("_mom_delta", &texts.before),
        of("_yoy_delta", &texts.year_before),
        of("_target", &texts.target),
        attainment,
    ];
    let title = options.text("Tháng đang xem", "Month shown");
    let shown = stat(&title, asked(options, QueryForm::Instant, pairs), size);
    let mut changed = texts.percentages();
    if let Some(properties) =
        changed.last_mut().and_then(|last| last.pointer_mut("/properties")?.as_array_mut())
    {
        properties.retain(|each| each.get("id") != Some(&json!("custom.cellOptions")));
    }
    describe(merged(shown, overrides(changed)), &texts.targets)
}

/// The members of a measure by dimension: their trends, and a table of the month. The names of
/// members come from `egov_split_info`, whatever the dimensions are.
fn splits(options: &DashboardOptions, variable: &str) -> [Value; 2] {
    let (texts, name) = (BoardTexts::new(options), name_label(options));
    let of = |suffix: &str, at: &str| {
        let other =
            if suffix.is_empty() { format!(",__name__!~\"{DERIVED}\"") } else { String::new() };
        format!(
            "max without ({UNIT_LABELS}) (label_replace(\
            {{__name__=~\"${{{variable}}}_by_.+{suffix}\"{other},unit=\"$unit\"}}{at}, \
            \"metric\", \"$1\", \"__name__\", \"(.+){suffix}\")) \
            * ignoring (measure, name, name_en) group_left ({name}) \
            egov_split_info{{metric=~\"${{{variable}}}_by_.+\"}}{at}"
        )
    };
    let none = json!({
        "noValue": options.text("Chỉ số không chia theo thành phần", "The measure is not split"),
    });
    let trends = series(
        &options.text("Theo thành phần", "By dimension"),
        asked(options, QueryForm::Range, vec![(of("", ""), format!("{{{{{name}}}}}"))]),
        (9, 8),
    );
    let pairs = ["", "_stated", "_mom_delta"].map(|suffix| (of(suffix, " @ $at"), String::new()));
    let columns = [
        (name, options.text("Thành phần", "Member")),
        ("Value #A", texts.value.clone()),
        ("Value #B", texts.stated.clone()),
        ("Value #C", texts.before.clone()),
    ];
    let members = table(
        &options.text("Theo thành phần, tháng đang xem", "By dimension, month shown"),
        asked(options, QueryForm::Table, pairs.to_vec()),
        (7, 8),
        &columns,
        &[],
    );
    // The codes of members, the columns of which differ from measure to measure, are not shown.
    let fields = columns.map(|(field, _)| field);
    let only = json!({
        "id": "filterFieldsByName",
        "options": { "include": { "names": fields } },
    });
    let steps = members.get("transformations").and_then(Value::as_array).cloned();
    let mut steps = steps.unwrap_or_default();
    steps.insert(1, only); // after the queries are merged
    let members = merged(members, json!({ "transformations": steps }));
    [merged(trends, defaults(none.clone())), merged(members, defaults(none))]
}

fn coverage(options: &DashboardOptions, variable: &str, size: (u32, u32)) -> Value {
    let title = options.text("Mức bao phủ", "Coverage");
    let pairs = vec![(own(variable, "_coverage"), title.clone())];
    let shown = series(&title, asked(options, QueryForm::Range, pairs), size);
    let description = options.text(
        "Tỷ lệ đơn vị cấp thấp nhất đã có số liệu.",
        "Share of the lowest units that have reported.",
    );
    let limits = json!({ "unit": "percentunit", "decimals": 0, "min": 0, "max": 1 });
    describe(merged(shown, defaults(limits)), &description)
}

/// Contradictions that concern a measure, over time.
fn findings_of(options: &DashboardOptions, variable: &str, size: (u32, u32)) -> Value {
    let expr = format!(
        "sum by (rule) (egov_findings{{unit=\"$unit\"}} and on (measure) \
        egov_measure_info{{metric=\"${variable}\"}})"
    );
    let title = options.text("Mâu thuẫn số liệu", "Contradictions");
    let pairs = vec![(expr, "{{rule}}".to_owned())];
    let none = options.text("Không có mâu thuẫn", "No contradictions");
    merged(
        series(&title, asked(options, QueryForm::Range, pairs), size),
        defaults(json!({ "noValue": none, "min": 0, "decimals": 0 })),
    )
}

/// Everything about the measures of one system, a row for each.
pub(super) fn system(options: &DashboardOptions) -> BoardContent {
    let texts = BoardTexts::new(options);
    let which = " and on (measure) egov_measure_info{system=\"$system\"} @ $at";
    let [complete, late_units] = completeness(options);
    let title = options.text("Chỉ số của ${system:text}", "Measures of ${system:text}");
    let mut panels = vec![
        chosen(options, (6, 4)),
        complete,
        late_units,
        contradictions(options, which, (6, 4)),
        card(options, "measure", &title, (24, 9)),
        row("${measure:text}", Some("measure")),
        value_of_month(options, "measure", (8, 8)),
        trend(options, "measure", &options.text("Diễn biến", "Trend"), (16, 8)),
    ];
    panels.extend(splits(options, "measure"));
    panels.push(coverage(options, "measure", (4, 8)));
    panels.push(findings_of(options, "measure", (4, 8)));
    BoardContent {
        description: texts.note,
        panels,
        variables: vec![
            units(options),
            months(options),
            at(options),
            systems(options),
            measures_of_system(options),
        ],
        annotations: vec![found(options), late(options), merged_units(options)],
        from: "now-3y/M",
    }
}

/// The headline measures of a unit.
pub(super) fn overview(options: &DashboardOptions) -> BoardContent {
    let texts = BoardTexts::new(options);
    let [complete, late_units] = completeness(options);
    let title =
        options.text("Thẻ điểm: giá trị, thay đổi, mục tiêu", "Scorecard: value, change, target");
    let repeated = json!({ "repeat": "headline", "repeatDirection": "h", "maxPerRow": 3 });
    BoardContent {
        description: texts.note,
        panels: vec![
            chosen(options, (6, 4)),
            complete,
            late_units,
            contradictions(options, "", (6, 4)),
            card(options, "headline", &title, (24, 10)),
            row(&options.text("Diễn biến", "Trends"), None),
            merged(trend(options, "headline", "${headline:text}", (8, 7)), repeated),
        ],
        variables: vec![units(options), months(options), at(options), headlines(options)],
        annotations: vec![found(options), merged_units(options)],
        from: "now-3y/M",
    }
}

/// The link from a row of a table of units to the unit.
fn drill(options: &DashboardOptions) -> Value {
    let texts = BoardTexts::new(options);
    let title = options.text("Xu hướng của", "Trends of");
    let link = json!([{
        "title": format!("{title} ${{__data.fields[\"{}\"]}}", texts.unit),
        "url": format!(
            "/d/egov-unit?var-unit=${{__data.fields[\"{}\"]}}&${{month:queryparam}}&\
            ${{__url_time_range}}",
            texts.unit_code
        ),
    }]);
    override_of(&texts.unit, &[("links", link)])
}

/// The units directly below, compared by one measure.
pub(super) fn ranking(options: &DashboardOptions) -> BoardContent {
    let texts = BoardTexts::new(options);
    let below =
        |suffix: &str| format!("max by (unit, unit_name) ({} @ $at)", children("measure", suffix));
    let percent = || texts.percentages().into_iter().take(1).collect::<Vec<_>>();
    let extreme = |title: String, function: &str| {
        let expr = signed(
            &format!("{function}(1, {} @ $at)", children("measure", "")),
            "measure",
            " @ $at",
        );
        let shown = stat(&title, instant(options, expr, "{{unit_name}} {{sign}}"), (8, 4));
        merged(shown, overrides(percent()))
    };
    let pairs = ["", "_mom_delta", "_yoy_delta", "_target", "_attainment"]
        .map(|suffix| (below(suffix), String::new()));
    let columns = [
        ("Time", String::new()),
        ("unit_name", texts.unit.clone()),
        ("unit", texts.unit_code.clone()),
        ("Value #A", texts.value.clone()),
        ("Value #B", texts.before.clone()),
        ("Value #C", texts.year_before.clone()),
        ("Value #D", texts.target.clone()),
        ("Value #E", texts.attainment.clone()),
    ];
    let units_title =
        options.text("Đơn vị trực thuộc: ${measure:text}", "Units below: ${measure:text}");
    let ranked = merged(
        table(
            &units_title,
            asked(options, QueryForm::Table, pairs.to_vec()),
            (14, 12),
            &columns,
            &[("Value #A", true)],
        ),
        overrides(vec![drill(options), texts.reached()]),
    );
    let bars = json!({
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": true,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        "legend": {
            "calcs": [],
            "displayMode": "list",
            "placement": "bottom",
            "showLegend": false,
        },
    });
    let reached = panel(
        "bargauge",
        &options.text("Mức đạt mục tiêu (%)", "Attainment (%)"),
        instant(options, format!("sort_desc({})", below("_attainment")), "{{unit_name}}"),
        (10, 12),
        bars,
    );
    let no_target = options.text("Chỉ số không có mục tiêu", "The measure has no target");
    let reached = merged(
        reached,
        defaults(json!({
            "unit": PERCENT, "decimals": 1, "thresholds": attained(), "noValue": no_target,
        })),
    );
    let over_time = |title: String, suffix: &str, height: u32| {
        let expr = signed(&children("measure", suffix), "measure", "");
        let pairs = vec![(expr, "{{unit_name}} {{sign}}".to_owned())];
        merged(
            series(&title, asked(options, QueryForm::Range, pairs), (24, height)),
            overrides(percent()),
        )
    };
    let highest = options.text("Cao nhất", "Highest");
    let lowest = options.text("Thấp nhất", "Lowest");
    let order = options.text(
        " Xếp theo giá trị từ cao xuống thấp. Thứ hạng chính thức (có đồng hạng và hạng kỳ \
        trước) có ở trang dùng nguồn Infinity.",
        " Sorted by value, highest first. The official ranks (with ties and the ranks before) \
        are on the dashboard of the Infinity source.",
    );
    BoardContent {
        description: texts.note.clone() + &order,
        panels: vec![
            chosen(options, (8, 4)),
            extreme(highest, "topk"),
            extreme(lowest, "bottomk"),
            describe(merged(ranked, defaults(json!({ "decimals": 2 }))), &texts.targets),
            reached,
            over_time(
                options.text("Diễn biến của các đơn vị trực thuộc", "Trends of the units below"),
                "",
                10,
            ),
            over_time(
                options.text("Thay đổi so với tháng trước", "Change on the month before"),
                "_mom_delta",
                8,
            ),
        ],
        variables: vec![units(options), months(options), at(options), one_headline(options)],
        annotations: vec![merged_units(options)],
        from: "now-3y/M",
    }
}

/// The headline measures of one unit of any level over time, a row for each.
pub(super) fn unit(options: &DashboardOptions) -> BoardContent {
    let texts = BoardTexts::new(options);
    let [complete, late_units] = completeness(options);
    let sign = |suffix: &str, legend: String| -> LegendQuery {
        let shown = format!("{legend} {{{{sign}}}}");
        (signed(&own("headline", suffix), "headline", ""), shown)
    };
    let changes = vec![
        sign("_mom_delta", options.text("Tất cả", "All")),
        sign("_mom_like_for_like_delta", options.text("Cùng đơn vị báo cáo", "Same units")),
    ];
    let changes = series(
        &options.text("Thay đổi so với tháng trước", "Change on the month before"),
        asked(options, QueryForm::Range, changes),
        (8, 8),
    );
    let points = override_of(".* %", &[("unit", json!(texts.points)), ("decimals", json!(2))]);
    let same_units = options.text(
        "“Cùng đơn vị báo cáo”: chỉ tính các đơn vị có số liệu ở cả hai tháng.",
        "“Same units”: only units with figures in both months.",
    );
    let to_date = vec![sign("_ytd", options.text("Lũy kế từ đầu năm", "Year to date"))];
    let to_date = series(
        &options.text("Lũy kế từ đầu năm", "Year to date"),
        asked(options, QueryForm::Range, to_date),
        (6, 8),
    );
    let percent = texts.percentages().into_iter().take(1).collect();
    let name = name_label(options);
    let covered = format!(
        "max by (metric) (label_replace({}, \"metric\", \"$1\", \"__name__\", \
        \"(.+)_coverage\")) * on (metric) group_left ({name}) egov_measure_info",
        own_of_all("headline", "_coverage")
    );
    let covered = series(
        &options.text("Mức bao phủ", "Coverage"),
        asked(options, QueryForm::Range, vec![(covered, format!("{{{{{name}}}}}"))]),
        (24, 9),
    );
    let share = json!({ "unit": "percentunit", "decimals": 0, "min": 0, "max": 1 });
    BoardContent {
        description: texts.note.clone(),
        panels: vec![
            chosen(options, (6, 4)),
            complete,
            late_units,
            contradictions(options, "", (6, 4)),
            merged(covered, defaults(share)),
            row("${headline:text}", Some("headline")),
            trend(options, "headline", &options.text("Diễn biến", "Trend"), (10, 8)),
            describe(merged(changes, overrides(vec![points])), &same_units),
            merged(to_date, overrides(percent)),
        ],
        variables: vec![units(options), months(options), at(options), headlines(options)],
        annotations: vec![found(options), late(options), merged_units(options)],
        from: "now-3y/M",
    }
}

/// Completeness, lateness and contradictions.
pub(super) fn quality(options: &DashboardOptions) -> BoardContent {
    let texts = BoardTexts::new(options);
    let [complete, late_units] = completeness(options);
    let below = |metric: &str| format!("max by (unit, unit_name) ({metric} @ $at)");
    // The 350 days before the first day of a month, with both edges, contain twelve first days.
    let year =
        "sum by (rule) (sum_over_time(egov_findings{unit=\"$unit\"}[350d] @ $at))".to_owned();
    let year = stat(
        &options.text("Mâu thuẫn trong 12 tháng", "Contradictions in 12 months"),
        instant(options, year, "{{rule}}"),
        (6, 4),
    );
    let description = options.text(
        "Số mâu thuẫn theo từng quy tắc trong 12 tháng tính đến tháng đang xem.",
        "Contradictions by rule in the 12 months up to the month shown.",
    );
    let both = |title: String, metric: &str, unit: &str| {
        let pairs =
            [format!("{metric}{{unit=\"$unit\"}}"), format!("{metric}{{parent=\"$unit\"}}")]
                .map(|expr| (expr, "{{unit_name}}".to_owned()));
        let shown = series(&title, asked(options, QueryForm::Range, pairs.to_vec()), (12, 8));
        merged(shown, defaults(json!({ "unit": unit })))
    };
    let by_rule = |title: String, by: &str, which: &str, legend: &str| {
        let expr = format!("sum by ({by}) (egov_findings{{{which}=\"$unit\"}})");
        let pairs = vec![(expr, legend.to_owned())];
        series(&title, asked(options, QueryForm::Range, pairs), (12, 8))
    };
    let pairs = [
        below("egov_completeness_percent{parent=\"$unit\"}"),
        below("egov_late_units{parent=\"$unit\"}"),
        below(&children("measure", "_coverage")),
    ]
    .map(|expr| (expr, String::new()));
    let percent = options.text("Mức đầy đủ (%)", "Completeness (%)");
    let late_title = options.text("Đơn vị trễ hoặc thiếu", "Late or missing units");
    let covered = options.text("Mức bao phủ", "Coverage");
    let columns = [
        ("Time", String::new()),
        ("unit_name", texts.unit.clone()),
        ("unit", texts.unit_code.clone()),
        ("Value #A", percent.clone()),
        ("Value #B", late_title.clone()),
        ("Value #C", covered.clone()),
    ];
    let colored = ("custom.cellOptions", json!({ "type": "color-text" }));
    let literal = |name: &str| name.replace('(', "\\(").replace(')', "\\)");
    let rows = table(
        &options.text(
            "Đơn vị trực thuộc trong tháng; mức bao phủ: ${measure:text}",
            "Units below in the month; coverage: ${measure:text}",
        ),
        asked(options, QueryForm::Table, pairs.to_vec()),
        (24, 10),
        &columns,
        &[],
    );
    let rows = merged(
        rows,
        overrides(vec![
            drill(options),
            override_of(
                &literal(&percent),
                &[
                    ("unit", json!(PERCENT)),
                    ("decimals", json!(1)),
                    ("thresholds", attained()),
                    colored.clone(),
                ],
            ),
            override_of(&late_title, &[("thresholds", few()), colored]),
            override_of(&covered, &[("unit", json!("percentunit")), ("decimals", json!(1))]),
        ]),
    );
    let more = options.text(
        " Mức đầy đủ và báo cáo trễ tính cho đơn vị và mọi đơn vị cấp dưới.",
        " Completeness and late reports are those of the unit and all units below it.",
    );
    let none = json!({ "thresholds": few(), "noValue": "0" });
    BoardContent {
        description: texts.note + &more,
        panels: vec![
            chosen(options, (6, 4)),
            complete,
            late_units,
            describe(merged(year, defaults(none)), &description),
            both(options.text("Mức đầy đủ", "Completeness"), "egov_completeness_percent", PERCENT),
            both(
                options.text("Đơn vị báo cáo trễ hoặc thiếu", "Units with late or missing reports"),
                "egov_late_units",
                COUNT,
            ),
            by_rule(
                options.text("Mâu thuẫn số liệu theo quy tắc", "Contradictions by rule"),
                "rule, severity",
                "unit",
                "{{rule}} ({{severity}})",
            ),
            by_rule(
                options.text(
                    "Mâu thuẫn của các đơn vị trực thuộc",
                    "Contradictions of the units below",
                ),
                "unit_name, rule",
                "parent",
                "{{unit_name}}: {{rule}}",
            ),
            rows,
        ],
        variables: vec![units(options), months(options), at(options), one_headline(options)],
        annotations: vec![found(options), late(options), merged_units(options)],
        from: "now-3y/M",
    }
}
