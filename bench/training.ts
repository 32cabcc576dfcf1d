import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import type { Batch } from "#src/model/data/index.js";
import { Random } from "#src/model/data/random.js";
import type { Layer, Shape } from "#src/model/layers/layer.js";
import { isLearnt, parametersOf } from "#src/model/layers/parameters.js";
import { optimise } from "#src/model/training/optimiser.js";
import { TrainingState } from "#src/model/training/state.js";
import { TrainingStep } from "#src/model/training/step.js";
import type { Benchmark, Row } from "./benchmark.js";
import { type Contender, compare, timed } from "./measure.js";
import { torchPeer } from "./peers.js";
import { type Server, startServer } from "./processes.js";

const CLASSES = 7;
const INPUT: Shape = [1, 48, 48];
const ADAM = { type: "adam", rate: 0.001, momentum: 0.9, beta1: 0.9, beta2: 0.999, weightDecay: 0 } as const;

/** The networks, as trained by their recipes. */
const NETWORKS = [
  { name: "study", dropout: 0.6, batch: 32 },
  { name: "small", dropout: 0.2, batch: 64 },
] as const;

export const training: Benchmark = {
  name: "training",
  summary: "Training steps (forward, backward, Adam) of both networks, compared with PyTorch.",
  seconds: 120,
  run: async (bench) => {
    const python = await torchPeer();
    const torch =
      "missing" in python
        ? undefined
        : await startServer(python.path, [fileURLToPath(new URL("peers/pytorch.py", import.meta.url))]);
    const threads = availableParallelism();
    const steps = bench.quick ? 2 : 12;
    const rows: Row[] = [];
    try {
      for (const { name, dropout, batch } of NETWORKS) {
        const layers = ARCHITECTURES[name](CLASSES, dropout);
        const own = Own.open(layers, batch, threads);
        try {
          await own.steps(1);
          const peers = torch ? [await inTorch(torch, layers, own, steps)] : [];
          const ours: Contender = {
            name: "ekspresi",
            run: () => timed(steps * batch, () => own.steps(steps)),
          };
          const what = `${name}, batch ${batch}`;
          rows.push(...(await compare(bench, what, "images", bench.quick ? 1 : 5, ours, peers)));
        } finally {
          await own.close();
        }
      }
    } finally {
      await torch?.close();
    }
    const conditions = {
      threads,
      images: "48x48, in memory: no data is read or augmented",
      torch: torch?.ready,
    };
    return { conditions, rows, skipped: "missing" in python ? [python.missing] : [] };
  },
};

/** What `pipeline train` does with a prepared batch. */
class Own {
  readonly batch: number;
  readonly state: TrainingState;
  readonly #step: TrainingStep;
  readonly #images: Batch;
  #done = 0;

  private constructor(batch: number, state: TrainingState, step: TrainingStep) {
    this.batch = batch;
    this.state = state;
    this.#step = step;
    const random = new Random(1);
    const y = new Float32Array(batch * CLASSES);
    for (let i = 0; i < batch; i++) y[i * CLASSES + (i % CLASSES)] = 1;
    this.#images = {
      x: Float32Array.from({ length: batch * INPUT.reduce((a, b) => a * b, 1) }, () => random.next() * 2 - 1),
      y,
      weight: new Float32Array(batch).fill(1),
      size: batch,
    };
  }

  static open(layers: readonly Layer[], batch: number, threads: number): Own {
    const state = new TrainingState(parametersOf(layers, INPUT), 1);
    return new Own(batch, state, new TrainingStep(layers, INPUT, state, { batch, seed: 1, threads }));
  }

  async steps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.#step.run(this.#images, this.#done);
      optimise(ADAM, this.state, this.#step.gradient, ADAM.rate, ++this.#done);
    }
  }

  close(): Promise<void> {
    return this.#step.close();
  }
}

async function inTorch(
  server: Server & { readonly ready: unknown },
  layers: readonly Layer[],
  { batch, state }: Own,
  steps: number,
): Promise<Contender> {
  const { parameters } = await server.ask({ layers, batch, threads: availableParallelism() });
  const own = state.parameters.filter(isLearnt).reduce((sum, { size }) => sum + size, 0);
  if (parameters !== own) throw new Error(`PyTorch's network has ${parameters} parameters, ours ${own}`);
  await server.ask({ steps: 1 });
  return {
    name: `PyTorch ${server.ready}`,
    run: async () => {
      const { seconds, cpuSeconds } = await server.ask({ steps });
      return { units: steps * batch, seconds: Number(seconds), cpuSeconds: Number(cpuSeconds) };
    },
  };
}
