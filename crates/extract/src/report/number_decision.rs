//! The decision about each number: a figure with members, unit and time, or the reason why it is
//! not taken.

use std::ops::Range;

use super::claim_resolver::ClaimResolver;
use super::correction::{is_taken_back, replaces};
use super::extract::{
    ConsideredPattern, ExtractedFigure, FigureRole, ReportExtract, SkipReason, UnclaimedNumber,
};
use super::figure_claim::FigureClaim;
use super::heading_context::HeadingContext;
use super::item_sequence::{ItemSequence, SequenceItem};
use super::lexicon::PatternRecognizer;
use super::owner_scope::OwnerScope;
use super::paragraph::ReportParagraph;
use super::pattern_match::{NumberContext, PatternMatch, clause_of_number};
use super::time_scope::{TimeScope, compared_with, time_scopes};
use super::tokenizer::Token;
use super::words::words;
use kpi::catalogue::IndicatorKind;
use kpi::measure::Measure;
use kpi::period::{Period, Step};
use kpi::unit::UnitKind;
use kpi::vietnamese::numbers::{NumberFlaw, NumberKind, TextNumber};

/// The state of reading a sentence.
pub struct SentenceWork<'w> {
    /// The text above the paragraph.
    pub above: &'w HeadingContext,
    /// The paragraph and the text above it, as one line.
    pub context: &'w str,
    /// The bytes of the sentence in the text.
    pub span: Range<usize>,
    /// The figures found so far, to which later ones may belong.
    pub claims: &'w mut Vec<FigureClaim>,
    /// The result so far.
    pub reading: &'w mut ReportExtract,
    /// Whether the clause of the number begins with a number of something else.
    pub partial: bool,
    /// The owner that the sentence before hands on.
    pub owner: Option<OwnerScope>,
    /// The figure of a number that the text takes back; the next number may be the right one.
    pub corrected: Option<FigureClaim>,
    /// The matches of each number, if they are collected.
    pub considered: Option<&'w mut Vec<ConsideredPattern>>,
}

/// Quality of a match: whether its time fits, whether it belongs to an earlier figure, the number
/// of words that match, and how few are in gaps.
type ClaimRank = (bool, bool, usize, std::cmp::Reverse<usize>);

/// Why a figure is not certain, and its probable measure.
type Uncertainty = Option<(SkipReason, Measure)>;

/// A number about which to decide, with its time.
struct NumberCandidate<'d> {
    number: &'d TextNumber,
    when: TimeScope,
}

