//! The receipt of a submission: to print, to correct, to withdraw.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data, Path};
use maud::{Markup, html};

use super::layout::{PageSection, WebPage, private, see_other, token_field};
use super::parts::{counts_line, entry_link, measure_name, notice, unit_name};
use super::request::{FormFields, PageRequest};
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::read::observations::{FigureQuery, ObservationView};
use crate::app::read::past_submissions::PastReceipt;
use crate::auth::role::Role;
use crate::error::Error;
use kpi::measure::Measure;
use kpi::period::Month;

/// Most figures on the page.
const MAX_FIGURES: usize = 2_000;

/// The receipt.
///
/// # Errors
/// 404 for an unknown submission.
pub async fn get(
    request: HttpRequest,
    context: Data<ServiceContext>,
    id: Path<String>,
) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let snapshot = asked.snapshot.clone();
    let (receipt, figures) = context
        .compute(move || {
            let receipt = snapshot.receipt(&id)?;
            let figures = snapshot.figures(&FigureQuery {
                submission: Some(id.into_inner()),
                history: true,
                limit: MAX_FIGURES,
                ..FigureQuery::default()
            })?;
            Ok::<_, Error>((receipt, figures.observations))
        })
        .await?;
    let page = ReceiptPage { asked: &asked, receipt: &receipt, figures: &figures };
    Ok(private(&asked, &page.page()))
}

/// Withdraws the submission.
///
/// # Errors
/// Those of the form and of the withdrawal.
pub async fn withdraw(
    request: HttpRequest,
    context: Data<ServiceContext>,
    id: Path<String>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    if !fields.is_ticked("sure") {
        return Err(Problem::parameter(
            "sure",
            "missing",
            "tick that the figures are to be withdrawn",
        ));
    }
    let reason = fields.text("reason").map(str::to_owned);
    let given = context.app()?.withdraw(&id, reason, &asked.identity, None).await?.answer;
    match (&given.submission, given.revision) {
        (Some(withdrawal), Some(revision)) => {
            Ok(see_other(&format!("/receipts/{withdrawal}?min_revision={revision}")))
        }
        _ => Ok(see_other(&format!("/receipts/{id}?nothing=1"))),
    }
}

struct ReceiptPage<'a> {
    asked: &'a PageRequest,
    receipt: &'a PastReceipt,
    figures: &'a [ObservationView],
}

