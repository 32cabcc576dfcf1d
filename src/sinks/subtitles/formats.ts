import { type Cue, type CueOptions, Flattener, type Line } from "./cues.js";

/** Size of the frames, pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A subtitle format, written piece by piece. */
export interface Format {
  readonly cues: CueOptions;
  head(size: Size): string;
  /** The text added by a finished cue. */
  add(cue: Cue, size: Size): string;
  end(): string;
}

/** Formats by file extension, with the dot. */
export const FORMATS: Readonly<Record<string, () => Format>> = {
  ".vtt": webVtt,
  ".srt": subRip,
  ".ass": ass,
};

/** WebVTT (W3C): places each cue above its face. */
function webVtt(): Format {
  return {
    cues: { move: 0.25, longestMs: 5000 },
    head: () => "WEBVTT\n",
    add: ({ fromMs, toMs, from, text }, { width, height }) => {
      // Above the box if there is room for a line, else below it.
      const above = from.y >= 0.08 * height;
      const line = above ? from.y / height - 0.07 : (from.y + from.height) / height + 0.01;
      const x = leftOf(from.x / width, (text.length * WEBVTT_TEXT * height) / width);
      const place = `line:${percent(Math.min(line, 0.92))} position:${percent(x)} align:start`;
      return `\n${time(fromMs, ".")} --> ${time(toMs, ".")} ${place}\n${markup(text)}\n`;
    },
    end: () => "",
  };
}

/** Height of the text, as a fraction of the picture's: as browsers draw WebVTT, and as our styles say in ASS. */
const WEBVTT_TEXT = 0.05;
const ASS_TEXT = 0.032;
/** Width of a character of usual fonts, bold too, as a fraction of the text's height. */
const CHARACTER = 0.6;

/** Where a text of so many characters' heights begins: at its face, unless it would run out of the picture. */
function leftOf(x: number, heights: number): number {
  return Math.max(0, Math.min(x, 1 - CHARACTER * heights));
}

function percent(part: number): string {
  return `${(100 * Math.max(0, Math.min(1, part))).toFixed(1)}%`;
}

function markup(text: string): string {
  return text.replace(/[&<>]/g, (mark) => `&#${mark.charCodeAt(0)};`).replace(/\s+/g, " ");
}

/** SubRip: has no positions, so faces are stacked in order from left to right. */
function subRip(): Format {
  const flattener = new Flattener();
  let number = 0;
  const text = (lines: readonly Line[]) =>
    lines
      .map(
        ({ fromMs, toMs, texts }) =>
          `${++number}\n${time(fromMs, ",")} --> ${time(toMs, ",")}\n${texts.map((one) => one.replace(/[<>{}]|\s+/g, " ")).join("\n")}\n\n`,
      )
      .join("");
  return {
    cues: { move: Number.POSITIVE_INFINITY, longestMs: 5000 },
    head: () => "",
    add: (cue) => text(flattener.add(cue)),
    end: () => text(flattener.end()),
  };
}

/** `01:02:03.004`. */
function time(ms: number, point: string): string {
  const total = Math.max(0, Math.round(ms));
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const hours = two(total / 3_600_000);
  return `${hours}:${two((total / 60_000) % 60)}:${two((total / 1000) % 60)}${point}${String(total % 1000).padStart(3, "0")}`;
}

/** Advanced SubStation Alpha: box and label move with the face. */
function ass(): Format {
  return {
    cues: { move: 0.1, longestMs: 2000 },
    head: ({ width, height }) => {
      const size = Math.max(10, Math.round(ASS_TEXT * height));
      const style = (name: string, border: number, outline: number) =>
        `Style: ${name},Arial,${size},&H00FFFFFF,&H00FFFFFF,&H00000000,&H4C000000,1,0,0,0,100,100,0,0,${border},${outline},0,7,0,0,0,1`;
      return `[Script Info]
ScriptType: v4.00+
PlayResX: ${width}
PlayResY: ${height}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
${style("Box", 1, Math.max(1, Math.round(size / 8)))}
${style("Label", 1, Math.max(1, Math.round(size / 10)))}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
`;
    },
    add: (cue, size) => `${boxLine(cue)}${labelLine(cue, size)}`,
    end: () => "",
  };
}

function boxLine({ fromMs, toMs, from, to, colour = "#ffffff" }: Cue): string {
  const [width, height] = [
    Math.round((from.width + to.width) / 2),
    Math.round((from.height + to.height) / 2),
  ];
  const shape = `m 0 0 l ${width} 0 ${width} ${height} 0 ${height}`;
  const style = `\\an7${moved(from.x, from.y, to.x, to.y)}\\1a&HFF&\\3c${assColour(colour)}\\p1`;
  return dialogue(0, fromMs, toMs, "Box", `{${style}}${shape}{\\p0}`);
}

function labelLine(cue: Cue, { width, height }: Size): string {
  const { fromMs, toMs, from, to, text, colour = "#ffffff" } = cue;
  // With the square and a space before it.
  const heights = ((text.length + 2) * ASS_TEXT * height) / width;
  const x = (box: Cue["from"]) => width * leftOf(box.x / width, heights);
  const [gap, line] = [0.008 * height, 0.042 * height];
  const above = from.y >= line + gap;
  // A face may move out of the picture, or fill it.
  const y = (box: Cue["from"]) =>
    above ? Math.max(line, box.y - gap) : Math.min(height - line, box.y + box.height + gap);
  const place = `${above ? "\\an1" : "\\an7"}${moved(x(from), y(from), x(to), y(to))}`;
  // A square in the expression's colour, then the text in white.
  const plain = text.replace(/[{}\\]|\s+/g, " ");
  return dialogue(1, fromMs, toMs, "Label", `{${place}\\1c${assColour(colour)}}■ {\\1c&HFFFFFF&}${plain}`);
}

function moved(x: number, y: number, toX: number, toY: number): string {
  const [a, b, c, d] = [x, y, toX, toY].map(Math.round);
  return a === c && b === d ? `\\pos(${a},${b})` : `\\move(${a},${b},${c},${d})`;
}

function dialogue(layer: number, fromMs: number, toMs: number, style: string, text: string): string {
  return `Dialogue: ${layer},${assTime(fromMs)},${assTime(toMs)},${style},,0,0,0,,${text}\n`;
}

/** `1:02:03.04`. */
function assTime(ms: number): string {
  const hundredths = Math.max(0, Math.round(ms / 10));
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const seconds = hundredths / 100;
  return `${Math.floor(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}.${two(hundredths % 100)}`;
}

/** Blue, green, red. */
function assColour(colour: string): string {
  return `&H${colour.slice(5, 7)}${colour.slice(3, 5)}${colour.slice(1, 3)}&`.toUpperCase();
}
