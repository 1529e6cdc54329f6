//! The state of reporting: units by months, what is missing, contradictions and their answers.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::browser::detail;
use super::layout::{PageSection, WebPage, see_other, shown, token_field};
use super::overview::{report_class, report_text};
use super::parts::{
    PageFiles, history_link, month_choice, named_measure, notice, overview_link, unit_name,
    unit_path,
};
use super::request::{FormFields, PageRequest, address};
use crate::api::access::identity;
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::read::completeness::{
    CompletenessQuery, CompletenessView, ReportProgressView, ReportStatus,
};
use crate::app::read::findings::{FindingQuery, FindingView, answer_to, remark_code};
use crate::app::read::quality::{QualityQuery, QualityView};
use crate::app::state::State;
use crate::app::write::declarations::DeclarationChanges;
use crate::auth::role::Role;
use crate::error::Error;
use kpi::number::Rounded;
use kpi::period::{Month, Period, Step};
use kpi::remark::{RemarkDocument, RemarkSubject};

/// Months of the strip.
const MONTHS: i32 = 12;
/// Most reports of a month that the page reads, and most units that it lists.
const MAX_REPORTS: usize = 20_000;
const MAX_UNITS: usize = 400;
/// Most contradictions, and most unusual figures, on the page.
const MAX_LISTED: usize = 200;
/// Most figures of a report that are named as missing.
const MAX_MISSING: usize = 12;

/// What the page is made of.
struct ReportingFigures {
    now: CompletenessView,
    past: Vec<(Month, BTreeMap<String, ReportProgressView>)>,
    findings: Vec<FindingView>,
    outliers: Vec<QualityView>,
    /// Why unusual figures could not be searched.
    trouble: Option<Problem>,
}

/// The page.
///
/// # Errors
/// 404 for an unknown unit, 422 for a malformed month.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let (unit, language) = (asked.unit()?, asked.language);
    let code = asked.state().units.code(unit).to_owned();
    let month = asked.month_of(&code)?;
    let (snapshot, of) = (asked.snapshot.clone(), code.clone());
    let reporting = context
        .compute(move || {
            let completeness = |month: Month| {
                let query = CompletenessQuery {
                    period: Period::containing(Step::Month, month),
                    parent: Some(of.clone()),
                    offset: 0,
                    limit: MAX_REPORTS,
                };
                snapshot.completeness(&query).map(|(view, _more)| view)
            };
            let mut past = Vec::new();
            for back in (1..MONTHS).rev() {
                let month = month.plus(-back);
                past.push((month, by_unit(completeness(month)?.rows)));
            }
            let (_, findings, _) = snapshot.findings(&FindingQuery {
                unit: Some(of.clone()),
                from: Some(month),
                to: Some(month),
                limit: usize::MAX,
                ..FindingQuery::default()
            })?;
            let outliers = snapshot.quality(&QualityQuery {
                unit: Some(of.clone()),
                from: Some(month),
                to: Some(month),
                limit: usize::MAX,
                ..QualityQuery::default()
            });
            let (outliers, trouble) = match outliers {
                Ok((_, outliers, _)) => (outliers, None),
                // Too many figures at once: a smaller unit shows them.
                Err(error) => (Vec::new(), Some(Problem::from(error))),
            };
            let now = completeness(month)?;
            Ok::<_, Error>(ReportingFigures { now, past, findings, outliers, trouble })
        })
        .await?;
    let view = ReportingPage { asked: &asked, reporting: &reporting, code: &code, month };
    let title = language.say("Tình hình báo cáo", "State of reporting");
    let named = month.to_string();
    let query = [("period", named.as_str()), ("parent", code.as_str())];
    let files = PageFiles::of_table("completeness", query, language);
    let closing = html! {
        @if asked.may(Role::Steward) {
            a.button href=(address("/admin/closing", [("period", named.as_str())])) {
                (language.say("Khóa sổ tháng", "Close the month"))
            }
        }
    };
    let body = html! {
        (unit_path(&asked, &code))
        div.title {
            h1 { (title) }
            (month_choice(&asked, month, &[("unit", &code)]))
            (files.buttons(&asked, &code, month, &closing))
        }
        (view.summary())
        (view.requests())
        (view.strip())
        (view.reminder())
        (view.findings())
    };
    let page = WebPage {
        title: format!("{title}, {}", language.month(month)),
        section: PageSection::Reporting,
        body,
        sources: files.sources(),
    };
    Ok(shown(&request, &asked, &page))
}

