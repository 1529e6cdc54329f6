//! The limits of the service: each with its response and its metric (docs/limits.md).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use egov_kpi::api::access::AccessSettings;
use egov_kpi::api::limits::rates::RateLimit;
use egov_kpi::api::limits::{LimitSettings, MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL};
use egov_kpi::auth::role::Role;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::{Reply, eventually, wait};
use crate::support::{Guarded, Holder, OWN, one};

/// A rate that refills after ten minutes, so that within a test used events stay used.
fn only(count: u32) -> Option<RateLimit> {
    Some(RateLimit { count: NonZeroU32::new(count).unwrap(), period: Duration::from_secs(600) })
}

fn server(limits: LimitSettings) -> Guarded {
    Guarded::bounded(AccessSettings::default(), limits)
}

/// The number of refusals by a limit.
fn refused(by: &Holder, reason: &str) -> u64 {
    let text = by.get("/metrics").text();
    let name = format!("egov_kpi_refused_total{{reason=\"{reason}\"}} ");
    text.lines()
        .find_map(|line| line.strip_prefix(&name)?.parse().ok())
        .unwrap_or_else(|| panic!("{name} is not in {text}"))
}

#[track_caller]
fn too_many(reply: &Reply) {
    let problem = reply.problem(429);
    assert_eq!(problem["type"], "urn:egov-kpi:too-many");
    assert!(
        reply.header("retry-after").parse::<u64>().unwrap() >= 1,
        "{}",
        reply.header("retry-after")
    );
}

#[test]
fn a_key_has_its_own_rate_limit_and_gets_retry_after() {
    let server = server(LimitSettings { key: only(10), ..LimitSettings::default() });
    let (first, second) = (server.holder(Role::Reader, None), server.holder(Role::Reader, None));
    let statuses: Vec<u16> = (0..15).map(|_| first.get("units?limit=1").status).collect();
    assert_eq!(
        (
            statuses.iter().filter(|status| **status == 200).count(),
            statuses.iter().filter(|status| **status == 429).count()
        ),
        (10, 5)
    );
    too_many(&first.get("/prometheus/api/v1/labels"));
    // Writes count as well; another key has its own rate.
    too_many(&first.post(OWN, "2021-10", 1));
    second.get("units?limit=1").expect(200);
    assert_eq!(refused(&second, "rate_key"), 7);
    // A rotated key has the same holder, and so the same rate.
    let id = second.me()["key"].as_str().unwrap().to_owned();
    let rotated = wait(server.app().rotate_key(&id, 1, None, "test")).unwrap();
    let rotated = server.by(&rotated.key);
    let left = (0..10).filter(|_| rotated.get("units?limit=1").status == 200).count();
    assert_eq!(left, 7);
}

#[test]
fn an_address_without_a_key_is_rate_limited_and_health_checks_are_not() {
    let server = server(LimitSettings { address: only(8), ..LimitSettings::default() });
    let reader = server.holder(Role::Reader, None);
    let statuses: Vec<u16> = ["units", "/openapi.json", "/nowhere", "/"]
        .iter()
        .map(|path| server.get(path).status)
        .collect();
    assert_eq!(statuses, [401, 200, 404, 401]);
    (0..4).for_each(|_| drop(server.get("units").problem(401)));
    for path in ["units", "/openapi.json", "/nowhere", "/"] {
        too_many(&server.get(path));
    }
    (0..20).for_each(|_| assert_eq!(server.get("/livez").status, 200));
    assert_eq!(server.get("/readyz").status, 200);
    // A client with a key is not affected by others at the same address.
    (0..20).for_each(|_| drop(reader.get("units?limit=1").expect(200)));
    assert_eq!(refused(&reader, "rate_address"), 4);
}

