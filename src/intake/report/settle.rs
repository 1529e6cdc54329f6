//! What becomes of each number: a figure, with its members, its unit and its time; or the reason why it is none.

use std::ops::Range;

use super::lexicon::Recognizer;
use super::matches::{Match, Seen, segment};
use super::resolve::{Claim, Claims};
use super::sentence::{Above, Paragraph};
use super::sequence::Sequence;
use super::tokens::{Kind, Token};
use super::when::{When, compared_with, times};
use super::{Considered, Found, Reading, Reason, Role, Unclaimed};
use crate::domain::catalogue::Kind as Sort;
use crate::domain::measure::Measure;
use crate::domain::period::{Period, Step};
use crate::domain::unit::UnitKind;
use crate::intake::numbers::{Flaw, Number, Sort as Printed};

/// What a sentence is read with, and what is found in it.
pub struct Work<'w> {
    /// What stands above.
    pub above: &'w Above,
    /// The paragraph and what stands above it, as one line.
    pub context: &'w str,
    /// Where the sentence stands: bytes of the text.
    pub span: Range<usize>,
    /// The figures found so far, for those that belong to them.
    pub claims: &'w mut Vec<Claim>,
    /// Everything found so far.
    pub reading: &'w mut Reading,
    /// What was considered, where that is wanted.
    pub considered: Option<&'w mut Vec<Considered>>,
}

/// What a clause about the report's whole unit begins with.
const WHOLES: [&str; 5] =
    [" toàn tỉnh ", " toàn thành phố ", " tính chung ", " cả tỉnh ", " tổng cộng "];
/// What a clause about somebody else begins with, besides the name of a unit.
const OTHERS: [&str; 10] = [
    " cấp huyện ",
    " cấp xã ",
    " cấp sở ",
    " cả nước ",
    " toàn quốc ",
    " công an ",
    " bưu điện ",
    " riêng lĩnh vực ",
    " các huyện ",
    " các xã ",
];

/// How good a claim is: whether its time fits, whether it belongs to a figure before, how many words say it, how few were passed over.
type Rank = (bool, bool, usize, std::cmp::Reverse<usize>);

/// Why it is not certain which figure a number is, and the measure that it might be of.
type Doubt = Option<(Reason, Measure)>;

/// A number that is decided about.
struct Decided<'d> {
    number: &'d Number,
    when: When,
}

