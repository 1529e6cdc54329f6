//! Documents from the outside: DOCX and PDF as programs write them and as attackers do, properties of every reader, and files made by
//! LibreOffice (`tests/documents/office`).
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod build;
mod docx;
mod hostile;
mod office;
mod pdf;
mod properties;
