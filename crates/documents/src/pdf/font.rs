//! Fonts of a PDF: the letters and widths of their codes.

use std::collections::HashMap;

use lopdf::{Dictionary, Document, Encoding, Object};

use super::number;

/// Width of a letter without a given width, in thousandths of the font size.
const USUAL_WIDTH: f64 = 500.0;
/// Most letters for one code.
const LETTERS: usize = 8;

/// A font.
pub(super) struct PdfFont<'a> {
    /// Whether codes have two bytes.
    wide: bool,
    map: HashMap<u32, String>,
    /// Ranges of codes: first code, last code, and the Unicode number of the first letter.
    ranges: Vec<(u32, u32, u32)>,
    encoding: Option<Encoding<'a>>,
    widths: HashMap<u32, f64>,
    /// Ranges of codes with the same width: first code, last code, width.
    width_ranges: Vec<(u32, u32, f64)>,
    usual: f64,
    /// Size of the font's unit relative to the font size.
    unit: f64,
    pub(super) bold: bool,
}

impl<'a> PdfFont<'a> {
    pub(super) fn read(document: &'a Document, font: &'a Dictionary) -> Self {
        let name = |dictionary: &Dictionary, key: &[u8]| {
            dictionary
                .get(key)
                .and_then(Object::as_name)
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .unwrap_or_default()
        };
        let kind = name(font, b"Subtype");
        let wide = kind == "Type0";
        let base = name(font, b"BaseFont").to_lowercase();
        let mut found = Self {
            wide,
            map: HashMap::new(),
            ranges: Vec::new(),
            encoding: None,
            widths: HashMap::new(),
            width_ranges: Vec::new(),
            usual: USUAL_WIDTH,
            unit: 0.001,
            bold: base.contains("bold") || base.contains("black") || base.contains("heavy"),
        };
        match font.get_deref(b"ToUnicode", document).and_then(Object::as_stream) {
            Ok(stream) => found.read_map(&stream.content),
            Err(_) if !wide => found.encoding = font.get_font_encoding(document).ok(),
            Err(_) => {}
        }
        if wide {
            found.read_wide_widths(document, font);
        } else {
            found.read_widths(document, font);
        }
        if kind == "Type3" {
            let matrix = font.get_deref(b"FontMatrix", document).and_then(Object::as_array).ok();
            found.unit = matrix
                .and_then(|matrix| number(matrix.first()?))
                .filter(|unit| *unit > 0.0)
                .unwrap_or(0.001);
        }
        found
    }

    /// Reads the `bfchar` and `bfrange` sections of a ToUnicode map.
    fn read_map(&mut self, text: &[u8]) {
        let mut words = CMapTokens { rest: text };
        let mut section = Vec::new();
        let mut array: Option<Vec<Vec<u8>>> = None;
        let mut arrays: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
        while let Some(word) = words.next() {
            match (word, &mut array) {
                (CMapToken::Hex(bytes), Some(items)) => items.push(bytes),
                (CMapToken::Hex(bytes), None) => section.push(bytes),
                (CMapToken::Open, _) => array = Some(Vec::new()),
                (CMapToken::Close, _) => {
                    arrays.insert(section.len(), array.take().unwrap_or_default());
                    section.push(Vec::new());
                }
                (
                    CMapToken::Other(b"beginbfchar" | b"beginbfrange" | b"begincodespacerange"),
                    _,
                ) => section.clear(),
                (CMapToken::Other(b"endbfchar"), _) => {
                    let (pairs, _) = section.as_chunks::<2>();
                    self.map.extend(
                        pairs.iter().map(|[code, letters]| (code_of(code), letters_of(letters))),
                    );
                    section.clear();
                }
                (CMapToken::Other(b"endbfrange"), _) => {
                    let (triples, _) = section.as_chunks::<3>();
                    for (place, [first, last, letters]) in triples.iter().enumerate() {
                        let (first, last) = (code_of(first), code_of(last));
                        match arrays.remove(&(place * 3 + 2)) {
                            Some(items) => self.map.extend(
                                (first..=last).zip(items.iter().map(|item| letters_of(item))),
                            ),
                            None if first == last => {
                                drop(self.map.insert(first, letters_of(letters)))
                            }
                            None => self.ranges.extend(
                                letters_of(letters)
                                    .chars()
                                    .next()
                                    .map(|letter| (first, last, u32::from(letter))),
                            ),
                        }
                    }
                    section.clear();
                    arrays.clear();
                }
                (CMapToken::Other(_), _) => {}
            }
        }
        self.ranges.sort_unstable();
    }

