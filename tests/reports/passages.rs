//! Passages that stand for kinds of mistakes: a year's total below a heading, somebody else's
//! figures, plans, badly written numbers. `passages.csv` has for each the figures that have to be
//! found (`must`) and those that must not be claimed for the month (`never`).

use std::collections::BTreeMap;

use documents::{MediaType, read};
use egov_kpi::intake::report::{FigureRole, title};

use crate::{Shipped, figures, shipped};

/// A row of `passages.csv`.
#[derive(serde::Deserialize)]
struct Passage {
    kind: String,
    head: String,
    unit: String,
    period: String,
    text: String,
    must: String,
    never: String,
}

/// The entries `code=value` or `code{dimension=member}=value` of a cell.
fn wanted(cell: &str) -> Vec<(String, f64)> {
    cell.split(';')
        .filter_map(|entry| {
            let (code, value) = entry.trim().rsplit_once('=')?;
            Some((code.to_owned(), value.parse().ok()?))
        })
        .collect()
}

/// The figures of the month: measure and value.
fn claimed(shipped: &Shipped, passage: &Passage) -> Vec<(String, f64)> {
    let (year, month) = passage.period.split_once('-').unwrap();
    let text = format!(
        "# UBND TỈNH TRÀ VINH\n\n# BÁO CÁO\n\n# Kết quả công tác tháng {} năm {year}\n\n{}",
        month.trim_start_matches('0'),
        passage.text
    );
    let document = read(text.as_bytes(), MediaType::Markdown).unwrap();
    let given = Some((passage.unit.as_str(), passage.period.as_str()));
    let (found, _) = figures(shipped, &document, given, &passage.unit);
    found
        .into_iter()
        .filter(|(row, figure)| figure.role == FigureRole::Figure && row.period == passage.period)
        .map(|(row, _)| (row.measure.to_string(), row.value.to_string().parse().unwrap()))
        .collect()
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9 * one.abs().max(1.0)
}

#[test]
fn each_passage_is_read_as_it_is_meant() {
    let shipped = shipped();
    let mut reader = csv::Reader::from_reader(include_bytes!("passages.csv").as_slice());
    let passages: Vec<Passage> = reader.deserialize().map(Result::unwrap).collect();
    assert!(passages.len() > 90, "{}", passages.len());
    let mut broken = BTreeMap::new();
    for passage in passages.iter().filter(|passage| passage.head == "report") {
        let found = claimed(&shipped, passage);
        let (must, never) = (wanted(&passage.must), wanted(&passage.never));
        let missed = must.iter().filter(|(code, value)| {
            !found.iter().any(|(other, found)| other == code && same(*found, *value))
        });
        // Without members: any members, unless they have to be found.
        let wrong = found.iter().filter(|(code, value)| {
            let bare = code.split('{').next().unwrap();
            let named = never
                .iter()
                .any(|(other, printed)| (other == code || other == bare) && same(*printed, *value));
            named && !must.iter().any(|(other, known)| other == code && same(*known, *value))
        });
        let faults: Vec<String> = missed
            .map(|(code, value)| format!("missed {code}={value}"))
            .chain(wrong.map(|(code, value)| format!("claimed {code}={value}")))
            .collect();
        if !faults.is_empty() {
            broken.insert(format!("{}: {}", passage.kind, passage.text), faults);
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_head_without_month_or_unit_is_asked_about() {
    let shipped = shipped();
    let of = |text: &str| {
        let document = read(text.as_bytes(), MediaType::Markdown).unwrap();
        let period = title::period(&document);
        let month = period.unwrap_or_else(|| "2024-08".parse().unwrap());
        let unit = title::unit(&document, &shipped.lexicon, &shipped.units, month);
        (period.map(|period| period.to_string()), unit.map(|unit| shipped.units.code(unit)))
    };
    let month = Some("2024-08".to_owned());
    let body = "Văn bản đi: 27.316 văn bản.";
    for (text, expected) in [
        (
            format!(
                "UBND TỈNH TRÀ VINH\n\nBÁO CÁO\n\nKết quả công tác\n\n{body} Kế hoạch hoàn thành trước 10/2021."
            ),
            (None, Some("travinh")),
        ),
        (
            format!("UBND TỈNH TRÀ VINH\n\nBÁO CÁO\n\n{body}\n\nNhiệm vụ tháng 9 năm 2024"),
            (None, Some("travinh")),
        ),
        (
            format!(
                "BÁO CÁO\n\nKết quả công tác tháng 8 năm 2024\n\nĐón đoàn của tỉnh Bến Tre. {body}"
            ),
            (month.clone(), None),
        ),
        (
            format!(
                "# Sở Thông tin và Truyền thông\n\nKết quả công tác tháng 8 năm 2024\n\n{body}"
            ),
            (month.clone(), None),
        ),
        (
            format!("# Sở Tài chính\n\nKết quả công tác tháng 8 năm 2024\n\n{body}"),
            (month.clone(), None),
        ),
        (
            format!("# Sở Tài chính tỉnh Trà Vinh\n\nKết quả công tác tháng 8 năm 2024\n\n{body}"),
            (month.clone(), Some("tv.dof")),
        ),
        (
            format!(
                "# Sở Thông tin và Truyền thông tỉnh Trà Vinh\n\nKết quả tháng 8 năm 2024\n\n{body}"
            ),
            (month, Some("travinh")),
        ),
    ] {
        assert_eq!(of(&text), expected, "{text}");
    }
}
