//! Earlier states: `as_of` returns, byte for byte, the response from the time when a revision was
//! the newest.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::harness::{Dice, Reply, Server, encoded, figure, has, query};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const RECEIVED: &str = "igate.dossiers.received";
const CERTIFICATES: &str = "pki.certificates.total";

/// A time in the format of clients.
fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A path with one more parameter.
fn with(path: &str, name: &str, value: &str) -> String {
    format!("{path}{}{name}={}", if path.contains('?') { '&' } else { '?' }, encoded(value))
}

/// A response with its request.
struct Answer {
    path: String,
    status: u16,
    media: String,
    body: Vec<u8>,
    tag: String,
}

impl Answer {
    fn of(path: String, reply: Reply) -> Self {
        Self {
            path,
            status: reply.status,
            media: reply.header("content-type").to_owned(),
            tag: reply.header("etag").to_owned(),
            body: reply.body,
        }
    }

    /// Requests the earlier state now and compares the response with the first one.
    #[track_caller]
    fn check(&self, reply: &Reply, asked: &str, about: &str) {
        let was = String::from_utf8_lossy(&self.body);
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (self.status, self.media.as_str()),
            "{about}: {asked}\nwas {was}\nis {}",
            reply.text()
        );
        if reply.body != self.body {
            let is = reply.text();
            let at = is.bytes().zip(was.bytes()).take_while(|(one, other)| one == other).count();
            let near = |text: &str| {
                text.chars().skip(at.saturating_sub(200)).take(400).collect::<String>()
            };
            panic!(
                "{about}: {asked}\ndiffers at byte {at}\nwas ...{}\nis  ...{}",
                near(&was),
                near(&is)
            );
        }
        // The next pages are of the same state.
        if let Some(next) = reply.next_link() {
            assert!(next.contains("as_of="), "{about}: {asked} has the next page {next}");
        }
        assert_eq!(reply.header("etag"), self.tag, "{about}: {asked}");
    }
}

/// The responses while a revision was the newest, and a time at which it was.
struct Then {
    revision: i64,
    time: String,
    answers: Vec<Answer>,
}

/// A random history, and the responses during it.
struct History {
    server: Server,
    dice: Dice,
    months: Vec<String>,
    units: Vec<Value>,
    indicators: Vec<String>,
    submissions: Vec<String>,
    number: usize,
    /// The number of changes by kind, because a history without changes proves nothing.
    happened: BTreeSet<&'static str>,
    thens: Vec<Then>,
}

