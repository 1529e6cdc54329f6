//! What SQLite alone takes for the same rows.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};

fn failed(error: rusqlite::Error) -> io::Error {
    io::Error::other(error)
}

/// Inserts figures as rows of five integers from memory into a table without an index, with one
/// prepared statement, one transaction and no sync; returns the seconds. Reading the CSV is not
/// counted.
pub fn insert(figures: &str, database: &str) -> io::Result<f64> {
    let (mut rows, mut numbers) = (Vec::new(), [HashMap::new(), HashMap::new()]);
    for line in BufReader::with_capacity(1 << 20, File::open(figures)?).lines().skip(1) {
        let line = line?;
        let mut row = || {
            let mut cells = line.split(',');
            let mut number = |place: usize, text: &str| {
                let known: &mut HashMap<String, i64> = &mut numbers[place];
                let next = known.len() as i64;
                known.get(text).copied().unwrap_or_else(|| {
                    known.insert(text.to_owned(), next);
                    next
                })
            };
            let (indicator, unit) = (number(0, cells.next()?), number(1, cells.next()?));
            let (year, month) = cells.next()?.split_once('-')?;
            let month = year.parse::<i64>().ok()? * 12 + month.parse::<i64>().ok()? - 1;
            Some([1, unit, indicator, month, cells.next()?.parse().ok()?])
        };
        rows.push(row().ok_or_else(|| io::Error::other(format!("not a figure: {line}")))?);
    }
    let mut sqlite = Connection::open(database).map_err(failed)?;
    sqlite
        .execute_batch(
            "PRAGMA synchronous = OFF; CREATE TABLE figures (revision INTEGER, unit INTEGER, \
             measure INTEGER, month INTEGER, value INTEGER)",
        )
        .map_err(failed)?;
    let started = Instant::now();
    let transaction = sqlite.transaction().map_err(failed)?;
    let mut insert =
        transaction.prepare("INSERT INTO figures VALUES (?, ?, ?, ?, ?)").map_err(failed)?;
    for row in rows {
        insert.execute(row).map_err(failed)?;
    }
    drop(insert);
    transaction.commit().map_err(failed)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Reads every column of every figure of a ledger in the order of the table; returns the seconds.
pub fn select(ledger: &str) -> io::Result<f64> {
    let started = Instant::now();
    let sqlite =
        Connection::open_with_flags(ledger, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let mut all = sqlite
        .prepare("SELECT revision, unit, measure, month, mantissa, scale FROM observations")
        .map_err(failed)?;
    let (mut rows, mut sum) = (all.query([]).map_err(failed)?, 0_i64);
    while let Some(row) = rows.next().map_err(failed)? {
        for column in 0..6 {
            sum = sum.wrapping_add(row.get::<_, Option<i64>>(column).map_err(failed)?.unwrap_or(0));
        }
    }
    std::hint::black_box(sum);
    Ok(started.elapsed().as_secs_f64())
}
