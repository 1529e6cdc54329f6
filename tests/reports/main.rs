//! Quality of the report reader on reports with known figures: the share of them that it finds, and
//! the share of its figures that are right.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

mod passages;
mod printed;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use documents::{Document, MediaType, read};
use egov_kpi::app::write::{catalogue, units};
use extract::report::lexicon::ReportLexicon;
use extract::report::{self, FigureRole, ReportContext, title};
use kpi::catalogue::Catalogue;
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::unit::UnitForest;

/// What reports are read with: the shipped catalogue and units.
struct Shipped {
    catalogue: Catalogue,
    lexicon: ReportLexicon,
    units: UnitForest,
}

/// Compiled once for all tests.
fn shipped() -> &'static Shipped {
    static SHIPPED: LazyLock<Shipped> = LazyLock::new(|| {
        let catalogue = Catalogue::new(catalogue::shipped().unwrap()).unwrap();
        let lexicon = ReportLexicon::new(&catalogue).unwrap();
        let units = UnitForest::numbered(units::shipped().unwrap()).unwrap();
        Shipped { catalogue, lexicon, units }
    });
    &SHIPPED
}

/// A known number of a report: a row of the CSV file beside it. The columns `indicator` and
/// `dimensions` (`channel=online;service_level=4`) are its measure.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    /// Empty for a number that is not a figure of any indicator.
    measure: Measure,
    unit: String,
    period: String,
    value: Decimal64,
    /// The digits or words in the report.
    printed: String,
    /// `figure`: must be found. `prior`: a figure of an earlier month, to be found as such. `not`:
    /// must not be taken as a figure of this measure.
    role: String,
}

impl Row {
    fn name(&self) -> String {
        format!(
            "{} {} {} = {} ({})",
            self.measure, self.unit, self.period, self.value, self.printed
        )
    }

    fn same(&self, other: &Self) -> bool {
        let scale = self.value.scale.max(other.value.scale);
        (&self.measure, &self.unit, &self.period) == (&other.measure, &other.unit, &other.period)
            && self.value.at_scale(scale) == other.value.at_scale(scale)
    }
}

fn truth(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let at = |column: &str| {
            record[header.iter().position(|name| name == column).unwrap()].to_owned()
        };
        let dimensions = at("dimensions");
        let members = dimensions
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .map(|(d, m)| (d.to_owned(), m.to_owned()))
            .collect();
        let value = Decimal64::parse(&at("value")).unwrap_or(Decimal64 { mantissa: -1, scale: 0 });
        Row {
            measure: Measure { code: at("indicator"), members: Members::new(members).unwrap() },
            unit: at("unit"),
            period: at("period"),
            value,
            printed: at("printed"),
            role: at("role"),
        }
    });
    rows.collect()
}

/// The result of reading a report.
#[derive(Default)]
struct Score {
    expected: usize,
    found: usize,
    right: usize,
    earlier: (usize, usize),
    missed: Vec<String>,
    twice: Vec<String>,
    wrong: Vec<String>,
}

impl Score {
    fn recall(&self) -> f64 {
        100.0 * self.right as f64 / self.expected.max(1) as f64
    }

    fn precision(&self) -> f64 {
        100.0 * self.right as f64 / self.found.max(1) as f64
    }
}

fn figures(
    shipped: &Shipped,
    document: &Document,
    given: Option<(&str, &str)>,
    asked: (&str, &str),
) -> (Vec<(Row, report::ExtractedFigure)>, Vec<report::UnclaimedNumber>) {
    let period = given
        .map(|(_, period)| period.parse().unwrap())
        .or_else(|| title::period(document))
        .unwrap_or_else(|| asked.1.parse().unwrap());
    let unit = given
        .map(|(unit, _)| shipped.units.position(unit).unwrap())
        .or_else(|| title::unit(document, &shipped.lexicon, &shipped.units, period));
    let unit = unit.unwrap_or_else(|| shipped.units.position(asked.0).unwrap());
    let setting = ReportContext {
        catalogue: &shipped.catalogue,
        lexicon: &shipped.lexicon,
        units: &shipped.units,
        unit,
        period,
    };
    let reading = report::read(document, &setting);
    let row = |found: &report::ExtractedFigure| Row {
        measure: found.target.as_ref().map_or_else(
            || found.measure.clone(),
            |target| Measure { code: target.clone(), members: found.measure.members.clone() },
        ),
        unit: shipped.units.code(found.unit).to_owned(),
        period: found.period.to_string(),
        value: found.value,
        printed: document.text[found.place.clone()].to_owned(),
        role: if matches!(found.role, FigureRole::Earlier) {
            "prior".to_owned()
        } else {
            "figure".to_owned()
        },
    };
    (reading.figures.into_iter().map(|found| (row(&found), found)).collect(), reading.unclaimed)
}

