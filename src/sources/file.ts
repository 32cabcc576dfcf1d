import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Type } from "typebox";
import { readReason, SourceError } from "../errors.js";
import { type DecodeInput, decodeAhead } from "../media/decode.js";
import { isPlaylist, readAsNamed } from "../media/demuxers.js";
import { redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import { source } from "../pipeline/component.js";
import type { SourceContext } from "../pipeline/context.js";
import { Duration, Path } from "../pipeline/units.js";

const Options = Type.Object({
  path: Path({
    description:
      "A recording: anything ffmpeg reads, a URL, or `-` for standard input. A file is played as a playlist only if its name ends in `.m3u8`, `.m3u`, `.mpd` or `.ffconcat`.",
    examples: ["lobby.mp4", "-"],
  }),
  loop: Type.Optional(
    Type.Union([Type.Integer({ minimum: 1 }), Type.Boolean()], {
      default: false,
      description:
        "Number of times to play it, or `true` to loop forever; as a whole, so without `from` and `to`. Media time continues from one round to the next. Of recordings without an index (`.ts`, `.mts`, `.mpg`, `.vob`), ffmpeg may leave out each further round's pictures up to the second key frame.",
    }),
  ),
  from: Type.Optional(
    Duration({ description: "Where to start, counted from its beginning.", examples: ["90s"] }),
  ),
  to: Type.Optional(
    Duration({ description: "Where to stop, counted from its beginning.", examples: ["2m"] }),
  ),
});

/** A recording. Media times are the container's own PTS. */
export const file = source({
  type: "file",
  summary: "A recording: anything ffmpeg reads.",
  description:
    "No frame is ever lost: when the pipeline is busy, ffmpeg waits. Rotation in the metadata is applied. A change of " +
    "size in mid-stream is passed on; with an ffmpeg older than 4.4, pictures keep the first size.",
  options: Options,
  example: "- { type: file, path: lobby.mp4 }",
  live: () => false,
  check: ({ path, loop = false, from, to }) => {
    if (to !== undefined && to <= (from ?? 0))
      return { option: "to", message: `\`to\` (${to} ms) must be after \`from\` (${from ?? 0} ms)` };
    if (loop === false || loop === 1) return undefined;
    if (path === "-")
      return { option: "loop", message: "standard input can be read only once; remove `loop`" };
    return from !== undefined || to !== undefined
      ? { option: "loop", message: "`loop` plays a recording as a whole; remove it, or `from` and `to`" }
      : undefined;
  },
  open: (options, context) => decodeAhead(inputOf(options, context), context),
});

/**
 * Recordings without an index: ffmpeg begins anywhere in them, shows pictures from the next key frame on, and counts the
 * length to `to` from there.
 */
const WITHOUT_INDEX = /\.(ts|m2?ts|m2t|mpe?g|vob)$/i;
/** It begins this much earlier in them, which is more than encoders put between two key frames by default. */
const LEAD_MS = 15_000;

async function inputOf(
  { path, loop, from: begin, to: end }: { path: string; loop?: number | boolean; from?: number; to?: number },
  context: Pick<SourceContext, "id" | "source" | "startedAtMs">,
): Promise<DecodeInput> {
  const size = isUrl(path) ? undefined : await sizeOf(path, context.id);
  const whole = size === undefined ? redact(path) : `${basename(path)} ${size} bytes`;
  const thisRun = `since ${context.startedAtMs}`;
  // Frames are counted from the start of the range. A pipe brings something else each time.
  context.source.identity = size === 0 ? thisRun : begin === undefined ? whole : `${whole} from ${begin} ms`;
  const rounds = loop === true ? -1 : typeof loop === "number" ? loop - 1 : 0;
  const stdin = path === "-";
  const early = begin !== undefined && WITHOUT_INDEX.test(path);
  const before = [
    ...(stdin || isUrl(path) ? [] : readAsNamed(path)),
    // ffmpeg shifts the times of each round, so they cannot be the container's own.
    ...(rounds === 0 ? ["-copyts"] : ["-stream_loop", String(rounds)]),
    ...(begin === undefined ? [] : ["-ss", String((early ? Math.max(0, begin - LEAD_MS) : begin) / 1000)]),
    ...(end === undefined ? [] : ["-to", String(end / 1000)]),
  ];
  const url = stdin ? "pipe:0" : isUrl(path) ? path : `file:${path}`;
  if (!stdin && rounds === 0)
    context.source.recording = {
      url,
      ...(begin !== undefined && { fromMs: begin }),
      ...(end !== undefined && { toMs: end }),
    };
  return {
    before,
    url,
    name: stdin ? "standard input" : redact(path),
    stdin,
    live: false,
    // A stream that is still going on (HLS, MJPEG over HTTP) brings something else each time, too.
    onUnknownLength: () => {
      if (isUrl(path) || isPlaylist(path)) context.source.identity = thisRun;
    },
    ...(early && { range: { fromMs: begin, toMs: end ?? Number.POSITIVE_INFINITY } }),
    endsAtMs: (lengthMs, startMs) => {
      if (rounds === 0) return startMs + Math.min(lengthMs, end ?? lengthMs);
      return rounds > 0 ? lengthMs * (rounds + 1) : undefined;
    },
  };
}

/** A recording's size in bytes, 0 for a pipe; rejects with `SourceError` if the file cannot be one. */
export async function sizeOf(path: string, id: string): Promise<number> {
  if (path === "-") return 0;
  const fail = (what: string, remedy: string) =>
    new SourceError("SOURCE_OPEN", `source ${id}: ${path}: ${what}; ${remedy}`);
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw fail(readReason(error), "check `path`");
  });
  if (info.isDirectory()) throw fail("it is a folder", "use an `images` source for a folder of pictures");
  if (info.isFile() && info.size === 0) throw fail("the file is empty", "give a recording");
  return info.size;
}
