//! The names and labels of a catalogue, by their words.

use std::collections::HashMap;

use crate::domain::catalogue::Catalogue;
use crate::domain::unit::Name;
use crate::intake::words::{Spelling, words};

/// Words that say nothing about which measure a label is.
const NOISE: [&str; 21] = [
    "số", "tổng", "lượng", "được", "đã", "các", "những", "của", "là", "về", "và", "trên", "tại",
    "qua", "bằng", "theo", "number", "of", "the", "total", "no",
];
/// The same of several words.
const NOISE_PHRASES: [&str; 10] = [
    "trong kỳ báo cáo",
    "trong tháng báo cáo",
    "trong tháng",
    "trong kỳ",
    "trong đó",
    "cụ thể",
    "hệ thống",
    "phần mềm",
    "hình thức",
    "in the month",
];
/// How a phrase came to be a measure's: its name counts more than a further label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Strength {
    Name,
    Label,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) code: String,
    pub(super) system: Option<String>,
    pub(super) strength: Strength,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    Member(String, String),
    System(String),
}

/// A member or a system, and how it is written.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    words: Vec<String>,
    what: What,
}

/// The vocabulary in one spelling.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) spelling: Spelling,
    pub(super) measures: HashMap<String, Vec<Entry>>,
    phrases: HashMap<String, Vec<Phrase>>,
    noise: Vec<String>,
    noise_phrases: Vec<Vec<String>>,
}

/// Where a phrase stands in a text.
pub(super) struct Found<'l> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: &'l What,
}

impl Lexicon {
    pub(super) fn new(catalogue: &Catalogue, spelling: Spelling) -> Self {
        let mut lexicon = Self {
            spelling,
            measures: HashMap::new(),
            phrases: HashMap::new(),
            noise: NOISE.iter().flat_map(|word| words(word, spelling)).collect(),
            noise_phrases: NOISE_PHRASES.iter().map(|phrase| words(phrase, spelling)).collect(),
        };
        if spelling == Spelling::Plain {
            // Without diacritics these may be other words: `qua`, `tai`, `so` in a name that is no number.
            lexicon.noise.retain(|word| !matches!(word.as_str(), "la" | "ve"));
        }
        let document = &catalogue.document;
        for indicator in &document.indicators {
            lexicon.measure(
                &indicator.code,
                indicator.system.as_ref(),
                &indicator.name,
                &indicator.labels,
            );
        }
        for kpi in &document.kpis {
            lexicon.measure(&kpi.code, kpi.system.as_ref(), &kpi.name, &kpi.labels);
        }
        for dimension in &document.dimensions {
            for member in &dimension.members {
                for text in [&member.name.vi, &member.name.en].into_iter().chain(&member.labels) {
                    lexicon.phrase(text, What::Member(dimension.code.clone(), member.code.clone()));
                }
            }
        }
        for system in &document.systems {
            for text in system_names(&system.name).iter().chain(&system.labels) {
                lexicon.phrase(text, What::System(system.code.clone()));
            }
        }
        lexicon
    }

    fn measure(&mut self, code: &str, system: Option<&String>, name: &Name, labels: &[String]) {
        let names = [&name.vi, &name.en].into_iter().map(|text| (text, Strength::Name));
        for (text, strength) in names.chain(labels.iter().map(|text| (text, Strength::Label))) {
            let phrase = self.telling(words(text, self.spelling)).join(" ");
            let entries = self.measures.entry(phrase.clone()).or_default();
            if !phrase.is_empty() && !entries.iter().any(|entry| entry.code == code) {
                entries.push(Entry { code: code.to_owned(), system: system.cloned(), strength });
            }
        }
        self.measures.remove("");
    }

    fn phrase(&mut self, text: &str, what: What) {
        let words = self.telling(words(text, self.spelling));
        let Some(first) = words.first().cloned() else { return };
        let known = self.phrases.entry(first).or_default();
        if !known.iter().any(|phrase| phrase.words == words && phrase.what == what) {
            known.push(Phrase { words, what });
        }
    }

    /// The words that say something.
    pub(super) fn telling(&self, words: Vec<String>) -> Vec<String> {
        let (mut found, mut place) = (Vec::with_capacity(words.len()), 0);
        while let Some(word) = words.get(place) {
            let phrase = self
                .noise_phrases
                .iter()
                .find(|phrase| words.get(place..place + phrase.len()) == Some(phrase.as_slice()));
            match phrase {
                Some(phrase) => place += phrase.len(),
                None => {
                    if !self.noise.contains(word) {
                        found.push(word.clone());
                    }
                    place += 1;
                }
            }
        }
        found
    }

    /// The phrases in a text.
    pub(super) fn found<'l>(&'l self, words: &[String]) -> Vec<Found<'l>> {
        let mut found = Vec::new();
        for (start, word) in words.iter().enumerate() {
            for phrase in self.phrases.get(word).into_iter().flatten() {
                let end = start + phrase.words.len();
                if words.get(start..end) == Some(phrase.words.as_slice()) {
                    found.push(Found { start, end, what: &phrase.what });
                }
            }
        }
        found
    }
}

/// How a system's name is written: whole, without what stands in its brackets, and that alone, also without the maker before the hyphen.
fn system_names(name: &Name) -> Vec<String> {
    let mut found = Vec::new();
    for text in [&name.vi, &name.en] {
        let (outer, inner) = text
            .split_once('(')
            .map_or((text.as_str(), ""), |(outer, inner)| (outer, inner.trim_end_matches(')')));
        found.extend(
            [outer, inner, inner.split('-').next_back().unwrap_or_default()]
                .iter()
                .map(|text| text.trim().to_owned()),
        );
    }
    found.retain(|text| !text.is_empty());
    found
}
