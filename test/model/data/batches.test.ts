import assert from "node:assert/strict";
import { Default } from "typebox/value";
import {
  AugmentOptions,
  type Batch,
  batchSource,
  type FaceDataset,
  SamplingOptions,
} from "#src/model/data/index.js";
import { epochOrder } from "#src/model/data/sampling.js";

const SIZE = 8;

/** 60 training pictures of three classes (40, 15, 5) and four for validation. */
function dataset(): FaceDataset {
  const n = 64;
  const images = new Uint8Array(new SharedArrayBuffer(n * SIZE * SIZE));
  images.forEach((_, i) => {
    images[i] = (i * 31 + Math.floor(i / 64) * 7) % 256;
  });
  return {
    name: "three",
    labels: ["a", "b", "c"],
    width: SIZE,
    height: SIZE,
    images,
    label: Uint8Array.from({ length: n }, (_, i) => (i < 40 ? 0 : i < 55 ? 1 : i < 60 ? 2 : 0)),
    splits: ["train", "val"],
    split: Uint8Array.from({ length: n }, (_, i) => (i < 60 ? 0 : 1)),
    ids: Array.from({ length: n }, (_, i) => `row ${i}`),
  };
}

const options = (workers: number, sampling: Partial<SamplingOptions> = {}, seed = 4, batch = 7) => ({
  batch,
  seed,
  splits: ["train"],
  sampling: Default(SamplingOptions, { ...sampling }) as SamplingOptions,
  augment: Default(AugmentOptions, {
    flip: 0.5,
    rotation: 20,
    shift: 2,
    zoom: [0.8, 1.2],
    brightness: 0.2,
    noise: 0.05,
    erase: 0.5,
  }) as AugmentOptions,
  normalisation: { scale: 1 / 127.5, offset: -1 },
  workers,
});

async function epochs(workers: number, numbers: readonly number[], seed = 4): Promise<Batch[]> {
  const source = batchSource(dataset(), options(workers, {}, seed));
  try {
    const all: Batch[] = [];
    for (const number of numbers) for await (const batch of source.epoch(number)) all.push(batch);
    return all;
  } finally {
    await source.close();
  }
}

describe("training batches", function () {
  this.timeout(30_000);

  it("are the same with one thread and three, and differ by epoch and seed", async () => {
    const one = await epochs(1, [0, 1]);
    assert.equal(one.length, 16);
    assert.deepEqual(await epochs(3, [0, 1]), one);
    assert.notDeepEqual(one.slice(8), one.slice(0, 8));
    assert.notDeepEqual(await epochs(1, [0], 5), one.slice(0, 8));
  });

  it("start over if an epoch is abandoned halfway", async () => {
    const source = batchSource(dataset(), options(2));
    try {
      for await (const batch of source.epoch(0)) {
        assert.equal(batch.size, 7);
        break;
      }
      const again: Batch[] = [];
      for await (const batch of source.epoch(1)) again.push(batch);
      assert.deepEqual(again, await epochs(1, [1]));
    } finally {
      await source.close();
    }
  });

  it("show every picture once per epoch, or every class equally often", () => {
    const data = dataset();
    const rows = Uint32Array.from({ length: 60 }, (_, i) => i);
    assert.deepEqual(
      [...epochOrder(data, rows, false, 1, 0)].sort((a, b) => a - b),
      [...rows],
    );
    const even = epochOrder(data, rows, true, 1, 0);
    const counts = [0, 0, 0];
    for (const row of even) counts[data.label[row] ?? 0] = (counts[data.label[row] ?? 0] ?? 0) + 1;
    assert.deepEqual(counts, [20, 20, 20]);
    // A small class repeats all of its pictures equally often.
    const fifth = [...even].filter((row) => row >= 55);
    for (let row = 55; row < 60; row++) assert.equal(fifth.filter((r) => r === row).length, 4);
  });

  it("carry smoothed targets, and weights that make every class count equally", async () => {
    const source = batchSource(dataset(), options(1, { labelSmoothing: 0.3, classWeights: true }, 1, 60));
    try {
      for await (const { y, weight, size } of source.epoch(0)) {
        const perClass = [0, 0, 0];
        for (let i = 0; i < size; i++) {
          const row = [...y.subarray(i * 3, i * 3 + 3)];
          assert.deepEqual(row.map((v) => v.toFixed(3)).sort(), ["0.100", "0.100", "0.800"]);
          const label = row.findIndex((v) => v > 0.5);
          perClass[label] = (perClass[label] ?? 0) + (weight[i] ?? 0);
        }
        for (const sum of perClass) assert.ok(Math.abs(sum - 20) < 1e-4, `${perClass}`);
      }
    } finally {
      await source.close();
    }
  });

  it("need at least one batch of pictures", () => {
    assert.throws(
      () => batchSource(dataset(), options(1, {}, 1, 61)),
      /60 pictures in train .* fewer than one batch of 61/,
    );
    assert.throws(
      () => batchSource(dataset(), { ...options(1), splits: ["PublicTest"] }),
      /the data set has train, val/,
    );
  });
});
