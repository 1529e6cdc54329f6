//! Which members a figure has: those its pattern names, those that the words beside it name, those of the figure that it is a part of,
//! and those of what introduces it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::lexicon::{Open, Recognizer};
use super::matches::Seen;
use super::sequence::Sequence;
use super::{Reading, Reason, Role, Setting, Unclaimed};
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Written;
use crate::domain::phrase::sign;

/// A figure that was found in a sentence, as those after it see it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What it is of.
    pub measure: Measure,
    /// Whose it is.
    pub unit: usize,
    /// The number.
    pub value: Written,
    /// The pattern that found it.
    pub pattern: String,
    /// Whether its members were taken over from a figure before.
    pub anchored: bool,
    /// Whether it is of the report's period.
    pub now: bool,
    /// Its sequence and item; those of a sentence before are behind everything.
    pub item: (usize, usize),
    /// The members of the figure that it is a part of, when there is one.
    pub(super) parent: Option<Members>,
    /// Whether it stands in a sentence before.
    pub(super) outside: bool,
}

impl Claim {
    /// Whether it stands in the same sentence.
    #[must_use]
    pub fn is_here(&self) -> bool {
        !self.outside
    }

    /// Another figure of which the same is said.
    #[must_use]
    pub fn shared(self, measure: Measure, value: Written, item: (usize, usize)) -> Self {
        Self { measure, value, item, anchored: true, ..self }
    }

    /// The measure with another member of a dimension.
    #[must_use]
    pub fn of_member(
        &self,
        dimension: &str,
        member: &str,
        setting: &Setting<'_>,
    ) -> Option<Measure> {
        let measure = Measure {
            code: self.measure.code.clone(),
            members: self.measure.members.with(dimension, member),
        };
        setting.catalogue.measure_faults(&measure).is_empty().then_some(measure)
    }

    /// The sentence is over: what follows sees it as introduced before.
    pub fn leave_sentence(&mut self) {
        self.outside = true;
    }
}

/// The figures found so far, seen from a number.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// What is read against.
    pub setting: &'a Setting<'a>,
    /// The number.
    pub seen: &'a Seen<'a>,
    /// The figures, in order.
    pub claims: &'a [Claim],
    /// Members named by what introduces the paragraph.
    pub lead: Option<&'a Members>,
    /// The number's value.
    pub value: Option<Written>,
}

/// The members of a figure, as they come together.
struct Naming {
    named: BTreeMap<String, String>,
    /// The members of the figure that it belongs to.
    parent: Option<Members>,
    /// Whether some were taken over from there.
    anchored: bool,
    unit: Option<usize>,
}

