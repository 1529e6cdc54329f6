//! Patterns from the figures of reports that people have chosen by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::catalogue::{version_field, version_seen};
use super::{back, is_mendable, mendable, outcome};
use crate::api::access::identity;
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::reports::{FigureByHand, ReportFigure, ReportReadAgain, with_pattern};
use crate::app::write::catalogue::NewCatalogue;
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{measure_list, named_measure, notice, unit_name};
use crate::web::request::{FormFields, PageRequest};
use kpi::catalogue::{Catalogue, CatalogueDocument};
use kpi::measure::Measure;
use kpi::period::Period;

/// Most figures on the page.
const MAX_LISTED: usize = 100;
/// Most numbers of a preview.
const MAX_DIFFERENT: usize = 50;

/// What a person has typed for the pattern of a figure, and what came of it.
#[derive(Default)]
struct GivenPattern<'g> {
    fields: FormFields,
    preview: Option<PatternPreview>,
    trouble: Option<&'g Problem>,
}

/// How the reports of a period are read with the pattern.
struct PatternPreview {
    /// Whether the report of the number could be read again.
    is_read: bool,
    /// Whether the number becomes a figure of the measure.
    is_taken: bool,
    /// Each number that is read in another way: unit, number, sentence, measure before and after.
    different: Vec<DifferentNumber>,
}

/// A number that is read in another way than before.
struct DifferentNumber {
    unit: String,
    printed: String,
    sentence: String,
    before: Option<String>,
    after: Option<String>,
}

/// The page.
///
/// # Errors
/// Those of the store.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let figures = figures(&context, &asked).await?;
    Ok(private(&asked, &page(&asked, &figures, &GivenPattern::default())))
}

async fn figures(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
) -> Result<Vec<FigureByHand>, Problem> {
    let snapshot = asked.snapshot.clone();
    context.compute(move || snapshot.figures_by_hand()).await
}

/// Tries a pattern on the reports of the period, or adds it to the catalogue.
///
/// # Errors
/// 404 for a figure that nobody has chosen by hand, and those of the form and of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let figures = figures(&context, &asked).await?;
    let figure = figures.iter().find(|figure| is_about(&fields, figure)).ok_or_else(|| {
        Problem::from(Error::NotFound("nobody has chosen this figure by hand".to_owned()))
    })?;
    let sure = fields.text("action") == Some("record");
    let measure = Measure::parse(fields.text("measure").unwrap_or_default());
    let done = match measure {
        Err(detail) => Err(Error::fault("/measure", "malformed", detail)),
        Ok(measure) => {
            let phrase = fields.text("phrase").unwrap_or_default();
            let standing = &asked.state().catalogue.document;
            let document = with_pattern(standing, &figure.pattern_code(), &measure, phrase);
            let made_from = Some(version_seen(&asked, &fields));
            let new = NewCatalogue { document, made_from, dry_run: !sure };
            let done = context.app()?.put_catalogue(new, identity(&request)?, None).await;
            done.map(|given| (measure, given.answer))
        }
    };
    let previewed = match mendable(done)? {
        Ok((_measure, answer)) if sure => {
            let revision = answer.revision;
            return Ok(see_other(&format!("/admin/patterns?done=1&min_revision={revision}")));
        }
        Ok((measure, answer)) => preview(&context, &asked, figure, &measure, answer.document).await,
        Err(problem) => Err(problem),
    };
    let (preview, problem) = match previewed {
        Ok(preview) => (Some(preview), None),
        Err(problem) if is_mendable(&problem) => (None, Some(problem)),
        Err(problem) => return Err(problem),
    };
    let given = GivenPattern { fields, preview, trouble: problem.as_ref() };
    Ok(private(&asked, &page(&asked, &figures, &given)))
}

/// Whether a form is about a figure.
fn is_about(fields: &FormFields, figure: &FigureByHand) -> bool {
    fields.text("submission") == Some(&figure.submission)
        && fields.text("start") == Some(&figure.figure.start.to_string())
}

