//! Conversion between places in a text in bytes, as used here, and in characters, as used in
//! responses.

use std::ops::Range;

/// Distance in bytes between the positions up to which characters are counted beforehand.
const STRIDE: usize = 1_024;

/// A text prepared for counting places.
pub struct CharacterPlaces<'a> {
    text: &'a str,
    /// Number of characters that begin before each multiple of [`STRIDE`] bytes.
    before: Vec<usize>,
    chars: usize,
}

/// Number of characters that begin in these bytes of UTF-8.
fn beginning(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
}

impl<'a> CharacterPlaces<'a> {
    /// Counts the characters of a text.
    pub fn new(text: &'a str) -> Self {
        let (mut chars, mut before) = (0, Vec::with_capacity(text.len() / STRIDE + 1));
        for chunk in text.as_bytes().chunks(STRIDE) {
            before.push(chars);
            chars += beginning(chunk);
        }
        Self { text, before, chars }
    }

    /// Number of characters of the whole text.
    pub fn chars(&self) -> usize {
        self.chars
    }

    /// Converts a range of bytes to a range of characters.
    pub fn characters(&self, bytes: &Range<usize>) -> (usize, usize) {
        let count = |at: usize| {
            let chunk = at / STRIDE;
            let Some(before) = self.before.get(chunk) else { return self.chars };
            before + beginning(self.text.as_bytes().get(chunk * STRIDE..at).unwrap_or_default())
        };
        (count(bytes.start), count(bytes.end))
    }

    /// The byte at which a character begins.
    fn byte(&self, character: usize) -> usize {
        if character >= self.chars {
            return self.text.len();
        }
        let chunk = self.before.partition_point(|before| *before <= character).saturating_sub(1);
        let (mut at, mut left) =
            (chunk * STRIDE, character - self.before.get(chunk).copied().unwrap_or(0));
        for byte in self.text.as_bytes().get(at..).unwrap_or_default() {
            if byte & 0b1100_0000 != 0b1000_0000 {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            at += 1;
        }
        at
    }

    /// The text of a range of characters.
    pub fn text(&self, (start, end): (usize, usize)) -> &'a str {
        self.text.get(self.byte(start)..self.byte(end)).unwrap_or_default()
    }

    /// At most `most` characters of the range `stretch` around `place`; `…` marks an omission.
    /// Ranges count characters.
    pub fn around(&self, stretch: (usize, usize), place: (usize, usize), most: usize) -> String {
        if stretch.1.saturating_sub(stretch.0) <= most {
            return self.text(stretch).to_owned();
        }
        let from =
            place.0.saturating_sub(most / 2).max(stretch.0).min(stretch.1.saturating_sub(most));
        let to = (from + most).min(stretch.1);
        let (before, behind) =
            (if from > stretch.0 { "…" } else { "" }, if to < stretch.1 { "…" } else { "" });
        format!("{before}{}{behind}", self.text((from, to)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_equal_a_count_of_the_characters() {
        let text = "Tổng số văn bản đi: 23.441; ký số 18.506 — 78,955%\n".repeat(200);
        let places = CharacterPlaces::new(&text);
        assert_eq!(places.chars(), text.chars().count());
        for (n, (at, c)) in text.char_indices().enumerate() {
            assert_eq!(places.characters(&(at..at + c.len_utf8())), (n, n + 1));
            assert_eq!(places.text((n, n + 1)), c.to_string());
        }
        assert_eq!(places.text((places.chars(), places.chars())), "");
        assert_eq!(places.text((0, places.chars())), text);
    }

    #[test]
    fn a_long_sentence_is_cut_around_the_number() {
        let text = format!("{}23.441{}", "ộ".repeat(1_000), "a".repeat(1_000));
        let places = CharacterPlaces::new(&text);
        let shown = places.around((0, places.chars()), (1_000, 1_006), 100);
        assert_eq!(shown.chars().count(), 102);
        assert!(shown.starts_with("…ộ") && shown.contains("ộ23.441a") && shown.ends_with("a…"));
        assert_eq!(places.around((998, 1_008), (1_000, 1_006), 100), "ộộ23.441aa");
    }

    #[test]
    fn an_empty_text_has_one_position() {
        let places = CharacterPlaces::new("");
        assert_eq!(
            (places.chars(), places.characters(&(0..0)), places.text((0, 0))),
            (0, (0, 0), "")
        );
    }
}
