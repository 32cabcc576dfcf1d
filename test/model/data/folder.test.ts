import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { DataError } from "#src/errors.js";
import type { DataOptions } from "#src/model/data/index.js";
import { readDataset } from "#src/model/data/index.js";
import { optionsOf, silent } from "../../support/data.js";

const SIZE = 16;

describe("a folder of classes", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-classes-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const read = (changes: Partial<DataOptions> = {}, log = silent()) =>
    readDataset(optionsOf({ path: folder, width: SIZE, height: SIZE, ...changes }), log);

  async function put(name: string, picture: Sharp): Promise<void> {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await picture.toFile(path);
  }

  /** Grey levels that rise by one a pixel to the right and downwards. */
  const levels = (from: number, width = SIZE, height = SIZE) =>
    Uint8Array.from({ length: width * height }, (_, i) => from + (i % width) + Math.floor(i / width));
  const ramp = (from: number, width = SIZE, height = SIZE) =>
    sharp(levels(from, width, height), { raw: { width, height, channels: 1 } });

  it("gives PNG's pixels exactly and JPEG's nearly, classes in alphabetical order", async () => {
    await put("sad/1.png", ramp(10));
    await put("happy/1.jpg", ramp(60).jpeg({ quality: 95 }));
    await put("happy/2.JPEG", ramp(90).jpeg({ quality: 95 }));
    await put("happy/readme.png.txt", ramp(0).png().toFormat("png"));
    const dataset = await read({ validation: 0 });
    assert.deepEqual(dataset.labels, ["happy", "sad"]);
    assert.deepEqual(dataset.ids, ["happy/1.jpg", "happy/2.JPEG", "sad/1.png"]);
    assert.deepEqual([...dataset.label], [0, 0, 1]);
    const pixels = (i: number) => dataset.images.subarray(i * SIZE * SIZE, (i + 1) * SIZE * SIZE);
    assert.deepEqual([...pixels(2)], [...levels(10)]);
    for (const [i, value] of levels(60).entries())
      assert.ok(Math.abs((pixels(0)[i] ?? 0) - value) <= 4, `pixel ${i}`);
  });

  it("makes colours, alpha, 16 bits and EXIF's turns into plain grey", async () => {
    const flat = (r: number, g: number, b: number, alpha = 1) =>
      sharp({ create: { width: 20, height: 20, channels: 4, background: { r, g, b, alpha } } });
    await put("a/colour.png", flat(200, 100, 50));
    await put("a/grey16.png", ramp(100).toColourspace("grey16"));
    await put("b/clear.png", flat(255, 255, 255, 0));
    // EXIF 6: shown after a quarter turn clockwise, so that the dark corner comes to the top right.
    await put("b/turned.jpg", ramp(0, 64, 64).jpeg({ quality: 95 }).withMetadata({ orientation: 6 }));
    const dataset = await read({ validation: 0 });
    const at = (id: string, pixel: number) =>
      dataset.images[dataset.ids.indexOf(id) * SIZE * SIZE + pixel] ?? Number.NaN;
    const luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
    assert.ok(Math.abs(at("a/colour.png", 0) - luma) < 12, `luma ${at("a/colour.png", 0)}`);
    assert.equal(at("b/clear.png", 5), 0); // nothing on black
    assert.ok(Math.abs(at("a/grey16.png", 0) - 100) <= 1, `16 bits ${at("a/grey16.png", 0)}`);
    assert.ok(at("b/turned.jpg", 0) > at("b/turned.jpg", SIZE - 1) + 30);
  });

  it("takes the splits that stand in it, and holds back a part of each class where none do", async () => {
    for (let i = 0; i < 10; i++)
      for (const name of ["calm", "cross"])
        await put(`${name}/${i}.png`, ramp(i * 10 + (name === "calm" ? 0 : 5)));
    const own = await read({ validation: 0.3 });
    const held = (label: number) =>
      own.ids.filter((_, i) => own.label[i] === label && own.splits[own.split[i] ?? 0] === "validation")
        .length;
    assert.deepEqual([held(0), held(1)], [3, 3]);
    assert.deepEqual([...(await read({ validation: 0.3 })).split], [...own.split]);
    assert.notDeepEqual([...(await read({ validation: 0.3, seed: 2 })).split], [...own.split]);

    await rm(folder, { recursive: true });
    await put("train/calm/1.png", ramp(1));
    await put("train/cross/1.png", ramp(2));
    await put("test/calm/1.png", ramp(3));
    const given = await read();
    assert.deepEqual(given.splits, ["test", "train"]);
    assert.deepEqual(
      given.ids.map((id, i) => [id, given.splits[given.split[i] ?? 0]]),
      [
        ["test/calm/1.png", "test"],
        ["train/calm/1.png", "train"],
        ["train/cross/1.png", "train"],
      ],
    );
  });

  it("says how many pictures each class has in each split", async () => {
    await put("train/calm/1.png", ramp(1));
    await put("train/cross/1.png", ramp(2));
    await put("train/cross/2.png", ramp(4));
    await put("val/calm/1.png", ramp(3));
    const log = silent();
    await read({}, log);
    assert.match(
      log.infos[0] ?? "",
      /4 pictures of 16x16\n\s+train\s+val\ncalm\s+1\s+1\ncross\s+2\s+0\nall\s+3\s+1$/,
    );
  });

  it("names damaged pictures and skips them up to the limit, beyond it is an error", async () => {
    for (let i = 0; i < 9; i++) await put(`${i % 2 ? "calm" : "cross"}/${i}.png`, ramp(i * 10));
    const whole = await ramp(3).png().toBuffer();
    await writeFile(join(folder, "calm/cut.png"), whole.subarray(0, whole.length - 60));
    await writeFile(join(folder, "calm/text.jpg"), "no picture");
    const log = silent();
    const dataset = await read({ maxDamaged: 0.2 }, log);
    assert.equal(dataset.label.length, 9);
    assert.ok(log.warnings.some((line) => /skipped calm\/cut\.png: /.test(line)));
    assert.ok(log.warnings.some((line) => /skipped calm\/text\.jpg: /.test(line)));
    await assert.rejects(read(), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /2 of 11 pictures cannot be used .* the first is calm\/cut\.png/);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });

  it("with fewer than two classes is refused, with the form that is expected", async () => {
    await put("happy/1.png", ramp(1));
    await assert.rejects(read(), /1 folder of classes; give a folder with one folder for each/);
  });
});
