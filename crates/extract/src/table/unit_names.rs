//! Units by their names in tables: "Huyện Càng Long", "Càng Long", "UBND huyện Càng Long", "Sở
//! TT&TT", a code.

use std::collections::HashMap;

use super::bodies::TitleLine;
use crate::words::table_words;
use kpi::period::Month;
use kpi::unit::{UnitDocument, UnitForest, UnitKind, UnitPosition};
use kpi::vietnamese::folding::{Spelling, folded, label_words, unaccented};

/// Most words of a unit's name that are looked for within a text.
const LONGEST_NAME: usize = 12;

/// The unit that a text names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UnitMatch {
    /// Exactly this unit.
    One(UnitPosition),
    /// Any of these units.
    Several(Vec<UnitPosition>),
    /// No known unit.
    Unknown,
}

/// The names of units, indexed for look-up.
#[derive(Debug)]
pub struct UnitNames<'a> {
    units: &'a UnitForest,
    /// Whole names and names without the words before them, in both spellings.
    whole: HashMap<String, Vec<UnitPosition>>,
    own: HashMap<String, Vec<UnitPosition>>,
}

fn joined(text: &str, spelling: Spelling) -> String {
    label_words(text, spelling).join(" ")
}

/// A word in a spelling.
fn spelled(word: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Marked => word.to_owned(),
        Spelling::Plain => unaccented(word),
    }
}

/// The number of words for a kind of unit at a word of a folded text.
fn kind_at(folded: &[String], at: usize, spelling: Spelling) -> Option<usize> {
    let rest = folded.get(at..)?;
    let level = at.checked_sub(1).and_then(|before| folded.get(before));
    if level.is_some_and(|word| *word == spelled("cấp", spelling)) {
        return None; // "cấp huyện"
    }
    table_words().unit_name.kinds.iter().find_map(|kind| {
        let kind = spelled(kind, spelling);
        let words = kind.split(' ');
        let length = words.clone().count();
        words.eq(rest.get(..length)?.iter().map(String::as_str)).then_some(length)
    })
}

/// Whether the words behind a kind of unit are a name: they begin with a capital or a digit
/// ("Quận 1") within a text that is not all in capitals.
fn is_name(behind: &[&str], text: &str) -> bool {
    let mixed = text.chars().any(char::is_lowercase);
    let first = behind.first().and_then(|word| word.chars().next());
    mixed && first.is_some_and(|letter| letter.is_uppercase() || letter.is_ascii_digit())
}

/// A name without the words for the kind of unit, if it has them.
fn without_head(name: &str, spelling: Spelling) -> Option<(String, Option<UnitKind>)> {
    table_words().unit_name.heads.iter().find_map(|head| {
        let rest = name.strip_prefix(&joined(&head.words, spelling))?.strip_prefix(' ')?;
        (!rest.is_empty()).then(|| (rest.to_owned(), head.kind))
    })
}

impl<'a> UnitNames<'a> {
    /// Indexes the names of units.
    #[must_use]
    pub fn new(units: &'a UnitForest) -> Self {
        let (mut whole, mut own) = (
            HashMap::<String, Vec<UnitPosition>>::new(),
            HashMap::<String, Vec<UnitPosition>>::new(),
        );
        let add =
            |map: &mut HashMap<String, Vec<UnitPosition>>, name: String, position: UnitPosition| {
                let list = map.entry(name).or_default();
                if !list.contains(&position) {
                    list.push(position);
                }
            };
        for (position, unit) in units.iter_placed() {
            let names = &unit.document.name;
            // The text in parentheses is another name: "Trung tâm Kiểm soát bệnh tật tỉnh (CDC)".
            let parts = names.vi.split(['(', ')']).filter(|_| names.vi.contains('('));
            let labels = unit.document.labels.iter().map(String::as_str);
            for text in [names.vi.as_str(), names.en.as_str()]
                .into_iter()
                .chain(parts)
                .chain(labels)
                .map(str::trim)
                .filter(|text| !text.is_empty())
            {
                for spelling in [Spelling::Marked, Spelling::Plain] {
                    let name = joined(text, spelling);
                    if let Some((rest, _)) = without_head(&name, spelling) {
                        add(&mut own, rest, position);
                    }
                    add(&mut whole, name, position);
                }
            }
        }
        Self { units, whole, own }
    }

