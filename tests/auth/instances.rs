//! Several instances on one ledger: a key revoked on one is rejected by all within a second, on
//! both databases.

use std::time::Instant;

use egov_kpi::api::access::AccessSettings;
use egov_kpi::auth::role::Role;

use crate::harness::{Api, WITHIN_A_SECOND, eventually, run, wait};
use crate::home::Home;
use crate::support::{issue, serve};

fn me(api: &Api, key: &str) -> u16 {
    api.send("GET", "me", &[("authorization", &format!("Bearer {key}"))], None).status
}

fn revoked_within_a_second(address: &str) {
    let (one, other) =
        (serve(address, AccessSettings::default()), serve(address, AccessSettings::default()));
    let (first, second) = (Api::of(&one.address.to_string()), Api::of(&other.address.to_string()));
    assert_eq!(
        (first.get("me").status, second.get("me").status),
        (200, 200),
        "nobody has a key yet"
    );
    let issued = issue(one.app(), Role::Admin, None);
    assert_eq!(
        (me(&first, &issued.key), first.get("me").status),
        (200, 401),
        "at once where it was made"
    );
    eventually("known", WITHIN_A_SECOND, || me(&second, &issued.key) == 200);
    assert_eq!(
        second.get("me").status,
        401,
        "once there is a key, a request without one is refused"
    );
    for n in 0..3 {
        let doomed = issue(one.app(), Role::Reader, None);
        eventually("known", WITHIN_A_SECOND, || me(&second, &doomed.key) == 200);
        let began = Instant::now();
        // On this instance, through the API of the other one, and by a command beside both.
        match n {
            0 => drop(wait(one.app().revoke_key(&doomed.view.id, "test")).unwrap()),
            1 => drop(
                second
                    .send(
                        "DELETE",
                        &format!("keys/{}", doomed.view.id),
                        &[("authorization", &format!("Bearer {}", issued.key))],
                        None,
                    )
                    .expect(200),
            ),
            _ => drop(run(&["keys", "revoke", &doomed.view.id, "--database", address]).expect(0)),
        }
        let revoked = Instant::now();
        eventually("revoked", WITHIN_A_SECOND, || {
            me(&first, &doomed.key) == 401 && me(&second, &doomed.key) == 401
        });
        assert!(
            revoked.elapsed() < WITHIN_A_SECOND,
            "{:?} after the revocation, {:?} after it began",
            revoked.elapsed(),
            began.elapsed()
        );
    }
    one.stop();
    other.stop();
}

#[test]
fn a_key_revoked_on_one_instance_is_of_no_use_on_another_within_a_second_over_one_file() {
    revoked_within_a_second(&Home::sqlite().address());
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_key_revoked_on_one_instance_is_of_no_use_on_another_within_a_second_over_postgresql() {
    revoked_within_a_second(&crate::database::Database::create().address);
}

/// The last use is recorded by the instance that saw it.
#[test]
fn a_change_of_keys_holds_up_no_figures_and_both_instances_agree_on_the_ledger() {
    let home = Home::sqlite();
    let (one, other) = (
        serve(&home.address(), AccessSettings::default()),
        serve(&home.address(), AccessSettings::default()),
    );
    let (first, second) = (Api::of(&one.address.to_string()), Api::of(&other.address.to_string()));
    let steward = issue(one.app(), Role::Steward, None);
    eventually("known", WITHIN_A_SECOND, || me(&second, &steward.key) == 200);
    let bearer = format!("Bearer {}", steward.key);
    for (api, value) in [(&first, 1), (&second, 2), (&first, 3)] {
        issue(one.app(), Role::Reader, None);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = crate::support::one("tv.dof", "2021-10", value).to_string();
        api.send("POST", "observations", &headers, Some(body.as_bytes())).expect(201);
    }
    let ledger = |api: &Api| {
        api.send("GET", "ledger?digest=true", &[("authorization", &bearer)], None).expect(200)
    };
    eventually("level", WITHIN_A_SECOND, || ledger(&first) == ledger(&second));
    one.stop();
    other.stop();
    run(&["verify", "--database", &home.address()]).expect(0);
}
