//! Formats within a line of Markdown that change what is read: struck-out text (`~~300~~`,
//! `<del>300</del>`) is left out, superscripts and subscripts (`<sup>1</sup>`) become characters of
//! their own.

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
        let mut left = line;
        // A line of tildes is the fence of a block of code.
        while !line.trim_start().starts_with("~~~")
            && let Some((before, within, behind, level)) = next_format(left)
        {
            push(&mut found, before, &mut gap);
            match level {
                Some(level) => push(&mut found, &at_level(within, level), &mut gap),
                None => gap = true,
            }
            left = behind;
        }
        push(&mut found, left, &mut gap);
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

/// The first format of a line: the text before it, within it and behind it, and its level.
fn next_format(line: &str) -> Option<(&str, &str, &str, Option<TextLevel>)> {
    let formats = FORMATS.iter().filter_map(|(start, end, level)| {
        let (before, rest) = line.split_once(start)?;
        let (within, behind) = rest.split_once(end)?;
        // Blanks beside the tildes show that they are not a format.
        let format = *start != "~~" || (!within.is_empty() && within.trim() == within);
        format.then_some((before, within, behind, *level))
    });
    formats.min_by_key(|(before, ..)| before.len())
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
            ("a ~~b\nc~~ d", "a ~~b\nc~~ d"),
            ("không có", "không có"),
        ] {
            assert_eq!(without_formats(text.to_owned()), expected, "{text:?}");
        }
    }
}
