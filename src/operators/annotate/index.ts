import { Type } from "typebox";
import { coloursOf } from "../../events/palette.js";
import type { Face, FaceFrame, FaceModel, Frame } from "../../media/frame.js";
import { type ColourInfo, HD_HEIGHT } from "../../media/video-info.js";
import { operator } from "../../pipeline/component.js";
import type { RunContext } from "../../pipeline/context.js";
import { Length, pixelsOf } from "../../pipeline/units.js";
import { changing } from "../changing.js";
import { Canvas } from "./canvas.js";
import { Font } from "./font.js";
import { layOut, type Rectangle } from "./layout.js";
import { type Paint, paintOf } from "./paint.js";

const PARTS = ["box", "track", "label", "confidence", "bar"] as const;
type Part = (typeof PARTS)[number];

const Options = Type.Object({
  show: Type.Optional(
    Type.Array(Type.Union(PARTS.map((part) => Type.Literal(part))), {
      default: [...PARTS],
      description:
        "What to draw for each face: its `box`, its `track` number, the `label`, its `confidence`, and a `bar` in which the length of each expression's colour is its probability.",
    }),
  ),
  text: Type.Optional(Length({ default: "2.5%", description: "Text size; at least 9 pixels, at most 48." })),
});

const TEXT: Length = { unit: "%", value: 2.5 };
/** Smallest legible text, in pixels. */
const LEAST_TEXT = 9;
/** Opacity of the plate behind the text. */
const PLATE_OPACITY = 0.7;

/** Draws what is known about each face into the picture. */
export const annotate = operator({
  type: "annotate",
  summary: "Draws boxes and expressions into the pictures.",
  description:
    "Each expression has its own colour, from a palette that people with any common form of colour blindness can tell apart; text is on a dark background. The font comes with the package (Latin letters). Nothing that reads faces may come after it. Pixels are changed in place, or in a copy if another branch of the graph still uses the frame.",
  takes: "faces",
  gives: "faces",
  colour: true,
  spoils: ["detect", "classify", "blur"],
  options: Options,
  example: "- { type: annotate, show: [box, track, label, confidence, bar] }",
  build: ({ show = [...PARTS], text = TEXT }, context) => {
    const shown = new Set<Part>(show);
    const canvas = new Canvas();
    const styles = new Map<string, Style>();
    const styleOf = (frame: Frame) => {
      const size = Math.max(LEAST_TEXT, pixelsOf(text, frame.width, frame.height));
      // Not by the picture's own size: a folder may contain as many sizes as pictures.
      const key = `${frame.source} ${size} ${frame.height >= HD_HEIGHT}`;
      let style = styles.get(key);
      if (!style) {
        style = new Style(colourOf(frame, context), frame, size);
        styles.set(key, style);
      }
      return style;
    };
    return changing(context, ({ frame, faces }: FaceFrame) => {
      if (faces.length === 0 || frame.format !== "yuv420p") return;
      canvas.over(frame);
      draw(canvas, faces, styleOf(frame), shown);
    });
  },
});

function colourOf(frame: Frame, context: RunContext): ColourInfo {
  return context.stats.sources.find(({ id }) => id === frame.source)?.video?.colour ?? { range: "tv" };
}

/** Sizes and paints for the pictures of one source. */
class Style {
  readonly font: Font;
  readonly white: Paint;
  readonly black: Paint;
  /** Even, like everything with a colour. */
  readonly line: number;
  readonly padding: number;
  readonly bar: number;
  readonly #info: ColourInfo;
  readonly #height: number;
  readonly #paints = new WeakMap<FaceModel, readonly Paint[]>();

  /** @param size of the text, in pixels */
  constructor(info: ColourInfo, { height }: Frame, size: number) {
    this.#info = info;
    this.#height = height;
    this.font = new Font(size);
    this.white = paintOf("#FFFFFF", info, height);
    this.black = paintOf("#000000", info, height);
    this.line = even(size / 8);
    this.padding = even(size / 4);
    this.bar = even(size / 2.5);
  }