/// The worst report of each unit.
fn by_unit(rows: Vec<ReportProgressView>) -> BTreeMap<String, ReportProgressView> {
    let mut found: BTreeMap<String, ReportProgressView> = BTreeMap::new();
    for row in rows {
        let known = found.get(&row.unit).map(badness);
        if known.is_none_or(|known| known < badness(&row)) {
            found.insert(row.unit.clone(), row);
        }
    }
    found
}

/// How bad a report stands.
fn badness(report: &ReportProgressView) -> u8 {
    let of_status = match report.status {
        ReportStatus::OnTime => 0,
        ReportStatus::Late => 1,
        ReportStatus::Partial => 2,
        ReportStatus::Missing => 3,
    };
    of_status + if report.overdue { 4 } else { 0 }
}

/// Records a remark on a contradiction.
///
/// # Errors
/// Those of the form, and of recording.
pub async fn remark(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let named = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let number = |name: &str| named(name).parse::<f64>().unwrap_or(f64::NAN);
    let document = RemarkDocument {
        code: remark_code(&named("rule"), &named("measure"), &named("unit"), &named("period")),
        subject: RemarkSubject::Finding,
        unit: named("unit"),
        period: named("period"),
        measure: fields.text("measure").map(str::to_owned),
        rule: fields.text("rule").map(str::to_owned),
        numbers: Some((number("stated"), number("computed"))),
        text: named("text"),
    };
    let back = address(
        "/reporting",
        [("unit", named("parent").as_str()), ("period", document.period.as_str())],
    );
    save(&context, &request, document).await?;
    Ok(see_other(&format!("{back}#findings")))
}

/// Records a remark.
///
/// # Errors
/// All errors of the remark, and those of the store.
pub async fn save(
    context: &Data<ServiceContext>,
    request: &HttpRequest,
    document: RemarkDocument,
) -> Result<(), Problem> {
    let changes: DeclarationChanges<RemarkDocument> =
        [(document.code.clone(), (0, Some(document)))].into();
    let app = context.app()?;
    app.put_declarations((changes, Vec::new()), identity(request)?, false, None).await?;
    Ok(())
}

struct ReportingPage<'a> {
    asked: &'a PageRequest,
    reporting: &'a ReportingFigures,
    code: &'a str,
    month: Month,
}

