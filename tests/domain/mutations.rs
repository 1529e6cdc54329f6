//! Random mutations of good CSV, JSON and Excel files: none records a number other than the one
//! written.
//!
//! **How it is decided.** No reader decides what is right. A file is generated from a list of
//! figures (measure, unit, month, number), and a mutation is described by what it does to that list
//! or to its writing. From this description follows what the file *says* afterwards: for each
//! measure, unit and month the numbers that may be recorded. There are three kinds of mutations:
//!
//! - *The writing changes, not the number*: other groups of digits, quotes, blanks, other digits,
//!   note marks, other encodings, line ends, separators, columns moved with their headings, bytes
//!   of a ZIP archive. Only the same number may be recorded for the same measure, unit and month.
//! - *The mutation is a well-formed other number or name*: a digit deleted, two cells exchanged,
//!   headings exchanged. Then the mutated cells are read by [`written::spoken`], which knows only
//!   the grammar of numbers (docs/specification.md#numbers), and exactly that may be recorded.
//! - *Nothing is said any more*: a file cut off within a cell in quotes or a row, `12/10`, a
//!   rounded `1.2E+04`, a percentage of a count, a label and a code that contradict each other.
//!   Then the figure may not be recorded at all.
//!
//! In each case the whole file may be refused instead, or the cell be left and listed. **Wrong** is
//! every recorded figure with a number that the file does not say, and every figure that the file
//! still says but that is neither recorded nor refused nor listed ([`Verdict`]).
//!
//! `EGOV_KPI_MUTATIONS` is the number of mutations (default 1,500; `./tests/run --all` makes
//! 100,000). They are the same in every run. With `--nocapture` the results are printed by kind.

use std::collections::{BTreeMap, BTreeSet};

use egov_kpi::app::write::{catalogue, units};
use kpi::catalogue::Catalogue;
use kpi::measure::Measure;
use kpi::number::Statement;
use kpi::observation::ObservationParser;
use kpi::period::Month;
use kpi::unit::UnitForest;

use crate::case::Dice;
use written::canonical;

mod csv_text;
mod json_text;
mod package;
mod rewriting;
mod sheet;
mod written;

/// The mutations of one run, of which each format makes its share.
const MUTATIONS: usize = 1_500;
/// The first month that has not begun.
const THIS_MONTH: &str = "2021-12";

/// Measure, unit and month of a figure.
type Key = (String, String, String);

/// What a file says: the numbers that may be recorded for a figure, none if nothing is certain.
type Sayings = BTreeMap<Key, BTreeSet<String>>;

/// A figure of a good file. Its digits have a decimal point and no groups.
#[derive(Clone, Debug)]
struct GoodFigure {
    measure: Measure,
    unit: String,
    month: String,
    digits: String,
}

impl GoodFigure {
    fn key(&self) -> Key {
        (self.measure.to_string(), self.unit.clone(), self.month.clone())
    }
}

/// The shipped catalogue and units, and the measures of the shipped figures.
struct World {
    catalogue: Catalogue,
    units: UnitForest,
    named: Vec<(Measure, String)>,
}

impl World {
    fn new() -> Self {
        let catalogue = Catalogue::new(catalogue::shipped().unwrap()).unwrap();
        let units = UnitForest::numbered(units::shipped().unwrap()).unwrap();
        let named = crate::shipped::rows().into_iter().map(|(measure, unit, ..)| (measure, unit));
        Self { catalogue, units, named: named.collect() }
    }

