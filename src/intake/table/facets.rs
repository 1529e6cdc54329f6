//! What a label says: a measure, members, a unit, a month, or that its figures are not to be taken.

use super::month::{When, timed};
use super::place::Place;
use super::read::{Surroundings, Tables};
use crate::domain::measure::{Measure, Members};
use crate::domain::period::Month;
use crate::intake::label::{Resolution, UnitText, numbered};
use crate::intake::words::folded;

/// What a column of labels holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stub {
    /// Whatever it may be.
    Any,
    /// Units; by official codes too.
    Units,
    /// Months, or numbers from 1 to 12.
    Months,
    /// Years.
    Years,
    /// Members of a dimension.
    Members(String),
}

/// What a label says.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Facets {
    /// Its measure.
    pub measure: Option<Measure>,
    /// Ways to read its members; empty when it names none.
    pub members: Vec<Members>,
    /// Its unit.
    pub unit: Option<usize>,
    /// Its month.
    pub month: Option<Month>,
    /// A month of a year that is said elsewhere.
    pub of_year: Option<u32>,
    /// The year of months.
    pub year: Option<i32>,
    /// A total.
    pub total: bool,
    /// How its figures are measured.
    pub measured: Option<UnitText>,
    /// Figures whose meaning is said elsewhere: "Giá trị".
    pub plain: bool,
    /// No figures: numbers of rows, notes, units of measure.
    pub aside: Option<&'static str>,
    /// A column of labels.
    pub stub: Option<Stub>,
    /// Why its figures are not taken.
    pub refused: Option<String>,
    /// Words are left over.
    pub unknown: bool,
}

/// Words that stand alone in a header, and what they say.
fn header_word(text: &str) -> Option<Facets> {
    let aside = |what| Some(Facets { aside: Some(what), ..Facets::default() });
    let stub = |stub| Some(Facets { stub: Some(stub), ..Facets::default() });
    match text {
        "stt" | "tt" | "so tt" | "so thu tu" | "no" | "no." | "#" => aside("numbers of rows"),
        "don vi tinh" | "dvt" | "unit of measure" => aside("units of measure"),
        "ghi chu" | "chu thich" | "ly do" | "nguon" | "nguon so lieu" | "note" | "notes"
        | "remarks" | "giai trinh" => aside("notes"),
        "chi tieu" | "ten chi tieu" | "noi dung" | "chi so" | "danh muc" | "hang muc"
        | "indicator" | "measure" | "ma chi tieu" | "ma" | "ten" | "tieu chi" | "he thong"
        | "linh vuc" | "noi dung chi tieu" | "chi tieu bao cao" => stub(Stub::Any),
        "don vi bao cao"
        | "ten don vi"
        | "co quan"
        | "co quan, don vi"
        | "huyen"
        | "xa"
        | "dia phuong"
        | "dia ban"
        | "ma don vi"
        | "unit"
        | "huyen, thi xa, thanh pho"
        | "so, nganh"
        | "ten co quan" => stub(Stub::Units),
        "thang" | "ky" | "ky bao cao" | "thang bao cao" | "period" | "month" | "thoi gian" => {
            stub(Stub::Months)
        }
        "nam" | "year" => stub(Stub::Years),
        "gia tri"
        | "so lieu"
        | "ket qua"
        | "thuc hien"
        | "so luong"
        | "value"
        | "ket qua thuc hien"
        | "so luong thuc hien"
        | "so bao cao"
        | "figure"
        | "ket qua thang"
        | "ket qua trong thang"
        | "so lieu thang"
        | "so lieu trong thang"
        | "thuc hien thang"
        | "thuc hien trong thang"
        | "phat sinh trong thang"
        | "so trong thang"
        | "ket qua dat duoc"
        | "ket qua ky nay"
        | "thuc hien ky nay"
        | "so ky nay" => Some(Facets { plain: true, ..Facets::default() }),
        _ => None,
    }
}

