//! The words of `catalogue/words/report.toml`, by which the reader tells time, owner and plans.

use std::sync::LazyLock;

use serde::Deserialize;

use kpi::word_file::{self, SpacedWordList, WordList};

/// All words of the report reader.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ReportWords {
    pub(super) time: TimeWords,
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
}

/// The beginnings of clauses about an owner.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct OwnerWords {
    pub(super) own: Vec<String>,
    pub(super) offices: Vec<String>,
    pub(super) others: Vec<String>,
    pub(super) tiers: Vec<String>,
    pub(super) leading: Vec<String>,
    pub(super) without_subject: Vec<String>,
}

/// Words of headings.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct HeadingWords {
    pub(super) planned: Vec<String>,
    pub(super) done: Vec<String>,
    pub(super) wider: Vec<String>,
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
    use kpi::vietnamese::folding::folded;

    #[test]
    fn the_words_are_readable_and_folded() {
        let words = words();
        let owner = &words.owner;
        let of_owner = [&owner.own, &owner.others, &owner.tiers, &owner.leading];
        let of_owner = of_owner.into_iter().flatten().map(String::as_str);
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
