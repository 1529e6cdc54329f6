//! Reading of the ledger that accepts only what the hash chain covers.
//!
//! The rows that are passed on are the rows that were hashed. There is no second query between
//! check and use, before which somebody could insert a row. A whole ledger is hashed on a separate
//! thread while its figures are put in place.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::Store;
use super::chain::{self, Hash};
use super::error::StoreError;
use super::numbers::{RevisionNumber, RevisionSpan};
use super::revision::RevisionId;
use super::rows::{Commit, DeclarationVersion, ObservationRow, RecordedCommit};

/// Figures and revisions that are passed to the hashing thread at once, and how many such batches
/// may wait.
const BATCH_FIGURES: usize = 16_384;
const BATCH_REVISIONS: usize = 256;
const BATCHES_AHEAD: usize = 4;
/// Most rows of a revision that are left out one by one to find the inserted one.
const SUSPECTS: usize = 200;

impl RevisionId {
    /// The next revision, if it follows this one: its number is the next, and its hash matches
    /// everything that it wrote.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] with the revision and, as far as it can be found, the table.
    pub fn next(&self, recorded: &RecordedCommit) -> Result<Self, StoreError> {
        let revision = recorded.commit.revision;
        if revision != self.number.next() {
            return Err(StoreError::Unsound(format!(
                "Revision {revision} does not follow revision {}: table revisions.",
                self.number
            )));
        }
        if recorded.hash.is_none() {
            return Err(StoreError::Unsound(format!(
                "Revision {revision} has no hash: it was not written by this program (table \
                 revisions)."
            )));
        }
        let hash = chain::hash(&self.hash, &recorded.commit);
        if recorded.hash.as_deref() == Some(chain::digits(&hash).as_str()) {
            return Ok(Self { number: revision, hash });
        }
        Err(StoreError::Unsound(format!(
            "Revision {revision} is not as it was written: its hash differs{}.",
            suspects(&self.hash, recorded)
        )))
    }
}

/// A part of the revisions that a thread reads.
pub enum RevisionPart {
    /// The revisions with their submissions and stored reports.
    Heads(Vec<RecordedCommit>),
    /// Figures of these revisions, in order.
    Figures(Vec<ObservationRow>),
}

/// Joins the parts of revisions, passes on their figures and has the revisions hashed.
pub struct RevisionAssembly<'a> {
    /// What the revisions wrote besides, in order.
    foundation: VecDeque<Commit>,
    waiting: VecDeque<RecordedCommit>,
    batch: Vec<RecordedCommit>,
    figures: usize,
    send: &'a mut dyn FnMut(Vec<RecordedCommit>) -> bool,
    each: &'a mut dyn FnMut(ObservationRow),
}

impl RevisionAssembly<'_> {
    /// Adds the next part.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] for a figure of a revision that does not exist.
    pub fn take(&mut self, part: RevisionPart) -> Result<(), StoreError> {
        match part {
            RevisionPart::Heads(heads) => {
                self.finish_all();
                for mut recorded in heads {
                    let revision = recorded.commit.revision;
                    // Rows of a revision that does not exist are left over, which `end` notices.
                    if self.foundation.front().is_some_and(|commit| commit.revision == revision)
                        && let Some(commit) = self.foundation.pop_front()
                    {
                        let Commit {
                            new_measures,
                            new_units,
                            unit_versions,
                            catalogue,
                            closings,
                            mut declarations,
                            ..
                        } = commit;
                        declarations.append(&mut recorded.commit.declarations);
                        recorded.commit = Commit {
                            new_measures,
                            new_units,
                            unit_versions,
                            catalogue,
                            closings,
                            declarations,
                            ..recorded.commit
                        };
                    }
                    self.waiting.push_back(recorded);
                }
            }
            RevisionPart::Figures(rows) => {
                for row in rows {
                    while self
                        .waiting
                        .front()
                        .is_some_and(|recorded| recorded.commit.revision < row.revision)
                    {
                        self.finish();
                    }
                    match self
                        .waiting
                        .front_mut()
                        .filter(|recorded| recorded.commit.revision == row.revision)
                    {
                        Some(recorded) => recorded.commit.observations.push(row),
                        None => return Err(missing("observations", row.revision)),
                    }
                    (self.each)(row);
                }
            }
        }
        Ok(())
    }

    /// Completes the last revision, and checks that nothing is left over.
    fn end(mut self) -> Result<(), StoreError> {
        self.finish_all();
        if !self.batch.is_empty() {
            (self.send)(std::mem::take(&mut self.batch));
        }
        self.foundation
            .front()
            .map_or(Ok(()), |commit| Err(missing(table_of(commit), commit.revision)))
    }

    fn finish_all(&mut self) {
        while !self.waiting.is_empty() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Some(recorded) = self.waiting.pop_front() else { return };
        self.figures += recorded.commit.observations.len();
        self.batch.push(recorded);
        if self.figures >= BATCH_FIGURES || self.batch.len() >= BATCH_REVISIONS {
            self.figures = 0;
            // The hashing thread reports its own errors.
            let _heard = (self.send)(std::mem::take(&mut self.batch));
        }
    }
}

/// The error for a row of a revision that does not exist.
fn missing(table: &str, revision: RevisionNumber) -> StoreError {
    StoreError::Unsound(format!(
        "Table {table} has a row of revision {revision}, which does not exist."
    ))
}

/// The first table in which a commit has rows.
fn table_of(commit: &Commit) -> &'static str {
    match commit {
        commit if !commit.new_measures.is_empty() => "measures",
        commit if !commit.new_units.is_empty() => "unit_numbers",
        commit if !commit.unit_versions.is_empty() => "unit_versions",
        commit if commit.catalogue.is_some() => "catalogue_versions",
        commit if !commit.closings.is_empty() => "closings",
        commit if !commit.declarations.is_empty() => "declarations",
        _ => "observations",
    }
}

