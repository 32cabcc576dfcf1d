import assert from "node:assert/strict";
import { consoleSink } from "#src/sinks/console.js";
import { testContext } from "../support/context.js";
import { eventOf } from "../support/event.js";

describe("console", () => {
  it("prints one line an event: when, who, what", async () => {
    const printed: string[] = [];
    const { stdout } = process;
    const { write, isTTY } = stdout;
    const sink = await consoleSink.build({}, testContext({ id: "console" }).context);
    try {
      stdout.isTTY = false;
      stdout.write = (text: string | Uint8Array) => printed.push(String(text)) > 0;
      await sink.write(eventOf(312));
      await sink.write(eventOf(91_000, { kind: "left", sinceMs: 91_000 * 40 - 1500 }));
    } finally {
      stdout.write = write;
      stdout.isTTY = isTTY;
      await sink.close(true);
    }
    assert.deepEqual(printed, [
      "  0:12.480  door #3       changed   happy     87 %\n",
      "1:00:40.000  door #3       left      happy     87 %  for 1.5 s\n",
    ]);
  });
});
