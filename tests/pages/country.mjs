// How long the pages take over a large ledger: the server's time of each page beside that of
// /livez, and the time until a browser has painted its largest content.
//   EGOV_KPI=target/release/egov-kpi tests/pages/run.sh country sqlite://country.db
import { spawn } from "node:child_process";

import { browser, person } from "./support.mjs";

const ROUNDS = 20;
const database = process.argv[2];
if (!database) throw new Error("name the ledger: tests/pages/run.sh country sqlite://country.db");

const child = spawn(
  process.env.EGOV_KPI,
  ["serve", "--listen", "127.0.0.1:0", "--database", database, "--log", "error", "--public-reads"],
  { stdio: ["ignore", "pipe", "pipe"] },
);
const base = await new Promise((found, failed) => {
  let printed = "";
  child.once("exit", (code) => failed(new Error(`the service ended with ${code}: ${printed}`)));
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes) => {
      printed += bytes;
      const line = printed.match(/https?:\/\/127\.0\.0\.1:\d+/);
      if (line) found(line[0]);
    });
  }
});
for (;;) {
  const ready = await fetch(`${base}/readyz`).catch(() => null);
  if (ready?.ok) break;
  await new Promise((later) => setTimeout(later, 200));
}

const json = async (path) => (await fetch(`${base}/api/v1/${path}`)).json();
const { units } = await json("units?limit=1000");
const province = units.find((unit) => !unit.parent && units.some((one) => one.parent === unit.code)).code;
const unit = units.find((one) => one.parent === province).code;
const measure = "ioffice.documents.signed_rate";
const html = { headers: { accept: "text/html" } };
const first = await (await fetch(`${base}/overview?unit=${province}`, html)).text();
const month = first.match(/<option value="(\d{4}-\d{2})" selected/)[1];
const of = (code) => `unit=${code}&period=${month}`;
const PAGES = {
  "the overview of a province, with the table of its 180 units": `/overview?${of(province)}`,
  "the overview of a unit": `/overview?${of(unit)}`,
  "the ranking of 180 units": `/ranking?${of(province)}&measure=${measure}`,
  "the history of a province, 60 months": `/history?unit=${province}&measure=${measure}&to=${month}&months=60`,
  "the history of a unit, 36 months": `/history?unit=${unit}&measure=${measure}&to=${month}`,
  "the state of reporting of a province": `/reporting?${of(province)}`,
};

async function timed(path) {
  const begun = performance.now();
  const reply = await fetch(`${base}${path}`, html);
  const { length } = await reply.text();
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return [performance.now() - begun, length];
}
const median = (times) => times.sort((one, other) => one - other)[Math.floor(times.length / 2)];
const shown = (time) => (time < 10 ? time.toFixed(1) : time.toFixed(0));

const chrome = await browser();
console.log(`${(await json("ledger")).figures ?? "?"} figures; median of ${ROUNDS} requests, in ms\n`);
console.log("| page | server | `/livez` | KiB | largest paint |\n|---|---|---|---|---|");
for (const [name, path] of Object.entries(PAGES)) {
  const [times, alive] = [[], []];
  let size = 0;
  for (let n = 0; n < ROUNDS; n += 1) {
    alive.push((await timed("/livez"))[0]);
    const [time, length] = await timed(path);
    times.push(time);
    size = length;
  }
  const { page, context } = await person(chrome, base);
  await page.goto(path, { waitUntil: "networkidle" });
  const paint = await page.evaluate(
    () =>
      new Promise((found) => {
        new PerformanceObserver((list) => found(list.getEntries().at(-1).startTime)).observe({
          type: "largest-contentful-paint",
          buffered: true,
        });
      }),
  );
  await context.close();
  const row = [name, shown(median(times)), shown(median(alive)), Math.round(size / 1024), Math.round(paint)];
  console.log(`| ${row.join(" | ")} |`);
}
await chrome.close();
child.kill("SIGTERM");
