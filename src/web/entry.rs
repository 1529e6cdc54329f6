//! Entering the figures of a unit and month: the form, the check before sending, and sending.

mod check;
pub mod number;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::ACCEPT;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

use self::check::{CheckedEntry, CheckedRow, check};
use super::browser::{detail, faults};
use super::drafts::{draft_list, saved_text};
use super::language::PageLanguage;
use super::layout::{PageSection, WebPage, private, refused, see_other, token_field};
use super::parts::{entry_link, measure_name, month_choice, notice, unit_name, unit_path};
use super::reporting::save;
use super::request::{FormFields, PageRequest, address};
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::drafts::ListedDraft;
use crate::app::templates::{FormGroup, FormRow, ReportingForm};
use crate::app::write::idempotency::IdempotencyKey;
use crate::app::write::submission::SubmissionInput;
use crate::auth::role::Role;
use crate::clock::TimestampMicros;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use kpi::number::Decimal64;
use kpi::period::Month;
use kpi::remark::{RemarkDocument, RemarkSubject};

/// The prefix of the names of fields with figures; the measure follows.
const FIGURE: &str = "figure:";
/// The prefix of boxes that withdraw a recorded figure.
const WITHDRAW: &str = "withdraw:";

/// The prefix of hidden fields with the text that a field was filled with.
const SHOWN: &str = "shown:";

/// What a person has typed into the fields that she has touched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TypedForm {
    /// Whether the numbers are in Vietnamese notation.
    is_vietnamese: bool,
    /// By measure.
    figures: BTreeMap<String, TypedFigure>,
}

/// A field that a person has touched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TypedFigure {
    /// The text that she has typed.
    text: String,
    /// The text that the field was filled with: what was recorded at that time.
    shown: String,
}

impl TypedForm {
    fn new(language: PageLanguage) -> Self {
        Self { is_vietnamese: language == PageLanguage::Vi, figures: BTreeMap::new() }
    }

    /// The notation of its numbers.
    fn language(&self) -> PageLanguage {
        if self.is_vietnamese { PageLanguage::Vi } else { PageLanguage::En }
    }

    /// With the figures of the month before in the due fields that are still empty.
    fn with_previous(mut self, form: &ReportingForm) -> Self {
        let language = self.language();
        let rows = form.groups.iter().flat_map(|group| &group.rows);
        for row in rows.filter(|row| row.is_due && row.recorded.is_none()) {
            let Some(previous) = row.previous else { continue };
            let text = language.decimal(previous);
            let typed = TypedFigure { text, shown: String::new() };
            self.figures.entry(row.measure.to_string()).or_insert(typed);
        }
        self
    }
}

/// A form, and what the person may do with it.
struct DueForm {
    form: ReportingForm,
    is_closed: bool,
    may_write: bool,
}

