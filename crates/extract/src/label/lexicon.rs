//! Index of the names and labels of a catalogue by their words.

use std::collections::HashMap;

use crate::words::table_words;
use kpi::catalogue::Catalogue;
use kpi::unit::LocalizedName;
use kpi::vietnamese::folding::{Spelling, label_words};

/// How strongly words point to a measure: a name counts more than a further label.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum LabelStrength {
    Name,
    Label,
}

#[derive(Clone, Debug)]
pub(super) struct LabelEntry {
    pub(super) code: String,
    pub(super) system: Option<String>,
    pub(super) strength: LabelStrength,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PhraseTarget {
    Member(String, String),
    System(String),
}

/// The words of a member or a system.
#[derive(Clone, Debug)]
pub(super) struct LabelPhrase {
    words: Vec<String>,
    what: PhraseTarget,
}

/// The index for one spelling.
#[derive(Debug)]
pub(super) struct LabelLexicon {
    pub(super) spelling: Spelling,
    pub(super) measures: HashMap<String, Vec<LabelEntry>>,
    phrases: HashMap<String, Vec<LabelPhrase>>,
    noise: Vec<String>,
    noise_phrases: Vec<Vec<String>>,
}

/// An occurrence of words in a text.
pub(super) struct PhraseMatch<'l> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: &'l PhraseTarget,
}

impl LabelLexicon {
    pub(super) fn new(catalogue: &Catalogue, spelling: Spelling) -> Self {
        let fillers = &table_words().label;
        let mut lexicon = Self {
            spelling,
            measures: HashMap::new(),
            phrases: HashMap::new(),
            noise: fillers.noise.iter().flat_map(|word| label_words(word, spelling)).collect(),
            noise_phrases: fillers
                .noise_phrases
                .iter()
                .map(|phrase| label_words(phrase, spelling))
                .collect(),
        };
        if spelling == Spelling::Plain {
            lexicon.noise.retain(|word| !fillers.ambiguous_noise.contains(word));
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
                    lexicon.phrase(
                        text,
                        PhraseTarget::Member(dimension.code.clone(), member.code.clone()),
                    );
                }
            }
        }
        for system in &document.systems {
            for text in system_names(&system.name).iter().chain(&system.labels) {
                lexicon.phrase(text, PhraseTarget::System(system.code.clone()));
            }
        }
        lexicon
    }

    fn measure(
        &mut self,
        code: &str,
        system: Option<&String>,
        name: &LocalizedName,
        labels: &[String],
    ) {
        let names = [&name.vi, &name.en].into_iter().map(|text| (text, LabelStrength::Name));
        for (text, strength) in names.chain(labels.iter().map(|text| (text, LabelStrength::Label)))
        {
            let phrase = self.significant_words(label_words(text, self.spelling)).join(" ");
            let entries = self.measures.entry(phrase.clone()).or_default();
            if !phrase.is_empty() && !entries.iter().any(|entry| entry.code == code) {
                entries.push(LabelEntry {
                    code: code.to_owned(),
                    system: system.cloned(),
                    strength,
                });
            }
        }
        self.measures.remove("");
    }

    fn phrase(&mut self, text: &str, what: PhraseTarget) {
        let words = self.significant_words(label_words(text, self.spelling));
        let Some(first) = words.first().cloned() else { return };
        let known = self.phrases.entry(first).or_default();
        if !known.iter().any(|phrase| phrase.words == words && phrase.what == what) {
            known.push(LabelPhrase { words, what });
        }
    }

    /// The words without fillers.
    pub(super) fn significant_words(&self, words: Vec<String>) -> Vec<String> {
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

    /// The occurrences of members and systems in a text.
    pub(super) fn find_phrases<'l>(&'l self, words: &[String]) -> Vec<PhraseMatch<'l>> {
        let mut found = Vec::new();
        for (start, word) in words.iter().enumerate() {
            for phrase in self.phrases.get(word).into_iter().flatten() {
                let end = start + phrase.words.len();
                if words.get(start..end) == Some(phrase.words.as_slice()) {
                    found.push(PhraseMatch { start, end, what: &phrase.what });
                }
            }
        }
        found
    }
}

/// The ways to write the name of a system: whole, without its brackets, the content of its
/// brackets, and that without the maker before the hyphen.
fn system_names(name: &LocalizedName) -> Vec<String> {
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
