//! The catalogue's patterns, made ready to be looked for: phrases as expressions, and the words that name systems, members and units.

use std::collections::{BTreeMap, HashMap};

use regex::{Regex, RegexBuilder};

use crate::domain::catalogue::{Catalogue, PatternDocument};
use crate::domain::measure::Measure;
use crate::domain::period::Month;
use crate::domain::phrase::{self, Part, Wordings, sign};
use crate::domain::unit::{UnitDocument, UnitKind, Units};
use crate::domain::wording::words;

/// Most bytes of states that an expression keeps at hand on each thread: there are thousands of expressions, and each is looked for in a
/// sentence at a time.
const MAX_STATES: usize = 16 << 10;

/// A pattern, ready.
#[derive(Debug)]
pub struct Recognizer {
    /// Its code.
    pub code: String,
    /// What it finds.
    pub measure: Measure,
    /// Its phrases.
    pub phrases: Vec<Regex>,
    /// Phrases one of which stands in the clause, if there are any.
    pub with: Option<Regex>,
    /// Phrases none of which does.
    pub unless: Option<Regex>,
    /// Phrases one of which stands in the paragraph or above.
    pub near: Option<Regex>,
    /// The system spoken of.
    pub topic: Option<String>,
    /// The measure of the figure before.
    pub of: Option<Measure>,
    /// The target that it states.
    pub target: Option<String>,
    /// The words of its phrases.
    pub words: std::collections::HashSet<String>,
    /// Whether it is a whole, so that members named beside it are not its own.
    pub whole: bool,
    /// Dimensions of which the figure has to have a member.
    pub needs: Vec<String>,
    /// Whether its phrases say which time it is of.
    pub timeless: bool,
    /// Whether it is of words for nothing, beside other patterns.
    pub nothing: bool,
    /// Whether its phrases name a unit.
    pub names_unit: bool,
    /// The dimensions by which figures of its system are divided.
    pub divides: std::collections::HashSet<String>,
    /// Indicators whose figures it may be a part or a rate of.
    pub kin: Vec<String>,
    /// The dimensions it may name, each with its members and the host that opens it.
    pub dimensions: Vec<Open>,
}

/// A dimension that a figure may name.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its code.
    pub code: String,
    /// Its members.
    pub members: Vec<String>,
    /// The host dimension and member it is open in.
    pub within: Option<(String, String)>,
}

/// Words that name something, folded, and what they name; the longest that fits counts.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, Vec<(Vec<String>, usize)>>);

impl Names {
    /// Adds words for a thing.
    pub fn add(&mut self, words: Vec<String>, thing: usize) {
        if let Some(first) = words.first() {
            let list = self.0.entry(first.clone()).or_default();
            list.push((words, thing));
            list.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        }
    }

    /// The thing named by the words from the beginning of a list on, and how many words name it.
    #[must_use]
    pub fn at(&self, words: &[&str]) -> Option<(usize, usize)> {
        let list = self.0.get(*words.first()?)?;
        let fits = |name: &[String]| {
            name.len() <= words.len() && name.iter().zip(words).all(|(one, other)| one == other)
        };
        list.iter().find(|(name, _)| fits(name)).map(|(name, thing)| (*thing, name.len()))
    }
}

/// Everything that is looked for in a report.
#[derive(Debug, Default)]
pub struct Lexicon {
    /// The patterns in the catalogue's order.
    pub recognizers: Vec<Recognizer>,
    /// Systems by their labels: positions in `systems`.
    pub topics: Names,
    /// The systems' codes.
    pub systems: Vec<String>,
    /// Members by their words: positions in `members`.
    pub member_names: Names,
    /// Words shared by members of several dimensions: dimension and member of each.
    pub members: Vec<Vec<(String, String)>>,
    /// The member that words name, by dimension.
    pub worded: BTreeMap<String, BTreeMap<String, String>>,
}

