//! The check of what reports are read and written by: vocabulary, patterns, sentences, and the words that name things.

use super::*;
use crate::domain::phrase::{self, Part};
use crate::domain::sentence;

/// Most phrases of a pattern's field, and words of a vocabulary's entry.
const MAX_PHRASES: usize = 100;
/// Longest heading of a sentence in characters.
const MAX_HEADING: usize = 200;

/// What is wrong with further words, if anything.
pub(in crate::domain) fn label_fault(labels: &[String]) -> Option<String> {
    let sound = |label: &String| {
        !label.trim().is_empty()
            && label.chars().count() <= MAX_LABEL
            && !label.chars().any(char::is_control)
    };
    let fault = || format!("at most {MAX_LABELS} labels, each of 1 to {MAX_LABEL} characters");
    (labels.len() > MAX_LABELS || !labels.iter().all(sound)).then(fault)
}

/// What may stand in a phrase.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// One figure, members, a unit.
    Figure,
    /// Words, and words of the vocabulary.
    Words,
    /// Words alone: an entry of the vocabulary names no other.
    Bare,
}

impl Checker {
    /// Checks everything that reports are read and written by.
    pub(super) fn reports(&mut self, document: &CatalogueDocument, catalogue: &Catalogue) {
        self.codes("vocabulary", document.vocabulary.iter().map(|v| v.code.as_str()), is_code);
        self.codes("patterns", document.patterns.iter().map(|p| p.code.as_str()), is_code);
        self.codes("sentences", document.sentences.iter().map(|s| s.code.as_str()), is_code);
        let known: HashSet<&str> = document.vocabulary.iter().map(|v| v.code.as_str()).collect();
        for (n, entry) in document.vocabulary.iter().enumerate().take(MAX_ENTRIES) {
            if entry.words.is_empty() {
                self.fault(format!("/vocabulary/{n}/words"), "missing", "name at least one word");
            }
            self.phrases(
                &format!("/vocabulary/{n}/words"),
                &entry.words,
                Holds::Bare,
                &known,
                None,
            );
        }
        for (n, pattern) in document.patterns.iter().enumerate().take(MAX_ENTRIES) {
            self.pattern(&format!("/patterns/{n}"), pattern, document, catalogue, &known);
        }
        for (n, sentence) in document.sentences.iter().enumerate().take(MAX_ENTRIES) {
            self.sentence(&format!("/sentences/{n}"), sentence, catalogue);
        }
    }

    fn pattern(
        &mut self,
        place: &str,
        pattern: &PatternDocument,
        document: &CatalogueDocument,
        catalogue: &Catalogue,
        known: &HashSet<&str>,
    ) {
        let measure = self.declared(format!("{place}/measure"), &pattern.measure, catalogue);
        if let Some(of) = &pattern.of {
            self.declared(format!("{place}/of"), of, catalogue);
        }
        if pattern.phrases.is_empty() {
            self.fault(format!("{place}/phrases"), "missing", "name at least one phrase");
        }
        let dimensions = measure.as_ref().map(|measure| dimensions_of(catalogue, measure));
        self.phrases(
            &format!("{place}/phrases"),
            &pattern.phrases,
            Holds::Figure,
            known,
            dimensions.as_deref(),
        );
        for (field, phrases) in
            [("with", &pattern.with), ("unless", &pattern.unless), ("near", &pattern.near)]
        {
            self.phrases(&format!("{place}/{field}"), phrases, Holds::Words, known, None);
        }
        if let Some(topic) = pattern
            .topic
            .as_ref()
            .filter(|topic| !document.systems.iter().any(|system| system.code == **topic))
        {
            self.fault(
                format!("{place}/topic"),
                "unknown_system",
                format!("no system has the code {}", quoted(topic)),
            );
        }
        if let Some(target) = pattern
            .target
            .as_ref()
            .filter(|target| !document.targets.iter().any(|known| known.code == **target))
        {
            self.fault(
                format!("{place}/target"),
                "unknown_target",
                format!("no target has the code {}", quoted(target)),
            );
        }
        for (n, needed) in pattern.needs.iter().enumerate().take(MAX_DIMENSIONS_OF_AN_INDICATOR) {
            if dimensions.as_ref().is_some_and(|dimensions| !dimensions.contains(needed)) {
                self.fault(
                    format!("{place}/needs/{n}"),
                    "unknown_dimension",
                    format!("{} has no dimension {}", pattern.measure, quoted(needed)),
                );
            }
        }
    }

