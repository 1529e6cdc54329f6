//! The monthly report written from the ledger: the catalogue's sentences filled with the figures of
//! a unit and month, and an annex with all figures, their changes and the contradictions.

use std::collections::BTreeMap;

use crate::app::read::findings::FindingView;
use crate::app::read::scorecard::ScorecardQuery;
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::words::short_month;
use crate::error::Error;
use kpi::catalogue::{Direction, Kpi};
use kpi::change::{MeasureSeries, PeriodPoint, UnavailableReason};
use kpi::fault::quoted;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Rounded};
use kpi::number_format::{format_vietnamese, rounded_to};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::sentence::{SentencePart, figures, parse};
use kpi::unit::{UnitKind, UnitPosition};
use ledger::RevisionNumber;

/// Decimals of a computed rate.
const RATE_DECIMALS: u32 = 2;
/// Most units that one sentence lists.
pub const MAX_UNITS_NAMED: usize = 200;
/// Most figures in the annex.
pub const MAX_ANNEX: usize = 2_000;
/// Most charts in the annex.
pub const MAX_CHARTS: usize = 6;
/// Most contradictions in the annex.
pub const MAX_FINDINGS: usize = 500;

/// A report written from the ledger.
#[derive(Clone, PartialEq, Debug)]
pub struct GeneratedReport {
    /// The revision that it was written from.
    pub revision: RevisionNumber,
    /// The title, such as `Báo cáo`.
    pub title: String,
    /// The subject below the title.
    pub subject: String,
    /// The sections: heading and sentences.
    pub sections: Vec<(String, Vec<String>)>,
    /// The column headings of the annex.
    pub header: Vec<String>,
    /// The rows of the annex.
    pub rows: Vec<Vec<String>>,
    /// The trends of the kpis that have a better side, those with a target first.
    pub charts: Vec<ReportChart>,
    /// The contradictions: unit, indicator, sentence.
    pub findings: Vec<[String; 3]>,
    /// Number of figures and contradictions that are left out because there are too many.
    pub left_out: usize,
}

/// The trend of a kpi, up to the month of the report.
#[derive(Clone, PartialEq, Debug)]
pub struct ReportChart {
    /// The name of the kpi.
    pub name: String,
    /// The months, such as `10/2021`.
    pub months: Vec<String>,
    /// Their values.
    pub values: Vec<Option<f64>>,
    /// The target.
    pub target: Option<f64>,
}

impl Snapshot {
    /// The trends of a report.
    fn report_charts(&self, code: &str, month: Month) -> Result<Vec<ReportChart>, Error> {
        let period = Period::containing(Step::Month, month);
        let fields = ScorecardQuery::fields();
        let query = ScorecardQuery { unit: code.to_owned(), period, of_today: false, fields };
        let catalogue = &self.state().catalogue;
        let mut rows = self.scorecard(&query)?.rows;
        rows.retain(|row| {
            let kpi = catalogue.kpi(&row.measure);
            row.direction != Direction::Neutral
                && row.point.value.is_some()
                && !kpi.is_some_and(Kpi::is_share_of_members)
        });
        rows.sort_by_key(|row| row.target.is_none());
        rows.truncate(MAX_CHARTS);
        let short = |period: &str| period.parse().map(short_month).unwrap_or_default();
        let charts = rows.into_iter().map(|row| ReportChart {
            name: row.name.vi.clone(),
            months: row.history.iter().map(|past| short(&past.period)).collect(),
            values: row.history.iter().map(|past| past.value.map(Rounded::get)).collect(),
            target: row.target.map(Decimal64::to_f64),
        });
        Ok(charts.collect())
    }

