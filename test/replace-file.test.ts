import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, promises, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renameOver, replaceFile } from "#src/replace-file.js";
import { onMachine, withFiles } from "./support/machine.js";

describe("renaming over a file", () => {
  let folder: string;
  let [from, to] = ["", ""];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    [from, to] = [join(folder, "new"), join(folder, "file")];
    writeFileSync(from, "new");
    writeFileSync(to, "old");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A `rename` that fails so many times. */
  function held(times: number, code: string): typeof promises.rename {
    const { rename } = promises;
    return async (...names) => {
      if (times-- > 0) throw Object.assign(new Error(code), { code });
      return rename(...names);
    };
  }

  for (const code of ["EPERM", "EACCES", "EBUSY"])
    it(`waits on Windows until another program has closed it (${code})`, async () => {
      await withFiles({ promises: { rename: held(2, code) } }, () =>
        onMachine({ platform: "win32" }, () => renameOver(from, to)),
      );
      assert.equal(readFileSync(to, "utf8"), "new");
      assert(!existsSync(from));
    });

  it("fails at once for other reasons, and on other systems", async () => {
    await withFiles({ promises: { rename: held(1, "ENOSPC") } }, () =>
      onMachine({ platform: "win32" }, () => assert.rejects(renameOver(from, to), { code: "ENOSPC" })),
    );
    await withFiles({ promises: { rename: held(1, "EBUSY") } }, () =>
      onMachine({ platform: "linux" }, () => assert.rejects(renameOver(from, to), { code: "EBUSY" })),
    );
    assert.equal(readFileSync(to, "utf8"), "old");
  });

  it("is not done to a pipe or a device, which is written to", async function () {
    if (process.platform === "win32") this.skip(); // no named pipes in folders
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const reading = promises.readFile(pipe, "utf8");
    await replaceFile(pipe, "text");
    assert.equal(await reading, "text");
    assert(statSync(pipe).isFIFO());
  });
});
