import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
import { avgPool, batchNorm, conv, globalAvgPool, linear, relu, residual } from "#src/model/layers/layer.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { TrainingState } from "#src/model/training/state.js";
import { TINY_SIZE, writeTinyModel } from "../../support/tiny-model.js";

/** A Vulkan driver that needs no GPU; it comes with Chromium. */
const SOFTWARE_DRIVER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Runs the model on the CPU and on Vulkan, and reports how far their probabilities differ. */
const COMPARE = `
  const { openEngine } = await import(process.argv[2]);
  const { loadModel } = await import(process.argv[3]);
  const model = await loadModel(process.argv[4], ".");
  const crops = Float32Array.from({ length: 8 * ${TINY_SIZE ** 2} }, (_, i) => Math.sin(i * i * 0.37 + i));
  const said = [];
  for (const provider of ["cpu", "webgpu"]) {
    const engine = await openEngine(model, { provider, strict: true });
    said.push({ provider: engine.provider, probabilities: [...(await engine.run(crops, 8))] });
    await engine.close();
  }
  console.log(JSON.stringify(said));`;

describe("the engine on WebGPU", function () {
  // A software driver takes seconds for each new shape of a network.
  this.timeout(180_000);

  it("agrees with the CPU to 1e-5, here on a software Vulkan driver", async function () {
    if (!existsSync(SOFTWARE_DRIVER)) {
      console.log(`      skipped: no ${SOFTWARE_DRIVER} (Debian: apt-get install chromium)`);
      this.skip();
    }
    const layers = [
      conv(8, 3),
      batchNorm(),
      relu(),
      residual([conv(8, 3), relu()], [conv(8, 1)]),
      avgPool(2),
      globalAvgPool(),
      linear(3),
    ];
    const input = [1, TINY_SIZE, TINY_SIZE] as const;
    const state = new TrainingState(parametersOf(layers, input), 3);
    const folder = await mkdtemp(join(tmpdir(), "ekspresi-webgpu-"));
    try {
      await writeTinyModel(folder, inferenceGraph(layers, input, state.views(state.weights)));
      const script = join(folder, "compare.mjs");
      await writeFile(script, COMPARE);
      const modules = ["engine/index.js", "load.js"].map(
        (name) => new URL(`../../../dist/model/${name}`, import.meta.url).href,
      );
      const { stdout } = await promisify(execFile)(process.execPath, [script, ...modules, folder], {
        env: { ...process.env, VK_ICD_FILENAMES: SOFTWARE_DRIVER, VK_DRIVER_FILES: SOFTWARE_DRIVER },
      });
      const [cpu, gpu] = JSON.parse(stdout) as { provider: string; probabilities: number[] }[];
      assert.equal(cpu?.provider, "onnx cpu");
      assert.equal(gpu?.provider, "onnx webgpu");
      assert.equal(cpu.probabilities.length, 24);
      for (const [i, p] of cpu.probabilities.entries())
        assert.ok(
          Math.abs(p - (gpu.probabilities[i] ?? Number.NaN)) < 1e-5,
          `${gpu.probabilities[i]}, not ${p}`,
        );
      assert.ok(Math.max(...cpu.probabilities) - Math.min(...cpu.probabilities) > 0.01);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
