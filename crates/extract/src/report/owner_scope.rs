//! The owner of the figures of a clause: the report's own unit, or another unit, office, tier of
//! government or body. It follows from the words that the clause begins with; a sentence that
//! begins without a subject continues about the owner of the one before.

use std::ops::Range;

use super::item_sequence::ItemSequence;
use super::paragraph::ReportParagraph;
use super::period_sign::mark;
use super::words::words;

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
        let is_time =
            |at: usize| word(at).chars().all(|sign| (mark::NOW..=mark::DAY).contains(&sign));
        let mut start = clause.start;
        while start < clause.end && (known(&owner.leading, word(start)) || is_time(start)) {
            start += 1;
        }
        let subset = word(start) == "riêng";
        if subset {
            start += 1;
        }
        // From here, and from the beginning: "trong kỳ" may be the name of something.
        for at in [start, clause.start] {
            let line = list.slice(&(at..clause.end)).1.trim_start();
            let begins = |names: &[String]| {
                names.iter().any(|name| {
                    line.strip_prefix(name.as_str()).is_some_and(|rest| {
                        rest.starts_with(' ') && !rest.trim_start().starts_with('-')
                    })
                })
            };
            if begins(&owner.others) {
                // "các sở, ban, ngành và UBND các huyện" are the whole.
                let number = (at..list.items.len()).find(|item| list.is_number(*item));
                let subject = list.slice(&(at..number.unwrap_or(clause.end))).1;
                let whole = owner.tiers.iter().any(|tier| subject.contains(&format!(" {tier} ")));
                return Some(if whole { OwnerScope::Own } else { OwnerScope::Other });
            }
            let Some(item) = list.items.get(at) else { continue };
            let unit = item.unit;
            if self.begins_with_another(item.token, unit, subset) {
                return Some(OwnerScope::Other);
            }
            if begins(&owner.own) || begins(&owner.offices) || unit == Some(self.setting.unit) {
                return Some(OwnerScope::Own);
            }
        }
        None
    }

    /// Whether a clause begins with an office. Its figures belong to the unit only if no other tier
    /// or body is named beside it.
    pub(super) fn is_office(&self, list: &ItemSequence, clause: &Range<usize>) -> bool {
        let line = list.slice(clause).1;
        words().owner.offices.iter().any(|office| line.contains(&format!(" {office} ")))
    }

    /// Whether a sentence names no owner, so that the one before still applies.
    pub(super) fn has_no_subject(first: &str) -> bool {
        words().owner.without_subject.iter().any(|word| word == first)
    }
}
