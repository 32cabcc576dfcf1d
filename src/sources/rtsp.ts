import { Type } from "typebox";
import { live } from "../media/live.js";
import { redact } from "../media/redact.js";
import { source } from "../pipeline/component.js";
import { Duration } from "../pipeline/units.js";

/** A camera that refuses at once is not retried sooner than this, in ms. */
const LEAST_BACKOFF_MS = 100;

/** A network camera. */
export const rtsp = source({
  type: "rtsp",
  summary: "A network camera over RTSP.",
  description:
    "Reconnects indefinitely after any failure or end, with growing, randomised waits. When the pipeline is busy, frames are dropped and counted, so results never lag behind. Media time counts from the camera's first frame.",
  options: Type.Object({
    url: Type.String({
      pattern: "^(rtsps?://|\\$\\{)",
      description:
        "Address, with user and password if the camera needs them (percent-encode `@`, `/` and the like in them). No log, error or event shows the password, but the list of processes does, in ffmpeg's command line.",
      examples: ["rtsp://user:password@10.0.0.7/stream1"],
    }),
    transport: Type.Optional(
      Type.Union([Type.Literal("tcp"), Type.Literal("udp")], {
        default: "tcp",
        description: "`udp` has less delay; `tcp` loses nothing.",
      }),
    ),
    openTimeout: Type.Optional(
      Duration({ default: "15s", description: "Longest wait for the first picture." }),
    ),
    stallTimeout: Type.Optional(
      Duration({ default: "5s", description: "Longest wait for the next picture." }),
    ),
    maxBackoff: Type.Optional(Duration({ default: "30s", description: "Longest wait before reconnecting." })),
  }),
  example: `- { type: rtsp, url: "rtsp://10.0.0.7/stream1" }`,
  live: () => true,
  check: ({ openTimeout, stallTimeout }) => {
    const option = openTimeout === 0 ? "openTimeout" : stallTimeout === 0 ? "stallTimeout" : undefined;
    return option && { option, message: `\`${option}\` must be above 0: a picture takes time` };
  },
  open: (
    { url, transport = "tcp", openTimeout = 15_000, stallTimeout = 5_000, maxBackoff = 30_000 },
    context,
  ) => {
    const mostMs = Math.max(LEAST_BACKOFF_MS, maxBackoff);
    return live(
      {
        // Otherwise ffmpeg analyses the stream for more than a second before the first frame. Not `-fflags nobuffer`: it
        // drops what was analysed, and with it the first key frame; the next one may be 10 s or more away.
        before: [
          ...["-flags", "low_delay", "-probesize", "32768", "-analyzeduration", "0"],
          ...["-rtsp_transport", transport],
        ],
        url,
        name: redact(url),
        openMs: openTimeout,
        stallMs: stallTimeout,
        socketTimeoutMs: Math.max(openTimeout, stallTimeout),
      },
      context,
      { leastMs: Math.min(500, mostMs), mostMs },
    );
  },
});
