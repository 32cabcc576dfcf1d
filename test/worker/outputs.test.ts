import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  type PathLike,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { parsePipeline } from "#src/pipeline/load.js";
import { confine } from "#src/worker/confine.js";
import { commitOutputs, outputsOf, redirected } from "#src/worker/outputs.js";
import { withFiles } from "../support/machine.js";

describe("the output of a recording", () => {
  let root: string;
  before(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "ekspresi-outputs-")));
    mkdirSync(join(root, "disk", "jobs"), { recursive: true });
    mkdirSync(join(root, "a", "b"), { recursive: true });
    symlinkSync(join(root, "disk", "jobs"), join(root, "a", "b", "link"));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it("is kept apart until it is complete, by whichever way its path leads to the worker's folder", async () => {
    const [link, disk] = [join(root, "a", "b", "link"), join(root, "disk", "jobs")];
    for (const [folder, path] of [
      [link, join(link, "out", "1.jsonl")],
      [link, join(disk, "out", "2.jsonl")],
      [disk, join(link, "out", "3.jsonl")],
    ] as const) {
      const sink = { type: "jsonl", path };
      const text = JSON.stringify({
        version: 1,
        sources: [{ type: "file", path: "a.mp4" }],
        operators: ["detect", "track", "classify", { type: "events", on: "change" }].map((one) =>
          typeof one === "string" ? { type: one } : one,
        ),
        sinks: [sink],
      });
      const plan = parsePipeline(text, folder, { env: {} });
      confine(plan, { folder, read: [], env: {} });
      const outputs = outputsOf(folder, "job", 1, "w");
      const own = redirected(plan, folder, outputs).nodes.at(-1)?.options.path as string;
      assert(!relative(outputs, own).startsWith(".."), own);
      mkdirSync(dirname(own), { recursive: true });
      writeFileSync(own, path);
      await commitOutputs(folder, "job", outputs);
      assert.equal(readFileSync(path, "utf8"), path);
    }
  });

  it("reaches a file system mounted below the worker's folder, and leaves nothing else there", async () => {
    const outputs = outputsOf(root, "job", 1, "w");
    mkdirSync(join(outputs, "out"), { recursive: true });
    writeFileSync(join(outputs, "out", "1.jsonl"), "complete");
    const real = rename;
    const acrossFails = async (from: PathLike, to: PathLike) => {
      if (dirname(String(from)) !== dirname(String(to)))
        throw Object.assign(new Error("EXDEV"), { code: "EXDEV" });
      await real(from, to);
    };
    await withFiles({ promises: { rename: acrossFails } }, () => commitOutputs(root, "job", outputs));
    assert.equal(readFileSync(join(root, "out", "1.jsonl"), "utf8"), "complete");
    assert.deepEqual(readdirSync(join(root, "out")), ["1.jsonl"]);
  });
});
