//! Labels of tables: finds the measure that a text such as "Hồ sơ tiếp nhận trực tuyến mức độ 4"
//! names.
//!
//! A label names a measure only when every word is accounted for: as part of the measure's name or
//! of one of its labels, as the name of a member or system, or as a filler ("số lượng", "trong
//! tháng"). With any other word it is the label of something else.

mod lexicon;
mod marker;

use kpi::catalogue::Catalogue;
use kpi::measure::{Measure, Members};
use kpi::vietnamese::folding::{Spelling, label_words};

use crate::words::table_words;
use lexicon::{LabelLexicon, LabelStrength, PhraseMatch, PhraseTarget};
pub use marker::{RowMarker, split_marker};

/// Most words of a label that are used.
const MAX_WORDS: usize = 60;
/// Most names of members and systems in one text; a text with more is not understood.
const MAX_PHRASES: usize = 8;
/// Labels (not names) of at most this many words are accepted only when a system is named as well.
const SHORT_LABEL_WORDS: usize = 2;
/// The result of resolving a label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LabelResolution {
    /// The label names this measure.
    One(Measure),
    /// The label may name any of these measures.
    Several(Vec<Measure>),
    /// The label names only members; the measure must be known from elsewhere. Each element is one
    /// reading.
    Members(Vec<Members>),
    /// The label names only a system, or has only fillers.
    Empty,
    /// The label has words that are not accounted for.
    Nothing,
}

/// A unit of measure as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MeasureUnitText {
    /// Whether figures are percentages.
    pub percent: bool,
    /// Figures are given in units of this power of ten: 6 for "triệu đồng".
    pub power: u32,
}

/// The result of reading a label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelReading {
    /// What it names.
    pub resolution: LabelResolution,
    /// The unit of measure written with it.
    pub unit: Option<MeasureUnitText>,
}

/// The labels of a catalogue, indexed by their words.
#[derive(Debug)]
pub struct LabelIndex<'a> {
    catalogue: &'a Catalogue,
    marked: LabelLexicon,
    plain: LabelLexicon,
    units: Vec<String>,
}

/// One reading of a label.
struct LabelCandidate {
    measure: Measure,
    system: Option<String>,
    strength: LabelStrength,
    /// Whether the label is so short that a system must be named as well: "tiếp nhận", "tạo mới".
    needs_system: bool,
}