#[test]
fn behind_a_trusted_proxy_the_forwarded_address_is_limited() {
    let mut access = AccessSettings::default();
    access.forwarding.proxies = vec!["127.0.0.1".parse().unwrap()];
    let server =
        Guarded::bounded(access, LimitSettings { address: only(2), ..LimitSettings::default() });
    let _reader = server.holder(Role::Reader, None);
    let from = |address: &str| {
        server.send("GET", "/openapi.json", &[("x-forwarded-for", address)], None).status
    };
    assert_eq!(
        [from("192.0.2.1"), from("192.0.2.1"), from("192.0.2.1"), from("192.0.2.2")],
        [200, 200, 429, 200]
    );
    // All addresses of one IPv6 network count as one.
    assert_eq!(
        [
            from("2001:db8:1:1::1"),
            from("2001:db8:1:1:2::2"),
            from("2001:db8:1:1:3::3"),
            from("2001:db8:1:2::1")
        ],
        [200, 200, 429, 200]
    );
    // Addresses that a client writes before the entry of the proxy are ignored.
    assert_eq!(from("198.51.100.7, 192.0.2.1"), 429);
}

#[test]
fn failed_sign_ins_are_limited_except_for_known_keys() {
    let server = server(LimitSettings { sign_in: only(4), ..LimitSettings::default() });
    let (used, fresh) = (server.holder(Role::Reader, None), server.holder(Role::Reader, None));
    used.get("units?limit=1").expect(200);
    // A wrong key with a known identifier, and one with an unknown identifier.
    let id = used.me()["key"].as_str().unwrap().to_owned();
    let wrong = [
        server.by(&format!("ek_{id}_{}", "0".repeat(52))),
        server.by("ek_0123456789_0000000000000000000000000000000000000000000000000000"),
    ];
    (0..4).for_each(|n| drop(wrong[n % 2].get("units").problem(401)));
    too_many(&wrong[1].get("units"));
    too_many(&fresh.get("units"));
    // A holder that has signed in from here can continue without limit; a wrong key with its
    // identifier counts as a guess.
    (0..20).for_each(|_| drop(used.get("units?limit=1").expect(200)));
    too_many(&wrong[0].get("units"));
    assert_eq!(refused(&used, "rate_sign_in"), 3);
}

#[test]
fn a_key_keeps_working_at_known_addresses_during_failed_sign_ins() {
    let mut access = AccessSettings::default();
    access.forwarding.proxies = vec!["127.0.0.1".parse().unwrap()];
    let limits = LimitSettings { sign_in: only(3), ..LimitSettings::default() };
    let server = Guarded::bounded(access.clone(), limits.clone());
    let (used, fresh) = (server.holder(Role::Reader, None), server.holder(Role::Reader, None));
    let from = |holder: &Holder, address: &str| {
        holder.send_with("GET", "units?limit=1", &[("x-forwarded-for", address)], None).status
    };
    // An office with two lines: A, then B, then A again.
    assert_eq!(
        [from(&used, "192.0.2.1"), from(&used, "2001:db8::1"), from(&used, "192.0.2.1")],
        [200; 3]
    );
    let guess = server.by("ek_0123456789_0000000000000000000000000000000000000000000000000000");
    for address in ["192.0.2.1", "2001:db8::2", "192.0.2.3"] {
        assert_eq!(
            (0..5).map(|_| from(&guess, address)).collect::<Vec<_>>(),
            [401, 401, 401, 429, 429],
            "{address}"
        );
    }
    for _ in 0..3 {
        // All addresses of an IPv6 network count as one, in every notation.
        for address in [
            "192.0.2.1",
            "2001:db8::ffff",
            "[2001:db8::77]:4711",
            "::ffff:192.0.2.1",
            "192.0.2.1:99",
        ] {
            assert_eq!((from(&used, address), from(&fresh, address)), (200, 429), "{address}");
        }
        assert_eq!(
            (from(&used, "192.0.2.3"), from(&fresh, "192.0.2.4")),
            (429, 200),
            "where it has never worked it is one more try"
        );
    }
    // The last address of a key survives a restart.
    let key = used.key.clone();
    assert_eq!(from(&used, "192.0.2.1"), 200);
    let server = Guarded::start_again(server.stop(), access, limits);
    let (used, guess) = (server.by(&key), server.by(&guess.key));
    assert_eq!((0..4).map(|_| from(&guess, "192.0.2.1")).collect::<Vec<_>>(), [401, 401, 401, 429]);
    assert_eq!(from(&used, "192.0.2.1"), 200);
}

