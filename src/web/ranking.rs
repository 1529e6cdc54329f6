//! The ranking: the units below a unit by one measure.

use actix_web::HttpRequest;
use actix_web::web::Data;
use maud::{Markup, html};

use super::layout::{PageSection, WebPage, shown};
use super::parts::{
    PageFiles, ShownChange, covered_units, go, history_link, measure_name, month_choice,
    status_badge, status_class, unit_name, unit_path,
};
use super::request::PageRequest;
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::read::fields::RequestedFields;
use crate::app::read::ranking::{RankingQuery, RankingRow, RankingView};
use crate::app::read::series::{PeriodSelector, SeriesQuery, SeriesView, UnitSelector};
use crate::app::state::State;
use crate::render::svg::{ChartLine, LineChart, bar, spark};
use kpi::catalogue::Direction;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Rounded};
use kpi::period::{Month, Period, Step};
use kpi::unit::UnitPosition;

/// Months of the trends.
const MONTHS: i32 = 13;
/// Most units of the chart with all lines.
const MAX_LINES: usize = 200;

/// The ranking.
///
/// # Errors
/// 404 for an unknown unit, 422 for a measure that the catalogue does not have.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let (language, state) = (asked.language, asked.state());
    let unit = with_units_below(&asked)?;
    let code = state.units.code(unit).to_owned();
    let month = asked.month_of(&code)?;
    let named = asked.measures("measure")?.into_iter().next();
    let measure = named.or_else(|| ranked_measure(state, &code, month)).ok_or_else(no_measure)?;
    let of_today = asked.is("geography", "current");
    let period = Period::containing(Step::Month, month);
    let query = RankingQuery {
        measure: measure.clone(),
        parent: Some(code.clone()),
        period,
        of_today,
        fields: RankingQuery::fields(),
    };
    let trends = SeriesQuery {
        measures: vec![measure.clone()],
        units: UnitSelector::ChildrenOf(code.clone()),
        when: PeriodSelector::Span(period.back(MONTHS - 1), period),
        of_today,
        offset: 0,
        limit: usize::MAX,
        fields: RequestedFields::of_point(),
    };
    let snapshot = asked.snapshot.clone();
    let (ranking, trends) = context
        .compute(move || {
            Ok::<_, crate::error::Error>((
                snapshot.ranking(&query)?,
                snapshot.series(&trends)?.series,
            ))
        })
        .await?;
    let name = measure_name(state, &measure, language);
    let view = RankingPage { asked: &asked, ranking: &ranking, trends: &trends, month };
    let lit = asked.text("lit").unwrap_or_default();
    let kept = [
        ("unit", code.as_str()),
        ("measure", ranking.measure.as_str()),
        ("geography", asked.text("geography").unwrap_or_default()),
        ("lit", lit),
    ];
    let files = view.files(&code);
    let body = html! {
        (unit_path(&asked, &code))
        div.title {
            h1 { (language.say("Xếp hạng: ", "Ranking: ")) (name) }
            (month_choice(&asked, month, &kept))
            (view.measures(&measure, &code))
            div.actions {
                a.button href=(asked.link(&[("geography", if of_today { "" } else { "current" })]))
                    aria-current=[of_today.then_some("true")] {
                    (language.say("Theo đơn vị ngày nay", "By the units of today"))
                }
            }
            (files.buttons(&asked, &code, month, &html! {}))
        }
        p.hint {
            (unit_name(state, &code, language)) ", " (language.month(month)) ", "
            (language.direction(ranking.direction)) "."
        }
        section.card.block { div.scroll tabindex="0" { (view.table()) } }
        (view.lines(lit))
    };
    let page = WebPage {
        title: format!("{name}, {}", language.month(month)),
        section: PageSection::Ranking,
        body,
        sources: files.sources(),
    };
    Ok(shown(&request, &asked, &page))
}

/// The unit of the page; of a unit with nothing below it the one above.
fn with_units_below(asked: &PageRequest) -> Result<UnitPosition, Problem> {
    let unit = asked.unit()?;
    let units = &asked.state().units;
    let has_below = units.children(unit).next().is_some();
    Ok(if has_below { unit } else { units.ancestors(unit).next().unwrap_or(unit) })
}

