//! JSON bodies as lists of fields, and what is done to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rewriting::{edited, rewritten};
use super::written::{canonical, spoken};
use super::{GoodFigure, Mutant, Sayings, World, sayings};
use crate::case::Dice;
use kpi::measure::{Measure, Members};

/// A field and its value as JSON.
type Field = (String, String);

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn fields(figure: &GoodFigure, dice: &mut Dice) -> Vec<Field> {
    let digits = if dice.below(2) == 0 { figure.digits.clone() } else { quoted(&figure.digits) };
    let mut found = vec![
        ("indicator".to_owned(), quoted(&figure.measure.code)),
        ("unit".to_owned(), quoted(&figure.unit)),
        ("period".to_owned(), quoted(&figure.month)),
        ("value".to_owned(), digits),
    ];
    let members: Vec<String> = figure
        .measure
        .members
        .iter()
        .map(|(dimension, member)| format!("{}:{}", quoted(dimension), quoted(member)))
        .collect();
    if !members.is_empty() {
        found.push(("dimensions".to_owned(), format!("{{{}}}", members.join(","))));
    }
    dice.shuffle(&mut found);
    found
}

fn body(rows: &[Vec<Field>]) -> String {
    let objects: Vec<String> = rows
        .iter()
        .map(|fields| {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {value}", quoted(key))).collect();
            format!("{{{}}}", fields.join(", "))
        })
        .collect();
    format!("{{\"observations\": [{}]}}", objects.join(",\n "))
}

/// The value of a JSON number; `None` for anything else.
fn json_number(token: &str) -> Option<String> {
    token.parse::<serde_json::Number>().ok()?;
    let (number, power) = token.split_once(['e', 'E']).unwrap_or((token, "0"));
    let power: i64 = power.parse().ok().filter(|power: &i64| power.abs() < 40)?;
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let point = i64::try_from(whole.len()).ok()? + power;
    let zeros = "0".repeat(40);
    let digits = format!("{zeros}{whole}{fraction}{zeros}");
    let (whole, fraction) = digits.split_at(usize::try_from(point + 40).ok()?);
    Some(canonical(&format!("{sign}{whole}.{fraction}")))
}

/// What a value says: a number of JSON, or a text, which may be a number with an exponent too.
fn said(value: &str, decimals: Option<u32>) -> BTreeSet<String> {
    let value = value.trim_matches([' ', '\t', '\n', '\r']);
    match serde_json::from_str::<String>(value) {
        Ok(text) => {
            let exponent = json_number(&text).filter(|_| text.contains(['e', 'E']));
            spoken(&text, decimals).into_iter().chain(exponent).collect()
        }
        Err(_) => json_number(value).into_iter().collect(),
    }
}

/// What a body says: its fields name what the values are.
fn says(world: &World, rows: &[Vec<Field>]) -> Sayings {
    let mut found = Sayings::new();
    for fields in rows {
        let value_of = |key: &str| {
            let mut values = fields.iter().filter(|(other, _)| other == key);
            let value = values.next().map(|(_, value)| value.as_str())?;
            values.next().is_none().then_some(value)
        };
        let text = |key: &str| serde_json::from_str::<String>(value_of(key)?).ok();
        let (Some(code), Some(unit), Some(month), Some(value)) =
            (text("indicator"), text("unit"), text("period"), value_of("value"))
        else {
            continue;
        };
        let Some(decimals) = world.allowed(&code) else { continue };
        let numbers = said(value, decimals);
        let members: Vec<(String, String)> = value_of("dimensions")
            .and_then(|object| serde_json::from_str::<serde_json::Map<_, _>>(object).ok())
            .into_iter()
            .flatten()
            .map(|(dimension, member)| (dimension, member.as_str().unwrap_or_default().to_owned()))
            .collect();
        let measure = Measure { code, members: Members::new(members).unwrap_or_default() };
        found
            .entry((measure.to_string(), unit, month))
            .and_modify(|others: &mut BTreeSet<String>| {
                others.retain(|number| numbers.contains(number));
            })
            .or_insert(numbers);
    }
    found
}

