import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { addNote, endOf } from "#src/media/note.js";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, make, probe } from "../support/probe.js";

const { path: FFMPEG } = await findFfmpeg();

describe("a note in a recording", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-note-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  for (const ending of ["mp4", "mov", "mkv"])
    it(`can be read back from .${ending}, and does not disturb readers of recordings`, async function () {
      if (!hasFfprobe) this.skip(); // ffprobe is not installed
      const path = await make(
        join(folder, `man.${ending}`),
        "-i",
        RECORDING,
        "-t",
        "0.4",
        "-preset",
        "ultrafast",
      );
      const before = probe(path);
      await addNote(path, "made of air");
      await addNote(path, "made of wood");
      assert.match((await endOf(path)) ?? "", /made of wood$/);
      assert.deepEqual(probe(path), before);
      const read = spawnSync(FFMPEG, ["-v", "warning", "-i", path, "-f", "null", "-"], { encoding: "utf8" });
      assert.deepEqual([read.status, read.stderr], [0, ""]);
      const copy = await make(join(folder, `copy.${ending}`), "-i", path, "-c", "copy");
      assert.doesNotMatch((await endOf(copy)) ?? "", /made of/);
    });

  it("is absent if there is no file", async () => {
    assert.equal(await endOf(join(folder, "none.mp4")), undefined);
  });
});
