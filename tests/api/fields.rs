//! The fields that a query names, and the comparisons that are given on request.

use serde_json::{Value, json};

use crate::harness::{Server, query};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";

/// A province with two communes, and figures of January to March of two years. In March 2021 only
/// `p.a` has reported.
fn province() -> Server {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p", "name": { "vi": "Tỉnh P", "en": "Province P" } },
        { "code": "p.a", "parent": "p", "name": { "vi": "Xã A", "en": "" } },
        { "code": "p.b", "parent": "p" },
    ]));
    for (unit, months) in [
        ("p.a", &[("2020-01", 10), ("2020-02", 20), ("2020-03", 30)][..]),
        ("p.a", &[("2021-01", 11), ("2021-02", 22), ("2021-03", 33)]),
        ("p.b", &[("2020-01", 100), ("2020-02", 200), ("2020-03", 300)]),
        ("p.b", &[("2021-01", 110), ("2021-02", 220)]),
    ] {
        let outgoing: Vec<_> = months.iter().map(|(month, n)| (OUTGOING, *month, n * 2)).collect();
        let signed: Vec<_> = months.iter().map(|(month, n)| (SIGNED, *month, *n)).collect();
        server.record(unit, &[outgoing, signed].concat());
    }
    server
}

/// A series of one month, and further parameters.
fn of<'p>(
    measure: &'p str,
    unit: &'p str,
    month: &'p str,
    more: &[(&'p str, &'p str)],
) -> Vec<(&'p str, &'p str)> {
    [&[("measure", measure), ("unit", unit), ("from", month), ("to", month)][..], more].concat()
}