#[test]
fn keys_that_have_ended_count_like_requests_without_a_key() {
    let server =
        server(LimitSettings { address: only(5), sign_in: only(2), ..LimitSettings::default() });
    let (revoked, good) = (server.holder(Role::Reader, None), server.holder(Role::Reader, None));
    let id = revoked.me()["key"].as_str().unwrap().to_owned();
    wait(server.app().revoke_key(&id, "test")).unwrap();
    assert_eq!(
        (0..7).map(|_| revoked.get("units").status).collect::<Vec<_>>(),
        [401, 401, 401, 401, 401, 429, 429]
    );
    good.get("units?limit=1").expect(200);
}

#[test]
fn an_ended_key_does_not_count_as_a_failed_sign_in() {
    let server = server(LimitSettings { sign_in: only(2), ..LimitSettings::default() });
    let (revoked, fresh) = (server.holder(Role::Reader, None), server.holder(Role::Reader, None));
    let id = revoked.me()["key"].as_str().unwrap().to_owned();
    wait(server.app().revoke_key(&id, "test")).unwrap();
    (0..10).for_each(|_| drop(revoked.get("units").problem(401)));
    fresh.get("units?limit=1").expect(200);
}

#[test]
fn nothing_is_counted_before_there_is_a_first_key_nor_when_rates_are_off() {
    let open = server(LimitSettings {
        key: only(1),
        address: only(1),
        sign_in: only(1),
        ..LimitSettings::default()
    });
    (0..20).for_each(|_| {
        assert_eq!((open.get("units?limit=1").status, open.get("/nowhere").status), (200, 404))
    });
    let off = server(LimitSettings {
        key: None,
        address: None,
        sign_in: None,
        ..LimitSettings::default()
    });
    let reader = off.holder(Role::Reader, None);
    for _ in 0..100 {
        assert_eq!(
            (
                reader.get("units?limit=1").status,
                off.get("units").status,
                off.by("ek_0_0").get("units").status
            ),
            (200, 401, 401)
        );
    }
}

