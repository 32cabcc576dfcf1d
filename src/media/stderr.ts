import { redact } from "./redact.js";
import {
  bitsOf,
  type Cover,
  decodedColour,
  parseStreamPixels,
  type Rational,
  type StreamPixels,
  type VideoInfo,
} from "./video-info.js";

/** What `showinfo` reports about one frame, before the frame's bytes arrive. */
export interface FrameNote {
  /** Presentation time in ms. */
  readonly ptsMs: number;
  readonly width: number;
  readonly height: number;
  /** `yuv420p`, `yuvj420p` or `gray`. */
  readonly pixelFormat: string;
  readonly sampleAspect: Rational;
}

const KEEP = 12;
const TELLING =
  /error|invalid|no space|no such|denied|refused|not found|could not|cannot|unable|failed|unauthorized|timed out|does not|moov|40\d|unknown|not match|matches no streams|nothing was encoded|not currently supported|is a directory|immediate exit/i;

/** What ffmpeg says of a recording that is truncated or damaged, when it continues or ends as if all were well. */
const DAMAGED =
  /partial file|ended prematurely|truncat|corrupt|invalid data found|error while decoding|invalid nal|concealing/i;

/** A line without the address of its origin (which Windows builds write without `0x`) and without passwords. */
const bare = (line: string) => redact(line.replace(/^(\[[^\]]* @ (?:0x)?[0-9a-fA-F]+\] )+/, "").trim());

/** What a Mac's camera does not support; the list of everything that it does follows. */
const REFUSED = /^Selected (framerate|video size) .*not supported/;

/** What a camera on Linux does that cannot do what was requested. */
const CHANGED = /^The (?:V4L2 )?driver changed the (video|time per frame) from (\S+) to (\S+)/;

/** About a file that is none of the formats that `readAsNamed` lets ffmpeg read; the list of them follows. */
const OTHER_KIND = /^Format not on whitelist/;

/** The last lines from ffmpeg, without its addresses and passwords. */
export class StderrTail {
  readonly #said: string[] = [];
  #refused: string | undefined;