impl Tables<'_> {
    /// Reads a label of a header.
    pub(super) fn header_label(&self, text: &str, around: &Surroundings) -> Facets {
        let bare = folded(numbered(text).1);
        let bare = bare.trim().trim_end_matches(':');
        if let Some(found) = header_word(bare) {
            // "Kết quả tháng" beside "Tháng trước".
            let of_month = found.plain && (bare.contains("thang") || bare.contains("ky nay"));
            return Facets { month: around.month.filter(|_| of_month).or(found.month), ..found };
        }
        let dimension = self
            .catalogue
            .document
            .dimensions
            .iter()
            .find(|dimension| dimension.code == bare || folded(&dimension.name.vi) == bare);
        if let Some(dimension) = dimension {
            return Facets {
                stub: Some(Stub::Members(dimension.code.clone())),
                ..Facets::default()
            };
        }
        if bare == "ke hoach" {
            return Facets {
                refused: Some("a plan or target, not a figure reported".to_owned()),
                ..Facets::default()
            };
        }
        let shares =
            matches!(bare, "ty le" | "ti le" | "ty trong" | "%" | "ty le %" | "ty le (%)" | "rate");
        if shares {
            return Facets {
                refused: Some("it does not say which rate it is".to_owned()),
                measured: Some(UnitText { percent: true, power: 0 }),
                ..Facets::default()
            };
        }
        self.label(text, around)
    }

    /// Reads a label.
    pub(super) fn label(&self, text: &str, around: &Surroundings) -> Facets {
        let text = text.trim();
        if text.is_empty() {
            return Facets::default();
        }
        let reading = self.labels.read(text, &around.hint);
        let mut facets = Facets { measured: reading.unit, ..Facets::default() };
        match reading.resolution {
            Resolution::One(measure) => return Facets { measure: Some(measure), ..facets },
            Resolution::Members(ways) => return Facets { members: ways, ..facets },
            Resolution::Empty if !around.systems_only(&self.labels, text) => {
                facets.total = is_total(text);
                return facets;
            }
            Resolution::Empty => return facets,
            Resolution::Several(measures) => {
                let names: Vec<String> = measures.iter().map(ToString::to_string).collect();
                facets.refused = Some(format!("it may be {}", names.join(" or ")));
                return facets;
            }
            Resolution::Nothing => {}
        }
        match self.places.resolve(numbered(text).1, around.month, around.unit) {
            Place::One(unit) => return Facets { unit: Some(unit), ..facets },
            Place::Several(units) => {
                let names: Vec<&str> = units.iter().map(|unit| self.units.code(*unit)).collect();
                facets.refused = Some(format!("the unit may be {}", names.join(" or ")));
                return facets;
            }
            Place::Unknown => {}
        }
        if is_total(text) {
            return Facets { total: true, ..facets };
        }
        let timed = timed(text);
        if timed.when.is_empty() {
            return Facets { unknown: true, ..facets };
        }
        let rest = timed.rest.trim_matches(|c: char| !c.is_alphanumeric() && c != '%' && c != ')');
        let mut found = if rest.is_empty() || folded(rest) == "thang" {
            Facets::default()
        } else {
            self.header_label(rest, around)
        };
        found.stub = None;
        found.time(&timed.when, around);
        found
    }
}

/// Whether a label says that all is added up.
fn is_total(text: &str) -> bool {
    let text = folded(numbered(text).1);
    let text = text.trim().trim_end_matches(':').trim();
    // "Tổng số hồ sơ toàn tỉnh"
    let counted = text.strip_suffix(" toan tinh").unwrap_or(text);
    let counted = ["tong cong ", "tong so ", "tong ", "cong "]
        .into_iter()
        .find_map(|head| counted.strip_prefix(head))
        .unwrap_or_default();
    let nouns = [
        "ho so",
        "dich vu",
        "dich vu cong",
        "van ban",
        "chung thu so",
        "chung thu",
        "hop thu",
        "tai khoan",
        "cuoc",
        "luot",
        "don",
    ];
    if nouns.contains(&counted) {
        return true;
    }
    matches!(
        text,
        "tong cong"
            | "cong"
            | "tong"
            | "tong so"
            | "toan tinh"
            | "toan huyen"
            | "chung"
            | "tong chung"
            | "total"
            | "tong toan tinh"
            | "tong cong toan tinh"
            | "cong chung"
    )
}

