//! Letters into lines of words.

use super::page::Glyph;

/// Gap between letters that is a space, in sizes of the letters.
const SPACE: f64 = 0.17;
/// Gap that parts columns, in sizes of the letters.
const COLUMN: f64 = 1.6;
/// How far letters of a line may stand higher or lower, in sizes.
const LEVEL: f64 = 0.45;

/// A stretch of a line between wide gaps.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) end: f64,
}

/// A line of text; lengths in points, `y` upwards.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) pieces: Vec<Piece>,
    pub(super) x: f64,
    pub(super) end: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
}

impl Line {
    /// Its words.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Puts letters together into lines, the highest first.
pub(super) fn lines(mut glyphs: Vec<Glyph>) -> Vec<Line> {
    glyphs.sort_by(|left, right| right.y.total_cmp(&left.y));
    let mut rows: Vec<Vec<Glyph>> = Vec::new();
    for glyph in glyphs {
        // Signs of a smaller size stand higher or lower in the line of the letters before them.
        let same = |first: &Glyph| (first.y - glyph.y).abs() <= LEVEL * first.size.max(glyph.size);
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(same) => row.push(glyph),
            Some(_) | None => rows.push(vec![glyph]),
        }
    }
    rows.into_iter().filter_map(line).collect()
}

fn line(mut glyphs: Vec<Glyph>) -> Option<Line> {
    glyphs.sort_by(|left, right| left.x.total_cmp(&right.x));
    let mut pieces: Vec<Piece> = Vec::new();
    let (mut spaced, mut letters, mut bold, mut size, mut y) =
        (false, 0_usize, 0_usize, 0.0_f64, 0.0_f64);
    let mut last: Option<Glyph> = None;
    for glyph in glyphs {
        if glyph.text.chars().all(char::is_whitespace) {
            spaced = true;
            continue;
        }
        // Bold by drawing twice.
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
            Some(_) | None => pieces.push(Piece {
                text: glyph.text.clone(),
                x: glyph.x,
                end: glyph.x + glyph.width,
            }),
        }
        spaced = false;
        last = Some(glyph);
    }
    let (x, end) = (pieces.first()?.x, pieces.last()?.end);
    Some(Line { pieces, x, end, y, size, bold: bold * 10 >= letters * 9 })
}

/// The words of lines that follow each other, a word broken at a hyphen or slash put together.
pub(super) fn joined(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        append(&mut text, &line.text());
    }
    text
}

/// Carries a text on.
pub(super) fn append(text: &mut String, next: &str) {
    let mut back = text.chars().rev();
    let broken = matches!(back.next(), Some('-' | '/'))
        && back.next().is_some_and(char::is_alphanumeric)
        && next.starts_with(char::is_alphanumeric);
    text.extend((!broken && !text.is_empty()).then_some(' '));
    text.push_str(next);
}
