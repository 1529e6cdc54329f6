//! Writes a ledger to an archive.
//!
//! The ledger is read once, revision by revision. The figures, by far the largest part, are written
//! directly to the first file of the ZIP. The other tables are collected, in memory while they are
//! small, otherwise in temporary files, and appended afterwards.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::marker::PhantomData;
use std::sync::mpsc::sync_channel;
use std::thread;

use tempfile::SpooledTempFile;

use super::tables::{
    ArchiveRow, CatalogueVersionRecord, ClosingRecord, DeclarationRecord, IdempotencyKeyRecord,
    MeasureRecord, ObservationRecord, OriginRecord, RevisionRecord, SubmissionArchiveRow,
    UnitNumberRecord, UnitVersionRecord,
};
use super::{
    ArchiveManifest, BUFFER, FORMAT, MANIFEST, VERSION, ZipStream, begin, end, write_error,
};
use crate::error::Error;
use ledger::{
    Commit, DeclarationVersion, IdempotencyRow, LedgerHead, RecordedCommit, RevisionNumber,
    RevisionSpan, Store, chain,
};

/// Revisions read at once; two such blocks are in memory at the same time.
const STRETCH: i64 = 8;
/// Bytes of a table that are kept in memory before a temporary file is used.
const IN_MEMORY: usize = 1 << 20;
/// Attempts to read the idempotency keys and the newest revision at one point in time.
const ATTEMPTS: usize = 20;

/// Writes the whole ledger as it is at the start; `progress` receives the number of revisions done,
/// and the total.
///
/// # Errors
/// Those of the store, those of writing, and [`Error::Malformed`] for a revision that does not
/// match its hash, because such an archive could not be read again.
pub fn write<W: Write>(
    store: &Store,
    out: W,
    mut progress: impl FnMut(i64, i64),
) -> Result<ArchiveManifest, Error> {
    let (head, keys) = snapshot(store)?;
    let mut zip = ZipStream::new_stream(out);
    begin(&mut zip, ObservationRecord::FILE)?;
    let (mut figures, mut others) = (TableWriter::begin(&mut zip)?, SmallTables::begin()?);
    let mut hash = chain::beginning();
    for_each_commit(store, head.revision, &mut |RecordedCommit { commit, hash: kept }| {
        hash = chain::hash(&hash, &commit);
        let digits = chain::digits(&hash);
        if kept.as_deref() != Some(digits.as_str()) {
            return Err(Error::Malformed(format!(
                "revision {} is not as it was written; `egov-kpi verify` shows details",
                commit.revision
            )));
        }
        progress(commit.revision.get(), head.revision.get());
        for row in &commit.observations {
            figures.add(&ObservationRecord::from(*row))?;
        }
        others.add(commit, digits)
    })?;
    let mut rows = BTreeMap::from([(ObservationRecord::FILE.to_owned(), figures.rows)]);
    figures.end()?;
    others.follow(&mut zip, &mut rows)?;
    let mut sheet = TableWriter::gathered()?;
    keys.into_iter().try_for_each(|key| sheet.add(&IdempotencyKeyRecord::from(key)))?;
    sheet.follow(&mut zip, &mut rows)?;
    let manifest = ArchiveManifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        revision: head.revision,
        recorded_at: head.recorded_at,
        hash: chain::digits(&hash),
        rows,
    };
    begin(&mut zip, MANIFEST)?;
    serde_json::to_writer_pretty(&mut zip, &manifest).map_err(write_error)?;
    zip.write_all(b"\n").map_err(write_error)?;
    end(zip)?;
    Ok(manifest)
}

/// The newest revision and the responses to idempotency keys at the same point in time. No response
/// belongs to a revision that will not be in the archive, and none is left out, unless the ledger
/// is written to all the time.
fn snapshot(store: &Store) -> Result<(LedgerHead, Vec<IdempotencyRow>), Error> {
    let mut head = store.head()?;
    let mut keys = Vec::new();
    for _ in 0..ATTEMPTS {
        keys = store.idempotent_responses()?;
        let before = std::mem::replace(&mut head, store.head()?);
        if before == head {
            break;
        }
    }
    Ok((head, keys))
}

/// Passes each revision to `take` in order; a thread reads ahead.
fn for_each_commit(
    store: &Store,
    up_to: RevisionNumber,
    take: &mut dyn FnMut(RecordedCommit) -> Result<(), Error>,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(0);
        scope.spawn(move || {
            let mut rest = RevisionSpan::first(up_to);
            while !rest.is_empty() {
                let stretch = rest.beginning(STRETCH);
                let read = store.commits(stretch);
                let failed = read.is_err();
                if sender.send(read).is_err() || failed {
                    break;
                }
                rest.after = stretch.up_to;
            }
        });
        for read in receiver {
            read?.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    })
}

/// A table that is being written.
struct TableWriter<T, W: Write> {
    out: csv::Writer<W>,
    rows: u64,
    line: PhantomData<T>,
}

