import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { Observable } from "rxjs";
import { Type } from "typebox";
import { SourceError } from "../errors.js";
import { Frame, frameBytes } from "../media/frame.js";
import { filesOf, isGlob } from "../media/glob.js";
import { type RgbPicture, readPicture, whyUnreadable, writePlanes } from "../media/picture.js";
import type { Rational } from "../media/video-info.js";
import { source } from "../pipeline/component.js";
import type { SourceContext } from "../pipeline/context.js";
import { Path, Rate } from "../pipeline/units.js";

const Options = Type.Object({
  path: Path({
    description: "A folder of pictures, or a pattern with `*`, `?`, `**`, `[0-9]` or `{jpg,png}`.",
    examples: ["photos", "photos/**/*.jpg"],
  }),
  fps: Type.Optional(Rate({ default: 1, description: "Pictures per second of media time." })),
  broken: Type.Optional(
    Type.Union([Type.Literal("skip"), Type.Literal("fail")], {
      default: "skip",
      description:
        "What to do with a picture that cannot be read: `skip` warns and continues, `fail` ends the source there.",
    }),
  ),
});

/** Pictures from a folder or a pattern, in natural order (`2.jpg` before `10.jpg`). */
export const images = source({
  type: "images",
  summary: "Pictures from a folder or a pattern.",
  description:
    "JPEG, PNG, WebP, AVIF, TIFF, GIF and SVG, in natural order (`2.jpg` before `10.jpg`), each in its own size and rotated upright according to its EXIF orientation. Media time is the picture's place in the list divided by `fps`; events carry the file's name (`data.picture`). No picture is lost: when the pipeline is busy, reading waits. For unrelated pictures set `minHits: 1` on `track`, because no face is seen twice.",
  options: Options,
  example: "- { type: images, path: photos, fps: 1 }",
  live: () => false,
  apart: ({ fps = 1 }) => 1000 / fps,
  open: ({ path, fps = 1, broken = "skip" }, context) =>
    new Observable<Frame>((subscriber) => {
      const abort = new AbortController();
      const running = read({ path, fps, broken }, context, abort.signal, (frame) => {
        if (subscriber.closed) frame.release();
        else subscriber.next(frame);
      }).then(
        () => subscriber.complete(),
        (error: unknown) => subscriber.error(error),
      );
      context.defer(() => running);
      return () => abort.abort();
    }),
});

/** A rate in whole numbers; below 1 by its period, because one picture an hour would round to none at all. */
function fractionOf(fps: number): Rational {
  return fps < 1 ? { num: 1000, den: Math.round(1000 / fps) } : { num: Math.round(1000 * fps), den: 1000 };
}

/** A file's pixels, or the error why it has none. */
type Decoded = RgbPicture | Error;

/** Pictures decoded ahead of the current one. */
const AHEAD = 2;

async function read(
  { path, fps, broken }: { path: string; fps: number; broken: "skip" | "fail" },
  context: SourceContext,
  signal: AbortSignal,
  emit: (frame: Frame) => void,
): Promise<void> {
  const { source, stop, id } = context;
  const files = await list(path, id);
  source.identity = `${basename(path)} ${files.length} pictures ${await digestOf(files)}`;
  source.durationMs = (files.length * 1000) / fps;
  source.video = {
    timeBase: { num: 1, den: 90_000 },
    frameRate: fractionOf(fps),
    sampleAspect: { num: 1, den: 1 },
    colour: { range: "pc", matrix: 6 }, // the output of `writePlanes`
    bits: 8,
    startMs: 0,
    subtitles: [],
  };
  const decoding: Promise<Decoded>[] = [];
  let skipped = 0;
  for (const [index, file] of files.entries()) {
    for (let next = index + decoding.length; next < files.length && next <= index + AHEAD; next++)
      decoding.push(decode(files[next] ?? ""));
    const picture = await decoding.shift();
    if (!picture || signal.aborted || stop.aborted) break;
    source.firstTimeMs ??= 0;
    source.mediaTimeMs = (index * 1000) / fps;
    if (picture instanceof Error) {
      const why = `source ${id}: ${file}: ${picture.message}`;
      if (broken === "fail") throw new SourceError("SOURCE_PICTURE", why, { cause: picture });
      context.log.warn(`${why}; skipped`, { source: id, file });
      skipped++;
    } else if (!(await deliver(picture, file, index, context, signal, emit))) break;
  }
  await Promise.all(decoding);
  if (skipped === files.length)
    throw new SourceError("SOURCE_EMPTY", `source ${id}: ${path}: none of its pictures can be read`);
  if (skipped > 0) context.log.warn(`source ${id}: ${skipped} of ${files.length} pictures skipped`);
}

/** Tells apart lists of pictures by their names and sizes, since folders of different days may have as many of them. */
async function digestOf(files: readonly string[]): Promise<string> {
  const sizes = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  const list = files.map((file, i) => [basename(file), sizes[i]?.size]);
  return createHash("sha256").update(JSON.stringify(list)).digest("hex").slice(0, 32);
}

async function decode(file: string): Promise<Decoded> {
  try {
    return await readPicture(file);
  } catch (error) {
    return new Error(whyUnreadable(error), { cause: error });
  }
}

/** Waits for busy sinks and for a slot, fills it and emits the frame. False if the run is ending. */
async function deliver(
  picture: RgbPicture,
  file: string,
  sequence: number,
  { ready, pool, format, source, id }: SourceContext,
  signal: AbortSignal,
  emit: (frame: Frame) => void,
): Promise<boolean> {
  const { width, height } = picture;
  await ready();
  const slot = await pool.acquire(frameBytes(width, height, format), signal);
  if (!slot) return false;
  writePlanes(picture, format, slot.data);
  source.state = "running";
  source.decoded++;
  source.width = width;
  source.height = height;
  const { mediaTimeMs } = source;
  const name = basename(file);
  emit(
    new Frame(
      { source: id, sequence, mediaTimeMs, wallTimeMs: Date.now(), width, height, format, picture: name },
      slot,
      pool,
    ),
  );
  return true;
}

// Includes formats that cannot be read here, so that such pictures are named instead of silently ignored.
const PICTURE = /\.(jpe?g|jfif|png|webp|avif|tiff?|gif|svg|bmp|heic|heif|jp2|jxl)$/i;

/** The pictures that `path` names, in natural order; at least one. */
async function list(path: string, id: string): Promise<string[]> {
  const fail = (what: string, remedy: string) =>
    new SourceError("SOURCE_OPEN", `source ${id}: ${path}: ${what}; ${remedy}`);
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return [path];
  const inFolder = async () =>
    (await readdir(path))
      .filter((name) => PICTURE.test(name) && !name.startsWith("."))
      .map((name) => join(path, name));
  if (!info && !isGlob(path)) throw fail("folder not found", "check `path`");
  const files = await (info ? inFolder() : filesOf(path)).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT"
      ? fail("no file matches", "check `path`")
      : fail(error.message, "check `path`");
  });
  if (files.length === 0)
    throw info
      ? fail(
          "no pictures in this folder",
          "give one with .jpg or .png files, or `folder/**/*.jpg` for its subfolders",
        )
      : fail("no file matches", "check `path`");
  const naturally = new Intl.Collator("en", { numeric: true }).compare;
  return files.sort((a, b) => naturally(a, b) || (a < b ? -1 : 1));
}
