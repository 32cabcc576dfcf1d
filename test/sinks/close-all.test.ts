import assert from "node:assert/strict";
import { closeAll } from "#src/sinks/close-all.js";

describe("the files of a sink", () => {
  it("are all closed even if one fails, which is reported", async () => {
    const closed: [string, boolean][] = [];
    const file = (name: string, error?: Error) => ({
      close: async (whole: boolean) => {
        closed.push([name, whole]);
        if (error) throw error;
      },
    });
    await assert.rejects(
      closeAll([file("a"), file("b", new Error("b is a folder")), file("c")], true),
      /b is a folder/,
    );
    assert.deepEqual(closed, [
      ["a", true],
      ["b", true],
      ["c", true],
    ]);
  });
});
