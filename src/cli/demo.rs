//! `demo`: the real figures of October 2021 and a sample province in a temporary ledger.

use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::serve::announce;
use super::{CommandOutcome, io, wait};
use crate::app::App;
use crate::app::read::fields::RequestedFields;
use crate::app::read::findings::FindingQuery;
use crate::app::read::series::{PeriodSelector, PointView, SeriesQuery, UnitSelector};
use crate::app::write::catalogue::{self, NewCatalogue};
use crate::app::write::declarations::{DeclarationChanges, DeclarationKind};
use crate::app::write::submission::SubmissionInput;
use crate::clock::Clock;
use crate::config::Language;
use crate::error::Error;
use crate::generate;
use crate::intake::SubmissionEnvelope;
use crate::server::{self, ServerSettings};
use kpi::change::UnavailableReason;
use kpi::fault::Fault;
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::number_format::{format_vietnamese, rounded_to};
use kpi::period::{Month, Period, Step};
use ledger::Store;

/// The figures of the report of October 2021, as CSV.
const REPORT: &str = include_str!("../../catalogue/travinh-2021-10.csv");
/// The unit of these figures.
const UNIT: &str = "travinh";
/// The sender of the recorded figures.
const ACTOR: &str = "demo";
/// The most decimals of a computed number.
const DECIMALS: u32 = 3;
/// The seed of the sample province.
const SEED: u64 = 1;

/// Fills a temporary ledger, prints the kpis, and serves it.
///
/// # Errors
/// When the address or a temporary folder is unavailable.
pub fn run(
    listen: &str,
    no_serve: bool,
    lang: Language,
    clock: &Clock,
) -> Result<CommandOutcome, Error> {
    if !no_serve && !is_loopback(listen) {
        eprintln!(
            "egov-kpi: the demo has no keys, so it only listens on this machine: use 127.0.0.1 or \
             localhost"
        );
        return Ok(CommandOutcome::Usage);
    }
    let folder = tempfile::tempdir().map_err(io)?;
    clock.set(morning(NaiveDate::from_ymd_opt(2019, 1, 1).unwrap_or_default()));
    let app = App::open_by(
        Store::open(&format!("sqlite://{}", folder.path().join("demo.db").display()), true)?,
        clock.clone(),
    )?;
    fill(&app, clock)?;
    clock.release();
    say!("{}", table(&app, lang)?.trim_end());
    if no_serve {
        app.stop();
        return Ok(CommandOutcome::Done);
    }
    let settings = ServerSettings::at(listen);
    eprintln!(
        "egov-kpi: the demo only listens on this machine; every user of this machine has all \
         permissions, without a key"
    );
    let running = server::start(
        &settings,
        move || Ok(app),
        move |address| {
            announce(address);
            match lang {
                Language::Vi => eprintln!("egov-kpi: mở http://{address}/ trong trình duyệt"),
                Language::En => eprintln!("egov-kpi: open http://{address}/?lang=en in a browser"),
            }
        },
    )?;
    running.run_until_signal()?;
    drop(folder);
    Ok(CommandOutcome::Done)
}

fn is_loopback(listen: &str) -> bool {
    use std::net::ToSocketAddrs;
    listen
        .to_socket_addrs()
        .is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
}

/// Records the real figures and the sample province, each report at the time at which the service
/// would have received it.
fn fill(app: &App, clock: &Clock) -> Result<(), Error> {
    let sample = generate::sample(SEED);
    let mut catalogue = catalogue::shipped()?;
    catalogue.expectations.extend(sample.expectations.iter().cloned());
    wait(app.put_units(sample.units.clone(), ACTOR, false, None))?;
    let new = NewCatalogue { document: catalogue, made_from: None, dry_run: false };
    wait(app.put_catalogue(new, ACTOR, None))?;
    wait(app.put_declarations(declared(&sample.targets), ACTOR, false, None))?;
    let mut reports: Vec<(NaiveDate, String, String)> = sample
        .reports()
        .into_iter()
        .map(|report| (report.received, format!("sample {}", report.period), report.csv))
        .collect();
    let received = NaiveDate::from_ymd_opt(2021, 11, 1).unwrap_or_default();
    reports.push((received, "Báo cáo tháng 10/2021".to_owned(), REPORT.to_owned()));
    reports.sort();
    for (day, reference, csv) in reports {
        clock.set(morning(day));
        let envelope = SubmissionEnvelope {
            source_kind: Some("csv".to_owned()),
            reference: Some(reference),
            reason: None,
        };
        wait(app.submit(&SubmissionInput::Csv(csv.into_bytes(), envelope), ACTOR))?;
    }
    wait(app.put_declarations(declared(&sample.annotations), ACTOR, false, None))?;
    Ok(())
}

fn declared<D: DeclarationKind>(list: &[D]) -> (DeclarationChanges<D>, Vec<Fault>) {
    let changes = list
        .iter()
        .enumerate()
        .map(|(n, declaration)| (declaration.code().to_owned(), (n, Some(declaration.clone()))))
        .collect();
    (changes, Vec::new())
}

/// 9:00 in Vietnam (UTC+7).
fn morning(day: NaiveDate) -> DateTime<Utc> {
    (day.and_time(NaiveTime::MIN) + chrono::Duration::hours(2)).and_utc()
}

