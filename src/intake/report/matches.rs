//! Where phrases of patterns fit in a sentence, and what speaks against it.

use std::ops::Range;

use super::lexicon::Recognizer;
use super::sentence::{Above, Paragraph};
use super::sequence::Sequence;
use crate::domain::catalogue::Kind;

/// Nouns that are counted in these reports, by their first word.
const COUNTED: [&str; 58] = [
    "bài",
    "buổi",
    "bản",
    "camera",
    "cán",
    "cơ",
    "cuộc",
    "cá",
    "công",
    "doanh",
    "dịch",
    "giấy",
    "giờ",
    "gói",
    "hồ",
    "hộp",
    "hộ",
    "huyện",
    "học",
    "km",
    "kế",
    "lớp",
    "lượt",
    "lần",
    "máy",
    "mạng",
    "ngày",
    "người",
    "năm",
    "phiên",
    "phút",
    "quyết",
    "sở",
    "thiết",
    "thuê",
    "thành",
    "thông",
    "thủ",
    "tin",
    "trang",
    "trạm",
    "trường",
    "tài",
    "tháng",
    "tổ",
    "tỉnh",
    "tên",
    "vụ",
    "văn",
    "xã",
    "điểm",
    "đoàn",
    "đài",
    "đơn",
    "đại",
    "đối",
    "đợt",
    "ấp",
];

/// Words after which the name of a member begins.
const BEFORE_A_MEMBER: [&str; 24] = [
    "và", "có", "là", "gồm", "đó", "đăng", "tải", "của", "cho", "loại", "các", "hành", "tỉnh",
    "với", "cấp", "dùng", "bằng", "trên", "thuộc", "riêng", "thẻ", "còn", "số", "nộp",
];

/// A pattern that finds a number.
pub struct Match<'a> {
    pub recognizer: &'a Recognizer,
    pub sequence: usize,
    pub item: usize,
    pub unit: Option<usize>,
    pub members: Vec<(String, String)>,
    /// The items of its phrase.
    pub span: Range<usize>,
    /// Items of the phrase without those passed over.
    pub weight: usize,
    /// Items passed over.
    pub gap: usize,
}

/// A number, seen from where it stands.
pub struct Seen<'a> {
    /// The sequences of its sentence.
    pub sequences: &'a [Sequence],
    /// The one it stands in.
    pub sequence: usize,
    /// The item that it is.
    pub item: usize,
    /// The items around it that are about it alone.
    pub segment: Range<usize>,
    /// Its clause.
    pub clause: Range<usize>,
}

/// What speaks against a pattern whose phrase fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Against {
    /// None of the phrases that have to stand in the clause does.
    With,
    /// One stands in the clause that must not.
    Unless,
    /// None of the phrases that have to stand in the paragraph or above does.
    Near,
    /// Another system is spoken of.
    Topic,
    /// The phrase passes over a word that joins two figures.
    Joint,
    /// Something else is counted.
    Counted,
    /// It is said not to be so: `chưa cấp`, `không đạt`.
    Negated,
    /// It is said of each of several.
    Average,
}

/// Words that deny what a number says.
const NEGATIONS: [&str; 5] =
    [" chưa ", " không đạt ", " không đủ ", " không bao gồm ", " không kể "];
/// Words with which a number is of each of several.
const AVERAGES: [&str; 3] = [" bình quân ", " trung bình ", " mỗi "];

