//! What a label of a row or column gives: measure, members, unit or month, or the reason why its
//! figures are not taken.

use super::label_context::LabelContext;
use crate::label::MeasureUnitText;
use kpi::catalogue::Catalogue;
use kpi::measure::{Measure, Members};
use kpi::period::Month;
use kpi::unit::UnitPosition;
use kpi::vietnamese::months::MonthMention;

/// What a column of labels contains.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum LabelColumnKind {
    /// Any labels.
    Any,
    /// Units, also by official codes.
    Units,
    /// Months, or numbers from 1 to 12.
    Months,
    /// Years.
    Years,
    /// Members of a dimension.
    Members(String),
}

/// What a label gives.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct LabelFacets {
    /// Its measure.
    pub measure: Option<Measure>,
    /// The possible readings of its members; empty when it names none.
    pub members: Vec<Members>,
    /// Its unit.
    pub unit: Option<UnitPosition>,
    /// Its month.
    pub month: Option<Month>,
    /// A month, 1 to 12, if its year is given elsewhere.
    pub of_year: Option<u32>,
    /// The year of months given elsewhere.
    pub year: Option<i32>,
    /// Whether it is a total.
    pub total: bool,
    /// The unit of measure.
    pub measured: Option<MeasureUnitText>,
    /// Whether it is a word for figures in general, such as "Giá trị".
    pub plain: bool,
    /// Set when the column has no figures: row numbers, notes, units of measure.
    pub aside: Option<&'static str>,
    /// Set when it is the heading of a column of labels.
    pub stub: Option<LabelColumnKind>,
    /// The reason why its figures are not taken.
    pub refused: Option<String>,
    /// Whether the label has words that are not understood.
    pub unknown: bool,
}

impl LabelFacets {
    /// Sets the month from the times that the label names.
    pub(super) fn time(&mut self, when: &[MonthMention], around: &LabelContext) {
        for when in when {
            match *when {
                MonthMention::Month(month) if self.month.is_none_or(|known| known == month) => {
                    self.month = Some(month)
                }
                MonthMention::Month(_) => {
                    self.refused = Some("the label names several months".to_owned())
                }
                MonthMention::OfYear(number) => self.of_year = Some(number),
                MonthMention::Year(year) => self.year = Some(year),
                MonthMention::Relative(months) => match around.month {
                    Some(month) if self.month.is_none_or(|known| known == month.plus(months)) => {
                        self.month = Some(month.plus(months))
                    }
                    Some(_) => self.refused = Some("the label names several months".to_owned()),
                    None => {
                        self.refused = Some("the label is relative to an unknown month".to_owned())
                    }
                },
                MonthMention::Other(why) => self.refused = Some(why.to_owned()),
            }
        }
    }

    /// Whether the label gives nothing.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the label gives the measure, members, unit or month of its figures.
    pub(super) fn identifies_figures(&self) -> bool {
        self.measure.is_some()
            || !self.members.is_empty()
            || self.unit.is_some()
            || self.month.is_some()
            || self.of_year.is_some()
            || self.total
            || self.plain
    }

    /// Adds what a second label of the same figures gives. When the two contradict each other, the
    /// figures are not taken.
    pub(super) fn and(mut self, other: Self, catalogue: &Catalogue) -> Self {
        let clash = |what: &str| Some(format!("two {what} are named"));
        let mut refused = self.refused.clone().or(other.refused);
        match (&self.measure, &other.measure) {
            // A rate below the count that it refers to.
            (Some(_), Some(rate))
                if catalogue.kpi(&rate.code).is_some() && self.members.is_empty() =>
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
        let members = combine_members(&self.members, &other.members);
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

/// The readings of the members of two labels together. Readings that name two members of a
/// dimension are dropped.
fn combine_members(one: &[Members], other: &[Members]) -> Vec<Members> {
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
