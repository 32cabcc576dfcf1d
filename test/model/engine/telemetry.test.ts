import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const dist = (name: string) => fileURLToPath(new URL(`../../../dist/${name}`, import.meta.url));

/** In the main thread, and in the engine's thread. */
const PROGRAMS = {
  engine: `
    const { openEngine } = await import(${JSON.stringify(dist("model/engine/index.js"))});
    const { loadModel } = await import(${JSON.stringify(dist("model/load.js"))});
    const engine = await openEngine(await loadModel("fer2013-small", "."));
    await engine.close();`,
  training: `
    const { InferenceSession } = await import(${JSON.stringify(dist("model/onnx/runtime.js"))});
    const { loadModel, modelFile } = await import(${JSON.stringify(dist("model/load.js"))});
    const session = await InferenceSession.create(await modelFile(await loadModel("fer2013-small", "."), "onnx"));
    await session.release();`,
};

describe("onnxruntime", () => {
  for (const [what, program] of Object.entries(PROGRAMS))
    it(`stores no machine id and nothing to send (${what})`, async () => {
      const home = await mkdtemp(join(tmpdir(), "ekspresi-home-"));
      try {
        // It is silent anyway if CI is set.
        const { CI: _, ORT_DISABLE_TELEMETRY: __, XDG_CACHE_HOME: ___, ...env } = process.env;
        const child = { cwd: home, env: { ...env, HOME: home } };
        await promisify(execFile)(process.execPath, ["-e", `(async () => {${program}})()`], child);
        assert.deepEqual(await readdir(home), []);
      } finally {
        await rm(home, { recursive: true });
      }
    });
});
