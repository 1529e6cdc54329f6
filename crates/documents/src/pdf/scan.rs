//! Checks a PDF before the library reads it: the unpacked size of its streams, the number of
//! objects, encryption. While the library loads the file, this module unpacks the streams within
//! limits and empties pictures and fonts.

use std::cell::Cell;
use std::io::Read;

use flate2::read::ZlibDecoder;
use lopdf::{Dictionary, Object, ObjectId, Stream};

use super::guard::{ReadDeadline, abort};
use super::{encrypted, malformed};
use crate::{DocumentError, limits};

/// Widest field of an entry in a cross-reference stream, in bytes.
const FIELD_BYTES: usize = 8;
/// Most columns of a predictor.
const PREDICTOR_COLUMNS: i64 = 100_000;
/// Most colours of a predictor, and most bits of a colour.
const PREDICTOR_DEPTH: i64 = 32;
/// Most filters of a stream.
const FILTERS: usize = 4;

fn bomb(detail: impl Into<String>) -> DocumentError {
    DocumentError::new("zip_bomb", detail)
}

/// Checks the bytes of a PDF.
///
/// # Errors
/// `zip_bomb`, `encrypted`, `too_large`, `malformed_document`.
pub(super) fn check(bytes: &[u8]) -> Result<(), DocumentError> {
    if tokens(bytes) > limits::PDF_TOKENS {
        return Err(DocumentError::new(
            "too_large",
            format!("the PDF has more than {} tokens", limits::PDF_TOKENS),
        ));
    }
    let (mut unpacked, mut from) = (0_usize, 0_usize);
    while let Some(at) = find(bytes, b"stream", from) {
        let before = bytes.get(from..at).unwrap_or_default();
        let start = at + b"stream".len();
        if before.ends_with(b"end") {
            from = start;
            continue;
        }
        let data = bytes.get(start..).unwrap_or_default();
        let data = data
            .strip_prefix(b"\r\n")
            .or_else(|| data.strip_prefix(b"\n"))
            .or_else(|| data.strip_prefix(b"\r"))
            .unwrap_or(data);
        let length = inflated(data, limits::PDF_STREAM_BYTES)?;
        unpacked = unpacked.saturating_add(length);
        if unpacked > limits::PDF_UNPACKED_BYTES {
            return Err(bomb(format!(
                "the streams of the PDF unpack to more than {} bytes",
                limits::PDF_UNPACKED_BYTES
            )));
        }
        dictionary(&names(before), length)?;
        from = start;
    }
    // The part after the last stream has the trailer.
    not_encrypted(&names(bytes.get(from..).unwrap_or_default()))
}

/// The text after each occurrence of a name.
fn values<'t>(text: &'t [u8], name: &[u8]) -> Vec<&'t [u8]> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = find(text, name, from) {
        from = at + name.len();
        found.push(text.get(from..).unwrap_or_default());
    }
    found
}

fn not_encrypted(text: &[u8]) -> Result<(), DocumentError> {
    let ends = |rest: &[u8]| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let refers = |rest: &[u8]| {
        rest.trim_ascii_start().first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'<')
    };
    if values(text, b"/Encrypt").into_iter().any(|rest| ends(rest) && refers(rest)) {
        return Err(encrypted());
    }
    Ok(())
}

/// Checks the dictionary before a stream of a cross-reference table.
fn dictionary(text: &[u8], length: usize) -> Result<(), DocumentError> {
    not_encrypted(text)?;
    let values = |name: &[u8]| values(text, name);
    // Arrays of letter widths are nested; arrays of field widths are not.
    let flat =
        values(b"/W").into_iter().filter_map(|rest| rest.trim_ascii_start().strip_prefix(b"["));
    let flat: Vec<&[u8]> = flat
        .filter_map(|rest| rest.split(|byte| *byte == b']').next())
        .filter(|fields| !fields.contains(&b'['))
        .collect();
    if flat.is_empty() || values(b"/Size").is_empty() {
        return Ok(());
    }
    // The library unpacks cross-reference streams before anything else can be checked.
    for fields in flat {
        let fields: Vec<Option<usize>> = String::from_utf8_lossy(fields)
            .split_ascii_whitespace()
            .take(3)
            .map(|field| field.parse().ok())
            .collect();
        if fields.iter().any(|field| field.is_none_or(|field| field > FIELD_BYTES))
            || fields.iter().flatten().sum::<usize>() == 0
        {
            return Err(malformed("its cross-reference stream has invalid fields"));
        }
    }
    let unusual = ["LZW", "ASCII", "RunLength"]
        .iter()
        .any(|filter| find(text, filter.as_bytes(), 0).is_some());
    if unusual || values(b"/FlateDecode").len() > 1 {
        return Err(malformed("its cross-reference stream uses an unusual compression"));
    }
    if length > limits::PDF_DIRECTORY_BYTES {
        return Err(bomb(format!(
            "the cross-reference stream of the PDF unpacks to more than {} bytes",
            limits::PDF_DIRECTORY_BYTES
        )));
    }
    let wide = |rest: &&[u8]| {
        rest.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit()).count() > 5
    };
    if [&b"/Columns"[..], b"/Colors", b"/BitsPerComponent"]
        .iter()
        .any(|name| values(name).iter().any(wide))
    {
        return Err(malformed("its cross-reference stream has invalid columns"));
    }
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    let first = *wanted.first()?;
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}

