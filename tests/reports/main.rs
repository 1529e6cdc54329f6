//! The reader of reports against reports whose figures are known: how many of them it finds, and how many of those it finds are wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use egov_kpi::app::{catalogue, units};
use egov_kpi::domain::catalogue::Catalogue;
use egov_kpi::domain::measure::{Measure, Members};
use egov_kpi::domain::number::Written;
use egov_kpi::domain::unit::Units;
use egov_kpi::intake::document::{Document, Media, read};
use egov_kpi::intake::report::lexicon::Lexicon;
use egov_kpi::intake::report::{self, Role, Setting, title};

/// What a report is read against: the shipped catalogue and units.
struct Shipped {
    catalogue: Catalogue,
    lexicon: Lexicon,
    units: Units,
}

fn shipped() -> Shipped {
    let catalogue = Catalogue::new(catalogue::shipped().unwrap()).unwrap();
    let lexicon = Lexicon::new(&catalogue).unwrap();
    let units = Units::new((0..).zip(units::shipped().unwrap()).collect()).unwrap();
    Shipped { catalogue, lexicon, units }
}

/// A row of the truth about a report.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    measure: Measure,
    unit: String,
    period: String,
    value: Written,
    printed: String,
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
        let value = Written::parse(&at("value")).unwrap_or(Written { mantissa: -1, scale: 0 });
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

/// How a report was read.
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
) -> (Vec<(Row, report::Found)>, Vec<report::Unclaimed>) {
    let period = given
        .map(|(_, period)| period.parse().unwrap())
        .or_else(|| title::period(document))
        .expect("a period in the title");
    let unit = given
        .map(|(unit, _)| shipped.units.position(unit).unwrap())
        .or_else(|| title::unit(document, &shipped.lexicon, &shipped.units, period));
    let unit = unit.expect("a unit in the head");
    let setting = Setting {
        catalogue: &shipped.catalogue,
        lexicon: &shipped.lexicon,
        units: &shipped.units,
        unit,
        period,
    };
    let reading = report::read(document, &setting);
    let row = |found: &report::Found| Row {
        measure: found.target.as_ref().map_or_else(
            || found.measure.clone(),
            |target| Measure { code: target.clone(), members: found.measure.members.clone() },
        ),
        unit: shipped.units.code(found.unit).to_owned(),
        period: found.period.to_string(),
        value: found.value,
        printed: document.text[found.place.clone()].to_owned(),
        role: if matches!(found.role, Role::Earlier) {
            "prior".to_owned()
        } else {
            "figure".to_owned()
        },
    };
    (reading.figures.into_iter().map(|found| (row(&found), found)).collect(), reading.unclaimed)
}

fn score(shipped: &Shipped, document: &Document, truth: &[Row]) -> Score {
    let (found, unclaimed) = figures(shipped, document, None);
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
        if figure.role == Role::Target
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
    for one in unclaimed.iter().filter(|one| one.reason == report::Reason::StatedTwice) {
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

/// A sentence around a place.
fn shorten(sentence: &str, at: usize) -> String {
    let from = sentence[..at].char_indices().rev().nth(70).map_or(0, |(at, _)| at);
    sentence[from..].chars().take(150).collect::<String>().replace('\n', "⏎")
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.with_extension("csv").exists() && Media::of_name(&path.to_string_lossy()).is_some()
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

/// Where the reports are: those of this repository, or those of a folder named in `EGOV_KPI_REPORTS` (also DOCX and PDF, each beside its CSV).
fn folder() -> PathBuf {
    std::env::var_os("EGOV_KPI_REPORTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reports/cases"),
        PathBuf::from,
    )
}

fn document(path: &Path) -> Document {
    let media = Media::of_name(&path.to_string_lossy()).unwrap();
    read(&std::fs::read(path).unwrap(), media)
        .unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()))
}

/// Every report's score. `EGOV_KPI_DETAIL=1` prints what is missed and what is wrong.
fn scores() -> BTreeMap<String, Score> {
    let (folder, shipped) = (folder(), shipped());
    let detail = std::env::var_os("EGOV_KPI_DETAIL").is_some();
    let score = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let score = score(&shipped, &document(&path), &truth(&path.with_extension("csv")));
        if detail {
            score.wrong.iter().for_each(|line| println!("{name} wrong {line}"));
            score.missed.iter().for_each(|line| println!("{name} missed {line}"));
            score.twice.iter().for_each(|line| println!("{name} twice {line}"));
        }
        (name, score)
    };
    cases(&folder).into_iter().map(score).collect()
}

/// Least share of the known figures that are found, and of those found that are right, in per cent over all reports.
const RECALL: f64 = 95.5;
const PRECISION: f64 = 99.5;

#[test]
fn reports_are_read_as_their_figures_are_known() {
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
        "{precision:.1} % of what was found is right: {wrong:#?}"
    );
    assert!(recall >= least("EGOV_KPI_RECALL", RECALL), "{recall:.1} % of what is known was found");
}

#[test]
fn no_number_that_is_known_to_be_something_else_becomes_a_figure() {
    let shipped = shipped();
    let mut broken = Vec::new();
    for path in cases(&folder()) {
        let truth = truth(&path.with_extension("csv"));
        let (found, _) = figures(&shipped, &document(&path), None);
        for (row, _) in
            found.iter().filter(|(row, figure)| row.role == "figure" && figure.role == Role::Figure)
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
    // One is known: a summary that an appendix contradicts in a form that is not read.
    assert!(broken.len() <= 1, "{broken:#?}");
}

#[test]
fn what_is_printed_stands_where_it_is_said_to_stand() {
    let shipped = shipped();
    let mut seen = 0;
    for path in cases(&folder()) {
        let document = document(&path);
        let (found, unclaimed) = figures(&shipped, &document, None);
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