  add(line: string): void {
    if (/^To ignore this, add a trailing/.test(line)) return; // about its own options, which nobody set
    const text = bare(line);
    if (REFUSED.test(text)) this.#refused = text;
    if (OTHER_KIND.test(text)) this.#refused = "it is not a recording, or refers to other files";
    this.#said.push(text);
    if (this.#said.length > KEEP) this.#said.shift();
  }

  /** True if the output was not written completely, which ffmpeg's exit code does not always show. */
  get writeFailed(): boolean {
    return this.#said.some((line) => /No space left on device|^Error (closing|writing|muxing)/.test(line));
  }

  /**
   * The most telling line: of a reader the last such line, of a writer the first, because the others follow from it.
   */
  reason(which: "first" | "last"): string | undefined {
    if (this.#said.some((line) => line.includes("No space left on device"))) return "the disk is full";
    if (this.#refused !== undefined) return this.#refused;
    const telling = this.#said.filter((line) => TELLING.test(line));
    return (which === "first" ? telling[0] : telling.at(-1)) ?? this.#said.at(-1);
  }
}

/**
 * Reads ffmpeg's stderr: notes on frames, what it reports about the recording, and the last other lines, which say why
 * it failed.
 */
export class StderrReader {
  /** Length of the recording in ms, if reported. */
  durationMs: number | undefined;
  /** What a camera gives instead of what was requested. */
  readonly changes: string[] = [];
  /** The first line that reported damage. */
  damage: string | undefined;
  #startMs = 0;
  #rest = "";
  #timeBase: Rational = { num: 0, den: 1 };
  #frameRate: Rational | undefined;
  #pixels: StreamPixels | undefined;
  readonly #subtitles: string[] = [];
  #alone = true;
  #attachments = 0;
  readonly #covers: Cover[] = [];
  readonly #said = new StderrTail();
  readonly #mark: string;
  readonly #onNote: (note: FrameNote) => void;

  /**
   * @param showinfo name of the filter that reports frames. No recording may know it: ffmpeg prints titles and
   * languages unchanged, including line ends
   */
  constructor(showinfo: string, onNote: (note: FrameNote) => void) {
    this.#mark = `[${showinfo} @ `;
    this.#onNote = onNote;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split(/[\r\n]+/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  /** Why it failed, as far as it said. */
  get reason(): string | undefined {
    return this.#said.reason("last");
  }

  /** What is known about the video from the frame of `note` on. */
  videoInfo({ ptsMs, pixelFormat, sampleAspect }: FrameNote): VideoInfo {
    // What comes before 0 is needed by an audio decoder to start, and is not heard (FFmpeg 7 counts it in Matroska
    // too).
    const startMs = ptsMs >= 0 ? Math.max(0, this.#startMs) : this.#startMs;
    return {
      timeBase: this.#timeBase,
      ...(this.#frameRate && { frameRate: this.#frameRate }),
      sampleAspect,
      startMs,
      subtitles: this.#subtitles,
      alone: this.#alone,
      covers: this.#covers,
      attachments: this.#attachments,
      colour: decodedColour(this.#pixels, pixelFormat),
      bits: bitsOf(this.#pixels?.format ?? pixelFormat),
    };
  }

  #line(line: string): void {
    const at = line.indexOf(this.#mark); // ffmpeg may have written its own figures before it
    if (at < 0) this.#other(line);
    else this.#showinfo(line.slice(line.indexOf("] ", at) + 2));
  }

  #other(line: string): void {
    const duration = /^ {2}Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(line);
    if (duration)
      this.durationMs = (Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3])) * 1000;
    const start = /^ {2}Duration: .*?, start: (-?\d+\.\d+)/.exec(line);
    if (start) this.#startMs = Number(start[1]) * 1000;
    if (/^ +Stream #0.*: Video: /.test(line) && !line.includes("(attached pic)"))
      this.#pixels ??= parseStreamPixels(line);
    const [, subtitles] = /^ +Stream #0.*: Subtitle: (\w+)/.exec(line) ?? [];
    if (subtitles !== undefined) this.#subtitles.push(subtitles);
    const [, index, codec] = /^ +Stream #0:(\d+).*: Video: (\w+).*\(attached pic\)/.exec(line) ?? [];
    if (codec !== undefined) this.#covers.push({ index: Number(index), codec });
    if (/^ +Stream #0.*: Attachment: /.test(line)) this.#attachments++;
    if (/^ +Stream #0.*: (Audio|Subtitle|Data): /.test(line)) this.#alone = false;
    if (/^\s*$|^ {2}|^Press |^Input #|^Output #|^Stream mapping|^video:/.test(line)) return;
    const changed = changeOf(bare(line));
    if (changed) this.changes.push(changed);
    if (DAMAGED.test(line)) this.damage ??= bare(line);
    this.#said.add(line);
  }

  #showinfo(line: string): void {
    const pts = /^n: *\d+ pts: *(-?\d+|NOPTS)\b.*?\bfmt:(\w+)\b.*?\bsar:(\d+)\/(\d+) s:(\d+)x(\d+)/.exec(
      line,
    );
    if (pts) {
      const { num, den } = this.#timeBase;
      const aspect = { num: Number(pts[3]), den: Number(pts[4]) };
      this.#onNote({
        ptsMs: pts[1] === "NOPTS" ? Number.NaN : Number(pts[1]) * ((1000 * num) / den),
        width: Number(pts[5]),
        height: Number(pts[6]),
        pixelFormat: pts[2] ?? "",
        sampleAspect: aspect.num > 0 && aspect.den > 0 ? aspect : { num: 1, den: 1 },
      });
      return;
    }
    const config = /^config in time_base: (\d+)\/(\d+), frame_rate: (\d+)\/(\d+)/.exec(line);
    if (!config) return;
    this.#timeBase = { num: Number(config[1]), den: Number(config[2]) };
    const [num, den] = [Number(config[3]), Number(config[4])];
    // ffmpeg's guess for a variable rate may be the time base itself.
    this.#frameRate = den > 0 && num / den >= 1 && num / den <= 1000 ? { num, den } : undefined;
  }
}

function changeOf(text: string): string | undefined {
  const [, what, from = "", to = ""] = CHANGED.exec(text) ?? [];
  if (what === undefined) return undefined;
  if (what === "video") return `${to}, not ${from}`;
  return `${perSecond(to)} frames/s, not ${perSecond(from)}`;
}

/** @param interval seconds per frame as a fraction */
function perSecond(interval: string): string {
  const [num = 1, den = 0] = interval.split("/").map(Number);
  return String(Number((den / num).toFixed(2)));
}