#[test]
fn request_heads_are_limited() {
    let server = server(LimitSettings::default());
    let reader = server.holder(Role::Reader, None);
    let long = |length: usize| {
        format!("/api/v1/units?limit={}", "1".repeat(length - "/api/v1/units?limit=".len()))
    };
    reader.get(&long(MAX_URL)).problem(422);
    assert_eq!(reader.get(&long(MAX_URL + 1)).problem(414)["type"], "urn:egov-kpi:too-large");
    // Checked before everything else, even before the key.
    server.get(&long(MAX_URL + 1)).problem(414);
    let names: Vec<String> = (0..MAX_HEADERS).map(|n| format!("x-h{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    reader.send_with("GET", "units?limit=1", &many[..MAX_HEADERS - 20], None).expect(200);
    reader.send_with("GET", "units?limit=1", &many, None).problem(431);
    let large = "x".repeat(MAX_HEADER_BYTES - 1_000);
    reader.send_with("GET", "units?limit=1", &[("x-large", &large)], None).expect(200);
    let large = "x".repeat(MAX_HEADER_BYTES);
    reader.send_with("GET", "units?limit=1", &[("x-large", &large)], None).problem(431);
    assert_eq!(
        [refused(&reader, "url"), refused(&reader, "headers"), refused(&reader, "header_bytes")],
        [2, 1, 1]
    );
    // Beyond the limits of the HTTP library, the library itself refuses.
    let raw = |line: String| server.raw(format!("{line}\r\nhost: x\r\n\r\n").as_bytes());
    assert!(raw(format!("GET {} HTTP/1.1", long(70_000))).starts_with("HTTP/1.1 400 "));
    assert!(raw(format!("GET {} HTTP/1.1", long(200_000))).starts_with("HTTP/1.1 431 "));
    assert!(raw(format!("GET / HTTP/1.1{}", "\r\nx: y".repeat(200))).starts_with("HTTP/1.1 431 "));
}

/// Zeros, compressed a thousandfold.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..mib).for_each(|_| encoder.write_all(&[0; 1 << 20]).unwrap());
    encoder.finish().unwrap()
}

#[test]
fn the_body_limit_applies_before_and_after_decompression() {
    let server = server(LimitSettings::default());
    let admin = server.holder(Role::Admin, None);
    let bearer = format!("Bearer {}", admin.key);
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let all =
            [&[("authorization", bearer.as_str()), ("content-type", "application/json")], headers]
                .concat();
        server.send("POST", "observations", &all, Some(body))
    };
    let body = one(OWN, "2021-10", 1).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let zipped = encoder.finish().unwrap();
    post(&[("content-encoding", "gzip")], &zipped).expect(201);
    post(&[("content-encoding", "gzip")], &bomb(33)).problem(413);
    // Compressed twice: the inner data is not JSON.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&bomb(64)).unwrap();
    let nested = encoder.finish().unwrap();
    post(&[("content-encoding", "gzip")], &nested).problem(400);
    post(&[("content-encoding", "gzip, gzip")], &nested).problem(415);
    post(&[("content-encoding", "br")], &zipped).problem(415);
    post(&[("content-encoding", "gzip")], body.as_bytes()).problem(400);
    post(&[], &zipped).problem(400);
    post(&[], &vec![b' '; (32 << 20) + 1]).problem(413);
    // Without a length the body is read up to the limit.
    let head = format!(
        "POST /api/v1/observations HTTP/1.1\r\n\
         host: x\r\n\
         authorization: {bearer}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunk =
        [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat();
    let answer = server.raw(&[head.into_bytes(), chunk.repeat(33)].concat());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{}", &answer[..answer.len().min(200)]);
    // The limit of a PromQL form is lower.
    let form = format!("query=1%2B1&x={}", "x".repeat(1 << 20));
    let asked =
        [("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    server.send("POST", "/prometheus/api/v1/query", &asked, Some(form.as_bytes())).expect(400);
    assert_eq!(refused(&admin, "body"), 4);
    assert_eq!(server.app().revision().get(), 4, "catalogue, units, the key, one submission");
}

/// Sends the beginning of a request; returns what the server sends until it closes.
fn begun(server: &Guarded, bytes: &[u8]) -> (String, Duration) {
    let mut stream = TcpStream::connect(&server.host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let (began, mut answer) = (Instant::now(), Vec::new());
    stream.read_to_end(&mut answer).unwrap();
    (String::from_utf8(answer).unwrap(), began.elapsed())
}

#[test]
fn an_incomplete_request_times_out() {
    let mut limits = LimitSettings::default();
    limits.patience.grace = Duration::from_secs(1);
    let server = server(limits);
    let reporter = server.holder(Role::Admin, None);
    let head = |method: &str, key: &str| {
        format!(
            "{method} /api/v1/observations HTTP/1.1\r\n\
             host: x\r\n\
             authorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{"
        )
    };
    // A body that stops, from a sender with permission.
    let (answer, took) = begun(&server, head("POST", &reporter.key).as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 408 ")
            && answer.contains("application/problem+json")
            && answer.contains("connection: close"),
        "{answer}"
    );
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(refused(&reporter, "body_time"), 1);
    // Without permission, or where no body belongs, it is not read, and the connection is closed.
    for (method, key, status) in [("POST", "ek_0_0", "401"), ("GET", reporter.key.as_str(), "200")]
    {
        let (answer, took) = begun(&server, head(method, key).as_bytes());
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                && answer.contains("connection: close"),
            "{answer}"
        );
        assert!(took < Duration::from_secs(12), "{took:?}");
    }
    // A body without a length that never ends is not read forever either.
    for (method, key, status) in [("POST", "ek_0_0", "401"), ("GET", reporter.key.as_str(), "200")]
    {
        let head = head(method, key)
            .replace("content-length: 1000\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n");
        let mut stream = TcpStream::connect(&server.host).unwrap();
        let began = Instant::now();
        stream.write_all(head.as_bytes()).unwrap();
        while stream
            .write_all(&[b"1000\r\n".to_vec(), vec![b' '; 0x1000], b"\r\n".to_vec()].concat())
            .is_ok()
        {
            assert!(began.elapsed() < Duration::from_secs(15), "{method} is still read");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut answer = [0; 12];
        drop(stream.read_exact(&mut answer)); // it may be gone with what was still on its way
        assert!(
            answer == [0; 12] || answer.ends_with(status.as_bytes()),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // A request head that stops.
    let (answer, took) = begun(&server, b"GET /livez HTTP/1.1\r\nhost:");
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && took < Duration::from_secs(18),
        "{took:?} {answer}"
    );
}

/// A server with 20 MiB for all requests; one holder gets half of it.
fn small_pool() -> Guarded {
    let wait = Duration::from_millis(100);
    server(LimitSettings {
        memory: 80 << 20,
        wait,
        large_wait: wait,
        document_wait: wait,
        ..LimitSettings::default()
    })
}

/// A connection on which a holder has sent part of a body of 9 MiB.
fn unfinished_body(server: &Guarded, by: &Holder, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&server.host).unwrap();
    let head = format!(
        "POST /api/v1/observations HTTP/1.1\r\n\
         host: x\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        by.key,
        9 << 20
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; bytes]).unwrap();
    stream
}

/// A number from the metrics of the service.
fn gauge(by: &Holder, name: &str) -> u64 {
    let text = by.get("/metrics").text();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("{name} is not in {text}"))
}

#[test]
fn bodies_use_the_memory_budget_and_one_owner_cannot_use_all() {
    let server = small_pool();
    let (admin, other) = (server.holder(Role::Admin, None), server.holder(Role::Admin, None));
    let large = json!({ "observations": [], "reason": "x".repeat(11 << 20) });
    let reply = admin.send("POST", "observations", Some(&large));
    assert_eq!(
        (reply.problem(503)["type"].as_str(), reply.header("retry-after")),
        (Some("urn:egov-kpi:memory"), "2")
    );
    assert_eq!(admin.post(OWN, "2021-10", 1).status, 201);
    assert_eq!(refused(&admin, "memory"), 1);
    // The memory is released.
    assert_eq!(gauge(&admin, "egov_kpi_memory_bytes{kind=\"body\"}"), 0);
    let fits = json!({ "observations": [], "reason": "x".repeat(1_900_000) });
    (0..10).for_each(|_| drop(admin.send("POST", "observations", Some(&fits)).problem(422)));
    // While one holder uses its half, others continue.
    let slow = unfinished_body(&server, &admin, 8 << 20);
    eventually("read", Duration::from_secs(15), || {
        gauge(&other, "egov_kpi_memory_bytes{kind=\"body\"}") >= 8 << 20
    });
    admin.send("POST", "observations", Some(&fits)).problem(503);
    let large_enough = json!({ "observations": [], "reason": "x".repeat(300 << 10) });
    other.send("POST", "observations?dry_run=true", Some(&large_enough)).problem(422);
    assert_eq!(other.post(OWN, "2021-11", 1).status, 201);
    drop(slow);
    eventually("given back", Duration::from_secs(15), || {
        gauge(&other, "egov_kpi_memory_bytes{kind=\"body\"}") == 0
    });
}

#[test]
fn documents_and_queries_wait_for_memory() {
    let server = small_pool();
    let (admin, other) = (server.holder(Role::Admin, None), server.holder(Role::Admin, None));
    let slow = unfinished_body(&server, &admin, 8 << 20);
    eventually("read", Duration::from_secs(15), || {
        gauge(&other, "egov_kpi_memory_bytes{kind=\"body\"}") >= 8 << 20
    });
    let bearer = format!("Bearer {}", admin.key);
    for (path, media) in [
        ("reports", "text/plain"),
        ("workbooks", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", media)];
        assert_eq!(
            admin.api.send("POST", path, &headers, Some(b"x")).problem(503)["type"],
            "urn:egov-kpi:memory"
        );
    }
    let page = "series?descendants_of=travinh&measure=ioffice.documents.outgoing&from=1980-01&\
                to=2021-12&limit=20000";
    assert_eq!(admin.get(page).problem(503)["type"], "urn:egov-kpi:memory");
    other.get(page).expect(200);
    admin.get("series?unit=travinh&measure=ioffice.documents.outgoing&last=12").expect(200);
    assert_eq!(refused(&other, "memory"), 3);
    drop(slow);
    eventually("given back", Duration::from_secs(15), || admin.get(page).status == 200);
    assert_eq!(gauge(&admin, "egov_kpi_memory_bytes{kind=\"response\"}"), 0);
}

#[test]
fn large_bodies_have_a_limit_of_values() {
    let server = server(LimitSettings::default());
    let admin = server.holder(Role::Admin, None);
    let bearer = format!("Bearer {}", admin.key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for path in ["units", "catalogue", "targets", "annotations"] {
        server
            .send("PUT", path, &headers, Some(format!("[{}0]", "0,".repeat(2_000_000)).as_bytes()))
            .problem(413);
    }
    assert_eq!(refused(&admin, "values"), 4);
    // An accepted large body is recorded like any other.
    let padded = format!("{}{}", one(OWN, "2021-10", 1), " ".repeat(1 << 20));
    server.send("POST", "observations", &headers, Some(padded.as_bytes())).expect(201);
    server.send("POST", "observations?dry_run=true", &headers, Some(padded.as_bytes())).expect(200);
    assert_eq!(
        admin.get(&format!("observations?unit={OWN}")).expect(200)["observations"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn queries_are_limited_by_permits() {
    let server = server(LimitSettings {
        turns: 0,
        wait: Duration::from_millis(50),
        ..LimitSettings::default()
    });
    let reader = server.holder(Role::Reader, None);
    let path = "series?measure=ioffice.documents.signed_rate&children_of=travinh&period=2021-10";
    assert_eq!(reader.get(path).problem(503)["type"], "urn:egov-kpi:busy");
    // Fast requests need no permit, such as a ranking of a few units.
    reader.get("me").expect(200);
    let few = "ranking?measure=ioffice.documents.signed_rate&parent=travinh&period=2021-10";
    reader.get(few).expect(200);
    assert_eq!(refused(&reader, "turn"), 1);
}

#[test]
fn connections_above_the_limit_are_closed() {
    let server = server(LimitSettings { connections_of_one: 5, ..LimitSettings::default() });
    let reader = server.holder(Role::Reader, None);
    assert_eq!(refused(&reader, "connections"), 0); // its connection is kept: one of the five
    let ask = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut found = [0; 12];
        let sent = stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .and_then(|()| stream.read_exact(&mut found));
        sent.is_ok().then(|| String::from_utf8_lossy(&found).into_owned())
    };
    let mut open: Vec<TcpStream> =
        (0..4).map(|_| TcpStream::connect(&server.host).unwrap()).collect();
    for stream in &mut open {
        assert_eq!(ask(stream).as_deref(), Some("HTTP/1.1 200"));
    }
    assert_eq!(ask(&mut TcpStream::connect(&server.host).unwrap()), None);
    assert_eq!(refused(&reader, "connections"), 1);
    assert!(reader.get("/metrics").text().contains("egov_kpi_connections 5"));
    drop(open);
    eventually("closed", Duration::from_secs(15), || {
        reader.get("/metrics").text().contains("egov_kpi_connections 1\n")
    });
    assert_eq!(
        ask(&mut TcpStream::connect(&server.host).unwrap()).as_deref(),
        Some("HTTP/1.1 200")
    );
}

#[test]
fn a_query_above_a_limit_is_counted_under_that_limit() {
    let server = server(LimitSettings::default());
    let admin = server.holder(Role::Admin, None);
    let series = "series?measure=ioffice.documents.outgoing&unit=travinh";
    admin.get(&format!("{series}&from=1950-01&to=2021-12")).problem(422);
    admin.get("units?limit=1000000").problem(422);
    admin.get(&format!("units?{}", "code=x&".repeat(2_501))).problem(422);
    admin
        .get(&format!("{series}&from=2021-01&to=2021-02{}", "&unit=travinh".repeat(1_001)))
        .problem(422);
    let figures: Vec<_> = (0..50_001).map(|_| json!({})).collect();
    admin.send("POST", "observations", Some(&json!({ "observations": figures }))).problem(422);
    let ask = |query: &str| admin.get(&format!("/prometheus/api/v1/query?query={query}")).status;
    assert_eq!(ask(&"(".repeat(300)), 400);
    for (reason, count) in [
        ("span", 1),
        ("page", 1),
        ("parameters", 1),
        ("entries", 1),
        ("batch", 1),
        ("promql_size", 1),
    ] {
        assert_eq!(refused(&admin, reason), count, "{reason}");
    }
}

#[test]
fn every_refusal_reason_of_the_metric_is_documented() {
    let server = server(LimitSettings::default());
    let text = server.get("/metrics").text();
    let documentation = include_str!("../../docs/limits.md");
    let reasons: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("egov_kpi_refused_total{reason=\"")?.split('"').next())
        .collect();
    assert!(reasons.len() > 15, "{text}");
    for reason in reasons {
        assert!(
            documentation.contains(&format!("`{reason}`")),
            "{reason} is missing in docs/limits.md"
        );
    }
}