/// The bytes with escapes such as `#45` decoded, which PDF allows in names.
fn names(bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind
            .get(..2)
            .filter(|_| *byte == b'#')
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| u8::from_str_radix(code, 16).ok());
        found.push(code.unwrap_or(*byte));
        rest = if code.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    found
}

/// The number of tokens of PDF syntax, at most.
pub(super) fn tokens(bytes: &[u8]) -> usize {
    let mut within = false;
    let mut count = 0;
    for byte in bytes {
        let space = byte.is_ascii_whitespace() || *byte == 0;
        let sign = matches!(byte, b'[' | b'<' | b'(' | b'/' | b'{');
        count += usize::from(sign || (!space && !within));
        within = !space && !matches!(byte, b']' | b'>' | b')' | b'}');
    }
    count
}

/// The unpacked size of packed bytes; 0 when they are not packed.
fn inflated(data: &[u8], most: usize) -> Result<usize, DocumentError> {
    let zlib = |data: &[u8]| {
        matches!(data, [first, second, ..]
            if first & 0x0F == 8
                && (u16::from(*first) << 8 | u16::from(*second)).is_multiple_of(31))
    };
    if !zlib(data) {
        return Ok(0);
    }
    let mut decoder = ZlibDecoder::new(data);
    let mut total = 0_usize;
    let mut buffer = [0_u8; 1 << 16];
    loop {
        // Broken data is read up to the error.
        let read = decoder.read(&mut buffer).unwrap_or(0);
        total += read;
        if total > most {
            return Err(bomb(format!("a stream of the PDF unpacks to more than {most} bytes")));
        }
        if read == 0 {
            return Ok(total);
        }
    }
}

thread_local! {
    /// The objects, tokens and bytes that this thread has loaded, and its deadline.
    static LOADED: Cell<(usize, usize, usize)> = const { Cell::new((0, 0, 0)) };
    static DEADLINE: Cell<Option<ReadDeadline>> = const { Cell::new(None) };
}

/// Starts counting what is loaded.
pub(super) fn begin(deadline: ReadDeadline) {
    LOADED.set((0, 0, 0));
    DEADLINE.set(Some(deadline));
}

/// Ends counting, and unpacks the streams that wait for their length.
///
/// # Errors
/// Errors of the limits, and `too_slow`.
pub(super) fn finish(document: &mut lopdf::Document) -> Result<(), DocumentError> {
    let late =
        |object: &&mut Object| object.as_stream().is_ok_and(|stream| stream.dict.has(b"Filter"));
    document.objects.values_mut().filter(late).try_for_each(taken)?;
    DEADLINE.take().map_or(Ok(()), ReadDeadline::check)
}

/// Counts an object that the library has read, and unpacks it if it is a stream. Aborts the library
/// beyond the limits.
pub(super) fn unpack(id: ObjectId, object: &mut Object) -> Option<(ObjectId, Object)> {
    if let Err(refusal) = taken(object) {
        abort(refusal);
    }
    // The returned object is used only for objects within streams, which are never streams
    // themselves.
    Some((id, if matches!(object, Object::Stream(_)) { Object::Null } else { object.clone() }))
}