impl History {
    fn new(seed: u64) -> Self {
        let server = Server::start();
        let months =
            (10..24).map(|month| format!("{}-{:02}", 2020 + month / 12, month % 12 + 1)).collect();
        let units = vec![
            json!({ "code": "p" }),
            json!({ "code": "p.a", "parent": "p" }),
            json!({ "code": "p.b", "parent": "p" }),
        ];
        server.put_units(&json!(units));
        let indicators = [
            OUTGOING,
            SIGNED,
            "ioffice.users.total",
            "ioffice.users.created",
            RECEIVED,
            CERTIFICATES,
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        let happened = BTreeSet::new();
        Self {
            server,
            dice: Dice(seed),
            months,
            units,
            indicators,
            submissions: Vec::new(),
            number: 0,
            happened,
            thens: Vec::new(),
        }
    }

    /// True with a chance of one in `n`.
    fn once_in(&mut self, many: usize) -> bool {
        self.dice.below(many) == 0
    }

    fn month(&mut self) -> String {
        // Mostly the first eight, so that units can end before the others.
        let end = if self.once_in(4) { self.months.len() } else { 8 };
        self.months[self.dice.below(end)].clone()
    }

    /// The code of a unit; sometimes of one that does not exist, or not yet.
    fn unit(&mut self, ahead: bool) -> String {
        if ahead && self.once_in(8) {
            return format!("{}{}", self.dice.pick(&["p.a.m", "p.z", "p.0"]), self.number + 1);
        }
        let place = self.dice.below(self.units.len());
        self.units[place]["code"].as_str().unwrap().to_owned()
    }

    fn note(&mut self, what: &'static str, reply: &Reply) -> bool {
        assert!(matches!(reply.status, 200 | 201 | 409 | 422), "{what}: {}", reply.text());
        let done = reply.status < 400;
        self.happened.insert(if done { what } else { "refused" });
        done
    }

    fn step(&mut self) {
        self.number += 1;
        match self.dice.below(16) {
            0 => self.withdraw(),
            1..=3 => self.change_units(),
            4 | 5 => self.change_catalogue(),
            6..=8 => self.close(),
            _ => self.submit(),
        }
    }

    fn submit(&mut self) {
        let mut seen = BTreeSet::new();
        let mut figures = Vec::new();
        for _ in 0..=self.dice.below(10) {
            let mut indicator = { self.dice.pick(&self.indicators) }.clone();
            if self.once_in(6) {
                indicator = RATE.to_owned();
            }
            let (unit, month) = (self.unit(false), self.month());
            let mut members = json!({});
            if indicator == RECEIVED && !self.once_in(3) {
                members["channel"] = json!(self.dice.pick(&["online", "in_person"]));
            }
            if indicator == RECEIVED && self.once_in(3) {
                members["service_level"] = json!("4");
            }
            if indicator == CERTIFICATES && self.once_in(2) {
                members["certificate_holder"] = json!("individual");
            }
            let value = match self.dice.below(6) {
                0 => Value::Null,
                1 if indicator == RATE => json!("78.950"),
                _ => json!(self.dice.below(60)),
            };
            if seen.insert((indicator.clone(), unit.clone(), month.clone(), members.to_string())) {
                figures.push(json!({
                    "indicator": indicator, "unit": unit, "period": month, "value": value,
                    "dimensions": members,
                }));
            }
        }
        let mut body = json!({ "observations": figures });
        if !self.once_in(5) {
            body["reason"] = json!(format!("reason {}", self.number));
        }
        let reply = self.server.post(&body);
        if self.note("submission", &reply)
            && let Some(id) = reply.json()["submission"].as_str()
        {
            self.submissions.push(id.to_owned());
        }
    }

    fn withdraw(&mut self) {
        if self.submissions.is_empty() {
            return self.submit();
        }
        let id = self.dice.pick(&self.submissions).clone();
        let reply = self.server.delete(&format!("submissions/{id}?reason=withdrawn"));
        self.note("withdrawal", &reply);
    }

    fn change_units(&mut self) {
        let place = self.dice.below(self.units.len());
        let mut unit = self.units[place].clone();
        let mut put = Vec::new();
        let code = format!("{}{}", self.dice.pick(&["p.a.m", "p.z", "p.0"]), self.number);
        let name = json!({
            "vi": format!("Đơn vị {}", self.number), "en": format!("Unit {}", self.number),
        });
        let what = match self.dice.below(3) {
            0 => {
                unit["name"] = name;
                put.push(unit);
                "rename"
            }
            1 if unit["valid_to"].is_null() && unit["code"] != "p" => {
                unit["valid_to"] = json!("2021-07-31");
                unit["successors"] = json!([code]);
                put.push(json!({
                    "code": code, "parent": unit["parent"], "name": name,
                    "valid_from": "2021-08-01",
                }));
                put.push(unit);
                "successor"
            }
            _ => {
                put.push(json!({
                    "code": code, "parent": if code.starts_with("p.a.") { "p.a" } else { "p" },
                    "name": name,
                }));
                "unit"
            }
        };
        let reply = self.server.put("units", &json!({ "units": put }));
        if self.note(what, &reply) {
            for unit in put {
                self.units.retain(|known| known["code"] != unit["code"]);
                self.units.push(unit);
            }
        }
    }

    fn change_catalogue(&mut self) {
        let mut catalogue = self.server.read("catalogue");
        let number = self.number;
        let add = |catalogue: &mut Value, section: &str, entry: Value| {
            catalogue[section].as_array_mut().unwrap().push(entry)
        };
        let entry =
            |catalogue: &mut Value, section: &str, code: &str, field: &str, value: Value| {
                let mut entries = catalogue[section].as_array_mut().unwrap().iter_mut();
                entries.find(|entry| entry["code"] == code).unwrap()[field] = value;
            };
        let what = match self.dice.below(6) {
            0 => {
                let kind = self.dice.pick(&["flow", "stock", "average"]);
                add(
                    &mut catalogue,
                    "indicators",
                    json!({
                        "code": "x.n", "kind": kind, "unit_of_measure": "count", "decimals": 1,
                    }),
                );
                add(
                    &mut catalogue,
                    "kpis",
                    json!({
                        "code": "x.k", "formula": "x.n / ioffice.documents.outgoing",
                        "unit_of_measure": "ratio",
                    }),
                );
                self.indicators.push("x.n".to_owned());
                "indicator"
            }
            1 => {
                let formulas = [
                    "ioffice.documents.signed / (ioffice.documents.outgoing + 1)",
                    "ioffice.documents.signed / max(ioffice.documents.outgoing, 7)",
                ];
                entry(&mut catalogue, "kpis", RATE, "formula", json!(self.dice.pick(&formulas)));
                "formula"
            }
            2 => {
                let rule = json!({
                    "code": format!("x.r{number}"), "check": "ioffice.documents.signed >= 20",
                    "rolled_up": self.dice.below(2) == 0,
                });
                add(&mut catalogue, "rules", rule);
                "rule"
            }
            3 => {
                let from = self.month();
                entry(&mut catalogue, "indicators", OUTGOING, "breaks", json!([{ "from": from }]));
                "break"
            }
            4 => {
                entry(&mut catalogue, "indicators", SIGNED, "decimals", json!(self.dice.below(3)));
                "decimals"
            }
            _ => {
                catalogue["rules"].as_array_mut().unwrap().pop();
                "fewer rules"
            }
        };
        let reply = self.server.put("catalogue", &catalogue);
        if !self.note(what, &reply) && what == "indicator" {
            self.indicators.pop(); // it is there already
        }
    }

    fn close(&mut self) {
        let month = self.month();
        let period =
            (*self.dice.pick(&[month.as_str(), month.as_str(), "2021-Q1", "2020"])).to_owned();
        let what = *self.dice.pick(&["close", "reopen"]);
        let reply = self.server.post_bytes(
            &format!("periods/{period}/{what}?force=true&reason=because%20{}", self.number),
            "application/json",
            b"",
        );
        self.note(what, &reply);
    }

    /// A request, and the number of its kind, so that each kind occurs often enough.
    fn question(&mut self, sort: usize) -> String {
        let (unit, month) = (self.unit(true), self.month());
        let measures = [
            OUTGOING,
            RATE,
            "ioffice.users.net_change",
            RECEIVED,
            "igate.dossiers.received{channel=online}",
            CERTIFICATES,
            "x.n",
            "x.k",
        ];
        let mut measure = (*self.dice.pick(&measures)).to_owned();
        if self.once_in(3) {
            let second = *self.dice.pick(&[SIGNED, "igate.dossiers.online_rate"]);
            measure = format!("{measure}&measure={}", encoded(second));
        } else {
            measure = encoded(&measure);
        }
        let step = *self.dice.pick(&["month", "quarter", "half", "9m", "year"]);
        let format = *self.dice.pick(&["", "&format=csv", "&layout=rows"]);
        let table = *self.dice.pick(&["", "&format=csv"]);
        let history = *self.dice.pick(&["", "&history=true"]);
        match sort {
            0 => format!(
                "series?measure={measure}&unit={unit}&unit=p&from=2020-09&to=2022-02{format}"
            ),
            1 => format!(
                "series?measure={measure}&unit={unit}&from=2020-01&to=2022-12&step={step}{format}"
            ),
            2 => format!("series?measure={measure}&children_of=p&last=5&step={step}{format}"),
            3 => format!("series?measure={measure}&descendants_of=p&last=3&limit=2{format}"),
            4 => format!("series?measure={measure}&unit={unit}&last=2"),
            5 => format!("observations?limit=5{history}{table}"),
            6 => format!("observations?unit={unit}&limit=4{history}"),
            7 => format!("observations?indicator={}&from={month}{history}{table}", {
                self.dice.pick(&self.indicators)
            }),
            8 if !self.submissions.is_empty() => format!(
                "observations?submission={}&limit=2{history}",
                self.dice.pick(&self.submissions)
            ),
            8 | 9 => format!("findings?limit=3&unit={unit}"),
            10 => format!("findings?from={month}{table}"),
            11 => format!(
                "units?limit=4&{}{table}",
                self.dice.pick(&["parent=p", "code=p", "limit=4"]).replace("limit=4", "")
            )
            .replace("&&", "&"),
            12 => format!("units?code={unit}"),
            13 => "catalogue".to_owned(),
            14 => format!("indicators?system=ioffice{table}"),
            15 => format!("kpis?system=ioffice{table}"),
            16 => format!("periods?{}{table}", history.trim_start_matches('&')),
            17 => format!("revisions?limit=3&after={}{table}", self.dice.below(2 * self.number)),
            _ => "ledger?digest=true".to_owned(),
        }
    }

    /// Sends a request and the requests of its next pages.
    fn ask(&mut self, path: &str, answers: &mut Vec<Answer>) {
        let (mut asked, mut pages) = (path.replace("?&", "?"), 0);
        loop {
            let reply = self.server.get(&asked);
            assert!(matches!(reply.status, 200 | 404 | 422), "{asked}: {}", reply.text());
            let next = reply.next_link();
            self.happened.insert(match reply.status {
                200 => "answered",
                404 => "unknown",
                _ => "fault",
            });
            answers.push(Answer::of(asked, reply));
            pages += 1;
            match next {
                Some(next) if pages < 3 => asked = next,
                _ => return,
            }
        }
    }

    fn record(&mut self, questions: usize) {
        let mut answers = Vec::new();
        for number in 0..questions {
            // A stride that visits every kind in turn.
            let path = self.question((self.number * questions + number) % 19);
            self.ask(&path, &mut answers);
        }
        let revision = self.server.read("ledger")["revision"].as_i64().unwrap();
        let time = text(Utc::now());
        match self.thens.last_mut().filter(|then| then.revision == revision) {
            Some(then) => then.answers.extend(answers),
            None => self.thens.push(Then { revision, time, answers }),
        }
    }

    fn check(&self, then: &Then, answer: &Answer, as_of: &str, about: &str) {
        let asked = with(&answer.path, "as_of", as_of);
        answer.check(
            &self.server.get(&asked),
            &asked,
            &format!("{about}, revision {} of {}", then.revision, then.time),
        );
    }
}

/// Runs through a history and repeats all requests with `as_of`: backwards by revision, after a
/// restart in random order by time, and alternating between distant states, so that no earlier
/// state is still loaded when it is requested again.
fn live_through(seed: u64, steps: usize, questions: usize) -> BTreeSet<&'static str> {
    let mut history = History::new(seed);
    for _ in 0..steps {
        history.step();
        history.record(questions);
    }
    let count = history.thens.len();
    assert!(
        count > 4,
        "seed {seed}: {count} revisions in {steps} steps, too few for what is kept loaded"
    );
    for then in history.thens.iter().rev() {
        then.answers.iter().for_each(|answer| {
            history.check(
                then,
                answer,
                &then.revision.to_string(),
                &format!("seed {seed}, by revision"),
            )
        });
    }
    history.server = history.server.restarted();
    let mut order: Vec<usize> = (0..count).collect();
    for place in 0..count {
        order.swap(place, history.dice.below(count));
    }
    for then in order.iter().map(|place| &history.thens[*place]) {
        then.answers.iter().for_each(|answer| {
            history.check(
                then,
                answer,
                &then.time,
                &format!("seed {seed}, by time after a restart"),
            )
        });
    }
    for _ in 0..30 {
        let place = history.dice.below(count);
        let then = &history.thens[place];
        let answer = history.dice.pick(&then.answers);
        history.check(
            then,
            answer,
            &then.revision.to_string(),
            &format!("seed {seed}, back and forth"),
        );
    }
    history.happened
}