/// Reads the report of the figure, and others of its period, with and without the pattern.
async fn preview(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    figure: &FigureByHand,
    measure: &Measure,
    document: CatalogueDocument,
) -> Result<PatternPreview, Problem> {
    let (app, snapshot) = (context.app()?.clone(), asked.snapshot.clone());
    let (figure, measure) = (figure.clone(), measure.to_string());
    context
        .compute(move || {
            let tried = Arc::new(Catalogue::new(document).map_err(Error::Invalid)?);
            let read = |catalogue: &Arc<Catalogue>| {
                app.read_again(&snapshot, catalogue, &figure.period, Some(&figure))
            };
            let (before, after) = (read(&snapshot.state().catalogue)?, read(&tried)?);
            let own = after.iter().find(|report| report.submission == figure.submission);
            let is_number =
                |one: &ReportFigure| one.start == figure.figure.start && one.measure == measure;
            let is_taken = own.is_some_and(|own| own.figures.iter().any(is_number));
            let of_same = |before: &ReportReadAgain| {
                let same = after.iter().find(|after| after.submission == before.submission);
                same.map(|after| different(before, after)).unwrap_or_default()
            };
            let different = before.iter().flat_map(of_same).take(MAX_DIFFERENT).collect();
            Ok::<_, Error>(PatternPreview { is_read: own.is_some(), is_taken, different })
        })
        .await
}

/// The numbers of a report that two readings read in different ways.
fn different(before: &ReportReadAgain, after: &ReportReadAgain) -> Vec<DifferentNumber> {
    let by_place = |report: &ReportReadAgain| -> BTreeMap<usize, (String, String, Option<String>)> {
        let figures = report.figures.iter().map(|one| {
            let read = Some(one.measure.clone());
            (one.start, (one.printed.clone(), one.sentence.clone(), read))
        });
        let others = report.unclaimed.iter();
        let others =
            others.map(|one| (one.start, (one.printed.clone(), one.sentence.clone(), None)));
        figures.chain(others).collect()
    };
    let (before, after_places) = (by_place(before), by_place(after));
    let changed = after_places.into_iter().filter_map(|(start, (printed, sentence, after))| {
        let before = before.get(&start).and_then(|(_, _, measure)| measure.clone());
        (before != after).then_some((printed, sentence, before, after))
    });
    changed
        .map(|(printed, sentence, before, measure)| DifferentNumber {
            unit: after.unit.clone(),
            printed,
            sentence,
            before,
            after: measure,
        })
        .collect()
}

fn page(asked: &PageRequest, figures: &[FigureByHand], given: &GivenPattern<'_>) -> WebPage {
    let language = asked.language;
    let title = language.say("Số chọn bằng tay", "Figures chosen by hand");
    let body = html! {
        (back(asked))
        h1 { (title) }
        (outcome(asked, given.trouble))
        p.hint {
            (language.say(
                "Khi gửi báo cáo, cán bộ đã gán các số này cho chỉ tiêu bằng tay. Thêm mẫu câu vào \
                 danh mục thì lần sau hệ thống tự nhận. {value} là chỗ của số; .. là tối đa 3 từ, \
                 ... là tối đa 8 từ bất kỳ.",
                "Officers have given these numbers their measures by hand. With a pattern in the \
                 catalogue, the service finds them by itself the next time. {value} is the place \
                 of the number, .. are up to 3 further words, ... up to 8.",
            ))
        }
        @if figures.is_empty() {
            p.notice {
                (language.say(
                    "Chưa có số nào được chọn bằng tay trong các báo cáo mới nhất.",
                    "No figure of the newest reports was chosen by hand.",
                ))
            }
        }
        @for figure in figures.iter().take(MAX_LISTED) { (form(asked, figure, given)) }
        @if figures.len() > MAX_LISTED { p.hint { "+" (figures.len() - MAX_LISTED) } }
        (measure_list(asked))
    };
    WebPage::plain(title, PageSection::Admin, body)
}

