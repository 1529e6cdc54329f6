//! Joins letters to words and lines.

use super::page::Glyph;

/// Smallest gap between letters that is a space, relative to the letter size.
const SPACE: f64 = 0.17;
/// Smallest gap that separates columns, relative to the letter size.
const COLUMN: f64 = 1.6;
/// Largest vertical distance of letters in one line, relative to the letter size.
const LEVEL: f64 = 0.45;

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
    for glyph in glyphs {
        if glyph.text.chars().all(char::is_whitespace) {
            spaced = true;
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
                let gap = glyph.x - piece.end > SPACE * glyph.size
                    || (spaced && glyph.x - piece.end > 0.02 * glyph.size);
                piece.text.extend(gap.then_some(' '));
                piece.text.push_str(&glyph.text);
                piece.end = piece.end.max(glyph.x + glyph.width);
            }
            Some(_) | None => pieces.push(LineSegment {
                text: glyph.text.clone(),
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

/// The text of consecutive lines; a word broken at a hyphen or slash is joined.
pub(super) fn joined(lines: &[GlyphLine]) -> String {
    let mut text = String::new();
    for line in lines {
        append(&mut text, &line.text());
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
