"""Attacks on keys, tokens, the count of wrong keys by address, the first key, TLS and texts."""

import contextlib
import datetime
import http.client
import json
import re
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.parse
from pathlib import Path

from common import HOST, ClusterError, Fault, binary, until
from issuer import Issuer
from registry import Caller, attack

UNIT, INDICATOR = "tv.dof", "ioffice.documents.outgoing"
WRONG = "ek_0123456789_0000000000000000000000000000000000000000000000000000"


def figure(value, period="2021-10"):
    """Returns the body of a submission with one figure."""
    return json.dumps(
        {"observations": [{"indicator": INDICATOR, "unit": UNIT, "period": period, "value": value}]}
    ).encode()


def plain(served, method, path, headers=None, body=None):
    """Sends one request with exactly these headers; returns status and body."""
    connection = http.client.HTTPConnection(HOST, served.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


class Begun:
    """A request that was sent without its last byte."""

    def __init__(self, served, key, method, path, body, media="application/json"):
        self._socket = socket.create_connection((HOST, served.port), timeout=60)
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {key}\r\n"
            f"connection: close\r\ncontent-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body[:-1])
        self._last = body[-1:]

    def end(self):
        """Sends the last byte; returns the status."""
        self._socket.sendall(self._last)
        answer = http.client.HTTPResponse(self._socket)
        answer.begin()
        self._socket.close()
        return answer.status


def identifier(key):
    """Returns the id of a key."""
    return key.split("_")[1]


@attack("a key revoked while its request is on the way")
def revoked_while_the_body_comes(place):
    """The last byte of a request is sent after its key was revoked, the rest before."""
    database = place.sqlite()
    admin, doomed = place.key(database, "admin"), place.key(database, "steward")
    served = place.serve(database)
    by = Caller(served, admin)
    before = by.get("/api/v1/findings?limit=1")
    requests = [
        ("POST", "/api/v1/observations", figure(1), "application/json"),
        (
            "POST",
            "/api/v1/observations",
            f"indicator,unit,period,value\n{INDICATOR},{UNIT},2021-09,7\n".encode(),
            "text/csv",
        ),
        ("PUT", "/api/v1/units", b'{"units":[{"code":"new"}]}', "application/json"),
        (
            "PUT",
            "/api/v1/annotations",
            json.dumps(
                {"annotations": [{"code": "a", "unit": UNIT, "from": "2021-10", "text": "x"}]}
            ).encode(),
            "application/json",
        ),
        ("POST", "/api/v1/periods/2019-01/close?force=true", b'{"reason":"x"}', "application/json"),
        (
            "POST",
            f"/api/v1/reports?unit={UNIT}&period=2021-10&dry_run=false",
            "Văn bản đi: 7 văn bản.".encode(),
            "text/plain",
        ),
    ]
    begun = [
        Begun(served, doomed, method, path, body, media) for method, path, body, media in requests
    ]
    time.sleep(0.5)
    place.check(
        place.run("keys", "revoke", identifier(doomed), "--database", database).returncode == 0,
        "the key was not revoked",
    )
    time.sleep(15 if place.long else 1.5)
    revision = json.loads(by.get("/api/v1/findings?limit=1").body)["revision"]
    statuses = [one.end() for one in begun]
    place.check(
        statuses == [401] * len(begun), "a request with a revoked key did not get 401", statuses
    )
    after = json.loads(by.get("/api/v1/findings?limit=1").body)["revision"]
    place.check(
        after == revision,
        "a request with a revoked key was recorded",
        f"{before.status}, revision {revision}, then {after}",
    )
    return f"{len(begun)} kinds of writes, 401 each"


@attack("a key revoked while its request is on the way")
def ended_while_the_body_comes(place):
    """The key expires between the first and the last byte of a request."""
    database = place.sqlite()
    place.key(database, "admin")
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=4)
    doomed = place.key(database, "steward", "--expires", end.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    served = place.serve(database)
    begun = Begun(served, doomed, "POST", "/api/v1/observations", figure(1))
    time.sleep(max(0.0, (end - datetime.datetime.now(datetime.UTC)).total_seconds()) + 0.3)
    status = begun.end()
    place.check(status == 401, "a request with an expired key did not get 401", status)


@attack("a key revoked while its request is on the way")
def revoked_behind_a_row_of_the_future(place):
    """A row with a much later revision is added to the file; keys that are revoked afterwards must
    still be refused."""
    database = place.sqlite()
    place.key(database, "admin")
    doomed = place.key(database, "reader")
    served = place.serve(database)
    caller = Caller(served, doomed)
    place.check(caller.get("/api/v1/units?limit=1").status == 200, "the key does not work")
    refused = ""
    with contextlib.closing(
        sqlite3.connect(database.removeprefix("sqlite://"), timeout=10)
    ) as connection:
        try:
            connection.execute(
                "INSERT INTO declarations (revision, kind, code, document) VALUES (1000000, "
                "'key', 'future0000', NULL)"
            )
            connection.commit()
        except sqlite3.DatabaseError as error:
            refused = f"the row is refused: {error}"
    time.sleep(1)
    place.check(
        place.run("keys", "revoke", identifier(doomed), "--database", database).returncode == 0,
        "the key was not revoked",
    )
    with contextlib.suppress(ClusterError):
        until(lambda: caller.get("/api/v1/units?limit=1").status == 401, 3, "refused")
    place.check(
        caller.get("/api/v1/units?limit=1").status == 401,
        "a key that the command line revoked is still valid",
    )
    return refused


@attack("sign-in limits")
def guesses_lock_nobody_out(place):
    """Wrong keys from an address, keys that worked there and elsewhere, and all spellings of the
    address."""
    database = place.sqlite()
    place.key(database, "admin")
    used, fresh = place.key(database, "reader"), place.key(database, "reader")
    served = place.serve(database, "--trusted-proxies", HOST)

    def ask(key, address):
        headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": address}
        return plain(served, "GET", "/api/v1/units?limit=1", headers)[0]

    place.check(
        [ask(used, "192.0.2.1"), ask(used, "198.51.100.7"), ask(used, "2001:db8::1")] == [200] * 3,
        "the key does not work",
    )
    for office in ("192.0.2.1", "2001:db8::5"):
        statuses = [ask(WRONG, office) for _ in range(70)]
        place.check(
            statuses.count(401) in range(60, 63) and statuses[-1] == 429,
            "wrong keys are not limited",
            statuses[-3:],
        )
    forms = [
        "192.0.2.1",
        "192.0.2.1:4711",
        "::ffff:192.0.2.1",
        "[::ffff:c000:201]:80",
        '"192.0.2.1"',
        "10.9.9.9, 192.0.2.1",
        "192.0.2.1, ",
        "\xff\xfe, 192.0.2.1",
    ]
    forms += ["2001:db8::1", "[2001:db8::77]:443", "2001:0DB8:0:0:ffff::1"]
    for form in forms:
        place.check(
            ask(WRONG, form) == 429, "another spelling of an address avoids the count", form
        )
        place.check(
            ask(fresh, form) == 429, "a key that never worked from this address is accepted", form
        )
        place.check(
            ask(used, form) == 200, "a key that has worked from this address is refused", form
        )
    place.check(ask(fresh, "192.0.2.2") == 200, "another address is refused")
    return f"{len(forms)} spellings of two addresses"


@attack("first key")
def before_the_first_key(place):
    """Before the first key: a proxy on this machine with default settings, which replaces the host
    and does not say where a request comes from."""
    served = place.serve(place.sqlite())
    nginx = {
        "Host": f"{HOST}:{served.port}",
        "Connection": "close",
        "Content-Type": "application/json",
    }
    status, _, _ = plain(served, "GET", "/api/v1/units?limit=1", nginx)
    place.check(status == 200, "reads do not work before the first key", status)
    writes = [
        ("POST", "/api/v1/observations", figure(1)),
        ("PUT", "/api/v1/units", b'{"units":[{"code":"new"}]}'),
    ]
    writes += [
        ("POST", "/api/v1/keys", b'{"name":"mine","role":"admin"}'),
        ("POST", "/api/v1/periods/2019-01/close?force=true", b"{}"),
        ("GET", "/api/v1/keys", None),
    ]
    for method, path, body in writes:
        status, _, _ = plain(served, method, path, nginx, body)
        place.check(
            status == 401,
            "a client behind a proxy changes the ledger",
            f"{method} {path}: {status}",
        )
    token = (re.findall(r"\bsetup_[A-Za-z0-9_-]{43}\b", served.log()) or [None])[-1]
    if not place.check(token, "no one-time token is printed"):
        return None
    signed = nginx | {"Authorization": f"Bearer {token}"}
    status, made, _ = plain(
        served, "POST", "/api/v1/keys", signed, b'{"name":"first","role":"admin"}'
    )
    place.check(status == 201, "the one-time token cannot create the first key", made[:200])
    for method, path, body in writes:
        status, _, _ = plain(served, method, path, signed, body)
        place.check(
            status == 401,
            "the one-time token works after the first key",
            f"{method} {path}: {status}",
        )
    key = json.loads(made)["key"]
    status, _, _ = plain(
        served,
        "POST",
        "/api/v1/observations",
        nginx | {"Authorization": f"Bearer {key}"},
        figure(1),
    )
    place.check(status == 201, "the first key does not work", status)
    return "only reads until the first key"


@attack("tokens")
def tokens_are_read_strictly(place):
    """Tokens with fractional or enormous expiry times, several issuers, or an expired time; an
    issuer that is down."""
    issuer = Issuer(place.folder)
    options = [
        "--oidc-issuer",
        issuer.address,
        "--oidc-audience",
        "egov-kpi",
        "--oidc-roles",
        "r=reader",
    ]
    served = place.serve(place.sqlite(), *options)

    def me(token):
        status, body, headers = plain(
            served, "GET", "/api/v1/me", {"Authorization": f"Bearer {token}"}
        )
        return status, json.loads(body), headers

    status, body, _ = me(issuer.token())
    place.check(status == 200 and body["expires_at"], "a valid token is refused", body)
    status, body, _ = me(issuer.token(exp=4102444800.5))
    place.check(
        status == 200 and body["expires_at"] == "2100-01-01T00:00:00.500000Z",
        "a fractional expiry time is not shown",
        body,
    )
    for claims in (
        {"exp": 2**63},
        {"exp": 2**64 - 1},
        {"exp": 1e300},
        {"exp": 253402300800},
        {"iss": [issuer.address]},
        {"iss": [issuer.address, "x"]},
    ):
        status, body, _ = me(issuer.token(**claims))
        place.check(status == 401, "an invalid token is accepted", f"{claims}: {status} {body}")
    ended = issuer.token(exp=int(time.time()) - 100)
    statuses = {me(ended)[0] for _ in range(70)}
    place.check(statuses == {401}, "expired tokens count as wrong keys", statuses)
    place.check(
        me(issuer.token(sub="u-2"))[0] == 200, "another client is refused because of expired tokens"
    )
    issuer.down = True
    time.sleep(0.2)
    statuses = [me(issuer.token(kid=f"new-{n}")) for n in range(3)]
    # The keys were fetched just now; the service notices that the issuer is down at the next fetch.
    with contextlib.suppress(ClusterError):
        until(lambda: me(issuer.token(kid="new"))[0] == 503, 15, "503")
    status, body, headers = me(issuer.token(kid="new"))
    place.check(
        status == 503 and headers.get("retry-after"),
        "an issuer that is down is not reported",
        f"{statuses[0][:2]} {status} {body}",
    )
    place.check(
        me(issuer.token())[0] == 200, "known keys are not accepted while the issuer is down"
    )


def certificate(folder):
    """Creates a certificate, and its key with permissions for the owner only."""
    files = folder / "cert.pem", folder / "key.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(
        ["openssl", "req", *options, "-out", files[0], "-keyout", files[1]],
        check=True,
        capture_output=True,
    )
    files[1].chmod(0o600)
    return files


