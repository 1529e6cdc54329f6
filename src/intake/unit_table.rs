//! Units as CSV, with the columns of `GET /units` (docs/specification.md#changing-units).

use serde_json::{Map, Value, json};

use super::utf16::Utf8Source;
use kpi::fault::{Fault, quoted};
use kpi::unit::{OfficialCode, UnitDocument};

/// The columns of units. Only `code` is required; an absent column means the default.
pub const COLUMNS: [&str; 11] = [
    "code",
    "kind",
    "name_vi",
    "name_en",
    "parent",
    "valid_from",
    "valid_to",
    "successors",
    "shares",
    "official_codes",
    "labels",
];

/// Longest CSV of units, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Reads units from CSV.
///
/// # Errors
/// All errors, with line and column.
pub fn read(csv: impl std::io::Read) -> Result<Vec<UnitDocument>, Vec<Fault>> {
    let unreadable = |line, detail: String| vec![at(line, None, "unreadable", detail)];
    let mut text = Vec::new();
    let mut source = std::io::Read::take(Utf8Source::new(csv), MAX_BYTES + 1);
    std::io::Read::read_to_end(&mut source, &mut text)
        .map_err(|error| unreadable(1, error.to_string()))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(unreadable(1, format!("the file is longer than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(super::utf16::without_mark(&text)).map_err(|_binary| {
        let detail = "the file is not UTF-8; save it as \"CSV UTF-8\"".to_owned();
        vec![at(1, None, "not_utf8", detail)]
    })?;
    let first = text.lines().next().unwrap_or_default();
    let count = |wanted: char| first.matches(wanted).count();
    let delimiter = if count(';') > count(',') {
        b';'
    } else if count('\t') > count(',') {
        b'\t'
    } else {
        b','
    };
    if text.matches('"').count() % 2 == 1 {
        let line = text.lines().count();
        let line = u64::try_from(line).unwrap_or(u64::MAX);
        return Err(vec![at(line, None, "unclosed_quote", "a quote is not closed".to_owned())]);
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| unreadable(1, error.to_string()))?.clone();
    let (columns, mut faults) = columns(&header);
    let mut units = Vec::new();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, csv::Position::line);
                faults.push(at(line, None, "unreadable", error.to_string()));
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let at_end = record.position().is_some_and(|place| {
            usize::try_from(place.byte())
                .is_ok_and(|from| text.get(from..).is_some_and(|rest| !rest.contains(['\n', '\r'])))
        });
        if at_end && record.len() < header.len() {
            let detail = "the row has fewer cells than the header, and the file ends in it; it \
                          may have been cut off";
            faults.push(at(line, None, "ragged_row", detail.to_owned()));
            break;
        }
        match unit(&record, &columns) {
            Ok(None) => {}
            Ok(Some(value)) => match serde_path_to_error::deserialize(value) {
                Ok(unit) => units.push(unit),
                Err(error) => {
                    let pointer = format!("/units/{}", units.len());
                    let fault = Fault::of_shape(&pointer, &error);
                    faults.push(Fault { line: Some(line), ..fault });
                }
            },
            Err((column, detail)) => faults.push(at(line, Some(column), "malformed", detail)),
        }
    }
    if faults.is_empty() { Ok(units) } else { Err(faults) }
}

fn at(line: u64, column: Option<&str>, code: &'static str, detail: String) -> Fault {
    Fault {
        line: Some(line),
        column: column.map(ToOwned::to_owned),
        ..Fault::new("", code, detail)
    }
}

/// The known column at each place of the header, and the errors of the header.
fn columns(header: &csv::StringRecord) -> (Vec<Option<&'static str>>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut found: Vec<Option<&'static str>> = Vec::new();
    for name in header {
        let lower = name.to_lowercase();
        let column = COLUMNS.into_iter().find(|column| *column == lower);
        if column.is_some() && found.contains(&column) {
            let detail = format!("the column {} is a duplicate", quoted(name));
            faults.push(at(1, None, "duplicate", detail));
        } else if column.is_none() && !name.is_empty() {
            let detail =
                format!("{} is not a column of units: {}", quoted(name), COLUMNS.join(", "));
            faults.push(at(1, None, "unknown_column", detail));
        }
        found.push(column);
    }
    if !found.contains(&Some("code")) {
        faults.push(at(1, None, "missing", "the column code is missing".to_owned()));
    }
    (found, faults)
}

