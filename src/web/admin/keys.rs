//! Keys: issuing, rotating and revoking them.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::api_keys::{IssuedKey, KeyExpiry, KeyView, NewKey, OVERLAP_DAYS};
use crate::auth::api_keys::document::KeyState;
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::language::PageLanguage;
use crate::web::layout::{PageSection, WebPage, private, token_field};
use crate::web::parts::{notice, unit_list, unit_name};
use crate::web::request::{FormFields, PageRequest};

/// The roles, as forms offer them.
const ROLES: [Role; 4] = [Role::Reporter, Role::Reader, Role::Steward, Role::Admin];
/// Keys that end within this many days are marked.
const ENDS_SOON: i64 = 30;

/// The page.
///
/// # Errors
/// Those of the store.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let page = page(&context, &asked, Ok(None), &FormFields::default()).await?;
    Ok(private(&asked, &page))
}

/// Issues, rotates or revokes a key. A new key is shown once, on the page that this returns.
///
/// # Errors
/// Those of the form and of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let done = change(&context, &fields, &asked).await;
    let done = mendable(done)?;
    // What was typed stays until it is accepted.
    let typed = if done.is_ok() { FormFields::default() } else { fields };
    let page = page(&context, &asked, done.as_ref().map(Option::as_ref), &typed).await?;
    Ok(private(&asked, &page))
}

async fn change(
    context: &Data<ServiceContext>,
    fields: &FormFields,
    asked: &PageRequest,
) -> Result<Option<IssuedKey>, Error> {
    let app = context
        .app()
        .map_err(|_loading| Error::Busy("the ledger is being loaded; retry later".to_owned()))?;
    let by = asked.identity.clone();
    if let Some(id) = fields.text("revoke") {
        app.revoke_key(id, by).await?;
        return Ok(None);
    }
    let expires = fields.text("expires").map(str::parse::<KeyExpiry>).transpose();
    let expires = expires.map_err(|detail| Error::fault("/expires", "malformed", detail))?;
    if let Some(id) = fields.text("rotate") {
        return app.rotate_key(id, OVERLAP_DAYS, expires, by).await.map(Some);
    }
    let role = ROLES.into_iter().find(|role| fields.text("role") == Some(&role.to_string()));
    let new = NewKey {
        name: fields.text("name").unwrap_or_default().to_owned(),
        role: role.unwrap_or(Role::Reader),
        unit: fields.text("unit").map(str::to_owned),
        expires,
    };
    app.add_key(new, by).await.map(Some)
}

async fn page(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    done: Result<Option<&IssuedKey>, &Problem>,
    typed: &FormFields,
) -> Result<WebPage, Problem> {
    let language = asked.language;
    let app = context.app()?.clone();
    let (_, keys) = context.compute(move || app.keys()).await?;
    let title = language.say("Khóa truy cập", "Keys");
    let body = html! {
        (back(asked))
        h1 { (title) }
        (outcome(asked, done.err()))
        @if let Ok(Some(issued)) = done {
            (notice("good", &html! {
                p {
                    (language.say(
                        "Khóa mới, chỉ hiện một lần này; hãy chép và giao cho người dùng:",
                        "The new key, shown only this once; copy it and hand it over:",
                    ))
                }
                p { code.secret #secret { (issued.key) } }
            }))
        }
        (form(asked, typed))
        (list(asked, &keys))
    };
    Ok(WebPage::plain(title, PageSection::Admin, body))
}

fn role_name(language: PageLanguage, role: Role) -> &'static str {
    match role {
        Role::Reader => language.say("chỉ xem", "reader"),
        Role::Reporter => language.say("báo cáo của một đơn vị", "reporter of a unit"),
        Role::Steward => language.say("điều phối", "steward"),
        Role::Admin => language.say("quản trị", "admin"),
    }
}

fn form(asked: &PageRequest, typed: &FormFields) -> Markup {
    let language = asked.language;
    let value = |name: &str| typed.text(name).unwrap_or_default().to_owned();
    html! {
        form.card.block method="post" action="/admin/keys" {
            (token_field(asked))
            h2 { (language.say("Cấp khóa", "Issue a key")) }
            div.pair {
                label {
                    (language.say(
                        "Tên người dùng ",
                        "Name of the holder ",
                    ))
                    input type="text" name="name" required maxlength="100" value=(value("name"));
                }
                label {
                    (language.say("Vai trò ", "Role "))
                    select name="role" {
                        @for role in ROLES {
                            option value=(role) selected[value("role") == role.to_string()] {
                                (role_name(language, role))
                            }
                        }
                    }
                }
                label {
                    (language.say("Đơn vị ", "Unit "))
                    input type="text" name="unit" list="units" value=(value("unit"))
                        placeholder=(language.say("chỉ với vai trò báo cáo", "reporters only"));
                }
                label {
                    (language.say("Hết hạn ", "Expires "))
                    input type="date" name="expires" value=(value("expires"));
                }
            }
            (unit_list(asked))
            button.main { (language.say("Cấp", "Issue")) }
        }
    }
}

fn list(asked: &PageRequest, keys: &[KeyView]) -> Markup {
    let language = asked.language;
    let soon = asked.snapshot.day() + chrono::Duration::days(ENDS_SOON);
    let time = |text: &Option<String>| {
        text.as_deref().map_or_else(|| "–".to_owned(), |text| language.time(text, asked.zone()))
    };
    html! {
        section.card.block {
            div.scroll tabindex="0" {
                table.figures {
                    thead {
                        tr {
                            th scope="col" { (language.say("Tên", "Name")) }
                            th scope="col" { (language.say("Vai trò", "Role")) }
                            th scope="col" { (language.say("Đơn vị", "Unit")) }
                            th scope="col" { (language.say("Tình trạng", "State")) }
                            th scope="col" { (language.say("Dùng lần cuối", "Last used")) }
                            th scope="col" { (language.say("Hết hạn", "Expires")) }
                            th scope="col" { span.unseen { (language.say("Thao tác", "Actions")) } }
                        }
                    }
                    tbody {
                        @for key in keys {
                            tr {
                                th scope="row" { (key.name) " " code.hint { (key.id) } }
                                td { (role_name(language, key.role)) }
                                td {
                                    @if let Some(unit) = &key.unit {
                                        (unit_name(asked.state(), unit, language))
                                    }
                                }
                                td { (state_name(language, key.state)) }
                                td { (time(&key.last_used_at)) }
                                td {
                                    (time(&key.expires_at))
                                    @if ends_soon(key, soon) {
                                        " " span.badge.fair { (language.say("sắp hết", "soon")) }
                                    }
                                }
                                td {
                                    @if key.state == KeyState::Active {
                                        form.inline method="post" action="/admin/keys" {
                                            (token_field(asked))
                                            button.link name="rotate" value=(key.id) {
                                                (language.say("Đổi", "Rotate"))
                                            }
                                            button.link.bad name="revoke" value=(key.id) {
                                                (language.say("Thu hồi", "Revoke"))
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn state_name(language: PageLanguage, state: KeyState) -> &'static str {
    match state {
        KeyState::Active => language.say("đang dùng", "active"),
        KeyState::Expired => language.say("hết hạn", "expired"),
        KeyState::Revoked => language.say("đã thu hồi", "revoked"),
        KeyState::Unauthenticated => language.say("chưa xác thực", "not authenticated"),
    }
}

fn ends_soon(key: &KeyView, soon: chrono::NaiveDate) -> bool {
    let ends =
        key.expires_at.as_deref().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    key.state == KeyState::Active && ends.is_some_and(|ends| ends.date_naive() <= soon)
}
