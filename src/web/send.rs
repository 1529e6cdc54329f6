//! Sending a report or a form as a file: what was found in it, what to record of it.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web::{Bytes, Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use documents::MediaType;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::browser::{detail, faults};
use super::drafts::draft_list;
use super::layout::{PageSection, WebPage, private, see_other, token_field};
use super::parts::{counts_line, measure_list, named_measure, notice, unit_name};
use super::request::{FormFields, PageRequest, check_token};
use crate::api::{API, HandlerResult, Problem, ServiceContext, media_of, upload_form};
use crate::app::RevisionNumber;
use crate::app::reports::{
    ReadReport, ReportChoice, ReportFigure, ReportFile, ReportQuery, ReportUnclaimed, ReportView,
};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::app::write::idempotency::IdempotencyKey;
use crate::auth::role::Role;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use kpi::measure::Measure;
use kpi::number::Statement;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// The media type that a draft keeps of an Excel file.
const WORKBOOK: &str = "xlsx";

/// A file that was uploaded and not recorded yet.
#[derive(Clone, Serialize, Deserialize)]
struct UploadDraft {
    name: Option<String>,
    media: String,
    content: String,
    unit: Option<String>,
    period: Option<String>,
    #[serde(default)]
    taken: Option<BTreeSet<usize>>,
    #[serde(default)]
    given: BTreeMap<usize, String>,
    #[serde(default)]
    reference: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

impl UploadDraft {
    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.content).unwrap_or_default()
    }

    fn is_workbook(&self) -> bool {
        self.media == WORKBOOK
    }

    fn media_type(&self) -> MediaType {
        MediaType::of_type(&self.media).unwrap_or(MediaType::Text)
    }

    /// What the person has chosen: none before they have looked at the numbers.
    ///
    /// # Errors
    /// 422 for a measure given by hand that cannot be read.
    fn choice(&self) -> Result<Option<ReportChoice>, Problem> {
        let Some(taken) = self.taken.clone() else { return Ok(None) };
        let given = self.given.iter().map(|(at, text)| Ok((*at, Measure::parse(text)?)));
        let given = given.collect::<Result<_, String>>();
        let given = given.map_err(|error| Problem::parameter("give", "unknown_measure", error))?;
        Ok(Some(ReportChoice { taken, given }))
    }

    fn period<T: std::str::FromStr>(&self) -> Option<T> {
        self.period.as_deref().and_then(|text| text.parse().ok())
    }
}

/// What was found in a file.
enum FileReading {
    Report(Box<(ReadReport, ReportView)>),
    Workbook(Box<WorkbookView>),
    /// It cannot be read, or it is not known which unit and month it is about.
    Refused(Box<Problem>),
}

fn draft_code(id: &str) -> String {
    format!("send/{id}")
}

/// The page to choose a file.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let language = asked.language;
    let title = language.say("Gửi báo cáo, biểu", "Send a report or a form");
    let mut drafts = context.app()?.drafts(&asked.identity.holder).await?;
    drafts.retain(|draft| draft.code.starts_with("send/"));
    let body = html! {
        h1 { (title) }
        (draft_list(&asked, &drafts))
        @if asked.may(Role::Reporter) {
            section.card.block {
                form method="post" action="/send" enctype="multipart/form-data" data-drop {
                    (token_field(&asked))
                    label for="file" {
                        (language.say(
                            "Tệp Word (.docx), PDF, văn bản, Markdown hoặc biểu Excel (.xlsx)",
                            "A Word (.docx), PDF, text or Markdown file, or an Excel form (.xlsx)",
                        ))
                    }
                    input #file type="file" name="file" required
                        accept=".docx,.pdf,.txt,.md,.xlsx";
                    (settings(&asked, asked.text("unit"), asked.text("period")))
                    button.main { (language.say("Đọc tệp", "Read the file")) }
                    p.hint {
                        (language.say(
                            "Chưa ghi gì cho đến khi bạn xem lại và bấm “Ghi nhận”.",
                            "Nothing is recorded until you have looked at it and press “Record”.",
                        ))
                    }
                }
            }
            (samples(&asked))
        } @else {
            (notice("fair", &html! {
                (language.say(
                    "Bạn chỉ có quyền xem. Đăng nhập bằng khóa của đơn vị để gửi báo cáo.",
                    "You may only read. Sign in with the key of a unit to send reports.",
                ))
            }))
        }
    };
    Ok(private(&asked, &WebPage::plain(title, PageSection::Send, body)))
}

