//! Bodies, departments and provinces that need not be units of the service: "Công an tỉnh", "Ban
//! Dân tộc", "SYT", "Sóc Trăng". The words are in `catalogue/words/bodies.toml`.

use std::ops::Range;
use std::sync::LazyLock;

use kpi::vietnamese::folding::{Spelling, folded, unaccented};
use kpi::word_file;
use serde::Deserialize;

/// The words of the file.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct BodyWords {
    bodies: Vec<String>,
    kinds: Vec<String>,
    not_bodies: Vec<String>,
    before: Vec<String>,
    stops: Vec<String>,
    wholes: Vec<String>,
    codes: Vec<String>,
    provinces: Vec<String>,
    before_other_names: Vec<String>,
}

static WORDS: LazyLock<BodyWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../../catalogue/words/bodies.toml")));

/// A line of a title, by its words.
pub(super) struct TitleLine<'t> {
    words: Vec<&'t str>,
    folded: Vec<String>,
    /// Whether all its letters are capitals.
    in_capitals: bool,
    spelling: Spelling,
}

impl<'t> TitleLine<'t> {
    /// Divides a line into words.
    pub(super) fn new(line: &'t str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bare = |word: &&str| folded(word.trim_matches(|c: char| !c.is_alphanumeric()));
        let folded = words.iter().map(bare).collect();
        let letters = || line.chars().filter(|c| c.is_alphabetic());
        Self {
            words,
            folded,
            in_capitals: letters().count() > 0 && !letters().any(char::is_lowercase),
            spelling: Spelling::of(line),
        }
    }

    fn spelled(&self, name: &str) -> String {
        match self.spelling {
            Spelling::Marked => name.to_owned(),
            Spelling::Plain => unaccented(name),
        }
    }

    /// The number of words of a name that begins at a word.
    fn begins(&self, at: usize, name: &str) -> Option<usize> {
        let name = self.spelled(name);
        let words: Vec<&str> = name.split(' ').collect();
        let found = self.folded.get(at..at + words.len())?;
        found.iter().map(String::as_str).eq(words.iter().copied()).then_some(words.len())
    }

    fn begins_any(&self, at: usize, names: &[String]) -> Option<usize> {
        names.iter().filter_map(|name| self.begins(at, name)).max()
    }

    fn is_one_of(&self, at: Option<usize>, list: &[String]) -> bool {
        let word = at.and_then(|at| self.folded.get(at));
        word.is_some_and(|word| list.iter().any(|known| self.spelled(known) == *word))
    }

    fn is_capital(&self, at: usize) -> bool {
        let letters = self.words.get(at).map(|word| word.trim_start_matches(['(', '"', '“']));
        letters.is_some_and(|word| word.starts_with(char::is_uppercase))
    }

    /// Whether a mark separates a word from the next one.
    fn ends_at(&self, at: usize) -> bool {
        self.words.get(at).is_none_or(|word| word.ends_with(|c: char| !c.is_alphanumeric()))
    }

    /// Whether the name of a body may begin at a word.
    fn may_begin(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        self.ends_at(before) || self.is_one_of(Some(before), &WORDS.before)
    }

    /// The places of names of bodies, of codes of departments, and of provinces.
    pub(super) fn find_bodies(&self) -> Vec<Range<usize>> {
        (0..self.words.len()).filter_map(|at| Some(at..at + self.body_at(at)?)).collect()
    }

    /// The places of the names of provinces, without a word for their kind.
    pub(super) fn find_provinces(&self) -> Vec<Range<usize>> {
        let is_name = |range: &Range<usize>| {
            range.clone().all(|at| self.is_capital(at))
                && !range.start.checked_sub(1).is_some_and(|before| {
                    let word = self.folded.get(before).map_or("", String::as_str);
                    // "tỉnh Bến Tre" is found by its kind; in capitals the kinds are not certain.
                    self.is_one_of(Some(before), &WORDS.before_other_names)
                        || !self.in_capitals && (word == "tp" || self.spelled("tỉnh") == word)
                })
        };
        let at = |at| Some(at..at + self.begins_any(at, &WORDS.provinces)?);
        (0..self.words.len()).filter_map(at).filter(is_name).collect()
    }

