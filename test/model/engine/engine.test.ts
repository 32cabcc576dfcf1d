import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, ModelError, OperatorError } from "#src/errors.js";
import { type EngineOptions, openEngine } from "#src/model/engine/index.js";
import { loadModel } from "#src/model/load.js";
import { TINY_SIZE, tinyOnnx, tinyWeights, writeTinyModel } from "../../support/tiny-model.js";

const PIXELS = TINY_SIZE * TINY_SIZE;

/** `n` crops of which no two are alike, -1 to 1. */
function crops(n: number): Float32Array {
  return Float32Array.from({ length: n * PIXELS }, (_, i) => Math.sin(i * i * 0.37 + i));
}

/** What the tiny model must give, in double precision. */
function expected(input: Float32Array, n: number): number[] {
  const weights = tinyWeights();
  return Array.from({ length: n }, (_, i) => {
    const sums = [0, 1, 2].map((c) => {
      let sum = 0;
      for (let p = 0; p < PIXELS; p++) sum += (input[i * PIXELS + p] ?? 0) * (weights[p * 3 + c] ?? 0);
      return Math.exp(sum);
    });
    const total = sums.reduce((a, b) => a + b);
    return sums.map((sum) => sum / total);
  }).flat();
}

describe("the engine", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-engine-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function open(options: EngineOptions = {}) {
    return openEngine(await loadModel(folder, "."), options);
  }

  it("gives each crop's probabilities, in batches of any size, calls overlapping", async () => {
    await writeTinyModel(folder);
    const engine = await open();
    try {
      assert.equal(engine.provider, "onnx cpu");
      const all = crops(33);
      const answers = [1, 2, 30].map((n, i) => {
        const first = [0, 1, 3][i] ?? 0;
        return engine.run(all.subarray(first * PIXELS, (first + n) * PIXELS), n);
      });
      all.fill(0); // a batch is copied when it is handed over
      const values = (await Promise.all(answers)).flatMap((answer) => [...answer]);
      for (const [i, value] of expected(crops(33), 33).entries())
        assert.ok(Math.abs((values[i] ?? 0) - value) < 1e-6, `value ${i}: ${values[i]} for ${value}`);
    } finally {
      await engine.close();
    }
  });

  it("rejects what is under way, and every later call, once it is closed", async () => {
    await writeTinyModel(folder);
    const engine = await open();
    const underWay = assert.rejects(engine.run(crops(1), 1), { code: "ENGINE_CLOSED" });
    await engine.close();
    await underWay;
    await assert.rejects(engine.run(crops(1), 1), { code: "ENGINE_CLOSED" });
  });

  it("says so when a batch fails, and goes on", async () => {
    await writeTinyModel(folder);
    const engine = await open();
    try {
      await assert.rejects(engine.run(crops(1), 2), (error) => {
        assert.ok(error instanceof OperatorError);
        assert.match(error.message, /^model tiny: /);
        return true;
      });
      assert.equal((await engine.run(crops(2), 2)).length, 6);
    } finally {
      await engine.close();
    }
  });

  it("refuses numbers that are not finite", async () => {
    await writeTinyModel(folder, tinyOnnx(tinyWeights().fill(Number.NaN)));
    await assert.rejects(open(), { name: "ModelError", message: /not finite/ });
  });

  it("refuses a model of another shape than its card says", async () => {
    await writeTinyModel(folder, undefined, (card) => {
      card.labels = ["a", "b"];
    });
    await assert.rejects(open(), (error) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /gives .*; the card says probabilities float32 \[N, 2\]/);
      return true;
    });
    await writeTinyModel(folder, undefined, (card) => {
      card.input = { width: 48, height: 48, channels: 1, scale: 1, offset: 0 };
    });
    await assert.rejects(open(), /the card says input float32 \[N, 1, 48, 48\]/);
  });

  it("refuses a file that is no model, in one line", async () => {
    await writeTinyModel(folder, Buffer.from("no model at all"));
    await assert.rejects(open(), (error) => {
      assert.ok(error instanceof ModelError);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });

  it("names the file that a model lacks", async () => {
    await writeTinyModel(folder);
    await assert.rejects(open({ int8: true }), /model tiny: it has no onnx-int8 file/);
  });

  for (const provider of ["webgpu", "cuda"] as const)
    it(`runs on the CPU with a warning, or refuses when strict, where there is no ${provider}`, async function () {
      await writeTinyModel(folder);
      const warnings: string[] = [];
      const engine = await open({ provider, warn: (line) => warnings.push(line) });
      try {
        if (engine.provider === `onnx ${provider}`) this.skip(); // it is there
        assert.equal(engine.provider, "onnx cpu");
        assert.equal(warnings.length, 1);
        assert.match(
          warnings[0] ?? "",
          new RegExp(`^model tiny: onnxruntime cannot use ${provider} here: .+ CPU$`),
        );
        assert.equal((await engine.run(crops(1), 1)).length, 3);
      } finally {
        await engine.close();
      }
      await assert.rejects(open({ provider, strict: true }), { code: "ENGINE_PROVIDER" });
    });

  it("says how to get TensorFlow.js where it is not installed", async function () {
    const installed = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"].some((name) => {
      try {
        return Boolean(import.meta.resolve(name));
      } catch {
        return false;
      }
    });
    if (installed) this.skip();
    await writeTinyModel(folder, undefined, (card) => {
      const [onnx] = card.files as object[];
      card.files = [
        { ...onnx, kind: "tfjs" },
        { ...onnx, kind: "tfjs-weights" },
      ];
    });
    await assert.rejects(open({ engine: "tfjs" }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /npm install @tensorflow\/tfjs-node/);
      return true;
    });
  });
});
