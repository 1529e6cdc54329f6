//! The ledger as a file: a ZIP of CSV tables and a JSON document, with the same bytes from every
//! backend. `docs/archive.md` describes the format.
//!
//! | file | holds |
//! |---|---|
//! | `tables.rs` | the tables: files, columns, and how a missing text differs from an empty one |
//! | `write.rs` | writes a ledger to an archive |
//! | `read.rs` | reads commits from an archive and validates every row |
//! | `load.rs` | writes these commits to a ledger |
//! | `tidy.rs` | another format: all values and their changes as one table for analysts |
//! | `tidy/figures.rs` | this table as CSV, computed by several threads |
//! | `tidy/metadata.rs` | the names of its units and measures |
//! | `tidy/package.rs` | the description of these tables |
//! | `tidy/sdmx.rs` | the values as SDMX-CSV |

mod load;
mod read;
mod tables;
mod tidy;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use ledger::{RevisionNumber, TimestampMicros};
use serde::{Deserialize, Serialize};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::error::Error;

pub use load::{LoadOutcome, load};
pub use read::LedgerArchive;
pub use tidy::{TidyFormat, TidySelection, TidySummary, write as write_tidy, write_selection};
pub use write::write;

/// The name of the format in `ledger.json`.
const FORMAT: &str = "egov-kpi ledger";
/// The format version that this program writes, and the newest that it reads.
const VERSION: u64 = 3;
/// The format version that introduced the table of declarations.
const WITH_DECLARATIONS: u64 = 2;
/// The format version that introduced the table of origins.
const WITH_ORIGINS: u64 = 3;
/// The file that describes the archive. It is written last, so an archive without it is incomplete.
const MANIFEST: &str = "ledger.json";
/// The first bytes of a ZIP file.
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
/// The fastest level: on figures five times as fast as the usual 6, with a file that is a sixth
/// larger.
const COMPRESSION: i64 = 1;
/// Bytes of a table that are collected before compression, or read at once.
const BUFFER: usize = 1 << 16;

/// The content of `ledger.json`. Nothing in it depends on the backend or on when the archive was
/// written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    /// The name of the format.
    pub format: String,
    /// The version of the format.
    pub version: u64,
    /// The newest revision; 0 for an empty ledger.
    pub revision: RevisionNumber,
    /// When that revision was recorded.
    pub recorded_at: TimestampMicros,
    /// That revision's hash.
    pub hash: String,
    /// Number of rows of each table, without its header.
    pub rows: BTreeMap<String, u64>,
}

impl ArchiveManifest {
    /// Number of figures in the archive, including withdrawals.
    #[must_use]
    pub fn figures(&self) -> u64 {
        self.rows.get(<tables::ObservationRecord as tables::ArchiveRow>::FILE).copied().unwrap_or(0)
    }
}

/// Whether a file begins like a ZIP. False for an unreadable file, and for a pipe, from which
/// nothing is read because it would be lost.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let mut first = [0; SIGNATURE.len()];
    path.is_file()
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut first))
            .is_ok_and(|()| first == SIGNATURE)
}

/// A ZIP that is being written. It is only appended to, so a file and standard output get the same
/// bytes.
type ZipStream<W> = ZipWriter<StreamWriter<W>>;

/// Starts a file in a ZIP. Its timestamp is fixed, so that equal content gives equal bytes; it may
/// exceed 4 GiB.
fn begin<W: Write>(zip: &mut ZipStream<W>, file: &str) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION));
    let options = options
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(0o644)
        .large_file(true);
    zip.start_file(file, options).map_err(write_error)
}

/// Finishes a ZIP.
fn end<W: Write>(zip: ZipStream<W>) -> Result<(), Error> {
    zip.finish().map_err(write_error)?.into_inner().flush().map_err(write_error)
}

/// An error of writing the archive.
fn write_error(error: impl Into<io::Error>) -> Error {
    Error::environment("the archive cannot be written")(error.into())
}
