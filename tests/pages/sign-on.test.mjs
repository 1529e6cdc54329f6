// Signing in at the single sign-on of the province, in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { issuer, serviceOf } from "./issuer.mjs";
import { browser, serious, shot } from "./support.mjs";

const UNIT = "tv.dof";
let issuing, served, chrome;

before(async () => {
  issuing = await issuer(UNIT);
  [served, chrome] = await Promise.all([serviceOf(issuing), browser()]);
});
after(async () => {
  await chrome?.close();
  served?.stop();
  issuing?.stop();
});

const person = () => chrome.newContext({ baseURL: served.base });

// Goes to the page of the issuer from a page of the service.
async function leave(page, place) {
  await page.goto(place);
  await page.getByRole("link", { name: "Đăng nhập một lần của tỉnh" }).click();
  await page.locator("h1", { hasText: "Issuer" }).waitFor();
}

// Signs in there, which leads back.
async function come(page, name) {
  await page.fill("[name=who]", name);
  await page.press("[name=who]", "Enter");
  await page.locator("header .who", { hasText: name }).waitFor();
}

test("an officer signs in at the single sign-on, enters figures and signs out", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const context = await chrome.newContext({ baseURL: served.base, javaScriptEnabled });
    const page = await context.newPage();
    const period = javaScriptEnabled ? "2021-10" : "2021-09";
    await page.goto(`/entry?period=${period}`);
    if (javaScriptEnabled) {
      await shot(page, "sign-in-both-ways");
      assert.deepEqual(await serious(page), []);
    }
    await leave(page, `/entry?period=${period}`);
    await come(page, "Trần Bình");
    assert.ok(page.url().endsWith(`/entry?period=${period}`), page.url());
    const cookies = await context.cookies();
    const session = cookies.find((cookie) => cookie.name === "egov_kpi_session");
    assert.ok(session.httpOnly && session.sameSite === "Strict");
    assert.equal(cookies.filter((cookie) => cookie.name.includes("sign_in")).length, 0);
    await page.fill("[name='figure:ioffice.users.total']", "148");
    await page.locator("button.main").click();
    await page.locator("button.main").click();
    await page.waitForURL(/\/receipts\//);
    assert.match(await page.locator("dl").innerText(), /Trần Bình \(oidc:Trần Bình\)/);
    await page.locator("form[action='/sign-out'] button").click();
    await page.getByRole("link", { name: "Đăng xuất khỏi hệ thống đó" }).click();
    assert.match(page.url(), /\/end\?client_id=web/);
    assert.equal((await page.goto(`${served.base}/entry`)).status(), 401);
    await context.close();
  }
});

test("two tabs of one browser sign in at once, and both go on where they were", async () => {
  const context = await person();
  const [one, other] = [await context.newPage(), await context.newPage()];
  await leave(one, "/entry?period=2021-08");
  await leave(other, "/send");
  await come(other, "Trần Bình");
  await come(one, "Trần Bình");
  assert.match(one.url(), /\/entry\?period=2021-08$/);
  assert.match(other.url(), /\/send$/);
  await context.close();
});

test("a sign-in that another browser has begun signs nobody in", async () => {
  const [attacker, victim] = [await person(), await person()];
  const page = await attacker.newPage();
  await leave(page, "/entry");
  // The attacker signs in at the issuer and keeps the address to which it sends the browser back.
  const body = new URLSearchParams({ who: "Kẻ lạ" });
  const reply = await fetch(page.url(), { method: "POST", body, redirect: "manual" });
  const back = reply.headers.get("location");
  assert.match(back, /\/sign-in\/oidc\/callback\?code=/);
  const lured = await victim.newPage();
  assert.equal((await lured.goto(back)).status(), 401);
  assert.equal(await lured.locator("header .who").count(), 0);
  const named = (await victim.cookies()).map((cookie) => cookie.name);
  assert.ok(!named.includes("egov_kpi_session"), String(named));
  await Promise.all([attacker.close(), victim.close()]);
});