impl DueForm {
    fn of(asked: &PageRequest, unit: &str, month: Month) -> Result<Self, Error> {
        let state = asked.state();
        let is_closed = state.closed.contains_key(&month);
        let may_write = asked.identity.may_write(&state.units, state.find_unit(unit)?)
            && (!is_closed || asked.identity.may_change_closed());
        Ok(Self { form: asked.snapshot.form(unit, month)?, is_closed, may_write })
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
fn due_month(asked: &PageRequest, unit: &str) -> Month {
    let (state, this_month) = (asked.state(), asked.snapshot.month());
    let last = this_month.plus(-1);
    let form = asked.snapshot.form(unit, last);
    let is_complete = form.is_ok_and(|form| {
        let mut due = form.groups.iter().flat_map(|group| &group.rows).filter(|row| row.is_due);
        form.deadline.is_some() && due.all(|row| row.recorded.is_some())
    });
    let month = if is_complete || state.closed.contains_key(&last) { this_month } else { last };
    let known = state.units.position(unit).and_then(|unit| state.units.get(unit));
    // A unit that has ended, or begins this month.
    known.map_or(month, |known| month.min(known.last).max(known.first.min(this_month)))
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
        None => due_month(&asked, &unit),
    };
    let draft = context.app()?.draft(&asked.identity.holder, &draft_code(&unit, month)).await?;
    let saved_at = draft.as_ref().map(|(_, saved_at)| *saved_at);
    let own = draft_code(&unit, month);
    let mut drafts = context.app()?.drafts(&asked.identity.holder).await?;
    drafts.retain(|draft| draft.code != own);
    let typed: Option<TypedForm> = draft.and_then(|(text, _)| serde_json::from_str(&text).ok());
    let typed = typed.unwrap_or_else(|| TypedForm::new(asked.language));
    let (app, asking) = (context.app()?.clone(), asked.clone());
    let copies = asked.is("copy", "1");
    let (form, checked) = context
        .compute(move || {
            let form = DueForm::of(&asking, &unit, month)?;
            let typed = if copies { typed.with_previous(&form.form) } else { typed };
            let checked = check(&app, &asking, &form.form, typed, &[]);
            Ok::<_, Error>((form, checked))
        })
        .await?;
    let view = EntryPage { asked: &asked, form: &form, checked: &checked, saved_at };
    Ok(private(&asked, &view.page(&drafts)))
}

/// What a form that was sent says.
struct SentForm {
    asked: PageRequest,
    unit: String,
    month: Month,
    typed: TypedForm,
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
        let mut asked = PageRequest::of(request, context).await?;
        let unit = fields.text("unit").unwrap_or_default().to_owned();
        asked.state().find_unit(&unit)?;
        let month = fields.month("period")?;
        // Links of this page, such as those to the other language, lead to its form.
        asked.set("unit", &unit);
        asked.set("period", &month.to_string());
        let mut typed = TypedForm::new(match fields.text("form_language") {
            Some("en") => PageLanguage::En,
            Some("vi") => PageLanguage::Vi,
            _ => asked.language,
        });
        let shown: BTreeMap<&str, &str> = fields.with_prefix(SHOWN).collect();
        for (measure, text) in fields.with_prefix(FIGURE) {
            let shown = shown.get(measure).copied().unwrap_or_default().trim().to_owned();
            let text = text.trim().to_owned();
            if text != shown {
                typed.figures.insert(measure.to_owned(), TypedFigure { text, shown });
            }
        }
        let withdrawn = fields.with_prefix(WITHDRAW).map(|(measure, _)| measure.to_owned());
        let withdrawn = withdrawn.collect();
        Ok(Self { asked, unit, month, typed, withdrawn, fields })
    }

    fn address(&self) -> String {
        entry_link(&self.unit, self.month)
    }

