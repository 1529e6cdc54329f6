//! What a text says, by the grammar of numbers alone and without any reader.

use std::collections::BTreeSet;

/// A number without zeros that do not count: `012.50` becomes `12.5`.
pub fn canonical(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits of groups of three: `12.345` at `.`.
fn grouped(text: &str, separator: char) -> Option<String> {
    let groups: Vec<&str> = text.split(separator).collect();
    let first = groups.first().filter(|first| is_digits(first) && first.len() <= 3)?;
    let sound = groups.len() > 1
        && **first != *"0"
        && groups.iter().skip(1).all(|group| is_digits(group) && group.len() == 3);
    sound.then(|| groups.concat())
}

/// The numbers that a text can say for a measure with this many decimals (`None`: a rate): a whole
/// number, groups of three with one kind of separator, or decimals after a comma or point. Three
/// digits after one separator are a group, unless the measure can have three decimals.
pub fn spoken(text: &str, decimals: Option<u32>) -> BTreeSet<String> {
    let text = text.trim();
    let text = text.strip_suffix('%').filter(|_| decimals.is_none()).unwrap_or(text).trim_end();
    let (sign, body) =
        text.strip_prefix('-').map_or(("", text), |rest| ("-", rest.trim_start_matches(' ')));
    let mut found = BTreeSet::new();
    let mut say = |number: String| found.insert(canonical(&format!("{sign}{number}")));
    if is_digits(body) {
        say(body.to_owned());
    }
    let groups = ['.', ',', ' '].into_iter().find_map(|separator| grouped(body, separator));
    let may_be_decimal = groups.is_none() || decimals.is_none_or(|decimals| decimals > 2);
    if let Some(whole) = groups {
        say(whole);
    }
    for (point, separators) in [('.', [',', ' ']), (',', ['.', ' '])] {
        let Some((whole, fraction)) = body.split_once(point).filter(|(_, end)| is_digits(end))
        else {
            continue;
        };
        if is_digits(whole) && may_be_decimal {
            say(format!("{whole}.{fraction}"));
        }
        for separator in separators {
            if let Some(whole) = grouped(whole, separator) {
                say(format!("{whole}.{fraction}"));
            }
        }
    }
    found
}

/// The month that a cell says: `2021-10`, or what a sheet makes of it.
pub fn month(text: &str) -> Option<String> {
    const NAMES: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let of = |year: &str, month: &str| {
        let number = month.parse::<u32>().ok().filter(|number| (1..=12).contains(number))?;
        (is_digits(year) && year.len() == 4 && is_digits(month))
            .then(|| format!("{year}-{number:02}"))
    };
    let text = text.trim();
    let parts: Vec<&str> = text.split(['-', '/']).collect();
    match parts.as_slice() {
        [year, month] if year.len() == 4 && month.len() == 2 && text.contains('-') => {
            of(year, month)
        }
        [name, year] if year.len() == 2 => {
            let name = name.to_ascii_lowercase();
            let number = match name.strip_prefix("thg") {
                Some(number) => number.trim().to_owned(),
                None => (NAMES.iter().position(|known| *known == name)? + 1).to_string(),
            };
            of(&format!("20{year}"), &number)
        }
        [year, month, "01"] if text.contains('-') && month.len() == 2 => of(year, month),
        ["01" | "1", month, year] if text.contains('/') => of(year, month),
        _ => None,
    }
}

#[test]
fn the_numbers_that_a_text_can_say() {
    for (text, decimals, expected) in [
        ("12345", Some(0), &["12345"][..]),
        ("12.345", Some(0), &["12345"]),
        ("12.000", Some(0), &["12000"]),
        ("12.00", Some(0), &["12"]),
        ("12.345", None, &["12.345", "12345"]),
        ("1.234,5", Some(1), &["1234.5"]),
        ("-27,50", Some(1), &["-27.5"]),
        ("78,95 %", None, &["78.95"]),
        ("12%", Some(0), &[]),
        ("27.", Some(1), &[]),
        (".5", Some(1), &[]),
        ("12 34", Some(0), &[]),
        ("12/10", Some(0), &[]),
        ("1.23.456", Some(0), &[]),
        ("", Some(0), &[]),
    ] {
        let expected = expected.iter().map(|number| (*number).to_owned()).collect();
        assert_eq!(spoken(text, decimals), expected, "{text}");
    }
}