    /// A measure that has to be declared.
    fn declared(&mut self, place: String, text: &str, catalogue: &Catalogue) -> Option<Measure> {
        let measure = match Measure::parse(text) {
            Ok(measure) => measure,
            Err(detail) => {
                self.fault(place, "malformed_measure", detail);
                return None;
            }
        };
        let faults = catalogue.measure_faults(&measure);
        let sound = faults.is_empty();
        faults.into_iter().for_each(|(code, detail)| self.fault(&place, code, detail));
        sound.then_some(measure)
    }

    fn phrases(
        &mut self,
        place: &str,
        phrases: &[String],
        holds: Holds,
        known: &HashSet<&str>,
        dimensions: Option<&[String]>,
    ) {
        if phrases.len() > MAX_PHRASES {
            self.fault(place, "too_many", format!("at most {MAX_PHRASES} phrases"));
        }
        for (n, text) in phrases.iter().enumerate().take(MAX_PHRASES) {
            let here = format!("{place}/{n}");
            let parts = match phrase::parse(text) {
                Ok(parts) => parts,
                Err(detail) => {
                    self.fault(here, "malformed_phrase", detail);
                    continue;
                }
            };
            let (values, named, unit) = phrase::placeholders(&parts);
            match holds {
                Holds::Figure if values != 1 => self.fault(
                    &here,
                    "no_value",
                    format!("a phrase has exactly one {{value}}, this has {values}"),
                ),
                Holds::Words if values > 0 || !named.is_empty() => {
                    self.fault(&here, "malformed_phrase", "no figure and no member stands here")
                }
                Holds::Bare if values > 0 || unit || !named.is_empty() => {
                    self.fault(&here, "malformed_phrase", "words alone stand here")
                }
                Holds::Figure | Holds::Words | Holds::Bare => {}
            }
            if let Some(twice) = named.iter().enumerate().find_map(|(n, dimension)| {
                named.iter().skip(n + 1).find(|other| *other == dimension)
            }) {
                self.fault(&here, "malformed_phrase", format!("{{{twice}}} stands twice"));
            }
            for dimension in named
                .iter()
                .filter(|dimension| dimensions.is_some_and(|known| !known.contains(dimension)))
            {
                self.fault(
                    &here,
                    "unknown_dimension",
                    format!("the measure has no dimension {}", quoted(dimension)),
                );
            }
            for entry in vocabulary_of(&parts) {
                if holds == Holds::Bare {
                    self.fault(
                        &here,
                        "nested_vocabulary",
                        "an entry of the vocabulary names no other",
                    );
                } else if !known.contains(entry) {
                    self.fault(
                        &here,
                        "unknown_vocabulary",
                        format!("the vocabulary has no entry {}", quoted(entry)),
                    );
                }
            }
        }
    }

    fn sentence(&mut self, place: &str, written: &SentenceDocument, catalogue: &Catalogue) {
        if written.heading.trim().is_empty()
            || written.heading.chars().count() > MAX_HEADING
            || written.heading.chars().any(char::is_control)
        {
            self.fault(
                format!("{place}/heading"),
                "malformed",
                format!("1 to {MAX_HEADING} characters"),
            );
        }
        let here = format!("{place}/text");
        match sentence::parse(&written.text) {
            Err(detail) => self.fault(here, "malformed_sentence", detail),
            Ok(parts) => {
                let faults = sentence::figures(&parts)
                    .into_iter()
                    .flat_map(|measure| catalogue.measure_faults(measure));
                faults.for_each(|(code, detail)| self.fault(&here, code, detail));
            }
        }
    }
}

/// The dimensions that a measure may name.
fn dimensions_of(catalogue: &Catalogue, measure: &Measure) -> Vec<String> {
    let of_indicator = catalogue
        .indicator(&measure.code)
        .into_iter()
        .flat_map(|indicator| indicator.dimensions.iter().map(|dimension| dimension.code.clone()));
    let of_kpi = catalogue
        .kpi(&measure.code)
        .into_iter()
        .flat_map(|kpi| kpi.dimensions.iter().map(|(code, _)| code.clone()));
    of_indicator.chain(of_kpi).collect()
}

