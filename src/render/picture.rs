//! Charts as pictures (PNG), for documents that cannot show SVG. Their only texts are numbers and
//! months, which are drawn with strokes, so that no font is needed. All of it is computed in whole
//! numbers, so that the same chart gives the same bytes everywhere.

use std::io::{Error, Write};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use super::svg::ChartScale;
use kpi::number::float;
use kpi::number_format::rounded_to;

/// Width and height of a chart, in pixels.
pub const SIZE: (u32, u32) = (1_600, 440);
/// Steps of a pixel in which places are counted.
const FINE: i64 = 16;
/// Space around the plot, in pixels: left (more for wide numbers), top, right, bottom.
const SPACE: (i64, i64, i64, i64) = (150, 24, 100, 60);
/// Most names below the axis.
const MAX_NAMES: usize = 7;
/// Height of the digits, in pixels.
const DIGITS: i64 = 22;

type Colour = [u8; 3];
const WHITE: Colour = [255, 255, 255];
const AXIS: Colour = [201, 211, 220];
const TEXT: Colour = [60, 74, 86];
const LINE: Colour = [11, 92, 173];
const TARGET: Colour = [179, 38, 30];

/// A place in the picture, in sixteenths of a pixel.
type Place = (i64, i64);

/// Draws a line over the months as a PNG: a gap where a value is missing, the target as a dashed
/// line. `show` writes a number of the vertical axis with some decimals, from digits and
/// `. , / % -` alone.
///
/// # Errors
/// When the picture cannot be compressed.
pub fn line_chart(
    values: &[Option<f64>],
    names: &[String],
    target: Option<f64>,
    show: &dyn Fn(f64, u32) -> String,
) -> Result<Vec<u8>, Error> {
    let (width, height) = (i64::from(SIZE.0), i64::from(SIZE.1));
    let scale = ChartScale::of(values.iter().flatten().copied().chain(target));
    let (left, top, right, bottom) = SPACE;
    let show = |tick: f64| show(tick, scale.decimals());
    let widest = scale.ticks().into_iter().map(|tick| width_of(&show(tick)) / FINE).max();
    let left = left.max(widest.unwrap_or(0) + 20);
    let (wide, high) = (width - left - right, height - top - bottom);
    let steps = i64::try_from(names.len()).unwrap_or(1).max(2) - 1;
    let x = |at: i64| left * FINE + wide * FINE * at / steps;
    let y = |value: f64| top * FINE + whole(float(high * FINE) * (1.0 - scale.share(value)));
    let mut picture = Raster::new();
    for tick in scale.ticks() {
        let at = y(tick);
        picture.line((left * FINE, at), ((width - right) * FINE, at), 1, AXIS);
        picture.write(&show(tick), (left - 14, at / FINE - DIGITS / 2), Alignment::Right);
    }
    let every = names.len().div_ceil(MAX_NAMES).max(1);
    for (at, name) in (0..).zip(names).step_by(every) {
        picture.write(name, (x(at) / FINE, height - bottom + 20), Alignment::Middle);
    }
    if let Some(target) = target {
        let (at, end) = (y(target), (width - right) * FINE);
        let dash = 18 * FINE;
        let mut from = left * FINE;
        while from < end {
            picture.line((from, at), ((from + dash).min(end), at), 4, TARGET);
            from += dash + 12 * FINE;
        }
    }
    let places: Vec<Option<Place>> =
        (0..).zip(values).map(|(at, value)| Some((x(at), y((*value)?)))).collect();
    for pair in places.windows(2) {
        if let [Some(from), Some(to)] = pair {
            picture.line(*from, *to, 5, LINE);
        }
    }
    for place in places.iter().flatten() {
        picture.line(*place, *place, 13, LINE);
    }
    picture.png()
}

/// A number without its decimals.
fn whole(number: f64) -> i64 {
    rounded_to(number, 0).map_or(0, |rounded| rounded.mantissa)
}

/// Where a text stands beside its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    Right,
    Middle,
}

/// The side of one of the fields of a character, in sixteenths of a pixel.
const STROKE: i64 = DIGITS * FINE / 6;

/// The width of a text with the space behind it, in sixteenths of a pixel.
fn width_of(text: &str) -> i64 {
    text.chars().map(|letter| (strokes(letter).1 + 2) * STROKE).sum()
}

