import assert from "node:assert/strict";
import { mkdtempSync, promises, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Progress, readCheckpoint, writeCheckpoint } from "#src/model/training/checkpoint.js";
import { onMachine, withFiles } from "../../support/machine.js";

const PROGRESS: Progress = {
  ...{ epoch: 0, batch: 1, step: 1, loss: 2, correct: 3, elapsedMs: 4, best: null, over: false },
  plateau: { best: null, since: 0, scale: 1 },
};

describe("a checkpoint", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  it("replaces the one before it on Windows once another program has closed that", async () => {
    const file = join(folder, "checkpoint.bin");
    await writeCheckpoint(file, "{}", PROGRESS, [Float32Array.of(1)]);
    const { rename } = promises;
    let held = 2;
    const heldAtFirst: typeof rename = async (...names) => {
      if (held-- > 0) throw Object.assign(new Error("EPERM"), { code: "EPERM" });
      return rename(...names);
    };
    await withFiles({ promises: { rename: heldAtFirst } }, () =>
      onMachine({ platform: "win32" }, () =>
        writeCheckpoint(file, "{}", { ...PROGRESS, step: 2 }, [Float32Array.of(5)]),
      ),
    );
    const values = new Float32Array(1);
    assert.equal((await readCheckpoint(file, "{}", [values])).step, 2);
    assert.deepEqual([...values], [5]);
  });
});
