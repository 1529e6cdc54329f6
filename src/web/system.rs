//! One system of the catalogue: its indicators, their splits and its kpis, for a unit and month.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use maud::{Markup, html};

use super::language::sentence;
use super::layout::{PageSection, WebPage, shown};
use super::parts::{
    PageFiles, ShownChange, covered_units, history_link, measure_name, month_choice, roots,
    status_badge, unit_name, unit_path,
};
use super::request::{PageRequest, address};
use crate::api::{HandlerResult, ServiceContext};
use crate::app::read::fields::RequestedFields;
use crate::app::read::overview::measures_of_system;
use crate::app::read::series::{PeriodSelector, PointView, SeriesQuery, SeriesView, UnitSelector};
use crate::app::state::State;
use crate::error::Error;
use crate::render::svg::spark;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};
use kpi::period::{Month, Period, Step};
use kpi::target::evaluate_target;

/// Months of the small trends.
const MONTHS: i32 = 13;
/// Most figures of units below, and most that are shown at once.
const MAX_BELOW: usize = 500;
const OPEN_BELOW: usize = 60;
/// Most rows of the page.
const MAX_ROWS: usize = 2_000;
/// Most measures in the addresses of its figures, which browsers and proxies limit.
const MAX_IN_ADDRESS: usize = 100;

/// The page of a system.
///
/// # Errors
/// 404 for an unknown system or unit, 422 for a malformed month.
pub async fn get(
    request: HttpRequest,
    context: Data<ServiceContext>,
    system: Path<String>,
) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let (unit, language) = (asked.unit()?, asked.language);
    let code = asked.state().units.code(unit).to_owned();
    let month = asked.month_of(&code)?;
    let document = &asked.state().catalogue.document;
    let Some(known) = document.systems.iter().find(|known| known.code == *system) else {
        return Err(
            Error::NotFound(format!("there is no system {}", kpi::fault::quoted(&system))).into()
        );
    };
    let name = language.name(&known.name).to_owned();
    let measures = measures(asked.state(), &system);
    let query = SeriesQuery {
        limit: measures.len().max(1),
        measures,
        units: UnitSelector::Units(vec![code.clone()]),
        when: PeriodSelector::Span(
            Period::containing(Step::Month, month.plus(1 - MONTHS)),
            Period::containing(Step::Month, month),
        ),
        of_today: false,
        offset: 0,
        fields: RequestedFields::of_point(),
    };
    let snapshot = asked.snapshot.clone();
    let series = context.compute(move || snapshot.series(&query)).await?.series;
    let rows: Vec<&SeriesView> = series
        .iter()
        .filter(|row| {
            // A split that the unit has not reported for a year is left out; a total never is.
            !row.measure.contains('{') || row.points.iter().any(|point| point.value.is_some())
        })
        .collect();
    let (first, last) = (month.plus(1 - MONTHS).to_string(), month.to_string());
    let query = [("unit", code.as_str()), ("from", first.as_str()), ("to", last.as_str())];
    let listed = rows.iter().take(MAX_IN_ADDRESS).map(|row| ("measure", row.measure.as_str()));
    let files = PageFiles::of_table("series", query.into_iter().chain(listed), language);
    let view = SystemPage { asked: &asked, code: &code, month };
    let body = html! {
        (roots(&asked, &code))
        (unit_path(&asked, &code))
        div.title {
            h1 { (name) }
            (month_choice(&asked, month, &[("unit", &code)]))
            (files.buttons(&asked, &code, month, &html! {}))
        }
        p.hint {
            (unit_name(asked.state(), &code, language)) ". "
            a
                href=(address(
                    "/overview", [("unit", code.as_str()), ("period", &month.to_string())]
                ))
                {
                (language.say("Về tổng quan", "Back to the overview"))
            }
        }
        section.card.block {
            div.scroll tabindex="0" { (view.table(&rows)) }
        }
        (view.below(&system))
    };
    let page = WebPage {
        title: format!("{name}, {}", language.month(month)),
        section: PageSection::Overview,
        body,
        sources: files.sources(),
    };
    Ok(shown(&request, &asked, &page))
}

/// The measures of a system: each indicator and kpi, followed by those of its splits that have ever
/// been recorded.
fn measures(state: &State, system: &str) -> Vec<Measure> {
    let mut found = Vec::new();
    for whole in measures_of_system(state, system) {
        let mut splits: Vec<Measure> = state
            .measures
            .iter()
            .map(|(_, measure)| measure)
            .filter(|measure| measure.code == whole.code && !measure.members.is_empty())
            .filter(|measure| state.catalogue.measure_faults(measure).is_empty())
            .cloned()
            .collect();
        splits.sort_by_key(|measure| crate::app::templates::order(&state.catalogue, measure));
        found.push(whole);
        found.extend(splits);
    }
    found.truncate(MAX_ROWS);
    found
}

struct SystemPage<'a> {
    asked: &'a PageRequest,
    code: &'a str,
    month: Month,
}

