//! Reads the files of `catalogue/words`, which are compiled into the program: words are data, code
//! has the rules.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Parses a file of words that is compiled in.
///
/// # Panics
/// When the file does not have the form of `T`. Every module that uses this function has a test
/// that reads its file, so no program with such a file passes the tests.
#[must_use]
#[expect(clippy::expect_used, reason = "the file is compiled in, and a test reads it")]
pub fn read<T: DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).expect("a file of catalogue/words is compiled in and has a test")
}

/// Words or phrases, in the order of the file.
#[derive(Deserialize, Debug)]
#[serde(transparent)]
pub struct WordList(Vec<String>);

impl WordList {
    /// Whether a word or phrase is in the list.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|known| known == word)
    }

    /// The words or phrases.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Words or phrases with a space before and behind each, as they are looked for in a line in which
/// every word is between spaces.
#[derive(Deserialize, Debug)]
#[serde(from = "Vec<String>")]
pub struct SpacedWordList(Vec<String>);

impl SpacedWordList {
    /// The words or phrases, each between spaces.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl From<Vec<String>> for SpacedWordList {
    fn from(words: Vec<String>) -> Self {
        Self(words.into_iter().map(|word| format!(" {word} ")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_their_order_and_spaces_surround_whole_phrases() {
        let words: WordList =
            read::<std::collections::HashMap<String, WordList>>("words = ['hồ sơ', 'đơn']")
                .remove("words")
                .unwrap();
        assert_eq!(words.iter().collect::<Vec<_>>(), ["hồ sơ", "đơn"]);
        assert!(words.contains("đơn") && !words.contains("hồ"));
        let spaced = SpacedWordList::from(vec!["đối với".to_owned()]);
        assert_eq!(spaced.iter().collect::<Vec<_>>(), [" đối với "]);
    }
}