#[test]
fn an_as_of_response_stays_identical_byte_by_byte() {
    // EGOV_KPI_HISTORIES=100 runs this many histories; a failure prints its seed.
    let seeds =
        std::env::var("EGOV_KPI_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let first =
        std::env::var("EGOV_KPI_HISTORY").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut happened = BTreeSet::new();
    for seed in first..first + seeds {
        happened.extend(live_through(seed, 24, 9));
    }
    let all = [
        "submission",
        "withdrawal",
        "unit",
        "rename",
        "successor",
        "indicator",
        "formula",
        "rule",
        "break",
        "decimals",
        "close",
        "reopen",
    ];
    let asked = ["answered", "unknown", "fault", "refused"];
    for what in all.iter().chain(&asked) {
        assert!(happened.contains(what) || seeds < 3, "{what} never happened: {happened:?}");
    }
}

/// Kinds of responses with a revision.
const EVERY: [&str; 11] = [
    "series?measure=ioffice.documents.outgoing&unit=travinh&from=2021-10&to=2021-10",
    "observations",
    "findings",
    "vintages",
    "units",
    "catalogue",
    "indicators",
    "kpis",
    "periods",
    "revisions",
    "ledger",
];

/// A ledger with three figures of one measure, unit and month, one revision each; and their
/// receipts.
fn three() -> (Server, Vec<Value>) {
    let server = Server::start();
    let receipts =
        (1..=3).map(|value| server.record("travinh", &[(OUTGOING, "2021-10", value)])).collect();
    (server, receipts)
}

fn value_at(server: &Server, as_of: &str) -> Value {
    let path =
        format!("series?measure={OUTGOING}&unit=travinh&from=2021-10&to=2021-10&as_of={as_of}");
    server.read(&path)["series"][0]["points"][0]["value"].clone()
}

#[test]
fn every_as_of_response_names_the_past_revision() {
    let (server, receipts) = three();
    let revision = receipts[1]["revision"].as_i64().unwrap();
    for path in EVERY {
        assert_eq!(
            server.read(&with(path, "as_of", &revision.to_string()))["revision"],
            revision,
            "{path}"
        );
        let at = receipts[1]["recorded_at"].as_str().unwrap();
        assert_eq!(server.read(&with(path, "as_of", at))["revision"], revision, "{path}");
        assert_eq!(
            server.read(&with(path, "min_revision", &revision.to_string()))["revision"],
            revision + 1,
            "{path}"
        );
        // With a min_revision that is visible already, the response is still the current state.
        let both =
            format!("{}&min_revision={}", with(path, "as_of", &revision.to_string()), revision + 1);
        assert_eq!(server.read(&both)["revision"], revision, "{path}");
    }
    has(
        &server.read(&format!("ledger?as_of={revision}")),
        &json!({ "recorded_at": receipts[1]["recorded_at"], "figures": 1 }),
    );
    let revisions = server.read(&format!("revisions?as_of={revision}"));
    assert_eq!(
        revisions["revisions"].as_array().unwrap().last().unwrap()["submission"],
        receipts[1]["submission"]
    );
}

#[test]
fn a_time_is_that_of_the_newest_revision_recorded_by_then_to_the_microsecond() {
    let (server, receipts) = three();
    for (receipt, value) in receipts.iter().zip(1..) {
        let recorded = DateTime::parse_from_rfc3339(receipt["recorded_at"].as_str().unwrap())
            .unwrap()
            .to_utc();
        assert_eq!(value_at(&server, &text(recorded)), value);
        let before = value_at(&server, &text(recorded - TimeDelta::microseconds(1)));
        assert_eq!(before, if value == 1 { Value::Null } else { json!(value - 1) });
        // Digits beyond microseconds change nothing.
        assert_eq!(value_at(&server, &text(recorded).replace('Z', "999Z")), value);
    }
}

#[test]
fn a_time_may_have_an_offset_whose_plus_is_written_out_or_not() {
    let (server, receipts) = three();
    let recorded =
        DateTime::parse_from_rfc3339(receipts[1]["recorded_at"].as_str().unwrap()).unwrap();
    for hours in [7, -5, 0, 14] {
        let there = recorded
            .with_timezone(&chrono::FixedOffset::east_opt(hours * 3600).unwrap())
            .to_rfc3339_opts(SecondsFormat::Micros, false);
        let sign = if hours < 0 { '-' } else { '+' };
        assert!(there.contains(&format!("{sign}{:02}:00", hours.abs())), "{there}");
        assert_eq!(value_at(&server, &there), 2, "{there}, a plus unencoded");
        assert_eq!(value_at(&server, &encoded(&there)), 2, "{there}, encoded");
        assert_eq!(
            value_at(&server, &there.replace('+', "%20")),
            2,
            "{there}, as a proxy may forward it"
        );
    }
    assert_eq!(value_at(&server, &text(recorded.to_utc()).to_lowercase()), 2);
}

#[test]
fn before_its_first_revision_the_ledger_is_empty() {
    let (server, _) = three();
    let first = server.read("revisions?limit=1")["revisions"][0]["recorded_at"]
        .as_str()
        .unwrap()
        .to_owned();
    let before =
        text(DateTime::parse_from_rfc3339(&first).unwrap().to_utc() - TimeDelta::microseconds(1));
    for as_of in ["0", "00", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", before.as_str()] {
        let read = |path: &str| server.read(&with(path, "as_of", as_of));
        for (path, list) in [
            ("observations", "observations"),
            ("findings", "findings"),
            ("units", "units"),
            ("periods", "periods"),
            ("revisions", "revisions"),
        ] {
            assert_eq!(read(path)[list], json!([]), "{path} as of {as_of}");
            assert_eq!(read(path)["revision"], 0, "{path} as of {as_of}");
        }
        has(&read("catalogue"), &json!({ "version": 0, "indicators": [], "kpis": [] }));
        has(
            &read("ledger"),
            &json!({ "revision": 0, "recorded_at": null, "hash": null, "units": 0, "figures": 0 }),
        );
        for last in ["last=3", "from=2021-10&to=2021-10"] {
            let path =
                with(&format!("series?measure={OUTGOING}&unit=travinh&{last}"), "as_of", as_of);
            assert_eq!(server.get(&path).faults(422), ["/measure unknown_measure"]);
        }
        server.get(&with("units?code=travinh", "as_of", as_of)).problem(404);
    }
    // The first revision is the catalogue, the second the units.
    has(
        &server.read("ledger?as_of=1"),
        &json!({ "revision": 1, "catalogue_version": 1, "units": 0 }),
    );
    server.get(&format!("series?measure={OUTGOING}&unit=travinh&last=2&as_of=1")).problem(404);
}

#[test]
fn a_future_revision_and_an_invalid_as_of_are_errors() {
    let (server, receipts) = three();
    let newest = receipts[2]["revision"].as_i64().unwrap();
    for path in EVERY {
        let faults = |as_of: &str| {
            server
                .get(&format!("{path}{}as_of={as_of}", if path.contains('?') { '&' } else { '?' }))
                .faults(422)
        };
        for ahead in [newest + 1, newest + 1_000_000, i64::MAX] {
            assert_eq!(faults(&ahead.to_string()), ["/as_of unknown_revision"], "{path}");
        }
        for malformed in [
            "",
            "9223372036854775808",
            "-1",
            "1.5",
            "0x1",
            "now",
            "2021",
            "2021-10",
            "2021-10-05",
            "2021-10-05T00:00:00",
            "2021-13-05T00:00:00Z",
            "1%202",
            "%D9%A1",
        ] {
            // Digits alone are a revision, even one that does not exist.
            let code =
                if malformed == "2021" { "/as_of unknown_revision" } else { "/as_of malformed" };
            assert_eq!(faults(malformed), [code], "{path} as of {malformed}");
        }
        assert_eq!(faults("1&as_of=2"), ["/as_of duplicate"], "{path}");
        assert_eq!(
            faults("x&min_revision=x&colour=red"),
            ["/as_of malformed", "/colour unknown_parameter", "/min_revision malformed"],
            "{path}"
        );
        assert_eq!(faults("1&min_revision=-1"), ["/min_revision malformed"], "{path}");
    }
    // The revision is accepted as soon as it exists.
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    assert_eq!(value_at(&server, &(newest + 1).to_string()), 4);
}

#[test]
fn a_future_as_of_time_means_now() {
    let (server, receipts) = three();
    // Without any figure the last period is the current month, not a future one.
    for path in EVERY.into_iter().chain([
        "series?measure=ioffice.documents.signed&unit=travinh&last=2",
        "series?measure=ioffice.documents.signed&unit=travinh&last=1&step=year",
    ]) {
        let now = server.get(path);
        for ahead in [
            text(Utc::now() + TimeDelta::hours(1)),
            text(Utc::now() + TimeDelta::days(400)),
            "2199-12-31T23:59:59Z".to_owned(),
            "9999-12-31T23:59:59Z".to_owned(),
        ] {
            let then = server.get(&with(path, "as_of", &ahead));
            assert_eq!(
                (then.status, then.text()),
                (now.status, now.text()),
                "{path} as of {ahead}"
            );
        }
    }
    let ahead = encoded(&text(Utc::now() + TimeDelta::hours(1)));
    assert_eq!(value_at(&server, &ahead), 3);
    let tag = server.get(&format!("observations?as_of={ahead}")).header("etag").to_owned();
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    assert_eq!(value_at(&server, &ahead), 4);
    assert_eq!(
        server
            .send("GET", &format!("observations?as_of={ahead}"), &[("if-none-match", &tag)], None)
            .status,
        200,
        "a future state may still change"
    );
    assert!(
        receipts[2]["revision"].as_i64()
            < server.read(&format!("units?as_of={ahead}"))["revision"].as_i64()
    );
}

#[test]
fn a_known_as_of_response_returns_304_after_any_write() {
    let (server, receipts) = three();
    let revision = receipts[1]["revision"].to_string();
    let time = receipts[1]["recorded_at"].as_str().unwrap();
    let asked: Vec<String> = EVERY
        .into_iter()
        .filter(|path| *path != "ledger")
        .flat_map(|path| [with(path, "as_of", &revision), with(path, "as_of", time)])
        .collect();
    let tags: Vec<String> =
        asked.iter().map(|path| server.get(path).header("etag").to_owned()).collect();
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    server.put_units(&json!([{ "code": "new" }]));
    server.post_bytes("periods/2021-10/close?force=true", "application/json", b"").expect(200);
    let server = server.restarted();
    for (path, tag) in asked.iter().zip(&tags) {
        assert!(tag.starts_with(&format!("W/\"{revision}-")), "{path}: {tag}");
        let again = server.send("GET", path, &[("if-none-match", tag)], None);
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, tag.as_str()),
            "{path}"
        );
        // Another state has another response, and so has the current one.
        let other = path
            .replace(&format!("as_of={revision}"), &format!("as_of={}", receipts[2]["revision"]));
        if other != *path {
            assert_eq!(
                server.send("GET", &other, &[("if-none-match", tag)], None).status,
                200,
                "{other}"
            );
        }
        let now = path
            .split(['?', '&'])
            .filter(|part| !part.starts_with("as_of"))
            .collect::<Vec<_>>()
            .join("&")
            .replacen('&', "?", 1);
        assert_eq!(server.send("GET", &now, &[("if-none-match", tag)], None).status, 200, "{now}");
    }
}