    fn parser(&self) -> ObservationParser<'_> {
        ObservationParser::new(&self.catalogue, &self.units, THIS_MONTH.parse().unwrap())
    }

    /// Most decimals of a measure; `None` for a rate.
    fn decimals(&self, code: &str) -> Option<u32> {
        self.catalogue.indicator(code).map(|indicator| indicator.decimals)
    }

    /// The decimals that a number of a measure may have; `None` if no measure has this code.
    fn allowed(&self, code: &str) -> Option<Option<u32>> {
        let known = self.catalogue.indicator(code).is_some() || self.catalogue.kpi(code).is_some();
        known.then(|| self.decimals(code))
    }

    /// Digits of a number that a measure may have.
    fn digits(&self, code: &str, dice: &mut Dice) -> String {
        let Some(decimals) = self.decimals(code) else {
            let fraction = dice.below(1_000);
            let rate = dice.below(100);
            return match dice.below(3) {
                0 => rate.to_string(),
                1 => format!("{rate}.{:02}", fraction % 100),
                _ => format!("{rate}.{fraction:03}"),
            };
        };
        let length = 1 + dice.below(7);
        let whole = dice.below(10_usize.pow(u32::try_from(length).unwrap()));
        match dice.below(3) {
            0 if decimals > 0 => format!("{whole}.{}", dice.below(10)),
            1 if whole < 10_000 => (whole * 1_000).to_string(),
            _ => whole.to_string(),
        }
    }

    /// The figures of a good file, no two of the same measure, unit and month.
    fn figures(&self, count: usize, dice: &mut Dice) -> Vec<GoodFigure> {
        let mut found: Vec<GoodFigure> = Vec::new();
        while found.len() < count {
            let (measure, unit) = self.named[dice.below(self.named.len())].clone();
            let digits = self.digits(&measure.code, dice);
            let month = format!("2021-{:02}", 1 + dice.below(10));
            let figure = GoodFigure { measure, unit, month, digits };
            if found.iter().all(|other| other.key() != figure.key()) {
                found.push(figure);
            }
        }
        found
    }

    /// What a parser has recorded.
    fn outcome(&self, parser: ObservationParser<'_>) -> Outcome {
        let submission = match parser.finish() {
            Ok(submission) => submission,
            Err(faults) => {
                return Outcome { refused: Some(format!("{faults:?}")), ..Outcome::default() };
            }
        };
        let recorded = submission.figures.iter().map(|figure| {
            let measure = submission.measures[figure.measure.index()].measure.to_string();
            let unit = self.units.code(figure.unit).to_owned();
            let value = match figure.written {
                Some(Statement::Number(number)) => canonical(&number.to_string()),
                Some(Statement::NotApplicable) => "n/a".to_owned(),
                None => "null".to_owned(),
            };
            ((measure, unit, figure.month.to_string()), value)
        });
        Outcome { recorded: recorded.collect(), ..Outcome::default() }
    }
}

/// What came of a file.
#[derive(Debug, Default)]
struct Outcome {
    recorded: BTreeMap<Key, String>,
    /// The errors of a file that was refused.
    refused: Option<String>,
    /// The number of cells that were left and listed.
    listed: usize,
}

/// A mutated file.
#[derive(Debug)]
struct Mutant {
    kind: &'static str,
    bytes: Vec<u8>,
    says: Sayings,
}

/// What the original figures say.
fn sayings(figures: &[GoodFigure]) -> Sayings {
    figures
        .iter()
        .map(|figure| (figure.key(), BTreeSet::from([canonical(&figure.digits)])))
        .collect()
}

/// The result of a mutation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    /// All numbers were recorded as they were written before.
    Same,
    /// The whole file was refused.
    Refused,
    /// A figure was left, the others were recorded.
    Left,
    /// The mutation wrote another well-formed figure, which was recorded.
    Other,
    Wrong(String),
}

fn verdict(before: &Sayings, says: &Sayings, outcome: &Outcome) -> Verdict {
    if outcome.refused.is_some() {
        return Verdict::Refused;
    }
    for (key, number) in &outcome.recorded {
        match says.get(key) {
            Some(allowed) if allowed.contains(number) => {}
            allowed => {
                return Verdict::Wrong(format!(
                    "recorded {key:?} as {number}, the file says {allowed:?}"
                ));
            }
        }
    }
    let unsaid = says
        .iter()
        .find(|(key, allowed)| !allowed.is_empty() && !outcome.recorded.contains_key(*key));
    if let Some((key, _)) = unsaid.filter(|_| outcome.listed == 0) {
        return Verdict::Wrong(format!("{key:?} is lost without a word"));
    }
    let is_original = |(key, number): (&Key, &String)| {
        before.get(key).is_some_and(|allowed| allowed.contains(number))
    };
    if !outcome.recorded.iter().all(is_original) {
        Verdict::Other
    } else if outcome.recorded.len() == before.len() {
        Verdict::Same
    } else {
        Verdict::Left
    }
}

