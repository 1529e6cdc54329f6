//! Formats within a line of Markdown that change what is read: struck-out text (`~~300~~`,
//! `<del>300</del>`) is left out, superscripts and subscripts (`<sup>1</sup>`) become characters of
//! their own.

use std::ops::Range;

use super::text::{TextLevel, at_level, push_after_gap};

/// The formats: their start, their end, and the level of what is between them. Without a level it
/// is struck out.
const FORMATS: [(&str, &str, Option<TextLevel>); 6] = [
    ("~~", "~~", None),
    ("<del>", "</del>", None),
    ("<s>", "</s>", None),
    ("<strike>", "</strike>", None),
    ("<sup>", "</sup>", Some(TextLevel::Raised)),
    ("<sub>", "</sub>", Some(TextLevel::Lowered)),
];

/// A text in which these formats are applied to each line.
pub(super) fn without_formats(text: String) -> String {
    if !FORMATS.iter().any(|(start, ..)| text.contains(start)) {
        return text;
    }
    let mut found = String::with_capacity(text.len());
    let mut gap = false;
    for line in text.split_inclusive('\n') {
        // A line of tildes is the fence of a block of code.
        let is_fence = line.trim_start().starts_with("~~~");
        let (mut searches, mut from) = (FORMATS.map(FormatSearch::new), 0);
        while !is_fence && let Some(format) = next_format(&mut searches, line, from) {
            push(&mut found, line.get(from..format.start).unwrap_or_default(), &mut gap);
            let within = line.get(format.within.clone()).unwrap_or_default();
            match format.level {
                Some(level) => push(&mut found, &at_level(within, level), &mut gap),
                None => gap = true,
            }
            from = format.end;
        }
        push(&mut found, line.get(from..).unwrap_or_default(), &mut gap);
    }
    found
}

/// Adds a text, apart from digits before it if a struck-out text was left out between them.
fn push(found: &mut String, text: &str, gap: &mut bool) {
    if text.is_empty() {
        return;
    }
    if std::mem::take(gap) {
        push_after_gap(found, text);
    } else {
        found.push_str(text);
    }
}

/// A format in a line, by its bytes.
#[derive(Clone)]
struct FormatPlace {
    start: usize,
    within: Range<usize>,
    end: usize,
    level: Option<TextLevel>,
}

/// The search for one format in a line. It goes only forwards, so that a line takes time in
/// proportion to its length.
struct FormatSearch {
    opening: &'static str,
    closing: &'static str,
    level: Option<TextLevel>,
    /// The last place found; the next search begins there.
    found: Option<FormatPlace>,
    /// Where the last closing mark was found.
    closed: usize,
    exhausted: bool,
}

impl FormatSearch {
    fn new((opening, closing, level): (&'static str, &'static str, Option<TextLevel>)) -> Self {
        Self { opening, closing, level, found: None, closed: 0, exhausted: false }
    }

    /// The first place of the format that begins at `from` or later.
    fn at_or_behind(&mut self, line: &str, from: usize) -> Option<FormatPlace> {
        if self.found.as_ref().is_none_or(|found| found.start < from) && !self.exhausted {
            self.found = self.find(line, from);
            self.exhausted = self.found.is_none();
        }
        self.found.clone()
    }

    fn find(&mut self, line: &str, from: usize) -> Option<FormatPlace> {
        let start = from + line.get(from..)?.find(self.opening)?;
        let begin = start + self.opening.len();
        // The mark that closed an earlier place closes this one too if it lies behind it.
        let close = if self.closed >= begin {
            self.closed
        } else {
            begin + line.get(begin..)?.find(self.closing)?
        };
        self.closed = close;
        Some(FormatPlace {
            start,
            within: begin..close,
            end: close + self.closing.len(),
            level: self.level,
        })
    }
}

/// The first format of a line from a byte on.
fn next_format(searches: &mut [FormatSearch], line: &str, from: usize) -> Option<FormatPlace> {
    let places = searches.iter_mut().filter_map(|search| {
        let place = search.at_or_behind(line, from)?;
        // Blanks beside the tildes show that they are not a format.
        let within = line.get(place.within.clone()).unwrap_or_default();
        let is_format = search.opening != "~~" || (!within.is_empty() && within.trim() == within);
        is_format.then_some(place)
    });
    places.min_by_key(|place| place.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn struck_out_text_is_left_out_and_note_marks_are_characters() {
        for (text, expected) in [
            ("Đi: ~~300~~ 316", "Đi:  316"),
            ("~~3~~27 và <del>5</del> 6", "27 và  6"),
            ("2~~7~~3", "2 3"),
            ("316<sup>1</sup>, H<sub>2</sub>O", "316¹, H₂O"),
            ("~~~\n316\n~~~\n", "~~~\n316\n~~~\n"),
            ("khoảng ~~ 5 ~~ 6", "khoảng ~~ 5 ~~ 6"),
            ("12~~3~~.456", "12 .456"),
            ("a<sup>~~1~~</sup>2", "a~~¹~~2"),
            ("~~<sup>~~5</sup> 6", "5</sup> 6"),
            ("a ~~b\nc~~ d", "a ~~b\nc~~ d"),
            ("không có", "không có"),
        ] {
            assert_eq!(without_formats(text.to_owned()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_line_of_formats_takes_time_in_proportion_to_its_length() {
        let cut = "~~1~~<sup>".repeat(200_000) + "</sup>";
        let began = std::time::Instant::now();
        assert!(without_formats(cut).len() > 200_000);
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}