/// The unit and period of most known figures; the service asks for them where the head of a report
/// does not name them.
fn asked_of(truth: &[Row]) -> (&str, &str) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in truth.iter().filter(|row| row.role == "figure") {
        *counts.entry((&row.unit, &row.period)).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0
}

fn score(shipped: &Shipped, document: &Document, truth: &[Row]) -> Score {
    let (found, unclaimed) = figures(shipped, document, None, asked_of(truth));
    let mut score = Score::default();
    let expected: Vec<&Row> = truth.iter().filter(|row| row.role == "figure").collect();
    let earlier: Vec<&Row> = truth.iter().filter(|row| row.role == "prior").collect();
    score.expected = expected.len();
    for (row, figure) in &found {
        if row.role == "prior" {
            score.earlier.0 += usize::from(earlier.iter().any(|other| other.same(row)));
            score.earlier.1 += 1;
            continue;
        }
        if figure.role == FigureRole::Target
            && !expected.iter().any(|other| other.measure.code == row.measure.code)
        {
            continue;
        }
        score.found += 1;
        if expected.iter().any(|other| other.same(row)) {
            score.right += 1;
        } else {
            score.wrong.push(format!(
                "{} by {} in: {}",
                row.name(),
                figure.pattern,
                shorten(
                    &document.text[figure.sentence.clone()],
                    figure.place.start - figure.sentence.start
                )
            ));
        }
    }
    for one in unclaimed.iter().filter(|one| one.reason == report::SkipReason::StatedTwice) {
        score.twice.push(format!(
            "{} = {} in: {}",
            one.measure.as_ref().unwrap(),
            &document.text[one.place.clone()],
            shorten(&document.text[one.sentence.clone()], one.place.start - one.sentence.start)
        ));
    }
    for row in expected {
        if !found.iter().any(|(other, _)| other.role != "prior" && other.same(row)) {
            let reasons: Vec<String> = unclaimed
                .iter()
                .filter(|one| document.text[one.place.clone()] == row.printed)
                .map(|one| {
                    format!(
                        "{:?} {} in: {}",
                        one.reason,
                        one.measure.as_ref().map(ToString::to_string).unwrap_or_default(),
                        shorten(
                            &document.text[one.sentence.clone()],
                            one.place.start - one.sentence.start
                        )
                    )
                })
                .collect();
            score.missed.push(format!("{}: {}", row.name(), reasons.join(" | ")));
        }
    }
    score
}

/// A short part of a sentence around a place.
fn shorten(sentence: &str, at: usize) -> String {
    let from = sentence[..at].char_indices().rev().nth(70).map_or(0, |(at, _)| at);
    sentence[from..].chars().take(150).collect::<String>().replace('\n', "⏎")
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.with_extension("csv").exists()
                && MediaType::of_name(&path.to_string_lossy()).is_some()
        })
        .collect();
    cases.sort();
    cases
}

fn table(scores: &BTreeMap<String, Score>) -> String {
    let mut table = format!(
        "{:<28} {:>8} {:>6} {:>6} {:>8} {:>10} {:>9}\n",
        "report", "expected", "found", "right", "recall", "precision", "earlier"
    );
    let mut sum = Score::default();
    for (name, score) in scores {
        writeln!(
            table,
            "{name:<28} {:>8} {:>6} {:>6} {:>7.1}% {:>9.1}% {:>4}/{}",
            score.expected,
            score.found,
            score.right,
            score.recall(),
            score.precision(),
            score.earlier.0,
            score.earlier.1
        )
        .unwrap();
        sum.expected += score.expected;
        sum.found += score.found;
        sum.right += score.right;
        sum.earlier.0 += score.earlier.0;
        sum.earlier.1 += score.earlier.1;
    }
    writeln!(
        table,
        "{:<28} {:>8} {:>6} {:>6} {:>7.1}% {:>9.1}% {:>4}/{}",
        "all",
        sum.expected,
        sum.found,
        sum.right,
        sum.recall(),
        sum.precision(),
        sum.earlier.0,
        sum.earlier.1
    )
    .unwrap();
    table
}