    async fn save_draft(&self, context: &Data<ServiceContext>) -> Result<TimestampMicros, Problem> {
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
            .json(checked.live(&saved)));
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
    // The same page sent twice records once.
    let key = sent.fields.text("request").map(|text| {
        let target = format!("POST /entry/send {} {}", sent.unit, sent.month);
        IdempotencyKey::new(&identity.holder, target, text.to_owned(), &body)
    });
    let input = SubmissionInput::Found(checked.found.clone(), sent.envelope());
    let given = match app.submit_idempotent(&input, identity, key.as_ref()).await {
        Ok(given) => given.answer,
        // Nothing to record, and not a repeated request.
        Err(Error::Invalid(_)) if checked.found.is_empty() => {
            app.delete_draft(&identity.holder, &draft_code(&sent.unit, sent.month)).await?;
            return Ok(see_other(&format!("{}&unchanged=1", sent.address())));
        }
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
    if !state.closed.contains_key(&sent.month) {
        return Err(Problem::parameter("period", "not_closed", "the month is not closed"));
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

struct EntryPage<'a> {
    asked: &'a PageRequest,
    form: &'a DueForm,
    checked: &'a CheckedEntry,
    saved_at: Option<TimestampMicros>,
}

impl EntryPage<'_> {
    fn page(&self, drafts: &[ListedDraft]) -> WebPage {
        let (asked, language) = (self.asked, self.asked.language);
        let (form, month) = (&self.form.form, self.form.form.month);
        let name = unit_name(asked.state(), &form.unit, language);
        let title = format!("{name}, {}", language.month(month).to_lowercase());
        let due = self.form.rows().filter(|row| row.is_due).count();
        let missing = self.missing().len();
        let there = due - missing;
        let is_overdue = missing > 0 && form.deadline.is_some_and(|day| day < asked.snapshot.day());
        let body = html! {
            (unit_path(asked, &form.unit))
            div.title {
                h1 { (title) }
                (month_choice(asked, month, &[("unit", &form.unit)]))
                @if let Some(deadline) = form.deadline {
                    span {
                        (language.say("Hạn nộp: ", "Due on: ")) b { (language.day(deadline)) }
                        @if is_overdue { (language.say(", quá hạn", ", overdue")) }
                    }
                }
                @if due > 0 {
                    span class={ "badge " (if there < due { "fair" } else { "good" }) }
                        data-progress {
                        (there) "/" (due) (language.say(" chỉ tiêu phải báo cáo", " due figures"))
                    }
                }
            }
            (self.notices())
            (draft_list(asked, drafts))
            @if self.form.may_write { (self.tools()) (self.fields()) } @else { (self.read_only()) }
        };
        WebPage::plain(title, PageSection::Entry, body)
    }

    /// The due rows without a figure.
    fn missing(&self) -> Vec<&FormRow> {
        let due = self.form.rows().filter(|row| row.is_due);
        due.filter(|row| !self.checked.row(&row.measure).is_filled()).collect()
    }

    /// The name under which the browser keeps what was typed while the network is lost.
    fn kept_as(&self) -> String {
        let form = &self.form.form;
        format!("entry {} {} {}", self.asked.identity.holder, form.unit, form.month)
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
        let is_due = |row: &&FormRow| row.is_due;
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
            form #entry method="post" action="/entry/check" data-entry=(self.kept_as())
                autocomplete="off" {
                (token_field(self.asked))
                input type="hidden" name="unit" value=(form.unit);
                input type="hidden" name="period" value=(form.month);
                input type="hidden" name="form_language"
                    value=(self.checked.typed.language().code());
                datalist #words {
                    option value=(language.say("không phát sinh", "none")) {}
                    option value=(language.say("không áp dụng", "n/a")) {}
                }
                section.card.block {
                    div.scroll tabindex="0" {
                        table.entry {
                            (heads)
                            @for group in &form.groups {
                                (self.group(group, &|row| !has_due || row.is_due))
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
                                    (self.group(group, &|row| !row.is_due))
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
                        @if row.is_due {
                            " " abbr title=(language.say("phải báo cáo", "due")) { "*" }
                        }
                    }
                }
                td.number { (previous.unwrap_or_else(|| "–".to_owned())) }
                td.number {
                    input id=(id) type="text" inputmode="decimal" list="words"
                        name=(format!("{FIGURE}{name}"))
                        value=(checked.text) class=(checked.level) aria-describedby=(hint)
                        aria-invalid=[(checked.level == "bad").then_some("true")] data-figure
                        data-due[row.is_due];
                    input type="hidden" name=(format!("{SHOWN}{name}")) value=(checked.before);
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
            h1 data-clear=(self.kept_as()) { (title) }
            p { (name) ", " (language.month(form.month).to_lowercase()) }
            @if let Some(trouble) = &self.checked.trouble {
                (notice("bad", &html! { (detail(language, trouble)) (faults(language, trouble)) }))
            }
            (self.listed(
                "bad",
                language.say("Chưa đúng, phải sửa", "Wrong, to be corrected"),
                &wrong,
            ))
            @let missing = self.missing();
            @if !missing.is_empty() {
                (notice("fair", &html! {
                    (language.say("Còn thiếu ", "Still missing: ")) (missing.len())
                    (language.say(" chỉ tiêu phải báo cáo: ", " due figures: "))
                    @for (at, row) in missing.iter().enumerate() {
                        @if at > 0 { "; " }
                        (self.label(row))
                    }
                    "."
                }))
            }
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
                input type="hidden" name="form_language"
                    value=(self.checked.typed.language().code());
                @for (measure, typed) in &self.checked.typed.figures {
                    input type="hidden" name=(format!("{FIGURE}{measure}")) value=(typed.text);
                    input type="hidden" name=(format!("{SHOWN}{measure}")) value=(typed.shown);
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
