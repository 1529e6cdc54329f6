//! A ledger into an archive.
//!
//! The ledger is read once, revision by revision. The figures, nearly all of it, go straight into the first file of the ZIP; the other
//! tables are gathered beside it, in memory while they are small, else in temporary files, and follow it.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::marker::PhantomData;
use std::sync::mpsc::sync_channel;
use std::thread;

use tempfile::SpooledTempFile;

use super::tables::{
    CatalogueVersion, Closing, Declared, Key, Line, Measure, Observation, Origin, Revision,
    Submission, UnitNumber, UnitVersion,
};
use super::{BUFFER, FORMAT, MANIFEST, Manifest, VERSION, Zip, begin, end, unwritten};
use crate::error::Error;
use crate::store::{Commit, Declaration, Head, KeyRow, RecordedCommit, Store, chain};

/// Revisions read at a time; two such stretches are in memory at once.
const STRETCH: i64 = 8;
/// Bytes of a table that are kept in memory before it goes into a temporary file.
const IN_MEMORY: usize = 1 << 20;
/// How often the moment is looked for at which the answers to idempotency keys and the newest revision belong together.
const ATTEMPTS: usize = 20;

/// Writes the whole ledger as it is at the beginning; `progress` hears how many revisions are done, and of how many.
///
/// # Errors
/// The store's, those of writing, and [`Error::Malformed`] when a revision is not as it was written: such an archive could not be
/// read again.
pub fn write<W: Write>(
    store: &Store,
    out: W,
    mut progress: impl FnMut(i64, i64),
) -> Result<Manifest, Error> {
    let (head, keys) = moment(store)?;
    let mut zip = Zip::new_stream(out);
    begin(&mut zip, Observation::FILE)?;
    let (mut figures, mut others) = (Sheet::begin(&mut zip)?, Others::begin()?);
    let mut hash = chain::beginning();
    each_commit(store, head.revision, &mut |RecordedCommit { commit, hash: kept }| {
        hash = chain::hash(&hash, &commit);
        let digits = chain::digits(&hash);
        if kept.as_deref() != Some(digits.as_str()) {
            return Err(Error::Malformed(format!(
                "revision {} is not as it was written; `verify` tells more",
                commit.revision
            )));
        }
        progress(commit.revision, head.revision);
        for row in &commit.observations {
            figures.add(&Observation::from(*row))?;
        }
        others.add(commit, digits)
    })?;
    let mut rows = BTreeMap::from([(Observation::FILE.to_owned(), figures.rows)]);
    figures.end()?;
    others.follow(&mut zip, &mut rows)?;
    let mut sheet = Sheet::gathered()?;
    keys.into_iter().try_for_each(|key| sheet.add(&Key::from(key)))?;
    sheet.follow(&mut zip, &mut rows)?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        revision: head.revision,
        recorded_at: head.recorded_at,
        hash: chain::digits(&hash),
        rows,
    };
    begin(&mut zip, MANIFEST)?;
    serde_json::to_writer_pretty(&mut zip, &manifest).map_err(unwritten)?;
    zip.write_all(b"\n").map_err(unwritten)?;
    end(zip)?;
    Ok(manifest)
}

/// The newest revision, and the answers to idempotency keys at that moment: none of a revision that will not be in the archive, and
/// none left out, unless the ledger is written to all the time.
fn moment(store: &Store) -> Result<(Head, Vec<KeyRow>), Error> {
    let mut head = store.head()?;
    let mut keys = Vec::new();
    for _ in 0..ATTEMPTS {
        keys = store.keys()?;
        let before = std::mem::replace(&mut head, store.head()?);
        if before == head {
            break;
        }
    }
    Ok((head, keys))
}

/// Hands over each revision in turn; a thread reads ahead.
fn each_commit(
    store: &Store,
    up_to: i64,
    take: &mut dyn FnMut(RecordedCommit) -> Result<(), Error>,
) -> Result<(), Error> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(0);
        scope.spawn(move || {
            let mut after = 0;
            while after < up_to {
                let until = up_to.min(after + STRETCH);
                let read = store.commits(after, until);
                let failed = read.is_err();
                if sender.send(read).is_err() || failed {
                    break;
                }
                after = until;
            }
        });
        for read in receiver {
            read?.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    })
}

