//! Commits to write, and a ledger full of them.

use egov_kpi::store::{Commit, MeasureRow, ObservationRow, Store, SubmissionRow, WriteOutcome};

/// A place for one ledger, empty at first, which can be opened again and again.
pub trait Place {
    /// Opens the ledger that is there.
    fn open(&self) -> Store;
}

/// January 2021, counted from year 0.
pub const JANUARY: i64 = 2021 * 12;

pub fn figure(revision: i64, unit: i64, measure: i64, month: i64, mantissa: Option<i64>) -> ObservationRow {
    ObservationRow { revision, unit, measure, month, mantissa, scale: 2 }
}

pub fn submission(id: &str) -> SubmissionRow {
    SubmissionRow {
        id: id.to_owned(),
        source_kind: "api".to_owned(),
        reference: None,
        created: 1,
        revised: 2,
        unchanged: 3,
        withdrawn: 4,
        findings: "[]".to_owned(),
        withdraws: None,
    }
}

/// A commit with nothing in it, recorded one second after the revision before it.
pub fn bare(revision: i64) -> Commit {
    Commit { revision, recorded_at: revision * 1_000_000, kind: "submission".to_owned(), actor: "tester".to_owned(), ..Commit::default() }
}

/// Revision 1: `units` units and `measures` measures, numbered from 1.
pub fn dictionaries(units: i64, measures: i64) -> Commit {
    Commit {
        kind: "units".to_owned(),
        new_units: (1..=units).map(|number| (number, format!("unit-{number}"))).collect(),
        unit_versions: (1..=units).map(|number| (number, format!("{{\"code\":\"unit-{number}\"}}"))).collect(),
        new_measures: (1..=measures).map(|id| MeasureRow { id, code: format!("measure.{id}"), members: String::new() }).collect(),
        ..bare(1)
    }
}

/// A commit that brings figures.
pub fn bringing(revision: i64, observations: Vec<ObservationRow>) -> Commit {
    Commit { submission: Some(submission(&format!("S{revision}"))), observations, ..bare(revision) }
}

pub fn write(store: &Store, commits: &[Commit]) {
    let expected = commits[0].revision - 1;
    assert_eq!(store.write(expected, commits, &[]).unwrap(), WriteOutcome::Written);
}

/// Everything that replay hands over.
pub fn replayed(store: &Store, after: i64, up_to: i64) -> Vec<ObservationRow> {
    let mut rows = Vec::new();
    store.replay(after, up_to, &mut |row| rows.push(row)).unwrap();
    rows
}

/// A ledger of some thousand figures in which units report in different revisions; returns them in the ledger's order.
pub fn filled(store: &Store) -> Vec<ObservationRow> {
    let mut all = Vec::new();
    let mut commits = vec![dictionaries(300, 7)];
    for revision in 2..=40 {
        let mut rows = Vec::new();
        for unit in (1..=300).filter(|unit| (unit * 7 + revision * 11) % 13 == 0 || *unit == revision) {
            for measure in 1 + revision % 3..=5 {
                for month in 0..(3 + unit % 5) {
                    let mantissa = ((unit + measure + month) % 17 != 0).then_some(unit * 1000 + revision);
                    rows.push(figure(revision, unit, measure, JANUARY + revision % 12 + month, mantissa));
                }
            }
        }
        all.extend_from_slice(&rows);
        commits.push(bringing(revision, rows));
    }
    write(store, &commits);
    assert!(all.len() > 10_000, "{} figures are too few to need several pages", all.len());
    all
}
