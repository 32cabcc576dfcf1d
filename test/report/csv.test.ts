import assert from "node:assert/strict";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { csvOf } from "#src/report/csv.js";
import type { Seen } from "#src/report/read.js";
import { eventOf } from "../support/event.js";

async function rows(events: readonly Partial<Seen["data"]>[], onLeftOut?: () => void) {
  async function* seen(): AsyncGenerator<Seen[]> {
    for (const data of events) yield [{ input: 0, timeMs: 0, data: { ...eventOf(1).data, ...data } }];
  }
  let text = "";
  for await (const some of csvOf(seen(), onLeftOut)) text += some;
  return parse(text, { columns: true, record_delimiter: "\r\n" }) as Record<string, string>[];
}

describe("events as CSV", () => {
  it("has one row per event, with the probabilities of the first one as columns", async () => {
    const [one, two] = await rows([{}, { probabilities: { neutral: 1, other: 0 }, label: "neutral" }]);
    assert.deepEqual(one, {
      time: "1970-01-01T00:00:00.000Z",
      camera: "door",
      track: "3",
      kind: "changed",
      label: "happy",
      confidence: "0.874",
      media_time_ms: "40",
      x: "1",
      y: "2",
      width: "30",
      height: "30",
      p_happy: "0.874",
      p_neutral: "0.126",
    });
    assert.deepEqual([two?.label, two?.p_happy, two?.p_neutral], ["neutral", "", "1"]);
    assert.deepEqual(await rows([]), []);
  });

  it("reports each event with probabilities that have no column", async () => {
    let leftOut = 0;
    const other = { probabilities: { happy: 0.5, contempt: 0.5 } };
    await rows([{}, other, { probabilities: { happy: 1 } }, other], () => leftOut++);
    assert.equal(leftOut, 2);
  });

  it("preserves any text, except for what a spreadsheet would execute", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), async (camera) => {
        const [row] = await rows([{ camera }]);
        const formula = /^[=+\-@\t\r]/.test(camera);
        assert.equal(row?.camera, formula ? `'${camera}` : camera);
      }),
      { numRuns: 50 },
    );
    const [row] = await rows([{ label: '=HYPERLINK("http://x")' }]);
    assert.equal(row?.label, `'=HYPERLINK("http://x")`);
  });
});