    /// The unit that a text names among those that exist in a month. Of several the one directly
    /// below `above` is taken, if there is one.
    #[must_use]
    pub fn resolve(
        &self,
        text: &str,
        month: Option<Month>,
        above: Option<UnitPosition>,
    ) -> UnitMatch {
        let text = text.trim();
        if let Some(position) = self.units.position(text) {
            return UnitMatch::One(position);
        }
        let spelling = Spelling::of(text);
        let mut name = joined(text, spelling);
        for lead in table_words().unit_name.leads.iter() {
            if let Some(rest) =
                name.strip_prefix(&joined(lead, spelling)).and_then(|rest| rest.strip_prefix(' '))
            {
                name = rest.to_owned();
            }
        }
        if name.is_empty() {
            return UnitMatch::Unknown;
        }
        let mut found = self.whole.get(&name).cloned().unwrap_or_default();
        if found.is_empty() {
            found = match without_head(&name, spelling) {
                // "Tỉnh Trà Vinh" for a province with the name "Trà Vinh".
                Some((rest, Some(kind))) => {
                    let of_kind = |position: &UnitPosition| {
                        self.units.get(*position).is_some_and(|unit| unit.document.kind == kind)
                    };
                    self.whole.get(&rest).into_iter().flatten().copied().filter(of_kind).collect()
                }
                _ => self.own.get(&name).cloned().unwrap_or_default(),
            };
        }
        if found.is_empty() {
            found = self.by_initials(text, &name);
        }
        if let Some(month) = month {
            let exist: Vec<UnitPosition> = found
                .iter()
                .copied()
                .filter(|position| self.units.exists(*position, month))
                .collect();
            if !exist.is_empty() {
                found = exist;
            }
        }
        if found.len() > 1
            && let Some(above) = above
        {
            let below: Vec<UnitPosition> = found
                .iter()
                .copied()
                .filter(|position| {
                    self.units.get(*position).is_some_and(|unit| unit.parent == Some(above))
                })
                .collect();
            if let [one] = below.as_slice() {
                return UnitMatch::One(*one);
            }
        }
        match found.as_slice() {
            [] => UnitMatch::Unknown,
            [one] => UnitMatch::One(*one),
            _ => UnitMatch::Several(found),
        }
    }

    /// The units that a text names among other words, by a word for their kind and their name:
    /// "kết quả của huyện Càng Long". A name beside which other units of its kind are meant ("các
    /// huyện và thành phố Trà Vinh") is not looked for. A kind with a name that no unit has
    /// ("tỉnh Bến Tre") is [`UnitMatch::Unknown`], and so is a body or province without such a word
    /// ("Ban Dân tộc", "Sóc Trăng").
    #[must_use]
    pub fn find_units_in(
        &self,
        text: &str,
        month: Option<Month>,
        above: Option<UnitPosition>,
    ) -> Vec<UnitMatch> {
        let mut found = Vec::new();
        for line in text.lines() {
            let named = self.find_in_line(line, month, above);
            found.extend(named.into_iter().chain(self.find_bodies(line, month, above)));
        }
        found
    }

    /// The bodies and provinces that a line names without a word for a kind of unit.
    fn find_bodies(
        &self,
        text: &str,
        month: Option<Month>,
        above: Option<UnitPosition>,
    ) -> Vec<UnitMatch> {
        let line = TitleLine::new(text);
        let mut found = Vec::new();
        for place in line.find_provinces() {
            let named = self.resolve(&line.text(&place), month, above);
            if above.is_none_or(|above| named != UnitMatch::One(above)) {
                found.push(named);
            }
        }
        for place in line.find_bodies() {
            let known = (place.start + 1..=place.start + LONGEST_NAME).rev().find_map(|end| {
                let name = line.text(&(place.start..end));
                let name = name.trim_matches(|c: char| !c.is_alphanumeric());
                let unit = self.resolve(name, month, above);
                (!name.is_empty() && unit != UnitMatch::Unknown).then_some(unit)
            });
            found.push(known.unwrap_or(UnitMatch::Unknown));
        }
        found
    }

