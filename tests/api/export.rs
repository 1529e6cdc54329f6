//! `GET /export`: a package with names, the table alone, and SDMX-CSV.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};

use actix_web::web::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};

use crate::harness::{Reply, Server, figure};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RECEIVED: &str = "igate.dossiers.received";

/// A province with two communes, one of which has a name like a formula.
fn province() -> Server {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p", "kind": "province", "name": { "vi": "Tỉnh P", "en": "Province P" } },
        { "code": "p.a", "kind": "commune", "parent": "p",
          "name": { "vi": "Xã \"A\", phía bắc", "en": "=A1" }, "valid_from": "2020-01-01" },
        { "code": "p.b", "kind": "commune", "parent": "p" },
    ]));
    server.record("p.a", &[(OUTGOING, "2021-01", 10), (OUTGOING, "2021-02", 12)]);
    server.record("p.b", &[(OUTGOING, "2021-02", 30), (SIGNED, "2021-02", 15)]);
    server.record("p.a", &[(SIGNED, "2021-02", 6)]);
    let online = json!({ "indicator": RECEIVED, "unit": "p.a", "period": "2021-03",
                         "dimensions": { "channel": "online" }, "value": 7 });
    let rate = figure("ioffice.documents.signed_rate", "p.b", "2021-03", "78.950");
    server.post(&json!({ "observations": [online, rate] })).expect(201);
    server
}

/// The files of a package.
fn files(reply: &Reply) -> BTreeMap<String, String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(reply.body.clone())).unwrap();
    let mut found = BTreeMap::new();
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        found.insert(file.name().unwrap().into_owned(), text);
    }
    found
}

/// The rows of a table in CSV by the names of their columns.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn the_package_has_figures_names_and_their_description() {
    let server = province();
    let reply = server.get("export");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/zip");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"figures.zip\"");
    assert_eq!(reply.header("egov-kpi-revision"), server.revision().to_string());
    let files = files(&reply);
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(names, ["datapackage.json", "figures.csv", "measures.csv", "units.csv"]);
    // Every value is that of a series, and every unit and measure has a name
    let (units, measures) = (rows(&files["units.csv"]), rows(&files["measures.csv"]));
    let figures = rows(&files["figures.csv"]);
    for row in &figures {
        assert!(units.iter().any(|unit| unit["unit"] == row["unit"]), "{row:?}");
        assert!(measures.iter().any(|measure| measure["measure"] == row["measure"]), "{row:?}");
        if !row["value"].is_empty() {
            let point = server.point(&row["measure"], &row["unit"], &row["period"]);
            let value: Value = row["value"].parse().unwrap();
            assert_eq!(point["value"].as_f64(), value.as_f64(), "{row:?}");
        }
    }
    let unit = units.iter().find(|unit| unit["unit"] == "p.a").unwrap();
    assert_eq!(unit["name_vi"], "Xã \"A\", phía bắc");
    assert_eq!((unit["name_en"].as_str(), unit["parent"].as_str()), ("'=A1", "p"));
    assert_eq!(
        (unit["valid_from"].as_str(), unit["unit_kind"].as_str()),
        ("2020-01-01", "commune")
    );
    let measure = |code: &str| measures.iter().find(|row| row["measure"] == code).unwrap();
    let online = measure("igate.dossiers.received{channel=online}");
    assert_eq!(online["name_en"], "Dossiers received: Online");
    assert_eq!((online["code"].as_str(), online["members"].as_str()), (RECEIVED, "channel=online"));
    assert_eq!((online["measure_kind"].as_str(), online["decimals"].as_str()), ("flow", "0"));
    let rate = measure("ioffice.documents.signed_rate");
    assert_eq!(rate["formula"], "ioffice.documents.signed / ioffice.documents.outgoing");
    assert_eq!((rate["direction"].as_str(), rate["decimals"].as_str()), ("higher", ""));
    // The description names each file with all its columns
    let package: Value = serde_json::from_str(&files["datapackage.json"]).unwrap();
    assert_eq!(package["revision"], server.revision());
    for resource in package["resources"].as_array().unwrap() {
        let file = &files[resource["path"].as_str().unwrap()];
        let fields = resource["schema"]["fields"].as_array().unwrap();
        let names: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        assert_eq!(file.lines().next(), Some(names.join(",").as_str()));
        if let Some(count) = resource["rows"].as_u64() {
            assert_eq!(usize::try_from(count).unwrap(), figures.len());
        }
    }
    assert_eq!(server.get("export").header("content-encoding"), "");
    let keys = &package["resources"][0]["schema"]["foreignKeys"];
    assert_eq!(keys[0]["reference"], json!({ "resource": "units", "fields": "unit" }));
}

