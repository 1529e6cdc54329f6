//! Damage to the bytes of an Excel file: its ZIP archive and its XML.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::case::Dice;

const SHEET: &str = "xl/worksheets/sheet1.xml";

/// An Excel file with another content of its sheet.
fn with_sheet(bytes: &[u8], edit: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if name == SHEET {
            content = edit(content);
        }
        out.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        out.write_all(&content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

/// A damaged file: bytes of the archive changed or missing, or markup of the sheet broken. None of
/// these writes a number.
pub fn damaged(bytes: &[u8], dice: &mut Dice) -> (&'static str, Vec<u8>) {
    match dice.below(5) {
        0 | 1 => {
            let mut changed = bytes.to_vec();
            for _ in 0..=dice.below(3) {
                let place = dice.below(changed.len());
                changed[place] ^= 1 << dice.below(8);
            }
            ("bits of the archive changed", changed)
        }
        2 => ("the archive cut off", bytes[..dice.below(bytes.len())].to_vec()),
        3 => {
            let share = dice.below(1_000);
            let cut = |content: Vec<u8>| content[..content.len() * share / 1_000].to_vec();
            ("the sheet cut off", with_sheet(bytes, cut))
        }
        _ => {
            let seed = dice.below(usize::MAX);
            let broken = |mut content: Vec<u8>| {
                let marks: Vec<usize> = (0..content.len())
                    .filter(|at| matches!(content[*at], b'<' | b'>' | b'/'))
                    .collect();
                content.remove(marks[seed % marks.len()]);
                content
            };
            ("markup of the sheet broken", with_sheet(bytes, broken))
        }
    }
}
