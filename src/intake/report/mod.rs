//! The reader of a province's monthly report: every figure in it with the place it came from. A number becomes a figure when a pattern of
//! the catalogue finds it, nothing speaks against it, and it is clear which members, which unit and which time it is about; all other
//! numbers are listed with the reason. A wrong figure is worse than a missed one.

use std::ops::Range;

use crate::domain::catalogue::Catalogue;
use crate::domain::measure::Measure;
use crate::domain::number::Written;
use crate::domain::period::Period;
use crate::domain::unit::Units;

pub mod lexicon;
mod matches;
mod resolve;
mod sentence;
mod sequence;
mod settle;
mod tabled;
pub mod title;
mod tokens;
mod when;

use super::document::{BlockKind, Document};
use lexicon::Lexicon;
use sentence::{Above, Paragraph};
use tabled::Tabled;

use super::table::Tables;

/// What a report is read against.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The catalogue.
    pub catalogue: &'a Catalogue,
    /// Its patterns, made ready.
    pub lexicon: &'a Lexicon,
    /// The units.
    pub units: &'a Units,
    /// The unit that the report is of.
    pub unit: usize,
    /// The period that it is of.
    pub period: Period,
}

/// What a figure that was found is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A figure of the report's unit and period, to be recorded.
    Figure,
    /// A rate that the report says is not exact (`gần 80%`): shown, not recorded, because a stated rate is held against the computed one.
    Rounded,
    /// A figure of an earlier month, to be held against what the ledger has.
    Earlier,
    /// A target, to be held against the one declared.
    Target,
}

/// A figure found in a text.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// What it is of.
    pub measure: Measure,
    /// The target that it states.
    pub target: Option<String>,
    /// Whose it is.
    pub unit: usize,
    /// When.
    pub period: Period,
    /// The number.
    pub value: Written,
    /// Whether the text says that it is not exact.
    pub approximate: bool,
    /// What it is.
    pub role: Role,
    /// Where its digits stand: bytes of the text.
    pub place: Range<usize>,
    /// The sentence around it: bytes of the text.
    pub sentence: Range<usize>,
    /// The pattern that found it.
    pub pattern: String,
    /// How sure it is, 0 to 1: 1 for a phrase without a gap, less for words passed over, for members taken over from a figure before.
    pub confidence: f64,
}

/// Why a number is no figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No pattern finds it.
    NoPattern,
    /// Its digits are no number: `7.40`.
    MalformedNumber,
    /// It is one bound of a range.
    Range,
    /// An increase, a decrease, a comparison.
    Comparison,
    /// A plan or a target.
    Plan,
    /// The year so far, or another period wider than the report's.
    WiderPeriod,
    /// An earlier time that is not said exactly.
    EarlierPeriod,
    /// Two patterns find different figures in it, or the words around it name two members.
    Ambiguous,
    /// It is another unit's.
    OtherUnit,
    /// The same figure stands elsewhere with another value.
    StatedTwice,
    /// The same figure with the same value stands before.
    Repeated,
}

/// A number that is no figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unclaimed {
    /// Where its digits stand: bytes of the text.
    pub place: Range<usize>,
    /// The sentence around it: bytes of the text.
    pub sentence: Range<usize>,
    /// Why.
    pub reason: Reason,
    /// The measure that it would be of, where a pattern found it.
    pub measure: Option<Measure>,
}

/// What was read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reading {
    /// The figures in the order of the text.
    pub figures: Vec<Found>,
    /// All other numbers.
    pub unclaimed: Vec<Unclaimed>,
}

/// A pattern whose phrase fits around a number, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Considered {
    /// Where the number stands: bytes of the text.
    pub place: Range<usize>,
    /// The sentence around it: bytes of the text.
    pub sentence: Range<usize>,
    /// The pattern.
    pub pattern: String,
    /// What spoke against it, or what it would be.
    pub verdict: String,
}

/// Most numbers of a document that are looked at.
pub const MAX_NUMBERS: usize = 50_000;

/// Reads a document.
#[must_use]
pub fn read(document: &Document, setting: &Setting<'_>) -> Reading {
    through(document, setting, Above::default()).0
}

/// Reads a document and tells for each number which patterns were considered, for those who write them.
#[must_use]
pub fn explain(document: &Document, setting: &Setting<'_>) -> (Reading, Vec<Considered>) {
    let (reading, above) = through(document, setting, Above::explaining());
    (reading, above.considered.unwrap_or_default())
}

/// Whether a word is the number of a heading or an entry: `6.1.`, `2)`.
fn is_numbering(word: &str) -> bool {
    let counted = word.strip_suffix(['.', ')']).or_else(|| word.contains('.').then_some(word));
    counted.is_some_and(|digits| {
        digits.len() <= 8
            && digits.split('.').all(|part| {
                (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            })
    })
}

fn through(document: &Document, setting: &Setting<'_>, mut above: Above) -> (Reading, Above) {
    let names = lexicon::unit_names(
        setting.units,
        setting.units.subtree(setting.unit),
        setting.period.last(),
    );
    let mut reading = Reading::default();
    let mut tables = None;
    let mut caption = 0..0;
    for block in &document.blocks {
        match &block.kind {
            BlockKind::Heading(level) => {
                above.heading(*level, &document.text, block.range.clone(), setting, &names)
            }
            BlockKind::Paragraph => {}
            BlockKind::Table(rows) => {
                let tables =
                    tables.get_or_insert_with(|| Tables::new(setting.catalogue, setting.units));
                let hint = format!("{}\n{}", above.hint(), document.slice(&caption));
                Tabled { document, rows, setting, names: &names }.read(
                    tables,
                    &hint,
                    &mut above,
                    &mut reading,
                );
                continue;
            }
        }
        caption = block.range.clone();
        // The number of a heading is no figure.
        let number = document
            .slice(&block.range)
            .split_whitespace()
            .next()
            .filter(|first| is_numbering(first))
            .map_or(0, str::len);
        let range = block.range.start + number..block.range.end;
        Paragraph::new(&document.text, range, setting, &names).read(&mut above, &mut reading);
        if reading.figures.len() + reading.unclaimed.len() > MAX_NUMBERS {
            break;
        }
    }
    name_only_members(document, setting.catalogue, &mut reading);
    resolve::twice(&mut reading);
    (reading, above)
}

/// A dimension that has one member alone (a mail domain) is named once in a report and meant throughout: figures without it are of that member,
/// unless others of the same indicator tell it apart.
fn name_only_members(document: &Document, catalogue: &Catalogue, reading: &mut Reading) {
    for indicator in &catalogue.document.indicators {
        for own in &indicator.dimensions {
            let Some(dimension) =
                catalogue.document.dimensions.iter().find(|dimension| dimension.code == own.code)
            else {
                continue;
            };
            let [member] = dimension.members.as_slice() else { continue };
            let named = std::iter::once(&member.name.vi)
                .chain(&member.labels)
                .any(|name| document.text.contains(name.as_str()));
            let mut of = reading
                .figures
                .iter_mut()
                .filter(|found| found.measure.code == indicator.code)
                .collect::<Vec<_>>();
            if !named || of.iter().any(|found| found.measure.members.get(&own.code).is_some()) {
                continue;
            }
            for found in &mut of {
                found.measure.members = found.measure.members.with(&own.code, &member.code);
            }
        }
    }
}