fn form(asked: &PageRequest, figure: &FigureByHand, given: &GivenPattern<'_>) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let is_asked = is_about(&given.fields, figure);
    let typed = |name: &str, otherwise: String| {
        given.fields.text(name).filter(|_| is_asked).map_or(otherwise, str::to_owned)
    };
    let code = figure.pattern_code();
    let is_known = state.catalogue.document.patterns.iter().any(|known| known.code == code);
    let period = figure.period.parse::<Period>();
    let period = period.map_or_else(|_| figure.period.clone(), |period| language.period(period));
    html! {
        form.card.block method="post" action="/admin/patterns" {
            (token_field(asked))
            (version_field(asked))
            input type="hidden" name="submission" value=(figure.submission);
            input type="hidden" name="start" value=(figure.figure.start);
            p {
                a href=(format!("/receipts/{}", figure.submission)) {
                    (unit_name(state, &figure.unit, language)) ", " (period.to_lowercase())
                }
                ": " strong { (language.decimal(figure.figure.value)) } " "
                (named_measure(state, &figure.figure.measure, language)) " "
                @if is_known {
                    span.badge.good { (language.say("đã thành mẫu câu", "has a pattern")) }
                }
            }
            p { q.hint { (figure.figure.sentence) } }
            div.pair {
                label {
                    (language.say("Chỉ tiêu ", "Measure "))
                    input type="text" name="measure" list="measures" required
                        value=(typed("measure", figure.figure.measure.clone()));
                }
                label {
                    (language.say("Mẫu câu ", "Phrase "))
                    input type="text" name="phrase" required maxlength="500"
                        value=(typed("phrase", figure.phrase()));
                }
            }
            @if let Some(preview) = given.preview.as_ref().filter(|_| is_asked) {
                (previewed(asked, preview))
            }
            @if asked.may(Role::Steward) {
                div.actions {
                    button name="action" value="preview" {
                        (language.say("Thử trên báo cáo", "Try on the reports"))
                    }
                    @if given.preview.as_ref().is_some_and(|preview| is_asked && preview.is_taken) {
                        button.main name="action" value="record" {
                            (language.say("Thêm mẫu câu", "Add the pattern"))
                        }
                    }
                }
            }
        }
    }
}

fn previewed(asked: &PageRequest, preview: &PatternPreview) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let named = |measure: &Option<String>| {
        measure.as_ref().map_or_else(
            || language.say("không lấy", "not taken").to_owned(),
            |measure| named_measure(state, measure, language),
        )
    };
    let verdict = if preview.is_taken {
        language.say("Mẫu này nhận đúng số trên.", "The pattern finds the number above.")
    } else if !preview.is_read {
        language.say(
            "Không đọc lại được báo cáo của số trên, nên chưa thử được mẫu.",
            "The report of the number above cannot be read again, so the pattern cannot be tried.",
        )
    } else {
        language.say(
            "Mẫu này chưa nhận được số trên: hãy sửa mẫu.",
            "The pattern does not find the number above: change it.",
        )
    };
    html! {
        (notice(if preview.is_taken { "good" } else { "fair" }, &html! {
            p { (verdict) }
            @if !preview.different.is_empty() {
                p {
                    (language.say(
                        "Các số được đọc khác trước trong báo cáo cùng kỳ:",
                        "Numbers in the reports of the period that are read in another way:",
                    ))
                }
                ul {
                    @for one in &preview.different {
                        li {
                            (unit_name(state, &one.unit, language)) ": " strong { (one.printed) }
                            " " (named(&one.before)) " → " (named(&one.after)) " "
                            q.hint { (one.sentence) }
                        }
                    }
                }
            }
        }))
    }
}
