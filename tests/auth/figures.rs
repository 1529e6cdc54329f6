//! Which figures a reporter can record: those of its unit and the units below, in open months, in
//! every input format; and which submissions are its own.

use egov_kpi::auth::role::Role;
use serde_json::{Value, json};

use crate::harness::figure;
use crate::support::{FOREIGN, Guarded, OUTGOING, OWN, PROVINCE, one};

fn csv(rows: &[(&str, &str, i64)]) -> String {
    let lines =
        rows.iter().map(|(unit, period, value)| format!("{OUTGOING},{unit},{period},{value}\n"));
    format!("indicator,unit,period,value\n{}", lines.collect::<String>())
}

#[test]
fn figures_of_another_unit_are_refused_by_name_in_json_and_csv_and_nothing_of_them_is_recorded() {
    let server = Guarded::new();
    let reporter = server.holder(Role::Reporter, Some(OWN));
    let revision = reporter.get("ledger").expect(200)["revision"].clone();
    let mixed = json!({ "observations": [
        figure(OUTGOING, OWN, "2021-10", 1),
        figure(OUTGOING, FOREIGN, "2021-10", 2),
        figure(OUTGOING, PROVINCE, "2021-10", 3),
    ] });
    for path in ["observations", "observations?dry_run=true"] {
        let refused = reporter.send("POST", path, Some(&mixed)).problem(403);
        let told = refused["errors"].to_string();
        assert!(
            told.contains(FOREIGN)
                && told.contains(PROVINCE)
                && refused["errors"].as_array().unwrap().len() == 2,
            "{told}"
        );
        let bearer = format!("Bearer {}", reporter.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "text/csv")];
        let body = csv(&[(OWN, "2021-10", 1), (FOREIGN, "2021-10", 2)]);
        let refused = server.send("POST", path, &headers, Some(body.as_bytes())).problem(403);
        assert!(refused["detail"].as_str().unwrap().contains(FOREIGN), "{refused}");
    }
    assert_eq!(reporter.get("ledger").expect(200)["revision"], revision);
    reporter.post(OWN, "2021-10", 1).expect(201);
    reporter.send("POST", "observations?dry_run=true", Some(&one(OWN, "2021-10", 2))).expect(200);
    // Errors of the figures themselves are reported first.
    reporter.post("nowhere", "2021-10", 1).problem(422);
    // Withdrawing a figure of another unit is a change of it.
    let emptied = json!({ "observations": [figure(OUTGOING, FOREIGN, "2021-10", Value::Null)] });
    reporter.send("POST", "observations", Some(&emptied)).problem(403);
}

#[test]
fn a_unit_named_by_its_official_code_is_the_same_unit() {
    let server = Guarded::new();
    let steward = server.holder(Role::Steward, None);
    let units = json!({ "units": [
        { "code": "a", "official_codes": [{ "code": "00.01.H59" }] },
        { "code": "b", "official_codes": [{ "code": "00.02.H59" }] },
    ] });
    steward.send("PUT", "units", Some(&units)).expect(200);
    let reporter = server.holder(Role::Reporter, Some("a"));
    reporter.post("00.01.H59", "2021-10", 1).expect(201);
    reporter.post("00.02.H59", "2021-10", 1).problem(403);
}

