//! Reads the figures of a paragraph, sentence by sentence.

use std::ops::Range;

use super::claim_resolver::members_of;
use super::extract::ReportExtract;
use super::figure_claim::FigureClaim;
use super::heading_context::{HeadingContext, LeadParagraph};
use super::number_decision::SentenceWork;
use super::owner_scope::OwnerScope;
use super::paragraph::ReportParagraph;
use super::time_scope::TimeScope;
use super::tokenizer::Token;
use super::words::words;

/// Most words and marks of a line that introduces the following ones without a colon.
const SHORT_LINE: usize = 14;

impl ReportParagraph<'_> {
    /// Reads the figures of the paragraph.
    pub fn read(&self, above: &mut HeadingContext, reading: &mut ReportExtract) {
        let begins_with =
            self.topics.first().filter(|(token, _)| *token < 8).map(|(_, topic)| *topic);
        if begins_with.is_some()
            && let Some(lead) = above.lead.take_if(|lead| lead.topic != begins_with)
        {
            // Its time and owner still apply: "Lũy kế 8 tháng:" above a list about several systems.
            above.lead = lead.without_topic().filter(|_| self.is_list_item());
        }
        let mut context = self.line();
        above.headings.iter().for_each(|heading| context.push_str(heading.line.trim_start()));
        if let Some(lead) = &above.lead {
            context.push_str(lead.line.trim_start());
        }
        let introduces = self.introduces();
        if introduces {
            above.lead = None;
        }
        let mut claims: Vec<FigureClaim> =
            above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
        let own_time = self.time_of_first_words();
        let frame = own_time.unwrap_or_else(|| above.when());
        let mut when = frame;
        let introduced = above.lead.as_ref().and_then(|lead| lead.owner);
        let mut owner = introduced;
        for (n, (range, sequences)) in self.sentences.iter().enumerate() {
            let first = self.tokens.get(range.start).and_then(Token::word).unwrap_or_default();
            let second = self.tokens.get(range.start + 1).and_then(Token::word).unwrap_or_default();
            let goes_on = self.longest_at(range.start, &words().claim.continuing).is_some();
            // A level up to now, or a plan, does not apply to the next sentence.
            if n > 0
                && matches!(when, TimeScope::UntilNow | TimeScope::Plan)
                && (!goes_on || second == "số")
            {
                when = frame;
            }
            if n > 0 && !goes_on {
                claims = above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
            }
            if !goes_on && !Self::has_no_subject(first) {
                owner = introduced;
            }
            claims.iter_mut().for_each(FigureClaim::leave_sentence);
            let span = self.span(range);
            let mut considered = above.considered.take();
            let mut work = SentenceWork {
                above,
                context: &context,
                span,
                claims: &mut claims,
                reading,
                owner,
                partial: false,
                corrected: None,
                considered: considered.as_mut(),
            };
            when = self.sentence(sequences, when, &mut work);
            owner = self.owner_of_sentence(sequences, above.tiers).or(owner);
            if when == TimeScope::Wider {
                when = TimeScope::WiderFrame;
            }
            above.considered = considered;
        }
        if let Some((_, topic)) = self.topics.last() {
            above.before = Some(*topic);
        }
        if introduces {
            claims.iter_mut().for_each(FigureClaim::leave_sentence);
            above.lead = Some(self.introduction(above, when, owner, claims));
        }
    }

    /// Whether it introduces the following paragraphs: a line with a colon at its end, or a short
    /// line without a number, which is a heading without the format of one.
    fn introduces(&self) -> bool {
        let ends_with = |mark: char| self.tokens.last().is_some_and(|token| token.is(mark));
        let is_short = self.tokens.len() <= SHORT_LINE
            && !self.tokens.iter().any(|token| token.number().is_some())
            && !ends_with('.')
            && !ends_with(';');
        is_short || ends_with(':')
    }

    /// The paragraph as the introduction of the following ones.
    fn introduction(
        &self,
        above: &HeadingContext,
        when: TimeScope,
        owner: Option<OwnerScope>,
        claims: Vec<FigureClaim>,
    ) -> LeadParagraph {
        let last = self.sentences.last().map(|(_, sequences)| sequences);
        let named = last.and_then(|sequences| self.owner_of_sentence(sequences, above.tiers));
        LeadParagraph {
            text: self.own(),
            line: self.line(),
            topic: self.topics.last().map(|(_, topic)| *topic).or_else(|| above.topic()),
            when,
            members: last.map(|sequences| members_of(sequences, self.setting)).unwrap_or_default(),
            owner: named.or(owner).filter(|owner| *owner == OwnerScope::Other),
            claims,
        }
    }

    /// Whether it is an item of a list: a bullet begins its line.
    fn is_list_item(&self) -> bool {
        let first = self.tokens.iter().find(|token| token.word().is_some());
        let start = first.map_or(0, |token| token.range.start);
        let line = self.text.get(..start).unwrap_or_default();
        let before = line.rsplit('\n').next().unwrap_or_default().trim();
        matches!(before, "-" | "+" | "*" | "•" | "–")
    }

    fn own(&self) -> String {
        let start = self.tokens.first().map_or(0, |token| token.range.start);
        let end = self.tokens.last().map_or(start, |token| token.range.end);
        self.text.get(start..end).unwrap_or_default().to_owned()
    }

    fn span(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.tokens.get(range.start).map_or(0, |token| token.range.start);
        let end = range
            .end
            .checked_sub(1)
            .and_then(|last| self.tokens.get(last))
            .map_or(start, |token| token.range.end);
        start..end
    }
}
