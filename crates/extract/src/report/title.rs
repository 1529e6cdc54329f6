//! The period and the unit of a report, from its first lines.

use std::collections::BTreeMap;

use super::item_sequence::SequenceWriter;
use super::lexicon::{ReportLexicon, spellings, unit_names};
use super::tokenizer::{TokenKind, tokenize};
use super::words::words as report_words;
use documents::{BlockKind, Document, DocumentBlock};
use kpi::period::{Month, Period, Step};
use kpi::unit::{UnitForest, UnitKind, UnitPosition, UnitRange};
use kpi::vietnamese::folding::words;
use kpi::vietnamese::numbers::{NumericToken, find_tokens};

/// Number of parts at the beginning that can have the title.
const HEAD_BLOCKS: usize = 25;
/// Number of parts at the end that can have the closing sentence.
const CLOSING_BLOCKS: usize = 40;
/// Most characters of a line with the number of the report.
const MAX_NUMBERING: usize = 80;

/// The head of a report: all above its first paragraph with figures.
fn head(document: &Document) -> impl Iterator<Item = &DocumentBlock> {
    let has_figures = |block: &&DocumentBlock| {
        let text = document.slice(&block.range);
        // "Số: 402 /BC-STTTT", as some PDF files have it, is the number of the report.
        let numbering = words(text).first().is_some_and(|word| word == "số")
            && text.chars().count() < MAX_NUMBERING;
        block.kind == BlockKind::Paragraph
            && !numbering
            && find_tokens(text).iter().any(|token| matches!(token.piece, NumericToken::Number(_)))
    };
    document.blocks.iter().take_while(move |block| !has_figures(block)).take(HEAD_BLOCKS)
}

/// The period of a report: that of the title, otherwise the first one that its head names with its
/// year. The text below the head never gives it.
#[must_use]
pub fn period(document: &Document) -> Option<Period> {
    let head: Vec<&DocumentBlock> = head(document).collect();
    let says = |block: &DocumentBlock| {
        let line = words(document.slice(&block.range)).join(" ");
        report_words().title.announcing.iter().any(|title| line.contains(title))
    };
    let title = head.iter().position(|block| says(block)).unwrap_or(0);
    let of = |range: std::ops::Range<usize>| first_period(document, range);
    for (n, block) in head.iter().enumerate().skip(title).take(4) {
        let followed = head
            .get(n + 1)
            .filter(|next| matches!(next.kind, BlockKind::Heading(_) | BlockKind::Paragraph));
        if let Some(period) = of(block.range.clone()) {
            return Some(period);
        }
        // A title may continue in the next line: "tháng" / "5 năm 2019".
        if let Some(period) = followed.and_then(|next| of(block.range.start..next.range.end)) {
            return Some(period);
        }
    }
    head.iter().find_map(|block| of(block.range.clone()))
}

/// The first period with a year in a part of the text.
fn first_period(document: &Document, range: std::ops::Range<usize>) -> Option<Period> {
    let tokens = tokenize(&document.text, range);
    let pieces: Vec<&NumericToken> = tokens
        .iter()
        .filter_map(|token| match &token.kind {
            TokenKind::Other(piece) => Some(piece),
            TokenKind::Word(_) | TokenKind::Mark(_) | TokenKind::Number(_) => None,
        })
        .collect();
    let year_after = |n: usize| {
        pieces.iter().skip(n + 1).find_map(|piece| match piece {
            NumericToken::Year(year)
            | NumericToken::Month(_, Some(year))
            | NumericToken::Span { year: Some(year), .. } => Some(*year),
            NumericToken::Month(_, None)
            | NumericToken::Span { .. }
            | NumericToken::Day { .. }
            | NumericToken::Reference
            | NumericToken::Word
            | NumericToken::Number(_) => None,
        })
    };
    for (n, piece) in pieces.iter().enumerate() {
        match piece {
            NumericToken::Month(month, year) => {
                if let Some(month) =
                    year.or_else(|| year_after(n)).and_then(|year| Month::new(year, *month))
                {
                    return Some(Period::containing(Step::Month, month));
                }
            }
            NumericToken::Span { last, months, year } => {
                let Some(month) =
                    year.or_else(|| year_after(n)).and_then(|year| Month::new(year, *last))
                else {
                    continue;
                };
                let step = match (months, last) {
                    (3, 3 | 6 | 9 | 12) => Step::Quarter,
                    (6, 6 | 12) => Step::Half,
                    (9, 9) => Step::NineMonths,
                    (12, 12) => Step::Year,
                    _ => continue,
                };
                return Some(Period::containing(step, month));
            }
            NumericToken::Year(year)
                if !pieces.iter().any(|piece| {
                    matches!(piece, NumericToken::Month(..) | NumericToken::Span { .. })
                }) && tokens
                    .iter()
                    .any(|token| token.word() == Some("năm") || token.word() == Some("báo")) =>
            {
                return Month::new(*year, 12).map(|month| Period::containing(Step::Year, month));
            }
            NumericToken::Year(_)
            | NumericToken::Day { .. }
            | NumericToken::Reference
            | NumericToken::Word
            | NumericToken::Number(_) => {}
        }
    }
    None
}

