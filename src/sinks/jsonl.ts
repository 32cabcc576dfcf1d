import { Type } from "typebox";
import { Pieces } from "../bytes.js";
import type { EmotionEvent } from "../events/event.js";
import { putEvent } from "../events/json.js";
import { sink } from "../pipeline/component.js";
import { Bytes, Duration, Path } from "../pipeline/units.js";
import { LineFile } from "./line-file.js";
import { openOutput } from "./output.js";

const Options = Type.Object({
  path: Path({
    description: "The file, or `-` for standard output. Its folder is created.",
    examples: ["out/events.jsonl", "-"],
  }),
  rotate: Type.Optional(
    Type.Object(
      {
        size: Type.Optional(
          Bytes({ description: "Starts a new file before this size is exceeded.", examples: ["100MB"] }),
        ),
        every: Type.Optional(
          Duration({ description: "Starts a new file after this long.", examples: ["1d"] }),
        ),
      },
      { description: "When to start a new file. The old one is renamed to `<name>.<time>.jsonl`." },
    ),
  ),
  fsync: Type.Optional(
    Type.Union([Type.Literal("never"), Type.Literal("interval"), Type.Literal("always")], {
      default: "never",
      description:
        "When lines are synced to disk: left to the system, once a second, or before the next event. Only needed against power failures.",
    }),
  ),
});

const NEWLINE = 0x0a;

/** Appends one JSON line per event. */
export const jsonl = sink({
  type: "jsonl",
  summary: "Appends events to a file as JSON lines.",
  description:
    "Each line is written with one system call, so every line in the file is complete even if the process is killed. A line truncated by a power failure is repaired at the next start. A full disk or a closed pipe stops the run with exit code 1.",
  takes: "events",
  options: Options,
  example: "- { type: jsonl, path: out/events.jsonl, rotate: { size: 100MB } }",
  check: ({ rotate }) =>
    rotate?.size === 0 || rotate?.every === 0
      ? { option: "rotate", message: "`rotate` must not be 0: each event would get its own file" }
      : undefined,
  idle: ({ path }) =>
    path === "-" ? { names: ["rotate", "fsync"], where: "with standard output" } : undefined,
  build: async ({ path, rotate, fsync = "never" }, context) => {
    const pieces = new Pieces();
    const line = (event: EmotionEvent) => pieces.take((to, at) => putLine(to, at, event));
    if (path === "-") {
      const output = openOutput(context.id);
      return { write: (event) => output.write(line(event)), close: () => output.close() };
    }
    const file = await LineFile.open(context.id, path, {
      fsync,
      ...(rotate?.size !== undefined && { maxBytes: rotate.size }),
      ...(rotate?.every !== undefined && { maxAgeMs: rotate.every }),
    });
    return { write: (event) => file.append(line(event)), close: () => file.close() };
  },
});

function putLine(to: Buffer, at: number, event: EmotionEvent): number {
  const end = putEvent(to, at, event);
  to[end] = NEWLINE;
  return end + 1;
}
