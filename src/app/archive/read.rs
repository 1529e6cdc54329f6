//! Reads commits from an archive and validates every row.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, StringRecord};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::tables::{
    ArchiveRow, CatalogueVersionRecord, ClosingRecord, DeclarationRecord, IdempotencyKeyRecord,
    MeasureRecord, ObservationRecord, OriginRecord, RevisionRecord, RevisionedRow,
    SubmissionArchiveRow, UnitNumberRecord, UnitVersionRecord,
};
use super::{ArchiveManifest, BUFFER, FORMAT, MANIFEST, VERSION, WITH_DECLARATIONS, WITH_ORIGINS};
use crate::error::Error;
use kpi::fault::quoted;
use ledger::{
    Commit, DeclarationVersion, IdempotencyRow, MeasureRow, RevisionNumber, TimestampMicros, chain,
};

/// Largest `ledger.json` in bytes.
const MAX_MANIFEST: u64 = 1 << 16;

/// A ZIP that is being read.
type ZipReader = ZipArchive<BufReader<File>>;

/// An archive. Its `ledger.json` was read and is supported.
pub struct LedgerArchive {
    path: PathBuf,
    manifest: ArchiveManifest,
}

impl LedgerArchive {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the file is not an archive, or one of a newer program;
    /// [`Error::Environment`] when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        let mut zip = zip(path)?;
        let file = zip.by_name(MANIFEST).map_err(|error| unreadable(MANIFEST, error))?;
        file.take(MAX_MANIFEST)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(MANIFEST, error))?;
        Ok(Self { path: path.to_owned(), manifest: manifest(&text)? })
    }

    /// The description of the archive.
    #[must_use]
    pub fn manifest(&self) -> &ArchiveManifest {
        &self.manifest
    }

    /// Reads all revisions and passes each one to `each` with its hash, after comparing that with
    /// the archive's. One revision is in memory at a time.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the first row that cannot be parsed, or the first revision that
    /// does not match its hash; or the error of `each`.
    pub fn commits(
        &self,
        each: &mut dyn FnMut(Commit, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // All tables are read in parallel, and each reader needs its own file handle.
        let zip = || zip(&self.path);
        let mut zips =
            [zip()?, zip()?, zip()?, zip()?, zip()?, zip()?, zip()?, zip()?, zip()?, zip()?];
        let [
            revisions,
            submissions,
            measures,
            unit_numbers,
            unit_versions,
            catalogue_versions,
            closings,
            declarations,
            origins,
            observations,
        ] = &mut zips;
        let mut revisions: ArchiveTableReader<'_, RevisionRecord> =
            ArchiveTableReader::open(revisions)?;
        let mut tables = ArchiveTables {
            submissions: ArchiveTableReader::open(submissions)?,
            measures: ArchiveTableReader::open(measures)?,
            unit_numbers: ArchiveTableReader::open(unit_numbers)?,
            unit_versions: ArchiveTableReader::open(unit_versions)?,
            catalogue_versions: ArchiveTableReader::open(catalogue_versions)?,
            closings: ArchiveTableReader::open(closings)?,
            declarations: (self.manifest.version >= WITH_DECLARATIONS)
                .then(|| ArchiveTableReader::open(declarations))
                .transpose()?,
            origins: (self.manifest.version >= WITH_ORIGINS)
                .then(|| ArchiveTableReader::open(origins))
                .transpose()?,
            observations: ArchiveTableReader::open(observations)?,
        };
        let (mut last, mut time, mut hash) =
            (RevisionNumber::BEGINNING, TimestampMicros::default(), chain::beginning());
        while let Some(line) = revisions.next()? {
            if line.revision != last.next() {
                return Err(Error::Malformed(format!(
                    "{}: revision {} does not follow revision {last}",
                    RevisionRecord::FILE,
                    line.revision
                )));
            }
            if line.recorded_at < time {
                return Err(Error::Malformed(format!(
                    "{}: revision {} is dated before the one it follows",
                    RevisionRecord::FILE,
                    line.revision
                )));
            }
            let expected = line.hash.clone();
            let commit = tables.complete(Commit::from(line))?;
            hash = chain::hash(&hash, &commit);
            if chain::digits(&hash) != expected {
                return Err(Error::Malformed(format!(
                    "revision {} is not as it was written: its hash differs",
                    commit.revision
                )));
            }
            (last, time) = (commit.revision, commit.recorded_at);
            each(commit, &expected)?;
        }
        tables.end()?;
        let mut counted = tables.counted();
        counted.push((RevisionRecord::FILE, revisions.rows));
        self.check_end((last, time, &chain::digits(&hash)), &counted)
    }

    /// Compares what was read with `ledger.json`.
    fn check_end(
        &self,
        (revision, recorded_at, hash): (RevisionNumber, TimestampMicros, &str),
        counted: &[(&str, u64)],
    ) -> Result<(), Error> {
        let said = &self.manifest;
        if (said.revision, said.recorded_at, said.hash.as_str()) != (revision, recorded_at, hash) {
            return Err(Error::Malformed(format!(
                "{MANIFEST} says that revision {} is the newest, with the hash {}; the newest here \
                 is revision {revision}, with the hash {hash}",
                said.revision, said.hash
            )));
        }
        counted.iter().try_for_each(|(file, rows)| self.check_rows(file, *rows))
    }

    fn check_rows(&self, file: &str, rows: u64) -> Result<(), Error> {
        let said = self.manifest.rows.get(file).copied().unwrap_or(0);
        if said == rows {
            Ok(())
        } else {
            Err(Error::Malformed(format!("{file} has {rows} rows, {MANIFEST} says {said}")))
        }
    }

    /// Passes each response to an idempotency key to `each`.
    ///
    /// # Errors
    /// As for [`LedgerArchive::commits`].
    pub fn keys(
        &self,
        each: &mut dyn FnMut(IdempotencyRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut zip = zip(&self.path)?;
        let mut table: ArchiveTableReader<'_, IdempotencyKeyRecord> =
            ArchiveTableReader::open(&mut zip)?;
        while let Some(line) = table.next()? {
            each(line.into())?;
        }
        self.check_rows(IdempotencyKeyRecord::FILE, table.rows)
    }
}

/// Parses `ledger.json`. The format version is checked first, because the rest of a newer format
/// may be unknown.
fn manifest(text: &str) -> Result<ArchiveManifest, Error> {
    let wrong = |sentence: String| Err(Error::Malformed(format!("{MANIFEST}: {sentence}")));
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return wrong(error.to_string()),
    };
    let format = value.get("format").and_then(serde_json::Value::as_str).unwrap_or_default();
    if format != FORMAT {
        return wrong(format!("the format is {}; {} is expected", quoted(format), quoted(FORMAT)));
    }
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(1..=VERSION) => {}
        Some(newer) if newer > VERSION => {
            return wrong(format!(
                "the archive has version {newer} of the format, this program reads up to \
                 {VERSION}; import it with a newer program"
            ));
        }
        _ => return wrong("the version of the format is missing".to_owned()),
    }
    let manifest: ArchiveManifest = match serde_json::from_value(value) {
        Ok(manifest) => manifest,
        Err(error) => return wrong(error.to_string()),
    };
    let mut known: BTreeSet<&str> = [
        RevisionRecord::FILE,
        SubmissionArchiveRow::FILE,
        MeasureRecord::FILE,
        UnitNumberRecord::FILE,
        UnitVersionRecord::FILE,
        CatalogueVersionRecord::FILE,
        ClosingRecord::FILE,
        ObservationRecord::FILE,
        IdempotencyKeyRecord::FILE,
    ]
    .into();
    if manifest.version >= WITH_DECLARATIONS {
        known.insert(DeclarationRecord::FILE);
    }
    if manifest.version >= WITH_ORIGINS {
        known.insert(OriginRecord::FILE);
    }
    if manifest.rows.keys().map(String::as_str).collect::<BTreeSet<_>>() != known {
        return wrong("the list of tables does not match this format".to_owned());
    }
    Ok(manifest)
}