impl<'a> LabelIndex<'a> {
    /// Indexes the labels of a catalogue.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue) -> Self {
        let units = table_words()
            .label
            .units_of_measure
            .iter()
            .flat_map(|unit| {
                [Spelling::Marked, Spelling::Plain]
                    .map(|spelling| label_words(unit, spelling).join(" "))
            })
            .collect();
        Self {
            catalogue,
            marked: LabelLexicon::new(catalogue, Spelling::Marked),
            plain: LabelLexicon::new(catalogue, Spelling::Plain),
            units,
        }
    }

    /// Finds the measure that a label names. `hint` is the text above it: a caption, a heading or
    /// the name of a system.
    #[must_use]
    pub fn resolve(&self, text: &str, hint: &str) -> LabelResolution {
        self.read(text, hint).resolution
    }

    /// Finds the measure that a label names, and the unit of measure written with it.
    #[must_use]
    pub fn read(&self, text: &str, hint: &str) -> LabelReading {
        let text = text.trim();
        if let Some(measure) = self.code(text) {
            return LabelReading { resolution: LabelResolution::One(measure), unit: None };
        }
        let (text, unit) = self.without_unit(split_marker(text).1);
        let lexicon = self.lexicon(&text);
        let words = lexicon.significant_words(label_words(&text, lexicon.spelling));
        if words.len() > MAX_WORDS {
            return LabelReading { resolution: LabelResolution::Nothing, unit };
        }
        LabelReading { resolution: self.choose(lexicon, &words, hint, unit), unit }
    }

    /// The systems that a text names.
    #[must_use]
    pub fn systems(&self, text: &str) -> Vec<String> {
        let lexicon = self.lexicon(text);
        let words = lexicon.significant_words(label_words(text, lexicon.spelling));
        let mut found = lexicon.find_phrases(&words);
        // Of two overlapping names the longer one is taken.
        found.sort_by_key(|found| (std::cmp::Reverse(found.end - found.start), found.start));
        let (mut taken, mut systems): (Vec<(usize, usize)>, Vec<String>) = (Vec::new(), Vec::new());
        for PhraseMatch { start, end, what } in found {
            let PhraseTarget::System(code) = what else { continue };
            if taken.iter().all(|(from, to)| end <= *from || *to <= start) {
                taken.push((start, end));
                if !systems.contains(code) {
                    systems.push(code.clone());
                }
            }
        }
        systems
    }

    /// The indicators that a text names by their name or label, also among other words. Of two
    /// overlapping names the longer one is taken.
    #[must_use]
    pub fn named_within(&self, text: &str) -> Vec<String> {
        let lexicon = self.lexicon(text);
        let words = lexicon.significant_words(label_words(text, lexicon.spelling));
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

    /// Whether a text has the first two significant words of an indicator's name, such as "Hồ sơ
    /// tiếp nhận".
    #[must_use]
    pub fn counts(&self, text: &str, name: &str) -> bool {
        let lexicon = self.lexicon(text);
        let words = |text: &str| {
            format!(
                " {} ",
                lexicon.significant_words(label_words(text, lexicon.spelling)).join(" ")
            )
        };
        let noun = words(name).split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        !noun.is_empty() && words(text).contains(&format!(" {noun} "))
    }

    /// The unit of measure in a text of its own, such as a cell of the column "Đơn vị tính".
    #[must_use]
    pub fn unit_of_measure(&self, text: &str) -> Option<MeasureUnitText> {
        let spelled = label_words(text, Spelling::of(text));
        let mut unit = MeasureUnitText { percent: text.contains('%'), power: 0 };
        let mut rest = Vec::new();
        for word in &spelled {
            match table_words().label.multipliers.iter().find(|(written, _)| {
                [Spelling::Marked, Spelling::Plain]
                    .iter()
                    .any(|spelling| label_words(written, *spelling).first() == Some(word))
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

    fn lexicon(&self, text: &str) -> &LabelLexicon {
        match Spelling::of(text) {
            Spelling::Plain => &self.plain,
            Spelling::Marked => &self.marked,
        }
    }

    /// The measure, when the label is a measure's code.
    fn code(&self, text: &str) -> Option<Measure> {
        let measure = Measure::parse(text).ok()?;
        self.catalogue.measure_faults(&measure).is_empty().then_some(measure)
    }

    /// A label without the unit of measure in brackets or after "ĐVT:", and that unit.
    fn without_unit(&self, text: &str) -> (String, Option<MeasureUnitText>) {
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
            unit = Some(MeasureUnitText { percent: true, power: 0 });
        }
        (rest, unit)
    }

    fn is_member(&self, text: &str) -> bool {
        let lexicon = self.lexicon(text);
        let words = lexicon.significant_words(label_words(text, lexicon.spelling));
        lexicon.find_phrases(&words).iter().any(|found| {
            found.start == 0
                && found.end == words.len()
                && matches!(found.what, PhraseTarget::Member(..))
        })
    }

    fn choose(
        &self,
        lexicon: &LabelLexicon,
        words: &[String],
        hint: &str,
        unit: Option<MeasureUnitText>,
    ) -> LabelResolution {
        if words.is_empty() {
            return LabelResolution::Empty;
        }
        let mut found = lexicon.find_phrases(words);
        // Words that name both a member and a system are taken for the member: "Hội nghị truyền
        // hình".
        let members: Vec<(usize, usize)> = found
            .iter()
            .filter(|one| matches!(one.what, PhraseTarget::Member(..)))
            .map(|one| (one.start, one.end))
            .collect();
        found.retain(|one| {
            matches!(one.what, PhraseTarget::Member(..)) || !members.contains(&(one.start, one.end))
        });
        if found.len() > MAX_PHRASES {
            return LabelResolution::Nothing;
        }
        let (mut candidates, mut alone) = (Vec::new(), LabelRemainder::default());
        self.find_readings(lexicon, words, &found, &mut Vec::new(), &mut candidates, &mut alone);
        if let Some(unit) = unit {
            candidates.retain(|candidate: &LabelCandidate| {
                (self.catalogue.unit_of_measure(&candidate.measure.code) == "percent")
                    == unit.percent
            });
        }
        if candidates.is_empty() {
            return match alone {
                LabelRemainder { members, .. } if !members.is_empty() => {
                    LabelResolution::Members(members)
                }
                LabelRemainder { system: true, .. } => LabelResolution::Empty,
                LabelRemainder { .. } => LabelResolution::Nothing,
            };
        }
        let mut systems = self.systems(hint);
        if systems.is_empty() {
            // "Hồ sơ tiếp nhận theo mức độ" above shows which indicator "Tiếp nhận" belongs to.
            let named = self.named_within(hint);
            systems = candidates
                .iter()
                .filter(|candidate| named.contains(&candidate.measure.code))
                .filter_map(|candidate| candidate.system.clone())
                .collect();
        }
        let within = |candidate: &LabelCandidate| {
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
        let whole_name = words.len() > SHORT_LABEL_WORDS
            && best.is_some_and(|(_, strength)| strength == LabelStrength::Name);
        let mut measures: Vec<Measure> = candidates
            .into_iter()
            .filter(|candidate| best == Some((candidate.measure.members.len(), candidate.strength)))
            .map(|candidate| candidate.measure)
            .collect();
        measures.sort();
        measures.dedup();
        match measures.as_slice() {
            // The text above names another system, so the label may name a figure that the
            // catalogue does not have. The whole name of an indicator means it everywhere.
            [one] if (!strangers || whole_name) && !unsure => LabelResolution::One(one.clone()),
            _ => LabelResolution::Several(measures),
        }
    }

    /// All ways to remove names of members and systems from the words so that the name of a measure
    /// remains.
    fn find_readings(
        &self,
        lexicon: &LabelLexicon,
        words: &[String],
        found: &[PhraseMatch<'_>],
        taken: &mut Vec<(usize, usize, PhraseTarget)>,
        candidates: &mut Vec<LabelCandidate>,
        alone: &mut LabelRemainder,
    ) {
        if let Some((first, others)) = found.split_first() {
            self.find_readings(lexicon, words, others, taken, candidates, alone);
            if taken.iter().all(|(start, end, _)| first.end <= *start || *end <= first.start) {
                taken.push((first.start, first.end, first.what.clone()));
                self.find_readings(lexicon, words, others, taken, candidates, alone);
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
                PhraseTarget::Member(dimension, member) => {
                    Some((dimension.clone(), member.clone()))
                }
                PhraseTarget::System(_) => None,
            })
            .collect();
        let systems: Vec<&String> = taken
            .iter()
            .filter_map(|(_, _, what)| match what {
                PhraseTarget::System(code) => Some(code),
                PhraseTarget::Member(..) => None,
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
                let needs_system = entry.strength == LabelStrength::Label
                    && rest.len() <= SHORT_LABEL_WORDS
                    && systems.is_empty();
                candidates.push(LabelCandidate {
                    measure,
                    system: entry.system.clone(),
                    strength: entry.strength,
                    needs_system,
                });
            }
        }
    }

    /// A measure with more members. Members that these require (of a dimension `within` another)
    /// are added where they are certain. `None` when the measure does not have the members, or has
    /// others of the same dimension.
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

/// What remains when no measure is named.
#[derive(Default)]
struct LabelRemainder {
    members: Vec<Members>,
    system: bool,
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use kpi::catalogue::CatalogueDocument;

    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        Catalogue::new(egov_kpi::app::write::catalogue::shipped().unwrap()).unwrap()
    });

    fn one(labels: &LabelIndex<'_>, text: &str, hint: &str) -> String {
        match labels.resolve(text, hint) {
            LabelResolution::One(measure) => measure.to_string(),
            other @ (LabelResolution::Several(_)
            | LabelResolution::Members(_)
            | LabelResolution::Empty
            | LabelResolution::Nothing) => format!("{other:?}"),
        }
    }

    #[test]
    fn labels_of_real_tables_name_their_measure() {
        let labels = LabelIndex::new(&CATALOGUE);
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
            Some(MeasureUnitText { percent: false, power: 6 })
        );
    }

    #[test]
    fn a_label_with_an_extra_word_does_not_match() {
        let labels = LabelIndex::new(&CATALOGUE);
        for text in [
            "Hồ sơ tiếp nhận quá hạn",
            "Hồ sơ đang giải quyết khác",
            "Văn bản mật",
            "Văn bản đi chưa ký số",
            "Lũy kế hồ sơ tiếp nhận",
            "Hồ sơ tiếp nhận mức độ 5",
            "Hồ sơ tiếp nhận trực tiếp và trực tuyến",
            "Hồ sơ tiếp nhận (%)",
            "",
            "…",
        ] {
            assert!(
                !matches!(labels.resolve(text, ""), LabelResolution::One(_)),
                "{text}: {:?}",
                labels.resolve(text, "")
            );
        }
    }

    #[test]
    fn labels_with_only_members_or_only_a_system_are_recognised() {
        let labels = LabelIndex::new(&CATALOGUE);
        let online = Members::new(vec![("channel".to_owned(), "online".to_owned())]).unwrap();
        assert_eq!(labels.resolve("Trực tuyến", ""), LabelResolution::Members(vec![online]));
        let resolved = labels.resolve("Cá nhân", "");
        assert!(matches!(resolved, LabelResolution::Members(ways) if ways.len() == 2));
        assert_eq!(labels.resolve("II. Hệ thống VNPT-iGate", ""), LabelResolution::Empty);
        assert_eq!(
            labels.systems("1. Hệ thống quản lý văn bản và điều hành (VNPT-iOffice)"),
            ["ioffice"]
        );
    }

    #[test]
    fn a_heading_of_another_system_makes_a_label_uncertain_but_not_a_whole_name() {
        let labels = LabelIndex::new(&CATALOGUE);
        assert!(matches!(
            labels.resolve("Người dùng", "Chứng thư số chuyên dùng"),
            LabelResolution::Several(_)
        ));
        assert_eq!(one(&labels, "Người dùng", "Hệ thống iOffice"), "ioffice.users.total");
        assert_eq!(
            one(&labels, "Văn bản đi", "Chứng thư số chuyên dùng"),
            "ioffice.documents.outgoing"
        );
        assert_eq!(one(&labels, "Văn bản đi", "Hệ thống iOffice"), "ioffice.documents.outgoing");
    }

    #[test]
    fn two_measures_of_a_system_do_not_share_a_label() {
        let faults = |system: &str, label: &str| {
            let document = serde_json::json!({
                "systems": [{ "code": "s" }, { "code": "t" }],
                "indicators": [
                    {
                        "code": "a",
                        "kind": "flow",
                        "unit_of_measure": "count",
                        "system": "s",
                        "labels": ["Tạo mới"]
                    },
                    {
                        "code": "b",
                        "kind": "flow",
                        "unit_of_measure": "count",
                        "system": system,
                        "labels": [label]
                    }
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
    fn a_unit_of_measure_on_its_own_is_recognised() {
        let labels = LabelIndex::new(&CATALOGUE);
        assert_eq!(
            labels.unit_of_measure("Triệu đồng"),
            Some(MeasureUnitText { percent: false, power: 6 })
        );
        assert_eq!(labels.unit_of_measure("%"), Some(MeasureUnitText { percent: true, power: 0 }));
        assert_eq!(labels.unit_of_measure("Văn bản"), Some(MeasureUnitText::default()));
        assert_eq!(labels.unit_of_measure("Huyện Càng Long"), None);
    }
}
