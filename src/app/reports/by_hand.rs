//! Figures of reports that a person has chosen by hand, as patterns of the catalogue; and reports
//! read again with a catalogue that is only tried.

use std::sync::Arc;

use super::stored_report::StoredReport;
use super::{BY_HAND, ReportFigure, ReportFile, ReportQuery, ReportUnclaimed, ReportView};
use crate::app::App;
use crate::app::snapshot::Snapshot;
use crate::error::Error;
use documents::MediaType;
use kpi::catalogue::{Catalogue, CatalogueDocument, PatternDocument};
use kpi::measure::Measure;
use kpi::text::is_hidden;

/// Newest reports that are searched for figures chosen by hand, or read again.
const MAX_REPORTS: usize = 200;
/// Most bytes of their stored parts together.
const MAX_BYTES: usize = 16 << 20;
/// Most reports that are read again at once.
const MAX_READ_AGAIN: usize = 10;
/// Words of a proposed phrase before and after the number.
const WORDS: (usize, usize) = (4, 3);

/// A figure that a person has chosen by hand.
#[derive(Clone, PartialEq, Debug)]
pub struct FigureByHand {
    /// The submission of the report, in lower case.
    pub submission: String,
    /// The unit of the report.
    pub unit: String,
    /// The period of the report.
    pub period: String,
    /// The figure.
    pub figure: ReportFigure,
    /// The stored report.
    report: Arc<StoredReport>,
}

/// A report that was read again.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportReadAgain {
    /// The submission of the report, in lower case.
    pub submission: String,
    /// The unit of the report.
    pub unit: String,
    /// Its figures.
    pub figures: Vec<ReportFigure>,
    /// Its other numbers.
    pub unclaimed: Vec<ReportUnclaimed>,
}

impl FigureByHand {
    /// The code of the pattern that is made of it.
    #[must_use]
    pub fn pattern_code(&self) -> String {
        format!("{BY_HAND}.{}.{}", self.submission, self.figure.start)
    }

    /// A phrase for its pattern: the words around the number, up to the next number and the next
    /// mark between them.
    #[must_use]
    pub fn phrase(&self) -> String {
        proposed_phrase(&self.figure.sentence, &self.figure.printed)
    }
}

/// The words around the first place of a number in a sentence as a phrase of a pattern.
fn proposed_phrase(sentence: &str, printed: &str) -> String {
    let Some((before, after)) = sentence.split_once(printed) else { return "{value}".to_owned() };
    let is_word = |word: &&str| {
        let has_letter = word.chars().any(char::is_alphabetic);
        has_letter && word.chars().all(|c| c.is_alphabetic() && !is_hidden(c))
    };
    let words: Vec<&str> = before.split_whitespace().rev().take_while(is_word).collect();
    let before = words.into_iter().take(WORDS.0).collect::<Vec<_>>();
    let after = after.split_whitespace().take(WORDS.1);
    let mut phrase: Vec<&str> = before.into_iter().rev().chain(["{value}"]).collect();
    for word in after {
        let plain = word.trim_end_matches([',', '.', ';', ':', ')']);
        if !is_word(&plain) {
            break;
        }
        phrase.push(plain);
        if plain != word {
            break;
        }
    }
    phrase.join(" ")
}

/// A catalogue with another pattern at its end; one of the same code is replaced.
#[must_use]
pub fn with_pattern(
    catalogue: &CatalogueDocument,
    code: &str,
    measure: &Measure,
    phrase: &str,
) -> CatalogueDocument {
    let mut document = catalogue.clone();
    document.patterns.retain(|known| known.code != code);
    document.patterns.push(PatternDocument {
        code: code.to_owned(),
        measure: measure.to_string(),
        phrases: vec![phrase.trim().to_owned()],
        ..PatternDocument::default()
    });
    document
}

