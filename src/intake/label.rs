//! Labels of tables: which measure a text such as "Hồ sơ tiếp nhận trực tuyến mức độ 4" names.
//!
//! A label is understood only when each of its words is: those of a measure's name or of one of its further labels, those of members, the
//! name of a system, and words that say nothing ("số lượng", "trong tháng"). What is left over makes it another label than ours.

mod lexicon;
mod marker;

use super::words::{MAX_WORDS, Spelling, is_plain, words};
use crate::domain::catalogue::Catalogue;
use crate::domain::measure::{Measure, Members};

use lexicon::{Found, Lexicon, Strength, What};
pub use marker::{Marker, numbered};

/// Most phrases (members, systems) found in one text; one with more of them is not understood.
const MAX_PHRASES: usize = 8;
/// Labels (not names) of at most so many words mean something only where a system is named as well.
const SHORT: usize = 2;
/// Units of measure as they stand in brackets behind a label, or in a column of their own.
const UNITS_OF_MEASURE: [&str; 44] = [
    "văn bản",
    "hồ sơ",
    "bộ hồ sơ",
    "tài khoản",
    "chứng thư",
    "chứng thư số",
    "hộp thư",
    "hộp thư điện tử",
    "người",
    "người dùng",
    "lượt",
    "lượt người",
    "cuộc",
    "cuộc họp",
    "đồng",
    "vnđ",
    "vnd",
    "dịch vụ",
    "dịch vụ công",
    "thủ tục",
    "đơn",
    "phút",
    "phút ngày",
    "tin",
    "bài",
    "tin bài",
    "gói",
    "gói thầu",
    "trạm",
    "giấy phép",
    "báo cáo",
    "điểm cầu",
    "điểm cầu cuộc",
    "cái",
    "lần",
    "buổi",
    "phòng",
    "phần trăm",
    "trường hợp",
    "đối tượng",
    "count",
    "documents",
    "dossiers",
    "percent",
];
/// Words in a unit of measure that multiply, and by which power of ten.
const MULTIPLIERS: [(&str, u32); 6] =
    [("trăm", 2), ("nghìn", 3), ("ngàn", 3), ("1000", 3), ("triệu", 6), ("tỷ", 9)];

/// What a label names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// One measure.
    One(Measure),
    /// It may be any of these.
    Several(Vec<Measure>),
    /// Members alone; whose they are has to be known from elsewhere. Each is a way to read it.
    Members(Vec<Members>),
    /// It is a system's name, or says nothing.
    Empty,
    /// Words are left over.
    Nothing,
}

/// A unit of measure as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnitText {
    /// Percentages.
    pub percent: bool,
    /// Figures are given in units of this power of ten: 6 for "triệu đồng".
    pub power: u32,
}

/// A label, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelReading {
    /// What it names.
    pub resolution: Resolution,
    /// The unit of measure that stands with it.
    pub unit: Option<UnitText>,
}

/// The labels of a catalogue, ready to be looked up.
#[derive(Debug)]
pub struct Labels<'a> {
    catalogue: &'a Catalogue,
    marked: Lexicon,
    plain: Lexicon,
    units: Vec<String>,
}

/// A way to read a label.
struct Candidate {
    measure: Measure,
    system: Option<String>,
    strength: Strength,
    /// It is so short a label that a system has to be named as well: "tiếp nhận", "tạo mới".
    needs_system: bool,
}

