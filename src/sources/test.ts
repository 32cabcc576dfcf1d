import { defer, switchMap } from "rxjs";
import { Type } from "typebox";
import { readAsNamed } from "../media/demuxers.js";
import { live } from "../media/live.js";
import { isUrl } from "../media/url.js";
import { source } from "../pipeline/component.js";
import { Path, Rate, Size } from "../pipeline/units.js";
import { sizeOf } from "./file.js";

/** A simulated camera: a moving pattern, or a recording played in a loop in real time. */
export const test = source({
  type: "test",
  summary: "A simulated camera for trying things out.",
  description:
    "Shows a moving pattern, or a recording in a loop, in real time. Behaves like a camera: it never waits, and frames are dropped when the pipeline is busy.",
  options: Type.Object({
    path: Type.Optional(Path({ description: "A recording to play. Default: a pattern." })),
    size: Type.Optional(Size({ default: "640x480", description: "Size of the pattern." })),
    fps: Type.Optional(Rate({ default: 30, description: "Frames per second of the pattern." })),
  }),
  example: "- { type: test, size: 1280x720, fps: 30 }",
  live: () => true,
  check: ({ path }) => {
    if (path === "-")
      return { option: "path", message: "standard input can be read only once; use `file` for it" };
    return path !== undefined && isUrl(path)
      ? { option: "path", message: "`test` plays a file of this machine; use `rtsp` or `file` for a URL" }
      : undefined;
  },
  open: ({ path, size = { width: 640, height: 480 }, fps = 30 }, context) => {
    const pattern = `testsrc2=size=${size.width}x${size.height}:rate=${fps}`;
    const input = path
      ? { before: ["-re", "-stream_loop", "-1", ...readAsNamed(path)], url: `file:${path}`, name: path }
      : { before: ["-re", "-f", "lavfi"], url: pattern, name: "test pattern" };
    const camera = live({ ...input, openMs: 15_000, stallMs: 5_000 }, context, {
      leastMs: 500,
      mostMs: 10_000,
    });
    // Unlike a camera that is away, a file that is missing will not come back.
    return path === undefined ? camera : defer(() => sizeOf(path, context.id)).pipe(switchMap(() => camera));
  },
});
