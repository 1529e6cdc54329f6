//! A paragraph's sentences: which patterns find which numbers, and what speaks against it.

use std::ops::Range;

use super::lexicon::Names;
use super::resolve::Claim;
use super::sequence::{Sequence, Writer, mark};
use super::settle::Work;
use super::tokens::{Kind, Token, sentences, tokens};
use super::when::When;
use super::{Considered, Reading, Setting};
use crate::domain::measure::Members;
use crate::intake::numbers::{self, Number};

/// What stands above a paragraph: headings, and the paragraph that introduces it.
#[derive(Default)]
pub struct Above {
    headings: Vec<Heading>,
    /// Whether a heading names another unit than the report's.
    pub foreign: bool,
    /// What was considered for each number, where that is wanted.
    pub considered: Option<Vec<Considered>>,
    /// The system that the paragraph before under the same heading spoke of.
    before: Option<usize>,
    lead: Option<Lead>,
}

struct Heading {
    level: u8,
    /// Whether it begins with another unit.
    foreign: bool,
    text: String,
    line: String,
    topic: Option<usize>,
    when: When,
}

/// A paragraph that ends with a colon: what follows belongs to it.
struct Lead {
    text: String,
    line: String,
    topic: Option<usize>,
    when: When,
    members: Members,
    claims: Vec<Claim>,
}

impl Above {
    /// Nothing above, and everything that is considered is noted.
    #[must_use]
    pub fn explaining() -> Self {
        Self { considered: Some(Vec::new()), ..Self::default() }
    }

    /// A heading takes the place of those of its level and below.
    pub fn heading(
        &mut self,
        level: u8,
        text: &str,
        range: Range<usize>,
        setting: &Setting<'_>,
        names: &Names,
    ) {
        self.headings.retain(|heading| heading.level < level);
        self.lead = None;
        self.before = None;
        let own = text.get(range.clone()).unwrap_or_default().to_owned();
        let paragraph = Paragraph::new(text, range, setting, names);
        let line = paragraph.line();
        let planned = [
            " phương hướng ",
            " nhiệm vụ trọng tâm ",
            " kế hoạch công tác ",
            " nhiệm vụ tháng ",
            " kế hoạch tháng ",
            " dự kiến ",
            " chương trình công tác ",
            " nhiệm vụ thời gian tới ",
            " nhiệm vụ quý ",
            " tháng cuối năm ",
            " tháng tới ",
            " thời gian tới ",
            " quý tới ",
            " tháng tiếp theo ",
            " kỳ tới ",
            " đề xuất ",
            " chỉ tiêu ",
        ];
        let done = [
            " kết quả ",
            " tình hình ",
            " báo cáo ",
            " giải quyết ",
            " đơn ",
            " bảng chỉ tiêu ",
            " bảng các chỉ tiêu ",
            " một số chỉ tiêu ",
        ];
        let later = line.contains(mark::LATER) && !line.contains(mark::NOW);
        // A title names what was done and what is to come; what was done in the period comes first.
        let plan = line.trim_start().starts_with("kế hoạch ");
        let when = if plan
            || !line.contains(mark::NOW)
                && (later || planned.iter().any(|words| line.contains(words)))
                && !done.iter().any(|words| line.contains(words))
        {
            When::Plan
        } else {
            When::Now
        };
        let topic = paragraph.topics.last().map(|(_, topic)| *topic);
        let first = paragraph.sentences.first().and_then(|(_, sequences)| {
            sequences.first()?.items.iter().find(|item| {
                paragraph.tokens.get(item.token).is_some_and(|token| token.word().is_some())
            })
        });
        let titled = done.iter().any(|words| line.contains(words)) || line.contains(mark::NOW);
        let foreign = !titled
            && first.is_some_and(|item| paragraph.begins_with_another(item.token, item.unit))
            && !paragraph.shouts(first.map_or(0, |item| item.token));
        self.headings.push(Heading { foreign, level, text: own, line, topic, when });
        self.foreign = self.headings.iter().any(|heading| heading.foreign);
    }

    /// The headings and what introduces the next stretch, as text.
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

    /// Whether a heading above says that what follows is planned.
    #[must_use]
    pub fn is_plan(&self) -> bool {
        self.headings.iter().any(|heading| heading.when == When::Plan)
    }

    /// The members that the lead names.
    #[must_use]
    pub fn members(&self) -> Option<&Members> {
        self.lead.as_ref().map(|lead| &lead.members)
    }

