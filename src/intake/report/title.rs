//! The period and the unit that a report is of, as its head says them.

use std::collections::BTreeMap;

use super::lexicon::{Lexicon, spellings, unit_names};
use super::sequence::Writer;
use super::tokens::{Kind, tokens};
use crate::domain::period::{Month, Period, Step};
use crate::domain::unit::{UnitKind, Units};
use crate::domain::wording::words;
use crate::intake::document::{Block, BlockKind, Document};
use crate::intake::numbers::Piece;

/// How many stretches from the beginning are the head.
const HEAD: usize = 25;

/// The period that a document says it is of: of the title, else the first one that is named with its year.
#[must_use]
pub fn period(document: &Document) -> Option<Period> {
    let head: Vec<&Block> = document.blocks.iter().take(HEAD).collect();
    let says = |block: &Block| {
        let words = words(document.text.get(block.range.clone()).unwrap_or_default()).join(" ");
        ["báo cáo", "kết quả", "tình hình", "số liệu", "tổng hợp"]
            .iter()
            .any(|title| words.contains(title))
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
        // A title may go on in the next line: "tháng" / "5 năm 2019".
        if let Some(period) = followed.and_then(|next| of(block.range.start..next.range.end)) {
            return Some(period);
        }
    }
    let rest = document.blocks.iter().take(HEAD * 4).find_map(|block| of(block.range.clone()));
    rest.or_else(|| document.blocks.iter().find_map(|block| of(block.range.clone())))
}

/// The first period with its year in a stretch.
fn first_period(document: &Document, range: std::ops::Range<usize>) -> Option<Period> {
    let tokens = tokens(&document.text, range);
    let pieces: Vec<&Piece> = tokens
        .iter()
        .filter_map(|token| match &token.kind {
            Kind::Other(piece) => Some(piece),
            Kind::Word(_) | Kind::Mark(_) | Kind::Number(_) => None,
        })
        .collect();
    let year_after = |n: usize| {
        pieces.iter().skip(n + 1).find_map(|piece| match piece {
            Piece::Year(year)
            | Piece::Month(_, Some(year))
            | Piece::Span { year: Some(year), .. } => Some(*year),
            Piece::Month(_, None)
            | Piece::Span { .. }
            | Piece::Reference
            | Piece::Word
            | Piece::Number(_) => None,
        })
    };
    for (n, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Month(month, year) => {
                if let Some(month) =
                    year.or_else(|| year_after(n)).and_then(|year| Month::new(year, *month))
                {
                    return Some(Period::containing(Step::Month, month));
                }
            }
            Piece::Span { last, months, year } => {
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
            Piece::Year(year)
                if !pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::Month(..) | Piece::Span { .. }))
                    && tokens.iter().any(|token| {
                        token.word() == Some("năm") || token.word() == Some("báo")
                    }) =>
            {
                return Month::new(*year, 12).map(|month| Period::containing(Step::Year, month));
            }
            Piece::Year(_) | Piece::Reference | Piece::Word | Piece::Number(_) => {}
        }
    }
    None
}

