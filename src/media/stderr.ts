import { redact } from "./redact.js";

/** What `showinfo` said of one frame, before the frame's bytes come. */
export interface FrameNote {
  /** Presentation time, ms. */
  readonly ptsMs: number;
  readonly width: number;
  readonly height: number;
}

const KEEP = 12;

/**
 * Reads ffmpeg's stderr: notes on frames, the length of the recording, and the last lines it said otherwise, which
 * tell why it failed.
 */
export class StderrReader {
  /** Length of the recording where it was told, ms. */
  durationMs: number | undefined;
  #rest = "";
  #timeBase = 0;
  readonly #said: string[] = [];
  readonly #onNote: (note: FrameNote) => void;

  constructor(onNote: (note: FrameNote) => void) {
    this.#onNote = onNote;
  }

  push(text: string): void {
    const lines = (this.#rest + text).split(/[\r\n]+/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  /** The most telling of the last lines, without ffmpeg's addresses and passwords. */
  get reason(): string | undefined {
    const telling =
      /error|invalid|no such|denied|refused|not found|could not|unable|failed|unauthorized|timed out|does not|moov|40\d|unknown|not match|is a directory|immediate exit/i;
    const line = this.#said.findLast((text) => telling.test(text)) ?? this.#said.at(-1);
    return line;
  }

  #line(line: string): void {
    if (line.includes("showinfo")) {
      const pts = /\bpts: *(-?\d+|NOPTS)\b.*?\bs:(\d+)x(\d+)/.exec(line);
      if (pts) {
        this.#onNote({
          ptsMs: pts[1] === "NOPTS" ? Number.NaN : Number(pts[1]) * this.#timeBase,
          width: Number(pts[2]),
          height: Number(pts[3]),
        });
        return;
      }
      const base = /config in time_base: (\d+)\/(\d+)/.exec(line);
      if (base) this.#timeBase = (1000 * Number(base[1])) / Number(base[2]);
      return;
    }
    const duration = /^ {2}Duration: (\d+):(\d+):(\d+(?:\.\d+)?)/.exec(line);
    if (duration)
      this.durationMs = (Number(duration[1]) * 3600 + Number(duration[2]) * 60 + Number(duration[3])) * 1000;
    if (/^\s*$|^ {2}|^Press |^Input #|^Output #|^Stream mapping|^video:/.test(line)) return;
    this.#said.push(redact(line.replace(/^(\[[^\]]* @ 0x[0-9a-f]+\] )+/, "").trim()));
    if (this.#said.length > KEEP) this.#said.shift();
  }
}
