import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkFile, checkFolder } from "#src/cli/writable.js";
import { ConfigError } from "#src/errors.js";

describe("checking that something can be written", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-writable-"));
    await writeFile(join(folder, "file"), "");
  });
  after(() => rm(folder, { recursive: true }));

  async function refused(asked: Promise<void>, says: RegExp): Promise<void> {
    await assert.rejects(asked, (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, says);
      return true;
    });
  }

  it("creates nothing", async () => {
    await checkFile("--html", join(folder, "file"));
    await checkFile("--html", join(folder, "a/b/report.html"));
    await checkFolder("--out", folder);
    await checkFolder("--out", join(folder, "a/b"));
    assert.deepEqual(await readdir(folder), ["file"]);
  });

  it("rejects a folder as a file, a file as a folder, and a path below a file", async () => {
    await refused(checkFile("--html", folder), /^--html .*: it is a folder; give a file name$/);
    await refused(checkFolder("--out", join(folder, "file")), /^--out .*: it is a file; give a folder$/);
    const below = join(folder, "file/a/b");
    for (const asked of [checkFile("--html", below), checkFolder("--html", below)])
      await refused(asked, /^--html .* cannot be written: a part of its path is a file; choose another$/);
  });

  it("rejects folders the system lets nobody write to, not even root", async function () {
    if (!existsSync("/proc/self")) this.skip();
    await refused(
      checkFolder("--out", "/proc/mine"),
      /^--out \/proc\/mine cannot be written: .*; choose another$/,
    );
    const card = checkFile("--card", "/proc/card.json", "leave --card out");
    await refused(card, /^--card \/proc\/card\.json cannot be written: .*; leave --card out$/);
  });
});
