import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { createGunzip } from "node:zlib";
import { DataError, messageOf } from "../errors.js";
import type { EmotionData } from "../events/event.js";

/** Longer lines are not events; input without newlines must not fill the memory. */
const MAX_LINE = 1 << 20;
const CHUNK = 1 << 18;
/** The maximum of a `Date`, ms. */
const MAX_TIME_MS = 8.64e15;
/** Windows editors and shells put it at the start of files. */
const BYTE_ORDER_MARK = /^\uFEFF/;

export interface Input {
  /** Name for messages. */
  readonly name: string;
  /** A file (compressed if the name ends in `.gz`), or standard input. */
  readonly from: string | Readable;
}

/** The parts of an event that the report needs. */
export interface Seen {
  /** Index of its input. */
  readonly input: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly data: Pick<
    EmotionData,
    | "pipeline"
    | "camera"
    | "track"
    | "kind"
    | "label"
    | "confidence"
    | "probabilities"
    | "mediaTimeMs"
    | "box"
    | "relativeBox"
    | "model"
    | "purpose"
    | "retention"
  >;
}

export interface Reading {
  /** Called with place and reason for each skipped line that is not an event. */
  readonly onBroken?: (place: string, why: string) => void;
  /** Called with the number of bytes read from disk since the last call. */
  readonly onBytes?: (bytes: number) => void;
  /** Stops reading early. */
  readonly signal?: AbortSignal;
}

/**
 * Yields the events of all inputs in line order, about 256 KiB at a time. Throws `DataError` if an input can no longer
 * be read.
 */
export async function* readEvents(
  inputs: readonly Input[],
  reading: Reading = {},
): AsyncGenerator<readonly Seen[]> {
  for (const [input, { name, from }] of inputs.entries()) {
    let number = 0;
    for await (const lines of linesOf(name, from, reading)) {
      const events: Seen[] = [];
      for (const line of lines) {
        number++;
        if (line?.trim() === "") continue;
        const text = number === 1 ? line?.replace(BYTE_ORDER_MARK, "") : line;
        const found = text === undefined ? `longer than ${MAX_LINE} characters` : parse(text);
        if (typeof found === "string") reading.onBroken?.(`${name}:${number}`, found);
        else events.push({ input, ...found });
      }
      if (events.length > 0) yield events;
    }
  }
}

/** Yields several lines at a time; `undefined` stands for one that is too long. */
async function* linesOf(
  name: string,
  from: string | Readable,
  { onBytes, signal }: Reading,
): AsyncGenerator<(string | undefined)[]> {
  const file = typeof from === "string" ? createReadStream(from, { highWaterMark: CHUNK }) : undefined;
  const raw = file ?? (from as Readable);
  const text = typeof from === "string" && from.endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
  if (text !== raw) raw.once("error", (error: Error) => text.destroy(error));
  const stop = () => text.destroy();
  signal?.addEventListener("abort", stop);
  let told = 0;
  let rest = "";
  let tooLong = false;
  let decoder: StringDecoder | undefined;
  try {
    for await (const chunk of text as AsyncIterable<Buffer>) {
      decoder ??= decoderOf(chunk);
      const lines: (string | undefined)[] = (rest + decoder.write(chunk)).split("\n");
      rest = lines.pop() ?? "";
      if (tooLong && lines.length > 0) {
        lines[0] = undefined;
        tooLong = false;
      }
      yield lines;
      if (rest.length > MAX_LINE) {
        tooLong = true;
        rest = "";
      }
      if (file) onBytes?.(file.bytesRead - told);
      told = file?.bytesRead ?? 0;
    }
    rest += decoder?.end() ?? "";
    if (tooLong) yield [undefined];
    else if (rest !== "") yield [rest];
  } catch (cause) {
    if (!signal?.aborted)
      throw new DataError("EVENTS_READ", `${name}: reading failed: ${messageOf(cause)}`, { cause });
  } finally {
    signal?.removeEventListener("abort", stop);
    raw.destroy();
  }
}

/** For UTF-8, or for what Windows PowerShell 5 makes of it with `>`. */
function decoderOf(start: Buffer): StringDecoder {
  return new StringDecoder(start[0] === 0xff && start[1] === 0xfe ? "utf16le" : "utf8");
}

const KINDS = ["appeared", "changed", "sample", "left"];

/** Returns an event, or what is wrong with the line. Ignores fields added by later versions. */
function parse(line: string): Omit<Seen, "input"> | string {
  let event: { time?: unknown; data?: Partial<Seen["data"]> } | null;
  try {
    event = JSON.parse(line) as typeof event;
  } catch {
    return "not JSON (truncated?)";
  }
  const data = event?.data;
  if (typeof data !== "object" || data === null) return "not an emotion event: `data` is missing";
  const timeMs = typeof event?.time === "string" ? Date.parse(event.time) : Number.NaN;
  if (!Number.isFinite(timeMs)) return "`time` is not a date";
  if (typeof data.pipeline !== "string") return "`data.pipeline` is not a string";
  if (typeof data.camera !== "string") return "`data.camera` is not a string";
  if (!Number.isSafeInteger(data.track)) return "`data.track` is not a whole number";
  if (!KINDS.some((kind) => kind === data.kind)) return `\`data.kind\` is not one of ${KINDS.join(", ")}`;
  if (typeof data.label !== "string") return "`data.label` is not a string";
  if (!isPart(data.confidence)) return "`data.confidence` is not between 0 and 1";
  const { mediaTimeMs } = data;
  if (typeof mediaTimeMs !== "number" || Math.abs(mediaTimeMs) > MAX_TIME_MS)
    return "`data.mediaTimeMs` is not a time";
  if (!isBox(data.box)) return "`data.box` is not a box";
  if (!isBox(data.relativeBox)) return "`data.relativeBox` is not a box";
  const { probabilities } = data;
  if (typeof probabilities !== "object" || probabilities === null) return "`data.probabilities` is missing";
  if (!Object.values(probabilities).every(isPart)) return "`data.probabilities` are not between 0 and 1";
  return { timeMs, data: data as Seen["data"] };
}

function isPart(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value <= 1;
}

function isBox(box: Partial<EmotionData["box"]> | null | undefined): boolean {
  return [box?.x, box?.y, box?.width, box?.height].every(Number.isFinite);
}
