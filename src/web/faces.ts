import type { Cameras } from "./cameras.js";
import { element, setText } from "./element.js";
import { lasting, percent } from "./format.js";
import type { State, Track } from "./state.js";
import { nameOf, ranked } from "./timelines.js";

interface Card {
  readonly root: HTMLElement;
  readonly face: HTMLCanvasElement;
  readonly name: HTMLElement;
  readonly label: HTMLElement;
  readonly since: HTMLElement;
  readonly bars: { readonly bar: HTMLElement; readonly value: HTMLElement }[];
}

/** A card for each face in view: its picture, its expression, and all probabilities. */
export class Faces {
  readonly #root: HTMLElement;
  readonly #state: State;
  readonly #cameras: Cameras;
  readonly #cards = new Map<string, Card>();
  #labels = "";

  constructor(root: HTMLElement, state: State, cameras: Cameras) {
    this.#root = root;
    this.#state = state;
    this.#cameras = cameras;
  }

  reset(): void {
    this.#cards.clear();
    this.#root.replaceChildren();
  }

  refresh(): void {
    const labels = this.#state.labels.join();
    if (labels !== this.#labels) this.reset();
    this.#labels = labels;
    const present = this.#state.present.sort((a, b) => a.camera - b.camera || a.number - b.number);
    for (const [key, { root }] of this.#cards) {
      if (present.some((track) => track.key === key)) continue;
      root.remove();
      this.#cards.delete(key);
    }
    for (const track of present) {
      let card = this.#cards.get(track.key);
      if (!card) {
        card = this.#card();
        this.#cards.set(track.key, card);
        this.#root.append(card.root);
      }
      this.#fill(card, track);
    }
    this.#root.toggleAttribute("data-many", present.length > 3);
    this.#root.toggleAttribute("data-empty", present.length === 0);
  }

  #card(): Card {
    const face = element("canvas", { width: "112", height: "112", "aria-hidden": "true" });
    const name = element("span", { class: "name" });
    const label = element("b");
    const since = element("span", { class: "since" });
    const bars = this.#state.labels.map((label, i) => {
      const bar = element("i");
      bar.style.background = this.#state.colours[i] ?? "";
      const value = element("span", { class: "value" });
      return {
        row: element("li", {}, element("span", {}, label), element("span", { class: "track" }, bar), value),
        bar,
        value,
      };
    });
    const head = element("div", { class: "head" }, face, element("p", {}, name, label, since));
    const root = element("li", {}, head, element("ul", { class: "bars" }, ...bars.map(({ row }) => row)));
    return { root, face, name, label, since, bars };
  }

  #fill({ root, face, name, label, since, bars }: Card, track: Track): void {
    const { labels, colours } = this.#state;
    const index = track.labels.at(-1) ?? -1;
    const chances = track.chances.at(-1) ?? [];
    setText(name, nameOf(track, this.#state));
    setText(label, labels[index] ?? "face");
    setText(
      since,
      index < 0
        ? ""
        : `${percent((chances[index] ?? 0) / 1000)} for ${lasting((track.times.at(-1) ?? 0) - track.sinceMs)}`,
    );
    root.style.setProperty("--colour", colours[index] ?? "var(--dim)");
    for (const { index: i, chance } of ranked(chances, labels)) {
      const row = bars[i];
      if (!row) continue;
      row.bar.style.width = `${chance * 100}%`;
      setText(row.value, percent(chance));
    }
    this.#portrait(face, track);
  }

  /** The face, cropped from the current picture. */
  #portrait(canvas: HTMLCanvasElement, track: Track): void {
    const picture = this.#cameras.pictureOf(track.camera);
    const seen = picture?.head.faces.find(({ track: number }) => number === track.number);
    const context = canvas.getContext("2d");
    if (!picture || !seen || !context) return;
    const scale = picture.bitmap.width / picture.head.width;
    const [x, y, width, height] = seen.box.map((value) => value * scale) as [number, number, number, number];
    context.drawImage(picture.bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
  }
}
