//! Files that get their final name only when complete: they are written under a temporary name in
//! the same folder, synced, and renamed.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// The suffix of incomplete files. It identifies the remains of a killed process, which are never
/// opened as a ledger.
pub const SUFFIX: &str = ".partial";

/// Creates a temporary file in the folder of `file`, readable only by its owner. It is deleted when
/// dropped.
///
/// # Errors
/// The file cannot be created.
pub fn beside(file: &Path) -> io::Result<NamedTempFile> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(SUFFIX).tempfile_in(folder(file))
}

/// Syncs the file to disk and gives it its final name, unless a file of that name exists.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or an error of the disk.
pub fn complete(partial: NamedTempFile, file: &Path) -> io::Result<()> {
    partial.as_file().sync_all()?;
    partial.persist_noclobber(file).map_err(|error| error.error)?;
    File::open(folder(file))?.sync_all()
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
