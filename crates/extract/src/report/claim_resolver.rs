//! Members of a figure: those of its pattern, those named beside it, those of the figure that it is
//! a part of, and those of the words that introduce it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::context::ReportContext;
use super::extract::{FigureRole, ReportExtract, SkipReason, UnclaimedNumber};
use super::figure_claim::FigureClaim;
use super::item_sequence::ItemSequence;
use super::lexicon::{PatternRecognizer, UnnamedDimension};
use super::pattern_match::NumberContext;
use super::words::{ClaimWords, words};
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::phrase::sign;
use kpi::unit::UnitPosition;

/// The figures found so far, as they apply to a number.
#[derive(Clone, Copy)]
pub struct ClaimResolver<'a> {
    /// What the report is read with.
    pub setting: &'a ReportContext<'a>,
    /// The number.
    pub seen: &'a NumberContext<'a>,
    /// The figures found so far, in order.
    pub claims: &'a [FigureClaim],
    /// The members named by the words that introduce the paragraph.
    pub lead: Option<&'a Members>,
    /// The number's value.
    pub value: Option<Decimal64>,
}

/// The members of a figure while they are collected.
struct MemberNaming {
    named: BTreeMap<String, String>,
    /// The members of the figure that it is a part of.
    parent: Option<Members>,
    /// Whether some members were taken from that figure.
    anchored: bool,
    unit: Option<UnitPosition>,
}

impl MemberNaming {
    /// Adds members of dimensions that are open and have no member yet.
    fn add<'m>(
        &mut self,
        recognizer: &PatternRecognizer,
        members: impl Iterator<Item = (&'m str, &'m str)>,
    ) {
        for (dimension, member) in members {
            let open = recognizer.dimensions.iter().any(|open| {
                open.code == dimension && open.members.iter().any(|known| known == member)
            });
            if open && !self.named.contains_key(dimension) {
                self.named.insert(dimension.to_owned(), member.to_owned());
                self.anchored = true;
            }
        }
    }
}

/// Adds a member. A second member of its dimension, or one that the measure does not have, makes
/// the figure ambiguous.
fn name(
    recognizer: &PatternRecognizer,
    named: &mut BTreeMap<String, String>,
    dimension: &str,
    member: &str,
) -> Result<(), Option<SkipReason>> {
    let known = recognizer
        .dimensions
        .iter()
        .any(|open| open.code == dimension && open.members.iter().any(|known| known == member));
    match named.insert(dimension.to_owned(), member.to_owned()) {
        _ if !known => Err(Some(SkipReason::Ambiguous)),
        Some(other) if other != member => Err(Some(SkipReason::Ambiguous)),
        _ => Ok(()),
    }
}

/// Adds the members that a dimension `within` another requires.
fn name_hosts(
    recognizer: &PatternRecognizer,
    named: &mut BTreeMap<String, String>,
) -> Result<(), Option<SkipReason>> {
    let hosts = recognizer
        .dimensions
        .iter()
        .filter(|open| named.contains_key(&open.code))
        .filter_map(|open| open.within.clone());
    for (host, member) in hosts.collect::<Vec<_>>() {
        match named.get(&host) {
            Some(known) if *known != member => return Err(Some(SkipReason::Ambiguous)),
            Some(_) => {}
            None => {
                named.insert(host, member);
            }
        }
    }
    Ok(())
}

