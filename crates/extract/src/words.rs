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
    pub(crate) heading: ColumnHeadingWords,
    pub(crate) total: TotalWords,
    pub(crate) row: RowWords,
    pub(crate) title: TitleWords,
    pub(crate) unit_name: UnitNameWords,
    pub(crate) cell: CellWords,
}

/// Words of labels.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct LabelWords {
    pub(crate) noise: WordList,
    pub(crate) ambiguous_noise: WordList,
    pub(crate) noise_phrases: WordList,
    pub(crate) units_of_measure: WordList,
    /// Words in a unit of measure that multiply, with their powers of ten.
    pub(crate) multipliers: BTreeMap<String, u32>,
}

/// Labels of columns that say what is in the column, without diacritics.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct ColumnHeadingWords {
    pub(crate) row_numbers: WordList,
    pub(crate) units_of_measure: WordList,
    pub(crate) notes: WordList,
    pub(crate) labels: WordList,
    pub(crate) units: WordList,
    pub(crate) units_or_measures: WordList,
    pub(crate) months: WordList,
    pub(crate) years: WordList,
    pub(crate) figures: WordList,
    pub(crate) rates: WordList,
}

/// Words of the labels of totals, without diacritics.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct TotalWords {
    pub(crate) labels: WordList,
    pub(crate) heads: WordList,
    pub(crate) nouns: WordList,
    pub(crate) wholes: WordList,
}

/// Parts of the texts of rows, without diacritics.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct RowWords {
    pub(crate) levels: WordList,
    pub(crate) multiples: WordList,
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
    pub(crate) leads: WordList,
    pub(crate) writer_parts: WordList,
    pub(crate) writer_names: WordList,
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
    pub(crate) zero: WordList,
    pub(crate) approximate: WordList,
    pub(crate) times: WordList,
    pub(crate) money: WordList,
    pub(crate) before_money: WordList,
    pub(crate) durations: WordList,
    pub(crate) no_durations: WordList,
    /// Words behind a number that multiply it, with their powers of ten.
    pub(crate) multipliers: BTreeMap<String, u32>,
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
    use kpi::vietnamese::folding::{folded, unaccented};

    #[test]
    fn the_words_are_readable_and_in_the_form_in_which_they_are_compared() {
        let words = table_words();
        let (cell, total, row) = (&words.cell, &words.total, &words.row);
        let lists = [
            [&cell.units_of_measure, &cell.no_figure, &cell.zero, &cell.approximate, &cell.times],
            [&cell.money, &cell.before_money, &cell.durations, &cell.no_durations, &row.levels],
            [&total.labels, &total.heads, &total.nouns, &total.wholes, &row.multiples],
        ];
        let plain = lists.into_iter().flatten().chain(headings()).flat_map(WordList::iter);
        let plain = plain.chain(cell.multipliers.keys().map(String::as_str));
        for written in plain.chain(words.label.ambiguous_noise.iter()) {
            assert_eq!(unaccented(written), written);
        }
        for written in words.title.leads.iter().chain(words.title.parts.iter()) {
            assert_eq!(written.to_lowercase(), written);
        }
        let name = &words.unit_name;
        for written in [&name.leads, &name.writer_parts, &name.writer_names].map(WordList::iter) {
            assert!(written.flat_map(|text| text.split(' ')).all(|word| folded(word) == word));
        }
        assert!(words.label.noise.contains("số") && words.label.multipliers["triệu"] == 6);
        assert!(words.unit_name.heads.len() > 10 && words.unit_name.kinds.contains("huyện"));
    }

    fn headings() -> [&'static WordList; 9] {
        let words = &table_words().heading;
        let of_rows = [&words.labels, &words.units, &words.months, &words.years];
        let of_cells = [&words.row_numbers, &words.units_of_measure, &words.notes, &words.figures];
        let ([a, b, c, d], [e, f, g, h]) = (of_rows, of_cells);
        [a, b, c, d, e, f, g, h, &words.rates]
    }

    #[test]
    fn no_heading_has_two_meanings() {
        for (n, list) in headings().iter().enumerate() {
            for other in headings().iter().skip(n + 1) {
                assert_eq!(list.iter().find(|heading| other.contains(heading)), None);
            }
        }
    }
}
