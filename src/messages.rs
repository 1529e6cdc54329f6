//! Messages in Vietnamese. The program writes them in English where they arise; here they are
//! translated before they reach a client, by the templates of `catalogue/words/messages.toml`.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use kpi::fault::Fault;
use kpi::number::Decimal64;
use kpi::number_format::format_vietnamese;
use kpi::word_file;

/// The templates.
const MESSAGES: &str = include_str!("../catalogue/words/messages.toml");
/// How deep messages within messages are translated.
const MAX_DEPTH: usize = 4;

/// The file of the templates.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFile {
    messages: BTreeMap<String, String>,
}

/// A message with parts that change.
struct MessageTemplate {
    /// The English text around the parts; one more than there are parts.
    around: Vec<String>,
    translation: Vec<TranslationPart>,
    /// The number of letters around the parts: of several that match, the greatest counts.
    letters: usize,
}

/// A part of a translation.
enum TranslationPart {
    Text(String),
    /// The part with this number, from 0.
    Copied(usize),
    /// The same, as a number in Vietnamese notation.
    Number(usize),
}

/// All messages.
struct MessageBook {
    whole: HashMap<String, String>,
    /// Those with parts, the most specific first.
    templates: Vec<MessageTemplate>,
}

static BOOK: LazyLock<MessageBook> = LazyLock::new(|| {
    let file: MessageFile = word_file::read(MESSAGES);
    let mut book = MessageBook { whole: HashMap::new(), templates: Vec::new() };
    for (english, vietnamese) in file.messages {
        if english.contains("{}") {
            book.templates.push(MessageTemplate::new(&english, &vietnamese));
        } else {
            book.whole.insert(english, vietnamese);
        }
    }
    book.templates.sort_by_key(|template| std::cmp::Reverse(template.letters));
    book
});

impl MessageTemplate {
    fn new(english: &str, vietnamese: &str) -> Self {
        let around: Vec<String> = english.split("{}").map(ToOwned::to_owned).collect();
        let letters =
            around.iter().flat_map(|text| text.chars()).filter(|c| c.is_alphabetic()).count();
        let mut translation = Vec::new();
        let mut rest = vietnamese;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            let (number, is_number) =
                name.strip_suffix(":n").map_or((name, false), |number| (number, true));
            translation.push(TranslationPart::Text(before.to_owned()));
            translation.push(match number.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) {
                Some(place) if is_number => TranslationPart::Number(place),
                Some(place) => TranslationPart::Copied(place),
                None => TranslationPart::Text(format!("{{{name}}}")),
            });
            rest = behind;
        }
        translation.push(TranslationPart::Text(rest.to_owned()));
        Self { around, translation, letters }
    }

    /// The parts of a text that has the form of the template.
    fn parts<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, others) = self.around.split_first()?;
        let (last, between) = others.split_last()?;
        let mut rest = text.strip_prefix(first.as_str())?.strip_suffix(last.as_str())?;
        let mut found = Vec::with_capacity(others.len());
        for text in between {
            let (part, behind) = rest.split_once(text.as_str())?;
            found.push(part);
            rest = behind;
        }
        found.push(rest);
        Some(found)
    }

    fn translate(&self, text: &str, depth: usize) -> Option<String> {
        let parts = self.parts(text)?;
        let inner: Vec<Option<String>> =
            parts.iter().map(|part| translate(part, depth + 1)).collect();
        // A template without words of its own translates only what it contains.
        if self.letters == 0 && inner.iter().all(Option::is_none) {
            return None;
        }
        let mut out = String::new();
        for part in &self.translation {
            match part {
                TranslationPart::Text(text) => out.push_str(text),
                TranslationPart::Copied(place) => {
                    let plain = || parts.get(*place).copied().unwrap_or_default();
                    out.push_str(
                        inner.get(*place).and_then(Option::as_deref).unwrap_or_else(plain),
                    );
                }
                TranslationPart::Number(place) => {
                    out.push_str(&number(parts.get(*place).copied().unwrap_or_default()));
                }
            }
        }
        Some(out)
    }
}

/// A number in Vietnamese notation, with the digits that it has.
fn number(text: &str) -> String {
    Decimal64::parse(text).map_or_else(|_text| text.to_owned(), format_vietnamese)
}

fn translate(text: &str, depth: usize) -> Option<String> {
    // A part that is all in quotation marks is the client's own.
    let is_quoted = text.starts_with('"') && text.ends_with('"');
    if depth > MAX_DEPTH || text.is_empty() || depth > 0 && is_quoted {
        return None;
    }
    if let Some(found) = BOOK.whole.get(text) {
        return Some(found.clone());
    }
    // Templates without words of their own divide a message once, not its parts again.
    let templates = BOOK.templates.iter().filter(|template| depth == 0 || template.letters > 0);
    templates.into_iter().find_map(|template| template.translate(text, depth))
}

/// A message in Vietnamese; `None` if there is no translation.
#[must_use]
pub fn vietnamese(message: &str) -> Option<String> {
    translate(message, 0)
}

/// An error with its sentence in Vietnamese, if there is a translation.
#[must_use]
pub fn translated(fault: Fault) -> Fault {
    if fault.detail_vi.is_some() {
        return fault;
    }
    match vietnamese(&fault.detail) {
        Some(detail) => fault.with_vi(detail),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_translation_has_the_parts_of_its_message() {
        let file: MessageFile = word_file::read(MESSAGES);
        for (english, vietnamese) in &file.messages {
            let parts = english.matches("{}").count();
            let named: std::collections::BTreeSet<usize> = vietnamese
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split('}').next()?.trim_end_matches(":n").parse().ok())
                .collect();
            assert!(named.iter().all(|place| (1..=parts).contains(place)), "{english}");
            // The words of serde before a place say what the pointer says.
            let dropped = usize::from(english == "{} at line {} column {}");
            assert_eq!(named.len() + dropped, parts, "{english}");
        }
    }

    #[test]
    fn parts_are_copied_numbers_written_the_vietnamese_way_and_messages_within_translated() {
        for (english, expected) in [
            (
                "at most 50000 observations in a submission",
                "một lần gửi có nhiều nhất 50.000 số liệu",
            ),
            ("-7.5 is below zero", "-7,5 nhỏ hơn 0"),
            (
                "period=\"x\": \"x\" is not a period: 2021-10, 2021-Q3, 2021-H1, 2021-9M or 2021",
                "period=\"x\": \"x\" không phải là một kỳ: 2021-10, 2021-Q3, 2021-H1, 2021-9M hoặc \
                 2021",
            ),
            (
                "an object is expected, not the text \"x\"",
                "cần một đối tượng, không phải văn bản \"x\"",
            ),
            ("2021-Q3 is not a month", "2021-Q3 không phải là tháng"),
        ] {
            assert_eq!(vietnamese(english).as_deref(), Some(expected));
        }
        for other in ["", "a: b", "no such message", "x = y: z"] {
            assert_eq!(vietnamese(other), None, "{other}");
        }
    }
}
