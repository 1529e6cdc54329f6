//! The title of a table: its unit, month, measure and unit of measure, from the rows above the
//! header and the text above the table.

use std::ops::Range;

use super::label_context::LabelContext;
use super::label_reader::LabelReader;
use super::mapping::TableDefaults;
use super::shape::GridShape;
use super::unit_names::{UnitMatch, writes_for_province};
use crate::label::{LabelResolution, MeasureUnitText, split_marker};
use crate::words::table_words;
use kpi::measure::Measure;
use kpi::period::Month;
use kpi::unit::UnitPosition;
use kpi::vietnamese::folding::unaccented;
use kpi::vietnamese::months::{MonthMention, PLAN, TO_DATE, WIDER, extract_months};

/// Most characters of the text above a table that are used.
const MAX_HINT: usize = 1_000;

/// What the title of a table gives.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct TableTitle {
    pub around: LabelContext,
    /// The year that the title names, for months without one.
    pub year: Option<i32>,
    /// The reason why the table has no month, if the title gives one.
    pub refused: Option<String>,
    /// The measure of every figure, if the title names one.
    pub measure: Option<Measure>,
    /// The unit of measure of every figure.
    pub measured: Option<MeasureUnitText>,
}

impl LabelReader<'_> {
    /// Reads the rows above the header and the hint.
    pub(super) fn title(
        &self,
        shape: &GridShape<'_>,
        rows: &Range<usize>,
        defaults: &TableDefaults,
    ) -> TableTitle {
        let lines: Vec<String> = rows.clone().flat_map(|row| shape.own_texts(row)).collect();
        let hint: String = defaults.hint.chars().take(MAX_HINT).collect();
        let mut title = TableTitle {
            around: LabelContext { hint, unit: defaults.unit, month: defaults.month },
            ..TableTitle::default()
        };
        let told: Vec<MonthMention> = lines
            .iter()
            .chain(std::iter::once(&defaults.hint))
            .flat_map(|line| extract_months(line).when)
            .collect();
        title.time(&told);
        let around = &mut title.around;
        let (mut explicit, mut others, mut unknown) = (None, Vec::new(), false);
        for (line, shown) in
            std::iter::once((&defaults.hint, false)).chain(lines.iter().map(|line| (line, true)))
        {
            let (head, plain) =
                line.split_once(':').map_or(("", line.as_str()), |(head, behind)| (head, behind));
            if let Some(found) = measure_line(line)
                .and_then(|()| self.labels.unit_of_measure(plain.trim_matches([' ', ')', '('])))
            {
                title.measured = Some(found);
            } else if let UnitMatch::One(unit) = self
                .places
                .resolve(plain, around.month, defaults.unit)
                .or_whole(|| self.places.resolve(line, around.month, defaults.unit))
            {
                if unaccented(head).contains("don vi") {
                    explicit = Some(unit)
                } else {
                    others.push(unit)
                }
            } else {
                unknown |= self.names_whole_of_another(line, defaults.unit);
                for named in self.places.find_units_in(line, around.month, defaults.unit) {
                    match named {
                        UnitMatch::One(unit) => others.push(unit),
                        UnitMatch::Several(units) => others.extend(units),
                        UnitMatch::Unknown => unknown = true,
                    }
                }
            }
            if shown {
                let hint = format!("{} {line}", around.hint);
                around.hint = hint.trim().chars().take(MAX_HINT).collect();
            }
        }
        around.unit = self
            .title_unit(explicit, &others, defaults.unit)
            .filter(|_| explicit.is_some() || !unknown);
        title.measure = lines
            .iter()
            .chain(std::iter::once(&defaults.hint))
            .find_map(|line| self.title_measure(line, &title.around));
        title
    }

    /// The unit of a table: the one that the title gives as such, otherwise that of the request,
    /// unless the title names another unit. The departments that write the report of the unit above
    /// are ignored, because the author is named in the title too.
    fn title_unit(
        &self,
        explicit: Option<UnitPosition>,
        named: &[UnitPosition],
        given: Option<UnitPosition>,
    ) -> Option<UnitPosition> {
        if explicit.is_some() {
            return explicit;
        }
        let Some(given) = given else {
            return named.last().copied().filter(|last| named.iter().all(|unit| unit == last));
        };
        let writes = |unit: UnitPosition| {
            self.units.get(unit).is_some_and(|unit| writes_for_province(&unit.document))
        };
        let above = |unit: UnitPosition| self.units.ancestors(given).any(|above| above == unit);
        let strange = named.iter().any(|unit| {
            *unit != given
                && !above(*unit)
                && !(writes(*unit) && self.units.ancestors(*unit).any(|above| above == given))
        });
        (!strange).then_some(given)
    }

    /// The measure that a title names, with common words left out.
    fn title_measure(&self, line: &str, around: &LabelContext) -> Option<Measure> {
        let mut rest = extract_months(split_marker(line).1).rest.to_lowercase();
        for lead in table_words().title.leads.iter() {
            rest = rest.replace(lead, " ");
        }
        let rest = rest.trim_start_matches(|c: char| {
            c.is_ascii_digit() || c.is_whitespace() || matches!(c, '.' | ':' | '-')
        });
        match self.labels.resolve(rest, &around.hint) {
            LabelResolution::One(measure) => Some(measure),
            LabelResolution::Several(_)
            | LabelResolution::Members(_)
            | LabelResolution::Empty
            | LabelResolution::Nothing => None,
        }
    }
}