/// Receives the parts of the revisions, in order.
type PartReceiver<'a> = &'a mut dyn FnMut(RevisionPart) -> Result<(), StoreError>;

/// Reads the revisions up to one, passes on their figures, and verifies the whole chain at the same
/// time. `foundation` is what the revisions wrote besides; `read` passes on the parts in order.
/// Returns the revision, number and hash, at which the chain ends.
///
/// # Errors
/// Those of `read`, and [`StoreError::Unsound`] with the first revision that does not match its
/// hash.
pub fn load(
    foundation: Vec<Commit>,
    up_to: RevisionNumber,
    read: impl FnOnce(PartReceiver<'_>) -> Result<(), StoreError>,
    each: &mut dyn FnMut(ObservationRow),
) -> Result<RevisionId, StoreError> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let hashing = scope.spawn(move || check(&receiver));
        let mut send = |batch| sender.send(batch).is_ok();
        let mut assembly = RevisionAssembly {
            foundation: foundation.into(),
            waiting: VecDeque::new(),
            batch: Vec::new(),
            figures: 0,
            send: &mut send,
            each,
        };
        let outcome = read(&mut |part| assembly.take(part)).and_then(|()| assembly.end());
        drop(sender);
        let hashed = hashing.join().map_err(|_panicked| {
            StoreError::Unsound("The hash chain could not be computed.".to_owned())
        })?;
        // An earlier wrong revision is the error to report.
        let last = hashed?;
        outcome?;
        if last.number == up_to {
            return Ok(last);
        }
        Err(StoreError::Unsound(format!(
            "Revision {} is missing: table revisions.",
            last.number.next()
        )))
    })
}

/// Hashes the batches, from the first revision on.
fn check(batches: &Receiver<Vec<RecordedCommit>>) -> Result<RevisionId, StoreError> {
    let mut last = RevisionId::beginning();
    for batch in batches {
        for recorded in &batch {
            last = last.next(recorded)?;
        }
    }
    Ok(last)
}

/// Names the row that does not belong, as far as leaving out single rows finds it; otherwise the
/// tables with rows of the revision.
fn suspects(before: &Hash, recorded: &RecordedCommit) -> String {
    let Some(kept) = recorded.hash.as_deref().and_then(chain::read) else {
        return " (table revisions)".to_owned();
    };
    let commit = &recorded.commit;
    let fits = |commit: &Commit| chain::hash(before, commit) == kept;
    macro_rules! one_too_many {
        ($($list:ident: $table:literal),*) => {$(
            for place in 0..commit.$list.len().min(SUSPECTS) {
                let mut without = commit.clone();
                without.$list.remove(place);
                if fits(&without) {
                    return concat!(" (a row was added to table ", $table, ")").to_owned();
                }
            }
        )*};
    }
    if commit.observations.len() <= SUSPECTS {
        one_too_many!(
            declarations: "declarations",
            closings: "closings",
            unit_versions: "unit_versions",
            new_units: "unit_numbers",
            new_measures: "measures",
            observations: "observations"
        );
        for (without, table) in [
            (Commit { submission: None, ..commit.clone() }, "submissions"),
            (Commit { catalogue: None, ..commit.clone() }, "catalogue_versions"),
            (Commit { observations: Vec::new(), ..commit.clone() }, "observations"),
        ] {
            if fits(&without) {
                return format!(" (a row was added to table {table})");
            }
        }
    }
    let Commit {
        submission,
        new_measures,
        new_units,
        unit_versions,
        catalogue,
        closings,
        declarations,
        observations,
        ..
    } = commit;
    let mut text = " (it has rows in the tables revisions".to_owned();
    for (there, table) in [
        (submission.is_some(), "submissions"),
        (!new_measures.is_empty(), "measures"),
        (!new_units.is_empty(), "unit_numbers"),
        (!unit_versions.is_empty(), "unit_versions"),
        (catalogue.is_some(), "catalogue_versions"),
        (!closings.is_empty(), "closings"),
        (!declarations.is_empty(), "declarations"),
        (!observations.is_empty(), "observations"),
    ] {
        if there {
            let _infallible = write!(text, ", {table}");
        }
    }
    text.push(')');
    text
}

/// The declarations of a kind that a commit changes.
pub fn declarations_of<'c>(
    commit: &'c Commit,
    kind: &'c str,
) -> impl Iterator<Item = &'c DeclarationVersion> {
    commit.declarations.iter().filter(move |declaration| declaration.kind == kind)
}

/// Revisions that are read at once.
const STRETCH: i64 = 16;

/// Verifies the chain up to a revision, or to the newest one; returns the revision, number and
/// hash, at which it ends.
///
/// # Errors
/// Those of the store, and [`StoreError::Unsound`] for the first revision that does not match its
/// hash.
pub fn check_chain(store: &Store, up_to: Option<RevisionNumber>) -> Result<RevisionId, StoreError> {
    let (head, newest) = store.gapless_head()?;
    let end = up_to.unwrap_or(head).min(head);
    if up_to.is_none() && newest > head {
        return Err(StoreError::Unsound(format!(
            "Revision {newest} does not follow revision {head}: table revisions."
        )));
    }
    let mut last = RevisionId::beginning();
    while last.number < end {
        let next = RevisionSpan::new(last.number, end).beginning(STRETCH);
        let (commits, strays) = store.commits_and_strays(next)?;
        if let Some(stray) = strays.first() {
            return Err(StoreError::Unsound(format!("Rows do not belong to the ledger: {stray}.")));
        }
        for recorded in &commits {
            last = last.next(recorded)?;
        }
    }
    Ok(last)
}