#[test]
fn an_export_has_what_is_chosen() {
    let server = province();
    let chosen = |query: &str| -> Vec<(String, String, String, String)> {
        let reply = server.get(&format!("export?format=csv&{query}"));
        assert_eq!(reply.status, 200, "{query}: {}", reply.text());
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let row = |row: BTreeMap<String, String>| {
            let cell = |column: &str| row[column].clone();
            (cell("unit"), cell("measure"), cell("period"), cell("value"))
        };
        rows(&reply.text()).into_iter().map(row).collect()
    };
    let is = |rows: Vec<(String, String, String, String)>, expected: &[[&str; 3]]| {
        let rows: Vec<[&str; 3]> =
            rows.iter().map(|(unit, _, period, value)| [&**unit, &**period, &**value]).collect();
        assert_eq!(rows, expected);
    };
    let all = [
        ["p", "2021-01", "10"],
        ["p", "2021-02", "42"],
        ["p.a", "2021-01", "10"],
        ["p.a", "2021-02", "12"],
        ["p.b", "2021-02", "30"],
    ];
    let outgoing = format!("measure={OUTGOING}");
    is(chosen(&format!("{outgoing}&unit=p")), &all);
    is(chosen(&format!("{outgoing}&unit=p.a")), &all[2..4]);
    is(chosen(&format!("{outgoing}&unit=p&from=2021-02")), &[all[1], all[3], all[4]]);
    is(chosen(&format!("{outgoing}&unit=p&to=2021-01")), &[all[0], all[2]]);
    is(chosen(&format!("{outgoing}&unit=p&from=2022&to=2022")), &[]);
    // Measures in the order of the query; members by `*`
    let two = chosen(&format!("measure={SIGNED}&measure={OUTGOING}&unit=p.b"));
    let two: Vec<&str> = two.iter().map(|(_, measure, ..)| measure.as_str()).collect();
    assert_eq!(two, [SIGNED, OUTGOING]);
    // A measure that is named twice has its rows once
    is(chosen(&format!("{outgoing}&{outgoing}&unit=p.a")), &all[2..4]);
    let split = chosen(&format!("measure={RECEIVED}&dimensions=channel:*&unit=p"));
    assert_eq!(split.len(), 2);
    assert!(split.iter().all(|(_, measure, ..)| measure.ends_with("{channel=online}")));
    // A past state
    let before = server.revision();
    server.record("p.a", &[(OUTGOING, "2021-01", 99)]);
    is(chosen(&format!("{outgoing}&unit=p.a&to=2021-01")), &[["p.a", "2021-01", "99"]]);
    is(
        chosen(&format!("{outgoing}&unit=p.a&to=2021-01&as_of={before}")),
        &[["p.a", "2021-01", "10"]],
    );
}

/// A cell of a Parquet file as the CSV has it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the table has no other types")]
fn csv_cell(cell: &Field) -> String {
    match cell {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Double(number) => number.to_string(),
        Field::Date(days) => {
            let day = chrono::DateTime::from_timestamp(i64::from(*days) * 86_400, 0).unwrap();
            day.format("%Y-%m").to_string()
        }
        other => panic!("unexpected {other:?}"),
    }
}

#[test]
fn a_parquet_file_has_the_cells_of_the_csv() {
    let server = province();
    let reply = server.get("export?format=parquet&unit=p");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"figures.parquet\"");
    let file = SerializedFileReader::new(Bytes::from(reply.body)).unwrap();
    let about = file.metadata().file_metadata();
    let revision = about.key_value_metadata().unwrap().iter().find(|pair| pair.key == "revision");
    assert_eq!(revision.unwrap().value, Some(server.revision().to_string()));
    let (mut found, mut kinds) = (Vec::new(), BTreeSet::new());
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let cell = |(name, cell): (&String, &Field)| {
            let kind = if matches!(cell, Field::Double(_)) {
                "number"
            } else if matches!(cell, Field::Date(_)) {
                "date"
            } else {
                "text"
            };
            if *cell != Field::Null {
                kinds.insert((name.clone(), kind));
            }
            (name.clone(), csv_cell(cell))
        };
        found.push(row.get_column_iter().map(cell).collect::<BTreeMap<_, _>>());
    }
    let mut expected = rows(&server.get("export?format=csv&unit=p").text());
    for row in &mut expected {
        // The CSV has digits as they were printed, and shares with a point.
        for column in ["stated", "coverage", "like_for_like_coverage"] {
            let cell = row.get_mut(column).unwrap();
            if let Ok(number) = cell.parse::<f64>() {
                *cell = number.to_string();
            }
        }
    }
    assert!(expected.len() > 10, "{expected:?}");
    assert_eq!(found, expected);
    for (column, kind) in [("value", "number"), ("period", "date"), ("measure", "text")] {
        assert!(kinds.contains(&(column.to_owned(), kind)), "{kinds:?}");
    }
    let head = server.send("HEAD", "export?format=parquet", &[], None);
    assert_eq!((head.status, head.text()), (200, String::new()));
    // A selection without rows is a file without rows.
    let none = server.get("export?format=parquet&unit=p&from=2030&to=2030");
    let file = SerializedFileReader::new(Bytes::from(none.body)).unwrap();
    assert_eq!(file.metadata().file_metadata().num_rows(), 0);
}

