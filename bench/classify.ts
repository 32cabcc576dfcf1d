import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Engine, openEngine } from "#src/model/engine/index.js";
import { loadModel, SHIPPED_MODELS } from "#src/model/load.js";
import type { Benchmark, Row } from "./benchmark.js";
import { type Contender, compare, timed } from "./measure.js";
import { humanPeer } from "./peers.js";
import { type Server, startServer } from "./processes.js";

const BATCHES = [1, 8, 32, 128];
const SIDE = 48;

/** Faces per timed run: enough for about half a second at the slower peer's speed. */
const facesOf = (quick: boolean) => (quick ? 32 : 128);

export const classify: Benchmark = {
  name: "classify",
  summary:
    "The model by batch size, compared with the same network on TensorFlow.js wasm and Human's emotion model.",
  seconds: 150,
  run: async (bench) => {
    const skipped: string[] = [];
    const rows: Row[] = [];
    const human = await humanPeer(bench);
    const model = await loadModel("fer2013-small", ".");
    const threads = availableParallelism();
    const engine = await openEngine(model, { threads });
    const int8 = await openEngine(model, { threads, precision: "int8" });
    const script = fileURLToPath(new URL("peers/tfjs.ts", import.meta.url));
    const tfjs = await startServer(process.execPath, [
      "--import",
      "tsx",
      script,
      join(SHIPPED_MODELS, "fer2013-small/model.onnx"),
    ]);
    const emotion =
      "missing" in human ? undefined : await startServer(process.execPath, [human.path, "model"]);
    if ("missing" in human) skipped.push(human.missing);
    let difference = 0;
    try {
      for (const n of BATCHES) {
        const crops = Float32Array.from({ length: n * SIDE * SIDE }, (_, i) => Math.sin(i * i));
        const times = Math.max(1, Math.round(facesOf(bench.quick) / n));
        const mine = await engine.run(crops, n);
        const peers: Contender[] = [served("TF.js wasm, the same network", tfjs, n, times, [...crops])];
        const { probabilities } = await tfjs.ask({ n, times: 1, crops: [...crops] });
        for (const [i, value] of (probabilities as number[]).entries())
          difference = Math.max(difference, Math.abs(value - (mine[i] ?? Number.NaN)));
        if (emotion) {
          await emotion.ask({ n, times: 1 });
          peers.push(served("Human's emotion model", emotion, n, times));
        }
        const rounds = bench.quick ? 2 : 5;
        const own = (of: Engine): Contender => ({
          name: "ekspresi",
          run: () =>
            timed(n * times * 4, async () => {
              for (let i = 0; i < times * 4; i++) await of.run(crops, n);
            }),
        });
        rows.push(...(await compare(bench, `batch ${n}`, "faces", rounds, own(engine), peers)));
        rows.push(
          ...(await compare(bench, `batch ${n}, 8 bits`, "faces", rounds, own(int8), peers.slice(0, 1))),
        );
      }
    } finally {
      await Promise.all([engine.close(), int8.close(), tfjs.close(), emotion?.close()]);
    }
    if (difference > 1e-4) throw new Error(`TF.js gives different probabilities: ${difference} from ours`);
    const conditions = {
      ours: `${engine.provider}, ${threads} threads, through its worker`,
      tfjs: `one thread (its wasm backend has no more in Node), fused convolutions; probabilities at most ${difference.toExponential(1)} from ours`,
      human: "another, smaller network, on 64x64 pixels",
    };
    return { conditions, rows, skipped };
  },
};

function served(name: string, server: Server, n: number, times: number, crops?: number[]): Contender {
  return {
    name,
    run: async () => {
      const { seconds, cpuSeconds } = await server.ask({ n, times, crops });
      return { units: n * times, seconds: Number(seconds), cpuSeconds: Number(cpuSeconds) };
    },
  };
}