/// Files to try, where the service has the sample province of the demo.
fn samples(asked: &PageRequest) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let month = "2021-11";
    html! {
        @if state.units.position("sample").is_some() && state.units.position("travinh").is_some() {
            section.card.block {
                h2 { (language.say("Dùng thử", "To try")) }
                ul {
                    li {
                        a href=(format!("{API}/reports/sample/{month}?format=docx"))
                            download {
                            (language.say(
                                "Một báo cáo Word của Tỉnh mẫu",
                                "A Word report of the sample province",
                            ))
                        }
                    }
                    li {
                        a
                            href=(format!("{API}/templates/sample.finance/{month}.xlsx"))
                            download {
                            (language.say(
                                "Một biểu Excel của Sở Tài chính (mẫu)",
                                "An Excel form of a sample department",
                            ))
                        }
                    }
                }
            }
        }
    }
}

/// The fields for unit and month: needed where the file does not name them.
fn settings(asked: &PageRequest, unit: Option<&str>, period: Option<&str>) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let own = asked.identity.unit.as_deref().and_then(|code| state.units.position(code));
    let offered: Vec<UnitPosition> = match own {
        Some(own) => state.units.subtree(own).iter().take(300).collect(),
        None => {
            let shallow = |unit: &UnitPosition| state.units.ancestors(*unit).count() < 2;
            state.units.all().iter().filter(shallow).take(300).collect()
        }
    };
    let this_month = asked.snapshot.month();
    html! {
        div.pair {
            label {
                (language.say("Đơn vị ", "Unit "))
                select name="unit" {
                    option value="" { (language.say("theo tệp", "as the file says")) }
                    @for position in offered {
                        @let code = state.units.code(position);
                        option value=(code) selected[unit == Some(code)] {
                            (unit_name(state, code, language))
                        }
                    }
                }
            }
            label {
                (language.say("Tháng ", "Month "))
                select name="period" {
                    option value="" { (language.say("theo tệp", "as the file says")) }
                    @for back in 0..72 {
                        @let month = this_month.plus(-back);
                        option value=(month) selected[period == Some(month.to_string().as_str())] {
                            (language.month(month))
                        }
                    }
                }
            }
        }
    }
}

/// Keeps the file and shows what was found in it.
///
/// # Errors
/// Those of the form, 415 for another kind of file, and those of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    payload: Payload,
) -> HandlerResult {
    let (file, fields) = upload_form(&request, payload, &["form_token", "unit", "period"]).await?;
    check_token(&request, fields.get("form_token").map(String::as_str).unwrap_or_default())?;
    let asked = PageRequest::of(&request, &context).await?;
    let is_workbook =
        file.name.as_deref().is_some_and(|name| name.to_lowercase().ends_with(".xlsx"));
    let media = if is_workbook {
        WORKBOOK.to_owned()
    } else {
        crate::app::reports::media_type(media_of(&file)?).to_owned()
    };
    let given = |name: &str| fields.get(name).filter(|text| !text.is_empty()).cloned();
    let draft = UploadDraft {
        name: file.name,
        media,
        content: STANDARD.encode(&file.bytes),
        unit: given("unit"),
        period: given("period"),
        taken: None,
        given: BTreeMap::new(),
        reference: None,
        reason: None,
    };
    let id = ulid::Ulid::generate().to_string();
    save(&context, &asked, &id, &draft).await?;
    Ok(see_other(&format!("/send/{id}")))
}

