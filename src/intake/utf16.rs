//! Text that Excel saves as "Unicode text": UTF-16 with a byte-order mark, read as UTF-8.

use std::io::{Error, ErrorKind, Read, Result};

/// Bytes that are read at once.
const CHUNK: usize = 8 << 10;
/// The byte-order mark of UTF-8.
const UTF8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The bytes of a text without a byte-order mark of UTF-8 at their start.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(UTF8_MARK).unwrap_or(bytes)
}

/// The encoding of a source, which its first two bytes show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TextEncoding {
    /// No byte has been read yet.
    Unknown,
    /// Any other encoding: its bytes are passed on as they are.
    Other,
    LittleEndian,
    BigEndian,
}

/// A source that turns UTF-16 with a byte-order mark into UTF-8, and passes all other bytes on.
#[derive(Debug)]
pub struct Utf8Source<R> {
    source: R,
    encoding: TextEncoding,
    /// Bytes of UTF-16 that do not make a whole character yet.
    rest: Vec<u8>,
    /// UTF-8 that has not been read yet.
    text: Vec<u8>,
    /// The number of its bytes that have been read.
    taken: usize,
}

impl<R: Read> Utf8Source<R> {
    /// A source in front of another one.
    pub fn new(source: R) -> Self {
        Self {
            source,
            encoding: TextEncoding::Unknown,
            rest: Vec::new(),
            text: Vec::new(),
            taken: 0,
        }
    }

    /// Reads the first two bytes.
    fn detect(&mut self) -> Result<()> {
        let mut start = [0; 2];
        let mut length = 0;
        while length < start.len() {
            match self.source.read(start.get_mut(length..).unwrap_or_default())? {
                0 => break,
                read => length += read,
            }
        }
        self.encoding = match start {
            [0xFF, 0xFE] => TextEncoding::LittleEndian,
            [0xFE, 0xFF] => TextEncoding::BigEndian,
            _ => TextEncoding::Other,
        };
        if self.encoding == TextEncoding::Other {
            self.text.extend(start.iter().take(length));
        }
        Ok(())
    }

    /// Reads more UTF-16; false at its end.
    fn decode(&mut self) -> Result<bool> {
        let damaged = || {
            Error::new(
                ErrorKind::InvalidData,
                "the file is damaged: a character of its UTF-16 is not whole",
            )
        };
        let mut chunk = [0; CHUNK];
        let read = self.source.read(&mut chunk)?;
        self.rest.extend(chunk.iter().take(read));
        let unit = |pair: &[u8]| {
            let pair = [pair.first().copied().unwrap_or(0), pair.last().copied().unwrap_or(0)];
            if self.encoding == TextEncoding::BigEndian {
                u16::from_be_bytes(pair)
            } else {
                u16::from_le_bytes(pair)
            }
        };
        let mut units: Vec<u16> = self.rest.chunks_exact(2).map(unit).collect();
        // The second half of a character beyond U+FFFF may come with the next bytes.
        if read > 0 && units.last().is_some_and(|last| (0xD800..0xDC00).contains(last)) {
            units.pop();
        }
        let used = units.len() * 2;
        if read == 0 && used < self.rest.len() {
            return Err(damaged());
        }
        for letter in char::decode_utf16(units) {
            let letter = letter.map_err(|_half| damaged())?;
            self.text.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.rest.drain(..used);
        Ok(read > 0)
    }
}

impl<R: Read> Read for Utf8Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.encoding == TextEncoding::Unknown {
            self.detect()?;
        }
        while self.taken == self.text.len() {
            self.text.clear();
            self.taken = 0;
            if self.encoding == TextEncoding::Other {
                return self.source.read(buffer);
            }
            if !self.decode()? && self.text.is_empty() {
                return Ok(0);
            }
        }
        let left = self.text.get(self.taken..).unwrap_or_default();
        let length = left.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(left) {
            *to = *from;
        }
        self.taken += length;
        match buffer.get_mut(length..) {
            // Readers expect the first line in what they read first.
            Some(more) if self.encoding == TextEncoding::Other && !more.is_empty() => {
                Ok(length + self.source.read(more)?)
            }
            _ => Ok(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives one byte at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
    }

    fn read(bytes: &[u8]) -> Result<String> {
        let (mut whole, mut drops) = (String::new(), String::new());
        Utf8Source::new(bytes).read_to_string(&mut whole)?;
        Utf8Source::new(Drops(bytes)).read_to_string(&mut drops)?;
        assert_eq!(whole, drops);
        Ok(whole)
    }

    #[test]
    fn utf_16_with_a_mark_is_read_in_both_byte_orders() {
        let long = "Tỉnh Trà Vinh 😀\t23441\r\n".repeat(2_000);
        for text in ["", "a", "Đà Nẵng", "😀", &long] {
            assert_eq!(read(&utf16(text, u16::to_le_bytes)).unwrap(), text);
            assert_eq!(read(&utf16(text, u16::to_be_bytes)).unwrap(), text);
        }
    }

    #[test]
    fn other_bytes_are_passed_on() {
        for text in ["", "a", "ab", "abc", "\u{feff}Đ", &"Đơn vị".repeat(5_000)] {
            assert_eq!(read(text.as_bytes()).unwrap(), text);
        }
        assert_eq!(without_mark("\u{feff}{}".as_bytes()), b"{}");
        assert_eq!(without_mark(b"{}"), b"{}");
    }

    #[test]
    fn utf_16_that_was_cut_off_is_an_error() {
        let whole = utf16("a😀", u16::to_le_bytes);
        for cut in [1, 2, 3] {
            let error = read(&whole[..whole.len() - cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{cut}");
        }
    }
}