/// A table of the kpis of the real figures with stated value, computed value and change, followed
/// by the findings.
///
/// # Errors
/// None with the shipped figures.
pub fn table(app: &App, lang: Language) -> Result<String, Error> {
    let month =
        Period::containing(Step::Month, Month::new(2021, 10).unwrap_or(kpi::period::FIRST_MONTH));
    let vi = lang == Language::Vi;
    let mut text = String::new();
    let title = if vi {
        "Tỉnh Trà Vinh, tháng 10 năm 2021"
    } else {
        "Trà Vinh province, October 2021"
    };
    let head = if vi {
        ["Chỉ số", "Đã nêu", "Tính được", "So với tháng trước"]
    } else {
        ["Kpi", "Stated", "Computed", "Change from the previous month"]
    };
    let mut lines = Vec::new();
    for (measure, name, unit) in measures(app, vi) {
        let query = SeriesQuery {
            measures: vec![measure.clone()],
            units: UnitSelector::Units(vec![UNIT.to_owned()]),
            when: PeriodSelector::Span(month, month),
            of_today: false,
            fields: RequestedFields::of_point(),
            offset: 0,
            limit: 1,
        };
        let page = app.now().series(&query)?;
        let Some(point) = page.series.first().and_then(|series| series.points.first()) else {
            continue;
        };
        let dimensioned = !measure.members.is_empty();
        if dimensioned && point.value.is_none() && point.stated.is_none() {
            continue;
        }
        lines.push([name, stated(point, vi), computed(point, &unit, vi), change(point, vi)]);
    }
    let width = |column: usize| {
        lines
            .iter()
            .chain(std::iter::once(&head.map(ToOwned::to_owned)))
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let mut row = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            if column == 0 || column == 3 {
                format!("{cell}{space}")
            } else {
                format!("{space}{cell}")
            }
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        let _infallible = writeln!(text, "{}", line.trim_end());
    };
    row(&[title.to_owned()]);
    row(&head.map(ToOwned::to_owned));
    lines.iter().for_each(|line| row(line));
    findings(app, vi, &mut text)?;
    Ok(text)
}

/// Every kpi, with and without each member by which it can be queried.
fn measures(app: &App, vi: bool) -> Vec<(Measure, String, String)> {
    let state = app.state();
    let mut found = Vec::new();
    for kpi in &state.catalogue.kpis {
        let named = kpi.dimensions.iter().flat_map(|(dimension, members)| {
            members.iter().map(|member| Members::none().with(dimension, member))
        });
        for members in std::iter::once(Members::none()).chain(named) {
            let measure = Measure { code: kpi.code.clone(), members };
            let label = state.catalogue.label(&measure);
            found.push((
                measure,
                if vi { label.vi } else { label.en },
                state.catalogue.unit_of_measure(&kpi.code).to_owned(),
            ));
        }
    }
    found
}

/// A number with its digits, in the notation of the language.
fn local(number: Decimal64, vi: bool) -> String {
    if vi { format_vietnamese(number) } else { number.to_string() }
}

/// A stated rate, with the digits as they were printed.
fn stated(point: &PointView, vi: bool) -> String {
    point.stated.map_or_else(|| "–".to_owned(), |stated| local(stated, vi))
}

/// A computed number: at most three decimals, without zeros at the end, with its unit of measure.
fn computed(point: &PointView, unit: &str, vi: bool) -> String {
    let Some(number) = point.value.and_then(|value| rounded_to(value.get(), DECIMALS)) else {
        return if vi { "thiếu số liệu" } else { "missing" }.to_owned();
    };
    let unit = match (unit, vi) {
        ("percent", _) => " %",
        ("VND", true) => " đồng",
        ("VND", false) => " VND",
        _ => "",
    };
    local(number, vi) + unit
}

fn change(point: &PointView, vi: bool) -> String {
    if let Some(delta) = point.delta.and_then(|delta| rounded_to(delta.get(), DECIMALS)) {
        let sign = if delta.mantissa < 0 { "" } else { "+" };
        return format!("{sign}{}", local(delta, vi));
    }
    let reason = point.delta_reason.unwrap_or(UnavailableReason::Missing);
    let (in_vietnamese, in_english) = match reason {
        UnavailableReason::NotApplicable => ("không áp dụng", "not applicable"),
        UnavailableReason::Missing => ("thiếu số liệu tháng này", "no figure for this month"),
        UnavailableReason::DefinitionChanged => ("định nghĩa đã đổi", "the definition changed"),
        UnavailableReason::NoPrior => {
            ("chưa có số liệu tháng trước", "no figure for the previous month")
        }
        UnavailableReason::CoverageChanged => ("phạm vi đã đổi", "the coverage changed"),
        UnavailableReason::StatedAbove => ("chỉ nêu ở cấp trên", "stated above the leaves"),
        UnavailableReason::PriorZero => ("tháng trước bằng 0", "the previous month is zero"),
    };
    if vi { in_vietnamese } else { in_english }.to_owned()
}

fn findings(app: &App, vi: bool, text: &mut String) -> Result<(), Error> {
    let (_, found, _) = app.now().findings(&FindingQuery {
        unit: Some(UNIT.to_owned()),
        limit: 100,
        ..FindingQuery::default()
    })?;
    let title = if vi {
        format!("Số liệu mâu thuẫn ({}):", found.len())
    } else {
        format!("Contradictions ({}):", found.len())
    };
    let _infallible = writeln!(text, "\n{title}");
    for finding in found {
        let detail = if vi { finding.detail_vi } else { finding.detail };
        let _infallible = writeln!(text, "  {}  {}", finding.measure, detail.trim_end_matches('.'));
    }
    let _infallible = writeln!(text);
    Ok(())
}
