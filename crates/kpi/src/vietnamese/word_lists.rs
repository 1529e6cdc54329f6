//! The words of `catalogue/words/vietnamese.toml`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::word_file::{self, WordList};

/// Words of the language.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct VietnameseWords {
    pub(super) number: NumberWords,
    /// Abbreviations, folded, and the words that they abbreviate.
    pub(super) abbreviations: HashMap<String, String>,
}

/// Words beside numbers.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct NumberWords {
    pub(super) no_tier: WordList,
    pub(super) approximate: WordList,
}

static WORDS: LazyLock<VietnameseWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../../catalogue/words/vietnamese.toml")));

/// The words.
#[must_use]
pub fn vietnamese_words() -> &'static VietnameseWords {
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::super::folding::folded;
    use super::*;

    #[test]
    fn the_words_are_readable_and_folded() {
        let words = vietnamese_words();
        let (number, abbreviations) = (&words.number, &words.abbreviations);
        let all = number.no_tier.iter().chain(number.approximate.iter());
        let all = all.chain(abbreviations.keys().map(String::as_str));
        for word in all.chain(abbreviations.values().flat_map(|words| words.split(' '))) {
            assert_eq!(folded(word), word);
        }
        assert!(abbreviations.len() > 20 && number.no_tier.contains("mới"));
    }
}
