// Opens a page in Chromium, waits until it is drawn, takes a picture and prints what is drawn as JSON.
//   node look.js ADDRESS PICTURE
import { chromium } from 'playwright-core';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';

const [address, picture] = process.argv.slice(2);
const context = await chromium.launchPersistentContext(mkdtempSync(`${tmpdir()}/chromium-`), {
  executablePath: '/usr/bin/chromium',
  headless: true,
  viewport: { width: 1400, height: 1000 },
  timezoneId: 'UTC',
  locale: 'vi-VN',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
const page = await context.newPage();
const told = [];
page.on('pageerror', (error) => told.push(String(error)));
page.on('console', (message) => message.type() === 'error' && told.push(message.text()));
page.on('response', (response) => response.status() >= 400 && told.push(`${response.status()} ${response.url()}`));
try {
  await page.goto(address);
  // The page is ready when something is drawn and has not changed for three seconds.
  let drawn = '',
    same = 0;
  for (let second = 0; same < 3 && second < 60; second += 1) {
    await page.waitForTimeout(1000);
    const now = JSON.stringify(await page.evaluate(() => window.drawn?.() ?? []));
    same = now === drawn && now.includes('"points"') ? same + 1 : 0;
    drawn = now;
  }
  await page.screenshot({ path: picture, fullPage: true });
  console.log(JSON.stringify({ drawn: JSON.parse(drawn), told }));
} finally {
  await context.close();
}