impl ClaimResolver<'_> {
    /// The figure that a pattern finds.
    ///
    /// # Errors
    /// `None` when the pattern does not apply after all, otherwise why the figure is not certain.
    pub fn resolve_claim(
        &self,
        recognizer: &PatternRecognizer,
        bound: &[(String, String)],
        unit: Option<UnitPosition>,
    ) -> Result<FigureClaim, Option<SkipReason>> {
        let sequence = self.seen.sequences.get(self.seen.sequence).ok_or(None)?;
        if self.is_level_digit(sequence) {
            return Err(None);
        }
        let mut naming = MemberNaming {
            named: recognizer
                .measure
                .members
                .iter()
                .map(|(d, m)| (d.to_owned(), m.to_owned()))
                .collect(),
            parent: None,
            anchored: false,
            unit,
        };
        let own = self.own_members(sequence, recognizer, bound, &mut naming.named)?;
        self.inherit_members(sequence, recognizer, own, &mut naming)?;
        for open in recognizer.dimensions.iter().filter(|_| !recognizer.whole) {
            if !naming.named.contains_key(&open.code)
                && let Some(member) = self.introduced_member(open)
            {
                name(recognizer, &mut naming.named, &open.code, &member)?;
            }
        }
        if self.is_of_a_part(sequence, recognizer) {
            return Err(Some(SkipReason::Ambiguous));
        }
        let named = naming.named.len();
        name_hosts(recognizer, &mut naming.named)?;
        // "Tổng số 6.180 (USB: 4.915; SIM PKI: 1.265)" divides all certificates, and not those of
        // individuals alone, which only have tokens in the catalogue.
        let divides_all = naming.parent.as_ref().is_some_and(|parent| {
            naming.named.iter().all(|(dimension, _)| parent.get(dimension).is_none())
        });
        if naming.named.len() > named && divides_all {
            return Err(Some(SkipReason::Ambiguous));
        }
        if recognizer.needs.iter().any(|dimension| !naming.named.contains_key(dimension)) {
            return Err(None);
        }
        if recognizer.names_unit && naming.unit.is_none() {
            return Err(Some(SkipReason::OtherUnit));
        }
        let members = Members::new(naming.named.into_iter().collect())
            .map_err(|_twice| Some(SkipReason::Ambiguous))?;
        let measure = Measure { code: recognizer.measure.code.clone(), members };
        if !self.setting.catalogue.measure_faults(&measure).is_empty() {
            return Err(Some(SkipReason::Ambiguous));
        }
        Ok(FigureClaim {
            measure,
            unit: naming.unit.unwrap_or(self.setting.unit),
            value: self.value.unwrap_or(Decimal64 { mantissa: 0, scale: 0 }),
            pattern: recognizer.code.clone(),
            anchored: naming.anchored,
            assumed: false,
            now: true,
            item: (self.seen.sequence, self.seen.item),
            parent: naming.parent,
            outside: false,
        })
    }

    /// Whether an earlier clause restricts the text to a part for which the measure has no members:
    /// in "Riêng mức độ 4, tiếp nhận 500 hồ sơ, giải quyết 480 hồ sơ" the dossiers resolved are not
    /// known by level.
    fn is_of_a_part(&self, sequence: &ItemSequence, recognizer: &PatternRecognizer) -> bool {
        let known = |dimension: &str| {
            recognizer.dimensions.iter().any(|open| open.code == dimension)
                || recognizer.measure.members.get(dimension).is_some()
        };
        // The same applies below "Mức độ 4:".
        if !recognizer.names_unit
            && recognizer.of.is_none()
            && self.lead.is_some_and(|lead| {
                lead.iter().any(|(dimension, _)| {
                    !known(dimension) && recognizer.divides.contains(dimension)
                })
            })
        {
            return true;
        }
        let unknown = |names: usize| {
            let members = self.setting.lexicon.members.get(names).map_or(&[][..], Vec::as_slice);
            !members.is_empty() && !members.iter().any(|(dimension, _)| known(dimension))
        };
        sequence.clauses().into_iter().filter(|clause| clause.range.end <= self.seen.item).any(
            |clause| {
                let (_, line) = sequence.slice(&clause.range);
                let subset =
                    words().claim.restricting.iter().find_map(|words| line.strip_prefix(words));
                let Some(subset) = subset else { return false };
                if clause.range.clone().any(|at| sequence.is_number(at)) {
                    return false;
                }
                let mut members =
                    clause.range.clone().filter_map(|at| sequence.items.get(at)?.member).peekable();
                match members.peek() {
                    Some(_) => members.any(|(names, _)| unknown(names)),
                    // "Đối với đoàn đông người, có 05 lượt đoàn": a part of another kind.
                    None => {
                        let first = subset.split_whitespace().next().unwrap_or_default();
                        first.chars().all(char::is_alphabetic)
                            && !words().claim.general.contains(first)
                            && !recognizer.words.contains(first)
                            && recognizer.of.is_none()
                            && !recognizer.names_unit
                    }
                }
            },
        )
    }

    /// Adds the members named in the phrase or beside the number. Returns whether there are any.
    fn own_members(
        &self,
        sequence: &ItemSequence,
        recognizer: &PatternRecognizer,
        bound: &[(String, String)],
        named: &mut BTreeMap<String, String>,
    ) -> Result<bool, Option<SkipReason>> {
        for (dimension, member) in bound {
            name(recognizer, named, dimension, member)?;
        }
        for open in recognizer.dimensions.iter().filter(|_| !recognizer.whole) {
            // "23 tổ chức, cá nhân" is the total, and a pattern for one of them does not apply.
            if self.names_every_member(sequence, open) {
                if named.contains_key(&open.code) {
                    return Err(None);
                }
                continue;
            }
            if let Some(member) = self.member_beside(sequence, open, named)? {
                name(recognizer, named, &open.code, &member)?;
            }
        }
        if self.is_combined_member(sequence, recognizer, named) {
            return Err(Some(SkipReason::Ambiguous));
        }
        Ok(!named.is_empty() && named.len() > recognizer.measure.members.len())
    }

    /// Adds the members, and the unit, of the figure that this one belongs to.
    fn inherit_members(
        &self,
        sequence: &ItemSequence,
        recognizer: &PatternRecognizer,
        own: bool,
        naming: &mut MemberNaming,
    ) -> Result<(), Option<SkipReason>> {
        let (_, line) = sequence.slice(&self.seen.segment);
        let whole = words().claim.whole.iter().any(|words| line.contains(words));
        let anchor = if whole && recognizer.of.is_none() {
            None
        } else {
            self.find_anchor(recognizer, &naming.named)
        };
        if recognizer.of.is_some() && anchor.is_none() {
            return Err(None);
        }
        if own && anchor.is_none() && self.is_part_of_number(sequence) {
            return Err(Some(SkipReason::Ambiguous));
        }
        let rate = self.setting.catalogue.kpi(&recognizer.measure.code).is_some();
        if let Some((anchor, members)) = anchor.filter(|_| recognizer.of.is_some() || own || rate) {
            let dropped = |dimension: &str| {
                recognizer.of.as_ref().is_some_and(|of| of.members.get(dimension).is_some())
            };
            naming.add(recognizer, members.iter().filter(|(dimension, _)| !dropped(dimension)));
            naming.parent = Some(members);
            if recognizer.of.is_some() && !recognizer.names_unit {
                naming.unit = naming.unit.or(Some(anchor.unit));
            }
        }
        if !own
            && naming.parent.is_none()
            && !recognizer.whole
            && let Some(rate) = self.rate_before(recognizer)
        {
            naming.add(recognizer, rate.iter());
        }
        Ok(())
    }

    /// The member of a dimension that the words around the number name: the one directly beside it,
    /// otherwise the only one in its segment.
    fn member_beside(
        &self,
        sequence: &ItemSequence,
        open: &UnnamedDimension,
        named: &BTreeMap<String, String>,
    ) -> Result<Option<String>, Option<SkipReason>> {
        if named.contains_key(&open.code) {
            return Ok(None);
        }
        let mentions = self.mentions(sequence, &self.seen.segment, open);
        let item = self.seen.item;
        let close = |(at, count, _): &&(usize, usize, String)| {
            (*at > item && *at <= item + 2) || (*at < item && at + count + 1 >= item)
        };
        let mut members: Vec<&String> = mentions.iter().map(|(_, _, member)| member).collect();
        members.dedup();
        members.sort();
        members.dedup();
        match members.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some((*one).clone())),
            [..] => {
                let beside: Vec<&(usize, usize, String)> = mentions.iter().filter(close).collect();
                match beside.as_slice() {
                    [one] => Ok(Some(one.2.clone())),
                    [..] => Err(Some(SkipReason::Ambiguous)),
                }
            }
        }
    }

    /// The places where members of a dimension are named: first item, number of items, members.
    fn mentions(
        &self,
        sequence: &ItemSequence,
        range: &Range<usize>,
        open: &UnnamedDimension,
    ) -> Vec<(usize, usize, String)> {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for at in range.clone() {
            let Some((names, count)) = sequence.items.get(at).and_then(|item| item.member) else {
                continue;
            };
            let Some(members) = self.setting.lexicon.members.get(names) else { continue };
            if found.last().is_some_and(|(before, length, _)| at < before + length) {
                continue;
            }
            if let Some((_, member)) = members.iter().find(|(dimension, member)| {
                *dimension == open.code && open.members.contains(member)
            }) {
                found.push((at, count, member.clone()));
            }
        }
        for (at, names) in sequence.hidden.iter().filter(|(at, _)| range.contains(at)) {
            let members = self.setting.lexicon.members.get(*names).into_iter().flatten();
            found.extend(
                members
                    .filter(|(dimension, member)| {
                        *dimension == open.code && open.members.contains(member)
                    })
                    .map(|(_, member)| (*at, 1, member.clone())),
            );
        }
        found
    }

    /// Whether the words after the number name all members of a dimension, one joined to the next:
    /// `23 tổ chức, cá nhân`.
    fn names_every_member(&self, sequence: &ItemSequence, open: &UnnamedDimension) -> bool {
        let clause = self.seen.clause.start.min(self.seen.item)..sequence.items.len();
        let mentions = self.mentions(sequence, &clause, open);
        let item_text = |at: usize| sequence.slice(&(at..at + 1)).1.trim();
        let mut named = Vec::new();
        let mut next = None;
        for (at, count, member) in mentions {
            let joined = next.is_some_and(|next| {
                at == next + 1 && item_text(next) != "-" && is_joint(item_text(next))
            });
            if !joined {
                named.clear();
                if !self.seen.segment.contains(&at) {
                    next = None;
                    continue;
                }
            }
            named.push(member);
            next = Some(at + count);
            if open.members.len() > 1 && open.members.iter().all(|one| named.contains(one)) {
                return true;
            }
        }
        false
    }

    /// Whether a member beside the number is one of two joined ones: `mức độ 3 và 4`,
    /// `trực tiếp và trực tuyến`.
    fn is_combined_member(
        &self,
        sequence: &ItemSequence,
        recognizer: &PatternRecognizer,
        named: &BTreeMap<String, String>,
    ) -> bool {
        let item_text = |at: usize| sequence.slice(&(at..at + 1)).1.trim();
        recognizer.dimensions.iter().filter(|open| named.contains_key(&open.code)).any(|open| {
            let clause = self.seen.clause.clone();
            let mentions = self.mentions(sequence, &clause, open);
            mentions.iter().any(|(at, count, _)| {
                let behind = at + count;
                let joined = |at: usize| is_joint(item_text(at));
                let pair = joined(behind)
                    && mentions.iter().any(|(other, ..)| *other == behind + 1)
                    && !(*at..=behind + 1).contains(&self.seen.item);
                // A single digit after it: "mức độ 3, 4".
                let digit = joined(behind)
                    && item_text(behind + 1).chars().all(|c| c == sign::PLAIN)
                    && self.small_number(sequence, behind + 1)
                    && self.seen.item != behind + 1;
                pair || digit
            })
        })
    }

    /// Whether the number is the second of two levels: `mức độ 1 và 2`.
    fn is_level_digit(&self, sequence: &ItemSequence) -> bool {
        let Some(joint) = self.seen.item.checked_sub(1) else { return false };
        let joined = is_joint(sequence.slice(&(joint..joint + 1)).1.trim());
        let one_digit =
            self.value.is_some_and(|value| value.scale == 0 && (1..=5).contains(&value.mantissa));
        let level = |item: usize| {
            sequence
                .items
                .get(item)
                .and_then(|item| item.member)
                .is_some_and(|(_, count)| item + count == joint)
        };
        joined
            && one_digit
            && (joint.saturating_sub(4)..joint).any(level)
            && self.small_number(sequence, self.seen.item)
    }

    /// Whether the clause says that the figure is a part of another number that is not a known
    /// figure.
    fn is_part_of_number(&self, sequence: &ItemSequence) -> bool {
        let (_, line) = sequence.slice(&self.seen.clause);
        let part = words().claim.part_of.iter().any(|words| line.starts_with(words));
        part && (0..self.seen.clause.start).any(|at| sequence.is_number(at))
    }

    fn small_number(&self, sequence: &ItemSequence, item: usize) -> bool {
        // The number of a level has one digit and no noun.
        let behind = sequence.slice(&(item + 1..item + 2)).1.trim();
        sequence.is_number(item)
            && !sequence.is_number(item + 1)
            && (matches!(behind, "" | ":" | "." | ";" | "(" | ",")
                || words().claim.behind_level.contains(behind))
    }

    /// The figure of which this one is a part or a rate, and its members. For another part of the
    /// same figure, the members of that figure.
    fn find_anchor(
        &self,
        recognizer: &PatternRecognizer,
        named: &BTreeMap<String, String>,
    ) -> Option<(&FigureClaim, Members)> {
        let visible = |claim: &&FigureClaim| claim.outside || self.visible(claim.item);
        for claim in self.claims.iter().rev().filter(visible) {
            let kpi = self.setting.catalogue.indicator(&claim.measure.code).is_none();
            if kpi {
                continue;
            }
            let kin = match &recognizer.of {
                Some(of) => {
                    of.code == claim.measure.code
                        && of.members.iter().all(|(dimension, member)| {
                            claim.measure.members.get(dimension) == Some(member)
                        })
                }
                None => recognizer.kin.contains(&claim.measure.code),
            };
            if !kin {
                // A part or a rate belongs to the figure directly before it.
                if recognizer.of.is_some() {
                    return None;
                }
                continue;
            }
            let rate = self.setting.catalogue.kpi(&recognizer.measure.code).is_some();
            // A part may be far after its total. A rate, or a figure of another kind, belongs to
            // the number directly before it.
            if recognizer.of.as_ref().is_some_and(|of| of.code != recognizer.measure.code)
                && self.is_separated(claim)
            {
                return None;
            }
            let clashes = |members: &Members| {
                named.iter().any(|(dimension, member)| {
                    members.get(dimension).is_some_and(|known| known != member)
                })
            };
            if !clashes(&claim.measure.members) && (rate || !self.exceeds(claim)) {
                let same = named.iter().all(|(dimension, member)| {
                    claim.measure.members.get(dimension) == Some(member)
                }) && !named.is_empty()
                    && !rate;
                // A figure with the same members is not a part of this one.
                let members = if same {
                    claim.parent.clone().unwrap_or_default()
                } else {
                    claim.measure.members.clone()
                };
                return Some((claim, members));
            }
            if let Some(parent) = claim.parent.as_ref().filter(|parent| !clashes(parent)) {
                return Some((claim, parent.clone()));
            }
            if claim.parent.is_none() && recognizer.of.is_some() && !rate {
                // The figures are side by side without a total.
                return Some((claim, Members::none()));
            }
        }
        None
    }

    /// The members of the rate directly before the number in its clause:
    /// `mức độ 4 chiếm 30,27% với 534 dịch vụ`.
    fn rate_before(&self, recognizer: &PatternRecognizer) -> Option<&Members> {
        let claim = self.claims.last().filter(|claim| {
            !claim.outside
                && claim.now
                && claim.item.0 == self.seen.sequence
                && self.seen.clause.contains(&claim.item.1)
        })?;
        let kpi = self.setting.catalogue.kpi(&claim.measure.code)?;
        let last = self.seen.sequences.get(self.seen.sequence)?;
        let alone = !(claim.item.1 + 1..self.seen.item).any(|item| last.is_number(item));
        (alone
            && kpi
                .formula
                .references()
                .iter()
                .any(|reference| recognizer.kin.contains(&reference.indicator)))
        .then_some(&claim.measure.members)
    }

    fn exceeds(&self, claim: &FigureClaim) -> bool {
        let Some(value) = self.value else { return false };
        let scale = value.scale.max(claim.value.scale);
        claim.now && value.at_scale(scale) > claim.value.at_scale(scale)
    }

    /// Whether another number is between a figure and this one.
    fn is_separated(&self, claim: &FigureClaim) -> bool {
        if claim.outside {
            return true;
        }
        let (mut sequence, mut item) = (self.seen.sequence, self.seen.item);
        loop {
            let Some(list) = self.seen.sequences.get(sequence) else { return true };
            let from = if claim.item.0 == sequence { claim.item.1 + 1 } else { 0 };
            let between = (from..item).any(|at| {
                list.is_number(at) && !list.slice(&(at..at + 1)).1.contains(sign::PERCENT)
            });
            if between {
                return true;
            }
            if claim.item.0 == sequence {
                return false;
            }
            match list.parent {
                Some((parent, behind)) => (sequence, item) = (parent, behind),
                None => return true,
            }
        }
    }

    /// Whether an item is before the number, on its level of parentheses or one around it.
    fn visible(&self, item: (usize, usize)) -> bool {
        let (mut sequence, mut before) = (self.seen.sequence, self.seen.item);
        loop {
            if item.0 == sequence {
                return item.1 < before;
            }
            match self.seen.sequences.get(sequence).and_then(|list| list.parent) {
                Some((parent, behind)) => (sequence, before) = (parent, behind),
                None => return false,
            }
        }
    }

    /// The member that an introduction names. An introduction is a clause without a number, on this
    /// level of parentheses or around it, that ends with a colon or begins with words such as
    /// `đối với`; otherwise the paragraph before, if it ends with a colon.
    fn introduced_member(&self, open: &UnnamedDimension) -> Option<String> {
        let ClaimWords { introducing, restricting, .. } = &words().claim;
        let (mut sequence, mut before) = (self.seen.sequence, self.seen.item);
        loop {
            let list = self.seen.sequences.get(sequence)?;
            let inner = sequence != self.seen.sequence;
            for clause in
                list.clauses().into_iter().rev().filter(|clause| clause.range.start < before)
            {
                let range = clause.range.start..clause.range.end.min(before);
                let own = range.contains(&self.seen.item)
                    || (!inner && clause.range.contains(&self.seen.item));
                if own || range.clone().any(|at| list.is_number(at)) {
                    continue;
                }
                let (_, line) = list.slice(&range);
                let introduces = clause.colon
                    || inner && clause.range.end >= before
                    || introducing
                        .iter()
                        .chain(restricting.iter())
                        .any(|words| line.starts_with(words));
                if !introduces {
                    continue;
                }
                let mentions = self.mentions(list, &range, open);
                match mentions.as_slice() {
                    [] => {}
                    [(_, _, member)] => return Some(member.clone()),
                    [..] => return None,
                }
            }
            match list.parent {
                Some((parent, behind)) => (sequence, before) = (parent, behind),
                None => break,
            }
        }
        self.lead
            .and_then(|lead| lead.get(&open.code))
            .map(ToOwned::to_owned)
            .filter(|member| open.members.contains(member))
    }

    /// The figure of the same measure in an earlier month, for a number after a figure and without
    /// words of its own: `(tháng trước 85)`.
    #[must_use]
    pub fn earlier(&self) -> Option<FigureClaim> {
        let sequence = self.seen.sequences.get(self.seen.sequence)?;
        let percent =
            sequence.slice(&(self.seen.item..self.seen.item + 1)).1.contains(sign::PERCENT);
        let claim = self.claims.iter().rev().find(|claim| {
            !claim.outside
                && self.visible(claim.item)
                && (self.setting.catalogue.indicator(&claim.measure.code).is_none() == percent)
        })?;
        // Other words than those for time and one noun would make it another figure.
        let words = self.seen.segment.clone().filter(|at| !sequence.is_number(*at)).count();
        let handed_over = sequence.slice(&self.seen.segment).1.contains(" chuyển ");
        (claim.now && words <= 6 && !handed_over)
            .then(|| FigureClaim { anchored: true, ..claim.clone() })
    }
}