/// Makes a share of the mutations, prints their results by kind, and fails if one is wrong.
fn run(
    format: &str,
    percent: usize,
    mut make: impl FnMut(&mut Dice) -> (Sayings, Mutant),
    read: impl Fn(&[u8]) -> Outcome,
) {
    let all = std::env::var("EGOV_KPI_MUTATIONS")
        .map_or(MUTATIONS, |count| count.parse().expect("EGOV_KPI_MUTATIONS is a number"));
    let count = (all * percent).div_ceil(100);
    let mut tally: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for seed in (1..).take(count) {
        let (before, mutant) = make(&mut Dice(seed));
        let outcome = read(&mutant.bytes);
        let found = verdict(&before, &mutant.says, &outcome);
        let place = match &found {
            Verdict::Same => 0,
            Verdict::Refused => 1,
            Verdict::Left => 2,
            Verdict::Other => 3,
            Verdict::Wrong(_) => 4,
        };
        tally.entry(mutant.kind).or_default()[place] += 1;
        if mutant.kind == "unchanged" && found != Verdict::Same {
            wrong.push(format!("seed {seed}: a good file was not recorded: {outcome:?}"));
        }
        if let Verdict::Wrong(why) = found {
            let shown: String =
                String::from_utf8_lossy(&mutant.bytes).chars().take(1_500).collect();
            let shown = if mutant.bytes.starts_with(b"PK") { String::new() } else { shown };
            wrong.push(format!("seed {seed}, {}: {why}\n{shown}", mutant.kind));
        }
    }
    let mut sum = [0; 5];
    let mut table = format!("{format}: same, refused, left, other well-formed, wrong\n");
    for (kind, counts) in &tally {
        table += &format!("  {kind}: {counts:?}\n");
        for (all, count) in sum.iter_mut().zip(counts) {
            *all += count;
        }
    }
    println!("{table}  all {count} mutations of {format}: {sum:?}");
    assert!(
        wrong.is_empty(),
        "{} of {count} are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn no_mutation_of_a_csv_records_a_number_that_is_not_written() {
    let world = World::new();
    run(
        "CSV",
        50,
        |dice| csv_text::mutant(&world, dice),
        |bytes| {
            let mut parser = world.parser();
            egov_kpi::intake::csv::read(bytes, &world.catalogue, &mut parser);
            world.outcome(parser)
        },
    );
}

#[test]
fn no_mutation_of_a_json_body_records_a_number_that_is_not_written() {
    let world = World::new();
    run(
        "JSON",
        40,
        |dice| json_text::mutant(&world, dice),
        |bytes| {
            let mut parser = world.parser();
            match egov_kpi::intake::json::read(bytes, &mut parser) {
                Ok(_) => world.outcome(parser),
                Err(error) => Outcome { refused: Some(error.to_string()), ..Outcome::default() },
            }
        },
    );
}

#[test]
fn no_mutation_of_an_excel_file_records_a_number_that_is_not_written() {
    let world = World::new();
    let books = sheet::Books::new(&world);
    run("XLSX", 10, |dice| books.mutant(dice), |bytes| books.read(bytes));
}

#[test]
fn a_wrong_number_another_month_and_a_lost_figure_are_found() {
    let key = |month: &str| ("a".to_owned(), "u".to_owned(), month.to_owned());
    let says: Sayings = BTreeMap::from([(key("2021-10"), BTreeSet::from(["12345".to_owned()]))]);
    let verdict_of = |recorded: &[(&str, &str)], listed: usize| {
        let recorded = recorded.iter().map(|(month, number)| (key(month), (*number).to_owned()));
        let outcome = Outcome { recorded: recorded.collect(), refused: None, listed };
        verdict(&says, &says, &outcome)
    };
    assert_eq!(verdict_of(&[("2021-10", "12345")], 0), Verdict::Same);
    assert_eq!(verdict_of(&[], 1), Verdict::Left);
    for wrong in [&[("2021-10", "12")][..], &[("2021-10", "null")], &[("2021-09", "12345")], &[]] {
        assert!(matches!(verdict_of(wrong, 0), Verdict::Wrong(_)), "{wrong:?}");
    }
}

#[test]
fn a_json_text_in_groups_of_three_is_ambiguous() {
    let world = World::new();
    let read = |code: &str, value: &str| {
        let body = format!(
            r#"{{"observations": [{{"indicator": "{code}", "value": {value},
                "unit": "travinh", "period": "2021-10"}}]}}"#
        );
        let mut parser = world.parser();
        egov_kpi::intake::json::read(body.as_bytes(), &mut parser).unwrap();
        world.outcome(parser)
    };
    for value in ["\"12.000\"", "\"1,000\"", "\"5.000.000\"", "\"12\\u002e000\""] {
        let refused = read("ioffice.users.total", value).refused.unwrap_or_default();
        assert!(refused.contains("ambiguous_thousands"), "{value}: {refused}");
    }
    for (code, value, number) in [
        ("ioffice.users.total", "12.000", "12"),
        ("ioffice.users.total", "\"12000\"", "12000"),
        ("ioffice.users.total", "\"12.0\"", "12"),
        ("ioffice.documents.signed_rate", "\"78.950\"", "78.95"),
    ] {
        let outcome = read(code, value);
        let found: Vec<&str> = outcome.recorded.values().map(String::as_str).collect();
        assert_eq!(found, [number], "{value}: {outcome:?}");
    }
}

/// A month in words, as headings of tables write it.
fn month_in_words(month: &str) -> String {
    let month: Month = month.parse().unwrap();
    format!("Tháng {}/{}", month.month(), month.year())
}
