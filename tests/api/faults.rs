//! Errors of the database only affect the callers concerned.

use rusqlite::Connection;
use serde_json::json;

use crate::database::{Database, ask};
use crate::harness::{Api, figure, serve};

const OUTGOING: &str = "ioffice.documents.outgoing";

#[test]
fn a_submission_that_sqlite_refuses_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let refusal = "CREATE TRIGGER refusal BEFORE INSERT ON revisions WHEN NEW.reason = 'refuse me' \
                   BEGIN SELECT RAISE(ABORT, 'refused'); END";
    refused_alone(&format!("sqlite://{}", file.display()), || {
        Connection::open(&file).unwrap().execute_batch(refusal).unwrap()
    });
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_submission_that_postgresql_refuses_fails_alone() {
    let database = Database::create();
    let refusal = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE \
                   EXCEPTION 'refused'; END $$;
        CREATE TRIGGER refusal BEFORE INSERT ON revisions FOR EACH ROW WHEN (NEW.reason = 'refuse \
        me') EXECUTE FUNCTION refuse()";
    refused_alone(&database.address, || drop(ask(&database.address, refusal).unwrap()));
}

/// Four clients send at once, month after month; the database refuses the rows of one of them.
fn refused_alone(address: &str, plant: impl FnOnce()) {
    let server = serve(address);
    let api = Api::of(&server.address.to_string());
    plant();
    let units = ["tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"];
    for month in 1..=12 {
        let period = format!("2020-{month:02}");
        let answers: Vec<(bool, u16)> = std::thread::scope(|scope| {
            let post = |(nth, unit): (usize, &'static str)| {
                let (api, period) = (&api, &period);
                scope.spawn(move || {
                    let refused = nth == month % 4;
                    let reason = if refused { "refuse me" } else { "take me" };
                    let reply = api.post(&json!({
                        "reason": reason, "observations": [figure(OUTGOING, unit, period, 1)],
                    }));
                    if refused {
                        assert!(
                            !reply.text().contains("trigger") && !reply.text().contains("refused"),
                            "{}",
                            reply.text()
                        );
                    }
                    (refused, reply.status)
                })
            };
            let posts: Vec<_> = units.into_iter().enumerate().map(post).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect()
        });
        for (refused, status) in answers {
            assert_eq!(status, if refused { 503 } else { 201 });
        }
    }
    assert_eq!(api.observations("").len(), 36);
    assert_eq!(api.revision(), 2 + 36, "a refused submission leaves no gap");
    server.stop();
}