/// The tables of the ledger except the revisions, all positioned at the same revision.
struct ArchiveTables<'z> {
    submissions: ArchiveTableReader<'z, SubmissionArchiveRow>,
    measures: ArchiveTableReader<'z, MeasureRecord>,
    unit_numbers: ArchiveTableReader<'z, UnitNumberRecord>,
    unit_versions: ArchiveTableReader<'z, UnitVersionRecord>,
    catalogue_versions: ArchiveTableReader<'z, CatalogueVersionRecord>,
    closings: ArchiveTableReader<'z, ClosingRecord>,
    /// Absent in archives of a version without this table.
    declarations: Option<ArchiveTableReader<'z, DeclarationRecord>>,
    /// Absent in archives of a version without this table.
    origins: Option<ArchiveTableReader<'z, OriginRecord>>,
    observations: ArchiveTableReader<'z, ObservationRecord>,
}

impl ArchiveTables<'_> {
    /// Adds to a commit what its revision wrote in the tables.
    fn complete(&mut self, mut commit: Commit) -> Result<Commit, Error> {
        let revision = commit.revision;
        commit.submission = self.submissions.only_of(revision)?.map(Into::into);
        while let Some(line) = self.measures.of(revision)? {
            commit.new_measures.push(MeasureRow {
                id: line.id,
                code: line.code,
                members: line.members,
            });
        }
        while let Some(line) = self.unit_numbers.of(revision)? {
            commit.new_units.push((line.number, line.code));
        }
        while let Some(line) = self.unit_versions.of(revision)? {
            commit.unit_versions.push((line.unit, line.document));
        }
        commit.catalogue =
            self.catalogue_versions.only_of(revision)?.map(|line| (line.version, line.document));
        while let Some(line) = self.closings.of(revision)? {
            commit.closings.push((line.month, line.closed));
        }
        if let Some(declarations) = &mut self.declarations {
            while let Some(DeclarationRecord { revision: _, kind, code, document }) =
                declarations.of(revision)?
            {
                commit.declarations.push(DeclarationVersion { kind, code, document });
            }
        }
        if let Some(origins) = &mut self.origins {
            commit.origin = origins.only_of(revision)?.map(|line| line.document);
        }
        while let Some(line) = self.observations.of(revision)? {
            commit.observations.push(line.into());
        }
        Ok(commit)
    }

    /// Checks that no table has rows after the last revision.
    fn end(&self) -> Result<(), Error> {
        self.submissions.end()?;
        self.measures.end()?;
        self.unit_numbers.end()?;
        self.unit_versions.end()?;
        self.catalogue_versions.end()?;
        self.closings.end()?;
        self.declarations.as_ref().map_or(Ok(()), ArchiveTableReader::end)?;
        self.origins.as_ref().map_or(Ok(()), ArchiveTableReader::end)?;
        self.observations.end()
    }

    /// Number of rows of each table.
    fn counted(&self) -> Vec<(&'static str, u64)> {
        vec![
            (SubmissionArchiveRow::FILE, self.submissions.rows),
            (MeasureRecord::FILE, self.measures.rows),
            (UnitNumberRecord::FILE, self.unit_numbers.rows),
            (UnitVersionRecord::FILE, self.unit_versions.rows),
            (CatalogueVersionRecord::FILE, self.catalogue_versions.rows),
            (ClosingRecord::FILE, self.closings.rows),
            (DeclarationRecord::FILE, self.declarations.as_ref().map_or(0, |table| table.rows)),
            (OriginRecord::FILE, self.origins.as_ref().map_or(0, |table| table.rows)),
            (ObservationRecord::FILE, self.observations.rows),
        ]
    }
}

