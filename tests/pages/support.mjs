// A service with the figures of the demo and keys for each role, and a browser that can reach only
// this machine.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const SHOTS = process.env.EGOV_KPI_SCREENSHOTS;

// Starts the demo.
export async function demo() {
  const child = spawn(process.env.EGOV_KPI, ["demo", "--listen", "127.0.0.1:0", "--log", "error"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let printed = "";
  const base = await new Promise((found, failed) => {
    child.once("exit", (code) => failed(new Error(`the demo ended with ${code}`)));
    child.stdout.on("data", (bytes) => {
      printed += bytes;
      const line = printed.match(/^listening on (\S+)$/m);
      if (line) found(line[1]);
    });
  });
  return { base, stop: () => child.kill("SIGTERM") };
}

// The demo with a key for each role. From the first key on it needs keys.
export async function service() {
  const { base, stop } = await demo();
  const issue = async (body, by) => {
    const reply = await fetch(`${base}/api/v1/keys`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(by && { authorization: `Bearer ${by}` }) },
      body: JSON.stringify(body),
    });
    if (reply.status !== 201) throw new Error(await reply.text());
    return reply.json();
  };
  const admin = await issue({ name: "Admin", role: "admin" });
  const keys = { admin: admin.key };
  for (const [name, body] of Object.entries({
    steward: { name: "Steward", role: "steward" },
    reader: { name: "Reader", role: "reader" },
    officer: { name: "Officer", role: "reporter", unit: "sample.finance" },
    other: { name: "Other officer", role: "reporter", unit: "sample.health" },
  })) {
    const issued = await issue(body, admin.key);
    keys[name] = issued.key;
    keys[`${name}Id`] = issued.id;
  }
  const api = async (path, key = keys.admin, options = {}) => {
    const reply = await fetch(`${base}/api/v1/${path}`, {
      ...options,
      headers: { authorization: `Bearer ${key}`, ...options.headers },
    });
    return reply.json();
  };
  return { base, keys, api, stop };
}

export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ],
  });
}

// A person with a browser of her own. `troubles` collects console messages, errors of scripts and
// requests to other hosts.
export async function person(chrome, base, options = {}) {
  const context = await chrome.newContext({
    baseURL: base,
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  const troubles = [];
  context.on("console", (message) => {
    // A status of 4xx that a test wants is told on the console too.
    if (!/status of 4\d\d/.test(message.text())) troubles.push(`console: ${message.text()}`);
  });
  context.on("weberror", (error) => troubles.push(`error: ${error.error().message}`));
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith("data:")) troubles.push(`request: ${url}`);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  return { context, page, troubles };
}

// Signs in on the page that a browser without a session gets.
export async function signIn(page, key, place = "/") {
  await page.goto(place);
  await page.fill("#key", key);
  await page.press("#key", "Enter");
  await page.locator("header .who").waitFor({ state: "attached" });
  await page.waitForLoadState();
}

// What axe finds that is serious or critical.
export async function serious(page) {
  // The policy of the pages allows no scripts within a page, so the test adds axe by the debugger.
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations),
  );
  return found
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3)}`);
}

// The structure of a page: titles, regions, heads of tables, fields, buttons; with their words in
// the language of the page, but without figures, which change with the day.
export async function outline(page) {
  return page.evaluate(() => {
    const wanted =
      "h1, h2, nav, main, section, table, th[scope=col], form, label, select, button, a.button, svg.chart, " +
      "input:not([type=hidden]), textarea, details, summary, dt";
    const named = new Set(["H1", "H2", "TH", "BUTTON", "A", "SUMMARY", "DT"]);
    const lines = [...document.querySelectorAll(wanted)].map((element) => {
      const kind = element.tagName.toLowerCase();
      const text = named.has(element.tagName) ? element.textContent : "";
      const plain = text.replace(/[\d.,/]+/g, "0").replace(/\s+/g, " ").trim();
      const name = element.getAttribute("name")?.replace(/[\d]+/g, "0") ?? "";
      return [kind, name, plain].filter(Boolean).join(" ");
    });
    // Rows of a table have the same fields: one line for all of them.
    return lines.filter((line, n) => line !== lines[n - 1]);
  });
}

export async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: true });
}