/// The entries of the vocabulary that a phrase names.
fn vocabulary_of(parts: &[Part]) -> Vec<&str> {
    fn of(part: &Part) -> Vec<&str> {
        match part {
            Part::Vocabulary(entry) => vec![entry.as_str()],
            Part::Choice { of, .. } => of.iter().flat_map(|one| vocabulary_of(one)).collect(),
            Part::Word(_)
            | Part::Gap(_)
            | Part::Value
            | Part::Number
            | Part::Member(_)
            | Part::Unit
            | Part::End => Vec::new(),
        }
    }
    parts.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::catalogue::{Catalogue, CatalogueDocument};

    /// The faults of a small catalogue with these sections, as `pointer code`.
    fn faults(sections: serde_json::Value) -> Vec<String> {
        let mut whole = serde_json::json!({
            "systems": [{ "code": "s", "labels": ["sổ"] }],
            "dimensions": [{ "code": "d", "members": [{ "code": "m" }] }, { "code": "e", "members": [{ "code": "m" }] }],
            "indicators": [{ "code": "a.b", "kind": "flow", "unit_of_measure": "count", "dimensions": [{ "code": "d" }] }],
            "vocabulary": [{ "code": "new", "words": ["mới"] }],
        });
        for (section, entries) in sections.as_object().unwrap() {
            whole[section] = entries.clone();
        }
        let document = CatalogueDocument::from_value(whole).unwrap();
        let found = Catalogue::new(document).err().unwrap_or_default();
        found.into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn every_fault_of_patterns_is_named_at_once() {
        let sound = serde_json::json!({ "code": "p", "measure": "a.b", "phrases": ["<new> {value} {d}"], "with": ["mới"], "topic": "s", "of": "a.b{d=m}", "needs": ["d"] });
        assert_eq!(faults(serde_json::json!({ "patterns": [sound] })), Vec::<String>::new());
        let faulty = serde_json::json!([
            { "code": "p", "measure": "a.c", "phrases": ["{value}"] },
            { "code": "p", "measure": "a.b", "phrases": [] },
            { "code": "q", "measure": "a.b", "phrases": ["mới", "{value} {value}", "({value}", "{value} {e}", "{value} <old>"], "with": ["{value}"], "unless": ["("], "near": ["<old>"] },
            { "code": "r", "measure": "a.b{", "phrases": ["{value}"], "topic": "t", "of": "a.c", "target": "t", "needs": ["e"] },
            { "code": "u", "measure": "a.b", "phrases": ["{value}"], "needs": ["e"] },
        ]);
        assert_eq!(
            faults(serde_json::json!({ "patterns": faulty })),
            [
                "/patterns/1/code duplicate",
                "/patterns/0/measure unknown_measure",
                "/patterns/1/phrases missing",
                "/patterns/2/phrases/0 no_value",
                "/patterns/2/phrases/1 no_value",
                "/patterns/2/phrases/2 malformed_phrase",
                "/patterns/2/phrases/3 unknown_dimension",
                "/patterns/2/phrases/4 unknown_vocabulary",
                "/patterns/2/with/0 malformed_phrase",
                "/patterns/2/unless/0 malformed_phrase",
                "/patterns/2/near/0 unknown_vocabulary",
                "/patterns/3/measure malformed_measure",
                "/patterns/3/of unknown_measure",
                "/patterns/3/topic unknown_system",
                "/patterns/3/target unknown_target",
                "/patterns/4/needs/0 unknown_dimension",
            ]
        );
    }

    #[test]
    fn vocabulary_labels_and_sentences_are_checked() {
        assert_eq!(
            faults(
                serde_json::json!({ "vocabulary": [{ "code": "new", "words": ["<new>"] }, { "code": "N", "words": [] }, { "code": "v", "words": ["{value}"] }] })
            ),
            [
                "/vocabulary/1/code malformed_code",
                "/vocabulary/0/words/0 nested_vocabulary",
                "/vocabulary/1/words missing",
                "/vocabulary/2/words/0 malformed_phrase"
            ]
        );
        assert_eq!(
            faults(serde_json::json!({ "systems": [{ "code": "s", "labels": vec!["x"; 21] }] })),
            ["/systems/0/labels too_many"]
        );
        assert_eq!(
            faults(
                serde_json::json!({ "systems": [{ "code": "s", "labels": ["x".repeat(201)] }] })
            ),
            ["/systems/0/labels/0 malformed"]
        );
        assert_eq!(
            faults(
                serde_json::json!({ "systems": [{ "code": "s", "labels": vec!["x".repeat(200); 20] }] })
            ),
            Vec::<String>::new()
        );
        let sentences = serde_json::json!([{ "code": "a", "heading": "", "text": "[{a.b}" }, { "code": "b", "heading": "H", "text": "{a.c}" }, { "code": "c", "heading": "H", "text": "{a.b{d=m}}" }]);
        assert_eq!(
            faults(serde_json::json!({ "sentences": sentences })),
            [
                "/sentences/0/heading malformed",
                "/sentences/0/text malformed_sentence",
                "/sentences/1/text unknown_measure"
            ]
        );
    }

    #[test]
    fn phrases_are_bounded() {
        let of = |count: usize| {
            faults(
                serde_json::json!({ "patterns": [{ "code": "p", "measure": "a.b", "phrases": vec!["{value}"; count] }] }),
            )
        };
        assert_eq!(of(100), Vec::<String>::new());
        assert_eq!(of(101), ["/patterns/0/phrases too_many"]);
    }
}
