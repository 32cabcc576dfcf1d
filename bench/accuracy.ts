import { availableParallelism } from "node:os";
import { type FaceDataset, readDataset, rowsOf } from "#src/model/data/index.js";
import { type EngineOptions, openEngine } from "#src/model/engine/index.js";
import { evaluate } from "#src/model/evaluation/index.js";
import { loadModel } from "#src/model/load.js";
import type { Bench, Benchmark, Row } from "./benchmark.js";
import { spread } from "./benchmark.js";
import { faceApiPeer, humanPeer, type Peer } from "./peers.js";
import { type Server, startServer } from "./processes.js";

const MODEL = "fer2013-small";
const BATCH = 64;

/** The ways to run our model. */
const WAYS: readonly (Pick<EngineOptions, "precision"> & {
  readonly what: string;
  readonly flip: boolean;
})[] = [
  { what: "float32", precision: "float32", flip: false },
  { what: "float32, flip", precision: "float32", flip: true },
  { what: "8 bits", precision: "int8", flip: false },
  { what: "8 bits, flip", precision: "int8", flip: true },
];

export const accuracy: Benchmark = {
  name: "accuracy",
  summary: "The model compared with Human's and face-api's on the same faces; needs --data.",
  seconds: 240,
  run: async (bench) => {
    if (!bench.data)
      return { conditions: {}, rows: [], skipped: ["accuracy: give FER-2013's CSV with --data fer2013.csv"] };
    const dataset = await readDataset(
      {
        path: bench.data,
        training: ["Training"],
        validation: 0,
        width: 48,
        height: 48,
        seed: 1,
        maxDamaged: 0,
        minContrast: 0,
      },
      { info: () => {}, warn: console.error },
    );
    const splits = dataset.splits.filter((name) => name !== "Training");
    const rows: Row[] = [];
    const skipped: string[] = [];
    for (const split of splits) {
      const all = rowsOf(dataset, [split]);
      const chosen = bench.quick ? all.subarray(0, 5 * BATCH) : all;
      const peers = [
        await shareRight(bench, await humanPeer(bench), ["model"], dataset, chosen),
        await shareRight(bench, await faceApiPeer(bench), [], dataset, chosen),
      ];
      const [human, faceApi] = peers;
      skipped.push(...peers.flatMap((peer) => (typeof peer === "string" ? [peer] : [])));
      const own = await ours(bench, dataset, chosen);
      for (const [i, { what }] of WAYS.entries())
        for (const [name, theirs] of [
          ["Human's emotion model", human],
          ["face-api's expression model", faceApi],
        ] as const)
          rows.push({
            what: `${split}, ${what}`,
            unit: "%",
            ours: spread([100 * (own[i] ?? Number.NaN)]),
            ...(typeof theirs === "number" && { peer: { name, value: spread([100 * theirs]) } }),
            notes: { faces: chosen.length },
          });
    }
    const conditions = {
      faces: "48x48 as in the data set, no detector; each model's own preprocessing",
      peers: "their training data is unknown: it may include pictures of these splits",
    };
    return { conditions, rows, skipped };
  },
};

async function ours(bench: Bench, dataset: FaceDataset, rows: Uint32Array): Promise<number[]> {
  const model = await loadModel(MODEL, ".");
  const shares: number[] = [];
  for (const { what, precision = "float32", flip } of WAYS) {
    bench.say(`${MODEL}, ${what}`);
    const engine = await openEngine(model, { precision, threads: availableParallelism() });
    try {
      shares.push((await evaluate(model, engine, dataset, rows, flip)).accuracy);
    } finally {
      await engine.close();
    }
  }
  return shares;
}

/** Fraction of the faces that a peer classifies correctly, or why it could not be run. */
async function shareRight(
  bench: Bench,
  peer: Peer,
  args: readonly string[],
  dataset: FaceDataset,
  rows: Uint32Array,
): Promise<number | string> {
  if ("missing" in peer) return peer.missing;
  const server = await startServer(process.execPath, [peer.path, ...args]);
  let right = 0;
  try {
    for (let from = 0; from < rows.length; from += BATCH) {
      bench.signal.throwIfAborted();
      bench.say(`${peer.path.split("/").at(-1)}: face ${from} of ${rows.length}`);
      right += await rightOf(server, dataset, rows.subarray(from, from + BATCH));
    }
  } finally {
    await server.close();
  }
  return right / rows.length;
}

async function rightOf(server: Server, dataset: FaceDataset, rows: Uint32Array): Promise<number> {
  const size = dataset.width * dataset.height;
  const pixels = Buffer.concat(
    [...rows].map((row) => dataset.images.subarray(row * size, (row + 1) * size)),
  ).toString("base64");
  const { labels } = (await server.ask({ n: rows.length, pixels })) as { labels: string[] };
  return labels.filter((label, i) => label === dataset.labels[dataset.label[rows[i] ?? 0] ?? 0]).length;
}
