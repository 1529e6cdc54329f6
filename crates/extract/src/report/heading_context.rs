//! The text above a paragraph: headings, and the paragraph that introduces it.

use std::ops::Range;

use super::context::ReportContext;
use super::extract::ConsideredPattern;
use super::figure_claim::FigureClaim;
use super::lexicon::NameIndex;
use super::owner_scope::OwnerScope;
use super::paragraph::ReportParagraph;
use super::period_sign::mark;
use super::time_scope::{TimeScope, names_any, time_of_heading};
use super::words::words;
use kpi::measure::Members;
use kpi::unit::UnitPosition;

/// The text above a paragraph: headings, and the paragraph that introduces it.
#[derive(Default)]
pub struct HeadingContext {
    pub(super) headings: Vec<OpenHeading>,
    /// Whether a heading names another unit than the report's.
    pub foreign: bool,
    /// Whether the section counts the dossiers of other tiers.
    pub(super) tiers: bool,
    /// The matches of each number, if they are collected.
    pub considered: Option<Vec<ConsideredPattern>>,
    /// The system of the paragraph before, under the same heading.
    pub(super) before: Option<usize>,
    pub(super) lead: Option<LeadParagraph>,
}

/// A heading that applies to the paragraph.
pub(super) struct OpenHeading {
    level: u8,
    /// Whether it begins with another unit.
    foreign: bool,
    pub(super) text: String,
    pub(super) line: String,
    pub(super) topic: Option<usize>,
    /// The time that it names.
    pub(super) when: Option<TimeScope>,
}

/// A paragraph that ends with a colon and introduces the following ones.
pub(super) struct LeadParagraph {
    pub(super) text: String,
    pub(super) line: String,
    pub(super) topic: Option<usize>,
    pub(super) when: TimeScope,
    pub(super) members: Members,
    /// The owner that it names.
    pub(super) owner: Option<OwnerScope>,
    pub(super) claims: Vec<FigureClaim>,
}

impl LeadParagraph {
    /// The introduction of a paragraph about another system: only its time and owner, if it names
    /// them.
    pub(super) fn without_topic(self) -> Option<Self> {
        let Self { when, owner, .. } = self;
        let applies = owner.is_some()
            || matches!(
                when,
                TimeScope::Wider | TimeScope::WiderFrame | TimeScope::Earlier | TimeScope::Plan
            );
        applies.then(|| Self {
            text: String::new(),
            line: " ".to_owned(),
            topic: None,
            when,
            members: Members::none(),
            owner,
            claims: Vec::new(),
        })
    }
}

impl HeadingContext {
    /// An empty text above that collects the matches of each number.
    #[must_use]
    pub fn explaining() -> Self {
        Self { considered: Some(Vec::new()), ..Self::default() }
    }

    /// Adds a heading, which replaces the headings of its level and below.
    pub fn heading(
        &mut self,
        level: u8,
        text: &str,
        range: Range<usize>,
        setting: &ReportContext<'_>,
        names: &NameIndex<UnitPosition>,
    ) {
        self.headings.retain(|heading| heading.level < level);
        self.lead = None;
        self.before = None;
        let own = text.get(range.clone()).unwrap_or_default().to_owned();
        let paragraph = ReportParagraph::new(text, range, setting, names);
        let line = paragraph.line();
        let when = time_of_heading(&line);
        let topic = paragraph.topics.last().map(|(_, topic)| *topic);
        let first = paragraph.sentences.first().and_then(|(_, sequences)| {
            sequences.first()?.items.iter().find(|item| {
                paragraph.tokens.get(item.token).is_some_and(|token| token.word().is_some())
            })
        });
        let titled = names_any(&line, &words().heading.done) || line.contains(mark::NOW);
        let foreign = !titled
            && first
                .is_some_and(|item| paragraph.begins_with_another(item.token, item.unit, false))
            && !paragraph.is_in_capitals(first.map_or(0, |item| item.token))
            || paragraph.names_another_whole()
            || !titled && paragraph.begins_with_tier()
            || paragraph.begins_with_other_field();
        self.headings.push(OpenHeading { foreign, level, text: own, line, topic, when });
        self.foreign = self.headings.iter().any(|heading| heading.foreign);
    }

    /// The headings and the introduction, as text.
    #[must_use]
    pub fn hint(&self) -> String {
        let lead = self.lead.as_ref().map(|lead| lead.text.as_str());
        self.headings
            .iter()
            .map(|heading| heading.text.as_str())
            .chain(lead)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Whether a heading or the introduction names another owner than the report's unit.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        let of_lead = self.lead.as_ref().and_then(|lead| lead.owner);
        self.foreign || of_lead == Some(OwnerScope::Other)
    }

    /// Whether a heading says that the following is planned.
    #[must_use]
    pub fn is_plan(&self) -> bool {
        self.headings.iter().any(|heading| heading.when == Some(TimeScope::Plan))
    }

    /// The members that the introduction names.
    #[must_use]
    pub fn members(&self) -> Option<&Members> {
        self.lead.as_ref().map(|lead| &lead.members)
    }

    pub(super) fn when(&self) -> TimeScope {
        if self.is_plan() {
            return TimeScope::Plan;
        }
        match &self.lead {
            Some(lead) => lead.when,
            None => self.time_of_headings(),
        }
    }

    /// The time that the innermost heading with a time names.
    fn time_of_headings(&self) -> TimeScope {
        self.headings.iter().rev().find_map(|heading| heading.when).unwrap_or(TimeScope::Now)
    }

    pub(super) fn topic(&self) -> Option<usize> {
        let of_lead = self.lead.as_ref().and_then(|lead| lead.topic);
        let innermost = self.headings.last().and_then(|heading| heading.topic);
        of_lead
            .or(innermost)
            .or(self.before)
            .or_else(|| self.headings.iter().rev().find_map(|heading| heading.topic))
    }

    /// The system that the introduction or a heading names.
    pub(super) fn topic_of_frame(&self) -> Option<usize> {
        let of_lead = self.lead.as_ref().and_then(|lead| lead.topic);
        of_lead.or_else(|| self.headings.iter().rev().find_map(|heading| heading.topic))
    }

    /// The system that the text at a token is about: the last one named before it in the paragraph,
    /// otherwise the next one in its sentence, otherwise that of the text above.
    #[must_use]
    pub fn topic_at(&self, paragraph: &ReportParagraph<'_>, token: usize) -> Option<usize> {
        let before = paragraph.topics.iter().rev().find(|(at, _)| *at < token);
        let sentence = paragraph
            .sentences
            .iter()
            .find(|(range, _)| range.contains(&token))
            .map(|(range, _)| range.clone())?;
        let here = before.or_else(|| paragraph.topics.iter().find(|(at, _)| sentence.contains(at)));
        here.map(|(_, topic)| *topic).or_else(|| self.topic())
    }
}
