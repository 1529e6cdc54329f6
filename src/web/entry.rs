//! Entering the figures of a unit and month: the form, the check before sending, and sending.

mod check;
mod number;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use self::check::{CheckedEntry, CheckedRow, check};
use super::browser::{detail, faults};
use super::layout::{PageSection, WebPage, private, refused, see_other, token_field};
use super::parts::{measure_name, month_choice, notice, unit_name, unit_path};
use super::reporting::save;
use super::request::{FormFields, PageRequest, address};
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::access::role::Role;
use crate::app::read::completeness::{CompletenessQuery, ExpectedView};
use crate::app::templates::{FormGroup, FormRow, ReportingForm};
use crate::app::time_text;
use crate::app::write::idempotency::IdempotencyKey;
use crate::app::write::submission::SubmissionInput;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::period::{Month, Period, Step};
use kpi::remark::{RemarkDocument, RemarkSubject};

/// The prefix of the names of fields with figures; the measure follows.
const FIGURE: &str = "figure:";
/// The prefix of boxes that withdraw a recorded figure.
const WITHDRAW: &str = "withdraw:";

/// The texts that a person has typed, by measure.
type TypedFigures = BTreeMap<String, String>;

/// A form with what it is due for.
struct DueForm {
    form: ReportingForm,
    /// The measures that the unit is expected to report for the month.
    due: Vec<String>,
    expectations: Vec<ExpectedView>,
    is_closed: bool,
    may_write: bool,
}

impl DueForm {
    fn of(asked: &PageRequest, unit: &str, month: Month) -> Result<Self, Error> {
        let (snapshot, state) = (&asked.snapshot, asked.state());
        let form = snapshot.form(unit, month)?;
        let (reports, _more) = snapshot.completeness(&CompletenessQuery {
            period: Period::containing(Step::Month, month),
            parent: Some(unit.to_owned()),
            offset: 0,
            limit: usize::MAX,
        })?;
        let own = reports.rows.iter().filter(|row| row.unit == unit);
        let due = own
            .flat_map(|row| {
                let reported = row.reported.iter().map(|figure| figure.measure.clone());
                reported.chain(row.missing.iter().cloned())
            })
            .collect();
        let is_closed = state.closed.contains_key(&month);
        let may_write = asked.identity.may_write(&state.units, state.find_unit(unit)?)
            && (!is_closed || asked.identity.may_change_closed());
        Ok(Self { form, due, expectations: reports.expectations, is_closed, may_write })
    }

    fn is_due(&self, measure: &Measure) -> bool {
        let name = measure.to_string();
        self.due.contains(&name)
    }

    fn rows(&self) -> impl Iterator<Item = &FormRow> {
        self.form.groups.iter().flat_map(|group| &group.rows)
    }
}

/// The code of the draft of a unit and month.
fn draft_code(unit: &str, month: Month) -> String {
    format!("entry/{unit}/{month}")
}

/// The month that a person most likely reports: the last one, unless it is complete or closed.
fn due_month(asked: &PageRequest, unit: usize) -> Month {
    let (state, this_month) = (asked.state(), asked.snapshot.month());
    let last = this_month.plus(-1);
    let query = CompletenessQuery {
        period: Period::containing(Step::Month, last),
        parent: Some(state.units.code(unit).to_owned()),
        offset: 0,
        limit: usize::MAX,
    };
    let is_complete = asked.snapshot.completeness(&query).is_ok_and(|(view, _)| {
        let own: Vec<_> =
            view.rows.iter().filter(|row| row.unit == state.units.code(unit)).collect();
        !own.is_empty() && own.iter().all(|row| row.missing.is_empty())
    });
    let Some(known) = state.units.get(unit) else { return last };
    let month = if is_complete || state.closed.contains_key(&last) { this_month } else { last };
    // A unit that has ended, or begins this month.
    month.min(known.last).max(known.first.min(this_month))
}