impl<'a> Labels<'a> {
    /// Gathers the labels of a catalogue.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue) -> Self {
        let units = UNITS_OF_MEASURE
            .iter()
            .flat_map(|unit| {
                [words(unit, Spelling::Marked).join(" "), words(unit, Spelling::Plain).join(" ")]
            })
            .collect();
        Self {
            catalogue,
            marked: Lexicon::new(catalogue, Spelling::Marked),
            plain: Lexicon::new(catalogue, Spelling::Plain),
            units,
        }
    }

    /// The measure that a label names; `hint` is what stands above it: a caption, a heading, the name of a system.
    #[must_use]
    pub fn resolve(&self, text: &str, hint: &str) -> Resolution {
        self.read(text, hint).resolution
    }

    /// The same, with the unit of measure that stands with the label.
    #[must_use]
    pub fn read(&self, text: &str, hint: &str) -> LabelReading {
        let text = text.trim();
        if let Some(measure) = self.code(text) {
            return LabelReading { resolution: Resolution::One(measure), unit: None };
        }
        let (text, unit) = self.without_unit(numbered(text).1);
        let lexicon = self.lexicon(&text);
        let words = lexicon.telling(words(&text, lexicon.spelling));
        if words.len() > MAX_WORDS {
            return LabelReading { resolution: Resolution::Nothing, unit };
        }
        LabelReading { resolution: self.choose(lexicon, &words, hint, unit), unit }
    }

    /// The systems that a text names.
    #[must_use]
    pub fn systems(&self, text: &str) -> Vec<String> {
        let lexicon = self.lexicon(text);
        let words = lexicon.telling(words(text, lexicon.spelling));
        let mut found = lexicon.found(&words);
        // Of two names that overlap the longer one is meant.
        found.sort_by_key(|found| (std::cmp::Reverse(found.end - found.start), found.start));
        let (mut taken, mut systems): (Vec<(usize, usize)>, Vec<String>) = (Vec::new(), Vec::new());
        for Found { start, end, what } in found {
            let What::System(code) = what else { continue };
            if taken.iter().all(|(from, to)| end <= *from || *to <= start) {
                taken.push((start, end));
                if !systems.contains(code) {
                    systems.push(code.clone());
                }
            }
        }
        systems
    }

    /// The indicators of which a text has the name or a label among other words; of two that overlap the longer one.
    #[must_use]
    pub fn named_within(&self, text: &str) -> Vec<String> {
        let lexicon = self.lexicon(text);
        let words = lexicon.telling(words(text, lexicon.spelling));
        let (mut found, mut place): (Vec<String>, usize) = (Vec::new(), 0);
        while place < words.len() {
            let named = (place + 1..=words.len().min(place + MAX_WORDS)).rev().find_map(|end| {
                let entries = lexicon.measures.get(&words.get(place..end)?.join(" "))?;
                (end > place + 1).then_some((end, entries))
            });
            place = named.map_or(place + 1, |(end, _)| end);
            found.extend(
                named.into_iter().flat_map(|(_, entries)| entries).map(|entry| entry.code.clone()),
            );
        }
        found
    }

    /// Whether a text has the first two telling words of an indicator's name: what it counts, as in "Hồ sơ tiếp nhận".
    #[must_use]
    pub fn counts(&self, text: &str, name: &str) -> bool {
        let lexicon = self.lexicon(text);
        let words =
            |text: &str| format!(" {} ", lexicon.telling(words(text, lexicon.spelling)).join(" "));
        let noun = words(name).split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        !noun.is_empty() && words(text).contains(&format!(" {noun} "))
    }

    /// A unit of measure that stands alone, as in a column "Đơn vị tính".
    #[must_use]
    pub fn unit_of_measure(&self, text: &str) -> Option<UnitText> {
        let spelled = words(text, if is_plain(text) { Spelling::Plain } else { Spelling::Marked });
        let mut unit = UnitText { percent: text.contains('%'), power: 0 };
        let mut rest = Vec::new();
        for word in &spelled {
            match MULTIPLIERS.iter().find(|(written, _)| {
                [Spelling::Marked, Spelling::Plain]
                    .iter()
                    .any(|spelling| words(written, *spelling).first() == Some(word))
            }) {
                Some((_, power)) => unit.power += power,
                None => rest.push(word.clone()),
            }
        }
        let rest = rest.join(" ");
        let multiplied = unit.power > 0 && rest.is_empty();
        if rest == "phần trăm" || rest == "percent" {
            unit.percent = true;
        }
        (self.units.contains(&rest) || multiplied || (unit.percent && rest.is_empty()))
            .then_some(unit)
    }

    fn lexicon(&self, text: &str) -> &Lexicon {
        if is_plain(text) { &self.plain } else { &self.marked }
    }

    /// A label that is a measure's code.
    fn code(&self, text: &str) -> Option<Measure> {
        let measure = Measure::parse(text).ok()?;
        self.catalogue.measure_faults(&measure).is_empty().then_some(measure)
    }

    /// A label without the unit of measure in its brackets, or behind "ĐVT:".
    fn without_unit(&self, text: &str) -> (String, Option<UnitText>) {
        let (mut rest, mut unit, mut left) = (String::new(), None, text);
        while let Some((before, behind)) = left.split_once('(') {
            let Some((within, after)) = behind.split_once(')') else { break };
            rest.push_str(before);
            let within = within.trim().trim_start_matches("ĐVT:").trim_start_matches("ĐVT").trim();
            match self.unit_of_measure(within).filter(|_| !self.is_member(within)) {
                Some(found) => unit = Some(found),
                None => {
                    rest.push(' ');
                    rest.push_str(within);
                    rest.push(' ');
                }
            }
            left = after;
        }
        rest.push_str(left);
        if let Some((before, behind)) = rest.clone().split_once("ĐVT:")
            && let Some(found) = self.unit_of_measure(behind)
        {
            unit = Some(found);
            rest = before.to_owned();
        }
        if rest.contains('%') {
            rest = rest.replace('%', " ");
            unit = Some(UnitText { percent: true, power: 0 });
        }
        (rest, unit)
    }

    fn is_member(&self, text: &str) -> bool {
        let lexicon = self.lexicon(text);
        let words = lexicon.telling(words(text, lexicon.spelling));
        lexicon.found(&words).iter().any(|found| {
            found.start == 0 && found.end == words.len() && matches!(found.what, What::Member(..))
        })
    }

    fn choose(
        &self,
        lexicon: &Lexicon,
        words: &[String],
        hint: &str,
        unit: Option<UnitText>,
    ) -> Resolution {
        if words.is_empty() {
            return Resolution::Empty;
        }
        let mut found = lexicon.found(words);
        // Words that name a member and a system name the member: "Hội nghị truyền hình".
        let members: Vec<(usize, usize)> = found
            .iter()
            .filter(|one| matches!(one.what, What::Member(..)))
            .map(|one| (one.start, one.end))
            .collect();
        found.retain(|one| {
            matches!(one.what, What::Member(..)) || !members.contains(&(one.start, one.end))
        });
        if found.len() > MAX_PHRASES {
            return Resolution::Nothing;
        }
        let (mut candidates, mut alone) = (Vec::new(), Alone::default());
        self.ways(lexicon, words, &found, &mut Vec::new(), &mut candidates, &mut alone);
        if let Some(unit) = unit {
            candidates.retain(|candidate: &Candidate| {
                (self.catalogue.unit_of_measure(&candidate.measure.code) == "percent")
                    == unit.percent
            });
        }
        if candidates.is_empty() {
            return match alone {
                Alone { members, .. } if !members.is_empty() => Resolution::Members(members),
                Alone { system: true, .. } => Resolution::Empty,
                Alone { .. } => Resolution::Nothing,
            };
        }
        let mut systems = self.systems(hint);
        if systems.is_empty() {
            // "Hồ sơ tiếp nhận theo mức độ" above says whose "Tiếp nhận" is.
            let named = self.named_within(hint);
            systems = candidates
                .iter()
                .filter(|candidate| named.contains(&candidate.measure.code))
                .filter_map(|candidate| candidate.system.clone())
                .collect();
        }
        let within = |candidate: &Candidate| {
            candidate.system.as_ref().is_some_and(|system| systems.contains(system))
        };
        let strangers = !systems.is_empty() && !candidates.iter().any(within);
        if !systems.is_empty() && !strangers {
            candidates.retain(within);
        }
        let unsure =
            systems.is_empty() && candidates.iter().all(|candidate| candidate.needs_system);
        let best = candidates
            .iter()
            .map(|candidate| (candidate.measure.members.len(), candidate.strength))
            .min();
        let mut measures: Vec<Measure> = candidates
            .into_iter()
            .filter(|candidate| best == Some((candidate.measure.members.len(), candidate.strength)))
            .map(|candidate| candidate.measure)
            .collect();
        measures.sort();
        measures.dedup();
        match measures.as_slice() {
            // What stands above it speaks of another system: the label may mean a figure that the catalogue does not have.
            [one] if !strangers && !unsure => Resolution::One(one.clone()),
            _ => Resolution::Several(measures),
        }
    }

    /// Every way to take phrases out of the words so that what is left is a measure's name.
    fn ways(
        &self,
        lexicon: &Lexicon,
        words: &[String],
        found: &[Found<'_>],
        taken: &mut Vec<(usize, usize, What)>,
        candidates: &mut Vec<Candidate>,
        alone: &mut Alone,
    ) {
        if let Some((first, others)) = found.split_first() {
            self.ways(lexicon, words, others, taken, candidates, alone);
            if taken.iter().all(|(start, end, _)| first.end <= *start || *end <= first.start) {
                taken.push((first.start, first.end, first.what.clone()));
                self.ways(lexicon, words, others, taken, candidates, alone);
                taken.pop();
            }
            return;
        }
        let free =
            |place: &usize| taken.iter().all(|(start, end, _)| place < start || end <= place);
        let rest: Vec<&str> = words
            .iter()
            .enumerate()
            .filter(|(place, _)| free(place))
            .map(|(_, word)| word.as_str())
            .collect();
        let named: Vec<(String, String)> = taken
            .iter()
            .filter_map(|(_, _, what)| match what {
                What::Member(dimension, member) => Some((dimension.clone(), member.clone())),
                What::System(_) => None,
            })
            .collect();
        let systems: Vec<&String> = taken
            .iter()
            .filter_map(|(_, _, what)| match what {
                What::System(code) => Some(code),
                What::Member(..) => None,
            })
            .collect();
        let Ok(members) = Members::new(named) else { return };
        if rest.is_empty() {
            alone.system |= members.is_empty();
            if !members.is_empty() && systems.is_empty() && !alone.members.contains(&members) {
                alone.members.push(members);
            }
            return;
        }
        for entry in lexicon.measures.get(&rest.join(" ")).into_iter().flatten() {
            let fits = systems.iter().all(|system| entry.system.as_ref() == Some(*system));
            if let Some(measure) = self
                .with_members(
                    &Measure { code: entry.code.clone(), members: Members::none() },
                    &members,
                )
                .filter(|_| fits)
            {
                let needs_system =
                    entry.strength == Strength::Label && rest.len() <= SHORT && systems.is_empty();
                candidates.push(Candidate {
                    measure,
                    system: entry.system.clone(),
                    strength: entry.strength,
                    needs_system,
                });
            }
        }
    }

    /// A measure with more members: those it needs are added where they are certain (a dimension that is open within one member only).
    /// None when it does not have them, or has others of the same dimension already.
    #[must_use]
    pub fn with_members(&self, measure: &Measure, more: &Members) -> Option<Measure> {
        let mut members = measure.members.clone();
        for (dimension, member) in more.iter() {
            if members.get(dimension).is_some_and(|known| known != member) {
                return None;
            }
            members = members.with(dimension, member);
        }
        if let Some(indicator) = self.catalogue.indicator(&measure.code) {
            for (dimension, _) in more.iter() {
                if let Some((host, needed)) =
                    indicator.dimension(dimension).and_then(|known| known.within.as_ref())
                    && members.get(host).is_none()
                {
                    members = members.with(host, needed);
                }
            }
        }
        let found = Measure { code: measure.code.clone(), members };
        self.catalogue.measure_faults(&found).is_empty().then_some(found)
    }
}

