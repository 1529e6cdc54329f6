//! The owner of the figures of a clause: the report's own unit, or another unit, office, tier of
//! government or body. It follows from the words that the clause begins with; a sentence that
//! begins without a subject continues about the owner of the one before.

use std::ops::Range;

use super::item_sequence::ItemSequence;
use super::paragraph::ReportParagraph;
use super::period_sign::mark;
use super::words::{UnitSort, words};
use kpi::unit::{UnitDocument, UnitKind};
use kpi::vietnamese::folding;

/// Whether a line has a name for the whole of a unit; "toàn xã hội" is the whole society.
pub(super) fn names_whole(line: &str, name: &str) -> bool {
    let name = format!(" {name} ");
    line.match_indices(&name).any(|(at, _)| {
        let behind = line.get(at + name.len()..).unwrap_or_default();
        !(name.ends_with(" xã ") && behind.starts_with("hội "))
    })
}

/// Whether a text names the whole of a unit of another kind than this one.
pub(crate) fn names_whole_of_another(unit: &UnitDocument, text: &str) -> bool {
    let line = format!(" {} ", folding::words(text).join(" "));
    words().owner.whole.of_others(UnitSort::of(unit)).any(|name| names_whole(&line, name))
}

/// Whether an item is a sign of time, or empty.
fn is_time(item: &str) -> bool {
    item.chars().all(|sign| (mark::NOW..=mark::PART).contains(&sign))
}

/// The owner of the figures of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerScope {
    /// The report's own unit, also through its one-stop centre or counter.
    Own,
    /// Another unit, an office, a tier, a group of units or another body.
    Other,
}

