//! What is written for people, as files: reports as DOCX and Markdown, tables as CSV and Excel
//! files, the form of a unit and a month as an Excel file, charts as SVG and PNG. Nothing here
//! names HTTP.

pub mod docx;
pub mod form;
mod form_formula;
pub mod picture;
pub mod readable;
pub mod report;
pub mod sheet_plan;
pub mod svg;
pub mod table;
pub mod units;
