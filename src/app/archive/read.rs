//! An archive back into commits, every row checked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, StringRecord};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::tables::{
    CatalogueVersion, Closing, Declared, Key, Line, Measure, Observation, Origin, Recorded,
    Revision, Submission, UnitNumber, UnitVersion,
};
use super::{BUFFER, FORMAT, MANIFEST, Manifest, VERSION, WITH_DECLARATIONS, WITH_ORIGINS};
use crate::domain::fault::quoted;
use crate::error::Error;
use crate::store::{Commit, Declaration, KeyRow, MeasureRow, chain};

/// Largest `ledger.json` in bytes.
const MAX_MANIFEST: u64 = 1 << 16;

/// A ZIP that is read.
type Zip = ZipArchive<BufReader<File>>;

/// An archive whose `ledger.json` has been read and can be understood.
pub struct Archive {
    path: PathBuf,
    manifest: Manifest,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is none, or one of a newer program; or the file cannot be had.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut text = String::new();
        let mut zip = zip(path)?;
        let file = zip.by_name(MANIFEST).map_err(|error| unreadable(MANIFEST, error))?;
        file.take(MAX_MANIFEST)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(MANIFEST, error))?;
        Ok(Self { path: path.to_owned(), manifest: manifest(&text)? })
    }

    /// What it says it holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads everything, and hands over each revision whose hash is what the archive says, with that hash. One revision is in memory
    /// at a time.
    ///
    /// # Errors
    /// [`Error::Malformed`] names the first row that cannot be read, or the first revision that is not as it was written; or what
    /// `each` ends with.
    pub fn commits(
        &self,
        each: &mut dyn FnMut(Commit, &str) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // All tables are read at once, and each reader needs the file for itself.
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
        let mut revisions: Table<'_, Revision> = Table::open(revisions)?;
        let mut tables = Tables {
            submissions: Table::open(submissions)?,
            measures: Table::open(measures)?,
            unit_numbers: Table::open(unit_numbers)?,
            unit_versions: Table::open(unit_versions)?,
            catalogue_versions: Table::open(catalogue_versions)?,
            closings: Table::open(closings)?,
            declarations: (self.manifest.version >= WITH_DECLARATIONS)
                .then(|| Table::open(declarations))
                .transpose()?,
            origins: (self.manifest.version >= WITH_ORIGINS)
                .then(|| Table::open(origins))
                .transpose()?,
            observations: Table::open(observations)?,
        };
        let (mut last, mut time, mut hash) = (0, 0, chain::beginning());
        while let Some(line) = revisions.next()? {
            if line.revision != last + 1 {
                return Err(Error::Malformed(format!(
                    "{}: revision {} does not follow revision {last}",
                    Revision::FILE,
                    line.revision
                )));
            }
            if line.recorded_at < time {
                return Err(Error::Malformed(format!(
                    "{}: revision {} is dated before the one it follows",
                    Revision::FILE,
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
        counted.push((Revision::FILE, revisions.rows));
        self.check_end((last, time, &chain::digits(&hash)), &counted)
    }

    /// Whether what was read is what `ledger.json` says.
    fn check_end(
        &self,
        (revision, recorded_at, hash): (i64, i64, &str),
        counted: &[(&str, u64)],
    ) -> Result<(), Error> {
        let said = &self.manifest;
        if (said.revision, said.recorded_at, said.hash.as_str()) != (revision, recorded_at, hash) {
            return Err(Error::Malformed(format!(
                "{MANIFEST} says that revision {} is the newest, with the hash {}; the newest here is revision {revision}, with the hash {hash}",
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

    /// Hands over each answer to an idempotency key.
    ///
    /// # Errors
    /// As for [`Archive::commits`].
    pub fn keys(&self, each: &mut dyn FnMut(KeyRow) -> Result<(), Error>) -> Result<(), Error> {
        let mut zip = zip(&self.path)?;
        let mut table: Table<'_, Key> = Table::open(&mut zip)?;
        while let Some(line) = table.next()? {
            each(line.into())?;
        }
        self.check_rows(Key::FILE, table.rows)
    }
}

/// Reads `ledger.json`. The format comes first: of a newer one nothing else may be understood.
fn manifest(text: &str) -> Result<Manifest, Error> {
    let wrong = |sentence: String| Err(Error::Malformed(format!("{MANIFEST}: {sentence}")));
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return wrong(error.to_string()),
    };
    let format = value.get("format").and_then(serde_json::Value::as_str).unwrap_or_default();
    if format != FORMAT {
        return wrong(format!("the format is {}, {} is expected", quoted(format), quoted(FORMAT)));
    }
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(1..=VERSION) => {}
        Some(newer) if newer > VERSION => {
            return wrong(format!(
                "the archive has version {newer} of the format, this program reads up to {VERSION}; import it with a newer program"
            ));
        }
        _ => return wrong("the version of the format is missing".to_owned()),
    }
    let manifest: Manifest = match serde_json::from_value(value) {
        Ok(manifest) => manifest,
        Err(error) => return wrong(error.to_string()),
    };
    let mut known: BTreeSet<&str> = [
        Revision::FILE,
        Submission::FILE,
        Measure::FILE,
        UnitNumber::FILE,
        UnitVersion::FILE,
        CatalogueVersion::FILE,
        Closing::FILE,
        Observation::FILE,
        Key::FILE,
    ]
    .into();
    if manifest.version >= WITH_DECLARATIONS {
        known.insert(Declared::FILE);
    }
    if manifest.version >= WITH_ORIGINS {
        known.insert(Origin::FILE);
    }
    if manifest.rows.keys().map(String::as_str).collect::<BTreeSet<_>>() != known {
        return wrong("the list of tables is not the one of this format".to_owned());
    }
    Ok(manifest)
}

/// The tables of the ledger besides the revisions, all at the same revision.
struct Tables<'z> {
    submissions: Table<'z, Submission>,
    measures: Table<'z, Measure>,
    unit_numbers: Table<'z, UnitNumber>,
    unit_versions: Table<'z, UnitVersion>,
    catalogue_versions: Table<'z, CatalogueVersion>,
    closings: Table<'z, Closing>,
    /// Not in an archive of a version before there were any.
    declarations: Option<Table<'z, Declared>>,
    /// The same.
    origins: Option<Table<'z, Origin>>,
    observations: Table<'z, Observation>,
}

impl Tables<'_> {
    /// Adds what a revision wrote.
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
            while let Some(Declared { revision: _, kind, code, document }) =
                declarations.of(revision)?
            {
                commit.declarations.push(Declaration { kind, code, document });
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

    /// Refuses rows behind the last revision.
    fn end(&self) -> Result<(), Error> {
        self.submissions.end()?;
        self.measures.end()?;
        self.unit_numbers.end()?;
        self.unit_versions.end()?;
        self.catalogue_versions.end()?;
        self.closings.end()?;
        self.declarations.as_ref().map_or(Ok(()), Table::end)?;
        self.origins.as_ref().map_or(Ok(()), Table::end)?;
        self.observations.end()
    }

    /// How many rows each table had.
    fn counted(&self) -> Vec<(&'static str, u64)> {
        vec![
            (Submission::FILE, self.submissions.rows),
            (Measure::FILE, self.measures.rows),
            (UnitNumber::FILE, self.unit_numbers.rows),
            (UnitVersion::FILE, self.unit_versions.rows),
            (CatalogueVersion::FILE, self.catalogue_versions.rows),
            (Closing::FILE, self.closings.rows),
            (Declared::FILE, self.declarations.as_ref().map_or(0, |table| table.rows)),
            (Origin::FILE, self.origins.as_ref().map_or(0, |table| table.rows)),
            (Observation::FILE, self.observations.rows),
        ]
    }
}

/// A table while it is read, one row ahead.
struct Table<'z, T> {
    cells: csv::Reader<ZipFile<'z, BufReader<File>>>,
    record: StringRecord,
    ahead: Option<T>,
    /// Rows handed over.
    rows: u64,
}

impl<'z, T: Line> Table<'z, T> {
    /// Finds the table, and checks its header.
    fn open(zip: &'z mut Zip) -> Result<Self, Error> {
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

    /// A fault of the row ahead.
    fn wrong(&self, column: &str, sentence: &str) -> Error {
        let line = self.record.position().map_or(0, csv::Position::line);
        Error::Malformed(format!("{}, line {line}, column {column}: {sentence}", T::FILE))
    }
}

impl<T: Recorded> Table<'_, T> {
    /// The next row of a revision; each revision is asked for once, in order.
    fn of(&mut self, revision: i64) -> Result<Option<T>, Error> {
        match self.ahead.as_ref().map(Recorded::revision) {
            Some(found) if found == revision => self.next(),
            Some(found) if found < revision => {
                Err(self.wrong("revision", "the rows do not stand in the order of the revisions"))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The row of a revision that has one at most.
    fn only_of(&mut self, revision: i64) -> Result<Option<T>, Error> {
        let found = self.of(revision)?;
        match self.ahead.as_ref().map(Recorded::revision) {
            Some(second) if second == revision => {
                Err(self.wrong("revision", "a second row of one revision"))
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

fn zip(path: &Path) -> Result<Zip, Error> {
    let named =
        |source: io::Error| Error::Surroundings { what: path.display().to_string(), source };
    Zip::new(BufReader::with_capacity(BUFFER, File::open(path).map_err(named)?))
        .map_err(|error| unreadable("the archive", error))
}

/// A file of the archive cannot be read: it is not there, its bytes are damaged, or the disk fails.
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
        return Error::Malformed(format!(
            "{file} is missing; this is no whole archive of a ledger"
        ));
    }
    if damaged.contains(&source.kind()) {
        return Error::Malformed(format!("{file} is damaged: {source}"));
    }
    Error::Surroundings { what: file.to_owned(), source }
}

/// What is wrong with a table, with its place.
fn fault<T: Line>(error: &csv::Error) -> Error {
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