    /// Writes the report of a unit for a month.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit, or one that does not exist in the month.
    pub fn written_report(&self, code: &str, month: Month) -> Result<GeneratedReport, Error> {
        let state = self.state();
        let unit = state.find_unit(code)?;
        if !state.units.exists(unit, month) {
            return Err(Error::NotFound(format!(
                "{} did not exist at the end of {month}",
                quoted(code)
            )));
        }
        let mut writer = ReportWriter { state, month, told: 0, points: BTreeMap::new() };
        let mut sections: Vec<(String, Vec<String>)> = Vec::new();
        for sentence in &state.catalogue.document.sentences {
            let Some(text) =
                parse(&sentence.text).ok().and_then(|parts| writer.sentence(&parts, unit))
            else {
                continue;
            };
            match sections.last_mut().filter(|(heading, _)| *heading == sentence.heading) {
                Some((_, sentences)) => sentences.push(text),
                None => sections.push((sentence.heading.clone(), vec![text])),
            }
        }
        let (mut rows, partly) = writer.annex(unit);
        let mut findings: Vec<[String; 3]> = state
            .standing()
            .within(state.units.subtree(unit))
            .filter(|finding| finding.month == month)
            .map(|finding| {
                let view = FindingView::new(finding, &state.units);
                [
                    name(state, finding.unit),
                    state.catalogue.label(&finding.measure).vi,
                    view.detail_vi,
                ]
            })
            .collect();
        let left_out =
            rows.len().saturating_sub(MAX_ANNEX) + findings.len().saturating_sub(MAX_FINDINGS);
        rows.truncate(MAX_ANNEX);
        findings.truncate(MAX_FINDINGS);
        let before = month.plus(-1);
        let column = |month: Month| format!("Tháng {}/{}", month.month(), month.year());
        let mut header = vec![
            "Chỉ tiêu".to_owned(),
            "Đơn vị tính".to_owned(),
            column(month),
            column(before),
            "Tăng, giảm".to_owned(),
            "Tăng, giảm (%)".to_owned(),
        ];
        if partly {
            header.push("Đơn vị đã có số liệu (%)".to_owned());
        } else {
            rows.iter_mut().for_each(|row| drop(row.pop()));
        }
        Ok(GeneratedReport {
            revision: state.revision,
            title: "Báo cáo".to_owned(),
            subject: format!(
                "Kết quả ứng dụng công nghệ thông tin tháng {} năm {} của {}",
                month.month(),
                month.year(),
                name(state, unit)
            ),
            sections,
            header,
            rows,
            charts: self.report_charts(code, month)?,
            findings,
            left_out,
        })
    }
}

/// A unit's name within a sentence.
fn name(state: &State, unit: UnitPosition) -> String {
    let Some(unit) = state.units.get(unit) else { return String::new() };
    let shown: String =
        unit.document.shown().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let folded = shown.to_lowercase();
    let bare = unit.document.kind == UnitKind::Province
        && !["tỉnh", "thành phố"].iter().any(|kind| folded.starts_with(kind));
    if bare { format!("tỉnh {shown}") } else { shown }
}

struct ReportWriter<'s> {
    state: &'s State,
    month: Month,
    /// Number of figures written so far.
    told: usize,
    points: BTreeMap<(Measure, UnitPosition), Option<PeriodPoint>>,
}

