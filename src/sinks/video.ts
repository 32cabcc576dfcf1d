import { rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Type } from "typebox";
import { diskReason, makeFolder } from "../disk.js";
import { ConfigError, messageOf, SinkError } from "../errors.js";
import { CONTAINERS, muxerOf } from "../media/containers.js";
import { Encoding } from "../media/encode.js";
import { findEncoder, type VideoEncoder } from "../media/encoders.js";
import { type Ffmpeg, findFfmpeg } from "../media/ffmpeg.js";
import type { FaceFrame, Frame } from "../media/frame.js";
import { zeroOf } from "../media/video-info.js";
import { complaint, sink } from "../pipeline/component.js";
import type { RunContext, SourceStats } from "../pipeline/context.js";
import { Path } from "../pipeline/units.js";
import { renameOver } from "../replace-file.js";
import { closeAll } from "./close-all.js";
import { checkFields, isWhole, ownPath, partName } from "./part-file.js";

const Options = Type.Object({
  path: Path({
    description:
      "The file: `.mp4`, `.m4v`, `.mov` or `.mkv`. Its folder is created. `{source}` is replaced by the source's id; required if there are several sources.",
    examples: ["out/lobby.mp4", "out/{source}.mkv"],
  }),
  codec: Type.Optional(
    Type.String({
      default: "libx264",
      description:
        "Video encoder, as named by ffmpeg, e.g. `libx265`, `h264_nvenc`, `h264_vaapi`, `h264_videotoolbox`. It is tested before the run starts.",
    }),
  ),
  quality: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 100,
      description:
        "Quality on the encoder's own scale, lower is better (`-crf`, `-cq`, `-qp`). Default for libx264: 20.",
    }),
  ),
  preset: Type.Optional(
    Type.String({ description: "The encoder's own speed setting. Default for libx264: `veryfast`." }),
  ),
});

/** ffmpeg's name of the container for a file name. Throws `ConfigError` if there is none. */
function containerOf(path: string): string {
  const muxer = muxerOf(path);
  if (!muxer)
    throw new ConfigError(
      "VIDEO_CONTAINER",
      `${path}: the name must end in ${CONTAINERS.join(", ")}; Matroska (.mkv) takes any audio`,
    );
  return muxer;
}

/** Writes frames to a video file. */
export const video = sink({
  type: "video",
  summary: "Writes frames to a video file, with the audio of the recording they came from.",
  description:
    "Every frame keeps its own time, so a variable frame rate is preserved. Audio of a recording is copied, and its subtitles if the container supports them. Chapters, metadata, colour tags and the pixel aspect ratio are kept; so are Matroska's attachments, unless `blur` hides faces, because they may be images. Cover pictures, data and further video streams are not. Rotation is applied.\n\nThe video has 8 bits per sample, whatever the recording had; an odd width or height is padded with a black line. There is no audio from cameras, nor from recordings without usable timestamps (`loop`, standard input).\n\nThe file is called `<name>.part.<extension>` while it is written and takes its final name once complete. After a failure or Ctrl-C, the finished part is in the `.part` file.",
  takes: "faces",
  colour: true,
  options: Options,
  example: "- { type: video, path: out/lobby.mp4 }",
  check: ({ path }) =>
    complaint("path", () => containerOf(path)) ?? complaint("path", () => checkFields(path)),
  build: async ({ path, codec = "libx264", quality, preset }, context) => {
    const muxer = containerOf(path);
    const ffmpeg = await findFfmpeg();
    const wish = {
      codec,
      ...(quality !== undefined && { quality }),
      ...(preset !== undefined && { preset }),
    };
    const encoder = await findEncoder(ffmpeg, wish);
    const files = new Map<string, VideoFile>();
    const open = async (frame: Frame) => {
      const own = ownPath(path, frame.source, files.values(), context.id);
      const file = await VideoFile.open(own, frame, { context, ffmpeg, encoder, muxer });
      files.set(frame.source, file);
      return file;
    };
    return {
      write: async ({ frame }: FaceFrame) => {
        const file = files.get(frame.source) ?? (await open(frame));
        await file.write(frame);
      },
      close: (whole) => closeAll(files.values(), whole),
    };
  },
});