  /** The paints of a model's labels. */
  paintsOf(model: FaceModel): readonly Paint[] {
    let paints = this.#paints.get(model);
    if (!paints) {
      paints = coloursOf(model.labels).map((colour) => paintOf(colour, this.#info, this.#height));
      this.#paints.set(model, paints);
    }
    return paints;
  }
}

function even(value: number): number {
  return Math.max(2, 2 * Math.round(value / 2));
}

function draw(canvas: Canvas, faces: readonly Face[], style: Style, shown: ReadonlySet<Part>): void {
  const outlined = faces.map((face) => ({ face, box: evenBox(face.box), paint: paintOfFace(face, style) }));
  // All boxes first, so that none crosses the text of another face.
  if (shown.has("box")) for (const { box, paint } of outlined) drawBox(canvas, box, paint, style);
  const plates: Rectangle[] = [];
  for (const { face, box, paint } of outlined) {
    const text = textOf(face, shown);
    const bar = shown.has("bar") && face.model !== undefined;
    if (text === "" && !bar) continue;
    const plate = layOut(box, plateSize(text, bar, style), style.line, canvas, plates);
    plates.push(plate);
    drawPlate(canvas, plate, text, bar, face, paint, style);
  }
}

function evenBox({ x, y, width, height }: Rectangle): Rectangle {
  const near = (value: number) => 2 * Math.round(value / 2);
  return { x: near(x), y: near(y), width: near(width), height: near(height) };
}

function paintOfFace({ model, label = -1 }: Face, style: Style): Paint {
  return (model && style.paintsOf(model)[label]) ?? style.white;
}

function drawBox(
  canvas: Canvas,
  { x, y, width, height }: Rectangle,
  paint: Paint,
  { line, black }: Style,
): void {
  // A dark rim on either side keeps the colour visible on any background.
  canvas.outline(x - 2, y - 2, width + 4, height + 4, line + 4, black);
  canvas.outline(x, y, width, height, line, paint);
}

/** `#3 happy 87 %`. */
function textOf(face: Face, shown: ReadonlySet<Part>): string {
  const { track, label, model } = face;
  const known = model && label !== undefined;
  const share = label === undefined ? undefined : (face.smoothed ?? face.probabilities)?.[label];
  return [
    shown.has("track") && track !== undefined ? `#${track}` : "",
    shown.has("label") && known ? (model.labels[label] ?? "") : "",
    shown.has("confidence") && share !== undefined ? `${Math.round(share * 100)} %` : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function plateSize(text: string, bar: boolean, { font, padding, bar: thickness }: Style) {
  const textWidth = text === "" ? 0 : font.width(text) + font.height; // the colour's square and a gap before the text
  return {
    width: even(Math.max(textWidth, font.height * 5) + 2 * padding),
    height: even((text === "" ? 0 : font.height) + (bar ? thickness + padding : 0) + padding),
  };
}

function drawPlate(
  canvas: Canvas,
  plate: Rectangle,
  text: string,
  bar: boolean,
  face: Face,
  paint: Paint,
  style: Style,
): void {
  const { font, padding, black, white } = style;
  canvas.fill(plate.x, plate.y, plate.width, plate.height, black, PLATE_OPACITY);
  const x = plate.x + padding;
  const top = plate.y + padding / 2;
  if (text !== "") {
    const square = 2 * Math.round(font.height * 0.28);
    canvas.fill(x, 2 * Math.round((top + (font.height - square) / 2) / 2), square, square, paint);
    canvas.text(text, x + font.height, top, font, white.y);
  }
  if (!bar) return;
  const y = plate.y + plate.height - padding - style.bar;
  drawBar(canvas, x, y, plate.width - 2 * padding, face, style);
}

/** The labels' colours in label order, each as long as its label is probable. */
function drawBar(canvas: Canvas, x: number, y: number, width: number, face: Face, style: Style): void {
  const { model } = face;
  const values = face.smoothed ?? face.probabilities;
  if (!model || !values) return;
  const paints = style.paintsOf(model);
  let sum = 0;
  let from = x;
  for (let i = 0; i < values.length; i++) {
    sum += values[i] ?? 0;
    const to = 2 * Math.round((x + Math.min(1, sum) * width) / 2);
    canvas.fill(from, y, to - from, style.bar, paints[i] ?? style.white);
    from = Math.max(from, to);
  }
}