impl ReportParagraph<'_> {
    /// The owner that a clause names at its beginning.
    pub(super) fn owner_of_clause(
        &self,
        list: &ItemSequence,
        clause: &Range<usize>,
    ) -> Option<OwnerScope> {
        let owner = &words().owner;
        let known = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
        let mut start = clause.start;
        while start < clause.end && (known(&owner.leading, word(start)) || is_time(word(start))) {
            start += 1;
        }
        let subset = word(start) == "riêng";
        if subset {
            start += 1;
        }
        if self.national_system(list, clause).is_some()
            || self.names_other_field(list, &(start..start + 1), true)
            || self.names_other_field(list, clause, false)
        {
            return Some(OwnerScope::Other);
        }
        // From here, and from the beginning: "trong kỳ" may be the name of something.
        for at in [start, clause.start] {
            let line = list.slice(&(at..clause.end)).1.trim_start();
            let begins_with = |name: &String| {
                line.strip_prefix(name.as_str()).is_some_and(|rest| {
                    rest.starts_with(' ')
                        && !rest.trim_start().starts_with('-')
                        && !(name.ends_with(" xã") && rest.starts_with(" hội "))
                })
            };
            let begins = |names: &[String]| names.iter().any(begins_with);
            if begins(&owner.others) || begins(&owner.of_tiers) {
                // "các sở, ban, ngành và UBND các huyện" are the whole.
                let number = (at..list.items.len()).find(|item| list.is_number(*item));
                let subject = list.slice(&(at..number.unwrap_or(clause.end))).1;
                let whole = owner.tiers.iter().any(|tier| subject.contains(&format!(" {tier} ")));
                return Some(if whole { OwnerScope::Own } else { OwnerScope::Other });
            }
            let own = self.sort();
            let mut of_others = owner.whole.of_others(own).chain(owner.committee.of_others(own));
            if of_others.any(begins_with) {
                return Some(OwnerScope::Other);
            }
            let Some(item) = list.items.get(at) else { continue };
            let unit = item.unit;
            if self.begins_with_another(item.token, unit, subset) {
                return Some(OwnerScope::Other);
            }
            if begins(&owner.own)
                || begins(&owner.offices)
                || owner.whole.of(own).chain(owner.committee.of(own)).any(begins_with)
                || unit == Some(self.setting.unit)
            {
                return Some(OwnerScope::Own);
            }
            // "Theo Bộ Y tế, ..." names a source and no owner.
            let by_source = (clause.start..start).any(|at| word(at) == "theo");
            if !by_source && self.is_body(item.token) {
                return Some(OwnerScope::Other);
            }
        }
        if self.is_own_subject(list, clause) {
            return Some(OwnerScope::Own);
        }
        // "Trên phạm vi toàn tỉnh, ..." introduces what follows.
        let line = list.slice(clause).1;
        let introduces = !clause.clone().any(|at| list.is_number(at))
            && owner.whole.of_others(self.sort()).any(|name| names_whole(line, name));
        introduces.then_some(OwnerScope::Other)
    }

    /// Whether it names the whole of a unit of another kind than the report's: "Toàn tỉnh" in the
    /// report of a department.
    pub(super) fn names_another_whole(&self) -> bool {
        let line = self.line();
        let mut others = words().owner.whole.of_others(self.sort());
        others.any(|name| names_whole(&line, name))
    }

    /// Whether a clause begins with the unit itself: its name, or "Sở" and other words for it that
    /// no name follows.
    pub(super) fn is_own_subject(&self, list: &ItemSequence, clause: &Range<usize>) -> bool {
        let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
        let leads = |at: &usize| {
            words().owner.leading.iter().any(|known| known == word(*at)) || is_time(word(*at))
        };
        let start = clause.clone().find(|at| !leads(at)).unwrap_or(clause.start);
        let Some(first) = list.items.get(start) else { return false };
        let itself = words().owner.itself.of(self.sort().kind);
        let next = self.tokens.get(first.token + 1).map(|token| token.range.clone());
        let next = next.and_then(|range| self.text.get(range)).unwrap_or_default();
        first.unit == Some(self.setting.unit)
            || itself.is_some_and(|own| own.contains(word(start)))
                && !next.starts_with(char::is_uppercase)
    }

    /// The kind of the report's unit.
    pub(super) fn sort(&self) -> UnitSort {
        let unit = self.setting.units.get(self.setting.unit);
        unit.map_or(UnitSort { kind: UnitKind::Agency, is_city: false }, |unit| {
            UnitSort::of(&unit.document)
        })
    }

    /// Whether a body that is not the report's unit begins at a token, by the first word of its
    /// name and a capital letter.
    fn is_body(&self, token: usize) -> bool {
        let owner = &words().owner;
        let begins = |name: &String| self.phrase_at(token, name);
        if owner.acting.iter().chain(&owner.offices).any(|name| begins(name).is_some()) {
            return false;
        }
        let within = owner.within.iter().filter(|_| self.sort().kind != UnitKind::Province);
        let body = owner.outside.iter().chain(within).find_map(begins);
        body.is_some_and(|words| {
            let name = self.tokens.get(token + words).map(|token| token.range.clone());
            let name = name.and_then(|range| self.text.get(range)).unwrap_or_default();
            name.starts_with(char::is_uppercase) && !self.is_in_capitals(token)
        })
    }

    /// Whether the words around a number say that it belongs to the whole of another unit
    /// (`trên địa bàn tỉnh` in the report of a department), or who else issued what is counted
    /// (`do UBND tỉnh phát hành`).
    pub(super) fn is_of_another_whole(&self, list: &ItemSequence, segment: &Range<usize>) -> bool {
        let owner = &words().owner;
        let line = list.slice(segment).1;
        if owner.whole.of_others(self.sort()).any(|name| names_whole(line, name)) {
            return true;
        }
        let is = |names: &[String], at: usize| {
            let word = list.slice(&(at..at + 1)).1.trim();
            names.iter().any(|name| name == word)
        };
        segment.clone().filter(|at| is(&owner.agents, *at)).any(|at| {
            let issuer = at + 1..segment.end;
            let begins = list.slice(&issuer).1.trim_start();
            let committee = owner.committee.of_others(self.sort());
            let named = committee.chain(&owner.others).chain(&owner.of_tiers).any(|name| {
                begins.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(' '))
            });
            let is_other =
                named || list.items.get(at + 1).is_some_and(|item| self.is_body(item.token));
            is_other
                && owner.issues.iter().any(|verb| begins.contains(&format!(" {verb} ")))
                && !begins.contains(" gửi đến ")
        })
    }

    /// The system of the country with which a clause begins: "Cổng Dịch vụ công quốc gia đã tiếp
    /// nhận ...", but not "Trên Cổng Dịch vụ công quốc gia, ...".
    pub(super) fn national_system(
        &self,
        list: &ItemSequence,
        clause: &Range<usize>,
    ) -> Option<&'static str> {
        let owner = &words().owner;
        let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
        let known = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let leads = |at: &usize| known(&owner.leading, word(*at)) || is_time(word(*at));
        let start = clause.clone().find(|at| !leads(at))?;
        if (clause.start..start).any(|at| known(&owner.national_places, word(at))) {
            return None;
        }
        let line = list.slice(&(start..clause.end)).1.trim_start();
        let begins = |name: &&String| {
            line.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(' '))
        };
        owner.national.iter().find(begins).map(String::as_str)
    }

    /// Whether some items name a field of work or group of procedures that is not the report's own.
    /// At the `beginning` of a clause this is its subject; elsewhere only dossiers are divided so.
    pub(super) fn names_other_field(
        &self,
        list: &ItemSequence,
        range: &Range<usize>,
        beginning: bool,
    ) -> bool {
        let owner = &words().owner;
        if !beginning && !owner.counted_by_tier.iter().any(|noun| list.text.contains(noun)) {
            return false;
        }
        range.clone().any(|at| {
            let Some(token) = list.items.get(at).map(|item| item.token) else { return false };
            let Some(head) = self.longest_at(token, &owner.fields) else { return false };
            let name = token + head;
            let is_word = self.tokens.get(name).is_some_and(|token| token.word().is_some());
            let is_topic = self.topics.iter().any(|(topic, _)| *topic == name);
            is_word && !is_topic && self.longest_at(name, &owner.own_fields).is_none()
        })
    }

    /// Whether a clause begins with an office. Its figures belong to the unit only if no other tier
    /// or body is named beside it.
    pub(super) fn is_office(&self, list: &ItemSequence, clause: &Range<usize>) -> bool {
        let line = list.slice(clause).1;
        words().owner.offices.iter().any(|office| line.contains(&format!(" {office} ")))
    }

    /// The owner that a clause names, where the section counts the dossiers of other `tiers`: an
    /// office is then one of them.
    pub(super) fn owner_among(
        &self,
        tiers: bool,
        list: &ItemSequence,
        clause: &Range<usize>,
    ) -> Option<OwnerScope> {
        let named = self.owner_of_clause(list, clause)?;
        let line = list.slice(clause).1;
        let mut whole = words().owner.whole.of(self.sort());
        let is_tier = tiers
            && named == OwnerScope::Own
            && self.is_office(list, clause)
            && !whole.any(|name| names_whole(line, name));
        Some(if is_tier { OwnerScope::Other } else { named })
    }

    /// Whether a sentence begins with another tier or its office and counts dossiers.
    pub(super) fn counts_tier(&self) -> bool {
        let owner = &words().owner;
        let of_tier = |list: &ItemSequence, clause: &Range<usize>| {
            let word = |at: usize| list.slice(&(at..at + 1)).1.trim();
            let leads = |at: &usize| {
                owner.leading.iter().any(|known| known == word(*at)) || is_time(word(*at))
            };
            let start = clause.clone().find(|at| !leads(at)).unwrap_or(clause.end);
            let line = list.slice(&(start..clause.end)).1.trim_start();
            owner.of_tiers.iter().any(|name| {
                line.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(' '))
            }) && owner.counted_by_tier.iter().any(|noun| list.text.contains(noun))
        };
        self.sentences.iter().filter_map(|(_, sequences)| sequences.first()).any(|list| {
            (0..list.items.len()).any(|at| list.is_number(at))
                && list.clauses().iter().any(|clause| of_tier(list, &clause.range))
        })
    }

    /// Whether a sentence names no owner, so that the one before still applies.
    pub(super) fn has_no_subject(first: &str) -> bool {
        words().owner.without_subject.iter().any(|word| word == first)
    }
}