interface Means {
  readonly context: RunContext;
  readonly ffmpeg: Ffmpeg;
  readonly encoder: VideoEncoder;
  readonly muxer: string;
}

/** The recording of one source. */
class VideoFile {
  readonly path: string;
  readonly #part: string;
  readonly #context: RunContext;
  readonly #source: SourceStats;
  readonly #encoding: Encoding;
  readonly #width: number;
  readonly #height: number;
  readonly #startMs: number;
  #lastMs = 0;

  private constructor(path: string, part: string, frame: Frame, source: SourceStats, means: Means) {
    const { video, recording } = source;
    if (!video) throw new SinkError("VIDEO_INFO", `${source.id}: its video format is unknown`);
    this.path = path;
    this.#part = part;
    this.#context = means.context;
    this.#source = source;
    this.#width = frame.width;
    this.#height = frame.height;
    this.#startMs = recording ? zeroOf(video, recording) : frame.mediaTimeMs;
    const { width, height } = frame;
    this.#encoding = new Encoding(means.ffmpeg, {
      ...{ width, height, video, path: part, encoder: means.encoder, muxer: means.muxer },
      startMs: this.#startMs,
      attachments: !means.context.hides,
      ...(recording && { recording }),
    });
  }

  static async open(path: string, frame: Frame, means: Means): Promise<VideoFile> {
    const { context } = means;
    const source = context.stats.sources.find(({ id }) => id === frame.source);
    if (!source) throw new SinkError("VIDEO_SOURCE", `${context.id}: unknown source ${frame.source}`);
    const part = partName(path);
    try {
      await makeFolder(dirname(path));
      // A killed run may have left one, and its ffmpeg may still be writing to it.
      await rm(part, { force: true });
      await writeFile(part, ""); // fails earlier and with a better message than ffmpeg
    } catch (cause) {
      throw new SinkError("SINK_OPEN", `${context.id}: ${path} cannot be written: ${diskReason(cause)}`, {
        cause,
      });
    }
    if (source.video && source.video.bits > 8)
      context.log.warn(
        `${context.id}: ${source.id} has ${source.video.bits} bits per sample; ${path} will have 8`,
      );
    return new VideoFile(path, part, frame, source, means);
  }

  async write(frame: Frame): Promise<void> {
    if (frame.width !== this.#width || frame.height !== this.#height)
      throw this.#error(
        `the frame size changes from ${this.#width}x${this.#height} to ${frame.width}x${frame.height} at frame ${frame.sequence}, which a single video file cannot hold`,
      );
    this.#lastMs = frame.mediaTimeMs - this.#startMs;
    try {
      await this.#encoding.write(frame.pixels, frame.mediaTimeMs);
    } catch (cause) {
      throw this.#error(messageOf(cause), cause);
    }
  }

  async close(whole: boolean): Promise<void> {
    if (!this.#source.ending) return this.#encoding.kill();
    if (!isWhole(whole, this.#source)) {
      await this.#encoding.stop();
      this.#context.log.warn(
        `${this.#context.id}: ${this.path} is incomplete; the finished part, ${(this.#lastMs / 1000).toFixed(1)} s, is in ${this.#part}`,
      );
      return;
    }
    try {
      const { video, durationMs } = this.#source;
      await this.#encoding.end(video?.alone ? durationMs : undefined);
      await renameOver(this.#part, this.path);
    } catch (cause) {
      throw this.#error(diskReason(cause), cause);
    }
  }

  #error(why: string, cause?: unknown): SinkError {
    return new SinkError("SINK_WRITE", `${this.#context.id}: ${this.path} cannot be written: ${why}`, {
      cause,
    });
  }
}
