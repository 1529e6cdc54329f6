//! Checks and prepares the text of a query before it is parsed.

use regex::RegexBuilder;

use super::error::QueryError;
use super::limits::{MAX_OPERATORS, MAX_QUERY, MAX_REGEX_BYTES, MAX_REGEXES};

/// The text that is parsed: without comments, and with raw texts (in backticks, where a backslash
/// means itself) as quoted ones, because the parser reads escapes in them.
///
/// # Errors
/// The query is too long, could nest too deep (parser and evaluation are recursive), has a raw
/// text without an end, or has regular expressions beyond their limits or with an unusual escape.
pub fn checked_query_text(query: &str) -> Result<String, QueryError> {
    if query.len() > MAX_QUERY {
        return Err(QueryError::long(format!(
            "the query has {} bytes; the limit is {MAX_QUERY}",
            query.len()
        )));
    }
    let query = normalized(query)?;
    let (mut quote, mut escaped, mut operators) = (None, false, 0);
    for c in query.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) => quote = Some(open).filter(|open| *open != c),
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {
                operators += usize::from(matches!(
                    c,
                    '(' | '+' | '-' | '*' | '/' | '%' | '^' | '=' | '<' | '>' | '!' | '['
                ))
            }
        }
    }
    let words = query.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| {
        ["and", "or", "unless", "atan2"].iter().any(|set| word.eq_ignore_ascii_case(set))
    });
    if operators + words.count() > MAX_OPERATORS {
        return Err(QueryError::long(format!(
            "more than {MAX_OPERATORS} operators and parentheses"
        )));
    }
    check_regexes(&query)?;
    Ok(query)
}

fn normalized(query: &str) -> Result<String, QueryError> {
    let (mut text, mut rest) = (String::with_capacity(query.len()), query);
    while let Some(c) = rest.chars().next() {
        let behind = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '#' => rest = behind.trim_start_matches(|c| c != '\n' && c != '\r'),
            '"' | '\'' => {
                let after = quoted(rest).1;
                text.push_str(rest.get(..rest.len() - after.len()).unwrap_or_default());
                rest = after;
            }
            '`' => {
                let (raw, after) = behind.split_once('`').ok_or_else(|| {
                    QueryError::bad("invalid parameter \"query\": unterminated quoted string `")
                })?;
                text.push('"');
                for c in raw.chars() {
                    match c {
                        '\n' => text.push_str("\\n"),
                        '\r' => text.push_str("\\r"),
                        '\\' | '"' => text.extend(['\\', c]),
                        c => text.push(c),
                    }
                }
                text.push('"');
                rest = after;
            }
            c => {
                text.push(c);
                rest = behind;
            }
        }
    }
    Ok(text)
}

/// Refuses regular expressions that would take too much memory. The parser compiles them without a
/// limit, so this comes first.
fn check_regexes(query: &str) -> Result<(), QueryError> {
    let (mut rest, mut count) = (query, 0);
    while let Some(c) = rest.chars().next() {
        if matches!(c, '"' | '\'') {
            rest = quoted(rest).1;
            continue;
        }
        let Some(behind) = rest.strip_prefix("=~").or_else(|| rest.strip_prefix("!~")) else {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let (text, after) = quoted(behind.trim_start());
        (rest, count) = (after, count + 1);
        if count > MAX_REGEXES {
            return Err(QueryError::long(format!("more than {MAX_REGEXES} regular expressions")));
        }
        let text = text.ok_or_else(|| {
            QueryError::bad(
                "a regular expression may use only the escapes \\\\, \\\", \\', \\n, \\r and \\t",
            )
        })?;
        if let Err(regex::Error::CompiledTooBig(most)) =
            RegexBuilder::new(&format!("^(?:{text})$")).size_limit(MAX_REGEX_BYTES).build()
        {
            return Err(QueryError::long(format!(
                "a regular expression takes more than {most} bytes when compiled"
            )));
        }
    }
    Ok(())
}

/// Reads the quoted text at the beginning. Returns it, or none when it has unusual escapes, and the
/// rest.
fn quoted(text: &str) -> (Option<String>, &str) {
    let mut chars = text.char_indices();
    let Some((_, open)) = chars.next().filter(|(_, c)| matches!(c, '"' | '\'')) else {
        return (Some(String::new()), text);
    };
    let mut found = Some(String::new());
    while let Some((at, c)) = chars.next() {
        let plain = match c {
            _ if c == open => return (found, text.get(at + 1..).unwrap_or_default()),
            '\\' => match chars.next() {
                Some((_, c @ ('\\' | '"' | '\''))) => Some(c),
                Some((_, 'n')) => Some('\n'),
                Some((_, 'r')) => Some('\r'),
                Some((_, 't')) => Some('\t'),
                _ => None,
            },
            c => Some(c),
        };
        found = found.zip(plain).map(|(mut found, c)| {
            found.push(c);
            found
        });
    }
    (found, "")
}
