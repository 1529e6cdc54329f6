//! The words of `catalogue/words/report.toml`, by which the reader tells time, owner and plans.

use std::sync::LazyLock;

use serde::Deserialize;

/// All words of the report reader.
#[derive(Deserialize, Debug, Default)]
pub struct ReportWords {
    pub(super) time: TimeWords,
    pub(super) owner: OwnerWords,
    pub(super) heading: HeadingWords,
}

/// Expressions for each time.
#[derive(Deserialize, Debug, Default)]
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
#[derive(Deserialize, Debug, Default)]
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
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields)]
pub struct HeadingWords {
    pub(super) planned: Vec<String>,
    pub(super) done: Vec<String>,
    pub(super) wider: Vec<String>,
}

static WORDS: LazyLock<ReportWords> = LazyLock::new(|| read(TEXT).unwrap_or_default());
const TEXT: &str = include_str!("../../../../catalogue/words/report.toml");

fn read(text: &str) -> Result<ReportWords, toml::de::Error> {
    toml::from_str(text)
}

/// The words; a test checks that the file is sound.
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
        let words = read(TEXT).unwrap();
        let owner = &words.owner;
        for text in [&owner.own, &owner.others, &owner.tiers, &owner.leading].into_iter().flatten()
        {
            for word in text.split_whitespace() {
                assert_eq!(folded(word), word, "{text}");
            }
        }
        assert!(words.time.plan.len() > 20 && words.heading.planned.len() > 10);
    }
}
