/**
 * Finds the margin around a detected face that suits a model best: `tsx scripts/face-margin.ts <FER-2013's CSV> [model]
 * [split] [pictures]`. Faces are enlarged, pasted into larger pictures, found by our own detector, and cropped again
 * with several margins and shifts; prints the accuracy of each. The surroundings of a pasted face are not part of its
 * photograph, so wide margins do worse than on real pictures.
 */
import { fileURLToPath } from "node:url";
import { loadRecipe } from "#src/cli/recipe.js";
import { type Detection, ImageDetector, loadCascade } from "#src/haar/index.js";
import type { Box } from "#src/media/frame.js";
import { Cropper, cropBox, type Picture } from "#src/model/crop/index.js";
import { type FaceDataset, readDataset, rowsOf } from "#src/model/data/index.js";
import { Random } from "#src/model/data/random.js";
import { openEngine } from "#src/model/engine/index.js";
import { figuresOf } from "#src/model/evaluation/metrics.js";
import { loadModel } from "#src/model/load.js";

const PICTURE = { width: 320, height: 240 };
/** Sides of the pasted faces in pixels. */
const SIDES = [96, 128, 168];
const MARGINS = [-0.15, -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2];
const SHIFTS = [-0.05, 0, 0.05, 0.1];
const BATCH = 64;

interface Found {
  readonly picture: Picture;
  readonly pasted: Box;
  readonly box: Box;
  readonly label: number;
}

const [data, name = "fer2013-small", split = "PublicTest", most = "1200"] = process.argv.slice(2);
if (!data) throw new Error("usage: face-margin.ts <FER-2013's CSV> [model] [split] [pictures]");

const RECIPE = fileURLToPath(new URL("../recipes/fer2013-small.yaml", import.meta.url));
const recipe = await loadRecipe(RECIPE, [`data.path=${data}`]);
const dataset = await readDataset(recipe.data, { info: () => {}, warn: console.error });
const model = await loadModel(name, process.cwd());
const { input, labels } = model.card;
const engine = await openEngine(model);
try {
  const rows = rowsOf(dataset, [split]);
  const step = Math.max(1, Math.floor(rows.length / Number(most)));
  const chosen = rows.filter((_, i) => i % step === 0);
  const found = await findAll(dataset, chosen);
  const ratio = median(found.map(({ box, pasted }) => box.width / pasted.width));
  const below = median(
    found.map(({ box, pasted }) => (box.y + box.height / 2 - pasted.y - pasted.height / 2) / box.height),
  );
  console.log(
    `${found.length} of ${chosen.length} faces of ${split} found; the box is ${ratio.toFixed(2)} of the pasted face's side, its centre ${below.toFixed(2)} of its height below the face's (medians)`,
  );
  const own = await accuracy(found, ({ pasted }) => pasted);
  console.log(`cropped as in FER-2013: ${percent(own)}\n`);
  console.log(["margin".padStart(6), ...SHIFTS.map((shift) => `shiftY ${shift}`.padStart(12))].join(" "));
  for (const margin of MARGINS) {
    const cells: string[] = [];
    for (const shiftY of SHIFTS)
      cells.push(percent(await accuracy(found, ({ box }) => cropBox(box, { margin, shiftY }))).padStart(12));
    console.log([String(margin).padStart(6), ...cells].join(" "));
  }
} finally {
  await engine.close();
}

async function findAll({ images, width, height, label }: FaceDataset, rows: Uint32Array): Promise<Found[]> {
  const cascade = fileURLToPath(
    new URL("../models/haarcascades/haarcascade_frontalface_default.xml", import.meta.url),
  );
  const detector = await ImageDetector.create(await loadCascade(cascade));
  const minSize = { width: 24, height: 24 };
  return [...rows].flatMap((row, i) => {
    const face = { luma: images.subarray(row * width * height, (row + 1) * width * height), width, height };
    const { picture, pasted } = paste(face, SIDES[i % SIDES.length] ?? 96, new Random(row));
    const boxes = detector.detect(picture.luma, picture.width, picture.height, {
      scaleFactor: 1.1,
      minNeighbors: 5,
      minSize,
    });
    const box = boxes.filter((one) => isThe(pasted, one)).sort((a, b) => b.width - a.width)[0];
    return box ? [{ picture, pasted, box, label: label[row] ?? 0 }] : [];
  });
}

/** Pastes the face somewhere into a picture of smooth blotches. */
function paste(face: Picture, side: number, random: Random): { picture: Picture; pasted: Box } {
  const blotches = Uint8Array.from({ length: 12 * 9 }, () => random.below(256));
  const luma = resized({ luma: blotches, width: 12, height: 9 }, PICTURE.width, PICTURE.height);
  const pasted = {
    x: random.below(PICTURE.width - side + 1),
    y: random.below(PICTURE.height - side + 1),
    width: side,
    height: side,
  };
  const large = resized(face, side, side);
  for (let y = 0; y < side; y++)
    luma.set(large.subarray(y * side, (y + 1) * side), (pasted.y + y) * PICTURE.width + pasted.x);
  return { picture: { luma, ...PICTURE }, pasted };
}

function resized(picture: Picture, width: number, height: number): Uint8Array {
  const out = new Float32Array(width * height);
  const all = { x: 0, y: 0, width: picture.width, height: picture.height };
  new Cropper({ width, height, channels: 1, scale: 1, offset: 0 }).crop(picture, all, out, 0);
  return Uint8Array.from(out, Math.round);
}

/** Whether a detection's centre is in the middle half of the face, and its size fits. */
function isThe(face: Box, { x, y, width, height }: Detection): boolean {
  const near = (middle: number, start: number, side: number) =>
    Math.abs(middle - start - side / 2) < side / 4;
  const fits = width > face.width * 0.4 && width < face.width * 1.5;
  return near(x + width / 2, face.x, face.width) && near(y + height / 2, face.y, face.height) && fits;
}

async function accuracy(found: readonly Found[], crop: (face: Found) => Box): Promise<number> {
  const size = input.width * input.height;
  const cropper = new Cropper(input);
  const probabilities = new Float32Array(found.length * labels.length);
  for (let from = 0; from < found.length; from += BATCH) {
    const some = found.slice(from, from + BATCH);
    const crops = new Float32Array(some.length * size);
    some.forEach((face, i) => {
      cropper.crop(face.picture, crop(face), crops, i * size);
    });
    probabilities.set(await engine.run(crops, some.length), from * labels.length);
  }
  const truth = Uint8Array.from(found, ({ label }) => label);
  return figuresOf(probabilities, truth, labels).accuracy;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
