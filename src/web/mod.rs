//! The web pages, rendered on the server (`docs/pages.md`). They load nothing from other hosts, and
//! work without scripts, which only add comfort.
//!
//! | file | contents |
//! |---|---|
//! | `request.rs` | what a page is asked for; the fields of a form and their token |
//! | `language.rs` | words and numbers in Vietnamese and English |
//! | `layout.rs`, `parts.rs` | the frame of every page, and parts that several pages have |
//! | `drafts.rs` | the list of a person's drafts |
//! | `browser.rs` | errors as pages, the cookie of the language |
//! | `sign_in.rs`, `sign_on.rs` | signing in with a key and at the single sign-on, signing out |
//! | `assets.rs` | style sheet, script, icon |
//! | `overview.rs`, `system.rs`, `ranking.rs`, `history.rs`, `units.rs` | for leaders |
//! | `entry.rs`, `send.rs`, `receipt.rs` | for officers |
//! | `reporting.rs`, `admin.rs` | for those who keep the figures in order |
//! | `guide.rs` | the guides |

mod admin;
mod assets;
pub mod browser;
mod drafts;
mod entry;
mod guide;
mod history;
mod language;
mod layout;
mod overview;
mod parts;
mod ranking;
mod receipt;
mod reporting;
mod request;
mod send;
mod sign_in;
mod sign_on;
mod system;
mod units;

use actix_web::web;

/// Registers the routes of the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(overview::first))
        .route("/assets/{name}", web::get().to(assets::get))
        .route("/favicon.ico", web::get().to(assets::favicon))
        .service(
            web::resource("/sign-in")
                .route(web::get().to(sign_in::get))
                .route(web::post().to(sign_in::post)),
        )
        .route("/sign-in/oidc", web::get().to(sign_on::begin))
        .route("/sign-in/oidc/callback", web::get().to(sign_on::callback))
        .route("/sign-out", web::post().to(sign_in::end))
        .route("/overview", web::get().to(overview::get))
        .route("/units", web::get().to(units::get))
        .route("/systems/{system}", web::get().to(system::get))
        .route("/ranking", web::get().to(ranking::get))
        .route("/history", web::get().to(history::get))
        .route("/history.svg", web::get().to(history::picture))
        .route("/reporting", web::get().to(reporting::get))
        .route("/reporting/remarks", web::post().to(reporting::remark))
        .service(
            web::resource("/entry")
                .route(web::get().to(entry::get))
                .route(web::post().to(entry::post)),
        )
        .route("/entry/check", web::post().to(entry::post_check))
        .route("/entry/send", web::post().to(entry::post_send))
        .route("/entry/reopening", web::post().to(entry::post_reopening))
        .service(
            web::resource("/send")
                .route(web::get().to(send::get))
                .route(web::post().to(send::post)),
        )
        .service(
            web::resource("/send/{draft}")
                .route(web::get().to(send::get_draft))
                .route(web::post().to(send::post_draft)),
        )
        .service(
            web::resource("/receipts/{submission}")
                .route(web::get().to(receipt::get))
                .route(web::post().to(receipt::withdraw)),
        )
        .configure(admin_routes)
        .route("/guide", web::get().to(guide::list))
        .route("/guide/{name}", web::get().to(guide::get));
}

fn admin_routes(config: &mut web::ServiceConfig) {
    config
        .route("/admin", web::get().to(admin::get))
        .service(
            web::resource("/admin/closing")
                .route(web::get().to(admin::closing::get))
                .route(web::post().to(admin::closing::post)),
        )
        .service(
            web::resource("/admin/units")
                .route(web::get().to(admin::units::get))
                .route(web::post().to(admin::units::post)),
        )
        .route("/admin/units/merge", web::post().to(admin::units::merge))
        .service(
            web::resource("/admin/catalogue")
                .route(web::get().to(admin::catalogue::get))
                .route(web::post().to(admin::catalogue::post)),
        )
        .route("/admin/catalogue/restore", web::post().to(admin::catalogue::restore))
        .service(
            web::resource("/admin/patterns")
                .route(web::get().to(admin::patterns::get))
                .route(web::post().to(admin::patterns::post)),
        )
        .service(
            web::resource("/admin/targets")
                .route(web::get().to(admin::targets::get))
                .route(web::post().to(admin::targets::post)),
        )
        .service(
            web::resource("/admin/keys")
                .route(web::get().to(admin::keys::get))
                .route(web::post().to(admin::keys::post)),
        )
        .route("/admin/audit", web::get().to(admin::audit));
}