#[track_caller]
fn point(server: &Server, parameters: &[(&str, &str)]) -> Value {
    server.series(parameters).expect(200)["series"][0]["points"][0].clone()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The columns and rows of a table in CSV.
fn table(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn only_the_named_fields_are_sent_and_a_number_brings_its_reason() {
    let server = province();
    let fields = ("fields", "delta,value, coverage,year_to_date_reason");
    let found = point(&server, &of(OUTGOING, "p", "2021-03", &[fields]));
    assert_eq!(
        found,
        json!({ "period": "2021-03", "value": 66, "value_reason": null, "coverage": 0.5,
                "delta": null, "delta_reason": "coverage_changed", "year_to_date_reason": null })
    );
    assert_eq!(
        keys(&found),
        [
            "period",
            "value",
            "value_reason",
            "coverage",
            "delta",
            "delta_reason",
            "year_to_date_reason"
        ]
    );
    let series = server.series(&of(OUTGOING, "p", "2021-03", &[("fields", "period")])).expect(200)
        ["series"][0]
        .clone();
    assert_eq!(
        series,
        json!({ "measure": OUTGOING, "unit": "p", "unit_of_measure": "count", "step": "month",
                "points": [{ "period": "2021-03" }] })
    );
}

#[test]
fn the_comparisons_on_request() {
    let server = province();
    let fields = "previous,year_before,operands,year_to_date_delta,year_to_date_percent";
    let asked = [("fields", fields), ("rolling", "3")];
    // 44 + 440 of February; 60 + 600 of March 2020; 22 + 44 + 66 + 220 + 440 in the quarter
    assert_eq!(
        point(&server, &of(OUTGOING, "p", "2021-03", &asked)),
        json!({ "period": "2021-03", "previous": 484, "previous_reason": null,
                "year_before": 660, "year_before_reason": null, "operands": null,
                "year_to_date_delta": null, "year_to_date_delta_reason": "coverage_changed",
                "year_to_date_percent": null, "year_to_date_percent_reason": "coverage_changed",
                "rolling": 792, "rolling_reason": null, "rolling_coverage": 0.833_333 })
    );
    // 132 - 120 = 12
    assert_eq!(
        point(&server, &of(OUTGOING, "p.a", "2021-03", &asked)),
        json!({ "period": "2021-03", "previous": 44, "previous_reason": null,
                "year_before": 60, "year_before_reason": null, "operands": null,
                "year_to_date_delta": 12, "year_to_date_delta_reason": null,
                "year_to_date_percent": 10, "year_to_date_percent_reason": null,
                "rolling": 132, "rolling_reason": null, "rolling_coverage": 1.0 })
    );
    let rate = point(&server, &of(RATE, "p", "2021-02", &asked));
    assert_eq!(
        rate,
        json!({ "period": "2021-02", "previous": 50, "previous_reason": null,
                "year_before": 50, "year_before_reason": null,
                "operands": { SIGNED: 242, OUTGOING: 484 },
                "year_to_date_delta": 0, "year_to_date_delta_reason": null,
                "year_to_date_percent": null, "year_to_date_percent_reason": "not_applicable",
                "rolling": null, "rolling_reason": "missing", "rolling_coverage": null })
    );
    assert_eq!(keys(&rate["operands"]), [SIGNED, OUTGOING]); // numerator, then denominator
    let before = [("fields", "previous"), ("step", "9m")];
    assert_eq!(
        point(&server, &of(OUTGOING, "p", "2021-03", &before)),
        json!({ "period": "2021-9M", "previous": null, "previous_reason": "not_applicable" })
    );
}

#[test]
fn rolling_is_added_to_the_fields_that_are_always_there() {
    let server = province();
    let without = point(&server, &of(OUTGOING, "p.a", "2021-03", &[]));
    let with = point(&server, &of(OUTGOING, "p.a", "2021-03", &[("rolling", "12")]));
    let added: Vec<&str> =
        keys(&with).into_iter().filter(|key| without.get(*key).is_none()).collect();
    assert_eq!(added, ["rolling", "rolling_reason", "rolling_coverage"]);
    assert_eq!(with["rolling_reason"], "missing");
    assert!(keys(&without).iter().all(|key| with[*key] == without[*key]));
    assert_eq!(keys(&with).last(), Some(&"annotations"));
}

#[test]
fn names_are_in_the_language_of_the_response() {
    let server = province();
    let names = |unit, language| {
        let asked = [("fields", "unit_name,measure_name,value"), ("lang", language)];
        let found = server.series(&of(SIGNED, unit, "2021-03", &asked)).expect(200);
        let series = &found["series"][0];
        assert_eq!(keys(&series["points"][0]), ["period", "value", "value_reason"]);
        (series["unit_name"].clone(), series["measure_name"].clone())
    };
    let measures = server.read("indicators");
    let declared = measures["indicators"].as_array().unwrap().iter();
    let name = declared.clone().find(|measure| measure["code"] == SIGNED).unwrap()["name"].clone();
    assert_ne!(name["vi"], name["en"]);
    assert_eq!(names("p", "vi"), (json!("Tỉnh P"), name["vi"].clone()));
    assert_eq!(names("p", "en"), (json!("Province P"), name["en"].clone()));
    assert_eq!(names("p.a", "en").0, "Xã A"); // there is no English one
    assert_eq!(names("p.b", "vi").0, "p.b");
}

#[test]
fn all_wrong_names_are_reported_in_both_languages() {
    let server = province();
    let wrong = ("fields", "value,rank,no_such,value,operands");
    let answer = server.series(&of(OUTGOING, "p", "2021-03", &[wrong, ("x", "1")])).problem(422);
    let errors: Vec<(&str, &str, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let of = |key: &str| error[key].as_str().unwrap();
            (of("pointer"), of("code"), of("detail_vi"))
        })
        .collect();
    assert_eq!(
        errors,
        [
            ("/fields", "unknown_field", "trường \"rank\" không tồn tại"),
            ("/fields", "unknown_field", "trường \"no_such\" không tồn tại"),
            ("/fields", "duplicate", "value bị lặp lại"),
            ("/x", "unknown_parameter", "tham số \"x\" không tồn tại"),
        ]
    );
}

#[test]
fn rolling_needs_a_number_of_months_and_months() {
    let server = province();
    let faults = |more: &[(&str, &str)]| {
        server.series(&of(OUTGOING, "p", "2021-03", more)).faults(422).join("; ")
    };
    assert_eq!(faults(&[("fields", "rolling")]), "/rolling missing");
    assert_eq!(faults(&[("rolling", "4")]), "/rolling malformed");
    assert_eq!(faults(&[("fields", "rolling"), ("rolling", "4")]), "/rolling malformed");
    assert_eq!(faults(&[("rolling", "3"), ("step", "quarter")]), "/rolling steps_differ");
    let wide = [("measure", OUTGOING), ("parent", "p"), ("period", "2021-Q1"), ("rolling", "3")];
    let answer = server.get(&format!("ranking?{}", query(&wide))).problem(422);
    assert_eq!(answer["errors"][0]["detail_vi"], "rolling chỉ có cho kỳ tháng");
    let wide = [("unit", "p"), ("period", "2021"), ("rolling", "3")];
    assert_eq!(
        server.get(&format!("scorecard?{}", query(&wide))).faults(422),
        ["/rolling steps_differ"]
    );
}

#[test]
fn rows_and_tables_have_a_column_for_each_field() {
    let server = province();
    let fields = ("fields", "operands,value,unit_name");
    let asked = |more: (&'static str, &'static str)| of(RATE, "p.a", "2021-03", &[fields, more]);
    let rows = server.series(&asked(("layout", "rows"))).expect(200);
    assert_eq!(
        rows["rows"],
        json!([{ "measure": RATE, "unit": "p.a", "unit_name": "Xã A", "unit_of_measure": "percent",
                 "step": "month", "period": "2021-03", "value": 50, "value_reason": null,
                 "operands": { SIGNED: 33, OUTGOING: 66 } }])
    );
    let columns = [
        "measure",
        "unit",
        "unit_name",
        "unit_of_measure",
        "step",
        "period",
        "value",
        "value_reason",
        "operands",
    ];
    assert_eq!(keys(&rows["rows"][0]), columns);
    let table = table(&server.series(&asked(("format", "csv"))).text());
    let operands = format!("{SIGNED} = 33; {OUTGOING} = 66");
    assert_eq!(table.len(), 2);
    assert_eq!(table[0], columns);
    assert_eq!(
        table[1],
        [RATE, "p.a", "Xã A", "percent", "month", "2021-03", "50", "", operands.as_str()]
    );
}

#[test]
fn a_ranking_gives_the_fields_that_are_named() {
    let server = province();
    let path = |more: &[(&str, &str)]| {
        let base = [("measure", RATE), ("parent", "p"), ("period", "2021-02")];
        format!("ranking?{}", query(&[&base[..], more].concat()))
    };
    let whole = server.read(&path(&[]));
    assert_eq!(
        keys(&whole["rows"][0]),
        [
            "unit",
            "name",
            "value",
            "value_reason",
            "coverage",
            "delta",
            "delta_reason",
            "rank",
            "previous_rank",
            "target",
            "target_code",
            "attainment",
            "status",
            "provisional",
        ]
    );
    let fields = ("fields", "rank,year_to_date_delta,operands,previous,name");
    let named = server.read(&path(&[fields, ("rolling", "3")]));
    assert_eq!(
        named["rows"][0],
        json!({ "unit": "p.a", "name": { "vi": "Xã A", "en": "" }, "previous": 50,
                "previous_reason": null, "operands": { SIGNED: 22, OUTGOING: 44 },
                "year_to_date_delta": 0, "year_to_date_delta_reason": null,
                "rolling": null, "rolling_reason": "missing", "rolling_coverage": null,
                "rank": 1 })
    );
    let text = server.get(&path(&[("fields", "rank,name,delta"), ("format", "csv")])).text();
    let rows = table(&text);
    assert_eq!(rows[0], ["unit", "name_vi", "name_en", "delta", "delta_reason", "rank"]);
    assert_eq!(rows[1], ["p.a", "Xã A", "", "0", "", "1"]);
    assert_eq!(server.get(&path(&[("fields", "history")])).faults(422), ["/fields unknown_field"]);
}

#[test]
fn a_scorecard_gives_the_fields_that_are_named() {
    let server = province();
    let path = |more: &[(&str, &str)]| {
        format!(
            "scorecard?{}",
            query(&[&[("unit", "p"), ("period", "2021-02")][..], more].concat())
        )
    };
    let row = |found: &Value| {
        let rows = found["rows"].as_array().unwrap().iter();
        rows.clone().find(|row| row["measure"] == RATE).unwrap().clone()
    };
    let fields = ("fields", "value,year_before,operands,status");
    let named = server.read(&path(&[fields]));
    assert_eq!(
        row(&named),
        json!({ "measure": RATE, "value": 50, "value_reason": null, "year_before": 50,
                "year_before_reason": null, "operands": { SIGNED: 242, OUTGOING: 484 },
                "status": row(&server.read(&path(&[])))["status"] })
    );
    let fields = ("fields", "history,value,measure_name");
    let rows = table(&server.get(&path(&[fields, ("format", "csv")])).text());
    assert_eq!(rows[0][..4], ["measure", "measure_name", "value", "value_reason"]);
    assert_eq!(
        (rows[0].len(), rows[0][4].as_str(), rows[0][16].as_str()),
        (17, "2020-02", "2021-02")
    );
    let rate = rows.iter().find(|row| row[0] == RATE).unwrap();
    assert_eq!((rate[2].as_str(), rate[4].as_str(), rate[16].as_str()), ("50", "50", "50"));
}

#[test]
fn a_wide_layout_has_a_row_for_each_series_and_a_column_for_each_period() {
    let server = province();
    let asked = |more: &[(&'static str, &'static str)]| {
        let base = [("measure", OUTGOING), ("descendants_of", "p"), ("layout", "wide")];
        let span = [("from", "2021-01"), ("to", "2021-03")];
        server.series(&[&base[..], &span, more].concat())
    };
    let with = |unit, values: Value| {
        let mut row = json!({ "measure": OUTGOING, "unit": unit, "unit_of_measure": "count" });
        row["step"] = json!("month");
        row.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
        row
    };
    assert_eq!(
        asked(&[]).expect(200)["rows"],
        json!([
            with("p.a", json!({ "2021-01": 22, "2021-02": 44, "2021-03": 66 })),
            with("p.b", json!({ "2021-01": 220, "2021-02": 440, "2021-03": null })),
        ])
    );
    let fields = ("fields", "year_to_date_percent,unit_name");
    let rows = table(&asked(&[fields, ("format", "csv")]).text());
    assert_eq!(
        rows[0],
        [
            "measure",
            "unit",
            "unit_name",
            "unit_of_measure",
            "step",
            "2021-01",
            "2021-02",
            "2021-03"
        ]
    );
    assert_eq!(rows[1], [OUTGOING, "p.a", "Xã A", "count", "month", "10", "10", "10"]);
    assert_eq!(rows[2], [OUTGOING, "p.b", "p.b", "count", "month", "10", "10", ""]);
    assert_eq!(asked(&[("fields", "value,delta")]).faults(422), ["/fields too_many"]);
    assert_eq!(asked(&[("fields", "unit_name")]).faults(422), ["/fields too_many"]);
}