fn no_measure() -> Problem {
    crate::error::Error::NotFound("the catalogue has no measures".to_owned()).into()
}

/// The kpi that a ranking begins with: with a direction, a target and figures; otherwise with
/// figures; otherwise the first one.
#[must_use]
pub fn ranked_measure(state: &State, code: &str, month: Month) -> Option<Measure> {
    let unit = state.units.position(code)?;
    let whole = |code: &str| Measure { code: code.to_owned(), members: Members::none() };
    let has_figures = |measure: &Measure| {
        let program = kpi::program::Program::of_measure(&state.catalogue, &state.view(), measure);
        let period = Period::containing(Step::Month, month);
        program.is_some_and(|program| {
            kpi::change::MeasureSeries::new(state.source(), &program, unit, period, period)
                .value(period)
                .is_some()
        })
    };
    let has_target = |measure: &Measure| {
        state
            .units
            .children(unit)
            .chain([unit])
            .any(|unit| state.targets.in_force(&state.units, measure, unit, month).is_some())
    };
    let kpis: Vec<Measure> = state
        .catalogue
        .kpis
        .iter()
        .filter(|kpi| kpi.direction != Direction::Neutral)
        .map(|kpi| whole(&kpi.code))
        .collect();
    let with_figures: Vec<&Measure> = kpis.iter().filter(|measure| has_figures(measure)).collect();
    let best = with_figures.iter().find(|measure| has_target(measure)).copied();
    let headline = || {
        let mut all = state.catalogue.document.indicators.iter();
        all.find(|indicator| indicator.headline).map(|indicator| whole(&indicator.code))
    };
    best.or(with_figures.first().copied()).or(kpis.first()).cloned().or_else(headline)
}

struct RankingPage<'a> {
    asked: &'a PageRequest,
    ranking: &'a RankingView,
    trends: &'a [SeriesView],
    month: Month,
}

