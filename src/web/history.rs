//! The history of a measure: its trend, its definition, and each revision of its figures.

use std::collections::BTreeMap;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::language::PageLanguage;
use super::layout::{PageSection, WebPage, shown};
use super::parts::{
    PageFiles, ShownChange, go, history_link, measure_name, named_measure, unit_name, unit_path,
};
use super::ranking::ranked_measure;
use super::request::PageRequest;
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::read::fields::RequestedFields;
use crate::app::read::observations::{FigureQuery, ObservationView};
use crate::app::read::series::{PeriodSelector, PointView, SeriesQuery, SeriesView, UnitSelector};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use crate::render::svg::{ChartLine, ChartMark, LineChart};
use kpi::catalogue::Direction;
use kpi::change::UnavailableReason;
use kpi::measure::Measure;
use kpi::number::{Rounded, Statement};
use kpi::period::{Month, Period, Step};

/// Most lines of a chart.
const MAX_LINES: usize = 8;
/// The spans that a person can choose, in months.
const SPANS: [i32; 5] = [13, 24, 36, 60, 120];
/// The span of a page that names none.
const SPAN: i32 = 36;
/// Most revisions of figures that are listed.
const MAX_REVISIONS: usize = 200;
/// Most reports in which the sentence of a figure is looked up.
const MAX_REPORTS: usize = 10;
/// Most units that are offered for a comparison.
const MAX_OFFERED: usize = 300;

/// What the page shows.
struct HistoryQuery {
    measures: Vec<Measure>,
    units: Vec<String>,
    from: Period,
    to: Period,
    of_today: bool,
    /// Whether the change since the year before is drawn instead of the value.
    is_yearly: bool,
    months: i32,
}

impl HistoryQuery {
    fn of(asked: &PageRequest) -> Result<Self, Problem> {
        let state = asked.state();
        let unit = asked.unit()?;
        let mut units: Vec<String> = asked.texts("unit").into_iter().map(str::to_owned).collect();
        units.extend(asked.texts("with").into_iter().map(str::to_owned));
        if units.is_empty() {
            units.push(state.units.code(unit).to_owned());
        }
        for code in &units {
            state.find_unit(code)?;
        }
        let to = match asked.month("to")?.or(asked.month("period")?) {
            Some(month) => month,
            None => asked.month_of(state.units.code(unit))?,
        };
        let mut measures = asked.measures("measure")?;
        if measures.is_empty() {
            let first = ranked_measure(state, state.units.code(unit), to);
            measures.extend(first);
        }
        if measures.is_empty() || measures.len() * units.len() > MAX_LINES {
            let detail = format!("name at least one measure, and at most {MAX_LINES} lines");
            return Err(Problem::parameter("measure", "too_many", detail));
        }
        let months = asked.text("months").and_then(|text| text.parse().ok()).unwrap_or(SPAN);
        let months: i32 = if (2..=600).contains(&months) { months } else { SPAN };
        let named = |step: &Step| asked.is("step", step.name());
        let step = Step::ALL.into_iter().find(named).unwrap_or(Step::Month);
        let last = Period::containing(step, to);
        let steps = step_months(step);
        Ok(Self {
            measures,
            units,
            from: last.back((months / steps).max(2) - 1),
            to: last,
            of_today: asked.is("geography", "current"),
            is_yearly: asked.is("show", "year"),
            months,
        })
    }

    /// The last month of each place of the chart.
    fn months_shown(&self) -> Vec<String> {
        let back = std::iter::successors(Some(self.to), |period| Some(period.back(1)));
        let mut months: Vec<String> = back
            .take_while(|period| period.last() >= self.from.last())
            .map(|period| period.last().to_string())
            .collect();
        months.reverse();
        months
    }

    fn series(&self) -> SeriesQuery {
        SeriesQuery {
            measures: self.measures.clone(),
            units: UnitSelector::Units(self.units.clone()),
            when: PeriodSelector::Span(self.from, self.to),
            of_today: self.of_today,
            offset: 0,
            limit: MAX_LINES,
            fields: RequestedFields::of_point(),
        }
    }

