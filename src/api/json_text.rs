//! Writes JSON directly from numbers and prepared texts. Building JSON values first would take most
//! of the time of a large response.
//!
//! The text is exactly that of `serde_json`; tests compare the two.

use std::io::Write;

use kpi::number::{Decimal64, Rounded, write_double};
use kpi::period::Period;

/// A part of a JSON text. It is reused for each point of a response, so that no memory is allocated
/// for a single point.
#[derive(Default)]
pub struct JsonBuffer {
    bytes: Vec<u8>,
    /// The last byte that was passed on.
    passed: Option<u8>,
}

/// The room for a part, so that it need not grow.
const ROOM: usize = FULL + (4 << 10);

/// The number of bytes from which a text is passed on.
const FULL: usize = 8 << 10;

impl JsonBuffer {
    /// A text with room for all that is written before it is passed on.
    #[must_use]
    pub fn with_room() -> Self {
        Self { bytes: Vec::with_capacity(ROOM), passed: None }
    }

    /// Passes the text on if it is long enough, and begins the next part.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn pass_full(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        if self.bytes.len() < FULL { Ok(()) } else { self.pass(out) }
    }

    /// Passes the text on, and begins the next part.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn pass(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.bytes)?;
        self.passed = self.bytes.last().copied().or(self.passed);
        self.bytes.clear();
        Ok(())
    }

    /// Writes a text that another part holds.
    pub fn part(&mut self, part: &Self) {
        self.bytes.extend_from_slice(&part.bytes);
    }

    /// Removes the text.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.passed = None;
    }

    /// Appends a text that is JSON already.
    #[inline]
    pub fn ready(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    /// Writes a comma, unless an object or list has just been opened.
    pub fn comma(&mut self) {
        let last = self.bytes.last().copied().or(self.passed);
        if !matches!(last, None | Some(b'{' | b'[' | b',')) {
            self.bytes.push(b',');
        }
    }

    /// Writes a member of an object.
    pub fn member(&mut self, name: &str, value: &(impl serde::Serialize + ?Sized)) {
        self.comma();
        self.bytes.push(b'"');
        self.ready(name);
        self.ready("\":");
        self.serialize(value);
    }

    /// Writes a text in quotes, with escapes where it needs any.
    pub fn text(&mut self, text: &str) {
        self.serialize(text);
    }

    /// Writes a word that needs no escapes, or null.
    pub fn word(&mut self, word: Option<&'static str>) {
        match word {
            Some(word) => {
                self.ready("\"");
                self.ready(word);
                self.ready("\"");
            }
            None => self.ready("null"),
        }
    }

    /// Writes a computed number, or null.
    pub fn rounded(&mut self, number: Option<Rounded>) {
        match number {
            Some(number) => number.write_to(&mut self.bytes),
            None => self.ready("null"),
        }
    }

    /// Writes a double, also a whole one with a point, or null.
    pub fn double(&mut self, number: Option<f64>) {
        match number.filter(|number| number.is_finite()) {
            Some(number) => write_double(number, &mut self.bytes),
            None => self.ready("null"),
        }
    }

    /// Writes a count, or null.
    pub fn count(&mut self, count: Option<usize>) {
        match count {
            Some(count) => self.ready(itoa::Buffer::new().format(count)),
            None => self.ready("null"),
        }
    }

    /// Writes a decimal with its digits, or null.
    pub fn decimal(&mut self, number: Option<Decimal64>) {
        match number {
            Some(number) => self.display(&number),
            None => self.ready("null"),
        }
    }

    /// Writes a period, in quotes.
    pub fn period(&mut self, period: Period) {
        self.bytes.push(b'"');
        period.write_to(&mut self.bytes);
        self.bytes.push(b'"');
    }

    /// Writes a text that is displayed without characters that need escapes, in quotes.
    pub fn quoted(&mut self, text: &impl std::fmt::Display) {
        self.bytes.push(b'"');
        self.display(text);
        self.bytes.push(b'"');
    }

    /// Writes any value as `serde_json` does.
    pub fn serialize(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        // Writing into memory does not fail, and no type here has keys that are not texts.
        let written = serde_json::to_writer(&mut self.bytes, value);
        debug_assert!(written.is_ok(), "{written:?}");
    }

    fn display(&mut self, shown: &impl std::fmt::Display) {
        let written = write!(self.bytes, "{shown}");
        debug_assert!(written.is_ok(), "{written:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut JsonBuffer)) -> String {
        let mut text = JsonBuffer::default();
        write(&mut text);
        String::from_utf8(text.bytes).unwrap()
    }

    proptest! {
        #[test]
        fn numbers_have_the_text_of_serde(
            number in prop_oneof![
                any::<f64>(),
                -1e10_f64..1e10,
                (-10_000_000_i32..10_000_000).prop_map(|n| f64::from(n) / 1e6),
                (-2_000_i32..2_000).prop_map(f64::from),
            ],
            mantissa in any::<i64>(),
            scale in 0_u32..10,
        ) {
            let rounded = Rounded::new(number);
            prop_assert_eq!(
                written(|text| text.rounded(rounded)),
                serde_json::to_string(&rounded).unwrap()
            );
            prop_assert_eq!(
                written(|text| text.double(Some(number))),
                serde_json::to_string(&number).unwrap()
            );
            let decimal = Some(Decimal64 { mantissa, scale });
            prop_assert_eq!(
                written(|text| text.decimal(decimal)),
                serde_json::to_string(&decimal).unwrap()
            );
        }

        #[test]
        fn texts_have_the_escapes_of_serde(shown in ".*") {
            prop_assert_eq!(
                written(|text| text.text(&shown)),
                serde_json::to_string(&shown).unwrap()
            );
        }
    }
}
