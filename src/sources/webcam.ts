import { Type } from "typebox";
import { ConfigError } from "../errors.js";
import type { Ffmpeg } from "../media/ffmpeg.js";
import { live } from "../media/live.js";
import { source } from "../pipeline/component.js";
import { Duration, Rate, Size } from "../pipeline/units.js";
import { outputOf } from "../program.js";

/** A camera of this machine: v4l2 on Linux, avfoundation on macOS, dshow on Windows. */
export const webcam = source({
  type: "webcam",
  summary: "A camera on this machine.",
  description:
    "Through v4l2 on Linux, avfoundation on macOS and dshow on Windows. Reconnects after it was unplugged. When the pipeline is busy, frames are dropped and counted. Tested with ffmpeg's own reader of Linux's cameras on a stand-in for the kernel's part; never with a physical camera, and on macOS and Windows not at all.",
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
    format: Type.Optional(
      Type.String({
        description:
          "What the camera delivers: `mjpeg`, `h264`, or a pixel format such as `yuyv422`. Default on Linux: `mjpeg` for more than 640x480 pixels if the camera offers it, because most are slow otherwise; elsewhere the system's choice.",
        examples: ["mjpeg"],
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
  open: ({ device, size, fps, format, stallTimeout = 5_000 }, context) => {
    const camera = cameraOf(process.platform, device);
    const { url } = camera;
    const framerate = fps ?? camera.defaultFps;
    const before = async (ffmpeg: Ffmpeg) => [
      ...["-f", camera.system],
      ...delivering(camera.system, format ?? (await preferredFormat(ffmpeg, camera, size))),
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
  readonly system: "avfoundation" | "dshow" | "v4l2";
  /** ffmpeg's name of the camera. */
  readonly url: string;
  /** Used if nothing is specified. */
  readonly defaultFps?: number;
}

/** How ffmpeg reads a camera. Throws `ConfigError` if the system has no name for the first one. */
export function cameraOf(platform: NodeJS.Platform, device?: string): Camera {
  // ffmpeg would ask for 29.97 and only accepts the highest rate that a camera offers, which is 30 for built-in ones.
  if (platform === "darwin") return { system: "avfoundation", url: `${device ?? "0"}:none`, defaultFps: 30 };
  if (platform !== "win32") return { system: "v4l2", url: device ?? "/dev/video0" };
  if (device === undefined)
    throw new ConfigError(
      "WEBCAM_DEVICE",
      "a webcam on Windows needs its name: `device: Integrated Camera`; `pipeline doctor` lists the names",
    );
  return { system: "dshow", url: `video=${device}` };
}

/** USB 2 has room for that many uncompressed pixels at 30 frames a second. */
const MOST_RAW_PIXELS = 640 * 480;

/** Left to itself, ffmpeg takes uncompressed pictures from v4l2, at whatever rate the camera then has. */
async function preferredFormat(
  ffmpeg: Ffmpeg,
  { system, url }: Camera,
  size: Size | undefined,
): Promise<string | undefined> {
  if (system !== "v4l2" || !size || size.width * size.height <= MOST_RAW_PIXELS) return undefined;
  const list = ["-hide_banner", "-f", system, "-list_formats", "all", "-i", url];
  // Listing always exits with an error because nothing was opened. Any other comes again when it is.
  const listed = await outputOf(ffmpeg.path, list, true).catch(() => "");
  const formats = listed.split("\n").filter((line) => /(Raw|Compressed) *:/.test(line));
  const mjpeg = formats.find((line) => /Compressed: +mjpeg :/.test(line));
  const offers = (line: string) => line.split(/\s/).includes(`${size.width}x${size.height}`);
  return mjpeg && (offers(mjpeg) || !formats.some(offers)) ? "mjpeg" : undefined;
}

/** Options that make a camera deliver a format. */
export function delivering(system: Camera["system"], format: string | undefined): string[] {
  if (format === undefined) return [];
  if (system === "v4l2") return ["-input_format", format];
  return [system === "dshow" && /^(mjpeg|h264)$/.test(format) ? "-vcodec" : "-pixel_format", format];
}
