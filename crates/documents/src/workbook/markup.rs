//! Reads what the library leaves out of an Excel file: hidden rows and columns, the formats within
//! the text of a cell, and whether the formulas were computed.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::guard::MAX_PART;
use super::{MAX_TEXT, unreadable_part};
use crate::table::{MAX_COLUMNS, MAX_ROWS};
use crate::text::{TextLevel, at_level, push_after_gap};
use kpi::fault::Fault;

/// The text of a cell with formats of its parts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct FormattedText {
    /// The text without its struck-out parts; superscripts and subscripts are characters of their
    /// own. The whole text if all of it is struck out.
    pub(super) text: String,
    /// Whether all of it is struck out.
    pub(super) struck: bool,
}

/// The formats of a sheet.
#[derive(Default)]
pub(super) struct SheetMarkup {
    pub(super) hidden_rows: BTreeSet<usize>,
    pub(super) hidden_columns: BTreeSet<usize>,
    /// The texts of cells with formats of their parts.
    pub(super) texts: HashMap<(usize, usize), Arc<FormattedText>>,
}

/// The parts of an Excel file.
pub(super) struct WorkbookMarkup<'b> {
    zip: ZipArchive<Cursor<&'b [u8]>>,
    /// The names of the parts, by their names in lower case.
    names: HashMap<String, String>,
    /// The part of each sheet.
    sheets: HashMap<String, String>,
    /// The shared texts with formats of their parts, by their numbers.
    strings: HashMap<usize, Arc<FormattedText>>,
    /// Whether the program that wrote the file asks to compute its formulas when it is opened, so
    /// that a stored result of 0 may be wrong.
    pub(super) uncomputed: bool,
}

type PartReader<'z> = Reader<BufReader<Box<dyn Read + 'z>>>;

fn xml_error(_error: impl std::fmt::Debug) -> Fault {
    unreadable_part()
}

/// The value of an attribute, found by its name without prefix.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found = attributes
        .with_checks(false)
        .flatten()
        .find(|attribute| attribute.key.local_name().as_ref() == name)?;
    unescape(&found.value).ok().map(std::borrow::Cow::into_owned)
}

fn is_on(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true" | "on"))
}

impl<'b> WorkbookMarkup<'b> {
    /// Reads the list of sheets and the shared texts.
    ///
    /// # Errors
    /// A part that is not well-formed, or too much text.
    pub(super) fn open(bytes: &'b [u8]) -> Result<Self, Fault> {
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(xml_error)?;
        let names: Vec<String> = zip
            .file_names()
            .map(|name| name.map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(xml_error)?;
        let names =
            names.into_iter().map(|name| (name.replace('\\', "/").to_lowercase(), name)).collect();
        let mut markup =
            Self { zip, names, sheets: HashMap::new(), strings: HashMap::new(), uncomputed: false };
        let mut main = "xl/workbook.xml".to_owned();
        markup.each("_rels/.rels", |element| {
            if attribute(element, "Type").is_some_and(|kind| kind.ends_with("/officeDocument")) {
                main = attribute(element, "Target").unwrap_or_default();
            }
        })?;
        let main = main.trim_start_matches('/').to_owned();
        let (folder, name) = main.rsplit_once('/').unwrap_or(("", &main));
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut targets: HashMap<String, String> = HashMap::new();
        markup.each(&format!("{folder}_rels/{name}.rels"), |element| {
            if let (Some(id), Some(target)) =
                (attribute(element, "Id"), attribute(element, "Target"))
            {
                let part = target
                    .strip_prefix('/')
                    .map_or_else(|| format!("{folder}{target}"), str::to_owned);
                targets.insert(id, part);
            }
        })?;
        let (mut sheets, mut uncomputed) = (HashMap::new(), false);
        markup.each(&main, |element| match element.local_name().as_ref() {
            "sheet" => {
                let part = attribute(element, "id").and_then(|id| targets.get(&id).cloned());
                if let (Some(name), Some(part)) = (attribute(element, "name"), part) {
                    sheets.entry(name).or_insert(part);
                }
            }
            "calcPr" => {
                uncomputed = is_on(attribute(element, "fullCalcOnLoad").as_deref());
            }
            _ => {}
        })?;
        (markup.sheets, markup.uncomputed) = (sheets, uncomputed);
        markup.read_strings(&format!("{folder}sharedStrings.xml"))?;
        Ok(markup)
    }

    /// A part, if the file has it.
    fn part(&mut self, name: &str) -> Result<Option<PartReader<'_>>, Fault> {
        let Some(name) = self.names.get(&name.to_lowercase()) else { return Ok(None) };
        let file = self.zip.by_name(name).map_err(xml_error)?;
        let bounded: Box<dyn Read + '_> = Box::new(file.take(MAX_PART));
        let mut reader = Reader::from_reader(BufReader::new(bounded));
        reader.config_mut().expand_empty_elements = true;
        Ok(Some(reader))
    }

