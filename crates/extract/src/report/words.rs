//! The words of `catalogue/words/report.toml`, by which the reader finds time, owner, plans and
//! corrections.

use std::sync::LazyLock;

use kpi::unit::{UnitDocument, UnitKind};
use kpi::vietnamese::folding::{self, folded};
use serde::Deserialize;

use kpi::word_file::{self, SpacedWordList, WordList};

/// All words of the report reader.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ReportWords {
    pub(super) title: HeadWords,
    pub(super) time: TimeWords,
    pub(super) correction: CorrectionWords,
    pub(super) owner: OwnerWords,
    pub(super) heading: HeadingWords,
    pub(super) table: ReportTableWords,
    pub(super) unit_name: UnitKindWords,
    pub(super) numbered: NumberedWords,
    pub(super) pattern: PatternWords,
    pub(super) claim: ClaimWords,
}

/// Words of the first lines of a report.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct HeadWords {
    pub(super) announcing: WordList,
    pub(super) authors: WordList,
    pub(super) writers: WordList,
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
    pub(super) same: Vec<String>,
    pub(super) before_quarter: WordList,
    pub(super) behind_quarter: WordList,
    pub(super) framing: Vec<String>,
    pub(super) one_day: Vec<String>,
    pub(super) bracketed: Vec<String>,
    pub(super) compared_month: WordList,
    pub(super) compared_year: WordList,
    pub(super) until: WordList,
}

/// Expressions by which a sentence takes a number back.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct CorrectionWords {
    pub(super) cues: Vec<String>,
    pub(super) right: Vec<String>,
    pub(super) wrong: Vec<String>,
    pub(super) after: Vec<String>,
    pub(super) instead: Vec<String>,
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
    pub(super) of_tiers: Vec<String>,
    pub(super) counted_by_tier: SpacedWordList,
    pub(super) national: Vec<String>,
    pub(super) national_places: Vec<String>,
    pub(super) fields: WordList,
    pub(super) own_fields: WordList,
    pub(super) tiers: Vec<String>,
    pub(super) elsewhere: SpacedWordList,
    pub(super) before_name: WordList,
    pub(super) beside_number: WordList,
    pub(super) writer: WordList,
    pub(super) leading: Vec<String>,
    pub(super) without_subject: Vec<String>,
    pub(super) itself: OwnKindWords,
    pub(super) whole: OwnerKindWords,
    pub(super) committee: OwnerKindWords,
}

/// What a unit of a kind calls itself. A province and an agency have no such word.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct OwnKindWords {
    department: WordList,
    district: WordList,
    commune: WordList,
}

impl OwnKindWords {
    /// The words for a unit of this kind.
    pub(super) fn of(&self, kind: UnitKind) -> Option<&WordList> {
        match kind {
            UnitKind::Department => Some(&self.department),
            UnitKind::District => Some(&self.district),
            UnitKind::Commune => Some(&self.commune),
            UnitKind::Province | UnitKind::Agency => None,
        }
    }
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

/// Words around numbers that are names.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct NumberedWords {
    pub(super) kinds: Vec<String>,
    pub(super) plurals: WordList,
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

/// Words of the headings of columns.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ReportTableWords {
    pub(super) other_time: WordList,
}

/// Words before the names of units.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct UnitKindWords {
    pub(super) kinds: WordList,
    pub(super) omitted: WordList,
}

/// Words that decide whether a pattern matches.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PatternWords {
    pub(super) counted: WordList,
    pub(super) before_member: WordList,
    pub(super) negations: SpacedWordList,
    pub(super) other_topics: SpacedWordList,
    pub(super) averages: SpacedWordList,
    pub(super) joints: WordList,
    pub(super) weak_joints: WordList,
    pub(super) sharing_verb: WordList,
}

/// Words by which a figure belongs to others or stands alone.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ClaimWords {
    pub(super) whole: SpacedWordList,
    pub(super) introducing: SpacedWordList,
    pub(super) restricting: SpacedWordList,
    pub(super) general: WordList,
    pub(super) continuing: WordList,
    pub(super) part_of: SpacedWordList,
    pub(super) joining: WordList,
    pub(super) behind_level: WordList,
}

static WORDS: LazyLock<ReportWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../../catalogue/words/report.toml")));

/// The words.
#[must_use]
pub fn words() -> &'static ReportWords {
    &WORDS
}

/// Whether a text has the name of another tier or of its office.
pub(super) fn names_tier(text: &str) -> bool {
    let line = folding::words(text).join(" ");
    words().owner.of_tiers.iter().any(|name| line.contains(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_readable_and_folded() {
        let words = words();
        let (title, time, owner) = (&words.title, &words.time, &words.owner);
        let (pattern, claim) = (&words.pattern, &words.claim);
        let of_owner = [&owner.own, &owner.others, &owner.tiers, &owner.leading, &owner.outside];
        let more = [&owner.within, &owner.acting, &owner.agents, &owner.issues, &owner.of_tiers];
        let of_kinds = [&owner.whole, &owner.committee]
            .into_iter()
            .flat_map(|words| words.of_others(UnitSort { kind: UnitKind::Agency, is_city: false }));
        let of_owner = of_owner.into_iter().chain(more).flatten().chain(of_kinds);
        let of_owner = of_owner.map(String::as_str);
        let lists = [
            [&title.announcing, &title.authors, &title.writers, &time.until],
            [&owner.before_name, &owner.beside_number, &owner.writer, &words.table.other_time],
            [
                &owner.itself.department,
                &owner.itself.district,
                &owner.itself.commune,
                &claim.general,
            ],
            [&words.unit_name.kinds, &words.unit_name.omitted, &pattern.counted, &claim.continuing],
            [&pattern.before_member, &pattern.joints, &pattern.weak_joints, &pattern.sharing_verb],
        ];
        let lists = lists
            .into_iter()
            .flatten()
            .chain([&claim.joining, &claim.behind_level])
            .chain([&owner.fields, &owner.own_fields, &time.before_quarter, &time.behind_quarter]);
        let lists = lists.flat_map(WordList::iter);
        let spaced = [&pattern.negations, &pattern.averages, &claim.whole, &claim.part_of];
        let spaced =
            spaced.into_iter().chain([&claim.introducing, &claim.restricting, &owner.elsewhere]);
        for text in of_owner.chain(lists).chain(spaced.flat_map(SpacedWordList::iter)) {
            for word in text.split_whitespace() {
                assert_eq!(folded(word), word, "{text}");
            }
        }
        let kinds = &words.unit_name.kinds;
        assert!(words.unit_name.omitted.iter().all(|kind| kinds.contains(kind)));
        assert!(words.time.plan.len() > 20 && words.heading.planned.len() > 10);
    }
}