impl SystemPage<'_> {
    fn table(&self, rows: &[&SeriesView]) -> Markup {
        let language = self.asked.language;
        html! {
            div.scroll tabindex="0" {
                table.figures {
                    thead {
                        tr {
                            th scope="col" { (language.say("Chỉ tiêu", "Measure")) }
                            th.number scope="col" { (language.month(self.month)) }
                            th.number scope="col" {
                                (language.say("So với tháng trước", "Since the month before"))
                            }
                            th.number scope="col" {
                                (language.say("So với cùng kỳ", "Since a year before"))
                            }
                            th scope="col" { (language.say("13 tháng", "13 months")) }
                        }
                    }
                    tbody { @for row in rows { (self.row(row)) } }
                }
            }
        }
    }

    fn row(&self, row: &SeriesView) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let Ok(measure) = Measure::parse(&row.measure) else { return html! {} };
        let Some(point) = row.points.last() else { return html! {} };
        let is_kpi = state.catalogue.kpi(&measure.code).is_some();
        let direction = state.catalogue.direction(&measure.code);
        let target = state
            .units
            .position(self.code)
            .and_then(|unit| state.targets.in_force(&state.units, &measure, unit, self.month))
            .map(|target| target.value);
        let value = point.value.map(Rounded::get);
        let (_, status) = evaluate_target(direction, value, target.map(Decimal64::to_f64));
        let past: Vec<Option<f64>> =
            row.points.iter().map(|point| point.value.map(Rounded::get)).collect();
        let change = |delta, reason, percent| {
            ShownChange { delta, reason, percent, unit_of_measure: &row.unit_of_measure, direction }
                .markup(language)
        };
        html! {
            tr class={ "depth" (measure.members.len().min(3)) } {
                th scope="row" {
                    a href=(history_link(&row.measure, self.code, self.month)) {
                        (self.label(&measure))
                    }
                    @if is_kpi { span.hint { (language.say(" (tự tính)", " (computed)")) } }
                }
                td.number {
                    (self.value(point, &row.unit_of_measure))
                    " "
                    (status_badge(language, status, covered_units(
                        self.asked, &row.measure, self.code, self.month, point.coverage,
                    )))
                }
                td.number { (change(point.delta, point.delta_reason, point.delta_percent)) }
                td.number {
                    (change(point.year_delta, point.year_delta_reason, point.year_delta_percent))
                }
                td { (spark(&past, target.map(Decimal64::to_f64))) }
            }
        }
    }

    /// The figures that units below have recorded for the month.
    fn below(&self, system: &str) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let Some(unit) = state.units.position(self.code) else { return html! {} };
        let mut rows = Vec::new();
        for measure in measures(state, system) {
            let Some(id) = state.measures.id(&measure) else { continue };
            let decimals = state.catalogue.indicator(&measure.code).map_or(0, |one| one.decimals);
            for below in state.units.subtree(unit).iter().skip(1) {
                if let Some(mantissa) = state.view().figure(id, below, self.month) {
                    rows.push((measure.clone(), below, Decimal64 { mantissa, scale: decimals }));
                }
            }
        }
        let left_out = rows.len().saturating_sub(MAX_BELOW);
        rows.truncate(MAX_BELOW);
        html! {
            @if !rows.is_empty() {
                details.card.block open[rows.len() <= OPEN_BELOW] {
                    summary {
                        (language.say(
                            "Số liệu của các đơn vị cấp dưới: ",
                            "Figures of units below: ",
                        ))
                        (rows.len() + left_out)
                    }
                    div.scroll tabindex="0" {
                        table.figures {
                            tbody {
                                @for (measure, below, number) in &rows {
                                    @let code = state.units.code(*below);
                                    tr {
                                        th scope="row" {
                                            a
                                                href=(history_link(
                                                    &measure.to_string(), code, self.month
                                                ))
                                                {
                                                (measure_name(state, measure, language))
                                            }
                                        }
                                        td { (unit_name(state, code, language)) }
                                        td.number {
                                            (language.decimal(*number))
                                            (self.unit_of_measure(measure))
                                        }
                                    }
                                }
                            }
                        }
                    }
                    @if left_out > 0 { p.hint { "+" (left_out) } }
                }
            }
        }
    }

    /// What follows a number of a measure.
    fn unit_of_measure(&self, measure: &Measure) -> String {
        let state = self.asked.state();
        self.asked.language.measured(state.catalogue.unit_of_measure(&measure.code))
    }

    /// The name of a measure; of a split the names of its members alone.
    fn label(&self, measure: &Measure) -> String {
        let (language, state) = (self.asked.language, self.asked.state());
        let whole = state.catalogue.label(measure);
        let name = language.name(&whole);
        if measure.members.is_empty() {
            return name.to_owned();
        }
        let of_indicator = state.catalogue.name(&measure.code);
        let stem = of_indicator.map(|stem| language.name(stem)).unwrap_or_default();
        sentence(name.strip_prefix(stem).unwrap_or(name).trim_start_matches(": "))
    }

    fn value(&self, point: &PointView, unit_of_measure: &str) -> Markup {
        let language = self.asked.language;
        html! {
            @if let Some(value) = point.value {
                strong { (language.quantity(value.get(), unit_of_measure)) }
                @if point.coverage.is_some_and(|coverage| coverage < 1.0) {
                    span.hint {
                        " "
                        (language.quantity(point.coverage.unwrap_or_default() * 100.0, "percent"))
                        (language.say(" đơn vị", " of the units"))
                    }
                }
            } @else {
                span.reason { (language.value_reason(point.value_reason)) }
            }
            @if let Some(stated) = point.stated {
                span.hint {
                    " " (language.say("báo cáo nêu ", "stated "))
                    (language.decimal(stated)) (language.measured(unit_of_measure))
                }
            }
        }
    }
}
