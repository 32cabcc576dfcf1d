import { createWriteStream, type WriteStream } from "node:fs";
import { dirname, extname } from "node:path";
import { finished } from "node:stream/promises";
import { Type } from "typebox";
import { diskReason, makeFolder } from "../../disk.js";
import { ConfigError, SinkError } from "../../errors.js";
import { type Colour, coloursOf } from "../../events/palette.js";
import type { Face, FaceFrame, FaceModel, Frame } from "../../media/frame.js";
import { zeroOf } from "../../media/video-info.js";
import { complaint, sink } from "../../pipeline/component.js";
import type { RunContext, SourceStats } from "../../pipeline/context.js";
import { Path } from "../../pipeline/units.js";
import { renameOver } from "../../replace-file.js";
import { closeAll } from "../close-all.js";
import { drained } from "../drained.js";
import { checkFields, isWhole, ownPath, partName } from "../part-file.js";
import { type Cue, CueMaker, type Sighting } from "./cues.js";
import { FORMATS, type Format, type Size } from "./formats.js";

/** The format for a file name. Throws `ConfigError` if there is none. */
function formatOf(path: string): () => Format {
  const format = FORMATS[extname(path).toLowerCase()];
  if (!format)
    throw new ConfigError(
      "SUBTITLES_FORMAT",
      `${path}: the name must end in ${Object.keys(FORMATS).join(", ")}`,
    );
  return format;
}

/** Writes faces and their expressions as subtitles. */
export const subtitles = sink({
  type: "subtitles",
  summary: "Writes the expressions of faces as subtitles.",
  description:
    "`.vtt` (WebVTT) puts each label above its face, `.ass` draws boxes and labels that move with it, `.srt` lists the faces from left to right. A cue gives the model's average confidence while it lasts. Times count from the recording's start, as in players. The file is called `<name>.part.<extension>` while it is written, and takes its final name once it covers the whole recording.",
  takes: "faces",
  needs: ["track"],
  options: Type.Object({
    path: Path({
      description:
        "The file: `.vtt`, `.ass` or `.srt`. Its folder is created. `{source}` is replaced by the source's id; required if there are several sources.",
      examples: ["out/lobby.vtt", "out/{source}.ass"],
    }),
  }),
  example: "- { type: subtitles, path: out/lobby.vtt }",
  check: ({ path }) => complaint("path", () => formatOf(path)) ?? complaint("path", () => checkFields(path)),
  build: ({ path }, context) => {
    const format = formatOf(path);
    const files = new Map<string, SubtitleFile>();
    const open = async (frame: Frame) => {
      const own = ownPath(path, frame.source, files.values(), context.id);
      const file = await SubtitleFile.open(own, frame, format(), context);
      files.set(frame.source, file);
      return file;
    };
    return {
      write: async (item: FaceFrame) => {
        const file = files.get(item.frame.source) ?? (await open(item.frame));
        await file.write(item);
      },
      close: (whole) => closeAll(files.values(), whole),
    };
  },
});

/** The subtitles of one source. */
class SubtitleFile {
  readonly path: string;
  readonly #context: RunContext;
  readonly #source: SourceStats;
  readonly #format: Format;
  readonly #cues: CueMaker;
  readonly #stream: WriteStream;
  readonly #size: Size;
  readonly #startMs: number;
  readonly #colours = new WeakMap<FaceModel, readonly Colour[]>();
  #broken: unknown;

  private constructor(
    path: string,
    { width, height, mediaTimeMs }: Frame,
    format: Format,
    context: RunContext,
    source: SourceStats,
  ) {
    const { video, recording } = source;
    this.path = path;
    this.#context = context;
    this.#source = source;
    this.#format = format;
    this.#cues = new CueMaker(format.cues);
    this.#size = { width, height };
    this.#startMs = video && recording ? zeroOf(video, recording) : mediaTimeMs;
    this.#stream = createWriteStream(partName(path));
    this.#stream.on("error", (error) => {
      this.#broken = error;
    });
    this.#stream.write(format.head(this.#size));
  }

  static async open(path: string, frame: Frame, format: Format, context: RunContext): Promise<SubtitleFile> {
    const source = context.stats.sources.find(({ id }) => id === frame.source);
    if (!source) throw new SinkError("SUBTITLES_SOURCE", `${context.id}: unknown source ${frame.source}`);
    try {
      await makeFolder(dirname(path));
    } catch (cause) {
      throw new SinkError("SINK_OPEN", `${context.id}: ${path} cannot be written: ${diskReason(cause)}`, {
        cause,
      });
    }
    return new SubtitleFile(path, frame, format, context, source);
  }

  async write({ frame, faces }: FaceFrame): Promise<void> {
    const sightings = faces.map((face) => this.#sighting(face));
    await this.#put(this.#cues.add(frame.mediaTimeMs - this.#startMs, sightings));
  }

  async close(whole: boolean): Promise<void> {
    await this.#put(this.#cues.end());
    this.#stream.end(this.#format.end());
    await finished(this.#stream).catch(() => {}); // reported below
    this.#check();
    if (isWhole(whole, this.#source)) await renameOver(partName(this.path), this.path);
    else
      this.#context.log.warn(
        `${this.#context.id}: ${this.path} is incomplete; the finished part is in ${partName(this.path)}`,
      );
  }

  #sighting({ box, track, label, model, smoothed, probabilities }: Face): Sighting {
    if (track === undefined)
      throw new SinkError(
        "SUBTITLES_NEED_TRACK",
        `${this.#context.id}: faces have no track number; put a \`track\` operator before it`,
      );
    if (label === undefined || !model) return { track, box };
    const name = model.labels[label];
    const colour = this.#coloursOf(model)[label];
    const confidence = (smoothed ?? probabilities)?.[label];
    return {
      ...{ track, box },
      ...(name !== undefined && { label: name }),
      ...(colour !== undefined && { colour }),
      ...(confidence !== undefined && { confidence }),
    };
  }

  #coloursOf(model: FaceModel): readonly Colour[] {
    let colours = this.#colours.get(model);
    if (!colours) {
      colours = coloursOf(model.labels);
      this.#colours.set(model, colours);
    }
    return colours;
  }

  async #put(cues: readonly Cue[]): Promise<void> {
    this.#check();
    const text = cues.map((cue) => this.#format.add(cue, this.#size)).join("");
    if (text === "" || this.#stream.write(text)) return;
    await drained(this.#stream).catch(() => {}); // reported below
    this.#check();
  }

  #check(): void {
    if (this.#broken === undefined) return;
    throw new SinkError(
      "SINK_WRITE",
      `${this.#context.id}: ${this.path} cannot be written: ${diskReason(this.#broken)}`,
      { cause: this.#broken },
    );
  }
}