async fn save(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    id: &str,
    draft: &UploadDraft,
) -> Result<(), Problem> {
    let text = serde_json::to_string(draft).map_err(|_e| Problem::internal())?;
    context.app()?.save_draft(&asked.identity.holder, &draft_code(id), text).await?;
    Ok(())
}

async fn load(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    id: &str,
) -> Result<UploadDraft, Problem> {
    let found = context.app()?.draft(&asked.identity.holder, &draft_code(id)).await?;
    let draft = found.and_then(|(text, _)| serde_json::from_str(&text).ok());
    draft.ok_or_else(|| {
        let detail = "this upload does not exist any more; it may have been recorded already";
        Error::NotFound(detail.to_owned()).into()
    })
}

/// What was found in an uploaded file.
///
/// # Errors
/// 404 for a file that is not kept any more, 503 when memory is short.
pub async fn get_draft(
    request: HttpRequest,
    context: Data<ServiceContext>,
    id: Path<String>,
) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let draft = load(&context, &asked, &id).await?;
    let reading = read(&context, &asked, &draft).await?;
    Ok(shown(&asked, &id, &draft, &reading, None))
}

fn shown(
    asked: &PageRequest,
    id: &str,
    draft: &UploadDraft,
    reading: &FileReading,
    trouble: Option<&Problem>,
) -> HttpResponse {
    let view = SendPage { asked, id, draft };
    private(asked, &view.page(reading, trouble))
}

/// Reads the file within the memory for documents.
async fn read(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    draft: &UploadDraft,
) -> Result<FileReading, Problem> {
    let bytes = draft.bytes();
    let is_pdf = draft.media_type() == MediaType::Pdf;
    let account = context.reserve_document(bytes.len(), is_pdf).await?;
    let (app, identity, draft) = (context.app()?.clone(), asked.identity.clone(), draft.clone());
    let takes = account.reserved();
    let read = context.run(takes, move || {
        // The memory stays reserved until the file is read, even if the client has gone
        let _account = account;
        if draft.is_workbook() {
            let query = WorkbookQuery { unit: draft.unit.clone(), period: draft.period() };
            let envelope = SubmissionEnvelope::default();
            return app
                .dry_run_workbook(&bytes, &query, envelope, identity)
                .map(|view| FileReading::Workbook(Box::new(view)))
                .map_err(Problem::from);
        }
        let file = ReportFile { bytes, media: draft.media_type(), name: draft.name.clone() };
        let query = ReportQuery {
            unit: draft.unit.clone(),
            period: draft.period(),
            ..ReportQuery::default()
        };
        let mut read = app.read_report(&file, &query).map_err(Problem::from)?;
        if let Some(choice) = draft.choice()? {
            read = read.choose(&choice)?;
        }
        let view = app.dry_run_report(&read, &identity)?;
        Ok(FileReading::Report(Box::new((read, view))))
    });
    match read.await? {
        Ok(reading) => Ok(reading),
        Err(problem) if problem.status < 500 => Ok(FileReading::Refused(Box::new(problem))),
        Err(problem) => Err(problem),
    }
}

