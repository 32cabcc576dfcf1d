import assert from "node:assert/strict";
import { resolve } from "node:path";
import { ownPath } from "#src/sinks/part-file.js";
import { onMachine } from "../support/machine.js";

describe("a file for each source", () => {
  const taken = [{ path: resolve("out/door.mp4") }];
  const named = (path: string, source: string) => ownPath(resolve(path), source, taken, "video");

  it("is named after its source, and no other source's", () => {
    assert.equal(named("out/{source}.mp4", "hall"), resolve("out/hall.mp4"));
    assert.throws(() => named("out/door.mp4", "hall"), /^SinkError: video: several sources would write to /);
  });

  it("is another source's on Windows and macOS if only its case differs", async () => {
    const other = (platform: NodeJS.Platform) =>
      onMachine({ platform }, () => named("out/{source}.mp4", "Door"));
    for (const platform of ["win32", "darwin"] as const)
      await assert.rejects(other(platform), /several sources would write to /);
    assert.equal(await other("linux"), resolve("out/Door.mp4"));
  });
});
