//! A paragraph's sentences: which patterns find which numbers, and what speaks against it.

use std::ops::Range;

use super::lexicon::{Names, Recognizer};
use super::resolve::{Claim, Claims};
use super::sequence::{Sequence, Writer, mark};
use super::tokens::{Kind, Token, sentences, tokens};
use super::when::{When, times};
use super::{Found, Reading, Reason, Role, Setting, Unclaimed};
use crate::domain::catalogue::Kind as Sort;
use crate::domain::measure::Members;
use crate::domain::unit::UnitKind;
use crate::intake::numbers::{self, Number};

/// Nouns that are counted in these reports, by their first word.
const COUNTED: [&str; 58] = [
    "bài", "buổi", "bản", "camera", "cán", "cơ", "cuộc", "cá", "công", "doanh", "dịch", "giấy", "giờ", "gói", "hồ", "hộp", "hộ", "huyện", "học", "km", "kế", "lớp", "lượt",
    "lần", "máy", "mạng", "ngày", "người", "năm", "phiên", "phút", "quyết", "sở", "thiết", "thuê", "thành", "thông", "thủ", "tin", "trang", "trạm", "trường", "tài", "tháng",
    "tổ", "tỉnh", "tên", "vụ", "văn", "xã", "điểm", "đoàn", "đài", "đơn", "đại", "đối", "đợt", "ấp",
];

/// Words after which the name of a member begins.
const BEFORE_A_MEMBER: [&str; 24] = [
    "và", "có", "là", "gồm", "đó", "đăng", "tải", "của", "cho", "loại", "các", "hành", "tỉnh", "với", "cấp", "dùng", "bằng", "trên", "thuộc", "riêng", "thẻ", "còn", "số", "nộp",
];

/// What stands above a paragraph: headings, and the paragraph that introduces it.
#[derive(Default)]
pub struct Above {
    headings: Vec<Heading>,
    /// The system that the paragraph before under the same heading spoke of.
    before: Option<usize>,
    lead: Option<Lead>,
}

struct Heading {
    level: u8,
    text: String,
    line: String,
    topic: Option<usize>,
    when: When,
}

/// A paragraph that ends with a colon: what follows belongs to it.
struct Lead {
    text: String,
    line: String,
    topic: Option<usize>,
    when: When,
    members: Members,
    claims: Vec<Claim>,
}

impl Above {
    /// A heading takes the place of those of its level and below.
    pub fn heading(&mut self, level: u8, text: &str, range: Range<usize>, setting: &Setting<'_>, names: &Names) {
        self.headings.retain(|heading| heading.level < level);
        self.lead = None;
        self.before = None;
        let own = text.get(range.clone()).unwrap_or_default().to_owned();
        let paragraph = Paragraph::new(text, range, setting, names);
        let line = paragraph.line();
        let planned = [" phương hướng ", " nhiệm vụ trọng tâm ", " kế hoạch công tác ", " nhiệm vụ tháng ", " kế hoạch tháng ", " dự kiến ", " chương trình công tác ", " nhiệm vụ thời gian tới ", " nhiệm vụ quý ", " đề xuất ", " chỉ tiêu "];
        let done = [" kết quả ", " tình hình ", " báo cáo ", " giải quyết ", " đơn "];
        let later = line.contains(mark::LATER) && !line.contains(mark::NOW);
        // A title names what was done and what is to come; what was done in the period comes first.
        let when = if !line.contains(mark::NOW) && (later || planned.iter().any(|words| line.contains(words))) && !done.iter().any(|words| line.contains(words)) { When::Plan } else { When::Now };
        let topic = paragraph.topics.last().map(|(_, topic)| *topic);
        self.headings.push(Heading { level, text: own, line, topic, when });
    }

    /// The headings and what introduces the next stretch, as text.
    #[must_use]
    pub fn hint(&self) -> String {
        let lead = self.lead.as_ref().map(|lead| lead.text.as_str());
        self.headings.iter().map(|heading| heading.text.as_str()).chain(lead).collect::<Vec<_>>().join("\n")
    }