impl ReportingPage<'_> {
    fn summary(&self) -> Markup {
        let (language, total) = (self.asked.language, &self.reporting.now.total);
        let deadline = self.reporting.now.expectations.iter().map(|one| one.deadline).max();
        let closed = self.asked.state().closed.contains_key(&self.month);
        let class = if total.reports_overdue > 0 { "bad" } else { "good" };
        notice(
            class,
            &html! {
                @if total.reports_expected == 0 {
                    (language.say(
                        "Không có đơn vị nào phải báo cáo trong tháng này.",
                        "No unit is expected to report for this month.",
                    ))
                } @else {
                    (total.reports_complete) "/" (total.reports_expected)
                    (language.say(" báo cáo đủ số liệu, ", " reports are complete, "))
                    (total.reports_on_time) (language.say(" đúng hạn, ", " on time, "))
                    (total.reports_overdue) (language.say(" quá hạn.", " overdue."))
                    @if let Some(deadline) = deadline {
                        " " (language.say("Hạn nộp ", "Due on ")) b { (language.day(deadline)) } "."
                    }
                }
                @if closed {
                    " " b { (language.say("Tháng đã khóa sổ.", "The month is closed.")) }
                }
            },
        )
    }

    /// Requests to reopen the month.
    fn requests(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let month = self.month.to_string();
        let closed = state.closed.contains_key(&self.month);
        let units = state.units.position(self.code).map(|unit| state.units.subtree(unit));
        let is_below = |code: &str| {
            let unit = state.units.position(code);
            unit.zip(units).is_some_and(|(unit, units)| units.contains(unit))
        };
        let open = state.declared.remarks.values().filter(|remark| {
            let asks = remark.subject == RemarkSubject::Reopening && remark.period == month;
            asks && closed && is_below(&remark.unit)
        });
        html! {
            @for remark in open {
                div.notice.fair {
                    b { (unit_name(state, &remark.unit, language)) }
                    (language.say(" xin mở lại tháng: ", " asks to reopen the month: "))
                    (remark.text) " "
                    @if self.asked.may(Role::Steward) {
                        a href=(address("/admin/closing", [("period", month.as_str())])) {
                            (language.say("Mở lại", "Reopen"))
                        }
                    }
                }
            }
        }
    }

    /// Units by months, the worst first.
    fn strip(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let now = by_unit(self.reporting.now.rows.clone());
        let mut units: Vec<&String> = self
            .reporting
            .past
            .iter()
            .flat_map(|(_, rows)| rows.keys())
            .chain(now.keys())
            .collect();
        units.sort_unstable();
        units.dedup();
        units.sort_by_key(|unit| std::cmp::Reverse(now.get(*unit).map(badness)));
        let left_out = units.len().saturating_sub(MAX_UNITS);
        units.truncate(MAX_UNITS);
        let cell = |report: Option<&ReportProgressView>| {
            let status = report.map(|report| report.status);
            let overdue = report.is_some_and(|report| report.overdue);
            html! {
                td class=(report_class(status, overdue)) {
                    (report_text(language, status, overdue))
                }
            }
        };
        html! {
            section.card.block {
                h2 { (language.say("Đơn vị theo tháng", "Units by months")) }
                div.scroll tabindex="0" {
                    table.heat.strip {
                        thead {
                            tr {
                                th scope="col" { (language.say("Đơn vị", "Unit")) }
                                th scope="col" { (language.short_month(self.month)) }
                                th scope="col" { (language.say("Còn thiếu", "Missing")) }
                                @for (month, _) in self.reporting.past.iter().rev() {
                                    th scope="col" { (language.short_month(*month)) }
                                }
                            }
                        }
                        tbody {
                            @for unit in units {
                                tr {
                                    th scope="row" {
                                        a href=(overview_link(unit, self.month)) {
                                            (unit_name(state, unit, language))
                                        }
                                    }
                                    (cell(now.get(unit)))
                                    td.missing { (self.missing(now.get(unit))) }
                                    @for (_, rows) in self.reporting.past.iter().rev() {
                                        (cell(rows.get(unit)))
                                    }
                                }
                            }
                        }
                    }
                }
                @if left_out > 0 {
                    p.hint { "+" (left_out) (language.say(" đơn vị khác", " further units")) }
                }
            }
        }
    }

    fn missing(&self, report: Option<&ReportProgressView>) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let missing = report.map(|report| report.missing.as_slice()).unwrap_or_default();
        html! {
            @if !missing.is_empty() {
                details {
                    summary { (missing.len()) (language.say(" chỉ tiêu", " figures")) }
                    ul {
                        @for measure in missing.iter().take(MAX_MISSING) {
                            li { (named_measure(state, measure, language)) }
                        }
                        @if missing.len() > MAX_MISSING { li { "+" (missing.len() - MAX_MISSING) } }
                    }
                }
            }
        }
    }

    /// A text to send to those with missing figures.
    fn reminder(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let owing: Vec<&ReportProgressView> =
            self.reporting.now.rows.iter().filter(|row| !row.missing.is_empty()).collect();
        if owing.is_empty() {
            return html! {};
        }
        let line = |report: &&ReportProgressView| {
            language.say(
                format!(
                    "- {}: còn thiếu {} chỉ tiêu, hạn {}",
                    unit_name(state, &report.unit, language),
                    report.missing.len(),
                    language.day(report.deadline)
                ),
                format!(
                    "- {}: {} figures missing, due on {}",
                    unit_name(state, &report.unit, language),
                    report.missing.len(),
                    language.day(report.deadline)
                ),
            )
        };
        let head = language.say(
            format!(
                "Đề nghị các đơn vị gửi số liệu {}:",
                language.month(self.month).to_lowercase()
            ),
            format!("Please report the figures of {}:", language.month(self.month)),
        );
        let lines: Vec<String> = owing.iter().map(line).collect();
        let text = format!("{head}\n{}", lines.join("\n"));
        html! {
            section.card.block {
                h2 { (language.say("Lời nhắc để gửi đi", "A reminder to send")) }
                textarea #reminder readonly rows=(lines.len().min(12) + 1)
                    aria-label=(language.say("Lời nhắc", "Reminder")) { (text) }
                button.button type="button" hidden data-copy-from="reminder"
                    data-copied=(language.say("Đã chép", "Copied")) {
                    (language.say("Chép", "Copy"))
                }
            }
        }
    }

    /// Contradictions and unusual figures: open ones first, those that were answered behind them.
    fn findings(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let contradictions = self.reporting.findings.iter().map(QuestionableFigure::of_finding);
        let unusual = self.reporting.outliers.iter().map(QuestionableFigure::of_quality);
        let sections = [
            (
                "findings",
                language.say("Mâu thuẫn số liệu", "Contradictions"),
                contradictions.collect::<Vec<_>>(),
            ),
            ("unusual", language.say("Số liệu khác thường", "Unusual figures"), unusual.collect()),
        ];
        html! {
            @for (id, title, figures) in sections {
                @let (open, answered): (Vec<_>, Vec<_>) =
                    figures.iter().partition(|one| one.remark(state).is_none());
                section.card.block id=(id) {
                    h2 { (title) }
                    @let trouble = self.reporting.trouble.as_ref().filter(|_| id == "unusual");
                    @if let Some(problem) = trouble { p.reason { (detail(language, problem)) } }
                    @else if figures.is_empty() {
                        p.reason {
                            (language.say("Tháng này không có.", "This month has no such figures."))
                        }
                    }
                    ul.findings {
                        @for one in open.into_iter().chain(answered).take(MAX_LISTED) {
                            (self.questionable(one))
                        }
                    }
                    @if figures.len() > MAX_LISTED { p.hint { "+" (figures.len() - MAX_LISTED) } }
                }
            }
        }
    }

    fn questionable(&self, one: &QuestionableFigure<'_>) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let remark = one.remark(state);
        html! {
            li class=[remark.is_some().then_some("answered")] {
                p {
                    b { (unit_name(state, one.unit, language)) } ", "
                    a href=(history_link(one.measure, one.unit, self.month)) {
                        (named_measure(state, one.measure, language))
                    }
                    ": " (language.say(one.detail_vi, one.detail)) " "
                    a.hint
                        href=(format!(
                            "{}#revisions",
                            history_link(one.measure, one.unit, self.month)
                        )) { (language.say("nguồn của số", "where it comes from")) }
                }
                @if let Some(remark) = remark {
                    p.remark { (language.say("Đã trả lời: ", "Answered: ")) (remark.text) }
                }
                @if self.asked.may(Role::Steward) { (self.answer(one, remark)) }
            }
        }
    }

    /// The form by which a steward answers.
    fn answer(&self, one: &QuestionableFigure<'_>, remark: Option<&RemarkDocument>) -> Markup {
        let language = self.asked.language;
        let given = remark.map(|remark| remark.text.as_str());
        let text = given.unwrap_or(language.say("Đã kiểm tra, đúng", "Checked, correct"));
        html! {
            form.inline method="post" action="/reporting/remarks" {
                (token_field(self.asked))
                @for (name, value) in [
                    ("parent", self.code),
                    ("unit", one.unit),
                    ("period", one.period),
                    ("measure", one.measure),
                    ("rule", one.rule),
                    ("stated", &one.numbers.0.to_string()),
                    ("computed", &one.numbers.1.to_string()),
                ] { input type="hidden" name=(name) value=(value); }
                input type="text" name="text" maxlength="1000" required value=(text)
                    aria-label=(language.say("Trả lời", "Answer"));
                button {
                    @if remark.is_some() { (language.say("Sửa trả lời", "Change the answer")) }
                    @else { (language.say("Trả lời", "Answer")) }
                }
            }
        }
    }
}

