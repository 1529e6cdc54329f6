//! Other writings of a number in a cell, each with the numbers that it may say afterwards.

use std::collections::BTreeSet;

use super::written::{canonical, spoken};
use crate::case::Dice;

/// A number that was rewritten.
pub struct Rewriting {
    pub kind: &'static str,
    pub text: String,
    pub says: BTreeSet<String>,
}

fn pick<'t, T>(dice: &mut Dice, from: &'t [T]) -> &'t T {
    &from[dice.below(from.len())]
}

/// Digits in groups of `size` from the right.
fn in_groups(digits: &str, size: usize, separator: &str) -> String {
    let mut found = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(size) {
            found += separator;
        }
        found.push(digit);
    }
    found
}

/// The digits of a number in another script.
fn in_script(digits: &str, zero: char) -> String {
    let other = |digit: char| {
        let place = digit.to_digit(10)?;
        char::from_u32(u32::from(zero) + place)
    };
    digits.chars().map(|digit| other(digit).unwrap_or(digit)).collect()
}

/// A text with another one at a place counted in letters.
fn inserted(text: &str, place: usize, what: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let (before, behind) = letters.split_at(place);
    before.iter().copied().chain(what.chars()).chain(behind.iter().copied()).collect()
}

/// Changes one letter of a text at random.
pub fn edited(text: &str, dice: &mut Dice) -> String {
    const LETTERS: [&str; 18] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", ",", " ", "-", "/", "%", "x", ":"];
    let mut letters: Vec<char> = text.chars().collect();
    let letter = pick(dice, &LETTERS).chars().next().unwrap();
    let place = dice.below(letters.len().max(1));
    match dice.below(6) {
        0 if !letters.is_empty() => {
            letters.remove(place);
        }
        1 if !letters.is_empty() => letters[place] = letter,
        2 if letters.len() > 1 => {
            let next = (place + 1) % letters.len();
            letters.swap(place, next);
        }
        3 if !letters.is_empty() => letters.insert(place, letters[place]),
        4 if !letters.is_empty() => letters.truncate(place),
        _ => letters.insert(place, letter),
    }
    letters.into_iter().collect()
}