impl RankingPage<'_> {
    fn files(&self, parent: &str) -> PageFiles {
        let geography = self.asked.text("geography").map(|geography| ("geography", geography));
        let query = [
            ("measure", self.ranking.measure.as_str()),
            ("parent", parent),
            ("period", &self.ranking.period),
        ];
        let query = query.into_iter().chain(geography);
        PageFiles::of_table("ranking", query, self.asked.language)
    }

    /// The choice of the measure: kpis and headline indicators.
    fn measures(&self, chosen: &Measure, unit: &str) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let whole = |code: &String| Measure { code: code.clone(), members: Members::none() };
        let document = &state.catalogue.document;
        let kpis = document.kpis.iter().map(|kpi| whole(&kpi.code));
        let headlines = document.indicators.iter().filter(|indicator| indicator.headline);
        let mut offered: Vec<Measure> =
            kpis.chain(headlines.map(|indicator| whole(&indicator.code))).collect();
        if !offered.contains(chosen) {
            offered.push(chosen.clone());
        }
        html! {
            form.choice method="get" action="/ranking" {
                input type="hidden" name="unit" value=(unit);
                input type="hidden" name="period" value=(self.month);
                select name="measure" data-submit aria-label=(language.say("Chỉ số", "Measure")) {
                    @for measure in &offered {
                        option value=(measure) selected[measure == chosen] {
                            (measure_name(state, measure, language))
                        }
                    }
                }
                (go(language))
            }
        }
    }

    fn table(&self) -> Markup {
        let language = self.asked.language;
        let values = self.ranking.rows.iter().filter_map(|row| row.point.value.map(Rounded::get));
        let targets = self.ranking.rows.iter().filter_map(|row| row.target.map(Decimal64::to_f64));
        let high = values.chain(targets).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        html! {
            div.scroll tabindex="0" {
                table.figures {
                    thead {
                        tr {
                            th.number scope="col" { (language.say("Hạng", "Rank")) }
                            th scope="col" { (language.say("Đơn vị", "Unit")) }
                            th.number scope="col" { (language.say("Giá trị", "Value")) }
                            th.bars scope="col" { span.unseen { (language.say("Biểu đồ", "Bar")) } }
                            th.number scope="col" {
                                (language.say("So với tháng trước", "Since the month before"))
                            }
                            th scope="col" { (language.say("13 tháng", "13 months")) }
                        }
                    }
                    tbody { @for row in &self.ranking.rows { (self.row(row, high)) } }
                }
            }
        }
    }

    fn row(&self, row: &RankingRow, high: f64) -> Markup {
        let (language, ranking) = (self.asked.language, self.ranking);
        let target = row.target.map(Decimal64::to_f64);
        let change = ShownChange {
            delta: row.point.delta,
            reason: row.point.delta_reason,
            percent: None,
            unit_of_measure: &ranking.unit_of_measure,
            direction: ranking.direction,
        };
        html! {
            tr {
                td.number {
                    @if let Some(rank) = row.rank {
                        strong { (rank) }
                        @if let Some(before) = row.previous_rank.filter(|before| *before != rank) {
                            span.hint {
                                " (" (language.say("trước: ", "was ")) (before) ")"
                            }
                        }
                    } @else { "–" }
                }
                th scope="row" {
                    a href=(history_link(&ranking.measure, &row.unit, self.month)) {
                        (unit_name(self.asked.state(), &row.unit, language))
                    }
                }
                @if let Some(value) = row.point.value.map(Rounded::get) {
                    td.number {
                        strong { (language.quantity(value, &ranking.unit_of_measure)) }
                        " "
                        (status_badge(language, row.status, covered_units(
                            self.asked,
                            &ranking.measure,
                            &row.unit,
                            self.month,
                            row.point.coverage,
                        )))
                    }
                    td.bars { (bar(value, high, target, row.status.map_or("", status_class))) }
                } @else {
                    td.number colspan="2" {
                        span.reason { (language.value_reason(row.point.value_reason)) }
                    }
                }
                td.number { @if row.point.value.is_some() { (change.markup(language)) } }
                td { (spark(&self.history(&row.unit), target)) }
            }
        }
    }

    fn history(&self, unit: &str) -> Vec<Option<f64>> {
        let series = self.trends.iter().find(|series| series.unit == unit);
        let points = series.map(|series| series.points.as_slice()).unwrap_or_default();
        points.iter().map(|point| point.value.map(Rounded::get)).collect()
    }

    /// The lines of all units, with one lit up: the chosen one, otherwise the first.
    fn lines(&self, lit: &str) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let ranked = self.ranking.rows.iter().filter(|row| row.point.value.is_some());
        let units: Vec<&str> = ranked.map(|row| row.unit.as_str()).take(MAX_LINES).collect();
        let Some(first_unit) = units.first().copied() else { return html! {} };
        let lit = if units.contains(&lit) { lit } else { first_unit };
        let unit_of_measure = self.ranking.unit_of_measure.as_str();
        let text = |value: Option<f64>| {
            value.map_or_else(String::new, |value| language.quantity(value, unit_of_measure))
        };
        let line = |unit: &&str| {
            let values = self.history(unit);
            ChartLine {
                name: unit_name(state, unit, language),
                texts: values.iter().map(|value| text(*value)).collect(),
                values,
            }
        };
        let first = self.month.plus(1 - MONTHS);
        let chart = LineChart {
            title: language.say("13 tháng của các đơn vị", "13 months of the units").to_owned(),
            lines: units.iter().map(line).collect(),
            places: (0..MONTHS).map(|n| language.short_month(first.plus(n))).collect(),
            lit: units.iter().position(|unit| *unit == lit),
            ..LineChart::default()
        };
        html! {
            section.card.block #lines {
                h2 { (language.say("13 tháng của các đơn vị", "13 months of the units")) }
                form.choice method="get" action="/ranking#lines" {
                    @for (name, value) in [
                        ("unit", self.asked.text("unit").unwrap_or_default()),
                        ("measure", self.ranking.measure.as_str()),
                        ("period", self.ranking.period.as_str()),
                        ("geography", self.asked.text("geography").unwrap_or_default()),
                    ] {
                        @if !value.is_empty() {
                            input type="hidden" name=(name) value=(value);
                        }
                    }
                    label {
                        (language.say("Làm nổi ", "Light up "))
                        select name="lit" data-submit {
                            @for unit in &units {
                                option value=(unit) selected[*unit == lit] {
                                    (unit_name(state, unit, language))
                                }
                            }
                        }
                    }
                    (go(language))
                }
                div { (chart.draw(&|value, decimals| language.rounded(value, decimals))) }
            }
        }
    }
}
