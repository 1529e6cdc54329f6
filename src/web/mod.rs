//! The web pages, rendered on the server. They load nothing from other hosts, so that they work
//! without internet.

use actix_web::{HttpResponse, web};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::api::{HandlerResult, ServiceContext};
use crate::app::state::State;
use kpi::catalogue::Direction;
use kpi::period::Month;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1b2733}h1{margin:0}\
p.lead{margin-top:.2rem;color:#4a5a68}table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.25rem 1rem .25rem 0;vertical-align:top}\
td.n{font-variant-numeric:tabular-nums;text-align:right}code{background:#eef2f5;padding:.1rem .3rem;border-radius:3px}a{color:#0b5cad}";

/// Registers the routes of the pages.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(landing));
}

/// The landing page: what the service is, its current state, and links.
async fn landing(context: web::Data<ServiceContext>) -> HandlerResult {
    let numbers = context.app().ok().map(|app| {
        let state = app.state();
        [
            ("Đơn vị", "Units", state.units.len().to_string()),
            ("Chỉ tiêu", "Indicators", state.catalogue.indicators.len().to_string()),
            ("Chỉ số đánh giá", "Kpis", state.catalogue.kpis.len().to_string()),
            ("Số liệu hiện hành", "Current figures", state.cube.len().to_string()),
            ("Mâu thuẫn", "Findings", state.standing.len().to_string()),
            ("Lần sửa đổi mới nhất", "Newest revision", state.revision.to_string()),
        ]
    });
    let provinces = context.app().ok().map(|app| provinces(&app.state())).unwrap_or_default();
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page(numbers, &provinces).into_string()))
}

/// Most units without a parent that the page lists.
const MOST: usize = 70;

/// A unit without a parent that has figures.
struct ProvinceSummary {
    code: String,
    name: String,
    /// The newest month with figures; not a month of which only the first reports have arrived.
    month: Month,
    /// The first kpi with a direction other than neutral, used for the link to the ranking of its
    /// children.
    ranked: Option<String>,
}

fn provinces(state: &State) -> Vec<ProvinceSummary> {
    let ranked = state
        .catalogue
        .kpis
        .iter()
        .find(|kpi| kpi.direction != Direction::Neutral)
        .map(|kpi| kpi.code.clone());
    let province = |root: usize| {
        let unit = state.units.get(root)?;
        let name = unit.document.shown().to_owned();
        Some(ProvinceSummary {
            code: unit.document.code.clone(),
            name,
            month: state.newest_whole(state.units.subtree(root))?,
            ranked: ranked.clone(),
        })
    };
    state.units.roots().filter_map(province).take(MOST).collect()
}

fn page(numbers: Option<[(&str, &str, String); 6]>, provinces: &[ProvinceSummary]) -> Markup {
    let links = [
        ("/docs/", "Tài liệu và dùng thử API", "API documentation and test"),
        ("/api/v1/openapi.json", "Mô tả OpenAPI", "OpenAPI document"),
        ("/api/v1/units", "Các đơn vị", "Units"),
        ("/api/v1/indicators", "Các chỉ tiêu được báo cáo", "Reported indicators"),
        ("/api/v1/kpis", "Các chỉ số đánh giá được tính", "Computed kpis"),
        ("/api/v1/findings", "Những chỗ số liệu mâu thuẫn", "Where figures contradict each other"),
        (
            "/api/v1/observations?format=csv&limit=10000",
            "Số liệu đã ghi (CSV)",
            "Recorded figures (CSV)",
        ),
        (
            "/api/v1/revisions?format=csv&limit=1000",
            "Lịch sử thay đổi (CSV)",
            "History of changes: who, when, why (CSV)",
        ),
        ("/api/v1/periods", "Các tháng đã khóa", "Closed months"),
        ("/api/v1/ledger", "Tình trạng của sổ cái", "State of the ledger"),
        (
            "/metrics/figures",
            "Số liệu mới nhất cho Prometheus",
            "The newest figures for Prometheus",
        ),
        ("/metrics", "Tình trạng của dịch vụ", "State of the service"),
    ];
    html! {
        (DOCTYPE)
        html lang="vi" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { "egov-kpi" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "egov-kpi" }
                p.lead { "Số liệu chính quyền điện tử hằng tháng, thành xu hướng tin cậy được." br; "Monthly e-government figures, as trends people can trust." }
                @match numbers {
                    Some(numbers) => table {
                        @for (vi, en, number) in &numbers { tr { td { (vi) } td { (en) } td.n { (number) } } }
                    },
                    None => p { "Đang nạp số liệu… · The ledger is being loaded…" },
                }
                @if !provinces.is_empty() {
                    table {
                        @for ProvinceSummary { code, name, month, ranked } in provinces {
                            tr {
                                td { (name) " " (month.to_string()) }
                                td { a href={ "/api/v1/scorecard?unit=" (code) "&period=" (month.to_string()) "&format=xlsx" } { "Bảng điểm · Scorecard" } }
                                @if let Some(kpi) = ranked {
                                    td { a href={ "/api/v1/ranking?measure=" (kpi) "&parent=" (code) "&period=" (month.to_string()) "&format=xlsx" } { "Xếp hạng · Ranking" } }
                                }
                                td { a href={ "/api/v1/completeness?parent=" (code) "&period=" (month.to_string()) "&format=xlsx" } { "Ai đã báo cáo · Who has reported" } }
                                td { a href={ "/api/v1/quality?unit=" (code) "&format=xlsx" } { "Cần xem lại · To be reviewed" } }
                            }
                        }
                    }
                }
                table {
                    @for (address, vi, en) in &links { tr { td { a href=(address) { (vi) } } td { (en) } } }
                }
                p { "Phiên bản " (env!("CARGO_PKG_VERSION")) }
            }
        }
    }
}