    /// Whether a heading above says that what follows is planned.
    #[must_use]
    pub fn is_plan(&self) -> bool {
        self.headings.iter().any(|heading| heading.when == When::Plan)
    }

    fn when(&self) -> When {
        let of_heading = if self.headings.iter().any(|heading| heading.when == When::Plan) { When::Plan } else { When::Now };
        match (&self.lead, of_heading) {
            (Some(lead), When::Now) => lead.when,
            (_, of_heading) => of_heading,
        }
    }

    fn topic(&self) -> Option<usize> {
        let of_lead = self.lead.as_ref().and_then(|lead| lead.topic);
        let innermost = self.headings.last().and_then(|heading| heading.topic);
        of_lead.or(innermost).or(self.before).or_else(|| self.headings.iter().rev().find_map(|heading| heading.topic))
    }
}

/// A paragraph, ready to be read.
pub struct Paragraph<'a> {
    text: &'a str,
    setting: &'a Setting<'a>,
    tokens: Vec<Token>,
    /// Where systems are spoken of: token and system.
    topics: Vec<(usize, usize)>,
    sentences: Vec<(Range<usize>, Vec<Sequence>)>,
}

/// A pattern that finds a number.
struct Match<'a> {
    recognizer: &'a Recognizer,
    sequence: usize,
    item: usize,
    unit: Option<usize>,
    members: Vec<(String, String)>,
    /// The items of its phrase.
    span: Range<usize>,
    /// Items of the phrase without those passed over.
    weight: usize,
    /// Items passed over.
    gap: usize,
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

impl<'a> Paragraph<'a> {
    /// A stretch of a text as sentences.
    #[must_use]
    pub fn new(text: &'a str, range: Range<usize>, setting: &'a Setting<'a>, names: &Names) -> Self {
        Self::of_tokens(text, tokens(text, range), setting, names)
    }

    /// A label and a cell of a table, as a sentence that says one of the other.
    #[must_use]
    pub fn of_cells(text: &'a str, label: Range<usize>, cell: Range<usize>, setting: &'a Setting<'a>, names: &Names) -> Self {
        let mut all = tokens(text, label.clone());
        all.push(Token { kind: Kind::Mark(':'), range: label.end..label.end });
        all.extend(tokens(text, cell));
        Self::of_tokens(text, all, setting, names)
    }

    /// A row of a table, as a sentence that says what stands under each heading of its label: `Mức độ 3: số dịch vụ: 540; hồ sơ: 5.216`.
    #[must_use]
    pub fn of_row(text: &'a str, label: Range<usize>, cells: &[(Range<usize>, Range<usize>)], setting: &'a Setting<'a>, names: &Names) -> Self {
        let mark = |mark, at| Token { kind: Kind::Mark(mark), range: at..at };
        let mut all = tokens(text, label.clone());
        all.push(mark(':', label.end));
        for (heading, cell) in cells {
            let said = tokens(text, heading.clone());
            let percent = text.get(heading.clone()).is_some_and(|heading| heading.contains('%'));
            // "(%)" and other units of measure in brackets say how to read the number.
            all.extend(said.into_iter().map(|token| Token { range: cell.start..cell.start, ..token }).filter(|token| !token.is('(') && !token.is(')') && !token.is('%')));
            all.push(mark(':', cell.start));
            all.extend(tokens(text, cell.clone()).into_iter().map(|token| match token.kind {
                Kind::Number(number) if percent => Token { kind: Kind::Number(Number { sort: numbers::Sort::Percent, ..number }), range: token.range },
                Kind::Number(_) | Kind::Word(_) | Kind::Mark(_) | Kind::Other(_) => token,
            }));
            all.push(mark(';', cell.end));
        }
        Self::of_tokens(text, all, setting, names)
    }

