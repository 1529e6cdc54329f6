//! The style sheet, the script and the icon of the pages. They are part of the program; their
//! addresses contain a hash of their content, so that browsers keep them for good.

use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

use crate::api::{HandlerResult, Problem};

/// A file that pages load.
pub struct PageAsset {
    name: String,
    media: &'static str,
    content: &'static str,
}

/// The style sheet.
pub static STYLE: LazyLock<PageAsset> =
    LazyLock::new(|| PageAsset::new("style", "css", "text/css", include_str!("assets/style.css")));
/// The script.
pub static SCRIPT: LazyLock<PageAsset> = LazyLock::new(|| {
    PageAsset::new("pages", "js", "text/javascript", include_str!("assets/pages.js"))
});
/// The icon.
pub static ICON: LazyLock<PageAsset> = LazyLock::new(|| {
    PageAsset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg"))
});

impl PageAsset {
    fn new(stem: &str, extension: &str, media: &'static str, content: &'static str) -> Self {
        let hash = Sha256::digest(content);
        let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{short}.{extension}"), media, content }
    }

    /// Its address.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/assets/{}", self.name)
    }

    fn response(&self, lasts: &'static str) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, lasts))
            .content_type(format!("{}; charset=utf-8", self.media))
            .body(self.content)
    }
}

/// An asset by its name. Of an earlier version, the current one is given: a page that stays open
/// over an upgrade keeps its looks.
pub async fn get(name: web::Path<String>) -> HandlerResult {
    let stem = name.split('-').next().unwrap_or_default();
    let known = [&*STYLE, &*SCRIPT, &*ICON];
    if let Some(asset) = known.into_iter().find(|asset| asset.name == *name) {
        return Ok(asset.response("public, max-age=31536000, immutable"));
    }
    let current = known.into_iter().find(|asset| asset.name.split('-').next() == Some(stem));
    let named = || Problem::no_such_route(&format!("/assets/{name}"));
    current.map(|asset| asset.response("no-cache")).ok_or_else(named)
}

/// The icon at the address that browsers ask for by themselves.
pub async fn favicon() -> HandlerResult {
    Ok(ICON.response("public, max-age=86400"))
}
