//! Validation of the sections by which reports are read and written: vocabulary, patterns,
//! sentences and labels.

use super::*;
use crate::phrase::{self, PhrasePart};
use crate::sentence;

/// Most phrases in a field of a pattern, and most words of a vocabulary entry.
const MAX_PHRASES: usize = 100;
/// Longest heading of a sentence, in characters.
const MAX_HEADING: usize = 200;

/// What a phrase may contain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PhraseContent {
    /// One figure, members and a unit.
    Figure,
    /// Words, including words of the vocabulary.
    Words,
    /// Words only, because a vocabulary entry cannot name another.
    Bare,
}

impl CatalogueChecker {
    /// Validates vocabulary, patterns and sentences.
    pub(super) fn check_reports(&mut self, document: &CatalogueDocument, catalogue: &Catalogue) {
        self.check_codes(
            "vocabulary",
            document.vocabulary.iter().map(|v| v.code.as_str()),
            is_code,
        );
        self.check_codes("patterns", document.patterns.iter().map(|p| p.code.as_str()), is_code);
        self.check_codes("sentences", document.sentences.iter().map(|s| s.code.as_str()), is_code);
        let known: HashSet<&str> = document.vocabulary.iter().map(|v| v.code.as_str()).collect();
        for (n, entry) in document.vocabulary.iter().enumerate().take(MAX_ENTRIES) {
            if entry.words.is_empty() {
                self.fault(format!("/vocabulary/{n}/words"), "missing", "name at least one word");
            }
            self.check_phrases(
                &format!("/vocabulary/{n}/words"),
                &entry.words,
                PhraseContent::Bare,
                &known,
                None,
            );
        }
        for (n, pattern) in document.patterns.iter().enumerate().take(MAX_ENTRIES) {
            self.check_pattern(&format!("/patterns/{n}"), pattern, document, catalogue, &known);
        }
        for (n, sentence) in document.sentences.iter().enumerate().take(MAX_ENTRIES) {
            self.check_sentence(&format!("/sentences/{n}"), sentence, catalogue);
        }
    }