/// A figure that somebody should look at: of a contradiction, or an unusual one.
struct QuestionableFigure<'a> {
    unit: &'a str,
    period: &'a str,
    measure: &'a str,
    rule: &'a str,
    numbers: (f64, f64),
    detail: &'a str,
    detail_vi: &'a str,
}

impl<'a> QuestionableFigure<'a> {
    fn of_finding(finding: &'a FindingView) -> Self {
        Self {
            unit: &finding.unit,
            period: &finding.period,
            measure: &finding.measure,
            rule: &finding.rule,
            numbers: (finding.stated, finding.computed),
            detail: &finding.detail,
            detail_vi: &finding.detail_vi,
        }
    }

    fn of_quality(figure: &'a QualityView) -> Self {
        // What an outlier is compared with changes with every further month; an answer stays.
        let compared = figure.expected.filter(|_| figure.rule != "outlier");
        Self {
            unit: &figure.unit,
            period: &figure.period,
            measure: &figure.measure,
            rule: figure.rule,
            numbers: (figure.value.get(), compared.map_or(0.0, Rounded::get)),
            detail: &figure.detail,
            detail_vi: &figure.detail_vi,
        }
    }

    /// The remark on it, as long as its numbers are the same.
    fn remark<'s>(&self, state: &'s State) -> Option<&'s RemarkDocument> {
        let code = remark_code(self.rule, self.measure, self.unit, self.period);
        answer_to(state, &code, self.numbers)
    }
}