#[test]
fn sdmx_csv_has_a_column_for_each_dimension() {
    let server = province();
    let query = format!("measure={RECEIVED}{{channel=*}}&measure=ioffice.documents.signed_rate");
    let query = query.replace('{', "%7B").replace('}', "%7D");
    let reply = server.get(&format!("export?format=sdmx-csv&unit=p&{query}"));
    assert_eq!(
        reply.header("content-type"),
        "application/vnd.sdmx.data+csv; version=2.0.0; charset=utf-8"
    );
    let text = reply.text();
    assert!(
        text.starts_with(
            "STRUCTURE,STRUCTURE_ID,ACTION,FREQ,REF_AREA,INDICATOR,TIME_PERIOD,CHANNEL,\
             GOVERNMENT_LEVEL,"
        ),
        "{text}"
    );
    let found = rows(&text);
    let row = |unit: &str, period: &str, indicator: &str| {
        let is = |row: &&BTreeMap<String, String>| {
            row["REF_AREA"] == unit && row["TIME_PERIOD"] == period && row["INDICATOR"] == indicator
        };
        found.iter().find(is).unwrap_or_else(|| panic!("{unit} {period} in {text}"))
    };
    let online = row("p.a", "2021-03", RECEIVED);
    for (column, cell) in [
        ("STRUCTURE", "dataflow"),
        ("STRUCTURE_ID", "EGOV_KPI:FIGURES(1.0)"),
        ("ACTION", "I"),
        ("FREQ", "M"),
        ("CHANNEL", "online"),
        ("SERVICE_LEVEL", "_T"),
        ("TOKEN", "_Z"),
        ("OBS_VALUE", "7"),
        ("UNIT_MEASURE", "count"),
        ("OBS_STATUS", "A"),
        ("COVERAGE", "1"),
        ("ORIGIN", "stated"),
    ] {
        assert_eq!(online[column], cell, "{column}");
    }
    // Half of the communes have reported: provisional
    assert_eq!(row("p", "2021-03", RECEIVED)["OBS_STATUS"], "P");
    // 21 of 42; a rate that is only stated is a missing observation
    let rate = "ioffice.documents.signed_rate";
    assert_eq!(row("p", "2021-02", rate)["OBS_VALUE"], "50");
    let stated = row("p.b", "2021-03", rate);
    assert_eq!((stated["OBS_VALUE"].as_str(), stated["OBS_STATUS"].as_str()), ("", "O"));
    assert_eq!(stated["STATED_VALUE"], "78.950");
}

#[test]
fn an_export_has_an_entity_tag_and_strict_parameters() {
    let server = province();
    let tag = server.get("export").header("etag").to_owned();
    assert_ne!(tag, server.get("export?format=csv").header("etag"));
    let known = server.send("GET", "export", &[("If-None-Match", &tag)], None);
    assert_eq!(known.status, 304);
    // HEAD has the headers of GET, and writes no file: more of them than exports at a time.
    for _ in 0..20 {
        let head = server.send("HEAD", "export", &[], None);
        assert_eq!((head.status, head.header("etag"), head.text()), (200, &*tag, String::new()));
        assert_eq!(head.header("content-type"), "application/zip");
    }
    assert_eq!(server.send("HEAD", "export?unit=nowhere", &[], None).status, 404);
    for (query, expected) in [
        ("format=avro", "/format malformed"),
        ("from=2021-02&to=2021-01", "/to dates_reversed"),
        ("measure=none", "/measure unknown_measure"),
        ("dimensions=channel:*", "/measure missing"),
        ("last=3", "/last unknown_parameter"),
        ("from=x", "/from malformed"),
    ] {
        assert_eq!(server.get(&format!("export?{query}")).faults(422), [expected], "{query}");
    }
    assert_eq!(server.get("export?unit=nowhere").status, 404);
}
