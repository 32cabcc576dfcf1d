import { Type } from "typebox";
import { live } from "../media/live.js";
import { source } from "../pipeline/component.js";
import { Duration, Rate, Size } from "../pipeline/units.js";

/** A camera of this machine: v4l2 on Linux, avfoundation on macOS, dshow on Windows. */
export const webcam = source({
  type: "webcam",
  summary: "A camera of this machine.",
  description:
    "Through v4l2 on Linux, avfoundation on macOS and dshow on Windows. Opened again when it was unplugged. When the pipeline is busy, frames are dropped and counted.",
  options: Type.Object({
    device: Type.Optional(
      Type.String({
        description:
          "`/dev/video0` on Linux, a number on macOS, the camera's name on Windows. Default: the first camera (not on Windows).",
      }),
    ),
    size: Type.Optional(
      Size({ description: "Picture size; the camera must offer it.", examples: ["1280x720"] }),
    ),
    fps: Type.Optional(Rate({ description: "Frames a second; the camera must offer them." })),
    stallTimeout: Type.Optional(
      Duration({ default: "5s", description: "How long the next picture may take." }),
    ),
  }),
  example: "- { type: webcam, size: 1280x720, fps: 30 }",
  live: () => true,
  open: ({ device, size, fps, stallTimeout = 5_000 }, context) => {
    const { format, url } = cameraOf(process.platform, device);
    const before = [
      ...["-f", format],
      ...(size ? ["-video_size", `${size.width}x${size.height}`] : []),
      ...(fps === undefined ? [] : ["-framerate", String(fps)]),
    ];
    return live({ before, url, name: url, openMs: 15_000, stallMs: stallTimeout }, context, {
      leastMs: 500,
      mostMs: 10_000,
    });
  },
});

/** ffmpeg's name for a camera. */
export function cameraOf(platform: NodeJS.Platform, device?: string): { format: string; url: string } {
  if (platform === "darwin") return { format: "avfoundation", url: `${device ?? "0"}:none` };
  if (platform === "win32") return { format: "dshow", url: `video=${device ?? ""}` };
  return { format: "v4l2", url: device ?? "/dev/video0" };
}
