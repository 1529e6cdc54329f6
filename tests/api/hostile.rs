//! Random bytes to every endpoint with a body or query: the service never fails and only gives
//! documented responses.

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use crate::harness::{REPORT, Reply, Server, encoded};

/// The endpoints with a body: method, path, media type, and a valid body.
const READERS: [(&str, &str, &str, &str); 10] = [
    (
        "POST",
        "observations",
        "application/json",
        concat!(
            r#"{"source":{"kind":"x"},"reason":"r","#,
            r#""observations":[{"indicator":"ioffice.documents.outgoing","dimensions":{},"#,
            r#""unit":"travinh","period":"2021-10","value":"1"}]}"#,
        ),
    ),
    ("POST", "observations?dry_run=true", "text/csv", REPORT),
    (
        "PUT",
        "units?dry_run=true",
        "application/json",
        concat!(
            r#"{"units":[{"code":"x","kind":"agency","name":{"vi":"x","en":"x"},"#,
            r#""parent":"travinh","valid_from":"2020-01-01","valid_to":null,"successors":[],"#,
            r#""official_codes":[{"code":"1"}],"shares":{"x":1}}]}"#,
        ),
    ),
    (
        "PUT",
        "catalogue?dry_run=true",
        "application/json",
        concat!(
            r#"{"systems":[],"dimensions":[{"code":"d","name":{"vi":"d","en":"d"},"#,
            r#""members":[]}],"indicators":[],"kpis":[{"code":"a.b","name":{"vi":"x","en":"x"},"#,
            r#""formula":"a.c / prev(a.d) ?? 1","unit_of_measure":"percent","#,
            r#""direction":"higher"}],"rules":[],"targets":[],"expectations":[]}"#,
        ),
    ),
    (
        "PUT",
        "targets?dry_run=true",
        "application/json",
        concat!(
            r#"{"targets":[{"code":"t","measure":"ioffice.documents.signed_rate","value":"80","#,
            r#""unit":"travinh","from":"2021-01"}]}"#,
        ),
    ),
    (
        "PUT",
        "annotations?dry_run=true",
        "application/json",
        r#"{"annotations":[{"code":"a","from":"2021-01","text":{"vi":"x","en":"x"}}]}"#,
    ),
    ("POST", "periods/2021-10/reopen", "application/json", r#"{"reason":"x"}"#),
    (
        "POST",
        "keys",
        "application/json",
        r#"{"name":"x","role":"nobody","unit":null,"expires_at":"2030-01-01"}"#,
    ),
    ("POST", "keys/none/rotate", "application/json", r#"{"overlap_days":1,"expires_at":null}"#),
    (
        "POST",
        "/prometheus/api/v1/query_range",
        "application/x-www-form-urlencoded",
        "query=sum(egov_ioffice_documents_outgoing%7Bunit%3D%22travinh%22%7D)&start=1&end=2&step=1",
    ),
];

/// All statuses that such a request may get; 500 is not among them.
const DOCUMENTED: [u16; 9] = [200, 201, 400, 404, 409, 413, 415, 422, 503];

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

fn judge(what: &str, reply: Result<Reply, ureq::Error>) -> Result<(), TestCaseError> {
    let reply =
        reply.map_err(|error| TestCaseError::fail(format!("{what}: not answered: {error}")))?;
    prop_assert!(DOCUMENTED.contains(&reply.status), "{what}: {} {}", reply.status, reply.text());
    if reply.status >= 400 && !what.contains("/prometheus/") {
        prop_assert_eq!(reply.header("content-type"), "application/problem+json", "{}", what);
    }
    // 503 would be a timeout, and none of these requests takes long.
    prop_assert!(reply.status != 503, "{what}: {}", reply.text());
    Ok(())
}

/// Random bytes, or a valid body with some places changed, truncated, or nested in itself.
fn body(taken: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let place = any::<prop::sample::Index>();
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[\\[\\]{}\",:;\\\\eE+.0-9u-]{0,6}".prop_map(String::into_bytes),
        prop::sample::select(vec![
            "null",
            "[]",
            "{}",
            "1e999",
            "-0",
            "\"\\ud800\"",
            "99999999999999999999",
            "\u{feff}",
            "\r\n",
            "true"
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
    ];
    let changed =
        proptest::collection::vec((place.clone(), place, piece), 1..5).prop_map(move |changes| {
            let mut bytes = taken.as_bytes()[..taken.len().min(4_000)].to_vec();
            for (from, length, piece) in changes {
                let from = from.index(bytes.len() + 1);
                let to = (from + length.index(12)).min(bytes.len());
                bytes.splice(from..to, piece);
            }
            bytes
        });
    let nested =
        (0..400_usize, "[\\[{(\"]").prop_map(|(depth, sign)| sign.repeat(depth).into_bytes());
    prop_oneof![2 => proptest::collection::vec(any::<u8>(), 0..600), 5 => changed, 1 => nested]
}

#[test]
fn no_bytes_make_a_reader_of_bodies_fail() {
    for (method, path, media, taken) in READERS {
        let strategy =
            (body(taken), prop::sample::select(vec!["", "gzip", "deflate"]), any::<u8>());
        let config = Config { cases: 60, max_shrink_iters: 200, ..Config::default() };
        proptest!(config, |((bytes, coding, chance) in strategy)| {
            let mut headers = vec![("content-type", media)];
            if chance < 40 && !coding.is_empty() {
                headers.push(("content-encoding", coding));
            }
            let answer = server().try_send(method, path, &headers, Some(&bytes));
            judge(&format!("{method} {path}"), answer)?;
        });
    }
    // Their lasting changes must not concern the data of the service itself.
    server().read("units?limit=1");
}

#[test]
fn no_text_makes_a_reader_of_queries_fail() {
    let word = prop_oneof![
        "\\PC{0,40}",
        "[a-z_]{1,12}(\\{[a-z]{0,4}(=|!=|=~|!~)?\"?.{0,6}\"?\\}?)?( ?[-+*/%^] ?|\\[|\\]|\\(|\\)|,| \
         or | by )?[a-z0-9(]{0,10}",
        prop::sample::select(vec![
            "2021-10",
            "2021-Q3",
            "-1",
            "0",
            "99999999999999999999",
            "travinh",
            "9m",
            "true",
            "1~2~3",
            "null",
            "NaN",
            "2199-12",
            "1900-01"
        ])
        .prop_map(ToOwned::to_owned),
    ];
    let names = [
        "measure",
        "unit",
        "from",
        "to",
        "last",
        "step",
        "as_of",
        "geography",
        "cursor",
        "limit",
        "parent",
        "period",
        "query",
        "time",
        "start",
        "end",
        "match[]",
    ];
    let pairs = proptest::collection::vec((prop::sample::select(names.to_vec()), word), 0..7);
    let paths = [
        "series",
        "ranking",
        "scorecard",
        "findings",
        "completeness",
        "quality",
        "observations",
        "units",
        "revisions",
        "targets",
        "/prometheus/api/v1/query",
        "/prometheus/api/v1/query_range",
        "/prometheus/api/v1/series",
        "/metrics/figures",
    ];
    let config = Config { cases: 500, max_shrink_iters: 200, ..Config::default() };
    proptest!(config, |(path in prop::sample::select(paths.to_vec()), pairs in pairs)| {
        let query: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let path = format!("{path}?{}", query.join("&"));
        judge(&format!("GET {path}"), server().try_send("GET", &path, &[], None))?;
    });
}

#[test]
fn a_catalogue_nests_as_deep_as_any_json_and_its_formulas_as_deep_as_their_bound() {
    let deep = format!("{{\"indicators\":{}{}}}", "[".repeat(200), "]".repeat(200));
    server()
        .send(
            "PUT",
            "catalogue?dry_run=true",
            &[("content-type", "application/json")],
            Some(deep.as_bytes()),
        )
        .problem(400);
    for (formula, taken) in [
        ("(".repeat(33) + "1" + &")".repeat(33), false),
        ("-".repeat(5_000), false),
        ("prev(".repeat(33) + "1" + &")".repeat(33), false),
    ] {
        let mut catalogue = server().read("catalogue");
        catalogue["kpis"][0]["formula"] = formula.clone().into();
        let reply = server().put("catalogue?dry_run=true", &catalogue);
        assert_eq!(reply.status == 200, taken, "{formula}: {}", reply.text());
        assert!(
            reply.faults(422).iter().any(|fault| fault.contains("/kpis/0/formula")),
            "{}",
            reply.text()
        );
    }
}
