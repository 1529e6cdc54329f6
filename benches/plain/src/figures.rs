//! The figures in one array, by unit, indicator and month.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use serde::Deserialize;

/// The months that `egov-kpi generate` fills: 2021-01 to 2025-12.
pub const MONTHS: usize = 60;
const FIRST_YEAR: usize = 2021;

/// The operands of the rate: its code, numerator and denominator.
const RATE: [&str; 3] =
    ["ioffice.documents.signed_rate", "ioffice.documents.signed", "ioffice.documents.outgoing"];

/// A measure that is asked for.
pub enum Measure<'a> {
    Indicator(&'a Kept),
    /// The places of the numerator and the denominator of the rate.
    Rate(usize, usize),
}

/// An indicator: its place, its unit of measure, and the months from which it is defined
/// differently.
pub struct Kept {
    pub place: usize,
    pub unit_of_measure: String,
    pub breaks: Vec<usize>,
}

/// The figures of all units.
pub struct Figures {
    pub revision: String,
    pub hash: String,
    leaves: HashMap<String, usize>,
    names: Vec<String>,
    provinces: HashMap<String, Vec<usize>>,
    indicators: HashMap<String, Kept>,
    width: usize,
    values: Vec<u32>,
}

#[derive(Deserialize)]
struct Units {
    units: Vec<Unit>,
}

#[derive(Deserialize)]
struct Unit {
    code: String,
    parent: Option<String>,
}

#[derive(Deserialize)]
struct Indicators {
    indicators: Vec<Indicator>,
}

#[derive(Deserialize)]
struct Indicator {
    code: String,
    unit_of_measure: String,
    #[serde(default)]
    breaks: Vec<Break>,
}

#[derive(Deserialize)]
struct Break {
    from: String,
}

/// The place of a month such as `2021-03`, if it is one of those that are kept.
pub fn month(text: &str) -> Option<usize> {
    let (year, month) = text.split_once('-')?;
    let year = year.parse::<usize>().ok()?.checked_sub(FIRST_YEAR)?;
    let place = year * 12 + month.parse::<usize>().ok()?.checked_sub(1)?;
    (place < MONTHS).then_some(place)
}

/// The text of a month.
pub fn month_text(place: usize) -> [u8; 7] {
    let (year, month) = (FIRST_YEAR + place / 12, place % 12 + 1);
    let digit = |number: usize| b'0' + u8::try_from(number % 10).unwrap_or(0);
    [
        digit(year / 1000),
        digit(year / 100),
        digit(year / 10),
        digit(year),
        b'-',
        digit(month / 10),
        digit(month),
    ]
}

impl Figures {
    /// Reads what `egov-kpi generate` wrote and the service said of its indicators.
    pub fn read(
        units: &str,
        figures: &str,
        indicators: &str,
        revision: &str,
        hash: &str,
    ) -> io::Result<Self> {
        let read: Units = serde_json::from_reader(BufReader::new(File::open(units)?))?;
        let (mut leaves, mut names) = (HashMap::new(), Vec::new());
        let mut provinces: HashMap<String, Vec<usize>> = HashMap::new();
        for unit in read.units {
            if let Some(parent) = unit.parent {
                provinces.entry(parent).or_default().push(names.len());
                leaves.insert(unit.code.clone(), names.len());
                names.push(unit.code);
            }
        }
        let read: Indicators = serde_json::from_reader(BufReader::new(File::open(indicators)?))?;
        let mut declared: HashMap<String, Indicator> =
            read.indicators.into_iter().map(|one| (one.code.clone(), one)).collect();

        let strange = |line: &str| io::Error::other(format!("not a figure: {line}"));
        let (mut found, mut rows) = (HashMap::<String, Kept>::new(), Vec::new());
        for line in BufReader::with_capacity(1 << 20, File::open(figures)?).lines().skip(1) {
            let line = line?;
            let mut row = || {
                let mut cells = line.split(',');
                let (code, unit) = (cells.next()?, cells.next()?);
                let (period, value) = (month(cells.next()?)?, cells.next()?.parse::<u32>().ok()?);
                let next = found.len();
                let indicator = match found.get(code) {
                    Some(kept) => kept.place,
                    None => {
                        let of = declared.remove(code)?;
                        let breaks = of.breaks.iter().filter_map(|one| month(&one.from));
                        let kept = Kept {
                            place: next,
                            unit_of_measure: of.unit_of_measure,
                            breaks: breaks.collect(),
                        };
                        found.insert(of.code, kept);
                        next
                    }
                };
                Some((*leaves.get(unit)?, indicator, period, value))
            };
            rows.push(row().ok_or_else(|| strange(&line))?);
        }
        let width = found.len();
        let mut values = vec![0; names.len() * width * MONTHS];
        for (unit, indicator, period, value) in rows {
            values[(unit * width + indicator) * MONTHS + period] = value;
        }
        Ok(Self {
            revision: revision.to_owned(),
            hash: hash.to_owned(),
            leaves,
            names,
            provinces,
            indicators: found,
            width,
            values,
        })
    }

    /// The measure of this code.
    pub fn measure(&self, code: &str) -> Option<Measure<'_>> {
        let place = |code: &str| self.indicators.get(code).map(|kept| kept.place);
        if code == RATE[0] {
            return Some(Measure::Rate(place(RATE[1])?, place(RATE[2])?));
        }
        self.indicators.get(code).map(Measure::Indicator)
    }

    /// The units below a province, in their order.
    pub fn below(&self, province: &str) -> Option<&[usize]> {
        self.provinces.get(province).map(Vec::as_slice)
    }

    /// The code of a unit.
    pub fn name(&self, unit: usize) -> &str {
        &self.names[unit]
    }

    /// The months of a unit's indicator.
    pub fn of(&self, unit: usize, indicator: usize) -> &[u32] {
        let start = (unit * self.width + indicator) * MONTHS;
        &self.values[start..start + MONTHS]
    }

    /// The months of an indicator of a unit, or summed over the units below a province.
    pub fn sums(&self, unit: &str, indicator: usize, from: usize, to: usize) -> Option<Vec<i64>> {
        let mut sums = vec![0; to + 1 - from];
        let mut add = |leaf: usize| {
            for (sum, value) in sums.iter_mut().zip(&self.of(leaf, indicator)[from..=to]) {
                *sum += i64::from(*value);
            }
        };
        match self.leaves.get(unit) {
            Some(leaf) => add(*leaf),
            None => self.below(unit)?.iter().copied().for_each(add),
        }
        Some(sums)
    }
}
