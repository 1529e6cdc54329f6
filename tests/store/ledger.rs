//! Commits to write, and a ledger full of them.

use ledger::{
    Commit, DeclarationVersion, MeasureRow, ObservationRow, RevisionNumber, RevisionSpan, Store,
    StoredMeasure, StoredMonth, StoredUnit, SubmissionRow, TimestampMicros, WriteOutcome,
};

/// A place for one ledger, empty at first, which can be opened repeatedly.
pub trait Place {
    /// Opens the ledger.
    fn open(&self) -> Store;
    /// Runs a statement outside of the program; the error is the database's refusal.
    fn by_hand(&self, statement: &str) -> Result<(), String>;
    /// Runs a statement that changes a table, with its triggers disabled.
    fn tamper(&self, table: &str, statement: &str);
    /// Whether triggers protect the table of figures as well.
    fn guards_figures(&self) -> bool {
        true
    }
    /// The statement that disables the check of references, where every role may do so.
    fn unguarded(&self) -> &'static str {
        ""
    }
}

/// January 2021 as the number of months since year 0.
pub const JANUARY: i64 = 2021 * 12;

/// The revision with a number.
pub const fn nth(number: i64) -> RevisionNumber {
    RevisionNumber::new(number)
}

/// The time this many microseconds after 1970.
pub const fn time_at(micros: i64) -> TimestampMicros {
    TimestampMicros::new(micros)
}

/// The revisions after one up to another.
pub const fn span(after: i64, up_to: i64) -> RevisionSpan {
    RevisionSpan::new(nth(after), nth(up_to))
}

/// Units with some numbers.
pub fn units(numbers: &[i64]) -> Vec<StoredUnit> {
    numbers.iter().copied().map(StoredUnit::new).collect()
}

/// Measures with some numbers.
pub fn measures(numbers: &[i64]) -> Vec<StoredMeasure> {
    numbers.iter().copied().map(StoredMeasure::new).collect()
}