    fn of_tokens(text: &'a str, tokens: Vec<Token>, setting: &'a Setting<'a>, names: &Names) -> Self {
        let writer = Writer { lexicon: setting.lexicon, units: names, period: setting.period };
        let mut topics = Vec::new();
        for at in 0..tokens.len() {
            let words: Vec<&str> = tokens.get(at..tokens.len().min(at + 10)).unwrap_or_default().iter().filter_map(Token::word).collect();
            if tokens.get(at).is_some_and(|token| token.word().is_some())
                && let Some((topic, _)) = setting.lexicon.topics.at(&words)
            {
                topics.push((at, topic));
            }
        }
        let sentences = sentences(&tokens).into_iter().map(|range| (range.clone(), writer.sequences(&tokens, range))).collect();
        Self { text, setting, tokens, topics, sentences }
    }

    fn own(&self) -> String {
        let start = self.tokens.first().map_or(0, |token| token.range.start);
        let end = self.tokens.last().map_or(start, |token| token.range.end);
        self.text.get(start..end).unwrap_or_default().to_owned()
    }

    /// Its words as one line, without what stands in parentheses.
    fn line(&self) -> String {
        let mut line = " ".to_owned();
        for (_, sequences) in &self.sentences {
            sequences.iter().for_each(|sequence| line.push_str(sequence.text.trim_start()));
        }
        line
    }

    /// Reads its figures.
    pub fn read(&self, above: &mut Above, reading: &mut Reading) {
        let begins_with = self.topics.first().filter(|(token, _)| *token < 8).map(|(_, topic)| *topic);
        if begins_with.is_some() && above.lead.as_ref().is_some_and(|lead| lead.topic != begins_with) {
            above.lead = None;
        }
        let mut context = self.line();
        above.headings.iter().for_each(|heading| context.push_str(heading.line.trim_start()));
        if let Some(lead) = &above.lead {
            context.push_str(lead.line.trim_start());
        }
        // A line that ends with a colon introduces what follows, and so does a short one without a number, a heading in all but looks.
        let short = self.tokens.len() <= 14 && !self.tokens.iter().any(|token| token.number().is_some()) && !self.tokens.last().is_some_and(|token| token.is('.') || token.is(';'));
        let introduces = short || self.tokens.last().is_some_and(|token| token.is(':'));
        if introduces {
            above.lead = None;
        }
        let mut claims: Vec<Claim> = above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
        let mut when = above.when();
        for (n, (range, sequences)) in self.sentences.iter().enumerate() {
            let first = self.tokens.get(range.start).and_then(Token::word).unwrap_or_default();
            let second = self.tokens.get(range.start + 1).and_then(Token::word).unwrap_or_default();
            let goes_on = matches!((first, second), ("trong", "đó" | "số") | ("cụ", "thể") | ("gồm" | "riêng" | "bao", _));
            if n > 0 && !goes_on {
                claims = above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
            }
            claims.iter_mut().for_each(Claim::leave_sentence);
            let span = self.span(range);
            when = self.sentence(sequences, &span, above, &context, when, &mut claims, reading);
            if !introduces {
                when = above.when();
            }
        }
        if let Some((_, topic)) = self.topics.last() {
            above.before = Some(*topic);
        }
        if introduces {
            let topic = self.topics.last().map(|(_, topic)| *topic).or_else(|| above.topic());
            let members = self.sentences.last().map(|(_, sequences)| super::resolve::members_of(sequences, self.setting)).unwrap_or_default();
            claims.iter_mut().for_each(Claim::leave_sentence);
            above.lead = Some(Lead { text: self.own(), line: self.line(), topic, when, members, claims });
        }
    }