/// The form.
///
/// # Errors
/// 404 for an unknown unit, 422 for a month in which it does not exist or that has not begun.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let position = asked.unit()?;
    let unit = asked.state().units.code(position).to_owned();
    let month = match asked.month("period")? {
        Some(month) => month,
        None => due_month(&asked, position),
    };
    let draft = context.app()?.draft(&asked.identity.holder, &draft_code(&unit, month)).await?;
    let saved_at = draft.as_ref().map(|(_, saved_at)| *saved_at);
    let typed = draft.and_then(|(text, _)| serde_json::from_str(&text).ok()).unwrap_or_default();
    let (app, asking) = (context.app()?.clone(), asked.clone());
    let copies = asked.is("copy", "1");
    let (form, checked) = context
        .compute(move || {
            let form = DueForm::of(&asking, &unit, month)?;
            let typed = shown_texts(&asking, &form, typed, copies);
            let checked = check(&app, &asking, &form.form, typed, &Vec::new());
            Ok::<_, Error>((form, checked))
        })
        .await?;
    let view = EntryPage { asked: &asked, form: &form, checked: &checked, saved_at };
    Ok(private(&asked, &view.page()))
}

/// The texts of the fields: what was typed, otherwise what is recorded, otherwise, if she asks for
/// it, the figure of the month before.
fn shown_texts(
    asked: &PageRequest,
    form: &DueForm,
    mut typed: TypedFigures,
    copies: bool,
) -> TypedFigures {
    let language = asked.language;
    for row in form.rows() {
        let shown = row.current.or(row.previous.filter(|_| copies && form.is_due(&row.measure)));
        if let Some(shown) = shown {
            typed.entry(row.measure.to_string()).or_insert_with(|| language.decimal(shown));
        }
    }
    typed
}

/// What a form that was sent says.
struct SentForm {
    asked: PageRequest,
    unit: String,
    month: Month,
    typed: TypedFigures,
    withdrawn: Vec<String>,
    fields: FormFields,
}

impl SentForm {
    async fn read(
        request: &HttpRequest,
        context: &Data<ServiceContext>,
        body: &Bytes,
    ) -> Result<Self, Problem> {
        let fields = FormFields::read(request, body)?;
        let asked = PageRequest::of(request, context).await?;
        let unit = fields.text("unit").unwrap_or_default().to_owned();
        let month = fields.month("period")?;
        let typed = fields
            .with_prefix(FIGURE)
            .map(|(measure, text)| (measure.to_owned(), text.trim().to_owned()))
            .collect();
        let withdrawn = fields.with_prefix(WITHDRAW).map(|(measure, _)| measure.to_owned());
        let withdrawn = withdrawn.collect();
        Ok(Self { asked, unit, month, typed, withdrawn, fields })
    }

    fn address(&self) -> String {
        entry_link(&self.unit, self.month)
    }

    async fn save_draft(&self, context: &Data<ServiceContext>) -> Result<i64, Problem> {
        let text = serde_json::to_string(&self.typed).map_err(|_e| Problem::internal())?;
        let code = draft_code(&self.unit, self.month);
        Ok(context.app()?.save_draft(&self.asked.identity.holder, &code, text).await?)
    }

    /// Checks what was typed against the form of the unit and month.
    async fn check(
        &self,
        context: &Data<ServiceContext>,
    ) -> Result<(DueForm, CheckedEntry), Problem> {
        let (app, asking) = (context.app()?.clone(), self.asked.clone());
        let (unit, month) = (self.unit.clone(), self.month);
        let (typed, withdrawn) = (self.typed.clone(), self.withdrawn.clone());
        context
            .compute(move || {
                let form = DueForm::of(&asking, &unit, month)?;
                let checked = check(&app, &asking, &form.form, typed, &withdrawn);
                Ok::<_, Error>((form, checked))
            })
            .await
    }

    fn envelope(&self) -> SubmissionEnvelope {
        SubmissionEnvelope {
            source_kind: Some("page".to_owned()),
            reference: self.fields.text("reference").map(str::to_owned),
            reason: self.fields.text("reason").map(str::to_owned),
        }
    }
}

