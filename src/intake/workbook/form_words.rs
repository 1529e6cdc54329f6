//! The words of `catalogue/words/forms.toml`, by which a filled form is read.

use std::sync::LazyLock;

use kpi::word_file::{self, WordList};
use serde::Deserialize;

/// All words of forms, without diacritics.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct FormWords {
    pub multiples: WordList,
    pub heading: FormHeadingWords,
}

/// Headings of columns, and the beginnings of those with a month.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct FormHeadingWords {
    pub numbers: WordList,
    pub labels: WordList,
    pub units_of_measure: WordList,
    pub notes: WordList,
    pub checks: WordList,
    pub previous: WordList,
    pub input: WordList,
}

static WORDS: LazyLock<FormWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../catalogue/words/forms.toml")));

/// The words.
pub(super) fn form_words() -> &'static FormWords {
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::vietnamese::folding::unaccented;

    #[test]
    fn the_words_are_readable_and_without_diacritics() {
        let FormWords { multiples, heading } = form_words();
        let lists = [multiples, &heading.numbers, &heading.labels, &heading.units_of_measure];
        let more = [&heading.notes, &heading.checks, &heading.previous, &heading.input];
        for list in lists.into_iter().chain(more) {
            assert!(list.iter().count() > 0);
            assert!(list.iter().all(|written| unaccented(written) == written), "{list:?}");
        }
    }
}