/// Whether an item joins the names of members, or the digits of levels.
fn is_joint(item: &str) -> bool {
    matches!(item, "," | "&" | "-" | "/") || words().claim.joining.contains(item)
}

/// The members that the last words of a paragraph name, each of another dimension.
#[must_use]
pub fn members_of(sequences: &[ItemSequence], setting: &ReportContext<'_>) -> Members {
    let mut named: BTreeMap<String, Option<String>> = BTreeMap::new();
    let Some(sequence) = sequences.first() else { return Members::none() };
    let from = sequence.clauses().last().map_or(0, |clause| clause.range.start);
    let beside =
        sequence.items.iter().skip(from).filter_map(|item| item.member).map(|(names, _)| names);
    for names in beside.chain(sequence.hidden.iter().map(|(_, names)| *names)) {
        for (dimension, member) in setting.lexicon.members.get(names).into_iter().flatten() {
            let entry = named.entry(dimension.clone()).or_insert_with(|| Some(member.clone()));
            if entry.as_ref().is_some_and(|known| known != member) {
                *entry = None;
            }
        }
    }
    Members::new(
        named.into_iter().filter_map(|(dimension, member)| Some((dimension, member?))).collect(),
    )
    .unwrap_or_default()
}

/// Handles figures that are found more than once: one is kept if the values agree, otherwise none.
pub fn merge_duplicates(reading: &mut ReportExtract) {
    let key = |found: &super::ExtractedFigure| {
        (found.measure.clone(), found.unit, found.period, found.role == FigureRole::Target)
    };
    let mut values: BTreeMap<String, Vec<Decimal64>> = BTreeMap::new();
    let name = |found: &super::ExtractedFigure| format!("{:?}", key(found));
    let whole: std::collections::BTreeSet<String> =
        reading.figures.iter().filter(|found| !found.partial).map(&name).collect();
    // "6 đại lý bị xử phạt 51 triệu đồng" does not take the total away that is stated elsewhere.
    let is_part = |found: &super::ExtractedFigure| found.partial && whole.contains(&name(found));
    for found in
        reading.figures.iter().filter(|found| found.role != FigureRole::Rounded && !is_part(found))
    {
        let list = values.entry(name(found)).or_default();
        let same = |other: &Decimal64| {
            let scale = other.scale.max(found.value.scale);
            other.at_scale(scale) == found.value.at_scale(scale)
        };
        if !list.iter().any(same) {
            list.push(found.value);
        }
    }
    let (mut kept, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    for found in std::mem::take(&mut reading.figures) {
        let part = is_part(&found);
        let (key, rounded) = (name(&found), found.role == FigureRole::Rounded);
        let reason = match values.get(&key).map_or(0, Vec::len) {
            _ if part => Some(SkipReason::StatedTwice),
            2.. => Some(SkipReason::StatedTwice),
            1 if rounded => Some(SkipReason::Repeated),
            _ => (!seen.insert(key)).then_some(SkipReason::Repeated),
        };
        match reason {
            None => kept.push(found),
            Some(reason) => reading.unclaimed.push(UnclaimedNumber {
                place: found.place,
                sentence: found.sentence,
                reason,
                measure: Some(found.measure),
            }),
        }
    }
    reading.figures = kept;
    reading.unclaimed.sort_by_key(|unclaimed| unclaimed.place.start);
}
