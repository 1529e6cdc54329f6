//! The overview of a unit and month.

use actix_web::HttpRequest;
use actix_web::web::Data;
use maud::{Markup, html};

use super::history::trends;
use super::language::PageLanguage;
use super::layout::{PageSection, WebPage, see_other, shown};
use super::parts::{
    PageFiles, ShownChange, covered_units, go, history_link, month_choice, named_measure, notice,
    overview_link, roots, status_badge, status_class, unit_name, unit_path,
};
use super::request::{PageRequest, address};
use crate::api::{HandlerResult, ServiceContext};
use crate::app::read::completeness::ReportStatus;
use crate::app::read::fields::RequestedFields;
use crate::app::read::overview::{NotableMove, UnitOverview, UnitStanding};
use crate::app::read::scorecard::ScorecardRow;
use crate::app::read::series::{PeriodSelector, SeriesQuery, SeriesView, UnitSelector};
use crate::app::words::{find_name, name_of};
use crate::auth::role::Role;
use crate::error::Error;
use crate::render::svg::spark;
use kpi::measure::Measure;
use kpi::number::Rounded;
use kpi::period::{Month, Period, Step};

/// Months of the charts that a person can choose, and those of a page that names none.
const SPANS: [i32; 4] = [13, 24, 36, 60];
const SPAN: i32 = 24;
/// Most charts.
const MAX_TRENDS: usize = 4;

/// What the cards compare with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CardComparison {
    Month,
    Year,
    YearToDate,
}

impl CardComparison {
    fn of(asked: &PageRequest) -> Self {
        match asked.text("compare") {
            Some("year") => Self::Year,
            Some("year_to_date") => Self::YearToDate,
            _ => Self::Month,
        }
    }

    fn all(language: PageLanguage) -> [(Self, &'static str, &'static str); 3] {
        [
            (Self::Month, "", language.say("So với tháng trước", "Compared with the month before")),
            (
                Self::Year,
                "year",
                language.say("So với cùng kỳ năm trước", "Compared with the same month last year"),
            ),
            (
                Self::YearToDate,
                "year_to_date",
                language.say("Lũy kế so với cùng kỳ", "Year to date against last year's"),
            ),
        ]
    }
}

/// The first page: where a person begins depends on what she does here.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn first(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let place = match asked.identity.role {
        _ if asked.session.is_none() => "/overview",
        Role::Reader => "/overview",
        Role::Reporter => "/entry",
        Role::Steward | Role::Admin => "/reporting",
    };
    if place != "/overview" {
        return Ok(see_other(place));
    }
    overview(&request, &context, asked).await
}

/// The overview.
///
/// # Errors
/// 404 for an unknown unit, 422 for a malformed month.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    overview(&request, &context, asked).await
}

async fn overview(
    request: &HttpRequest,
    context: &Data<ServiceContext>,
    asked: PageRequest,
) -> HandlerResult {
    if asked.state().units.is_empty() {
        return Ok(shown(request, &asked, &empty(&asked)));
    }
    let code = asked.state().units.code(asked.unit()?).to_owned();
    let month = asked.month_of(&code)?;
    let (snapshot, of) = (asked.snapshot.clone(), code.clone());
    let span = asked.text("span").and_then(|text| text.parse().ok());
    let span = span.filter(|span| SPANS.contains(span)).unwrap_or(SPAN);
    let trends = (
        Period::containing(Step::Month, month.plus(1 - span)),
        Period::containing(Step::Month, month),
    );
    let (overview, series) = context
        .compute(move || {
            let overview = snapshot.overview(&of, month)?;
            let drawn = overview.rows.iter();
            let drawn = drawn.filter(|row| row.point.value.is_some() && row.target.is_some());
            let measures = drawn.take(MAX_TRENDS).map(|row| Measure::parse(&row.measure));
            let query = SeriesQuery {
                measures: measures.filter_map(Result::ok).collect(),
                units: UnitSelector::Units(vec![of]),
                when: PeriodSelector::Span(trends.0, trends.1),
                of_today: false,
                offset: 0,
                limit: MAX_TRENDS,
                fields: RequestedFields::of_point(),
            };
            let is_drawn = !query.measures.is_empty();
            let series = if is_drawn { snapshot.series(&query)?.series } else { Vec::new() };
            Ok::<_, Error>((overview, series))
        })
        .await?;
    let view = OverviewPage { asked: &asked, overview, code, month, span, trends, series };
    Ok(shown(request, &asked, &view.page()))
}

