// The pages in a real browser: an officer, a leader and a steward do their work; every page as it
// looks on a phone, on paper, on a wall, in the dark, in English, and without scripts.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

import { browser, outline, person, serious, service, shot, signIn } from "./support.mjs";

const PROJECT = pathToFileURL(`${process.env.EGOV_KPI_PROJECT}/`);
const DOMAIN = new URL("../shared/domain/", PROJECT);
let served, chrome;

before(async () => {
  [served, chrome] = await Promise.all([service(), browser()]);
});
after(async () => {
  await chrome?.close();
  served?.stop();
});

const field = (page, measure) => page.locator(`[name="figure:${measure}"]`);
const row = (page, measure) => page.locator("tr", { has: field(page, measure) });

// Types a figure into the focused field and goes on to the next row.
async function typeFigure(page, text) {
  await page.keyboard.press("Control+A");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

test("an officer enters five figures by keyboard, mends one, sends, corrects and withdraws", async () => {
  const { page, troubles, context } = await person(chrome, served.base);
  const first = await page.goto("/");
  assert.equal(first.status(), 401);
  await signIn(page, served.keys.officer);
  assert.match(page.url(), /\/entry$/);
  // The month before this one, in Vietnam.
  const today = new Date(Date.now() + 7 * 3_600_000);
  const last = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() - 1));
  const [year, before] = [last.getUTCFullYear(), last.getUTCMonth() + 1];
  const month = `${year}-${String(before).padStart(2, "0")}`;
  const title = `Sở Tài chính (mẫu), tháng ${before}/${year}`;
  assert.equal(await page.locator("h1").innerText(), title);

  await field(page, "ioffice.users.total").focus();
  await typeFigure(page, "148");
  await typeFigure(page, "512");
  await typeFigure(page, "530");
  const signed = row(page, "ioffice.documents.signed");
  await signed.locator("td.note.fair").waitFor();
  assert.match(await signed.locator("td.note").innerText(), /530.*512/);

  await field(page, "ioffice.documents.signed").focus();
  await typeFigure(page, "1,234");
  await signed.locator("td.note.bad").waitFor();
  assert.equal(
    await signed.locator("td.note").innerText(),
    "1,234: nghìn hay thập phân? Nhập 1234 hoặc 1.234.",
  );
  await shot(page, "entry-wrong");
  await field(page, "ioffice.documents.signed").focus();
  await typeFigure(page, "500");
  await page.waitForFunction(
    (name) => !document.querySelector(`[name="${name}"]`).closest("tr").querySelector(".note").textContent,
    "figure:ioffice.documents.signed",
  );
  const rate = page.locator('[data-kpi="ioffice.documents.signed_rate"] [data-value]');
  assert.equal((await rate.innerText()).replace(/\s/g, " "), "97,7 %");
  await typeFigure(page, "không phát sinh");
  await typeFigure(page, "148");
  await page.locator("[data-saved]", { hasText: "Đã lưu nháp lúc" }).waitFor();

  await page.locator("button.main").focus();
  await page.keyboard.press("Enter");
  await page.locator("h1", { hasText: "Kiểm tra trước khi gửi" }).waitFor();
  assert.equal(await page.locator("table.figures tr").count(), 5);
  await shot(page, "check");
  await page.locator("button.main").focus();
  await page.keyboard.press("Enter");

  await page.waitForURL(/\/receipts\//);
  const receipt = page.url();
  assert.match(await page.locator("dl").innerText(), /5 số mới, 0 số sửa, 0 không đổi, 0 rút/);
  await page.emulateMedia({ media: "print" });
  assert.ok(await page.locator(".signature").isVisible());
  assert.ok(!(await page.locator("nav").first().isVisible()));
  await shot(page, "receipt-printed");
  await page.emulateMedia({ media: null });

  await page.getByRole("link", { name: "Sửa số liệu" }).click();
  assert.equal(await field(page, "ioffice.documents.outgoing").inputValue(), "512");
  await field(page, "ioffice.documents.outgoing").fill("1.512");
  await page.locator("button.main").click();
  assert.match(await page.locator("main").innerText(), /512 → 1\.512/);
  await page.fill("#reason", "đếm lại");
  await page.locator("button.main").click();
  await page.waitForURL(/\/receipts\//);
  assert.match(await page.locator("dl").innerText(), /0 số mới, 1 số sửa/);
  assert.match(await page.locator("dl").innerText(), /đếm lại/);

  await page.goto(receipt);
  await page.locator("summary", { hasText: "Rút lần gửi này" }).click();
  await page.fill("#reason", "gửi nhầm");
  await page.check("[name=sure]");
  await page.locator("button.danger").click();
  await page.locator("h1", { hasText: "Biên nhận rút số liệu" }).waitFor();
  assert.match(await page.locator("dl").innerText(), /4 rút/, "the corrected figure stays");
  const left = await served.api(`observations?unit=sample.finance&from=${month}`);
  assert.deepEqual(left.observations.map((one) => one.value), [1512]);
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a lost network and a lost session lose nothing that was typed", async () => {
  const { page, context } = await person(chrome, served.base);
  await signIn(page, served.keys.other);
  await page.goto("/entry?unit=sample.health&period=2026-09");
  const users = "ioffice.users.total";
  await field(page, users).fill("77");
  await context.setOffline(true);
  await field(page, "ioffice.documents.outgoing").fill("88");
  await field(page, "ioffice.documents.outgoing").blur();
  await page.locator("[data-saved]", { hasText: "Mất kết nối" }).waitFor();
  await context.setOffline(false);
  await page.reload();
  assert.equal(await field(page, users).inputValue(), "77");
  assert.equal(await field(page, "ioffice.documents.outgoing").inputValue(), "88");

  await context.clearCookies();
  await field(page, users).fill("79");
  await field(page, users).blur();
  await page.locator("[data-saved]", { hasText: "hết phiên" }).waitFor();
  await page.locator("button.main").click();
  await page.locator("#key").waitFor();
  await page.fill("#key", served.keys.other);
  await page.press("#key", "Enter");
  await page.goto("/entry?unit=sample.health&period=2026-09");
  assert.equal(await field(page, users).inputValue(), "79");
  await context.close();
});

test("without scripts an officer enters, checks and sends as well", async () => {
  const { page, context } = await person(chrome, served.base, { javaScriptEnabled: false });
  await signIn(page, served.keys.officer);
  await page.goto("/entry?unit=sample.finance&period=2026-08");
  await field(page, "ioffice.users.total").fill("150");
  await field(page, "ioffice.documents.outgoing").fill("1,234");
  await page.locator("button.main").click();
  assert.match(await page.locator("main").innerText(), /nghìn hay thập phân/);
  assert.equal(await page.locator("button.main").count(), 0, "a wrong figure cannot be sent");
  await page.getByRole("link", { name: "Sửa lại" }).click();
  assert.equal(await field(page, "ioffice.users.total").inputValue(), "150", "the draft is kept");
  await field(page, "ioffice.documents.outgoing").fill("1.234");
  await page.locator("button.main").click();
  await page.locator("button.main").click();
  await page.waitForURL(/\/receipts\//);
  assert.match(await page.locator("dl").innerText(), /2 số mới/);
  await page.goto("/overview?unit=sample&period=2021-12");
  await page.selectOption("select[name=period]", "2021-10");
  await page.locator("form", { has: page.locator("select[name=period]") }).locator("button").click();
  assert.match(page.url(), /period=2021-10/);
  await context.close();
});

test("a report is read, chosen from and recorded", async (t) => {
  const report = new URL("report-2021-10.md", DOMAIN);
  if (!existsSync(report)) return t.skip("there is no ../shared/domain");
  const { page, troubles, context } = await person(chrome, served.base);
  await signIn(page, served.keys.steward);
  await page.goto("/send");
  // Dropped onto the form, as with a mouse.
  const dropped = await page.evaluateHandle((text) => {
    const moved = new DataTransfer();
    moved.items.add(new File([text], "bao-cao-2021-10.md", { type: "text/markdown" }));
    return moved;
  }, readFileSync(report, "utf8"));
  await page.dispatchEvent("form[data-drop]", "drop", { dataTransfer: dropped });
  await page.waitForURL(/\/send\/\w+$/);
  assert.match(await page.locator("main").innerText(), /Trà Vinh, tháng 10\/2021/);
  const taken = page.locator("[name=take]:checked");
  const count = await taken.count();
  assert.ok(count >= 70, `${count} figures are ticked`);
  assert.match(await page.locator(".notice.fair h2").innerText(), /^3 mâu thuẫn/);
  await page.locator("ol.numbers li").first().hover();
  assert.equal(await page.locator(".mark.linked").count(), 1, "the number in the text is marked");
  await shot(page, "send-report");
  await taken.first().uncheck();
  const given = page.locator("[name^='give:']").first();
  // An indicator of which the report has no other figure.
  const read = await served.api("reports", served.keys.steward, {
    method: "POST",
    headers: { "content-type": "text/markdown" },
    body: readFileSync(report),
  });
  const found = new Set(read.figures.map((figure) => figure.indicator));
  const { indicators } = await served.api("indicators");
  const free = indicators.find((one) => one.unit_of_measure === "count" && !found.has(one.code));
  await given.fill(free.code);
  await page.locator("button[value=check]").click();
  assert.equal(await page.locator("[name=take]:checked").count(), count, "one less, one by hand");
  assert.equal(await page.locator(".badge", { hasText: "chọn bằng tay" }).count(), 1);
  await page.locator("button[value=record]").click();
  await page.waitForURL(/\/receipts\//);
  assert.match(await page.locator("main").innerText(), /Mâu thuẫn khi ghi/);

  await page.goto("/admin/patterns");
  const chosen = page.locator("form.card");
  assert.match(await chosen.first().innerText(), /Trà Vinh, tháng 10\/2021/);
  await shot(page, "admin-patterns-filled");
  await chosen.first().locator("button[value=preview]").click();
  await page.locator(".notice p").first().waitFor();
  assert.match(await page.locator(".notice").first().innerText(), /Mẫu này/);
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a leader goes from the overview to a history, a ranking, other months and a Word file", async () => {
  const { page, troubles, context } = await person(chrome, served.base);
  await signIn(page, served.keys.reader);
  assert.equal(await page.locator("h1").innerText(), "Tỉnh mẫu");
  await page.goto("/overview?unit=sample&period=2021-12");
  assert.equal(await page.locator("nav a", { hasText: "Nhập số liệu" }).count(), 0);
  assert.ok((await page.locator("a.card").count()) >= 10);
  await page.keyboard.press("ArrowLeft");
  await page.waitForURL(/period=2021-11/);

  const cell = page.locator("table.heat tbody tr", { hasText: "Huyện mẫu Đông Bắc" });
  await cell.locator("td.number a").first().click();
  await page.waitForURL(/\/history\?/);
  assert.equal(await page.locator("svg.chart").count(), 1);
  assert.ok((await page.locator("svg.chart .target line").count()) === 1, "the target is drawn");
  const health = "/history?measure=ioffice.documents.signed_rate&unit=sample.health&months=36&to=2021-12";
  await page.goto(health);
  const path = await page.locator("svg.chart .l0 path").getAttribute("d");
  assert.equal(path.match(/M/g).length, 2, "a gap interrupts the line");
  await page.goto(health.replace("sample.health", "sample"));
  const marks = await page.locator("svg.chart .mark title").allTextContents();
  // A cursor shows the values of a month; dragging across months shows these alone.
  const chart = page.locator("svg.chart");
  await chart.focus();
  await page.keyboard.press("ArrowRight");
  assert.match(await page.locator(".cursor-box").innerText(), /^01\/2019: 5\d,\d/);
  await shot(page, "history-cursor");
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Enter");
  await page.waitForURL(/months=3(&|$)/);
  assert.equal(await page.locator("svg.chart .point").count(), 3);
  const area = await page.locator("svg.chart").boundingBox();
  const at = (share) => [area.x + area.width * share, area.y + area.height / 2];
  await page.mouse.move(...at(0.1));
  await page.mouse.down();
  await page.mouse.move(...at(0.5));
  await page.mouse.up();
  await page.waitForURL(/months=2(&|$)/);
  await page.goBack();
  await page.waitForURL(/months=3(&|$)/);
  assert.ok(marks.some((text) => text.includes("hợp nhất")), `a merger is drawn: ${marks}`);

  await page.locator("header nav a", { hasText: "Xếp hạng" }).click();
  await page.locator("table.figures tbody tr").first().waitFor();
  assert.ok((await page.locator(".bar").count()) >= 5);

  await page.goto("/overview?unit=sample&period=2021-12");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Báo cáo Word" }).click(),
  ]);
  assert.match(download.suggestedFilename(), /\.docx$/);
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a steward answers a contradiction, closes a month, adds an indicator, merges units", async () => {
  const { page, troubles, context } = await person(chrome, served.base);
  await signIn(page, served.keys.steward);
  assert.match(page.url(), /\/reporting$/);
  await page.goto("/reporting?unit=travinh&period=2021-10");
  const findings = page.locator("#findings li");
  const count = await findings.count();
  assert.ok(count >= 1);
  await findings.first().locator("[name=text]").fill("Đã kiểm tra, đúng");
  await findings.first().locator("button").click();
  await page.locator("#findings li.answered").waitFor();
  assert.equal(await page.locator("#findings li").last().getAttribute("class"), "answered");

  await page.goto("/reporting?unit=sample&period=2021-06");
  assert.match(await page.locator("table.strip").innerText(), /Sở Y tế \(mẫu\)/);
  assert.match(await page.locator("#reminder").inputValue(), /Sở Y tế \(mẫu\): còn thiếu 8 chỉ tiêu/);

  await page.goto("/admin/closing?period=2021-11");
  await page.locator("button.main").click();
  assert.match(await page.locator(".notice.bad").innerText(), /lý do/);
  await page.fill("#reason", "đã đủ số liệu");
  await page.check("[name=force]");
  await page.locator("button.main").click();
  await page.locator(".notice.good").waitFor();
  const officer = await person(chrome, served.base);
  await signIn(officer.page, served.keys.officer);
  await officer.page.goto("/entry?unit=sample.finance&period=2021-11");
  assert.equal(await officer.page.locator("input[type=text]").count(), 1, "only the request to reopen");
  await officer.page.fill("#why", "còn sót văn bản");
  await officer.page.locator("form.inline button").click();
  await officer.context.close();
  await page.goto("/reporting?unit=sample&period=2021-11");
  assert.match(await page.locator(".notice.fair").first().innerText(), /còn sót văn bản/);

  await page.goto("/admin/catalogue");
  await page.fill("[name=code]", "ioffice.documents.internal");
  await page.fill("[name=name_vi]", "Văn bản nội bộ");
  await page.selectOption("[name=system]", "ioffice");
  await page.locator("button[value=preview]").click();
  assert.match(await page.locator(".notice pre").innerText(), /\+.*ioffice\.documents\.internal/);
  assert.match(await page.locator("#tried").innerText(), /báo cáo tháng/);
  await page.fill("[name=code]", "ioffice.documents.page_rate");
  await page.fill("[name=formula]", "ioffice.documents.signed / ioffice.documents.outgoing");
  await page.fill("[name=unit_of_measure]", "percent");
  await page.locator("button[value=preview]").click();
  assert.match(await page.locator("#tried").innerText(), /\d+,\d\s%/);
  await shot(page, "admin-catalogue-preview");
  await page.fill("[name=formula]", "");
  await page.fill("[name=unit_of_measure]", "count");
  await page.fill("[name=code]", "ioffice.documents.internal");
  await page.locator("button[value=record]").click();
  await page.locator(".notice.good").waitFor();
  await page.goto("/systems/ioffice?unit=sample&period=2021-12");
  assert.match(await page.locator("table").first().innerText(), /Văn bản nội bộ/);

  await page.goto("/admin/units");
  await page.check("[name=merged][value='sample.finance']");
  await page.check("[name=merged][value='sample.home_affairs']");
  await page.fill("[name=code]", "sample.finance_home");
  await page.fill("[name=name_vi]", "Sở Tài chính và Nội vụ (mẫu)");
  await page.fill("[name=parent]", "sample");
  await page.fill("[name=from]", "2026-12-01");
  await page.locator("button.main").click();
  await page.locator(".notice").first().waitFor();
  assert.match(await page.locator("main").innerText(), /Đã ghi\./);
  const units = await served.api("units?code=sample.finance");
  assert.deepEqual(units.units[0].successors, ["sample.finance_home"]);
  assert.deepEqual(troubles, []);
  await context.close();
});

test("without scripts a leader and a steward do their work as well", async () => {
  const own = await service();
  const { page, context } = await person(chrome, own.base, { javaScriptEnabled: false });
  await signIn(page, own.keys.reader);
  await page.goto("/overview?unit=sample&period=2021-12");
  await page.locator("table.heat td.number a").first().click();
  assert.match(page.url(), /\/history\?/);
  await page.selectOption("select[name=months]", "13");
  await page.locator("form.choice.wide button.go").click();
  assert.match(page.url(), /months=13/);
  assert.equal(await page.locator("svg.chart").count(), 1);
  await page.locator("header nav a", { hasText: "Xếp hạng" }).click();
  assert.ok((await page.locator(".bar").count()) >= 5);
  await page.locator("form[action='/sign-out'] button").click();

  await signIn(page, own.keys.steward);
  await page.goto("/reporting?unit=travinh&period=2021-10");
  await page.locator("#findings li form button").first().click();
  assert.ok((await page.locator("#findings li.answered").count()) >= 1);
  await page.goto("/admin/closing?period=2021-11");
  await page.fill("#reason", "đã đủ số liệu");
  await page.check("[name=force]");
  await page.locator("button.main").click();
  assert.equal(await page.locator(".notice.good").count(), 1);
  await page.goto("/admin/catalogue");
  await page.fill("[name=code]", "ioffice.documents.internal");
  await page.fill("[name=name_vi]", "Văn bản nội bộ");
  await page.locator("button[value=preview]").click();
  await page.locator("button[value=record]").click();
  assert.equal(await page.locator(".notice.good").count(), 1);
  await context.close();
  own.stop();
});

test("an admin issues a key and revokes it, which ends its session", async () => {
  const { page, context } = await person(chrome, served.base);
  await signIn(page, served.keys.admin);
  await page.goto("/admin/keys");
  await page.fill("[name=name]", "Máy nhập liệu");
  await page.selectOption("[name=role]", "reporter");
  await page.fill("[name=unit]", "sample.justice");
  await page.locator("button.main").click();
  const key = await page.locator("#secret").innerText();
  const holder = await person(chrome, served.base);
  await signIn(holder.page, key);
  assert.match(await holder.page.locator("h1").innerText(), /Sở Tư pháp/);
  await page.goto("/admin/keys");
  const line = page.locator("tr", { hasText: "Máy nhập liệu" });
  await line.locator("button[name=revoke]").click();
  await page.locator("tr", { hasText: "Máy nhập liệu" }).getByText("đã thu hồi").waitFor();
  const ended = await holder.page.goto("/entry");
  assert.equal(ended.status(), 401);
  await page.goto("/admin/audit");
  assert.match(await page.locator("table").innerText(), /keys/);
  await holder.context.close();
  await context.close();
});

// Every page, as each kind of person sees it.
const PAGES = {
  overview: "/overview?unit=sample&period=2021-12",
  "overview-partial": "/overview?unit=sample&period=2021-06",
  system: "/systems/igate?unit=travinh&period=2021-10",
  ranking: "/ranking?unit=sample&period=2021-12",
  history: "/history?unit=sample&measure=ioffice.documents.signed_rate&to=2021-12",
  "history-compared": "/history?unit=sample.finance&unit=sample.health&measure=ioffice.documents.outgoing&to=2021-12",
  reporting: "/reporting?unit=sample&period=2021-06",
  units: "/units",
  entry: "/entry?unit=sample.justice&period=2026-10",
  send: "/send",
  admin: "/admin",
  "admin-closing": "/admin/closing?period=2021-12",
  "admin-units": "/admin/units",
  "admin-catalogue": "/admin/catalogue",
  "admin-patterns": "/admin/patterns",
  "admin-targets": "/admin/targets",
  "admin-keys": "/admin/keys",
  "admin-audit": "/admin/audit",
  guides: "/guide",
  "guide-officer": "/guide/officer",
  "guide-leader": "/guide/leader",
  "guide-api": "/guide/api",
  "guide-analyst": "/guide/analyst",
};

const LOOKS = {
  desk: {},
  phone: { viewport: { width: 390, height: 844 } },
  dark: { colorScheme: "dark" },
  english: {},
  "without scripts": { javaScriptEnabled: false },
};

// The outlines of all pages in both languages, as somebody has looked at them.
const OUTLINES = new URL("tests/pages/outlines.json", PROJECT);
const outlines = existsSync(OUTLINES) ? JSON.parse(readFileSync(OUTLINES, "utf8")) : {};

for (const [look, options] of Object.entries(LOOKS)) {
  test(`every page: ${look}`, async () => {
    // A service of its own: other tests change what the pages show.
    const own = await service();
    const { page, troubles, context } = await person(chrome, own.base, options);
    await signIn(page, own.keys.admin);
    const language = look === "english" ? "en" : "vi";
    const different = [];
    for (const [name, path] of Object.entries(PAGES)) {
      const place = language === "en" ? `${path}${path.includes("?") ? "&" : "?"}lang=en` : path;
      const reply = await page.goto(place);
      assert.equal(reply.status(), 200, name);
      const policy = reply.headers()["content-security-policy"];
      assert.ok(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
      await shot(page, `${name}-${look.replace(" ", "-")}`);
      if (look !== "without scripts") assert.deepEqual(await serious(page), [], `${name} ${look}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= options.viewport?.width || !options.viewport, `${name} is ${wide} wide`);
      assert.equal(await page.locator("h1").count(), 1, `${name} has one title`);
      assert.equal(await page.evaluate(() => document.documentElement.lang), language);
      const found = await outline(page);
      if (process.env.EGOV_KPI_OUTLINES === "accept" && ["desk", "english"].includes(look)) {
        (outlines[language] ??= {})[name] = found;
      } else if (JSON.stringify(found) !== JSON.stringify(outlines[language]?.[name])) {
        different.push({ name, found, accepted: outlines[language]?.[name] });
      }
    }
    if (process.env.EGOV_KPI_OUTLINES === "accept") {
      writeFileSync(OUTLINES, `${JSON.stringify(outlines, null, 1)}\n`);
    } else {
      for (const one of different) assert.deepEqual(one.found, one.accepted, one.name);
    }
    assert.deepEqual(troubles, []);
    await context.close();
    own.stop();
  });
}

test("printed pages show figures and no controls, and a wall screen loads itself again", async () => {
  const { page, context } = await person(chrome, served.base);
  await signIn(page, served.keys.reader);
  await page.emulateMedia({ media: "print" });
  for (const name of ["overview", "ranking", "history", "reporting"]) {
    await page.goto(PAGES[name]);
    assert.equal(await page.locator("select:visible, button:visible, header nav:visible").count(), 0);
    await shot(page, `${name}-printed`);
  }
  await page.emulateMedia({ media: null });
  await page.goto(`${PAGES.overview}&tv=1`);
  assert.equal(await page.locator("meta[http-equiv=refresh]").count(), 1);
  assert.equal(await page.locator("header nav:visible").count(), 0);
  await shot(page, "overview-wall");
  await context.close();
});

test("a page with all that it loads is below 100 KB; the time to paint is printed", async () => {
  const { page, context } = await person(chrome, served.base);
  const sizes = [];
  page.on("response", async (reply) => {
    const body = await reply.body().catch(() => Buffer.alloc(0));
    sizes.push(gzipSync(body).length);
  });
  await signIn(page, served.keys.reader);
  for (const name of ["overview", "ranking", "history", "reporting"]) {
    sizes.length = 0;
    await page.goto(PAGES[name], { waitUntil: "networkidle" });
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(total < 100_000, `${name}: ${total} bytes`);
    const paint = await page.evaluate(
      () =>
        new Promise((found) => {
          new PerformanceObserver((list) => found(list.getEntries().at(-1).startTime)).observe({
            type: "largest-contentful-paint",
            buffered: true,
          });
        }),
    );
    console.log(`${name}: ${total} bytes compressed, largest paint after ${Math.round(paint)} ms`);
  }
  await context.close();
});

test("each figure of the real report stands at most two clicks from the first page", async () => {
  const text = readFileSync(new URL("catalogue/travinh-2021-10.csv", PROJECT), "utf8");
  const [head, ...lines] = text.trim().split("\n").map((line) => line.split(","));
  const fixed = ["indicator", "unit", "period", "value"];
  const figures = lines.map((line) => {
    const cells = Object.fromEntries(head.map((name, n) => [name, line[n] ?? ""]));
    const members = head
      .filter((name) => !fixed.includes(name) && cells[name])
      .map((name) => (name === "dimensions" ? cells[name] : `${name}=${cells[name]}`));
    return { ...cells, members: members.join(";").split(";").sort().join(",") };
  });
  const { page, context } = await person(chrome, served.base);
  await signIn(page, served.keys.reader);
  await page.locator("nav.tabs a", { hasText: "Trà Vinh" }).click();
  const links = await page
    .locator("ul.systems a")
    .evaluateAll((all) => all.map((one) => one.href));
  const shown = [];
  for (const link of links) {
    await page.goto(link);
    const rows = page.locator("tbody tr");
    shown.push(
      ...(await rows.evaluateAll((all) =>
        all.map((one) => [
          new URL(one.querySelector("a").href).searchParams.get("measure"),
          one.innerText,
          new URL(one.querySelector("a").href).searchParams.get("unit"),
        ]),
      )),
    );
  }
  const missing = figures.filter((figure) => {
    const number = Number(figure.value).toLocaleString("vi-VN", { maximumFractionDigits: 3 });
    return !shown.some(([measure, row, unit]) => {
      const [code, rest] = measure.split("{");
      const members = (rest ?? "").replace("}", "").split(",").sort().join(",");
      return (
        unit === figure.unit &&
        code === figure.indicator &&
        members === figure.members &&
        row.includes(number)
      );
    });
  });
  console.log(`${figures.length - missing.length} of ${figures.length} figures found`);
  const names = missing.map((figure) => `${figure.unit} ${figure.indicator}{${figure.members}}`);
  assert.deepEqual(names, []);
  await context.close();
});