/// The address of the form of a unit and month.
#[must_use]
pub fn entry_link(unit: &str, month: Month) -> String {
    address("/entry", [("unit", unit), ("period", month.to_string().as_str())])
}

/// Saves a draft.
///
/// # Errors
/// Those of the form and of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let sent = SentForm::read(&request, &context, &body).await?;
    sent.save_draft(&context).await?;
    Ok(see_other(&sent.address()))
}

/// Checks the figures: a page before sending, or, for the script of the form, the result for each
/// field. The draft is saved either way.
///
/// # Errors
/// Those of the form and of the store.
pub async fn post_check(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let sent = SentForm::read(&request, &context, &body).await?;
    let saved_at = sent.save_draft(&context).await?;
    let (form, checked) = sent.check(&context).await?;
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("application/json")) {
        let saved = saved_text(&sent.asked, saved_at);
        return Ok(HttpResponse::Ok()
            .insert_header(("Cache-Control", "private, no-store"))
            .json(checked.live(&sent.asked, &saved)));
    }
    let view =
        EntryPage { asked: &sent.asked, form: &form, checked: &checked, saved_at: Some(saved_at) };
    Ok(private(&sent.asked, &view.before_sending()))
}

/// Records the figures and shows the receipt.
///
/// # Errors
/// Those of the form, of the figures and of the store.
pub async fn post_send(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let sent = SentForm::read(&request, &context, &body).await?;
    sent.save_draft(&context).await?;
    let (form, checked) = sent.check(&context).await?;
    let view = EntryPage { asked: &sent.asked, form: &form, checked: &checked, saved_at: None };
    if let Some(problem) = checked.trouble.clone().filter(|problem| problem.status == 403) {
        return Err(problem);
    }
    if checked.has_errors() {
        let page = view.before_sending();
        return Ok(refused(&sent.asked, &page, StatusCode::UNPROCESSABLE_ENTITY));
    }
    let app = context.app()?;
    let identity = &sent.asked.identity;
    if checked.found.is_empty() {
        app.delete_draft(&identity.holder, &draft_code(&sent.unit, sent.month)).await?;
        return Ok(see_other(&format!("{}&unchanged=1", sent.address())));
    }
    // The same page sent twice records once.
    let key = sent.fields.text("request").map(|text| {
        let target = format!("POST /entry/send {} {}", sent.unit, sent.month);
        IdempotencyKey::new(&identity.holder, target, text.to_owned(), &body)
    });
    let input = SubmissionInput::Found(checked.found.clone(), sent.envelope());
    let given = match app.submit_idempotent(&input, identity, key.as_ref()).await {
        Ok(given) => given.answer,
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status >= 500 || problem.status == 403 {
                return Err(problem);
            }
            let page = view.refused(&problem);
            return Ok(refused(&sent.asked, &page, StatusCode::UNPROCESSABLE_ENTITY));
        }
    };
    app.delete_draft(&identity.holder, &draft_code(&sent.unit, sent.month)).await?;
    match (&given.submission, given.revision) {
        (Some(id), Some(revision)) => {
            Ok(see_other(&format!("/receipts/{id}?min_revision={revision}")))
        }
        _ => Ok(see_other(&format!("{}&unchanged=1", sent.address()))),
    }
}

/// Asks the steward to reopen a closed month.
///
/// # Errors
/// 403 for a unit that the person does not report for, and those of the form and of the store.
pub async fn post_reopening(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let sent = SentForm::read(&request, &context, &body).await?;
    let state = sent.asked.state();
    if !sent.asked.identity.may_write(&state.units, state.find_unit(&sent.unit)?) {
        return Err(Problem::forbidden("this unit is not among those that you report for")
            .in_vietnamese("đơn vị này không thuộc các đơn vị mà bạn báo cáo"));
    }
    let document = RemarkDocument {
        code: format!("reopening.{}.{}", sent.unit, sent.month),
        subject: RemarkSubject::Reopening,
        unit: sent.unit.clone(),
        period: sent.month.to_string(),
        measure: None,
        rule: None,
        numbers: None,
        text: sent.fields.text("text").unwrap_or_default().to_owned(),
    };
    save(&context, &request, document).await?;
    Ok(see_other(&format!("{}&asked=1", sent.address())))
}

