//! The catalogue's patterns prepared for matching: phrases as regular expressions, and the names of
//! systems, members and units.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::words::words as report_words;
use kpi::catalogue::{Catalogue, PatternDocument};
use kpi::measure::Measure;
use kpi::period::Month;
use kpi::phrase::{self, PhrasePart, PhraseWords, sign};
use kpi::unit::{UnitDocument, UnitForest, UnitKind, UnitPosition, UnitRange};
use kpi::vietnamese::folding::words;

/// Most bytes of automaton states that a regular expression caches on each thread. There are
/// thousands of expressions, each matched against one sentence at a time.
const MAX_STATES: usize = 16 << 10;

/// A pattern prepared for matching.
#[derive(Debug)]
pub struct PatternRecognizer {
    /// Its code.
    pub code: String,
    /// The measure that it finds.
    pub measure: Measure,
    /// Its phrases; the figure is found where one matches.
    pub phrases: Vec<Regex>,
    /// Matches when one of the phrases required in the clause does; `None` when none is required.
    pub with: Option<Regex>,
    /// Matches when one of the phrases excluded from the clause does.
    pub unless: Option<Regex>,
    /// Matches when one of the phrases required in the paragraph or above does.
    pub near: Option<Regex>,
    /// The system that the text must be about.
    pub topic: Option<String>,
    /// Whether the text may also be about no system at all.
    pub topic_optional: bool,
    /// The measure of the figure directly before.
    pub of: Option<Measure>,
    /// The target that the figure states.
    pub target: Option<String>,
    /// The words of its phrases.
    pub words: std::collections::HashSet<String>,
    /// Whether the figure is a total, so that members named beside it do not belong to it.
    pub whole: bool,
    /// Dimensions of which the figure must have a member.
    pub needs: Vec<String>,
    /// Whether its phrases say which time the figure belongs to.
    pub timeless: bool,
    /// Whether it finds only words for zero, in addition to what other patterns find.
    pub nothing: bool,
    /// Whether its phrases name a unit.
    pub names_unit: bool,
    /// The system of its indicator.
    pub system: Option<String>,
    /// The dimensions of all figures of its system.
    pub divides: std::collections::HashSet<String>,
    /// Indicators that its figures may be parts or rates of.
    pub kin: Vec<String>,
    /// The dimensions that it may name.
    pub dimensions: Vec<UnnamedDimension>,
}

/// A dimension that a figure may name.
#[derive(Clone, Debug)]
pub struct UnnamedDimension {
    /// The code.
    pub code: String,
    /// The members.
    pub members: Vec<String>,
    /// The dimension and member that must be named for this dimension to be open.
    pub within: Option<(String, String)>,
}

/// Names by their folded words, with the position or index of the thing that each names. The
/// longest match is taken.
#[derive(Debug, Default)]
pub struct NameIndex<T>(HashMap<String, Vec<(Vec<String>, T)>>);

impl<T: Copy> NameIndex<T> {
    /// Adds a name for a thing.
    pub fn add(&mut self, words: Vec<String>, thing: T) {
        if let Some(first) = words.first() {
            let list = self.0.entry(first.clone()).or_default();
            list.push((words, thing));
            list.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        }
    }

    /// The thing that the first words of a list name, and the number of these words.
    #[must_use]
    pub fn at(&self, words: &[&str]) -> Option<(T, usize)> {
        let list = self.0.get(*words.first()?)?;
        let fits = |name: &[String]| {
            name.len() <= words.len() && name.iter().zip(words).all(|(one, other)| one == other)
        };
        list.iter().find(|(name, _)| fits(name)).map(|(name, thing)| (*thing, name.len()))
    }
}

/// All that is matched in a report.
#[derive(Debug, Default)]
pub struct ReportLexicon {
    /// The patterns, in order of the catalogue.
    pub recognizers: Vec<PatternRecognizer>,
    /// Names of systems, with indices in `systems`.
    pub topics: NameIndex<usize>,
    /// The codes of the systems.
    pub systems: Vec<String>,
    /// Names of members, with indices in `members`.
    pub member_names: NameIndex<usize>,
    /// For each name its members. Members of several dimensions may share a name.
    pub members: Vec<Vec<(String, String)>>,
    /// For each dimension the member that folded words name.
    pub worded: BTreeMap<String, BTreeMap<String, String>>,
}