/// A table that is being read, one row ahead.
struct ArchiveTableReader<'z, T> {
    cells: csv::Reader<ZipFile<'z, BufReader<File>>>,
    record: StringRecord,
    ahead: Option<T>,
    /// Number of rows returned so far.
    rows: u64,
}

impl<'z, T: ArchiveRow> ArchiveTableReader<'z, T> {
    /// Opens the table in the ZIP and checks its header.
    fn open(zip: &'z mut ZipReader) -> Result<Self, Error> {
        let file = zip.by_name(T::FILE).map_err(|error| unreadable(T::FILE, error))?;
        let cells =
            csv::ReaderBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_reader(file);
        let mut table = Self { cells, record: StringRecord::new(), ahead: None, rows: 0 };
        if !table.read()? || table.record.iter().ne(T::COLUMNS.iter().copied()) {
            return Err(Error::Malformed(format!(
                "{}, line 1: the columns are not {}",
                T::FILE,
                T::COLUMNS.join(",")
            )));
        }
        table.advance()?;
        Ok(table)
    }

    /// The next row.
    fn next(&mut self) -> Result<Option<T>, Error> {
        let found = self.ahead.take();
        if found.is_some() {
            self.rows += 1;
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.ahead = if self.read()? {
            Some(self.record.deserialize(None).map_err(|error| fault::<T>(&error))?)
        } else {
            None
        };
        Ok(())
    }

    fn read(&mut self) -> Result<bool, Error> {
        self.cells.read_record(&mut self.record).map_err(|error| fault::<T>(&error))
    }

    /// An error at the row ahead.
    fn wrong(&self, column: &str, sentence: &str) -> Error {
        let line = self.record.position().map_or(0, csv::Position::line);
        Error::Malformed(format!("{}, line {line}, column {column}: {sentence}", T::FILE))
    }
}

impl<T: RevisionedRow> ArchiveTableReader<'_, T> {
    /// The next row of a revision; revisions must be requested in order.
    fn of(&mut self, revision: RevisionNumber) -> Result<Option<T>, Error> {
        match self.ahead.as_ref().map(RevisionedRow::revision) {
            Some(found) if found == revision => self.next(),
            Some(found) if found < revision => {
                Err(self.wrong("revision", "the rows are not in the order of the revisions"))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The row of a revision that has at most one.
    fn only_of(&mut self, revision: RevisionNumber) -> Result<Option<T>, Error> {
        let found = self.of(revision)?;
        match self.ahead.as_ref().map(RevisionedRow::revision) {
            Some(second) if second == revision => {
                Err(self.wrong("revision", "a second row for the same revision"))
            }
            Some(_) | None => Ok(found),
        }
    }

    fn end(&self) -> Result<(), Error> {
        if self.ahead.is_none() {
            Ok(())
        } else {
            Err(self.wrong("revision", "there is no such revision"))
        }
    }
}

fn zip(path: &Path) -> Result<ZipReader, Error> {
    let named = |source: io::Error| Error::Environment { what: path.display().to_string(), source };
    ZipReader::new(BufReader::with_capacity(BUFFER, File::open(path).map_err(named)?))
        .map_err(|error| unreadable("the archive", error))
}

/// The error for an unreadable file of the archive: missing, damaged, or a failing disk.
fn unreadable(file: &str, error: impl Into<io::Error>) -> Error {
    let source: io::Error = error.into();
    let damaged = [
        io::ErrorKind::InvalidData,
        io::ErrorKind::InvalidInput,
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::Unsupported,
    ];
    let missing = source
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ZipError>())
        .is_some_and(|inner| matches!(inner, ZipError::FileNotFound));
    if missing {
        return Error::Malformed(format!("{file} is missing; the archive is incomplete"));
    }
    if damaged.contains(&source.kind()) {
        return Error::Malformed(format!("{file} is damaged: {source}"));
    }
    Error::Environment { what: file.to_owned(), source }
}

/// The error for a table, with line and column.
fn fault<T: ArchiveRow>(error: &csv::Error) -> Error {
    let place = |column: Option<u64>| {
        let line = error.position().map_or(0, csv::Position::line);
        let column = column
            .and_then(|column| T::COLUMNS.get(usize::try_from(column).ok()?))
            .map(|column| format!(", column {column}"));
        format!("{}, line {line}{}", T::FILE, column.unwrap_or_default())
    };
    match error.kind() {
        ErrorKind::Io(source) => {
            unreadable(T::FILE, io::Error::new(source.kind(), source.to_string()))
        }
        ErrorKind::Deserialize { err, .. } => {
            Error::Malformed(format!("{}: {}", place(err.field()), err.kind()))
        }
        ErrorKind::Utf8 { err, .. } => Error::Malformed(format!(
            "{}: the text is not valid UTF-8",
            place(u64::try_from(err.field()).ok())
        )),
        ErrorKind::UnequalLengths { len, .. } => Error::Malformed(format!(
            "{}: {len} cells, {} are expected",
            place(None),
            T::COLUMNS.len()
        )),
        ErrorKind::Seek | ErrorKind::Serialize(_) | _ => {
            Error::Malformed(format!("{}: {error}", place(None)))
        }
    }
}
