//! The reference that `benches/run` measures the service against: the same figures in plain arrays,
//! the same addresses, the same bytes of JSON. Nothing else is kept: no history, no coverage, no
//! rights; every sum is made anew for each request.
//!
//!     plain UNITS.json FIGURES.csv INDICATORS.json REVISION HASH [READY_MADE]
//!     plain log FILE                      a log with group commit that takes submissions
//!     plain insert FIGURES.csv DATABASE   inserts into a bare SQLite table; prints the seconds
//!     plain select LEDGER.db              reads all figures of a ledger; prints the seconds
//!
//! INDICATORS.json is the response of `GET /api/v1/indicators`. REVISION and HASH are written into
//! responses. READY_MADE is a file that `GET /ready-made` sends. The first line on standard output
//! is the address.

mod figures;
mod json;
mod log;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::io;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use figures::Figures;
use futures_util::stream;

/// The same allocator as in the service.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many bytes of a ready-made file are sent at once.
const PIECE: usize = 64 << 10;

/// All that is served.
struct Served {
    figures: Figures,
    ready_made: Bytes,
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["log", file] => serve_log(log::open(file)?).await?,
        #[cfg(feature = "sqlite")]
        ["insert", figures, database] => println!("{}", sqlite::insert(figures, database)?),
        #[cfg(feature = "sqlite")]
        ["select", ledger] => println!("{}", sqlite::select(ledger)?),
        [units, figures, indicators, revision, hash, more @ ..] => {
            let figures = Figures::read(units, figures, indicators, revision, hash)?;
            let ready_made = match more.first() {
                Some(file) => std::fs::read(file)?.into(),
                None => Bytes::new(),
            };
            serve(figures, ready_made).await?;
        }
        _ => return Err(io::Error::other("wrong arguments: the beginning of main.rs has them")),
    }
    Ok(())
}

async fn serve(figures: Figures, ready_made: Bytes) -> io::Result<()> {
    let served = Data::new(Served { figures, ready_made });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(served.clone())
            .route("/livez", web::get().to(async || "ok"))
            .route("/api/v1/series", web::get().to(series))
            .route("/api/v1/ranking", web::get().to(ranking))
            .route("/ready-made", web::get().to(ready_made_file))
    })
    .workers(2)
    .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

async fn serve_log(queue: log::Queue) -> io::Result<()> {
    let server = HttpServer::new(move || {
        App::new().app_data(Data::new(queue.clone())).route("/submit", web::post().to(log::submit))
    })
    .workers(2)
    .bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await
}

/// A response of JSON, or 400 when something asked for is not there.
fn answer(body: Option<Vec<u8>>) -> HttpResponse {
    match body {
        Some(body) => HttpResponse::Ok().content_type("application/json").body(body),
        None => HttpResponse::BadRequest().finish(),
    }
}

async fn series(request: HttpRequest, served: Data<Served>) -> HttpResponse {
    let (mut measure, mut units, mut from, mut to) = (None, Vec::new(), None, None);
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        match name.as_ref() {
            "measure" => measure = Some(value),
            "unit" => units.push(value),
            "from" => from = figures::month(&value),
            "to" => to = figures::month(&value),
            _ => {}
        }
    }
    let answered = || json::series(&served.figures, &measure?, &units, from?, to?);
    answer(answered())
}

async fn ranking(request: HttpRequest, served: Data<Served>) -> HttpResponse {
    let (mut measure, mut parent, mut period) = (None, None, None);
    for (name, value) in form_urlencoded::parse(request.query_string().as_bytes()) {
        match name.as_ref() {
            "measure" => measure = Some(value),
            "parent" => parent = Some(value),
            "period" => period = figures::month(&value),
            _ => {}
        }
    }
    let answered = || json::ranking(&served.figures, &measure?, &parent?, period?);
    answer(answered())
}

async fn ready_made_file(served: Data<Served>) -> HttpResponse {
    let whole = served.ready_made.clone();
    let pieces = (0..whole.len())
        .step_by(PIECE)
        .map(move |start| io::Result::Ok(whole.slice(start..whole.len().min(start + PIECE))));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .streaming(stream::iter(pieces))
}
