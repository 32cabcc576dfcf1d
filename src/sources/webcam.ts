import { Type } from "typebox";
import { ConfigError } from "../errors.js";
import { live } from "../media/live.js";
import { source } from "../pipeline/component.js";
import { Duration, Rate, Size } from "../pipeline/units.js";

/** A camera of this machine: v4l2 on Linux, avfoundation on macOS, dshow on Windows. */
export const webcam = source({
  type: "webcam",
  summary: "A camera on this machine.",
  description:
    "Through v4l2 on Linux, avfoundation on macOS and dshow on Windows. Reconnects after it was unplugged. When the pipeline is busy, frames are dropped and counted. Never tested with a physical camera, and on macOS and Windows not at all.",
  options: Type.Object({
    device: Type.Optional(
      Type.String({
        description:
          "`/dev/video0` on Linux, a number on macOS, the camera's name on Windows, where it is required; `pipeline doctor` lists them. Default: the first camera.",
      }),
    ),
    size: Type.Optional(
      Size({ description: "Picture size; the camera must support it.", examples: ["1280x720"] }),
    ),
    fps: Type.Optional(
      Rate({
        description:
          "Frames per second; the camera must support the rate. Default: the camera's own; on macOS 30.",
      }),
    ),
    stallTimeout: Type.Optional(
      Duration({ default: "5s", description: "Longest wait for the next picture." }),
    ),
  }),
  example: "- { type: webcam, size: 1280x720, fps: 30 }",
  live: () => true,
  check: ({ stallTimeout }) =>
    stallTimeout === 0
      ? { option: "stallTimeout", message: "`stallTimeout` must be above 0: a picture takes time" }
      : undefined,
  open: ({ device, size, fps, stallTimeout = 5_000 }, context) => {
    const { format, url, defaultFps } = cameraOf(process.platform, device);
    const framerate = fps ?? defaultFps;
    const before = [
      ...["-f", format],
      ...(size ? ["-video_size", `${size.width}x${size.height}`] : []),
      ...(framerate === undefined ? [] : ["-framerate", String(framerate)]),
    ];
    return live({ before, url, name: url, openMs: 15_000, stallMs: stallTimeout }, context, {
      leastMs: 500,
      mostMs: 10_000,
    });
  },
});

interface Camera {
  /** ffmpeg's name of the system's capture interface. */
  readonly format: string;
  /** ffmpeg's name of the camera. */
  readonly url: string;
  /** Used if nothing is specified. */
  readonly defaultFps?: number;
}

/** How ffmpeg reads a camera. Throws `ConfigError` if the system has no name for the first one. */
export function cameraOf(platform: NodeJS.Platform, device?: string): Camera {
  // ffmpeg would ask for 29.97 and only accepts the highest rate that a camera offers, which is 30 for built-in ones.
  if (platform === "darwin") return { format: "avfoundation", url: `${device ?? "0"}:none`, defaultFps: 30 };
  if (platform !== "win32") return { format: "v4l2", url: device ?? "/dev/video0" };
  if (device === undefined)
    throw new ConfigError(
      "WEBCAM_DEVICE",
      "a webcam on Windows needs its name: `device: Integrated Camera`; `pipeline doctor` lists the names",
    );
  return { format: "dshow", url: `video=${device}` };
}