impl ReportLexicon {
    /// Prepares the patterns of a catalogue.
    ///
    /// # Errors
    /// A sentence that names a pattern which cannot be prepared; never for a valid catalogue.
    pub fn new(catalogue: &Catalogue) -> Result<Self, String> {
        let mut lexicon = Self::default();
        let document = &catalogue.document;
        for system in &document.systems {
            for label in &system.labels {
                lexicon.topics.add(words(label), lexicon.systems.len());
            }
            lexicon.systems.push(system.code.clone());
        }
        let mut worded: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut shared: BTreeMap<Vec<String>, Vec<(String, String)>> = BTreeMap::new();
        for dimension in &document.dimensions {
            for member in &dimension.members {
                for name in std::iter::once(&member.name.vi).chain(&member.labels) {
                    let words = words(name);
                    if words.is_empty() {
                        continue;
                    }
                    worded
                        .entry(dimension.code.clone())
                        .or_default()
                        .insert(words.join(" "), member.code.clone());
                    let names = shared.entry(words).or_default();
                    if !names.iter().any(|(known, _)| *known == dimension.code) {
                        names.push((dimension.code.clone(), member.code.clone()));
                    }
                }
            }
        }
        for (words, members) in shared {
            lexicon.member_names.add(words, lexicon.members.len());
            lexicon.members.push(members);
        }
        let mut vocabulary = BTreeMap::new();
        for entry in &document.vocabulary {
            let words: Result<Vec<Vec<PhrasePart>>, String> =
                entry.words.iter().map(|words| phrase::parse(words)).collect();
            vocabulary.insert(
                entry.code.clone(),
                words.map_err(|detail| format!("{}: {detail}", entry.code))?,
            );
        }
        let members: BTreeMap<String, Vec<String>> = worded
            .iter()
            .map(|(dimension, words)| (dimension.clone(), words.keys().cloned().collect()))
            .collect();
        for pattern in &document.patterns {
            let found = recognizer(catalogue, pattern, &vocabulary, &members)
                .map_err(|detail| format!("{}: {detail}", pattern.code))?;
            lexicon.recognizers.push(found);
        }
        lexicon.worded = worded;
        Ok(lexicon)
    }
}

fn recognizer(
    catalogue: &Catalogue,
    pattern: &PatternDocument,
    vocabulary: &BTreeMap<String, Vec<Vec<PhrasePart>>>,
    members: &BTreeMap<String, Vec<String>>,
) -> Result<PatternRecognizer, String> {
    let measure = Measure::parse(&pattern.measure)?;
    let value: String = match catalogue.unit_of_measure(&measure.code) {
        "percent" => vec![sign::PERCENT],
        "VND" => vec![sign::MONEY, sign::ZERO],
        _ => vec![sign::PLAIN, sign::ZERO],
    }
    .into_iter()
    .collect();
    let wordings =
        PhraseWords { vocabulary, members, value: &value, gaps: std::cell::Cell::new(0) };
    let compile = |text: &str| {
        RegexBuilder::new(text)
            .dfa_size_limit(MAX_STATES)
            .build()
            .map_err(|error| error.to_string())
    };
    let mut names_unit = false;
    let (mut phrases, mut said) = (Vec::new(), std::collections::HashSet::new());
    for text in &pattern.phrases {
        let parts = phrase::parse(text)?;
        names_unit |= phrase::placeholders(&parts).2;
        phrase::collect_words(&parts, vocabulary, &mut said);
        phrases.push(compile(&format!(" {}", phrase::expression(&parts, &wordings)?))?);
    }
    let any = |texts: &[String]| -> Result<Option<Regex>, String> {
        let of: Result<Vec<String>, String> =
            texts.iter().map(|text| phrase::expression(&phrase::parse(text)?, &wordings)).collect();
        let of = of?;
        if of.is_empty() { Ok(None) } else { compile(&format!(" (?:{})", of.join("|"))).map(Some) }
    };
    let (dimensions, kin) = open(catalogue, &measure);
    for open in &dimensions {
        said.extend(
            members
                .get(&open.code)
                .into_iter()
                .flatten()
                .flat_map(|words| words.split(' ').map(ToOwned::to_owned)),
        );
    }
    let document = &catalogue.document;
    let own = document
        .indicators
        .iter()
        .find(|indicator| indicator.code == measure.code)
        .and_then(|indicator| indicator.system.as_ref());
    let of_system = document
        .indicators
        .iter()
        .filter(|indicator| own.is_some() && indicator.system.as_ref() == own);
    let several = |code: &str| {
        document
            .dimensions
            .iter()
            .any(|dimension| dimension.code == code && dimension.members.len() > 1)
    };
    let divides = of_system
        .flat_map(|indicator| indicator.dimensions.iter().map(|dimension| dimension.code.clone()))
        .filter(|code| several(code))
        .collect();
    Ok(PatternRecognizer {
        code: pattern.code.clone(),
        phrases,
        with: any(&pattern.with)?,
        unless: any(&pattern.unless)?,
        near: any(&pattern.near)?,
        topic: pattern.topic.clone(),
        topic_optional: pattern.topic_optional,
        of: pattern.of.as_deref().map(Measure::parse).transpose()?,
        target: pattern.target.clone(),
        words: said,
        whole: pattern.whole,
        needs: pattern.needs.clone(),
        timeless: pattern.timeless,
        nothing: pattern.nothing,
        system: own.cloned(),
        divides,
        names_unit,
        kin,
        dimensions,
        measure,
    })
}