impl<'a> ReportParagraph<'a> {
    /// Reads a sentence. Returns the time that applies after it.
    pub(super) fn sentence(
        &self,
        sequences: &[ItemSequence],
        before: TimeScope,
        work: &mut SentenceWork<'_>,
    ) -> TimeScope {
        let (whens, after) = self.time_scopes_of(sequences, before);
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
                .for_each(|number| self.skip_number(number, SkipReason::Ambiguous, None, work));
            return after;
        }
        let matches = self.find_matches(sequences);
        for (token, s, item) in numbers.iter().copied() {
            let (Some(sequence), Some(number)) = (sequences.get(s), number_at(token)) else {
                continue;
            };
            let (clause, segment) = clause_of_number(sequence, item);
            let seen = NumberContext { sequences, sequence: s, item, segment, clause };
            let when = self.normalize_time(
                whens.get(s).and_then(|whens| whens.get(item)).copied().unwrap_or(before),
            );
            let mut fitting = Vec::new();
            let stands = |found: &&PatternMatch<'_>| {
                found.sequence == s
                    && found.item == item
                    && (number.sort == NumberKind::Zero || !found.recognizer.nothing)
            };
            for found in matches.iter().filter(stands) {
                match self.find_rejection(found, &seen, token, work.above, work.context) {
                    None => fitting.push(found),
                    Some(against) => work
                        .note_considered(number, &found.recognizer.code, || format!("{against:?}")),
                }
            }
            let (nothing, ordinary): (Vec<&PatternMatch<'_>>, Vec<&PatternMatch<'_>>) =
                fitting.into_iter().partition(|found| found.recognizer.nothing);
            self.decide(&ordinary, &seen, &NumberCandidate { number, when }, work);
            for found in nothing {
                if !work.claims.iter().any(|claim| {
                    claim.item == (s, item) && claim.measure == found.recognizer.measure
                }) {
                    self.decide(&[found], &seen, &NumberCandidate { number, when }, work);
                }
            }
        }
        numbers
            .iter()
            .rev()
            .for_each(|(token, s, item)| self.share(sequences, (*token, *s, *item), work));
        after
    }

    /// Whether another number follows without a word between, as in a table row that lost its
    /// cells: "1 Văn bản đi 24.611 22.307 88.940". Groups of three digits separated by spaces are
    /// one badly written number.
    fn is_row(&self, token: usize) -> bool {
        let number = |token: usize| self.tokens.get(token).and_then(Token::number);
        let several = |number: &TextNumber| {
            let mut groups =
                self.text.get(number.range.clone()).unwrap_or_default().split_whitespace().skip(1);
            number.value == Err(NumberFlaw::Spaces) && groups.any(|group| group.len() != 3)
        };
        number(token).is_some_and(|own| several(own) || number(token + 1).is_some())
    }

    /// The times of the items of each sequence, and the time that applies after the sentence.
    fn time_scopes_of(
        &self,
        sequences: &[ItemSequence],
        before: TimeScope,
    ) -> (Vec<Vec<TimeScope>>, TimeScope) {
        let (mut whens, mut after): (Vec<Vec<TimeScope>>, TimeScope) = (Vec::new(), before);
        for sequence in sequences {
            let inherited = sequence.parent.map_or(before, |(parent, behind)| {
                let list = whens.get(parent);
                let found = behind
                    .checked_sub(1)
                    .and_then(|item| list.and_then(|list| list.get(item)))
                    .copied()
                    .unwrap_or(before);
                match found {
                    // In "so với tháng trước (24.969)" the number belongs to the month before.
                    TimeScope::Change => sequences
                        .get(parent)
                        .and_then(|list| compared_with(list.slice(&(0..behind)).1))
                        .unwrap_or(found),
                    TimeScope::Now
                    | TimeScope::UntilNow
                    | TimeScope::Wider
                    | TimeScope::WiderFrame
                    | TimeScope::Before(_)
                    | TimeScope::Earlier
                    | TimeScope::Plan => found,
                }
            });
            let (times, next) = time_scopes(sequence, inherited);
            whens.push(times);
            if sequence.parent.is_none() {
                after = next;
            }
        }
        (whens, after)
    }

    /// Applies the statement about the next figure to a number without words of its own:
    /// `03 quyết định, 02 kế hoạch đã được ban hành`.
    fn share(
        &self,
        sequences: &[ItemSequence],
        (token, s, item): (usize, usize, usize),
        work: &mut SentenceWork<'_>,
    ) {
        let (Some(sequence), Some(number)) =
            (sequences.get(s), self.tokens.get(token).and_then(Token::number))
        else {
            return;
        };
        let free = |one: &UnclaimedNumber| {
            one.place == number.range && one.reason == SkipReason::NoPattern
        };
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
        work.found(number, shared, 0, FigureRole::Figure, self.setting.period);
    }

    /// The time as it applies to the report: for a report from January on, the year so far is its
    /// own period.
    fn normalize_time(&self, when: TimeScope) -> TimeScope {
        let period = self.setting.period;
        let so_far =
            period.step() != kpi::period::Step::Month && period.first() == period.last().january();
        if so_far && matches!(when, TimeScope::Wider | TimeScope::WiderFrame | TimeScope::UntilNow)
        {
            TimeScope::Now
        } else {
            when
        }
    }

    /// Decides about a number.
    fn decide(
        &self,
        fitting: &[&PatternMatch<'_>],
        seen: &NumberContext<'_>,
        decided: &NumberCandidate<'_>,
        work: &mut SentenceWork<'_>,
    ) {
        let NumberCandidate { number, when, .. } = *decided;
        let (best, doubt) = self.best_claim(fitting, seen, decided, work);
        let corrected = work.corrected.take();
        let Some((claim, found)) = best else {
            return self.decide_unmatched(doubt, corrected, seen, decided, work);
        };
        if is_taken_back(seen.sequences, seen.sequence, seen.item) {
            return self.take_back(claim, found, seen, decided, work);
        }
        // "4,010 hồ sơ" is no count: a foreign separator, or a slip.
        let whole = self
            .setting
            .catalogue
            .indicator(&claim.measure.code)
            .is_some_and(|indicator| indicator.decimals == 0);
        let value = match number.value {
            Ok(value) if whole && value.scale > 0 => Err(NumberFlaw::Malformed),
            value => value,
        };
        let value = match value {
            Ok(value) => value,
            Err(NumberFlaw::Range) => {
                return self.skip_number(number, SkipReason::Range, Some(claim.measure), work);
            }
            Err(NumberFlaw::Malformed | NumberFlaw::Spaces | NumberFlaw::TooLarge) => {
                // Its parts still belong to it.
                work.claims.push(FigureClaim {
                    now: false,
                    item: (seen.sequence, seen.item),
                    ..claim.clone()
                });
                let measure = Some(claim.measure);
                return self.skip_number(number, SkipReason::MalformedNumber, measure, work);
            }
        };
        let assumed = self.is_assumed(found.recognizer, seen, work.above);
        let claim = FigureClaim { value, assumed, item: (seen.sequence, seen.item), ..claim };
        if found.recognizer.target.is_some() {
            let period = Period::containing(Step::Year, self.setting.period.last());
            return work.target(number, &claim, found, period);
        }
        match if found.recognizer.timeless { TimeScope::Now } else { when } {
            TimeScope::Now => {}
            TimeScope::UntilNow | TimeScope::WiderFrame if self.is_level(found.recognizer) => {}
            TimeScope::Before(_) => return self.earlier(claim, number, when, found.gap, work),
            TimeScope::UntilNow
            | TimeScope::Wider
            | TimeScope::WiderFrame
            | TimeScope::Earlier
            | TimeScope::Plan
            | TimeScope::Change => {
                self.skip_number(
                    number,
                    reason_of(when, number),
                    Some(claim.measure.clone()),
                    work,
                );
                work.claims.push(FigureClaim { now: false, ..claim });
                return;
            }
        }
        if claim.unit == self.setting.unit
            && let Some(reason) = self.foreign_reason(found, seen, work.above, work.owner)
        {
            return self.skip_number(number, reason, Some(claim.measure), work);
        }
        work.partial = seen.clause.start < seen.item
            && seen.sequences.get(seen.sequence).is_some_and(|list| {
                (seen.clause.start..seen.item).any(|item| {
                    list.is_number(item)
                        && !work.claims.iter().any(|claim| claim.item == (seen.sequence, item))
                })
            });
        let kpi = self.setting.catalogue.indicator(&claim.measure.code).is_none();
        let role = if number.approximate && kpi { FigureRole::Rounded } else { FigureRole::Figure };
        work.found(number, claim, found.gap, role, self.setting.period);
    }

    /// Decides about a number that no pattern finds: the right one for a number before it, one of
    /// an earlier month, or one that is not taken.
    fn decide_unmatched(
        &self,
        doubt: Uncertainty,
        corrected: Option<FigureClaim>,
        seen: &NumberContext<'_>,
        decided: &NumberCandidate<'_>,
        work: &mut SentenceWork<'_>,
    ) {
        let NumberCandidate { number, when, .. } = *decided;
        if doubt.is_none()
            && let Some(claim) = corrected.and_then(|claim| self.right_one(claim, seen, decided))
        {
            return work.found(number, claim, 0, FigureRole::Figure, self.setting.period);
        }
        if doubt.is_none() && matches!(when, TimeScope::Before(_)) {
            let lead = work.above.members();
            let list = ClaimResolver {
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
            .map_or((reason_of(when, number), None), |(reason, measure)| (reason, Some(measure)));
        self.skip_number(number, reason, measure, work);
    }

    /// Lists a number that the text takes back, and keeps its figure for the right number.
    fn take_back(
        &self,
        claim: FigureClaim,
        found: &PatternMatch<'_>,
        seen: &NumberContext<'_>,
        decided: &NumberCandidate<'_>,
        work: &mut SentenceWork<'_>,
    ) {
        let is_own = decided.when == TimeScope::Now
            && found.recognizer.target.is_none()
            && self.foreign_reason(found, seen, work.above, work.owner).is_none();
        let measure = Some(claim.measure.clone());
        let item = (seen.sequence, seen.item);
        work.corrected = is_own.then_some(FigureClaim { item, ..claim });
        self.skip_number(decided.number, SkipReason::Corrected, measure, work);
    }

    /// The figure of a number that stands for the one before, which is taken back: "không phải
    /// 500 văn bản mà là 520 văn bản".
    fn right_one(
        &self,
        wrong: FigureClaim,
        seen: &NumberContext<'_>,
        decided: &NumberCandidate<'_>,
    ) -> Option<FigureClaim> {
        let list = seen.sequences.get(seen.sequence)?;
        let value = decided.number.value.ok().filter(|_| decided.when == TimeScope::Now)?;
        let exact = self
            .setting
            .catalogue
            .indicator(&wrong.measure.code)
            .is_none_or(|indicator| indicator.decimals > 0 || value.scale == 0);
        let is_right = wrong.item.0 == seen.sequence
            && exact
            && replaces(list, wrong.item.1, seen.item)
            && !is_taken_back(seen.sequences, seen.sequence, seen.item);
        let item = (seen.sequence, seen.item);
        is_right.then_some(FigureClaim { value, item, anchored: true, ..wrong })
    }

    /// The best figure for a number, if it is better than all others, and otherwise why it is not
    /// certain.
    fn best_claim<'m>(
        &self,
        fitting: &[&'m PatternMatch<'a>],
        seen: &NumberContext<'_>,
        decided: &NumberCandidate<'_>,
        work: &mut SentenceWork<'_>,
    ) -> (Option<(FigureClaim, &'m PatternMatch<'a>)>, Uncertainty) {
        let mut best: Option<(FigureClaim, &PatternMatch<'_>, ClaimRank, bool)> = None;
        let mut doubt = None;
        for found in fitting {
            // The words in a gap of the phrase belong to its number too.
            let segment =
                seen.segment.start.min(found.span.start)..seen.segment.end.max(found.span.end);
            let around = NumberContext { segment, clause: seen.clause.clone(), ..*seen };
            let lead = work.above.members();
            let list = ClaimResolver {
                setting: self.setting,
                seen: &around,
                claims: work.claims.as_slice(),
                lead,
                value: decided.number.value.ok(),
            };
            let claim = match list.resolve_claim(found.recognizer, &found.members, found.unit) {
                Ok(claim) => claim,
                Err(None) => {
                    work.note_considered(decided.number, &found.recognizer.code, || {
                        "no figure before that it belongs to, or a member is missing".to_owned()
                    });
                    continue;
                }
                Err(Some(reason)) => {
                    work.note_considered(decided.number, &found.recognizer.code, || {
                        format!("{reason:?}")
                    });
                    doubt = Some((reason, found.recognizer.measure.clone()));
                    continue;
                }
            };
            work.note_considered(decided.number, &found.recognizer.code, || {
                format!("fits: {} ({:?})", claim.measure, decided.when)
            });
            let timely = match decided.when {
                TimeScope::Now | TimeScope::Before(_) => true,
                TimeScope::UntilNow | TimeScope::WiderFrame => self.is_level(found.recognizer),
                TimeScope::Wider | TimeScope::Earlier | TimeScope::Plan | TimeScope::Change => {
                    found.recognizer.timeless
                }
            };
            let rank = (timely, claim.anchored, found.weight, std::cmp::Reverse(found.gap));
            match &best {
                // Another figure is equally likely, so neither is taken.
                Some((other, _, known, _))
                    if *known == rank
                        && (other.measure != claim.measure || other.unit != claim.unit) =>
                {
                    doubt = Some((SkipReason::Ambiguous, claim.measure.clone()));
                    best = Some((claim, found, rank, false));
                }
                Some((_, _, known, _)) if *known >= rank => {}
                _ => best = Some((claim, found, rank, true)),
            }
        }
        (best.filter(|(.., sure)| *sure).map(|(claim, found, ..)| (claim, found)), doubt)
    }

    /// Adds a figure of an earlier month.
    fn earlier(
        &self,
        claim: FigureClaim,
        number: &TextNumber,
        when: TimeScope,
        gap: usize,
        work: &mut SentenceWork<'_>,
    ) {
        let (TimeScope::Before(months), Ok(value)) = (when, number.value) else { return };
        let period = if months == 12 {
            self.setting.period.year_before()
        } else {
            self.setting.period.back(1)
        };
        work.found(
            number,
            FigureClaim { now: false, value, ..claim },
            gap,
            FigureRole::Earlier,
            period,
        );
    }

    /// Adds a number that is not taken. Words for zero are listed only when a pattern matched.
    fn skip_number(
        &self,
        number: &TextNumber,
        reason: SkipReason,
        measure: Option<Measure>,
        work: &mut SentenceWork<'_>,
    ) {
        if self
            .text
            .get(number.range.clone())
            .is_some_and(|printed| printed.contains(|c: char| c.is_ascii_digit()))
            // "lOO", in which every digit is a letter
            || number.value == Err(NumberFlaw::Malformed)
        {
            work.reading.unclaimed.push(UnclaimedNumber {
                place: number.range.clone(),
                sentence: work.span.clone(),
                reason,
                measure,
            });
        }
    }

    /// Whether the measure is a level, so that its value up to now is its current value.
    pub(super) fn is_level(&self, recognizer: &PatternRecognizer) -> bool {
        recognizer.kin.iter().all(|code| {
            self.setting
                .catalogue
                .indicator(code)
                .is_some_and(|indicator| indicator.kind != IndicatorKind::Flow)
        })
    }

    /// The reason, if a number belongs to another unit.
    fn foreign_reason(
        &self,
        found: &PatternMatch<'_>,
        seen: &NumberContext<'_>,
        above: &HeadingContext,
        owner: Option<OwnerScope>,
    ) -> Option<SkipReason> {
        if found.recognizer.names_unit {
            return None;
        }
        let sequence = seen.sequences.get(seen.sequence)?;
        // "bình quân cả nước đạt 43,5%"
        let clause = sequence.slice(&seen.clause).1;
        let of_another = words().owner.elsewhere.iter().any(|other| clause.contains(other))
            || !self.is_own_subject(sequence, &seen.clause)
                && self.is_of_another_whole(sequence, &(seen.clause.start..seen.segment.end));
        let system = found.recognizer.system.as_deref();
        if above.foreign
            || of_another
            || self.names_other_field(sequence, &seen.segment, false)
            || self.subject_is_foreign(seen, (owner, above.tiers), system)
        {
            return Some(SkipReason::OtherUnit);
        }
        // "01 (huyện Châu Thành)"
        if sequence.hidden_units.iter().any(|(at, unit)| {
            seen.segment.contains(at) && *at >= seen.item && *unit != self.setting.unit
        }) {
            return Some(SkipReason::OtherUnit);
        }
        let is_other = |item: usize| {
            sequence.items.get(item).is_some_and(|entry| self.names_another_unit(entry))
        };
        seen.segment.clone().any(is_other).then_some(SkipReason::OtherUnit)
    }

    /// Whether an item names another unit than the report's, known or by a word for its kind and a
    /// capital letter.
    fn names_another_unit(&self, entry: &SequenceItem) -> bool {
        if entry.unit == Some(self.setting.unit) {
            return false;
        }
        let named = entry.unit.and_then(|unit| self.setting.units.get(unit));
        let is_known = named.is_some_and(|unit| {
            matches!(unit.document.kind, UnitKind::District | UnitKind::Commune | UnitKind::Agency)
        });
        let is_unknown = || {
            let kind = self.longest_at(entry.token, &words().owner.beside_number);
            let name = kind.map(|kind| entry.token + kind);
            name.is_some_and(|name| {
                self.begins_name(name) && !self.is_writer(name) && !self.is_in_capitals(name)
            })
        };
        is_known || is_unknown()
    }

    /// Whether the statement is about another owner: the clause of the number, or the nearest one
    /// before it that names an owner, begins with another one. If none does, the owner of the
    /// sentence before applies.
    /// What is counted about a system of the country, such as the procedures published on it, is
    /// the unit's.
    fn subject_is_foreign(
        &self,
        seen: &NumberContext<'_>,
        (before, tiers): (Option<OwnerScope>, bool),
        system: Option<&str>,
    ) -> bool {
        let (mut sequence, mut at) = (seen.sequence, seen.item);
        loop {
            let Some(list) = seen.sequences.get(sequence) else { return false };
            let clauses = list.clauses();
            let owner = clauses
                .iter()
                .rev()
                .filter(|clause| clause.range.start <= at)
                .filter(|clause| !self.is_of_system(list, &clause.range, system))
                .find_map(|clause| self.owner_among(tiers, list, &clause.range));
            match (owner, list.parent) {
                (Some(OwnerScope::Own), _) => return self.stands_beside_another(list),
                (Some(OwnerScope::Other), _) => return true,
                (None, Some((parent, behind))) => (sequence, at) = (parent, behind),
                (None, None) => return before == Some(OwnerScope::Other),
            }
        }
    }

    /// Whether a sentence names one-stop offices of several tiers beside each other.
    fn stands_beside_another(&self, list: &ItemSequence) -> bool {
        let clauses = list.clauses();
        clauses.iter().any(|clause| self.is_office(list, &clause.range))
            && clauses
                .iter()
                .any(|clause| self.owner_of_clause(list, &clause.range) == Some(OwnerScope::Other))
    }

    /// Whether a clause begins with a system of the country that the catalogue has too.
    fn is_of_system(
        &self,
        list: &ItemSequence,
        clause: &Range<usize>,
        system: Option<&str>,
    ) -> bool {
        let Some(name) = self.national_system(list, clause) else { return false };
        let name: Vec<&str> = name.split(' ').collect();
        let lexicon = self.setting.lexicon;
        let topic = lexicon
            .topics
            .at(&name)
            .filter(|(_, words)| *words == name.len())
            .and_then(|(topic, _)| lexicon.systems.get(topic));
        topic.is_some_and(|topic| Some(topic.as_str()) == system)
    }

    /// The owner that a sentence names, in a section that counts the dossiers of other `tiers` or
    /// does not.
    pub(super) fn owner_of_sentence(
        &self,
        sequences: &[ItemSequence],
        tiers: bool,
    ) -> Option<OwnerScope> {
        let list = sequences.first()?;
        list.clauses().iter().find_map(|clause| self.owner_among(tiers, list, &clause.range))
    }
}

impl SentenceWork<'_> {
    /// Records a match, if matches are collected.
    fn note_considered(
        &mut self,
        number: &TextNumber,
        pattern: &str,
        verdict: impl FnOnce() -> String,
    ) {
        if let Some(considered) = self.considered.as_deref_mut() {
            considered.push(ConsideredPattern {
                place: number.range.clone(),
                sentence: self.span.clone(),
                pattern: pattern.to_owned(),
                verdict: verdict(),
            });
        }
    }

    /// Adds a figure.
    fn found(
        &mut self,
        number: &TextNumber,
        claim: FigureClaim,
        gap: usize,
        role: FigureRole,
        period: Period,
    ) {
        self.reading.figures.push(ExtractedFigure {
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
            partial: self.partial,
            confidence: confidence(gap, &claim, number.approximate),
        });
        self.claims.push(claim);
    }

    /// Adds a target. Later figures do not refer to it.
    fn target(
        &mut self,
        number: &TextNumber,
        claim: &FigureClaim,
        found: &PatternMatch<'_>,
        period: Period,
    ) {
        self.reading.figures.push(ExtractedFigure {
            measure: claim.measure.clone(),
            target: found.recognizer.target.clone(),
            unit: claim.unit,
            period,
            value: claim.value,
            approximate: number.approximate,
            role: FigureRole::Target,
            place: number.range.clone(),
            sentence: self.span.clone(),
            pattern: claim.pattern.clone(),
            partial: false,
            confidence: confidence(found.gap, claim, number.approximate),
        });
    }
}

/// Reduction of the confidence of a number that the text itself marks as not exact, so that its
/// confidence is always below 0.9.
const APPROXIMATE_PENALTY: f64 = 0.15;

/// Reduction of the confidence of a figure of a system that the text does not name, so that it
/// needs acceptance.
const ASSUMED_PENALTY: f64 = 0.25;

fn confidence(gap: usize, claim: &FigureClaim, approximate: bool) -> f64 {
    let gap = f64::from(u32::try_from(gap.min(10)).unwrap_or(10));
    let sure = 1.0
        - 0.02 * gap
        - if claim.anchored { 0.05 } else { 0.0 }
        - if claim.assumed { ASSUMED_PENALTY } else { 0.0 }
        - if approximate { APPROXIMATE_PENALTY } else { 0.0 };
    (sure * 100.0).round() / 100.0
}

fn reason_of(when: TimeScope, number: &TextNumber) -> SkipReason {
    match (number.value, when) {
        (Err(NumberFlaw::Range), _) => SkipReason::Range,
        (Err(NumberFlaw::Malformed | NumberFlaw::Spaces | NumberFlaw::TooLarge), _) => {
            SkipReason::MalformedNumber
        }
        (Ok(_), TimeScope::Change) => SkipReason::Comparison,
        (Ok(_), TimeScope::Plan) => SkipReason::Plan,
        (Ok(_), TimeScope::Wider | TimeScope::WiderFrame | TimeScope::UntilNow) => {
            SkipReason::WiderPeriod
        }
        (Ok(_), TimeScope::Earlier | TimeScope::Before(_)) => SkipReason::EarlierPeriod,
        (Ok(_), TimeScope::Now) => SkipReason::NoPattern,
    }
}