/// The folder of the reports: that of this repository, or the one in `EGOV_KPI_REPORTS`, which may
/// also have DOCX and PDF files, each beside its CSV.
fn folder() -> PathBuf {
    std::env::var_os("EGOV_KPI_REPORTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/cases"),
        PathBuf::from,
    )
}

fn document(path: &Path) -> Document {
    let media = MediaType::of_name(&path.to_string_lossy()).unwrap();
    read(&std::fs::read(path).unwrap(), media)
        .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()))
}

/// The score of every report. `EGOV_KPI_DETAIL=1` prints the figures that are missed or wrong.
fn scores() -> BTreeMap<String, Score> {
    let (folder, shipped) = (folder(), shipped());
    let detail = std::env::var_os("EGOV_KPI_DETAIL").is_some();
    let score = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let score = score(shipped, &document(&path), &truth(&path.with_extension("csv")));
        if detail {
            score.wrong.iter().for_each(|line| println!("{name} wrong {line}"));
            score.missed.iter().for_each(|line| println!("{name} missed {line}"));
            score.twice.iter().for_each(|line| println!("{name} twice {line}"));
        }
        (name, score)
    };
    cases(&folder).into_iter().map(score).collect()
}

/// Least share of the known figures that must be found, in percent over all reports. [`PRECISION`]
/// is the least share of the figures found that must be right.
const RECALL: f64 = 95.2;
const PRECISION: f64 = 100.0;

#[test]
fn reports_are_read_with_the_expected_figures() {
    let scores = scores();
    println!("{}", table(&scores));
    assert!(!scores.is_empty(), "no reports in {}", folder().display());
    let (expected, found, right) = scores.values().fold((0, 0, 0), |sum, score| {
        (sum.0 + score.expected, sum.1 + score.found, sum.2 + score.right)
    });
    let (recall, precision) =
        (100.0 * right as f64 / expected as f64, 100.0 * right as f64 / found as f64);
    let wrong: Vec<&String> = scores.values().flat_map(|score| &score.wrong).collect();
    let least = |name: &str, default: f64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    assert!(
        precision >= least("EGOV_KPI_PRECISION", PRECISION),
        "only {precision:.1} % of the figures found are right: {wrong:#?}"
    );
    assert!(
        recall >= least("EGOV_KPI_RECALL", RECALL),
        "only {recall:.1} % of the known figures were found"
    );
}

#[test]
fn numbers_that_are_not_figures_are_not_extracted() {
    let shipped = shipped();
    let mut broken = Vec::new();
    for path in cases(&folder()) {
        let truth = truth(&path.with_extension("csv"));
        let (found, _) = figures(shipped, &document(&path), None, asked_of(&truth));
        for (row, _) in found
            .iter()
            .filter(|(row, figure)| row.role == "figure" && figure.role == FigureRole::Figure)
        {
            let right = truth.iter().any(|other| other.role == "figure" && other.same(row));
            if !right
                && truth.iter().any(|other| {
                    other.role == "not" && !other.measure.code.is_empty() && other.same(row)
                })
            {
                broken.push(format!("{}: {}", path.display(), row.name()));
            }
        }
    }
    // One is known: a summary that contradicts an appendix in a form that is not read.
    assert!(broken.len() <= 1, "{broken:#?}");
}

#[test]
fn extracted_figures_are_at_the_stated_positions() {
    let shipped = shipped();
    let mut seen = 0;
    for path in cases(&folder()) {
        let document = document(&path);
        let truth = truth(&path.with_extension("csv"));
        let (found, unclaimed) = figures(shipped, &document, None, asked_of(&truth));
        for (place, sentence) in found
            .iter()
            .map(|(_, found)| (&found.place, &found.sentence))
            .chain(unclaimed.iter().map(|one| (&one.place, &one.sentence)))
        {
            seen += 1;
            assert!(
                sentence.start <= place.start && place.end <= sentence.end,
                "{}: {}",
                path.display(),
                document.slice(place)
            );
            assert!(!document.slice(place).trim().is_empty());
        }
    }
    assert!(seen > 1_000, "{seen} numbers");
}
