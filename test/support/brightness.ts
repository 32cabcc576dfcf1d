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

/** The same as FER-2013's CSV; its classes are that file's first two. */
export function brightnessCsv(): string {
  const { images, label, split, splits } = brightness();
  const rows = Array.from(label, (own, i) => {
    const pixels = images.subarray(i * SIZE ** 2, (i + 1) * SIZE ** 2).join(" ");
    return `${own},${pixels},${splits[split[i] ?? 0]}`;
  });
  return ["emotion,pixels,Usage", ...rows].join("\n");
}