/// The strokes of a character in a field of 4 by 6, and its width.
fn strokes(letter: char) -> (&'static [&'static [(i64, i64)]], i64) {
    match letter {
        '0' => (&[&[(1, 0), (3, 0), (4, 1), (4, 5), (3, 6), (1, 6), (0, 5), (0, 1), (1, 0)]], 4),
        '1' => (&[&[(0, 1), (2, 0), (2, 6)]], 3),
        '2' => (&[&[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (0, 6), (4, 6)]], 4),
        '3' => (
            &[
                &[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (3, 3), (2, 3)],
                &[(3, 3), (4, 4), (4, 5), (3, 6), (1, 6), (0, 5)],
            ],
            4,
        ),
        '4' => (&[&[(3, 6), (3, 0), (0, 4), (4, 4)]], 4),
        '5' => (
            &[&[(4, 0), (0, 0), (0, 3), (1, 2), (3, 2), (4, 3), (4, 5), (3, 6), (1, 6), (0, 5)]],
            4,
        ),
        '6' => (
            &[&[
                (4, 1),
                (3, 0),
                (1, 0),
                (0, 1),
                (0, 5),
                (1, 6),
                (3, 6),
                (4, 5),
                (4, 4),
                (3, 3),
                (1, 3),
                (0, 4),
            ]],
            4,
        ),
        '7' => (&[&[(0, 0), (4, 0), (1, 6)]], 4),
        '8' => (
            &[&[
                (1, 3),
                (0, 2),
                (0, 1),
                (1, 0),
                (3, 0),
                (4, 1),
                (4, 2),
                (3, 3),
                (1, 3),
                (0, 4),
                (0, 5),
                (1, 6),
                (3, 6),
                (4, 5),
                (4, 4),
                (3, 3),
            ]],
            4,
        ),
        '9' => (
            &[&[
                (0, 5),
                (1, 6),
                (3, 6),
                (4, 5),
                (4, 1),
                (3, 0),
                (1, 0),
                (0, 1),
                (0, 2),
                (1, 3),
                (3, 3),
                (4, 2),
            ]],
            4,
        ),
        '.' => (&[&[(0, 6), (0, 6)]], 0),
        ',' => (&[&[(1, 6), (0, 7)]], 1),
        '/' => (&[&[(0, 6), (3, 0)]], 3),
        '-' => (&[&[(0, 3), (3, 3)]], 3),
        '%' => (&[&[(4, 0), (0, 6)], &[(0, 1), (0, 1)], &[(4, 5), (4, 5)]], 4),
        _ => (&[], 2),
    }
}

/// A picture of coloured points.
struct Raster {
    width: i64,
    height: i64,
    points: Vec<Colour>,
}

impl Raster {
    fn new() -> Self {
        let count = usize::try_from(u64::from(SIZE.0) * u64::from(SIZE.1)).unwrap_or(0);
        Self { width: SIZE.0.into(), height: SIZE.1.into(), points: vec![WHITE; count] }
    }

