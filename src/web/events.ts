import type { ListedEvent } from "../sinks/web/protocol.js";
import { element } from "./element.js";
import { clock, lasting, percent } from "./format.js";
import type { State } from "./state.js";

const SHOWN = 100;

/** The latest events, newest first. */
export class Events {
  readonly #root: HTMLElement;
  readonly #state: State;
  #newest: string | undefined;

  constructor(root: HTMLElement, state: State) {
    this.#root = root;
    this.#state = state;
  }

  reset(): void {
    this.#newest = undefined;
    this.#root.replaceChildren();
  }

  /** Adds new events. */
  refresh(): void {
    const { events } = this.#state;
    const known = events.findIndex(({ id }) => id === this.#newest);
    const fresh = events.slice(0, known < 0 ? SHOWN : known);
    this.#newest = events[0]?.id;
    this.#root.toggleAttribute("data-empty", events.length === 0);
    this.#root.toggleAttribute("data-several", this.#state.cameras.length > 1);
    if (fresh.length === 0) return;
    if (known < 0) this.#root.replaceChildren();
    this.#root.prepend(...fresh.map((event) => this.#item(event)));
    while (this.#root.children.length > SHOWN) this.#root.lastElementChild?.remove();
  }

  #item({ camera, track, kind, label, confidence, mediaTimeMs, sinceMs }: ListedEvent): HTMLElement {
    const who = this.#state.cameras.length > 1 ? `#${track} ${camera}` : `#${track}`;
    const detail =
      kind === "left" ? `left after ${lasting(mediaTimeMs - sinceMs)}` : `${kind} ${percent(confidence)}`;
    const item = element(
      "li",
      { "data-kind": kind },
      element("time", { datetime: `PT${(mediaTimeMs / 1000).toFixed(3)}S` }, clock(mediaTimeMs, true)),
      element("span", { class: "who", title: who }, who),
      element("b", {}, label),
      element("span", { class: "detail" }, detail),
    );
    item.style.setProperty(
      "--colour",
      this.#state.colours[this.#state.labels.indexOf(label)] ?? "var(--dim)",
    );
    return item;
  }
}
