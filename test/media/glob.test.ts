import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesOf, namedFiles } from "#src/media/glob.js";

describe("a pattern of files", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    mkdirSync(join(folder, "g"));
    for (const name of ["a.mp4", "b.mp4", "c.txt", "g/d.mp4"]) writeFileSync(join(folder, name), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("is found however its folder is written", async () => {
    const names = [join(folder, "a.mp4"), join(folder, "b.mp4")];
    for (const start of [folder, `${folder}/.`, `${folder}/g/..`, `${folder}/`])
      assert.deepEqual(await namedFiles(`${start}/*.mp4`), names, start);
    assert.deepEqual(await namedFiles(`${folder}/./**/d.mp4`), [join(folder, "g/d.mp4")]);
  });

  it("that is invalid is reported in our own words", async () => {
    await assert.rejects(
      filesOf(join(folder, "[z-a].mp4")),
      /is not a valid pattern: check its brackets and braces$/,
    );
  });
});