impl ReportWriter<'_> {
    fn point(&mut self, measure: &Measure, unit: UnitPosition) -> Option<PeriodPoint> {
        let (state, period) = (self.state, Period::containing(Step::Month, self.month));
        let computed = || {
            let program = Program::of_measure(&state.catalogue, &state.view(), measure)?;
            Some(
                MeasureSeries::new(state.source(), &program, unit, period.back(1), period)
                    .point(period),
            )
        };
        self.points.entry((measure.clone(), unit)).or_insert_with(computed).clone()
    }

    /// The rate that was stated for a kpi.
    fn stated(&self, measure: &Measure, unit: UnitPosition, month: Month) -> Option<Decimal64> {
        let id = self
            .state
            .measures
            .id(measure)
            .filter(|_| self.state.catalogue.kpi(&measure.code).is_some())?;
        self.state.cube.stated(id, unit, month).map(|stamped| stamped.written)
    }

    /// Whether the unit itself has reported a figure.
    fn reported(&self, measure: &Measure, unit: UnitPosition) -> bool {
        let cell = |id| self.state.cube.cell(id, unit, self.month).is_some();
        self.stated(measure, unit, self.month).is_some()
            || self.state.measures.id(measure).is_some_and(cell)
    }

    /// The number of decimals with which values of a measure are shown.
    fn decimals(&self, measure: &Measure) -> u32 {
        self.state
            .catalogue
            .indicator(&measure.code)
            .map_or(RATE_DECIMALS, |indicator| indicator.decimals)
    }

    /// A figure in a sentence: stated, or covering every leaf. Whole numbers have at least two
    /// digits, as official texts write them.
    fn figure(&mut self, measure: &Measure, unit: UnitPosition) -> Option<String> {
        if let Some(stated) = self.stated(measure, unit, self.month) {
            return Some(format_vietnamese(stated));
        }
        let point = self.point(measure, unit).filter(PeriodPoint::is_whole)?;
        let written = rounded_to(point.value?, self.decimals(measure))?;
        let counted =
            self.state.catalogue.unit_of_measure(&measure.code) == "count" && written.scale == 0;
        Some(if counted && (1..10).contains(&written.mantissa) {
            format!("0{}", written.mantissa)
        } else {
            format_vietnamese(written)
        })
    }

    /// A change in words: `tăng 92 (1,3%) so với tháng 9`.
    fn change(&mut self, measure: &Measure, unit: UnitPosition) -> Option<String> {
        let point = self.point(measure, unit).filter(PeriodPoint::is_whole)?;
        let delta = rounded_to(point.delta.ok()?, self.decimals(measure))?;
        let before = self.month.plus(-1);
        let year = if before.year() == self.month.year() {
            String::new()
        } else {
            format!(" năm {}", before.year())
        };
        let against = format!("so với tháng {}{year}", before.month());
        let (word, size) = match delta.mantissa {
            0 => return Some(format!("không thay đổi {against}")),
            1.. => ("tăng", delta),
            _ => ("giảm", Decimal64 { mantissa: -delta.mantissa, ..delta }),
        };
        let percent = point.delta_percent.ok().and_then(|percent| rounded_to(percent.abs(), 1));
        let size = match (percent, point.delta_percent) {
            (Some(percent), _) => {
                format!("{} ({}%)", format_vietnamese(size), format_vietnamese(percent))
            }
            (None, Err(UnavailableReason::NotApplicable)) => {
                format!("{} điểm phần trăm", format_vietnamese(size))
            }
            (None, _) => format_vietnamese(size),
        };
        Some(format!("{word} {size} {against}"))
    }

    /// A sentence filled with its figures; `None` when a figure is missing or the sentence has
    /// none.
    fn sentence(&mut self, parts: &[SentencePart], unit: UnitPosition) -> Option<String> {
        let before = self.told;
        self.filled(parts, unit).filter(|_| self.told > before)
    }

    /// A part of a sentence filled with its figures; `None` when a figure is missing.
    fn filled(&mut self, parts: &[SentencePart], unit: UnitPosition) -> Option<String> {
        let mut text = String::new();
        for part in parts {
            match part {
                SentencePart::Text(words) => text.push_str(words),
                SentencePart::Figure(measure) => {
                    text.push_str(&self.figure(measure, unit)?);
                    self.told += 1;
                }
                SentencePart::Change(measure) => text.push_str(&self.change(measure, unit)?),
                SentencePart::Unit => text.push_str(&name(self.state, unit)),
                SentencePart::Optional(inside) => {
                    text.push_str(&self.filled(inside, unit).unwrap_or_default())
                }
                SentencePart::Each(inside) => text.push_str(&self.repeated(inside, unit)?),
            }
        }
        Some(text)
    }

    fn repeated(&mut self, parts: &[SentencePart], unit: UnitPosition) -> Option<String> {
        let first = figures(parts).first().map(|measure| (*measure).clone())?;
        let below = self
            .state
            .units
            .subtree(unit)
            .iter()
            .skip(1)
            .filter(|below| self.state.units.exists(*below, self.month));
        let below: Vec<UnitPosition> =
            below.filter(|below| self.reported(&first, *below)).collect();
        let mut told: Vec<String> = below
            .iter()
            .take(MAX_UNITS_NAMED)
            .filter_map(|below| self.filled(parts, *below))
            .collect();
        if below.len() > MAX_UNITS_NAMED {
            told.push("và các đơn vị khác tại Phụ lục".to_owned());
        }
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The rows of all measures for which the unit has a value in this month or the one before; and
    /// whether some values do not cover all units.
    fn annex(&mut self, unit: UnitPosition) -> (Vec<Vec<String>>, bool) {
        let state = self.state;
        let catalogue = &state.catalogue;
        let whole = |code: &str| Measure { code: code.to_owned(), members: Members::none() };
        let mut measures: Vec<Measure> =
            state.measures.iter().map(|(_, measure)| measure.clone()).collect();
        measures.extend(catalogue.kpis.iter().map(|kpi| whole(&kpi.code)));
        let systems: Vec<&str> =
            catalogue.document.systems.iter().map(|system| system.code.as_str()).collect();
        let of_indicators = catalogue
            .document
            .indicators
            .iter()
            .map(|indicator| (indicator.code.as_str(), indicator.system.as_deref()));
        let declared: Vec<(&str, Option<&str>)> = of_indicators
            .chain(
                catalogue
                    .document
                    .kpis
                    .iter()
                    .map(|kpi| (kpi.code.as_str(), kpi.system.as_deref())),
            )
            .collect();
        let place = |measure: &Measure| {
            let n =
                declared.iter().position(|(code, _)| *code == measure.code).unwrap_or(usize::MAX);
            let system = declared
                .get(n)
                .and_then(|(_, system)| *system)
                .and_then(|code| systems.iter().position(|known| *known == code));
            (system.unwrap_or(usize::MAX), n, measure.members.len(), measure.members.clone())
        };
        measures.sort_by_cached_key(|measure| place(measure));
        measures.dedup();
        let (mut rows, mut partly) = (Vec::new(), false);
        for measure in measures {
            let Some(point) = self.point(&measure, unit) else { continue };
            let before = self.before(&measure, unit);
            if point.value.is_none() && before.is_none() {
                continue;
            }
            partly |= point.value.is_some() && !point.is_whole();
            let decimals = self.decimals(&measure);
            let shown = |value: Option<f64>| {
                value
                    .and_then(|value| rounded_to(value, decimals))
                    .map_or_else(|| "-".to_owned(), format_vietnamese)
            };
            let signed = |change: Result<f64, UnavailableReason>, decimals: u32| {
                let change = change.ok().and_then(|change| rounded_to(change, decimals));
                change.map_or_else(
                    || "-".to_owned(),
                    |change| {
                        if change.mantissa > 0 {
                            format!("+{}", format_vietnamese(change))
                        } else {
                            format_vietnamese(change)
                        }
                    },
                )
            };
            rows.push(vec![
                catalogue.label(&measure).vi,
                counted_in(catalogue.unit_of_measure(&measure.code)).to_owned(),
                self.stated(&measure, unit, self.month)
                    .map_or_else(|| shown(point.value), format_vietnamese),
                self.stated(&measure, unit, self.month.plus(-1))
                    .map_or_else(|| shown(before), format_vietnamese),
                signed(point.delta, decimals),
                signed(point.delta_percent, 1),
                point
                    .coverage
                    .and_then(|coverage| rounded_to(coverage * 100.0, 1))
                    .map_or_else(String::new, format_vietnamese),
            ]);
        }
        (rows, partly)
    }

    /// The value of the month before.
    fn before(&self, measure: &Measure, unit: UnitPosition) -> Option<f64> {
        let period = Period::containing(Step::Month, self.month.plus(-1));
        let program = Program::of_measure(&self.state.catalogue, &self.state.view(), measure)?;
        MeasureSeries::new(self.state.source(), &program, unit, period, period).value(period)
    }
}

/// The Vietnamese name of a unit of measure.
fn counted_in(unit_of_measure: &str) -> &str {
    match unit_of_measure {
        "count" => "số lượng",
        "percent" => "%",
        "VND" => "đồng",
        "minutes/day" => "phút/ngày",
        "endpoints/session" => "điểm cầu/cuộc",
        other => other,
    }
}
