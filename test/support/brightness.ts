import type { FaceDataset } from "#src/model/data/index.js";
import { Random } from "#src/model/data/random.js";

const LABELS = ["dark", "light"];
const SIZE = 16;

/** 32 pictures to learn from and 8 to judge by, whose class is their brightness. */
export function brightness(): FaceDataset {
  const random = new Random(3);
  const n = 40;
  const images = new Uint8Array(new SharedArrayBuffer(n * SIZE * SIZE));
  const label = Uint8Array.from({ length: n }, (_, i) => i % 2);
  images.forEach((_, i) => {
    images[i] = (label[Math.floor(i / SIZE ** 2)] ? 120 : 40) + random.below(80);
  });
  return {
    name: "brightness",
    labels: LABELS,
    width: SIZE,
    height: SIZE,
    images,
    label,
    splits: ["Training", "PublicTest"],
    split: Uint8Array.from({ length: n }, (_, i) => (i < 32 ? 0 : 1)),
    ids: Array.from({ length: n }, (_, i) => `row ${i}`),
  };
}