/// Rewrites digits (with a decimal point, without groups) of a measure with these decimals.
#[expect(clippy::too_many_lines, reason = "one short arm for each way of rewriting")]
pub fn rewritten(digits: &str, decimals: Option<u32>, dice: &mut Dice) -> Rewriting {
    let same = || BTreeSet::from([canonical(digits)]);
    let rate = decimals.is_none();
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let with_fraction = |whole: String, point: &str| {
        if fraction.is_empty() { whole } else { format!("{whole}{point}{fraction}") }
    };
    let place = dice.below(digits.len() + 1);
    let (kind, text, says) = match dice.below(30) {
        0 | 1 => {
            const MARKS: [&str; 12] = [
                ".", ",", " ", "\u{a0}", "\u{202f}", "\u{2009}", "'", "’", "_", "\u{66c}", "·",
                "â€¯",
            ];
            let mark = *pick(dice, &MARKS);
            let point = if mark == "," { "." } else { "," };
            ("digits in groups", with_fraction(in_groups(whole, 3, mark), point), same())
        }
        2 => {
            let size = *pick(dice, &[1, 2, 4]);
            let mark = *pick(dice, &[".", ",", " ", "\u{a0}"]);
            let text = with_fraction(in_groups(whole, size, mark), ",");
            let says = spoken(&text.replace('\u{a0}', " "), decimals).into_iter();
            ("groups of another size", text, says.chain(same()).collect())
        }
        3 => {
            let mark = *pick(dice, &[" ", "\u{a0}", "\u{200b}", "\u{feff}", "\u{ad}", "\u{2060}"]);
            let text = inserted(digits, place, mark);
            let says = spoken(&text.replace('\u{a0}', " "), decimals).into_iter();
            ("a blank within", text, says.chain(same()).collect())
        }
        4 => {
            let mark = *pick(dice, &["\n", "\r\n", "\t", "\r", "\u{b}", "\u{2028}", "\u{85}"]);
            ("a line end or tab within", inserted(digits, place, mark), same())
        }
        5 => {
            let mark =
                *pick(dice, &[" ", "\u{a0}", "\t", "\n", "\u{feff}", "\u{3000}", "\u{200b}"]);
            let text = if dice.below(2) == 0 {
                format!("{mark}{digits}")
            } else {
                format!("{digits}{mark}")
            };
            ("blanks around", text, same())
        }
        6 => {
            let (open, close) =
                *pick(dice, &[("\"", "\""), ("“", "”"), ("«", "»"), ("'", "'"), ("\"", "")]);
            ("quotes", format!("{open}{digits}{close}"), same())
        }
        7 => {
            let mark = *pick(dice, &["¹", "²", "⁽¹⁾", " (1)", "[2]", "*", "†", " ¹⁾", "ⁿ"]);
            let says = if mark.contains(['(', '[']) { BTreeSet::new() } else { same() };
            ("a note mark", format!("{digits}{mark}"), says)
        }
        8 => ("an apostrophe before", format!("'{digits}"), same()),
        9 => {
            let number: f64 = digits.parse().unwrap();
            let exact = format!("{number:e}").replace('e', "E");
            ("an exponent", exact, same())
        }
        10 => {
            let number: f64 = digits.parse().unwrap();
            let lossy = format!("{number:.2e}").replace('e', "E+");
            let lost = lossy.replace("E+", "e").parse::<f64>().unwrap() != number;
            ("a rounded exponent", lossy, if lost { BTreeSet::new() } else { same() })
        }
        11 => {
            let mark = *pick(dice, &["%", " %", "\u{a0}%", "％", "‰"]);
            let says = if rate && mark != "‰" { same() } else { BTreeSet::new() };
            ("a percent sign", format!("{digits}{mark}"), says)
        }
        12 => {
            let zero = *pick(dice, &['０', '٠', '०', '𝟎', '𝟘']);
            ("digits of another script", in_script(digits, zero), same())
        }
        13 => {
            let zero = *pick(dice, &['₀', '⓪', '０']);
            let (before, behind) = digits.split_at(place);
            let says = match zero {
                // A lowered number is a note mark.
                '₀' if place > 0 => spoken(before, decimals),
                '０' => same(),
                _ if place == digits.len() => same(),
                _ => BTreeSet::new(),
            };
            ("some digits of another script", format!("{before}{}", in_script(behind, zero)), says)
        }
        14 => {
            let minus = *pick(dice, &["-", "−", "–", "—", "‐", "‑", "﹣", "－", "- "]);
            let says = if rate {
                BTreeSet::from([canonical(&format!("-{digits}"))])
            } else {
                BTreeSet::new()
            };
            let zero = canonical(digits) == "0";
            ("a minus", format!("{minus}{digits}"), if zero { same() } else { says })
        }
        15 => {
            let text =
                if dice.below(2) == 0 { format!("({digits})") } else { format!("{digits}-") };
            ("a minus of accountants", text, BTreeSet::new())
        }
        16 => {
            let sign = *pick(dice, &["+", "±", "=", "~", "≈", "$", "#", "@", "khoảng "]);
            let says = if sign == "±" { BTreeSet::new() } else { same() };
            ("a sign before", format!("{sign}{digits}"), says)
        }
        17 => {
            let sign = *pick(dice, &[">", "<", "≥ ", "<= ", "dưới ", "không quá "]);
            ("a bound", format!("{sign}{digits}"), BTreeSet::new())
        }
        18 => {
            let unit = *pick(
                dice,
                &[" văn bản", " hồ sơ", "đ", " USD", " lượt", " ngày", "(đã ký)", " văn bản mật"],
            );
            ("words behind", format!("{digits}{unit}"), same())
        }
        19 => {
            let (word, zeros) =
                *pick(dice, &[(" nghìn", 3_usize), (" triệu", 6), (" tỷ", 9), (" ngàn", 3)]);
            let fraction = format!("{fraction:0<zeros$}");
            let (moved, rest) = fraction.split_at(zeros);
            let says = canonical(&format!("{whole}{moved}.{rest}"));
            (
                "a multiplier behind",
                format!("{}{word}", digits.replace('.', ",")),
                BTreeSet::from([says]),
            )
        }
        20 => {
            let other = 1 + dice.below(1_000);
            let mark = *pick(
                dice,
                &["/", ";", " - ", "+", " + ", "|", ":", " và ", "x", "*", "^", " (", "..", ", "],
            );
            ("two numbers", format!("{digits}{mark}{other}"), BTreeSet::new())
        }
        21 => {
            let swapped = digits.replace('0', "O").replace('1', "l");
            ("letters for digits", swapped, same())
        }
        22 => {
            let mark = *pick(dice, &[".", ",", ";", "..", ",,", ".-", ",-"]);
            ("a separator behind", format!("{digits}{mark}"), BTreeSet::new())
        }
        23 => {
            let mark = *pick(dice, &[".", ",", ";"]);
            ("a separator before", format!("{mark}{digits}"), BTreeSet::new())
        }
        24 => {
            let mark = *pick(dice, &["½", "₂", "³4", "⅔", "⁄2", "\u{20e3}"]);
            let says = if matches!(mark, "\u{20e3}" | "₂") { same() } else { BTreeSet::new() };
            ("a fraction or index", format!("{digits}{mark}"), says)
        }
        25 => {
            let struck: String = digits.chars().flat_map(|digit| [digit, '\u{336}']).collect();
            ("struck out by combining marks", struck, BTreeSet::new())
        }
        26 => {
            let mark = *pick(dice, &['\u{202e}', '\u{2067}', '\u{202b}']);
            (
                "another writing direction",
                format!("{mark}{digits}"),
                if mark == '\u{202e}' { BTreeSet::new() } else { same() },
            )
        }
        27 => {
            let text = match dice.below(3) {
                0 => format!("000{digits}"),
                1 if fraction.is_empty() => format!("{digits}.0"),
                _ => with_fraction(whole.to_owned(), ","),
            };
            let says = spoken(&text, decimals);
            ("zeros around, a decimal comma", text, says)
        }
        28 => {
            let text = match dice.below(4) {
                0 => format!("{digits}/10/2021"),
                1 => format!("{whole}:30"),
                2 => format!("0x{digits}"),
                _ => format!("{digits}\u{0}1"),
            };
            ("a date, a time, a code", text, BTreeSet::new())
        }
        _ => {
            let mut text = digits.to_owned();
            for _ in 0..=dice.below(3) {
                text = edited(&text, dice);
            }
            let says = spoken(&text, decimals);
            ("letters changed at random", text, says)
        }
    };
    Rewriting { kind, text, says }
}