/// A table while it is written.
struct Sheet<T, W: Write> {
    out: csv::Writer<W>,
    rows: u64,
    line: PhantomData<T>,
}

impl<T: Line, W: Write> Sheet<T, W> {
    /// Writes the header.
    fn begin(out: W) -> Result<Self, Error> {
        let mut out =
            csv::WriterBuilder::new().has_headers(false).buffer_capacity(BUFFER).from_writer(out);
        out.write_record(T::COLUMNS).map_err(unwritten)?;
        Ok(Self { out, rows: 0, line: PhantomData })
    }

    fn add(&mut self, line: &T) -> Result<(), Error> {
        self.rows += 1;
        self.out.serialize(line).map_err(unwritten)
    }

    fn end(self) -> Result<W, Error> {
        self.out.into_inner().map_err(|error| unwritten(error.into_error()))
    }
}

impl<T: Line> Sheet<T, SpooledTempFile> {
    /// A table that is put into the ZIP later.
    fn gathered() -> Result<Self, Error> {
        Self::begin(SpooledTempFile::new(IN_MEMORY))
    }

    /// Puts it into the ZIP, and says how many rows it has.
    fn follow<W: Write>(
        self,
        zip: &mut Zip<W>,
        rows: &mut BTreeMap<String, u64>,
    ) -> Result<(), Error> {
        rows.insert(T::FILE.to_owned(), self.rows);
        let mut gathered = self.end()?;
        gathered.rewind().map_err(unwritten)?;
        begin(zip, T::FILE)?;
        std::io::copy(&mut gathered, zip).map_err(unwritten)?;
        Ok(())
    }
}

/// The tables of the ledger besides the figures.
struct Others {
    revisions: Sheet<Revision, SpooledTempFile>,
    submissions: Sheet<Submission, SpooledTempFile>,
    measures: Sheet<Measure, SpooledTempFile>,
    unit_numbers: Sheet<UnitNumber, SpooledTempFile>,
    unit_versions: Sheet<UnitVersion, SpooledTempFile>,
    catalogue_versions: Sheet<CatalogueVersion, SpooledTempFile>,
    closings: Sheet<Closing, SpooledTempFile>,
    declarations: Sheet<Declared, SpooledTempFile>,
    origins: Sheet<Origin, SpooledTempFile>,
}

impl Others {
    fn begin() -> Result<Self, Error> {
        Ok(Self {
            revisions: Sheet::gathered()?,
            submissions: Sheet::gathered()?,
            measures: Sheet::gathered()?,
            unit_numbers: Sheet::gathered()?,
            unit_versions: Sheet::gathered()?,
            catalogue_versions: Sheet::gathered()?,
            closings: Sheet::gathered()?,
            declarations: Sheet::gathered()?,
            origins: Sheet::gathered()?,
        })
    }

    /// Adds what a revision wrote besides figures.
    fn add(&mut self, commit: Commit, hash: String) -> Result<(), Error> {
        // Taken apart whole, so that nothing a commit may hold some day is forgotten here.
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
        self.revisions.add(&Revision { revision, recorded_at, kind, actor, reason, hash })?;
        if let Some(document) = origin {
            self.origins.add(&Origin { revision, document })?;
        }
        if let Some(row) = submission {
            self.submissions.add(&Submission::new(revision, row))?;
        }
        for row in new_measures {
            self.measures.add(&Measure {
                revision,
                id: row.id,
                code: row.code,
                members: row.members,
            })?;
        }
        for (number, code) in new_units {
            self.unit_numbers.add(&UnitNumber { revision, number, code })?;
        }
        for (unit, document) in unit_versions {
            self.unit_versions.add(&UnitVersion { revision, unit, document })?;
        }
        if let Some((version, document)) = catalogue {
            self.catalogue_versions.add(&CatalogueVersion { revision, version, document })?;
        }
        for (month, closed) in closings {
            self.closings.add(&Closing { revision, month, closed })?;
        }
        for Declaration { kind, code, document } in declarations {
            self.declarations.add(&Declared { revision, kind, code, document })?;
        }
        Ok(())
    }

    fn follow<W: Write>(
        self,
        zip: &mut Zip<W>,
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