    /// Draws a line with round ends; its width is in pixels.
    fn line(&mut self, from: Place, to: Place, width: i64, colour: Colour) {
        let reach = width * FINE / 2 + FINE;
        let span = |one: i64, other: i64, limit: i64| {
            let first = (one.min(other) - reach).div_euclid(FINE).max(0);
            first..((one.max(other) + reach).div_euclid(FINE) + 1).min(limit)
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx * dx + dy * dy;
        for row in span(from.1, to.1, self.height) {
            for column in span(from.0, to.0, self.width) {
                let (x, y) = (column * FINE + FINE / 2 - from.0, row * FINE + FINE / 2 - from.1);
                // The nearest place of the line.
                let along = (x * dx + y * dy).clamp(0, length);
                let (x, y) = (x - dx * along / length.max(1), y - dy * along / length.max(1));
                let distance = (x * x + y * y).isqrt();
                let share = (width * FINE / 2 + FINE / 2 - distance).clamp(0, FINE);
                self.blend(row * self.width + column, share, colour);
            }
        }
    }

    /// Covers a share of a point, in sixteenths, with a colour.
    fn blend(&mut self, point: i64, share: i64, colour: Colour) {
        let place = usize::try_from(point).unwrap_or(usize::MAX);
        let Some(point) = self.points.get_mut(place).filter(|_| share > 0) else { return };
        for (known, new) in point.iter_mut().zip(colour) {
            let mixed = (i64::from(*known) * (FINE - share) + i64::from(new) * share) / FINE;
            *known = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
    }

    /// Writes digits with their top at a place, in pixels.
    fn write(&mut self, text: &str, (x, y): (i64, i64), alignment: Alignment) {
        let (unit, wide) = (STROKE, width_of(text));
        let shift = if alignment == Alignment::Right { wide - 2 * unit } else { wide / 2 - unit };
        let mut left = x * FINE - shift;
        for letter in text.chars() {
            let (lines, width) = strokes(letter);
            for line in lines {
                for pair in line.windows(2) {
                    if let [from, to] = pair {
                        let place = |at: &(i64, i64)| (left + at.0 * unit, y * FINE + at.1 * unit);
                        self.line(place(from), place(to), 3, TEXT);
                    }
                }
            }
            left += (width + 2) * unit;
        }
    }

    /// The picture as a PNG file.
    fn png(&self) -> Result<Vec<u8>, Error> {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        let width = usize::try_from(self.width).unwrap_or(1);
        for row in self.points.chunks(width) {
            // Without a filter: the colours are few and even.
            packed.write_all(&[0])?;
            packed.write_all(row.as_flattened())?;
        }
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        // 8 bits for each of red, green and blue.
        let kind = [8, 2, 0, 0, 0];
        let header = [&SIZE.0.to_be_bytes()[..], &SIZE.1.to_be_bytes(), &kind].concat();
        for (name, data) in
            [(b"IHDR", header.as_slice()), (b"IDAT", &packed.finish()?), (b"IEND", &[])]
        {
            let length = u32::try_from(data.len()).map_err(Error::other)?;
            let mut sum = Crc::new();
            sum.update(name);
            sum.update(data);
            file.extend(length.to_be_bytes());
            file.extend(name);
            file.extend(data);
            file.extend(sum.sum().to_be_bytes());
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a PNG file: their names and contents.
    fn parts(mut file: &[u8]) -> Vec<(String, Vec<u8>)> {
        file = file.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let mut found = Vec::new();
        while let Some((length, rest)) = file.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
            let (content, rest) = rest.split_at(4 + length);
            let (sum, rest) = rest.split_first_chunk::<4>().unwrap();
            let mut check = Crc::new();
            check.update(content);
            assert_eq!(check.sum(), u32::from_be_bytes(*sum));
            let name = String::from_utf8(content[..4].to_vec()).unwrap();
            found.push((name, content[4..].to_vec()));
            file = rest;
        }
        found
    }

    fn points(values: &[Option<f64>], target: Option<f64>) -> Vec<Colour> {
        let names: Vec<String> = (1..=values.len()).map(|n| format!("{n}/2021")).collect();
        let file = line_chart(values, &names, target, &|value, _| format!("{value:.1}")).unwrap();
        let parts = parts(&file);
        assert_eq!(
            parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["IHDR", "IDAT", "IEND"]
        );
        let mut rows = flate2::read::ZlibDecoder::new(parts[1].1.as_slice());
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut rows, &mut bytes).unwrap();
        let width = usize::try_from(SIZE.0).unwrap() * 3 + 1;
        assert_eq!(bytes.len(), width * usize::try_from(SIZE.1).unwrap());
        bytes
            .chunks(width)
            .flat_map(|row| row[1..].chunks(3).map(|point| [point[0], point[1], point[2]]))
            .collect()
    }

    #[test]
    fn a_chart_has_its_line_with_a_gap_and_its_target() {
        let count = |points: &[Colour], colour: Colour| {
            points.iter().filter(|point| **point == colour).count()
        };
        let whole = points(&[Some(1.0), Some(2.0), Some(3.0), Some(4.0)], Some(2.5));
        let gap = points(&[Some(1.0), None, Some(3.0), Some(4.0)], Some(2.5));
        let without = points(&[Some(1.0), Some(2.0), Some(3.0), Some(4.0)], None);
        assert!(count(&gap, LINE) < count(&whole, LINE) / 2);
        assert!(count(&whole, TARGET) > 1_000 && count(&without, TARGET) == 0);
        assert!(count(&whole, TEXT) > 1_000, "the numbers of the axes");
        // Nothing to draw is a picture as well.
        assert_eq!(count(&points(&[None, None], None), LINE), 0);
    }
}