fn empty(asked: &PageRequest) -> WebPage {
    let language = asked.language;
    let title = language.say("Chưa có đơn vị nào", "There are no units yet");
    let body = html! {
        h1 { (title) }
        p { a href="/admin/units" { (language.say("Thêm đơn vị", "Add units")) } }
    };
    WebPage::plain(title, PageSection::Overview, body)
}

struct OverviewPage<'a> {
    asked: &'a PageRequest,
    overview: UnitOverview,
    code: String,
    month: Month,
    /// Months of the charts, the same as periods, and their series.
    span: i32,
    trends: (Period, Period),
    series: Vec<SeriesView>,
}

impl OverviewPage<'_> {
    fn page(&self) -> WebPage {
        let (language, period) = (self.asked.language, self.month.to_string());
        let name = unit_name(self.asked.state(), &self.code, language);
        let query = [("unit", self.code.as_str()), ("period", period.as_str())];
        let files = PageFiles::of_table("scorecard", query, language);
        let wall = html! {
            a.button.wide href=(self.asked.link(&[("tv", "1")])) {
                (language.say("Màn hình lớn", "Wall screen"))
            }
        };
        let body = html! {
            (roots(self.asked, &self.code))
            (unit_path(self.asked, &self.code))
            div.title {
                h1 {
                    (name)
                    @if self.asked.is_wall { ", " (language.month(self.month).to_lowercase()) }
                }
                (month_choice(self.asked, self.month, &[
                    ("unit", &self.code),
                    ("compare", self.asked.text("compare").unwrap_or_default()),
                    ("span", self.asked.text("span").unwrap_or_default()),
                ]))
                (self.comparison())
                (files.buttons(self.asked, &self.code, self.month, &wall))
            }
            (self.reporting())
            (self.cards())
            div.columns {
                (self.table())
                (self.moves())
            }
            (self.charts())
            (self.systems())
        };
        WebPage {
            title: format!("{name}, {}", language.month(self.month)),
            section: PageSection::Overview,
            body,
            sources: files.sources(),
        }
    }

    fn comparison(&self) -> Markup {
        let (language, chosen) = (self.asked.language, CardComparison::of(self.asked));
        html! {
            form.choice method="get" action="/overview" {
                input type="hidden" name="unit" value=(self.code);
                input type="hidden" name="period" value=(self.month);
                @if let Some(span) = self.asked.text("span") {
                    input type="hidden" name="span" value=(span);
                }
                select name="compare" data-submit
                    aria-label=(language.say("So sánh với", "Compare with")) {
                    @for (comparison, value, name) in CardComparison::all(language) {
                        option value=(value) selected[comparison == chosen] { (name) }
                    }
                }
                (go(language))
            }
        }
    }

    /// One line on the state of reporting.
    fn reporting(&self) -> Markup {
        let (language, tally) = (self.asked.language, &self.overview.reporting);
        let names = |wanted: &dyn Fn(ReportStatus, bool) -> bool| {
            let found = self.overview.late.iter();
            let mut names: Vec<String> = found
                .filter(|report| wanted(report.status, report.overdue))
                .map(|report| unit_name(self.asked.state(), &report.unit, language))
                .collect();
            let more = names.len().saturating_sub(3);
            names.truncate(3);
            let and = if more > 0 { format!(", +{more}") } else { String::new() };
            (names.len() + more, format!("{}{and}", names.join(", ")))
        };
        let (late, late_names) = names(&|status, _| status == ReportStatus::Late);
        let (missing, missing_names) = names(&|_, overdue| overdue);
        let found = self.overview.findings_count;
        let (complete, expected) = (tally.reports_complete, tally.reports_expected);
        let class = if missing > 0 {
            "bad"
        } else if late > 0 || found > 0 || complete < expected {
            "fair"
        } else {
            "good"
        };
        let link = address(
            "/reporting",
            [("unit", self.code.as_str()), ("period", &self.month.to_string())],
        );
        notice(
            class,
            &html! {
                @if expected == 0 {
                    (language.say(
                        "Chưa khai báo đơn vị nào phải báo cáo",
                        "No unit is expected to report",
                    ))
                } @else {
                    (complete) "/" (expected)
                    (language.say(" báo cáo đã đủ số liệu", " reports are complete"))
                }
                @if late > 0 {
                    ", " (late) (language.say(" báo trễ", " late")) " (" (late_names) ")"
                }
                @if missing > 0 {
                    ", " (missing) (language.say(" quá hạn", " overdue")) " (" (missing_names) ")"
                }
                ". "
                @if found > 0 {
                    (found) (language.say(" mâu thuẫn số liệu. ", " contradictions. "))
                }
                a href=(link) { (language.say("Xem chi tiết", "Details")) }
            },
        )
    }

    fn cards(&self) -> Markup {
        let language = self.asked.language;
        let shown: Vec<&ScorecardRow> = self
            .overview
            .rows
            .iter()
            .filter(|row| {
                row.point.value.is_some() || row.history.iter().any(|past| past.value.is_some())
            })
            .collect();
        html! {
            @if shown.is_empty() {
                p.notice {
                    (language.say(
                        "Tháng này chưa có số liệu của đơn vị.",
                        "There are no figures of this unit for this month yet.",
                    ))
                }
            }
            section.cards aria-label=(language.say("Chỉ số và chỉ tiêu chính", "Main measures")) {
                @for row in shown { (self.card(row)) }
            }
        }
    }

    fn card(&self, row: &ScorecardRow) -> Markup {
        let language = self.asked.language;
        let past: Vec<Option<f64>> =
            row.history.iter().map(|past| past.value.map(Rounded::get)).collect();
        let target = row.target.map(kpi::number::Decimal64::to_f64);
        let value = row.point.value.map(Rounded::get);
        html! {
            a.card href=(history_link(&row.measure, &self.code, self.month)) {
                h2 { (named_measure(self.asked.state(), &row.measure, language)) }
                div.value {
                    @if let Some(value) = value {
                        strong { (language.quantity(value, &row.unit_of_measure)) }
                    } @else {
                        span.reason { (language.value_reason(row.point.value_reason)) }
                    }
                    (status_badge(language, row.status, covered_units(
                        self.asked, &row.measure, &self.code, self.month, row.point.coverage,
                    )))
                }
                (spark(&past, target))
                p.beside {
                    span { (self.change(row)) }
                    @if let Some(target) = target {
                        span.target {
                            (language.say("mục tiêu ", "target "))
                            (language.quantity(target, &row.unit_of_measure))
                        }
                    }
                }
            }
        }
    }

    /// The change that the person has chosen.
    fn change(&self, row: &ScorecardRow) -> Markup {
        let (language, point) = (self.asked.language, &row.point);
        let before = self.month.plus(-1);
        let (delta, reason, percent, text) = match CardComparison::of(self.asked) {
            CardComparison::Month => (
                point.delta,
                point.delta_reason,
                point.delta_percent,
                language.say(
                    format!("so với tháng {}", before.month()),
                    format!("since {}", language.month(before)),
                ),
            ),
            CardComparison::Year => (
                point.year_delta,
                point.year_delta_reason,
                point.year_delta_percent,
                language.say(
                    format!("so với {}", language.short_month(self.month.plus(-12))),
                    format!("since {}", language.month(self.month.plus(-12))),
                ),
            ),
            CardComparison::YearToDate => (
                point.year_to_date_delta,
                point.year_to_date_delta_reason,
                point.year_to_date_percent,
                language.say("lũy kế so với cùng kỳ", "year to date").to_owned(),
            ),
        };
        let change = ShownChange {
            delta,
            reason,
            percent,
            unit_of_measure: &row.unit_of_measure,
            direction: row.direction,
        };
        html! { (change.markup(language)) " " @if delta.is_some() { (text) } }
    }

    /// The units below by kpis, the worst first.
    fn table(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let overview = &self.overview;
        if overview.units.is_empty() || overview.kpis.is_empty() {
            return html! {};
        }
        html! {
            section.card.block {
                h2 {
                    (language.say(
                        "Đơn vị theo chỉ số (xếp từ kém nhất)",
                        "Units by kpi (worst first)",
                    ))
                }
                div.scroll tabindex="0" {
                    table.heat {
                        thead {
                            tr {
                                th scope="col" { (language.say("Đơn vị", "Unit")) }
                                @for measure in &overview.kpis {
                                    th.number scope="col" {
                                        (named_measure(state, measure, language))
                                    }
                                }
                                th scope="col" { (language.say("Báo cáo", "Report")) }
                            }
                        }
                        tbody { @for row in &overview.units { (self.unit_row(row)) } }
                    }
                }
                @if overview.units_left_out > 0 {
                    p.hint {
                        "+" (overview.units_left_out)
                        (language.say(" đơn vị khác", " further units"))
                    }
                }
            }
        }
    }

    fn unit_row(&self, row: &UnitStanding) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            tr {
                th scope="row" {
                    a href=(overview_link(&row.unit, self.month)) {
                        (unit_name(state, &row.unit, language))
                    }
                }
                @for (cell, measure) in row.cells.iter().zip(&self.overview.kpis) {
                    @let value = cell.as_ref().and_then(|cell| cell.point.value);
                    @let status = cell.as_ref().and_then(|cell| cell.status);
                    td class={ "number " (status.map_or("", status_class)) } {
                        @if let Some(value) = value {
                            a href=(history_link(measure, &row.unit, self.month)) {
                                (language.number(value.get(), "percent"))
                                @if let Some(status) = status {
                                    span.unseen { ", " (language.status(status)) }
                                }
                            }
                        } @else { span.reason title=(language.value_reason(
                            cell.as_ref().and_then(|cell| cell.point.value_reason)
                        )) { "–" } }
                    }
                }
                td class=(report_class(row.report, row.is_overdue)) {
                    (report_text(language, row.report, row.is_overdue))
                }
            }
        }
    }

    fn moves(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let overview = &self.overview;
        html! {
            section.card.block {
                h2 {
                    (language.say("Thay đổi đáng chú ý so với tháng ", "Notable changes since "))
                    @let before = self.month.plus(-1);
                    (language.say(before.month().to_string(), language.month(before)))
                }
                @if overview.moves.is_empty() {
                    p.reason {
                        (language.say(
                            "Không có thay đổi nào lớn hơn mức thường thấy.",
                            "No change is larger than usual.",
                        ))
                    }
                }
                ul {
                    @for one in &overview.moves {
                        @if let Some(row) = overview.rows.get(one.row) {
                            li { (self.one_move(one, row)) }
                        }
                    }
                }
                @if overview.findings_count > 0 {
                    h2 { (language.say("Mâu thuẫn cần xử lý", "Contradictions to resolve")) }
                    ul {
                        @for finding in &overview.findings {
                            li {
                                b { (unit_name(state, &finding.unit, language)) ": " }
                                (language.say(&finding.detail_vi, &finding.detail))
                            }
                        }
                    }
                }
            }
        }
    }

    fn one_move(&self, one: &NotableMove, row: &ScorecardRow) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let change = ShownChange {
            delta: row.point.delta,
            reason: row.point.delta_reason,
            percent: row.point.delta_percent,
            unit_of_measure: &row.unit_of_measure,
            direction: row.direction,
        };
        html! {
            a href=(history_link(&row.measure, &self.code, self.month)) {
                (named_measure(state, &row.measure, language))
            }
            " "
            @if let Some(value) = row.point.value {
                (language.quantity(value.get(), &row.unit_of_measure)) ", "
            }
            (change.markup(language))
            (language.say(", gấp ", ", ")) (language.number(one.times, "percent"))
            (language.say(" lần mức thường thấy", " times the usual change"))
            @if !one.causes.is_empty() {
                ". " (language.say(
                    "Cùng chiều, lớn nhất: ",
                    "In the same direction, the largest: "
                ))
                @for (n, (unit, delta)) in one.causes.iter().enumerate() {
                    @if n > 0 { ", " }
                    a href=(overview_link(unit, self.month)) { (unit_name(state, unit, language)) }
                    " ("
                    (if *delta > 0.0 { "+" } else { "−" })
                    (language.change(*delta, &row.unit_of_measure))
                    ")"
                }
            }
            "."
        }
    }

    /// The trends of the first kpis with a target.
    fn charts(&self) -> Markup {
        let language = self.asked.language;
        html! {
            @if !self.series.is_empty() {
                section.card.block #trends {
                    h2 { (language.say("Diễn biến", "Trends")) }
                    nav.tabs aria-label=(language.say("Số tháng", "Months")) {
                        @for span in SPANS {
                            @let link = self.asked.link(&[("span", span.to_string().as_str())]);
                            a href=(format!("{link}#trends"))
                                aria-current=[(span == self.span).then_some("true")] {
                                (span) (language.say(" tháng", " months"))
                            }
                        }
                    }
                    (trends(self.asked, &self.code, self.trends, &self.series))
                }
            }
        }
    }

    /// Every system of the catalogue.
    fn systems(&self) -> Markup {
        let (language, document) = (self.asked.language, &self.asked.state().catalogue.document);
        html! {
            section.block {
                h2 {
                    (language.say("Tất cả hệ thống và lĩnh vực", "All systems and fields of work"))
                }
                ul.systems {
                    @for summary in &self.overview.systems {
                        @let system =
                            document.systems.iter().find(|one| one.code == summary.system);
                        @let link = address(
                            &format!("/systems/{}", summary.system),
                            [("unit", self.code.as_str()), ("period", &self.month.to_string())],
                        );
                        li {
                            a href=(link) {
                                (system.map_or("", |system| language.name(&system.name)))
                            }
                            span.hint {
                                (summary.present) "/" (summary.measures)
                                (language.say(" chỉ tiêu có số", " with figures"))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The class of the state of a report.
#[must_use]
pub fn report_class(status: Option<ReportStatus>, is_overdue: bool) -> &'static str {
    match status {
        Some(ReportStatus::OnTime) => "good",
        Some(ReportStatus::Late) => "fair",
        Some(ReportStatus::Partial | ReportStatus::Missing) if is_overdue => "bad",
        Some(ReportStatus::Partial) => "fair",
        Some(ReportStatus::Missing) | None => "none",
    }
}

/// The state of a report in words.
#[must_use]
pub fn report_text(
    language: PageLanguage,
    status: Option<ReportStatus>,
    is_overdue: bool,
) -> &'static str {
    let of = |code| find_name("report_status", code).map_or("", |name| language.name(name));
    match status {
        Some(ReportStatus::Partial) if is_overdue => of("partial_overdue"),
        Some(ReportStatus::Missing) if is_overdue => of("missing_overdue"),
        Some(status) => language.name(name_of("report_status", &status)),
        None => "",
    }
}
