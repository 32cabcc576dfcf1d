import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ConfigError, messageOf } from "../errors.js";
import type { Ffmpeg } from "./ffmpeg.js";

/** A video encoder of ffmpeg, and how to ask it for a quality. */
export interface VideoEncoder {
  /** ffmpeg's name, e.g. `libx264`. */
  readonly name: string;
  /** Options before the inputs. */
  readonly device: readonly string[];
  /** Filters that convert `yuv420p` frames to what the encoder expects. */
  readonly filters: readonly string[];
  /** Output options. */
  readonly options: readonly string[];
}

interface Family {
  readonly names: RegExp;
  /** On the encoder's own scale; lower is better. */
  readonly quality: number;
  readonly preset?: string;
  readonly options: (quality: string) => readonly string[];
  readonly device?: readonly string[];
  readonly filters?: readonly string[];
}

/** For encoders without a quality setting. */
const BIT_RATE = ["-b:v", "8M"];

// Each family has its own options for "this quality, whatever the bit rate".
const FAMILIES: readonly Family[] = [
  { names: /^libx264$/, quality: 20, preset: "veryfast", options: (q) => ["-crf", q] },
  { names: /^libx265$/, quality: 24, preset: "veryfast", options: (q) => ["-crf", q] },
  { names: /^libsvtav1$/, quality: 30, preset: "10", options: (q) => ["-crf", q] },
  {
    names: /^libvpx-vp9$/,
    quality: 31,
    options: (q) => ["-crf", q, "-b:v", "0", "-deadline", "realtime", "-cpu-used", "6", "-row-mt", "1"],
  },
  { names: /^libaom-av1$/, quality: 30, options: (q) => ["-crf", q, "-b:v", "0", "-cpu-used", "8"] },
  { names: /^(h264|hevc|av1)_nvenc$/, quality: 23, options: (q) => ["-rc", "vbr", "-cq", q, "-b:v", "0"] },
  {
    names: /^(h264|hevc|av1|vp9)_qsv$/,
    quality: 23,
    options: (q) => ["-global_quality", q],
    filters: ["format=nv12"],
  },
  {
    names: /^(h264|hevc|av1|vp9)_vaapi$/,
    quality: 23,
    options: (q) => ["-qp", q],
    device: ["-vaapi_device", "/dev/dri/renderD128"],
    filters: ["format=nv12", "hwupload"],
  },
  { names: /^(h264|hevc|av1)_amf$/, quality: 22, options: (q) => ["-rc", "cqp", "-qp_i", q, "-qp_p", q] },
  // Its scale is reversed, 1 to 100, and only Apple silicon has it.
  {
    names: /^(h264|hevc)_videotoolbox$/,
    quality: 35,
    options: (q) => (process.arch === "arm64" ? ["-q:v", String(Math.max(1, 100 - Number(q)))] : BIT_RATE),
  },
  { names: /^(h264|hevc)_(v4l2m2m|omx|mf)$/, quality: 0, options: () => BIT_RATE },
];

export interface EncoderWish {
  /** ffmpeg's name of the encoder. */
  readonly codec: string;
  /** On the encoder's own scale. */
  readonly quality?: number;
  readonly preset?: string;
}

/**
 * The encoder to use, tried with one small frame: that ffmpeg was built with it does not mean that the hardware is
 * there, nor that the preset exists. Throws `ConfigError` that lists the encoders this ffmpeg has.
 */
export async function findEncoder(ffmpeg: Ffmpeg, wish: EncoderWish): Promise<VideoEncoder> {
  const encoder = encoderOf(wish);
  if (!encoder) throw await unknown(ffmpeg, wish.codec);
  const { codec, quality, preset } = wish;
  // Trying takes 0.1 s, as much as encoding a dozen frames.
  const certain = codec === "libx264" && ffmpeg.x264 && quality === undefined && preset === undefined;
  if (!certain) await tryOut(ffmpeg, encoder);
  return encoder;
}

/** Options for the requested quality; undefined if unknown for this encoder. */
export function encoderOf({ codec, quality, preset }: EncoderWish): VideoEncoder | undefined {
  const family = FAMILIES.find(({ names }) => names.test(codec));
  if (!family) return undefined;
  const speed = preset ?? family.preset;
  return {
    name: codec,
    device: family.device ?? [],
    filters: family.filters ?? [],
    options: [...(speed ? ["-preset", speed] : []), ...family.options(String(quality ?? family.quality))],
  };
}

async function unknown(ffmpeg: Ffmpeg, codec: string): Promise<ConfigError> {
  const known = (await encoderNames(ffmpeg)).filter((name) => FAMILIES.some(({ names }) => names.test(name)));
  return new ConfigError(
    "CODEC_UNKNOWN",
    `ffmpeg ${ffmpeg.version} has no video encoder \`${codec}\`; it has ${known.join(", ")}`,
  );
}

async function encoderNames(ffmpeg: Ffmpeg): Promise<string[]> {
  const { stdout } = await promisify(execFile)(ffmpeg.path, ["-hide_banner", "-encoders"]);
  return [...stdout.matchAll(/^ V\S+ +(\S+)/gm)].map(([, name = ""]) => name);
}

async function tryOut(ffmpeg: Ffmpeg, { name, device, filters, options }: VideoEncoder): Promise<void> {
  const args = [
    ...["-hide_banner", "-nostdin", "-v", "error", ...device],
    ...["-f", "lavfi", "-i", "color=size=256x256:rate=25:duration=0.2"],
    ...(filters.length > 0 ? ["-vf", filters.join(",")] : ["-pix_fmt", "yuv420p"]),
    ...["-c:v", name, ...options, "-f", "null", "-"],
  ];
  try {
    await promisify(execFile)(ffmpeg.path, args, { timeout: 20_000 });
  } catch (cause) {
    if (!(await encoderNames(ffmpeg)).includes(name)) throw await unknown(ffmpeg, name);
    const said = ((cause as { stderr?: string }).stderr ?? messageOf(cause)).trim().split("\n");
    const reason =
      said.find((line) => /cannot|no such|not found|invalid|unable|failed|undefined/i.test(line)) ?? said[0];
    throw new ConfigError(
      "CODEC_UNUSABLE",
      `the video encoder \`${name}\` does not work here with ${options.join(" ")}: ${(reason ?? "").replace(/^\[[^\]]*\] /, "")}; use libx264, or an encoder whose hardware is present`,
      { cause },
    );
  }
}
