//! Units by their names in tables: "Huyện Càng Long", "Càng Long", "UBND huyện Càng Long", "Sở
//! TT&TT", a code.

use std::collections::HashMap;

use kpi::period::Month;
use kpi::unit::{UnitForest, UnitKind};
use kpi::vietnamese::folding::{Spelling, label_words, unaccented};

/// Words before the name of a unit, and the kind of unit that they give.
const HEADS: [(&str, Option<UnitKind>); 14] = [
    ("ủy ban nhân dân", None),
    ("tỉnh", Some(UnitKind::Province)),
    ("thành phố", Some(UnitKind::District)),
    ("thị xã", Some(UnitKind::District)),
    ("huyện", Some(UnitKind::District)),
    ("quận", Some(UnitKind::District)),
    ("thị trấn", Some(UnitKind::Commune)),
    ("xã", Some(UnitKind::Commune)),
    ("phường", Some(UnitKind::Commune)),
    ("sở", Some(UnitKind::Department)),
    ("ban", Some(UnitKind::Department)),
    ("văn phòng", None),
    ("đơn vị", None),
    ("province of", Some(UnitKind::Province)),
];

/// The unit that a text names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UnitMatch {
    /// Exactly this unit.
    One(usize),
    /// Any of these units.
    Several(Vec<usize>),
    /// No known unit.
    Unknown,
}

/// The names of units, indexed for look-up.
#[derive(Debug)]
pub struct UnitNames<'a> {
    units: &'a UnitForest,
    /// Whole names and names without the words before them, in both spellings.
    whole: HashMap<String, Vec<usize>>,
    own: HashMap<String, Vec<usize>>,
}

fn joined(text: &str, spelling: Spelling) -> String {
    label_words(text, spelling).join(" ")
}

/// A name without the words for the kind of unit, if it has them.
fn without_head(name: &str, spelling: Spelling) -> Option<(String, Option<UnitKind>)> {
    HEADS.iter().find_map(|(head, kind)| {
        let rest = name.strip_prefix(&joined(head, spelling))?.strip_prefix(' ')?;
        (!rest.is_empty()).then(|| (rest.to_owned(), *kind))
    })
}

impl<'a> UnitNames<'a> {
    /// Indexes the names of units.
    #[must_use]
    pub fn new(units: &'a UnitForest) -> Self {
        let (mut whole, mut own) =
            (HashMap::<String, Vec<usize>>::new(), HashMap::<String, Vec<usize>>::new());
        let add = |map: &mut HashMap<String, Vec<usize>>, name: String, position: usize| {
            let list = map.entry(name).or_default();
            if !list.contains(&position) {
                list.push(position);
            }
        };
        for (position, unit) in units.iter().enumerate() {
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
    pub fn resolve(&self, text: &str, month: Option<Month>, above: Option<usize>) -> UnitMatch {
        let text = text.trim();
        if let Some(position) = self.units.position(text) {
            return UnitMatch::One(position);
        }
        let spelling = Spelling::of(text);
        let mut name = joined(text, spelling);
        for lead in ["ủy ban nhân dân", "đơn vị báo cáo", "đơn vị"] {
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
                // "Tỉnh Trà Vinh" for a province whose name is "Trà Vinh".
                Some((rest, Some(kind))) => {
                    let of_kind = |position: &usize| {
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
            let exist: Vec<usize> = found
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
            let below: Vec<usize> = found
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
    fn by_initials(&self, text: &str, name: &str) -> Vec<usize> {
        let head = joined("sở", Spelling::of(text));
        if name.strip_prefix(&head).is_none_or(|rest| !rest.starts_with(' ')) {
            return Vec::new();
        }
        // Some initials are abbreviations of other words too: "KH" in "Sở KH&CN".
        let short = text.split_whitespace().skip(1).collect::<String>();
        let letters: String = unaccented(&short).chars().filter(|c| c.is_alphabetic()).collect();
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
            .iter()
            .enumerate()
            .filter(|(_, unit)| fits(unit))
            .map(|(position, _)| position)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::unit::UnitDocument;

    #[test]
    fn units_match_by_short_names_and_initials() {
        let unit = |code: &str, kind: &str, name: &str, parent: Option<&str>| -> UnitDocument {
            serde_json::from_value(serde_json::json!({ "code": code, "kind": kind, "name": { "vi": name }, "parent": parent })).unwrap()
        };
        let documents = vec![
            (1, unit("tv", "province", "Trà Vinh", None)),
            (2, unit("cl", "district", "Huyện Càng Long", Some("tv"))),
            (3, unit("dh", "district", "Thị xã Duyên Hải", Some("tv"))),
            (4, unit("dhh", "district", "Huyện Duyên Hải", Some("tv"))),
            (5, unit("cltt", "commune", "Thị trấn Càng Long", Some("cl"))),
            (6, unit("dic", "department", "Sở Thông tin và Truyền thông", Some("tv"))),
        ];
        let units = UnitForest::new(documents).unwrap();
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
            ("Sở Thông tin và truyền thông", "dic"),
            ("dhh", "dhh"),
            ("Càng", "none"),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