/// The dimensions that a measure may name in addition to its own, and the indicators that it
/// consists of.
fn open(catalogue: &Catalogue, measure: &Measure) -> (Vec<UnnamedDimension>, Vec<String>) {
    let named = |code: &str| measure.members.get(code).is_some();
    if let Some(indicator) = catalogue.indicator(&measure.code) {
        let dimensions = indicator.dimensions.iter().filter(|dimension| !named(&dimension.code));
        let open = dimensions
            .map(|d| UnnamedDimension {
                code: d.code.clone(),
                members: d.members.clone(),
                within: d.within.clone(),
            })
            .collect();
        return (open, vec![measure.code.clone()]);
    }
    let Some(kpi) = catalogue.kpi(&measure.code) else { return (Vec::new(), Vec::new()) };
    let open = kpi.dimensions.iter().filter(|(code, _)| !named(code)).map(|(code, members)| {
        UnnamedDimension { code: code.clone(), members: members.clone(), within: None }
    });
    let kin =
        kpi.formula.references().into_iter().map(|reference| reference.indicator.clone()).collect();
    (open.collect(), kin)
}

/// Words before the name of a unit that give its kind.
static KINDS: LazyLock<Vec<Vec<&str>>> = LazyLock::new(|| {
    report_words().unit_name.kinds.iter().map(|kind| kind.split(' ').collect()).collect()
});

/// The names of the units in a range of positions, as they are in a month.
#[must_use]
pub fn unit_names(
    units: &UnitForest,
    positions: UnitRange,
    month: Month,
) -> NameIndex<UnitPosition> {
    let mut names = NameIndex::default();
    for position in positions.iter().filter(|position| units.exists(*position, month)) {
        let Some(unit) = units.get(position) else { continue };
        for name in spellings(&unit.document) {
            names.add(name, position);
        }
    }
    names
}

/// The ways to write the name of a unit, folded.
#[must_use]
pub fn spellings(unit: &UnitDocument) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for name in std::iter::once(&unit.name.vi).chain(&unit.labels) {
        // The text in parentheses is another name: "Trung tâm Kiểm soát bệnh tật tỉnh (CDC)".
        for part in name.split(['(', ')']) {
            found.push(words(part));
        }
    }
    let province = unit.kind == UnitKind::Province;
    let bare: Vec<Vec<String>> = found.iter().filter_map(|name| without_kind(name)).collect();
    if province {
        let with_kind =
            found.clone().into_iter().map(|name| [vec!["tỉnh".to_owned()], name].concat());
        found.extend(with_kind.collect::<Vec<_>>());
    }
    found.extend(bare);
    found.retain(|name| {
        !name.is_empty() && (name.len() > 1 || name.iter().any(|word| word.chars().count() >= 3))
    });
    found.sort();
    found.dedup();
    found
}

/// The name of a unit without the word for its kind, if at least two words remain.
fn without_kind(name: &[String]) -> Option<Vec<String>> {
    let kind = KINDS.iter().find(|kind| {
        name.len() > kind.len() + 1 && kind.iter().zip(name).all(|(one, other)| one == other)
    })?;
    let is_omitted = report_words().unit_name.omitted.contains(&kind.join(" "));
    is_omitted.then(|| name.get(kind.len()..).unwrap_or_default().to_vec())
}

/// Whether the words before a name give the kind of a unit. Then a name without this word is
/// another unit's.
#[must_use]
pub fn ends_in_kind(words: &[&str]) -> bool {
    KINDS.iter().any(|kind| {
        words.len() >= kind.len()
            && words.get(words.len() - kind.len()..).is_some_and(|last| last == kind.as_slice())
    })
}