pub fn figure(
    revision: i64,
    unit: i64,
    measure: i64,
    month: i64,
    mantissa: Option<i64>,
) -> ObservationRow {
    ObservationRow {
        revision: nth(revision),
        unit: StoredUnit::new(unit),
        measure: StoredMeasure::new(measure),
        month: StoredMonth::new(month),
        mantissa,
        scale: 2,
    }
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

/// An empty commit, recorded one second after the revision before it.
pub fn bare(revision: i64) -> Commit {
    Commit {
        revision: nth(revision),
        recorded_at: time_at(revision * 1_000_000),
        kind: "submission".to_owned(),
        actor: "tester".to_owned(),
        ..Commit::default()
    }
}

/// A version of a target or an annotation; without a document it is removed.
pub fn declaration(kind: &str, code: &str, document: Option<&str>) -> DeclarationVersion {
    DeclarationVersion {
        kind: kind.to_owned(),
        code: code.to_owned(),
        document: document.map(ToOwned::to_owned),
    }
}

/// Revision 1: `units` units and `measures` measures, numbered from 1.
pub fn dictionaries(units: i64, measures: i64) -> Commit {
    Commit {
        kind: "units".to_owned(),
        new_units: (1..=units)
            .map(|number| (StoredUnit::new(number), format!("unit-{number}")))
            .collect(),
        unit_versions: (1..=units)
            .map(|number| (StoredUnit::new(number), format!("{{\"code\":\"unit-{number}\"}}")))
            .collect(),
        new_measures: (1..=measures)
            .map(|id| MeasureRow {
                id: StoredMeasure::new(id),
                code: format!("measure.{id}"),
                members: String::new(),
            })
            .collect(),
        ..bare(1)
    }
}

/// A commit with figures.
pub fn bringing(revision: i64, observations: Vec<ObservationRow>) -> Commit {
    Commit { submission: Some(submission(&format!("S{revision}"))), observations, ..bare(revision) }
}

/// A ledger of 12 revisions with every kind of change: revision by revision what the service
/// writes, and what a later version might write.
pub fn eventful() -> Vec<Commit> {
    let of_kind = |revision: i64, kind: &str| Commit { kind: kind.to_owned(), ..bare(revision) };
    let withdrawing = SubmissionRow {
        withdraws: Some("S3".to_owned()),
        source_kind: "withdrawal".to_owned(),
        ..submission("S4")
    };
    let telling = SubmissionRow {
        reference: Some("Báo cáo 'số' 10\\2021 \"đợt\u{1F600}\"".to_owned()),
        findings: "[{\"rule\":\"r\"}]".to_owned(),
        ..submission("S3")
    };
    let renamed = |revision: i64, unit: i64| {
        (StoredUnit::new(unit), format!("{{\"name\":\"Đơn vị {unit} ở {revision}\"}}"))
    };
    vec![
        Commit {
            catalogue: Some((1, "{\"indicators\":[]}".to_owned())),
            ..of_kind(1, "catalogue")
        },
        Commit {
            revision: nth(2),
            recorded_at: time_at(2_000_000),
            reason: Some(String::new()),
            ..dictionaries(4, 3)
        },
        Commit {
            submission: Some(telling),
            actor: "Sở Thông tin và Truyền thông".to_owned(),
            ..bringing(
                3,
                vec![
                    figure(3, 1, 1, JANUARY, Some(i64::MAX)),
                    figure(3, 1, 2, JANUARY, Some(-1)),
                    figure(3, 4, 1, -7, Some(0)),
                ],
            )
        },
        Commit {
            submission: Some(withdrawing),
            reason: Some("nhầm".to_owned()),
            observations: vec![figure(4, 1, 2, JANUARY, None), figure(4, 4, 1, -7, None)],
            ..of_kind(4, "withdrawal")
        },
        Commit {
            closings: vec![
                (StoredMonth::new(JANUARY), true),
                (StoredMonth::new(JANUARY + 1), true),
            ],
            ..of_kind(5, "closing")
        },
        Commit {
            closings: vec![
                (StoredMonth::new(JANUARY), false),
                (StoredMonth::new(JANUARY + 2), true),
            ],
            reason: Some("đính chính".to_owned()),
            ..of_kind(6, "reopening")
        },
        Commit {
            new_units: vec![(StoredUnit::new(5), "unit-5".to_owned())],
            unit_versions: vec![renamed(7, 1), renamed(7, 5)],
            ..of_kind(7, "units")
        },
        Commit {
            catalogue: Some((2, "{\"indicators\":[{\"code\":\"á\"}]}".to_owned())),
            ..of_kind(8, "catalogue")
        },
        Commit {
            new_measures: vec![MeasureRow {
                id: StoredMeasure::new(4),
                code: "measure.1".to_owned(),
                members: "channel=online,level=4".to_owned(),
            }],
            ..bringing(
                9,
                vec![figure(9, 1, 4, JANUARY + 1, Some(7)), figure(9, 5, 4, JANUARY, Some(8))],
            )
        },
        Commit {
            closings: vec![(StoredMonth::new(JANUARY + 2), false)],
            ..of_kind(10, "reopening")
        },
        // Two kinds with the same code, and codes that databases order differently.
        Commit {
            declarations: vec![
                declaration(
                    "annotation",
                    "dich-2021",
                    Some("{\"vi\":\"Dịch, \\\"đợt 4\\\"\\r\\n\"}"),
                ),
                declaration("target", "B.z", Some("{}")),
                declaration("target", "a-b", Some("")),
                declaration("target", "a.c", Some("\\")),
                declaration("target", "dich-2021", Some("{\"value\":1}")),
            ],
            origin: Some("{\"how\":\"key\",\"agent\":\"tác nhân\"}".to_owned()),
            ..of_kind(11, "what comes later")
        },
        // A number without a version, and the same microsecond twice; one removed entry exists, the
        // other never did.
        Commit {
            recorded_at: time_at(11_000_000),
            new_units: vec![(StoredUnit::new(6), "unit-6".to_owned())],
            unit_versions: vec![renamed(12, 2), renamed(12, 5)],
            declarations: vec![
                declaration("annotation", "dich-2021", Some("{}")),
                declaration("target", "B.z", None),
                declaration("target", "never", None),
            ],
            ..bare(12)
        },
    ]
}

pub fn write(store: &Store, commits: &[Commit]) {
    let expected = commits[0].revision.previous();
    assert_eq!(store.write(expected, commits, &[]).unwrap(), WriteOutcome::Written);
}

/// All figures that replay returns.
pub fn replayed(store: &Store, after: i64, up_to: i64) -> Vec<ObservationRow> {
    let mut rows = Vec::new();
    store.replay(span(after, up_to), &mut |row| rows.push(row)).unwrap();
    rows
}

/// A ledger of some thousand figures in which units report in different revisions; returns the
/// figures in the ledger's order.
pub fn filled(store: &Store) -> Vec<ObservationRow> {
    let mut all = Vec::new();
    let mut commits = vec![dictionaries(300, 7)];
    for revision in 2..=40 {
        let mut rows = Vec::new();
        for unit in
            (1..=300).filter(|unit| (unit * 7 + revision * 11) % 13 == 0 || *unit == revision)
        {
            for measure in 1 + revision % 3..=5 {
                for month in 0..(3 + unit % 5) {
                    let mantissa =
                        ((unit + measure + month) % 17 != 0).then_some(unit * 1000 + revision);
                    rows.push(figure(
                        revision,
                        unit,
                        measure,
                        JANUARY + revision % 12 + month,
                        mantissa,
                    ));
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