/// The unit that the head of a report names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadUnit {
    /// None, or the name of a department without its province.
    Silent,
    /// The unit at this position.
    Known(UnitPosition),
    /// One that the service does not have.
    Unknown,
}

/// The unit of a report, if its head or its closing sentence names one that the service has.
#[must_use]
pub fn unit(
    document: &Document,
    lexicon: &ReportLexicon,
    units: &UnitForest,
    period: Period,
) -> Option<UnitPosition> {
    match head_unit(document, lexicon, units, period) {
        HeadUnit::Known(unit) => Some(unit),
        HeadUnit::Silent | HeadUnit::Unknown => None,
    }
}

/// The unit that the head names, if it differs from that of the request. The letterhead also names
/// the units above.
#[must_use]
pub fn contradicting_unit(
    document: &Document,
    lexicon: &ReportLexicon,
    units: &UnitForest,
    (given, period): (UnitPosition, Period),
) -> Option<HeadUnit> {
    let found = head_unit(document, lexicon, units, period);
    let names = unit_names(units, UnitRange::new(given, given.next()), period.last());
    let writer = SequenceWriter { lexicon, units: &names, period };
    let names_given = |block: &DocumentBlock| {
        let tokens = tokenize(&document.text, block.range.clone());
        let sequences = writer.sequences(&tokens, 0..tokens.len());
        sequences.iter().any(|sequence| sequence.items.iter().any(|item| item.unit == Some(given)))
    };
    let is_above = |unit: UnitPosition| units.ancestors(given).any(|above| above == unit);
    match found {
        HeadUnit::Silent => None,
        HeadUnit::Known(unit) if unit == given => None,
        HeadUnit::Known(unit) if is_above(unit) && head(document).any(names_given) => None,
        HeadUnit::Known(_) | HeadUnit::Unknown => Some(found),
    }
}

/// The unit of a report: the one that its head names as author, otherwise the one that it names
/// most often, otherwise the province of its closing sentence. The name of a department, which
/// every province has, says nothing without the province.
fn head_unit(
    document: &Document,
    lexicon: &ReportLexicon,
    units: &UnitForest,
    period: Period,
) -> HeadUnit {
    let names = unit_names(units, units.all(), period.last());
    let writer = SequenceWriter { lexicon, units: &names, period };
    let named = |block: &DocumentBlock| -> Vec<UnitPosition> {
        let tokens = tokenize(&document.text, block.range.clone());
        let sequences = writer.sequences(&tokens, 0..tokens.len());
        sequences
            .iter()
            .flat_map(|sequence| sequence.items.iter().filter_map(|item| item.unit))
            .collect()
    };
    let is_department = |unit: UnitPosition| {
        units.get(unit).is_some_and(|unit| {
            matches!(unit.document.kind, UnitKind::Department | UnitKind::Agency)
        })
    };
    let provinces = province_names(units, period);
    // In "Sở Thông tin và Truyền thông Trà Vinh" the province comes after another name.
    let within = |block: &DocumentBlock| -> Vec<UnitPosition> {
        let line = format!(" {} ", words(document.slice(&block.range)).join(" "));
        provinces
            .iter()
            .filter(|(_, names)| names.iter().any(|name| line.contains(name.as_str())))
            .map(|(province, _)| *province)
            .collect()
    };
    let lines = || {
        head(document).take(8).filter(|block| {
            !matches!(block.kind, BlockKind::Table(_))
                && !says_figures(document.slice(&block.range))
        })
    };
    let province_is_named = lines().any(|block| !within(block).is_empty());
    if let Some(author) = author(document, &named, &within) {
        return match author {
            None => HeadUnit::Unknown,
            Some(author) if province_is_named || !is_department(author) => HeadUnit::Known(author),
            Some(_) => HeadUnit::Silent,
        };
    }
    let mut counts: BTreeMap<UnitPosition, usize> = BTreeMap::new();
    for block in lines() {
        for unit in named(block).into_iter().filter(|unit| !is_department(*unit)) {
            *counts.entry(unit).or_default() += 1;
        }
        within(block).into_iter().for_each(|province| *counts.entry(province).or_default() += 1);
    }
    if counts.is_empty() {
        // "Trên đây là kết quả ..., Sở ... Trà Vinh báo cáo": the report names its author at its
        // end.
        return match closing_sentence(document).map(within).unwrap_or_default().as_slice() {
            [province] => HeadUnit::Known(*province),
            [..] => HeadUnit::Silent,
        };
    }
    counts
        .iter()
        .max_by_key(|(unit, count)| (**count, std::cmp::Reverse(**unit)))
        .map_or(HeadUnit::Silent, |(unit, _)| HeadUnit::Known(*unit))
}

