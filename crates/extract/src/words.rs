//! The words of `catalogue/words/tables.toml`, by which labels and cells of tables are read.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use kpi::unit::UnitKind;
use kpi::word_file::{self, WordList};

/// All words of the table reader.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TableWords {
    pub(crate) label: LabelWords,
    pub(crate) title: TitleWords,
    pub(crate) unit_name: UnitNameWords,
    pub(crate) cell: CellWords,
}

/// Words of labels.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct LabelWords {
    pub(crate) noise: WordList,
    pub(crate) noise_phrases: WordList,
    pub(crate) units_of_measure: WordList,
    /// Words in a unit of measure that multiply, with their powers of ten.
    pub(crate) multipliers: BTreeMap<String, u32>,
}

/// Words of titles and captions.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TitleWords {
    pub(crate) leads: WordList,
    pub(crate) parts: WordList,
}

/// Words beside the names of units.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct UnitNameWords {
    pub(crate) kinds: WordList,
    pub(crate) abbreviated_kinds: WordList,
    pub(crate) plurals: WordList,
    pub(crate) heads: Vec<UnitHead>,
}

/// Words before the name of a unit, and the kind of unit that they give.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct UnitHead {
    pub(crate) words: String,
    pub(crate) kind: Option<UnitKind>,
}

/// Words of cells, without diacritics.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct CellWords {
    pub(crate) units_of_measure: WordList,
    pub(crate) no_figure: WordList,
}

static WORDS: LazyLock<TableWords> =
    LazyLock::new(|| word_file::read(include_str!("../../../catalogue/words/tables.toml")));

/// The words.
#[must_use]
pub fn table_words() -> &'static TableWords {
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use kpi::vietnamese::folding::unaccented;

    #[test]
    fn the_words_are_readable_and_in_the_form_in_which_they_are_compared() {
        let words = table_words();
        for written in words.cell.units_of_measure.iter().chain(words.cell.no_figure.iter()) {
            assert_eq!(unaccented(written), written);
        }
        for written in words.title.leads.iter().chain(words.title.parts.iter()) {
            assert_eq!(written.to_lowercase(), written);
        }
        assert!(words.label.noise.contains("số") && words.label.multipliers["triệu"] == 6);
        assert!(words.unit_name.heads.len() > 10 && words.unit_name.kinds.contains("huyện"));
    }
}
