import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { columnsOf } from "#src/columns.js";
import type { EmotionEvent } from "#src/events/event.js";
import { consoleSink } from "#src/sinks/console.js";
import { testContext } from "../support/context.js";
import { eventOf } from "../support/event.js";

describe("console", () => {
  /** Its output for these events, without colours. */
  async function printed(...events: EmotionEvent[]): Promise<string[]> {
    const lines: string[] = [];
    const { stdout } = process;
    const { write } = stdout;
    const sink = await consoleSink.build({}, testContext({ id: "console" }).context);
    try {
      stdout.write = (text: string | Uint8Array) => lines.push(stripVTControlCharacters(String(text))) > 0;
      for (const event of events) await sink.write(event);
    } finally {
      stdout.write = write;
      await sink.close(true);
    }
    return lines;
  }

  it("prints one line per event: when, who, what", async () => {
    const left = eventOf(91_000, { kind: "left", sinceMs: 91_000 * 40 - 1500 });
    assert.deepEqual(await printed(eventOf(312), left), [
      "  0:12.480  door #3       changed   happy     87 %\n",
      "1:00:40.000  door #3       left      happy     87 %  for 1.5 s\n",
    ]);
  });

  it("never shows 60 seconds", async () => {
    const [line = ""] = await printed({ ...eventOf(1), data: { ...eventOf(1).data, mediaTimeMs: 59_999.6 } });
    assert.match(line, /^ +1:00\.000 /);
  });

  it("keeps each event in its line, and the terminal as it is, whatever a class or a file is called", async () => {
    const [line = ""] = await printed(
      eventOf(1, { label: "\u0007\u001b[2Jhappy\n", picture: "a\r\u009b31m.jpg" }),
    );
    assert.match(line, /^\S+ .*happy.*\n$/);
    assert.doesNotMatch(line.trimEnd(), /\p{Cc}/u);
  });

  it("fits its columns to the longest label of the model, within bounds", async () => {
    const lines = async (longest: string) => {
      const probabilities = { happy: 0.874, [longest]: 0.126 };
      return printed(eventOf(1, { probabilities }), eventOf(2, { probabilities, label: longest }));
    };
    assert.deepEqual(await lines("surprised"), [
      "  0:00.040  door #3       changed   happy      87 %\n",
      "  0:00.080  door #3       changed   surprised  87 %\n",
    ]);
    const wide = (await lines("とても嬉しそう")).map((line) => columnsOf(line.trimEnd()));
    assert.equal(wide[0], wide[1]);
    const [short = ""] = await lines("x".repeat(500));
    assert.match(short, /happy {17}87 %/);
  });
});