/// Changes what is known of an upload, or records it.
///
/// # Errors
/// Those of the form, of the figures and of the store.
pub async fn post_draft(
    request: HttpRequest,
    context: Data<ServiceContext>,
    id: Path<String>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let mut draft = load(&context, &asked, &id).await?;
    let action = fields.text("action").unwrap_or_default();
    if action == "discard" {
        context.app()?.delete_draft(&asked.identity.holder, &draft_code(&id)).await?;
        return Ok(see_other("/send"));
    }
    if action == "settings" {
        draft.unit = fields.text("unit").map(str::to_owned);
        draft.period = fields.text("period").map(str::to_owned);
        (draft.taken, draft.given) = (None, BTreeMap::new());
        save(&context, &asked, &id, &draft).await?;
        return Ok(see_other(&format!("/send/{}", id.as_str())));
    }
    if !draft.is_workbook() {
        let places = fields.texts("take").filter_map(|text| text.parse::<usize>().ok());
        draft.taken = Some(places.collect());
        let given = fields.with_prefix("give:").filter_map(|(at, measure)| {
            let measure = measure.trim();
            (!measure.is_empty()).then_some((at.parse().ok()?, measure.to_owned()))
        });
        draft.given = given.collect();
    }
    draft.reference = fields.text("reference").map(str::to_owned);
    draft.reason = fields.text("reason").map(str::to_owned);
    save(&context, &asked, &id, &draft).await?;
    if action != "record" {
        return Ok(see_other(&format!("/send/{}", id.as_str())));
    }
    let envelope = SubmissionEnvelope {
        source_kind: None,
        reference: draft.reference.clone(),
        reason: draft.reason.clone(),
    };
    let holder = asked.identity.holder.clone();
    // The same upload with the same choices records once, however often the button is pressed.
    let chosen = serde_json::to_vec(&draft).map_err(|_e| Problem::internal())?;
    let target = format!("POST /send/{}", id.as_str());
    let key = IdempotencyKey::of_body(&holder, target, &chosen);
    match record(&context, &asked, &draft, envelope, &key).await {
        Ok((Some(submission), Some(revision))) => {
            context.app()?.delete_draft(&holder, &draft_code(&id)).await?;
            Ok(see_other(&format!("/receipts/{submission}?min_revision={revision}")))
        }
        Ok(_nothing_changed) => Ok(see_other(&format!("/send/{}?unchanged=1", id.as_str()))),
        Err(problem) if problem.status < 500 => {
            let reading = read(&context, &asked, &draft).await?;
            Ok(shown(&asked, &id, &draft, &reading, Some(&problem)))
        }
        Err(problem) => Err(problem),
    }
}

/// Records an upload: the submission and its revision, none when nothing changed.
async fn record(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    draft: &UploadDraft,
    envelope: SubmissionEnvelope,
    key: &IdempotencyKey,
) -> Result<(Option<String>, Option<RevisionNumber>), Problem> {
    let app = context.app()?.clone();
    let identity = asked.identity.clone();
    if draft.is_workbook() {
        let query = WorkbookQuery { unit: draft.unit.clone(), period: draft.period() };
        let envelope = SubmissionEnvelope { source_kind: Some("workbook".to_owned()), ..envelope };
        let bytes = draft.bytes();
        let account = context.reserve_document(bytes.len(), false).await?;
        let (takes, runtime, key) = (account.reserved(), Handle::current(), key.clone());
        let recorded = context.run(takes, move || {
            // The memory stays reserved until the file is recorded, even if the client has gone
            let _account = account;
            runtime.block_on(app.record_workbook(bytes, query, envelope, identity, Some(&key)))
        });
        let (view, _replayed) = recorded.await??;
        return Ok((view.submission, view.revision));
    }
    match read(context, asked, draft).await? {
        FileReading::Report(read) => {
            let (view, _replayed) =
                app.record_report(&read.0, envelope, identity, Some(key)).await?;
            Ok((view.submission, view.revision))
        }
        FileReading::Refused(problem) => Err(*problem),
        FileReading::Workbook(_) => Err(Problem::internal()),
    }
}

struct SendPage<'a> {
    asked: &'a PageRequest,
    id: &'a str,
    draft: &'a UploadDraft,
}