/// The unit that a document says it is of: the one that the head names as its author, else the one it names most; a department speaks for
/// what it belongs to. Without either the province that is named most often, itself or by its units.
#[must_use]
pub fn unit(
    document: &Document,
    lexicon: &Lexicon,
    units: &Units,
    period: Period,
) -> Option<usize> {
    let names = unit_names(units, 0..units.len(), period.last());
    let writer = Writer { lexicon, units: &names, period };
    let named = |block: &Block| -> Vec<usize> {
        let tokens = tokens(&document.text, block.range.clone());
        let sequences = writer.sequences(&tokens, 0..tokens.len());
        sequences
            .iter()
            .flat_map(|sequence| sequence.items.iter().filter_map(|item| item.unit))
            .collect()
    };
    let speaks_for = |unit: usize| {
        let department = |unit: usize| {
            units.get(unit).is_some_and(|unit| {
                matches!(unit.document.kind, UnitKind::Department | UnitKind::Agency)
            })
        };
        std::iter::once(unit).chain(units.ancestors(unit)).find(|unit| !department(*unit))
    };
    let provinces: Vec<(usize, Vec<String>)> = units
        .roots()
        .filter(|root| units.exists(*root, period.last()))
        .filter_map(|root| {
            Some((
                root,
                spellings(&units.get(root)?.document)
                    .iter()
                    .map(|name| format!(" {} ", name.join(" ")))
                    .collect(),
            ))
        })
        .collect();
    // "Sở Thông tin và Truyền thông Trà Vinh": a province is named behind other names, too.
    let within = |block: &Block| -> Vec<usize> {
        let line = format!(" {} ", words(document.slice(&block.range)).join(" "));
        provinces
            .iter()
            .filter(|(_, names)| names.iter().any(|name| line.contains(name.as_str())))
            .map(|(province, _)| *province)
            .collect()
    };
    if let Some(author) = author(document, &named, &within) {
        return author;
    }
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let head = document.blocks.iter().take(8).filter(|block| {
        !matches!(block.kind, BlockKind::Table(_)) && !says_figures(document.slice(&block.range))
    });
    for block in head {
        // Departments of two provinces have one name: it says less than the province's own.
        for named in named(block) {
            if let Some(unit) = speaks_for(named) {
                *counts.entry(unit).or_default() += if unit == named { 10 } else { 1 };
            }
        }
        within(block).into_iter().for_each(|province| *counts.entry(province).or_default() += 10);
    }
    if counts.is_empty() {
        // What stands below the head tells the province, and never that the report is of a district it names.
        for block in document.blocks.iter().take(400) {
            let roots = named(block)
                .into_iter()
                .filter_map(|unit| units.ancestors(unit).last().or(Some(unit)));
            roots.for_each(|root| *counts.entry(root).or_default() += 1);
            within(block)
                .into_iter()
                .for_each(|province| *counts.entry(province).or_default() += 10);
        }
    }
    counts
        .iter()
        .max_by_key(|(unit, count)| (**count, std::cmp::Reverse(**unit)))
        .map(|(unit, _)| *unit)
}

/// Whether a line says something, and is no name: it ends as a sentence does and has numbers.
fn says_figures(line: &str) -> bool {
    line.ends_with(['.', ';']) && line.contains(|c: char| c.is_ascii_digit())
}

/// The unit that the first lines say writes the report, when that is another than the department of information and communications, which
/// speaks for its province: a department or district that is known, or nobody when it is not.
fn author(
    document: &Document,
    named: &dyn Fn(&Block) -> Vec<usize>,
    within: &dyn Fn(&Block) -> Vec<usize>,
) -> Option<Option<usize>> {
    for block in document.blocks.iter().take(8).filter(|block| {
        !matches!(block.kind, BlockKind::Table(_)) && !says_figures(document.slice(&block.range))
    }) {
        let text = document.slice(&block.range);
        let found = words(text);
        let joined = found.join(" ");
        let at = |words: &str| {
            joined.starts_with(words) || joined.contains(&format!("báo cáo của {words}"))
        };
        // "Sở đã ban hành ..." is no name.
        let name =
            text.split_whitespace().nth(1).is_some_and(|word| word.starts_with(char::is_uppercase));
        let department = (joined.contains("báo cáo của sở ")
            || (joined.starts_with("sở ") && name && text.chars().count() < 120))
            && !["sở thông tin", "sở tt", "sở tttt", "sở khoa học và công nghệ"]
                .iter()
                .any(|own| joined.contains(own));
        let below = ["huyện", "thị xã", "thành phố", "xã", "phường"].iter().any(|kind| {
            at(&format!("ủy ban nhân dân {kind} "))
                || at(&format!("báo cáo của ủy ban nhân dân {kind} "))
        });
        // "TỈNH SÓC TRĂNG": a province that is not known.
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