/// Whether a line of the title gives the unit of measure.
fn measure_line(line: &str) -> Option<()> {
    let line = unaccented(line);
    (line.contains("dvt") || line.contains("don vi tinh")).then_some(())
}

/// A title of another month than the one reported.
pub(crate) const OTHER_MONTH: &str = "the table is of another month";

impl TableTitle {
    /// A month that is named without its year: in the year that is named beside it or in the title,
    /// otherwise in that of the table's month, unless it is later than that month.
    pub(super) fn month_of_year(&self, year: Option<i32>, number: u32) -> Option<Month> {
        if let Some(year) = year.or(self.year) {
            return Month::new(year, number);
        }
        let given = self.around.month?;
        Month::new(given.year(), number).filter(|month| *month <= given)
    }

    /// Sets the month of the table from the times in its title.
    fn time(&mut self, told: &[MonthMention]) {
        let (mut months, mut numbers) = (Vec::new(), Vec::new());
        for when in told {
            match *when {
                MonthMention::Month(month) if !months.contains(&month) => months.push(month),
                MonthMention::OfYear(number) if !numbers.contains(&number) => numbers.push(number),
                MonthMention::Year(found) => self.year = Some(found),
                MonthMention::Other(why) if [PLAN, TO_DATE, WIDER].contains(&why) => {
                    self.refused = Some(why.to_owned())
                }
                MonthMention::Relative(months) if months != 0 => {
                    self.refused.get_or_insert_with(|| OTHER_MONTH.to_owned());
                }
                MonthMention::Month(_)
                | MonthMention::OfYear(_)
                | MonthMention::Relative(_)
                | MonthMention::Other(_) => {}
            }
        }
        let (given, year) = (self.around.month, self.year);
        if let ([], [number]) = (months.as_slice(), numbers.as_slice()) {
            months.extend(self.month_of_year(None, *number));
        }
        self.around.month = match (months.as_slice(), numbers.len()) {
            ([one], 0 | 1) => Some(*one),
            ([], 0) => given.filter(|month| year.is_none_or(|year| month.year() == year)),
            // Of several months the reporting month is taken, if it is among them.
            (months, _) => given.filter(|month| months.contains(month)),
        };
        if matches!(months.as_slice(), [_]) {
            // A title that names its month means this month, whatever it is compared with.
            let stays = |why: &String| [TO_DATE, PLAN].contains(&why.as_str());
            self.refused = self.refused.take().filter(stays);
        }
    }
}

impl UnitMatch {
    /// This unit, or the result of a second reading.
    fn or_whole(self, second: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::One(_)) { self } else { second() }
    }
}