    fn read_widths(&mut self, document: &Document, font: &Dictionary) {
        let first = font.get_deref(b"FirstChar", document).ok().and_then(number).unwrap_or(0.0);
        let descriptor = font.get_deref(b"FontDescriptor", document).and_then(Object::as_dict).ok();
        let missing = descriptor
            .and_then(|descriptor| descriptor.get_deref(b"MissingWidth", document).ok())
            .and_then(number);
        self.usual = missing.filter(|width| *width > 0.0).unwrap_or(USUAL_WIDTH);
        let widths = font.get_deref(b"Widths", document).and_then(Object::as_array);
        let mut code = whole(first);
        for width in widths.into_iter().flatten().take(256) {
            let width = document.dereference(width).ok().and_then(|(_, width)| number(width));
            self.widths.extend(width.map(|width| (code, width)));
            code = code.saturating_add(1);
        }
    }

    fn read_wide_widths(&mut self, document: &Document, font: &Dictionary) {
        let descendants =
            font.get_deref(b"DescendantFonts", document).and_then(Object::as_array).ok();
        let inner = descendants
            .and_then(|fonts| document.dereference(fonts.first()?).ok()?.1.as_dict().ok());
        let Some(inner) = inner else { return };
        self.usual = inner.get_deref(b"DW", document).ok().and_then(number).unwrap_or(1000.0);
        let Ok(items) = inner.get_deref(b"W", document).and_then(Object::as_array) else { return };
        let mut codes: Vec<f64> = Vec::new();
        for item in items {
            match document.dereference(item).map(|(_, item)| item) {
                Ok(Object::Array(widths)) => {
                    let first = codes.pop().map_or(0, whole);
                    self.widths.extend((first..).zip(widths.iter().filter_map(number)));
                    codes.clear();
                }
                Ok(item) => codes.extend(number(item)),
                Err(_) => {}
            }
            if let [first, last, width] = codes[..] {
                self.width_ranges.push((whole(first), whole(last), width));
                codes.clear();
            }
        }
    }

    /// The letters of a string, each with its width relative to the font size and whether it is a
    /// one-byte space.
    pub(super) fn letters(&self, bytes: &[u8]) -> Vec<(Option<String>, f64, bool)> {
        let step = if self.wide { 2 } else { 1 };
        bytes
            .chunks(step)
            .map(|code| (self.letter(code), self.width(code_of(code)), code == b" "))
            .collect()
    }

    fn letter(&self, bytes: &[u8]) -> Option<String> {
        let code = code_of(bytes);
        if let Some(letters) = self.map.get(&code) {
            return Some(letters.clone());
        }
        let upto = self.ranges.partition_point(|(first, ..)| *first <= code);
        let range =
            self.ranges.get(..upto).and_then(<[_]>::last).filter(|(_, last, _)| *last >= code);
        if let Some((first, _, letter)) = range {
            return char::from_u32(letter.saturating_add(code - first)).map(String::from);
        }
        let text = self.encoding.as_ref()?.bytes_to_string(bytes).ok()?;
        (!text.is_empty()).then_some(text)
    }

    fn width(&self, code: u32) -> f64 {
        let ranged = || {
            self.width_ranges
                .iter()
                .find(|(first, last, _)| (*first..=*last).contains(&code))
                .map(|(.., width)| *width)
        };
        self.widths.get(&code).copied().or_else(ranged).unwrap_or(self.usual) * self.unit
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "out of range it becomes the nearest code"
)]
fn whole(value: f64) -> u32 {
    value as u32
}

fn code_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0_u32, |code, byte| (code << 8) | u32::from(*byte))
}

fn letters_of(bytes: &[u8]) -> String {
    let units = bytes.chunks(2).map(|pair| u16::try_from(code_of(pair)).unwrap_or(0));
    char::decode_utf16(units).flatten().take(LETTERS).collect()
}

enum CMapToken<'a> {
    Hex(Vec<u8>),
    Open,
    Close,
    Other(&'a [u8]),
}

/// The tokens of a ToUnicode map.
struct CMapTokens<'a> {
    rest: &'a [u8],
}

impl<'a> CMapTokens<'a> {
    fn next(&mut self) -> Option<CMapToken<'a>> {
        self.rest = self.rest.trim_ascii_start();
        let (first, behind) = self.rest.split_first()?;
        match first {
            b'[' | b']' => {
                self.rest = behind;
                Some(if *first == b'[' { CMapToken::Open } else { CMapToken::Close })
            }
            b'<' if behind.first() != Some(&b'<') => {
                let end = behind.iter().position(|byte| *byte == b'>').unwrap_or(behind.len());
                let digits: Vec<u8> = behind
                    .get(..end)?
                    .iter()
                    .filter_map(|byte| u8::try_from(char::from(*byte).to_digit(16)?).ok())
                    .collect();
                self.rest = behind.get(end + 1..).unwrap_or_default();
                let bytes = digits
                    .chunks(2)
                    .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
                Some(CMapToken::Hex(bytes.collect()))
            }
            _ => {
                let end = behind
                    .iter()
                    .position(|byte| {
                        byte.is_ascii_whitespace() || matches!(byte, b'[' | b']' | b'<' | b'/')
                    })
                    .unwrap_or(behind.len());
                let word = self.rest.get(..=end)?;
                self.rest = behind.get(end..)?;
                Some(CMapToken::Other(word))
            }
        }
    }
}