def secure(served):
    """Returns how long a new client waits for a response over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    began = time.monotonic()
    connection = http.client.HTTPSConnection(HOST, served, timeout=20, context=context)
    connection.request("GET", "/livez")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    if answer.status != 200:
        raise Fault(f"/livez: response {answer.status}")
    return time.monotonic() - began


@contextlib.contextmanager
def over_tls(place, *options):
    """Runs the service with TLS; yields its port and its log."""
    cert, key = certificate(place.folder)
    log = place.folder / "tls.log"
    command = [
        binary(),
        "serve",
        "--listen",
        f"{HOST}:0",
        "--database",
        place.sqlite(),
        "--tls-cert",
        cert,
        "--tls-key",
        key,
        *options,
    ]
    with open(log, "wb") as err:
        process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=err, text=True
        )
    try:
        yield int(process.stdout.readline().strip().rpartition(":")[2]), log
    finally:
        process.kill()
        process.wait()


@attack("TLS handshakes that never begin")
def silent_handshakes(place):
    """Many connections from one address send nothing, or a part of a handshake."""
    with over_tls(place) as (port, log):
        usual = max(secure(port) for _ in range(3))
        silent, begun = [], (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00")
        for n in range(1_900):
            one = socket.create_connection((HOST, port), timeout=20)
            one.sendall(begun[n % len(begun)])
            silent.append(one)
        worst = max(secure(port) for _ in range(5))
        place.check(
            worst < 1.5,
            "a new client waits behind handshakes that never begin",
            f"{worst:.2f} s, {usual:.2f} s before",
        )
        time.sleep(4)
        for one in silent[:60]:
            one.settimeout(5)
            with contextlib.suppress(ConnectionError):
                try:
                    one.recv(100)
                except TimeoutError:
                    place.check(False, "an unfinished handshake is not closed")
        for one in silent:
            one.close()
        place.check("PRIVATE" not in log.read_text(errors="replace"), "the log contains a key")
    return f"worst {worst:.2f} s"


@attack("TLS handshakes that never begin")
def handshakes_of_one_address(place):
    """The number of handshakes of one address is limited like its connections."""
    with over_tls(place, "--connections-address", "50") as (port, _log):
        secure(port)
        silent = [socket.create_connection((HOST, port), timeout=20) for _ in range(200)]
        time.sleep(0.5)
        closed = 0
        for one in silent:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                with contextlib.suppress(ConnectionError):
                    one.recv(1)
                closed += 1
        place.check(
            closed >= 150,
            "handshakes of one address are not limited",
            f"{closed} of 200 were closed",
        )
        for one in silent:
            one.close()


@attack("small ones")
def the_key_of_tls_is_kept(place):
    """A key file that other users can read is reported."""
    cert, key = certificate(place.folder)
    key.chmod(0o644)
    command = [
        binary(),
        "serve",
        "--listen",
        f"{HOST}:0",
        "--database",
        place.sqlite(),
        "--tls-cert",
        cert,
        "--tls-key",
        key,
    ]
    log = place.folder / "mode.log"
    with (
        open(log, "wb") as err,
        subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=err, text=True
        ) as process,
    ):
        process.stdout.readline()
        process.kill()
    place.check(
        "the key file of the certificate" in log.read_text(errors="replace"),
        "a key file that other users can read is not reported",
    )


@attack("texts")
def what_nobody_can_see(place):
    """Zero-width and direction characters in all recorded texts, and reasons without a visible
    character."""
    database = place.sqlite()
    key = place.key(database, "admin")
    caller = Caller(place.serve(database), key)
    for hidden in "\u200b\u200d\u202e\u2066\ufeff\u2060\u00ad\u3164\U000e0041\ufe0f":
        text = f"a{hidden}b"
        body = json.loads(figure(1)) | {"reason": text, "source": {"reference": text}}
        reply = caller.post("/api/v1/observations", json.dumps(body))
        errors = json.loads(reply.body).get("errors", [])
        fine = (
            reply.status == 422
            and len(errors) == 2
            and all(
                error["detail"] and error["detail_vi"] and error["code"] and error["pointer"]
                for error in errors
            )
        )
        place.check(
            fine,
            "a reason or reference with invisible characters is accepted",
            f"U+{ord(hidden):04X}: {reply.status} {reply.body[:200]}",
        )
        sent = [
            ("POST", "/api/v1/keys", {"name": text, "role": "reader"}),
            ("PUT", "/api/v1/units", {"units": [{"code": "n", "name": {"vi": text, "en": "x"}}]}),
        ]
        sent += [
            (
                "PUT",
                "/api/v1/annotations",
                {"annotations": [{"code": "a", "unit": UNIT, "from": "2021-10", "text": text}]},
            )
        ]
        sent += [("POST", "/api/v1/periods/2019-01/close?force=true", {"reason": text})]
        for method, path, body in sent:
            reply = caller.send(
                method, path, json.dumps(body).encode(), {"content-type": "application/json"}
            )
            place.check(
                reply.status == 422,
                "a text with invisible characters is accepted",
                f"{path} U+{ord(hidden):04X}: {reply.status}",
            )
    caller.post("/api/v1/periods/2021-10/close?force=true", "{}")
    for blank in ("\u200b", " ", "\u202e\u2066", "\u3164\u00a0"):
        reply = caller.post(
            "/api/v1/observations", json.dumps(json.loads(figure(1)) | {"reason": blank})
        )
        place.check(
            reply.status == 409,
            "a reason without a visible character changes a closed month",
            f"{blank!r}: {reply.status}",
        )
        reply = caller.post(
            f"/api/v1/observations?reason={urllib.parse.quote(blank)}",
            f"indicator,unit,period,value\n{INDICATOR},{UNIT},2021-10,1\n",
            content="text/csv",
        )
        place.check(
            reply.status == 409,
            "a reason without a visible character changes a closed month",
            f"CSV, {blank!r}: {reply.status}",
        )


@attack("small ones")
def methods_and_paths(place):
    """HEAD for each GET, a slash at the end of a path, a method of 60 KB."""
    database = place.sqlite()
    served = place.serve(database)
    key = place.key(database, "admin")
    caller = Caller(served, key)
    until(lambda: caller.get("/api/v1/keys").status == 200, 5, "the key")
    paths = json.loads(
        Path(__file__).resolve().parents[3].joinpath("openapi/openapi.json").read_text()
    )["paths"]
    asked = [path for path, item in paths.items() if "get" in item and "{" not in path]
    for path in [*asked, "/docs/", "/"]:
        get, head = caller.get(path), caller.send("HEAD", path)
        place.check(
            head.status == get.status and not head.body,
            "HEAD and GET have different responses",
            f"{path}: {head.status}, {get.status}",
        )
        if not path.endswith("/"):
            slashed = caller.get(path + "/")
            place.check(
                slashed.status == get.status,
                "a slash at the end changes the response",
                f"{path}/: {slashed.status}, {get.status}",
            )
    with socket.create_connection((HOST, served.port), timeout=20) as raw:
        raw.sendall(b"X" * 60_000 + b" /api/v1/units HTTP/1.1\r\nhost: x\r\n\r\n")
        said = raw.recv(20)
    place.check(said[9:12] in (b"400", b"405", b"501"), "a method of 60 KB", said)
    return f"{len(asked)} paths"