/// A row as a unit in JSON, `None` for an empty row; or the column that is malformed, and why.
fn unit(
    record: &csv::StringRecord,
    columns: &[Option<&'static str>],
) -> Result<Option<Value>, (&'static str, String)> {
    let (mut unit, mut name) = (Map::new(), Map::new());
    for (cell, column) in record.iter().zip(columns) {
        // The export writes an apostrophe before what a spreadsheet would take for a formula.
        let cell = match cell.strip_prefix('\'') {
            Some(rest) if rest.starts_with(['=', '+', '-', '@']) => rest,
            _ => cell,
        };
        let Some(column) = *column else { continue };
        if cell.is_empty() {
            continue;
        }
        let value = match column {
            "name_vi" | "name_en" => {
                name.insert(column.trim_start_matches("name_").to_owned(), json!(cell));
                continue;
            }
            "successors" => json!(list(cell)),
            "labels" => json!(labels(cell)),
            "shares" => shares(cell).map_err(|detail| (column, detail))?,
            "official_codes" => json!(official_codes(cell).map_err(|detail| (column, detail))?),
            _ => json!(cell),
        };
        unit.insert(column.to_owned(), value);
    }
    if unit.is_empty() && name.is_empty() {
        return Ok(None);
    }
    if !name.is_empty() {
        unit.insert("name".to_owned(), Value::Object(name));
    }
    Ok(Some(Value::Object(unit)))
}

fn list(cell: &str) -> Vec<String> {
    cell.split(';').map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect()
}

/// Labels, separated by semicolons or as a JSON list.
fn labels(cell: &str) -> Vec<String> {
    serde_json::from_str(cell).unwrap_or_else(|_plain| list(cell))
}

fn shares(cell: &str) -> Result<Value, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((code, share)) => Ok((code.trim().to_owned(), json!(share.trim()))),
        None => Err(format!("{} is not of the form unit=share", quoted(text))),
    };
    list(cell).iter().map(pair).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// Official codes: `scheme:code from..to`, separated by semicolons, or a JSON list.
fn official_codes(cell: &str) -> Result<Vec<OfficialCode>, String> {
    if cell.starts_with('[') {
        return serde_json::from_str(cell)
            .map_err(|_json| "the official codes are not a JSON list of codes".to_owned());
    }
    list(cell).iter().map(|text| official_code(text)).collect()
}

fn official_code(text: &str) -> Result<OfficialCode, String> {
    let (named, span) = text.split_once(' ').map_or((text, ".."), |(code, span)| (code, span));
    let (scheme, code) = named.split_once(':').unwrap_or(("", named));
    let malformed =
        || format!("{} is not of the form scheme:code 2020-01-01..2025-06-30", quoted(text));
    let (from, to) = span.trim().split_once("..").ok_or_else(malformed)?;
    let day = |text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_no_day| malformed()),
    };
    Ok(OfficialCode {
        code: code.to_owned(),
        scheme: scheme.to_owned(),
        valid_from: day(from)?,
        valid_to: day(to)?,
    })
}

/// The cell of official codes, which [`read`] reads again.
#[must_use]
pub fn official_codes_cell(codes: &[OfficialCode]) -> String {
    let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    let text = |code: &OfficialCode| {
        let scheme =
            if code.scheme.is_empty() { String::new() } else { format!("{}:", code.scheme) };
        let span = if code.valid_from.is_none() && code.valid_to.is_none() {
            String::new()
        } else {
            format!(" {}..{}", day(code.valid_from), day(code.valid_to))
        };
        format!("{scheme}{}{span}", code.code)
    };
    let plain = codes.iter().map(text).collect::<Vec<_>>().join("; ");
    if official_codes(&plain).is_ok_and(|read| read == codes) { plain } else { as_json(&codes) }
}

/// The cell of labels, which [`read`] reads again.
#[must_use]
pub fn labels_cell(found: &[String]) -> String {
    let plain = found.join("; ");
    if labels(&plain) == found { plain } else { as_json(&found) }
}

fn as_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_codes_and_labels_come_back_as_they_were() {
        let code = |code: &str, scheme: &str, from: Option<&str>| OfficialCode {
            code: code.to_owned(),
            scheme: scheme.to_owned(),
            valid_from: from.map(|day| day.parse().unwrap()),
            valid_to: None,
        };
        for codes in [
            vec![],
            vec![code("84", "", None)],
            vec![code("84", "gso", Some("2020-01-01")), code("000.00.00.H59", "eid", None)],
            vec![code("a; b", "", None)],
            vec![code("a:b", "", Some("2020-01-01"))],
            vec![code("", "gso", None)],
        ] {
            let cell = official_codes_cell(&codes);
            assert_eq!(official_codes(&cell).unwrap(), codes, "{cell}");
        }
        for labels in [&[][..], &["Sở Y tế".to_owned()], &["a; b".to_owned(), "c".to_owned()]] {
            assert_eq!(super::labels(&labels_cell(labels)), labels);
        }
    }

    #[test]
    fn every_error_of_a_table_of_units_has_its_line() {
        let places = |text: &str| {
            let faults = read(text.as_bytes()).unwrap_err();
            faults.into_iter().map(|fault| (fault.line.unwrap(), fault.code)).collect::<Vec<_>>()
        };
        assert_eq!(places("kind\nprovince\n"), [(1, "missing"), (2, "malformed")]);
        assert_eq!(places("code,colour\na,red\n"), [(1, "unknown_column")]);
        assert_eq!(
            places("code;kind;valid_from;shares\na;x;;\nb;;2020-13-01;\nc;;;1\n"),
            [(2, "malformed"), (3, "malformed"), (4, "malformed")]
        );
        let units =
            read("\u{feff}code;name_vi;parent\r\nx;Sở Y tế;p\r\n;;\r\n".as_bytes()).unwrap();
        assert_eq!((units.len(), units[0].name.vi.as_str()), (1, "Sở Y tế"));
    }
}