impl Facets {
    fn time(&mut self, when: &[When], around: &Surroundings) {
        for when in when {
            match *when {
                When::Month(month) if self.month.is_none_or(|known| known == month) => {
                    self.month = Some(month)
                }
                When::Month(_) => self.refused = Some("it names several months".to_owned()),
                When::OfYear(number) => self.of_year = Some(number),
                When::Year(year) => self.year = Some(year),
                When::Relative(months) => match around.month {
                    Some(month) if self.month.is_none_or(|known| known == month.plus(months)) => {
                        self.month = Some(month.plus(months))
                    }
                    Some(_) => self.refused = Some("it names several months".to_owned()),
                    None => {
                        self.refused =
                            Some("it is relative to a month that is not known".to_owned())
                    }
                },
                When::Other(why) => self.refused = Some(why.to_owned()),
            }
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_silent(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it says what its figures are.
    pub(super) fn tells(&self) -> bool {
        self.measure.is_some()
            || !self.members.is_empty()
            || self.unit.is_some()
            || self.month.is_some()
            || self.of_year.is_some()
            || self.total
            || self.plain
    }

    /// Adds what a second label says of the same figures; a contradiction refuses them.
    pub(super) fn and(mut self, other: Self, tables: &Tables<'_>) -> Self {
        let clash = |what: &str| Some(format!("two {what} are named"));
        let mut refused = self.refused.clone().or(other.refused);
        match (&self.measure, &other.measure) {
            // A rate below the count it is a rate of.
            (Some(_), Some(rate))
                if tables.catalogue.kpi(&rate.code).is_some() && self.members.is_empty() =>
            {
                self.measure = other.measure
            }
            (Some(one), Some(second)) if one != second => {
                refused = refused.or_else(|| clash("measures"))
            }
            (None, Some(_)) => self.measure = other.measure,
            _ => {}
        }
        match (self.unit, other.unit) {
            (Some(one), Some(second)) if one != second => {
                refused = refused.or_else(|| clash("units"))
            }
            (None, _) => self.unit = other.unit,
            _ => {}
        }
        match (self.month, other.month) {
            (Some(one), Some(second)) if one != second => {
                refused = refused.or_else(|| clash("months"))
            }
            (None, _) => self.month = other.month,
            _ => {}
        }
        let members = combined(&self.members, &other.members);
        if members.is_empty() && !self.members.is_empty() {
            refused = refused.or_else(|| clash("members of a dimension"));
        }
        self.members = members;
        self.of_year = self.of_year.or(other.of_year);
        self.year = self.year.or(other.year);
        if let (Some(year), Some(month), None) = (self.year, self.of_year, self.month) {
            self.month = Month::new(year, month);
        }
        self.total |= other.total;
        self.plain |= other.plain;
        self.measured = other.measured.or(self.measured);
        self.aside = self.aside.or(other.aside);
        self.stub = self.stub.or(other.stub);
        self.unknown |= other.unknown;
        self.refused = refused;
        self
    }
}

/// The ways to read members of two labels together; a dimension named in two ways is none.
fn combined(one: &[Members], other: &[Members]) -> Vec<Members> {
    if one.is_empty() || other.is_empty() {
        return [one, other].concat();
    }
    let mut found = Vec::new();
    for first in one {
        for second in other {
            let clash = second.iter().any(|(dimension, member)| {
                first.get(dimension).is_some_and(|known| known != member)
            });
            if !clash {
                found.push(second.iter().fold(first.clone(), |members, (dimension, member)| {
                    members.with(dimension, member)
                }));
            }
        }
    }
    found
}