    fn check_pattern(
        &mut self,
        place: &str,
        pattern: &PatternDocument,
        document: &CatalogueDocument,
        catalogue: &Catalogue,
        known: &HashSet<&str>,
    ) {
        let measure = self.check_declared(format!("{place}/measure"), &pattern.measure, catalogue);
        if let Some(of) = &pattern.of {
            self.check_declared(format!("{place}/of"), of, catalogue);
        }
        if pattern.phrases.is_empty() {
            self.fault(format!("{place}/phrases"), "missing", "name at least one phrase");
        }
        let dimensions = measure.as_ref().map(|measure| dimensions_of(catalogue, measure));
        self.check_phrases(
            &format!("{place}/phrases"),
            &pattern.phrases,
            PhraseContent::Figure,
            known,
            dimensions.as_deref(),
        );
        for (field, phrases) in
            [("with", &pattern.with), ("unless", &pattern.unless), ("near", &pattern.near)]
        {
            self.check_phrases(
                &format!("{place}/{field}"),
                phrases,
                PhraseContent::Words,
                known,
                None,
            );
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

    /// A measure, if it is well formed and declared; otherwise its errors are recorded.
    fn check_declared(
        &mut self,
        place: String,
        text: &str,
        catalogue: &Catalogue,
    ) -> Option<Measure> {
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

    fn check_phrases(
        &mut self,
        place: &str,
        phrases: &[String],
        holds: PhraseContent,
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
                PhraseContent::Figure if values != 1 => self.fault(
                    &here,
                    "no_value",
                    format!("a phrase has exactly one {{value}}, this has {values}"),
                ),
                PhraseContent::Words if values > 0 || !named.is_empty() => self.fault(
                    &here,
                    "malformed_phrase",
                    "this phrase cannot contain a figure or a member",
                ),
                PhraseContent::Bare if values > 0 || unit || !named.is_empty() => {
                    self.fault(&here, "malformed_phrase", "this phrase can contain only words")
                }
                PhraseContent::Figure | PhraseContent::Words | PhraseContent::Bare => {}
            }
            if let Some(twice) = named.iter().enumerate().find_map(|(n, dimension)| {
                named.iter().skip(n + 1).find(|other| *other == dimension)
            }) {
                self.fault(&here, "malformed_phrase", format!("{{{twice}}} is a duplicate"));
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
                if holds == PhraseContent::Bare {
                    self.fault(
                        &here,
                        "nested_vocabulary",
                        "a vocabulary entry cannot name another",
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

    fn check_sentence(&mut self, place: &str, written: &SentenceDocument, catalogue: &Catalogue) {
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

/// The vocabulary entries that a phrase names.
fn vocabulary_of(parts: &[PhrasePart]) -> Vec<&str> {
    fn of(part: &PhrasePart) -> Vec<&str> {
        match part {
            PhrasePart::Vocabulary(entry) => vec![entry.as_str()],
            PhrasePart::Choice { of, .. } => of.iter().flat_map(|one| vocabulary_of(one)).collect(),
            PhrasePart::Word(_)
            | PhrasePart::Gap(_)
            | PhrasePart::Value
            | PhrasePart::Number
            | PhrasePart::Member(_)
            | PhrasePart::Unit
            | PhrasePart::End => Vec::new(),
        }
    }
    parts.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use crate::catalogue::{Catalogue, CatalogueDocument};

    /// The errors of a small catalogue with these sections, as `pointer code`.
    fn faults(sections: serde_json::Value) -> Vec<String> {
        let mut whole = serde_json::json!({
            "systems": [{ "code": "s", "labels": ["sổ"] }],
            "dimensions": [
                { "code": "d", "members": [{ "code": "m" }] },
                { "code": "e", "members": [{ "code": "m" }] }
            ],
            "indicators": [{
                "code": "a.b",
                "kind": "flow",
                "unit_of_measure": "count",
                "dimensions": [{ "code": "d" }]
            }],
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
        let sound = serde_json::json!({
            "code": "p",
            "measure": "a.b",
            "phrases": ["<new> {value} {d}"],
            "with": ["mới"],
            "topic": "s",
            "of": "a.b{d=m}",
            "needs": ["d"]
        });
        assert_eq!(faults(serde_json::json!({ "patterns": [sound] })), Vec::<String>::new());
        let faulty = serde_json::json!([
            { "code": "p", "measure": "a.c", "phrases": ["{value}"] },
            { "code": "p", "measure": "a.b", "phrases": [] },
            {
                "code": "q",
                "measure": "a.b",
                "phrases": ["mới", "{value} {value}", "({value}", "{value} {e}", "{value} <old>"],
                "with": ["{value}"],
                "unless": ["("],
                "near": ["<old>"]
            },
            {
                "code": "r",
                "measure": "a.b{",
                "phrases": ["{value}"],
                "topic": "t",
                "of": "a.c",
                "target": "t",
                "needs": ["e"]
            },
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
            faults(serde_json::json!({ "vocabulary": [
                    { "code": "new", "words": ["<new>"] },
                    { "code": "N", "words": [] },
                    { "code": "v", "words": ["{value}"] }
                ] })),
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
            faults(serde_json::json!({ "systems": [{
                    "code": "s",
                    "labels": vec!["x".repeat(200); 20]
                }] })),
            Vec::<String>::new()
        );
        let sentences = serde_json::json!([
            { "code": "a", "heading": "", "text": "[{a.b}" },
            { "code": "b", "heading": "H", "text": "{a.c}" },
            { "code": "c", "heading": "H", "text": "{a.b{d=m}}" }
        ]);
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
            faults(serde_json::json!({ "patterns": [{
                    "code": "p",
                    "measure": "a.b",
                    "phrases": vec!["{value}"; count]
                }] }))
        };
        assert_eq!(of(100), Vec::<String>::new());
        assert_eq!(of(101), ["/patterns/0/phrases too_many"]);
    }
}