    /// The units that a line names by a word for their kind and their name.
    fn find_in_line(
        &self,
        text: &str,
        month: Option<Month>,
        above: Option<UnitPosition>,
    ) -> Vec<UnitMatch> {
        let line = TitleLine::new(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let bare = |word: &&str| folded(word.trim_matches(|c: char| !c.is_alphanumeric()));
        let folded: Vec<String> = words.iter().map(bare).collect();
        let spelling = Spelling::of(text);
        let is_plural = |word: &String| {
            table_words().unit_name.plurals.iter().any(|plural| spelled(plural, spelling) == *word)
        };
        if folded.iter().any(is_plural) {
            return Vec::new();
        }
        let (mut found, mut at) = (Vec::new(), 0);
        while at < words.len() {
            let rest = words.get(at..).unwrap_or_default();
            let is_abbreviated = rest.first().is_some_and(|word| word.ends_with('.'))
                && folded
                    .get(at)
                    .is_some_and(|word| table_words().unit_name.abbreviated_kinds.contains(word));
            let Some(kind) = is_abbreviated.then_some(1).or_else(|| kind_at(&folded, at, spelling))
            else {
                at += 1;
                continue;
            };
            // A name does not go on behind the end of a clause.
            let ends = |word: &&str| word.ends_with(['.', ';', ':']);
            let from = usize::from(is_abbreviated);
            let end = rest.iter().skip(from).position(ends);
            let clause = end.map_or(rest.len(), |end| from + end + 1);
            let longest = clause.min(LONGEST_NAME);
            let named = (kind + 1..=longest).rev().find_map(|length| {
                let name = words.get(at..at + length)?.join(" ");
                let name = name.trim_matches(|c: char| !c.is_alphanumeric());
                match self.resolve(name, month, above) {
                    UnitMatch::Unknown => None,
                    unit @ (UnitMatch::One(_) | UnitMatch::Several(_)) => Some((unit, length)),
                }
            });
            let (unit, length) = match named {
                Some(named) => named,
                None if is_name(rest.get(kind..clause).unwrap_or_default(), text)
                    || !is_abbreviated && line.names_in_capitals(at, kind) =>
                {
                    (UnitMatch::Unknown, kind)
                }
                None => {
                    at += kind;
                    continue;
                }
            };
            found.push(unit);
            at += length;
        }
        found
    }

    /// The unit that has an official code in a month.
    #[must_use]
    pub fn by_official_code(&self, code: &str, month: Month) -> UnitMatch {
        match self.units.with_official_code(code.trim(), month).as_slice() {
            [] => UnitMatch::Unknown,
            [one] => UnitMatch::One(*one),
            several => UnitMatch::Several(several.to_vec()),
        }
    }

    /// Departments by the initials of their names: "Sở TT&TT", "Sở KHCN".
    fn by_initials(&self, text: &str, name: &str) -> Vec<UnitPosition> {
        let head = joined("sở", Spelling::of(text));
        let is_headed = name.strip_prefix(&head).is_some_and(|rest| rest.starts_with(' '));
        // "STTTT": one word, which begins with the initial of "Sở".
        let is_code = text.starts_with('S') && !text.contains(' ');
        if !is_headed && !is_code {
            return Vec::new();
        }
        let skipped = usize::from(is_headed);
        // Some initials are abbreviations of other words too: "KH" in "Sở KH&CN".
        let short = text.split_whitespace().skip(skipped).collect::<String>();
        let letters: String = unaccented(&short).chars().filter(|c| c.is_alphabetic()).collect();
        let letters = if skipped == 1 { letters } else { letters.chars().skip(1).collect() };
        if !(2..=8).contains(&letters.chars().count()) || short.chars().any(char::is_lowercase) {
            return Vec::new();
        }
        let fits = |unit: &kpi::unit::Unit| {
            let name = label_words(&unit.document.name.vi, Spelling::Plain);
            let initials: String = name
                .iter()
                .skip(1)
                .filter(|word| *word != "va")
                .filter_map(|word| word.chars().next())
                .collect();
            name.first().is_some_and(|first| first == "so") && initials == letters
        };
        self.units
            .iter_placed()
            .filter(|(_, unit)| fits(unit))
            .map(|(position, _)| position)
            .collect()
    }
}

/// Whether a department writes the reports of its province, so that its name says nothing about the
/// unit of a figure. From 2025 on these are the departments of science and technology.
pub(crate) fn writes_for_province(unit: &UnitDocument) -> bool {
    let (name, words) = (folded(&unit.name.vi), &table_words().unit_name);
    words.writer_names.contains(&name) || words.writer_parts.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units() -> UnitForest {
        let unit = |code: &str, kind: &str, name: &str, parent: Option<&str>| -> UnitDocument {
            serde_json::from_value(serde_json::json!({
                "code": code,
                "kind": kind,
                "name": { "vi": name },
                "parent": parent
            }))
            .unwrap()
        };
        let documents = vec![
            unit("tv", "province", "Trà Vinh", None),
            unit("cl", "district", "Huyện Càng Long", Some("tv")),
            unit("dh", "district", "Thị xã Duyên Hải", Some("tv")),
            unit("dhh", "district", "Huyện Duyên Hải", Some("tv")),
            unit("cltt", "commune", "Thị trấn Càng Long", Some("cl")),
            unit("dic", "department", "Sở Thông tin và Truyền thông", Some("tv")),
        ];
        UnitForest::numbered(documents).unwrap()
    }

    #[test]
    fn units_are_found_within_a_text_by_kind_and_name() {
        let units = units();
        let places = UnitNames::new(&units);
        let of = |text: &str| -> Vec<String> {
            let name = |found: &UnitMatch| match found {
                UnitMatch::One(position) => units.code(*position).to_owned(),
                UnitMatch::Several(list) => format!("{} units", list.len()),
                UnitMatch::Unknown => "unknown".to_owned(),
            };
            places.find_units_in(text, None, units.position("tv")).iter().map(name).collect()
        };
        for (text, expected) in [
            ("KẾT QUẢ XỬ LÝ VĂN BẢN HUYỆN CÀNG LONG THÁNG 10/2021", vec!["cl"]),
            ("Văn bản đi của UBND huyện Càng Long, tháng 10", vec!["cl"]),
            ("Hồ sơ của thị xã Duyên Hải và huyện Duyên Hải", vec!["dh", "dhh"]),
            ("Kết quả của Sở Thông tin và Truyền thông tỉnh Trà Vinh", vec!["dic", "tv"]),
            ("Kết quả của huyện Ba Tri, tỉnh Bến Tre", vec!["unknown", "unknown"]),
            ("Kết quả của các huyện, thị xã và thị xã Duyên Hải", vec![]),
            ("Số lượng hồ sơ cấp huyện trên địa bàn tỉnh", vec![]),
            ("SỐ LIỆU CẤP HUYỆN, CẤP XÃ", vec![]),
            ("Số văn bản đi", vec![]),
            ("Số VB đi, số DVC trực tuyến", vec![]),
            ("Các đơn vị liên quan VNPT và cơ quan Nhà nước", vec![]),
            ("Cơ quan Nhà nước tại địa phương Trà Vinh", vec![]),
            ("Kết quả của tỉnh. Số liệu Tháng 10", vec![]),
            ("KET QUA CUA HUYEN CANG LONG", vec!["cl"]),
            ("Kết quả của UBND xã Mỹ Long", vec!["unknown"]),
            ("Kết quả của TP. Cần Thơ và H. Cầu Kè", vec!["unknown", "unknown"]),
            ("Kết quả của Quận 1", vec!["unknown"]),
            ("SỐ LIỆU HUYỆN BA TRI", vec!["unknown"]),
            ("KẾT QUẢ CỦA SỞ LAO ĐỘNG", vec!["unknown"]),
            ("SỐ LIỆU XÃ TÂN AN THÁNG 10", vec!["unknown"]),
            ("KẾT QUẢ TRÊN ĐỊA BÀN HUYỆN NĂM 2021", vec![]),
            ("SỐ LIỆU CỦA TỈNH THÁNG 10, SỞ, BAN, NGÀNH", vec![]),
            ("SỐ LIỆU BẢO HIỂM XÃ HỘI TỰ NGUYỆN", vec![]),
            ("Chi cục Thuế", vec!["unknown"]),
            ("Công an tỉnh", vec!["unknown"]),
            ("Số liệu của Văn phòng UBND tỉnh", vec!["unknown"]),
            ("Ban Dân tộc\nSố liệu các tháng", vec!["unknown"]),
            ("SYT", vec!["unknown"]),
            ("Sóc Trăng", vec!["unknown"]),
            ("SÓC TRĂNG THÁNG 10", vec!["unknown"]),
            ("Trà Vinh", vec![]),
            ("Hỗ trợ Bảo hiểm xã hội", vec![]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn units_match_by_short_names_and_initials() {
        let units = units();
        let places = UnitNames::new(&units);
        let of = |text: &str| match places.resolve(text, None, units.position("tv")) {
            UnitMatch::One(position) => units.code(position).to_owned(),
            UnitMatch::Several(list) => format!("{} units", list.len()),
            UnitMatch::Unknown => "none".to_owned(),
        };
        for (text, expected) in [
            ("Huyện Càng Long", "cl"),
            ("Càng Long", "cl"),
            ("UBND huyện Càng Long", "cl"),
            ("Cang Long", "cl"),
            ("Duyên Hải", "2 units"),
            ("TX Duyên Hải", "none"),
            ("Tỉnh Trà Vinh", "tv"),
            ("Huyện Trà Vinh", "none"),
            ("Sở TT&TT", "dic"),
            ("STTTT", "dic"),
            ("STT", "none"),
            ("Sở Thông tin và truyền thông", "dic"),
            ("dhh", "dhh"),
            ("Càng", "none"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
