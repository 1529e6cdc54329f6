//! The words of `catalogue/words/report.toml`, by which the reader finds time, owner, plans and
//! corrections.

use std::sync::LazyLock;

use kpi::unit::{UnitDocument, UnitKind};
use kpi::vietnamese::folding::folded;
use serde::Deserialize;

use kpi::word_file::{self, SpacedWordList, WordList};

/// All words of the report reader.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ReportWords {
    pub(super) time: TimeWords,
    pub(super) correction: CorrectionWords,
    pub(super) owner: OwnerWords,
    pub(super) heading: HeadingWords,
    pub(super) unit_name: UnitKindWords,
    pub(super) pattern: PatternWords,
    pub(super) claim: ClaimWords,
}

/// Expressions for each time.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TimeWords {
    pub(super) comparison: Vec<String>,
    pub(super) until_now: Vec<String>,
    pub(super) wider: Vec<String>,
    pub(super) month_before: Vec<String>,
    pub(super) year_before: Vec<String>,
    pub(super) earlier: Vec<String>,
    pub(super) plan: Vec<String>,
    pub(super) now: Vec<String>,
    pub(super) framing: Vec<String>,
    pub(super) one_day: Vec<String>,
    pub(super) bracketed: Vec<String>,
}

/// Expressions by which a sentence takes a number back.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct CorrectionWords {
    pub(super) cues: Vec<String>,
    pub(super) right: Vec<String>,
    pub(super) wrong: Vec<String>,
    pub(super) after: Vec<String>,
}

/// The beginnings of clauses about an owner.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct OwnerWords {
    pub(super) own: Vec<String>,
    pub(super) outside: Vec<String>,
    pub(super) within: Vec<String>,
    pub(super) acting: Vec<String>,
    pub(super) agents: Vec<String>,
    pub(super) issues: Vec<String>,
    pub(super) offices: Vec<String>,
    pub(super) others: Vec<String>,
    pub(super) tiers: Vec<String>,
    pub(super) leading: Vec<String>,
    pub(super) without_subject: Vec<String>,
    pub(super) whole: OwnerKindWords,
    pub(super) committee: OwnerKindWords,
}

/// Words that name the owner of a kind: a province, a district, a commune, or a city, which is a
/// province or a district.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct OwnerKindWords {
    province: Vec<String>,
    city: Vec<String>,
    district: Vec<String>,
    commune: Vec<String>,
}

impl OwnerKindWords {
    /// The words with the kind of unit that they are of, and whether that is a unit's own.
    fn lists(&self, own: UnitSort) -> [(&[String], bool); 4] {
        let is = |kind: UnitKind| own.kind == kind;
        [
            (self.province.as_slice(), is(UnitKind::Province) && !own.is_city),
            (self.city.as_slice(), own.is_city),
            (self.district.as_slice(), is(UnitKind::District) && !own.is_city),
            (self.commune.as_slice(), is(UnitKind::Commune)),
        ]
    }

    /// The words for a unit of this kind.
    pub(super) fn of(&self, own: UnitSort) -> impl Iterator<Item = &String> {
        self.lists(own).into_iter().filter(|(_, is_own)| *is_own).flat_map(|(words, _)| words)
    }

    /// The words for units of other kinds.
    pub(super) fn of_others(&self, own: UnitSort) -> impl Iterator<Item = &String> {
        self.lists(own).into_iter().filter(|(_, is_own)| !is_own).flat_map(|(words, _)| words)
    }
}

/// The kind of a unit, and whether it is a city.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnitSort {
    pub(super) kind: UnitKind,
    pub(super) is_city: bool,
}

impl UnitSort {
    /// That of a unit.
    pub(super) fn of(unit: &UnitDocument) -> Self {
        let is_area = matches!(unit.kind, UnitKind::Province | UnitKind::District);
        let is_city = is_area && folded(&unit.name.vi).starts_with("thành phố ");
        Self { kind: unit.kind, is_city }
    }
}

/// Words of headings.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct HeadingWords {
    pub(super) planned: Vec<String>,
    pub(super) done: Vec<String>,
    pub(super) wider: Vec<String>,
    pub(super) estimated: Vec<String>,
}

/// Words before the names of units.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct UnitKindWords {
    pub(super) kinds: WordList,
}

/// Words that decide whether a pattern matches.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PatternWords {
    pub(super) counted: WordList,
    pub(super) before_member: WordList,
    pub(super) negations: SpacedWordList,
    pub(super) averages: SpacedWordList,
}

/// Words by which a figure belongs to others or stands alone.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ClaimWords {
    pub(super) whole: SpacedWordList,
    pub(super) introducing: SpacedWordList,
    pub(super) restricting: SpacedWordList,
    pub(super) general: WordList,
}

static WORDS: LazyLock<ReportWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../../catalogue/words/report.toml")));

/// The words.
#[must_use]
pub fn words() -> &'static ReportWords {
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_readable_and_folded() {
        let words = words();
        let owner = &words.owner;
        let of_owner = [&owner.own, &owner.others, &owner.tiers, &owner.leading, &owner.outside];
        let more = [&owner.within, &owner.acting, &owner.agents, &owner.issues];
        let of_kinds = [&owner.whole, &owner.committee]
            .into_iter()
            .flat_map(|words| words.of_others(UnitSort { kind: UnitKind::Agency, is_city: false }));
        let of_owner = of_owner.into_iter().chain(more).flatten().chain(of_kinds);
        let of_owner = of_owner.map(String::as_str);
        let (pattern, claim) = (&words.pattern, &words.claim);
        let lists = [&words.unit_name.kinds, &pattern.counted, &pattern.before_member];
        let lists = lists.into_iter().chain([&claim.general]).flat_map(WordList::iter);
        let spaced = [&pattern.negations, &pattern.averages, &claim.whole];
        let spaced = spaced.into_iter().chain([&claim.introducing, &claim.restricting]);
        for text in of_owner.chain(lists).chain(spaced.flat_map(SpacedWordList::iter)) {
            for word in text.split_whitespace() {
                assert_eq!(folded(word), word, "{text}");
            }
        }
        assert!(words.time.plan.len() > 20 && words.heading.planned.len() > 10);
    }
}