impl SendPage<'_> {
    fn page(&self, reading: &FileReading, trouble: Option<&Problem>) -> WebPage {
        let (asked, language) = (self.asked, self.asked.language);
        let name = self.draft.name.clone().unwrap_or_default();
        let title = language.say("Xem lại trước khi ghi nhận", "Look at it before recording");
        let body = html! {
            h1 { (title) }
            p.hint { (name) }
            @if asked.is("unchanged", "1") {
                (notice("good", &html! {
                    (language.say(
                        "Các số này đã được ghi từ trước; không có gì thay đổi.",
                        "These figures were recorded already; nothing changed.",
                    ))
                }))
            }
            @if let Some(problem) = trouble {
                (notice("bad", &html! { (detail(language, problem)) (faults(language, problem)) }))
            }
            @match reading {
                FileReading::Refused(problem) => {
                    (notice(
                        "bad",
                        &html! { (detail(language, problem)) (faults(language, problem)) },
                    ))
                    (self.settings())
                }
                FileReading::Report(read) => (self.report(&read.0, &read.1)),
                FileReading::Workbook(view) => (self.workbook(view)),
            }
            form.noprint method="post" action=(format!("/send/{}", self.id)) {
                (token_field(asked))
                button.link name="action" value="discard" {
                    (language.say("Bỏ tệp này", "Discard this file"))
                }
            }
        };
        WebPage::plain(title, PageSection::Send, body)
    }

    /// Unit and month, where the file does not name them or names the wrong ones.
    fn settings(&self) -> Markup {
        let language = self.asked.language;
        html! {
            form.card.block method="post" action=(format!("/send/{}", self.id)) {
                (token_field(self.asked))
                (settings(self.asked, self.draft.unit.as_deref(), self.draft.period.as_deref()))
                button name="action" value="settings" {
                    (language.say(
                        "Đọc lại với đơn vị và tháng này",
                        "Read again for this unit and month",
                    ))
                }
            }
        }
    }

    fn about(&self, unit: Option<&str>, period: Option<&str>) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let unit = unit.map(|unit| unit_name(state, unit, language)).unwrap_or_default();
        let month = period.and_then(|text| text.parse::<Month>().ok());
        let month = month.map_or_else(String::new, |month| language.month(month));
        html! {
            p { strong { (unit) } @if !month.is_empty() { ", " (month.to_lowercase()) } }
            details {
                summary { (language.say("Đơn vị hoặc tháng chưa đúng?", "Wrong unit or month?")) }
                (self.settings())
            }
        }
    }

    /// Reason and reference, and the button that records.
    fn recording(&self, is_closed: bool, may_record: bool) -> Markup {
        let language = self.asked.language;
        html! {
            div.send {
                label {
                    (language.say("Số hiệu văn bản ", "Reference "))
                    input type="text" name="reference" maxlength="200"
                        value=(self.draft.reference.as_deref().unwrap_or_default());
                }
                label {
                    (language.say("Lý do thay đổi ", "Reason of changes "))
                    input type="text" name="reason" maxlength="1000" required[is_closed]
                        value=(self.draft.reason.as_deref().unwrap_or_default());
                }
                @if !self.draft.is_workbook() {
                    button.button name="action" value="check" formnovalidate {
                        (language.say("Kiểm tra lại", "Check again"))
                    }
                }
                @if may_record {
                    button.main name="action" value="record" {
                        (language.say("Ghi nhận", "Record"))
                    }
                }
            }
        }
    }

    fn findings(&self, findings: &[crate::app::read::findings::FindingView]) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            @if !findings.is_empty() {
                div.notice.fair {
                    h2 { (findings.len()) " " (language.say("mâu thuẫn", "contradictions")) }
                    ul {
                        @for finding in findings {
                            li {
                                b { (named_measure(state, &finding.measure, language)) ": " }
                                (language.say(&finding.detail_vi, &finding.detail))
                            }
                        }
                    }
                }
            }
        }
    }

    fn report(&self, read: &ReadReport, view: &ReportView) -> Markup {
        let language = self.asked.language;
        let taken = view.figures.iter().filter(|one| one.role == "figure" && !one.needs_acceptance);
        let count = taken.count();
        html! {
            (self.about(Some(&view.unit), Some(&view.period)))
            (self.findings(&view.findings))
            @for note in &view.notes {
                (notice("fair", &html! {
                    (language.say(note.detail_vi.as_deref().unwrap_or(&note.detail), &note.detail))
                }))
            }
            @for fault in &view.faults {
                @let detail = fault.detail_vi.as_deref().unwrap_or(&fault.detail);
                @let text = language.say(detail, &fault.detail);
                (notice("bad", &html! { (error_text((&fault.pointer, text), &view.figures)) }))
            }
            form method="post" action=(format!("/send/{}", self.id)) {
                (token_field(self.asked))
                p {
                    (language.say("Sẽ ghi ", "Will record ")) strong { (count) }
                    (language.say(" số: ", " figures: ")) (counts_line(language, &view.counts))
                    (language.say(
                        ". Bỏ chọn số không muốn ghi.",
                        ". Untick what should not be recorded.",
                    ))
                    @if view.closed {
                        " " b {
                            (language.say(
                                "Tháng đã khóa sổ: phải nêu lý do.",
                                "The month is closed: give a reason.",
                            ))
                        }
                    }
                }
                div.two {
                    section.card.text
                        aria-label=(language.say("Nội dung tệp", "Text of the file")) tabindex="0"
                        {
                        (marked(read.text(), view))
                    }
                    section.card aria-label=(language.say("Các số", "Numbers")) {
                        ol.numbers { @for figure in &view.figures { (self.figure(figure)) } }
                        h2 { (language.say("Số chưa lấy", "Numbers not taken")) }
                        ol.numbers { @for number in &view.unclaimed { (self.unclaimed(number)) } }
                        (measure_list(self.asked))
                    }
                }
                (self.recording(view.closed, count > 0))
            }
        }
    }

    fn figure(&self, figure: &ReportFigure) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        let is_figure = figure.role == "figure";
        let id = format!("f-{}", figure.start);
        html! {
            li id=(id) {
                @if is_figure {
                    label {
                        input type="checkbox" name="take" value=(figure.start)
                            checked[!figure.needs_acceptance];
                        " " strong { (language.decimal(figure.value)) }
                        " " (named_measure(state, &figure.measure, language))
                    }
                } @else {
                    (figure.printed) " " (named_measure(state, &figure.measure, language))
                    span.hint {
                        @match figure.role.as_str() {
                            "earlier" =>
                            (language.say(
                                " (tháng trước, chỉ để so sánh)",
                                " (an earlier month, only compared)",
                            ))
                            ,
                            "target" =>
                            (language.say(
                                " (mục tiêu, chỉ để so sánh)",
                                " (a target, only compared)",
                            ))
                            ,
                            _ =>
                            (language.say(
                                " (làm tròn, không ghi)",
                                " (rounded, not recorded)",
                            ))
                            ,
                        }
                    }
                }
                @if figure.pattern == crate::app::reports::BY_HAND {
                    input type="hidden" name=(format!("give:{}", figure.start))
                        value=(figure.measure);
                    span.badge { (language.say("chọn bằng tay", "chosen by hand")) }
                } @else if is_figure && figure.confidence < 0.9 {
                    span.badge.fair {
                        (language.say(
                            "chưa chắc ",
                            "unsure ",
                        ))
                        (language.quantity(figure.confidence * 100.0, "percent"))
                    }
                }
                @if figure.approximate {
                    span.badge.fair { (language.say("số ước", "approximate")) }
                }
                a.hint href=(format!("#n-{}", figure.start)) { " …" (figure.sentence) "…" }
            }
        }
    }

    fn unclaimed(&self, number: &ReportUnclaimed) -> Markup {
        let language = self.asked.language;
        html! {
            li id=(format!("f-{}", number.start)) {
                strong { (number.printed) } " "
                span.hint { (language.say(&number.reason_detail_vi, &number.reason_detail)) }
                " "
                label {
                    span.unseen { (language.say("Chỉ tiêu của số này", "Measure of this number")) }
                    input type="text" list="measures" name=(format!("give:{}", number.start))
                        placeholder=(language.say("gán chỉ tiêu…", "give a measure…"));
                }
                " "
                a.hint href=(format!("#n-{}", number.start)) { "…" (number.sentence) "…" }
            }
        }
    }

    fn workbook(&self, view: &WorkbookView) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            (self.about(view.unit.as_deref(), view.period.as_deref()))
            (self.findings(&view.findings))
            section.card.block {
                h2 { (view.figures.len()) " " (language.say("số sẽ ghi", "figures to record")) }
                p.hint { (counts_line(language, &view.counts)) }
                div.scroll tabindex="0" {
                    table.figures {
                        tbody {
                            @for figure in &view.figures {
                                @let measure = Measure {
                                    code: figure.indicator.clone(),
                                    members: figure.dimensions.clone(),
                                };
                                tr {
                                    td { code { (figure.sheet) "!" (figure.cell) } }
                                    th scope="row" {
                                        (super::parts::measure_name(state, &measure, language))
                                    }
                                    td {
                                        (unit_name(state, &figure.unit, language))
                                        ", " (figure.period)
                                    }
                                    td.number {
                                        (figure.value.map_or_else(
                                            || language.say("rút", "withdrawn").to_owned(),
                                            |value: Statement| language.statement(value),
                                        ))
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if !view.unclaimed.is_empty() {
                details.card.block {
                    summary {
                        (view.unclaimed.len()) " "
                        (language.say(
                            "ô không lấy",
                            "cells that are not taken",
                        ))
                    }
                    ul {
                        @for cell in &view.unclaimed {
                            li {
                                code { (cell.sheet) "!" (cell.cell) } " " (cell.printed) ": "
                                (language.say(
                                    cell.reason_vi.as_deref().unwrap_or(&cell.reason),
                                    &cell.reason,
                                ))
                            }
                        }
                    }
                }
            }
            form method="post" action=(format!("/send/{}", self.id)) {
                (token_field(self.asked))
                (self.recording(false, !view.figures.is_empty()))
            }
        }
    }
}

/// The text of an error with the printed numbers of the figures that its pointer and its text name.
fn error_text((pointer, text): (&str, &str), figures: &[ReportFigure]) -> String {
    const FIGURE: &str = "/figures/";
    let is_of_figure = pointer.starts_with(FIGURE);
    let whole = if is_of_figure { format!("{pointer}: {text}") } else { text.to_owned() };
    let mut parts = whole.split(FIGURE);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        match number.parse::<usize>().ok().and_then(|number| figures.get(number)) {
            Some(figure) => shown.extend(["“", &figure.printed, "”", rest]),
            None => shown.extend([FIGURE, part]),
        }
    }
    shown
}

/// A part of a text, and the number after it: its place, its digits and its class.
type TextPart<'c> = (String, Option<(usize, String, &'c str)>);

/// The text of a report with its numbers marked: taken, unsure, not taken.
fn marked(text: &str, view: &ReportView) -> Markup {
    let figures = view.figures.iter().map(|one| {
        let class = match one.role.as_str() {
            "figure" if one.needs_acceptance => "unsure",
            "figure" => "taken",
            _ => "compared",
        };
        (one.start, one.end, class)
    });
    let others = view.unclaimed.iter().map(|one| (one.start, one.end, "left"));
    let mut marks: Vec<(usize, usize, &str)> = figures.chain(others).collect();
    marks.sort_unstable();
    let letters: Vec<char> = text.chars().collect();
    let slice = |from: usize, to: usize| -> String {
        letters.get(from..to.max(from)).unwrap_or_default().iter().collect()
    };
    let mut parts: Vec<TextPart<'_>> = Vec::new();
    let mut at = 0;
    for (start, end, class) in marks {
        if start < at || end > letters.len() {
            continue;
        }
        parts.push((slice(at, start), Some((start, slice(start, end), class))));
        at = end;
    }
    parts.push((slice(at, letters.len()), None));
    html! {
        @for (before, mark) in &parts {
            (before)
            @if let Some((start, digits, class)) = mark {
                a class={ "mark " (class) } id=(format!("n-{start}")) href=(format!("#f-{start}")) {
                    (digits)
                }
            }
        }
    }
}
