//! Joins letters to words and lines.

use super::page::Glyph;
use crate::text::{TextLevel, at_level};

/// Smallest gap between letters that is a space, relative to the letter size.
const SPACE: f64 = 0.17;
/// Smallest gap that separates columns, relative to the letter size.
const COLUMN: f64 = 1.6;
/// Largest vertical distance of letters in one line, relative to the letter size.
const LEVEL: f64 = 0.45;
/// Size below which a letter is not used to find the base line, relative to the largest of its row.
const SMALL: f64 = 0.85;
/// Distance from the base line from which a letter is raised or lowered, relative to the letter
/// size.
const OFF_LINE: f64 = 0.15;

/// A part of a line between wide gaps.
#[derive(Clone, Debug)]
pub(super) struct LineSegment {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) end: f64,
}

/// A line of text. Lengths are in points, `y` points upwards.
#[derive(Clone, Debug)]
pub(super) struct GlyphLine {
    pub(super) pieces: Vec<LineSegment>,
    pub(super) x: f64,
    pub(super) end: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
}

impl GlyphLine {
    /// The text of the line.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Joins letters to lines, the highest line first.
pub(super) fn lines(mut glyphs: Vec<Glyph>) -> Vec<GlyphLine> {
    glyphs.sort_by(|left, right| right.y.total_cmp(&left.y));
    let mut rows: Vec<Vec<Glyph>> = Vec::new();
    for glyph in glyphs {
        // Smaller letters, such as superscripts, are higher or lower in the line of the letters
        // before them.
        let same = |first: &Glyph| (first.y - glyph.y).abs() <= LEVEL * first.size.max(glyph.size);
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(same) => row.push(glyph),
            Some(_) | None => rows.push(vec![glyph]),
        }
    }
    rows.into_iter().filter_map(line).collect()
}

fn line(mut glyphs: Vec<Glyph>) -> Option<GlyphLine> {
    glyphs.sort_by(|left, right| left.x.total_cmp(&right.x));
    let mut pieces: Vec<LineSegment> = Vec::new();
    let (mut spaced, mut letters, mut bold, mut size, mut y) =
        (false, 0_usize, 0_usize, 0.0_f64, 0.0_f64);
    let mut last: Option<Glyph> = None;
    let (base, mut struck) = (Baseline::of(&glyphs), false);
    for glyph in glyphs {
        if glyph.text.chars().all(char::is_whitespace) {
            spaced = true;
            continue;
        }
        if glyph.struck {
            // The place of a struck-out letter is a blank, not a gap between columns.
            spaced = true;
            if let Some(piece) = pieces.last_mut() {
                piece.end = piece.end.max(glyph.x + glyph.width);
                struck = true;
            }
            continue;
        }
        // Some programs make letters bold by drawing them twice.
        let twice = last.as_ref().is_some_and(|last| {
            last.text == glyph.text
                && (last.x - glyph.x).abs() < 0.2 * glyph.size.min(last.width.max(0.1))
        });
        if twice {
            continue;
        }
        letters += 1;
        bold += usize::from(glyph.bold);
        if glyph.size > size {
            (size, y) = (glyph.size, glyph.y);
        }
        match pieces.last_mut() {
            Some(piece) if glyph.x - piece.end <= COLUMN * glyph.size => {
                let gap = std::mem::take(&mut struck)
                    || glyph.x - piece.end > SPACE * glyph.size
                    || (spaced && glyph.x - piece.end > 0.02 * glyph.size);
                piece.text.extend(gap.then_some(' '));
                piece.text.push_str(&at_level(&glyph.text, base.level(&glyph)));
                piece.end = piece.end.max(glyph.x + glyph.width);
            }
            Some(_) | None => pieces.push(LineSegment {
                text: at_level(&glyph.text, base.level(&glyph)),
                x: glyph.x,
                end: glyph.x + glyph.width,
            }),
        }
        spaced = false;
        last = Some(glyph);
    }
    let (x, end) = (pieces.first()?.x, pieces.last()?.end);
    Some(GlyphLine { pieces, x, end, y, size, bold: bold * 10 >= letters * 9 })
}

/// The line on which most letters of a row are.
struct Baseline {
    y: f64,
    size: f64,
}

impl Baseline {
    /// The base line of the large letters; of two the lower one.
    fn of(glyphs: &[Glyph]) -> Self {
        let shown = || glyphs.iter().filter(|glyph| !glyph.text.trim().is_empty());
        let size = shown().map(|glyph| glyph.size).fold(0.0, f64::max);
        let large = || shown().filter(|glyph| glyph.size > SMALL * size);
        let mut heights: Vec<f64> = large().map(|glyph| glyph.y).collect();
        heights.sort_by(f64::total_cmp);
        let mut best: Option<(usize, f64)> = None;
        for (place, y) in heights.iter().enumerate() {
            let beside = heights.partition_point(|other| *other < y + OFF_LINE * size) - place;
            if best.is_none_or(|(most, _)| beside > most) {
                best = Some((beside, *y));
            }
        }
        Self { y: best.map_or(0.0, |(_, y)| y), size }
    }

    fn level(&self, glyph: &Glyph) -> TextLevel {
        let above = glyph.y - self.y;
        if above > OFF_LINE * self.size {
            TextLevel::Raised
        } else if above < -OFF_LINE * self.size {
            TextLevel::Lowered
        } else {
            TextLevel::Line
        }
    }
}

/// The text of the lines of a cell, with their line ends.
pub(super) fn cell_lines(lines: &[GlyphLine]) -> String {
    let mut text = String::new();
    for line in lines {
        let next = line.text();
        let numeric = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ',');
        if text.ends_with(numeric) && next.starts_with(numeric) {
            text.push('\n');
            text.push_str(&next);
        } else {
            append(&mut text, &next);
        }
    }
    text
}

/// Appends a line to a text.
pub(super) fn append(text: &mut String, next: &str) {
    let mut back = text.chars().rev();
    let broken = matches!(back.next(), Some('-' | '/'))
        && back.next().is_some_and(char::is_alphanumeric)
        && next.starts_with(char::is_alphanumeric);
    text.extend((!broken && !text.is_empty()).then_some(' '));
    text.push_str(next);
}