/// When a draft was saved, as people say it.
fn saved_text(asked: &PageRequest, saved_at: i64) -> String {
    let time = asked.language.time(&time_text(saved_at), asked.zone());
    format!("{} {time}", asked.language.say("Đã lưu nháp lúc", "Draft saved at"))
}

struct EntryPage<'a> {
    asked: &'a PageRequest,
    form: &'a DueForm,
    checked: &'a CheckedEntry,
    saved_at: Option<i64>,
}

impl EntryPage<'_> {
    fn page(&self) -> WebPage {
        let (asked, language) = (self.asked, self.asked.language);
        let (form, month) = (&self.form.form, self.form.form.month);
        let name = unit_name(asked.state(), &form.unit, language);
        let title = format!("{name}, {}", language.month(month).to_lowercase());
        let deadline = self.form.expectations.iter().map(|one| one.deadline).max();
        let due = self.form.due.len();
        let there = self.form.rows().filter(|row| {
            self.form.is_due(&row.measure) && self.checked.row(&row.measure).is_filled()
        });
        let there = there.count();
        let body = html! {
            (unit_path(asked, &form.unit))
            div.title {
                h1 { (title) }
                (month_choice(asked, month, &[("unit", &form.unit)]))
                @if let Some(deadline) = deadline {
                    span { (language.say("Hạn nộp: ", "Due on: ")) b { (language.day(deadline)) } }
                }
                @if due > 0 {
                    span class={ "badge " (if there < due { "fair" } else { "good" }) }
                        data-progress {
                        (there) "/" (due) (language.say(" chỉ tiêu phải báo cáo", " due figures"))
                    }
                }
            }
            (self.notices())
            @if self.form.may_write { (self.tools()) (self.fields()) } @else { (self.read_only()) }
        };
        WebPage::plain(title, PageSection::Entry, body)
    }

    fn notices(&self) -> Markup {
        let (asked, language) = (self.asked, self.asked.language);
        html! {
            @if asked.is("unchanged", "1") {
                (notice("good", &html! {
                    (language.say(
                        "Các số này đã được ghi từ trước; không có gì thay đổi.",
                        "These figures were recorded already; nothing changed.",
                    ))
                }))
            }
            @if self.form.is_closed && self.form.may_write {
                (notice("fair", &html! {
                    (language.say(
                        "Tháng đã khóa sổ: khi gửi phải nêu lý do.",
                        "The month is closed: sending needs a reason.",
                    ))
                }))
            }
            @if !asked.may(Role::Reporter) {
                (notice("fair", &html! {
                    (language.say(
                        "Bạn chỉ có quyền xem. Đăng nhập bằng khóa của đơn vị để nhập số liệu.",
                        "You may only read. Sign in with the key of a unit to enter figures.",
                    ))
                }))
            }
        }
    }

    fn tools(&self) -> Markup {
        let (language, form) = (self.asked.language, &self.form.form);
        let query = [("unit", form.unit.as_str()), ("period", &form.month.to_string())];
        html! {
            div.actions {
                a.button href=(format!("{API}/templates/{}/{}.xlsx", form.unit, form.month))
                    download {
                    (language.say("Tải biểu Excel", "Download the Excel form"))
                }
                a.button href=(address("/send", query)) {
                    (language.say("Tải lên biểu, báo cáo", "Upload a form or report"))
                }
                a.button href=(self.asked.link(&[("copy", "1")])) {
                    (language.say("Chép số tháng trước", "Copy last month's figures"))
                }
            }
        }
    }

    fn fields(&self) -> Markup {
        let (language, form) = (self.asked.language, &self.form.form);
        let before = form.month.plus(-1);
        let is_due = |row: &&FormRow| self.form.is_due(&row.measure);
        let has_due = self.form.rows().any(|row| is_due(&row));
        let heads = html! {
            thead {
                tr {
                    th scope="col" { (language.say("Chỉ tiêu", "Measure")) }
                    th.number scope="col" { (language.month(before)) }
                    th.number scope="col" { (language.month(form.month)) }
                    th.number scope="col" { (language.say("Thay đổi", "Change")) }
                    th scope="col" { (language.say("Ghi chú, kiểm tra", "Notes, checks")) }
                }
            }
        };
        html! {
            p.hint #how {
                (language.say(
                    "Nhập số; gõ “không phát sinh” (= 0) hoặc “không áp dụng”; để trống nếu \
                     chưa có. * là chỉ tiêu phải báo cáo. Có thể dán cả cột từ Excel; mũi tên \
                     lên xuống để đổi dòng.",
                    "Enter numbers; type “none” (= 0) or “n/a”; leave empty what is not known \
                     yet. * marks due figures. A column from Excel can be pasted; the arrow \
                     keys move between rows.",
                ))
            }
            form #entry method="post" action="/entry/check" data-entry autocomplete="off" {
                (token_field(self.asked))
                input type="hidden" name="unit" value=(form.unit);
                input type="hidden" name="period" value=(form.month);
                datalist #words {
                    option value=(language.say("không phát sinh", "none")) {}
                    option value=(language.say("không áp dụng", "n/a")) {}
                }
                section.card.block {
                    div.scroll tabindex="0" {
                        table.entry {
                            (heads)
                            @for group in &form.groups {
                                (self.group(group, &|row| !has_due || self.form.is_due(&row.measure)))
                            }
                            (self.kpis())
                        }
                    }
                }
                @if has_due && self.form.rows().any(|row| !is_due(&row)) {
                    details.card.block {
                        summary {
                            (language.say(
                                "Chỉ tiêu khác (không bắt buộc)",
                                "Other figures (not due)",
                            ))
                        }
                        div.scroll tabindex="0" {
                            table.entry {
                                (heads)
                                @for group in &form.groups {
                                    (self.group(group, &|row| !self.form.is_due(&row.measure)))
                                }
                            }
                        }
                    }
                }
                div.send {
                    button.button formaction="/entry" { (language.say("Lưu nháp", "Save draft")) }
                    button.main { (language.say("Kiểm tra và gửi", "Check and send")) }
                    span role="status" data-saved {
                        @if let Some(saved_at) = self.saved_at {
                            (saved_text(self.asked, saved_at))
                            (language.say(". Chưa gửi.", ". Not sent."))
                        }
                    }
                }
            }
        }
    }

    fn group(&self, group: &FormGroup, wanted: &dyn Fn(&FormRow) -> bool) -> Markup {
        let rows: Vec<&FormRow> = group.rows.iter().filter(|row| wanted(row)).collect();
        html! {
            @if !rows.is_empty() {
                tbody {
                    tr.group { th colspan="5" scope="colgroup" { (self.group_title(group)) } }
                    @for row in rows { (self.row(row)) }
                }
            }
        }
    }

    /// The name of the system of a group in the language of the page.
    fn group_title(&self, group: &FormGroup) -> String {
        let (language, document) = (self.asked.language, &self.asked.state().catalogue.document);
        let system = document.systems.iter().find(|system| system.name.vi == group.title);
        system.map_or_else(|| group.title.clone(), |system| language.name(&system.name).to_owned())
    }

    fn row(&self, row: &FormRow) -> Markup {
        let language = self.asked.language;
        let (name, checked) = (row.measure.to_string(), self.checked.row(&row.measure));
        let id = format!("f-{}", name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let hint = format!("{id}-hint");
        let previous = row.previous.map(|number| language.decimal(number));
        html! {
            tr class={ "depth" (row.depth.min(3)) } {
                th scope="row" {
                    label for=(id) {
                        (self.label(row))
                        @if self.form.is_due(&row.measure) {
                            " " abbr title=(language.say("phải báo cáo", "due")) { "*" }
                        }
                    }
                }
                td.number { (previous.unwrap_or_else(|| "–".to_owned())) }
                td.number {
                    input id=(id) type="text" inputmode="decimal" list="words" name=(format!("{FIGURE}{name}"))
                        value=(checked.text) class=(checked.level) aria-describedby=(hint)
                        aria-invalid=[(checked.level == "bad").then_some("true")] data-figure;
                }
                td.number data-change { (checked.change) }
                td id=(hint) class={ "note " (checked.level) } data-note { (checked.message) }
            }
        }
    }

    fn label(&self, row: &FormRow) -> String {
        measure_name(self.asked.state(), &row.measure, self.asked.language)
    }

    /// The kpis that follow from what is typed.
    fn kpis(&self) -> Markup {
        let language = self.asked.language;
        html! {
            @if !self.checked.kpis.is_empty() {
                tbody {
                    tr.group {
                        th colspan="5" scope="colgroup" {
                            (language.say("Tỷ lệ tự tính", "Computed rates"))
                        }
                    }
                    @for kpi in &self.checked.kpis {
                        tr data-kpi=(kpi.code) {
                            th scope="row" { (kpi.name) }
                            td.number { (kpi.previous) }
                            td.number data-value { (kpi.value) }
                            td.number data-change { (kpi.change) }
                            td {}
                        }
                    }
                }
            }
        }
    }

    /// The figures of a month that the person may not change.
    fn read_only(&self) -> Markup {
        let (language, form) = (self.asked.language, &self.form.form);
        let written = |number: Option<Decimal64>| {
            number.map_or_else(|| "–".to_owned(), |number| language.decimal(number))
        };
        html! {
            @if self.form.is_closed {
                (notice("fair", &html! {
                    (language.say(
                        "Tháng đã khóa sổ, chỉ xem được.",
                        "The month is closed and can only be read.",
                    ))
                }))
                @if self.asked.may(Role::Reporter) {
                    @if self.asked.is("asked", "1") {
                        (notice("good", &html! {
                            (language.say(
                                "Đã gửi đề nghị mở lại.",
                                "The request to reopen was sent.",
                            ))
                        }))
                    } @else {
                        form.inline method="post" action="/entry/reopening" {
                            (token_field(self.asked))
                            input type="hidden" name="unit" value=(form.unit);
                            input type="hidden" name="period" value=(form.month);
                            label for="why" {
                                (language.say("Lý do xin mở lại", "Why it should be reopened"))
                            }
                            input #why type="text" name="text" required maxlength="1000";
                            button { (language.say("Xin mở lại", "Ask to reopen")) }
                        }
                    }
                }
            }
            section.card.block {
                div.scroll tabindex="0" {
                    table.figures {
                        @for group in &form.groups {
                            tbody {
                                tr.group {
                                    th colspan="3" scope="colgroup" { (self.group_title(group)) }
                                }
                                @for row in &group.rows {
                                    tr class={ "depth" (row.depth.min(3)) } {
                                        th scope="row" { (self.label(row)) }
                                        td.number { (written(row.previous)) }
                                        td.number { (written(row.current)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The page between entering and sending: what is new, what changes, what is wrong.
    fn before_sending(&self) -> WebPage {
        let (language, form) = (self.asked.language, &self.form.form);
        let name = unit_name(self.asked.state(), &form.unit, language);
        let title = language.say("Kiểm tra trước khi gửi", "Check before sending");
        let of = |wanted: &dyn Fn(&CheckedRow) -> bool| -> Vec<(&FormRow, &CheckedRow)> {
            let rows = self.form.rows().map(|row| (row, self.checked.row(&row.measure)));
            rows.filter(|(_, checked)| wanted(checked)).collect()
        };
        let wrong = of(&|row| row.level == "bad");
        let (new, changed) = (of(&|row| row.is_new()), of(&|row| row.is_changed()));
        let warned = of(&|row| row.level == "fair");
        let emptied = of(&|row| row.is_emptied());
        let unchanged = of(&|row| row.is_unchanged()).len();
        let nothing = new.is_empty() && changed.is_empty() && emptied.is_empty();
        let body = html! {
            h1 data-clear=(format!("entry {} {}", form.unit, form.month)) { (title) }
            p { (name) ", " (language.month(form.month).to_lowercase()) }
            @if let Some(trouble) = &self.checked.trouble {
                (notice("bad", &html! { (detail(language, trouble)) (faults(language, trouble)) }))
            }
            (self.listed(
                "bad",
                language.say("Chưa đúng, phải sửa", "Wrong, to be corrected"),
                &wrong,
            ))
            (self.listed(
                "fair",
                language.say("Cảnh báo, vẫn gửi được", "Warnings; can be sent"),
                &warned,
            ))
            @for text in &self.checked.other_warnings { (notice("fair", &html! { (text) })) }
            form method="post" action="/entry/send" {
                (token_field(self.asked))
                input type="hidden" name="request" value=(ulid::Ulid::generate().to_string());
                input type="hidden" name="unit" value=(form.unit);
                input type="hidden" name="period" value=(form.month);
                @for (measure, text) in &self.checked.typed {
                    input type="hidden" name=(format!("{FIGURE}{measure}")) value=(text);
                }
                (self.listed("good", language.say("Mới", "New"), &new))
                (self.listed("good", language.say("Thay đổi", "Changed"), &changed))
                @if !emptied.is_empty() {
                    section.card.block {
                        h2 {
                            (language.say("Đã ghi nhưng nay để trống", "Recorded, but empty now"))
                        }
                        ul {
                            @for (row, checked) in &emptied {
                                @let field = format!("{WITHDRAW}{}", row.measure);
                                li {
                                    label {
                                        input type="checkbox" name=(field) value="1"
                                            checked[checked.is_withdrawn];
                                        " "
                                        (language.say(
                                            "rút số đã ghi: ",
                                            "withdraw what was recorded: ",
                                        ))
                                        (self.label(row)) ", " (checked.before)
                                    }
                                }
                            }
                        }
                    }
                }
                p.hint {
                    (unchanged) (language.say(" số không đổi.", " figures stay as they are."))
                }
                @if !nothing && wrong.is_empty() && self.checked.trouble.is_none() {
                    @if self.form.is_closed || !changed.is_empty() {
                        label for="reason" {
                            (language.say("Lý do thay đổi", "Reason of the change"))
                            @if self.form.is_closed { " *" }
                        }
                        input #reason type="text" name="reason" maxlength="1000"
                            required[self.form.is_closed];
                    }
                    label for="reference" {
                        (language.say(
                            "Số hiệu văn bản (nếu có)",
                            "Number of the document (if any)",
                        ))
                    }
                    input #reference type="text" name="reference" maxlength="200";
                }
                div.send {
                    a.button href=(entry_link(&form.unit, form.month)) {
                        (language.say("Sửa lại", "Go back"))
                    }
                    @if wrong.is_empty() && !nothing {
                        button.main { (language.say("Gửi", "Send")) }
                    }
                    @if let Some(saved_at) = self.saved_at {
                        span { (saved_text(self.asked, saved_at)) }
                    }
                }
            }
        };
        WebPage::plain(format!("{title}: {name}"), PageSection::Entry, body)
    }

    fn listed(&self, class: &str, title: &str, rows: &[(&FormRow, &CheckedRow)]) -> Markup {
        html! {
            @if !rows.is_empty() {
                section.card.block {
                    h2 { span class={ "badge " (class) } { (title) } }
                    div.scroll tabindex="0" {
                        table.figures {
                            tbody {
                                @for (row, checked) in rows {
                                    tr {
                                        th scope="row" { (self.label(row)) }
                                        td.number {
                                            @if !checked.before.is_empty() {
                                                (checked.before) " → "
                                            }
                                            strong { (checked.shown()) }
                                        }
                                        td class=(checked.level) { (checked.message) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// The page when recording was refused after all.
    fn refused(&self, problem: &Problem) -> WebPage {
        let language = self.asked.language;
        let page = self.before_sending();
        let body = html! {
            (notice("bad", &html! { (detail(language, problem)) (faults(language, problem)) }))
            (page.body)
        };
        WebPage { body, ..page }
    }
}