impl ReceiptPage<'_> {
    fn page(&self) -> WebPage {
        let (asked, language, receipt) = (self.asked, self.asked.language, self.receipt);
        let is_withdrawal = receipt.withdraws.is_some();
        let title = if is_withdrawal {
            language.say("Biên nhận rút số liệu", "Receipt of a withdrawal")
        } else {
            language.say("Biên nhận số liệu", "Receipt of figures")
        };
        let body = html! {
            @if asked.is("nothing", "1") {
                (notice("fair", &html! {
                    (language.say(
                        "Không còn số nào của lần gửi này đang được dùng; không có gì thay đổi.",
                        "No figure of this submission is current any more; nothing changed.",
                    ))
                }))
            }
            h1 { (title) }
            (self.facts())
            (self.table())
            (self.findings())
            p.signature {
                (language.say("Người gửi (ký, ghi rõ họ tên)", "Sender (signature and name)"))
            }
            (self.actions())
        };
        let mut page = WebPage::plain(title, PageSection::Entry, body);
        page.sources.push(("JSON", format!("{API}/submissions/{}", receipt.submission)));
        page
    }

    fn facts(&self) -> Markup {
        let (language, receipt) = (self.asked.language, self.receipt);
        let counts = &receipt.counts;
        html! {
            section.card.block {
                dl {
                    dt {
                    (language.say(
                        "Lần gửi",
                        "Submission",
                    ))
                    } dd { code { (receipt.submission) } }
                    dt { (language.say("Lúc", "When")) }
                    dd { (language.time(&receipt.recorded_at, self.asked.zone())) }
                    dt { (language.say("Người gửi", "Sender")) } dd { (receipt.actor) }
                    @if let Some(reason) = &receipt.reason {
                        dt { (language.say("Lý do", "Reason")) } dd { (reason) }
                    }
                    @if let Some(reference) = &receipt.source.reference {
                        dt { (language.say("Số hiệu, tên tệp", "Reference")) } dd { (reference) }
                    }
                    @if let Some(withdraws) = &receipt.withdraws {
                        dt { (language.say("Rút lần gửi", "Withdraws")) }
                        dd { a href=(format!("/receipts/{withdraws}")) { (withdraws) } }
                    }
                    dt { (language.say("Kết quả", "Result")) }
                    dd {
                        (counts_line(language, counts))
                    }
                    dt { (language.say("Lần sửa đổi", "Revision")) }
                    dd { (receipt.revision) " " code.hash { (receipt.revision_hash) } }
                }
            }
        }
    }

    fn table(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            section.card.block {
                div.scroll tabindex="0" {
                    table.figures {
                        thead {
                            tr {
                                th scope="col" { (language.say("Đơn vị", "Unit")) }
                                th scope="col" { (language.say("Tháng", "Month")) }
                                th scope="col" { (language.say("Chỉ tiêu", "Measure")) }
                                th.number scope="col" { (language.say("Số đã ghi", "Recorded")) }
                            }
                        }
                        tbody {
                            @for figure in self.figures {
                                @let measure = Measure {
                                    code: figure.indicator.clone(),
                                    members: figure.dimensions.clone(),
                                };
                                tr {
                                    td { (unit_name(state, &figure.unit, language)) }
                                    td { (figure.period.parse::<Month>().map_or_else(
                                        |_| figure.period.clone(),
                                        |month| language.short_month(month),
                                    )) }
                                    th scope="row" { (measure_name(state, &measure, language)) }
                                    td.number {
                                        @if let Some(value) = figure.value {
                                            (language.statement(value))
                                        }
                                        @else { (language.say("rút lại", "withdrawn")) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn findings(&self) -> Markup {
        let (language, state) = (self.asked.language, self.asked.state());
        html! {
            @if !self.receipt.findings.is_empty() {
                section.card.block {
                    h2 {
                        (language.say("Mâu thuẫn khi ghi", "Contradictions when it was recorded"))
                    }
                    ul {
                        @for finding in &self.receipt.findings {
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

    fn actions(&self) -> Markup {
        let (asked, language, receipt) = (self.asked, self.asked.language, self.receipt);
        let first = self.figures.first();
        let correct = first.and_then(|figure| {
            let month = figure.period.parse::<Month>().ok()?;
            Some(entry_link(&figure.unit, month))
        });
        html! {
            div.actions {
                button.button type="button" data-print hidden {
                    (language.say("In biên nhận", "Print"))
                }
                @if asked.may(Role::Reporter) {
                    @if let Some(correct) = correct {
                        a.button href=(correct) {
                            (language.say("Sửa số liệu", "Correct the figures"))
                        }
                    }
                }
            }
            @if asked.may(Role::Reporter) && receipt.withdraws.is_none() {
                details.card.block.noprint {
                    summary { (language.say("Rút lần gửi này", "Withdraw this submission")) }
                    form method="post" action=(format!("/receipts/{}", receipt.submission)) {
                        (token_field(asked))
                        label for="reason" { (language.say("Lý do", "Reason")) }
                        input #reason type="text" name="reason" maxlength="1000";
                        label {
                            input type="checkbox" name="sure" value="1" required;
                            " " (language.say(
                                "Rút mọi số của lần gửi này còn đang được dùng; các ô đó sẽ trống, \
                                 số cũ không trở lại",
                                "Withdraw all figures of this submission that are still current; \
                                 they are empty then, earlier figures do not return",
                            ))
                        }
                        button.danger { (language.say("Rút", "Withdraw")) }
                    }
                }
            }
        }
    }
}