impl<'a> Paragraph<'a> {
    /// Reads a sentence; the time that goes on behind it.
    pub(super) fn sentence(
        &self,
        sequences: &[Sequence],
        before: When,
        work: &mut Work<'_>,
    ) -> When {
        let (whens, after) = self.whens(sequences, before);
        let mut numbers: Vec<(usize, usize, usize)> = Vec::new();
        for (s, sequence) in sequences.iter().enumerate() {
            let of_sequence = (0..sequence.items.len()).filter(|item| sequence.is_number(*item));
            numbers.extend(
                of_sequence.filter_map(|item| Some((sequence.items.get(item)?.token, s, item))),
            );
        }
        if numbers.is_empty() {
            return after;
        }
        numbers.sort_unstable();
        let number_at = |token: usize| self.tokens.get(token).and_then(Token::number);
        if numbers.iter().any(|(token, ..)| self.is_row(*token)) {
            numbers
                .iter()
                .filter_map(|(token, ..)| number_at(*token))
                .for_each(|number| self.refuse(number, Reason::Ambiguous, None, work));
            return after;
        }
        let matches = self.matches(sequences);
        for (token, s, item) in numbers.iter().copied() {
            let (Some(sequence), Some(number)) = (sequences.get(s), number_at(token)) else {
                continue;
            };
            let (clause, segment) = segment(sequence, item);
            let seen = Seen { sequences, sequence: s, item, segment, clause };
            let when = self.own_time(
                whens.get(s).and_then(|whens| whens.get(item)).copied().unwrap_or(before),
            );
            let mut fitting = Vec::new();
            let stands = |found: &&Match<'_>| {
                found.sequence == s
                    && found.item == item
                    && (number.sort == Printed::Zero || !found.recognizer.nothing)
            };
            for found in matches.iter().filter(stands) {
                match self.against(found, &seen, token, work.above, work.context) {
                    None => fitting.push(found),
                    Some(against) => {
                        work.consider(number, &found.recognizer.code, || format!("{against:?}"))
                    }
                }
            }
            let (nothing, ordinary): (Vec<&Match<'_>>, Vec<&Match<'_>>) =
                fitting.into_iter().partition(|found| found.recognizer.nothing);
            self.settle(&ordinary, &seen, &Decided { number, when }, work);
            for found in nothing {
                if !work.claims.iter().any(|claim| {
                    claim.item == (s, item) && claim.measure == found.recognizer.measure
                }) {
                    self.settle(&[found], &seen, &Decided { number, when }, work);
                }
            }
        }
        numbers
            .iter()
            .rev()
            .for_each(|(token, s, item)| self.share(sequences, (*token, *s, *item), work));
        after
    }

    /// Whether a number is followed by another without a word between: a table's row that lost its cells, as in
    /// "1 Văn bản đi 24.611 22.307 88.940". Digits that spaces part into threes are one number, badly written.
    fn is_row(&self, token: usize) -> bool {
        let number = |token: usize| self.tokens.get(token).and_then(Token::number);
        let several = |number: &Number| {
            let mut groups =
                self.text.get(number.range.clone()).unwrap_or_default().split_whitespace().skip(1);
            number.value == Err(Flaw::Spaces) && groups.any(|group| group.len() != 3)
        };
        number(token).is_some_and(|own| several(own) || number(token + 1).is_some())
    }

    /// The times of the items of each sequence, and the one that goes on behind the sentence.
    fn whens(&self, sequences: &[Sequence], before: When) -> (Vec<Vec<When>>, When) {
        let (mut whens, mut after): (Vec<Vec<When>>, When) = (Vec::new(), before);
        for sequence in sequences {
            let inherited = sequence.parent.map_or(before, |(parent, behind)| {
                let list = whens.get(parent);
                let found = behind
                    .checked_sub(1)
                    .and_then(|item| list.and_then(|list| list.get(item)))
                    .copied()
                    .unwrap_or(before);
                match found {
                    // "so với tháng trước (24.969)": the number is the month before's.
                    When::Change => sequences
                        .get(parent)
                        .and_then(|list| compared_with(list.slice(&(0..behind)).1))
                        .unwrap_or(found),
                    When::Now
                    | When::UntilNow
                    | When::Wider
                    | When::Before(_)
                    | When::Earlier
                    | When::Plan => found,
                }
            });
            let (times, next) = times(sequence, inherited);
            whens.push(times);
            if sequence.parent.is_none() {
                after = next;
            }
        }
        (whens, after)
    }

    /// A number without words of its own before another figure shares what is said of that: `03 quyết định, 02 kế hoạch đã được ban hành`.
    fn share(
        &self,
        sequences: &[Sequence],
        (token, s, item): (usize, usize, usize),
        work: &mut Work<'_>,
    ) {
        let (Some(sequence), Some(number)) =
            (sequences.get(s), self.tokens.get(token).and_then(Token::number))
        else {
            return;
        };
        let free = |one: &Unclaimed| one.place == number.range && one.reason == Reason::NoPattern;
        let (Some(at), Ok(value)) = (work.reading.unclaimed.iter().rposition(free), number.value)
        else {
            return;
        };
        let Some((names, count)) = sequence.items.get(item + 1).and_then(|item| item.member) else {
            return;
        };
        let mut next = item + 1 + count;
        while matches!(sequence.slice(&(next..next + 1)).1.trim(), "," | "và" | ";") {
            next += 1;
        }
        let Some(claim) = work
            .claims
            .iter()
            .find(|claim| claim.item == (s, next) && claim.now && claim.is_here())
            .cloned()
        else {
            return;
        };
        let other = |(dimension, member): &&(String, String)| {
            claim.measure.members.get(dimension).is_some_and(|other| other != member)
        };
        let Some((dimension, member)) =
            self.setting.lexicon.members.get(names).into_iter().flatten().find(other)
        else {
            return;
        };
        let Some(measure) = claim.of_member(dimension, member, self.setting) else { return };
        work.reading.unclaimed.remove(at);
        let shared = claim.shared(measure, value, (s, item));
        work.found(number, shared, 0, Role::Figure, self.setting.period);
    }

    /// The time as a report of the year so far sees it: what has been since January is its own period.
    fn own_time(&self, when: When) -> When {
        let period = self.setting.period;
        let so_far = period.step() != crate::domain::period::Step::Month
            && period.first() == period.last().january();
        if so_far && matches!(when, When::Wider | When::UntilNow) { When::Now } else { when }
    }

    /// Decides what a number is.
    fn settle(
        &self,
        fitting: &[&Match<'_>],
        seen: &Seen<'_>,
        decided: &Decided<'_>,
        work: &mut Work<'_>,
    ) {
        let Decided { number, when, .. } = *decided;
        let (best, doubt) = self.best(fitting, seen, decided, work);
        let Some((claim, found)) = best else {
            if doubt.is_none() && matches!(when, When::Before(_)) {
                let lead = work.above.members();
                let list = Claims {
                    setting: self.setting,
                    seen,
                    claims: work.claims.as_slice(),
                    lead,
                    value: number.value.ok(),
                };
                if let Some(claim) = list.earlier() {
                    return self.earlier(claim, number, when, 0, work);
                }
            }
            let (reason, measure) = doubt
                .map_or((reason_of(when, number), None), |(reason, measure)| {
                    (reason, Some(measure))
                });
            return self.refuse(number, reason, measure, work);
        };
        let value = match number.value {
            Ok(value) => value,
            Err(Flaw::Range) => {
                return self.refuse(number, Reason::Range, Some(claim.measure), work);
            }
            Err(Flaw::Malformed | Flaw::Spaces | Flaw::TooLarge) => {
                return self.refuse(number, Reason::MalformedNumber, Some(claim.measure), work);
            }
        };
        let claim = Claim { value, item: (seen.sequence, seen.item), ..claim };
        if found.recognizer.target.is_some() {
            let period = Period::containing(Step::Year, self.setting.period.last());
            return work.target(number, &claim, found, period);
        }
        match if found.recognizer.timeless { When::Now } else { when } {
            When::Now => {}
            When::UntilNow if self.is_level(found.recognizer) => {}
            When::Before(_) => return self.earlier(claim, number, when, found.gap, work),
            When::UntilNow | When::Wider | When::Earlier | When::Plan | When::Change => {
                self.refuse(number, reason_of(when, number), Some(claim.measure.clone()), work);
                work.claims.push(Claim { now: false, ..claim });
                return;
            }
        }
        if claim.unit == self.setting.unit
            && let Some(reason) = self.foreign(found, seen, work.above)
        {
            return self.refuse(number, reason, Some(claim.measure), work);
        }
        let kpi = self.setting.catalogue.indicator(&claim.measure.code).is_none();
        let role = if number.approximate && kpi { Role::Rounded } else { Role::Figure };
        work.found(number, claim, found.gap, role, self.setting.period);
    }

    /// The best claim on a number, if one is better than all others; and what stands against one.
    fn best<'m>(
        &self,
        fitting: &[&'m Match<'a>],
        seen: &Seen<'_>,
        decided: &Decided<'_>,
        work: &mut Work<'_>,
    ) -> (Option<(Claim, &'m Match<'a>)>, Doubt) {
        let mut best: Option<(Claim, &Match<'_>, Rank, bool)> = None;
        let mut doubt = None;
        for found in fitting {
            // What a phrase passes over is about its number, too.
            let segment =
                seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
            let around = Seen { segment, clause: seen.clause.clone(), ..*seen };
            let lead = work.above.members();
            let list = Claims {
                setting: self.setting,
                seen: &around,
                claims: work.claims.as_slice(),
                lead,
                value: decided.number.value.ok(),
            };
            let claim = match list.claim(found.recognizer, &found.members, found.unit) {
                Ok(claim) => claim,
                Err(None) => {
                    work.consider(decided.number, &found.recognizer.code, || {
                        "no figure before that it belongs to, or a member is missing".to_owned()
                    });
                    continue;
                }
                Err(Some(reason)) => {
                    work.consider(decided.number, &found.recognizer.code, || format!("{reason:?}"));
                    doubt = Some((reason, found.recognizer.measure.clone()));
                    continue;
                }
            };
            work.consider(decided.number, &found.recognizer.code, || {
                format!("fits: {} ({:?})", claim.measure, decided.when)
            });
            let timely = match decided.when {
                When::Now | When::Before(_) => true,
                When::UntilNow => self.is_level(found.recognizer),
                When::Wider | When::Earlier | When::Plan | When::Change => {
                    found.recognizer.timeless
                }
            };
            let rank = (timely, claim.anchored, found.weight, std::cmp::Reverse(found.gap));
            match &best {
                // Another figure that is as likely: it is none.
                Some((other, _, known, _))
                    if *known == rank
                        && (other.measure != claim.measure || other.unit != claim.unit) =>
                {
                    doubt = Some((Reason::Ambiguous, claim.measure.clone()));
                    best = Some((claim, found, rank, false));
                }
                Some((_, _, known, _)) if *known >= rank => {}
                _ => best = Some((claim, found, rank, true)),
            }
        }
        (best.filter(|(.., sure)| *sure).map(|(claim, found, ..)| (claim, found)), doubt)
    }

    /// A figure of an earlier month.
    fn earlier(&self, claim: Claim, number: &Number, when: When, gap: usize, work: &mut Work<'_>) {
        let (When::Before(months), Ok(value)) = (when, number.value) else { return };
        let period = if months == 12 {
            self.setting.period.year_before()
        } else {
            self.setting.period.back(1)
        };
        work.found(number, Claim { now: false, value, ..claim }, gap, Role::Earlier, period);
    }

    /// A number that is no figure. Words for nothing are only worth a line where a pattern found them.
    fn refuse(
        &self,
        number: &Number,
        reason: Reason,
        measure: Option<Measure>,
        work: &mut Work<'_>,
    ) {
        if self
            .text
            .get(number.range.clone())
            .is_some_and(|printed| printed.contains(|c: char| c.is_ascii_digit()))
        {
            work.reading.unclaimed.push(Unclaimed {
                place: number.range.clone(),
                sentence: work.span.clone(),
                reason,
                measure,
            });
        }
    }

    /// Whether a measure is a level: what there is until now is what it is now.
    fn is_level(&self, recognizer: &Recognizer) -> bool {
        recognizer.kin.iter().all(|code| {
            self.setting
                .catalogue
                .indicator(code)
                .is_some_and(|indicator| indicator.kind != Sort::Flow)
        })
    }

    /// Why a number is another unit's, if it is.
    fn foreign(&self, found: &Match<'_>, seen: &Seen<'_>, above: &Above) -> Option<Reason> {
        if found.recognizer.names_unit {
            return None;
        }
        let sequence = seen.sequences.get(seen.sequence)?;
        // "bình quân cả nước đạt 43,5%"
        let clause = sequence.slice(&seen.clause).1;
        let of_others = [
            " cả nước ",
            " một cửa huyện ",
            " một cửa xã ",
            " một cửa cấp huyện ",
            " một cửa cấp xã ",
        ]
        .iter()
        .any(|other| clause.contains(other));
        if above.foreign || of_others || self.subject_is_foreign(seen) {
            return Some(Reason::OtherUnit);
        }
        // "01 (huyện Châu Thành)"
        if sequence.hidden_units.iter().any(|(at, unit)| {
            seen.segment.contains(at) && *at >= seen.item && *unit != self.setting.unit
        }) {
            return Some(Reason::OtherUnit);
        }
        for item in seen.segment.clone() {
            let Some(entry) = sequence.items.get(item) else { continue };
            if let Some(unit) = entry
                .unit
                .and_then(|unit| self.setting.units.get(unit))
                .filter(|_| entry.unit != Some(self.setting.unit))
                && matches!(
                    unit.document.kind,
                    UnitKind::District | UnitKind::Commune | UnitKind::Agency
                )
            {
                return Some(Reason::OtherUnit);
            }
            let word = |at: usize| self.tokens.get(at).and_then(Token::word).unwrap_or_default();
            let after = match (word(entry.token), word(entry.token + 1)) {
                ("thị", "xã" | "trấn") | ("thành", "phố") => entry.token + 2,
                ("huyện" | "xã" | "phường" | "sở", _) => entry.token + 1,
                _ => continue,
            };
            let capital = self
                .tokens
                .get(after)
                .filter(|token| matches!(token.kind, Kind::Word(_)))
                .and_then(|token| self.text.get(token.range.clone()))
                .is_some_and(|name| name.starts_with(char::is_uppercase));
            let own = matches!(word(after), "thông" | "tt" | "tttt" | "tt&tt");
            if capital && !own && !self.shouts(after) {
                return Some(Reason::OtherUnit);
            }
        }
        None
    }

    /// Whether what is said is said of somebody else: a clause before the number, or its own, begins with another unit, and none behind that
    /// with the whole.
    fn subject_is_foreign(&self, seen: &Seen<'_>) -> bool {
        let (mut sequence, mut before) = (seen.sequence, seen.item);
        loop {
            let Some(list) = seen.sequences.get(sequence) else { return false };
            for clause in
                list.clauses().into_iter().rev().filter(|clause| clause.range.start <= before)
            {
                let (_, line) =
                    list.slice(&(clause.range.start..clause.range.end.min(clause.range.start + 6)));
                if WHOLES.iter().any(|whole| line.starts_with(whole)) {
                    return false;
                }
                let starts = OTHERS.iter().any(|other| line.starts_with(other));
                let token =
                    list.items.get(clause.range.start).map_or(usize::MAX, |item| item.token);
                let named = list.items.get(clause.range.start).and_then(|item| item.unit);
                if starts || self.begins_with_another(token, named) {
                    return true;
                }
            }
            match list.parent {
                Some((parent, behind)) => (sequence, before) = (parent, behind),
                None => return false,
            }
        }
    }

    /// Whether a stretch begins with the name of another unit than the report's; the department that writes the report is none.
    pub(super) fn begins_with_another(&self, token: usize, named: Option<usize>) -> bool {
        if let Some(unit) = named {
            let own = unit == self.setting.unit
                || self.setting.units.ancestors(self.setting.unit).any(|above| above == unit);
            // Since 2025 the departments of science and technology write these reports.
            let writes = |name: &str| {
                name.contains("thông tin và truyền thông") || name == "sở khoa học và công nghệ"
            };
            let writer = self
                .setting
                .units
                .get(unit)
                .is_some_and(|unit| writes(&unit.document.name.vi.to_lowercase()));
            return !own && !writer;
        }
        let word = |at: usize| self.tokens.get(at).and_then(Token::word).unwrap_or_default();
        let skipped = if (word(token), word(token + 1), word(token + 2), word(token + 3))
            == ("ủy", "ban", "nhân", "dân")
        {
            4
        } else {
            0
        };
        let at = token.saturating_add(skipped);
        let name = match (word(at), word(at + 1)) {
            ("thị", "xã" | "trấn") | ("thành", "phố") | ("bệnh", "viện") => at + 2,
            ("huyện" | "quận" | "xã" | "phường" | "sở" | "tỉnh", _) => at + 1,
            _ => return false,
        };
        let text = self
            .tokens
            .get(name)
            .filter(|token| token.word().is_some())
            .and_then(|token| self.text.get(token.range.clone()))
            .unwrap_or_default();
        text.starts_with(char::is_uppercase) && !matches!(word(name), "thông" | "tt" | "tttt")
    }

    /// Whether a word stands among others wholly in capitals, so that its first letter says nothing.
    pub(super) fn shouts(&self, token: usize) -> bool {
        self.tokens
            .get(token)
            .and_then(|token| self.text.get(token.range.clone()))
            .is_some_and(|word| word.chars().count() > 1 && !word.contains(char::is_lowercase))
    }
}