fn taken(object: &mut Object) -> Result<(), DocumentError> {
    DEADLINE.get().map_or(Ok(()), ReadDeadline::check)?;
    let (objects, mut words, mut bytes) = LOADED.get();
    words += size(object);
    if let Object::Stream(stream) = object
        && !stream.content.is_empty()
    {
        let content = content(stream)?;
        if stream.dict.has_type(b"ObjStm") {
            words += tokens(&content);
        }
        bytes += content.len();
        stream.dict.remove(b"Filter");
        stream.dict.remove(b"DecodeParms");
        stream.content = content;
    }
    LOADED.set((objects + 1, words, bytes));
    if objects >= limits::PDF_OBJECTS || words > limits::PDF_TOKENS {
        return Err(DocumentError::new(
            "too_large",
            format!(
                "the PDF has more than {} objects or {} tokens",
                limits::PDF_OBJECTS,
                limits::PDF_TOKENS
            ),
        ));
    }
    if bytes > limits::PDF_HELD_BYTES {
        return Err(bomb(format!(
            "the texts of the PDF unpack to more than {} bytes",
            limits::PDF_HELD_BYTES
        )));
    }
    Ok(())
}

/// The number of values in an object.
fn size(object: &Object) -> usize {
    match object {
        Object::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Object::Dictionary(dictionary) => {
            1 + dictionary.iter().map(|(_, value)| 1 + size(value)).sum::<usize>()
        }
        Object::Stream(stream) => {
            1 + stream.dict.iter().map(|(_, value)| 1 + size(value)).sum::<usize>()
        }
        Object::Null
        | Object::Boolean(_)
        | Object::Integer(_)
        | Object::Real(_)
        | Object::Name(_)
        | Object::String(..)
        | Object::Reference(_) => 1,
    }
}

/// The unpacked content of a stream; one space for pictures, fonts and streams that cannot be
/// unpacked.
fn content(stream: &Stream) -> Result<Vec<u8>, DocumentError> {
    let nothing = vec![b' '];
    let picture =
        stream.dict.get(b"Subtype").and_then(Object::as_name).is_ok_and(|name| {
            matches!(name, b"Image" | b"Type1C" | b"CIDFontType0C" | b"OpenType")
        });
    if picture || [&b"Length1"[..], b"Length2"].iter().any(|key| stream.dict.has(key)) {
        return Ok(nothing);
    }
    let filters: Vec<Vec<u8>> = stream
        .filters()
        .map(|filters| filters.into_iter().map(<[u8]>::to_vec).collect())
        .unwrap_or_default();
    let mut bytes = stream.content.clone();
    if filters.len() > FILTERS {
        return Ok(nothing);
    }
    for (place, filter) in filters.into_iter().enumerate() {
        let allowed = match filter.as_slice() {
            b"FlateDecode" => inflated_once(&bytes)?,
            b"LZWDecode" => bytes.len() <= limits::PDF_LZW_BYTES,
            b"ASCII85Decode" => true,
            _ => false,
        };
        let mut dict = Dictionary::new();
        dict.set("Filter", Object::Name(filter));
        if let Some(parameters) = parameters(stream, place) {
            if !possible(parameters) {
                return Ok(nothing);
            }
            dict.set("DecodeParms", Object::Dictionary(parameters.clone()));
        }
        match Stream::new(dict, bytes).decompressed_content() {
            Ok(content) if allowed => bytes = content,
            Ok(_) | Err(_) => return Ok(nothing),
        }
    }
    // The library searches for the end of an empty stream, so it is given one space.
    Ok(if bytes.is_empty() { nothing } else { bytes })
}

/// Whether packed bytes were unpacked within the limits.
fn inflated_once(bytes: &[u8]) -> Result<bool, DocumentError> {
    let mut sink = Vec::new();
    let most = u64::try_from(limits::PDF_STREAM_BYTES).unwrap_or(u64::MAX);
    let read = ZlibDecoder::new(bytes).take(most + 1).read_to_end(&mut sink).unwrap_or(sink.len());
    if read > limits::PDF_STREAM_BYTES || sink.len() > limits::PDF_STREAM_BYTES {
        return Err(bomb(format!(
            "a stream of the PDF unpacks to more than {} bytes",
            limits::PDF_STREAM_BYTES
        )));
    }
    Ok(true)
}

fn parameters(stream: &Stream, place: usize) -> Option<&Dictionary> {
    let given = stream.dict.get(b"DecodeParms").ok()?;
    let listed = given.as_array().ok().and_then(|items| items.get(place));
    listed.unwrap_or(given).as_dict().ok()
}

fn possible(parameters: &Dictionary) -> bool {
    let within = |key: &[u8], most: i64| {
        parameters.get(key).and_then(Object::as_i64).is_ok_and(|value| (0..=most).contains(&value))
            || !parameters.has(key)
    };
    within(b"Columns", PREDICTOR_COLUMNS)
        && within(b"Colors", PREDICTOR_DEPTH)
        && within(b"BitsPerComponent", PREDICTOR_DEPTH)
}
