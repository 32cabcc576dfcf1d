import { layOut, type Rectangle } from "../operators/annotate/layout.js";
import type { PictureHead, SeenFace } from "../sinks/web/protocol.js";
import { element, setText } from "./element.js";
import { clock, percent } from "./format.js";
import type { Camera, State } from "./state.js";

interface View {
  readonly figure: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly state: HTMLElement;
  readonly time: HTMLElement;
  readonly rate: HTMLElement;
  readonly button: HTMLButtonElement;
  picture: { readonly head: PictureHead; readonly bitmap: ImageBitmap } | undefined;
  /** Sequence number of the shown picture over all cameras; 0: from before this view. */
  came: number;
}

/** The pictures of all cameras, in a grid or with one enlarged. */
export class Cameras {
  readonly #root: HTMLElement;
  /** What screen readers are told. */
  readonly #news: HTMLElement;
  readonly #state: State;
  #views: View[] = [];
  #large: number | undefined;
  #came = 0;
  #resized = new ResizeObserver(() => {
    for (const view of this.#views) this.#draw(view);
  });

  constructor(root: HTMLElement, news: HTMLElement, state: State) {
    this.#root = root;
    this.#news = news;
    this.#state = state;
  }

  /**
   * Starts over with the state's cameras. Keeps focus, the enlarged camera, and pictures of remaining cameras, without
   * faces, until new ones arrive.
   */
  reset(): void {
    const old = this.#views;
    const large = old[this.#large ?? -1]?.figure.dataset.camera;
    const focused = old.find(({ button }) => button === document.activeElement)?.figure.dataset.camera;
    this.#resized.disconnect();
    this.#views = this.#state.cameras.map((camera, i) => {
      const view = this.#view(camera, i);
      const { picture } = old.find(({ figure }) => figure.dataset.camera === camera.id) ?? {};
      // Its labels and tracks belong to the previous session.
      view.picture = picture && { bitmap: picture.bitmap, head: { ...picture.head, faces: [] } };
      return view;
    });
    this.#root.replaceChildren(...this.#views.map(({ figure }) => figure));
    this.#root.dataset.count = String(Math.min(9, this.#views.length));
    for (const { canvas } of this.#views) this.#resized.observe(canvas);
    const now = (id: string | undefined) => this.#state.cameras.findIndex((camera) => camera.id === id);
    this.enlarge(now(large));
    this.#views[now(focused)]?.button.focus({ preventScroll: true });
  }

  /** Enlarges one camera, or shows all the same size. */
  enlarge(index: number | undefined): void {
    this.#large = index !== undefined && this.#views.length > 1 && this.#views[index] ? index : undefined;
    this.#root.toggleAttribute("data-large", this.#large !== undefined);
    for (const [i, { figure, button }] of this.#views.entries()) {
      figure.toggleAttribute("data-large", i === this.#large);
      button.setAttribute("aria-pressed", String(i === this.#large));
      button.hidden = this.#views.length < 2;
    }
  }

  toggle(index: number): void {
    this.enlarge(this.#large === index ? undefined : index);
  }

  /** Draws a picture with the faces of the same frame. */
  async show(head: PictureHead, jpeg: Uint8Array<ArrayBuffer>): Promise<void> {
    const view = this.#views[head.camera];
    const came = ++this.#came;
    const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    // Everything was reset in the meantime, or a newer picture was decoded first.
    if (!view || !this.#views.includes(view) || view.came > came) return bitmap.close();
    view.picture?.bitmap.close();
    view.picture = { head, bitmap };
    view.came = came;
    this.#draw(view);
    view.figure.dataset.frame = String(head.sequence);
    setText(view.time, clock(head.mediaTimeMs, true));
  }

  /** The currently shown picture of a camera. */
  pictureOf(camera: number): View["picture"] {
    return this.#views[camera]?.picture;
  }

  /** Redraws everything, e.g. in other colours. */
  redraw(): void {
    for (const view of this.#views) this.#draw(view);
  }

  /** Updates the captions. */
  refresh(): void {
    for (const [i, { figures, fps, id }] of this.#state.cameras.entries()) {
      const view = this.#views[i];
      if (!view) continue;
      const state = figures?.state ?? "opening";
      const { state: before = "opening" } = view.figure.dataset;
      view.figure.dataset.state = state;
      setText(view.state, state === "running" ? "" : state);
      if (before !== "opening" && before !== state) setText(this.#news, `${id}: ${state}`);
      const dropped =
        figures && figures.dropped > 0 ? ` · ${figures.dropped.toLocaleString("en-US")} dropped` : "";
      setText(view.rate, `${Math.round(fps)} fps${dropped}`);
      const faces = view.picture?.head.faces.map((face) => this.#nameOf(face)) ?? [];
      view.canvas.setAttribute("aria-label", `${id}: ${faces.length > 0 ? faces.join(", ") : "no faces"}`);
    }
  }

  #view(camera: Camera, index: number): View {
    const canvas = element("canvas", { role: "img", "aria-label": camera.id });
    const state = element("span", { class: "state" });
    const time = element("span", { class: "time" });
    const rate = element("span", { class: "rate" });
    const button = element("button", {
      type: "button",
      class: "large",
      "aria-pressed": "false",
      "aria-label": `Enlarge ${camera.id}`,
      title: index < 9 ? `Enlarge or shrink (${index + 1})` : "Enlarge or shrink",
    });
    button.onclick = () => this.toggle(index);
    const caption = element(
      "figcaption",
      {},
      element("b", { title: camera.id }, camera.id),
      state,
      rate,
      time,
      button,
    );
    const figure = element("figure", { "data-camera": camera.id }, canvas, caption);
    return { figure, canvas, state, time, rate, button, picture: undefined, came: 0 };
  }

  #nameOf({ track, label, confidence }: SeenFace): string {
    const name = label === undefined ? "" : ` ${this.#state.labels[label] ?? ""}`;
    const sure = confidence === undefined ? "" : ` ${percent(confidence)}`;
    return `${track === undefined ? "face" : `#${track}`}${name}${sure}`;
  }

  #draw({ canvas, picture }: View): void {
    if (!picture) return;
    const { head, bitmap } = picture;
    canvas.style.setProperty("--ratio", `${head.width} / ${head.height}`);
    const ratio = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round((width * head.height) / head.width);
    if (width === 0) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) return;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    const faces = head.faces.map((face) => ({ face, box: scaled(face.box, width / head.width) }));
    for (const { face, box } of faces) this.#drawBox(context, box, this.#colourOf(face), ratio);
    const plates: Rectangle[] = [];
    for (const { face, box } of faces) plates.push(this.#drawName(context, face, box, plates, ratio));
  }

  #colourOf({ label }: SeenFace): string {
    return (label === undefined ? undefined : this.#state.colours[label]) ?? "#ffffff";
  }

  /** A box with a dark outline, so that it shows on any background. */
  #drawBox(
    context: CanvasRenderingContext2D,
    { x, y, width, height }: Rectangle,
    colour: string,
    ratio: number,
  ): void {
    const thick = thicknessOf(width, ratio);
    context.lineJoin = "round";
    for (const [style, line] of [
      ["rgb(0 0 0 / 55%)", thick + 2 * ratio],
      [colour, thick],
    ] as const) {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.beginPath();
      context.roundRect(x, y, width, height, 5 * ratio);
      context.stroke();
    }
  }

  /** The face's name beside its box, if possible not over earlier ones. Returns where it is. */
  #drawName(
    context: CanvasRenderingContext2D,
    face: SeenFace,
    box: Rectangle,
    taken: readonly Rectangle[],
    ratio: number,
  ): Rectangle {
    const size = 13 * ratio;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const text = this.#nameOf(face);
    const plate = { width: context.measureText(text).width + size, height: size * 1.65 };
    const thick = thicknessOf(box.width, ratio);
    const around = { ...box, x: box.x - thick / 2 };
    const place = layOut(around, plate, thick / 2 + 3 * ratio, context.canvas, taken);
    const colour = this.#colourOf(face);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(place.x, place.y, place.width, place.height, 4 * ratio);
    context.fill();
    context.fillStyle = inkOn(colour);
    context.fillText(text, place.x + size / 2, place.y + plate.height / 2 + ratio / 2);
    return place;
  }
}

function scaled([x, y, width, height]: SeenFace["box"], scale: number): Rectangle {
  return { x: x * scale, y: y * scale, width: width * scale, height: height * scale };
}

function thicknessOf(boxWidth: number, ratio: number): number {
  return Math.max(2, Math.min(4, boxWidth / 60 / ratio)) * ratio;
}

/** Black or white, whichever has better contrast on a colour (WCAG relative luminance). */
function inkOn(colour: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}