#[test]
fn only_a_steward_may_change_closed_months_with_a_reason() {
    let server = Guarded::new();
    let (reporter, steward) =
        (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
    let first = reporter.post(OWN, "2021-09", 1).expect(201);
    steward.send("POST", "periods/2021-09/close?force=true&reason=reported", None).expect(200);
    let with_reason =
        json!({ "reason": "a slip", "observations": [figure(OUTGOING, OWN, "2021-09", 2)] });
    for body in [&with_reason, &one(OWN, "2021-09", 2)] {
        for path in ["observations", "observations?dry_run=true"] {
            let refused = reporter.send("POST", path, Some(body)).problem(403);
            assert_eq!(refused["errors"][0]["code"], "month_closed", "{refused}");
        }
    }
    let submission = format!("submissions/{}?reason=slip", first["submission"].as_str().unwrap());
    reporter.send("DELETE", &submission, None).problem(403);
    steward.post(OWN, "2021-09", 2).problem(409);
    steward.send("POST", "observations", Some(&with_reason)).expect(201);
    // The months around it are open.
    reporter.post(OWN, "2021-10", 2).expect(201);
    steward.send("POST", "periods/2021-09/reopen", None).expect(200);
    reporter.post(OWN, "2021-09", 3).expect(201);
}

#[test]
fn a_reporter_withdraws_its_own_submissions_and_nobody_elses() {
    let server = Guarded::new();
    let (reporter, colleague, above) = (
        server.holder(Role::Reporter, Some(OWN)),
        server.holder(Role::Reporter, Some(OWN)),
        server.holder(Role::Reporter, Some(PROVINCE)),
    );
    let steward = server.holder(Role::Steward, None);
    let sent = |value: i64| {
        reporter.post(OWN, "2021-10", value).expect(201)["submission"].as_str().unwrap().to_owned()
    };
    let path = |id: &str| format!("submissions/{id}");
    let first = sent(1);
    for other in [&colleague, &above] {
        let refused = other.send("DELETE", &path(&first), None).problem(403);
        assert!(refused["detail"].as_str().unwrap().contains("its own submissions"), "{refused}");
    }
    reporter.send("DELETE", &path(&first), None).expect(201);
    let second = sent(2);
    steward.send("DELETE", &path(&second), None).expect(201);
    // A submission of a steward about the unit of the reporter does not belong to the reporter.
    let of_steward =
        steward.post(OWN, "2021-11", 1).expect(201)["submission"].as_str().unwrap().to_owned();
    reporter.send("DELETE", &path(&of_steward), None).problem(403);
    reporter.send("DELETE", &path("nothing"), None).problem(404);
    // The name does not identify a holder: a key with a name that looks like the holder of another
    // one does not own its submissions.
    let mark = reporter.me()["key"].as_str().unwrap().to_owned();
    let admin = server.holder(Role::Admin, None);
    let made = admin
        .send(
            "POST",
            "keys",
            Some(&json!({ "name": format!("x ({mark})"), "role": "reporter", "unit": OWN })),
        )
        .expect(201);
    let third = sent(3);
    server.by(made["key"].as_str().unwrap()).send("DELETE", &path(&third), None).problem(403);
}

#[test]
fn holders_never_see_each_others_answers_to_an_idempotency_key() {
    let server = Guarded::new();
    let (one_holder, other) =
        (server.holder(Role::Steward, None), server.holder(Role::Steward, None));
    let send = |holder: &crate::support::Holder, value: i64| {
        holder.send_with(
            "POST",
            "observations",
            &[("idempotency-key", "k")],
            Some(&one(OWN, "2021-10", value)),
        )
    };
    let first = send(&one_holder, 1).expect(201);
    let second = send(&other, 2).expect(201);
    assert_ne!(first["submission"], second["submission"]);
    assert_eq!(send(&one_holder, 1).expect(201), first);
    assert_eq!(send(&other, 2).expect(201), second);
    send(&other, 1).problem(422);
    // A refused request stores nothing: its idempotency key can be used for an allowed request.
    let reporter = server.holder(Role::Reporter, Some(OWN));
    let send = |unit: &str| {
        reporter.send_with(
            "POST",
            "observations",
            &[("idempotency-key", "k")],
            Some(&one(unit, "2021-10", 4)),
        )
    };
    send(FOREIGN).problem(403);
    send(OWN).expect(201);
}

#[test]
fn the_ledger_names_the_holder_of_the_key() {
    let server = Guarded::new();
    let issued = server.issue(Role::Reporter, Some(OWN));
    let receipt = server.by(&issued.key).post(OWN, "2021-10", 1).expect(201);
    let actor = format!("reporter of {OWN} ({})", issued.view.id);
    let reader = server.holder(Role::Reader, None);
    assert_eq!(
        reader.get(&format!("submissions/{}", receipt["submission"].as_str().unwrap())).expect(200)
            ["actor"],
        actor
    );
    assert_eq!(reader.get("observations").expect(200)["observations"][0]["actor"], actor);
}
