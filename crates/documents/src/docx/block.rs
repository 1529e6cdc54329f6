//! The content of the body, of cells and of text boxes: paragraphs and tables.

use crate::builder::{ParagraphHint, TableCell};

/// Content of a cell, a text box or the body.
pub(super) enum BodyBlock {
    Paragraph(String, ParagraphHint),
    Table(Vec<Vec<TableCell>>),
}

/// The words of some content, one line for each paragraph, including those of inner tables.
pub(super) fn words(content: &[BodyBlock]) -> String {
    let pieces = content.iter().map(|written| match written {
        BodyBlock::Paragraph(text, _) => text.clone(),
        BodyBlock::Table(rows) => {
            let cells = rows.iter().flatten().filter_map(|cell| match cell {
                TableCell::Text(text) => Some(text.as_str()),
                TableCell::Left | TableCell::Above => None,
            });
            cells.collect::<Vec<_>>().join("\n")
        }
    });
    pieces.filter(|piece| !piece.trim().is_empty()).collect::<Vec<_>>().join("\n")
}