    /// The same question for programs.
    fn files(&self, language: PageLanguage) -> PageFiles {
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let measures: Vec<String> = self.measures.iter().map(ToString::to_string).collect();
        let mut query: Vec<(&str, &str)> =
            measures.iter().map(|one| ("measure", one.as_str())).collect();
        query.extend(self.units.iter().map(|unit| ("unit", unit.as_str())));
        query.extend([
            ("from", from.as_str()),
            ("to", to.as_str()),
            ("step", self.to.step().name()),
        ]);
        if self.of_today {
            query.push(("geography", "current"));
        }
        PageFiles::of_table("series", query, language)
    }
}

/// A figure of the ledger with what it replaced.
struct FigureRevision {
    figure: ObservationView,
    before: Option<Statement>,
    /// The sentence of the report that it was read from.
    sentence: Option<String>,
}

/// The page.
///
/// # Errors
/// 404 for an unknown unit, 422 for an unknown measure, a malformed month, or too many lines.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let query = HistoryQuery::of(&asked)?;
    let (snapshot, of) = (asked.snapshot.clone(), query.series());
    let first = (query.measures.first().cloned(), query.units.first().cloned());
    let span = (query.from.first(), query.to.last());
    let (series, revisions) = context
        .compute(move || {
            let series = snapshot.series(&of)?.series;
            let revisions = match first {
                (Some(measure), Some(unit)) => revisions(&snapshot, &measure, &unit, span)?,
                _ => Vec::new(),
            };
            Ok::<_, Error>((series, revisions))
        })
        .await?;
    let view = HistoryPage { asked: &asked, query: &query, series: &series };
    Ok(shown(&request, &asked, &view.page(&revisions)))
}

/// The chart alone, as a picture to embed.
///
/// # Errors
/// As for [`get`].
pub async fn picture(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let query = HistoryQuery::of(&asked)?;
    let (snapshot, of) = (asked.snapshot.clone(), query.series());
    let series = context.compute(move || snapshot.series(&of)).await?.series;
    let view = HistoryPage { asked: &asked, query: &query, series: &series };
    let drawn = view.chart().into_string();
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "image/svg+xml")).body(drawn))
}

/// The revisions of the figures of a measure, the newest first.
fn revisions(
    snapshot: &Snapshot,
    measure: &Measure,
    unit: &str,
    (from, to): (Month, Month),
) -> Result<Vec<FigureRevision>, Error> {
    let page = snapshot.figures(&FigureQuery {
        measure: Some(measure.clone()),
        unit: Some(unit.to_owned()),
        from: Some(from),
        to: Some(to),
        history: true,
        limit: 10 * MAX_REVISIONS,
        ..FigureQuery::default()
    })?;
    let mut standing: BTreeMap<String, Option<Statement>> = BTreeMap::new();
    let mut found: Vec<FigureRevision> = Vec::new();
    for figure in page.observations {
        if figure.dimensions != measure.members {
            continue;
        }
        let before = standing.insert(figure.period.clone(), figure.value).flatten();
        found.push(FigureRevision { figure, before, sentence: None });
    }
    found.reverse();
    found.truncate(MAX_REVISIONS);
    let mut reports = BTreeMap::new();
    let name = measure.to_string();
    for one in &mut found {
        let id = &one.figure.submission;
        if !reports.contains_key(id) {
            if reports.len() >= MAX_REPORTS {
                continue;
            }
            reports.insert(id.clone(), snapshot.report(id).ok());
        }
        let report = reports.get(id).and_then(Option::as_ref);
        one.sentence = report
            .and_then(|report| report.figures.iter().find(|figure| figure.measure == name))
            .map(|figure| figure.sentence.clone());
    }
    Ok(found)
}