    fn body_at(&self, at: usize) -> Option<usize> {
        let word = self.words.get(at)?.trim_matches(|c: char| !c.is_alphanumeric());
        if WORDS.codes.iter().any(|code| code == word) {
            return Some(1);
        }
        if !self.may_begin(at) || self.begins_any(at, &WORDS.not_bodies).is_some() {
            return None;
        }
        if let Some(length) = self.begins_any(at, &WORDS.bodies) {
            return (self.in_capitals || self.is_capital(at)).then_some(length);
        }
        let length = self.begins_any(at, &WORDS.kinds)?;
        let next = at + length;
        let named = self.words.get(next).is_some()
            && !self.ends_at(next - 1)
            && self.is_capital(at)
            && self.is_capital(next)
            && !(self.in_capitals && self.is_one_of(Some(next), &WORDS.stops));
        named.then_some(length)
    }

    /// Whether a name follows the words for a kind of unit in a line in capitals: "HUYỆN BA TRI",
    /// but not "TOÀN HUYỆN NĂM 2021".
    pub(super) fn names_in_capitals(&self, at: usize, length: usize) -> bool {
        let (next, last) = (at + length, at + length - 1);
        // Provinces are found by their names.
        let is_province = ["tỉnh", "thành phố"].iter().any(|kind| self.begins(at, kind).is_some());
        self.in_capitals
            && !is_province
            && !self.ends_at(last)
            && self.folded.get(next).is_some_and(|word| word.starts_with(char::is_alphabetic))
            && !self.is_one_of(Some(next), &WORDS.stops)
            && !self.is_one_of(at.checked_sub(1), &WORDS.wholes)
            && self.begins_any(at, &WORDS.not_bodies).is_none()
    }

    /// The words at some places.
    pub(super) fn text(&self, range: &Range<usize>) -> String {
        self.words.get(range.clone()).unwrap_or_default().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_readable_and_folded() {
        let words = &*WORDS;
        let lists =
            [&words.bodies, &words.kinds, &words.not_bodies, &words.before, &words.provinces];
        let more = [&words.stops, &words.wholes, &words.before_other_names];
        for word in lists.into_iter().chain(more).flatten() {
            assert!(word.split(' ').all(|word| folded(word) == word), "{word}");
        }
        assert!(words.codes.len() > 20 && words.provinces.len() > 60);
    }

    #[test]
    fn bodies_and_provinces_are_found_in_titles() {
        for (text, expected) in [
            ("Chi cục Thuế", "Chi cục"),
            ("Công an tỉnh", "Công an"),
            ("Số liệu của Văn phòng UBND tỉnh", "Văn phòng UBND"),
            ("Ban Dân tộc", "Ban"),
            ("Phòng Tài chính - Kế hoạch", "Phòng"),
            ("Biểu 2: Trường THPT Càng Long", "Trường"),
            ("SỐ LIỆU CỦA PHÒNG GIÁO DỤC", "PHÒNG"),
            ("BỘ TÀI CHÍNH", "BỘ"),
            ("Kết quả của Cục Thuế tỉnh", "Cục Thuế"),
            ("SYT", "SYT"),
            ("Văn bản đi SGDĐT", "SGDĐT"),
            ("Ban hành văn bản trong tháng", ""),
            ("BAN HÀNH VĂN BẢN", ""),
            ("Phòng, chống dịch bệnh", ""),
            ("PHÒNG CHỐNG THAM NHŨNG", ""),
            ("Trường hợp quá hạn", ""),
            ("Hội nghị truyền hình", ""),
            ("Bộ phận Một cửa", ""),
            ("Trung tâm Phục vụ hành chính công", ""),
            ("Tài nguyên và Môi trường Trà Vinh", ""),
            ("Văn phòng điện tử iOffice", ""),
            ("Hỗ trợ Bảo hiểm xã hội", ""),
            ("Phối hợp công an xử lý", ""),
        ] {
            let line = TitleLine::new(text);
            let found: Vec<String> = line.find_bodies().iter().map(|at| line.text(at)).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
        for (text, expected) in [
            ("Sóc Trăng", "Sóc Trăng"),
            ("SỐ LIỆU SÓC TRĂNG THÁNG 10", "SÓC TRĂNG"),
            ("Bà Rịa Vũng Tàu", "Bà Rịa Vũng Tàu|Vũng Tàu"),
            ("Số liệu xã Hòa Bình", ""),
            ("vì hòa bình", ""),
        ] {
            let line = TitleLine::new(text);
            let found: Vec<String> = line.find_provinces().iter().map(|at| line.text(at)).collect();
            assert_eq!(found.join("|"), expected, "{text}");
        }
    }
}
