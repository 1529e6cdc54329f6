//! The reader of monthly reports of a province: finds figures with their places. A number becomes a
//! figure when a pattern of the catalogue matches, nothing contradicts the match, and members, unit
//! and time are certain. All other numbers are listed with the reason. A wrong figure is worse than
//! a missed one.

mod claim_resolver;
mod context;
mod correction;
mod extract;
mod figure_claim;
mod heading_context;
mod item_sequence;
pub mod lexicon;
mod number_decision;
mod owner_scope;
mod paragraph;
mod paragraph_reader;
mod pattern_match;
mod period_sign;
mod report_table;
mod time_scope;
pub mod title;
mod tokenizer;
mod words;

use super::table::TableReader;
pub use context::ReportContext;
use documents::{BlockKind, Document};
pub use extract::{
    ConsideredPattern, ExtractedFigure, FigureRole, ReportExtract, SkipReason, UnclaimedNumber,
};
use heading_context::HeadingContext;
use kpi::catalogue::Catalogue;
use kpi::unit::UnitPosition;
use lexicon::NameIndex;
pub(crate) use owner_scope::names_whole_of_another;
use paragraph::ReportParagraph;
use report_table::ReportTable;

/// Most numbers of a document that are read.
pub const MAX_NUMBERS: usize = 50_000;

/// Reads a report.
#[must_use]
pub fn read(document: &Document, setting: &ReportContext<'_>) -> ReportExtract {
    read_blocks(document, setting, HeadingContext::default()).0
}

/// Reads a report and returns for each number all patterns that match, for authors of patterns.
#[must_use]
pub fn explain(
    document: &Document,
    setting: &ReportContext<'_>,
) -> (ReportExtract, Vec<ConsideredPattern>) {
    let (reading, above) = read_blocks(document, setting, HeadingContext::explaining());
    (reading, above.considered.unwrap_or_default())
}

/// Whether a word is the number of a heading or list item: `6.1.`, `2)`.
fn is_numbering(word: &str) -> bool {
    let counted = word.strip_suffix(['.', ')']).or_else(|| word.contains('.').then_some(word));
    counted.is_some_and(|digits| {
        digits.len() <= 8
            && digits.split('.').all(|part| {
                (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            })
    })
}

fn read_blocks(
    document: &Document,
    setting: &ReportContext<'_>,
    mut above: HeadingContext,
) -> (ReportExtract, HeadingContext) {
    let names = lexicon::unit_names(
        setting.units,
        setting.units.subtree(setting.unit),
        setting.period.last(),
    );
    let mut reading = ReportExtract::default();
    let mut tables = None;
    let mut caption = 0..0;
    for (at, block) in document.blocks.iter().enumerate() {
        if at == 0 || matches!(block.kind, BlockKind::Heading(_)) {
            above.tiers = section_counts_tiers(document, at, setting, &names);
        }
        match &block.kind {
            BlockKind::Heading(level) => {
                above.heading(*level, &document.text, block.range.clone(), setting, &names)
            }
            BlockKind::Paragraph => {}
            BlockKind::Table(rows) => {
                let tables = tables
                    .get_or_insert_with(|| TableReader::new(setting.catalogue, setting.units));
                let hint = format!("{}\n{}", above.hint(), document.slice(&caption));
                ReportTable { document, rows, setting, names: &names }.read(
                    tables,
                    &hint,
                    &mut above,
                    &mut reading,
                );
                continue;
            }
        }
        caption = block.range.clone();
        // The number of a heading is not a figure.
        let number = document
            .slice(&block.range)
            .split_whitespace()
            .next()
            .filter(|first| is_numbering(first))
            .map_or(0, str::len);
        let range = block.range.start + number..block.range.end;
        ReportParagraph::new(&document.text, range, setting, &names).read(&mut above, &mut reading);
        if reading.figures.len() + reading.unclaimed.len() > MAX_NUMBERS {
            break;
        }
    }
    name_only_members(document, setting.catalogue, &mut reading);
    claim_resolver::merge_duplicates(&mut reading);
    (reading, above)
}

/// Whether a paragraph of the section that begins at a block counts the dossiers of another tier.
fn section_counts_tiers(
    document: &Document,
    start: usize,
    setting: &ReportContext<'_>,
    names: &NameIndex<UnitPosition>,
) -> bool {
    let section = document.blocks.iter().enumerate().skip(start);
    section
        .take_while(|(at, block)| *at == start || !matches!(block.kind, BlockKind::Heading(_)))
        .filter(|(_, block)| matches!(block.kind, BlockKind::Paragraph))
        .any(|(_, block)| {
            let text = document.slice(&block.range);
            // Few paragraphs name one, and only these are prepared.
            words::names_tier(text)
                && ReportParagraph::new(&document.text, block.range.clone(), setting, names)
                    .counts_tier()
        })
}

/// Adds the only member of a dimension with one member, such as a mail domain. A report names it
/// once, for all figures. Nothing is added when a figure of the indicator names a member of the
/// dimension itself.
fn name_only_members(document: &Document, catalogue: &Catalogue, reading: &mut ReportExtract) {
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
