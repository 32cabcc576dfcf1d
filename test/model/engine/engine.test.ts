import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ConfigError, ModelError, OperatorError } from "#src/errors.js";
import { type EngineOptions, openEngine } from "#src/model/engine/index.js";
import { openTfjs } from "#src/model/engine/tfjs.js";
import { loadModel } from "#src/model/load.js";
import { tfjsFiles } from "#src/model/tfjs/index.js";
import { endlessOnnx, TINY_SIZE, tinyOnnx, tinyWeights, writeTinyModel } from "../../support/tiny-model.js";

const PIXELS = TINY_SIZE * TINY_SIZE;

/** `n` different crops, -1 to 1. */
function crops(n: number): Float32Array {
  return Float32Array.from({ length: n * PIXELS }, (_, i) => Math.sin(i * i * 0.37 + i));
}

/** The tiny model's expected output, in double precision. */
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

  it("gives each crop's probabilities, in batches of any size, with overlapping calls", async () => {
    await writeTinyModel(folder);
    const engine = await open();
    try {
      assert.equal(engine.provider, "onnx cpu");
      const all = crops(33);
      const answers = [1, 2, 30].map((n, i) => {
        const first = [0, 1, 3][i] ?? 0;
        return engine.run(all.subarray(first * PIXELS, (first + n) * PIXELS), n);
      });
      all.fill(0); // a batch is copied when it is passed in
      const values = (await Promise.all(answers)).flatMap((answer) => [...answer]);
      for (const [i, value] of expected(crops(33), 33).entries())
        assert.ok(Math.abs((values[i] ?? 0) - value) < 1e-6, `value ${i}: ${values[i]} for ${value}`);
    } finally {
      await engine.close();
    }
  });

  it("rejects calls in progress and all later ones once it is closed", async () => {
    await writeTinyModel(folder);
    const engine = await open();
    const underWay = assert.rejects(engine.run(crops(1), 1), { code: "ENGINE_CLOSED" });
    await engine.close();
    await underWay;
    await assert.rejects(engine.run(crops(1), 1), { code: "ENGINE_CLOSED" });
  });

  it("reports a failed batch and continues", async () => {
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

  it("refuses a model whose shape differs from its card", async () => {
    await writeTinyModel(folder, undefined, (card) => {
      card.labels = ["a", "b"];
    });
    await assert.rejects(open(), (error) => {
      assert.ok(error instanceof ModelError);
      assert.match(error.message, /returns .*, but its card says probabilities float32 \[N, 2\]/);
      return true;
    });
    await writeTinyModel(folder, undefined, (card) => {
      card.input = { width: 48, height: 48, channels: 1, scale: 1, offset: 0 };
    });
    await assert.rejects(open(), /its card says input float32 \[N, 1, 48, 48\]/);
  });

  it("refuses a file that is not a model, in one line", async () => {
    await writeTinyModel(folder, Buffer.from("no model at all"));
    await assert.rejects(open(), (error) => {
      assert.ok(error instanceof ModelError);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });

  it("refuses a model with a loop, which may never end, also within a branch", async () => {
    for (const [hidden, of] of [
      [false, "looped"],
      [true, "then_branch"],
    ] as const) {
      await writeTinyModel(folder, endlessOnnx(hidden));
      await assert.rejects(open(), {
        code: "MODEL_LOOP",
        message: `model tiny: the model's node of ${of} is a Loop, which may never end; export the model without loops`,
      });
    }
  });

  it("names the file that a model lacks", async () => {
    await writeTinyModel(folder);
    await assert.rejects(
      open({ precision: "int8", engine: "tfjs" }),
      /precision int8 is for the onnx engine/,
    );
    await assert.rejects(
      open({ precision: "int8" }),
      /model tiny: it has no onnx-int8 file; create it with `pipeline models quantize`/,
    );
  });

  for (const provider of ["webgpu", "cuda"] as const)
    it(`runs on the CPU with a warning, or refuses if strict, without ${provider}`, async function () {
      await writeTinyModel(folder);
      const warnings: string[] = [];
      const engine = await open({ provider, warn: (line) => warnings.push(line) });
      try {
        if (engine.provider === `onnx ${provider}`) this.skip(); // available here
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

  it("runs a model with TensorFlow.js, in its layers format or converted from its ONNX file", async () => {
    for (const made of [false, true]) {
      if (made) {
        await writeTinyModel(folder);
        const files = Object.entries(await tfjsFiles(await loadModel(folder, ".")));
        for (const [kind, bytes] of files) await writeFile(join(folder, kind), bytes);
        await writeTinyModel(folder, undefined, (card) => {
          card.files = files.map(([path, bytes]) => ({
            path,
            kind: path === "json" ? "tfjs" : "tfjs-weights",
            bytes: bytes.length,
            sha256: createHash("sha256").update(bytes).digest("hex"),
          }));
        });
      } else await writeTinyModel(folder);
      const engine = await open({ engine: "tfjs" });
      try {
        assert.match(engine.provider, /^tfjs (wasm|tensorflow)$/);
        const answers = await Promise.all([engine.run(crops(5), 5), engine.run(crops(1), 1)]);
        for (const [i, value] of [...expected(crops(5), 5), ...expected(crops(1), 1)].entries())
          assert.ok(Math.abs(([...(answers[0] ?? []), ...(answers[1] ?? [])][i] ?? 0) - value) < 1e-5);
      } finally {
        await engine.close();
      }
    }
  });

  it("gives the shipped model's probabilities with TensorFlow.js to 1e-5", async () => {
    const model = await loadModel("fer2013-small", ".");
    const size = model.card.input.width * model.card.input.height;
    const faces = Float32Array.from({ length: 4 * size }, (_, i) => Math.sin(i * 0.003 * (1 + (i % 5))));
    const answers: Float32Array[] = [];
    for (const kind of ["onnx", "tfjs"] as const) {
      const engine = await openEngine(model, { engine: kind });
      answers.push(await engine.run(faces, 4));
      await engine.close();
    }
    const [onnx = assert.fail(), tfjs = assert.fail()] = answers;
    assert.equal(onnx.length, 28);
    for (const [i, p] of onnx.entries())
      assert.ok(Math.abs(p - (tfjs[i] ?? Number.NaN)) < 1e-5, `${p} ${tfjs[i]}`);
  });

  it("refuses invalid TensorFlow.js files, in one line", async () => {
    const whole = await tfjsFiles(await loadModel(await writeTinyModel(folder), "."));
    const setup = { engine: "tfjs", provider: "cpu", threads: 1, strict: false, classes: 3 } as const;
    const size = { width: TINY_SIZE, height: TINY_SIZE };
    const files = {
      "no JSON": [Buffer.from("{"), whole.weights],
      "JSON of something else": [Buffer.from("[]"), whole.weights],
      "too few weights": [whole.json, whole.weights.subarray(0, 100)],
      "another layer": [
        Buffer.from(String(Buffer.from(whole.json)).replaceAll("Dense", "Dance")),
        whole.weights,
      ],
    };
    for (const [what, pair] of Object.entries(files))
      await assert.rejects(openTfjs({ ...setup, ...size, files: pair }), (error) => {
        assert.ok(error instanceof ModelError, what);
        assert.match(error.message, /^TensorFlow\.js cannot load the model: [^\n]+$/, what);
        return true;
      });
    await assert.rejects(
      openTfjs({ ...setup, width: 48, height: 48, files: [whole.json, whole.weights] }),
      /takes 8x8x1 and gives 3, but its card says 48x48x1 and 3/,
    );
  });

  it("ends its thread without crashing the process when closed while working", async () => {
    // In a separate process: the fault guarded against would end it.
    const script = `
      import { openEngine } from "${new URL("../../../dist/model/engine/index.js", import.meta.url)}";
      import { loadModel } from "${new URL("../../../dist/model/load.js", import.meta.url)}";
      const model = await loadModel("fer2013-small", ".");
      for (const waitMs of [0, 5, 20]) {
        const engine = await openEngine(model);
        const runs = [1, 2, 3].map(() => engine.run(new Float32Array(64 * 48 * 48), 64).catch((error) => error.code));
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        await engine.close();
        await Promise.all(runs);
      }
      console.log("whole");`;
    const file = join(folder, "close.mjs");
    await writeFile(file, script);
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    assert.equal(stdout, "whole\n");
  });

  it("says how to install TensorFlow.js if it is missing", async () => {
    const setup = { engine: "tfjs", provider: "cpu", threads: 1, strict: false, classes: 3 } as const;
    const size = { width: TINY_SIZE, height: TINY_SIZE, files: [] };
    await assert.rejects(
      openTfjs({ ...setup, ...size }, [["@tensorflow/none"], ["@tensorflow/a", "b"]]),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(
          error.message,
          /run `npm install @tensorflow\/none` or `npm install @tensorflow\/a b`, or remove/,
        );
        return true;
      },
    );
  });
});
