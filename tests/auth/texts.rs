//! Recorded texts: invisible characters are refused, and a blank text counts as absent.

use egov_kpi::auth::role::Role;
use serde_json::{Value, json};

use crate::harness::encoded;
use crate::support::{Guarded, Holder, OWN, one};

/// Zero width, direction marks and overrides, fillers, tags, variation selectors, line separators,
/// control characters.
const HIDDEN: [char; 14] = [
    '\u{200B}',
    '\u{200D}',
    '\u{200E}',
    '\u{202E}',
    '\u{2066}',
    '\u{2060}',
    '\u{FEFF}',
    '\u{AD}',
    '\u{61C}',
    '\u{3164}',
    '\u{E0041}',
    '\u{FE0F}',
    '\u{2028}',
    '\u{1}',
];

/// The pointers of the errors of a 422; each error must have both languages.
#[track_caller]
fn places(reply: &crate::harness::Reply, what: &str) -> Vec<String> {
    assert_eq!(reply.status, 422, "{what}: {}", reply.text());
    let problem = reply.problem(422);
    let faults = problem["errors"].as_array().unwrap();
    for error in faults {
        assert!(
            matches!(
                error["code"].as_str(),
                Some("invisible_character" | "control_character" | "malformed")
            ),
            "{what}: {error}"
        );
        assert!(
            error["detail"].as_str().unwrap().contains("U+")
                && error["detail_vi"].as_str().unwrap().contains("U+"),
            "{what}: {error}"
        );
    }
    faults.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

fn with(source: Value, reason: &str) -> Value {
    let mut body = one(OWN, "2021-10", 1);
    body["source"] = source;
    body["reason"] = json!(reason);
    body
}

#[test]
fn invisible_characters_are_never_recorded() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let catalogue = admin.get("catalogue").expect(200);
    let revision = server.app().revision();
    for hidden in HIDDEN {
        let text = format!("Điều{hidden} chỉnh");
        let named = encoded(&text);
        let body = with(json!({ "kind": text, "reference": text }), &text);
        let mut found = places(&admin.send("POST", "observations", Some(&body)), "a submission");
        found.sort();
        assert_eq!(found, ["/reason", "/source/kind", "/source/reference"]);
        let csv =
            format!("indicator,unit,period,value\nioffice.documents.outgoing,{OWN},2021-10,1\n");
        let bearer = format!("Bearer {}", admin.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
        let reply = server.send(
            "POST",
            &format!("observations?reason={named}"),
            &headers,
            Some(csv.as_bytes()),
        );
        assert_eq!(places(&reply, "a reason in the query"), ["/reason"]);
        assert_eq!(
            places(
                &admin.send(
                    "POST",
                    "periods/2019-01/close?force=true",
                    Some(&json!({ "reason": text }))
                ),
                "a closing"
            ),
            ["/reason"]
        );
        assert_eq!(
            places(
                &admin.send(
                    "POST",
                    &format!("periods/2019-01/close?force=true&reason={named}"),
                    None
                ),
                "a closing"
            ),
            ["/reason"]
        );
        assert_eq!(
            places(
                &admin.send("POST", "keys", Some(&json!({ "name": text, "role": "reader" }))),
                "a key"
            ),
            ["/name"]
        );
        let unit = json!({ "units": [
            { "code": "new", "name": { "vi": text, "en": "x" }, "aliases": [] },
            { "code": "other", "name": { "vi": "x", "en": text } },
        ] });
        let unit: Value = serde_json::from_str(
            &unit.to_string().replace(",\"aliases\":[]", "").replace("\"aliases\":[],", ""),
        )
        .unwrap();
        assert_eq!(
            places(&admin.send("PUT", "units", Some(&unit)), "units"),
            ["/units/0/name/vi", "/units/1/name/en"]
        );
        let mut changed = catalogue.clone();
        changed["indicators"][0]["name"]["vi"] = json!(text);
        changed["kpis"][0]["name"]["en"] = json!(text);
        assert_eq!(
            places(&admin.send("PUT", "catalogue", Some(&changed)), "a catalogue"),
            ["/indicators/0/name/vi", "/kpis/0/name/en"]
        );
        let annotation = json!({ "annotations": [{
            "code": "a", "unit": OWN, "from": "2021-10", "text": text,
        }] });
        let reply = admin.send("PUT", "annotations", Some(&annotation));
        assert!(
            reply.status == 422 && reply.text().contains("/annotations/0/text"),
            "{}",
            reply.text()
        );
    }
    assert_eq!(server.app().revision(), revision);
    // All visible characters are recorded as they are.
    let body = with(
        json!({ "reference": "Báo cáo 10/2021 – “lần 2” ✔" }),
        "Nguye\u{302}\u{303}n: đếm lại\nhai lần",
    );
    admin.send("POST", "observations", Some(&body)).expect(201);
}

#[test]
fn an_invisible_reason_counts_as_missing() {
    let server = Guarded::new();
    let steward = server.holder(Role::Steward, None);
    let newest = |holder: &Holder| {
        holder.get("revisions?limit=500").expect(200)["revisions"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()["reason"]
            .clone()
    };
    let mut body = one(OWN, "2021-10", 0);
    body["reason"] = json!(" vì ");
    steward.send("POST", "observations", Some(&body)).expect(201);
    assert_eq!(newest(&steward), " vì ");
    for (value, blank) in (1..).zip([
        "",
        " ",
        "\u{200B}",
        "\u{A0}\u{3000}",
        "\u{FEFF}\u{202E} ",
        "\t\n",
        "\u{3164}\u{2800}",
    ]) {
        let mut body = one(OWN, "2021-10", value);
        body["reason"] = json!(blank);
        steward.send("POST", "observations", Some(&body)).expect(201);
        assert_eq!(newest(&steward), Value::Null, "{blank:?}");
    }
    steward
        .send("POST", "periods/2021-10/close?force=true", Some(&json!({ "reason": "\u{200B}" })))
        .expect(200);
    assert_eq!(newest(&steward), Value::Null);
    let sent =
        steward.post(OWN, "2021-09", 1).expect(201)["submission"].as_str().unwrap().to_owned();
    steward.send("POST", "periods/2021-09/close?force=true", None).expect(200);
    let revision = server.app().revision();
    for blank in ["\u{200B}", " ", "\u{200E}\u{2066}", "\u{3164}"] {
        // A closed month needs a reason.
        let mut body = one(OWN, "2021-10", 1_000);
        body["reason"] = json!(blank);
        steward.send("POST", "observations", Some(&body)).problem(409);
        let csv =
            format!("indicator,unit,period,value\nioffice.documents.outgoing,{OWN},2021-10,1000\n");
        let bearer = format!("Bearer {}", steward.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
        server
            .send(
                "POST",
                &format!("observations?reason={}", encoded(blank)),
                &headers,
                Some(csv.as_bytes()),
            )
            .problem(409);
        steward
            .send("DELETE", &format!("submissions/{sent}?reason={}", encoded(blank)), None)
            .problem(409);
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
        let path =
            format!("reports?unit={OWN}&period=2021-10&dry_run=false&reason={}", encoded(blank));
        server
            .send("POST", &path, &headers, Some("Văn bản đi: 77 văn bản.".as_bytes()))
            .problem(409);
    }
    assert_eq!(server.app().revision(), revision);
    let mut body = one(OWN, "2021-10", 1_000);
    body["reason"] = json!("đếm lại");
    steward.send("POST", "observations", Some(&body)).expect(201);
}
