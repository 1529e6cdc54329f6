"""A single sign-on issuer with a key made by openssl, in the process of the test."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import time

from common import HOST


def openssl(*words, **options):
    """Runs openssl and returns what it printed, as bytes."""
    done = subprocess.run(["openssl", *words], check=True, capture_output=True, **options)
    return done.stdout


def b64(data):
    """Encodes in the base64 variant of tokens."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Serves the discovery document and its keys. With an address other than localhost it serves
    them over TLS, with a certificate of its own (`certificate`), because the service accepts
    nothing else."""

    def __init__(self, folder, address=HOST):
        self._key, self.certificate = folder / "issuer.pem", folder / "issuer.crt"
        self.down, self.kids = False, ["one"]
        openssl("genrsa", "-out", self._key, "2048")
        said = openssl("rsa", "-in", self._key, "-noout", "-modulus").decode()
        self._modulus = b64(bytes.fromhex(said.strip().partition("=")[2]))
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Serves the discovery document and the keys."""

            def do_GET(self):
                """Responds to any path."""
                if issuer.down:
                    self.send_error(503)
                    return
                about = {"issuer": issuer.address, "jwks_uri": f"{issuer.address}/keys"}
                is_about = self.path.startswith("/.well-known")
                body = json.dumps(about if is_about else issuer.keys()).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments):
                """Suppresses the log."""

        server = http.server.ThreadingHTTPServer((address, 0), Handler)
        scheme = "http"
        if address != HOST:
            scheme = "https"
            self._secure(server, address)
        self.address = f"{scheme}://{address}:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def _secure(self, server, address):
        options = ["-key", self._key, "-days", "2", "-out", self.certificate, "-subj", "/CN=issuer"]
        # The service refuses a server whose certificate is that of an authority.
        for extension in (f"subjectAltName=IP:{address}", "basicConstraints=critical,CA:FALSE"):
            options += ["-addext", extension]
        openssl("req", "-x509", "-new", *options)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)
        # Each connection makes its handshake in its own thread.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )

    def keys(self):
        """Returns its keys: the same one under each of its identifiers (`kids`)."""
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "n": self._modulus, "e": "AQAB"}
        return {"keys": [{**key, "kid": kid} for kid in self.kids]}

    def token(self, **claims):
        """Returns a signed token."""
        header = {"alg": "RS256", "kid": claims.pop("kid", "one")}
        all_claims = {
            "iss": self.address,
            "aud": "egov-kpi",
            "sub": "u-1",
            "roles": ["r"],
            "exp": int(time.time()) + 300,
        } | claims
        message = (
            f"{b64(json.dumps(header).encode())}.{b64(json.dumps(all_claims).encode())}".encode()
        )
        signed = openssl("dgst", "-sha256", "-sign", self._key, input=message)
        return f"{message.decode()}.{b64(signed)}"