/// A chart for each series of a unit, with a link to its history.
#[must_use]
pub fn trends(
    asked: &PageRequest,
    unit: &str,
    (from, to): (Period, Period),
    series: &[SeriesView],
) -> Markup {
    let charts = series.iter().filter_map(|one| {
        let query = HistoryQuery {
            measures: vec![Measure::parse(&one.measure).ok()?],
            units: vec![unit.to_owned()],
            from,
            to,
            of_today: false,
            is_yearly: false,
            months: to.last().since(from.first()) + 1,
        };
        let page = HistoryPage { asked, query: &query, series: std::slice::from_ref(one) };
        Some((&one.measure, page.chart()))
    });
    html! {
        div.trends {
            @for (measure, chart) in charts {
                figure {
                    figcaption {
                        a href=(history_link(measure, unit, to.last())) {
                            (named_measure(asked.state(), measure, asked.language))
                        }
                    }
                    div { (chart) }
                }
            }
        }
    }
}

struct HistoryPage<'a> {
    asked: &'a PageRequest,
    query: &'a HistoryQuery,
    series: &'a [SeriesView],
}

impl HistoryPage<'_> {
    fn page(&self, revisions: &[FigureRevision]) -> WebPage {
        let (language, state) = (self.asked.language, self.asked.state());
        let names: Vec<String> = self
            .query
            .measures
            .iter()
            .map(|measure| measure_name(state, measure, language))
            .collect();
        let title = names.join(", ");
        let picture = self.asked.link(&[]).replacen("/history", "/history.svg", 1);
        let files = self.query.files(language);
        let unit = self.query.units.first().map_or("", String::as_str);
        let pictures = html! {
            a.button href=(picture) { "SVG" }
            button.button type="button" data-png hidden { "PNG" }
        };
        let body = html! {
            (unit_path(self.asked, unit))
            div.title {
                h1 { (title) }
                (files.buttons(self.asked, unit, self.query.to.last(), &pictures))
            }
            (self.choices())
            section.card.block {
                (self.legend())
                div data-chart data-step=(step_months(self.query.to.step()))
                    data-zoom=(self.query.months_shown().join(" ")) { (self.chart()) }
                p.hint.scripts {
                    (language.say(
                        "Rê chuột hoặc dùng mũi tên để xem số của từng kỳ; kéo ngang (Shift + mũi \
                         tên, Enter) để phóng to một khoảng.",
                        "Point or use the arrow keys to see the values of a period; drag across \
                         (Shift + arrows, Enter) to zoom in.",
                    ))
                }
            }
            (self.table())
            (self.definition())
            (self.revisions(revisions))
        };
        WebPage {
            title: format!("{title} – {}", self.units().join(", ")),
            section: PageSection::History,
            body,
            sources: files.sources().into_iter().chain([("SVG", picture)]).collect(),
        }
    }

    fn units(&self) -> Vec<String> {
        let (language, state) = (self.asked.language, self.asked.state());
        self.query.units.iter().map(|unit| unit_name(state, unit, language)).collect()
    }

    /// The choices: measure, span, step, comparison.
    fn choices(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let first = self.query.units.first().map_or("", String::as_str);
        let position = state.units.position(first);
        let parent = position.and_then(|unit| state.units.ancestors(unit).next());
        let beside: Vec<&str> = match parent {
            Some(parent) => {
                state.units.children(parent).map(|unit| state.units.code(unit)).collect()
            }
            None => state.units.roots().map(|unit| state.units.code(unit)).collect(),
        };
        let offered = beside
            .into_iter()
            .filter(|code| !self.query.units.iter().any(|known| known == code))
            .take(MAX_OFFERED);
        let step = self.query.to.step();
        // A span that was chosen in the chart is offered, too.
        let mut spans = SPANS.to_vec();
        if !spans.contains(&self.query.months) {
            spans.push(self.query.months);
            spans.sort_unstable();
        }
        html! {
            form.choice.wide method="get" action="/history" {
                @for unit in &self.query.units { input type="hidden" name="unit" value=(unit); }
                input type="hidden" name="to" value=(self.query.to.last());
                label {
                    (language.say("Chỉ tiêu ", "Measure "))
                    select name="measure" data-submit { (self.measures()) }
                }
                label {
                    (language.say("Khoảng ", "Span "))
                    select name="months" data-submit {
                        @for months in spans {
                            option value=(months) selected[months == self.query.months] {
                                (months) (language.say(" tháng", " months"))
                            }
                        }
                    }
                }
                label {
                    (language.say("Bước ", "Step "))
                    select name="step" data-submit {
                        @for (one, name) in steps(language) {
                            option value=(one.name()) selected[one == step] { (name) }
                        }
                    }
                }
                label {
                    (language.say("Hiển thị ", "Show "))
                    select name="show" data-submit {
                        option value="" { (language.say("giá trị", "values")) }
                        option value="year" selected[self.query.is_yearly] {
                            (language.say("% so với cùng kỳ", "% since a year before"))
                        }
                    }
                }
                label {
                    (language.say("So sánh với ", "Compare with "))
                    select name="with" data-submit {
                        option value="" { "–" }
                        @for code in offered {
                            option value=(code) { (unit_name(state, code, language)) }
                        }
                    }
                }
                label {
                    input type="checkbox" name="geography" value="current" data-submit
                        checked[self.query.of_today];
                    (language.say(" theo đơn vị ngày nay", " by the units of today"))
                }
                (go(language))
            }
            @if self.query.units.len() > 1 {
                p.hint {
                    (self.units().join(", ")) ". "
                    a href=(self.asked.link(&[("unit", first), ("with", "")])) {
                        (language.say("Bỏ so sánh", "Without comparison"))
                    }
                }
            }
        }
    }

    /// The measures that can be chosen, by system.
    fn measures(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let document = &state.catalogue.document;
        let chosen = self.query.measures.first();
        let is_listed =
            |code: &str| chosen.is_some_and(|one| one.members.is_empty() && one.code == code);
        let option = |code: &String, name: &kpi::unit::LocalizedName| {
            html! { option value=(code) selected[is_listed(code)] { (language.name(name)) } }
        };
        html! {
            @if let Some(chosen) = chosen.filter(|one| !one.members.is_empty()) {
                option value=(chosen) selected { (measure_name(state, chosen, language)) }
            }
            @for system in &document.systems {
                optgroup label=(language.name(&system.name)) {
                    @for one in document.indicators.iter()
                        .filter(|one| one.system.as_ref() == Some(&system.code))
                    {
                        (option(&one.code, &one.name))
                    }
                    @for one in document.kpis.iter()
                        .filter(|one| one.system.as_ref() == Some(&system.code))
                    {
                        (option(&one.code, &one.name))
                    }
                }
            }
            optgroup label=(language.say("Khác", "Others")) {
                @for one in document.indicators.iter().filter(|one| one.system.is_none()) {
                    (option(&one.code, &one.name))
                }
                @for one in document.kpis.iter().filter(|one| one.system.is_none()) {
                    (option(&one.code, &one.name))
                }
            }
        }
    }

    fn line_name(&self, series: &SeriesView) -> String {
        let (language, state) = (self.asked.language, self.asked.state());
        let measure = super::parts::named_measure(state, &series.measure, language);
        let unit = unit_name(state, &series.unit, language);
        match (self.query.measures.len(), self.query.units.len()) {
            (1, _) => unit,
            (_, 1) => measure,
            _ => format!("{measure}, {unit}"),
        }
    }

    fn unit_of_measure<'s>(&self, series: &'s SeriesView) -> &'s str {
        if self.query.is_yearly { "percent" } else { &series.unit_of_measure }
    }

    fn drawn(&self, point: &PointView) -> Option<f64> {
        if self.query.is_yearly { point.year_delta_percent } else { point.value }.map(Rounded::get)
    }

    fn chart(&self) -> Markup {
        let language = self.asked.language;
        let lines = self.series.iter().map(|series| ChartLine {
            name: self.line_name(series),
            values: series.points.iter().map(|point| self.drawn(point)).collect(),
            texts: series
                .points
                .iter()
                .map(|point| {
                    self.drawn(point).map_or_else(String::new, |value| {
                        language.quantity(value, self.unit_of_measure(series))
                    })
                })
                .collect(),
        });
        let first = self.series.first();
        let chart = LineChart {
            title: self.units().join(", "),
            lines: lines.collect(),
            places: first
                .into_iter()
                .flat_map(|series| &series.points)
                .map(|point| short(language, point.period))
                .collect(),
            target: self.target(),
            marks: first.map(|series| self.marks(series)).unwrap_or_default(),
            lit: None,
        };
        chart.draw(&|value, decimals| language.rounded(value, decimals))
    }

    fn target(&self) -> Option<(f64, String)> {
        let (language, state) = (self.asked.language, self.asked.state());
        let (measure, unit) = (self.query.measures.first()?, self.query.units.first()?);
        let unit = state.units.position(unit)?;
        let target = state.targets.in_force(&state.units, measure, unit, self.query.to.last())?;
        let value = target.value.to_f64();
        let unit_of_measure = state.catalogue.unit_of_measure(&measure.code);
        let text = format!(
            "{} {}",
            language.say("mục tiêu", "target"),
            language.quantity(value, unit_of_measure)
        );
        (self.query.measures.len() == 1 && !self.query.is_yearly).then_some((value, text))
    }

    /// Breaks, mergers and notes.
    fn marks(&self, series: &SeriesView) -> Vec<ChartMark> {
        let language = self.asked.language;
        let mut marks = Vec::new();
        for (at, point) in series.points.iter().enumerate() {
            if point.delta_reason == Some(UnavailableReason::DefinitionChanged) {
                let text = language.change_reason(UnavailableReason::DefinitionChanged).to_owned();
                marks.push(ChartMark { at, text, is_break: true });
            }
            let notes = point.annotations.iter();
            marks.extend(notes.map(|note| ChartMark { at, text: note.clone(), is_break: false }));
        }
        marks
    }

    fn legend(&self) -> Markup {
        html! {
            @if self.series.len() > 1 {
                ul.legend {
                    @for (n, series) in self.series.iter().enumerate() {
                        li {
                            svg.key viewBox="0 0 20 8" aria-hidden="true" {
                                rect width="20" height="8" rx="2" fill=(LineChart::colour(n)) {}
                            }
                            (self.line_name(series))
                        }
                    }
                }
            }
        }
    }

    /// The values of the first line, the newest first.
    fn table(&self) -> Markup {
        let language = self.asked.language;
        let Some(series) = self.series.first() else { return html! {} };
        let direction = Measure::parse(&series.measure)
            .map_or(Direction::Neutral, |one| self.asked.state().catalogue.direction(&one.code));
        let change = |delta, reason, percent| {
            ShownChange {
                delta,
                reason,
                percent,
                unit_of_measure: &series.unit_of_measure,
                direction,
            }
            .markup(language)
        };
        html! {
            section.card.block {
                h2 { (self.line_name(series)) }
                div.scroll tabindex="0" {
                    table.figures {
                        thead {
                            tr {
                                th scope="col" { (language.say("Kỳ", "Period")) }
                                th.number scope="col" { (language.say("Giá trị", "Value")) }
                                th.number scope="col" {
                                    (language.say("So với kỳ trước", "Since the period before"))
                                }
                                th.number scope="col" {
                                    (language.say("So với cùng kỳ", "Since a year before"))
                                }
                                th.number scope="col" {
                                    (language.say("Lũy kế năm", "Year to date"))
                                }
                                th scope="col" { (language.say("Ghi chú", "Notes")) }
                            }
                        }
                        tbody {
                            @for point in series.points.iter().rev() {
                                tr {
                                    th.period scope="row" { (language.period(point.period)) }
                                    td.number { (self.value(series, point)) }
                                    td.number {
                                        (change(
                                            point.delta,
                                            point.delta_reason,
                                            point.delta_percent,
                                        ))
                                    }
                                    td.number {
                                        (change(
                                            point.year_delta,
                                            point.year_delta_reason,
                                            point.year_delta_percent,
                                        ))
                                    }
                                    td.number {
                                        @if let Some(sum) = point.year_to_date {
                                            (language.quantity(sum.get(), &series.unit_of_measure))
                                        } @else { span.reason { "–" } }
                                    }
                                    td { (point.annotations.join("; ")) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn value(&self, series: &SeriesView, point: &PointView) -> Markup {
        let language = self.asked.language;
        html! {
            @if let Some(value) = point.value {
                (language.quantity(value.get(), &series.unit_of_measure))
                @if let Some(coverage) = point.coverage.filter(|coverage| *coverage < 1.0) {
                    span.hint {
                        " " (language.quantity(coverage * 100.0, "percent"))
                        (language.say(" đơn vị", " of the units"))
                    }
                }
            } @else {
                span.reason { (language.value_reason(point.value_reason)) }
            }
            @if let Some(stated) = point.stated {
                span.hint {
                    " " (language.say("báo cáo nêu ", "stated ")) (language.decimal(stated))
                }
            }
        }
    }

    /// What the measure means.
    fn definition(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            @for measure in &self.query.measures {
                section.card.block {
                    h2 { (language.say("Định nghĩa", "Definition")) }
                    (definition(state, measure, language))
                }
            }
        }
    }

    fn revisions(&self, revisions: &[FigureRevision]) -> Markup {
        let language = self.asked.language;
        html! {
            section.card.block #revisions {
                h2 { (language.say("Các lần ghi số liệu", "Revisions of the figures")) }
                @if revisions.is_empty() {
                    p.reason {
                        (language.say(
                            "Đơn vị không ghi riêng số này trong khoảng đã chọn: giá trị được \
                             tính từ số liệu khác.",
                            "The unit has recorded no figure of this measure in the span: its \
                             values are computed from other figures.",
                        ))
                    }
                } @else {
                    div.scroll tabindex="0" {
                        table.figures {
                            thead {
                                tr {
                                    th scope="col" { (language.say("Tháng", "Month")) }
                                    th.number scope="col" { (language.say("Trước", "Before")) }
                                    th.number scope="col" { (language.say("Sau", "After")) }
                                    th scope="col" { (language.say("Lúc", "When")) }
                                    th scope="col" { (language.say("Người gửi", "Sender")) }
                                    th scope="col" {
                                        (language.say("Lý do, nguồn", "Reason, source"))
                                    }
                                }
                            }
                            tbody { @for one in revisions { (self.revision(one)) } }
                        }
                    }
                }
            }
        }
    }

    fn revision(&self, one: &FigureRevision) -> Markup {
        let language = self.asked.language;
        let written = |value: Option<Statement>| {
            value.map_or_else(|| "–".to_owned(), |value| language.statement(value))
        };
        html! {
            tr {
                th scope="row" { (long(language, &one.figure.period)) }
                td.number { (written(one.before)) }
                td.number {
                    @if one.figure.value.is_none() { (language.say("rút lại", "withdrawn")) }
                    @else { (written(one.figure.value)) }
                }
                td {
                    a href=(format!("/receipts/{}", one.figure.submission)) {
                        (language.time(&one.figure.recorded_at, self.asked.zone()))
                    }
                }
                td { (one.figure.actor) }
                td {
                    (one.figure.reason.as_deref().unwrap_or_default())
                    @if let Some(sentence) = &one.sentence { q { (sentence) } }
                }
            }
        }
    }
}

/// Months between two periods of a step.
fn step_months(step: Step) -> i32 {
    if step == Step::NineMonths { 12 } else { step.months() }
}

/// The steps that a person can choose.
fn steps(language: PageLanguage) -> [(Step, &'static str); 5] {
    [
        (Step::Month, language.say("tháng", "months")),
        (Step::Quarter, language.say("quý", "quarters")),
        (Step::Half, language.say("6 tháng", "half-years")),
        (Step::NineMonths, language.say("9 tháng", "nine months")),
        (Step::Year, language.say("năm", "years")),
    ]
}

/// The definition of a measure: formula, kind, note, codes.
#[must_use]
pub fn definition(state: &State, measure: &Measure, language: PageLanguage) -> Markup {
    let document = &state.catalogue.document;
    let kpi = document.kpis.iter().find(|kpi| kpi.code == measure.code);
    let indicator = document.indicators.iter().find(|one| one.code == measure.code);
    let system = kpi.and_then(|kpi| kpi.system.as_ref());
    let system = system.or_else(|| indicator.and_then(|one| one.system.as_ref()));
    let system = system.and_then(|code| document.systems.iter().find(|one| one.code == *code));
    let note = kpi.and_then(|kpi| kpi.note.as_ref());
    let note = note.or_else(|| indicator.and_then(|one| one.note.as_ref()));
    html! {
        dl {
            @if let Some(system) = system {
                dt { (language.say("Hệ thống", "System")) } dd { (language.name(&system.name)) }
            }
            @if let Some(indicator) = indicator {
                dt { (language.say("Loại", "Kind")) }
                dd {
                    @match indicator.kind.as_str() {
                        "stock" =>
                        (language.say(
                            "số cuối tháng, không cộng dồn",
                            "level at the end of the month",
                        ))
                        ,
                        "average" =>
                        (language.say(
                            "số bình quân, không cộng dồn",
                            "average, does not add up",
                        ))
                        ,
                        _ =>
                        (language.say(
                            "phát sinh trong tháng, cộng dồn được",
                            "happened during the month, adds up",
                        ))
                        ,
                    }
                }
            }
            @if let Some(kpi) = kpi {
                dt { (language.say("Công thức", "Formula")) }
                dd { (formula(state, &kpi.code, &kpi.formula, language)) }
                dt { (language.say("Chiều tốt", "Direction")) }
                dd { (language.direction(state.catalogue.direction(&kpi.code))) }
            }
            @if let Some(note) = note {
                dt { (language.say("Ghi chú", "Note")) } dd { (language.name(note)) }
            }
        }
        details {
            summary { (language.say("Chi tiết", "Details")) }
            p { (language.say("Mã: ", "Code: ")) code { (measure) } }
            @if let Some(kpi) = kpi { p { code { (kpi.formula) } } }
        }
    }
}

/// A formula with the names of its operands.
fn formula(state: &State, code: &str, text: &str, language: PageLanguage) -> String {
    let Some(kpi) = state.catalogue.kpi(code) else { return text.to_owned() };
    let mut shown = text.to_owned();
    let references = kpi.formula.references();
    let mut codes: Vec<&str> = references.iter().map(|one| one.indicator.as_str()).collect();
    // A longer code first, because a shorter one may be its beginning.
    codes.sort_by_key(|code| std::cmp::Reverse(code.len()));
    codes.dedup();
    for code in codes {
        if let Some(name) = state.catalogue.name(code) {
            shown = shown.replace(code, &format!("“{}”", language.name(name)));
        }
    }
    shown.replace('/', "÷").replace('*', "×")
}

fn short(language: PageLanguage, period: Period) -> String {
    match period.step() {
        Step::Month => language.short_month(period.first()),
        Step::Quarter | Step::Half | Step::NineMonths | Step::Year | Step::Span(_) => {
            period.to_string()
        }
    }
}

fn long(language: PageLanguage, period: &str) -> String {
    period.parse::<Period>().map_or_else(|_| period.to_owned(), |period| language.period(period))
}