    fn when(&self) -> When {
        let of_heading = if self.headings.iter().any(|heading| heading.when == When::Plan) {
            When::Plan
        } else {
            When::Now
        };
        match (&self.lead, of_heading) {
            (Some(lead), When::Now) => lead.when,
            (_, of_heading) => of_heading,
        }
    }

    fn topic(&self) -> Option<usize> {
        let of_lead = self.lead.as_ref().and_then(|lead| lead.topic);
        let innermost = self.headings.last().and_then(|heading| heading.topic);
        of_lead
            .or(innermost)
            .or(self.before)
            .or_else(|| self.headings.iter().rev().find_map(|heading| heading.topic))
    }
}

/// A paragraph, ready to be read.
pub struct Paragraph<'a> {
    pub(super) text: &'a str,
    pub(super) setting: &'a Setting<'a>,
    pub(super) tokens: Vec<Token>,
    /// Where systems are spoken of: token and system.
    pub(super) topics: Vec<(usize, usize)>,
    sentences: Vec<(Range<usize>, Vec<Sequence>)>,
}

impl<'a> Paragraph<'a> {
    /// A stretch of a text as sentences.
    #[must_use]
    pub fn new(
        text: &'a str,
        range: Range<usize>,
        setting: &'a Setting<'a>,
        names: &Names,
    ) -> Self {
        Self::of_tokens(text, tokens(text, range), setting, names)
    }

    /// A label and a cell of a table, as a sentence that says one of the other.
    #[must_use]
    pub fn of_cells(
        text: &'a str,
        label: Range<usize>,
        cell: Range<usize>,
        setting: &'a Setting<'a>,
        names: &Names,
    ) -> Self {
        let percent = text.get(label.clone()).is_some_and(|label| label.contains('%'));
        let mut all: Vec<Token> = tokens(text, label.clone())
            .into_iter()
            .filter(|token| !percent || !is_bracket(token))
            .collect();
        all.push(Token { kind: Kind::Mark(':'), range: label.end..label.end });
        all.extend(tokens(text, cell).into_iter().map(|token| in_percent(token, percent)));
        Self::of_tokens(text, all, setting, names)
    }

    /// A row of a table, as a sentence that says what stands under each heading of its label: `Mức độ 3: số dịch vụ: 540; hồ sơ: 5.216`.
    #[must_use]
    pub fn of_row(
        text: &'a str,
        label: Range<usize>,
        cells: &[(Range<usize>, Range<usize>)],
        setting: &'a Setting<'a>,
        names: &Names,
    ) -> Self {
        let mark = |mark, at| Token { kind: Kind::Mark(mark), range: at..at };
        let mut all = tokens(text, label.clone());
        all.push(mark(':', label.end));
        for (heading, cell) in cells {
            let said = tokens(text, heading.clone());
            let percent = text.get(heading.clone()).is_some_and(|heading| heading.contains('%'));
            all.extend(
                said.into_iter()
                    .map(|token| Token { range: cell.start..cell.start, ..token })
                    .filter(|token| !is_bracket(token)),
            );
            all.push(mark(':', cell.start));
            all.extend(
                tokens(text, cell.clone()).into_iter().map(|token| in_percent(token, percent)),
            );
            all.push(mark(';', cell.end));
        }
        Self::of_tokens(text, all, setting, names)
    }

    fn of_tokens(
        text: &'a str,
        tokens: Vec<Token>,
        setting: &'a Setting<'a>,
        names: &Names,
    ) -> Self {
        let writer = Writer { lexicon: setting.lexicon, units: names, period: setting.period };
        let mut topics = Vec::new();
        for at in 0..tokens.len() {
            let words: Vec<&str> = tokens
                .get(at..tokens.len().min(at + 10))
                .unwrap_or_default()
                .iter()
                .filter_map(Token::word)
                .collect();
            if tokens.get(at).is_some_and(|token| token.word().is_some())
                && let Some((topic, _)) = setting.lexicon.topics.at(&words)
            {
                topics.push((at, topic));
            }
        }
        let sentences = sentences(&tokens)
            .into_iter()
            .map(|range| (range.clone(), writer.sequences(&tokens, range)))
            .collect();
        Self { text, setting, tokens, topics, sentences }
    }

    fn own(&self) -> String {
        let start = self.tokens.first().map_or(0, |token| token.range.start);
        let end = self.tokens.last().map_or(start, |token| token.range.end);
        self.text.get(start..end).unwrap_or_default().to_owned()
    }