/// The provinces that exist in a period, each with the ways to write its name, between spaces.
fn province_names(units: &UnitForest, period: Period) -> Vec<(UnitPosition, Vec<String>)> {
    let exist = units.roots().filter(|root| units.exists(*root, period.last()));
    let named = exist.filter_map(|root| Some((root, spellings(&units.get(root)?.document))));
    let spaced = |names: Vec<Vec<String>>| {
        names.iter().map(|name| format!(" {} ", name.join(" "))).collect()
    };
    named.map(|(root, names)| (root, spaced(names))).collect()
}

/// The closing sentence of a report: "Trên đây là kết quả ...".
fn closing_sentence(document: &Document) -> Option<&DocumentBlock> {
    let closes = |block: &&DocumentBlock| {
        words(document.slice(&block.range)).join(" ").starts_with("trên đây là ")
    };
    document.blocks.iter().rev().take(CLOSING_BLOCKS).find(closes)
}

/// Whether a line is a sentence with numbers and not a name.
fn says_figures(line: &str) -> bool {
    line.ends_with(['.', ';']) && line.contains(|c: char| c.is_ascii_digit())
}

/// The author that the first lines name, if it is not the department of information and
/// communications, which reports for its province: a known department or district, or no unit when
/// it is unknown.
fn author(
    document: &Document,
    named: &dyn Fn(&DocumentBlock) -> Vec<UnitPosition>,
    within: &dyn Fn(&DocumentBlock) -> Vec<UnitPosition>,
) -> Option<Option<UnitPosition>> {
    for block in document.blocks.iter().take(8).filter(|block| {
        !matches!(block.kind, BlockKind::Table(_)) && !says_figures(document.slice(&block.range))
    }) {
        let text = document.slice(&block.range);
        let found = words(text);
        let joined = found.join(" ");
        let at = |words: &str| {
            joined.starts_with(words) || joined.contains(&format!("báo cáo của {words}"))
        };
        // In "Sở đã ban hành ..." the word is not a name.
        let name =
            text.split_whitespace().nth(1).is_some_and(|word| word.starts_with(char::is_uppercase));
        let title = &report_words().title;
        let department = (joined.contains("báo cáo của sở ")
            || (joined.starts_with("sở ") && name && text.chars().count() < 120))
            && !title.writers.iter().any(|writer| joined.contains(writer));
        let below = title.authors.iter().any(|kind| at(&format!("ủy ban nhân dân {kind} ")));
        // "TỈNH SÓC TRĂNG" may be a province that the service does not know.
        let province = joined.starts_with("ủy ban nhân dân tỉnh ")
            || (joined.starts_with("sở ") && joined.contains(" tỉnh "));
        let units = named(block);
        let below = below && text.chars().count() < 200;
        if department || below {
            return Some(units.first().copied());
        }
        if province && units.is_empty() && within(block).is_empty() && text.chars().count() < 120 {
            return Some(None);
        }
    }
    None
}