/// A mutated body, and what it said before.
pub fn mutant(world: &World, dice: &mut Dice) -> (Sayings, Mutant) {
    let count = 1 + dice.below(5);
    let figures = world.figures(count, dice);
    let before = sayings(&figures);
    let mut rows: Vec<Vec<Field>> = figures.iter().map(|figure| fields(figure, dice)).collect();
    let row = dice.below(rows.len());
    let value = rows[row].iter().position(|(key, _)| key == "value").unwrap();
    let decimals = world.decimals(&figures[row].measure.code);
    let whole = |kind, text: String, says: Sayings| Mutant { kind, bytes: text.into_bytes(), says };
    let mutant = match dice.below(16) {
        0 => whole("unchanged", body(&rows), before.clone()),
        1..=6 => {
            let rewriting = rewritten(&figures[row].digits, decimals, dice);
            rows[row][value].1 = quoted(&rewriting.text);
            let mut says = before.clone();
            let exponent = json_number(&rewriting.text).filter(|_| rewriting.text.contains('E'));
            says.insert(figures[row].key(), rewriting.says.into_iter().chain(exponent).collect());
            whole(rewriting.kind, body(&rows), says)
        }
        7 | 8 => {
            // Without quotes, where JSON has a grammar of its own.
            let rewriting = rewritten(&figures[row].digits, decimals, dice);
            let mut says = before.clone();
            says.insert(figures[row].key(), said(&rewriting.text, decimals));
            rows[row][value].1 = rewriting.text;
            whole("a number of JSON rewritten", body(&rows), says)
        }
        9 => {
            let place = dice.below(rows[row].len());
            let text = edited(&rows[row][place].1, dice);
            rows[row][place].1 = text;
            let says = says(world, &rows);
            whole("a field changed", body(&rows), says)
        }
        10 => {
            for fields in &mut rows {
                dice.shuffle(fields);
            }
            dice.shuffle(&mut rows);
            whole("fields and objects moved", body(&rows), before.clone())
        }
        11 => {
            let (one, other) = (dice.below(rows[row].len()), dice.below(rows[row].len()));
            let key = rows[row][one].0.clone();
            rows[row][one].0 = std::mem::replace(&mut rows[row][other].0, key);
            let says = says(world, &rows);
            whole("keys exchanged", body(&rows), says)
        }
        12 => {
            let digits = world.digits(&figures[row].measure.code, dice);
            let mut again = rows[row].clone();
            let kind = if dice.below(2) == 0 {
                again[value].1 = digits;
                rows.push(again);
                "an object repeated with another number"
            } else {
                rows[row].push(("value".to_owned(), digits));
                "a field repeated with another number"
            };
            let says = says(world, &rows);
            whole(kind, body(&rows), says)
        }
        13 => {
            let text = body(&rows);
            let at = dice.below(text.len());
            let bytes = text.as_bytes()[..at].to_vec();
            Mutant { kind: "cut off", bytes, says: Sayings::new() }
        }
        14 => {
            // Punctuation removed or added beside the values: what remains of JSON says the same.
            let text = body(&rows);
            let marks = ['{', '}', '[', ']', ',', ':', '"'];
            let places: Vec<usize> = text.match_indices(marks).map(|(at, _)| at).collect();
            let at = places[dice.below(places.len())];
            let mut changed = text.clone();
            if dice.below(2) == 0 {
                changed.remove(at);
            } else {
                changed.insert(at, marks[dice.below(marks.len())]);
            }
            whole("punctuation at random", changed, before.clone())
        }
        _ => {
            let text = body(&rows);
            let little = |mark: &str| {
                format!("{mark}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
            };
            let bytes = match dice.below(4) {
                0 => format!("\u{feff}{text}").into_bytes(),
                1 => little("\u{feff}"),
                2 => little(""),
                _ => text.replace(' ', "\r\n\t").into_bytes(),
            };
            Mutant { kind: "another encoding", bytes, says: before.clone() }
        }
    };
    (before, mutant)
}