/// What is left when no measure is named.
#[derive(Default)]
struct Alone {
    members: Vec<Members>,
    system: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::CatalogueDocument;

    fn catalogue() -> Catalogue {
        Catalogue::new(crate::app::catalogue::shipped().unwrap()).unwrap()
    }

    fn one(labels: &Labels<'_>, text: &str, hint: &str) -> String {
        match labels.resolve(text, hint) {
            Resolution::One(measure) => measure.to_string(),
            other @ (Resolution::Several(_)
            | Resolution::Members(_)
            | Resolution::Empty
            | Resolution::Nothing) => format!("{other:?}"),
        }
    }

    #[test]
    fn labels_of_real_tables_name_their_measure() {
        let catalogue = catalogue();
        let labels = Labels::new(&catalogue);
        for (text, hint, expected) in [
            ("Tổng số văn bản đi", "", "ioffice.documents.outgoing"),
            (
                "Hồ sơ tiếp nhận trực tuyến mức độ 4",
                "",
                "igate.dossiers.received{channel=online,service_level=4}",
            ),
            (
                "Hồ sơ trực tuyến tiếp nhận (mức độ 4)",
                "",
                "igate.dossiers.received{channel=online,service_level=4}",
            ),
            (
                "Chứng thư số cá nhân (USB)",
                "",
                "pki.certificates.total{certificate_holder=individual,token=usb}",
            ),
            (
                "Chứng thư số SIM PKI",
                "",
                "pki.certificates.total{certificate_holder=individual,token=sim_pki}",
            ),
            ("1. Số tài khoản tạo mới", "", "ioffice.users.created"),
            ("1. Số tài khoản tạo mới", "Hệ thống thư điện tử công vụ", "mail.mailboxes.created"),
            ("ioffice.users.total", "", "ioffice.users.total"),
            (
                "igate.dossiers.received{channel=online}",
                "",
                "igate.dossiers.received{channel=online}",
            ),
            ("Outgoing documents", "", "ioffice.documents.outgoing"),
            ("Dossiers received online", "", "igate.dossiers.received{channel=online}"),
            ("- Số hồ sơ đã giải quyết trong tháng (hồ sơ)", "", "igate.dossiers.resolved"),
            ("TỶ LỆ VĂN BẢN ĐI ĐƯỢC KÝ SỐ (%)", "", "ioffice.documents.signed_rate"),
            ("Tỉ lệ văn bản đi được kí số, %", "", "ioffice.documents.signed_rate"),
            ("Ho so tiep nhan truc tuyen", "", "igate.dossiers.received{channel=online}"),
            ("Số văn bản đi trên iOffice", "", "ioffice.documents.outgoing"),
            ("Chứng thư số cấp mới", "", "pki.certificates.issued"),
            ("Số tiền xử phạt (triệu đồng)", "", "inspection.fines.amount"),
        ] {
            assert_eq!(one(&labels, text, hint), expected, "{text}");
        }
        assert_eq!(
            labels.read("Số tiền xử phạt (triệu đồng)", "").unit,
            Some(UnitText { percent: false, power: 6 })
        );
    }