impl Work<'_> {
    /// Notes what was considered, where that is wanted.
    fn consider(&mut self, number: &Number, pattern: &str, verdict: impl FnOnce() -> String) {
        if let Some(considered) = self.considered.as_deref_mut() {
            considered.push(Considered {
                place: number.range.clone(),
                sentence: self.span.clone(),
                pattern: pattern.to_owned(),
                verdict: verdict(),
            });
        }
    }

    /// A figure.
    fn found(&mut self, number: &Number, claim: Claim, gap: usize, role: Role, period: Period) {
        self.reading.figures.push(Found {
            measure: claim.measure.clone(),
            target: None,
            unit: claim.unit,
            period,
            value: claim.value,
            approximate: number.approximate,
            role,
            place: number.range.clone(),
            sentence: self.span.clone(),
            pattern: claim.pattern.clone(),
            confidence: confidence(gap, &claim, number.approximate),
        });
        self.claims.push(claim);
    }

    /// A target; nothing belongs to it.
    fn target(&mut self, number: &Number, claim: &Claim, found: &Match<'_>, period: Period) {
        self.reading.figures.push(Found {
            measure: claim.measure.clone(),
            target: found.recognizer.target.clone(),
            unit: claim.unit,
            period,
            value: claim.value,
            approximate: number.approximate,
            role: Role::Target,
            place: number.range.clone(),
            sentence: self.span.clone(),
            pattern: claim.pattern.clone(),
            confidence: confidence(found.gap, claim, number.approximate),
        });
    }
}

fn confidence(gap: usize, claim: &Claim, approximate: bool) -> f64 {
    let gap = f64::from(u32::try_from(gap.min(10)).unwrap_or(10));
    let sure = 1.0
        - 0.02 * gap
        - if claim.anchored { 0.05 } else { 0.0 }
        - if approximate { 0.1 } else { 0.0 };
    (sure * 100.0).round() / 100.0
}

fn reason_of(when: When, number: &Number) -> Reason {
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