#[test]
fn a_submission_is_unknown_before_it_was_sent() {
    let (server, receipts) = three();
    let (first, second) =
        (receipts[0]["revision"].as_i64().unwrap(), receipts[1]["submission"].as_str().unwrap());
    let ask = |as_of: i64| server.get(&format!("observations?submission={second}&as_of={as_of}"));
    let unknown = server.get("observations?submission=01JB0000000000000000000000").problem(404);
    let before = ask(first).problem(404);
    assert_eq!(before["title"], unknown["title"]);
    server.get(&format!("submissions/{second}?as_of={first}")).problem(404);
    assert_eq!(
        server.read(&format!("submissions/{second}?as_of={}", first + 1))["revision"],
        first + 1
    );
    assert_eq!(ask(first + 1).expect(200)["observations"].as_array().unwrap().len(), 1);
    assert_eq!(
        ask(first + 2).expect(200)["observations"],
        json!([]),
        "it has been replaced by then"
    );
}

#[test]
fn a_corrected_figure_and_a_renamed_unit_are_read_as_they_were() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u", "name": { "en": "Old" } }]));
    let first = server
        .post(&json!({ "observations": [
            figure(OUTGOING, "u", "2021-10", 10),
            figure(SIGNED, "u", "2021-10", 4),
            figure(RATE, "u", "2021-10", "41.0"),
        ] }))
        .expect(201);
    let then = first["revision"].as_i64().unwrap();
    server.put_units(&json!([{ "code": "u", "name": { "en": "New" } }, { "code": "a" }]));
    server
        .post(&json!({
            "reason": "recount",
            "observations": [
                figure(OUTGOING, "u", "2021-10", 20),
                figure(RATE, "u", "2021-10", Value::Null),
            ],
        }))
        .expect(201);
    let mut catalogue = server.read("catalogue");
    let kpi = catalogue["kpis"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|kpi| kpi["code"] == RATE)
        .unwrap();
    kpi["formula"] = json!("ioffice.documents.outgoing / ioffice.documents.signed");
    server.put("catalogue", &catalogue).expect(200);
    let rate = |as_of: &str| {
        server.read(&format!(
            "series?{}{as_of}",
            query(&[("measure", RATE), ("unit", "u"), ("last", "1")])
        ))["series"][0]["points"][0]
            .clone()
    };
    has(
        &rate(&format!("&as_of={then}")),
        &json!({ "period": "2021-10", "value": 40, "stated": 41.0 }),
    );
    has(&rate(&format!("&as_of={}", then + 2)), &json!({ "value": 20, "stated": null }));
    has(&rate(""), &json!({ "value": 500, "stated": null }));
    assert_eq!(server.read(&format!("units?code=u&as_of={then}"))["units"][0]["name"]["en"], "Old");
    assert_eq!(server.read("units?code=u")["units"][0]["name"]["en"], "New");
    server.get(&format!("units?code=a&as_of={then}")).problem(404);
    let findings = server.read(&format!("findings?unit=u&as_of={then}"));
    assert_eq!(findings["findings"].as_array().unwrap().len(), 1);
    has(
        &findings["findings"][0],
        &json!({ "rule": "stated_rate", "stated": 41.0, "computed": 40 }),
    );
    assert_eq!(server.read("findings?unit=u")["findings"], json!([]));
    let observed = server.read(&format!("observations?unit=u&as_of={then}"));
    assert_eq!(
        observed["observations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|figure| figure["value"].to_string())
            .collect::<Vec<_>>(),
        ["10", "4", "41.0"]
    );
}

