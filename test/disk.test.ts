import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskReason, makeFolder } from "#src/disk.js";

describe("making a folder", () => {
  const root = mkdtempSync(join(tmpdir(), "ekspresi-disk-"));
  after(() => rmSync(root, { recursive: true }));

  const reason = (path: string) => makeFolder(path).then(() => "made", diskReason);

  it("makes those above it, and takes one that exists, even if others make it at the same time", async () => {
    const deep = join(root, "a", "b", "c");
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => reason(deep))), ["made", "made", "made"]);
    assert(statSync(deep).isDirectory());
    assert.equal(await reason(deep), "made");
  });

  it("says why it cannot, also below a folder that has none of its own", async function () {
    writeFileSync(join(root, "file"), "");
    assert.equal(await reason(join(root, "file")), "a part of its path is a file");
    assert.equal(await reason(join(root, "file", "a", "b")), "a part of its path is a file");
    if (!existsSync("/proc/self")) this.skip();
    assert.equal(await reason("/proc/ekspresi/a/b"), "its folder does not exist and cannot be created");
  });
});