    /// Whether it begins with the name of another unit than the report's.
    #[must_use]
    pub fn begins_with_unit_of_another(&self) -> bool {
        let first = self
            .sentences
            .first()
            .and_then(|(_, sequences)| sequences.first()?.items.first().copied());
        first.is_some_and(|item| self.begins_with_another(item.token, item.unit))
    }

    /// Its words as one line, without what stands in parentheses.
    fn line(&self) -> String {
        let mut line = " ".to_owned();
        for (_, sequences) in &self.sentences {
            sequences.iter().for_each(|sequence| line.push_str(sequence.text.trim_start()));
        }
        line
    }

    /// Reads its figures.
    pub fn read(&self, above: &mut Above, reading: &mut Reading) {
        let begins_with =
            self.topics.first().filter(|(token, _)| *token < 8).map(|(_, topic)| *topic);
        if begins_with.is_some()
            && above.lead.as_ref().is_some_and(|lead| lead.topic != begins_with)
        {
            above.lead = None;
        }
        let mut context = self.line();
        above.headings.iter().for_each(|heading| context.push_str(heading.line.trim_start()));
        if let Some(lead) = &above.lead {
            context.push_str(lead.line.trim_start());
        }
        // A line that ends with a colon introduces what follows, and so does a short one without a number, a heading in all but looks.
        let short = self.tokens.len() <= 14
            && !self.tokens.iter().any(|token| token.number().is_some())
            && !self.tokens.last().is_some_and(|token| token.is('.') || token.is(';'));
        let introduces = short || self.tokens.last().is_some_and(|token| token.is(':'));
        if introduces {
            above.lead = None;
        }
        let mut claims: Vec<Claim> =
            above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
        let mut when = above.when();
        for (n, (range, sequences)) in self.sentences.iter().enumerate() {
            let first = self.tokens.get(range.start).and_then(Token::word).unwrap_or_default();
            let second = self.tokens.get(range.start + 1).and_then(Token::word).unwrap_or_default();
            let goes_on = matches!(
                (first, second),
                ("trong", "đó" | "số") | ("cụ", "thể") | ("gồm" | "riêng" | "bao", _)
            );
            if n > 0 && !goes_on {
                claims = above.lead.as_ref().map(|lead| lead.claims.clone()).unwrap_or_default();
            }
            claims.iter_mut().for_each(Claim::leave_sentence);
            let span = self.span(range);
            let mut considered = above.considered.take();
            let mut work = Work {
                above,
                context: &context,
                span,
                claims: &mut claims,
                reading,
                considered: considered.as_mut(),
            };
            when = self.sentence(sequences, when, &mut work);
            above.considered = considered;
            if !introduces {
                when = above.when();
            }
        }
        if let Some((_, topic)) = self.topics.last() {
            above.before = Some(*topic);
        }
        if introduces {
            let topic = self.topics.last().map(|(_, topic)| *topic).or_else(|| above.topic());
            let members = self
                .sentences
                .last()
                .map(|(_, sequences)| super::resolve::members_of(sequences, self.setting))
                .unwrap_or_default();
            claims.iter_mut().for_each(Claim::leave_sentence);
            above.lead =
                Some(Lead { text: self.own(), line: self.line(), topic, when, members, claims });
        }
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

    /// The system that is spoken of at a token: the last one named before it in the paragraph, else the next one in its sentence, else
    /// the one of what stands above.
    pub(super) fn topic(&self, token: usize, above: &Above) -> Option<usize> {
        let before = self.topics.iter().rev().find(|(at, _)| *at < token);
        let sentence = self
            .sentences
            .iter()
            .find(|(range, _)| range.contains(&token))
            .map(|(range, _)| range.clone())?;
        let here = before.or_else(|| self.topics.iter().find(|(at, _)| sentence.contains(at)));
        here.map(|(_, topic)| *topic).or_else(|| above.topic())
    }
}

/// A bracket or a percent sign: "(%)" and other units of measure in brackets say how to read the number.
fn is_bracket(token: &Token) -> bool {
    token.is('(') || token.is(')') || token.is('%')
}

/// A token, its number in percent where the heading says so.
fn in_percent(token: Token, percent: bool) -> Token {
    match token.kind {
        Kind::Number(number) if percent => Token {
            kind: Kind::Number(Number { sort: numbers::Sort::Percent, ..number }),
            range: token.range,
        },
        Kind::Number(_) | Kind::Word(_) | Kind::Mark(_) | Kind::Other(_) => token,
    }
}