#[test]
fn concurrent_as_of_requests_each_get_their_own_state() {
    let server = Server::start();
    let first = server.revision();
    (1..=10).for_each(|value| drop(server.record("travinh", &[(OUTGOING, "2021-10", value)])));
    std::thread::scope(|scope| {
        for thread in 0..6_u64 {
            let server = &server;
            scope.spawn(move || {
                let mut dice = Dice(thread);
                for _ in 0..15 {
                    let value = 1 + i64::try_from(dice.below(10)).unwrap();
                    assert_eq!(value_at(server, &(first + value).to_string()), value);
                }
            });
        }
        (11..=40).for_each(|value| drop(server.record("travinh", &[(OUTGOING, "2021-10", value)])));
    });
    assert_eq!(value_at(&server, &(first + 40).to_string()), 40);
}

#[test]
fn an_as_of_time_in_the_past_always_gets_the_same_response() {
    let server = Server::start();
    let done = AtomicBool::new(false);
    let asked: Vec<(String, Value)> = std::thread::scope(|scope| {
        let (api, done) = (server.clone(), &done);
        scope.spawn(move || {
            for value in 0.. {
                api.record("travinh", &[(OUTGOING, "2021-10", value)]);
                if done.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let ask = |_| {
            let now = text(Utc::now());
            let revision = server.read(&format!("ledger?as_of={now}"))["revision"].clone();
            std::thread::sleep(Duration::from_millis(3));
            (now, revision)
        };
        let asked = (0..60).map(ask).collect();
        done.store(true, Ordering::Relaxed);
        asked
    });
    let changed: Vec<String> = asked
        .iter()
        .map(|(time, then)| {
            (time, then, server.read(&format!("ledger?as_of={time}"))["revision"].clone())
        })
        .filter(|(_, then, now)| *then != now)
        .map(|(time, then, now)| {
            format!("as of {time} the revision was {then}, and is {now} by now")
        })
        .collect();
    assert!(changed.is_empty(), "{} of 60: {}", changed.len(), changed[0]);
}
