// The picture of the overview at the head of the README, from the demo, in both languages.
import { browser, demo, person } from "./support.mjs";

const [served, chrome] = [await demo(), await browser()];
for (const language of ["vi", "en"]) {
  const { page, context } = await person(chrome, served.base);
  await page.goto(`/overview?unit=sample&period=2021-12&lang=${language}`);
  await page.screenshot({ path: `${process.env.EGOV_KPI_PROJECT}/docs/overview.${language}.png` });
  await context.close();
}
await chrome.close();
served.stop();
