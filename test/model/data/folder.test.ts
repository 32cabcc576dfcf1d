import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import sharp, { type Sharp } from "sharp";
import { DataError } from "#src/errors.js";
import type { DataOptions } from "#src/model/data/index.js";
import { countTable, readDataset } from "#src/model/data/index.js";
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

  /** Grey levels that rise by one per pixel to the right and downwards. */
  const levels = (from: number, width = SIZE, height = SIZE) =>
    Uint8Array.from({ length: width * height }, (_, i) => from + (i % width) + Math.floor(i / width));
  const ramp = (from: number, width = SIZE, height = SIZE) =>
    sharp(levels(from, width, height), { raw: { width, height, channels: 1 } });

  it("gives PNG pixels exactly and JPEG pixels nearly, with classes in alphabetical order", async () => {
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

  it("converts colour, alpha, 16 bits and EXIF rotation to plain grey", async () => {
    const flat = (r: number, g: number, b: number, alpha = 1) =>
      sharp({ create: { width: 20, height: 20, channels: 4, background: { r, g, b, alpha } } });
    await put("a/colour.png", flat(200, 100, 50));
    await put("a/green.webp", flat(0, 255, 0).webp({ lossless: true }));
    await put("a/palette.png", flat(0, 255, 0).png({ palette: true }));
    await put("a/colour16.png", flat(200, 100, 50).toColourspace("rgb16"));
    await put("b/print.jpg", flat(0, 200, 0).flatten().toColourspace("cmyk").jpeg({ quality: 100 }));
    const veiled = Uint8Array.from({ length: 800 }, (_, i) => (i % 2 ? 128 : 200));
    const grey = { raw: { width: 20, height: 20, channels: 2 } } as const;
    await put("b/veiled.png", sharp(veiled, grey).toColourspace("b-w"));
    await put("a/grey16.png", ramp(100).toColourspace("grey16"));
    await put("b/clear.png", flat(255, 255, 255, 0));
    // EXIF 6: shown rotated by 90 degrees clockwise, so that the dark corner moves to the top right.
    await put("b/turned.jpg", ramp(0, 64, 64).jpeg({ quality: 95 }).withMetadata({ orientation: 6 }));
    const dataset = await read({ validation: 0 });
    const at = (id: string, pixel: number) =>
      dataset.images[dataset.ids.indexOf(id) * SIZE * SIZE + pixel] ?? Number.NaN;
    const luma = Math.round(0.299 * 200 + 0.587 * 100 + 0.114 * 50);
    assert.equal(at("a/colour.png", 0), luma);
    assert.equal(at("a/green.webp", 0), 150);
    assert.equal(at("a/palette.png", 0), 150);
    assert.ok(Math.abs(at("a/colour16.png", 0) - luma) <= 1, `16 bits ${at("a/colour16.png", 0)}`);
    assert.ok(Math.abs(at("b/print.jpg", 0) - 140) < 10, `CMYK ${at("b/print.jpg", 0)}`);
    assert.equal(at("b/veiled.png", 5), 100);
    assert.equal(at("b/clear.png", 5), 0); // transparent on black
    assert.ok(Math.abs(at("a/grey16.png", 0) - 100) <= 1, `16 bits ${at("a/grey16.png", 0)}`);
    assert.ok(at("b/turned.jpg", 0) > at("b/turned.jpg", SIZE - 1) + 30);
  });

  it("uses the splits it holds, and holds back part of each class if there are none", async () => {
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
    assert.deepEqual(given.splits, ["test", "training"]);
    assert.deepEqual(
      given.ids.map((id, i) => [id, given.splits[given.split[i] ?? 0]]),
      [
        ["test/calm/1.png", "test"],
        ["train/calm/1.png", "training"],
        ["train/cross/1.png", "training"],
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
      /4 pictures of 16x16\n\s+training\s+validation\ncalm\s+1\s+1\ncross\s+2\s+0\nall\s+3\s+1$/,
    );
  });

  it("aligns those numbers where characters are two columns wide", async () => {
    await put("calm/1.png", ramp(1));
    await put("悲しい/1.png", ramp(2));
    const log = silent();
    await read({ validation: 0 }, log);
    assert.deepEqual(log.infos[0]?.split("\n").slice(2), [
      "calm           1           0",
      "悲しい         1           0",
      "all            2           0",
    ]);
  });

  it("names and skips damaged pictures up to the limit, and is refused beyond it", async () => {
    for (let i = 0; i < 9; i++) await put(`${i % 2 ? "calm" : "cross"}/${i}.png`, ramp(i * 10));
    const whole = await ramp(3).png().toBuffer();
    await writeFile(join(folder, "calm/cut.png"), whole.subarray(0, whole.length - 60));
    await writeFile(join(folder, "calm/text.jpg"), "not a picture");
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

  it("says the same of every damaged picture, however many are decoded at once", async () => {
    for (const name of ["calm", "cross"]) await put(`${name}/1.png`, ramp(9));
    const [png, jpeg] = await Promise.all([ramp(3).png().toBuffer(), ramp(3).jpeg().toBuffer()]);
    for (let i = 0; i < 8; i++) {
      await writeFile(join(folder, `calm/cut-${i}.png`), png.subarray(0, png.length - 60));
      await writeFile(join(folder, `calm/cut-${i}.jpg`), jpeg.subarray(0, jpeg.length - 20));
    }
    const log = silent();
    await read({ maxDamaged: 0.9 }, log);
    const reasons = log.warnings.filter((line) => line.includes("cut-")).map((line) => line.split(": ")[2]);
    assert.deepEqual(reasons, Array(16).fill("it cannot be decoded"));
  });

  it("recognises its splits whatever their case, and ignores hidden files and those of macOS", async () => {
    for (const name of ["Train/calm/1.png", "train/cross/1.png", "VAL/calm/1.png", "VAL/cross/1.png"])
      await put(name, ramp(name.length));
    for (const name of ["__MACOSX/train/1.png", ".cache/1.png"]) await put(name, ramp(0));
    await writeFile(join(folder, "VAL/calm/._1.png"), "AppleDouble");
    const log = silent();
    const { splits, split } = await read({}, log);
    assert.deepEqual(splits, ["training", "validation"]);
    assert.deepEqual([...split].sort(), [0, 0, 1, 1]);
    assert.deepEqual(log.warnings, []);
  });

  it("is named after the folder, and its pictures by their paths inside, however its path is written", async () => {
    await put("calm/1.png", ramp(1));
    await put("cross/1.png", ramp(2));
    for (const path of [`${folder}/`, `${dirname(folder)}/./${basename(folder)}`, relative(".", folder)]) {
      const { name, ids } = await read({ path });
      assert.equal(name, basename(folder));
      assert.deepEqual([...ids].sort(), ["calm/1.png", "cross/1.png"]);
    }
  });

  it("holds back one of a class's pictures if there are two", async () => {
    for (const name of ["calm/1.png", "calm/2.png", "cross/1.png", "cross/2.png"])
      await put(name, ramp(name.length + Number(name.at(-5))));
    for (const validation of [0.05, 0.9])
      assert.match(countTable(await read({ validation })), /\nall {2}\s+2\s+2$/);
    assert.match(countTable(await read({ validation: 0 })), /\nall {2}\s+4\s+0$/);
  });

  it("holds back the same pictures whether damaged ones are there or not", async () => {
    for (let i = 1; i <= 9; i++) {
      await put(`calm/${i}.png`, ramp(i));
      await put(`cross/${i}.png`, ramp(20 + i));
    }
    await put("torn/2.png", ramp(50));
    const damaged = ["calm/0.png", "calm/55.png", "torn/1.png"];
    for (const name of damaged) await writeFile(join(folder, name), "no picture");
    const splitOf = async () => {
      const { ids, split } = await read({ maxDamaged: 0.5 });
      return ids.map((id, i) => [id, split[i]]);
    };
    const before = await splitOf();
    for (const name of damaged) await rm(join(folder, name));
    assert.deepEqual(await splitOf(), before);
    assert.deepEqual(before.at(-1), ["torn/2.png", 0]); // to learn from: it is the only one
  });

  it("has one class for a name, however its letters are composed", async () => {
    await put("train/müde/1.png", ramp(1));
    await put(`val/${"müde".normalize("NFD")}/2.png`, ramp(2));
    await put("train/wach/3.png", ramp(3));
    const { labels, label, ids } = await read();
    assert.deepEqual(labels, ["müde", "wach"]);
    assert.deepEqual([...label], [0, 1, 0]);
    assert.equal(ids.at(-1)?.normalize(), "val/müde/2.png");
  });

  it("follows links, to classes and to pictures", async () => {
    await put("calm/1.png", ramp(1));
    await put("elsewhere.png", ramp(2));
    await mkdir(join(folder, "faces"));
    await symlink("../calm", join(folder, "faces/calm"));
    await mkdir(join(folder, "faces/cross"));
    await symlink("../../elsewhere.png", join(folder, "faces/cross/1.png"));
    const { ids, labels } = await read({ path: join(folder, "faces") });
    assert.deepEqual(labels, ["calm", "cross"]);
    assert.deepEqual(ids, ["calm/1.png", "cross/1.png"]);
  });

  it("is not in memory twice while it is read", async function () {
    this.timeout(60_000);
    const [side, each] = [512, 200];
    await put("calm.png", ramp(1));
    for (const name of ["calm", "cross"]) {
      await mkdir(join(folder, "faces", name), { recursive: true });
      for (let i = 0; i < each; i++) await symlink("../../calm.png", join(folder, "faces", name, `${i}.png`));
    }
    const options = optionsOf({
      path: join(folder, "faces"),
      width: side,
      height: side,
      validation: 0,
    });
    const code = `
      import { readDataset } from ${JSON.stringify(new URL("../../../dist/model/data/index.js", import.meta.url).href)};
      const before = process.memoryUsage.rss();
      await readDataset(${JSON.stringify(options)}, { info() {}, warn() {} });
      console.log(process.resourceUsage().maxRSS * 1024 - before);`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code]);
    const times = Number(stdout) / (2 * each * side ** 2);
    assert.ok(times > 1 && times < 2.2, `${times} times as much`);
  });

  it("reports what it skips", async () => {
    await put("calm/1.png", ramp(1));
    await put("cross/1.png", ramp(2));
    await put("cross/more/1.png", ramp(3));
    for (const name of ["calm/1.bmp", "calm/2.BMP", "cross/3.bmp", "cross/notes", "labels.csv"])
      await writeFile(join(folder, name), "");
    await symlink("nowhere", join(folder, "sad"));
    const log = silent();
    await read({}, log);
    assert.deepEqual(log.warnings, [
      `${folder}: skipped 3 .bmp, 2 without extension, 1 .csv, 1 folder inside classes; pictures must be JPEG, PNG, WebP or TIFF`,
    ]);
  });

  it("warns of a class that cannot be learnt, but not if there is nothing to learn from", async () => {
    for (const name of ["train/calm/1.png", "train/cross/1.png", "test/sad/1.png"])
      await put(name, ramp(name.length));
    const log = silent();
    await read({}, log);
    assert.deepEqual(log.warnings, [`${folder}: no training pictures of sad (2 of other classes)`]);
    const other = silent();
    await read({ training: ["fold 1"] }, other);
    assert.deepEqual(other.warnings, []);
  });

  for (const [what, names, says] of [
    [
      "a class without pictures",
      ["calm/1.png", "cross/1.png", "sad/1.bmp"],
      /: no pictures of sad; a class is /,
    ],
    [
      "splits next to other folders",
      ["train/calm/1.png", "train/cross/1.png", "other/1.png"],
      /: no pictures of train; .* a split folder \(train\/, val\/, test\/\) may only stand next to other splits$/,
    ],
    [
      "classes that differ only in case",
      ["train/Calm/1.png", "train/cross/1.png", "val/calm/1.png"],
      /: the classes Calm and calm differ only in case; give them one name$/,
    ],
  ] as const)
    it(`with ${what} is refused in one line`, async () => {
      for (const name of names) {
        await put(name.replace(".bmp", ".png"), ramp(name.length));
        if (name.endsWith(".bmp"))
          await rename(join(folder, name.replace(".bmp", ".png")), join(folder, name));
      }
      await assert.rejects(read(), { name: "DataError", message: says });
    });

  it("with an unreadable class is refused, naming the class", async () => {
    await put("calm/1.png", ramp(1));
    await put("cross/1.png", ramp(2));
    await symlink("sad", join(folder, "sad")); // points to itself
    await assert.rejects(read(), { name: "DataError", message: /: ELOOP: .*sad/ });
  });

  it("with fewer than two classes is refused, saying what form is expected", async () => {
    await put("happy/1.png", ramp(1));
    await assert.rejects(read(), /1 class folder; give a folder with one folder per class/);
  });
});
