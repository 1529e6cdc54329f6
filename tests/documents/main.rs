//! Reading of documents from the outside: DOCX and PDF as programs and attackers write them,
//! properties of every reader, and files made by LibreOffice (`tests/documents/office.sh`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod build;
mod docx;
mod hostile;
mod office;
mod pdf;
mod printed;
mod properties;
