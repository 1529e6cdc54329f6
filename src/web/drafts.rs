//! The drafts of a person: what she has entered or uploaded and not sent yet.

use maud::{Markup, html};

use super::parts::{entry_link, unit_name};
use super::request::PageRequest;
use crate::app::drafts::ListedDraft;
use crate::clock::{TimestampMicros, time_text};
use kpi::period::Month;

/// The drafts of a person, as links to continue.
#[must_use]
pub fn draft_list(asked: &PageRequest, drafts: &[ListedDraft]) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let place = |draft: &ListedDraft| {
        if let Some(id) = draft.code.strip_prefix("send/") {
            let name = name_of_draft(&draft.head);
            let name = name.unwrap_or_else(|| language.say("Tệp", "A file").to_owned());
            return Some((format!("/send/{id}"), name));
        }
        let (unit, month) = draft.code.strip_prefix("entry/")?.rsplit_once('/')?;
        let month: Month = month.parse().ok()?;
        let name = unit_name(state, unit, language);
        Some((entry_link(unit, month), format!("{name}, {}", language.month(month).to_lowercase())))
    };
    let links: Vec<(String, String, TimestampMicros)> = drafts
        .iter()
        .filter_map(|draft| place(draft).map(|(link, name)| (link, name, draft.saved_at)))
        .collect();
    html! {
        @if !links.is_empty() {
            details.card.block.noprint #drafts {
                summary {
                    (language.say("Bản nháp chưa gửi: ", "Drafts that are not sent: "))
                    (links.len())
                }
                ul {
                    @for (link, name, saved_at) in &links {
                        li {
                            a href=(link) { (name) } " "
                            span.hint { (saved_text(asked, *saved_at)) }
                        }
                    }
                }
            }
        }
    }
}

/// The name of the file of a draft, from the beginning of its document.
fn name_of_draft(head: &str) -> Option<String> {
    let rest = head.strip_prefix("{\"name\":")?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Option<String>>();
    values.next()?.ok()?
}

/// When a draft was saved, as people say it.
#[must_use]
pub fn saved_text(asked: &PageRequest, saved_at: TimestampMicros) -> String {
    let time = asked.language.time(&time_text(saved_at), asked.zone());
    format!("{} {time}", asked.language.say("Đã lưu nháp lúc", "Draft saved at"))
}