impl<'a> Paragraph<'a> {
    /// Every place where a phrase of a pattern fits.
    pub(super) fn matches(&self, sequences: &[Sequence]) -> Vec<Match<'a>> {
        let mut found = Vec::new();
        for (s, sequence) in sequences.iter().enumerate() {
            if !(0..sequence.items.len()).any(|item| sequence.is_number(item)) {
                continue;
            }
            for recognizer in &self.setting.lexicon.recognizers {
                for phrase in &recognizer.phrases {
                    let mut from = 0;
                    while let Some(captures) = phrase.captures_at(&sequence.text, from) {
                        let Some(whole) = captures.get(0) else { break };
                        from = whole.start() + 1;
                        while !sequence.text.is_char_boundary(from) {
                            from += 1;
                        }
                        let Some(item) = captures
                            .name("value")
                            .and_then(|value| sequence.item_at(value.start()))
                        else {
                            continue;
                        };
                        let gap: usize = phrase
                            .capture_names()
                            .flatten()
                            .filter(|name| {
                                name.starts_with('g')
                                    && name.get(1..).is_some_and(|n| n.parse::<usize>().is_ok())
                            })
                            .filter_map(|name| captures.name(name))
                            .map(|gap| gap.as_str().matches(' ').count())
                            .sum();
                        let words = whole.as_str().trim().split(' ').count();
                        let begin = sequence.item_at(whole.start() + 1).unwrap_or(item);
                        let span = begin..begin + words;
                        let members = recognizer.dimensions.iter().filter_map(|open| {
                            let words = captures
                                .name(&open.code)?
                                .as_str()
                                .replace(", ", "")
                                .replace("- ", "");
                            Some((
                                open.code.clone(),
                                self.setting
                                    .lexicon
                                    .worded
                                    .get(&open.code)?
                                    .get(words.trim())?
                                    .clone(),
                            ))
                        });
                        // One word that ends a longer one is not a member: "tin" of "thông tin".
                        let joined = recognizer
                            .dimensions
                            .iter()
                            .filter_map(|open| captures.name(&open.code))
                            .any(|member| {
                                let before = sequence
                                    .item_at(member.start())
                                    .and_then(|item| item.checked_sub(1));
                                let word = before
                                    .map(|item| sequence.slice(&(item..item + 1)).1.trim())
                                    .unwrap_or_default();
                                let official =
                                    member.as_str().trim() == "trực tuyến" && word == "công";
                                official
                                    || !member.as_str().trim().contains(' ')
                                        && word.chars().all(char::is_alphabetic)
                                        && !word.is_empty()
                                        && !BEFORE_A_MEMBER.contains(&word)
                            });
                        if joined {
                            continue;
                        }
                        let unit = captures
                            .name("unit")
                            .and_then(|unit| sequence.item_at(unit.start()))
                            .and_then(|item| sequence.items.get(item)?.unit);
                        found.push(Match {
                            recognizer,
                            sequence: s,
                            item,
                            unit,
                            members: members.collect(),
                            span,
                            weight: words.saturating_sub(gap),
                            gap,
                        });
                    }
                }
            }
        }
        found
    }

    /// What a pattern asks for besides its phrase and is not there.
    pub(super) fn against(
        &self,
        found: &Match<'_>,
        seen: &Seen<'_>,
        token: usize,
        above: &Above,
        context: &str,
    ) -> Option<Against> {
        let sequence = seen.sequences.get(seen.sequence)?;
        let around = seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
        let (_, line) = sequence.slice(&around);
        let recognizer = found.recognizer;
        if recognizer.with.as_ref().is_some_and(|with| !with.is_match(line)) {
            return Some(Against::With);
        }
        if recognizer.unless.as_ref().is_some_and(|unless| unless.is_match(line)) {
            return Some(Against::Unless);
        }
        let says = |words: &&str| {
            line.contains(*words)
                && !words
                    .split_whitespace()
                    .next()
                    .is_some_and(|word| recognizer.words.contains(word))
        };
        if NEGATIONS.iter().any(&says) {
            return Some(Against::Negated);
        }
        let counts = self
            .setting
            .catalogue
            .indicator(&recognizer.measure.code)
            .is_some_and(|indicator| indicator.kind != Kind::Average);
        if counts && AVERAGES.iter().any(says) {
            return Some(Against::Average);
        }
        if recognizer.near.as_ref().is_some_and(|near| !near.is_match(context)) {
            return Some(Against::Near);
        }
        // Words that join the clause to its next number are not passed over.
        let same_clause = |item: usize| seen.clause.contains(&item);
        if (found.span.start < seen.segment.start && same_clause(found.span.start))
            || (found.span.end > seen.segment.end && same_clause(found.span.end.saturating_sub(1)))
        {
            return Some(Against::Joint);
        }
        // The second of "25.108/26.000" is what the first is of; the first of "từ 7.541 lên 7.602" is what was.
        let before = found
            .item
            .checked_sub(1)
            .map(|item| sequence.slice(&(item..item + 1)).1.trim())
            .unwrap_or_default();
        if (before == "/" && found.span.start >= found.item) || before == "từ" {
            return Some(Against::Joint);
        }
        // What is counted stands behind the number: another noun than the pattern's own is another figure.
        let behind = sequence.slice(&(found.item + 1..found.item + 2)).1.trim();
        if found.span.end <= found.item + 1
            && COUNTED.contains(&behind)
            && !recognizer.words.contains(behind)
        {
            return Some(Against::Counted);
        }
        let topic = recognizer.topic.as_ref()?;
        let is_topic = |system: usize| self.setting.lexicon.systems.get(system) == Some(topic);
        let token_of = |item: usize| sequence.items.get(item).map(|item| item.token);
        let named = token_of(found.span.start)
            ..token_of(found.span.end.saturating_sub(1)).map(|last| last + 1);
        let inside =
            self.topics.iter().any(|(at, system)| named.contains(&Some(*at)) && is_topic(*system));
        (!inside && !self.topic(token, above).is_some_and(is_topic)).then_some(Against::Topic)
    }
}

/// The clause of a number, and the part of it that is about this number alone: up to the words that join it to the next one.
pub(super) fn segment(sequence: &Sequence, item: usize) -> (Range<usize>, Range<usize>) {
    let clause = sequence
        .clauses()
        .into_iter()
        .map(|clause| clause.range)
        .find(|range| range.contains(&item))
        .unwrap_or(item..item + 1);
    let word = |at: usize| {
        let (_, line) = sequence.slice(&(at..at + 1));
        line.trim().to_owned()
    };
    let joins = |at: usize| {
        matches!(word(at).as_str(), "và" | "còn" | "với" | "cùng" | "gồm" | "có" | "nâng" | "đưa")
    };
    let mut start = clause.start;
    if let Some(previous) =
        clause.clone().rev().find(|other| *other < item && sequence.is_number(*other))
    {
        let joint = (previous + 1..item)
            .rev()
            .find(|at| joins(*at) && word(*at) != "có")
            .or_else(|| (previous + 1..item).find(|at| joins(*at)));
        start = joint.unwrap_or(if sequence.mark(previous + 1) == Some('/') {
            clause.start
        } else {
            (previous + 2).min(item)
        });
    }
    let mut end = clause.end;
    if let Some(next) = clause.clone().find(|other| *other > item && sequence.is_number(*other)) {
        let joint = (item + 1..next)
            .rev()
            .find(|at| joins(*at) && word(*at) != "có")
            .or_else(|| (item + 1..next).find(|at| joins(*at)));
        end = joint.unwrap_or(if sequence.mark(item + 1) == Some('/') { clause.end } else { next });
    }
    (clause, start.min(item)..end.max(item + 1))
}