    fn span(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.tokens.get(range.start).map_or(0, |token| token.range.start);
        let end = range.end.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.range.end);
        start..end
    }

    #[expect(clippy::too_many_arguments, reason = "what a sentence is read with and what it adds to")]
    fn sentence(&self, sequences: &[Sequence], span: &Range<usize>, above: &Above, context: &str, before: When, claims: &mut Vec<Claim>, reading: &mut Reading) -> When {
        let mut whens: Vec<Vec<When>> = Vec::new();
        let mut after = before;
        for sequence in sequences {
            let inherited = sequence.parent.map_or(before, |(parent, behind)| {
                let list = whens.get(parent);
                let found = behind.checked_sub(1).and_then(|item| list.and_then(|list| list.get(item))).copied().unwrap_or(before);
                match found {
                    // "so với tháng trước (24.969)": the number is the month before's.
                    When::Change => sequences.get(parent).and_then(|list| super::when::compared_with(list.slice(&(0..behind)).1)).unwrap_or(found),
                    When::Now | When::UntilNow | When::Wider | When::Before(_) | When::Earlier | When::Plan => found,
                }
            });
            let (times, next) = times(sequence, inherited);
            whens.push(times);
            if sequence.parent.is_none() {
                after = next;
            }
        }
        let mut numbers: Vec<(usize, usize, usize)> = Vec::new();
        for (s, sequence) in sequences.iter().enumerate() {
            numbers.extend((0..sequence.items.len()).filter(|item| sequence.is_number(*item)).filter_map(|item| Some((sequence.items.get(item)?.token, s, item))));
        }
        if numbers.is_empty() {
            return after;
        }
        numbers.sort_unstable();
        let matches = self.matches(sequences);
        for (token, s, item) in numbers.iter().copied() {
            let Some(sequence) = sequences.get(s) else { continue };
            let (clause, segment) = segment(sequence, item);
            let seen = Seen { sequences, sequence: s, item, segment, clause };
            let when = self.own_time(whens.get(s).and_then(|whens| whens.get(item)).copied().unwrap_or(before));
            let fitting: Vec<&Match<'_>> = matches.iter().filter(|found| found.sequence == s && found.item == item && self.fits(found, &seen, token, above, context)).collect();
            self.settle(&fitting, &seen, token, when, span, above, claims, reading);
        }
        numbers.iter().rev().for_each(|(token, s, item)| self.share(sequences, (*token, *s, *item), span, claims, reading));
        after
    }

    /// A number without words of its own before another figure shares what is said of that: `03 quyết định, 02 kế hoạch đã được ban hành`.
    fn share(&self, sequences: &[Sequence], (token, s, item): (usize, usize, usize), span: &Range<usize>, claims: &mut Vec<Claim>, reading: &mut Reading) {
        let (Some(sequence), Some(number)) = (sequences.get(s), self.tokens.get(token).and_then(Token::number)) else { return };
        let free = |one: &Unclaimed| one.place == number.range && one.reason == Reason::NoPattern;
        let (Some(at), Ok(value)) = (reading.unclaimed.iter().rposition(free), number.value) else { return };
        let Some((names, count)) = sequence.items.get(item + 1).and_then(|item| item.member) else { return };
        let mut next = item + 1 + count;
        while matches!(sequence.slice(&(next..next + 1)).1.trim(), "," | "và" | ";") {
            next += 1;
        }
        let Some(claim) = claims.iter().find(|claim| claim.item == (s, next) && claim.now && claim.is_here()).cloned() else { return };
        let Some((dimension, member)) = self.setting.lexicon.members.get(names).into_iter().flatten().find(|(dimension, member)| claim.measure.members.get(dimension).is_some_and(|other| other != member)) else { return };
        let Some(measure) = claim.of_member(dimension, member, self.setting) else { return };
        reading.unclaimed.remove(at);
        let shared = claim.shared(measure.clone(), value, (s, item));
        reading.figures.push(Found { measure, target: None, unit: shared.unit, period: self.setting.period, value, approximate: number.approximate, role: Role::Figure, place: number.range.clone(), sentence: span.clone(), pattern: shared.pattern.clone(), confidence: confidence(0, &shared, number.approximate) });
        claims.push(shared);
    }

    /// The time as a report of the year so far sees it: what has been since January is its own period.
    fn own_time(&self, when: When) -> When {
        let period = self.setting.period;
        let so_far = period.step() != crate::domain::period::Step::Month && period.first() == period.last().january();
        if so_far && matches!(when, When::Wider | When::UntilNow) { When::Now } else { when }
    }

    /// Every place where a phrase of a pattern fits.
    fn matches(&self, sequences: &[Sequence]) -> Vec<Match<'a>> {
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
                        let Some(item) = captures.name("value").and_then(|value| sequence.item_at(value.start())) else { continue };
                        let gap: usize = phrase.capture_names().flatten().filter(|name| name.starts_with('g') && name.get(1..).is_some_and(|n| n.parse::<usize>().is_ok())).filter_map(|name| captures.name(name)).map(|gap| gap.as_str().matches(' ').count()).sum();
                        let words = whole.as_str().trim().split(' ').count();
                        let begin = sequence.item_at(whole.start() + 1).unwrap_or(item);
                        let span = begin..begin + words;
                        let members = recognizer.dimensions.iter().filter_map(|open| {
                            let words = captures.name(&open.code)?.as_str().replace(", ", "").replace("- ", "");
                            Some((open.code.clone(), self.setting.lexicon.worded.get(&open.code)?.get(words.trim())?.clone()))
                        });
                        // One word that ends a longer one is not a member: "tin" of "thông tin".
                        let joined = recognizer.dimensions.iter().filter_map(|open| captures.name(&open.code)).any(|member| {
                            let before = sequence.item_at(member.start()).and_then(|item| item.checked_sub(1));
                            let word = before.map(|item| sequence.slice(&(item..item + 1)).1.trim()).unwrap_or_default();
                            let official = member.as_str().trim() == "trực tuyến" && word == "công";
                            official || !member.as_str().trim().contains(' ') && word.chars().all(char::is_alphabetic) && !word.is_empty() && !BEFORE_A_MEMBER.contains(&word)
                        });
                        if joined {
                            continue;
                        }
                        let unit = captures.name("unit").and_then(|unit| sequence.item_at(unit.start())).and_then(|item| sequence.items.get(item)?.unit);
                        found.push(Match { recognizer, sequence: s, item, unit, members: members.collect(), span, weight: words.saturating_sub(gap), gap });
                    }
                }
            }
        }
        found
    }

    /// Whether everything that a pattern asks for besides its phrase is there.
    fn fits(&self, found: &Match<'_>, seen: &Seen<'_>, token: usize, above: &Above, context: &str) -> bool {
        let Some(sequence) = seen.sequences.get(seen.sequence) else { return false };
        let around = seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
        let (_, line) = sequence.slice(&around);
        let recognizer = found.recognizer;
        if recognizer.with.as_ref().is_some_and(|with| !with.is_match(line)) || recognizer.unless.as_ref().is_some_and(|unless| unless.is_match(line)) {
            return false;
        }
        if recognizer.near.as_ref().is_some_and(|near| !near.is_match(context)) {
            return false;
        }
        // Words that join the clause to its next number are not passed over.
        let same_clause = |item: usize| seen.clause.contains(&item);
        if (found.span.start < seen.segment.start && same_clause(found.span.start)) || (found.span.end > seen.segment.end && same_clause(found.span.end - 1)) {
            return false;
        }
        // What is counted stands behind the number: another noun than the pattern's own is another figure.
        let behind = sequence.slice(&(found.item + 1..found.item + 2)).1.trim();
        if found.span.end <= found.item + 1 && COUNTED.contains(&behind) && !recognizer.words.contains(behind) {
            return false;
        }
        let tokens_of = |item: usize| sequence.items.get(item).map_or(usize::MAX, |item| item.token);
        let named = tokens_of(found.span.start)..tokens_of(found.span.end - 1) + 1;
        match &recognizer.topic {
            Some(topic) if self.topics.iter().any(|(at, system)| named.contains(at) && self.setting.lexicon.systems.get(*system) == Some(topic)) => true,
            Some(topic) => self.topic(token, above).and_then(|topic| self.setting.lexicon.systems.get(topic)) == Some(topic),
            None => true,
        }
    }

    /// The system that is spoken of at a token: the last one named before it in the paragraph, else the next one in its sentence, else
    /// the one of what stands above.
    fn topic(&self, token: usize, above: &Above) -> Option<usize> {
        let before = self.topics.iter().rev().find(|(at, _)| *at < token);
        let sentence = self.sentences.iter().find(|(range, _)| range.contains(&token)).map(|(range, _)| range.clone())?;
        let here = before.or_else(|| self.topics.iter().find(|(at, _)| sentence.contains(at)));
        here.map(|(_, topic)| *topic).or_else(|| above.topic())
    }

    /// Decides what a number is.
    #[expect(clippy::too_many_arguments, reason = "what a number is decided from and what it adds to")]
    fn settle(&self, fitting: &[&Match<'_>], seen: &Seen<'_>, token: usize, when: When, span: &Range<usize>, above: &Above, claims: &mut Vec<Claim>, reading: &mut Reading) {
        let Some(number) = self.tokens.get(token).and_then(Token::number) else { return };
        let mut refused = |reason: Reason, measure| {
            // Words for nothing are only worth a line where a pattern found them.
            let digits = self.text.get(number.range.clone()).is_some_and(|printed| printed.contains(|c: char| c.is_ascii_digit()));
            if digits {
                reading.unclaimed.push(Unclaimed { place: number.range.clone(), sentence: span.clone(), reason, measure });
            }
        };
        let lead = above.lead.as_ref().map(|lead| &lead.members);
        let list = Claims { setting: self.setting, seen, claims: claims.as_slice(), lead, value: number.value.ok() };
        let mut best: Option<(Claim, &Match<'_>, (bool, bool, usize, std::cmp::Reverse<usize>))> = None;
        let mut doubt = None;
        for found in fitting {
            // What a phrase passes over is about its number, too.
            let segment = seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
            let around = Seen { segment, clause: seen.clause.clone(), ..*seen };
            let list = Claims { seen: &around, ..list };
            let claim = match list.claim(found.recognizer, &found.members, found.unit) {
                Ok(claim) => claim,
                Err(None) => continue,
                Err(Some(reason)) => {
                    doubt = Some((reason, found.recognizer.measure.clone()));
                    continue;
                }
            };
            let timely = match when {
                When::Now | When::Before(_) => true,
                When::UntilNow => self.is_level(found.recognizer),
                When::Wider | When::Earlier | When::Plan | When::Change => found.recognizer.timeless,
            };
            let rank = (timely, claim.anchored, found.weight, std::cmp::Reverse(found.gap));
            match &best {
                Some((other, _, known)) if *known == rank && (other.measure != claim.measure || other.unit != claim.unit) => {
                    doubt = Some((Reason::Ambiguous, claim.measure.clone()));
                    best = Some((claim.in_doubt(), found, rank));
                }
                Some((_, _, known)) if *known >= rank => {}
                _ => best = Some((claim, found, rank)),
            }
        }
        let earlier = matches!(when, When::Before(_));
        if best.is_none() && earlier && doubt.is_none() {
            best = list.earlier().and_then(|claim| Some((claim, *fitting.first()?, (false, false, 0, std::cmp::Reverse(0)))));
            if best.is_none()
                && let Some(claim) = list.earlier()
            {
                self.earlier(claim, number, when, span, claims, reading);
                return;
            }
        }
        let Some((mut claim, found, _)) = best.filter(|(claim, ..)| !claim.measure.code.is_empty()) else {
            let (reason, measure) = doubt.map_or((reason_of(when, number), None), |(reason, measure)| (reason, Some(measure)));
            refused(reason, measure);
            return;
        };
        let value = match number.value {
            Ok(value) => value,
            Err(flaw) => {
                let reason = if flaw == crate::intake::numbers::Flaw::Range { Reason::Range } else { Reason::MalformedNumber };
                refused(reason, Some(claim.measure));
                return;
            }
        };
        claim.value = value;
        claim.item = (seen.sequence, seen.item);
        if let Some(target) = &found.recognizer.target {
            let period = crate::domain::period::Period::containing(crate::domain::period::Step::Year, self.setting.period.last());
            let measure = claim.measure.clone();
            reading.figures.push(Found { measure, target: Some(target.clone()), unit: claim.unit, period, value, approximate: number.approximate, role: Role::Target, place: number.range.clone(), sentence: span.clone(), pattern: found.recognizer.code.clone(), confidence: confidence(found.gap, &claim, number.approximate) });
            return;
        }
        let level = self.is_level(found.recognizer);
        let when = if found.recognizer.timeless { When::Now } else { when };
        let role = match when {
            When::Now => Role::Figure,
            When::UntilNow if level => Role::Figure,
            When::Before(_) => Role::Earlier,
            When::UntilNow | When::Wider | When::Earlier | When::Plan | When::Change => {
                claim.now = false;
                refused(reason_of(when, number), Some(claim.measure.clone()));
                claims.push(claim);
                return;
            }
        };
        if role == Role::Earlier {
            self.earlier(claim, number, when, span, claims, reading);
            return;
        }
        if let Some(reason) = self.foreign(found, seen) {
            refused(reason, Some(claim.measure));
            return;
        }
        let kpi = self.setting.catalogue.indicator(&claim.measure.code).is_none();
        let role = if number.approximate && kpi { Role::Rounded } else { role };
        reading.figures.push(Found { measure: claim.measure.clone(), target: None, unit: claim.unit, period: self.setting.period, value, approximate: number.approximate, role, place: number.range.clone(), sentence: span.clone(), pattern: found.recognizer.code.clone(), confidence: confidence(found.gap, &claim, number.approximate) });
        claims.push(claim);
    }

    /// A figure of an earlier month.
    fn earlier(&self, mut claim: Claim, number: &crate::intake::numbers::Number, when: When, span: &Range<usize>, claims: &mut Vec<Claim>, reading: &mut Reading) {
        let (When::Before(months), Ok(value)) = (when, number.value) else { return };
        let period = if months == 12 { self.setting.period.year_before() } else { self.setting.period.back(1) };
        claim.now = false;
        claim.value = value;
        reading.figures.push(Found { measure: claim.measure.clone(), target: None, unit: claim.unit, period, value, approximate: number.approximate, role: Role::Earlier, place: number.range.clone(), sentence: span.clone(), pattern: claim.pattern.clone(), confidence: confidence(0, &claim, number.approximate) });
        claims.push(claim);
    }

    /// Whether a measure is a level: what there is until now is what it is now.
    fn is_level(&self, recognizer: &Recognizer) -> bool {
        recognizer.kin.iter().all(|code| self.setting.catalogue.indicator(code).is_some_and(|indicator| indicator.kind != Sort::Flow))
    }

    /// Why a number is another unit's, if it is.
    fn foreign(&self, found: &Match<'_>, seen: &Seen<'_>) -> Option<Reason> {
        if found.recognizer.names_unit {
            return None;
        }
        let sequence = seen.sequences.get(seen.sequence)?;
        // "01 (huyện Châu Thành)"
        if sequence.hidden_units.iter().any(|(at, unit)| seen.segment.contains(at) && *at >= seen.item && *unit != self.setting.unit) {
            return Some(Reason::OtherUnit);
        }
        for item in seen.segment.clone() {
            let Some(entry) = sequence.items.get(item) else { continue };
            if let Some(unit) = entry.unit.and_then(|unit| self.setting.units.get(unit)).filter(|_| entry.unit != Some(self.setting.unit))
                && matches!(unit.document.kind, UnitKind::District | UnitKind::Commune | UnitKind::Agency)
            {
                return Some(Reason::OtherUnit);
            }
            let word = |at: usize| self.tokens.get(at).and_then(Token::word).unwrap_or_default();
            let after = match (word(entry.token), word(entry.token + 1)) {
                ("thị", "xã" | "trấn") | ("thành", "phố") => entry.token + 2,
                ("huyện" | "xã" | "phường" | "sở", _) => entry.token + 1,
                _ => continue,
            };
            let capital = self.tokens.get(after).filter(|token| matches!(token.kind, Kind::Word(_))).and_then(|token| self.text.get(token.range.clone())).is_some_and(|name| name.starts_with(char::is_uppercase));
            let own = matches!(word(after), "thông" | "tt" | "tttt" | "tt&tt");
            if capital && !own && !self.shouts(after) {
                return Some(Reason::OtherUnit);
            }
        }
        None
    }

    /// Whether a word stands among others wholly in capitals, so that its first letter says nothing.
    fn shouts(&self, token: usize) -> bool {
        self.tokens.get(token).and_then(|token| self.text.get(token.range.clone())).is_some_and(|word| word.chars().count() > 1 && !word.contains(char::is_lowercase))
    }
}

fn confidence(gap: usize, claim: &Claim, approximate: bool) -> f64 {
    let gap = f64::from(u32::try_from(gap.min(10)).unwrap_or(10));
    let sure = 1.0 - 0.02 * gap - if claim.anchored { 0.05 } else { 0.0 } - if approximate { 0.1 } else { 0.0 };
    (sure * 100.0).round() / 100.0
}

fn reason_of(when: When, number: &crate::intake::numbers::Number) -> Reason {
    use crate::intake::numbers::Flaw;
    match (number.value, when) {
        (Err(Flaw::Range), _) => Reason::Range,
        (Err(Flaw::Malformed | Flaw::Spaces | Flaw::TooLarge), _) => Reason::MalformedNumber,
        (Ok(_), When::Change) => Reason::Comparison,
        (Ok(_), When::Plan) => Reason::Plan,
        (Ok(_), When::Wider | When::UntilNow) => Reason::WiderPeriod,
        (Ok(_), When::Earlier | When::Before(_)) => Reason::EarlierPeriod,
        (Ok(_), When::Now) => Reason::NoPattern,
    }
}

/// The clause of a number, and the part of it that is about this number alone: up to the words that join it to the next one.
fn segment(sequence: &Sequence, item: usize) -> (Range<usize>, Range<usize>) {
    let clause = sequence.clauses().into_iter().map(|clause| clause.range).find(|range| range.contains(&item)).unwrap_or(item..item + 1);
    let word = |at: usize| {
        let (_, line) = sequence.slice(&(at..at + 1));
        line.trim().to_owned()
    };
    let joins = |at: usize| matches!(word(at).as_str(), "và" | "còn" | "với" | "cùng" | "gồm" | "có" | "nâng" | "đưa");
    let mut start = clause.start;
    if let Some(previous) = clause.clone().rev().find(|other| *other < item && sequence.is_number(*other)) {
        let joint = (previous + 1..item).rev().find(|at| joins(*at) && word(*at) != "có").or_else(|| (previous + 1..item).find(|at| joins(*at)));
        start = joint.unwrap_or(if sequence.mark(previous + 1) == Some('/') { clause.start } else { (previous + 2).min(item) });
    }
    let mut end = clause.end;
    if let Some(next) = clause.clone().find(|other| *other > item && sequence.is_number(*other)) {
        let joint = (item + 1..next).rev().find(|at| joins(*at) && word(*at) != "có").or_else(|| (item + 1..next).find(|at| joins(*at)));
        end = joint.unwrap_or(if sequence.mark(item + 1) == Some('/') { clause.end } else { next });
    }
    (clause, start.min(item)..end.max(item + 1))
}
