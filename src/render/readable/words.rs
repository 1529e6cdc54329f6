//! The words of an Excel file for people: names instead of codes, in one language.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate};

use crate::app::RevisionNumber;
use crate::app::snapshot::Snapshot;
use crate::app::words::{find_name, period_name, short_month};
use kpi::measure::Measure;
use kpi::period::{Period, Step};
use kpi::unit::LocalizedName;

/// The state and the language that names are taken from.
pub struct SheetLanguage {
    snapshot: Snapshot,
    in_vietnamese: bool,
    measures: HashMap<String, MeasureLabel>,
}

/// A measure as a file shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct MeasureLabel {
    pub(super) name: String,
    pub(super) unit_of_measure: String,
}

impl MeasureLabel {
    pub(super) fn is_percent(&self) -> bool {
        self.unit_of_measure == "percent"
    }
}

impl SheetLanguage {
    /// The names of a state in one of the languages.
    #[must_use]
    pub fn new(snapshot: Snapshot, in_vietnamese: bool) -> Self {
        Self { snapshot, in_vietnamese, measures: HashMap::new() }
    }

    pub(super) fn in_vietnamese(&self) -> bool {
        self.in_vietnamese
    }

    /// The revision that the file was made from.
    pub(super) fn revision(&self) -> RevisionNumber {
        self.snapshot.state().revision
    }

    /// One of two texts.
    pub(super) fn say<'t>(&self, vi: &'t str, en: &'t str) -> &'t str {
        if self.in_vietnamese { vi } else { en }
    }

    /// A name; the other language's where it has none in this one, or the code.
    pub(super) fn name(&self, name: &LocalizedName, code: &str) -> String {
        let LocalizedName { vi, en } = name;
        let names = if self.in_vietnamese { [vi, en] } else { [en, vi] };
        names.into_iter().find(|name| !name.is_empty()).map_or(code, String::as_str).to_owned()
    }

    /// A code of a group by its name.
    pub(super) fn code(&self, group: &str, code: &str) -> String {
        find_name(group, code).map_or_else(|| code.to_owned(), |name| self.name(name, code))
    }

    pub(super) fn unit(&self, code: &str) -> String {
        let units = &self.snapshot.state().units;
        let unit = units.position(code).and_then(|position| units.get(position));
        unit.map_or_else(|| code.to_owned(), |unit| self.name(&unit.document.name, code))
    }

    pub(super) fn system(&self, code: &str) -> String {
        let mut systems = self.snapshot.state().catalogue.document.systems.iter();
        let system = systems.find(|system| system.code == code);
        system.map_or_else(|| code.to_owned(), |system| self.name(&system.name, code))
    }

    /// A measure that is given as text.
    pub(super) fn measure(&mut self, text: &str) -> MeasureLabel {
        if let Some(known) = self.measures.get(text) {
            return known.clone();
        }
        let found = self.find_measure(text);
        self.measures.insert(text.to_owned(), found.clone());
        found
    }

    fn find_measure(&self, text: &str) -> MeasureLabel {
        let Ok(measure) = Measure::parse(text) else {
            return MeasureLabel { name: text.to_owned(), ..MeasureLabel::default() };
        };
        let catalogue = &self.snapshot.state().catalogue;
        MeasureLabel {
            name: self.name(&catalogue.label(&measure), text),
            unit_of_measure: catalogue.unit_of_measure(&measure.code).to_owned(),
        }
    }

    /// A period in a cell: `10/2021`, `Quý 3/2021`.
    pub(super) fn period(&self, text: &str) -> String {
        match Period::of_display(text) {
            Ok(period) if period.step() == Step::Month => short_month(period.first()),
            Ok(period) => period_name(period, self.in_vietnamese),
            Err(_) => text.to_owned(),
        }
    }

    /// A period in a title: `Tháng 10/2021`.
    pub(super) fn long_period(&self, text: &str) -> String {
        Period::of_display(text)
            .map_or_else(|_| text.to_owned(), |period| period_name(period, self.in_vietnamese))
    }

    /// A day, also from the beginning of a time: `05/11/2021`.
    pub(super) fn day(&self, text: &str) -> String {
        let day = text.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
        day.map_or_else(|| text.to_owned(), |day| day.format("%d/%m/%Y").to_string())
    }

    /// A time of the ledger (RFC 3339) in the zone of the service.
    pub(super) fn time(&self, text: &str) -> String {
        let offset = self.snapshot.state().calendar.offset();
        DateTime::parse_from_rfc3339(text).map_or_else(
            |_| text.to_owned(),
            |time| time.with_timezone(&offset).format("%H:%M %d/%m/%Y").to_string(),
        )
    }
}
