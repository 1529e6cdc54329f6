// Uses the generated client: records a figure, reads it back, reads a trend, and gets an error.
import { deepStrictEqual } from "node:assert";
import { FiguresApi, QuestionsApi } from "./client/apis/index.js";
import { ProblemFromJSON, type SubmissionBody } from "./client/models/index.js";
import { Configuration, ResponseError } from "./client/runtime.js";

const [basePath, text] = process.argv.slice(2);
const value = Number(text);
const [indicator, unit, period] = ["ioffice.documents.outgoing", "sample.finance", "2022-02"];
const configuration = new Configuration({ basePath });
const figures = new FiguresApi(configuration);
const questions = new QuestionsApi(configuration);

function submission(unit: string, value: number): SubmissionBody {
  return { observations: [{ indicator, unit, period, value }] };
}

const request = {
  submissionBody: submission(unit, value),
  idempotencyKey: `typescript-fetch-${value}`,
};
const first = await figures.postObservations(request);
const again = await figures.postObservations(request);
deepStrictEqual([first.recorded, first.submission], [true, again.submission]);

const page = await figures.getObservations({ unit, indicator, from: period });
deepStrictEqual(page.observations.map((figure) => figure.value), [value]);

const trend = await questions.getSeries({ measure: [indicator], unit: [unit], last: 3 });
if (!("series" in trend)) throw new Error("no series");
const last = trend.series[0].points.at(-1);
deepStrictEqual([last?.period, last?.value], [period, value]);

try {
  await figures.postObservations({ submissionBody: submission("nowhere", 1) });
  throw new Error("the unit was accepted");
} catch (error) {
  if (!(error instanceof ResponseError)) throw error;
  const problem = ProblemFromJSON(await error.response.json());
  const fault = problem.errors?.[0];
  const found = [problem.status, fault?.pointer, fault?.code];
  deepStrictEqual(found, [422, "/observations/0/unit", "unknown_unit"]);
}