    #[test]
    fn a_label_with_a_word_left_over_is_another() {
        let catalogue = catalogue();
        let labels = Labels::new(&catalogue);
        for text in [
            "Hồ sơ tiếp nhận quá hạn",
            "Hồ sơ đang giải quyết",
            "Văn bản đến",
            "Văn bản đi chưa ký số",
            "Lũy kế hồ sơ tiếp nhận",
            "Hồ sơ tiếp nhận mức độ 5",
            "Hồ sơ tiếp nhận trực tiếp và trực tuyến",
            "Hồ sơ tiếp nhận (%)",
            "",
            "…",
        ] {
            assert!(
                !matches!(labels.resolve(text, ""), Resolution::One(_)),
                "{text}: {:?}",
                labels.resolve(text, "")
            );
        }
    }

    #[test]
    fn members_alone_and_systems_alone_are_told() {
        let catalogue = catalogue();
        let labels = Labels::new(&catalogue);
        let online = Members::new(vec![("channel".to_owned(), "online".to_owned())]).unwrap();
        assert_eq!(labels.resolve("Trực tuyến", ""), Resolution::Members(vec![online]));
        assert!(
            matches!(labels.resolve("Cá nhân", ""), Resolution::Members(ways) if ways.len() == 2)
        );
        assert_eq!(labels.resolve("II. Hệ thống VNPT-iGate", ""), Resolution::Empty);
        assert_eq!(
            labels.systems("1. Hệ thống quản lý văn bản và điều hành (VNPT-iOffice)"),
            ["ioffice"]
        );
    }