impl Snapshot {
    /// The figures that people have chosen by hand in the newest 200 reports, without withdrawn
    /// ones, the newest first. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn figures_by_hand(&self) -> Result<Vec<FigureByHand>, Error> {
        let contains = format!("\"pattern\":\"{BY_HAND}\"");
        let mut found = Vec::new();
        for (submission, report) in self.stored_reports(&contains)? {
            let figures = report.view().figures.into_iter();
            found.extend(figures.filter(|figure| figure.pattern == BY_HAND).map(|figure| {
                FigureByHand {
                    submission: submission.clone(),
                    unit: report.unit.clone(),
                    period: report.period.clone(),
                    figure,
                    report: Arc::clone(&report),
                }
            }));
        }
        Ok(found)
    }

    /// Those of the newest reports that contain something in their stored part, newest first.
    fn stored_reports(&self, contains: &str) -> Result<Vec<(String, Arc<StoredReport>)>, Error> {
        let rows = self.store().newest_reports(MAX_REPORTS, MAX_BYTES, contains)?;
        self.confirm()?;
        // What another version has stored in another form is left out.
        let read = |(code, text): (String, String)| {
            Some((code, Arc::new(serde_json::from_str(&text).ok()?)))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

impl App {
    /// Reads recorded reports of a period again with a catalogue that is only tried: the report of
    /// `figure`, and the newest of the others, 10 in all. A report that cannot be read is left out.
    /// Blocks.
    ///
    /// # Errors
    /// A catalogue with patterns that cannot be compiled, and those of the store.
    pub fn read_again(
        &self,
        snapshot: &Snapshot,
        catalogue: &Arc<Catalogue>,
        period: &str,
        figure: Option<&FigureByHand>,
    ) -> Result<Vec<ReportReadAgain>, Error> {
        let own = figure.map(|figure| (figure.submission.clone(), Arc::clone(&figure.report)));
        let stored = snapshot.stored_reports(&format!("\"period\":\"{period}\""))?;
        let others = stored.into_iter().filter(|(code, report)| {
            report.period == period && figure.is_none_or(|figure| figure.submission != *code)
        });
        let mut context = self.validation_context();
        context.catalogue = Arc::clone(catalogue);
        // Its errors are those of the catalogue; what is wrong below concerns one report.
        self.inner.lexicons.of(catalogue)?;
        let mut found = Vec::new();
        for (submission, report) in own.into_iter().chain(others).take(MAX_READ_AGAIN) {
            // Of other documents the plain text is stored.
            let is_markdown = MediaType::of_type(&report.media_type) == Some(MediaType::Markdown);
            let media = if is_markdown { MediaType::Markdown } else { MediaType::Text };
            let file = ReportFile { bytes: report.text.clone().into_bytes(), media, name: None };
            let query = ReportQuery {
                unit: Some(report.unit.clone()),
                period: report.period.parse().ok(),
                ..ReportQuery::default()
            };
            match self.read_report_in(&file, &query, &context) {
                Ok(read) => {
                    let ReportView { figures, unclaimed, .. } = read.stored.view();
                    let unit = report.unit.clone();
                    found.push(ReportReadAgain { submission, unit, figures, unclaimed });
                }
                Err(error) => {
                    tracing::warn!(%submission, ?error, "a recorded report cannot be read again");
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_has_the_words_around_the_number() {
        for (sentence, printed, phrase) in [
            (
                "- Trong tháng đã tạo mới 148 tài khoản cho cán bộ.",
                "148",
                "tháng đã tạo mới {value} tài khoản cho",
            ),
            ("Đào tạo: 12, trong đó", "12", "{value}"),
            ("đã cấp 5 chứng thư số, thu hồi 2", "5", "đã cấp {value} chứng thư số"),
            ("năm 2021 có 30 lớp", "30", "có {value} lớp"),
            ("không có số ấy", "7", "{value}"),
        ] {
            assert_eq!(proposed_phrase(sentence, printed), phrase, "{sentence}");
        }
    }
}