impl Naming {
    /// Takes over members of dimensions that are open and have none yet.
    fn add<'m>(
        &mut self,
        recognizer: &Recognizer,
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

/// Names a member; a second one of its dimension, or one that the measure does not know, is a doubt.
fn name(
    recognizer: &Recognizer,
    named: &mut BTreeMap<String, String>,
    dimension: &str,
    member: &str,
) -> Result<(), Option<Reason>> {
    let known = recognizer
        .dimensions
        .iter()
        .any(|open| open.code == dimension && open.members.iter().any(|known| known == member));
    match named.insert(dimension.to_owned(), member.to_owned()) {
        _ if !known => Err(Some(Reason::Ambiguous)),
        Some(other) if other != member => Err(Some(Reason::Ambiguous)),
        _ => Ok(()),
    }
}

/// A member of a dimension that is open in one host alone names the host as well.
fn name_hosts(
    recognizer: &Recognizer,
    named: &mut BTreeMap<String, String>,
) -> Result<(), Option<Reason>> {
    let hosts = recognizer
        .dimensions
        .iter()
        .filter(|open| named.contains_key(&open.code))
        .filter_map(|open| open.within.clone());
    for (host, member) in hosts.collect::<Vec<_>>() {
        match named.get(&host) {
            Some(known) if *known != member => return Err(Some(Reason::Ambiguous)),
            Some(_) => {}
            None => {
                named.insert(host, member);
            }
        }
    }
    Ok(())
}

/// Words that say that a figure is no part of the one before.
const WHOLE: [&str; 5] =
    [" tổng ", " toàn tỉnh ", " toàn thành phố ", " tính chung ", " chung toàn "];

impl Claims<'_> {
    /// The figure that a pattern finds.
    ///
    /// # Errors
    /// None when the pattern does not fit after all, else why it cannot be told which figure it is.
    pub fn claim(
        &self,
        recognizer: &Recognizer,
        bound: &[(String, String)],
        unit: Option<usize>,
    ) -> Result<Claim, Option<Reason>> {
        let sequence = self.seen.sequences.get(self.seen.sequence).ok_or(None)?;
        if self.is_level_digit(sequence) {
            return Err(None);
        }
        let mut naming = Naming {
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
        self.take_over(sequence, recognizer, own, &mut naming)?;
        for open in recognizer.dimensions.iter().filter(|_| !recognizer.whole) {
            if !naming.named.contains_key(&open.code)
                && let Some(member) = self.head(open)
            {
                name(recognizer, &mut naming.named, &open.code, &member)?;
            }
        }
        if self.is_of_a_part(sequence, recognizer) {
            return Err(Some(Reason::Ambiguous));
        }
        name_hosts(recognizer, &mut naming.named)?;
        if recognizer.needs.iter().any(|dimension| !naming.named.contains_key(dimension)) {
            return Err(None);
        }
        if recognizer.names_unit && naming.unit.is_none() {
            return Err(Some(Reason::OtherUnit));
        }
        let members = Members::new(naming.named.into_iter().collect())
            .map_err(|_twice| Some(Reason::Ambiguous))?;
        let measure = Measure { code: recognizer.measure.code.clone(), members };
        if !self.setting.catalogue.measure_faults(&measure).is_empty() {
            return Err(Some(Reason::Ambiguous));
        }
        Ok(Claim {
            measure,
            unit: naming.unit.unwrap_or(self.setting.unit),
            value: self.value.unwrap_or(Written { mantissa: 0, scale: 0 }),
            pattern: recognizer.code.clone(),
            anchored: naming.anchored,
            now: true,
            item: (self.seen.sequence, self.seen.item),
            parent: naming.parent,
            outside: false,
        })
    }

    /// Whether a clause before says that only a part is spoken of which the measure is not divided into: "Riêng mức độ 4, tiếp nhận 500 hồ sơ,
    /// giải quyết 480 hồ sơ", where what was resolved is not known by level.
    fn is_of_a_part(&self, sequence: &Sequence, recognizer: &Recognizer) -> bool {
        let known = |dimension: &str| {
            recognizer.dimensions.iter().any(|open| open.code == dimension)
                || recognizer.measure.members.get(dimension).is_some()
        };
        // Below "Mức độ 4:" as well.
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
                RESTRICTING.iter().any(|words| line.starts_with(words))
                    && !clause.range.clone().any(|at| sequence.is_number(at))
                    && clause
                        .range
                        .clone()
                        .filter_map(|at| sequence.items.get(at)?.member)
                        .any(|(names, _)| unknown(names))
            },
        )
    }

    /// Names the members that stand in the phrase or beside the number; whether there are any.
    fn own_members(
        &self,
        sequence: &Sequence,
        recognizer: &Recognizer,
        bound: &[(String, String)],
        named: &mut BTreeMap<String, String>,
    ) -> Result<bool, Option<Reason>> {
        for (dimension, member) in bound {
            name(recognizer, named, dimension, member)?;
        }
        for open in recognizer.dimensions.iter().filter(|_| !recognizer.whole) {
            if let Some(member) = self.beside(sequence, open, named)? {
                name(recognizer, named, &open.code, &member)?;
            }
        }
        if self.combined(sequence, recognizer, named) {
            return Err(Some(Reason::Ambiguous));
        }
        Ok(!named.is_empty() && named.len() > recognizer.measure.members.len())
    }

    /// Takes over the members, and the unit, of the figure that this one belongs to.
    fn take_over(
        &self,
        sequence: &Sequence,
        recognizer: &Recognizer,
        own: bool,
        naming: &mut Naming,
    ) -> Result<(), Option<Reason>> {
        let (_, line) = sequence.slice(&self.seen.segment);
        let whole = WHOLE.iter().any(|words| line.contains(words));
        let anchor = if whole && recognizer.of.is_none() {
            None
        } else {
            self.anchor(recognizer, &naming.named)
        };
        if recognizer.of.is_some() && anchor.is_none() {
            return Err(None);
        }
        if own && anchor.is_none() && self.of_something(sequence) {
            return Err(Some(Reason::Ambiguous));
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

    /// The member of a dimension that the words around the number name: the one right beside it, else the only one in its segment.
    fn beside(
        &self,
        sequence: &Sequence,
        open: &Open,
        named: &BTreeMap<String, String>,
    ) -> Result<Option<String>, Option<Reason>> {
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
                    [..] => Err(Some(Reason::Ambiguous)),
                }
            }
        }
    }

    /// Where members of a dimension are named: first item, how many, which.
    fn mentions(
        &self,
        sequence: &Sequence,
        range: &Range<usize>,
        open: &Open,
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

    /// Whether a member named beside the number is one of two put together: `mức độ 3 và 4`, `trực tiếp và trực tuyến`.
    fn combined(
        &self,
        sequence: &Sequence,
        recognizer: &Recognizer,
        named: &BTreeMap<String, String>,
    ) -> bool {
        let item_text = |at: usize| sequence.slice(&(at..at + 1)).1.trim();
        recognizer.dimensions.iter().filter(|open| named.contains_key(&open.code)).any(|open| {
            let clause = self.seen.clause.clone();
            let mentions = self.mentions(sequence, &clause, open);
            mentions.iter().any(|(at, count, _)| {
                let behind = at + count;
                let joined =
                    |at: usize| matches!(item_text(at), "và" | "," | "&" | "-" | "/" | "hoặc");
                let pair = joined(behind)
                    && mentions.iter().any(|(other, ..)| *other == behind + 1)
                    && !(*at..=behind + 1).contains(&self.seen.item);
                // A bare digit behind: "mức độ 3, 4".
                let digit = joined(behind)
                    && item_text(behind + 1).chars().all(|c| c == sign::PLAIN)
                    && self.small_number(sequence, behind + 1)
                    && self.seen.item != behind + 1;
                pair || digit
            })
        })
    }

    /// Whether the number is the second of two levels: `mức độ 1 và 2`.
    fn is_level_digit(&self, sequence: &Sequence) -> bool {
        let Some(joint) = self.seen.item.checked_sub(1) else { return false };
        let joined = matches!(
            sequence.slice(&(joint..joint + 1)).1.trim(),
            "và" | "," | "&" | "-" | "/" | "hoặc"
        );
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

    /// Whether the clause says that it is a part of something, and that something is a number that nobody knows.
    fn of_something(&self, sequence: &Sequence) -> bool {
        let (_, line) = sequence.slice(&self.seen.clause);
        let part = [" gồm ", " bao gồm ", " trong đó ", " trong số đó ", " tức ", " gồm có "]
            .iter()
            .any(|words| line.starts_with(words));
        part && (0..self.seen.clause.start).any(|at| sequence.is_number(at))
    }

    fn small_number(&self, sequence: &Sequence, item: usize) -> bool {
        // A level has one digit and no noun of its own.
        sequence.is_number(item)
            && !sequence.is_number(item + 1)
            && matches!(
                sequence.slice(&(item + 1..item + 2)).1.trim(),
                "" | ":" | "." | ";" | "là" | "có" | "tiếp" | "được" | "(" | ","
            )
    }

    /// The figure that this one is a part or a rate of, and its members; of a brother its father's.
    fn anchor(
        &self,
        recognizer: &Recognizer,
        named: &BTreeMap<String, String>,
    ) -> Option<(&Claim, Members)> {
        let visible = |claim: &&Claim| claim.outside || self.visible(claim.item);
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
                // A part or a rate belongs to what stands right before it.
                if recognizer.of.is_some() {
                    return None;
                }
                continue;
            }
            let rate = self.setting.catalogue.kpi(&recognizer.measure.code).is_some();
            // A part may stand far behind its whole; a rate, or a figure of another kind, belongs to the number right before it.
            if recognizer.of.as_ref().is_some_and(|of| of.code != recognizer.measure.code)
                && self.parted(claim)
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
                // The same members again are not a part of it.
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
                // Side by side without a whole.
                return Some((claim, Members::none()));
            }
        }
        None
    }

    /// The members of the rate that stands right before the number in its clause: `mức độ 4 chiếm 30,27% với 534 dịch vụ`.
    fn rate_before(&self, recognizer: &Recognizer) -> Option<&Members> {
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

    fn exceeds(&self, claim: &Claim) -> bool {
        let Some(value) = self.value else { return false };
        let scale = value.scale.max(claim.value.scale);
        claim.now && value.at_scale(scale) > claim.value.at_scale(scale)
    }

    /// Whether another number stands between a figure and this one.
    fn parted(&self, claim: &Claim) -> bool {
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

    /// Whether an item stands before the number on its level or on one around it.
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

    /// The member that an introduction names: a clause without a number that ends with a colon or begins with `đối với` and the like, on this
    /// level or around it; else the paragraph before that ends with a colon.
    fn head(&self, open: &Open) -> Option<String> {
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
                    || INTRODUCING.iter().any(|words| line.starts_with(words));
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

    /// The figure of the same measure in an earlier month, of a number that stands behind one without words of its own: `(tháng trước 85)`.
    #[must_use]
    pub fn earlier(&self) -> Option<Claim> {
        let sequence = self.seen.sequences.get(self.seen.sequence)?;
        let percent =
            sequence.slice(&(self.seen.item..self.seen.item + 1)).1.contains(sign::PERCENT);
        let claim = self.claims.iter().rev().find(|claim| {
            !claim.outside
                && self.visible(claim.item)
                && (self.setting.catalogue.indicator(&claim.measure.code).is_none() == percent)
        })?;
        // Words of its own beyond the time and a noun would say that it is something else.
        let words = self.seen.segment.clone().filter(|at| !sequence.is_number(*at)).count();
        let handed_over = sequence.slice(&self.seen.segment).1.contains(" chuyển ");
        (claim.now && words <= 6 && !handed_over).then(|| Claim { anchored: true, ..claim.clone() })
    }
}

/// What a clause begins with that says of what the next ones are.
const INTRODUCING: [&str; 18] = [
    " đối với ",
    " riêng ",
    " về ",
    " với ",
    " trong đó ",
    " cụ thể ",
    " ở ",
    " tại ",
    " xét ",
    " chỉ tính ",
    " nếu tính ",
    " nếu chỉ tính ",
    " tính riêng ",
    " nếu xét ",
    " trong số ",
    " trong ngày ",
    " trong kỳ ",
    " trong các ",
];
/// Those of them that leave the rest out.
const RESTRICTING: [&str; 7] = [
    " đối với ",
    " riêng ",
    " chỉ tính ",
    " nếu tính ",
    " nếu chỉ tính ",
    " tính riêng ",
    " nếu xét ",
];

/// The members that the last words of a paragraph name, each of a dimension of its own.
#[must_use]
pub fn members_of(sequences: &[Sequence], setting: &Setting<'_>) -> Members {
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

/// A figure that stands more than once is one when its values agree; otherwise none is certain.
pub fn twice(reading: &mut Reading) {
    let key = |found: &super::Found| {
        (found.measure.clone(), found.unit, found.period, found.role == Role::Target)
    };
    let mut values: BTreeMap<String, Vec<Written>> = BTreeMap::new();
    let name = |found: &super::Found| format!("{:?}", key(found));
    for found in reading.figures.iter().filter(|found| found.role != Role::Rounded) {
        let list = values.entry(name(found)).or_default();
        let same = |other: &Written| {
            let scale = other.scale.max(found.value.scale);
            other.at_scale(scale) == found.value.at_scale(scale)
        };
        if !list.iter().any(same) {
            list.push(found.value);
        }
    }
    let (mut kept, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    for found in std::mem::take(&mut reading.figures) {
        let (key, rounded) = (name(&found), found.role == Role::Rounded);
        let reason = match values.get(&key).map_or(0, Vec::len) {
            2.. => Some(Reason::StatedTwice),
            1 if rounded => Some(Reason::Repeated),
            _ => (!seen.insert(key)).then_some(Reason::Repeated),
        };
        match reason {
            None => kept.push(found),
            Some(reason) => reading.unclaimed.push(Unclaimed {
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
