//! Speed of an import compared with a bare SQLite insert of the same rows, and the start time and
//! memory of a loaded ledger: `cargo bench --bench import [-- SIZE [ROUNDS]]`, such as
//! `-- country 1`.
//!
//! Both are measured in turn, each with its own process and file in one temporary folder
//! (`TMPDIR`).
//!
//! - *bare*: rows of five integers from memory into a table without an index, with one prepared
//!   statement, one transaction and `synchronous = OFF`. Nothing is parsed, checked or durable.
//! - *import*: `egov-kpi import`, from the bytes of the CSV to figures that are parsed, validated,
//!   on disk (`synchronous = FULL`) and in the cube.
//!
//! Then `egov-kpi serve` opens the last ledger; the seconds until it is ready and its resident
//! memory are printed. Without `--bench` (`cargo test --benches`) everything runs once, with little
//! data.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use egov_kpi::generate::{self, DatasetSize};
use indicatif::{BinaryBytes, HumanCount};

/// The program, built with the same profile as this benchmark.
const PROGRAM: &str = env!("CARGO_BIN_EXE_egov-kpi");

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    match (given.as_slice(), arguments.len() > given.len()) {
        (["bare", csv, database], _) => println!("{}", bare(Path::new(csv), Path::new(database))),
        ([], false) => compare("1x9", 1),
        (sizes, _) => compare(
            sizes.first().unwrap_or(&"10x180"),
            sizes.get(1).map_or(3, |rounds| rounds.parse().unwrap()),
        ),
    }
}

fn compare(size: &str, rounds: usize) {
    let size: DatasetSize = size.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (csv, units) = (place("figures.csv"), place("units.json"));
    let mut out = BufWriter::new(File::create(&csv).unwrap());
    generate::write_csv(size, 1, &mut out).unwrap();
    out.flush().unwrap();
    std::fs::write(&units, serde_json::json!({ "units": generate::units(size) }).to_string())
        .unwrap();
    println!(
        "{} figures, {} of CSV, in {}; load {}",
        HumanCount(size.rows()),
        bytes_of(&csv),
        folder.path().display(),
        load()
    );

    let (mut bares, mut imports, mut ledger) = (Vec::new(), Vec::new(), place("none"));
    for round in 1..=rounds {
        let database = place("bare.db");
        let said = said(
            Command::new(std::env::current_exe().unwrap()).arg("bare").args([&csv, &database]),
        );
        bares.push(said.trim().parse::<f64>().unwrap());
        std::fs::remove_file(database).unwrap();

        ledger = place(&format!("ledger{round}.db"));
        let said = said_by_import(&[&units, &csv], &ledger);
        imports.push(said);
        if round < rounds {
            std::fs::remove_file(&ledger).unwrap();
        }
        let (bare, import) = (bares[round - 1], imports[round - 1]);
        println!(
            "round {round}: bare {} figures a second, import {}, ratio {:.2}; load {}",
            rate(bare),
            rate(import),
            import / bare,
            load()
        );
    }
    let (bare, import) = (median(bares), median(imports));
    println!(
        "median: bare {} figures a second, import {}, ratio {:.2}",
        rate(bare),
        rate(import),
        import / bare
    );
    serve(&ledger);
}

/// Inserts the rows of a CSV into a plain table; returns rows per second.
fn bare(csv: &Path, database: &Path) -> f64 {
    let (mut rows, mut numbers) = (Vec::new(), [HashMap::new(), HashMap::new()]);
    for line in BufReader::new(File::open(csv).unwrap()).lines().skip(1) {
        let line = line.unwrap();
        let [indicator, unit, period, value] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let mut number = |place: usize, text: &str| {
            let known: &mut HashMap<String, i64> = &mut numbers[place];
            known.get(text).copied().unwrap_or_else(|| {
                let next = i64::try_from(known.len()).unwrap();
                known.insert(text.to_owned(), next);
                next
            })
        };
        let (year, month) = period.split_once('-').unwrap();
        let month = year.parse::<i64>().unwrap() * 12 + month.parse::<i64>().unwrap() - 1;
        rows.push([1, number(0, unit), number(1, indicator), month, value.parse().unwrap()]);
    }
    let mut sqlite = rusqlite::Connection::open(database).unwrap();
    sqlite
        .execute_batch(
            "PRAGMA synchronous = OFF; CREATE TABLE figures (revision INTEGER, unit INTEGER, \
             measure INTEGER, month INTEGER, value INTEGER)",
        )
        .unwrap();
    let started = Instant::now();
    let transaction = sqlite.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO figures VALUES (?, ?, ?, ?, ?)").unwrap();
    rows.iter().for_each(|row| assert_eq!(insert.execute(*row).unwrap(), 1));
    drop(insert);
    transaction.commit().unwrap();
    f64::from(u32::try_from(rows.len()).unwrap()) / started.elapsed().as_secs_f64()
}

/// Imports files into a new ledger; returns the figures per second that the program prints.
fn said_by_import(files: &[&Path; 2], ledger: &Path) -> f64 {
    let said = said(
        Command::new(PROGRAM)
            .args(["--log", "error", "import"])
            .args(files)
            .args(["--database", &address(ledger)]),
    );
    let words: Vec<&str> = said.split_whitespace().collect();
    let place = words.windows(3).rposition(|words| words == ["figures", "per", "second"]).unwrap();
    words[place - 1].parse().unwrap()
}

/// Starts the service with a ledger; returns the time until it is ready, and its memory.
fn serve(ledger: &Path) {
    let started = Instant::now();
    let mut service = Command::new(PROGRAM)
        .args(["--log", "off", "serve", "--listen", "127.0.0.1:0", "--database", &address(ledger)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready = format!("{}/readyz", line.trim().strip_prefix("listening on ").unwrap());
    while ureq::get(&ready).call().is_err() {
        assert!(
            service.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(600),
            "the service becomes ready"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let memory = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        BinaryBytes(line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024)
    };
    println!(
        "serve: ready after {seconds:.1} s over a ledger of {}; load {}",
        bytes_of(ledger),
        load()
    );
    println!(
        "resident memory {} (VmRSS; {} of it program text and files), at most {} while loading",
        memory("VmRSS"),
        memory("RssFile"),
        memory("VmHWM")
    );
    service.kill().unwrap();
    service.wait().unwrap();
}

/// Runs a command that must succeed; returns its standard output.
fn said(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{command:?} ended with {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn address(ledger: &Path) -> String {
    format!("sqlite://{}", ledger.display())
}

fn bytes_of(file: &Path) -> BinaryBytes {
    BinaryBytes(file.metadata().unwrap().len())
}

/// The load average of the last minute, which shows whether the machine was busy with other work.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn rate(figures_a_second: f64) -> String {
    let digits = format!("{figures_a_second:.0}");
    HumanCount(digits.parse().unwrap()).to_string()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let upper = numbers[numbers.len() / 2];
    if numbers.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(numbers[numbers.len() / 2 - 1], upper)
    }
}