impl Lexicon {
    /// Makes a catalogue's patterns ready.
    ///
    /// # Errors
    /// A sentence that names the pattern which cannot be; never for a catalogue that was checked.
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
            let words: Result<Vec<Vec<Part>>, String> =
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
    vocabulary: &BTreeMap<String, Vec<Vec<Part>>>,
    members: &BTreeMap<String, Vec<String>>,
) -> Result<Recognizer, String> {
    let measure = Measure::parse(&pattern.measure)?;
    let value: String = match catalogue.unit_of_measure(&measure.code) {
        "percent" => vec![sign::PERCENT],
        "VND" => vec![sign::MONEY, sign::ZERO],
        _ => vec![sign::PLAIN, sign::ZERO],
    }
    .into_iter()
    .collect();
    let wordings = Wordings { vocabulary, members, value: &value, gaps: std::cell::Cell::new(0) };
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
        phrase::said(&parts, vocabulary, &mut said);
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
    Ok(Recognizer {
        code: pattern.code.clone(),
        phrases,
        with: any(&pattern.with)?,
        unless: any(&pattern.unless)?,
        near: any(&pattern.near)?,
        topic: pattern.topic.clone(),
        of: pattern.of.as_deref().map(Measure::parse).transpose()?,
        target: pattern.target.clone(),
        words: said,
        whole: pattern.whole,
        needs: pattern.needs.clone(),
        timeless: pattern.timeless,
        nothing: pattern.nothing,
        divides,
        names_unit,
        kin,
        dimensions,
        measure,
    })
}

/// The dimensions that a measure may name besides those it has, and the indicators it is about.
fn open(catalogue: &Catalogue, measure: &Measure) -> (Vec<Open>, Vec<String>) {
    let named = |code: &str| measure.members.get(code).is_some();
    if let Some(indicator) = catalogue.indicator(&measure.code) {
        let dimensions = indicator.dimensions.iter().filter(|dimension| !named(&dimension.code));
        let open = dimensions
            .map(|d| Open {
                code: d.code.clone(),
                members: d.members.clone(),
                within: d.within.clone(),
            })
            .collect();
        return (open, vec![measure.code.clone()]);
    }
    let Some(kpi) = catalogue.kpi(&measure.code) else { return (Vec::new(), Vec::new()) };
    let open = kpi.dimensions.iter().filter(|(code, _)| !named(code)).map(|(code, members)| Open {
        code: code.clone(),
        members: members.clone(),
        within: None,
    });
    let kin =
        kpi.formula.references().into_iter().map(|reference| reference.indicator.clone()).collect();
    (open.collect(), kin)
}

/// Words before a unit's own name that say what sort of unit it is.
const KINDS: [&[&str]; 18] = [
    &["tỉnh"],
    &["huyện"],
    &["thị", "xã"],
    &["thành", "phố"],
    &["quận"],
    &["xã"],
    &["phường"],
    &["thị", "trấn"],
    &["sở"],
    &["ban"],
    &["chi", "cục"],
    &["cục"],
    &["phòng"],
    &["trung", "tâm"],
    &["h"],
    &["tx"],
    &["tp"],
    &["ubnd"],
];

/// The names of the units at and below some, as they are in a month.
#[must_use]
pub fn unit_names(units: &Units, positions: std::ops::Range<usize>, month: Month) -> Names {
    let mut names = Names::default();
    for position in positions.filter(|position| units.exists(*position, month)) {
        let Some(unit) = units.get(position) else { continue };
        for name in spellings(&unit.document) {
            names.add(name, position);
        }
    }
    names
}

/// The ways in which a unit is named, folded.
#[must_use]
pub fn spellings(unit: &UnitDocument) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for name in std::iter::once(&unit.name.vi).chain(&unit.labels) {
        // What stands in parentheses is a name of its own: "Trung tâm Kiểm soát bệnh tật tỉnh (CDC)".
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

/// A unit's name without the word for its sort, where two words are left of it.
fn without_kind(name: &[String]) -> Option<Vec<String>> {
    let kind = KINDS.iter().find(|kind| {
        name.len() > kind.len() + 1 && kind.iter().zip(name).all(|(one, other)| one == other)
    })?;
    // Only districts and communes are called without it; "Tài chính" alone is no department.
    (kind.len() <= 2 && ["huyện", "thị", "thành", "quận", "xã", "phường"].contains(kind.first()?))
        .then(|| name.get(kind.len()..).unwrap_or_default().to_vec())
}

/// Whether the words before a name say what sort of unit it is, so that a name without such a word is another unit's.
#[must_use]
pub fn ends_in_kind(words: &[&str]) -> bool {
    KINDS.iter().any(|kind| {
        words.len() >= kind.len()
            && words.get(words.len() - kind.len()..).is_some_and(|last| last == *kind)
    })
}
