// An issuer of the single sign-on on this machine, with a page to sign in; and a service that uses
// it.
import { spawn } from "node:child_process";
import { createHash, createSign, generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";

const encoded = (value) => Buffer.from(value).toString("base64url");

// Starts the issuer; its people are reporters of a unit.
export async function issuer(unit) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const codes = new Map();
  let base;
  const token = (claims) => {
    const now = Math.floor(Date.now() / 1000);
    const head = encoded(JSON.stringify({ alg: "ES256", typ: "JWT", kid: "1" }));
    const body = encoded(JSON.stringify({ iss: base, iat: now, exp: now + 300, ...claims }));
    const signature = createSign("sha256").update(`${head}.${body}`);
    const signed = signature.sign({ key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${head}.${body}.${signed.toString("base64url")}`;
  };
  const server = createServer(async (request, reply) => {
    const url = new URL(request.url, base);
    let body = "";
    for await (const bytes of request) body += bytes;
    const json = (value, status = 200) =>
      reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname === "/.well-known/openid-configuration") {
      return json({
        issuer: base,
        jwks_uri: `${base}/keys`,
        authorization_endpoint: `${base}/authorize`,
        token_endpoint: `${base}/token`,
        end_session_endpoint: `${base}/end`,
        authorization_response_iss_parameter_supported: true,
      });
    }
    if (url.pathname === "/keys") {
      const key = publicKey.export({ format: "jwk" });
      return json({ keys: [{ ...key, kid: "1", use: "sig", alg: "ES256" }] });
    }
    if (url.pathname === "/authorize" && request.method === "GET") {
      return reply
        .writeHead(200, { "content-type": "text/html; charset=utf-8" })
        .end(`<!DOCTYPE html><title>Issuer</title><h1>Issuer</h1><form method="post">
          <input name="who" autofocus><button>Sign in</button></form>`);
    }
    if (url.pathname === "/authorize") {
      const code = randomUUID();
      codes.set(code, { asked: url.searchParams, who: new URLSearchParams(body).get("who") });
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.search = new URLSearchParams({ code, state: url.searchParams.get("state"), iss: base });
      return reply.writeHead(303, { location: back.href }).end();
    }
    if (url.pathname === "/token") {
      const form = new URLSearchParams(body);
      const known = codes.get(form.get("code"));
      codes.delete(form.get("code"));
      const verifier = createHash("sha256").update(form.get("code_verifier") ?? "");
      if (verifier.digest("base64url") !== known?.asked.get("code_challenge")) {
        return json({ error: "invalid_grant" }, 400);
      }
      const person = { sub: known.who, name: known.who };
      return json({
        token_type: "Bearer",
        access_token: token({ ...person, aud: "egov-kpi", roles: ["reporter"], unit }),
        id_token: token({ ...person, aud: "web", nonce: known.asked.get("nonce") }),
      });
    }
    reply.writeHead(url.pathname === "/end" ? 200 : 404).end("signed out");
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  base = `http://127.0.0.1:${server.address().port}`;
  return { base, stop: () => server.close() };
}

// A service with an empty ledger, on which people can sign in at the issuer.
export async function serviceOf(issuer) {
  const socket = createSocket();
  await new Promise((listening) => socket.listen(0, "127.0.0.1", listening));
  const { port } = socket.address();
  await new Promise((closed) => socket.close(closed));
  const base = `http://127.0.0.1:${port}`;
  const folder = mkdtempSync(`${tmpdir()}/egov-kpi-pages-`);
  const child = spawn(
    process.env.EGOV_KPI,
    [
      ...["serve", "--listen", `127.0.0.1:${port}`, "--database", `sqlite://${folder}/ledger.db`],
      ...["--log", "error", "--public-address", base, "--oidc-issuer", issuer.base],
      ...["--oidc-audience", "egov-kpi", "--oidc-client-id", "web", "--oidc-roles", "reporter=reporter"],
    ],
    { stdio: "ignore" },
  );
  for (let n = 0; ; n += 1) {
    const ready = await fetch(`${base}/readyz`).catch(() => null);
    if (ready?.ok) break;
    if (n > 300 || child.exitCode !== null) throw new Error("the service has not started");
    await new Promise((later) => setTimeout(later, 100));
  }
  const stop = () => {
    child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  };
  return { base, stop };
}