impl<T: ArchiveRow, W: Write> TableWriter<T, W> {
    /// Writes the header.
    fn begin(out: W) -> Result<Self, Error> {
        let mut out =
            csv::WriterBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_writer(out);
        out.write_record(T::COLUMNS).map_err(write_error)?;
        Ok(Self { out, rows: 0, line: PhantomData })
    }

    fn add(&mut self, line: &T) -> Result<(), Error> {
        self.rows += 1;
        self.out.serialize(line).map_err(write_error)
    }

    fn end(self) -> Result<W, Error> {
        self.out.into_inner().map_err(|error| write_error(error.into_error()))
    }
}

impl<T: ArchiveRow> TableWriter<T, SpooledTempFile> {
    /// A table that is appended to the ZIP later.
    fn gathered() -> Result<Self, Error> {
        Self::begin(SpooledTempFile::new(IN_MEMORY))
    }

    /// Appends the table to the ZIP and adds its number of rows to `rows`.
    fn follow<W: Write>(
        self,
        zip: &mut ZipStream<W>,
        rows: &mut BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        rows.insert(T::FILE.to_owned(), self.rows);
        let mut gathered = self.end()?;
        gathered.rewind().map_err(write_error)?;
        begin(zip, T::FILE)?;
        std::io::copy(&mut gathered, zip).map_err(write_error)?;
        Ok(())
    }
}

/// The tables of the ledger except the figures.
struct SmallTables {
    revisions: TableWriter<RevisionRecord, SpooledTempFile>,
    submissions: TableWriter<SubmissionArchiveRow, SpooledTempFile>,
    measures: TableWriter<MeasureRecord, SpooledTempFile>,
    unit_numbers: TableWriter<UnitNumberRecord, SpooledTempFile>,
    unit_versions: TableWriter<UnitVersionRecord, SpooledTempFile>,
    catalogue_versions: TableWriter<CatalogueVersionRecord, SpooledTempFile>,
    closings: TableWriter<ClosingRecord, SpooledTempFile>,
    declarations: TableWriter<DeclarationRecord, SpooledTempFile>,
    origins: TableWriter<OriginRecord, SpooledTempFile>,
}

impl SmallTables {
    fn begin() -> Result<Self, Error> {
        Ok(Self {
            revisions: TableWriter::gathered()?,
            submissions: TableWriter::gathered()?,
            measures: TableWriter::gathered()?,
            unit_numbers: TableWriter::gathered()?,
            unit_versions: TableWriter::gathered()?,
            catalogue_versions: TableWriter::gathered()?,
            closings: TableWriter::gathered()?,
            declarations: TableWriter::gathered()?,
            origins: TableWriter::gathered()?,
        })
    }

    /// Adds what a revision wrote besides figures.
    fn add(&mut self, commit: Commit, hash: String) -> Result<(), Error> {
        // Destructured completely, so that a new field of a commit cannot be forgotten here.
        let Commit {
            revision,
            recorded_at,
            kind,
            actor,
            reason,
            origin,
            submission,
            new_measures,
            new_units,
            unit_versions,
            catalogue,
            closings,
            declarations,
            observations: _,
        } = commit;
        self.revisions.add(&RevisionRecord { revision, recorded_at, kind, actor, reason, hash })?;
        if let Some(document) = origin {
            self.origins.add(&OriginRecord { revision, document })?;
        }
        if let Some(row) = submission {
            self.submissions.add(&SubmissionArchiveRow::new(revision, row))?;
        }
        for row in new_measures {
            self.measures.add(&MeasureRecord {
                revision,
                id: row.id,
                code: row.code,
                members: row.members,
            })?;
        }
        for (number, code) in new_units {
            self.unit_numbers.add(&UnitNumberRecord { revision, number, code })?;
        }
        for (unit, document) in unit_versions {
            self.unit_versions.add(&UnitVersionRecord { revision, unit, document })?;
        }
        if let Some((version, document)) = catalogue {
            self.catalogue_versions.add(&CatalogueVersionRecord { revision, version, document })?;
        }
        for (month, closed) in closings {
            self.closings.add(&ClosingRecord { revision, month, closed })?;
        }
        for DeclarationVersion { kind, code, document } in declarations {
            self.declarations.add(&DeclarationRecord { revision, kind, code, document })?;
        }
        Ok(())
    }

    fn follow<W: Write>(
        self,
        zip: &mut ZipStream<W>,
        rows: &mut BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        self.revisions.follow(zip, rows)?;
        self.submissions.follow(zip, rows)?;
        self.measures.follow(zip, rows)?;
        self.unit_numbers.follow(zip, rows)?;
        self.unit_versions.follow(zip, rows)?;
        self.catalogue_versions.follow(zip, rows)?;
        self.closings.follow(zip, rows)?;
        self.declarations.follow(zip, rows)?;
        self.origins.follow(zip, rows)
    }
}