    /// Passes each element of a part to a function.
    fn each(&mut self, name: &str, mut take: impl FnMut(&BytesStart<'_>)) -> Result<(), Fault> {
        let Some(mut reader) = self.part(name)? else { return Ok(()) };
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(xml_error)? {
                Event::Start(element) | Event::Empty(element) => take(&element),
                Event::Eof => return Ok(()),
                Event::End(_)
                | Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }

    fn read_strings(&mut self, name: &str) -> Result<(), Fault> {
        let mut found = HashMap::new();
        let Some(mut reader) = self.part(name)? else { return Ok(()) };
        let (mut buffer, mut number, mut left) = (Vec::new(), 0, MAX_TEXT);
        loop {
            buffer.clear();
            match reader.read_event_into(&mut buffer).map_err(xml_error)? {
                Event::Start(element) if element.local_name().as_ref() == "si" => {
                    if let Some(text) = formatted(&mut reader, "si")? {
                        left = left.checked_sub(text.text.len()).ok_or_else(|| {
                            Fault::new(
                                "",
                                "too_large",
                                format!(
                                    "the texts of an Excel file must have at most {MAX_TEXT} bytes"
                                ),
                            )
                        })?;
                        found.insert(number, Arc::new(text));
                    }
                    number += 1;
                }
                Event::Eof => break,
                Event::Start(_)
                | Event::Empty(_)
                | Event::End(_)
                | Event::Text(_)
                | Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
        drop(reader);
        self.strings = found;
        Ok(())
    }

    /// The formats of a sheet.
    ///
    /// # Errors
    /// A part that is not well-formed or is missing.
    pub(super) fn sheet(&mut self, name: &str) -> Result<SheetMarkup, Fault> {
        let part = self.sheets.get(name).cloned().unwrap_or_default();
        let strings = std::mem::take(&mut self.strings);
        let found = match self.part(&part)? {
            Some(mut reader) => read_sheet(&mut reader, &strings),
            None => Err(unreadable_part()),
        };
        self.strings = strings;
        found
    }
}

fn read_sheet<R: BufRead>(
    reader: &mut Reader<R>,
    strings: &HashMap<usize, Arc<FormattedText>>,
) -> Result<SheetMarkup, Fault> {
    let mut markup = SheetMarkup::default();
    let (mut buffer, mut row, mut column) = (Vec::new(), 0_usize, 0_usize);
    // The cell that refers to a shared text, until its number is read.
    let (mut shared, mut in_value) = (None, false);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(xml_error)? {
            Event::Start(element) => match element.local_name().as_ref() {
                "row" => {
                    let number = attribute(&element, "r").and_then(|r| r.parse::<usize>().ok());
                    row = number.and_then(|number| number.checked_sub(1)).unwrap_or(row);
                    if is_hidden(&element, "ht") && row < MAX_ROWS {
                        markup.hidden_rows.insert(row);
                    }
                }
                "col" if is_hidden(&element, "width") => {
                    markup.hidden_columns.extend(columns(&element));
                }
                "c" => {
                    let named = attribute(&element, "r").and_then(|name| place_of(&name));
                    let place = named.unwrap_or((row, column));
                    column = place.1;
                    shared = (attribute(&element, "t").as_deref() == Some("s")).then_some(place);
                }
                "v" => in_value = true,
                "is" => {
                    if let Some(text) = formatted(reader, "is")? {
                        markup.texts.insert((row, column), Arc::new(text));
                    }
                }
                _ => {}
            },
            Event::Text(text) if in_value => {
                let number = text.as_ref().trim().parse::<usize>().ok();
                if let (Some(place), Some(text)) =
                    (shared, number.and_then(|number| strings.get(&number)))
                {
                    markup.texts.insert(place, Arc::clone(text));
                }
            }
            Event::End(element) => match element.local_name().as_ref() {
                "row" => (row, column) = (row + 1, 0),
                "c" => (column, shared) = (column + 1, None),
                "v" => in_value = false,
                "sheetData" => return Ok(markup),
                _ => {}
            },
            Event::Eof => return Ok(markup),
            Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

/// Whether a row or column is not shown: it is hidden, or its size is 0.
fn is_hidden(element: &BytesStart<'_>, size: &str) -> bool {
    let none = attribute(element, size)
        .and_then(|size| size.parse::<f64>().ok())
        .is_some_and(|size| size <= 0.0);
    none || is_on(attribute(element, "hidden").as_deref())
}

/// The columns of an element `col`.
fn columns(element: &BytesStart<'_>) -> Range<usize> {
    let number = |name| attribute(element, name).and_then(|value| value.parse::<usize>().ok());
    let first = number("min").unwrap_or(1).saturating_sub(1).min(MAX_COLUMNS);
    first..number("max").unwrap_or(0).clamp(first, MAX_COLUMNS)
}

/// The row and column of a cell's name: `C7` gives 6 and 2.
fn place_of(name: &str) -> Option<(usize, usize)> {
    let digits = name.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, number) = name.split_at_checked(digits)?;
    let column = letters.bytes().try_fold(0_usize, |column, letter| {
        let letter = letter.to_ascii_uppercase();
        let value = letter.is_ascii_uppercase().then(|| usize::from(letter - b'A') + 1)?;
        column.checked_mul(26)?.checked_add(value)
    })?;
    Some((number.parse::<usize>().ok()?.checked_sub(1)?, column.checked_sub(1)?))
}

/// The format of a part of a text.
#[derive(Clone, Copy, Default)]
struct RunFormat {
    level: TextLevel,
    struck: bool,
}

/// Reads a text up to its end. `None` when it has no parts with formats of their own.
fn formatted<R: BufRead>(
    reader: &mut Reader<R>,
    closing: &str,
) -> Result<Option<FormattedText>, Fault> {
    let (mut buffer, mut runs): (Vec<u8>, Vec<(String, RunFormat)>) = (Vec::new(), Vec::new());
    let (mut text, mut format) = (None::<String>, RunFormat::default());
    let (mut phonetic, mut preserved, mut formats) = (false, false, false);
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(xml_error)? {
            Event::Start(element) => match element.local_name().as_ref() {
                "r" => format = RunFormat::default(),
                "rPh" => phonetic = true,
                "rPr" => formats = true,
                "vertAlign" => {
                    format.level = match attribute(&element, "val").as_deref() {
                        Some("superscript") => TextLevel::Raised,
                        Some("subscript") => TextLevel::Lowered,
                        Some(_) | None => TextLevel::Line,
                    }
                }
                "strike" => {
                    let value = attribute(&element, "val");
                    format.struck = value.is_none() || is_on(value.as_deref());
                }
                "t" if !phonetic => {
                    preserved = attribute(&element, "space").as_deref() == Some("preserve");
                    text = Some(String::new());
                }
                _ => {}
            },
            Event::Text(part) => {
                text.iter_mut().for_each(|text| text.push_str(&part.xml10_content()))
            }
            Event::CData(part) => {
                text.iter_mut().for_each(|text| text.push_str(&part.xml10_content()))
            }
            Event::GeneralRef(named) => {
                let letter = match named.resolve_char_ref().map_err(xml_error)? {
                    Some(letter) => Some(letter),
                    None => match named.into_inner().as_ref() {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => None,
                    },
                };
                text.iter_mut().for_each(|text| text.extend(letter));
            }
            Event::End(element) => match element.local_name().as_ref() {
                "t" => {
                    if let Some(text) = text.take() {
                        let text = if preserved { text.as_str() } else { text.trim() };
                        runs.push((decoded(text), format));
                    }
                }
                "rPh" => phonetic = false,
                name if name == closing => break,
                _ => {}
            },
            Event::Eof => return Err(unreadable_part()),
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
    Ok(formats.then(|| joined(&runs)))
}

/// Joins the parts of a text as they are shown.
fn joined(runs: &[(String, RunFormat)]) -> FormattedText {
    let shown = |text: &str| text.chars().any(|letter| !letter.is_whitespace());
    let kept: Vec<&(String, RunFormat)> =
        runs.iter().filter(|(_, format)| !format.struck).collect();
    let whole = || runs.iter().map(|(text, _)| text.as_str()).collect::<String>();
    if !kept.iter().any(|(text, _)| shown(text)) && shown(&whole()) {
        return FormattedText { text: whole(), struck: true };
    }
    let on_line = kept.iter().any(|(text, format)| {
        format.level == TextLevel::Line && text.chars().any(char::is_alphanumeric)
    });
    let (mut text, mut gap) = (String::new(), false);
    for (part, format) in runs {
        if format.struck {
            gap = true;
            continue;
        }
        // A text of raised letters only has no line above which they stand.
        let part = at_level(part, if on_line { format.level } else { TextLevel::Line });
        if std::mem::take(&mut gap) {
            push_after_gap(&mut text, &part);
        } else {
            text.push_str(&part);
        }
    }
    FormattedText { text, struck: false }
}

/// A text with its characters written as `_x000D_` decoded.
fn decoded(text: &str) -> String {
    let (mut found, mut left) = (String::new(), text);
    while let Some(at) = left.find("_x") {
        let code = left.get(at + 2..at + 6).filter(|_| left.get(at + 6..at + 7) == Some("_"));
        let letter = code.and_then(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?));
        let (before, behind) = left.split_at(at);
        found.push_str(before);
        match letter {
            Some(letter) => {
                found.push(letter);
                left = behind.get(7..).unwrap_or_default();
            }
            None => {
                found.push_str("_x");
                left = behind.get(2..).unwrap_or_default();
            }
        }
    }
    found.push_str(left);
    found
}
