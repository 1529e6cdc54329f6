//! The ledger as a file: a ZIP of CSV tables and a JSON document, the same bytes from every backend. `docs/archive.md` describes it
//! for others.
//!
//! | file | holds |
//! |---|---|
//! | `tables.rs` | the tables: their files, columns, and how an empty cell is told from an empty text |
//! | `write.rs` | a ledger into an archive |
//! | `read.rs` | an archive back into commits, every row checked |
//! | `load.rs` | the commits into a ledger |
//! | `tidy.rs`, `tidy/package.rs` | apart from that: every value and its changes as one table for analysts, and its description |

mod load;
mod read;
mod tables;
mod tidy;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::error::Error;

pub use load::{Loaded, load};
pub use read::Archive;
pub use tidy::{Tidied, write as write_tidy};
pub use write::write;

/// What `ledger.json` calls the format.
const FORMAT: &str = "egov-kpi ledger";
/// The version of the format that this program writes, and the newest that it reads.
const VERSION: u64 = 3;
/// The version of the format that brought the table of declarations; an archive of an older one has none.
const WITH_DECLARATIONS: u64 = 2;
/// The version of the format that brought the table of origins; an archive of an older one has none.
const WITH_ORIGINS: u64 = 3;
/// The file that says what the archive holds. It is written last: an archive without it is not whole.
const MANIFEST: &str = "ledger.json";
/// What a ZIP begins with.
const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
/// The fastest: on figures five times as fast as the usual 6, and the file is a sixth larger.
const COMPRESSION: i64 = 1;
/// Bytes that a table gathers before they are compressed, or reads at once.
const BUFFER: usize = 1 << 16;

/// What an archive holds, as its `ledger.json` says. Nothing in it depends on the backend or on when the archive was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format's name.
    pub format: String,
    /// The format's version.
    pub version: u64,
    /// The newest revision; 0 of an empty ledger.
    pub revision: i64,
    /// When it was recorded, in microseconds since 1970.
    pub recorded_at: i64,
    /// Its hash in the chain.
    pub hash: String,
    /// How many rows each table has, its header aside.
    pub rows: BTreeMap<String, u64>,
}

impl Manifest {
    /// How many figures the archive holds, withdrawals among them.
    #[must_use]
    pub fn figures(&self) -> u64 {
        self.rows.get(<tables::Observation as tables::Line>::FILE).copied().unwrap_or(0)
    }
}

/// Whether a file begins as a ZIP does. What cannot be read is none; of a pipe nothing is read, it would be gone.
#[must_use]
pub fn is_archive(path: &Path) -> bool {
    let mut first = [0; SIGNATURE.len()];
    path.is_file()
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut first))
            .is_ok_and(|()| first == SIGNATURE)
}

/// A ZIP while it is written. It never goes back, so a file and standard output get the same bytes.
type Zip<W> = ZipWriter<StreamWriter<W>>;

/// Begins a file of a ZIP. Its time is fixed, so that the same content is the same archive; it may grow beyond 4 GiB.
fn begin<W: Write>(zip: &mut Zip<W>, file: &str) -> Result<(), Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(COMPRESSION));
    let options = options
        .last_modified_time(DateTime::default())
        .system(System::Unix)
        .unix_permissions(0o644)
        .large_file(true);
    zip.start_file(file, options).map_err(unwritten)
}

/// Ends a ZIP.
fn end<W: Write>(zip: Zip<W>) -> Result<(), Error> {
    zip.finish().map_err(unwritten)?.into_inner().flush().map_err(unwritten)
}

/// The archive could not be written.
fn unwritten(error: impl Into<io::Error>) -> Error {
    Error::surroundings("the archive cannot be written")(error.into())
}
