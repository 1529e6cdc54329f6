// Uses the generated types with openapi-fetch: records a figure, reads it back, reads a trend, and
// gets an error.
import { deepStrictEqual } from "node:assert";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Submission = components["schemas"]["SubmissionBody"];

const [baseUrl, text] = process.argv.slice(2);
const value = Number(text);
const [indicator, unit, period] = ["ioffice.documents.outgoing", "sample.finance", "2022-02"];
// Other media types of a response, such as text/csv, are texts.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl });

function submission(unit: string, value: number): Submission {
  return { observations: [{ indicator, unit, period, value }] };
}

async function send() {
  const { data } = await client.POST("/api/v1/observations", {
    params: { header: { "Idempotency-Key": `typescript-${value}` } },
    body: submission(unit, value),
  });
  return data;
}

const [first, again] = [await send(), await send()];
deepStrictEqual([first?.recorded, first?.submission], [true, again?.submission]);

const page = await client.GET("/api/v1/observations", {
  params: { query: { unit, indicator, from: period } },
});
deepStrictEqual(page.data?.observations.map((figure) => figure.value), [value]);

const trend = await client.GET("/api/v1/series", {
  params: { query: { measure: [indicator], unit: [unit], last: 3 } },
});
if (!trend.data || !("series" in trend.data)) throw new Error("no series");
const last = trend.data.series[0].points.at(-1);
deepStrictEqual([last?.period, last?.value], [period, value]);

const { error, response } = await client.POST("/api/v1/observations", {
  body: submission("nowhere", 1),
});
const fault = error?.errors?.[0];
const found = [response.status, fault?.pointer, fault?.code];
deepStrictEqual(found, [422, "/observations/0/unit", "unknown_unit"]);