    #[test]
    fn a_heading_of_another_system_makes_a_label_uncertain() {
        let catalogue = catalogue();
        let labels = Labels::new(&catalogue);
        assert!(matches!(
            labels.resolve("Văn bản đi", "Chứng thư số chuyên dùng"),
            Resolution::Several(_)
        ));
        assert_eq!(one(&labels, "Văn bản đi", "Hệ thống iOffice"), "ioffice.documents.outgoing");
    }

    #[test]
    fn two_measures_of_a_system_do_not_share_a_label() {
        let faults = |system: &str, label: &str| {
            let document = serde_json::json!({
                "systems": [{ "code": "s" }, { "code": "t" }],
                "indicators": [
                    { "code": "a", "kind": "flow", "unit_of_measure": "count", "system": "s", "labels": ["Tạo mới"] },
                    { "code": "b", "kind": "flow", "unit_of_measure": "count", "system": system, "labels": [label] }
                ]
            });
            let found = Catalogue::new(CatalogueDocument::from_value(document).unwrap());
            found
                .err()
                .unwrap_or_default()
                .into_iter()
                .map(|fault| format!("{} {}", fault.pointer, fault.code))
                .collect::<Vec<String>>()
        };
        assert_eq!(faults("s", "TẠO  mới"), ["/indicators/1/labels/0 duplicate_label"]);
        assert_eq!(faults("t", "Tạo mới"), Vec::<String>::new());
        assert_eq!(faults("t", " "), ["/indicators/1/labels/0 malformed"]);
        assert_eq!(faults("t", &"a".repeat(200)), Vec::<String>::new());
        assert_eq!(faults("t", &"a".repeat(201)), ["/indicators/1/labels/0 malformed"]);
    }

    #[test]
    fn units_of_measure_alone() {
        let catalogue = catalogue();
        let labels = Labels::new(&catalogue);
        assert_eq!(
            labels.unit_of_measure("Triệu đồng"),
            Some(UnitText { percent: false, power: 6 })
        );
        assert_eq!(labels.unit_of_measure("%"), Some(UnitText { percent: true, power: 0 }));
        assert_eq!(labels.unit_of_measure("Văn bản"), Some(UnitText::default()));
        assert_eq!(labels.unit_of_measure("Huyện Càng Long"), None);
    }
}
